package bar

import (
	"encoding/xml"
	"image/color"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
	"pgregory.net/rapid"
)

// drawing is the SVG of a QR code.
type drawing struct {
	XMLName   xml.Name `xml:"http://www.w3.org/2000/svg svg"`
	ViewBox   string   `xml:"viewBox,attr"`
	Width     int      `xml:"width,attr"`
	Height    int      `xml:"height,attr"`
	Role      string   `xml:"role,attr"`
	Rendering string   `xml:"shape-rendering,attr"`
	Rect      struct {
		Width  int    `xml:"width,attr"`
		Height int    `xml:"height,attr"`
		Fill   string `xml:"fill,attr"`
	} `xml:"rect"`
	Paths []struct {
		Fill string `xml:"fill,attr"`
		D    string `xml:"d,attr"`
	} `xml:"path"`
}

var run = regexp.MustCompile(`^M(\d+) (\d+)h(\d+)v1h-(\d+)z`)

// modules are the dark ones of an SVG, by row and column, the quiet zone among them. It fails the test where the image is not as it
// should be: a white square, and on it runs of modules that lie in it, none of which touches another in its row.
func modules(t rapid.TB, svg string) [][]bool {
	t.Helper()
	var d drawing
	if err := xml.Unmarshal([]byte(svg), &d); err != nil {
		t.Fatal(err)
	}
	side := d.Rect.Width
	box := "0 0 " + strconv.Itoa(side) + " " + strconv.Itoa(side)
	if d.ViewBox != box || d.Rect.Height != side || d.Rect.Fill != "#ffffff" || d.Width != d.Height || d.Width != side*moduleSize ||
		d.Role != "img" || d.Rendering != "crispEdges" || len(d.Paths) != 1 || d.Paths[0].Fill != "#000000" || strings.Contains(svg, "<title") {
		t.Fatalf("the image is %.400s", svg)
	}
	dark := make([][]bool, side)
	for y := range dark {
		dark[y] = make([]bool, side)
	}
	for path := d.Paths[0].D; path != ""; {
		m := run.FindStringSubmatch(path)
		if m == nil || m[3] != m[4] {
			t.Fatalf("the path goes on %.40s", path)
		}
		path = path[len(m[0]):]
		var n [3]int
		for i := range n {
			n[i], _ = strconv.Atoi(m[i+1])
		}
		x, y, length := n[0], n[1], n[2]
		if length == 0 || x < quiet || y < quiet || x+length > side-quiet || y >= side-quiet {
			t.Fatalf("the run %s is not in the box of %d", m[0], side)
		}
		if dark[y][x-1] || dark[y][x+length] {
			t.Fatalf("the run %s touches another", m[0])
		}
		for i := range length {
			if dark[y][x+i] {
				t.Fatalf("the run %s lies on another", m[0])
			}
			dark[y][x+i] = true
		}
	}
	return dark
}

// shown is the side of the code that the image of a text shows, in modules. It fails the test where the image shows anything but the
// modules of the code.
func shown(t rapid.TB, text string) (side int) {
	t.Helper()
	svg, err := QR(text)
	if err != nil {
		t.Fatal(err)
	}
	dark := modules(t, svg)
	mode := qr.Auto
	if strings.ContainsAny(text, "+-") {
		mode = qr.Unicode
	}
	code, err := qr.Encode(text, qr.M, mode)
	if err != nil {
		t.Fatal(err)
	}
	side = code.Bounds().Dx()
	if len(dark) != side+2*quiet {
		t.Fatalf("a side of %d for a code of %d", len(dark), side)
	}
	for y := range side {
		for x := range side {
			if r, _, _, _ := code.At(x, y).RGBA(); dark[y+quiet][x+quiet] != (r == 0) {
				t.Fatalf("the module %d, %d is dark: %v", x, y, dark[y+quiet][x+quiet])
			}
		}
	}
	// Where the level stands (ISO/IEC 18004): M is 00, and comes masked as 10.
	if !dark[quiet+8][quiet] || dark[quiet+8][quiet+1] {
		t.Fatal("the error correction is not M")
	}
	return side
}

func TestQR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shown(t, rapid.OneOf(rapid.StringN(1, 60, 120), rapid.StringMatching(`https://[a-z]{1,20}\.example/s/[A-Za-z0-9_-]{1,90}`)).Draw(t, "text"))
	})
}

// A code is as small as its text allows: version 1 has 21 modules a side, and each further one four more.
func TestQRSizes(t *testing.T) {
	for length, version := range map[int]int{1: 1, 14: 1, 15: 2, 26: 2, 42: 3, 62: 4, 84: 5, 106: 6, 122: 7, 152: 8, 180: 9, 213: 10, 251: 11, 500: 17, 504: 17, 505: 18} {
		text := strings.Repeat("a", length)
		if got, want := shown(t, text), 17+4*version; got != want {
			t.Errorf("%d bytes: a side of %d, want %d", length, got, want)
		}
	}
	first, err := QR(strings.Repeat("a", 500))
	if again, _ := QR(strings.Repeat("a", 500)); again != first || err != nil || len(first) > 40_000 {
		t.Errorf("%d bytes, and then %d, %v", len(first), len(again), err)
	}
}

// A sign is part of a text, also where all the rest are digits.
func TestQRSigns(t *testing.T) {
	for _, texts := range [][2]string{{"123+45", "123045"}, {"+12", "012"}, {"-00", "000"}} {
		signed, err := QR(texts[0])
		if err != nil {
			t.Fatal(err)
		}
		plain, err := QR(texts[1])
		if err != nil {
			t.Fatal(err)
		}
		if signed == plain {
			t.Errorf("%s and %s have one code", texts[0], texts[1])
		}
	}
}

func TestQRRefuses(t *testing.T) {
	if svg, err := QR(""); svg != "" || err == nil || !strings.Contains(err.Error(), "there is no text") {
		t.Errorf("no text: %.40s, %v", svg, err)
	}
	if svg, err := QR(strings.Repeat("é", 2_331/2)); svg == "" || err != nil {
		t.Errorf("as much as fits: %v", err)
	}
	long := strings.Repeat("secret", 400)
	if svg, err := QR(long); svg != "" || err == nil || !strings.Contains(err.Error(), "2400 bytes of text are too many") || strings.Contains(err.Error(), "secret") {
		t.Errorf("too much: %.40s, %v", svg, err)
	}
}

// The library names its colours; QR compares with one of them.
func TestQRColors(t *testing.T) {
	code, err := qr.Encode("a", qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	for y := range code.Bounds().Dy() {
		for x := range code.Bounds().Dx() {
			if c := code.At(x, y); c != color.Black && c != color.White {
				t.Fatalf("the module %d, %d is %v", x, y, c)
			}
		}
	}
}

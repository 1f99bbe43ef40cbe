package look

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/image/draw"
	"pgregory.net/rapid"
)

// checkLogo says that an image is what Logo promises, whatever it was made of, and decodes it.
func checkLogo(t testing.TB, made Image) image.Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(made.Data))
	if err != nil {
		t.Fatal(err)
	}
	checkMade(t, made, m, "image/png", MaxLogoWidth, MaxLogoHeight)
	for rest := made.Data[8:]; len(rest) > 0; {
		kind := string(rest[4:8])
		if kind != "IHDR" && kind != "IDAT" && kind != "IEND" {
			t.Fatalf("there is a chunk %q", kind)
		}
		rest = rest[12+binary.BigEndian.Uint32(rest):]
		if (kind == "IEND") != (len(rest) == 0) {
			t.Fatalf("behind %s there are %d bytes", kind, len(rest))
		}
	}
	if m, ok := m.(*image.NRGBA); ok {
		for i := 0; i < len(m.Pix); i += 4 {
			if c := [4]byte(m.Pix[i:]); c[3] == 0 && c != [4]byte{} {
				t.Fatalf("%v lies behind a transparent pixel", c)
			}
		}
	}
	return m
}

// checkBackground is checkLogo for Background.
func checkBackground(t testing.TB, made Image) image.Image {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(made.Data))
	if err != nil {
		t.Fatal(err)
	}
	checkMade(t, made, m, "image/jpeg", MaxLongSide, MaxLongSide)
	rest := made.Data[2:]
	for rest[1] != markerSOS {
		switch marker := rest[1]; marker {
		case 0xdb, 0xc0, 0xc4: // tables, and the frame
			rest = rest[2+binary.BigEndian.Uint16(rest[2:]):]
		default:
			t.Fatalf("there is a segment %#x", marker)
		}
	}
	rest = rest[2+binary.BigEndian.Uint16(rest[2:]):]
	if end := bytes.Index(bytes.ReplaceAll(rest, []byte{0xff, 0}, []byte{0, 0}), []byte{0xff}); !bytes.Equal(rest[end:], []byte{0xff, 0xd9}) {
		t.Fatalf("the pixels end %d bytes before the file", len(rest)-end)
	}
	return m
}

func checkMade(t testing.TB, made Image, m image.Image, mediaType string, mostWide, mostHigh int) {
	t.Helper()
	hash := sha256.Sum256(made.Data)
	if made.MediaType != mediaType || made.Hash != hex.EncodeToString(hash[:]) {
		t.Fatalf("it is %s, with the hash %s", made.MediaType, made.Hash)
	}
	if size := m.Bounds(); size != image.Rect(0, 0, made.Width, made.Height) || made.Width > mostWide || made.Height > mostHigh || size.Empty() {
		t.Fatalf("%v is said to have %d × %d pixels", size, made.Width, made.Height)
	}
	if bytes.Contains(made.Data, []byte(planted)) || bytes.Contains(made.Data, []byte(planted[:8])) {
		t.Fatal("what was planted is still there")
	}
}

func logoOf(t testing.TB, file []byte) image.Image {
	t.Helper()
	made, err := Logo(file)
	if err != nil {
		t.Fatal(err)
	}
	return checkLogo(t, made)
}

func backgroundOf(t testing.TB, file []byte) image.Image {
	t.Helper()
	made, err := Background(file)
	if err != nil {
		t.Fatal(err)
	}
	return checkBackground(t, made)
}

// near says that a pixel looks as wanted, with so much of a difference in each channel.
func near(t testing.TB, m image.Image, x, y int, want color.NRGBA, slack int) {
	t.Helper()
	got := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
	for _, channel := range [...][2]uint8{{got.R, want.R}, {got.G, want.G}, {got.B, want.B}, {got.A, want.A}} {
		if d := int(channel[0]) - int(channel[1]); d < -slack || d > slack {
			t.Errorf("at %d, %d there is %v, want %v", x, y, got, want)
			return
		}
	}
}

// Every kind of file is taken by both, without anything but its pixels, and the same comes out again.
func TestSamples(t *testing.T) {
	for name, file := range samples(t) {
		t.Run(name, func(t *testing.T) {
			for _, of := range []struct {
				make  func([]byte) (Image, error)
				check func(testing.TB, Image) image.Image
			}{{Logo, checkLogo}, {Background, checkBackground}} {
				before := bytes.Clone(file)
				made, err := of.make(file)
				if err != nil {
					t.Fatal(err)
				}
				of.check(t, made)
				again, err := of.make(file)
				if err != nil || !reflect.DeepEqual(made, again) {
					t.Fatalf("made again it has %d bytes instead of %d: %v", len(again.Data), len(made.Data), err)
				}
				if !bytes.Equal(file, before) {
					t.Fatal("the file was changed")
				}
			}
		})
	}
}

func TestPixels(t *testing.T) {
	all := samples(t)
	for _, test := range []struct {
		sample string
		x, y   int
		want   color.NRGBA
	}{
		{"plain PNG", 10, 10, color.NRGBA(red)},
		{"plain PNG", 40, 10, color.NRGBA(green)},
		{"interlaced PNG", 10, 20, color.NRGBA(blue)},
		{"interlaced PNG", 40, 20, color.NRGBA(yellow)},
		{"PNG of 16 bits", 4, 4, color.NRGBA{0x12, 0x57, 0x9b, 0x80}},
		{"interlaced, deep", 8, 8, color.NRGBA{0x12, 0x57, 0x9b, 0x80}},
		{"hidden pixels", 0, 0, color.NRGBA{}},
		{"hidden pixels", 7, 7, color.NRGBA{200, 100, 50, 128}},
		{"unused colours", 0, 0, color.NRGBA{}},
		{"unused colours", 1, 0, color.NRGBA{0, 0, 0, 128}},
		{"one bit, transparent", 0, 0, color.NRGBA{}},
		{"one bit, transparent", 7, 0, color.NRGBA{0, 0, 0, 255}},
		{"deep, transparent", 0, 0, color.NRGBA{}},
		{"deep, transparent", 1, 0, color.NRGBA{0, 0, 0, 255}},
		{"grey with alpha", 0, 0, color.NRGBA{200, 200, 200, 255}},
		{"grey with alpha", 1, 0, color.NRGBA{}},
		{"animated PNG", 1, 0, color.NRGBA{255, 255, 255, 255}},
		{"plain JPEG", 40, 20, color.NRGBA(yellow)},
		{"RGB JPEG", 3, 3, color.NRGBA{10, 200, 30, 255}},
		{"CMYK JPEG", 3, 3, color.NRGBA{255, 0, 255, 255}},
		{"YCCK JPEG", 3, 3, color.NRGBA{155, 155, 155, 255}},
	} {
		t.Run(test.sample, func(t *testing.T) {
			near(t, logoOf(t, all[test.sample]), test.x, test.y, test.want, 3)
			onWhite := test.want
			for _, c := range []*uint8{&onWhite.R, &onWhite.G, &onWhite.B} {
				*c = uint8((int(*c)*int(onWhite.A) + 255*(255-int(onWhite.A))) / 255)
			}
			onWhite.A = 255
			if strings.Contains(test.sample, "hidden") && onWhite.R != 255 {
				return // a single pixel, which is blurred in a JPEG
			}
			near(t, backgroundOf(t, all[test.sample]), test.x, test.y, onWhite, 30)
		})
	}
}

func TestRefusals(t *testing.T) {
	small := fourColors(8, 8)
	plain, photo := pngOf(t, small), jpegOf(t, small)
	progressive := blocks{64, 32, full, flat(100, 90, 200), true, 5, -1}
	patched := func(file []byte, at int, b ...byte) []byte {
		file = bytes.Clone(file)
		copy(file[at:], b)
		return file
	}
	frame := bytes.Index(photo, []byte{0xff, 0xc0})
	movie := func(brands string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(8+len(brands))), "ftyp"+brands+strings.Repeat("mif1avif", 4)...)
	}
	const (
		svg     = ", which can hold scripts, and which Gmail does not show: give a PNG or JPEG"
		mail    = ", which not every mail program shows: give a PNG or JPEG"
		heic    = "the file is a HEIC, as phones store photos, which few browsers show: give a PNG or JPEG"
		unknown = "the file is none of the known kinds of images: give a PNG or JPEG"
		cut     = "the PNG is cut short: send the whole file"
	)
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":        {nil, "the file is empty: give a PNG or JPEG"},
		"text":           {[]byte("a logo"), unknown},
		"zeroes":         {make([]byte, 100), unknown},
		"SVG":            {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "the file is an SVG" + svg},
		"SVG in XML":     {[]byte("\ufeff\n<?xml version=\"1.0\"?>\n<!-- a logo -->\n<SVG/>"), "the file is an SVG" + svg},
		"SVGZ":           {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), "the file is an SVGZ" + svg},
		"HTML":           {[]byte("<!DOCTYPE html><title>Not found</title>"), "the file is an HTML or XML page: give a PNG or JPEG"},
		"GIF":            {gifOf(t, small), "the file is a GIF: give a PNG or JPEG"},
		"WebP":           {[]byte("RIFF\x1a\x00\x00\x00WEBPVP8L"), "the file is a WebP" + mail},
		"sound":          {[]byte("RIFF\x1a\x00\x00\x00WAVEfmt "), unknown},
		"AVIF":           {movie("avif\x00\x00\x00\x00mif1miaf"), "the file is an AVIF" + mail},
		"AVIF besides":   {movie("mif1\x00\x00\x00\x00mif1heicavif"), "the file is an AVIF" + mail},
		"HEIC":           {movie("heic\x00\x00\x00\x00mif1heic"), heic},
		"HEIC besides":   {movie("mif1\x00\x00\x00\x00heic"), heic},
		"MP4":            {movie("isom\x00\x00\x00\x00isomavc1"), "the file is an MP4: give a PNG or JPEG"},
		"no brands":      {[]byte("\x00\x00\x00\x00ftyp"), "the file is an MP4: give a PNG or JPEG"},
		"BMP":            {[]byte("BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00"), "the file is a BMP: give a PNG or JPEG"},
		"TIFF":           {[]byte("II*\x00\x08\x00\x00\x00"), "the file is a TIFF: give a PNG or JPEG"},
		"icon":           {[]byte("\x00\x00\x01\x00\x01\x00"), "the file is an ICO: give a PNG or JPEG"},
		"Photoshop":      {[]byte("8BPS\x00\x01"), "the file is a PSD: give a PNG or JPEG"},
		"PDF":            {[]byte("%PDF-1.7\n"), "the file is a PDF: give a PNG or JPEG"},
		"JPEG XL":        {[]byte("\xff\x0a\x00"), "the file is a JPEG XL: give a PNG or JPEG"},
		"JPEG 2000":      {[]byte("\x00\x00\x00\x0cjP  \r\n\x87\n"), "the file is a JPEG 2000: give a PNG or JPEG"},
		"base64 of PNG":  {[]byte(base64.StdEncoding.EncodeToString(plain)), "the file is in base64, inside the base64 that it came in: encode it once"},
		"base64 of JPEG": {[]byte(base64.StdEncoding.EncodeToString(photo)), "the file is in base64, inside the base64 that it came in: encode it once"},

		"PNG, signature": {plain[:8], cut},
		"PNG, half":      {plain[:len(plain)/2], "the PNG is damaged or cut short (png: invalid format: not enough pixel data): save it anew"},
		"PNG, no end":    {plain[:len(plain)-12], cut},
		"PNG, damaged":   {patched(plain, 29, 0, 0, 0, 0), "the PNG is damaged or cut short (png: invalid format: invalid checksum): save it anew"},
		"PNG, no pixels": {assembled(header(8, 8, 8, gray, 0)), "the PNG is damaged or cut short (png: invalid format: chunk out of order): save it anew"},
		"PNG, few pixels": {assembled(header(8, 8, 8, gray, 0), chunk("IDAT", deflated(t, make([]byte, 8)))),
			"the PNG is damaged or cut short (png: invalid format: not enough pixel data): save it anew"},
		"PNG, late header": {assembled(chunk("tEXt", []byte("a\x00b")), header(8, 8, 8, gray, 0), chunk("IDAT", deflated(t, make([]byte, 72)))),
			"the PNG is damaged or cut short (its header is not at its beginning): save it anew"},
		"PNG, no colours": {assembled(header(8, 8, 8, paletted, 0), chunk("IDAT", deflated(t, make([]byte, 72)))),
			"the PNG is damaged or cut short (png: invalid format: chunk out of order): save it anew"},
		"PNG, colour type": {assembled(header(8, 8, 8, 5, 0)), "the PNG is damaged or cut short (png: unsupported feature: bit depth 8, color type 5): save it anew"},
		"PNG, no width":    {assembled(header(0, 8, 8, gray, 0)), "the PNG is damaged or cut short (png: invalid format: non-positive dimension): save it anew"},

		"JPEG, half":      {photo[:len(photo)-20], "the JPEG is damaged or cut short (invalid JPEG format: short Huffman data): save it anew"},
		"JPEG, signature": {photo[:4], "the JPEG is cut short: send the whole file"},
		"progressive JPEG, half": {progressive.file()[:len(progressive.file())-40],
			"the JPEG is cut short: send the whole file"},
		"JPEG, no end":    {photo[:len(photo)-2], "the JPEG is cut short: send the whole file"},
		"JPEG, no frame":  {[]byte("\xff\xd8\xff\xd9"), "the JPEG is damaged or cut short (invalid JPEG format: missing SOS marker): save it anew"},
		"JPEG, no height": {patched(photo, frame+5, 0, 0), "the JPEG is damaged or cut short (no pixels): save it anew"},
		"JPEG of 12 bits": {patched(photo, frame+4, 12), "the JPEG is of a rare kind (unsupported JPEG feature: precision): save it as an ordinary JPEG"},
		"lossless JPEG":   {patched(photo, frame+1, 0xc3), "the JPEG is of a rare kind (unsupported JPEG feature: unknown marker): save it as an ordinary JPEG"},
		"CMYK of nobody": {blocks{16, 16, inks, flat(1, 2, 3, 4), false, 0, -1}.file(),
			"the JPEG is of a rare kind (unsupported JPEG feature: unknown color model: 4-component JPEG doesn't have Adobe APP14 metadata): save it as an ordinary JPEG"},
		"too many passes": {blocks{64, 32, full, flat(100, 90, 200), true, maxScans, -1}.file(),
			"the JPEG is drawn in 33 passes, and at most 32 are taken: save it as an ordinary JPEG"},
	} {
		for what, of := range map[string]func([]byte) (Image, error){"Logo": Logo, "Background": Background} {
			made, err := of(test.file)
			if err == nil || err.Error() != test.want || !reflect.DeepEqual(made, Image{}) {
				t.Errorf("%s of %s: %v, want %s", what, name, err, test.want)
			}
		}
	}
}

// A file is taken up to its limits, and not beyond: neither by a byte nor by a pixel.
func TestLimits(t *testing.T) {
	padded := func(n int) []byte {
		file := pngOf(t, fourColors(8, 8))
		return append(file, make([]byte, n-len(file))...)
	}
	wide := func(width, height int) []byte { return pngOf(t, image.NewGray(image.Rect(0, 0, width, height))) }
	for name, test := range map[string]struct {
		of   func([]byte) (Image, error)
		file []byte
		want string
	}{
		"logo, bytes":    {Logo, padded(512 << 10), ""},
		"logo, a byte":   {Logo, padded(512<<10 + 1), "the file has 524289 bytes, and a logo has at most 524288 (512 KiB): make it smaller"},
		"logo, width":    {Logo, wide(2_000, 10), ""},
		"logo, wide":     {Logo, wide(2_001, 10), "the image has 2001 × 10 pixels, and a logo has at most 2000 × 2000: make it smaller"},
		"logo, height":   {Logo, wide(10, 2_000), ""},
		"logo, high":     {Logo, wide(10, 2_001), "the image has 10 × 2001 pixels, and a logo has at most 2000 × 2000: make it smaller"},
		"logo, a bit":    {Logo, blocks{1_000, 1_000, [][2]int{{1, 1}}, flat(128), true, 0, -1}.file(), ""}, // for each block
		"ground, bytes":  {Background, padded(1 << 20), ""},
		"ground, a byte": {Background, padded(1<<20 + 1), "the file has 1048577 bytes, and a background image has at most 1048576 (1024 KiB): make it smaller"},
		"ground, width":  {Background, wide(4_000, 10), ""},
		"ground, wide":   {Background, wide(4_001, 10), "the image has 4001 × 10 pixels, and a background image has at most 4000 × 4000: make it smaller"},
		"ground, height": {Background, wide(10, 4_000), ""},
		"ground, high":   {Background, wide(10, 4_001), "the image has 10 × 4001 pixels, and a background image has at most 4000 × 4000: make it smaller"},
		"HEIC, too long": {Logo, append([]byte("\x00\x00\x00\x10ftypheic\x00\x00\x00\x00"), make([]byte, 3<<20)...), refusal(formatHEIC)},
	} {
		_, err := test.of(test.file)
		if got := errorText(err); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSizes(t *testing.T) {
	for _, test := range []struct{ width, height, logoWide, logoHigh, wide, high int }{
		{600, 300, 600, 300, 600, 300},
		{1_200, 300, 600, 150, 1_200, 300},
		{400, 400, 300, 300, 400, 400},
		{601, 1, 600, 1, 601, 1},
		{1, 2_000, 1, 300, 1, 1_920},
		{1_921, 50, 600, 16, 1_920, 50},
	} {
		file := pngOf(t, image.NewGray(image.Rect(0, 0, test.width, test.height)))
		if got, want := logoOf(t, file).Bounds(), image.Rect(0, 0, test.logoWide, test.logoHigh); got != want {
			t.Errorf("a logo of %d × %d becomes %v, want %v", test.width, test.height, got, want)
		}
		if got, want := backgroundOf(t, file).Bounds(), image.Rect(0, 0, test.wide, test.high); got != want {
			t.Errorf("a background of %d × %d becomes %v, want %v", test.width, test.height, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.IntRange(1, 4_000)
		w, h := side.Draw(t, "width"), side.Draw(t, "height")
		mostWide, mostHigh := side.Draw(t, "most wide"), side.Draw(t, "most high")
		gotW, gotH := fit(w, h, mostWide, mostHigh)
		if gotW < 1 || gotH < 1 || gotW > min(w, mostWide) || gotH > min(h, mostHigh) {
			t.Fatalf("%d × %d becomes %d × %d, in %d × %d", w, h, gotW, gotH, mostWide, mostHigh)
		}
		if gotW != min(w, mostWide) && gotH != min(h, mostHigh) {
			t.Fatalf("%d × %d becomes %d × %d, and could be larger in %d × %d", w, h, gotW, gotH, mostWide, mostHigh)
		}
		scale := min(1, float64(mostWide)/float64(w), float64(mostHigh)/float64(h))
		wantW, wantH := max(1, scale*float64(w)), max(1, scale*float64(h))
		if math.Abs(float64(gotW)-wantW) > 0.5+1e-9 || math.Abs(float64(gotH)-wantH) > 0.5+1e-9 {
			t.Fatalf("%d × %d becomes %d × %d, want %v × %v", w, h, gotW, gotH, wantW, wantH)
		}
	})
}

// waves is an image of soft changes in all four channels.
func waves(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			wave := func(v, n int) uint8 { return uint8(128 + 100*math.Sin(9*float64(v)/float64(n))) }
			m.SetNRGBA(x, y, color.NRGBA{wave(x, width), wave(y, height), wave(x+y, width+height), wave(x*y, width*height)})
		}
	}
	return m
}

// A logo that is small enough keeps its pixels, a background looks as it did, and neither takes much room.
func TestQuality(t *testing.T) {
	m := waves(600, 300)
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 0xff
	}
	file := pngOf(t, m)
	difference := func(of func([]byte) (Image, error), most int) (mean float64) {
		t.Helper()
		made, err := of(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(made.Data) > most {
			t.Errorf("%s of %d bytes, at most %d are wanted", made.MediaType, len(made.Data), most)
		}
		seen, _, err := image.Decode(bytes.NewReader(made.Data))
		if err != nil {
			t.Fatal(err)
		}
		got := image.NewNRGBA(m.Rect)
		draw.Draw(got, got.Rect, seen, image.Point{}, draw.Src)
		for i := range m.Pix {
			mean += math.Abs(float64(got.Pix[i]) - float64(m.Pix[i]))
		}
		return mean / float64(len(m.Pix))
	}
	if d := difference(Logo, 200_000); d > 0 {
		t.Errorf("a logo is %v off", d)
	}
	if d := difference(Background, 20_000); d > 1.5 {
		t.Errorf("a background is %v off", d)
	}
}

// Made in strips, and in one direction after the other, an image is what it is when made at once.
func TestScaled(t *testing.T) {
	for _, size := range [][4]int{{200, 150, 90, 67}, {64, 128, 32, 64}, {65, 63, 64, 1}, {300, 1, 7, 1}, {1, 300, 1, 299}, {129, 257, 128, 256}} {
		from := waves(size[0], size[1])
		want := image.NewRGBA(image.Rect(0, 0, size[2], size[3]))
		draw.CatmullRom.Scale(want, want.Rect, from, from.Rect, draw.Src, nil)
		got := scaled(from, size[2], size[3])
		if got.Rect != want.Rect {
			t.Fatalf("%v becomes %v", size, got.Rect)
		}
		for i := range want.Pix {
			if d := int(got.Pix[i]) - int(want.Pix[i]); d < -2 || d > 2 {
				t.Fatalf("%v: at %d there is %d, want %d", size, i, got.Pix[i], want.Pix[i])
			}
		}
	}
}

// A colour stays what it is in every size.
func TestScaledEvenly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.IntRange(1, 150)
		from := image.NewUniform(color.NRGBA{rapid.Uint8().Draw(t, "red"), rapid.Uint8().Draw(t, "green"), rapid.Uint8().Draw(t, "blue"), rapid.Uint8().Draw(t, "alpha")})
		all := image.NewRGBA(image.Rect(0, 0, side.Draw(t, "width"), side.Draw(t, "height")))
		draw.Draw(all, all.Rect, from, image.Point{}, draw.Src)
		to := scaled(all, rapid.IntRange(1, all.Rect.Dx()).Draw(t, "new width"), rapid.IntRange(1, all.Rect.Dy()).Draw(t, "new height"))
		for i, got := range to.Pix {
			if got != all.Pix[i%4] {
				t.Fatalf("at %d there is %d, want %d", i, got, all.Pix[i%4])
			}
		}
	})
}

// Phones store photos as the camera was held, and say so: for each of the eight ways, what stands in the quarters of what is stored
// stands in these quarters of what is seen.
func TestOrientations(t *testing.T) {
	stored := fourColors(64, 32)
	for o, seen := range map[uint16][4]color.RGBA{
		0: {red, green, blue, yellow}, // out of range
		1: {red, green, blue, yellow},
		2: {green, red, yellow, blue},
		3: {yellow, blue, green, red},
		4: {blue, yellow, red, green},
		5: {red, blue, green, yellow},
		6: {blue, red, yellow, green},
		7: {yellow, green, blue, red},
		8: {green, yellow, red, blue},
		9: {red, green, blue, yellow}, // out of range
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			check := func(m image.Image, width, height int) {
				t.Helper()
				if o >= 5 && o <= 8 {
					width, height = height, width
				}
				if m.Bounds() != image.Rect(0, 0, width, height) {
					t.Fatalf("%d: %v, want %d × %d", o, m.Bounds(), width, height)
				}
				for i, want := range seen {
					near(t, m, width/4+i%2*width/2, height/4+i/2*height/2, color.NRGBA(want), 30)
				}
			}
			file := after(jpegOf(t, stored), exif(order, o))
			check(logoOf(t, file), 64, 32)
			check(backgroundOf(t, file), 64, 32)
		}
		// What is too large is measured as it is seen: a logo by its height here, where it lies on its side.
		check := func(m image.Image, width, height int) {
			t.Helper()
			if m.Bounds() != image.Rect(0, 0, width, height) {
				t.Fatalf("%d: %v, want %d × %d", o, m.Bounds(), width, height)
			}
			near(t, m, width/4, height/4, color.NRGBA(seen[0]), 30)
		}
		large := after(jpegOf(t, fourColors(1_000, 500)), exif(binary.BigEndian, o))
		long := after(jpegOf(t, fourColors(1_930, 64)), exif(binary.BigEndian, o))
		if o >= 5 && o <= 8 {
			check(logoOf(t, large), 150, 300)
			check(backgroundOf(t, long), 64, 1_920)
		} else if o > 1 && o < 5 {
			check(logoOf(t, large), 600, 300)
			check(backgroundOf(t, long), 1_920, 64)
		}
	}
}

func TestTurningBack(t *testing.T) {
	back := map[orientation]orientation{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
	rapid.Check(t, func(t *rapid.T) {
		m := image.NewRGBA(image.Rect(0, 0, rapid.IntRange(1, 9).Draw(t, "width"), rapid.IntRange(1, 9).Draw(t, "height")))
		for i := range m.Pix {
			m.Pix[i] = uint8(i)
		}
		for o, undo := range back {
			if got := undo.apply(o.apply(m)); !reflect.DeepEqual(got, m) {
				t.Fatalf("%d and %d: %v, want %v", o, undo, got, m)
			}
		}
	})
}

func TestOrientationOf(t *testing.T) {
	whole := exif(binary.LittleEndian, 6)
	patched := func(at int, b ...byte) []byte {
		s := bytes.Clone(whole)
		copy(s[at:], b)
		return s
	}
	const tiff = 10
	const entry = tiff + 8 + 2 + 12 // of the orientation, behind the description
	for name, test := range map[string]struct {
		segments []byte
		want     orientation
	}{
		"none":             {nil, 1},
		"Exif":             {whole, 6},
		"behind XMP":       {append(segment(app1, []byte("http://ns.adobe.com/xap/1.0/\x00")), whole...), 6},
		"behind filling":   {append([]byte{0xff, 0xff}, whole...), 6},
		"the first of two": {append(exif(binary.BigEndian, 3), whole...), 3},
		"of another app":   {segment(app2, whole[4:]), 1},
		"behind a scan":    {append(segment(markerSOS, nil), whole...), 1},
		"behind nothing":   {append([]byte{0, 0}, whole...), 1},
		"too short":        {append([]byte{0xff, app1, 0, 1}, whole...), 1},
		"no TIFF":          {patched(tiff, 'X'), 1},
		"no 42":            {patched(tiff+2, 43), 1},
		"far away":         {patched(tiff+4, 0xff, 0xff, 0xff, 0xff), 1},
		"at the end":       {patched(tiff+4, byte(len(whole)-tiff-1)), 1},
		"one entry":        {patched(tiff+8, 1, 0), 1},
		"many entries":     {patched(tiff+8, 0xff, 0xff), 6},
		"of another kind":  {patched(entry+2, 4), 1},
		"another tag":      {patched(entry, 0x13), 1},
	} {
		if got := orientationOf(append(append([]byte{0xff, 0xd8}, test.segments...), 0xff, 0xd9)); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	// Cut anywhere, it is either what it was or none.
	for n := range whole {
		for _, cut := range [][]byte{append([]byte{0xff, 0xd8}, whole[:n]...), append([]byte{0xff, 0xd8}, segment(app1, whole[4:max(4, n)])...)} {
			if got := orientationOf(cut); got != upright && got != 6 {
				t.Fatalf("cut at %d: %d", n, got)
			}
		}
	}
}

// allocated is how many bytes are asked for meanwhile, whether they are given back or not.
func allocated(do func()) uint64 {
	// What is pooled stays there.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	runtime.GC()
	return after.TotalAlloc - before.TotalAlloc
}

// What promises more than it holds takes no room.
func TestBombs(t *testing.T) {
	// 16 MiB of zeroes, in chunks that no decoder here looks into.
	zeroes := deflated(t, make([]byte, 16<<20))
	seven := assembled(header(7, 7, 8, gray, 0), chunk("IDAT", deflated(t, make([]byte, 56))))
	inflating := with(seven, chunk("zTXt", append([]byte("Comment\x00\x00"), zeroes...)), chunk("iCCP", append([]byte("profile\x00\x00"), zeroes...)))
	deep := chunk("IDAT", deflated(t, make([]byte, 100)))
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"zTXt and iCCP": {inflating, ""},
		"PNG, endless": {assembled(header(1_000_000, 1_000_000, 16, trueAlpha, 0), deep),
			"the image has 1000000 × 1000000 pixels, and a logo has at most 2000 × 2000: make it smaller"},
		"PNG, large": {assembled(header(2_000, 2_000, 16, trueAlpha, 0), deep),
			"the PNG is damaged or cut short (2000 × 2000 pixels take more than 72 bytes): save it anew"},
		"PNG, large and interlaced": {assembled(header(2_000, 2_000, 8, trueColor, 1), deep),
			"the PNG is damaged or cut short (2000 × 2000 pixels take more than 72 bytes): save it anew"},
		"PNG, long chunk": {append(assembled(header(7, 7, 8, gray, 0))[:33], "\x7f\xff\xff\xffIDAT"...), "the PNG is cut short: send the whole file"},
		"JPEG, endless": {blocks{65_535, 65_535, inks, nil, true, 0, 0}.head(),
			"the image has 65535 × 65535 pixels, and a logo has at most 2000 × 2000: make it smaller"},
		"JPEG, large": {append(blocks{2_000, 2_000, full, nil, true, 0, -1}.head(), emptyPass(250*250)...),
			"the JPEG is damaged or cut short (2000 × 2000 pixels take more than 162 bytes): save it anew"},
	} {
		var made Image
		var err error
		took := allocated(func() { made, err = Logo(test.file) })
		if got := errorText(err); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		most := uint64(256 << 10)
		if err == nil {
			checkLogo(t, made)
			most = 2 << 20 // what a PNG's encoder takes
		}
		if took > most {
			t.Errorf("%s takes %d bytes, at most %d are wanted", name, took, most)
		}
	}
}

// raced reports whether the race detector watches.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// The costliest files of those that are taken keep within what is said, as do photos.
func TestMemory(t *testing.T) {
	inked := func(side int) []byte { return blocks{side, side, inks, flat(9, 99, 199, 255), true, 1, 0}.file() }
	deep := func(side int) []byte {
		rows := side * 15 / 8 // of all seven passes, each with a byte for its filter
		return assembled(header(uint32(side), uint32(side), 16, trueAlpha, 1), chunk("IDAT", deflated(t, make([]byte, side*side*8+rows))))
	}
	photo := blocks{4_000, 3_000, [][2]int{{2, 2}, {1, 1}, {1, 1}}, flat(100, 90, 200), false, 0, -1}
	inSteps := photo
	inSteps.progressive = true
	for _, test := range []struct {
		name string
		of   func([]byte) (Image, error)
		make func() []byte
		most uint64
		slow bool
	}{
		{"a logo, deep and interlaced", Logo, func() []byte { return deep(MaxLogoSide) }, LogoMemory, true},
		{"a logo, progressive in CMYK", Logo, func() []byte { return inked(MaxLogoSide) }, LogoMemory, true},
		{"a photo", Background, photo.file, 90_000_000, true},
		{"a progressive photo", Background, inSteps.file, 155_000_000, true},
		{"a background, progressive in CMYK", Background, func() []byte { return inked(MaxBackgroundSide) }, BackgroundMemory, true},
		// A quarter of the pixels. Under the race detector the others take minutes, and pools forget on purpose: so there is some room.
		{"a smaller logo, deep and interlaced", Logo, func() []byte { return deep(MaxLogoSide / 2) }, LogoMemory * 5 / 8, false},
		{"a smaller background, progressive in CMYK", Background, func() []byte { return inked(MaxBackgroundSide / 2) }, BackgroundMemory * 5 / 8, false},
	} {
		if test.slow && raced() {
			continue
		}
		file := test.make()
		var err error
		if took := allocated(func() { _, err = test.of(file) }); err != nil || took > test.most {
			t.Errorf("%s of %d bytes takes %d bytes, at most %d are wanted: %v", test.name, len(file), took, test.most, err)
		}
	}
}

func fuzz(f *testing.F, of func([]byte) (Image, error), check func(testing.TB, Image) image.Image) {
	for _, file := range samples(f) {
		f.Add(file)
		f.Add(file[:len(file)/2])
	}
	for _, text := range []string{"", "<svg/>", "GIF89a", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1", "\xff\xd8\xff", "RIFF\x00\x00\x00\x00WEBP"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		made, err := of(file)
		if err != nil {
			if text := err.Error(); !utf8.ValidString(text) || len(text) > 300 || !reflect.DeepEqual(made, Image{}) {
				t.Fatalf("%+v, %q", made, text)
			}
			return
		}
		check(t, made)
	})
}

func FuzzLogo(f *testing.F) { fuzz(f, Logo, checkLogo) }

func FuzzBackground(f *testing.F) { fuzz(f, Background, checkBackground) }

func BenchmarkBackground(b *testing.B) {
	file := blocks{4_000, 3_000, [][2]int{{2, 2}, {1, 1}, {1, 1}}, func(_, x, y int) byte { return byte(x + y) }, false, 0, -1}.file()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Background(file); err != nil {
			b.Fatal(err)
		}
	}
}

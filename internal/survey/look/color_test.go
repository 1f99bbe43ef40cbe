package look

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func anyColor() *rapid.Generator[Color] {
	// The ends more often than chance would have it: most of what can go wrong is there.
	channel := rapid.OneOf(rapid.Uint8(), rapid.SampledFrom([]uint8{0, 1, 10, 11, 127, 128, 254, 255}))
	return rapid.Custom(func(t *rapid.T) Color {
		if rapid.Bool().Draw(t, "is grey") {
			v := channel.Draw(t, "grey")
			return Color{v, v, v}
		}
		return Color{channel.Draw(t, "red"), channel.Draw(t, "green"), channel.Draw(t, "blue")}
	})
}

func parsed(t rapid.TB, text string) Color {
	t.Helper()
	c, err := ParseColor(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseColor(t *testing.T) {
	for text, want := range map[string]Color{
		"#000000": {}, "#1a73e8": {0x1a, 0x73, 0xe8}, "#1A73E8": {0x1a, 0x73, 0xe8}, "#fFfFfF": {0xff, 0xff, 0xff},
	} {
		if got, err := ParseColor(text); got != want || err != nil {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
	for text, found := range map[string]string{
		"":                          `""`,
		"#":                         `"#"`,
		"red":                       `"red"`,
		"1a73e8":                    `"1a73e8"`,
		"#fff":                      `"#fff"`,
		"#1a73e8ff":                 `"#1a73e8ff"`,
		"#1a73e":                    `"#1a73e"`,
		"#1a73eg":                   `"#1a73eg"`,
		"#+1a73e":                   `"#+1a73e"`,
		" #1a73e":                   `" #1a73e"`,
		"#1a73e8 ":                  `"#1a73e8 "`,
		"01a73e8":                   `"01a73e8"`,
		"#1a73e\n":                  `"#1a73e\n"`,
		"＃1a73e":                    `"＃1a73e"`,
		"rgb(26 115 232)":           `"rgb(26 115 232)"`,
		strings.Repeat("#", 1<<20):  `"####################"`,
		"#1a73e8;background:url(//": `"#1a73e8;background:u"`,
	} {
		want := found + " is no colour: want # and six hexadecimal digits, such as #1a73e8"
		if got, err := ParseColor(text); got != (Color{}) || err == nil || err.Error() != want {
			t.Errorf("%.30q is %v, %v, want %s", text, got, err, want)
		}
	}
}

func TestColorsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyColor().Draw(t, "colour")
		text := c.String()
		if text != strings.ToLower(text) || parsed(t, text) != c || parsed(t, strings.ToUpper(text)) != c {
			t.Fatalf("%+v is written %q, which is %+v", c, text, parsed(t, text))
		}
	})
}

// The ratios are those that WebAIM's checker and others show.
func TestContrast(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21},
		{"#767676", "#ffffff", 4.54},
		{"#777777", "#ffffff", 4.48},
		{"#949494", "#ffffff", 3.03},
		{"#ff0000", "#ffffff", 4},
		{"#00ff00", "#ffffff", 1.37},
		{"#0000ff", "#ffffff", 8.59},
		{"#ffff00", "#000000", 19.56},
		{"#1a73e8", "#ffffff", 4.51},
	} {
		if got := Contrast(parsed(t, test.a), parsed(t, test.b)); math.Abs(got-test.want) > 0.005 {
			t.Errorf("%s and %s: %v, want %v", test.a, test.b, got, test.want)
		}
	}
	// sRGB's own curve, of which 10 is the last of the straight part.
	for channel, want := range map[uint8]float64{0: 0, 10: 0.003035, 11: 0.003347, 128: 0.215861, 255: 1} {
		if got := linear(channel); math.Abs(got-want) > 1e-6 {
			t.Errorf("%d of 255 gives %v, want %v", channel, got, want)
		}
	}
}

// No channel of 8 bits lies between the two thresholds that are in use.
func TestTheOldThresholdJudgesAlike(t *testing.T) {
	for channel := range 256 {
		if v := float64(channel) / 255; (v <= 0.04045) != (v <= 0.03928) {
			t.Errorf("%d of 255 is judged otherwise", channel)
		}
	}
}

func TestContrastIsARatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyColor().Draw(t, "a"), anyColor().Draw(t, "b")
		r := Contrast(a, b)
		if r != Contrast(b, a) || !(1 <= r && r <= 21) || Contrast(a, a) != 1 {
			t.Fatalf("%v and %v: %v, and the other way round %v", a, b, r, Contrast(b, a))
		}
		if both := Contrast(a, black) * Contrast(a, white); math.Abs(both-21) > 1e-9 {
			t.Fatalf("%v: with black and white %v, want 21", a, both)
		}
		// A colour that is darker in all channels is darker.
		darker := Color{min(a.R, b.R), min(a.G, b.G), min(a.B, b.B)}
		if Contrast(darker, white) < max(Contrast(a, white), Contrast(b, white)) {
			t.Fatalf("%v is not darker than %v and %v", darker, a, b)
		}
	})
}

func TestOnAccent(t *testing.T) {
	least := func(t rapid.TB, accent Color) {
		t.Helper()
		on := OnAccent(accent)
		if on != black && on != white {
			t.Fatalf("on %v stands %v", accent, on)
		}
		if r := Contrast(accent, on); r < math.Sqrt(21)-1e-9 || r < Contrast(accent, black) || r < Contrast(accent, white) {
			t.Fatalf("on %v stands %v by %v", accent, on, r)
		}
	}
	rapid.Check(t, func(t *rapid.T) { least(t, anyColor().Draw(t, "accent")) })
	for v := range 256 {
		least(t, Color{uint8(v), uint8(v), uint8(v)})
	}
	// Colours that are nearly the worst there are: one channel moves the light over the point where black and white read alike.
	for v := range 256 {
		least(t, Color{0xa0, uint8(v), 0x60})
	}
	for accent, want := range map[string]Color{"#ffffff": black, "#000000": white, "#ffd400": black, "#2457d6": white, "#1a73e8": black} {
		if got := OnAccent(parsed(t, accent)); got != want {
			t.Errorf("on %s stands %v, want %v", accent, got, want)
		}
	}
}

func TestMix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyColor().Draw(t, "a"), anyColor().Draw(t, "b")
		if mix(a, b, 0) != a || mix(a, b, 100) != b {
			t.Fatalf("%v to %v begins at %v and ends at %v", a, b, mix(a, b, 0), mix(a, b, 100))
		}
		percent := rapid.IntRange(0, 99).Draw(t, "percent")
		here, next := mix(a, b, percent), mix(a, b, percent+1)
		for _, channel := range [][4]uint8{{a.R, here.R, next.R, b.R}, {a.G, here.G, next.G, b.G}, {a.B, here.B, next.B, b.B}} {
			up := channel[0] <= channel[1] && channel[1] <= channel[2] && channel[2] <= channel[3]
			down := channel[0] >= channel[1] && channel[1] >= channel[2] && channel[2] >= channel[3]
			if !up && !down {
				t.Fatalf("%v to %v goes by %v and %v at %d %%", a, b, here, next, percent)
			}
		}
	})
	if got := mix(black, white, 50).String(); got != "#808080" {
		t.Errorf("black and white are %s", got)
	}
}

var colorForm = regexp.MustCompile(`\A#[0-9A-Fa-f]{6}\z`)

func FuzzColor(f *testing.F) {
	for _, text := range []string{"", "#", "#1a73e8", "#1A73E8", "#fff", "1a73e8", "#1a73e8ff", "#gggggg", "#\xff\xff\xff\xff\xff\xff", "#-1-1-1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseColor(text)
		if (err == nil) != colorForm.MatchString(text) {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && c.String() != strings.ToLower(text) {
			t.Fatalf("%q is %v", text, c)
		}
		if err != nil && (c != Color{} || len(err.Error()) > 300) {
			t.Fatalf("%q is %v, %v", text, c, err)
		}
	})
}

func ExampleParseColor() {
	c, err := ParseColor("#1A73E8")
	fmt.Println(c, err)
	_, err = ParseColor("blue")
	fmt.Println(err)
	// Output:
	// #1a73e8 <nil>
	// "blue" is no colour: want # and six hexadecimal digits, such as #1a73e8
}

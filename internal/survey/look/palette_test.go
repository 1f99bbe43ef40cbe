package look

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func anyPalette() *rapid.Generator[Palette] {
	return rapid.Custom(func(t *rapid.T) Palette {
		return Palette{
			Accent:     anyColor().Draw(t, "accent"),
			Background: anyColor().Draw(t, "background"),
			Text:       anyColor().Draw(t, "text"),
		}
	})
}

// soundPalette draws palettes that pass Check. What does not stand out enough by chance is moved until it just does, so that most of
// them are at the edge.
func soundPalette() *rapid.Generator[Palette] {
	return rapid.Custom(func(t *rapid.T) Palette {
		p := anyPalette().Draw(t, "palette")
		p.Accent = enough(p.Accent, p.Background, ControlContrast)
		p.Text = enough(p.Text, p.Background, TextContrast)
		if errs := p.Check(); errs != nil {
			t.Fatalf("%v: %v", p, errs)
		}
		return p
	})
}

func TestDefaultPalette(t *testing.T) {
	p := DefaultPalette()
	if errs := p.Check(); errs != nil {
		t.Error(errs)
	}
	if OnAccent(p.Accent) != white || p.IsDark() {
		t.Errorf("%v stands on the accent, and the palette is dark: %v", OnAccent(p.Accent), p.IsDark())
	}
	if hover, pressed := Contrast(p.Accent, p.Hover()), Contrast(p.Accent, p.Pressed()); !(1.1 < hover && hover < pressed) {
		t.Errorf("%v becomes %v and %v, which are %v and %v away", p.Accent, p.Hover(), p.Pressed(), hover, pressed)
	}
	if text, muted, line := Contrast(p.Text, p.Background), Contrast(p.Muted(), p.Background), Contrast(p.Line(), p.Background); !(text > muted && muted > line) {
		t.Errorf("text stands out by %v, muted text by %v, lines by %v", text, muted, line)
	}
}

// Dark colours are dark, pass Check whatever the brand's are, and are the brand's own where those are dark.
func TestDark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := soundPalette().Draw(t, "palette")
		dark := p.Dark()
		if !dark.IsDark() || dark.Check() != nil || p.IsDark() && dark != p || dark.Dark() != dark {
			t.Fatalf("%v becomes %v: %v", p, dark, dark.Check())
		}
		// What stands out already is left alone.
		if r := Contrast(p.Accent, dark.Background); r >= ControlContrast && dark.Accent != p.Accent {
			t.Fatalf("%v stands out by %v, and became %v", p.Accent, r, dark.Accent)
		}
	})
}

// What is around the background differs from it, and less than anything that stands on it.
func TestSurround(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := soundPalette().Draw(t, "palette")
		if r := Contrast(p.Surround(), p.Background); r <= 1 || r >= 1.5 {
			t.Fatalf("%v: %v stands out by %v", p, p.Surround(), r)
		}
	})
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		accent, background, text string
		want                     []string
	}{
		{"#2457d6", "#ffffff", "#1c2128", nil},
		{"#949494", "#ffffff", "#767676", nil},
		{"#959595", "#ffffff", "#777777", []string{
			"INVALID accentColor: #959595 stands out from the background, #ffffff, by 2.99 : 1, and at least 3 : 1 is wanted (WCAG 2.2, 1.4.11): #949494 would do.",
			"INVALID textColor: #777777 stands out from the background, #ffffff, by 4.47 : 1, and at least 4.5 : 1 is wanted (WCAG 2.2, 1.4.3): #767676 would do.",
		}},
		{"#ffd400", "#101010", "#000000", []string{
			"INVALID textColor: #000000 stands out from the background, #101010, by 1.10 : 1, and at least 4.5 : 1 is wanted (WCAG 2.2, 1.4.3): #7d7d7d would do.",
		}},
		{"#ffffff", "#ffffff", "#000000", []string{
			"INVALID accentColor: #ffffff stands out from the background, #ffffff, by 1.00 : 1, and at least 3 : 1 is wanted (WCAG 2.2, 1.4.11): #949494 would do.",
		}},
	} {
		p := Palette{parsed(t, test.accent), parsed(t, test.background), parsed(t, test.text)}
		var got []string
		for _, e := range p.Check() {
			got = append(got, fmt.Sprintf("%s %s: %s", e.Code, e.Field[0], e.Message))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%+v:\n%q, want\n%q", test, got, test.want)
		}
	}
}

var refusedColor = regexp.MustCompile(`^#[0-9a-f]{6} stands out from the background, #[0-9a-f]{6}, by ([0-9.]+) : 1, and at least ([0-9.]+) : 1 is wanted ` +
	`\(WCAG 2\.2, 1\.4\.[0-9]+\): (#[0-9a-f]{6}) would do\.$`)

// Whatever the colours, each is judged by itself, the ratio shown is less than the one wanted, and what is said to do does.
func TestCheckAnyPalette(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPalette().Draw(t, "palette")
		want := map[string]float64{}
		if Contrast(p.Accent, p.Background) < 3 {
			want["accentColor"] = 3
		}
		if Contrast(p.Text, p.Background) < 4.5 {
			want["textColor"] = 4.5
		}
		errs := p.Check()
		if len(errs) != len(want) {
			t.Fatalf("%v: %v, want %v", p, errs, want)
		}
		for _, e := range errs {
			parts := refusedColor.FindStringSubmatch(e.Message)
			if parts == nil || want[e.Field[0]] == 0 {
				t.Fatalf("%v: %v", p, e)
			}
			found, _ := strconv.ParseFloat(parts[1], 64)
			wanted, _ := strconv.ParseFloat(parts[2], 64)
			if wanted != want[e.Field[0]] || !(1 <= found && found < wanted) {
				t.Fatalf("%v: %v", p, e)
			}
			if r := Contrast(parsed(t, parts[3]), p.Background); r < wanted {
				t.Fatalf("%v: %s stands out by %v", p, parts[3], r)
			}
		}
	})
}

func TestRatiosAreRoundedDown(t *testing.T) {
	for r, want := range map[float64]string{
		1: "1.00", 2.999: "2.99", math.Nextafter(3, 0): "2.99", 3: "3.00", 4.4999: "4.49", math.Nextafter(4.5, 0): "4.49", 4.5: "4.50", 21: "21.00",
	} {
		if got := ratio(r); got != want {
			t.Errorf("%v is shown as %s, want %s", r, got, want)
		}
	}
}

func TestFurtherColors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := soundPalette().Draw(t, "palette")
		stands := func(what string, c, from Color, want float64) {
			t.Helper()
			if r := Contrast(c, from); r < want {
				t.Fatalf("%v: %s, %v, stands out from %v by %v, want %v", p, what, c, from, r, want)
			}
		}
		stands("muted text", p.Muted(), p.Background, TextContrast)
		stands("a line", p.Line(), p.Background, ControlContrast)
		on := OnAccent(p.Accent)
		for what, shade := range map[string]Color{"hover": p.Hover(), "pressed": p.Pressed()} {
			stands(what, shade, p.Background, ControlContrast)
			stands("text on "+what, on, shade, TextContrast)
		}
		if p.Hover() != p.Accent && p.Pressed() == p.Accent {
			t.Fatalf("%v: %v is hovered over, and cannot be pressed", p, p.Hover())
		}
		stands("the focus", p.Focus(), p.Background, ControlContrast)
		for _, c := range []Color{p.Text, black, white} {
			if Contrast(c, p.Background) >= ControlContrast && Contrast(c, p.Accent) >= ControlContrast {
				stands("the focus", p.Focus(), p.Accent, ControlContrast)
			}
		}
		if p.IsDark() != (Contrast(p.Background, white) > Contrast(p.Text, white)) {
			t.Fatalf("%v is dark: %v", p, p.IsDark())
		}
	})
}

// There is a visible shade wherever there is room for one, at either end of the scale, too.
func TestShades(t *testing.T) {
	for _, test := range []struct{ accent, background, hover, pressed string }{
		{"#2457d6", "#ffffff", "#204dbc", "#1b42a3"},
		{"#000000", "#ffffff", "#1f1f1f", "#3d3d3d"}, // nothing is darker
		{"#ffffff", "#000000", "#e0e0e0", "#c2c2c2"}, // nothing is lighter
		{"#ffd400", "#101010", "#e0bb00", "#c2a100"}, // nearly nothing is lighter
	} {
		p := Palette{parsed(t, test.accent), parsed(t, test.background), OnAccent(parsed(t, test.background))}
		if hover, pressed := p.Hover().String(), p.Pressed().String(); hover != test.hover || pressed != test.pressed {
			t.Errorf("%s on %s becomes %s and %s, want %s and %s", test.accent, test.background, hover, pressed, test.hover, test.pressed)
		}
	}
}

func ExamplePalette_Check() {
	p := DefaultPalette()
	p.Accent = Color{0x8a, 0xb4, 0xf8}
	fmt.Println(p.Check())
	// Output:
	// accentColor: #8ab4f8 stands out from the background, #ffffff, by 2.10 : 1, and at least 3 : 1 is wanted (WCAG 2.2, 1.4.11): #7395ce would do.
}

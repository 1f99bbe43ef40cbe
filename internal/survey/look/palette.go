package look

import (
	"math"
	"strconv"

	"github.com/zeroten/zeroten/internal/apierror"
)

// How much must stand out from what is around it, as ratios that Contrast gives.
const (
	// TextContrast is for text (WCAG 2.2, 1.4.3).
	TextContrast = 4.5
	// ControlContrast is for what is used, such as buttons and fields, and for where the focus is (WCAG 2.2, 1.4.11).
	ControlContrast = 3.0
)

// Palette is the colours of a brand. The methods that give further colours keep what they promise where Check finds nothing.
type Palette struct {
	// Accent is of buttons, and of the number that is chosen; OnAccent says what is written on it.
	Accent Color
	// Background is the ground that all else stands on.
	Background Color
	Text       Color
}

// DefaultPalette is how a brand looks that has chosen nothing yet.
func DefaultPalette() Palette {
	return Palette{Accent: Color{0x24, 0x57, 0xd6}, Background: white, Text: Color{0x1c, 0x21, 0x28}}
}

// Check says which colours do not stand out enough from the background, by the fields of the API's UpdateBrandInput: accentColor
// and textColor. A message names the ratio that was found, the one that is wanted, and a colour close by that has it.
func (p Palette) Check() apierror.UserErrors {
	var errs apierror.UserErrors
	for _, c := range []struct {
		field, criterion string
		color            Color
		want             float64
	}{{"accentColor", "1.4.11", p.Accent, ControlContrast}, {"textColor", "1.4.3", p.Text, TextContrast}} {
		if found := Contrast(c.color, p.Background); found < c.want {
			errs.Add(apierror.Invalid, []string{c.field},
				"%s stands out from the background, %s, by %s : 1, and at least %v : 1 is wanted (WCAG 2.2, %s): %s would do.",
				c.color, p.Background, ratio(found), c.want, c.criterion, enough(c.color, p.Background, c.want))
		}
	}
	return errs
}

// ratio is a ratio with two decimals, rounded down: what was refused must not look as if it were enough.
func ratio(r float64) string { return strconv.FormatFloat(math.Floor(r*100)/100, 'f', 2, 64) }

// enough is a colour moved towards black or white, whichever takes less, until it stands out from the ground as wanted, which is
// √21 : 1 at most: see OnAccent.
func enough(c, ground Color, want float64) Color {
	for percent := range 100 {
		for _, end := range [...]Color{black, white} {
			if moved := mix(c, end, percent); Contrast(moved, ground) >= want {
				return moved
			}
		}
	}
	return OnAccent(ground)
}

// IsDark reports whether light text stands on a dark background, so that what browsers draw themselves is to be dark, too.
func (p Palette) IsDark() bool { return p.Background.luminance() < p.Text.luminance() }

// Dark is the palette for whoever has asked for dark colours: itself where it is dark, and else a dark one with the accent of this, made
// as light as it takes. It passes Check where this does.
func (p Palette) Dark() Palette {
	if p.IsDark() {
		return p
	}
	ground := Color{0x16, 0x19, 0x1e}
	return Palette{Accent: enough(p.Accent, ground, ControlContrast), Background: ground, Text: Color{0xe6, 0xe9, 0xed}}
}

// Surround is for what lies around the background, so that one sees where that ends. Nothing is written on it.
func (p Palette) Surround() Color { return mix(p.Background, p.Text, 7) }

// Muted is for text that matters less. It reads like any other: by TextContrast.
func (p Palette) Muted() Color { return p.faded(35, TextContrast) }

// Line is for the borders of fields and numbers. They show where to click, and so stand out by ControlContrast.
func (p Palette) Line() Color { return p.faded(60, ControlContrast) }

// faded is the text's colour with so many percent of the background in it, or as many as leave the contrast that is wanted.
func (p Palette) faded(most int, want float64) Color {
	for percent := most; percent > 0; percent-- {
		if c := mix(p.Text, p.Background, percent); Contrast(c, p.Background) >= want {
			return c
		}
	}
	return p.Text
}

// Focus is for the ring around what has the focus. It stands out from the background by ControlContrast, and from the accent, too,
// where the text's colour, black or white does so from both. There need not be such a colour: leave some background between the
// accent and the ring.
func (p Palette) Focus() Color {
	for _, c := range [...]Color{p.Text, black, white} {
		if min(Contrast(c, p.Background), Contrast(c, p.Accent)) >= ControlContrast {
			return c
		}
	}
	return p.Text
}

// Hover is the accent while a pointer is over it: a shade on which the accent's own text reads by TextContrast, and which stands out
// from the background by ControlContrast. Where there is no room for one it is the accent itself: show it in another way besides.
func (p Palette) Hover() Color { return p.shade(12) }

// Pressed is the accent while it is held down: as Hover, and where there is room further from the accent.
func (p Palette) Pressed() Color { return p.shade(24) }

// shade is the accent moved by so many percent at most, away from the colour of its text, so that this reads better still; and towards
// it where the accent has nowhere else to go, since it is nearly black or white itself, or comes too close to the background.
func (p Palette) shade(most int) Color {
	text, away := OnAccent(p.Accent), black
	if text == black {
		away = white
	}
	ends := [...]Color{away, text}
	if Contrast(p.Accent, away) < 2 {
		ends = [...]Color{text, away}
	}
	for percent := most; percent > 0; percent-- {
		for _, end := range ends {
			c := mix(p.Accent, end, percent)
			if c != p.Accent && Contrast(c, text) >= TextContrast && Contrast(c, p.Background) >= ControlContrast {
				return c
			}
		}
	}
	return p.Accent
}

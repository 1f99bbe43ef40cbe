// Package look is what a brand looks like: colours that everybody can tell apart, and images that are made anew of whatever files
// are given.
//
// It is pure: the same input gives the same result, and nothing is kept.
package look

import (
	"encoding/hex"
	"fmt"
	"math"
)

// Color is an opaque colour of sRGB. The zero value is black.
type Color struct{ R, G, B uint8 }

var (
	black = Color{}
	white = Color{0xff, 0xff, 0xff}
)

// ParseColor reads a colour written as #rrggbb, in hexadecimal and in capital letters or small. The error says what is wanted.
func ParseColor(text string) (Color, error) {
	// Measured first: don't decode a megabyte.
	if len(text) == len("#rrggbb") && text[0] == '#' {
		if b, err := hex.DecodeString(text[1:]); err == nil {
			return Color{b[0], b[1], b[2]}, nil
		}
	}
	return Color{}, fmt.Errorf("%.20q is no colour: want # and six hexadecimal digits, such as #1a73e8", text)
}

// String is the colour as #rrggbb, in small letters.
func (c Color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// luminance is the relative luminance of WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance), from 0 for black to 1 for
// white.
func (c Color) luminance() float64 {
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

// linear is how much light a channel of sRGB gives, 0 to 1.
//
// The straight part ends at 0.04045, as in IEC 61966-2-1 and, since May 2021, in WCAG. Before, WCAG said 0.03928, which came from a
// draft of sRGB and is still much copied. Colours are judged alike by both: 10 ÷ 255 is below the two, and 11 ÷ 255 above.
func linear(channel uint8) float64 {
	v := float64(channel) / 255
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// Contrast is by how much two colours stand out from each other: the contrast ratio of WCAG 2.2
// (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio), from 1 for equal ones to 21 for black and white. Which is which makes no
// difference.
func Contrast(a, b Color) float64 {
	// What any screen gives back of the light around it.
	const flare = 0.05
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + flare) / (min(la, lb) + flare)
}

// OnAccent is the colour of what is written on an accent: black or white, whichever reads better. It stands out by √21 : 1, which is
// 4.58 : 1, at the least, since the contrasts of a colour with black and with white are 21 if multiplied; so it is always enough for
// text.
func OnAccent(accent Color) Color {
	if Contrast(accent, white) >= Contrast(accent, black) {
		return white
	}
	return black
}

// mix is so many percent, 0 to 100, of the way from one colour to another, as CSS has it for color-mix(in srgb, …).
func mix(from, to Color, percent int) Color {
	part := func(from, to uint8) uint8 { return uint8((int(from)*(100-percent) + int(to)*percent + 50) / 100) }
	return Color{part(from.R, to.R), part(from.G, to.G), part(from.B, to.B)}
}

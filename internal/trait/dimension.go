package trait

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/zeroten/zeroten/internal/calendar"
)

// Dimension is a trait as a cube cuts feedback by it, frozen when the cube was begun.
type Dimension struct {
	Key   string    `json:"key"`
	Kind  Kind      `json:"kind"`
	Edges []float64 `json:"edges,omitempty"`
}

// Shape is all that decides which cell of a cube a response counts in.
type Shape struct {
	// Zone is the IANA name of the time zone that days begin in.
	Zone       string      `json:"zone"`
	Dimensions []Dimension `json:"dimensions"`
	// Limits are how much is kept apart. They are frozen with the rest, so that what was placed stays where it is.
	Limits Limits `json:"limits,omitzero"`
}

// SameDimension reports whether both shapes have the trait as the same dimension, or neither as one.
func (s *Shape) SameDimension(o *Shape, key string) bool {
	a, b := s.dimension(key), o.dimension(key)
	if a == nil || b == nil {
		return a == b
	}
	return a.Key == b.Key && a.Kind == b.Kind && slices.Equal(a.Edges, b.Edges)
}

func (s *Shape) dimension(key string) *Dimension {
	for i := range s.Dimensions {
		if s.Dimensions[i].Key == key {
			return &s.Dimensions[i]
		}
	}
	return nil
}

// Limits say how much a cube keeps apart. What is 0 is as MaxValues and MaxProfiles say.
type Limits struct {
	Values   int `json:"values,omitempty"`
	Profiles int `json:"profiles,omitempty"`
}

// Values are the dimension values of somebody of whom v is known, for a response on the day on, in the order of
// s.Dimensions.
func (s Shape) Values(v Values, on calendar.Day) []string {
	values := make([]string, len(s.Dimensions))
	for i, d := range s.Dimensions {
		values[i] = d.Value(v, on)
	}
	return values
}

// Value is the dimension value of somebody of whom v is known, for a response on the day on: a TEXT itself, true or
// false, a NUMBER in shortest decimal, the whole months from a DATE to on; the name of its range where the dimension
// has edges. It is None where nothing is known, where the value is of another kind, and where a DATE lies after on.
func (d Dimension) Value(v Values, on calendar.Day) string {
	switch value := v[d.Key].(type) {
	case string:
		return d.ofText(value, on)
	case bool:
		return d.ofBoolean(value)
	case float64:
		return d.ofNumber(value)
	}
	return None
}

func (d Dimension) ofText(text string, on calendar.Day) string {
	switch d.Kind {
	case Text:
		return text
	case Date:
		since, err := calendar.ParseDay(text)
		if err != nil {
			return None
		}
		if months := calendar.WholeMonths(since, on); months >= 0 {
			return d.numbered(float64(months))
		}
	}
	return None
}

func (d Dimension) ofBoolean(value bool) string {
	if d.Kind != Boolean {
		return None
	}
	return strconv.FormatBool(value)
}

func (d Dimension) ofNumber(number float64) string {
	if d.Kind != Number {
		return None
	}
	return d.numbered(number)
}

func (d Dimension) numbered(number float64) string {
	if len(d.Edges) == 0 {
		return FormatNumber(number)
	}
	return d.rangeName(d.rangeOf(number))
}

// Ranges are the names of the dimension's ranges, lowest first: `<3`, `3–12`, `≥12` for the edges 3 and 12. A range
// holds its lower edge. Range i lies between the edges i − 1 and i. Without edges there are none.
func (d Dimension) Ranges() []string {
	if len(d.Edges) == 0 {
		return nil
	}
	names := make([]string, len(d.Edges)+1)
	for i := range names {
		names[i] = d.rangeName(i)
	}
	return names
}

// Named is a value as the dimension has it: the name of a range, where a hyphen stands for its dash, there are blanks in
// it, or it begins with >=. Any other value is as it was.
func (d Dimension) Named(value string) string {
	if len(d.Edges) == 0 || len(value) > maxRangeName {
		return value
	}
	typed := strings.NewReplacer("–", "-", "—", "-", "−", "-", "‐", "-", "‑", "-", "‒", "-", "≥", ">=", " ", "", "\u00a0", "", "\u202f", "")
	want := typed.Replace(value)
	for _, name := range d.Ranges() {
		if typed.Replace(name) == want {
			return name
		}
	}
	return value
}

// maxRangeName is more bytes than the name of a range has, with some blanks.
const maxRangeName = 1_000

// rangeOf is how many edges lie at or below number.
func (d Dimension) rangeOf(number float64) int {
	return sort.Search(len(d.Edges), func(i int) bool { return d.Edges[i] > number })
}

func (d Dimension) rangeName(i int) string {
	switch i {
	case 0:
		return "<" + FormatNumber(d.Edges[0])
	case len(d.Edges):
		return "≥" + FormatNumber(d.Edges[i-1])
	}
	return FormatNumber(d.Edges[i-1]) + "–" + FormatNumber(d.Edges[i])
}

// FormatNumber writes a number as dimension values and ranges do: the shortest decimal that reads back the same,
// without exponent and without the sign of −0.
func FormatNumber(number float64) string {
	if number == 0 {
		return "0"
	}
	return strconv.FormatFloat(number, 'f', -1, 64)
}

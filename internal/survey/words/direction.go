package words

// Direction is the way a language is written, as TextDirection of the schema.
type Direction string

// The directions.
const (
	LTR Direction = "LTR"
	RTL Direction = "RTL"
)

// HTML is the value of an element's `dir`.
func (d Direction) HTML() string {
	if d == RTL {
		return "rtl"
	}
	return "ltr"
}

// DirectionOf is the way that the language of a tag is written: that of its script, or, where the tag names none, of the
// script that the language is most often written in. A text that is no tag goes from left to right.
func DirectionOf(tag string) Direction {
	t, ok := parse(tag)
	if !ok {
		return LTR
	}
	if script, _ := t.Script(); rightToLeft[script.String()] {
		return RTL
	}
	return LTR
}

// rightToLeft are the scripts of ISO 15924 that living languages are written in from right to left.
var rightToLeft = map[string]bool{
	"Adlm": true, "Arab": true, "Aran": true, "Hebr": true, "Mand": true, "Nkoo": true, "Rohg": true, "Samr": true, "Syrc": true,
	"Syre": true, "Syrj": true, "Syrn": true, "Thaa": true, "Yezi": true,
}

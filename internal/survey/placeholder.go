package survey

import (
	"strings"

	"github.com/zeroten/zeroten/internal/apierror"
)

// Placeholder names what stands in a text for what is known about whoever reads it: `{name|there}`.
type Placeholder struct {
	// Key is `name`, `brand`, or that of a trait.
	Key string
	// Fallback stands there where nothing is known, or it is not sure who reads.
	Fallback string
}

// The keys of placeholders that are no trait's.
const (
	nameKey  = "name"
	brandKey = "brand"
)

// Placeholders are those of a text, in order. Braces that no bar stands between are text, and so are braces around braces.
func Placeholders(text string) []Placeholder {
	var all []Placeholder
	parse(text, func(string) {}, func(p Placeholder) { all = append(all, p) })
	return all
}

// Fill puts what is known into a text. known gives the value of a key and whether there is one; nil knows nothing. What is put in is
// not looked through for placeholders again.
func Fill(text string, known func(key string) (value string, ok bool)) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	parse(text, func(plain string) { b.WriteString(plain) }, func(p Placeholder) {
		if known != nil {
			if value, ok := known(p.Key); ok {
				b.WriteString(value)
				return
			}
		}
		b.WriteString(p.Fallback)
	})
	return b.String()
}

// parse goes through a text.
func parse(text string, plain func(string), placeholder func(Placeholder)) {
	for {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			break
		}
		inside := text[open+1:]
		end := strings.IndexAny(inside, "{}")
		if end < 0 {
			break
		}
		key, fallback, ok := strings.Cut(inside[:end], "|")
		if inside[end] == '{' || !ok {
			// The brace is text, and so is what closes it; one that opens is looked at again.
			skip := open + 1 + end
			if inside[end] == '}' {
				skip++
			}
			plain(text[:skip])
			text = text[skip:]
			continue
		}
		plain(text[:open])
		placeholder(Placeholder{Key: key, Fallback: fallback})
		text = inside[end+1:]
	}
	plain(text)
}

// inLine is a text with blanks for what has no place in a line.
func inLine(text string) string {
	return strings.Map(func(r rune) rune {
		if apierror.NotInLine(r) {
			return ' '
		}
		return r
	}, text)
}

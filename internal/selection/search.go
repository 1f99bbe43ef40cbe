package selection

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/search"
)

// query is what the index is asked for; nil where it does not know what the selection is for.
func (sel *Selection) query(tenant uuid.UUID) *search.Query {
	if sel.state == nil {
		return nil
	}
	all := []*search.Query{search.OfTerms(tenant, sel.terms)}
	for _, rule := range sel.rules {
		all = append(all, search.OfRule(tenant, rule, sel.state.Active.Shape.Dimensions))
	}
	return search.All(all...)
}

// hints are the letters and digits of ASCII in a term, which a database finds in every comment that holds the term.
func hints(term string) []string {
	return strings.FieldsFunc(term, func(r rune) bool { return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// looksFor is a hint that is looked for in a text, whatever the case of its letters.
type looksFor string

func (l looksFor) in(text []byte) bool {
	for at := 0; at+len(l) <= len(text); at++ {
		i := 0
		for i < len(l) && lowerASCII(text[at+i]) == l[i] {
			i++
		}
		if i == len(l) {
			return true
		}
	}
	return false
}

func lowerASCII(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

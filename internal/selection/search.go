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

// lowerASCII makes the capital letters of ASCII small, where they are.
func lowerASCII(text []byte) {
	for i, b := range text {
		if 'A' <= b && b <= 'Z' {
			text[i] = b + 'a' - 'A'
		}
	}
}

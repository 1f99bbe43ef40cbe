package selection

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/search"
)

// FuzzTerms wants a search to find each comment that holds its text between blanks, nothing that lacks one of its terms,
// and what the database is told of a term to be true of every comment that is found.
func FuzzTerms(f *testing.F) {
	for _, text := range []string{
		"", " ", "Great service, très bien!", "can't 50%_off", "İstanbul \u212aelvin ſtraße ΣΑΣ", "e\u0301 שלום 👩‍👩‍👧", "\xff a", "👎", "👍🏽 ok", "!!!", "\"", "…", "\u200b",
		"\u56de\u7ddaが\u9045いです", "ช้ามาก", "C++", "a\u20dd", "\u0301", "the", "x", "“so-so”", "\u037e\u1fef", "𝔸",
	} {
		f.Add(text, "Too slow, 👎!", "in the evening")
		f.Add("Too slow, 👎!", text, text)
	}
	f.Fuzz(func(t *testing.T, said, before, after string) {
		sel := Selection{terms: search.Terms(said)}
		if none := strings.TrimFunc(said, unicode.IsSpace) == ""; none != (len(sel.terms) == 0) {
			t.Fatalf("%q has the terms %q", said, sel.terms)
		}
		literally := before + " " + said + "\n" + after
		if !finds(&sel, literally) {
			t.Errorf("%q does not find %q", said, literally)
		}
		for _, comment := range []string{literally, before, after, before + after, strings.ToUpper(literally), said + before} {
			if !finds(&sel, comment) {
				continue
			}
			for _, term := range sel.terms {
				if !strings.Contains(search.Folded(comment), term) {
					t.Errorf("%q finds %q, which lacks %q", said, comment, term)
				}
				for _, hint := range hints(term) {
					small := []byte(comment)
					if lowerASCII(small); string(small) != asciiLower(strings.ToValidUTF8(comment, "")) && utf8.ValidString(comment) {
						t.Errorf("%q becomes %q", comment, small)
					}
					if !strings.Contains(asciiLower(comment), hint) {
						t.Errorf("a database that folds ASCII alone does not find %q in %q", hint, comment)
					}
				}
			}
		}
	})
}

func finds(sel *Selection, comment string) bool {
	holds, _ := sel.holdsTerms(search.Folded(comment))
	return holds
}

func asciiLower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, text)
}

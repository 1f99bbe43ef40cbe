package selection

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// terms are what a search asks for: its texts between blanks, as folded compares them, without the quotes and the
// punctuation around them. What is nothing else stays as it is: nothing that was asked for may be dropped, or the search
// would find what does not hold it.
func terms(search string) []string {
	var all []string
	for text := range strings.FieldsSeq(folded(search)) {
		if bare := strings.TrimFunc(text, surrounds); bare != "" {
			text = bare
		}
		all = append(all, text)
	}
	return all
}

// surrounds reports whether a character only stands around words.
func surrounds(r rune) bool {
	return strings.ContainsRune(`"'.,;:!?…¿¡。、，！？：；`, r) || unicode.In(r, unicode.Pi, unicode.Pf, unicode.Ps, unicode.Pe)
}

// folded is a text as searches compare it: without regard to case, to how accents are composed, and to the form of quotes.
func folded(text string) string {
	// Composed it would be an ASCII letter, which databases do not take it for.
	text = strings.ReplaceAll(text, "\u212a", "\ufffd")
	return strings.Map(lower, norm.NFC.String(text))
}

// lower is the small letter, but never an ASCII one of another: databases do not take İ for an i.
func lower(r rune) rune {
	switch r {
	case '‘', '’':
		return '\''
	case '“', '”':
		return '"'
	}
	if l := unicode.ToLower(r); l >= utf8.RuneSelf || r < utf8.RuneSelf {
		return l
	}
	return r
}

// holds reports whether a folded text has the term. One that begins with a letter or a digit has to begin a word there,
// where the script has words.
func holds(text, term string) bool {
	first, _ := utf8.DecodeRuneInString(term)
	for at := 0; ; {
		i := strings.Index(text[at:], term)
		if i < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:at+i])
		if at += i; at == 0 || !beginsWord(first) || !inWord(before) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
}

func beginsWord(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsNumber(r)) && !unspaced(r)
}

func inWord(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)) && !unspaced(r)
}

// unspaced reports whether a character is of a script that writes words without blanks between them.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan)
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

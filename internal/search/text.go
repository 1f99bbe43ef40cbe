package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Terms are what a search asks for: its texts between blanks, as Folded compares them, without the quotes and the
// punctuation around them. What is nothing else stays as it is: nothing that was asked for may be dropped, or the search
// would find what does not hold it.
func Terms(search string) []string {
	var all []string
	for text := range strings.FieldsSeq(Folded(search)) {
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

// Folded is a text as searches compare it: without regard to case, to how accents are composed, and to the form of quotes.
func Folded(text string) string {
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

// Holds reports whether a folded text has the term. One that begins with a letter or a digit has to begin a word there,
// where the script has words.
func Holds(text, term string) bool {
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

// kind is what a piece of a text is.
type kind int

const (
	// word is a run of characters of a script with words.
	word kind = iota
	// signs is a run of characters of a script that writes its words without blanks between them.
	signs
	// symbol is one character of its own, such as an emoji.
	symbol
	// common are blanks, and those characters that are in most texts.
	common
)

func kindOf(r rune) kind {
	switch {
	case r < utf8.RuneSelf: // most are
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' {
			return word
		}
		return common
	case unspaced(r):
		return signs
	case inWord(r):
		return word
	case unicode.IsSpace(r) || surrounds(r):
		return common
	}
	return symbol
}

// piece is a part of a folded text: as long as it can be where it is a word or signs, else one character.
type piece struct {
	kind kind
	text string
}

// pieces cuts a folded text up. What a term is cut into is found in each text that holds the term, but for what begins and
// what ends it, which may be parts of longer words there.
func pieces(text string) []piece {
	var all []piece
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		k, end := kindOf(r), at+size
		for (k == word || k == signs) && end < len(text) {
			r, size := utf8.DecodeRuneInString(text[end:])
			if kindOf(r) != k {
				break
			}
			end += size
		}
		all = append(all, piece{k, text[at:end]})
		at = end
	}
	return all
}

package search

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/rate"
	"golang.org/x/text/unicode/norm"
)

// Terms are what a search asks for: its texts between blanks, each once, as Folded compares them, without the quotes and the
// punctuation around them. What is nothing else stays as it is: nothing that was asked for may be dropped, or the search
// would find what does not hold it.
func Terms(search string) []string {
	var all []string
	for text := range strings.FieldsSeq(Folded(search)) {
		if bare := strings.TrimFunc(text, surrounds); bare != "" {
			text = bare
		}
		if !slices.Contains(all, text) { // each is looked for in every comment
			all = append(all, text)
		}
	}
	return all
}

// surrounds reports whether a character only stands around words.
func surrounds(r rune) bool {
	return strings.ContainsRune(`"'.,;:!?…¿¡。、，！？：；`, r) || unicode.In(r, unicode.Pi, unicode.Pf, unicode.Ps, unicode.Pe)
}

// Folded is a text as searches compare it: without regard to case, to how accents are composed, and to the form of quotes.
func Folded(text string) string {
	folded, _ := Fold(text)
	return folded
}

// Fold is Folded, and tells besides what that costs, in points.
func Fold(text string) (folded string, points float64) {
	wide := 0
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			wide++
		}
	}
	points = float64(len(text)) / rate.FoldedPerPoint
	if wide > 0 {
		// Composed it would be an ASCII letter, which databases do not take it for.
		normal, loose := composed(strings.ReplaceAll(text, "\u212a", "\ufffd"))
		text, points = normal, points+float64(wide)/rate.WidePerPoint+float64(loose)/rate.LoosePerPoint
	}
	return lowered(text), points
}

// composed is norm.NFC.String, which takes many times as long for what is composed already. loose is for how many bytes it had
// to be asked.
//
// Nothing composes beyond a character that is firm, so a text can be cut up before each of them. What is between two is composed
// if all of its characters are, and no two of them are marks, which might be in another order.
func composed(text string) (normal string, loose int) {
	if !utf8.ValidString(text) { // then what is one character may depend on where the text ends
		return norm.NFC.String(text), len(text)
	}
	is := &known().is
	var out []byte
	done, border, marked := 0, 0, false
	for at := 0; at < len(text); {
		if text[at] < utf8.RuneSelf {
			for at++; at < len(text) && text[at] < utf8.RuneSelf; {
				at++
			}
			border, marked = at-1, false
			continue
		}
		r, size := utf8.DecodeRuneInString(text[at:])
		what := is.of(r)
		if what&firm != 0 {
			border, marked = at, false
			at += size
			continue
		}
		if what&mark != 0 && !marked {
			marked = true
			at += size
			continue
		}
		// From here on to where two are firm: in between it would be asked for each of them.
		follows, last := false, at
		for at += size; at < len(text); at += size {
			r, size = utf8.DecodeRuneInString(text[at:])
			next := is.of(r)&firm != 0
			if next && follows {
				at = last
				break
			}
			follows, last = next, at
		}
		loose += at - border
		out = norm.NFC.AppendString(append(room(out, text), text[done:border]...), text[border:at])
		done, border, marked = at, at, false
	}
	if done == 0 {
		return text, loose
	}
	return string(append(out, text[done:]...)), loose
}

// lowered is strings.Map(lower, text), which takes several times as long.
func lowered(text string) string {
	smalls := &known().smalls
	var out []byte
	done := 0
	for at := 0; at < len(text); {
		if text[at] < utf8.RuneSelf {
			begin, capitals := at, false
			for ; at < len(text) && text[at] < utf8.RuneSelf; at++ {
				capitals = capitals || 'A' <= text[at] && text[at] <= 'Z'
			}
			if capitals {
				out = append(room(out, text), text[done:at]...)
				run := out[len(out)-(at-begin):]
				for i, b := range run {
					if 'A' <= b && b <= 'Z' {
						run[i] = b + 'a' - 'A'
					}
				}
				done = at
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(text[at:])
		small := r
		switch {
		case r < tabled:
			small = rune(smalls[r])
		case !caseless(r):
			small = lower(r)
		}
		if small != r || r == utf8.RuneError && size == 1 {
			out = utf8.AppendRune(append(room(out, text), text[done:at]...), small)
			done = at + size
		}
		at += size
	}
	if done == 0 {
		return text
	}
	return string(append(out, text[done:]...))
}

// room is out, with room for what most texts become, which is no longer, where it has none.
func room(out []byte, text string) []byte {
	if out == nil {
		return make([]byte, 0, len(text))
	}
	return out
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

// caseless reports whether a character is of the scripts of East Asia, or an emoji: these have no capitals.
func caseless(r rune) bool {
	return 0x3100 <= r && r < 0xa640 || 0xac00 <= r && r < 0xfb00 || r >= 0x1f000
}

// Holds reports whether a folded text has the term. One that begins with a letter or a digit has to begin a word there,
// where the script has words.
func Holds(text, term string) bool {
	is := &known().is
	first, _ := utf8.DecodeRuneInString(term)
	if !beginsWord(first) {
		return strings.Contains(text, term)
	}
	for at := 0; ; {
		i := strings.Index(text[at:], term)
		if i < 0 {
			return false
		}
		before, _ := utf8.DecodeLastRuneInString(text[:at+i])
		if at += i; at == 0 || is.of(before)&worded == 0 {
			return true
		}
		for at < len(text) { // no other begins within the rest of the word
			r, size := utf8.DecodeRuneInString(text[at:])
			if at += size; is.of(r)&worded == 0 {
				break
			}
		}
	}
}

// traits are what is to be known of a character while a text is gone through.
type traits uint8

const (
	// firm characters are composed, and with none before them.
	firm traits = 1 << iota
	// mark are the others that are composed, and with none before them that composes.
	mark
	// worded are those of inWord.
	worded
)

// tabled is how many characters are in tables: all alphabets and signs of the first plane but those of China, Korea, and few
// others.
const tabled = 0x3100

type (
	tables struct {
		is     table
		smalls [tabled]uint16
	}
	table [tabled]traits
)

// known are the tables, which take a few milliseconds to make.
var known = sync.OnceValue(func() *tables {
	t := new(tables)
	for r := range rune(tabled) {
		t.is[r], t.smalls[r] = traitsOf(r), uint16(lower(r))
	}
	return t
})

// of is traitsOf the character, but that it need not know that a rare one is firm, or a mark.
func (t *table) of(r rune) traits {
	switch {
	case r < tabled:
		return t[r]
	case 0x3400 <= r && r < 0xa000: // Chinese characters have no words
		return firm
	case 0xac00 <= r && r < 0xd7a4:
		return firm | worded
	case 0xfe00 <= r && r < 0xfe10: // they vary emoji
		return firm | worded
	case 0x1f300 <= r && r < 0x1fb00:
		return firm
	}
	if inWord(r) {
		return worded
	}
	return 0
}

func traitsOf(r rune) (t traits) {
	text := string(r)
	p := norm.NFC.PropertiesString(text)
	switch then := "." + text; {
	case norm.NFC.QuickSpanString(then) < len(then):
	case p.BoundaryBefore():
		t = firm
	case p.CCC() != 0:
		t = mark
	}
	if inWord(r) {
		t |= worded
	}
	return t
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

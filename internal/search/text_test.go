package search

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// plainly is Folded as it is meant, however long it takes.
func plainly(text string) string {
	return strings.Map(lower, norm.NFC.String(strings.ReplaceAll(text, "\u212a", "\ufffd")))
}

// plainlyHolds is Holds as it is meant.
func plainlyHolds(text, term string) bool {
	first, _ := utf8.DecodeRuneInString(term)
	for at := range text {
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		if strings.HasPrefix(text[at:], term) && (at == 0 || !beginsWord(first) || !inWord(before)) {
			return true
		}
	}
	return false
}

// oddities are characters that compose, decompose, are put in order, or have another length once they are small.
var oddities = []rune("aAeE iıİſ Kk\u212a\ufffd\u0300\u0301\u0302\u0304\u0308\u0323\u0327\u0331\u0338\u0345\u0344\u0340\u0341\u0343\u0374\u037e\u0387" +
	"\u1100\u1112\u1161\u1175\u11a7\u11a8\u11c2\uac00\uac01\ud7a3\u0958\u095f\u0915\u093c\u094d\u09a1\u09bc\u09c7\u09be\u0b47\u0b56\u0dd9\u0dca\u0ddd" +
	"\uf900\ufa0e\ufb1d\ufb4e\U0001d15e\U0001d160\U0001d165\U0001d16e\U0001d1bb\U00011099\U000110ba\U0002f800\u0f73\u0f71\u0f72\u0f81\u034f\u0353\u0334\u20d0\u302a" +
	"\u3099か\u309a\u304c\u0653ا\u064b\u0651\u05b0\u05bcשׁעж\u0416ΣςΆ\u03b9\u1f83\u1fee\u1fef\u2126\u212b\u2019\u201d…\u2000\u2329\u226e<>=\u0d4a\u0cc0\u1b06\u1b35\u0ddc\u0344\u200d\ufe0f👎𐐀𐐨Ⴀⅷ\u56de。")

// texts are made of such, of any characters, and of bytes that are none.
func oddTexts() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.Map(rapid.SampledFrom(oddities), func(r rune) string { return string(r) }),
		rapid.Map(rapid.SampledFrom(oddities), func(r rune) string { return norm.NFD.String(string(r)) }),
		rapid.Map(rapid.Rune(), func(r rune) string { return string(r) }),
		rapid.Map(rapid.RuneFrom(nil, unicode.M), func(r rune) string { return string(r) }),
		rapid.Map(rapid.SampledFrom(oddities), func(r rune) string { return strings.Repeat(string(r), 35) }),
		rapid.SampledFrom([]string{"\xff", "\xf1", "\xe2", "\xe2\x84", "\xcc", "Word ", "x", "\x80"}),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 12), func(all []string) string { return strings.Join(all, "") })
}

func TestFoldedIsAsItIsMeant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := oddTexts().Draw(t, "text")
		if got, want := Folded(text), plainly(text); got != want {
			t.Fatalf("%+q becomes %+q, want %+q", text, got, want)
		}
		folded, term := Folded(text), Folded(oddTexts().Draw(t, "term"))
		if runes := []rune(folded); len(runes) > 0 && rapid.Bool().Draw(t, "within") {
			from := rapid.IntRange(0, len(runes)-1).Draw(t, "from")
			term = string(runes[from:rapid.IntRange(from+1, len(runes)).Draw(t, "to")])
		}
		if term == "" {
			return
		}
		if got, want := Holds(folded, term), plainlyHolds(folded, term); got != want {
			t.Fatalf("that %+q holds %+q is %v", folded, term, got)
		}
	})
}

// Each character is folded as it is meant, alone, and between what may compose with it.
func TestEachCharacterIsFolded(t *testing.T) {
	is := &known().is
	for r := range unicode.MaxRune + 1 {
		if 0x30000 < r && r < 0xe0000 {
			continue // there are none
		}
		for _, text := range []string{string(r), "e\u0301" + string(r), "\u1100" + string(r) + "\u0323\u0301"} {
			if got, want := Folded(text), plainly(text); got != want {
				t.Errorf("%+q becomes %+q, want %+q", text, got, want)
			}
		}
		if got, want := is.of(r), traitsOf(r); got&worded != want&worded || got&(firm|mark) != 0 && got != want {
			t.Errorf("%+q is taken to be %b, and is %b", r, got, want)
		}
	}
}

func FuzzFolded(f *testing.F) {
	f.Add("e\u0301 \u1100\u1161\u11a8 \u0958", "e")
	for _, text := range texts {
		f.Add(text[:min(len(text), 100)], "a")
	}
	f.Fuzz(func(t *testing.T, text, term string) {
		folded := Folded(text)
		if want := plainly(text); folded != want {
			t.Fatalf("%+q becomes %+q, want %+q", text, folded, want)
		}
		if term = Folded(term); term != "" && Holds(folded, term) != plainlyHolds(folded, term) {
			t.Errorf("that %+q holds %+q is %v", folded, term, Holds(folded, term))
		}
	})
}

func TestTermsAreThereOnce(t *testing.T) {
	if got, want := Terms(`slow "SLOW" app, slower app!`), []string{"slow", "app", "slower"}; !slices.Equal(got, want) {
		t.Errorf("the terms are %q, want %q", got, want)
	}
}

package importer

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// scoreError is why a field holds no score.
type scoreError struct {
	text string
	why  scoreWhy
}

type scoreWhy int

const (
	// noScore is a text without a score, or with more than one number.
	noScore scoreWhy = iota
	// noWhole and noAnswer are numbers: those with decimals, and those that are not 0 to 10.
	noWhole
	noAnswer
	// otherScale is a score of a scale that is none of 0 to 10: 4/5, 90%, ★★★★☆.
	otherScale
)

func (f *scoreError) Error() string {
	return fmt.Sprintf("the score %.40q is %s", f.text,
		[...]string{"no number", "no whole number", "not 0 to 10", "of another scale than 0 to 10"}[f.why])
}

// parseScore reads a score from 0 to 10:
//
//   - a whole number, which may have decimals that are all 0, after a point or a comma;
//   - such a number of ten, as in 9/10, or 9 out of 10;
//   - the label of a point of the scale, which has such a number at one of its ends, set off from words, and no other
//     number: "10 - Very likely", "Not at all likely (0)".
//
// Digits may be of any script. Quotes around all, and what spreadsheets put in front so that a number stays a text, do not
// matter. Stars and parts of other scales are refused: nobody knows which of ten points they would be.
func parseScore(text string) (int, error) {
	text = bare(text)
	if n := wholeScore(text); n >= 0 {
		return n, nil
	}
	plain := unformulated(unquoted(plainDigits(width.Fold.String(text))))
	plain = strings.TrimPrefix(plain, "=")
	number, isNumber := parseNumber(plain, true)
	switch {
	case isNumber && number != math.Trunc(number):
		return 0, &scoreError{text, noWhole}
	case isNumber && (number < 0 || number > 10):
		return 0, &scoreError{text, noAnswer}
	case isNumber && !thousands(plain):
		return int(number), nil
	case isNumber:
		return 0, &scoreError{text, noAnswer}
	}
	if isOfAnotherScale(plain) {
		return 0, &scoreError{text, otherScale}
	}
	if n, rest, ok := leadingScore(plain); ok && (rest == "" || setOff(rest)) {
		return n, nil
	}
	if n, rest, ok := trailingScore(plain); ok && setOffBefore(rest) {
		return n, nil
	}
	return 0, &scoreError{text, noScore}
}

// wholeScore is the score that the text plainly is, −1 where it is anything else.
func wholeScore(text string) int {
	switch {
	case len(text) == 1 && '0' <= text[0] && text[0] <= '9':
		return int(text[0] - '0')
	case text == "10":
		return 10
	}
	return -1
}

// thousands reports whether a number has exactly three decimals, which may just as well be thousands.
func thousands(number string) bool {
	i := strings.LastIndexAny(number, ".,")
	return i >= 0 && leadingDigits(number[i+1:]) == len(number)-i-1 && len(number)-i-1 == 3
}

// invisible are characters that copying leaves around a text.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

// bare is the text without what surrounds it and cannot be seen.
func bare(text string) string {
	if n := len(text); n > 0 && text[0] > ' ' && text[0] < utf8.RuneSelf && text[n-1] > ' ' && text[n-1] < utf8.RuneSelf {
		return text
	}
	return strings.TrimFunc(text, invisible)
}

// unformulated is the text without what spreadsheets put around it so that it stays a text: '9 and ="9".
func unformulated(text string) string {
	if rest, ok := strings.CutPrefix(text, "'"); ok {
		return bare(rest)
	}
	if rest, ok := strings.CutPrefix(text, `="`); ok {
		if rest, ok = strings.CutSuffix(rest, `"`); ok && !strings.Contains(rest, `"`) {
			return bare(rest)
		}
	}
	return text
}

// plainDigits is the text with the digits of all scripts as those of ASCII.
func plainDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf || !unicode.Is(unicode.Nd, r) {
			return r
		}
		// The digits of a script stand together, from 0 to 9, and those of the mathematical ones five times.
		for _, of := range unicode.Nd.R16 {
			if uint16(r) >= of.Lo && uint16(r) <= of.Hi && r <= 0xffff {
				return '0' + (r-rune(of.Lo))%10
			}
		}
		for _, of := range unicode.Nd.R32 {
			if uint32(r) >= of.Lo && uint32(r) <= of.Hi {
				return '0' + (r-rune(of.Lo))%10
			}
		}
		return r
	}, text)
}

// quotes are those that may be around a score, the closing one by the opening one.
var quotes = map[rune]rune{'"': '"', '\'': '\'', '`': '`', '“': '”', '„': '“', '”': '”', '‘': '’', '«': '»', '「': '」'}

// unquoted is the text without quotes around it, such as programs write that quote what is quoted.
func unquoted(text string) string {
	for {
		opening, size := utf8.DecodeRuneInString(text)
		last, lastSize := utf8.DecodeLastRuneInString(text)
		if closing, ok := quotes[opening]; !ok || last != closing || len(text) < size+lastSize {
			return text
		}
		inner := text[size : len(text)-lastSize]
		if strings.ContainsRune(inner, opening) && !strings.HasPrefix(inner, string(opening)) {
			return text
		}
		text = bare(inner)
	}
}

// stars are words for them, simplified, in which some scales are counted.
var stars = map[string]bool{
	"star": true, "stars": true, "stern": true, "sterne": true, "etoile": true, "etoiles": true, "estrella": true, "estrellas": true, "stella": true,
	"stelle": true, "estrela": true, "estrelas": true, "ster": true, "sterren": true, "percent": true, "prozent": true, "星": true, "つ星": true, //nolint:gosmopolitan // people write so
}

// isOfAnotherScale reports whether a text is a share, a percentage, or a number of stars.
func isOfAnotherScale(text string) bool {
	if strings.ContainsAny(text, "★☆⭐") {
		return true
	}
	n := leadingDigits(text)
	if n == 0 {
		return false
	}
	rest := strings.TrimLeft(text[n:], " ")
	if decimals := strings.TrimLeft(rest, ".,"); decimals != rest && leadingDigits(decimals) > 0 {
		rest = strings.TrimLeft(decimals[leadingDigits(decimals):], " ")
	}
	if strings.HasPrefix(rest, "%") || stars[simplify(rest)] {
		return true
	}
	for _, words := range append([]string{"/"}, outOf...) {
		if tail, ok := strings.CutPrefix(strings.ToLower(rest), strings.TrimLeft(words, " ")); ok {
			tail = strings.TrimLeft(tail, " ")
			if digits := leadingDigits(tail); digits > 0 && digits == len(tail) && tail != "10" {
				return true
			}
		}
	}
	return false
}

// outOf are the words for the slash of 9/10.
var outOf = []string{" out of ", " of ", " von ", " sur ", " de ", " su ", " di ", " van de ", " van "}

// ofTen reads a number from 0 to 10 at the beginning, which may be followed by ".0" and by "/10", or, at the end, " out of 10": its length, 0 where
// there is none.
func ofTen(text string) (n, length int) {
	length = leadingDigits(text)
	if length == 0 || length > 2 {
		return 0, 0
	}
	if n = atoi(text[:length]); n > 10 {
		return 0, 0
	}
	if rest := text[length:]; len(rest) > 1 && (rest[0] == '.' || rest[0] == ',') {
		if decimals := leadingDigits(rest[1:]); decimals > 2 || strings.Trim(rest[1:1+decimals], "0") != "" {
			return 0, 0
		} else if decimals > 0 {
			length += 1 + decimals
		}
	}
	rest := text[length:]
	for _, words := range outOf {
		if tail, ok := strings.CutPrefix(strings.ToLower(rest), words); ok && tail == "10" {
			return n, len(text)
		}
	}
	rest = strings.TrimLeft(rest, " ")
	if rest, ok := strings.CutPrefix(rest, "/"); ok {
		rest = strings.TrimLeft(rest, " ")
		tail, ok := strings.CutPrefix(rest, "10")
		if !ok || leadingDigits(tail) > 0 || strings.HasPrefix(tail, "/") || len(tail) > 1 && (tail[0] == '.' || tail[0] == ',') && leadingDigits(tail[1:]) > 0 {
			return 0, 0
		}
		length = len(text) - len(tail)
	}
	return n, length
}

// brackets are those that a number may stand in.
var brackets = map[byte]byte{'(': ')', '[': ']'}

// leadingScore reads a score at the beginning.
func leadingScore(text string) (n int, rest string, ok bool) {
	closing := byte(0)
	if text != "" {
		closing = brackets[text[0]]
	}
	if closing != 0 {
		text = text[1:]
	}
	n, length := ofTen(text)
	if length == 0 {
		return 0, "", false
	}
	rest = text[length:]
	if closing != 0 {
		if rest == "" || rest[0] != closing {
			return 0, "", false
		}
		rest = rest[1:]
	}
	return n, rest, true
}

// trailingScore reads a score at the end.
func trailingScore(text string) (n int, rest string, ok bool) {
	opening := byte(0)
	if last := len(text) - 1; last >= 0 && (text[last] == ')' || text[last] == ']') {
		opening = '('
		if text[last] == ']' {
			opening = '['
		}
		text = text[:last]
	}
	// The longest end that is a number of its own.
	for i := max(0, len(text)-len("10.00 / 10")); i < len(text); i++ {
		if i > 0 && strings.IndexByte("0123456789.,/", text[i-1]) >= 0 || text[i] < '0' || text[i] > '9' {
			continue
		}
		found, length := ofTen(text[i:])
		if length == 0 || i+length != len(text) {
			continue
		}
		rest = text[:i]
		if opening != 0 {
			if rest == "" || rest[len(rest)-1] != opening {
				return 0, "", false
			}
			rest = rest[:len(rest)-1]
			return found, rest + " ", true
		}
		return found, rest, true
	}
	return 0, "", false
}

// separators may stand between a score and its words.
const separators = "-–—−:=.,;|_→>·•\"'“”«»"

func separates(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(separators, r) }

// unspaced reports whether a letter is of a script that sets no spaces between words.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}

// aWord reports whether a character can begin or end words: a letter, or a face. Stars are counted, and no words.
func aWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.Is(unicode.So, r) && r != '★' && r != '☆' && r != '⭐' && r != utf8.RuneError
}

// ranges are words that follow or precede a number which is the end of a range.
var ranges = map[string]bool{
	"or": true, "and": true, "to": true, "of": true, "out": true, "plus": true, "through": true, "oder": true, "und": true,
	"bis": true, "von": true, "ou": true, "et": true, "sur": true, "o": true, "y": true, "de": true, "e": true, "di": true,
	"su": true, "en": true, "tot": true, "al": true, "than": true, "over": true, "under": true, "above": true,
	"below": true, "least": true, "most": true, "als": true, "über": true, "unter": true, "mindestens": true,
	"höchstens": true, "que": true, "dan": true,
}

// setOff reports whether what follows a score are words that are set off from it.
func setOff(rest string) bool {
	first, _ := utf8.DecodeRuneInString(rest)
	words := strings.TrimLeftFunc(rest, func(r rune) bool { return separates(r) || strings.ContainsRune("([)]", r) })
	begins, _ := utf8.DecodeRuneInString(words)
	if !aWord(begins) || strings.ContainsFunc(words, unicode.IsNumber) {
		return false
	}
	if len(words) == len(rest) {
		return unspaced(first) || !unicode.IsLetter(first)
	}
	if strings.TrimSpace(rest[:len(rest)-len(words)]) != "" {
		return true
	}
	word, _, _ := strings.Cut(strings.ToLower(words), " ")
	return !ranges[word]
}

// setOffBefore reports whether what precedes a score are words that are set off from it.
func setOffBefore(rest string) bool {
	words := strings.TrimRightFunc(rest, separates)
	last, _ := utf8.DecodeLastRuneInString(words)
	if last == ')' || last == '?' || last == '!' {
		last, _ = utf8.DecodeLastRuneInString(strings.TrimRight(words, ")?!"))
	}
	if !aWord(last) || strings.ContainsFunc(words, unicode.IsNumber) {
		return false
	}
	between := rest[len(words):]
	switch between {
	case "":
		return unspaced(last) || !unicode.IsLetter(last)
	case "-":
		// Likely-10, but not B-9.
		return utf8.RuneCountInString(words) >= 4
	}
	if before, ok := strings.CutSuffix(between, "-"); ok && strings.TrimSpace(before) == "" {
		return false // a negative number
	}
	if strings.HasSuffix(between, "−") && strings.TrimSpace(strings.TrimSuffix(between, "−")) == "" {
		return false
	}
	if strings.TrimSpace(between) != "" {
		return true
	}
	fields := strings.Fields(strings.ToLower(words))
	return !ranges[fields[len(fields)-1]]
}

// isCategory reports whether a text says which of the three kinds an answer is, which is no score.
func isCategory(text string) bool {
	switch strings.TrimSuffix(simplify(text), "s") {
	case "promoter", "passive", "detractor", "neutral", "promoteur", "passif", "detracteur", "neutre", "passiver", "passiv",
		"detraktor", "kritiker", "detraktoren", "promotoren", "promotore", "promotor", "promotora",
		"pasivo", "neutro", "detratore", "detractore", "passivo", "passivi", "promotori", "detrattore", "detrattori", "detrator",
		"criticaster", "passief", "passieven":
		return true
	}
	return false
}

// parseNumber reads a decimal number. No hexadecimal digits, no infinities, no separators of thousands.
func parseNumber(text string, decimalComma bool) (float64, bool) {
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && strings.IndexByte("+-.,eE", c) < 0 {
			return 0, false
		}
	}
	if decimalComma && !strings.Contains(text, ".") {
		text = strings.Replace(text, ",", ".", 1)
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}

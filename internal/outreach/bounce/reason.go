package bounce

import (
	"cmp"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hidden stands where an address, or a part of one, stood. No name of a mailbox has it.
const hidden = "…"

// anyAddress is whatever stands around an at sign, also where that is written for a URL, until something that parts words in what mail
// servers say.
const anyAddress = `"[^"]*"(?:@|%40)[^\s<>()\[\],;:"']*|[^\s<>()\[\],;:"']*(?:@|%40)[^\s<>()\[\],;:"']*`

// long is how many characters a mailbox's name has that is taken away wherever it stands, within other words too. A shorter one is a word
// of its own, or else it says nothing: in "invalid" there is many a name.
const long = 4

// maxAddress is how many bytes an address has at most. What is longer is none.
const maxAddress = 320

// reasonOf is a reason as it may be kept: of what a mail server or a provider said the first MaxReason characters, in one line, without
// the given addresses and what of them names the person, however their letters are written, and without any other address.
func reasonOf(said string, addresses ...string) string {
	said = oneLine(said)
	if said == "" {
		return ""
	}
	names, words := namesOf(addresses)
	said = names.ReplaceAllString(said, hidden)
	for _, word := range words {
		said = withoutWord(said, word)
	}
	if utf8.RuneCountInString(said) > MaxReason {
		said = string([]rune(said)[:MaxReason-1]) + hidden
	}
	return strings.TrimSpace(said)
}

// oneLine is a text without what is not seen, and with one space for all spaces and line breaks between two words.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, text)), " ")
}

// namesOf finds the addresses, the long names of their mailboxes, and all other addresses; words are the short names.
func namesOf(addresses []string) (names *regexp.Regexp, words []string) {
	var parts []string
	for _, address := range addresses {
		if address = oneLine(address); len(address) > maxAddress {
			continue
		}
		if parsed, err := mail.ParseAddress(address); err == nil {
			address = parsed.Address
		}
		local := address
		if at := strings.LastIndexByte(address, '@'); at >= 0 {
			local = address[:at]
		}
		parts = append(parts, address, local, strings.Trim(local, `"`))
		if base, _, tagged := strings.Cut(local, "+"); tagged {
			parts = append(parts, base) // as many a server knows it
		}
	}
	// The longest first, which has others in it.
	slices.SortFunc(parts, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pattern strings.Builder
	pattern.WriteString("(?i)" + anyAddress)
	for _, part := range slices.Compact(parts) {
		switch n := utf8.RuneCountInString(part); {
		case n >= long:
			pattern.WriteString("|" + regexp.QuoteMeta(part))
		case n > 0:
			words = append(words, part)
		}
	}
	return regexp.MustCompile(pattern.String()), words
}

// withoutWord is a text without a word, where it is one by itself.
func withoutWord(text, word string) string {
	var b strings.Builder
	end := 0
	for _, at := range regexp.MustCompile("(?i)"+regexp.QuoteMeta(word)).FindAllStringIndex(text, -1) {
		before, _ := utf8.DecodeLastRuneInString(text[:at[0]])
		after, _ := utf8.DecodeRuneInString(text[at[1]:])
		if inWord(before) || inWord(after) {
			continue
		}
		b.WriteString(text[end:at[0]] + hidden)
		end = at[1]
	}
	return b.String() + text[end:]
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }

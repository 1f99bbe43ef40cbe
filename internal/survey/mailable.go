package survey

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/unicode/norm"
)

// MaxMailed is how many characters are put into a mail at most of what is known about whoever reads it.
const MaxMailed = 60

// FillMail is FillFor for a text of a mail. Whoever has a token that may only COLLECT, which is in the source of pages, says who somebody is,
// where they get their mails and what is known about them, and so would have strangers sent a text of theirs in the tenant's name. So what
// mail programs make a link of, or people an address, counts as unknown there, and what is long is cut.
func (s *Sheet) FillMail(i *Invited, text string) string {
	known := s.known(i)
	return Fill(text, func(key string) (string, bool) {
		value, ok := known(key)
		if !ok || key == brandKey {
			return value, ok
		}
		return Mailable(value)
	})
}

// Mailable is a text of somebody's as it stands in a mail that is in the name of somebody else, and reports whether it may stand there.
func Mailable(text string) (string, bool) {
	if leads(text) {
		return "", false
	}
	return short(text), true
}

// short is a text of MaxMailed characters at most.
func short(text string) string {
	if utf8.RuneCountInString(text) <= MaxMailed {
		return text
	}
	return strings.TrimRightFunc(string([]rune(text)[:MaxMailed-1]), unicode.IsSpace) + "…"
}

var (
	// dots are what stands for a dot in the names of hosts, in whatever script.
	dots = strings.NewReplacer("。", ".", "｡", ".", "․", ".", "⁄", "/", "∕", "/", "⧸", "/")
	// host is what may be a host's name or its number, and what comes after it.
	host = regexp.MustCompile(`((?:[\pL\pN\pM_-]+\.)+[\pL\pN\pM-]+)\.?([/:?#\\]?)`)
)

// leads reports whether a text has something in it that leads elsewhere: an address, or the name of a host by itself or with a path. Where a
// name ends in nothing that hosts' names end in, it has to have a path: `St.Gallen` and `v1.2` have not.
func leads(text string) bool {
	text = strings.ToLower(dots.Replace(norm.NFKC.String(strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf, unicode.Variation_Selector) {
			return -1 // it is not seen, and there are programs that drop it
		}
		return r
	}, text))))
	if strings.ContainsAny(text, "@") || strings.Contains(text, "://") || strings.Contains(text, "www.") {
		return true
	}
	for _, found := range host.FindAllStringSubmatch(text, -1) {
		last := found[1][strings.LastIndexByte(found[1], '.')+1:]
		if found[2] != "" && (isWord(last) || strings.Count(found[1], ".") == 3) {
			return true
		}
		if ascii, err := idna.ToASCII(last); err == nil && isWord(last) {
			if _, known := publicsuffix.PublicSuffix(ascii); known {
				return true
			}
		}
	}
	return false
}

// isWord reports whether a text has two letters at least.
func isWord(text string) bool {
	n := 0
	for _, r := range text {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n > 1
}

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
	// ending is what may be the end of a host's name for programs that know ASCII alone, whatever letters stand right after it.
	ending = regexp.MustCompile(`[a-z0-9]\.([a-z]{2,})`)
	// scheme is what some programs make a link of without a host.
	scheme = regexp.MustCompile(`\b(?:tel|sms|mailto|javascript|data|callto|skype|whatsapp|localhost)[:/]\S|//`)
)

// leads reports whether a text has something in it that leads elsewhere: an address, or the name of a host by itself or with a path. Where a
// name ends in nothing that hosts' names end in, it has to have a path: `St.Gallen` and `v1.2` have not. What is not seen in it may be taken for
// nothing, or for a blank, and other forms of letters for what they look like, or not: programs differ.
func leads(text string) bool {
	for _, unseen := range []rune{-1, ' '} {
		seen := strings.Map(func(r rune) rune {
			if unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
				return unseen
			}
			return r
		}, text)
		for _, form := range []string{seen, norm.NFKC.String(seen)} {
			if pointsElsewhere(strings.ToLower(dots.Replace(form))) {
				return true
			}
		}
	}
	return false
}

func pointsElsewhere(text string) bool {
	if strings.Contains(text, "@") || strings.Contains(text, "www.") || scheme.MatchString(text) {
		return true
	}
	for _, found := range host.FindAllStringSubmatch(text, -1) {
		last := found[1][strings.LastIndexByte(found[1], '.')+1:]
		if found[2] != "" && (isWord(last) || strings.Count(found[1], ".") == 3) || isWord(last) && endsHosts(last) {
			return true
		}
	}
	for _, found := range ending.FindAllStringSubmatch(text, -1) {
		if endsHosts(found[1]) {
			return true
		}
	}
	return false
}

// endsHosts reports whether names of hosts end in a label.
func endsHosts(label string) bool {
	ascii, err := idna.ToASCII(label)
	if err != nil {
		return false
	}
	_, known := publicsuffix.PublicSuffix(ascii)
	return known
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

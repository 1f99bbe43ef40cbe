package bar

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/contact"
)

// The parameters of a page's URL.
const (
	emailKey      = "e"
	externalIDKey = "c"
	localeKey     = "l"
	variantKey    = "v"
	previewKey    = "preview"
)

const nobody = "-"

// OfNobody is the query of a link of a mail that was never to name anybody.
const OfNobody = emailKey + "=" + nobody

// Limits of what a query says, in characters; what is longer was not said.
const (
	maxEmail   = 254
	maxLocale  = 35 // RFC 5646, section 4.4.1
	maxVariant = 100
)

// Query is what the query of a page's URL says. Whoever has the link can change it.
type Query struct {
	// Email is the recipient's address, and ExternalID the id that the tenant knows them by. At most one of them is given; where
	// both are empty it is nobody that is known, for instance since the provider did not fill in its merge tag.
	Email, ExternalID string
	// Locale is the language that the page is to speak, whatever it was said to be; empty where the reader's is meant.
	Locale string
	// Variant is the variant's name, whether there is one or not; empty where none is named.
	Variant string
	// Preview says that nothing is to be recorded.
	Preview bool
	// Named says that the link was made to name somebody, whether it does or not: so it is one of a mail's.
	Named bool
	// Unfilled says that it was made to name somebody and does not, as where a provider did not fill in its merge tag.
	Unfilled bool
}

// ParseQuery reads the raw query of a page's URL as it comes back out of a mail. Nothing in it is an error: providers add parameters
// of their own, scanners scramble values, and test mails hold tags that nothing was filled in for. Of a parameter that is repeated
// the first counts, and with an id there is no need of an address.
//
// A plus is a plus, as in the path of a URL: providers that encode nothing put anna+x@y.example there. What cannot be told is whether
// a percent sign with two hexadecimal digits behind it was encoded: it is taken for that.
func ParseQuery(raw string) Query {
	given := map[string]string{}
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		// Some rewrite links without reading them as HTML.
		name = strings.TrimPrefix(name, "amp;")
		switch name {
		case emailKey, externalIDKey, localeKey, variantKey, previewKey:
			if _, again := given[name]; !again {
				given[name] = value
			}
		}
	}
	q := Query{
		ExternalID: externalID(given[externalIDKey]),
		Locale:     line(given[localeKey], maxLocale),
		Variant:    line(given[variantKey], maxVariant),
		Preview:    given[previewKey] == "1",
	}
	_, byEmail := given[emailKey]
	_, byID := given[externalIDKey]
	q.Named = byEmail || byID
	if q.ExternalID == "" {
		q.Email = address(given[emailKey])
	}
	q.Unfilled = q.Named && q.Email == "" && q.ExternalID == "" && given[emailKey] != nobody
	return q
}

// address is the e-mail address that a value holds; empty where it holds none.
func address(raw string) string {
	text := strings.TrimSpace(line(raw, maxEmail))
	// Braces, bars and percent signs may be part of an address, so that %user%@example.com would be one.
	if local, _, _ := strings.Cut(text, "@"); holdsTag(raw, text) || isUnfilled(local) || !contact.ValidEmail(text) {
		return ""
	}
	return text
}

// externalID is the id that a value holds; empty where it holds none.
func externalID(raw string) string {
	text := line(raw, contact.MaxExternalID)
	if holdsTag(raw, text) {
		return ""
	}
	switch strings.ToLower(text) {
	case "none", "null", "(null)", "nil", "undefined":
		// What templates write where there is no value. All who have no id would become one contact.
		return ""
	}
	return text
}

// holdsTag says whether a value, raw and decoded, is a merge tag that nothing was filled in for. Links are encoded on their way as a
// whole by some, and so a tag may be encoded twice.
func holdsTag(raw, text string) bool {
	return isUnfilled(raw) || isUnfilled(text) || isUnfilled(unescape(text))
}

// line is the text of a value; empty where it is blank, has more than most characters or one that no line of text has.
func line(raw string, most int) string {
	text := unescape(raw)
	if strings.TrimSpace(text) == "" || apierror.TooLongFor(most, text) != "" || strings.ContainsFunc(text, unicode.IsControl) {
		return ""
	}
	return text
}

// maxRaw is how many bytes a value has at most that is looked at: the longest id, each of its characters four bytes, all encoded.
const maxRaw = contact.MaxExternalID * utf8.UTFMax * len("%00")

// unescape decodes a value as url.PathUnescape does. Percent signs without two digits behind them stay as they are, and a text that
// is too long, or not UTF-8, is empty.
func unescape(raw string) string {
	if len(raw) > maxRaw {
		return ""
	}
	var w strings.Builder
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' && i+2 < len(raw) {
			high, low := digit(raw[i+1]), digit(raw[i+2])
			if high >= 0 && low >= 0 {
				c = byte(high<<4 | low)
				i += 2
			}
		}
		w.WriteByte(c)
	}
	if text := w.String(); utf8.ValidString(text) {
		return text
	}
	return ""
}

// digit is what a hexadecimal digit stands for; negative where it is none.
func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// isUnfilled says whether a text is a merge tag that nothing was filled in for, or what a provider puts there in a test mail. Of tags
// with a # in them only the beginning comes back, for browsers take the rest for a fragment.
func isUnfilled(text string) bool {
	for _, opening := range []string{"{{", "{%", "*|", "[[", "${"} {
		if strings.Contains(text, opening) {
			return true
		}
	}
	if len(text) < 2 {
		return false
	}
	inside := text[1 : len(text)-1]
	switch first, last := text[0], text[len(text)-1]; {
	case first == last && strings.IndexByte("%#$@~", first) >= 0, first == '[' && last == ']':
		return true // %EMAIL%, ##email##, $id$, @EMAIL@, ~Contact.Id~, [UNIQID]
	case first == '{' && last == '}':
		// {EMAIL}, {$id}; but braces around a GUID are an id as some write it.
		return !strings.ContainsFunc(inside, func(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune("_.$!", r) })
	}
	return text == "__test_email__" // Mailchimp's
}

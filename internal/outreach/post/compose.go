package post

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"mime/quotedprintable"
	"net/mail"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/contact"
)

// Limits of addresses (RFC 5321, 4.5.3.1), in bytes.
const (
	maxLocal   = 64
	maxDomain  = 255
	maxAddress = 254
)

// maxPlain is how long a text in a head may be, in bytes, to stand there as it is. What is longer is encoded, and in lines that are short.
const maxPlain = 60

// Those whose address a mail cannot be composed for. What else may be wrong with a mail is the doing of neither.
var (
	errRecipient = errors.New("the address that the mail is for")
	errSender    = errors.New("the address that the mail is from, or that replies go to")
)

// compose makes a letter of a mail.
func compose(m *Mail) (*letter, error) {
	to, err := parseAddress(m.To)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRecipient, err)
	}
	from, err := parseAddress(m.From.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSender, err)
	}
	var replyTo address
	if m.ReplyTo != "" {
		if replyTo, err = parseAddress(m.ReplyTo); err != nil {
			return nil, fmt.Errorf("%w: %w", errSender, err)
		}
	}
	date := m.Date
	if date.IsZero() {
		date = time.Now()
	}
	var h head
	h.id("Message-ID", m.MessageID)
	h.line("Date", date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	h.address("From", m.From.Name, from)
	h.address("To", "", to)
	if m.ReplyTo != "" {
		h.address("Reply-To", "", replyTo)
	}
	h.line("Subject", fold(text(m.Subject)))
	h.line("Auto-Submitted", "auto-generated")
	h.line("X-Auto-Response-Suppress", "OOF, AutoReply")
	if m.ListID != "" {
		h.id("List-Id", m.ListID)
	}
	if m.Unsubscribe != "" {
		h.url("List-Unsubscribe", m.Unsubscribe)
		h.line("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	if m.Language != "" {
		h.word("Content-Language", m.Language, "", "-")
	}
	if m.Invitation != "" { // by which SendGrid, Mailgun, Postmark and SES tell what became of it
		h.word("X-SMTPAPI", m.Invitation, `{"unique_args":{"zeroten":"%s"}}`, "_")
		h.word("X-Mailgun-Variables", m.Invitation, `{"zeroten":"%s"}`, "_")
		h.word("X-PM-Metadata-zeroten", m.Invitation, "", "_")
		h.line("X-PM-KeepID", "true") // else Postmark gives the mail an id of its own
		h.word("X-Zeroten-Invitation", m.Invitation, "", "_")
	}
	h.line("MIME-Version", "1.0")
	if h.err != nil {
		return nil, h.err
	}
	h.body(m)
	return &letter{
		from: from.String(), to: to.String(), international: from.international() || to.international() || replyTo.international(),
		personal: to.international(), content: h.Bytes(),
	}, nil
}

// head is a mail's head, as it grows. Its methods write one field each; what cannot be one is err.
type head struct {
	bytes.Buffer

	err error
}

// line writes a field whose value is known to be ASCII, folded and without controls.
func (h *head) line(name, value string) { fmt.Fprintf(h, "%s: %s\r\n", name, value) }

func (h *head) fail(name, why string) {
	if h.err == nil {
		h.err = fmt.Errorf("the mail's %s %s", name, why)
	}
}

// address writes a field that has one address.
func (h *head) address(name, display string, a address) {
	if display = phrase(display); display != "" {
		h.line(name, fold(display)+"\r\n <"+a.String()+">")
		return
	}
	h.line(name, "<"+a.String()+">")
}

// id writes a field that is in angle brackets, and made of what domains and the ids of messages are.
func (h *head) id(name, value string) {
	before, after, has := strings.Cut(value, "@")
	if !made(value, "!#$%&'*+-/=?^_`{|}~.@") || has && (before == "" || after == "") || len(value) > maxAddress {
		h.fail(name, fmt.Sprintf("is not in two parts with an @, is longer than %d characters, or has characters that none has", maxAddress))
		return
	}
	h.line(name, "<"+value+">")
}

// maxWord is how long ids and tags may be.
const maxWord = 100

// word writes a field of letters, digits and some others, in a format.
func (h *head) word(name, value, format, others string) {
	if !made(value, others) || len(value) > maxWord {
		h.fail(name, fmt.Sprintf("is longer than %d characters, or has others than letters, digits and %s", maxWord, others))
		return
	}
	if format != "" {
		value = fmt.Sprintf(format, value)
	}
	h.line(name, value)
}

// made reports whether a text is made of ASCII letters, digits and the others, and not empty.
func made(text, others string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool {
		return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(others, r)
	}) < 0
}

// maxURL is the longest URL that a line has room for, as lines have 998 characters at most.
const maxURL = 900

// url writes a field that is a URL.
func (h *head) url(name, value string) {
	u, err := url.Parse(value)
	printable := strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`<>"\`, r) }) < 0
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || !printable || len(value) > maxURL {
		h.fail(name, fmt.Sprintf("is no absolute http or https URL of at most %d characters that is encoded rightly", maxURL))
		return
	}
	h.line(name, "<"+value+">")
}

// lineFeeds makes a line feed of each line break. The encoder would take the next one after a lone carriage return, however far, for a part
// of that.
var lineFeeds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// body writes the text, the HTML, or both of which clients show the last that they can.
func (h *head) body(m *Mail) {
	part := func(kind, content string) {
		fmt.Fprintf(h, "Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", kind)
		w := quotedprintable.NewWriter(h)
		_, _ = w.Write([]byte(lineFeeds.Replace(strings.ToValidUTF8(content, string(utf8.RuneError))))) // to a buffer, which takes all
		_ = w.Close()
	}
	if m.HTML == "" || m.Text == "" {
		if m.HTML == "" {
			part("plain", m.Text)
		} else {
			part("html", m.HTML)
		}
		if !bytes.HasSuffix(h.Bytes(), []byte("\r\n")) {
			_, _ = h.WriteString("\r\n")
		}
		return
	}
	// No content can have the boundary in it: quoted-printable writes = as =3D.
	boundary := fmt.Sprintf("=_%x", sha256.Sum256([]byte(m.MessageID)))[:34]
	fmt.Fprintf(h, "Content-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n\r\n--%[1]s\r\n", boundary)
	part("plain", m.Text)
	fmt.Fprintf(h, "\r\n--%s\r\n", boundary) // the line break before a boundary is part of that
	part("html", m.HTML)
	fmt.Fprintf(h, "\r\n--%s--\r\n", boundary)
}

// clean is a text for a head: in UTF-8, and with a space for each control character and whatever else breaks lines.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, string(utf8.RuneError)))
}

// plain reports whether a text can stand in a head as it is.
func plain(text string) bool {
	return len(text) <= maxPlain && strings.TrimSpace(text) == text && !strings.Contains(text, "=?") &&
		strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// text is a text in a head (RFC 2047), as words with one space between them where it had to be encoded.
func text(s string) string {
	if s = clean(s); plain(s) {
		return s
	}
	return encoded(s)
}

// phrase is the name of whoever an address belongs to; empty where there is none.
func phrase(s string) string {
	switch s = strings.TrimSpace(clean(s)); {
	case s == "":
		return ""
	case plain(s):
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return encoded(s)
}

// encoded is a text as encoded words, of at most 75 characters each.
func encoded(s string) string {
	const most = 45 // bytes, of which base64 makes 60 characters
	var words []string
	for s != "" {
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if n+size > most {
				break
			}
			n += size
		}
		words = append(words, "=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(words, " ")
}

// fold writes each encoded word on a line of its own; whoever reads them takes the space between away.
func fold(s string) string { return strings.ReplaceAll(s, "?= =?", "?=\r\n =?") }

// address is where mail goes.
type address struct {
	// local is what stands before the @, without quotes, and domain what stands behind, in ASCII.
	local, domain string
}

var errAddress = errors.New("it is not like name@example.com")

// parseAddress reads a bare address.
func parseAddress(s string) (address, error) {
	var none address
	at := strings.LastIndexByte(s, '@')
	if at < 1 || !utf8.ValidString(s) || strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }) >= 0 {
		return none, errAddress
	}
	domain, err := asciiDomain(s[at+1:])
	if err != nil {
		return none, errAddress
	}
	// In brackets nothing but an address can stand, so that whatever else there is, a name or a comment, is refused or seen.
	parsed, err := mail.ParseAddress("<" + s[:at+1] + domain + ">")
	if err != nil || parsed.Name != "" {
		return none, errAddress
	}
	a := address{local: strings.TrimSuffix(parsed.Address, "@"+domain), domain: domain}
	if a.local == "" || len(parsed.Address) != len(a.local)+1+len(domain) || strings.IndexFunc(a.local, breaks) >= 0 {
		return none, errAddress
	}
	if len(a.local) > maxLocal || len(a.String()) > maxAddress {
		return none, fmt.Errorf("it has more than %d characters, or more than %d before the @", maxAddress, maxLocal)
	}
	return a, nil
}

// breaks reports whether a character has no place in any address.
func breaks(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
}

// String is the address as commands and heads have it, with quotes where they are needed.
func (a address) String() string {
	s := (&mail.Address{Address: a.local + "@" + a.domain}).String()
	return s[1 : len(s)-1]
}

// international reports whether there is more than ASCII in it.
func (a address) international() bool {
	return strings.IndexFunc(a.local, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0
}

// asciiDomain is the name of a domain in ASCII and small letters.
func asciiDomain(domain string) (string, error) {
	ascii, err := contact.ASCIIDomain(domain) // by which suppressions know it, too
	if err != nil {
		return "", errors.New("it is no name of a host")
	}
	if len(ascii) > maxDomain || !made(ascii, "-_.") {
		return "", errors.New("it is no name of a host")
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", errors.New("it is no name of a host")
		}
	}
	return ascii, nil
}

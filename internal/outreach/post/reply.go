package post

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// stage is how far a mail has come when the server replies.
type stage int

const (
	atMail stage = iota
	atRcpt
	atData
	atDot
)

// reply is what a server says.
type reply struct {
	code  int
	lines []string // at least one, without the code
}

const (
	maxReplyLines = 100
	maxReplyLine  = 4096 // bytes, what a bufio.Reader has; RFC 5321 has 512
)

var errReply = errors.New("what the mail server says is no reply of SMTP")

// readReply reads a reply of one line or more.
func readReply(in *bufio.Reader) (reply, error) {
	var r reply
	for range maxReplyLines {
		raw, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return reply{}, errReply
		case errors.Is(err, io.EOF):
			return reply{}, errors.New("the mail server closed the connection")
		case err != nil:
			return reply{}, err
		}
		text := strings.TrimRight(string(raw), "\r\n")
		if len(text) < 3 || text[0] < '2' || text[0] > '5' || text[1] < '0' || text[1] > '9' || text[2] < '0' || text[2] > '9' {
			return reply{}, errReply
		}
		code := int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0')
		if r.lines != nil && code != r.code {
			return reply{}, errReply
		}
		r.code = code
		switch rest := text[3:]; {
		case rest == "":
			r.lines = append(r.lines, "")
			return r, nil
		case rest[0] == ' ':
			r.lines = append(r.lines, rest[1:])
			return r, nil
		case rest[0] == '-':
			r.lines = append(r.lines, rest[1:])
		default:
			return reply{}, errReply
		}
	}
	return reply{}, errReply
}

// String is the reply in one line.
func (r reply) String() string { return fmt.Sprintf("%d %s", r.code, strings.Join(r.lines, " ")) }

// refuses reports whether the server says no, for now or for good.
func (r reply) refuses() bool { return r.code >= 400 }

// goesOn reports whether the server says yes.
func (r reply) goesOn(at stage) bool {
	if at == atData {
		return r.code == 354
	}
	return r.code/100 == 2
}

// Enhanced codes (RFC 3463, and IANA's registry of them) that tell whose fault it is.
var enhanced = regexp.MustCompile(`^([245])\.(\d{1,3}\.\d{1,3})(?:\s|$)`)

// detail is the enhanced code without its first number; empty where the reply has none.
func (r reply) detail() string {
	m := enhanced.FindStringSubmatch(r.lines[0])
	if m == nil || m[1] != strconv.Itoa(r.code/100) {
		return ""
	}
	return m[2]
}

// noMailbox reports whether a reply to RCPT says that there is no mailbox of the address. Among 5.1.x are two that are about the sender, and
// servers that hear the sender out before they refuse it, as Postfix does, say them to RCPT.
func (r reply) noMailbox() bool {
	detail := r.detail()
	return strings.HasPrefix(detail, "1.") && detail != "1.5" && !senders[detail]
}

// senders are the details by which it is the sender's address that is refused: 1.7 and 1.8 say that it cannot be one, 7.60 (Exchange) that it
// is not ours to use.
var senders = map[string]bool{"1.7": true, "1.8": true, "7.60": true}

var (
	// Those servers that have no detail for it say it in words alone: Postfix, Exchange.
	notOurs = regexp.MustCompile(`(?i)\bsender address rejected\b|\bsend ?as\b`)
	// Relaying is refused to those who should have logged in, or who are to use another server; and Amazon SES takes nobody's mail, or mail for
	// nobody, until addresses or domains are verified with it.
	setUp = regexp.MustCompile(`(?i)\brelay(ing)?( access)? (is )?(denied|prohibited|not (permitted|allowed))|\b(unable|cannot|not (permitted|allowed)) to relay\b|\brelaying (denied|prohibited)|\baddress(es)? (is|are) not verified\b`)
)

// judge says what it means that the server doesn't say yes.
//
// Whether it takes mails from us at all it may well tell of the first person only, since many servers put off all refusals until they know
// for whom a mail is. Were that taken for the person's fault, a wrong password would mean that nobody is ever asked again.
func judge(at stage, r reply) Outcome {
	o := Outcome{Reply: r.String()}
	switch {
	case !r.refuses() && at == atDot:
		o.Verdict = Unknown // it is no reply to a dot, so that it says nothing
	case !r.refuses(), r.code == 421, r.code == 530, r.code == 534, r.code == 535, r.code == 538:
		o.Verdict = Unsent
	case at == atMail:
		// 55x is about the address, but for 552 and 554, which are about room and about us.
		o.Verdict, o.Sender = Unsent, senders[r.detail()] || notOurs.MatchString(o.Reply) || r.code == 550 || r.code == 551 || r.code == 553
	case at == atRcpt && r.code >= 500 && r.noMailbox():
		o.Verdict, o.NoMailbox = Refused, true
	case senders[r.detail()] || notOurs.MatchString(o.Reply):
		o.Verdict, o.Sender = Unsent, true
	case setUp.MatchString(o.Reply):
		o.Verdict = Unsent
	case r.code < 500:
		o.Verdict = Deferred
	default:
		o.Verdict = Refused
	}
	return o
}

// maxReply is how long Outcome.Reply may be, in characters.
const maxReply = 500

// redacted stands for an address.
const redacted = "(address)"

// anyAddress is whatever looks like an address, in part also: servers cut them off.
var anyAddress = regexp.MustCompile(`"(?:[^"\\]|\\.)*"@[^\s<>]*|[^\s<>]*@[^\s<>]*`)

// outcome is an outcome that may be kept: its reply is one line, bounded, and tells nobody's address.
func (m *Mail) outcome(o Outcome) Outcome {
	text := strings.Join(strings.Fields(clean(o.Reply)), " ")
	for _, secret := range m.secrets() {
		text = redact(text, secret)
	}
	text = anyAddress.ReplaceAllString(text, redacted)
	if utf8.RuneCountInString(text) > maxReply {
		text = string([]rune(text)[:maxReply-1]) + "…"
	}
	o.Reply = text
	return o
}

// secrets are the ways to write whom the mail is for, longest first.
func (m *Mail) secrets() []string {
	at := strings.LastIndexByte(m.To, '@')
	if at < 0 {
		return []string{m.To}
	}
	all := []string{m.To}
	local := m.To[:at]
	if a, err := parseAddress(m.To); err == nil {
		wire := a.String()
		all = append(all, wire, wire[:strings.LastIndexByte(wire, '@')], local, a.local)
	} else {
		all = append(all, local)
	}
	return all
}

// short is how many characters a word has at the most that is seen as part of another by chance.
const short = 3

// redact takes a text out of another, in whatever case; a short one only where it stands alone.
func redact(text, secret string) string { return redactAs(text, secret, redacted) }

// redactAs is redact with another word in the text's place.
func redactAs(text, secret, word string) string {
	secret = strings.Join(strings.Fields(clean(secret)), " ")
	if secret == "" {
		return text
	}
	alone := utf8.RuneCountInString(secret) <= short
	var w strings.Builder
	rest := 0
	for _, at := range regexp.MustCompile("(?i)"+regexp.QuoteMeta(secret)).FindAllStringIndex(text, -1) {
		before, _ := utf8.DecodeLastRuneInString(text[:at[0]])
		after, _ := utf8.DecodeRuneInString(text[at[1]:])
		if alone && (inWord(before) || inWord(after)) {
			continue
		}
		w.WriteString(text[rest:at[0]] + word)
		rest = at[1]
	}
	return w.String() + text[rest:]
}

func inWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

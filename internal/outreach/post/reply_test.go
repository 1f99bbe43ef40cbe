package post

import (
	"bufio"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// dotReader is a letter as a server reads it, by the standard library.
func dotReader(l *letter) io.Reader {
	return textproto.NewReader(bufio.NewReader(strings.NewReader(string(l.stuffed()) + ".\r\n"))).DotReader()
}

func say(text string) reply {
	r, err := readReply(bufio.NewReader(strings.NewReader(text + "\r\n")))
	if err != nil {
		panic(err)
	}
	return r
}

func TestReadReply(t *testing.T) {
	for text, want := range map[string]string{
		"250 OK\r\n": "250 OK", "250\r\n": "250 ", "250 \r\n": "250 ", "250-a\r\n250-b c\r\n250 d\r\n": "250 a b c d", "550 5.1.1 no\n": "550 5.1.1 no",
	} {
		if r, err := readReply(bufio.NewReader(strings.NewReader(text))); err != nil || r.String() != want {
			t.Errorf("%q: %q, %v", text, r, err)
		}
	}
	for text, want := range map[string]string{
		"": "closed", "250 OK": "closed", "250-a\r\n": "closed", "25\r\n": "no reply", "\r\n": "no reply", "abc def\r\n": "no reply", "250_OK\r\n": "no reply",
		"250-a\r\n251 b\r\n": "no reply", "950 x\r\n": "no reply", "100 x\r\n": "no reply", "2５0 x\r\n": "no reply", "HTTP/1.1 200 OK\r\n": "no reply",
		strings.Repeat("250-a\r\n", 1000): "no reply", "250 " + strings.Repeat("a", 10_000): "no reply",
	} {
		if r, err := readReply(bufio.NewReader(strings.NewReader(text))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %q, %v", text, r, err)
		}
	}
}

// A reply is read as the standard library's reader does, but for what that takes and nobody should.
func FuzzReadReply(f *testing.F) {
	for _, seed := range []string{"250 OK\r\n", "250-a\r\n250 b\r\n", "550 5.1.1 x\r\n", "250-a\r\n550 b\r\n", "2", "250\r\n", "\xff\xff\xff \n", "250-" + strings.Repeat("a", 5000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := readReply(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		if len(r.lines) == 0 || len(r.lines) > maxReplyLines || len(r.String()) > maxReplyLines*maxReplyLine {
			t.Fatalf("%d lines", len(r.lines))
		}
		code, _, err := textproto.NewReader(bufio.NewReader(strings.NewReader(text))).ReadResponse(0)
		if len(r.lines[len(r.lines)-1]) > 0 && (err != nil || code != r.code) {
			t.Fatalf("%q is %d, and %d, %v by others", text, r.code, code, err)
		}
		for at := atMail; at <= atDot; at++ {
			if v := judge(at, r).Verdict; !r.goesOn(at) && (v == Taken || v == Unknown && (at != atDot || r.refuses())) {
				t.Fatalf("%q is %s", text, v)
			}
		}
	})
}

func TestJudge(t *testing.T) {
	for text, want := range map[string]struct{ mail, rcpt, data, dot string }{
		"421 4.3.2 shutting down":                                     {"unsent", "unsent", "unsent", "unsent"},
		"530 5.7.0 Authentication required":                           {"unsent", "unsent", "unsent", "unsent"},
		"535 5.7.8 bad":                                               {"unsent", "unsent", "unsent", "unsent"},
		"451 4.7.1 greylisted":                                        {"unsent", "deferred", "deferred", "deferred"},
		"452 4.2.2 mailbox full":                                      {"unsent", "deferred", "deferred", "deferred"},
		"450 4.1.1 unknown for now":                                   {"unsent", "deferred", "deferred", "deferred"},
		"550 5.1.1 <x>: Recipient address rejected: User unknown":     {"unsent from", "refused no mailbox", "refused", "refused"},
		"550 5.1.1 <x>: User unknown in relay recipient table":        {"unsent from", "refused no mailbox", "refused", "refused"},
		"550 5.1.10 null MX":                                          {"unsent from", "refused no mailbox", "refused", "refused"},
		"550 User unknown":                                            {"unsent from", "refused", "refused", "refused"},
		"550 4.1.1 of two minds":                                      {"unsent from", "refused", "refused", "refused"},
		"550 5.1.1x no code":                                          {"unsent from", "refused", "refused", "refused"},
		"550 5.7.1 spam":                                              {"unsent from", "refused", "refused", "refused"},
		"552 5.2.2 mailbox full":                                      {"unsent", "refused", "refused", "refused"},
		"554 5.7.1 blocked":                                           {"unsent", "refused", "refused", "refused"},
		"553 5.1.8 <x>: Sender address rejected: Domain not found":    {"unsent from", "unsent from", "unsent from", "unsent from"},
		"450 4.1.8 <x>: Sender address rejected: Domain not found":    {"unsent from", "unsent from", "unsent from", "unsent from"},
		"550 5.1.7 bad sender":                                        {"unsent from", "unsent from", "unsent from", "unsent from"},
		"553 5.7.1 <x>: Sender address rejected: not owned by user y": {"unsent from", "unsent from", "unsent from", "unsent from"},
		"554 5.2.252 SendAsDenied; x not allowed to send as y":        {"unsent from", "unsent from", "unsent from", "unsent from"},
		"550 5.7.60 SMTP; no permissions":                             {"unsent from", "unsent from", "unsent from", "unsent from"},
		"554 5.7.1 <x>: Relay access denied":                          {"unsent", "unsent", "unsent", "unsent"},
		"454 4.7.1 <x>: Relay access denied":                          {"unsent", "unsent", "unsent", "unsent"},
		"550 5.7.54 SMTP; Unable to relay recipient":                  {"unsent from", "unsent", "unsent", "unsent"},
		"550 relay not permitted":                                     {"unsent from", "unsent", "unsent", "unsent"},
		"554 Message rejected: Email address is not verified. x":      {"unsent", "unsent", "unsent", "unsent"},
		"334 what": {"unsent", "unsent", "unsent", "unknown"},
	} {
		words := func(o Outcome) string {
			s := o.Verdict.String()
			if o.Sender {
				s += " from"
			}
			if o.NoMailbox {
				s += " no mailbox"
			}
			return s
		}
		for at, want := range []string{want.mail, want.rcpt, want.data, want.dot} {
			if got := words(judge(stage(at), say(text))); got != want {
				t.Errorf("%s, at %d: %s, want %s", text, at, got, want)
			}
		}
	}
	if got := judge(atData, say("250 done already")).Verdict; got != Unsent {
		t.Errorf("a yes to DATA that is none: %s", got)
	}
}

func TestRedacted(t *testing.T) {
	for _, test := range []struct{ to, reply, want string }{
		{"Jane.Doe@example.org", "550 5.1.1 <jane.doe@EXAMPLE.ORG>: no such user", "550 5.1.1 <(address)>: no such user"},
		{"jane.doe@example.org", "550 JANE.DOE has moved to jd@example.net", "550 (address) has moved to (address)"},
		{"jo@example.org", "550 jo is not John, <jo> or (jo)", "550 (address) is not John, <(address)> or ((address))"},
		{`"jane doe"@example.org`, `550 <"Jane Doe"@example.org> "jane doe" jane doe`, `550 <(address)> (address) (address)`},
		{"jané@bücher.example", "550 JANÉ@xn--bcher-kva.example jané", "550 (address) (address)"},
		{"jane@example.org", "550 a\r\nb\x00c\t d", "550 a b c d"},
		{"jane@example.org", "550 bounce+jane=example.org@relay.example said no", "550 (address) said no"},
		{"jane@example.org", "550 jane@exam", "550 (address)"},
		{"no address", "550 no address here", "550 (address) here"},
		{"a.b@example.org", "550 <a.b@example.org> axb", "550 <(address)> axb"},
	} {
		if got := (&Mail{To: test.to}).outcome(Outcome{Reply: test.reply}).Reply; got != test.want {
			t.Errorf("%s: %q of %q, want %q", test.to, got, test.reply, test.want)
		}
	}
	if got := (&Mail{}).outcome(Outcome{Reply: strings.Repeat("ü", 1000)}).Reply; utf8.RuneCountInString(got) != maxReply {
		t.Errorf("%d characters", utf8.RuneCountInString(got))
	}
}

// Wherever a server says somebody's address, and however, it is not kept.
func TestRedactedWhatever(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringMatching(`[a-zA-Zäé][a-z0-9+_'-]{2,8}(\.[a-z0-9]{1,5})?`).Draw(t, "local")
		m := &Mail{To: local + "@" + rapid.SampledFrom([]string{"example.org", "Example.ORG", "bücher.example"}).Draw(t, "domain")}
		forms := []func(string) string{
			strings.ToUpper, strings.ToLower, func(s string) string { return s }, func(s string) string { return "<" + s + ">" },
			func(s string) string { return `"` + s + `"` }, func(s string) string { return "(" + s + ")," },
		}
		reply := "550"
		for range rapid.IntRange(1, 40).Draw(t, "n") {
			what := rapid.SampledFrom([]string{m.To, local, `"` + local + `"` + m.To[len(local):], "word", "äß"}).Draw(t, "what")
			reply += rapid.SampledFrom([]string{" ", "\r\n550-", ":"}).Draw(t, "gap") + rapid.SampledFrom(forms).Draw(t, "form")(what)
		}
		o := m.outcome(Outcome{Verdict: Refused, NoMailbox: true, Reply: reply})
		kept := strings.ToLower(strings.ReplaceAll(o.Reply, redacted, ""))
		if strings.Contains(kept, "@") || len(local) > 3 && strings.Contains(kept, strings.ToLower(local)) || utf8.RuneCountInString(o.Reply) > maxReply ||
			strings.ContainsAny(o.Reply, "\r\n") || o.Verdict != Refused || !o.NoMailbox {
			t.Fatalf("%q of %q", o.Reply, reply)
		}
	})
}

package post

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// example is a mail that has everything.
func example() *Mail {
	return &Mail{
		Invitation: "inv_01h455vb4pex5vsknk084sn02q", MessageID: "01919181-74b6-7e5d-b4e6-ca8c8eb48e4f.0@nps.example.com",
		From: mail.Address{Name: "Ada & Söhne", Address: "ask@example.com"}, ReplyTo: "help@example.com", To: "Jane.Doe@example.org",
		Subject: "Wie war’s?", Text: "Hallo Jane,\nwie war’s?\n.\n..\n0: https://x.example/a?b=c&d=e\n", HTML: "<p>Hallo Jäne,</p>\r\n.<p>wie war’s?</p>",
		Language: "de-AT", ListID: "camp_01h.nps.example.com", Unsubscribe: "https://nps.example.com/u/abc?x=y",
		Date: time.Date(2026, 11, 28, 0, 30, 0, 0, time.FixedZone("", 3600)),
	}
}

// opened is a mail as a client sees it, by the standard library's readers.
type opened struct {
	header     mail.Header
	kinds      []string
	text, html string
}

func open(t rapid.TB, content []byte) opened {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("%v in\n%s", err, content)
	}
	o := opened{header: msg.Header}
	part := func(header interface{ Get(key string) string }, body io.Reader) {
		kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
		if err != nil || params["charset"] != "utf-8" || header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Fatalf("a part has the head %v: %v", header, err)
		}
		data, err := io.ReadAll(quotedprintable.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		o.kinds = append(o.kinds, kind)
		switch kind {
		case "text/plain":
			o.text = string(data)
		case "text/html":
			o.html = string(data)
		}
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "multipart/alternative" {
		part(msg.Header, msg.Body)
		return o
	}
	for parts := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return o
		}
		if err != nil {
			t.Fatal(err)
		}
		part(p.Header, p)
	}
}

// wellFormed sees to what every server may ask of a mail (RFC 5322, 2.1.1 and 2.3).
func wellFormed(t rapid.TB, l *letter) {
	t.Helper()
	if !bytes.HasSuffix(l.content, []byte("\r\n")) || bytes.ContainsAny(bytes.ReplaceAll(l.content, []byte("\r\n"), nil), "\r\n\x00") {
		t.Fatalf("has a line break by half, or a NUL: %q", l.content)
	}
	head, body, _ := bytes.Cut(l.content, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(l.content, []byte("\r\n")) {
		if len(line) > 998 {
			t.Fatalf("has a line of %d bytes", len(line))
		}
	}
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			t.Fatalf("has a line of nothing in its head: %q", head)
		}
	}
	ascii := func(b []byte) bool { return bytes.IndexFunc(b, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 }
	if !ascii(body) || !l.international && !ascii(head) {
		t.Fatalf("has more than ASCII: %q", l.content)
	}
	if strings.ContainsAny(l.from+l.to, "\r\n\x00") {
		t.Fatalf("the envelope breaks lines: %q, %q", l.from, l.to)
	}
}

func TestCompose(t *testing.T) {
	m := example()
	l, err := compose(m)
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, l)
	if l.from != "ask@example.com" || l.to != "Jane.Doe@example.org" || l.international {
		t.Errorf("goes from %q to %q, %t", l.from, l.to, l.international)
	}
	o := open(t, l.content)
	decode := new(mime.WordDecoder).DecodeHeader
	for name, want := range map[string]string{
		"Message-Id": "<01919181-74b6-7e5d-b4e6-ca8c8eb48e4f.0@nps.example.com>", "Date": "Sat, 28 Nov 2026 00:30:00 +0100",
		"From": "Ada & Söhne <ask@example.com>", "To": "<Jane.Doe@example.org>", "Reply-To": "<help@example.com>", "Subject": "Wie war’s?",
		"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "OOF, AutoReply", "List-Id": "<camp_01h.nps.example.com>",
		"List-Unsubscribe": "<https://nps.example.com/u/abc?x=y>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
		"Content-Language": "de-AT", "Mime-Version": "1.0", "X-Pm-Metadata-Zeroten": m.Invitation, "X-Pm-Keepid": "true",
		"X-Zeroten-Invitation": m.Invitation, "X-Mailgun-Variables": `{"zeroten":"` + m.Invitation + `"}`,
		"X-Smtpapi": `{"unique_args":{"zeroten":"` + m.Invitation + `"}}`,
	} {
		if got, err := decode(o.header.Get(name)); err != nil || got != want || len(o.header[name]) != 1 {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	if len(o.header) != 19 { // and Content-Type
		t.Errorf("has %d fields: %v", len(o.header), o.header)
	}
	for _, name := range []string{"X-Smtpapi", "X-Mailgun-Variables"} {
		if !json.Valid([]byte(o.header.Get(name))) {
			t.Errorf("%s is no JSON: %s", name, o.header.Get(name))
		}
	}
	if at, err := o.header.Date(); err != nil || !at.Equal(m.Date) {
		t.Errorf("is of %v, %v", at, err)
	}
	if !slices.Equal(o.kinds, []string{"text/plain", "text/html"}) {
		t.Errorf("has the parts %v", o.kinds)
	}
	if got := lf(o.text); got != m.Text {
		t.Errorf("says %q", got)
	}
	if got := lf(o.html); got != lf(m.HTML) {
		t.Errorf("shows %q", got)
	}
}

// lf has line feeds for line breaks of any kind.
func lf(s string) string { return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s) }

// What is not there has no field, as nothing would be said by it.
func TestComposeLittle(t *testing.T) {
	l, err := compose(&Mail{MessageID: "a.0@b", From: mail.Address{Address: "ask@example.com"}, To: "jane@example.org", Text: "Hi"})
	if err != nil {
		t.Fatal(err)
	}
	o := open(t, l.content)
	var names []string
	for name := range o.header {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{
		"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To", "X-Auto-Response-Suppress",
	}
	if !slices.Equal(names, want) || !slices.Equal(o.kinds, []string{"text/plain"}) || o.text != "Hi\r\n" {
		t.Errorf("has %v, of parts %v, that say %q", names, o.kinds, o.text)
	}
	if at, err := o.header.Date(); err != nil || time.Since(at).Abs() > time.Hour {
		t.Errorf("is of %v, %v", at, err)
	}
	l, err = compose(&Mail{MessageID: "a.0@b", From: mail.Address{Address: "ask@example.com"}, To: "jane@example.org", HTML: "<p>Hi"})
	if err != nil {
		t.Fatal(err)
	}
	if o := open(t, l.content); !slices.Equal(o.kinds, []string{"text/html"}) || o.html != "<p>Hi\r\n" {
		t.Errorf("of parts %v, that show %q", o.kinds, o.html)
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"jane@example.org": "jane@example.org", "Jane.Doe+x@EXAMPLE.org": "Jane.Doe+x@example.org", `"jane doe"@example.org`: `"jane doe"@example.org`,
		`"jane"@example.org`: "jane@example.org", `"a@b"@example.org`: `"a@b"@example.org`, "jane@bücher.example": "jane@xn--bcher-kva.example",
		"jané@example.org": "jané@example.org", "jane@localhost": "jane@localhost", "o'hara@example.org": "o'hara@example.org",
		"jane@BÜCHER.example": "jane@xn--bcher-kva.example", "jane@a_b.example": "jane@a_b.example",
	} {
		if a, err := parseAddress(text); err != nil || a.String() != want {
			t.Errorf("%q is %q, %v, want %q", text, a, err, want)
		}
	}
	for _, text := range []string{
		"", "jane", "@example.org", "jane@", "Jane <jane@example.org>", "<jane@example.org>", "jane@example.org, joe@example.org",
		"jane@example.org (Jane)", "jane(Jane)@example.org", "jane doe@example.org", "jane@exa mple.org", "jane@example..org", "jane@-a.org",
		"jane@example.org\r\nBcc: joe@example.org", "jane\r\n@example.org", "jane\x00@example.org", "\"jane\r\n\"@example.org", "jane@[127.0.0.1]",
		"jane@example.org>", "<jane@example.org", "jane@example.org> SIZE=1", "jane.@example.org", "ja\xffne@example.org",
		strings.Repeat("a", 65) + "@example.org", "a@" + strings.Repeat("a.", 130) + "org", "a@" + strings.Repeat("b", 64) + ".org", "jane@a\u2028b.org",
	} {
		if a, err := parseAddress(text); err == nil {
			t.Errorf("%q is %q", text, a)
		}
	}
}

// What is wrong with one address is the doing of whoever it belongs to, and of nobody else.
func TestSendWhatCannotBeComposed(t *testing.T) {
	o, err := Open(Config{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*Mail)
		want   Outcome
	}{
		"to":           {func(m *Mail) { m.To = "jane@@" }, Outcome{Verdict: Refused}},
		"from":         {func(m *Mail) { m.From.Address = "x" }, Outcome{Verdict: Unsent, Sender: true}},
		"reply-to":     {func(m *Mail) { m.ReplyTo = "x" }, Outcome{Verdict: Unsent, Sender: true}},
		"message id":   {func(m *Mail) { m.MessageID = "a b" }, Outcome{Verdict: Unsent}},
		"no id":        {func(m *Mail) { m.MessageID = "" }, Outcome{Verdict: Unsent}},
		"list":         {func(m *Mail) { m.ListID = "a>\r\nBcc: x" }, Outcome{Verdict: Unsent}},
		"invitation":   {func(m *Mail) { m.Invitation = `"}` }, Outcome{Verdict: Unsent}},
		"a path":       {func(m *Mail) { m.Invitation = "../x" }, Outcome{Verdict: Unsent}},
		"unsubscribe":  {func(m *Mail) { m.Unsubscribe = "/u/x" }, Outcome{Verdict: Unsent}},
		"unsubscribe>": {func(m *Mail) { m.Unsubscribe = "https://x/>" }, Outcome{Verdict: Unsent}},
		"mailto":       {func(m *Mail) { m.Unsubscribe = "mailto:x@y" }, Outcome{Verdict: Unsent}},
		"language":     {func(m *Mail) { m.Language = "de\r\n" }, Outcome{Verdict: Unsent}},
	} {
		m := example()
		test.change(m)
		got := o.Send(t.Context(), m)
		if got.Reply == "" || strings.Contains(got.Reply, "@") {
			t.Errorf("%s: says %q", name, got.Reply)
		}
		if got.Reply = ""; got != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if files := ls(t, o.folder); len(files) > 0 {
		t.Errorf("there are %v", files)
	}
}

// checkComposed composes a mail whatever it holds, and compares what is read from it with what went in.
func checkComposed(t rapid.TB, m *Mail) {
	l, err := compose(m)
	if err != nil {
		if l != nil {
			t.Fatal("there is a letter, and an error")
		}
		return
	}
	wellFormed(t, l)
	o := open(t, l.content)
	for name, values := range o.header {
		if len(values) != 1 {
			t.Fatalf("%s is there %d times", name, len(values))
		}
	}
	known := 19 // as in TestCompose
	for _, there := range []bool{
		m.ReplyTo != "", m.ListID != "", m.Unsubscribe != "", m.Unsubscribe != "", m.Language != "", m.Invitation != "", m.Invitation != "",
		m.Invitation != "", m.Invitation != "", m.Invitation != "",
	} {
		if !there {
			known--
		}
	}
	if m.Text == "" || m.HTML == "" {
		known++ // Content-Transfer-Encoding
	}
	if len(o.header) != known {
		t.Fatalf("has %d fields for %d: %v", len(o.header), known, o.header)
	}
	valid := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(s, "\uFFFD"))
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(o.header.Get("Subject"))
	if err != nil || subject != valid(m.Subject) {
		t.Fatalf("the subject is %q, %v, and not %q", subject, err, valid(m.Subject))
	}
	from, err := mail.ParseAddress(o.header.Get("From"))
	if err != nil || strings.TrimSpace(from.Name) != strings.TrimSpace(valid(m.From.Name)) {
		t.Fatalf("is from %q, %v, and not %q", from, err, m.From.Name)
	}
	to, err := mail.ParseAddressList(o.header.Get("To"))
	if err != nil || len(to) != 1 {
		t.Fatalf("is to %v, %v", to, err)
	}
	// A part that is the only one ends on a line break, as all mails do.
	body := func(s string) string {
		s = lf(strings.ToValidUTF8(s, "\uFFFD"))
		if m.Text == "" || m.HTML == "" {
			s = strings.TrimSuffix(s, "\n")
		}
		return s
	}
	if body(o.text) != body(m.Text) || body(o.html) != body(m.HTML) {
		t.Fatalf("says %q for %q, and %q for %q", o.text, m.Text, o.html, m.HTML)
	}
	// A server undoes the doubling of dots, and finds the end where it is.
	read, err := io.ReadAll(dotReader(l))
	if err != nil || lf(string(read)) != lf(string(l.content)) {
		t.Fatalf("a server reads %q, %v, and not %q", read, err, l.content)
	}
}

func FuzzCompose(f *testing.F) {
	add := func(m *Mail) {
		f.Add(m.Invitation, m.MessageID, m.From.Name, m.From.Address, m.ReplyTo, m.To, m.Subject, m.Text, m.HTML, m.Language, m.ListID, m.Unsubscribe)
	}
	add(example())
	for _, hostile := range []string{
		"\r\nBcc: joe@example.org", "a\r\n\r\nb", "\n.\n", "=?utf-8?q?=0D=0ABcc:_x?=", "\xff\xfe", `"\`, strings.Repeat("ü", 2000), "<a@b>", "x\u2028y",
		"?= =?", "\x00", " lead", "\rü\nc", strings.Repeat("a b", 2000), strings.Repeat(".\r\n", 9),
	} {
		m := example()
		m.From.Name, m.Subject, m.Text, m.HTML = hostile, hostile, hostile, hostile
		add(m)
		m.Invitation, m.MessageID, m.ListID, m.Unsubscribe, m.Language = hostile, hostile, hostile, hostile, hostile
		add(m)
		m = example()
		m.From.Address, m.ReplyTo, m.To = hostile+"@example.com", hostile+"@example.com", `"`+hostile+`"@example.com`
		add(m)
	}
	f.Fuzz(func(t *testing.T, invitation, id, name, from, replyTo, to, subject, text, html, language, list, unsubscribe string) {
		checkComposed(t, &Mail{
			Invitation: invitation, MessageID: id, From: mail.Address{Name: name, Address: from}, ReplyTo: replyTo, To: to, Subject: subject,
			Text: text, HTML: html, Language: language, ListID: list, Unsubscribe: unsubscribe,
		})
	})
}

// hostile draws texts of what ends lines, fields, words and mails.
func hostile() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
			"\r\n", "\n", "\r", ".", "\r\n.\r\n", " ", "\t", "a", "ü", "😀", "=?utf-8?B?YQ==?=", "?=", "=", "\"", "\\", "<", ">", "@", ":", ";", ",",
			"Bcc: x@y", "\x00", "\x7f", "\u0085", "\u2028", "\xff", "--=_", "(", ")", strings.Repeat("x", 80), strings.Repeat("ab ", 30), "\ufeff",
		}), 0, 12).Draw(t, "parts"), "")
	})
}

func TestComposeWhatever(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := example()
		h := hostile()
		m.Subject, m.Text, m.HTML, m.From.Name = h.Draw(t, "subject"), h.Draw(t, "text"), h.Draw(t, "html"), h.Draw(t, "name")
		if rapid.Bool().Draw(t, "addresses too") {
			local := `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(h.Draw(t, "local")) + `"`
			switch rapid.IntRange(0, 2).Draw(t, "which") {
			case 0:
				m.To = local + "@example.org"
			case 1:
				m.From.Address = local + "@example.org"
			default:
				m.ReplyTo = local + "@example.org"
			}
		}
		checkComposed(t, m)
	})
}

package post

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailbox is a mail server that others wrote, and what came of it.
type mailbox struct {
	mu       sync.Mutex
	mails    []received
	sessions int
	closed   chan struct{} // gets one for each session that ends
	refuse   func(at stage, address string) error
	hold     chan struct{} // where there is one, each mail waits for it
	held     chan struct{}
}

type received struct {
	session  int
	from, to string
	utf8     bool
	user     string
	content  []byte
}

type session struct {
	box    *mailbox
	number int
	mail   received
	user   string
}

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions++
	return &session{box: b, number: b.sessions}, nil
}

// count is how many sessions there were.
func (b *mailbox) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sessions
}

func (s *session) Reset() { s.mail = received{} }

func (s *session) Logout() error {
	s.box.closed <- struct{}{}
	return nil
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, password string) error {
		if name != "ada" || password != "s3cr3t" {
			return smtp.ErrAuthFailed
		}
		s.user = name
		return nil
	}), nil
}

func (s *session) Mail(from string, options *smtp.MailOptions) error {
	s.mail = received{session: s.number, from: from, utf8: options.UTF8, user: s.user}
	return s.box.refuse(atMail, from)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = to
	return s.box.refuse(atRcpt, to)
}

func (s *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.content = content
	if err := s.box.refuse(atDot, s.mail.to); err != nil {
		return err
	}
	if s.box.hold != nil {
		s.box.held <- struct{}{}
		<-s.box.hold
	}
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.mails = append(s.box.mails, s.mail)
	return nil
}

// serve begins a server, and gives its address.
func (b *mailbox) serve(tb testing.TB, change func(*smtp.Server)) string {
	tb.Helper()
	b.closed = make(chan struct{}, 10_000)
	if b.refuse == nil {
		b.refuse = func(stage, string) error { return nil }
	}
	s := smtp.NewServer(b)
	s.Domain, s.AllowInsecureAuth = "localhost", true
	s.ErrorLog = silent{}
	change(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	if s.TLSConfig != nil && s.Network == "tls" {
		l = tls.NewListener(l, s.TLSConfig)
	}
	over := make(chan error)
	go func() { over <- s.Serve(l) }()
	tb.Cleanup(func() {
		_ = s.Close()
		if err := <-over; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			tb.Error(err)
		}
	})
	return l.Addr().String()
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// A server that others wrote gets what was to be sent, by all ways to it.
func TestServer(t *testing.T) {
	for name, test := range map[string]struct {
		url    string
		change func(*smtp.Server)
		user   string
	}{
		"plain":    {"smtp://%s?tls=none", func(*smtp.Server) {}, ""},
		"log in":   {"smtp://ada:s3cr3t@%s?tls=none", func(*smtp.Server) {}, "ada"},
		"starttls": {"smtp://ada:s3cr3t@%s", func(s *smtp.Server) { s.TLSConfig, s.AllowInsecureAuth = certificate().server, false }, "ada"},
		"implicit": {"smtps://ada:s3cr3t@%s", func(s *smtp.Server) { s.TLSConfig, s.Network = certificate().server, "tls" }, "ada"},
	} {
		var box mailbox
		address := box.serve(t, test.change)
		o, err := Open(Config{URL: fmt.Sprintf(test.url, address), RootCAs: certificate().roots})
		if err != nil {
			t.Fatal(err)
		}
		m := example()
		got := o.Send(t.Context(), m)
		if got.Verdict != Taken || !strings.HasPrefix(got.Reply, "250 2.0.0 ") {
			t.Fatalf("%s: %+v", name, got)
		}
		want, err := compose(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		<-box.closed
		if len(box.mails) != 1 {
			t.Fatalf("%s: %d mails", name, len(box.mails))
		}
		if r := box.mails[0]; r.from != m.From.Address || r.to != m.To || r.user != test.user || !bytes.Equal(r.content, want.content) || r.utf8 {
			t.Errorf("%s: from %s to %s by %q: %q", name, r.from, r.to, r.user, r.content)
		}
	}
	var box mailbox
	address := box.serve(t, func(*smtp.Server) {})
	o, err := Open(Config{URL: "smtp://ada:wrong@" + address + "?tls=none"})
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Send(t.Context(), example()); got.Verdict != Unsent || !strings.Contains(got.Reply, "535") {
		t.Errorf("with a wrong password: %+v", got)
	}
}

func TestServerRefuses(t *testing.T) {
	no := func(at stage, code int, enhanced smtp.EnhancedCode) func(stage, string) error {
		return func(here stage, address string) error {
			if here != at || strings.HasPrefix(address, "good") {
				return nil
			}
			return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: "<" + address + "> is not for us"}
		}
	}
	for name, test := range map[string]struct {
		refuse func(stage, string) error
		want   Outcome
	}{
		"unknown":     {no(atRcpt, 550, smtp.EnhancedCode{5, 1, 1}), Outcome{Verdict: Refused, NoMailbox: true, Reply: "550 5.1.1 <(address)> is not for us"}},
		"policy":      {no(atRcpt, 550, smtp.EnhancedCode{5, 7, 1}), Outcome{Verdict: Refused, Reply: "550 5.7.1 <(address)> is not for us"}},
		"greylisted":  {no(atRcpt, 451, smtp.EnhancedCode{4, 7, 1}), Outcome{Verdict: Deferred, Reply: "451 4.7.1 <(address)> is not for us"}},
		"spam":        {no(atDot, 554, smtp.EnhancedCode{5, 6, 0}), Outcome{Verdict: Refused, Reply: "554 5.6.0 <(address)> is not for us"}},
		"full":        {no(atDot, 452, smtp.EnhancedCode{4, 2, 2}), Outcome{Verdict: Deferred, Reply: "452 4.2.2 <(address)> is not for us"}},
		"sender":      {no(atMail, 550, smtp.EnhancedCode{5, 7, 1}), Outcome{Verdict: Unsent, Sender: true, Reply: "550 5.7.1 <(address)> is not for us"}},
		"sender late": {no(atRcpt, 553, smtp.EnhancedCode{5, 1, 8}), Outcome{Verdict: Unsent, Sender: true, Reply: "553 5.1.8 <(address)> is not for us"}},
		"no log-in":   {no(atRcpt, 530, smtp.EnhancedCode{5, 7, 0}), Outcome{Verdict: Unsent, Reply: "530 5.7.0 <(address)> is not for us"}},
	} {
		box := mailbox{refuse: test.refuse}
		o, err := Open(Config{URL: "smtp://" + box.serve(t, func(*smtp.Server) {}) + "?tls=none", Connections: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Send(t.Context(), example()); got != test.want {
			t.Errorf("%s: %+v", name, got)
		}
		// The connection is good for the next one.
		m := example()
		m.To, m.From.Address = "good@example.org", "good@example.com"
		if got := o.Send(t.Context(), m); got.Verdict != Taken || box.count() != 1 {
			t.Errorf("%s: the next one is %+v over %d connections", name, got, box.count())
		}
	}
}

func TestInternational(t *testing.T) {
	for _, test := range []struct {
		to, from string
		offered  bool
		want     Outcome
		envelope string
		utf8     bool
	}{
		{"jane@bücher.example", "ask@example.com", false, Outcome{Verdict: Taken}, "jane@xn--bcher-kva.example", false},
		{"jané@bücher.example", "ask@example.com", true, Outcome{Verdict: Taken}, "jané@xn--bcher-kva.example", true},
		{"jané@example.org", "ask@example.com", false, Outcome{Verdict: Refused}, "", false},
		{"jane@example.org", "äsk@example.com", false, Outcome{Verdict: Unsent, Sender: true}, "", false},
		{"jane@example.org", "äsk@example.com", true, Outcome{Verdict: Taken}, "jane@example.org", true},
		{"jane@example.org", "ask@example.com", true, Outcome{Verdict: Taken}, "jane@example.org", false},
	} {
		var box mailbox
		address := box.serve(t, func(s *smtp.Server) { s.EnableSMTPUTF8 = test.offered })
		o, err := Open(Config{URL: "smtp://" + address + "?tls=none"})
		if err != nil {
			t.Fatal(err)
		}
		m := example()
		m.To, m.From.Address = test.to, test.from
		got := o.Send(t.Context(), m)
		if got.Verdict != Taken && !strings.Contains(got.Reply, "SMTPUTF8") {
			t.Errorf("%v: says %q", test, got.Reply)
		}
		if got.Reply = ""; got != test.want {
			t.Errorf("%v: %+v", test, got)
		}
		if test.want.Verdict != Taken {
			continue
		}
		r := box.mails[0]
		to, err := open(t, r.content).header.AddressList("To")
		if r.to != test.envelope || r.utf8 != test.utf8 || err != nil || to[0].Address != test.envelope {
			t.Errorf("%v: to %s, %t, %v, %v", test, r.to, r.utf8, to, err)
		}
	}
}

// counted is a connection that tells of its end.
type counted struct {
	net.Conn
	over func()
}

func (c counted) Close() error {
	c.over()
	return c.Conn.Close()
}

// As many connections as there may be are used and no more, each for as many mails as it may have and no more.
func TestConnections(t *testing.T) {
	const connections = 3
	box := mailbox{hold: make(chan struct{}), held: make(chan struct{})}
	o, err := Open(Config{URL: "smtp://" + box.serve(t, func(*smtp.Server) {}) + "?tls=none", Connections: connections})
	if err != nil {
		t.Fatal(err)
	}
	var now, most atomic.Int32 // as the server sees to the end of one later than to the beginning of the next
	dial := o.dial
	o.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		for n := now.Add(1); ; {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				return counted{conn, func() { now.Add(-1) }}, err
			}
		}
	}
	const mails = 2*connections*perConnection + 1
	outcomes := make(chan Outcome, mails)
	for n := range mails {
		go func() { outcomes <- o.Send(t.Context(), numbered(n)) }()
	}
	for range connections { // so that so many are at work at a time
		<-box.held
	}
	go func() {
		for range mails - connections {
			box.hold <- struct{}{}
			<-box.held
		}
		for range connections {
			box.hold <- struct{}{}
		}
	}()
	for range mails {
		if got := <-outcomes; got.Verdict != Taken {
			t.Fatalf("%+v", got)
		}
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	for range box.count() {
		<-box.closed
	}
	per := map[int]int{}
	ids := map[string]bool{}
	for _, r := range box.mails {
		per[r.session]++
		ids[open(t, r.content).header.Get("Message-ID")] = true
	}
	if most.Load() != connections || len(ids) != mails || len(per) < 2*connections+1 || len(per) > 3*connections {
		t.Errorf("%d mails over %d connections, %d at a time", len(ids), len(per), most.Load())
	}
	for session, n := range per {
		if n > perConnection {
			t.Errorf("connection %d had %d", session, n)
		}
	}
}

// A connection that nobody uses ends after a while, politely, and the next mail makes a new one.
func TestIdle(t *testing.T) {
	var box mailbox
	o, err := Open(Config{URL: "smtp://" + box.serve(t, func(*smtp.Server) {}) + "?tls=none"})
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Send(t.Context(), numbered(1)); got.Verdict != Taken {
		t.Fatalf("%+v", got)
	}
	o.idle = time.Nanosecond
	if got := o.Send(t.Context(), numbered(2)); got.Verdict != Taken || box.count() != 1 {
		t.Fatalf("%+v over %d connections", got, box.count())
	}
	<-box.closed
	if got := o.Send(t.Context(), numbered(3)); got.Verdict != Taken || box.count() != 2 {
		t.Errorf("%+v over %d connections", got, box.count())
	}
}

// BenchmarkSend is how long a mail takes to a server on the same machine, that is part of the same process, over four connections.
func BenchmarkSend(b *testing.B) {
	var box mailbox
	o, err := Open(Config{URL: "smtp://" + box.serve(b, func(*smtp.Server) {}) + "?tls=none"})
	if err != nil {
		b.Fatal(err)
	}
	m := example()
	m.HTML = strings.Repeat("<p>wie war’s?</p>\n", 500)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if got := o.Send(context.Background(), m); got.Verdict != Taken {
				b.Errorf("%+v", got)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
	if err := o.Close(); err != nil {
		b.Error(err)
	}
}

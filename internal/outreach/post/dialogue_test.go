package post

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever the server does, at whatever point, the mail is judged rightly; and the next one goes.
func TestServerFails(t *testing.T) {
	broken := []string{"close", "reset", "half", "garbage", "silence", "endless", "421 4.3.2 bye"}
	all := func(v Verdict, more map[string]Verdict) map[string]Verdict {
		want := maps.Clone(more)
		if want == nil {
			want = map[string]Verdict{"451 4.0.0 later": v, "550 5.0.0 no": v}
		}
		for _, action := range broken {
			if _, is := want[action]; !is {
				want[action] = v
			}
		}
		return want
	}
	const tlsQuery, plainQuery = "?tls=starttls", "?tls=none"
	for _, test := range []struct {
		point, query string
		before       script
		want         map[string]Verdict
	}{
		{"greeting", plainQuery, nil, all(Unsent, nil)},
		{"EHLO", plainQuery, nil, all(Unsent, nil)},
		{"EHLO", tlsQuery, nil, all(Unsent, nil)},
		{"STARTTLS", tlsQuery, nil, all(Unsent, nil)},
		{"handshake", tlsQuery, nil, map[string]Verdict{"close": Unsent, "reset": Unsent, "garbage": Unsent, "silence": Unsent}},
		{"EHLO again", tlsQuery, nil, all(Unsent, nil)},
		{"AUTH", plainQuery, nil, all(Unsent, nil)},
		{"AUTH", tlsQuery, nil, all(Unsent, nil)},
		{"MAIL", plainQuery, nil, all(Unsent, nil)},
		{"MAIL", tlsQuery, nil, all(Unsent, nil)},
		{"RCPT", plainQuery, nil, all(Unsent, map[string]Verdict{"451 4.0.0 later": Deferred, "550 5.0.0 no": Refused, "550 5.1.1 who": Refused, "250 ok\r\n354 go": Unsent})},
		{"DATA", plainQuery, nil, all(Unsent, map[string]Verdict{"451 4.0.0 later": Deferred, "550 5.0.0 no": Refused, "250 done": Unsent})},
		{"dot", plainQuery, nil, all(Unknown, map[string]Verdict{
			"421 4.3.2 bye": Unsent, "451 4.0.0 later": Deferred, "550 5.0.0 no": Refused, "354 go": Unknown, "299 fine": Taken,
		})},
		{"dot", tlsQuery, nil, all(Unknown, map[string]Verdict{"421 4.3.2 bye": Unsent, "451 4.0.0 later": Deferred, "550 5.0.0 no": Refused})},
		{"RSET", plainQuery, script{"RCPT": "550 5.0.0 no"}, all(Refused, nil)},
		{"RSET", plainQuery, script{"DATA": "451 4.0.0 later"}, all(Deferred, nil)},
		{"RSET", plainQuery, script{"dot": "550 5.0.0 no"}, all(Refused, nil)},
		{"QUIT", plainQuery, nil, all(Taken, nil)},
		{"content", plainQuery, nil, map[string]Verdict{"close": -1, "reset": -1, "421 4.3.2 bye": -1, "552 5.3.4 too big": -1}}, // it is a race
	} {
		for action, want := range test.want {
			t.Run(strings.ReplaceAll(test.point+test.query+" "+action, " ", "_"), func(t *testing.T) {
				p := newPuppet(t, func(connection int) script {
					if connection > 0 {
						return nil
					}
					s := script{test.point: action}
					maps.Copy(s, test.before)
					return s
				})
				if test.query == tlsQuery {
					p.config = certificate().server
				}
				o, w := p.office(t, p.url("ada:s3cr3t@", test.query), 1)
				o.wait.goodbye = time.Second / 10 // for the server that says nothing to QUIT, where nobody's context ends
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				over := make(chan struct{})
				go func() {
					select {
					case <-p.hanging:
						cancel()
					case <-over:
					}
				}()
				got := o.Send(ctx, numbered(1))
				close(over)
				if want >= 0 && got.Verdict != want || got.NoMailbox != (action == "550 5.1.1 who") || got.Sender != (test.point == "MAIL" && action == "550 5.0.0 no") {
					t.Errorf("%+v, want %s", got, want)
				}
				if got.Reply == "" || strings.Contains(got.Reply, "s3cr3t") || strings.Contains(got.Reply, plain64) {
					t.Errorf("says %q", got.Reply)
				}
				again := o.Send(t.Context(), numbered(2))
				if again.Verdict != Taken {
					t.Errorf("the next one is %+v", again)
				}
				if err := o.Close(); err != nil {
					t.Error(err)
				}
				p.end()
				if test.query == plainQuery {
					p.judge(t, w, numbered(1).MessageID, got)
					p.judge(t, w, numbered(2).MessageID, again)
				} else if p.took[numbered(1).MessageID] > 0 && got.Verdict != Taken && got.Verdict != Unknown || p.took[numbered(2).MessageID] != 1 {
					t.Errorf("taken were %v", p.took)
				}
			})
		}
	}
}

// Wherever the client's words break off, and wherever the server's do, the mail is judged rightly.
func TestCutOff(t *testing.T) {
	p := newPuppet(t, func(int) script { return nil })
	send := func(n, writes, reads int) (Outcome, *watch) {
		o, w := p.office(t, p.url("ada:s3cr3t@", "?tls=none"), 1)
		w.writes, w.reads = writes, reads
		got := o.Send(t.Context(), numbered(n))
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		return got, w
	}
	whole, w := send(0, -1, -1)
	if whole.Verdict != Taken {
		t.Fatalf("%+v", whole)
	}
	said := w.wrote[0].String()
	dot := strings.Index(said, "\r\n.\r\n") + 2
	type sent struct {
		got Outcome
		w   *watch
	}
	all := map[int]sent{}
	for cut := range len(said) {
		got, w := send(1+cut, cut, -1)
		all[1+cut] = sent{got, w}
		want := Unsent
		switch {
		case cut >= dot+3:
			want = Taken
		case cut >= dot:
			want = Unknown // the dot may or may not have gone
		}
		// A part of the dot was not all of it, so that it is no contradiction to what is known to have been handed over.
		if got.Verdict != want {
			t.Fatalf("cut off after %q: %+v, want %s", said[:cut], got, want)
		}
	}
	const server = 10_000
	for cut := 0; ; cut++ {
		got, w := send(server+cut, -1, cut)
		all[server+cut] = sent{got, w}
		if got.Verdict == Taken {
			if cut < 150 {
				t.Fatalf("%d bytes are enough", cut)
			}
			break
		}
		if got.Verdict != Unsent && got.Verdict != Unknown {
			t.Fatalf("%d bytes: %+v", cut, got)
		}
	}
	p.end()
	for n, s := range all {
		if s.got.Verdict == Unknown && n < server {
			continue
		}
		p.judge(t, s.w, numbered(n).MessageID, s.got)
	}
}

// Whatever servers do, in whatever order, to mails of many at a time: none is handed over twice, and all are judged rightly.
func TestServersFailWhatever(t *testing.T) {
	points := []string{"greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "content", "dot", "RSET", "QUIT"}
	actions := []string{"close", "reset", "half", "garbage", "421 4.3.2 bye", "451 4.0.0 later", "550 5.1.1 no", "250 what", "354 what", "twice", "last"}
	rapid.Check(t, func(t *rapid.T) {
		scripts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) script {
			s := script{}
			for range rapid.IntRange(0, 3).Draw(t, "n") {
				s[rapid.SampledFrom(points).Draw(t, "point")] = rapid.SampledFrom(actions).Draw(t, "action")
			}
			if strings.HasPrefix(s["content"], "2") { // a yes to what was not asked looks like one to the dot
				delete(s, "content")
			}
			return s
		}), 0, 8).Draw(t, "scripts")
		p := newPuppet(t, func(connection int) script {
			if connection < len(scripts) {
				return scripts[connection]
			}
			return nil
		})
		o, w := p.office(t, p.url("ada:s3cr3t@", "?tls=none"), rapid.IntRange(1, 3).Draw(t, "connections"))
		outcomes := make([]Outcome, rapid.IntRange(1, 8).Draw(t, "mails"))
		var sending sync.WaitGroup
		for n := range outcomes {
			sending.Go(func() { outcomes[n] = o.Send(context.Background(), numbered(n)) })
		}
		sending.Wait()
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		p.end()
		for n, got := range outcomes {
			p.judge(t, w, numbered(n).MessageID, got)
		}
	})
}

// A connection that ended while nobody used it is no news: the mail goes by another.
func TestStaleConnection(t *testing.T) {
	for name, s := range map[string]script{
		"closed": {"dot": "last"}, "closed with a word": {"dot": "twice"}, "closed at the next": {"RCPT": "550 5.1.1 who", "RSET": "close"},
	} {
		p := newPuppet(t, func(connection int) script { return map[int]script{0: s}[connection] })
		o, w := p.office(t, p.url("", "?tls=none"), 1)
		o.Send(t.Context(), numbered(1))
		got := o.Send(t.Context(), numbered(2))
		if got.Verdict != Taken || p.connections() != 2 {
			t.Errorf("%s: %+v over %d connections", name, got, p.connections())
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		p.end()
		p.judge(t, w, numbered(2).MessageID, got)
	}
	// The second in a row is news.
	p := newPuppet(t, func(connection int) script {
		return map[int]script{0: {"dot": "last"}, 1: {"MAIL": "421 4.3.2 no more"}}[connection]
	})
	o, _ := p.office(t, p.url("", "?tls=none"), 1)
	o.Send(t.Context(), numbered(1))
	if got := o.Send(t.Context(), numbered(2)); got.Verdict != Unsent || got.Reply != "421 4.3.2 no more" {
		t.Errorf("%+v", got)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	p.end()
}

// Once the server has the whole mail, its word on it is waited for, though the caller is gone.
func TestGrace(t *testing.T) {
	p := newPuppet(t, func(int) script { return script{"dot": "late"} })
	o, _ := p.office(t, p.url("", "?tls=none"), 1)
	o.wait.grace = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan Outcome)
	go func() { result <- o.Send(ctx, numbered(1)) }()
	<-p.hanging
	cancel()
	close(p.release)
	if got := <-result; got.Verdict != Taken {
		t.Errorf("%+v", got)
	}
	// That connection is not used again, as its time may run out at any moment.
	if got := o.Send(t.Context(), numbered(2)); got.Verdict != Taken || p.connections() != 2 {
		t.Errorf("%+v, %d connections", got, p.connections())
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	p.end()
}

// A server that says nothing is not waited for without end, though nobody gives up.
func TestPatience(t *testing.T) {
	for point, test := range map[string]struct {
		hurry func(*patience)
		want  Verdict
	}{
		"greeting": {func(p *patience) { p.connect = time.Millisecond }, Unsent},
		"EHLO":     {func(p *patience) { p.command = 10 * time.Millisecond }, Unsent},
		"MAIL":     {func(p *patience) { p.command = 10 * time.Millisecond }, Unsent},
		"DATA":     {func(p *patience) { p.command = 10 * time.Millisecond }, Unsent},
		"dot":      {func(p *patience) { p.dot = time.Nanosecond }, Unknown},
	} {
		p := newPuppet(t, func(int) script { return script{point: "silence"} })
		o, w := p.office(t, p.url("", "?tls=none"), 1)
		test.hurry(&o.wait)
		got := o.Send(t.Context(), numbered(1))
		if got.Verdict != test.want {
			t.Errorf("%s: %+v", point, got)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		p.end()
		if got.Verdict != Unknown { // else it may or may not have been handed over
			p.judge(t, w, numbered(1).MessageID, got)
		}
	}
}

// Nobody who gave up, and nobody who comes after the end, has a mail sent.
func TestWaiting(t *testing.T) {
	p := newPuppet(t, func(int) script { return script{"dot": "late"} })
	o, w := p.office(t, p.url("", "?tls=none"), 1)
	first := make(chan Outcome)
	go func() { first <- o.Send(t.Context(), numbered(1)) }()
	<-p.hanging // and has the only connection
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if got := o.Send(gone, numbered(2)); got.Verdict != Unsent {
		t.Errorf("%+v", got)
	}
	closed := make(chan error)
	go func() { closed <- o.Close() }()
	<-o.over
	if got := o.Send(t.Context(), numbered(3)); got.Verdict != Unsent || p.connections() != 1 {
		t.Errorf("%+v, %d connections", got, p.connections())
	}
	select {
	case <-closed:
		t.Error("it is closed while a mail is on the way")
	default:
	}
	close(p.release)
	if got := <-first; got.Verdict != Taken {
		t.Errorf("%+v", got)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	p.end()
	p.judge(t, w, numbered(2).MessageID, Outcome{Verdict: Unsent})
	p.judge(t, w, numbered(3).MessageID, Outcome{Verdict: Unsent})
}

// Nothing is said to those who would let everybody listen, or who are somebody else; and no password before that is known.
func TestNothingIsSaidInTheClear(t *testing.T) {
	other := certificate()
	for name, test := range map[string]struct {
		url     func(p *puppet) string
		prepare func(p *puppet, o *Office)
		want    string
	}{
		"no STARTTLS":    {func(p *puppet) string { return p.url("ada:s3cr3t@", "") }, func(*puppet, *Office) {}, "STARTTLS"},
		"unknown issuer": {func(p *puppet) string { return p.url("ada:s3cr3t@", "") }, func(p *puppet, o *Office) { p.config, o.server.config.RootCAs = other.server, nil }, "TLS"},
		"another host": {
			func(p *puppet) string { return p.url("ada:s3cr3t@", "") },
			func(p *puppet, o *Office) { p.config, o.server.config.ServerName = other.server, "mail.example.com" }, "TLS",
		},
	} {
		p := newPuppet(t, func(int) script { return nil })
		o, w := p.office(t, test.url(p), 1)
		test.prepare(p, o)
		if got := o.Send(t.Context(), numbered(1)); got.Verdict != Unsent || !strings.Contains(got.Reply, test.want) {
			t.Errorf("%s: %+v", name, got)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		p.end()
		if said := w.wrote[0].String(); strings.Contains(said, "AUTH") || strings.Contains(said, "MAIL") {
			t.Errorf("%s: %q", name, said)
		}
	}
	// What somebody puts in before encryption begins is not taken for the server's.
	p := newPuppet(t, func(int) script { return script{"STARTTLS": "220 go\r\n250-evil\r\n250 AUTH PLAIN"} })
	p.config = other.server
	o, _ := p.office(t, p.url("ada:s3cr3t@", ""), 1)
	if got := o.Send(t.Context(), numbered(1)); got.Verdict != Unsent || got.Reply != errOutOfStep.Error() {
		t.Errorf("%+v", got)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	p.end()
}

func TestLogIn(t *testing.T) {
	for offer, want := range map[string]string{
		"AUTH PLAIN LOGIN": "AUTH PLAIN " + plain64, "AUTH LOGIN": "AUTH LOGIN", "AUTH LOGIN PLAIN CRAM-MD5": "AUTH PLAIN " + plain64, "auth plain": "AUTH PLAIN " + plain64,
		"AUTH XOAUTH2": "", "SIZE 1000": "",
	} {
		p := newPuppet(t, func(int) script { return nil })
		p.offers = []string{offer}
		o, _ := p.office(t, p.url("ada:s3cr3t@", "?tls=none"), 1)
		got := o.Send(t.Context(), numbered(1))
		if got.Verdict != map[bool]Verdict{true: Taken, false: Unsent}[want != ""] || want != "" && !p.heard(want) || !p.heard("EHLO nps.example.com") {
			t.Errorf("%s: %+v of %v", offer, got, p.said)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		p.end()
	}
	// Nobody hears of a password by the server's reply to it.
	p := newPuppet(t, func(int) script { return script{"AUTH": "535 5.7.8 s3cr3t is wrong for ada@example.com"} })
	o, _ := p.office(t, p.url("ada:s3cr3t@", "?tls=none"), 1)
	if got := o.Send(t.Context(), numbered(1)); got.Verdict != Unsent || strings.Contains(got.Reply, "s3cr3t") || strings.Contains(got.Reply, "@") {
		t.Errorf("%+v", got)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	p.end()
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o, err := Open(Config{URL: fmt.Sprintf("smtp://%s?tls=none", address)})
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Send(t.Context(), numbered(1)); got.Verdict != Unsent || !strings.Contains(got.Reply, "connecting to the mail server") {
		t.Errorf("%+v", got)
	}
	if err := o.Remove("inv_1"); err != nil {
		t.Error(err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
}

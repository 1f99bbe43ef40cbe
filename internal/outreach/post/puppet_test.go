package post

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"
)

// script is what a server does at points of a dialogue, once in each; at all others it does what servers should.
type script map[string]string

// puppet is a server that does as it is told. It is judge of what was taken: a mail is, where it saw the final dot and said yes to that.
type puppet struct {
	listener net.Listener
	config   *tls.Config
	offers   []string
	scripts  func(connection int) script
	hanging  chan struct{} // gets one whenever it is told to be silent
	release  chan struct{} // makes it say yes, where it is told to wait for that
	handlers sync.WaitGroup

	mu    sync.Mutex
	conns int
	seen  map[string]int // how often it saw the dot of a mail, by the mail's id
	took  map[string]int // how often it said yes to that
	said  []string       // the commands that it heard
}

func newPuppet(t rapid.TB, scripts func(connection int) script) *puppet {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &puppet{
		listener: l, scripts: scripts, hanging: make(chan struct{}, 100), release: make(chan struct{}),
		seen: map[string]int{}, took: map[string]int{}, offers: []string{"AUTH PLAIN LOGIN", "PIPELINING"},
	}
	p.handlers.Go(func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns++
			p.mu.Unlock()
			s := script{}
			for point, action := range scripts(n) {
				s[point] = action
			}
			p.handlers.Go(func() { p.serve(conn, s) })
		}
	})
	return p
}

func (p *puppet) url(user, query string) string {
	return "smtp://" + user + p.listener.Addr().String() + query
}

// end waits until all that was said was heard.
func (p *puppet) end() {
	_ = p.listener.Close()
	p.handlers.Wait()
}

func (p *puppet) serve(raw net.Conn, s script) {
	defer raw.Close()
	conn := raw
	in := bufio.NewReader(conn)
	write := func(text string) { _, _ = conn.Write([]byte(text)) }
	// at does what is to be done at a point, and reports whether the connection goes on. right says that all went as it should.
	at := func(point, reply string) (right, goesOn bool) {
		action, is := s[point]
		delete(s, point)
		if !is {
			write(reply)
			return true, true
		}
		switch action {
		case "close":
			return false, false
		case "reset":
			_ = raw.(*net.TCPConn).SetLinger(0)
			return false, false
		case "half":
			write(reply[:min(2, len(reply))])
			return false, false
		case "garbage":
			write("what?\r\n")
			return false, true
		case "endless":
			for range 10_000 {
				write("250-and\r\n")
			}
			return false, true
		case "silence":
			p.hanging <- struct{}{}
			_, _ = io.Copy(io.Discard, in)
			return false, false
		case "late":
			p.hanging <- struct{}{}
			<-p.release
			write(reply)
			return true, true
		case "twice":
			write(reply + "421 4.3.2 bye\r\n")
			return true, false
		case "last":
			write(reply)
			return true, false
		}
		write(action + "\r\n")
		return false, !strings.HasPrefix(action, "421")
	}
	if _, on := at("greeting", "220 puppet ESMTP\r\n"); !on {
		return
	}
	encrypted := ""
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return
		}
		text = strings.TrimSpace(text)
		p.mu.Lock()
		p.said = append(p.said, text)
		p.mu.Unlock()
		verb, _, _ := strings.Cut(text, " ")
		var right bool
		on := true
		switch verb {
		case "EHLO":
			reply := "250-puppet\r\n"
			for _, offer := range p.offers {
				reply += "250-" + offer + "\r\n"
			}
			if p.config != nil && encrypted == "" {
				reply += "250-STARTTLS\r\n"
			}
			_, on = at("EHLO"+encrypted, reply+"250 HELP\r\n")
		case "STARTTLS":
			if right, on = at("STARTTLS", "220 go\r\n"); right {
				if _, on = at("handshake", ""); on {
					c := tls.Server(conn, p.config)
					if c.Handshake() != nil {
						return
					}
					conn, in, encrypted = c, bufio.NewReader(c), " again"
				}
			}
		case "AUTH":
			if text == "AUTH LOGIN" {
				write("334 VXNlcm5hbWU6\r\n")
				name, _ := in.ReadString('\n')
				write("334 UGFzc3dvcmQ6\r\n")
				password, err := in.ReadString('\n')
				if err != nil || name+password != "YWRh\r\nczNjcjN0\r\n" {
					write("535 no\r\n")
					continue
				}
			}
			_, on = at("AUTH", "235 welcome\r\n")
		case "MAIL", "RCPT":
			_, on = at(verb, "250 2.1.0 ok\r\n")
		case "RSET":
			_, on = at("RSET", "250 ok\r\n")
		case "DATA":
			if right, on = at("DATA", "354 go\r\n"); right {
				on = p.content(in, s, at)
			}
		case "QUIT":
			at("QUIT", "221 bye\r\n")
			return
		default:
			write("500 what\r\n")
		}
		if !on {
			return
		}
	}
}

// content hears a mail.
func (p *puppet) content(in *bufio.Reader, s script, at func(point, reply string) (right, goesOn bool)) bool {
	id := ""
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if found, is := strings.CutPrefix(text, "Message-ID: <"); is {
			id = strings.TrimSuffix(found, ">\r\n")
			if _, is := s["content"]; is {
				_, _ = at("content", "")
				return false
			}
		}
		if text == ".\r\n" {
			break
		}
	}
	p.mu.Lock()
	p.seen[id]++
	p.mu.Unlock()
	// What is said is said before anybody may hear it.
	action, is := s["dot"]
	yes := !is || action == "late" || action == "twice" || action == "last" || strings.HasPrefix(action, "2")
	if yes {
		p.mu.Lock()
		p.took[id]++
		p.mu.Unlock()
	}
	_, on := at("dot", "250 2.0.0 queued as 42\r\n")
	return on
}

// watch is the client's end of connections. It is judge of what was handed over, as what it passes on may arrive, and nothing else can.
type watch struct {
	mu    sync.Mutex
	wrote []*bytes.Buffer
	// writes and reads are how many bytes each connection lets through; negative for all.
	writes, reads int
}

type watched struct {
	net.Conn
	w             *watch
	wrote         *bytes.Buffer
	writes, reads int
}

func (w *watch) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b := &bytes.Buffer{}
	w.wrote = append(w.wrote, b)
	return &watched{conn, w, b, w.writes, w.reads}, nil
}

var errCut = errors.New("cut off")

func (c *watched) Write(p []byte) (int, error) {
	pass := p
	if c.writes >= 0 {
		pass = p[:min(len(p), c.writes)]
		c.writes -= len(pass)
	}
	c.w.mu.Lock()
	c.wrote.Write(pass)
	c.w.mu.Unlock()
	n, err := c.Conn.Write(pass)
	if err == nil && n < len(p) {
		err = errCut
	}
	return n, err
}

func (c *watched) Read(p []byte) (int, error) {
	if c.reads == 0 {
		return 0, errCut
	}
	if c.reads > 0 {
		p = p[:min(len(p), c.reads)]
	}
	n, err := c.Conn.Read(p)
	if c.reads > 0 {
		c.reads -= n
	}
	return n, err
}

// handed is how often the final dot of a mail was passed on.
func (w *watch) handed(id string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, b := range w.wrote {
		for mails := b.String(); ; {
			_, after, is := strings.Cut(mails, "Message-ID: <"+id+">\r\n")
			if !is {
				break
			}
			if strings.Contains(after, "\r\n.\r\n") {
				n++
			}
			mails = after
		}
	}
	return n
}

// judge compares what was said of a mail with what became of it.
func (p *puppet) judge(t rapid.TB, w *watch, id string, got Outcome) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.took[id] > 1 || p.seen[id] > 1 || w.handed(id) > 1 {
		t.Fatalf("%s was handed over %d times, seen %d times, and taken %d times", id, w.handed(id), p.seen[id], p.took[id])
	}
	may := got.Verdict == Taken || got.Verdict == Unknown
	if p.took[id] > 0 && !may {
		t.Fatalf("%s was taken, and is %+v", id, got)
	}
	if w.handed(id) == 0 && may {
		t.Fatalf("%s was not handed over, and is %+v", id, got)
	}
	if p.took[id] == 0 && got.Verdict == Taken {
		t.Fatalf("%s was not taken, and is %+v", id, got)
	}
}

// office is one of a puppet's customers, who waits for it no longer than it must.
func (p *puppet) office(t rapid.TB, url string, connections int) (*Office, *watch) {
	t.Helper()
	o, err := Open(Config{URL: url, Connections: connections, Hello: "nps.example.com", RootCAs: certificate().roots})
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{writes: -1, reads: -1}
	o.dial = w.dial
	o.wait.grace = time.Nanosecond
	return o, w
}

func numbered(n int) *Mail {
	m := example()
	m.MessageID = fmt.Sprintf("01919181.%05d@nps.example.com", n)
	return m
}

type cert struct {
	server *tls.Config
	roots  *x509.CertPool
}

// certificate is one for localhost, and for nobody else, that its roots alone know.
var certificate = sync.OnceValue(func() cert {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "puppet"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return cert{&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, roots}
})

// connections is how many there were.
func (p *puppet) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns
}

// heard reports whether a command was said to the server.
func (p *puppet) heard(command string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, said := range p.said {
		if said == command {
			return true
		}
	}
	return false
}

var plain64 = base64.StdEncoding.EncodeToString([]byte("\x00ada\x00s3cr3t"))

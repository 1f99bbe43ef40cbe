package app

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/playground"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

// crowd is a server with many who call it, each from an address of his own.
type crowd struct {
	t       *testing.T
	address string
	secrets []string
}

func crowded(t *testing.T, flags Edge, test func(t *testing.T, c *crowd)) {
	t.Helper()
	storetest.EachURL(t, func(t *testing.T, url string) {
		a, err := Open(t.Context(), Config{Database: url, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		c := &crowd{t: t}
		for i := range 3 {
			_, secret, err := tenant.Create(t.Context(), a.DB, tenant.CreateInput{Name: fmt.Sprint(i), TimeZone: "UTC"})
			if err != nil {
				t.Fatal(err)
			}
			c.secrets = append(c.secrets, secret)
		}
		s, err := a.Listen(t.Context(), "127.0.0.1:0", flags, playground.Page{})
		if err != nil {
			t.Fatal(err)
		}
		c.address = s.Addr.String()
		t.Cleanup(func() {
			_ = s.http.Close()
			_ = s.drain(t.Context())
			<-s.served
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
		test(t, c)
	})
}

// connect connects from the n-th address.
func (c *crowd) connect(n int) net.Conn {
	c.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n))}, Timeout: 20 * time.Second}
	conn, err := d.DialContext(c.t.Context(), "tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a request, and gives the answer with its head read; the connection stays open.
func (c *crowd) ask(conn net.Conn, path, secret, accept, query string) *http.Response {
	c.t.Helper()
	method, body := http.MethodGet, ""
	if query != "" {
		method, body = http.MethodPost, fmt.Sprintf(`{"query":%q}`, query)
	}
	_, _ = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: here\r\nAccept: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, accept, secret, len(body), body) // who was turned away has his answer already
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		c.t.Fatalf("%s: %v", path, err)
	}
	return response
}

// wellServed sees that whoever comes from the n-th address is served.
func (c *crowd) wellServed(n int, secret string) {
	c.t.Helper()
	for range 3 {
		conn := c.connect(n)
		response := c.ask(conn, "/graphql", secret, "application/json", "{ tenant { name } }")
		body, err := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusOK || !strings.Contains(string(body), `"name"`) {
			c.t.Fatalf("a query is answered %d %s (%v)", response.StatusCode, body, err)
		}
		_ = conn.Close()
	}
	c.probed(n)
}

// probed sees that probes are answered.
func (c *crowd) probed(n int) {
	c.t.Helper()
	for _, path := range []string{"/readyz", "/healthz"} {
		conn := c.connect(n)
		if response := c.ask(conn, path, "", "*/*", ""); response.StatusCode != http.StatusOK {
			c.t.Fatalf("%s from %d is answered %s", path, n, response.Status)
		}
		_ = conn.Close()
	}
}

// Two keys hold all the streams that they can get, and everybody else is served as before: plain requests, probes, and
// streams of others.
func TestStreamsShutNobodyOut(t *testing.T) {
	crowded(t, Edge{MaxConnections: 60, MaxStreams: 50}, func(t *testing.T, c *crowd) {
		for n, secret := range c.secrets[:2] {
			opened := 0
			for address := 0; ; address++ {
				conn := c.connect(10*n + address%3 + 1)
				response := c.ask(conn, "/graphql", secret, "text/event-stream", "subscription { feedbackReceived { cursor } }")
				if response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") != "" {
					break
				}
				if response.StatusCode != http.StatusOK {
					t.Fatalf("stream %d of key %d: %s", opened, n, response.Status)
				}
				if opened++; opened == 60 {
					t.Fatal("a key may have as many as it likes")
				}
			}
			if opened < 5 {
				t.Errorf("key %d has only %d streams", n, opened)
			}
		}
		c.wellServed(99, c.secrets[2])
		conn := c.connect(99)
		if response := c.ask(conn, "/graphql", c.secrets[2], "text/event-stream", "subscription { feedbackReceived { cursor } }"); response.StatusCode != http.StatusOK {
			t.Errorf("another key's stream: %s", response.Status)
		}
	})
}

// One address holds all the connections that it can get, idle ones, and everybody else is served as before.
func TestConnectionsShutNobodyOut(t *testing.T) {
	crowded(t, Edge{MaxConnections: 30}, func(t *testing.T, c *crowd) {
		// greedy takes connections, each kept alive after a request, until there are no more for the address.
		greedy := func(n int) (held int) {
			for {
				conn := c.connect(n)
				response := c.ask(conn, "/playground", "", "*/*", "")
				_, _ = io.Copy(io.Discard, response.Body) // the page, or what the server says
				if response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "" && response.Close {
					return held
				}
				if response.StatusCode != http.StatusOK {
					t.Fatalf("connection %d of %d: %s", held, n, response.Status)
				}
				if held++; held > 30 {
					t.Fatal("there are more connections than there may be")
				}
			}
		}
		if held := greedy(1); held < 15 {
			t.Errorf("one alone has only %d", held)
		}
		c.probed(1)
		for range 2 * edge.Lobby { // who says nothing in the lobby keeps nobody else out of it
			_ = c.connect(1)
		}
		c.wellServed(2, c.secrets[0])
		// Many hold all that there are: then there are the probes.
		for n := 2; n < 12; n++ {
			greedy(n)
		}
		c.probed(99)
		if response := c.ask(c.connect(99), "/graphql", c.secrets[0], "application/json", "{ tenant { name } }"); response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("beyond all: %s", response.Status)
		}
	})
}

// What costs no points is asked as often as a stranger may ask, and probes always.
func TestCheapRequests(t *testing.T) {
	crowded(t, Edge{AnonymousBurst: 1_000, AnonymousRestore: 1}, func(t *testing.T, c *crowd) {
		conn := c.connect(1)
		refused := false
		go func() {
			for range 3_000 { // one behind the other, without waiting
				if _, err := io.WriteString(conn, "GET /nothing HTTP/1.1\r\nHost: here\r\n\r\n"); err != nil {
					return
				}
			}
		}()
		answers := bufio.NewReader(conn)
		for range 3_000 {
			response, err := http.ReadResponse(answers, nil)
			if err != nil { // closed after an answer that a reset took away
				refused = true
				break
			}
			_, _ = io.Copy(io.Discard, response.Body)
			if response.StatusCode == http.StatusTooManyRequests && response.Close {
				refused = true
				break
			}
		}
		if !refused {
			t.Error("one address may ask for ever")
		}
		c.probed(1)
		c.wellServed(1, c.secrets[0])
		c.wellServed(2, c.secrets[0])
	})
}

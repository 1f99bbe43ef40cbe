package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/docs"
	"github.com/zeroten/zeroten/internal/playground"
)

// serving is a server on a database of its own, which whoever asked for it stops.
func serving(t *testing.T, log slog.Handler, edge Edge) (*App, *Server) {
	t.Helper()
	a, err := Open(t.Context(), Config{Database: "sqlite://" + t.TempDir() + "/zeroten.db", Volatile: true, Log: slog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := a.Listen(t.Context(), "127.0.0.1:0", edge, playground.Page{})
	if err != nil {
		t.Fatal(err)
	}
	return a, s
}

// listening is such a server until the test ends.
func listening(t *testing.T, edge Edge) *Server {
	t.Helper()
	_, s := serving(t, slog.DiscardHandler, edge)
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Wait(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	return s
}

// Whatever is asked for, wherever: no browser frames the answer, guesses its type, or runs what is not named.
func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	s := listening(t, Edge{MetricsListen: "127.0.0.1:0"})
	follow := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	site, metrics := "http://"+s.Addr.String(), "http://"+s.MetricsAddr.String()
	for _, test := range []struct {
		method, url string
		status      int
	}{
		{http.MethodGet, site + "/", http.StatusFound},
		{http.MethodGet, site + "/playground", http.StatusOK},
		{http.MethodHead, site + "/playground", http.StatusOK},
		{http.MethodPost, site + "/playground", http.StatusMethodNotAllowed},
		{http.MethodGet, site + "/playground/", http.StatusNotFound},
		{http.MethodGet, site + "/playground/nothing.js", http.StatusNotFound},
		{http.MethodGet, site + "/healthz", http.StatusOK},
		{http.MethodGet, site + "/readyz", http.StatusOK},
		{http.MethodGet, site + "/nothing", http.StatusNotFound},
		{http.MethodGet, site + "//graphql", http.StatusTemporaryRedirect},
		{http.MethodGet, site + "/graphql?query={__typename}", http.StatusOK},
		{http.MethodGet, site + "/graphql", http.StatusBadRequest},
		{http.MethodPost, site + "/graphql", http.StatusUnsupportedMediaType},
		{http.MethodOptions, site + "/graphql", http.StatusMethodNotAllowed},
		{http.MethodGet, metrics + "/metrics", http.StatusOK},
		{http.MethodGet, metrics + "/", http.StatusNotFound},
	} {
		request, err := http.NewRequestWithContext(t.Context(), test.method, test.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := follow.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.status {
			t.Errorf("%s %s: status %d, want %d", test.method, test.url, response.StatusCode, test.status)
		}
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if got := response.Header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s %s: %s is %q, want %s", test.method, test.url, name, got, want)
			}
		}
		policy := response.Header.Values("Content-Security-Policy")
		if len(policy) != 1 || !strings.HasPrefix(policy[0], "default-src 'none'") || !strings.Contains(policy[0], "frame-ancestors 'none'") {
			t.Errorf("%s %s: Content-Security-Policy is %q", test.method, test.url, policy)
		}
	}
}

// Whoever sends more than may be sent is told so, also if he reads no answer before he has sent it all.
func TestTooMuchIsAnswered(t *testing.T) {
	t.Parallel()
	s := listening(t, Edge{})
	for _, length := range []int{140_000, 250_000, 1_000_000} {
		conn, err := net.Dial("tcp", s.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		body := `{"query":"` + strings.Repeat(" ", length-12) + `"}`
		// What cannot be written any more does no harm as long as the answer can be read.
		_, _ = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%d bytes: %v", length, err)
			continue
		}
		text, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(text), "131072 bytes") {
			t.Errorf("%d bytes: status %d: %s: %v", length, answer.StatusCode, text, err)
		}
	}
}

// A request that two may read differently is the last one on its connection, whatever came of it: what somebody hid behind
// it is not answered. Others go on.
func TestAmbiguousLengths(t *testing.T) {
	t.Parallel()
	s := listening(t, Edge{})
	const (
		document = `{"query":"{__typename}"}`
		hidden   = "GET /healthz HTTP/1.1\r\nHost: hidden\r\n\r\n"
	)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(document), document)
	for _, test := range []struct {
		name, request string
		answers       int // with those to what follows
		first         int
	}{
		{"a length", "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" +
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(document), document), 3, 200},
		{"chunks", "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, 1, 200},
		{"both", "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" +
			fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%s", len(chunked)+len(hidden), chunked), 1, 200},
		{"both, the other way round", "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" +
			fmt.Sprintf("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n%s", chunked), 1, 200},
		{"both, and refused before it is read", "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n" +
			"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, 1, 415},
		{"both, elsewhere", "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1, 200},
		{"both, where nothing is", "GET /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1, 404},
		{"a socket's handshake with a body", "GET /graphql HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, 1, 400},
		{"a body that nobody reads, and that does not come", "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", 1, 200},
		{"the same of GraphQL", "GET /graphql?query={__typename} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", 1, 200},
		{"two lengths", "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 1, 400},
		{"another coding", "POST /graphql HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + chunked, 1, 501},
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, test.request+hidden); err != nil {
			t.Fatal(err)
		}
		// The last answer that there may be asks for the end.
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil && test.answers > 1 {
			t.Fatal(err)
		}
		from := bufio.NewReader(conn)
		answers := 0
		for {
			response, err := http.ReadResponse(from, nil)
			if err != nil {
				break
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			if answers == 0 && response.StatusCode != test.first {
				t.Errorf("%s: status %d, want %d", test.name, response.StatusCode, test.first)
			}
			answers++
			if answers == test.answers && test.answers == 1 && !response.Close {
				t.Errorf("%s: the answer does not say that it is the last", test.name)
			}
		}
		if want := test.answers; answers != want {
			t.Errorf("%s: %d answers, want %d", test.name, answers, want)
		}
		_ = conn.Close() // the server has closed it
	}
}

// Ten who come one after the other from one address, as from an office, see the page to explore the API with, whether they
// take gzip or not; and who goes on drawing its largest file is refused.
func TestThePlaygroundIsSeenByManyOfOneAddress(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"gzip", "identity"} {
		s := listening(t, Edge{AnonymousRestore: 1})
		get := func(path string) (status int, text string) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr.String()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Accept-Encoding", encoding)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			return response.StatusCode, string(body)
		}
		var script string
		for range 10 {
			status, page := get("/playground")
			under, _, ok := strings.Cut(page[strings.Index(page, "/playground/")+1:], "playground.css")
			if status != http.StatusOK || !ok {
				t.Fatalf("the page comes as %d: %s", status, page)
			}
			script = "/" + under + "playground.js"
			for _, name := range []string{"playground.css", "playground.js", "worker.js", "codicon.ttf", "schema.graphql"} {
				if status, _ := get("/" + under + name); status != http.StatusOK {
					t.Fatalf("%s by %s comes as %d", name, encoding, status)
				}
			}
		}
		status := http.StatusOK
		for n := 0; status == http.StatusOK && n < 1_000; n++ {
			status, _ = get(script)
		}
		if status != http.StatusTooManyRequests {
			t.Errorf("a thousand times the script by %s: %d", encoding, status)
		}
	}
}

// What the schema is, is a file of the page, for it would cost each who looks some 300 points to ask; but where only some
// documents are answered, nobody learns it so.
func TestThePlaygroundHasTheSchema(t *testing.T) {
	t.Parallel()
	trusted := filepath.Join(t.TempDir(), "documents.json")
	if err := os.WriteFile(trusted, []byte(`{"scopes": "{ viewer { scopes } }"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]int{"": http.StatusOK, trusted: http.StatusNotFound} {
		site := "http://" + listening(t, Edge{TrustedDocuments: file}).Addr.String()
		get := func(path string) (int, string) {
			response, err := http.Get(site + path)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			return response.StatusCode, string(body)
		}
		_, page := get("/playground")
		_, rest, _ := strings.Cut(page, `href="/playground/`)
		version, _, _ := strings.Cut(rest, "/")
		path := "/playground/" + version + "/schema.graphql"
		status, text := get(path)
		if status != want || (text == docs.Schema) != (want == http.StatusOK) || strings.Contains(page, path) != (want == http.StatusOK) {
			t.Errorf("with the documents %q %s comes as %d, with %d bytes", file, path, status, len(text))
		}
	}
}

// Where it listens is printed as an address that can be opened on the same machine.
func TestReachable(t *testing.T) {
	t.Parallel()
	for listens, want := range map[net.Addr]string{
		&net.TCPAddr{IP: net.IPv6unspecified, Port: 8080}:               "localhost:8080",
		&net.TCPAddr{IP: net.IPv4zero.To4(), Port: 8080}:                "127.0.0.1:8080",
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}:              "127.0.0.1:80",
		&net.TCPAddr{IP: net.IPv6loopback, Port: 80}:                    "[::1]:80",
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}:               "192.0.2.1:1",
		&net.TCPAddr{IP: net.ParseIP("2001:db8::"), Port: 1}:            "[2001:db8::]:1",
		&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "eth0"}: "[fe80::1%eth0]:1",
		&net.UnixAddr{Name: "/run/zeroten.sock", Net: "unix"}:           "/run/zeroten.sock",
	} {
		if got := reachable(listens); got != want {
			t.Errorf("%s is printed as %s, want %s", listens, got, want)
		}
	}
}

package graph_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
)

// Whatever is refused before anything runs draws on a bucket: that of the key that sends it, else that of the address.
func TestRefusalsAreNotFree(t *testing.T) {
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db", app.Edge{
		AnonymousBurst: 1_000, AnonymousRestore: 1, RateBurst: 1_000, RateRestore: 1, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	c := h.found(t, "Fjordlink")
	handshake := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}, "Sec-Websocket-Protocol": {"graphql-transport-ws"},
	}
	with := func(header http.Header, name string, values ...string) http.Header {
		header = header.Clone()
		header[name] = values
		return header
	}
	from, known := http.Header{"Origin": {"https://evil.example"}}, http.Header{"Authorization": {"Bearer " + c.secrets[auth.Read]}}
	query := "?" + url.Values{"query": {"{ viewer { scopes } }"}}.Encode()
	for i, test := range []struct {
		name, method, target, body string
		header                     http.Header
		status                     int
		// key says that it is the key that pays.
		key bool
	}{
		{name: "a handshake from another page", header: with(handshake, "Origin", "https://evil.example"), status: 403},
		{name: "a handshake of another version", header: with(handshake, "Sec-Websocket-Version", "12"), status: 400},
		{name: "a handshake without a key", header: with(handshake, "Sec-Websocket-Key"), status: 400},
		{name: "a handshake with a body", header: handshake, body: "x", status: 400},
		{name: "a query from another page", header: from, target: query, status: 403},
		{name: "a mutation from another page", method: http.MethodPost, header: with(from, "Content-Type", "application/json"), body: `{"query":"{__typename}"}`, status: 403},
		{name: "a query from another page with a key", header: with(known, "Origin", "https://evil.example"), target: query, status: 403, key: true},
		{name: "two keys", header: http.Header{"Authorization": {"Bearer a", "Bearer b"}}, target: query, status: 401},
		{name: "another scheme", header: http.Header{"Authorization": {"Basic YTpi"}}, target: query, status: 401},
		{name: "no secret", header: http.Header{"Authorization": {"Bearer "}}, target: query, status: 401},
		{name: "a token in a URL where it has no place", header: http.Header{}, target: query + "&access_token=z10t_x", status: 401},
		{name: "two tokens in a URL", header: http.Header{"Accept": {"text/event-stream"}}, target: query + "&access_token=z10t_x&access_token=z10t_y", status: 400},
		{name: "a key in a URL", header: http.Header{"Accept": {"text/event-stream"}}, target: query + "&access_token=z10_x", status: 401},
		{name: "a token beside a key", header: with(known, "Accept", "text/event-stream"), target: query + "&access_token=z10t_x", status: 400},
		{name: "no such key", header: http.Header{"Authorization": {"Bearer z10_" + strings.Repeat("A", 43)}}, target: query, status: 401},
		{name: "nothing that is liked", header: http.Header{"Accept": {"image/png"}}, target: query, status: 406},
		{name: "no document", header: http.Header{}, status: 400},
		{name: "another type", method: http.MethodPost, header: http.Header{"Content-Type": {"text/plain"}}, body: "x", status: 415},
	} {
		t.Run(test.name, func(t *testing.T) {
			send := func(n int) (int, string) {
				request, err := http.NewRequestWithContext(t.Context(), test.method, h.url+test.target, strings.NewReader(test.body))
				if err != nil {
					t.Fatal(err)
				}
				request.Header = test.header.Clone()
				request.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", n))
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				text, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				if response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				return response.StatusCode, string(text)
			}
			for n := 0; ; n++ {
				status, text := send(i)
				if strings.Contains(text, `"RATE_LIMITED"`) {
					// An EventSource, which reads no answer but 200, comes back by itself.
					if status != http.StatusTooManyRequests && (status != http.StatusOK || !strings.Contains(text, "retry: 1000\n")) {
						t.Fatalf("got %d %s", status, text)
					}
					break
				}
				if status != test.status || n == 4_000 {
					t.Fatalf("number %d: %d %s", n, status, text)
				}
			}
			// Others go on.
			if status, text := send(100 + i); strings.Contains(text, `"RATE_LIMITED"`) != test.key {
				t.Errorf("from elsewhere: %d %s", status, text)
			}
		})
	}
}

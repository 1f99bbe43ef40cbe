package edge_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/rate"
)

// Whoever asks for large files draws no more than what fits into the bucket, and one file, whether the files say how large they
// are or not. What is small counts as one request, and so does what only is asked about.
func TestPoliteCountsWhatIsSent(t *testing.T) {
	const burst, large = 1_000, 4 << 20
	file := bytes.Repeat([]byte("x"), large)
	no := func(*http.Request) bool { return false }
	for _, test := range []struct {
		name, method string
		serve        http.HandlerFunc
		// most is how many are answered.
		most int
	}{
		{"a file", http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(large))
			_, _ = w.Write(file[:1]) // a point for all of it is taken with the first byte
		}, 8},
		{"a file in pieces", http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
			for at := 0; at < large; at += 1000 {
				_, _ = w.Write(file[at:min(at+1000, large)])
			}
		}, 8},
		{"a file's head", http.MethodHead, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(large))
			_, _ = w.Write(file)
		}, burst},
		{"what is not modified", http.MethodGet, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, burst},
		{"a page", http.MethodGet, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file[:20_000]) }, burst},
	} {
		// Next to nothing flows in while this runs.
		door := edge.New(edge.Config{Addresses: rate.Config{Burst: burst, Restore: 1e-9}})
		h := door.Polite(test.serve, no, no)
		get := func(address string) int {
			r := httptest.NewRequestWithContext(t.Context(), test.method, "/", nil)
			r.RemoteAddr = address
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		n := 0
		for get("192.0.2.1:1") != http.StatusTooManyRequests {
			n++
		}
		if n != test.most {
			t.Errorf("%s is answered %d times, want %d", test.name, n, test.most)
		}
		if code := get("198.51.100.1:1"); code == http.StatusTooManyRequests {
			t.Errorf("%s is refused to another address", test.name)
		}
	}
}

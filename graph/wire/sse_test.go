package wire

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
)

var (
	jsonBody   = []string{"Content-Type", "application/json"}
	postStream = []string{"Content-Type", "application/json", "Accept", mediaStream}
	getStream  = []string{"Accept", mediaStream}
)

const subscription = `{"query":"subscription"}`

// reading reads a stream as it comes.
type reading struct {
	t    *testing.T
	body io.Closer
	*bufio.Reader
}

func listen(t *testing.T, method, url, body string, headers ...string) *reading {
	t.Helper()
	response := open(t, method, url, body, headers...)
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != mediaStream+"; charset=utf-8" {
		text, _ := io.ReadAll(response.Body)
		t.Fatalf("%d %s %s", response.StatusCode, response.Header.Get("Content-Type"), text)
	}
	return &reading{t, response.Body, bufio.NewReader(response.Body)}
}

// want reads an event and compares it.
func (r *reading) want(want string) {
	r.t.Helper()
	var got strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			r.t.Fatalf("%v after %q, want %q", err, got.String(), want)
		}
		if line == "\n" {
			break
		}
		got.WriteString(line)
	}
	if strings.TrimSuffix(got.String(), "\n") != want {
		r.t.Fatalf("got %q, want %q", got.String(), want)
	}
}

func (r *reading) wantEnd() {
	r.t.Helper()
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		r.t.Fatalf("got %q and %v, want the end", rest, err)
	}
}

func wantClosed(t *testing.T, f *feed) {
	t.Helper()
	select {
	case <-f.closed:
	case <-time.After(10 * time.Second):
		t.Fatal("the stream was not closed")
	}
}

const (
	opening  = ":\nretry: 1000"
	complete = "event: complete\ndata:"
)

func refusedEvent(code apierror.Code) string {
	return fmt.Sprintf("event: next\ndata: {\"errors\":[{\"message\":\"No.\",\"extensions\":{\"code\":%q}}]}", code)
}

func TestSubscription(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string][]string{
		"alone": postStream,
		// As urql has it, which takes all of it for whatever it asks.
		"among others": {"Content-Type", "application/json", "Accept", mediaGraphQL + ", application/json, text/event-stream, multipart/mixed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := newFeed()
			f := &fake{stream: source}
			_, server := serve(t, f, Limits{})
			r := listen(t, http.MethodPost, server.URL, subscription, append(headers, "Last-Event-ID", "7")...)
			r.want(opening)
			source.events <- Event{ID: "8", Payload: []byte(`{"data":1}`)}
			r.want("event: next\nid: 8\ndata: {\"data\":1}")
			source.events <- Event{Payload: []byte("{\r\n\"data\":2}")}
			r.want("event: next\ndata: {  \"data\":2}")
			source.events <- Event{ID: "a\nb", Payload: []byte(`{}`)}
			r.want("event: next\ndata: {}")
			source.err <- io.EOF
			r.want(complete)
			r.wantEnd()
			wantClosed(t, source)
			if codes := f.codes(t, 1); codes[0] != "sse " || f.observations[0].Operation == nil {
				t.Errorf("observed %q", codes)
			}
			if f.after == nil || *f.after != "7" {
				t.Errorf("after is %v, want 7", f.after)
			}
		})
	}
}

func TestEventSource(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		query   string
		headers []string
		after   string
	}{
		"at first":        {"", nil, ""},
		"by parameter":    {"&lastEventId=5", nil, "5"},
		"by header":       {"", []string{"Last-Event-ID", "6"}, "6"},
		"the newer later": {"&lastEventId=5", []string{"Last-Event-ID", "6"}, "6"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := newFeed()
			f := &fake{stream: source}
			_, server := serve(t, f, Limits{})
			r := listen(t, http.MethodGet, server.URL+"/?query=subscription&access_token=z10t_abc"+test.query, "", append(test.headers, getStream...)...)
			r.want(opening)
			source.err <- io.EOF
			r.want(complete)
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.secret != "z10t_abc" || strings.Contains(f.sawURL, "abc") || !strings.Contains(f.sawURL, "subscription") {
				t.Errorf("secret %q, URL %q", f.secret, f.sawURL)
			}
			if f.after == nil && test.after != "" || f.after != nil && *f.after != test.after {
				t.Errorf("after is %v, want %q", f.after, test.after)
			}
		})
	}
}

func TestStreamsOfOneResult(t *testing.T) {
	t.Parallel()
	f := &fake{}
	_, server := serve(t, f, Limits{})
	for _, query := range []string{"ok", "mutation"} {
		r := listen(t, http.MethodPost, server.URL, `{"query":"`+query+`"}`, postStream...)
		r.want(opening)
		r.want("event: next\ndata: " + `{"data":{"a":"<1>"},"extensions":{"cost":1}}`)
		r.want(complete)
		r.wantEnd()
	}
	r := listen(t, http.MethodPost, server.URL, `{"query":"panic-execute"}`, postStream...)
	r.want(opening)
	r.want("event: next\ndata: " + `{"errors":[{"message":"Something went wrong.","extensions":{"code":"INTERNAL"}}]}`)
	r.want(complete)
	if codes := f.codes(t, 3); strings.Join(codes, ",") != "sse ,sse ,sse INTERNAL" {
		t.Errorf("observed %q", codes)
	}
}

func TestRefusedStreams(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, query, body string
		headers             []string
		status              int
		want                []string // a stream where not nil
	}{
		"not the JSON it should be": {"POST", "", "{", postStream, 400, nil},
		"no document":               {"GET", "", "", getStream, 400, nil},
		"mutation by GET":           {"GET", "?query=mutation", "", getStream, 405, nil},
		"unknown key":               {"POST", "", subscription, append([]string{"Authorization", "Bearer bad"}, postStream...), 401, nil},
		"a key in the URL":          {"GET", "?query=subscription&access_token=z10_x", "", getStream, 401, nil},
		"two tokens":                {"GET", "?query=subscription&access_token=z10t_x&access_token=z10t_x", "", getStream, 400, nil},
		"a token and a key": {
			"GET", "?query=subscription&access_token=z10t_x", "", append([]string{"Authorization", "Bearer x"}, getStream...), 400, nil,
		},
		"invalid":               {"POST", "", `{"query":"refuse BAD_REQUEST"}`, postStream, 200, []string{opening, "BAD_REQUEST", complete}},
		"invalid by GET":        {"GET", "?query=refuse+BAD_REQUEST", "", getStream, 200, []string{opening, "BAD_REQUEST", complete}},
		"refused subscription":  {"POST", "", `{"query":"subscription FORBIDDEN"}`, postStream, 200, []string{opening, "FORBIDDEN", complete}},
		"overloaded":            {"POST", "", `{"query":"subscription OVERLOADED"}`, postStream, 503, nil},
		"rate limited":          {"POST", "", `{"query":"refuse RATE_LIMITED"}`, postStream, 429, nil},
		"overloaded by GET":     {"GET", "?query=subscription+OVERLOADED", "", getStream, 200, []string{":\nretry: 4000", "OVERLOADED"}},
		"rate limited by GET":   {"GET", "?query=refuse+RATE_LIMITED", "", getStream, 200, []string{":\nretry: 7000", "RATE_LIMITED"}},
		"busy while let in":     {"GET", "?query=subscription", "", append([]string{"Authorization", "Bearer busy"}, getStream...), 200, []string{":\nretry: 3000", "OVERLOADED"}},
		"panic while preparing": {"POST", "", `{"query":"panic-prepare"}`, postStream, 200, []string{opening, "INTERNAL", complete}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			_, server := serve(t, f, Limits{})
			response, body := do(t, test.method, server.URL+"/"+test.query, test.body, test.headers...)
			if response.StatusCode != test.status {
				t.Fatalf("status %d, want %d: %s", response.StatusCode, test.status, body)
			}
			media := mediaJSON
			if test.want != nil {
				media = mediaStream
			}
			if got := response.Header.Get("Content-Type"); got != media+"; charset=utf-8" {
				t.Errorf("Content-Type %q, want %s", got, media)
			}
			for i, event := range strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n") {
				switch {
				case test.want == nil:
				case i >= len(test.want) || !strings.Contains(event, test.want[i]):
					t.Errorf("got %q, want %q", body, test.want)
				}
			}
			if test.want != nil && strings.Count(body, "\n\n") != len(test.want) {
				t.Errorf("got %q, want %q", body, test.want)
			}
			f.codes(t, 1)
		})
	}
}

func TestStreamEnds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(f *fake, source *feed)
		want []string
		code string
	}{
		"revoked": {
			func(f *fake, _ *feed) { f.revoke(apierror.New(apierror.Forbidden, "No.")) },
			[]string{refusedEvent(apierror.Forbidden), complete}, "FORBIDDEN",
		},
		"failed": {
			func(_ *fake, source *feed) { source.err <- apierror.New(apierror.BadRequestCode, "No.") },
			[]string{refusedEvent(apierror.BadRequestCode), complete}, "BAD_REQUEST",
		},
		"failed for now": {
			func(_ *fake, source *feed) { source.err <- apierror.New(apierror.Overloaded, "No.") },
			[]string{refusedEvent(apierror.Overloaded)}, "OVERLOADED",
		},
		"a deadline of somebody else": {
			func(_ *fake, source *feed) { source.err <- context.DeadlineExceeded },
			[]string{`event: next` + "\n" + `data: {"errors":[{"message":"Something went wrong.","extensions":{"code":"INTERNAL"}}]}`, complete}, "INTERNAL",
		},
		"panic": {
			func(_ *fake, source *feed) { source.events <- Event{Payload: []byte("panic")} },
			[]string{`event: next` + "\n" + `data: {"errors":[{"message":"Something went wrong.","extensions":{"code":"INTERNAL"}}]}`, complete}, "INTERNAL",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := newFeed()
			f := &fake{stream: source}
			_, server := serve(t, f, Limits{})
			r := listen(t, http.MethodPost, server.URL, subscription, append([]string{"Authorization", "Bearer key"}, postStream...)...)
			r.want(opening)
			test.end(f, source)
			for _, want := range test.want {
				r.want(want)
			}
			r.wantEnd()
			wantClosed(t, source)
			if codes := f.codes(t, 1); codes[0] != "sse "+test.code {
				t.Errorf("observed %q", codes)
			}
		})
	}
}

func TestClientGoes(t *testing.T) {
	t.Parallel()
	source := newFeed()
	f := &fake{stream: source}
	h, server := serve(t, f, Limits{})
	r := listen(t, http.MethodPost, server.URL, subscription, postStream...)
	r.want(opening)
	r.body.Close()
	wantClosed(t, source)
	if codes := f.codes(t, 1); codes[0] != "sse " {
		t.Errorf("observed %q", codes)
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	source := newFeed()
	f := &fake{stream: source}
	_, server := serve(t, f, Limits{Write: 50 * time.Millisecond})
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /?query=subscription HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	large := Event{Payload: bytes.Repeat([]byte("1"), 1<<20)}
	for {
		select {
		case source.events <- large:
			continue
		case <-source.closed:
		}
		break
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	source := newFeed()
	f := &fake{stream: source}
	h, server := serve(t, f, Limits{})
	r := listen(t, http.MethodPost, server.URL, subscription, postStream...)
	r.want(opening)
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	r.wantEnd() // and no complete, so that the client comes back
	wantClosed(t, source)
	if response, body := do(t, http.MethodPost, server.URL, subscription, postStream...); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a new stream: %d %s", response.StatusCode, body)
	}
	if response, body := do(t, http.MethodPost, server.URL, `{"query":"ok"}`, jsonBody...); response.StatusCode != http.StatusOK {
		t.Errorf("a query: %d %s", response.StatusCode, body)
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	f := &fake{stream: newFeed()}
	h := New(f.engine(), Limits{})
	conn := &edge.Connection{End: func(error) {}}
	if err := h.engine.Door.Open(conn, edge.Holder{Kind: edge.Key, Name: "k"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Shutdown(ctx); err == nil {
		t.Error("it did not wait")
	}
	h.engine.Door.Leave(conn)
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNumberOfStreams(t *testing.T) {
	t.Parallel()
	f := &fake{subscribe: func(context.Context) (Stream, gqlerror.List) { return newFeed(), nil }}
	f.door = edge.New(edge.Config{Streams: 9, StreamsPerKey: 2, StreamsPerAddress: 3})
	_, server := serve(t, f, Limits{})
	stream := func(key string) *reading {
		t.Helper()
		r := listen(t, http.MethodPost, server.URL, subscription, append([]string{"Authorization", "Bearer " + key}, postStream...)...)
		r.want(opening)
		return r
	}
	status := func(key string) int {
		t.Helper()
		response := open(t, http.MethodPost, server.URL, subscription, append([]string{"Authorization", "Bearer " + key}, postStream...)...)
		defer response.Body.Close()
		return response.StatusCode
	}
	first := stream("a")
	stream("a")
	if got := status("a"); got != http.StatusTooManyRequests {
		t.Errorf("a third of one key: %d", got)
	}
	stream("b")
	if got := status("c"); got != http.StatusTooManyRequests {
		t.Errorf("a fourth of the address: %d", got)
	}
	f.codes(t, 2)
	first.body.Close()
	f.codes(t, 1)
	for status("a") != http.StatusOK { // what was observed is about to be counted no more
		runtime.Gosched()
	}
}

// TestStreamOverHTTP2 has no connection of its own to take over.
func TestStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	source := newFeed()
	f := &fake{stream: source}
	h := New(f.engine(), Limits{})
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	for range 2 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"?query=subscription", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", mediaStream)
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.ProtoMajor != 2 {
			t.Fatal(response.Proto)
		}
		r := &reading{t, response.Body, bufio.NewReader(response.Body)}
		r.want(opening)
		source.events <- Event{ID: "1", Payload: []byte("1"), More: true}
		source.events <- Event{ID: "2", Payload: []byte("2")}
		r.want("event: next\nid: 1\ndata: 1")
		r.want("event: next\nid: 2\ndata: 2")
		source.err <- io.EOF
		r.want(complete)
		r.wantEnd()
		f.codes(t, 1)
	}
}

// TestSurplus has a client go on sending after its request: a little is passed over, and who does not stop is cut.
func TestSurplus(t *testing.T) {
	t.Parallel()
	source := newFeed()
	f := &fake{stream: source}
	_, server := serve(t, f, Limits{})
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const request = "GET /?query=subscription HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
	if _, err := io.WriteString(conn, request+request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if !response.Close || response.Header.Get("Date") == "" || response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the head is %v", response)
	}
	r := &reading{t, response.Body, bufio.NewReader(response.Body)}
	r.want(opening)
	source.events <- Event{Payload: []byte("1")}
	r.want("event: next\ndata: 1")
	for {
		if _, err := conn.Write(make([]byte, 1<<10)); err != nil {
			break
		}
		select {
		case <-source.closed:
		default:
			continue
		}
		break
	}
	wantClosed(t, source)
	f.codes(t, 1)
}

// recorder is a connection without a network, for tests in which no time passes.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetReadDeadline(time.Time) error  { return nil }
func (recorder) SetWriteDeadline(time.Time) error { return nil }

// In a bubble no goroutine may be left over in the end.
func TestIdleStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := newFeed()
		f := &fake{stream: source}
		h := New(f.engine(), Limits{Timeout: time.Second})
		ctx, leave := context.WithCancel(t.Context())
		request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(subscription))
		for i := 0; i < len(postStream); i += 2 {
			request.Header.Set(postStream[i], postStream[i+1])
		}
		w := recorder{httptest.NewRecorder()}
		over := make(chan struct{})
		go func() {
			defer close(over)
			h.ServeHTTP(w, request)
		}()
		time.Sleep(20 * time.Second) // of the bubble's
		source.events <- Event{Payload: []byte("1")}
		time.Sleep(15 * time.Second)
		leave()
		<-over
		if got, want := w.Body.String(), opening+"\n\n:\n\nevent: next\ndata: 1\n\n:\n\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestSubscriptionThatDoesNotBegin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{subscribe: func(ctx context.Context) (Stream, gqlerror.List) {
			<-ctx.Done()
			return nil, gqlerror.List{present(ctx, context.Cause(ctx))}
		}}
		h := New(f.engine(), Limits{})
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(subscription))
		for i := 0; i < len(postStream); i += 2 {
			request.Header.Set(postStream[i], postStream[i+1])
		}
		w := recorder{httptest.NewRecorder()}
		began := time.Now()
		h.ServeHTTP(w, request)
		if w.Code != http.StatusServiceUnavailable || time.Since(began) != 30*time.Second {
			t.Errorf("%d after %v: %s", w.Code, time.Since(began), w.Body)
		}
	})
}

package observe

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"pgregory.net/rapid"
)

func observer(t *testing.T, getenv func(string) string) (*Observer, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	o, err := New(t.Context(), Config{Log: NewLogger(&log, true, slog.LevelDebug), Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	return o, &log
}

func scrape(t *testing.T, o *Observer) string {
	t.Helper()
	w := httptest.NewRecorder()
	o.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("there is no line %s", line)
		}
	}
}

func TestMetrics(t *testing.T) {
	o, _ := observer(t, nil)
	known := auth.With(t.Context(), auth.Caller{Tenant: uuid.New(), Key: uuid.New()})
	o.Operation(known, Operation{Protocol: "http", Kind: "query", Name: "Scores", Took: time.Millisecond, Cost: 5})
	o.Operation(known, Operation{Protocol: "http", Kind: "query", Code: "FORBIDDEN", Cost: 2})
	o.Operation(known, Operation{Protocol: "ws", Kind: "subscription", Name: "Live", Took: time.Hour, Cost: 3})
	o.Operation(known, Operation{Protocol: "http", Code: "BAD_REQUEST"})
	o.Operation(t.Context(), Operation{Protocol: "http", Kind: "query", Name: "Anybody"})
	o.Flush(3, 2*time.Millisecond)
	o.Panic("ws")
	o.Gauge("some", "Some.", func() float64 { return 4 })
	o.Gauges("few", "Few.", "of", func() map[string]float64 { return map[string]float64{"a": 1, "b": 2} })
	text := scrape(t, o)
	wantLines(
		t, text,
		`zeroten_operations_total{code="OK",kind="query",name="Scores",protocol="http"} 1`,
		`zeroten_operations_total{code="FORBIDDEN",kind="query",name="(none)",protocol="http"} 1`,
		`zeroten_operations_total{code="BAD_REQUEST",kind="(none)",name="(none)",protocol="http"} 1`,
		`zeroten_operations_total{code="OK",kind="query",name="(other)",protocol="http"} 1`,
		`zeroten_operation_cost_total{name="Scores"} 5`,
		`zeroten_operation_duration_seconds_count{name="(none)"} 1`,
		`zeroten_flush_operations_sum 3`, `zeroten_panics_total{edge="ws"} 1`,
		`zeroten_some 4`, `zeroten_few{of="a"} 1`, `zeroten_few{of="b"} 2`,
	)
	if strings.Contains(text, `duration_seconds_count{name="Live"}`) || strings.Contains(text, "Anybody") {
		t.Errorf("too much is measured:\n%s", text)
	}
}

// TestNamesAreBounded wants the first names told apart, whatever comes after.
func TestNamesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMetrics()
		seen, told := map[string]bool{}, map[string]bool{}
		for i := range rapid.IntRange(0, 3*maxNames).Draw(t, "n") {
			name := fmt.Sprint("name", rapid.IntRange(0, i).Draw(t, "name"))
			want := other
			if seen[name] || len(seen) < maxNames {
				want, seen[name] = name, true
			}
			got := m.nameOf(name)
			if told[got] = true; got != want {
				t.Fatalf("%s is %s, want %s", name, got, want)
			}
		}
		if len(told) > maxNames+1 {
			t.Fatalf("%d names", len(told))
		}
	})
}

// TestRequests has requests end in all ways, and looks at the answers and the log.
func TestRequests(t *testing.T) {
	caller := auth.Caller{Tenant: uuid.New(), Key: uuid.New()}
	for _, test := range []struct {
		name    string
		handler func(*Observer, http.ResponseWriter, *http.Request)
		status  int // 0 where the connection breaks
		level   string
		want    []string
	}{
		{"nothing is written", func(*Observer, http.ResponseWriter, *http.Request) {}, 200, "INFO", []string{`"status":200`, `"route":"/p"`}},
		{"an operation", func(o *Observer, w http.ResponseWriter, r *http.Request) {
			ctx := auth.With(r.Context(), caller)
			o.Operation(ctx, Operation{Protocol: "http", Kind: "query", Name: strings.Repeat("N", 100), Code: "RATE_LIMITED", Cost: 9})
			w.WriteHeader(http.StatusTooManyRequests)
		}, 429, "INFO", []string{`"operation":"` + strings.Repeat("N", 64) + `"`, `"code":"RATE_LIMITED"`, `"cost":9`, `"status":429`, `"tenant":"tenant_`, `"key":"key_`}},
		{"a panic", func(*Observer, http.ResponseWriter, *http.Request) { panic("oh") }, 500, "INFO", []string{`"status":500`}},
		{"a panic of an error", func(*Observer, http.ResponseWriter, *http.Request) { panic(errors.New("oh")) }, 500, "INFO", []string{`"status":500`}},
		{"a panic after the answer began", func(_ *Observer, w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 10_000))
			panic("oh")
		}, 0, "INFO", []string{`"status":200`}},
		{"an abort", func(*Observer, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "INFO", nil},
		{"a probe", func(*Observer, http.ResponseWriter, *http.Request) {}, 200, "DEBUG", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, log := observer(t, nil)
			mux := http.NewServeMux()
			mux.HandleFunc("/p", func(w http.ResponseWriter, r *http.Request) { test.handler(o, w, r) })
			handler := o.Requests(mux, func(r *http.Request) bool { return test.level == "DEBUG" && r.Pattern == "/p" })
			server := httptest.NewUnstartedServer(handler)
			server.Config.ErrorLog = ErrorLog(o.log)
			server.Start()
			answer, err := server.Client().Get(server.URL + "/p?a=secret")
			if err == nil {
				_, err = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			server.Close()
			if (err != nil) != (test.status == 0) || err == nil && answer.StatusCode != test.status {
				t.Fatalf("status: %v, %v", answer, err)
			}
			if strings.Contains(log.String(), "secret") {
				t.Errorf("log: %s", log)
			}
			var last string
			for line := range strings.Lines(log.String()) {
				if strings.Contains(line, `"msg":"request"`) {
					last += line
				}
			}
			if strings.Count(last, "\n") != 1 || !strings.Contains(last, `"level":"`+test.level+`"`) {
				t.Errorf("lines: %s", last)
			}
			for _, want := range append(test.want, `"request":"`) {
				if !strings.Contains(last, want) {
					t.Errorf("%s lacks %s", last, want)
				}
			}
			panicked := strings.HasPrefix(test.name, "a panic")
			if strings.Contains(scrape(t, o), `zeroten_panics_total{edge="http"} 1`) != panicked || strings.Contains(log.String(), `"msg":"panic"`) != panicked {
				t.Errorf("panics: %s", log)
			}
		})
	}
}

// TestSocketOperations wants a line for each, with the id of the socket's request.
func TestSocketOperations(t *testing.T) {
	o, log := observer(t, nil)
	handler := o.Requests(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for range 2 {
			o.Operation(r.Context(), Operation{Protocol: "ws", Kind: "query", Name: "N", Took: time.Second})
		}
	}), func(*http.Request) bool { return false })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("X-Request-ID", "socket-1")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	if n := strings.Count(log.String(), `"request":"socket-1"`); n != 3 || strings.Count(log.String(), `"took_ms":1000`) != 2 {
		t.Errorf("%d lines: %s", n, log)
	}
}

// TestStreamBeyondItsRequest wants a line for what ends after its request did.
func TestStreamBeyondItsRequest(t *testing.T) {
	o, log := observer(t, nil)
	contexts := make(chan context.Context, 1)
	handler := o.Requests(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
		conn.Close()
		contexts <- context.WithoutCancel(r.Context())
	}), func(*http.Request) bool { return false })
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(over)
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	<-over
	ctx := <-contexts
	o.Operation(ctx, Operation{Protocol: "sse", Kind: "subscription", Name: "N", Took: time.Second})
	if s := log.String(); strings.Count(s, `"request":"`) != 2 || strings.Count(s, `"msg":"operation"`) != 1 || !strings.Contains(s, `"status":200`) {
		t.Errorf("lines: %s", s)
	}
	wantLines(t, scrape(t, o), `zeroten_http_responses_total{status="200"} 1`, `zeroten_http_response_duration_seconds_count 0`)
}

func TestErrorLogHasNoAddresses(t *testing.T) {
	o, log := observer(t, nil)
	ErrorLog(o.log).Printf("TLS handshake error from 203.0.113.7:4711 and [2001:db8::1%%eth0]:80 and 203.0.113.8: EOF")
	if s := log.String(); !strings.Contains(s, "EOF") || strings.Contains(s, "203.") || strings.Contains(s, "2001") || strings.Contains(s, "4711") {
		t.Error(s)
	}
}

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	log := NewLogger(&b, false, slog.LevelWarn)
	ctx := context.WithValue(t.Context(), requestKey{}, &request{id: "r1"})
	log.InfoContext(ctx, "no")
	log.With("a", 1).WithGroup("g").WarnContext(ctx, "yes")
	if s := b.String(); strings.Contains(s, "no") || !strings.Contains(s, "r1") || !strings.Contains(s, "a=1") || json.Valid(b.Bytes()) {
		t.Error(s)
	}
}

func TestTracingSettings(t *testing.T) {
	for _, test := range []struct {
		settings map[string]string
		want     bool
		fails    bool
	}{
		{nil, false, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"}, true, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h"}, true, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"}, false, false},
		{map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, false, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, false, true},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, true},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, true, false},
	} {
		got, err := wanted(func(name string) string { return test.settings[name] })
		if got != test.want || (err != nil) != test.fails {
			t.Errorf("%v: %t, %v", test.settings, got, err)
		}
	}
}

// TestTraces sends spans to a collector of the test's own, below the trace that the request names.
func TestTraces(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	bodies := make(chan []byte, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var from io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			from, _ = gzip.NewReader(r.Body)
		}
		body, _ := io.ReadAll(from)
		bodies <- body
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_SERVICE_NAME", "named")
	o, _ := observer(t, func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}[name]
	})
	handler := o.Requests(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, end := o.Span(r.Context(), "query", "Scores", 12)
		end("NOT_FOUND")
		w.WriteHeader(http.StatusServiceUnavailable)
	}), func(*http.Request) bool { return false })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql?secret=secret", strings.NewReader("secret"))
	r.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	r.Header.Set("Authorization", "Bearer secret")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	o.Flush(17, time.Millisecond)
	if err := o.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	sent := string(<-bodies)
	for _, want := range []string{"query Scores", "NOT_FOUND", "HTTP POST", "flush", "zeroten.cost", "named", "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c"} {
		if !strings.Contains(sent, want) {
			t.Errorf("the spans lack %q", want)
		}
	}
	if strings.Contains(sent, "secret") || strings.Contains(sent, "192.0.2.1") {
		t.Errorf("the spans say too much: %q", sent)
	}
}

// A value that cannot be read takes nothing from the others, and ends nothing.
func TestMeasuringPanics(t *testing.T) {
	m := newMetrics()
	m.Gauge("broken", "Panics.", func() float64 { panic("oops") })
	m.Gauge("whole", "Does not.", func() float64 { return 7 })
	answer := httptest.NewRecorder()
	m.handler(slog.New(slog.DiscardHandler)).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(answer.Body.String(), "zeroten_whole 7") || strings.Contains(answer.Body.String(), "zeroten_broken ") {
		t.Errorf("answered %d: %s", answer.Code, answer.Body)
	}
}

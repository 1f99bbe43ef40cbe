package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/observe"
	"github.com/zeroten/zeroten/internal/playground"
	"github.com/zeroten/zeroten/internal/storetest"
)

// lines is a log that may be written and read at the same time.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more sync.Cond // with mu, once somebody waits
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.more.Broadcast()
	return l.text.Write(b)
}

// wait waits for a text.
func (l *lines) wait(t *testing.T, text string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.more.L = &l.mu
	for !bytes.Contains(l.text.Bytes(), []byte(text)) {
		l.more.Wait()
	}
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func get(t *testing.T, method, url, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// TestSeen asks a few things, and looks at what is seen of it.
func TestSeen(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		var log lines
		a, err := app.Open(t.Context(), app.Config{Database: url, Log: observe.NewLogger(&log, true, -4)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}()
		secret, err := a.First(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := a.Listen(t.Context(), "127.0.0.1:0", app.Edge{MetricsListen: "127.0.0.1:0"}, playground.Page{})
		if err != nil {
			t.Fatal(err)
		}
		at := "http://" + s.Addr.String()
		for _, probe := range []string{"/healthz", "/readyz"} {
			if answer, body := get(t, http.MethodGet, at+probe, "", nil); answer.StatusCode != http.StatusOK {
				t.Errorf("%s: %d %s", probe, answer.StatusCode, body)
			}
		}
		if answer, _ := get(t, http.MethodGet, at+"/metrics", "", nil); answer.StatusCode != http.StatusNotFound {
			t.Errorf("metrics are public: %d", answer.StatusCode)
		}
		ids := map[string]bool{}
		for _, sent := range []string{"", "mine-1_2.3", strings.Repeat("x", 65), "two words"} {
			answer, body := get(t, http.MethodPost, at+"/graphql", `{"query": "query Words($comment: String!) { __typename __type(name: $comment) { name } } # geheim", "variables": {"comment": "geheim"}}`,
				map[string]string{"Authorization": "Bearer " + secret, "Content-Type": "application/json", "X-Request-ID": sent})
			got := answer.Header.Get("X-Request-ID")
			if answer.StatusCode != http.StatusOK || got == "" || ids[got] || (got == sent) != (sent == "mine-1_2.3") {
				t.Errorf("id %q, sent %q: %d %s", got, sent, answer.StatusCode, body)
			}
			ids[got] = true
		}
		_, metrics := get(t, http.MethodGet, "http://"+s.MetricsAddr.String()+"/metrics", "", nil)
		for _, want := range []string{
			`(?m)^zeroten_operations_total\{code="OK",kind="query",name="Words",protocol="http"\} 4$`,
			`(?m)^zeroten_operation_duration_seconds_count\{name="Words"\} 4$`,
			`(?m)^zeroten_http_responses_total\{status="404"\} 1$`,
			`(?m)^zeroten_http_connections [1-9]`, `(?m)^zeroten_database_away 0$`, `(?m)^zeroten_queued_operations 0$`,
			`(?m)^go_sql_open_connections\{db_name="reader"\}`, `(?m)^go_goroutines `, `(?m)^process_open_fds `,
		} {
			if !regexp.MustCompile(want).MatchString(metrics) {
				t.Errorf("the metrics lack %s", want)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := s.Wait(ctx); err != nil {
			t.Error(err)
		}
		told := 0
		for line := range strings.Lines(log.String()) {
			var l struct {
				Level, Msg, Request, Route, Tenant, Key, Protocol, Kind, Operation string

				Code   *string
				Status int
				Cost   *int
				TookMs *float64 `json:"took_ms"`
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			switch {
			case l.Msg == "request" && l.Operation == "Words":
				told++
				if l.Level != "INFO" || !ids[l.Request] || l.Route != "/graphql" || l.Status != http.StatusOK || l.Code == nil || l.Cost == nil ||
					l.TookMs == nil || l.Protocol != "http" || l.Kind != "query" || !strings.HasPrefix(l.Tenant, "tenant_") || !strings.HasPrefix(l.Key, "key_") {
					t.Errorf("line: %s", line)
				}
			case strings.HasSuffix(l.Route, "yz") && l.Level != "DEBUG":
				t.Errorf("a probe has a line: %s", line)
			}
		}
		if told != len(ids) {
			t.Errorf("%d lines for %d requests", told, len(ids))
		}
		for _, secret := range []string{secret, "geheim", "127.0.0.1"} {
			if strings.Contains(strings.ReplaceAll(log.String(), a.DB.Name(), ""), secret) || strings.Contains(metrics, secret) {
				t.Errorf("%q is seen:\n%s", secret, log.String())
			}
		}
	})
}

package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// TestEveryLogLineIsJSON has everything log that has no logger of its own: what notes the use of keys, which fails here, and
// OpenTelemetry, whose traces go nowhere.
func TestEveryLogLineIsJSON(t *testing.T) {
	program, url := build(t), storetest.SQLite(t)
	storetest.Open(t, url)
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Writer.Exec(`CREATE TRIGGER refused BEFORE UPDATE ON api_keys BEGIN SELECT raise(ABORT, 'refused'); END`)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	s := serve(t, program, url)
	s.up(t)
	for _, query := range []string{"{ tenant { name } }", "{ nothing }"} {
		answer, body := get(t, http.MethodPost, s.address+"/graphql", `{"query": "`+query+`"}`,
			map[string]string{"Authorization": "Bearer " + s.secrets[0], "Content-Type": "application/json"})
		if answer.StatusCode >= http.StatusInternalServerError {
			t.Errorf("%d %s", answer.StatusCode, body)
		}
	}
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.command.Wait(); err != nil {
		t.Error(err)
	}
	told := map[string]bool{}
	for line := range strings.Lines(s.log.String()) {
		var l struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time == "" || l.Level == "" || l.Msg == "" {
			t.Errorf("not JSON: %s", line)
		}
		told[l.Msg] = true
	}
	for _, want := range []string{"request", "noting the use of a key", "sending traces"} {
		if !told[want] {
			t.Errorf("there is no line %q:\n%s", want, s.log.String())
		}
	}
}

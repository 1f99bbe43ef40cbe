package app_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// TestEveryLogLineIsJSON has everything log that has no logger of its own: what notes the use of keys, which fails here,
// OpenTelemetry, whose traces go nowhere, River, which may not lead, and net/http, which can accept no more connections.
func TestEveryLogLineIsJSON(t *testing.T) {
	program, url := build(t), storetest.SQLite(t)
	storetest.Open(t, url)
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, refused := range []string{"UPDATE ON api_keys", "INSERT ON river_leader"} {
		_, err := db.Writer.Exec(`CREATE TRIGGER ` + strings.ReplaceAll(refused, " ", "_") + ` BEFORE ` + refused + ` BEGIN SELECT raise(ABORT, 'refused'); END`)
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	scarce := filepath.Join(t.TempDir(), "scarce")
	if err := os.WriteFile(scarce, []byte("#!/bin/sh\nulimit -n 64 && exec '"+program+"' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := serve(t, scarce, url)
	s.up(t)
	for _, query := range []string{"{ tenant { name } }", "{ nothing }"} {
		answer, body := get(t, http.MethodPost, s.address+"/graphql", `{"query": "`+query+`"}`,
			map[string]string{"Authorization": "Bearer " + s.secrets[0], "Content-Type": "application/json"})
		if answer.StatusCode >= http.StatusInternalServerError {
			t.Errorf("%d %s", answer.StatusCode, body)
		}
	}
	// Before there are no more files to open: for want of one it would be tried again, and not be an error yet.
	s.log.wait(t, "sending traces")
	s.log.wait(t, "attempting to elect")
	var open []net.Conn
	for range 80 { // those that are not accepted wait
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.address, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	s.log.wait(t, "too many open files")
	for _, c := range open {
		c.Close()
	}
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.command.Wait(); err != nil {
		t.Error(err)
	}
	told := logged(t, s.log.String())
	for _, want := range []string{"request", "noting the use of a key", "sending traces", "http server", "leadership.Elector"} {
		if !slices.ContainsFunc(told, func(l logLine) bool { return strings.HasPrefix(l.Msg, want) }) {
			t.Errorf("there is no line %q:\n%s", want, s.log.String())
		}
	}
}

// TestLastLogLineIsJSON has a server fail in several ways, when it has begun to log and before.
func TestLastLogLineIsJSON(t *testing.T) {
	program := build(t)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	spoiled := storetest.SQLite(t)
	storetest.Open(t, spoiled)
	db, err := store.Open(t.Context(), spoiled, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Writer.Exec(`DROP TABLE tenants`); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, says string
		code       int
		json       bool
		args       []string
	}{
		{"a port in use", "--listen", app.ExitFailed, true, []string{"serve", "--listen=" + taken.Addr().String(), "--database=" + storetest.SQLite(t)}},
		{"no database", "refused", app.ExitFailed, true, []string{"--listen=127.0.0.1:0", "--database=postgres://127.0.0.1:1/x?sslmode=disable"}},
		{"no table", "no such table", app.ExitFailed, true, []string{"serve", "--listen=127.0.0.1:0", "--log-level=ERROR+4", "--database=" + spoiled}},
		{"as text", "--listen", app.ExitFailed, false, []string{"serve", "--log-format=text", "--listen=" + taken.Addr().String(), "--database=" + storetest.SQLite(t)}},
		{"a demo", "--listen", app.ExitFailed, false, []string{"demo", "--listen=" + taken.Addr().String()}},
		{"a demo as JSON", "--listen", app.ExitFailed, true, []string{"demo", "--log-format=json", "--listen=" + taken.Addr().String()}},
		{"a wrong option", "--rate-burst", app.ExitUsage, false, []string{"serve", "--rate-burst=5"}},
		{"another command", "refused", app.ExitFailed, false, []string{"migrate", "--database=postgres://127.0.0.1:1/x?sslmode=disable"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var errs strings.Builder
			cmd := exec.CommandContext(t.Context(), program, test.args...)
			cmd.Stderr, cmd.Dir = &errs, t.TempDir()
			_ = cmd.Run() // its code says more
			code, text := cmd.ProcessState.ExitCode(), errs.String()
			if code != test.code {
				t.Errorf("it ends with %d: %s", code, text)
			}
			if !test.json {
				if !strings.HasPrefix(text, "zeroten: ") || !strings.Contains(text, test.says) {
					t.Errorf("it says %q", text)
				}
				return
			}
			told := logged(t, text)
			if len(told) == 0 {
				t.Fatal("it says nothing")
			}
			if last := told[len(told)-1]; last.Level != "ERROR" || last.ExitCode != test.code || !strings.Contains(last.Error, test.says) {
				t.Errorf("it says %+v", last)
			}
		})
	}
}

// logLine is a line of a log.
type logLine struct {
	Time, Level, Msg, Error string
	ExitCode                int `json:"exit_code"`
}

// logged are the lines of a log; one that is not JSON is an error.
func logged(t *testing.T, text string) (all []logLine) {
	t.Helper()
	for line := range strings.Lines(text) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time == "" || l.Level == "" || l.Msg == "" {
			t.Errorf("not JSON: %s", line)
		}
		all = append(all, l)
	}
	return all
}

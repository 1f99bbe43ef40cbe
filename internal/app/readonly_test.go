package app

import (
	"database/sql"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/zeroten/zeroten/internal/pgtest"
)

// TestReadinessWithoutAWriter has PostgreSQL take no writes, and then take them again.
func TestReadinessWithoutAWriter(t *testing.T) {
	url := pgtest.URL(t)
	a, err := Open(t.Context(), Config{Database: url, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := a.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	admin.SetMaxOpenConns(1)
	r := &readiness{app: a, stopping: &atomic.Bool{}}
	await := func(status int, database string) {
		t.Helper()
		for {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
			var got struct{ Checks map[string]string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if w.Code == status && got.Checks["database"] == database {
				return
			}
		}
	}
	await(http.StatusOK, "ok")
	for _, statement := range []string{
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
	} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	await(http.StatusServiceUnavailable, "takes no writes")
	if _, err := admin.Exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$`); err != nil {
		t.Fatal(err)
	}
	await(http.StatusOK, "ok")
}

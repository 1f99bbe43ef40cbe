package app

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/zeroten/zeroten/internal/storetest"
)

func TestReadiness(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		a, err := Open(t.Context(), Config{Database: url, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}()
		var stopping atomic.Bool
		r := &readiness{app: a, stopping: &stopping}
		for _, test := range []struct {
			name   string
			change func()
			check  string // what is wrong, if anything
			want   string
		}{
			{"all is well", func() {}, "", ""},
			{"a reader lags", func() { a.lagging = func() error { return errors.New("behind") } }, "readers", "behind"},
			{"it has caught up", func() { a.lagging = func() error { return nil } }, "", ""},
			{"the server stops", func() { stopping.Store(true) }, "serving", "stopping"},
			{"the database is gone", func() {
				stopping.Store(false)
				if err := a.DB.Reader.Close(); err != nil {
					t.Fatal(err)
				}
				r = &readiness{app: a, stopping: &stopping}
			}, "database", "no answer"},
		} {
			test.change()
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
			var got struct {
				OK     bool
				Checks map[string]string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if well := test.check == ""; (w.Code == http.StatusOK) != well || got.OK != well || len(got.Checks) != 4 || got.Checks[test.check] != test.want {
				t.Errorf("%s: %d %s", test.name, w.Code, w.Body)
			}
		}
	})
}

func TestEdge(t *testing.T) {
	var e Edge
	if err := e.check(); err != nil || e.MaxConnections != 20_000 || e.RequestTimeout == 0 {
		t.Errorf("%+v: %v", e, err)
	}
	for _, e := range []Edge{{RateBurst: -1}, {RateBurst: 999}, {AnonymousBurst: 999}, {AnonymousRestore: -1}, {MaxConnections: -1}, {RequestTimeout: -1}, {RequestTimeout: writeTimeout}} {
		if err := e.check(); err == nil {
			t.Errorf("%+v passes", e)
		}
	}
	if err := (&Edge{RateBurst: 1_000, AnonymousBurst: 1_000}).check(); err != nil {
		t.Error(err)
	}
}

package app_test

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/playground"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// TestFollowersSeen looks at the metrics and at the readiness of a server that follows logs.
func TestFollowersSeen(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		a, err := app.Open(t.Context(), app.Config{Database: url, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}()
		if _, err := a.First(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, _, err := a.As(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		// One is stuck at an event, the other takes all.
		done, proceed := make(chan int64, 10), make(chan struct{})
		a.Follow.Handle(follow.Kind{Name: "stuck", EachTenant: true, Take: func(ctx context.Context, _ follow.Follower, _ []*feedback.Entry) (func(*store.Tx) error, error) {
			select {
			case <-proceed:
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}})
		a.Follow.Handle(follow.Kind{Name: "swift", EachTenant: true, Take: func(_ context.Context, _ follow.Follower, entries []*feedback.Entry) (func(*store.Tx) error, error) {
			done <- entries[len(entries)-1].Position
			return nil, nil
		}})
		c, err := campaign.Create(ctx, a.DB, campaign.CreateInput{Name: "Campaign"})
		if err != nil {
			t.Fatal(err)
		}
		items := []feedback.Recording{{Campaign: id.Campaign.Format(c.ID), Score: 9, Channel: "API"}, {Campaign: id.Campaign.Format(c.ID), Score: 3, Channel: "API"}}
		if _, err := a.Log.Record(ctx, items); err != nil {
			t.Fatal(err)
		}
		if err := a.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := a.Listen(t.Context(), "127.0.0.1:0", app.Edge{MetricsListen: "127.0.0.1:0"}, playground.Page{})
		if err != nil {
			t.Fatal(err)
		}
		ready := func() (bool, string) {
			answer, body := get(t, http.MethodGet, "http://"+s.Addr.String()+"/readyz", "", nil)
			return answer.StatusCode == http.StatusOK, body
		}
		for position := int64(0); position < 2; {
			position = <-done
		}
		wanted := []*regexp.Regexp{
			regexp.MustCompile(`(?m)^zeroten_follower_lag_events\{kind="stuck"\} 2$`),
			regexp.MustCompile(`(?m)^zeroten_follower_lag_events\{kind="swift"\} 0$`),
			regexp.MustCompile(`(?m)^zeroten_follower_lag_seconds\{kind="stuck"\} [0-9]`),
			regexp.MustCompile(`(?m)^zeroten_follower_lag_seconds\{kind="swift"\} 0$`),
			regexp.MustCompile(`(?m)^zeroten_followers_owned 3$`),
			regexp.MustCompile(`(?m)^zeroten_followers_failing 0$`),
		}
		for _, want := range wanted { // once what was done has been committed
			for {
				if _, metrics := get(t, http.MethodGet, "http://"+s.MetricsAddr.String()+"/metrics", "", nil); want.MatchString(metrics) {
					break
				}
			}
		}
		if ok, body := ready(); !ok {
			t.Errorf("what is behind and owned makes it unready: %s", body)
		}
		// Nobody has owned it for long, and nobody can.
		forbid, allow := []string{`CREATE TRIGGER no_claims BEFORE UPDATE ON followers BEGIN SELECT RAISE(ABORT, 'no claims'); END`}, `DROP TRIGGER no_claims`
		if a.DB.Dialect == store.Postgres {
			forbid, allow = []string{
				`CREATE FUNCTION no_claims() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no claims'; END $$`,
				`CREATE TRIGGER no_claims BEFORE UPDATE ON followers FOR EACH ROW EXECUTE FUNCTION no_claims()`,
			}, `DROP TRIGGER no_claims ON followers`
		}
		err = a.DB.Write(ctx, func(tx *store.Tx) error {
			for _, query := range append([]string{`UPDATE followers SET lease_until = 0 WHERE kind = 'stuck'`}, forbid...) {
				if _, err := tx.SQL.ExecContext(ctx, query); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for {
			if ok, body := ready(); !ok {
				if !strings.Contains(body, `"readers":"behind"`) {
					t.Errorf("it says %s", body)
				}
				break
			}
		}
		if _, err := a.DB.Writer.ExecContext(ctx, allow); err != nil {
			t.Fatal(err)
		}
		close(proceed)
		for {
			if ok, _ := ready(); ok {
				break
			}
		}
	})
}

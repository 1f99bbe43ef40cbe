package store_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// listening hears what is sent to a channel until the test ends.
type listening struct {
	heard     chan string
	connected chan struct{}
}

func listen(t *testing.T, db *store.DB, channel string) listening {
	l := listening{make(chan string, 1000), make(chan struct{}, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		ended <- db.Listen(ctx, channel, func(payload string) { l.heard <- payload }, func() { l.connected <- struct{}{} })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Listen ended with %v", err)
		}
	})
	return l
}

func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("waiting for %s in vain", what)
		panic("unreachable")
	}
}

func TestListen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		first, second := listen(t, db, "a \"channel\""), listen(t, db, "a \"channel\"")
		other := listen(t, db, "another")
		if db.Dialect == store.SQLite {
			if err := db.Notify(ctx, "another", []string{"x"}); err != nil {
				t.Fatal(err)
			}
			return // the cleanups see that each Listen waits for its end
		}
		for _, l := range []listening{first, second, other} {
			within(t, "a connection", l.connected)
		}
		sent := []string{`1`, `with "quotes", {braces} and \`, ``, strings.Repeat("long ", 1000)}
		if err := db.Notify(ctx, "a \"channel\"", sent); err != nil {
			t.Fatal(err)
		}
		if err := db.Notify(ctx, "another", []string{"theirs"}); err != nil {
			t.Fatal(err)
		}
		for _, l := range []listening{first, second} {
			var got []string
			for range sent {
				got = append(got, within(t, "a payload", l.heard))
			}
			if !slices.Equal(got, sent) {
				t.Errorf("heard %q, want %q", got, sent)
			}
		}
		if got := within(t, "a payload", other.heard); got != "theirs" {
			t.Errorf("the other channel heard %q", got)
		}
		if err := db.Notify(ctx, "another", nil); err != nil {
			t.Error(err)
		}
	})
}

// TestListenAgain has the server end the connections, again and again.
func TestListenAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if db.Dialect == store.SQLite {
			return
		}
		ctx := t.Context()
		l := listen(t, db, "again")
		for i := range 5 {
			within(t, "a connection", l.connected)
			payload := strconv.Itoa(i)
			if err := db.Notify(ctx, "again", []string{payload}); err != nil {
				t.Fatal(err)
			}
			if got := within(t, "a payload", l.heard); got != payload {
				t.Errorf("heard %q, want %q", got, payload)
			}
			var ended int
			err := db.Reader.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND query LIKE 'LISTEN%'`).Scan(&ended)
			if err != nil || ended != 1 {
				t.Fatalf("%d connections were ended, %v", ended, err)
			}
		}
	})
}

func TestMarks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		var tenants []uuid.UUID
		for i := range 3 {
			tenants = append(tenants, uuid.Must(uuid.NewV7()))
			_, err := db.Writer.ExecContext(ctx, `INSERT INTO tenants (id, name, created_at, log_position, revision, settings, cube, time_zone)
				VALUES ($1, 'T', $2, $3, $4, $5, 0, 'UTC')`, tenants[i], time.Now().UTC(), i, 10+i, 100+i)
			if err != nil {
				t.Fatal(err)
			}
		}
		marks, err := db.Marks(ctx, append(tenants[1:], uuid.Must(uuid.NewV7())))
		if err != nil {
			t.Fatal(err)
		}
		if len(marks) != 2 || marks[tenants[1]] != (store.Mark{Position: 1, Revision: 11, Settings: 101}) || marks[tenants[2]].Position != 2 {
			t.Errorf("got %v", marks)
		}
	})
}

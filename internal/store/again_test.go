package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// Two who wait for each other both come to their end, though PostgreSQL ends one of them.
func TestWriteAgainAfterADeadlock(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := db.Writer.ExecContext(ctx, `CREATE TABLE again (id bigint PRIMARY KEY, n bigint NOT NULL)`); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Writer.ExecContext(ctx, `INSERT INTO again VALUES (1, 0), (2, 0)`); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		first := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
		runs := [2]int{}
		for i := range 2 {
			both.Go(func() {
				err := db.WriteAgain(ctx, func(tx *store.Tx) error {
					runs[i]++
					for k, row := range []int{1 + i, 2 - i} {
						if _, err := tx.SQL.ExecContext(ctx, `UPDATE again SET n = n + 1 WHERE id = $1`, row); err != nil {
							return err
						}
						if k == 0 && runs[i] == 1 && db.Dialect == store.Postgres { // on SQLite one waits for the other from the start
							close(first[i])
							select {
							case <-first[1-i]:
							case <-ctx.Done():
								return ctx.Err()
							}
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		want := 2
		if db.Dialect == store.Postgres {
			want = 3 // or more, where the one is not on its way when the other comes again
		}
		if all := runs[0] + runs[1]; all < want || db.Dialect == store.SQLite && all > want {
			t.Errorf("they ran %v times, want %d in all", runs, want)
		}
		sum := 0
		if err := db.Reader.QueryRowContext(ctx, `SELECT sum(n) FROM again`).Scan(&sum); err != nil || sum != 4 {
			t.Errorf("%d were added, %v, want 4", sum, err)
		}
	})
}

// Whatever else goes wrong is not tried again, and what would go wrong for ever is not tried for ever.
func TestWriteAgainGivesUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		runs := 0
		ours := errors.New("ours")
		err := db.WriteAgain(t.Context(), func(*store.Tx) error {
			runs++
			return ours
		})
		if !errors.Is(err, ours) || runs != 1 {
			t.Errorf("%v after %d runs", err, runs)
		}
		for _, table := range []string{`CREATE TABLE again (id bigint PRIMARY KEY)`, `CREATE TABLE again_of (id bigint NOT NULL REFERENCES again (id))`} {
			if _, err := db.Writer.ExecContext(t.Context(), table); err != nil {
				t.Fatal(err)
			}
		}
		runs = 0
		err = db.WriteAgain(t.Context(), func(tx *store.Tx) error {
			runs++
			_, err := tx.SQL.ExecContext(t.Context(), `INSERT INTO again_of VALUES (1)`)
			return err
		})
		want := 1 // on SQLite nobody can have come in between
		if db.Dialect == store.Postgres {
			want = 5
		}
		if err == nil || store.IsOrphaned(err) != (db.Dialect == store.Postgres) || runs != want {
			t.Errorf("%v after %d runs, want %d", err, runs, want)
		}
	})
}

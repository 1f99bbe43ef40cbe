package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// What is read of a moment does not see what is written after its first statement, in whatever way it is read, and the
// database as it is does.
func TestAt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := auth.ForSystem(t.Context())
		add := func() {
			t.Helper()
			err := db.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Ent.Tenant.Create().SetName("one more").SetTimeZone("UTC").Save(ctx)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		ways := map[string]func(of *store.DB) (int, error){
			"by a query": func(of *store.DB) (n int, err error) {
				rows, err := of.Query(ctx, `SELECT count(*) FROM tenants`)
				if err != nil {
					return 0, err
				}
				defer rows.Close()
				for rows.Next() {
					if err := rows.Scan(&n); err != nil {
						return 0, err
					}
				}
				return n, rows.Err()
			},
			"by ent": func(of *store.DB) (int, error) { return of.Ent.Tenant.Query().Count(ctx) },
			"in a snapshot": func(of *store.DB) (n int, err error) {
				err = of.Snapshot(ctx, func(tx *store.Tx) error { return tx.SQL.QueryRowContext(ctx, `SELECT count(*) FROM tenants`).Scan(&n) })
				return n, err
			},
			"sifting": func(of *store.DB) (n int, err error) {
				err = of.Sift(ctx, func() error {
					n, err = of.Ent.Tenant.Query().Count(ctx)
					return err
				})
				return n, err
			},
		}
		add()
		err := db.At(ctx, func(then *store.DB) error {
			for range 3 {
				for name, count := range ways {
					if n, err := count(then); err != nil || n != 1 {
						t.Errorf("%s there are %d then, %v", name, n, err)
					}
				}
				add()
			}
			for name, count := range ways {
				if n, err := count(then.Now()); err != nil || n != 4 {
					t.Errorf("%s there are %d now, %v", name, n, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if db.Now() != db {
			t.Error("the database as it is is another")
		}
	})
}

// However many ask for moments, connections are left for what else those need who have one; the others wait, as long as their
// context.
func TestMomentsWait(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url, store.Options{MaxConns: store.MinConns})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}()
		ctx := t.Context()
		const many = 20
		errs := make(chan error)
		for range many {
			go func() {
				errs <- db.At(ctx, func(then *store.DB) error {
					// One more connection, beside that of the moment.
					return then.Now().Snapshot(ctx, func(tx *store.Tx) error {
						var one int
						return tx.SQL.QueryRowContext(ctx, `SELECT 1`).Scan(&one)
					})
				})
			}()
		}
		for range many {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		var nest func(depth int) error
		nest = func(depth int) error {
			if depth == 0 {
				gone, cancel := context.WithCancelCause(ctx)
				cancel(errors.New("gone"))
				if err := db.At(gone, func(*store.DB) error { return errors.New("it was let in") }); err == nil || err.Error() != "waiting to read: gone" {
					return fmt.Errorf("got %w", err)
				}
				return nil
			}
			return db.At(ctx, func(*store.DB) error { return nest(depth - 1) })
		}
		if err := nest(3); err != nil {
			t.Errorf("a fourth: %v", err)
		}
	})
}

// One tenant's moments leave room for another's, however many wait; and so does what one sifts, in moments too.
func TestRoomForOthers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for how, at := range map[string]func(ctx context.Context, f func() error) error{
			"moments": func(ctx context.Context, f func() error) error {
				return db.At(ctx, func(*store.DB) error { return f() })
			},
			"sifting": db.Sift,
		} {
			t.Run(how, func(t *testing.T) { leavesRoom(t, at) })
		}
		if n := db.ReadMoments() + db.Sifting(); n != 0 {
			t.Errorf("%d tenants are remembered", n)
		}
		// Who reads a moment waits to sift as others do.
		ctx := auth.ForTenant(t.Context(), uuid.New())
		gone, cancel := context.WithCancelCause(ctx)
		cancel(errors.New("gone"))
		err := db.Sift(ctx, func() error {
			return db.Sift(ctx, func() error {
				return db.At(ctx, func(then *store.DB) error {
					for range 20 {
						if err := then.Sift(gone, func() error { return nil }); err == nil || err.Error() != "waiting to read: gone" {
							return fmt.Errorf("one more is let in: %w", err)
						}
					}
					return nil
				})
			})
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func leavesRoom(t *testing.T, at func(ctx context.Context, f func() error) error) {
	t.Helper()
	us, them, last := auth.ForTenant(t.Context(), uuid.New()), auth.ForTenant(t.Context(), uuid.New()), auth.ForTenant(t.Context(), uuid.New())
	waits := func(ctx context.Context) error {
		gone, cancel := context.WithCancelCause(ctx)
		cancel(errors.New("gone"))
		for range 20 { // where there is room, either may be chosen
			if err := at(gone, func() error { return nil }); err == nil || err.Error() != "waiting to read: gone" {
				return fmt.Errorf("one more is let in: %w", err)
			}
		}
		return nil
	}
	const many = 5
	errs := make(chan error, many)
	err := at(us, func() error {
		return at(us, func() error {
			if err := waits(us); err != nil {
				return err
			}
			for range many {
				go func() { errs <- at(us, func() error { return nil }) }()
			}
			return at(them, func() error { return errors.Join(waits(us), waits(them), waits(last)) })
		})
	})
	if err != nil {
		t.Error(err)
	}
	for range many {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

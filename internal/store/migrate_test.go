package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// whole fails where anything lacks.
func whole(t *testing.T, db *store.DB) {
	t.Helper()
	if pending, err := db.Pending(t.Context()); err != nil || len(pending) > 0 {
		t.Errorf("pending %v, %v", pending, err)
	}
	if missing, err := db.Diff(t.Context()); err != nil || missing != "" {
		t.Errorf("missing %s, %v", missing, err)
	}
	var jobs int
	if err := db.Reader.QueryRowContext(t.Context(), `SELECT count(*) FROM river_job`).Scan(&jobs); err != nil {
		t.Error(err)
	}
}

// TestMigrateGoesOn ends after each migration, as if the process were killed there, and starts again.
func TestMigrateGoesOn(t *testing.T) {
	fresh, err := store.Open(t.Context(), storetest.SQLite(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	toRun, err := fresh.Pending(t.Context())
	if err != nil || len(toRun) < 8 { // two of ours, and River's six
		t.Fatalf("an empty database lacks %v, %v", toRun, err)
	}
	steps := len(toRun)
	for end := range steps {
		t.Run(fmt.Sprint("after ", end+1), func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				db, err := store.Open(t.Context(), url, store.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				all, err := db.Pending(t.Context())
				if err != nil || len(all) != steps {
					t.Fatalf("there are %v to run, %v; want %d", all, err, steps)
				}
				killed, at := errors.New("killed"), 0
				db.AfterMigration(func(string) error {
					if at == end {
						return killed
					}
					at++
					return nil
				})
				if _, err := db.Migrate(t.Context()); !errors.Is(err, killed) {
					t.Fatalf("got %v", err)
				}
				pending, err := db.Pending(t.Context())
				if err != nil || len(pending) < steps-end-1 || !slices.Equal(pending, all[steps-len(pending):]) {
					t.Fatalf("pending %v, %v", pending, err)
				}
				db.AfterMigration(nil)
				ran, err := db.Migrate(t.Context())
				if err != nil || !slices.Equal(ran, pending) {
					t.Errorf("ran %v of %v: %v", ran, pending, err)
				}
				whole(t, db)
			})
		})
	}
}

// TestMigrateCompletesJobs begins with job tables of every version, as an older program that was killed left them behind:
// it thought all was done once our own migrations were.
func TestMigrateCompletesJobs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		down := func(to int) ([]rivermigrate.MigrateVersion, error) {
			var driver riverdriver.Driver[*sql.Tx] = riversqlite.New(db.Writer)
			if db.Dialect == store.Postgres {
				driver = riverdatabasesql.New(db.Writer)
			}
			m, err := rivermigrate.New(driver, nil)
			if err != nil {
				return nil, err
			}
			r, err := m.Migrate(t.Context(), rivermigrate.DirectionDown, &rivermigrate.MigrateOpts{TargetVersion: to})
			if err != nil {
				return nil, err
			}
			return r.Versions, nil
		}
		for version := 5; version != 0; version-- {
			to := version
			if version == 1 {
				to = -1 // nothing at all
			}
			undone, err := down(to)
			if err != nil || len(undone) == 0 {
				t.Fatalf("down to %d: %v, %v", version, undone, err)
			}
			ran, err := db.Migrate(t.Context())
			if err != nil || len(ran) != len(undone) {
				t.Errorf("from version %d: ran %v, %v", version, ran, err)
			}
			whole(t, db)
		}
	})
}

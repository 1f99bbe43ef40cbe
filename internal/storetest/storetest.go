// Package storetest gives tests a migrated database of each kind.
package storetest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/zeroten/zeroten/internal/pgtest"
	"github.com/zeroten/zeroten/internal/store"
)

// Each runs the test on SQLite and on PostgreSQL, each time with a fresh database. Where there is no PostgreSQL its
// half is skipped, and says so.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) { test(t, Open(t, url)) })
}

// EachURL is Each for tests that open the database themselves, several times or in other processes.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, pgtest.URL(t)) })
}

// SQLite is the address of a file that does not exist yet.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite://" + filepath.Join(t.TempDir(), "zeroten.db")
}

// Open opens and migrates a database, and closes it when the test ends.
func Open(t testing.TB, url string) *store.DB {
	t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return db
}

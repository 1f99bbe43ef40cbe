package store_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// TestLocked has another process hold SQLite's lock: a writer waits, as long as it was told to, and is told why it failed.
func TestLocked(t *testing.T) {
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	if _, err := db.Writer.Exec(`PRAGMA busy_timeout = 1`); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", "file:"+filepath.ToSlash(strings.TrimPrefix(url, "sqlite://"))+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	write := func() error { return db.Write(t.Context(), func(*store.Tx) error { return nil }) }
	err = write()
	if known := store.Explain(err); known == nil || known.Code != apierror.Overloaded || known.RetryAfter == 0 || store.IsUnreachable(err) {
		t.Errorf("told %v, which is %v", err, known)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("who reads is told %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestWaitsForLocks is that every connection waits as long as the documentation says, those that come later too.
func TestWaitsForLocks(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	for name, pool := range map[string]*sql.DB{"writer": db.Writer, "reader": db.Reader} {
		var conns []*sql.Conn
		for range pool.Stats().MaxOpenConnections {
			c, err := pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
			var wait int
			if err := c.QueryRowContext(t.Context(), `PRAGMA busy_timeout`).Scan(&wait); err != nil || wait != 10_000 {
				t.Errorf("a %s waits for %d ms, %v", name, wait, err)
			}
		}
		for _, c := range conns {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

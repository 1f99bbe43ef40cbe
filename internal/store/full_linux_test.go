package store_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/store"
)

// TestFull fills the disk below a SQLite database, or where a test may not mount one the pages that it may have.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	mounted := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m") == nil
	if mounted {
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, 0); err != nil {
				t.Error(err)
			}
		})
	}
	db, err := store.Open(t.Context(), "sqlite://"+filepath.Join(dir, "full.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	limit := func(pages string) {
		if _, err := db.Writer.Exec(`PRAGMA max_page_count = ` + pages); err != nil {
			t.Fatal(err)
		}
	}
	if !mounted {
		limit("500")
	}
	if _, err := db.Writer.Exec(`CREATE TABLE full (text text)`); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 50_000)
	insert := func() error {
		return db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.SQL.Exec(`INSERT INTO full VALUES ($1)`, text)
			return err
		})
	}
	written := 0
	for err = insert(); err == nil; err = insert() {
		written++
	}
	for range 3 { // it goes on being clear
		known := store.Explain(err)
		if !store.IsFull(err) || store.IsUnreachable(err) || known == nil || known.Code != apierror.Overloaded || known.RetryAfter == 0 {
			t.Fatalf("on a full disk: %v", err)
		}
		err = insert()
	}
	count := func() (n int) {
		t.Helper()
		if err := db.Reader.QueryRow(`SELECT count(*) FROM full`).Scan(&n); err != nil {
			t.Fatalf("reading on a full disk: %v", err)
		}
		return n
	}
	if n := count(); n != written || n == 0 {
		t.Errorf("%d rows, %d were acknowledged", n, written)
	}
	if !mounted {
		limit("100000")
	} else if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	if err := insert(); err != nil {
		t.Fatalf("once there is room: %v", err)
	}
	var sound string
	if err := db.Reader.QueryRow(`PRAGMA integrity_check`).Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("afterwards it is %q, %v", sound, err)
	}
	if n := count(); n <= written {
		t.Errorf("%d rows", n)
	}
}

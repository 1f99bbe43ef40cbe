package store_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

const secret = "qzmarkedzq"

// holding names the database's files that hold the secret.
func holding(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(secret)) {
			names = append(names, e.Name())
		}
	}
	return names
}

// say puts the secret into the database and takes it out again.
func say(t *testing.T, db *store.DB) {
	t.Helper()
	for _, query := range []string{
		`INSERT INTO tenants (id, name, time_zone, created_at) VALUES ('01890000-0000-7000-8000-000000000000', '` + secret + `', 'UTC', '2026-01-01')`,
		`DELETE FROM tenants`,
	} {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.SQL.ExecContext(t.Context(), query)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestForgetWaitsForReaders has somebody read from before the deletion, in this process or by a connection of their own.
func TestForgetWaitsForReaders(t *testing.T) {
	url := storetest.SQLite(t)
	folder := filepath.Dir(strings.TrimPrefix(url, "sqlite://"))
	db, other := storetest.Open(t, url), storetest.Open(t, url)
	reading, err := other.Reader.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := reading.QueryRowContext(t.Context(), `SELECT count(*) FROM tenants`).Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	say(t, db)
	if held := db.Empty(); held == nil {
		t.Error("the log was emptied under a reader")
	}
	if found := holding(t, folder); len(found) != 1 || !strings.HasSuffix(found[0], "-wal") {
		t.Errorf("it is in %v, want the write-ahead log", found)
	}
	db.Forget()
	if err := reading.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := db.Forgotten(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := holding(t, folder); len(found) != 0 {
		t.Errorf("it is still in %v", found)
	}
}

// TestForgetWhatAKilledProcessLeft opens the files of a process that did not come to emptying its log.
func TestForgetWhatAKilledProcessLeft(t *testing.T) {
	url := storetest.SQLite(t)
	file := strings.TrimPrefix(url, "sqlite://")
	db := storetest.Open(t, url)
	if err := db.Forgotten(t.Context()); err != nil {
		t.Fatal(err)
	}
	say(t, db)
	left := filepath.Join(t.TempDir(), "left.db")
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left+suffix, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if len(holding(t, filepath.Dir(left))) == 0 {
		t.Fatal("nothing was left")
	}
	again := storetest.Open(t, "sqlite://"+left)
	if err := again.Forgotten(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := holding(t, filepath.Dir(left)); len(found) != 0 {
		t.Errorf("it is still in %v", found)
	}
}

// TestForgetAfterClose asks a database that is closed, or that has nothing to forget.
func TestForgetAfterClose(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Forgotten(t.Context()); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db.Forget()
		if err := db.Forgotten(t.Context()); db.Dialect == store.SQLite && err == nil {
			t.Error("a closed database has forgotten")
		}
	})
}

func modes(t *testing.T, folder string) map[string]fs.FileMode {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]fs.FileMode{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		got[strings.TrimPrefix(e.Name(), "zeroten.db")] = info.Mode().Perm()
	}
	return got
}

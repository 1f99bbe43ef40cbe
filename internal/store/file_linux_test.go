package store_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// TestFilesArePrivate makes databases under umasks that give all to everybody, and nothing to anybody.
func TestFilesArePrivate(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o777} {
		url := storetest.SQLite(t)
		folder := filepath.Dir(strings.TrimPrefix(url, "sqlite://"))
		if err := os.Chmod(folder, 0o751); err != nil {
			t.Fatal(err)
		}
		before := syscall.Umask(mask)
		db, err := store.Open(t.Context(), url, store.Options{})
		if err == nil {
			_, err = db.Migrate(t.Context())
		}
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]fs.FileMode{"": 0o600, "-wal": 0o600, "-shm": 0o600}
		if got := modes(t, folder); !maps.Equal(got, want) {
			t.Errorf("under the umask %04o: %v, want %v", mask, got, want)
		}
		if files, mode, err := db.Exposed(); len(files) > 0 || err != nil {
			t.Errorf("exposed are %v by %v, %v", files, mode, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o751 {
			t.Errorf("the folder has changed: %v, %v", info.Mode(), err)
		}
	}
}

// TestExposed opens a database that others may read.
func TestExposed(t *testing.T) {
	url := storetest.SQLite(t)
	file := strings.TrimPrefix(url, "sqlite://")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, exposed := range map[fs.FileMode]bool{0o600: false, 0o640: true, 0o604: true, 0o660: true} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(t.Context(), url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		files, got, err := db.Exposed()
		if err != nil || len(files) > 0 != exposed || exposed && (files[0] != file || got != mode) {
			t.Errorf("%v: got %v by %v, %v", mode, files, got, err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%v was changed to %v, %v", mode, info.Mode(), err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
)

// private is the mode of a new database: what people said is for nobody else on the machine. SQLite gives the files that it
// puts beside it the same mode.
const private fs.FileMode = 0o600

// makeFile makes the database's file where there is none.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, private)
	if errors.Is(err, fs.ErrExist) {
		return nil // as it is, or another process was faster
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	// Whatever the umask takes away.
	return errors.Join(f.Chmod(private), f.Close())
}

// Exposed says which of the database's files others on the machine may read or write, and by what mode; nothing on
// PostgreSQL, and on Windows, where modes say nothing.
func (db *DB) Exposed() (files []string, mode fs.FileMode, err error) {
	if db.file == "" || runtime.GOOS == "windows" {
		return nil, 0, nil
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(db.file + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("looking at the database's files: %w", err)
		}
		if info.Mode().Perm()&^private != 0 {
			files, mode = append(files, db.file+suffix), mode|info.Mode().Perm()
		}
	}
	return files, mode, nil
}

// fileName is the file's name as SQLite wants it.
func fileName(path string) string { return "file:" + (&url.URL{Path: path}).EscapedPath() }

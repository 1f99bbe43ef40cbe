// Package migrate has the schema as ent sees it, and the versioned SQL of each dialect.
package migrate

import (
	"embed"
	"fmt"
	"io/fs"

	"entgo.io/ent/dialect"
)

//go:embed all:postgres all:sqlite
var versioned embed.FS

// Files are a dialect's versioned migrations, to be run in the order of their names.
func Files(d string) (fs.FS, error) {
	dir := "sqlite"
	if d == dialect.Postgres {
		dir = "postgres"
	}
	files, err := fs.Sub(versioned, dir)
	if err != nil {
		return nil, fmt.Errorf("finding the migrations of %s: %w", d, err)
	}
	return files, nil
}

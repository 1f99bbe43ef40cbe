package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ariga.io/atlas/sql/migrate"
	atlas "ariga.io/atlas/sql/schema"
	"ariga.io/atlas/sql/sqlite"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/schema"
)

// Diff returns the SQL that still lacks between a migrated database and Tables; nothing where they agree.
func (db *DB) Diff(ctx context.Context) (string, error) {
	dir := &migrate.MemDir{}
	m, err := schema.NewMigrate(entsql.OpenDB(db.Dialect, db.Writer),
		schema.WithDir(dir), schema.WithMigrationMode(schema.ModeInspect), schema.WithFormatter(migrate.DefaultFormatter),
		schema.WithDropColumn(true), schema.WithDropIndex(true), schema.WithDiffHook(withoutRowID))
	if err != nil {
		return "", fmt.Errorf("preparing to compare the schema: %w", err)
	}
	if err := m.NamedDiff(ctx, "diff", Tables()...); err != nil && !errors.Is(err, migrate.ErrNoPlan) {
		return "", fmt.Errorf("comparing the schema: %w", err)
	}
	files, err := dir.Files()
	if err != nil {
		return "", fmt.Errorf("comparing the schema: %w", err)
	}
	var text strings.Builder
	for _, f := range files {
		text.Write(f.Bytes())
	}
	return text.String(), nil
}

// withoutRowID leaves that option of SQLite's tables to the migrations, where it is put by hand: ent cannot say it.
func withoutRowID(next schema.Differ) schema.Differ {
	return schema.DiffFunc(func(current, desired *atlas.Schema) ([]atlas.Change, error) {
		for _, t := range current.Tables {
			t.Attrs = slices.DeleteFunc(t.Attrs, func(a atlas.Attr) bool {
				_, is := a.(*sqlite.WithoutRowID)
				return is
			})
		}
		return next.Diff(current, desired)
	})
}

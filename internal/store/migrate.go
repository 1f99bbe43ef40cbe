package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/zeroten/zeroten/ent/migrate"
)

// ErrNewer is returned for a database that a newer version of the program has migrated.
var ErrNewer = errors.New("the database is from a newer version of zeroten: start that version, or a newer one")

// migrationLock is the key of PostgreSQL's advisory lock around migrations.
const migrationLock = 7_305_010

// Migrate brings the schema up to date and returns the names of the migrations that it ran. Processes that start
// together wait for each other.
func (db *DB) Migrate(ctx context.Context) ([]string, error) {
	ran, err := db.migrate(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrating %s: %w", db.Name(), err)
	}
	return ran, nil
}

func (db *DB) migrate(ctx context.Context) (ran []string, failed error) {
	// River's migrations are idempotent but take transactions of their own, so that one lock has to span several.
	if db.Dialect == Postgres {
		conn, err := db.Writer.Conn(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, migrationLock); err != nil {
			return nil, fmt.Errorf("locking: %w", err)
		}
		defer func() {
			_, unlock := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, migrationLock)
			failed = errors.Join(failed, unlock)
		}()
	}
	pending, err := db.Pending(ctx)
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	files, err := migrate.Files(db.Dialect)
	if err != nil {
		return nil, err
	}
	for _, name := range pending {
		err := db.Write(ctx, func(tx *Tx) error {
			const table = `CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at text NOT NULL)`
			if _, err := tx.SQL.ExecContext(ctx, table); err != nil {
				return err
			}
			// On SQLite the transaction is the lock, so another process may have been here in between.
			var n int
			if err := tx.SQL.QueryRowContext(ctx, `SELECT count(*) FROM schema_migrations WHERE name = $1`, name).Scan(&n); err != nil || n > 0 {
				return err
			}
			text, err := fs.ReadFile(files, name)
			if err != nil {
				return err
			}
			if _, err := tx.SQL.ExecContext(ctx, string(text)); err != nil {
				return err
			}
			_, err = tx.SQL.ExecContext(ctx, `INSERT INTO schema_migrations (name, applied_at) VALUES ($1, CURRENT_TIMESTAMP)`, name)
			return err
		})
		if err != nil {
			return ran, fmt.Errorf("running %s: %w", name, err)
		}
		ran = append(ran, name)
	}
	// A new River comes with a migration of ours beside it, if only an empty one, so this need not be asked each time.
	if db.Dialect == Postgres {
		return ran, migrateRiver(ctx, riverdatabasesql.New(db.Writer))
	}
	return ran, migrateRiver(ctx, riversqlite.New(db.Writer))
}

func migrateRiver(ctx context.Context, driver riverdriver.Driver[*sql.Tx]) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("preparing the job tables: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("making the job tables: %w", err)
	}
	return nil
}

// Pending returns the migrations that the database still lacks, in order. The error is ErrNewer where it has one that
// this program does not know.
func (db *DB) Pending(ctx context.Context) ([]string, error) {
	files, err := migrate.Files(db.Dialect)
	if err != nil {
		return nil, err
	}
	known, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(known)
	applied, err := db.applied(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading which migrations ran: %w", err)
	}
	for _, name := range applied {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%w (it has %s)", ErrNewer, strings.TrimSuffix(name, ".sql"))
		}
	}
	return slices.DeleteFunc(known, func(name string) bool { return slices.Contains(applied, name) }), nil
}

func (db *DB) applied(ctx context.Context) ([]string, error) {
	exists := `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'`
	if db.Dialect == Postgres {
		exists = `SELECT count(to_regclass('schema_migrations'))`
	}
	var n int
	if err := db.Writer.QueryRowContext(ctx, exists).Scan(&n); err != nil || n == 0 {
		return nil, err
	}
	rows, err := db.Writer.QueryContext(ctx, `SELECT name FROM schema_migrations ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

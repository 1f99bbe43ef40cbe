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

// startLock is the key of PostgreSQL's advisory lock around all that happens at a start.
const startLock = 7_305_010

// Migrate brings the schema up to date, the job tables too, and returns the names of the migrations that it ran. Processes
// that start together wait for each other, however long that takes. What another one, killed meanwhile, left half done is
// completed.
func (db *DB) Migrate(ctx context.Context) (ran []string, err error) {
	pending, err := db.Pending(ctx)
	if err == nil && len(pending) > 0 {
		if db.Dialect == Postgres {
			ran, err = db.migratePostgres(ctx)
		} else {
			ran, err = db.migrateSQLite(ctx)
		}
	}
	if err != nil {
		return ran, fmt.Errorf("migrating %s: %w", db.Name(), err)
	}
	return ran, nil
}

// migratePostgres migrates under a lock of the session, since River's migrations take transactions of their own.
func (db *DB) migratePostgres(ctx context.Context) (ran []string, failed error) {
	conn, err := db.Writer.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, startLock); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	defer func() {
		_, unlock := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, startLock)
		failed = errors.Join(failed, unlock)
	}()
	// Another process may have been here while this one waited.
	pending, err := db.pending(ctx, conn)
	if err != nil {
		return nil, err
	}
	for _, name := range pending {
		if err := db.Write(ctx, func(tx *Tx) error { return db.run(ctx, tx, name) }); err != nil {
			return ran, err
		}
		ran = append(ran, name)
	}
	jobs, err := newMigrator(riverdatabasesql.New(db.Writer))
	if err != nil {
		return ran, err
	}
	for { // one by one, each in a transaction
		result, err := jobs.Migrate(ctx, rivermigrate.DirectionUp, &rivermigrate.MigrateOpts{MaxSteps: 1})
		if err != nil {
			return ran, fmt.Errorf("making the job tables: %w", err)
		}
		if len(result.Versions) == 0 {
			return ran, nil
		}
		name := jobMigration(result.Versions[0].Version)
		ran = append(ran, name)
		if err := db.ranStep(name); err != nil {
			return ran, err
		}
	}
}

// migrateSQLite migrates in one transaction, which is the lock at the same time: all or nothing.
func (db *DB) migrateSQLite(ctx context.Context) (ran []string, err error) {
	err = db.WriteAlone(ctx, func(tx *Tx) error {
		ran = nil
		pending, err := db.pending(ctx, tx.SQL)
		if err != nil {
			return err
		}
		for _, name := range pending {
			if err := db.run(ctx, tx, name); err != nil {
				return err
			}
			ran = append(ran, name)
		}
		jobs, err := newMigrator(riversqlite.New(nil))
		if err != nil {
			return err
		}
		//nolint:staticcheck // on SQLite all of them can be put together, and all or nothing is what is wanted
		result, err := jobs.MigrateTx(ctx, tx.SQL, rivermigrate.DirectionUp, nil)
		if err != nil {
			return fmt.Errorf("making the job tables: %w", err)
		}
		for _, v := range result.Versions {
			name := jobMigration(v.Version)
			ran = append(ran, name)
			if err := db.ranStep(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ran, nil
}

// WriteAlone is Write under the lock of Migrate, for what only one of several processes that start together may do. It
// waits for it as long as the context lives.
func (db *DB) WriteAlone(ctx context.Context, f func(tx *Tx) error) error {
	for {
		begun := false
		err := db.Write(ctx, func(tx *Tx) error {
			begun = true
			if db.Dialect == Postgres {
				if _, err := tx.SQL.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, startLock); err != nil {
					return fmt.Errorf("locking: %w", err)
				}
			}
			return f(tx)
		})
		// On SQLite, whose transaction is the lock, it has waited for its ten seconds.
		if begun || !isBusy(err) || ctx.Err() != nil {
			return err
		}
	}
}

// run runs one of our own migrations.
func (db *DB) run(ctx context.Context, tx *Tx, name string) error {
	const table = `CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at text NOT NULL)`
	if _, err := tx.SQL.ExecContext(ctx, table); err != nil {
		return fmt.Errorf("running %s: %w", name, err)
	}
	files, err := migrate.Files(db.Dialect)
	if err != nil {
		return err
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	if _, err := tx.SQL.ExecContext(ctx, string(text)); err != nil {
		return fmt.Errorf("running %s: %w", name, err)
	}
	if _, err := tx.SQL.ExecContext(ctx, `INSERT INTO schema_migrations (name, applied_at) VALUES ($1, CURRENT_TIMESTAMP)`, name); err != nil {
		return fmt.Errorf("noting that %s ran: %w", name, err)
	}
	return db.ranStep(name)
}

// ranStep is called after each migration: tests end there.
func (db *DB) ranStep(name string) error {
	if db.migrated == nil {
		return nil
	}
	return db.migrated(name)
}

func newMigrator(driver riverdriver.Driver[*sql.Tx]) (*rivermigrate.Migrator[*sql.Tx], error) {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("preparing the job tables: %w", err)
	}
	return m, nil
}

// jobMigration names a migration of the job tables.
func jobMigration(version int) string { return fmt.Sprintf("river_%03d", version) }

// Pending returns the migrations that the database still lacks, in order, those of the job tables last. The error is
// ErrNewer where it has one that this program does not know.
func (db *DB) Pending(ctx context.Context) ([]string, error) {
	pending, err := db.pending(ctx, db.Reader)
	if err != nil {
		return nil, err
	}
	var driver riverdriver.Driver[*sql.Tx] = riversqlite.New(db.Reader)
	if db.Dialect == Postgres {
		driver = riverdatabasesql.New(db.Reader)
	}
	jobs, err := newMigrator(driver)
	if err != nil {
		return nil, err
	}
	applied, err := jobs.ExistingVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading which migrations of the job tables ran: %w", err)
	}
	for _, m := range jobs.AllVersions() {
		if !slices.ContainsFunc(applied, func(a rivermigrate.Migration) bool { return a.Version == m.Version }) {
			pending = append(pending, jobMigration(m.Version))
		}
	}
	return pending, nil
}

// querier is a pool, a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// pending is Pending for our own migrations.
func (db *DB) pending(ctx context.Context, from querier) ([]string, error) {
	files, err := migrate.Files(db.Dialect)
	if err != nil {
		return nil, err
	}
	known, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(known)
	applied, err := db.applied(ctx, from)
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

func (db *DB) applied(ctx context.Context, from querier) ([]string, error) {
	exists := `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'`
	if db.Dialect == Postgres {
		exists = `SELECT count(to_regclass('schema_migrations'))`
	}
	var n int
	if err := from.QueryRowContext(ctx, exists).Scan(&n); err != nil || n == 0 {
		return nil, err
	}
	rows, err := from.QueryContext(ctx, `SELECT name FROM schema_migrations ORDER BY name`)
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

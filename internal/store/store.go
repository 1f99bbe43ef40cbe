// Package store opens the database: SQLite by default, PostgreSQL for production.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"sync"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	_ "github.com/zeroten/zeroten/ent/runtime" // the entities' hooks and policies
	_ "modernc.org/sqlite"                     // the driver "sqlite"
)

// The two dialects.
const (
	SQLite   = dialect.SQLite
	Postgres = dialect.Postgres
)

// Options of Open. The zero value is right for production.
type Options struct {
	// MaxConns bounds the connections: 0 means 26, and MinConns is the least. On SQLite all but one are for reading, and more
	// than 9 are none too many: they are not opened.
	MaxConns int
	// Existing refuses a SQLite file that is not there yet, instead of making it.
	Existing bool
	// Volatile gives up durability, for databases that are thrown away.
	Volatile bool
	// HeldUp, where not nil, is told now and then while something cannot be forgotten (see DB.Forget), for how long, and why.
	HeldUp func(since time.Duration, err error)
}

// How many connections there are to a database where nobody says otherwise, and at least.
const (
	DefaultConns = 26
	MinConns     = 8
)

// DB is an open database.
type DB struct {
	// Dialect is SQLite or Postgres.
	Dialect string
	// Reader serves everything that changes nothing. Writer is for transactions: on SQLite it is one connection,
	// since there is one writer; on PostgreSQL its plans are generic, since its statements take whole batches.
	Reader, Writer *sql.DB
	// Ent reads. Entities are written through Write.
	Ent *ent.Client

	url      string
	prepared *prepared
	// turns has room for one who writes: SQLite has one writer, and those who wait for it are served in the order in
	// which they came. It is nil on PostgreSQL.
	turns chan struct{}
	// writing says for how long anybody has written.
	writing *writing
	// scans has room for as many statements as may read on through many rows at once, and moments for as many as may be read
	// at once. now is the database that moment, a transaction, is of; both are nil of all but what At gives.
	scans   *room
	moments *room
	moment  *sql.Tx
	now     *DB

	// postgres says how connections are opened, dialer makes them; both are for PostgreSQL alone.
	postgres postgresConfig
	dialer   *dialer
	// file and forgetter are for SQLite alone; a volatile database forgets with all of it.
	file      string
	forgetter *forgetter
	// unwatch ends the monitor.
	unwatch func()
	// analyst is for PostgreSQL alone, and unanalyze ends KeepAnalyzed.
	analyst   *analyst
	unanalyze func()

	// migrated, where not nil, is called after each migration, whose error ends them.
	migrated func(name string) error
}

// Tx is a transaction that writes.
type Tx struct {
	// Ent writes entities within the transaction.
	Ent *ent.Client
	// SQL is the same transaction, for SQL by hand and for jobs.
	SQL *sql.Tx
}

// ErrUnreachable wraps what went wrong when a database could not be opened at all.
var ErrUnreachable = errors.New("database unreachable")

// ErrFewConns is what Open says where it may open fewer connections than it needs.
var ErrFewConns = errors.New("connections to the database are too few")

// Open connects to `sqlite:///path/to/file.db`, `sqlite://relative.db` or `postgres://…`. It does not migrate. The error is
// ErrAddress where the address cannot be one.
func Open(ctx context.Context, databaseURL string, opts Options) (*DB, error) {
	if opts.MaxConns == 0 {
		opts.MaxConns = DefaultConns
	}
	if opts.MaxConns < MinConns {
		return nil, fmt.Errorf("%d %w: want %d or more", opts.MaxConns, ErrFewConns, MinConns)
	}
	kind, where, err := parseAddress(databaseURL)
	if err != nil {
		return nil, err
	}
	var db *DB
	if kind == SQLite {
		db, err = openSQLite(where, opts)
	} else {
		db, err = openPostgres(where, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("opening database %s: %w", redact(databaseURL), err)
	}
	db.url, db.scans, db.moments = databaseURL, newRoom(maxScans), newRoom(maxMoments)
	if db.prepared, err = newPrepared(db.Reader); err != nil {
		return nil, errors.Join(err, db.Reader.Close(), db.Writer.Close())
	}
	db.Ent = ent.NewClient(ent.Driver(weighing{entsql.NewDriver(db.Dialect, entsql.Conn{ExecQuerier: db.prepared})}))
	if err := db.check(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("opening database %s: %w", redact(databaseURL), err)
	}
	if db.forgetter != nil {
		db.forgetter.begin()
	}
	return db, nil
}

func openSQLite(path string, opts Options) (*DB, error) {
	if err := checkPath(path, opts.Existing); err != nil {
		return nil, err
	}
	if err := looksLikeSQLite(path); err != nil {
		return nil, err
	}
	if !opts.Existing {
		if err := makeFile(path); err != nil {
			return nil, err
		}
	}
	// NORMAL loses the last commits at power loss, and an answer promises durability.
	settings := []string{"busy_timeout(10000)", "foreign_keys(1)", "synchronous(FULL)", "cache_size(-16384)", "secure_delete(1)"}
	if opts.Volatile {
		settings = []string{"busy_timeout(10000)", "foreign_keys(1)", "synchronous(OFF)", "cache_size(-65536)", "wal_autocheckpoint(8000)"}
	}
	pragmas := func(q url.Values) string {
		q.Set("_time_format", "sqlite")
		for _, p := range settings {
			q.Add("_pragma", p)
		}
		return fileName(path) + "?" + q.Encode()
	}
	writer, err := sql.Open("sqlite", pragmas(url.Values{"_txlock": {"immediate"}, "_pragma": {"journal_mode(WAL)"}}))
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite", pragmas(url.Values{"_pragma": {"query_only(1)"}}))
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	// Each SQLite connection has a page cache of its own, and two cores hardly feed more than these.
	reader.SetMaxOpenConns(min(opts.MaxConns-1, 8))
	reader.SetMaxIdleConns(min(opts.MaxConns-1, 8))
	db := &DB{Dialect: SQLite, Reader: reader, Writer: writer, file: path, turns: make(chan struct{}, 1), writing: &writing{}}
	if !opts.Volatile {
		db.forgetter = newForgetter(path, db.turn, opts.HeldUp)
	}
	return db, nil
}

// looksLikeSQLite refuses other files before SQLite opens them, which would leave files of its own beside them.
func looksLikeSQLite(path string) (err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	switch n, err := io.ReadFull(f, head); {
	case errors.Is(err, io.EOF):
		return nil // an empty file becomes a database
	case n < len(magic) && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case string(head) != magic:
		return fmt.Errorf("%w: the file is not a database", ErrUnreachable)
	}
	return nil
}

func (db *DB) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if db.Dialect == Postgres {
		return db.checkPostgres(ctx)
	}
	// Writing nothing tells a read-only file, and reading the schema tells a file that is no database.
	tx, err := db.Writer.BeginTx(ctx, nil)
	if err == nil {
		_, err = tx.ExecContext(ctx, `PRAGMA user_version = 0`)
		err = errors.Join(err, tx.Rollback())
	}
	if err != nil && !isBusy(err) { // somebody writes to it: so it may be written
		return fmt.Errorf("%w: is it a SQLite database that may be written? %w", ErrUnreachable, err)
	}
	return nil
}

// Close closes all connections.
func (db *DB) Close() error {
	if db.unanalyze != nil {
		db.unanalyze()
	}
	if db.unwatch != nil {
		db.unwatch()
	}
	if db.forgetter != nil {
		db.forgetter.close()
	}
	db.prepared.close()
	err := errors.Join(db.Reader.Close(), db.Writer.Close())
	if err != nil && !IsUnreachable(err) { // what is lost needs no closing
		return fmt.Errorf("closing the database: %w", err)
	}
	return nil
}

// Name is the database's URL without its password.
func (db *DB) Name() string { return redact(db.url) }

func redact(databaseURL string) string {
	kind, where, err := parseAddress(databaseURL)
	if err == nil && kind == SQLite {
		return FileURL(where)
	}
	u, unreadable := url.Parse(where)
	if err != nil || unreadable != nil {
		return "(no URL)"
	}
	return u.Redacted()
}

// Write runs f in a transaction: committed where f returns nil, rolled back otherwise.
// On SQLite those who write take turns, in the order in which they came.
func (db *DB) Write(ctx context.Context, f func(tx *Tx) error) (err error) {
	defer func() { db.Discard(err) }()
	done, err := db.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	tx, err := db.Writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", beginError(err))
	}
	defer func() {
		// After a commit this does nothing; it also serves a panic.
		if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
			err = errors.Join(err, fmt.Errorf("rolling back: %w", rollback))
		}
	}()
	client := ent.NewClient(ent.Driver(within{entsql.NewDriver(db.Dialect, entsql.Conn{ExecQuerier: tx})}))
	if err := f(&Tx{Ent: client, SQL: tx}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

const (
	// tries is how often WriteAgain runs its function at most.
	tries = 5
	// headStart is what it leaves to the other one, who may be woken later than whoever comes again at once: then they would wait for each other again.
	headStart = 10 * time.Millisecond
)

// WriteAgain is Write for an f that can be run several times, each time from the start: it is run again where PostgreSQL has ended the transaction
// because it and another waited for each other, or where a row it refers to was deleted meanwhile. f must give up what an earlier run of it has
// left in variables.
func (db *DB) WriteAgain(ctx context.Context, f func(tx *Tx) error) error {
	for n := 1; ; n++ {
		err := db.Write(ctx, f)
		if n == tries || !IsTransient(err) && !IsOrphaned(err) {
			return err
		}
		select {
		case <-time.After(time.Duration(n) * (headStart + rand.N(headStart))): //nolint:gosec // it need not be secret
		case <-ctx.Done():
			return err
		}
	}
}

// turn waits until the caller may write, who says when it is done.
func (db *DB) turn(ctx context.Context) (done func(), err error) {
	if db.turns == nil {
		return db.Writing(), nil
	}
	select {
	case db.turns <- struct{}{}: // a channel serves in order, where database/sql's pool picks anybody
		wrote := db.Writing()
		return func() {
			wrote()
			<-db.turns
		}, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a turn to write: %w", context.Cause(ctx))
	}
}

// Writing is for those who write other than through Write: until done is called the process counts as writing.
func (db *DB) Writing() (done func()) {
	db.writing.begin()
	return db.writing.end
}

// Wrote is for how long anybody of this process has written since the database was opened, or waited for it to be written;
// moments in which several did count once.
func (db *DB) Wrote() time.Duration { return db.writing.time() }

// writing measures for how long there is at least one who writes.
type writing struct {
	mu    sync.Mutex
	n     int
	since time.Time // when the first of these n began
	total time.Duration
}

func (w *writing) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n++; w.n == 1 {
		w.since = time.Now()
	}
}

func (w *writing) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n--; w.n == 0 {
		w.total += time.Since(w.since)
	}
}

func (w *writing) time() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n > 0 {
		return w.total + time.Since(w.since)
	}
	return w.total
}

// within is a driver whose transactions are the one that it is in: ent begins one to update a single row.
type within struct{ *entsql.Driver }

func (d within) Tx(context.Context) (dialect.Tx, error) { return dialect.NopTx(d), nil }

// Snapshot runs f in a transaction that sees the database as it is at one moment, and changes nothing.
func (db *DB) Snapshot(ctx context.Context, f func(tx *Tx) error) error {
	if db.moment != nil {
		return f(&Tx{Ent: db.Ent, SQL: db.moment})
	}
	var opts *sql.TxOptions
	if db.Dialect == Postgres {
		// SQLite's transactions are snapshots anyway.
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	tx, err := db.Reader.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("beginning a snapshot: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	return f(&Tx{Ent: db.Ent, SQL: tx})
}

// lockTenant takes the tenant's lock: whoever has planned a flush without it sees that its plan is of before.
const lockTenant = `UPDATE tenants SET revision = revision + 1 WHERE id = $1`

// WriteLocked is Write under the tenant's lock: it stands before or after each flush, and never within one.
func (db *DB) WriteLocked(ctx context.Context, tenant uuid.UUID, f func(tx *Tx) error) error {
	return db.writeLocked(ctx, lockTenant, tenant, f)
}

// WriteSettings is WriteLocked for changes to what the tenant's flushes and reads go by: its campaigns, segments,
// traits, zone and cubes.
func (db *DB) WriteSettings(ctx context.Context, tenant uuid.UUID, f func(tx *Tx) error) error {
	err := db.writeLocked(ctx, `UPDATE tenants SET revision = revision + 1, settings = settings + 1 WHERE id = $1`, tenant, f)
	if err == nil {
		db.Forget() // settings are few, and whoever deletes one means it
	}
	return err
}

func (db *DB) writeLocked(ctx context.Context, lock string, tenant uuid.UUID, f func(tx *Tx) error) error {
	return db.Write(ctx, func(tx *Tx) error {
		if err := tx.lock(ctx, lock, tenant); err != nil {
			return err
		}
		return f(tx)
	})
}

// Lock takes the tenant's lock, as WriteLocked does, and is to be the first that a transaction does.
func (tx *Tx) Lock(ctx context.Context, tenant uuid.UUID) error {
	return tx.lock(ctx, lockTenant, tenant)
}

func (tx *Tx) lock(ctx context.Context, statement string, tenant uuid.UUID) error {
	r, err := tx.SQL.ExecContext(ctx, statement, tenant)
	if err != nil {
		return fmt.Errorf("locking the tenant: %w", err)
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("locking the tenant: %d rows: %w", n, errors.Join(err, sql.ErrNoRows))
	}
	return nil
}

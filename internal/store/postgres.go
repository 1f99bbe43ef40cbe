package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// minPostgres is the oldest supported server_version_num.
const minPostgres = 130000

// postgresConfig is how connections to a PostgreSQL server are opened.
type postgresConfig struct {
	// dsn is the address, with what the server may be told while a connection is made: little, since poolers refuse most.
	dsn string
	// settings are set on each connection once it is there.
	settings map[string]string
}

func newPostgresConfig(address string, opts Options) (postgresConfig, error) {
	u, err := url.Parse(address)
	if err != nil {
		return postgresConfig{}, err
	}
	q := u.Query()
	setDefault := func(name, value string) {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	setDefault("connect_timeout", "5")
	setDefault("application_name", "zeroten")
	if os.Getenv("PGTARGETSESSIONATTRS") == "" {
		// After a failover the old primary may be there again, as a standby.
		setDefault("target_session_attrs", "read-write")
	}
	u.RawQuery = q.Encode()
	cfg, err := pq.NewConfig(u.String())
	if err != nil {
		return postgresConfig{}, badAddress("%s", strings.TrimPrefix(err.Error(), "pq: ")) // it names the parameter, or the variable
	}
	settings := map[string]string{
		// So that a server that we are cut off from does not hold our locks for hours.
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
	}
	// What the driver does not know is for the server, and would be sent to it while a connection is made.
	for name, value := range cfg.Runtime {
		settings[name] = value
		q.Del(name)
	}
	if opts.Volatile {
		settings["synchronous_commit"] = "off"
	}
	u.RawQuery = q.Encode()
	return postgresConfig{dsn: u.String(), settings: settings}, nil
}

// with is the same with one more setting.
func (c postgresConfig) with(name, value string) postgresConfig {
	c.settings = maps.Clone(c.settings)
	c.settings[name] = value
	return c
}

// connector makes connections that are set up as they should be. A connection that cannot be made for any other reason
// than the server's refusal is ErrUnreachable, or ErrReadOnly.
type connector struct {
	*pq.Connector
	set string
}

func (c postgresConfig) connector(d *dialer) (*connector, error) {
	p, err := pq.NewConnector(c.dsn)
	if err != nil {
		return nil, err
	}
	p.Dialer(d)
	var sets []string
	for _, name := range slices.Sorted(maps.Keys(c.settings)) {
		sets = append(sets, fmt.Sprintf("set_config(%s, %s, false)", pq.QuoteLiteral(name), pq.QuoteLiteral(c.settings[name])))
	}
	return &connector{p, "SELECT " + strings.Join(sets, ", ")}, nil
}

// Connect makes a connection.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, unconnected(ctx, err)
	}
	// Without arguments it is one round trip.
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, c.set, nil); err != nil {
		_ = conn.Close()
		return nil, unconnected(ctx, err)
	}
	return conn, nil
}

// unconnected says why there is no connection.
func unconnected(ctx context.Context, err error) error {
	if _, answered := errors.AsType[*pq.Error](err); answered || ctx.Err() != nil {
		return err
	}
	for _, text := range []string{"session is read-only", "server is in hot standby mode"} { // lib/pq has no type for it
		if strings.Contains(err.Error(), text) {
			return fmt.Errorf("%w: %w", ErrReadOnly, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func openPostgres(address string, opts Options) (*DB, error) {
	cfg, err := newPostgresConfig(address, opts)
	if err != nil {
		return nil, err
	}
	line := newLine(context.Background())
	readers, err := cfg.connector(&dialer{line: line})
	if err != nil {
		return nil, err
	}
	// Who writes looks for rows by their keys, a batch of them at a time. What PostgreSQL guesses of a batch must not have it read a table
	// from end to end for them; and where it has to, that is no reason to compile anything.
	cautious := cfg.with("plan_cache_mode", "force_generic_plan").with("enable_seqscan", "off").with("jit", "off")
	writers, err := cautious.connector(&dialer{line: line, once: true})
	if err != nil {
		return nil, err
	}
	// One connection listens, one watches; of the others a third writes.
	conns := opts.MaxConns - 2
	db := &DB{Dialect: Postgres, Reader: sql.OpenDB(readers), Writer: sql.OpenDB(writers), postgres: cfg, dialer: &dialer{line: line}, writing: &writing{}, analyst: &analyst{vain: map[string]vain{}}}
	db.Writer.SetMaxOpenConns(conns / 3)
	db.Writer.SetMaxIdleConns(conns / 3)
	db.Reader.SetMaxOpenConns(conns - conns/3)
	db.Reader.SetMaxIdleConns(conns - conns/3)
	return db, nil
}

func (db *DB) checkPostgres(ctx context.Context) error {
	var version int
	if err := db.Writer.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if version < minPostgres {
		return fmt.Errorf("PostgreSQL %d is too old: want %d or newer", version/10000, minPostgres/10000)
	}
	kept, err := db.keepsSessions(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if !kept {
		return ErrPooledByTransaction
	}
	return nil
}

// ErrPooledByTransaction is returned for a pooler that gives a connection to somebody else after each transaction.
var ErrPooledByTransaction = errors.New("between here and PostgreSQL is a pooler that pools by transaction, and what Zeroten prepares, " +
	"locks and listens to would be another session's: have it pool by session (PgBouncer: pool_mode=session, for this database or user), " +
	"or give the address of PostgreSQL itself")

// probes is how often keepsSessions tries.
const probes = 3

// keepsSessions finds out whether each connection is a session of its own, which poolers do not say. One connection sets
// something in its session. Another one, which is in a transaction, must not see that, and then the first one must still
// see it: a pooler that pools by transaction gives the session that was used last, or one in turn, to the second, and then
// has to give the first one another.
func (db *DB) keepsSessions(ctx context.Context) (bool, error) {
	one, err := db.Writer.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer one.Close()
	two, err := db.Reader.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer two.Close()
	for range probes {
		mark := rand.Text()
		if _, err := one.ExecContext(ctx, `SELECT set_config('zeroten.session', $1, false)`, mark); err != nil {
			return false, err
		}
		kept, err := sees(ctx, one, two, mark)
		if err != nil || !kept {
			return false, err
		}
	}
	return true, nil
}

// sees reports whether the first connection alone sees the mark, while the second is in a transaction.
func sees(ctx context.Context, one, two *sql.Conn, mark string) (kept bool, err error) {
	const look = `SELECT coalesce(current_setting('zeroten.session', true), '')`
	tx, err := two.BeginTx(ctx, nil)
	if errors.Is(err, driver.ErrBadConn) {
		return false, nil // whoever pools by statement ends a session that begins a transaction
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	var seen string
	if err := tx.QueryRowContext(ctx, look).Scan(&seen); err != nil || seen == mark {
		return false, err
	}
	if err := one.QueryRowContext(ctx, look).Scan(&seen); err != nil {
		return false, err
	}
	return seen == mark, nil
}

// Discard closes all connections where err says that the server behind them takes no writes, as after a failover: the next
// ones go to one that does. It may be called with any error.
func (db *DB) Discard(err error) {
	if db.dialer != nil && isReadOnly(err) {
		db.dialer.flap(ErrReadOnly)
	}
}

// isReadOnly reports whether err says that the server takes no writes.
func isReadOnly(err error) bool {
	if pqErr, ok := errors.AsType[*pq.Error](err); ok && pqErr.Code == "25006" {
		return true
	}
	return errors.Is(err, ErrReadOnly)
}

// beginError is that of BEGIN READ WRITE, which a standby does not support.
func beginError(err error) error {
	if pqErr, ok := errors.AsType[*pq.Error](err); ok && pqErr.Code == "0A000" {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}

// askWritable asks a server whether it takes writes; ErrReadOnly where it does not.
func askWritable(c driver.Conn) error {
	// With a context that can end lib/pq would open one more connection to say so.
	rows, err := c.(driver.QueryerContext).QueryContext(context.Background(), `SHOW transaction_read_only`, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	value := make([]driver.Value, 1)
	if err := rows.Next(value); err != nil {
		return err
	}
	if fmt.Sprintf("%s", value[0]) == "on" {
		return ErrReadOnly
	}
	return nil
}

// IsOutdated reports whether err says that a prepared statement is none any more: the types of its columns have changed, or
// the session has forgotten it. It was not run, and can be prepared again.
func IsOutdated(err error) bool {
	pqErr, ok := errors.AsType[*pq.Error](err)
	return ok && (pqErr.Code == "0A000" && strings.Contains(pqErr.Message, "cached plan") || pqErr.Code == "26000")
}

package store_test

import (
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/pgtest"
	"github.com/zeroten/zeroten/internal/store"
)

// readOnly makes new sessions of a database take no writes, and all as they were by what it returns.
func readOnly(t *testing.T, address string) (reset func(), end func()) {
	t.Helper()
	admin, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	admin.SetMaxOpenConns(1)
	exec := func(query string) {
		t.Helper()
		if _, err := admin.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	const alter = `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I ', current_database()) || `
	exec(alter + `'SET default_transaction_read_only = on'; END $$`)
	return func() {
			t.Helper()
			exec(alter + `'RESET default_transaction_read_only'; END $$`)
		}, func() {
			t.Helper()
			exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		}
}

// TestReadOnlyConnectionsAreThrownAway has a server take no writes any more, on connections that stay open, as when it
// becomes a standby.
func TestReadOnlyConnectionsAreThrownAway(t *testing.T) {
	address := pgtest.URL(t)
	db, err := store.Open(t.Context(), address, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	write := func() error { // outside of a transaction, as a flush does: lib/pq begins them READ WRITE
		_, err := db.Writer.Exec(`CREATE TABLE written (n int)`)
		db.Discard(err)
		return err
	}
	if _, err := db.Writer.Exec(`SET default_transaction_read_only = on`); err != nil {
		t.Fatal(err)
	}
	reset, _ := readOnly(t, address)
	for n := range 3 { // on the connection that there is, and on new ones
		err := write()
		if known := store.Explain(err); !store.IsUnreachable(err) || known != store.ErrReadOnly || known.RetryAfter == 0 {
			t.Errorf("write %d: told %v, which is %v", n, err, known)
		}
	}
	reset()
	if err := write(); err != nil {
		t.Errorf("once there is a server that takes writes: %v", err)
	}
}

// TestReadOnlyIsAway has the monitor come to a server that takes no writes.
func TestReadOnlyIsAway(t *testing.T) {
	address := pgtest.URL(t)
	db, changes := watched(t, address)
	reset, end := readOnly(t, address)
	end()
	err := <-changes
	if err != nil && !errors.Is(err, store.ErrReadOnly) {
		err = <-changes // it was asked while its connection ended
	}
	if !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("changed: %v", err)
	}
	if err := db.Away(); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("away: %v", err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("ping: %v", err)
	}
	if _, release, err := db.Guard(t.Context()); !errors.Is(err, store.ErrReadOnly) {
		release()
		t.Errorf("guard: %v", err)
	}
	reset()
	if err := <-changes; err != nil {
		t.Errorf("changed: %v", err)
	}
	if err := db.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestAwayForAnotherReason has a server come back that takes no writes: that is told, and no more that it is away.
func TestAwayForAnotherReason(t *testing.T) {
	p, address := through(t)
	db, changes := watched(t, address)
	p.sever(true)
	if err := <-changes; err == nil || errors.Is(err, store.ErrReadOnly) || !isAway(db.Away()) {
		t.Errorf("changed: %v; away: %v", err, db.Away())
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.target
	reset, _ := readOnly(t, u.String())
	p.sever(false)
	if err := <-changes; !errors.Is(err, store.ErrReadOnly) || !errors.Is(db.Away(), store.ErrReadOnly) {
		t.Errorf("changed: %v; away: %v", err, db.Away())
	}
	p.sever(true)
	if err := <-changes; err == nil || errors.Is(err, store.ErrReadOnly) || errors.Is(db.Away(), store.ErrReadOnly) {
		t.Errorf("changed: %v; away: %v", err, db.Away())
	}
	reset()
	p.sever(false)
	if err := <-changes; err != nil || db.Away() != nil {
		t.Errorf("changed: %v; away: %v", err, db.Away())
	}
}

// TestSeveralHosts names a server that is not there before the one that is.
func TestSeveralHosts(t *testing.T) {
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	address := strings.Replace(u.String(), "@"+u.Host, "@127.0.0.1:1,"+u.Host, 1)
	db, err := store.Open(t.Context(), address, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if name := db.Name(); !strings.Contains(name, u.Port()) || password != "" && strings.Contains(name, password) {
		t.Errorf("its name is %s", name)
	}
}

// TestPreparedAgain changes what a prepared statement returns, and has a session forget it.
func TestPreparedAgain(t *testing.T) {
	db, err := store.Open(t.Context(), pgtest.URL(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(query string) {
		t.Helper()
		if _, err := db.Reader.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE changing (n int)`)
	exec(`INSERT INTO changing VALUES (1)`)
	read := func() (n string, err error) {
		rows, err := db.Query(t.Context(), `SELECT n FROM changing`)
		if err != nil {
			return "", err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(&n); err != nil {
				return "", err
			}
		}
		return n, rows.Err()
	}
	for _, change := range []string{
		`SELECT 1`, `ALTER TABLE changing ALTER n TYPE bigint`, `DEALLOCATE ALL`, `ALTER TABLE changing ALTER n TYPE text`,
	} {
		exec(change)
		if n, err := read(); err != nil || n != "1" {
			t.Errorf("after %s: %q, %v", change, n, err)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	if _, err := store.Open(t.Context(), pgtest.URL(t), store.Options{MaxConns: store.MinConns - 1}); err == nil || !strings.Contains(err.Error(), "too few") {
		t.Errorf("got %v", err)
	}
	for _, most := range []int{0, store.MinConns, 40} {
		db, err := store.Open(t.Context(), pgtest.URL(t), store.Options{MaxConns: most})
		if err != nil {
			t.Fatal(err)
		}
		want := most
		if most == 0 {
			want = store.DefaultConns
		}
		readers, writers := db.Reader.Stats().MaxOpenConnections, db.Writer.Stats().MaxOpenConnections
		if readers+writers+2 != want || readers < 2 || writers < 2 {
			t.Errorf("%d: %d readers, %d writers", most, readers, writers)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

package store

import (
	"context"
	"database/sql"

	entsql "entgo.io/ent/dialect/sql"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
)

// maxMoments is how many moments are read at once. Whoever reads one holds a connection, and may need another for what is
// not of the moment, or wait for room to Sift: there are always more connections than moments, and who has room needs one.
const maxMoments = 3

// At calls f with the database as it is at one moment, for several statements that must agree. Others wait where many do so,
// those of the same tenant sooner. What f is given only reads, and is of no use after it.
func (db *DB) At(ctx context.Context, f func(then *DB) error) error {
	leave, err := db.moments.enter(ctx, auth.Tenant(ctx))
	if err != nil {
		return err
	}
	defer leave()
	return db.Snapshot(ctx, func(tx *Tx) error {
		then := *db
		then.moment, then.now = tx.SQL, db
		then.Ent = ent.NewClient(ent.Driver(weighing{entsql.NewDriver(db.Dialect, entsql.Conn{ExecQuerier: counting{tx.SQL, db.prepared}})}))
		return f(&then)
	})
}

// Now is the database as it is, for what is read of one moment by At; else the database itself.
func (db *DB) Now() *DB {
	if db.now != nil {
		return db.now
	}
	return db
}

// counting is a transaction whose statements are counted.
type counting struct {
	*sql.Tx
	prepared *prepared
}

// QueryContext is that of sql.Tx.
func (c counting) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	c.prepared.asked.Add(1)
	return c.Tx.QueryContext(ctx, query, args...)
}

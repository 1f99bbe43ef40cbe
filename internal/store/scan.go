package store

import (
	"context"
	"database/sql"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/rate"
)

// maxScans is how many statements that read on through many rows may run at once: the other connections are for those
// that find what they look for.
const maxScans = 3

// Sift runs a statement that no index helps, or that brings rows which are looked at one by one: a few at a time, and fewer of
// one tenant, the others wait. It must not be called by the statement. Whoever looks pays for the rows, by their number and
// never by the time that it took: an operation costs the same on any machine.
func (db *DB) Sift(ctx context.Context, statement func() error) error {
	leave, err := db.scans.enter(ctx, auth.Tenant(ctx))
	if err != nil {
		return err
	}
	defer leave()
	if err := rate.Spend(ctx, 0); err != nil {
		return err // others of the caller's have used it up meanwhile
	}
	return statement()
}

// Querier is a transaction or a pool of connections.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Each runs a query and calls scan on every row.
func Each(ctx context.Context, from Querier, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := from.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

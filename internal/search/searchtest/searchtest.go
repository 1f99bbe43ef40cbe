// Package searchtest keeps a search index for the tests of whatever reads it.
package searchtest

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/search"
	"github.com/zeroten/zeroten/internal/store"
)

// Index takes the next entries of a tenant's log into the index, so many at most, as a follower does. It returns how many there were.
func Index(ctx context.Context, t testing.TB, db *store.DB, tenant uuid.UUID, most int) int {
	t.Helper()
	f := follow.Follower{Tenant: tenant, Kind: search.Name}
	position, known, err := follow.Position(ctx, db.Reader, f)
	if err == nil && !known {
		err = db.Write(ctx, func(tx *store.Tx) error { return follow.Begin(ctx, db, tx, f, 0) })
	}
	if err != nil {
		t.Fatal(err)
	}
	entries, err := feedback.ReadEvents(ctx, db, position, most)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 {
		return 0
	}
	effects, err := search.Kind(db, slog.Default()).Take(ctx, f, entries)
	if err != nil {
		t.Fatal(err)
	}
	unfinished := false
	err = db.Write(ctx, func(tx *store.Tx) error {
		err := effects(tx)
		if unfinished = errors.Is(err, follow.ErrUnfinished); unfinished {
			return nil
		}
		return errors.Join(err, move(ctx, tx, f, entries[len(entries)-1].Position))
	})
	if err != nil {
		t.Fatal(err)
	}
	if unfinished {
		return Index(ctx, t, db, tenant, most)
	}
	return len(entries)
}

// IndexAll takes all entries in.
func IndexAll(ctx context.Context, t testing.TB, db *store.DB, tenant uuid.UUID) {
	t.Helper()
	for Index(ctx, t, db, tenant, math.MaxInt) > 0 { //nolint:revive // until there is nothing left
	}
}

// Behind has the index not know that it has taken in the last so many entries, of all that there are.
func Behind(ctx context.Context, t testing.TB, db *store.DB, tenant uuid.UUID, entries int64) {
	t.Helper()
	err := db.Write(ctx, func(tx *store.Tx) error {
		var end int64
		if err := tx.SQL.QueryRowContext(ctx, `SELECT log_position FROM tenants WHERE id = $1`, tenant).Scan(&end); err != nil {
			return err
		}
		return move(ctx, tx, follow.Follower{Tenant: tenant, Kind: search.Name}, max(0, end-entries))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func move(ctx context.Context, tx *store.Tx, f follow.Follower, position int64) error {
	_, err := tx.SQL.ExecContext(ctx, `UPDATE followers SET position = $4 WHERE tenant_id = $1 AND kind = $2 AND id = $3`,
		f.Tenant, f.Kind, f.ID, position)
	return err
}

// Sound fails the test where the index is not that of the tenant's responses, as far as it has come.
func Sound(ctx context.Context, t testing.TB, db *store.DB, tenant uuid.UUID) {
	t.Helper()
	err := db.Snapshot(ctx, func(tx *store.Tx) error {
		faults, err := search.Examine(ctx, db, tx, tenant)
		for _, f := range faults {
			t.Errorf("%q", f.What)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if db.Dialect == store.SQLite {
		if _, err := db.Writer.ExecContext(ctx, `INSERT INTO search_documents (search_documents) VALUES ('integrity-check')`); err != nil {
			t.Error(err)
		}
	}
}

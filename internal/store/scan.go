package store

import (
	"context"
	"fmt"
	"time"

	"github.com/zeroten/zeroten/internal/rate"
)

const (
	// maxScans is how many statements that read on through many rows may run at once: the other connections are for those
	// that find what they look for.
	maxScans = 2
	// pointsPerMillisecond is what such a statement costs its caller.
	pointsPerMillisecond = 4
	// maxTimed is the most that one of them costs: how long it takes depends on the machine too, and whether an operation is
	// answered must not.
	maxTimed = 400
)

// Scan runs a statement that no index helps, such as a search for words: a few at a time, the others wait. What it costs
// is known only afterwards, and is paid then by rate.SpendUnseen, whose error it may return; for blind callers whoever
// lists pays by rate.SpendBlind.
func (db *DB) Scan(ctx context.Context, statement func() error) error {
	var took time.Duration
	err := db.Sift(ctx, func() error {
		began := time.Now()
		defer func() { took = time.Since(began) }()
		return statement()
	})
	if err != nil {
		return err
	}
	return rate.SpendUnseen(ctx, int(min(took.Milliseconds()*pointsPerMillisecond, maxTimed)))
}

// Sift runs a statement that brings rows which are looked at one by one: as Scan does, but whoever looks pays for the rows.
func (db *DB) Sift(ctx context.Context, statement func() error) error {
	select {
	case db.scans <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting to read: %w", context.Cause(ctx))
	}
	defer func() { <-db.scans }()
	if err := rate.Spend(ctx, 0); err != nil {
		return err // others of the caller's have used it up meanwhile
	}
	return statement()
}

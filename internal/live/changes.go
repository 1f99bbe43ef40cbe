package live

import (
	"context"
	"errors"
	"time"

	"github.com/zeroten/zeroten/internal/auth"
)

// Changes tells a value that is computed from a tenant's feedback: at once, and again whenever it is another.
type Changes[V any, K comparable] struct {
	watch   *Watch
	caller  auth.Caller
	every   time.Duration
	again   time.Duration
	compute func(ctx context.Context, revision int64) (V, K, error)

	// due says that something has changed since the value was computed, revision is the one that is to be computed at.
	due      bool
	revision int64
	told     bool
	last     K
	toldAt   time.Time
	lookedAt time.Time
}

// awayRetry is how long to wait for a database that cannot be reached.
const awayRetry = 500 * time.Millisecond

// NewChanges begins to watch for the context's caller. compute gives the value at a revision or a newer one, and a key that
// is equal for equal values. Two values are told no sooner than every after each other. Where again is not zero, the
// value is computed so often though nothing was written, since it depends on the time as well; the revision is then
// given again. The caller must Close in the end.
func NewChanges[V any, K comparable](
	ctx context.Context, hub *Hub, every, again time.Duration, compute func(ctx context.Context, revision int64) (V, K, error),
) (*Changes[V, K], error) {
	watch, err := hub.Watch(ctx)
	if err != nil {
		return nil, err
	}
	caller, _ := auth.From(ctx)
	return &Changes[V, K]{watch: watch, caller: caller, every: every, again: again, compute: compute}, nil
}

// Next waits for the next value, until ctx ends; then nothing is lost, and the next call goes on from there. A database
// that is away delays it only. It must not be called by two at once.
func (c *Changes[V, K]) Next(ctx context.Context) (value V, key K, err error) {
	ctx = auth.With(ctx, c.caller)
	for {
		if err := c.wait(ctx); err != nil {
			return value, key, err
		}
		c.lookedAt = time.Now()
		value, key, err = c.compute(ctx, c.revision)
		switch {
		case err != nil && ctx.Err() != nil:
			return value, key, context.Cause(ctx)
		case err != nil:
			if fault := c.watch.tailer.hub.tail.Faulty("live: computing a value", err); fault != nil {
				return value, key, fault
			}
			if !pause(ctx, awayRetry) {
				return value, key, context.Cause(ctx)
			}
			continue
		}
		c.due = false
		if c.told && key == c.last {
			continue
		}
		c.told, c.last, c.toldAt = true, key, time.Now()
		return value, key, nil
	}
}

// wait waits until the value may be another, and until it may be told.
func (c *Changes[V, K]) wait(ctx context.Context) error {
	if !c.due {
		revision, err := c.changed(ctx)
		if err != nil {
			return err
		}
		c.due, c.revision = true, revision
	}
	if left := time.Until(c.toldAt.Add(c.every)); c.told && left > 0 && !pause(ctx, left) {
		return context.Cause(ctx)
	}
	return nil
}

// changed waits for a revision that is another, or for the time to look again.
func (c *Changes[V, K]) changed(ctx context.Context) (revision int64, err error) {
	if c.again == 0 || !c.told {
		return c.watch.Next(ctx)
	}
	soon, cancel := context.WithDeadline(ctx, c.lookedAt.Add(c.again))
	defer cancel()
	revision, err = c.watch.Next(soon)
	if err != nil && ctx.Err() == nil && errors.Is(soon.Err(), context.DeadlineExceeded) {
		return c.revision, nil
	}
	return revision, err
}

// Close ends it.
func (c *Changes[V, K]) Close() { c.watch.Close() }

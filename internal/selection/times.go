package selection

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

// Times tells each when a response that the filter means was given, and its score, in no order: what cells, which are by day,
// do not know. begin is called before the first of them, and again where all are told anew. Each response is looked at and paid
// for, as in a list.
func Times(
	ctx context.Context, db *store.DB, state *settings.State, f Filter, within Within, now time.Time, begin func(), each func(at time.Time, score int),
) error {
	sel, err := f.Select(ctx, state, within, now)
	if err != nil {
		return err
	}
	if err := newWalk(sel, db, uuid.Nil, nil).scores(ctx, begin, each); err != nil {
		return fmt.Errorf("reading when responses were given: %w", err)
	}
	return nil
}

// scores is Times for the walk.
func (k *walk) scores(ctx context.Context, begin func(), each func(at time.Time, score int)) error {
	ctx = k.paying(ctx)
	n, paid := 0, 0
	k.scored, k.whole = true, true
	k.restart = func() {
		n = 0
		begin()
	}
	k.restart()
	return k.run(ctx, k.order.page().Window(0), func(r *candidate) (more bool, err error) {
		each(r.respondedAt, r.score)
		// Once, whether it was begun again or not.
		if n++; n > paid && n%rate.BlindCountsPerPoint == 0 {
			paid, err = n, rate.SpendBlind(ctx, 1)
		}
		return true, err
	})
}

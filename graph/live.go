package graph

import (
	"context"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/live"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/selection"
)

// Limits of subscriptions.
const (
	maxLimit           = 10_000
	minEvery, maxEvery = 100, 60_000 // milliseconds
	// turnOver is how soon a period that ends today is looked at again: at midnight it moves though nobody answers.
	turnOver = 30 * time.Second
)

func (r *Resolver) feedbackReceived(ctx context.Context, filter selection.Filter, after *string, limit *int) (*source, error) {
	if limit != nil && (*limit < 1 || *limit > maxLimit) {
		return nil, apierror.BadRequest("limit: want 1 to %d.", maxLimit)
	}
	if seen, ok := ctx.Value(afterKey{}).(string); ok {
		after = &seen // later than what the operation was first asked with
	}
	caller, _ := auth.From(ctx)
	var position *int64
	if after != nil {
		p, err := feedback.ParseCursor(*after, caller.Mask)
		if err != nil {
			return nil, err
		}
		position = &p
	}
	sub, err := r.Live.Subscribe(ctx, filter, position)
	if err != nil {
		return nil, err
	}
	begun := false
	s := &source{close: sub.Close, next: func(ctx context.Context) (item, error) {
		if !begun && caller.Narrowing.IsZero() { // where it stands says how much there is besides
			begun = true
			return item{id: feedback.FormatCursor(sub.Begin(), caller.Mask)}, nil
		}
		e, err := sub.Next(ctx)
		if err != nil {
			return item{}, err
		}
		return item{value: e, id: feedback.FormatCursor(e.Position, caller.Mask), same: e, more: sub.Ready()}, nil
	}}
	if limit != nil {
		s = limited(s, *limit)
	}
	return s, nil
}

func (r *Resolver) scoreChanged(ctx context.Context, filter selection.Filter, every int) (*source, error) {
	if every < minEvery || every > maxEvery {
		return nil, apierror.BadRequest("every: want %d to %d milliseconds.", minEvery, maxEvery)
	}
	// Whatever cannot be meant is said at once.
	if _, err := r.Insight.Feedback(ctx, filter, selection.Within{}); err != nil {
		return nil, err
	}
	again := time.Duration(0)
	if filter.Last != nil {
		again = turnOver
	}
	changes, err := live.NewChanges(ctx, r.Live, time.Duration(every)*time.Millisecond, again,
		func(ctx context.Context, revision int64) (*insight.Score, nps.Histogram, error) {
			return r.Scores.Score(ctx, filter, revision)
		})
	if err != nil {
		return nil, err
	}
	return &source{close: changes.Close, next: func(ctx context.Context) (item, error) {
		score, histogram, err := changes.Next(ctx)
		return item{value: score, same: histogram}, err // all that a score shows follows from its histogram
	}}, nil
}

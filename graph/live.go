package graph

import (
	"context"
	"io"
	"time"

	"github.com/zeroten/zeroten/graph/engine"
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

func (r *Resolver) feedbackReceived(ctx context.Context, filter selection.Filter, after *string, limit *int) (*engine.Source, error) {
	if limit != nil && (*limit < 1 || *limit > maxLimit) {
		return nil, apierror.BadRequest("limit: want 1 to %d.", maxLimit)
	}
	if seen, ok := engine.ResumeAfter(ctx); ok {
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
	s := &engine.Source{Close: sub.Close, Next: func(ctx context.Context) (engine.Item, error) {
		if !begun && caller.Narrowing.IsZero() { // where it stands says how much there is besides
			begun = true
			return engine.Item{ID: feedback.FormatCursor(sub.Begin(), caller.Mask)}, nil
		}
		e, err := sub.Next(ctx)
		if err != nil {
			return engine.Item{}, err
		}
		return engine.Item{Value: e, ID: feedback.FormatCursor(e.Position, caller.Mask), Same: e, More: sub.Ready()}, nil
	}}
	if limit != nil {
		s = limited(s, *limit)
	}
	return s, nil
}

func (r *Resolver) scoreChanged(ctx context.Context, filter selection.Filter, every int) (*engine.Source, error) {
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
	return &engine.Source{Close: changes.Close, Next: func(ctx context.Context) (engine.Item, error) {
		score, histogram, err := changes.Next(ctx)
		return engine.Item{Value: score, Same: histogram}, err // all that a score shows follows from its histogram
	}}, nil
}

// limited ends a source after so many events.
func limited(s *engine.Source, limit int) *engine.Source {
	left := limit
	next := s.Next
	return &engine.Source{Close: s.Close, Next: func(ctx context.Context) (engine.Item, error) {
		if left == 0 {
			return engine.Item{}, io.EOF
		}
		it, err := next(ctx)
		if err == nil && it.Value != nil {
			left--
		}
		return it, err
	}}
}

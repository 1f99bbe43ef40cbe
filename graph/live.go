package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/live"
	"github.com/zeroten/zeroten/internal/store"
	"golang.org/x/sync/singleflight"
)

// Limits of subscriptions.
const (
	maxLimit           = 10_000
	minEvery, maxEvery = 100, 60_000 // milliseconds
)

func (r *Resolver) feedbackReceived(ctx context.Context, filter feedback.Filter, after *string, limit *int) (*source, error) {
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
		if !begun {
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

func (r *Resolver) scoreChanged(ctx context.Context, filter feedback.Filter, every int) (*source, error) {
	if every < minEvery || every > maxEvery {
		return nil, apierror.BadRequest("every: want %d to %d milliseconds.", minEvery, maxEvery)
	}
	// Whatever cannot be meant is said at once.
	if _, err := r.Insight.Feedback(ctx, filter, feedback.Within{}); err != nil {
		return nil, err
	}
	watch, err := r.Live.Watch(ctx)
	if err != nil {
		return nil, err
	}
	caller, _ := auth.From(ctx)
	w := &scoreWatch{resolver: r, watch: watch, filter: filter, every: time.Duration(every) * time.Millisecond, caller: caller}
	return &source{close: watch.Close, next: w.next}, nil
}

// scoreWatch tells a score whenever it has changed.
type scoreWatch struct {
	resolver *Resolver
	watch    *live.Watch
	filter   feedback.Filter
	every    time.Duration
	caller   auth.Caller

	told   bool
	last   counts
	lastAt time.Time
}

// counts is a histogram: all that a score shows follows from it.
type counts [11]int

const (
	// turnOver is how soon a period that ends today is looked at again: at midnight it moves though nobody answers.
	turnOver = 30 * time.Second
	// awayRetry is how long to wait for a database that cannot be reached.
	awayRetry = 500 * time.Millisecond
)

func (w *scoreWatch) next(ctx context.Context) (item, error) {
	ctx = auth.With(ctx, w.caller)
	for {
		revision, err := w.changed(ctx)
		if err != nil {
			return item{}, err
		}
		if w.told {
			if err := wait(ctx, time.Until(w.lastAt.Add(w.every))); err != nil {
				return item{}, err
			}
		}
		score, now, err := w.resolver.scores.get(ctx, w.resolver.Insight, w.caller, w.filter, revision)
		for store.IsUnreachable(err) {
			if err := wait(ctx, awayRetry); err != nil {
				return item{}, err
			}
			score, now, err = w.resolver.scores.get(ctx, w.resolver.Insight, w.caller, w.filter, revision)
		}
		if err != nil {
			return item{}, err
		}
		if w.told && now == w.last {
			continue
		}
		w.told, w.last, w.lastAt = true, now, time.Now()
		return item{value: score, same: now}, nil
	}
}

// changed waits until the score may be another.
func (w *scoreWatch) changed(ctx context.Context) (revision int64, err error) {
	if w.filter.Last == nil {
		return w.watch.Next(ctx)
	}
	soon, cancel := context.WithTimeout(ctx, turnOver)
	defer cancel()
	revision, err = w.watch.Next(soon)
	if err != nil && ctx.Err() == nil && errors.Is(soon.Err(), context.DeadlineExceeded) {
		return -time.Now().Unix(), nil // no revision: it is not to be found among those that were asked for before
	}
	return revision, err
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// scores computes what many subscriptions ask for at the same moment once.
type scores struct {
	flights singleflight.Group

	mu sync.Mutex
	// known are scores at a revision, by what was asked for.
	known map[string]knownScore
}

type knownScore struct {
	revision int64
	score    *insight.Score
}

// maxScores is how many scores are remembered; beyond it all are forgotten, which costs one more reading each.
const maxScores = 1_000

func (s *scores) get(ctx context.Context, reader *insight.Reader, caller auth.Caller, filter feedback.Filter, revision int64) (*insight.Score, counts, error) {
	key, err := json.Marshal([]any{caller.Tenant, caller.Narrowing, filter})
	if err != nil {
		return nil, counts{}, fmt.Errorf("naming a filter: %w", err)
	}
	s.mu.Lock()
	known, ok := s.known[string(key)]
	s.mu.Unlock()
	if ok && known.revision >= revision && revision > 0 {
		return known.score, countsOf(known.score), nil
	}
	v, err, _ := s.flights.Do(fmt.Sprintf("%s@%d", key, revision), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eventTimeout)
		defer cancel()
		body, err := reader.Feedback(ctx, filter, feedback.Within{})
		if err != nil {
			return nil, err
		}
		return body.Score(ctx)
	})
	if err != nil {
		return nil, counts{}, err
	}
	score, _ := v.(*insight.Score)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxScores {
		s.known = map[string]knownScore{}
	}
	if s.known[string(key)].revision < revision {
		s.known[string(key)] = knownScore{revision, score}
	}
	return score, countsOf(score), nil
}

func countsOf(s *insight.Score) (c counts) {
	copy(c[:], s.Histogram())
	return c
}

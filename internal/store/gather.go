package store

import (
	"context"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/rate"
)

// Gather puts lookups by key together that come at the same time, as a flush does with writes: while some are under
// way, the next gather, so that the more callers there are the fewer statements each costs. Nobody waits for others to
// come, and each lookup begins after it was asked for, so that it sees all that was written before.
type Gather[K comparable, V any] struct {
	fetch func(ctx context.Context, keys []K) (map[K]V, error)

	mu      sync.Mutex
	waiting *round[K, V]
	running int
}

// round is one lookup of several keys.
type round[K comparable, V any] struct {
	ctx   context.Context // without an end and without who pays, and with the other values of the caller that came first
	keys  map[K]struct{}
	done  chan struct{}
	found map[K]V
	err   error
}

// maxRounds is how many lookups are under way at once.
const maxRounds = 4

// NewGather makes a Gather. fetch finds what there is of the keys; it is not cancelled when callers are, and none of them
// pays for it (rate.Shared).
func NewGather[K comparable, V any](fetch func(ctx context.Context, keys []K) (map[K]V, error)) *Gather[K, V] {
	return &Gather[K, V]{fetch: fetch}
}

// Get looks a key up; V's zero value where there is none.
func (g *Gather[K, V]) Get(ctx context.Context, key K) (V, error) {
	g.mu.Lock()
	r := g.waiting
	if r == nil {
		r = &round[K, V]{ctx: rate.Shared(context.WithoutCancel(ctx)), keys: map[K]struct{}{}, done: make(chan struct{})}
		g.waiting = r
	}
	r.keys[key] = struct{}{}
	g.start()
	g.mu.Unlock()
	select {
	case <-r.done:
		return r.found[key], r.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

// start begins the waiting round, if it may. It is called under the lock.
func (g *Gather[K, V]) start() {
	r := g.waiting
	if r == nil || g.running == maxRounds {
		return
	}
	g.waiting = nil
	g.running++
	flight.Go(func() {
		keys := make([]K, 0, len(r.keys))
		for k := range r.keys {
			keys = append(keys, k)
		}
		g.lookUp(r, keys)
		close(r.done)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.running--
		g.start()
	}, flight.Logged(nil, "looking up")) // where lookUp has panicked, those who wait are told
}

// patience is how long a lookup may take: it must not hold others up for ever.
const patience = 20 * time.Second

func (g *Gather[K, V]) lookUp(r *round[K, V], keys []K) {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	defer func() { r.err = flight.Shared(r.err) }()
	defer flight.Catch(&r.err)
	r.found, r.err = g.fetch(ctx, keys)
}

package store

import (
	"context"
	"maps"
	"slices"
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
	ctx  context.Context // without an end and without who pays, and with the other values of the caller that came first
	keys map[K]struct{}
	work *flight.Work[map[K]V]
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
		r = &round[K, V]{ctx: rate.Shared(context.WithoutCancel(ctx)), keys: map[K]struct{}{}, work: flight.New[map[K]V]()}
		g.waiting = r
	}
	r.keys[key] = struct{}{}
	g.start()
	g.mu.Unlock()
	found, err := r.work.Wait(ctx)
	return found[key], err
}

// start begins the waiting round, if it may. It is called under the lock.
func (g *Gather[K, V]) start() {
	r := g.waiting
	if r == nil || g.running == maxRounds {
		return
	}
	g.waiting = nil
	g.running++
	r.work.Begin(func() (map[K]V, error) {
		defer g.over()
		ctx, cancel := context.WithTimeout(r.ctx, patience)
		defer cancel()
		return g.fetch(ctx, slices.Collect(maps.Keys(r.keys)))
	})
}

// patience is how long a lookup may take: it must not hold others up for ever.
const patience = 20 * time.Second

func (g *Gather[K, V]) over() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.start()
}

package tenant

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/zeroten/zeroten/internal/flight"
)

// maxRemembered is how many answers of each kind a lookup remembers: those that there is something, and those that
// there is nothing.
const maxRemembered = 10_000

// patience is how long a look-up or a note may take, whoever waits for it.
const patience = 10 * time.Second

// lookup reads from the database, and goes by what it has read for a while. It may be used from many goroutines at once.
type lookup[K comparable, V any] struct {
	// read gives nil where there is nothing.
	read func(ctx context.Context, key K) (*V, error)
	now  func() time.Time
	// believed is for how long it is gone by what there is, absent for how long by that there is nothing.
	believed, absent time.Duration

	// known and unknown are apart, so that whoever tries names out pushes nothing out that is.
	known, unknown *lru.Cache[K, answer[V]]
	flights        flight.Group[K, answer[V]]
}

// answer is what was read.
type answer[V any] struct {
	// value is nil where there is nothing. It is shared: it must not be changed.
	value *V
	// at is a moment before it was read.
	at time.Time
}

func newLookup[K comparable, V any](now func() time.Time, believed time.Duration, read func(context.Context, K) (*V, error)) *lookup[K, V] {
	return &lookup[K, V]{
		read: read, now: now, believed: believed, absent: believed,
		known: newCache[K, answer[V]](maxRemembered), unknown: newCache[K, answer[V]](maxRemembered),
	}
}

func newCache[K comparable, V any](size int) *lru.Cache[K, V] {
	cache, err := lru.New[K, V](size)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return cache
}

// get gives what was read at most so long ago as it is believed; nil where there is nothing.
func (l *lookup[K, V]) get(ctx context.Context, key K) (*V, error) {
	now := l.now()
	believable := func(a answer[V]) bool {
		if a.value == nil {
			return a.at.After(now.Add(-l.absent))
		}
		return a.at.After(now.Add(-l.believed))
	}
	remembered := func() (a answer[V], ok bool) {
		if a, ok = l.known.Get(key); ok && believable(a) {
			return a, true
		}
		a, ok = l.unknown.Get(key)
		return a, ok && believable(a)
	}
	if a, ok := remembered(); ok {
		return a.value, nil
	}
	for {
		// One look-up serves all who wait for it, so that it must not end when one of them goes.
		a, err := l.flights.Do(ctx, key, patience, func(ctx context.Context) (answer[V], error) {
			if a, ok := remembered(); ok { // by a look-up that ended before this one could join it
				return a, nil
			}
			return l.look(ctx, key)
		})
		if err != nil {
			return nil, err
		}
		// A look-up that was slow may have begun long before it was joined.
		if believable(a) {
			return a.value, nil
		}
	}
}

// look reads, and remembers.
func (l *lookup[K, V]) look(ctx context.Context, key K) (answer[V], error) {
	a := answer[V]{at: l.now()}
	var err error
	if a.value, err = l.read(ctx, key); err != nil {
		return a, err
	}
	remember, forget := l.known, l.unknown
	if a.value == nil {
		remember, forget = forget, remember
	}
	forget.Remove(key)
	remember.Add(key, a)
	return a, nil
}

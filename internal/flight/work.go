package flight

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Work is something that is done once, by Do or Begin, and that any number may wait for. Its error, or its panic, is a Fault
// that all of them get.
type Work[V any] struct {
	done chan struct{}
	// value and err are there once done is closed.
	value V
	err   error
}

// New makes work that somebody is about to do, so that others can find it meanwhile.
func New[V any]() *Work[V] { return &Work[V]{done: make(chan struct{})} }

// errNothing is that of work that ended its goroutine, as a test does that fails.
var errNothing = errors.New("the work has ended without a result")

// Do does the work on the calling goroutine, which does not panic for it.
func (w *Work[V]) Do(f func() (V, error)) {
	defer close(w.done)
	defer func() { w.err = Shared(w.err) }()
	defer Catch(&w.err)
	w.err = errNothing
	w.value, w.err = f()
}

// Begin does the work on a goroutine of its own.
func (w *Work[V]) Begin(f func() (V, error)) {
	Go(func() { w.Do(f) }, func(*Fault) {}) // Do has caught it
}

// Peek gives what the work gave, if it is over.
func (w *Work[V]) Peek() (value V, over bool, err error) {
	select {
	case <-w.done:
		return w.value, true, w.err
	default:
		return value, false, nil
	}
}

// Wait gives what the work gives. Where ctx ends first the error is its cause.
func (w *Work[V]) Wait(ctx context.Context) (V, error) {
	select {
	case <-w.done:
		return w.value, w.err
	case <-ctx.Done():
		var none V
		return none, context.Cause(ctx)
	}
}

// Group does work once for all who ask for it at the same time. The zero Group is ready.
type Group[K comparable, V any] struct {
	mu      sync.Mutex
	flights map[K]*Work[V]
}

// Do gives what f gives, which is called once for all who ask for the same key meanwhile. f's context has the values of
// that of whoever came first, and ends after patience, and not with those who wait. Where ctx ends first the error is its
// cause.
func (g *Group[K, V]) Do(ctx context.Context, key K, patience time.Duration, f func(context.Context) (V, error)) (V, error) {
	g.mu.Lock()
	w := g.flights[key]
	if w == nil {
		w = New[V]()
		if g.flights == nil {
			g.flights = map[K]*Work[V]{}
		}
		g.flights[key] = w
		w.Begin(func() (V, error) {
			defer g.over(key)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			return f(ctx)
		})
	}
	g.mu.Unlock()
	return w.Wait(ctx)
}

func (g *Group[K, V]) over(key K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.flights, key)
}

// Memo does work once for each key, and remembers what it gave, an error too. The zero Memo is ready.
type Memo[K comparable, V any] struct {
	mu    sync.Mutex
	works map[K]*Work[V]
}

// Do gives what f gives, which is called for whoever asks for the key first, and there. Others who ask meanwhile wait; where
// their ctx ends first the error is its cause.
func (m *Memo[K, V]) Do(ctx context.Context, key K, f func() (V, error)) (V, error) {
	m.mu.Lock()
	w, known := m.works[key]
	if !known {
		w = New[V]()
		if m.works == nil {
			m.works = map[K]*Work[V]{}
		}
		m.works[key] = w
	}
	m.mu.Unlock()
	if known {
		return w.Wait(ctx)
	}
	w.Do(f)
	return w.value, w.err
}

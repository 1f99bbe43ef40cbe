package live

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/zeroten/zeroten/internal/tail"
)

// Watch tells that something of a tenant has changed: its log, or its settings.
type Watch struct {
	tailer *tailer
	ready  chan struct{}
	// told is the revision that was given last; negative before the first.
	told   int64
	place  int // among the tailer's watches, under its listeners
	closed atomic.Bool
}

// Watch watches the tenant of the context's caller. The context is for the call alone. The caller must Close the watch
// in the end.
func (h *Hub) Watch(ctx context.Context) (*Watch, error) {
	t, err := h.acquire(ctx)
	if err != nil {
		return nil, err
	}
	mark, err := h.tail.Mark(ctx, t.tenant)
	if err != nil {
		h.release(t)
		return nil, err
	}
	t.start(mark.Position)
	w := &Watch{tailer: t, ready: make(chan struct{}, 1), told: -1}
	t.listeners.Lock()
	w.place = len(t.watches)
	t.watches = append(t.watches, w)
	t.listeners.Unlock()
	h.watches.Add(1)
	return w, nil
}

// Next returns the tenant's revision (tenants.revision): at once at the first call, then when it is another than the
// last time, however often it changed in between. A change made through this process's log is told within moments, as
// are those that other processes notify of; any other, of settings above all, within tail.Config.Poll. It must not be
// called by two at once. The error is that of ctx, ErrClosed after Hub.Close, or a fault
// that trying again does not mend.
func (w *Watch) Next(ctx context.Context) (int64, error) {
	h := w.tailer.hub
	for failures := 0; ; {
		select {
		case <-w.ready: // before the database is asked, so that what comes later is not taken for known
		default:
		}
		switch {
		case h.ctx.Err() != nil:
			return 0, ErrClosed
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case w.closed.Load():
			return 0, errEnded
		}
		mark, err := h.tail.Mark(ctx, w.tailer.tenant)
		var wait <-chan time.Time
		switch {
		case err != nil:
			if fault := h.tail.Faulty("live: asking for a revision", err); fault != nil && ctx.Err() == nil {
				return 0, fault
			}
			failures++
			wait = time.After(tail.Backoff(failures))
		case mark.Revision != w.told:
			w.told = mark.Revision
			return w.told, nil
		default:
			failures = 0
		}
		select {
		case <-w.ready:
			poke(w.ready) // the loop takes it
		case <-wait:
		case <-ctx.Done():
		case <-h.ctx.Done():
		}
	}
}

// Close ends the watch. Next returns an error then, also one that is waiting.
func (w *Watch) Close() {
	if w.closed.Swap(true) {
		return
	}
	t := w.tailer
	t.listeners.Lock()
	t.watches = without(t.watches, w.place, func(moved *Watch) { moved.place = w.place })
	t.listeners.Unlock()
	poke(w.ready)
	t.hub.watches.Add(-1)
	t.hub.release(t)
}

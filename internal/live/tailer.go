package live

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/tail"
)

// chunk is how many entries are handed out under the lock at once.
const chunk = 64

// tailer offers one tenant's log to those attached.
type tailer struct {
	hub    *Hub
	tenant uuid.UUID
	reader *tail.Reader
	users  int // under Hub.mu

	// listeners guards who listens and how far they have been served. It is taken before Subscription.mu.
	listeners sync.Mutex
	started   bool
	// position is that of the last entry handed out: those attached have been offered all up to it.
	position int64
	attached []*Subscription
	// views counts the attached that need a state.
	views   int
	watches []*Watch

	stateMu sync.Mutex
	state   *settings.State
}

type item = tail.Item

func newTailer(h *Hub, tenant uuid.UUID) (*tailer, error) {
	t := &tailer{hub: h, tenant: tenant}
	var err error
	t.reader, err = h.tail.Read(tenant, tail.Handler{Take: t.handOut, Renew: t.resolveAll, Changed: t.wakeWatches, Failed: t.fail})
	return t, err
}

// start begins to follow the log from a position, unless that has begun.
func (t *tailer) start(position int64) {
	t.listeners.Lock()
	first := !t.started
	if first {
		t.started, t.position = true, position
	}
	t.listeners.Unlock()
	if first {
		t.reader.Start(position)
	}
}

// fail ends all who are attached, and reports whether there was anybody. Who comes later reads the log by himself, and sees.
func (t *tailer) fail(fault error) (told bool) {
	t.listeners.Lock()
	defer t.listeners.Unlock()
	told = len(t.attached) > 0
	for _, s := range slices.Backward(t.attached) {
		s.mu.Lock()
		s.fail(fault)
		s.mu.Unlock()
		t.detach(s)
	}
	return told
}

// handOut offers entries to all attached. Their filters are resolved by settings no older than those that the entries were
// committed under: who has been told that a segment is saved, and records then, is matched by that segment.
func (t *tailer) handOut(ctx context.Context, entries []item) (taken int, err error) {
	state := t.stateOf(entries)
	for taken < len(entries) {
		n := min(chunk, len(entries)-taken)
		done, err := t.handOutChunk(ctx, entries[taken:taken+n], &state)
		if err != nil {
			return taken, err
		}
		if done {
			taken += n
		}
	}
	return taken, nil
}

// handOutChunk does nothing but read a state where one is needed and there is none.
func (t *tailer) handOutChunk(ctx context.Context, entries []item, state **settings.State) (done bool, err error) {
	t.listeners.Lock()
	if t.views > 0 && *state == nil {
		t.listeners.Unlock()
		*state, err = t.readState(ctx)
		return false, err
	}
	defer t.listeners.Unlock()
	t.offer(entries, *state)
	t.position = entries[len(entries)-1].Position
	return true, nil
}

// offer hands entries to all attached, and detaches those that cannot take them. It is called with listeners locked.
func (t *tailer) offer(entries []item, state *settings.State) {
	now, all := t.hub.cfg.Now(), offer(entries)
	for _, s := range slices.Backward(t.attached) { // detach changes nothing before its place
		if !s.offer(all, state, now) {
			t.detach(s)
		}
	}
}

// offered is an entry while it is handed out. What it takes to match it is not kept in any queue.
type offered struct {
	item

	search *selection.Offered
}

func offer(entries []item) []offered {
	all := make([]offered, len(entries))
	for i, e := range entries {
		all[i] = offered{e, &selection.Offered{Entry: e.Entry}}
	}
	return all
}

// resolveAll resolves the filters of all attached by the settings as they are now.
func (t *tailer) resolveAll(ctx context.Context) error {
	t.listeners.Lock()
	views := t.views
	t.listeners.Unlock()
	if views == 0 {
		return nil
	}
	state, err := t.readState(ctx)
	if err != nil {
		return err
	}
	t.listeners.Lock()
	defer t.listeners.Unlock()
	t.offer(nil, state)
	return nil
}

// readState is the tenant's state as it is now; the same one for all, as long as the settings stay.
func (t *tailer) readState(ctx context.Context) (*settings.State, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := t.hub.states.Get(ctx, t.tenant)
	if err != nil {
		return nil, err
	}
	if s.Building != nil {
		return s, nil // how far that is changes without the settings
	}
	t.stateMu.Lock()
	defer t.stateMu.Unlock()
	if t.state == nil || t.state.Settings < s.Settings {
		t.state = s
	}
	if t.state.Settings == s.Settings {
		return t.state, nil
	}
	return s, nil
}

// stateOf is the state that was read last, where entries came straight from flushes and none was committed under newer settings;
// else nil. So an event that this process records reaches those who listen without a further question to the database.
func (t *tailer) stateOf(entries []item) *settings.State {
	t.stateMu.Lock()
	defer t.stateMu.Unlock()
	if t.state == nil {
		return nil
	}
	for _, e := range entries {
		if e.Settings == 0 || e.Settings > t.state.Settings {
			return nil
		}
	}
	return t.state
}

// attach attaches the subscription if it has reached the tailer's position, and reports whether it did.
func (t *tailer) attach(s *Subscription) bool {
	if !t.attachNow(s) {
		return false
	}
	if s.view != nil {
		// Settings may have changed after its filter was resolved and before it was among those that are told so.
		t.reader.Renew()
	}
	return true
}

func (t *tailer) attachNow(s *Subscription) bool {
	t.listeners.Lock()
	defer t.listeners.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.position < t.position {
		return false
	}
	s.behind = false
	t.hub.behind.Add(-1)
	s.place = len(t.attached)
	t.attached = append(t.attached, s)
	if s.view != nil {
		t.views++
	}
	return true
}

// detach is called with listeners locked.
func (t *tailer) detach(s *Subscription) {
	if s.place < 0 {
		return
	}
	t.attached = without(t.attached, s.place, func(moved *Subscription) { moved.place = s.place })
	s.place = -1
	if s.view != nil {
		t.views--
	}
}

// without takes an element out of a list in which places do not matter.
func without[T any](list []*T, at int, move func(*T)) []*T {
	last := len(list) - 1
	move(list[last])
	list[at] = list[last]
	list[last] = nil
	list = list[:last]
	if cap(list) > 64 && len(list) < cap(list)/4 {
		list = slices.Clip(slices.Clone(list))
	}
	return list
}

func (t *tailer) wakeWatches() {
	t.listeners.Lock()
	defer t.listeners.Unlock()
	for _, w := range t.watches {
		poke(w.ready)
	}
}

// pageKey names a portion of a log: what comes after a position.
type pageKey struct {
	tenant uuid.UUID
	after  int64
	limit  int
}

// page is a portion that is being read, or was.
type page struct {
	reading *flight.Work[portion]
	bytes   int // of the entries where Hub.pages has the page, under pagesMu
}

// portion is what was read, and when.
type portion struct {
	entries []item
	at      time.Time
}

// fresh is how long what was read from the log is kept: a portion for others, since many fall behind together, and what
// a subscriber that is behind does not take. An entry's response is as it was when it was read, and may be deleted.
const fresh = time.Second

// usable reports whether the portion may serve somebody who asks now: a full one stays what it is.
func (p *page) usable(limit int, now time.Time) bool {
	read, over, err := p.reading.Peek()
	return !over || err == nil && len(read.entries) == limit && now.Sub(read.at) < fresh
}

// read reads the log on from a position, once for all who ask for the same meanwhile.
func (t *tailer) read(ctx context.Context, after int64, limit int) ([]item, error) {
	h := t.hub
	key := pageKey{t.tenant, after, limit}
	h.pagesMu.Lock()
	p, ok := h.pages.Get(key)
	if !ok || !p.usable(limit, time.Now()) {
		if !h.enter() {
			h.pagesMu.Unlock()
			return nil, ErrClosed
		}
		p = &page{reading: flight.New[portion]()}
		h.pages.Remove(key) // Add does not tell of what it replaces
		h.pages.Add(key, p)
		p.reading.Begin(func() (read portion, err error) {
			defer h.running.Done()
			defer func() {
				if err != nil || len(read.entries) < limit { // as after a panic
					h.forget(key, p)
				} else {
					h.keep(key, p, read.entries)
				}
			}()
			entries, err := h.readPage(key)
			return portion{entries, time.Now()}, err
		})
	}
	h.pagesMu.Unlock()
	read, err := p.reading.Wait(ctx)
	return read.entries, err
}

// keep keeps a portion that was read for a moment, and of all of them as many as there is room for.
func (h *Hub) keep(key pageKey, p *page, entries []item) {
	h.pagesMu.Lock()
	defer h.pagesMu.Unlock()
	if kept, ok := h.pages.Get(key); !ok || kept != p {
		return
	}
	p.bytes = tail.Bytes(entries)
	h.pagesBytes += p.bytes
	for h.pagesBytes > h.bounds.pagesBytes {
		h.pages.RemoveOldest()
	}
	flight.After(fresh, func() { h.forget(key, p) }, flight.Logged(h.cfg.Log, "live: forgetting a portion"))
}

func (h *Hub) forget(key pageKey, p *page) {
	h.pagesMu.Lock()
	defer h.pagesMu.Unlock()
	if kept, ok := h.pages.Peek(key); ok && kept == p {
		h.pages.Remove(key)
	}
}

func (h *Hub) readPage(key pageKey) ([]item, error) {
	select {
	case h.readers <- struct{}{}:
		defer func() { <-h.readers }()
	case <-h.ctx.Done():
		return nil, ErrClosed
	}
	ctx, cancel := context.WithTimeout(auth.ForTenant(h.ctx, key.tenant), patience)
	defer cancel()
	entries, err := feedback.ReadEntries(ctx, h.db, key.after, key.limit)
	return tail.Weigh(entries), err
}

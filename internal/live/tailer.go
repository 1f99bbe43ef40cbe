package live

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

const (
	// chunk is how many entries are handed out under the lock at once.
	chunk = 64
	// tailPortion is how many entries a tailer reads at once.
	tailPortion = 500
)

// tailer follows one tenant's log.
type tailer struct {
	hub    *Hub
	tenant uuid.UUID
	ctx    context.Context // of the tenant, until the last listener has gone
	cancel context.CancelFunc
	wake   chan struct{}
	users  int // under Hub.mu

	// mu guards what is handed in: it is held for moments only.
	mu         sync.Mutex
	inbox      []item
	inboxBytes int
	// known is the greatest position that the log is known to have reached: by a flush, or by what the database says.
	known int64
	// hinted is the greatest position beyond known that somebody says the log has reached; zero where it was looked for.
	hinted int64
	last   store.Mark
	// resolve says that settings have changed, which filters are to be resolved by.
	resolve bool
	started bool

	// listeners guards who listens and how far they have been served. It is taken before Subscription.mu.
	listeners sync.Mutex
	// position is that of the last entry handed out: those attached have been offered all up to it.
	position int64
	attached []*Subscription
	// views counts the attached that need a state.
	views   int
	watches []*Watch

	stateMu sync.Mutex
	state   *settings.State
}

// item is an entry that is kept in memory.
type item struct {
	*feedback.Entry

	bytes int // about what it takes
}

// weigh says of entries what they take: once, since many may keep them.
func weigh(entries []*feedback.Entry) []item {
	items := make([]item, len(entries))
	for i, e := range entries {
		n := 300
		if r := e.Response; r != nil {
			n += r.Traits.Bytes()
			if r.Comment != nil {
				n += len(*r.Comment)
			}
		}
		if e.Gone != nil {
			for key, value := range e.Gone.Values {
				n += len(key) + len(value)
			}
		}
		items[i] = item{e, n}
	}
	return items
}

// bytesOf is what all the items take.
func bytesOf(items []item) int {
	n := 0
	for _, e := range items {
		n += e.bytes
	}
	return n
}

func newTailer(h *Hub, tenant uuid.UUID) *tailer {
	t := &tailer{hub: h, tenant: tenant, wake: make(chan struct{}, 1)}
	t.ctx, t.cancel = context.WithCancel(auth.ForTenant(h.ctx, tenant))
	return t
}

// start begins to follow the log from a position, unless that has begun.
func (t *tailer) start(position int64) {
	if !t.hub.enter() { // before the tailer's lock: nobody takes one of the two while holding the other
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.started {
		t.hub.running.Done()
		return
	}
	t.started = true
	t.known = max(t.known, position)
	t.listeners.Lock()
	t.position = position
	t.listeners.Unlock()
	caught := flight.Logged(t.hub.cfg.Log, "live: following a log")
	flight.Go(func() {
		defer t.hub.running.Done()
		flight.Steadily(t.ctx, t.run, caught)
	}, caught)
}

// push takes a flush's entries. Where there is no room for them they are read from the log.
func (t *tailer) push(entries []*feedback.Entry) {
	items := weigh(entries)
	n, b := bytesOf(items), t.hub.bounds
	t.mu.Lock()
	if len(t.inbox)+len(items) <= b.inbox && t.inboxBytes+n <= b.inboxBytes {
		t.inbox = append(t.inbox, items...)
		t.inboxBytes += n
	}
	t.known = max(t.known, entries[len(entries)-1].Position)
	t.mu.Unlock()
	poke(t.wake)
}

// hint makes the tailer see whether the log has reached a position, which may or may not be so.
func (t *tailer) hint(position int64) {
	t.mu.Lock()
	news := position > t.known
	if news {
		t.hinted = max(t.hinted, position)
	}
	t.mu.Unlock()
	if news {
		poke(t.wake)
	}
}

// look takes what the database says of the tenant.
func (t *tailer) look(m store.Mark) {
	t.mu.Lock()
	before := t.last
	t.known = max(t.known, m.Position)
	t.last = store.Mark{
		Position: max(before.Position, m.Position), Revision: max(before.Revision, m.Revision), Settings: max(before.Settings, m.Settings),
	}
	t.resolve = t.resolve || t.last.Settings != before.Settings
	changed := t.last != before
	t.mu.Unlock()
	if changed {
		poke(t.wake)
		t.wakeWatches()
	}
}

func (t *tailer) lag() int64 {
	t.mu.Lock()
	known, started := t.known, t.started
	t.mu.Unlock()
	t.listeners.Lock()
	defer t.listeners.Unlock()
	if !started {
		return 0
	}
	return max(0, known-t.position)
}

// run serves those attached until the last listener has gone. What may pass is tried again, and nobody is dropped for it;
// a fault ends all who are attached.
func (t *tailer) run() {
	const doing = "live: following a log"
	failures, lost := 0, losses(0)
	for {
		again, err := t.round()
		switch {
		case t.ctx.Err() != nil:
			return
		case err != nil:
			if fault := t.hub.faulty(doing, lost.take(err)); fault != nil && !t.fail(fault) {
				t.hub.retry(slog.LevelError, doing, fault) // else it is logged by those who are told
			}
			failures++
			if !pause(t.ctx, backoff(failures)) {
				return
			}
			continue
		}
		failures, lost = 0, 0
		if again {
			continue
		}
		select {
		case <-t.ctx.Done():
			return
		case <-t.wake:
		}
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

// round hands out what there is to hand out next, and reports whether there may be more.
func (t *tailer) round() (again bool, err error) {
	defer flight.Catch(&err)
	t.mu.Lock()
	items, known, hinted, resolve := t.inbox, t.known, t.hinted, t.resolve
	t.inbox, t.inboxBytes, t.hinted, t.resolve = nil, 0, 0, false
	t.mu.Unlock()
	defer func() {
		if again || err != nil { // else the log was read to its end
			t.mu.Lock()
			t.hinted = max(t.hinted, hinted)
			t.mu.Unlock()
		}
	}()
	if resolve {
		if err := t.resolveAll(); err != nil {
			t.mu.Lock()
			t.resolve = true
			t.mu.Unlock()
			return false, err
		}
	}
	position := t.position // which nobody else changes
	// What was flushed while it was being read.
	items = items[countTo(items, position):]
	run := following(items, position)
	if run == 0 {
		if max(known, hinted) <= position {
			return false, nil
		}
		ctx, cancel := context.WithTimeout(t.ctx, patience)
		defer cancel()
		var entries []*feedback.Entry
		entries, err = feedback.ReadEntries(ctx, t.hub.db, position, tailPortion)
		if err != nil {
			return false, err
		}
		if len(entries) == 0 {
			if known <= position {
				return false, nil // the hint was wrong
			}
			return false, fmt.Errorf("%w: it has no event after %d, and should have %d", errLost, position, known)
		}
		items, run = weigh(entries), len(entries)
	}
	// Where a run ends the rest is read from the log: known says so.
	if err := t.handOut(items[:run]); err != nil {
		return false, err
	}
	return true, nil
}

// countTo counts the entries up to the position.
func countTo(entries []item, position int64) int {
	n := 0
	for n < len(entries) && entries[n].Position <= position {
		n++
	}
	return n
}

// following counts the entries that follow on the position without a gap.
func following(entries []item, position int64) int {
	n := 0
	for n < len(entries) && entries[n].Position == position+int64(n)+1 {
		n++
	}
	return n
}

// handOut offers entries to all attached. Their filters are resolved by settings that are read after the entries were
// committed: who has been told that a segment is saved, and records then, is matched by that segment.
func (t *tailer) handOut(entries []item) error {
	var state *settings.State
	defer t.wakeWatches()
	for len(entries) > 0 {
		n := min(chunk, len(entries))
		done, err := t.handOutChunk(entries[:n], &state)
		if err != nil {
			return err
		}
		if done {
			entries = entries[n:]
		}
	}
	return nil
}

// handOutChunk does nothing but read a state where one is needed and there is none.
func (t *tailer) handOutChunk(entries []item, state **settings.State) (done bool, err error) {
	t.listeners.Lock()
	if t.views > 0 && *state == nil {
		t.listeners.Unlock()
		*state, err = t.readState(t.ctx)
		return false, err
	}
	defer t.listeners.Unlock()
	t.offer(entries, *state)
	t.position = entries[len(entries)-1].Position
	return true, nil
}

// offer hands entries to all attached, and detaches those that cannot take them. It is called with listeners locked.
func (t *tailer) offer(entries []item, state *settings.State) {
	now := t.hub.cfg.Now()
	for _, s := range slices.Backward(t.attached) { // detach changes nothing before its place
		if !s.offer(entries, state, now) {
			t.detach(s)
		}
	}
}

// resolveAll resolves the filters of all attached by the settings as they are now.
func (t *tailer) resolveAll() error {
	t.listeners.Lock()
	views := t.views
	t.listeners.Unlock()
	if views == 0 {
		return nil
	}
	state, err := t.readState(t.ctx)
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
	if t.state == nil || t.state.Settings < s.Settings || t.state.Building != nil {
		t.state = s
	}
	if t.state.Settings == s.Settings {
		return t.state, nil
	}
	return s, nil
}

// attach attaches the subscription if it has reached the tailer's position, and reports whether it did.
func (t *tailer) attach(s *Subscription) bool {
	if !t.attachNow(s) {
		return false
	}
	if s.view != nil {
		// Settings may have changed after its filter was resolved and before it was among those that are told so.
		t.mu.Lock()
		t.resolve = true
		t.mu.Unlock()
		poke(t.wake)
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
	done    chan struct{}
	entries []item
	bytes   int // of the entries where Hub.pages has the page, under pagesMu
	err     error
	at      time.Time
}

// fresh is how long what was read from the log is kept: a portion for others, since many fall behind together, and what
// a subscriber that is behind does not take. An entry's response is as it was when it was read, and may be deleted.
const fresh = time.Second

// usable reports whether the portion may serve somebody who asks now: a full one stays what it is.
func (p *page) usable(limit int, now time.Time) bool {
	select {
	case <-p.done:
		return p.err == nil && len(p.entries) == limit && now.Sub(p.at) < fresh
	default:
		return true
	}
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
		p = &page{done: make(chan struct{})}
		h.pages.Remove(key) // Add does not tell of what it replaces
		h.pages.Add(key, p)
		flight.Go(func() {
			defer h.running.Done()
			defer close(p.done)
			p.entries, p.err = h.readPage(key)
			p.at = time.Now()
			if p.err != nil || len(p.entries) < limit {
				h.forget(key, p)
			} else {
				h.keep(key, p)
			}
		}, flight.Logged(h.cfg.Log, "live: reading a log"))
	}
	h.pagesMu.Unlock()
	select {
	case <-p.done:
		return p.entries, p.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// keep keeps a portion that was read for a moment, and of all of them as many as there is room for.
func (h *Hub) keep(key pageKey, p *page) {
	h.pagesMu.Lock()
	defer h.pagesMu.Unlock()
	if kept, ok := h.pages.Get(key); !ok || kept != p {
		return
	}
	p.bytes = bytesOf(p.entries)
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

func (h *Hub) readPage(key pageKey) (items []item, err error) {
	defer func() { err = flight.Shared(err) }()
	defer flight.Catch(&err)
	select {
	case h.readers <- struct{}{}:
		defer func() { <-h.readers }()
	case <-h.ctx.Done():
		return nil, ErrClosed
	}
	ctx, cancel := context.WithTimeout(auth.ForTenant(h.ctx, key.tenant), patience)
	defer cancel()
	entries, err := feedback.ReadEntries(ctx, h.db, key.after, key.limit)
	return weigh(entries), err
}

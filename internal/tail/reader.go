package tail

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
	"github.com/zeroten/zeroten/internal/store"
)

// portion is how many entries a reader reads at once.
const portion = 500

// Handler is what a Reader tells. The functions are called one after the other but for Changed, and may be nil but for
// Take where the reader is started. What panics in them is a fault, and nothing else ends for it.
type Handler struct {
	// Take takes the next entries, and returns how many of them it has taken: all of them where err is nil. The others
	// come again after an error, once it may have passed.
	Take func(ctx context.Context, items []Item) (taken int, err error)
	// Renew is called when the tenant's settings may have changed, and after Reader.Renew, before any further entries. It
	// is called again after an error.
	Renew func(ctx context.Context) error
	// Changed is called when the tenant's mark has changed or entries have been taken. It must not block.
	Changed func()
	// Failed is told why the log cannot be read, where that is not expected to pass, and reports whether anybody was
	// there to hear it. The reader goes on trying.
	Failed func(fault error) (told bool)
}

// Item is an entry that is kept in memory.
type Item struct {
	*feedback.Entry

	// Bytes is about what it takes.
	Bytes int
}

// Weigh says of entries what they take: once, since many may keep them.
func Weigh(entries []*feedback.Entry) []Item {
	items := make([]Item, len(entries))
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
		items[i] = Item{e, n}
	}
	return items
}

// Bytes is what all the items take.
func Bytes(items []Item) int {
	n := 0
	for _, e := range items {
		n += e.Bytes
	}
	return n
}

// Reader reads on in one tenant's log, and keeps what is flushed from the beginning on.
type Reader struct {
	tail   *Tail
	tenant uuid.UUID
	to     Handler
	ctx    context.Context // of the tenant, until Stop
	cancel context.CancelFunc
	wake   chan struct{}

	// mu guards what follows: it is held for moments only.
	mu         sync.Mutex
	inbox      []Item
	inboxBytes int
	// known is the greatest position that the log is known to have reached: by a flush, or by what the database says.
	known int64
	// hinted is the greatest position beyond known that somebody says the log has reached; zero where it was looked for.
	hinted int64
	last   store.Mark
	// renew says that settings may have changed.
	renew   bool
	started bool
	// position is that of the last entry that was taken. Only the reader's goroutine changes it.
	position int64
}

// Read begins to read the log of a tenant. Until Start the handler hears of changes alone. Whoever reads calls Stop in the
// end. The error is ErrClosed after Close.
func (t *Tail) Read(tenant uuid.UUID, to Handler) (*Reader, error) {
	r := &Reader{tail: t, tenant: tenant, to: to, wake: make(chan struct{}, 1)}
	r.ctx, r.cancel = context.WithCancel(auth.ForTenant(t.ctx, tenant))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		r.cancel()
		return nil, ErrClosed
	}
	if len(t.readers) == 0 {
		t.lastPoll.Store(time.Now().UnixNano()) // there was nothing to ask
	}
	t.readers[tenant] = append(slices.Clip(t.readers[tenant]), r)
	return r, nil
}

// Stop ends the reading. It does not wait: what is being taken may still go on for a moment.
func (r *Reader) Stop() {
	r.cancel()
	t := r.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(t.readers[r.tenant]), func(other *Reader) bool { return other == r })
	if t.readers[r.tenant] = left; len(left) == 0 {
		delete(t.readers, r.tenant)
	}
}

// Start begins to take what comes after a position, unless that has begun.
func (r *Reader) Start(position int64) {
	if !r.tail.enter() { // before the reader's lock: nobody takes one of the two while holding the other
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started {
		r.tail.running.Done()
		return
	}
	r.started, r.position = true, position
	r.known = max(r.known, position)
	caught := flight.Logged(r.tail.cfg.Log, following)
	flight.Go(func() {
		defer r.tail.running.Done()
		flight.Steadily(r.ctx, r.run, caught)
	}, caught)
}

// following is what a reader's goroutine does.
const following = "tail: following a log"

// push takes a flush's entries. Where there is no room for them they are read from the log.
func (r *Reader) push(entries []*feedback.Entry) {
	var items []Item
	if r.to.Take != nil {
		items = Weigh(entries)
	}
	n, cfg := Bytes(items), r.tail.cfg
	r.mu.Lock()
	if len(r.inbox)+len(items) <= cfg.Inbox && r.inboxBytes+n <= cfg.InboxBytes {
		r.inbox = append(r.inbox, items...)
		r.inboxBytes += n
	}
	r.known = max(r.known, entries[len(entries)-1].Position)
	r.mu.Unlock()
	r.news()
}

// news has somebody look at what is new: the reader, or where it takes nothing whoever it tells of changes.
func (r *Reader) news() {
	poke(r.wake)
	if r.to.Take == nil {
		r.changed()
	}
}

// hint makes the reader see whether the log has reached a position, which may or may not be so.
func (r *Reader) hint(position int64) {
	r.mu.Lock()
	news := position > r.known
	if news {
		r.hinted = max(r.hinted, position)
	}
	r.mu.Unlock()
	if news {
		r.news()
	}
}

// look takes what the database says of the tenant.
func (r *Reader) look(m store.Mark) {
	r.mu.Lock()
	before := r.last
	r.known = max(r.known, m.Position)
	r.last = store.Mark{
		Position: max(before.Position, m.Position), Revision: max(before.Revision, m.Revision), Settings: max(before.Settings, m.Settings),
	}
	r.renew = r.renew || r.last.Settings != before.Settings
	changed := r.last != before
	r.mu.Unlock()
	if changed {
		poke(r.wake)
		r.changed()
	}
}

// Renew has Handler.Renew be called soon.
func (r *Reader) Renew() {
	r.mu.Lock()
	r.renew = true
	r.mu.Unlock()
	poke(r.wake)
}

func (r *Reader) changed() {
	if r.to.Changed != nil {
		r.to.Changed()
	}
}

func (r *Reader) lag() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started {
		return 0
	}
	return max(0, r.known-r.position)
}

// run reads on until Stop. What may pass is tried again, and nobody is dropped for it.
func (r *Reader) run() {
	failures, lost := 0, Losses(0)
	for {
		again, err := r.round()
		switch {
		case r.ctx.Err() != nil:
			return
		case err != nil:
			if fault := r.tail.Faulty(following, lost.Take(err)); fault != nil && (r.to.Failed == nil || !r.to.Failed(fault)) {
				r.tail.retry(slog.LevelError, following, fault) // else it is logged by those who are told
			}
			failures++
			if !pause(r.ctx, Backoff(failures)) {
				return
			}
			continue
		}
		failures, lost = 0, 0
		if again {
			continue
		}
		select {
		case <-r.ctx.Done():
			return
		case <-r.wake:
		}
	}
}

// round has taken what there is to take next, and reports whether there may be more.
func (r *Reader) round() (again bool, err error) {
	defer flight.Catch(&err)
	r.mu.Lock()
	items, known, hinted, renew, position := r.inbox, r.known, r.hinted, r.renew, r.position
	r.inbox, r.inboxBytes, r.hinted, r.renew = nil, 0, 0, false
	r.mu.Unlock()
	defer func() {
		if again || err != nil { // else the log was read to its end
			r.mu.Lock()
			r.hinted = max(r.hinted, hinted)
			r.mu.Unlock()
		}
	}()
	if renew && r.to.Renew != nil {
		if err := r.to.Renew(r.ctx); err != nil {
			r.mu.Lock()
			r.renew = true
			r.mu.Unlock()
			return false, err
		}
	}
	// What was flushed while it was being read.
	items = items[countTo(items, position):]
	run := countOn(items, position)
	if run == 0 {
		if max(known, hinted) <= position {
			return false, nil
		}
		ctx, cancel := context.WithTimeout(r.ctx, patience)
		defer cancel()
		var entries []*feedback.Entry
		entries, err = feedback.ReadEntries(ctx, r.tail.db, position, portion)
		if err != nil {
			return false, err
		}
		if len(entries) == 0 {
			if known <= position {
				return false, nil // the hint was wrong
			}
			return false, fmt.Errorf("%w: it has no event after %d, and should have %d", ErrLost, position, known)
		}
		items, run = Weigh(entries), len(entries)
	}
	// Where a run ends the rest is read from the log: known says so.
	if err := r.take(items[:run]); err != nil {
		return false, err
	}
	return true, nil
}

// take hands items out.
func (r *Reader) take(items []Item) error {
	defer r.changed()
	taken, err := r.to.Take(r.ctx, items)
	if taken > 0 {
		r.mu.Lock()
		r.position = items[taken-1].Position
		r.mu.Unlock()
	}
	return err
}

// countTo counts the entries up to the position.
func countTo(entries []Item, position int64) int {
	n := 0
	for n < len(entries) && entries[n].Position <= position {
		n++
	}
	return n
}

// countOn counts the entries that follow on the position without a gap.
func countOn(entries []Item, position int64) int {
	n := 0
	for n < len(entries) && entries[n].Position == position+int64(n)+1 {
		n++
	}
	return n
}

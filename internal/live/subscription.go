package live

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/tail"
)

// errEnded is returned to those who go on listening after they closed.
var errEnded = errors.New("live: listening to what is closed")

// Subscription gives the entries of a tenant's log that pass a filter: each once, in order, none left out. It has no
// goroutine of its own, and keeps no more than a short queue.
type Subscription struct {
	tailer *tailer
	ready  chan struct{} // says that Next should look again
	view   *view         // nil where all entries pass
	// pay pays for what is read for this subscription alone, and search for what is searched, which is visible to the caller;
	// nil where nobody has to.
	pay, search func(points int) error

	// mu guards the rest, but place, which is under tailer.listeners.
	mu sync.Mutex
	// queue holds what passed and was not given yet, from head on.
	queue []item
	head  int
	bytes int // of the queue
	fills int // how often it was filled from the log
	// position is that of the last entry that was looked at. It stays behind while the subscription is attached, when
	// all up to the tailer's are.
	position int64
	// behind says that Next reads the log itself. What follows position is then its business alone.
	behind bool
	// unpaid is what was searched and not paid, in points.
	unpaid float64
	// err ends the subscription once the queue is empty.
	err   error
	begin int64
	place int // among the attached; negative where it is not
}

// view is a filter, resolved for its caller and for one state of the tenant.
type view struct {
	filter    selection.Filter
	caller    auth.Caller
	selection *selection.Selection // nil where it is to be resolved
	settings  int64
	today     calendar.Day
}

// resolve brings the selection up to the state, unless it was resolved by a newer one.
func (v *view) resolve(state *settings.State, now time.Time) (err error) {
	today := state.Today(now)
	if v.selection != nil && (state.Settings < v.settings || state.Settings == v.settings && today == v.today) {
		return nil
	}
	v.selection, err = v.filter.Select(auth.With(context.Background(), v.caller), state, selection.Within{}, now)
	v.settings, v.today = state.Settings, today
	return err
}

// Subscribe listens to the log of the context's caller: to what passes the filter and what the caller is narrowed to.
// Where after is nil, that is what comes from now on; else all after that position, which must not be beyond the
// log's end. The context is for the call alone. The caller must Close the subscription in the end.
//
// Filters are resolved by the settings (segments, traits, campaigns) that an entry was committed under, or by newer ones. An entry is judged by what its response was when the entry was read or flushed.
//
// The error is an *apierror.Error for what the caller can mend.
func (h *Hub) Subscribe(ctx context.Context, filter selection.Filter, after *int64) (_ *Subscription, err error) {
	t, err := h.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			h.release(t)
		}
	}()
	// The tailer is there already, and keeps what is flushed from now on.
	mark, err := h.tail.Mark(ctx, t.tenant)
	if err != nil {
		return nil, fmt.Errorf("subscribing: %w", err)
	}
	position := mark.Position
	if after != nil {
		if err := rate.SpendBlind(ctx, rate.BlindPrice); err != nil { // for what is gone through to the present
			return nil, err
		}
		if *after < 0 || *after > mark.Position {
			return nil, apierror.BadRequest("after: this is beyond the end of the log. Leave it out to begin with what comes from now on.")
		}
		position = *after
	}
	caller, _ := auth.From(ctx)
	var v *view
	if !reflect.ValueOf(filter).IsZero() || !caller.Narrowing.IsZero() {
		state, err := t.readState(ctx)
		if err != nil {
			return nil, fmt.Errorf("subscribing: %w", err)
		}
		v = &view{filter: filter, caller: caller}
		if err := v.resolve(state, h.cfg.Now()); err != nil {
			return nil, err
		}
		filter.Warn(ctx, v.selection)
	}
	t.start(mark.Position)
	return t.subscribe(position, v, rate.Spender(ctx), rate.Spender(rate.Seeing(ctx))), nil
}

// subscribe makes a subscription to what comes after the position.
func (t *tailer) subscribe(position int64, v *view, pay, search func(points int) error) *Subscription {
	s := &Subscription{tailer: t, ready: make(chan struct{}, 1), view: v, pay: pay, search: search, position: position, begin: position, behind: true, place: -1}
	t.hub.subscribers.Add(1)
	t.hub.behind.Add(1)
	t.attach(s)
	return s
}

// Next waits for the next entry, until ctx ends. It must not be called by two at once. That the database is away
// delays it only. The error is that of ctx, ErrClosed after Hub.Close, or why the subscription has ended by itself: an
// *apierror.Error that says what the filter refers to and is no more, or a fault that trying again does not mend.
func (s *Subscription) Next(ctx context.Context) (*feedback.Entry, error) {
	closed := s.tailer.hub.ctx.Done()
	lost := tail.Losses(0)
	for failures := 0; ; {
		select {
		case <-closed:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		default:
		}
		e, behind, err := s.take()
		if e != nil || err != nil {
			return e, err
		}
		var wait <-chan time.Time
		if behind {
			err := lost.Take(s.catchUp(ctx))
			if err == nil {
				failures = 0
				continue
			}
			if fault := s.tailer.hub.tail.Faulty("live: reading on", err); fault != nil && ctx.Err() == nil {
				return nil, fault
			}
			failures++
			wait = time.After(tail.Backoff(failures))
		}
		select {
		case <-s.ready:
		case <-wait:
		case <-closed:
		case <-ctx.Done():
		}
	}
}

// Begin is the position that the subscription began after.
func (s *Subscription) Begin() int64 { return s.begin }

// Ready reports whether Next would give an entry at once.
func (s *Subscription) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head < len(s.queue)
}

// take takes the first of the queue.
func (s *Subscription) take() (e *feedback.Entry, behind bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head == len(s.queue) || errors.Is(s.err, errEnded) {
		return nil, s.behind, s.err
	}
	first := s.queue[s.head]
	s.queue[s.head] = item{}
	s.bytes -= first.Bytes
	if s.head++; s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
		if cap(s.queue) > 8 {
			s.queue = nil // a burst is over
		}
	}
	return first.Entry, s.behind, nil
}

// fits reports whether the queue has room.
func (s *Subscription) fits(e item) bool {
	n, b := len(s.queue)-s.head, s.tailer.hub.bounds
	return n < b.queue && (n == 0 || s.bytes+e.Bytes <= b.queueBytes)
}

// put appends to the queue, and reports whether there was room.
func (s *Subscription) put(e item) bool {
	if !s.fits(e) {
		return false
	}
	if len(s.queue) == cap(s.queue) && s.head > 0 {
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, e)
	s.bytes += e.Bytes
	return true
}

// offer takes what the tailer hands out, and reports whether the subscription stays attached.
func (s *Subscription) offer(entries []offered, state *settings.State, now time.Time) (stays bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			s.fail(flight.Recovered(p))
			stays = false
		}
	}()
	if s.view != nil {
		if err := s.view.resolve(state, now); err != nil {
			s.fail(err)
			return false
		}
	}
	for _, e := range entries {
		if e.Response == nil && s.holds(e.Event.Response) {
			s.fallBehind()
			return false
		}
		if e.Position <= s.position || !s.wants(e.search, false) {
			continue
		}
		if !s.put(e.item) {
			s.fallBehind()
			return false
		}
		poke(s.ready)
	}
	_ = s.settle(1) // it is done already
	return true
}

// wants reports whether the entry passes, and takes down what it cost to search it: the folding too, where it was done for this
// subscription alone.
func (s *Subscription) wants(e *selection.Offered, alone bool) bool {
	if s.view == nil {
		return true
	}
	told, points := s.view.selection.MatchesOffered(e)
	if s.unpaid += points; alone {
		s.unpaid += e.Folding
	}
	return told
}

// settle pays for what was searched where it has come to so many points.
func (s *Subscription) settle(least int) error {
	points := int(s.unpaid)
	if points < least || s.search == nil {
		return nil
	}
	s.unpaid -= float64(points)
	return s.search(points)
}

// holds reports whether the queue has the response, as it was before it was deleted: then it is to be read again.
func (s *Subscription) holds(response uuid.UUID) bool {
	return slices.ContainsFunc(s.queue[s.head:], func(e item) bool { return e.Response != nil && e.Event.Response == response })
}

// letGo empties the queue, to be read from the log again.
func (s *Subscription) letGo() {
	s.position = s.queue[s.head].Position - 1
	s.queue, s.head, s.bytes = nil, 0, 0
}

// fallBehind lets go of everything: it is in the log, and who does not come to take it should hold nothing.
func (s *Subscription) fallBehind() {
	s.letGo()
	s.behind = true
	s.tailer.hub.behind.Add(1)
	if s.view != nil {
		s.view.selection = nil
	}
	poke(s.ready)
}

func (s *Subscription) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	poke(s.ready)
}

// catchUp fills the empty queue from the log, or attaches the subscription where it has caught up. The error is for what
// should be tried again later.
func (s *Subscription) catchUp(ctx context.Context) error {
	t := s.tailer
	if t.attach(s) {
		return nil
	}
	limit := t.hub.bounds.queue
	if s.view != nil {
		limit = t.hub.bounds.portion
	}
	if s.pay != nil {
		if err := s.pay(0); err != nil {
			return err // what was read before is not paid yet
		}
	}
	// Portions begin at the same positions for all, so that those who are behind together read the same ones, and are shown
	// the same entries.
	entries, err := t.read(ctx, s.position-s.position%int64(limit), limit)
	if err != nil {
		return err
	}
	entries = entries[sort.Search(len(entries), func(i int) bool { return entries[i].Position > s.position }):]
	if len(entries) == 0 {
		return tail.ErrLost
	}
	var state *settings.State
	if s.view != nil {
		if state, err = t.readState(ctx); err != nil {
			return err
		}
	}
	passed := s.fill(entries, state, t.hub.cfg.Now())
	if s.pay != nil {
		_ = s.pay(max(1, passed/rate.RowsPerPoint)) // it is read already
	}
	t.attach(s)
	return nil
}

// atOnce is for how many points is searched at most before they are paid.
const atOnce = 10

// fill takes what passes, as much as there is room for, and says how many entries it has come past.
func (s *Subscription) fill(entries []item, state *settings.State, now time.Time) (passed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			s.fail(flight.Recovered(p))
		}
	}()
	if s.view != nil {
		if err := s.view.resolve(state, now); err != nil {
			s.fail(err)
			return 0
		}
	}
	for _, e := range entries {
		// First, so that nothing is searched that has to be searched again.
		if !s.fits(e) {
			break
		}
		if s.wants(&selection.Offered{Entry: e.Entry}, true) {
			s.put(e)
		}
		s.position = e.Position
		passed++
		if s.settle(atOnce) != nil {
			break // the rest is read again, once the caller may
		}
	}
	_ = s.settle(1)
	if s.view != nil {
		s.view.selection = nil // it holds a state, and a stalled subscriber should not
	}
	if s.head < len(s.queue) {
		s.fills++
		fill := s.fills
		flight.After(fresh, func() { s.expire(fill) }, flight.Logged(s.tailer.hub.cfg.Log, "live: letting go of what is not taken"))
	}
	return passed
}

// expire lets go of what was not taken of a filling for so long, since nobody tells who is behind what is deleted.
func (s *Subscription) expire(fill int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind && s.fills == fill && s.head < len(s.queue) {
		s.letGo()
	}
}

// Close ends the subscription. Next returns an error then, also one that is waiting.
func (s *Subscription) Close() {
	t := s.tailer
	t.listeners.Lock()
	s.mu.Lock()
	ended := errors.Is(s.err, errEnded)
	s.err = errEnded
	s.queue, s.head, s.bytes = nil, 0, 0
	if !ended && s.behind {
		t.hub.behind.Add(-1)
	}
	s.mu.Unlock()
	t.detach(s)
	t.listeners.Unlock()
	poke(s.ready)
	if !ended {
		t.hub.subscribers.Add(-1)
		t.hub.release(t)
	}
}

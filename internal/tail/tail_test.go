package tail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"pgregory.net/rapid"
)

// world is a tenant with a campaign whose log tells nobody by itself.
type world struct {
	t        *testing.T
	db       *store.DB
	log      *feedback.Log
	ctx      context.Context
	tenant   uuid.UUID
	campaign string
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db, ctx: auth.ForTenant(t.Context(), made.ID), tenant: made.ID}
	c, err := campaign.Create(w.ctx, db, campaign.CreateInput{Name: "Campaign"})
	if err != nil {
		t.Fatal(err)
	}
	w.campaign = id.Campaign.Format(c.ID)
	if w.log, err = feedback.NewLog(db, feedback.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) record(n int, comment string) {
	w.t.Helper()
	items := make([]feedback.Recording, n)
	for i := range items {
		items[i] = feedback.Recording{Campaign: w.campaign, Score: i % 11, Channel: "API", Comment: &comment}
	}
	if _, err := w.log.Record(w.ctx, items); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) entries(n int) []*feedback.Entry {
	w.t.Helper()
	entries, err := feedback.ReadEntries(w.ctx, w.db, 0, n)
	if err != nil || len(entries) != n {
		w.t.Fatalf("%d entries, %v", len(entries), err)
	}
	return entries
}

// newTail makes a tail that hears of nothing, and polls by hand.
func newTail(t *testing.T, db *store.DB, cfg Config) *Tail {
	t.Helper()
	cfg.Poll, cfg.Alone, cfg.Log = time.Hour, true, slog.New(slog.DiscardHandler)
	tail := New(db, cfg)
	t.Cleanup(tail.Close)
	return tail
}

// into has a reader send the positions that it takes.
func into(to chan int64) Handler {
	return Handler{Take: func(ctx context.Context, items []Item) (int, error) {
		for n, i := range items {
			select {
			case to <- i.Position:
			case <-ctx.Done():
				return n, ctx.Err()
			}
		}
		return len(items), nil
	}}
}

func (w *world) read(tail *Tail, h Handler) *Reader {
	w.t.Helper()
	r, err := tail.Read(w.tenant, h)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(r.Stop)
	return r
}

// eventually waits for what nothing tells of.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s in vain", what)
		}
	}
}

// TestOrder tells by all ways at once: what is flushed is told in part, twice, or not at all, and of positions that are
// not there. Who takes only some, and fails, gets the others again; each entry is taken once and in order.
func TestOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const events = 40
		w := newWorld(t, db)
		w.record(events, "so")
		entries := w.entries(events)
		rapid.Check(t, func(r *rapid.T) {
			tail := New(db, Config{Poll: time.Hour, Alone: true, Inbox: 8, Log: slog.New(slog.DiscardHandler)})
			defer tail.Close()
			flushed := rapid.Int64Range(0, events).Draw(r, "start")
			took := make(chan int64, events)
			last := flushed
			failing := rapid.SliceOfN(rapid.Bool(), 0, 6).Draw(r, "failing")
			reader, err := tail.Read(w.tenant, Handler{Take: func(_ context.Context, items []Item) (int, error) {
				n, fails := len(items), len(failing) > 0 && failing[0]
				if len(failing) > 0 {
					failing = failing[1:]
				}
				if fails {
					n /= 2
				}
				for _, i := range items[:n] {
					took <- i.Position
				}
				if fails {
					return n, fmt.Errorf("taking: %w", context.DeadlineExceeded)
				}
				return n, nil
			}})
			if err != nil {
				r.Fatal(err)
			}
			reader.Start(flushed)
			reader.Start(0) // begun already
			for range rapid.IntRange(0, 12).Draw(r, "steps") {
				n := min(rapid.Int64Range(1, 6).Draw(r, "n"), events-flushed)
				switch rapid.IntRange(0, 4).Draw(r, "way") {
				case 0: // told by nobody
				case 1:
					tail.Hint(w.tenant, flushed+n)
				case 2:
					tail.Hint(w.tenant, 1<<60)
				default:
					again := min(rapid.Int64Range(0, 3).Draw(r, "again"), flushed)
					tail.Flushed(w.tenant, entries[flushed-again:flushed+n])
				}
				flushed += n
			}
			if _, err := tail.Mark(w.ctx, w.tenant); err != nil { // which readers hear, too
				r.Fatal(err)
			}
			for ; last < events; last++ {
				if got := <-took; got != last+1 {
					r.Fatalf("took %d after %d", got, last)
				}
			}
			eventually(t, "the reader to arrive", func() bool { return tail.Stats().Lag == 0 })
			if len(took) > 0 {
				r.Errorf("took %d, which is too many", <-took)
			}
		})
	})
}

// TestMissing has an entry lack in the middle: who reads is told so, and goes on when it is there again.
func TestMissing(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	w := newWorld(t, db)
	w.record(2, "so")
	tail := newTail(t, db, Config{})
	took, faults := make(chan int64, 10), make(chan error, 100)
	h := into(took)
	h.Failed = func(fault error) bool {
		select {
		case faults <- fault:
		default:
		}
		return true
	}
	w.read(tail, h).Start(0)
	if _, err := db.Writer.ExecContext(w.ctx, `UPDATE tenants SET log_position = 3`); err != nil {
		t.Fatal(err)
	}
	if _, err := tail.Mark(w.ctx, w.tenant); err != nil {
		t.Fatal(err)
	}
	if fault := <-faults; !strings.Contains(fault.Error(), "missing") {
		t.Errorf("it says %v", fault)
	}
	if _, err := db.Writer.ExecContext(w.ctx, `UPDATE tenants SET log_position = 2`); err != nil {
		t.Fatal(err)
	}
	w.record(1, "so")
	for want := int64(1); want <= 3; want++ {
		if got := <-took; got != want {
			t.Errorf("took %d, want %d", got, want)
		}
	}
}

// TestRenew has settings change, and a handler that fails at first.
func TestRenew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		tail := newTail(t, db, Config{})
		took, renewed := make(chan int64), make(chan struct{}, 10)
		h, fails := into(took), true
		h.Renew = func(context.Context) error {
			renewed <- struct{}{}
			if fails {
				fails = false
				return fmt.Errorf("renewing: %w", context.DeadlineExceeded)
			}
			return nil
		}
		r := w.read(tail, h)
		r.Start(0)
		if _, err := tail.Mark(w.ctx, w.tenant); err != nil {
			t.Fatal(err)
		}
		<-renewed
		<-renewed
		r.Renew()
		<-renewed
		if _, err := campaign.Create(w.ctx, db, campaign.CreateInput{Name: "Another"}); err != nil {
			t.Fatal(err)
		}
		if _, err := tail.Mark(w.ctx, w.tenant); err != nil {
			t.Fatal(err)
		}
		<-renewed
	})
}

// TestChanged has readers that take nothing be told of flushes, of hints and of what the database says.
func TestChanged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w, other := newWorld(t, db), newWorld(t, db)
		w.record(1, "so")
		tail := newTail(t, db, Config{})
		changed := make(chan struct{}, 1)
		first := w.read(tail, Handler{Changed: func() { poke(changed) }})
		for name, tell := range map[string]func(w *world){
			"flushed": func(w *world) { tail.Flushed(w.tenant, w.entries(1)) },
			"hinted":  func(w *world) { tail.Hint(w.tenant, 1<<40) },
			"asked": func(w *world) {
				if _, err := tail.Mark(w.ctx, w.tenant); err != nil {
					t.Fatal(err)
				}
			},
		} {
			tell(w)
			if len(changed) == 0 {
				t.Errorf("%s: nobody is told", name)
			}
			<-changed
		}
		other.record(1, "so")
		tail.Flushed(other.tenant, other.entries(1))
		// Two of one tenant, one of which stops.
		second := make(chan struct{}, 1)
		w.read(tail, Handler{Changed: func() { poke(second) }})
		first.Stop()
		tail.Hint(w.tenant, 1<<50)
		<-second
		if len(changed) > 0 {
			t.Error("it is told of another tenant, or after its end")
		}
		if s := tail.Stats(); s.Tenants != 1 || s.Lag != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestHeard sends what anybody may send: it must harm nobody.
func TestHeard(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	w := newWorld(t, db)
	tail := newTail(t, db, Config{})
	took := make(chan int64)
	w.read(tail, into(took)).Start(0)
	name := w.tenant.String()
	for _, payload := range []string{"", " ", "x", name, name + " ", name + " x", name + "  1", uuid.NewString() + " 1", name + " -1"} {
		tail.heard(payload)
	}
	// A position that the log never reaches is looked for in vain, and delays nobody.
	tail.heard(name + " 9223372036854775807")
	w.record(2, "so")
	tail.heard(name + " 2")
	for want := int64(1); want <= 2; want++ {
		if got := <-took; got != want {
			t.Errorf("took %d, want %d", got, want)
		}
	}
	eventually(t, "the reader to arrive", func() bool { return tail.Stats().Lag == 0 })
}

// TestWrongHint steps through what a reader does that is told of a position that is not there.
func TestWrongHint(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.record(2, "so")
		tail := newTail(t, db, Config{})
		r := w.read(tail, into(make(chan int64, 10)))
		r.started = true // by the test itself
		tail.heard(w.tenant.String() + " 9223372036854775807")
		for i, more := range []bool{true, false, false} {
			if again, err := r.round(); again != more || err != nil {
				t.Errorf("round %d: %t, %v", i, again, err)
			}
		}
		if r.position != 2 || r.known != 0 || r.hinted != 0 || tail.Stats().Lag != 0 {
			t.Errorf("at %d, known %d, hinted %d", r.position, r.known, r.hinted)
		}
		// What is true is heard after what was not.
		w.record(1, "so")
		tail.heard(w.tenant.String() + " 3")
		if again, err := r.round(); !again || err != nil || r.position != 3 {
			t.Errorf("at %d: %t, %v", r.position, again, err)
		}
	})
}

// TestInbox flushes more than there is room for: it is read from the log.
func TestInbox(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	w := newWorld(t, db)
	w.record(10, strings.Repeat("x", 10_000))
	entries := w.entries(10)
	for name, cfg := range map[string]Config{"bytes": {InboxBytes: 50_000}, "number": {Inbox: 5}} {
		tail := newTail(t, db, cfg)
		r := w.read(tail, into(make(chan int64, 10)))
		tail.Flushed(w.tenant, entries[:4])
		tail.Flushed(w.tenant, entries[4:])
		if r.inboxBytes != Bytes(r.inbox) || len(r.inbox) != 4 {
			t.Errorf("%s: %d entries of %d bytes are in the inbox", name, len(r.inbox), r.inboxBytes)
		}
		r.started = true // by the test itself
		for range 3 {
			if _, err := r.round(); err != nil {
				t.Fatal(err)
			}
		}
		if r.position != 10 || r.inboxBytes != 0 || r.inbox != nil {
			t.Errorf("%s: at %d with %d bytes", name, r.position, r.inboxBytes)
		}
	}
}

// TestLastPoll has nobody read for a long time, and then somebody.
func TestLastPoll(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	w := newWorld(t, db)
	tail := newTail(t, db, Config{})
	if at := tail.Stats().LastPoll; !at.IsZero() {
		t.Errorf("before anybody came: %v", at)
	}
	polled := func() bool { return len(tail.pollNow) == 0 }
	for range 3 { // the third is taken when the first two are over
		poke(tail.pollNow)
		eventually(t, "a poll", polled)
	}
	if at := tail.Stats().LastPoll; !at.IsZero() {
		t.Errorf("with nothing to ask: %v", at)
	}
	tail.lastPoll.Store(1) // a time long ago
	came := time.Now()
	w.read(tail, Handler{})
	first := tail.Stats()
	if first.Tenants != 1 || first.LastPoll.Before(came.Round(0)) {
		t.Errorf("when the first has come: %+v", first)
	}
	poke(tail.pollNow)
	eventually(t, "a poll", func() bool { return tail.Stats().LastPoll.After(first.LastPoll) })
}

// TestClose stops what is being read, and what comes later.
func TestClose(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	w := newWorld(t, db)
	w.record(3, "so")
	tail := newTail(t, db, Config{})
	began, ended := make(chan struct{}), false
	r := w.read(tail, Handler{Take: func(ctx context.Context, _ []Item) (int, error) {
		close(began)
		<-ctx.Done()
		ended = true
		return 0, ctx.Err()
	}})
	r.Start(0)
	tail.Hint(w.tenant, 3)
	<-began
	tail.Close()
	if !ended {
		t.Error("what is being taken goes on")
	}
	if _, err := tail.Read(w.tenant, Handler{}); !errors.Is(err, ErrClosed) {
		t.Errorf("reading after the end: %v", err)
	}
	if _, err := tail.Mark(w.ctx, w.tenant); !errors.Is(err, ErrClosed) {
		t.Errorf("asking after the end: %v", err)
	}
	r.Start(0)
}

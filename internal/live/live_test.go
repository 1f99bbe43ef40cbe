package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tail"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

func TestFromNowOn(t *testing.T) {
	each(t, tight, func(w *world) {
		t := w.t
		w.record(5)
		for range 10 {
			before := w.position()
			s := w.subscribe(w.ctx, selection.Filter{}, nil)
			w.record(1)
			w.hears(s, before, before+1)
			w.record(7) // more than the queue has room for
			w.hears(s, before+1, before+8)
		}
		end := w.position()
		for _, after := range []int64{0, 1, end - 1, end} {
			w.hears(w.subscribe(w.ctx, selection.Filter{}, &after), after, end)
		}
		for _, after := range []int64{-1, end + 1} {
			_, err := w.hub.Subscribe(w.ctx, selection.Filter{}, &after)
			if e, ok := errors.AsType[*apierror.Error](err); !ok || e.Code != apierror.BadRequestCode {
				t.Errorf("after %d: %v", after, err)
			}
		}
		if _, err := w.hub.Subscribe(t.Context(), selection.Filter{}, nil); err == nil {
			t.Error("nobody may listen")
		}
	})
}

// TestStates follows a log by all ways at once: what is pushed is pushed late, in part, or not at all, and listeners
// come, stall, go and come again. Each hears what follows on what it heard before.
func TestStates(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	w := newWorld(t, begin(t, db, tight, time.Hour, false))
	const events = 40
	w.record(events)
	entries, err := feedback.ReadEntries(w.ctx, db, 0, events)
	if err != nil || len(entries) != events {
		t.Fatal(len(entries), err)
	}
	rapid.Check(t, func(r *rapid.T) {
		h, stop := newHubOf(db, tight, time.Hour, false, quiet())
		defer stop()
		tailer, err := h.acquire(w.ctx)
		if err != nil {
			r.Fatal(err)
		}
		pushed := rapid.Int64Range(0, events).Draw(r, "start")
		tailer.start(pushed)
		type listener struct {
			*Subscription

			heard int64
		}
		var listeners []*listener
		read := func(l *listener, n int64) {
			ctx, cancel := context.WithTimeout(w.ctx, soon)
			defer cancel()
			last, err := inOrder(ctx, l.Subscription, l.heard, l.heard+n)
			if err != nil {
				r.Fatalf("after %d: %v", last, err)
			}
			l.heard = last
		}
		one := func() *listener { return listeners[rapid.IntRange(0, len(listeners)-1).Draw(r, "who")] }
		r.Repeat(map[string]func(*rapid.T){
			"push": func(r *rapid.T) {
				n := min(rapid.Int64Range(1, 6).Draw(r, "n"), events-pushed)
				if n > 0 && rapid.IntRange(0, 3).Draw(r, "lost") > 0 {
					again := min(rapid.Int64Range(0, 3).Draw(r, "again"), pushed)
					h.tail.Flushed(w.tenant, entries[pushed-again:pushed+n])
				}
				pushed += n
			},
			"hint": func(*rapid.T) { h.tail.Hint(w.tenant, pushed) },
			"come": func(r *rapid.T) {
				if len(listeners) == 4 {
					r.Skip()
				}
				after := rapid.Int64Range(0, pushed).Draw(r, "after")
				listeners = append(listeners, &listener{tailer.subscribe(after, nil, nil, nil), after})
			},
			"read": func(r *rapid.T) {
				if len(listeners) == 0 {
					r.Skip()
				}
				l := one()
				h.tail.Hint(w.tenant, pushed)
				if n := pushed - l.heard; n > 0 {
					read(l, rapid.Int64Range(1, n).Draw(r, "n"))
				}
			},
			"": func(r *rapid.T) {
				for _, l := range listeners {
					l.mu.Lock()
					if held := len(l.queue) - l.head; held > tight.queue || cap(l.queue) > 4*tight.queue {
						r.Errorf("%d entries are held", held)
					}
					l.mu.Unlock()
				}
			},
		})
		h.tail.Hint(w.tenant, events)
		for _, l := range listeners {
			read(l, events-l.heard)
			ctx, cancel := context.WithCancel(w.ctx)
			cancel()
			if _, err := l.Next(ctx); !errors.Is(err, context.Canceled) {
				r.Errorf("with an ended context: %v", err)
			}
		}
		eventually(t, "the tailer to arrive", func() bool { return h.tail.Stats().Lag == 0 })
	})
}

// TestEverybodyHearsEverything has many write through two processes, and many listen on both and a third that hears of
// nothing but by its poll: some without a break, some cut again and again, some slow.
func TestEverybodyHearsEverything(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		const writers, calls, events = 8, 20, 8 * (20 + 20/5*4)
		first := storetest.Open(t, url)
		processes := []process{
			begin(t, first, tight, 50*time.Millisecond, true),
			begin(t, storetest.Open(t, url), roomy, 50*time.Millisecond, true),
			begin(t, storetest.Open(t, url), tight, 20*time.Millisecond, false),
		}
		w := newWorld(t, processes[0])
		ctx, cancel := context.WithTimeout(w.ctx, 2*soon)
		defer cancel()
		var running sync.WaitGroup
		half := make(chan struct{})
		listen := func(name string, hub *Hub, listen func(hub *Hub) error) {
			running.Go(func() {
				if err := listen(hub); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		for i, p := range processes {
			for range 4 {
				listen(fmt.Sprintf("%d steady", i), p.hub, func(hub *Hub) error {
					s, err := hub.Subscribe(ctx, selection.Filter{}, new(int64))
					if err != nil {
						return err
					}
					defer s.Close()
					_, err = inOrder(ctx, s, 0, events)
					return err
				})
				listen(fmt.Sprintf("%d cut", i), p.hub, func(hub *Hub) error {
					for heard := int64(0); heard < events; {
						s, err := hub.Subscribe(ctx, selection.Filter{}, &heard)
						if err != nil {
							return err
						}
						heard, err = inOrder(ctx, s, heard, min(events, heard+rand.Int64N(20)))
						s.Close()
						if err != nil {
							return err
						}
					}
					return nil
				})
				listen(fmt.Sprintf("%d slow", i), p.hub, func(hub *Hub) error {
					s, err := hub.Subscribe(ctx, selection.Filter{}, nil)
					if err != nil {
						return err
					}
					defer s.Close()
					e, err := s.Next(ctx)
					if err != nil {
						return err
					}
					<-half // with a queue that is full long before
					_, err = inOrder(ctx, s, e.Position, events)
					return err
				})
			}
		}
		// The slow ones begin from now on, wherever that is.
		for _, p := range processes {
			eventually(t, "the subscribers", func() bool { return p.hub.Stats().Subscribers >= 8 })
		}
		var written sync.WaitGroup
		for i := range writers {
			written.Go(func() {
				log := processes[i%2].log
				for call := range calls {
					items := []feedback.Recording{w.recording()}
					if call%5 == 0 {
						items = append(items, items[0], items[0], items[0], items[0])
					}
					for len(items) > 0 {
						out, err := log.Record(ctx, items)
						if ctx.Err() != nil {
							t.Error(err)
							return
						}
						if err == nil && out[0].Value != nil {
							break
						}
					}
					if i == 0 && call == calls/2 {
						close(half)
					}
				}
			})
		}
		written.Wait()
		if p := w.position(); p != events {
			t.Errorf("%d events, want %d", p, events)
		}
		w.record(1) // for those slow ones that came after all others
		running.Wait()
		for _, p := range processes {
			if s := p.hub.Stats(); s.Subscribers != 0 || s.Tailers != 0 || s.Behind != 0 {
				t.Errorf("after all have gone: %+v", s)
			}
		}
	})
}

func (w *world) define(key string, kind trait.Kind) {
	w.t.Helper()
	_, err := settings.DefineTrait(w.ctx, cube.NewBuilder(w.db, nil), settings.DefineTraitInput{Key: key, Kind: kind, IsDimension: true})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) save(name string, rule segment.Rule) (uuid.UUID, string) {
	w.t.Helper()
	g, err := settings.CreateSegment(w.ctx, w.db, settings.CreateSegmentInput{Name: name, Rule: rule})
	if err != nil {
		w.t.Fatal(err)
	}
	return g.ID, id.Segment.Format(g.ID)
}

func plan(name string) segment.Rule {
	return segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{name}}}
}

// TestFilters compares what is heard live, and what is heard after the fact in portions, with what should be.
func TestFilters(t *testing.T) {
	each(t, tight, func(w *world) {
		w.define("plan", trait.Text)
		other := w.open("Other")
		otherID, err := id.Campaign.Parse(other)
		if err != nil {
			w.t.Fatal(err)
		}
		gold, goldText := w.save("Gold", plan("gold"))
		narrowed := func(n auth.Narrowing) context.Context {
			return auth.With(w.t.Context(), auth.Caller{Tenant: w.tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: n})
		}
		isGold := func(r feedback.Recording) bool { return r.Traits["plan"] == "gold" }
		tests := map[string]struct {
			ctx    context.Context
			filter selection.Filter
			passes func(feedback.Recording) bool
		}{
			"all":      {w.ctx, selection.Filter{}, func(feedback.Recording) bool { return true }},
			"campaign": {w.ctx, selection.Filter{Campaigns: []string{other}}, func(r feedback.Recording) bool { return r.Campaign == other }},
			"segment":  {w.ctx, selection.Filter{Segment: &goldText}, isGold},
			"where":    {w.ctx, selection.Filter{Where: new(plan("gold"))}, isGold},
			"category": {w.ctx, selection.Filter{Categories: []nps.Category{nps.Detractor}}, func(r feedback.Recording) bool { return r.Score <= 6 }},
			"channel":  {w.ctx, selection.Filter{Channels: []response.Channel{response.ChannelEMAIL}}, func(r feedback.Recording) bool { return r.Channel == "EMAIL" }},
			"lately":   {w.ctx, selection.Filter{Last: &selection.Period{Count: 1, Unit: calendar.Monthly}}, func(feedback.Recording) bool { return true }},
			"narrowed to a campaign": {
				narrowed(auth.Narrowing{Campaigns: []uuid.UUID{otherID}}), selection.Filter{},
				func(r feedback.Recording) bool { return r.Campaign == other },
			},
			"narrowed to a segment": {
				narrowed(auth.Narrowing{Segment: gold}), selection.Filter{Categories: []nps.Category{nps.Detractor}},
				func(r feedback.Recording) bool { return isGold(r) && r.Score <= 6 },
			},
			"narrowed to nothing": {
				narrowed(auth.Narrowing{Campaigns: []uuid.UUID{}}), selection.Filter{}, func(feedback.Recording) bool { return false },
			},
		}
		live := map[string]*Subscription{}
		for name, test := range tests {
			live[name] = w.subscribe(test.ctx, test.filter, nil)
		}
		want := map[string][]int64{}
		var made []*ent.Response
		var items []feedback.Recording
		position := int64(0)
		told := func(r feedback.Recording) {
			position++
			for name, test := range tests {
				if test.passes(r) {
					want[name] = append(want[name], position)
				}
			}
		}
		for i := range 60 {
			r := w.recording()
			r.Score = i % 11
			r.Traits = trait.Values{"plan": []string{"gold", "basic", fmt.Sprint("new ", i)}[i%3]}
			if i%4 == 0 {
				r.Campaign = other
			}
			if i%5 == 0 {
				r.Channel = "EMAIL"
			}
			made, items = append(made, w.recordAll(r)...), append(items, r)
			told(r)
		}
		// Deleted, by their tombstones. Read again, their earlier events are those of the deleted: the same for the cube.
		for i := 0; i < len(made); i += 7 {
			if _, err := w.log.Delete(w.ctx, id.Response.Format(made[i].ID)); err != nil {
				w.t.Fatal(err)
			}
			told(items[i])
		}
		for name, test := range tests {
			n := len(want[name])
			for way, s := range map[string]*Subscription{"live": live[name], "replayed": w.subscribe(test.ctx, test.filter, new(int64))} {
				for i, p := range want[name] {
					if got := w.next(s); got != p {
						w.t.Fatalf("%s, %s: event %d of %d is %d, want %d", name, way, i, n, got, p)
					}
				}
				// Nothing more is there.
				eventually(w.t, "the end", func() bool {
					s.mu.Lock()
					defer s.mu.Unlock()
					if len(s.queue) > s.head {
						w.t.Fatalf("%s, %s: %d too", name, way, s.queue[s.head].Position)
					}
					return !s.behind || s.position == position || w.stepped(s)
				})
			}
		}
	})
}

// stepped lets a subscription that is behind read on, as Next would.
func (w *world) stepped(s *Subscription) bool {
	s.mu.Unlock()
	defer s.mu.Lock()
	if err := s.catchUp(w.ctx); err != nil {
		w.t.Error(err)
	}
	return false
}

// TestSettings changes and deletes a segment beneath subscriptions.
func TestSettings(t *testing.T) {
	each(t, roomy, func(w *world) {
		t := w.t
		w.define("plan", trait.Text)
		gold, text := w.save("Segment", plan("gold"))
		with := func(name string) int64 {
			r := w.recording()
			r.Traits = trait.Values{"plan": name}
			w.recordAll(r)
			return w.position()
		}
		byFilter := w.subscribe(w.ctx, selection.Filter{Segment: &text}, nil)
		narrowed := auth.With(t.Context(), auth.Caller{Tenant: w.tenant, Scopes: []auth.Scope{auth.Read}, Narrowing: auth.Narrowing{Segment: gold}})
		byToken := w.subscribe(narrowed, selection.Filter{}, nil)
		all := w.subscribe(w.ctx, selection.Filter{}, nil)
		// Each change holds for what is recorded next, through whatever else is changed.
		for i := range 10 {
			now := []string{"gold", "basic"}[i%2]
			if _, err := settings.UpdateSegment(w.ctx, w.db, settings.UpdateSegmentInput{ID: text, Rule: new(plan(now))}); err != nil {
				t.Fatal(err)
			}
			before := with("neither") - 1
			want := with(now)
			end := with([]string{"basic", "gold"}[i%2])
			// All are handed out before the next change.
			w.hears(all, before, end)
			for _, s := range []*Subscription{byFilter, byToken} {
				if got := w.next(s); got != want {
					t.Errorf("heard %d, want %d", got, want)
				}
			}
		}
		waiting := make(chan error)
		go func() {
			_, err := byFilter.Next(w.ctx)
			waiting <- err
		}()
		if _, err := settings.DeleteSegment(w.ctx, w.db, text); err != nil {
			t.Fatal(err)
		}
		// With no event at all.
		err := <-waiting
		if e, ok := errors.AsType[*apierror.Error](err); !ok || e.Code != apierror.NotFoundCode {
			t.Errorf("the segment's listener: %v", err)
		}
		end := with("gold")
		w.hears(all, end-1, end)
		_, err = w.hub.Subscribe(w.ctx, selection.Filter{Segment: &text}, nil)
		if e, ok := errors.AsType[*apierror.Error](err); !ok || e.Code != apierror.NotFoundCode {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestStalled has one not read at all while much is written.
func TestStalled(t *testing.T) {
	b := roomy
	b.queue = 16
	each(t, b, func(w *world) {
		stalled, reading := w.subscribe(w.ctx, selection.Filter{}, nil), w.subscribe(w.ctx, selection.Filter{}, nil)
		const rounds, n = 20, 50
		for i := range int64(rounds) {
			w.record(n)
			w.hears(reading, i*n, i*n+n)
		}
		eventually(w.t, "the other to fall behind", func() bool { return w.hub.Stats().Behind >= 1 })
		stalled.mu.Lock()
		if stalled.queue != nil || !stalled.behind {
			w.t.Errorf("%d entries are held for it", len(stalled.queue))
		}
		stalled.mu.Unlock()
		w.hears(stalled, 0, rounds*n)
		w.record(1)
		w.hears(stalled, rounds*n, rounds*n+1)
		eventually(w.t, "it to be attached again", func() bool { return w.hub.Stats().Behind == 0 })
	})
}

// listens waits until a process with this name hears notifications.
func listens(t *testing.T, db *store.DB, name string) {
	t.Helper()
	eventually(t, "it to listen", func() bool {
		var n int
		err := db.Reader.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = $1 AND query LIKE 'LISTEN %' AND state = 'idle'`, name).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	})
}

// TestHeardOnly listens where another process writes, with a poll that never comes: the notification alone tells.
func TestHeardOnly(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		writing := storetest.Open(t, url)
		if writing.Dialect == store.SQLite {
			return
		}
		listening := storetest.Open(t, url+"&application_name=there")
		w := newWorld(t, begin(t, writing, roomy, time.Hour, true))
		there := begin(t, listening, roomy, time.Hour, true)
		s, err := there.hub.Subscribe(w.ctx, selection.Filter{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		listens(t, writing, "there")
		for i := range int64(20) {
			w.record(3)
			w.hears(s, 3*i, 3*i+3)
		}
	})
}

// TestCut ends all connections of the listening process, its LISTEN first of all, again and again.
func TestCut(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		writing := storetest.Open(t, url)
		if writing.Dialect == store.SQLite {
			return
		}
		w := newWorld(t, begin(t, writing, roomy, time.Hour, true))
		there := begin(t, storetest.Open(t, url+"&application_name=there"), tight, time.Hour, true)
		s, err := there.hub.Subscribe(w.ctx, selection.Filter{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		watch, err := there.hub.Watch(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Close()
		listens(t, writing, "there")
		for i := range int64(8) {
			last := there.hub.tail.Stats().LastPoll
			var ended int
			err := writing.Reader.QueryRowContext(w.ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = 'there'`).Scan(&ended)
			if err != nil || ended < 1 {
				t.Fatalf("%d ended, %v", ended, err)
			}
			// What is notified now is not heard.
			w.record(5)
			w.hears(s, 5*i, 5*i+5)
			if _, err := watch.Next(w.ctx); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it to listen again", func() bool { return there.hub.tail.Stats().LastPoll.After(last) })
		}
	})
}

func TestWatch(t *testing.T) {
	each(t, roomy, func(w *world) {
		t := w.t
		ctx, cancel := context.WithTimeout(w.ctx, soon)
		defer cancel()
		watch, err := w.hub.Watch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		at, err := watch.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		change := map[string]func(){
			"an event":   func() { w.record(1) },
			"a campaign": func() { w.open("One more") },
		}
		for name, change := range change {
			change()
			now, err := watch.Next(ctx)
			if err != nil || now <= at {
				t.Errorf("%s: %d after %d, %v", name, now, at, err)
			}
			at = now
		}
		// Many changes may be told as one, but the last is told.
		for range 20 {
			w.record(1)
		}
		s, err := settings.Load(ctx, w.db, w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		for at < s.Revision {
			now, err := watch.Next(ctx)
			if err != nil || now <= at {
				t.Fatalf("%d after %d, %v", now, at, err)
			}
			at = now
		}
		ended, end := context.WithCancel(ctx)
		end()
		if _, err := watch.Next(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
		waiting := make(chan error)
		go func() {
			_, err := watch.Next(ctx)
			waiting <- err
		}()
		watch.Close()
		watch.Close()
		if err := <-waiting; err == nil || ctx.Err() != nil {
			t.Errorf("once it is closed: %v", err)
		}
		if s := w.hub.Stats(); s.Watches != 0 || s.Tailers != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestClose(t *testing.T) {
	each(t, tight, func(w *world) {
		t := w.t
		w.record(30)
		var results []chan error
		run := func(f func() error) {
			c := make(chan error, 1)
			results = append(results, c)
			go func() { c <- f() }()
		}
		for i := range 20 {
			s := w.subscribe(w.ctx, selection.Filter{}, new([]int64{0, 30}[i%2]))
			run(func() error {
				for {
					if _, err := s.Next(w.ctx); err != nil {
						return err
					}
				}
			})
			watch, err := w.hub.Watch(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			run(func() error {
				for {
					if _, err := watch.Next(w.ctx); err != nil {
						return err
					}
				}
			})
		}
		own := w.subscribe(w.ctx, selection.Filter{}, nil)
		ended := make(chan error)
		go func() {
			_, err := own.Next(w.ctx)
			ended <- err
		}()
		own.Close()
		own.Close()
		if err := <-ended; !errors.Is(err, errEnded) {
			t.Errorf("its own end: %v", err)
		}
		w.hub.Close()
		for _, c := range results {
			if err := <-c; !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
		if _, err := w.hub.Subscribe(w.ctx, selection.Filter{}, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, err := w.hub.Watch(w.ctx); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
		w.record(1) // which the closed hub is told of
	})
}

// TestWrongNotification has somebody else send to the channel.
func TestWrongNotification(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url+map[bool]string{true: "&application_name=there"}[strings.HasPrefix(url, "postgres")])
		if db.Dialect == store.SQLite {
			return
		}
		w := newWorld(t, begin(t, db, roomy, time.Hour, true))
		s := w.subscribe(w.ctx, selection.Filter{}, nil)
		listens(t, db, "there")
		if err := db.Notify(w.ctx, tail.Channel, []string{w.tenant.String() + " 9223372036854775807"}); err != nil {
			t.Fatal(err)
		}
		for i := range int64(5) {
			w.record(1)
			w.hears(s, i, i+1)
		}
		eventually(t, "the tail to arrive", func() bool { return w.hub.tail.Stats().Lag == 0 })
	})
}

// TestLocks does all at once that takes the locks of the hub and of its tailers.
func TestLocks(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	p := begin(t, db, tight, time.Millisecond, false)
	worlds := []*world{newWorld(t, p), newWorld(t, p)}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	var coming, asking sync.WaitGroup
	gone := make(chan struct{})
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-gone:
					return
				default:
					p.hub.Stats()
					p.hub.tail.Stats()
				}
			}
		})
	}
	for i := range 8 {
		w := worlds[i%2]
		ctx := auth.ForTenant(ctx, w.tenant)
		coming.Go(func() {
			for range 100 {
				s, err := p.hub.Subscribe(ctx, selection.Filter{}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				s.Close()
			}
		})
	}
	coming.Wait()
	// And the hub's end, while some still come.
	for _, w := range worlds {
		coming.Go(func() {
			for {
				s, err := p.hub.Subscribe(w.ctx, selection.Filter{}, nil)
				if err != nil {
					return
				}
				s.Close()
			}
		})
	}
	p.hub.Close()
	coming.Wait()
	close(gone)
	asking.Wait()
	if s := p.hub.Stats(); s.Subscribers != 0 || s.Tailers != 0 {
		t.Errorf("after all have gone: %+v", s)
	}
}

// large makes responses of about 10,000 bytes each.
func (w *world) large(n int) []*ent.Response {
	items := make([]feedback.Recording, n)
	for i := range items {
		items[i] = w.recording()
		items[i].Comment = new(strings.Repeat("x", 10_000))
	}
	return w.recordAll(items...)
}

// TestBytes has entries met the bounds by what they take, not by how many they are.
func TestBytes(t *testing.T) {
	b := roomy
	b.queueBytes, b.inboxBytes, b.pagesBytes, b.portion = 35_000, 50_000, 1_000_000, 64
	each(t, b, func(w *world) {
		t := w.t
		attached := w.subscribe(w.ctx, selection.Filter{}, nil)
		const n = 300
		for range n / 50 {
			w.large(50)
		}
		eventually(t, "it to fall behind", func() bool { return w.hub.Stats().Behind == 1 })
		w.hears(attached, 0, n)
		// Those that want some keep portions for each other.
		filter := selection.Filter{Channels: []response.Channel{response.ChannelAPI}}
		for range 3 {
			s := w.subscribe(w.ctx, filter, new(int64))
			for want := int64(1); want <= n; want++ {
				if got := w.next(s); got != want {
					t.Fatalf("heard %d, want %d", got, want)
				}
				s.mu.Lock()
				if held := tail.Bytes(s.queue[s.head:]); held != s.bytes || held > b.queueBytes {
					t.Errorf("%d bytes are held, by its count %d", held, s.bytes)
				}
				s.mu.Unlock()
				w.hub.pagesMu.Lock()
				if w.hub.pagesBytes > b.pagesBytes {
					t.Errorf("portions take %d bytes", w.hub.pagesBytes)
				}
				w.hub.pagesMu.Unlock()
			}
		}
		eventually(t, "the portions to be forgotten", func() bool {
			w.hub.pagesMu.Lock()
			defer w.hub.pagesMu.Unlock()
			return w.hub.pages.Len() == 0 && w.hub.pagesBytes == 0
		})
	})
}

// TestErased deletes what waits for those who do not come to take it.
func TestErased(t *testing.T) {
	b := roomy
	b.queue = 16
	each(t, b, func(w *world) {
		t := w.t
		attached := w.subscribe(w.ctx, selection.Filter{}, nil)
		made := w.large(3)
		waiting := func() int {
			attached.mu.Lock()
			defer attached.mu.Unlock()
			return len(attached.queue) - attached.head
		}
		eventually(t, "it to be offered them", func() bool { return waiting() == 3 })
		if _, err := w.log.Delete(w.ctx, id.Response.Format(made[1].ID)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it to let go", func() bool { return waiting() == 0 })
		ctx, cancel := context.WithTimeout(w.ctx, soon)
		defer cancel()
		for position := int64(1); position <= 4; position++ {
			e, err := attached.Next(ctx)
			if err != nil || e.Position != position || (e.Response == nil) != (position%2 == 0) {
				t.Fatalf("at %d: %+v, %v", position, e, err)
			}
		}
		// One that is behind holds what it read no longer than others may have it.
		w.record(40)
		behind := w.subscribe(w.ctx, selection.Filter{}, new(int64))
		w.hears(behind, 0, 2)
		eventually(t, "it to let go", func() bool {
			behind.mu.Lock()
			defer behind.mu.Unlock()
			return behind.queue == nil && behind.bytes == 0
		})
		w.hears(behind, 2, 44)
	})
}

package live

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tail"
	"github.com/zeroten/zeroten/internal/tenant"
)

// soon bounds what a test waits for that should happen within moments.
const soon = time.Minute

// tight are bounds that are met all the time.
var tight = room{bounds{queue: 3, queueBytes: 3000, portion: 5, pages: 2, pagesBytes: 3000}, 8, 2500}

// roomy are those of NewHub.
var roomy = room{ample, 0, 0}

// room are the bounds of a hub, and of the tail that it reads by.
type room struct {
	bounds

	inbox, inboxBytes int
}

// newHubOf makes a hub with a tail of its own, to be closed by close.
func newHubOf(db *store.DB, b room, poll time.Duration, notify bool, log *slog.Logger) (hub *Hub, stop func()) {
	from := tail.New(db, tail.Config{Poll: poll, Alone: !notify, Inbox: b.inbox, InboxBytes: b.inboxBytes, Log: log})
	hub = newHub(db, settings.NewStates(db), from, Config{Log: log}, b.bounds)
	return hub, func() {
		hub.Close()
		from.Close()
	}
}

// process is what one server process has of these rooms.
type process struct {
	db  *store.DB
	hub *Hub
	// stop closes the hub, and the tail.
	stop func()
	log  *feedback.Log
}

// world is a tenant with a campaign, and processes.
type world struct {
	t *testing.T
	process

	ctx      context.Context
	tenant   uuid.UUID
	campaign string
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// running counts hubs.
var running atomic.Int64

// begin makes a process, and ends it with the test.
func begin(t *testing.T, db *store.DB, b room, poll time.Duration, notify bool) process {
	t.Helper()
	running.Add(1)
	p := process{db: db}
	p.hub, p.stop = newHubOf(db, b, poll, notify, quiet())
	var err error
	if p.log, err = feedback.NewLog(db, feedback.Config{Flushed: p.hub.tail.Flushed}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.log.Close(); err != nil {
			t.Error(err)
		}
		p.stop()
		if running.Add(-1) == 0 {
			nothingRuns(t)
		}
		if s := p.hub.Stats(); s.Behind < 0 || s.Subscribers < s.Behind {
			t.Errorf("miscounted: %+v", s)
		}
	})
	return p
}

// nothingRuns waits until no goroutine is in this package, but for tests.
func nothingRuns(t *testing.T) {
	t.Helper()
	eventually(t, "goroutines to end", func() bool {
		stacks := make([]byte, 4<<20)
		for g := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if (strings.Contains(g, "live.(*Hub)") || strings.Contains(g, "tail.(*")) && !strings.Contains(g, "nothingRuns") {
				return false
			}
		}
		return true
	})
}

// eventually waits for what nothing tells of.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !holds(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s in vain", what)
		}
	}
}

func newWorld(t *testing.T, p process) *world {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), p.db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, process: p, ctx: auth.ForTenant(t.Context(), made.ID), tenant: made.ID}
	w.campaign = w.open("Campaign")
	return w
}

// each runs the test on both databases, in a world whose hub has these bounds.
func each(t *testing.T, b room, test func(w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { test(newWorld(t, begin(t, db, b, 20*time.Millisecond, true))) })
}

func (w *world) open(name string) string {
	w.t.Helper()
	c, err := campaign.Create(w.ctx, w.db, campaign.CreateInput{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return id.Campaign.Format(c.ID)
}

func (w *world) recording() feedback.Recording {
	return feedback.Recording{Campaign: w.campaign, Score: 9, Channel: "API"}
}

// record records n responses, with one call.
func (w *world) record(n int) []*ent.Response {
	w.t.Helper()
	items := make([]feedback.Recording, n)
	for i := range items {
		items[i] = w.recording()
	}
	return w.recordAll(items...)
}

func (w *world) recordAll(items ...feedback.Recording) []*ent.Response {
	w.t.Helper()
	out, err := w.log.Record(w.ctx, items)
	if err != nil {
		w.t.Fatal(err)
	}
	var made []*ent.Response
	for _, o := range out {
		if o.Value == nil {
			w.t.Fatalf("refused: %v", o.Errors)
		}
		made = append(made, o.Value)
	}
	return made
}

func (w *world) position() int64 {
	w.t.Helper()
	var p int64
	row := w.db.Reader.QueryRowContext(w.ctx, `SELECT log_position FROM tenants WHERE id = $1`, auth.Tenant(w.ctx))
	if err := row.Scan(&p); err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) subscribe(ctx context.Context, filter selection.Filter, after *int64) *Subscription {
	w.t.Helper()
	s, err := w.hub.Subscribe(ctx, filter, after)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	return s
}

// next is the position of the next entry.
func (w *world) next(s *Subscription) int64 {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, soon)
	defer cancel()
	e, err := s.Next(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return e.Position
}

// hears fails unless the next entries are those after a position, up to another.
func (w *world) hears(s *Subscription, after, to int64) {
	w.t.Helper()
	for want := after + 1; want <= to; want++ {
		if got := w.next(s); got != want {
			w.t.Fatalf("heard %d, want %d", got, want)
		}
	}
}

// inOrder reads up to a position, and says what is wrong.
func inOrder(ctx context.Context, s *Subscription, after, to int64) (last int64, err error) {
	for last = after; last < to; last++ {
		e, err := s.Next(ctx)
		if err != nil {
			return last, err
		}
		if e.Position != last+1 {
			return last, fmt.Errorf("heard %d after %d", e.Position, last)
		}
	}
	return last, nil
}

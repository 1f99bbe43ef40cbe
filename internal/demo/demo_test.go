package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/live"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tail"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// house is a database with an empty tenant to be seeded.
type house struct {
	ctx     context.Context //nolint:containedctx // it names the tenant
	db      *store.DB
	log     *feedback.Log
	builder *cube.Builder
	hub     *live.Hub
	reader  *insight.Reader
	// called is what the log's clock calls each time.
	called func()
}

func build(t testing.TB, db *store.DB, now time.Time) *house {
	t.Helper()
	industry := Industry
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: Name, TimeZone: TimeZone, Industry: &industry})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{ctx: auth.ForTenant(t.Context(), made.ID), db: db, called: func() {}}
	quiet := slog.New(slog.DiscardHandler)
	from := tail.New(db, tail.Config{Log: quiet})
	states := settings.NewStates(db)
	h.hub = live.NewHub(db, states, from, live.Config{Log: quiet})
	h.reader = insight.NewReader(db, states, func() time.Time { return now })
	h.log, err = feedback.NewLog(db, feedback.Config{Flushed: from.Flushed, Now: func() time.Time {
		h.called()
		return now
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.hub.Close()
		from.Close()
		if err := h.log.Close(); err != nil {
			t.Error(err)
		}
	})
	h.builder = cube.NewBuilder(db, nil) // which panics where there is something to rebuild
	return h
}

// total is what the cube counts in all, and in each campaign.
func (h *house) total(t testing.TB) (all nps.Histogram, by map[string]int64) {
	t.Helper()
	state, err := settings.Load(h.ctx, h.db, auth.Tenant(h.ctx))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := cube.Read(h.ctx, h.db, &state.Generations, cube.Query{From: cube.Earliest, To: cube.Latest, ByCampaign: true})
	if err != nil {
		t.Fatal(err)
	}
	by = map[string]int64{}
	for c := range cells.All() {
		for score, n := range c.Histogram {
			all[score] += n
		}
		by[id.Campaign.Format(c.Campaign)] += c.Histogram.Count()
	}
	return all, by
}

// told is what the tenant's feedback tells, in the words of body.told.
func (h *house) told(t *testing.T, d Demo) (told []string) {
	t.Helper()
	say := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	all, err := h.reader.Feedback(h.ctx, selection.Filter{}, selection.Within{})
	if err != nil {
		t.Fatal(err)
	}
	drivers, err := all.Drivers(h.ctx, nil, 30)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range drivers.Traits {
		say("%s has %.6f of its own", d.Trait, *d.Own.Spread)
		for _, v := range d.Values {
			if v.Effect != nil {
				say("%d with an effect of %.6f from %.6f to %.6f", v.Score.Responses(), *v.Effect, v.Interval.Low, v.Interval.High)
			}
		}
	}
	hotspots, err := all.Hotspots(h.ctx, insight.HotspotSearch{Depth: 2, MinResponses: 30, MinDifference: 5, Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range hotspots.Groups {
		say("%d by %s are worth %.6f", g.Score.Responses(), g.Traits, g.Worth)
	}
	moves, err := all.ChangePoints(h.ctx, 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range moves.Points {
		say("%.6f on %s", p.Difference, p.Day)
	}
	curve, err := all.Curve(h.ctx, "customer_since")
	if err != nil {
		t.Fatal(err)
	}
	say("%.6f along tenure", *curve.Slope)
	model, err := all.Prediction(h.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	say("%.6f are foretold", *model.Skill)
	calls, err := id.Campaign.Parse(d.Campaigns.SupportCall)
	if err != nil {
		t.Fatal(err)
	}
	deed := insight.Deed{Started: d.world.helpDesk, Campaigns: []uuid.UUID{calls}}
	effect, err := h.reader.Effect(h.ctx, deed, 56, 40, selection.Filter{}, func(context.Context) ([]insight.Deed, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	say("%.6f by the help desk", *effect.Effect.Difference)
	return told
}

// thrownAway opens a database as the demo does, which keeps nothing: else it waits for the disk at each of thousands of writes.
func thrownAway(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url, store.Options{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestSeed(t *testing.T) {
	now := nows[0]
	told := gather(newWorld(now, theSeed)).told()
	storetest.EachURL(t, func(t *testing.T, url string) {
		db := thrownAway(t, url)
		h := build(t, db, now)
		d, err := Seed(h.ctx, h.log, h.builder, db, now)
		if err != nil {
			t.Fatal(err)
		}

		var want nps.Histogram
		answers, named := 0, map[string]int64{}
		for r := range Answers(now, d.Campaigns) {
			want[r.Score]++
			named[r.Campaign]++
			answers++
		}
		if got, by := h.total(t); got != want || d.Answers != answers || len(by) != 3 || by[d.Campaigns.SupportCall] != named[d.Campaigns.SupportCall] {
			t.Errorf("the cube counts %v, %v; there are %d answers: %v, %v", got, by, answers, want, named)
		}

		state, err := settings.Load(h.ctx, db, auth.Tenant(h.ctx))
		if err != nil {
			t.Fatal(err)
		}
		if state.Position != int64(answers) || state.Building != nil || len(state.Active.Shape.Dimensions) != 4 || len(state.Traits) != 6 {
			t.Errorf("the log is at %d, the cube is cut by %v", state.Position, state.Active.Shape.Dimensions)
		}
		var names []string
		for _, g := range state.Segments {
			names = append(names, g.Name)
			m, err := state.Matcher(auth.Narrowing{}, g.Rule, g.Name)
			if err != nil {
				t.Fatalf("segment %s: %v", g.Name, err)
			}
			if !slices.ContainsFunc(state.Active.Profiles.All(), func(p trait.Profile) bool { return m.Match(p.Values) }) {
				t.Errorf("nobody is in segment %s", g.Name)
			}
		}
		if len(names) != 6 || !slices.Contains(names, "Gamers on Basic") {
			t.Errorf("segments %q", names)
		}

		noted, err := action.Between(h.ctx, db, d.world.first, d.world.last, 10)
		if err != nil || len(noted) != 3 {
			t.Fatalf("noted are %v, %v", noted, err)
		}
		for i, day := range []calendar.Day{d.world.priceRise, d.world.outage, d.world.helpDesk} {
			if noted[i].StartedOn != day {
				t.Errorf("%s is noted on %s, not on %s", noted[i].Name, noted[i].StartedOn, day)
			}
		}

		if got := h.told(t, d); !slices.Equal(got, told) {
			t.Errorf("of the tenant's feedback it is told that\n%s\nand of the answers that\n%s", strings.Join(got, "\n"), strings.Join(told, "\n"))
		}

		// Some more come, until it is enough.
		ctx, cancel := context.WithCancel(h.ctx)
		defer cancel()
		var asked atomic.Int32
		h.called = func() {
			if asked.Add(1) == 20 {
				cancel()
			}
		}
		if err := Stream(ctx, h.log, h.hub, d, time.Microsecond); err != nil {
			t.Fatal(err)
		}
		if err := h.log.Close(); err != nil {
			t.Fatal(err)
		}
		all, _ := h.total(t)
		if more := all.Count() - int64(answers); more < 2 || more > 20 {
			t.Errorf("%d more came", more)
		}
		if err := Stream(h.ctx, h.log, h.hub, d, time.Microsecond); !errors.Is(err, feedback.ErrClosed) {
			t.Errorf("a closed log gives %v", err)
		}
	})
}

// What comes into the log is heard of, whoever recorded it.
func TestListen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, time.Now())
		made, err := campaign.Create(h.ctx, db, campaign.CreateInput{Name: "Relationship"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(h.ctx)
		heard, err := listen(ctx, h.hub)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			out, err := h.log.Record(h.ctx, []feedback.Recording{{Campaign: id.Campaign.Format(made.ID), Score: 9, Channel: response.ChannelEMAIL}})
			if err != nil || out[0].Value == nil {
				t.Fatal(out, err)
			}
			if got := <-heard; got != out[0].Value.ID {
				t.Errorf("heard of %s, not of %s", got, out[0].Value.ID)
			}
		}
		stop()
		if got, ok := <-heard; ok {
			t.Errorf("heard of %s after the end", got)
		}
	})
}

// Whoever answers sees it: for a while nothing is made up, and then it goes on. What is made up itself holds nothing up.
func TestMadeUpAnswersPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		const every = 400 * time.Millisecond
		began := time.Now()
		heard := make(chan uuid.UUID)
		made := make(chan time.Duration)
		ended := make(chan error)
		silent := false
		go func() {
			ended <- pace(ctx, every, heard, func() (uuid.UUID, error) {
				made <- time.Since(began)
				response := id.New()
				if !silent {
					go func() { heard <- response }()
				}
				return response, nil
			})
		}()
		next := func(want time.Duration) {
			t.Helper()
			if got := <-made; got != want {
				t.Fatalf("the next came after %s, not %s", got, want)
			}
		}
		for n := range 5 {
			next(time.Duration(n+1) * every)
		}
		heard <- id.New() // 2 s after the beginning
		next(2*time.Second + Pause + every/2)
		heard <- id.New()
		time.Sleep(10 * time.Second) // of the bubble
		heard <- id.New()            // it begins anew
		next(2*time.Second + Pause + 10*time.Second + Pause + every)
		synctest.Wait()
		silent = true
		close(heard) // nobody says anything any more
		next(2*time.Second + Pause + 10*time.Second + Pause + 2*every)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// What comes later is as good as what came before.
func TestNextIsGood(t *testing.T) {
	w := newWorld(nows[0], theSeed)
	random := w.stream(forStream)
	named := map[string]int{}
	for i := range 5_000 {
		now := nows[0].Add(time.Duration(i) * time.Minute)
		r := w.next(random, now, campaigns)
		if _, errs := r.Validate(now); errs != nil || r.RespondedAt != nil || (r.Contact == nil) == (r.Traits == nil) {
			t.Fatalf("%+v: %v", r, errs)
		}
		named[r.Campaign]++
	}
	if len(named) != 3 || named[campaigns.Relationship] < 3_000 {
		t.Errorf("campaigns %v", named)
	}
}

func TestSeedFails(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	h := build(t, db, nows[0])
	ctx, cancel := context.WithCancel(h.ctx)
	var asked atomic.Int32
	h.called = func() {
		if asked.Add(1) == 3 {
			cancel()
		}
	}
	if d, err := Seed(ctx, h.log, h.builder, db, nows[0]); !errors.Is(err, context.Canceled) || d.Answers != 0 {
		t.Errorf("seeding while ctx ends gives %+v, %v", d.Campaigns, err)
	}
}

func BenchmarkSeed(b *testing.B) {
	for b.Loop() {
		db, err := store.Open(b.Context(), storetest.SQLite(b), store.Options{Volatile: true})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := db.Migrate(b.Context()); err != nil {
			b.Fatal(err)
		}
		h := build(b, db, nows[0])
		if _, err := Seed(h.ctx, h.log, h.builder, db, nows[0]); err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(h.log.Close(), db.Close()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnswers(b *testing.B) {
	for b.Loop() {
		for range Answers(nows[0], campaigns) {
		}
	}
}

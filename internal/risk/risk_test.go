package risk_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/ordinal"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/risk"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// company is a tenant whose customers answer by their plan and for how long they have been there.
type company struct {
	*feedbacktest.Fixture

	states *settings.States
	models *risk.Models
	keeper *risk.Keeper
	now    time.Time
	// answers are what was recorded, by month and by the values of plan and since.
	answers map[int]map[[2]string]nps.Counts
	random  *rand.Rand
}

func newJobs(t *testing.T, db *store.DB) *job.Runner {
	t.Helper()
	jobs, err := job.NewRunner(db, job.Config{Poll: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func newCompany(t *testing.T, db *store.DB) *company {
	t.Helper()
	c := &company{
		Fixture: feedbacktest.New(t, db), states: settings.NewStates(db), now: feedbacktest.Clock(),
		answers: map[int]map[[2]string]nps.Counts{}, random: rand.New(rand.NewPCG(1, 2)),
	}
	c.models = risk.NewModels(db, c.states, func() time.Time { return c.now })
	c.keeper = risk.NewKeeper(db, c.models, newJobs(t, db))
	c.keeper.Punctual()
	c.define(settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true})
	c.define(settings.DefineTraitInput{Key: "since", Kind: trait.Date, IsDimension: true, Edges: []float64{12, 36}})
	return c
}

func (c *company) define(in settings.DefineTraitInput) {
	c.T.Helper()
	if _, err := settings.DefineTrait(c.Ctx, c.Builder, in); err != nil {
		c.T.Fatal(err)
	}
}

// tenure names the range of the months since a day, on another.
func tenure(since, on calendar.Day) string {
	switch months := calendar.WholeMonths(since, on); {
	case months < 12:
		return "<12"
	case months < 36:
		return "12–36"
	}
	return "≥36"
}

// day is the text of the day so many months before the clock's.
func (c *company) day(months int) string {
	return calendar.Monthly.Add(calendar.DayOf(feedbacktest.Clock(), time.UTC), -months).String()
}

// customer is what is known of the i-th one.
func (c *company) customer(i int) trait.Values {
	known := trait.Values{}
	if i%7 > 0 {
		known["plan"] = []string{"Basic", "Plus", "Max"}[i%3]
	}
	if i%5 > 0 {
		known["since"] = c.day([]int{3, 8, 20, 30, 40, 50}[i/3%6])
	}
	return known
}

// answer records so many answers of customers within six months. With signal 0 they have nothing to do with who they are.
func (c *company) answer(n, customers int, signal float64) {
	c.T.Helper()
	c.Many(n, func(i int, r *feedback.Recording) {
		who := c.random.IntN(customers)
		known := c.customer(who)
		month := i * 6 / n
		when := time.Date(2025, time.Month(1+month), 1+i%27, 9, 0, 0, 0, time.UTC)
		mood := 0.0
		values := [2]string{trait.None, trait.None}
		if plan, ok := known["plan"].(string); ok {
			values[0] = plan
			mood += map[string]float64{"Basic": -2, "Plus": 0, "Max": 1.5}[plan]
		}
		if text, ok := known["since"].(string); ok {
			since, err := calendar.ParseDay(text)
			if err != nil {
				c.T.Fatal(err)
			}
			values[1] = tenure(since, calendar.DayOf(when, time.UTC))
			if since > calendar.DayOf(when, time.UTC) {
				values[1] = trait.None
			}
			mood += map[string]float64{"<12": 1, "≥36": -1.5}[values[1]]
		}
		r.Score = min(max(int(math.Round(7.5+signal*mood+2*c.random.NormFloat64())), 0), 10)
		r.RespondedAt = &when
		externalID := fmt.Sprintf("c%d", who)
		r.Contact = &contact.Input{ExternalID: &externalID, Name: &externalID, Traits: known}
		r.Traits = nil
		if c.answers[month] == nil {
			c.answers[month] = map[[2]string]nps.Counts{}
		}
		counts := c.answers[month][values]
		switch {
		case r.Score <= 6:
			counts.Detractors++
		case r.Score <= 8:
			counts.Passives++
		default:
			counts.Promoters++
		}
		c.answers[month][values] = counts
	})
}

// byHand is the model of what was recorded.
func (c *company) byHand() *ordinal.Model {
	traits := []ordinal.Trait{{Key: "plan"}, {Key: "since"}}
	var cells []ordinal.Cell
	for month := range 6 {
		for values, counts := range c.answers[month] {
			for i := range traits {
				t := &traits[i]
				at := slices.Index(t.Values, values[i])
				if at < 0 {
					at = len(t.Values)
					t.Values = append(t.Values, values[i])
				}
				t.Of = append(t.Of, uint16(at))
			}
			cells = append(cells, ordinal.Cell{Profile: len(traits[0].Of) - 1, Month: month, Counts: counts})
		}
	}
	model, e := ordinal.Learn(traits, slices.Values(cells))
	if !e.Ranks {
		return nil
	}
	return model
}

// keep does all that is to be done.
func (c *company) keep() {
	c.T.Helper()
	if err := c.keeper.Keep(c.Ctx, c.Tenant); err != nil {
		c.T.Fatal(err)
	}
}

// of is the model that answers.
func (c *company) of() *risk.Model {
	c.T.Helper()
	m, err := c.models.Of(c.Ctx, c.Tenant)
	if err != nil {
		c.T.Fatal(err)
	}
	return m
}

func (c *company) contacts() []*ent.Contact {
	c.T.Helper()
	all, err := c.DB.Ent.Contact.Query().All(c.Ctx)
	if err != nil {
		c.T.Fatal(err)
	}
	return all
}

// listed are the names of all contacts, the riskiest first.
func (c *company) listed() (names []string) {
	c.T.Helper()
	f := contact.Filter{OrderBy: &contact.Order{Field: contact.ByRisk}, Risks: func(ctx context.Context) (*contact.Ranked, error) {
		m, err := c.models.Of(ctx, auth.Tenant(ctx))
		if err != nil || m == nil {
			return nil, err
		}
		return &contact.Ranked{Model: m.Number, Complete: m.Complete}, nil
	}}
	for args := (page.Args{First: new(37)}); ; {
		list, err := contact.List(c.Ctx, c.DB, c.states, nil, nil, args, f, c.now)
		if err != nil {
			c.T.Fatal(err)
		}
		for _, one := range list.Nodes() {
			names = append(names, *one.Name)
		}
		if args.After = list.PageInfo.EndCursor; !list.PageInfo.HasNextPage {
			return names
		}
	}
}

// expected is listed, by what the model says of what is known of each.
func (c *company) expected(m *risk.Model) (names []string) {
	all := c.contacts()
	slices.SortFunc(all, func(a, b *ent.Contact) int {
		first, second := math.Round(m.Predict(a.Traits).Detractor*risk.Most), math.Round(m.Predict(b.Traits).Detractor*risk.Most)
		return cmp.Or(cmp.Compare(second, first), bytes.Compare(b.ID[:], a.ID[:]))
	})
	for _, one := range all {
		names = append(names, *one.Name)
	}
	return names
}

// count counts rows of the tenant.
func (c *company) count(table string) (n int) {
	c.T.Helper()
	if err := c.DB.Writer.QueryRowContext(c.Ctx, `SELECT count(*) FROM `+table+` WHERE tenant_id = $1`, c.Tenant).Scan(&n); err != nil {
		c.T.Fatal(err)
	}
	return n
}

// TestLearned learns from what was recorded, and finds the model that is learned from the same by hand, for each contact by
// what is known of them now.
func TestLearned(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, other := newCompany(t, db), newCompany(t, db)
		c.answer(1_500, 200, 1)
		if c.of() != nil {
			t.Fatal("there is a model before one was learned")
		}
		c.keep()
		m, want := c.of(), c.byHand()
		if m == nil || want == nil {
			t.Fatalf("got %v, want %v", m, want)
		}
		today := calendar.DayOf(c.now, time.UTC)
		different := map[string]bool{}
		for _, one := range c.contacts() {
			values := []string{trait.None, trait.None}
			if plan, ok := one.Traits["plan"].(string); ok {
				values[0] = plan
			}
			if text, ok := one.Traits["since"].(string); ok {
				since, err := calendar.ParseDay(text)
				if err != nil {
					t.Fatal(err)
				}
				values[1] = tenure(since, today)
			}
			got, want := m.Predict(one.Traits), want.Predict(values)
			for _, p := range [][2]float64{{got.Detractor, want.Detractor}, {got.Passive, want.Passive}, {got.Promoter, want.Promoter}} {
				if math.Abs(p[0]-p[1]) > 1e-7 {
					t.Fatalf("%s, %v: got %+v, want %+v", *one.Name, values, got, want)
				}
			}
			different[fmt.Sprint(values)] = true
		}
		if len(different) != 16 {
			t.Fatalf("%d kinds of customers", len(different))
		}
		if got, want := c.listed(), c.expected(m); !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
		// Another tenant has nothing of it.
		if other.of() != nil || other.count("contact_risks")+other.count("risk_models") != 0 {
			t.Error("another tenant has a model, or risks")
		}
		// Again nothing is to be done.
		before := c.revision()
		c.keep()
		if now := c.revision(); now != before {
			t.Errorf("something was done: revision %d, and then %d", before, now)
		}
	})
}

// revision is the tenant's, which each piece of work counts up.
func (c *company) revision() (n int64) {
	c.T.Helper()
	if err := c.DB.Writer.QueryRowContext(c.Ctx, `SELECT revision FROM tenants WHERE id = $1`, c.Tenant).Scan(&n); err != nil {
		c.T.Fatal(err)
	}
	return n
}

// Whoever is new gets a risk when it is looked next, whoever is known otherwise within a day, and whoever is erased leaves none.
func TestContactsComeAndGo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCompany(t, db)
		c.answer(1_200, 60, 1)
		c.keep()
		m := c.of()
		upsert := func(name string, known trait.Values) *ent.Contact {
			t.Helper()
			return c.Upsert(contact.Input{ExternalID: &name, Name: &name, Traits: known})[0].Value
		}
		fresh := upsert("new", trait.Values{"plan": "Basic", "since": c.day(40)})
		if got := c.listed(); got[len(got)-1] != "new" {
			t.Errorf("who has no risk yet is listed at %d of %d", slices.Index(got, "new"), len(got))
		}
		c.keep()
		if got, want := c.listed(), c.expected(m); !slices.Equal(got, want) || slices.Index(got, "new") > len(got)/2 {
			t.Errorf("with a new one: got %v\nwant %v", got, want)
		}
		upsert("new", trait.Values{"plan": "Max", "since": c.day(3)})
		c.keep()
		if got := c.listed(); slices.Index(got, "new") > len(got)/2 {
			t.Error("all are gone through again at once")
		}
		c.now = c.now.Add(25 * time.Hour)
		c.keep()
		if got, want := c.listed(), c.expected(c.of()); !slices.Equal(got, want) || slices.Index(got, "new") < len(got)/2 {
			t.Errorf("a day later: got %v\nwant %v", got, want)
		}
		rows := c.count("contact_risks")
		if out, err := c.Log.Erase(c.Ctx, fresh.NodeID()); err != nil || out.Value == nil {
			t.Fatal(out, err)
		}
		if now := c.count("contact_risks"); now != rows-1 || rows != 61 {
			t.Errorf("there were %d risks, and are %d", rows, now)
		}
		if got := c.listed(); len(got) != 60 || slices.Contains(got, "new") {
			t.Errorf("got %v", got)
		}
		// Half a year later all have been there for longer, whether anything was recorded or not.
		c.now = c.now.AddDate(0, 6, 0)
		c.keep()
		if got, want := c.listed(), c.expected(c.of()); !slices.Equal(got, want) {
			t.Errorf("half a year later: got %v\nwant %v", got, want)
		}
	})
}

// Whoever comes to be seen after others whose ids were made later has a risk when it is looked next, and is in the list meanwhile
// and from then on.
func TestLateComersAreListed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCompany(t, db)
		c.answer(1_200, 60, 1)
		c.keeper = risk.NewKeeper(db, c.models, newJobs(t, db))
		c.keep()
		come := func(name string, madeBefore time.Duration) {
			t.Helper()
			one := c.Upsert(contact.Input{ExternalID: &name, Name: &name, Traits: trait.Values{"plan": "Basic"}})[0].Value
			made := one.ID
			binary.BigEndian.PutUint64(made[:8], binary.BigEndian.Uint64(made[:8])-uint64(madeBefore.Milliseconds())<<16)
			if _, err := db.Writer.ExecContext(c.Ctx, `UPDATE contacts SET id = $1 WHERE id = $2`, made, one.ID); err != nil {
				t.Fatal(err)
			}
		}
		look := func(after string) {
			t.Helper()
			for _, when := range []string{"before it is looked", "when it was"} {
				got := c.listed()
				slices.Sort(got)
				var want []string
				for _, one := range c.contacts() {
					want = append(want, *one.Name)
				}
				if slices.Sort(want); !slices.Equal(got, want) {
					t.Errorf("after %s, %s: got %v\nwant %v", after, when, got, want)
				}
				c.keep()
			}
			if risks, all := c.count("contact_risks"), len(c.contacts()); risks != all {
				t.Errorf("after %s: %d risks of %d", after, risks, all)
			}
		}
		come("ahead", 0)
		look("ahead")
		come("behind", 2*time.Second)
		look("behind")
		come("far behind", 9*time.Minute)
		look("far behind")
		come("of a clock that is ahead", -11*time.Minute)
		look("one of a clock that is ahead")
		come("behind again", time.Minute)
		look("behind again")
	})
}

// Where people come all the time, those are given a risk who are there, and the others the next time: nobody is waited for.
func TestNewcomersAreNotWaitedFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCompany(t, db)
		c.answer(1_200, 60, 1)
		c.keep()
		pieces := 0
		come := func() {
			name := fmt.Sprintf("new%d", pieces)
			c.Upsert(contact.Input{ExternalID: &name, Name: &name, Traits: trait.Values{"plan": "Basic"}})
		}
		c.keeper.Between(func() {
			if pieces++; pieces > 10 {
				t.Fatal("it goes on as long as people come")
			}
			come()
		})
		come()
		c.keep()
		if n := c.count("contact_risks"); pieces != 1 || n != 61 {
			t.Errorf("%d risks after %d pieces", n, pieces)
		}
		c.keep()
		if n := c.count("contact_risks"); n != 62 {
			t.Errorf("%d risks the next time", n)
		}
	})
}

// Where answers have nothing to do with who people are there is no model, and a list is in the order of ids. With more answers
// there is one, and with others it goes, and all risks with it.
func TestOfNoUse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCompany(t, db)
		c.answer(400, 40, 0)
		c.keep()
		if c.count("risk_models") != 0 {
			t.Error("something was learned from too little")
		}
		for _, step := range []struct {
			n      int
			signal float64
			is     bool
		}{{800, 0, false}, {3_000, 1.5, true}, {3_000, -1.5, false}} {
			c.answer(step.n, 40, step.signal)
			c.now = c.now.Add(time.Hour)
			c.keep()
			m, rows := c.of(), c.count("contact_risks")
			if is := m != nil; is != step.is || is != (c.byHand() != nil) || (rows > 0) != is || c.count("risk_models") != 1 {
				t.Fatalf("after %v: model %v, by hand %v, %d risks, %d models", step, m, c.byHand(), rows, c.count("risk_models"))
			}
			want := []string{}
			if step.is {
				want = c.expected(m)
			} else {
				byID := c.contacts()
				slices.SortFunc(byID, func(a, b *ent.Contact) int { return bytes.Compare(b.ID[:], a.ID[:]) })
				for _, one := range byID {
					want = append(want, *one.Name)
				}
			}
			if got := c.listed(); !slices.Equal(got, want) {
				t.Errorf("after %v: got %v\nwant %v", step, got, want)
			}
		}
	})
}

// TestDrift is about answers that became worse for all when all got a new plan: the model is usable, and ranks nobody.
func TestDrift(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCompany(t, db)
		traits := []ordinal.Trait{{Key: "plan", Values: []string{"new", "old"}, Of: []uint16{0, 1}}}
		var cells []ordinal.Cell
		c.Many(1_200, func(i int, r *feedback.Recording) {
			month, plan := i%6, 1
			when := time.Date(2025, time.Month(1+month), 2+i%20, 9, 0, 0, 0, time.UTC)
			r.RespondedAt, r.Score = &when, 10-i/6%4
			if month >= 3 {
				plan = 0
				if i/6%2 == 0 {
					r.Score = 3
				}
			}
			if i%50 == 0 {
				r.Score = 5
			}
			r.Traits = trait.Values{"plan": traits[0].Values[plan]}
			var h nps.Histogram
			h[r.Score]++
			cells = append(cells, ordinal.Cell{Profile: plan, Month: month, Counts: h.Counts()})
		})
		if model, e := ordinal.Learn(traits, slices.Values(cells)); model == nil || e.Ranks {
			t.Fatalf("it is not what this is about: %+v", e)
		}
		c.keep()
		if c.count("risk_models") != 1 || c.of() != nil {
			t.Errorf("%d models, %v", c.count("risk_models"), c.of())
		}
	})
}

// TestKilled ends the work after each of its pieces, once: it is gone on with where it was, by whoever comes next, and while
// contacts get their risks by a second model the first one answers.
func TestKilled(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCompany(t, db)
		c.answer(1_200, 700, 1)
		c.interrupted(nil)
		first := c.of()
		if first == nil {
			t.Fatal("no model")
		}
		want := c.expected(first)
		if got := c.listed(); !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
		c.answer(600, 700, 1)
		c.now = c.now.Add(time.Hour)
		c.interrupted(func(last int64) {
			m := c.of()
			switch {
			case m == nil:
				t.Error("there is no model meanwhile")
			case m.Number != first.Number && last != m.Number:
				t.Errorf("model %d answers, and %d was learned last", m.Number, last)
			case len(c.listed()) != c.count("contacts"):
				t.Errorf("%d of %d are listed", len(c.listed()), c.count("contacts"))
			}
		})
		second := c.of()
		if second == nil || second.Number <= first.Number || c.count("risk_models") != 1 || c.count("contact_risks") != c.count("contacts") {
			t.Fatalf("model %v, of %d, %d risks", second, c.count("risk_models"), c.count("contact_risks"))
		}
		if got, want := c.listed(), c.expected(second); !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}

// interrupted does what is to be done, and is killed after each piece. each is called between with the newest model's number.
func (c *company) interrupted(each func(last int64)) {
	c.T.Helper()
	type at struct {
		number int64
		doneTo uuid.UUID
		passed bool
	}
	where := func() (w at) {
		c.T.Helper()
		err := store.Each(c.Ctx, c.DB.Writer, func(rows *sql.Rows) error { return rows.Scan(&w.number, &w.doneTo, &w.passed) },
			`SELECT number, done_to, passed_at IS NOT NULL FROM risk_models WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1`, c.Tenant)
		if err != nil {
			c.T.Fatal(err)
		}
		return w
	}
	killed := errors.New("killed")
	last := where()
	for pieces := 0; ; pieces++ {
		ctx, kill := context.WithCancelCause(c.Ctx)
		k := risk.NewKeeper(c.DB, risk.NewModels(c.DB, settings.NewStates(c.DB), func() time.Time { return c.now }), newJobs(c.T, c.DB))
		k.Punctual()
		k.Between(func() { kill(killed) })
		err := k.Keep(ctx, c.Tenant)
		kill(nil)
		now := where()
		if now.number < last.number || now.number == last.number && bytes.Compare(now.doneTo[:], last.doneTo[:]) < 0 {
			c.T.Fatalf("it was at %v, and then at %v", last, now)
		}
		last = now
		if err == nil {
			if pieces < 4 || !now.passed {
				c.T.Fatalf("done after %d pieces, at %v", pieces, now)
			}
			return
		}
		if !errors.Is(err, context.Canceled) && !errors.Is(err, killed) {
			c.T.Fatal(err)
		}
		if each != nil {
			each(now.number)
		}
	}
}

// Two at once are in each other's way, and do no harm.
func TestTwoAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCompany(t, db)
		c.answer(1_200, 600, 1)
		var both sync.WaitGroup
		for range 2 {
			k := risk.NewKeeper(db, c.models, newJobs(t, db))
			both.Go(func() {
				if err := k.Keep(c.Ctx, c.Tenant); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		m := c.of()
		if m == nil || c.count("risk_models") != 1 {
			t.Fatalf("%v of %d models", m, c.count("risk_models"))
		}
		if got, want := c.listed(), c.expected(m); !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}

// While past responses are taken into other dimensions the model of those that answer answers; from then on none does until
// one has been learned by the new ones. What only is called alike is another dimension.
func TestOtherDimensions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCompany(t, db)
		jobs := newJobs(t, db)
		c.Builder = cube.NewBuilder(db, jobs)
		c.Builder.Chunk = 100
		job.Handle(jobs, c.Builder.Work, job.Options{})
		c.answer(1_200, 60, 1)
		c.keep()
		first := c.of()
		if first == nil {
			t.Fatal("no model")
		}
		known := trait.Values{"plan": "Basic", "since": c.day(24)}
		before := first.Predict(known)
		c.define(settings.DefineTraitInput{Key: "since", Kind: trait.Date, IsDimension: true, Edges: []float64{6, 36}})
		c.answer(1_000, 60, 1) // enough to be learned from, if it were time
		c.now = c.now.Add(time.Hour)
		c.keep()
		if m := c.of(); m == nil || m.Number != first.Number || m.Predict(known) != before {
			t.Errorf("while it is rebuilt: %v", m)
		}
		if err := c.Builder.Rebuild(c.Ctx, c.Tenant); err != nil {
			t.Fatal(err)
		}
		if m := c.of(); m != nil {
			t.Errorf("afterwards model %d answers", m.Number)
		}
		if got := c.listed(); len(got) != 60 {
			t.Errorf("afterwards %d are listed", len(got))
		}
		c.keep()
		m := c.of()
		if m == nil || m.Number == first.Number || m.Predict(known) == before {
			t.Errorf("learned anew: %v", m)
		}
		if got, want := c.listed(), c.expected(m); !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}

func TestSame(t *testing.T) {
	a := []trait.Dimension{{Key: "plan", Kind: trait.Text}, {Key: "since", Kind: trait.Date, Edges: []float64{1, 2}}}
	for _, test := range []struct {
		b    []trait.Dimension
		want bool
	}{
		{[]trait.Dimension{{Key: "plan", Kind: trait.Text}, {Key: "since", Kind: trait.Date, Edges: []float64{1, 2}}}, true},
		{[]trait.Dimension{{Key: "plan", Kind: trait.Text}, {Key: "since", Kind: trait.Date, Edges: []float64{1, 3}}}, false},
		{[]trait.Dimension{{Key: "plan", Kind: trait.Text}, {Key: "since", Kind: trait.Number, Edges: []float64{1, 2}}}, false},
		{[]trait.Dimension{{Key: "plan", Kind: trait.Text}, {Key: "until", Kind: trait.Date, Edges: []float64{1, 2}}}, false},
		{a[:1], false},
		{nil, false},
	} {
		if got := risk.Same(a, test.b); got != test.want {
			t.Errorf("%v: got %v", test.b, got)
		}
	}
}

// What is stored is read as what it was, or refused: what is foretold is always something.
func FuzzDecode(f *testing.F) {
	f.Add(`[{"key":"plan","kind":"TEXT"}]`, `{"theta":[-1,1],"traits":[{"key":"plan","values":{"Basic":-0.5},"other":0}]}`, "Basic")
	f.Add(`[{"key":"plan","kind":"TEXT"}]`, `{"theta":[-1,1],"traits":[{"key":"persona","values":{},"other":0}]}`, "Basic")
	f.Add(`[]`, `{"theta":[-1,1],"traits":[]}`, "")
	f.Add(`[{"key":"a","kind":"DATE","edges":[1]},{"key":"b","kind":"NUMBER"}]`, `{"theta":[0,1e-300],"traits":[{"key":"a"},{"key":"b"}]}`, "2020-01-01")
	f.Add(`{}`, `null`, "x")
	f.Fuzz(func(t *testing.T, dimensions, model, value string) {
		predict, err := risk.Decode([]byte(dimensions), []byte(model))
		if err != nil {
			return
		}
		p := predict(trait.Values{"plan": value, "a": value, "b": 5.0}, 20_000)
		if sum := p.Detractor + p.Passive + p.Promoter; !(math.Abs(sum-1) < 1e-9) || p.Detractor < 0 || p.Detractor > 1 {
			t.Errorf("%s, %s: %+v", dimensions, model, p)
		}
	})
}

// Of whom something cannot be read nothing is known, and the others have their risk.
func TestTraitsThatCannotBeRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCompany(t, db)
		c.answer(1_200, 30, 1)
		if _, err := db.Writer.ExecContext(c.Ctx, `UPDATE contacts SET traits = '[7]' WHERE tenant_id = $1 AND external_id = 'c7'`, c.Tenant); err != nil {
			t.Fatal(err)
		}
		c.keep()
		if n := c.count("contact_risks"); n != 30 {
			t.Errorf("%d risks", n)
		}
	})
}

// The job makes room for others once its time is over, and is gone on with later; a piece of work is done each time.
func TestRoomForOthers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCompany(t, db)
		c.answer(1_200, 600, 1)
		c.keeper.OneByOne()
		runs := 1
		for ; ; runs++ {
			err := c.keeper.Work(t.Context(), risk.KeepArgs{Tenant: c.Tenant})
			if err == nil {
				break
			}
			if err.Error() != job.Later(0).Error() {
				t.Fatal(err)
			}
		}
		// It is learned, and 600 at most get their risk 200 at a time, and it is seen that there is no more.
		if n := c.count("contacts"); runs < 3 || runs > 2+(n+199)/200+1 {
			t.Errorf("%d runs for %d contacts", runs, n)
		}
		if got, want := c.listed(), c.expected(c.of()); !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}

// TestJobs has the jobs do it, for those of several tenants who have something to do.
func TestJobs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		all := []*company{newCompany(t, db), newCompany(t, db), newCompany(t, db)}
		all[0].answer(1_200, 30, 1)
		all[2].answer(1_200, 30, 1)
		jobs := newJobs(t, db)
		models := risk.NewModels(db, settings.NewStates(db), func() time.Time { return all[0].now })
		k := risk.NewKeeper(db, models, jobs)
		job.Handle(jobs, k.Look, job.Options{Every: risk.Every})
		job.Handle(jobs, k.Work, job.Options{Unique: true})
		if err := jobs.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := jobs.Stop(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
		for _, c := range []*company{all[0], all[2]} {
			for c.of() == nil {
				if t.Context().Err() != nil {
					t.Fatal(t.Context().Err())
				}
			}
			if got, want := c.listed(), c.expected(c.of()); !slices.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		}
		if all[1].count("risk_models") != 0 {
			t.Error("a tenant without answers has a model")
		}
		var kept int
		if err := db.Reader.QueryRowContext(t.Context(), `SELECT count(*) FROM river_job WHERE kind = $1`, risk.KeepArgs{}.Kind()).Scan(&kept); err != nil || kept != 2 {
			t.Errorf("%d jobs, %v", kept, err)
		}
	})
}

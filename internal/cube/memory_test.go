package cube_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// counted is a response as cells count it.
type counted struct {
	campaign uuid.UUID
	day      calendar.Day
	profile  int32
	score    int
}

// book is a tenant whose cells are written by hand, and what they should add up to.
type book struct {
	t         *rapid.T
	db        *store.DB
	ctx       context.Context
	tenant    uuid.UUID
	campaigns []uuid.UUID
	first     calendar.Day
	facts     []counted
	profiles  int
}

const manyProfiles = 300

func newBook(rt *rapid.T, db *store.DB) *book {
	made, _, err := tenant.Create(context.Background(), db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		rt.Fatal(err)
	}
	b := &book{t: rt, db: db, ctx: auth.ForTenant(context.Background(), made.ID), tenant: made.ID, first: calendar.DayOf(time.Date(2025, 1, 20, 12, 0, 0, 0, time.UTC), time.UTC)}
	for range rapid.IntRange(1, 3).Draw(rt, "campaigns") {
		b.campaigns = append(b.campaigns, uuid.New())
	}
	return b
}

// write changes cells in one transaction, as flushes do, and grows the dictionary where that is needed.
func (b *book) write(change func(d cube.Deltas, g *cube.Generation)) {
	s, err := settings.Load(b.ctx, b.db, b.tenant)
	if err != nil {
		b.t.Fatal(err)
	}
	known := s.Active.Profiles.Len()
	c := cube.Change{Deltas: cube.Deltas{}}
	change(c.Deltas, s.Active)
	c.Grown = s.Active.Since(known)
	b.profiles = s.Active.Profiles.Len()
	write := b.db.WriteLocked
	if c.Grown != nil {
		write = b.db.WriteSettings
	}
	err = write(b.ctx, b.tenant, func(tx *store.Tx) error { return c.Apply(b.ctx, b.db.Dialect, tx.SQL, b.tenant) })
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *book) count(d cube.Deltas, f counted, n int64) {
	month := calendar.Monthly.Start(f.day)
	for _, k := range []cube.Key{
		{Grain: cube.DayProfile, Campaign: f.campaign, Start: f.day, Profile: f.profile},
		{Grain: cube.MonthProfile, Campaign: f.campaign, Start: month, Profile: f.profile},
		{Grain: cube.DayTotal, Campaign: f.campaign, Start: f.day},
		{Grain: cube.MonthTotal, Campaign: f.campaign, Start: month},
	} {
		h := d[k]
		h[f.score] += n
		d[k] = h
	}
}

func (b *book) draw() counted {
	return counted{
		campaign: rapid.SampledFrom(b.campaigns).Draw(b.t, "campaign"), day: b.first + calendar.Day(rapid.IntRange(0, 80).Draw(b.t, "day")),
		profile: b.profile(), score: rapid.IntRange(0, nps.MaxScore).Draw(b.t, "score"),
	}
}

func (b *book) profile() int32 { return int32(rapid.IntRange(1, manyProfiles).Draw(b.t, "profile")) }

func (b *book) grow(g *cube.Generation) {
	for i := range manyProfiles {
		g.Profiles.Place(fmt.Sprintf("C%d", i/150), fmt.Sprintf("v%d", i%150), nil)
	}
}

func (b *book) act() {
	at := func() int { return rapid.IntRange(0, len(b.facts)-1).Draw(b.t, "which") }
	act := rapid.SampledFrom([]string{"record", "record", "move", "amend", "delete", "another campaign", "nothing"}).Draw(b.t, "act")
	if len(b.facts) == 0 {
		act = "record"
	}
	b.write(func(d cube.Deltas, _ *cube.Generation) {
		switch act {
		case "record":
			for range rapid.IntRange(1, 30).Draw(b.t, "responses") {
				f := b.draw()
				b.count(d, f, 1)
				b.facts = append(b.facts, f)
			}
		case "move", "amend", "another campaign":
			i := at()
			b.count(d, b.facts[i], -1)
			switch act {
			case "move": // which no total tells
				b.facts[i].profile = b.profile()
			case "amend":
				b.facts[i].score = rapid.IntRange(0, nps.MaxScore).Draw(b.t, "score")
			default:
				b.facts[i].campaign = rapid.SampledFrom(b.campaigns).Draw(b.t, "campaign")
			}
			b.count(d, b.facts[i], 1)
		case "delete":
			i := at()
			b.count(d, b.facts[i], -1)
			b.facts = slices.Delete(b.facts, i, i+1)
		}
	})
}

// repair deletes the cells of a profile in a month, as repairs delete cells that there must not be, and sets the total.
func (b *book) repair() {
	if len(b.facts) == 0 {
		return
	}
	f := b.facts[rapid.IntRange(0, len(b.facts)-1).Draw(b.t, "which")]
	month := calendar.Monthly.Start(f.day)
	d := cube.Deltas{}
	b.facts = slices.DeleteFunc(b.facts, func(o counted) bool {
		gone := o.campaign == f.campaign && o.profile == f.profile && calendar.Monthly.Start(o.day) == month
		if gone {
			b.count(d, o, -1)
		}
		return gone
	})
	maps.DeleteFunc(d, func(k cube.Key, _ nps.Histogram) bool { return k.Profile != 0 })
	err := b.db.WriteLocked(b.ctx, b.tenant, func(tx *store.Tx) error {
		_, err := tx.SQL.ExecContext(b.ctx, `DELETE FROM cells WHERE tenant_id = $1 AND campaign_id = $2 AND profile_id = $3 AND start >= $4 AND start < $5`,
			b.tenant, f.campaign, f.profile, int64(month), int64(calendar.Monthly.Next(month)))
		return errors.Join(err, cube.Change{Deltas: d}.Apply(b.ctx, b.db.Dialect, tx.SQL, b.tenant))
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// backup keeps the cells as they are, and gives what puts them back.
func (b *book) backup() (restore func()) {
	facts := slices.Clone(b.facts)
	table := fmt.Sprintf("backup_%x", [16]byte(uuid.New()))
	for _, statement := range []string{
		`CREATE TABLE ` + table + ` AS SELECT * FROM cells WHERE tenant_id = '` + b.tenant.String() + `'`,
		`CREATE TABLE ` + table + `_t AS SELECT revision FROM tenants WHERE id = '` + b.tenant.String() + `'`,
	} {
		if _, err := b.db.Writer.ExecContext(b.ctx, statement); err != nil {
			b.t.Fatal(err)
		}
	}
	return func() {
		b.facts = slices.Clone(facts)
		err := b.db.Write(b.ctx, func(tx *store.Tx) error {
			var errs []error
			for _, statement := range []string{
				`DELETE FROM cells WHERE tenant_id = '` + b.tenant.String() + `'`,
				`INSERT INTO cells SELECT * FROM ` + table,
				`UPDATE tenants SET revision = (SELECT revision FROM ` + table + `_t) WHERE id = '` + b.tenant.String() + `'`,
			} {
				_, err := tx.SQL.ExecContext(b.ctx, statement)
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *book) query() cube.Query {
	q := cube.Query{
		From: cube.Earliest, To: cube.Latest,
		ByCampaign: rapid.Bool().Draw(b.t, "by campaign"), ByProfile: rapid.Bool().Draw(b.t, "by profile"),
		By: rapid.SampledFrom([]calendar.Interval{"", calendar.Monthly, calendar.Daily}).Draw(b.t, "by"),
	}
	if rapid.Bool().Draw(b.t, "from") {
		q.From = b.first + calendar.Day(rapid.IntRange(-20, 80).Draw(b.t, "from day"))
	}
	if rapid.Bool().Draw(b.t, "to") {
		q.To = b.first + calendar.Day(rapid.IntRange(0, 100).Draw(b.t, "to day"))
	}
	if rapid.Bool().Draw(b.t, "some campaigns") {
		q.Campaigns = rapid.SliceOfDistinct(rapid.SampledFrom(b.campaigns), func(c uuid.UUID) uuid.UUID { return c }).Draw(b.t, "campaigns")
	}
	if rapid.Bool().Draw(b.t, "some scores") {
		q.Scores = rapid.SampledFrom([][]int{{}, {9, 10}, {0, 1, 2, 3, 4, 5, 6}}).Draw(b.t, "scores")
	}
	if rapid.IntRange(0, 2).Draw(b.t, "some profiles") > 0 {
		q.Profiles = trait.NewSet(b.profiles)
		for range rapid.IntRange(0, 200).Draw(b.t, "how many") {
			q.Profiles[rapid.IntRange(0, len(q.Profiles)-1).Draw(b.t, "word")] |= 1 << rapid.IntRange(0, 63).Draw(b.t, "bit")
		}
	}
	return q
}

func (b *book) sums(q cube.Query) map[cube.Cell]bool {
	sums := map[cube.Cell]nps.Histogram{}
	for _, f := range b.facts {
		if f.day < q.From || f.day > q.To || q.Profiles != nil && !q.Profiles.Has(f.profile) || q.Campaigns != nil && !slices.Contains(q.Campaigns, f.campaign) ||
			q.Scores != nil && !slices.Contains(q.Scores, f.score) {
			continue
		}
		var c cube.Cell
		if q.ByCampaign {
			c.Campaign = f.campaign
		}
		if q.ByProfile {
			c.Profile = f.profile
		}
		switch month := calendar.Monthly.Start(f.day); {
		case q.By == calendar.Daily, q.By == calendar.Monthly && (month < q.From || calendar.Monthly.Next(month)-1 > q.To):
			c.Start = f.day
		case q.By == calendar.Monthly:
			c.Start = month
		}
		h := sums[c]
		h[f.score]++
		sums[c] = h
	}
	cells := map[cube.Cell]bool{}
	for c, h := range sums {
		c.Histogram = h
		cells[c] = true
	}
	return cells
}

func (b *book) verify(states *settings.States, q cube.Query) {
	b.compare(b.db, q, func(read func(*settings.State) error) error { return states.Try(b.ctx, b.tenant, read) })
}

// verifyThen writes while a moment lasts, and compares what is read of it with what there was.
func (b *book) verifyThen(states *settings.States) {
	err := b.db.At(b.ctx, func(then *store.DB) error {
		if _, err := cube.SettingsOf(b.ctx, then, b.tenant); err != nil { // it begins
			return err
		}
		facts := slices.Clone(b.facts)
		for range rapid.IntRange(0, 3).Draw(b.t, "acts meanwhile") {
			switch rapid.IntRange(0, 3).Draw(b.t, "meanwhile") {
			case 0:
				b.verify(states, b.query())
			case 1: // so that the settings are others too
				b.write(func(_ cube.Deltas, g *cube.Generation) { g.Profiles.Place("late", uuid.NewString(), nil) })
			default:
				b.act()
			}
		}
		now := b.facts
		b.facts = facts
		defer func() { b.facts = now }()
		for range 2 {
			b.compare(then, b.query(), func(read func(*settings.State) error) error {
				s, err := states.Of(b.ctx, then, b.tenant)
				if err != nil {
					return err
				}
				return read(s)
			})
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *book) compare(db *store.DB, q cube.Query, with func(read func(*settings.State) error) error) {
	got := map[cube.Cell]bool{}
	err := with(func(s *settings.State) error {
		cells, err := cube.Read(b.ctx, db, &s.Generations, q)
		if err != nil {
			return err
		}
		clear(got)
		for c := range cells.All() {
			got[c] = true
		}
		if len(got) != cells.Len() {
			b.t.Fatalf("%+v: some cells come twice", q)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if want := b.sums(q); !maps.Equal(got, want) {
		b.t.Fatalf("%+v: got %d cells, want %d: %v, want %v", q, len(got), len(want), got, want)
	}
}

// Whatever is written between readings, by whom, however little is kept in memory: each reads what there is, or what there
// was at its moment.
func TestMemoryIsNeverBehind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		rapid.Check(t, func(rt *rapid.T) {
			b := newBook(rt, db)
			b.write(func(_ cube.Deltas, g *cube.Generation) { b.grow(g) })
			most := []int{1 << 20, 0, 3_000}
			processes, memories := make([]*settings.States, len(most)), make([]*cube.Memory, len(most))
			for i := range most {
				memories[i] = cube.NewMemoryOf(most[i])
				processes[i] = settings.NewStatesIn(db, memories[i])
			}
			bounded := func() {
				for i, m := range memories {
					if counted, are := m.Remembered(); counted != are || counted > most[i] {
						rt.Fatalf("%d bytes are kept, and counted as %d, of at most %d", are, counted, most[i])
					}
				}
			}
			restore := func() {}
			for range rapid.IntRange(1, 12).Draw(rt, "acts") {
				for _, p := range processes {
					switch rapid.IntRange(0, 5).Draw(rt, "reads") {
					case 0, 1:
					case 2:
						b.verifyThen(p)
					default:
						b.verify(p, b.query())
					}
					bounded()
				}
				switch rapid.IntRange(0, 9).Draw(rt, "kind") {
				case 0:
					b.repair()
				case 1:
					restore = b.backup()
				case 2:
					restore()
					for _, p := range processes { // before as many writes as there were since
						b.verify(p, cube.Query{From: cube.Earliest, To: cube.Latest, ByProfile: true})
					}
				default:
					b.act()
				}
			}
			for _, p := range processes {
				b.verify(p, b.query())
			}
			bounded()
		})
	})
}

// Who waits for the same months waits for one reading, which does not end with those who leave, and what was read stays
// for all, whoever could not pay for it.
func TestMonthsAreReadOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRecorder(t, db)
		r.record(500)
		memory := cube.NewMemory()
		states := settings.NewStatesIn(db, memory)
		s, err := states.Get(r.ctx, r.tenant)
		if err != nil {
			t.Fatal(err)
		}
		q := cube.Query{From: cube.Earliest, To: cube.Latest, ByProfile: true}
		read := func(ctx context.Context) (int64, error) {
			cells, err := cube.Read(ctx, db, &s.Generations, q)
			n := int64(0)
			if err == nil {
				for c := range cells.All() {
					n += c.Histogram.Count()
				}
			}
			return n, err
		}
		broke := errors.New("broke")
		paid := 0
		paying := func(most int) context.Context {
			paid = 0
			return rate.WithSpender(r.ctx, func(n int) error {
				if paid += n; paid > most {
					return broke
				}
				return nil
			}, false)
		}

		release := memory.HoldLoads()
		impatient, leave := context.WithCancelCause(r.ctx)
		left := errors.New("left")
		answers := make(chan error)
		go func() {
			_, err := read(impatient)
			answers <- err
		}()
		for !memory.Waits(r.tenant) {
			runtime.Gosched()
		}
		leave(left)
		if err := <-answers; !errors.Is(err, left) {
			t.Errorf("who leaves gets %v", err)
		}
		for range 4 {
			go func() {
				n, err := read(r.ctx)
				if err == nil && n != 500 {
					err = fmt.Errorf("%d responses", n)
				}
				answers <- err
			}()
		}
		release()
		for range 4 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}

		other := settings.NewStates(db) // that has nothing in memory yet
		q.By = calendar.Daily
		many := 600
		r.spread(many)
		if s, err = other.Get(r.ctx, r.tenant); err != nil {
			t.Fatal(err)
		}
		if _, err := read(paying(1)); !errors.Is(err, broke) {
			t.Errorf("without means: %v", err)
		}
		n, err := read(paying(1))
		if err != nil || n != int64(500+many) {
			t.Errorf("when it was read: %d, %v", n, err)
		}
	})
}

// spread records responses of as many days.
func (r *recorder) spread(n int) {
	r.t.Helper()
	items := make([]feedback.Recording, n)
	for i := range items {
		at := time.Now().AddDate(0, 0, -i-1)
		items[i] = feedback.Recording{Campaign: r.campaign, Score: i % 11, Channel: "API", RespondedAt: &at}
	}
	out, err := r.log.Record(r.ctx, items)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, o := range out {
		if o.Value == nil {
			r.t.Fatal(o.Errors)
		}
	}
	r.count += n
}

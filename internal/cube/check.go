package cube

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Fault is something stored that is not what it should be.
type Fault struct {
	// What says so, a line each: what it is about, what is stored, and what should be.
	What []string
	// Mend puts it right under the tenant's lock, where it is known what is right; nil where it is not. It reports false
	// where that is not so any more.
	Mend func(ctx context.Context, tx *store.Tx) (mended bool, err error)
}

// Faultf is a fault of one line that cannot be mended.
func Faultf(format string, args ...any) Fault {
	return Fault{What: []string{fmt.Sprintf(format, args...)}}
}

// MaxNamed is how many of one kind are named one by one.
const MaxNamed = 20

// Witness is what the log tells of a tenant's responses.
type Witness struct {
	// Counts are the responses that there are, by campaign and score.
	Counts map[uuid.UUID]nps.Histogram
	// Doubts are those of which the log and the row say different things.
	Doubts map[uuid.UUID]*Doubt
	// Missing are how many there are by the log of which the row is gone, or cannot be read, by campaign.
	Missing map[uuid.UUID]int
	// Void says that too much is wrong with the log for it to be a witness.
	Void bool
	// Position is that of the last event that was looked at.
	Position int64
}

// Doubt is a response of which the log and the row say different things.
type Doubt struct {
	// Log and Row are what each says; nil that there is no such response.
	Log, Row *Fact
	// Side is whom the cells agree with, once Examine has looked.
	Side Side
}

// Side is one of two that differ.
type Side int

// The sides.
const (
	Neither Side = iota
	WithLog
	WithRow
)

// believed is what to count the response by: what the log says, unless the cells, which were written with both, are
// against it.
func (d *Doubt) believed() *Fact {
	if d.Side == WithRow {
		return d.Row
	}
	return d.Log
}

// Examine compares a tenant's cells with its responses and with what the log tells of these, and says whom the cells agree
// with where the two differ. A cell is counted anew only where the log and the other grains leave no doubt that it is the
// cell that is wrong: for much of a response (its day, its traits) the cells are the only witness there is.
//
// The transaction sees a snapshot. Memory holds the cells of one month at a time.
func Examine(ctx context.Context, db *store.DB, tx *store.Tx, tenant uuid.UUID, w *Witness) ([]Fault, error) {
	e := &examiner{ctx: ctx, db: db, tx: tx, tenant: tenant, w: w}
	if err := e.examine(); err != nil {
		return e.faults, fmt.Errorf("checking cells: %w", err)
	}
	return e.faults, nil
}

type examiner struct {
	ctx    context.Context
	db     *store.DB
	tx     *store.Tx
	tenant uuid.UUID
	w      *Witness
	faults []Fault

	active   int64
	zone     string // the tenant's
	defined  []trait.Dimension
	readable bool // whether the definitions are
}

// stored is a generation as it is stored.
type stored struct {
	number  int32
	shape   *trait.Shape // nil where it cannot be read
	whole   bool
	builtTo uuid.UUID
	fault   string
}

func (e *examiner) fault(format string, args ...any) {
	e.faults = append(e.faults, Faultf(format, args...))
}

func (e *examiner) examine() error {
	if err := e.definitions(); err != nil {
		return err
	}
	all, err := e.generations()
	if err != nil {
		return err
	}
	var active, building *stored
	for i := range all {
		switch g := &all[i]; {
		case int64(g.number) == e.active:
			active = g
		case int64(g.number) > e.active:
			building = g
		}
	}
	if err := e.strays(); err != nil {
		return err
	}
	want := trait.Shape{Zone: e.zone, Dimensions: e.defined}
	newest := cmp.Or(building, active)
	_, zoneWrong := calendar.LoadZone(e.zone)
	if zoneWrong != nil {
		what := fmt.Sprintf("the time zone is %.60q, which is none", e.zone)
		f := Fault{What: []string{what}}
		if newest != nil && newest.shape != nil {
			right := newest.shape.Zone
			f.What[0] += "; that of its newest cube is " + right
			f.Mend = func(ctx context.Context, tx *store.Tx) (bool, error) {
				_, err := tx.SQL.ExecContext(ctx, `UPDATE tenants SET time_zone = $2 WHERE id = $1`, e.tenant, right)
				return err == nil, err
			}
			want.Zone = right
		}
		e.faults = append(e.faults, f)
	}
	if err := e.answers(active, building, want); err != nil {
		return err
	}
	if building != nil {
		return e.next(building, want)
	}
	return nil
}

// definitions reads the tenant's zone and dimensions.
func (e *examiner) definitions() error {
	err := store.EachRaw(e.ctx, e.tx.SQL, func(r store.Raw) error {
		e.active, _ = r.Int(0)
		e.zone, _ = r.Text(1)
		return nil
	}, `SELECT cube, time_zone FROM tenants WHERE id = $1`, e.tenant)
	if err != nil {
		return err
	}
	e.readable = true
	return store.EachRaw(e.ctx, e.tx.SQL, func(r store.Raw) error {
		d := trait.Definition{}
		var ok [4]bool
		d.Key, ok[0] = r.Text(0)
		kind, _ := r.Text(1)
		d.Kind = trait.Kind(kind)
		d.IsDimension, ok[1] = r.Bool(2)
		edges, hasEdges := r.Text(3)
		ok[2] = !hasEdges || json.Unmarshal([]byte(edges), &d.Edges) == nil
		ok[3] = d.Validate() == nil
		if ok != [4]bool{true, true, true, true} {
			e.readable = false // the check of the rows says which
			return nil
		}
		if d.IsDimension {
			e.defined = append(e.defined, trait.Dimension{Key: d.Key, Kind: d.Kind, Edges: d.Edges})
			slices.SortFunc(e.defined, func(a, b trait.Dimension) int { return cmp.Compare(a.Key, b.Key) })
		}
		return nil
	}, `SELECT key, kind, is_dimension, edges FROM traits WHERE tenant_id = $1`, e.tenant)
}

func (e *examiner) generations() (all []stored, err error) {
	err = store.EachRaw(e.ctx, e.tx.SQL, func(r store.Raw) error {
		n, _ := r.Int(0)
		g := stored{number: int32(n)}
		g.whole, _ = r.Bool(2)
		if !r.Null(3) {
			g.builtTo, _ = r.UUID(3)
		}
		text, _ := r.Text(1)
		var shape trait.Shape
		if err := json.Unmarshal([]byte(text), &shape); err != nil {
			g.fault = fmt.Sprintf("cube %d has a shape that cannot be read: %s", n, r.Show(1))
		} else if _, err := calendar.LoadZone(shape.Zone); err != nil {
			g.fault = fmt.Sprintf("cube %d has the time zone %.60q, which is none", n, shape.Zone)
		} else {
			g.shape = &shape
		}
		all = append(all, g)
		return nil
	}, `SELECT generation, shape, whole, built_to FROM cubes WHERE tenant_id = $1 ORDER BY generation`, e.tenant)
	return all, err
}

// strays are cells and profiles of generations that there are not. One that was given up has its number less than zero until
// it is swept.
func (e *examiner) strays() error {
	for _, table := range []string{"cells", "profiles"} {
		var numbers []int64
		var n int64
		err := store.EachRaw(e.ctx, e.tx.SQL, func(r store.Raw) error {
			number, ok := r.Int(0)
			rows, _ := r.Int(1)
			if ok && number != e.active {
				numbers, n = append(numbers, number), n+rows
			}
			return nil
		}, `SELECT cube, count(*) FROM `+table+` WHERE tenant_id = $1
			AND cube NOT IN (SELECT abs(generation) FROM cubes WHERE tenant_id = $1) GROUP BY cube`, e.tenant)
		if err != nil {
			return err
		}
		if numbers == nil {
			continue
		}
		e.faults = append(e.faults, Fault{
			What: []string{fmt.Sprintf("there are %d %s of the cubes %v, and no such cubes", n, table, numbers)},
			Mend: func(ctx context.Context, tx *store.Tx) (bool, error) {
				_, err := tx.SQL.ExecContext(ctx, `DELETE FROM `+table+` WHERE tenant_id = $1
					AND cube NOT IN (SELECT abs(generation) FROM cubes WHERE tenant_id = $1) AND cube <> (SELECT cube FROM tenants WHERE id = $1)`, e.tenant)
				return err == nil, err
			},
		})
	}
	return nil
}

// answers examines the generation that answers.
func (e *examiner) answers(g, building *stored, want trait.Shape) error {
	var what string
	switch {
	case g == nil:
		what = fmt.Sprintf("cube %d, which is to answer, is missing", e.active)
	case g.fault != "":
		what = g.fault
	case !g.whole:
		what = fmt.Sprintf("cube %d, which answers, is not whole", g.number)
	}
	sound := what == ""
	if !sound && (!e.readable || building != nil && building.shape == nil) {
		e.fault("%s; nor can the traits be read that would tell its shape", what)
		return nil
	}
	shape := want
	if g != nil && g.shape != nil {
		shape = *g.shape
	}
	if _, err := calendar.LoadZone(shape.Zone); err != nil {
		e.fault("%s, and nothing tells in which time zone to count", what)
		return nil //nolint:nilerr // it is a fault now
	}
	t, err := e.tally(int32(e.active), shape, nil, false)
	if err != nil {
		return err
	}
	differs := sound && building == nil && e.readable && encode(want) != encode(shape)
	if differs {
		text := fmt.Sprintf("cube %d was counted by %s, and the tenant's zone and traits are %s", e.active, encode(shape), encode(want))
		if !t.clean() {
			// Were the cells counted by the definitions, then it is the cube's row that was changed.
			other, err := e.tally(int32(e.active), want, nil, false)
			if err != nil {
				return err
			}
			if other.clean() {
				e.faults = append(e.faults, Fault{What: []string{text + ": the cells were counted by the latter"}, Mend: e.setShape(want)})
				return nil
			}
		}
		e.fault("%s; say which is right with updateTenant or defineTrait, which count anew", text)
	}
	switch {
	case !sound && t.clean():
		// The cells are right, so that only the row is to be written.
		e.faults = append(e.faults, Fault{What: []string{what + "; its cells are what " + encode(shape) + " gives"}, Mend: e.setShape(shape)})
		return nil
	case sound && !t.broken():
		return e.judge(t)
	}
	if sound {
		what = t.brokenWhat()
	}
	// What was counted by each profile cannot be read any more. The totals can, and say whether the responses are whole.
	totals, err := e.tally(int32(e.active), shape, nil, true)
	if err != nil {
		return err
	}
	if why := totals.unsure(); why != "" {
		e.fault("%s; it cannot be built again before it is known what to count: %s", what, why)
		return nil
	}
	e.faults = append(e.faults, Fault{What: []string{what}, Mend: func(ctx context.Context, tx *store.Tx) (bool, error) {
		err := build(ctx, e.db, tx, e.tenant, shape)
		return err == nil, err
	}})
	return nil
}

// setShape writes the row of the generation that answers.
func (e *examiner) setShape(shape trait.Shape) func(context.Context, *store.Tx) (bool, error) {
	return func(ctx context.Context, tx *store.Tx) (bool, error) {
		_, err := tx.SQL.ExecContext(ctx, `INSERT INTO cubes (tenant_id, generation, shape, whole, done, total)
			VALUES ($1, $2, $3, TRUE, 0, 0)
			ON CONFLICT (tenant_id, generation) DO UPDATE SET shape = excluded.shape, whole = excluded.whole`, e.tenant, e.active, encode(shape))
		return err == nil, err
	}
}

// build counts all anew into a generation of its own, and forgets the others.
func build(ctx context.Context, db *store.DB, tx *store.Tx, tenant uuid.UUID, shape trait.Shape) error {
	var newest int64
	err := store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		newest, _ = r.Int(0)
		return nil
	}, `SELECT max(n) FROM (SELECT cube AS n FROM tenants WHERE id = $1 UNION ALL SELECT abs(generation) FROM cubes WHERE tenant_id = $1
		UNION ALL SELECT cube FROM cells WHERE tenant_id = $1) AS numbers`, tenant)
	if err != nil {
		return err
	}
	for _, table := range []string{"cells", "profiles", "cubes"} {
		if _, err := tx.SQL.ExecContext(ctx, `DELETE FROM `+table+` WHERE tenant_id = $1`, tenant); err != nil {
			return err
		}
	}
	g, err := insertGeneration(ctx, tx, tenant, int32(newest)+1, shape, 0)
	if err != nil {
		return err
	}
	b := &Builder{Chunk: chunk, DB: db}
	for done := false; !done; {
		if done, err = b.take(ctx, tx, tenant, g, b.Chunk); err != nil {
			return err
		}
	}
	return nil
}

// next examines the generation that is being built. Whatever is wrong with it, it is begun again.
func (e *examiner) next(g *stored, want trait.Shape) error {
	what := g.fault
	if g.shape != nil {
		t, err := e.tally(g.number, *g.shape, g, false)
		if err != nil {
			return err
		}
		if !t.clean() {
			what = fmt.Sprintf("cube %d, which is being built, is not what the responses give so far", g.number)
		}
		want = *g.shape
	}
	if what == "" {
		return nil
	}
	f := Faultf("%s", what)
	if g.shape != nil || e.readable {
		f.Mend = func(ctx context.Context, tx *store.Tx) (bool, error) {
			if err := empty(ctx, tx, e.tenant, g.number); err != nil {
				return false, err
			}
			_, err := tx.SQL.ExecContext(ctx, `UPDATE cubes SET shape = $3, whole = FALSE, built_to = NULL, done = 0 WHERE tenant_id = $1 AND generation = $2`,
				e.tenant, g.number, encode(want))
			return err == nil, err
		}
	}
	e.faults = append(e.faults, f)
	return nil
}

// tally is what a comparison of a generation's cells with the responses has found.
type tally struct {
	e       *examiner
	g       *Generation
	totals  bool // whether totals alone are compared
	profile error
	known   int

	of         map[uuid.UUID]*campaignTally
	unreadable []string
	unread     map[uuid.UUID]int // how many, by campaign
	// cells and counted are by profile, and tell a changed profile from changed responses.
	cells, counted map[int32]nps.Histogram
	strange        map[Key]string // cells that no response can ever be in
	unnamed        []string       // campaigns of cells that cannot be read
	campaigns      string         // those that cells are of, as a parameter
}

// campaignTally is the tally of one campaign.
type campaignTally struct {
	sums   [grains]nps.Histogram
	differ [grains]bool
	// off says which grains do not add up to the next.
	offDayTotal, offMonthProfile, offMonthTotal bool
	lack                                        nps.Histogram // what the cells count beyond the responses
	beyond                                      bool          // whether responses are somewhere where no cell counts them
	months                                      map[calendar.Day]bool
	lines                                       []string
	more                                        int
}

// tally compares a generation's cells with the responses, month by month. Of one that is being built it counts those that
// are in already.
func (e *examiner) tally(number int32, shape trait.Shape, building *stored, totals bool) (*tally, error) {
	t := &tally{
		e: e, totals: totals, of: map[uuid.UUID]*campaignTally{},
		cells: map[int32]nps.Histogram{}, counted: map[int32]nps.Histogram{}, strange: map[Key]string{}, unread: map[uuid.UUID]int{},
	}
	var profiles []trait.Profile
	if !totals {
		err := store.EachRaw(e.ctx, e.tx.SQL, func(r store.Raw) error {
			var p trait.Profile
			n, ok := r.Int(0)
			p.ID = int32(n)
			p.Channel, _ = r.Text(1)
			p.Variant, _ = r.Text(2)
			values, _ := r.Text(3)
			if err := json.Unmarshal([]byte(values), &p.Values); !ok || err != nil {
				t.profile = fmt.Errorf("profile %s has the values %s", r.Show(0), r.Show(3))
			}
			profiles = append(profiles, p)
			return nil
		}, `SELECT id, channel, variant, dimension_values FROM profiles WHERE tenant_id = $1 AND cube = $2 ORDER BY id`, e.tenant, number)
		if err != nil {
			return nil, err
		}
	}
	g, err := newGeneration(number, shape, profiles)
	if broken := (*brokenError)(nil); errors.As(err, &broken) {
		t.profile, t.totals = broken.err, true
		g, err = newGeneration(number, shape, nil)
	}
	if err != nil {
		return nil, err
	}
	if t.profile != nil {
		t.totals = true
	}
	g.Whole = building == nil
	if building != nil {
		g.BuiltTo = building.builtTo
	}
	t.g, t.known = g, g.Profiles.Len()
	months, err := t.months()
	if err != nil {
		return nil, err
	}
	for _, month := range months {
		if err := t.month(e.tx, month, nil); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// months are those that there are responses or cells of.
func (t *tally) months() ([]calendar.Day, error) {
	months := map[calendar.Day]bool{}
	campaigns := []uuid.UUID{}
	err := store.EachRaw(t.e.ctx, t.e.tx.SQL, func(r store.Raw) error {
		if c, ok := r.UUID(0); ok {
			campaigns = append(campaigns, c)
		} else {
			t.unnamed = append(t.unnamed, r.Show(0))
		}
		return nil
	}, `SELECT DISTINCT campaign_id FROM cells WHERE tenant_id = $1 AND cube = $2`, t.e.tenant, t.g.Number)
	if err != nil {
		return nil, err
	}
	t.campaigns = store.UUIDs(t.e.db.Dialect, campaigns)
	err = store.EachRaw(t.e.ctx, t.e.tx.SQL, func(r store.Raw) error {
		if start, ok := r.Int(0); ok {
			months[calendar.Monthly.Start(calendar.Day(start))] = true
		}
		return nil
	}, `SELECT DISTINCT start FROM cells WHERE tenant_id = $1 AND cube = $2`, t.e.tenant, t.g.Number)
	if err != nil {
		return nil, err
	}
	for after := (time.Time{}); ; {
		var at time.Time
		found := false
		err := store.EachRaw(t.e.ctx, t.e.tx.SQL, func(r store.Raw) error {
			at, found = r.Time(0)
			return nil
		}, `SELECT responded_at FROM responses WHERE tenant_id = $1 AND responded_at >= $2 ORDER BY responded_at LIMIT 1`, t.e.tenant, after)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		month := calendar.Monthly.Start(calendar.DayOf(at, t.g.zone))
		months[month] = true
		next := calendar.Monthly.Next(month).Start(t.g.zone).UTC()
		if !next.After(at) {
			break // the calendar ends here
		}
		after = next
	}
	for _, d := range t.e.w.Doubts {
		for _, f := range []*Fact{d.Log, d.Row} {
			if f != nil {
				months[calendar.Monthly.Start(calendar.DayOf(f.RespondedAt, t.g.zone))] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(months)), nil
}

func (t *tally) campaign(c uuid.UUID) *campaignTally {
	if t.of[c] == nil {
		t.of[c] = &campaignTally{months: map[calendar.Day]bool{}}
	}
	return t.of[c]
}

// count counts a month's responses.
func (t *tally) count(tx *store.Tx, month calendar.Day) (Deltas, error) {
	counted := Deltas{}
	in := func(at time.Time) bool { return calendar.Monthly.Start(calendar.DayOf(at, t.g.zone)) == month }
	// A day on either side is more than any zone is off.
	from, to := month.Start(time.UTC).AddDate(0, 0, -2), calendar.Monthly.Next(month).Start(time.UTC).AddDate(0, 0, 2)
	err := store.EachRaw(t.e.ctx, tx.SQL, func(r store.Raw) error {
		f, fault := ReadFact(r)
		if _, doubt := t.e.w.Doubts[f.Response]; doubt || !in(f.RespondedAt) && !f.RespondedAt.IsZero() {
			return nil
		}
		if fault != "" {
			t.unread[f.Campaign]++
			if len(t.unreadable) < MaxNamed {
				t.unreadable = append(t.unreadable, fmt.Sprintf("%s: %s", showResponse(f.Response, r), fault))
			}
			return nil
		}
		if t.g.Holds(f.Response) {
			counted.Count(t.g, f, 1)
		}
		return nil
	}, `SELECT `+FactColumns+` FROM responses r WHERE r.tenant_id = $1 AND r.responded_at >= $2 AND r.responded_at < $3 ORDER BY r.responded_at, r.id`,
		t.e.tenant, from.UTC(), to.UTC())
	if err != nil {
		return nil, err
	}
	for response, d := range t.e.w.Doubts {
		if f := d.believed(); f != nil && in(f.RespondedAt) && t.g.Holds(response) {
			counted.Count(t.g, *f, 1)
		}
	}
	return counted, nil
}

func showResponse(u uuid.UUID, r store.Raw) string {
	if u == (uuid.UUID{}) {
		return r.Show(0)
	}
	return id.Response.Format(u)
}

// FactColumns are what ReadFact reads, of the responses r.
const FactColumns = `r.id, r.campaign_id, r.channel, r.variant, r.traits, r.responded_at, r.score`

// ReadFact reads a row of FactColumns. The fault is empty where it can be counted.
func ReadFact(r store.Raw) (f Fact, fault string) {
	var ok bool
	if f.Response, ok = r.UUID(0); !ok {
		return f, "its id cannot be read"
	}
	if f.Campaign, ok = r.UUID(1); !ok {
		return f, "its campaign is " + r.Show(1)
	}
	if f.RespondedAt, ok = r.Time(5); !ok {
		return f, "it was given at " + r.Show(5)
	}
	if f.Channel, ok = r.Text(2); !ok {
		return f, "its channel is " + r.Show(2)
	}
	if !r.Null(3) {
		variant, ok := r.Text(3)
		if !ok {
			return f, "its variant is " + r.Show(3)
		}
		f.Variant = &variant
	}
	text, _ := r.Text(4)
	var given map[string]any
	if err := json.Unmarshal([]byte(text), &given); err != nil || given == nil {
		return f, "its traits are " + r.Show(4)
	}
	f.Traits = given
	score, ok := r.Int(6)
	if f.Score = int(score); !ok || score < 0 || score > nps.MaxScore {
		return f, "its score is " + r.Show(6)
	}
	return f, ""
}

// read reads a month's cells.
func (t *tally) read(tx *store.Tx, month calendar.Day, f func(k Key, h nps.Histogram, readable bool)) error {
	return store.EachRaw(t.e.ctx, tx.SQL, func(r store.Raw) error {
		grain, _ := r.Int(0)
		start, _ := r.Int(2)
		profile, _ := r.Int(3)
		k := Key{Generation: t.g.Number, Grain: Grain(grain), Start: calendar.Day(start), Profile: int32(profile)}
		k.Campaign, _ = r.UUID(1)
		var h nps.Histogram
		readable := true
		for i := range h {
			var ok bool
			h[i], ok = r.Int(4 + i)
			readable = readable && ok
		}
		if _, ok := r.Int(4 + len(h)); !ok {
			readable = false
		}
		f(k, h, readable)
		return nil
	}, `SELECT grain, campaign_id, start, profile_id, `+histogramColumns+`, changed FROM cells WHERE tenant_id = $1 AND cube = $2
		AND start >= $3 AND start < $4 AND `+store.In(t.e.db.Dialect, "campaign_id", "uuid", "$5"),
		t.e.tenant, t.g.Number, int64(month), int64(calendar.Monthly.Next(month)), t.campaigns)
}

// possible says whether a response can be in the cell at all.
func (t *tally) possible(k Key) bool {
	switch k.Grain {
	case DayProfile, MonthProfile:
		if !t.totals && (k.Profile < 1 || int(k.Profile) > t.known) {
			return false
		}
	case DayTotal, MonthTotal:
		if k.Profile != 0 {
			return false
		}
	default:
		return false
	}
	return k.Grain == DayProfile || k.Grain == DayTotal || calendar.Monthly.Start(k.Start) == k.Start
}

// month compares one month. With only it mends it, and only those campaigns.
func (t *tally) month(tx *store.Tx, month calendar.Day, only map[uuid.UUID]bool) error {
	differ, err := t.count(tx, month)
	if err != nil {
		return err
	}
	profiles := Deltas{} // cells of profiles, added up to what the totals should be
	totals := Deltas{}
	var strange []Key
	for k, h := range differ {
		if k.Grain == MonthProfile {
			t.counted[k.Profile] = t.counted[k.Profile].Add(h)
		}
	}
	err = t.read(tx, month, func(k Key, h nps.Histogram, readable bool) {
		if !readable || !t.possible(k) {
			strange = append(strange, k)
			if only == nil {
				t.strange[k] = fmt.Sprintf("campaign %s, %s: there is a cell of cube %d, grain %d and profile %d, where no response can be, of %v",
					id.Campaign.Format(k.Campaign), k.Start, k.Generation, k.Grain, k.Profile, h)
			}
			return
		}
		if t.totals && (k.Grain == DayProfile || k.Grain == MonthProfile) {
			return
		}
		differ[k] = differ[k].Sub(h)
		c := t.campaign(k.Campaign)
		c.sums[k.Grain] = c.sums[k.Grain].Add(h)
		switch k.Grain {
		case DayProfile:
			for _, to := range []Key{
				{k.Generation, DayTotal, k.Campaign, k.Start, 0},
				{k.Generation, MonthProfile, k.Campaign, calendar.Monthly.Start(k.Start), k.Profile},
			} {
				profiles[to] = profiles[to].Add(h)
			}
		case MonthProfile:
			profiles[k] = profiles[k].Sub(h)
			t.cells[k.Profile] = t.cells[k.Profile].Add(h)
		case DayTotal:
			profiles[k] = profiles[k].Sub(h)
			to := Key{k.Generation, MonthTotal, k.Campaign, calendar.Monthly.Start(k.Start), 0}
			totals[to] = totals[to].Add(h)
		case MonthTotal:
			totals[k] = totals[k].Sub(h)
		}
	})
	if err != nil {
		return err
	}
	if t.totals {
		maps.DeleteFunc(differ, func(k Key, _ nps.Histogram) bool { return k.Grain == DayProfile || k.Grain == MonthProfile })
		profiles = Deltas{}
	}
	if only != nil {
		return t.mend(tx, differ, strange, only)
	}
	t.sides(differ, month)
	for k, h := range profiles {
		if h != (nps.Histogram{}) {
			c := t.campaign(k.Campaign)
			c.offDayTotal = c.offDayTotal || k.Grain == DayTotal
			c.offMonthProfile = c.offMonthProfile || k.Grain == MonthProfile
		}
	}
	for k, h := range totals {
		if h != (nps.Histogram{}) {
			t.campaign(k.Campaign).offMonthTotal = true
		}
	}
	for _, cell := range (Change{Deltas: differ}).cells() {
		c := t.campaign(cell.key.Campaign)
		c.differ[cell.key.Grain] = true
		c.months[month] = true
		if cell.key.Grain == DayTotal {
			for score, n := range cell.n {
				c.lack[score] -= n
				c.beyond = c.beyond || n > 0
			}
		}
		if len(c.lines) == MaxNamed {
			c.more++
			continue
		}
		c.lines = append(c.lines, fmt.Sprintf("campaign %s, %s: the cell of cube %d, grain %d and profile %d is off by %v, as stored less what the responses give",
			id.Campaign.Format(cell.key.Campaign), cell.key.Start, cell.key.Generation, cell.key.Grain, cell.key.Profile, nps.Histogram{}.Sub(cell.n)))
	}
	return nil
}

// sides finds whom the cells agree with where the log and a response differ, and counts these by whoever is right.
func (t *tally) sides(differ Deltas, month calendar.Day) {
	if !t.g.Whole {
		return
	}
	grain := DayProfile
	if t.totals {
		grain = DayTotal
	}
	at := func(f *Fact) (k Key, in bool) {
		if f == nil || calendar.Monthly.Start(calendar.DayOf(f.RespondedAt, t.g.zone)) != month {
			return k, false
		}
		day, p := t.g.Place(*f)
		if k = (Key{t.g.Number, grain, f.Campaign, day, p.ID}); t.totals {
			k.Profile = 0
		}
		return k, true
	}
	for _, response := range slices.SortedFunc(maps.Keys(t.e.w.Doubts), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		d := t.e.w.Doubts[response]
		if d.Side != Neither {
			continue
		}
		log, inLog := at(d.Log)
		row, inRow := at(d.Row)
		if !inLog && !inRow {
			continue
		}
		var beyond, lacking int64 // what is counted beyond the cells by the log, and lacks by the row
		if d.Log != nil {
			beyond = differ[log][d.Log.Score]
		}
		if d.Row != nil {
			lacking = -differ[row][d.Row.Score]
		}
		switch {
		case beyond == 0 && lacking == 0:
			d.Side = WithLog
		case lacking > 0 && (d.Log == nil || beyond > 0):
			d.Side = WithRow
			more := Deltas{}
			if d.Log != nil {
				more.Count(t.g, *d.Log, -1)
			}
			more.Count(t.g, *d.Row, 1)
			for k, h := range more {
				if t.totals && k.Profile != 0 {
					continue
				}
				differ[k] = differ[k].Add(h)
			}
		}
	}
}

// mend makes a month's cells of some campaigns what they should be.
func (t *tally) mend(tx *store.Tx, differ Deltas, strange []Key, only map[uuid.UUID]bool) error {
	for _, k := range strange {
		if !only[k.Campaign] {
			continue
		}
		if _, err := tx.SQL.ExecContext(t.e.ctx, `DELETE FROM cells WHERE tenant_id = $1 AND cube = $2 AND grain = $3 AND campaign_id = $4 AND start = $5 AND profile_id = $6`,
			t.e.tenant, k.Generation, int(k.Grain), k.Campaign, int64(k.Start), k.Profile); err != nil {
			return err
		}
		// Whoever remembers the month's cells must read them again.
		if _, err := tx.SQL.ExecContext(t.e.ctx, `UPDATE cells SET changed = (SELECT revision FROM tenants WHERE id = $1)
			WHERE tenant_id = $1 AND cube = $2 AND grain = $3 AND campaign_id = $4 AND start = $5`,
			t.e.tenant, k.Generation, int(MonthTotal), k.Campaign, int64(calendar.Monthly.Start(k.Start))); err != nil {
			return err
		}
	}
	maps.DeleteFunc(differ, func(k Key, _ nps.Histogram) bool { return !only[k.Campaign] })
	// Those that a month before has added are there, unless its transaction failed.
	known := 0
	err := store.EachRaw(t.e.ctx, tx.SQL, func(r store.Raw) error {
		n, _ := r.Int(0)
		known = int(n)
		return nil
	}, `SELECT count(*) FROM profiles WHERE tenant_id = $1 AND cube = $2`, t.e.tenant, t.g.Number)
	if err != nil {
		return err
	}
	change := Change{Deltas: differ, Grown: t.g.Since(known)}
	return change.Apply(t.e.ctx, t.e.db.Dialect, tx.SQL, t.e.tenant)
}

// counts are the campaign's responses by the log, as far as it is believed.
func (t *tally) counts(c uuid.UUID) nps.Histogram {
	h := t.e.w.Counts[c]
	for _, d := range t.e.w.Doubts {
		if d.Side != WithRow {
			continue
		}
		if d.Log != nil && d.Log.Campaign == c {
			h.Record(d.Log.Score, -1)
		}
		if d.Row != nil && d.Row.Campaign == c {
			h.Record(d.Row.Score, 1)
		}
	}
	return h
}

// clean says that there is nothing between cells and responses.
func (t *tally) clean() bool {
	for _, c := range t.of {
		if c.differ != ([grains]bool{}) {
			return false
		}
	}
	return t.profile == nil && len(t.strange)+len(t.unnamed) == 0 && t.g.Profiles.Len() == t.known
}

// broken says that the dictionary of profiles is not the one that the cells were counted by.
func (t *tally) broken() bool {
	if t.profile != nil {
		return true
	}
	grown := t.g.Profiles.Len() - t.known
	if grown == 0 {
		return false
	}
	for k := range t.strange {
		if k.Grain <= MonthProfile && int(k.Profile) > t.known {
			return true // that of a profile which is gone
		}
	}
	// A profile that was changed counts what its responses are counted anew under. A single one of them may have been
	// changed itself.
	var gone, come []nps.Histogram
	for n := int32(1); int(n) <= t.g.Profiles.Len(); n++ {
		is, should := t.cells[n], t.counted[n]
		switch {
		case int(n) > t.known:
			come = append(come, should)
		case should == (nps.Histogram{}) && is.Count() > 1:
			gone = append(gone, is)
		case is != should:
			return false
		}
	}
	order := func(a, b nps.Histogram) int { return slices.Compare(a[:], b[:]) }
	slices.SortFunc(gone, order)
	slices.SortFunc(come, order)
	return slices.Equal(gone, come)
}

func (t *tally) brokenWhat() string {
	if t.profile != nil {
		return fmt.Sprintf("the profiles of cube %d are broken: %v", t.g.Number, t.profile)
	}
	first := t.g.Profiles.All()[t.known]
	return fmt.Sprintf("the profiles of cube %d are not those that its cells were counted by: it lacks %d, the first %s %s %q",
		t.g.Number, t.g.Profiles.Len()-t.known, first.Channel, first.Variant, first.Values)
}

// witnessed says whether the cells of a campaign are right by themselves, whatever the responses say: they add up, and to
// what the log tells.
func (t *tally) witnessed(campaign uuid.UUID, c *campaignTally) bool {
	if t.e.w.Void || c.offMonthTotal || !t.totals && (c.offDayTotal || c.offMonthProfile) {
		return false
	}
	for grain := range c.sums {
		if t.totals && Grain(grain) < DayTotal {
			continue
		}
		if c.sums[grain] != t.counts(campaign) {
			return false
		}
	}
	return true
}

// unsure says why the responses cannot be counted anew; nothing where they can.
func (t *tally) unsure() string {
	if t.e.w.Void {
		return "the log cannot tell"
	}
	if len(t.unreadable) > 0 {
		return "response " + t.unreadable[0]
	}
	for c, n := range t.e.w.Missing {
		if n > 0 {
			return fmt.Sprintf("campaign %s lacks %d responses", id.Campaign.Format(c), n)
		}
	}
	for response, d := range t.e.w.Doubts {
		if d.Side == Neither || d.believed() == nil {
			return "what is right of response " + id.Response.Format(response)
		}
	}
	for campaign, c := range t.of {
		if c.differ != ([grains]bool{}) && t.witnessed(campaign, c) {
			return "the totals were counted by other responses: " + c.lines[0]
		}
	}
	return ""
}

// judge says of each campaign whether its cells or its responses are wrong, and what is to be mended.
func (e *examiner) judge(t *tally) error {
	mendable := map[uuid.UUID]bool{}
	var lines []string
	months := map[calendar.Day]bool{}
	add := func(f Fault, c *campaignTally) {
		f.What = append(f.What, c.lines...)
		if c.more > 0 {
			f.What = append(f.What, fmt.Sprintf("and %d more cells", c.more))
		}
		e.faults = append(e.faults, f)
	}
	for _, text := range t.unreadable {
		e.fault("response %s; it cannot be counted, and only a backup knows what it was", text)
	}
	for campaign := range e.w.Counts {
		t.campaign(campaign)
	}
	for _, campaign := range slices.SortedFunc(maps.Keys(t.of), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		c := t.of[campaign]
		name := id.Campaign.Format(campaign)
		log, missing := t.counts(campaign), e.w.Missing[campaign]+t.unread[campaign]
		switch {
		case c.differ == ([grains]bool{}):
			if !e.w.Void && c.sums[MonthTotal] != log && missing == 0 {
				e.fault("campaign %s: by the log its responses are %v, by score, and by rows and cells %v; only a backup knows more", name, log, c.sums[MonthTotal])
			}
		case t.witnessed(campaign, c):
			if missing > 0 && !c.beyond && c.lack.Count() == int64(missing) {
				continue // all is said by those that are missing
			}
			add(Faultf("campaign %s: its cells add up to what the log tells, and its responses are of other days or profiles than when they were counted; only a backup knows their dates, channels, variants and traits", name), c)
		case e.w.Void:
			add(Faultf("campaign %s: its cells are wrong, and are not counted again while so much is wrong with the log", name), c)
		case missing > 0 || t.unread[uuid.UUID{}] > 0:
			add(Faultf("campaign %s: its cells are wrong, and cannot be counted again while responses are missing", name), c)
		case c.differ[DayProfile] && (c.differ[MonthProfile] || c.differ[DayTotal]) &&
			c.sums[DayProfile] == log && (!c.offDayTotal || !c.offMonthProfile):
			add(Faultf("campaign %s: some of its cells are wrong, and others were counted by other responses than there are; only a backup knows which are right", name), c)
		default:
			mendable[campaign] = true
			maps.Copy(months, c.months)
			lines = append(lines, c.lines...)
			if c.more > 0 {
				lines = append(lines, fmt.Sprintf("and %d more cells", c.more))
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(t.strange), func(a, b Key) int { return cmp.Compare(t.strange[a], t.strange[b]) }) {
		c := t.of[k.Campaign]
		if !mendable[k.Campaign] && c != nil && c.differ != ([grains]bool{}) {
			e.fault("%s", t.strange[k])
			continue
		}
		mendable[k.Campaign] = true
		months[calendar.Monthly.Start(k.Start)] = true
		if len(lines) < 2*MaxNamed {
			lines = append(lines, t.strange[k])
		}
	}
	for _, text := range t.unnamed {
		e.fault("there are cells of a campaign %s, which is none", text)
	}
	// A transaction for each month, so that who records waits for one alone. The first has all there is to say.
	again := *t
	for _, month := range slices.Sorted(maps.Keys(months)) {
		e.faults = append(e.faults, Fault{What: lines, Mend: func(ctx context.Context, tx *store.Tx) (bool, error) {
			if moved, err := e.moved(ctx, tx); moved || err != nil {
				return false, err
			}
			again.e = &examiner{ctx: ctx, db: e.db, tx: tx, tenant: e.tenant, w: e.w}
			err := again.month(tx, month, mendable)
			return err == nil, err
		}})
		lines = nil
	}
	return nil
}

// moved says whether a response that is in doubt has changed since it was looked at.
func (e *examiner) moved(ctx context.Context, tx *store.Tx) (bool, error) {
	moved := false
	err := store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		if u, ok := r.UUID(0); ok && e.w.Doubts[u] != nil {
			moved = true
		}
		return nil
	}, `SELECT response_id FROM events WHERE tenant_id = $1 AND position > $2 AND kind <> 1`, e.tenant, e.w.Position)
	return moved, err
}

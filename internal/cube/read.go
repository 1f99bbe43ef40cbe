package cube

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// The bounds of a query that has none.
const (
	Earliest = calendar.Day(math.MinInt32)
	Latest   = calendar.Day(math.MaxInt32)
)

// Query says which cells to add up, and what to keep apart.
type Query struct {
	// Campaigns, where not nil, are the only ones that count.
	Campaigns []uuid.UUID
	// Profiles, where not nil, are the only ones that count.
	Profiles trait.Set
	// From and To are the first and the last day.
	From, To calendar.Day

	ByCampaign, ByProfile bool
	// Groups, where not nil, say by profile what to keep apart in place of the profiles: it is what the cells have as theirs then. Of many
	// days far fewer cells come of it.
	Groups []uint16
	// By is Daily, Monthly, or empty for no division by time. Monthly gives days where a bound cuts a month.
	By calendar.Interval
	// Scores, where not nil, are the only ones that count.
	Scores []int
	// Hidden says that there are no other profiles for the caller, who must not learn from the price how many cells are
	// theirs.
	Hidden bool
}

const (
	// blindDaysPerPoint is how many days cost a point, besides rate.BlindPrice, where the caller must not learn how many cells
	// were gone through; more than blindDays do not count.
	blindDaysPerPoint, blindDays = 10, 730
	// portion is after how many points a reading pays, and sees whether it is still wanted.
	portion = 10
)

// span is a range of starts at one grain.
type span struct {
	month       bool
	first, last calendar.Day
}

// spans divides the query's days into whole months and the days beside them.
func (q Query) spans() []span {
	if q.By == calendar.Daily {
		return []span{{false, q.From, q.To}}
	}
	first, last := q.From, q.To
	if first != Earliest {
		if first = calendar.Monthly.Start(q.From); first != q.From {
			first = calendar.Monthly.Next(q.From)
		}
	}
	if last != Latest {
		if next := q.To + 1; calendar.Monthly.Start(next) != next {
			last = calendar.Monthly.Start(q.To) - 1
		}
	}
	if first > last {
		return []span{{false, q.From, q.To}}
	}
	spans := []span{{true, first, last}}
	if q.From < first {
		spans = append(spans, span{false, q.From, first - 1})
	}
	if last < q.To {
		spans = append(spans, span{false, last + 1, q.To})
	}
	return spans
}

// Read adds up the active generation's cells. It fails with ErrStale where they are out of date. The cells that are
// gone through are paid for by rate.Spend, whose error it may return.
func Read(ctx context.Context, db *store.DB, g *Generations, q Query) (*Cells, error) {
	if q.From > q.To || (q.Campaigns != nil && len(q.Campaigns) == 0) || (q.Profiles != nil && q.Profiles.Empty()) {
		return &Cells{}, nil
	}
	r := reading{ctx: ctx, query: q, settings: -1, cells: &Cells{}}
	if q.Hidden {
		price := rate.BlindPrice + min(int(q.To)-int(q.From), blindDays)/blindDaysPerPoint
		if err := cmp.Or(rate.SpendBlind(ctx, price), rate.SpendUnseen(ctx, price/2)); err != nil {
			return nil, err
		}
	}
	var read func(*store.DB, *Generations) error
	switch {
	case q.Profiles != nil || q.ByProfile:
		read = r.remembered
	case db.Dialect == store.SQLite:
		read = r.streamed
	default:
		read = r.summed
	}
	if err := read(db, g); err != nil {
		if _, ok := errors.AsType[*apierror.Error](err); ok {
			return nil, err
		}
		return nil, fmt.Errorf("reading cells: %w", err)
	}
	if err := r.settle(); err != nil {
		return nil, err
	}
	if r.settings < 0 {
		// No row brought the settings along. They only grow, so that equal now is equal then.
		var err error
		if r.settings, err = SettingsOf(ctx, db, g.Tenant); err != nil {
			return nil, err
		}
	}
	if r.settings != g.Settings {
		return nil, ErrStale
	}
	return r.cells, nil
}

// reading is one reading of cells.
type reading struct {
	ctx      context.Context //nolint:containedctx // it lasts for one call
	query    Query
	cells    *Cells
	settings int64
	// unpaid is what was done since the last payment, in points.
	unpaid float64
}

// pay pays for so many cells that the caller may know of.
func (r *reading) pay(cells, perPoint int) error {
	if r.unpaid += float64(cells) / float64(perPoint); r.unpaid < portion {
		return nil
	}
	if err := context.Cause(r.ctx); err != nil {
		return err
	}
	return r.settle()
}

func (r *reading) settle() error {
	n := int(r.unpaid)
	r.unpaid -= float64(n)
	return rate.Spend(r.ctx, n)
}

// keep takes what does not count off a sum, and adds the rest.
func (r *reading) keep(profile int32, h *nps.Histogram) error {
	if r.query.Scores != nil {
		all := *h
		*h = nps.Histogram{}
		for _, score := range r.query.Scores {
			h[score] = all[score]
		}
	}
	return r.cells.add(profile, h)
}

// remembered adds up cells that are counted by profile.
func (r *reading) remembered(db *store.DB, g *Generations) error {
	m := g.memory
	if m == nil {
		m = newMemory(0)
	}
	v, err := m.view(r.ctx, db, g, r.query)
	if err != nil {
		return err
	}
	if v.stale {
		return ErrStale
	}
	r.settings = g.Settings
	if !r.query.Hidden {
		if err := r.pay(min(v.loaded, maxLoadPoints*rate.CellsPerPoint), rate.CellsPerPoint); err != nil {
			return err
		}
		if err := r.pay(len(v.parts), rate.PartsPerPoint); err != nil {
			return err
		}
	}
	return r.fold(v)
}

// piece is a section of a view, and what its sums have in common.
type piece struct {
	common
	section *section
}

// fold adds up a view's cells.
func (r *reading) fold(v *view) error {
	var pieces []piece
	for _, p := range v.parts {
		for i := range p.bundle.sections {
			s := &p.bundle.sections[i]
			if s.start < p.first || s.start > p.last {
				continue
			}
			of := common{}
			if r.query.ByCampaign {
				of.campaign = p.campaign
			}
			if r.query.By != "" {
				of.start = s.start
			}
			pieces = append(pieces, piece{of, s})
		}
	}
	slices.SortStableFunc(pieces, func(a, b piece) int {
		return cmp.Or(bytes.Compare(a.campaign[:], b.campaign[:]), cmp.Compare(a.start, b.start))
	})
	var sums profileSums
	for len(pieces) > 0 {
		n := 1
		for n < len(pieces) && pieces[n].common == pieces[0].common {
			n++
		}
		r.cells.begin(pieces[0].common)
		// What is kept apart as it is stored stays packed.
		asIs := n == 1 && r.query.ByProfile && r.query.Groups == nil && r.query.Scores == nil
		for _, p := range pieces[:n] {
			if err := r.add(p.section, &sums, asIs); err != nil {
				return err
			}
		}
		for i := range sums.profiles {
			if err := r.keep(sums.profiles[i], &sums.sums[i]); err != nil {
				return err
			}
		}
		sums.clear()
		pieces = pieces[n:]
	}
	return nil
}

// add adds up a section's cells, and pays for them: whoever must not learn of others for those alone that match.
func (r *reading) add(s *section, sums *profileSums, asIs bool) error {
	q := &r.query
	if !q.Hidden {
		if err := r.pay(s.cells, rate.PackedPerPoint); err != nil {
			return err
		}
	}
	matching := 0
	for u := (unpacking{data: s.data}); u.next(); {
		if q.Profiles != nil && !q.Profiles.Has(u.profile) {
			u.skip()
			continue
		}
		matching++
		if asIs {
			if err := r.cells.addPacked(&u); err != nil {
				return err
			}
			continue
		}
		profile := int32(0)
		switch {
		case q.ByProfile && q.Groups != nil:
			profile = int32(q.Groups[u.profile])
		case q.ByProfile:
			profile = u.profile
		}
		u.add(sums.of(profile))
	}
	if q.Hidden {
		return r.pay(matching, rate.PackedPerPoint)
	}
	return nil
}

// profileSums are sums by profile, in the order in which the profiles came.
type profileSums struct {
	profiles []int32
	sums     []nps.Histogram
	places   []int32 // of each profile's sum, plus 1
}

func (s *profileSums) of(profile int32) *nps.Histogram {
	if n := int(profile) + 1; n > len(s.places) {
		s.places = append(s.places, make([]int32, n+n/2-len(s.places))...)
	}
	if s.places[profile] == 0 {
		s.profiles, s.sums = append(s.profiles, profile), append(s.sums, nps.Histogram{})
		s.places[profile] = int32(len(s.sums))
	}
	return &s.sums[s.places[profile]-1]
}

func (s *profileSums) clear() {
	for _, profile := range s.profiles {
		s.places[profile] = 0
	}
	s.profiles, s.sums = s.profiles[:0], s.sums[:0]
}

// summed has the database add totals up.
func (r *reading) summed(db *store.DB, g *Generations) error {
	text, args := r.query.summed(db.Dialect, g)
	rows, err := db.Query(r.ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var sums commonSums
	for rows.Next() {
		var c common
		var n int
		var h nps.Histogram
		err := rows.Scan(&r.settings, &c.campaign, &c.start, &n,
			&h[0], &h[1], &h[2], &h[3], &h[4], &h[5], &h[6], &h[7], &h[8], &h[9], &h[10])
		if err != nil {
			return err
		}
		if err := r.pay(n, rate.CellsPerPoint); err != nil {
			return err
		}
		sum := sums.of(c) // whole months come apart from the days beside them
		*sum = sum.Add(h)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return sums.keep(r)
}

// streamed adds totals up as they come. SQLite would sort them first, which takes it longer than to give them; and what
// it has gone through it would say only in the end.
func (r *reading) streamed(db *store.DB, g *Generations) error {
	q := r.query
	text, args := q.stream(db.Dialect, g)
	rows, err := db.Query(r.ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var campaign any
	var start int64
	var p packedCounts
	dest := append([]any{&start}, p.dest()...)
	if q.ByCampaign {
		dest = append(dest, &campaign)
	}
	var c common
	var name string // of the campaign
	var sums commonSums
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if r.settings < 0 { // that row comes first
			r.settings = start
			continue
		}
		if err := r.pay(1, rate.CellsPerPoint); err != nil {
			return err
		}
		if named, ok := campaign.(string); ok && named != name {
			if c.campaign, err = uuid.Parse(named); err != nil {
				return err
			}
			name = named
		}
		c.start = calendar.Day(start)
		h := sums.of(c)
		for score, n := range p.counts() {
			h[score] += int64(n)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return sums.keep(r)
}

// commonSums are sums of totals, in the order in which they came.
type commonSums struct {
	commons []common
	sums    []nps.Histogram
	places  map[common]int
}

func (s *commonSums) of(c common) *nps.Histogram {
	at, ok := s.places[c]
	if !ok {
		if s.places == nil {
			s.places = map[common]int{}
		}
		at = len(s.sums)
		s.places[c] = at
		s.commons, s.sums = append(s.commons, c), append(s.sums, nps.Histogram{})
	}
	return &s.sums[at]
}

func (s *commonSums) keep(r *reading) error {
	for i := range s.sums {
		r.cells.begin(s.commons[i])
		if err := r.keep(0, &s.sums[i]); err != nil {
			return err
		}
	}
	return nil
}

const added = `sum(s0), sum(s1), sum(s2), sum(s3), sum(s4), sum(s5), sum(s6), sum(s7), sum(s8), sum(s9), sum(s10)`

// packed are the counts two in a column, since each column takes its time. They have 32 bits.
func packed(dialect string) string {
	if dialect == store.Postgres {
		return `s0 | (s1::bigint << 32), s2 | (s3::bigint << 32), s4 | (s5::bigint << 32), s6 | (s7::bigint << 32), s8 | (s9::bigint << 32), s10`
	}
	return `s0 | (s1 << 32), s2 | (s3 << 32), s4 | (s5 << 32), s6 | (s7 << 32), s8 | (s9 << 32), s10`
}

const nothing = `0, 0, 0, 0, 0, 0`

// from is where totals are found, for each of the query's spans. It has few texts, so that they stay prepared: what
// varies is in the arguments.
func (q Query) from(dialect string, g *Generations) (parts []string, args []any) {
	args = []any{g.Tenant, g.Active.Number}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	where := ""
	if q.Campaigns != nil {
		where += " AND " + store.In(dialect, "campaign_id", "uuid", arg(store.UUIDs(dialect, q.Campaigns)))
	}
	for _, span := range q.spans() {
		grain := DayTotal
		if span.month {
			grain = MonthTotal
		}
		parts = append(parts, fmt.Sprintf(" FROM cells\n\t\t\tWHERE tenant_id = $1 AND cube = $2 AND grain = %d AND start BETWEEN %s AND %s%s",
			grain, arg(int64(span.first)), arg(int64(span.last)), where))
	}
	return parts, args
}

// kept are the columns campaign_id and start, with a zero in the place of those that are not kept apart.
func (q Query) kept() (columns string, group []string) {
	all := make([]string, 2)
	for i, c := range []struct {
		kept         bool
		column, zero string
	}{
		// A zero has to differ in type from a column's number in GROUP BY.
		{q.ByCampaign, "campaign_id", `'00000000-0000-0000-0000-000000000000'`},
		{q.By != "", "start", "0"},
	} {
		all[i] = c.zero
		if c.kept {
			all[i] = c.column
			group = append(group, c.column)
		}
	}
	return strings.Join(all, ", "), group
}

// summed is the statement for totals that the database adds up.
func (q Query) summed(dialect string, g *Generations) (string, []any) {
	columns, group := q.kept()
	grouped := " HAVING count(*) > 0"
	if len(group) > 0 {
		grouped = " GROUP BY " + strings.Join(group, ", ")
	}
	parts, args := q.from(dialect, g)
	for i, from := range parts {
		parts[i] = "SELECT (SELECT settings FROM tenants WHERE id = $1), " + columns + ", count(*), " + added + from + grouped
	}
	return strings.Join(parts, " UNION ALL "), args
}

// stream is the statement for totals as they are, after a row with the settings.
func (q Query) stream(dialect string, g *Generations) (string, []any) {
	start, campaign, none := "0", "", ""
	if q.By != "" {
		start = "start"
	}
	if q.ByCampaign {
		campaign, none = ", campaign_id", ", ''"
	}
	parts, args := q.from(dialect, g)
	for i, from := range parts {
		parts[i] = "SELECT " + start + ", " + packed(dialect) + campaign + from
	}
	return "SELECT settings, " + nothing + none + " FROM tenants WHERE id = $1 UNION ALL " + strings.Join(parts, " UNION ALL "), args
}

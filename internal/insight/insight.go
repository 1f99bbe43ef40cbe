// Package insight answers what can be learned from feedback: folds over the cube's cells, none of which reads a
// response.
package insight

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/store"
)

// Reader reads the cubes.
type Reader struct {
	db     *store.DB
	states *cube.States
	now    func() time.Time
}

// NewReader makes a Reader; now is the clock that says which day is today.
func NewReader(db *store.DB, states *cube.States, now func() time.Time) *Reader {
	return &Reader{db: db, states: states, now: now}
}

// Feedback is a body of feedback. It is made for one request: what it has read it keeps, so that the groups of a
// breakdown are read together.
type Feedback struct {
	source *source
	// group, where not nil, is the part of the source's feedback that this is.
	group *group
}

// Feedback chooses feedback of the caller's tenant. Filters that cannot be meant, and those that the cube cannot tell
// (search, hasComment), are BAD_REQUEST; unknown campaigns and segments are NOT_FOUND.
func (r *Reader) Feedback(ctx context.Context, f feedback.Filter, within feedback.Within) (*Feedback, error) {
	tenant := auth.Tenant(ctx)
	s, err := r.states.Get(ctx, tenant)
	if err != nil {
		return nil, err
	}
	sel, err := f.Select(ctx, s, within, r.now())
	if err != nil {
		return nil, err
	}
	if sel.NarrowsComments {
		return nil, apierror.BadRequest("filter: search and hasComment are for lists of responses and for subscriptions; scores don't know comments.")
	}
	src := &source{reader: r, tenant: tenant, filter: f, within: within, from: sel.From, to: sel.To, loaded: map[split]func() (*cells, error){}}
	return &Feedback{source: src}, nil
}

// source reads the cells of one filter, each way of dividing them once.
type source struct {
	reader *Reader
	tenant uuid.UUID
	filter feedback.Filter
	within feedback.Within
	// from and to are the filter's days, as resolved at first: they do not move at midnight.
	from, to calendar.Day

	mu     sync.Mutex
	loaded map[split]func() (*cells, error)
}

// split says what to keep apart, and from which day on to read.
type split struct {
	byCampaign, byProfile bool
	by                    calendar.Interval
	from                  calendar.Day
}

// cells are what was read, and the state that their profiles and campaigns are of.
type cells struct {
	state *cube.State
	cells []cube.Cell
	// narrowed says that the caller is, and must not learn how many responses there are in all.
	narrowed bool

	mu    sync.Mutex
	parts map[cut]map[pair][]cube.Cell
}

func (s *source) load(ctx context.Context, sp split) (*cells, error) {
	s.mu.Lock()
	load := s.loaded[sp]
	if load == nil {
		load = sync.OnceValues(func() (*cells, error) { return s.read(ctx, sp) })
		s.loaded[sp] = load
	}
	s.mu.Unlock()
	return load()
}

func (s *source) read(ctx context.Context, sp split) (*cells, error) {
	var out *cells
	err := s.reader.states.Try(ctx, s.tenant, func(state *cube.State) error {
		sel, err := s.filter.Select(ctx, state, s.within, s.reader.now())
		if err != nil {
			return err
		}
		found, err := cube.Read(ctx, s.reader.db, state, cube.Query{
			Campaigns: sel.Campaigns, Profiles: sel.Profiles(), From: sp.from, To: s.to,
			ByCampaign: sp.byCampaign, ByProfile: sp.byProfile, By: sp.by,
		})
		if err != nil {
			return err
		}
		for i := range found {
			found[i].Histogram = sel.Keep(found[i].Histogram)
		}
		out = &cells{state: state, cells: found, narrowed: !auth.Narrowed(ctx).IsZero(), parts: map[cut]map[pair][]cube.Cell{}}
		return nil
	})
	return out, err
}

// cells reads the body's cells, divided by time as asked.
func (f *Feedback) cells(ctx context.Context, by calendar.Interval, from calendar.Day) ([]cube.Cell, *cube.State, error) {
	sp := split{by: by, from: from}
	f.group.divide(&sp)
	c, err := f.source.load(ctx, sp)
	if err != nil {
		return nil, nil, err
	}
	own, err := f.group.own(c)
	return own, c.state, err
}

func (f *Feedback) total(ctx context.Context) (nps.Histogram, error) {
	found, _, err := f.cells(ctx, "", f.source.from)
	return sum(found), err
}

func sum(cells []cube.Cell) nps.Histogram {
	var h nps.Histogram
	for _, c := range cells {
		h = h.Add(c.Histogram)
	}
	return h
}

// Score is the score of all of it.
func (f *Feedback) Score(ctx context.Context) (*Score, error) {
	h, err := f.total(ctx)
	if err != nil {
		return nil, err
	}
	return &Score{h}, nil
}

// CompareTo compares with other feedback, whose filter stands by itself: this one's score less the other's.
func (f *Feedback) CompareTo(ctx context.Context, filter feedback.Filter) (*ScoreChange, error) {
	other, err := f.source.reader.Feedback(ctx, filter, feedback.Within{})
	if err != nil {
		return nil, err
	}
	mine, err := f.total(ctx)
	if err != nil {
		return nil, err
	}
	theirs, err := other.total(ctx)
	if err != nil {
		return nil, err
	}
	return compare(mine, theirs), nil
}

// TrendPoint is the score of one interval, or of several up to it.
type TrendPoint struct {
	// Start and End are the interval's first and last day.
	Start, End calendar.Day
	// Complete says that the interval is over.
	Complete bool
	Score    *Score
	// Change is against the point before; nil at the first, and where either has no responses.
	Change *ScoreChange
}

const (
	maxPoints  = 1_000
	maxRolling = 1_000
)

// Trend gives one point for every interval, from the filter's first day to its last, or on an open side, from and to
// the intervals of the first and the last response. With rolling above 1 each point looks back over so many intervals,
// beyond the filter's first day too.
func (f *Feedback) Trend(ctx context.Context, interval calendar.Interval, rolling int) ([]*TrendPoint, error) {
	if rolling < 1 || rolling > maxRolling {
		return nil, apierror.BadRequest("trend: rolling is 1 to %d.", maxRolling)
	}
	from := f.source.from
	if from != cube.Earliest && rolling > 1 {
		from = interval.Add(interval.Start(from), 1-rolling)
	}
	by := calendar.Monthly
	if interval == calendar.Daily || interval == calendar.Weekly {
		by = calendar.Daily
	}
	found, state, err := f.cells(ctx, by, from)
	if err != nil {
		return nil, err
	}
	byStart := map[calendar.Day]nps.Histogram{}
	begin := f.source.from
	if rolling > 1 && begin != cube.Earliest {
		begin = interval.Start(begin)
	}
	first, last := cube.Latest, cube.Earliest
	for _, c := range found {
		if c.Histogram == (nps.Histogram{}) {
			continue
		}
		start := interval.Start(c.Start)
		byStart[start] = byStart[start].Add(c.Histogram)
		if c.Start >= begin {
			first, last = min(first, start), max(last, start)
		}
	}
	// A side with a bound is shown in full; an open one goes as far as there are responses, and to the bound at least.
	if f.source.from != cube.Earliest {
		first = interval.Start(f.source.from)
		last = max(last, first)
	}
	if f.source.to != cube.Latest {
		last = interval.Start(f.source.to)
		first = min(first, last)
	}
	if first > last {
		return []*TrendPoint{}, nil
	}
	if interval.Count(first, last) > maxPoints {
		return nil, apierror.BadRequest("trend: from %s to %s there are more than %d points; narrow from and to, or take a longer interval.", first, last, maxPoints)
	}
	return fold(byStart, first, last, interval, rolling, state.Today(f.source.reader.now())), nil
}

// fold slides a window of so many intervals over the histograms.
func fold(byStart map[calendar.Day]nps.Histogram, first, last calendar.Day, interval calendar.Interval, rolling int, today calendar.Day) []*TrendPoint {
	trend := []*TrendPoint{}
	var window nps.Histogram
	oldest := first
	for range rolling - 1 {
		oldest = interval.Start(oldest - 1)
		window = window.Add(byStart[oldest])
	}
	for start := first; start <= last; start = interval.Next(start) {
		window = window.Add(byStart[start])
		p := &TrendPoint{Start: start, End: min(interval.Next(start)-1, calendar.MaxDay), Score: &Score{window}}
		p.Complete = p.End < today
		if n := len(trend); n > 0 {
			if c := compare(window, trend[n-1].Score.responses); c.Difference != nil {
				p.Change = c
			}
		}
		trend = append(trend, p)
		window = window.Sub(byStart[oldest])
		oldest = interval.Next(oldest)
	}
	return trend
}

// FeedbackGroup is a part of a body of feedback.
type FeedbackGroup struct {
	// Values are those of the traits asked for, in their order.
	Values []string
	Score  *Score
	// Share of all responses in the body, 0 to 1.
	Share float64
	// VersusRest is against all the feedback outside this group.
	VersusRest *ScoreChange
	// Feedback is this group by itself.
	Feedback *Feedback
}

const maxGroups = 200

// Breakdown cuts the feedback by one or two of the dimensions, `channel`, `variant` and `campaign`: most responses
// first, and what is beyond the limit together at the end.
func (f *Feedback) Breakdown(ctx context.Context, by []string, limit int) ([]*FeedbackGroup, error) {
	if limit < 1 || limit > maxGroups {
		return nil, apierror.BadRequest("breakdown: limit is 1 to %d.", maxGroups)
	}
	if len(by) < 1 || len(by) > 2 || len(by) == 2 && by[0] == by[1] {
		return nil, apierror.BadRequest("breakdown: by takes one or two keys, not the same twice.")
	}
	if slices.Contains(by, "") {
		return nil, apierror.BadRequest("breakdown: a key must not be empty.")
	}
	into := cutOf(f.group, by)
	sp := split{from: f.source.from}
	into.divide(&sp)
	c, err := f.source.load(ctx, sp)
	if err != nil {
		return nil, err
	}
	parts, err := c.cut(into)
	if err != nil {
		return nil, err
	}
	var all nps.Histogram
	byValues := map[pair]nps.Histogram{}
	for values, part := range parts {
		if h := sum(part); h != (nps.Histogram{}) {
			byValues[values] = h
			all = all.Add(h)
		}
	}
	shown := shownFirst(byValues, rest(by), limit, c.equals(by))
	groups := make([]*FeedbackGroup, 0, len(shown))
	for _, values := range shown {
		h := byValues[values]
		g := &group{cut: into, values: values}
		if values == rest(by) {
			g.not = shown[:len(shown)-1]
		}
		groups = append(groups, &FeedbackGroup{
			Values:     c.named(by, values),
			Score:      &Score{h},
			Share:      float64(h.Count()) / float64(all.Count()),
			VersusRest: compare(h, all.Sub(h)),
			Feedback:   &Feedback{source: f.source, group: g},
		})
	}
	return groups, nil
}

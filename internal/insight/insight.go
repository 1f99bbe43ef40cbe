// Package insight answers what can be learned from feedback: folds over the cube's cells, none of which reads a
// response.
package insight

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Reader reads the cubes.
type Reader struct {
	db     *store.DB
	states *settings.States
	now    func() time.Time
}

// NewReader makes a Reader; now is the clock that says which day is today.
func NewReader(db *store.DB, states *settings.States, now func() time.Time) *Reader {
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
//
// What is read and folded is paid for by rate.Spend, whose error this and all that is asked of the feedback may return.
func (r *Reader) Feedback(ctx context.Context, f selection.Filter, within selection.Within) (*Feedback, error) {
	m, _ := ctx.Value(memoKey{}).(*memo)
	if m == nil {
		src, err := r.source(ctx, f, within, nil)
		if err != nil {
			return nil, err
		}
		f.Warn(ctx, src.first)
		return &Feedback{source: src}, nil
	}
	name, err := json.Marshal([]any{auth.Tenant(ctx), f, within})
	if err != nil {
		return nil, fmt.Errorf("naming a filter: %w", err)
	}
	src, err := m.sources.Do(ctx, string(name), func() (*source, error) { return r.source(ctx, f, within, m.reading) })
	if err != nil {
		return nil, err
	}
	f.Warn(ctx, src.first)
	return &Feedback{source: src}, nil
}

func (r *Reader) source(ctx context.Context, f selection.Filter, within selection.Within, reading chan struct{}) (*source, error) {
	s, err := r.states.Get(ctx, auth.Tenant(ctx))
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
	return &source{
		reader: r, filter: f, within: within, from: sel.From, to: sel.To,
		reading: reading, sel: sel, state: s, first: sel,
	}, nil
}

// memo has what one request has asked for: what it asks for twice is read once.
type memo struct {
	sources flight.Memo[string, *source]
	// reading has room for as many readings as one request may have at a time.
	reading chan struct{}
}

type memoKey struct{}

// maxReading is how many readings of cells one request may have at a time: each may take some MiB, and the first may
// already be more than it can pay.
const maxReading = 2

// WithMemo returns a context for one request, in which bodies of feedback with equal filters are one, and are read once.
// Nothing may be changed beside it.
func WithMemo(ctx context.Context) context.Context {
	return context.WithValue(ctx, memoKey{}, &memo{reading: make(chan struct{}, maxReading)})
}

// source reads the cells of one filter, each way of dividing them once.
type source struct {
	reader *Reader
	filter selection.Filter
	within selection.Within
	// from and to are the filter's days, as resolved at first: they do not move at midnight.
	from, to calendar.Day
	// reading, where not nil, has room for as many readings as there may be at a time.
	reading chan struct{}

	loaded flight.Memo[split, *cells]

	mu sync.Mutex
	// sel is the filter as resolved last, for a state.
	sel   *selection.Selection
	state *settings.State
	// unpaid is how many bytes of filters were written that make no whole point yet.
	unpaid int
	// first is the selection as it was resolved at first, which warnings are about.
	first *selection.Selection
}

// split says what to keep apart, and from which day on to read.
type split struct {
	byCampaign, byProfile bool
	// byVariant keeps the variants apart, and nothing else of the profiles: a cell's profile is the place of its variant then.
	byVariant bool
	by        calendar.Interval
	from      calendar.Day
}

// cells are what was read, and the state that their profiles and campaigns are of.
type cells struct {
	state *settings.State
	cells *cube.Cells
	// narrowing is the caller's.
	narrowing auth.Narrowing

	// mu guards what follows: folds over the same cells run one after the other, and need little memory then.
	mu sync.Mutex
	// every has the places of all cells.
	every []int32
	parts map[cut]*parts
	rests map[*group][]int32
	// breakdowns are those that were made, by what was asked for.
	breakdowns map[breakdown][]*FeedbackGroup
	division   division
	// unpaid is how many cells were folded since the last payment.
	unpaid int
}

// breakdown is what a breakdown is asked for by.
type breakdown struct {
	cut
	limit        int
	order        GroupOrder
	minResponses int
	leastShown   int64
}

// pay pays for folding so many cells, before it is done, and sees whether it is still wanted. The caller holds the lock.
func (c *cells) pay(ctx context.Context, cells int) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	c.unpaid += cells
	n := c.unpaid / rate.FoldsPerPoint
	c.unpaid -= n * rate.FoldsPerPoint
	return rate.Spend(ctx, n)
}

func (s *source) load(ctx context.Context, sp split) (*cells, error) {
	return s.loaded.Do(ctx, sp, func() (*cells, error) { return s.read(ctx, sp) })
}

func (s *source) read(ctx context.Context, sp split) (*cells, error) {
	if s.reading != nil {
		select {
		case s.reading <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting to read: %w", context.Cause(ctx))
		}
		defer func() { <-s.reading }()
	}
	var out *cells
	err := s.reader.states.Retry(ctx, s.known(), func(state *settings.State) error {
		q, err := s.query(ctx, state)
		if err != nil {
			return err
		}
		q.From, q.To, q.ByCampaign, q.ByProfile, q.By = sp.from, s.to, sp.byCampaign, sp.byProfile, sp.by
		if sp.byVariant {
			q.ByProfile, q.Groups = true, state.Active.Profiles.Column(trait.Variants).Of
		}
		found, err := cube.Read(ctx, s.reader.db, &state.Generations, q)
		if err != nil {
			return err
		}
		out = &cells{
			state: state, cells: found, narrowing: auth.Narrowed(ctx),
			parts: map[cut]*parts{}, rests: map[*group][]int32{}, breakdowns: map[breakdown][]*FeedbackGroup{},
		}
		return nil
	})
	return out, err
}

// known is the state that the filter was resolved for last.
func (s *source) known() *settings.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// query resolves the filter for a state: anew only where the state is another.
func (s *source) query(ctx context.Context, state *settings.State) (cube.Query, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sel.Settings() != state.Settings {
		sel, err := s.filter.Select(ctx, state, s.within, s.reader.now())
		if err != nil {
			return cube.Query{}, err
		}
		s.sel, s.state = sel, state
	}
	return s.sel.Query(ctx)
}

// fold goes through the body's cells, divided by time as asked.
func (f *Feedback) fold(ctx context.Context, by calendar.Interval, from calendar.Day, each func(*cube.Cells, int32)) (*settings.State, error) {
	sp := split{by: by, from: from}
	f.group.divide(&sp)
	c, err := f.source.load(ctx, sp)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	own, err := f.group.own(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := c.pay(ctx, len(own)); err != nil {
		return nil, err
	}
	for _, at := range own {
		each(c.cells, at)
	}
	return c.state, nil
}

func (f *Feedback) total(ctx context.Context) (nps.Histogram, error) {
	var h nps.Histogram
	_, err := f.fold(ctx, "", f.source.from, func(c *cube.Cells, at int32) { c.AddTo(&h, at) })
	return h, err
}

// Score is the score of all of it.
func (f *Feedback) Score(ctx context.Context) (*Score, error) {
	h, err := f.total(ctx)
	if err != nil {
		return nil, err
	}
	return &Score{h}, nil
}

// CompareTo compares with other feedback: this one's score less the other's. Either a filter is given, which stands by
// itself, or which period before, of the same feedback; else it is BAD_REQUEST.
func (f *Feedback) CompareTo(ctx context.Context, filter *selection.Filter, previous *Previous) (*ScoreChange, error) {
	if (filter == nil) == (previous == nil) {
		return nil, apierror.BadRequest("compareTo: give exactly one of filter and previous.")
	}
	other, err := f.other(ctx, filter, previous)
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

// other is what the feedback is to be compared with.
func (f *Feedback) other(ctx context.Context, filter *selection.Filter, previous *Previous) (*Feedback, error) {
	reader := f.source.reader
	if filter != nil {
		return reader.Feedback(ctx, *filter, selection.Within{})
	}
	first, last, err := previous.before(f.source.filter, f.source.from, f.source.to, f.source.first.Today(reader.now()))
	if err != nil {
		return nil, err
	}
	then := f.source.filter
	then.From, then.To, then.Last = &first, &last, nil
	other, err := reader.Feedback(ctx, then, f.source.within)
	if err != nil {
		return nil, err
	}
	return &Feedback{source: other.source, group: f.group}, nil
}

// TrendPoint is the score of one interval, or of several up to it.
type TrendPoint struct {
	// Start and End are the interval's first and last day.
	Start, End calendar.Day
	// First and Last are the first and the last day of the whole trend.
	First, Last calendar.Day
	// Complete says that the interval is over.
	Complete bool
	Score    *Score
	// Change is that of the interval against the one before or, in a window of several, against the one that has left it; nil at
	// the first point, and where either has no responses.
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
	byStart := map[calendar.Day]*nps.Histogram{}
	begin := f.source.from
	if rolling > 1 && begin != cube.Earliest {
		begin = interval.Start(begin)
	}
	first, last := cube.Latest, cube.Earliest
	var start, startOf calendar.Day
	var h *nps.Histogram // of the start
	state, err := f.fold(ctx, by, from, func(c *cube.Cells, at int32) {
		day := c.Start(at)
		if h == nil || day != startOf { // cells of one day mostly come after each other
			startOf, start = day, interval.Start(day)
			if h = byStart[start]; h == nil {
				h = &nps.Histogram{}
				byStart[start] = h
			}
		}
		c.AddTo(h, at)
		if day >= begin {
			first, last = min(first, start), max(last, start)
		}
	})
	if err != nil {
		return nil, err
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
	return slide(byStart, first, last, interval, rolling, state.Today(f.source.reader.now())), nil
}

// slide slides a window of so many intervals over the histograms.
func slide(byStart map[calendar.Day]*nps.Histogram, first, last calendar.Day, interval calendar.Interval, rolling int, today calendar.Day) []*TrendPoint {
	at := func(start calendar.Day) (h nps.Histogram) {
		if found := byStart[start]; found != nil {
			h = *found
		}
		return h
	}
	trend := []*TrendPoint{}
	end := func(start calendar.Day) calendar.Day { return min(interval.Next(start)-1, calendar.MaxDay) }
	var window nps.Histogram
	var changes family
	oldest := first
	for range rolling - 1 {
		oldest = interval.Start(oldest - 1)
		window = window.Add(at(oldest))
	}
	for start := first; start <= last; start = interval.Next(start) {
		window = window.Add(at(start))
		p := &TrendPoint{Start: start, End: end(start), First: first, Last: end(last), Score: &Score{window}}
		p.Complete = p.End < today
		if len(trend) > 0 {
			// Windows that overlap have most of their answers in common: what has come in stands against what has gone out.
			came, gone := at(start), at(interval.Start(oldest-1))
			if came.Count() > 0 && gone.Count() > 0 {
				p.Change = changes.compare(came, gone)
			}
		}
		trend = append(trend, p)
		window = window.Sub(at(oldest))
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
	// Contribution is what the group adds to the whole score, in points.
	Contribution *float64
	// Feedback is this group by itself.
	Feedback *Feedback

	// beside are all groups by the same keys.
	beside *ranking
}

const maxGroups = 200

// maxMinResponses is how many responses a group may be wanted to have.
const maxMinResponses = 100_000

// Breakdown cuts the feedback by one or two of the dimensions, `channel`, `variant` and `campaign`: in the order asked for,
// and what is beyond the limit, or has fewer responses than minResponses, together at the end.
func (f *Feedback) Breakdown(ctx context.Context, by []string, limit int, orderBy GroupOrder, minResponses int) ([]*FeedbackGroup, error) {
	if limit < 1 || limit > maxGroups {
		return nil, apierror.BadRequest("breakdown: limit is 1 to %d.", maxGroups)
	}
	if minResponses < 1 || minResponses > maxMinResponses {
		return nil, apierror.BadRequest("breakdown: minResponses is 1 to %d.", maxMinResponses)
	}
	if !orderBy.valid() {
		return nil, apierror.BadRequest("breakdown: there is no order %.20q.", string(orderBy))
	}
	if err := oneOrTwo("breakdown", by); err != nil {
		return nil, err
	}
	into := cutOf(f.group, by)
	asked := breakdown{into, limit, orderBy, minResponses, f.source.leastShown(ctx)}
	sp := split{from: f.source.from}
	into.divide(&sp)
	c, err := f.source.load(ctx, sp)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if groups, ok := c.breakdowns[asked]; ok {
		return groups, nil
	}
	pieces, err := c.breakdown(ctx, asked)
	if err != nil {
		return nil, err
	}
	groups := f.groups(into, pieces)
	c.breakdowns[asked] = groups
	return groups, nil
}

// oneOrTwo fails where a field does not take these keys.
func oneOrTwo(field string, by []string) error {
	if len(by) < 1 || len(by) > 2 || len(by) == 2 && by[0] == by[1] {
		return apierror.BadRequest("%s: by takes one or two keys, not the same twice.", field)
	}
	if slices.Contains(by, "") {
		return apierror.BadRequest("%s: a key must not be empty.", field)
	}
	return nil
}

// groups are the parts of a whole, beside each other.
func (f *Feedback) groups(into cut, pieces []piece) []*FeedbackGroup {
	var all nps.Histogram
	for i := range pieces {
		all = all.Add(pieces[i].histogram)
	}
	groups := make([]*FeedbackGroup, 0, len(pieces))
	balance := all.Promoters() - all.Detractors()
	beside := &ranking{body: f, into: into}
	counts := make([]nps.Counts, len(pieces))
	for i := range pieces {
		counts[i] = pieces[i].histogram.Counts()
	}
	against := versusRest(all, counts)
	for _, p := range pieces {
		groups = append(groups, &FeedbackGroup{
			Values:     p.shown,
			Score:      &Score{p.histogram},
			Share:      float64(p.histogram.Count()) / float64(all.Count()),
			VersusRest: against.compare(p.histogram, all.Sub(p.histogram)),
			// Groups have responses, and so has the whole.
			Contribution: new(points * nps.Contribution(p.histogram.Promoters()-p.histogram.Detractors(), p.histogram.Count(), balance, all.Count())),
			Feedback:     &Feedback{source: f.source, group: &group{cut: into, values: p.values, any: p.any, not: p.not}},
			beside:       beside,
		})
	}
	return groups
}

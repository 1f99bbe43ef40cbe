package insight

import (
	"context"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/effect"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/kitagawa"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
)

// Deed is something that was done: when, and for whom.
type Deed struct {
	// Started is the first day on which it could be felt, and Ended the last; nil where it goes on.
	Started calendar.Day
	Ended   *calendar.Day
	// Segment is whom it was for; where it is the zero UUID, and Campaigns is empty, it was for all.
	Segment   uuid.UUID
	Campaigns []uuid.UUID
}

func (d *Deed) forAll() bool { return d.Segment == uuid.Nil && len(d.Campaigns) == 0 }

// ActionEffect is what became of something that was done. Changes have no values where the figures do not tell.
type ActionEffect struct {
	Before, After *Score
	// Change is after less before, OthersChange the same for everybody else, Effect what is between them, and Lead the same figure a
	// window earlier.
	Change, OthersChange, Effect, Lead *ScoreChange
	Placebos                           *Placebos
	Reason                             *InsightReason

	deed Deed
	// treated is the feedback of those it was for.
	treated *Feedback
	// before and after are the first and the last days of the windows.
	before, after [2]calendar.Day
	told          []effect.Caveat
	others        func(ctx context.Context) ([]Deed, error)
}

// Placebos are days on which nothing was done: how many were tried, and on how many of them the figure was at least as large.
type Placebos struct{ Tried, AsLarge int }

// EffectCaveat is what to keep in mind about an effect.
type EffectCaveat string

const (
	minWindow, maxWindow = 7, 365
	maxSettle            = 365
	// maxPast is how many days before the start are looked at.
	maxPast = 3_660
)

// Effect says whether the score moved with something that was done, from what the caller may see. Others gives what else was done.
func (r *Reader) Effect(
	ctx context.Context, deed Deed, window, settle int, filter selection.Filter, others func(ctx context.Context) ([]Deed, error),
) (*ActionEffect, error) {
	const field = "effect"
	switch {
	case window < minWindow || window > maxWindow:
		return nil, apierror.BadRequest("%s: window is %d to %d days.", field, minWindow, maxWindow)
	case settle < 0 || settle > maxSettle:
		return nil, apierror.BadRequest("%s: settle is 0 to %d days.", field, maxSettle)
	case filter.From != nil || filter.To != nil || filter.Last != nil:
		return nil, apierror.BadRequest("%s: the filter must not have from, to or last: the days are those around the action's start.", field)
	}
	all, err := r.Feedback(ctx, filter, selection.Within{})
	if err != nil {
		return nil, err
	}
	if err := all.uncut(field); err != nil {
		return nil, err
	}
	e := &ActionEffect{
		deed: deed, treated: all, others: others,
		before: [2]calendar.Day{deed.Started.Add(-window), deed.Started.Add(-1)},
		after:  [2]calendar.Day{deed.Started.Add(settle), deed.Started.Add(settle + window - 1)},
	}
	if !deed.forAll() {
		if e.treated, err = r.Feedback(ctx, deed.narrow(filter), selection.Within{Segment: deed.Segment}); err != nil {
			return nil, err
		}
	}
	today := all.source.first.Today(r.now())
	from := deed.Started.Add(-maxPast)
	// Behind the windows lies what tells whether there were years enough.
	to := min(max(e.after[1], deed.Started.Add(effect.TwoYears)), today)
	treated, untreated, err := e.sides(ctx, all, from, to)
	if err != nil {
		return nil, err
	}
	study := effect.Study{Treated: countsOf(treated), Start: maxPast, Window: window, Settle: settle, Today: int(today - from)}
	if !deed.forAll() {
		study.Others = countsOf(untreated)
	}
	e.show(effect.Of(study), treated, from)
	return e, nil
}

// maxReadings is how often both sides are read in all until they agree.
const maxReadings = 3

// sides are what those it was for answered on each of some days, and, unless it was for all, what everybody else did. Both are read
// one after the other: what comes, is changed or taken back between would count on the wrong side. Where that goes on and on, no
// side counts less than nobody.
func (e *ActionEffect) sides(ctx context.Context, all *Feedback, from, to calendar.Day) (treated, untreated []nps.Histogram, err error) {
	if treated, err = e.treated.between(ctx, from, to); err != nil || e.deed.forAll() {
		return treated, nil, err
	}
	for reading := 1; ; reading++ {
		if untreated, err = all.between(ctx, from, to); err != nil {
			return nil, nil, err
		}
		e.treated = e.treated.again()
		before := treated
		if treated, err = e.treated.between(ctx, from, to); err != nil {
			return nil, nil, err
		}
		if slices.Equal(treated, before) || reading == maxReadings {
			break
		}
		all = all.again()
	}
	for i := range untreated {
		for score, n := range treated[i] {
			untreated[i][score] = max(0, untreated[i][score]-n)
		}
	}
	return treated, untreated, nil
}

// again is the same feedback, which is read anew.
func (f *Feedback) again() *Feedback {
	s := f.source
	state := s.known()
	return &Feedback{group: f.group, source: &source{
		reader: s.reader, filter: s.filter, within: s.within, from: s.from, to: s.to, reading: s.reading, sel: s.first, state: state, first: s.first,
	}}
}

// narrow is the filter for those that it was for, but for the segment.
func (d *Deed) narrow(f selection.Filter) selection.Filter {
	if len(d.Campaigns) == 0 {
		return f
	}
	given := f.Campaigns
	f.Campaigns = []string{}
	for _, c := range d.Campaigns {
		if name := id.Campaign.Format(c); given == nil || slices.Contains(given, name) {
			f.Campaigns = append(f.Campaigns, name)
		}
	}
	return f
}

// between is what was answered on each of some days, of which the first need not have been.
func (f *Feedback) between(ctx context.Context, first, last calendar.Day) ([]nps.Histogram, error) {
	days := make([]nps.Histogram, max(0, int(last-first)+1))
	_, err := f.fold(ctx, calendar.Daily, first, func(c *cube.Cells, at int32) {
		if day := c.Start(at); day >= first && day <= last {
			c.AddTo(&days[day-first], at)
		}
	})
	return days, err
}

func countsOf(days []nps.Histogram) []nps.Counts {
	counts := make([]nps.Counts, len(days))
	for i := range days {
		counts[i] = days[i].Counts()
	}
	return counts
}

func (e *ActionEffect) show(found effect.Result, treated []nps.Histogram, from calendar.Day) {
	sum := func(window [2]calendar.Day) *Score {
		var h nps.Histogram
		for day := max(window[0], from); day <= window[1] && int(day-from) < len(treated); day++ {
			h = h.Add(treated[day-from])
		}
		return &Score{h}
	}
	e.Before, e.After = sum(e.before), sum(e.after)
	e.Change, e.OthersChange, e.Effect, e.Lead = changed(found.Change), changed(found.OthersChange), changed(found.Effect), changed(found.Lead)
	e.Placebos = &Placebos{Tried: found.Placebos.Tried, AsLarge: found.Placebos.AsLarge}
	e.told = found.Caveats
	if found.Change == nil {
		e.Reason = new(NoResponses)
	}
}

// Caveats are what to keep in mind.
func (e *ActionEffect) Caveats(ctx context.Context) ([]EffectCaveat, error) {
	all := map[effect.Caveat]bool{}
	for _, c := range e.told {
		all[c] = true
	}
	var err error
	if all[effect.OtherAction], err = e.otherActions(ctx); err != nil {
		return nil, err
	}
	if all[effect.MixChanged], err = e.mixChanged(ctx); err != nil {
		return nil, err
	}
	caveats := []EffectCaveat{}
	for _, c := range []effect.Caveat{
		effect.NoControl, effect.FewResponses, effect.NotOver, effect.DriftingBefore, effect.OtherAction, effect.MixChanged, effect.NoYearBefore,
	} {
		if all[c] {
			caveats = append(caveats, EffectCaveat(c))
		}
	}
	return caveats, nil
}

// otherActions reports whether another action for some of the same people started or ended within the windows.
func (e *ActionEffect) otherActions(ctx context.Context) (bool, error) {
	others, err := e.others(ctx)
	if err != nil {
		return false, err
	}
	within := func(day calendar.Day) bool { return day >= e.before[0] && day <= e.after[1] }
	for _, o := range others {
		if !within(o.Started) && (o.Ended == nil || !within(*o.Ended)) {
			continue
		}
		if same, err := e.meets(ctx, &o); err != nil || same {
			return same, err
		}
	}
	return false, nil
}

// meets reports whether another deed was for some of the same people, as far as the caller has seen such people answer.
func (e *ActionEffect) meets(ctx context.Context, o *Deed) (bool, error) {
	d := &e.deed
	if len(d.Campaigns) > 0 && len(o.Campaigns) > 0 &&
		!slices.ContainsFunc(d.Campaigns, func(c uuid.UUID) bool { return slices.Contains(o.Campaigns, c) }) {
		return false, nil
	}
	if d.Segment == uuid.Nil || o.Segment == uuid.Nil || d.Segment == o.Segment {
		return true, nil
	}
	// Whom the tenant knows besides is nobody's business: a caller may see a part of the feedback alone.
	c, err := e.treated.source.load(ctx, split{byProfile: true, from: e.treated.source.from})
	if err != nil {
		return false, err
	}
	m, err := segment.Compile(c.state.Segments[o.Segment].Rule, c.state.Active.Shape.Dimensions)
	if err != nil {
		return true, nil // a rule that cannot be told yet, or no longer: they may be
	}
	among, err := m.Among(ctx, c.state.Active.Profiles)
	if err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.pay(ctx, c.cells.Len()); err != nil {
		return false, err
	}
	for at := range int32(c.cells.Len()) {
		if c.cells.Count(at) > 0 && among.Has(c.cells.Profile(at)) {
			return true, nil
		}
	}
	return false, nil
}

// leastMix is the mix from which on it counts: a point, of scores from −1 to 1.
const leastMix = 0.01

// mixChanged reports whether other people of those it was for answered than before, beyond chance, so that it moved the score.
func (e *ActionEffect) mixChanged(ctx context.Context) (bool, error) {
	if e.Reason != nil {
		return false, nil
	}
	keys, err := e.treated.keysOf("effect", nil, maxKeys, false)
	if err != nil || len(keys) == 0 {
		return false, err
	}
	before, err := e.treated.cut(ctx, e.before, keys)
	if err != nil {
		return false, err
	}
	after, err := e.treated.cut(ctx, e.after, keys)
	if err != nil {
		return false, err
	}
	if before.state.Active.Number != after.state.Active.Number {
		return false, nil // meanwhile ranges are others, and all people would seem to be
	}
	var ps, mixes []float64
	for i := range keys {
		groups := beside(before.only(i), after.only(i))
		counts := make([]kitagawa.Group, len(groups))
		for j := range groups {
			counts[j] = groups[j].counts()
		}
		if x, why := kitagawa.Explain(lumped(counts)); why == "" {
			ps, mixes = append(ps, x.Mix.P), append(mixes, x.Mix.Estimate)
		}
	}
	for i, p := range nps.Holm(ps) {
		if p < nps.Significance && math.Abs(mixes[i]) >= leastMix {
			return true, nil
		}
	}
	return false, nil
}

// cut is the table of some of the feedback's days.
func (f *Feedback) cut(ctx context.Context, days [2]calendar.Day, keys []string) (*table, error) {
	filter := f.source.filter
	filter.From, filter.To = &days[0], &days[1]
	some, err := f.source.reader.Feedback(ctx, filter, f.source.within)
	if err != nil {
		return nil, err
	}
	return some.table(ctx, "effect", keys)
}

// only is the table by one of its keys.
func (t *table) only(key int) *table {
	one := &table{state: t.state, keys: t.keys[key : key+1], values: t.values[key : key+1], shown: t.shown[key : key+1]}
	for at, h := range t.of(key) {
		one.rows = append(one.rows, row{at: []int32{int32(at)}, responses: h})
	}
	return one
}

// lumped are the groups, with those that are small as one.
func lumped(groups []kitagawa.Group) []kitagawa.Group {
	var kept []kitagawa.Group
	var rest kitagawa.Group
	for i, small := range kitagawa.Lumped(groups, maxGroups) {
		if small {
			rest = kitagawa.Group{Before: rest.Before.Add(groups[i].Before), After: rest.After.Add(groups[i].After)}
			continue
		}
		kept = append(kept, groups[i])
	}
	if rest.Before.N()+rest.After.N() > 0 {
		kept = append(kept, rest)
	}
	return kept
}

package insight

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/kitagawa"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/selection"
)

// ChangeExplanation is a difference of two scores, taken apart.
type ChangeExplanation struct {
	// Total is the score now less the one before.
	Total *ScoreChange
	// Mix and Movement are what another mix of people makes, and what the groups' own changes make; nil where Reason says why.
	Mix, Movement *ChangePart
	// Groups are those with the largest parts first.
	Groups []*ChangeGroup
	Reason *InsightReason
}

// ChangePart is a part of a difference, in points.
type ChangePart struct {
	Points      float64
	Interval    *ScoreInterval
	PValue      float64
	Significant bool
}

// ChangeGroup is a group's part in a change.
type ChangeGroup struct {
	Values                  []string
	Before, After           *Score
	ShareBefore, ShareAfter float64
	// Mix and Movement are in points.
	Mix, Movement float64
	Change        *ScoreChange
}

// ExplainChange takes the difference to other feedback, which stands by itself, apart by one or two keys.
func (f *Feedback) ExplainChange(ctx context.Context, from selection.Filter, by []string, limit int) (*ChangeExplanation, error) {
	const field = "explainChange"
	if err := f.uncut(field); err != nil {
		return nil, err
	}
	if limit < 1 || limit > maxGroups {
		return nil, apierror.BadRequest("%s: limit is 1 to %d.", field, maxGroups)
	}
	if err := oneOrTwo(field, by); err != nil {
		return nil, err
	}
	other, err := f.source.reader.Feedback(ctx, from, selection.Within{})
	if err != nil {
		return nil, err
	}
	if err := other.uncut(field); err != nil {
		return nil, err
	}
	for reading := 1; ; reading++ {
		before, err := other.table(ctx, field, by)
		if err != nil {
			return nil, err
		}
		after, err := f.table(ctx, field, by)
		if err != nil {
			return nil, err
		}
		// Of another generation of the cube, ranges have other names.
		if before.state.Active.Number == after.state.Active.Number {
			least := f.source.leastShown(ctx)
			if err := payHidden(ctx, least, len(before.rows)+len(after.rows), len(by)); err != nil {
				return nil, err
			}
			return explain(before, after, limit, least), nil
		}
		if reading == maxReadings {
			busy := apierror.New(apierror.Overloaded, "The tenant's dimensions are changing just now; try again in a second.")
			busy.RetryAfter = time.Second
			return nil, busy
		}
		other, f = other.again(), f.again()
	}
}

// side by side: what a group answered before and after.
type sides struct {
	values []string
	// of are the values as tables have them.
	of            pair
	before, after nps.Histogram
}

func (s *sides) add(o sides) {
	s.before, s.after = s.before.Add(o.before), s.after.Add(o.after)
}

func (s *sides) counts() kitagawa.Group {
	return kitagawa.Group{Before: s.before.Counts(), After: s.after.Counts()}
}

// beside puts the rows of two tables of the same keys side by side, in the order of what is shown of their values.
func beside(before, after *table) []sides {
	var all []sides
	places := map[pair]int{}
	put := func(t *table, add func(s *sides, h nps.Histogram)) {
		for _, r := range t.rows {
			var of pair
			shown := make([]string, len(r.at))
			for key, at := range r.at {
				of[key], shown[key] = t.values[key][at], t.shown[key][at]
			}
			place, ok := places[of]
			if !ok {
				place = len(all)
				places[of] = place
				all = append(all, sides{values: shown, of: of})
			}
			add(&all[place], r.responses)
		}
	}
	put(before, func(s *sides, h nps.Histogram) { s.before = s.before.Add(h) })
	put(after, func(s *sides, h nps.Histogram) { s.after = s.after.Add(h) })
	slices.SortFunc(all, func(a, b sides) int {
		return cmp.Or(slices.Compare(a.values, b.values), slices.Compare(a.of[:], b.of[:]))
	})
	return all
}

// unseenSides says which of the groups are not shown to the caller; ok is false where either side is too small to have groups.
func unseenSides(body *group, least int64, keys []string, groups []sides) (unseen []bool, ok bool) {
	if least <= 1 {
		return make([]bool, len(groups)), true
	}
	type value struct{ shown, of string }
	of := func(group, key int) value { return value{groups[group].values[key], groups[group].of[key]} }
	order := func(a, b value) int { return cmp.Or(cmp.Compare(a.shown, b.shown), cmp.Compare(a.of, b.of)) }
	places := make([]map[value]int, len(keys))
	for key := range keys {
		var all []value
		for group := range groups {
			all = append(all, of(group, key))
		}
		slices.SortFunc(all, order)
		places[key] = map[value]int{}
		for at, v := range slices.Compact(all) {
			places[key][v] = at
		}
	}
	var before, after []int64
	for i := range groups {
		before, after = append(before, groups[i].before.Count()), append(after, groups[i].after.Count())
	}
	return hidden(body, least, keys, func(group, key int) int { return places[key][of(group, key)] }, before, after)
}

// lump puts those groups together that are named, under one name, behind the others.
func lump(groups []sides, named []bool, as []string) []sides {
	rest := sides{values: as}
	var kept []sides
	lumped := false
	for i, g := range groups {
		if named[i] {
			rest.add(g)
			lumped = true
			continue
		}
		kept = append(kept, g)
	}
	if lumped {
		kept = append(kept, rest)
	}
	return kept
}

func explain(before, after *table, limit int, least int64) *ChangeExplanation {
	x := &ChangeExplanation{Total: compare(after.total(), before.total()), Groups: []*ChangeGroup{}}
	groups := beside(before, after)
	restOf := rest(after.keys)
	other := restOf[:len(after.keys)]
	// What is the rest already is not counted by the limit.
	isOther := func(s sides) bool { return slices.Equal(s.values, other) }
	counts := make([]kitagawa.Group, 0, len(groups))
	for _, g := range groups {
		if !isOther(g) {
			counts = append(counts, g.counts())
		}
	}
	lumped := kitagawa.Lumped(counts, limit)
	unseen, ok := unseenSides(after.body, least, after.keys, groups)
	named := make([]bool, len(groups))
	// Those that are not shown may be all in the rest: then nothing tells of them. Else all groups are put together that one of them
	// is in.
	var hidden []bool
	apart, among := false, false
	for i, at := 0, 0; i < len(groups); i++ {
		if named[i] = isOther(groups[i]); !named[i] {
			named[i] = lumped[at]
			at++
		}
		if !named[i] {
			hidden = append(hidden, ok && unseen[i])
		}
		apart, among = apart || ok && unseen[i] && !named[i], among || ok && unseen[i] && named[i]
	}
	hidden = append(hidden, apart && among)
	groups = lump(groups, named, other)
	counts = counts[:0]
	for i := range groups {
		counts = append(counts, groups[i].counts())
	}
	out, why := kitagawa.Explain(counts)
	if why != "" {
		x.Reason = reason(why)
		return x
	}
	if !ok {
		x.Reason = new(OneGroup)
		return x
	}
	x.Mix, x.Movement = changePart(out.Mix), changePart(out.Movement)
	var all family
	together := &ChangeGroup{Values: fewOf(after.keys)}
	var unshown sides
	add := func(to *ChangeGroup, s sides) {
		to.Before, to.After = &Score{s.before}, &Score{s.after}
		to.Change = all.compare(s.after, s.before)
		x.Groups = append(x.Groups, to)
	}
	for i, g := range groups {
		to := &ChangeGroup{Values: g.values}
		if hidden[i] {
			to = together
			unshown.add(g)
		}
		p := out.Groups[i]
		to.ShareBefore += p.ShareBefore
		to.ShareAfter += p.ShareAfter
		to.Mix += points * p.Mix
		to.Movement += points * p.Movement
		if !hidden[i] {
			add(to, g)
		}
	}
	if unshown.before.Count()+unshown.after.Count() > 0 {
		add(together, unshown)
	}
	slices.SortStableFunc(x.Groups, func(a, b *ChangeGroup) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Mix+b.Movement), math.Abs(a.Mix+a.Movement)), slices.Compare(a.Values, b.Values))
	})
	return x
}

func changePart(p kitagawa.Part) *ChangePart {
	return &ChangePart{Points: points * p.Estimate, Interval: inPoints(p.Interval), PValue: p.P, Significant: p.Significant()}
}

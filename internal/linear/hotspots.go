package linear

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/zeroten/zeroten/internal/nps"
)

const (
	// fewestOfMany is how many responses a body must have to be compared where many are.
	fewestOfMany = 10
	// mostPairs is how many groups of two traits are named at most.
	mostPairs = 50
	// spanned is the part of a group's responses that the model must leave over for the group to be something of its own.
	spanned = 1e-6
	// rounding is what a difference may lack of the least one by the way it was computed.
	rounding = 1e-12
)

// Search says what to look for.
type Search struct {
	// Pairs says that groups by two traits are looked for too, and not only those by one.
	Pairs bool
	// Responses is how many a group must have, and how many must lie outside it: values with fewer count as Other.
	Responses int64
	// Difference is how far, on the scale of scores, a group must lie from the rest, and one of two traits from what its
	// parts say, from 0 to 2.
	Difference float64
}

// Findings is the groups that stand out.
type Findings struct {
	// Tested is how many groups were looked at. What is found is corrected for all of them.
	Tested int
	// Groups is those worth most first, by the size of Worth; then those of one trait, by place and code.
	Groups []Hotspot
	// Reason is NoResponses, TooFewResponses below twice [Search.Responses], NoVariation, or OneGroup where there was none
	// to test. Empty Groups without it are an answer.
	Reason Reason
}

// Hotspot is a group that stands out.
type Hotspot struct {
	// Traits is its one or two traits, by their place in [Profile.Values], in ascending order.
	Traits []int
	// Values is their values' codes, in the same order.
	Values []int
	// Counts is how the group answered, Rest how everybody else did.
	Counts, Rest nps.Counts
	// Share is the group's of all responses.
	Share float64
	// Difference is its score less that of the rest.
	Difference float64
	// P is that of the test that named it, see [Hotspots]; AdjustedP is P × Tested.
	P, AdjustedP float64
	// Worth is what the score of all would gain if this group were at the level of the rest: −Share × Difference.
	Worth float64
	// BeyondParts is, for a group of two traits, how far it lies beyond what all traits say one by one, with the groups
	// named before it; 0 for one trait.
	BeyondParts float64
}

// group is one that may stand out: of a value, or of the values of two traits.
type group struct {
	// a and b are the numbers of its values; b is −1 where there is one.
	a, b       int
	counts     nps.Counts
	difference float64
}

// Hotspots says which groups differ from the rest by more than chance, among those of each value and, where asked for, of
// each two values of two traits. Other is none of them.
//
// A group of two traits is named where it also lies beyond what the additive model of [Drivers] says: its indicator, added to
// the model, has the number num ÷ den with num = Σ(s − nŷ) over the group and den = n − cᵀAc, c the group's part of XᵀWX's
// columns, and t = num ÷ √(den (RSS − num²/den) ÷ df), which is how any column enters least squares (Seber and Lee 2003,
// Linear Regression Analysis, section 3.7). The one with the largest min(|t|, |z|), z of its difference to the rest, is named
// first; then it is a column of the model, and the next one is looked for, until the largest of three P, t's and those of
// the difference by [nps.Compare] and by [nps.Contrast], is no longer below 0.05 ÷ tested (Bonferroni), or 50 are named.
//
// A value is named where it still differs from the rest with the responses of all named groups of two set aside, in the same
// direction, with the larger P of both tests below 0.05 ÷ tested; where fewer than 10 are left on a side it is not tested.
//
// Groups of three traits are not looked for, and two labels for the same people are both named.
func Hotspots(profiles []Profile, s Search) Findings {
	t := newTable(profiles, s.Responses)
	switch n := t.all.N(); {
	case n == 0:
		return Findings{Reason: NoResponses}
	case n < 2*s.Responses:
		return Findings{Reason: TooFewResponses}
	case around(t.all) == 0:
		return Findings{Reason: NoVariation}
	}
	values, pairs := t.groups(s)
	found := Findings{Tested: len(values) + len(pairs)}
	if found.Tested == 0 {
		found.Reason = OneGroup
		return found
	}
	// p names a group, or says that it is not to be named.
	level := nps.Significance / float64(found.Tested)
	named := beyond(&t, s, pairs, level)
	aside, inside := t.aside(named)
	for _, g := range values {
		rest := minus(minus(t.all, aside), inside[g.a])
		if inside[g.a].N() < fewestOfMany || rest.N() < fewestOfMany || !s.far(g.difference) {
			continue
		}
		left := score(inside[g.a]) - score(rest)
		if !s.far(left) || left > 0 != (g.difference > 0) {
			continue
		}
		if p, ok := differs(inside[g.a], rest, level); ok {
			named = append(named, finding{group: g, p: p})
		}
	}
	for _, n := range named {
		found.Groups = append(found.Groups, t.hotspot(n, found.Tested))
	}
	slices.SortStableFunc(found.Groups, func(a, b Hotspot) int {
		return cmp.Or(
			cmp.Compare(math.Abs(b.Worth), math.Abs(a.Worth)),
			cmp.Compare(len(a.Traits), len(b.Traits)),
			slices.Compare(a.Traits, b.Traits),
			slices.Compare(a.Values, b.Values),
		)
	})
	return found
}

// far says whether a difference is as large as what is looked for.
func (s Search) far(difference float64) bool { return math.Abs(difference) >= s.Difference-rounding }

// groups is all that are tested, in the order of traits and codes.
func (t *table) groups(s Search) (values, pairs []group) {
	add := func(groups []group, a, b int, counts nps.Counts) []group {
		rest := minus(t.all, counts)
		if counts.N() < max(s.Responses, 1) || rest.N() < max(s.Responses, 1) {
			return groups
		}
		return append(groups, group{a, b, counts, score(counts) - score(rest)})
	}
	inOrder := make([][]int, len(t.traits)) // the numbers of a trait's values by code, without Other
	for trait, all := range t.traits {
		for i, v := range all {
			if v.code != Other {
				inOrder[trait] = append(inOrder[trait], t.first[trait]+i)
			}
		}
		slices.SortFunc(inOrder[trait], func(a, b int) int {
			return cmp.Compare(all[a-t.first[trait]].code, all[b-t.first[trait]].code)
		})
		for _, number := range inOrder[trait] {
			values = add(values, number, -1, all[number-t.first[trait]].counts)
		}
	}
	if !s.Pairs {
		return values, nil
	}
	for a := range t.traits {
		for b := a + 1; b < len(t.traits); b++ {
			width := len(t.traits[b])
			cells := make([]nps.Counts, len(t.traits[a])*width)
			for i, counts := range t.counts {
				sum := &cells[t.cell(i, a, b)]
				*sum = plus(*sum, counts)
			}
			for _, va := range inOrder[a] {
				for _, vb := range inOrder[b] {
					pairs = add(pairs, va, vb, cells[(va-t.first[a])*width+vb-t.first[b]])
				}
			}
		}
	}
	return values, pairs
}

// cell is where a profile lies in a table of two traits.
func (t *table) cell(row, a, b int) int {
	values := t.row(row)
	return (int(values[a])-t.first[a])*len(t.traits[b]) + int(values[b]) - t.first[b]
}

// finding is a group to be named.
type finding struct {
	group
	p, beyondParts float64
}

// candidate is a group of two traits on its way through the model.
type candidate struct {
	group
	// z is how many standard errors lie between it and the rest; 0 until it was needed.
	z float64
	// num and den are the group's, net of the model and of the groups named so far.
	num, den float64
}

// crossing is a table of two traits that has candidates.
type crossing struct {
	a, b int
	// at is the number of the candidate of each cell, or −1.
	at []int32
}

// beyond is the groups of two traits that are named.
func beyond(t *table, s Search, pairs []group, level float64) []finding {
	var candidates []candidate
	for _, g := range pairs {
		// What this test does not tell apart cannot be named, and need not be looked at more closely.
		if d, _ := nps.Compare(g.counts, minus(t.all, g.counts)); d.P < level && s.far(g.difference) {
			candidates = append(candidates, candidate{group: g})
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	f := newFit(t)
	if f.rss == 0 {
		return nil // nobody is beyond it
	}
	crossings := f.cross(candidates)
	f.start(candidates, crossings)
	rss, df := f.rss, f.df-1
	var named []finding
	var residuals [][]float64 // of the indicators of those named, over profiles, orthogonal
	var lengths []float64     // Σ n r² of each
	for ; df > 0 && rss > nothing*f.tss && len(named) < mostPairs; df-- {
		best, largest, tails := -1, 0.0, 0.0
		for i := range candidates {
			c := &candidates[i]
			own := c.num / c.den
			if c.den < spanned*float64(c.counts.N()) || !s.far(own) || own > 0 != (c.difference > 0) {
				continue
			}
			left := rss - c.num*own
			if left <= nothing*f.tss {
				left = 0
			}
			// The first of equals stays: what is the same but for rounding must not be chosen by it.
			t, enough := math.Abs(c.num)/math.Sqrt(c.den*left/df), largest*(1+1e-9)
			if t <= enough {
				continue
			}
			if c.z == 0 {
				c.z = distance(c.counts, minus(f.all, c.counts))
			}
			if m := min(t, c.z); m > enough {
				best, largest, tails = i, m, studentTails(t, df)
			}
		}
		if best < 0 {
			break
		}
		c := candidates[best]
		p, ok := differs(c.counts, minus(f.all, c.counts), level)
		if !ok || tails >= level {
			break
		}
		named = append(named, finding{c.group, max(p, tails), c.num / c.den})
		rss -= c.num / c.den * c.num

		r := f.residual(c.group)
		for k, other := range residuals {
			floats.AddScaled(r, -f.product(r, other)/lengths[k], other)
		}
		length := f.product(r, r)
		residuals, lengths = append(residuals, r), append(lengths, length)
		shared := f.over(crossings, len(candidates), func(i int) float64 { return size(f.counts[i]) * r[i] })
		for i, h := range shared {
			candidates[i].num -= h * c.num / c.den
			candidates[i].den -= h * h / length
		}
	}
	return named
}

// cross finds the tables that candidates lie in; those of one table stand side by side.
func (f *fit) cross(candidates []candidate) []crossing {
	var crossings []crossing
	for i, c := range candidates {
		a, b := f.traitOf(c.a), f.traitOf(c.b)
		if last := len(crossings) - 1; last < 0 || crossings[last].a != a || crossings[last].b != b {
			crossings = append(crossings, crossing{a, b, slices.Repeat([]int32{-1}, len(f.traits[a])*len(f.traits[b]))})
		}
		crossings[len(crossings)-1].at[(c.a-f.first[a])*len(f.traits[b])+c.b-f.first[b]] = int32(i)
	}
	return crossings
}

// start sets num and den as the additive model has them.
func (f *fit) start(candidates []candidate, crossings []crossing) {
	for i, num := range f.over(crossings, len(candidates), func(i int) float64 {
		return balance(f.counts[i]) - size(f.counts[i])*f.fitted[i]
	}) {
		candidates[i].num = num
	}
	for _, c := range crossings {
		held := map[int32][]float64{}
		for i := range f.counts {
			k := c.at[f.cell(i, c.a, c.b)]
			if k < 0 {
				continue
			}
			if held[k] == nil {
				held[k] = make([]float64, f.columns())
			}
			f.hold(held[k], i)
		}
		for k, columns := range held {
			candidates[k].den = columns[0] - along(f.inverse, columns)
		}
	}
}

// hold adds a profile's responses to the columns that it has.
func (f *fit) hold(columns []float64, row int) {
	n := size(f.counts[row])
	columns[0] += n
	for _, v := range f.row(row) {
		if c := f.column[v]; c >= 0 {
			columns[c] += n
		}
	}
}

// residual is what the additive model leaves over of a group's indicator, profile by profile.
func (f *fit) residual(g group) []float64 {
	held := make([]float64, f.columns())
	for i := range f.counts {
		if f.within(g, i) {
			f.hold(held, i)
		}
	}
	beta := make([]float64, f.columns())
	for c, row := range f.inverse {
		beta[c] = floats.Dot(row, held)
	}
	r := make([]float64, len(f.counts))
	for i := range r {
		if f.within(g, i) {
			r[i] = 1
		}
		r[i] -= f.mean(beta, i)
	}
	return r
}

// product is Σ n x y over profiles.
func (t *table) product(x, y []float64) float64 {
	sum := 0.0
	for i, c := range t.counts {
		sum += size(c) * x[i] * y[i]
	}
	return sum
}

// over sums a number of each profile over those of each candidate.
func (t *table) over(crossings []crossing, candidates int, number func(row int) float64) []float64 {
	numbers := make([]float64, len(t.counts))
	for i := range numbers {
		numbers[i] = number(i)
	}
	sums := make([]float64, candidates)
	for _, c := range crossings {
		for i, x := range numbers {
			if k := c.at[t.cell(i, c.a, c.b)]; k >= 0 {
				sums[k] += x
			}
		}
	}
	return sums
}

// within says whether a profile is of a group.
func (t *table) within(g group, row int) bool {
	has := func(number int) bool { return number < 0 || slices.Contains(t.row(row), int32(number)) }
	return has(g.a) && has(g.b)
}

// aside is how those answered who are in a group that was named, and for each value how the others did who hold it.
func (t *table) aside(named []finding) (aside nps.Counts, others []nps.Counts) {
	others = make([]nps.Counts, t.first[len(t.traits)])
	for i, counts := range t.counts {
		if slices.ContainsFunc(named, func(f finding) bool { return t.within(f.group, i) }) {
			aside = plus(aside, counts)
			continue
		}
		for _, v := range t.row(i) {
			others[v] = plus(others[v], counts)
		}
	}
	return aside, others
}

// hotspot is what is told of a group that was named.
func (t *table) hotspot(f finding, tested int) Hotspot {
	h := Hotspot{
		Counts: f.counts, Rest: minus(t.all, f.counts),
		Share: size(f.counts) / size(t.all), Difference: f.difference,
		P: f.p, AdjustedP: f.p * float64(tested),
		Worth: -size(f.counts) / size(t.all) * f.difference, BeyondParts: f.beyondParts,
	}
	for _, number := range []int{f.a, f.b} {
		if number >= 0 {
			h.Traits = append(h.Traits, t.traitOf(number))
			h.Values = append(h.Values, t.value(number).code)
		}
	}
	return h
}

// apart says whether the larger-scale test, by contrast, is below a level; it takes a fraction of what its P does.
func apart(a, b nps.Counts, level float64) bool {
	ia, _, errA := a.Interval(nps.ScoreTest, 1-level)
	ib, _, errB := b.Interval(nps.ScoreTest, 1-level)
	if errA != nil || errB != nil {
		panic("linear: level")
	}
	d := score(a) - score(b)
	if d < 0 {
		return -d > math.Hypot(ia.High-score(a), score(b)-ib.Low)
	}
	return d > math.Hypot(score(a)-ia.Low, ib.High-score(b))
}

// distance is |z| TEMPORARY.
func distance(a, b nps.Counts) float64 {
	low, high := 0.0, 60.0
	for range 60 {
		z := (low + high) / 2
		if z > 8 || !apart(a, b, math.Erfc(z/math.Sqrt2)) {
			high = z
		} else {
			low = z
		}
	}
	return low
}

// differs is the larger P of both tests of a difference, and whether it is below a level.
func differs(a, b nps.Counts, level float64) (p float64, ok bool) {
	wald, ok := nps.Compare(a, b)
	if !ok || wald.P >= level || !apart(a, b, level) {
		return 1, false
	}
	return max(wald.P, math.Erfc(distance(a, b)/math.Sqrt2)), true
}

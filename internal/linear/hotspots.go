package linear

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/zeroten/zeroten/internal/nps"
)

const (
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
	// Unseen, where not nil, says of which groups nothing may be known, by the places of their one or two traits and the codes
	// of their values: they are not looked for.
	Unseen func(traits, values []int) bool
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
// the difference by [nps.Compare] and by [nps.CompareAdjustedWald], is no longer below 0.05 ÷ tested (Bonferroni), or 50 are
// named.
//
// A value is named where it still differs from the rest with the responses of all named groups of two set aside, in the same
// direction, with the larger P of both tests below 0.05 ÷ tested; where fewer than 10 are left on a side it is not tested.
//
// Groups of three traits are not looked for. Of two traits that are labels for the same people, each is named by itself; in
// a group of two the one that stands first, since the other has nothing to add then.
//
// P is that of the search. How a group compares with the rest by itself is for [nps.Compare] to say, of Counts and Rest.
func Hotspots(profiles []Profile, s Search) Findings {
	found, _ := PaidHotspots(profiles, s, free) // which never fails
	return found
}

// PaidHotspots is Hotspots for a caller who pays: the error is that of pay, before what it does not pay for is done.
func PaidHotspots(profiles []Profile, s Search, pay Pay) (Findings, error) {
	if err := pay(tableWork(profiles)); err != nil {
		return Findings{}, err
	}
	t := newTable(profiles, s.Responses)
	switch n := t.all.N(); {
	case n == 0:
		return Findings{Reason: NoResponses}, nil
	case n < 2*s.Responses:
		return Findings{Reason: TooFewResponses}, nil
	case around(t.all) == 0:
		return Findings{Reason: NoVariation}, nil
	}
	if err := pay(t.searchWork(s.Pairs)); err != nil {
		return Findings{}, err
	}
	values := t.single(s)
	tested, candidates := t.pairs(s)
	found := Findings{Tested: len(values) + tested}
	if found.Tested == 0 {
		found.Reason = OneGroup
		return found, nil
	}
	level := nps.Significance / float64(found.Tested)
	named, err := t.beyond(s, candidates, level, pay)
	if err != nil {
		return Findings{}, err
	}
	aside, inside := t.aside(named)
	for _, g := range values {
		rest := minus(minus(t.all, aside), inside[g.a])
		if min(inside[g.a].N(), rest.N()) < nps.FewestBeside || !s.far(g.difference) {
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
	return found, nil
}

// far says whether a difference is as large as what is looked for.
func (s Search) far(difference float64) bool { return math.Abs(difference) >= s.Difference-rounding }

// group is a group to be tested, or says that too few are inside or outside it.
func (t *table) group(s Search, a, b int, counts nps.Counts) (g group, ok bool) {
	rest := minus(t.all, counts)
	if least := max(s.Responses, 1); counts.N() < least || rest.N() < least {
		return group{}, false
	}
	if s.Unseen != nil {
		traits, values := t.named(a, b)
		if s.Unseen(traits, values) {
			return group{}, false
		}
	}
	return group{a, b, counts, score(counts) - score(rest)}, true
}

// inOrder is the numbers of a trait's values by code, without Other.
func (t *table) inOrder(trait int) []int {
	var numbers []int
	for i, v := range t.traits[trait] {
		if v.code != Other {
			numbers = append(numbers, t.first[trait]+i)
		}
	}
	slices.SortFunc(numbers, func(a, b int) int { return cmp.Compare(t.value(a).code, t.value(b).code) })
	return numbers
}

// single is the groups by one trait that are tested, in the order of traits and codes.
func (t *table) single(s Search) []group {
	var groups []group
	for trait := range t.traits {
		for _, number := range t.inOrder(trait) {
			if g, ok := t.group(s, number, -1, t.value(number).counts); ok {
				groups = append(groups, g)
			}
		}
	}
	return groups
}

// pairs is how many groups by two traits are tested, and those of them that may be named, in the order of traits and codes.
func (t *table) pairs(s Search) (tested int, candidates []candidate) {
	if !s.Pairs {
		return 0, nil
	}
	for a := range t.traits {
		for b := a + 1; b < len(t.traits); b++ {
			width := len(t.traits[b])
			cells := make([]nps.Counts, len(t.traits[a])*width)
			for i, counts := range t.counts {
				sum := &cells[t.cell(i, a, b)]
				*sum = plus(*sum, counts)
			}
			inB := t.inOrder(b)
			for _, va := range t.inOrder(a) {
				for _, vb := range inB {
					g, ok := t.group(s, va, vb, cells[(va-t.first[a])*width+vb-t.first[b]])
					if !ok {
						continue
					}
					tested++
					// What the cheapest test does not tell apart even by itself cannot be named.
					if wald, _ := nps.CompareAdjustedWald(g.counts, minus(t.all, g.counts)); s.far(g.difference) && wald.P < nps.Significance {
						candidates = append(candidates, candidate{group: g, wald: wald.P})
					}
				}
			}
		}
	}
	return tested, candidates
}

// cell is where a profile lies in a table of two traits.
func (t *table) cell(row, a, b int) int {
	values := t.row(row)
	return (int(values[a])-t.first[a])*len(t.traits[b]) + int(values[b]) - t.first[b]
}

// candidate is a group of two traits on its way through the model.
type candidate struct {
	group
	// rows is the profiles of the group.
	rows []int32
	// wald is the P of the difference to the rest by nps.CompareAdjustedWald.
	wald float64
	// z is how many standard errors lie between it and the rest; 0 until it was needed.
	z float64
	// num and den are the group's, net of the model and of the groups named so far.
	num, den float64
}

// finding is a group to be named.
type finding struct {
	group
	// rows is the profiles of a group of two traits.
	rows           []int32
	p, beyondParts float64
}

// beyond names groups of two traits.
func (t *table) beyond(s Search, candidates []candidate, level float64, pay Pay) ([]finding, error) {
	// It takes all three tests to name a group: what the cheapest does not tell apart, the others need not look at.
	candidates = slices.DeleteFunc(candidates, func(c candidate) bool { return c.wald >= level })
	if len(candidates) == 0 {
		return nil, nil
	}
	if err := pay(t.fillWork(candidates)); err != nil {
		return nil, err
	}
	t.fill(candidates)
	if err := pay(t.fitWork() + t.huntWork(candidates)); err != nil {
		return nil, err
	}
	h := newHunt(newFit(t), candidates)
	h.pay = pay
	var named []finding
	for len(named) < mostPairs {
		best, tails, err := h.next(s)
		if err != nil {
			return nil, err
		}
		if best < 0 || tails >= level {
			break
		}
		c := candidates[best]
		p, ok := differs(c.counts, minus(t.all, c.counts), level)
		if !ok {
			break
		}
		named = append(named, finding{c.group, c.rows, max(p, tails), c.num / c.den})
		if err := pay(h.nameWork()); err != nil {
			return nil, err
		}
		h.name(c)
	}
	return named, nil
}

// hunt is the additive model with the groups named so far, and what it says of candidates.
type hunt struct {
	*fit
	candidates []candidate
	// left is the sum of squares that the model leaves over.
	left float64
	// free is the degrees of freedom with one group more.
	free float64
	// residuals are those of the indicators of the groups that were named, over profiles, each net of those before it, and
	// lengths their Σ n r².
	residuals [][]float64
	lengths   []float64
	// held is how many profiles the candidates have together.
	held int
	pay  Pay
}

func newHunt(f *fit, candidates []candidate) *hunt {
	off := make([]float64, len(f.counts))
	for i, counts := range f.counts {
		off[i] = balance(counts) - size(counts)*f.fitted[i]
	}
	held, all := make([]float64, f.columns()), 0
	for i := range candidates {
		c := &candidates[i]
		all += len(c.rows)
		clear(held)
		f.hold(held, c.rows)
		c.num, c.den = sum(off, c.rows), held[0]-along(f.inverse, held)
	}
	return &hunt{fit: f, candidates: candidates, left: f.rss, free: f.df - 1, held: all}
}

// next is the candidate with the largest min(|t|, |z|), and the P of its t; −1 where there is none.
func (h *hunt) next(s Search) (best int, tails float64, err error) {
	best = -1
	if h.free <= 0 || h.left <= nothing*h.tss {
		return best, 1, nil
	}
	largest := 0.0
	for i := range h.candidates {
		c := &h.candidates[i]
		own := c.num / c.den
		// No score lies further than 2 from another: what does was drawn out from very few.
		if c.den < spanned*size(c.counts) || math.Abs(own) > 2 || !s.far(own) || own > 0 != (c.difference > 0) {
			continue
		}
		// Infinite where nothing would be left over.
		t := math.Abs(c.num) / math.Sqrt(c.den*max(0, h.left-c.num*own)/h.free)
		// The first of equals stays: what is the same but for rounding must not be chosen by it.
		enough := largest * (1 + 1e-9)
		if t <= enough {
			continue
		}
		if c.z == 0 {
			if err := h.pay(compareWork); err != nil {
				return -1, 1, err
			}
			d, _ := nps.Compare(c.counts, minus(h.all, c.counts))
			c.z = math.Abs(d.Z())
		}
		if m := min(t, c.z); m > enough {
			best, largest, tails = i, m, studentTails(t, h.free)
		}
	}
	return best, tails, nil
}

// name makes a candidate a column of the model.
func (h *hunt) name(named candidate) {
	own := named.num / named.den
	h.left -= own * named.num
	h.free--
	r := h.residual(named.rows)
	for k, before := range h.residuals {
		floats.AddScaled(r, -h.product(r, before)/h.lengths[k], before)
	}
	length := h.product(r, r)
	h.residuals, h.lengths = append(h.residuals, r), append(h.lengths, length)
	weighted := make([]float64, len(r))
	for i, counts := range h.counts {
		weighted[i] = size(counts) * r[i]
	}
	for i := range h.candidates {
		c := &h.candidates[i]
		shared := sum(weighted, c.rows)
		c.num -= shared * own
		c.den -= shared * shared / length
	}
}

// fill finds the profiles of candidates, those of the same two traits standing side by side.
func (t *table) fill(candidates []candidate) {
	for len(candidates) > 0 {
		a, b := t.traitOf(candidates[0].a), t.traitOf(candidates[0].b)
		at := slices.Repeat([]int{-1}, len(t.traits[a])*len(t.traits[b])) // the candidate of each cell
		n := 0
		for ; n < len(candidates) && t.traitOf(candidates[n].a) == a && t.traitOf(candidates[n].b) == b; n++ {
			at[(candidates[n].a-t.first[a])*len(t.traits[b])+candidates[n].b-t.first[b]] = n
		}
		for i := range t.counts {
			if k := at[t.cell(i, a, b)]; k >= 0 {
				candidates[k].rows = append(candidates[k].rows, int32(i))
			}
		}
		candidates = candidates[n:]
	}
}

// hold adds to each column how many responses of some profiles it has.
func (f *fit) hold(columns []float64, rows []int32) {
	for _, i := range rows {
		f.add(columns, int(i), size(f.counts[i]))
	}
}

// residual is what the additive model leaves over of the indicator of some profiles, profile by profile.
func (f *fit) residual(rows []int32) []float64 {
	held := make([]float64, f.columns())
	f.hold(held, rows)
	beta := make([]float64, f.columns())
	for c, row := range f.inverse {
		beta[c] = -floats.Dot(row, held)
	}
	r := make([]float64, len(f.counts))
	for i := range r {
		r[i] = f.mean(beta, i)
	}
	for _, i := range rows {
		r[i]++
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

// sum is that of the numbers of some profiles.
func sum(numbers []float64, rows []int32) float64 {
	sum := 0.0
	for _, i := range rows {
		sum += numbers[i]
	}
	return sum
}

// aside is how those answered who are in a group that was named, and for each value how the others did who hold it.
func (t *table) aside(named []finding) (aside nps.Counts, others []nps.Counts) {
	within := make([]bool, len(t.counts))
	for _, f := range named {
		for _, i := range f.rows {
			within[i] = true
		}
	}
	others = make([]nps.Counts, t.first[len(t.traits)])
	for i, counts := range t.counts {
		if within[i] {
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
	h.Traits, h.Values = t.named(f.a, f.b)
	return h
}

// named are the traits and the codes of one or two values' numbers; the second is −1 where there is one.
func (t *table) named(a, b int) (traits, codes []int) {
	for _, number := range []int{a, b} {
		if number >= 0 {
			traits, codes = append(traits, t.traitOf(number)), append(codes, t.value(number).code)
		}
	}
	return traits, codes
}

// differs is the larger P of both tests of a difference, and whether it is below a level.
func differs(a, b nps.Counts, level float64) (p float64, ok bool) {
	wald, ok := nps.CompareAdjustedWald(a, b)
	if !ok || wald.P >= level {
		return 1, false
	}
	d, _ := nps.Compare(a, b)
	p = max(d.P(), wald.P)
	return p, p < level
}

package nps

import "math"

// Significance is the P below which a difference is called significant; its complement is the confidence of
// Difference.Interval and of WaldTest.Interval.
const Significance = 0.05

// atSignificance is how many standard errors a normal value is from its mean, or more, with the chance of Significance.
var atSignificance = math.Sqrt2 * math.Erfinv(1-Significance)

// twoSided is how often a standard normal value is at least as far from 0 as z.
func twoSided(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// maxBodies is how many bodies of responses a difference is of at most.
const maxBodies = 4

// Difference is what scores differ by, and whether it could be chance, by the method of square-and-add: with r how far
// a score's [ScoreTest] interval reaches below it, and r′ how far above, the difference's interval reaches
//
//	√(Σ r² of the scores added + Σ r′² of those taken off) below, and the other way round above.
//
// It is Newcombe's method 10 for the difference of two proportions, Statistics in Medicine 17:873, 1998, and Zou and
// Donner's for any sum, Statistics in Medicine 27:1693, 2008. Z and P are those of the interval that just touches 0.
//
// Bodies of responses are taken as samples of their own: no response may be in two of them.
type Difference struct {
	// Estimate is of the scores as they are: from −2 to 2, for the difference of two differences from −4 to 4.
	Estimate float64

	// added are the bodies, of which there are so many, whose scores make the estimate up. One that is taken off is
	// added mirrored: that gives its score the other sign, and turns its interval round.
	added  [maxBodies]sample
	bodies int
	// fewest is the size of the smallest body.
	fewest int64
	// other is the score that one body is compared with, which is taken as exact.
	other float64
}

// Compare is a's score less b's. It is false where either has no responses.
func Compare(a, b Counts) (Difference, bool) { return difference(a, b.mirrored()) }

// CompareChanges is how much more a's score changed than b's: (after − before of a) less (after − before of b), the
// difference in differences. It is false where any of the four has no responses.
func CompareChanges(afterA, beforeA, afterB, beforeB Counts) (Difference, bool) {
	return difference(afterA, beforeA.mirrored(), afterB.mirrored(), beforeB)
}

// CompareWith is the score of c less a score that is taken as exact, from −1 to 1, like one that was published. P is
// that of the score test, with the variance that is most likely if the other score were true. It is false where c has
// no responses, and for what is no score.
func CompareWith(c Counts, score float64) (Difference, bool) {
	if !(score >= -1 && score <= 1) {
		return Difference{}, false
	}
	d, ok := difference(c)
	if !ok {
		return Difference{}, false
	}
	d.Estimate -= score
	d.other = score
	return d, true
}

func difference(added ...Counts) (Difference, bool) {
	d := Difference{bodies: len(added), fewest: math.MaxInt64}
	for k, c := range added {
		score, ok := c.Score()
		if !ok {
			return Difference{}, false
		}
		d.Estimate += score
		d.added[k] = c.sample()
		d.fewest = min(d.fewest, c.N())
	}
	return d, true
}

// Interval is where the true difference lies, with 95 % confidence. It always holds Estimate, and never leaves what
// Estimate can be.
func (d Difference) Interval() Interval { return d.interval(atSignificance) }

func (d Difference) interval(z float64) Interval {
	limit := 2.0
	if d.bodies > 2 {
		limit = maxBodies
	}
	return Interval{d.Estimate - d.below(z), d.Estimate + d.above(z)}.clamp(limit)
}

// below is how far the interval of z standard errors reaches below the estimate.
func (d Difference) below(z float64) float64 {
	var squares float64
	for _, s := range d.added[:d.bodies] {
		r := scoreTestReach(s.mirrored(), z)
		squares += r * r
	}
	return math.Sqrt(squares)
}

// above is how far it reaches above the estimate.
func (d Difference) above(z float64) float64 {
	var squares float64
	for _, s := range d.added[:d.bodies] {
		r := scoreTestReach(s, z)
		squares += r * r
	}
	return math.Sqrt(squares)
}

// towardsZero is how far it reaches towards 0.
func (d Difference) towardsZero(z float64) float64 {
	if d.Estimate > 0 {
		return d.below(z)
	}
	return d.above(z)
}

// maxZ is above what any number of responses that fits an int64 comes to.
const maxZ = 1e10

// Z is how many standard errors the estimate is from 0, with its sign: the z at which the interval just touches 0. It
// is 0 where the estimate is, and finite. It takes a search, of some microseconds.
func (d Difference) Z() float64 {
	if d.Estimate == 0 {
		return 0
	}
	distance := math.Abs(d.Estimate)
	// It begins where an interval on adjusted counts would touch 0.
	var variance float64
	for _, s := range d.added[:d.bodies] {
		e := s.adjusted().standardError()
		variance += e * e
	}
	short := func(z float64) float64 { return d.towardsZero(z) - distance }
	low, atLow, high := 0.0, -distance, distance/math.Sqrt(variance)
	for high < maxZ {
		atHigh := short(high)
		if atHigh >= 0 {
			break
		}
		low, atLow, high = high, atHigh, 2*high
	}
	return math.Copysign(crossing(low, atLow, high, short), d.Estimate)
}

// P is how often chance alone would give a difference at least this large in either direction, from 0 to 1: 1 less the
// confidence of the interval that just touches 0. It is 1 where the estimate is 0. Far out it is 0, since a float64 has
// no smaller number: what is to be put in order, order by the size of Z.
func (d Difference) P() float64 { return twoSided(d.Z()) }

// Fewest is the number of responses with fewer of which on a side no comparison is significant.
const Fewest = 5

// Significant reports whether P is below Significance, and whether so few responses can say it. No side may have fewer
// than Fewest. Where the smaller has no more than 20, or is expected to have fewer than 2 beside the commonest category,
// P alone calls up to 8 % of equals different, and where nearly all agree up to 14 %. There an exact test must find the
// same: the permutations of two bodies' answers, or the chances of one's if the score that it is compared with were
// true. There is no such test for the difference of two differences: each side must have more than 20.
//
// It is for a comparison by itself; for those that stand beside others there is [Family]. It takes no search for Z.
func (d Difference) Significant() bool {
	if d.Estimate == 0 || d.fewest < Fewest || d.towardsZero(atSignificance) >= math.Abs(d.Estimate) {
		return false
	}
	switch d.bodies {
	case 1:
		const everybody = 1e15 // so many that dealing out of them is drawing from a distribution
		a := d.added[0]
		b := a.likeliest(d.other).times(everybody)
		return !delicate(a, b) || permutationP(a, b) < Significance
	case 2:
		a, b := d.added[0], d.added[1].mirrored()
		return !delicate(a, b) || permutationP(a, b) < Significance
	default:
		return d.fewest > mostDelicate
	}
}

// mostDelicate is up to how many responses of a side the normal distribution is not trusted alone.
const mostDelicate = 20

// delicate reports whether the normal distribution is not to be trusted alone with a comparison: where the smaller side
// has no more than mostDelicate responses, or is expected to have fewer than 2 beside the commonest category. So no more
// than 5.5 % of equals are called different, beside up to 10,000 and where a share of 5 % or more is passive; up to
// 6.5 % where next to nobody is.
func delicate(a, b sample) bool {
	n, all := min(a.n(), b.n()), a.n()+b.n()
	commonest := max(a.detractors+b.detractors, a.passives+b.passives, a.promoters+b.promoters)
	return n <= mostDelicate || n*(all-commonest)/all < 2
}

// exactly is up to how many answers products of two numbers of them fit an int64, so that equal parts are equal.
const exactly = 1 << 31

// Contribution is what a part adds to the score of the whole, or takes from it, −1 to 1: the part's share times how much its
// score is above the whole's. The parts of a whole add up to 0. Each is given by its balance, promoters less detractors, and
// how many answered, of which the whole has some.
func Contribution(partBalance, part, wholeBalance, whole int64) float64 {
	if whole < exactly {
		return float64(partBalance*whole-wholeBalance*part) / float64(whole) / float64(whole)
	}
	return (float64(partBalance) - float64(wholeBalance)*float64(part)/float64(whole)) / float64(whole)
}

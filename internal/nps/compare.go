package nps

import (
	"fmt"
	"math"
)

// Significance is the P below which a difference is called significant; its complement is the confidence of
// Difference.Interval.
const Significance = 0.05

// Difference is the score of one body of responses less that of another, and whether it could be chance.
type Difference struct {
	// Difference is of the scores as they are, from −2 to 2.
	Difference float64
	// Interval is where the true difference lies, with 95 % confidence, within −2 to 2. Its middle is the difference
	// that was tested, so for a handful of responses it may lie beside Difference.
	Interval Interval
	// StandardError is that of the difference tested; Z times it is the difference tested.
	StandardError float64
	// Z is the difference tested in standard errors. It is infinite where a difference has a standard error of 0,
	// which only CompareWald can find.
	Z float64
	// P is how often chance alone would give a difference at least this large in either direction, from 0 to 1.
	P float64
}

// Significant reports whether P is below Significance.
func (d Difference) Significant() bool { return d.P < Significance }

// Compare is a's score less b's, with the two-sample test on adjusted counts: 3 pseudo-responses are added to each
// side as in [AdjustedWald], and Z is the difference of the adjusted scores by √(variance(a) ÷ n(a) + variance(b) ÷
// n(b)), all of adjusted counts. P is of the normal distribution. It is false where either side has no responses.
//
// Both are taken as samples of their own: no response may be in a and b.
func Compare(a, b Counts) (Difference, bool) {
	return compare(a, b, a.sample().adjusted(), b.sample().adjusted())
}

// CompareWald is Compare without pseudo-responses: the textbook's test, which trusts few or unanimous responses too
// much. It is there to check figures published elsewhere.
func CompareWald(a, b Counts) (Difference, bool) {
	return compare(a, b, a.sample(), b.sample())
}

// compare tests testedA against testedB, which stand for a and b.
func compare(a, b Counts, testedA, testedB sample) (Difference, bool) {
	scoreA, okA := a.Score()
	scoreB, okB := b.Score()
	if !okA || !okB {
		return Difference{}, false
	}
	difference := testedA.score() - testedB.score()
	standardError := math.Hypot(testedA.standardError(), testedB.standardError())
	z := 0.0
	// Without a standard error, no difference is no news, and any other is no chance.
	if difference != 0 {
		z = difference / standardError
	}
	reach := math.Sqrt2 * math.Erfinv(1-Significance) * standardError
	return Difference{
		Difference:    scoreA - scoreB,
		Interval:      around(difference, reach).clamp(2),
		StandardError: standardError,
		Z:             z,
		P:             math.Erfc(math.Abs(z) / math.Sqrt2),
	}, true
}

// SampleSize is how many responses it takes for an [AdjustedWald] interval of score ± margin: the least n with
// z² variance ÷ (n + 3) ≤ margin², that is ⌈z² variance ÷ margin² − 3⌉, the 3 being the pseudo-responses, which do
// not have to be gathered. It is at least 1, since no responses give no interval.
//
// The margin is on the scale of scores from −1 to 1: above 0, at most 1. The variance is that of one response, as
// [Counts.Variance] has it, from 0 to 1: that of an earlier survey, ⅔ for equal thirds, or 1 for the worst case.
// The error says which of the three is out of range, or that the number does not fit an int64.
func SampleSize(margin, variance, confidence float64) (int64, error) {
	z, err := quantile(confidence)
	if err != nil {
		return 0, err
	}
	if !(margin > 0 && margin <= 1) {
		return 0, fmt.Errorf("margin must be above 0 and at most 1, not %v", margin)
	}
	if !(variance >= 0 && variance <= 1) {
		return 0, fmt.Errorf("variance must lie between 0 and 1, not %v", variance)
	}
	ratio := z / margin
	n := math.Ceil(ratio*ratio*variance - pseudoResponses)
	// Put so that NaN, of an infinite ratio by a variance of 0, is refused as well.
	if !(n < math.MaxInt64) {
		return 0, fmt.Errorf("margin %v takes more responses than can be counted", margin)
	}
	return max(int64(n), 1), nil
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

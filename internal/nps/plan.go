package nps

import (
	"fmt"
	"math"
)

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

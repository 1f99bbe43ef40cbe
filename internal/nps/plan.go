package nps

import (
	"errors"
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
	if err := checkVariance(variance); err != nil {
		return 0, err
	}
	return responses(z/margin, variance, "margin", margin)
}

// SampleSizeOfDifference is how many responses each of two bodies must have, so that a true difference of their scores
// is significant with a chance of power: the least n with (z + z_power)² (variance₁ + variance₂) ÷ (n + 3) ≤ difference²,
// the 3 being the pseudo-responses of either, as in [SampleSize]; at least 1. It is the usual formula for two means. Below
// a hundred responses a side it falls short of the power by 2 to 4 percentage points.
//
// The difference is above 0 and at most 2, the power above ½ and below 1, and the variances are as in SampleSize.
func SampleSizeOfDifference(difference, variance1, variance2, power, confidence float64) (int64, error) {
	z, err := quantileOfPower(power, confidence)
	if err != nil {
		return 0, err
	}
	if !(difference > 0 && difference <= 2) {
		return 0, fmt.Errorf("difference must be above 0 and at most 2, not %v", difference)
	}
	if err := errors.Join(checkVariance(variance1), checkVariance(variance2)); err != nil {
		return 0, err
	}
	return responses(z/difference, variance1+variance2, "difference", difference)
}

// DetectableDifference is the other way round: the least true difference that so many responses on each side show with
// a chance of power, (z + z_power) √(variance₁ ÷ (n₁ + 3) + variance₂ ÷ (n₂ + 3)). Where it comes to more than 2, none
// is large enough. The sizes are 0 or more, and may be parts of a whole, as half of what there is.
func DetectableDifference(n1, variance1, n2, variance2, power, confidence float64) (float64, error) {
	z, err := quantileOfPower(power, confidence)
	if err != nil {
		return 0, err
	}
	if !(n1 >= 0 && n2 >= 0) {
		return 0, fmt.Errorf("sizes must be 0 or more, not %v and %v", n1, n2)
	}
	if err := errors.Join(checkVariance(variance1), checkVariance(variance2)); err != nil {
		return 0, err
	}
	return z * math.Sqrt(variance1/(n1+pseudoResponses)+variance2/(n2+pseudoResponses)), nil
}

// quantileOfPower is z of the confidence, two-sided, plus z of the power, one-sided: how many standard errors a true
// difference must be for that chance to be called significant.
func quantileOfPower(power, confidence float64) (float64, error) {
	z, err := quantile(confidence)
	if err != nil {
		return 0, err
	}
	if !(power > 0.5 && power < 1) {
		return 0, fmt.Errorf("power must be above 0.5 and below 1, not %v", power)
	}
	return z + math.Sqrt2*math.Erfinv(2*power-1), nil
}

func checkVariance(variance float64) error {
	if !(variance >= 0 && variance <= 1) {
		return fmt.Errorf("variance must lie between 0 and 1, not %v", variance)
	}
	return nil
}

// responses is the least n at which the variance of a mean, with the pseudo-responses, is that of ratio standard errors
// in 1; of names what asks for so many.
func responses(ratio, variance float64, of string, value float64) (int64, error) {
	n := math.Ceil(ratio*ratio*variance - pseudoResponses)
	// Put so that NaN, of an infinite ratio by a variance of 0, is refused as well.
	if !(n < math.MaxInt64) {
		return 0, fmt.Errorf("%s %v takes more responses than can be counted", of, value)
	}
	return max(int64(n), 1), nil
}

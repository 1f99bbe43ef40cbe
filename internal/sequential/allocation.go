package sequential

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// Alarm is the P below which a [Check] has failed: a warning that must be heeded may not come by chance.
const Alarm = 0.001

// Check is Pearson's χ² test of counts against what they should be.
type Check struct {
	// ChiSquare is Σ (counted − expected)² ÷ expected, and Freedom its degrees of freedom.
	ChiSquare float64
	Freedom   int
	// P is how often chance alone would give a ChiSquare at least this large, from 0 to 1. It is 0 where it is too small for a
	// float64.
	P float64
}

// Mismatch reports whether P is below [Alarm].
func (c Check) Mismatch() bool { return c.P < Alarm }

func newCheck(chiSquare float64, freedom int) Check {
	chiSquare = min(chiSquare, math.MaxFloat64)
	// The upper tail of χ² is the regularised incomplete gamma function: NIST Digital Library of Mathematical Functions, 8.2.4.
	p := mathext.GammaIncRegComp(float64(freedom)/2, chiSquare/2)
	return Check{ChiSquare: chiSquare, Freedom: freedom, P: min(max(p, 0), 1)}
}

// Below these χ² is no test: with 1 of 100 meant for a variant it would raise the alarm in up to 7 of 100 cases, and not in 1 of
// 1,000. Thin is what must be expected of each (Cochran, Some methods for strengthening the common χ² tests, Biometrics 10(4),
// 1954); where less is expected, plenty that came nevertheless are no chance either.
const (
	thin   = 5
	plenty = 2 * thin
)

// ErrWeights is returned where weights are not what [Shares] takes.
var ErrWeights = errors.New("weights must be above 0, and one of each variant")

// Shares tests whether counts are shared out by weights: those of the variants, in the same order, each above 0. It is false
// where there is nothing to check: fewer than two variants, or so few counts that fewer than 5 are expected of one and fewer than
// 10 came. The error wraps ErrWeights.
//
// This is the check for a sample ratio mismatch: Fabijan and others, Diagnosing sample ratio mismatch in online controlled
// experiments, KDD 2019. It is a test for one look: looked at all the time, P is below [Alarm] at some look in 2 or 3 of 100 sound
// experiments. A mismatch that comes and goes is chance; one that is there stays.
func Shares(counts []int64, weights []float64) (Check, bool, error) {
	if len(weights) != len(counts) {
		return Check{}, false, fmt.Errorf("%w: %d weights of %d variants", ErrWeights, len(weights), len(counts))
	}
	for _, w := range weights {
		// Put so that NaN is refused as well.
		if !(w > 0 && w <= math.MaxFloat64) {
			return Check{}, false, fmt.Errorf("%w: not %v", ErrWeights, w)
		}
	}
	if len(counts) < 2 {
		return Check{}, false, nil
	}
	all, whole := 0.0, 0.0
	largest := slices.Max(weights)
	for i, n := range counts {
		all += float64(n)
		whole += weights[i] / largest
	}
	chiSquare := 0.0
	for i, n := range counts {
		expected := all * (weights[i] / largest / whole)
		if expected < thin && n < plenty {
			return Check{}, false, nil
		}
		off := float64(n) - expected
		chiSquare += off * off / expected
	}
	return newCheck(chiSquare, len(counts)-1), true, nil
}

// Weeks tests whether the variants' shares stayed the same. Each week is the counts of all variants in it, always in the same
// order, and the weeks stand in the order in which they were. A week in which fewer than 5 are expected of a variant is put
// together with the next, and the last with those before: the first days of a week prove nothing. Variants with fewer than 10 in
// all are left out. It is false where there is nothing to check: a single week or variant is left.
func Weeks(weeks [][]int64) (Check, bool) {
	totals := plus(weeks)
	var looked []int // at these variants
	var all, rarest int64
	for v, n := range totals {
		if n < plenty {
			continue
		}
		if len(looked) == 0 || n < rarest {
			rarest = n
		}
		looked = append(looked, v)
		all += n
	}
	if len(looked) < 2 {
		return Check{}, false
	}
	// How many there must be in a stretch of weeks, so that enough of the rarest variant are expected among them.
	enough := thin * (float64(all) / float64(rarest))

	counted := func(counts []int64) (n int64) {
		for _, v := range looked {
			n += counts[v]
		}
		return n
	}
	var stretches [][]int64
	open := make([]int64, len(totals))
	for _, week := range weeks {
		open = plus([][]int64{open, week})
		if float64(counted(open)) >= enough {
			stretches = append(stretches, open)
			open = make([]int64, len(totals))
		}
	}
	if len(stretches) < 2 {
		return Check{}, false
	}
	last := &stretches[len(stretches)-1]
	*last = plus([][]int64{*last, open})

	chiSquare := 0.0
	for _, stretch := range stretches {
		share := float64(counted(stretch)) / float64(all)
		for _, v := range looked {
			expected := float64(totals[v]) * share
			off := float64(stretch[v]) - expected
			chiSquare += off * off / expected
		}
	}
	return newCheck(chiSquare, (len(stretches)-1)*(len(looked)-1)), true
}

// plus adds weeks up, variant by variant.
func plus(weeks [][]int64) []int64 {
	if len(weeks) == 0 {
		return nil
	}
	total := slices.Clone(weeks[0])
	for _, week := range weeks[1:] {
		for v, n := range week {
			total[v] += n
		}
	}
	return total
}

//go:build linux

package main

import (
	"math"
	"testing"
)

// A ratio is that of the turns, whatever their level: what slows both down tells nothing.
func TestRatio(t *testing.T) {
	for _, test := range []struct {
		first, second sample
		more, give    float64
	}{
		{sample{110, 55, 220}, sample{100, 50, 200}, 0.1, 0},
		{sample{100, 50}, sample{100, 50}, 0, 0},
		// Logarithms of 0.1 and -0.1: their standard error is 0.1.
		{sample{100 * math.Exp(0.1), 100}, sample{100, 100 * math.Exp(0.1)}, 0, 0.2},
	} {
		more, give := ratio(test.first, test.second)
		if math.Abs(more-test.more) > 1e-9 || math.Abs(give-test.give) > 1e-7 {
			t.Errorf("%v are %g more than %v, give or take %g, want %g and %g", test.first, more, test.second, give, test.more, test.give)
		}
	}
}

//go:build thorough

package nps

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// thorough says that there are some minutes to spare: go test -tags thorough -run EqualsThoroughly -timeout 1h
const thorough = true

// TestEqualsThoroughly does the same for every size up to 40 and some larger, for more truths and beside more sizes. Where
// next to nobody is passive few differences can be seen at all, and the bound is looser.
func TestEqualsThoroughly(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 55))
	for _, truth := range slices.Concat(nine, [][3]float64{
		{0.4, 0.2, 0.4}, {0.3, 0.1, 0.6}, {0.1, 0.2, 0.7}, {0.2, 0.1, 0.7}, {0.05, 0.1, 0.85}, {0.1, 0.05, 0.85}, {0.02, 0.08, 0.9},
		{0, 0.05, 0.95}, {0.05, 0.9, 0.05}, {0.475, 0.05, 0.475}, {0.25, 0.05, 0.7}, {0.01, 0.04, 0.95}, {0.5, 0, 0.5}, {0.3, 0, 0.7},
		{0.1, 0, 0.9}, {0.02, 0, 0.98},
	}) {
		bound := 0.055
		if truth[1] < 0.05 {
			bound = 0.065
		}
		known := map[int64][]outcome{}
		of := func(n int64) []outcome {
			if known[n] == nil {
				known[n] = outcomes(random, n, truth, 1500)
			}
			return known[n]
		}
		var most, mostByP float64
		var at, atByP [2]int64
		judge := func(n, other int64, byP, significant, bound float64) {
			if significant > bound {
				t.Errorf("%.4f of comparisons of %d with %d of %.3f are significant", significant, n, other, truth)
			}
			if significant > most {
				most, at = significant, [2]int64{n, other}
			}
			if byP > mostByP && n >= Fewest {
				mostByP, atByP = byP, [2]int64{n, other}
			}
		}
		for n := int64(1); n <= enumerable; n++ {
			if n > 40 && n%10 != 0 {
				continue
			}
			for _, other := range []int64{n, 5, 7, 10, 15, 20, 30, 50, 100, 300, 1000, 10000, everybody} {
				if other < n {
					continue
				}
				a, b := of(n), of(other)
				if other > enumerable && other < everybody && n > 50 {
					continue // they are drawn below
				}
				byP, significant := called(a, b)
				if other == everybody {
					judge(n, other, byP, significant, bound+0.002) // nothing smooths what so few can come to
				} else {
					judge(n, other, byP, significant, bound)
				}
			}
		}
		t.Logf("%.3f: %.4f at most, of %d; by P alone %.4f, of %d", truth, most, at, mostByP, atByP)
		const pairs = 100_000
		most, mostByP = 0, 0
		for _, n := range []int64{60, 100, 300, 1000} {
			for _, other := range []int64{300, 1000, 10000} {
				if other < n {
					continue
				}
				hits := 0.0
				for range pairs {
					if d, _ := Compare(dealt(random, n, truth), dealt(random, other, truth)); d.Significant() {
						hits++
					}
				}
				judge(n, other, 0, hits/pairs, bound+4*math.Sqrt(bound/pairs))
			}
		}
		t.Logf("%.3f: %.4f at most, of %d, by drawing %d", truth, most, at, pairs)
	}
}

package nps

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var thorough = flag.Bool("thorough", false, "enumerate more truths and sizes, which takes some minutes")

// nine are shares of detractors, passives and promoters among everybody, with scores of −50, three times 0, 30, 50, 70,
// 85 and 91.
var nine = [][3]float64{
	{0.6, 0.3, 0.1}, {0.45, 0.1, 0.45}, {1. / 3, 1. / 3, 1. / 3}, {0.25, 0.5, 0.25}, {0.2, 0.3, 0.5}, {0.1, 0.3, 0.6},
	{0.05, 0.2, 0.75}, {0.05, 0.05, 0.9}, {0.01, 0.07, 0.92},
}

// outcome is what a survey may find, with its chance, and what comparisons are made of.
type outcome struct {
	chance       float64
	counts       Counts
	score        float64
	below, above float64 // how far its interval reaches, squared
}

func newOutcome(chance float64, c Counts) outcome {
	s := c.sample()
	below, above := scoreTestReach(s.mirrored(), atSignificance), scoreTestReach(s, atSignificance)
	return outcome{chance, c, s.score(), below * below, above * above}
}

// enumerable is up to how many responses all outcomes are enumerated; above, draws stand for them.
const enumerable = 100

// outcomes are all that n responses may come to, but for those with next to no chance, or for large n, drawn ones.
func outcomes(random *rand.Rand, n int64, truth [3]float64, draws int) []outcome {
	var all []outcome
	if n > enumerable {
		for range draws {
			all = append(all, newOutcome(1/float64(draws), dealt(random, n, truth)))
		}
		return all
	}
	for d := range n + 1 {
		for p := range n + 1 - d {
			c := Counts{d, n - d - p, p}
			if chance := multinomial(c, truth); chance > 1e-9 {
				all = append(all, newOutcome(chance, c))
			}
		}
	}
	return all
}

// multinomial is how likely these counts are.
func multinomial(c Counts, truth [3]float64) float64 {
	log, _ := math.Lgamma(float64(c.N()) + 1)
	for k, n := range []int64{c.Detractors, c.Passives, c.Promoters} {
		if n > 0 {
			ways, _ := math.Lgamma(float64(n) + 1)
			log += float64(n)*math.Log(truth[k]) - ways
		}
	}
	return math.Exp(log)
}

// dealt draws counts, category by category.
func dealt(random *rand.Rand, n int64, truth [3]float64) Counts {
	d := binomial(random, n, truth[0])
	p := binomial(random, n-d, min(truth[2]/(1-truth[0]), 1))
	return Counts{d, n - d - p, p}
}

// binomial draws how many of n are chosen, by inversion from the likeliest number outwards.
func binomial(random *rand.Rand, n int64, share float64) int64 {
	if share <= 0 || n == 0 {
		return 0
	}
	if share >= 1 {
		return n
	}
	middle := int64(float64(n+1) * share)
	log := func(k int64) float64 { x, _ := math.Lgamma(float64(k) + 1); return x }
	up := math.Exp(log(n) - log(middle) - log(n-middle) + float64(middle)*math.Log(share) + float64(n-middle)*math.Log1p(-share))
	down, odds := up, share/(1-share)
	u := random.Float64() - up
	above, below := middle, middle
	for u > 0 && (above < n || below > 0) {
		if above < n {
			up *= float64(n-above) / float64(above+1) * odds
			above++
			if u -= up; u <= 0 {
				return above
			}
		}
		if below > 0 {
			down *= float64(below) / float64(n-below+1) / odds
			below--
			if u -= down; u <= 0 {
				return below
			}
		}
	}
	return middle
}

// excludesZero is whether the interval of a's score less b's leaves 0 out, from what the outcomes know.
func excludesZero(a, b *outcome) bool {
	difference := a.score - b.score
	if difference > 0 {
		return difference*difference > a.below+b.above
	}
	return difference*difference > a.above+b.below
}

// called is how often a and b, of the same truth, are called different, by P alone and by Significant.
func called(a, b []outcome) (byP, significant float64) {
	for i := range a {
		for j := range b {
			chance := a[i].chance * b[j].chance
			if chance < 1e-12 || !excludesZero(&a[i], &b[j]) {
				continue
			}
			byP += chance
			if *thorough && !delicate(a[i].counts.sample(), b[j].counts.sample()) {
				significant += chance
				continue
			}
			if d, _ := Compare(a[i].counts, b[j].counts); d.Significant() {
				significant += chance
			}
		}
	}
	return byP, significant
}

func TestThorough(t *testing.T) {
	if !*thorough {
		t.Skip("-thorough")
	}
	truths := append(slices.Clone(nine),
		[3]float64{0.4, 0.2, 0.4}, [3]float64{0.3, 0.1, 0.6}, [3]float64{0.1, 0.2, 0.7}, [3]float64{0.2, 0.1, 0.7},
		[3]float64{0.05, 0.1, 0.85}, [3]float64{0.1, 0.05, 0.85}, [3]float64{0.02, 0.08, 0.9}, [3]float64{0, 0.05, 0.95},
		[3]float64{0.01, 0.04, 0.95}, [3]float64{0.05, 0.9, 0.05}, [3]float64{0.475, 0.05, 0.475}, [3]float64{0.25, 0.05, 0.7},
		[3]float64{0.5, 0, 0.5}, [3]float64{0.3, 0, 0.7}, [3]float64{0.1, 0, 0.9}, [3]float64{0.02, 0, 0.98})
	var sizes []int64
	for n := int64(1); n <= 40; n++ {
		sizes = append(sizes, n)
	}
	sizes = append(sizes, 45, 50, 60, 70, 80, 100, 200, 500, 1000)
	type worst struct {
		rate, byP float64
		n, other  int64
		truth     [3]float64
	}
	var kinds [3][]worst
	random := rand.New(rand.NewPCG(5, 55))
	for k, truth := range truths {
		known := map[int64][]outcome{}
		get := func(n int64) []outcome {
			if known[n] == nil {
				known[n] = outcomes(random, n, truth, 1500)
			}
			return known[n]
		}
		kind := 0
		if k >= len(nine) {
			kind = 1
		}
		if truth[1] < 0.05 {
			kind = 2
		}
		for _, n := range sizes {
			for _, other := range []int64{n, 5, 7, 10, 15, 20, 30, 50, 100, 300, 1000, 10000} {
				if other < n || other == n && n > 100 {
					continue
				}
				a, b := get(n), get(other)
				if other > 100 && len(a)*len(b) > 3e6 {
					b = b[:300]
					b = slices.Clone(b)
					for i := range b {
						b[i].chance = 1. / 300
					}
				}
				byP, rate := called(a, b)
				kinds[kind] = append(kinds[kind], worst{rate, byP, n, other, truth})
			}
		}
		t.Log("done", truth)
	}
	for k, ws := range kinds {
		for _, by := range []bool{true, false} {
			slices.SortFunc(ws, func(a, b worst) int {
				if by && a.rate > b.rate || !by && a.byP > b.byP {
					return -1
				}
				return 1
			})
			t.Log("kind", k, "by Significant", by)
			for _, w := range ws[:12] {
				t.Logf("   %.4f (P alone %.4f) %d v %d %.3v", w.rate, w.byP, w.n, w.other, w.truth)
			}
		}
	}
}

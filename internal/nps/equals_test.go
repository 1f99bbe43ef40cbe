package nps

import (
	"math"
	"math/rand/v2"
	"testing"
)

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

// everybody stands for so large a body that its score is that of all.
const everybody = int64(1e9)

// outcomes are all that n responses may come to, but for those with next to no chance. For large n drawn ones stand for
// them, and for everybody there is one.
func outcomes(random *rand.Rand, n int64, truth [3]float64, draws int) []outcome {
	var all []outcome
	if n == everybody {
		d, p := int64(math.Round(truth[0]*float64(n))), int64(math.Round(truth[2]*float64(n)))
		return []outcome{newOutcome(1, Counts{d, n - d - p, p})}
	}
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
			if chance < 1e-9 || !excludesZero(&a[i], &b[j]) {
				continue
			}
			byP += chance
			if thorough && !delicate(a[i].counts.sample(), b[j].counts.sample()) {
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

// TestEqualsAreSeldomCalledDifferent has no more than 5.5 % of comparisons of equals called significant, whatever they
// answer and however many they are, and where P alone says more.
func TestEqualsAreSeldomCalledDifferent(t *testing.T) {
	most, mostByP := 0.0, 0.0
	for _, truth := range nine {
		known := map[int64][]outcome{}
		sizes := []int64{1, 3, 4, 5, 6, 8, 11, 14, 20, 21, 30, 100, everybody}
		for _, n := range sizes {
			known[n] = outcomes(nil, n, truth, 0)
		}
		for _, n := range sizes {
			for _, other := range []int64{5, 11, 20, n, everybody} {
				if other < n || n > 30 && other != everybody {
					continue
				}
				byP, significant := called(known[n], known[other])
				if significant > 0.055 {
					t.Errorf("%.4f of comparisons of %d with %d of %.2f are significant", significant, n, other, truth)
				}
				if n < Fewest && significant > 0 {
					t.Errorf("%.4f of comparisons of %d with %d are significant", significant, n, other)
				}
				most = max(most, significant)
				if n >= Fewest {
					mostByP = max(mostByP, byP)
				}
			}
		}
	}
	t.Logf("%.4f at most, by P alone %.4f from %d a side", most, mostByP, Fewest)
	if mostByP < 0.07 || most < 0.05 {
		t.Errorf("%.4f by P alone, %.4f significant: the bound above tells nothing", mostByP, most)
	}
}

// TestDifferencesAreCovered enumerates how often the interval holds the true difference of any two truths.
func TestDifferencesAreCovered(t *testing.T) {
	for _, sizes := range []struct {
		n, other    int64
		least, mean float64
	}{
		{5, 5, 0.935, 0.95}, {5, 50, 0.935, 0.95}, {10, 10, 0.94, 0.95}, {10, 50, 0.94, 0.95},
	} {
		// The outcomes are the same whatever the truth; what differs is how likely they are.
		type tally struct{ held, chance float64 }
		tallies := make([]tally, len(nine)*len(nine))
		chances := func(n int64) (all []outcome, chance [][]float64) {
			for d := range n + 1 {
				for p := range n + 1 - d {
					c := Counts{d, n - d - p, p}
					all = append(all, newOutcome(0, c))
					var of []float64
					for _, truth := range nine {
						of = append(of, multinomial(c, truth))
					}
					chance = append(chance, of)
				}
			}
			return all, chance
		}
		a, ofA := chances(sizes.n)
		b, ofB := chances(sizes.other)
		for i := range a {
			for j := range b {
				difference := a[i].score - b[j].score
				low := difference - math.Sqrt(a[i].below+b[j].above)
				high := difference + math.Sqrt(a[i].above+b[j].below)
				for k, truth := range nine {
					for l, other := range nine {
						chance := ofA[i][k] * ofB[j][l]
						tally := &tallies[k*len(nine)+l]
						tally.chance += chance
						if d := trueScore(truth) - trueScore(other); low-slack <= d && d <= high+slack {
							tally.held += chance
						}
					}
				}
			}
		}
		least, mean, at := 1.0, 0.0, 0
		for k, tally := range tallies {
			if math.Abs(tally.chance-1) > 1e-9 {
				t.Fatalf("chances add up to %v", tally.chance)
			}
			if tally.held < least {
				least, at = tally.held, k
			}
			mean += tally.held / float64(len(tallies))
		}
		t.Logf("%d and %d: %.4f for %.2f and %.2f, %.4f on average", sizes.n, sizes.other, least, nine[at/len(nine)], nine[at%len(nine)], mean)
		if least < sizes.least || mean < sizes.mean {
			t.Errorf("%d and %d: the interval holds the difference of %.2f and %.2f with %.4f, and %.4f on average", sizes.n, sizes.other, nine[at/len(nine)], nine[at%len(nine)], least, mean)
		}
	}
}

package nps

import (
	"math"
	"math/rand/v2"
	"testing"
)

// truths are shares of detractors, passives and promoters among everybody: even, leaning, nearly unanimous, divided.
var truths = [][3]float64{
	{1. / 3, 1. / 3, 1. / 3}, {0.25, 0.5, 0.25}, {0.1, 0.3, 0.6}, {0.05, 0.05, 0.9}, {0.45, 0.1, 0.45}, {0.6, 0.3, 0.1},
}

func trueScore(truth [3]float64) float64 { return truth[2] - truth[0] }

func holds(i Interval, x float64) bool { return i.Low <= x && x <= i.High }

// TestCoverage weighs every outcome of n responses with its probability: the exact share of intervals that hold the
// true score. Wald's must fail, or the bounds would prove nothing for the others.
func TestCoverage(t *testing.T) {
	factorial := func(n int64) float64 {
		x, _ := math.Lgamma(float64(n) + 1)
		return x
	}
	for _, n := range []int64{10, 20, 30, 80} {
		covered := map[Method][]float64{}
		for _, m := range methods {
			covered[m] = make([]float64, len(truths))
		}
		for d := range n + 1 {
			for p := range n + 1 - d {
				c := Counts{d, n - d - p, p}
				ways := factorial(n) - factorial(c.Detractors) - factorial(c.Passives) - factorial(c.Promoters)
				for _, m := range methods {
					i := interval(t, c, m, 0.95)
					for k, truth := range truths {
						if holds(i, trueScore(truth)) {
							covered[m][k] += math.Exp(ways + float64(c.Detractors)*math.Log(truth[0]) +
								float64(c.Passives)*math.Log(truth[1]) + float64(c.Promoters)*math.Log(truth[2]))
						}
					}
				}
			}
		}
		for m, least := range map[Method]float64{AdjustedWald: 0.93, ScoreTest: 0.94} {
			mean := 0.0
			for k, share := range covered[m] {
				if share < least || share > 0.98 {
					t.Errorf("%s covers %v of n = %d with %.4f, want %v to 0.98", m, truths[k], n, share, least)
				}
				mean += share / float64(len(truths))
			}
			if mean < 0.945 || mean > 0.965 {
				t.Errorf("%s covers n = %d with %.4f on average, want 0.945 to 0.965", m, n, mean)
			}
		}
		if n <= 20 {
			for k, share := range covered[Wald] {
				if share > 0.93 {
					t.Errorf("WALD covers %v of n = %d with %.4f: the bounds above tell nothing", truths[k], n, share)
				}
			}
		}
	}
}

// TestWorstCoverage has the figures that the methods' comments give, where they were found: the worst truths among all
// with shares in whole hundredths.
func TestWorstCoverage(t *testing.T) {
	for _, g := range []struct {
		n      int64
		method Method
		truth  [3]float64
		share  float64
	}{
		{10, AdjustedWald, [3]float64{0.01, 0.19, 0.8}, 0.879}, {10, ScoreTest, [3]float64{0.01, 0.19, 0.8}, 0.966},
		{20, AdjustedWald, [3]float64{0.01, 0.8, 0.19}, 0.914}, {30, AdjustedWald, [3]float64{0.01, 0.81, 0.18}, 0.922},
		{10, AdjustedWald, [3]float64{0.05, 0.4, 0.55}, 0.930}, {20, AdjustedWald, [3]float64{0.35, 0.1, 0.55}, 0.939},
		{30, AdjustedWald, [3]float64{0.5, 0.05, 0.45}, 0.940},
		{10, ScoreTest, [3]float64{0.01, 0.01, 0.98}, 0.900}, {20, ScoreTest, [3]float64{0.01, 0.02, 0.97}, 0.924},
		{30, ScoreTest, [3]float64{0.01, 0.68, 0.31}, 0.933}, {10, ScoreTest, [3]float64{0.4, 0.1, 0.5}, 0.940},
		{20, ScoreTest, [3]float64{0.1, 0.5, 0.4}, 0.944}, {30, ScoreTest, [3]float64{0.35, 0.6, 0.05}, 0.938},
	} {
		share := 0.0
		for d := range g.n + 1 {
			for p := range g.n + 1 - d {
				c := Counts{d, g.n - d - p, p}
				i := interval(t, c, g.method, 0.95)
				if score := trueScore(g.truth); i.Low-slack <= score && score <= i.High+slack {
					share += multinomial(c, g.truth)
				}
			}
		}
		if math.Abs(share-g.share) > 0.0005 {
			t.Errorf("%s covers %v of n = %d with %.4f, want %.3f", g.method, g.truth, g.n, share, g.share)
		}
	}
}

// drawn is n responses from everybody with a seeded source, score by score, so that the way from scores to counts is
// simulated too.
func drawn(random *rand.Rand, n int, truth [3]float64) Counts {
	var h Histogram
	for range n {
		switch u := random.Float64(); {
		case u < truth[0]:
			h.Record(random.IntN(firstPassive), 1)
		case u < truth[0]+truth[1]:
			h.Record(firstPassive+random.IntN(firstPromoter-firstPassive), 1)
		default:
			h.Record(firstPromoter+random.IntN(MaxScore+1-firstPromoter), 1)
		}
	}
	return h.Counts()
}

// TestSimulatedCoverage surveys the same people again and again. The source is seeded: a run is as good as any other,
// and the bounds are four standard deviations of 2,000 surveys beside those of TestCoverage.
func TestSimulatedCoverage(t *testing.T) {
	const surveys = 2000
	random := rand.New(rand.NewPCG(1601, 7235))
	for _, n := range []int{10, 20, 50, 150} {
		mean := map[Method]float64{}
		for _, truth := range truths {
			covered := map[Method]int{}
			seen := map[Counts][]bool{}
			for range surveys {
				c := drawn(random, n, truth)
				if seen[c] == nil {
					for _, m := range methods {
						seen[c] = append(seen[c], holds(interval(t, c, m, 0.95), trueScore(truth)))
					}
				}
				for k, held := range seen[c] {
					if held {
						covered[methods[k]]++
					}
				}
			}
			for _, m := range methods {
				share := float64(covered[m]) / surveys
				mean[m] += share / float64(len(truths))
				if m != Wald && (share < 0.91 || share > 0.99) {
					t.Errorf("%s holds the true score of %v in %.4f of surveys of %d", m, truth, share, n)
				}
			}
		}
		for _, m := range []Method{AdjustedWald, ScoreTest} {
			if mean[m] < 0.94 || mean[m] > 0.97 {
				t.Errorf("%s holds the true score in %.4f of surveys of %d, want 0.94 to 0.97", m, mean[m], n)
			}
		}
		if n <= 20 && mean[Wald] > 0.93 {
			t.Errorf("WALD holds the true score in %.4f of surveys of %d: the bounds above tell nothing", mean[Wald], n)
		}
	}
}

// TestSimulatedComparison compares surveys of different size: where the truth is the same, about one in twenty may be
// called significant, and wherever it is, about nineteen intervals in twenty hold the true difference.
func TestSimulatedComparison(t *testing.T) {
	const surveys = 3000
	random := rand.New(rand.NewPCG(11, 39))
	mean := 0.0
	for _, truth := range truths {
		for _, other := range [][3]float64{truth, {0.2, 0.3, 0.5}} {
			held, significant := 0, 0
			for range surveys {
				d, ok := CompareAdjustedWald(drawn(random, 20, truth), drawn(random, 35, other))
				if !ok {
					t.Fatal("no difference")
				}
				if holds(d.Interval, trueScore(truth)-trueScore(other)) {
					held++
				}
				if d.Significant() {
					significant++
				}
			}
			// Where nearly all agree on both sides the test is too careful, hence the wide bounds above.
			share := float64(held) / surveys
			mean += share / float64(2*len(truths))
			if share < 0.935 || share > 0.995 {
				t.Errorf("the interval holds the difference of %v and %v in %.4f of surveys", truth, other, share)
			}
			if wrong := float64(significant) / surveys; other == truth && (wrong < 0.005 || wrong > 0.065) {
				t.Errorf("%.4f of comparisons of %v with itself are significant", wrong, truth)
			}
		}
	}
	if mean < 0.945 || mean > 0.965 {
		t.Errorf("intervals hold the difference in %.4f of surveys on average, want 0.945 to 0.965", mean)
	}
}

package sequential

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func shares(t fataler, counts []int64, weights []float64) (Check, bool) {
	t.Helper()
	c, ok, err := Shares(counts, weights)
	if err != nil {
		t.Fatalf("Shares(%v, %v): %v", counts, weights, err)
	}
	return c, ok
}

// Mendel's peas, round and yellow to wrinkled and green, 9 : 3 : 3 : 1: χ² 0.470 with 3 degrees of freedom, p 0.925, in any textbook
// and in R's chisq.test. And the example of R's help for chisq.test, party by gender, of Agresti, An Introduction to Categorical Data
// Analysis, 2007, page 39: χ² 30.07 with 2 degrees of freedom, p 2.954e-07.
func TestTextbooks(t *testing.T) {
	peas, ok := shares(t, []int64{315, 108, 101, 32}, []float64{9, 3, 3, 1})
	if !ok || peas.Freedom != 3 || peas.Mismatch() {
		t.Errorf("peas: %+v, %v", peas, ok)
	}
	near(t, "χ² of peas", peas.ChiSquare, 0.470, 0.0005)
	near(t, "p of peas", peas.P, 0.925, 0.0005)
	parties, ok := Weeks([][]int64{{762, 327, 468}, {484, 239, 477}})
	if !ok || parties.Freedom != 2 || !parties.Mismatch() {
		t.Errorf("parties: %+v, %v", parties, ok)
	}
	near(t, "χ² of parties", parties.ChiSquare, 30.07, 0.005)
	nearly(t, "p of parties", parties.P, 2.954e-7, 0.0002)
}

// The example of Fabijan and others, Diagnosing sample ratio mismatch in online controlled experiments, KDD 2019: 821,588 users
// where 815,482 were meant to be as many, p 1.8e-6.
func TestPublishedMismatch(t *testing.T) {
	c, ok := shares(t, []int64{821588, 815482}, []float64{1, 1})
	if !ok || !c.Mismatch() {
		t.Errorf("%+v, %v", c, ok)
	}
	nearly(t, "p", c.P, 1.8e-6, 0.05/1.8)
}

// The upper tail of χ² has closed forms: by the error function for one degree of freedom, as a sum of Poisson probabilities for
// even ones, and for odd ones by steps of two from one.
func TestTails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		freedom := rapid.OneOf(rapid.IntRange(1, 12), rapid.IntRange(1, 5000)).Draw(t, "freedom")
		x := rapid.OneOf(rapid.Float64Range(0, 30), rapid.Float64Range(0, 3*float64(freedom)), rapid.Float64Range(0, 1300)).Draw(t, "χ²")
		want := 0.0
		from := 0.0
		if freedom%2 == 1 {
			want, from = math.Erfc(math.Sqrt(x/2)), 0.5
		}
		for a := from; a < float64(freedom)/2; a++ {
			// (x/2)^a e^(−x/2) ÷ Γ(a + 1)
			gamma, _ := math.Lgamma(a + 1)
			switch {
			case x > 0:
				want += math.Exp(a*math.Log(x/2) - x/2 - gamma)
			case a == 0:
				want++
			}
		}
		got := newCheck(x, freedom).P
		if math.Abs(got-want) > 1e-9*want && math.Abs(got-want) > 1e-300 {
			t.Fatalf("P(χ² of %d > %v) is %v, want %v", freedom, x, got, want)
		}
	})
	for _, x := range []float64{1e5, 1e18, math.MaxFloat64, math.Inf(1)} {
		if c := newCheck(x, 3); c.P != 0 || c.ChiSquare > math.MaxFloat64 || !c.Mismatch() {
			t.Errorf("P(χ² > %v) is %v", x, c)
		}
	}
	if c := newCheck(0, 3); c.P != 1 {
		t.Errorf("P(χ² ≥ 0) is %v", c.P)
	}
}

// TestFalseAlarms weighs every outcome of n responses to two variants with its probability: the exact share of false alarms, which
// where few are meant for one would be up to 68 of 1,000 were all counts tested. It is promised to be 1 of 1,000 and held within 5.
func TestFalseAlarms(t *testing.T) {
	worst := 0.0
	for _, share := range []float64{0.5, 0.2, 0.1, 0.05, 0.01, 0.001} {
		for n := int64(1); n <= 700; n += 1 + n/40 {
			alarms, unchecked := 0.0, 0.0
			for k := range n + 1 {
				all, _ := math.Lgamma(float64(n) + 1)
				these, _ := math.Lgamma(float64(k) + 1)
				those, _ := math.Lgamma(float64(n-k) + 1)
				probability := math.Exp(all - these - those + float64(k)*math.Log(share) + float64(n-k)*math.Log1p(-share))
				if c, ok := shares(t, []int64{k, n - k}, []float64{share, 1 - share}); !ok {
					unchecked += probability
				} else if c.Mismatch() {
					alarms += probability
				}
			}
			worst = max(worst, alarms)
			if alarms > 0.005 {
				t.Errorf("of %d, with a share of %v: %.4f false alarms", n, share, alarms)
			}
			if math.Min(share, 1-share)*float64(n) >= 5 && unchecked > 0 {
				t.Errorf("of %d, with a share of %v, %.4f are not checked", n, share, unchecked)
			}
		}
	}
	t.Logf("at worst %.4f", worst)
	if worst < 0.001 {
		t.Errorf("at worst %.4f false alarms: the bound above tells nothing", worst)
	}
}

func TestShares(t *testing.T) {
	for _, test := range []struct {
		counts   []int64
		weights  []float64
		ok       bool
		mismatch bool
	}{
		{nil, nil, false, false},
		{[]int64{50}, []float64{3}, false, false},
		{[]int64{0, 0}, []float64{1, 1}, false, false},
		{[]int64{9, 0}, []float64{1, 1}, false, false},
		{[]int64{10, 0}, []float64{1, 1}, true, false},
		{[]int64{20, 0}, []float64{1, 1}, true, true},
		{[]int64{500, 9}, []float64{999, 1}, false, false},
		// Far more than meant, where hardly any were expected.
		{[]int64{500, 10}, []float64{999, 1}, true, true},
		{[]int64{500, 500}, []float64{1, 1e-300}, true, true},
		{[]int64{500, 500}, []float64{math.MaxFloat64, 5e-324}, true, true},
		{[]int64{900, 100}, []float64{9, 1}, true, false},
		{[]int64{900, 100}, []float64{0.9, 0.1}, true, false},
	} {
		c, ok := shares(t, test.counts, test.weights)
		if ok != test.ok || ok && c.Mismatch() != test.mismatch {
			t.Errorf("Shares(%v, %v) = %+v, %v", test.counts, test.weights, c, ok)
		}
	}
	for _, weights := range [][]float64{{1}, {1, 0}, {1, -1}, {1, math.NaN()}, {math.Inf(1), 1}} {
		if c, ok, err := Shares([]int64{10, 10}, weights); !errors.Is(err, ErrWeights) || ok {
			t.Errorf("Shares by %v = %v, %v, %v", weights, c, ok, err)
		}
	}
}

func TestWeeks(t *testing.T) {
	for _, test := range []struct {
		name    string
		weeks   [][]int64
		ok      bool
		freedom int
		same    [][]int64 // what it must be tested like
	}{
		{"no week", nil, false, 0, nil},
		{"weeks of no variants", [][]int64{{}, {}}, false, 0, nil},
		{"one week", [][]int64{{100, 100}}, false, 0, nil},
		{"one variant", [][]int64{{100}, {100}}, false, 0, nil},
		{"weeks that nobody answered", [][]int64{{0, 0}, {0, 0}}, false, 0, nil},
		{"one week that somebody answered", [][]int64{{0, 0}, {100, 100}, {0, 0}}, false, 0, nil},
		{"two weeks", [][]int64{{100, 100}, {90, 110}}, true, 1, nil},
		{"a week between that nobody answered", [][]int64{{100, 100}, {0, 0}, {90, 110}}, true, 1, [][]int64{{100, 100}, {90, 110}}},
		{"a variant that nobody answered", [][]int64{{100, 0, 100}, {90, 0, 110}}, true, 1, [][]int64{{100, 100}, {90, 110}}},
		{"a variant that nine answered", [][]int64{{100, 0, 100}, {90, 9, 110}}, true, 1, [][]int64{{100, 100}, {90, 110}}},
		{"a variant that ten answered", [][]int64{{100, 0, 105}, {90, 10, 105}}, true, 2, nil},
		{"a week that has just begun", [][]int64{{100, 100}, {90, 110}, {0, 3}}, true, 1, [][]int64{{100, 100}, {90, 113}}},
		{"a week that was hardly one", [][]int64{{0, 3}, {100, 100}, {90, 110}}, true, 1, [][]int64{{100, 103}, {90, 110}}},
		{"thin weeks", [][]int64{{2, 3}, {3, 2}, {2, 3}, {3, 2}}, true, 1, [][]int64{{5, 5}, {5, 5}}},
		{"a variant for which few were meant", [][]int64{{90, 5}, {80, 5}, {10, 0}, {90, 10}, {90, 0}}, true, 2, [][]int64{{90, 5}, {90, 5}, {180, 10}}},
	} {
		c, ok := Weeks(test.weeks)
		if ok != test.ok || c.Freedom != test.freedom {
			t.Errorf("%s: %+v, %v, want %d degrees of freedom, %v", test.name, c, ok, test.freedom, test.ok)
		}
		if test.same != nil {
			like, _ := Weeks(test.same)
			nearly(t, test.name+": χ²", c.ChiSquare, like.ChiSquare, 1e-12)
		}
	}
	// One after the other instead of side by side.
	if c, ok := Weeks([][]int64{{100, 0}, {0, 100}}); !ok || !c.Mismatch() {
		t.Errorf("one after the other: %+v, %v", c, ok)
	}
	if c, ok := Weeks([][]int64{{1e17, 1e17}, {1e17, 0}}); !ok || !c.Mismatch() || c.P != 0 {
		t.Errorf("of very many: %+v, %v", c, ok)
	}
}

// Of weeks that are not thin, χ² is the textbook's; here by a formula of its own, N (Σ o² ÷ (row × column) − 1).
func TestWeeksByHand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(2, 5).Draw(t, "variants")
		weeks := rapid.SliceOfN(rapid.SliceOfN(rapid.Int64Range(40, 400), k, k), 2, 6).Draw(t, "weeks")
		totals := plus(weeks)
		n, sum := 0.0, 0.0
		for _, total := range totals {
			n += float64(total)
		}
		for _, week := range weeks {
			row := 0.0
			for _, counted := range week {
				row += float64(counted)
			}
			for v, counted := range week {
				sum += float64(counted) * float64(counted) / row / float64(totals[v])
			}
		}
		c, ok := Weeks(weeks)
		if !ok || c.Freedom != (len(weeks)-1)*(k-1) {
			t.Fatalf("%+v, %v", c, ok)
		}
		near(t, "χ²", c.ChiSquare, n*(sum-1), 1e-8)
	})
}

// TestFalseAlarmsOfWeeks draws weeks in which the shares stay the same, the last of them just begun: as they are most often looked
// at. With every week tested as it is, 8, 43 and 55 of 1,000 of the last three would be false alarms.
func TestFalseAlarmsOfWeeks(t *testing.T) {
	const draws = 4000
	random := rand.New(rand.NewPCG(7, 52))
	for _, test := range []struct {
		share float64
		weeks []int
	}{
		{0.5, []int{60, 60, 60, 2}}, {0.1, []int{60, 60, 60, 2}}, {0.05, []int{100, 100, 100, 1}}, {0.02, []int{3, 200, 300, 300, 2}},
	} {
		alarms, checked := 0, 0
		for range draws {
			var weeks [][]int64
			for _, n := range test.weeks {
				week := make([]int64, 2)
				for range n {
					if random.Float64() < test.share {
						week[0]++
					} else {
						week[1]++
					}
				}
				weeks = append(weeks, week)
			}
			if c, ok := Weeks(weeks); ok {
				checked++
				if c.Mismatch() {
					alarms++
				}
			}
		}
		name := fmt.Sprintf("%v with a share of %v", test.weeks, test.share)
		t.Logf("%s: %d false alarms in %d", name, alarms, checked)
		if most := 0.002*draws + 4*math.Sqrt(0.002*draws); float64(alarms) > most {
			t.Errorf("%s: %d false alarms in %d, want at most %.0f", name, alarms, checked, most)
		}
		if checked < draws/2 {
			t.Errorf("%s: only %d of %d are checked", name, checked, draws)
		}
	}
}

package sequential

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/zeroten/zeroten/internal/nps"
)

// triple is counts as the golden file writes them: detractors, passives, promoters.
type triple [3]int64

func (t triple) counts() nps.Counts {
	return nps.Counts{Detractors: t[0], Passives: t[1], Promoters: t[2]}
}

// fataler is what *testing.T and *rapid.T have in common here.
type fataler interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func near(t fataler, what string, got, want, slack float64) {
	t.Helper()
	if !(math.Abs(got-want) <= slack) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// nearly is near by ratio, for what may be very small.
func nearly(t fataler, what string, got, want, slack float64) {
	t.Helper()
	if !(math.Abs(got-want) <= slack*math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	type check struct {
		Chi2, P  float64
		DF       int
		Mismatch bool
	}
	type change struct {
		Estimate, Z, P float64
		AdjustedP      *float64
		Comparisons    int
		Interval       [2]float64
	}
	var golden struct {
		Experiments []struct {
			Variants   map[string]triple
			Weights    []float64
			Weeks      [][]int64
			Difference float64 // in points
			Out        struct {
				SampleRatio, Allocation *check
				Planned                 int64
				Comparisons             []struct {
					Pair          [2]string
					Once, Anytime *change
				}
				Verdict Verdict
				Winner  string
				Reason  Reason
			}
		}
		SampleRatio []struct {
			Counts []int64
			P      float64
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Experiments) == 0 || len(golden.SampleRatio) == 0 {
		t.Fatal("golden file lacks values")
	}
	for i, g := range golden.Experiments {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			names := slices.Sorted(maps.Keys(g.Variants))
			var variants []nps.Counts
			for _, name := range names {
				variants = append(variants, g.Variants[name].counts())
			}
			x, err := Judge(variants, Plan{Weights: g.Weights, Difference: g.Difference / 100, Power: 0.8})
			if err != nil {
				t.Fatal(err)
			}
			if x.Reason != g.Out.Reason {
				t.Fatalf("reason %q, want %q", x.Reason, g.Out.Reason)
			}
			if x.Reason != "" {
				if x.Verdict != TooEarly || x.Winner != -1 || x.Planned != 0 || x.SampleRatio != nil {
					t.Errorf("%+v where there is no answer", x)
				}
				return
			}
			winner := ""
			if x.Winner >= 0 {
				winner = names[x.Winner]
			}
			if x.Verdict != g.Out.Verdict || winner != g.Out.Winner || x.Planned != g.Out.Planned {
				t.Errorf("%s, winner %q, planned %d, want %s, %q, %d", x.Verdict, winner, x.Planned, g.Out.Verdict, g.Out.Winner, g.Out.Planned)
			}
			var allocation *Check
			if c, ok := Weeks(g.Weeks); ok {
				allocation = &c
			}
			for name, c := range map[string]struct {
				got  *Check
				want *check
				df   int
			}{"sample ratio": {x.SampleRatio, g.Out.SampleRatio, len(names) - 1}, "allocation": {allocation, g.Out.Allocation, 0}} {
				if (c.got == nil) != (c.want == nil) {
					t.Errorf("%s is %v, want %v", name, c.got, c.want)
				}
				if c.got == nil || c.want == nil {
					continue
				}
				nearly(t, name+"'s χ²", c.got.ChiSquare, c.want.Chi2, 1e-9)
				nearly(t, name+"'s p", c.got.P, c.want.P, 1e-9)
				if df := max(c.want.DF, c.df); c.got.Freedom != df {
					t.Errorf("%s has %d degrees of freedom, want %d", name, c.got.Freedom, df)
				}
				if name == "sample ratio" && c.got.Mismatch() != c.want.Mismatch {
					t.Errorf("%s: mismatch %v", name, c.got.Mismatch())
				}
			}
			if len(x.Comparisons) != len(g.Out.Comparisons) {
				t.Fatalf("%d comparisons, want %d", len(x.Comparisons), len(g.Out.Comparisons))
			}
			// What may be looked at once is of package nps, in the same order.
			var once []*nps.Difference
			for _, c := range x.Comparisons {
				d, ok := nps.Compare(variants[c.Variant], variants[c.Against])
				if !ok {
					t.Fatalf("no comparison of %v", variants)
				}
				once = append(once, &d)
			}
			family := nps.Beside(once)
			adjusted := family.Adjusted()
			for j, want := range g.Out.Comparisons {
				c := x.Comparisons[j]
				near(t, "once", once[j].Estimate, want.Once.Estimate, 1e-9)
				near(t, "once: low end", once[j].Interval().Low, want.Once.Interval[0], 1e-9)
				near(t, "once: high end", once[j].Interval().High, want.Once.Interval[1], 1e-9)
				near(t, "once: z", once[j].Z(), want.Once.Z, 1e-8)
				nearly(t, "once: p", once[j].P(), want.Once.P, 1e-6)
				nearly(t, "once: adjusted p", adjusted[j].P, *want.Once.AdjustedP, 1e-6)
				if family.Comparisons() != want.Once.Comparisons {
					t.Errorf("%d comparisons, want %d", family.Comparisons(), want.Once.Comparisons)
				}
				pair := fmt.Sprint(want.Pair)
				if names[c.Variant] != want.Pair[0] || names[c.Against] != want.Pair[1] {
					t.Errorf("pair %d is %s and %s, want %s", j, names[c.Variant], names[c.Against], pair)
				}
				if (c.Anytime == nil) != (want.Anytime == nil) {
					t.Errorf("%s at any time: %v, want %v", pair, c.Anytime, want.Anytime)
				}
				if c.Anytime == nil || want.Anytime == nil {
					continue
				}
				near(t, pair+"'s estimate", c.Anytime.Estimate, want.Anytime.Estimate, 1e-9)
				near(t, pair+"'s low end", c.Anytime.Interval.Low, want.Anytime.Interval[0], 1e-9)
				near(t, pair+"'s high end", c.Anytime.Interval.High, want.Anytime.Interval[1], 1e-9)
				nearly(t, pair+"'s p", c.Anytime.P, want.Anytime.P, 1e-9)
				nearly(t, pair+"'s adjusted p", c.Anytime.AdjustedP, *want.Anytime.AdjustedP, 1e-9)
			}
		})
	}
	for _, g := range golden.SampleRatio {
		c, ok, err := Shares(g.Counts, equal(len(g.Counts)))
		if !ok || err != nil {
			t.Fatalf("no check of %v: %v", g.Counts, err)
		}
		nearly(t, fmt.Sprintf("p of %v", g.Counts), c.P, g.P, 1e-9)
	}
}

func equal(n int) []float64 {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = 1
	}
	return weights
}

var plan = Plan{Difference: 0.1, Power: 0.8}

func judge(t fataler, variants []nps.Counts, plan Plan) Experiment {
	t.Helper()
	x, err := Judge(variants, plan)
	if err != nil {
		t.Fatalf("Judge(%v, %+v): %v", variants, plan, err)
	}
	return x
}

// mixture is 1 ÷ p as it is defined: how much more likely the difference seen is where the true one is drawn from a normal
// distribution around 0, than where there is none. Simpson's rule over ± 12 standard deviations of what remains likely.
func mixture(seen, variance, tau float64) float64 {
	center := seen * tau * tau / (tau*tau + variance)
	width := 12 * math.Sqrt(tau*tau*variance/(tau*tau+variance))
	const steps = 4000
	sum := 0.0
	for i := range steps + 1 {
		weight := 2.0
		switch {
		case i == 0 || i == steps:
			weight = 1
		case i%2 == 1:
			weight = 4
		}
		theta := center - width + 2*width*float64(i)/steps
		prior := math.Exp(-theta*theta/(2*tau*tau)) / math.Sqrt(2*math.Pi*tau*tau)
		sum += weight * prior * math.Exp((seen*seen-(seen-theta)*(seen-theta))/(2*variance))
	}
	return sum * 2 * width / steps / 3
}

func someCounts() *rapid.Generator[nps.Counts] {
	return rapid.Custom(func(t *rapid.T) nps.Counts {
		part := rapid.OneOf(rapid.Int64Range(0, 40), rapid.Int64Range(0, 2000))
		return nps.Counts{Detractors: part.Draw(t, "detractors"), Passives: part.Draw(t, "passives"), Promoters: part.Draw(t, "promoters")}
	}).Filter(func(c nps.Counts) bool { return c.N() >= MinResponses })
}

func TestMixtureByQuadrature(t *testing.T) {
	tested := 0
	rapid.Check(t, func(t *rapid.T) {
		a, b, tau := someCounts().Draw(t, "a"), someCounts().Draw(t, "b"), rapid.Float64Range(0.01, 2).Draw(t, "τ")
		naive := func(c nps.Counts) (score, variance float64) {
			d, p, n := float64(c.Detractors), float64(c.Promoters), float64(c.N())
			score = (p - d) / n
			d, p, n = d+0.75, p+0.75, n+3
			return score, ((p+d)/n - (p-d)*(p-d)/n/n) / n
		}
		scoreA, varianceA := naive(a)
		scoreB, varianceB := naive(b)
		x := anytime(a, b, tau)
		near(t, "estimate", x.Estimate, scoreA-scoreB, 1e-12)
		if odds := mixture(scoreA-scoreB, varianceA+varianceB, tau); odds < 1e280 {
			nearly(t, "p", x.P, min(1/odds, 1), 1e-6)
			tested++
		}
		// The interval holds all differences that would not be refused: at its ends p is 0.05.
		for _, end := range []float64{x.Interval.Low, x.Interval.High} {
			if end > -2 && end < 2 {
				nearly(t, "p at an end", 1/mixture(x.Estimate-end, varianceA+varianceB, tau), 0.05, 1e-6)
			}
		}
	})
	if tested == 0 {
		t.Error("nothing was tested")
	}
}

func TestVerdicts(t *testing.T) {
	of := func(d, p, n int64) nps.Counts { return nps.Counts{Detractors: d, Passives: n - d - p, Promoters: p} }
	good, fair, poor := of(1000, 6000, 10000), of(2000, 5000, 10000), of(4000, 3000, 10000)
	for name, test := range map[string]struct {
		variants []nps.Counts
		weights  []float64
		verdict  Verdict
		winner   int
		reason   Reason
	}{
		"no variants":                           {nil, nil, TooEarly, -1, NoResponses},
		"one that nobody answered":              {[]nps.Counts{{}}, nil, TooEarly, -1, NoResponses},
		"one":                                   {[]nps.Counts{good}, nil, TooEarly, -1, OneGroup},
		"all that nobody answered":              {[]nps.Counts{{}, {}, {}}, nil, TooEarly, -1, NoResponses},
		"nobody was shown the other":            {[]nps.Counts{good, {}}, nil, Invalid, -1, ""},
		"nobody answered the other yet":         {[]nps.Counts{of(1, 5, 9), {}}, nil, TooEarly, -1, ""},
		"99 of one":                             {[]nps.Counts{of(10, 60, 100), of(10, 60, 99)}, nil, TooEarly, -1, ""},
		"100 each":                              {[]nps.Counts{of(10, 60, 100), of(10, 60, 100)}, nil, Undecided, -1, ""},
		"a winner":                              {[]nps.Counts{fair, good, poor}, nil, Winner, 1, ""},
		"a winner that should have had more":    {[]nps.Counts{fair, good}, []float64{1, 2}, Invalid, -1, ""},
		"two winners are none":                  {[]nps.Counts{good, good, poor}, nil, Undecided, -1, ""},
		"a loser":                               {[]nps.Counts{good, poor}, nil, Winner, 0, ""},
		"the same":                              {[]nps.Counts{good, good, good}, nil, NoRelevantDifference, -1, ""},
		"a winner by less than what matters":    {[]nps.Counts{of(10000, 60000, 100000), of(12000, 60000, 100000)}, nil, Winner, 0, ""},
		"all the same, one with few":            {[]nps.Counts{good, good, of(1, 6, 10)}, []float64{1000, 1000, 1}, TooEarly, -1, ""},
		"unanimous, apart":                      {[]nps.Counts{{Promoters: 500}, {Detractors: 500}}, nil, Winner, 0, ""},
		"unanimous, together":                   {[]nps.Counts{{Promoters: 500}, {Promoters: 500}}, nil, NoRelevantDifference, -1, ""},
		"so many that p is 0":                   {[]nps.Counts{{Promoters: 1e15}, {Detractors: 1e15}, {Passives: 1e15}}, nil, Winner, 0, ""},
		"shares that are off by many":           {[]nps.Counts{{Promoters: 1e15}, {Promoters: 9e14}}, nil, Invalid, -1, ""},
		"weights that do not fit each other":    {[]nps.Counts{good, good}, []float64{math.MaxFloat64, 5e-324}, Invalid, -1, ""},
		"weights whose sum would not be finite": {[]nps.Counts{good, good}, []float64{math.MaxFloat64, math.MaxFloat64}, NoRelevantDifference, -1, ""},
	} {
		x := judge(t, test.variants, Plan{Weights: test.weights, Difference: 0.1, Power: 0.8})
		if x.Verdict != test.verdict || x.Winner != test.winner || x.Reason != test.reason {
			t.Errorf("%s: %s, winner %d, reason %q, want %s, %d, %q", name, x.Verdict, x.Winner, x.Reason, test.verdict, test.winner, test.reason)
		}
	}
}

// A pair is corrected for those too that are not tested yet, so that what is said of it does not change as they are.
func TestPairsToCome(t *testing.T) {
	a, b := nps.Counts{Detractors: 20, Passives: 60, Promoters: 120}, nps.Counts{Detractors: 50, Passives: 60, Promoters: 90}
	x := judge(t, []nps.Counts{a, b, {Promoters: 99}}, plan)
	first := x.Comparisons[0].Anytime
	if first == nil || x.Comparisons[1].Anytime != nil || x.Comparisons[2].Anytime != nil {
		t.Fatalf("comparisons %+v", x.Comparisons)
	}
	nearly(t, "adjusted p", first.AdjustedP, 3*first.P, 1e-12)
}

func TestArguments(t *testing.T) {
	variants := []nps.Counts{{Promoters: 200}, {Promoters: 200}}
	for name, plan := range map[string]Plan{
		"no difference":        {Difference: 0, Power: 0.8},
		"negative difference":  {Difference: -0.1, Power: 0.8},
		"difference of 3":      {Difference: 3, Power: 0.8},
		"difference NaN":       {Difference: math.NaN(), Power: 0.8},
		"power of a coin":      {Difference: 0.1, Power: 0.5},
		"power of 1":           {Difference: 0.1, Power: 1},
		"power NaN":            {Difference: 0.1, Power: math.NaN()},
		"too few weights":      {Weights: []float64{1}, Difference: 0.1, Power: 0.8},
		"a weight of 0":        {Weights: []float64{1, 0}, Difference: 0.1, Power: 0.8},
		"a negative weight":    {Weights: []float64{1, -1}, Difference: 0.1, Power: 0.8},
		"a weight NaN":         {Weights: []float64{1, math.NaN()}, Difference: 0.1, Power: 0.8},
		"an infinite weight":   {Weights: []float64{1, math.Inf(1)}, Difference: 0.1, Power: 0.8},
		"smallest of all":      {Weights: []float64{1, math.Inf(-1)}, Difference: 0.1, Power: 0.8},
		"difference below all": {Difference: math.Inf(-1), Power: 0.8},
	} {
		if x, err := Judge(variants, plan); err == nil {
			t.Errorf("%s: %+v, want an error", name, x)
		}
	}
}

func TestPlanned(t *testing.T) {
	// Where all is even the variance is 1, or ⅔: 1,567 and 1,044 of each for ten points, as statsmodels' NormalIndPower has it;
	// the pseudo-responses are lost in so many.
	for c, want := range map[nps.Counts]int64{
		{Detractors: 5e14, Promoters: 5e14}:                 1567,
		{Detractors: 3e14, Passives: 3e14, Promoters: 3e14}: 1044,
	} {
		if x := judge(t, []nps.Counts{c, c}, plan); x.Planned != want {
			t.Errorf("of twice %v: planned %d, want %d", c, x.Planned, want)
		}
	}
	if x := judge(t, []nps.Counts{{Promoters: 1e15}, {}}, Plan{Difference: 2, Power: 0.51}); x.Planned != 1 {
		t.Errorf("of all promoters: %d, want 1", x.Planned)
	}
	x := judge(t, []nps.Counts{{Promoters: 200}, {Promoters: 200}}, Plan{Difference: 1e-300, Power: math.Nextafter(1, 0)})
	if i := x.Comparisons[0].Anytime.Interval; x.Planned != 0 || i.Low != -2 || i.High != 2 || x.Comparisons[0].Anytime.P != 1 {
		t.Errorf("for next to no difference: %+v", x)
	}
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int64{3, 200, 5000, 1e15}).Draw(t, "most")
		part := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 50), rapid.Int64Range(0, most))
		k := rapid.IntRange(0, 5).Draw(t, "variants")
		variants := make([]nps.Counts, k)
		for i := range variants {
			variants[i] = nps.Counts{Detractors: part.Draw(t, "detractors"), Passives: part.Draw(t, "passives"), Promoters: part.Draw(t, "promoters")}
		}
		plan := Plan{
			Weights:    rapid.SliceOfN(rapid.OneOf(rapid.Just(1.0), rapid.Float64Range(0.1, 10), rapid.Float64Range(5e-324, math.MaxFloat64)), k, k).Draw(t, "weights"),
			Difference: rapid.OneOf(rapid.Float64Range(0.01, 2), rapid.Float64Range(5e-324, 2)).Draw(t, "difference"),
			Power:      rapid.Float64Range(0.500001, 0.999999).Draw(t, "power"),
		}
		weeks := rapid.SliceOfN(rapid.SliceOfN(part, k, k), 0, 6).Draw(t, "weeks")
		x := judge(t, variants, plan)

		if x.Planned < 0 || (x.Reason == "") != (len(x.Comparisons) > 0 && slices.ContainsFunc(variants, func(c nps.Counts) bool { return c.N() > 0 })) {
			t.Fatalf("%+v", x)
		}
		checks := []*Check{x.SampleRatio}
		if c, ok := Weeks(weeks); ok {
			checks = append(checks, &c)
		}
		for _, c := range checks {
			if c != nil && !(c.ChiSquare >= 0 && c.ChiSquare <= math.MaxFloat64 && c.Freedom > 0 && c.P >= 0 && c.P <= 1) {
				t.Fatalf("check %+v", c)
			}
		}
		if len(x.Comparisons) != k*(k-1)/2 {
			t.Fatalf("%d comparisons of %d", len(x.Comparisons), k)
		}
		for _, c := range x.Comparisons {
			if (c.Anytime == nil) != (variants[c.Variant].N() < MinResponses || variants[c.Against].N() < MinResponses) {
				t.Fatalf("comparison %+v", c)
			}
			a := c.Anytime
			if a == nil {
				continue
			}
			if !(a.P >= 0 && a.P <= a.AdjustedP && a.AdjustedP <= 1 && -2 <= a.Interval.Low && a.Interval.Low <= a.Estimate &&
				a.Estimate <= a.Interval.High && a.Interval.High <= 2) {
				t.Fatalf("comparison %+v", a)
			}
			if away := a.Interval.Low > 0 || a.Interval.High < 0; away != (a.P < nps.Significance) && math.Abs(a.P-nps.Significance) > 1e-9 {
				t.Fatalf("interval %v and p %v contradict each other", a.Interval, a.P)
			}
		}

		// The order of variants is nobody's business.
		order := make([]int, k)
		for i := range order {
			order[i] = i
		}
		order = rapid.Permutation(order).Draw(t, "order")
		moved := make([]nps.Counts, k)
		other := Plan{Weights: make([]float64, k), Difference: plan.Difference, Power: plan.Power}
		for i, j := range order {
			moved[i], other.Weights[i] = variants[j], plan.Weights[j]
		}
		y := judge(t, moved, other)
		if x.SampleRatio != nil && y.SampleRatio != nil {
			nearly(t, "χ² in another order", y.SampleRatio.ChiSquare, x.SampleRatio.ChiSquare, 1e-6)
		}
		winner := y.Winner
		if winner >= 0 {
			winner = order[winner]
		}
		if x.SampleRatio == nil || math.Abs(x.SampleRatio.P-Alarm) > 1e-9 {
			if y.Verdict != x.Verdict || winner != x.Winner || y.Planned != x.Planned {
				t.Fatalf("in another order: %+v, not %+v", y, x)
			}
		}
	})
}

// people draws answers with a seeded source.
type people struct{ detractors, passives float64 }

func (p people) answer(random *rand.Rand, c *nps.Counts) {
	switch u := random.Float64(); {
	case u < p.detractors:
		c.Detractors++
	case u < p.detractors+p.passives:
		c.Passives++
	default:
		c.Promoters++
	}
}

// TestLookingAllTheTime looks at two variants of the same people after every ten responses of each, up to 5,000: whatever the
// people, they may ever be called different in at most 5 % of experiments, and four standard errors. The same looks with the test
// for one look must call more than that different, or the bound would tell nothing.
func TestLookingAllTheTime(t *testing.T) {
	const experiments = 300
	random := rand.New(rand.NewPCG(1970, 2022))
	for _, all := range []people{{0.15, 0.3}, {0.02, 0.06}, {0.45, 0.1}} {
		ever, naive := 0, 0
		for range experiments {
			var a, b nps.Counts
			called, calledOnce := false, false
			for n := 1; n <= 5000; n++ {
				all.answer(random, &a)
				all.answer(random, &b)
				if n%10 != 0 || n < MinResponses {
					continue
				}
				x := anytime(a, b, 0.1)
				called = called || x.P < nps.Significance
				if !calledOnce {
					d, _ := nps.CompareAdjustedWald(a, b)
					calledOnce = d.Significant()
				}
			}
			if called {
				ever++
			}
			if calledOnce {
				naive++
			}
		}
		share, shareOnce := float64(ever)/experiments, float64(naive)/experiments
		t.Logf("%v: ever called different %.3f, with the test for one look %.3f", all, share, shareOnce)
		if most := 0.05 + 4*math.Sqrt(0.05*0.95/experiments); share > most {
			t.Errorf("%v are ever called different in %.3f of experiments, want at most %.3f", all, share, most)
		}
		if shareOnce < 0.2 {
			t.Errorf("%v: the test for one look calls %.3f different: the bound above tells nothing", all, shareOnce)
		}
	}
}

// TestPower looks all the time at variants that do differ by what was looked for: at the planned number about half must have been
// found, and with two thirds more what was promised of one look.
func TestPower(t *testing.T) {
	const experiments = 600
	random := rand.New(rand.NewPCG(8, 5))
	better, worse := people{0.15, 0.3}, people{0.2, 0.3} // 40 and 30 points
	variance := 0.15 + 0.55 - 0.4*0.4
	varianceWorse := 0.2 + 0.5 - 0.3*0.3
	planned, err := nps.SampleSizeOfDifference(0.1, variance, varianceWorse, 0.8, 1-nps.Significance)
	if err != nil {
		t.Fatal(err)
	}
	atPlanned, later := 0, 0
	for range experiments {
		var a, b nps.Counts
		for n := int64(1); n <= planned*5/3; n++ {
			better.answer(random, &a)
			worse.answer(random, &b)
			if n%10 == 0 && n >= MinResponses && anytime(a, b, 0.1).P < nps.Significance {
				later++
				if n <= planned {
					atPlanned++
				}
				break
			}
		}
	}
	half, most := float64(atPlanned)/experiments, float64(later)/experiments
	t.Logf("planned %d: found %.3f by then, %.3f with two thirds more", planned, half, most)
	if half < 0.42 || half > 0.62 {
		t.Errorf("found %.3f at the planned number, want about half", half)
	}
	if most < 0.8-4*math.Sqrt(0.8*0.2/experiments) {
		t.Errorf("found %.3f with two thirds more, want 0.8", most)
	}
}

func BenchmarkJudge(b *testing.B) {
	variants := make([]nps.Counts, 10)
	for i := range variants {
		variants[i] = nps.Counts{Detractors: 520, Passives: 1040, Promoters: 2080}
	}
	for b.Loop() {
		if _, err := Judge(variants, plan); err != nil {
			b.Fatal(err)
		}
	}
}

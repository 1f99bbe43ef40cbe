package nps

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

var methods = []Method{AdjustedWald, ScoreTest, Wald}

// slack is what rounding may move a result on the scale of scores.
const slack = 1e-12

// anyCounts draws up to 3 × most responses, with none of a category more often than chance would have it.
func anyCounts(most int64) *rapid.Generator[Counts] {
	return rapid.Custom(func(t *rapid.T) Counts {
		part := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, min(most, 12)), rapid.Int64Range(0, most))
		return Counts{part.Draw(t, "detractors"), part.Draw(t, "passives"), part.Draw(t, "promoters")}
	})
}

// someCounts draws at least one response.
func someCounts(most int64) *rapid.Generator[Counts] {
	return anyCounts(most).Filter(func(c Counts) bool { return c.N() > 0 })
}

func confidences() *rapid.Generator[float64] { return rapid.Float64Range(0.001, 0.99999) }

func swapped(c Counts) Counts { return Counts{c.Promoters, c.Passives, c.Detractors} }

func times(c Counts, k int64) Counts {
	return Counts{c.Detractors * k, c.Passives * k, c.Promoters * k}
}

// fataler is what *testing.T and *rapid.T have in common here.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func near(t fataler, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= slack) {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

func number(t fataler, of func() (float64, bool)) float64 {
	t.Helper()
	x, ok := of()
	if !ok {
		t.Fatalf("no number where there are responses")
	}
	return x
}

func interval(t fataler, c Counts, m Method, confidence float64) Interval {
	t.Helper()
	i, ok, err := c.Interval(m, confidence)
	if !ok || err != nil {
		t.Fatalf("%v.Interval(%s, %v): no interval: %v", c, m, confidence, err)
	}
	if !(-1 <= i.Low && i.Low <= i.High && i.High <= 1) {
		t.Fatalf("%v.Interval(%s, %v) = %v: not in order within −1 to 1", c, m, confidence, i)
	}
	return i
}

func TestCategoryOf(t *testing.T) {
	want := [MaxScore + 1]Category{Detractor, Detractor, Detractor, Detractor, Detractor, Detractor, Detractor, Passive, Passive, Promoter, Promoter}
	for score, category := range want {
		if got := CategoryOf(score); got != category {
			t.Errorf("CategoryOf(%d) = %s, want %s", score, got, category)
		}
		var h Histogram
		h.Record(score, 3)
		counts := map[Category]Counts{Detractor: {Detractors: 3}, Passive: {Passives: 3}, Promoter: {Promoters: 3}}[category]
		if h.Counts() != counts {
			t.Errorf("three of %d count as %+v, want %+v", score, h.Counts(), counts)
		}
	}
}

func TestScoresOutOfRangePanic(t *testing.T) {
	for _, score := range []int{-1, 11, math.MinInt, math.MaxInt} {
		for name, do := range map[string]func(){
			"CategoryOf": func() { CategoryOf(score) },
			"Record":     func() { new(Histogram).Record(score, 1) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s(%d) did not panic", name, score)
					}
				}()
				do()
			}()
		}
	}
}

func TestHistogram(t *testing.T) {
	scores := rapid.SliceOf(rapid.IntRange(0, MaxScore))
	rapid.Check(t, func(t *rapid.T) {
		var a, b Histogram
		var total, promoters, detractors int64
		record := func(h *Histogram, all []int) {
			for _, score := range all {
				h.Record(score, 1)
				total += int64(score)
				switch CategoryOf(score) {
				case Promoter:
					promoters++
				case Detractor:
					detractors++
				}
			}
		}
		inA, inB := scores.Draw(t, "a"), scores.Draw(t, "b")
		record(&a, inA)
		record(&b, inB)
		both := a.Add(b)
		n := int64(len(inA) + len(inB))
		want := Counts{detractors, n - detractors - promoters, promoters}
		if both.Counts() != want || both.Count() != n || want.N() != n {
			t.Fatalf("counts are %+v of %d, want %+v of %d", both.Counts(), both.Count(), want, n)
		}
		if both != b.Add(a) || both.Sub(b) != a || both.Sub(a) != b {
			t.Fatalf("adding and taking away do not go together for %v and %v", a, b)
		}
		mean, ok := both.Mean()
		if ok != (n > 0) {
			t.Fatalf("mean of %d responses: %v", n, ok)
		}
		if ok && mean != float64(total)/float64(n) {
			t.Fatalf("mean is %v, want %d / %d", mean, total, n)
		}
	})
}

func TestNobodyAnswered(t *testing.T) {
	var none Counts
	some := Counts{1, 2, 3}
	for name, of := range map[string]func() (float64, bool){
		"Mean": Histogram{}.Mean, "Score": none.Score, "Variance": none.Variance, "StandardError": none.StandardError,
	} {
		if x, ok := of(); ok || x != 0 {
			t.Errorf("%s = %v, %v, want 0, false", name, x, ok)
		}
	}
	for _, m := range methods {
		if i, ok, err := none.Interval(m, 0.95); ok || err != nil || i != (Interval{}) {
			t.Errorf("Interval(%s) = %v, %v, %v, want none", m, i, ok, err)
		}
	}
	for _, pair := range [][2]Counts{{none, none}, {none, some}, {some, none}} {
		for name, of := range map[string]func(a, b Counts) (WaldTest, bool){"CompareAdjustedWald": CompareAdjustedWald, "CompareWald": CompareWald} {
			if d, ok := of(pair[0], pair[1]); ok || d != (WaldTest{}) {
				t.Errorf("%s(%v, %v) = %v, %v, want none", name, pair[0], pair[1], d, ok)
			}
		}
	}
}

func TestOneAnswered(t *testing.T) {
	// Of one response, the score test's interval has the closed form of Wilson's: z² ÷ (1 + z²) is 0.793451.
	for c, want := range map[Counts]struct {
		score             float64
		adjusted, score95 Interval
	}{
		{Promoters: 1}:  {1, Interval{0.25 - 1.959964*0.375, 0.25 + 1.959964*0.375}, Interval{1 - 2*0.793451, 1}},
		{Detractors: 1}: {-1, Interval{-0.25 - 1.959964*0.375, -0.25 + 1.959964*0.375}, Interval{-1, 2*0.793451 - 1}},
		{Passives: 1}:   {0, Interval{-1.959964 * math.Sqrt(0.375/4), 1.959964 * math.Sqrt(0.375/4)}, Interval{-0.793451, 0.793451}},
	} {
		if score := number(t, c.Score); score != want.score {
			t.Errorf("score of %+v is %v, want %v", c, score, want.score)
		}
		if variance := number(t, c.Variance); variance != 0 {
			t.Errorf("variance of %+v is %v, want 0", c, variance)
		}
		for m, i := range map[Method]Interval{
			AdjustedWald: want.adjusted, ScoreTest: want.score95, Wald: {want.score, want.score},
		} {
			got := interval(t, c, m, 0.95)
			if math.Abs(got.Low-i.Low) > 1e-6 || math.Abs(got.High-i.High) > 1e-6 {
				t.Errorf("%+v.Interval(%s) = %v, want %v", c, m, got, i)
			}
		}
	}
}

func TestUnanimity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := float64(rapid.Int64Range(1, 1e12).Draw(t, "n"))
		confidence := confidences().Draw(t, "confidence")
		z := math.Sqrt2 * math.Erfinv(confidence)
		for c, score := range map[Counts]float64{{Promoters: int64(n)}: 1, {Passives: int64(n)}: 0, {Detractors: int64(n)}: -1} {
			near(t, "score", number(t, c.Score), score)
			near(t, "variance", number(t, c.Variance), 0)
			if i := interval(t, c, Wald, confidence); i != (Interval{score, score}) {
				t.Fatalf("Wald's interval is %v, want no width at %v", i, score)
			}
			if i := interval(t, c, AdjustedWald, confidence); i.Low == i.High {
				t.Fatalf("adjusted interval %v of %+v has no width", i, c)
			}
			// Wilson's closed form is what the score test comes to: with w = z² ÷ (n + z²), a share of all or none
			// reaches to w from its end, and a score is two such shares wide, or one to each side of 0.
			w := z * z / (n + z*z)
			i := interval(t, c, ScoreTest, confidence)
			near(t, "low", i.Low, max(score-w*(1+math.Abs(score)), -1))
			near(t, "high", i.High, min(score+w*(1+math.Abs(score)), 1))
		}
	})
}

func TestSymmetry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, confidence := someCounts(1e12).Draw(t, "counts"), confidences().Draw(t, "confidence")
		mirror := swapped(c)
		near(t, "score of the mirror", number(t, mirror.Score), -number(t, c.Score))
		near(t, "variance of the mirror", number(t, mirror.Variance), number(t, c.Variance))
		for _, m := range methods {
			i, j := interval(t, c, m, confidence), interval(t, mirror, m, confidence)
			near(t, "low end of the mirror", j.Low, -i.High)
			near(t, "high end of the mirror", j.High, -i.Low)
		}
	})
}

func TestScoreIsWithinItsInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, confidence := someCounts(1e12).Draw(t, "counts"), confidences().Draw(t, "confidence")
		score := number(t, c.Score)
		for _, m := range []Method{ScoreTest, Wald} {
			if i := interval(t, c, m, confidence); score < i.Low || score > i.High {
				t.Fatalf("score %v is outside its interval %v (%s)", score, i, m)
			}
		}
	})
}

func TestBetterAnswersNeverLower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Within 2⁵³, so that one response more is no rounding error.
		c, confidence := someCounts(1e12).Draw(t, "counts"), confidences().Draw(t, "confidence")
		more := c
		more.Promoters += rapid.Int64Range(1, 1e12).Draw(t, "more")
		better := []Counts{more}
		if c.Detractors > 0 {
			better = append(better, Counts{c.Detractors - 1, c.Passives + 1, c.Promoters}, Counts{c.Detractors - 1, c.Passives, c.Promoters + 1})
		}
		if c.Passives > 0 {
			better = append(better, Counts{c.Detractors, c.Passives - 1, c.Promoters + 1})
		}
		for k, b := range better {
			if number(t, b.Score) < number(t, c.Score) {
				t.Fatalf("%+v has a lower score than %+v", b, c)
			}
			// The end of an interval may fall where there are more responses, since it narrows, and with Wald's
			// methods wherever the variance shrinks. The score test's may not where n stays.
			if k == 0 {
				continue
			}
			i, j := interval(t, c, ScoreTest, confidence), interval(t, b, ScoreTest, confidence)
			if j.Low < i.Low-slack || j.High < i.High-slack {
				t.Fatalf("interval %v of %+v is below %v of %+v", j, b, i, c)
			}
		}
	})
}

func TestMoreConfidenceNeverNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := someCounts(1e12).Draw(t, "counts")
		a, b := confidences().Draw(t, "a"), confidences().Draw(t, "b")
		for _, m := range methods {
			less, more := interval(t, c, m, min(a, b)), interval(t, c, m, max(a, b))
			if more.Low > less.Low+slack || more.High < less.High-slack {
				t.Fatalf("%s of %+v: %v does not hold %v", m, c, more, less)
			}
		}
	})
}

func TestMoreOfTheSameNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, confidence := someCounts(1e6).Draw(t, "counts"), confidences().Draw(t, "confidence")
		more := times(c, rapid.Int64Range(2, 1000).Draw(t, "times"))
		near(t, "score", number(t, more.Score), number(t, c.Score))
		near(t, "variance", number(t, more.Variance), number(t, c.Variance))
		for _, m := range methods {
			few, many := interval(t, c, m, confidence), interval(t, more, m, confidence)
			if few.High-few.Low < 1e-9 {
				continue // too narrow to see it narrow further
			}
			// Clamped at both ends, intervals can do no more than not widen.
			if width := many.High - many.Low; width > few.High-few.Low || width == few.High-few.Low && width < 2 {
				t.Fatalf("%s: %v of %+v is not narrower than %v of %+v", m, many, more, few, c)
			}
		}
	})
}

// TestManyResponses has the methods agree where there are so many responses that they must.
func TestManyResponses(t *testing.T) {
	for _, c := range []Counts{
		{1e12, 1e12, 1e12}, {1e9, 0, 0}, {0, 1e9, 0}, {0, 0, 1e12}, {1, 0, 1e9}, {0, 1, 1e9}, {1, 1e9, 0}, {1, 1e12, 1},
		{1e9, 1, 0}, {1e9, 0, 1e9}, {1e12, 1, 1e12}, {5e8, 1e9, 0}, {1e17, 3e17, 4e17},
	} {
		n := float64(c.N())
		for _, confidence := range []float64{0.5, 0.95, 0.999999} {
			z, err := quantile(confidence)
			if err != nil {
				t.Fatal(err)
			}
			textbook := interval(t, c, Wald, confidence)
			for _, m := range []Method{AdjustedWald, ScoreTest} {
				i := interval(t, c, m, confidence)
				// They differ by terms of z² ÷ n and the pseudo-responses.
				if off := 2 * (z*z + 3 + z) / n; math.Abs(i.Low-textbook.Low) > off+slack || math.Abs(i.High-textbook.High) > off+slack {
					t.Errorf("%+v.Interval(%s, %v) = %v, want about %v", c, m, confidence, i, textbook)
				}
			}
		}
		d, ok := CompareAdjustedWald(c, swapped(c))
		if !ok || math.IsNaN(d.P) || math.IsNaN(d.Z) || math.IsInf(d.Z, 0) {
			t.Errorf("CompareAdjustedWald(%+v, mirror) = %+v, %v", c, d, ok)
		}
	}
	h := Histogram{}
	for score := range h {
		h.Record(score, 1e16)
	}
	if mean, ok := h.Mean(); !ok || mean != 5 {
		t.Errorf("mean of equal counts is %v, want 5", mean)
	}
}

func TestOneInABillion(t *testing.T) {
	// By the Poisson limit a single detractor among n promoters is a share q with (1 − nq)² = z² nq: the score, 1 − 2q,
	// lies 2 ÷ n times the roots below 1. A formula that takes shares near 1 from each other loses these digits.
	z, err := quantile(0.95)
	if err != nil {
		t.Fatal(err)
	}
	middle, reach := 1+z*z/2, z*math.Sqrt(1+z*z/4)
	const n = 1e9
	i := interval(t, Counts{Detractors: 1, Promoters: n - 1}, ScoreTest, 0.95)
	for _, end := range []struct{ got, want float64 }{{1 - i.Low, 2 * (middle + reach) / n}, {1 - i.High, 2 * (middle - reach) / n}} {
		if math.Abs(end.got/end.want-1) > 1e-5 {
			t.Errorf("interval ends %v below 1, want %v", end.got, end.want)
		}
	}
}

func TestIntervalRefuses(t *testing.T) {
	for _, c := range []Counts{{}, {1, 2, 3}} {
		for _, confidence := range []float64{0, 1, -0.5, 1.5, 95, math.NaN(), math.Inf(1), math.Inf(-1)} {
			if i, ok, err := c.Interval(AdjustedWald, confidence); !errors.Is(err, ErrConfidence) || ok || i != (Interval{}) {
				t.Errorf("%v.Interval(confidence %v) = %v, %v, %v, want ErrConfidence", c, confidence, i, ok, err)
			}
		}
		for _, m := range []Method{"", "wald", "BAYES"} {
			if i, ok, err := c.Interval(m, 0.95); !errors.Is(err, ErrMethod) || ok || i != (Interval{}) {
				t.Errorf("%v.Interval(method %q) = %v, %v, %v, want ErrMethod", c, m, i, ok, err)
			}
		}
	}
}

func TestExtremeConfidence(t *testing.T) {
	for _, confidence := range []float64{math.SmallestNonzeroFloat64, 1e-300, 1e-9, math.Nextafter(1, 0)} {
		for _, c := range []Counts{{1, 2, 3}, {0, 0, 1}, {0, 1, 0}, {3, 0, 0}, {1, 0, 1}, {1e12, 1, 0}} {
			for _, m := range methods {
				i := interval(t, c, m, confidence)
				if math.IsNaN(i.Low) || math.IsNaN(i.High) {
					t.Errorf("%+v.Interval(%s, %v) = %v", c, m, confidence, i)
				}
			}
		}
	}
}

func TestCompareAntisymmetry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := someCounts(1e12).Draw(t, "a"), someCounts(1e12).Draw(t, "b")
		for _, of := range []func(a, b Counts) (WaldTest, bool){CompareAdjustedWald, CompareWald} {
			there, ok := of(a, b)
			back, okBack := of(b, a)
			if !ok || !okBack {
				t.Fatalf("no difference")
			}
			if there.Difference != -back.Difference || there.Z != -back.Z || there.P != back.P || there.StandardError != back.StandardError {
				t.Fatalf("%+v there, %+v back", there, back)
			}
			near(t, "low end back", back.Interval.Low, -there.Interval.High)
			near(t, "high end back", back.Interval.High, -there.Interval.Low)
			if !(there.P >= 0 && there.P <= 1) {
				t.Fatalf("P is %v", there.P)
			}
			i := there.Interval
			if !(-2 <= i.Low && i.Low <= i.High && i.High <= 2) {
				t.Fatalf("interval %v is not in order within −2 to 2", i)
			}
			// The interval is what the test does not refuse.
			if math.Abs(there.P-Significance) > 1e-9 && there.Significant() == (i.Low <= 0 && 0 <= i.High) && i.Low != i.High {
				t.Fatalf("P %v, but interval %v", there.P, i)
			}
		}
		same, _ := CompareAdjustedWald(a, a)
		if same.Difference != 0 || same.Z != 0 || same.P != 1 || same.Significant() {
			t.Fatalf("differs from itself: %+v", same)
		}
	})
}

func TestCompareWithoutVariance(t *testing.T) {
	promoters, detractors := Counts{Promoters: 10}, Counts{Detractors: 10}
	d, ok := CompareAdjustedWald(promoters, detractors)
	if !ok || d.Difference != 2 || d.Interval.High > 2 || !(d.P > 0 && d.P < 1e-6) || math.IsInf(d.Z, 0) {
		t.Errorf("CompareAdjustedWald(10 promoters, 10 detractors) = %+v, %v", d, ok)
	}
	if d, ok = CompareAdjustedWald(promoters, times(detractors, 1e6)); !ok || d.Interval.High != 2 {
		t.Errorf("CompareAdjustedWald(10 promoters, 10 million detractors) = %+v, %v, want an interval up to 2", d, ok)
	}
	if d, ok = CompareAdjustedWald(promoters, promoters); !ok || d.P != 1 || d.Z != 0 || !(d.StandardError > 0) {
		t.Errorf("CompareAdjustedWald(10 promoters, 10 promoters) = %+v, %v", d, ok)
	}
	// The scores are equal, and yet 10 say less than 1,000: the test is on adjusted counts.
	if d, ok = CompareAdjustedWald(times(promoters, 100), promoters); !ok || d.Difference != 0 || !(d.Z > 0) || d.Significant() {
		t.Errorf("CompareAdjustedWald(1000 promoters, 10 promoters) = %+v, %v", d, ok)
	}
	if d, ok = CompareWald(promoters, detractors); !ok || d.P != 0 || !math.IsInf(d.Z, 1) || d.Interval != (Interval{2, 2}) {
		t.Errorf("CompareWald(10 promoters, 10 detractors) = %+v, %v", d, ok)
	}
	if d, ok = CompareWald(promoters, promoters); !ok || d.P != 1 || d.Z != 0 || d.Interval != (Interval{}) {
		t.Errorf("CompareWald(10 promoters, 10 promoters) = %+v, %v", d, ok)
	}
}

func TestSampleSizeIsTheLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		margin := rapid.Float64Range(0.001, 1).Draw(t, "margin")
		variance := rapid.Float64Range(0, 1).Draw(t, "variance")
		confidence := confidences().Draw(t, "confidence")
		n, err := SampleSize(margin, variance, confidence)
		if err != nil || n < 1 {
			t.Fatalf("%d, %v", n, err)
		}
		z, err := quantile(confidence)
		if err != nil {
			t.Fatal(err)
		}
		reach := func(n int64) float64 { return z * math.Sqrt(variance/float64(n+pseudoResponses)) }
		if reach(n) > margin*(1+1e-12) {
			t.Fatalf("%d responses reach %v", n, reach(n))
		}
		if n > 1 && reach(n-1) <= margin*(1-1e-12) {
			t.Fatalf("%d responses reach %v already", n-1, reach(n-1))
		}
	})
}

func TestSampleSizeEdges(t *testing.T) {
	if n, err := SampleSize(0.1, 0, 0.95); n != 1 || err != nil {
		t.Errorf("without variance it takes %d, %v, want 1", n, err)
	}
	if n, err := SampleSize(1, 1, 0.01); n != 1 || err != nil {
		t.Errorf("for a margin of everything it takes %d, %v, want 1", n, err)
	}
	for _, bad := range []struct{ margin, variance, confidence float64 }{
		{0, 1, 0.95}, {-0.1, 1, 0.95}, {1.1, 1, 0.95}, {math.NaN(), 1, 0.95}, {10, 1, 0.95},
		{0.1, -0.1, 0.95}, {0.1, 1.1, 0.95}, {0.1, math.NaN(), 0.95},
		{0.1, 1, 0}, {0.1, 1, 1}, {0.1, 1, math.NaN()},
		{1e-10, 1, 0.95}, {math.SmallestNonzeroFloat64, 1, 0.95}, {math.SmallestNonzeroFloat64, 0, 0.95},
	} {
		if n, err := SampleSize(bad.margin, bad.variance, bad.confidence); err == nil || n != 0 {
			t.Errorf("SampleSize(%v, %v, %v) = %d, %v, want an error", bad.margin, bad.variance, bad.confidence, n, err)
		}
	}
}

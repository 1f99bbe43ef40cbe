package nps

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func compared(t fataler, a, b Counts) Difference {
	t.Helper()
	d, ok := Compare(a, b)
	if !ok {
		t.Fatalf("no difference of %v and %v", a, b)
	}
	return d
}

// checkDifference holds a difference against what is true of all of them.
func checkDifference(t fataler, d Difference, limit float64) {
	t.Helper()
	i, z, p := d.Interval(), d.Z(), d.P()
	if !(-limit <= i.Low && i.Low <= d.Estimate && d.Estimate <= i.High && i.High <= limit) {
		t.Fatalf("interval %v does not hold %v within ±%v", i, d.Estimate, limit)
	}
	if math.IsNaN(z) || math.IsInf(z, 0) || !(p >= 0 && p <= 1) {
		t.Fatalf("z %v, P %v", z, p)
	}
	if (z == 0) != (d.Estimate == 0) || math.Signbit(z) != math.Signbit(d.Estimate) {
		t.Fatalf("z %v of %v", z, d.Estimate)
	}
	if d.Estimate == 0 && p != 1 {
		t.Fatalf("P %v of no difference", p)
	}
	// The interval of z just touches 0.
	if d.Estimate != 0 && math.Abs(z) < maxZ/2 {
		touching := d.interval(math.Abs(z))
		end := touching.Low
		if d.Estimate < 0 {
			end = touching.High
		}
		if math.Abs(end) > 1e-12 {
			t.Fatalf("the interval of z %v is %v", z, touching)
		}
	}
	// That of 95 % leaves 0 out where P is below 5 %.
	if out := i.Low > 0 || i.High < 0; math.Abs(p-Significance) > 1e-9 && out != (p < Significance) {
		t.Fatalf("P %v, but interval %v", p, i)
	}
	if d.Significant() && (p >= Significance || d.Estimate == 0 || d.fewest < Fewest) {
		t.Fatalf("significant with P %v, difference %v, and %v responses on a side", p, d.Estimate, d.fewest)
	}
}

func TestCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := someCounts(1e12).Draw(t, "a"), someCounts(1e12).Draw(t, "b")
		there, back := compared(t, a, b), compared(t, b, a)
		checkDifference(t, there, 2)
		if there.Estimate != -back.Estimate || there.Z() != -back.Z() || there.P() != back.P() || there.Significant() != back.Significant() {
			t.Fatalf("z %v there, %v back", there.Z(), back.Z())
		}
		near(t, "low end back", back.Interval().Low, -there.Interval().High)
		near(t, "high end back", back.Interval().High, -there.Interval().Low)
		mirrored := compared(t, swapped(b), swapped(a))
		near(t, "mirrored difference", mirrored.Estimate, there.Estimate)
		near(t, "mirrored P", mirrored.P(), there.P())
		if same := compared(t, a, a); same.Estimate != 0 || same.P() != 1 || same.Significant() {
			t.Fatalf("differs from itself: %+v", same)
		}
	})
}

func TestCompareChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c [maxBodies]Counts
		for k := range c {
			c[k] = someCounts(1e12).Draw(t, "counts")
		}
		d, ok := CompareChanges(c[0], c[1], c[2], c[3])
		if !ok {
			t.Fatal("no difference")
		}
		checkDifference(t, d, 4)
		back, _ := CompareChanges(c[2], c[3], c[0], c[1])
		near(t, "estimate back", back.Estimate, -d.Estimate)
		// The order of four terms moves the last digits: of the estimate, and where single answers bound how far the
		// interval can reach, more of them of z.
		if off := math.Abs(back.Z() + d.Z()); off > slack && off > (1e-6+1e-15/math.Abs(d.Estimate))*math.Abs(d.Z()) {
			t.Fatalf("z %v there, %v back", d.Z(), back.Z())
		}
		// What changed on one side only, beside a side of which all is known, is a difference of two.
		if max(c[0].N(), c[1].N()) < 1000 {
			still := Counts{1e15, 1e15, 1e15}
			alone, _ := CompareChanges(c[0], c[1], still, still)
			near(t, "estimate", alone.Estimate, compared(t, c[0], c[1]).Estimate)
			if z := compared(t, c[0], c[1]).Z(); math.Abs(alone.Z()-z) > 1e-6*(1+math.Abs(z)) {
				t.Fatalf("z %v beside what stands still, %v by itself", alone.Z(), z)
			}
		}
	})
}

func TestCompareWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, score := someCounts(1e12).Draw(t, "counts"), rapid.Float64Range(-1, 1).Draw(t, "score")
		d, ok := CompareWith(c, score)
		if !ok {
			t.Fatal("no difference")
		}
		checkDifference(t, d, 2)
		own := interval(t, c, ScoreTest, 0.95)
		near(t, "low end", d.Interval().Low, own.Low-score)
		near(t, "high end", d.Interval().High, own.High-score)
		mirrored, _ := CompareWith(swapped(c), -score)
		near(t, "mirrored difference", mirrored.Estimate, -d.Estimate)
		near(t, "mirrored P", mirrored.P(), d.P())
	})
	// Nothing is more extreme than these, and yet no z is infinite.
	for _, score := range []float64{-1, 1, math.Nextafter(1, 0), 0} {
		for _, c := range []Counts{{1, 0, 0}, {0, 0, 1}, {0, 1, 0}, {1e12, 0, 0}, {1, 0, 1e12}, {1, 1, 1}} {
			d, ok := CompareWith(c, score)
			if !ok {
				t.Fatalf("no difference of %v and %v", c, score)
			}
			checkDifference(t, d, 2)
		}
	}
	for _, score := range []float64{-1.01, 1.01, math.NaN(), math.Inf(1)} {
		if d, ok := CompareWith(Counts{1, 2, 3}, score); ok || d != (Difference{}) {
			t.Errorf("compared with %v: %+v", score, d)
		}
	}
}

// TestScoreTestZ holds z against a known score to the definition of the score test, with the likelihood maximised by
// search instead of in closed form.
func TestScoreTestZ(t *testing.T) {
	for _, c := range []Counts{{1, 2, 3}, {2, 0, 9}, {0, 3, 4}, {7, 1, 0}, {400, 30, 2}, {120, 200, 180}} {
		for _, score := range []float64{-0.8, -0.3, 0, 0.16, 0.39, 0.7} {
			d, _ := CompareWith(c, score)
			own, _ := c.Score()
			variance := likeliestBySearch(c, score) - score*score
			want := (own - score) / math.Sqrt(variance/float64(c.N()))
			if math.Abs(d.Z()-want) > 1e-6*(1+math.Abs(want)) {
				t.Errorf("z of %v against %v is %v, want %v", c, score, d.Z(), want)
			}
		}
	}
}

// likeliestBySearch is the share of those who are no passives that is most likely where the true score is known, by
// golden section.
func likeliestBySearch(c Counts, score float64) float64 {
	likelihood := func(x float64) float64 {
		part := func(n int64, share float64) float64 {
			if n == 0 {
				return 0
			}
			return float64(n) * math.Log(share)
		}
		return part(c.Promoters, (x+score)/2) + part(c.Detractors, (x-score)/2) + part(c.Passives, 1-x)
	}
	low, high := math.Abs(score), 1.0
	for range 200 {
		left, right := high-(high-low)/math.Phi, low+(high-low)/math.Phi
		if likelihood(left) < likelihood(right) {
			low = left
		} else {
			high = right
		}
	}
	return (low + high) / 2
}

func TestLikeliest(t *testing.T) {
	for _, c := range []Counts{{1, 2, 3}, {2, 0, 9}, {0, 3, 4}, {7, 1, 0}, {400, 30, 2}, {5, 5, 5}} {
		for _, score := range []float64{-0.8, -0.3, 0, 0.16, 0.39, 0.7} {
			got := c.sample().likeliest(score)
			near(t, "sum of shares", got.n(), 1)
			near(t, "score", got.score(), score)
			if x := likeliestBySearch(c, score); math.Abs(got.detractors+got.promoters-x) > 1e-6 {
				t.Errorf("%v after %v where the score is %v, want %v who are no passives", got, c, score, x)
			}
		}
	}
}

func TestNothingToCompare(t *testing.T) {
	var none Counts
	some := Counts{1, 2, 3}
	for k := range maxBodies {
		c := [maxBodies]Counts{some, some, some, some}
		c[k] = none
		if d, ok := CompareChanges(c[0], c[1], c[2], c[3]); ok || d != (Difference{}) {
			t.Errorf("CompareChanges%v = %+v", c, d)
		}
		if d, ok := Compare(c[0], c[1]); k < 2 && (ok || d != (Difference{})) {
			t.Errorf("Compare(%v, %v) = %+v", c[0], c[1], d)
		}
	}
	if d, ok := CompareWith(none, 0); ok || d != (Difference{}) {
		t.Errorf("CompareWith(none) = %+v", d)
	}
}

func TestMoreOfTheSameIsSurer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := someCounts(1e6).Draw(t, "a"), someCounts(1e6).Draw(t, "b")
		k := rapid.Int64Range(2, 1000).Draw(t, "times")
		few, many := compared(t, a, b), compared(t, times(a, k), times(b, k))
		near(t, "difference", many.Estimate, few.Estimate)
		// Every interval is narrower by the root of k, and so is the distance to 0 in standard errors.
		if want := few.Z() * math.Sqrt(float64(k)); math.Abs(many.Z()-want) > 1e-9*(1+math.Abs(want)) {
			t.Fatalf("z %v, %v times as many %v, want %v", few.Z(), k, many.Z(), want)
		}
	})
}

func TestBetterAnswersNeverLowerTheDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := someCounts(1e9).Draw(t, "a"), someCounts(1e9).Draw(t, "b")
		if a.Detractors == 0 {
			a.Detractors++
		}
		better := Counts{a.Detractors - 1, a.Passives + 1, a.Promoters}
		d, e := compared(t, a, b), compared(t, better, b)
		if e.Estimate < d.Estimate || e.Interval().Low < d.Interval().Low-slack || e.Interval().High < d.Interval().High-slack {
			t.Fatalf("%v %v with better answers, %v %v without", e.Estimate, e.Interval(), d.Estimate, d.Interval())
		}
	})
}

func TestExtremeComparisons(t *testing.T) {
	bodies := []Counts{
		{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1e12, 0, 0}, {0, 1e12, 0}, {0, 0, 1e12}, {1, 0, 1e12}, {0, 1, 1e12}, {1e12, 1, 1},
		{1e12, 1e12, 1e12}, {1e17, 3e17, 4e17}, {5, 0, 5}, {0, 3, 0},
	}
	for _, a := range bodies {
		for _, b := range bodies {
			checkDifference(t, compared(t, a, b), 2)
			for _, c := range bodies {
				d, _ := CompareChanges(a, b, c, swapped(a))
				checkDifference(t, d, 4)
			}
		}
	}
	// Unanimous as they are, four single answers are as far apart as can be.
	d, _ := CompareChanges(bodies[2], bodies[0], bodies[0], bodies[2])
	if d.Estimate != 4 || math.IsInf(d.Z(), 0) || d.Significant() {
		t.Errorf("four single answers: %v, z %v", d.Estimate, d.Z())
	}
}

func TestFewAreNeverSignificant(t *testing.T) {
	many := Counts{10000, 0, 0}
	for n := range int64(Fewest + 2) {
		few := Counts{Promoters: n + 1}
		d := compared(t, few, many)
		if d.Significant() != (n+1 >= Fewest) {
			t.Errorf("%d promoters against %d detractors: significant %v", n+1, many.N(), d.Significant())
		}
	}
	// Three against three have 20 orders, of which two are as far out as any.
	d := compared(t, Counts{Promoters: 3}, Counts{Detractors: 3})
	if p := permutationP(Counts{Promoters: 3}.sample(), Counts{Detractors: 3}.sample()); math.Abs(p-0.1) > slack || d.P() > 0.01 || d.Significant() {
		t.Errorf("three against three: P %v, exact %v, significant %v", d.P(), p, d.Significant())
	}
	if d, _ := Compare(Counts{Promoters: 1000}, Counts{Promoters: 1}); d.P() != 1 || d.Significant() {
		t.Errorf("promoters differ from a promoter: P %v", d.P())
	}
	// A difference of differences is not judged by few, a known score is.
	before, after := Counts{Detractors: 20}, Counts{Promoters: 20}
	if d, _ := CompareChanges(after, before, many, many); d.Significant() || d.P() > 1e-6 {
		t.Errorf("20 answers a side: P %v, significant %v", d.P(), d.Significant())
	}
	if d, _ := CompareChanges(times(after, 2), times(before, 2), many, many); !d.Significant() {
		t.Errorf("40 answers a side: P %v, not significant", d.P())
	}
	if d, _ := CompareWith(Counts{Promoters: 12}, 0.39); !d.Significant() {
		t.Errorf("12 promoters against 0.39: P %v, not significant", d.P())
	}
	if d, _ := CompareWith(Counts{Promoters: 4}, -0.9); d.Significant() {
		t.Error("4 promoters are significant")
	}
}

// permutations is the judge: the exact permutation test of the score difference, two-sided by its size, in whole
// numbers. The chance of k dealt of each category is ∏ C(K, k) ÷ C(n + m, n).
func permutations(a, b Counts) float64 {
	whole := a.Add(b)
	far := func(d, p int64) int64 { // the difference times both sizes
		side := (p-d)*whole.N() - (whole.Promoters-whole.Detractors)*a.N()
		return max(side, -side)
	}
	seen := far(a.Detractors, a.Promoters)
	out := new(big.Int)
	for d := range min(whole.Detractors, a.N()) + 1 {
		for p := range min(whole.Promoters, a.N()-d) + 1 {
			o := a.N() - d - p
			if o > whole.Passives || far(d, p) < seen {
				continue
			}
			ways := new(big.Int).Binomial(whole.Detractors, d)
			ways.Mul(ways, new(big.Int).Binomial(whole.Promoters, p))
			out.Add(out, ways.Mul(ways, new(big.Int).Binomial(whole.Passives, o)))
		}
	}
	share, _ := new(big.Rat).SetFrac(out, new(big.Int).Binomial(whole.N(), a.N())).Float64()
	return share
}

func TestPermutations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.Int64Range(0, 9)
		a := Counts{part.Draw(t, "detractors"), part.Draw(t, "passives"), part.Draw(t, "promoters")}
		b := someCounts(300).Draw(t, "b")
		if rapid.Bool().Draw(t, "lopsided") {
			// As many as may be, where next to nobody is beside the commonest category.
			a, b = Counts{a.Detractors / 5, a.Passives / 5, 40 * (1 + a.Promoters)}, Counts{a.Passives / 4, a.Detractors / 4, 700}
		}
		if a.N() == 0 || min(a.N(), b.N()) > maxDealt && !delicate(a.sample(), b.sample()) {
			t.Skip()
		}
		got, want := permutationP(a.sample(), b.sample()), permutations(a, b)
		if math.Abs(got-want) > 1e-10 {
			t.Fatalf("permutationP(%v, %v) = %v, want %v", a, b, got, want)
		}
		near(t, "the other way round", permutationP(b.sample(), a.sample()), got)
		near(t, "mirrored", permutationP(a.sample().mirrored(), b.sample().mirrored()), got)
	})
}

// TestFisher has the exact test of two categories, which is Fisher's, where differences are as large on one side only:
// his lady tasted eight cups of tea and took three of four rightly, which chance does in 17 of 70 cases.
func TestFisher(t *testing.T) {
	a, b := Counts{Promoters: 3, Detractors: 1}, Counts{Promoters: 1, Detractors: 3}
	if p := permutationP(a.sample(), b.sample()); math.Abs(p-2*17./70) > slack {
		t.Errorf("P is %v, want twice 17/70", p)
	}
}

func BenchmarkCompare(b *testing.B) {
	d, _ := Compare(Counts{42, 23, 74}, Counts{99, 50, 110})
	four, _ := CompareChanges(Counts{30, 40, 130}, Counts{60, 50, 90}, Counts{300, 400, 900}, Counts{320, 390, 880})
	few, _ := Compare(Counts{Promoters: 12}, Counts{500, 300, 200})
	lopsided, _ := Compare(Counts{3, 1, 0}.Add(Counts{Promoters: 96}), Counts{20, 30, 9950})
	b.Run("Interval", func(b *testing.B) {
		for b.Loop() {
			d.Interval()
		}
	})
	b.Run("P", func(b *testing.B) {
		for b.Loop() {
			d.P()
		}
	})
	b.Run("P of four", func(b *testing.B) {
		for b.Loop() {
			four.P()
		}
	})
	b.Run("Significant", func(b *testing.B) {
		for b.Loop() {
			d.Significant()
		}
	})
	b.Run("Significant of few", func(b *testing.B) {
		for b.Loop() {
			few.Significant()
		}
	})
	b.Run("Significant of lopsided", func(b *testing.B) {
		for b.Loop() {
			lopsided.Significant()
		}
	})
}

package nps

import "math"

// WaldTest is the score of one body of responses less that of another, judged by the two-sample test: its standard
// error is √(variance(a) ÷ n(a) + variance(b) ÷ n(b)), and P is of the normal distribution.
type WaldTest struct {
	// Difference is of the scores as they are, from −2 to 2.
	Difference float64
	// Interval is where the true difference lies, with 95 % confidence, within −2 to 2. Its middle is the difference
	// that was tested, so for a handful of responses it may lie beside Difference.
	Interval Interval
	// StandardError is that of the difference tested; Z times it is the difference tested.
	StandardError float64
	// Z is the difference tested in standard errors. It is infinite where a difference has a standard error of 0,
	// which only CompareWald can find.
	Z float64
	// P is how often chance alone would give a difference at least this large in either direction, from 0 to 1.
	P float64
}

// Significant reports whether P is below Significance.
func (d WaldTest) Significant() bool { return d.P < Significance }

// CompareAdjustedWald is a's score less b's, with the two-sample test on adjusted counts: 3 pseudo-responses are added
// to each side as in [AdjustedWald], and Z is the difference of the adjusted scores in standard errors. It is false
// where either side has no responses. [Compare] is better for a comparison by itself.
//
// Both are taken as samples of their own: no response may be in a and b.
func CompareAdjustedWald(a, b Counts) (WaldTest, bool) {
	return compareWald(a, b, sample.adjusted)
}

// CompareWald is CompareAdjustedWald without pseudo-responses: the textbook's test, which trusts few or unanimous
// responses too much. It is there to check figures published elsewhere.
func CompareWald(a, b Counts) (WaldTest, bool) {
	return compareWald(a, b, func(s sample) sample { return s })
}

func compareWald(a, b Counts, tested func(sample) sample) (WaldTest, bool) {
	scoreA, okA := a.Score()
	scoreB, okB := b.Score()
	if !okA || !okB {
		return WaldTest{}, false
	}
	w := testWald(tested(a.sample()), tested(b.sample()))
	w.Difference = scoreA - scoreB
	return w, true
}

// testWald is the test of two samples as they are.
func testWald(a, b sample) WaldTest {
	difference := a.score() - b.score()
	standardError := math.Hypot(a.standardError(), b.standardError())
	z := 0.0
	// Without a standard error, no difference is no news, and any other is no chance.
	if difference != 0 {
		z = difference / standardError
	}
	return WaldTest{
		Difference:    difference,
		Interval:      around(difference, atSignificance*standardError).clamp(2),
		StandardError: standardError,
		Z:             z,
		P:             twoSided(z),
	}
}

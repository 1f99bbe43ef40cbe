package nps

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// triple is counts as the golden file writes them: detractors, passives, promoters.
type triple [3]int64

func (t triple) counts() Counts { return Counts{t[0], t[1], t[2]} }

// agree fails the test unless got, rounded to the digits that are printed, is what is printed.
func agree(t *testing.T, what string, printed json.Number, got float64) {
	t.Helper()
	_, decimals, _ := strings.Cut(printed.String(), ".")
	rounded := strconv.FormatFloat(got, 'f', len(decimals), 64)
	if strings.TrimPrefix(rounded, "-") == "0" {
		rounded = "0"
	}
	if rounded != printed.String() {
		t.Errorf("%s = %v, want %s", what, got, printed)
	}
}

// clamped is a printed value as the API gives it.
func clamped(t *testing.T, printed json.Number) json.Number {
	t.Helper()
	x, err := printed.Float64()
	if err != nil {
		t.Fatalf("reading %s: %v", printed, err)
	}
	switch {
	case x > 1:
		return "1"
	case x < -1:
		return "-1"
	}
	return printed
}

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Source string
		Scores []struct {
			Counts                       triple
			NPS, Variance, StandardError json.Number
		}
		Intervals []struct {
			Counts       triple
			Wald         *[2]json.Number `json:"WALD"`
			AdjustedWald *[2]json.Number `json:"ADJUSTED_WALD"`
			Score        *[2]json.Number `json:"SCORE"`
		}
		Differences []struct {
			A, B                        triple
			Method                      Method
			Tested, StandardError, Z, P json.Number
		}
		SampleSizes []struct {
			Margin, Variance float64
			N                int64
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Scores) == 0 || len(golden.Intervals) == 0 || len(golden.Differences) == 0 || len(golden.SampleSizes) == 0 {
		t.Fatal("golden file lacks values")
	}

	for _, g := range golden.Scores {
		c := g.Counts.counts()
		for _, s := range []struct {
			name    string
			printed json.Number
			of      func() (float64, bool)
		}{
			{"score", g.NPS, c.Score},
			{"variance", g.Variance, c.Variance},
			{"standard error", g.StandardError, c.StandardError},
		} {
			got, ok := s.of()
			if !ok {
				t.Errorf("no %s of %v", s.name, g.Counts)
			} else if s.printed != "" {
				agree(t, fmt.Sprintf("%s of %v", s.name, g.Counts), s.printed, got)
			}
		}
	}

	z, err := quantile(0.95)
	if err != nil {
		t.Fatal(err)
	}
	agree(t, "z", "1.959964", z)
	for _, g := range golden.Intervals {
		c := g.Counts.counts()
		for _, s := range []struct {
			method    Method
			printed   *[2]json.Number
			unclamped Interval
		}{
			{Wald, g.Wald, wald(c.sample(), z)},
			{AdjustedWald, g.AdjustedWald, wald(c.sample().adjusted(), z)},
			{ScoreTest, g.Score, scoreTest(c.sample(), z)},
		} {
			if s.printed == nil {
				continue
			}
			what := fmt.Sprintf("%s of %v, ", s.method, g.Counts)
			agree(t, what+"low", s.printed[0], s.unclamped.Low)
			agree(t, what+"high", s.printed[1], s.unclamped.High)
			i, ok, err := c.Interval(s.method, 0.95)
			if !ok || err != nil {
				t.Errorf("%s: no interval: %v", what, err)
				continue
			}
			agree(t, what+"low, clamped", clamped(t, s.printed[0]), i.Low)
			agree(t, what+"high, clamped", clamped(t, s.printed[1]), i.High)
		}
	}

	for _, g := range golden.Differences {
		of := map[Method]func(a, b Counts) (WaldTest, bool){AdjustedWald: CompareAdjustedWald, Wald: CompareWald}[g.Method]
		d, ok := of(g.A.counts(), g.B.counts())
		if !ok {
			t.Errorf("%s: no difference of %v and %v", g.Method, g.A, g.B)
		}
		what := fmt.Sprintf("%s of %v and %v, ", g.Method, g.A, g.B)
		agree(t, what+"tested", g.Tested, (d.Interval.Low+d.Interval.High)/2)
		agree(t, what+"reach", json.Number(strconv.FormatFloat(z*d.StandardError, 'f', 9, 64)), (d.Interval.High-d.Interval.Low)/2)
		agree(t, what+"standard error", g.StandardError, d.StandardError)
		agree(t, what+"z", g.Z, d.Z)
		agree(t, what+"p", g.P, d.P)
		agree(t, what+"difference as shown", "0.533333", d.Difference)
	}

	for _, g := range golden.SampleSizes {
		n, err := SampleSize(g.Margin, g.Variance, 0.95)
		if n != g.N || err != nil {
			t.Errorf("SampleSize(%v, %v, 0.95) = %d, %v, want %d", g.Margin, g.Variance, n, err, g.N)
		}
	}
}

// TestScoreTestEquation holds the interval against the definition of the score test, with the likelihood maximised
// by search instead of in closed form.
func TestScoreTestEquation(t *testing.T) {
	const z = 1.959963984540054
	for _, c := range []Counts{{1, 2, 3}, {2, 0, 9}, {0, 3, 4}, {7, 1, 0}, {1, 0, 0}, {3, 50, 2}, {400, 30, 2}, {1, 0, 1}} {
		s := c.sample()
		i := scoreTest(s, z)
		for _, delta := range []float64{i.Low, i.High} {
			if math.Abs(delta) > 1-1e-12 {
				continue // unanimous: the interval ends where the scores end
			}
			// Golden section over the share of those who are no passives, from |δ| to 1.
			likelihood := func(x float64) float64 {
				part := func(n, share float64) float64 {
					if n == 0 {
						return 0
					}
					return n * math.Log(share)
				}
				return part(s.promoters, (x+delta)/2) + part(s.detractors, (x-delta)/2) + part(s.passives, 1-x)
			}
			low, high := math.Abs(delta), 1.0
			for range 200 {
				left, right := high-(high-low)/math.Phi, low+(high-low)/math.Phi
				if likelihood(left) < likelihood(right) {
					low = left
				} else {
					high = right
				}
			}
			variance := (low+high)/2 - delta*delta
			got := (s.score() - delta) * (s.score() - delta) * s.n() / variance
			if math.Abs(got-z*z) > 1e-5 {
				t.Errorf("%v: score statistic at %v is %v, want %v", c, delta, got, z*z)
			}
		}
	}
}

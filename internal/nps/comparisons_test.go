package nps

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

// comparisons is testdata/comparisons.json.
type comparisons struct {
	Differences []struct {
		A, B triple
		judged
	}
	DifferenceInDifferences []struct {
		AfterTreated, BeforeTreated, AfterOthers, BeforeOthers triple
		judged
	}
	AgainstConstant []struct {
		Counts   triple
		Constant float64
		judged
	}
	VersusRest []struct {
		Groups []triple
		Rows   []*struct {
			judged
			AdjustedP   *float64
			Comparisons int
		}
	}
	Holm       []struct{ P, Adjusted []float64 }
	SamplePlan []struct {
		Difference, Margin, Variance, Power float64
		Variances, Responses                json.RawMessage
		PerGroup                            int64
		Detectable                          float64
	}
	Published []struct {
		Source       string
		A, B, Counts triple
		Interval     [2]float64
	}
}

// judged is what the golden file says of a difference.
type judged struct {
	Estimate float64
	Interval [2]float64
	Z, P     float64
}

func readComparisons(t *testing.T) comparisons {
	t.Helper()
	text, err := os.ReadFile("testdata/comparisons.json")
	if err != nil {
		t.Fatal(err)
	}
	var c comparisons
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Differences) == 0 || len(c.DifferenceInDifferences) == 0 || len(c.AgainstConstant) == 0 ||
		len(c.VersusRest) == 0 || len(c.Holm) == 0 || len(c.SamplePlan) == 0 || len(c.Published) == 0 {
		t.Fatal("golden file lacks values")
	}
	return c
}

// digits fails the test unless got is want to nine digits: the golden file gives ten.
func digits(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
		t.Errorf("%s is %.12g, want %.10g", what, got, want)
	}
}

func (g judged) check(t *testing.T, what any, d Difference) {
	t.Helper()
	i := d.Interval()
	digits(t, "estimate", d.Estimate, g.Estimate)
	digits(t, "low end", i.Low, g.Interval[0])
	digits(t, "high end", i.High, g.Interval[1])
	digits(t, "z", d.Z(), g.Z)
	// An error of z is |z| times as large in P.
	if p := d.P(); !(math.Abs(p-g.P) <= 1e-8*g.P) {
		t.Errorf("P is %.12g, want %.10g", p, g.P)
	}
	if t.Failed() {
		t.Fatalf("of %v", what)
	}
}

func TestGoldenDifferences(t *testing.T) {
	golden := readComparisons(t)
	for _, g := range golden.Differences {
		d, ok := Compare(g.A.counts(), g.B.counts())
		if !ok {
			t.Fatalf("no difference of %v and %v", g.A, g.B)
		}
		g.check(t, g, d)
	}
	for _, g := range golden.DifferenceInDifferences {
		d, ok := CompareChanges(g.AfterTreated.counts(), g.BeforeTreated.counts(), g.AfterOthers.counts(), g.BeforeOthers.counts())
		if !ok {
			t.Fatalf("no difference of %v", g)
		}
		g.check(t, g, d)
	}
	for _, g := range golden.AgainstConstant {
		d, ok := CompareWith(g.Counts.counts(), g.Constant)
		if !ok {
			t.Fatalf("no difference of %v and %v", g.Counts, g.Constant)
		}
		g.check(t, g, d)
	}
}

// TestPublishedIntervals has the intervals of two articles, to their digits: Newcombe's of the difference of two
// proportions, 56 of 70 and 48 of 80, by his method 10, and the score interval of the R package NPS.
func TestPublishedIntervals(t *testing.T) {
	for _, g := range readComparisons(t).Published {
		var i Interval
		tolerance := 0.5e-4
		if strings.HasPrefix(g.Source, "Newcombe") {
			d, ok := Compare(g.A.counts(), g.B.counts())
			if !ok {
				t.Fatal("no difference")
			}
			i = d.Interval()
		} else {
			i = interval(t, g.Counts.counts(), ScoreTest, 0.95)
			tolerance = 0.5e-6
		}
		if math.Abs(i.Low-g.Interval[0]) > tolerance || math.Abs(i.High-g.Interval[1]) > tolerance {
			t.Errorf("%s: %v, want %v", g.Source, i, g.Interval)
		}
	}
}

func TestGoldenHolm(t *testing.T) {
	for _, g := range readComparisons(t).Holm {
		got := Holm(g.P)
		if len(got) != len(g.Adjusted) {
			t.Fatalf("Holm(%v) = %v", g.P, got)
		}
		for i, p := range got {
			digits(t, "adjusted P", p, g.Adjusted[i])
		}
	}
}

func TestGoldenVersusRest(t *testing.T) {
	for _, g := range readComparisons(t).VersusRest {
		var whole Counts
		var groups []Counts
		for _, c := range g.Groups {
			groups = append(groups, c.counts())
			whole = whole.Add(c.counts())
		}
		f := VersusRest(whole, groups)
		adjusted := f.Adjusted()
		if len(f.Differences) != len(groups) || len(adjusted) != len(groups) {
			t.Fatalf("%d differences and %d judgements of %d groups", len(f.Differences), len(adjusted), len(groups))
		}
		for i, row := range g.Rows {
			d, a := f.Differences[i], adjusted[i]
			if row == nil {
				if d != nil || a.Tested || a.Significant || a.P != 1 || f.Comparisons() != 0 {
					t.Errorf("%v: %v, %+v, %d comparisons, want none", g.Groups, d, a, f.Comparisons())
				}
				continue
			}
			row.check(t, g.Groups[i], *d)
			if f.Comparisons() != row.Comparisons {
				t.Errorf("%v: %d comparisons, want %d", g.Groups, f.Comparisons(), row.Comparisons)
			}
			if row.AdjustedP == nil {
				if a.Tested || a.Significant || a.P != 1 {
					t.Errorf("%v of %v: %+v, want it untested", g.Groups[i], g.Groups, a)
				}
				continue
			}
			if !(math.Abs(a.P-*row.AdjustedP) <= 1e-8**row.AdjustedP) || !a.Tested || a.Significant != (a.P < Significance) {
				t.Errorf("%v of %v: %+v, want %v", g.Groups[i], g.Groups, a, *row.AdjustedP)
			}
		}
	}
}

func TestGoldenSamplePlan(t *testing.T) {
	numbers := func(raw json.RawMessage) (n []float64) {
		if err := json.Unmarshal(raw, &n); err != nil {
			t.Fatalf("reading %s: %v", raw, err)
		}
		return n
	}
	for _, g := range readComparisons(t).SamplePlan {
		switch {
		case g.Margin > 0:
			var want int64
			if err := json.Unmarshal(g.Responses, &want); err != nil {
				t.Fatal(err)
			}
			if n, err := SampleSize(g.Margin, g.Variance, 0.95); n != want || err != nil {
				t.Errorf("SampleSize(%v, %v) = %d, %v, want %d", g.Margin, g.Variance, n, err, want)
			}
		case g.Difference > 0:
			v := numbers(g.Variances)
			n, err := SampleSizeOfDifference(g.Difference, v[0], v[1], g.Power, 0.95)
			if n != g.PerGroup || err != nil {
				t.Errorf("SampleSizeOfDifference(%v, %v, %v) = %d, %v, want %d", g.Difference, v, g.Power, n, err, g.PerGroup)
			}
		default:
			v, n := numbers(g.Variances), numbers(g.Responses)
			got, err := DetectableDifference(n[0], v[0], n[1], v[1], g.Power, 0.95)
			if err != nil {
				t.Error(err)
			}
			digits(t, "detectable difference", got, g.Detectable)
		}
	}
}

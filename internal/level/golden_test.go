package level

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
)

// triple is counts as the golden file writes them: detractors, passives, promoters.
type triple [3]int64

func (t triple) counts() nps.Counts {
	return nps.Counts{Detractors: t[0], Passives: t[1], Promoters: t[2]}
}

// failing is a *testing.T or a *rapid.T.
type failing interface {
	Helper()
	Fatalf(format string, args ...any)
}

// near fails the test unless got is want to within a relative error, or within that error of it.
func near(t failing, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within*max(1, math.Abs(want))) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Source       string `json:"_"`
		ChangePoints []struct {
			Name string
			Days []triple
			Args struct{ MinDifference *float64 }
			Out  struct {
				Reason                    Reason
				Dispersion, Edge, Penalty float64
				Levels                    []struct {
					From, To int
					Counts   triple
				}
				Points []struct {
					Day, Earliest, Latest int
					Change                struct {
						Estimate, Z, P float64
						Interval       [2]float64
					}
				}
			}
		}
		FalseAlarm []struct{ Edge, Penalty float64 }
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.ChangePoints) == 0 || len(golden.FalseAlarm) == 0 {
		t.Fatal("golden file lacks values")
	}

	for _, g := range golden.FalseAlarm {
		near(t, "penalty", penalty(g.Edge), g.Penalty, 1e-9)
	}
	for _, g := range golden.ChangePoints {
		t.Run(g.Name, func(t *testing.T) {
			days := make([]nps.Counts, len(g.Days))
			var all nps.Counts
			for i, d := range g.Days {
				days[i] = d.counts()
				all = plus(all, days[i])
			}
			minDifference := 0.05
			if g.Args.MinDifference != nil {
				minDifference = *g.Args.MinDifference / 100
			}
			s, reason := Find(days, minDifference)
			if reason != g.Out.Reason || len(s.Levels) != len(g.Out.Levels) || len(s.Points) != len(g.Out.Points) {
				t.Fatalf("%+v, %q, want %+v", s, reason, g.Out)
			}
			if reason != "" {
				return
			}
			near(t, "dispersion", dispersion(days, all), g.Out.Dispersion, 1e-9)
			near(t, "penalty", penalty(g.Out.Edge), g.Out.Penalty, 1e-9)
			for i, want := range g.Out.Levels {
				if got := s.Levels[i]; got != (Level{Start: want.From, End: want.To, Counts: want.Counts.counts()}) {
					t.Errorf("level %d is %+v, want %+v", i, got, want)
				}
			}
			for i, want := range g.Out.Points {
				got := s.Points[i]
				if got.Day != want.Day || got.Earliest != want.Earliest || got.Latest != want.Latest {
					t.Errorf("point %d is %+v, want %+v", i, got, want)
				}
				interval := got.Change.Interval()
				near(t, "change", got.Change.Estimate, want.Change.Estimate, 1e-9)
				near(t, "its lower end", interval.Low, want.Change.Interval[0], 1e-6)
				near(t, "its upper end", interval.High, want.Change.Interval[1], 1e-6)
				near(t, "its z", got.Change.Z(), want.Change.Z, 1e-6)
				near(t, "its p", got.Change.P(), want.Change.P, 1e-6)
			}
		})
	}
}

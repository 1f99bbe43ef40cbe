package ordinal

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
)

// person is a profile as the golden file writes it: the names of its values, and counts.
type person struct {
	values []string
	counts nps.Counts
}

func (p *person) UnmarshalJSON(text []byte) error {
	var counts [3]int64
	if err := json.Unmarshal(text, &[]any{&p.values, &counts}); err != nil {
		return err
	}
	p.counts = nps.Counts{Detractors: counts[0], Passives: counts[1], Promoters: counts[2]}
	return nil
}

// coded numbers the values of people by month, as Learn takes them.
func coded(keys []string, months map[string][]person) ([]Trait, iter.Seq[Cell], []string) {
	traits := make([]Trait, len(keys))
	for t, key := range keys {
		traits[t].Key = key
		seen := map[string]bool{}
		for _, people := range months {
			for _, p := range people {
				seen[p.values[t]] = true
			}
		}
		for value := range seen {
			traits[t].Values = append(traits[t].Values, value)
		}
		slices.Sort(traits[t].Values)
	}
	var names []string
	for name := range months {
		names = append(names, name)
	}
	slices.Sort(names)
	var cells []Cell
	for month, name := range names {
		for _, p := range months[name] {
			for t := range traits {
				traits[t].Of = append(traits[t].Of, uint16(slices.Index(traits[t].Values, p.values[t])))
			}
			cells = append(cells, Cell{Profile: len(traits[0].Of) - 1, Month: month, Counts: p.counts})
		}
	}
	return traits, slices.Values(cells), names
}

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
}

func near6(t tester, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-6*max(1, math.Abs(want))) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Source     string `json:"_"`
		Prediction []struct {
			Name   string
			Traits []string
			Months map[string][]person
			Out    struct {
				Usable                 bool
				Reason                 Reason
				Split                  string
				TrainedOn, ValidatedOn int64
				Theta                  [2]float64
				Beta                   map[string]map[string]float64
				LogLoss, Baseline      float64
				Gain                   float64
				GainInterval           [2]float64
				Skill, AUC, Lift       float64
				Calibration            []Bin
				Profiles               []struct {
					Profile []string
					P       [3]float64
				}
			}
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Prediction) != 4 {
		t.Fatalf("%d cases", len(golden.Prediction))
	}
	for _, c := range golden.Prediction {
		t.Run(c.Name, func(t *testing.T) {
			traits, cells, months := coded(c.Traits, c.Months)
			model, e := Learn(traits, cells)
			want := c.Out
			if e.Reason != want.Reason || (model != nil) != want.Usable {
				t.Fatalf("reason %q, model %v, want %q and usable %v", e.Reason, model, want.Reason, want.Usable)
			}
			if want.TrainedOn == 0 {
				return
			}
			if e.Learned != want.TrainedOn || e.Judged != want.ValidatedOn || months[e.LastLearned+1] != want.Split {
				t.Errorf("learned from %d up to %s, judged on %d", e.Learned, months[e.LastLearned], e.Judged)
			}
			near6(t, "log loss", e.LogLoss, want.LogLoss)
			near6(t, "baseline", e.Baseline, want.Baseline)
			near6(t, "gain", e.Gain, want.Gain)
			near6(t, "gain, low", e.GainInterval.Low, want.GainInterval[0])
			near6(t, "gain, high", e.GainInterval.High, want.GainInterval[1])
			near6(t, "skill", e.Skill, want.Skill)
			near6(t, "auc", *e.AUC, want.AUC)
			near6(t, "lift", *e.Lift, want.Lift)
			if len(e.Calibration) != len(want.Calibration) {
				t.Fatalf("calibration %v, want %v", e.Calibration, want.Calibration)
			}
			for i, bin := range want.Calibration {
				if e.Calibration[i].Responses != bin.Responses {
					t.Errorf("bin %d has %d responses, want %d", i, e.Calibration[i].Responses, bin.Responses)
				}
				near6(t, "predicted", e.Calibration[i].Predicted, bin.Predicted)
				near6(t, "observed", e.Calibration[i].Observed, bin.Observed)
			}
			// What it was judged by, which only the judging sees.
			earlier := make([]nps.Counts, len(traits[0].Of))
			for cell := range cells {
				if cell.Month <= e.LastLearned {
					earlier[cell.Profile] = cell.Counts
				}
			}
			l := layOut(traits, earlier)
			judgedBy := l.model(fit(l.rows(earlier, nil), l.columns, ridge))
			near6(t, "θ₁", judgedBy.Theta[0], want.Theta[0])
			near6(t, "θ₂", judgedBy.Theta[1], want.Theta[1])
			for _, trait := range judgedBy.Traits {
				betas := want.Beta[trait.Key]
				if len(trait.Values)+1 != len(betas) {
					t.Errorf("β %v, want %v", trait, betas)
				}
				near6(t, "β of others", trait.Other, betas[Other])
				for value, beta := range trait.Values {
					near6(t, "β of "+value, beta, betas[value])
				}
			}
			for _, p := range want.Profiles {
				got := model.Predict(p.Profile)
				near6(t, "detractor", got.Detractor, p.P[0])
				near6(t, "passive", got.Passive, p.P[1])
				near6(t, "promoter", got.Promoter, p.P[2])
			}
		})
	}
}

package effect

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

// change is a difference as the golden file writes it.
type change struct {
	Estimate, Z, P float64
	Interval       [2]float64
}

// windows are responses as the golden file writes them.
type windows struct{ Earlier, Before, After triple }

func (w windows) windows() Windows {
	return Windows{w.Earlier.counts(), w.Before.counts(), w.After.counts()}
}

// days are a list, or said to be as in the first case.
type days []triple

func (d *days) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte{'"'}) {
		return nil
	}
	return json.Unmarshal(text, (*[]triple)(d))
}

func (d days) counts() []nps.Counts {
	counts := make([]nps.Counts, len(d))
	for i, t := range d {
		counts[i] = t.counts()
	}
	return counts
}

// agree fails the test unless got is the difference that is wanted.
func agree(t *testing.T, what string, got *nps.Difference, want *change) {
	t.Helper()
	if got == nil || want == nil {
		if got != nil || want != nil {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
		return
	}
	i := got.Interval()
	for _, x := range []struct {
		name              string
		got, want, within float64
	}{
		{"estimate", got.Estimate, want.Estimate, 1e-9},
		{"low", i.Low, want.Interval[0], 1e-6},
		{"high", i.High, want.Interval[1], 1e-6},
		{"p", got.P(), want.P, 1e-6},
	} {
		if !(math.Abs(x.got-x.want) <= x.within*math.Abs(x.want)) {
			t.Errorf("%s: %s is %v, want %v", what, x.name, x.got, x.want)
		}
	}
}

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Source  string `json:"_"`
		Effects []struct {
			Name                  string
			Days                  days
			Others                *days
			Start, Window, Settle int
			Out                   struct {
				Windows, Others                    windows
				Change, OthersChange, Effect, Lead *change
				Placebos                           Placebos
				Reason                             string
			}
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Effects) == 0 {
		t.Fatal("golden file lacks values")
	}
	first := golden.Effects[0]
	for _, g := range golden.Effects {
		t.Run(g.Name, func(t *testing.T) {
			s := Study{Treated: first.Days.counts(), Start: g.Start, Window: g.Window, Settle: g.Settle}
			s.Today = len(s.Treated) - 1
			if g.Others != nil {
				s.Others = first.Others.counts()
			}
			r := Of(s)
			if want := g.Out.Windows.windows(); r.Treated != want {
				t.Errorf("treated are %v, want %v", r.Treated, want)
			}
			// Where there is no answer the others are not told.
			if want := g.Out.Others.windows(); g.Out.Reason == "" && r.Others != want {
				t.Errorf("others are %v, want %v", r.Others, want)
			}
			if got := r.Change == nil; got != (g.Out.Reason == "NO_RESPONSES") {
				t.Errorf("no change: %v, want %q", got, g.Out.Reason)
			}
			agree(t, "change", r.Change, g.Out.Change)
			agree(t, "othersChange", r.OthersChange, g.Out.OthersChange)
			agree(t, "effect", r.Effect, g.Out.Effect)
			agree(t, "lead", r.Lead, g.Out.Lead)
			if r.Placebos != g.Out.Placebos {
				t.Errorf("placebos are %+v, want %+v", r.Placebos, g.Out.Placebos)
			}
		})
	}
}

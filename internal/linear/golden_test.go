package linear

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
)

// triple is counts as the golden file writes them: detractors, passives, promoters.
type triple [3]int64

func (t triple) counts() nps.Counts {
	return nps.Counts{Detractors: t[0], Passives: t[1], Promoters: t[2]}
}

// named is profiles with names for values.
type named struct {
	Name     string
	Traits   []string
	Profiles []namedProfile
}

type namedProfile struct {
	Values []string
	Counts triple
}

func (p *namedProfile) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&p.Values, &p.Counts})
}

// coded gives codes in the order of names.
func (n *named) coded() (profiles []Profile, names [][]string) {
	names = make([][]string, len(n.Traits))
	for _, p := range n.Profiles {
		for trait, value := range p.Values {
			names[trait] = append(names[trait], value)
		}
	}
	for trait := range names {
		slices.Sort(names[trait])
		names[trait] = slices.Compact(names[trait])
	}
	for _, p := range n.Profiles {
		codes := make([]int, len(n.Traits))
		for trait, value := range p.Values {
			codes[trait], _ = slices.BinarySearch(names[trait], value)
		}
		profiles = append(profiles, Profile{codes, p.Counts.counts()})
	}
	return profiles, names
}

func nameOf(names []string, code int) string {
	if code == Other {
		return "(other)"
	}
	return names[code]
}

type goldenPart struct {
	Explained, F, P, Spread, AdjustedP *float64
	DF                                 []float64
	Reason                             Reason
}

type goldenHotspot struct {
	Group      [][2]string
	Counts     triple
	Share      float64
	VersusRest struct {
		Estimate, Z, P float64
		Interval       [2]float64
	}
	Worth        float64
	P, AdjustedP float64
	BeyondParts  *float64
}

type golden struct {
	Drivers []struct {
		named
		Out struct {
			Explained float64
			Traits    map[string]struct {
				Alone, Own goldenPart
				Values     map[string]struct {
					Responses             int64
					Score                 float64
					Effect, StandardError *float64
					Interval              *[2]float64
				}
				Reason Reason
			}
			Order  []string
			Reason Reason
		}
	}
	Hotspots []struct {
		Name       string
		ProfilesOf int
		Args       struct {
			Depth         int
			MinResponses  int64
			MinDifference float64
		}
		Out struct {
			Tested   int
			Hotspots []goldenHotspot
			Reason   Reason
		}
	}
	Curves []struct {
		Groups []triple
		Out    struct {
			Slope, StandardError, P float64
			Interval                [2]float64
			Reason                  Reason
		}
	}
}

func readGolden(t testing.TB) golden {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Drivers) == 0 || len(g.Hotspots) == 0 || len(g.Curves) == 0 {
		t.Fatal("golden file lacks values")
	}
	return g
}

// agree fails the test unless got is want to the tolerance, of what is above 1 in parts.
func agree(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*max(1, math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// agreeSmall is agree for what may be tiny and still has ten digits, as P.
func agreeSmall(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Abs(want)) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

const closed, searched = 1e-9, 1e-6

func agreePart(t *testing.T, what string, got Part, want goldenPart) {
	t.Helper()
	if got.Reason != want.Reason {
		t.Errorf("%s: reason %q, want %q", what, got.Reason, want.Reason)
	}
	if want.P == nil {
		if got != (Part{Reason: want.Reason}) {
			t.Errorf("%s is %+v, want nothing but a reason", what, got)
		}
		return
	}
	agree(t, what+": explained", got.Explained, *want.Explained, closed)
	agree(t, what+": spread", got.Spread, *want.Spread, closed)
	agreeSmall(t, what+": p", got.P, *want.P, closed)
	agreeSmall(t, what+": adjusted p", got.AdjustedP, *want.AdjustedP, closed)
	agreeSmall(t, what+": p of F", fisherTail(*want.F, want.DF[0], want.DF[1]), *want.P, 1e-8) // F has ten digits
	if significant := *want.AdjustedP < 0.05; got.Significant() != significant {
		t.Errorf("%s: significant is %v", what, got.Significant())
	}
}

func TestGoldenDrivers(t *testing.T) {
	for _, g := range readGolden(t).Drivers {
		t.Run(g.Name, func(t *testing.T) {
			profiles, names := g.coded()
			a := Drivers(profiles, 30)
			if a.Reason != g.Out.Reason {
				t.Fatalf("reason %q, want %q", a.Reason, g.Out.Reason)
			}
			agree(t, "explained", a.Explained, g.Out.Explained, closed)
			var order []string
			for _, d := range a.Traits {
				key := g.Traits[d.Trait]
				want, ok := g.Out.Traits[key]
				if !ok && a.Reason == "" {
					t.Errorf("no %s in the golden file", key)
				}
				if g.Out.Reason != "" {
					continue
				}
				if d.Reason != want.Reason {
					t.Errorf("%s: reason %q, want %q", key, d.Reason, want.Reason)
				}
				if d.Reason != "" {
					if len(d.Values) > 0 {
						t.Errorf("%s has values", key)
					}
					continue
				}
				order = append(order, key)
				agreePart(t, key+" alone", d.Alone, want.Alone)
				agreePart(t, key+" own", d.Own, want.Own)
				if len(d.Values) != len(want.Values) {
					t.Errorf("%s has %d values, want %d", key, len(d.Values), len(want.Values))
				}
				for _, v := range d.Values {
					what := key + " " + nameOf(names[d.Trait], v.Code)
					w, ok := want.Values[nameOf(names[d.Trait], v.Code)]
					if !ok {
						t.Errorf("no %s in the golden file", what)
						continue
					}
					if v.Counts.N() != w.Responses {
						t.Errorf("%s: %d responses, want %d", what, v.Counts.N(), w.Responses)
					}
					agree(t, what+": score", score(v.Counts), w.Score, closed)
					if (v.Effect == nil) != (w.Effect == nil) {
						t.Errorf("%s: effect %v, want %v", what, v.Effect, w.Effect)
					}
					if v.Effect == nil || w.Effect == nil {
						continue
					}
					agree(t, what+": effect", v.Effect.Effect, *w.Effect, closed)
					agree(t, what+": standard error", v.Effect.StandardError, *w.StandardError, closed)
					agree(t, what+": low", v.Effect.Interval.Low, w.Interval[0], closed)
					agree(t, what+": high", v.Effect.Interval.High, w.Interval[1], closed)
				}
			}
			if !slices.Equal(order, g.Out.Order) {
				t.Errorf("order %v, want %v", order, g.Out.Order)
			}
		})
	}
}

func TestGoldenCurves(t *testing.T) {
	for i, g := range readGolden(t).Curves {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			var points []nps.Counts
			for _, c := range g.Groups {
				points = append(points, c.counts())
			}
			l := Curve(points)
			if l.Reason != g.Out.Reason {
				t.Fatalf("reason %q, want %q", l.Reason, g.Out.Reason)
			}
			if l.Reason != "" {
				if l != (Line{Reason: l.Reason}) || l.Significant() {
					t.Errorf("%+v beside a reason", l)
				}
				return
			}
			agree(t, "slope", l.Slope, g.Out.Slope, closed)
			agree(t, "standard error", l.StandardError, g.Out.StandardError, closed)
			agree(t, "low", l.Interval.Low, g.Out.Interval[0], closed)
			agree(t, "high", l.Interval.High, g.Out.Interval[1], closed)
			agreeSmall(t, "p", l.P, g.Out.P, closed)
			if l.Significant() != (g.Out.P < 0.05) {
				t.Errorf("significant is %v", l.Significant())
			}
		})
	}
}

func TestGoldenHotspots(t *testing.T) {
	g := readGolden(t)
	for i, c := range g.Hotspots {
		t.Run(fmt.Sprint(i, " ", c.Name), func(t *testing.T) {
			of := g.Drivers[c.ProfilesOf]
			profiles, names := of.coded()
			found := Hotspots(profiles, Search{
				Pairs: c.Args.Depth == 2, Responses: c.Args.MinResponses, Difference: c.Args.MinDifference / 100,
			})
			if found.Reason != c.Out.Reason || found.Tested != c.Out.Tested || len(found.Groups) != len(c.Out.Hotspots) {
				t.Fatalf("%+v, want %+v", found, c.Out)
			}
			for i, h := range found.Groups {
				want := c.Out.Hotspots[i]
				var group [][2]string
				for k, trait := range h.Traits {
					group = append(group, [2]string{of.Traits[trait], nameOf(names[trait], h.Values[k])})
				}
				if !slices.Equal(group, want.Group) || h.Counts != want.Counts.counts() {
					t.Errorf("%v, %v, want %v, %v", group, h.Counts, want.Group, want.Counts)
				}
				what := fmt.Sprint(group)
				agree(t, what+": share", h.Share, want.Share, closed)
				agree(t, what+": difference", h.Difference, want.VersusRest.Estimate, closed)
				if rest, ok := nps.Compare(h.Counts, h.Rest); !ok {
					t.Errorf("%s: nothing to compare with", what)
				} else {
					agree(t, what+": z", rest.Z(), want.VersusRest.Z, searched)
					agreeSmall(t, what+": p by itself", rest.P(), want.VersusRest.P, searched)
					agree(t, what+": low", rest.Interval().Low, want.VersusRest.Interval[0], searched)
					agree(t, what+": high", rest.Interval().High, want.VersusRest.Interval[1], searched)
				}
				agree(t, what+": worth", h.Worth, want.Worth, closed)
				agreeSmall(t, what+": p", h.P, want.P, searched)
				agreeSmall(t, what+": adjusted p", h.AdjustedP, want.AdjustedP, searched)
				if (want.BeyondParts != nil) != (len(h.Traits) == 2) {
					t.Errorf("%s: beyond parts %v, want %v", what, h.BeyondParts, want.BeyondParts)
				} else if want.BeyondParts != nil {
					agree(t, what+": beyond parts", h.BeyondParts, *want.BeyondParts, closed)
				}
			}
		})
	}
}

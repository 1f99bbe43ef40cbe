package nps

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestHolm holds Holm to the definition: a P adjusted is the least α at which stepping down refuses it, which goes from
// the smallest P on and stops at the first that is above its share of α.
func TestHolm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 1), rapid.Float64Range(0, 1e-3), rapid.SampledFrom([]float64{0, 0.01, 1})), 0, 30).Draw(t, "p")
		adjusted := Holm(p)
		if len(adjusted) != len(p) {
			t.Fatalf("%d of %d", len(adjusted), len(p))
		}
		refused := func(alpha float64) map[int]bool {
			order := make([]int, len(p))
			for i := range order {
				order[i] = i
			}
			slices.SortFunc(order, func(i, j int) int {
				if p[i] < p[j] || p[i] == p[j] && i < j {
					return -1
				}
				return 1
			})
			out := map[int]bool{}
			for rank, i := range order {
				if p[i] > alpha/float64(len(p)-rank) {
					break
				}
				out[i] = true
			}
			return out
		}
		for i, a := range adjusted {
			if !(a >= p[i] && a <= math.Min(1, p[i]*float64(len(p)))) {
				t.Fatalf("%v of %v is adjusted to %v", p[i], p, a)
			}
			if a < 1 && (!refused(a * (1 + 1e-12))[i] || a > 0 && refused(a * (1 - 1e-12))[i]) {
				t.Fatalf("%v of %v is adjusted to %v, where stepping down says otherwise", p[i], p, a)
			}
		}
	})
}

func TestFamily(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := rapid.SliceOfN(anyCounts(300), 0, 8).Draw(t, "groups")
		beyond := anyCounts(100).Draw(t, "beyond") // of the whole, in no group
		whole := beyond
		for _, g := range groups {
			whole = whole.Add(g)
		}
		f := VersusRest(whole, groups)
		adjusted, tested := f.Adjusted(), 0
		for i, g := range groups {
			rest := whole.Sub(g)
			d, a := f.Differences[i], adjusted[i]
			if (d == nil) != (g.N() == 0 || rest.N() == 0) {
				t.Fatalf("difference %v of %v and %v", d, g, rest)
			}
			alone := len(groups) == 1 || len(groups) == 2 && beyond.N() == 0
			if want := d != nil && (alone || min(g.N(), rest.N()) >= FewestBeside); a.Tested != want {
				t.Fatalf("%v beside %v: %+v, want tested %v", g, rest, a, want)
			}
			switch {
			case !a.Tested:
				if a.P != 1 || a.Significant {
					t.Fatalf("untested, and yet %+v", a)
				}
			case alone:
				tested = 1
				if a.P != d.P() || a.Significant != d.Significant() || a.P != adjusted[len(groups)-1-i].P {
					t.Fatalf("%+v of one by itself, with P %v", a, d.P())
				}
			default:
				tested++
				w, _ := CompareAdjustedWald(g, rest)
				larger := max(d.P(), w.P)
				if a.P < larger || a.P > float64(f.Comparisons())*larger || a.Significant != (a.P < Significance) {
					t.Fatalf("%+v, with P %v and %v", a, d.P(), w.P)
				}
			}
			if a.Significant && d.Estimate == 0 {
				t.Fatalf("significant without a difference")
			}
		}
		if f.Comparisons() != tested {
			t.Fatalf("%d comparisons, want %d", f.Comparisons(), tested)
		}
	})
}

func TestBeside(t *testing.T) {
	d := compared(t, Counts{10, 20, 70}, Counts{40, 30, 30})
	few := compared(t, Counts{9, 0, 0}, Counts{0, 0, 1000})
	alone := Beside([]*Difference{&few})
	if a := alone.Adjusted(); alone.Comparisons() != 1 || !a[0].Tested || a[0].P != few.P() || !a[0].Significant {
		t.Errorf("one by itself: %+v", a)
	}
	many := Beside([]*Difference{&d, nil, &few, &d})
	a := many.Adjusted()
	if many.Comparisons() != 2 || !a[0].Tested || a[1].Tested || a[2].Tested || a[0] != a[3] {
		t.Errorf("%d comparisons: %+v", many.Comparisons(), a)
	}
	if none := Beside(nil); none.Comparisons() != 0 || len(none.Adjusted()) != 0 {
		t.Errorf("no comparisons: %+v", none)
	}
	if none := Beside([]*Difference{nil}); none.Comparisons() != 0 || none.Adjusted()[0].Tested {
		t.Errorf("a comparison of nothing: %+v", none)
	}
	changes, _ := CompareChanges(Counts{10, 20, 70}, Counts{40, 30, 30}, Counts{30, 30, 40}, Counts{30, 30, 40})
	both := Beside([]*Difference{&changes, &changes})
	if a := both.Adjusted(); both.Comparisons() != 2 || math.Abs(a[0].P-2*changes.P()) > slack {
		t.Errorf("two differences of differences with P %v: %+v", changes.P(), a)
	}
}

// TestEqualGroups breaks a body of equals down into groups, again and again: one table in twenty at most may call any
// different, where without correction most do. The source is seeded, the bound four standard errors wide.
func TestEqualGroups(t *testing.T) {
	const tables = 300
	random := rand.New(rand.NewPCG(19, 79))
	for _, truth := range [][3]float64{nine[4], nine[6]} {
		wrong, uncorrected := 0, 0
		for range tables {
			var groups []Counts
			var whole Counts
			for range 50 {
				g := dealt(random, 60, truth)
				groups = append(groups, g)
				whole = whole.Add(g)
			}
			f := VersusRest(whole, groups)
			if slices.ContainsFunc(f.Adjusted(), func(a Adjusted) bool { return a.Significant }) {
				wrong++
			}
			if slices.ContainsFunc(f.Differences, func(d *Difference) bool { return d.Significant() }) {
				uncorrected++
			}
		}
		if share := float64(wrong) / tables; share > 0.05+4*math.Sqrt(0.05*0.95/tables) {
			t.Errorf("%.3f of tables of 50 equal groups of %v call one different", share, truth)
		}
		if share := float64(uncorrected) / tables; share < 0.7 {
			t.Errorf("%.3f of tables do without correction: the bound above tells nothing", share)
		}
	}
}

func BenchmarkFamily(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	var groups []Counts
	var whole Counts
	for range 50 {
		g := dealt(random, 200, nine[4])
		groups = append(groups, g)
		whole = whole.Add(g)
	}
	for b.Loop() {
		VersusRest(whole, groups).Adjusted()
	}
}

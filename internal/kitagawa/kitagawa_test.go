package kitagawa

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/zeroten/zeroten/internal/nps"
)

// triple is counts as the golden file writes them: detractors, passives, promoters.
type triple [3]int64

func (t triple) counts() nps.Counts {
	return nps.Counts{Detractors: t[0], Passives: t[1], Promoters: t[2]}
}

// fataler is what *testing.T and *rapid.T have in common here.
type fataler interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func near(t fataler, what string, got, want, slack float64) {
	t.Helper()
	if !(math.Abs(got-want) <= slack) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

const other = "(other)"

// lump does what whoever shows groups does: those that are Lumped become one.
func lump(keys []string, groups []Group, limit int) ([]string, []Group) {
	var rest Group
	var shown []Group
	var names []string
	for i, out := range Lumped(groups, limit) {
		if out {
			rest = Group{rest.Before.Add(groups[i].Before), rest.After.Add(groups[i].After)}
			continue
		}
		names, shown = append(names, keys[i]), append(shown, groups[i])
	}
	if rest.n() > 0 {
		names, shown = append(names, other), append(shown, rest)
	}
	return names, shown
}

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	type part struct {
		Estimate, StandardError, Z, P float64
		Interval                      [2]float64
		AdjustedP                     *float64
		Comparisons                   int
	}
	var golden struct {
		ExplainChange []struct {
			Before, After map[string]triple
			Out           struct {
				Difference           float64
				Total, Mix, Movement part
				Groups               map[string]struct {
					Mix, Movement float64
					Change        *part
				}
				Reason Reason
			}
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.ExplainChange) == 0 {
		t.Fatal("golden file lacks values")
	}
	for i, g := range golden.ExplainChange {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			all := map[string]Group{}
			for key, c := range g.Before {
				all[key] = Group{Before: c.counts()}
			}
			for key, c := range g.After {
				all[key] = Group{Before: all[key].Before, After: c.counts()}
			}
			var keys []string
			var groups []Group
			for _, key := range slices.Sorted(maps.Keys(all)) {
				keys, groups = append(keys, key), append(groups, all[key])
			}
			keys, groups = lump(keys, groups, 50)
			x, reason := Explain(groups)
			if reason != g.Out.Reason {
				t.Fatalf("reason %q, want %q", reason, g.Out.Reason)
			}
			if reason != "" {
				return
			}
			near(t, "difference", x.Difference, g.Out.Difference, 1e-9)
			for name, p := range map[string]struct {
				got  Part
				want part
			}{"mix": {x.Mix, g.Out.Mix}, "movement": {x.Movement, g.Out.Movement}} {
				near(t, name, p.got.Estimate, p.want.Estimate, 1e-9)
				near(t, name+"'s standard error", p.got.StandardError, p.want.StandardError, 1e-9)
				near(t, name+"'s low end", p.got.Interval.Low, p.want.Interval[0], 1e-9)
				near(t, name+"'s high end", p.got.Interval.High, p.want.Interval[1], 1e-9)
				near(t, name+"'s p", p.got.P, p.want.P, 1e-9)
			}
			// What stands beside it is of package nps.
			compare := func(g Group) *nps.Difference {
				if d, ok := nps.Compare(g.After, g.Before); ok {
					return &d
				}
				return nil
			}
			same := func(name string, d *nps.Difference, want *part) {
				if (d == nil) != (want == nil) {
					t.Errorf("%s: %v, want %v", name, d, want)
				}
				if d == nil || want == nil {
					return
				}
				near(t, name+"'s estimate", d.Estimate, want.Estimate, 1e-9)
				near(t, name+"'s low end", d.Interval().Low, want.Interval[0], 1e-9)
				near(t, name+"'s high end", d.Interval().High, want.Interval[1], 1e-9)
				near(t, name+"'s z", d.Z(), want.Z, 1e-8)
				near(t, name+"'s p", d.P(), want.P, 1e-9)
			}
			var total Group
			var changes []*nps.Difference
			for _, group := range groups {
				total = Group{total.Before.Add(group.Before), total.After.Add(group.After)}
				changes = append(changes, compare(group))
			}
			same("total", compare(total), &g.Out.Total)
			// Groups that are on one side only are no comparison: one group on both sides stands by itself.
			family := nps.Beside(slices.DeleteFunc(slices.Clone(changes), func(d *nps.Difference) bool { return d == nil }))
			judged := family.Adjusted()

			if len(keys) != len(g.Out.Groups) {
				t.Errorf("groups %v, want %d", keys, len(g.Out.Groups))
			}
			for i, key := range keys {
				want, ok := g.Out.Groups[key]
				if !ok {
					t.Errorf("group %s is not wanted", key)
				}
				near(t, key+"'s mix", x.Groups[i].Mix, want.Mix, 1e-9)
				near(t, key+"'s movement", x.Groups[i].Movement, want.Movement, 1e-9)
				same(key+"'s change", changes[i], want.Change)
				if want.Change == nil {
					continue
				}
				adjusted := judged[0]
				judged = judged[1:]
				if adjusted.Tested != (want.Change.AdjustedP != nil) || family.Comparisons() != want.Change.Comparisons {
					t.Errorf("%s: %+v of %d, want %+v", key, adjusted, family.Comparisons(), want.Change)
				} else if adjusted.Tested {
					near(t, key+"'s adjusted p", adjusted.P, *want.Change.AdjustedP, 1e-9)
				}
			}
		})
	}
}

// Households by age of the United States, 1970 and 1985: Das Gupta, Standardization and Decomposition of Rates, Current Population
// Reports P23-186, 1993, example 5.1, with the results that the R package DasGuptR 2.1.0 prints for it. A rate is a score of
// people who are promoters or passives.
func TestDasGuptasHouseholds(t *testing.T) {
	sizes := [2][]int64{ // in thousandths of all
		{129, 109, 95, 80, 78, 84, 86, 78, 70, 59, 47, 36, 49},
		{101, 112, 116, 109, 94, 77, 63, 60, 63, 59, 51, 40, 55},
	}
	rates := [2][]int64{ // heads of households in a thousand
		{19, 258, 457, 496, 512, 516, 518, 549, 587, 604, 628, 666, 668},
		{22, 243, 458, 525, 561, 556, 560, 574, 572, 612, 639, 686, 722},
	}
	groups := make([]Group, len(sizes[0]))
	for i := range groups {
		counts := func(side int) nps.Counts {
			return nps.Counts{Passives: sizes[side][i] * (1000 - rates[side][i]), Promoters: sizes[side][i] * rates[side][i]}
		}
		groups[i] = Group{counts(0), counts(1)}
	}
	x, reason := Explain(groups)
	if reason != "" {
		t.Fatal(reason)
	}
	near(t, "crude difference in percent", 100*x.Difference, 2.9672, 1e-9)
	near(t, "age", 100*x.Mix.Estimate, 1.2269, 0.00005)
	near(t, "rate", 100*x.Movement.Estimate, 1.7403, 0.00005)
}

// naive is Kitagawa's formula as it is printed, over shares and scores; NaN stands for no score.
func naive(w, m [2][]float64) (mix, movement float64) {
	borrowed := [2][]float64{slices.Clone(m[0]), slices.Clone(m[1])}
	level := 0.0
	for i := range w[0] {
		for side := range 2 {
			if math.IsNaN(m[side][i]) {
				borrowed[side][i] = m[1-side][i]
			}
			level += w[side][i] * borrowed[side][i] / 2
		}
	}
	for i := range w[0] {
		mix += (w[1][i] - w[0][i]) * ((borrowed[0][i]+borrowed[1][i])/2 - level)
		movement += (borrowed[1][i] - borrowed[0][i]) * (w[0][i] + w[1][i]) / 2
	}
	return mix, movement
}

// naiveErrors derives naive by every share and every score, by central differences, and weighs the derivatives with the
// covariances of multinomial shares and with the variances of scores on adjusted counts.
func naiveErrors(groups []Group) (mix, movement float64) {
	var w, m, v [2][]float64
	var n [2]float64
	for _, g := range groups {
		for side, c := range []nps.Counts{g.Before, g.After} {
			n[side] += float64(c.N())
			d, p, all := float64(c.Detractors), float64(c.Promoters), float64(c.N())
			m[side] = append(m[side], (p-d)/all) // NaN where there is nobody
			w[side] = append(w[side], all)
			d, p, all = d+0.75, p+0.75, all+3
			v[side] = append(v[side], (p+d)/all-(p-d)*(p-d)/all/all)
		}
	}
	for side := range 2 {
		for i := range groups {
			w[side][i] /= n[side]
		}
	}
	derive := func(x *float64) (byMix, byMovement float64) {
		const h = 1e-6
		at := *x
		*x = at + h
		mixUp, movementUp := naive(w, m)
		*x = at - h
		mixDown, movementDown := naive(w, m)
		*x = at
		return (mixUp - mixDown) / (2 * h), (movementUp - movementDown) / (2 * h)
	}
	for side := range 2 {
		byMix, byMovement := make([]float64, len(groups)), make([]float64, len(groups))
		for i := range groups {
			byMix[i], byMovement[i] = derive(&w[side][i])
		}
		for i := range groups {
			for j := range groups {
				covariance := -w[side][i] * w[side][j] / n[side]
				if i == j {
					covariance += w[side][i] / n[side]
				}
				mix += byMix[i] * byMix[j] * covariance
				movement += byMovement[i] * byMovement[j] * covariance
			}
			if w[side][i] > 0 {
				dMix, dMovement := derive(&m[side][i])
				mix += dMix * dMix * v[side][i] / (n[side] * w[side][i])
				movement += dMovement * dMovement * v[side][i] / (n[side] * w[side][i])
			}
		}
	}
	return math.Sqrt(max(mix, 0)), math.Sqrt(max(movement, 0))
}

// anyCounts draws up to 3 × most responses, with none of a category more often than chance would have it.
func anyCounts(most int64) *rapid.Generator[nps.Counts] {
	return rapid.Custom(func(t *rapid.T) nps.Counts {
		part := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, min(most, 12)), rapid.Int64Range(0, most))
		return nps.Counts{Detractors: part.Draw(t, "detractors"), Passives: part.Draw(t, "passives"), Promoters: part.Draw(t, "promoters")}
	})
}

func anyGroups(most int64) *rapid.Generator[[]Group] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Group {
		side := rapid.OneOf(rapid.Just(nps.Counts{}), anyCounts(most))
		return Group{side.Draw(t, "before"), side.Draw(t, "after")}
	}), 0, 12)
}

func TestNumericalDerivatives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := slices.DeleteFunc(anyGroups(500).Draw(t, "groups"), func(g Group) bool { return g.n() == 0 })
		x, reason := Explain(groups)
		if reason != "" {
			return
		}
		mix, movement := naiveErrors(groups)
		near(t, "mix's standard error", x.Mix.StandardError, mix, 1e-7)
		near(t, "movement's standard error", x.Movement.StandardError, movement, 1e-7)
	})
}

func sum(groups []GroupPart, of func(GroupPart) float64) float64 {
	total := 0.0
	for _, g := range groups {
		total += of(g)
	}
	return total
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := anyGroups(rapid.SampledFrom([]int64{2, 40, 1000, 1e15}).Draw(t, "most")).Draw(t, "groups")
		x, reason := Explain(groups)
		var before, after nps.Counts
		some := 0
		for _, g := range groups {
			before, after = before.Add(g.Before), after.Add(g.After)
			if g.n() > 0 {
				some++
			}
		}
		switch {
		case before.N() == 0 || after.N() == 0:
			if reason != NoResponses || x.Groups != nil {
				t.Fatalf("reason %q where nobody answered on a side", reason)
			}
			return
		case some < 2:
			if reason != OneGroup || x.Groups != nil {
				t.Fatalf("reason %q for one group", reason)
			}
			return
		case reason != "":
			t.Fatalf("reason %q for %v", reason, groups)
		}

		near(t, "mix and movement", x.Mix.Estimate+x.Movement.Estimate, x.Difference, 1e-12)
		near(t, "the groups' mix", sum(x.Groups, func(g GroupPart) float64 { return g.Mix }), x.Mix.Estimate, 1e-12)
		near(t, "the groups' movement", sum(x.Groups, func(g GroupPart) float64 { return g.Movement }), x.Movement.Estimate, 1e-12)
		near(t, "shares before", sum(x.Groups, func(g GroupPart) float64 { return g.ShareBefore }), 1, 1e-12)
		near(t, "shares after", sum(x.Groups, func(g GroupPart) float64 { return g.ShareAfter }), 1, 1e-12)
		for _, p := range []Part{x.Mix, x.Movement} {
			if !(p.StandardError >= 0 && p.StandardError <= 2 && p.P >= 0 && p.P <= 1 && -2 <= p.Interval.Low && p.Interval.Low <= p.Estimate &&
				p.Estimate <= p.Interval.High && p.Interval.High <= 2) {
				t.Fatalf("part %+v of %v", p, groups)
			}
			// The interval and p tell the same, but for the last digits at the border.
			if away := p.Interval.Low > 0 || p.Interval.High < 0; away != p.Significant() && math.Abs(p.P-nps.Significance) > 1e-9 {
				t.Fatalf("interval %v and p %v contradict each other", p.Interval, p.P)
			}
		}
		for i, g := range x.Groups {
			there := groups[i].Before.N() > 0 && groups[i].After.N() > 0
			if !there && g.Movement != 0 || math.Signbit(g.Movement) && g.Movement == 0 || math.Signbit(g.Mix) && g.Mix == 0 {
				t.Fatalf("part %+v of %+v", g, groups[i])
			}
		}

		// The order of groups is nobody's business, nor are groups of nobody.
		order := rapid.Permutation(append(slices.Clone(groups), Group{})).Draw(t, "order")
		y, _ := Explain(order)
		near(t, "mix in another order", y.Mix.Estimate, x.Mix.Estimate, 1e-12)
		near(t, "movement in another order", y.Movement.Estimate, x.Movement.Estimate, 1e-12)
		near(t, "mix's standard error in another order", y.Mix.StandardError, x.Mix.StandardError, 1e-12)
		near(t, "movement's standard error in another order", y.Movement.StandardError, x.Movement.StandardError, 1e-12)

		// The way back is the same way.
		back := make([]Group, len(groups))
		for i, g := range groups {
			back[i] = Group{g.After, g.Before}
		}
		z, _ := Explain(back)
		near(t, "mix backwards", z.Mix.Estimate, -x.Mix.Estimate, 1e-12)
		near(t, "movement backwards", z.Movement.Estimate, -x.Movement.Estimate, 1e-12)
		near(t, "mix's standard error backwards", z.Mix.StandardError, x.Mix.StandardError, 1e-12)
	})
}

// A group below average whose share stayed gives 0, not −0, which JSON would show.
func TestNoMinusZero(t *testing.T) {
	unhappy, happy := nps.Counts{Detractors: 10}, nps.Counts{Promoters: 10}
	x, reason := Explain([]Group{{unhappy, unhappy}, {happy, happy}})
	if reason != "" {
		t.Fatal(reason)
	}
	for i, g := range x.Groups {
		if g.Mix != 0 || math.Signbit(g.Mix) || g.Movement != 0 || math.Signbit(g.Movement) {
			t.Errorf("group %d: %+v", i, g)
		}
	}
}

func TestLumped(t *testing.T) {
	of := func(before, after int64) Group {
		return Group{nps.Counts{Passives: before}, nps.Counts{Promoters: after}}
	}
	groups := []Group{of(15, 14), of(15, 15), of(0, 100), of(100, 0), of(20, 20), of(0, 0)}
	for limit, want := range map[int][]bool{
		0: {true, true, true, true, true, true},
		1: {true, true, false, true, true, true},
		2: {true, true, false, false, true, true},
		3: {true, true, false, false, false, true},
		9: {true, false, false, false, false, true},
	} {
		if got := Lumped(groups, limit); !slices.Equal(got, want) {
			t.Errorf("Lumped(%d) = %v, want %v", limit, got, want)
		}
	}
}

// truth is a population: shares of groups, and within each of detractors, passives and promoters.
type truth struct {
	shares []float64
	people [][3]float64
}

func (p truth) score(i int) float64 { return p.people[i][2] - p.people[i][0] }

// drawn is how many of n people, drawn with a seeded source, are of each group and category.
func (p truth) drawn(random *rand.Rand, n int) []nps.Counts {
	counts := make([]nps.Counts, len(p.shares))
	for range n {
		u, i := random.Float64(), 0
		for ; i < len(p.shares)-1 && u >= p.shares[i]; i++ {
			u -= p.shares[i]
		}
		switch u := random.Float64(); {
		case u < p.people[i][0]:
			counts[i].Detractors++
		case u < p.people[i][0]+p.people[i][1]:
			counts[i].Passives++
		default:
			counts[i].Promoters++
		}
	}
	return counts
}

// people are groups from unhappy to nearly unanimous.
func people(k int, shift float64) [][3]float64 {
	all := make([][3]float64, k)
	for i := range all {
		p := 0.3 + 0.6*float64(i)/float64(k-1) - shift
		d := (1 - p) * 0.4
		all[i] = [3]float64{d, 1 - p - d, p}
	}
	return all
}

// sloped is shares that grow from group to group, by slope more or less.
func sloped(k int, slope float64) []float64 {
	shares := make([]float64, k)
	for i := range shares {
		shares[i] = (1 + slope*(float64(i)/float64(k-1)-0.5)) / float64(k)
	}
	return shares
}

// TestSimulatedCoverage draws both sides again and again: the intervals must hold what is true of everybody in 93 % of cases, and
// where nothing changed, at most 5 % may be called significant; four standard errors of 2,000 draws beside that. The source is
// seeded: a run is as good as any other.
func TestSimulatedCoverage(t *testing.T) {
	const draws = 2000
	random := rand.New(rand.NewPCG(1955, 50))
	for _, test := range []struct {
		name          string
		n0, n1        int
		before, after truth
		same          bool
	}{
		{"three groups, nothing changed", 100, 100, truth{sloped(3, 0), people(3, 0)}, truth{sloped(3, 0), people(3, 0)}, true},
		{"twenty groups, nothing changed", 300, 300, truth{sloped(20, 1), people(20, 0)}, truth{sloped(20, 1), people(20, 0)}, true},
		{"three groups, both", 100, 150, truth{sloped(3, -1), people(3, 0)}, truth{sloped(3, 1), people(3, 0.1)}, false},
		{"twenty groups, both", 100, 100, truth{sloped(20, -0.5), people(20, 0)}, truth{sloped(20, 1), people(20, 0.1)}, false},
		{"eight groups, movement", 400, 200, truth{sloped(8, 1), people(8, 0.1)}, truth{sloped(8, 1), people(8, 0)}, false},
	} {
		trueMix, trueMovement := 0.0, 0.0
		for i := range test.before.shares {
			w0, w1, m0, m1 := test.before.shares[i], test.after.shares[i], test.before.score(i), test.after.score(i)
			trueMix += (w1 - w0) * (m0 + m1) / 2
			trueMovement += (m1 - m0) * (w0 + w1) / 2
		}
		var heldMix, heldMovement, saidMix, saidMovement float64
		for range draws {
			before, after := test.before.drawn(random, test.n0), test.after.drawn(random, test.n1)
			groups := make([]Group, len(before))
			for i := range groups {
				groups[i] = Group{before[i], after[i]}
			}
			x, reason := Explain(groups)
			if reason != "" {
				t.Fatal(reason)
			}
			count := func(total *float64, is bool) {
				if is {
					*total += 1. / draws
				}
			}
			count(&heldMix, x.Mix.Interval.Low <= trueMix && trueMix <= x.Mix.Interval.High)
			count(&heldMovement, x.Movement.Interval.Low <= trueMovement && trueMovement <= x.Movement.Interval.High)
			count(&saidMix, x.Mix.Significant())
			count(&saidMovement, x.Movement.Significant())
		}
		t.Logf("%s: mix %.3f, movement %.3f; significant %.3f, %.3f", test.name, heldMix, heldMovement, saidMix, saidMovement)
		if least := 0.93 - 4*math.Sqrt(0.93*0.07/draws); heldMix < least || heldMovement < least {
			t.Errorf("%s: intervals hold mix in %.3f and movement in %.3f of draws, want %.3f", test.name, heldMix, heldMovement, least)
		}
		if most := 0.05 + 4*math.Sqrt(0.05*0.95/draws); test.same && (saidMix > most || saidMovement > most) {
			t.Errorf("%s: mix is called significant in %.3f, movement in %.3f of draws, want at most %.3f", test.name, saidMix, saidMovement, most)
		}
		if !test.same && saidMovement < 0.1 {
			t.Errorf("%s: movement is called significant in %.3f of draws: the bound above tells nothing", test.name, saidMovement)
		}
	}
}

func BenchmarkExplain(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	before, after := truth{sloped(200, 1), people(200, 0)}.drawn(random, 10000), truth{sloped(200, -1), people(200, 0)}.drawn(random, 10000)
	groups := make([]Group, len(before))
	for i := range groups {
		groups[i] = Group{before[i], after[i]}
	}
	for b.Loop() {
		if _, reason := Explain(groups); reason != "" {
			b.Fatal(reason)
		}
	}
}

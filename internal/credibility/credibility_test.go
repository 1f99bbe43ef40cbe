package credibility

import (
	"encoding/json"
	"fmt"
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
}

func near(t fataler, what string, got, want, slack float64) {
	t.Helper()
	if !(math.Abs(got-want) <= slack) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Shrunk []struct {
			Groups []triple
			Out    struct {
				Within, Between, Mean float64
				Groups                []Shrunk
				Reason                Reason
			}
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Shrunk) == 0 {
		t.Fatal("golden file lacks values")
	}
	for i, g := range golden.Shrunk {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			var groups []nps.Counts
			for _, c := range g.Groups {
				groups = append(groups, c.counts())
			}
			e, reason := Shrink(groups)
			if reason != g.Out.Reason || len(e.Groups) != len(g.Out.Groups) {
				t.Fatalf("reason %q, %d groups, want %q, %d", reason, len(e.Groups), g.Out.Reason, len(g.Out.Groups))
			}
			near(t, "variance within", e.Within, g.Out.Within, 1e-9)
			near(t, "variance between", e.Between, g.Out.Between, 1e-9)
			near(t, "mean", e.Mean, g.Out.Mean, 1e-9)
			for j, want := range g.Out.Groups {
				near(t, "weight", e.Groups[j].Weight, want.Weight, 1e-9)
				near(t, "score", e.Groups[j].Score, want.Score, 1e-9)
			}
		})
	}
}

// Average bodily injury claims of five states over twelve quarters: Hachemeister, Credibility for regression models with
// application to trend, 1975, without weights. The R package actuar prints the three figures for
// cm(~state, hachemeister, ratios = ratio.1:ratio.12).
func TestHachemeistersClaims(t *testing.T) {
	claims := [][]float64{
		{1738, 1642, 1794, 2051, 2079, 2234, 2032, 2035, 2115, 2262, 2267, 2517},
		{1364, 1408, 1597, 1444, 1342, 1675, 1470, 1448, 1464, 1831, 1612, 1471},
		{1759, 1685, 1479, 1763, 1674, 2103, 1502, 1622, 1828, 2155, 2233, 2059},
		{1223, 1146, 1010, 1257, 1426, 1532, 1953, 1123, 1343, 1243, 1762, 1306},
		{1456, 1499, 1609, 1741, 1482, 1572, 1606, 1735, 1607, 1573, 1613, 1690},
	}
	sizes, means := make([]float64, len(claims)), make([]float64, len(claims))
	within := 0.0
	for i, state := range claims {
		sizes[i] = float64(len(state))
		for _, claim := range state {
			means[i] += claim / sizes[i]
		}
		for _, claim := range state {
			within += (claim - means[i]) * (claim - means[i])
		}
	}
	e := shrink(sizes, means, within/(12*5-5))
	near(t, "collective premium", e.Mean, 1671.017, 0.0005)
	near(t, "between state variance", e.Between, 72310.02, 0.005)
	near(t, "within state variance", e.Within, 46040.47, 0.005)
}

// naive goes over single answers, as an analysis of variance by hand would.
func naive(groups []nps.Counts) (within, between, mean float64, weights, scores []float64) {
	var answers [][]float64
	n, squares, total := 0.0, 0.0, 0.0
	for _, c := range groups {
		var group []float64
		for value, count := range map[float64]int64{-1: c.Detractors, 0: c.Passives, 1: c.Promoters} {
			for range count {
				group = append(group, value)
				total += value
			}
		}
		answers = append(answers, group)
		n += float64(len(group))
		squares += float64(len(group)) * float64(len(group))
	}
	k := float64(len(groups))
	for _, group := range answers {
		score := 0.0
		for _, y := range group {
			score += y / float64(len(group))
		}
		scores = append(scores, score)
		for _, y := range group {
			within += (y - score) * (y - score) / (n - k)
			between += (score - total/n) * (score - total/n)
		}
	}
	between = max(0, (between-(k-1)*within)/(n-squares/n))
	mean = total / n
	sum, weighted := 0.0, 0.0
	for i, group := range answers {
		weight := 0.0
		if between > 0 {
			weight = float64(len(group)) / (float64(len(group)) + within/between)
		}
		weights = append(weights, weight)
		sum += weight
		weighted += weight * scores[i]
	}
	if sum > 0 {
		mean = weighted / sum
	}
	for i := range scores {
		scores[i] = weights[i]*scores[i] + (1-weights[i])*mean
	}
	return within, between, mean, weights, scores
}

// anyCounts draws up to 3 × most responses, with none of a category more often than chance would have it.
func anyCounts(most int64) *rapid.Generator[nps.Counts] {
	return rapid.Custom(func(t *rapid.T) nps.Counts {
		part := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, min(most, 12)), rapid.Int64Range(0, most))
		return nps.Counts{Detractors: part.Draw(t, "detractors"), Passives: part.Draw(t, "passives"), Promoters: part.Draw(t, "promoters")}
	})
}

func TestSingleAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := anyCounts(60).Filter(func(c nps.Counts) bool { return c.N() > 0 })
		groups := rapid.SliceOfN(some, 3, 10).Draw(t, "groups")
		e, reason := Shrink(groups)
		if reason != "" {
			return
		}
		within, between, mean, weights, scores := naive(groups)
		near(t, "variance within", e.Within, within, 1e-9)
		near(t, "variance between", e.Between, between, 1e-9)
		if between > 0 && between < 1e-9 {
			return // whether it is 0 is up to rounding
		}
		near(t, "mean", e.Mean, mean, 1e-9)
		for i, g := range e.Groups {
			near(t, "weight", g.Weight, weights[i], 1e-9)
			near(t, "score", g.Score, scores[i], 1e-9)
		}
	})
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int64{1, 5, 300, 1e16}).Draw(t, "most")
		groups := rapid.SliceOfN(rapid.OneOf(rapid.Just(nps.Counts{}), anyCounts(most)), 0, 10).Draw(t, "groups")
		var n, present int64
		categories := map[int]bool{}
		for _, c := range groups {
			n += c.N()
			if c.N() > 0 {
				present++
			}
			for category, count := range []int64{c.Detractors, c.Passives, c.Promoters} {
				if count > 0 {
					categories[category] = true
				}
			}
		}
		want := Reason("")
		switch {
		case present < 3:
			want = TooFewGroups
		case n == present:
			want = TooFewResponses
		case len(categories) < 2:
			want = NoVariation
		}
		e, reason := Shrink(groups)
		if reason != want || (e.Groups == nil) != (reason != "") {
			t.Fatalf("reason %q, want %q, of %v", reason, want, groups)
		}
		if reason != "" {
			return
		}
		if !(e.Within >= 0 && e.Within <= 2 && e.Between >= 0 && e.Between <= 2 && e.Mean >= -1 && e.Mean <= 1) {
			t.Fatalf("%+v of %v", e, groups)
		}
		for i, g := range e.Groups {
			score, ok := groups[i].Score()
			if !ok {
				score = e.Mean
			}
			if !(g.Weight >= 0 && g.Weight <= 1 && min(score, e.Mean) <= g.Score && g.Score <= max(score, e.Mean)) {
				t.Fatalf("%+v of %v, mean %v", g, groups[i], e.Mean)
			}
			if (g.Weight > 0) != (ok && e.Between > 0) {
				t.Fatalf("weight %v of %v with a variance of %v between", g.Weight, groups[i], e.Between)
			}
			// The more responses, the more they count.
			for j, other := range e.Groups {
				if groups[i].N() > groups[j].N() && g.Weight < other.Weight-1e-12 {
					t.Fatalf("weight %v of %v, and %v of %v", g.Weight, groups[i], other.Weight, groups[j])
				}
			}
		}

		// Groups of nobody change nothing for the others.
		alone, _ := Shrink(slices.DeleteFunc(slices.Clone(groups), func(c nps.Counts) bool { return c.N() == 0 }))
		if alone.Within != e.Within || alone.Between != e.Between || alone.Mean != e.Mean {
			t.Fatalf("%+v without groups of nobody, %+v with them", alone, e)
		}

		// The order of groups is nobody's business; detractors for promoters turn the sign.
		order := make([]int, len(groups))
		for i := range order {
			order[i] = i
		}
		order = rapid.Permutation(order).Draw(t, "order")
		turned := make([]nps.Counts, len(groups))
		for i, j := range order {
			turned[i] = nps.Counts{Detractors: groups[j].Promoters, Passives: groups[j].Passives, Promoters: groups[j].Detractors}
		}
		f, _ := Shrink(turned)
		near(t, "variance within in another order", f.Within, e.Within, 1e-12)
		near(t, "variance between in another order", f.Between, e.Between, 1e-12)
		if e.Between < 1e-9 {
			return // whether it is 0 is up to rounding
		}
		near(t, "mean in another order", f.Mean, -e.Mean, 1e-6)
		for i, j := range order {
			near(t, "weight in another order", f.Groups[i].Weight, e.Groups[j].Weight, 1e-6)
			near(t, "score in another order", f.Groups[i].Score, -e.Groups[j].Score, 1e-6)
		}
	})
}

// Groups that differ without a doubt are left as they are, groups of the same score are one.
func TestExtremes(t *testing.T) {
	apart := []nps.Counts{{Detractors: 5}, {Passives: 5}, {Promoters: 5}, {}}
	e, reason := Shrink(apart)
	if reason != "" {
		t.Fatal(reason)
	}
	for i, want := range []Shrunk{{1, -1}, {1, 0}, {1, 1}, {0, 0}} {
		if e.Groups[i] != want {
			t.Errorf("group %d is %+v, want %+v", i, e.Groups[i], want)
		}
	}
	same := []nps.Counts{{Detractors: 1, Promoters: 3}, {Detractors: 20, Promoters: 60}, {Detractors: 300, Promoters: 900}}
	e, reason = Shrink(same)
	if reason != "" || e.Between != 0 || e.Mean != 0.5 {
		t.Errorf("%+v, %q: want the mean of all", e, reason)
	}
}

// TestSimulatedError draws true scores, and surveys of 3 to 100 people from them: what is shrunk must lie nearer to the truth than
// what was seen. The source is seeded: a run is as good as any other.
func TestSimulatedError(t *testing.T) {
	random := rand.New(rand.NewPCG(1970, 35))
	for _, test := range []struct {
		groups int
		spread float64
		gain   float64 // of the error seen, at least
	}{{5, 0.1, 0.3}, {20, 0.1, 0.3}, {20, 0.3, 0.15}} {
		const draws = 600
		seen, shrunk := 0.0, 0.0
		for range draws {
			groups, truths := make([]nps.Counts, test.groups), make([]float64, test.groups)
			for i := range groups {
				// A fifth are passives, whatever the score.
				truths[i] = min(max(0.3+test.spread*random.NormFloat64(), -0.8), 0.8)
				for range int(3 * math.Exp(random.Float64()*math.Log(100./3))) {
					switch u := random.Float64(); {
					case u < 0.2:
						groups[i].Passives++
					case u < 0.2+(0.8+truths[i])/2:
						groups[i].Promoters++
					default:
						groups[i].Detractors++
					}
				}
			}
			e, reason := Shrink(groups)
			if reason != "" {
				t.Fatal(reason)
			}
			for i, g := range e.Groups {
				score, _ := groups[i].Score()
				seen += (score - truths[i]) * (score - truths[i]) / float64(draws*test.groups)
				shrunk += (g.Score - truths[i]) * (g.Score - truths[i]) / float64(draws*test.groups)
			}
		}
		seen, shrunk = math.Sqrt(seen), math.Sqrt(shrunk)
		t.Logf("%d groups, true spread %.2f: error seen %.3f, shrunk %.3f", test.groups, test.spread, seen, shrunk)
		if shrunk > (1-test.gain)*seen {
			t.Errorf("%d groups, true spread %.2f: the error is %.3f, seen %.3f", test.groups, test.spread, shrunk, seen)
		}
	}
}

func BenchmarkShrink(b *testing.B) {
	groups := make([]nps.Counts, 200)
	for i := range groups {
		groups[i] = nps.Counts{Detractors: int64(i), Passives: 20, Promoters: int64(200 - i)}
	}
	for b.Loop() {
		if _, reason := Shrink(groups); reason != "" {
			b.Fatal(reason)
		}
	}
}

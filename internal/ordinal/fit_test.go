package ordinal

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

// table is one trait with a row of counts for each of its values.
func table(counts ...nps.Counts) *rows {
	r := &rows{width: 1, learned: counts}
	for i := range counts {
		r.at = append(r.at, int32(i))
	}
	return r
}

// TestPublished has the example of UCLA's Statistical Consulting Group for ordinal logistic regression
// (stats.oarc.ucla.edu/r/faq/ologit-coefficients): how likely students think it that they apply to graduate school, by
// whether a parent went there; polr of R's MASS gives 1.127, 0.3768 and 2.4519. It has no ridge, so this has next to none.
func TestPublished(t *testing.T) {
	fitted := fit(table(
		nps.Counts{Detractors: 200, Passives: 110, Promoters: 27}, // neither parent
		nps.Counts{Detractors: 20, Passives: 30, Promoters: 13},
	), 2, 1e-9)
	low, high := fitted.theta()
	without, with := fitted.beta()[0], fitted.beta()[1]
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"coefficient", with - without, 1.127}, {"unlikely | somewhat", low - without, 0.3768}, {"somewhat | very", high - without, 2.4519},
	} {
		if digits := math.Pow(10, math.Floor(math.Log10(c.want))-3); math.Abs(c.got-c.want) > digits/2 {
			t.Errorf("%s = %.6f, want %v", c.what, c.got, c.want)
		}
	}
}

// plainly is what likelihood is said to be, as the model is written down: shares are differences of σ.
func plainly(r *rows, at []float64, ridge float64) float64 {
	sum := 0.0
	for i, c := range r.learned {
		eta := 0.0
		for _, column := range r.at[i*r.width : (i+1)*r.width] {
			eta += at[2+column]
		}
		unhappy, notHappy := 1/(1+math.Exp(eta-at[0])), 1/(1+math.Exp(eta-at[1]))
		for _, of := range []struct {
			n     int64
			share float64
		}{{c.Detractors, unhappy}, {c.Passives, notHappy - unhappy}, {c.Promoters, 1 - notHappy}} {
			if of.n > 0 {
				sum += float64(of.n) * math.Log(of.share)
			}
		}
	}
	for _, beta := range at[2:] {
		sum -= ridge / 2 * beta * beta
	}
	return sum
}

// tables draws small bodies of responses with all three categories, laid out.
func tables(t *rapid.T, most int64) (*rows, int) {
	traits := make([]Trait, rapid.IntRange(1, 3).Draw(t, "traits"))
	profiles := rapid.IntRange(1, 12).Draw(t, "profiles")
	for i := range traits {
		traits[i].Values = []string{"a", "b", "c", Other}
		for range profiles {
			traits[i].Of = append(traits[i].Of, rapid.Uint16Range(0, 3).Draw(t, "value"))
		}
	}
	count := rapid.Int64Range(0, most)
	counts := make([]nps.Counts, profiles)
	for i := range counts {
		counts[i] = nps.Counts{Detractors: count.Draw(t, "d"), Passives: count.Draw(t, "a"), Promoters: count.Draw(t, "p")}
	}
	counts[0] = counts[0].Add(nps.Counts{Detractors: 1, Passives: 1, Promoters: 1})
	l := layOut(traits, counts)
	return l.rows(counts, nil), l.columns
}

// TestOptimum is against derivatives of the likelihood as it is written down, by differences: at the optimum there is none,
// and since it is concave that is the only such place.
func TestOptimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, columns := tables(t, 200)
		held := rapid.SampledFrom([]float64{1, 4, 16}).Draw(t, "ridge")
		at := fit(r, columns, held)
		n := float64(sum(r.learned).N())
		if got, want := likelihood(r, at, held), plainly(r, at, held); math.Abs(got-want) > 1e-9*(1+math.Abs(want)) {
			t.Errorf("likelihood %v, want %v", got, want)
		}
		for k, slope := range slopes(r, at, held) {
			if math.Abs(slope) > 1e-5*(1+n) {
				t.Errorf("of %v responses, likelihood rises by %v along parameter %d of %v", n, slope, k, at)
			}
		}
		// Differences see no better than that; its own gradient does, and is theirs elsewhere.
		gradient := make([]float64, len(at))
		slope(r, at, held, gradient, mat.NewSymDense(len(at), nil))
		for k := range gradient {
			if math.Abs(gradient[k]) > 1e-9*(1+n) {
				t.Errorf("of %v responses, gradient %v", n, gradient)
			}
			at[k] += rapid.Float64Range(-0.1, 0.1).Draw(t, "aside")
		}
		if at[1]-at[0] < 0.01 {
			return
		}
		slope(r, at, held, gradient, mat.NewSymDense(len(at), nil))
		for k, want := range slopes(r, at, held) {
			if math.Abs(gradient[k]-want) > 1e-5*(1+n) {
				t.Errorf("gradient %v, and %v along parameter %d by differences", gradient, want, k)
			}
		}
	})
}

// slopes are derivatives by differences.
func slopes(r *rows, at []float64, ridge float64) []float64 {
	const aside = 1e-5
	all := make([]float64, len(at))
	for k := range at {
		up, down := slices.Clone(at), slices.Clone(at)
		up[k] += aside
		down[k] -= aside
		all[k] = (plainly(r, up, ridge) - plainly(r, down, ridge)) / (2 * aside)
	}
	return all
}

// Where the first steps lead too far they are halved.
func TestFarFromTheStart(t *testing.T) {
	for _, counts := range [][]nps.Counts{
		{{Promoters: 1000}, {Passives: 1}, {Detractors: 1000}},
		{{Detractors: 1000}, {Passives: 1000}, {Promoters: 1000}},
		{{Promoters: 1000}, {Detractors: 1000}, {Passives: 1000}},
		{{Detractors: 1000}, {Passives: 1}, {Promoters: 1}},
	} {
		for k, slope := range slopes(table(counts...), fit(table(counts...), len(counts), ridge), ridge) {
			if !(math.Abs(slope) < 0.01) {
				t.Errorf("%v: likelihood rises by %v along parameter %d", counts, slope, k)
			}
		}
	}
}

// TestSlowSearch climbs the likelihood as it is written down, along one parameter after the other.
func TestSlowSearch(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1980))
	for range 5 {
		traits, counts := []Trait{{Values: []string{"a", "b", "c"}}, {Values: []string{"x", "y"}}}, make([]nps.Counts, 6)
		for i := range counts {
			traits[0].Of = append(traits[0].Of, uint16(i%3))
			traits[1].Of = append(traits[1].Of, uint16(i/3))
			counts[i] = answers(random, 60, 0.1+0.5*random.Float64(), 0.3)
		}
		l := layOut(traits, counts)
		r := l.rows(counts, nil)
		at := make([]float64, l.columns+2)
		at[1] = 1
		now := plainly(r, at, ridge)
		for step := 0.5; step > 1e-7; step /= 2 {
			for moved := true; moved; {
				moved = false
				for k := range at {
					for _, by := range []float64{step, -step} {
						before := at[k]
						at[k] += by
						if then := plainly(r, at, ridge); at[0] < at[1] && then > now {
							now, moved = then, true
						} else {
							at[k] = before
						}
					}
				}
			}
		}
		for k, want := range fit(r, l.columns, ridge) {
			if math.Abs(at[k]-want) > 1e-5 {
				t.Errorf("parameter %d is %v, and %v was found by climbing", k, want, at[k])
			}
		}
	}
}

func TestMoreRidgeShrinks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, columns := tables(t, 100)
		length := math.Inf(1)
		for _, held := range []float64{0.25, 1, 4, 16, 64, 1e9} {
			squares := 0.0
			for _, beta := range fit(r, columns, held).beta() {
				squares += beta * beta
			}
			if squares > length*(1+1e-9)+1e-18 {
				t.Errorf("Σβ² grows from %v to %v with a ridge of %v", length, squares, held)
			}
			length = squares
		}
		if length > 1e-6 {
			t.Errorf("Σβ² is %v with all the ridge there is", length)
		}
	})
}

// To add the same to all β of a trait, or to both θ, is the same to the likelihood, so the ridge decides: the β of each trait
// add up to 0.
func TestBetaAddUpToNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, columns := tables(t, 100)
		beta := fit(r, columns, ridge).beta()
		for trait := range r.width {
			seen, total := map[int32]bool{}, 0.0
			for i := range r.len() {
				if c := r.columns(i)[trait]; !seen[c] {
					seen[c] = true
					total += beta[c]
				}
			}
			if math.Abs(total) > 1e-7 {
				t.Errorf("β of trait %d add up to %v", trait, total)
			}
		}
	})
}

// TestExtremes is about responses that nobody has: all parameters stay numbers, and θ ascends.
func TestExtremes(t *testing.T) {
	const many = 1e15
	for i, counts := range [][]nps.Counts{
		{{Detractors: many}, {Passives: many}, {Promoters: many}},
		{{Promoters: many}, {Passives: 1}, {Detractors: many}},
		{{Detractors: many, Promoters: many}, {Passives: 1}},
		{{Passives: many}, {Detractors: 1}, {Promoters: 1}},
		{{Detractors: 1, Passives: 1, Promoters: many}},
		{{Detractors: many}, {Passives: 1}, {Promoters: 1}},
		{{Detractors: math.MaxInt64 / 30, Passives: math.MaxInt64 / 30, Promoters: math.MaxInt64 / 30}, {Detractors: 1}},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			fitted := fit(table(counts...), len(counts), ridge)
			for _, x := range fitted {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					t.Errorf("parameters %v", fitted)
				}
			}
			if low, high := fitted.theta(); !(low < high) {
				t.Errorf("θ %v, %v", low, high)
			}
		})
	}
}

package nps

import (
	"cmp"
	"slices"
)

// Holm corrects the P of tests that stand beside each other: the chance that even one of those below α is a fluke is at
// most α, however the tests depend on each other. The smallest of k is taken times k, the next times k − 1 and so on,
// none below one before it, and none above 1. The result is in the order given.
//
// Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6:65, 1979.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	adjusted := make([]float64, len(p))
	least := 0.0
	for rank, i := range order {
		least = max(least, min(float64(len(p)-rank)*p[i], 1))
		adjusted[i] = least
	}
	return adjusted
}

// FewestBeside is the number of responses with fewer of which on a side a comparison beside others is not tested.
const FewestBeside = 10

// Family are comparisons that stand beside each other. The more there are, the likelier it is that one looks
// significant by chance: of 50 groups that are equal, by itself, one does in nine of ten tables. So P is corrected for
// their number, by [Holm]. What is corrected is the larger of P by square-and-add and P of [CompareAdjustedWald]: far
// out, where corrections look, each is too small for other scores.
type Family struct {
	// Differences are in the order given; nil where a side has no responses.
	Differences []*Difference
	// alone says that it is one comparison, however often it is shown.
	alone bool
}

// Beside makes a family of comparisons. One alone is none: it is not corrected.
func Beside(differences []*Difference) Family {
	return Family{differences, len(differences) == 1}
}

// VersusRest compares each group, a part of the whole that no other group shares, with the rest of the whole. Two groups
// that make up the whole are one comparison, seen from either side, which is not corrected.
func VersusRest(whole Counts, groups []Counts) Family {
	differences := make([]*Difference, len(groups))
	var sum Counts
	for i, g := range groups {
		if d, ok := Compare(g, whole.Sub(g)); ok {
			differences[i] = &d
		}
		sum = sum.Add(g)
	}
	f := Beside(differences)
	f.alone = f.alone || len(groups) == 2 && sum == whole
	return f
}

// Adjusted is what is said of a comparison among those beside it.
type Adjusted struct {
	// Tested is false for what is shown only: where a side has no responses, or fewer than FewestBeside of a comparison
	// that is not alone.
	Tested bool
	// P is corrected for all that were tested, from 0 to 1; 1 for what was not.
	P float64
	// Significant reports whether P is below Significance; for one alone, what [Difference.Significant] says.
	Significant bool
}

func (f Family) tests(d *Difference) bool { return d != nil && (f.alone || d.fewest >= FewestBeside) }

// Comparisons is how many were tested; 1 for one alone, though it is shown from both sides.
func (f Family) Comparisons() int {
	tested := 0
	for _, d := range f.Differences {
		if f.tests(d) {
			tested++
		}
	}
	if f.alone {
		return min(tested, 1)
	}
	return tested
}

// Adjusted judges all of them, in their order. It takes the search for each one's Z.
func (f Family) Adjusted() []Adjusted {
	adjusted := make([]Adjusted, len(f.Differences))
	var p []float64
	for i, d := range f.Differences {
		switch {
		case !f.tests(d):
			adjusted[i] = Adjusted{P: 1}
		case f.alone:
			adjusted[i] = Adjusted{true, d.P(), d.Significant()}
		default:
			adjusted[i].Tested = true
			p = append(p, d.largerP())
		}
	}
	p = Holm(p)
	for i := range adjusted {
		if a := &adjusted[i]; a.Tested && !f.alone {
			a.P, p = p[0], p[1:]
			a.Significant = a.P < Significance
		}
	}
	return adjusted
}

// largerP is the larger of P by square-and-add and, for two bodies, that of the two-sample test on adjusted counts.
func (d Difference) largerP() float64 {
	p := d.P()
	if d.bodies == 2 {
		p = max(p, testWald(d.added[0].adjusted(), d.added[1].mirrored().adjusted()).P)
	}
	return p
}

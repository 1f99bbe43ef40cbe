// Package linear explains scores by least squares: what goes with them, and where they are other than everything known
// of people would have it. A response is 1, 0 or −1 there, for promoter, passive and detractor, so that the mean of
// responses is their Net Promoter Score and what a model says is in its units. [Drivers] asks which traits go with the
// score, [Hotspots] which groups stand out, [Curve] whether it rises or falls along a trait that has an order.
//
// It is pure: no I/O, no state. Scores are from −1 to 1, as in package nps; whoever shows them as points multiplies by
// 100. It never returns NaN or an infinite number: where there is no answer a [Reason] says why. Its results depend
// neither on the order of profiles nor on how responses are divided among them, to the last bit.
//
// Responses count as independent. Nothing here proves a cause.
package linear

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/zeroten/zeroten/internal/nps"
)

// Other is the code of `(other)`: of all values that are no group of their own.
const Other = -1

// Profile is how those answered who share a value of every trait.
type Profile struct {
	// Values holds the code of a value for each trait, all profiles having the same traits in the same order: whole
	// numbers from 0 on, as close together as a dictionary gives them out, or Other. What people hold no value of has a
	// code as any other.
	//
	// Where nothing else decides, the trait that stands first comes first, and so does the lower code: codes given out
	// in the order of names, and traits in the order of keys, make for results that depend on nothing else.
	Values []int
	// Counts is how they answered: none of them negative.
	Counts nps.Counts
}

// Reason says why there is no answer; it is empty where there is one.
type Reason string

// The reasons.
const (
	// NoResponses: nobody answered.
	NoResponses Reason = "NO_RESPONSES"
	// TooFewResponses: fewer than it takes.
	TooFewResponses Reason = "TOO_FEW_RESPONSES"
	// OneGroup: nothing to tell apart.
	OneGroup Reason = "ONE_GROUP"
	// NoVariation: all are of one category.
	NoVariation Reason = "NO_VARIATION"
	// Confounded: other traits determine this one.
	Confounded Reason = "CONFOUNDED"
)

// MostValues is how many values of a trait are looked at, the largest ones; what lies beyond is Other.
const MostValues = 50

// value is one of a trait, or what is put together as Other.
type value struct {
	code   int
	counts nps.Counts
}

// table is profiles made ready: small values put together, and profiles that are the same put together too.
type table struct {
	// all is how everybody answered.
	all nps.Counts
	// traits has the values of each trait, most responses first.
	traits [][]value
	// first is the number of a trait's first value where the values of all traits are counted through, and after the
	// last trait how many there are.
	first []int
	// rows has the numbers of a profile's values, one for each trait, profile after profile, in ascending order.
	rows []int32
	// counts has the responses of a profile, never none.
	counts []nps.Counts
	// unknown, where not nil, says which values of a trait are none in themselves.
	unknown func(trait, code int) bool
}

// newTable looks at the profiles, taking values with fewer responses than least for Other. It panics where profiles have
// different traits, or a code is below Other: they were read wrongly, and would be counted as something they are not.
func newTable(profiles []Profile, least int64) table {
	var t table
	var traits int
	if len(profiles) > 0 {
		traits = len(profiles[0].Values)
	}
	byCode := make([][]nps.Counts, traits) // from Other on
	for _, p := range profiles {
		if len(p.Values) != traits {
			panic(fmt.Sprintf("linear: a profile has %d traits, another %d", len(p.Values), traits))
		}
		t.all = plus(t.all, p.Counts)
		if p.Counts.N() == 0 {
			continue
		}
		for trait, code := range p.Values {
			if code < Other {
				panic(fmt.Sprintf("linear: %d is no code of a value", code))
			}
			if missing := code - Other + 1 - len(byCode[trait]); missing > 0 {
				byCode[trait] = append(byCode[trait], make([]nps.Counts, missing)...)
			}
			sum := &byCode[trait][code-Other]
			*sum = plus(*sum, p.Counts)
		}
	}

	numbers := make([][]int32, traits) // from codes, Other first
	t.traits = make([][]value, traits)
	t.first = make([]int, traits+1)
	for trait, sums := range byCode {
		t.traits[trait] = valuesOf(sums, least)
		numbers[trait] = make([]int32, len(sums))
		other := -1
		for i, v := range t.traits[trait] {
			if v.code == Other {
				other = t.first[trait] + i
			}
		}
		for i := range numbers[trait] {
			numbers[trait][i] = int32(other)
		}
		for i, v := range t.traits[trait] {
			numbers[trait][v.code-Other] = int32(t.first[trait] + i)
		}
		t.first[trait+1] = t.first[trait] + len(t.traits[trait])
	}

	rows := make([]int32, 0, len(profiles)*traits)
	var counts []nps.Counts
	for _, p := range profiles {
		if p.Counts.N() == 0 {
			continue
		}
		for trait, code := range p.Values {
			rows = append(rows, numbers[trait][code-Other])
		}
		counts = append(counts, p.Counts)
	}
	row := func(i int) []int32 { return rows[i*traits : (i+1)*traits] }
	order := make([]int, len(counts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return slices.Compare(row(a), row(b)) })
	for k, i := range order {
		if last := len(t.counts) - 1; k > 0 && slices.Equal(row(i), row(order[k-1])) {
			t.counts[last] = plus(t.counts[last], counts[i])
			continue
		}
		t.rows = append(t.rows, row(i)...)
		t.counts = append(t.counts, counts[i])
	}
	return t
}

// valuesOf is the values of a trait, most responses first, from the counts of its codes, Other first.
func valuesOf(sums []nps.Counts, least int64) []value {
	var values []value
	var other nps.Counts
	for i, counts := range sums {
		switch code := i + Other; {
		case counts.N() == 0:
		case code == Other || counts.N() < least:
			other = plus(other, counts)
		default:
			values = append(values, value{code, counts})
		}
	}
	sortValues(values)
	if len(values) > MostValues {
		for _, v := range values[MostValues:] {
			other = plus(other, v.counts)
		}
		values = values[:MostValues]
	}
	if other.N() > 0 {
		values = append(values, value{Other, other})
		sortValues(values)
	}
	return values
}

// sortValues puts those with most responses first, then the lower code, and Other behind its equals.
func sortValues(values []value) {
	slices.SortFunc(values, func(a, b value) int {
		return cmp.Or(cmp.Compare(b.counts.N(), a.counts.N()), cmp.Compare(uint(a.code), uint(b.code)))
	})
}

// row has the numbers of the values of a profile.
func (t *table) row(i int) []int32 {
	traits := len(t.traits)
	return t.rows[i*traits : (i+1)*traits]
}

// traitOf is whose value has a number.
func (t *table) traitOf(number int) int {
	trait, exact := slices.BinarySearch(t.first, number)
	if !exact {
		trait--
	}
	return trait
}

// value is that of a number.
func (t *table) value(number int) value {
	trait := t.traitOf(number)
	return t.traits[trait][number-t.first[trait]]
}

// varies says whether there is a trait with two values.
func (t *table) varies() bool {
	return slices.ContainsFunc(t.traits, func(values []value) bool { return len(values) > 1 })
}

func plus(a, b nps.Counts) nps.Counts {
	return nps.Counts{Detractors: a.Detractors + b.Detractors, Passives: a.Passives + b.Passives, Promoters: a.Promoters + b.Promoters}
}

func minus(a, b nps.Counts) nps.Counts {
	return plus(a, nps.Counts{Detractors: -b.Detractors, Passives: -b.Passives, Promoters: -b.Promoters})
}

// balance is promoters less detractors: the sum of responses as 1, 0 and −1.
func balance(c nps.Counts) float64 { return float64(c.Promoters - c.Detractors) }

func size(c nps.Counts) float64 { return float64(c.N()) }

// score is that of counts that are not empty.
func score(c nps.Counts) float64 { return balance(c) / size(c) }

// squares is Σ(y − at)² over the responses y.
func squares(c nps.Counts, at float64) float64 {
	return float64(c.Detractors)*(-1-at)*(-1-at) + float64(c.Passives)*at*at + float64(c.Promoters)*(1-at)*(1-at)
}

// around is Σ(y − score)² over the responses y of counts that are not empty; it does not cancel.
func around(c nps.Counts) float64 {
	v, _ := c.Variance()
	return v * size(c)
}

// surest is the least that a test of such responses can say truly: dealt out anew among people, they come to lie as they do
// in one of N! ÷ (d! a! p!) ways. Tests that go by a spread of residuals say less, down to 0, where those who answered
// alike are told apart by what few of them have.
func surest(c nps.Counts) float64 {
	factorial := func(n int64) float64 {
		x, _ := math.Lgamma(float64(n) + 1)
		return x
	}
	return math.Exp(factorial(c.Detractors) + factorial(c.Passives) + factorial(c.Promoters) - factorial(c.N()))
}

// Package sequential says what an experiment has shown so far: variants against each other, by a test that may be looked at as
// often as anybody likes.
//
// A test made for one look finds a winner between equals in 5 of 100 experiments; looked at again and again until it finds one,
// in about 40. Here the chance of ever calling equals different, at any of all looks, is at most 5 of 100. That is paid for with
// patience: about two thirds more responses for the same chance of seeing a difference that is there.
//
// Only those who answered are compared: a variant that makes unhappy people answer looks worse. See [Shares] and [Weeks] for what
// can be seen of that.
//
// It is pure: no I/O, no state. Scores and differences are on the scales of package nps.
package sequential

import (
	"fmt"
	"math"

	"github.com/zeroten/zeroten/internal/nps"
)

// Verdict is what can be said now.
type Verdict string

const (
	// Invalid is where the responses are not shared out as meant: nothing can be said.
	Invalid Verdict = "INVALID"
	// TooEarly is where a variant has fewer than [MinResponses], or there is only one variant.
	TooEarly Verdict = "TOO_EARLY"
	// Undecided is where nothing is shown yet.
	Undecided Verdict = "UNDECIDED"
	// Winner is where one variant is better than every other, corrected for the pairs.
	Winner Verdict = "WINNER"
	// NoRelevantDifference is where all differences are shown to be no larger than the one that would matter: the intervals lie
	// within it.
	NoRelevantDifference Verdict = "NO_RELEVANT_DIFFERENCE"
)

// Reason says why there is no answer; it is empty where there is one.
type Reason string

const (
	// NoResponses is where nobody answered any of the variants.
	NoResponses Reason = "NO_RESPONSES"
	// OneGroup is where there is only one variant.
	OneGroup Reason = "ONE_GROUP"
)

// MinResponses is how many responses each of two variants must have before they are compared at any time: below, the normal
// distribution that the test rests on does not hold.
const MinResponses = 100

// Plan is what was meant before the experiment.
type Plan struct {
	// Weights are the parts that were meant to be shown each variant, in the variants' order, each above 0; equal parts where
	// there are none.
	Weights []float64
	// Difference is the one that would matter, above 0 and at most 2. The test is at its best for it; chosen after the fact it
	// promises nothing.
	Difference float64
	// Power is how sure to be to find it, above 0.5 and below 1.
	Power float64
}

// Experiment is what was seen of variants, and what it shows.
type Experiment struct {
	// Comparisons are all pairs of variants: the first with the second, the first with the third, and so on.
	Comparisons []Comparison
	// Verdict is TooEarly where there is a reason.
	Verdict Verdict
	// Winner is the index of the variant that is better than every other where Verdict is Winner, else −1.
	Winner int
	// SampleRatio is as [Shares] has it; nil where there is nothing to check.
	SampleRatio *Check
	// Planned is how many responses each variant needs for a test that is looked at once, at this many: as
	// [nps.SampleSizeOfDifference] has it, with the variance of all variants together, on adjusted counts. It is 0 where there is
	// a reason, and where it is more than an int64 holds.
	Planned int64
	// Reason is empty but where nothing can be compared.
	Reason Reason
}

// Comparison is two variants against each other.
type Comparison struct {
	// Variant and Against are indices; Against is the larger.
	Variant, Against int
	// Anytime is Variant's score less Against's, for any number of looks. Nil while either has fewer than [MinResponses].
	Anytime *Anytime
}

// Anytime is a difference that may be looked at again and again.
type Anytime struct {
	// Estimate is the difference of the scores as they are, from −2 to 2.
	Estimate float64
	// Interval is where the true difference lies, at every moment together with 95 % confidence, within −2 to 2.
	Interval nps.Interval
	// P is how often chance alone would ever, at any look, give so much; AdjustedP is corrected for the number of pairs by
	// Holm's method. Both are from 0 to 1, and 0 where they are too small for a float64.
	P, AdjustedP float64
}

// Significant reports whether AdjustedP is below [nps.Significance].
func (a Anytime) Significant() bool { return a.AdjustedP < nps.Significance }

// Judge says what an experiment has shown so far. The error says what of the plan is out of range.
//
// Pairs are corrected for all that there are, those too that have too few responses to be tested yet: they will have their say
// later, and what was said before must still hold.
func Judge(variants []nps.Counts, plan Plan) (Experiment, error) {
	if !(plan.Difference > 0 && plan.Difference <= 2) {
		return Experiment{}, fmt.Errorf("difference must be above 0 and at most 2, not %v", plan.Difference)
	}
	if !(plan.Power > 0.5 && plan.Power < 1) {
		return Experiment{}, fmt.Errorf("power must lie between 0.5 and 1, both excluded, not %v", plan.Power)
	}
	weights := plan.Weights
	if len(weights) == 0 {
		weights = make([]float64, len(variants))
		for i := range weights {
			weights[i] = 1
		}
	}
	var all nps.Counts
	counts := make([]int64, len(variants))
	for i, c := range variants {
		counts[i] = c.N()
		all = all.Add(c)
	}
	ratio, checked, err := Shares(counts, weights)
	if err != nil {
		return Experiment{}, err
	}
	x := Experiment{Verdict: TooEarly, Winner: -1, Comparisons: compare(variants, plan.Difference)}
	switch {
	case all.N() == 0:
		x.Reason = NoResponses
		return x, nil
	case len(variants) < 2:
		x.Reason = OneGroup
		return x, nil
	}
	if checked {
		x.SampleRatio = &ratio
	}
	variance := all.AdjustedVariance()
	// All arguments are in range: what is left to be refused is too large a number.
	x.Planned, _ = nps.SampleSizeOfDifference(plan.Difference, variance, variance, plan.Power, 1-nps.Significance)
	x.Verdict, x.Winner = verdict(x, len(variants), plan.Difference)
	return x, nil
}

// compare sets all variants beside each other.
func compare(variants []nps.Counts, difference float64) []Comparison {
	var pairs []Comparison
	var ps []float64
	for i, a := range variants {
		for j := i + 1; j < len(variants); j++ {
			c, p := Comparison{Variant: i, Against: j}, 1.0
			if b := variants[j]; a.N() >= MinResponses && b.N() >= MinResponses {
				c.Anytime = anytime(a, b, difference)
				p = c.Anytime.P
			}
			pairs, ps = append(pairs, c), append(ps, p)
		}
	}
	for i, adjusted := range nps.Holm(ps) {
		if pairs[i].Anytime != nil {
			pairs[i].Anytime.AdjustedP = adjusted
		}
	}
	return pairs
}

// anytime is a's score less b's by the mixture sequential probability ratio test: the likelihood of the difference δ̂ seen if the
// true one were drawn from a normal distribution around 0 with the standard deviation τ, the difference looked for, against its
// likelihood if there were none. With V the variance of δ̂ on adjusted counts:
//
//	1 ÷ P    = √(V ÷ (V + τ²)) exp(δ̂² τ² ÷ (2V (V + τ²))), P at most 1
//	interval = δ̂ ± √(2V (V + τ²) ÷ τ² × (ln 20 + ½ ln(1 + τ² ÷ V)))
//
// Without a difference 1 ÷ P is a martingale around 1, which ever reaches 20 in at most 1 of 20 cases (Ville): Robbins, Statistical
// methods related to the law of the iterated logarithm, Annals of Mathematical Statistics 41(5), 1970; Johari, Koomen, Pekelis and
// Walsh, Always valid inference: continuous monitoring of A/B tests, Operations Research 70(3), 2022. The variance is estimated and
// the distribution is normal for many responses only, hence [MinResponses].
func anytime(a, b nps.Counts, tau float64) *Anytime {
	d, _ := nps.CompareAdjustedWald(a, b)
	estimate, variance := d.Difference, d.StandardError*d.StandardError
	ratio := tau * tau / variance
	evidence := estimate*estimate/variance*(ratio/(1+ratio))/2 - math.Log1p(ratio)/2 // ln(1 ÷ P)
	reach := math.Sqrt(2 * variance * (1 + 1/ratio) * (-math.Log(nps.Significance) + math.Log1p(ratio)/2))
	return &Anytime{
		Estimate: estimate,
		// A difference so small that its square is 0 makes the reach infinite.
		Interval: nps.Interval{Low: max(estimate-reach, -2), High: min(estimate+reach, 2)},
		P:        min(math.Exp(-evidence), 1),
	}
}

// verdict is what can be said of k variants, and which of them has won.
func verdict(x Experiment, k int, difference float64) (Verdict, int) {
	if x.SampleRatio != nil && x.SampleRatio.Mismatch() {
		return Invalid, -1
	}
	better, same := make([]int, k), true // how many others each is better than
	for _, c := range x.Comparisons {
		if c.Anytime == nil {
			return TooEarly, -1
		}
		if c.Anytime.Significant() {
			if c.Anytime.Estimate > 0 {
				better[c.Variant]++
			} else {
				better[c.Against]++
			}
		}
		same = same && c.Anytime.Interval.Low >= -difference && c.Anytime.Interval.High <= difference
	}
	for variant, n := range better {
		if n == k-1 {
			return Winner, variant
		}
	}
	if same {
		return NoRelevantDifference, -1
	}
	return Undecided, -1
}

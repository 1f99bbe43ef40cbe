// Package kitagawa takes the difference of two scores apart: how much comes from another mix of people, and how much from the
// same groups answering otherwise.
//
// It is the symmetric form of Kitagawa, Components of a difference between two rates, Journal of the American Statistical
// Association 50(272), 1955, which leaves no rest and prefers neither side. With the shares w and scores m of the groups, 0 for
// before and 1 for after, and M the mean of both total scores:
//
//	mix      = Σ (w₁ − w₀) ((m₀ + m₁) ÷ 2 − M)
//	movement = Σ (m₁ − m₀) (w₀ + w₁) ÷ 2
//
// Both add up to the difference, whatever M is, since the shares of either side add up to 1; M only decides what a group counts
// for that grew or shrank. A group that nobody is in on one side has no score there: it borrows that of the other side, and so
// is all mix.
//
// It cannot tell mix from movement within a group: whoever changes places by a trait that the groups are not cut by, counts as
// movement. With many tiny groups scores change by chance and people come and go by chance; see [Lumped].
//
// It is pure: no I/O, no state. Scores and parts are on the scale from −1 to 1 that package nps has.
package kitagawa

import (
	"cmp"
	"math"
	"slices"

	"github.com/zeroten/zeroten/internal/nps"
)

// Group is one group of people on both sides. A group that nobody is in on a side has no counts there.
type Group struct{ Before, After nps.Counts }

func (g Group) n() int64 { return g.Before.N() + g.After.N() }

// Reason says why there is no answer; it is empty where there is one.
type Reason string

const (
	// NoResponses is where nobody answered on one side at least.
	NoResponses Reason = "NO_RESPONSES"
	// OneGroup is where all are in one group, which leaves nothing to tell apart.
	OneGroup Reason = "ONE_GROUP"
)

// Explanation is a difference taken apart.
type Explanation struct {
	// Difference is the score after less the score before, from −2 to 2. Mix and Movement add up to it, and so do those of
	// Groups, but for rounding.
	Difference float64
	// Mix is what another mix of people makes, the groups' scores held fixed.
	Mix Part
	// Movement is what the groups' own changes make, the mix held fixed.
	Movement Part
	// Groups are the groups' parts, in the order in which the groups were given.
	Groups []GroupPart
}

// Part is one of the two parts of a difference.
type Part struct {
	// Estimate is from −2 to 2.
	Estimate float64
	// StandardError is by the delta method; see [Explain].
	StandardError float64
	// Interval is where the true part lies, with 95 % confidence: Estimate ± 1.96 StandardError, within −2 to 2.
	Interval nps.Interval
	// P is how often chance alone would give a part at least this large in either direction, from 0 to 1, by the normal
	// distribution.
	P float64
}

// Significant reports whether P is below [nps.Significance].
func (p Part) Significant() bool { return p.P < nps.Significance }

// GroupPart is what one group adds to a difference, or takes from it.
type GroupPart struct {
	// ShareBefore and ShareAfter are of all responses of that side, from 0 to 1.
	ShareBefore, ShareAfter float64
	// Mix is (share after − share before) × (mean of its scores − mean of both total scores): above 0 for a group above average
	// that grows and for one below that shrinks.
	Mix float64
	// Movement is (score after − score before) × mean of both shares; 0 for a group that nobody is in on one side.
	Movement float64
}

// Explain takes the difference between after and before apart by groups, which hold everybody once. Groups that nobody is in on
// either side are no groups.
//
// Standard errors are by the delta method, both sides taken as samples of people as well as of answers: the counts of a side
// with N responses are multinomial over groups and categories. With a = (m₀ + m₁) ÷ 2, e = m₁ − m₀, δ = (w₁ − w₀) ÷ 2, μ =
// (w₀ + w₁) ÷ 2, Var_w the variance over that side's shares and v the variance of one response of a group, on adjusted counts so
// that unanimous groups keep some, a side adds
//
//	to the variance of mix       (Var_w(a)     + Σ δ² v ÷ w) ÷ N
//	to the variance of movement  (Var_w(e ÷ 2) + Σ μ² v ÷ w) ÷ N
//
// A group that borrows its score has e = 0, μ = 0 and the whole w₁ − w₀ as δ. Where no group is there on both sides, movement is
// 0, and certainly so.
func Explain(groups []Group) (Explanation, Reason) {
	var before, after nps.Counts
	present := 0
	for _, g := range groups {
		before, after = before.Add(g.Before), after.Add(g.After)
		if g.n() > 0 {
			present++
		}
	}
	scoreBefore, okBefore := before.Score()
	scoreAfter, okAfter := after.Score()
	switch {
	case !okBefore || !okAfter:
		return Explanation{}, NoResponses
	case present < 2:
		return Explanation{}, OneGroup
	}

	x := Explanation{Difference: scoreAfter - scoreBefore, Groups: make([]GroupPart, len(groups))}
	level := (scoreBefore + scoreAfter) / 2
	var mix, movement [2][]pull
	for i, g := range groups {
		m0, there0 := g.Before.Score()
		m1, there1 := g.After.Score()
		if !there0 && !there1 {
			continue
		}
		w0, w1 := share(g.Before, before), share(g.After, after)
		// How far both parts move when the group's score on a side does.
		tilt, hold := (w1-w0)/2, (w0+w1)/2
		if !there0 || !there1 {
			tilt, hold = w1-w0, 0
		}
		if !there0 {
			m0 = m1
		}
		if !there1 {
			m1 = m0
		}
		part := GroupPart{ShareBefore: w0, ShareAfter: w1, Mix: (w1 - w0) * ((m0+m1)/2 - level), Movement: (m1 - m0) * (w0 + w1) / 2}
		// Adding 0 takes the sign from −0.
		part.Mix, part.Movement = part.Mix+0, part.Movement+0
		x.Groups[i] = part
		x.Mix.Estimate += part.Mix
		x.Movement.Estimate += part.Movement
		for side, c := range []nps.Counts{g.Before, g.After} {
			if c.N() == 0 {
				continue // chance has no part in it
			}
			v, w := c.AdjustedVariance(), []float64{w0, w1}[side]
			mix[side] = append(mix[side], pull{share: w, variance: v, byShare: (m0 + m1) / 2, byScore: tilt})
			movement[side] = append(movement[side], pull{share: w, variance: v, byShare: (m1 - m0) / 2, byScore: hold})
		}
	}
	nBefore, nAfter := float64(before.N()), float64(after.N())
	x.Mix = part(x.Mix.Estimate, variance(mix[0])/nBefore+variance(mix[1])/nAfter)
	x.Movement = part(x.Movement.Estimate, variance(movement[0])/nBefore+variance(movement[1])/nAfter)
	return x, ""
}

// pull is how a part of the difference moves with one group of one side, up to the sign, which is the same for a whole side.
type pull struct {
	share, variance  float64 // the group's share of its side, and the variance of one response
	byShare, byScore float64 // the part's derivatives by the two
}

// variance is that of a part, from one side, times the number of the side's responses.
func variance(pulls []pull) float64 {
	mean := 0.0
	for _, p := range pulls {
		mean += p.share * p.byShare
	}
	sum := 0.0
	for _, p := range pulls {
		off := p.byShare - mean
		sum += p.share*off*off + p.byScore*p.byScore*p.variance/p.share
	}
	return sum
}

// part makes a part of what is estimated and its variance.
func part(estimate, variance float64) Part {
	standardError := math.Sqrt(variance)
	reach := math.Sqrt2 * math.Erfinv(1-nps.Significance) * standardError
	p := 1.0
	// Nothing is no news, even where there is no standard error; anything has one.
	if estimate != 0 {
		p = math.Erfc(math.Abs(estimate) / standardError / math.Sqrt2)
	}
	return Part{
		Estimate:      estimate,
		StandardError: standardError,
		Interval:      nps.Interval{Low: max(estimate-reach, -2), High: min(estimate+reach, 2)},
		P:             p,
	}
}

func share(part, whole nps.Counts) float64 { return float64(part.N()) / float64(whole.N()) }

// Few is the number of responses on both sides together below which [Lumped] gives no group a part of its own.
const Few = 30

// Lumped says which groups are better put together as one before [Explain]: those with fewer than [Few] responses on both sides
// together, and those beyond the largest, limit in number; of equals, the first stay. Who has a group of all others already adds
// it to these; it does not count here.
func Lumped(groups []Group, limit int) []bool {
	order := make([]int, len(groups))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(groups[j].n(), groups[i].n()) })
	lumped := make([]bool, len(groups))
	for rank, i := range order {
		lumped[i] = rank >= limit || groups[i].n() < Few
	}
	return lumped
}

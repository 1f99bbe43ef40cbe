// Package credibility draws the scores of groups towards that of all, the more so the fewer responses a group has: the better
// guess of what a group will show next, and a fairer ranking of small groups beside large ones.
//
// It is the credibility of Bühlmann and Straub, Glaubwürdigkeit für Schadensätze, Mitteilungen der Vereinigung Schweizerischer
// Versicherungsmathematiker 70, 1970, with unbiased estimates of both variances. With k groups of n responses, score m and
// variance of one response v each, N responses and the score M in all:
//
//	within  = Σ n v ÷ (N − k)
//	between = (Σ n (m − M)² − (k − 1) within) ÷ (N − Σ n² ÷ N), at least 0
//	weight  = n ÷ (n + within ÷ between), 0 where between is 0
//	mean    = Σ weight m ÷ Σ weight, M where between is 0
//	score   = weight m + (1 − weight) mean
//
// There is no interval: one that takes both variances as known is too narrow for few groups. Sums and tests go by the scores as
// they are.
//
// It is pure: no I/O, no state. Scores are on the scale from −1 to 1 that package nps has.
package credibility

import "github.com/zeroten/zeroten/internal/nps"

// Reason says why there is no answer; it is empty where there is one.
type Reason string

const (
	// TooFewGroups is where fewer than three groups have responses: how groups vary cannot be told from two.
	TooFewGroups Reason = "TOO_FEW_GROUPS"
	// TooFewResponses is where every group has one response: nothing tells how they vary within.
	TooFewResponses Reason = "TOO_FEW_RESPONSES"
	// NoVariation is where all are of one category.
	NoVariation Reason = "NO_VARIATION"
)

// Estimate is what the groups tell about each other.
type Estimate struct {
	// Within is the variance of single responses within groups, Between that of the groups' true scores, both from 0 to 2, which
	// few responses can make of a variance of 1.
	Within, Between float64
	// Mean is what groups are drawn to: their mean by Weight, from −1 to 1.
	Mean float64
	// Groups are in the order in which they were given.
	Groups []Shrunk
}

// Shrunk is a group's score, drawn towards the mean.
type Shrunk struct {
	// Weight is how much the group's own responses count, from 0 to 1; 0 for all where groups differ no more than chance makes
	// them.
	Weight float64
	// Score is from −1 to 1, between the group's own and the mean.
	Score float64
}

// minGroups is how many groups it takes.
const minGroups = 3

// Shrink draws the scores of groups towards each other. A group that nobody answered in tells nothing: it has the weight 0 and
// the mean for a score.
func Shrink(groups []nps.Counts) (Estimate, Reason) {
	sizes, scores := make([]float64, len(groups)), make([]float64, len(groups))
	var all nps.Counts
	present, spread := int64(0), 0.0
	for i, c := range groups {
		score, ok := c.Score()
		if !ok {
			continue
		}
		variance, _ := c.Variance()
		present++
		sizes[i], scores[i] = float64(c.N()), score
		spread += float64(c.N()) * variance
		all = all.Add(c)
	}
	n := all.N()
	switch {
	case present < minGroups:
		return Estimate{}, TooFewGroups
	case n <= present:
		return Estimate{}, TooFewResponses
	case all.Detractors == n || all.Passives == n || all.Promoters == n:
		return Estimate{}, NoVariation
	}
	return shrink(sizes, scores, spread/float64(n-present)), ""
}

// shrink is Shrink for groups of any size, some of them 0, with any scores, and the variance within them.
func shrink(sizes, scores []float64, within float64) Estimate {
	n, k, overall, pairs := 0.0, 0, 0.0, 0.0
	for i, size := range sizes {
		if size > 0 {
			k++
		}
		pairs += size * n
		n += size
		overall += size * scores[i]
	}
	overall /= n
	apart := 0.0
	for i, size := range sizes {
		off := scores[i] - overall
		apart += size * off * off
	}
	e := Estimate{
		Within: within,
		// N − Σ n² ÷ N is 2 ÷ N times the sum over pairs of groups, in which nothing cancels.
		Between: max((apart-float64(k-1)*within)/(2*pairs/n), 0),
		Mean:    overall,
		Groups:  make([]Shrunk, len(sizes)),
	}
	weights, weighted := 0.0, 0.0
	for i, size := range sizes {
		if size > 0 && e.Between > 0 {
			weight := size / (size + within/e.Between)
			e.Groups[i].Weight = weight
			weights += weight
			weighted += weight * scores[i]
		}
	}
	if weights > 0 {
		e.Mean = weighted / weights
	}
	for i := range e.Groups {
		e.Groups[i].Score = e.toward(scores[i], e.Groups[i].Weight)
	}
	return e
}

// Draw draws the score of a group that need not be one of those that the estimate is of, such as several of them together.
func (e *Estimate) Draw(c nps.Counts) Shrunk {
	score, ok := c.Score()
	if !ok || e.Between == 0 {
		return Shrunk{Score: e.Mean}
	}
	n := float64(c.N())
	weight := n / (n + e.Within/e.Between)
	return Shrunk{weight, e.toward(score, weight)}
}

// toward is a score on its way to the mean. It is put so that it cannot leave the way.
func (e *Estimate) toward(score, weight float64) float64 {
	way := e.Mean - score
	if weight < 0.5 {
		return e.Mean - weight*way
	}
	return score + (1-weight)*way
}

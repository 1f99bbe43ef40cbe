package insight

import (
	"sync"

	"github.com/zeroten/zeroten/internal/credibility"
	"github.com/zeroten/zeroten/internal/nps"
)

// ShrunkScore is a group's score drawn towards that of all groups; all but Reason is nil where there is none.
type ShrunkScore struct {
	// NPS is in points, and Weight how much the group's own responses count, 0 to 1.
	NPS, Weight *float64
	Reason      *InsightReason
}

// ranking is all groups of a breakdown, whose scores are drawn towards each other once one is asked for.
type ranking struct {
	groups []nps.Counts

	once  sync.Once
	drawn credibility.Estimate
	why   credibility.Reason
}

// Shrunk is the group's score drawn towards that of all groups of the breakdown.
func (g *FeedbackGroup) Shrunk() *ShrunkScore {
	r := g.beside
	r.once.Do(func() { r.drawn, r.why = credibility.Shrink(r.groups) })
	if r.why != "" {
		return &ShrunkScore{Reason: reason(r.why)}
	}
	of := r.drawn.Groups[g.at]
	return &ShrunkScore{NPS: new(points * of.Score), Weight: &of.Weight}
}

package insight

import (
	"context"
	"math"
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

// ranking is what scores of groups are drawn towards: all groups that a body falls into by some keys, whichever of them are shown. The
// worst few alone would be drawn towards each other.
type ranking struct {
	body *Feedback
	into cut

	once  sync.Once
	drawn credibility.Estimate
	why   credibility.Reason
	err   error
}

func (r *ranking) draw(ctx context.Context) error {
	sp := split{from: r.body.source.from}
	r.into.divide(&sp)
	c, err := r.body.source.load(ctx, sp)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pieces, err := c.breakdown(ctx, breakdown{r.into, math.MaxInt, ByResponses, 1, r.body.source.leastShown(ctx)})
	if err != nil {
		return err
	}
	groups := make([]nps.Counts, len(pieces))
	for i := range pieces {
		groups[i] = pieces[i].histogram.Counts()
	}
	r.drawn, r.why = credibility.Shrink(groups)
	return nil
}

// Shrunk is the group's score drawn towards that of all groups by the same keys.
func (g *FeedbackGroup) Shrunk(ctx context.Context) (*ShrunkScore, error) {
	r := g.beside
	r.once.Do(func() { r.err = r.draw(ctx) })
	switch {
	case r.err != nil:
		return nil, r.err
	case r.why != "":
		return &ShrunkScore{Reason: reason(r.why)}, nil
	}
	of := r.drawn.Draw(g.Score.responses.Counts())
	return &ShrunkScore{NPS: new(points * of.Score), Weight: &of.Weight}, nil
}

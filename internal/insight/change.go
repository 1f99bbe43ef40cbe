package insight

import (
	"context"

	"github.com/zeroten/zeroten/internal/nps"
)

// ScoreChange is the difference of two scores, and whether it could be chance.
type ScoreChange struct {
	// Difference is in points, of the scores as shown.
	Difference *float64
	a, b       nps.Counts
	among      *family
	adjusted   *float64
	tested     int
}

// family are comparisons that stand beside each other.
type family struct {
	mirrored bool
	all      []*ScoreChange
}

func compare(a, b nps.Histogram) *ScoreChange {
	c := &ScoreChange{a: a.Counts(), b: b.Counts(), tested: 1}
	if x, y := (&Score{a}).NPS(), (&Score{b}).NPS(); x != nil && y != nil {
		c.Difference = new(*x - *y)
	}
	return c
}

func (f *family) compare(a, b nps.Histogram) *ScoreChange {
	c := compare(a, b)
	c.among = f
	f.all = append(f.all, c)
	return c
}

// named is the comparison of a group that was found among so many, with the p that it was found by.
func named(a, b nps.Histogram, adjusted float64, tested int) *ScoreChange {
	c := compare(a, b)
	c.adjusted, c.tested = &adjusted, tested
	return c
}

func (c *ScoreChange) Interval() *ScoreInterval {
	d, ok := nps.Compare(c.a, c.b)
	if !ok {
		return nil
	}
	return inPoints(d.Interval)
}

func (c *ScoreChange) PValue(ctx context.Context) (*float64, error) {
	d, ok := nps.Compare(c.a, c.b)
	if !ok {
		return nil, nil
	}
	return &d.P, nil
}

func (c *ScoreChange) AdjustedPValue(ctx context.Context) (*float64, error) { return c.PValue(ctx) }

func (c *ScoreChange) Comparisons(ctx context.Context) (int, error) { return c.tested, nil }

func (c *ScoreChange) Significant(ctx context.Context) (bool, error) {
	p, err := c.AdjustedPValue(ctx)
	return p != nil && *p < nps.Significance, err
}

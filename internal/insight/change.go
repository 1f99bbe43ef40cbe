package insight

import (
	"context"
	"sync"

	"github.com/zeroten/zeroten/internal/nps"
)

// ScoreChange is the difference of two scores, or of two differences, and whether it could be chance. What it takes a search to say
// is reckoned when it is asked for: a trend compares every point.
type ScoreChange struct {
	// Difference is in points, of the scores as shown; nil where any side has no responses.
	Difference *float64

	of nps.Difference
	// among are the comparisons that it stands beside, at a place; nil where it stands by itself.
	among *family
	at    int
	// found, where not nil, is the corrected p of whoever found it among others.
	found *float64
	// tested is how many others that were.
	tested int
}

// family are comparisons that stand beside each other: that one of them is called significant by chance must be as rare as if there
// were but one.
type family struct {
	// mirrored says that there are two groups, which make up the whole: one comparison, seen from both sides.
	mirrored bool
	pairs    []nps.Pair

	once   sync.Once
	judged nps.Family
	err    error
}

// compare is the difference of two scores by itself.
func compare(a, b nps.Histogram) *ScoreChange {
	c := &ScoreChange{tested: 1}
	if of, ok := nps.Compare(a.Counts(), b.Counts()); ok {
		c.of, c.Difference = of, new(*(&Score{a}).NPS() - *(&Score{b}).NPS())
	}
	return c
}

// changed is a difference that was made elsewhere; nil is none.
func changed(d *nps.Difference) *ScoreChange {
	c := &ScoreChange{tested: 1}
	if d != nil {
		c.of, c.Difference = *d, new(points*d.Estimate)
	}
	return c
}

// compare is the difference of two scores beside the others of the family.
func (f *family) compare(a, b nps.Histogram) *ScoreChange {
	c := compare(a, b)
	c.among, c.at = f, len(f.pairs)
	f.pairs = append(f.pairs, nps.Pair{A: a.Counts(), B: b.Counts()})
	return c
}

// foundAmong is the difference of two scores with the p, corrected for all that were tested, that it was found by.
func foundAmong(a, b nps.Histogram, adjusted float64, tested int) *ScoreChange {
	c := compare(a, b)
	c.found, c.tested = &adjusted, tested
	return c
}

// searchTime is how many nanoseconds it takes to find the p of one comparison.
const searchTime = 10_000

// judge tests the family, once.
func (f *family) judge(ctx context.Context) (*nps.Family, error) {
	f.once.Do(func() {
		if f.err = spendTime(ctx, searchTime*int64(len(f.pairs))); f.err == nil {
			f.judged = nps.Judge(f.pairs, f.mirrored)
		}
	})
	return &f.judged, f.err
}

// Interval is where the true difference lies at 95 %, in points; nil where there is none.
func (c *ScoreChange) Interval() *ScoreInterval {
	if c.Difference == nil {
		return nil
	}
	return inPoints(c.of.Interval())
}

// PValue is how often chance alone would give a difference this large, if nothing else were looked at; nil where there is none.
func (c *ScoreChange) PValue(ctx context.Context) (*float64, error) {
	if c.Difference == nil {
		return nil, nil
	}
	if c.among != nil {
		judged, err := c.among.judge(ctx)
		if err != nil {
			return nil, err
		}
		return new(judged.P[c.at]), nil
	}
	return new(c.of.P()), nil
}

// AdjustedPValue is PValue corrected for the comparisons beside it; nil where there is none, and where it was not tested.
func (c *ScoreChange) AdjustedPValue(ctx context.Context) (*float64, error) {
	switch {
	case c.Difference == nil:
		return nil, nil
	case c.found != nil:
		return c.found, nil
	case c.among == nil:
		return new(c.of.P()), nil
	}
	judged, err := c.among.judge(ctx)
	if err != nil {
		return nil, err
	}
	return judged.Adjusted[c.at], nil
}

// Comparisons is how many were tested beside each other.
func (c *ScoreChange) Comparisons(ctx context.Context) (int, error) {
	if c.among == nil {
		return c.tested, nil
	}
	judged, err := c.among.judge(ctx)
	if err != nil {
		return 0, err
	}
	return judged.Tested, nil
}

// Significant reports whether the corrected p is below nps.Significance, and so few responses can say it.
func (c *ScoreChange) Significant(ctx context.Context) (bool, error) {
	switch {
	case c.Difference == nil:
		return false, nil
	case c.found == nil && c.among == nil:
		return c.of.Significant(), nil
	}
	p, err := c.AdjustedPValue(ctx)
	return p != nil && *p < nps.Significance && *c.Difference != 0, err
}

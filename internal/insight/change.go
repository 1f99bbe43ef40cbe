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
	differences []*nps.Difference
	// rest, where not nil, are the differences as those of the groups of a whole.
	rest *nps.Family

	paid, tested sync.Once
	err          error
	comparisons  int
	adjusted     []nps.Adjusted
}

// versusRest are the comparisons of groups with the rest of the whole that they make up.
func versusRest(whole nps.Histogram, groups []nps.Counts) *family {
	all := nps.VersusRest(whole.Counts(), groups)
	return &family{rest: &all}
}

// compare is the difference of two scores by itself.
func compare(a, b nps.Histogram) *ScoreChange {
	c := &ScoreChange{tested: 1}
	if of, ok := nps.Compare(a.Counts(), b.Counts()); ok {
		c.of, c.Difference = of, new(*(&Score{a}).NPS()-*(&Score{b}).NPS())
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
	c.among, c.at = f, len(f.differences)
	var d *nps.Difference
	if c.Difference != nil {
		d = &c.of
	}
	f.differences = append(f.differences, d)
	return c
}

// foundAmong is the difference of two scores with the p, corrected for all that were tested, that it was found by.
func foundAmong(a, b nps.Histogram, adjusted float64, tested int) *ScoreChange {
	c := compare(a, b)
	c.found, c.tested = &adjusted, tested
	return c
}

// searchTime is how many nanoseconds it takes to find the p of one comparison: most take half of it, lopsided ones half as much again.
const searchTime = 10_000

// pay pays for finding the p of all, once by itself and once to be corrected.
func (f *family) pay(ctx context.Context) error {
	f.paid.Do(func() { f.err = spendTime(ctx, 2*searchTime*int64(len(f.differences))) })
	return f.err
}

// judge tests all of them, once.
func (f *family) judge(ctx context.Context) error {
	if err := f.pay(ctx); err != nil {
		return err
	}
	f.tested.Do(func() {
		if f.rest != nil {
			f.comparisons, f.adjusted = f.rest.Comparisons(), f.rest.Adjusted()
			return
		}
		// What there is nothing to compare with stands beside nothing.
		var some []*nps.Difference
		for _, d := range f.differences {
			if d != nil {
				some = append(some, d)
			}
		}
		all := nps.Beside(some)
		f.comparisons, f.adjusted = all.Comparisons(), make([]nps.Adjusted, len(f.differences))
		adjusted := all.Adjusted()
		for i, d := range f.differences {
			if d != nil {
				f.adjusted[i], adjusted = adjusted[0], adjusted[1:]
			}
		}
	})
	return nil
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
		if err := c.among.pay(ctx); err != nil {
			return nil, err
		}
	}
	return new(c.of.P()), nil
}

// AdjustedPValue is PValue corrected for the comparisons beside it; nil where there is none, and where it was not tested.
func (c *ScoreChange) AdjustedPValue(ctx context.Context) (*float64, error) {
	if c.Difference == nil || c.found != nil {
		return c.found, nil
	}
	if c.among == nil {
		return new(c.of.P()), nil
	}
	if err := c.among.judge(ctx); err != nil {
		return nil, err
	}
	if a := c.among.adjusted[c.at]; a.Tested {
		return &a.P, nil
	}
	return nil, nil
}

// Comparisons is how many were tested beside each other.
func (c *ScoreChange) Comparisons(ctx context.Context) (int, error) {
	if c.among == nil {
		return c.tested, nil
	}
	if err := c.among.judge(ctx); err != nil {
		return 0, err
	}
	return c.among.comparisons, nil
}

// Significant reports whether the corrected p is below nps.Significance, and whether so few responses can say it.
func (c *ScoreChange) Significant(ctx context.Context) (bool, error) {
	switch {
	case c.Difference == nil:
		return false, nil
	case c.found != nil:
		return *c.found < nps.Significance, nil
	case c.among == nil:
		return c.of.Significant(), nil
	}
	if err := c.among.judge(ctx); err != nil {
		return false, err
	}
	return c.among.adjusted[c.at].Significant, nil
}

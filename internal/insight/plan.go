package insight

import (
	"context"
	"math"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/nps"
)

// SampleGoal says what is to be known, and how surely. Exactly one of Margin and Difference is given, both in points.
type SampleGoal struct {
	Margin, Difference *float64
	Power, Confidence  float64
	// Rate is the share of those asked who answer; where nil it is as RateKnown says, nil where that knows none.
	Rate      *float64
	RateKnown func(ctx context.Context) (*float64, error)
}

// SamplePlan is how many responses it takes.
type SamplePlan struct {
	// Responses are those of each group.
	Responses int
	// Variance is that of one answer.
	Variance float64
	// Detectable is what this feedback, split in two halves, would show, in points; nil where there is too little of it.
	Detectable *float64

	body   *Feedback
	groups int
	rate   func(ctx context.Context) (*float64, error)
}

func (g *SampleGoal) validate(field string) error {
	switch {
	case (g.Margin == nil) == (g.Difference == nil):
		return apierror.BadRequest("%s: give exactly one of margin and difference.", field)
	case g.Margin != nil && !(*g.Margin > 0 && *g.Margin <= points):
		return apierror.BadRequest("%s: margin is more than 0, and at most %d.", field, points)
	case g.Difference != nil && !(*g.Difference > 0 && *g.Difference <= 2*points):
		return apierror.BadRequest("%s: difference is more than 0, and at most %d.", field, 2*points)
	case !(g.Power > 0.5 && g.Power < 1):
		return apierror.BadRequest("%s: power is more than 0.5, and less than 1.", field)
	case !(g.Confidence > 0 && g.Confidence < 1):
		return apierror.BadRequest("%s: confidence is more than 0, and less than 1.", field)
	case g.Rate != nil && !(*g.Rate > 0 && *g.Rate <= 1):
		return apierror.BadRequest("%s: responseRate is more than 0, and at most 1.", field)
	}
	return nil
}

// minVarying is how many responses it takes to judge by how much they vary.
const minVarying = 30

// SamplePlan says how many responses it takes, judged by how much those of the feedback vary.
func (f *Feedback) SamplePlan(ctx context.Context, goal SampleGoal) (*SamplePlan, error) {
	const field = "samplePlan"
	if err := f.uncut(field); err != nil {
		return nil, err
	}
	if err := goal.validate(field); err != nil {
		return nil, err
	}
	h, err := f.total(ctx)
	if err != nil {
		return nil, err
	}
	p := &SamplePlan{Variance: 1, body: f, groups: 1, rate: goal.RateKnown}
	if goal.Rate != nil {
		p.rate = func(context.Context) (*float64, error) { return goal.Rate, nil }
	}
	if h.Count() >= minVarying {
		p.Variance = h.Counts().AdjustedVariance()
		half := float64(h.Count()) / 2
		detectable, err := nps.DetectableDifference(half, p.Variance, half, p.Variance, goal.Power, goal.Confidence)
		if err != nil {
			return nil, apierror.BadRequest("%s: %v.", field, err)
		}
		p.Detectable = new(points * detectable)
	}
	var n int64
	known, by := "margin", goal.Margin
	if by != nil {
		n, err = nps.SampleSize(*by/points, p.Variance, goal.Confidence)
	} else {
		p.groups = 2
		known, by = "difference", goal.Difference
		n, err = nps.SampleSizeOfDifference(*by/points, p.Variance, p.Variance, goal.Power, goal.Confidence)
	}
	// What was asked for is valid: it fails where that takes more than can be counted.
	if err != nil || n > math.MaxInt32 {
		return nil, apierror.BadRequest("%s: a %s of %g takes more responses than there are people to ask; take a larger one.", field, known, *by)
	}
	p.Responses = int(n)
	return p, nil
}

// Invitations is how many people to ask in each group; nil where no rate of responses is known.
func (p *SamplePlan) Invitations(ctx context.Context) (*int, error) {
	rate, err := p.rate(ctx)
	if err != nil || rate == nil || *rate <= 0 {
		return nil, err
	}
	n := math.Ceil(float64(p.Responses) / *rate)
	if n > math.MaxInt32 {
		return nil, nil
	}
	return new(int(n)), nil
}

// paceDays are how many days the pace of responses is of, unless the feedback has fewer.
const paceDays = 28

// Days is how long the responses of all groups take at the pace of the last days; nil where there were none in them.
func (p *SamplePlan) Days(ctx context.Context) (*int, error) {
	f := p.body
	last := f.source.first.Today(f.source.reader.now())
	if f.source.to != cube.Latest {
		last = min(last, f.source.to)
	}
	first := max(last.Add(1-paceDays), calendar.MinDay, f.source.from)
	days, err := f.between(ctx, first, last)
	if err != nil {
		return nil, err
	}
	var lately int64
	for _, h := range days {
		lately += h.Count()
	}
	if lately == 0 {
		return nil, nil
	}
	n := math.Ceil(float64(p.groups) * float64(p.Responses) * float64(len(days)) / float64(lately))
	if n > math.MaxInt32 {
		return nil, nil
	}
	return new(int(n)), nil
}

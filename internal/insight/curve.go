package insight

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/linear"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/trait"
)

// Curve is a score along a trait that has an order.
type Curve struct {
	// Points are those values or ranges that have responses, in their order.
	Points []*FeedbackGroup
	// Slope is how many points of NPS the score goes up from one value or range to the next.
	Slope       *float64
	Interval    *ScoreInterval
	PValue      *float64
	Significant bool
	// Ends is the last point's score less the first's.
	Ends   *ScoreChange
	Reason *InsightReason
}

// Curve is the score along a trait of kind NUMBER or DATE.
func (f *Feedback) Curve(ctx context.Context, by string) (*Curve, error) {
	const field = "curve"
	if err := f.uncut(field); err != nil {
		return nil, err
	}
	if err := oneOrTwo(field, []string{by}); err != nil {
		return nil, err
	}
	into := cutOf(f.group, []string{by})
	sp := split{from: f.source.from}
	into.divide(&sp)
	c, err := f.source.load(ctx, sp)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.labelsOf(field, by); err != nil {
		return nil, err
	}
	dimensions := c.state.Active.Shape.Dimensions
	at := slices.IndexFunc(dimensions, func(d trait.Dimension) bool { return d.Key == by })
	if at < 0 || dimensions[at].Kind != trait.Number && dimensions[at].Kind != trait.Date {
		return nil, apierror.BadRequest("%s: by takes a trait of kind NUMBER or DATE, whose values have an order; %.70q has none.", field, by)
	}
	// All values there are: none is put together with others.
	asked := breakdown{cut: into, limit: trait.MaxValues + 2, order: ByResponses, minResponses: 1}
	pieces, err := c.breakdown(ctx, asked)
	if err != nil {
		return nil, err
	}
	shown := pieces
	if asked.leastShown = f.source.leastShown(ctx); asked.leastShown > 1 {
		if shown, err = c.breakdown(ctx, asked); err != nil {
			return nil, err
		}
	}
	return f.curve(into, pieces, shown, placesOf(&dimensions[at], pieces)), nil
}

// curve draws the line through the pieces that have a place, of which some are shown.
func (f *Feedback) curve(into cut, pieces, shown []piece, places map[string]int) *Curve {
	var along []nps.Counts
	for _, p := range pieces {
		if place, ok := places[p.values[0]]; ok {
			for len(along) <= place {
				along = append(along, nps.Counts{})
			}
			along[place] = p.histogram.Counts()
		}
	}
	c := &Curve{Points: []*FeedbackGroup{}, Ends: changed(nil)}
	groups := f.groups(into, shown)
	for _, g := range groups {
		if _, ok := places[g.Values[0]]; ok {
			c.Points = append(c.Points, g)
		}
	}
	slices.SortFunc(c.Points, func(a, b *FeedbackGroup) int { return cmp.Compare(places[a.Values[0]], places[b.Values[0]]) })
	if n := len(c.Points); n > 1 {
		c.Ends = compare(c.Points[n-1].Score.responses, c.Points[0].Score.responses)
	}
	line := linear.Curve(along)
	if line.Reason == "" && len(groups) == 0 {
		line.Reason = linear.OneGroup // to the caller it has no groups
	}
	if line.Reason != "" {
		c.Reason = reason(line.Reason)
		return c
	}
	c.Slope, c.PValue, c.Significant = new(points*line.Slope), &line.P, line.Significant()
	if line.Interval != nil {
		c.Interval = inPoints(*line.Interval)
	}
	return c
}

// placesOf are the places of a dimension's values in their order: those of all its ranges, else of the numbers that occur. What
// is no number has none.
func placesOf(d *trait.Dimension, pieces []piece) map[string]int {
	places := map[string]int{}
	for i, name := range d.Ranges() {
		places[name] = i
	}
	if len(places) > 0 {
		return places
	}
	var numbers []float64
	names := map[float64]string{}
	for _, p := range pieces {
		if number, err := strconv.ParseFloat(p.values[0], 64); err == nil {
			numbers, names[number] = append(numbers, number), p.values[0]
		}
	}
	slices.Sort(numbers)
	for i, number := range numbers {
		places[names[number]] = i
	}
	return places
}

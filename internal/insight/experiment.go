package insight

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/sequential"
	"github.com/zeroten/zeroten/internal/trait"
)

// Trial says which variants to set against each other, and what was meant beforehand.
type Trial struct {
	// Variants where nil are all that occur.
	Variants []string
	// Weights are the parts that were meant to be shown each; where nil they are what WeightsOf says.
	Weights []float64
	// Difference is the one that would matter, in points, and Power how sure to be to find it.
	Difference, Power float64
	// WeightsOf are the weights of a campaign's variants by their names.
	WeightsOf func(ctx context.Context, campaign uuid.UUID) (map[string]float64, error)
}

// Experiment is variants against each other.
type Experiment struct {
	Variants []*ExperimentVariant
	// Comparisons are all pairs.
	Comparisons []*VariantComparison
	Verdict     ExperimentVerdict
	// Winner is the variant that is better than each of the others; nil where there is none.
	Winner *string
	// SampleRatio says whether the responses are shared out as meant.
	SampleRatio *AllocationCheck
	// Planned is how many responses each variant needs for a test that is looked at once.
	Planned *int
	Reason  *InsightReason

	body  *Feedback
	names []string
	// partly says that some variant's responses may be too few to be shown to the caller: what is said of the others would be of another
	// experiment.
	partly  bool
	weights []float64
}

// ExperimentVerdict is what an experiment has shown so far.
type ExperimentVerdict string

// ExperimentVariant is one of the variants. Shares are 0 to 1.
type ExperimentVariant struct {
	Variant              string
	Score                *Score
	Share, ExpectedShare float64
}

// VariantComparison is a variant against one that stands later.
type VariantComparison struct {
	Variant, Against string
	// Once is for one look, and Anytime for any number of them; nil while either has too few responses.
	Once    *ScoreChange
	Anytime *AnytimeChange
}

// AnytimeChange is a difference, in points, that may be looked at again and again.
type AnytimeChange struct {
	Interval               *ScoreInterval
	PValue, AdjustedPValue float64
	Significant            bool
}

// AllocationCheck says whether responses are shared out as they should be. PValue is nil where there is nothing to check.
type AllocationCheck struct {
	PValue   *float64
	Mismatch bool
}

const minVariants, maxVariants = 2, 10

const tooEarly = ExperimentVerdict(sequential.TooEarly)

func (t *Trial) validate(field string) error {
	if !(t.Difference > 0 && t.Difference <= 2*points) {
		return apierror.BadRequest("%s: difference is more than 0, and at most %d.", field, 2*points)
	}
	if !(t.Power > 0.5 && t.Power < 1) {
		return apierror.BadRequest("%s: power is more than 0.5, and less than 1.", field)
	}
	for _, w := range t.Weights {
		if !(w > 0 && w <= math.MaxFloat64) {
			return apierror.BadRequest("%s: a weight is more than 0.", field)
		}
	}
	if t.Variants == nil {
		return nil
	}
	if len(t.Variants) < minVariants || len(t.Variants) > maxVariants {
		return apierror.BadRequest("%s: variants takes %d to %d; leave it out for all.", field, minVariants, maxVariants)
	}
	for i, v := range t.Variants {
		if v == "" || v == trait.None || v == trait.Few {
			return apierror.BadRequest("%s: a variant has a name: %.70q is none.", field, v)
		}
		if slices.Contains(t.Variants[:i], v) {
			return apierror.BadRequest("%s: the variant %.70q is given twice.", field, v)
		}
	}
	return nil
}

// Experiment sets the variants of the feedback against each other.
func (f *Feedback) Experiment(ctx context.Context, trial Trial) (*Experiment, error) {
	const field = "experiment"
	if err := f.uncut(field); err != nil {
		return nil, err
	}
	if err := trial.validate(field); err != nil {
		return nil, err
	}
	t, err := f.table(ctx, field, []string{byVariant, byCampaign})
	if err != nil {
		return nil, err
	}
	x := &Experiment{body: f}
	scores, err := x.choose(field, t, trial.Variants, f.source.leastShown(ctx))
	if err != nil {
		return nil, err
	}
	if x.weights, err = trial.weights(ctx, field, x.names, t); err != nil {
		return nil, err
	}
	plan := sequential.Plan{Weights: x.weights, Difference: trial.Difference / points, Power: trial.Power}
	counts := make([]nps.Counts, len(scores))
	for i := range scores {
		counts[i] = scores[i].Counts()
	}
	found, err := sequential.Judge(counts, plan)
	if err != nil {
		return nil, apierror.BadRequest("%s: %v.", field, err)
	}
	x.show(scores, found)
	return x, nil
}

// choose finds the variants, and what was answered to each.
func (x *Experiment) choose(field string, t *table, named []string, least int64) ([]nps.Histogram, error) {
	all := t.of(0)
	hidden, ok := t.hiddenValues(0, least, all)
	shown := func(at int) bool { return ok && !hidden[at] }
	x.names = named
	if named == nil {
		x.names = []string{}
		for at, variant := range t.values[0] {
			if variant != trait.None && shown(at) {
				x.names = append(x.names, variant)
			}
		}
		if len(x.names) > maxVariants {
			return nil, apierror.BadRequest("%s: there are %d variants; name %d to %d of them.", field, len(x.names), minVariants, maxVariants)
		}
	}
	// One that is hidden looks like one that nobody answered.
	scores := make([]nps.Histogram, len(x.names))
	for i, name := range x.names {
		switch at := slices.Index(t.values[0], name); {
		case at < 0:
			x.partly = x.partly || least > 1
		case shown(at):
			scores[i] = all[at]
		}
	}
	for at, variant := range t.values[0] {
		x.partly = x.partly || variant != trait.None && !shown(at)
	}
	if n := t.total().Count(); n > 0 && n < least {
		x.Reason = new(OneGroup) // to the caller it has no groups
	} else if x.partly {
		x.Reason = new(TooFewResponses)
	}
	return scores, nil
}

// weights are what was meant: as given, as of the one campaign that all is of, or equal.
func (t *Trial) weights(ctx context.Context, field string, names []string, of *table) ([]float64, error) {
	if t.Weights != nil {
		if len(t.Weights) != len(names) {
			return nil, apierror.BadRequest("%s: there are %d weights of %d variants; give one for each.", field, len(t.Weights), len(names))
		}
		return t.Weights, nil
	}
	weights := make([]float64, len(names))
	for i := range weights {
		weights[i] = 1
	}
	if campaigns := of.values[1]; len(campaigns) == 1 && t.WeightsOf != nil {
		campaign, err := uuid.Parse(campaigns[0])
		if err != nil {
			return nil, err
		}
		known, err := t.WeightsOf(ctx, campaign)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(names, func(name string) bool { return known[name] <= 0 }) {
			return weights, nil
		}
		for i, name := range names {
			weights[i] = known[name]
		}
	}
	return weights, nil
}

func (x *Experiment) show(scores []nps.Histogram, found sequential.Experiment) {
	var all int64
	whole, largest := 0.0, 0.0
	for i := range scores {
		all += scores[i].Count()
		largest = max(largest, x.weights[i])
	}
	for _, w := range x.weights {
		whole += w / largest // large ones would add up to infinity
	}
	x.Variants, x.Comparisons = []*ExperimentVariant{}, []*VariantComparison{}
	for i, name := range x.names {
		v := &ExperimentVariant{Variant: name, Score: &Score{scores[i]}, ExpectedShare: x.weights[i] / largest / whole}
		if all > 0 {
			v.Share = float64(scores[i].Count()) / float64(all)
		}
		x.Variants = append(x.Variants, v)
	}
	pairs := &family{}
	for _, c := range found.Comparisons {
		pair := &VariantComparison{Variant: x.names[c.Variant], Against: x.names[c.Against], Once: pairs.compare(scores[c.Variant], scores[c.Against])}
		if a := c.Anytime; a != nil {
			pair.Anytime = &AnytimeChange{Interval: inPoints(a.Interval), PValue: a.P, AdjustedPValue: a.AdjustedP, Significant: a.Significant()}
		}
		x.Comparisons = append(x.Comparisons, pair)
	}
	if x.partly {
		x.Verdict, x.SampleRatio = tooEarly, &AllocationCheck{}
		for _, c := range x.Comparisons {
			c.Anytime = nil
		}
		return
	}
	x.Verdict, x.SampleRatio = ExperimentVerdict(found.Verdict), allocationCheck(found.SampleRatio)
	if x.Reason == nil {
		x.Reason = reason(found.Reason)
	}
	if found.Winner >= 0 {
		x.Winner = &x.names[found.Winner]
	}
	if found.Planned > 0 && found.Planned <= math.MaxInt32 {
		x.Planned = new(int(found.Planned))
	}
}

func allocationCheck(c *sequential.Check) *AllocationCheck {
	if c == nil {
		return &AllocationCheck{}
	}
	return &AllocationCheck{PValue: &c.P, Mismatch: c.Mismatch()}
}

// Allocation says whether the variants' shares stayed the same from week to week.
func (x *Experiment) Allocation(ctx context.Context) (*AllocationCheck, error) {
	if x.partly {
		return &AllocationCheck{}, nil
	}
	f := x.body
	sp := split{by: calendar.Daily, from: f.source.from}
	// What a group is told apart by takes all profiles; else the variants do, which are few beside two years of days.
	if sp.byVariant = f.group == nil; !sp.byVariant {
		f.group.divide(&sp)
		sp.byProfile = true
	}
	c, err := f.source.load(ctx, sp)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	own, err := f.group.own(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := c.pay(ctx, len(own)); err != nil {
		return nil, err
	}
	column := c.state.Active.Profiles.Column(trait.Variants)
	place := make([]int, len(column.Values)) // of a value among the variants, or −1
	for i, value := range column.Values {
		place[i] = slices.Index(x.names, value)
	}
	byWeek := map[calendar.Day][]int64{}
	var day calendar.Day
	var counts []int64 // of the day's week
	for _, at := range own {
		value := c.cells.Profile(at)
		if !sp.byVariant {
			value = int32(column.Of[value])
		}
		variant := place[value]
		if variant < 0 {
			continue
		}
		if start := c.cells.Start(at); counts == nil || start != day { // cells of one day mostly come after each other
			day = start
			week := calendar.Weekly.Start(day)
			if counts = byWeek[week]; counts == nil {
				counts = make([]int64, len(x.names))
				byWeek[week] = counts
			}
		}
		counts[variant] += c.cells.Count(at)
	}
	weeks := make([][]int64, 0, len(byWeek))
	for _, week := range slices.Sorted(maps.Keys(byWeek)) {
		weeks = append(weeks, byWeek[week])
	}
	check, ok := sequential.Weeks(weeks)
	if !ok {
		return &AllocationCheck{}, nil
	}
	return allocationCheck(&check), nil
}

// Asked is the check of how many people were asked for each variant: delivered are how many of the invitations to one arrived.
func (x *Experiment) Asked(delivered []int64) (*AllocationCheck, error) {
	var all int64
	for _, n := range delivered {
		all += n
	}
	if all == 0 {
		return nil, nil
	}
	check, ok, err := sequential.Shares(delivered, x.weights)
	if err != nil || !ok {
		return &AllocationCheck{}, err
	}
	return allocationCheck(&check), nil
}

// Feedback is what the experiment is in.
func (x *Experiment) Feedback() *Feedback { return x.body }

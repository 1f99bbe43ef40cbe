package insight

import (
	"context"
	"slices"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/linear"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/trait"
)

// Drivers is what goes with the score.
type Drivers struct {
	Responses int
	// Explained is the share of the variance of single answers that all traits explain together, 0 to 1.
	Explained *float64
	// Traits are in the order of what is their own.
	Traits []*Driver
	Reason *InsightReason
}

// Driver is a trait, and what goes with it.
type Driver struct {
	Trait, Label string
	// Alone is what it explains where nothing else is looked at, and Own what only it explains.
	Alone, Own *DriverPart
	// Values are its values, most responses first.
	Values []*DriverValue
	Reason *InsightReason
}

// DriverPart is how much a trait explains.
type DriverPart struct {
	// Explained is a share of the variance, 0 to 1; Spread is the same in points.
	Explained, Spread      *float64
	PValue, AdjustedPValue *float64
	Significant            bool
	Reason                 *InsightReason
}

// DriverValue is a value of a trait.
type DriverValue struct {
	Value string
	Score *Score
	Share float64
	// Effect is in points, against the average of the trait's values, all other traits held fixed.
	Effect   *float64
	Interval *ScoreInterval
}

// Drivers says which traits go with the score. Where nil they are all dimensions, channel, variant and campaign.
func (f *Feedback) Drivers(ctx context.Context, traits []string, minResponses int) (*Drivers, error) {
	const field = "drivers"
	if minResponses < 1 || minResponses > maxMinResponses {
		return nil, apierror.BadRequest("%s: minResponses is 1 to %d.", field, maxMinResponses)
	}
	t, err := f.model(ctx, field, traits)
	if err != nil {
		return nil, err
	}
	least := f.source.leastShown(ctx)
	if n := t.total().Count(); n > 0 && n < least {
		return &Drivers{Responses: int(n), Traits: []*Driver{}, Reason: new(OneGroup)}, nil // to the caller it has no groups
	}
	found, err := linear.PaidDrivers(t.profiles(), int64(minResponses), t.unknown, payer(ctx))
	if err != nil {
		return nil, err
	}
	out := &Drivers{Responses: int(found.Responses), Traits: []*Driver{}, Reason: reason(found.Reason)}
	if found.Reason == "" {
		out.Explained = &found.Explained
	}
	for _, d := range found.Traits {
		out.Traits = append(out.Traits, t.driver(d, least))
	}
	return out, nil
}

// model is the table that models are made of.
func (f *Feedback) model(ctx context.Context, field string, given []string) (*table, error) {
	if err := f.uncut(field); err != nil {
		return nil, err
	}
	keys, err := f.keysOf(field, given, maxKeys, true)
	if err != nil {
		return nil, err
	}
	return f.table(ctx, field, keys)
}

// unknown reports whether a value of a key is none in itself: that of those of whom it is not known, or of all others.
func (t *table) unknown(key, value int) bool {
	return value == linear.Other || t.values[key][value] == trait.None
}

// profiles are the table's rows as models take them.
func (t *table) profiles() []linear.Profile {
	profiles := make([]linear.Profile, len(t.rows))
	other := make([]int, len(t.keys))
	for key, values := range t.values {
		other[key] = slices.Index(values, trait.Other)
	}
	for i, r := range t.rows {
		codes := make([]int, len(r.at))
		for key, at := range r.at {
			if codes[key] = int(at); codes[key] == other[key] {
				codes[key] = linear.Other
			}
		}
		profiles[i] = linear.Profile{Values: codes, Counts: r.responses.Counts()}
	}
	return profiles
}

// driver is that of a trait as the schema has it.
func (t *table) driver(d linear.Driver, least int64) *Driver {
	key := t.keys[d.Trait]
	out := &Driver{
		Trait: key, Label: t.label(key), Alone: driverPart(d.Alone), Own: driverPart(d.Own), Values: []*DriverValue{}, Reason: reason(d.Reason),
	}
	all := t.of(d.Trait)
	var whole nps.Histogram
	for _, h := range all {
		whole = whole.Add(h)
	}
	// What is no value of its own makes up the rest.
	rest := whole
	histograms := make([]nps.Histogram, len(d.Values))
	unseen, ok := t.hiddenValues(d.Trait, least, all)
	if !ok {
		return out
	}
	hidden, among := make([]bool, len(d.Values)), slices.Clone(unseen)
	at, apart := -1, false
	for i, v := range d.Values {
		if v.Code == linear.Other {
			at = i
			continue
		}
		histograms[i] = all[v.Code]
		rest = rest.Sub(all[v.Code])
		hidden[i], among[v.Code] = unseen[v.Code], false
		apart = apart || hidden[i]
	}
	if at >= 0 {
		histograms[at] = rest
		// Those that are not shown may be all in the rest: then nothing tells of them. Else the rest must not tell of one part.
		hidden[at] = apart && slices.Contains(among, true)
	}
	out.Values = t.driverValues(d, histograms, hidden, whole.Count())
	return out
}

// driverValues are a trait's values as they are shown to the caller, with those together that are hidden.
func (t *table) driverValues(d linear.Driver, histograms []nps.Histogram, hidden []bool, whole int64) []*DriverValue {
	values := make([]*DriverValue, 0, len(d.Values))
	var together nps.Histogram
	for i, v := range d.Values {
		if hidden[i] {
			together = together.Add(histograms[i])
			continue
		}
		value := &DriverValue{Value: trait.Other, Score: &Score{histograms[i]}, Share: v.Share}
		if v.Code != linear.Other {
			value.Value = t.shown[d.Trait][v.Code]
		}
		if v.Effect != nil {
			value.Effect = new(points * v.Effect.Effect)
			if v.Effect.Interval != nil {
				value.Interval = inPoints(*v.Effect.Interval)
			}
		}
		values = append(values, value)
	}
	if n := together.Count(); n > 0 {
		values = append(values, &DriverValue{Value: trait.Few, Score: &Score{together}, Share: float64(n) / float64(whole)})
	}
	return values
}

func driverPart(p linear.Part) *DriverPart {
	if p.Reason != "" {
		return &DriverPart{Reason: reason(p.Reason)}
	}
	return &DriverPart{
		Explained: &p.Explained, Spread: new(points * p.Spread), PValue: &p.P, AdjustedPValue: &p.AdjustedP, Significant: p.Significant(),
	}
}

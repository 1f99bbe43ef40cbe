package insight

import (
	"cmp"
	"context"
	"slices"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/ordinal"
	"github.com/zeroten/zeroten/internal/trait"
)

// PredictionModel is what traits foretell, and how well.
type PredictionModel struct {
	// Usable says that it foretells later answers better than their shares so far do.
	Usable bool
	// TrainedOn is how many responses it learned from before it was judged, the last of them on TrainedTo or before, and
	// ValidatedOn on how many later ones it was.
	TrainedOn, ValidatedOn int
	TrainedTo              *calendar.Day
	// What follows is nil where it was not judged, AUC and Lift also where nobody was a detractor, or everybody.
	LogLoss, Baseline, Skill, AUC, Lift *float64
	Calibration                         []*CalibrationBin
	Reason                              *InsightReason

	// groups are in the order of their risk.
	groups []*PredictedGroup
}

// CalibrationBin is responses of about the same predicted risk. Both shares are of detractors.
type CalibrationBin struct {
	Responses           int
	Predicted, Observed float64
}

// PredictedGroup is people with the same values of all traits.
type PredictedGroup struct {
	Traits, Values []string
	Responses      int
	Prediction     *Prediction
}

// Prediction is how likely somebody is what.
type Prediction struct{ Promoter, Passive, Detractor float64 }

// Prediction says how well answers can be foretold from traits, and foretells them where that is worth anything. Where nil the
// traits are all dimensions.
func (f *Feedback) Prediction(ctx context.Context, traits []string) (*PredictionModel, error) {
	const field = "prediction"
	if err := f.uncut(field); err != nil {
		return nil, err
	}
	for _, key := range traits {
		if key == byChannel || key == byVariant || key == byCampaign {
			return nil, apierror.BadRequest("%s: %s is not known of somebody who has not answered; take dimensions.", field, key)
		}
	}
	keys, err := f.keysOf(field, traits, trait.MaxDimensions, false)
	if err != nil {
		return nil, err
	}
	sp := split{byProfile: true, by: calendar.Monthly, from: f.source.from}
	f.group.divide(&sp)
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
	if err := c.pay(ctx, (5+len(keys))*len(own)); err != nil {
		return nil, err
	}
	t, err := c.table(ctx, field, f.group, keys, own)
	if err != nil {
		return nil, err
	}
	model, e, err := c.learn(ctx, keys, own, t)
	if err != nil {
		return nil, err
	}
	least := f.source.leastShown(ctx)
	if err := payHidden(ctx, least, len(t.rows), len(keys)); err != nil {
		return nil, err
	}
	return predictionModel(model, e, t, least), nil
}

// learn learns a model from some cells, divided by months.
func (c *cells) learn(ctx context.Context, keys []string, own []int32, t *table) (*ordinal.Model, ordinal.Evaluation, error) {
	columns := make([]ordinal.Trait, len(keys))
	for i, key := range keys {
		at := slices.IndexFunc(c.state.Active.Shape.Dimensions, func(d trait.Dimension) bool { return d.Key == key })
		column := c.state.Active.Profiles.Column(at)
		columns[i] = ordinal.Trait{Key: key, Values: column.Values, Of: column.Of}
	}
	if err := spendTime(ctx, ordinal.Work(len(t.rows), t.sizes()...)); err != nil {
		return nil, ordinal.Evaluation{}, err
	}
	model, e := ordinal.Learn(columns, func(yield func(ordinal.Cell) bool) {
		for _, at := range own {
			var h nps.Histogram
			c.cells.AddTo(&h, at)
			month := int(calendar.Monthly.Start(c.cells.Start(at)))
			if !yield(ordinal.Cell{Profile: int(c.cells.Profile(at)), Month: month, Counts: h.Counts()}) {
				return
			}
		}
	})
	return model, e, nil
}

func predictionModel(model *ordinal.Model, e ordinal.Evaluation, t *table, least int64) *PredictionModel {
	p := &PredictionModel{
		Usable: model != nil, TrainedOn: int(e.Learned), ValidatedOn: int(e.Judged), Calibration: []*CalibrationBin{}, Reason: reason(e.Reason),
	}
	if e.Learned > 0 {
		p.TrainedTo = new(calendar.Monthly.Next(calendar.Day(e.LastLearned)) - 1)
	}
	if e.Reason == "" || e.Reason == ordinal.NoBetterThanChance {
		p.LogLoss, p.Baseline, p.Skill, p.AUC, p.Lift = &e.LogLoss, &e.Baseline, &e.Skill, e.AUC, e.Lift
	}
	p.Calibration = calibration(e.Calibration, least)
	if 10*least > e.Judged && least > 1 {
		p.Lift = nil // the riskiest tenth is a group too
	}
	if model != nil {
		p.groups = t.foretold(model, least)
	}
	return p
}

// calibration are the bins as they are shown to the caller: those that are too small together with the next, and the last with the
// one before.
func calibration(bins []ordinal.Bin, least int64) []*CalibrationBin {
	shown := []*CalibrationBin{}
	var open *CalibrationBin
	for _, b := range bins {
		if open == nil {
			open = &CalibrationBin{}
			shown = append(shown, open)
		}
		if open.take(b); int64(open.Responses) >= least {
			open = nil
		}
	}
	if open == nil {
		return shown
	}
	shown = shown[:len(shown)-1]
	if len(shown) > 0 {
		shown[len(shown)-1].take(ordinal.Bin{Responses: int64(open.Responses), Predicted: open.Predicted, Observed: open.Observed})
	}
	return shown
}

// take adds another bin, as the mean of both.
func (c *CalibrationBin) take(b ordinal.Bin) {
	c.Responses += int(b.Responses)
	part := float64(b.Responses) / float64(c.Responses)
	c.Predicted += part * (b.Predicted - c.Predicted)
	c.Observed += part * (b.Observed - c.Observed)
}

// foretold are what people of each row would answer, the riskiest first.
func (t *table) foretold(model *ordinal.Model, least int64) []*PredictedGroup {
	histograms := make([]nps.Histogram, len(t.rows))
	for i := range t.rows {
		histograms[i] = t.rows[i].responses
	}
	hidden, ok := hidden(t.body, least, t.keys, func(group, key int) int { return int(t.rows[group].at[key]) }, sizesOf(histograms))
	if !ok {
		return nil
	}
	groups := make([]*PredictedGroup, 0, len(t.rows))
	together := &PredictedGroup{Traits: t.keys, Values: fewOf(t.keys), Prediction: &Prediction{}}
	for i, r := range t.rows {
		g := &PredictedGroup{Traits: t.keys, Values: make([]string, len(t.keys)), Responses: int(r.responses.Count())}
		for key, at := range r.at {
			g.Values[key] = t.values[key][at]
		}
		foretold := model.Predict(g.Values)
		g.Prediction = &Prediction{Promoter: foretold.Promoter, Passive: foretold.Passive, Detractor: foretold.Detractor}
		if hidden[i] {
			together.take(g)
			continue
		}
		groups = append(groups, g)
	}
	if together.Responses > 0 {
		groups = append(groups, together)
	}
	slices.SortFunc(groups, func(a, b *PredictedGroup) int {
		return cmp.Or(cmp.Compare(b.Prediction.Detractor, a.Prediction.Detractor), slices.Compare(a.Values, b.Values))
	})
	return groups
}

// take adds another group, as the mean of both.
func (g *PredictedGroup) take(o *PredictedGroup) {
	g.Responses += o.Responses
	part := float64(o.Responses) / float64(g.Responses)
	mean := func(mine *float64, theirs float64) { *mine += part * (theirs - *mine) }
	mean(&g.Prediction.Promoter, o.Prediction.Promoter)
	mean(&g.Prediction.Passive, o.Prediction.Passive)
	mean(&g.Prediction.Detractor, o.Prediction.Detractor)
}

// Groups are people with the same values of all traits, the riskiest first: at most so many, with so many responses.
func (p *PredictionModel) Groups(first, minResponses int) ([]*PredictedGroup, error) {
	if first < 1 || first > maxGroups {
		return nil, apierror.BadRequest("prediction: first is 1 to %d.", maxGroups)
	}
	if minResponses < 1 || minResponses > maxMinResponses {
		return nil, apierror.BadRequest("prediction: minResponses is 1 to %d.", maxMinResponses)
	}
	groups := []*PredictedGroup{}
	for _, g := range p.groups {
		if len(groups) == first {
			break
		}
		if g.Responses >= minResponses {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

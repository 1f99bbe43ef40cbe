package graph

import (
	"context"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/reach"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/survey"
)

// What feedback alone does not know, and insight asks of other rooms.

// published are benchmarks of an industry: of the tenant's own where none is named, and none where it has none.
func (r *Resolver) published(ctx context.Context, industry, country *string) ([]*ent.Benchmark, error) {
	l := loadersOf(ctx)
	if industry == nil {
		own, err := l.industryOf(ctx, r.DB)
		if err != nil || own == nil {
			return nil, err
		}
		industry = own
	}
	return l.publishedOf(ctx, r.DB, industry, country)
}

// weightsOf are those of the variants of a campaign's survey.
func (r *Resolver) weightsOf(ctx context.Context, campaign uuid.UUID) (map[string]float64, error) {
	surveys, err := survey.Of(ctx, r.DB, []uuid.UUID{campaign})
	if err != nil {
		return nil, err
	}
	weights := map[string]float64{}
	for _, v := range surveys[campaign].Variants {
		weights[v.Name] = float64(v.Weight)
	}
	return weights, nil
}

// invited are the invitations that a body of feedback goes back to, and the campaign that it stands below. ok is false where they do not
// know what it was chosen by, or where it is of channels alone by which nobody is asked, and for who is narrowed.
func invited(ctx context.Context, of *insight.Feedback) (f reach.Filter, campaign uuid.UUID, ok bool) {
	filter, within, ok := of.Asked()
	if !ok || !auth.Narrowed(ctx).IsZero() {
		return f, campaign, false
	}
	f = reach.Filter{
		Campaigns: filter.Campaigns, Segment: filter.Segment, Variants: filter.Variants,
		From: filter.From, To: filter.To, Last: filter.Last,
	}
	if within.Segment != uuid.Nil {
		saved := id.Segment.Format(within.Segment)
		if f.Segment != nil && *f.Segment != saved {
			return f, campaign, false // one filter cannot say both
		}
		f.Segment = &saved
	}
	if filter.Channels != nil {
		for _, channel := range filter.Channels {
			if reach.Asks(channel) {
				f.Channels = append(f.Channels, channel)
			}
		}
		if f.Channels == nil {
			return f, campaign, false
		}
	}
	return f, within.Campaign, true
}

// asked checks whether people were asked as meant; nil where nobody was invited.
func (r *Resolver) asked(ctx context.Context, x *insight.Experiment) (*insight.AllocationCheck, error) {
	f, campaign, ok := invited(ctx, x.Feedback())
	if !ok {
		return nil, nil
	}
	f.Variants = make([]string, len(x.Variants))
	for i, v := range x.Variants {
		f.Variants[i] = v.Variant
	}
	found, err := reach.ByVariant(ctx, r.DB, r.States, campaign, f, r.Now())
	if err != nil {
		return nil, err
	}
	delivered := make([]int64, len(x.Variants))
	for i, v := range x.Variants {
		if of := found[v.Variant]; of != nil {
			delivered[i] = int64(of.Delivered)
		}
	}
	return x.Asked(delivered)
}

// rateDays are how many days the usual rate of responses is of.
const rateDays = 90

// rateOf is the share of those who were invited lately that answered.
func (r *Resolver) rateOf(of *insight.Feedback) func(ctx context.Context) (*float64, error) {
	return func(ctx context.Context) (*float64, error) {
		f, campaign, ok := invited(ctx, of)
		if !ok {
			return nil, nil
		}
		f.From, f.To, f.Last = nil, nil, &selection.Period{Count: rateDays, Unit: calendar.Daily}
		found, err := r.reach(ctx, campaign, &f)
		if err != nil {
			return nil, err
		}
		return found.ResponseRate(), nil
	}
}

// maxAround is how many other actions are looked at beside one.
const maxAround = 1_000

// effect says whether the score moved with an action.
func (r *Resolver) effect(ctx context.Context, a *ent.Action, window, settle int, filter selection.Filter) (*insight.ActionEffect, error) {
	deeds, err := r.deeds(ctx, a)
	if err != nil {
		return nil, err
	}
	others := func(ctx context.Context) ([]insight.Deed, error) {
		found, err := action.Around(ctx, r.DB, a.StartedOn.Add(-window), a.StartedOn.Add(settle+window), maxAround)
		if err != nil {
			return nil, err
		}
		if len(found) > maxAround {
			return nil, apierror.New(apierror.TooComplex, "More than %d actions started or ended around %s: take a shorter window.", maxAround, a.StartedOn)
		}
		beside := found[:0]
		for _, other := range found {
			if other.ID != a.ID {
				beside = append(beside, other)
			}
		}
		return r.deeds(ctx, beside...)
	}
	return r.Insight.Effect(ctx, deeds[0], window, settle, filter, others)
}

// deeds are actions as insight knows them.
func (r *Resolver) deeds(ctx context.Context, actions ...*ent.Action) ([]insight.Deed, error) {
	ids := make([]uuid.UUID, len(actions))
	for i, a := range actions {
		ids[i] = a.ID
	}
	campaigns, err := action.CampaignsOf(ctx, r.DB, ids)
	if err != nil {
		return nil, err
	}
	deeds := make([]insight.Deed, len(actions))
	for i, a := range actions {
		deeds[i] = insight.Deed{Started: a.StartedOn, Ended: a.EndedOn, Campaigns: campaigns[a.ID]}
		if a.SegmentID != nil {
			deeds[i].Segment = *a.SegmentID
		}
	}
	return deeds, nil
}

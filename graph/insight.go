package graph

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/rate"
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

// effect says whether the score moved with an action.
func (r *Resolver) effect(ctx context.Context, a *ent.Action, window, settle int, filter selection.Filter) (*insight.ActionEffect, error) {
	campaigns, err := loadersOf(ctx).forWhom.load(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	action := insight.Action{Started: a.StartedOn, Ended: a.EndedOn, Segment: orNil(a.SegmentID), Campaigns: *campaigns}
	others := func(ctx context.Context) ([]insight.Action, error) {
		return r.others(ctx, a.ID, &action, a.StartedOn.Add(-window), a.StartedOn.Add(settle+window-1))
	}
	return r.Insight.Effect(ctx, action, window, settle, filter, others)
}

func orNil(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

// others are, of the actions that started or ended on some days, no more than tell whether one besides was for some of the same people.
// Those for other campaigns are left out, and the campaigns of the rest; of those for the same segment there is one; and one of which it
// is certain stands alone.
func (r *Resolver) others(ctx context.Context, self uuid.UUID, action *insight.Action, first, last calendar.Day) ([]insight.Action, error) {
	l := loadersOf(ctx)
	around, err := l.actionsAround(ctx, r.DB, first, last)
	if err != nil {
		return nil, err
	}
	var campaigns map[uuid.UUID][]uuid.UUID
	if len(action.Campaigns) > 0 {
		if campaigns, err = l.campaignsAround(ctx, r.DB, first, last); err != nil {
			return nil, err
		}
	}
	bySegment := map[uuid.UUID]insight.Action{}
	for _, o := range around {
		if o.ID == self || apart(action.Campaigns, campaigns[o.ID]) {
			continue
		}
		other := insight.Action{Started: o.StartedOn, Ended: o.EndedOn, Segment: orNil(o.SegmentID)}
		if other.Segment == uuid.Nil || action.Segment == uuid.Nil || other.Segment == action.Segment {
			return []insight.Action{other}, nil
		}
		bySegment[other.Segment] = other
	}
	if len(bySegment) == 0 {
		return nil, nil
	}
	// All profiles are gone through for each.
	state, err := r.States.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	steps := 0
	for segment := range bySegment {
		steps += state.Segments[action.Segment].Rule.Steps() + state.Segments[segment].Rule.Steps()
	}
	return slices.Collect(maps.Values(bySegment)), rate.Spend(ctx, steps/rate.StepsPerPoint)
}

// apart reports whether two actions were for campaigns none of which is the other's too. What was for none was for all.
func apart(some, others []uuid.UUID) bool {
	return len(some) > 0 && len(others) > 0 && !slices.ContainsFunc(some, func(c uuid.UUID) bool { return slices.Contains(others, c) })
}

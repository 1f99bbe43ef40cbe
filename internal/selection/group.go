package selection

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/trait"
)

// The keys that groups may be cut by besides the tenant's dimensions. The values of the last are the texts of UUIDs.
const (
	ByChannel  = "channel"
	ByVariant  = "variant"
	ByCampaign = "campaign"
)

// Values are those of one or two keys; the second is empty where there is one.
type Values [2]string

// Group is a part of what is selected: the responses that have the values, as cells have them.
type Group struct {
	// Of is the group that it is a part of; nil where it is one of the whole.
	Of *Group
	// By are the keys; the second is empty where there is one.
	By Values
	// Is are their values.
	Is Values
	// Any, where not nil, makes this the group of these values together, and Not that of all values but these. No filter can say
	// either.
	Any, Not []Values
}

// one reports whether it is the group of one combination of values.
func (g *Group) one() bool { return g.Any == nil && g.Not == nil }

// has reports whether a group that is not one has the values.
func (g *Group) has(values Values) bool {
	if g.Any != nil {
		return slices.Contains(g.Any, values)
	}
	return !slices.Contains(g.Not, values)
}

// grouped is a group that campaigns alone do not tell.
type grouped struct {
	// columns are where the values are: the columns of profiles, or campaignColumn.
	columns []int
	is      Values
	// any and not, where not nil, are the values that it has together, and those that it does not have.
	any, not map[Values]bool
	// byCampaign says that it takes the campaign as well as the profile.
	byCampaign bool
}

// campaignColumn stands for the campaign beside the columns of profiles.
const campaignColumn = -3

// selectGroups narrows the selection to the group that it is within.
func selectGroups(sel *Selection, within Within, _ time.Time) error {
	for g := within.Group; g != nil; g = g.Of {
		if err := sel.addGroup(g); err != nil {
			return err
		}
	}
	return nil
}

func (sel *Selection) addGroup(g *Group) error {
	made := grouped{is: g.Is}
	for i, key := range g.By {
		if key == "" {
			break
		}
		column := slices.IndexFunc(sel.state.Active.Shape.Dimensions, func(d trait.Dimension) bool { return d.Key == key })
		switch key {
		case ByChannel:
			column = trait.Channels
		case ByVariant:
			column = trait.Variants
		case ByCampaign:
			column = campaignColumn
			if g.one() {
				sel.onlyCampaigns(func(c uuid.UUID) bool { return c.String() == g.Is[i] })
			}
			made.byCampaign = true
		default:
			if column < 0 {
				return apierror.BadRequest("responses: the trait %.70q has just ceased to be a dimension. Ask again.", key)
			}
		}
		made.columns = append(made.columns, column)
	}
	if made.byCampaign && (g.one() || len(made.columns) == 1) {
		// Campaigns are known, with no look at each response.
		if !g.one() {
			sel.onlyCampaigns(func(c uuid.UUID) bool { return g.has(Values{c.String()}) })
		}
		at := slices.Index(made.columns, campaignColumn)
		made.columns, made.byCampaign = slices.Delete(made.columns, at, at+1), false
		made.is = Values{g.Is[1-at]} // the other's, where there is one
		if len(made.columns) == 0 {
			return nil
		}
	}
	made.any, made.not = setOf(g.Any), setOf(g.Not)
	sel.steps += len(made.columns)
	sel.groups = append(sel.groups, made)
	sel.NarrowsProfiles = sel.NarrowsProfiles || !made.byCampaign
	return nil
}

// setOf has some values; nil where they are nil.
func setOf(some []Values) map[Values]bool {
	if some == nil {
		return nil
	}
	set := make(map[Values]bool, len(some))
	for _, values := range some {
		set[values] = true
	}
	return set
}

// onlyCampaigns narrows the selection to those of its campaigns that hold.
func (sel *Selection) onlyCampaigns(holds func(uuid.UUID) bool) {
	chosen := []uuid.UUID{}
	if sel.Campaigns != nil {
		for _, c := range sel.Campaigns {
			if holds(c) {
				chosen = append(chosen, c)
			}
		}
	} else {
		for c := range sel.state.Campaigns {
			if holds(c) {
				chosen = append(chosen, c)
			}
		}
	}
	sel.Campaigns = chosen
}

// has reports whether the group has the values.
func (g *grouped) has(values Values) bool {
	switch {
	case g.any != nil:
		return g.any[values]
	case g.not != nil:
		return !g.not[values]
	}
	return g.is == values
}

// among are those profiles that the group has. It is not for one that takes campaigns.
func (g *grouped) among(all *trait.Profiles) trait.Set {
	if len(g.columns) == 1 {
		return all.Column(g.columns[0]).Where(func(value string) bool { return g.has(Values{value}) })
	}
	first, second := all.Column(g.columns[0]), all.Column(g.columns[1])
	s := trait.NewSet(all.Len())
	for id := 1; id <= all.Len(); id++ {
		if g.has(Values{first.Values[first.Of[id]], second.Values[second.Of[id]]}) {
			s[id/64] |= 1 << (id % 64)
		}
	}
	return s
}

// holds reports whether the group has a response of the campaign that is counted under the profile.
func (g *grouped) holds(campaign uuid.UUID, p trait.Profile) bool {
	var values Values
	for i, column := range g.columns {
		switch column {
		case campaignColumn:
			values[i] = campaign.String()
		case trait.Channels:
			values[i] = p.Channel
		case trait.Variants:
			values[i] = p.Variant
		default:
			values[i] = p.Values[column]
		}
	}
	return g.has(values)
}

// matchesGroups reports whether all groups have a response of the campaign that is counted under the profile.
func (sel *Selection) matchesGroups(campaign uuid.UUID, p trait.Profile) bool {
	for i := range sel.groups {
		if !sel.groups[i].holds(campaign, p) {
			return false
		}
	}
	return true
}

// groupsByCampaign reports whether profiles and campaigns by themselves do not tell what is in the groups.
func (sel *Selection) groupsByCampaign() bool {
	return slices.ContainsFunc(sel.groups, func(g grouped) bool { return g.byCampaign })
}

// groupsCount is matchesGroups for a cell, whose profile there is.
func (sel *Selection) groupsCount(campaign uuid.UUID, profile int32) bool {
	p, ok := sel.state.Active.Profiles.Get(profile)
	return ok && sel.matchesGroups(campaign, p)
}

package insight

import (
	"context"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/linear"
	"github.com/zeroten/zeroten/internal/nps"
)

// HotspotDirection is which way a group stands out.
type HotspotDirection string

// The directions of the schema.
const (
	Low  HotspotDirection = "LOW"
	High HotspotDirection = "HIGH"
)

// Hotspots are groups that stand out.
type Hotspots struct {
	// Tested is how many groups were tested; what is found is corrected for all of them.
	Tested int
	// Groups are those worth most first.
	Groups []*Hotspot
	Reason *InsightReason
}

// Hotspot is a group that stands out, by one trait or by two.
type Hotspot struct {
	Traits, Values []string
	Score          *Score
	Share          float64
	VersusRest     *ScoreChange
	// Worth is what the whole score would gain, in points, if the group were at the level of the rest.
	Worth float64
	// BeyondParts is how far, in points, a group of two lies beyond what all traits say one by one; nil for one trait.
	BeyondParts *float64
	Feedback    *Feedback
}

// HotspotSearch says what to look for.
type HotspotSearch struct {
	// Keys where nil are all dimensions, channel, variant and campaign.
	Keys []string
	// Depth is 1 for groups by one trait, and 2 for those by two as well.
	Depth        int
	MinResponses int
	// MinDifference is in points.
	MinDifference float64
	// Direction where nil is both.
	Direction *HotspotDirection
	Limit     int
}

const maxHotspots = 50

func (s *HotspotSearch) validate(field string) error {
	switch {
	case s.Depth != 1 && s.Depth != 2:
		return apierror.BadRequest("%s: depth is 1 or 2.", field)
	case s.MinResponses < 10 || s.MinResponses > maxMinResponses:
		return apierror.BadRequest("%s: minResponses is 10 to %d.", field, maxMinResponses)
	case !(s.MinDifference >= 0 && s.MinDifference <= 2*points):
		return apierror.BadRequest("%s: minDifference is 0 to %d.", field, 2*points)
	case s.Limit < 1 || s.Limit > maxHotspots:
		return apierror.BadRequest("%s: limit is 1 to %d.", field, maxHotspots)
	case s.Direction != nil && *s.Direction != Low && *s.Direction != High:
		return apierror.BadRequest("%s: there is no direction %.20q.", field, string(*s.Direction))
	}
	return nil
}

// Hotspots finds groups whose score differs from the rest by more than chance.
func (f *Feedback) Hotspots(ctx context.Context, s HotspotSearch) (*Hotspots, error) {
	const field = "hotspots"
	if err := s.validate(field); err != nil {
		return nil, err
	}
	t, err := f.model(ctx, field, s.Keys)
	if err != nil {
		return nil, err
	}
	search := linear.Search{Pairs: s.Depth == 2, Responses: int64(s.MinResponses), Difference: s.MinDifference / points}
	if least := f.source.leastShown(ctx); least > 1 {
		if err := spendTime(ctx, t.unseenWork(s.Depth == 2)); err != nil {
			return nil, err
		}
		// Who must not see small groups has none tested: that one is found, or counted, would tell of it.
		unseen := unseen{t: t, least: least, cells: map[[2]int]map[[2]int]bool{}}
		search.Responses, search.Unseen = max(search.Responses, least), unseen.has
	}
	found, err := linear.PaidHotspots(t.profiles(), search, payer(ctx))
	if err != nil {
		return nil, err
	}
	out := &Hotspots{Tested: found.Tested, Groups: []*Hotspot{}, Reason: reason(found.Reason)}
	all := t.total()
	for _, h := range found.Groups {
		if len(out.Groups) == s.Limit {
			break
		}
		if s.Direction == nil || (*s.Direction == Low) == (h.Difference < 0) {
			out.Groups = append(out.Groups, f.hotspot(t, h, all, found.Tested))
		}
	}
	return out, nil
}

func (f *Feedback) hotspot(t *table, h linear.Hotspot, all nps.Histogram, tested int) *Hotspot {
	out := &Hotspot{Share: h.Share, Worth: points * h.Worth}
	g := &group{}
	for i, key := range h.Traits {
		out.Traits = append(out.Traits, t.keys[key])
		out.Values = append(out.Values, t.shown[key][h.Values[i]])
		g.values[i] = t.values[key][h.Values[i]]
	}
	g.cut = cutOf(f.group, out.Traits)
	var own nps.Histogram
	for i := range t.rows {
		in := true
		for j, key := range h.Traits {
			in = in && t.rows[i].at[key] == int32(h.Values[j])
		}
		if in {
			own = own.Add(t.rows[i].responses)
		}
	}
	out.Score, out.Feedback = &Score{own}, &Feedback{source: f.source, group: g}
	out.VersusRest = foundAmong(own, all.Sub(own), h.AdjustedP, tested)
	if len(h.Traits) == 2 {
		out.BeyondParts = new(points * h.BeyondParts)
	}
	return out
}

package insight

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/trait"
)

// filterBytesPerPoint is how many bytes of groups' filters cost a point: each group repeats what the whole was asked by. A
// byte takes 5 to 9 ns to make (BenchmarkGroupFilter), so that a point of them is an eighth of what one may take; what bounds
// them is memory, where each is three times until it is answered: all that an operation may have are 4 MB of them.
const filterBytesPerPoint = 4 << 10

// Filter is the group as a filter; nil where it is of those put together as the rest, which no filter can name, or where
// its rule would be larger than rules may be.
func (g *FeedbackGroup) Filter(ctx context.Context) (*selection.Object, error) {
	f, ok := g.Feedback.filter()
	if !ok {
		return nil, nil
	}
	o, err := f.Object()
	if err != nil {
		return nil, fmt.Errorf("writing a group's filter: %w", err)
	}
	return &o, rate.Spend(ctx, g.Feedback.source.written(len(o)))
}

// written notes that so many bytes of filters are answered, and gives the points that they come to.
func (s *source) written(bytes int) (points int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unpaid += bytes
	points = s.unpaid / filterBytesPerPoint
	s.unpaid -= points * filterBytesPerPoint
	return points
}

// Listed is what a list of this body's responses chooses, narrowed further by words or comments: exactly what its score
// counts. Anything else that narrows is BAD_REQUEST.
func (f *Feedback) Listed(further selection.Filter) (selection.Filter, selection.Within, error) {
	filter, within := f.source.filter, f.source.within
	filter.Search, filter.HasComment = further.Search, further.HasComment
	further.Search, further.HasComment = nil, nil
	if !reflect.DeepEqual(further, selection.Filter{}) {
		return filter, within, apierror.BadRequest("filter: the responses of a body of feedback are narrowed further by search and hasComment alone. Give the rest to the feedback.")
	}
	if filter.Last != nil { // which days these are was settled when the body was chosen
		filter.From, filter.To, filter.Last = &f.source.from, &f.source.to, nil
	}
	within.Group = f.group.selected()
	return filter, within, nil
}

// filter is a filter that means this body of feedback, wherever it is asked; ok is false where none can.
func (f *Feedback) filter() (filter selection.Filter, ok bool) {
	filter = f.source.filter
	state := f.source.known()
	var rules []segment.Rule
	if filter.Where != nil {
		rules = append(rules, *filter.Where)
	}
	if within := f.source.within; within.Campaign != uuid.Nil {
		// Those that the filter names besides hold as well.
		campaign := id.Campaign.Format(within.Campaign)
		if filter.Campaigns != nil && !slices.Contains(filter.Campaigns, campaign) {
			filter.Campaigns = []string{}
		} else {
			filter.Campaigns = []string{campaign}
		}
	} else if within.Segment != uuid.Nil {
		saved := id.Segment.Format(within.Segment)
		if filter.Segment != nil && *filter.Segment != saved {
			rules = append(rules, state.Segments[within.Segment].Rule)
		} else {
			filter.Segment = &saved
		}
	}
	// From the innermost group outwards: what is said twice is the same.
	for g := f.group; g != nil; g = g.cut.of {
		if !g.one() {
			return selection.Filter{}, false
		}
		for i, key := range g.cut.keys() {
			switch value := g.values[i]; key {
			case byChannel:
				filter.Channels = []response.Channel{response.Channel(value)}
			case byVariant:
				filter.Variants = []string{value}
			case byCampaign:
				campaign, err := uuid.Parse(value)
				if err != nil {
					return selection.Filter{}, false
				}
				filter.Campaigns = []string{id.Campaign.Format(campaign)}
			default:
				is := segment.Condition{Key: key, In: []string{value}}
				if value == trait.None {
					is = segment.Condition{Key: key, IsKnown: new(false)}
				}
				rule := segment.Rule{Trait: &is}
				if !slices.ContainsFunc(rules, func(r segment.Rule) bool { return reflect.DeepEqual(r, rule) }) {
					rules = append(rules, rule)
				}
			}
		}
	}
	switch len(rules) {
	case 0:
	case 1:
		filter.Where = &rules[0]
	default:
		filter.Where = &segment.Rule{All: rules}
	}
	if filter.Where != nil && filter.Where.Validate(state.Active.Shape.Dimensions) != nil {
		return selection.Filter{}, false
	}
	return filter, true
}

// Asked says what is known of who was asked for this feedback: by its filter, and what it stands below. ok is false where it is
// narrowed by what is known of answers alone.
func (f *Feedback) Asked() (filter selection.Filter, within selection.Within, ok bool) {
	if f.group != nil || f.source.filter.Where != nil {
		return selection.Filter{}, selection.Within{}, false
	}
	return f.source.filter, f.source.within, true
}

package feedback

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/trait"
)

// MaxSearch is how many characters a search has at most.
const MaxSearch = 200

// maxFilterValues is how many values one list of a filter has at most.
const maxFilterValues = 1_000

// Filter says which feedback. What is nil does not narrow; of a list that is given, one must hold.
type Filter struct {
	Campaigns  []string
	Segment    *string
	Where      *segment.Rule
	Channels   []response.Channel
	Variants   []string
	Categories []nps.Category
	From, To   *calendar.Day
	Last       *Period
	Search     *string
	HasComment *bool
}

// Period is a length of time in calendar units.
type Period struct {
	Count int
	Unit  calendar.Interval
}

// maxPeriod is how many units a period has at most.
const maxPeriod = 10_000

// Within is what a filter stands below: what of a campaign, or of a segment, it is to choose from.
type Within struct {
	Campaign, Segment uuid.UUID
}

// Selection is a filter resolved for one state of a tenant.
type Selection struct {
	// Campaigns where nil are all.
	Campaigns []uuid.UUID
	// From and To are cube.Earliest and cube.Latest where the filter has no bound.
	From, To calendar.Day
	// Categories where nil are all.
	Categories []nps.Category
	// NarrowsProfiles says that not all of them match.
	NarrowsProfiles bool
	// NarrowsComments says that it asks for what the cube doesn't know.
	NarrowsComments bool

	state      *cube.State
	channels   []string
	variants   []string
	segments   []*segment.Matcher
	words      []string
	hasComment *bool
}

// Select resolves the filter. What cannot be meant is an apierror with the code BAD_REQUEST, and a campaign or segment
// that the tenant does not have one with NOT_FOUND.
func (f *Filter) Select(s *cube.State, within Within, now time.Time) (*Selection, error) {
	sel := &Selection{state: s, From: cube.Earliest, To: cube.Latest}
	for _, resolve := range []func(*Selection, Within, time.Time) error{
		f.selectCampaigns, f.selectSegments, f.selectDays, f.selectRest,
	} {
		if err := resolve(sel, within, now); err != nil {
			return nil, err
		}
	}
	return sel, nil
}

func (f *Filter) selectCampaigns(sel *Selection, within Within, _ time.Time) error {
	if within.Campaign != uuid.Nil {
		sel.Campaigns = []uuid.UUID{within.Campaign}
	}
	if f.Campaigns == nil {
		return nil
	}
	if len(f.Campaigns) > maxFilterValues {
		return apierror.BadRequest("filter.campaigns: at most %d.", maxFilterValues)
	}
	chosen := make([]uuid.UUID, 0, len(f.Campaigns))
	for i, text := range f.Campaigns {
		campaign, err := id.Campaign.Parse(text)
		if err != nil {
			return apierror.BadRequest("filter.campaigns.%d: %v.", i, err)
		}
		if _, ok := sel.state.Campaigns[campaign]; !ok {
			return apierror.New(apierror.NotFoundCode, "filter.campaigns.%d: there is no campaign %s.", i, text)
		}
		if within.Campaign == uuid.Nil || within.Campaign == campaign {
			chosen = append(chosen, campaign)
		}
	}
	sel.Campaigns = chosen
	return nil
}

func (f *Filter) selectSegments(sel *Selection, within Within, _ time.Time) error {
	saved := []uuid.UUID{}
	if within.Segment != uuid.Nil {
		saved = append(saved, within.Segment)
	}
	if f.Segment != nil {
		segment, err := id.Segment.Parse(*f.Segment)
		if err != nil {
			return apierror.BadRequest("filter.segment: %v.", err)
		}
		saved = append(saved, segment)
	}
	for _, segment := range saved {
		g, ok := sel.state.Segments[segment]
		if !ok {
			return apierror.New(apierror.NotFoundCode, "filter.segment: there is no segment %s.", id.Segment.Format(segment))
		}
		if err := sel.addRule(g.Rule, "segment "+g.Name); err != nil {
			return err
		}
	}
	if f.Where != nil {
		return sel.addRule(*f.Where, "filter.where")
	}
	return nil
}

func (sel *Selection) addRule(rule segment.Rule, name string) error {
	s := sel.state
	matcher, err := segment.Compile(rule, s.Active.Shape.Dimensions)
	if err == nil {
		sel.segments = append(sel.segments, matcher)
		sel.NarrowsProfiles = true
		return nil
	}
	if s.Building != nil && rule.Validate(s.Building.Shape.Dimensions) == nil {
		return apierror.BadRequest("%s: past responses are still being taken in for a trait that it uses: %d of %d so far. Ask again when all are.",
			name, s.Rebuild.Done, s.Rebuild.Total)
	}
	if errs, ok := errors.AsType[apierror.UserErrors](err); ok {
		return apierror.BadRequest("%s: %v", name, errs)
	}
	return fmt.Errorf("compiling %s: %w", name, err)
}

func (f *Filter) selectDays(sel *Selection, _ Within, now time.Time) error {
	if f.From != nil {
		sel.From = *f.From
	}
	if f.To != nil {
		sel.To = *f.To
	}
	if sel.To >= calendar.MaxDay {
		sel.To = cube.Latest // the day after has five digits in its year, which SQLite would sort first
	}
	if f.Last != nil {
		if f.From != nil {
			return apierror.BadRequest("filter: give from or last, not both.")
		}
		if f.Last.Count < 1 || f.Last.Count > maxPeriod {
			return apierror.BadRequest("filter.last.count: want 1 to %d.", maxPeriod)
		}
		if f.To == nil {
			sel.To = sel.state.Today(now)
		}
		sel.From = f.Last.Unit.Add(sel.To+1, -f.Last.Count)
	}
	if sel.From > sel.To {
		return apierror.BadRequest("filter: to (%s) is before from (%s).", sel.To, sel.From)
	}
	return nil
}

func (f *Filter) selectRest(sel *Selection, _ Within, _ time.Time) error {
	if f.Channels != nil {
		sel.channels = make([]string, len(f.Channels))
		for i, c := range f.Channels {
			sel.channels[i] = string(c)
		}
		sel.NarrowsProfiles = true
	}
	if len(f.Variants) > maxFilterValues {
		return apierror.BadRequest("filter.variants: at most %d.", maxFilterValues)
	}
	if f.Variants != nil {
		sel.variants, sel.NarrowsProfiles = f.Variants, true
	}
	sel.Categories = f.Categories
	if f.Search != nil {
		if utf8.RuneCountInString(*f.Search) > MaxSearch {
			return apierror.BadRequest("filter.search: at most %d characters.", MaxSearch)
		}
		sel.words = words(*f.Search)
	}
	sel.hasComment = f.HasComment
	sel.NarrowsComments = f.Search != nil || f.HasComment != nil
	return nil
}

// MatchesProfile reports whether the filter holds for what the profile says.
func (sel *Selection) MatchesProfile(p trait.Profile) bool {
	if sel.channels != nil && !slices.Contains(sel.channels, p.Channel) {
		return false
	}
	if sel.variants != nil && !slices.Contains(sel.variants, p.Variant) {
		return false
	}
	for _, m := range sel.segments {
		if !m.Match(p.Values) {
			return false
		}
	}
	return true
}

// Profiles are the matching profiles' ids; nil where all match.
func (sel *Selection) Profiles() []int32 {
	if !sel.NarrowsProfiles {
		return nil
	}
	ids := []int32{}
	for _, p := range sel.state.Active.Profiles.All() {
		if sel.MatchesProfile(p) {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// Keep reduces a histogram to the filter's categories.
func (sel *Selection) Keep(h nps.Histogram) nps.Histogram {
	if sel.Categories == nil {
		return h
	}
	for score := range h {
		if !slices.Contains(sel.Categories, nps.CategoryOf(score)) {
			h[score] = 0
		}
	}
	return h
}

// matchesSegments reports whether the response's profile is in the filter's segments. Its profile is known, since it
// is counted there.
func (sel *Selection) matchesSegments(r *ent.Response) bool {
	if len(sel.segments) == 0 {
		return true
	}
	g := sel.state.Active
	variant := ""
	if r.Variant != nil {
		variant = *r.Variant
	}
	values := g.Shape.Values(r.Traits, calendar.DayOf(r.RespondedAt, g.Zone()))
	p, ok := g.Profiles.Find(string(r.Channel), variant, values)
	if !ok {
		// It came after the state was read: its profile is new.
		p = trait.Profile{Values: values}
	}
	for _, m := range sel.segments {
		if !m.Match(p.Values) {
			return false
		}
	}
	return true
}

// matchesWords reports whether each word begins one of the comment's, in any order and without regard to case.
func (sel *Selection) matchesWords(r *ent.Response) bool {
	if len(sel.words) == 0 {
		return true
	}
	if r.Comment == nil {
		return false
	}
	said := words(*r.Comment)
	for _, w := range sel.words {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, w) }) {
			return false
		}
	}
	return true
}

func words(text string) []string {
	return strings.FieldsFunc(strings.Map(lower, text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)
	})
}

// lower is the small letter, but never an ASCII one of another: databases do not take İ for an i.
func lower(r rune) rune {
	if l := unicode.ToLower(r); l >= utf8.RuneSelf || r < utf8.RuneSelf {
		return l
	}
	return r
}

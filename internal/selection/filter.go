// Package selection chooses feedback: which of a tenant's responses a filter means, for the caller whom it is asked by, and
// which of them are on a page. Scores are folds of the cube's cells; lists are walks along the database's indexes.
package selection

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/search"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/settings"
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
	// Scores are 0 to nps.MaxScore.
	Scores     []int
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
	// Group, where not nil, is the part of that.
	Group *Group
}

// Selection is a filter resolved for one state of a tenant.
type Selection struct {
	// Campaigns where nil are all.
	Campaigns []uuid.UUID
	// From and To are cube.Earliest and cube.Latest where the filter has no bound.
	From, To calendar.Day
	// Scores where nil are all; else they are in order, each once.
	Scores []int
	// NarrowsProfiles says that not all of them match.
	NarrowsProfiles bool
	// NarrowsComments says that it asks for what the cube doesn't know.
	NarrowsComments bool

	state     *settings.State
	narrowing auth.Narrowing
	channels  []string
	variants  []string
	segments  []*segment.Matcher
	// rules are what they match.
	rules []segment.Rule
	// steps are those of saved rules; what is given in a filter is paid for with the operation.
	steps      int
	terms      []string
	hasComment *bool
	// sievesVariants says that a response may be counted as another variant than its own.
	sievesVariants bool
	groups         []grouped
	// profiles are known once they were asked for.
	profiles trait.Set
}

// Select resolves the filter for the context's caller: what they are narrowed to narrows the selection too. What cannot
// be meant is an apierror with the code BAD_REQUEST, and a campaign or segment that there is not, for the caller, one
// with NOT_FOUND.
func (f *Filter) Select(ctx context.Context, s *settings.State, within Within, now time.Time) (*Selection, error) {
	sel := &Selection{state: s, From: cube.Earliest, To: cube.Latest, narrowing: auth.Narrowed(ctx)}
	for _, resolve := range []func(*Selection, Within, time.Time) error{
		f.selectCampaigns, f.selectSegments, f.selectDays, f.selectRest, selectGroups,
	} {
		if err := resolve(sel, within, now); err != nil {
			return nil, err
		}
	}
	if err := rate.Spend(ctx, sel.steps/rate.StepsPerPoint); err != nil {
		return nil, err
	}
	return sel, nil
}

// Settings is the state's number that the selection was resolved for: with another one, profiles, segments and
// campaigns may be others.
func (sel *Selection) Settings() int64 { return sel.state.Settings }

// Today is the day that it is for the tenant, for days of the selection.
func (sel *Selection) Today(now time.Time) calendar.Day { return sel.state.Today(now) }

// none makes the selection an empty one.
func (sel *Selection) none() { sel.Campaigns = []uuid.UUID{} }

func (f *Filter) selectCampaigns(sel *Selection, within Within, _ time.Time) error {
	sel.Campaigns = slices.Clone(sel.narrowing.Campaigns)
	if within.Campaign != uuid.Nil {
		sel.Campaigns = []uuid.UUID{within.Campaign}
		if !sel.narrowing.Campaign(within.Campaign) {
			sel.none()
		}
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
		if _, ok := sel.state.Campaigns[campaign]; !ok || !sel.narrowing.Campaign(campaign) {
			return apierror.New(apierror.NotFoundCode, "filter.campaigns.%d: there is no campaign %s.", i, text)
		}
		if sel.Campaigns == nil || slices.Contains(sel.Campaigns, campaign) {
			chosen = append(chosen, campaign)
		}
	}
	sel.Campaigns = chosen
	return nil
}

func (f *Filter) selectSegments(sel *Selection, within Within, _ time.Time) error {
	only := sel.narrowing.Segment
	if only != uuid.Nil {
		g, ok := sel.state.Segments[only]
		if !ok || within.Segment != uuid.Nil && within.Segment != only {
			sel.none()
		} else if err := sel.addSaved(g); err != nil {
			return err
		}
	}
	saved := []uuid.UUID{}
	if within.Segment != uuid.Nil && only == uuid.Nil {
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
		if !ok || only != uuid.Nil && only != segment {
			return apierror.New(apierror.NotFoundCode, "filter.segment: there is no segment %s.", id.Segment.Format(segment))
		}
		if segment == only {
			continue // its rule is there already
		}
		if err := sel.addSaved(g); err != nil {
			return err
		}
	}
	if f.Where != nil {
		return sel.addRule(*f.Where, "filter.where")
	}
	return nil
}

func (sel *Selection) addSaved(g settings.Segment) error {
	sel.steps += g.Rule.Steps()
	return sel.addRule(g.Rule, "segment "+g.Name)
}

func (sel *Selection) addRule(rule segment.Rule, name string) error {
	matcher, err := sel.state.Matcher(sel.narrowing, rule, name)
	if errs, ok := errors.AsType[apierror.UserErrors](err); ok {
		return apierror.BadRequest("%s: %v", name, errs)
	}
	if err != nil {
		return err
	}
	sel.segments, sel.rules = append(sel.segments, matcher), append(sel.rules, rule)
	sel.NarrowsProfiles = true
	return nil
}

func (f *Filter) selectDays(sel *Selection, _ Within, now time.Time) error {
	if f.From != nil {
		sel.From = *f.From
	}
	if f.To != nil {
		sel.To = *f.To
	}
	if f.Last != nil {
		if f.From != nil {
			return apierror.BadRequest("filter: give from or last, not both.")
		}
		if f.Last.Count < 1 || f.Last.Count > maxPeriod {
			return apierror.BadRequest("filter.last.count: want 1 to %d.", maxPeriod)
		}
		if !f.Last.Unit.Valid() {
			return apierror.BadRequest("filter.last.unit: there is no unit %.20q.", f.Last.Unit)
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
		sel.sievesVariants = slices.Contains(f.Variants, trait.Other) || sel.state.Active.Profiles.VariantsFull()
	}
	if err := f.selectScores(sel); err != nil {
		return err
	}
	if f.Search != nil {
		if fault := apierror.TooLongFor(MaxSearch, *f.Search); fault != "" {
			return apierror.BadRequest("filter.search: %s.", fault)
		}
		sel.terms = search.Terms(*f.Search)
	}
	sel.hasComment = f.HasComment
	sel.NarrowsComments = f.Search != nil || f.HasComment != nil
	return nil
}

// maxFilterScores is how many scores a filter has at most: each there is, once.
const maxFilterScores = nps.MaxScore + 1

// selectScores chooses those scores that are named, and of the categories that are.
func (f *Filter) selectScores(sel *Selection) error {
	if len(f.Scores) > maxFilterScores {
		return apierror.BadRequest("filter.scores: at most %d.", maxFilterScores)
	}
	for i, score := range f.Scores {
		if score < 0 || score > nps.MaxScore {
			return apierror.BadRequest("filter.scores.%d: a score is 0 to %d.", i, nps.MaxScore)
		}
	}
	if f.Categories == nil && f.Scores == nil {
		return nil
	}
	sel.Scores = []int{}
	for score := range nps.MaxScore + 1 {
		if (f.Categories == nil || slices.Contains(f.Categories, nps.CategoryOf(score))) && (f.Scores == nil || slices.Contains(f.Scores, score)) {
			sel.Scores = append(sel.Scores, score)
		}
	}
	return nil
}

// has reports whether the score is one of the selection's.
func (sel *Selection) has(score int) bool {
	return sel.Scores == nil || slices.Contains(sel.Scores, score)
}

// Profiles are the matching profiles; nil where all match. They are looked for once, and the error is the context's.
func (sel *Selection) Profiles(ctx context.Context) (trait.Set, error) {
	if !sel.NarrowsProfiles || sel.profiles != nil {
		return sel.profiles, nil
	}
	all := sel.state.Active.Profiles
	found := trait.Every(all.Len())
	for _, m := range sel.segments {
		s, err := m.Among(ctx, all)
		if err != nil {
			return nil, err
		}
		found.And(s)
	}
	if sel.channels != nil {
		found.And(all.Column(trait.Channels).Where(func(v string) bool { return slices.Contains(sel.channels, v) }))
	}
	if sel.variants != nil {
		found.And(all.Column(trait.Variants).Where(sel.matchesVariant))
	}
	for i := range sel.groups {
		if g := &sel.groups[i]; !g.byCampaign {
			found.And(g.among(all))
		}
	}
	sel.profiles = found
	return found, nil
}

// Query asks the cube for the selection's cells. The error is the context's.
func (sel *Selection) Query(ctx context.Context) (cube.Query, error) {
	profiles, err := sel.Profiles(ctx)
	return cube.Query{
		Campaigns: sel.Campaigns, Profiles: profiles, From: sel.From, To: sel.To, Scores: sel.Scores,
		Hidden: sel.narrowing.Segment != uuid.Nil,
	}, err
}

// sieves reports whether it takes a response's profile to tell whether it is in the selection.
func (sel *Selection) sieves() bool {
	return len(sel.segments) > 0 || sel.sievesVariants || len(sel.groups) > 0
}

// matchesProfile reports whether the response is in the filter's segments and of its variants, by the profile that it is
// counted under.
func (sel *Selection) matchesProfile(r *ent.Response) bool {
	if !sel.sieves() {
		return sel.matchesVariant(variantOf(r.Variant))
	}
	return sel.matchesPlaced(r.CampaignID, sel.state.Active.Placed(feedback.Fact(r)))
}

func (sel *Selection) matchesPlaced(campaign uuid.UUID, p trait.Profile) bool {
	return sel.matchesVariant(p.Variant) && sel.matchesValues(p.Values) && sel.matchesGroups(campaign, p)
}

func (sel *Selection) matchesVariant(variant string) bool {
	return sel.variants == nil || slices.Contains(sel.variants, variant)
}

func variantOf(variant *string) string {
	if variant == nil {
		return trait.None
	}
	return *variant
}

func (sel *Selection) matchesValues(values []string) bool {
	return !slices.ContainsFunc(sel.segments, func(m *segment.Matcher) bool { return !m.Match(values) })
}

// Matches reports whether the selection's listeners are told of the entry: whether its response, as it is in the entry,
// is one that List would list, or would be but for its score, where the event's previous one was among the scores. Of
// a deleted one the words are gone: they do not narrow. Where nothing is left of it, all that can be told is its
// campaign.
func (sel *Selection) Matches(e *feedback.Entry) bool {
	told, _ := sel.MatchesOffered(&Offered{Entry: e})
	return told
}

// Offered is an entry that is offered to several, one after the other: its comment is folded once for all of them.
type Offered struct {
	*feedback.Entry

	// Folding is what that has cost, in points.
	Folding float64

	said   string
	folded bool
}

// comment is the response's, as it is searched.
func (e *Offered) comment() string {
	if !e.folded {
		said, points := search.Fold(*e.Response.Comment)
		e.said, e.folded, e.Folding = said, true, e.Folding+points
	}
	return e.said
}

// MatchesOffered is Matches. points are what looking for the selection's terms cost, besides the folding. Both are of responses
// alone that are visible to the selection's caller.
func (sel *Selection) MatchesOffered(e *Offered) (told bool, points float64) {
	if sel.Campaigns != nil && !slices.Contains(sel.Campaigns, e.Campaign) {
		return false, 0
	}
	if r := e.Response; r != nil {
		if !sel.matchesKnown(e.Entry, r.Score, string(r.Channel), r.RespondedAt) ||
			sel.hasComment != nil && *sel.hasComment != (r.Comment != nil) || !sel.matchesProfile(r) {
			return false, 0
		}
		if len(sel.terms) == 0 || r.Comment == nil {
			return len(sel.terms) == 0, 0
		}
		return sel.holdsTerms(e.comment())
	}
	if t := e.Gone; t != nil {
		return sel.matchesKnown(e.Entry, t.Score, t.Channel, t.RespondedAt) && sel.matchesVariant(variantOf(t.Variant)) &&
			(len(sel.segments) == 0 || sel.matchesValues(t.ValuesOf(sel.state.Active.Shape.Dimensions))), 0
	}
	return sel.Scores == nil && !sel.NarrowsProfiles && sel.From == cube.Earliest && sel.To == cube.Latest, 0
}

// matchesKnown is for what is known of every response, there or deleted.
func (sel *Selection) matchesKnown(e *feedback.Entry, score int, channel string, respondedAt time.Time) bool {
	if sel.channels != nil && !slices.Contains(sel.channels, channel) {
		return false
	}
	if !sel.has(score) && (e.PreviousScore == nil || !sel.has(*e.PreviousScore)) {
		return false
	}
	if sel.From == cube.Earliest && sel.To == cube.Latest {
		return true
	}
	day := calendar.DayOf(respondedAt, sel.state.Active.Zone())
	return sel.From <= day && day <= sel.To
}

// holdsTerms reports whether a comment, folded, has each term, and what it cost to look for them.
func (sel *Selection) holdsTerms(said string) (holds bool, points float64) {
	for _, term := range sel.terms {
		points += float64(len(said)) / rate.SearchedBytesPerPoint
		if !search.Holds(said, term) {
			return false, points
		}
	}
	return true, points
}

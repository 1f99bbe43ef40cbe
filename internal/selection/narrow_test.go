package selection_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// crowd is a tenant of whom much is known: each response twice, once deleted.
type crowd struct {
	*feedbacktest.Fixture
	states    *settings.States
	finder    *selection.Finder
	insight   *insight.Reader
	campaigns []uuid.UUID
	segments  []uuid.UUID
	rules     []segment.Rule
	responses []*ent.Response
	contacts  []uuid.UUID
	// entries are of the recording of responses[i], and deleted of that of its deleted twin.
	entries, deleted []*feedback.Entry
}

func newCrowd(t *testing.T, db *store.DB, zone string) *crowd {
	t.Helper()
	c := &crowd{Fixture: feedbacktest.New(t, db), states: settings.NewStates(db)}
	c.finder, c.insight = selection.NewFinder(db, c.states), insight.NewReader(db, c.states, feedbacktest.Clock)
	if _, err := tenant.Update(c.Ctx, db, c.Builder, tenant.UpdateInput{TimeZone: &zone}); err != nil {
		t.Fatal(err)
	}
	c.Define("plan", trait.Text, true)
	c.Define("vip", trait.Boolean, true)
	for i := range 3 {
		c.campaigns = append(c.campaigns, feedbacktest.MustParse(t, id.Campaign, c.Open(fmt.Sprint("Campaign ", i))))
	}
	c.rules = []segment.Rule{
		{Trait: &segment.Condition{Key: "plan", In: []string{"gold", "(none)"}}},
		{Not: &segment.Rule{Trait: &segment.Condition{Key: "vip", In: []string{"true"}}}},
	}
	for i, rule := range c.rules {
		s, err := settings.CreateSegment(c.Ctx, db, settings.CreateSegmentInput{Name: fmt.Sprint("Segment ", i), Rule: rule})
		if err != nil {
			t.Fatal(err)
		}
		c.segments = append(c.segments, s.ID)
	}
	var items []feedback.Recording
	for i := range 60 {
		r := feedback.Recording{
			Campaign: id.Campaign.Format(c.campaigns[i%3]), Score: i * 7 % 11, Channel: []response.Channel{"API", "EMAIL"}[i/3%2],
			RespondedAt: new(feedbacktest.Changes()[i%len(feedbacktest.Changes())].Add(time.Duration(i%9-4) * 30 * time.Minute)), Traits: trait.Values{},
		}
		if i%4 > 0 {
			r.Traits["plan"] = []string{"gold", "tin", "new"}[i*5%3]
		}
		if i%5 > 2 {
			r.Traits["vip"] = i%2 == 0
		}
		if i%7 < 4 {
			r.Comment = new([]string{"much too slow", "Slow, but fair", "très bien", "as it is"}[i%7])
		}
		if i%3 > 0 {
			r.Variant = new([]string{"a", "b"}[i/7%2])
		}
		if i%2 == 0 {
			r.Contact = &contact.Input{ExternalID: new(fmt.Sprint("person ", i%14))}
			r.Unverified = i%8 == 0 || i%14 == 6
		}
		items = append(items, r, r)
	}
	out, err := c.Log.Record(c.Ctx, items)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		if o.Value == nil {
			t.Fatal(o.Errors)
		}
		if i%2 == 0 {
			c.responses = append(c.responses, o.Value)
		} else if gone, err := c.Log.Delete(c.Ctx, o.Value.NodeID()); err != nil || gone.Value == nil {
			t.Fatal(gone.Errors, err)
		}
		if contact := o.Value.ContactID; contact != nil && !slices.Contains(c.contacts, *contact) {
			c.contacts = append(c.contacts, *contact)
		}
	}
	for i, e := range c.Entries()[:len(items)] {
		if i%2 == 0 {
			c.entries = append(c.entries, e)
		} else {
			c.deleted = append(c.deleted, e)
		}
	}
	return c
}

// as is the context of a caller who is narrowed.
func (c *crowd) as(n auth.Narrowing) context.Context {
	return auth.With(c.Ctx, auth.Caller{Tenant: c.Tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: n})
}

func campaignTexts(campaigns []uuid.UUID) []string {
	texts := make([]string, len(campaigns))
	for i, c := range campaigns {
		texts[i] = id.Campaign.Format(c)
	}
	return texts
}

func (c *crowd) drawNarrowing(t *rapid.T) auth.Narrowing {
	var n auth.Narrowing
	if rapid.Bool().Draw(t, "to campaigns") {
		n.Campaigns = rapid.SliceOfNDistinct(rapid.SampledFrom(c.campaigns), 0, 2, rapid.ID[uuid.UUID]).Draw(t, "campaigns")
	}
	if rapid.Bool().Draw(t, "to a segment") {
		n.Segment = rapid.SampledFrom(c.segments).Draw(t, "segment")
	}
	return n
}

func (c *crowd) drawFilter(t *rapid.T) selection.Filter {
	var f selection.Filter
	chance := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }
	if chance("by campaign") {
		f.Campaigns = campaignTexts(rapid.SliceOfN(rapid.SampledFrom(c.campaigns), 0, 3).Draw(t, "of campaigns"))
	}
	if chance("by segment") {
		f.Segment = new(id.Segment.Format(rapid.SampledFrom(c.segments).Draw(t, "of segment")))
	}
	if chance("by rule") {
		f.Where = &segment.Rule{Trait: &segment.Condition{Key: "plan", IsKnown: new(rapid.Bool().Draw(t, "known"))}}
	}
	if chance("by channel") {
		f.Channels = rapid.SliceOfN(rapid.SampledFrom([]response.Channel{"API", "EMAIL", "LINK"}), 0, 2).Draw(t, "channels")
	}
	if chance("by variant") {
		f.Variants = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "(none)"}), 0, 3).Draw(t, "variants")
	}
	if chance("by category") {
		f.Categories = rapid.SliceOfN(rapid.SampledFrom([]nps.Category{nps.Promoter, nps.Passive, nps.Detractor}), 0, 2).Draw(t, "categories")
	}
	if chance("by score") {
		f.Scores = rapid.SliceOfN(rapid.IntRange(0, nps.MaxScore), 0, 4).Draw(t, "scores")
	}
	day := func(what string) calendar.Day {
		at := rapid.SampledFrom(feedbacktest.Changes()).Draw(t, what)
		return calendar.DayOf(at, time.UTC).Add(rapid.IntRange(-1, 1).Draw(t, what+" ±"))
	}
	if chance("from") {
		f.From = new(day("first day"))
	}
	if chance("to") {
		if f.To = new(day("last day")); f.From != nil && *f.From > *f.To {
			f.From, f.To = f.To, f.From
		}
	}
	if chance("by words") {
		f.Search = new(rapid.SampledFrom([]string{"slow", "SLO too", "TRÈS", "it", "?"}).Draw(t, "words"))
	}
	if chance("by comment") {
		f.HasComment = new(rapid.Bool().Draw(t, "comment"))
	}
	return f
}

// list reads a list to its end, and counts it.
func list(t rapid.TB, ctx context.Context, read func(page.Args) (*selection.Connection, error)) (ids []string, err error) {
	for args := (page.Args{First: new(23)}); ; {
		c, err := read(args)
		if err != nil {
			return nil, err
		}
		for _, r := range c.Nodes() {
			ids = append(ids, r.NodeID())
		}
		if c.PageInfo.HasNextPage {
			args.After = c.PageInfo.EndCursor
			continue
		}
		if n, err := c.TotalCount(ctx); err != nil || n != len(ids) {
			t.Fatalf("%d are counted, %v, and %d listed", n, err, len(ids))
		}
		return ids, nil
	}
}

func (c *crowd) list(t rapid.TB, ctx context.Context, f selection.Filter, within selection.Within) ([]string, error) {
	return list(t, ctx, func(args page.Args) (*selection.Connection, error) {
		return selection.List(ctx, c.DB, c.states, f, within, args, nil, feedbacktest.Clock())
	})
}

// isUnknown reports whether the error is the one for an id that nobody has.
func isUnknown(err error, field, kind, text string) bool {
	var e *apierror.Error
	return errors.As(err, &e) && e.Code == apierror.NotFoundCode && strings.HasPrefix(e.Message, field) &&
		strings.HasSuffix(e.Message, fmt.Sprintf(": there is no %s %s.", kind, text))
}

// TestNarrowed wants a narrowed caller to get what others get by the same filter and what it is narrowed to, and what
// listeners are told to be what lists have.
func TestNarrowed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, zone := range []string{"America/St_Johns", "Europe/Amsterdam"} {
			c := newCrowd(t, db, zone)
			rapid.Check(t, c.checkNarrowed)
			rapid.Check(t, c.checkMatches)
			rapid.Check(t, c.checkVisible)
		}
	})
}

func (c *crowd) checkNarrowed(t *rapid.T) {
	n, f := c.drawNarrowing(t), c.drawFilter(t)
	ctx := c.as(n)
	var within selection.Within
	switch rapid.IntRange(0, 5).Draw(t, "within") {
	case 0:
		within.Campaign = rapid.SampledFrom(c.campaigns).Draw(t, "within campaign")
	case 1:
		within.Segment = rapid.SampledFrom(c.segments).Draw(t, "within segment")
	}
	got, err := c.list(t, ctx, f, within)
	for i, text := range f.Campaigns {
		if !n.Campaign(feedbacktest.MustParse(c.T, id.Campaign, text)) {
			if !isUnknown(err, fmt.Sprintf("filter.campaigns.%d", i), "campaign", text) {
				t.Fatalf("a campaign outside: %v", err)
			}
			return
		}
	}
	if f.Segment != nil && n.Segment != uuid.Nil && *f.Segment != id.Segment.Format(n.Segment) {
		if !isUnknown(err, "filter.segment", "segment", *f.Segment) {
			t.Fatalf("a segment outside: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}

	both := f
	if n.Campaigns != nil && f.Campaigns == nil {
		both.Campaigns = campaignTexts(n.Campaigns)
	}
	if n.Segment != uuid.Nil {
		both.Where = &segment.Rule{All: []segment.Rule{c.rules[slices.Index(c.segments, n.Segment)]}}
		if f.Where != nil {
			both.Where.All = append(both.Where.All, *f.Where)
		}
	}
	want, err := c.list(t, c.Ctx, both, within)
	if err != nil {
		t.Fatal(err)
	}
	outside := within.Campaign != uuid.Nil && !n.Campaign(within.Campaign) ||
		within.Segment != uuid.Nil && n.Segment != uuid.Nil && within.Segment != n.Segment
	if outside {
		want = nil
	}
	if !slices.Equal(got, want) {
		t.Fatalf("narrowed to %v there are %d, want %d: %v, %v", n, len(got), len(want), got, want)
	}
	if f.Search != nil || f.HasComment != nil {
		return
	}
	body, err := c.insight.Feedback(ctx, f, within)
	if err != nil {
		t.Fatal(err)
	}
	score, err := body.Score(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var counts, all nps.Histogram
	for i, n := range score.Histogram() {
		counts[i] = int64(n)
	}
	for _, r := range c.responses {
		if slices.Contains(want, r.NodeID()) {
			all[r.Score]++
		}
	}
	if counts != all {
		t.Fatalf("narrowed to %v the score is of %v, want %v", n, counts, all)
	}
	groups, err := body.Breakdown(ctx, []string{"campaign"}, 10, insight.ByResponses, 1)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, g := range groups {
		sum += g.Score.Responses()
		i := slices.IndexFunc(c.campaigns, func(u uuid.UUID) bool { return g.Values[0] == fmt.Sprint("Campaign ", slices.Index(c.campaigns, u)) })
		if i < 0 || !n.Campaign(c.campaigns[i]) {
			t.Fatalf("narrowed to %v there is a group %v", n, g.Values)
		}
	}
	if sum != len(want) {
		t.Fatalf("the groups have %d, want %d", sum, len(want))
	}
}

// checkMatches wants listeners told of those that are listed; and of a deleted one, as if it were there, but for its
// words.
func (c *crowd) checkMatches(t *rapid.T) {
	n, f := c.drawNarrowing(t), c.drawFilter(t)
	ctx := c.as(n)
	s, err := c.states.Get(ctx, c.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	sel, err := f.Select(ctx, s, selection.Within{}, feedbacktest.Clock())
	if err != nil {
		return // checkNarrowed knows when
	}
	if sel.Settings() != s.Settings {
		t.Fatalf("resolved for %d, want %d", sel.Settings(), s.Settings)
	}
	listed, err := c.list(t, ctx, f, selection.Within{})
	if err != nil {
		t.Fatal(err)
	}
	f.Search, f.HasComment = nil, nil
	wordless, err := c.list(t, ctx, f, selection.Within{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range c.responses {
		if got, want := sel.Matches(c.entries[i]), slices.Contains(listed, r.NodeID()); got != want {
			t.Fatalf("%v matches is %t, want %t", r, got, want)
		}
		if got, want := sel.Matches(c.deleted[i]), slices.Contains(wordless, r.NodeID()); got != want {
			t.Fatalf("%+v, deleted, matches is %t, want %t", c.deleted[i].Gone, got, want)
		}
	}
}

func (c *crowd) checkVisible(t *rapid.T) {
	n := c.drawNarrowing(t)
	ctx := c.as(n)
	exist, err := c.list(t, ctx, selection.Filter{}, selection.Within{})
	if err != nil {
		t.Fatal(err)
	}
	visible, err := selection.Visible(ctx, c.states, c.responses)
	if err != nil {
		t.Fatal(err)
	}
	answered := map[uuid.UUID][]*ent.Response{}
	for i, r := range c.responses {
		want := slices.Contains(exist, r.NodeID())
		if visible[i] != want {
			t.Fatalf("%v is visible: %t, want %t", r, visible[i], want)
		}
		found, err := c.finder.Get(ctx, r.ID)
		if err != nil || (found != nil) != want {
			t.Fatalf("%v is found as %v, %v; want %t", r, found, err, want)
		}
		if r.ContactID != nil && want && (n.IsZero() || !r.Unverified) {
			answered[*r.ContactID] = append(answered[*r.ContactID], r)
		}
	}
	all, few, err := selection.FewContacts(ctx, c.DB, c.states)
	if err != nil || !few || !slices.Equal(all, slices.SortedFunc(maps.Keys(answered), func(a, b uuid.UUID) int { return bytes.Compare(b[:], a[:]) })) {
		t.Fatalf("the contacts are %v, %t, %v; want those of %v", all, few, err, answered)
	}
	people, err := selection.VisibleContacts(ctx, c.DB, c.states, append(c.contacts, id.New()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.contacts {
		want := answered[p]
		if people[p] != (len(want) > 0) && !n.IsZero() {
			t.Fatalf("contact %v is visible: %t, and gave %v", p, people[p], want)
		}
		got, err := list(t, ctx, func(args page.Args) (*selection.Connection, error) {
			args.First = new(2)
			return selection.OfContact(ctx, c.DB, c.states, p, args)
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(want, func(a, b *ent.Response) int {
			return cmp.Or(b.RespondedAt.Compare(a.RespondedAt), cmp.Compare(b.ID.String(), a.ID.String()))
		})
		ids := make([]string, len(want))
		for i, r := range want {
			ids[i] = r.NodeID()
		}
		if !slices.Equal(got, ids) && len(got)+len(ids) > 0 {
			t.Fatalf("contact %v gave %v, want %v", p, got, ids)
		}
	}
}

// TestNarrowedToWhatIsGone wants nothing where a segment is gone, a campaign is another tenant's, or there is none.
func TestNarrowedToWhatIsGone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, other := newCrowd(t, db, "UTC"), feedbacktest.New(t, db)
		other.Record(other.Recording())
		if _, err := settings.DeleteSegment(c.Ctx, db, id.Segment.Format(c.segments[0])); err != nil {
			t.Fatal(err)
		}
		gone := id.Segment.Format(c.segments[0])
		for name, n := range map[string]auth.Narrowing{
			"a segment that is gone":       {Segment: c.segments[0]},
			"no campaign":                  {Campaigns: []uuid.UUID{}},
			"another tenant's campaign":    {Campaigns: []uuid.UUID{feedbacktest.MustParse(t, id.Campaign, other.Campaign)}},
			"a campaign without a segment": {Campaigns: c.campaigns[:1], Segment: id.New()},
		} {
			ctx := c.as(n)
			if ids, err := c.list(t, ctx, selection.Filter{}, selection.Within{}); err != nil || len(ids) > 0 {
				t.Errorf("%s: %v, %v", name, ids, err)
			}
			for _, within := range []selection.Within{{Campaign: c.campaigns[0]}, {Segment: c.segments[0]}, {Segment: c.segments[1]}} {
				ids, err := c.list(t, ctx, selection.Filter{HasComment: new(true)}, within)
				if within.Segment == c.segments[0] && n.Segment == uuid.Nil {
					if !isUnknown(err, "filter.segment", "segment", gone) {
						t.Errorf("%s: within a segment that is gone: %v", name, err)
					}
				} else if err != nil || len(ids) > 0 {
					t.Errorf("%s: within %v: %v, %v", name, within, ids, err)
				}
			}
			if _, err := c.list(t, ctx, selection.Filter{Segment: &gone}, selection.Within{}); !isUnknown(err, "filter.segment", "segment", gone) {
				t.Errorf("%s: %v", name, err)
			}
			visible, err := selection.Visible(ctx, c.states, c.responses)
			if err != nil || slices.Contains(visible, true) {
				t.Errorf("%s: %v, %v", name, visible, err)
			}
			people, err := selection.VisibleContacts(ctx, db, c.states, c.contacts)
			for _, visible := range people {
				if err != nil || visible {
					t.Errorf("%s: %v, %v", name, people, err)
				}
			}
			if r, err := c.finder.Get(ctx, c.responses[0].ID); err != nil || r != nil {
				t.Errorf("%s: %v, %v", name, r, err)
			}
			s, err := c.states.Get(ctx, c.Tenant)
			if err != nil {
				t.Fatal(err)
			}
			sel, err := new(selection.Filter).Select(ctx, s, selection.Within{}, feedbacktest.Clock())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range append(c.entries, c.deleted...) {
				if sel.Matches(e) {
					t.Errorf("%s: %+v matches", name, e)
				}
			}
		}
	})
}

// TestMatchesEvents is of what List does not have: scores before, and responses of which little or nothing is left.
func TestMatchesEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Define("plan", trait.Text, true)
		f.Define("region", trait.Text, true)
		s, err := settings.Load(f.Ctx, db, f.Tenant)
		if err != nil {
			t.Fatal(err)
		}
		campaign := feedbacktest.MustParse(t, id.Campaign, f.Campaign)
		event := feedback.Event{Campaign: campaign, PreviousScore: new(9)}
		there := &feedback.Entry{Event: event, Response: &ent.Response{
			CampaignID: campaign, Score: 2, Channel: "API", RespondedAt: feedbacktest.Clock(), Traits: trait.Values{"plan": "never seen"},
		}}
		gone := &feedback.Entry{Event: event, Gone: &feedback.Tombstone{
			Campaign: campaign, Score: 2, Channel: "API", RespondedAt: feedbacktest.Clock(), Values: map[string]string{"plan": "never seen", "old": "x"},
		}}
		unknown := &feedback.Entry{Event: event}
		today, tomorrow := calendar.DayOf(feedbacktest.Clock(), time.UTC), calendar.DayOf(feedbacktest.Clock(), time.UTC)+1
		in := func(key, value string) *segment.Rule {
			return &segment.Rule{Trait: &segment.Condition{Key: key, In: []string{value}}}
		}
		for name, test := range map[string]struct {
			filter               selection.Filter
			there, gone, unknown bool
		}{
			"all":                {selection.Filter{}, true, true, true},
			"its campaign":       {selection.Filter{Campaigns: []string{f.Campaign}}, true, true, true},
			"no campaign":        {selection.Filter{Campaigns: []string{}}, false, false, false},
			"its category":       {selection.Filter{Categories: []nps.Category{nps.Detractor}}, true, true, false},
			"the one before":     {selection.Filter{Categories: []nps.Category{nps.Promoter}}, true, true, false},
			"another category":   {selection.Filter{Categories: []nps.Category{nps.Passive}}, false, false, false},
			"its score":          {selection.Filter{Scores: []int{0, 2}}, true, true, false},
			"the score before":   {selection.Filter{Scores: []int{9}}, true, true, false},
			"another score":      {selection.Filter{Scores: []int{1, 10}}, false, false, false},
			"score, category":    {selection.Filter{Scores: []int{2, 9}, Categories: []nps.Category{nps.Passive}}, false, false, false},
			"its channel":        {selection.Filter{Channels: []response.Channel{"API"}}, true, true, false},
			"another channel":    {selection.Filter{Channels: []response.Channel{"EMAIL"}}, false, false, false},
			"no variant":         {selection.Filter{Variants: []string{"(none)"}}, true, true, false},
			"a variant":          {selection.Filter{Variants: []string{"a"}}, false, false, false},
			"its plan":           {selection.Filter{Where: in("plan", "never seen")}, true, true, false},
			"another plan":       {selection.Filter{Where: in("plan", "gold")}, false, false, false},
			"no region":          {selection.Filter{Where: in("region", "(none)")}, true, true, false},
			"a region":           {selection.Filter{Where: in("region", "north")}, false, false, false},
			"its day":            {selection.Filter{From: &today, To: &today}, true, true, false},
			"the last two days":  {selection.Filter{Last: &selection.Period{Count: 2, Unit: calendar.Daily}}, true, true, false},
			"from the next day":  {selection.Filter{From: &tomorrow}, false, false, false},
			"words":              {selection.Filter{Search: new("slow")}, false, true, true},
			"a comment":          {selection.Filter{HasComment: new(true)}, false, true, true},
			"no comment":         {selection.Filter{HasComment: new(false)}, true, true, true},
			"words and its plan": {selection.Filter{Search: new("slow"), Where: in("plan", "never seen")}, false, true, false},
		} {
			sel, err := test.filter.Select(f.Ctx, s, selection.Within{}, feedbacktest.Clock())
			if err != nil {
				t.Fatal(name, err)
			}
			for i, e := range []*feedback.Entry{there, gone, unknown} {
				if got, want := sel.Matches(e), []bool{test.there, test.gone, test.unknown}[i]; got != want {
					t.Errorf("%s, entry %d: %t, want %t", name, i, got, want)
				}
			}
		}
	})
}

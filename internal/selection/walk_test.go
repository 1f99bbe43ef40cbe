package selection_test

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/search/searchtest"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// said are the comments of a crowd that each of drawFilter's searches finds.
var said = map[string][]string{
	"slow": {"much too slow", "Slow, but fair"}, "SLO too": {"much too slow"}, "TRÈS": {"très bien"}, "it": {"as it is"}, "?": nil,
}

// repeat gives each of the crowd's responses so many times more, and all that there are then.
func (c *crowd) repeat(times int) []*ent.Response {
	c.T.Helper()
	all := slices.Clone(c.responses)
	for range times {
		items := make([]feedback.Recording, len(c.responses))
		for i, r := range c.responses {
			items[i] = feedback.Recording{
				Campaign: id.Campaign.Format(r.CampaignID), Score: r.Score, Channel: r.Channel, Variant: r.Variant, Comment: r.Comment,
				RespondedAt: &r.RespondedAt, Traits: maps.Clone(r.Traits),
			}
			if items[i].Traits == nil {
				items[i].Traits = trait.Values{}
			}
		}
		out, err := c.Log.Record(c.Ctx, items)
		if err != nil {
			c.T.Fatal(err)
		}
		for _, o := range out {
			if o.Value == nil {
				c.T.Fatal(o.Errors)
			}
			all = append(all, o.Value)
		}
	}
	return all
}

// chooses says by the response itself what a list has, of campaigns and segments that are visible to the caller.
func (c *crowd) chooses(n auth.Narrowing, f selection.Filter, r *ent.Response, zone *time.Location) bool {
	among := func(texts []string) bool { return slices.Contains(texts, id.Campaign.Format(r.CampaignID)) }
	in := func(segment uuid.UUID) bool {
		plan, known := r.Traits["plan"]
		if segment == c.segments[0] {
			return !known || plan == "gold"
		}
		return r.Traits["vip"] != true
	}
	variant := trait.None
	if r.Variant != nil {
		variant = *r.Variant
	}
	_, plan := r.Traits["plan"]
	day := calendar.DayOf(r.RespondedAt, zone)
	return n.Campaign(r.CampaignID) && (n.Segment == uuid.Nil || in(n.Segment)) &&
		(f.Campaigns == nil || among(f.Campaigns)) &&
		(f.Segment == nil || in(feedbacktest.MustParse(c.T, id.Segment, *f.Segment))) &&
		(f.Where == nil || *f.Where.Trait.IsKnown == plan) &&
		(f.Channels == nil || slices.Contains(f.Channels, r.Channel)) &&
		(f.Variants == nil || slices.Contains(f.Variants, variant)) &&
		(f.Categories == nil || slices.Contains(f.Categories, nps.CategoryOf(r.Score))) &&
		(f.Scores == nil || slices.Contains(f.Scores, r.Score)) &&
		(f.From == nil || *f.From <= day) && (f.To == nil || day <= *f.To) &&
		(f.HasComment == nil || *f.HasComment == (r.Comment != nil)) &&
		(f.Search == nil || r.Comment != nil && slices.Contains(said[*f.Search], *r.Comment))
}

// Whatever is asked for, by whom and in whose order: the way that a walk takes changes nothing. There are more responses
// than it looks at before it takes another.
func TestWays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { testWays(t, db, func(*rapid.T, *crowd) {}) })
}

// TestIndexedWays is the same with a search index, however far behind.
func TestIndexedWays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		indexed := false
		testWays(t, db, func(rt *rapid.T, c *crowd) {
			if !indexed {
				searchtest.IndexAll(c.Ctx, t, db, c.Tenant)
				searchtest.Sound(c.Ctx, t, db, c.Tenant)
				indexed = true
			}
			searchtest.Behind(c.Ctx, t, db, c.Tenant, rapid.SampledFrom([]int64{0, 0, 1, 700, 2_000, 2_001}).Draw(rt, "behind"))
		})
	})
}

func testWays(t *testing.T, db *store.DB, first func(*rapid.T, *crowd)) {
	t.Helper()
	zone, err := time.LoadLocation("America/St_Johns")
	if err != nil {
		t.Fatal(err)
	}
	c := newCrowd(t, db, zone.String())
	all := c.repeat(99)
	rapid.Check(t, func(t *rapid.T) {
		first(t, c)
		n, f := c.drawNarrowing(t), c.drawFilter(t)
		order := &selection.Order{
			Field:     rapid.SampledFrom([]selection.OrderField{selection.ByRespondedAt, selection.ByScore}).Draw(t, "order"),
			Direction: rapid.SampledFrom([]selection.Direction{selection.Ascending, selection.Descending}).Draw(t, "direction"),
		}
		f.Campaigns = slices.DeleteFunc(f.Campaigns, func(text string) bool { return !n.Campaign(feedbacktest.MustParse(c.T, id.Campaign, text)) })
		if n.Segment != uuid.Nil {
			f.Segment = nil
		}
		want := slices.DeleteFunc(slices.Clone(all), func(r *ent.Response) bool { return !c.chooses(n, f, r, zone) })
		slices.SortFunc(want, func(a, b *ent.Response) int {
			at := a.RespondedAt.Compare(b.RespondedAt)
			if order.Field == selection.ByScore {
				at = cmp.Compare(a.Score, b.Score)
			}
			at = cmp.Or(at, bytes.Compare(a.ID[:], b.ID[:]))
			if order.Direction == selection.Descending {
				return -at
			}
			return at
		})

		// A page that begins anywhere, from either end.
		size := rapid.IntRange(1, 100).Draw(t, "size")
		args, begin := page.Args{First: &size}, 0
		backward := rapid.Bool().Draw(t, "backward")
		if backward {
			args = page.Args{Last: &size}
		}
		ctx := c.as(n)
		read := func() *selection.Connection {
			list, err := selection.List(ctx, c.DB, c.states, f, selection.Within{}, args, order, feedbacktest.Clock())
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		list := read()
		if rapid.Bool().Draw(t, "second page") && (list.PageInfo.HasNextPage || list.PageInfo.HasPreviousPage) {
			args.After, args.Before = list.PageInfo.EndCursor, nil
			if backward {
				args.After, args.Before = nil, list.PageInfo.StartCursor
			}
			begin, list = size, read()
		}
		shown := want[min(begin, len(want)):min(begin+size, len(want))]
		if backward {
			shown = want[max(0, len(want)-begin-size):max(0, len(want)-begin)]
		}
		got := list.Nodes()
		if !slices.EqualFunc(got, shown, func(a, b *ent.Response) bool { return a.ID == b.ID && a.Score == b.Score }) {
			t.Fatalf("got %d responses: %v, want %d: %v", len(got), got, len(shown), shown)
		}
		if total, err := list.TotalCount(ctx); err != nil || total != len(want) {
			t.Fatalf("%d are counted, %v; want %d", total, err, len(want))
		}
	})
}

package selection_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// Whatever is recorded, amended and deleted after the moment of a page's cursor: the total beside it is of that moment, for
// lists that are counted in any way.
func TestTotalIsOfTheCursorsMoment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		states := settings.NewStates(db)
		f.Define("plan", trait.Text, true)
		gold := segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold"}}}
		saved, err := settings.CreateSegment(f.Ctx, db, settings.CreateSegmentInput{Name: "Gold", Rule: gold})
		if err != nil {
			t.Fatal(err)
		}
		all := func(plan string) feedback.Recording {
			return f.With(func(r *feedback.Recording) {
				r.Score, r.Comment, r.Traits = 3, new("much too slow"), trait.Values{"plan": plan}
				r.Contact = &contact.Input{ExternalID: new("c1")}
			})
		}
		for range 5 {
			f.Record(all("gold"))
		}
		person, err := db.Ent.Contact.Query().Only(f.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		some := auth.Narrowing{Campaigns: []uuid.UUID{feedbacktest.MustParse(t, id.Campaign, f.Campaign)}}
		part := auth.Narrowing{Segment: saved.ID}
		as := func(n auth.Narrowing) context.Context {
			return auth.With(f.Ctx, auth.Caller{Tenant: f.Tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: n})
		}
		filtered := func(filter selection.Filter) func(context.Context, *store.DB) (*selection.Connection, error) {
			return func(ctx context.Context, db *store.DB) (*selection.Connection, error) {
				return selection.List(ctx, db, states, filter, selection.Within{}, page.Args{First: new(2)}, nil, feedbacktest.Clock())
			}
		}
		ofContact := func(ctx context.Context, db *store.DB) (*selection.Connection, error) {
			return selection.OfContact(ctx, db, states, person.ID, page.Args{First: new(2)})
		}
		for name, list := range map[string]struct {
			n auth.Narrowing
			// gold says that it has only what those of the plan gave.
			gold bool
			read func(context.Context, *store.DB) (*selection.Connection, error)
		}{
			"all":                      {read: filtered(selection.Filter{})},
			"a campaign":               {read: filtered(selection.Filter{Campaigns: []string{f.Campaign}})},
			"a category":               {read: filtered(selection.Filter{Categories: []nps.Category{nps.Detractor}})},
			"a segment":                {gold: true, read: filtered(selection.Filter{Where: &gold})},
			"a channel":                {read: filtered(selection.Filter{Channels: []response.Channel{f.Recording().Channel}})},
			"words":                    {read: filtered(selection.Filter{Search: new("slow")})},
			"with a comment, of some":  {gold: true, read: filtered(selection.Filter{HasComment: new(true), Where: &gold})},
			"for some campaigns":       {n: some, read: filtered(selection.Filter{})},
			"for a segment":            {n: part, gold: true, read: filtered(selection.Filter{})},
			"a contact's":              {read: ofContact},
			"a contact's, for some":    {n: some, read: ofContact},
			"a contact's, of the gold": {n: part, gold: true, read: ofContact},
		} {
			ctx := f.Ctx
			if !list.n.IsZero() {
				ctx = as(list.n)
			}
			for _, plan := range []string{"gold", name} { // once with a profile that nobody had
				rows, err := db.Ent.Response.Query().All(f.Ctx)
				if err != nil {
					t.Fatal(err)
				}
				want := 0
				for _, r := range rows {
					if !list.gold || r.Traits["plan"] == "gold" {
						want++
					}
				}
				c, err := selection.At(ctx, db, true, func(then *store.DB) (*selection.Connection, error) {
					f.Record(all(plan))
					f.Record(all("gold"))
					f.Record(all("gold"))
					if _, err := f.Log.Delete(f.Ctx, rows[0].NodeID()); err != nil {
						return nil, err
					}
					if plan == "gold" { // what is known already is of later than the moment then
						if now, err := list.read(ctx, db); err != nil {
							return nil, err
						} else if _, err := now.TotalCount(ctx); err != nil {
							return nil, err
						}
					}
					return list.read(ctx, then)
				})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				f.Record(all("gold"))
				if n, err := c.TotalCount(ctx); err != nil || n != want {
					t.Errorf("%s, plan %s: %d are counted, %v; want %d", name, plan, n, err, want)
				}
			}
		}
	})
}

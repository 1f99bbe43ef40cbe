package selection_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	contacts "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// gold makes a segment of those whose plan is gold.
func gold(t *testing.T, f *feedbacktest.Fixture) *ent.Segment {
	t.Helper()
	f.Define("plan", trait.Text, true)
	s, err := settings.CreateSegment(f.Ctx, f.DB, settings.CreateSegmentInput{
		Name: "Gold", Rule: segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What a list costs, and its count, does not tell how many responses lie between those that there are, however many.
func TestPriceOfAWalkAmongTheHidden(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		s := gold(t, f)
		campaigns := []uuid.UUID{feedbacktest.MustParse(t, id.Campaign, f.Campaign)}
		states := settings.NewStates(db)
		f.Many(150, func(_ int, r *feedback.Recording) { r.Traits["plan"], r.Comment = "gold", new("slow") })
		ask := func() map[string]string {
			prices := map[string]string{}
			for who, n := range map[string]auth.Narrowing{"segment": {Segment: s.ID}, "both": {Segment: s.ID, Campaigns: campaigns}} {
				for what, filter := range map[string]selection.Filter{"all": {}, "words": {Search: new("slow")}, "rare": {Search: new("nowhere")}, "variants": {Variants: []string{"(none)"}}} {
					for _, field := range []selection.OrderField{selection.ByRespondedAt, selection.ByScore} {
						for _, direction := range []selection.Direction{selection.Ascending, selection.Descending} {
							for _, first := range []int{5, 100} {
								spent := 0
								ctx := rate.WithSpender(auth.With(f.Ctx, auth.Caller{Tenant: f.Tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: n}),
									func(n int) error { spent += n; return nil }, true)
								list, err := selection.List(ctx, db, states, filter, selection.Within{}, page.Args{First: &first}, &selection.Order{Field: field, Direction: direction}, feedbacktest.Clock())
								if err != nil {
									t.Fatal(err)
								}
								listed := spent
								total, err := list.TotalCount(ctx)
								if err != nil {
									t.Fatal(err)
								}
								prices[fmt.Sprint(who, " ", what, " ", field, " ", direction, " ", first)] = fmt.Sprintf("%d found, %d of %d: %d and %d", list.Len(), first, total, listed, spent-listed)
							}
						}
					}
				}
			}
			return prices
		}
		before := ask()
		f.Many(8_000, func(_ int, r *feedback.Recording) { r.Traits["plan"], r.Comment = "tin", new("slow") })
		for name, price := range ask() {
			if before[name] != price {
				t.Errorf("%s: %s, and %s among others", name, before[name], price)
			}
		}
	})
}

// What finds all of the caller's before it can give the first costs more than reading on in the list's order: among others
// it goes through as much as there is on their days.
func TestPriceOfFindingAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		s := gold(t, f)
		states := settings.NewStates(db)
		person := 0
		add := func(n int) {
			f.Many(n, func(_ int, r *feedback.Recording) {
				person++
				r.Contact = &contacts.Input{ExternalID: new(fmt.Sprint(person)), Traits: trait.Values{"plan": "gold"}}
			})
		}
		spent := 0
		ctx := rate.WithSpender(auth.With(f.Ctx, auth.Caller{
			Tenant: f.Tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: auth.Narrowing{Segment: s.ID},
		}), func(n int) error { spent += n; return nil }, true)
		list := func(field selection.OrderField) int {
			spent = 0
			if _, err := selection.List(ctx, db, states, selection.Filter{}, selection.Within{}, page.Args{First: new(5)}, &selection.Order{Field: field, Direction: selection.Descending}, feedbacktest.Clock()); err != nil {
				t.Fatal(err)
			}
			return spent
		}
		add(400)
		byTime, byScore := list(selection.ByRespondedAt), list(selection.ByScore)
		if byScore < rate.BlindSortPrice || byScore <= byTime {
			t.Errorf("by time a list costs %d points, and by score %d", byTime, byScore)
		}
		spent = 0
		found, few, err := selection.FewContacts(ctx, db, states)
		if err != nil || !few || len(found) != 400 || spent < rate.BlindSortPrice {
			t.Errorf("found %d contacts for %d points, few: %v, %v", len(found), spent, few, err)
		}
		add(1)
		if _, few, err := selection.FewContacts(ctx, db, states); err != nil || few {
			t.Errorf("401 are few: %v, %v", few, err)
		}
	})
}

// What others' campaigns have of a contact is gone through to find what the caller's have. It shows in no price, and counts
// towards what the operation may come to.
func TestOthersOfAContactAreCounted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		kiosk := &contacts.Input{ExternalID: new("kiosk")}
		mine := f.Campaign
		f.Many(30, func(_ int, r *feedback.Recording) { r.Contact = kiosk })
		f.Campaign = f.Open("Another")
		campaigns := []uuid.UUID{feedbacktest.MustParse(t, id.Campaign, mine)}
		states := settings.NewStates(db)
		of := db.Ent.Contact.Query().OnlyIDX(f.Ctx)
		segment := gold(t, f)
		for who, n := range map[string]auth.Narrowing{"campaigns": {Campaigns: campaigns}, "both": {Campaigns: campaigns, Segment: segment.ID}} {
			t.Run(who, func(t *testing.T) {
				ask := func() (shown, hidden int) {
					ctx := rate.WithBlind(auth.With(f.Ctx, auth.Caller{Tenant: f.Tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: n}),
						func(n int) error { shown += n; return nil }, func(n int) error { hidden += max(0, n); return nil })
					list, err := selection.OfContact(ctx, db, states, of, page.Args{First: new(5)})
					if err != nil {
						t.Fatal(err)
					}
					if total, err := list.TotalCount(ctx); err != nil || who == "campaigns" && (total != 30 || len(list.Edges) != 5) {
						t.Fatalf("%d of %d: %v", len(list.Edges), total, err)
					}
					if _, err := selection.VisibleContacts(ctx, db, states, []uuid.UUID{of}); err != nil {
						t.Fatal(err)
					}
					return shown, hidden
				}
				shown, hidden := ask()
				f.Many(1_000, func(_ int, r *feedback.Recording) { r.Contact = kiosk })
				if now, more := ask(); now != shown || float64(more-hidden) < 2*1_000*rate.LookUpPrice-2 {
					t.Errorf("with others the price went from %d to %d points, and what is hidden from %d to %d", shown, now, hidden, more)
				}
			})
		}
	})
}

// hooked calls hook whenever a walk pays, until it returns false.
func hooked(ctx context.Context, hook func(n int) bool) context.Context {
	calls, on := 0, true
	return rate.WithSpender(ctx, func(int) error {
		calls++
		if on {
			on = false // what it does itself is not to be hooked
			on = hook(calls)
		}
		return nil
	}, true)
}

// commented lists what has a comment, the least first.
func commented(ctx context.Context, f *feedbacktest.Fixture, states *settings.States, field selection.OrderField, args page.Args) *selection.Connection {
	f.T.Helper()
	list, err := selection.List(ctx, f.DB, states, selection.Filter{HasComment: new(true)}, selection.Within{}, args,
		&selection.Order{Field: field, Direction: selection.Ascending}, feedbacktest.Clock())
	if err != nil {
		f.T.Fatal(err)
	}
	return list
}

// What is deleted between two statements of a walk leaves no page short, which would be the last.
func TestDeletedMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		states := settings.NewStates(db)
		f.Many(3_000, func(i int, r *feedback.Recording) {
			r.Score = i % 11
			if i%2 == 0 {
				r.Comment = new("rare")
			}
		})
		for at := 1; at < 40; at++ {
			for _, field := range []selection.OrderField{selection.ByRespondedAt, selection.ByScore} {
				read := func(ctx context.Context, after *string) *selection.Connection {
					return commented(ctx, f, states, field, page.Args{First: new(100), After: after})
				}
				first := read(f.Ctx, nil).Nodes()
				gone := first[50]
				ran := false
				list := read(hooked(f.Ctx, func(n int) bool {
					if n < at {
						return true
					}
					ran = true
					if _, err := f.Log.Delete(f.Ctx, gone.NodeID()); err != nil {
						t.Error(err)
					}
					return false
				}), nil)
				if !ran {
					continue
				}
				if !list.PageInfo.HasNextPage {
					t.Errorf("%s at %d: a page of %d has no next", field, at, list.Len())
				}
			}
		}
	})
}

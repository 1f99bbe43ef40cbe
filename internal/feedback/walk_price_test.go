package feedback_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	contacts "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// many records so many, over a month.
func (f *fixture) many(n int, change func(i int, r *feedback.Recording)) {
	f.t.Helper()
	for at := 0; at < n; at += 1_000 {
		items := make([]feedback.Recording, min(1_000, n-at))
		for i := range items {
			items[i] = f.with(func(r *feedback.Recording) {
				when := clock().Add(-time.Duration((at+i)*37%700) * time.Hour)
				r.RespondedAt, r.Traits = &when, trait.Values{}
				change(at+i, r)
			})
		}
		out, err := f.log.Record(f.ctx, items)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, o := range out {
			if o.Value == nil {
				f.t.Fatal(o.Errors)
			}
		}
	}
}

// gold makes a segment of those whose plan is gold.
func (f *fixture) gold() *ent.Segment {
	f.t.Helper()
	f.define("plan", trait.Text, true)
	s, err := cube.CreateSegment(f.ctx, f.db, cube.CreateSegmentInput{
		Name: "Gold", Rule: segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold"}}},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// What a list costs, and its count, does not tell how many responses lie between those that there are, however many.
func TestPriceOfAWalkAmongTheHidden(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := newFixture(t, db)
		s := f.gold()
		campaigns := []uuid.UUID{mustParse(t, id.Campaign, f.campaign)}
		states := cube.NewStates(db)
		f.many(150, func(_ int, r *feedback.Recording) { r.Traits["plan"], r.Comment = "gold", new("slow") })
		ask := func() map[string]string {
			prices := map[string]string{}
			for who, n := range map[string]auth.Narrowing{"segment": {Segment: s.ID}, "both": {Segment: s.ID, Campaigns: campaigns}} {
				for what, filter := range map[string]feedback.Filter{"all": {}, "words": {Search: new("slow")}, "rare": {Search: new("nowhere")}, "variants": {Variants: []string{"(none)"}}} {
					for _, field := range []feedback.OrderField{feedback.ByRespondedAt, feedback.ByScore} {
						for _, direction := range []feedback.Direction{feedback.Ascending, feedback.Descending} {
							for _, first := range []int{5, 100} {
								spent := 0
								ctx := rate.WithSpender(auth.With(f.ctx, auth.Caller{Tenant: f.tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: n}),
									func(n int) error { spent += n; return nil }, true)
								list, err := feedback.List(ctx, db, states, filter, feedback.Within{}, page.Args{First: &first}, &feedback.Order{Field: field, Direction: direction}, clock())
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
		f.many(8_000, func(_ int, r *feedback.Recording) { r.Traits["plan"], r.Comment = "tin", new("slow") })
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
		f := newFixture(t, db)
		s := f.gold()
		states := cube.NewStates(db)
		person := 0
		add := func(n int) {
			f.many(n, func(_ int, r *feedback.Recording) {
				person++
				r.Contact = &contacts.Input{ExternalID: new(fmt.Sprint(person)), Traits: trait.Values{"plan": "gold"}}
			})
		}
		spent := 0
		ctx := rate.WithSpender(auth.With(f.ctx, auth.Caller{
			Tenant: f.tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: auth.Narrowing{Segment: s.ID},
		}), func(n int) error { spent += n; return nil }, true)
		list := func(field feedback.OrderField) int {
			spent = 0
			if _, err := feedback.List(ctx, db, states, feedback.Filter{}, feedback.Within{}, page.Args{First: new(5)}, &feedback.Order{Field: field, Direction: feedback.Descending}, clock()); err != nil {
				t.Fatal(err)
			}
			return spent
		}
		add(400)
		byTime, byScore := list(feedback.ByRespondedAt), list(feedback.ByScore)
		if byScore < rate.BlindSortPrice || byScore <= byTime {
			t.Errorf("by time a list costs %d points, and by score %d", byTime, byScore)
		}
		spent = 0
		found, few, err := feedback.FewContacts(ctx, db, states)
		if err != nil || !few || len(found) != 400 || spent < rate.BlindSortPrice {
			t.Errorf("found %d contacts for %d points, few: %v, %v", len(found), spent, few, err)
		}
		add(1)
		if _, few, err := feedback.FewContacts(ctx, db, states); err != nil || few {
			t.Errorf("401 are few: %v, %v", few, err)
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
func (f *fixture) commented(ctx context.Context, states *cube.States, field feedback.OrderField, args page.Args) *feedback.Connection {
	f.t.Helper()
	list, err := feedback.List(ctx, f.db, states, feedback.Filter{HasComment: new(true)}, feedback.Within{}, args,
		&feedback.Order{Field: field, Direction: feedback.Ascending}, clock())
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

// What is deleted between two statements of a walk leaves no page short, which would be the last.
func TestDeletedMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := newFixture(t, db)
		states := cube.NewStates(db)
		f.many(3_000, func(i int, r *feedback.Recording) {
			r.Score = i % 11
			if i%2 == 0 {
				r.Comment = new("rare")
			}
		})
		for at := 1; at < 40; at++ {
			for _, field := range []feedback.OrderField{feedback.ByRespondedAt, feedback.ByScore} {
				read := func(ctx context.Context, after *string) *feedback.Connection {
					return f.commented(ctx, states, field, page.Args{First: new(100), After: after})
				}
				first := read(f.ctx, nil).Nodes()
				gone := first[50]
				ran := false
				list := read(hooked(f.ctx, func(n int) bool {
					if n < at {
						return true
					}
					ran = true
					if _, err := f.log.Delete(f.ctx, gone.NodeID()); err != nil {
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

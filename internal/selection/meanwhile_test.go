package selection_test

import (
	"context"
	"fmt"
	"testing"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// Whatever is deleted or amended while a page is read: all others are listed, and none of them twice.
func TestWalkWhileOthersWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, field := range []selection.OrderField{selection.ByRespondedAt, selection.ByScore} {
			for what, write := range map[string]func(f *feedbacktest.Fixture, r *ent.Response) error{
				"deleted": func(f *feedbacktest.Fixture, r *ent.Response) error {
					_, err := f.Log.Delete(f.Ctx, r.NodeID())
					return err
				},
				"amended": func(f *feedbacktest.Fixture, r *ent.Response) error {
					_, err := f.Log.Amend(f.Ctx, feedback.Amendment{ID: r.NodeID(), Score: new(10 - r.Score)})
					return err
				},
			} {
				for _, size := range []int{20, 100} {
					t.Run(fmt.Sprint(field, " by ", size, " ", what), func(t *testing.T) { testWalkWhileOthersWrite(t, db, field, size, write) })
				}
			}
		}
	})
}

func testWalkWhileOthersWrite(t *testing.T, db *store.DB, field selection.OrderField, size int, write func(f *feedbacktest.Fixture, r *ent.Response) error) {
	t.Helper()
	f := feedbacktest.New(t, db)
	states := settings.NewStates(db)
	f.Many(700, func(i int, r *feedback.Recording) {
		r.Score = i % 11
		if i%7 == 0 { // of which some are deleted each time
			r.Comment = new("much too slow")
		}
	})
	read := func(ctx context.Context, after *string) *selection.Connection {
		return commented(ctx, f, states, field, page.Args{First: &size, After: after})
	}
	for n, late := 1, false; !late; n++ {
		late = true
		all, err := db.Ent.Response.Query().Where(response.CommentNotNil()).Order(response.ByScore(), response.ByID()).All(f.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		var written *ent.Response
		left := len(all)
		seen := map[uuid.UUID]int{}
		var after *string
		for first := true; ; first = false {
			ctx := f.Ctx
			if first {
				ctx = hooked(ctx, func(at int) bool {
					if at < n {
						return true
					}
					late = false
					written = all[19-n%2*10] // the last of the page, and one within it
					if err := write(f, written); err != nil {
						t.Error(err)
					}
					if left, err = db.Ent.Response.Query().Where(response.CommentNotNil()).Count(f.Ctx); err != nil {
						t.Error(err)
					}
					return false
				})
			}
			list := read(ctx, after)
			if total, err := list.TotalCount(ctx); err != nil || total != left && (!first || total != len(all)) {
				t.Errorf("written at %d: %d are counted, %v; want %d", n, total, err, len(all))
			}
			for _, r := range list.Nodes() {
				if seen[r.ID]++; seen[r.ID] > 1 && (first || r.ID != written.ID) {
					t.Errorf("written at %d: %s is there twice", n, r.NodeID())
				}
			}
			if after = list.PageInfo.EndCursor; !list.PageInfo.HasNextPage {
				break
			}
		}
		for _, r := range all {
			if seen[r.ID] == 0 && (written == nil || r.ID != written.ID) {
				t.Errorf("written at %d: %s is missing", n, r.NodeID())
			}
		}
	}
}

// Whatever is amended while a selection is counted: what stays in it is counted once.
func TestCountWhileOthersAmend(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		states := settings.NewStates(db)
		const every, all = 4, 20_000 // the passives' part is worth an index, and more than one statement
		f.Many(all, func(i int, r *feedback.Recording) {
			r.Comment = new("so so")
			if r.Score = i % 6; i%every == 0 {
				r.Score = 7 + i/every%2
			}
		})
		low, err := db.Ent.Response.Query().Where(response.Score(7)).Order(response.ByID(sql.OrderDesc())).First(f.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		filter := selection.Filter{HasComment: new(true), Categories: []nps.Category{nps.Passive}}
		for _, order := range []*selection.Order{nil, {Field: selection.ByScore, Direction: selection.Ascending}} {
			score, late := 7, false
			for at := 1; !late; at += 20 {
				late = true
				ctx := hooked(f.Ctx, func(n int) bool {
					if n < at {
						return true
					}
					late = false
					score = 15 - score
					if _, err := f.Log.Amend(f.Ctx, feedback.Amendment{ID: low.NodeID(), Score: &score}); err != nil {
						t.Error(err)
					}
					return false
				})
				list, err := selection.List(ctx, db, states, filter, selection.Within{}, page.Args{First: new(1)}, order, feedbacktest.Clock())
				if err != nil {
					t.Fatal(err)
				}
				if n, err := list.TotalCount(ctx); n != all/every || err != nil {
					t.Errorf("amended to %d at %d: %d are counted, %v", score, at, n, err)
				}
			}
		}
	})
}

// Where nothing can be found nothing is looked at, however much there is.
func TestNothingIsLookedAtForNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		states := settings.NewStates(db)
		as := func(n auth.Narrowing) context.Context {
			return auth.With(f.Ctx, auth.Caller{Tenant: f.Tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: n})
		}
		gone := auth.Narrowing{Segment: id.New()}
		list := func(filter selection.Filter) func(context.Context) error {
			return func(ctx context.Context) error {
				list, err := selection.List(ctx, db, states, filter, selection.Within{}, page.Args{}, nil, feedbacktest.Clock())
				if err != nil {
					return err
				}
				if n, err := list.TotalCount(ctx); n > 0 || list.Len() > 0 || err != nil {
					return fmt.Errorf("%d are listed, %d counted, %w", list.Len(), n, err)
				}
				return nil
			}
		}
		asked := map[string]struct {
			n auth.Narrowing
			f func(context.Context) error
		}{
			"no campaign":    {auth.Narrowing{}, list(selection.Filter{Campaigns: []string{}, HasComment: new(false)})},
			"no category":    {auth.Narrowing{}, list(selection.Filter{Categories: []nps.Category{}, HasComment: new(false)})},
			"no channel":     {auth.Narrowing{}, list(selection.Filter{Channels: []response.Channel{}})},
			"no variant":     {auth.Narrowing{}, list(selection.Filter{Variants: []string{}, HasComment: new(false)})},
			"a segment gone": {gone, list(selection.Filter{HasComment: new(false)})},
			"its contacts": {gone, func(ctx context.Context) error {
				ids, few, err := selection.FewContacts(ctx, db, states)
				if len(ids) > 0 || !few {
					return fmt.Errorf("got %v, %t, %w", ids, few, err)
				}
				return err
			}},
		}
		work := func() map[string]int {
			calls := map[string]int{}
			for name, ask := range asked {
				ctx := rate.WithSpender(as(ask.n), func(int) error { calls[name]++; return nil }, ask.n.Segment != uuid.Nil)
				if err := ask.f(ctx); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			return calls
		}
		before := work()
		f.Many(3_000, func(int, *feedback.Recording) {})
		for name, calls := range work() {
			if calls != before[name] {
				t.Errorf("%s: %d pieces of work, and %d where there is nothing", name, calls, before[name])
			}
		}
	})
}

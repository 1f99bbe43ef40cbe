package search_test

import (
	"testing"

	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/search"
	"github.com/zeroten/zeroten/internal/search/searchtest"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// some records n responses, all of which say so.
func some(f *feedbacktest.Fixture, n int, said string) {
	f.T.Helper()
	f.Many(n, func(_ int, r *feedback.Recording) { r.Comment = &said })
}

// What the index has not come to yet does not count towards what it may propose, and the rest of what it has is not read.
func TestProposeBehind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		some(f, 8, "A zebra")
		some(f, 20, "as usual")
		searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
		some(f, 30, "as usual")
		zebras := search.OfTerms(f.Tenant, []string{"zebra"})
		for most, want := range map[int]struct{ ids, read int }{7: {0, 8}, 8: {38, 8}, 1_000: {38, 8}} {
			p, err := search.Propose(f.Ctx, db, f.Tenant, zebras, nil, most)
			if err != nil || len(p.IDs) != want.ids || p.Read != want.read {
				t.Errorf("of %d at most: %d are proposed, %d of the index, %v; want %d and %d", most, len(p.IDs), p.Read, err, want.ids, want.read)
			}
		}
	})
}

// An index that is built anew between the statements that read it has nothing in it, and says nothing.
func TestProposeMeanwhileBuiltAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		some(f, 8, "A zebra")
		follower := follow.Follower{Tenant: f.Tenant, Kind: search.Name}
		zebras := search.OfTerms(f.Tenant, []string{"zebra"})
		for name, anew := range map[string]func() error{
			"nothing":  func() error { return nil },
			"given up": func() error { return forget(f, follower) },
			"begun": func() error {
				if err := forget(f, follower); err != nil {
					return err
				}
				searchtest.Index(f.Ctx, t, db, f.Tenant, 1)
				return nil
			},
			"finished": func() error {
				if err := forget(f, follower); err != nil {
					return err
				}
				searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
				return nil
			},
		} {
			searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
			asked := 0
			ctx := rate.WithSpender(f.Ctx, func(int) error { // when the position is read, and the index is not
				asked++
				return anew()
			}, false)
			p, err := search.Propose(ctx, db, f.Tenant, zebras, nil, 100)
			if want := 8; err != nil || asked != 1 || p.IDs != nil && len(p.IDs) != want || p.IDs == nil != (name != "nothing") {
				t.Errorf("%s meanwhile, %d times: %d are proposed, known: %t, %v", name, asked, len(p.IDs), p.IDs != nil, err)
			}
		}
	})
}

// forget has the index built anew, as an operator does.
func forget(f *feedbacktest.Fixture, which follow.Follower) error {
	return f.DB.Write(f.Ctx, func(tx *store.Tx) error {
		_, err := tx.SQL.ExecContext(f.Ctx, `DELETE FROM followers WHERE tenant_id = $1 AND kind = $2 AND id = $3`, which.Tenant, which.Kind, which.ID)
		return err
	})
}

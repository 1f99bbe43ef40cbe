package search_test

import (
	"testing"

	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
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
			ids, read, err := search.Propose(f.Ctx, db, f.Tenant, zebras, nil, most)
			if err != nil || len(ids) != want.ids || read != want.read {
				t.Errorf("of %d at most: %d are proposed, %d of the index, %v; want %d and %d", most, len(ids), read, err, want.ids, want.read)
			}
		}
	})
}

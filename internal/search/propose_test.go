package search_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/id"
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
			p, err := search.Propose(f.Ctx, db, f.Tenant, zebras, nil, false, most)
			if err != nil || len(p.IDs) != want.ids || p.Read != want.read {
				t.Errorf("of %d at most: %d are proposed, %d of the index, %v; want %d and %d", most, len(p.IDs), p.Read, err, want.ids, want.read)
			}
		}
	})
}

// SQLite is not asked for beginnings that so many words have that to gather them takes longer than they are of use: what else is
// asked for proposes, if there is anything.
func TestProposeWithoutWhatIsDense(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	f := feedbacktest.New(t, db)
	var said strings.Builder
	for i := range 400 {
		fmt.Fprintf(&said, "dense%d ", i)
	}
	some(f, 90, said.String())
	some(f, 8, "A zebra "+said.String())
	searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
	campaigns := []uuid.UUID{feedbacktest.MustParse(t, id.Campaign, f.Campaign)}
	for _, test := range []struct {
		terms     []string
		campaigns []uuid.UUID
		narrowed  bool
		want      int
		known     bool
	}{
		{[]string{"dense"}, nil, false, 0, false}, {[]string{"dense1"}, nil, false, 98, true},
		{[]string{"zebra", "dense"}, nil, false, 8, true}, {[]string{"nowhere", "dense"}, nil, false, 0, true},
		// Only who must not learn what others say has them gathered.
		{[]string{"dense"}, campaigns, false, 0, false}, {[]string{"dense"}, campaigns, true, 98, true},
	} {
		p, err := search.Propose(f.Ctx, db, f.Tenant, search.OfTerms(f.Tenant, test.terms), test.campaigns, test.narrowed, 1_000)
		if err != nil || p.IDs != nil != test.known || len(p.IDs) != test.want || p.Log == 0 {
			t.Errorf("%q of %d campaigns: %d are proposed, known: %t, %v", test.terms, len(test.campaigns), len(p.IDs), p.IDs != nil, err)
		}
		if dense := slices.Contains(test.terms, "dense"); dense != (p.Gathered > 32_768) || p.Gathered > 40_000 || !test.narrowed && p.Gathered > 33_000 {
			t.Errorf("%q of %d campaigns: %d words are counted", test.terms, len(test.campaigns), p.Gathered)
		}
	}
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
			ctx := rate.WithSpender(f.Ctx, func(int) error { // when the position is read, and the index is not, or only counted
				asked++
				return anew()
			}, false)
			p, err := search.Propose(ctx, db, f.Tenant, zebras, nil, false, 100)
			if want := 8; err != nil || asked == 0 || p.IDs != nil && len(p.IDs) != want || p.IDs == nil != (name != "nothing") {
				t.Errorf("%s meanwhile, %d times: %d are proposed, known: %t, %v", name, asked, len(p.IDs), p.IDs != nil, err)
			}
		}
	})
}

// What is too long to have words in the index is proposed for each, of the campaigns that are asked for; and no longer when it
// has been amended.
func TestProposeLong(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		signs := make([]rune, 9_000)
		for i := range signs {
			signs[i] = rune(0x4e00 + i*7919%0x5000)
		}
		long := f.Record(f.With(func(r *feedback.Recording) { r.Comment = new(string(signs) + " zebra") }))
		some(f, 3, "as usual")
		zebra := f.Record(f.With(func(r *feedback.Recording) { r.Comment = new("A zebra") }))
		zebras := search.OfTerms(f.Tenant, []string{"zebra"})
		check := func(campaigns []uuid.UUID, want ...uuid.UUID) {
			t.Helper()
			searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
			searchtest.Sound(f.Ctx, t, db, f.Tenant)
			p, err := search.Propose(f.Ctx, db, f.Tenant, zebras, campaigns, campaigns != nil, 100)
			if err != nil || p.IDs == nil || !slices.Equal(p.IDs, want) {
				t.Errorf("%v are proposed, %v; want %v", p.IDs, err, want)
			}
		}
		check(nil, long.ID, zebra.ID)
		check([]uuid.UUID{long.CampaignID}, long.ID, zebra.ID)
		check([]uuid.UUID{uuid.New()})
		if _, err := f.Log.Amend(f.Ctx, feedback.Amendment{ID: id.Response.Format(long.ID), Comment: new("A horse")}); err != nil {
			t.Fatal(err)
		}
		check(nil, zebra.ID)
	})
}

// forget has the index built anew, as an operator does.
func forget(f *feedbacktest.Fixture, which follow.Follower) error {
	return f.DB.Write(f.Ctx, func(tx *store.Tx) error {
		_, err := tx.SQL.ExecContext(f.Ctx, `DELETE FROM followers WHERE tenant_id = $1 AND kind = $2 AND id = $3`, which.Tenant, which.Kind, which.ID)
		return err
	})
}

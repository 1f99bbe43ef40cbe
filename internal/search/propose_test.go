package search_test

import (
	"errors"
	"fmt"
	"math"
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

// free lets all pass that is asked for.
func free(float64) error { return nil }

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
			p, err := search.Propose(f.Ctx, db, f.Tenant, zebras, nil, false, most, free)
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
	f.Many(13, func(i int, r *feedback.Recording) {
		var said strings.Builder
		for n := range 400 {
			fmt.Fprintf(&said, "diff%d-%d ", i*400+n, n)
		}
		r.Comment = new(said.String())
	})
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
		{[]string{"diff"}, nil, false, 0, false}, {[]string{"diff"}, campaigns, true, 13, true},
	} {
		paid := 0.0
		p, err := search.Propose(f.Ctx, db, f.Tenant, search.OfTerms(f.Tenant, test.terms), test.campaigns, test.narrowed, 1_000, func(points float64) error {
			paid += points
			return nil
		})
		if err != nil || p.IDs != nil != test.known || len(p.IDs) != test.want || !p.Asked {
			t.Errorf("%q of %d campaigns: %d are proposed, known: %t, %v", test.terms, len(test.campaigns), len(p.IDs), p.IDs != nil, err)
		}
		want := 0.0
		switch {
		case slices.Contains(test.terms, "dense") && test.narrowed:
			want = 98*400.0/rate.GatheredPerPoint + 400.0/rate.DifferentPerPoint
		case slices.Contains(test.terms, "dense"):
			want = 32_768.0/rate.GatheredPerPoint + 32_768.0/98/rate.DifferentPerPoint
		case slices.Contains(test.terms, "dense1"):
			want = 98*111.0/rate.GatheredPerPoint + 111.0/rate.DifferentPerPoint
		case slices.Contains(test.terms, "diff") && test.narrowed:
			want = 5_200.0/rate.GatheredPerPoint + 5_200.0/rate.DifferentPerPoint
		case slices.Contains(test.terms, "diff"):
			want = 4_096.0/rate.GatheredPerPoint + 4_096.0/rate.DifferentPerPoint
		}
		if math.Abs(paid-want) > 0.5 {
			t.Errorf("%q of %d campaigns: %g points are paid, want %g", test.terms, len(test.campaigns), paid, want)
		}
	}
}

// Whoever may not go on does not: neither counting nor reading is done that was not paid.
func TestProposeEndsWhereNobodyPays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Many(20, func(i int, r *feedback.Recording) {
			var said strings.Builder
			for n := range 400 {
				fmt.Fprintf(&said, "diff%d ", i*400+n)
			}
			r.Comment = new(said.String())
		})
		searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
		some(f, 2, "as usual") // which the index lacks
		campaigns := []uuid.UUID{feedbacktest.MustParse(t, id.Campaign, f.Campaign)}
		over := errors.New("over")
		asked := 0
		ask := func(most int) error {
			asked = 0
			_, err := search.Propose(f.Ctx, db, f.Tenant, search.OfTerms(f.Tenant, []string{"diff"}), campaigns, true, 1_000, func(float64) error {
				if asked++; asked > most {
					return over
				}
				return nil
			})
			return err
		}
		if err := ask(1_000); err != nil {
			t.Fatal(err)
		}
		want := asked
		// For what the index lacks, for the log, and for each thousand of the words.
		if db.Dialect == store.SQLite && want != 10 || db.Dialect == store.Postgres && want != 2 {
			t.Errorf("it is paid %d times", want)
		}
		for most := range want {
			if err := ask(most); !errors.Is(err, over) || asked != most+1 {
				t.Errorf("it goes on after %d of %d times: %d, %v", most, want, asked, err)
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
			ctx := rate.WithSpender(f.Ctx, func(int) error { // when the position is read, and the index is not, or only counted
				asked++
				return anew()
			}, false)
			p, err := search.Propose(ctx, db, f.Tenant, zebras, nil, false, 100, free)
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
			p, err := search.Propose(f.Ctx, db, f.Tenant, zebras, campaigns, campaigns != nil, 100, free)
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

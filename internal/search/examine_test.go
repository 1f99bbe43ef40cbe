package search_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/search"
	"github.com/zeroten/zeroten/internal/search/searchtest"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// Whatever is wrong with the index is said, and mended.
func TestExamine(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		var ids []any
		for i := range 4 {
			ids = append(ids, f.Record(f.With(func(r *feedback.Recording) { r.Comment = new(fmt.Sprint("comment ", i)) })).ID)
		}
		f.Record(f.Recording()) // nothing to find it by
		searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
		searchtest.Sound(f.Ctx, t, db, f.Tenant)
		examine := func() (faults []cube.Fault) {
			err := db.Snapshot(f.Ctx, func(tx *store.Tx) (err error) {
				faults, err = search.Examine(f.Ctx, db, tx, f.Tenant)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return faults
		}
		for _, spoil := range []struct {
			query, says string
			args        []any
		}{
			{`DELETE FROM search_documents WHERE response_id = $1`, "lacks", ids[:1]},
			{`DELETE FROM responses WHERE id = $1`, "should have none", ids[1:2]},
			{`UPDATE responses SET comment = 'something else' WHERE id = $1`, "other words", ids[2:3]},
			{`UPDATE responses SET comment = NULL WHERE id = $1`, "should have none", ids[3:4]},
		} {
			if _, err := db.Writer.ExecContext(f.Ctx, spoil.query, spoil.args...); err != nil {
				t.Fatal(err)
			}
			faults := examine()
			if len(faults) != 1 || !strings.Contains(strings.Join(faults[0].What, " "), spoil.says) {
				t.Errorf("%s: %v", spoil.query, faults)
			}
			for _, fault := range faults {
				err := db.Write(f.Ctx, func(tx *store.Tx) error {
					_, err := fault.Mend(f.Ctx, tx)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			searchtest.Sound(f.Ctx, t, db, f.Tenant)
		}
		// What the index has not come to is left out.
		f.Record(f.With(func(r *feedback.Recording) { r.Comment = new("late") }))
		if faults := examine(); len(faults) > 0 {
			t.Error(faults)
		}
	})
}

// The index does not stop at a response of which not all can be read: it is found by the rest, somebody is told, and so is
// the doctor.
func TestUnreadable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		bad := f.Record(f.With(func(r *feedback.Recording) { r.Comment = new("odd") })).ID
		f.Record(f.With(func(r *feedback.Recording) { r.Comment = new("good") }))
		if _, err := db.Writer.ExecContext(f.Ctx, `UPDATE responses SET traits = '[]' WHERE id = $1`, bad); err != nil {
			t.Fatal(err)
		}
		entries, err := feedback.ReadEvents(f.Ctx, db, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		var told strings.Builder
		effects, err := search.Kind(db, slog.New(slog.NewTextHandler(&told, nil))).Take(f.Ctx, follow.Follower{Tenant: f.Tenant, Kind: search.Name}, entries)
		if err == nil {
			err = db.Write(f.Ctx, effects)
		}
		if err != nil || !strings.Contains(told.String(), "response="+id.Response.Format(bad)) {
			t.Errorf("it says %q: %v", told.String(), err)
		}
		searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
		searchtest.Sound(f.Ctx, t, db, f.Tenant)
		for _, word := range []string{"odd", "good"} {
			if p, err := search.Propose(f.Ctx, db, f.Tenant, search.OfTerms(f.Tenant, search.Terms(word)), nil, false, 10, free); err != nil || len(p.IDs) != 1 {
				t.Errorf("%s: %v, %v", word, p, err)
			}
		}
	})
}

// An index that is built anew is emptied first, in transactions of a bounded size, and the follower stays where it is until
// nothing is left.
func TestBuiltAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const most = 500
		f, other := feedbacktest.New(t, db), feedbacktest.New(t, db)
		record := func(f *feedbacktest.Fixture, n int) {
			items := make([]feedback.Recording, n)
			for i := range items {
				items[i] = f.With(func(r *feedback.Recording) { r.Comment = new(fmt.Sprint("comment ", i)) })
			}
			if _, err := f.Log.Record(f.Ctx, items); err != nil {
				t.Fatal(err)
			}
			searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
		}
		record(other, 3)
		record(f, most)
		record(f, 100)
		ask := func(query string, args ...any) (n int) {
			if err := db.Reader.QueryRowContext(f.Ctx, query, args...).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		documents := func() int { return ask(`SELECT count(*) FROM search_documents WHERE tenant_id = $1`, f.Tenant) }
		if n := documents(); n != most+100 {
			t.Fatalf("there are %d documents", n)
		}
		if _, err := db.Writer.ExecContext(f.Ctx, `DELETE FROM followers WHERE tenant_id = $1`, f.Tenant); err != nil {
			t.Fatal(err)
		}
		entries, err := feedback.ReadEvents(f.Ctx, db, 0, most)
		if err != nil {
			t.Fatal(err)
		}
		effects, err := search.Kind(db, slog.New(slog.DiscardHandler)).Take(f.Ctx, follow.Follower{Tenant: f.Tenant, Kind: search.Name}, entries)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Write(f.Ctx, func(tx *store.Tx) error {
			if err := effects(tx); !errors.Is(err, follow.ErrUnfinished) {
				t.Errorf("after a part of it: %v", err)
			}
			return nil
		})
		if n := documents(); err != nil || n != 100 {
			t.Errorf("then there are %d documents: %v", n, err)
		}
		searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
		if n := documents(); n != most+100 {
			t.Errorf("in the end there are %d documents", n)
		}
		searchtest.Sound(f.Ctx, t, db, f.Tenant)
		searchtest.Sound(other.Ctx, t, db, other.Tenant)
	})
}

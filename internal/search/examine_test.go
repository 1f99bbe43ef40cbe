package search_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
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

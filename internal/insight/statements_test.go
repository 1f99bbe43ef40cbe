package insight_test

import (
	"testing"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// A request asks once what the tenant's settings are, and once for its cells, or whether those in memory are right.
func TestStatements(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		w.record(t, answer{Campaign: 0, Score: 9, Plan: "gold", Age: 5, At: now}, answer{Campaign: 1, Score: 2, Plan: "tin", Age: 15, At: now})
		gold := selection.Filter{Where: &segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold"}}}}
		for name, filter := range map[string]selection.Filter{"all": {}, "gold": gold} {
			trend := func() {
				body, err := w.reader.Feedback(w.ctx, filter, selection.Within{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := body.Trend(w.ctx, calendar.Monthly, 1); err != nil {
					t.Fatal(err)
				}
			}
			trend() // what is read once is in memory then
			before := db.Queries()
			if trend(); db.Queries()-before != 2 {
				t.Errorf("a trend of %s took %d statements, want 2", name, db.Queries()-before)
			}
		}
	})
}

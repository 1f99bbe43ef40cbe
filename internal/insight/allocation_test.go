package insight_test

import (
	"testing"

	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// Weeks with few responses are put together with those beside them, and not with those like them: shares that change from one week
// to the next and back are the same all the time, and those that change once are not.
func TestAllocationGoesByTime(t *testing.T) {
	for _, test := range []struct {
		name     string
		variant  func(week int) string
		mismatch bool
	}{
		{"to and fro", func(week int) string { return []string{"A", "B"}[week%2] }, false},
		{"one after the other", func(week int) string { return []string{"A", "B"}[week/30] }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				w := newWorld(t, db, "UTC")
				var answers []answer
				for week := range 60 {
					for i := range 3 {
						answers = append(answers, answer{Score: 9, Variant: test.variant(week), At: on("2025-01-06T10:00:00Z").AddDate(0, 0, 7*week+i)})
					}
				}
				w.record(t, answers...)
				x, err := w.feedback(t, selection.Filter{}).Experiment(w.ctx, insight.Trial{Difference: 10, Power: 0.8})
				if err != nil {
					t.Fatal(err)
				}
				if check, err := x.Allocation(w.ctx); err != nil || check.PValue == nil || check.Mismatch != test.mismatch {
					t.Errorf("%+v, %v; mismatch should be %v", check, err, test.mismatch)
				}
			})
		})
	}
}

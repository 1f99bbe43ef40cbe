package feedback_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// TestFlushIsBeatenOnce has somebody else change the tenant whenever a flush is planned and not yet written, as each
// step of a rebuild does.
func TestFlushIsBeatenOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Define("plan", trait.Text, true)
		beaten := 0
		f.Log.BeforeWrite(func() {
			beaten++
			if err := db.WriteLocked(f.Ctx, f.Tenant, func(*store.Tx) error { return nil }); err != nil {
				t.Error(err)
			}
		})
		plan := func(name string) feedback.Recording {
			return f.With(func(r *feedback.Recording) {
				r.Traits = trait.Values{"plan": name}
				r.IdempotencyKey = new(name)
			})
		}
		// The second comes with a profile that the first made known, the third with one of its own; the fourth was there.
		var ids []uuid.UUID
		for n, name := range []string{"a", "b", "c", "c"} {
			out := f.Try(plan(name))
			if out.Value == nil || out.Replayed != (n == 3) {
				t.Fatalf("%s: %+v", name, out)
			}
			ids = append(ids, out.Value.ID)
			if want := min(n+1, 3); beaten != want { // what is only answered writes nothing
				t.Errorf("%s: beaten %d times, want %d", name, beaten, want)
			}
		}
		if ids[2] != ids[3] {
			t.Errorf("the same key gives %s and %s", ids[2], ids[3])
		}
		holds(f, 3, 0, 3)
	})
}

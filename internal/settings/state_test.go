package settings_test

import (
	"sync"
	"testing"

	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// A state is large: who ask for it together, before it is known and after a change, share one.
func TestStatesAreLoadedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Define("plan", trait.Text, true)
		f.Many(50, func(_ int, r *feedback.Recording) { r.Traits["plan"] = "gold" })
		states := settings.NewStates(db)
		changes := []func(){func() {}, func() { f.Open("Another") }}
		for _, change := range changes {
			change()
			got := make([]*settings.State, 20)
			var together sync.WaitGroup
			begin := make(chan struct{})
			for i := range got {
				together.Go(func() {
					<-begin
					var err error
					if got[i], err = states.Get(f.Ctx, f.Tenant); err != nil {
						t.Error(err)
					}
				})
			}
			close(begin)
			together.Wait()
			for _, s := range got {
				if s != got[0] {
					t.Fatal("there are several states of the same settings")
				}
			}
			late, err := states.LateTo(f.Ctx, got[0])
			if err != nil {
				t.Fatal(err)
			}
			if late != got[0] {
				t.Fatal("who looked before a load and asked for one after it has a state of its own")
			}
		}
	})
}

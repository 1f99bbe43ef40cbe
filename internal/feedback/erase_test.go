package feedback_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	contacts "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// TestEraseInPieces erases people who have answered more than one flush takes, several at once.
func TestEraseInPieces(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := newFixture(t, db)
		const most = 4
		log, err := feedback.NewLog(db, feedback.Config{Now: clock, Flushed: func(_ uuid.UUID, entries []*feedback.Entry) {
			if len(entries) > most && entries[0].Kind == feedback.Amended {
				t.Errorf("a flush erased %d at a time", len(entries))
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		log.SetMaxErased(most)
		answers := []int{11, most, 0, most + 1, 1, 2 * most}
		var people []string
		total := 0
		for n, count := range answers {
			in := contacts.Input{ExternalID: new(fmt.Sprint("secret ", n))}
			people = append(people, id.Contact.Format(f.upsert(in)[0].Value.ID))
			for range count {
				f.record(f.with(func(r *feedback.Recording) { r.Contact, r.Comment = &in, new("secret") }))
			}
			total += count
		}
		var all sync.WaitGroup
		for n, person := range people {
			all.Go(func() {
				out, err := log.Erase(f.ctx, person)
				if err != nil || out.Value == nil || *out.Value != answers[n] {
					t.Errorf("erasing who answered %d times: %v, %v", answers[n], out, err)
				}
			})
		}
		all.Wait()
		if n := holding(t, db, "secret"); n > 0 {
			t.Errorf("%d rows still hold what was erased", n)
		}
		f.holds(total, 0, 2*total)
	})
}

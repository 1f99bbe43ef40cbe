package feedback_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	contacts "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// TestEraseInPieces erases people who have answered more than one flush takes, several at once.
func TestEraseInPieces(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
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
			people = append(people, id.Contact.Format(f.Upsert(in)[0].Value.ID))
			for range count {
				f.Record(f.With(func(r *feedback.Recording) { r.Contact, r.Comment = &in, new("secret") }))
			}
			total += count
		}
		var all sync.WaitGroup
		for n, person := range people {
			all.Go(func() {
				out, err := log.Erase(f.Ctx, person)
				if err != nil || out.Value == nil || *out.Value != answers[n] {
					t.Errorf("erasing who answered %d times: %v, %v", answers[n], out, err)
				}
			})
		}
		all.Wait()
		if n := holding(t, db, "secret"); n > 0 {
			t.Errorf("%d rows still hold what was erased", n)
		}
		holds(f, total, 0, 2*total)
	})
}

// TestEraseGivenUp ends erasing after its first piece. What that has erased is in no file, whatever becomes of the rest.
func TestEraseGivenUp(t *testing.T) {
	url := storetest.SQLite(t)
	storetest.Open(t, url)
	db, err := store.Open(t.Context(), url, store.Options{}) // one that does not forget with all of it
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f := feedbacktest.New(t, db)
	ctx, give := context.WithCancel(f.Ctx)
	erased := map[uuid.UUID]bool{}
	log, err := feedback.NewLog(db, feedback.Config{Now: clock, Flushed: func(_ uuid.UUID, entries []*feedback.Entry) {
		give()
		for _, e := range entries {
			erased[e.Event.Response] = true
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	log.SetMaxErased(2)
	in := contacts.Input{ExternalID: new("ann")}
	person := id.Contact.Format(f.Upsert(in)[0].Value.ID)
	words := map[uuid.UUID]string{}
	for n := range 6 {
		word := fmt.Sprintf("secret %d of ann", n)
		words[f.Record(f.With(func(r *feedback.Recording) { r.Contact, r.Comment = &in, &word })).ID] = word
	}
	if err := db.Forgotten(f.Ctx); err != nil { // what making a tenant has left behind
		t.Fatal(err)
	}
	if _, err := log.Erase(ctx, person); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(log.Close(), db.Forgotten(f.Ctx)); err != nil {
		t.Fatal(err)
	}
	if len(erased) == 0 || len(erased) == len(words) {
		t.Fatalf("%d of %d were erased", len(erased), len(words))
	}
	path := strings.TrimPrefix(url, "sqlite://")
	for _, file := range []string{path, path + "-wal"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for response := range erased {
			if bytes.Contains(content, []byte(words[response])) {
				t.Errorf("%s still holds %q", filepath.Base(file), words[response])
			}
		}
	}
}

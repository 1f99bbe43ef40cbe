package survey_test

import (
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/link"
)

func openBook(t *testing.T, db *store.DB) *survey.Book {
	t.Helper()
	b := survey.NewBook(db, nil, slog.New(slog.DiscardHandler))
	t.Cleanup(b.Close)
	return b
}

// What changes how a campaign is asked is followed by every process that shows its page, while nobody asks it to.
func TestBookFollows(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		books := []*survey.Book{openBook(t, db), openBook(t, db)}
		campaign := w.campaign.ID
		for _, b := range books {
			if s, err := b.Sheet(t.Context(), campaign); err != nil || s == nil || s.Tenant != auth.Tenant(w.ctx) || s.Survey.LinkDays != survey.DefaultLinkDays {
				t.Fatalf("%+v, %v", s, err)
			}
		}
		if _, err := survey.Update(w.ctx, db, survey.UpdateInput{Campaign: w.campaign.NodeID(), LinkDays: new(7)}); err != nil {
			t.Fatal(err)
		}
		for _, b := range books {
			for {
				s, err := b.Sheet(t.Context(), campaign)
				if err != nil {
					t.Fatal(err)
				}
				if s.Survey.LinkDays == 7 {
					break
				}
				runtime.Gosched()
			}
		}
		if s, err := books[0].Sheet(t.Context(), id.New()); s != nil || err != nil {
			t.Errorf("of no campaign: %v, %v", s, err)
		}
	})
}

// A link that another process signs by a key that it has made since is known all the same, and nobody's tenant has keys.
func TestRings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		tenant := auth.Tenant(w.ctx)
		one := openBook(t, db)
		first, err := one.Ring(t.Context(), tenant, 0)
		if err != nil {
			t.Fatal(err)
		}
		// A month later the other process makes a new key.
		later := time.Now().Add(40 * 24 * time.Hour)
		other := survey.NewBook(db, func() time.Time { return later }, slog.New(slog.DiscardHandler))
		t.Cleanup(other.Close)
		second, err := other.Ring(t.Context(), tenant, 0)
		if err != nil {
			t.Fatal(err)
		}
		token, err := second.Sign(link.Link{Kind: link.Invitation, Subject: w.campaign.ID, Issued: later})
		if err != nil {
			t.Fatal(err)
		}
		claim, err := link.Parse(token)
		if err != nil {
			t.Fatal(err)
		}
		if first.Has(claim.Key()) {
			t.Fatal("no new key was made")
		}
		known := openBook(t, db) // which has not looked yet: those who have look again after a few seconds
		ring, err := known.Ring(t.Context(), tenant, claim.Key())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := claim.Verify(ring); err != nil {
			t.Error(err)
		}
		if ring, err := known.Ring(t.Context(), uuid.New(), 1); ring != nil || err != nil {
			t.Errorf("of no tenant: %v, %v", ring, err)
		}
	})
}

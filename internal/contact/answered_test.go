package contact_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// Who is narrowed to campaigns has those who answered there, however many responses these have; where they have few, at a
// price that does not tell whom there is besides.
func TestListOfSomeCampaigns(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		log, err := feedback.NewLog(db, feedback.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		})
		var campaigns []uuid.UUID
		for _, name := range []string{"small", "other", "unanswered"} {
			c, err := campaign.Create(ctx, db, campaign.CreateInput{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			campaigns = append(campaigns, c.ID)
		}
		record := func(of uuid.UUID, n int, contacts func(i int) *contact.Input) {
			t.Helper()
			for at := 0; at < n; at += 1_000 {
				items := make([]feedback.Recording, min(1_000, n-at))
				for i := range items {
					items[i] = feedback.Recording{Campaign: id.Campaign.Format(of), Score: i % 11, Channel: "API", Contact: contacts(at + i)}
				}
				out, err := log.Record(ctx, items)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range out {
					if o.Value == nil {
						t.Fatal(o.Errors)
					}
				}
			}
		}
		named := func(name string) func(int) *contact.Input {
			return func(i int) *contact.Input {
				text := fmt.Sprint(name, i%40)
				return &contact.Input{ExternalID: &text, Name: &text}
			}
		}
		nobody := func(int) *contact.Input { return nil }
		record(campaigns[1], 80, named("hidden "))
		record(campaigns[0], 100, named("person "))
		record(campaigns[1], 30, named("person "))

		caller, _ := auth.From(ctx)
		caller.Scopes, caller.Narrowing = []auth.Scope{auth.Read}, auth.Narrowing{Campaigns: []uuid.UUID{campaigns[0], campaigns[2]}}
		spent := 0
		narrow := rate.WithSpender(auth.With(ctx, caller), func(n int) error { spent += n; return nil }, true)
		states := settings.NewStates(db)
		read := func() (lists [][]string, price int) {
			spent = 0
			for _, search := range []*string{nil, new("person 1"), new("PERSON 3\u00a0"), new("ö")} {
				lists = append(lists, names(t, narrow, db, states, 7, contact.Filter{Search: search}))
			}
			return lists, spent
		}
		want, price := read()
		if len(want[0]) != 40 || len(want[1]) != 11 || len(want[2])+len(want[3]) > 0 || slices.ContainsFunc(want[0], func(name string) bool { return name[:6] != "person" }) {
			t.Fatalf("got %q", want)
		}
		record(campaigns[1], 6_000, named("more "))
		if got, now := read(); !slices.EqualFunc(got, want, slices.Equal) || now != price {
			t.Errorf("with others besides: got %q for %d points, want %q for %d", got, now, want, price)
		}
		record(campaigns[0], 5_000, nobody)
		if got, _ := read(); !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("with many responses: got %q, want %q", got, want)
		}

		caller.Narrowing.Campaigns = campaigns[2:]
		if got := names(t, auth.With(ctx, caller), db, states, 7, contact.Filter{}); len(got) > 0 {
			t.Errorf("of a campaign without responses: %q", got)
		}
	})
}

// Package feedbacktest makes tenants with a log for the tests of whatever reads it.
package feedbacktest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// Clock is the time that it is for the logs: noon of 1 July 2025.
func Clock() time.Time { return time.Date(2025, 7, 1, 12, 0, 0, 0, time.UTC) }

// Fixture is a tenant with an open campaign and a Log.
type Fixture struct {
	T        *testing.T
	DB       *store.DB
	Log      *feedback.Log
	Builder  *cube.Builder
	Ctx      context.Context // that of the test, as the tenant's caller
	Tenant   uuid.UUID
	Campaign string
}

// New makes a tenant with an open campaign.
func New(t *testing.T, db *store.DB) *Fixture {
	t.Helper()
	f := &Fixture{T: t, DB: db, Log: NewLog(t, db), Builder: cube.NewBuilder(db, nil)}
	f.Ctx, f.Tenant = NewTenant(t, db)
	f.Campaign = f.Open("Campaign")
	return f
}

// NewLog makes a Log by Clock, which ends with the test.
func NewLog(t *testing.T, db *store.DB) *feedback.Log {
	t.Helper()
	l, err := feedback.NewLog(db, feedback.Config{Now: Clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// NewTenant makes a tenant in UTC, and the context of a caller of its own.
func NewTenant(t *testing.T, db *store.DB) (context.Context, uuid.UUID) {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	return auth.ForTenant(t.Context(), made.ID), made.ID
}

// Open makes a campaign and gives the text of its id.
func (f *Fixture) Open(name string) string {
	f.T.Helper()
	c, err := campaign.Create(f.Ctx, f.DB, campaign.CreateInput{Name: name})
	if err != nil {
		f.T.Fatal(err)
	}
	return id.Campaign.Format(c.ID)
}

// Set gives a campaign a status.
func (f *Fixture) Set(campaignID string, status entcampaign.Status) {
	f.T.Helper()
	if _, err := campaign.Update(f.Ctx, f.DB, campaign.UpdateInput{ID: campaignID, Status: &status}); err != nil {
		f.T.Fatal(err)
	}
}

// Define defines a trait.
func (f *Fixture) Define(key string, kind trait.Kind, isDimension bool) {
	f.T.Helper()
	if _, err := settings.DefineTrait(f.Ctx, f.Builder, settings.DefineTraitInput{Key: key, Kind: kind, IsDimension: isDimension}); err != nil {
		f.T.Fatal(err)
	}
}

// Recording is a good one.
func (f *Fixture) Recording() feedback.Recording {
	return feedback.Recording{Campaign: f.Campaign, Score: 9, Channel: "API"}
}

// With is Recording, changed.
func (f *Fixture) With(change func(*feedback.Recording)) feedback.Recording {
	r := f.Recording()
	change(&r)
	return r
}

// Try records, and gives what comes of it.
func (f *Fixture) Try(r feedback.Recording) feedback.Outcome[ent.Response] {
	f.T.Helper()
	out, err := f.Log.Record(f.Ctx, []feedback.Recording{r})
	if err != nil {
		f.T.Fatal(err)
	}
	return out[0]
}

// Record records what must not be refused.
func (f *Fixture) Record(r feedback.Recording) *ent.Response {
	f.T.Helper()
	out := f.Try(r)
	if out.Value == nil {
		f.T.Fatalf("refused: %v", out.Errors)
	}
	return out.Value
}

// Upsert creates or changes contacts.
func (f *Fixture) Upsert(in ...contact.Input) []feedback.Outcome[ent.Contact] {
	f.T.Helper()
	out, err := f.Log.Upsert(f.Ctx, in)
	if err != nil {
		f.T.Fatal(err)
	}
	return out
}

// Many records so many, over a month.
func (f *Fixture) Many(n int, change func(i int, r *feedback.Recording)) {
	f.T.Helper()
	for at := 0; at < n; at += 1_000 {
		items := make([]feedback.Recording, min(1_000, n-at))
		for i := range items {
			items[i] = f.With(func(r *feedback.Recording) {
				when := Clock().Add(-time.Duration((at+i)*37%700) * time.Hour)
				r.RespondedAt, r.Traits = &when, trait.Values{}
				change(at+i, r)
			})
		}
		out, err := f.Log.Record(f.Ctx, items)
		if err != nil {
			f.T.Fatal(err)
		}
		for _, o := range out {
			if o.Value == nil {
				f.T.Fatal(o.Errors)
			}
		}
	}
}

// Changes are instants at which clocks change, or stand at midnight when they were changed: in Amsterdam at 01:00 UTC, in
// St John's at 02:00 of its own time, and until 2011 at 00:01, back over midnight.
func Changes() []time.Time {
	return []time.Time{
		time.Date(2024, 3, 31, 1, 0, 0, 0, time.UTC), time.Date(2024, 10, 27, 1, 0, 0, 0, time.UTC),
		time.Date(2024, 3, 10, 5, 30, 0, 0, time.UTC), time.Date(2024, 11, 3, 4, 30, 0, 0, time.UTC),
		time.Date(2010, 11, 7, 2, 31, 0, 0, time.UTC), time.Date(2025, 3, 30, 22, 0, 0, 0, time.UTC),
		time.Date(2024, 12, 31, 23, 0, 0, 0, time.UTC), time.Date(2024, 3, 1, 3, 30, 0, 0, time.UTC),
	}
}

// Entries is the tenant's log.
func (f *Fixture) Entries() []*feedback.Entry {
	f.T.Helper()
	entries, err := feedback.ReadEntries(f.Ctx, f.DB, 0, 10_000)
	if err != nil {
		f.T.Fatal(err)
	}
	return entries
}

// MustParse is the id that the text names.
func MustParse(t *testing.T, kind id.Kind, text string) uuid.UUID {
	t.Helper()
	u, err := kind.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

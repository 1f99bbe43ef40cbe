package demo

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

func seeded(t testing.TB, db *store.DB, now time.Time) (context.Context, *feedback.Log, Demo) {
	t.Helper()
	industry := Industry
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: Name, TimeZone: TimeZone, Industry: &industry})
	if err != nil {
		t.Fatal(err)
	}
	log, err := feedback.NewLog(db, feedback.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	builder := cube.NewBuilder(db, func() *river.Client[*sql.Tx] {
		t.Error("a job is asked for: there was something to rebuild")
		return nil
	})
	ctx := auth.ForTenant(t.Context(), made.ID)
	d, err := Seed(ctx, log, builder, db, now)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, log, d
}

func BenchmarkSeed(b *testing.B) {
	now := time.Date(2026, 3, 15, 10, 0, 0, 0, time.UTC)
	for b.Loop() {
		db, err := store.Open(b.Context(), storetest.SQLite(b), store.Options{Volatile: true})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := db.Migrate(b.Context()); err != nil {
			b.Fatal(err)
		}
		seeded(b, db, now)
		db.Close()
	}
}

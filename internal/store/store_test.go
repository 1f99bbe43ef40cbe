package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

func TestMigrationsLeadToTheSchema(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		missing, err := db.Diff(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if missing != "" {
			t.Errorf("the migrations lack this (make one with internal/store/newmigration):\n%s", missing)
		}
	})
}

func TestMigrateTwiceDoesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ran, err := db.Migrate(context.Background())
		if err != nil || len(ran) != 0 {
			t.Errorf("ran %v, %v", ran, err)
		}
	})
}

func TestMigrateTogether(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := context.Background()
		errs := make(chan error)
		for range 4 {
			go func() {
				db, err := store.Open(ctx, url, store.Options{})
				if err == nil {
					_, err = db.Migrate(ctx)
					err = errors.Join(err, db.Close())
				}
				errs <- err
			}()
		}
		for range 4 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		if _, err := db.Writer.ExecContext(ctx, `INSERT INTO schema_migrations VALUES ('99990101000000_later.sql', '9999')`); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Migrate(ctx); !errors.Is(err, store.ErrNewer) {
			t.Errorf("got %v, want ErrNewer", err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	noDatabase := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(noDatabase, []byte(strings.Repeat("Dear Sir, ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ url, want string }{
		"no scheme":           {"zeroten.db", "write it as sqlite://zeroten.db"},
		"unknown scheme":      {"mysql://localhost/x", `unknown scheme "mysql"`},
		"no file":             {"sqlite://", "no file named"},
		"no such folder":      {"sqlite://" + filepath.Join(dir, "none", "x.db"), "no such file"},
		"a folder":            {"sqlite://" + dir, "database unreachable"},
		"no database":         {"sqlite://" + noDatabase, "not a database"},
		"nobody listens":      {"postgres://u:hush@127.0.0.1:1/x?sslmode=disable", "database unreachable"},
		"not a URL":           {"postgres://u:hush@127.0.0.1:port/x", "not a URL"},
		"unknown SSL setting": {"postgres://u:hush@127.0.0.1:1/x?sslmode=perhaps", "sslmode"},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := store.Open(context.Background(), test.url, store.Options{})
			if err == nil {
				_ = db.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not say %q", err, test.want)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("%q tells the password", err)
			}
		})
	}
}

// A reference into another tenant is refused by the database itself, whatever the code above it does.
func TestForeignKeysHoldTheTenant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		exec := func(query string, args ...any) error {
			_, err := db.Writer.ExecContext(ctx, query, args...)
			return err
		}
		mine, theirs, campaign := uuid.New(), uuid.New(), uuid.New()
		const now = "2026-01-01 00:00:00+00:00"
		if err := exec(`INSERT INTO campaigns (id, tenant_id, name, question, follow_up_question, created_at, updated_at)
			VALUES ($1, $2, 'c', 'q', 'f', $3, $3)`, campaign, theirs, now); err != nil {
			t.Fatal(err)
		}
		respond := func(tenant uuid.UUID) error {
			return exec(`INSERT INTO responses (id, tenant_id, campaign_id, score, channel, traits, responded_at, recorded_at, updated_at)
				VALUES ($1, $2, $3, 9, 'API', '{}', $4, $4, $4)`, uuid.New(), tenant, campaign, now)
		}
		if err := respond(theirs); err != nil {
			t.Fatal(err)
		}
		if err := respond(mine); err == nil {
			t.Error("a response to another tenant's campaign was stored")
		}
	})
}

package tenant

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// named checks whom the token names, uuid.Nil for nobody.
func named(t *testing.T, k *Keys, tenant uuid.UUID, token string, want uuid.UUID) {
	t.Helper()
	if got, err := k.Named(t.Context(), tenant, token); err != nil || got != want {
		t.Errorf("names %v, %v; want %v", got, err, want)
	}
}

// A contact token ends with the key that made it, everywhere.
func TestContactTokenEndsWithItsKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		otherCtx, _ := made(t, db, "Other")
		c := newClock()
		here, there := newKeys(db, c.now), newKeys(db, c.now)
		defer here.Close()
		defer there.Close()
		contact := id.New()

		ends := c.now().Add(time.Minute).Truncate(time.Microsecond)
		dying, key := holder(t, tenantCtx, db, &ends, auth.Collect)
		caller, _ := auth.From(dying)
		caller.ExpiresAt = key.ExpiresAt
		last, expiresAt, err := NameContact(auth.With(tenantCtx, caller), db, contact, 3600, c.now())
		if err != nil || !expiresAt.Equal(ends) {
			t.Fatalf("it ends at %v, with its key at %v; %v", expiresAt, ends, err)
		}
		named(t, here, key.TenantID, last, contact)
		named(t, there, auth.Tenant(otherCtx), last, uuid.Nil)
		c.pass(ends.Sub(c.now()) - 1)
		named(t, here, key.TenantID, last, contact)
		c.pass(1)
		named(t, here, key.TenantID, last, uuid.Nil)
		named(t, there, key.TenantID, last, uuid.Nil)

		ctx, key := holder(t, tenantCtx, db, nil, auth.Collect)
		token, _, err := NameContact(ctx, db, contact, 3600, c.now())
		if err != nil {
			t.Fatal(err)
		}
		named(t, here, key.TenantID, token, contact)
		named(t, there, key.TenantID, token, contact)
		if _, err := RevokeKey(ctx, db, RevokeKeyInput{ID: key.NodeID()}); err != nil {
			t.Fatal(err)
		}
		c.pass(Believed)
		named(t, here, key.TenantID, token, uuid.Nil)
		named(t, there, key.TenantID, token, uuid.Nil)

		// Of nobody's key, of one that is not, and of another tenant's.
		_, foreign := holder(t, otherCtx, db, nil, auth.Collect)
		for _, maker := range []uuid.UUID{uuid.Nil, id.New(), foreign.ID} {
			token, _, err := NameContact(auth.With(tenantCtx, auth.Caller{Tenant: key.TenantID, Key: maker}), db, contact, 3600, c.now())
			if err != nil {
				t.Fatal(err)
			}
			named(t, here, key.TenantID, token, uuid.Nil)
		}
	})
}

func TestHotContactTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		ctx, key := holder(t, tenantCtx, db, nil, auth.Collect)
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		keys := lookups(db)
		var signing atomic.Int64
		db.Ent.SigningKey.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			signing.Add(1)
			return next
		}))
		contact := id.New()
		var tokens []string
		for range 20 {
			token, _, err := NameContact(ctx, db, contact, 60, c.now())
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, token)
		}
		before := signing.Load()
		for range 3 {
			for _, token := range tokens {
				named(t, k, key.TenantID, token, contact)
			}
		}
		if keys.Load() != 1 || signing.Load() != before+1 {
			t.Errorf("looked keys up %d times and signing keys %d times, want each once", keys.Load(), signing.Load()-before)
		}
	})
}

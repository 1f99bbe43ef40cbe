package tenant

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/signingkey"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
)

const (
	// signsFor is how long a key signs new tokens.
	signsFor = 24 * time.Hour
	// keptFor is how long a key is kept: until the last token that it can have signed is expired, and an hour, since the
	// clocks of several processes differ.
	keptFor = signsFor + MaxTokenLife + time.Hour
	// signingBelieved is for how long a signing key is gone by. Nothing but its deletion can change it.
	signingBelieved = time.Minute
	signingBytes    = 32
)

// signingName is what a signing key is found by.
type signingName struct{ tenant, key uuid.UUID }

// signer finds the key that signs the tenant's tokens now, or makes one; then those that are of no use any more go.
// Where several processes make one at the same time each has its own, and all are good.
func signer(ctx context.Context, db *store.DB, now time.Time) (*ent.SigningKey, error) {
	now = now.UTC().Truncate(time.Microsecond) // SQLite compares times as they are written
	newest := func(client *ent.Client) (*ent.SigningKey, error) {
		found, err := client.SigningKey.Query().Where(signingkey.CreatedAtGT(now.Add(-signsFor))).
			Order(signingkey.ByCreatedAt(sql.OrderDesc())).First(ctx)
		if err != nil && !ent.IsNotFound(err) {
			return nil, fmt.Errorf("reading the signing keys: %w", err)
		}
		return found, nil
	}
	key, err := newest(db.Ent)
	if key != nil || err != nil {
		return key, err
	}
	err = db.Write(ctx, func(tx *store.Tx) error {
		if key, err = newest(tx.Ent); key != nil || err != nil {
			return err // made meanwhile
		}
		if _, err = tx.Ent.SigningKey.Delete().Where(signingkey.CreatedAtLT(now.Add(-keptFor))).Exec(ctx); err != nil {
			return fmt.Errorf("deleting old signing keys: %w", err)
		}
		random := make([]byte, signingBytes)
		_, _ = rand.Read(random) // it never fails: it ends the program instead
		key, err = tx.Ent.SigningKey.Create().SetSecret(random).SetCreatedAt(now).Save(ctx)
		if err != nil {
			return fmt.Errorf("making a signing key: %w", err)
		}
		return nil
	})
	return key, err
}

// readSigningKey reads a signing key's secret; nil where there is no such key, or none any more.
func (k *Keys) readSigningKey(ctx context.Context, name signingName) (*[]byte, error) {
	found, err := k.db.Ent.SigningKey.Get(auth.ForTenant(ctx, name.tenant), name.key)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if found.CreatedAt.Before(k.now().Add(-keptFor)) {
		return nil, nil // it is deleted when the next one is made
	}
	return &found.Secret, nil
}

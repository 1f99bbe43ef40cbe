package survey

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/linkkey"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/link"
)

// ring reads the keys that the caller's tenant signs its links with. Where a key is due it makes one, and drops those that no link needs
// any more. Of several processes that find one due at the same time one makes it, and the others take that.
func ring(ctx context.Context, db *store.DB, tenant uuid.UUID, now time.Time) (*link.Ring, error) {
	keys, err := readKeys(ctx, db.Ent)
	if err != nil {
		return nil, err
	}
	plan := link.PlanKeys(keys, now)
	if plan.IsDue || plan.IsForeverDue {
		if keys, err = renew(ctx, db, now); err != nil {
			return nil, err
		}
		plan = link.PlanKeys(keys, now)
	}
	made, err := link.NewRing(tenant, plan.Keep)
	if err != nil {
		return nil, fmt.Errorf("reading link keys: %w", err)
	}
	return made, nil
}

func readKeys(ctx context.Context, client *ent.Client) ([]link.Key, error) {
	rows, err := client.LinkKey.Query().All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading link keys: %w", err)
	}
	keys := make([]link.Key, len(rows))
	for i, row := range rows {
		keys[i] = link.Key{Number: uint16(row.Number), Secret: row.Secret, Made: row.CreatedAt, Forever: row.Forever}
	}
	return keys, nil
}

// renew makes the keys that are due, and gives all that there are then.
func renew(ctx context.Context, db *store.DB, now time.Time) (keys []link.Key, err error) {
	attempt := func(tx *store.Tx) error {
		if keys, err = readKeys(ctx, tx.Ent); err != nil {
			return err
		}
		plan := link.PlanKeys(keys, now)
		for _, due := range []struct{ is, forever bool }{{plan.IsDue, false}, {plan.IsForeverDue, true}} {
			if !due.is {
				continue
			}
			k, err := link.NewKey(keys, now, due.forever)
			if err != nil {
				return err
			}
			err = tx.Ent.LinkKey.Create().SetNumber(int(k.Number)).SetSecret(k.Secret).SetForever(k.Forever).SetCreatedAt(k.Made).Exec(ctx)
			if err != nil {
				return fmt.Errorf("making a link key: %w", err)
			}
			keys = append(keys, k)
		}
		for _, number := range plan.Drop {
			if _, err := tx.Ent.LinkKey.Delete().Where(linkkey.Number(int(number))).Exec(ctx); err != nil {
				return fmt.Errorf("dropping a link key: %w", err)
			}
		}
		return nil
	}
	// Every process reads its sheets anew.
	err = db.WriteSettings(ctx, auth.Tenant(ctx), attempt)
	if store.IsConflict(err) { // another process has made the key of this number meanwhile
		err = db.WriteSettings(ctx, auth.Tenant(ctx), attempt)
	}
	return keys, err
}

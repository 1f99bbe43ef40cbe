package risk

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// Examine finds, in a snapshot, what is wrong with a tenant's models and the risks by them: models that cannot be read, risks
// that cannot be or that are of no model, and contacts who should have one. What a risk should be it does not say, since more may
// be known of somebody since. All of it is mended by forgetting it: it is learned anew.
func Examine(ctx context.Context, tx *store.Tx, tenant uuid.UUID) ([]cube.Fault, error) {
	var f cube.Fault
	wrong := func(format string, args ...any) {
		if len(f.What) == cube.MaxNamed {
			f.What = append(f.What, "the contacts' risks: and more of this kind")
		}
		if len(f.What) < cube.MaxNamed {
			f.What = append(f.What, fmt.Sprintf(format, args...))
		}
	}
	active, to := int64(0), uuid.UUID{}
	err := store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		dimensions, _ := r.Text(1)
		model, is := r.Text(2)
		if is {
			if _, err := decode([]byte(dimensions), []byte(model)); err != nil {
				wrong("the model %s of who answers how cannot be read: %v", r.Show(0), err)
			}
		}
		if scoredTo, ok := r.UUID(3); ok && is {
			active, _ = r.Int(0)
			to = scoredTo
		} else if ok {
			active = 0
		}
		return nil
	}, `SELECT number, dimensions, model, scored_to FROM risk_models WHERE tenant_id = $1 ORDER BY number`, tenant)
	if err != nil {
		return nil, err
	}
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		wrong("there are %s risks by the model %s, which is not there", r.Show(1), r.Show(0))
		return nil
	}, `SELECT r.model, count(*) FROM contact_risks r LEFT JOIN risk_models m ON m.tenant_id = r.tenant_id AND m.number = r.model
		WHERE r.tenant_id = $1 AND m.number IS NULL GROUP BY r.model ORDER BY r.model`, tenant)
	if err != nil {
		return nil, err
	}
	contact := func(r store.Raw) string {
		if u, ok := r.UUID(0); ok {
			return id.Contact.Format(u)
		}
		return r.Show(0)
	}
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		wrong("%s has the risk %s, which is none", contact(r), r.Show(1))
		return nil
	}, `SELECT contact_id, risk FROM contact_risks WHERE tenant_id = $1 AND NOT (risk BETWEEN 0 AND 1000000000) ORDER BY contact_id LIMIT 50`, tenant)
	if err != nil {
		return nil, err
	}
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		wrong("there is a risk of %s, who is not there", contact(r))
		return nil
	}, `SELECT r.contact_id FROM contact_risks r LEFT JOIN contacts c ON c.tenant_id = r.tenant_id AND c.id = r.contact_id
		WHERE r.tenant_id = $1 AND c.id IS NULL ORDER BY r.contact_id LIMIT 50`, tenant)
	if err != nil {
		return nil, err
	}
	if active != 0 {
		err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
			wrong("%s has no risk by the model %d, which says that they have", contact(r), active)
			return nil
		}, `SELECT c.id FROM contacts c LEFT JOIN contact_risks r ON r.tenant_id = c.tenant_id AND r.contact_id = c.id AND r.model = $2
			WHERE c.tenant_id = $1 AND c.id <= $3 AND r.contact_id IS NULL ORDER BY c.id LIMIT 50`, tenant, active, to)
		if err != nil {
			return nil, err
		}
	}
	if f.What == nil {
		return nil, nil
	}
	f.Mend = func(ctx context.Context, tx *store.Tx) (bool, error) {
		for _, table := range []string{"contact_risks", "risk_models"} {
			if _, err := tx.SQL.ExecContext(ctx, `DELETE FROM `+table+` WHERE tenant_id = $1`, tenant); err != nil {
				return false, fmt.Errorf("forgetting the %s: %w", table, err)
			}
		}
		return true, nil
	}
	return []cube.Fault{f}, nil
}

package cube

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
)

// maxHolders is more contacts than an operation can pay for.
const maxHolders = 1_000 * rate.HoldersPerPoint

// usualTraits is how many bytes of a contact's traits are paid for with the contact.
const usualTraits = 500

// Holders calls f with each value that contacts of the tenant hold under the key now, and with how many do; the value
// is nil where there is none. Values that most hold come first. It stops at f's first error.
//
// The contacts, and what is long about them before it is looked at, are paid for by rate.Spend, whose error it may return,
// and no more are gone through than an operation can pay for.
func Holders(ctx context.Context, db *store.DB, tenant uuid.UUID, key string, f func(value any, contacts int) error) error {
	// The JSON text, which tells the text "3" from the number 3.
	held := `CAST(traits AS TEXT) -> $2`
	if db.Dialect == store.Postgres {
		held = `CAST(traits -> CAST($2 AS text) AS text)`
	}
	size := `length(traits)` // of what SQLite keeps as bytes it is known without reading them
	if db.Dialect == store.Postgres {
		size = `pg_column_size(traits)`
	}
	unpaid, all := 0, 0
	err := db.Sift(ctx, func() error {
		err := each(ctx, db.Reader, func(rows *sql.Rows) error {
			var bytes, contacts int
			if err := rows.Scan(&bytes, &contacts); err != nil {
				return err
			}
			return rate.Spend(ctx, max(0, bytes-contacts*usualTraits)/rate.BytesPerPoint)
		}, `SELECT coalesce(sum(`+size+`), 0), count(*) FROM (SELECT traits FROM contacts WHERE tenant_id = $1 LIMIT $2) AS looked_at`, tenant, maxHolders)
		if err != nil {
			return err
		}
		return each(ctx, db.Reader, func(rows *sql.Rows) error {
			var text *string
			var contacts int
			if err := rows.Scan(&text, &contacts); err != nil {
				return err
			}
			if all += contacts; all >= maxHolders {
				return apierror.New(apierror.TooComplex, "There are %d contacts or more, and values of a trait can be counted of fewer: use breakdown.", maxHolders)
			}
			unpaid += contacts
			if n := unpaid / rate.HoldersPerPoint; n > 0 {
				unpaid -= n * rate.HoldersPerPoint
				if err := rate.Spend(ctx, n); err != nil {
					return err
				}
			}
			var value any
			if text != nil {
				if err := json.Unmarshal([]byte(*text), &value); err != nil {
					return fmt.Errorf("the value %s: %w", *text, err)
				}
			}
			return f(value, contacts)
		}, `SELECT `+held+` AS held, count(*) AS contacts FROM
		(SELECT traits FROM contacts WHERE tenant_id = $1 LIMIT $3) AS looked_at GROUP BY held ORDER BY contacts DESC, held`, tenant, key, maxHolders)
	})
	if err != nil {
		return fmt.Errorf("counting the holders of trait %s: %w", key, err)
	}
	return nil
}

package cube

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

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
// The contacts, and what is long about them, are paid for by rate.Spend before they are looked at, and no more are gone
// through than an operation can pay for. It may return the error of rate.Spend.
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
	// SQLite would sort what it groups, which takes longer than to bring it here.
	counted := `SELECT held, 1 FROM looked_at`
	if db.Dialect == store.Postgres {
		counted = `SELECT held, count(*) FROM looked_at GROUP BY held`
	}
	of := map[string]int{} // by JSON texts, none of which is empty; "" is for those who hold nothing
	err := db.Sift(ctx, func() error {
		err := each(ctx, db.Reader, func(rows *sql.Rows) error {
			var bytes, contacts int
			if err := rows.Scan(&bytes, &contacts); err != nil {
				return err
			}
			if contacts >= maxHolders {
				return apierror.New(apierror.TooComplex, "There are %d contacts or more, and values of a trait can be counted of fewer: use breakdown.", maxHolders)
			}
			return rate.Spend(ctx, contacts/rate.HoldersPerPoint+max(0, bytes-contacts*usualTraits)/rate.BytesPerPoint)
		}, `SELECT coalesce(sum(`+size+`), 0), count(*) FROM (SELECT traits FROM contacts WHERE tenant_id = $1 LIMIT $2) AS looked_at`, tenant, maxHolders)
		if err != nil {
			return err
		}
		return each(ctx, db.Reader, func(rows *sql.Rows) error {
			var text sql.RawBytes
			var contacts int
			if err := rows.Scan(&text, &contacts); err != nil {
				return err
			}
			of[string(text)] += contacts
			return nil
		}, `WITH looked_at AS (SELECT `+held+` AS held FROM (SELECT traits FROM contacts WHERE tenant_id = $1 LIMIT $3) AS all_of_them) `+counted, tenant, key, maxHolders)
	})
	if err == nil {
		err = inOrder(of, f)
	}
	if err != nil {
		return fmt.Errorf("counting the holders of trait %s: %w", key, err)
	}
	return nil
}

// inOrder calls f with values by their JSON texts, those that most hold first.
func inOrder(of map[string]int, f func(value any, contacts int) error) error {
	texts := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b))
	})
	for _, text := range texts {
		var value any
		if text != "" {
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				return fmt.Errorf("the value %s: %w", text, err)
			}
		}
		if err := f(value, of[text]); err != nil {
			return err
		}
	}
	return nil
}

package cube

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/store"
)

// Holders calls f with each value that contacts of the tenant hold under the key now, and with how many do; the value
// is nil where there is none. Values that most hold come first. It stops at f's first error.
func Holders(ctx context.Context, db *store.DB, tenant uuid.UUID, key string, f func(value any, contacts int) error) error {
	// The JSON text, which tells the text "3" from the number 3.
	held := `CAST(traits AS TEXT) -> $2`
	if db.Dialect == store.Postgres {
		held = `CAST(traits -> CAST($2 AS text) AS text)`
	}
	err := each(ctx, db.Reader, func(rows *sql.Rows) error {
		var text *string
		var contacts int
		if err := rows.Scan(&text, &contacts); err != nil {
			return err
		}
		var value any
		if text != nil {
			if err := json.Unmarshal([]byte(*text), &value); err != nil {
				return fmt.Errorf("the value %s: %w", *text, err)
			}
		}
		return f(value, contacts)
	}, `SELECT `+held+` AS held, count(*) AS contacts FROM contacts WHERE tenant_id = $1
		GROUP BY held ORDER BY contacts DESC, held`, tenant, key)
	if err != nil {
		return fmt.Errorf("counting the holders of trait %s: %w", key, err)
	}
	return nil
}

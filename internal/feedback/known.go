package feedback

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
)

// Known says which of the idempotency keys the caller's tenant has used, in their order. It is for previews: by the time
// that something is recorded it may be otherwise.
func Known(ctx context.Context, db *store.DB, keys []string) ([]bool, error) {
	hashes := make([][]byte, len(keys))
	at := make(map[[sha256.Size]byte][]int, len(keys))
	for i, key := range keys {
		hash := name(key)
		hashes[i], at[hash] = hash[:], append(at[hash], i)
	}
	rows, err := db.Query(ctx, `SELECT key FROM idempotency_keys WHERE `+store.Keyed(db.Dialect, "", "key", "bytea", "$1", "$2"),
		auth.Tenant(ctx), store.Blobs(db.Dialect, hashes))
	if err != nil {
		return nil, fmt.Errorf("looking for idempotency keys: %w", err)
	}
	defer rows.Close()
	known := make([]bool, len(keys))
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return nil, fmt.Errorf("looking for idempotency keys: %w", err)
		}
		for _, i := range at[[sha256.Size]byte(key)] {
			known[i] = true
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("looking for idempotency keys: %w", err)
	}
	return known, nil
}

package outreach

import (
	"context"

	"github.com/google/uuid"
)

// Take takes so many invitations, and gives how many are whose, and whose turn was last.
func Take(ctx context.Context, d *Desk, most int, after uuid.UUID) (of map[uuid.UUID]int, next uuid.UUID, n int) {
	all, next, err := d.take(ctx, most, after)
	if err != nil {
		panic(err)
	}
	of = map[uuid.UUID]int{}
	for _, t := range all {
		of[t.tenant]++
	}
	return of, next, len(all)
}

// DueOf is dueOf.
func DueOf(dialect, invitations, tenant, now string) string {
	return dueOf(dialect, invitations, tenant, now)
}

package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	enttenant "github.com/zeroten/zeroten/ent/tenant"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// Choose finds the tenant that is meant by an id or a name; where neither is given, the only one that there is.
func Choose(ctx context.Context, db *store.DB, named string) (uuid.UUID, error) {
	ctx = auth.ForSystem(ctx)
	q := db.Ent.Tenant.Query().Order(ent.Asc(enttenant.FieldID)).Limit(20)
	if u, err := id.Tenant.Parse(named); err == nil {
		q = q.Where(enttenant.ID(u))
	} else if named != "" {
		q = q.Where(enttenant.Name(named))
	}
	found, err := q.All(ctx)
	if err != nil {
		return uuid.Nil, fmt.Errorf("looking for the tenant: %w", err)
	}
	switch {
	case len(found) == 1:
		return found[0].ID, nil
	case len(found) > 1:
		names := make([]string, len(found))
		for i, t := range found {
			names[i] = fmt.Sprintf("%s (%s)", t.Name, t.NodeID())
		}
		return uuid.Nil, fmt.Errorf("there are several tenants, say which with --tenant: %s", strings.Join(names, ", "))
	case named != "":
		return uuid.Nil, fmt.Errorf("there is no tenant %q", named)
	}
	return uuid.Nil, errors.New("there is no tenant yet: make one with `zeroten tenant create NAME`")
}

package selection

import (
	"context"
	"fmt"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

// Finder finds responses by id.
type Finder struct {
	states *settings.States
	gather *store.Gather[owned, *ent.Response]
}

// owned is an id and whose it is.
type owned struct{ tenant, id uuid.UUID }

// NewFinder makes a Finder.
func NewFinder(db *store.DB, states *settings.States) *Finder {
	return &Finder{states: states, gather: store.NewGather(func(ctx context.Context, keys []owned) (map[owned]*ent.Response, error) {
		byTenant := map[uuid.UUID][]uuid.UUID{}
		for _, k := range keys {
			byTenant[k.tenant] = append(byTenant[k.tenant], k.id)
		}
		found := make(map[owned]*ent.Response, len(keys))
		for tenant, ids := range byTenant {
			rows, err := db.Ent.Response.Query().Where(func(s *sql.Selector) {
				s.Where(store.IDIn(s, ids))
			}).All(auth.ForTenant(ctx, tenant))
			if err != nil {
				return nil, fmt.Errorf("reading responses: %w", err)
			}
			for _, r := range rows {
				found[owned{tenant, r.ID}] = r
			}
		}
		return found, nil
	})}
}

// Get finds a response of the caller's tenant; nil where none is visible to the caller.
func (f *Finder) Get(ctx context.Context, id uuid.UUID) (*ent.Response, error) {
	caller, ok := auth.From(ctx)
	if !ok {
		return nil, nil
	}
	r, err := f.gather.Get(ctx, owned{caller.Tenant, id})
	if r == nil || err != nil {
		return nil, err
	}
	long := r.Traits.Bytes()
	if r.Comment != nil {
		long += len(*r.Comment)
	}
	if err := store.Weigh(ctx, long); err != nil {
		return nil, err
	}
	if caller.Narrowing.IsZero() {
		return r, nil
	}
	visible, err := Visible(ctx, f.states, []*ent.Response{r})
	if err != nil || !visible[0] {
		return nil, err
	}
	return r, nil
}

// Package schema declares the entities. The rest of ent/ is generated from it.
package schema

import (
	"context"
	"errors"
	"fmt"

	"entgo.io/ent"
	"entgo.io/ent/entql"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/mixin"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent/privacy"
	"github.com/zeroten/zeroten/internal/auth"
)

// ErrNoCaller is returned where rows are asked for, or written, on nobody's behalf.
var ErrNoCaller = errors.New("no caller in the context: no rows")

// Owned is mixed into every entity that belongs to a tenant.
//
// Reading, updating and deleting see the caller's tenant alone; creating sets it. There are no ent edges, whose
// predicates would look across tenants: references are plain ids with foreign keys over (tenant_id, id), so that the
// database itself refuses one into another tenant.
type Owned struct{ mixin.Schema }

// Fields of Owned.
func (Owned) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("tenant_id", uuid.UUID{}).Immutable(),
	}
}

// Policy of Owned.
func (Owned) Policy() ent.Policy {
	return privacy.Policy{
		Query:    privacy.QueryPolicy{privacy.FilterFunc(onlyOwn)},
		Mutation: privacy.MutationPolicy{privacy.FilterFunc(onlyOwn)},
	}
}

// Hooks of Owned.
func (Owned) Hooks() []ent.Hook {
	return []ent.Hook{setTenant}
}

func onlyOwn(ctx context.Context, f privacy.Filter) error {
	if auth.IsSystem(ctx) {
		return privacy.Skip
	}
	caller, ok := auth.From(ctx)
	if !ok {
		return ErrNoCaller
	}
	owned, ok := f.(interface{ WhereTenantID(entql.ValueP) })
	if !ok {
		return fmt.Errorf("%T has no tenant to filter by", f)
	}
	owned.WhereTenantID(entql.ValueEQ(caller.Tenant))
	return privacy.Skip
}

// narrowed is a policy that adds what the caller is narrowed to; Owned's own applies besides. So whatever query forgets
// to ask is narrowed all the same, by all that the database can tell.
func narrowed(predicate func(auth.Narrowing) entql.P) privacy.Policy {
	filter := privacy.FilterFunc(func(ctx context.Context, f privacy.Filter) error {
		if auth.IsSystem(ctx) {
			return privacy.Skip
		}
		if p := predicate(auth.Narrowed(ctx)); p != nil {
			f.Where(p)
		}
		return privacy.Skip
	})
	return privacy.Policy{Query: privacy.QueryPolicy{filter}, Mutation: privacy.MutationPolicy{filter}}
}

// inCampaigns is the predicate that a field names one of the caller's campaigns; nil where those are all.
func inCampaigns(field string, n auth.Narrowing) entql.P {
	if n.Campaigns == nil {
		return nil
	}
	// A list must have an element, and there is no zero id.
	ids := []any{uuid.Nil}
	for _, c := range n.Campaigns {
		ids = append(ids, c)
	}
	return entql.FieldIn(field, ids...)
}

// none is the predicate that nothing fulfils, for who is narrowed at all.
func none(n auth.Narrowing) entql.P {
	if n.IsZero() {
		return nil
	}
	return entql.FieldEQ("id", uuid.Nil)
}

func setTenant(next ent.Mutator) ent.Mutator {
	return ent.MutateFunc(func(ctx context.Context, m ent.Mutation) (ent.Value, error) {
		if !m.Op().Is(ent.OpCreate) {
			return next.Mutate(ctx, m)
		}
		caller, ok := auth.From(ctx)
		if !ok {
			return nil, ErrNoCaller
		}
		owned, ok := m.(interface {
			TenantID() (uuid.UUID, bool)
			SetTenantID(uuid.UUID)
		})
		if !ok {
			return nil, fmt.Errorf("%T has no tenant to set", m)
		}
		if given, ok := owned.TenantID(); ok && given != caller.Tenant {
			return nil, fmt.Errorf("creating a %s for another tenant than the caller's", m.Type())
		}
		owned.SetTenantID(caller.Tenant)
		return next.Mutate(ctx, m)
	})
}

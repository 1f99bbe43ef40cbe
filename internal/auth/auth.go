// Package auth knows who is calling and what they may do.
package auth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Scope is what a key may do.
type Scope string

// The scopes. COLLECT, READ, MANAGE and ADMIN each include those before them; OPERATOR stands apart.
const (
	Collect  Scope = "COLLECT"
	Read     Scope = "READ"
	Manage   Scope = "MANAGE"
	Admin    Scope = "ADMIN"
	Operator Scope = "OPERATOR"
)

// AllScopes lists the scopes in the order of the schema.
func AllScopes() []Scope { return []Scope{Collect, Read, Manage, Admin, Operator} }

// ParseScope reads a scope's name.
func ParseScope(text string) (Scope, error) {
	if s := Scope(text); slices.Contains(AllScopes(), s) {
		return s, nil
	}
	return "", fmt.Errorf("unknown scope %q: want one of %v", text, AllScopes())
}

// Includes reports whether a key with scope s may do what needs the scope want.
func (s Scope) Includes(want Scope) bool {
	if s == Operator || want == Operator {
		return s == want
	}
	order := AllScopes()
	return slices.Index(order, s) >= slices.Index(order, want)
}

// Caller is the holder of a key, or of a token that a key gave out.
type Caller struct {
	// Tenant is the zero UUID for an operator.
	Tenant uuid.UUID
	// Key is the zero UUID where the program itself is calling. A token's is the key that gave it out.
	Key    uuid.UUID
	Scopes []Scope
	// ExpiresAt is when the key or token ends; nil where it does not end by itself.
	ExpiresAt *time.Time
	// Token says that it is a token's holder.
	Token bool
	// Narrowing is what part of the tenant's feedback is visible to the caller.
	Narrowing Narrowing
	// Mask hides positions of the log from a caller that is narrowed, who would know by them how much there is besides.
	Mask [16]byte
}

// Narrowing is a part of a tenant's feedback: for whoever is narrowed to it there is nothing else. The zero value is
// all of it.
type Narrowing struct {
	// Campaigns, where not nil, are the only ones that there are.
	Campaigns []uuid.UUID
	// Segment, where not the zero UUID, is the saved segment that responses are in.
	Segment uuid.UUID
}

// IsZero reports whether nothing is narrowed.
func (n Narrowing) IsZero() bool { return n.Campaigns == nil && n.Segment == uuid.Nil }

// Campaign reports whether there is this campaign.
func (n Narrowing) Campaign(campaign uuid.UUID) bool {
	return n.Campaigns == nil || slices.Contains(n.Campaigns, campaign)
}

// Narrowed is what the context's caller is narrowed to.
func Narrowed(ctx context.Context) Narrowing {
	c, _ := From(ctx)
	return c.Narrowing
}

// May reports whether the caller may do what needs the scope. For a narrowed caller no scope includes another: who could
// read and record as well could record something in somebody's name, and then read what is known about them.
func (c Caller) May(want Scope) bool {
	if !c.Narrowing.IsZero() {
		return slices.Contains(c.Scopes, want)
	}
	return slices.ContainsFunc(c.Scopes, func(s Scope) bool { return s.Includes(want) })
}

type callerKey struct{}

type systemKey struct{}

// With puts the caller into the context.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From returns the context's caller, if it has one.
func From(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// Tenant returns the caller's tenant; the zero UUID where there is none.
func Tenant(ctx context.Context) uuid.UUID {
	c, _ := From(ctx)
	return c.Tenant
}

// ForTenant makes the program itself the caller, with all rights within one tenant.
func ForTenant(ctx context.Context, tenant uuid.UUID) context.Context {
	return With(ctx, Caller{Tenant: tenant, Scopes: []Scope{Admin}})
}

// ForSystem lets the program see all tenants: to look up a key before there is a caller, to list tenants.
func ForSystem(ctx context.Context) context.Context {
	return context.WithValue(ctx, systemKey{}, true)
}

// IsSystem reports whether the context came from ForSystem.
func IsSystem(ctx context.Context) bool {
	system, _ := ctx.Value(systemKey{}).(bool)
	return system
}

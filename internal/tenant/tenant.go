// Package tenant knows the companies that measure their loyalty, and the keys that let their programs in.
package tenant

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/store"
)

// Limits, in characters.
const (
	MaxName     = 200
	MaxIndustry = 100
	MaxKeyName  = 100
)

// CreateInput is a tenant to make.
type CreateInput struct {
	Name string
	// TimeZone is an IANA name.
	TimeZone string
	// Industry where nil was not named.
	Industry *string
}

// Create makes a tenant, its first cube, and its first ADMIN key with the secret that lets its holder in. It is up to
// the caller of this function who may do so. The error is UserErrors for what can be mended.
func Create(ctx context.Context, db *store.DB, in CreateInput) (created *ent.Tenant, secret string, err error) {
	errs := Validate(&in.Name, in.Industry)
	if _, err := calendar.LoadZone(in.TimeZone); err != nil {
		errs.Add(apierror.Invalid, []string{"timeZone"}, "%v.", err)
	}
	if err := errs.Err(); err != nil {
		return nil, "", err
	}
	err = db.Write(ctx, func(tx *store.Tx) (err error) {
		created, secret, err = create(ctx, tx, in)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("making a tenant: %w", err)
	}
	return created, secret, nil
}

// First makes a tenant where there is none, whoever else does so at the same time, and has the secret of its ADMIN key
// shown. It is made only once that was shown: killed in between, the program makes another one at its next start, and
// nobody has a tenant without a key.
func First(ctx context.Context, db *store.DB, show func(secret string) error) error {
	system := auth.ForSystem(ctx)
	n, err := db.Ent.Tenant.Query().Count(system)
	if err != nil {
		return fmt.Errorf("counting tenants: %w", err)
	}
	if n > 0 {
		return nil
	}
	err = db.WriteAlone(ctx, func(tx *store.Tx) error {
		if n, err = tx.Ent.Tenant.Query().Count(system); err != nil || n > 0 {
			return err
		}
		_, secret, err := create(ctx, tx, CreateInput{Name: "My company", TimeZone: "UTC"})
		if err != nil {
			return err
		}
		return show(secret)
	})
	if err != nil {
		return fmt.Errorf("making the first tenant: %w", err)
	}
	return nil
}

func create(ctx context.Context, tx *store.Tx, in CreateInput) (created *ent.Tenant, secret string, err error) {
	created, err = tx.Ent.Tenant.Create().
		SetName(in.Name).SetTimeZone(in.TimeZone).SetNillableIndustry(in.Industry).Save(auth.ForSystem(ctx))
	if err != nil {
		return nil, "", err
	}
	if err := cube.Create(ctx, tx, created.ID, in.TimeZone); err != nil {
		return nil, "", err
	}
	_, secret, err = createKey(auth.ForTenant(ctx, created.ID), tx, "First ADMIN key", []auth.Scope{auth.Admin}, nil)
	return created, secret, err
}

// Validate says what is wrong with a tenant's name and industry; what is nil is not given.
func Validate(name, industry *string) apierror.UserErrors {
	var errs apierror.UserErrors
	errs.Filled(MaxName, name, "name")
	errs.FilledOrNone(MaxIndustry, industry, "industry")
	return errs
}

// Get finds a tenant that the caller may see, its own; nil where there is none.
func Get(ctx context.Context, db *store.DB, id uuid.UUID) (*ent.Tenant, error) {
	found, err := db.Ent.Tenant.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding a tenant: %w", err)
	}
	return found, nil
}

// List pages through all tenants there are, newest first. It is up to the caller of this function who may do so.
func List(ctx context.Context, db *store.DB, args page.Args) (*page.Connection[*ent.Tenant], error) {
	list, err := page.Of(ctx, args, page.Order{List: "tenants", Desc: true},
		func(t *ent.Tenant) page.Key { return page.Key{ID: t.ID} },
		func(ctx context.Context, w page.Window) ([]*ent.Tenant, error) {
			return db.Ent.Tenant.Query().Where(w.Apply).All(auth.ForSystem(ctx))
		},
		func(ctx context.Context) (int, error) { return db.Ent.Tenant.Query().Count(auth.ForSystem(ctx)) })
	if err != nil {
		return nil, fmt.Errorf("listing tenants: %w", err)
	}
	return list, nil
}

// Connection is a page of tenants, as the API has it.
type Connection = page.Connection[*ent.Tenant]

// Edge is a row of such a page.
type Edge = page.Edge[*ent.Tenant]

package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/tenant"
)

// TenantFlag names a tenant.
type TenantFlag struct {
	Tenant string `env:"ZEROTEN_TENANT" placeholder:"NAME" help:"The tenant, by id or name; not needed where there is one."`
}

// KeyCmd is `zeroten key`.
type KeyCmd struct {
	Create KeyCreateCmd `cmd:"" help:"Create a key; prints nothing but its secret, this once."`
	List   KeyListCmd   `cmd:"" help:"List the keys."`
	Revoke KeyRevokeCmd `cmd:"" help:"Revoke a key; takes effect everywhere within a second."`
}

// KeyCreateCmd is `zeroten key create`.
type KeyCreateCmd struct {
	TenantFlag `embed:""`
	Scope      []string      `env:"ZEROTEN_KEY_SCOPE" default:"READ" help:"What it may do: COLLECT, READ, MANAGE, ADMIN, or OPERATOR for a key that belongs to no tenant (default ${default})."`
	Name       string        `env:"ZEROTEN_KEY_NAME" default:"From the command line" help:"What it is for."`
	Expires    time.Duration `env:"ZEROTEN_KEY_EXPIRES" help:"When it expires, from now, e.g. 720h; never by default."`
}

// Run makes a key and prints its secret.
func (c *KeyCreateCmd) Run(ctx context.Context, g *Globals) error {
	in, err := c.input(time.Now())
	if err != nil {
		return err
	}
	open := g.withExisting // without a tenant there is nobody to have the key
	if slices.Contains(in.Scopes, auth.Operator) {
		open = g.with
	}
	return open(ctx, func(a *App) error {
		secret, err := c.create(ctx, a, in)
		if err != nil {
			return err
		}
		return g.print("%s\n", secret)
	})
}

// input is the key that is asked for. Nothing is opened before it is known to be a good one.
func (c *KeyCreateCmd) input(now time.Time) (in tenant.CreateKeyInput, err error) {
	in.Name = c.Name
	for _, text := range c.Scope {
		scope, err := auth.ParseScope(strings.ToUpper(strings.TrimSpace(text)))
		if err != nil {
			return in, usage("--scope: %w", err)
		}
		in.Scopes = append(in.Scopes, scope)
	}
	if c.Expires != 0 {
		in.ExpiresAt = new(now.Add(c.Expires))
	}
	if slices.Contains(in.Scopes, auth.Operator) {
		if len(in.Scopes) > 1 || c.Tenant != "" || c.Expires != 0 {
			return in, usage("--scope: an operator's key has no other scope, belongs to no --tenant and has no --expires")
		}
		return in, named(tenant.ValidateKeyName(c.Name))
	}
	if c.Expires < 0 {
		return in, usage("--expires: %s is in the past", c.Expires)
	}
	return in, named(in.Validate(now))
}

// named turns what is wrong with fields into what is wrong with the flags of their names.
func named(errs apierror.UserErrors) error {
	if errs == nil {
		return nil
	}
	texts := make([]string, len(errs))
	for i, e := range errs {
		texts[i] = e.Message
		if len(e.Field) > 0 {
			texts[i] = "--" + strings.TrimSuffix(e.Field[0], "s") + ": " + e.Message
		}
	}
	return usage("%s", strings.Join(texts, " "))
}

func (c *KeyCreateCmd) create(ctx context.Context, a *App, in tenant.CreateKeyInput) (secret string, err error) {
	if slices.Contains(in.Scopes, auth.Operator) {
		_, secret, err = tenant.CreateOperatorKey(ctx, a.DB, c.Name)
		return secret, err
	}
	ctx, _, err = a.As(ctx, c.Tenant)
	if err != nil {
		return "", err
	}
	_, secret, err = tenant.CreateKey(ctx, a.DB, in)
	return secret, err
}

// Holder says whose keys are meant.
type Holder struct {
	TenantFlag `embed:""`
	Operator   bool `env:"ZEROTEN_OPERATOR" help:"The operators' keys, which belong to no tenant."`
}

func (h *Holder) as(ctx context.Context, a *App) (context.Context, error) {
	if h.Operator {
		return auth.With(ctx, auth.Caller{Scopes: []auth.Scope{auth.Operator}}), nil
	}
	ctx, _, err := a.As(ctx, h.Tenant)
	return ctx, err
}

// KeyListCmd is `zeroten key list`.
type KeyListCmd struct {
	Holder `embed:""`
}

// Run lists a tenant's keys.
func (c *KeyListCmd) Run(ctx context.Context, g *Globals) error {
	return g.withExisting(ctx, func(a *App) error {
		ctx, err := c.as(ctx, a)
		if err != nil {
			return err
		}
		keys, err := a.DB.Ent.ApiKey.Query().Order(ent.Asc("id")).All(ctx)
		if err != nil {
			return fmt.Errorf("listing keys: %w", err)
		}
		for _, key := range keys {
			state := "valid"
			switch {
			case key.RevokedAt != nil:
				state = "revoked " + key.RevokedAt.Format(time.RFC3339)
			case key.ExpiresAt != nil && !time.Now().Before(*key.ExpiresAt):
				state = "expired " + key.ExpiresAt.Format(time.RFC3339)
			case key.ExpiresAt != nil:
				state = "expires " + key.ExpiresAt.Format(time.RFC3339)
			}
			if err := g.print("%s  %s…  %v  %s  %s\n", key.NodeID(), key.Hint, key.Scopes, state, key.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// KeyRevokeCmd is `zeroten key revoke`.
type KeyRevokeCmd struct {
	Holder `embed:""`
	ID     string `arg:"" help:"The key's id, from list."`
}

// Run revokes a key.
func (c *KeyRevokeCmd) Run(ctx context.Context, g *Globals) error {
	if _, err := id.ApiKey.Parse(c.ID); err != nil {
		return usage("%.60q is no id of a key, which `zeroten key list` shows: %w", c.ID, err)
	}
	return g.withExisting(ctx, func(a *App) error {
		ctx, err := c.as(ctx, a)
		if err != nil {
			return err
		}
		key, err := tenant.RevokeKey(ctx, a.DB, tenant.RevokeKeyInput{ID: c.ID})
		if errs := (apierror.UserErrors)(nil); errors.As(err, &errs) {
			return fmt.Errorf("there is no key %s here: `zeroten key list` shows those there are", c.ID)
		}
		if err != nil {
			return err
		}
		return g.print("revoked %s\n", key.NodeID())
	})
}

// TenantCmd is `zeroten tenant`.
type TenantCmd struct {
	Create TenantCreateCmd `cmd:"" help:"Create a tenant; prints the secret of its ADMIN key, this once."`
	List   TenantListCmd   `cmd:"" help:"List the tenants."`
}

// TenantCreateCmd is `zeroten tenant create`.
type TenantCreateCmd struct {
	Name     string `arg:"" help:"The company's name."`
	TimeZone string `env:"ZEROTEN_TIME_ZONE" default:"UTC" help:"Where its days begin: an IANA name (default ${default})."`
}

// Run makes a tenant and prints its first secret.
func (c *TenantCreateCmd) Run(ctx context.Context, g *Globals) error {
	if errs := tenant.Validate(&c.Name, nil); errs != nil {
		return usage("<name>: %s", errs[0].Message)
	}
	if _, err := calendar.LoadZone(c.TimeZone); err != nil {
		return usage("--time-zone: %w", err)
	}
	return g.with(ctx, func(a *App) error {
		_, secret, err := tenant.Create(ctx, a.DB, tenant.CreateInput{Name: c.Name, TimeZone: c.TimeZone})
		if err != nil {
			return err
		}
		return g.print("%s\n", secret)
	})
}

// TenantListCmd is `zeroten tenant list`.
type TenantListCmd struct{}

// Run lists all tenants.
func (*TenantListCmd) Run(ctx context.Context, g *Globals) error {
	return g.withExisting(ctx, func(a *App) error {
		tenants, err := a.DB.Ent.Tenant.Query().Order(ent.Asc("id")).All(auth.ForSystem(ctx))
		if err != nil {
			return fmt.Errorf("listing tenants: %w", err)
		}
		for _, t := range tenants {
			if err := g.print("%s  %s  %s\n", t.NodeID(), t.TimeZone, t.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

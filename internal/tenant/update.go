package tenant

import (
	"context"
	"fmt"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

// UpdateInput changes the caller's tenant; what is nil stays.
type UpdateInput struct {
	Name, TimeZone, Industry *string
	// AllowedOrigins take the place of those before, and none clears them; nil leaves them.
	AllowedOrigins []string
	// MinGroupSize is 1 to MaxMinGroupSize.
	MinGroupSize *int
}

// MaxMinGroupSize is how large groups may have to be at most before those are shown to who is narrowed.
const MaxMinGroupSize = 1_000

// Update changes the caller's tenant. Another zone begins a rebuild of its cube, and answers once that is whole. The
// error is UserErrors for what can be mended.
func Update(ctx context.Context, db *store.DB, builder *cube.Builder, in UpdateInput) (*ent.Tenant, error) {
	errs := Validate(in.Name, in.Industry)
	if in.TimeZone != nil {
		if _, err := calendar.LoadZone(*in.TimeZone); err != nil {
			errs.Add(apierror.Invalid, []string{"timeZone"}, "%v.", err)
		}
	}
	if n := in.MinGroupSize; n != nil && (*n < 1 || *n > MaxMinGroupSize) {
		errs.Add(apierror.OutOfRange, []string{"minGroupSize"}, "1 to %d, not %d.", MaxMinGroupSize, *n)
	}
	origins, wrong := parseOrigins(in.AllowedOrigins)
	if err := append(errs, wrong...).Err(); err != nil {
		return nil, err
	}
	tenant := auth.Tenant(ctx)
	var saved *ent.Tenant
	err := db.WriteSettings(ctx, tenant, func(tx *store.Tx) error {
		update := tx.Ent.Tenant.UpdateOneID(tenant).SetNillableName(in.Name).
			SetNillableIndustry(in.Industry).SetNillableTimeZone(in.TimeZone).SetNillableMinGroupSize(in.MinGroupSize)
		switch {
		case len(origins) > 0:
			update.SetAllowedOrigins(origins)
		case in.AllowedOrigins != nil:
			update.ClearAllowedOrigins()
		}
		var err error
		if saved, err = update.Save(ctx); err != nil {
			return err
		}
		return settings.Reshape(ctx, tx, builder, tenant)
	})
	if err != nil {
		return nil, fmt.Errorf("updating the tenant: %w", err)
	}
	return saved, nil
}

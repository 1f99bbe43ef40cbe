package survey

import (
	"context"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/tenant"
)

// NameContact makes a token that names somebody to the caller's tenant's widgets, for so many seconds. They are created, or brought up to
// date, as by feedback.Log.Upsert. The error is UserErrors for what the caller can mend, and FORBIDDEN for a caller who holds no key.
func NameContact(ctx context.Context, db *store.DB, log *feedback.Log, in contact.Input, seconds int, now time.Time) (token string, expiresAt time.Time, err error) {
	if err := tenant.MayNameContacts(ctx); err != nil {
		return "", expiresAt, err
	}
	errs := append(in.Validate().Under("contact"), tenant.CheckContactTokenLife(seconds)...)
	if err := errs.Err(); err != nil {
		return "", expiresAt, err
	}
	for range 3 {
		out, err := log.Upsert(ctx, []contact.Input{in})
		if err != nil {
			return "", expiresAt, err
		}
		if err := out[0].Errors.Under("contact").Err(); err != nil {
			return "", expiresAt, err
		}
		// Whoever may not read is told another id than theirs, which the token must not show either.
		email := in.Email
		if in.ExternalID != nil {
			email = nil
		}
		named, err := contact.Find(auth.ForTenant(ctx, auth.Tenant(ctx)), db, nil, nil, in.ExternalID, email)
		if err != nil {
			return "", expiresAt, err
		}
		if named != nil {
			return tenant.NameContact(ctx, db, named.ID, seconds, now)
		}
		// Erased in between.
	}
	return "", expiresAt, apierror.New(apierror.Overloaded, "The contact is being erased; try again.")
}

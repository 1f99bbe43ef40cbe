// Package doctor looks for what is stored and should not be. It knows no rule of its own: it asks the packages that do.
//
// Each tenant is checked by itself, and each check by itself, so that what cannot be read hides nothing else.
package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// Finding is a line of what is wrong.
type Finding struct {
	// Tenant is the id and the name of whose it is, or says that it is nobody's.
	Tenant string
	What   string
	// Mended says that it is right now.
	Mended bool
}

// Check looks at everything, and calls found with what is wrong. It reads each tenant in a snapshot of its own and changes
// nothing, so that a server may go on. With repair it then mends what it knows how to, each fault in a transaction of its
// own under the tenant's lock, so that nobody who records waits for longer than one takes. It returns how many tenants it
// has seen.
func Check(ctx context.Context, db *store.DB, repair bool, found func(Finding) error) (tenants int, err error) {
	d := &doctor{db: db, repair: repair, found: found}
	all, err := d.everybody(ctx)
	if err != nil {
		return 0, err
	}
	for _, t := range all {
		if err := d.tenant(auth.ForTenant(ctx, t.id), t); err != nil {
			return len(all), err
		}
	}
	return len(all), nil
}

type doctor struct {
	db     *store.DB
	repair bool
	found  func(Finding) error
}

// patient is a tenant.
type patient struct {
	id   uuid.UUID
	name string
}

func (p patient) String() string { return id.Tenant.Format(p.id) + " " + p.name }

// everybody lists the tenants, and checks what belongs to none of them.
func (d *doctor) everybody(ctx context.Context) (all []patient, err error) {
	var faults []cube.Fault
	err = d.db.Snapshot(ctx, func(tx *store.Tx) error {
		err := store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
			u, ok := r.UUID(0)
			if !ok {
				faults = append(faults, cube.Faultf("a tenant has the id %s, and the name %s", r.Show(0), r.Show(1)))
				return nil
			}
			name, ok := r.Text(1)
			if !ok {
				name = r.Show(1)
			}
			all = append(all, patient{u, name})
			return nil
		}, `SELECT id, name FROM tenants ORDER BY id`)
		if err != nil {
			return fmt.Errorf("listing tenants: %w", err)
		}
		for _, t := range tables {
			if t.name == "tenants" {
				continue
			}
			faults = append(faults, d.attempt(ctx, tx, "rows of "+t.name+" that belong to no tenant", func() ([]cube.Fault, error) {
				return strays(ctx, tx, t)
			})...)
		}
		// Operators' keys belong to the zero tenant.
		faults = append(faults, d.attempt(ctx, tx, "operators' keys", func() ([]cube.Fault, error) {
			return rows(ctx, tx, table{name: "api_keys", columns: apiKeyColumns}, uuid.UUID{})
		})...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, d.tell("the database", false, faults)
}

// attempt makes a check that cannot be made a fault of its own.
func (d *doctor) attempt(ctx context.Context, tx *store.Tx, name string, check func() ([]cube.Fault, error)) (faults []cube.Fault) {
	err := tx.Check(ctx, func() (err error) {
		faults, err = check()
		return err
	})
	if err != nil {
		faults = append(faults, cube.Faultf("%s could not be checked: %v", name, err))
	}
	return faults
}

// tenant checks one. What was mended may have been the cause of more, so that it is then looked at again.
func (d *doctor) tenant(ctx context.Context, p patient) error {
	faults, err := d.examine(ctx, p)
	if err != nil || !d.repair {
		return errors.Join(err, d.tell(p.String(), false, faults))
	}
	left := faults[:0:0]
	for _, f := range faults {
		mended, err := d.mend(ctx, p, f)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			f.What = append(f.What, fmt.Sprintf("mending that failed: %v", err))
		}
		if !mended {
			left = append(left, f)
			continue
		}
		if err := d.tell(p.String(), true, []cube.Fault{f}); err != nil {
			return err
		}
	}
	if len(left) > 0 && len(left) < len(faults) {
		if left, err = d.examine(ctx, p); err != nil {
			return err
		}
	}
	return d.tell(p.String(), false, left)
}

// mend puts a fault right in a transaction of its own, if it is known how.
func (d *doctor) mend(ctx context.Context, p patient, f cube.Fault) (mended bool, err error) {
	if f.Mend == nil {
		return false, nil
	}
	err = d.db.WriteSettings(ctx, p.id, func(tx *store.Tx) error {
		return tx.Check(ctx, func() (err error) {
			mended, err = f.Mend(ctx, tx)
			return err
		})
	})
	return mended && err == nil, err
}

func (d *doctor) examine(ctx context.Context, p patient) (faults []cube.Fault, err error) {
	err = d.db.Snapshot(ctx, func(tx *store.Tx) error {
		for _, t := range tables {
			faults = append(faults, d.attempt(ctx, tx, "the table "+t.name, func() ([]cube.Fault, error) { return rows(ctx, tx, t, p.id) })...)
		}
		for _, r := range references {
			faults = append(faults, d.attempt(ctx, tx, r.what, func() ([]cube.Fault, error) { return r.check(ctx, tx, p.id) })...)
		}
		faults = append(faults, d.attempt(ctx, tx, "the segments", func() ([]cube.Fault, error) { return segments(ctx, tx, p.id) })...)
		log, err := feedback.Examine(ctx, d.db, tx, p.id)
		if err != nil {
			return err
		}
		cells := d.attempt(ctx, tx, "the cells", func() ([]cube.Fault, error) { return cube.Examine(ctx, d.db, tx, p.id, log.Witness) })
		faults = append(append(faults, log.Faults()...), cells...)
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("checking %s: %w", p, err)
	}
	return faults, nil
}

func (d *doctor) tell(whose string, mended bool, faults []cube.Fault) error {
	for _, f := range faults {
		for _, what := range f.What {
			if err := d.found(Finding{Tenant: whose, What: what, Mended: mended}); err != nil {
				return err
			}
		}
	}
	return nil
}

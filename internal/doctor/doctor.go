// Package doctor looks for what is stored and should not be. It knows no rule of its own: it asks the packages that do.
//
// Each tenant is checked by itself, and each check by itself, so that what cannot be read hides nothing else.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/risk"
	"github.com/zeroten/zeroten/internal/search"
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
		for _, t := range allTables() {
			if t.name == "tenants" {
				continue
			}
			faults = append(faults, d.attempt(ctx, tx, "rows of "+t.name+" that belong to no tenant", func() ([]cube.Fault, error) {
				return strays(ctx, tx, t)
			})...)
		}
		faults = append(faults, d.attempt(ctx, tx, "documents of the search index that belong to no tenant", func() ([]cube.Fault, error) {
			return strays(ctx, tx, table{name: "search_documents"})
		})...)
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

// maxLooks is how often a tenant is looked at anew, because something was mended or because others changed meanwhile what was
// to be mended by.
const maxLooks = 10

// tenant checks one. What was mended may have been the cause of more, or what something else was made of, so that it is looked
// at until nothing is left that can be mended.
func (d *doctor) tenant(ctx context.Context, p patient) error {
	for look := 1; ; look++ {
		e, err := d.examine(ctx, p)
		if err != nil || !d.repair {
			return errors.Join(err, d.tell(p.String(), false, e.faults))
		}
		left, failed, err := d.mendAll(ctx, p, &e)
		switch {
		case err != nil && !errors.Is(err, errMoved):
			return err
		case err == nil && len(left) == len(e.faults):
			return d.tell(p.String(), false, left)
		case look < maxLooks:
			continue
		}
		if err != nil {
			failed = append(failed, cube.Faultf("not all was mended, since settings or combinations of values change all the time: run it again when less is going on"))
		}
		if e, err = d.examine(ctx, p); err != nil {
			return err
		}
		return d.tell(p.String(), false, append(e.faults, failed...))
	}
}

// mendAll mends what can be, and gives what is left, and what went wrong with mending. The error is errMoved where it is to
// be looked at again first.
func (d *doctor) mendAll(ctx context.Context, p patient, e *examination) (left, failed []cube.Fault, err error) {
	for _, f := range e.faults {
		mended, err := d.mend(ctx, p, e, f)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if errors.Is(err, errMoved) {
			return nil, failed, err
		}
		if err != nil {
			failed = append(failed, cube.Faultf("mending that failed: %s: %v", strings.Join(f.What, "; "), err))
			f.What = append(slices.Clip(f.What), fmt.Sprintf("mending that failed: %v", err))
		}
		if !mended {
			left = append(left, f)
			continue
		}
		if err := d.tell(p.String(), true, []cube.Fault{f}); err != nil {
			return nil, nil, err
		}
	}
	return left, failed, nil
}

// errMoved says that settings have changed since they were looked at: a mend may go by profiles, a zone or a cube that are
// no longer those.
var errMoved = errors.New("the tenant's settings have changed meanwhile")

// mend puts a fault right in a transaction of its own, if it is known how.
func (d *doctor) mend(ctx context.Context, p patient, e *examination, f cube.Fault) (mended bool, err error) {
	if f.Mend == nil {
		return false, nil
	}
	err = d.db.WriteSettings(ctx, p.id, func(tx *store.Tx) error {
		now, known, err := settings(ctx, tx, p.id)
		if err != nil {
			return err
		}
		if e.known && known && now != e.settings+1 { // one more by the lock itself
			return errMoved
		}
		return tx.Check(ctx, func() (err error) {
			mended, err = f.Mend(ctx, tx)
			return err
		})
	})
	if err == nil {
		e.settings++
	}
	return mended && err == nil, err
}

// examination is what was found of a tenant, and the number of the settings that it was found by; not known where that
// cannot be read.
type examination struct {
	faults   []cube.Fault
	settings int64
	known    bool
}

func settings(ctx context.Context, tx *store.Tx, tenant uuid.UUID) (n int64, known bool, err error) {
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		n, known = r.Int(0)
		return nil
	}, `SELECT settings FROM tenants WHERE id = $1`, tenant)
	return n, known, err
}

func (d *doctor) examine(ctx context.Context, p patient) (e examination, err error) {
	err = d.db.Snapshot(ctx, func(tx *store.Tx) (err error) {
		if e.settings, e.known, err = settings(ctx, tx, p.id); err != nil {
			return err
		}
		for _, t := range allTables() {
			e.faults = append(e.faults, d.attempt(ctx, tx, "the table "+t.name, func() ([]cube.Fault, error) { return rows(ctx, tx, t, p.id) })...)
		}
		for _, r := range allReferences() {
			e.faults = append(e.faults, d.attempt(ctx, tx, r.what, func() ([]cube.Fault, error) { return r.check(ctx, tx, p.id) })...)
		}
		e.faults = append(e.faults, d.attempt(ctx, tx, "the segments", func() ([]cube.Fault, error) { return segments(ctx, tx, p.id) })...)
		log, err := feedback.Examine(ctx, d.db, tx, p.id)
		if err != nil {
			return err
		}
		cells := d.attempt(ctx, tx, "the cells", func() ([]cube.Fault, error) { return cube.Examine(ctx, d.db, tx, p.id, log.Witness) })
		e.faults = append(append(e.faults, log.Faults()...), cells...)
		e.faults = append(e.faults, d.attempt(ctx, tx, "the search index", func() ([]cube.Fault, error) { return search.Examine(ctx, d.db, tx, p.id) })...)
		e.faults = append(e.faults, d.attempt(ctx, tx, "the contacts' risks", func() ([]cube.Fault, error) { return risk.Examine(ctx, tx, p.id) })...)
		return ctx.Err()
	})
	if err != nil {
		return examination{}, fmt.Errorf("checking %s: %w", p, err)
	}
	return e, nil
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

package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zeroten/zeroten/internal/doctor"
	"github.com/zeroten/zeroten/internal/store"
)

// MigrateCmd is `zeroten migrate`.
type MigrateCmd struct{}

// Run migrates.
func (*MigrateCmd) Run(ctx context.Context, g *Globals) (err error) {
	db, err := store.Open(ctx, g.Database, store.Options{MaxConns: g.Connections})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ran, err := db.Migrate(ctx)
	if err != nil {
		return err
	}
	if len(ran) == 0 {
		return g.print("%s is up to date\n", db.Name())
	}
	return g.print("%s: ran %s\n", db.Name(), strings.Join(ran, ", "))
}

// DoctorCmd is `zeroten doctor`.
type DoctorCmd struct {
	Repair bool `env:"ZEROTEN_REPAIR" help:"Mend what can be mended."`
}

// errSick makes the program fail where something is wrong.
var errSick = errors.New("the database is not as it should be")

// Run checks every tenant. It does not migrate, so that it can say what is missing.
func (c *DoctorCmd) Run(ctx context.Context, g *Globals) (err error) {
	db, err := store.Open(ctx, g.Database, store.Options{MaxConns: g.Connections, Existing: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	pending, err := db.Pending(ctx)
	if err != nil {
		return err
	}
	if len(pending) > 0 {
		return fmt.Errorf("%s lacks migrations (run `zeroten migrate`): %s", db.Name(), strings.Join(pending, ", "))
	}
	sick := false
	tenants, err := doctor.Check(ctx, db, c.Repair, func(f doctor.Finding) error {
		state := "wrong"
		if f.Mended {
			state = "mended"
		}
		sick = sick || !f.Mended
		return g.print("%s: %s: %s\n", f.Tenant, state, f.What)
	})
	if err != nil {
		return err
	}
	if sick {
		return errSick
	}
	return g.print("%s: reachable, migrated, nothing wrong; tenants: %d\n", db.Name(), tenants)
}

package cube

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/store"
)

// Fault is something stored that is not what it should be.
type Fault struct {
	What string
	// Mended says that it is right now.
	Mended bool
}

// maxFaults is how many cells Check names one by one.
const maxFaults = 20

// Check counts all responses of a tenant again and says which cells differ. With repair it holds the tenant's lock
// meanwhile, and mends them.
func Check(ctx context.Context, db *store.DB, tenant uuid.UUID, repair bool) ([]Fault, error) {
	var faults []Fault
	check := func(tx *store.Tx) error {
		var err error
		faults, err = checkCells(ctx, db, tx, tenant, repair)
		return err
	}
	var err error
	if repair {
		err = db.WriteSettings(ctx, tenant, check)
	} else {
		err = db.Snapshot(ctx, check)
	}
	if err != nil {
		return nil, fmt.Errorf("checking cells: %w", err)
	}
	return faults, nil
}

func checkCells(ctx context.Context, db *store.DB, tx *store.Tx, tenant uuid.UUID, repair bool) ([]Fault, error) {
	var faults []Fault
	s, err := LoadTx(ctx, tx.SQL, tenant)
	for broken := (*brokenError)(nil); errors.As(err, &broken); s, err = LoadTx(ctx, tx.SQL, tenant) {
		faults = append(faults, Fault{What: broken.Error()})
		if !repair {
			return faults, nil
		}
		// Cells mean nothing without the profiles that they were counted under: count from nothing.
		if err := empty(ctx, tx, tenant, broken.generation); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	var known []int
	for _, g := range s.Generations() {
		known = append(known, g.Profiles.Len())
	}
	differ, err := recount(ctx, tx, s)
	if err != nil {
		return nil, err
	}
	err = each(ctx, tx.SQL, func(rows *sql.Rows) error {
		var k Key
		var h nps.Histogram
		if err := rows.Scan(&k.Generation, &k.Grain, &k.Campaign, &k.Start, &k.Profile,
			&h[0], &h[1], &h[2], &h[3], &h[4], &h[5], &h[6], &h[7], &h[8], &h[9], &h[10]); err != nil {
			return err
		}
		differ[k] = differ[k].Sub(h)
		return nil
	}, `SELECT cube, grain, campaign_id, start, profile_id, `+histogramColumns+` FROM cells WHERE tenant_id = $1
		AND cube IN (SELECT generation FROM cubes WHERE tenant_id = $1 AND generation >= $2)`, tenant, s.Active.Number)
	if err != nil {
		return nil, err
	}
	change := Change{Deltas: differ}
	for i, g := range s.Generations() {
		grown := g.Since(known[i])
		if grown != nil {
			faults = append(faults, Fault{What: fmt.Sprintf("cube %d lacks %d profiles", g.Number, g.Profiles.Len()-known[i])})
		}
		change.Grown = append(change.Grown, grown...)
	}
	cells := change.cells()
	for i, c := range cells {
		if i == maxFaults {
			faults = append(faults, Fault{What: fmt.Sprintf("and %d more cells", len(cells)-maxFaults)})
			break
		}
		faults = append(faults, Fault{What: fmt.Sprintf("cube %d, campaign %s, grain %d, %s, profile %d: off by %v, as stored less what is right",
			c.key.Generation, c.key.Campaign, c.key.Grain, c.key.Start, c.key.Profile, nps.Histogram{}.Sub(c.n))})
	}
	if !repair || len(faults) == 0 {
		return faults, nil
	}
	if err := change.Apply(ctx, db.Dialect, tx.SQL, tenant); err != nil {
		return nil, err
	}
	for i := range faults {
		faults[i].Mended = true
	}
	return faults, nil
}

// recount counts every response anew, in each generation that holds it.
func recount(ctx context.Context, tx *store.Tx, s *State) (Deltas, error) {
	counted := Deltas{}
	var last uuid.UUID
	for {
		n := 0
		err := scanFacts(ctx, tx.SQL, s.Tenant, last, chunk, func(f Fact) {
			for _, g := range s.Generations() {
				if g.Holds(f.Response) {
					counted.Count(g, f, 1)
				}
			}
			last = f.Response
			n++
		})
		if err != nil {
			return nil, err
		}
		if n < chunk {
			return counted, nil
		}
	}
}

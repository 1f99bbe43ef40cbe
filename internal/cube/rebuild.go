package cube

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Builder builds the next generation of a tenant's cells.
type Builder struct {
	// Chunk is how many responses are taken in under one lock of the tenant, at most: 1 or more, and 2,000 from NewBuilder.
	Chunk int
	// DB is the database that they are in.
	DB *store.DB

	jobs *job.Runner
	// between, where not nil, is called whenever a piece of work is done and nothing is locked.
	between func()
}

// NewBuilder makes a Builder that inserts its jobs by the runner, which is to Handle them by Work.
func NewBuilder(db *store.DB, jobs *job.Runner) *Builder {
	return &Builder{Chunk: chunk, DB: db, jobs: jobs}
}

// chunk is how many responses are taken in under one lock of the tenant, at most.
const chunk = 2_000

// Create makes a new tenant's first generation, in the transaction that makes the tenant.
func Create(ctx context.Context, tx *store.Tx, tenant uuid.UUID, zone string) error {
	if _, err := insertGeneration(ctx, tx, tenant, 0, trait.Shape{Zone: zone}, 0); err != nil {
		return err
	}
	return swap(ctx, tx, tenant, 0)
}

func insertGeneration(ctx context.Context, tx *store.Tx, tenant uuid.UUID, number int32, shape trait.Shape, total int) (*Generation, error) {
	_, err := tx.SQL.ExecContext(ctx, `INSERT INTO cubes (tenant_id, generation, shape, whole, done, total)
		VALUES ($1, $2, $3, FALSE, 0, $4)`, tenant, number, encode(shape), total)
	if err != nil {
		return nil, fmt.Errorf("beginning a cube: %w", err)
	}
	return NewGeneration(number, shape)
}

func swap(ctx context.Context, tx *store.Tx, tenant uuid.UUID, number int32) error {
	if _, err := tx.SQL.ExecContext(ctx, `UPDATE cubes SET whole = TRUE WHERE tenant_id = $1 AND generation = $2`, tenant, number); err != nil {
		return fmt.Errorf("finishing a cube: %w", err)
	}
	if _, err := tx.SQL.ExecContext(ctx, `UPDATE tenants SET cube = $2, settings = settings + 1 WHERE id = $1`, tenant, number); err != nil {
		return fmt.Errorf("swapping cubes: %w", err)
	}
	return nil
}

// Reshape begins a generation of the shape that is wanted, where the newest of those that there are has another. It runs
// in the transaction that changes what asks for it, under the tenant's lock. A tenant with few responses gets it at once,
// in the same transaction; others by a job.
func (b *Builder) Reshape(ctx context.Context, tx *store.Tx, now *Generations, want trait.Shape) error {
	tenant, newest := now.Tenant, now.Active
	if now.Building != nil {
		newest = now.Building
	}
	if encode(want) == encode(newest.Shape) {
		return nil
	}
	if now.Building != nil {
		if err := abandon(ctx, tx, tenant, now.Building.Number); err != nil {
			return err
		}
		if encode(want) == encode(now.Active.Shape) {
			return b.sweepSoon(ctx, tx, tenant)
		}
	}
	total, last := 0, int32(0)
	err := store.Each(ctx, tx.SQL, func(rows *sql.Rows) error { return rows.Scan(&total, &last) },
		`SELECT coalesce(sum(s0+s1+s2+s3+s4+s5+s6+s7+s8+s9+s10), 0), (SELECT max(abs(generation)) FROM cubes WHERE tenant_id = $1)
		FROM cells WHERE tenant_id = $1 AND cube = $2 AND grain = $3`,
		tenant, now.Active.Number, int(MonthTotal))
	if err != nil {
		return fmt.Errorf("counting responses: %w", err)
	}
	g, err := insertGeneration(ctx, tx, tenant, last+1, want, total)
	if err != nil {
		return err
	}
	if total <= b.Chunk {
		for done := false; !done; {
			if done, err = b.take(ctx, tx, tenant, g, b.Chunk); err != nil {
				return err
			}
		}
		return b.sweepSoon(ctx, tx, tenant)
	}
	return b.jobs.Insert(ctx, tx, RebuildArgs{Tenant: tenant})
}

// take takes the next responses into the generation, so many at most, and swaps where there are no more.
func (b *Builder) take(ctx context.Context, tx *store.Tx, tenant uuid.UUID, g *Generation, most int) (done bool, err error) {
	known := g.Profiles.Len()
	change := Change{Deltas: Deltas{}}
	n := 0
	err = scanFacts(ctx, tx.SQL, tenant, g.BuiltTo, most, func(f Fact) {
		change.Deltas.Count(g, f, 1)
		g.BuiltTo = f.Response
		n++
	})
	if err != nil {
		return false, err
	}
	change.Grown = g.Since(known)
	if err := change.Apply(ctx, b.DB.Dialect, tx.SQL, tenant); err != nil {
		return false, err
	}
	_, err = tx.SQL.ExecContext(ctx, `UPDATE cubes SET built_to = $3, done = done + $4 WHERE tenant_id = $1 AND generation = $2`,
		tenant, g.Number, g.BuiltTo, n)
	if err != nil {
		return false, fmt.Errorf("noting progress: %w", err)
	}
	if n == most {
		return false, nil
	}
	return true, swap(ctx, tx, tenant, g.Number)
}

// scanFacts reads the next responses in the order of their ids.
func scanFacts(ctx context.Context, tx store.Querier, tenant, after uuid.UUID, limit int, f func(Fact)) error {
	err := store.Each(ctx, tx, func(rows *sql.Rows) error {
		var fact Fact
		var traits []byte
		if err := rows.Scan(&fact.Response, &fact.Campaign, &fact.Channel, &fact.Variant, &traits, &fact.RespondedAt, &fact.Score); err != nil {
			return err
		}
		if err := json.Unmarshal(traits, &fact.Traits); err != nil {
			return fmt.Errorf("traits of response %s: %w", fact.Response, err)
		}
		f(fact)
		return nil
	}, `SELECT id, campaign_id, channel, variant, traits, responded_at, score FROM responses
		WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3`, tenant, after, limit)
	if err != nil {
		return fmt.Errorf("reading responses: %w", err)
	}
	return nil
}

// empty forgets a generation's cells and profiles.
func empty(ctx context.Context, tx *store.Tx, tenant uuid.UUID, number int32) error {
	for _, table := range []string{"cells", "profiles"} {
		if _, err := tx.SQL.ExecContext(ctx, `DELETE FROM `+table+` WHERE tenant_id = $1 AND cube = $2`, tenant, number); err != nil {
			return fmt.Errorf("dropping the %s of a cube: %w", table, err)
		}
	}
	return nil
}

// abandon gives up a generation that does not answer yet. Its cells are swept later: until then it has the number less
// than zero.
func abandon(ctx context.Context, tx *store.Tx, tenant uuid.UUID, number int32) error {
	_, err := tx.SQL.ExecContext(ctx, `UPDATE cubes SET generation = -generation WHERE tenant_id = $1 AND generation = $2`, tenant, number)
	if err != nil {
		return fmt.Errorf("abandoning a cube: %w", err)
	}
	return nil
}

// Step takes one chunk into the tenant's next generation, under the tenant's lock, and reports whether that was the
// last, or there is no such generation.
func (b *Builder) Step(ctx context.Context, tenant uuid.UUID) (done bool, err error) {
	_, done, err = b.step(ctx, tenant, nil, store.NewPace(b.Chunk, minChunk, b.Chunk))
	return done, err
}

// step is Step for whoever has the generations that the step before returned, or nil. What it may take in, and how long that
// took, is the pace's.
func (b *Builder) step(ctx context.Context, tenant uuid.UUID, g *Generations, p *store.Pace) (_ *Generations, done bool, err error) {
	if g == nil {
		// The dictionaries may be large: they are not read under the lock.
		err := b.DB.Snapshot(ctx, func(tx *store.Tx) error {
			loaded, err := loadNow(ctx, tx.SQL, tenant, nil)
			g = &loaded
			return err
		})
		if err != nil {
			return nil, false, fmt.Errorf("rebuilding cells: %w", err)
		}
	}
	var began time.Time
	err = b.DB.WriteLocked(ctx, tenant, func(tx *store.Tx) error {
		began = time.Now()
		now, err := g.refresh(ctx, tx.SQL)
		if err != nil {
			return err
		}
		if g = now; g.Building == nil {
			done = true
			return nil
		}
		done, err = b.take(ctx, tx, tenant, g.Building, p.Rows())
		p.Took(time.Since(began))
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("rebuilding cells: %w", err)
	}
	return g, done, b.rest(ctx, time.Since(began))
}

// Rebuild takes all that is left into the tenant's next generation, if there is one, and sweeps those before.
func (b *Builder) Rebuild(ctx context.Context, tenant uuid.UUID) error {
	p := store.NewPace(firstChunk, minChunk, b.Chunk)
	var g *Generations
	for done := false; !done; {
		var err error
		if g, done, err = b.step(ctx, tenant, g, p); err != nil {
			return err
		}
	}
	return b.sweep(ctx, tenant)
}

// rest lets others write for as long as the last piece of work took.
func (b *Builder) rest(ctx context.Context, worked time.Duration) error {
	if b.between != nil {
		b.between()
	}
	if err := store.Rest(ctx, worked); err != nil {
		return fmt.Errorf("rebuilding cells: %w", err)
	}
	return nil
}

const (
	// firstChunk is how many rows the first piece of work has, minChunk how many one has at least.
	firstChunk, minChunk = 500, 100
	// sweepChunk is how many rows one transaction deletes, at most.
	sweepChunk = 5_000
)

// sweep forgets the generations that were given up or that others followed, piece by piece. Who reads one just now
// notices by the settings.
func (b *Builder) sweep(ctx context.Context, tenant uuid.UUID) error {
	p := store.NewPace(firstChunk, minChunk, sweepChunk)
	for done := false; !done; {
		var began time.Time
		err := b.DB.Write(ctx, func(tx *store.Tx) (err error) {
			began = time.Now()
			done, err = sweepPiece(ctx, tx, tenant, p.Rows())
			p.Took(time.Since(began))
			return err
		})
		if err != nil {
			return err
		}
		if err := b.rest(ctx, time.Since(began)); err != nil {
			return err
		}
	}
	b.DB.Forget() // the dictionaries may have held what somebody who was erased had alone
	return nil
}

// sweepSoon sweeps in the transaction what is little, and leaves more to a job.
func (b *Builder) sweepSoon(ctx context.Context, tx *store.Tx, tenant uuid.UUID) error {
	done, err := sweepPiece(ctx, tx, tenant, firstChunk)
	if err != nil || done {
		return err
	}
	return b.jobs.Insert(ctx, tx, RebuildArgs{Tenant: tenant})
}

// sweepPiece deletes so many rows at most, and reports whether that was all.
func sweepPiece(ctx context.Context, tx *store.Tx, tenant uuid.UUID, most int) (done bool, err error) {
	var old []int32
	err = store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		var n int32
		err := rows.Scan(&n)
		old = append(old, n)
		return err
	}, `SELECT generation FROM cubes WHERE tenant_id = $1 AND generation < (SELECT cube FROM tenants WHERE id = $1)`, tenant)
	if err != nil {
		return false, fmt.Errorf("finding old cubes: %w", err)
	}
	for _, generation := range old {
		for _, t := range [2]struct{ name, key string }{
			{"cells", "tenant_id, cube, grain, campaign_id, start, profile_id"},
			{"profiles", "tenant_id, cube, id"},
		} {
			r, err := tx.SQL.ExecContext(ctx, `DELETE FROM `+t.name+` WHERE (`+t.key+`) IN (
				SELECT `+t.key+` FROM `+t.name+` WHERE tenant_id = $1 AND cube = $2 LIMIT $3)`, tenant, max(generation, -generation), most)
			if err != nil {
				return false, fmt.Errorf("sweeping %s: %w", t.name, err)
			}
			n, err := r.RowsAffected()
			if err != nil {
				return false, fmt.Errorf("sweeping %s: %w", t.name, err)
			}
			if most -= int(n); most == 0 {
				return false, nil
			}
		}
		if _, err := tx.SQL.ExecContext(ctx, `DELETE FROM cubes WHERE tenant_id = $1 AND generation = $2`, tenant, generation); err != nil {
			return false, fmt.Errorf("sweeping a cube: %w", err)
		}
	}
	return true, nil
}

// RebuildArgs is the job that builds a tenant's next generation.
type RebuildArgs struct {
	Tenant uuid.UUID `json:"tenant"`
}

// Kind names the job.
func (RebuildArgs) Kind() string { return "rebuild" }

// slice is how long one run of the job, less than job.Timeout, works before it makes room for others. It bounds, too, after how long a job
// whose process was killed is taken up by another process.
const slice = 20 * time.Second

// Work does the job: it takes chunks in until the slice is over. What is done is in the database, chunk by chunk.
func (b *Builder) Work(ctx context.Context, args RebuildArgs) error {
	ctx, cancel := context.WithTimeout(auth.ForTenant(ctx, args.Tenant), slice)
	defer cancel()
	err := b.Rebuild(ctx, args.Tenant)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		// The driver has errors of its own for a statement that was cut off.
		return job.Later(0)
	}
	return err
}

// Resume inserts jobs for the rebuilds that a stopped process left behind. One too many does no harm: progress is in
// the database, under the tenant's lock.
func (b *Builder) Resume(ctx context.Context) error {
	var tenants []uuid.UUID
	err := store.Each(ctx, b.DB.Reader, func(rows *sql.Rows) error {
		var id uuid.UUID
		err := rows.Scan(&id)
		tenants = append(tenants, id)
		return err
	}, `SELECT DISTINCT c.tenant_id FROM cubes c JOIN tenants t ON t.id = c.tenant_id WHERE c.generation <> t.cube`)
	if err != nil {
		return fmt.Errorf("looking for unfinished rebuilds: %w", err)
	}
	if len(tenants) == 0 {
		return nil
	}
	return b.DB.Write(ctx, func(tx *store.Tx) error {
		for _, t := range tenants {
			if err := b.jobs.Insert(ctx, tx, RebuildArgs{Tenant: t}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rebuild is how far the next generation is, in responses.
type Rebuild struct{ Done, Total int }

// Progress is how far the tenant's rebuild is; nil where none is under way.
func Progress(ctx context.Context, db *store.DB, tenant uuid.UUID) (*Rebuild, error) {
	var found *Rebuild
	err := store.Each(ctx, db.Reader, func(rows *sql.Rows) error {
		found = &Rebuild{}
		return rows.Scan(&found.Done, &found.Total)
	}, `SELECT c.done, c.total FROM cubes c JOIN tenants t ON t.id = c.tenant_id WHERE c.tenant_id = $1 AND c.generation > t.cube`, tenant)
	if err != nil {
		return nil, fmt.Errorf("reading the rebuild's progress: %w", err)
	}
	return found, nil
}

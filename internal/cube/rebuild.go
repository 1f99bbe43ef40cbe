package cube

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Builder builds the next generation of a tenant's cells.
type Builder struct {
	// Chunk is how many responses are taken in under one lock of the tenant: 1 or more, and 2,000 from NewBuilder.
	Chunk int

	db   *store.DB
	jobs func() *river.Client[*sql.Tx]
}

// NewBuilder makes a Builder. The client is asked for when a job is to be inserted, since the client's workers need
// the Builder first.
func NewBuilder(db *store.DB, jobs func() *river.Client[*sql.Tx]) *Builder {
	return &Builder{Chunk: chunk, db: db, jobs: jobs}
}

// chunk is how many responses are taken in under one lock of the tenant: some tens of milliseconds of waiting for
// those who record meanwhile.
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

// Reshape begins the generation that the tenant's zone and traits now ask for, where the newest has another shape. It
// runs in the transaction that changes them, under the tenant's lock. A tenant with few responses gets it at once, in
// the same transaction; others by a job.
func (b *Builder) Reshape(ctx context.Context, tx *store.Tx, tenant uuid.UUID) error {
	s, err := LoadTx(ctx, tx.SQL, tenant)
	if err != nil {
		return err
	}
	want := trait.Shape{Zone: s.Zone, Dimensions: s.dimensions()}
	newest := s.Active
	if s.Building != nil {
		newest = s.Building
	}
	if encode(want) == encode(newest.Shape) {
		return nil
	}
	if s.Building != nil {
		if err := drop(ctx, tx, tenant, s.Building.Number); err != nil {
			return err
		}
		if encode(want) == encode(s.Active.Shape) {
			return nil
		}
	}
	total := 0
	err = each(ctx, tx.SQL, func(rows *sql.Rows) error { return rows.Scan(&total) },
		`SELECT coalesce(sum(s0+s1+s2+s3+s4+s5+s6+s7+s8+s9+s10), 0) FROM cells WHERE tenant_id = $1 AND cube = $2 AND grain = $3`,
		tenant, s.Active.Number, int(MonthTotal))
	if err != nil {
		return fmt.Errorf("counting responses: %w", err)
	}
	g, err := insertGeneration(ctx, tx, tenant, newest.Number+1, want, total)
	if err != nil {
		return err
	}
	if total <= b.Chunk {
		for done := false; !done; {
			if done, err = b.take(ctx, tx, tenant, g); err != nil {
				return err
			}
		}
		return sweep(ctx, tx, tenant)
	}
	if _, err := b.jobs().InsertTx(ctx, tx.SQL, RebuildArgs{Tenant: tenant}, nil); err != nil {
		return fmt.Errorf("inserting the job: %w", err)
	}
	return nil
}

// take takes the next chunk of responses into the generation, and swaps where there are no more.
func (b *Builder) take(ctx context.Context, tx *store.Tx, tenant uuid.UUID, g *Generation) (done bool, err error) {
	known := g.Profiles.Len()
	change := Change{Deltas: Deltas{}}
	n := 0
	err = scanFacts(ctx, tx.SQL, tenant, g.BuiltTo, b.Chunk, func(f Fact) {
		change.Deltas.Count(g, f, 1)
		g.BuiltTo = f.Response
		n++
	})
	if err != nil {
		return false, err
	}
	change.Grown = g.Since(known)
	if err := change.Apply(ctx, b.db.Dialect, tx.SQL, tenant); err != nil {
		return false, err
	}
	_, err = tx.SQL.ExecContext(ctx, `UPDATE cubes SET built_to = $3, done = done + $4 WHERE tenant_id = $1 AND generation = $2`,
		tenant, g.Number, g.BuiltTo, n)
	if err != nil {
		return false, fmt.Errorf("noting progress: %w", err)
	}
	if n == b.Chunk {
		return false, nil
	}
	return true, swap(ctx, tx, tenant, g.Number)
}

// scanFacts reads the next responses in the order of their ids.
func scanFacts(ctx context.Context, tx querier, tenant, after uuid.UUID, limit int, f func(Fact)) error {
	err := each(ctx, tx, func(rows *sql.Rows) error {
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

// drop forgets a generation that does not answer.
func drop(ctx context.Context, tx *store.Tx, tenant uuid.UUID, number int32) error {
	if err := empty(ctx, tx, tenant, number); err != nil {
		return err
	}
	if _, err := tx.SQL.ExecContext(ctx, `DELETE FROM cubes WHERE tenant_id = $1 AND generation = $2`, tenant, number); err != nil {
		return fmt.Errorf("dropping a cube: %w", err)
	}
	return nil
}

// Step takes one chunk into the tenant's next generation, under the tenant's lock, and reports whether that was the
// last, or there is no such generation.
func (b *Builder) Step(ctx context.Context, tenant uuid.UUID) (done bool, err error) {
	err = b.db.WriteLocked(ctx, tenant, func(tx *store.Tx) error {
		s, err := LoadTx(ctx, tx.SQL, tenant)
		if err != nil {
			return err
		}
		if s.Building == nil {
			done = true
			return nil
		}
		done, err = b.take(ctx, tx, tenant, s.Building)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("rebuilding cells: %w", err)
	}
	return done, nil
}

// Rebuild takes all that is left into the tenant's next generation, if there is one, and sweeps those before.
func (b *Builder) Rebuild(ctx context.Context, tenant uuid.UUID) error {
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("rebuilding cells: %w", err)
		}
		var err error
		if done, err = b.Step(ctx, tenant); err != nil {
			return err
		}
	}
	return b.sweep(ctx, tenant)
}

// sweepChunk is how many rows one transaction deletes, so that nobody waits long for the writer.
const sweepChunk = 5_000

// sweep forgets the generations before the one that answers, piece by piece, and then all that is left of them. Who
// reads one just now notices by the settings.
func (b *Builder) sweep(ctx context.Context, tenant uuid.UUID) error {
	for {
		var n int64
		err := b.db.Write(ctx, func(tx *store.Tx) error {
			r, err := tx.SQL.ExecContext(ctx, `DELETE FROM cells WHERE (tenant_id, cube, grain, campaign_id, start, profile_id) IN (
				SELECT tenant_id, cube, grain, campaign_id, start, profile_id FROM cells
				WHERE tenant_id = $1 AND cube IN (
					SELECT generation FROM cubes WHERE tenant_id = $1 AND generation < (SELECT cube FROM tenants WHERE id = $1))
				LIMIT $2)`, tenant, sweepChunk)
			if err != nil {
				return fmt.Errorf("sweeping cells: %w", err)
			}
			n, err = r.RowsAffected()
			return err
		})
		if err != nil {
			return err
		}
		if n < sweepChunk {
			return b.db.Write(ctx, func(tx *store.Tx) error { return sweep(ctx, tx, tenant) })
		}
	}
}

// sweep forgets the generations before the one that answers. Who reads one just now notices by the settings.
func sweep(ctx context.Context, tx *store.Tx, tenant uuid.UUID) error {
	var old []int32
	err := each(ctx, tx.SQL, func(rows *sql.Rows) error {
		var n int32
		err := rows.Scan(&n)
		old = append(old, n)
		return err
	}, `SELECT generation FROM cubes WHERE tenant_id = $1 AND generation < (SELECT cube FROM tenants WHERE id = $1)`, tenant)
	if err != nil {
		return fmt.Errorf("finding old cubes: %w", err)
	}
	for _, n := range old {
		if err := drop(ctx, tx, tenant, n); err != nil {
			return err
		}
	}
	return nil
}

// RebuildArgs is the job that builds a tenant's next generation.
type RebuildArgs struct {
	Tenant uuid.UUID `json:"tenant"`
}

// Kind names the job.
func (RebuildArgs) Kind() string { return "rebuild" }

// slice is how long one run of the job works before it makes room for others. It bounds, too, after how long a job
// whose process was killed is taken up by another process.
const slice = 20 * time.Second

// Worker works the job.
type Worker struct {
	river.WorkerDefaults[RebuildArgs]
	*Builder
}

// Work takes chunks in until the slice is over. What is done is in the database, chunk by chunk.
func (w *Worker) Work(ctx context.Context, job *river.Job[RebuildArgs]) error {
	ctx, cancel := context.WithTimeout(auth.ForTenant(ctx, job.Args.Tenant), slice)
	defer cancel()
	err := w.Rebuild(ctx, job.Args.Tenant)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		// The driver has errors of its own for a statement that was cut off.
		return river.JobSnooze(0)
	}
	return err
}

// Resume inserts jobs for the rebuilds that a stopped process left behind. One too many does no harm: progress is in
// the database, under the tenant's lock.
func (b *Builder) Resume(ctx context.Context) error {
	var tenants []uuid.UUID
	err := each(ctx, b.db.Reader, func(rows *sql.Rows) error {
		var id uuid.UUID
		err := rows.Scan(&id)
		tenants = append(tenants, id)
		return err
	}, `SELECT DISTINCT c.tenant_id FROM cubes c JOIN tenants t ON t.id = c.tenant_id WHERE c.generation <> t.cube`)
	if err != nil {
		return fmt.Errorf("looking for unfinished rebuilds: %w", err)
	}
	for _, t := range tenants {
		if _, err := b.jobs().Insert(ctx, RebuildArgs{Tenant: t}, nil); err != nil {
			return fmt.Errorf("inserting the job: %w", err)
		}
	}
	return nil
}

// Progress is how far the tenant's rebuild is, if one is under way.
func (b *Builder) Progress(ctx context.Context, tenant uuid.UUID) (*Rebuild, error) {
	return progress(ctx, b.db.Reader, tenant)
}

func progress(ctx context.Context, tx querier, tenant uuid.UUID) (*Rebuild, error) {
	var found *Rebuild
	err := each(ctx, tx, func(rows *sql.Rows) error {
		found = &Rebuild{}
		return rows.Scan(&found.Done, &found.Total)
	}, `SELECT c.done, c.total FROM cubes c JOIN tenants t ON t.id = c.tenant_id WHERE c.tenant_id = $1 AND c.generation > t.cube`, tenant)
	if err != nil {
		return nil, fmt.Errorf("reading the rebuild's progress: %w", err)
	}
	return found, nil
}

// TraitProgress is how far the tenant's rebuild is, if it takes past responses in for this trait.
func (b *Builder) TraitProgress(ctx context.Context, tenant uuid.UUID, key string) (*Rebuild, error) {
	found, err := b.Progress(ctx, tenant)
	if found == nil || err != nil {
		return nil, err
	}
	s, err := Load(ctx, b.db, tenant)
	if err != nil || s.Building == nil {
		return nil, err
	}
	if encode(s.Active.dimension(key)) == encode(s.Building.dimension(key)) {
		return nil, nil
	}
	return found, nil
}

func (g *Generation) dimension(key string) *trait.Dimension {
	for i := range g.Shape.Dimensions {
		if g.Shape.Dimensions[i].Key == key {
			return &g.Shape.Dimensions[i]
		}
	}
	return nil
}

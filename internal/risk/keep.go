package risk

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/ordinal"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

const (
	// Every is how often it is looked which tenants have something to do.
	Every = 5 * time.Minute
	// leastEvents is how many events a log must have before there can be a model.
	leastEvents = ordinal.MinLearned + ordinal.MinJudged
	// A model is learned anew once the log is longer by a twentieth, and by grown events at least, but not again within
	// learnRest; and after learnEvery where there is anything new at all.
	grown, growth = 100, 20
	learnRest     = 10 * time.Minute
	learnEvery    = 7 * 24 * time.Hour
	// passEvery is how often all contacts are gone through again, of whom other things are known by then, and of whom dates
	// say that they have been there for longer.
	passEvery = 24 * time.Hour
	// slice is after how long one run of the job makes room for others. The last piece of work is done to its end, which may
	// be a model that is learned, within job.Timeout.
	slice = 5 * time.Second
	// firstChunk is how many contacts the first piece has, minChunk and maxChunk how many one has at least and at most.
	firstChunk, minChunk, maxChunk = 200, 50, 2_000
)

// Keeper learns models, and gives contacts their risk.
type Keeper struct {
	db     *store.DB
	models *Models
	jobs   *job.Runner
	// slice and late are the constants but in tests.
	slice, late time.Duration
	// between, where not nil, is called whenever a piece of work is done and nothing is locked.
	between func()
}

// NewKeeper makes a Keeper that inserts its jobs by the runner, which is to Handle them by Look and Work.
func NewKeeper(db *store.DB, models *Models, jobs *job.Runner) *Keeper {
	return &Keeper{db: db, models: models, jobs: jobs, slice: slice, late: late}
}

// LookArgs is the job that looks which tenants have something to do.
type LookArgs struct{}

// Kind names the job.
func (LookArgs) Kind() string { return "look at risks" }

// KeepArgs is the job that does it for one.
type KeepArgs struct {
	Tenant uuid.UUID `json:"tenant"`
}

// Kind names the job.
func (KeepArgs) Kind() string { return "keep risks" }

// Look inserts a job for each tenant that has something to do, unless one waits already.
func (k *Keeper) Look(ctx context.Context, _ LookArgs) error {
	var due []uuid.UUID
	err := k.standings(ctx, k.db.Reader, uuid.Nil, func(s *standing) {
		if s.next(k.models.now()) != nothing {
			due = append(due, s.tenant)
		}
	})
	if err != nil || due == nil {
		return err
	}
	return k.db.Write(ctx, func(tx *store.Tx) error {
		for _, t := range due {
			if err := k.jobs.Insert(ctx, tx, KeepArgs{Tenant: t}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Work does the job until the slice is over. What is done is in the database, piece by piece: who is killed meanwhile leaves
// the rest to another one, nothing is done twice, and two beside each other do no harm.
func (k *Keeper) Work(ctx context.Context, args KeepArgs) error {
	done, err := k.keep(auth.ForTenant(ctx, args.Tenant), args.Tenant, k.slice)
	if err == nil && !done {
		return job.Later(0)
	}
	return err
}

// Keep does all that is to be done for a tenant.
func (k *Keeper) Keep(ctx context.Context, tenant uuid.UUID) error {
	_, err := k.keep(ctx, tenant, math.MaxInt64)
	return err
}

// keep does what is to be done for a tenant, one piece at least, for so long, and reports whether that was all.
func (k *Keeper) keep(ctx context.Context, tenant uuid.UUID, most time.Duration) (done bool, err error) {
	p, forgotten := store.NewPace(firstChunk, minChunk, maxChunk), &swept{}
	came := false // to the last contact that there is
	for start := time.Now(); ; {
		s, err := k.standing(ctx, k.db.Reader, tenant)
		if err != nil || s == nil {
			return true, err
		}
		// Who comes from then on is for the next time: where people come all the time it would go on as long, one by one.
		s.fresh = s.fresh && !came
		last := false
		began := time.Now()
		switch s.next(k.models.now()) {
		case nothing:
			return true, nil
		case learning:
			err = k.learn(ctx, s)
		case passing:
			err = k.pass(ctx, s)
		case scoring:
			last, began, err = k.score(ctx, s, p)
			came = came || last
		case sweeping:
			began, err = k.sweep(ctx, s, p, forgotten)
		}
		if err != nil {
			return false, err
		}
		// With the last contact there may be nothing left to do, which is seen then.
		if err := k.rest(ctx, time.Since(began)); err != nil || time.Since(start) >= most && !last {
			return false, err
		}
	}
}

// rest lets others write for as long as the last piece of work took.
func (k *Keeper) rest(ctx context.Context, worked time.Duration) error {
	if k.between != nil {
		k.between()
	}
	if err := store.Rest(ctx, worked); err != nil {
		return fmt.Errorf("keeping risks: %w", err)
	}
	return nil
}

// standing is how a tenant stands, and its newest model, whose number is 0 where there is none.
type standing struct {
	tenant             uuid.UUID
	position, revision int64
	cube               int32
	building           bool

	number    int64
	learnedAt time.Time
	// is says that it is one that foretells anything.
	is         bool
	ofCube     int32
	ofPosition int64
	dated      bool
	// passedAt is when all contacts were gone through, which is null while they are, and passedRevision the tenant's by then.
	passedAt       sql.NullTime
	passedRevision int64
	// fresh says that there are contacts which came since, or may have, and stale names a model that is of no use any more.
	fresh bool
	stale sql.NullInt64
}

// task is what is to be done next for a tenant.
type task int

const (
	nothing task = iota
	// learning a model.
	learning
	// passing is to begin with all contacts anew.
	passing
	// scoring is to give the next contacts their risk.
	scoring
	// sweeping is to forget models that others followed, and the risks by them.
	sweeping
)

// next is what is to be done next.
func (s *standing) next(now time.Time) task {
	switch {
	case s.learns(now):
		return learning
	case s.is && (!s.passedAt.Valid || s.fresh):
		return scoring
	case s.stale.Valid:
		return sweeping
	case s.is && now.Sub(s.passedAt.Time) >= passEvery && (s.dated || s.revision != s.passedRevision):
		return passing
	}
	return nothing
}

// learns reports whether a model is to be learned.
func (s *standing) learns(now time.Time) bool {
	since := now.Sub(s.learnedAt)
	switch {
	case s.building: // it would be of dimensions that are about to go
		return false
	case s.number == 0:
		return s.position >= leastEvents
	case s.cube != s.ofCube:
		return true
	case since >= learnEvery:
		return s.position != s.ofPosition
	}
	return since >= learnRest && s.position-s.ofPosition >= max(grown, s.ofPosition/growth)
}

// standing is how one tenant stands; nil where there is none.
func (k *Keeper) standing(ctx context.Context, from store.Querier, tenant uuid.UUID) (found *standing, err error) {
	err = k.standings(ctx, from, tenant, func(s *standing) { found = s })
	return found, err
}

// standings calls f with how a tenant stands, or all of them where it is the zero id.
func (k *Keeper) standings(ctx context.Context, from store.Querier, tenant uuid.UUID, f func(*standing)) error {
	query := `SELECT t.id, t.log_position, t.revision, t.cube,
			EXISTS (SELECT 1 FROM cubes g WHERE g.tenant_id = t.id AND g.generation > t.cube),
			coalesce(m.number, 0), m.learned_at, m.model IS NOT NULL, coalesce(m.cube, 0), coalesce(m.position, 0), m.dimensions,
			m.passed_at, coalesce(m.passed_revision, 0),
			EXISTS (SELECT 1 FROM contacts c WHERE c.tenant_id = t.id AND c.id > m.done_to),
			(SELECT min(o.number) FROM risk_models o WHERE o.tenant_id = t.id AND o.number < m.number AND o.number <>
				coalesce((SELECT max(a.number) FROM risk_models a WHERE a.tenant_id = t.id AND a.scored_to IS NOT NULL), 0))
		FROM tenants t LEFT JOIN risk_models m
			ON m.tenant_id = t.id AND m.number = (SELECT max(n.number) FROM risk_models n WHERE n.tenant_id = t.id)`
	var args []any
	if tenant != uuid.Nil {
		query += ` WHERE t.id = $1`
		args = append(args, tenant)
	}
	err := store.Each(ctx, from, func(rows *sql.Rows) error {
		s := &standing{}
		var learnedAt sql.NullTime
		var dimensions []byte
		err := rows.Scan(&s.tenant, &s.position, &s.revision, &s.cube, &s.building, &s.number, &learnedAt, &s.is, &s.ofCube, &s.ofPosition,
			&dimensions, &s.passedAt, &s.passedRevision, &s.fresh, &s.stale)
		if err != nil {
			return err
		}
		s.learnedAt = learnedAt.Time
		var of []trait.Dimension
		_ = json.Unmarshal(dimensions, &of) // whoever reads the model says so; others' must not wait for it
		s.dated = slices.ContainsFunc(of, func(d trait.Dimension) bool { return d.Kind == trait.Date })
		f(s)
		return nil
	}, query, args...)
	if err != nil {
		return fmt.Errorf("looking how models stand: %w", err)
	}
	return nil
}

// pass begins with all contacts anew. Those who have a risk keep it until they are come to.
func (k *Keeper) pass(ctx context.Context, s *standing) error {
	return k.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.SQL.ExecContext(ctx, `UPDATE risk_models SET done_to = $3, passed_at = NULL
			WHERE tenant_id = $1 AND number = $2 AND passed_at IS NOT NULL AND passed_revision = $4`,
			s.tenant, s.number, uuid.Nil, s.passedRevision)
		if err != nil {
			return fmt.Errorf("beginning with all contacts: %w", err)
		}
		return nil
	})
}

// score gives the next contacts their risk, under the tenant's lock: nobody comes or goes meanwhile. It reports whether they were
// the last; began is when it had the lock.
func (k *Keeper) score(ctx context.Context, s *standing, p *store.Pace) (last bool, began time.Time, err error) {
	began = time.Now()
	of, err := k.models.learned(ctx, k.db.Reader, name{s.tenant, s.number, s.learnedAt})
	if err != nil || of == nil {
		return false, began, err
	}
	state, err := k.models.states.Get(ctx, s.tenant)
	if err != nil {
		return false, began, err
	}
	today := state.Today(k.models.now())
	err = k.db.WriteLocked(ctx, s.tenant, func(tx *store.Tx) error {
		began = time.Now()
		last, err = k.scorePiece(ctx, tx, s, of, today, p.Rows())
		return err
	})
	if err != nil {
		return false, began, fmt.Errorf("giving contacts their risk: %w", err)
	}
	p.Took(time.Since(began))
	return last, began, nil
}

// scored is a contact and its risk.
type scored struct {
	contact uuid.UUID
	risk    int32
}

// scorePiece is score for so many contacts, within a transaction. Where another model has followed it does nothing.
func (k *Keeper) scorePiece(ctx context.Context, tx *store.Tx, s *standing, of *learned, today calendar.Day, most int) (last bool, err error) {
	var doneTo uuid.UUID
	var scoredTo uuid.NullUUID
	var passedAt sql.NullTime
	newest := false
	err = store.Each(ctx, tx.SQL, func(rows *sql.Rows) error { return rows.Scan(&doneTo, &scoredTo, &passedAt, &newest) },
		`SELECT done_to, scored_to, passed_at, number = (SELECT max(number) FROM risk_models WHERE tenant_id = $1)
			FROM risk_models WHERE tenant_id = $1 AND number = $2`, s.tenant, s.number)
	if err != nil || !newest {
		return false, err
	}
	var all []scored
	err = store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		var contact uuid.UUID
		var traits []byte
		if err := rows.Scan(&contact, &traits); err != nil {
			return err
		}
		var known trait.Values
		if json.Unmarshal(traits, &known) != nil {
			known = nil // nothing is known of them; the doctor says so
		}
		all = append(all, scored{contact, risk(of.predict(known, today))})
		return nil
	}, `SELECT id, traits FROM contacts WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3`, s.tenant, doneTo, most)
	if err != nil {
		return false, err
	}
	if err := k.write(ctx, tx, s, all); err != nil {
		return false, err
	}
	if len(all) > 0 {
		doneTo = all[len(all)-1].contact
	}
	last = len(all) < most
	sure := settled(doneTo, time.Now(), k.late) // the clock that ids are made by
	if last {
		doneTo = sure // who was in time for an earlier id and is seen only now is come to the next time
	}
	if last && !scoredTo.Valid || scoredTo.Valid && bytes.Compare(scoredTo.UUID[:], sure[:]) < 0 {
		scoredTo = uuid.NullUUID{UUID: sure, Valid: true}
	}
	revision := s.passedRevision
	if last && !passedAt.Valid {
		passedAt = sql.NullTime{Time: k.models.now().UTC().Truncate(time.Microsecond), Valid: true}
		if err := store.Each(ctx, tx.SQL, func(rows *sql.Rows) error { return rows.Scan(&revision) },
			`SELECT revision FROM tenants WHERE id = $1`, s.tenant); err != nil {
			return false, err
		}
	}
	_, err = tx.SQL.ExecContext(ctx, `UPDATE risk_models SET done_to = $3, scored_to = $4, passed_at = $5, passed_revision = $6
		WHERE tenant_id = $1 AND number = $2`, s.tenant, s.number, doneTo, scoredTo, passedAt, revision)
	return last, err
}

// write stores the risks that are not stored yet, or are others.
func (k *Keeper) write(ctx context.Context, tx *store.Tx, s *standing, all []scored) error {
	if len(all) == 0 {
		return nil
	}
	ids, risks := make([]uuid.UUID, len(all)), make([]int32, len(all))
	for i, one := range all {
		ids[i], risks[i] = one.contact, one.risk
	}
	from := `SELECT $1::uuid, $2::bigint, u.contact_id, u.risk FROM unnest($3::uuid[], $4::integer[]) AS u(contact_id, risk)`
	args := []any{s.tenant, s.number, store.UUIDs(store.Postgres, ids), store.Ints(store.Postgres, risks)}
	if k.db.Dialect == store.SQLite {
		from = `SELECT $1, $2, value ->> 0, value ->> 1 FROM json_each($3) WHERE true`
		args = []any{s.tenant, s.number, pairs(all)}
	}
	_, err := tx.SQL.ExecContext(ctx, `INSERT INTO contact_risks (tenant_id, model, contact_id, risk) `+from+`
		ON CONFLICT (tenant_id, contact_id, model) DO UPDATE SET risk = excluded.risk WHERE contact_risks.risk <> excluded.risk`, args...)
	return err
}

// pairs writes contacts and their risks as a JSON array of arrays.
func pairs(all []scored) string {
	b := append(make([]byte, 0, 2+len(all)*52), '[')
	for i, one := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = strconv.AppendQuote(b, one.contact.String())
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(one.risk), 10)
		b = append(b, ']')
	}
	return string(append(b, ']'))
}

// swept is how far the risks by a model are forgotten, in the order of contacts. Who begins anew passes over nothing.
type swept struct {
	model int64
	to    uuid.UUID
}

// sweep forgets some risks by a model that is of no use any more, and the model with the last of them. It is done under the
// tenant's lock, since whoever is erased takes theirs along, perhaps in another order.
func (k *Keeper) sweep(ctx context.Context, s *standing, p *store.Pace, before *swept) (began time.Time, err error) {
	if before.model != s.stale.Int64 {
		*before = swept{model: s.stale.Int64}
	}
	began = time.Now()
	to, n := before.to, 0
	err = k.db.WriteLocked(ctx, s.tenant, func(tx *store.Tx) error {
		began = time.Now()
		// By contacts, which lie beside each other: in the order of risks each would be in another place.
		err := store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
			n++
			return rows.Scan(&to)
		}, `SELECT contact_id FROM contact_risks WHERE tenant_id = $1 AND contact_id > $2 AND model = $3 ORDER BY contact_id LIMIT $4`,
			s.tenant, before.to, before.model, p.Rows())
		if err != nil {
			return err
		}
		_, err = tx.SQL.ExecContext(ctx, `DELETE FROM contact_risks WHERE tenant_id = $1 AND contact_id > $2 AND contact_id <= $3 AND model = $4`,
			s.tenant, before.to, to, before.model)
		if err == nil && n < p.Rows() {
			_, err = tx.SQL.ExecContext(ctx, `DELETE FROM risk_models WHERE tenant_id = $1 AND number = $2`, s.tenant, before.model)
		}
		return err
	})
	if err != nil {
		return began, fmt.Errorf("forgetting the risks by model %d: %w", before.model, err)
	}
	if before.to = to; n < p.Rows() {
		k.db.Forget() // a value may have been of somebody who was erased
	}
	p.Took(time.Since(began))
	return began, nil
}

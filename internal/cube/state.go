package cube

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// State is all that a tenant's flushes and reads go by: small, read whole, and good until Settings changes.
type State struct {
	Tenant uuid.UUID
	// Revision changes with every flush and every change of settings, Settings with the latter and with new profiles.
	Revision, Settings int64
	// Position is the number of the log's last event.
	Position int64
	// Zone is the tenant's time zone; while a change of it is being built, not yet that of Active.
	Zone      string
	Campaigns map[uuid.UUID]Campaign
	// Traits are the definitions by key; while a change is being built, not yet those of Active.
	Traits   map[string]trait.Definition
	Segments map[uuid.UUID]Segment
	// Active answers. Building, which may be nil, is to follow it.
	Active, Building *Generation
	// Rebuild is how far Building is; States.Get brings it up to date.
	Rebuild Rebuild

	// memory has the cells of readers' states; nil for those that are for writers.
	memory *memory
}

// Campaign is what flushes and reads need to know of one.
type Campaign struct {
	Name   string
	Status string
}

// Segment is what reads need to know of one.
type Segment struct {
	Name string
	Rule segment.Rule
}

// Rebuild is how far the next generation is, in responses.
type Rebuild struct{ Done, Total int }

// Generations are those that writes must keep up to date.
func (s *State) Generations() []*Generation {
	if s.Building == nil {
		return []*Generation{s.Active}
	}
	return []*Generation{s.Active, s.Building}
}

// Profiles is how many profiles each generation has.
func (s *State) Profiles() []int {
	var n []int
	for _, g := range s.Generations() {
		n = append(n, g.Profiles.Len())
	}
	return n
}

// Forget forgets the profiles that came after there were so many.
func (s *State) Forget(profiles []int) {
	for i, g := range s.Generations() {
		g.Profiles.Truncate(profiles[i])
	}
}

// Today is the current day in the zone that the active generation's days begin in.
func (s *State) Today(now time.Time) calendar.Day { return calendar.DayOf(now, s.Active.zone) }

// dimensions are those that the definitions ask for, by key.
func (s *State) dimensions() []trait.Dimension {
	var dims []trait.Dimension
	for _, key := range slices.Sorted(maps.Keys(s.Traits)) {
		if d := s.Traits[key]; d.IsDimension {
			dims = append(dims, trait.Dimension{Key: d.Key, Kind: d.Kind, Edges: d.Edges})
		}
	}
	return dims
}

// querier is a transaction or a connection pool.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Load reads the tenant's state as it stands at one moment.
func Load(ctx context.Context, db *store.DB, tenant uuid.UUID) (*State, error) {
	var s *State
	err := db.Snapshot(ctx, func(tx *store.Tx) (err error) {
		s, err = LoadTx(ctx, tx.SQL, tenant)
		return err
	})
	return s, err
}

// LoadTx is Load within a transaction that holds the tenant's lock, or sees a snapshot.
func LoadTx(ctx context.Context, tx querier, tenant uuid.UUID) (*State, error) {
	return load(ctx, tx, tenant, true, nil)
}

// definitions is LoadTx without the dictionaries of profiles, which may be large, for who must not hold the lock for long.
// Nothing can be placed by it.
func definitions(ctx context.Context, tx querier, tenant uuid.UUID) (*State, error) {
	return load(ctx, tx, tenant, false, nil)
}

// load reads the state. Of a generation that is known, which is used up, the profiles that it has are not read again.
func load(ctx context.Context, tx querier, tenant uuid.UUID, profiles bool, known *Generation) (*State, error) {
	s := &State{
		Tenant:    tenant,
		Campaigns: map[uuid.UUID]Campaign{},
		Traits:    map[string]trait.Definition{},
		Segments:  map[uuid.UUID]Segment{},
	}
	err := s.load(ctx, tx, profiles, known)
	if errors.Is(err, errAnother) {
		return load(ctx, tx, tenant, profiles, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("loading the tenant's state: %w", err)
	}
	return s, nil
}

// errAnother says that what is stored does not go on from what is known: a backup is back, or somebody has mended it.
var errAnother = errors.New("the cube is not the one that is known")

// since is Load for whoever has a state of before, which stays as it is: of the profiles only those are read that came
// since.
func (s *State) since(ctx context.Context, db *store.DB) (now *State, err error) {
	known := *s.Active
	known.Profiles = known.Profiles.Clone()
	err = db.Snapshot(ctx, func(tx *store.Tx) error {
		now, err = load(ctx, tx.SQL, s.Tenant, true, &known)
		return err
	})
	return now, err
}

// Refresh is LoadTx for whoever has a state of before, which is used up: as long as the settings are the same, only what
// changes without them is read, and else of the profiles those that came since. The state must be nobody else's, and its
// dictionaries must hold nothing that is not stored.
func (s *State) Refresh(ctx context.Context, tx querier) (*State, error) {
	same, err := s.refresh(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("reading the tenant's state: %w", err)
	}
	if !same {
		return load(ctx, tx, s.Tenant, true, s.Active)
	}
	return s, nil
}

// Reload is Refresh at one moment, outside of any transaction: what may be large is not read under a lock then.
func (s *State) Reload(ctx context.Context, db *store.DB) (now *State, err error) {
	err = db.Snapshot(ctx, func(tx *store.Tx) error {
		now, err = s.Refresh(ctx, tx.SQL)
		return err
	})
	return now, err
}

// refresh reports whether it was enough.
func (s *State) refresh(ctx context.Context, tx querier) (same bool, err error) {
	settings := int64(-1)
	err = each(ctx, tx, func(rows *sql.Rows) error {
		return rows.Scan(&s.Revision, &settings, &s.Position)
	}, `SELECT revision, settings, log_position FROM tenants WHERE id = $1`, s.Tenant)
	if err != nil || settings != s.Settings {
		return false, err
	}
	g := s.Building
	if g == nil {
		return true, nil
	}
	// Steps of the rebuild take responses in and find profiles, of which nobody but writers needs to know.
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var builtTo uuid.NullUUID
		err := rows.Scan(&builtTo)
		g.BuiltTo, same = builtTo.UUID, true
		return err
	}, `SELECT built_to FROM cubes WHERE tenant_id = $1 AND generation = $2`, s.Tenant, g.Number)
	if err != nil || !same {
		return false, err
	}
	err = each(ctx, tx, func(rows *sql.Rows) error {
		p, err := scanProfile(rows)
		if err != nil {
			return err
		}
		placed, added := g.Profiles.Place(p.Channel, p.Variant, p.Values)
		same = same && added && placed.ID == p.ID && placed.Variant == p.Variant && slices.Equal(placed.Values, p.Values)
		return nil
	}, `SELECT id, channel, variant, dimension_values FROM profiles WHERE tenant_id = $1 AND cube = $2 AND id > $3 ORDER BY id`,
		s.Tenant, g.Number, g.Profiles.Len())
	return same, err
}

// scanProfile reads a row of profiles after the columns of before.
func scanProfile(rows *sql.Rows, before ...any) (p trait.Profile, err error) {
	var values []byte
	if err := rows.Scan(append(before, &p.ID, &p.Channel, &p.Variant, &values)...); err != nil {
		return p, err
	}
	if err := json.Unmarshal(values, &p.Values); err != nil {
		return p, fmt.Errorf("values of profile %d: %w", p.ID, err)
	}
	return p, nil
}

func (s *State) load(ctx context.Context, tx querier, profiles bool, known *Generation) error {
	active := int32(-1)
	err := each(ctx, tx, func(rows *sql.Rows) error {
		return rows.Scan(&s.Revision, &s.Settings, &s.Position, &s.Zone, &active)
	}, `SELECT revision, settings, log_position, time_zone, cube FROM tenants WHERE id = $1`, s.Tenant)
	if err != nil {
		return err
	}
	if active < 0 {
		return apierror.New(apierror.NotFoundCode, "no such tenant")
	}
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var id uuid.UUID
		var c Campaign
		err := rows.Scan(&id, &c.Name, &c.Status)
		s.Campaigns[id] = c
		return err
	}, `SELECT id, name, status FROM campaigns WHERE tenant_id = $1`, s.Tenant)
	if err != nil {
		return err
	}
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var d trait.Definition
		var edges []byte
		if err := rows.Scan(&d.Key, &d.Label, &d.Kind, &d.IsDimension, &edges); err != nil {
			return err
		}
		if edges != nil {
			if err := json.Unmarshal(edges, &d.Edges); err != nil {
				return fmt.Errorf("edges of trait %s: %w", d.Key, err)
			}
		}
		s.Traits[d.Key] = d
		return nil
	}, `SELECT key, label, kind, is_dimension, edges FROM traits WHERE tenant_id = $1`, s.Tenant)
	if err != nil {
		return err
	}
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var id uuid.UUID
		var g Segment
		var rule []byte
		if err := rows.Scan(&id, &g.Name, &rule); err != nil {
			return err
		}
		if err := json.Unmarshal(rule, &g.Rule); err != nil {
			return fmt.Errorf("rule of segment %s: %w", id, err)
		}
		s.Segments[id] = g
		return nil
	}, `SELECT id, name, rule FROM segments WHERE tenant_id = $1`, s.Tenant)
	if err != nil {
		return err
	}
	if known != nil && (known.Number != active || known.Profiles.Len() == 0) {
		known = nil
	}
	dictionaries := map[int32][]trait.Profile{}
	if profiles {
		if dictionaries, err = s.loadProfiles(ctx, tx, active, known); err != nil {
			return err
		}
	}
	return s.loadGenerations(ctx, tx, active, dictionaries, known)
}

func (s *State) loadProfiles(ctx context.Context, tx querier, active int32, known *Generation) (map[int32][]trait.Profile, error) {
	profiles := map[int32][]trait.Profile{}
	from := 0
	if known != nil {
		from = known.Profiles.Len() // that one too: it says whether the others are those that are known
	}
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var generation int32
		p, err := scanProfile(rows, &generation)
		profiles[generation] = append(profiles[generation], p)
		return err
	}, `SELECT cube, id, channel, variant, dimension_values FROM profiles
		WHERE tenant_id = $1 AND cube IN (SELECT generation FROM cubes WHERE tenant_id = $1 AND generation >= $2)
			AND (cube <> $2 OR id >= $3)
		ORDER BY cube, id`, s.Tenant, active, from)
	return profiles, err
}

// goOn is the known generation with the profiles that are stored from its last one on.
func (g *Generation) goOn(shape trait.Shape, stored []trait.Profile) (*Generation, error) {
	last, _ := g.Profiles.Get(int32(g.Profiles.Len()))
	if encode(shape) != encode(g.Shape) || len(stored) == 0 || encode(stored[0]) != encode(last) {
		return nil, errAnother
	}
	if err := g.Profiles.Append(stored[1:]); err != nil {
		return nil, errAnother
	}
	return &Generation{Number: g.Number, Shape: shape, Profiles: g.Profiles, zone: g.zone}, nil
}

func (s *State) loadGenerations(ctx context.Context, tx querier, active int32, profiles map[int32][]trait.Profile, known *Generation) error {
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var number int32
		var whole bool
		var shape []byte
		var builtTo uuid.NullUUID
		if err := rows.Scan(&number, &shape, &builtTo, &whole); err != nil {
			return err
		}
		var frozen trait.Shape
		if err := json.Unmarshal(shape, &frozen); err != nil {
			return fmt.Errorf("shape of cube %d: %w", number, err)
		}
		var g *Generation
		var err error
		if known != nil && number == active {
			g, err = known.goOn(frozen, profiles[number])
		} else {
			g, err = newGeneration(number, frozen, profiles[number])
		}
		if err != nil {
			return err
		}
		g.Whole, g.BuiltTo = whole, builtTo.UUID
		if number == active {
			s.Active = g
		} else {
			s.Building = g
		}
		return nil
	}, `SELECT generation, shape, built_to, whole FROM cubes
		WHERE tenant_id = $1 AND generation >= $2 ORDER BY generation`, s.Tenant, active)
	if err != nil {
		return err
	}
	if s.Active == nil {
		return fmt.Errorf("cube %d is missing", active)
	}
	return nil
}

// each runs a query and calls scan on every row.
func each(ctx context.Context, tx querier, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// States keeps the states of the tenants that were asked for last, and their cells, for readers. They must not be changed.
type States struct {
	db     *store.DB
	memory *memory
	states *lru.Cache[uuid.UUID, *State]
}

// maxStates bounds the memory that states take: one with twenty thousand profiles has some megabytes.
const maxStates = 64

// NewStates makes an empty cache.
func NewStates(db *store.DB) *States {
	states, err := lru.New[uuid.UUID, *State](maxStates)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &States{db: db, memory: newMemory(maxMemory), states: states}
}

// Get returns the tenant's state as it is now: one small query where it is known, whoever changed it.
func (c *States) Get(ctx context.Context, tenant uuid.UUID) (*State, error) {
	settings, err := settingsOf(ctx, c.db, tenant)
	if err != nil {
		return nil, err
	}
	s, ok := c.states.Get(tenant)
	if !ok || s.Settings != settings {
		if ok {
			s, err = s.since(ctx, c.db)
		} else {
			s, err = Load(ctx, c.db, tenant)
		}
		if err != nil {
			return nil, err
		}
		s.memory = c.memory
		c.states.Add(tenant, s)
	}
	if s.Building == nil {
		return s, nil
	}
	// Progress changes without the settings.
	r, err := progress(ctx, c.db.Reader, tenant)
	if err != nil || r == nil {
		return s, err
	}
	now := *s
	now.Rebuild = *r
	return &now, nil
}

// maxStale is how often Try asks again. Settings change at every new profile, which is often only in a tenant's youth.
const maxStale = 20

// Try calls f with the tenant's state, and again with a newer one where f fails with ErrStale.
func (c *States) Try(ctx context.Context, tenant uuid.UUID, f func(*State) error) error {
	for try := 1; ; try++ {
		s, err := c.Get(ctx, tenant)
		if err != nil {
			return err
		}
		err = f(s)
		if !errors.Is(err, ErrStale) {
			return err
		}
		if try == maxStale {
			busy := apierror.New(apierror.Overloaded, "The tenant's profiles are changing faster than they can be read; try again in a second.")
			busy.RetryAfter = time.Second
			return busy
		}
	}
}

func settingsOf(ctx context.Context, db *store.DB, tenant uuid.UUID) (int64, error) {
	settings := int64(-1)
	rows, err := db.Query(ctx, `SELECT settings FROM tenants WHERE id = $1`, tenant)
	if err != nil {
		return 0, fmt.Errorf("reading the tenant: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&settings); err != nil {
			return 0, fmt.Errorf("reading the tenant: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("reading the tenant: %w", err)
	}
	if settings < 0 {
		return 0, apierror.New(apierror.NotFoundCode, "no such tenant")
	}
	return settings, nil
}

// ErrStale says that the tenant's settings changed since the state was read: get it again, and ask again.
var ErrStale = errors.New("the tenant's settings have changed meanwhile")

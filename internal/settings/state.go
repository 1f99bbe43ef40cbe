// Package settings is what everything else goes by in a tenant: its zone, campaigns, traits and segments, and with them the
// generations of its cube. It is small, read whole at one moment, and good until its number changes.
//
// Traits and segments are changed here, since each may break the other, and both may give the cube another shape.
package settings

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
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// State is all that a tenant's flushes and reads go by.
type State struct {
	cube.Generations

	// Revision changes with every flush and every change of settings.
	Revision int64
	// Position is the number of the log's last event.
	Position int64
	// Zone is the tenant's time zone; while a change of it is being built, not yet that of Active.
	Zone string
	// MinGroupSize is how many responses a group must have to stand by itself before who is narrowed, 1 or more.
	MinGroupSize int
	Campaigns    map[uuid.UUID]Campaign
	// Traits are the definitions by key; while a change is being built, not yet those of Active.
	Traits   map[string]trait.Definition
	Segments map[uuid.UUID]Segment
	// Rebuild is how far Building is; States.Get brings it up to date.
	Rebuild cube.Rebuild
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
func LoadTx(ctx context.Context, tx store.Querier, tenant uuid.UUID) (*State, error) {
	return load(ctx, tx, tenant, nil)
}

// load reads the state. Of a generation that is known, which is used up, the profiles that it has are not read again.
func load(ctx context.Context, tx store.Querier, tenant uuid.UUID, known *cube.Generation) (*State, error) {
	return read(ctx, tx, tenant, func(settings int64, active int32) (cube.Generations, error) {
		return cube.LoadGenerations(ctx, tx, tenant, settings, active, known)
	})
}

// definitions is LoadTx without the dictionaries of profiles, which may be large, for who must not hold the lock for long.
// Nothing can be placed by it.
func definitions(ctx context.Context, tx store.Querier, tenant uuid.UUID) (*State, error) {
	return read(ctx, tx, tenant, func(settings int64, active int32) (cube.Generations, error) {
		return cube.LoadShapes(ctx, tx, tenant, settings, active)
	})
}

// since is Load for whoever has a state of before, which stays as it is: of the profiles only those are read that came
// since.
func (s *State) since(ctx context.Context, db *store.DB) (now *State, err error) {
	err = db.Snapshot(ctx, func(tx *store.Tx) error {
		now, err = load(ctx, tx.SQL, s.Tenant, s.Active.Copy())
		return err
	})
	return now, err
}

// Refresh is LoadTx for whoever has a state of before, which is used up: as long as the settings are the same, only what
// changes without them is read, and else of the profiles those that came since. The state must be nobody else's, and its
// dictionaries must hold nothing that is not stored.
func (s *State) Refresh(ctx context.Context, tx store.Querier) (*State, error) {
	settings := int64(-1)
	err := store.Each(ctx, tx, func(rows *sql.Rows) error {
		return rows.Scan(&s.Revision, &settings, &s.Position)
	}, `SELECT revision, settings, log_position FROM tenants WHERE id = $1`, s.Tenant)
	same := false
	if err == nil {
		same, err = s.CatchUp(ctx, tx, settings)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the tenant's state: %w", err)
	}
	if !same {
		return load(ctx, tx, s.Tenant, s.Active)
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

// read reads the state, with generations as loaded gives them.
func read(
	ctx context.Context, tx store.Querier, tenant uuid.UUID, loaded func(settings int64, active int32) (cube.Generations, error),
) (*State, error) {
	s := &State{Campaigns: map[uuid.UUID]Campaign{}, Traits: map[string]trait.Definition{}, Segments: map[uuid.UUID]Segment{}}
	settings, active := int64(0), int32(-1)
	err := store.Each(ctx, tx, func(rows *sql.Rows) error {
		return rows.Scan(&s.Revision, &settings, &s.Position, &s.Zone, &s.MinGroupSize, &active)
	}, `SELECT revision, settings, log_position, time_zone, min_group_size, cube FROM tenants WHERE id = $1`, tenant)
	if err == nil && active < 0 {
		err = apierror.New(apierror.NotFoundCode, "no such tenant")
	}
	if err == nil {
		err = s.readDefinitions(ctx, tx, tenant)
	}
	if err == nil {
		s.Generations, err = loaded(settings, active)
	}
	if err != nil {
		return nil, fmt.Errorf("loading the tenant's state: %w", err)
	}
	return s, nil
}

// readDefinitions reads campaigns, traits and segments.
func (s *State) readDefinitions(ctx context.Context, tx store.Querier, tenant uuid.UUID) error {
	err := store.Each(ctx, tx, func(rows *sql.Rows) error {
		var id uuid.UUID
		var c Campaign
		err := rows.Scan(&id, &c.Name, &c.Status)
		s.Campaigns[id] = c
		return err
	}, `SELECT id, name, status FROM campaigns WHERE tenant_id = $1`, tenant)
	if err != nil {
		return err
	}
	err = store.Each(ctx, tx, func(rows *sql.Rows) error {
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
	}, `SELECT key, label, kind, is_dimension, edges FROM traits WHERE tenant_id = $1`, tenant)
	if err != nil {
		return err
	}
	return store.Each(ctx, tx, func(rows *sql.Rows) error {
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
	}, `SELECT id, name, rule FROM segments WHERE tenant_id = $1`, tenant)
}

// States keeps the states of the tenants that were asked for last, and their cells, for readers. They must not be changed.
type States struct {
	db     *store.DB
	memory *cube.Memory
	states *lru.Cache[uuid.UUID, *State]
	loads  flight.Group[loading, *State]
}

// loading is what states are loaded for once: whoever comes meanwhile and wants one of the same settings, or later, waits for
// it. A state may be large, and those who ask first, after a change, often come together: all lists of a request do.
type loading struct {
	tenant   uuid.UUID
	settings int64
}

// loadTimeout bounds how long a state is loaded that somebody waits for, or waited.
const loadTimeout = time.Minute

// maxStates bounds the memory that states take: one with twenty thousand profiles has some megabytes.
const maxStates = 64

// NewStates makes an empty cache, with a memory for cells of its own.
func NewStates(db *store.DB) *States { return NewStatesIn(db, cube.NewMemory()) }

// NewStatesIn makes an empty cache, whose readers find their cells in the memory.
func NewStatesIn(db *store.DB, memory *cube.Memory) *States {
	states, err := lru.New[uuid.UUID, *State](maxStates)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &States{db: db, memory: memory, states: states}
}

// Get returns the tenant's state as it is now: one small query where it is known, whoever changed it.
func (c *States) Get(ctx context.Context, tenant uuid.UUID) (*State, error) {
	settings, err := cube.SettingsOf(ctx, c.db, tenant)
	if err != nil {
		return nil, err
	}
	s, ok := c.states.Get(tenant)
	if !ok || s.Settings != settings {
		s, err = c.loads.Do(ctx, loading{tenant, settings}, loadTimeout, func(ctx context.Context) (*State, error) {
			return c.load(ctx, tenant, settings)
		})
		if err != nil {
			return nil, err
		}
	}
	if s.Building == nil {
		return s, nil
	}
	// Progress changes without the settings.
	r, err := cube.Progress(ctx, c.db, tenant)
	if err != nil || r == nil {
		return s, err
	}
	now := *s
	now.Rebuild = *r
	return &now, nil
}

// load gives the tenant's state of these settings, or later ones: what is not known of it yet it reads, and keeps.
func (c *States) load(ctx context.Context, tenant uuid.UUID, settings int64) (s *State, err error) {
	known, ok := c.states.Get(tenant)
	switch {
	case ok && known.Settings >= settings: // by a load that ended before this one could join it
		return known, nil
	case ok:
		s, err = known.since(ctx, c.db)
	default:
		s, err = Load(ctx, c.db, tenant)
	}
	if err != nil {
		return nil, err
	}
	s.Remember(c.memory)
	c.states.Add(tenant, s)
	return s, nil
}

// Of is Get where db is the database as it is; of a moment's (store.DB.At), it is the state as it was then, but for the
// progress of a rebuild, by which cells of that moment are never stale.
func (c *States) Of(ctx context.Context, db *store.DB, tenant uuid.UUID) (*State, error) {
	s, err := c.Get(ctx, tenant)
	if err != nil || db.Now() == db {
		return s, err
	}
	settings, err := cube.SettingsOf(ctx, db, tenant)
	if err != nil || s.Settings == settings {
		return s, err
	}
	if s, err = Load(ctx, db, tenant); err == nil {
		s.Remember(c.memory)
	}
	return s, err
}

// maxStale is how often Try asks again. Settings change at every new profile, which is often only in a tenant's youth.
const maxStale = 20

// Retry is Try for whoever has a state of this request's, which f is called with first: it finds out itself whether that
// is outdated.
func (c *States) Retry(ctx context.Context, known *State, f func(*State) error) error {
	if err := f(known); !errors.Is(err, cube.ErrStale) {
		return err
	}
	return c.Try(ctx, known.Tenant, f)
}

// Try calls f with the tenant's state, and again with a newer one where f fails with cube.ErrStale.
func (c *States) Try(ctx context.Context, tenant uuid.UUID, f func(*State) error) error {
	for try := 1; ; try++ {
		s, err := c.Get(ctx, tenant)
		if err != nil {
			return err
		}
		err = f(s)
		if !errors.Is(err, cube.ErrStale) {
			return err
		}
		if try == maxStale {
			busy := apierror.New(apierror.Overloaded, "The tenant's profiles are changing faster than they can be read; try again in a second.")
			busy.RetryAfter = time.Second
			return busy
		}
	}
}

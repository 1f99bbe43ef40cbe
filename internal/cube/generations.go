package cube

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Generations are a tenant's, as they stood at one moment.
type Generations struct {
	Tenant uuid.UUID
	// Settings is the number of the tenant's settings at that moment. It grows with every change of them, and with new profiles.
	Settings int64
	// Active answers. Building, which may be nil, is to follow it.
	Active, Building *Generation

	// memory has the cells of those that are for readers; nil for those that are for writers.
	memory *Memory
}

// ErrStale says that the tenant's settings changed since the generations were read: get them again, and ask again.
var ErrStale = errors.New("the tenant's settings have changed meanwhile")

// Remember has reading take cells from the memory.
func (g *Generations) Remember(m *Memory) { g.memory = m }

// All are those that writes must keep up to date.
func (g *Generations) All() []*Generation {
	if g.Building == nil {
		return []*Generation{g.Active}
	}
	return []*Generation{g.Active, g.Building}
}

// Profiles is how many profiles each of them has.
func (g *Generations) Profiles() []int {
	var n []int
	for _, one := range g.All() {
		n = append(n, one.Profiles.Len())
	}
	return n
}

// Forget forgets the profiles that came after there were so many.
func (g *Generations) Forget(profiles []int) {
	for i, one := range g.All() {
		one.Profiles.Truncate(profiles[i])
	}
}

// Today is the current day in the zone that the active generation's days begin in.
func (g *Generations) Today(now time.Time) calendar.Day { return calendar.DayOf(now, g.Active.zone) }

// LoadGenerations reads the tenant's generations within a transaction that holds the tenant's lock, or sees a snapshot.
// active is the number of the one that answers. Of a generation that is known, which is used up, the profiles that it has
// are not read again.
func LoadGenerations(ctx context.Context, tx store.Querier, tenant uuid.UUID, settings int64, active int32, known *Generation) (Generations, error) {
	return loadGenerations(ctx, tx, Generations{Tenant: tenant, Settings: settings}, active, true, known)
}

// LoadShapes is LoadGenerations without the dictionaries of profiles, which may be large, for who must not hold the lock
// for long. Nothing can be placed by it.
func LoadShapes(ctx context.Context, tx store.Querier, tenant uuid.UUID, settings int64, active int32) (Generations, error) {
	return loadGenerations(ctx, tx, Generations{Tenant: tenant, Settings: settings}, active, false, nil)
}

func loadGenerations(ctx context.Context, tx store.Querier, of Generations, active int32, profiles bool, known *Generation) (Generations, error) {
	if known != nil && (known.Number != active || known.Profiles.Len() == 0) {
		known = nil
	}
	loaded := of
	dictionaries := map[int32][]trait.Profile{}
	var err error
	if profiles {
		if dictionaries, err = loadProfiles(ctx, tx, of.Tenant, active, known); err != nil {
			return of, err
		}
	}
	err = loaded.load(ctx, tx, active, dictionaries, known)
	if errors.Is(err, errAnother) {
		return loadGenerations(ctx, tx, of, active, profiles, nil)
	}
	return loaded, err
}

// errAnother says that what is stored does not go on from what is known: a backup is back, or somebody has mended it.
var errAnother = errors.New("the cube is not the one that is known")

// loadNow is LoadGenerations for who knows nothing else of the tenant.
func loadNow(ctx context.Context, tx store.Querier, tenant uuid.UUID, known *Generation) (Generations, error) {
	settings, active := int64(0), int32(-1)
	err := store.Each(ctx, tx, func(rows *sql.Rows) error { return rows.Scan(&settings, &active) },
		`SELECT settings, cube FROM tenants WHERE id = $1`, tenant)
	if err != nil {
		return Generations{}, fmt.Errorf("reading the tenant: %w", err)
	}
	if active < 0 {
		return Generations{}, apierror.New(apierror.NotFoundCode, "no such tenant")
	}
	return LoadGenerations(ctx, tx, tenant, settings, active, known)
}

// refresh is loadNow for whoever has generations of before, which are used up; see CatchUp.
func (g *Generations) refresh(ctx context.Context, tx store.Querier) (*Generations, error) {
	settings := int64(-1)
	err := store.Each(ctx, tx, func(rows *sql.Rows) error { return rows.Scan(&settings) }, `SELECT settings FROM tenants WHERE id = $1`, g.Tenant)
	if err != nil {
		return nil, fmt.Errorf("reading the tenant: %w", err)
	}
	if same, err := g.CatchUp(ctx, tx, settings); same || err != nil {
		return g, err
	}
	now, err := loadNow(ctx, tx, g.Tenant, g.Active)
	return &now, err
}

// CatchUp reads what changes of the next generation without the tenant's settings, and reports whether that was all: else
// they are to be loaded again. They must be nobody else's, and their dictionaries must hold nothing that is not stored.
func (g *Generations) CatchUp(ctx context.Context, tx store.Querier, settings int64) (same bool, err error) {
	if settings != g.Settings {
		return false, nil
	}
	next := g.Building
	if next == nil {
		return true, nil
	}
	// Steps of the rebuild take responses in and find profiles, of which nobody but writers needs to know.
	err = store.Each(ctx, tx, func(rows *sql.Rows) error {
		var builtTo uuid.NullUUID
		err := rows.Scan(&builtTo)
		next.BuiltTo, same = builtTo.UUID, true
		return err
	}, `SELECT built_to FROM cubes WHERE tenant_id = $1 AND generation = $2`, g.Tenant, next.Number)
	if err != nil || !same {
		return false, err
	}
	err = store.Each(ctx, tx, func(rows *sql.Rows) error {
		p, err := scanProfile(rows)
		if err != nil {
			return err
		}
		placed, added := next.Profiles.Place(p.Channel, p.Variant, p.Values)
		same = same && added && placed.ID == p.ID && placed.Variant == p.Variant && slices.Equal(placed.Values, p.Values)
		return nil
	}, `SELECT id, channel, variant, dimension_values FROM profiles WHERE tenant_id = $1 AND cube = $2 AND id > $3 ORDER BY id`,
		g.Tenant, next.Number, next.Profiles.Len())
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

func loadProfiles(ctx context.Context, tx store.Querier, tenant uuid.UUID, active int32, known *Generation) (map[int32][]trait.Profile, error) {
	profiles := map[int32][]trait.Profile{}
	from := 0
	if known != nil {
		from = known.Profiles.Len() // that one too: it says whether the others are those that are known
	}
	err := store.Each(ctx, tx, func(rows *sql.Rows) error {
		var generation int32
		p, err := scanProfile(rows, &generation)
		profiles[generation] = append(profiles[generation], p)
		return err
	}, `SELECT cube, id, channel, variant, dimension_values FROM profiles
		WHERE tenant_id = $1 AND cube IN (SELECT generation FROM cubes WHERE tenant_id = $1 AND generation >= $2)
			AND (cube <> $2 OR id >= $3)
		ORDER BY cube, id`, tenant, active, from)
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

func (g *Generations) load(ctx context.Context, tx store.Querier, active int32, profiles map[int32][]trait.Profile, known *Generation) error {
	err := store.Each(ctx, tx, func(rows *sql.Rows) error {
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
		var one *Generation
		var err error
		if known != nil && number == active {
			one, err = known.goOn(frozen, profiles[number])
		} else {
			one, err = newGeneration(number, frozen, profiles[number])
		}
		if err != nil {
			return err
		}
		one.Whole, one.BuiltTo = whole, builtTo.UUID
		if number == active {
			g.Active = one
		} else {
			g.Building = one
		}
		return nil
	}, `SELECT generation, shape, built_to, whole FROM cubes
		WHERE tenant_id = $1 AND generation >= $2 ORDER BY generation`, g.Tenant, active)
	if err != nil {
		return err
	}
	if g.Active == nil {
		return fmt.Errorf("cube %d is missing", active)
	}
	return nil
}

// Copy is the generation with a dictionary of its own, to go on from: see LoadGenerations.
func (g *Generation) Copy() *Generation {
	known := *g
	known.Profiles = g.Profiles.Clone()
	return &known
}

// SettingsOf is the number of the tenant's settings now. The error is NOT_FOUND where there is no such tenant.
func SettingsOf(ctx context.Context, db *store.DB, tenant uuid.UUID) (int64, error) {
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

package cube

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Change is what a transaction does to the cube.
type Change struct {
	Deltas Deltas
	// Grown are the generations' profiles that are not stored yet.
	Grown []Grown
}

// Grown is what a generation's dictionary has gained.
type Grown struct {
	Generation int32
	Profiles   []trait.Profile
}

// Since collects what the dictionary has gained over its first n profiles.
func (g *Generation) Since(n int) []Grown {
	if g.Profiles.Len() == n {
		return nil
	}
	return []Grown{{Generation: g.Number, Profiles: g.Profiles.All()[n:]}}
}

const histogramColumns = `s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10`

const addHistogram = `ON CONFLICT (tenant_id, cube, grain, campaign_id, start, profile_id) DO UPDATE SET
	s0 = c.s0 + excluded.s0, s1 = c.s1 + excluded.s1, s2 = c.s2 + excluded.s2, s3 = c.s3 + excluded.s3,
	s4 = c.s4 + excluded.s4, s5 = c.s5 + excluded.s5, s6 = c.s6 + excluded.s6, s7 = c.s7 + excluded.s7,
	s8 = c.s8 + excluded.s8, s9 = c.s9 + excluded.s9, s10 = c.s10 + excluded.s10, changed = excluded.changed`

type cell struct {
	key Key
	n   nps.Histogram
}

// cells are the changes that change something, in the order of the primary key, so that writers cannot deadlock.
func (c Change) cells() []cell {
	cells := make([]cell, 0, len(c.Deltas))
	for k, n := range c.Deltas {
		if n != (nps.Histogram{}) {
			cells = append(cells, cell{k, n})
		}
	}
	slices.SortFunc(cells, byKey)
	return cells
}

func byKey(a, b cell) int {
	return cmp.Or(
		cmp.Compare(a.key.Generation, b.key.Generation), cmp.Compare(a.key.Grain, b.key.Grain),
		bytes.Compare(a.key.Campaign[:], b.key.Campaign[:]),
		cmp.Compare(a.key.Start, b.key.Start), cmp.Compare(a.key.Profile, b.key.Profile))
}

// written are the cells that are written: those that change, and the totals of their months, which say when that was.
func (c Change) written() []cell {
	cells := c.cells()
	stamped := map[Key]bool{}
	for _, changed := range cells {
		k := Key{changed.key.Generation, MonthTotal, changed.key.Campaign, calendar.Monthly.Start(changed.key.Start), 0}
		if !stamped[k] && c.Deltas[k] == (nps.Histogram{}) {
			cells = append(cells, cell{key: k})
		}
		stamped[k] = true
	}
	slices.SortFunc(cells, byKey)
	return cells
}

// Postgres gives the change as CTEs of a larger statement, whose first parameter is the tenant and which has a CTE
// `head` that yields one row with the tenant's revision, or none where nothing is to happen. The parameters are numbered
// on from first.
func (c Change) Postgres(first int) (ctes string, args []any) {
	arg := func(v string) {
		args = append(args, v)
	}
	var cubes, ids []int32
	var channels, variants, values []string
	for _, g := range c.Grown {
		for _, p := range g.Profiles {
			cubes, ids = append(cubes, g.Generation), append(ids, p.ID)
			channels, variants, values = append(channels, p.Channel), append(variants, p.Variant), append(values, encode(p.Values))
		}
	}
	arg(store.Ints(store.Postgres, cubes))
	arg(store.Ints(store.Postgres, ids))
	arg(store.Texts(store.Postgres, channels))
	arg(store.Texts(store.Postgres, variants))
	arg(store.Texts(store.Postgres, values))

	cells := c.written()
	campaigns := make([]uuid.UUID, len(cells))
	numbers := make([][]int64, 4+len(nps.Histogram{}))
	for i, cell := range cells {
		campaigns[i] = cell.key.Campaign
		for j, n := range [4]int64{int64(cell.key.Generation), int64(cell.key.Grain), int64(cell.key.Start), int64(cell.key.Profile)} {
			numbers[j] = append(numbers[j], n)
		}
		for score, n := range cell.n {
			numbers[4+score] = append(numbers[4+score], n)
		}
	}
	arg(store.UUIDs(store.Postgres, campaigns))
	for _, n := range numbers {
		arg(store.Ints(store.Postgres, n))
	}

	p := func(i int) string { return fmt.Sprintf("$%d", first+i) }
	ctes = fmt.Sprintf(`new_profiles AS (
		INSERT INTO profiles (tenant_id, cube, id, channel, variant, dimension_values)
		SELECT $1, u.cube, u.id, u.channel, u.variant, u.vals::json
		FROM head, unnest(%s::int[], %s::int[], %s::text[], %s::text[], %s::text[]) AS u(cube, id, channel, variant, vals)
	), new_cells AS (
		INSERT INTO cells AS c (tenant_id, campaign_id, cube, grain, start, profile_id, `+histogramColumns+`, changed)
		SELECT $1, u.*, head.revision FROM head, unnest(%s::uuid[], %s::int[], %s::smallint[]`, p(0), p(1), p(2), p(3), p(4), p(5), p(6), p(7))
	rest := make([]string, 0, len(args))
	for i := 8; i < len(args); i++ {
		rest = append(rest, p(i)+"::int[]")
	}
	return ctes + ", " + strings.Join(rest, ", ") + `) AS u ` + addHistogram + `)`, args
}

// Apply makes the change within a transaction.
func (c Change) Apply(ctx context.Context, dialect string, tx *sql.Tx, tenant uuid.UUID) error {
	var err error
	if dialect == store.Postgres {
		ctes, args := c.Postgres(2)
		_, err = tx.ExecContext(ctx, `WITH head AS (SELECT revision FROM tenants WHERE id = $1), `+ctes+` SELECT 1`, append([]any{tenant}, args...)...)
	} else {
		err = c.sqlite(ctx, tx, tenant)
	}
	if err != nil {
		return fmt.Errorf("changing cells: %w", err)
	}
	return nil
}

func (c Change) sqlite(ctx context.Context, tx *sql.Tx, tenant uuid.UUID) error {
	for _, g := range c.Grown {
		for _, p := range g.Profiles {
			_, err := tx.ExecContext(ctx, `INSERT INTO profiles (tenant_id, cube, id, channel, variant, dimension_values)
				VALUES ($1, $2, $3, $4, $5, $6)`, tenant, g.Generation, p.ID, p.Channel, p.Variant, encode(p.Values))
			if err != nil {
				return err
			}
		}
	}
	cells := c.written()
	if len(cells) == 0 {
		return nil
	}
	var revision int64
	if err := tx.QueryRowContext(ctx, `SELECT revision FROM tenants WHERE id = ?`, tenant).Scan(&revision); err != nil {
		return err
	}
	add, err := tx.PrepareContext(ctx, `INSERT INTO cells AS c
		(tenant_id, cube, grain, campaign_id, start, profile_id, `+histogramColumns+`, changed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) `+addHistogram)
	if err != nil {
		return err
	}
	defer add.Close()
	for _, cell := range cells {
		k, n := cell.key, cell.n
		if _, err := add.ExecContext(ctx, tenant, k.Generation, int(k.Grain), k.Campaign, k.Start, k.Profile,
			n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], revision); err != nil {
			return err
		}
	}
	return nil
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err)) // shapes and texts can always be encoded
	}
	return string(b)
}

package risk

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/ordinal"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

// maxCells is how many cells are learned from at most, so many profiles over so many months: the youngest ones.
const maxCells = 1_000_000

// learn learns a model from all that the tenant was answered, by the dimensions that answer now. It does nothing where
// these change meanwhile, or somebody else has learned one.
func (k *Keeper) learn(ctx context.Context, s *standing) error {
	var found *ordinal.Model
	var e ordinal.Evaluation
	var state *settings.State
	err := k.models.states.Try(ctx, s.tenant, func(now *settings.State) error {
		g := now.Generations
		g.Remember(nil) // those who ask need what is in memory; these cells would take the room of theirs
		cells, err := cube.Read(ctx, k.db, &g, cube.Query{
			From: learnedFrom(g.Today(k.models.now()), g.Active.Profiles.Len()), To: cube.Latest, ByProfile: true, By: calendar.Monthly,
		})
		if err != nil {
			return err
		}
		state = now
		found, e = learnFrom(g.Active, cells)
		return nil
	})
	if err != nil {
		return fmt.Errorf("learning who answers how: %w", err)
	}
	if !e.Ranks {
		// It may know the later shares better, but a list in its order would be one by chance.
		found = nil
	}
	return k.insert(ctx, s, state, found)
}

// learnedFrom is the first day that is learned from.
func learnedFrom(today calendar.Day, profiles int) calendar.Day {
	months := maxCells / max(profiles, 1)
	if months > 1_200 { // a century
		return cube.Earliest
	}
	return calendar.Monthly.Add(calendar.Monthly.Start(today), 1-months)
}

func learnFrom(g *cube.Generation, cells *cube.Cells) (*ordinal.Model, ordinal.Evaluation) {
	traits := make([]ordinal.Trait, len(g.Shape.Dimensions))
	for i, d := range g.Shape.Dimensions {
		column := g.Profiles.Column(i)
		traits[i] = ordinal.Trait{Key: d.Key, Values: column.Values, Of: column.Of}
	}
	return ordinal.Learn(traits, func(yield func(ordinal.Cell) bool) {
		for c := range cells.All() {
			month := int(calendar.Monthly.Start(c.Start))
			if !yield(ordinal.Cell{Profile: int(c.Profile), Month: month, Counts: c.Histogram.Counts()}) {
				return
			}
		}
	})
}

// insert stores a model; nil is that there is none, which answers at once.
func (k *Keeper) insert(ctx context.Context, s *standing, of *settings.State, model *ordinal.Model) error {
	dimensions, err := json.Marshal(of.Active.Shape.Dimensions)
	if err != nil {
		return fmt.Errorf("storing a model: %w", err)
	}
	var text *string
	var scoredTo *uuid.UUID
	var passedAt *time.Time
	now := k.models.now().UTC().Truncate(time.Microsecond)
	if model == nil {
		scoredTo, passedAt = &uuid.UUID{}, &now
	} else {
		written, err := json.Marshal(model)
		if err != nil {
			return fmt.Errorf("storing a model: %w", err)
		}
		text = new(string(written))
	}
	return k.db.WriteLocked(ctx, s.tenant, func(tx *store.Tx) error {
		stands, err := k.standing(ctx, tx.SQL, s.tenant)
		if err != nil || stands == nil || stands.number != s.number || stands.cube != of.Active.Number || stands.building {
			return err
		}
		_, err = tx.SQL.ExecContext(ctx, `INSERT INTO risk_models
				(tenant_id, number, cube, dimensions, model, position, learned_at, done_to, scored_to, passed_at, passed_revision)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)`,
			s.tenant, s.number+1, of.Active.Number, string(dimensions), text, s.position, now, uuid.Nil, scoredTo, passedAt)
		if err != nil {
			return fmt.Errorf("storing a model: %w", err)
		}
		return nil
	})
}

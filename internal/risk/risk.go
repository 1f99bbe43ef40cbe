// Package risk keeps, for each tenant, what its contacts would likely answer: a model of all campaigns' responses, learned
// anew in the background as these come in, and by it how likely each contact is a detractor, for the list in that order.
//
// A model answers once all contacts have their risk by it. Until then the one before does, so that a list is never in the
// order of two. It answers only as long as feedback is cut by the very dimensions that it was learned from: what a value is
// called says nothing of what it means in another cube.
package risk

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/ordinal"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Most is the risk, as it is stored, of somebody who is a detractor for certain.
const Most = 1_000_000_000

// Models reads what tenants have learned.
type Models struct {
	db     *store.DB
	states *settings.States
	now    func() time.Time
	read   *lru.Cache[name, *learned]
}

// maxRead is how many models are kept that were read: one has 20 kB at most, and the names of its values.
const maxRead = 64

// NewModels makes a reader; now is the clock that says which day is today.
func NewModels(db *store.DB, states *settings.States, now func() time.Time) *Models {
	read, err := lru.New[name, *learned](maxRead)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &Models{db: db, states: states, now: now, read: read}
}

// name names a model. Its number alone would not: the first one after all were deleted has that of another.
type name struct {
	tenant uuid.UUID
	number int64
	at     time.Time
}

// learned is what a model says, and of which dimensions.
type learned struct {
	dimensions []trait.Dimension
	model      *ordinal.Model
}

// Model is a tenant's that answers, on one day.
type Model struct {
	// Number is what the risks of contacts by it are found by.
	Number int64
	// Complete is the id up to which all contacts have their risk by it.
	Complete uuid.UUID

	learned *learned
	today   calendar.Day
}

// Of is the tenant's model that answers; nil where there is none.
func (m *Models) Of(ctx context.Context, tenant uuid.UUID) (*Model, error) {
	s, err := m.states.Get(ctx, tenant)
	if err != nil {
		return nil, err
	}
	model := &Model{today: s.Today(m.now())}
	of, is, scoredTo := name{tenant: tenant}, false, uuid.UUID{}
	rows, err := m.db.Query(ctx, `SELECT number, learned_at, scored_to, model IS NOT NULL FROM risk_models
		WHERE tenant_id = $1 AND scored_to IS NOT NULL ORDER BY number DESC LIMIT 1`, tenant)
	if err != nil {
		return nil, fmt.Errorf("looking for the tenant's model: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&of.number, &of.at, &scoredTo, &is); err != nil {
			return nil, fmt.Errorf("looking for the tenant's model: %w", err)
		}
	}
	if err := rows.Err(); err != nil || !is {
		return nil, err
	}
	if model.learned, err = m.learned(ctx, m.db.Reader, of); err != nil {
		return nil, err
	}
	model.Number, model.Complete = of.number, scoredTo
	if model.learned == nil || !same(model.learned.dimensions, s.Active.Shape.Dimensions) {
		return nil, nil
	}
	return model, nil
}

// learned reads a model, unless it is known; nil where it is gone.
func (m *Models) learned(ctx context.Context, from store.Querier, of name) (*learned, error) {
	of.at = of.at.UTC()
	if known, ok := m.read.Get(of); ok {
		return known, nil
	}
	var found *learned
	err := store.Each(ctx, from, func(rows *sql.Rows) error {
		var dimensions, model []byte
		if err := rows.Scan(&dimensions, &model); err != nil {
			return err
		}
		var err error
		found, err = decode(dimensions, model)
		return err
	}, `SELECT dimensions, model FROM risk_models WHERE tenant_id = $1 AND number = $2 AND model IS NOT NULL`, of.tenant, of.number)
	if err != nil {
		return nil, fmt.Errorf("reading model %d: %w", of.number, err)
	}
	if found != nil {
		m.read.Add(of, found)
	}
	return found, nil
}

// decode reads what is stored of a model. Its traits are its dimensions, in their order: those of others would be taken for
// them.
func decode(dimensions, model []byte) (*learned, error) {
	l := &learned{model: &ordinal.Model{}}
	if err := json.Unmarshal(dimensions, &l.dimensions); err != nil {
		return nil, fmt.Errorf("its dimensions: %w", err)
	}
	if err := json.Unmarshal(model, l.model); err != nil {
		return nil, err
	}
	if !slices.EqualFunc(l.model.Traits, l.dimensions, func(e ordinal.Effects, d trait.Dimension) bool { return e.Key == d.Key }) {
		return nil, errors.New("its traits are not its dimensions")
	}
	return l, nil
}

// same reports whether both cut feedback alike.
func same(a, b []trait.Dimension) bool {
	return slices.EqualFunc(a, b, func(a, b trait.Dimension) bool {
		return a.Key == b.Key && a.Kind == b.Kind && slices.Equal(a.Edges, b.Edges)
	})
}

// late is how long after it was made an id may come to be seen at most: flushes wait, and the clocks of machines differ.
const late = 10 * time.Minute

// settled is the last id, up to that, behind which nobody comes any more whose id is smaller, where ids were made until now.
func settled(last uuid.UUID, now time.Time, late time.Duration) (to uuid.UUID) {
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(max(0, now.Add(-late).UnixMilli())))
	copy(to[:6], at[2:]) // the milliseconds since 1970, in a UUIDv7
	if bytes.Compare(last[:], to[:]) < 0 {
		return last
	}
	return to
}

// Predict foretells what somebody would answer today of whom that is known.
func (m *Model) Predict(known trait.Values) ordinal.Prediction {
	return m.learned.predict(known, m.today)
}

func (l *learned) predict(known trait.Values, on calendar.Day) ordinal.Prediction {
	return l.model.Predict(trait.Shape{Dimensions: l.dimensions}.Values(known, on))
}

// risk is what is stored of a prediction. It is a whole number, of which databases have no doubts which is greater.
func risk(p ordinal.Prediction) int32 { return int32(math.Round(p.Detractor * Most)) }

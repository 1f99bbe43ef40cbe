// Package cube keeps the cells: every analytical question is a sum of their histograms.
//
// A cell is the histogram of one campaign, one day in the tenant's zone and one profile. Cells change in the same
// transaction as the responses they count, and three coarser grains are kept beside them. A tenant's cells are a
// generation, frozen to one zone and one list of dimensions; changing either builds the next generation in the
// background, while the old one answers.
package cube

import (
	"bytes"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/trait"
)

// Grain is how fine a cell is. Each response counts in one cell of each grain.
type Grain int

// The grains. A cell of a total has profile 0.
const (
	DayProfile Grain = iota
	MonthProfile
	DayTotal
	MonthTotal
)

// grains is how many there are.
const grains = 4

// Fact is what of a response decides its cells.
type Fact struct {
	Response    uuid.UUID
	Campaign    uuid.UUID
	Channel     string
	Variant     *string
	Traits      trait.Values
	RespondedAt time.Time
	Score       int
}

// Generation is one generation of a tenant's cells.
type Generation struct {
	Number int32
	Shape  trait.Shape
	// Profiles are those that have a cell. They grow as facts are placed.
	Profiles *trait.Profiles
	// Whole says that every response is in. Until then those up to BuiltTo are, in the order of their ids.
	Whole   bool
	BuiltTo uuid.UUID

	zone *time.Location
}

// NewGeneration makes a generation without profiles.
func NewGeneration(number int32, shape trait.Shape) (*Generation, error) {
	return newGeneration(number, shape, nil)
}

func newGeneration(number int32, shape trait.Shape, profiles []trait.Profile) (*Generation, error) {
	zone, err := calendar.LoadZone(shape.Zone)
	if err != nil {
		return nil, fmt.Errorf("cube %d: %w", number, err)
	}
	p, err := trait.NewProfiles(shape, profiles)
	if err != nil {
		return nil, &brokenError{number, err}
	}
	return &Generation{Number: number, Shape: shape, Profiles: p, zone: zone}, nil
}

// brokenError says that a generation's profiles are not what was once written.
type brokenError struct {
	generation int32
	err        error
}

func (e *brokenError) Error() string {
	return fmt.Sprintf("the profiles of cube %d are broken: %v", e.generation, e.err)
}

func (e *brokenError) Unwrap() error { return e.err }

// Zone is where the generation's days begin.
func (g *Generation) Zone() *time.Location { return g.zone }

// Holds reports whether the response is among those that the generation counts already.
func (g *Generation) Holds(response uuid.UUID) bool {
	return g.Whole || bytes.Compare(response[:], g.BuiltTo[:]) <= 0
}

// Place finds the fact's day and profile, and makes the profile where there is none yet.
func (g *Generation) Place(f Fact) (calendar.Day, trait.Profile) {
	day := calendar.DayOf(f.RespondedAt, g.zone)
	p, _ := g.Profiles.Place(f.Channel, f.variant(), g.Shape.Values(f.Traits, day))
	return day, p
}

// Placed is the profile that the generation counts the fact under. Where that is newer than the generation was read it has
// no id.
func (g *Generation) Placed(f Fact) trait.Profile {
	return g.Profiles.Placed(f.Channel, f.variant(), g.Shape.Values(f.Traits, calendar.DayOf(f.RespondedAt, g.zone)))
}

// variant is the fact's variant as profiles have it.
func (f *Fact) variant() string {
	if f.Variant == nil {
		return trait.None
	}
	return *f.Variant
}

// Key names a cell.
type Key struct {
	Generation int32
	Grain      Grain
	Campaign   uuid.UUID
	Start      calendar.Day
	Profile    int32
}

// Deltas are changes to cells.
type Deltas map[Key]nps.Histogram

// Count adds n times the fact, which may be −1, to its cells in the generation.
func (d Deltas) Count(g *Generation, f Fact, n int64) {
	day, profile := g.Place(f)
	month := calendar.Monthly.Start(day)
	for _, k := range [grains]Key{
		{g.Number, DayProfile, f.Campaign, day, profile.ID},
		{g.Number, MonthProfile, f.Campaign, month, profile.ID},
		{g.Number, DayTotal, f.Campaign, day, 0},
		{g.Number, MonthTotal, f.Campaign, month, 0},
	} {
		h := d[k]
		h[f.Score] += n
		d[k] = h
	}
}

package cube

import (
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/store"
)

// Between has f called whenever a piece of work is done and nothing is locked.
func (b *Builder) Between(f func()) { b.between = f }

// The bounds of a piece of work, in rows.
const (
	FirstChunk = firstChunk
	MinChunk   = minChunk
	SweepChunk = sweepChunk
	StepTime   = stepTime
)

// Pace says how many rows the next piece of work has, after pieces that took so long each.
func Pace(rows, most int, took []time.Duration) (after []int) {
	p := newPace(rows, most)
	for _, d := range took {
		p.took(d)
		after = append(after, p.rows)
	}
	return after
}

// NewStatesOf is NewStates with so many bytes of memory for cells.
func NewStatesOf(db *store.DB, most int) *States {
	s := NewStates(db)
	s.memory = newMemory(most)
	return s
}

// Remembered is how many bytes of cells are kept, as they are counted, and as they are.
func (c *States) Remembered() (counted, are int) {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	for _, t := range c.memory.tenants {
		are += t.size()
	}
	return c.memory.size, are
}

// HoldLoads keeps all from reading months that are not in memory, until release is called.
func (c *States) HoldLoads() (release func()) {
	for range maxLoads {
		c.memory.loads <- struct{}{}
	}
	return func() {
		for range maxLoads {
			<-c.memory.loads
		}
	}
}

// Waits reports whether somebody waits for the tenant's cells, or has.
func (c *States) Waits(tenant uuid.UUID) bool {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	return c.memory.tenants[tenant] != nil
}

package cube

import (
	"github.com/google/uuid"
)

// Between has f called whenever a piece of work is done and nothing is locked.
func (b *Builder) Between(f func()) { b.between = f }

// The bounds of a piece of work, in rows.
const (
	FirstChunk = firstChunk
	SweepChunk = sweepChunk
)

// NewMemoryOf is NewMemory with so many bytes.
func NewMemoryOf(most int) *Memory { return newMemory(most) }

// Remembered is how many bytes of cells are kept, as they are counted, and as they are.
func (m *Memory) Remembered() (counted, are int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tenants {
		are += t.size()
	}
	return m.size, are
}

// HoldLoads keeps all from reading months that are not in memory, until release is called.
func (m *Memory) HoldLoads() (release func()) {
	for range maxLoads {
		m.loads <- struct{}{}
	}
	return func() {
		for range maxLoads {
			<-m.loads
		}
	}
}

// Waits reports whether somebody waits for the tenant's cells, or has.
func (m *Memory) Waits(tenant uuid.UUID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tenants[tenant] != nil
}

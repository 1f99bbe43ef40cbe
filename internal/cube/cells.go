package cube

import (
	"iter"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/nps"
)

// Cell is a sum of cells; what was not kept apart is zero.
type Cell struct {
	Campaign  uuid.UUID
	Profile   int32
	Start     calendar.Day
	Histogram nps.Histogram
}

// Cells are sums of cells, numbered from 0: those that count something. They take some 15 bytes each, where a Cell has 112.
type Cells struct {
	commons  []common
	of       []int32 // which of those each has
	profiles []int32
	at       []uint32 // where in data its counts are, as in a section
	data     []byte
}

// common is what cells that come after each other have in common.
type common struct {
	campaign uuid.UUID
	start    calendar.Day
}

// maxCells bounds the memory that one reading takes.
const maxCells = 1_000_000

// Len is how many there are.
func (c *Cells) Len() int { return len(c.of) }

// Campaign is that of cell i.
func (c *Cells) Campaign(i int32) uuid.UUID { return c.commons[c.of[i]].campaign }

// Start is the first day of cell i.
func (c *Cells) Start(i int32) calendar.Day { return c.commons[c.of[i]].start }

// Profile is that of cell i.
func (c *Cells) Profile(i int32) int32 { return c.profiles[i] }

// AddTo adds the counts of cell i to a histogram.
func (c *Cells) AddTo(h *nps.Histogram, i int32) {
	u := unpacking{data: c.data[c.at[i]:]}
	u.add(h)
}

// Count is how many responses cell i has.
func (c *Cells) Count(i int32) int64 {
	u := unpacking{data: c.data[c.at[i]:]}
	if u.data[0] < many {
		return 1
	}
	n := int64(0)
	for mask := u.mask(); mask != 0; mask &= mask - 1 {
		n += int64(u.number())
	}
	return n
}

// All are all the cells.
func (c *Cells) All() iter.Seq[Cell] {
	return func(yield func(Cell) bool) {
		for i := range int32(c.Len()) {
			cell := Cell{Campaign: c.Campaign(i), Profile: c.Profile(i), Start: c.Start(i)}
			c.AddTo(&cell.Histogram, i)
			if !yield(cell) {
				return
			}
		}
	}
}

// begin says what the cells that are added next have in common.
func (c *Cells) begin(of common) {
	if n := len(c.commons); n == 0 || c.commons[n-1] != of {
		c.commons = append(c.commons, of)
	}
}

// room makes room for one more.
func (c *Cells) room(profile int32) error {
	if c.Len() == maxCells {
		return apierror.New(apierror.TooComplex, "This would read more than %d cells: narrow the filter, take a longer interval, or break down by less.", maxCells)
	}
	c.of = append(c.of, int32(len(c.commons)-1))
	c.profiles = append(c.profiles, profile)
	c.at = append(c.at, uint32(len(c.data)))
	return nil
}

// add adds a cell, if it counts something.
func (c *Cells) add(profile int32, h *nps.Histogram) error {
	var n counts
	for score := range n {
		n[score] = uint32(h[score])
	}
	if n == (counts{}) {
		return nil
	}
	if err := c.room(profile); err != nil {
		return err
	}
	c.data = appendCounts(c.data, &n)
	return nil
}

// addPacked adds the cell that u has come to, as it is.
func (c *Cells) addPacked(u *unpacking) error {
	if err := c.room(u.profile); err != nil {
		return err
	}
	from := u.data
	u.skip()
	c.data = append(c.data, from[:len(from)-len(u.data)]...)
	return nil
}

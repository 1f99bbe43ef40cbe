package cube

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/nps"
)

// counts is a histogram as it is stored.
type counts [nps.MaxScore + 1]uint32

// row is a cell of one campaign that is counted by profile.
type row struct {
	start   calendar.Day
	profile int32
	counts  counts
}

func byPlace(a, b row) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.profile, b.profile))
}

// section is the cells of one start, packed: in the order of their profiles, and those that count nothing left out.
//
// A cell is how far its profile is from the one before, as a uvarint. What follows is, of a cell that counts a single
// response, as most do, a byte with its score; else a byte with many and three bits, which with the eight bits of the next
// byte say which scores have responses, and a uvarint for each of those.
type section struct {
	start calendar.Day
	cells int
	data  []byte
}

const many = 0x10

// pack packs rows that are in order.
func pack(rows []row) []section {
	var sections []section
	var data []byte
	for len(rows) > 0 {
		s := section{start: rows[0].start}
		from, last := len(data), int32(0)
		n := 0
		for ; n < len(rows) && rows[n].start == s.start; n++ {
			if rows[n].counts == (counts{}) {
				continue
			}
			data = appendCell(data, uint32(rows[n].profile)-uint32(last), &rows[n].counts)
			last = rows[n].profile
			s.cells++
		}
		rows = rows[n:]
		if s.cells > 0 {
			s.data = data[from:] // and what was written stays as it is when data grows
			sections = append(sections, s)
		}
	}
	// All in one piece, of the right size.
	data = slices.Clip(slices.Clone(data))
	for i := range sections {
		n := len(sections[i].data)
		sections[i].data, data = data[:n:n], data[n:]
	}
	return sections
}

func appendCell(data []byte, ahead uint32, c *counts) []byte {
	return appendCounts(binary.AppendUvarint(data, uint64(ahead)), c)
}

func appendCounts(data []byte, c *counts) []byte {
	mask, all := uint16(0), uint64(0)
	for score, n := range c {
		if n > 0 {
			mask |= 1 << score
			all += uint64(n)
		}
	}
	if all == 1 {
		return append(data, byte(bits.TrailingZeros16(mask)))
	}
	data = append(data, many|byte(mask>>8), byte(mask))
	for _, n := range c {
		if n > 0 {
			data = binary.AppendUvarint(data, uint64(n))
		}
	}
	return data
}

// unpacking goes through a section: after next, either add or skip, until there is no next.
type unpacking struct {
	data    []byte
	profile int32
}

func (u *unpacking) next() bool {
	if len(u.data) == 0 {
		return false
	}
	u.profile += int32(u.number())
	return true
}

// number reads a uvarint, which mostly is one byte.
func (u *unpacking) number() uint32 {
	if n := u.data[0]; n < 0x80 {
		u.data = u.data[1:]
		return uint32(n)
	}
	n, size := binary.Uvarint(u.data)
	u.data = u.data[size:]
	return uint32(n)
}

// add adds the cell's counts.
func (u *unpacking) add(h *nps.Histogram) {
	score := u.data[0]
	if score < many {
		h[score]++
		u.data = u.data[1:]
		return
	}
	for mask := u.mask(); mask != 0; mask &= mask - 1 {
		h[bits.TrailingZeros16(mask)] += int64(u.number())
	}
}

func (u *unpacking) skip() {
	if u.data[0] < many {
		u.data = u.data[1:]
		return
	}
	for mask := u.mask(); mask != 0; mask &= mask - 1 {
		u.number()
	}
}

func (u *unpacking) mask() uint16 {
	mask := uint16(u.data[0]-many)<<8 | uint16(u.data[1])
	u.data = u.data[2:]
	return mask
}

// rows are the cells that are packed.
func (s section) rows(to []row) []row {
	for u := (unpacking{data: s.data}); u.next(); {
		var h nps.Histogram
		u.add(&h)
		r := row{start: s.start, profile: u.profile}
		for score, n := range h {
			r.counts[score] = uint32(n)
		}
		to = append(to, r)
	}
	return to
}

// merge puts rows that have changed in the place of what was there. Both are in order.
func merge(sections []section, changed []row) []section {
	var old []row
	for _, s := range sections {
		old = s.rows(old)
	}
	all := make([]row, 0, len(old)+len(changed))
	for len(old) > 0 && len(changed) > 0 {
		switch c := byPlace(old[0], changed[0]); {
		case c < 0:
			all, old = append(all, old[0]), old[1:]
		case c == 0:
			old = old[1:]
		default:
			all, changed = append(all, changed[0]), changed[1:]
		}
	}
	return pack(append(append(all, old...), changed...))
}

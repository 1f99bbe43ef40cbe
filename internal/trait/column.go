package trait

import (
	"maps"
	"math/bits"
	"slices"
	"sync"
)

// Column is one dimension of all profiles, or their channels or variants, laid out for going through all of them.
type Column struct {
	// Values are those that profiles have, each once, sorted.
	Values []string
	// Of says which of Values a profile has, by its id; there is no profile 0. It must not be changed.
	Of []uint16
}

// The columns besides those of dimensions, which are counted from 0.
const (
	Channels = -1
	Variants = -2
)

// columns are those that were asked for.
type columns struct {
	mu sync.Mutex
	by map[int]*Column
}

// Column is that of dimension i, of Channels or of Variants. It is laid out once for as long as no profile is added.
func (p *Profiles) Column(i int) *Column {
	p.columns.mu.Lock()
	defer p.columns.mu.Unlock()
	c := p.columns.by[i]
	if c == nil || len(c.Of) != len(p.all)+1 {
		c = p.column(i)
		if p.columns.by == nil {
			p.columns.by = map[int]*Column{}
		}
		p.columns.by[i] = c
	}
	return c
}

func (p *Profiles) column(i int) *Column {
	value := func(profile *Profile) string {
		switch i {
		case Channels:
			return profile.Channel
		case Variants:
			return profile.Variant
		}
		return profile.Values[i]
	}
	places := map[string]uint16{}
	for at := range p.all {
		places[value(&p.all[at])] = 0
	}
	c := &Column{Values: slices.Sorted(maps.Keys(places)), Of: make([]uint16, len(p.all)+1)}
	for place, v := range c.Values {
		places[v] = uint16(place)
	}
	for at := range p.all {
		c.Of[at+1] = places[value(&p.all[at])]
	}
	return c
}

// Where are the profiles whose value holds, of so many words as NewSet makes.
func (c *Column) Where(holds func(value string) bool) Set {
	pass := make([]uint64, len(c.Values))
	for i, v := range c.Values {
		if holds(v) {
			pass[i] = 1
		}
	}
	s := NewSet(len(c.Of) - 1)
	for id := 1; id < len(c.Of); id++ {
		s[id/64] |= pass[c.Of[id]] << (id % 64)
	}
	return s
}

// Set is a set of profiles, by their ids.
type Set []uint64

// NewSet is an empty set with room for the ids 1 to n.
func NewSet(n int) Set { return make(Set, n/64+1) }

// Every is the set of the ids 1 to n.
func Every(n int) Set {
	s := NewSet(n)
	for i := range s {
		s[i] = ^uint64(0)
	}
	s[0] &^= 1
	s[len(s)-1] &= ^uint64(0) >> (63 - n%64)
	return s
}

// Has reports whether the id is in the set.
func (s Set) Has(id int32) bool {
	return id >= 0 && int(id/64) < len(s) && s[id/64]>>(id%64)&1 == 1
}

// And keeps those that are in the other set too, which has as much room.
func (s Set) And(o Set) {
	for i := range s {
		s[i] &= o[i]
	}
}

// Or adds those of the other set, which has as much room.
func (s Set) Or(o Set) {
	for i := range s {
		s[i] |= o[i]
	}
}

// AndNot takes those out that are in the other set, which has as much room.
func (s Set) AndNot(o Set) {
	for i := range s {
		s[i] &^= o[i]
	}
}

// Empty reports whether there are none.
func (s Set) Empty() bool {
	for _, word := range s {
		if word != 0 {
			return false
		}
	}
	return true
}

// IDs are the ids, ascending.
func (s Set) IDs() []int32 {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	ids := make([]int32, 0, n)
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			ids = append(ids, int32(i*64+bits.TrailingZeros64(word)))
		}
	}
	return ids
}

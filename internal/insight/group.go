package insight

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/trait"
)

// The keys that a breakdown knows besides the tenant's dimensions.
const (
	byChannel  = "channel"
	byVariant  = "variant"
	byCampaign = "campaign"
)

// pair holds the values of one or two keys; the second is empty where there is one.
type pair [2]string

// rest is what the groups beyond the limit are called.
func rest(by []string) pair {
	var p pair
	for i := range by {
		p[i] = trait.Other
	}
	return p
}

// cut is one division of a body of feedback, or of a group, by one or two keys.
type cut struct {
	of *group
	by pair
}

func cutOf(of *group, by []string) cut {
	c := cut{of: of}
	copy(c.by[:], by)
	return c
}

func (c cut) keys() []string {
	if c.by[1] == "" {
		return c.by[:1]
	}
	return c.by[:]
}

// divide asks for what it takes to tell the cut's groups apart.
func (c cut) divide(sp *split) {
	for _, key := range c.keys() {
		if key == byCampaign {
			sp.byCampaign = true
		} else {
			sp.byProfile = true
		}
	}
	c.of.divide(sp)
}

// group is a part of a body of feedback: one of a cut. A nil group is the whole body.
type group struct {
	cut    cut
	values pair
	// not, where not nil, makes this the group of all values but these.
	not []pair
}

func (g *group) divide(sp *split) {
	if g != nil {
		g.cut.divide(sp)
	}
}

// own are the group's cells.
func (g *group) own(c *cells) ([]cube.Cell, error) {
	if g == nil {
		return c.cells, nil
	}
	parts, err := c.cut(g.cut)
	if err != nil || g.not == nil {
		return parts[g.values], err
	}
	var rest []cube.Cell
	for values, part := range parts {
		if !slices.Contains(g.not, values) {
			rest = append(rest, part...)
		}
	}
	return rest, nil
}

// cut divides the cells, once for all groups of the cut.
func (c *cells) cut(by cut) (map[pair][]cube.Cell, error) {
	own, err := by.of.own(c)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if parts, ok := c.parts[by]; ok {
		return parts, nil
	}
	label, err := c.labels(by.keys())
	if err != nil {
		return nil, err
	}
	parts := map[pair][]cube.Cell{}
	for _, cell := range own {
		values := label(cell)
		parts[values] = append(parts[values], cell)
	}
	c.parts[by] = parts
	return parts, nil
}

// labels says what values a cell has for the keys. Keys that cannot be cut by are BAD_REQUEST.
func (c *cells) labels(by []string) (func(cube.Cell) pair, error) {
	var one [2]func(cube.Cell) string
	for i, key := range by {
		label, err := c.labelOf(key)
		if err != nil {
			return nil, err
		}
		one[i] = label
	}
	return func(c cube.Cell) pair {
		p := pair{one[0](c)}
		if one[1] != nil {
			p[1] = one[1](c)
		}
		return p
	}, nil
}

func (c *cells) labelOf(key string) (func(cube.Cell) string, error) {
	s := c.state
	profile := func(c cube.Cell) trait.Profile {
		p, _ := s.Active.Profiles.Get(c.Profile)
		return p
	}
	switch key {
	case byChannel:
		return func(c cube.Cell) string { return profile(c).Channel }, nil
	case byVariant:
		return func(c cube.Cell) string { return profile(c).Variant }, nil
	case byCampaign:
		// By what it is: its name may be that of the rest, or have been another's before.
		return func(c cube.Cell) string { return c.Campaign.String() }, nil
	}
	at := slices.IndexFunc(s.Active.Shape.Dimensions, func(d trait.Dimension) bool { return d.Key == key })
	def, defined := s.Traits[key]
	switch {
	case !defined:
		return nil, apierror.BadRequest("breakdown: there is no trait %.70q. Besides your traits there are channel, variant and campaign.", key)
	case !def.IsDimension:
		return nil, apierror.BadRequest("breakdown: the trait %s is no dimension; make it one with defineTrait.", key)
	case at < 0:
		soFar := fmt.Sprintf(": %d of %d so far", s.Rebuild.Done, s.Rebuild.Total)
		if c.narrowed {
			soFar = ""
		}
		return nil, apierror.BadRequest("breakdown: past responses are still being taken in for the trait %s%s. Ask again when all are.", key, soFar)
	}
	return func(c cube.Cell) string { return profile(c).Values[at] }, nil
}

// named are a group's values as they are shown: campaigns by their names.
func (c *cells) named(by []string, values pair) []string {
	shown := slices.Clone(values[:len(by)])
	for i, key := range by {
		if id, err := uuid.Parse(shown[i]); key == byCampaign && err == nil {
			shown[i] = c.state.Campaigns[id].Name
		}
	}
	return shown
}

// equals orders groups of equally many responses: by their values as they are shown.
func (c *cells) equals(by []string) func(a, b pair) int {
	if !slices.Contains(by, byCampaign) {
		return func(a, b pair) int { return slices.Compare(a[:], b[:]) }
	}
	return func(a, b pair) int {
		return cmp.Or(slices.Compare(c.named(by, a), c.named(by, b)), slices.Compare(a[:], b[:]))
	}
}

// shownFirst orders the groups, most responses first, and puts what is beyond the limit together under rest, which is
// last. Values that already mean the rest join it.
func shownFirst(groups map[pair]nps.Histogram, rest pair, limit int, equals func(a, b pair) int) []pair {
	other, hasOther := groups[rest]
	delete(groups, rest)
	order := slices.SortedFunc(maps.Keys(groups), func(a, b pair) int {
		ha, hb := groups[a], groups[b]
		if c := cmp.Compare(hb.Count(), ha.Count()); c != 0 {
			return c
		}
		return equals(a, b)
	})
	if len(order) > limit {
		for _, values := range order[limit:] {
			other, hasOther = other.Add(groups[values]), true
		}
		order = order[:limit]
	}
	if hasOther {
		groups[rest] = other
		order = append(order, rest)
	}
	return order
}

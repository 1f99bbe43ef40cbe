package insight

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"maps"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/trait"
)

// The keys that a breakdown knows besides the tenant's dimensions.
const (
	byChannel  = selection.ByChannel
	byVariant  = selection.ByVariant
	byCampaign = selection.ByCampaign
)

// pair holds the values of one or two keys.
type pair = selection.Values

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
		sp.tellApart(key)
	}
	c.of.divide(sp)
}

// tellApart asks for what it takes to tell the values of a key apart.
func (sp *split) tellApart(key string) {
	if key == byCampaign {
		sp.byCampaign = true
	} else {
		sp.byProfile = true
	}
}

// group is a part of a body of feedback: one of a cut. A nil group is the whole body.
type group struct {
	cut    cut
	values pair
	// any, where not nil, makes this the group of these values together, and not that of all values but these.
	any, not []pair
}

// one reports whether it is the group of one combination of values.
func (g *group) one() bool { return g.any == nil && g.not == nil }

// selected is the group as lists choose it.
func (g *group) selected() *selection.Group {
	if g == nil {
		return nil
	}
	return &selection.Group{Of: g.cut.of.selected(), By: g.cut.by, Is: g.values, Any: g.any, Not: g.not}
}

func (g *group) divide(sp *split) {
	if g != nil {
		g.cut.divide(sp)
	}
}

// labels say which value of a key each cell has.
type labels struct {
	// values are in the order of what is shown of them.
	values []string
	// shown, where not nil, is what is shown in their place, and places are theirs.
	shown  []string
	places map[string]uint32
	// of is the place of a cell's value among them.
	of func(at int32) uint32
}

// labelsOf are those of a key, for the field of the schema that asks. Keys that cannot be cut by are BAD_REQUEST.
func (c *cells) labelsOf(field, key string) (labels, error) {
	profiles := c.state.Active.Profiles
	switch key {
	case byChannel:
		return c.ofColumn(profiles.Column(trait.Channels)), nil
	case byVariant:
		return c.ofColumn(profiles.Column(trait.Variants)), nil
	case byCampaign:
		return c.campaigns(), nil
	}
	at := slices.IndexFunc(c.state.Active.Shape.Dimensions, func(d trait.Dimension) bool { return d.Key == key })
	def, defined := c.state.Traits[key]
	switch {
	case !defined:
		return labels{}, apierror.BadRequest("%s: there is no trait %.70q. Besides your traits there are channel, variant and campaign.", field, key)
	case !def.IsDimension:
		return labels{}, apierror.BadRequest("%s: the trait %s is no dimension; make it one with defineTrait.", field, key)
	case at < 0:
		return labels{}, c.state.BeingTakenIn(c.narrowing, field, "the trait "+key)
	}
	return c.ofColumn(profiles.Column(at)), nil
}

func (c *cells) ofColumn(column *trait.Column) labels {
	return labels{values: column.Values, of: func(at int32) uint32 { return uint32(column.Of[c.cells.Profile(at)]) }}
}

// campaigns are the labels of those that cells have: by what they are, since a name may be that of the rest, or have been
// another's before.
func (c *cells) campaigns() labels {
	l := labels{places: map[string]uint32{}}
	ids := map[uuid.UUID]uint32{}
	var last uuid.UUID // many cells of one campaign come after each other
	for at := range int32(c.cells.Len()) {
		if campaign := c.cells.Campaign(at); campaign != last || at == 0 {
			last = campaign
			ids[campaign] = 0
		}
	}
	name := func(id uuid.UUID) string { return c.state.Campaigns[id].Name }
	for place, id := range slices.SortedFunc(maps.Keys(ids), func(a, b uuid.UUID) int {
		return cmp.Or(cmp.Compare(name(a), name(b)), bytes.Compare(a[:], b[:]))
	}) {
		l.values, l.shown = append(l.values, id.String()), append(l.shown, name(id))
		ids[id] = uint32(place)
		l.places[id.String()] = ids[id]
	}
	place, known := uint32(0), false
	l.of = func(at int32) uint32 {
		if campaign := c.cells.Campaign(at); !known || campaign != last {
			last, place, known = campaign, ids[campaign], true
		}
		return place
	}
	return l
}

func (l *labels) place(value string) (uint32, bool) {
	if l.places != nil {
		at, ok := l.places[value]
		return at, ok
	}
	at, ok := slices.BinarySearch(l.values, value)
	return uint32(at), ok
}

// shows is what is shown of a value.
func (l *labels) shows(value string) string {
	if at, ok := l.places[value]; ok {
		return l.shown[at]
	}
	return value
}

// key is the labels of one or two keys together: what two values have, in their order, has a number.
type key struct {
	labels [2]labels
	// width is how many values the second key has, 1 where there is none.
	width uint32
}

func (c *cells) key(by cut) (key, error) {
	k := key{width: 1}
	for i, name := range by.keys() {
		l, err := c.labelsOf("breakdown", name)
		if err != nil {
			return key{}, err
		}
		k.labels[i] = l
	}
	if k.labels[1].of != nil {
		k.width = uint32(len(k.labels[1].values))
	}
	return k, nil
}

func (k *key) of(at int32) uint32 {
	n := k.labels[0].of(at)
	if k.labels[1].of != nil {
		n = n*k.width + k.labels[1].of(at)
	}
	return n
}

func (k *key) values(n uint32) pair {
	p := pair{k.labels[0].values[n/k.width]}
	if k.labels[1].of != nil {
		p[1] = k.labels[1].values[n%k.width]
	}
	return p
}

// number is that of two values; ok is false where no cell can have them.
func (k *key) number(p pair) (n uint32, ok bool) {
	first, ok := k.labels[0].place(p[0])
	if !ok || k.labels[1].of == nil {
		return first, ok
	}
	second, ok := k.labels[1].place(p[1])
	return first*k.width + second, ok
}

// size is how many numbers there may be.
func (k *key) size() int { return len(k.labels[0].values) * int(k.width) }

// division is what one cut makes of some cells. It is used again for the next one.
type division struct {
	// numbers are those of the parts, in the order of their first cells, and counts how many responses they have.
	numbers []uint32
	counts  []int64
	// balances are how many more promoters than detractors the parts have, where that is asked for.
	balances []int64
	// part is which of them each cell is in.
	part []int32
	// known finds a number's part, plus 1; sparse does where there are too many numbers.
	known  []int32
	sparse map[uint32]int32
}

// maxKnown is how many numbers are looked up in a list.
const maxKnown = 1 << 18

func (d *division) divide(c *cells, own []int32, k *key) {
	d.numbers, d.counts, d.part = d.numbers[:0], d.counts[:0], slices.Grow(d.part[:0], len(own))[:len(own)]
	size := k.size()
	if d.sparse = nil; size > maxKnown {
		d.sparse, size = map[uint32]int32{}, 0
	}
	if len(d.known) < size {
		d.known = make([]int32, size)
	}
	for i, at := range own {
		n := k.of(at)
		var part int32
		if d.sparse != nil {
			part = d.sparse[n]
		} else {
			part = d.known[n]
		}
		if part == 0 {
			d.numbers, d.counts = append(d.numbers, n), append(d.counts, 0)
			part = int32(len(d.numbers))
			if d.sparse != nil {
				d.sparse[n] = part
			} else {
				d.known[n] = part
			}
		}
		d.part[i] = part - 1
		d.counts[part-1] += c.cells.Count(at)
	}
	if d.sparse == nil {
		for _, n := range d.numbers {
			d.known[n] = 0
		}
	}
}

// parts are the cells of each part of a cut.
type parts struct {
	key    key
	places map[uint32]int32
	// cells are in the order of the parts; starts says where each begins.
	cells, starts []int32
}

func (p *parts) of(values pair) []int32 {
	n, ok := p.key.number(values)
	if !ok {
		return nil
	}
	at, ok := p.places[n]
	if !ok {
		return nil
	}
	return p.cells[p.starts[at]:p.starts[at+1]]
}

// several are the cells of the parts of some values, or of all parts but these.
func (p *parts) several(some []pair, but bool) []int32 {
	named := make([]bool, len(p.starts))
	for _, values := range some {
		if n, ok := p.key.number(values); ok {
			if at, ok := p.places[n]; ok {
				named[at] = true
			}
		}
	}
	var cells []int32
	for at := range len(p.starts) - 1 {
		if named[at] != but {
			cells = append(cells, p.cells[p.starts[at]:p.starts[at+1]]...)
		}
	}
	return cells
}

// own are the group's cells, by their places. The caller holds the lock.
func (g *group) own(ctx context.Context, c *cells) ([]int32, error) {
	if g == nil {
		if c.every == nil {
			c.every = make([]int32, c.cells.Len())
			for i := range c.every {
				c.every[i] = int32(i)
			}
		}
		return c.every, nil
	}
	if own, ok := c.rests[g]; ok {
		return own, nil
	}
	p, err := c.cut(ctx, g.cut)
	if err != nil {
		return nil, err
	}
	switch {
	case g.any != nil:
		c.rests[g] = p.several(g.any, false)
	case g.not != nil:
		c.rests[g] = p.several(g.not, true)
	default:
		return p.of(g.values), nil
	}
	return c.rests[g], nil
}

// cut divides the cells, once for all groups of the cut. The caller holds the lock.
func (c *cells) cut(ctx context.Context, by cut) (*parts, error) {
	if p, ok := c.parts[by]; ok {
		return p, nil
	}
	own, err := by.of.own(ctx, c)
	if err != nil {
		return nil, err
	}
	k, err := c.key(by)
	if err != nil {
		return nil, err
	}
	if err := c.pay(ctx, 2*len(own)); err != nil {
		return nil, err
	}
	d := &c.division
	d.divide(c, own, &k)
	p := &parts{key: k, places: make(map[uint32]int32, len(d.numbers)), cells: make([]int32, len(own)), starts: make([]int32, len(d.numbers)+1)}
	for i, n := range d.numbers {
		p.places[n] = int32(i)
	}
	for _, part := range d.part {
		p.starts[part+1]++
	}
	for i := 1; i < len(p.starts); i++ {
		p.starts[i] += p.starts[i-1]
	}
	next := slices.Clone(p.starts)
	for i, part := range d.part {
		p.cells[next[part]] = own[i]
		next[part]++
	}
	c.parts[by] = p
	return p, nil
}

// GroupOrder is how the groups of a breakdown are ordered.
type GroupOrder string

// The orders of the schema.
const (
	// ByResponses is most responses first.
	ByResponses GroupOrder = "RESPONSES"
	// ByScoreAscending and ByScoreDescending are lowest and highest score first.
	ByScoreAscending  GroupOrder = "SCORE_ASC"
	ByScoreDescending GroupOrder = "SCORE_DESC"
	// ByContribution is the largest contribution first, by its size.
	ByContribution GroupOrder = "CONTRIBUTION"
)

// valid reports whether it is one of the constants.
func (o GroupOrder) valid() bool {
	switch o {
	case ByResponses, ByScoreAscending, ByScoreDescending, ByContribution:
		return true
	}
	return false
}

// shown is a part of a cut that is shown by itself.
type shown struct {
	number uint32
	part   int32
	count  int64
	// rank is what else than the count orders it: higher ones are first.
	rank float64
}

// before says which of two parts is shown first: the one with the higher rank, or more responses where none has one, and of
// equals that whose values are less.
func (o GroupOrder) before(a, b shown) int {
	if o == ByResponses {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.number, b.number))
	}
	return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.number, b.number))
}

// last is a heap of parts, the one that is shown last on top.
type last struct {
	parts []shown
	order GroupOrder
}

func (l *last) Len() int           { return len(l.parts) }
func (l *last) Less(i, j int) bool { return l.order.before(l.parts[i], l.parts[j]) > 0 }
func (l *last) Swap(i, j int)      { l.parts[i], l.parts[j] = l.parts[j], l.parts[i] }
func (l *last) Push(x any)         { l.parts = append(l.parts, x.(shown)) }
func (l *last) Pop() any           { panic("insight: nothing is taken out") }

// ranks fills in by what the parts are ordered, apart from how many responses they have.
func (c *cells) ranks(own []int32, order GroupOrder, parts []shown) {
	d := &c.division
	d.balances = slices.Grow(d.balances[:0], len(d.numbers))[:len(d.numbers)]
	clear(d.balances)
	var all, balance int64
	for i, at := range own {
		var h nps.Histogram
		c.cells.AddTo(&h, at)
		n := h.Promoters() - h.Detractors()
		d.balances[d.part[i]] += n
		all, balance = all+h.Count(), balance+n
	}
	for i := range parts {
		p := &parts[i]
		own := d.balances[p.part]
		switch order {
		case ByScoreAscending:
			p.rank = -float64(own) / float64(p.count)
		case ByScoreDescending:
			p.rank = float64(own) / float64(p.count)
		case ByContribution:
			p.rank = math.Abs(nps.Contribution(own, p.count, balance, all))
		}
	}
}

// piece is a group of a breakdown.
type piece struct {
	values pair
	// any and not, where not nil, make it the group of these values together, and of all but these.
	any, not []pair
	// shown are the values as they are shown.
	shown     []string
	histogram nps.Histogram
}

// breakdown cuts a group: in the order asked for, as many as the limit, and what is beyond it together at the end, as rest.
// Values that already mean the rest join it, and so do groups that have too few responses. Those that are not shown to the caller
// are apart from all that, behind the rest. There are none where the body is too small to have groups.
func (c *cells) breakdown(ctx context.Context, asked breakdown) ([]piece, error) {
	by := asked.cut
	own, err := by.of.own(ctx, c)
	if err != nil {
		return nil, err
	}
	k, err := c.key(by)
	if err != nil {
		return nil, err
	}
	folds := 2
	if asked.order != ByResponses {
		folds = 3
	}
	if err := c.pay(ctx, folds*len(own)); err != nil {
		return nil, err
	}
	d := &c.division
	d.divide(c, own, &k)
	restOf := rest(by.keys())
	restNumber, known := k.number(restOf)
	if err := payHidden(ctx, asked.leastShown, len(d.numbers), len(by.keys())); err != nil {
		return nil, err
	}
	unseen, ok := c.unseen(asked, &k)
	if !ok {
		return nil, nil
	}
	parts, hasRest := make([]shown, 0, len(d.numbers)), false
	for part, n := range d.numbers {
		s := shown{number: n, part: int32(part), count: d.counts[part]}
		switch {
		case s.count == 0, unseen != nil && unseen[part]:
		case known && n == restNumber, s.count < int64(asked.minResponses):
			hasRest = true
		default:
			parts = append(parts, s)
		}
	}
	if asked.order != ByResponses {
		c.ranks(own, asked.order, parts)
	}
	best := last{order: asked.order}
	for _, s := range parts {
		if len(best.parts) < asked.limit {
			heap.Push(&best, s)
			continue
		}
		hasRest = true
		if asked.order.before(s, best.parts[0]) < 0 {
			best.parts[0] = s
			heap.Fix(&best, 0)
		}
	}
	first := best.parts
	slices.SortFunc(first, asked.order.before)
	pieces := make([]piece, len(first)+1, len(first)+2)
	place := make([]int32, len(d.numbers)) // 1 more than that of the piece
	for i, s := range first {
		pieces[i].values, place[s.part] = k.values(s.number), int32(i+1)
	}
	pieces[len(first)].values, pieces[len(first)].not = restOf, make([]pair, len(first))
	for i := range first {
		pieces[len(first)].not[i] = pieces[i].values
	}
	together := piece{shown: fewOf(by.keys()), any: []pair{}}
	for part, n := range d.numbers {
		if unseen != nil && unseen[part] {
			together.any = append(together.any, k.values(n))
			place[part] = int32(len(first) + 2)
		}
	}
	pieces[len(first)].not = append(pieces[len(first)].not, together.any...)
	for i, at := range own {
		switch p := int(place[d.part[i]]) - 1; {
		case p > len(first):
			c.cells.AddTo(&together.histogram, at)
		case p < 0:
			c.cells.AddTo(&pieces[len(first)].histogram, at)
		default:
			c.cells.AddTo(&pieces[p].histogram, at)
		}
	}
	if !hasRest {
		pieces = pieces[:len(first)]
	}
	for i := range pieces {
		p := &pieces[i]
		for at := range by.keys() {
			p.shown = append(p.shown, k.labels[at].shows(p.values[at]))
		}
	}
	if len(together.any) > 0 {
		pieces = append(pieces, together)
	}
	return pieces, nil
}

// unseen says which parts of the division are not shown to the caller; nil where all are, and not ok where the body is too small to
// have groups.
func (c *cells) unseen(asked breakdown, k *key) (unseen []bool, ok bool) {
	if asked.leastShown <= 1 {
		return nil, true
	}
	d := &c.division
	return hidden(asked.of, asked.leastShown, asked.keys(), func(part, key int) int {
		if key == 0 {
			return int(d.numbers[part] / k.width)
		}
		return int(d.numbers[part] % k.width)
	}, d.counts)
}

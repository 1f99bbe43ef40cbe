package insight

import (
	"context"
	"slices"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/settings"
)

// maxKeys is how many keys a table has at most: all dimensions that there may be, and the three keys besides.
const maxKeys = 20

// table is a body of feedback cut by several keys at once.
type table struct {
	state *settings.State
	// body is the group that is cut; nil where it is a whole one.
	body *group
	keys []string
	// values are those of each key that occur, in the order of their labels; shown is what is shown of them.
	values, shown [][]string
	rows          []row
}

// rowsPerPoint is how many rows cost a point: each takes up to some 600 bytes, so that what one operation may spend is some 150 MB.
const rowsPerPoint = 250

// row is what those answered who have the same values.
type row struct {
	// at has the place of its value for each key.
	at        []int32
	responses nps.Histogram
}

// combination has the place of a value for each key of a table.
type combination [maxKeys]uint32

// keysOf are those that a field which takes several is asked by: those given, or all dimensions and, where besides is true,
// channel, variant and campaign. No key, too many, an empty one or the same twice are BAD_REQUEST.
func (f *Feedback) keysOf(field string, given []string, most int, besides bool) ([]string, error) {
	if given == nil {
		state := f.source.known()
		var keys []string
		for _, d := range state.Active.Shape.Dimensions {
			if def, ok := state.Traits[d.Key]; ok && def.IsDimension {
				keys = append(keys, d.Key)
			}
		}
		if besides {
			keys = append(keys, byChannel, byVariant, byCampaign)
		}
		return keys, nil
	}
	if len(given) < 1 || len(given) > most {
		return nil, apierror.BadRequest("%s: traits takes 1 to %d keys; leave it out for all.", field, most)
	}
	for i, key := range given {
		if key == "" {
			return nil, apierror.BadRequest("%s: a key must not be empty.", field)
		}
		if slices.Contains(given[:i], key) {
			return nil, apierror.BadRequest("%s: the key %.70q is given twice.", field, key)
		}
	}
	return given, nil
}

// table cuts the feedback by all the keys at once.
func (f *Feedback) table(ctx context.Context, field string, keys []string) (*table, error) {
	sp := split{from: f.source.from}
	f.group.divide(&sp)
	for _, key := range keys {
		sp.tellApart(key)
	}
	c, err := f.source.load(ctx, sp)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	own, err := f.group.own(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := c.pay(ctx, (2+len(keys))*len(own)); err != nil {
		return nil, err
	}
	return c.table(ctx, field, f.group, keys, own)
}

// table is that of some of the cells. The caller holds the lock.
func (c *cells) table(ctx context.Context, field string, body *group, keys []string, own []int32) (*table, error) {
	t := &table{state: c.state, body: body, keys: keys, values: make([][]string, len(keys)), shown: make([][]string, len(keys))}
	all := make([]labels, len(keys))
	for i, key := range keys {
		var err error
		if all[i], err = c.labelsOf(field, key); err != nil {
			return nil, err
		}
	}
	places := map[combination]int32{}
	seen := make([][]bool, len(keys))
	for i := range keys {
		seen[i] = make([]bool, len(all[i].values))
	}
	for _, at := range own {
		var of combination
		for i := range all {
			of[i] = all[i].of(at)
		}
		place, ok := places[of]
		if !ok {
			if place = int32(len(t.rows)); place%rowsPerPoint == 0 {
				if err := rate.Spend(ctx, 1); err != nil {
					return nil, err
				}
			}
			places[of] = place
			r := row{at: make([]int32, len(keys))}
			for i := range keys {
				r.at[i], seen[i][of[i]] = int32(of[i]), true
			}
			t.rows = append(t.rows, r)
		}
		c.cells.AddTo(&t.rows[place].responses, at)
	}
	// What nobody of this body has is nobody's business: a caller may see a part of the tenant's feedback alone.
	renamed := make([][]int32, len(keys))
	for i := range keys {
		renamed[i] = make([]int32, len(seen[i]))
		for place, occurs := range seen[i] {
			if occurs {
				renamed[i][place] = int32(len(t.values[i]))
				value := all[i].values[place]
				t.values[i], t.shown[i] = append(t.values[i], value), append(t.shown[i], all[i].shows(value))
			}
		}
	}
	for _, r := range t.rows {
		for i := range r.at {
			r.at[i] = renamed[i][r.at[i]]
		}
	}
	slices.SortFunc(t.rows, func(a, b row) int { return slices.Compare(a.at, b.at) })
	return t, nil
}

// sizes are how many values each key has.
func (t *table) sizes() []int {
	sizes := make([]int, len(t.keys))
	for i := range t.values {
		sizes[i] = len(t.values[i])
	}
	return sizes
}

// total is what all answered.
func (t *table) total() (h nps.Histogram) {
	for i := range t.rows {
		h = h.Add(t.rows[i].responses)
	}
	return h
}

// of are what those answered who have each value of a key.
func (t *table) of(key int) []nps.Histogram {
	all := make([]nps.Histogram, len(t.values[key]))
	for i := range t.rows {
		at := t.rows[i].at[key]
		all[at] = all[at].Add(t.rows[i].responses)
	}
	return all
}

// label is what people call a key.
func (t *table) label(key string) string {
	if def, ok := t.state.Traits[key]; ok && def.Label != "" {
		return def.Label
	}
	return key
}

// uncut fails where the body is cut by the answers themselves: what goes with the answers means nothing then.
func (f *Feedback) uncut(field string) error {
	if f.source.filter.Categories != nil || f.source.filter.Scores != nil {
		return apierror.BadRequest("%s: the filter must not have categories or scores: what goes with an answer cannot be told from feedback that was chosen by the answer.", field)
	}
	return nil
}

// pointTime is how many nanoseconds of reckoning cost a point: less than it stands for, since estimates may be short.
const pointTime = 200_000

// payer pays for reckoning whose parts are told one after the other: what does not make a whole point is kept for the next.
func payer(ctx context.Context) func(nanoseconds int64) error {
	var unpaid int64
	return func(nanoseconds int64) error {
		unpaid += nanoseconds
		n := unpaid / pointTime
		unpaid -= n * pointTime
		if err := context.Cause(ctx); err != nil {
			return err
		}
		return rate.Spend(ctx, int(n))
	}
}

// spendTime pays for reckoning that is estimated to take so many nanoseconds, before it is done.
func spendTime(ctx context.Context, nanoseconds int64) error {
	return rate.Spend(ctx, int(nanoseconds/pointTime))
}

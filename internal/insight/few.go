package insight

import (
	"cmp"
	"context"
	"slices"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/few"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/trait"
)

// What is too small to be shown is told of the finest cut by some keys, with every value apart. All that is shown is made of the
// groups that are shown there: whatever a limit, a least number or an order puts together besides, no answer can be taken from
// another one by the same keys, so that a group is left over which neither shows.

// fewOf is what the group of those put together is called for each of some keys.
func fewOf(keys []string) []string {
	values := make([]string, len(keys))
	for i := range values {
		values[i] = trait.Few
	}
	return values
}

// leastShown is how many responses a group must have to be shown to the caller by itself: as the tenant wants it, for one who is
// narrowed, and one for anybody else.
func (s *source) leastShown(ctx context.Context) int64 {
	if auth.Narrowed(ctx).IsZero() {
		return 1
	}
	return int64(s.known().MinGroupSize)
}

// apart reports whether groups by some keys may be told apart in this one: within those put together as Few, by the same keys, they
// are not, whatever is cut besides.
func (g *group) apart(keys []string) bool {
	for ; g != nil; g = g.cut.of {
		if g.any != nil && !slices.ContainsFunc(g.cut.keys(), func(key string) bool { return !slices.Contains(keys, key) }) {
			return false
		}
	}
	return true
}

// hidden says which of the groups that a body is cut into are put together before the caller, given by the places of their values of
// each key; ok is false where all together are too few to have groups. Whichever key is named first, it is the same.
func hidden(body *group, least int64, keys []string, at func(group, key int) int, bodies ...[]int64) (put []bool, ok bool) {
	groups := len(bodies[0])
	if least <= 1 {
		return make([]bool, groups), true
	}
	order := make([]int, len(keys))
	for key := range keys {
		order[key] = key
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(keys[a], keys[b]) })
	place := make([]int, groups)
	for group := range place {
		place[group] = group
	}
	slices.SortFunc(place, func(a, b int) int {
		for _, key := range order {
			if c := cmp.Compare(at(a, key), at(b, key)); c != 0 {
				return c
			}
		}
		return 0
	})
	var values [][]int
	if len(keys) > 1 {
		for _, key := range order {
			of := make([]int, groups)
			for i, group := range place {
				of[i] = at(group, key)
			}
			values = append(values, of)
		}
	}
	sorted := make([][]int64, len(bodies))
	for body, sizes := range bodies {
		for _, group := range place {
			sorted[body] = append(sorted[body], sizes[group])
		}
	}
	found, ok := few.Crossed(least, values, sorted...)
	if !ok {
		return nil, false
	}
	put = make([]bool, groups)
	together := !body.apart(keys)
	for i, group := range place {
		put[group] = found[i] || together
	}
	return put, true
}

// payHidden pays for telling which of so many groups by some keys are put together before the caller.
func payHidden(ctx context.Context, least int64, groups, keys int) error {
	if least <= 1 {
		return nil
	}
	return spendTime(ctx, groupTime*int64(groups)*int64(keys))
}

// hiddenValues is hidden for the values of one of the keys, in their order.
func (t *table) hiddenValues(key int, least int64, values []nps.Histogram) (put []bool, ok bool) {
	return hidden(t.body, least, t.keys[key:key+1], func(group, _ int) int { return group }, sizesOf(values))
}

func sizesOf(groups []nps.Histogram) []int64 {
	sizes := make([]int64, len(groups))
	for i := range groups {
		sizes[i] = groups[i].Count()
	}
	return sizes
}

// unseen says which of a table's groups are not shown to the caller, by one key or by two.
type unseen struct {
	t     *table
	least int64
	cells map[[2]int]map[[2]int]bool
}

// has reports whether the group of some keys' values is not shown, or where all are too few to have groups.
func (u *unseen) has(keys, values []int) bool {
	if u.least <= 1 {
		return false
	}
	var by, is [2]int
	by[1] = -1
	copy(by[:], keys)
	copy(is[:], values)
	cells, ok := u.cells[by]
	if !ok {
		cells = u.t.unseen(u.least, keys)
		u.cells[by] = cells
	}
	return cells == nil || cells[is]
}

// unseenWork is about how many nanoseconds it takes to tell which groups by one key, or by two as well, are not shown.
func (t *table) unseenWork(pairs bool) (work int64) {
	cut := func(groups int) { work += rowTime*int64(len(t.rows)) + groupTime*int64(min(groups, len(t.rows))) }
	for a := range t.keys {
		cut(len(t.values[a]))
		for b := range a {
			if pairs {
				cut(len(t.values[a]) * len(t.values[b]))
			}
		}
	}
	return work
}

// How many nanoseconds a row takes to be put to its group, and a group to be hidden or not.
const rowTime, groupTime = 60, 800

// unseen are the values of one or two keys that are not shown to the caller; nil where no groups are.
func (t *table) unseen(least int64, keys []int) map[[2]int]bool {
	sums := map[[2]int]int64{}
	for i := range t.rows {
		var of [2]int
		for j, key := range keys {
			of[j] = int(t.rows[i].at[key])
		}
		sums[of] += t.rows[i].responses.Count()
	}
	var cells [][2]int
	var sizes []int64
	for of, n := range sums {
		cells, sizes = append(cells, of), append(sizes, n)
	}
	names := make([]string, len(keys))
	for j, key := range keys {
		names[j] = t.keys[key]
	}
	put, ok := hidden(t.body, least, names, func(group, key int) int { return cells[group][key] }, sizes)
	if !ok {
		return nil
	}
	found := map[[2]int]bool{}
	for i, of := range cells {
		if put[i] {
			found[of] = true
		}
	}
	return found
}

// Package few keeps groups of few people from being shown by themselves: it says which groups are put together, so that nobody
// is singled out by chance, nor by taking the groups shown from the whole.
//
// Hiding a small group alone would not do: where one group is left out, the whole less the others is that group. So what is
// hidden takes in more groups until it is large enough itself, which is known as secondary suppression (of cells in tables of
// numbers of people). It does not keep off whoever combines many questions: two bodies of feedback that differ by one person
// differ by their answer, whatever is hidden in either (trackers: Denning, Denning and Schwartz, The tracker: a threat to
// statistical database security, ACM Transactions on Database Systems 4(1), 1979).
//
// It is pure: no I/O, no state.
package few

import (
	"cmp"
	"slices"
)

// Hidden says which groups are to be put together as one, so that no group of fewer than least people is shown. Bodies are bodies
// of feedback, each given by the sizes of the same groups in the same order: most often one, and two where one is set beside the
// other.
//
// A group is hidden where somebody, but fewer than least, are in it. Where those hidden are still fewer than least together, they
// take in the smallest other group, the last of equals; that is enough, since it has least people or more. A group that nobody is
// in hides nobody. With a least of 1 or below nothing is hidden. What is hidden in one of several bodies is hidden in all: then
// each of them shows nothing but groups that it shows by itself, or several of these together, and the one cannot be taken from
// the other.
//
// It is false where somebody, but fewer than least, are in a body as a whole: there are no groups then.
func Hidden(least int64, bodies ...[]int64) (hidden []bool, ok bool) {
	return Crossed(least, nil, bodies...)
}

// Crossed is Hidden for groups that several keys make together. Values has, for each key, the place of each group's value of it.
// Those who have the same value are a group as well where the body is cut by that key alone, and so the groups of each value
// that is shown there, and those of all values that are put together there, hide as a body does.
func Crossed(least int64, values [][]int, bodies ...[]int64) (hidden []bool, ok bool) {
	for _, sizes := range bodies {
		also, ok := alone(least, values, sizes)
		if !ok {
			return nil, false
		}
		if hidden == nil {
			hidden = make([]bool, len(sizes))
		}
		for group, put := range also {
			hidden[group] = hidden[group] || put
		}
	}
	return hidden, true
}

// alone is Crossed for one body.
func alone(least int64, values [][]int, sizes []int64) (hidden []bool, ok bool) {
	small := func(n int64) bool { return n > 0 && n < least }
	hidden = make([]bool, len(sizes))
	every := make([]int, 0, len(sizes))
	var whole int64
	for group, n := range sizes {
		hidden[group] = small(n)
		every = append(every, group)
		whole += n
	}
	if small(whole) {
		return nil, false
	}
	if !slices.Contains(hidden, true) {
		return hidden, true
	}
	lines := [][]int{every}
	for _, of := range values {
		lines = append(lines, linesOf(least, of, sizes)...)
	}
	// The smallest first, the last of equals: what a line takes in next is its first that is not hidden.
	for _, line := range lines {
		slices.SortStableFunc(line, func(a, b int) int { return cmp.Or(cmp.Compare(sizes[a], sizes[b]), cmp.Compare(b, a)) })
	}
	// What one line takes in may leave too little hidden in another.
	for settled := false; !settled; {
		settled = true
		for _, line := range lines {
			var together int64
			for _, group := range line {
				if hidden[group] {
					together += sizes[group]
				}
			}
			if !small(together) {
				continue
			}
			// There is one, or the line were small.
			next := slices.IndexFunc(line, func(group int) bool { return !hidden[group] && sizes[group] > 0 })
			hidden[line[next]], settled = true, false
		}
	}
	return hidden, true
}

// linesOf are the groups of each value of a key that is shown where the body is cut by it alone, and those of all other values.
func linesOf(least int64, of []int, sizes []int64) [][]int {
	totals := make([]int64, slices.Max(of)+1)
	for group, value := range of {
		totals[value] += sizes[group]
	}
	together, _ := alone(least, nil, totals) // the whole is large enough
	lines := make([][]int, len(totals)+1)
	for group, value := range of {
		if together[value] {
			value = len(totals)
		}
		lines[value] = append(lines[value], group)
	}
	return slices.DeleteFunc(lines, func(line []int) bool { return len(line) == 0 })
}

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

// Hidden says which groups are to be put together as one, so that no group of fewer than least people is shown. Bodies are bodies
// of feedback, each given by the sizes of the same groups in the same order: most often one, and two where one is set beside the
// other.
//
// A group is hidden where somebody, but fewer than least, are in it in any of the bodies. Where those hidden are still fewer than
// least together in a body, they take in its smallest other group, the last of equals; that is enough, since it has least people
// or more. A group that nobody is in hides nobody. With a least of 1 or below nothing is hidden.
//
// It is false where somebody, but fewer than least, are in a body as a whole: there are no groups then.
func Hidden(least int64, bodies ...[]int64) (hidden []bool, ok bool) {
	small := func(n int64) bool { return n > 0 && n < least }
	for _, sizes := range bodies {
		var whole int64
		for _, n := range sizes {
			whole += n
		}
		if small(whole) {
			return nil, false
		}
		if hidden == nil {
			hidden = make([]bool, len(sizes))
		}
		for group, n := range sizes {
			hidden[group] = hidden[group] || small(n)
		}
	}
	for _, sizes := range bodies {
		var together int64
		next := -1
		for group, n := range sizes {
			switch {
			case hidden[group]:
				together += n
			case n > 0 && (next < 0 || n <= sizes[next]):
				next = group
			}
		}
		if small(together) {
			hidden[next] = true // there is one, or the whole were small
		}
	}
	return hidden, true
}

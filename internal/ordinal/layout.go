package ordinal

import (
	"cmp"
	"slices"

	"github.com/zeroten/zeroten/internal/nps"
)

// layout says which column, and so which β, each value has.
type layout struct {
	// of has the column of each value of each trait, those of one trait side by side, in the order of its values.
	of [][]int32
	// others are the columns of Other, the last of each trait's.
	others []int32
	// columns is how many there are.
	columns int
	traits  []Trait
}

// layOut gives columns to the values that have MinValue of these responses, by profile, and to Other.
func layOut(traits []Trait, counts []nps.Counts) layout {
	type value struct {
		trait, code int
		responses   int64
	}
	var kept []value
	for t, trait := range traits {
		responses := make([]int64, len(trait.Values))
		for profile, c := range counts {
			if n := c.N(); n > 0 {
				responses[trait.Of[profile]] += n
			}
		}
		for code, n := range responses {
			if n >= MinValue && trait.Values[code] != Other {
				kept = append(kept, value{t, code, n})
			}
		}
	}
	if most := max(MaxColumns-len(traits), 0); len(kept) > most {
		slices.SortStableFunc(kept, func(a, b value) int { return cmp.Compare(b.responses, a.responses) })
		kept = kept[:most]
		slices.SortFunc(kept, func(a, b value) int {
			return cmp.Or(cmp.Compare(a.trait, b.trait), cmp.Compare(a.code, b.code))
		})
	}
	l := layout{of: make([][]int32, len(traits)), others: make([]int32, len(traits)), traits: traits}
	for t, trait := range traits {
		of := make([]int32, len(trait.Values))
		for i := range of {
			of[i] = -1
		}
		for ; len(kept) > 0 && kept[0].trait == t; kept = kept[1:] {
			of[kept[0].code] = int32(l.columns)
			l.columns++
		}
		for i, column := range of {
			if column < 0 {
				of[i] = int32(l.columns)
			}
		}
		l.of[t], l.others[t] = of, int32(l.columns)
		l.columns++
	}
	return l
}

// rows are the different profiles that a layout leaves, with how each answered. They are in the order of their columns.
type rows struct {
	// width is how many columns each row has, one a trait; at has them, row by row.
	width int
	at    []int32
	// learned and judged are counts by row.
	learned, judged []nps.Counts
}

func (r *rows) len() int { return len(r.learned) }

// columns are those of a row.
func (r *rows) columns(row int) []int32 { return r.at[row*r.width : (row+1)*r.width] }

// rows puts profiles together that have the same columns, and leaves out who did not answer. judged may be nil.
func (l *layout) rows(learned, judged []nps.Counts) *rows {
	var order []int32
	for profile := range learned {
		if learned[profile].N() > 0 || judged != nil && judged[profile].N() > 0 {
			order = append(order, int32(profile))
		}
	}
	// By each trait, the last one first, and keeping what is in order: many profiles have few columns.
	next := make([]int32, len(order))
	starts := make([]int32, l.columns+1)
	for t := range slices.Backward(l.of) {
		clear(starts)
		of, column := l.traits[t].Of, l.of[t]
		for _, profile := range order {
			starts[column[of[profile]]+1]++
		}
		for c := range l.columns {
			starts[c+1] += starts[c]
		}
		for _, profile := range order {
			c := column[of[profile]]
			next[starts[c]] = profile
			starts[c]++
		}
		order, next = next, order
	}
	r := &rows{
		width: len(l.of), at: make([]int32, 0, len(order)*len(l.of)),
		learned: make([]nps.Counts, 0, len(order)), judged: make([]nps.Counts, 0, len(order)),
	}
	columns := make([]int32, r.width)
	for _, profile := range order {
		for t, of := range l.of {
			columns[t] = of[l.traits[t].Of[profile]]
		}
		if last := r.len() - 1; last < 0 || !slices.Equal(r.columns(last), columns) {
			r.at = append(r.at, columns...)
			r.learned = append(r.learned, nps.Counts{})
			r.judged = append(r.judged, nps.Counts{})
		}
		last := r.len() - 1
		r.learned[last] = r.learned[last].Add(learned[profile])
		if judged != nil {
			r.judged[last] = r.judged[last].Add(judged[profile])
		}
	}
	return r
}

package insight

import (
	"context"
	"slices"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/few"
	"github.com/zeroten/zeroten/internal/nps"
)

// Few is what groups are called that are put together since they have too few responses to be shown to the caller.
const Few = "(few)"

// fewOf is Few for each of some keys.
func fewOf(keys []string) []string {
	values := make([]string, len(keys))
	for i := range values {
		values[i] = Few
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

// hide puts those pieces together that have too few responses, behind the others.
func hide(pieces []piece, least int64, by cut) []piece {
	groups := make([]nps.Histogram, len(pieces))
	for i := range pieces {
		groups[i] = pieces[i].histogram
	}
	hidden, ok := hidden(least, groups)
	switch {
	case !ok:
		return nil // they are all too few to have groups
	case !slices.Contains(hidden, true):
		return pieces
	}
	together := piece{shown: fewOf(by.keys()), any: []pair{}}
	shown, others := []piece{}, []pair{}
	for i, p := range pieces {
		switch {
		case !hidden[i]:
			shown, others = append(shown, p), append(others, p.values)
			continue
		case p.not != nil:
			together.not = []pair{} // of what is shown, when that is known
		default:
			together.any = append(together.any, p.values)
		}
		together.histogram = together.histogram.Add(p.histogram)
	}
	if together.not != nil {
		together.any, together.not = nil, others
	}
	return append(shown, together)
}

// hidden says which of the groups are put together as Few; ok is false where all together are too few to have groups.
func hidden(least int64, groups []nps.Histogram) (put []bool, ok bool) {
	sizes := make([]int64, len(groups))
	for i, g := range groups {
		sizes[i] = g.Count()
	}
	return few.Hidden(least, sizes)
}

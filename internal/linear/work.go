package linear

import "math/bits"

// Pay is asked for work before it is done, by about how many nanoseconds a processor takes for it, rather more than fewer. How much work
// there is shows while it is done, so it is asked for one part after the other; its error ends the work.
//
// The figures go by what is to be gone through, and never by a clock: for the same profiles they are the same.
type Pay func(nanoseconds int64) error

// free is for those who need not pay.
func free(int64) error { return nil }

// compareWork is what it takes to say how often chance alone would give a difference.
const compareWork = 5_000

// tableWork is what it takes to put profiles together, which have to be sorted.
func tableWork(profiles []Profile) int64 {
	if len(profiles) == 0 {
		return 0
	}
	rows, traits := int64(len(profiles)), int64(len(profiles[0].Values))
	return 5_000 + rows*(60+25*int64(bits.Len64(uint64(rows)))+15*traits)
}

// extent is how many profiles and traits there are, and how many columns a model has at most.
func (t *table) extent() (rows, traits, columns int64) {
	traits = int64(len(t.traits))
	return int64(len(t.counts)), traits, max(1, int64(t.first[traits])-traits+1)
}

// fitWork is what the additive model takes: all pairs of values of each profile, and what it takes to solve for the columns.
func (t *table) fitWork() int64 {
	rows, traits, columns := t.extent()
	return 15_000 + rows*(30+7*traits+traits*traits) + columns*columns*(8+columns/6)
}

// driversWork is what Drivers takes of a table: the model, and the spread of all its numbers.
func (t *table) driversWork() int64 {
	rows, traits, columns := t.extent()
	return t.fitWork() + 30_000 + 45_000*traits + rows*(30+10*traits+3*traits*traits/2) + columns*columns*(40+columns/4)
}

// searchWork is what it takes to look at all values, and at all pairs of them.
func (t *table) searchWork(pairs bool) int64 {
	rows, traits, columns := t.extent()
	work := 10_000 + 3*compareWork/2*columns + 10*rows*traits
	if !pairs {
		return work
	}
	for b := range t.traits {
		for a := range b {
			work += 8*rows + 170*int64(len(t.traits[a]))*int64(len(t.traits[b]))
		}
	}
	return work
}

// fillWork is what it takes to find the profiles of candidates.
func (t *table) fillWork(candidates []candidate) int64 {
	rows, _, _ := t.extent()
	pairs := int64(0)
	for i := range candidates {
		if i == 0 || t.traitOf(candidates[i].a) != t.traitOf(candidates[i-1].a) || t.traitOf(candidates[i].b) != t.traitOf(candidates[i-1].b) {
			pairs++
		}
	}
	return 10*rows*pairs + 170*int64(len(candidates))
}

// huntWork is what it takes to see candidates, whose profiles are known, net of the model, and to look at them once.
func (t *table) huntWork(candidates []candidate) int64 {
	_, traits, columns := t.extent()
	work := int64(0)
	for i := range candidates {
		held := int64(len(candidates[i].rows))
		work += 60 + held*(4+3*traits+traits*traits/6) + columns/8 + min(columns, held*traits+1)*(6+columns/7)
	}
	return work
}

// nameWork is what it takes to name a group, to see all candidates net of it, and to look at them again.
func (h *hunt) nameWork() int64 {
	rows, traits, _ := h.extent()
	columns := int64(h.columns())
	return 4*compareWork + columns*columns + rows*(8+5*traits+3*int64(len(h.residuals))) + 5*int64(h.held)/4 + 30*int64(len(h.candidates))
}

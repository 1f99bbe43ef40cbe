package level

import (
	"math"
	"slices"

	"github.com/zeroten/zeroten/internal/nps"
)

// dateReach is how far the gain of a day of change may lie below that of the best for the day to be in the 95 %
// interval: −2 ln(1 − √.95), from the distribution of the likelihood ratio of the date. Hansen, Sample splitting and
// threshold estimation, Econometrica 68(3), 2000, who prints 7.35.
var dateReach = -2 * math.Log1p(-math.Sqrt(0.95))

// division is a series of days from which the gain of any stretch is read off.
type division struct {
	tilt *tilt
	// scale makes a gain of a divergence and a number of responses: 2 ÷ dispersion.
	scale float64
	// n and balance are the responses before a day, and the promoters among them less the detractors; the last are of
	// all days. They are whole numbers, exact up to 2⁵³.
	n, balance []float64
}

func newDivision(days []nps.Counts, t *tilt, dispersion float64) *division {
	d := &division{tilt: t, scale: 2 / dispersion, n: make([]float64, len(days)+1), balance: make([]float64, len(days)+1)}
	for i, c := range days {
		d.n[i+1] = d.n[i] + float64(c.N())
		d.balance[i+1] = d.balance[i] + float64(c.Promoters-c.Detractors)
	}
	return d
}

// gain is twice the log likelihood ratio of the days from start to before end having a score of their own, rather than
// that of all, by the dispersion. It is 0 without responses.
func (d *division) gain(start, end int) float64 {
	n := d.n[end] - d.n[start]
	if n == 0 {
		return 0
	}
	balance := d.balance[end] - d.balance[start]
	return d.scale * n * d.tilt.divergence(balance/n, (n+balance)/n, (n-balance)/n)
}

// cuts are the first days of all levels but the first, such that the sum of the levels' gains, less the penalty for each
// cut, is as large as it can be, with levels of at least MinDays and MinResponses. Of equal divisions it takes that
// whose last cut is the earliest.
//
// The best division of the days before t ends with a level that starts at some s, before which stands the best division
// of the days before s. That is the square of the days in gains, each of which takes logarithms. Nearly all are settled
// by the tilt's ceiling, which never lies below the gain: where it does not reach the best so far, the gain does not
// either. So the division is the same as without.
func (d *division) cuts(penalty float64) []int {
	last := len(d.n) - 1
	// worth[s] is what the best division of the days before s is worth to a level that starts at s, the cut paid, and
	// from[s] is where the last level of that division starts. No division is worth −∞.
	worth := slices.Repeat([]float64{math.Inf(-1)}, last+1)
	worth[0] = 0
	from := make([]int, last+1)
	limit, best := -1, 0
	for t := MinDays; t <= last; t++ {
		for limit+1 <= t-MinDays && d.n[t]-d.n[limit+1] >= MinResponses {
			limit++
		}
		if limit < 0 || (t < last && (last-t < MinDays || d.n[last]-d.n[t] < MinResponses)) {
			continue
		}
		// The start that was best for the day before is most often best again, and the sooner the best is known, the
		// more is settled by the ceiling.
		most := worth[best] + d.gain(best, t)
		n, balance := d.n[:limit+1], d.balance[:limit+1]
		for s, w := range worth[:limit+1] {
			length := d.n[t] - n[s]
			if w+d.scale*length*d.tilt.ceiling((d.balance[t]-balance[s])/length) < most {
				continue
			}
			if g := w + d.gain(s, t); g > most || (g == most && s < best) {
				most, best = g, s
			}
		}
		worth[t], from[t] = most-penalty, best
	}
	var cuts []int
	for t := from[last]; t > 0; t = from[t] {
		cuts = append(cuts, t)
	}
	slices.Reverse(cuts)
	return cuts
}

// levels are the stretches between cuts.
func (d *division) levels(days []nps.Counts, cuts []int) []Level {
	levels := make([]Level, 0, len(cuts)+1)
	start := 0
	for _, end := range append(cuts, len(days)) {
		l := Level{Start: start, End: end - 1}
		for _, c := range days[start:end] {
			l.Counts = plus(l.Counts, c)
		}
		levels = append(levels, l)
		start = end
	}
	return levels
}

// dates are the first and the last day at which the change from one level to the next may have been, where the first
// starts at start, the second at day, and ends before end.
func (d *division) dates(start, day, end int) (earliest, latest int) {
	at := func(t int) float64 { return d.gain(start, t) + d.gain(t, end) }
	least := at(day) - dateReach
	earliest, latest = day, day
	for t := start + 1; t < end; t++ {
		if at(t) >= least {
			earliest, latest = min(earliest, t), max(latest, t)
		}
	}
	return earliest, latest
}

// dispersion is how much more the scores of neighbouring days differ than chance makes them, at least 1: the mean over
// neighbours of (difference of scores)² ÷ (1/n + 1/n), by the variance of one response of all. Neighbours are days with
// responses, whatever empty days lie between. What shakes single days, weekdays for one, is in it; levels are not, since
// they have few ends. It is the ratio of von Neumann, Distribution of the ratio of the mean square successive
// difference to the variance, Annals of Mathematical Statistics 12(4), 1941, for days of unequal size.
func dispersion(days []nps.Counts, all nps.Counts) float64 {
	variance, _ := all.Variance()
	sum, pairs := 0.0, 0
	var before nps.Counts
	for _, c := range days {
		if c.N() == 0 {
			continue
		}
		if n := before.N(); n > 0 {
			step := score(c) - score(before)
			sum += step * step / (1/float64(n) + 1/float64(c.N()))
			pairs++
		}
		before = c
	}
	if pairs == 0 {
		return 1
	}
	return max(1, sum/float64(pairs)/variance)
}

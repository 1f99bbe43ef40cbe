// Package nps is the arithmetic of the Net Promoter Score: counts, scores, and how far chance may have moved them.
//
// It is pure: no I/O, no state. Scores are shares here, from −1 (all detractors) to 1 (all promoters); whoever shows
// them as points multiplies by 100. Where nobody answered there is no score, and functions say so with a false ok
// instead of a number.
//
// Counts are never negative where a statistic is asked for; a negative count, as [Histogram.Sub] may leave, is a
// change and not a body of responses. Sums are exact as long as ten times the number of responses fits an int64.
package nps

import (
	"fmt"
	"math"
)

// MaxScore is the best answer to the question; the worst is 0.
const MaxScore = 10

// Category is what a score makes of the one who gave it.
type Category string

// The categories, with the scores that belong to them.
const (
	Promoter  Category = "PROMOTER"  // 9 and 10
	Passive   Category = "PASSIVE"   // 7 and 8
	Detractor Category = "DETRACTOR" // 0 to 6
)

const (
	firstPassive  = 7
	firstPromoter = 9
)

// CategoryOf is the category of a score from 0 to MaxScore. It panics for any other: scores are checked where they
// come in, and one that slipped through must not be counted as something it is not.
func CategoryOf(score int) Category {
	switch {
	case score < 0 || score > MaxScore:
		panic(fmt.Sprintf("nps: score %d is not from 0 to %d", score, MaxScore))
	case score >= firstPromoter:
		return Promoter
	case score >= firstPassive:
		return Passive
	default:
		return Detractor
	}
}

// Histogram counts responses by score: the index is the score, the value how many gave it. Histograms add up, so
// every body of feedback is a sum of the histograms of its parts.
type Histogram [MaxScore + 1]int64

// Record counts n more responses of a score from 0 to MaxScore; a negative n takes them out again. It panics for any
// other score.
func (h *Histogram) Record(score int, n int64) { h[score] += n }

// Add is the histogram of both bodies of responses together.
func (h Histogram) Add(o Histogram) Histogram {
	for score, n := range o {
		h[score] += n
	}
	return h
}

// Sub is the histogram of what is left of h without o: counts below zero mean that o was no part of h.
func (h Histogram) Sub(o Histogram) Histogram {
	for score, n := range o {
		h[score] -= n
	}
	return h
}

// Count is the number of all responses.
func (h Histogram) Count() int64 { return sum(h[:]) }

// Detractors is the number of scores from 0 to 6.
func (h Histogram) Detractors() int64 { return sum(h[:firstPassive]) }

// Passives is the number of scores 7 and 8.
func (h Histogram) Passives() int64 { return sum(h[firstPassive:firstPromoter]) }

// Promoters is the number of scores 9 and 10.
func (h Histogram) Promoters() int64 { return sum(h[firstPromoter:]) }

// Counts is the histogram by category, which is all that the Net Promoter Score looks at.
func (h Histogram) Counts() Counts {
	return Counts{Detractors: h.Detractors(), Passives: h.Passives(), Promoters: h.Promoters()}
}

// Mean is the mean score, from 0 to MaxScore, and false where there are no responses.
func (h Histogram) Mean() (float64, bool) {
	n := h.Count()
	if n <= 0 {
		return 0, false
	}
	var total int64
	for score, count := range h {
		total += int64(score) * count
	}
	return float64(total) / float64(n), true
}

func sum(counts []int64) int64 {
	var n int64
	for _, count := range counts {
		n += count
	}
	return n
}

// Counts is a body of responses by category.
type Counts struct{ Detractors, Passives, Promoters int64 }

// N is the number of responses.
func (c Counts) N() int64 { return c.Detractors + c.Passives + c.Promoters }

// Score is the Net Promoter Score: the share of promoters less the share of detractors, from −1 to 1, and false where
// there are no responses.
func (c Counts) Score() (float64, bool) {
	if c.N() <= 0 {
		return 0, false
	}
	return c.sample().score(), true
}

// Variance is the variance of one response, taken as 1, 0 or −1 for promoter, passive or detractor, from 0 to 1:
// p + d − (p − d)² with the shares p of promoters and d of detractors, divided by n and not n − 1. False where there
// are no responses.
func (c Counts) Variance() (float64, bool) {
	if c.N() <= 0 {
		return 0, false
	}
	return c.sample().variance(), true
}

// AdjustedVariance is that of adjusted counts, with 3 pseudo-responses as in [AdjustedWald]: above 0 where all are of one category, and
// ½ where there are no responses.
func (c Counts) AdjustedVariance() float64 { return c.sample().adjusted().variance() }

// StandardError is the standard deviation of the score, √(variance ÷ n), on the scale of Score. It is 0 where all are
// of one category, which says nothing about how sure the score is: see [Counts.Interval]. False where there are no
// responses.
func (c Counts) StandardError() (float64, bool) {
	if c.N() <= 0 {
		return 0, false
	}
	return c.sample().standardError(), true
}

// Add is the counts of both bodies of responses together.
func (c Counts) Add(o Counts) Counts {
	return Counts{c.Detractors + o.Detractors, c.Passives + o.Passives, c.Promoters + o.Promoters}
}

// Sub is what is left without o, which is a part of c.
func (c Counts) Sub(o Counts) Counts {
	return Counts{c.Detractors - o.Detractors, c.Passives - o.Passives, c.Promoters - o.Promoters}
}

// mirrored is the same with detractors and promoters exchanged.
func (c Counts) mirrored() Counts { return Counts{c.Promoters, c.Passives, c.Detractors} }

// sample is Counts in real numbers, with room for parts of a response.
type sample struct{ detractors, passives, promoters float64 }

func (c Counts) sample() sample {
	return sample{float64(c.Detractors), float64(c.Passives), float64(c.Promoters)}
}

// pseudoResponses is what [sample.adjusted] adds in all.
const pseudoResponses = 3

// adjusted adds ¾ detractor, 1½ passives and ¾ promoter, which keeps few or unanimous responses from looking surer
// than they are: the adjusted Wald interval of Rocks 2016.
func (s sample) adjusted() sample {
	return sample{
		s.detractors + pseudoResponses*0.25,
		s.passives + pseudoResponses*0.5,
		s.promoters + pseudoResponses*0.25,
	}
}

// mirrored is the sample with detractors and promoters exchanged: its score has the other sign.
func (s sample) mirrored() sample { return sample{s.promoters, s.passives, s.detractors} }

func (s sample) times(k float64) sample {
	return sample{s.detractors * k, s.passives * k, s.promoters * k}
}

func (s sample) n() float64 { return s.detractors + s.passives + s.promoters }

func (s sample) score() float64 { return (s.promoters - s.detractors) / s.n() }

// variance writes p + d − (p − d)² as 4pd + o(p + d), with the share o of passives: the same, but nothing cancels, so
// that it is never below zero and right to the last digits for one detractor in 10¹² too.
func (s sample) variance() float64 {
	d, o, p := s.detractors/s.n(), s.passives/s.n(), s.promoters/s.n()
	return 4*p*d + o*(p+d)
}

func (s sample) standardError() float64 { return math.Sqrt(s.variance() / s.n()) }

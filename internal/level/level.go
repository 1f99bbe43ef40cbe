// Package level finds the days at which a score moved to another level.
//
// It divides a series of days by the best sum of likelihood ratios, less a price for each cut that keeps false alarms on
// a series that never moved to 5 in 100: optimal partitioning, Jackson et al., An algorithm for optimal partitioning of
// data on an interval, IEEE Signal Processing Letters 12(2), 2005. The ratio looks at the score alone, whatever else
// changes in the answers.
//
// It is pure: no I/O, no state. Scores are on −1 to 1, and counts are never negative, as in package nps.
package level

import (
	"math"

	"github.com/zeroten/zeroten/internal/nps"
)

const (
	// MaxDays is how long a series may be for Find to be worth its price, which grows with the square of it: ten years.
	// A longer one takes longer, and that is all.
	MaxDays = 3660
	// MinDays is how many days a level lasts at least. A series has at least twice as many.
	MinDays = 7
	// MinResponses is how many responses a level has at least. A series has at least twice as many.
	MinResponses = 30
)

// Reason is why a series has no levels.
type Reason string

const (
	// NoResponses is for a series without any.
	NoResponses Reason = "NO_RESPONSES"
	// TooShort is for fewer than twice MinDays from the first day with responses to the last.
	TooShort Reason = "TOO_SHORT"
	// TooFewResponses is for fewer than twice MinResponses.
	TooFewResponses Reason = "TOO_FEW_RESPONSES"
	// NoVariation is for responses of one category only.
	NoVariation Reason = "NO_VARIATION"
)

// Level is a stretch of days on which the score stood still, as far as can be told.
type Level struct {
	// Start and End are its first and its last day, as indices of the series; End belongs to it.
	Start, End int
	// Counts is all of its responses, at least MinResponses.
	Counts nps.Counts
}

// Point is where one level ends and the next begins.
type Point struct {
	// Day is the first day of the new level, as an index of the series.
	Day int
	// Earliest and Latest are the first and the last day that it may have been, with 95 % confidence. Day is never
	// outside. Days in between may be less likely than these.
	Earliest, Latest int
	// Change is the new level's score less the old one's. Large steps are found more easily than small ones, so those
	// found look a little larger than they are; its interval is as if the day had been known beforehand, and its P knows
	// nothing of the search, which is what says that there is a step.
	Change nps.Difference
}

// Series is a series of days taken apart.
type Series struct {
	// Levels go from the first day with responses to the last, without a gap; there is at least one.
	Levels []Level
	// Points are one fewer: the i-th lies between the levels i and i + 1.
	Points []Point
}

// Find divides days into levels. Each of days is what was answered on it, the next is the day after; empty ones at either
// end are no part of the series, those between count for its length. Neighbouring levels whose scores are nearer than
// minDifference, 0 to 2, are put together, the nearest first. It says why where there are no levels.
//
// On a series that never moved, one point or more is found in at most 5 of 100 cases, before any are put together. Days
// are taken as independent of each other. What shakes single days, or comes back every week, is allowed for, by what
// neighbouring days differ; what lasts for weeks shows as levels, and so do seasons and drift, in steps.
func Find(days []nps.Counts, minDifference float64) (Series, Reason) {
	first, end := 0, len(days)
	for first < end && days[first].N() == 0 {
		first++
	}
	for end > first && days[end-1].N() == 0 {
		end--
	}
	days = days[first:end]
	var all nps.Counts
	for _, c := range days {
		all = plus(all, c)
	}
	n := all.N()
	switch {
	case n == 0:
		return Series{}, NoResponses
	case len(days) < 2*MinDays:
		return Series{}, TooShort
	case n < 2*MinResponses:
		return Series{}, TooFewResponses
	case max(all.Detractors, all.Passives, all.Promoters) == n:
		return Series{}, NoVariation
	}
	edge := max(MinResponses/float64(n), MinDays/float64(len(days)))
	d := newDivision(days, newTilt(all), dispersion(days, all))
	levels := merged(d.levels(days, d.cuts(penalty(edge))), minDifference)
	s := Series{Levels: levels, Points: make([]Point, 0, len(levels)-1)}
	for i, l := range levels[1:] {
		p := Point{Day: l.Start}
		p.Change, _ = nps.Compare(l.Counts, levels[i].Counts) // levels have responses
		p.Earliest, p.Latest = d.dates(levels[i].Start, p.Day, l.End+1)
		s.Points = append(s.Points, p)
	}
	for i := range s.Levels {
		s.Levels[i].Start += first
		s.Levels[i].End += first
	}
	for i := range s.Points {
		s.Points[i].Day += first
		s.Points[i].Earliest += first
		s.Points[i].Latest += first
	}
	return s, ""
}

// Work is how many stretches of days Find weighs at most for a series of so many days, some nanoseconds each.
func Work(days int) int {
	if days < 2*MinDays {
		return 0
	}
	starts := days - MinDays + 1
	return starts * (starts + 1) / 2
}

// merged puts neighbours nearer than minDifference together, the nearest first and the earlier ones of equals.
func merged(levels []Level, minDifference float64) []Level {
	// A difference of 5 points may come out as a little less than 0.05, or than another such difference.
	const rounding = 1e-12
	for {
		nearest, at := minDifference, -1
		for i := range len(levels) - 1 {
			if d := math.Abs(score(levels[i+1].Counts) - score(levels[i].Counts)); d < nearest-rounding {
				nearest, at = d, i
			}
		}
		if at < 0 {
			return levels
		}
		levels[at].End = levels[at+1].End
		levels[at].Counts = plus(levels[at].Counts, levels[at+1].Counts)
		levels = append(levels[:at+1], levels[at+2:]...)
	}
}

func plus(a, b nps.Counts) nps.Counts {
	return nps.Counts{
		Detractors: a.Detractors + b.Detractors,
		Passives:   a.Passives + b.Passives,
		Promoters:  a.Promoters + b.Promoters,
	}
}

// score is that of counts that are known to have responses.
func score(c nps.Counts) float64 {
	s, _ := c.Score()
	return s
}

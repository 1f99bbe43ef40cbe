package linear

import (
	"math"

	"github.com/zeroten/zeroten/internal/nps"
)

// fewestForCurve is how many responses it takes to draw a line.
const fewestForCurve = 30

// Line is a straight line through scores.
type Line struct {
	// Slope is from one point to the next, on the scale of scores.
	Slope float64
	// StandardError is the larger of the classical one and HC3. It is 0 where the line meets every response, which says
	// nothing about how sure the slope is.
	StandardError float64
	// Interval is where the true slope lies with 95 % confidence; nil where there is no standard error.
	Interval *nps.Interval
	// P is how often chance alone would give a slope this steep in either direction.
	P float64
	// Reason is why there is no line: NoResponses, OneGroup where all are at one point, TooFewResponses below 30, or
	// NoVariation.
	Reason Reason
}

// Significant reports whether there is a line, and its P is below [nps.Significance].
func (l Line) Significant() bool { return l.Reason == "" && l.P < nps.Significance }

// Curve draws a straight line through the scores along a trait that has an order, by least squares of the responses as 1, 0
// and −1 on 0, 1, 2 … for the points. Points that nobody answered at keep their place. The standard error is as in
// [Drivers], with N − 2 degrees of freedom, and P at least what it is there.
func Curve(points []nps.Counts) Line {
	var all nps.Counts
	var groups int
	for _, c := range points {
		if c.N() > 0 {
			groups++
		}
		all = plus(all, c)
	}
	switch {
	case groups == 0:
		return Line{Reason: NoResponses}
	case groups == 1:
		return Line{Reason: OneGroup}
	case all.N() < fewestForCurve:
		return Line{Reason: TooFewResponses}
	case around(all) == 0:
		return Line{Reason: NoVariation}
	}

	n, mean := size(all), score(all)
	middle := 0.0
	for x, c := range points {
		middle += float64(x) * size(c) / n
	}
	sxx, sxy := 0.0, 0.0
	for x, c := range points {
		off := float64(x) - middle
		sxx += size(c) * off * off
		sxy += off * (balance(c) - mean*size(c))
	}
	slope := sxy / sxx
	rss := 0.0
	for x, c := range points {
		rss += squares(c, mean+slope*(float64(x)-middle))
	}
	if rss <= nothing*around(all) {
		rss = 0
	}
	df := n - 2
	meat := 0.0
	for x, c := range points {
		off := float64(x) - middle
		spread := size(c) * rss / df
		if free := 1 - 1/n - off*off/sxx; free > determined {
			spread = squares(c, mean+slope*off) / (free * free)
		}
		meat += spread * off * off
	}
	line := Line{Slope: slope, P: surest(all)}
	if rss > 0 {
		line.StandardError = math.Sqrt(max(rss/df/sxx, meat/sxx/sxx))
		line.P = max(line.P, studentTails(slope/line.StandardError, df))
		reach := studentWithin(df) * line.StandardError
		line.Interval = &nps.Interval{Low: slope - reach, High: slope + reach}
	}
	return line
}

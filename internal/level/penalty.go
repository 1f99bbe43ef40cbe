package level

import "math"

// falseAlarm is how often a series that never moved gets a point or more when each must gain more than the penalty.
// edge is the share of the series that the shortest level takes.
//
// The gain of one cut at its best is the square of a normalised Brownian bridge at its highest between edge and 1 − edge:
// Miller and Siegmund, Maximally selected chi square statistics, Biometrics 38(4), 1982; the gain of two, a dip or a bump
// somewhere, must pass twice the penalty: Levin and Kline, The cusum test of homogeneity, Statistics in Medicine 4(4),
// 1985, and Siegmund, Tail approximations for maxima of random fields, 1992. Both are bounds for large gains; they are
// added.
func falseAlarm(penalty, edge float64) float64 { return oneCut(penalty, edge) + twoCuts(penalty, edge) }

func oneCut(penalty, edge float64) float64 {
	b := math.Sqrt(penalty)
	return normal(b) * ((b-1/b)*2*math.Log((1-edge)/edge) + 4/b)
}

func twoCuts(penalty, edge float64) float64 {
	b := math.Sqrt(2 * penalty)
	return b * b * b * normal(b) / 2 * (1/edge - 1/(1-edge) + 2*math.Log((1-edge)/edge))
}

// normal is the density of the standard normal distribution.
func normal(x float64) float64 { return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) }

// penalty is that at which there are 5 false alarms in 100. The edge is above 0 and at most ½.
func penalty(edge float64) float64 {
	const alpha = 0.05
	// At 4 there are always more; from there on they fall. At 200 there are none, however small the edge.
	low, high := 4.0, 200.0
	for {
		middle := low + (high-low)/2
		if middle <= low || middle >= high {
			return high
		}
		if falseAlarm(middle, edge) > alpha {
			low = middle
		} else {
			high = middle
		}
	}
}

package level

import (
	"math"

	"github.com/zeroten/zeroten/internal/nps"
)

// cells is how many parts the scores from −1 to 1 are divided into for the ceiling. An even number: 0 is an edge.
const cells = 4096

// tilt is the shares of all responses, tilted to other scores: of all distributions with a score m the one that is
// nearest to the shares is d e^−θ : a : p e^θ for some θ, so that a single parameter moves, the score. Efron,
// Nonparametric standard errors and confidence intervals, Canadian Journal of Statistics 9(2), 1981.
type tilt struct {
	// Shares of detractors, passives and promoters; at most one of them is 0.
	d, a, p float64
	// edges are the divergences at the edges of the cells, a little above what they are; one more stands behind for 1.
	edges [cells + 2]float64
}

func newTilt(all nps.Counts) *tilt {
	n := float64(all.N())
	t := &tilt{d: float64(all.Detractors) / n, a: float64(all.Passives) / n, p: float64(all.Promoters) / n}
	for i := range cells + 1 {
		above, below := float64(i)/(cells/2), float64(cells-i)/(cells/2)
		// No stretch has a score below 0 where nobody is a detractor, nor above where nobody is a promoter.
		if (i < cells/2 && t.d == 0) || (i > cells/2 && t.p == 0) {
			above, below = 1, 1
		}
		// More than the divergence and the ceiling are ever rounded by, and nothing beside a gain that matters.
		const rounding = 1e-12
		t.edges[i] = t.divergence(above-1, above, below) + rounding
	}
	t.edges[cells+1] = t.edges[cells]
	return t
}

// divergence is how far the tilted distribution of score m lies from the shares of all, Kullback and Leibler's: the log
// likelihood ratio of one response, 0 where m is the score of all. It takes 1 + m and 1 − m as well, which are exact
// where m is near −1 or 1. With θ the tilt,
//
//	θm − ln(d e^−θ + a + p e^θ),  e^θ = (am + √(a²m² + 4pd(1−m²))) ÷ (2p(1−m))
//
// Terms of equal sign are added, never taken from each other; and since the first line is at its largest at θ, an error
// in θ matters only by its square. What is left of rounding errors falls with θ itself, so that small steps in millions
// of responses count as they should.
func (t *tilt) divergence(m, above, below float64) float64 {
	switch {
	case below == 0:
		return -math.Log(t.p)
	case above == 0:
		return -math.Log(t.d)
	case m == 0 && (t.d == 0 || t.p == 0):
		return -math.Log(t.a)
	}
	root := math.Sqrt(t.a*t.a*m*m + 4*t.p*t.d*above*below)
	var e float64
	if m >= 0 {
		e = (t.a*m + root) / (2 * t.p * below)
	} else {
		e = 2 * t.d * above / (root - t.a*m)
	}
	// d/e + a + pe, less 1.
	norm := (e - 1) * (t.p - t.d/e)
	if math.Abs(norm) < 0.5 {
		norm = math.Log1p(norm)
	} else {
		norm = math.Log(t.d/e + t.a + t.p*e)
	}
	return max(0, math.Log(e)*m-norm)
}

// ceiling never lies below the divergence of a score m, and for most not far above: the divergence is convex, so it lies
// below the straight line between two edges.
func (t *tilt) ceiling(m float64) float64 {
	x := (m + 1) * (cells / 2)
	i := int(x)
	low := t.edges[i]
	return low + (x-float64(i))*(t.edges[i+1]-low)
}

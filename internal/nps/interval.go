package nps

import (
	"errors"
	"fmt"
	"math"
)

// Method is a way to say where the true score lies. All three are in Rocks, Interval estimation for the Net Promoter
// Score, The American Statistician 70(4), 2016, arXiv 1601.07235.
type Method string

const (
	// AdjustedWald is Wald's interval after 3 pseudo-responses: ¾ detractor, 1½ passives, ¾ promoter. It is cheap, and
	// on average it covers what it promises. At worst it does not: of the 95 % intervals of 10, 20 and 30 responses 93,
	// 94 and 94 % hold the true score where each category has a share of 5 % or more, and as few as 88, 91 and 92 %
	// where one has 1 %. Its middle is drawn towards 0, so for a handful of responses it may lie beside the score itself.
	AdjustedWald Method = "ADJUSTED_WALD"
	// ScoreTest holds every score that the score test does not refuse, and always the score itself. It takes a search,
	// and covers what it promises more closely: of the 95 % intervals of 10, 20 and 30 responses 94 % at worst where
	// each category has 5 % or more, and 90, 92 and 93 % where one or two have 1 %.
	ScoreTest Method = "SCORE"
	// Wald is the textbook's: score ± z standard errors. It is too narrow for few responses, and has no width where
	// all are of one category.
	Wald Method = "WALD"
)

var (
	// ErrConfidence is returned for a confidence that does not lie between 0 and 1, both excluded.
	ErrConfidence = errors.New("confidence must lie between 0 and 1, both excluded")
	// ErrMethod is returned for a method that is none of those above.
	ErrMethod = errors.New("unknown interval method")
)

// Interval is where a true score lies, from −1 to 1, or a true difference of two scores, from −2 to 2.
type Interval struct{ Low, High float64 }

// Interval is where the true score of everybody who could have answered lies, as far as these responses tell: of the
// intervals made so, a share of confidence, e.g. 0.95, holds the true score. It never leaves −1 to 1. It is false
// where there are no responses. The error wraps ErrConfidence or ErrMethod, whether there are responses or not.
func (c Counts) Interval(m Method, confidence float64) (Interval, bool, error) {
	z, err := quantile(confidence)
	if err != nil {
		return Interval{}, false, err
	}
	var interval func(s sample, z float64) Interval
	switch m {
	case AdjustedWald:
		interval = func(s sample, z float64) Interval { return wald(s.adjusted(), z) }
	case ScoreTest:
		interval = scoreTest
	case Wald:
		interval = wald
	default:
		return Interval{}, false, fmt.Errorf("%w: %q", ErrMethod, m)
	}
	if c.N() <= 0 {
		return Interval{}, false, nil
	}
	return interval(c.sample(), z).clamp(1), true, nil
}

// quantile is the z that a standard normal value stays within, on both sides, with the given probability: 1.959964
// for 0.95.
func quantile(confidence float64) (float64, error) {
	// Put so that NaN is refused as well.
	if !(confidence > 0 && confidence < 1) {
		return 0, fmt.Errorf("%w, not %v", ErrConfidence, confidence)
	}
	return math.Sqrt2 * math.Erfinv(confidence), nil
}

func around(middle, reach float64) Interval { return Interval{middle - reach, middle + reach} }

func (i Interval) clamp(limit float64) Interval {
	return Interval{max(i.Low, -limit), min(i.High, limit)}
}

func wald(s sample, z float64) Interval { return around(s.score(), z*s.standardError()) }

// scoreTest holds every score δ for which the score δ̂ seen is within z standard errors of δ, with the standard error
// that the sample would most likely have if δ were true:
//
//	n(δ̂ − δ)² ≤ z² V(δ)
//
// This is what Tango 1998 does for the difference of paired proportions, a model with the same likelihood.
func scoreTest(s sample, z float64) Interval {
	score := s.score()
	return Interval{score - scoreTestReach(s.mirrored(), z), score + scoreTestReach(s, z)}
}

// scoreTestReach is how far the score test's interval reaches above the score of the sample: the e ≥ 0 at which
// n e² = z² V(score + e). The left side begins at 0, below V or level with it, and ends above, since V(1) = 0. In
// between e² ÷ V grows, so there is one crossing.
func scoreTestReach(s sample, z float64) float64 {
	n := s.n()
	// The reach in standard errors of variance 1, the largest there is, bounds it for large n.
	outside := min((s.passives+2*s.detractors)/n, z/math.Sqrt(n))
	return crossing(0, -math.Sqrt(s.variance()), outside, func(e float64) float64 {
		return e*math.Sqrt(n)/z - math.Sqrt(s.varianceGiven(e))
	})
}

// varianceGiven is the variance of one response that is most likely after this sample where the true score is known to
// be δ = score + e, with e ≥ 0.
//
// Let a be the share of those who are no passives in the sample, o = 1 − a, and b the score seen. With x the true
// share of those who are no passives, the likelihood's derivative vanishes at the larger root of
//
//	x² − (a + bδ)x + bδ − oδ² = 0
//
// and the variance is x − δ². In this form digits cancel near unanimity and where both roots meet. So the discriminant
// (a − bδ)² + 4oδ(δ − b) is written as a sum of squares, ((αδ − b(1 + o))² + 16opd) ÷ α with α = b² + 4o, and the
// variance as (1 − δ²)(y ÷ (y + 2o)) with y = a − bδ + √discriminant, whose terms are not negative.
func (s sample) varianceGiven(e float64) float64 {
	n := s.n()
	d, o, p := s.detractors/n, s.passives/n, s.promoters/n
	a, b := (s.detractors+s.promoters)/n, s.score()
	delta := b + e
	// 1 − δ², from the exact 1 − b and 1 + b.
	rest := ((s.passives+2*s.detractors)/n - e) * ((s.passives+2*s.promoters)/n + e)
	root := a
	if alpha := b*b + 4*o; alpha > 0 {
		root = math.Hypot(alpha*delta-b*(1+o), 4*math.Sqrt(o*p*d)) / math.Sqrt(alpha)
	}
	y := a - b*delta + root
	if y <= 0 {
		return 0 // where all are of one category and would have to be, up to rounding
	}
	return rest * (y / (y + 2*o))
}

// likeliest are the shares that are most likely after this sample where the true score is known to be that.
func (s sample) likeliest(score float64) sample {
	away := score - s.score()
	if away < 0 { // varianceGiven looks upwards
		return s.mirrored().likeliest(-score).mirrored()
	}
	taking := s.varianceGiven(away) + score*score // of those who are no passives
	return sample{max(taking-score, 0) / 2, max(1-taking, 0), (taking + score) / 2}
}

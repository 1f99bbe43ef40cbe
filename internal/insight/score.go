package insight

import (
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/nps"
)

// points is how many a difference of 1 in a score is.
const points = 100

// Score is the Net Promoter Score of some responses, with what it takes to judge it.
type Score struct{ responses nps.Histogram }

// NPS is the score in points, −100 to 100; nil where nobody answered.
func (s *Score) NPS() *float64 {
	n := s.responses.Count()
	if n == 0 {
		return nil
	}
	// One division, so that it is as near as a float64 gets.
	score := points * float64(s.responses.Promoters()-s.responses.Detractors()) / float64(n)
	return &score
}

// Responses is how many answered.
func (s *Score) Responses() int { return int(s.responses.Count()) }

// Promoters is how many gave 9 or 10.
func (s *Score) Promoters() int { return int(s.responses.Promoters()) }

// Passives is how many gave 7 or 8.
func (s *Score) Passives() int { return int(s.responses.Passives()) }

// Detractors is how many gave 0 to 6.
func (s *Score) Detractors() int { return int(s.responses.Detractors()) }

// Histogram is how many gave 0, 1, … 10.
func (s *Score) Histogram() []int {
	counts := make([]int, len(s.responses))
	for i, n := range s.responses {
		counts[i] = int(n)
	}
	return counts
}

// Mean is the mean score, 0 to 10; nil where nobody answered.
func (s *Score) Mean() *float64 {
	mean, ok := s.responses.Mean()
	if !ok {
		return nil
	}
	return &mean
}

// Interval says where the true score lies; nil where nobody answered. A confidence that is not between 0 and 1 is
// BAD_REQUEST.
func (s *Score) Interval(confidence float64, method nps.Method) (*ScoreInterval, error) {
	i, ok, err := s.responses.Counts().Interval(method, confidence)
	if err != nil {
		return nil, apierror.BadRequest("interval: %v.", err)
	}
	if !ok {
		return nil, nil
	}
	return inPoints(i), nil
}

// ScoreInterval is in points.
type ScoreInterval struct{ Low, High float64 }

func inPoints(i nps.Interval) *ScoreInterval {
	return &ScoreInterval{Low: i.Low * points, High: i.High * points}
}

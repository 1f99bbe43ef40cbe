package insight

import (
	"context"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/nps"
)

// BenchmarkComparison is a score beside a published one.
type BenchmarkComparison struct {
	Benchmark *ent.Benchmark
	// VersusAverage is the score less the benchmark's, which is taken as exact.
	VersusAverage *ScoreChange
}

// Beside sets the score beside published ones.
func (f *Feedback) Beside(ctx context.Context, published []*ent.Benchmark) ([]*BenchmarkComparison, error) {
	if err := f.uncut("benchmarks"); err != nil {
		return nil, err
	}
	comparisons := make([]*BenchmarkComparison, len(published))
	if len(published) == 0 {
		return comparisons, nil
	}
	h, err := f.total(ctx)
	if err != nil {
		return nil, err
	}
	for i, b := range published {
		c := &ScoreChange{tested: 1}
		if of, ok := nps.CompareWith(h.Counts(), b.Average/points); ok {
			c.of, c.Difference = of, new(*(&Score{h}).NPS()-b.Average)
		}
		comparisons[i] = &BenchmarkComparison{Benchmark: b, VersusAverage: c}
	}
	return comparisons, nil
}

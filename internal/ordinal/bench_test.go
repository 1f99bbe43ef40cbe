package ordinal

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
)

// crowd is people with values at random, the more frequent the smaller their number, and answers that go with these.
func crowd(random *rand.Rand, profiles, traits, values, months, responses int) ([]Trait, []Cell) {
	known := make([]Trait, traits)
	for t := range known {
		known[t].Key = fmt.Sprintf("trait %d", t)
		for v := range values {
			known[t].Values = append(known[t].Values, fmt.Sprintf("value %d", v))
		}
		for range profiles {
			known[t].Of = append(known[t].Of, uint16(min(random.IntN(values), random.IntN(values))))
		}
	}
	cells := make([]Cell, 0, profiles*months)
	for month := range months {
		for profile := range profiles {
			mood := 0.0
			for _, t := range known {
				mood += (float64(t.Of[profile])/float64(values) - 0.3) / math.Sqrt(float64(traits))
			}
			cells = append(cells, Cell{profile, month, answers(random, responses, 0.3-0.4*mood, 0.3)})
		}
	}
	return known, cells
}

// answers are those of n people, of whom so large a share is likely detractor or passive.
func answers(random *rand.Rand, n int, detractor, passive float64) (c nps.Counts) {
	for range n {
		switch u := random.Float64(); {
		case u < detractor:
			c.Detractors++
		case u < detractor+passive:
			c.Passives++
		default:
			c.Promoters++
		}
	}
	return c
}

func BenchmarkLearn(b *testing.B) {
	for _, size := range []struct{ profiles, traits, values, months, responses int }{
		{300, 5, 4, 24, 3}, {3_000, 5, 20, 24, 1}, {3_000, 16, 10, 24, 1}, {20_000, 1, 200, 24, 1}, {20_000, 16, 20, 24, 1},
		{3_000, 16, 49, 24, 1}, {20_000, 16, 49, 24, 1}, {20_000, 16, 200, 24, 2},
	} {
		name := fmt.Sprintf("%d profiles, %d traits of %d values", size.profiles, size.traits, size.values)
		traits, cells := crowd(rand.New(rand.NewPCG(1, 2)), size.profiles, size.traits, size.values, size.months, size.responses)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if m, e := Learn(traits, slices.Values(cells)); m == nil {
					b.Fatal(e.Reason)
				}
			}
			work := Work(size.profiles, slices.Repeat([]int{size.values}, size.traits)...)
			b.ReportMetric(float64(work)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "reckoned/taken")
		})
	}
}

func BenchmarkPredict(b *testing.B) {
	for _, traits := range []int{4, 16} {
		known, cells := crowd(rand.New(rand.NewPCG(3, 4)), 3_000, traits, 20, 24, 1)
		model, e := Learn(known, slices.Values(cells))
		if model == nil {
			b.Fatal(e.Reason)
		}
		values := slices.Repeat([]string{"value 7"}, traits)
		b.Run(fmt.Sprintf("%d traits", traits), func(b *testing.B) {
			for b.Loop() {
				model.Predict(values)
			}
		})
	}
}

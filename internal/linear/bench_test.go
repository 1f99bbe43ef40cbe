package linear

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
)

// crowd draws profiles of traits with so many values each, the first of them most often, and about so many responses a
// profile. Every second value of the first trait is 0.3 less happy than the others, and so is the group of the first values
// of the first two traits. Where they are moody, every value of every trait has a mood of its own, so that most groups are far
// from the rest, and all of them have to be looked at.
func crowd(random *rand.Rand, moody bool, profiles, responses int, values ...int) []Profile {
	moods := make([][]float64, len(values))
	for trait, k := range values {
		moods[trait] = make([]float64, k)
		for v := range moods[trait] {
			moods[trait][v] = 0.6 * (random.Float64() - 0.5)
		}
	}
	var all []Profile
	seen := map[string]bool{}
	for tries := 0; len(all) < profiles && tries < 20*profiles; tries++ {
		codes := make([]int, len(values))
		for trait, k := range values {
			codes[trait] = int(float64(k) * random.Float64() * random.Float64())
		}
		key := fmt.Sprint(codes)
		if seen[key] {
			continue
		}
		seen[key] = true
		mood := 0.3
		for trait, v := range codes {
			if moody {
				mood += moods[trait][v]
			}
		}
		mood = max(-0.6, min(mood, 0.6))
		if codes[0]%2 == 1 {
			mood -= 0.3
		}
		if len(values) > 1 && codes[0] == 0 && codes[1] == 0 {
			mood -= 0.3
		}
		all = append(all, Profile{codes, answers(random, 1+random.IntN(2*responses), mood)})
	}
	return all
}

// answers draws n responses whose mean is mood, with a third of them passive.
func answers(random *rand.Rand, n int, mood float64) nps.Counts {
	var c nps.Counts
	for range n {
		switch u := random.Float64(); {
		case u < 1./3:
			c.Passives++
		case u < 1./3+(2./3+mood)/2:
			c.Promoters++
		default:
			c.Detractors++
		}
	}
	return c
}

var crowds = []struct {
	name                string
	profiles, responses int
	values              []int
}{
	{"300x6", 300, 100, []int{5, 3, 6, 4, 4, 3}},
	{"3000x6", 3000, 30, []int{8, 6, 12, 10, 6, 5}},
	{"3000x6wide", 3000, 100, []int{50, 20, 12, 10, 6, 5}},
	{"20000x6", 20000, 30, []int{50, 20, 12, 10, 6, 5}},
	{"20000x20", 20000, 30, []int{12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6}},
	{"20000x20x200", 20000, 30, []int{200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200}},
	{"50x2", 50, 1000, []int{10, 5}},
	{"3000x7millions", 3000, 3000, []int{5, 10, 6, 5, 2, 1, 1}},
	{"190x1", 190, 300, []int{190}},
	{"3000x16x50", 3000, 100, []int{50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50}},
	{"3000x2x60", 3000, 100, []int{60, 60}},
	{"20000x3x40", 20000, 100, []int{40, 40, 40}},
}

// reckoned is what is asked for some work in all.
func reckoned(work func(Pay)) (all int64) {
	work(func(nanoseconds int64) error {
		all += nanoseconds
		return nil
	})
	return all
}

// times reports how many times what it takes the work was reckoned to be.
func times(b *testing.B, work int64) {
	b.ReportMetric(float64(work)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "reckoned/taken")
	b.ReportMetric(float64(work)/2e5, "points")
}

func BenchmarkDrivers(b *testing.B) {
	for _, c := range crowds {
		profiles := crowd(rand.New(rand.NewPCG(1, 2)), false, c.profiles, c.responses, c.values...)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Drivers(profiles, 30)
			}
			times(b, reckoned(func(pay Pay) { _, _ = PaidDrivers(profiles, 30, nil, pay) }))
		})
	}
}

func BenchmarkHotspots(b *testing.B) {
	for _, c := range crowds {
		for _, moody := range []bool{false, true} {
			profiles := crowd(rand.New(rand.NewPCG(1, 2)), moody, c.profiles, c.responses, c.values...)
			name := c.name
			if moody {
				name += "moody"
			}
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f := Hotspots(profiles, Search{Pairs: true, Responses: 30, Difference: 0.05})
					pairs := 0
					for _, h := range f.Groups {
						if len(h.Traits) == 2 {
							pairs++
						}
					}
					b.ReportMetric(float64(f.Tested), "tested")
					b.ReportMetric(float64(len(f.Groups)), "named")
					b.ReportMetric(float64(pairs), "pairs")
				}
				times(b, reckoned(func(pay Pay) {
					_, _ = PaidHotspots(profiles, Search{Pairs: true, Responses: 30, Difference: 0.05}, pay)
				}))
			})
		}
	}
}

package level

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
)

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1982)) }

// world is a series of days as it might be.
type world struct {
	days int
	// aDay is how many responses there are on a day, Poisson's mean.
	aDay float64
	// shock is the standard deviation of what moves the score of a day, week that of what comes back every week.
	shock, week float64
	score       func(day int) float64
}

// step is a day from which on the score is another.
type step struct {
	day   int
	score float64
}

func steps(start float64, steps ...step) func(day int) float64 {
	return func(day int) float64 {
		score := start
		for _, s := range steps {
			if day >= s.day {
				score = s.score
			}
		}
		return score
	}
}

// draw is what is answered, about a third of it by passives, fewer where the score leaves no room for them.
func (w world) draw(random *rand.Rand) []nps.Counts {
	days := make([]nps.Counts, w.days)
	for i := range days {
		m := w.score(i) + w.shock*random.NormFloat64() + w.week*math.Sqrt2*math.Sin(2*math.Pi*float64(i)/7)
		m = max(-0.99, min(0.99, m))
		passives := 0.35 * (1 - m*m)
		promoters := (1 - passives + m) / 2
		days[i] = answers(random, poisson(random, w.aDay), 1-passives-promoters, promoters)
	}
	return days
}

// answers is n responses of which shares d and p are detractors and promoters.
func answers(random *rand.Rand, n int64, d, p float64) nps.Counts {
	promoters := binomial(random, n, p)
	detractors := int64(0)
	if p < 1 {
		detractors = binomial(random, n-promoters, min(1, d/(1-p)))
	}
	return nps.Counts{Detractors: detractors, Passives: n - promoters - detractors, Promoters: promoters}
}

// binomial draws how many of n are, from a normal distribution where that is as good.
func binomial(random *rand.Rand, n int64, p float64) int64 {
	if v := float64(n) * p * (1 - p); v > 500 {
		return max(0, min(n, int64(math.Round(float64(n)*p+math.Sqrt(v)*random.NormFloat64()))))
	} else if n > 5000 {
		// Rare either way.
		if p > 0.5 {
			return n - min(n, poisson(random, float64(n)*(1-p)))
		}
		return min(n, poisson(random, float64(n)*p))
	}
	var k int64
	for range n {
		if random.Float64() < p {
			k++
		}
	}
	return k
}

func poisson(random *rand.Rand, mean float64) int64 {
	if mean > 500 {
		return int64(math.Round(mean + math.Sqrt(mean)*random.NormFloat64()))
	}
	k, least := int64(-1), math.Exp(-mean)
	for product := 1.0; product > least; k++ {
		product *= random.Float64()
	}
	return k
}

// TestSimulatedFalseAlarms looks for change on series that never moved. The sources are seeded: a run is as good as any
// other. Least squares must fail for a score far from 0, or the bounds would prove nothing for the tilt.
func TestSimulatedFalseAlarms(t *testing.T) {
	const runs = 160
	most := 0.05 + 4*math.Sqrt(0.05*0.95/runs)
	sum := 0
	worlds := []world{
		{days: 90, aDay: 3, score: steps(0.3)},
		{days: 365, aDay: 3, score: steps(0.3)},
		{days: 365, aDay: 60, score: steps(0.3)},
		{days: 365, aDay: 3, score: steps(0.8)},
		{days: 365, aDay: 3, score: steps(0.9)},
		{days: 365, aDay: 60, score: steps(0.3), shock: 0.05},
		{days: 365, aDay: 60, score: steps(0.3), week: 0.04},
	}
	for i, w := range worlds {
		random := source(uint64(i))
		alarms := 0
		for range runs {
			s, reason := Find(w.draw(random), 0)
			if reason != "" {
				t.Fatal(reason)
			}
			if len(s.Points) > 0 {
				alarms++
			}
		}
		sum += alarms
		if share := float64(alarms) / runs; share > most {
			t.Errorf("%.3f of series of %d days, %v a day, never moved and did, want 0.05", share, w.days, w.aDay)
		}
	}
	if share := float64(sum) / runs / float64(len(worlds)); share < 0.01 || share > 0.05 {
		t.Errorf("%.3f of all series never moved and did, want 0.01 to 0.05", share)
	}

	squares, random := 0, source(97)
	for range runs / 2 {
		days := world{days: 730, aDay: 3, score: steps(0.97)}.draw(random)
		d, all := divided(days), total(days)
		mean := score(all)
		variance, _ := all.Variance()
		price := penalty(max(MinResponses/float64(all.N()), MinDays/float64(len(days))))
		if cuts := plain(d, price, func(start, end int) float64 {
			n := d.n[end] - d.n[start]
			step := (d.balance[end]-d.balance[start])/n - mean
			return d.scale / 2 * n * step * step / variance
		}); len(cuts) > 0 {
			squares++
		}
	}
	if share := float64(squares) / float64(runs/2); share < 0.05+4*math.Sqrt(0.05*0.95/(runs/2)) {
		t.Errorf("least squares move %.3f of series that never moved: the bounds above tell nothing", share)
	}
}

// TestSimulatedSteps plants steps and looks for them.
func TestSimulatedSteps(t *testing.T) {
	const runs = 100
	for _, test := range []struct {
		name string
		world
		at []int
		// least is the share of series in which each is found within a week.
		least float64
	}{
		{"a step of 20", world{days: 365, aDay: 60, score: steps(0.3, step{200, 0.1})}, []int{200}, 0.95},
		{"from 90 to 75", world{days: 365, aDay: 20, score: steps(0.9, step{150, 0.75})}, []int{150}, 0.85},
		{"a dip for a month", world{days: 365, aDay: 60, score: steps(0.3, step{200, 0.15}, step{230, 0.3})}, []int{200, 230}, 0.9},
		{"price, outage, repair, help desk", world{days: 730, aDay: 60, score: steps(0.35, step{200, 0.2}, step{420, 0.05}, step{450, 0.2}, step{600, 0.33})}, []int{200, 420, 450, 600}, 0.85},
	} {
		random := source(8)
		found, held, other := 0, 0, 0
		for range runs {
			s, reason := Find(test.draw(random), 0.05)
			if reason != "" {
				t.Fatal(reason)
			}
			if len(s.Points) != len(test.at) {
				other++
				continue
			}
			for i, p := range s.Points {
				if p.Day-test.at[i] >= -7 && p.Day-test.at[i] <= 7 {
					found++
				}
				if p.Earliest <= test.at[i] && test.at[i] <= p.Latest {
					held++
				}
			}
		}
		all := float64(runs * len(test.at))
		bound := func(share float64) float64 { return share - 4*math.Sqrt(share*(1-share)/all) }
		what := fmt.Sprintf("%s: %d of %d series have more or fewer points; %.3f within a week, %.3f within their dates",
			test.name, other, runs, float64(found)/all, float64(held)/all)
		if other > 15 || float64(found)/all < bound(test.least) || float64(held) < bound(0.93)*(all-float64(other*len(test.at))) {
			t.Error(what)
		}
		t.Log(what)
	}
}

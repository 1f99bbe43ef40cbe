package effect

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
)

// world is people of two kinds who answer day by day.
type world struct {
	days, start, window int
	// Responses on a day, Poisson's mean, and the scores before.
	treated, others           float64
	treatedScore, othersScore float64
	// effect is what is done to the treated from start on, drift what happens to both over all days.
	effect, drift float64
	// lasting is the standard deviation of what shakes the treated alone, week by week; four fifths of it stay the week after.
	lasting float64
}

func (w world) draw(random *rand.Rand) Study {
	s := Study{Start: w.start, Window: w.window, Today: w.days - 1}
	shaken := 0.0
	for day := range w.days {
		if day%7 == 0 {
			shaken = 0.8*shaken + 0.6*w.lasting*random.NormFloat64()
		}
		drift := w.drift * float64(day) / float64(w.days)
		treated := w.treatedScore + drift + shaken
		if day >= w.start {
			treated += w.effect
		}
		s.Treated = append(s.Treated, answers(random, w.treated, treated))
		if w.others > 0 {
			s.Others = append(s.Others, answers(random, w.others, w.othersScore+drift))
		}
	}
	return s
}

// answers are a day's, about a third of them by passives.
func answers(random *rand.Rand, mean, score float64) nps.Counts {
	score = max(-0.99, min(0.99, score))
	passives := 0.35 * (1 - score*score)
	promoters := (1 - passives + score) / 2
	var c nps.Counts
	// Poisson's number, by how many factors leave how much of 1.
	left := math.Exp(-mean)
	for u := random.Float64(); u > left; u *= random.Float64() {
		switch x := random.Float64(); {
		case x < promoters:
			c.Promoters++
		case x < promoters+passives:
			c.Passives++
		default:
			c.Detractors++
		}
	}
	return c
}

// TestSimulatedEffects plants effects and looks whether their intervals hold them, from 15 responses a window on.
func TestSimulatedEffects(t *testing.T) {
	const runs = 500
	for _, test := range []struct {
		name string
		world
	}{
		{"15 a window", world{days: 70, start: 40, window: 15, treated: 1, others: 5, treatedScore: 0.3, othersScore: 0.4, effect: 0.2}},
		{"nothing done", world{days: 120, start: 60, window: 28, treated: 4, others: 10, treatedScore: 0.1, othersScore: 0.4, drift: -0.2}},
		{"help desk", world{days: 120, start: 60, window: 28, treated: 8, others: 20, treatedScore: 0.3, othersScore: 0.45, effect: 0.13, drift: 0.1}},
		{"high scores", world{days: 120, start: 60, window: 28, treated: 3, others: 10, treatedScore: 0.8, othersScore: 0.85, effect: 0.12}},
		{"for all", world{days: 120, start: 60, window: 28, treated: 3, treatedScore: -0.3, effect: 0.5}},
	} {
		random := rand.New(rand.NewPCG(1985, uint64(test.days)))
		held, significant, drifting := 0, 0, 0
		for range runs {
			r := Of(test.draw(random))
			figure, drift := r.Effect, 0.0
			if test.others == 0 {
				figure, drift = r.Change, test.drift*float64(test.window)/float64(test.days)
			}
			if i := figure.Interval(); i.Low <= test.effect+drift && test.effect+drift <= i.High {
				held++
			}
			if figure.P() < nps.Significance {
				significant++
			}
			if r.Lead.P() < nps.Significance {
				drifting++
			}
		}
		share := func(n int) float64 { return float64(n) / runs }
		t.Logf("%s: interval holds the effect in %.3f; significant %.3f; drifting before %.3f", test.name, share(held), share(significant), share(drifting))
		if share(held) < 0.95-4*math.Sqrt(0.95*0.05/runs) || share(held) > 0.995 {
			t.Errorf("%s: interval holds the effect in %.3f, want 0.95", test.name, share(held))
		}
		most := 0.05 + 4*math.Sqrt(0.05*0.95/runs)
		if share(drifting) > most || test.effect == 0 && share(significant) > most {
			t.Errorf("%s: drifting before in %.3f, significant in %.3f, want 0.05", test.name, share(drifting), share(significant))
		}
	}
}

// TestSimulatedPlacebos shakes a score for weeks on end, which the interval does not know of, and placebos do.
func TestSimulatedPlacebos(t *testing.T) {
	const runs = 200
	random := rand.New(rand.NewPCG(2004, 119))
	significant, rare := 0, 0
	for range runs {
		r := Of(world{days: 400, start: 340, window: 28, treated: 12, others: 20, treatedScore: 0.3, othersScore: 0.4, lasting: 0.12}.draw(random))
		if r.Effect.P() < nps.Significance {
			significant++
		}
		if r.Placebos.Tried < 35 {
			t.Fatalf("%+v", r.Placebos)
		}
		if r.Placebos.AsLarge*20 <= r.Placebos.Tried {
			rare++
		}
	}
	t.Logf("nothing done: significant %.3f, as large on one placebo of twenty at most %.3f", float64(significant)/runs, float64(rare)/runs)
	if float64(significant)/runs < 0.2 {
		t.Errorf("%.3f are significant: the world is too calm to tell anything", float64(significant)/runs)
	}
	if float64(rare)/runs > 0.15 {
		t.Errorf("%.3f are rare among placebos, want about 0.05", float64(rare)/runs)
	}
}

func BenchmarkOf(b *testing.B) {
	w := world{days: 730, start: 600, window: 56, treated: 12, others: 60, treatedScore: 0.3, othersScore: 0.4}
	s := w.draw(rand.New(rand.NewPCG(1985, 0)))
	for b.Loop() {
		if Of(s).Effect == nil {
			b.Fatal("no effect")
		}
	}
}

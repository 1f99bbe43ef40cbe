package linear

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
)

// runs is how often each world is asked; more than the default give the figures of docs/statistics.md.
var runs = flag.Int("runs", 150, "how often simulations survey")

// world is people with four traits, the second of which goes with the first: of 5, 3, 4 and 6 values, the last one of them
// rare. It says how those answer who hold some values: shares of detractors, passives and promoters.
type world func(values [4]int) [3]float64

func (w world) survey(random *rand.Rand, n int) []Profile {
	pick := func(weights ...float64) int {
		u := random.Float64()
		for i, x := range weights {
			if u -= x; u < 0 {
				return i
			}
		}
		return len(weights) - 1
	}
	counts := map[[4]int]nps.Counts{}
	for range n {
		var v [4]int
		v[0] = pick(0.3, 0.25, 0.2, 0.15, 0.1)
		if v[0] < 2 {
			v[1] = pick(0.6, 0.3, 0.1)
		} else {
			v[1] = pick(0.2, 0.4, 0.4)
		}
		v[2] = pick(0.4, 0.3, 0.2, 0.1)
		v[3] = pick(0.45, 0.2, 0.15, 0.1, 0.06, 0.04)
		c := counts[v]
		switch truth := w(v); pick(truth[:]...) {
		case 0:
			c.Detractors++
		case 1:
			c.Passives++
		default:
			c.Promoters++
		}
		counts[v] = c
	}
	var profiles []Profile
	for v, c := range counts {
		profiles = append(profiles, Profile{v[:], c})
	}
	return profiles
}

// alwaysAnswering is a world where nobody is different.
func alwaysAnswering(truth [3]float64) world { return func([4]int) [3]float64 { return truth } }

// leaning is a truth of a score, with so many passives.
func leaning(score, passives float64) [3]float64 {
	return [3]float64{(1 - passives - score) / 2, passives, (1 - passives + score) / 2}
}

// effects are those of an additive world: of personas, plans and the fourth trait; none of the third.
var effects = [4][]float64{{-0.15, 0.05, 0.15, 0.1, -0.05}, {-0.1, 0.05, 0.15}, {0, 0, 0, 0}, {0.05, 0, -0.1, 0.1, -0.2, 0.15}}

// additive is a world with the effects; the last value of the fourth trait divides people.
func additive(values [4]int) [3]float64 {
	score := 0.25
	for trait, v := range values {
		score += effects[trait][v]
	}
	if values[3] == 5 {
		return leaning(score, 0.02)
	}
	return leaning(score, 0.25)
}

// atMost fails the test where more than a share of surveys did what they should not, by four standard errors.
func atMost(t *testing.T, what string, did, of int, promised float64) {
	t.Helper()
	share := float64(did) / float64(of)
	t.Logf("%s: %.4f of %d", what, share, of)
	if limit := promised + 4*math.Sqrt(promised*(1-promised)/float64(of)); share > limit {
		t.Errorf("%s in %.4f of %d surveys, promised %.2f, at most %.4f by chance", what, share, of, promised, limit)
	}
}

func anySignificant(a Analysis, part func(Driver) Part) bool {
	for _, d := range a.Traits {
		if part(d).Significant() {
			return true
		}
	}
	return false
}

// TestSimulatedNothing surveys worlds where nobody is different, and counts in how many answers anything is called so.
func TestSimulatedNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1919))
	for _, truth := range [][3]float64{{0.2, 0.3, 0.5}, {0.05, 0.1, 0.85}, {0.45, 0.1, 0.45}} {
		for _, n := range []int{300, 1500} {
			alone, own, hot, value := 0, 0, 0, 0
			for range *runs {
				profiles := alwaysAnswering(truth).survey(random, n)
				a := Drivers(profiles, 30)
				if anySignificant(a, func(d Driver) Part { return d.Alone }) {
					alone++
				}
				if anySignificant(a, func(d Driver) Part { return d.Own }) {
					own++
				}
				if len(Hotspots(profiles, Search{Pairs: true, Responses: 30}).Groups) > 0 {
					hot++
				}
				if len(Hotspots(profiles, Search{Responses: 10}).Groups) > 0 {
					value++
				}
			}
			of := fmt.Sprintf(" among %d of %v", n, truth)
			atMost(t, "a trait alone is called real"+of, alone, *runs, 0.05)
			atMost(t, "an own part is called real"+of, own, *runs, 0.05)
			atMost(t, "a group is named"+of, hot, *runs, 0.05)
			atMost(t, "a value is named"+of, value, *runs, 0.05)
		}
	}
}

// TestSimulatedEffects surveys a world of effects that add up: how often intervals hold them, whether the trait that has none
// is called real, and whether groups are said to lie beyond their parts.
func TestSimulatedEffects(t *testing.T) {
	random := rand.New(rand.NewPCG(42, 1985))
	for _, n := range []int{800, 3000} {
		held, of, rare, ofRare, null, pairs, found := 0, 0, 0, 0, 0, 0, 0
		for range *runs {
			profiles := world(additive).survey(random, n)
			a := Drivers(profiles, 20)
			for _, d := range a.Traits {
				average := 0.0
				whole := true // no value is put together with others, whose effect would depend on who they are
				for _, v := range d.Values {
					if v.Code == Other {
						whole = false
						continue
					}
					average += v.Share * effects[d.Trait][v.Code]
				}
				if d.Trait == 2 && d.Own.Significant() {
					null++
				}
				if d.Trait != 2 && d.Own.Significant() {
					found++
				}
				for _, v := range d.Values {
					if !whole {
						continue
					}
					in := 0
					if e := v.Effect.Interval; holds(*e, effects[d.Trait][v.Code]-average) {
						in = 1
					}
					held, of = held+in, of+1
					if d.Trait == 3 && v.Code == 5 {
						rare, ofRare = rare+in, ofRare+1
					}
				}
			}
			for _, h := range Hotspots(profiles, Search{Pairs: true, Responses: 30}).Groups {
				if len(h.Traits) == 2 {
					pairs++
					break
				}
			}
		}
		among := fmt.Sprintf(" among %d", n)
		atMost(t, "the trait without effect is called real"+among, null, *runs, 0.05)
		atMost(t, "a group is said to lie beyond its parts"+among, pairs, *runs, 0.05)
		t.Logf("traits with an effect are called real: %.4f", float64(found)/float64(3**runs))
		for _, c := range []struct {
			what     string
			held, of int
		}{{"effects", held, of}, {"the effect of a rare value that divides", rare, ofRare}} {
			share := float64(c.held) / float64(c.of)
			t.Logf("intervals hold %s: %.4f of %d", c.what, share, c.of)
			if share < 0.93-4*math.Sqrt(0.05*0.95/float64(c.of)) {
				t.Errorf("intervals hold %s%s in %.4f of %d, promised 0.95", c.what, among, share, c.of)
			}
		}
		if share := float64(held) / float64(of); share < 0.93 {
			t.Errorf("intervals hold effects%s in %.4f, promised 0.95", among, share)
		}
	}
}

func holds(i nps.Interval, x float64) bool { return i.Low <= x && x <= i.High }

// TestSimulatedGroup plants a group of two traits that is 0.35 less happy than its parts would have it, in the world of effects
// that add up, and wants it found, with few others.
func TestSimulatedGroup(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 1998))
	planted := world(func(values [4]int) [3]float64 {
		score := 0.25
		for trait, v := range values {
			score += effects[trait][v]
		}
		if values[0] == 2 && values[1] == 0 {
			score -= 0.5
		}
		return leaning(score, 0.25)
	})
	found, others := 0, 0
	surveys := *runs / 3
	for range surveys {
		other := false
		for _, h := range Hotspots(planted.survey(random, 5000), Search{Pairs: true, Responses: 30, Difference: 0.05}).Groups {
			switch {
			case len(h.Traits) == 1:
			case h.Traits[0] == 0 && h.Traits[1] == 1 && h.Values[0] == 2 && h.Values[1] == 0 && h.BeyondParts < -0.2:
				found++
			default:
				other = true
			}
		}
		if other {
			others++
		}
	}
	t.Logf("found %d of %d", found, surveys)
	if float64(found) < 0.9*float64(surveys) {
		t.Errorf("the planted group was found in %d of %d surveys", found, surveys)
	}
	atMost(t, "another group of two traits is named", others, surveys, 0.05)
}

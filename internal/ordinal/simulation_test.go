package ordinal

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// provider is a broadband provider's customers: how their persona, plan, region and tenure move their mood, on the scale of
// scores, and how frequent each of these is.
var provider = []struct{ moods, shares []float64 }{
	{[]float64{-0.9, 0, -0.05, 0.4, 0.05}, []float64{0.2, 0.35, 0.2, 0.15, 0.1}},
	{[]float64{-0.6, 0, 0.4}, []float64{0.4, 0.4, 0.2}},
	{[]float64{0.1, -0.05, 0.05, 0, 0.1}, []float64{0.2, 0.2, 0.2, 0.2, 0.2}},
	{[]float64{0.9, 0.5, 0.1, -0.3, -0.6}, []float64{0.1, 0.2, 0.2, 0.3, 0.2}},
}

// surveyed asks n customers in six months. Their mood is that of who they are, times signal, and a spread of 2 of their own.
func surveyed(random *rand.Rand, n int, signal float64) ([]Trait, []Cell) {
	traits := make([]Trait, len(provider))
	for t, kind := range provider {
		for v := range kind.shares {
			traits[t].Values = append(traits[t].Values, string(rune('a'+v)))
		}
	}
	cells := make([]Cell, n)
	for i := range cells {
		score := 8.2
		for t, kind := range provider {
			value, left := 0, random.Float64()
			for ; value < len(kind.shares)-1 && left >= kind.shares[value]; value++ {
				left -= kind.shares[value]
			}
			traits[t].Of = append(traits[t].Of, uint16(value))
			score += signal * kind.moods[value]
		}
		cells[i] = Cell{Profile: i, Month: i * 6 / n}
		switch score = math.Round(score + 2*random.NormFloat64()); {
		case score <= 6:
			cells[i].Counts.Detractors = 1
		case score <= 8:
			cells[i].Counts.Passives = 1
		default:
			cells[i].Counts.Promoters = 1
		}
	}
	return traits, cells
}

// TestNothingToForetell is about customers whose answers have nothing to do with who they are: of 300 companies of them, at
// most 2.5 %, and four standard errors, may seem to be foretold, and as many to be ranked. The source is seeded: a run is as
// good as any other.
func TestNothingToForetell(t *testing.T) {
	const companies, most = 300, 0.025
	random := rand.New(rand.NewPCG(300, 1980))
	usable, ranked := 0, 0
	for range companies {
		traits, cells := surveyed(random, 1200, 0)
		_, e := Learn(traits, slices.Values(cells))
		if e.Reason == "" {
			usable++
		}
		if e.Ranks {
			ranked++
		}
	}
	t.Logf("%d are usable, %d ranked", usable, ranked)
	if bound := companies*most + 4*math.Sqrt(companies*most*(1-most)); float64(max(usable, ranked)) > bound {
		t.Errorf("%d of %d are usable and %d ranked, want at most %.1f", usable, companies, ranked, bound)
	}
}

// TestDriftRanksNobody is about answers that became worse for all at once, when all got a new router. That tells when somebody
// answered, so that later months are foretold better than by the shares so far; and of two people it says nothing.
func TestDriftRanksNobody(t *testing.T) {
	const companies, responses, most = 200, 1200, 0.025
	random := rand.New(rand.NewPCG(200, 1947))
	usable, ranked := 0, 0
	for range companies {
		traits, cells := surveyed(random, responses, 0)
		traits = append(traits, Trait{Key: "router", Values: []string{"old", "new"}})
		router := &traits[len(traits)-1]
		for i := range cells {
			worse := cells[i].Month >= 3
			value := uint16(0)
			if worse {
				value = 1
			}
			router.Of = append(router.Of, value)
			if worse && cells[i].Counts.Promoters > 0 && random.Float64() < 0.6 {
				cells[i].Counts.Promoters, cells[i].Counts.Detractors = 0, 1
			}
		}
		_, e := Learn(traits, slices.Values(cells))
		if e.Reason == "" {
			usable++
			if e.Ranks {
				ranked++
			}
		}
	}
	t.Logf("of %d, %d are usable, and %d ranked", companies, usable, ranked)
	if usable < companies*9/10 {
		t.Errorf("%d of %d are usable, want nearly all", usable, companies)
	}
	if bound := companies*most + 4*math.Sqrt(companies*most*(1-most)); float64(ranked) > bound {
		t.Errorf("%d of %d rank people, want at most %.1f", ranked, companies, bound)
	}
}

// TestSomethingToForetell is about customers whose answers do, in part: 6,000 of them are enough for each company, and what
// is foretold of the risky is what comes, give or take four standard errors.
func TestSomethingToForetell(t *testing.T) {
	const companies, responses = 20, 6000
	random := rand.New(rand.NewPCG(6000, 1980))
	auc, lift, n, predicted, observed := 0.0, 0.0, 0.0, 0.0, 0.0
	for range companies {
		traits, cells := surveyed(random, responses, 1)
		model, e := Learn(traits, slices.Values(cells))
		if model == nil || !e.Ranks {
			t.Fatalf("%+v", e)
		}
		auc += *e.AUC / companies
		lift += *e.Lift / companies
		for _, bin := range e.Calibration[len(e.Calibration)/2:] {
			n += float64(bin.Responses)
			predicted += bin.Predicted * float64(bin.Responses)
			observed += bin.Observed * float64(bin.Responses)
		}
		// Those of the worst values of all, and of the best.
		if worst, best := model.Predict([]string{"a", "a", "b", "e"}), model.Predict([]string{"d", "c", "a", "a"}); worst.Detractor < 3*best.Detractor {
			t.Errorf("%+v, %+v", worst, best)
		}
	}
	t.Logf("auc %.3f, lift %.2f, risky %.4f, seen %.4f of %v", auc, lift, predicted/n, observed/n, n)
	if auc < 0.64 || auc > 0.7 || lift < 1.6 || lift > 2.2 {
		t.Errorf("auc %v, lift %v", auc, lift)
	}
	if share := observed / n; math.Abs(predicted/n-share) > 4*math.Sqrt(share*(1-share)/n*(1+responses/4/(responses*3/4.))) {
		t.Errorf("%v foretold, %v seen", predicted/n, share)
	}
}

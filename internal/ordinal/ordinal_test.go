package ordinal

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
	"pgregory.net/rapid"
)

// one is people of one value, with so many responses of each category in each month.
func one(months ...nps.Counts) ([]Trait, []Cell) {
	var cells []Cell
	for month, counts := range months {
		cells = append(cells, Cell{Month: month, Counts: counts})
	}
	return []Trait{{Key: "plan", Values: []string{"Basic"}, Of: []uint16{0}}}, cells
}

func TestReasons(t *testing.T) {
	third := func(n int64) nps.Counts { return nps.Counts{Detractors: n, Passives: n, Promoters: n} }
	for _, c := range []struct {
		name            string
		months          []nps.Counts
		reason          Reason
		learned, judged int64
		last            int
	}{
		{"nothing", nil, NoResponses, 0, 0, 0},
		{"months without responses", make([]nps.Counts, 5), NoResponses, 0, 0, 0},
		{"one month", []nps.Counts{third(1000)}, TooShort, 0, 0, 0},
		{"two months", []nps.Counts{third(1000), third(1000)}, TooShort, 0, 0, 0},
		{"two months and one without", []nps.Counts{third(1000), {}, third(1000)}, TooShort, 0, 0, 0},
		{"few to learn from", []nps.Counts{third(50), {Promoters: 149}, third(67)}, TooFewResponses, 299, 201, 1},
		{"few to be judged on", []nps.Counts{third(150), third(40), {Promoters: 199}}, TooFewResponses, 570, 199, 1},
		{"enough", []nps.Counts{third(50), third(50), {Promoters: 200}}, NoBetterThanChance, 300, 200, 1},
		{"no detractors to learn from", []nps.Counts{{Promoters: 300}, {Passives: 300}, third(100)}, NoVariation, 600, 300, 1},
		{"no passives to learn from", []nps.Counts{{Promoters: 300}, {Detractors: 300}, {Detractors: 1, Passives: 299}}, NoVariation, 600, 300, 1},
		{"all of one mind", []nps.Counts{{Promoters: 900}, {Promoters: 900}, {Promoters: 900}}, NoVariation, 1800, 900, 1},
		{"nearly all in the first month", []nps.Counts{third(5000), third(40), third(40)}, NoBetterThanChance, 15000, 240, 0},
		{"nearly all in the last month", []nps.Counts{third(100), third(40), third(4000)}, NoBetterThanChance, 420, 12000, 1},
		{"a quarter", []nps.Counts{third(200), third(100), third(100)}, NoBetterThanChance, 900, 300, 1},
		{"less than a quarter", []nps.Counts{third(200), third(103), third(100)}, NoBetterThanChance, 600, 609, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			traits, cells := one(c.months...)
			model, e := Learn(traits, slices.Values(cells))
			if model != nil || e.Reason != c.reason || e.Learned != c.learned || e.Judged != c.judged || e.LastLearned != c.last {
				t.Errorf("%v, %+v", model, e)
			}
			if wasJudged := e.Reason == NoBetterThanChance; (e.Calibration != nil) != wasJudged || (e.LogLoss != 0) != wasJudged {
				t.Errorf("%+v", e)
			}
		})
	}
}

// Where there is one group all are foretold the shares, and the gain is 0, however much rounding is in it.
func TestOneGroupForetellsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var months []nps.Counts
		for range rapid.IntRange(3, 6).Draw(t, "months") {
			count := rapid.Int64Range(70, 1e9)
			months = append(months, nps.Counts{Detractors: count.Draw(t, "d"), Passives: count.Draw(t, "a"), Promoters: count.Draw(t, "p")})
		}
		traits, cells := one(months...)
		if _, e := Learn(traits, slices.Values(cells)); e.Reason != NoBetterThanChance && e.Reason != TooFewResponses {
			t.Errorf("%+v", e)
		}
		if _, e := Learn(nil, slices.Values(cells)); e.Reason != NoBetterThanChance && e.Reason != TooFewResponses {
			t.Errorf("without traits: %+v", e)
		}
	})
}

// What nobody was can be judged on leaves those figures out that need it.
func TestJudgedOnOneCategory(t *testing.T) {
	learned := nps.Counts{Detractors: 200, Passives: 200, Promoters: 200}
	for _, c := range []struct {
		judged    nps.Counts
		auc, lift bool
	}{
		{nps.Counts{Promoters: 500}, false, false}, {nps.Counts{Passives: 250, Promoters: 250}, false, false},
		{nps.Counts{Detractors: 500}, false, true}, {nps.Counts{Detractors: 1, Passives: 499}, true, true},
	} {
		traits, cells := one(learned, learned, c.judged)
		_, e := Learn(traits, slices.Values(cells))
		if (e.AUC != nil) != c.auc || (e.Lift != nil) != c.lift {
			t.Errorf("judged on %v: %+v", c.judged, e)
		}
		if c.auc && *e.AUC != 0.5 || c.lift && math.Abs(*e.Lift-1) > 1e-12 {
			t.Errorf("judged on %v: auc %v, lift %v of equals", c.judged, *e.AUC, *e.Lift)
		}
	}
}

// bodies draws people of some traits, who answer by what they are or not, in some months.
func bodies(t *rapid.T) ([]Trait, []Cell) {
	return crowd(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), rapid.IntRange(1, 60).Draw(t, "profiles"),
		rapid.IntRange(1, 3).Draw(t, "traits"), rapid.IntRange(1, 5).Draw(t, "values"), rapid.IntRange(2, 5).Draw(t, "months"),
		rapid.IntRange(1, 60).Draw(t, "responses"))
}

// same fails unless both learned the same, bit by bit.
func same(t *rapid.T, what string, traits []Trait, cells []Cell, model *Model, e Evaluation) {
	t.Helper()
	gotModel, got := Learn(traits, slices.Values(cells))
	if !reflect.DeepEqual(gotModel, model) || !reflect.DeepEqual(got, e) {
		t.Errorf("%s: %+v, %+v, want %+v, %+v", what, gotModel, got, model, e)
	}
}

func TestWhatMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		traits, cells := bodies(t)
		model, e := Learn(traits, slices.Values(cells))
		same(t, "the same again", traits, cells, model, e)

		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		shuffled := slices.Clone(cells)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		same(t, "cells in another order", traits, shuffled, model, e)

		// Each profile under two other numbers, which share its cells, beside one that nobody is.
		n := len(traits[0].Of)
		numbers := random.Perm(2*n + 1)
		twice := make([]Trait, len(traits))
		for i, trait := range traits {
			of := make([]uint16, 2*n+1)
			for profile, code := range trait.Of {
				of[numbers[profile]], of[numbers[n+profile]] = code, code
			}
			twice[i] = Trait{trait.Key, trait.Values, of}
		}
		var apart []Cell
		for _, c := range cells {
			some := nps.Counts{Detractors: c.Counts.Detractors / 2, Promoters: c.Counts.Promoters}
			rest := nps.Counts{Detractors: c.Counts.Detractors - some.Detractors, Passives: c.Counts.Passives}
			apart = append(apart, Cell{numbers[c.Profile], c.Month, some}, Cell{numbers[n+c.Profile], c.Month, rest},
				Cell{numbers[2*n], c.Month, nps.Counts{}})
		}
		apart = append(apart, Cell{numbers[2*n], -100, nps.Counts{}}, Cell{numbers[0], 100, nps.Counts{}})
		same(t, "profiles taken apart", twice, apart, model, e)

		// Values that nobody has, in front of the others.
		more := slices.Clone(twice)
		for i, trait := range more {
			more[i].Values = append([]string{"nobody's"}, trait.Values...)
			more[i].Of = slices.Clone(trait.Of)
			for profile := range more[i].Of {
				more[i].Of[profile]++
			}
		}
		same(t, "values that nobody has", more, apart, model, e)
	})
}

// Traits in another order are added up in another order.
func TestOrderOfTraits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		traits, cells := bodies(t)
		model, e := Learn(traits, slices.Values(cells))
		backward := slices.Clone(traits)
		slices.Reverse(backward)
		other, got := Learn(backward, slices.Values(cells))
		if (model == nil) != (other == nil) || got.Reason != e.Reason {
			t.Fatalf("%+v, want %+v", got, e)
		}
		near6(t, "gain", got.Gain, e.Gain)
		if e.AUC != nil {
			near6(t, "auc", *got.AUC, *e.AUC)
			near6(t, "lift", *got.Lift, *e.Lift)
		}
		if model == nil {
			return
		}
		for profile := range traits[0].Of {
			var values []string
			for _, trait := range traits {
				values = append(values, trait.Values[trait.Of[profile]])
			}
			want := model.Predict(values)
			slices.Reverse(values)
			near6(t, "risk", other.Predict(values).Detractor, want.Detractor)
		}
	})
}

// TestRanks holds what depends on the order of risks against pairs of people, one by one.
func TestRanks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var groups []group
		var all nps.Counts
		type someone struct {
			risk      float64
			detractor bool
		}
		var people []someone
		for i := range rapid.IntRange(1, 12).Draw(t, "groups") {
			count := rapid.Int64Range(0, 6)
			g := group{float64(i), 0.5, nps.Counts{Detractors: count.Draw(t, "d"), Passives: count.Draw(t, "a"), Promoters: 1}}
			for range g.counts.Detractors {
				people = append(people, someone{g.risk, true})
			}
			for range g.counts.N() - g.counts.Detractors {
				people = append(people, someone{g.risk, false})
			}
			all = all.Add(g.counts)
			groups = append(groups, g)
		}
		var e Evaluation
		e.rank(groups, all)
		won, pairs, expected := 0.0, 0.0, 0.0
		for _, one := range people {
			if !one.detractor {
				continue
			}
			above, equal := 0, 0
			for _, other := range people {
				switch {
				case other.risk > one.risk:
					above++
				case other.risk == one.risk:
					equal++
				}
				if !other.detractor {
					pairs++
					switch {
					case one.risk > other.risk:
						won++
					case one.risk == other.risk:
						won += 0.5
					}
				}
			}
			// The chance to be in the riskiest tenth, if equals are drawn.
			expected += min(max(float64(len(people))/10-float64(above), 0)/float64(equal), 1)
		}
		if all.Detractors == 0 {
			if e.AUC != nil || e.Lift != nil {
				t.Errorf("%+v", e)
			}
			return
		}
		near6(t, "auc", *e.AUC, won/pairs)
		near6(t, "lift", *e.Lift, expected/(float64(all.Detractors)/10))

		var bins nps.Counts
		for i, bin := range e.Calibration {
			if 10*bin.Responses < all.N() && i < len(e.Calibration)-1 {
				t.Errorf("bin %d of %v is small", i, e.Calibration)
			}
			bins.Passives += bin.Responses
			bins.Detractors += int64(math.Round(bin.Observed * float64(bin.Responses)))
		}
		if bins.Passives != all.N() || bins.Detractors != all.Detractors || len(e.Calibration) > 10 {
			t.Errorf("bins %+v of %v", e.Calibration, all)
		}
	})
}

// TestByChance holds the variance against all ways in which detractors may be spread over people of these risks.
func TestByChance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var groups []group
		var risks []int
		for i := range rapid.IntRange(1, 5).Draw(t, "groups") {
			n := rapid.IntRange(1, 3).Draw(t, "people")
			groups = append(groups, group{risk: float64(i), counts: nps.Counts{Passives: int64(n)}})
			for range n {
				risks = append(risks, i)
			}
		}
		if len(risks) < 2 {
			return
		}
		detractors := rapid.IntRange(1, len(risks)-1).Draw(t, "detractors")
		ways, mean, squares := 0.0, 0.0, 0.0
		for way := range 1 << len(risks) {
			if bits.OnesCount(uint(way)) != detractors {
				continue
			}
			won := 0.0
			for i, one := range risks {
				for j, other := range risks {
					if way>>i&1 == 1 && way>>j&1 == 0 {
						won += float64(cmp.Compare(one, other)+1) / 2
					}
				}
			}
			auc := won / float64(detractors*(len(risks)-detractors))
			ways, mean, squares = ways+1, mean+auc, squares+auc*auc
		}
		near6(t, "auc by chance", mean/ways, 0.5)
		near6(t, "variance", byChance(groups, float64(detractors), float64(len(risks)-detractors)), squares/ways-0.25)
	})
}

// A tenth is enough for a bin, and the last one has what is left.
func TestBins(t *testing.T) {
	for _, c := range []struct {
		sizes []int64
		want  []int64
	}{
		{[]int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, []int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
		{[]int64{5, 4, 1, 1, 80, 3, 6}, []int64{9 + 1, 1 + 80, 3 + 6}},
		{[]int64{9, 91}, []int64{100}},
		{[]int64{91, 9}, []int64{91, 9}},
		{[]int64{7}, []int64{7}},
	} {
		var groups []group
		var all nps.Counts
		for i, n := range c.sizes {
			counts := nps.Counts{Passives: n}
			groups = append(groups, group{float64(i), 0.25 * float64(n), counts})
			all = all.Add(counts)
		}
		var e Evaluation
		e.rank(groups, all)
		var got []int64
		for _, bin := range e.Calibration {
			got = append(got, bin.Responses)
			if bin.Predicted != 0.25 || bin.Observed != 0 {
				t.Errorf("%+v", bin)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("bins of %v have %v, want %v", c.sizes, got, c.want)
		}
	}
}

// Risks that are equal but for rounding are equal.
func TestEqualRisks(t *testing.T) {
	counts := nps.Counts{Detractors: 1, Promoters: 1}
	r := &rows{width: 3, at: []int32{0, 1, 2, 2, 1, 0, 0, 0, 0}, judged: []nps.Counts{counts, counts, counts}}
	groups := byRisk(parameters{0, 1, 0.1, 0.2, 0.3}, r)
	if len(groups) != 2 || groups[0].counts.N() != 4 || groups[1].counts.N() != 2 {
		t.Errorf("%+v", groups)
	}
}

func TestRareValuesCountAsOther(t *testing.T) {
	counts := []nps.Counts{{Promoters: 30}, {Passives: 29}, {Detractors: 15}, {Promoters: 15}, {Promoters: 500}, {}}
	l := layOut([]Trait{
		{Key: "plan", Values: []string{Other, "Basic", "Max", "Plus", "Pro"}, Of: []uint16{1, 2, 3, 3, 0, 4}},
		{Key: "none", Values: nil, Of: nil}, // of nobody
	}[:1], counts)
	if want := []int32{2, 0, 2, 1, 2}; l.columns != 3 || !slices.Equal(l.of[0], want) || l.others[0] != 2 {
		t.Errorf("%+v", l)
	}
}

// TestManyValues has more values than a model has columns: the most frequent have one, whatever their trait.
func TestManyValues(t *testing.T) {
	const values = 200
	traits, counts := make([]Trait, 16), make([]nps.Counts, values)
	for code := range counts {
		counts[code].Promoters = int64(1000 + code)
	}
	for i := range traits {
		for code := range values {
			traits[i].Values = append(traits[i].Values, fmt.Sprintf("%03d", code))
			traits[i].Of = append(traits[i].Of, uint16(code))
		}
		if i == 0 {
			// One that everybody has, and 199 that nobody has.
			clear(traits[i].Of)
		}
	}
	l := layOut(traits, counts)
	if l.columns != MaxColumns {
		t.Errorf("%d columns", l.columns)
	}
	kept := MaxColumns - len(traits) - 1 // that of the first trait is kept first
	for i := range traits[1:] {
		own := 0
		for code, column := range l.of[i+1] {
			if column != l.others[i+1] {
				own++
				if most := values - kept/15 - 1; code < most {
					t.Errorf("trait %d keeps value %d", i+1, code)
				}
			}
		}
		// Of equals the first.
		if want := kept / 15; own != want && (own != want+1 || i >= kept%15) {
			t.Errorf("trait %d keeps %d values", i+1, own)
		}
	}
	if r := l.rows(counts, nil); r.len() > kept/15+2 || sum(r.learned) != sum(counts) {
		t.Errorf("%d rows", r.len())
	}
}

func TestWork(t *testing.T) {
	few, more, most := Work(300, 4, 3, 5), Work(3_000, 4, 3, 5), Work(20_000, slices.Repeat([]int{49}, 16)...)
	if few <= 0 || more <= few || most <= more {
		t.Errorf("%d, %d, %d", few, more, most)
	}
	if beyond := Work(20_000, slices.Repeat([]int{200}, 16)...); beyond != most {
		t.Errorf("values that have no column cost %d more", beyond-most)
	}
}

func sumsUp(t tester, p Prediction) {
	t.Helper()
	for _, x := range []float64{p.Detractor, p.Passive, p.Promoter} {
		if !(x >= 0 && x <= 1) {
			t.Errorf("%+v", p)
		}
	}
	if total := p.Detractor + p.Passive + p.Promoter; !(math.Abs(total-1) <= 1e-12) {
		t.Errorf("%+v add up to %v", p, total)
	}
}

func TestModel(t *testing.T) {
	usable := 0
	rapid.Check(t, func(t *rapid.T) {
		traits, cells := bodies(t)
		model, e := Learn(traits, slices.Values(cells))
		for _, x := range []float64{e.LogLoss, e.Baseline, e.Gain, e.GainInterval.Low, e.GainInterval.High, e.Skill} {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Errorf("%+v", e)
			}
		}
		if (model != nil) != (e.Reason == "") {
			t.Errorf("%v, %+v", model, e)
		}
		if model == nil {
			return
		}
		usable++
		text, err := json.Marshal(model)
		if err != nil {
			t.Fatal(err)
		}
		var read Model
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if again, _ := json.Marshal(&read); string(again) != string(text) {
			t.Errorf("%s became %s", text, again)
		}
		for _, trait := range model.Traits {
			for _, beta := range append(slices.Collect(maps.Values(trait.Values)), trait.Other) {
				if printed, _ := strconv.ParseFloat(strconv.FormatFloat(beta, 'f', 10, 64), 64); printed != beta || beta == 0 && math.Signbit(beta) {
					t.Errorf("β is %v", beta)
				}
			}
		}
		var unheard, others []string
		for range traits {
			unheard, others = append(unheard, "never heard of"), append(others, Other)
		}
		if p := model.Predict(unheard); p != model.Predict(others) {
			t.Errorf("what was never heard of is not as others: %+v", p)
		}
		for profile := range traits[0].Of {
			var values []string
			for _, trait := range traits {
				values = append(values, trait.Values[trait.Of[profile]])
			}
			p := model.Predict(values)
			sumsUp(t, p)
			if p != read.Predict(values) {
				t.Errorf("%+v as it was, %+v as it was read", p, read.Predict(values))
			}
		}
	})
	if usable < 10 {
		t.Errorf("%d models", usable)
	}
}

// β that are 0 but for rounding are written as 0.
func TestNoMinusZero(t *testing.T) {
	l := layOut([]Trait{{Key: "plan", Values: []string{"Basic"}, Of: []uint16{0}}}, []nps.Counts{{Promoters: MinValue}})
	text, err := json.Marshal(l.model(parameters{-1, 1, -1e-17, -1e-17}))
	if want := `{"theta":[-1,1],"traits":[{"key":"plan","values":{"Basic":0},"other":0}]}`; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
}

func TestPredictPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a value too few")
		}
	}()
	(&Model{Theta: [2]float64{-1, 1}, Traits: make([]Effects, 2)}).Predict([]string{"one"})
}

func TestBrokenModels(t *testing.T) {
	for _, text := range []string{
		`null`, `{}`, `[]`, `"model"`, `{"theta":[1,1],"traits":[]}`, `{"theta":[1,0],"traits":[]}`, `{"theta":[-1e7,0]}`, `{"theta":[0,1e300]}`,
		`{"theta":[0,1],"traits":[{"key":"a","values":{"b":1e300}}]}`, `{"theta":[0,1],"traits":[{"key":"a","other":-1e300}]}`,
		`{"theta":[0,1],"traits":{}}`, `{"theta":[0,1e999]}`,
	} {
		m := Model{Theta: [2]float64{-7, 7}}
		if err := json.Unmarshal([]byte(text), &m); err == nil {
			t.Errorf("%s gives %+v", text, m)
		}
		if m.Theta != [2]float64{-7, 7} || m.Traits != nil {
			t.Errorf("%s leaves %+v", text, m)
		}
	}
}

func FuzzModel(f *testing.F) {
	f.Add([]byte(`{"theta":[-1.2,0.1],"traits":[{"key":"plan","values":{"Basic":-0.5,"Max":0.5},"other":0}]}`))
	f.Add([]byte(`{"theta":[-1000000,1e6],"traits":[{"values":{"":1e6},"other":-1e6},{"key":"plan"}]}`))
	f.Add([]byte(`{"theta":[0,5e-324]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var m Model
		if json.Unmarshal(text, &m) != nil {
			return
		}
		values := make([]string, len(m.Traits))
		sumsUp(t, m.Predict(values))
		for i, trait := range m.Traits {
			for value := range trait.Values {
				values[i] = value
			}
		}
		sumsUp(t, m.Predict(values))
	})
}

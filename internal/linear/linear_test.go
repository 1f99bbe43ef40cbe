package linear

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/zeroten/zeroten/internal/nps"
)

// of is profiles of one trait, whose codes count up from 0.
func of(counts ...nps.Counts) []Profile {
	var profiles []Profile
	for code, c := range counts {
		profiles = append(profiles, Profile{[]int{code}, c})
	}
	return profiles
}

func TestReasons(t *testing.T) {
	some := nps.Counts{Detractors: 10, Passives: 20, Promoters: 30}
	one := nps.Counts{Promoters: 80}
	for _, test := range []struct {
		name              string
		profiles          []Profile
		drivers, hotspots Reason
	}{
		{"nothing", nil, NoResponses, NoResponses},
		{"nobody", of(nps.Counts{}, nps.Counts{}), NoResponses, NoResponses},
		{"59", of(nps.Counts{Detractors: 29}, nps.Counts{Passives: 30}), TooFewResponses, TooFewResponses},
		{"99", of(nps.Counts{Detractors: 49}, nps.Counts{Passives: 50}), TooFewResponses, ""},
		{"of one mind", of(one, one), NoVariation, NoVariation},
		{"one value", of(plus(some, some)), OneGroup, OneGroup},
		{"no trait", []Profile{{nil, plus(some, some)}}, OneGroup, OneGroup},
		{"many small ones", of(slices.Repeat([]nps.Counts{{Detractors: 5, Promoters: 5}}, 50)...), OneGroup, OneGroup},
		{"one value and others", append(of(some), Profile{[]int{Other}, some}), "", ""},
		{"one value and a few", append(of(plus(some, some)), Profile{[]int{Other}, nps.Counts{Passives: 29}}), "", OneGroup},
		{"two", of(some, some), "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := Drivers(test.profiles, 30)
			if a.Reason != test.drivers {
				t.Errorf("drivers: %q, want %q", a.Reason, test.drivers)
			}
			if looked := a.Reason == "" || a.Reason == OneGroup; !looked && len(a.Traits) > 0 {
				t.Errorf("drivers: %s beside traits", a.Reason)
			} else if looked && len(test.profiles[0].Values) != len(a.Traits) {
				t.Errorf("drivers: %d traits", len(a.Traits))
			}
			for _, d := range a.Traits {
				if a.Reason == OneGroup && !reflect.DeepEqual(d, Driver{Alone: Part{Reason: OneGroup}, Own: Part{Reason: OneGroup}, Reason: OneGroup}) {
					t.Errorf("drivers: %+v of one group", d)
				}
			}
			f := Hotspots(test.profiles, Search{Pairs: true, Responses: 30})
			if f.Reason != test.hotspots || f.Reason != "" && (f.Tested > 0 || len(f.Groups) > 0) {
				t.Errorf("hotspots: %+v, want %q", f, test.hotspots)
			}
		})
	}
}

func TestWrongProfiles(t *testing.T) {
	some := nps.Counts{Detractors: 100, Passives: 100, Promoters: 100}
	for name, profiles := range map[string][]Profile{
		"below Other":    {{[]int{Other - 1}, some}},
		"another length": {{[]int{1}, some}, {[]int{1, 2}, some}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("they were counted")
				}
			}()
			Drivers(profiles, 1)
		})
	}
}

// Where all who share values agree, nothing is left to judge by: an F-test is sure, and an interval has no width. P is one in
// the ways to deal out the answers then, and there is no interval.
func TestNothingLeft(t *testing.T) {
	a := Drivers(of(nps.Counts{Detractors: 60}, nps.Counts{Promoters: 60}), 30)
	d := a.Traits[0]
	if math.Abs(d.Alone.Explained-1) > 1e-12 || math.Abs(d.Own.Explained-1) > 1e-12 || !d.Alone.Significant() || !d.Own.Significant() {
		t.Errorf("%+v of what explains all", d)
	}
	lost, _ := math.Lgamma(121)
	side, _ := math.Lgamma(61)
	agreeSmall(t, "p of 60 against 60", d.Own.P, math.Exp(2*side-lost), 1e-9)
	for i, want := range []float64{-1, 1} {
		if e := d.Values[i].Effect; math.Abs(e.Effect-want) > 1e-12 || e.StandardError != 0 || e.Interval != nil {
			t.Errorf("effect %+v, want %v and no interval", e, want)
		}
	}
	a = Drivers(of(nps.Counts{Promoters: 99}, nps.Counts{Detractors: 1}), 1)
	agree(t, "p of one in a hundred", a.Traits[0].Alone.P, 0.01, 1e-9)
	agree(t, "own p of one in a hundred", a.Traits[0].Own.P, 0.01, 1e-9)

	// Where one trait explains all, another adds nothing, be it ever so easy.
	a = Drivers([]Profile{
		{[]int{0, 0}, nps.Counts{Detractors: 30}}, {[]int{0, 1}, nps.Counts{Detractors: 40}},
		{[]int{1, 0}, nps.Counts{Promoters: 50}}, {[]int{1, 1}, nps.Counts{Promoters: 30}},
	}, 30)
	if d := a.Traits[1]; d.Trait != 1 || d.Own.Explained != 0 || d.Own.P != 1 || d.Own.Reason != "" {
		t.Errorf("%+v beside what explains all", d)
	}

	l := Curve([]nps.Counts{{Detractors: 20}, {Passives: 20}, {Promoters: 20}})
	if l.Slope != 1 || l.Interval != nil || !l.Significant() || l.P <= 0 || l.P > 1e-20 {
		t.Errorf("line %+v through all", l)
	}
	l = Curve([]nps.Counts{{Promoters: 39}, {Detractors: 1}})
	agree(t, "p of one in forty", l.P, 1./40, 1e-9)
}

// A response that alone decides a number is met, whatever it is; it counts with the variance of all.
func TestLeverage(t *testing.T) {
	groups := []nps.Counts{{Promoters: 1}, {Detractors: 3, Promoters: 3}, {Detractors: 2, Passives: 1, Promoters: 3}, {Detractors: 30, Passives: 40, Promoters: 40}}
	d := Drivers(of(groups...), 1).Traits[0]
	n, within := 0.0, 0.0
	for _, c := range groups {
		n += size(c)
		within += around(c)
	}
	variance := within / (n - 4)
	for _, v := range d.Values {
		classical, hc3 := 0.0, 0.0
		for code, c := range groups {
			w := -size(c) / n
			if code == v.Code {
				w++
			}
			classical += w * w * variance / size(c)
			if size(c) == 1 {
				hc3 += w * w * variance
				continue
			}
			loo := size(c) / (size(c) - 1)
			hc3 += w * w * around(c) * loo * loo / size(c) / size(c)
		}
		agree(t, "standard error", v.Effect.StandardError, math.Sqrt(max(classical, hc3)), 1e-9)
		if v.Code == 0 && hc3 <= classical {
			t.Error("HC3 is not looked at")
		}
	}

	few := nps.Counts{Detractors: 10, Passives: 10, Promoters: 20}
	l := Curve([]nps.Counts{{Promoters: 1}, few})
	variance = around(few) / 39
	agree(t, "standard error of a line", l.StandardError, math.Sqrt(variance+around(few)/39/39), 1e-9)
}

// Where the values are as many as the responses, traits alone still have something to say.
func TestSaturated(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var profiles []Profile
	for i := range 100 {
		// Each value meets two of the other trait, as in a chain: a link more for each response.
		p := Profile{Values: []int{i / 2, (i + 1) / 2, 0}}
		p.Counts = answers(random, 1, 0)
		profiles = append(profiles, p)
	}
	a := Drivers(profiles, 1)
	if a.Reason != TooFewResponses || a.Explained != 0 || len(a.Traits) != 3 {
		t.Fatalf("%+v", a)
	}
	for _, d := range a.Traits[:2] {
		if d.Reason != "" || d.Alone.Reason != "" || d.Alone.P == 0 {
			t.Errorf("%+v alone", d)
		}
		if d.Own != (Part{Reason: TooFewResponses}) {
			t.Errorf("%+v own", d)
		}
		for _, v := range d.Values {
			if v.Effect != nil {
				t.Errorf("an effect of %+v", v)
			}
		}
	}
	if d := a.Traits[2]; d.Trait != 2 || d.Reason != OneGroup {
		t.Errorf("%+v of one value", d)
	}
}

// Counts of very different size meet, and the model still finds what adds up.
func TestUnequalCounts(t *testing.T) {
	for _, n := range []int64{1, 1e3, 1e6, 1e9, 1e12} {
		a := Drivers([]Profile{
			{[]int{0, 0}, nps.Counts{Passives: n}}, {[]int{0, 1}, nps.Counts{Promoters: 100}},
			{[]int{1, 0}, nps.Counts{Detractors: 1}}, {[]int{1, 1}, nps.Counts{Passives: n}},
		}, 1)
		for _, d := range a.Traits {
			if e := d.Values[1].Effect; e != nil {
				agree(t, "effect", math.Abs(e.Effect-d.Values[0].Effect.Effect), 1, 1e-9)
			}
		}
		if a.Traits[0].Values[0].Effect != nil {
			agree(t, "explained", a.Explained, 1, 1e-9)
		}
	}
}

// A trait of many values has its 50 largest and the rest.
func TestManyValues(t *testing.T) {
	for _, k := range []int{50, 51, 200} {
		var profiles []Profile
		for code := range k {
			profiles = append(profiles, Profile{[]int{code}, nps.Counts{Detractors: int64(40 + code), Promoters: 50}})
		}
		a := Drivers(profiles, 30)
		values := a.Traits[0].Values
		if other := slices.IndexFunc(values, func(v Value) bool { return v.Code == Other }); other >= 0 != (k > 50) {
			t.Errorf("%d values: %v", k, values)
		} else if other >= 0 {
			if n := values[other].Counts.N(); n <= values[1].Counts.N() != (k == 51) {
				t.Errorf("%d values: Other has %d", k, n)
			}
			values = slices.Delete(slices.Clone(values), other, other+1)
		}
		if len(values) != 50 || values[0].Code != k-1 || values[49].Code != k-50 {
			t.Errorf("%d values: %v", k, values)
		}
		n := int64(0)
		for _, v := range a.Traits[0].Values {
			n += v.Counts.N()
		}
		if n != a.Responses {
			t.Errorf("%d values have %d responses of %d", k, n, a.Responses)
		}
		if f := Hotspots(profiles, Search{Pairs: true, Responses: 30}); f.Tested != 50 {
			t.Errorf("%d values: tested %d", k, f.Tested)
		}
	}
}

// Equal values stand in the order of their codes, and Other behind them.
func TestEqualValues(t *testing.T) {
	some := nps.Counts{Detractors: 10, Passives: 20, Promoters: 30}
	profiles := []Profile{{[]int{Other}, some}}
	for code := range 40 {
		profiles = append(profiles, Profile{[]int{(code * 7) % 40}, some})
	}
	for i, v := range Drivers(profiles, 30).Traits[0].Values {
		if want := i; i < 40 && v.Code != want || i == 40 && v.Code != Other {
			t.Errorf("value %d is %d", i, v.Code)
		}
	}
}

// Of two labels for the same people the first is named; the pair that they make is none, and with what is left of the values
// when the group is set aside nothing is to be found.
func TestTwins(t *testing.T) {
	var profiles []Profile
	for a := range 3 {
		for b := range 3 {
			c := nps.Counts{Detractors: 60, Passives: 80, Promoters: 160}
			if a == 0 && b == 0 {
				c = nps.Counts{Detractors: 200, Passives: 50, Promoters: 50}
			}
			profiles = append(profiles, Profile{[]int{a, b, 2 - a}, c})
		}
	}
	f := Hotspots(profiles, Search{Pairs: true, Responses: 30})
	if len(f.Groups) != 1 || f.Tested != 9+9+9+3 || !slices.Equal(f.Groups[0].Traits, []int{0, 1}) || !slices.Equal(f.Groups[0].Values, []int{0, 0}) {
		t.Errorf("%+v", f)
	}

	// Where fewer than ten are left, they are not tested, be they ever so unanimous.
	for left, named := range map[int64]bool{9: false, 12: true} {
		f := Hotspots([]Profile{
			{[]int{0, 0}, nps.Counts{Detractors: 300}}, {[]int{0, 1}, nps.Counts{Detractors: left}},
			{[]int{1, 0}, nps.Counts{Passives: 10, Promoters: 300}}, {[]int{1, 1}, nps.Counts{Passives: 10, Promoters: 300}},
			{[]int{2, 0}, nps.Counts{Passives: 10, Promoters: 300}}, {[]int{2, 1}, nps.Counts{Passives: 150, Promoters: 150}},
		}, Search{Pairs: true, Responses: 30})
		pair := slices.ContainsFunc(f.Groups, func(h Hotspot) bool {
			return slices.Equal(h.Traits, []int{0, 1}) && slices.Equal(h.Values, []int{0, 0})
		})
		value := slices.ContainsFunc(f.Groups, func(h Hotspot) bool { return slices.Equal(h.Traits, []int{0}) && h.Values[0] == 0 })
		if !pair || value != named {
			t.Errorf("%d left: %+v", left, f)
		}
	}
}

// Two labels for the same people explain the same alone, nothing of their own, and take nothing from others.
func TestCopies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		profiles := anyProfiles(100, 300).Draw(t, "profiles")
		copied := make([]Profile, len(profiles))
		for i, p := range profiles {
			// Another name, another place in the order.
			copied[i] = Profile{append([]int{7 - p.Values[0]}, p.Values...), p.Counts}
		}
		one, two := Drivers(profiles, 1), Drivers(copied, 1)
		if one.Reason != two.Reason {
			t.Fatalf("reasons %q and %q", one.Reason, two.Reason)
		}
		if one.Reason != "" {
			return
		}
		alike(t, "explained", two.Explained, one.Explained)
		for _, d := range two.Traits {
			was := one.Traits[slices.IndexFunc(one.Traits, func(o Driver) bool { return o.Trait == max(0, d.Trait-1) })]
			alike(t, "alone", d.Alone.Explained, was.Alone.Explained)
			if d.Reason != was.Reason {
				t.Fatalf("reasons %q and %q", d.Reason, was.Reason)
			}
			if d.Reason == "" && d.Trait < 2 && d.Own != (Part{Reason: Confounded}) {
				t.Fatalf("own part of a copy: %+v", d.Own)
			}
			if d.Reason == "" && d.Trait >= 2 {
				alike(t, "own", d.Own.Explained, was.Own.Explained)
			}
		}
	})
}

// Neither the order of profiles nor how they are cut changes a bit.
func TestOrderOfProfiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		profiles := anyProfiles(100, 300).Draw(t, "profiles")
		var cut []Profile
		for _, p := range profiles {
			first := rapid.Int64Range(0, p.Counts.Promoters).Draw(t, "first")
			rest := p.Counts
			rest.Promoters -= first
			cut = append(cut, Profile{p.Values, rest}, Profile{p.Values, nps.Counts{Promoters: first}})
		}
		cut = rapid.Permutation(cut).Draw(t, "order")
		if a, b := Drivers(profiles, 10), Drivers(cut, 10); !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v and %+v", a, b)
		}
		s := Search{Pairs: true, Responses: 10}
		if a, b := Hotspots(profiles, s), Hotspots(cut, s); !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}

// The order of traits decides ties and nothing else, neither which of those that follow from each other have a part.
func TestOrderOfTraits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		profiles := anyProfiles(100, 300).Draw(t, "profiles")
		var order []int
		for trait := range profiles[0].Values {
			order = append(order, trait)
		}
		order = rapid.Permutation(order).Draw(t, "order")
		turned := make([]Profile, len(profiles))
		for i, p := range profiles {
			turned[i].Counts = p.Counts
			for _, trait := range order {
				turned[i].Values = append(turned[i].Values, p.Values[trait])
			}
		}
		a, b := Drivers(profiles, 10), Drivers(turned, 10)
		if a.Reason != b.Reason || len(a.Traits) != len(b.Traits) {
			t.Fatalf("%+v and %+v", a, b)
		}
		alike(t, "explained", b.Explained, a.Explained)
		for _, d := range b.Traits {
			was := a.Traits[slices.IndexFunc(a.Traits, func(o Driver) bool { return o.Trait == order[d.Trait] })]
			if d.Reason != was.Reason || d.Own.Reason != was.Own.Reason || d.Alone != was.Alone || len(d.Values) != len(was.Values) {
				t.Fatalf("%+v and %+v", d, was)
			}
			alike(t, "own", d.Own.Explained, was.Own.Explained)
			alikeNear1(t, "own p", d.Own.P, was.Own.P)
			for i, v := range d.Values {
				w := was.Values[i]
				if v.Code != w.Code || v.Counts != w.Counts || (v.Effect == nil) != (w.Effect == nil) {
					t.Fatalf("%+v and %+v", v, w)
				}
				if v.Effect != nil {
					alike(t, "effect", v.Effect.Effect, w.Effect.Effect)
					alike(t, "standard error", v.Effect.StandardError, w.Effect.StandardError)
				}
			}
		}
	})
}

// alikeNear1 is alike for P, of which rounding leaves little near 1.
func alikeNear1(t *rapid.T, what string, got, want float64) {
	t.Helper()
	if !(got > 0.999 && want > 0.999) {
		alike(t, what, got, want)
	}
}

// With promoters and detractors changed places everything is the same but for its sign.
func TestMirror(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		profiles := anyProfiles(100, 300).Draw(t, "profiles")
		turned := make([]Profile, len(profiles))
		for i, p := range profiles {
			turned[i] = Profile{p.Values, nps.Counts{Detractors: p.Counts.Promoters, Passives: p.Counts.Passives, Promoters: p.Counts.Detractors}}
		}
		a, b := Drivers(profiles, 10), Drivers(turned, 10)
		alike(t, "explained", a.Explained, b.Explained)
		for i, d := range a.Traits {
			was := b.Traits[i]
			for k, v := range d.Values {
				if e := v.Effect; e != nil && d.Trait == was.Trait {
					alike(t, "effect", e.Effect, -was.Values[k].Effect.Effect)
					alike(t, "standard error", e.StandardError, was.Values[k].Effect.StandardError)
				}
			}
		}
		s := Search{Pairs: true, Responses: 10}
		f, g := Hotspots(profiles, s), Hotspots(turned, s)
		if f.Tested != g.Tested || len(f.Groups) != len(g.Groups) {
			t.Fatalf("%+v and %+v", f, g)
		}
		for i, h := range f.Groups {
			alike(t, "worth", h.Worth, -g.Groups[i].Worth)
			alike(t, "beyond parts", math.Abs(h.BeyondParts), math.Abs(g.Groups[i].BeyondParts))
			alike(t, "p", h.P, g.Groups[i].P)
		}
	})
}

// hard is profiles as the world has them: singles, the unanimous, many and few, what follows from something else.
func hard() *rapid.Generator[[]Profile] {
	count := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 3), rapid.Int64Range(0, 200), rapid.SampledFrom([]int64{1e6, 1e9, 1e12}))
	return rapid.Custom(func(t *rapid.T) []Profile {
		traits := rapid.IntRange(0, 5).Draw(t, "traits")
		values := rapid.SampledFrom([]int{0, 1, 2, 8, 60}).Draw(t, "values")
		var profiles []Profile
		for range rapid.IntRange(0, 60).Draw(t, "profiles") {
			p := Profile{Values: make([]int, traits), Counts: nps.Counts{Promoters: count.Draw(t, "promoters")}}
			if rapid.Bool().Draw(t, "divided") {
				p.Counts.Detractors = count.Draw(t, "detractors")
				p.Counts.Passives = count.Draw(t, "passives")
			}
			for trait := range p.Values {
				p.Values[trait] = rapid.IntRange(Other, values).Draw(t, "value")
			}
			profiles = append(profiles, p)
		}
		return profiles
	})
}

// finite fails the test where there is NaN, or anything infinite, which JSON has no words for.
func finite(t *rapid.T, x any) {
	t.Helper()
	if _, err := json.Marshal(x); err != nil {
		t.Fatalf("%+v: %v", x, err)
	}
}

func within(t *rapid.T, what string, x, low, high float64) {
	t.Helper()
	if !(low <= x && x <= high) {
		t.Fatalf("%s is %v", what, x)
	}
}

func TestAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		profiles := hard().Draw(t, "profiles")
		least := rapid.Int64Range(0, 40).Draw(t, "least")
		a := Drivers(profiles, least)
		finite(t, a)
		within(t, "explained", a.Explained, 0, 1)
		for i, d := range a.Traits {
			if i > 0 {
				before := a.Traits[i-1]
				if slices.Compare([]float64{before.Own.Explained, before.Alone.Explained}, []float64{d.Own.Explained, d.Alone.Explained}) < 0 {
					t.Fatalf("%+v before %+v", before, d)
				}
			}
			for _, p := range []Part{d.Alone, d.Own} {
				within(t, "explained", p.Explained, 0, 1)
				within(t, "spread", p.Spread, 0, 1)
				within(t, "p", p.P, 0, 1)
				within(t, "adjusted p", p.AdjustedP, p.P, 1)
				if p.Reason != "" && p != (Part{Reason: p.Reason}) {
					t.Fatalf("%+v beside a reason", p)
				}
			}
			share, effects := 0.0, 0.0
			for _, v := range d.Values {
				share += v.Share
				if v.Effect != nil {
					effects += v.Share * v.Effect.Effect
					if i := v.Effect.Interval; i != nil {
						within(t, "effect", v.Effect.Effect, i.Low, i.High)
					}
				}
			}
			if len(d.Values) > 0 {
				within(t, "share of all values", share, 1-1e-9, 1+1e-9)
				within(t, "average effect", effects, -1e-6, 1e-6)
			}
		}
		s := Search{Pairs: rapid.Bool().Draw(t, "pairs"), Responses: least, Difference: rapid.Float64Range(0, 2).Draw(t, "difference")}
		f := Hotspots(profiles, s)
		finite(t, f)
		for _, h := range f.Groups {
			within(t, "p", h.P, 0, nps.Significance)
			within(t, "adjusted p", h.AdjustedP, h.P, nps.Significance)
			within(t, "difference", math.Abs(h.Difference), s.Difference-1e-9, 2)
			within(t, "worth", h.Worth, -2, 2)
			all, _ := plus(h.Counts, h.Rest).Score()
			rest, _ := h.Rest.Score()
			within(t, "worth less rest − all", h.Worth-(rest-all), -1e-9, 1e-9)
			if len(h.Traits) != len(h.Values) || slices.Contains(h.Values, Other) {
				t.Fatalf("group %+v", h)
			}
			if len(h.Traits) == 2 {
				within(t, "beyond parts", math.Abs(h.BeyondParts), s.Difference-1e-9, 2)
			}
		}
		var points []nps.Counts
		for _, p := range profiles {
			points = append(points, p.Counts)
		}
		l := Curve(points)
		finite(t, l)
		within(t, "p", l.P, 0, 1)
		if l.Interval != nil {
			within(t, "slope", l.Slope, l.Interval.Low, l.Interval.High)
		}
	})
}

// TestTails holds the tails of distributions against tables that statisticians have printed (Pearson and Hartley 1966,
// Biometrika Tables for Statisticians, tables 12 and 18).
func TestTails(t *testing.T) {
	for df, printed := range map[float64]float64{1: 12.706, 2: 4.303, 5: 2.571, 10: 2.228, 30: 2.042, 120: 1.980, 1e9: 1.960} {
		agree(t, "t", math.Round(studentWithin(df)*1e3)/1e3, printed, 1e-9)
		agree(t, "p of t", studentTails(studentWithin(df), df), 0.05, 1e-7)
	}
	for _, f := range []struct{ a, b, printed, p float64 }{
		{1, 10, 4.96, 0.05}, {4, 20, 2.87, 0.05}, {10, 30, 2.16, 0.05}, {3, 60, 4.13, 0.01}, {5, 120, 3.17, 0.01},
	} {
		if low, high := fisherTail(f.printed+0.005, f.a, f.b), fisherTail(f.printed-0.005, f.a, f.b); f.p < low || f.p > high {
			t.Errorf("p of F %v is %v to %v, want %v", f.printed, low, high, f.p)
		}
	}
	agree(t, "p of no F", fisherTail(0, 3, 100), 1, 0)
	agree(t, "p of all F", fisherTail(math.Inf(1), 3, 100), 0, 0)
}

// What is more costs more: profiles, traits, values, and groups that stand out.
func TestWork(t *testing.T) {
	price := func(moody bool, profiles, responses int, values ...int) (drivers, alone, pairs int64) {
		all := crowd(rand.New(rand.NewPCG(1, 2)), moody, profiles, responses, values...)
		search := func(pairs bool) int64 {
			return reckoned(func(pay Pay) { _, _ = PaidHotspots(all, Search{Pairs: pairs, Responses: 30, Difference: 0.05}, pay) })
		}
		return reckoned(func(pay Pay) { _, _ = PaidDrivers(all, 30, nil, pay) }), search(false), search(true)
	}
	drivers, alone, pairs := price(false, 300, 100, 5, 3, 6, 4)
	if drivers <= 0 || alone <= 0 || pairs <= alone {
		t.Fatalf("drivers cost %d, hotspots %d and of pairs %d", drivers, alone, pairs)
	}
	for name, more := range map[string][3]int64{
		"profiles": prices(price(false, 1_000, 100, 5, 3, 6, 4)),
		"values":   prices(price(false, 300, 100, 5, 3, 40, 4)),
		"traits":   prices(price(false, 300, 100, 5, 3, 6, 4, 4, 4)),
	} {
		if more[0] <= drivers || more[1] <= alone || more[2] <= pairs {
			t.Errorf("more %s: %v, and less of them %d, %d and %d", name, more, drivers, alone, pairs)
		}
	}
	if _, _, many := price(true, 300, 100, 5, 3, 6, 4); many <= pairs {
		t.Errorf("many groups that stand out cost %d, few %d", many, pairs)
	}
	// Values too rare to be looked at are no columns of a model.
	_, _, rare := price(false, 300, 1, 50, 50, 50, 50)
	if _, _, common := price(false, 300, 1_000, 50, 50, 50, 50); rare >= common/4 {
		t.Errorf("rare values cost %d, common ones %d", rare, common)
	}
}

func prices(drivers, alone, pairs int64) [3]int64 { return [3]int64{drivers, alone, pairs} }

// What is not paid for is not done: neither at first, when it would fail, nor later.
func TestRefusedBefore(t *testing.T) {
	refused := errors.New("refused")
	wrong := []Profile{{Values: []int{-7}}, {Values: []int{1, 2}}} // which cannot be looked at
	for name, ask := range map[string]func([]Profile, Pay) error{
		"drivers": func(p []Profile, pay Pay) error { _, err := PaidDrivers(p, 30, nil, pay); return err },
		"hotspots": func(p []Profile, pay Pay) error {
			_, err := PaidHotspots(p, Search{Pairs: true, Responses: 30}, pay)
			return err
		},
	} {
		if err := ask(wrong, func(int64) error { return refused }); !errors.Is(err, refused) {
			t.Errorf("%s: %v", name, err)
		}
		all := crowd(rand.New(rand.NewPCG(1, 2)), true, 300, 100, 5, 3, 6, 4)
		times := 0
		if err := ask(all, func(int64) error { times++; return nil }); err != nil || times < 2 {
			t.Fatalf("%s: asked %d times: %v", name, times, err)
		}
		for last := range times {
			asked := 0
			err := ask(all, func(int64) error {
				if asked++; asked > last {
					return refused
				}
				return nil
			})
			if !errors.Is(err, refused) || asked != last+1 {
				t.Errorf("%s, refused after %d: asked %d times: %v", name, last, asked, err)
			}
		}
	}
}

// What would take a processor longer than an operation may is refused for what was looked at so far, which is little.
func TestDearestIsRefused(t *testing.T) {
	const most = 200_000_000
	refused := errors.New("refused")
	all := crowd(rand.New(rand.NewPCG(1, 2)), true, 3_000, 100, slices.Repeat([]int{50}, 16)...)
	for name, ask := range map[string]func(Pay) error{
		"drivers": func(pay Pay) error { _, err := PaidDrivers(all, 30, nil, pay); return err },
		"hotspots": func(pay Pay) error {
			_, err := PaidHotspots(all, Search{Pairs: true, Responses: 30, Difference: 0.05}, pay)
			return err
		},
	} {
		paid := int64(0)
		err := ask(func(n int64) error {
			if paid+n > most {
				return refused
			}
			paid += n
			return nil
		})
		if !errors.Is(err, refused) || paid > most/2 {
			t.Errorf("%s: %v, after %d", name, err, paid)
		}
	}
}

package linear

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/zeroten/zeroten/internal/nps"
)

// This file does it all again the long way: every response is a row of its own, every value a column, none is left out, and
// what columns have in common is settled by gonum's singular values.

// response is one.
type response struct {
	values []int
	y      float64
}

func responsesOf(profiles []Profile) []response {
	var all []response
	for _, p := range profiles {
		for y, n := range map[float64]int64{-1: p.Counts.Detractors, 0: p.Counts.Passives, 1: p.Counts.Promoters} {
			for range n {
				all = append(all, response{p.Values, y})
			}
		}
	}
	return all
}

// condensed is the responses with values of fewer than least, and those beyond the 50 largest, as Other.
func condensed(all []response, least int) []response {
	if len(all) == 0 {
		return nil
	}
	out := make([]response, len(all))
	for i, r := range all {
		out[i] = response{slices.Clone(r.values), r.y}
	}
	for trait := range all[0].values {
		n := map[int]int{}
		for _, r := range all {
			n[r.values[trait]]++
		}
		delete(n, Other)
		var codes []int
		for code := range n {
			codes = append(codes, code)
		}
		slices.SortFunc(codes, func(a, b int) int { return cmp.Or(n[b]-n[a], a-b) })
		if len(codes) > 50 {
			codes = codes[:50]
		}
		for i, r := range all {
			if code := r.values[trait]; n[code] < least || !slices.Contains(codes, code) {
				out[i].values[trait] = Other
			}
		}
	}
	return out
}

// naive is least squares by singular values.
type naive struct {
	x, pinv   *mat.Dense
	beta      []float64
	residuals []float64
	leverage  []float64
	rank      int
	rss       float64
	column    map[[2]int]int // of a trait and a code
}

// fitNaive has a column for each value of the traits that use says yes to, and extra ones.
func fitNaive(all []response, use func(trait int) bool, extra ...func(response) bool) naive {
	f := naive{column: map[[2]int]int{}}
	for trait := range all[0].values {
		for _, r := range all {
			key := [2]int{trait, r.values[trait]}
			if _, ok := f.column[key]; !ok && use(trait) {
				f.column[key] = len(f.column) + 1
			}
		}
	}
	columns := 1 + len(f.column) + len(extra)
	f.x = mat.NewDense(len(all), columns, nil)
	y := mat.NewDense(len(all), 1, nil)
	for i, r := range all {
		y.Set(i, 0, r.y)
		f.x.Set(i, 0, 1)
		for trait, code := range r.values {
			if c, ok := f.column[[2]int{trait, code}]; ok {
				f.x.Set(i, c, 1)
			}
		}
		for k, in := range extra {
			if in(r) {
				f.x.Set(i, 1+len(f.column)+k, 1)
			}
		}
	}
	var svd mat.SVD
	if !svd.Factorize(f.x, mat.SVDThin) {
		panic("no singular values")
	}
	values := svd.Values(nil)
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	for f.rank < len(values) && values[f.rank] > 1e-6*values[0] {
		f.rank++
	}
	inverse := mat.NewDiagDense(len(values), nil)
	for i := range f.rank {
		inverse.SetDiag(i, 1/values[i])
	}
	var half, beta, fitted mat.Dense
	half.Mul(&v, inverse)
	f.pinv = new(mat.Dense)
	f.pinv.Mul(&half, u.T())
	beta.Mul(f.pinv, y)
	f.beta = mat.Col(nil, 0, &beta)
	fitted.Mul(f.x, &beta)
	for i := range all {
		e := y.At(i, 0) - fitted.At(i, 0)
		f.residuals = append(f.residuals, e)
		f.rss += e * e
		h := 0.0
		for k := range f.rank {
			h += u.At(i, k) * u.At(i, k)
		}
		f.leverage = append(f.leverage, h)
	}
	return f
}

func (f naive) df() float64 { return float64(len(f.residuals) - f.rank) }

// effect is Σ contrast × β, with its standard errors: classical, HC3.
func (f naive) effect(contrast []float64) (effect, classical, hc3 float64) {
	variance := f.rss / f.df()
	for i, e := range f.residuals {
		w := 0.0 // the weight of a response in the effect
		for c, x := range contrast {
			w += x * f.pinv.At(c, i)
		}
		classical += w * w * variance
		hc3 += w * w * e * e / (1 - f.leverage[i]) / (1 - f.leverage[i])
	}
	for c, x := range contrast {
		effect += x * f.beta[c]
	}
	return effect, math.Sqrt(classical), math.Sqrt(hc3)
}

// apart is those codes of a trait, all or all but one, of which the responses tell how far they lie from each other.
func (f naive) apart(trait int, codes []int) []int {
	var row mat.Dense // what the rows of x span
	row.Mul(f.pinv, f.x)
	for _, first := range codes {
		var told []int
		for _, code := range codes {
			contrast := mat.NewDense(1, len(f.beta), nil)
			a, b := f.column[[2]int{trait, first}], f.column[[2]int{trait, code}]
			contrast.Set(0, a, contrast.At(0, a)+1)
			contrast.Set(0, b, contrast.At(0, b)-1)
			var off mat.Dense
			off.Mul(contrast, &row)
			off.Sub(&off, contrast)
			if mat.Norm(&off, 2) < 1e-6 {
				told = append(told, code)
			}
		}
		if len(told) > 1 && len(told) >= len(codes)-1 {
			return told
		}
	}
	return nil
}

func always(int) bool { return true }
func never(int) bool  { return false }

// crowds draws profiles of 1 to 4 traits, some of which follow from others.
func anyProfiles(least, most int) *rapid.Generator[[]Profile] {
	return rapid.Custom(func(t *rapid.T) []Profile {
		traits := rapid.IntRange(1, 4).Draw(t, "traits")
		values := make([]int, traits)
		follows := make([]int, traits)
		shares := make([]int, traits)
		for trait := range traits {
			shares[trait] = rapid.IntRange(-4, trait-1).Draw(t, "shares")
			values[trait] = rapid.IntRange(1, 5).Draw(t, "values")
			follows[trait] = rapid.IntRange(-4, trait-1).Draw(t, "follows")
		}
		var profiles []Profile
		n := rapid.IntRange(least, most).Draw(t, "responses")
		for i := 0; i < n; {
			p := Profile{Values: make([]int, traits)}
			for trait := range traits {
				p.Values[trait] = rapid.IntRange(Other, values[trait]-2).Draw(t, "value")
				if f := follows[trait]; f >= 0 {
					p.Values[trait] = p.Values[f] / 2
				}
				if s := shares[trait]; s >= 0 { // whose one is not known, of them the other is not
					if p.Values[s] == 0 {
						p.Values[trait] = 0
					} else if p.Values[trait] == 0 {
						p.Values[trait] = Other
					}
				}
			}
			mood := p.Values[0] + 1
			for range rapid.IntRange(1, 40).Draw(t, "of them") {
				switch rapid.IntRange(0, 4+mood).Draw(t, "answer") {
				case 0, 1:
					p.Counts.Detractors++
				case 2:
					p.Counts.Passives++
				default:
					p.Counts.Promoters++
				}
				i++
			}
			profiles = append(profiles, p)
		}
		return profiles
	})
}

// fataler is what *testing.T and *rapid.T have in common here.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// alike fails the test unless got is want but for rounding.
func alike(t fataler, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-8*max(1, math.Abs(want))) {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

// alikeTail is alike for the P of an F, of which rounding leaves little near 1.
func alikeTail(t fataler, what string, got, f, a, b, least float64) {
	t.Helper()
	if f < 1e-8 {
		if got < 0.999 {
			t.Fatalf("%s is %v where F is %v", what, got, f)
		}
		return
	}
	alike(t, what, got, max(distuv.F{D1: a, D2: b}.Survival(f), least))
}

// TestDriversAgainstSingularValues holds every figure against that of the long way.
func TestDriversAgainstSingularValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		profiles := anyProfiles(100, 200).Draw(t, "profiles")
		least := rapid.IntRange(1, 40).Draw(t, "least")
		unknown := func(_, code int) bool { return code == 0 }
		a, _ := PaidDrivers(profiles, int64(least), unknown, free)
		all := condensed(responsesOf(profiles), least)
		if a.Responses != int64(len(all)) {
			t.Fatalf("%d responses, want %d", a.Responses, len(all))
		}
		constant, full := fitNaive(all, never), fitNaive(all, always)
		variance := constant.rss / constant.df()
		distinct := func(trait int) []int {
			var codes []int
			for _, r := range all {
				codes = append(codes, r.values[trait])
			}
			slices.Sort(codes)
			return slices.Compact(codes)
		}
		switch {
		case constant.rss < 1e-9:
			if a.Reason != NoVariation {
				t.Fatalf("reason %q of one mind", a.Reason)
			}
			return
		case full.rank == 1:
			if a.Reason != OneGroup {
				t.Fatalf("reason %q of one group", a.Reason)
			}
			return
		case a.Reason != "":
			t.Fatalf("reason %q of %d responses and %d columns", a.Reason, len(all), full.rank)
		case full.rss < 1e-9:
			return // nothing is left to judge by: see TestNothingLeft
		}
		alike(t, "explained", a.Explained, max(0, 1-full.rss/full.df()/variance))
		for _, d := range a.Traits {
			codes := distinct(d.Trait)
			if d.Reason != "" {
				if len(codes) != 1 || d.Reason != OneGroup {
					t.Fatalf("reason %q, values %v", d.Reason, codes)
				}
				continue
			}
			alone := fitNaive(all, func(trait int) bool { return trait == d.Trait })
			k := float64(len(codes))
			f := (constant.rss - alone.rss) / (k - 1) / (alone.rss / alone.df())
			alike(t, "explained alone", d.Alone.Explained, max(0, 1-alone.rss/alone.df()/variance))
			if alone.rss > 1e-9 {
				alikeTail(t, "p alone", d.Alone.P, f, k-1, alone.df(), surest(plusAllOf(profiles)))
			}
			alike(t, "spread alone", d.Alone.Spread, math.Sqrt(d.Alone.Explained*variance))

			others := fitNaive(all, func(trait int) bool { return trait != d.Trait })
			q := full.rank - others.rank
			if (q == 0) != (d.Own.Reason == Confounded) {
				t.Fatalf("own of %d: %d columns, %+v", d.Trait, q, d.Own)
			}
			if q > 0 {
				f := (others.rss - full.rss) / float64(q) / (full.rss / full.df())
				alike(t, "own", d.Own.Explained, max(0, (others.rss/others.df()-full.rss/full.df())/variance))
				alike(t, "own spread", d.Own.Spread, math.Sqrt(d.Own.Explained*variance))
				alikeTail(t, "own p", d.Own.P, f, float64(q), full.df(), surest(plusAllOf(profiles)))
			}
			if len(d.Values) != len(codes) {
				t.Fatalf("%d values, want %v", len(d.Values), codes)
			}
			apart := full.apart(d.Trait, codes)
			if left := len(apart) < len(codes); q == 0 || left && (!slices.Contains(codes, 0) || slices.Contains(apart, 0)) {
				apart = nil
			}
			for i, v := range d.Values {
				if i > 0 && d.Values[i-1].Counts.N() < v.Counts.N() {
					t.Fatal("values out of order")
				}
				if known := slices.Contains(apart, v.Code); known != (v.Effect != nil) {
					t.Fatalf("of trait %d %v are told apart, effect of %d %v", d.Trait, apart, v.Code, v.Effect)
				} else if !known {
					continue
				}
				contrast := make([]float64, len(full.beta))
				n := 0.0
				for _, r := range all {
					if slices.Contains(apart, r.values[d.Trait]) {
						n++
					}
				}
				for _, r := range all {
					if slices.Contains(apart, r.values[d.Trait]) {
						contrast[full.column[[2]int{d.Trait, r.values[d.Trait]}]] -= 1 / n
					}
				}
				contrast[full.column[[2]int{d.Trait, v.Code}]]++
				effect, classical, hc3 := full.effect(contrast)
				alike(t, "effect", v.Effect.Effect, effect)
				if slices.Max(full.leverage) > 1-1e-6 {
					continue // HC3 is 0 ÷ 0 there
				}
				se := max(classical, hc3)
				alike(t, "standard error", v.Effect.StandardError, se)
				reach := distuv.StudentsT{Sigma: 1, Nu: full.df()}.Quantile(0.975) * se
				alike(t, "low", v.Effect.Interval.Low, effect-reach)
				alike(t, "high", v.Effect.Interval.High, effect+reach)
			}
		}
	})
}

// TestCurveAgainstSingularValues is of a line.
func TestCurveAgainstSingularValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) nps.Counts {
			part := rapid.Int64Range(0, 12)
			return nps.Counts{Detractors: part.Draw(t, "d"), Passives: part.Draw(t, "a"), Promoters: part.Draw(t, "p")}
		}), 1, 8).Draw(t, "points")
		l := Curve(points)
		if l.Reason != "" {
			return
		}
		var all []response
		for x, c := range points {
			all = append(all, responsesOf([]Profile{{[]int{x}, c}})...)
		}
		x := mat.NewDense(len(all), 2, nil)
		y := mat.NewDense(len(all), 1, nil)
		for i, r := range all {
			x.SetRow(i, []float64{1, float64(r.values[0])})
			y.Set(i, 0, r.y)
		}
		var qr mat.QR
		qr.Factorize(x)
		var beta, fitted, gram, inverse mat.Dense
		if err := qr.SolveTo(&beta, false, y); err != nil {
			t.Fatal(err)
		}
		fitted.Mul(x, &beta)
		gram.Mul(x.T(), x)
		if err := inverse.Inverse(&gram); err != nil {
			t.Fatal(err)
		}
		rss, hc3, most := 0.0, 0.0, 0.0
		for i := range all {
			e := y.At(i, 0) - fitted.At(i, 0)
			rss += e * e
			row := x.RowView(i)
			h := mat.Inner(row, &inverse, row)
			most = max(most, h)
			w := mat.Inner(mat.NewVecDense(2, []float64{0, 1}), &inverse, row)
			hc3 += w * w * e * e / (1 - h) / (1 - h)
		}
		df := float64(len(all) - 2)
		alike(t, "slope", l.Slope, beta.At(1, 0))
		if rss < 1e-9 || most > 1-1e-6 {
			return
		}
		se := math.Sqrt(max(hc3, rss/df*inverse.At(1, 1)))
		alike(t, "standard error", l.StandardError, se)
		student := distuv.StudentsT{Sigma: 1, Nu: df}
		alike(t, "p", l.P, max(2*student.Survival(math.Abs(beta.At(1, 0)/se)), surest(plusAll(points))))
		alike(t, "high", l.Interval.High, beta.At(1, 0)+student.Quantile(0.975)*se)
		alike(t, "low", l.Interval.Low, beta.At(1, 0)-student.Quantile(0.975)*se)
	})
}

func plusAll(all []nps.Counts) (sum nps.Counts) {
	for _, c := range all {
		sum = plus(sum, c)
	}
	return sum
}

func plusAllOf(profiles []Profile) (sum nps.Counts) {
	for _, p := range profiles {
		sum = plus(sum, p.Counts)
	}
	return sum
}

// hotspotsNaive follows the description of Hotspots to the letter, over single responses.
func hotspotsNaive(t fataler, all []response, s Search) (tested int, groups []Hotspot) {
	type candidate struct {
		traits, values []int
		in             func(response) bool
	}
	member := func(traits, values []int) func(response) bool {
		return func(r response) bool {
			for i, trait := range traits {
				if r.values[trait] != values[i] {
					return false
				}
			}
			return true
		}
	}
	counts := func(in func(response) bool) (inside, outside nps.Counts) {
		for _, r := range all {
			of := &outside
			if in(r) {
				of = &inside
			}
			switch r.y {
			case -1:
				of.Detractors++
			case 0:
				of.Passives++
			default:
				of.Promoters++
			}
		}
		return inside, outside
	}
	var singles, pairs []candidate
	offer := func(to *[]candidate, traits, values []int) {
		c := candidate{traits, values, member(traits, values)}
		inside, outside := counts(c.in)
		if !slices.Contains(values, Other) && min(inside.N(), outside.N()) >= s.Responses {
			*to = append(*to, c)
		}
	}
	codes := make([][]int, len(all[0].values))
	for trait := range codes {
		for _, r := range all {
			codes[trait] = append(codes[trait], r.values[trait])
		}
		slices.Sort(codes[trait])
		codes[trait] = slices.Compact(codes[trait])
	}
	for a := range codes {
		for _, va := range codes[a] {
			offer(&singles, []int{a}, []int{va})
			for b := a + 1; b < len(codes) && s.Pairs; b++ {
				for _, vb := range codes[b] {
					offer(&pairs, []int{a, b}, []int{va, vb})
				}
			}
		}
	}
	tested = len(singles) + len(pairs)
	level := 0.05 / float64(tested)
	name := func(c candidate, p, beyond float64) {
		inside, outside := counts(c.in)
		share := size(inside) / float64(len(all))
		d := score(inside) - score(outside)
		groups = append(groups, Hotspot{
			Traits: c.traits, Values: c.values, Counts: inside, Rest: outside, Share: share, Difference: d,
			P: p, AdjustedP: p * float64(tested), Worth: score(outside) - balance(plus(inside, outside))/float64(len(all)), BeyondParts: beyond,
		})
	}
	var named []func(response) bool
	y := mat.NewDense(len(all), 1, nil)
	for i, r := range all {
		y.Set(i, 0, r.y)
	}
	for {
		f := fitNaive(all, always, named...)
		df := f.df() - 1
		var best candidate
		most, least, beyond := 0.0, 1.0, 0.0
		for _, c := range pairs {
			inside, outside := counts(c.in)
			wald, _ := nps.CompareAdjustedWald(inside, outside)
			squareAndAdd, _ := nps.Compare(inside, outside)
			d := score(inside) - score(outside)
			if wald.P >= level || math.Abs(d) < s.Difference {
				continue
			}
			g := mat.NewDense(len(all), 1, nil)
			for i, r := range all {
				if c.in(r) {
					g.Set(i, 0, 1)
				}
			}
			var gamma, fitted, r mat.Dense
			gamma.Mul(f.pinv, g)
			fitted.Mul(f.x, &gamma)
			r.Sub(g, &fitted)
			den, num := mat.Dot(r.ColView(0), r.ColView(0)), mat.Dot(r.ColView(0), y.ColView(0))
			own := num / den
			if den < 1e-6*size(inside) || math.Abs(own) > 2 || math.Abs(own) < s.Difference || own*d < 0 {
				continue
			}
			statistic := math.Abs(num) / math.Sqrt(den*(f.rss-num*num/den)/df)
			if m := min(statistic, math.Abs(squareAndAdd.Z())); m > most*(1+1e-9) {
				p := max(wald.P, squareAndAdd.P(), 2*distuv.StudentsT{Sigma: 1, Nu: df}.Survival(statistic))
				best, most, least, beyond = c, m, p, own
			}
		}
		if best.in == nil || least >= level || df <= 0 {
			break
		}
		named = append(named, best.in)
		name(best, least, beyond)
		// The column itself, with all others, has the number that was foretold.
		with := fitNaive(all, always, named...)
		alike(t, "own", with.beta[len(with.beta)-1], beyond)
	}
	for _, c := range singles {
		left := func(in bool) nps.Counts {
			inside, _ := counts(func(r response) bool {
				return c.in(r) == in && !slices.ContainsFunc(named, func(in func(response) bool) bool { return in(r) })
			})
			return inside
		}
		a, b := left(true), left(false)
		inside, outside := counts(c.in)
		if min(a.N(), b.N()) < 10 || min(math.Abs(score(inside)-score(outside)), math.Abs(score(a)-score(b))) < s.Difference ||
			(score(a)-score(b))*(score(inside)-score(outside)) < 0 {
			continue
		}
		wald, _ := nps.CompareAdjustedWald(a, b)
		squareAndAdd, _ := nps.Compare(a, b)
		if p := max(wald.P, squareAndAdd.P()); p < level {
			name(c, p, 0)
		}
	}
	return tested, groups
}

// TestHotspotsAgainstSingularValues plants groups and holds what is found against the long way. The source is seeded.
func TestHotspotsAgainstSingularValues(t *testing.T) {
	pairs, values := 0, 0
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 1))
		traits := make([]int, 1+random.IntN(3))
		for trait := range traits {
			traits[trait] = 1 + random.IntN(4)
		}
		planted := []float64{-0.9, 0.9}[random.IntN(2)]
		var profiles []Profile
		most := 60
		if seed%10 == 0 {
			traits, most = []int{4, 4, 2}, 150 // where more groups than two are named
		}
		for range 1 + random.IntN(30) + most/10 {
			p := Profile{Values: make([]int, len(traits))}
			for trait, k := range traits {
				p.Values[trait] = random.IntN(k)
			}
			mood := 0.1 - 0.1*float64(p.Values[0])
			if len(traits) > 1 && p.Values[0] == p.Values[1] && p.Values[0] < most/30 {
				mood = planted
			}
			p.Counts = answers(random, random.IntN(most), mood)
			profiles = append(profiles, p)
		}
		s := Search{
			Pairs:      random.IntN(4) > 0,
			Responses:  10 + random.Int64N(20),
			Difference: []float64{0, 0.05, 0.3}[random.IntN(3)],
		}
		found := Hotspots(profiles, s)
		all := condensed(responsesOf(profiles), int(s.Responses))
		if found.Reason == NoResponses || found.Reason == TooFewResponses {
			if int64(len(all)) >= 2*s.Responses {
				t.Fatalf("%d: %s of %d responses", seed, found.Reason, len(all))
			}
			continue
		}
		if found.Reason == NoVariation {
			if fitNaive(all, never).rss > 1e-9 {
				t.Fatalf("%d: there is variation", seed)
			}
			continue
		}
		tested, groups := hotspotsNaive(t, all, s)
		if found.Tested != tested || (found.Reason == OneGroup) != (tested == 0) || len(found.Groups) != len(groups) {
			t.Fatalf("%d: tested %d, found %+v, want %d, %+v", seed, found.Tested, found.Groups, tested, groups)
		}
		for i, h := range found.Groups {
			if i > 0 && math.Abs(h.Worth) > math.Abs(found.Groups[i-1].Worth) {
				t.Fatal("out of order")
			}
			k := slices.IndexFunc(groups, func(g Hotspot) bool { return slices.Equal(g.Traits, h.Traits) && slices.Equal(g.Values, h.Values) })
			if k < 0 {
				t.Fatalf("%+v is none of %+v", h, groups)
			}
			want := groups[k]
			if h.Counts != want.Counts || h.Rest != want.Rest {
				t.Fatalf("counts %v and %v, want %v and %v", h.Counts, h.Rest, want.Counts, want.Rest)
			}
			alike(t, "share", h.Share, want.Share)
			alike(t, "difference", h.Difference, want.Difference)
			alike(t, "worth", h.Worth, want.Worth)
			alike(t, "p", h.P, want.P)
			alike(t, "adjusted p", h.AdjustedP, want.AdjustedP)
			alike(t, "beyond parts", h.BeyondParts, want.BeyondParts)
			if len(h.Traits) == 2 {
				pairs++
			} else {
				values++
			}
		}
	}
	if pairs < 10 || values < 10 {
		t.Errorf("%d groups of two traits and %d of one were named: the test tells too little", pairs, values)
	}
}

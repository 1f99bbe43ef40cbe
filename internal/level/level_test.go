package level

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
	"pgregory.net/rapid"
)

// total is all responses of days.
func total(days []nps.Counts) nps.Counts {
	var all nps.Counts
	for _, c := range days {
		all = plus(all, c)
	}
	return all
}

// divided is the division of days that Find makes; the days must vary.
func divided(days []nps.Counts) *division {
	all := total(days)
	return newDivision(days, newTilt(all), dispersion(days, all))
}

// worth is the sum of gains that cuts make, less what they cost.
func worth(d *division, cuts []int, penalty float64, gain func(start, end int) float64) float64 {
	sum, start := -penalty*float64(len(cuts)), 0
	for _, end := range append(slices.Clone(cuts), len(d.n)-1) {
		sum += gain(start, end)
		start = end
	}
	return sum
}

// fits says whether a level may be as long as from start to before end.
func fits(d *division, start, end int) bool {
	return end-start >= MinDays && d.n[end]-d.n[start] >= MinResponses
}

// plain is optimal partitioning word by word, every gain of it: what cuts must come to.
func plain(d *division, penalty float64, gain func(start, end int) float64) []int {
	last := len(d.n) - 1
	worth := slices.Repeat([]float64{math.Inf(-1)}, last+1)
	worth[0] = penalty
	from := make([]int, last+1)
	for t := 1; t <= last; t++ {
		for s := 0; s < t && fits(d, s, t); s++ {
			if w := worth[s] + gain(s, t) - penalty; w > worth[t] {
				worth[t], from[t] = w, s
			}
		}
	}
	var cuts []int
	for t := from[last]; t > 0; t = from[t] {
		cuts = append(cuts, t)
	}
	slices.Reverse(cuts)
	return cuts
}

// someDays are days on a few levels, many of them empty, or with responses of two categories only.
func someDays(t *rapid.T, least, most int) []nps.Counts {
	n := rapid.IntRange(least, most).Draw(t, "days")
	largest := rapid.SampledFrom([]int64{3, 20, 1000, 1_000_000}).Draw(t, "largest")
	none := rapid.IntRange(0, 5).Draw(t, "category that is missing, of 3")
	random := source(rapid.Uint64().Draw(t, "seed"))
	days := make([]nps.Counts, n)
	shares := [3]float64{}
	for i := range days {
		if i == 0 || random.IntN(25) == 0 {
			for k := range shares {
				shares[k] = random.Float64()
			}
			if none < 3 {
				shares[none] = 0
			}
		}
		if random.IntN(5) == 0 {
			continue
		}
		whole := shares[0] + shares[1] + shares[2]
		days[i] = answers(random, random.Int64N(largest)+1, shares[0]/whole, shares[2]/whole)
	}
	return days
}

// varied are such days as Find has an answer for.
func varied(t *rapid.T, least, most int) []nps.Counts {
	return rapid.Custom(func(t *rapid.T) []nps.Counts { return someDays(t, least, most) }).Filter(func(days []nps.Counts) bool {
		_, reason := Find(days, 0)
		return reason == "" && days[0].N() > 0 && days[len(days)-1].N() > 0
	}).Draw(t, "series")
}

// maximum is the largest value of a concave function between low and high, by golden section.
func maximum(low, high float64, f func(float64) float64) float64 {
	for range 200 {
		left, right := high-(high-low)/math.Phi, low+(high-low)/math.Phi
		if f(left) < f(right) {
			low = left
		} else {
			high = right
		}
	}
	return f((low + high) / 2)
}

// searched is the gain of a stretch by its definition, the tilt found by search.
func searched(days []nps.Counts, start, end int) float64 {
	all, part := total(days), total(days[start:end])
	if part.N() == 0 {
		return 0
	}
	n := float64(all.N())
	d, a, p := float64(all.Detractors)/n, float64(all.Passives)/n, float64(all.Promoters)/n
	m := float64(part.Promoters-part.Detractors) / float64(part.N())
	return 2 * float64(part.N()) / dispersion(days, all) * maximum(-60, 60, func(theta float64) float64 {
		return theta*m - math.Log(d*math.Exp(-theta)+a+p*math.Exp(theta))
	})
}

// TestEveryDivision goes through all divisions of short series, with gains found by search.
func TestEveryDivision(t *testing.T) {
	divisions, cut := 0, 0
	random := source(7)
	for range 60 {
		w := world{days: 14 + random.IntN(22), aDay: 3 + 20*random.Float64()}
		from, day, to := 1.6*random.Float64()-0.8, random.IntN(w.days), 1.6*random.Float64()-0.8
		w.score = steps(from, step{day, to}, step{day + 9, from})
		days := w.draw(random)
		all := total(days)
		if all.N() < 60 || days[0].N() == 0 || days[w.days-1].N() == 0 {
			continue
		}
		d := divided(days)
		price := penalty(max(30/float64(all.N()), 7/float64(len(days))))
		gains := map[[2]int]float64{}
		gain := func(start, end int) float64 {
			key := [2]int{start, end}
			if _, known := gains[key]; !known {
				gains[key] = searched(days, start, end)
			}
			return gains[key]
		}
		var best []int
		most, second := math.Inf(-1), math.Inf(-1)
		var try func(cuts []int, start int)
		try = func(cuts []int, start int) {
			if fits(d, start, w.days) {
				divisions++
				if w := worth(d, cuts, price, gain); w > most {
					most, second, best = w, most, slices.Clone(cuts)
				} else {
					second = max(second, w)
				}
			}
			for end := start + 1; end < w.days; end++ {
				if fits(d, start, end) {
					try(append(cuts, end), end)
				}
			}
		}
		try(nil, 0)
		if most-second < 1e-6 {
			continue // a tie, which rounding may break
		}
		s, reason := Find(days, 0)
		if reason != "" {
			t.Fatal(reason)
		}
		var got []int
		for _, p := range s.Points {
			got = append(got, p.Day)
			cut++
		}
		if !slices.Equal(got, best) {
			t.Errorf("levels begin at %v, want %v, of %v", got, best, days)
		}
	}
	if divisions < 1000 || cut < 20 {
		t.Errorf("%d divisions and %d cuts prove little", divisions, cut)
	}
}

// TestCutsTakeNoShortCut holds the search against the plain one, to the last digit, for penalties of all sizes.
func TestCutsTakeNoShortCut(t *testing.T) {
	cuts := 0
	rapid.Check(t, func(t *rapid.T) {
		d := divided(varied(t, 14, 150))
		price := rapid.Float64Range(0, 30).Draw(t, "penalty")
		got, want := d.cuts(price), plain(d, price, d.gain)
		if !slices.Equal(got, want) && worth(d, got, price, d.gain) != worth(d, want, price, d.gain) {
			t.Errorf("levels begin at %v, want %v", got, want)
		}
		cuts += len(want)
	})
	if cuts == 0 {
		t.Error("no series had a cut to find")
	}
}

func TestPublished(t *testing.T) {
	// Andrews, Tests for parameter instability and structural change with unknown change point, Econometrica 61(4),
	// 1993, table I: one parameter, 15 % trimmed, 5 %.
	near(t, "false alarms of one cut", oneCut(8.85, 0.15), 0.05015362619, 1e-9)
	// Hansen 2000, table 1, 95 %.
	if got := math.Floor(dateReach*100) / 100; got != 7.35 {
		t.Errorf("dates reach %v, want 7.35", dateReach)
	}
	near(t, "reach of dates", dateReach, 7.352276694, 1e-9)
}

func TestPenalty(t *testing.T) {
	// With one place for a cut there is nothing to search for, and the penalty is at least the square of 1.96.
	if got := penalty(0.5); got < 3.84 || got > 6 {
		t.Errorf("penalty of a single place for a cut is %v", got)
	}
	before := math.Inf(1)
	for edge := 1e-12; edge <= 0.5; edge *= 1.1 {
		p := penalty(edge)
		if !(p < before) {
			t.Errorf("penalty %v at edge %v, %v before", p, edge, before)
		}
		near(t, "false alarms", falseAlarm(p, edge), 0.05, 1e-9)
		before = p
	}
}

func TestDispersion(t *testing.T) {
	day := func(d, a, p int64) nps.Counts { return nps.Counts{Detractors: d, Passives: a, Promoters: p} }
	// Scores 0, 1, 0 of 4, 8 and 4, an empty day between: steps of 1, each by ¼ + ⅛; variance of all 16/16 − ½².
	days := []nps.Counts{day(2, 0, 2), day(0, 0, 8), {}, day(2, 0, 2)}
	near(t, "dispersion", dispersion(days, total(days)), 1/0.375/0.75, 1e-12)
	for _, days := range [][]nps.Counts{{day(1, 1, 1)}, {{}, day(1, 2, 3), {}}, {day(1, 1, 1), day(1, 1, 1)}} {
		if got := dispersion(days, total(days)); got != 1 {
			t.Errorf("dispersion of %v is %v, want 1", days, got)
		}
	}
}

// TestDivergence holds the closed form against a search over the tilt, and against a search over all distributions with
// the score, which knows of no tilt.
func TestDivergence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, 1000))
		part := nps.Counts{Detractors: count.Draw(t, "d"), Passives: count.Draw(t, "a"), Promoters: count.Draw(t, "p")}
		all := plus(part, nps.Counts{Detractors: count.Draw(t, "more d"), Passives: count.Draw(t, "more a"), Promoters: count.Draw(t, "more p")})
		if part.N() == 0 || max(all.Detractors, all.Passives, all.Promoters) == all.N() {
			t.Skip("nothing to compare")
		}
		rest := plus(all, nps.Counts{Detractors: -part.Detractors, Passives: -part.Passives, Promoters: -part.Promoters})
		d := newDivision([]nps.Counts{part, rest}, newTilt(all), 1)
		got := d.gain(0, 1) / 2 / float64(part.N())
		tilt := d.tilt
		m := score(part)
		byTilt := maximum(-60, 60, func(theta float64) float64 {
			return theta*m - math.Log(tilt.d*math.Exp(-theta)+tilt.a+tilt.p*math.Exp(theta))
		})
		term := func(x, q float64) float64 {
			switch {
			case x <= 0:
				return 0
			case q == 0:
				return math.Inf(1)
			}
			return x * math.Log(x/q)
		}
		// Of those who are no passives there are at least |m|, and at most all.
		byAll := -maximum(math.Abs(m), 1, func(x float64) float64 {
			return -max(-1e9, min(1e9, term((x-m)/2, tilt.d)+term(1-x, tilt.a)+term((x+m)/2, tilt.p)))
		})
		near(t, "divergence by tilt", got, byTilt, 1e-9)
		if tilt.d > 0 && tilt.a > 0 && tilt.p > 0 {
			near(t, "divergence by all distributions", got, byAll, 1e-9)
		}
		if ceiling := tilt.ceiling(m); ceiling < got {
			t.Errorf("ceiling %v is below the divergence %v", ceiling, got)
		}
	})
}

// TestSmallSteps holds what is left of a gain after cancellation against exact arithmetic: the divergence begins with
// (m − M)² ÷ 2v, whose next term is smaller by the step.
func TestSmallSteps(t *testing.T) {
	all := nps.Counts{Detractors: 200_000_000_000, Passives: 300_000_000_000, Promoters: 500_000_000_000}
	tilt := newTilt(all)
	for _, off := range []int64{-100_000, -1000, -10, 10, 1000, 100_000} {
		n := float64(all.N() / 10)
		balance := float64(30_000_000_000 + off)
		got := tilt.divergence(balance/n, (n+balance)/n, (n-balance)/n)
		step, _ := new(big.Rat).SetFrac64(off, all.N()/10).Float64()
		want := step * step / 2 / 0.61
		if math.Abs(got-want) > 1e-16*math.Abs(step)*10+2*math.Abs(step)*want {
			t.Errorf("divergence of a step of %v is %v, want %v", step, got, want)
		}
	}
}

// check fails the test where s is no division of days.
func check(t failing, days []nps.Counts, s Series, minDifference float64) {
	t.Helper()
	if len(s.Levels) == 0 || len(s.Points) != len(s.Levels)-1 {
		t.Fatalf("%d levels and %d points", len(s.Levels), len(s.Points))
	}
	next := 0
	for days[next].N() == 0 {
		next++
	}
	var all nps.Counts
	for i, l := range s.Levels {
		if l.Start != next || l.End-l.Start+1 < MinDays || l.Counts.N() < MinResponses || l.Counts != total(days[l.Start:l.End+1]) {
			t.Fatalf("level %d of %+v", i, s)
		}
		next = l.End + 1
		all = plus(all, l.Counts)
	}
	if all != total(days) || days[next-1].N() == 0 {
		t.Fatalf("levels end at %d, with %v of %v", next, all, total(days))
	}
	for i, p := range s.Points {
		from, to := s.Levels[i], s.Levels[i+1]
		switch {
		case p.Day != to.Start || p.Earliest > p.Day || p.Latest < p.Day || p.Earliest <= from.Start || p.Latest > to.End:
			t.Fatalf("point %d of %+v", i, s)
		case math.Abs(p.Change.Estimate-score(to.Counts)+score(from.Counts)) > 1e-12 || math.Abs(p.Change.Estimate) < minDifference-1e-9:
			t.Fatalf("point %d of %+v, at least %v", i, s, minDifference)
		}
	}
}

func TestFindDivides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := someDays(t, 0, 120)
		minDifference := rapid.SampledFrom([]float64{0, 0.05, 0.3, 2}).Draw(t, "minDifference")
		s, reason := Find(days, minDifference)
		if reason == "" {
			check(t, days, s, minDifference)
		} else if len(s.Levels)+len(s.Points) > 0 {
			t.Fatalf("%q and %+v", reason, s)
		}
		again, _ := Find(days, minDifference)
		if fmt.Sprint(again) != fmt.Sprint(s) {
			t.Fatalf("%+v at first, then %+v", s, again)
		}
	})
}

func TestEmptyDaysShift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := varied(t, 14, 100)
		before := rapid.IntRange(0, 30).Draw(t, "before")
		after := rapid.IntRange(0, 30).Draw(t, "after")
		want, _ := Find(days, 0.05)
		got, _ := Find(slices.Concat(make([]nps.Counts, before), days, make([]nps.Counts, after)), 0.05)
		for i := range want.Levels {
			want.Levels[i].Start += before
			want.Levels[i].End += before
		}
		for i := range want.Points {
			want.Points[i].Day += before
			want.Points[i].Earliest += before
			want.Points[i].Latest += before
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// TestMirrors: neither time nor praise has a direction. Where divisions are equally good another may be taken, so what
// they are worth is compared.
func TestMirrors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := varied(t, 14, 100)
		price := rapid.Float64Range(0, 20).Draw(t, "penalty")
		backwards := slices.Clone(days)
		slices.Reverse(backwards)
		upsideDown := slices.Clone(days)
		for i, c := range days {
			upsideDown[i].Promoters, upsideDown[i].Detractors = c.Detractors, c.Promoters
		}
		d := divided(days)
		want := worth(d, d.cuts(price), price, d.gain)
		for name, other := range map[string][]nps.Counts{"backwards": backwards, "upside down": upsideDown} {
			d := divided(other)
			near(t, name, worth(d, d.cuts(price), price, d.gain), want, 1e-9)
		}
	})
}

// TestPartsAreBest: what lies between two cuts of the best division is divided the best way, looked at by itself.
func TestPartsAreBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := varied(t, 30, 150)
		price := rapid.Float64Range(0, 10).Draw(t, "penalty")
		d := divided(days)
		edges := slices.Concat([]int{0}, d.cuts(price), []int{len(days)})
		i := rapid.IntRange(0, len(edges)-2).Draw(t, "first")
		j := rapid.IntRange(i+1, len(edges)-1).Draw(t, "last")
		part := newDivision(days[edges[i]:edges[j]], d.tilt, 2/d.scale)
		var cuts []int
		for _, cut := range edges[i+1 : j] {
			cuts = append(cuts, cut-edges[i])
		}
		near(t, "part", worth(part, cuts, price, part.gain), worth(part, part.cuts(price), price, part.gain), 1e-9)
	})
}

// TestTies: where days without responses lie at a change, the earliest is taken, and all of them may be it.
func TestTies(t *testing.T) {
	days := slices.Concat(
		slices.Repeat([]nps.Counts{{Detractors: 1, Passives: 5, Promoters: 9}}, 30),
		make([]nps.Counts, 10),
		slices.Repeat([]nps.Counts{{Detractors: 7, Passives: 5, Promoters: 3}}, 30),
	)
	s, _ := Find(days, 0.05)
	if len(s.Points) != 1 || s.Points[0].Day != 30 || s.Points[0].Earliest > 30 || s.Points[0].Latest < 40 {
		t.Errorf("%+v, want a point from day 30 to day 40", s)
	}
}

func TestMerged(t *testing.T) {
	level := func(start int, detractors, promoters int64) Level {
		return Level{Start: start, End: start + 9, Counts: nps.Counts{Detractors: detractors, Promoters: promoters, Passives: 1000 - detractors - promoters}}
	}
	for _, test := range []struct {
		name          string
		minDifference float64
		levels        []Level
		starts        []int
	}{
		{"none is nearer than nothing", 0, []Level{level(0, 0, 300), level(10, 0, 301)}, []int{0, 10}},
		{"as far as asked for", 0.05, []Level{level(0, 0, 300), level(10, 0, 250)}, []int{0, 10}},
		{"nearer", 0.05, []Level{level(0, 0, 300), level(10, 0, 251)}, []int{0}},
		{"the nearest first", 0.05, []Level{level(0, 0, 300), level(10, 0, 340), level(20, 0, 370)}, []int{0, 10}},
		{"the earlier of equals", 0.05, []Level{level(0, 0, 300), level(10, 0, 340), level(20, 0, 300)}, []int{0}},
		{"step by step", 0.05, []Level{level(0, 0, 300), level(10, 0, 340), level(20, 0, 380), level(30, 0, 420)}, []int{0, 20}},
		{"all", 2, []Level{level(0, 500, 300), level(10, 0, 340), level(20, 300, 500)}, []int{0}},
	} {
		var starts []int
		var all nps.Counts
		for _, l := range merged(slices.Clone(test.levels), test.minDifference) {
			starts = append(starts, l.Start)
			all = plus(all, l.Counts)
		}
		if !slices.Equal(starts, test.starts) || all.N() != int64(1000*len(test.levels)) {
			t.Errorf("%s: levels start at %v with %v, want %v", test.name, starts, all, test.starts)
		}
	}
}

func TestReasons(t *testing.T) {
	day := nps.Counts{Detractors: 1, Passives: 2, Promoters: 3}
	for _, test := range []struct {
		name string
		days []nps.Counts
		want Reason
	}{
		{"no days", nil, NoResponses},
		{"empty days", make([]nps.Counts, 100), NoResponses},
		{"13 days among empty ones", slices.Concat(make([]nps.Counts, 20), slices.Repeat([]nps.Counts{day}, 13), make([]nps.Counts, 20)), TooShort},
		{"14 days", slices.Repeat([]nps.Counts{day}, 14), ""},
		{"59 responses", slices.Concat([]nps.Counts{{Promoters: 30}}, make([]nps.Counts, 20), []nps.Counts{{Detractors: 29}}), TooFewResponses},
		{"60 responses on two days", slices.Concat([]nps.Counts{{Promoters: 30}}, make([]nps.Counts, 20), []nps.Counts{{Detractors: 30}}), ""},
		{"promoters only", slices.Repeat([]nps.Counts{{Promoters: 9}}, 30), NoVariation},
		{"one who is no promoter", slices.Concat(slices.Repeat([]nps.Counts{{Promoters: 9}}, 30), []nps.Counts{{Passives: 1}}), ""},
	} {
		s, reason := Find(test.days, 0.05)
		if reason != test.want {
			t.Errorf("%s: %q, want %q", test.name, reason, test.want)
		}
		if reason == "" {
			check(t, test.days, s, 0.05)
		}
	}
}

// TestWork counts what cuts weighs at most.
func TestWork(t *testing.T) {
	for _, days := range []int{0, 13, 14, 30, 100} {
		want := 0
		for end := MinDays; end <= days && days >= 2*MinDays; end++ {
			want += end - MinDays + 1
		}
		if got := Work(days); got != want {
			t.Errorf("Work(%d) = %d, want %d", days, got, want)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x00\x00\x00\x03\x02\x01"), uint8(1), uint8(0), 0.05)
	f.Add(slices.Repeat([]byte{0, 0, 9}, 20), uint8(40), uint8(1), 0.0)
	f.Add(slices.Concat(slices.Repeat([]byte{0, 0, 90}, 20), slices.Repeat([]byte{90, 0, 0}, 20)), uint8(0), uint8(0), 0.05)
	f.Fuzz(func(t *testing.T, counts []byte, large, repeat uint8, minDifference float64) {
		var days []nps.Counts
		for ; len(counts) >= 3; counts = counts[3:] {
			size := int64(1) << min(large, 38)
			days = append(days, nps.Counts{
				Detractors: int64(counts[0]) * size, Passives: int64(counts[1]), Promoters: int64(counts[2]) * size,
			})
		}
		days = slices.Repeat(days, int(repeat)%20+1)
		if len(days) > 400 {
			days = days[:400]
		}
		s, reason := Find(days, minDifference)
		if reason == "" {
			check(t, days, s, minDifference)
		}
	})
}

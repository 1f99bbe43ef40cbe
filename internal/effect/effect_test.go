package effect

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/nps"
	"pgregory.net/rapid"
)

// someStudy is any study, of days some of which are empty.
func someStudy(t *rapid.T) Study {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	series := func() []nps.Counts {
		days := make([]nps.Counts, 100+random.IntN(300))
		most := 1 + random.Int64N(12)
		begins := random.IntN(60)
		for i := range days {
			if i >= begins && random.IntN(5) > 0 {
				days[i] = nps.Counts{Detractors: random.Int64N(most), Passives: random.Int64N(most), Promoters: random.Int64N(most)}
			}
		}
		return days
	}
	s := Study{Treated: series()}
	if random.IntN(3) > 0 {
		s.Others = series()
	}
	s.Start = random.IntN(len(s.Treated))
	if random.IntN(5) == 0 {
		s.Start = random.IntN(600) - 100
	}
	s.Window = 1 + random.IntN(40)
	s.Settle = random.IntN(3) * random.IntN(20)
	s.Today = len(s.Treated) - 1
	if random.IntN(4) == 0 {
		s.Today = random.IntN(420) - 10
	}
	return s
}

// count is what was answered from a day to before another, day by day.
func count(days []nps.Counts, from, to, today int) nps.Counts {
	var c nps.Counts
	for i, d := range days {
		if from <= i && i < to && i <= today {
			c.Detractors += d.Detractors
			c.Passives += d.Passives
			c.Promoters += d.Promoters
		}
	}
	return c
}

// seen is the figure between windows that begin at from and to, in plain arithmetic; false where somebody is missing, and
// the size of the smallest body.
func seen(s Study, from, to int) (figure float64, least int64, ok bool) {
	least, ok = math.MaxInt64, true
	for sign, days := range map[float64][]nps.Counts{1: s.Treated, -1: s.Others} {
		if days == nil {
			continue
		}
		for side, start := range map[float64]int{-1: from, 1: to} {
			c := count(days, start, start+s.Window, s.Today)
			least = min(least, c.N())
			if c.N() == 0 {
				ok = false
				continue
			}
			figure += sign * side * float64(c.Promoters-c.Detractors) / float64(c.N())
		}
	}
	return figure, least, ok
}

// TestByTheDay goes by the definitions, day by day, without sums.
func TestByTheDay(t *testing.T) {
	found := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := someStudy(t)
		r := Of(s)
		before, after := s.Start-s.Window, s.Start+s.Settle
		answered := func(days []nps.Counts) (first, last int) {
			first, last = math.MaxInt, -1
			for i, c := range days {
				if c.N() > 0 && i <= s.Today {
					first, last = min(first, i), i
				}
			}
			return first, last
		}
		first, last := answered(s.Treated)
		firstOther, lastOther := answered(s.Others)
		first, last = min(first, firstOther), max(last, lastOther)

		for _, side := range []struct {
			days []nps.Counts
			got  Windows
		}{{s.Treated, r.Treated}, {s.Others, r.Others}} {
			if want := (Windows{
				Earlier: count(side.days, before-s.Window, before, s.Today),
				Before:  count(side.days, before, s.Start, s.Today),
				After:   count(side.days, after, after+s.Window, s.Today),
			}); side.got != want {
				t.Fatalf("windows %+v, want %+v", side.got, want)
			}
		}

		sound := r.Treated.Before.N() > 0 && r.Treated.After.N() > 0
		figure, least, ok := seen(s, before, after)
		lead, _, ledOK := seen(s, before-s.Window, before)
		ledOK = ledOK && sound && before-s.Window >= first
		for _, d := range []struct {
			name string
			got  *nps.Difference
			want float64
			ok   bool
		}{
			{"change", r.Change, score(r.Treated.After) - score(r.Treated.Before), sound},
			{"others' change", r.OthersChange, score(r.Others.After) - score(r.Others.Before), sound && r.Others.Before.N() > 0 && r.Others.After.N() > 0},
			{"effect", r.Effect, figure, ok && s.Others != nil},
			{"lead", r.Lead, lead, ledOK},
		} {
			if (d.got != nil) != d.ok || d.ok && math.Abs(d.got.Estimate-d.want) > 1e-12 {
				t.Fatalf("%s: %v, want %v, %v", d.name, d.got, d.want, d.ok)
			}
			if d.got != nil {
				found[d.name]++
				i, p := d.got.Interval(), d.got.P()
				if !(i.Low <= d.got.Estimate && d.got.Estimate <= i.High && i.Low >= -4 && i.High <= 4 && p >= 0 && p <= 1) {
					t.Fatalf("%s: %v within %v, p = %v", d.name, d.got.Estimate, i, p)
				}
			}
		}

		var placebos Placebos
		for p := s.Start - s.Settle - s.Window; ok && p-s.Window >= first; p -= 7 {
			if other, smallest, _ := seen(s, p-s.Window, p+s.Settle); smallest >= 30 {
				placebos.Tried++
				if math.Abs(other) >= math.Abs(figure)-1e-9 {
					placebos.AsLarge++
				}
			}
		}
		if placebos.Tried > placebos.AsLarge {
			found["placebos"]++
		}
		if r.Placebos != placebos {
			t.Fatalf("placebos %+v, want %+v", r.Placebos, placebos)
		}

		for caveat, want := range map[Caveat]bool{
			NoControl:      s.Others == nil,
			FewResponses:   least < 30,
			NotOver:        after+s.Window-1 >= s.Today,
			DriftingBefore: r.Lead != nil && r.Lead.P() < 0.05,
			NoYearBefore:   last-first < TwoYears-1,
			OtherAction:    false,
			MixChanged:     false,
		} {
			if got := slices.Contains(r.Caveats, caveat); got != want {
				t.Fatalf("%s: %v, want %v", caveat, got, want)
			}
		}
	})
	for _, what := range []string{"change", "others' change", "effect", "lead", "placebos"} {
		if found[what] == 0 {
			t.Errorf("of all there were only %v", found)
		}
	}
}

func score(c nps.Counts) float64 {
	s, _ := c.Score()
	return s
}

// TestMirrors: praise and blame, and those treated and the others, exchange with the sign.
func TestMirrors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := someStudy(t)
		if s.Others == nil {
			s.Others = slices.Clone(s.Treated)
		}
		mirrored := func(days []nps.Counts) []nps.Counts {
			days = slices.Clone(days)
			for i, c := range days {
				days[i].Promoters, days[i].Detractors = c.Detractors, c.Promoters
			}
			return days
		}
		upsideDown, exchanged := s, s
		upsideDown.Treated, upsideDown.Others = mirrored(s.Treated), mirrored(s.Others)
		exchanged.Treated, exchanged.Others = s.Others, s.Treated
		want := Of(s)
		if want.Effect == nil {
			return
		}
		for name, s := range map[string]Study{"upside down": upsideDown, "exchanged": exchanged} {
			got := Of(s)
			if math.Abs(got.Effect.Estimate+want.Effect.Estimate) > 1e-12 || got.Placebos != want.Placebos || (got.Lead == nil) != (want.Lead == nil) {
				t.Fatalf("%s: %+v, want %+v", name, got, want)
			}
			a, b := got.Effect.Interval(), want.Effect.Interval()
			if math.Abs(a.Low+b.High) > 1e-9 || math.Abs(a.High+b.Low) > 1e-9 {
				t.Fatalf("%s: interval %v, want %v mirrored", name, a, b)
			}
		}
	})
}

func TestCaveats(t *testing.T) {
	even := func(days int, each int64) []nps.Counts {
		return slices.Repeat([]nps.Counts{{Detractors: each, Passives: each, Promoters: each}}, days)
	}
	falling := slices.Concat(even(672, 2), slices.Repeat([]nps.Counts{{Promoters: 6}}, 28), slices.Repeat([]nps.Counts{{Detractors: 6}}, 60))
	for _, test := range []struct {
		name string
		Study
		want []Caveat
	}{
		{"nothing to say", Study{even(800, 1), even(800, 1), 700, 28, 0, 799}, nil},
		{"for all", Study{even(800, 1), nil, 700, 28, 0, 799}, []Caveat{NoControl}},
		{"nobody else answered", Study{even(800, 1), []nps.Counts{}, 700, 28, 0, 799}, []Caveat{FewResponses}},
		{"29 days of one each after", Study{even(800, 1), even(800, 1), 790, 28, 0, 798}, []Caveat{FewResponses, NotOver}},
		{"30 each are enough", Study{even(800, 1), even(800, 1), 700, 10, 0, 799}, nil},
		{"27 are few", Study{even(800, 1), even(800, 2), 700, 9, 0, 799}, []Caveat{FewResponses}},
		{"over yesterday", Study{even(800, 1), even(800, 1), 700, 28, 7, 735}, nil},
		{"over today", Study{even(800, 1), even(800, 1), 700, 28, 7, 734}, []Caveat{NotOver}},
		{"ahead", Study{even(800, 1), even(800, 1), 900, 28, 0, 799}, []Caveat{FewResponses, NotOver}},
		{"drifting", Study{falling, even(760, 2), 728, 28, 0, 759}, []Caveat{DriftingBefore}},
		{"104 weeks", Study{even(728, 1), even(728, 1), 600, 28, 0, 727}, nil},
		{"a day less", Study{even(727, 1), even(727, 1), 600, 28, 0, 727}, []Caveat{NoYearBefore}},
		{"the others for 104 weeks", Study{slices.Concat(make([]nps.Counts, 400), even(300, 1)), even(728, 1), 600, 28, 0, 727}, nil},
		{"no days", Study{nil, nil, 0, 28, 0, 0}, []Caveat{NoControl, FewResponses, NotOver, NoYearBefore}},
		{"before there were days", Study{even(800, 1), even(800, 1), -100, 28, 0, 799}, []Caveat{FewResponses}},
	} {
		if got := Of(test.Study).Caveats; !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

package demo

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/effect"
	"github.com/zeroten/zeroten/internal/kitagawa"
	"github.com/zeroten/zeroten/internal/level"
	"github.com/zeroten/zeroten/internal/linear"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/ordinal"
	"github.com/zeroten/zeroten/internal/sequential"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/trait"
)

// worlds is in how many other worlds to look; 100 and more take their time.
var worlds = flag.Int("worlds", 4, "in how many worlds beside the demo's to look for what is planted, and for what is not")

// keys are what a body of feedback is looked at by where nobody asks for anything else.
var keys = [...]string{"customer_since", "persona", "plan", "region", "channel", "variant", "campaign"}

func keyOf(key string) int { return slices.Index(keys[:], key) }

// reply is an answer as a cell has it, and what was to be expected.
type reply struct {
	codes [len(keys)]int
	// profile is the place of its codes.
	profile int
	day     calendar.Day
	// score is 1, 0 or −1, and expected its mean over all tempers and all chance: what the mood comes out at.
	score, expected float64
}

// body is all that was answered in a world.
type body struct {
	story
	// values are those of each key, by their codes.
	values   [len(keys)][]string
	profiles [][len(keys)]int
	replies  []reply
}

func gather(w *world) *body {
	b := &body{story: w.story, replies: make([]reply, 0, 61_000)}
	var codes [len(keys)]map[string]int
	for key := range codes {
		codes[key] = map[string]int{}
	}
	profiles := map[[len(keys)]int]int{}
	tenure := tenureRanges()
	for r, from := range w.origins(campaigns) {
		known := from.customer.traitsOn(from.on)
		variant := trait.None
		if r.Variant != nil {
			variant = *r.Variant
		}
		one := reply{day: from.on}
		for key, value := range [len(keys)]string{
			tenure.Value(known, from.on), known["persona"].(string), known["plan"].(string), known["region"].(string),
			string(r.Channel), variant, r.Campaign,
		} {
			code, ok := codes[key][value]
			if !ok {
				code = len(b.values[key])
				codes[key][value] = code
				b.values[key] = append(b.values[key], value)
			}
			one.codes[key] = code
		}
		profile, ok := profiles[one.codes]
		if !ok {
			profile = len(b.profiles)
			profiles[one.codes] = profile
			b.profiles = append(b.profiles, one.codes)
		}
		one.profile = profile
		switch nps.CategoryOf(r.Score) {
		case nps.Promoter:
			one.score = 1
		case nps.Detractor:
			one.score = -1
		}
		one.expected = expected(from.feeling.sum()-from.customer.temper, math.Hypot(noise, temper))
		b.replies = append(b.replies, one)
	}
	return b
}

// expected is the mean score of answers around a mood: from 8.5 on they are promoters', below 6.5 detractors'.
func expected(mood, spread float64) float64 {
	below := func(edge float64) float64 { return 0.5 * math.Erfc((mood-edge)/spread/math.Sqrt2) }
	return 1 - below(8.5) - below(6.5)
}

// tenureRanges is how the demo cuts by the time that people are customers.
func tenureRanges() *trait.Dimension {
	all := traits()
	in := all[slices.IndexFunc(all, func(in settings.DefineTraitInput) bool { return in.Key == "customer_since" })]
	return &trait.Dimension{Key: in.Key, Kind: in.Kind, Edges: in.Edges}
}

// which says which replies are meant.
type which func(*reply) bool

func all(*reply) bool { return true }

// of are those with a value.
func (b *body) of(key, value string) which {
	at := keyOf(key)
	code := slices.Index(b.values[at], value)
	return func(r *reply) bool { return r.codes[at] == code }
}

// within are those of so many days from a day on; before it, where there are fewer than none.
func within(from calendar.Day, days int) which {
	first, next := min(from, from.Add(days)), max(from, from.Add(days))
	return func(r *reply) bool { return r.day >= first && r.day < next }
}

func both(a, b which) which { return func(r *reply) bool { return a(r) && b(r) } }

func not(a which) which { return func(r *reply) bool { return !a(r) } }

func count(c *nps.Counts, score float64) {
	switch score {
	case 1:
		c.Promoters++
	case 0:
		c.Passives++
	case -1:
		c.Detractors++
	}
}

// said is what they answered, and planted the score that was to be expected of them.
func (b *body) said(these which) (said nps.Counts, planted float64) {
	for i := range b.replies {
		if r := &b.replies[i]; these(r) {
			count(&said, r.score)
			planted += r.expected
		}
	}
	return said, planted / float64(said.N())
}

func (b *body) counts() []linear.Profile {
	profiles := make([]linear.Profile, len(b.profiles))
	for i := range profiles {
		profiles[i].Values = slices.Clone(b.profiles[i][:])
	}
	for i := range b.replies {
		count(&profiles[b.replies[i].profile].Counts, b.replies[i].score)
	}
	return profiles
}

// drivers are those that the API shows: of what is no value in itself there may be no effect.
func (b *body) drivers() linear.Analysis {
	unknown := func(key, value int) bool { return value == linear.Other || b.values[key][value] == trait.None }
	found, err := linear.PaidDrivers(b.counts(), 30, unknown, func(int64) error { return nil })
	if err != nil {
		panic(err) // nobody pays
	}
	return found
}

func (b *body) days(these which) []nps.Counts {
	days := make([]nps.Counts, b.last-b.first+1)
	for i := range b.replies {
		if r := &b.replies[i]; these(r) {
			count(&days[r.day-b.first], r.score)
		}
	}
	return days
}

// additive fits a number to each value of each key but one, −1 for none, and to being in each of some groups, by least squares: going
// round, each value takes what its replies have left, until nothing moves any more (Buja, Hastie and Tibshirani, Linear smoothers
// and additive models, Annals of Statistics 17, 1989). It gives these numbers, which are 0 on average for each key, and what each
// reply has left.
func (b *body) additive(of func(*reply) float64, without int, groups ...which) (effects [len(keys)][]float64, left []float64) {
	type cell struct{ n, left float64 }
	cells := make([]cell, len(b.profiles))
	mean := 0.0
	for i := range b.replies {
		r := &b.replies[i]
		cells[r.profile].n++
		cells[r.profile].left += of(r)
		mean += of(r) / float64(len(b.replies))
	}
	codes := make([][]int, len(cells))
	for i := range cells {
		cells[i].left -= mean * cells[i].n
		codes[i] = slices.Clone(b.profiles[i][:])
		for _, in := range groups {
			codes[i] = append(codes[i], map[bool]int{true: 1}[in(&reply{codes: b.profiles[i]})])
		}
	}
	before := make([]float64, len(cells))
	for i, c := range cells {
		before[i] = c.left / c.n
	}
	for key := range effects {
		effects[key] = make([]float64, len(b.values[key]))
	}
	for moved := 1.0; moved > 1e-9; {
		moved = 0
		for key := range len(keys) + len(groups) {
			if key == without {
				continue
			}
			sums := make([]cell, 50)
			for i, c := range cells {
				sum := &sums[codes[i][key]]
				sum.n, sum.left = sum.n+c.n, sum.left+c.left
			}
			for i := range cells {
				sum := sums[codes[i][key]]
				cells[i].left -= cells[i].n * sum.left / sum.n
			}
			for value, sum := range sums {
				if sum.n == 0 {
					break
				}
				if key < len(keys) {
					effects[key][value] += sum.left / sum.n
				}
				moved = max(moved, math.Abs(sum.left/sum.n))
			}
		}
	}
	left = make([]float64, len(b.replies))
	for i := range b.replies {
		r := &b.replies[i]
		fitted := before[r.profile] - cells[r.profile].left/cells[r.profile].n
		left[i] = of(r) - mean - fitted
	}
	return effects, left
}

func expectedOf(r *reply) float64 { return r.expected }

func scoreOf(r *reply) float64 { return r.score }

func squares(left []float64) (sum float64) {
	for _, x := range left {
		sum += x * x
	}
	return sum
}

// atMost is how often something may be found among so many where it is to be found in a share of the cases at most: four standard
// errors more.
func atMost(share float64, n int) int {
	return int(share*float64(n) + 4*math.Sqrt(share*(1-share)*float64(n)))
}

// tally is how good what was found is: intervals that miss what is planted, days that are found more than a week off, series of days
// with a step that is not planted, groups of two traits that are named and not planted.
type tally struct{ worlds, intervals, missed, days, late, series, stepped, pairs, wrong int }

func (i *tally) look(t *testing.T, what string, estimate, standardError, truth float64, interval nps.Interval) {
	t.Helper()
	i.intervals++
	if truth < interval.Low || truth > interval.High {
		i.missed++
		t.Logf("%s: %.1f, from %.1f to %.1f, and planted is %.1f", what, 100*estimate, 100*interval.Low, 100*interval.High, 100*truth)
	}
	if math.Abs(estimate-truth) > 4*standardError {
		t.Errorf("%s is %.1f, planted is %.1f", what, 100*estimate, 100*truth)
	}
}

// What is planted is found in the demo, whenever it ends, and in worlds of other people.
func TestPlantedIsFound(t *testing.T) {
	var seen tally
	look := func(now time.Time, seed uint64) {
		t.Run(fmt.Sprintf("%s of %#x", now.Format(time.DateOnly), seed), func(t *testing.T) {
			seen.worlds++
			b := gather(newWorld(now, seed))
			b.testDrivers(t, &seen)
			b.testVariants(t, &seen)
			b.testHotspots(t, &seen)
			b.testTenure(t, &seen)
			b.testMoves(t, &seen)
			b.testMonths(t, &seen)
			b.testHelpDesk(t, &seen)
			b.testPrediction(t)
		})
	}
	look(nows[0], theSeed)
	if seen.missed+seen.late+seen.stepped+seen.wrong > 0 {
		t.Errorf("in the demo %+v", seen)
	}
	for i := range *worlds / 4 {
		look(nows[i%len(nows)], uint64(i))
	}
	t.Logf("%+v", seen)
	if seen.missed > atMost(0.05, seen.intervals) || seen.late > atMost(0.05, seen.days) ||
		seen.stepped > atMost(0.05, seen.series) || seen.wrong > atMost(0.05, seen.worlds) {
		t.Error("that is too many")
	}
}

func (b *body) testDrivers(t *testing.T, seen *tally) {
	found := b.drivers()
	planted, left := b.additive(expectedOf, -1)
	var own [len(keys)]float64
	for key := range keys {
		_, without := b.additive(expectedOf, key)
		own[key] = math.Sqrt((squares(without) - squares(left)) / float64(len(b.replies)))
	}
	// What a trait explains is known to about ± 1 ÷ √n on the scale of its root, so that those may change places which are planted
	// nearer to each other.
	sure := 0
	for i, first := range found.Traits {
		for _, second := range found.Traits[i+1:] {
			a, b := own[first.Trait], own[second.Trait]
			if apart := 4 * math.Sqrt2 * 0.8 / math.Sqrt(float64(found.Responses)); b-a > apart {
				t.Errorf("%s (%.3f) stands before %s (%.3f)", keys[first.Trait], a, keys[second.Trait], b)
			} else if a-b > apart {
				sure++
			}
		}
	}
	if pairs := len(keys) * (len(keys) - 1) / 2; sure < pairs-2 {
		t.Errorf("only %d of %d pairs of traits are planted further apart than chance brings them", sure, pairs)
	}
	for _, d := range found.Traits {
		if !d.Own.Significant() || !d.Alone.Significant() {
			t.Errorf("%s is said to be chance", keys[d.Trait])
		}
		// Mails alone have a variant, so that channel and variant say the same of them: of the channels nothing is told, and of the
		// variants that of those who have none is left out.
		told := func(value string) bool {
			return keys[d.Trait] != "channel" && (keys[d.Trait] != "variant" || value != trait.None)
		}
		mean, n := 0.0, 0.0
		for _, v := range d.Values {
			if told(b.values[d.Trait][v.Code]) {
				mean += float64(v.Counts.N()) * planted[d.Trait][v.Code]
				n += float64(v.Counts.N())
			}
		}
		for _, v := range d.Values {
			name := b.values[d.Trait][v.Code]
			if (v.Effect == nil) == told(name) {
				t.Errorf("%s: the effect of %s is %v", keys[d.Trait], name, v.Effect)
			} else if v.Effect != nil {
				seen.look(t, keys[d.Trait]+" "+name, v.Effect.Effect, v.Effect.StandardError, planted[d.Trait][v.Code]-mean/n, *v.Effect.Interval)
			}
		}
	}
}

// testVariants looks at the wordings of the question without the channels, beside which that of those who got none is not told.
func (b *body) testVariants(t *testing.T, seen *tally) {
	channel, variant := keyOf("channel"), keyOf("variant")
	planted, _ := b.additive(expectedOf, channel)
	profiles := b.counts()
	for i := range profiles {
		profiles[i].Values[channel] = 0
	}
	for _, d := range linear.Drivers(profiles, 30).Traits {
		if d.Trait != variant {
			continue
		}
		for _, v := range d.Values {
			seen.look(t, "variant "+b.values[variant][v.Code], v.Effect.Effect, v.Effect.StandardError, planted[variant][v.Code], *v.Effect.Interval)
		}
	}
}

// beyond is how far a group lies from what all keys and some other groups say one by one, and the standard error of that: its own
// term beside theirs in least squares (Frisch and Waugh, Partial time regressions as compared with individual trends, Econometrica 1,
// 1933).
func (b *body) beyond(of func(*reply) float64, group which, others ...which) (term, standardError float64) {
	_, outside := b.additive(func(r *reply) float64 {
		if group(r) {
			return 1
		}
		return 0
	}, -1, others...)
	_, left := b.additive(of, -1, others...)
	along, weight := 0.0, 0.0
	for i := range b.replies {
		along += outside[i] * left[i]
		weight += outside[i] * outside[i]
	}
	term = along / weight
	for i := range left {
		left[i] -= term * outside[i]
	}
	return term, math.Sqrt(squares(left) / float64(len(left)) / weight)
}

// Gamers on Basic are found, and beside them nothing but what is there.
func (b *body) testHotspots(t *testing.T, seen *tally) {
	found := linear.Hotspots(b.counts(), linear.Search{Pairs: true, Responses: 30, Difference: 0.05})
	names := make([]string, len(found.Groups))
	groups := make([]which, len(found.Groups))
	for i, h := range found.Groups {
		for j, key := range h.Traits {
			names[i] += " " + b.values[key][h.Values[j]]
		}
		groups[i] = func(r *reply) bool {
			for j, key := range h.Traits {
				if r.codes[key] != h.Values[j] {
					return false
				}
			}
			return true
		}
	}
	if place := slices.Index(names, " gamer Basic"); place < 0 || place >= 10 {
		t.Errorf("gamers on Basic are not among the first ten of %q", names)
	}
	for i, h := range found.Groups {
		_, in := b.said(groups[i])
		_, out := b.said(not(groups[i]))
		if (in-out)*h.Difference <= 0 {
			t.Errorf("%s: a difference of %.1f, planted is %.1f", names[i], 100*h.Difference, 100*(in-out))
		}
		if len(h.Traits) == 1 {
			continue
		}
		// Each is named beside those that were named before, and so beside some of the others.
		var others []which
		for j, o := range found.Groups {
			if j != i && len(o.Traits) == 2 {
				others = append(others, groups[j])
			}
		}
		planted, _ := b.beyond(expectedOf, groups[i], others...)
		seen.pairs++
		if planted*h.BeyondParts <= 0 || math.Abs(planted) < 0.01 {
			seen.wrong++
			t.Logf("%s: %.1f beyond its parts, planted is %.1f", names[i], 100*h.BeyondParts, 100*planted)
		}
	}
	gamers := both(b.of("persona", "gamer"), b.of("plan", "Basic"))
	planted, _ := b.beyond(expectedOf, gamers)
	said, standardError := b.beyond(scoreOf, gamers)
	if math.Abs(said-planted) > 4*standardError || planted > -0.5 {
		t.Errorf("gamers on Basic lie %v beyond their parts, planted is %v", said, planted)
	}
}

// The longer people are customers, the lower their score.
func (b *body) testTenure(t *testing.T, seen *tally) {
	var points []nps.Counts
	var planted []float64
	for _, name := range tenureRanges().Ranges() {
		said, expected := b.said(b.of("customer_since", name))
		points, planted = append(points, said), append(planted, expected)
	}
	n, middle, mean := 0.0, 0.0, 0.0
	for x, c := range points {
		n += float64(c.N())
		middle += float64(c.N()) * float64(x)
		mean += float64(c.N()) * planted[x]
	}
	along, weight := 0.0, 0.0
	for x, c := range points {
		off := float64(x) - middle/n
		along += float64(c.N()) * off * (planted[x] - mean/n)
		weight += float64(c.N()) * off * off
	}
	found := linear.Curve(points)
	if found.Reason != "" || !found.Significant() || found.Slope > -0.1 {
		t.Fatalf("along tenure the slope is %+v", found)
	}
	seen.look(t, "the slope of tenure", found.Slope, found.StandardError, along/weight, *found.Interval)
	if !slices.IsSortedFunc(planted, func(a, b float64) int { return cmp.Compare(b, a) }) {
		t.Errorf("along tenure %v is planted", planted)
	}
}

// The days on which something happened are found.
func (b *body) testMoves(t *testing.T, seen *tally) {
	days := func(these which, on ...calendar.Day) {
		t.Helper()
		found, why := level.Find(b.days(these), 0.05)
		if why != "" {
			t.Fatal(why)
		}
		var moved []calendar.Day
		for _, p := range found.Points {
			moved = append(moved, b.first.Add(p.Day))
		}
		for _, day := range on {
			seen.days++
			if !slices.ContainsFunc(moved, func(m calendar.Day) bool { return max(m-day, day-m) <= 7 }) {
				seen.late++
				t.Logf("%s is on none of the days found: %v", day, moved)
			}
		}
		seen.series++
		stepped := false
		for i, p := range found.Points {
			start := func(l level.Level) calendar.Day { return b.first.Add(l.Start) }
			length := func(l level.Level) int { return l.End - l.Start + 1 }
			before, after := found.Levels[i], found.Levels[i+1]
			said0, planted0 := b.said(both(these, within(start(before), length(before))))
			said1, planted1 := b.said(both(these, within(start(after), length(after))))
			if planted := planted1 - planted0; planted*p.Change.Estimate <= 0 || math.Abs(p.Change.Estimate-planted) > 4*math.Hypot(standardError(said0), standardError(said1)) {
				stepped = true
				t.Logf("on %s the score moved by %.1f, planted is %.1f", b.first.Add(p.Day), 100*p.Change.Estimate, 100*planted)
			}
		}
		if stepped {
			seen.stepped++
		}
	}
	days(all, b.priceRise, b.outage)
	days(b.of("plan", "Basic"), b.priceRise)
	days(b.of("region", "East"), b.priceRise, b.outage, b.repaired)
	days(not(b.of("region", "East")), b.priceRise)
}

func standardError(c nps.Counts) float64 {
	return math.Sqrt(c.AdjustedVariance() / float64(c.N()+3)) // with the pseudo-responses
}

// sides are the replies before and after, by group.
type sides struct {
	kitagawa.Group
	// planted are the sums of what was to be expected.
	plantedBefore, plantedAfter float64
}

// cut cuts the replies before and after by some keys.
func (b *body) cut(before, after which, by ...string) (groups []sides) {
	places := map[[2]int]int{}
	for i := range b.replies {
		r := &b.replies[i]
		was, is := before(r), after(r)
		if !was && !is {
			continue
		}
		var of [2]int
		for i, key := range by {
			of[i] = r.codes[keyOf(key)]
		}
		place, ok := places[of]
		if !ok {
			place = len(groups)
			places[of] = place
			groups = append(groups, sides{})
		}
		if g := &groups[place]; was {
			count(&g.Before, r.score)
			g.plantedBefore += r.expected
		} else {
			count(&g.After, r.score)
			g.plantedAfter += r.expected
		}
	}
	return groups
}

// explained takes the difference between two bodies apart by some keys, once as it was answered and once as it was planted.
func (b *body) explained(before, after which, by ...string) (found kitagawa.Explanation, mix, movement float64) {
	cut := b.cut(before, after, by...)
	groups := make([]kitagawa.Group, len(cut))
	var n0, n1 float64
	for i, g := range cut {
		groups[i] = g.Group
		n0, n1 = n0+float64(g.Before.N()), n1+float64(g.After.N())
	}
	for _, g := range cut {
		// Nobody is on one side alone here, where no score would be planted.
		share0, share1 := float64(g.Before.N())/n0, float64(g.After.N())/n1
		score0, score1 := g.plantedBefore/float64(g.Before.N()), g.plantedAfter/float64(g.After.N())
		mix += (share1 - share0) * (score0 + score1) / 2
		movement += (score1 - score0) * (share0 + share1) / 2
	}
	found, why := kitagawa.Explain(groups)
	if why != "" {
		panic(why)
	}
	return found, mix, movement
}

// Why the score fell: in the month of the outage more calls came from the East, and people were in a worse mood besides; when
// prices rose nobody else answered than before.
func (b *body) testMonths(t *testing.T, seen *tally) {
	month := int(b.repaired - b.outage)
	found, mix, movement := b.explained(within(b.outage, -month), within(b.outage, month), "region", "campaign")
	if !found.Mix.Significant() || !found.Movement.Significant() || found.Mix.Estimate > -0.02 || found.Movement.Estimate > -0.05 {
		t.Errorf("the outage: mix %+v, movement %+v", found.Mix, found.Movement)
	}
	seen.look(t, "the outage's mix", found.Mix.Estimate, found.Mix.StandardError, mix, found.Mix.Interval)
	seen.look(t, "the outage's movement", found.Movement.Estimate, found.Movement.StandardError, movement, found.Movement.Interval)

	found, mix, movement = b.explained(within(b.priceRise, -90), within(b.priceRise, 90), "plan")
	if !found.Movement.Significant() || found.Movement.Estimate > 0.9*found.Difference {
		t.Errorf("the price rise: mix %+v, movement %+v", found.Mix, found.Movement)
	}
	seen.look(t, "the price rise's mix", found.Mix.Estimate, found.Mix.StandardError, mix, found.Mix.Interval)
	seen.look(t, "the price rise's movement", found.Movement.Estimate, found.Movement.StandardError, movement, found.Movement.Interval)
}

// The better help desk raises what people say after a call, beyond what became of everybody else.
func (b *body) testHelpDesk(t *testing.T, seen *tally) {
	const window, settle = 56, 40 // after which it is as good as it gets
	calls := b.of("campaign", campaigns.SupportCall)
	found := effect.Of(b.study(calls, window, settle))
	planted := func(these which) float64 {
		_, before := b.said(both(these, within(b.helpDesk, -window)))
		_, after := b.said(both(these, within(b.helpDesk.Add(settle), window)))
		return after - before
	}
	truth := planted(calls) - planted(not(calls))
	if found.Effect == nil || !found.Effect.Significant() || found.Effect.Estimate < 0.1 || truth < 0.1 {
		t.Fatalf("the help desk: %+v, planted is %.1f", found, 100*truth)
	}
	interval := found.Effect.Interval()
	seen.look(t, "the help desk's effect", found.Effect.Estimate, (interval.High-interval.Low)/2/1.96, truth, interval)
}

// study is of the day of the help desk.
func (b *body) study(treated which, window, settle int) effect.Study {
	return effect.Study{
		Treated: b.days(treated), Others: b.days(not(treated)),
		Start: int(b.helpDesk - b.first), Window: window, Settle: settle, Today: int(b.last - b.first),
	}
}

// learn learns to foretell from what is known of people.
func (b *body) learn() (*ordinal.Model, ordinal.Evaluation) {
	people := keys[:4]
	places := map[[4]int]int{}
	known := make([]ordinal.Trait, len(people))
	for i, key := range people {
		known[i] = ordinal.Trait{Key: key, Values: b.values[i]}
	}
	var cells []ordinal.Cell
	for i := range b.replies {
		r := &b.replies[i]
		of := [4]int(r.codes[:4])
		place, ok := places[of]
		if !ok {
			place = len(places)
			places[of] = place
			for i := range people {
				known[i].Of = append(known[i].Of, uint16(of[i]))
			}
		}
		cell := ordinal.Cell{Profile: place, Month: int(calendar.Monthly.Start(r.day))}
		count(&cell.Counts, r.score)
		cells = append(cells, cell)
	}
	return ordinal.Learn(known, slices.Values(cells))
}

// Who is likely unhappy can be told from what is known of them.
func (b *body) testPrediction(t *testing.T) {
	model, e := b.learn()
	if model == nil || e.AUC == nil || *e.AUC < 0.6 || e.Lift == nil || *e.Lift < 1.5 {
		t.Fatalf("foretelling: %+v", e)
	}
	gamer, senior := model.Predict([]string{"24–60", "gamer", "Basic", "East"}), model.Predict([]string{"<3", "senior", "Max", "North"})
	if gamer.Detractor < 3*senior.Detractor {
		t.Errorf("gamers on Basic: %+v; seniors on Max: %+v", gamer, senior)
	}
}

// told is what the answers tell, as text.
func (b *body) told() (told []string) {
	say := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	profiles := b.counts()
	for _, d := range b.drivers().Traits {
		say("%s has %.6f of its own", keys[d.Trait], 100*d.Own.Spread)
		for _, v := range d.Values {
			if v.Effect != nil {
				said, _ := b.said(b.of(keys[d.Trait], b.values[d.Trait][v.Code]))
				say("%d with an effect of %.6f from %.6f to %.6f", said.N(), 100*v.Effect.Effect, 100*v.Effect.Interval.Low, 100*v.Effect.Interval.High)
			}
		}
	}
	for _, h := range linear.Hotspots(profiles, linear.Search{Pairs: true, Responses: 30, Difference: 0.05}).Groups {
		var by []string
		for _, key := range h.Traits {
			by = append(by, keys[key])
		}
		say("%d by %s are worth %.6f", h.Counts.N(), by, 100*h.Worth)
	}
	moves, _ := level.Find(b.days(all), 0.05)
	for _, p := range moves.Points {
		say("%.6f on %s", 100*p.Change.Estimate, b.first.Add(p.Day))
	}
	say("%.6f along tenure", 100*b.curve().Slope)
	_, e := b.learn()
	say("%.6f are foretold", e.Skill)
	say("%.6f by the help desk", 100*effect.Of(b.study(b.of("campaign", campaigns.SupportCall), 56, 40)).Effect.Estimate)
	return told
}

// curve is that of tenure.
func (b *body) curve() linear.Line {
	var points []nps.Counts
	for _, name := range tenureRanges().Ranges() {
		said, _ := b.said(b.of("customer_since", name))
		points = append(points, said)
	}
	return linear.Curve(points)
}

// Where nothing moves anybody, something is found no more often than is promised. Where the same people answer several times, each in
// their temper, it is somewhat more often, since answers are taken to be independent.
func TestNothingIsFoundWhereNothingIs(t *testing.T) {
	for _, test := range []struct {
		name  string
		moves causes
		share float64
	}{{"nothing", nothing, 0.05}, {"temper", temperAlone, 0.12}} {
		t.Run(test.name, func(t *testing.T) {
			found := map[string]int{}
			for seed := range *worlds {
				w := newWorld(nows[0], uint64(seed))
				w.moves = test.moves
				gather(w).findNothing(t, func(what string, is bool) {
					if is {
						found[what]++
					}
				})
			}
			for _, what := range slices.Sorted(maps.Keys(found)) {
				t.Logf("%s: in %d of %d worlds", what, found[what], *worlds)
				if found[what] > atMost(test.share, *worlds) {
					t.Errorf("%s was found in %d of %d worlds", what, found[what], *worlds)
				}
			}
		})
	}
}

// findNothing notes what was found where there is nothing to be found.
func (b *body) findNothing(t *testing.T, note func(what string, is bool)) {
	profiles := b.counts()
	drivers := linear.Drivers(profiles, 30)
	note("drivers, alone", slices.ContainsFunc(drivers.Traits, func(d linear.Driver) bool { return d.Alone.Significant() }))
	note("drivers, own", slices.ContainsFunc(drivers.Traits, func(d linear.Driver) bool { return d.Own.Significant() }))
	note("hotspots", len(linear.Hotspots(profiles, linear.Search{Pairs: true, Responses: 30}).Groups) > 0)
	for _, these := range []struct {
		name string
		which
	}{{"all", all}, {"the East", b.of("region", "East")}} {
		moves, why := level.Find(b.days(these.which), 0)
		if why != "" {
			t.Fatal(why)
		}
		note("changePoints of "+these.name, len(moves.Points) > 0)
	}
	note("curve", b.curve().Significant())
	year := int(b.last-b.first) / 2
	for _, by := range [][]string{{"plan"}, {"region", "campaign"}, {"persona", "plan"}} {
		var whole nps.Counts
		var groups []nps.Counts
		var changes []*nps.Difference
		for _, g := range b.cut(within(b.first, year), within(b.first.Add(year), year+2), by...) {
			whole, groups = added(whole, added(g.Before, g.After)), append(groups, added(g.Before, g.After))
			change, ok := nps.Compare(g.After, g.Before)
			if !ok {
				t.Fatalf("of %+v nobody answered on one side", g)
			}
			changes = append(changes, &change)
		}
		note(fmt.Sprint("breakdown by ", by), anySignificant(nps.VersusRest(whole, groups)))
		explanation, _, _ := b.explained(within(b.first, year), within(b.first.Add(year), year+2), by...)
		note(fmt.Sprint("explainChange by ", by, ", mix"), explanation.Mix.Significant())
		note(fmt.Sprint("explainChange by ", by, ", movement"), explanation.Movement.Significant())
		note(fmt.Sprint("explainChange by ", by, ", groups"), anySignificant(nps.Beside(changes)))
	}
	found := effect.Of(b.study(b.of("campaign", campaigns.SupportCall), 56, 40))
	note("effect", found.Effect.Significant())
	note("experiment, looked at each month", b.winner(t))
	model, _ := b.learn()
	note("prediction", model != nil)
}

func added(a, b nps.Counts) nps.Counts {
	return nps.Counts{Detractors: a.Detractors + b.Detractors, Passives: a.Passives + b.Passives, Promoters: a.Promoters + b.Promoters}
}

func anySignificant(f nps.Family) bool {
	return slices.ContainsFunc(f.Adjusted(), func(a nps.Adjusted) bool { return a.Significant })
}

// winner looks at the wordings of the question at the end of each month, and says whether one was ever called better.
func (b *body) winner(t *testing.T) bool {
	for next := b.first; next < b.last; {
		next = calendar.Monthly.Next(next)
		var variants []nps.Counts
		for _, name := range []string{"A", "B"} {
			said, _ := b.said(both(b.of("variant", name), within(b.first, int(next-b.first))))
			variants = append(variants, said)
		}
		found, err := sequential.Judge(variants, sequential.Plan{Weights: []float64{1, 1}, Difference: 0.1, Power: 0.8})
		if err != nil {
			t.Fatal(err)
		}
		if found.Verdict == sequential.Winner {
			return true
		}
	}
	return false
}

package insight_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// ill are bodies of feedback that methods trip over: how many responses each has, and what the one at a place is.
var ill = []struct {
	name      string
	responses int
	answer    func(r *rand.Rand, i int) (score int, traits trait.Values)
}{
	{"nobody", 0, nil},
	{"a single one", 1, func(*rand.Rand, int) (int, trait.Values) { return 3, nil }},
	{"two who differ", 2, func(_ *rand.Rand, i int) (int, trait.Values) { return 10 * i, trait.Values{"plan": fmt.Sprint(i)} }},
	{"all of one mind", 400, func(r *rand.Rand, _ int) (int, trait.Values) {
		return 9, trait.Values{"plan": fmt.Sprint(r.IntN(4)), "age": float64(r.IntN(30))}
	}},
	{"nobody in the middle", 600, func(r *rand.Rand, _ int) (int, trait.Values) {
		return 10 * r.IntN(2), trait.Values{"plan": fmt.Sprint(r.IntN(3)), "steps": float64(r.IntN(5))}
	}},
	{"one group", 500, func(r *rand.Rand, _ int) (int, trait.Values) { return r.IntN(11), trait.Values{"plan": "only"} }},
	{"200 values", 900, func(r *rand.Rand, _ int) (int, trait.Values) {
		return r.IntN(11), trait.Values{"plan": fmt.Sprint(r.IntN(200)), "steps": float64(r.IntN(200))}
	}},
	{"traits that determine each other", 800, func(r *rand.Rand, i int) (int, trait.Values) {
		return r.IntN(11), trait.Values{"plan": fmt.Sprint(i % 6), "tier": fmt.Sprint(i % 6 / 2), "steps": float64(i % 6)}
	}},
	{"a trait that determines the answer", 800, func(_ *rand.Rand, i int) (int, trait.Values) {
		return []int{0, 7, 10}[i%3], trait.Values{"plan": fmt.Sprint(i % 3), "steps": float64(i % 3)}
	}},
	{"one of many", 800, func(_ *rand.Rand, i int) (int, trait.Values) {
		if i == 77 {
			return 0, trait.Values{"plan": "rare"}
		}
		return 10, trait.Values{"plan": "common"}
	}},
	{"something real", 2_000, func(r *rand.Rand, i int) (int, trait.Values) {
		plan, tier := r.IntN(3), r.IntN(3)
		return min(10, max(0, 7+2*plan-3*tier*plan+r.IntN(7)-3-i/1_000)), trait.Values{
			"plan": fmt.Sprint(plan), "tier": fmt.Sprint(tier), "age": float64(r.IntN(40)), "steps": float64(r.IntN(4)),
			"since": now.AddDate(0, -r.IntN(40), 0).Format(time.DateOnly),
		}
	}},
}

// illWorld is a tenant with a campaign for each of the bodies.
func illWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := newWorld(t, db, "UTC")
	for _, in := range []settings.DefineTraitInput{
		{Key: "tier", Kind: trait.Text, IsDimension: true},
		{Key: "steps", Kind: trait.Number, IsDimension: true},
		{Key: "since", Kind: trait.Date, IsDimension: true, Edges: []float64{3, 12}},
	} {
		if _, err := settings.DefineTrait(w.ctx, w.builder, in); err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(4, 2))
	w.campaigns = nil
	for _, body := range ill {
		c, err := campaign.Create(w.ctx, db, campaign.CreateInput{Name: body.name})
		if err != nil {
			t.Fatal(err)
		}
		w.campaigns = append(w.campaigns, c)
		var all []feedback.Recording
		for i := range body.responses {
			// Over 300 days with a hole of 40, the newest first.
			at := now.AddDate(0, 0, -i*260/body.responses)
			if at.Before(now.AddDate(0, 0, -100)) {
				at = at.AddDate(0, 0, -40)
			}
			score, traits := body.answer(r, i)
			rec := feedback.Recording{Campaign: c.NodeID(), Score: score, Traits: traits, RespondedAt: &at, Channel: response.ChannelAPI}
			if v := r.IntN(4); v > 0 {
				rec.Variant = new([]string{"A", "B", "C"}[v-1])
			}
			all = append(all, rec)
		}
		for some := range slices.Chunk(all, feedback.MaxBatch) {
			out, err := w.log.Record(w.ctx, some)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range out {
				if o.Errors != nil {
					t.Fatal(o.Errors)
				}
			}
		}
	}
	return w
}

// illFilter is one of the bodies, several or all, as they are or cut further, often to little.
func illFilter(campaigns []*ent.Campaign) *rapid.Generator[selection.Filter] {
	return rapid.Custom(func(rt *rapid.T) selection.Filter {
		var f selection.Filter
		for _, at := range rapid.SliceOfN(rapid.IntRange(0, len(campaigns)-1), 0, 2).Draw(rt, "campaigns") {
			f.Campaigns = append(f.Campaigns, campaigns[at].NodeID())
		}
		switch rapid.IntRange(0, 7).Draw(rt, "cut") {
		case 0:
			first := rapid.IntRange(-320, 20).Draw(rt, "first")
			f.From = new(day("2026-03-20").Add(first))
			f.To = new(f.From.Add(rapid.IntRange(0, 200).Draw(rt, "days")))
		case 1:
			f.Variants = rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "Z", trait.None}), 1, 2).Draw(rt, "variants")
		case 2:
			f.Where = &segment.Rule{Trait: &segment.Condition{Key: "plan", In: rapid.SliceOfN(rapid.SampledFrom([]string{"0", "1", "only", "rare"}), 1, 2).Draw(rt, "plans")}}
		}
		return f
	})
}

// sound fails where a number is none, and checks each score and each change that is shown.
func sound(ctx context.Context, t rapid.TB, name string, v any) {
	t.Helper()
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		switch x := v.Interface().(type) {
		case *insight.Feedback, context.Context:
			return
		case *insight.ScoreChange:
			soundChange(ctx, t, path, x, true)
			return
		case insight.Hotspot:
			// Its corrected p is of the test that named it, which sets other groups aside.
			soundChange(ctx, t, path, x.VersusRest, false)
			x.VersusRest = nil
			v = reflect.ValueOf(x)
		case *insight.Score:
			if nps := x.NPS(); (nps == nil) != (x.Responses() == 0) || nps != nil && !(math.Abs(*nps) <= 100) {
				t.Fatalf("%s: a score of %v from %d responses", path, nps, x.Responses())
			}
			return
		}
		switch v.Kind() {
		case reflect.Float64:
			if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
				t.Fatalf("%s is %v", path, f)
			}
		case reflect.Pointer:
			if !v.IsNil() {
				walk(path, v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(path+"."+v.Type().Field(i).Name, v.Field(i))
				}
			}
		}
	}
	walk(name, reflect.ValueOf(v))
}

func soundChange(ctx context.Context, t rapid.TB, path string, c *insight.ScoreChange, corrected bool) {
	t.Helper()
	if c == nil {
		return
	}
	p, err := c.PValue(ctx)
	adjusted, err2 := c.AdjustedPValue(ctx)
	comparisons, err3 := c.Comparisons(ctx)
	significant, err4 := c.Significant(ctx)
	if err != nil || err2 != nil || err3 != nil || err4 != nil {
		t.Fatalf("%s: %v, %v, %v, %v", path, err, err2, err3, err4)
	}
	i := c.Interval()
	if c.Difference == nil {
		if p != nil || adjusted != nil || i != nil || significant {
			t.Fatalf("%s has no difference, and p %v, %v, %v, %v", path, p, adjusted, i, significant)
		}
		return
	}
	const rounding = 1e-9
	d := *c.Difference
	switch {
	case !(math.Abs(d) <= 400):
		t.Fatalf("%s is %v", path, d)
	case p == nil || !(*p >= 0 && *p <= 1):
		t.Fatalf("%s has the p %v", path, p)
	case i == nil || !(i.Low <= d+rounding && d-rounding <= i.High && i.Low >= -400 && i.High <= 400):
		t.Fatalf("%s is %v, and in %v", path, d, i)
	case adjusted != nil && !(*adjusted >= 0 && *adjusted <= 1) || adjusted != nil && corrected && *adjusted < *p-rounding || comparisons < 0 || adjusted != nil && comparisons == 0:
		t.Fatalf("%s: of p %v, corrected for %d, becomes %v", path, *p, comparisons, *adjusted)
	case significant && (adjusted == nil || *adjusted >= 0.05 || d == 0):
		t.Fatalf("%s is %v and significant, with the p %v", path, d, adjusted)
	case *p < 0.049 && i.Low < 0 && i.High > 0 || *p > 0.051 && (i.Low > rounding || i.High < -rounding):
		t.Fatalf("%s has the p %v and the interval %v", path, *p, *i)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-8 }

// Whatever there is of feedback, what is made of it is made of numbers, adds up, and says why where there is none.
func TestInsightIsSound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := illWorld(t, db)
		filters := illFilter(w.campaigns)
		rapid.Check(t, func(rt *rapid.T) {
			ctx := insight.WithMemo(w.ctx)
			body := func(f selection.Filter) *insight.Feedback {
				b, err := w.reader.Feedback(ctx, f, selection.Within{})
				if err != nil {
					rt.Fatal(err)
				}
				return b
			}
			filter := filters.Draw(rt, "filter")
			b := body(filter)
			score, err := b.Score(ctx)
			if err != nil {
				rt.Fatal(err)
			}
			s := soundness{ctx, rt, b, score.Responses()}
			if s.all > 0 && rapid.IntRange(0, 3).Draw(rt, "of a group") == 0 {
				groups := s.groups()
				g := rapid.SampledFrom(groups).Draw(rt, "group")
				s.b, s.all = g.Feedback, g.Score.Responses()
			}
			// All at once would take long, and they know nothing of each other but what was read.
			asks := []func(){
				func() { s.groups() }, s.trend, s.drivers, s.hotspots, func() { s.explained(filters.Draw(rt, "from")) }, s.changePoints,
				s.curve, s.experiment, s.samplePlan, s.prediction, func() { s.effect(w.reader, filter, w.campaigns) },
			}
			for _, at := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(asks)-1), 3, 3, rapid.ID[int]).Draw(rt, "asked") {
				asks[at]()
			}
		})
	})
}

// soundness is of a body of feedback with so many responses.
type soundness struct {
	ctx context.Context
	t   *rapid.T
	b   *insight.Feedback
	all int
}

// keys are some of those that there are, or nil for all.
func (s *soundness) keys(least, most int, of ...string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), least, most, rapid.ID[string]).Draw(s.t, "keys")
}

func (s *soundness) groups() []*insight.FeedbackGroup {
	by := s.keys(1, 2, "plan", "tier", "steps", "age", "channel", "variant", "campaign")
	groups, err := s.b.Breakdown(s.ctx, by, rapid.IntRange(1, 200).Draw(s.t, "limit"), insight.ByResponses, rapid.SampledFrom([]int{1, 5, 100_000}).Draw(s.t, "least"))
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "breakdown", groups)
	share, responses, contribution := 0.0, 0, 0.0
	for _, g := range groups {
		share, responses, contribution = share+g.Share, responses+g.Score.Responses(), contribution+*g.Contribution
		shrunk, err := g.Shrunk(s.ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		sound(s.ctx, s.t, "shrunk", shrunk)
		if (shrunk.NPS == nil) != (shrunk.Reason != nil) || (shrunk.NPS == nil) != (shrunk.Weight == nil) {
			s.t.Fatalf("%v is drawn to %v", g.Values, shrunk)
		}
		if shrunk.NPS != nil && (math.Abs(*shrunk.NPS) > 100 || *shrunk.Weight < 0 || *shrunk.Weight > 1) {
			s.t.Fatalf("%v is drawn to %v by %v", g.Values, *shrunk.NPS, *shrunk.Weight)
		}
	}
	if responses != s.all || s.all > 0 && !near(share, 1) || !near(contribution, 0) {
		s.t.Fatalf("groups by %q have %d of %d responses, a share of %v and a contribution of %v", by, responses, s.all, share, contribution)
	}
	return groups
}

func (s *soundness) trend() {
	trend, err := s.b.Trend(s.ctx, rapid.SampledFrom([]calendar.Interval{calendar.Weekly, calendar.Monthly}).Draw(s.t, "interval"), rapid.IntRange(1, 4).Draw(s.t, "rolling"))
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "trend", trend)
}

func (s *soundness) drivers() {
	d, err := s.b.Drivers(s.ctx, s.keys(1, 8, "plan", "tier", "steps", "age", "since", "channel", "variant", "campaign"), rapid.SampledFrom([]int{1, 30, 300}).Draw(s.t, "least"))
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "drivers", d)
	if d.Responses != s.all || (d.Explained == nil) != (d.Reason != nil) || d.Explained != nil && (*d.Explained < 0 || *d.Explained > 1) || s.all < 100 && d.Reason == nil {
		s.t.Fatalf("drivers of %d responses are %+v", s.all, d)
	}
	for _, of := range d.Traits {
		for _, part := range []*insight.DriverPart{of.Alone, of.Own} {
			if (part.Explained == nil) != (part.Reason != nil) || part.Significant && *part.AdjustedPValue >= 0.05 {
				s.t.Fatalf("%s explains %+v", of.Trait, part)
			}
			if part.Explained != nil && (*part.Explained < 0 || *part.Explained > 1 || *part.Spread < 0 || *part.Spread > 100 || *part.AdjustedPValue < *part.PValue || *part.AdjustedPValue > 1) {
				s.t.Fatalf("%s explains %v, a spread of %v, p %v, corrected %v", of.Trait, *part.Explained, *part.Spread, *part.PValue, *part.AdjustedPValue)
			}
		}
		responses, share := 0, 0.0
		for _, v := range of.Values {
			responses, share = responses+v.Score.Responses(), share+v.Share
			if v.Interval != nil && !(v.Interval.Low <= *v.Effect && *v.Effect <= v.Interval.High) {
				s.t.Fatalf("%s %s: %v is not in %v", of.Trait, v.Value, *v.Effect, *v.Interval)
			}
		}
		if of.Reason == nil && (responses != s.all || !near(share, 1)) || of.Reason != nil && len(of.Values) > 0 {
			s.t.Fatalf("the values of %s have %d of %d responses, and a share of %v", of.Trait, responses, s.all, share)
		}
	}
}

func (s *soundness) hotspots() {
	search := insight.HotspotSearch{
		Keys: s.keys(1, 6, "plan", "tier", "steps", "age", "channel", "variant", "campaign"), Depth: rapid.IntRange(1, 2).Draw(s.t, "depth"),
		MinResponses: rapid.IntRange(10, 60).Draw(s.t, "least"), MinDifference: float64(rapid.IntRange(0, 50).Draw(s.t, "difference")), Limit: 50,
	}
	h, err := s.b.Hotspots(s.ctx, search)
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "hotspots", h)
	if (h.Tested == 0) != (h.Reason != nil) || len(h.Groups) > h.Tested || s.all < 2*search.MinResponses && h.Reason == nil {
		s.t.Fatalf("%d of %d responses stand out, of %d tested", len(h.Groups), s.all, h.Tested)
	}
	for _, g := range h.Groups {
		whole, err := g.Feedback.Score(s.ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		significant, err := g.VersusRest.Significant(s.ctx)
		if err != nil || !significant {
			s.t.Fatalf("%q stands out, by chance: %v", g.Values, err)
		}
		if n := g.Score.Responses(); whole.Responses() != n || !near(g.Share, float64(n)/float64(s.all)) || n < search.MinResponses || s.all-n < search.MinResponses {
			s.t.Fatalf("%q has %d of %d responses, a share of %v, and by itself %d", g.Values, n, s.all, g.Share, whole.Responses())
		}
		if d := *g.VersusRest.Difference; !near(g.Worth, -g.Share*d) || math.Abs(d) < search.MinDifference-1e-9 {
			s.t.Fatalf("%q is worth %v, for a difference of %v", g.Values, g.Worth, d)
		}
		if (g.BeyondParts == nil) != (len(g.Traits) == 1) || g.BeyondParts != nil && math.Abs(*g.BeyondParts) < search.MinDifference-1e-9 {
			s.t.Fatalf("%q lies %v beyond its parts", g.Values, g.BeyondParts)
		}
	}
}

func (s *soundness) explained(from selection.Filter) {
	x, err := s.b.ExplainChange(s.ctx, from, s.keys(1, 2, "plan", "tier", "steps", "age", "channel", "variant", "campaign"), rapid.SampledFrom([]int{1, 3, 200}).Draw(s.t, "limit"))
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "explainChange", x)
	if (x.Mix == nil) != (x.Reason != nil) || (x.Movement == nil) != (x.Reason != nil) || x.Total.Difference == nil && x.Reason == nil {
		s.t.Fatalf("%v and %v, and the reason %v", x.Mix, x.Movement, x.Reason)
	}
	if x.Reason != nil {
		if len(x.Groups) > 0 {
			s.t.Fatalf("there are groups where there is the reason %v", *x.Reason)
		}
		return
	}
	if !near(x.Mix.Points+x.Movement.Points, *x.Total.Difference) {
		s.t.Fatalf("%v and %v do not add up to %v", x.Mix.Points, x.Movement.Points, *x.Total.Difference)
	}
	mix, movement, before, after, now := 0.0, 0.0, 0.0, 0.0, 0
	for _, g := range x.Groups {
		mix, movement, before, after, now = mix+g.Mix, movement+g.Movement, before+g.ShareBefore, after+g.ShareAfter, now+g.After.Responses()
	}
	if !near(mix, x.Mix.Points) || !near(movement, x.Movement.Points) || !near(before, 1) || !near(after, 1) || now != s.all {
		s.t.Fatalf("groups add up to %v of %v and %v of %v, with shares of %v and %v and %d of %d responses", mix, x.Mix.Points, movement, x.Movement.Points, before, after, now, s.all)
	}
}

func (s *soundness) changePoints() {
	least := float64(rapid.SampledFrom([]int{0, 5, 200}).Draw(s.t, "points"))
	c, err := s.b.ChangePoints(s.ctx, least)
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "changePoints", c)
	if (len(c.Levels) == 0) != (c.Reason != nil) || len(c.Points) != max(0, len(c.Levels)-1) || s.all < 60 && c.Reason == nil {
		s.t.Fatalf("of %d responses there are %d levels and %d points, and the reason %v", s.all, len(c.Levels), len(c.Points), c.Reason)
	}
	responses := 0
	for i, l := range c.Levels {
		responses += l.Score.Responses()
		if l.End.Add(1)-l.Start < 7 || l.Score.Responses() < 30 || i > 0 && (l.Start != c.Levels[i-1].End.Add(1) || c.Points[i-1].Day != l.Start) {
			s.t.Fatalf("a level from %s to %s with %d responses", l.Start, l.End, l.Score.Responses())
		}
	}
	if c.Reason == nil && responses != s.all {
		s.t.Fatalf("levels have %d of %d responses", responses, s.all)
	}
	for _, p := range c.Points {
		if p.Earliest > p.Day || p.Day > p.Latest || math.Abs(p.Difference) < least-1e-9 || p.Interval.Low > p.Difference || p.Difference > p.Interval.High {
			s.t.Fatalf("a point at %s, from %s to %s, of %v in %v", p.Day, p.Earliest, p.Latest, p.Difference, *p.Interval)
		}
	}
}

func (s *soundness) curve() {
	c, err := s.b.Curve(s.ctx, rapid.SampledFrom([]string{"steps", "age", "since"}).Draw(s.t, "trait"))
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "curve", c)
	if (c.Slope == nil) != (c.Reason != nil) || c.Significant && (c.Slope == nil || *c.PValue >= 0.05) || c.Slope != nil && (len(c.Points) < 2 || c.Ends.Difference == nil) {
		s.t.Fatalf("a slope of %v with %d points, and the reason %v", c.Slope, len(c.Points), c.Reason)
	}
}

func (s *soundness) experiment() {
	trial := insight.Trial{Difference: 10, Power: 0.8}
	if rapid.Bool().Draw(s.t, "variants") {
		trial.Variants = s.keys(2, 4, "A", "B", "C", "Z")
		if rapid.Bool().Draw(s.t, "weights") {
			for range trial.Variants {
				trial.Weights = append(trial.Weights, rapid.SampledFrom([]float64{5e-324, 1, 3, math.MaxFloat64}).Draw(s.t, "weight"))
			}
		}
	}
	x, err := s.b.Experiment(s.ctx, trial)
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "experiment", x)
	share, meant, responses, early := 0.0, 0.0, 0, len(x.Variants) < 2
	for _, v := range x.Variants {
		share, meant, responses, early = share+v.Share, meant+v.ExpectedShare, responses+v.Score.Responses(), early || v.Score.Responses() < 100
	}
	if n := len(x.Variants); responses > 0 && !near(share, 1) || n > 0 && !near(meant, 1) || len(x.Comparisons) != n*(n-1)/2 {
		s.t.Fatalf("shares of %v, meant %v, in %d comparisons of %d variants", share, meant, len(x.Comparisons), n)
	}
	if (x.Winner != nil) != (x.Verdict == "WINNER") || early && x.Verdict != "TOO_EARLY" && x.Verdict != "INVALID" || x.SampleRatio.Mismatch != (x.Verdict == "INVALID") {
		s.t.Fatalf("%s, early: %v, mismatch: %v", x.Verdict, early, x.SampleRatio.Mismatch)
	}
	weeks, err := x.Allocation(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "allocation", weeks)
}

func (s *soundness) samplePlan() {
	goal := insight.SampleGoal{Power: 0.8, Confidence: rapid.SampledFrom([]float64{1e-9, 0.5, 0.95, 0.9999999999999999}).Draw(s.t, "confidence")}
	goal.Margin = new(rapid.SampledFrom([]float64{1, 5, 100}).Draw(s.t, "margin"))
	if rapid.Bool().Draw(s.t, "two groups") {
		goal.Margin, goal.Difference = nil, goal.Margin
	}
	p, err := s.b.SamplePlan(s.ctx, goal)
	if err != nil {
		s.t.Fatal(err)
	}
	days, err := p.Days(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "samplePlan", p)
	if p.Responses < 1 || p.Variance < 0 || p.Variance > 1 || (p.Detectable == nil) != (s.all < 30) || days != nil && *days < 1 {
		s.t.Fatalf("of %d responses: %+v", s.all, p)
	}
}

func (s *soundness) prediction() {
	keys := s.keys(1, 5, "plan", "tier", "steps", "age", "since")
	p, err := s.b.Prediction(s.ctx, keys)
	if err != nil {
		s.t.Fatal(err)
	}
	groups, err := p.Groups(200, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "prediction", p)
	sound(s.ctx, s.t, "prediction.groups", groups)
	if p.Usable != (p.Reason == nil) || !p.Usable && len(groups) > 0 || p.Usable && (p.TrainedOn < 300 || p.ValidatedOn < 200 || p.TrainedOn+p.ValidatedOn != s.all) {
		s.t.Fatalf("of %d responses: %+v", s.all, p)
	}
	for i, g := range groups {
		if of := g.Prediction; !near(of.Promoter+of.Passive+of.Detractor, 1) || min(of.Promoter, of.Passive, of.Detractor) < 0 {
			s.t.Fatalf("%q is foretold %+v", g.Values, of)
		}
		if i > 0 && g.Prediction.Detractor > groups[i-1].Prediction.Detractor {
			s.t.Fatalf("%q is riskier than what comes before it", g.Values)
		}
	}
	judged := 0
	for _, b := range p.Calibration {
		judged += b.Responses
	}
	if len(p.Calibration) > 0 && judged != p.ValidatedOn {
		s.t.Fatalf("calibrated on %d of %d", judged, p.ValidatedOn)
	}
}

func (s *soundness) effect(r *insight.Reader, filter selection.Filter, campaigns []*ent.Campaign) {
	filter.From, filter.To, filter.Last = nil, nil, nil
	action := insight.Action{Started: day("2026-03-20").Add(rapid.SampledFrom([]int{-30_000, -320, -200, -120, -60, -1, 0, 1, 5_000, 500_000}).Draw(s.t, "start"))}
	for _, at := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(campaigns)-1), 0, 3, rapid.ID[int]).Draw(s.t, "for") {
		action.Campaigns = append(action.Campaigns, campaigns[at].ID)
	}
	others := func(context.Context) ([]insight.Action, error) {
		return []insight.Action{{Started: action.Started}}, nil
	}
	window, settle := rapid.SampledFrom([]int{7, 56, 365}).Draw(s.t, "window"), rapid.SampledFrom([]int{0, 365}).Draw(s.t, "settle")
	e, err := r.Effect(s.ctx, action, window, settle, filter, others)
	if err != nil {
		s.t.Fatal(err)
	}
	sound(s.ctx, s.t, "effect", e)
	if (e.Reason != nil) != (e.Change.Difference == nil) || (e.Before.Responses() == 0 || e.After.Responses() == 0) != (e.Reason != nil) || e.Placebos.AsLarge > e.Placebos.Tried {
		s.t.Fatalf("from %d to %d responses: the reason %v", e.Before.Responses(), e.After.Responses(), e.Reason)
	}
	if len(action.Campaigns) == 0 && (e.Effect.Difference != nil || e.OthersChange.Difference != nil) {
		s.t.Fatalf("it was for all, and yet others changed by %v", e.OthersChange.Difference)
	}
	if _, err := e.Caveats(s.ctx); err != nil {
		s.t.Fatal(err)
	}
}

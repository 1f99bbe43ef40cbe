package insight_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// crowd has groups of all sizes by each key, of which plan and variant have many that are small, and answers that go by the plan.
func crowd() []answer {
	answers := make([]answer, 0, 720)
	for i := range 720 {
		n := i * 7919 % 720 // another order than that of time
		a := answer{
			Campaign: n * 13 % 7 / 6, Score: (n*n/5 + n) % 11, Age: n * 5 % 29, At: now.Add(-time.Duration(i) * 7 * time.Hour),
			Channel: []response.Channel{response.ChannelAPI, response.ChannelAPI, response.ChannelEMAIL, response.ChannelLINK}[n%31/8],
			Variant: []string{"a", "a", "b", "b", "c", "d", ""}[n%37/6],
		}
		switch {
		case n < 400:
			a.Plan, a.Score = "gold", 8+n%3
		case n < 600:
			a.Plan, a.Score = "tin", n%7
			if a.Age < 10 { // beyond what either says by itself
				a.Score = 9
			}
		case n < 640:
		default: // of 1 to 12
			a.Plan = fmt.Sprintf("p%02d", (n-640)*2/15+(n%3))
		}
		answers = append(answers, a)
	}
	return answers
}

// among are the groups that a narrowed caller is shown by some keys, by their values.
type among struct {
	least  int
	keys   []string
	groups map[string]*insight.FeedbackGroup
	all    []*insight.FeedbackGroup
	whole  int
}

// named has the values of a group that is one combination of values.
func named(values []string) (name string, ok bool) {
	return strings.Join(values, " "), values[0] != trait.Few && values[0] != trait.Other
}

// enough fails where so many are shown by themselves, or can be told, and are too few.
func enough(t *rapid.T, least int, what string, n int) {
	t.Helper()
	if n < 0 || n > 0 && n < least {
		t.Fatalf("%s is of %d, of at least %d", what, n, least)
	}
}

// sum checks that parts of some sizes are large enough, and that none is lost.
func sum(t *rapid.T, least int, what string, whole int, parts ...int) {
	t.Helper()
	all := 0
	for _, n := range parts {
		enough(t, least, "a part of "+what, n)
		all += n
	}
	if len(parts) > 0 && all != whole {
		t.Fatalf("%s: parts of %d responses of %d", what, all, whole)
	}
	if len(parts) == 0 && whole >= least {
		t.Fatalf("%s: no parts of %d responses", what, whole)
	}
}

// cut is what is shown by all values apart: nothing smaller is ever shown by the same keys.
func (w *world) cut(t *rapid.T, body *insight.Feedback, least int, keys ...string) *among {
	t.Helper()
	score, err := body.Score(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	a := &among{least: least, keys: keys, groups: map[string]*insight.FeedbackGroup{}, whole: score.Responses()}
	if a.all, err = body.Breakdown(w.ctx, keys, 200, insight.ByResponses, 1); err != nil {
		t.Fatal(err)
	}
	var parts []int
	for _, g := range a.all {
		name, _ := named(g.Values)
		if a.groups[name] != nil {
			t.Fatalf("%s is there twice", name)
		}
		a.groups[name] = g
		parts = append(parts, g.Score.Responses())
	}
	sum(t, least, fmt.Sprint("all by ", keys), a.whole, parts...)
	return a
}

// tested is how many of the groups that are shown hotspots tests, with 10 in each and outside.
func (a *among) tested() (n int) {
	for _, g := range a.all {
		size := g.Score.Responses()
		if _, ok := named(g.Values); ok && min(size, a.whole-size) >= max(10, a.least) {
			n++
		}
	}
	return n
}

// shows fails where the group is none of those that are shown apart.
func (a *among) shows(t *rapid.T, what string, values []string) *insight.FeedbackGroup {
	t.Helper()
	name, _ := named(values)
	g := a.groups[name]
	if g == nil {
		t.Fatalf("%s shows %s, which the cut by %v does not: %v", what, name, a.keys, a.all)
	}
	return g
}

// Before who is narrowed no cut shows fewer than the tenant's least, neither by itself nor by taking what is shown from the whole, from
// another answer by the same keys, or from the groups of one of the keys; and none is lost.
func TestNoGroupIsTooSmall(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		w.record(t, crowd()...)
		whole := w.ctx
		caller := auth.Caller{Tenant: auth.Tenant(whole), Narrowing: auth.Narrowing{Campaigns: []uuid.UUID{w.campaigns[0].ID, w.campaigns[1].ID}}}
		w.ctx = auth.With(whole, caller)
		keys := []string{"plan", "age", "channel", "variant", "campaign"}
		// What was seen at all: what never occurs is not tested.
		seen := map[string]int{}
		rapid.Check(t, func(rt *rapid.T) {
			least := rapid.OneOf(rapid.IntRange(2, 12), rapid.IntRange(2, 60)).Draw(rt, "least")
			if _, err := tenant.Update(whole, db, w.builder, tenant.UpdateInput{MinGroupSize: &least}); err != nil {
				rt.Fatal(err)
			}
			var f selection.Filter
			if rapid.IntRange(0, 2).Draw(rt, "of some days") == 0 {
				f.From = new(calendar.DayOf(now, time.UTC).Add(-rapid.OneOf(rapid.IntRange(1, 4), rapid.IntRange(1, 200)).Draw(rt, "days")))
			}
			body, err := w.reader.Feedback(w.ctx, f, selection.Within{})
			if err != nil {
				rt.Fatal(err)
			}
			by := rapid.Permutation(keys).Draw(rt, "by")[:rapid.IntRange(1, 2).Draw(rt, "keys")]
			if rapid.Bool().Draw(rt, "of a group") {
				groups, err := body.Breakdown(w.ctx, []string{rapid.SampledFrom(keys).Draw(rt, "group by")}, 2, insight.ByResponses, 1)
				if err != nil {
					rt.Fatal(err)
				}
				if len(groups) > 0 {
					body = rapid.SampledFrom(groups).Draw(rt, "group").Feedback
				}
			}
			w.smallBreakdowns(rt, body, least, by, seen)
			w.smallModels(rt, body, least, seen)
			w.smallChanges(rt, body, least, by, seen)
		})
		for _, what := range []string{
			"few", "few by two", "few again", "other", "drivers", "few of drivers", "hotspots", "hotspots by two", "curve", "few of a curve", "prediction", "few of a prediction",
			"experiment", "change", "few of a change", "no groups", "calibration", "a variant of nobody", "a variant hidden",
		} {
			if seen[what] == 0 {
				t.Errorf("%s was never seen: %v", what, seen)
			}
		}
	})
}

func (w *world) smallBreakdowns(t *rapid.T, body *insight.Feedback, least int, by []string, seen map[string]int) {
	a := w.cut(t, body, least, by...)
	if len(a.all) == 0 && a.whole > 0 {
		seen["no groups"]++
	}
	// However it is put together besides, it is made of the same groups.
	limit, minimum := rapid.IntRange(1, 8).Draw(t, "limit"), rapid.IntRange(1, 40).Draw(t, "at least")
	order := rapid.SampledFrom([]insight.GroupOrder{insight.ByResponses, insight.ByScoreAscending, insight.ByScoreDescending, insight.ByContribution}).Draw(t, "order")
	groups, err := body.Breakdown(w.ctx, by, limit, order, minimum)
	if err != nil {
		t.Fatal(err)
	}
	var parts []int
	for _, g := range groups {
		parts = append(parts, g.Score.Responses())
		if g.Values[0] == trait.Other {
			seen["other"]++
			continue
		}
		if same := a.shows(t, "a breakdown", g.Values); !slices.Equal(same.Score.Histogram(), g.Score.Histogram()) {
			t.Fatalf("%v has %v, and with all apart %v", g.Values, g.Score.Histogram(), same.Score.Histogram())
		}
	}
	sum(t, least, "a breakdown", a.whole, parts...)
	for _, g := range a.all {
		drawn, err := g.Shrunk(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if (drawn.Reason != nil && *drawn.Reason == insight.TooFewGroups) != (len(a.all) < 3) {
			t.Fatalf("%v of %d that are shown is drawn to %v", g.Values, len(a.all), drawn.Reason)
		}
		// What is below a group is the group.
		points, err := g.Feedback.Trend(w.ctx, calendar.Monthly, 1)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, p := range points {
			n += p.Score.Responses()
		}
		if n != g.Score.Responses() {
			t.Fatalf("the trend of %v has %d responses of %d", g.Values, n, g.Score.Responses())
		}
		if g.Values[0] != trait.Few {
			continue
		}
		seen["few"]++
		again := w.cut(t, g.Feedback, least, by...)
		if again.whole != g.Score.Responses() {
			t.Fatalf("(few) has %d responses, and below %d", g.Score.Responses(), again.whole)
		}
		if len(again.all) != 1 || again.all[0].Values[0] != trait.Few {
			t.Fatalf("(few) is taken apart by the same keys: %v", again.all)
		}
		seen["few again"]++
	}
	if len(by) == 1 {
		return
	}
	turned := w.cut(t, body, least, by[1], by[0])
	if len(turned.all) != len(a.all) {
		t.Fatalf("%v and the other way round show %d and %d groups", by, len(a.all), len(turned.all))
	}
	for at, key := range by {
		margin := w.cut(t, body, least, key)
		left := map[string]int{}
		for _, g := range margin.all {
			left[g.Values[0]] = g.Score.Responses()
		}
		for _, g := range a.all {
			if g.Values[0] == trait.Few {
				seen["few by two"]++
				continue
			}
			turned.shows(t, "the other way round", []string{g.Values[1], g.Values[0]})
			of := g.Values[at]
			if _, ok := left[of]; !ok {
				of = trait.Few
			}
			left[of] -= g.Score.Responses()
		}
		for value, n := range left {
			enough(t, least, fmt.Sprintf("%s less all groups of it by %v", value, by), n)
		}
	}
}

func (w *world) smallModels(t *rapid.T, body *insight.Feedback, least int, seen map[string]int) {
	minimum := rapid.IntRange(1, 40).Draw(t, "responses of a value")
	drivers, err := body.Drivers(w.ctx, nil, minimum)
	if err != nil {
		t.Fatal(err)
	}
	if n := drivers.Responses; n > 0 && n < least && (len(drivers.Traits) > 0 || drivers.Explained != nil || drivers.Reason == nil || *drivers.Reason != insight.OneGroup) {
		t.Fatalf("of %d responses: %+v", n, drivers)
	}
	for _, d := range drivers.Traits {
		if len(d.Values) == 0 {
			continue
		}
		seen["drivers"]++
		a := w.cut(t, body, least, d.Trait)
		var parts []int
		for _, v := range d.Values {
			parts = append(parts, v.Score.Responses())
			switch _, ok := named([]string{v.Value}); {
			case ok:
				a.shows(t, "drivers", []string{v.Value})
			case v.Value == trait.Few:
				seen["few of drivers"]++
				if few := a.groups[trait.Few]; few == nil || few.Score.Responses() > v.Score.Responses() {
					t.Fatalf("(few) of drivers is of %d, that of %s %v", v.Score.Responses(), d.Trait, few)
				}
			}
		}
		sum(t, least, "drivers by "+d.Trait, a.whole, parts...)
	}
	hotspots, err := body.Hotspots(w.ctx, insight.HotspotSearch{Depth: 2, MinResponses: 10, Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	if hotspots.Reason == nil {
		tested := 0
		every := []string{"plan", "age", "channel", "variant", "campaign"}
		for i, key := range every {
			tested += w.cut(t, body, least, key).tested()
			for _, other := range every[:i] {
				tested += w.cut(t, body, least, key, other).tested()
			}
		}
		if hotspots.Tested != tested {
			t.Fatalf("%d hotspots are tested, want %d", hotspots.Tested, tested)
		}
	}
	for _, h := range hotspots.Groups {
		seen[[]string{"", "hotspots", "hotspots by two"}[len(h.Traits)]]++
		g := w.cut(t, body, least, h.Traits...).shows(t, "hotspots", h.Values)
		below, err := h.Feedback.Score(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(g.Score.Histogram(), h.Score.Histogram()) || !slices.Equal(g.Score.Histogram(), below.Histogram()) {
			t.Fatalf("the hotspot %v has %v and below %v, want %v", h.Values, h.Score.Histogram(), below.Histogram(), g.Score.Histogram())
		}
	}
	curve, err := body.Curve(w.ctx, "age")
	if err != nil {
		t.Fatal(err)
	}
	ages := w.cut(t, body, least, "age")
	left := ages.whole
	for _, p := range curve.Points {
		seen["curve"]++
		ages.shows(t, "a curve", p.Values)
		left -= p.Score.Responses()
	}
	if len(curve.Points) > 0 {
		enough(t, least, "what a curve leaves out", left)
	}
	if ages.groups[trait.Few] != nil {
		seen["few of a curve"]++
	}
	w.smallExperiment(t, body, least, seen)
	model, err := body.Prediction(w.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var judged []int
	for _, b := range model.Calibration {
		seen["calibration"]++
		judged = append(judged, b.Responses)
	}
	if model.LogLoss != nil {
		sum(t, least, "a calibration", model.ValidatedOn, judged...)
	}
	if model.Lift != nil && model.ValidatedOn < 10*least {
		t.Fatalf("the lift is of a tenth of %d, of at least %d", model.ValidatedOn, least)
	}
	groups, err := model.Groups(200, 1)
	if err != nil {
		t.Fatal(err)
	}
	a := w.cut(t, body, least, "age", "plan")
	var parts []int
	for _, g := range groups {
		seen["prediction"]++
		parts = append(parts, g.Responses)
		if g.Values[0] == trait.Few {
			seen["few of a prediction"]++
			continue
		}
		values := map[string]string{g.Traits[0]: g.Values[0], g.Traits[1]: g.Values[1]}
		a.shows(t, "a prediction", []string{values["age"], values["plan"]})
	}
	if model.Usable {
		sum(t, least, "a prediction", a.whole, parts...)
	}
}

// variantsOf is how many variants a body of feedback has, of however few.
func (w *world) variantsOf(t *rapid.T, body *insight.Feedback) (n int) {
	whole := auth.With(w.ctx, auth.Caller{Tenant: auth.Tenant(w.ctx)})
	groups, err := body.Breakdown(whole, []string{"variant"}, 50, insight.ByResponses, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if g.Values[0] != trait.None && g.Values[0] != trait.Few {
			n++
		}
	}
	return n
}

func (w *world) smallExperiment(t *rapid.T, body *insight.Feedback, least int, seen map[string]int) {
	variants := w.cut(t, body, least, "variant")
	experiment, err := body.Experiment(w.ctx, insight.Trial{Difference: 10, Power: 0.8})
	if err != nil {
		t.Fatal(err)
	}
	if n := variants.whole; n > 0 && n < least && (len(experiment.Variants) > 0 || experiment.Reason == nil || *experiment.Reason != insight.OneGroup) {
		t.Fatalf("of %d responses: %+v", n, experiment)
	}
	if shown, all := len(experiment.Variants), w.variantsOf(t, body); shown < all {
		seen["a variant hidden"]++
		if experiment.Verdict != "TOO_EARLY" || experiment.Winner != nil || experiment.Reason == nil || experiment.SampleRatio.PValue != nil {
			t.Fatalf("with %d variants of %d: %+v", shown, all, experiment)
		}
	}
	for _, v := range experiment.Variants {
		seen["experiment"]++
		variants.shows(t, "an experiment", []string{v.Variant})
	}
	for _, name := range []string{"b", "c", "d"} {
		experiment, err := body.Experiment(w.ctx, insight.Trial{Variants: []string{"a", name}, Difference: 10, Power: 0.8})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range experiment.Variants {
			if v.Score.Responses() > 0 {
				variants.shows(t, "an experiment of those named", []string{v.Variant})
				continue
			}
			seen["a variant of nobody"]++
		}
	}
}

func (w *world) smallChanges(t *rapid.T, body *insight.Feedback, least int, by []string, seen map[string]int) {
	earlier := selection.Filter{To: new(calendar.DayOf(now, time.UTC).Add(-rapid.IntRange(20, 190).Draw(t, "days ago")))}
	other, err := w.reader.Feedback(w.ctx, earlier, selection.Within{})
	if err != nil {
		t.Fatal(err)
	}
	change, err := body.ExplainChange(w.ctx, earlier, by, rapid.IntRange(1, 20).Draw(t, "groups"))
	if err != nil {
		t.Fatal(err)
	}
	before, after := w.cut(t, other, least, by...), w.cut(t, body, least, by...)
	if len(change.Groups) == 0 {
		return
	}
	seen["change"]++
	var then, now []int
	points := 0.0
	for _, g := range change.Groups {
		points += g.Mix + g.Movement
		then, now = append(then, g.Before.Responses()), append(now, g.After.Responses())
		if _, ok := named(g.Values); !ok {
			if g.Values[0] == trait.Few {
				seen["few of a change"]++
			}
			continue
		}
		for side, score := range map[*among]*insight.Score{before: g.Before, after: g.After} {
			if score.Responses() > 0 {
				side.shows(t, "a change", g.Values)
			}
		}
	}
	sum(t, least, "a change before", before.whole, then...)
	sum(t, least, "a change after", after.whole, now...)
	if change.Total.Difference != nil && (points-*change.Total.Difference > 1e-6 || *change.Total.Difference-points > 1e-6) {
		t.Fatalf("the groups make %v of %v points", points, *change.Total.Difference)
	}
}

package insight_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
	"github.com/zeroten/zeroten/internal/warning"
	"pgregory.net/rapid"
)

// keepApart makes the tenant's cube, which must be empty, keep no more apart than the limits say.
func (w *world) keepApart(t *testing.T, limits trait.Limits) {
	t.Helper()
	err := w.db.WriteSettings(w.ctx, auth.Tenant(w.ctx), func(tx *store.Tx) error {
		s, err := settings.LoadTx(w.ctx, tx.SQL, auth.Tenant(w.ctx))
		if err != nil {
			return err
		}
		s.Active.Shape.Limits = limits
		shape, err := json.Marshal(s.Active.Shape)
		if err != nil {
			return err
		}
		_, err = tx.SQL.ExecContext(w.ctx, `UPDATE cubes SET shape = $2 WHERE tenant_id = $1`, s.Tenant, string(shape))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// anyFilter is a filter of what the world of TestFiltersAgree has, and of some that it has not.
func (w *world) anyFilter(plans, variants []string) *rapid.Generator[selection.Filter] {
	some := func(rt *rapid.T, name string) bool { return rapid.IntRange(0, 2).Draw(rt, name) == 0 }
	var rule func(depth int) *rapid.Generator[segment.Rule]
	rule = func(depth int) *rapid.Generator[segment.Rule] {
		return rapid.Custom(func(rt *rapid.T) segment.Rule {
			kinds := []string{"plan", "plan", "age", "known"}
			if depth > 0 {
				kinds = append(kinds, "not", "any", "all")
			}
			inner := func() []segment.Rule { return rapid.SliceOfN(rule(depth-1), 1, 3).Draw(rt, "rules") }
			switch rapid.SampledFrom(kinds).Draw(rt, "kind") {
			case "age":
				return segment.Rule{Trait: &segment.Condition{Key: "age", AtLeast: new(10.0)}}
			case "known":
				return segment.Rule{Trait: &segment.Condition{Key: "plan", IsKnown: new(rapid.Bool().Draw(rt, "is known"))}}
			case "not":
				return segment.Rule{Not: &inner()[0]}
			case "any":
				return segment.Rule{Any: inner()}
			case "all":
				return segment.Rule{All: inner()}
			}
			return segment.Rule{Trait: &segment.Condition{Key: "plan", In: rapid.SliceOfN(rapid.SampledFrom(plans), 1, 4).Draw(rt, "plans")}}
		})
	}
	return rapid.Custom(func(rt *rapid.T) selection.Filter {
		var f selection.Filter
		if some(rt, "by campaign") {
			f.Campaigns = []string{w.campaigns[rapid.IntRange(0, 1).Draw(rt, "campaign")].NodeID()}
		}
		if rapid.Bool().Draw(rt, "by variant") {
			f.Variants = rapid.SliceOfN(rapid.SampledFrom(variants), 0, 4).Draw(rt, "variants")
		}
		if rapid.Bool().Draw(rt, "by rule") {
			f.Where = new(rule(2).Draw(rt, "rule"))
		}
		if some(rt, "by channel") {
			f.Channels = []response.Channel{rapid.SampledFrom([]response.Channel{response.ChannelAPI, response.ChannelEMAIL}).Draw(rt, "channel")}
		}
		if some(rt, "by category") {
			f.Categories = []nps.Category{rapid.SampledFrom([]nps.Category{nps.Promoter, nps.Passive, nps.Detractor}).Draw(rt, "category")}
		}
		if some(rt, "by score") {
			f.Scores = rapid.SliceOfN(rapid.IntRange(0, nps.MaxScore), 0, 5).Draw(rt, "scores")
		}
		if some(rt, "by day") {
			f.From = day("2026-02-01")
		}
		if some(rt, "by comment") {
			f.HasComment = new(rapid.Bool().Draw(rt, "has comment"))
		}
		if some(rt, "by words") {
			f.Search = new(rapid.SampledFrom([]string{"slow", "👎", "👎 too", "!!!", `"`, "\u9045い", "e\u0301", "the", "a", "C++", "50%", "lo", ""}).Draw(rt, "search"))
		}
		return f
	})
}

// A filter is one thing: what a list has, what it counts, what the score has, and what a stream tells are the same
// responses, also where the cube keeps less apart than there is.
func TestFiltersAgree(t *testing.T) {
	for name, limits := range map[string]trait.Limits{
		"all apart": {}, "few values": {Values: 4}, "few profiles": {Profiles: 9}, "few of both": {Values: 5, Profiles: 20},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) { filtersAgree(t, db, limits) })
		})
	}
}

func filtersAgree(t *testing.T, db *store.DB, limits trait.Limits) {
	t.Helper()
	w := newWorld(t, db, "Europe/Amsterdam")
	w.keepApart(t, limits)
	plans, variants := []string{trait.None, trait.Other, "never seen"}, []string{trait.None, trait.Other, "never seen"}
	var answers []answer
	comments := []string{"", "Too slow 👎", "the app is slow!!!", `So "slow"`, "\u56de\u7ddaが\u9045いです", "cafe\u0301 é", "C++ and 50% off", "a"}
	for i := range 240 {
		a := answer{
			Campaign: i % 2, Score: (i*7 + i/11) % 11, Age: i % 30, At: now.Add(-time.Duration(i) * 11 * time.Hour), Comment: comments[i*i%len(comments)],
			Channel: []response.Channel{response.ChannelAPI, response.ChannelAPI, response.ChannelEMAIL}[i%3],
		}
		if i%5 > 0 {
			a.Plan = fmt.Sprintf("plan %d", (i*i+i/7)%11)
		}
		if i%4 > 0 {
			a.Variant = fmt.Sprintf("v%d", (i/3+i)%9)
		}
		answers = append(answers, a)
	}
	for i := range 11 {
		plans, variants = append(plans, fmt.Sprintf("plan %d", i)), append(variants, fmt.Sprintf("v%d", i))
	}
	for part := range slices.Chunk(answers, 30) {
		w.record(t, part...)
	}
	tenant := auth.Tenant(w.ctx)
	entries, err := feedback.ReadEntries(w.ctx, db, 0, 1_000)
	if err != nil || len(entries) != len(answers) {
		t.Fatalf("the log has %d entries, %v", len(entries), err)
	}
	states := settings.NewStates(db)
	s, err := states.Get(w.ctx, tenant)
	if err != nil {
		t.Fatal(err)
	}
	if other := s.Active.Profiles.Standing(slices.IndexFunc(s.Active.Shape.Dimensions, func(d trait.Dimension) bool { return d.Key == "plan" }), "plan 10"); (other == trait.Apart) != (limits == trait.Limits{}) && limits.Profiles == 0 {
		t.Fatalf("the last plan stands for %d", other)
	}
	count := func(t rapid.TB, f selection.Filter) int {
		found, err := w.reader.Feedback(w.ctx, f, selection.Within{})
		if err != nil {
			t.Fatal(err)
		}
		score, err := found.Score(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return score.Responses()
	}
	rapid.Check(t, func(rt *rapid.T) {
		f := w.anyFilter(plans, variants).Draw(rt, "filter")
		listed := 0
		args := page.Args{First: new(rapid.SampledFrom([]int{7, 100}).Draw(rt, "first"))}
		order := rapid.SampledFrom([]*selection.Order{nil, {Field: selection.ByScore, Direction: selection.Ascending}}).Draw(rt, "order")
		for {
			list, err := selection.List(w.ctx, db, states, f, selection.Within{}, args, order, now)
			if err != nil {
				rt.Fatal(err)
			}
			listed += len(list.Nodes())
			if !list.PageInfo.HasNextPage {
				if n, err := list.TotalCount(w.ctx); err != nil || n != listed {
					rt.Fatalf("%d are listed, and %d counted, %v", listed, n, err)
				}
				break
			}
			args.After = list.PageInfo.EndCursor
		}
		told := 0
		sel, err := f.Select(w.ctx, s, selection.Within{}, now)
		if err != nil {
			rt.Fatal(err)
		}
		for _, e := range entries {
			if sel.Matches(e) {
				told++
			}
		}
		if told != listed {
			rt.Fatalf("%d are listed, and %d told", listed, told)
		}
		if f.Search != nil || f.HasComment != nil {
			return
		}
		if n := count(rt, f); n != listed {
			rt.Fatalf("%d are listed, and the score has %d", listed, n)
		}
		found, err := w.reader.Feedback(w.ctx, f, selection.Within{})
		if err != nil {
			rt.Fatal(err)
		}
		for _, by := range []string{"variant", "plan"} {
			groups, err := found.Breakdown(w.ctx, []string{by}, 200, insight.ByResponses, 1)
			if err != nil {
				rt.Fatal(err)
			}
			sum := 0
			for _, g := range groups {
				sum += g.Score.Responses()
				one, within := f, segment.Rule{Trait: &segment.Condition{Key: "plan", In: g.Values}}
				switch {
				case by == "variant":
					one.Variants = g.Values
				case f.Where != nil:
					one.Where = &segment.Rule{All: []segment.Rule{*f.Where, within}}
				default:
					one.Where = &within
				}
				if n := count(rt, one); n != g.Score.Responses() {
					rt.Fatalf("%s %v has %d as a group, and %d as a filter", by, g.Values, g.Score.Responses(), n)
				}
			}
			if sum != listed {
				rt.Fatalf("%d are listed, and the groups by %s have %d", listed, by, sum)
			}
		}
	})
	// Who names a variant that is part of (other) is told so.
	for _, v := range variants {
		ctx, list := warning.With(w.ctx, func(context.Context) []string { return nil })
		if _, err := w.reader.Feedback(ctx, selection.Filter{Variants: []string{v}}, selection.Within{}); err != nil {
			t.Fatal(err)
		}
		standing := s.Active.Profiles.VariantStanding(v)
		part := standing == trait.PartOfOther || standing == trait.PartlyOther
		if told := slices.ContainsFunc(list.All(), func(w warning.Warning) bool { return w.Code == warning.PartOfOther }); told != part {
			t.Errorf("%s stands for %d, and warnings are %v", v, standing, list.All())
		}
	}
	values, err := contact.Values(w.ctx, db, s, "plan", now)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		if s.Active.Profiles.Covers(slices.IndexFunc(s.Active.Shape.Dimensions, func(d trait.Dimension) bool { return d.Key == "plan" }), v.Value) != v.Value {
			t.Errorf("%s is shown as a value of people, and is none of feedback", v.Value)
		}
	}
}

// The shares by week of a group are those of the filter that means the same people, though cells are read in other ways for them.
func TestSharesByWeekOfAGroup(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		var answers []answer
		for i := range 900 {
			a := answer{Score: i % 11, Plan: []string{"one", "two"}[i%2], Age: i % 40, Variant: []string{"A", "B", "B", "C"}[i*i/7%4], At: now.Add(-time.Duration(i) * 5 * time.Hour)}
			if i%3 == 0 { // who has no variant
				a.Variant = ""
			}
			if i > 400 && a.Plan == "one" { // and one of a share that changes
				a.Variant = "A"
			}
			answers = append(answers, a)
		}
		w.record(t, answers...)
		shares := func(f *insight.Feedback) *insight.AllocationCheck {
			x, err := f.Experiment(w.ctx, insight.Trial{Variants: []string{"A", "B", "C"}, Difference: 10, Power: 0.8})
			if err != nil {
				t.Fatal(err)
			}
			weeks, err := x.Allocation(w.ctx)
			if err != nil || weeks.PValue == nil {
				t.Fatalf("no shares by week: %v, %v", weeks, err)
			}
			return weeks
		}
		groups, err := w.feedback(t, selection.Filter{}).Breakdown(w.ctx, []string{"plan"}, 10, insight.ByResponses, 1)
		if err != nil || len(groups) != 2 {
			t.Fatalf("%d groups: %v", len(groups), err)
		}
		for _, g := range groups {
			filter := selection.Filter{Where: &segment.Rule{Trait: &segment.Condition{Key: "plan", In: g.Values}}}
			as, is := shares(w.feedback(t, filter)), shares(g.Feedback)
			if *as.PValue != *is.PValue || as.Mismatch != is.Mismatch {
				t.Errorf("the shares of %s: %v and %t as a group, %v and %t by a filter", g.Values, *is.PValue, is.Mismatch, *as.PValue, as.Mismatch)
			}
			if is.Mismatch != (g.Values[0] == "one") {
				t.Errorf("the shares of %s: %v", g.Values, *is.PValue)
			}
		}
	})
}

package insight_test

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"pgregory.net/rapid"
)

// Groups come in the order asked for, those that are too small or beyond the limit are the rest, contributions add up to 0,
// and what a group's filter chooses is the group: from the whole, within a campaign, and from a group of a group.
func TestGroups(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		at := on("2026-01-01T00:00:00Z")
		var answers []answer
		for i := range 240 {
			answers = append(answers, answer{
				Campaign: i % 2, Score: (i * i / 3) % 11, Plan: []string{"", "gold", "tin", "iron", "(odd)"}[(i+i/7)%5], Age: i % 31,
				Channel: []response.Channel{response.ChannelAPI, response.ChannelEMAIL, response.ChannelLINK}[i%9/4], At: at.Add(time.Duration(i) * time.Hour),
				Variant: []string{"", "a", "b"}[i%7/3],
			})
		}
		w.record(t, answers...)
		keys := []string{"plan", "age", "channel", "variant", "campaign"}
		rapid.Check(t, func(rt *rapid.T) {
			by := rapid.Permutation(keys).Draw(rt, "by")[:rapid.IntRange(1, 2).Draw(rt, "keys")]
			limit, least := rapid.IntRange(1, 12).Draw(rt, "limit"), rapid.IntRange(1, 30).Draw(rt, "least")
			order := rapid.SampledFrom([]insight.GroupOrder{insight.ByResponses, insight.ByScoreAscending, insight.ByScoreDescending, insight.ByContribution}).Draw(rt, "order")
			var f selection.Filter
			if rapid.Bool().Draw(rt, "by rule") {
				f.Where = &segment.Rule{Not: &segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"tin"}}}}
			}
			if rapid.Bool().Draw(rt, "by channel") {
				f.Channels = []response.Channel{response.ChannelAPI, response.ChannelLINK}
			}
			var within selection.Within
			if rapid.Bool().Draw(rt, "within a campaign") {
				within.Campaign = w.campaigns[1].ID
			}
			body, err := w.reader.Feedback(w.ctx, f, within)
			if err != nil {
				rt.Fatal(err)
			}
			ofRest := false
			if rapid.Bool().Draw(rt, "of a group") {
				groups, err := body.Breakdown(w.ctx, []string{"age"}, 2, insight.ByResponses, 1)
				if err != nil {
					rt.Fatal(err)
				}
				group := rapid.SampledFrom(groups).Draw(rt, "group")
				body, ofRest = group.Feedback, group.Values[0] == "(other)"
			}
			every, err := body.Breakdown(w.ctx, by, 200, insight.ByResponses, 1)
			if err != nil {
				rt.Fatal(err)
			}
			whole, err := body.Score(w.ctx)
			if err != nil {
				rt.Fatal(err)
			}
			got, err := body.Breakdown(w.ctx, by, limit, order, least)
			if err != nil {
				rt.Fatal(err)
			}
			rank := func(g *insight.FeedbackGroup) float64 {
				switch order {
				case insight.ByScoreAscending:
					return *g.Score.NPS()
				case insight.ByScoreDescending:
					return -*g.Score.NPS()
				case insight.ByContribution:
					return -math.Abs(*g.Contribution)
				}
				return -float64(g.Score.Responses())
			}
			want := slices.DeleteFunc(slices.Clone(every), func(g *insight.FeedbackGroup) bool { return g.Score.Responses() < least })
			slices.SortStableFunc(want, func(a, b *insight.FeedbackGroup) int {
				return cmp.Or(cmp.Compare(rank(a), rank(b)), slices.Compare(a.Values, b.Values))
			})
			want = want[:min(len(want), limit)]
			sum, responses := 0.0, 0
			for i, g := range got {
				sum += *g.Contribution
				responses += g.Score.Responses()
				if expected := g.Share * (*g.Score.NPS() - *whole.NPS()); math.Abs(expected-*g.Contribution) > 1e-9 {
					rt.Errorf("%v contributes %v, want %v", g.Values, *g.Contribution, expected)
				}
				object, err := g.Filter(w.ctx)
				if err != nil {
					rt.Fatal(err)
				}
				if i == len(want) {
					if len(got) != i+1 || g.Values[0] != "(other)" || object != nil {
						rt.Errorf("beyond the limit there is %v of %d, with a filter %v", g.Values, len(got)-i, object)
					}
					continue
				}
				if !slices.Equal(g.Values, want[i].Values) || g.Score.Responses() != want[i].Score.Responses() {
					rt.Errorf("group %d is %v with %d, want %v with %d", i, g.Values, g.Score.Responses(), want[i].Values, want[i].Score.Responses())
				}
				if ofRest || object == nil {
					if ofRest != (object == nil) {
						rt.Errorf("%v has the filter %v; of the rest: %t", g.Values, object, ofRest)
					}
					continue
				}
				var meant selection.Filter
				if err := json.Unmarshal([]byte(*object), &meant); err != nil {
					rt.Fatal(err)
				}
				alike, err := w.reader.Feedback(w.ctx, meant, selection.Within{})
				if err != nil {
					rt.Fatalf("%s: %v", *object, err)
				}
				score, err := alike.Score(w.ctx)
				if err != nil || !slices.Equal(score.Histogram(), g.Score.Histogram()) {
					rt.Errorf("%s chooses %v, %v, want %v", *object, score.Histogram(), err, g.Score.Histogram())
				}
			}
			if len(got) < len(want) || responses != whole.Responses() || math.Abs(sum) > 1e-9 {
				rt.Errorf("%d groups of %d with %d responses of %d, which contribute %v", len(got), len(want), responses, whole.Responses(), sum)
			}
		})
	})
}

// A group is compared with itself a period earlier, wherever it is from.
func TestGroupsBefore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		january, february := on("2026-01-10T00:00:00Z"), on("2026-02-10T00:00:00Z")
		w.record(t,
			answer{Score: 0, Plan: "gold", At: january}, answer{Score: 10, Plan: "gold", At: january}, answer{Score: 0, Plan: "tin", At: january}, answer{Score: 8, Plan: "iron", At: january},
			answer{Score: 10, Plan: "gold", At: february}, answer{Score: 9, Plan: "gold", At: february}, answer{Score: 9, Plan: "tin", At: february}, answer{Score: 0, Plan: "new", At: february},
		)
		body := w.feedback(t, selection.Filter{From: day("2026-02-01"), To: day("2026-02-28")})
		groups, err := body.Breakdown(w.ctx, []string{"plan"}, 1, insight.ByResponses, 1)
		if err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			body *insight.Feedback
			want float64
		}{
			"all": {body, 50 - -25}, "gold": {groups[0].Feedback, 100 - 0}, "the rest": {groups[1].Feedback, 0 - -50},
		} {
			change, err := test.body.CompareTo(w.ctx, nil, new(insight.PeriodBefore))
			if err != nil || change.Difference == nil || *change.Difference != test.want {
				t.Errorf("%s: %+v, %v, want %v", name, change, err, test.want)
			}
			if change, err = test.body.CompareTo(w.ctx, nil, new(insight.YearBefore)); err != nil || change.Difference != nil {
				t.Errorf("%s against a year before, when nobody answered: %+v, %v", name, change, err)
			}
		}
	})
}

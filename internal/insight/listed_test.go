package insight_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"pgregory.net/rapid"
)

// histogramOf counts the scores of all pages of a body's responses, and says what the total count is.
func (w *world) histogramOf(t rapid.TB, body *insight.Feedback, further selection.Filter, order *selection.Order) (h nps.Histogram, total int) {
	t.Helper()
	f, within, err := body.Listed(further)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for args := (page.Args{First: new(100)}); ; {
		list, err := selection.List(w.ctx, w.db, settings.NewStates(w.db), f, within, args, order, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list.Nodes() {
			if seen[r.NodeID()] {
				t.Errorf("%s is there twice", r.NodeID())
			}
			seen[r.NodeID()] = true
			h[r.Score]++
		}
		if total, err = list.TotalCount(w.ctx); err != nil {
			t.Fatal(err)
		}
		if args.After = list.PageInfo.EndCursor; !list.PageInfo.HasNextPage {
			return h, total
		}
	}
}

// The responses of a body of feedback are exactly those that its score counts: of any filter, within a campaign or a segment,
// of a group, of a group of a group, and of those put together as the rest.
func TestResponsesAreThoseCounted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "America/St_Johns")
		at := on("2026-01-01T00:00:00Z")
		var answers []answer
		for i := range 260 {
			answers = append(answers, answer{
				Campaign: i % 2, Score: (i * i / 3) % 11, Plan: []string{"", "gold", "tin", "iron", "(odd)", "lead"}[(i+i/7)%6], Age: i % 31,
				Channel: []response.Channel{response.ChannelAPI, response.ChannelEMAIL, response.ChannelLINK}[i%9/4], At: at.Add(time.Duration(i) * 7 * time.Hour),
				Variant: []string{"", "a", "b"}[i%7/3], Comment: []string{"", "slow", "fast and slow"}[i%5/2],
			})
		}
		w.record(t, answers...)
		saved, err := settings.CreateSegment(w.ctx, db, settings.CreateSegmentInput{Name: "Old", Rule: segment.Rule{Trait: &segment.Condition{Key: "age", AtLeast: new(10.0)}}})
		if err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(rt *rapid.T) {
			var f selection.Filter
			if rapid.Bool().Draw(rt, "by rule") {
				f.Where = &segment.Rule{Not: &segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"tin"}}}}
			}
			if rapid.Bool().Draw(rt, "by channel") {
				f.Channels = []response.Channel{response.ChannelAPI, response.ChannelLINK}
			}
			if rapid.Bool().Draw(rt, "by score") {
				f.Scores = []int{0, 2, 3, 7, 9, 10}
			}
			if rapid.Bool().Draw(rt, "by campaign") {
				f.Campaigns = []string{w.campaigns[0].NodeID()}
			}
			switch rapid.IntRange(0, 2).Draw(rt, "days") {
			case 1:
				f.From, f.To = day("2026-01-20"), day("2026-03-01")
			case 2:
				f.Last = &selection.Period{Count: 2, Unit: "MONTH"}
			}
			var within selection.Within
			switch rapid.IntRange(0, 2).Draw(rt, "within") {
			case 1:
				within.Campaign = w.campaigns[1].ID
			case 2:
				within.Segment = saved.ID
			}
			body, err := w.reader.Feedback(w.ctx, f, within)
			if err != nil {
				rt.Fatal(err)
			}
			for range rapid.IntRange(0, 2).Draw(rt, "depth") {
				by := rapid.Permutation([]string{"plan", "age", "channel", "variant", "campaign"}).Draw(rt, "by")[:rapid.IntRange(1, 2).Draw(rt, "keys")]
				groups, err := body.Breakdown(w.ctx, by, rapid.IntRange(1, 5).Draw(rt, "limit"), insight.ByResponses, 1)
				if err != nil {
					rt.Fatal(err)
				}
				if len(groups) == 0 {
					break
				}
				at := len(groups) - 1 // the rest, most often
				if rapid.Bool().Draw(rt, "a group") {
					at = rapid.IntRange(0, at).Draw(rt, "which")
				}
				body = groups[at].Feedback
			}
			score, err := body.Score(w.ctx)
			if err != nil {
				rt.Fatal(err)
			}
			order := &selection.Order{Field: rapid.SampledFrom([]selection.OrderField{selection.ByRespondedAt, selection.ByScore}).Draw(rt, "order"), Direction: selection.Descending}
			listed, total := w.histogramOf(rt, body, selection.Filter{}, order)
			if total != score.Responses() || !slices.Equal(ints(listed), score.Histogram()) {
				rt.Errorf("lists %v, with a total of %d; the score counts %v", listed, total, score.Histogram())
			}
			// With words and without them they are as many.
			with, withTotal := w.histogramOf(rt, body, selection.Filter{HasComment: new(true), Search: new("slow")}, order)
			without, withoutTotal := w.histogramOf(rt, body, selection.Filter{HasComment: new(false)}, order)
			if with.Add(without) != listed || withTotal+withoutTotal != total {
				rt.Errorf("%v with words and %v without, of %v; %d and %d of %d", with, without, listed, withTotal, withoutTotal, total)
			}
		})
	})
}

func ints(h nps.Histogram) []int {
	counts := make([]int, len(h))
	for score, n := range h {
		counts[score] = int(n)
	}
	return counts
}

// The days of a body are those that it was chosen for, though midnight passes before its responses are asked for; and only
// what scores cannot know narrows further.
func TestListed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		body := w.feedback(t, selection.Filter{Last: &selection.Period{Count: 1, Unit: "WEEK"}})
		f, within, err := body.Listed(selection.Filter{Search: new("slow")})
		if err != nil || f.Last != nil || f.From == nil || *f.From != *day("2026-03-14") || *f.To != *day("2026-03-20") || *f.Search != "slow" || within != (selection.Within{}) {
			t.Errorf("got %+v within %+v, %v", f, within, err)
		}
		for _, further := range []selection.Filter{{Scores: []int{1}}, {Campaigns: []string{}}, {From: day("2026-03-01")}, {Search: new("x"), Variants: []string{"a"}}} {
			_, _, err := body.Listed(further)
			if known, ok := errors.AsType[*apierror.Error](err); !ok || known.Code != apierror.BadRequestCode {
				t.Errorf("%+v gives %v", further, err)
			}
		}
	})
}

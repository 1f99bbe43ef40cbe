package insight_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"pgregory.net/rapid"
)

// The hours of a body count what a naive count by what clocks show counts, where these are changed too, and together they
// are the score.
func TestHours(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for zone, around := range map[string]time.Time{
			"Europe/Amsterdam":  on("2025-10-26T00:00:00Z"), // 2 o'clock twice
			"America/St_Johns":  on("2010-11-07T00:00:00Z"), // back over midnight
			"America/Sao_Paulo": on("2018-11-04T00:00:00Z"), // with no midnight
			"Asia/Kolkata":      on("2026-01-10T00:00:00Z"),
		} {
			t.Run(zone, func(t *testing.T) {
				w := newWorld(t, db, zone)
				loc, err := time.LoadLocation(zone)
				if err != nil {
					t.Fatal(err)
				}
				var answers []answer
				for i := range 300 {
					answers = append(answers, answer{
						Campaign: i % 2, Score: (i * i / 3) % 11, Plan: []string{"", "gold", "tin", "iron"}[i%4], Age: i % 31, Channel: []response.Channel{response.ChannelAPI, response.ChannelEMAIL}[i%3/2],
						Variant: []string{"", "a"}[i%5/3], At: around.Add(time.Duration(i*i*7%(6*24*60)-3*24*60) * time.Minute),
					})
				}
				w.record(t, answers...)
				rapid.Check(t, func(rt *rapid.T) {
					from := calendar.DayOf(around, loc).Add(rapid.IntRange(-4, 3).Draw(rt, "from"))
					to := from.Add(rapid.IntRange(0, 13).Draw(rt, "days"))
					f := selection.Filter{From: &from, To: &to}
					means := func(answer) bool { return true }
					switch rapid.IntRange(0, 4).Draw(rt, "filter") {
					case 1:
						f.Where = &segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold", "tin"}}}
						means = func(a answer) bool { return a.Plan == "gold" || a.Plan == "tin" }
					case 2:
						f.Scores = []int{0, 3, 4, 9}
						means = func(a answer) bool { return slices.Contains(f.Scores, a.Score) }
					case 3:
						f.Channels = []response.Channel{response.ChannelEMAIL}
						means = func(a answer) bool { return a.Channel == response.ChannelEMAIL }
					case 4:
						f.Campaigns = []string{w.campaigns[1].NodeID()}
						means = func(a answer) bool { return a.Campaign == 1 }
					}
					hours, err := w.feedback(t, f).Hours(w.ctx)
					if err != nil {
						rt.Fatal(err)
					}
					shows := func(at time.Time) string { return at.In(loc).Format("2006-01-02 15 -0700") }
					counts := map[string]nps.Histogram{}
					for _, a := range answers {
						if day := calendar.DayOf(a.At, loc); from <= day && day <= to && means(a) {
							h := counts[shows(a.At)]
							h[a.Score]++
							counts[shows(a.At)] = h
						}
					}
					var all nps.Histogram
					seen := map[string]bool{}
					for i, h := range hours {
						if i > 0 && !h.Start.After(hours[i-1].Start) {
							rt.Errorf("%s comes after %s", h.Start, hours[i-1].Start)
						}
						name := shows(h.Start)
						want := counts[name]
						if seen[name] || !slices.Equal(h.Score.Histogram(), ints(want)) {
							rt.Errorf("%s counts %v, want %v; before: %t", name, h.Score.Histogram(), want, seen[name])
						}
						seen[name], all = true, all.Add(want)
					}
					for name := range counts {
						if !seen[name] {
							rt.Errorf("%s is missing", name)
						}
					}
					score, err := w.feedback(t, f).Score(w.ctx)
					if err != nil || !slices.Equal(score.Histogram(), ints(all)) {
						rt.Errorf("the hours together count %v, and the score %v, %v", all, score, err)
					}
				})
			})
		}
	})
}

func TestHoursOf(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		// It is 12 o'clock on 20 March.
		w.record(t,
			answer{Score: 9, Plan: "gold", At: on("2026-03-20T11:59:59Z")}, answer{Score: 2, Plan: "tin", At: on("2026-03-20T12:00:00Z")},
			answer{Score: 10, Plan: "gold", At: on("2026-03-20T00:00:00Z")}, answer{Score: 0, Plan: "iron", At: on("2026-03-19T23:59:59Z")},
		)
		shown := func(points []*insight.HourPoint, err error) string {
			if err != nil {
				t.Fatal(err)
			}
			var some []string
			for _, p := range points {
				if p.Score.Responses() > 0 {
					some = append(some, fmt.Sprint(p.Start.UTC().Format("02 15"), " ", p.Complete, p.Score.Histogram()))
				}
			}
			return fmt.Sprint(len(points), " ", strings.Join(some, "; "))
		}
		groups, err := w.feedback(t, selection.Filter{Last: &selection.Period{Count: 2, Unit: calendar.Daily}}).Breakdown(w.ctx, []string{"plan"}, 1, insight.ByResponses, 1)
		if err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			body *insight.Feedback
			want string
		}{
			"today":         {w.feedback(t, selection.Filter{Last: &selection.Period{Count: 1, Unit: calendar.Daily}}), "24 20 00 true [0 0 0 0 0 0 0 0 0 0 1]; 20 11 true [0 0 0 0 0 0 0 0 0 1 0]; 20 12 false [0 0 1 0 0 0 0 0 0 0 0]"},
			"an open end":   {w.feedback(t, selection.Filter{From: day("2026-03-20")}), "24 20 00 true [0 0 0 0 0 0 0 0 0 0 1]; 20 11 true [0 0 0 0 0 0 0 0 0 1 0]; 20 12 false [0 0 1 0 0 0 0 0 0 0 0]"},
			"to come":       {w.feedback(t, selection.Filter{From: day("2026-04-01")}), "24 "},
			"fourteen":      {w.feedback(t, selection.Filter{From: day("2026-03-06"), To: day("2026-03-19")}), "336 19 23 true [1 0 0 0 0 0 0 0 0 0 0]"},
			"of a group":    {groups[0].Feedback, "48 20 00 true [0 0 0 0 0 0 0 0 0 0 1]; 20 11 true [0 0 0 0 0 0 0 0 0 1 0]"},
			"of the rest":   {groups[1].Feedback, "48 19 23 true [1 0 0 0 0 0 0 0 0 0 0]; 20 12 false [0 0 1 0 0 0 0 0 0 0 0]"},
			"of none":       {w.feedback(t, selection.Filter{From: day("2026-03-20"), Scores: []int{}}), "24 "},
			"of no channel": {w.feedback(t, selection.Filter{From: day("2026-03-20"), Channels: []response.Channel{}}), "24 "},
		} {
			if got := shown(test.body.Hours(w.ctx)); got != test.want {
				t.Errorf("%s: got %s, want %s", name, got, test.want)
			}
		}
		for name, f := range map[string]selection.Filter{
			"fifteen days": {From: day("2026-03-06"), To: day("2026-03-20")}, "fifteen up to today": {From: day("2026-03-06")},
			"an open beginning": {To: day("2026-03-06")}, "open": {}, "a month": {Last: &selection.Period{Count: 1, Unit: calendar.Monthly}},
		} {
			_, err := w.feedback(t, f).Hours(w.ctx)
			if known, ok := errors.AsType[*apierror.Error](err); !ok || known.Code != apierror.BadRequestCode || !strings.Contains(err.Error(), "at most 14") {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

// Hours of as many responses as their description says can be paid for by one operation, and not of many more, whatever else
// the tenant has.
func TestHoursOfManyArePaidFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		const n, older = 3_000, 12_000
		var answers []answer
		for i := range n + older {
			answers = append(answers, answer{Score: i % 11, Plan: "gold", At: now.Add(-time.Duration(i) * 5 * time.Minute)})
		}
		for part := range slices.Chunk(answers, 1_000) {
			w.record(t, part...)
		}
		fortnight := &selection.Period{Count: 14, Unit: calendar.Daily}
		for _, test := range []struct {
			filter selection.Filter
			// most is what docs/api.md says, and the description of Feedback.hours.
			most int
		}{
			{selection.Filter{Last: fortnight}, 22_000},
			{selection.Filter{Last: fortnight, Where: &segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold"}}}}, 11_000},
		} {
			spent, found := 0, 0
			ctx := rate.WithSpender(w.ctx, func(n int) error { spent += n; return nil }, false)
			body, err := w.reader.Feedback(ctx, test.filter, selection.Within{})
			if err != nil {
				t.Fatal(err)
			}
			points, err := body.Hours(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range points {
				found += p.Score.Responses()
			}
			// What is asked of each hour costs some 25 of an operation's 1,000 points.
			if cost := spent * test.most / found; found < n || cost < 850 || cost > 975 {
				t.Errorf("%d of them cost %d points, so that %d would cost %d: say how many an operation can pay for", found, spent, test.most, cost)
			}
		}
	})
}

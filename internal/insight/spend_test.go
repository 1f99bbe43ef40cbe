package insight_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

var errSpent = errors.New("spent")

// What is read and folded is paid for, in proportion; what is asked for again in one request is there already; and all
// of it stops when the caller can pay no more, and when the request is over.
func TestWorkIsPaidFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		var answers []answer
		for i := range 12_000 {
			answers = append(answers, answer{Campaign: i % 2, Score: i % 11, Plan: fmt.Sprint(i % 190), Age: 5 + i%3*10, At: now.Add(-time.Duration(i) * 90 * time.Minute)})
		}
		for i := 0; i < len(answers); i += 1_000 {
			w.record(t, answers[i:i+1_000]...)
		}
		state, err := settings.NewStates(db).Get(w.ctx, auth.Tenant(w.ctx))
		if err != nil {
			t.Fatal(err)
		}
		cells, err := cube.Read(w.ctx, db, &state.Generations, cube.Query{From: cube.Earliest, To: cube.Latest, ByCampaign: true, ByProfile: true, By: calendar.Monthly})
		if err != nil {
			t.Fatal(err)
		}
		spent, most := 0, 1_000_000
		paying := rate.WithSpender(w.ctx, func(n int) error {
			if spent += n; spent > most {
				return errSpent
			}
			return nil
		}, false)
		price := func(ctx context.Context, ask func(*insight.Feedback) error) int {
			t.Helper()
			before := spent
			body, err := w.reader.Feedback(ctx, selection.Filter{}, selection.Within{})
			if err == nil {
				err = ask(body)
			}
			if err != nil {
				t.Fatal(err)
			}
			return spent - before
		}
		breakdown := func(limit int) func(*insight.Feedback) error {
			return func(f *insight.Feedback) error {
				_, err := f.Breakdown(paying, []string{"plan", "age"}, limit, insight.ByResponses, 1)
				return err
			}
		}
		request := insight.WithMemo(paying)
		read := price(request, breakdown(50))
		if want := cells.Len() / rate.CellsPerPoint; cells.Len() < rate.PackedPerPoint || read < want {
			t.Errorf("reading %d cells cost %d, want %d at least", cells.Len(), read, want)
		}
		if again := price(request, breakdown(50)); again != 0 {
			t.Errorf("what was there already cost %d", again)
		}
		folds, profiles := 0, state.Active.Profiles.Len()
		for limit := range 49 {
			folds += price(request, breakdown(limit+1))
		}
		if want := 49 * profiles / rate.FoldsPerPoint; want == 0 || folds < want || folds >= 49*read {
			t.Errorf("folding %d cells 49 times cost %d, want %d at least, and less than reading them each time", profiles, folds, want)
		}
		// A table takes memory for each of its rows, on both sides.
		explain := func(limit int) func(*insight.Feedback) error {
			return func(f *insight.Feedback) error {
				_, err := f.ExplainChange(paying, selection.Filter{}, []string{"plan", "age"}, limit)
				return err
			}
		}
		price(request, explain(50)) // all is read
		if tables, want := price(request, explain(49)), 2*(1+(profiles-1)/250); want < 4 || tables < want || tables > want+2 {
			t.Errorf("two tables of %d rows cost %d, want %d", profiles, tables, want)
		}
		if anew, want := price(insight.WithMemo(paying), breakdown(50)), cells.Len()/rate.PackedPerPoint; anew < want || want == 0 || anew > read/2 {
			t.Errorf("another request's cost %d, want %d at least, and much less than the first's %d, which had to read the cells", anew, want, read)
		}

		done, cancel := context.WithCancel(w.ctx)
		cancel()
		for name, ask := range map[string]func(context.Context, *insight.Feedback) error{
			"score": func(ctx context.Context, f *insight.Feedback) error { _, err := f.Score(ctx); return err },
			"trend": func(ctx context.Context, f *insight.Feedback) error {
				_, err := f.Trend(ctx, calendar.Daily, 1)
				return err
			},
			"breakdown": func(ctx context.Context, f *insight.Feedback) error {
				_, err := f.Breakdown(ctx, []string{"plan", "campaign"}, 3, insight.ByResponses, 1)
				return err
			},
			"group": func(ctx context.Context, f *insight.Feedback) error {
				groups, err := f.Breakdown(w.ctx, []string{"plan"}, 3, insight.ByResponses, 1)
				if err != nil {
					return err
				}
				_, err = groups[0].Feedback.Trend(ctx, calendar.Monthly, 1)
				return err
			},
			"comparison": func(ctx context.Context, f *insight.Feedback) error {
				_, err := f.CompareTo(ctx, &selection.Filter{Where: &segment.Rule{Not: &segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"1"}}}}}, nil)
				return err
			},
		} {
			body, err := w.reader.Feedback(w.ctx, selection.Filter{}, selection.Within{})
			if err != nil {
				t.Fatal(err)
			}
			if name != "score" { // it reads too little to be paid for
				most = spent
				if err := ask(paying, body); !errors.Is(err, errSpent) {
					t.Errorf("%s without means: %v", name, err)
				}
				most = 1_000_000
			}
			if body, err = w.reader.Feedback(w.ctx, selection.Filter{}, selection.Within{}); err != nil {
				t.Fatal(err)
			}
			if err := ask(w.ctx, body); err != nil { // all is read
				t.Fatal(err)
			}
			if err := ask(done, body); name != "breakdown" && !errors.Is(err, context.Canceled) {
				t.Errorf("%s in a request that is over: %v", name, err)
			}
			if _, err := body.Breakdown(done, []string{"plan", "campaign"}, 4, insight.ByResponses, 1); !errors.Is(err, context.Canceled) {
				t.Errorf("%s, a breakdown in a request that is over: %v", name, err)
			}
		}
	})
}

// What takes more than an operation may is refused before it is done: of what is asked of many groups, after those that could be
// paid for.
func TestTheDearestIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		keys := []string{"plan"}
		for i := range trait.MaxDimensions - 2 {
			key := fmt.Sprintf("t%d", i)
			keys = append(keys, key)
			if _, err := settings.DefineTrait(w.ctx, w.builder, settings.DefineTraitInput{Key: key, Kind: trait.Text, IsDimension: true}); err != nil {
				t.Fatal(err)
			}
		}
		// 4,000 people whom 15 traits of 60 values tell apart, over ten years.
		const people, values, years = 4_000, 60, 10
		for from := 0; from < people; from += feedback.MaxBatch {
			batch := make([]feedback.Recording, feedback.MaxBatch)
			for i := range batch {
				n := from + i
				known := trait.Values{}
				for k, key := range keys {
					known[key] = fmt.Sprintf("value %d", (n+n/values*(k+1))%values)
				}
				at := now.Add(-time.Duration(n) * (years * 364 * 24 * time.Hour / people))
				batch[i] = feedback.Recording{
					Campaign: w.campaigns[0].NodeID(), Score: n * 7 % 11, Channel: response.ChannelAPI, RespondedAt: &at, Traits: known,
				}
			}
			out, err := w.log.Record(w.ctx, batch)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range out {
				if o.Errors != nil {
					t.Fatal(o.Errors)
				}
			}
		}
		const most = 1_000 // what an operation may cost
		paying := func(most int) (context.Context, func() int) {
			spent := 0
			return insight.WithMemo(rate.WithSpender(w.ctx, func(n int) error {
				if spent+n > most {
					return errSpent
				}
				spent += n
				return nil
			}, false)), func() int { return spent }
		}
		body := func(ctx context.Context) *insight.Feedback {
			f, err := w.reader.Feedback(ctx, selection.Filter{}, selection.Within{})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}

		ctx, spent := paying(most)
		if _, err := body(ctx).Drivers(ctx, nil, 30); !errors.Is(err, errSpent) {
			t.Errorf("drivers of %d traits: %v", len(keys), err)
		}
		if spent() > most/4 {
			t.Errorf("drivers of %d traits were refused after %d points", len(keys), spent())
		}
		ctx, spent = paying(100 * most)
		if d, err := body(ctx).Drivers(ctx, nil, 30); err != nil || d.Reason != nil || spent() <= most {
			t.Errorf("drivers of %d traits cost %d: %v", len(keys), spent(), err)
		}
		ctx, spent = paying(most)
		if d, err := body(ctx).Drivers(ctx, keys[:3], 30); err != nil || d.Reason != nil {
			t.Errorf("drivers of 3 traits cost %d: %v", spent(), err)
		}

		ctx, spent = paying(most)
		groups, err := body(ctx).Breakdown(ctx, keys[:1], 200, insight.ByResponses, 1)
		if err != nil || len(groups) < values {
			t.Fatalf("%d groups: %v", len(groups), err)
		}
		answered := 0
		for _, g := range groups {
			found, err := g.Feedback.ChangePoints(ctx, 5)
			if errors.Is(err, errSpent) {
				break
			}
			if err != nil || found.Reason != nil {
				t.Fatalf("the change points of a group: %v, %v", found, err)
			}
			answered++
		}
		if answered == 0 || answered > len(groups)/4 {
			t.Errorf("the change points of %d groups were found, of ten years each, for %d points", answered, spent())
		}
	})
}

// A score that several watch is read once, and each pays for it: the one for whom it is read neither more nor instead of
// the others, and who has nothing left fails alone.
func TestSharedScoresArePaidByEach(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		var answers []answer
		for i := range 4_000 {
			answers = append(answers, answer{Score: i % 11, Plan: fmt.Sprint(i % 190), Age: 5 + i%3*10, At: now.Add(-time.Duration(i) * time.Hour)})
		}
		for i := 0; i < len(answers); i += 1_000 {
			w.record(t, answers[i:i+1_000]...)
		}
		shared := insight.NewShared(w.reader)
		filter := selection.Filter{Where: &segment.Rule{Not: &segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"1"}}}}}
		watcher := func(has int) (context.Context, func() int) {
			spent := 0
			return rate.WithSpender(w.ctx, func(n int) error {
				if spent += n; spent > has {
					return errSpent
				}
				return nil
			}, false), func() int { return spent }
		}
		poor, _ := watcher(0)
		first, paidFirst := watcher(1_000)
		second, paidSecond := watcher(1_000)
		if _, _, err := shared.Score(poor, filter, 1); !errors.Is(err, errSpent) {
			t.Errorf("with nothing to pay: %v", err)
		}
		for name, ctx := range map[string]context.Context{"first": first, "second": second} {
			if score, _, err := shared.Score(ctx, filter, 1); err != nil || score.Responses() == 0 {
				t.Errorf("the %s: %v, %v", name, score, err)
			}
		}
		if paidFirst() == 0 || paidFirst() != paidSecond() {
			t.Errorf("one paid %d, and the other %d", paidFirst(), paidSecond())
		}
		if _, _, err := shared.Score(poor, filter, 1); !errors.Is(err, errSpent) {
			t.Errorf("with nothing to pay, for what is known: %v", err)
		}
	})
}

package insight_test

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// What comes, is changed or taken back after those it was for were read, and before everybody was, is not counted on the wrong side,
// nor as less than nobody.
func TestEffectOfWhatChangesMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, test := range []struct {
			name   string
			change func(w *world, one string) error
		}{
			{"changed", func(w *world, one string) error {
				_, err := w.log.Amend(w.ctx, feedback.Amendment{ID: one, Score: new(0)})
				return err
			}},
			{"taken back", func(w *world, one string) error {
				_, err := w.log.Delete(w.ctx, one)
				return err
			}},
			{"come", func(w *world, _ string) error {
				at := on("2026-02-21T10:00:00Z")
				_, err := w.log.Record(w.ctx, []feedback.Recording{{Campaign: w.campaigns[0].NodeID(), Score: 10, Channel: "API", RespondedAt: &at}})
				return err
			}},
		} {
			t.Run(test.name, func(t *testing.T) { effectMeanwhile(t, db, test.change) })
		}
	})
}

func effectMeanwhile(t *testing.T, db *store.DB, change func(w *world, one string) error) {
	w := newWorld(t, db, "UTC")
	var answers []answer
	for i := range 80 {
		answers = append(answers, answer{Campaign: i % 2, Score: i % 11, At: on("2026-01-20T10:00:00Z").AddDate(0, 0, i/2)})
	}
	w.record(t, answers...)
	at := on("2026-02-20T10:00:00Z")
	one, err := w.log.Record(w.ctx, []feedback.Recording{{Campaign: w.campaigns[0].NodeID(), Score: 10, Channel: "API", RespondedAt: &at}})
	if err != nil || one[0].Value == nil {
		t.Fatal(one, err)
	}
	deed := insight.Deed{Started: *day("2026-02-10"), Campaigns: []uuid.UUID{w.campaigns[0].ID}}
	effect := func(ctx context.Context, filter selection.Filter) *insight.ActionEffect {
		e, err := w.reader.Effect(ctx, deed, 20, 0, filter, nobody)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	// What one request has read it keeps: the campaign's responses are read by this, and everybody's are not.
	ctx := insight.WithMemo(w.ctx)
	effect(ctx, selection.Filter{Campaigns: []string{id.Campaign.Format(w.campaigns[0].ID)}})
	if err := change(w, one[0].Value.NodeID()); err != nil {
		t.Fatal(err)
	}
	got, want := effect(ctx, selection.Filter{}), effect(w.ctx, selection.Filter{})
	if want.Effect.Difference == nil {
		t.Fatal("there is no effect")
	}
	for _, part := range []struct {
		name      string
		got, want any
	}{
		{"before", got.Before, want.Before}, {"after", got.After, want.After}, {"others", got.OthersChange, want.OthersChange}, {"effect", got.Effect, want.Effect},
	} {
		if !reflect.DeepEqual(part.got, part.want) {
			t.Errorf("%s: %+v, and it is %+v", part.name, part.got, part.want)
		}
	}
}

// nobody did anything else.
func nobody(context.Context) ([]insight.Deed, error) { return nil, nil }

// Whether there are years enough to tell a season goes by all feedback, before and after, whenever it was that something was done.
func TestYearsOfFeedback(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, test := range []struct {
			name       string
			days, done int
			warned     bool
		}{
			{"long ago", 1_500, 1_400, false},
			{"lately", 1_500, 100, false},
			{"in the middle of two years", 728, 400, false},
			{"in the middle of less", 727, 400, true},
			{"long ago, of less", 727, 600, true},
		} {
			w := newWorld(t, db, "UTC")
			answers := make([]answer, test.days)
			for i := range answers {
				answers[i] = answer{Score: i % 11, At: now.AddDate(0, 0, -i)}
			}
			for len(answers) > 0 {
				n := min(500, len(answers))
				w.record(t, answers[:n]...)
				answers = answers[n:]
			}
			e, err := w.reader.Effect(w.ctx, insight.Deed{Started: day("2026-03-20").Add(-test.done)}, 56, 0, selection.Filter{}, nobody)
			if err != nil {
				t.Fatal(err)
			}
			caveats, err := e.Caveats(w.ctx)
			if err != nil || slices.Contains(caveats, "NO_YEAR_BEFORE") != test.warned {
				t.Errorf("%s: %v, %v", test.name, caveats, err)
			}
		}
	})
}

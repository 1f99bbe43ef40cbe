package insight_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// An answer that is changed after those it was for were read, and before everybody was, is not counted on both sides, nor on one side
// as less than nothing.
func TestEffectOfWhatChangesMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
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
			e, err := w.reader.Effect(ctx, deed, 20, 0, filter, func(context.Context) ([]insight.Deed, error) { return nil, nil })
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		// What one request has read it keeps: the campaign's responses are read by this, and everybody's are not.
		ctx := insight.WithMemo(w.ctx)
		effect(ctx, selection.Filter{Campaigns: []string{id.Campaign.Format(w.campaigns[0].ID)}})
		if _, err := w.log.Amend(w.ctx, feedback.Amendment{ID: one[0].Value.NodeID(), Score: new(0)}); err != nil {
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
	})
}

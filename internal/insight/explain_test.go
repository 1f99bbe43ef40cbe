package insight_test

import (
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// Where the ranges become others between the two readings, the same people are not taken for other ones.
func TestExplainedWhileRangesChange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		var answers []answer
		for i := range 200 {
			answers = append(answers, answer{Score: i % 11, Age: 5 + i%20, At: on("2026-01-10T10:00:00Z").AddDate(0, 0, i/5)})
		}
		w.record(t, answers...)
		from, now := selection.Filter{To: day("2026-01-30")}, selection.Filter{From: day("2026-01-31")}
		ctx := insight.WithMemo(w.ctx)
		explained := func(by string) *insight.ChangeExplanation {
			body, err := w.reader.Feedback(ctx, now, selection.Within{})
			if err != nil {
				t.Fatal(err)
			}
			x, err := body.ExplainChange(ctx, from, []string{by}, 50)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		// What one request has read it keeps: that before is read by this, and not what is now.
		body, err := w.reader.Feedback(ctx, from, selection.Within{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := body.ExplainChange(ctx, from, []string{"age"}, 50); err != nil {
			t.Fatal(err)
		}
		edges := settings.DefineTraitInput{Key: "age", Kind: trait.Number, IsDimension: true, Edges: []float64{8, 16}}
		if _, err := settings.DefineTrait(w.ctx, w.builder, edges); err != nil {
			t.Fatal(err)
		}
		if err := w.builder.Rebuild(w.ctx, auth.Tenant(w.ctx)); err != nil {
			t.Fatal(err)
		}
		x := explained("age")
		for _, g := range x.Groups {
			if g.Before.Responses() == 0 || g.After.Responses() == 0 {
				t.Errorf("%v: %d responses before and %d after", g.Values, g.Before.Responses(), g.After.Responses())
			}
		}
		if len(x.Groups) != 3 {
			t.Errorf("%d groups", len(x.Groups))
		}
	})
}

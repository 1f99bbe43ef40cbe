package insight_test

import (
	"testing"

	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// The pace is that of the last days of the feedback, of which there may be few.
func TestPaceOfThisFeedback(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		var answers []answer
		for i := range 40 { // 2 on each of the last ten days, and 1 on each of the twenty before
			back := i / 2
			if i >= 20 {
				back = i - 10
			}
			answers = append(answers, answer{Score: i % 11, At: now.AddDate(0, 0, -back)})
		}
		w.record(t, answers...)
		for _, test := range []struct {
			name   string
			filter selection.Filter
			days   float64
			of     float64
		}{
			{"all", selection.Filter{}, 28, 38},
			{"since ten days", selection.Filter{From: day("2026-03-11")}, 10, 20},
			{"the tenth day alone", selection.Filter{From: day("2026-03-10"), To: day("2026-03-10")}, 1, 1},
		} {
			p, err := w.feedback(t, test.filter).SamplePlan(w.ctx, insight.SampleGoal{Margin: new(10.0), Power: 0.8, Confidence: 0.95})
			if err != nil {
				t.Fatal(err)
			}
			days, err := p.Days(w.ctx)
			if err != nil || days == nil {
				t.Fatalf("%s: %v, %v", test.name, days, err)
			}
			needed := float64(p.Responses) * test.days / test.of
			if took := float64(*days); took < needed || took >= needed+1 {
				t.Errorf("%s: %d responses take %v days at %v in %v", test.name, p.Responses, took, test.of, test.days)
			}
		}
		p, err := w.feedback(t, selection.Filter{From: day("2026-03-21")}).SamplePlan(w.ctx, insight.SampleGoal{Margin: new(10.0), Power: 0.8, Confidence: 0.95})
		if err != nil {
			t.Fatal(err)
		}
		if days, err := p.Days(w.ctx); err != nil || days != nil {
			t.Errorf("from tomorrow on: %v, %v", days, err)
		}
	})
}

package insight_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// What a score is drawn towards does not go by how many groups are shown, nor by their order: the worst few are not drawn towards each
// other.
func TestShrunkIsOfAllGroups(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		var answers []answer
		for i := range 600 {
			plan := i * i / 7 % 13 * (i % 3) / 2
			answers = append(answers, answer{Score: (i*7%5 + plan) % 11, Plan: fmt.Sprint("p", plan), At: now.AddDate(0, 0, -i%300)})
		}
		w.record(t, answers...)
		body := w.feedback(t, selection.Filter{})
		shrunk := func(limit int, order insight.GroupOrder, minResponses int) map[string]*insight.ShrunkScore {
			groups, err := body.Breakdown(w.ctx, []string{"plan"}, limit, order, minResponses)
			if err != nil {
				t.Fatal(err)
			}
			all := map[string]*insight.ShrunkScore{}
			for _, g := range groups {
				if all[g.Values[0]], err = g.Shrunk(w.ctx); err != nil {
					t.Fatal(err)
				}
			}
			return all
		}
		all := shrunk(50, insight.ByResponses, 1)
		if len(all) < 4 {
			t.Fatalf("%d groups", len(all))
		}
		for name, some := range map[string]map[string]*insight.ShrunkScore{
			"the lowest": shrunk(1, insight.ByScoreAscending, 1), "the highest two": shrunk(2, insight.ByScoreDescending, 1), "the large": shrunk(50, insight.ByResponses, 92),
		} {
			if len(some) >= len(all) {
				t.Errorf("%s are %d of %d", name, len(some), len(all))
			}
			for value, got := range some {
				want := all[value]
				switch {
				case got.NPS == nil || math.IsNaN(*got.NPS) || *got.Weight < 0 || *got.Weight > 1:
					t.Errorf("%s, %s: %+v", name, value, got)
				case value != "(other)" && (math.Abs(*got.NPS-*want.NPS) > 1e-9 || math.Abs(*got.Weight-*want.Weight) > 1e-12):
					t.Errorf("%s, %s: %v with the weight %v, beside all %v with %v", name, value, *got.NPS, *got.Weight, *want.NPS, *want.Weight)
				}
			}
		}
	})
}

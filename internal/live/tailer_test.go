package live

import (
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/tail"
)

// The state that is known serves for what was committed under it, or before, and for nothing else.
func TestStateOf(t *testing.T) {
	known := &settings.State{}
	known.Settings = 5
	for _, test := range []struct {
		name  string
		state *settings.State
		under []int64
		want  *settings.State
	}{
		{"nothing is known", nil, []int64{5}, nil},
		{"the same settings", known, []int64{5, 5}, known},
		{"older ones", known, []int64{3, 5}, known},
		{"newer ones", known, []int64{6}, nil},
		{"newer ones at the end", known, []int64{5, 6}, nil},
		{"read from the log", known, []int64{0}, nil},
		{"one of them read from the log", known, []int64{5, 0, 5}, nil},
	} {
		var entries []*feedback.Entry
		for _, s := range test.under {
			entries = append(entries, &feedback.Entry{Settings: s})
		}
		if got := (&tailer{state: test.state}).stateOf(tail.Weigh(entries)); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.name, got, test.want)
		}
	}
}

// TestNothingIsAsked has what this process records reach who listens to a campaign without any statement, once the tenant's state is
// known; the poll may come between now and then.
func TestNothingIsAsked(t *testing.T) {
	each(t, roomy, func(w *world) {
		s := w.subscribe(w.ctx, selection.Filter{Campaigns: []string{w.campaign}}, nil)
		w.record(1)
		w.next(s)
		asked := []int64{}
		for range 20 {
			before := w.db.Queries()
			w.record(1)
			w.next(s)
			asked = append(asked, w.db.Queries()-before)
		}
		if slices.Min(asked) > 0 {
			w.t.Errorf("it took %v statements", asked)
		}
	})
}

package live

import (
	"testing"

	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/tail"
)

// The state that is known serves for what was committed under it, or before, and for nothing else.
func TestStateOf(t *testing.T) {
	known, building := &settings.State{}, &settings.State{}
	known.Settings, building.Settings = 5, 5
	building.Building = &cube.Generation{}
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
		{"a rebuild is under way", building, []int64{5}, nil},
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

package insight

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/trait"
)

// Many short filters cost as much as one that is as long as all of them.
func TestFiltersArePaidTogether(t *testing.T) {
	s, points := &source{}, 0
	for range 80 {
		points += s.written(filterBytesPerPoint / 8)
	}
	if points != 10 {
		t.Errorf("80 filters of an eighth of a point cost %d", points)
	}
	if points := s.written(3*filterBytesPerPoint + 1); points != 3 {
		t.Errorf("a long one costs %d", points)
	}
}

// BenchmarkGroupFilter writes the filters of groups, of bodies that are asked for by short and by long filters: what a byte
// of them takes is what filterBytesPerPoint has to be right about, where a point is at most 300 µs.
func BenchmarkGroupFilter(b *testing.B) {
	state := &settings.State{Generations: cube.Generations{Active: &cube.Generation{Shape: trait.Shape{
		Dimensions: []trait.Dimension{{Key: "plan", Kind: trait.Text}, {Key: "region", Kind: trait.Text}},
	}}}}
	values := make([]string, segment.MaxIn)
	for i := range values {
		values[i] = fmt.Sprintf("%03d %s", i, strings.Repeat("é", 20))
	}
	for name, conditions := range map[string]int{"short": 0, "long": 4, "longest": segment.MaxConditions - 1} {
		var filter selection.Filter
		if conditions > 0 {
			filter.Where = &segment.Rule{}
			for range conditions {
				filter.Where.Any = append(filter.Where.Any, segment.Rule{Trait: &segment.Condition{Key: "plan", In: values}})
			}
		}
		g := FeedbackGroup{Feedback: &Feedback{
			source: &source{filter: filter, state: state},
			group:  &group{cut: cutOf(nil, []string{"region"}), values: pair{"north"}},
		}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				o, err := g.Filter(b.Context())
				if err != nil || o == nil {
					b.Fatal(o, err)
				}
				size = len(*o)
			}
			b.SetBytes(int64(size))
		})
	}
}

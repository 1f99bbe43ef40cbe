package level

import (
	"fmt"
	"testing"
)

func BenchmarkFind(b *testing.B) {
	for _, series := range []struct {
		days  int
		aDay  float64
		steps bool
	}{{730, 3, false}, {730, 60, true}, {730, 13_700, false}, {730, 13_700, true}, {3660, 60, false}, {3660, 2700, true}} {
		b.Run(fmt.Sprintf("days=%d/aDay=%v/steps=%v", series.days, series.aDay, series.steps), func(b *testing.B) {
			w := world{days: series.days, aDay: series.aDay, score: func(day int) float64 {
				if series.steps {
					return 0.3 + 0.1*float64(day/90%3)
				}
				return 0.3
			}}
			days := w.draw(source(1))
			for b.Loop() {
				if _, reason := Find(days, 0.05); reason != "" {
					b.Fatal(reason)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(Work(len(days))), "ns/stretch")
		})
	}
}

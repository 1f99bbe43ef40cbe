package level_test

import (
	"fmt"
	"slices"

	"github.com/zeroten/zeroten/internal/level"
	"github.com/zeroten/zeroten/internal/nps"
)

func ExampleFind() {
	usual := []nps.Counts{{Detractors: 2, Passives: 3, Promoters: 5}}
	worse := []nps.Counts{{Detractors: 4, Passives: 3, Promoters: 3}}
	days := slices.Concat(slices.Repeat(usual, 40), slices.Repeat(worse, 20))
	s, reason := level.Find(days, 0.05)
	if reason != "" {
		fmt.Println(reason)
		return
	}
	for _, l := range s.Levels {
		score, _ := l.Counts.Score()
		fmt.Printf("days %d to %d: %+.0f\n", l.Start, l.End, 100*score)
	}
	for _, p := range s.Points {
		fmt.Printf("%+.0f points on day %d, or from day %d to day %d\n", 100*p.Change.Estimate, p.Day, p.Earliest, p.Latest)
	}
	// Output:
	// days 0 to 39: +30
	// days 40 to 59: -10
	// -40 points on day 40, or from day 37 to day 43
}

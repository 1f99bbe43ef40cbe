package linear_test

import (
	"fmt"

	"github.com/zeroten/zeroten/internal/linear"
	"github.com/zeroten/zeroten/internal/nps"
)

// Plans are 0 for basic and 1 for plus; people are 0 for families and 1 for gamers.
var profiles = []linear.Profile{
	{Values: []int{0, 0}, Counts: nps.Counts{Detractors: 60, Passives: 80, Promoters: 160}},
	{Values: []int{0, 1}, Counts: nps.Counts{Detractors: 70, Passives: 20, Promoters: 20}},
	{Values: []int{1, 0}, Counts: nps.Counts{Detractors: 40, Passives: 90, Promoters: 200}},
	{Values: []int{1, 1}, Counts: nps.Counts{Detractors: 25, Passives: 60, Promoters: 120}},
}

func ExampleDrivers() {
	traits := []string{"plan", "persona"}
	for _, d := range linear.Drivers(profiles, 30).Traits {
		fmt.Printf("%s explains %.1f points alone, %.1f of its own (p %.1g)\n", traits[d.Trait], 100*d.Alone.Spread, 100*d.Own.Spread, d.Own.AdjustedP)
		for _, v := range d.Values {
			fmt.Printf("  %d: %+.0f points (%+.0f to %+.0f)\n", v.Code, 100*v.Effect.Effect, 100*v.Effect.Interval.Low, 100*v.Effect.Interval.High)
		}
	}
	// Output:
	// plan explains 17.4 points alone, 19.1 of its own (p 4e-14)
	//   1: +17 points (+13 to +21)
	//   0: -22 points (-28 to -16)
	// persona explains 12.5 points alone, 14.8 of its own (p 2e-09)
	//   0: +11 points (+7 to +14)
	//   1: -21 points (-28 to -14)
}

func ExampleHotspots() {
	found := linear.Hotspots(profiles, linear.Search{Pairs: true, Responses: 30, Difference: 0.05})
	fmt.Println(found.Tested, "groups tested")
	for _, h := range found.Groups {
		fmt.Printf("traits %v of values %v: %+.0f points to the rest, worth %.1f, %+.0f beyond its parts\n", h.Traits, h.Values, 100*h.Difference, 100*h.Worth, 100*h.BeyondParts)
	}
	// Output:
	// 8 groups tested
	// traits [0 1] of values [0 1]: -88 points to the rest, worth 10.2, -77 beyond its parts
}

func ExampleCurve() {
	l := linear.Curve([]nps.Counts{{Detractors: 5, Passives: 20, Promoters: 75}, {Detractors: 20, Passives: 40, Promoters: 90}, {Detractors: 30, Passives: 40, Promoters: 80}})
	fmt.Printf("%+.0f points a step (%+.0f to %+.0f)\n", 100*l.Slope, 100*l.Interval.Low, 100*l.Interval.High)
	// Output:
	// -18 points a step (-27 to -9)
}

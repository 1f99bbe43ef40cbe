package sequential_test

import (
	"fmt"

	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/sequential"
)

func ExampleJudge() {
	x, err := sequential.Judge([]nps.Counts{
		{Detractors: 600, Passives: 1200, Promoters: 2200},
		{Detractors: 400, Passives: 1100, Promoters: 2500},
	}, sequential.Plan{Difference: 0.1, Power: 0.8})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := x.Comparisons[0].Anytime
	fmt.Printf("%s: variant %d, planned %d of each\n", x.Verdict, x.Winner, x.Planned)
	fmt.Printf("%.1f points, true difference %.1f to %.1f\n", 100*d.Estimate, 100*d.Interval.Low, 100*d.Interval.High)
	// Output:
	// WINNER: variant 1, planned 780 of each
	// -12.5 points, true difference -17.5 to -7.5
}

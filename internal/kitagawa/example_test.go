package kitagawa_test

import (
	"fmt"

	"github.com/zeroten/zeroten/internal/kitagawa"
	"github.com/zeroten/zeroten/internal/nps"
)

func ExampleExplain() {
	// Nobody changed their mind, but of the happy ones there are fewer now.
	happy := nps.Counts{Detractors: 10, Passives: 30, Promoters: 60}
	unhappy := nps.Counts{Detractors: 50, Passives: 30, Promoters: 20}
	x, _ := kitagawa.Explain([]kitagawa.Group{
		{Before: happy, After: happy},
		{After: unhappy},
	})
	fmt.Printf("%+.0f points: mix %+.0f, movement %+.0f\n", 100*x.Difference, 100*x.Mix.Estimate, 100*x.Movement.Estimate)
	// Output: -40 points: mix -40, movement +0
}

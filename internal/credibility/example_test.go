package credibility_test

import (
	"fmt"

	"github.com/zeroten/zeroten/internal/credibility"
	"github.com/zeroten/zeroten/internal/nps"
)

func ExampleShrink() {
	groups := []nps.Counts{
		{Detractors: 30, Passives: 60, Promoters: 110},
		{Detractors: 40, Passives: 40, Promoters: 20},
		{Promoters: 2}, // all of them promoters, both of them
	}
	e, _ := credibility.Shrink(groups)
	for i, g := range e.Groups {
		score, _ := groups[i].Score()
		fmt.Printf("%+4.0f → %+.0f\n", 100*score, 100*g.Score)
	}
	// Output:
	// +40 → +40
	//  -20 → -19
	// +100 → +55
}

package ordinal_test

import (
	"fmt"
	"slices"

	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/ordinal"
)

func ExampleLearn() {
	// Two plans in two regions, of which only the plans differ.
	traits := []ordinal.Trait{
		{Key: "plan", Values: []string{"Basic", "Max"}, Of: []uint16{0, 0, 1, 1}},
		{Key: "region", Values: []string{"East", "West"}, Of: []uint16{0, 1, 0, 1}},
	}
	var cells []ordinal.Cell
	for month := 1; month <= 6; month++ {
		for profile, counts := range []nps.Counts{
			{Detractors: 40, Passives: 35, Promoters: 25}, {Detractors: 40, Passives: 35, Promoters: 25},
			{Detractors: 10, Passives: 30, Promoters: 60}, {Detractors: 10, Passives: 30, Promoters: 60},
		} {
			cells = append(cells, ordinal.Cell{Profile: profile, Month: month, Counts: counts})
		}
	}
	model, e := ordinal.Learn(traits, slices.Values(cells))
	fmt.Printf("learned from %d up to month %d, judged on %d\n", e.Learned, e.LastLearned, e.Judged)
	fmt.Printf("skill %.3f, lift %.1f\n", e.Skill, *e.Lift)
	for _, values := range [][]string{{"Basic", "East"}, {"Max", "South"}} {
		p := model.Predict(values)
		fmt.Printf("%v: detractor %.2f, passive %.2f, promoter %.2f\n", values, p.Detractor, p.Passive, p.Promoter)
	}
	// Output:
	// learned from 1600 up to month 4, judged on 800
	// skill 0.079, lift 1.6
	// [Basic East]: detractor 0.39, passive 0.37, promoter 0.24
	// [Max South]: detractor 0.12, passive 0.28, promoter 0.60
}

package nps_test

import (
	"fmt"

	"github.com/zeroten/zeroten/internal/nps"
)

func ExampleHistogram() {
	var monday, tuesday nps.Histogram
	for _, score := range []int{10, 9, 7, 3} {
		monday.Record(score, 1)
	}
	tuesday.Record(8, 2)

	week := monday.Add(tuesday)
	mean, _ := week.Mean()
	score, _ := week.Counts().Score()
	fmt.Println(week)
	fmt.Printf("%d responses: %d promoters, %d passives, %d detractors\n",
		week.Count(), week.Promoters(), week.Passives(), week.Detractors())
	fmt.Printf("mean %.1f, NPS %+.1f\n", mean, 100*score)
	// Output:
	// [0 0 0 1 0 0 0 1 2 1 1]
	// 6 responses: 2 promoters, 3 passives, 1 detractors
	// mean 7.5, NPS +16.7
}

func ExampleCategoryOf() {
	fmt.Println(nps.CategoryOf(6), nps.CategoryOf(7), nps.CategoryOf(9))
	// Output: DETRACTOR PASSIVE PROMOTER
}

func ExampleCounts_Interval() {
	c := nps.Counts{Detractors: 6, Passives: 13, Promoters: 32}
	for _, m := range []nps.Method{nps.AdjustedWald, nps.ScoreTest, nps.Wald} {
		i, _, err := c.Interval(m, 0.95)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%-13s %.1f to %.1f\n", m, 100*i.Low, 100*i.High)
	}
	// Output:
	// ADJUSTED_WALD 29.3 to 67.0
	// SCORE         29.2 to 67.3
	// WALD          31.9 to 70.1
}

func ExampleCounts_Interval_nobodyAnswered() {
	_, ok, err := nps.Counts{}.Interval(nps.AdjustedWald, 0.95)
	fmt.Println(ok, err)
	// Output: false <nil>
}

func ExampleCompare() {
	thisMonth := nps.Counts{Detractors: 10, Promoters: 20}
	lastMonth := nps.Counts{Detractors: 18, Promoters: 12}
	d, _ := nps.Compare(thisMonth, lastMonth)
	i := d.Interval()
	fmt.Printf("%+.1f points, true change %.1f to %.1f, p = %.3f\n", 100*d.Estimate, 100*i.Low, 100*i.High, d.P())
	fmt.Println("significant:", d.Significant())
	// Output:
	// +53.3 points, true change 3.0 to 95.1, p = 0.037
	// significant: true
}

func ExampleVersusRest() {
	groups := []nps.Counts{
		{Detractors: 10, Passives: 30, Promoters: 60},
		{Detractors: 25, Passives: 20, Promoters: 55},
		{Detractors: 80, Passives: 60, Promoters: 60},
		{Promoters: 7},
	}
	whole := nps.Counts{Detractors: 115, Passives: 110, Promoters: 182}
	family := nps.VersusRest(whole, groups)
	for i, a := range family.Adjusted() {
		d := family.Differences[i]
		fmt.Printf("%+5.1f points, p = %.2g", 100*d.Estimate, d.P())
		if a.Tested {
			fmt.Printf(", as one of %d %.2g", family.Comparisons(), a.P)
		}
		fmt.Println(", significant:", a.Significant)
	}
	// Output:
	// +44.5 points, p = 2.4e-06, as one of 3 4.8e-06, significant: true
	// +17.9 points, p = 0.072, as one of 3 0.072, significant: false
	// -52.0 points, p = 4.6e-10, as one of 3 1.4e-09, significant: true
	// +85.0 points, p = 0.024, significant: false
}

func ExampleCompareAdjustedWald() {
	thisMonth := nps.Counts{Detractors: 10, Promoters: 20}
	lastMonth := nps.Counts{Detractors: 18, Promoters: 12}
	d, _ := nps.CompareAdjustedWald(thisMonth, lastMonth)
	fmt.Printf("%+.1f points, true change %.1f to %.1f, p = %.3f\n",
		100*d.Difference, 100*d.Interval.Low, 100*d.Interval.High, d.P)
	fmt.Println("significant:", d.Significant())
	// Output:
	// +53.3 points, true change 2.9 to 94.1, p = 0.037
	// significant: true
}

func ExampleSampleSize() {
	// How many must answer to know the score to ± 10 points, whatever they say?
	n, err := nps.SampleSize(0.10, 1, 0.95)
	fmt.Println(n, err)
	// Output: 382 <nil>
}

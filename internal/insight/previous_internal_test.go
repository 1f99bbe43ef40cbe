package insight

import (
	"testing"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/selection"
	"pgregory.net/rapid"
)

func day(t *testing.T, text string) calendar.Day {
	t.Helper()
	d, err := calendar.ParseDay(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPrevious(t *testing.T) {
	last := func(count int, unit calendar.Interval) selection.Filter {
		return selection.Filter{Last: &selection.Period{Count: count, Unit: unit}}
	}
	days := selection.Filter{}
	for name, test := range map[string]struct {
		filter     selection.Filter
		from, to   string
		period, by string // the period before, and the year before
	}{
		"a day":                 {days, "2026-11-22", "2026-11-22", "2026-11-21 2026-11-21", "2025-11-22 2025-11-22"},
		"some days":             {days, "2026-11-10", "2026-11-22", "2026-10-28 2026-11-09", "2025-11-10 2025-11-22"},
		"a month":               {days, "2026-03-01", "2026-03-31", "2026-02-01 2026-02-28", "2025-03-01 2025-03-31"},
		"a quarter":             {days, "2026-01-01", "2026-03-31", "2025-10-01 2025-12-31", "2025-01-01 2025-03-31"},
		"a year":                {days, "2025-01-01", "2025-12-31", "2024-01-01 2024-12-31", "2024-01-01 2024-12-31"},
		"two years":             {days, "2024-01-01", "2025-12-31", "2022-01-01 2023-12-31", "2023-01-01 2024-12-31"},
		"a month and a day":     {days, "2026-03-01", "2026-04-01", "2026-01-28 2026-02-28", "2025-03-01 2025-04-01"},
		"29 February":           {days, "2024-02-29", "2024-02-29", "2024-02-28 2024-02-28", "2023-02-28 2023-02-28"},
		"February of 29 days":   {days, "2024-02-01", "2024-02-29", "2024-01-01 2024-01-31", "2023-02-01 2023-02-28"},
		"30 days, one month":    {last(30, calendar.Daily), "2026-11-01", "2026-11-30", "2026-10-02 2026-10-31", "2025-11-01 2025-11-30"},
		"four weeks":            {last(4, calendar.Weekly), "2026-02-01", "2026-02-28", "2026-01-04 2026-01-31", "2025-02-01 2025-02-28"},
		"last month":            {last(1, calendar.Monthly), "2026-10-23", "2026-11-22", "2026-09-23 2026-10-22", "2025-10-23 2025-11-22"},
		"last month, shorter":   {last(1, calendar.Monthly), "2026-02-28", "2026-03-30", "2026-01-31 2026-02-27", "2025-02-28 2025-03-30"},
		"last two quarters":     {last(2, calendar.Quarterly), "2026-01-01", "2026-06-30", "2025-07-01 2025-12-31", "2025-01-01 2025-06-30"},
		"last year":             {last(1, calendar.Yearly), "2025-11-23", "2026-11-22", "2024-11-23 2025-11-22", "2024-11-23 2025-11-22"},
		"from, and open":        {days, "2026-11-01", "", "2026-10-10 2026-10-31", "2025-11-01 2025-11-22"},
		"from tomorrow":         {days, "2026-11-23", "", "2026-11-22 2026-11-22", "2025-11-23 2025-11-23"},
		"longer than is left":   {days, "0001-01-03", "0001-01-09", "0001-01-01 0001-01-02", "0001-01-01 0001-01-01"},
		"to the calendar's end": {days, "9999-12-31", "9999-12-31", "9999-12-30 9999-12-30", "9998-12-31 9998-12-31"},
	} {
		from, to, today := day(t, test.from), cube.Latest, day(t, "2026-11-22")
		if test.to != "" {
			to = day(t, test.to)
		}
		for previous, want := range map[Previous]string{PeriodBefore: test.period, YearBefore: test.by} {
			first, last, err := previous.before(test.filter, from, to, today)
			if got := first.String() + " " + last.String(); err != nil || got != want {
				t.Errorf("%s, %s: %s, %v, want %s", name, previous, got, err, want)
			}
		}
	}
}

// The period before ends the day before, and last's is what there is besides it in twice as many.
func TestPeriodBeforeAdjoins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		to := calendar.Day(rapid.IntRange(-200_000, 200_000).Draw(t, "to"))
		unit := rapid.SampledFrom([]calendar.Interval{calendar.Daily, calendar.Weekly, calendar.Monthly, calendar.Quarterly, calendar.Yearly}).Draw(t, "unit")
		n := rapid.IntRange(1, 50).Draw(t, "count")
		from := unit.Add(to+1, -n)
		first, last, err := PeriodBefore.before(selection.Filter{Last: &selection.Period{Count: n, Unit: unit}}, from, to, to)
		if err != nil || last != from-1 || first != unit.Add(to+1, -2*n) {
			t.Fatalf("before %s to %s: %s to %s, %v", from, to, first, last, err)
		}
		first, last, err = PeriodBefore.before(selection.Filter{}, from, to, to)
		if err != nil || last != from-1 || first > last {
			t.Fatalf("before %s to %s: %s to %s, %v", from, to, first, last, err)
		}
	})
}

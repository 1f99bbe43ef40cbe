package insight_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"pgregory.net/rapid"
)

// anyDay is a day of the calendar: one of its ends, a leap day, one when somebody answered, or any.
func anyDay(answers []answer) *rapid.Generator[calendar.Day] {
	near := []calendar.Day{calendar.MinDay, calendar.MaxDay, *day("2024-02-29"), *day("2000-02-29"), *day("9999-12-01"), calendar.DayOf(now, time.UTC)}
	for _, a := range answers {
		near = append(near, calendar.DayOf(a.At, time.UTC))
	}
	return rapid.Custom(func(t *rapid.T) calendar.Day {
		d := rapid.SampledFrom(near).Draw(t, "near")
		if rapid.IntRange(0, 9).Draw(t, "far") == 0 {
			return calendar.Day(rapid.Int32Range(int32(calendar.MinDay), int32(calendar.MaxDay)).Draw(t, "day"))
		}
		return min(max(d.Add(rapid.IntRange(-800, 800).Draw(t, "beside")), calendar.MinDay), calendar.MaxDay)
	})
}

// back is the first day of a period that ends on to, by another reckoning than the calendar's.
func back(to calendar.Day, p selection.Period) calendar.Day {
	days, months := 0, 0
	switch p.Unit {
	case calendar.Daily:
		days = p.Count
	case calendar.Weekly:
		days = 7 * p.Count
	case calendar.Monthly:
		months = p.Count
	case calendar.Quarterly:
		months = 3 * p.Count
	case calendar.Yearly:
		months = 12 * p.Count
	}
	y, m, d := (to + 1).Date()
	then := time.Date(y, m-time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	d = min(d, then.AddDate(0, 1, -1).Day())
	then = then.AddDate(0, 0, d-1-days)
	if then.Year() < 1 {
		return calendar.MinDay
	}
	return calendar.DayOf(then, time.UTC)
}

// Whatever days a filter has, up to both ends of the calendar, its trend has a point for every interval that it should,
// and each counts what was answered in its window.
func TestTrendsToTheCalendarsEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, "UTC")
		var answers []answer
		for i, at := range []string{
			"1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2000-02-29T12:00:00Z", "2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z", "2024-02-29T23:59:59.999999Z",
			"2024-03-01T00:00:00Z", "2025-12-29T00:00:00Z", "2026-01-01T00:00:00Z", "2026-03-19T00:00:00Z", "2026-03-20T11:59:59Z",
		} {
			answers = append(answers, answer{Score: i % 11, At: on(at)})
		}
		w.record(t, answers...)
		states := settings.NewStates(db)
		today := calendar.DayOf(now, time.UTC)
		rapid.Check(t, func(rt *rapid.T) {
			var f selection.Filter
			from, to := calendar.MinDay, calendar.MaxDay
			if rapid.Bool().Draw(rt, "bounded above") {
				to = anyDay(answers).Draw(rt, "to")
				f.To = new(to)
			}
			switch rapid.SampledFrom([]string{"open", "from", "last"}).Draw(rt, "below") {
			case "from":
				from = anyDay(answers).Draw(rt, "from")
				f.From = new(from)
			case "last":
				f.Last = &selection.Period{
					Count: rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(1, 10_000)).Draw(rt, "count"),
					Unit:  rapid.SampledFrom([]calendar.Interval{calendar.Daily, calendar.Weekly, calendar.Monthly, calendar.Quarterly, calendar.Yearly}).Draw(rt, "unit"),
				}
				if f.To == nil {
					to = today
				}
				from = back(to, *f.Last)
			}
			found, err := w.reader.Feedback(w.ctx, f, selection.Within{})
			if from > to {
				if known, ok := errors.AsType[*apierror.Error](err); !ok || known.Code != apierror.BadRequestCode {
					rt.Fatalf("from %s to %s: %v", from, to, err)
				}
				return
			}
			if err != nil {
				rt.Fatal(err)
			}
			between := func(first, last calendar.Day) (n int, days []calendar.Day) {
				for _, a := range answers {
					if d := calendar.DayOf(a.At, time.UTC); d >= first && d <= last {
						n++
						days = append(days, d)
					}
				}
				return n, days
			}
			n, days := between(from, to)
			score, err := found.Score(w.ctx)
			if err != nil || score.Responses() != n {
				rt.Fatalf("from %s to %s the score has %v, %v, want %d", from, to, score, err, n)
			}
			list, err := selection.List(w.ctx, db, states, f, selection.Within{}, page.Args{}, nil, now)
			if err != nil || len(list.Nodes()) != n {
				rt.Fatalf("from %s to %s the list has %v, %v, want %d", from, to, list, err, n)
			}

			interval := rapid.SampledFrom([]calendar.Interval{calendar.Daily, calendar.Weekly, calendar.Monthly, calendar.Quarterly, calendar.Yearly}).Draw(rt, "interval")
			rolling := rapid.SampledFrom([]int{1, 1, 2, 3, 12, 53, 1_000}).Draw(rt, "rolling")
			if rolling > 1 && (f.From != nil || f.Last != nil) {
				_, days = between(interval.Start(from), to)
			}
			first, last := interval.Start(from), interval.Start(to)
			if f.From == nil && f.Last == nil {
				first = last
				if len(days) > 0 {
					first = interval.Start(slices.Min(days))
				}
			}
			if f.To == nil && f.Last == nil {
				last = first
				if len(days) > 0 {
					last = interval.Start(slices.Max(days))
				}
			}
			trend, err := found.Trend(w.ctx, interval, rolling)
			if count := interval.Count(first, last); count > 1_000 {
				if known, ok := errors.AsType[*apierror.Error](err); !ok || known.Code != apierror.BadRequestCode {
					rt.Fatalf("%d points from %s to %s: %v", count, first, last, err)
				}
				return
			}
			if err != nil {
				rt.Fatal(err)
			}
			at := first
			for _, p := range trend {
				end := min(interval.Next(at)-1, calendar.MaxDay)
				if p.Start != at || p.End != end {
					rt.Fatalf("a point from %s to %s, want %s to %s", p.Start, p.End, at, end)
				}
				begin := max(at, from)
				if rolling > 1 {
					if begin = interval.Add(at, 1-rolling); f.From == nil && f.Last == nil {
						begin = max(begin, from)
					}
				}
				if want, _ := between(begin, min(end, to)); p.Score.Responses() != want {
					rt.Fatalf("%d at %s, want %d", p.Score.Responses(), at, want)
				}
				at = interval.Next(at)
			}
			if want := interval.Next(last); at != want && (len(trend) > 0 || n > 0 || f.From != nil || f.To != nil || f.Last != nil) {
				rt.Fatalf("the trend from %s to %s ends before %s, want %s", first, last, at, want)
			}
		})
	})
}

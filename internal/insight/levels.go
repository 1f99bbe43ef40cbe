package insight

import (
	"context"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/level"
	"github.com/zeroten/zeroten/internal/nps"
)

// ChangePoints are the levels that a score stood on.
type ChangePoints struct {
	// Levels are from the first day to the last, without a gap, and Points where one ends and the next begins.
	Levels []*Level
	Points []*ChangePoint
	Reason *InsightReason
}

// Level is a stretch of days on one level. Both days belong to it.
type Level struct {
	Start, End calendar.Day
	Score      *Score
}

// ChangePoint is a day at which the score moved.
type ChangePoint struct {
	// Day is the first day of the new level, which may have been Earliest to Latest.
	Day, Earliest, Latest calendar.Day
	// Difference is the new level less the old, in points.
	Difference float64
	Interval   *ScoreInterval
}

// stretchTime is how many nanoseconds it takes to weigh a stretch of days, and levelsTime what it takes whatever there is to weigh.
const stretchTime, levelsTime = 5, 150_000

// ChangePoints finds the days at which the score moved to another level. Neighbouring levels nearer than minDifference, in points,
// are put together.
func (f *Feedback) ChangePoints(ctx context.Context, minDifference float64) (*ChangePoints, error) {
	const field = "changePoints"
	if err := f.uncut(field); err != nil {
		return nil, err
	}
	if !(minDifference >= 0 && minDifference <= 2*points) {
		return nil, apierror.BadRequest("%s: minDifference is 0 to %d.", field, 2*points)
	}
	first, days, err := f.days(ctx, field, level.MaxDays)
	if err != nil {
		return nil, err
	}
	counts := make([]nps.Counts, len(days))
	for i := range days {
		counts[i] = days[i].Counts()
	}
	if err := spendTime(ctx, levelsTime+stretchTime*int64(level.Work(len(days)))); err != nil {
		return nil, err
	}
	found, why := level.Find(counts, minDifference/points)
	out := &ChangePoints{Levels: []*Level{}, Points: []*ChangePoint{}, Reason: reason(why)}
	totals := make([]nps.Histogram, len(found.Levels))
	for i, l := range found.Levels {
		for _, day := range days[l.Start : l.End+1] {
			totals[i] = totals[i].Add(day)
		}
		out.Levels = append(out.Levels, &Level{Start: first.Add(l.Start), End: first.Add(l.End), Score: &Score{totals[i]}})
	}
	for i, p := range found.Points {
		change := compare(totals[i+1], totals[i])
		out.Points = append(out.Points, &ChangePoint{
			Day: first.Add(p.Day), Earliest: first.Add(p.Earliest), Latest: first.Add(p.Latest),
			Difference: *change.Difference, Interval: change.Interval(),
		})
	}
	return out, nil
}

// days is what was answered on each day, from the first with responses to the last; more than most are BAD_REQUEST.
func (f *Feedback) days(ctx context.Context, field string, most int) (first calendar.Day, days []nps.Histogram, err error) {
	on := map[calendar.Day]*nps.Histogram{}
	first, last := cube.Latest, cube.Earliest
	var h *nps.Histogram
	var of calendar.Day // that h is of
	if _, err := f.fold(ctx, calendar.Daily, f.source.from, func(c *cube.Cells, at int32) {
		if day := c.Start(at); h == nil || day != of { // cells of one day mostly come after each other
			of, h = day, on[day]
			if h == nil {
				h = &nps.Histogram{}
				on[day] = h
				first, last = min(first, day), max(last, day)
			}
		}
		c.AddTo(h, at)
	}); err != nil {
		return 0, nil, err
	}
	if len(on) == 0 {
		return 0, nil, nil
	}
	if span := int(last-first) + 1; span > most {
		return 0, nil, apierror.BadRequest("%s: from %s to %s there are %d days; at most %d are looked at: narrow from and to.", field, first, last, span, most)
	}
	days = make([]nps.Histogram, last-first+1)
	for day, h := range on {
		days[day-first] = *h
	}
	return first, days, nil
}

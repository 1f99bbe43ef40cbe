package insight

import (
	"context"
	"fmt"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/selection"
)

// HourPoint is the score of one hour.
type HourPoint struct {
	Start time.Time
	// Complete says that the hour is over.
	Complete bool
	Score    *Score
}

// maxHourDays is how many days hours are given of.
const maxHourDays = 14

// Hours gives one point for every hour of the filter's days; those of a filter that is open at its end go to the end of
// today. Cells are by day, and so all responses are read. SQLite would take as long to count them by hour
// as it takes to give them: no index has their scores beside their times, and so it looks each of them up.
func (f *Feedback) Hours(ctx context.Context) ([]*HourPoint, error) {
	reader := f.source.reader
	now := reader.now()
	chosen, within, err := f.Listed(selection.Filter{})
	if err != nil {
		return nil, err
	}
	state, err := reader.states.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, fmt.Errorf("dividing by hours: %w", err)
	}
	first, last := f.source.from, f.source.to
	if first == cube.Earliest {
		return nil, apierror.BadRequest("hours: give the filter from or last: at most %d days.", maxHourDays)
	}
	if last == cube.Latest {
		last = max(first, state.Today(now))
	}
	if days := int(last-first) + 1; days > maxHourDays {
		return nil, apierror.BadRequest("hours: from %s to %s are %d days; at most %d. Narrow from and to, or ask for trend(interval: DAY).", first, last, days, maxHourDays)
	}
	chosen.From, chosen.To = &first, &last
	hours := calendar.Hours(first, last, state.Active.Zone())
	counts := make([]nps.Histogram, len(hours))
	err = selection.Times(ctx, reader.db, state, chosen, within, now, func() { clear(counts) }, func(at time.Time, score int) {
		if len(hours) > 0 {
			counts[calendar.HourAt(hours, at)][score]++
		}
	})
	if err != nil {
		return nil, err
	}
	points := make([]*HourPoint, len(hours))
	for i, h := range hours {
		points[i] = &HourPoint{Start: h.Start, Complete: !now.Before(h.End), Score: &Score{counts[i]}}
	}
	return points, nil
}

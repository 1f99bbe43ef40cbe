package insight

import (
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/selection"
)

// Previous is a period before another one.
type Previous string

// The periods of the schema.
const (
	// PeriodBefore is as long as the period, right before it.
	PeriodBefore Previous = "PERIOD"
	// YearBefore has the same days of the year before.
	YearBefore Previous = "YEAR"
)

// before are the days a period before a filter's, from and to as it was resolved: a side that is open at its end ends today.
// Where the filter's are open at their beginning, or nothing is before them, that is BAD_REQUEST.
func (p Previous) before(f selection.Filter, from, to, today calendar.Day) (first, last calendar.Day, err error) {
	if from == cube.Earliest {
		return 0, 0, apierror.BadRequest("compareTo: give the filter from or last: a period that is open at its beginning has none before it.")
	}
	if to == cube.Latest {
		to = max(from, today)
	}
	switch p {
	case YearBefore:
		first, last = calendar.Yearly.Add(from, -1), calendar.Yearly.Add(to, -1)
	case PeriodBefore:
		first, last = from.Add(int(from-to)-1), from.Add(-1)
		if f.Last != nil && f.Last.Unit != calendar.Daily && f.Last.Unit != calendar.Weekly {
			first = f.Last.Unit.Add(to+1, -2*f.Last.Count)
		} else if next := to + 1; f.Last == nil && calendar.Monthly.Start(from) == from && calendar.Monthly.Start(next) == next {
			first = calendar.Monthly.Add(from, -calendar.Monthly.Count(from, to))
		}
	default:
		return 0, 0, apierror.BadRequest("compareTo: there is no period %.20q.", string(p))
	}
	if first = max(first, calendar.MinDay); last < first || from == calendar.MinDay {
		return 0, 0, apierror.BadRequest("compareTo: nothing is before %s.", from)
	}
	return first, last, nil
}

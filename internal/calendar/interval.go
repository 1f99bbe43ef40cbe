package calendar

import "time"

// Interval is how finely a trend is cut. The functions of an Interval that is none of the constants panic.
type Interval string

// The intervals of the schema.
const (
	Daily     Interval = "DAY"
	Weekly    Interval = "WEEK" // Monday to Sunday, as in ISO 8601.
	Monthly   Interval = "MONTH"
	Quarterly Interval = "QUARTER"
	Yearly    Interval = "YEAR"
)

// Valid says whether i is one of the constants.
func (i Interval) Valid() bool {
	switch i {
	case Daily, Weekly, Monthly, Quarterly, Yearly:
		return true
	}
	return false
}

// months is the length of the interval in months, 0 for those that are counted in days.
func (i Interval) months() int {
	switch i {
	case Daily, Weekly:
		return 0
	case Monthly:
		return 1
	case Quarterly:
		return 3
	case Yearly:
		return 12
	}
	panic("calendar: no such interval: " + string(i))
}

// Start is the first day of the interval that holds d.
func (i Interval) Start(d Day) Day {
	switch i {
	case Daily:
		return d
	case Weekly:
		sinceMonday := (int(d.utc().Weekday()) + 6) % 7
		return d - Day(sinceMonday)
	}
	month, _ := d.month()
	return firstOf(i.first(month))
}

// first is the number of the first month of the interval that holds a month, before the year 1 as well.
func (i Interval) first(month int) int {
	n := i.months()
	return month - (month%n+n)%n
}

// Next is the first day of the interval after the one that holds d. It is always later than d, at the end of the
// calendar too, where it lies beyond MaxDay.
func (i Interval) Next(d Day) Day {
	switch i {
	case Daily:
		return d + 1
	case Weekly:
		return i.Start(d) + 7
	}
	month, _ := d.month()
	return firstOf(i.first(month) + i.months())
}

// Add is the day n intervals after d, or before it where n is negative. The day of the month is kept, or is the
// month's last where it has no such day: a month after 31 January is the last of February. From the first day of an
// interval it leads to the first day of another. Beyond the calendar it gives MinDay or MaxDay.
func (i Interval) Add(d Day, n int) Day {
	n = min(max(n, -moreThanAllDays), moreThanAllDays)
	switch i {
	case Daily:
		return inCalendar(int(d) + n)
	case Weekly:
		return inCalendar(int(d) + 7*n)
	}
	month, day := d.month()
	month += n * i.months()
	if month < 1*12 {
		return MinDay
	}
	if month >= 10_000*12 {
		return MaxDay
	}
	return min(firstOf(month)+Day(day-1), firstOf(month+1)-1)
}

// Count is how many intervals a range of days touches, both ends included: 0 where it ends before it begins.
func (i Interval) Count(from, to Day) int {
	if to < from {
		return 0
	}
	switch i {
	case Daily:
		return int(to-from) + 1
	case Weekly:
		return int(i.Start(to)-i.Start(from))/7 + 1
	}
	first, _ := from.month()
	last, _ := to.month()
	return (i.first(last)-i.first(first))/i.months() + 1
}

func firstOf(month int) Day { return Of(month/12, time.Month(month%12+1), 1) }

func inCalendar(day int) Day { return Day(min(max(day, int(MinDay)), int(MaxDay))) }

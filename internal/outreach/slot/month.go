package slot

import (
	"time"

	"github.com/zeroten/zeroten/internal/calendar"
)

// AddMonths is n months after an instant on the calendar of a zone, at the same time of day, or before it where n is negative. The day
// of the month is kept, or is the month's last where it has no such day: a month after 31 January is the last of February. No month
// after an instant is that instant. Beyond the calendar it is on the calendar's first or last day.
func AddMonths(t time.Time, n int, zone *time.Location) time.Time {
	if n == 0 {
		return t.In(zone)
	}
	hour, minute, second := t.In(zone).Clock()
	day := calendar.Monthly.Add(calendar.DayOf(t, zone), n)
	shown := int64(day)*secondsADay + int64(hour)*secondsAnHour + int64(minute)*60 + int64(second)
	return instant(zone, shown).Add(time.Duration(t.Nanosecond()))
}

// Round is the k-th of the rounds of so many months each, 1 or more, of which the first, number 0, begins with a day in a zone: it is
// from one instant on and before another, where the next one begins. Rounds begin on the same day of the month, or on the month's last
// where it has no such day. Those that have a negative number are before the first.
func Round(start calendar.Day, everyMonths int, zone *time.Location, k int) (from, to time.Time) {
	return roundStart(start, everyMonths, zone, k), roundStart(start, everyMonths, zone, k+1)
}

// RoundAt is the number of the round that an instant is in: negative before the first.
func RoundAt(start calendar.Day, everyMonths int, zone *time.Location, at time.Time) int {
	months := calendar.WholeMonths(start, calendar.DayOf(at, zone))
	k := months / everyMonths
	if months%everyMonths < 0 {
		k--
	}
	// A month that lacks the day is over a day later by WholeMonths than by Round; and where clocks are set back over midnight, the day
	// before comes again when the round has begun.
	if !at.Before(roundStart(start, everyMonths, zone, k+1)) {
		k++
	}
	return k
}

func roundStart(start calendar.Day, everyMonths int, zone *time.Location, k int) time.Time {
	return calendar.Monthly.Add(start, k*everyMonths).Start(zone)
}

// MonthOf is the month that an instant is in on the calendar of a zone, as year*12+month-1: the one of which it is not before the
// MonthStart, but before that of the next one.
func MonthOf(at time.Time, zone *time.Location) int {
	year, month, _ := calendar.DayOf(at, zone).Date()
	n := year*12 + int(month) - 1
	// Where clocks are set back over midnight the month before is shown again.
	if !at.Before(MonthStart(n+1, zone)) {
		n++
	}
	return n
}

// MonthStart is the first instant of a month in a zone. The month is one of the years 1 to 9999, as MonthOf gives it, or the next one.
func MonthStart(month int, zone *time.Location) time.Time {
	return calendar.Of(month/12, time.Month(month%12+1), 1).Start(zone)
}

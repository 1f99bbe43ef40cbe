// Package calendar reckons in calendar days: what day an instant falls on, when a day begins in a time zone,
// how many months lie between two days, and which interval of a trend a day belongs to.
package calendar

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Day is a calendar day of no particular time zone: days since 1970-01-01 in the proleptic Gregorian calendar.
// Days go from MinDay to MaxDay; the days next to these serve as bounds that are not themselves included.
type Day int32

// The first and the last day: 0001-01-01 and 9999-12-31.
const (
	MinDay Day = -719162
	MaxDay Day = 2932896
)

const (
	secondsADay = 24 * 60 * 60
	layout      = "2006-01-02"
	// moreThanAllDays is more than the calendar has days: going further changes nothing, and would overflow.
	moreThanAllDays = 4_000_000
)

// DayOf is the day that the clocks of loc show at t, MinDay or MaxDay where they show one beyond.
func DayOf(t time.Time, loc *time.Location) Day {
	return Day(min(max(shownDay(t, loc), int64(MinDay)), int64(MaxDay)))
}

// shownDay is DayOf beyond the calendar too.
func shownDay(t time.Time, loc *time.Location) int64 {
	_, offset := t.In(loc).Zone()
	local := t.Unix() + int64(offset)
	day := local / secondsADay
	if local%secondsADay < 0 {
		day--
	}
	return day
}

// Of is the day with this date. A date that does not exist is carried on, as by time.Date: 30 February is 2 or 1 March.
// The year lies in 0 to 10000.
func Of(year int, month time.Month, day int) Day {
	return Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsADay)
}

// ParseDay reads an ISO 8601 day, e.g. 2026-11-22: four digits, two, two. Days that do not exist are refused,
// such as 30 February, and so is the year 0000.
func ParseDay(text string) (Day, error) {
	t, err := time.Parse(layout, text)
	if err != nil || len(text) != len(layout) || t.Year() < 1 {
		return 0, fmt.Errorf("%.40q is no calendar day, such as 2026-11-22", text)
	}
	return Day(t.Unix() / secondsADay), nil
}

func (d Day) utc() time.Time { return time.Unix(int64(d)*secondsADay, 0).UTC() }

// String is the day as ISO 8601, e.g. 2026-11-22.
func (d Day) String() string { return d.utc().Format(layout) }

// Date is the day's year, month and day of the month.
func (d Day) Date() (year int, month time.Month, day int) { return d.utc().Date() }

// Add is the day n days on, or back where n is negative; at most one day outside the calendar.
func (d Day) Add(n int) Day {
	n = min(max(n, -moreThanAllDays), moreThanAllDays)
	return Day(min(max(int64(d)+int64(n), int64(MinDay)-1), int64(MaxDay)+1))
}

// Start is the first instant of the day in loc. Where the clocks skip midnight that is the first instant after it;
// where they skip the whole day it is the first instant of the next one. Where they are set back over midnight the
// day begins twice, and Start is the first of the two.
func (d Day) Start(loc *time.Location) time.Time {
	midnight := int64(d) * secondsADay
	// No clock is a day off UTC, so that the day has not begun yet anywhere.
	t := time.Unix(midnight-secondsADay, 0).In(loc)
	for {
		_, offset := t.Zone()
		begins := t
		if local := midnight - int64(offset); local > t.Unix() {
			begins = time.Unix(local, 0).In(loc)
		}
		_, end := t.ZoneBounds()
		if !end.IsZero() && !end.After(t) {
			// ZoneBounds takes leap years to end a day early (go.dev/issue/81583); the year's last zone lasts to its end.
			end = time.Date(t.UTC().Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC).In(loc)
		}
		if end.IsZero() || begins.Before(end) {
			return begins
		}
		t = end
	}
}

// WholeMonths is how many months have gone by at to, counted from from: a month is over once its day of the month is
// reached, or is past in a month that has no such day. From 31 January that is 0 on 28 February and 1 on 1 March.
// It is negative where to lies before from, rounded down: −1 for the day before.
func WholeMonths(from, to Day) int {
	fromMonth, fromDay := from.month()
	toMonth, toDay := to.month()
	months := toMonth - fromMonth
	if toDay < fromDay {
		months--
	}
	return months
}

// month numbers the months of all years in one row, and says which day of its month d is.
func (d Day) month() (number, day int) {
	y, m, day := d.Date()
	return y*12 + int(m) - 1, day
}

// MarshalJSON writes the day as by String, and refuses one outside the calendar.
func (d Day) MarshalJSON() ([]byte, error) {
	if d < MinDay || d > MaxDay {
		return nil, fmt.Errorf("day %d lies outside the years 0001 to 9999", int32(d))
	}
	return json.Marshal(d.String())
}

// UnmarshalJSON reads what MarshalJSON writes; null changes nothing.
func (d *Day) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("reading a calendar day: %w", err)
	}
	if text == nil {
		return nil
	}
	day, err := ParseDay(*text)
	if err != nil {
		return err
	}
	*d = day
	return nil
}

// Value gives databases the number of the day.
func (d Day) Value() (driver.Value, error) { return int64(d), nil }

// Scan reads the number of a day from a database.
func (d *Day) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("reading a calendar day: want int64, got %T", src)
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return fmt.Errorf("reading a calendar day: %d is out of range", n)
	}
	*d = Day(n)
	return nil
}

package calendar

import (
	"slices"
	"time"
)

// Hour is the time in which clocks show one hour of one day, without being changed. It is shorter than usual where they are
// changed in its middle; one that they repeat is two Hours, and one that they skip is none.
type Hour struct {
	// Start is its first instant, and End the first one after it.
	Start, End time.Time
}

// Hours are those of the days from first to last in loc, in order.
func Hours(first, last Day, loc *time.Location) []Hour {
	var hours []Hour
	// A day that begins twice ends after the second time.
	until := last.Start(loc).Add(50 * time.Hour)
	for t := first.Start(loc); t.Before(until); {
		end := hourEnd(t, loc)
		if day := shownDay(t, loc); int64(first) <= day && day <= int64(last) {
			hours = append(hours, Hour{t, end})
		}
		t = end
	}
	return hours
}

// hourEnd is where the hour that t is in ends.
func hourEnd(t time.Time, loc *time.Location) time.Time {
	offset := func(unix int64) int64 {
		_, offset := time.Unix(unix, 0).In(loc).Zone()
		return int64(offset)
	}
	const hour = 60 * 60
	from, own := t.Unix(), offset(t.Unix())
	into := (from + own) % hour
	if into < 0 {
		into += hour
	}
	end := from - into + hour
	// Looking at what clocks show needs no table of their changes: see Day.Start.
	if offset(end-1) != own {
		end--
		for from+1 < end {
			if middle := from + (end-from)/2; offset(middle) == own {
				from = middle
			} else {
				end = middle
			}
		}
	}
	return time.Unix(end, 0).In(loc)
}

// HourAt is which of the hours, which are in order, an instant is in: the first or the last of them for one beyond.
func HourAt(hours []Hour, t time.Time) int {
	at, found := slices.BinarySearchFunc(hours, t, func(h Hour, t time.Time) int { return h.Start.Compare(t) })
	if !found {
		at--
	}
	return min(max(at, 0), len(hours)-1)
}

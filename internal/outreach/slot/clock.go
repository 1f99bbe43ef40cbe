package slot

import (
	"iter"
	"math"
	"time"
)

const (
	secondsADay   = 24 * 60 * 60
	secondsAnHour = 60 * 60
	// forever is later than every instant that is asked for, and leaves room to reckon with.
	forever = math.MaxInt64 / 2
)

// stretch is a stretch of what clocks show, in seconds since they would have shown 1970-01-01 00:00, all of which they show, or skip, at
// instants that are offset seconds less, in Unix time.
type stretch struct {
	from, to int64
	offset   int64
	// skipped says that clocks show none of it. The instants are then those after the change, and thereby also those of what is shown next.
	skipped bool
}

// stretches are what the clocks of a zone show from since on, each time once and in order: one that they show twice in the stretch in
// which they first do.
func stretches(zone *time.Location, since int64) iter.Seq[stretch] {
	return func(yield func(stretch) bool) {
		// No clock is a day off UTC, so that none has shown since yet.
		at, shown := since-secondsADay, since
		var before int64
		for at < forever {
			offset, end := period(zone, at)
			if shows := at + offset; shows > shown {
				if !yield(stretch{shown, shows, before, true}) {
					return
				}
				shown = shows
			}
			if ends := end + offset; ends > shown {
				if !yield(stretch{shown, ends, offset, false}) {
					return
				}
				shown = ends
			}
			at, before = end, offset
		}
	}
}

// period is how many seconds the clocks of a zone are ahead of UTC at an instant, and until when they surely stay so.
func period(zone *time.Location, at int64) (offset, end int64) {
	t := time.Unix(at, 0).In(zone)
	_, ahead := t.Zone()
	_, until := t.ZoneBounds()
	if until.IsZero() {
		return int64(ahead), forever
	}
	if !until.After(t) {
		// ZoneBounds takes leap years to end a day early (go.dev/issue/81583); the year's last zone lasts to its end.
		until = time.Date(t.UTC().Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	if !until.After(t) {
		return int64(ahead), forever
	}
	return int64(ahead), until.Unix()
}

// instant is when the clocks of a zone show something, in seconds as those of a stretch, by the rule of the package: here alone it is
// said, since time.Date goes forth over a gap in some zones and back in others, and takes the first of two in some and the second in others.
func instant(zone *time.Location, shown int64) time.Time {
	for s := range stretches(zone, shown) {
		return time.Unix(shown-s.offset, 0).In(zone)
	}
	return time.Unix(shown, 0).In(zone) // Beyond forever.
}

// dayOf is which day since 1970-01-01 a second is in.
func dayOf(second int64) int64 {
	day := second / secondsADay
	if second%secondsADay < 0 {
		day--
	}
	return day
}

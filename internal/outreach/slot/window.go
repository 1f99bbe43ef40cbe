package slot

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"
)

// Weekdays is a set of weekdays: bit i, from 0 to 6, is the weekday i+1 of ISO 8601, so that bit 0 is Monday.
type Weekdays uint8

// Has says whether the day is in the set; what is no weekday is in none.
func (s Weekdays) Has(day time.Weekday) bool {
	return time.Sunday <= day && day <= time.Saturday && s&(1<<((day+6)%7)) != 0
}

// Window is when mails may arrive, in the person's own time: on its weekdays, from an hour on and before another.
//
// Of an hour that clocks show twice it is open in the first only, so that a window of one hour is open for one there too. An hour that
// they skip counts as the next one: the window is open later by as much as they skip, but not twice as long where it is open then anyway.
// Where the skipped hour is a day's last, that is on the next day, in the window or not. A day that they skip as a whole has no hours.
type Window struct {
	// Weekdays are one at least.
	Weekdays Weekdays
	// From is 0 to 23, To is 1 to 24, and more than From.
	From, To int
}

// twoWeeks are longer than a window of one weekday is ever closed: a week, and six days more where that day is skipped, and some hours
// where clocks are changed.
const twoWeeks = 14 * secondsADay

// Contains says whether the window is open at an instant in a zone.
func (w Window) Contains(at time.Time, zone *time.Location) bool {
	return len(w.open(at.Unix(), at.Unix()+1, zone)) > 0
}

// Next is the first instant, not before at, at which the window is open in the zone: at itself where it is open then. It is the zero
// Time for a window without weekdays or hours.
func (w Window) Next(at time.Time, zone *time.Location) time.Time {
	from := at.Unix()
	switch spans := w.open(from, from+twoWeeks, zone); {
	case len(spans) == 0:
		return time.Time{}
	case spans[0].from > from:
		return time.Unix(spans[0].from, 0).In(zone)
	default:
		return at.In(zone)
	}
}

// Spread is the instant, a whole second, not before from and before to, that falls to somebody whose lot is u, so that people are
// spread evenly over the time that the window is open in their zone. It is false where the window is open for no whole second. For
// many people of one zone a Plan does the same faster.
func (w Window) Spread(from, to time.Time, zone *time.Location, u uint64) (at time.Time, ok bool) {
	return w.Plan(from, to, zone).At(u)
}

// Plan is the time from one instant to another that a window is open in a zone. It is never changed, and serves many at once.
type Plan struct {
	zone  *time.Location
	spans []span
	// ends are how many seconds are open until the end of each span.
	ends []int64
}

// Plan reckons when the window is open from one instant on and before another. It takes time and memory by the days between.
func (w Window) Plan(from, to time.Time, zone *time.Location) *Plan {
	p := &Plan{zone: zone, spans: w.open(ceil(from), ceil(to), zone)}
	p.ends = make([]int64, len(p.spans))
	var open int64
	for i, s := range p.spans {
		open += s.to - s.from
		p.ends[i] = open
	}
	return p
}

// At is the instant that falls to a lot, as Spread says it.
func (p *Plan) At(u uint64) (at time.Time, ok bool) {
	if len(p.spans) == 0 {
		return time.Time{}, false
	}
	second := int64(share(u, uint64(p.ends[len(p.ends)-1])))
	i := sort.Search(len(p.ends), func(i int) bool { return p.ends[i] > second })
	return time.Unix(p.spans[i].to-(p.ends[i]-second), 0).In(p.zone), true
}

// ceil is the first whole second that is not before an instant, in Unix time.
func ceil(t time.Time) int64 {
	if t.Nanosecond() > 0 && t.Unix() < math.MaxInt64 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// span is the instants from one on and before another, in Unix time.
type span struct{ from, to int64 }

// open is when the window is open from one instant on and before another, in order and as few spans as can be.
func (w Window) open(from, to int64, zone *time.Location) []span {
	// No clock is a day off UTC.
	first, last := dayOf(from)-1, dayOf(to)+1
	spans := make([]span, 0, min(max(last-first, 0), 1000))
	for s := range stretches(zone, first*secondsADay) {
		if dayOf(s.from) > last {
			break
		}
		for day := max(dayOf(s.from), first); day <= last && day*secondsADay < s.to; day++ {
			midnight := day * secondsADay
			// 1970-01-01 was a Thursday.
			weekday := time.Weekday(((day+int64(time.Thursday))%7 + 7) % 7)
			if !w.Weekdays.Has(weekday) || s.skipped && s.from <= midnight && midnight+secondsADay <= s.to {
				continue
			}
			begins := max(midnight+int64(w.From)*secondsAnHour, s.from) - s.offset
			ends := min(midnight+int64(w.To)*secondsAnHour, s.to) - s.offset
			if begins, ends = max(begins, from), min(ends, to); begins < ends {
				spans = append(spans, span{begins, ends})
			}
		}
	}
	return union(spans)
}

// union puts spans in order, and those together that meet. It reuses their memory.
func union(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	apart := spans[:0]
	for _, s := range spans {
		if n := len(apart); n > 0 && s.from <= apart[n-1].to {
			apart[n-1].to = max(apart[n-1].to, s.to)
		} else {
			apart = append(apart, s)
		}
	}
	return apart
}

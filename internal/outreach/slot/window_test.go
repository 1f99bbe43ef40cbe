package slot_test

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/outreach/slot"
	"pgregory.net/rapid"
)

// zones change their clocks in all the ways that there are: by an hour, by half an hour and by two hours, at midnight, just after it and
// an hour before it, by a day, for Ramadan, in winter, not at all; with offsets of quarters of an hour, and far from UTC.
var zones = []string{
	"UTC", "Europe/Amsterdam", "Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Istanbul", "Europe/Moscow",
	"America/New_York", "America/St_Johns", "America/Los_Angeles", "America/Sao_Paulo", "America/Santiago", "America/Asuncion",
	"America/Havana", "America/Nuuk", "America/Scoresbysund", "America/Caracas", "Atlantic/Azores", "Antarctica/Troll",
	"Africa/Cairo", "Africa/Casablanca", "Asia/Beirut", "Asia/Gaza", "Asia/Amman", "Asia/Tehran", "Asia/Kolkata", "Asia/Kathmandu",
	"Asia/Pyongyang", "Asia/Tokyo", "Australia/Lord_Howe", "Australia/Eucla", "Australia/Sydney", "Pacific/Chatham", "Pacific/Auckland",
	"Pacific/Apia", "Pacific/Kiritimati", "Pacific/Kwajalein", "Pacific/Pago_Pago", "Etc/GMT+12",
}

const always = slot.Weekdays(0b1111111)

// weekdaysOf is the set of these weekdays.
func weekdaysOf(days ...time.Weekday) (set slot.Weekdays) {
	for _, day := range days {
		set |= 1 << ((day + 6) % 7)
	}
	return set
}

func zone(t rapid.TB, name string) *time.Location {
	t.Helper()
	loc, err := calendar.LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func instant(t rapid.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// minute is what clocks show at an instant, as minutes since they would have shown 1970-01-01 00:00.
func minute(at time.Time, loc *time.Location) int64 {
	year, month, day := at.In(loc).Date()
	hour, minute, _ := at.In(loc).Clock()
	return time.Date(year, month, day, hour, minute, 0, 0, time.UTC).Unix() / 60
}

// judge walks from an instant to another by the minute, and says of each whether the window is open: by looking at a clock, as
// somebody would who has no table of zones and remembers what it showed.
func judge(w slot.Window, from, to time.Time, loc *time.Location) []bool {
	allows := func(shown int64) bool {
		t := time.Unix(shown*60, 0).UTC()
		return w.Weekdays.Has(t.Weekday()) && t.Hour() >= w.From && t.Hour() < w.To
	}
	// What was shown up to two days before comes again at the most.
	at := from.Add(-50 * time.Hour)
	open := make([]bool, int(to.Sub(at)/time.Minute))
	seen := make(map[int64]bool, len(open))
	latest := minute(at.Add(-time.Minute), loc)
	for i := range open {
		shown := minute(at.Add(time.Duration(i)*time.Minute), loc)
		if skipped := shown - latest - 1; skipped > 0 {
			for n := range skipped {
				missed := latest + 1 + n
				// Its day is none where all of its minutes are missed.
				midnight := missed - missed%(24*60)
				if midnight > latest && midnight+24*60 <= shown {
					continue
				}
				if later := i + int(n); later < len(open) && allows(missed) {
					open[later] = true
				}
			}
		}
		if !seen[shown] && allows(shown) {
			open[i] = true
		}
		seen[shown] = true
		latest = max(latest, shown)
	}
	return open[int(50*time.Hour/time.Minute):]
}

// agree holds a window to what the judge says of the days from one midnight of UTC on.
func agree(t rapid.TB, w slot.Window, from time.Time, days int, loc *time.Location) {
	t.Helper()
	to := from.AddDate(0, 0, days)
	ahead := 2
	if w.Weekdays != always {
		ahead = 16 // A window of one weekday may next be open two weeks later.
	}
	open := judge(w, from, to.AddDate(0, 0, ahead), loc)
	// The plan is compared by the minute; all else around where something changes, and now and then.
	worth := func(i int) bool { return i%31 == 0 || open[i-1] != open[i] || open[i+1] != open[i] }
	var minutes []time.Time
	for i, is := range open {
		at := from.Add(time.Duration(i) * time.Minute)
		if is {
			minutes = append(minutes, at)
		}
		if !at.Before(to) || !worth(i) {
			continue
		}
		for _, at := range []time.Time{at, at.Add(time.Minute - 1)} {
			if got := w.Contains(at, loc); got != is {
				t.Fatalf("%+v in %s has %s: %t, want %t", w, loc, at.In(loc), got, is)
			}
		}
	}
	next := 0
	for i := 0; from.Add(time.Duration(i) * time.Minute).Before(to); i++ {
		if !worth(i) {
			continue
		}
		at := from.Add(time.Duration(i)*time.Minute + 7)
		for next < len(minutes) && minutes[next].Add(time.Minute).Before(at) {
			next++
		}
		if next == len(minutes) {
			t.Fatalf("%+v in %s is never open", w, loc)
		}
		want := minutes[next]
		if want.Before(at) {
			want = at
		}
		if got := w.Next(at, loc); !got.Equal(want) || got.Location() != loc {
			t.Fatalf("%+v in %s is next open at %s after %s, want %s", w, loc, got, at.In(loc), want.In(loc))
		}
	}
	last := len(minutes)
	for last > 0 && !minutes[last-1].Before(to) {
		last--
	}
	plan := w.Plan(from, to, loc)
	if last == 0 {
		if at, ok := plan.At(0); ok {
			t.Fatalf("%+v in %s is planned at %s", w, loc, at)
		}
		return
	}
	for i, want := range minutes[:last] {
		// The first lots of a minute and of the next one.
		u, rest := bits.Div64(uint64(i), 0, uint64(last))
		if rest > 0 {
			u++
		}
		at, ok := plan.At(u)
		if !ok || !at.Equal(want) {
			t.Fatalf("%+v in %s from %s to %s: minute %d of %d is at %s, %t, want %s", w, loc, from, to, i, last, at, ok, want)
		}
		if i%31 == 0 {
			if again, ok := w.Spread(from, to, loc, u); !ok || !again.Equal(at) {
				t.Fatalf("spread at %s, and planned at %s", again, at)
			}
		}
		if i > 0 {
			if at, _ := plan.At(u - 1); !at.Equal(minutes[i-1].Add(59 * time.Second)) {
				t.Fatalf("%+v in %s: the lot before minute %d falls at %s", w, loc, i, at)
			}
		}
	}
	if at, _ := plan.At(math.MaxUint64); !at.Equal(minutes[last-1].Add(59 * time.Second)) {
		t.Fatalf("%+v in %s: the last lot falls at %s, want %s", w, loc, at, minutes[last-1])
	}
}

func windows() *rapid.Generator[slot.Window] {
	return rapid.Custom(func(t *rapid.T) slot.Window {
		from := rapid.IntRange(0, 23).Draw(t, "from")
		return slot.Window{
			Weekdays: slot.Weekdays(rapid.Uint8Range(1, 127).Draw(t, "weekdays")),
			From:     from, To: rapid.IntRange(from+1, 24).Draw(t, "to"),
		}
	})
}

// changes are the days of UTC in which clocks are changed, of some years.
func changes(first, last int, loc *time.Location) []time.Time {
	var days []time.Time
	offset := func(at time.Time) int {
		_, offset := at.In(loc).Zone()
		return offset
	}
	for day := time.Date(first, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() <= last; day = day.AddDate(0, 0, 1) {
		if offset(day) != offset(day.AddDate(0, 0, 1)) {
			days = append(days, day)
		}
	}
	return days
}

func TestWindowsAreAsClocksShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		year := rapid.IntRange(1973, 2070).Draw(t, "year")
		from := time.Date(year, 1, rapid.IntRange(1, 366).Draw(t, "day"), 0, 0, 0, 0, time.UTC)
		if days := changes(year, year, loc); len(days) > 0 && rapid.IntRange(0, 4).Draw(t, "any day") > 0 {
			from = rapid.SampledFrom(days).Draw(t, "change").AddDate(0, 0, -rapid.IntRange(0, 2).Draw(t, "before"))
		}
		agree(t, windows().Draw(t, "window"), from, rapid.IntRange(1, 4).Draw(t, "days"), loc)
	})
}

// Every change of clocks in three years, and the strangest of others, by windows that it falls into.
func TestWindowsOverEveryChange(t *testing.T) {
	night := []slot.Window{{always, 0, 24}, {always, 0, 1}, {always, 1, 2}, {always, 2, 3}, {always, 23, 24}, {always, 1, 4}, {always, 2, 4}}
	for _, name := range zones {
		loc := zone(t, name)
		for i, day := range changes(2024, 2026, loc) {
			agree(t, night[i%len(night)], day.AddDate(0, 0, -1), 3, loc)
			weekday := weekdaysOf(day.Weekday())
			agree(t, slot.Window{weekday, i % 4, i%4 + 1}, day.AddDate(0, 0, -1), 3, loc)
		}
	}
	for name, day := range map[string]string{
		"Pacific/Apia": "2011-12-30", "Pacific/Kiritimati": "1994-12-31", "Pacific/Kwajalein": "1993-08-21", "America/St_Johns": "2010-11-07",
		"America/Goose_Bay": "2010-03-14",
		"Asia/Pyongyang":    "2018-05-04", "America/Caracas": "2016-05-01", "Africa/Cairo": "2014-05-15", "Antarctica/Troll": "2012-03-25",
		"America/New_York": "2044-12-31", "Australia/Lord_Howe": "2048-12-31",
	} {
		date, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range append(night, slot.Window{weekdaysOf(date.Weekday()), 8, 18}, slot.Window{always &^ weekdaysOf(date.Weekday()), 0, 24}) {
			agree(t, w, date.AddDate(0, 0, -2), 4, zone(t, name))
		}
	}
}

func TestWindows(t *testing.T) {
	for _, test := range []struct {
		name, zone, from, to string
		window               slot.Window
		first, last          string
		minutes              int
	}{
		{
			"skipped", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", slot.Window{always, 2, 3},
			"2026-03-29T03:00:00+02:00", "2026-03-29T03:59:59+02:00", 60,
		},
		{
			"skipped, with the next", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", slot.Window{always, 2, 4},
			"2026-03-29T03:00:00+02:00", "2026-03-29T03:59:59+02:00", 60,
		},
		{
			"twice", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", slot.Window{always, 2, 3},
			"2026-10-25T02:00:00+02:00", "2026-10-25T02:59:59+02:00", 60,
		},
		{
			"around what comes twice", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", slot.Window{always, 1, 4},
			"2026-10-25T01:00:00+02:00", "2026-10-25T03:59:59+01:00", 180,
		},
		{
			"half an hour skipped", "Australia/Lord_Howe", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z", slot.Window{always, 2, 3},
			"2026-10-04T02:30:00+11:00", "2026-10-04T02:59:59+11:00", 30,
		},
		{
			"half an hour twice", "Australia/Lord_Howe", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", slot.Window{always, 1, 3},
			"2026-04-05T01:00:00+11:00", "2026-04-05T02:59:59+10:30", 120,
		},
		{
			"midnight skipped", "America/Santiago", "2026-09-06T03:00:00Z", "2026-09-07T03:00:00Z", slot.Window{weekdaysOf(time.Sunday), 0, 1},
			"2026-09-06T01:00:00-03:00", "2026-09-06T01:59:59-03:00", 60,
		},
		{
			"the day's last hour skipped", "America/Nuuk", "2026-03-28T02:00:00Z", "2026-03-30T02:00:00Z", slot.Window{weekdaysOf(time.Saturday), 22, 24},
			"2026-03-28T22:00:00-02:00", "2026-03-29T00:59:59-01:00", 120,
		},
		{
			"Friday skipped", "Pacific/Apia", "2011-12-25T00:00:00Z", "2012-01-01T00:00:00Z", slot.Window{always &^ weekdaysOf(time.Saturday), 8, 18},
			"2011-12-25T08:00:00-10:00", "2012-01-01T13:59:59+14:00", 5*600 + 360,
		},
		{
			"its only day skipped", "Pacific/Apia", "2011-12-24T06:00:00Z", "2012-01-06T00:00:00Z", slot.Window{weekdaysOf(time.Friday), 9, 10},
			"2012-01-06T09:00:00+14:00", "2012-01-06T09:59:59+14:00", 60,
		},
		{
			"two hours skipped", "Antarctica/Troll", "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z", slot.Window{weekdaysOf(time.Sunday), 2, 3},
			"2026-03-29T04:00:00+02:00", "2026-03-29T04:59:59+02:00", 60,
		},
		{
			"a span within", "Asia/Kathmandu", "2026-06-01T05:00:00Z", "2026-06-01T05:30:00Z", slot.Window{weekdaysOf(time.Monday), 8, 18},
			"2026-06-01T10:45:00+05:45", "2026-06-01T11:14:59+05:45", 30,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			loc := zone(t, test.zone)
			from, to := instant(t, test.from), instant(t, test.to)
			first, ok := test.window.Spread(from, to, loc, 0)
			last, _ := test.window.Spread(from, to, loc, math.MaxUint64)
			if !ok || first.Format(time.RFC3339) != test.first || last.Format(time.RFC3339) != test.last {
				t.Errorf("spread from %s to %s, want %s to %s", first.Format(time.RFC3339), last.Format(time.RFC3339), test.first, test.last)
			}
			if next := test.window.Next(from, loc); !next.Equal(first) {
				t.Errorf("next is %s", next)
			}
			minutes := 0
			for at := from; at.Before(to); at = at.Add(time.Minute) {
				if test.window.Contains(at, loc) {
					minutes++
				}
			}
			if minutes != test.minutes {
				t.Errorf("open for %d minutes, want %d", minutes, test.minutes)
			}
		})
	}
}

func TestSpreadKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		w, u := windows().Draw(t, "window"), rapid.Uint64().Draw(t, "lot")
		from := time.Unix(rapid.Int64Range(1e8, 3e9).Draw(t, "from"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		to := from.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(20*24*time.Hour)).Draw(t, "long")))
		at, ok := w.Spread(from, to, loc, u)
		whole := from.Add(time.Second - 1).Truncate(time.Second)
		if next := w.Next(whole, loc); ok != next.Before(to) {
			t.Fatalf("%+v in %s is next open at %s, but from %s to %s spread is %t", w, loc, next, from, to, ok)
		}
		if !ok {
			return
		}
		if at.Before(from) || !at.Before(to) || !w.Contains(at, loc) || at.Nanosecond() != 0 || at.Location() != loc {
			t.Fatalf("%+v in %s: %s is no slot from %s to %s", w, loc, at, from, to)
		}
		if later, _ := w.Spread(from, to, loc, u+min(math.MaxUint64-u, 1<<40)); later.Before(at) {
			t.Fatalf("a larger lot falls at %s, before %s", later, at)
		}
	})
}

// chiSquare is of counts that are to be the same, and limit what it exceeds once in a million times, by Wilson and Hilferty.
func chiSquare(counts []int) (got, limit float64) {
	n := 0
	for _, count := range counts {
		n += count
	}
	mean := float64(n) / float64(len(counts))
	for _, count := range counts {
		got += (float64(count) - mean) * (float64(count) - mean) / mean
	}
	df := float64(len(counts) - 1)
	return got, df * math.Pow(1-2/(9*df)+4.753*math.Sqrt(2/(9*df)), 3)
}

// Over a year people fall evenly on its hours, on weekdays and on months as these have open hours, in zones with and without changes.
func TestSpreadIsEven(t *testing.T) {
	w := slot.Window{weekdaysOf(time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday), 8, 18}
	for _, name := range []string{"UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		loc := zone(t, name)
		from, to := time.Date(2026, 2, 2, 0, 0, 0, 0, loc), time.Date(2027, 2, 1, 0, 0, 0, 0, loc) // 52 whole weeks.
		plan := w.Plan(from, to, loc)
		var hours, weekdays, minutes, weeks []int
		hours, weekdays, minutes, weeks = make([]int, 10), make([]int, 5), make([]int, 60), make([]int, 52)
		for i := range 100_000 {
			at, ok := plan.At(slot.Lot("slot", []byte{byte(i), byte(i >> 8), byte(i >> 16)}))
			if !ok {
				t.Fatal("never open")
			}
			hours[at.Hour()-8]++
			weekdays[at.Weekday()-time.Monday]++
			minutes[at.Minute()]++
			weeks[int(calendar.DayOf(at, loc)-calendar.DayOf(from, loc))/7]++
		}
		for what, counts := range map[string][]int{"hours": hours, "weekdays": weekdays, "minutes": minutes, "weeks": weeks} {
			if got, limit := chiSquare(counts); got > limit {
				t.Errorf("in %s: %s are uneven: χ² is %.1f, over %.1f: %v", name, what, got, limit, counts)
			}
		}
	}
}

// In years that zone databases do not list, and past the end of a leap year among them, clocks are changed as ever.
func TestPlansOfYearsToCome(t *testing.T) {
	w := slot.Window{always, 8, 18}
	for _, name := range []string{"America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "America/Santiago"} {
		loc := zone(t, name)
		plan := w.Plan(time.Date(2044, 6, 1, 0, 0, 0, 0, loc), time.Date(2046, 6, 1, 0, 0, 0, 0, loc), loc)
		for i := range 7300 {
			want := time.Date(2044, 6, 1+i/10, 8+i%10, 0, 0, 0, loc)
			u, rest := bits.Div64(uint64(i), 0, 7300)
			if at, ok := plan.At(u + min(rest, 1)); !ok || !at.Equal(want) {
				t.Fatalf("in %s hour %d is at %s, want %s", name, i, at, want)
			}
		}
	}
}

// A plan is the same for all who look at once.
func TestPlanServesMany(t *testing.T) {
	loc := zone(t, "Europe/Amsterdam")
	w := slot.Window{always, 8, 18}
	from := instant(t, "2026-01-01T00:00:00Z")
	plan := w.Plan(from, from.AddDate(2, 0, 0), loc)
	rng := rand.New(rand.NewPCG(1, 2))
	lots, want := make([]uint64, 1000), make([]time.Time, 1000)
	for i := range lots {
		lots[i] = rng.Uint64()
		want[i], _ = plan.At(lots[i])
	}
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		flight.Go(func() {
			defer all.Done()
			for i, u := range lots {
				if at, ok := plan.At(u); !ok || !at.Equal(want[i]) {
					t.Errorf("%d falls at %s, and at %s", u, at, want[i])
				}
			}
		}, func(fault *flight.Fault) { t.Error(fault) })
	}
	all.Wait()
}

func TestWindowsFarOff(t *testing.T) {
	w := slot.Window{weekdaysOf(time.Wednesday), 9, 10}
	for _, name := range zones {
		loc := zone(t, name)
		for _, year := range []int{-5000, 1, 1700, 1883, 2500, 9999, 50_000} {
			for at := time.Date(year, 12, 30, 0, 0, 0, 5, time.UTC); at.Day() != 3; at = at.AddDate(0, 0, 1) {
				next := w.Next(at, loc)
				if next.Before(at) || next.Sub(at) > 8*24*time.Hour || next.Weekday() != time.Wednesday || next.Hour() != 9 || !w.Contains(next, loc) {
					t.Errorf("in %s after %s it is next open at %s", name, at, next)
				}
			}
		}
		// Beyond what has a date nothing is promised but an end.
		for _, unix := range []int64{math.MinInt64, math.MinInt64 / 2, -1 << 60, 1 << 60, 1<<62 - 10, math.MaxInt64/2 + 1, math.MaxInt64 - 1e12, math.MaxInt64} {
			at := time.Unix(unix, 999)
			w.Next(at, loc)
			w.Contains(at, loc)
			w.Spread(at, at.Add(time.Hour), loc, 5)
			slot.AddMonths(at, 3, loc)
			slot.MonthOf(at, loc)
			slot.RoundAt(calendar.Of(2026, 1, 1), 3, loc, at)
		}
	}
}

func TestClosedWindows(t *testing.T) {
	at := instant(t, "2026-11-28T12:00:00Z")
	for _, w := range []slot.Window{{}, {Weekdays: always}, {From: 8, To: 18}, {always, 18, 8}, {128, 8, 18}} {
		if next := w.Next(at, time.UTC); !next.IsZero() {
			t.Errorf("%+v is next open at %s", w, next)
		}
		if at, ok := w.Spread(at, at.AddDate(0, 1, 0), time.UTC, 5); ok || w.Contains(at, time.UTC) {
			t.Errorf("%+v is open at %s", w, at)
		}
	}
	open := slot.Window{always, 0, 24}
	if at, ok := open.Spread(at, at, time.UTC, 5); ok {
		t.Errorf("spread over no time at %s", at)
	}
	if at, ok := open.Spread(at.Add(1), at.Add(time.Second), time.UTC, 5); ok {
		t.Errorf("spread over no whole second at %s", at)
	}
	if got, ok := open.Spread(at, at.Add(1), time.UTC, 5); !ok || !got.Equal(at) {
		t.Errorf("spread over the beginning of a second at %s, %t", got, ok)
	}
}

func TestWeekdays(t *testing.T) {
	iso := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday}
	for set := range slot.Weekdays(128) {
		for i, day := range iso {
			if want := set>>i&1 == 1; set.Has(day) != want {
				t.Errorf("%b has %s: %t", set, day, !want)
			}
		}
	}
	if slot.Weekdays(255).Has(7) || slot.Weekdays(255).Has(-1) {
		t.Error("has what is no weekday")
	}
}

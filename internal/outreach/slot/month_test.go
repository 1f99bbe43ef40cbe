package slot_test

import (
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/outreach/slot"
	"pgregory.net/rapid"
)

func TestAddMonths(t *testing.T) {
	for _, test := range []struct {
		zone, at string
		months   int
		want     string
	}{
		{"UTC", "2026-01-31T10:00:00Z", 1, "2026-02-28T10:00:00Z"},
		{"UTC", "2024-01-31T10:00:00Z", 1, "2024-02-29T10:00:00Z"},
		{"UTC", "2024-02-29T10:00:00Z", 12, "2025-02-28T10:00:00Z"},
		{"UTC", "2024-02-29T10:00:00Z", 48, "2028-02-29T10:00:00Z"},
		{"UTC", "2026-03-31T23:59:59.5Z", -1, "2026-02-28T23:59:59.5Z"},
		{"UTC", "2026-08-31T00:00:00Z", 3, "2026-11-30T00:00:00Z"},
		{"UTC", "2026-11-30T00:00:00Z", 3, "2027-02-28T00:00:00Z"},
		{"UTC", "2026-12-15T00:00:00Z", 1, "2027-01-15T00:00:00Z"},
		{"UTC", "2026-01-15T00:00:00Z", -1, "2025-12-15T00:00:00Z"},
		{"UTC", "2026-05-31T12:00:00Z", 24, "2028-05-31T12:00:00Z"},
		// At the same time of day, whatever clocks did between.
		{"Europe/Amsterdam", "2026-01-15T09:00:00Z", 6, "2026-07-15T08:00:00Z"},
		{"America/New_York", "2026-07-15T13:30:00Z", 6, "2027-01-15T14:30:00Z"},
		{"Europe/Amsterdam", "2026-01-29T11:00:00Z", 2, "2026-03-29T10:00:00Z"},
		{"Europe/Amsterdam", "2026-08-25T10:00:00Z", 2, "2026-10-25T11:00:00Z"},
		// The last of the month in the zone is another day in UTC.
		{"Pacific/Auckland", "2026-01-30T20:00:00Z", 1, "2026-02-27T20:00:00Z"},
		{"Pacific/Pago_Pago", "2026-02-01T09:00:00Z", 1, "2026-03-01T09:00:00Z"},
		// Skipped: an hour later in all zones, half an hour where it is half an hour, a day where it is a day.
		{"Europe/Amsterdam", "2026-02-28T01:30:00Z", 1, "2026-03-28T01:30:00Z"},
		{"Europe/Amsterdam", "2026-04-29T00:30:00Z", -1, "2026-03-29T01:30:00Z"},
		{"America/New_York", "2026-02-08T07:30:00Z", 1, "2026-03-08T07:30:00Z"},
		{"America/Santiago", "2026-08-06T04:15:00Z", 1, "2026-09-06T04:15:00Z"},
		{"Australia/Lord_Howe", "2026-09-03T15:45:00Z", 1, "2026-10-03T15:45:00Z"},
		{"Pacific/Apia", "2011-11-30T20:00:00Z", 1, "2011-12-30T20:00:00Z"},
		// Twice: the first one in all zones.
		{"Europe/Amsterdam", "2026-09-25T00:30:00Z", 1, "2026-10-25T00:30:00Z"},
		{"Europe/Amsterdam", "2026-11-25T01:30:00Z", -1, "2026-10-25T00:30:00Z"},
		{"America/New_York", "2026-12-01T06:30:00Z", -1, "2026-11-01T05:30:00Z"},
		{"America/Havana", "2026-10-01T04:30:00Z", 1, "2026-11-01T04:30:00Z"},
		// No month at all is no change, in the second of two as well.
		{"Europe/Amsterdam", "2026-10-25T01:30:00.000000007Z", 0, "2026-10-25T01:30:00.000000007Z"},
		{"UTC", "9999-11-30T10:00:00Z", 24, "9999-12-31T10:00:00Z"},
		{"UTC", "0001-02-03T10:00:00Z", -24, "0001-01-01T10:00:00Z"},
	} {
		loc := zone(t, test.zone)
		if got := slot.AddMonths(instant(t, test.at), test.months, loc); !got.Equal(instant(t, test.want)) || got.Location() != loc {
			t.Errorf("in %s %d months after %s is %s, want %s", loc, test.months, instant(t, test.at).In(loc), got, instant(t, test.want).In(loc))
		}
	}
}

// whenShown walks by the minute to where clocks first show something, or, where they skip it, as far on after the change as it is after
// what they last showed.
func whenShown(shown int64, loc *time.Location) time.Time {
	at := time.Unix((shown-30*60)*60, 0)
	for latest := minute(at, loc); ; {
		at = at.Add(time.Minute)
		now := minute(at, loc)
		if now == shown {
			return at
		}
		if now > shown {
			return at.Add(time.Duration(shown-latest-1) * time.Minute)
		}
		latest = max(latest, now)
	}
}

func TestAddMonthsIsAsClocksShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		months := rapid.IntRange(-30, 30).Filter(func(n int) bool { return n != 0 }).Draw(t, "months")
		target := time.Date(rapid.IntRange(1976, 2070).Draw(t, "year"), 1, rapid.IntRange(1, 366).Draw(t, "day"), 0, 0, 0, 0, time.UTC)
		if days := changes(target.Year(), target.Year(), loc); len(days) > 0 && rapid.Bool().Draw(t, "at a change") {
			target = rapid.SampledFrom(days).Draw(t, "change")
		}
		from := target.AddDate(0, -months, rapid.IntRange(-1, 1).Draw(t, "off")).
			Add(time.Duration(rapid.IntRange(0, 24*60*60-1).Draw(t, "second")) * time.Second)
		local := from.In(loc)
		first := time.Date(local.Year(), local.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
		day := min(local.Day(), first.AddDate(0, 1, -1).Day())
		shown := first.AddDate(0, 0, day-1).Unix()/60 + int64(local.Hour()*60+local.Minute())
		want := whenShown(shown, loc).Add(time.Duration(local.Second()) * time.Second)
		if got := slot.AddMonths(from, months, loc); !got.Equal(want) {
			t.Fatalf("in %s %d months after %s is %s, want %s", loc, months, local, got, want.In(loc))
		}
	})
}

func TestRound(t *testing.T) {
	for _, test := range []struct {
		start         calendar.Day
		months        int
		zone          string
		k             int
		wantFrom, end string
	}{
		{calendar.Of(2026, 1, 31), 1, "UTC", 0, "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"},
		{calendar.Of(2026, 1, 31), 1, "UTC", 1, "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"},
		{calendar.Of(2026, 1, 31), 1, "UTC", -2, "2025-11-30T00:00:00Z", "2025-12-31T00:00:00Z"},
		{calendar.Of(2024, 2, 29), 12, "UTC", 1, "2025-02-28T00:00:00Z", "2026-02-28T00:00:00Z"},
		{calendar.Of(2026, 11, 28), 3, "Europe/Amsterdam", 0, "2026-11-27T23:00:00Z", "2027-02-27T23:00:00Z"},
		{calendar.Of(2026, 11, 28), 3, "Europe/Amsterdam", 2, "2027-05-27T22:00:00Z", "2027-08-27T22:00:00Z"},
		{calendar.Of(2026, 6, 6), 3, "America/Santiago", 1, "2026-09-06T04:00:00Z", "2026-12-06T03:00:00Z"},
		{calendar.Of(2011, 11, 30), 1, "Pacific/Apia", 1, "2011-12-30T10:00:00Z", "2012-01-29T10:00:00Z"},
		{calendar.Of(2026, 11, 28), 24, "UTC", -1, "2024-11-28T00:00:00Z", "2026-11-28T00:00:00Z"},
	} {
		from, to := slot.Round(test.start, test.months, zone(t, test.zone), test.k)
		if !from.Equal(instant(t, test.wantFrom)) || !to.Equal(instant(t, test.end)) {
			t.Errorf("round %d of %d months from %s in %s is from %s to %s", test.k, test.months, test.start, test.zone, from, to)
		}
	}
}

func TestRoundsTile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		start := calendar.Of(rapid.IntRange(1990, 2050).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 31).Draw(t, "day"))
		months, k := rapid.IntRange(1, 24).Draw(t, "months"), rapid.IntRange(-20, 20).Draw(t, "round")
		from, to := slot.Round(start, months, loc, k)
		if next, _ := slot.Round(start, months, loc, k+1); !next.Equal(to) || !from.Before(to) {
			t.Fatalf("round %d is from %s to %s, and the next from %s", k, from, to, next)
		}
		within := from.Add(time.Duration(rapid.Int64Range(0, int64(to.Sub(from))-1).Draw(t, "within")))
		for at, want := range map[time.Time]int{from: k, to.Add(-1): k, to: k + 1, from.Add(-1): k - 1, within: k} {
			if got := slot.RoundAt(start, months, loc, at); got != want {
				t.Fatalf("%s is in round %d, want %d, from %s to %s", at, got, want, from, to)
			}
		}
		year, month, day := start.Date()
		first := time.Date(year, month+time.Month(k*months), 1, 0, 0, 0, 0, time.UTC)
		shown := first.AddDate(0, 0, min(day, first.AddDate(0, 1, -1).Day())-1).Unix() / 60
		if minute(from, loc) < shown || minute(from.Add(-1), loc) >= shown {
			t.Fatalf("round %d begins at %s", k, from)
		}
	})
}

// Where clocks are set back over midnight, a month and a round that have begun do not end again.
func TestMidnightTwice(t *testing.T) {
	loc := zone(t, "America/St_Johns")
	// On Sunday, 25 October 1992, they went from 00:01 back to 23:01.
	begins := instant(t, "1992-10-25T02:30:00Z")
	again := begins.Add(2 * time.Minute)
	if again.In(loc).Day() != 24 {
		t.Fatalf("it is %s", again.In(loc))
	}
	start := calendar.Of(1992, 10, 25)
	if got := slot.RoundAt(start, 1, loc, again); got != 0 {
		t.Errorf("%s is in round %d", again.In(loc), got)
	}
	if got := slot.RoundAt(start, 1, loc, begins.Add(-1)); got != -1 {
		t.Errorf("%s is in round %d", begins.Add(-1).In(loc), got)
	}
	// And on Sunday, 1 November 2009.
	begins = instant(t, "2009-11-01T02:30:00Z")
	for at := begins.Add(-time.Hour); at.Before(begins.Add(2 * time.Hour)); at = at.Add(time.Minute) {
		want := 2009*12 + 9
		if !at.Before(begins) {
			want++
		}
		if got := slot.MonthOf(at, loc); got != want {
			t.Fatalf("%s is in month %d, want %d", at.In(loc), got, want)
		}
	}
	if again := begins.Add(2 * time.Minute).In(loc); again.Month() != time.October {
		t.Fatalf("it is %s", again)
	}
}

func TestMonths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		year, month := rapid.IntRange(1, 9999).Draw(t, "year"), rapid.IntRange(1, 12).Draw(t, "month")
		n := year*12 + month - 1
		from, to := slot.MonthStart(n, loc), slot.MonthStart(n+1, loc)
		if !from.Before(to) || to.Sub(from) < 27*24*time.Hour || to.Sub(from) > 32*24*time.Hour {
			t.Fatalf("month %d is from %s to %s", n, from, to)
		}
		middle := time.Date(year, time.Month(month), 15, 12, 0, 0, 0, time.UTC)
		for _, at := range []time.Time{from, middle, to.Add(-1)} {
			if got := slot.MonthOf(at, loc); got != n {
				t.Fatalf("%s is in month %d, want %d", at.In(loc), got, n)
			}
		}
		if n > 12 && slot.MonthOf(from.Add(-1), loc) != n-1 {
			t.Fatalf("before %s it is month %d", from, slot.MonthOf(from.Add(-1), loc))
		}
	})
}

package calendar_test

import (
	"slices"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/calendar"
	"pgregory.net/rapid"
)

// hourZones change their clocks in all the ways that there are: by an hour, by half an hour, at midnight and just after it, by a
// day, not at all, and with offsets of quarters of an hour.
var hourZones = []string{
	"UTC", "Europe/Amsterdam", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu",
	"Asia/Kolkata", "Pacific/Apia", "Africa/Cairo", "America/Havana", "Asia/Tehran", "Africa/Casablanca",
}

// Hours follow one another, hold each minute of the days once and of no other day, and within one the clocks show one hour.
func TestHours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(hourZones).Draw(t, "zone")
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		first := calendar.Of(rapid.IntRange(1975, 2030).Draw(t, "year"), 1, rapid.IntRange(1, 365).Draw(t, "day"))
		last := first.Add(rapid.IntRange(0, 3).Draw(t, "days"))
		hours := calendar.Hours(first, last, loc)
		type shown struct {
			day          calendar.Day
			hour, offset int
		}
		shows := func(at time.Time) shown {
			_, offset := at.In(loc).Zone()
			return shown{calendar.DayOf(at, loc), at.In(loc).Hour(), offset}
		}
		var want []calendar.Hour
		for at := first.Start(time.UTC).Add(-30 * time.Hour); at.Before(last.Start(time.UTC).Add(60 * time.Hour)); at = at.Add(time.Minute) {
			s := shows(at)
			if s.day < first || s.day > last {
				continue
			}
			if n := len(want); n == 0 || !want[n-1].End.Equal(at) || shows(want[n-1].Start) != s {
				want = append(want, calendar.Hour{Start: at, End: at})
			}
			want[len(want)-1].End = at.Add(time.Minute)
		}
		if !slices.EqualFunc(hours, want, func(a, b calendar.Hour) bool { return a.Start.Equal(b.Start) && a.End.Equal(b.End) }) {
			t.Fatalf("in %s from %s to %s there are\n%v, want\n%v", name, first, last, hours, want)
		}
		for i, h := range hours {
			for _, at := range []time.Time{h.Start, h.End.Add(-1)} {
				if got := calendar.HourAt(hours, at); got != i {
					t.Fatalf("%s is in hour %d, want %d", at, got, i)
				}
			}
		}
	})
}

func TestHoursOfChangedClocks(t *testing.T) {
	for name, test := range map[string]struct {
		zone  string
		day   calendar.Day
		hours int
		// where clocks show what, at some places.
		shown map[int]string
	}{
		"forward":             {"Europe/Amsterdam", calendar.Of(2026, 3, 29), 23, map[int]string{1: "01:00 CET", 2: "03:00 CEST", 22: "23:00 CEST"}},
		"back":                {"Europe/Amsterdam", calendar.Of(2026, 10, 25), 25, map[int]string{2: "02:00 CEST", 3: "02:00 CET", 24: "23:00 CET"}},
		"by half an hour":     {"Australia/Lord_Howe", calendar.Of(2026, 10, 4), 24, map[int]string{1: "01:00 +1030", 2: "02:30 +11", 3: "03:00 +11"}},
		"back by half an one": {"Australia/Lord_Howe", calendar.Of(2026, 4, 5), 25, map[int]string{1: "01:00 +11", 2: "01:30 +1030", 3: "02:00 +1030"}},
		"midnight skipped":    {"America/Sao_Paulo", calendar.Of(2018, 11, 4), 23, map[int]string{0: "01:00 -02", 1: "02:00 -02"}},
		"back over midnight":  {"America/St_Johns", calendar.Of(2010, 11, 6), 25, map[int]string{23: "23:00 NDT", 24: "23:01 NST"}},
		"after that":          {"America/St_Johns", calendar.Of(2010, 11, 7), 25, map[int]string{0: "00:00 NDT", 1: "00:00 NST", 2: "01:00 NST"}},
		"a day skipped":       {"Pacific/Apia", calendar.Of(2011, 12, 30), 0, nil},
		"quarters of an hour": {"Asia/Kathmandu", calendar.Of(2026, 1, 1), 24, map[int]string{0: "00:00 +0545"}},
		"the first day":       {"UTC", calendar.MinDay, 24, nil},
		"the last day":        {"America/New_York", calendar.MaxDay, 24, map[int]string{23: "23:00 EST"}},
	} {
		t.Run(name, func(t *testing.T) {
			loc, err := time.LoadLocation(test.zone)
			if err != nil {
				t.Fatal(err)
			}
			hours := calendar.Hours(test.day, test.day, loc)
			if len(hours) != test.hours {
				t.Fatalf("got %d hours, want %d: %v", len(hours), test.hours, hours)
			}
			for at, want := range test.shown {
				if got := hours[at].Start.Format("15:04 MST"); got != want {
					t.Errorf("hour %d begins at %s, want %s", at, got, want)
				}
			}
		})
	}
}

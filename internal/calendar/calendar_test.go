package calendar

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func day(t rapid.TB, text string) Day {
	t.Helper()
	d, err := ParseDay(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func zone(t rapid.TB, name string) *time.Location {
	t.Helper()
	loc, err := LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func anyDay() *rapid.Generator[Day] {
	return rapid.Custom(func(t *rapid.T) Day { return Day(rapid.Int32Range(int32(MinDay), int32(MaxDay)).Draw(t, "day")) })
}

// nearDays fall close together and on month ends often.
func nearDays() *rapid.Generator[Day] {
	return rapid.Custom(func(t *rapid.T) Day { return Day(rapid.Int32Range(19_000, 20_600).Draw(t, "day")) })
}

func TestParseDay(t *testing.T) {
	good := map[string]Day{
		"1970-01-01": 0, "1969-12-31": -1, "2026-11-22": 20779, "2024-02-29": 19782,
		"0001-01-01": MinDay, "9999-12-31": MaxDay, "1900-03-01": -25508, "2000-02-29": 11016,
	}
	for text, want := range good {
		got, err := ParseDay(text)
		if err != nil || got != want {
			t.Errorf("ParseDay(%q) = %d, %v; want %d", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("Day(%d).String() = %q, want %q", got, got, text)
		}
	}
	for _, text := range []string{
		"", "2026-02-30", "2025-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "0000-01-01", "2026-1-1",
		"2026-01-01 ", " 2026-01-01", "2026-01-01T00:00:00Z", "20260101", "12026-01-01", "-001-01-01", "+026-01-01",
		"2026/01/01", "２026-01-01", "2026-01-0x", "01-01-2026", "2026-04-31",
	} {
		if got, err := ParseDay(text); err == nil {
			t.Errorf("ParseDay(%q) = %v, want an error", text, got)
		}
	}
}

func FuzzParseDay(f *testing.F) {
	for _, seed := range []string{"2026-11-22", "2026-02-30", "0001-01-01", "9999-12-31", "0000-00-00", "", "2026-1-1", "2026-01-01T00:00:00Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDay(text)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("the error of %d bytes repeats its input", len(err.Error()))
			}
			return
		}
		if d.String() != text {
			t.Fatalf("ParseDay(%q) = %v", text, d)
		}
		if d < MinDay || d > MaxDay {
			t.Fatalf("ParseDay(%q) = %d lies outside the calendar", text, d)
		}
	})
}

func TestDayKeepsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDay().Draw(t, "day")
		if got, err := ParseDay(d.String()); err != nil || got != d {
			t.Fatalf("%d is written %q, read %d, %v", d, d, got, err)
		}
		if y, m, n := d.Date(); Of(y, m, n) != d {
			t.Fatalf("%d has the date %d-%d-%d, which is %d", d, y, m, n, Of(y, m, n))
		}
		data, err := json.Marshal(map[string]Day{"day": d})
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]Day
		if err := json.Unmarshal(data, &back); err != nil || back["day"] != d {
			t.Fatalf("%s read back as %v, %v", data, back, err)
		}
		value, err := d.Value()
		if err != nil {
			t.Fatal(err)
		}
		var scanned Day
		if err := scanned.Scan(value); err != nil || scanned != d {
			t.Fatalf("%v of %T scanned as %v, %v", value, value, scanned, err)
		}
	})
}

func TestDayRefuses(t *testing.T) {
	for _, text := range []string{`"2026-02-30"`, `20260101`, `""`, `{}`, `[]`, `true`} {
		d := Day(7)
		if err := json.Unmarshal([]byte(text), &d); err == nil || d != 7 {
			t.Errorf("%s read as %v, %v", text, d, err)
		}
	}
	d := Day(7)
	if err := json.Unmarshal([]byte("null"), &d); err != nil || d != 7 {
		t.Errorf("null read as %v, %v", d, err)
	}
	for _, src := range []any{nil, "2026-01-01", 1.5, int64(1) << 40, -int64(1) << 40} {
		if err := d.Scan(src); err == nil || d != 7 {
			t.Errorf("%v scanned as %v", src, d)
		}
	}
	for _, d := range []Day{MinDay - 1, MaxDay + 1} {
		if data, err := json.Marshal(d); err == nil {
			t.Errorf("day %d written as %s", d, data)
		}
	}
}

func TestDayAddStaysNearTheCalendar(t *testing.T) {
	const huge = int(^uint(0) >> 1)
	for _, test := range []struct {
		from Day
		n    int
		want Day
	}{
		{0, 1, 1}, {0, -1, -1}, {MaxDay, 1, MaxDay + 1}, {MaxDay, huge, MaxDay + 1}, {MinDay, -1, MinDay - 1}, {0, -huge - 1, MinDay - 1},
		{MinDay, int(MaxDay - MinDay), MaxDay},
	} {
		if got := test.from.Add(test.n); got != test.want {
			t.Errorf("%d.Add(%d) = %d, want %d", test.from, test.n, got, test.want)
		}
	}
}

func TestDayOf(t *testing.T) {
	for _, test := range []struct{ instant, zone, want string }{
		{"2026-11-22T23:30:00Z", "UTC", "2026-11-22"},
		{"2026-11-22T23:30:00Z", "Europe/Amsterdam", "2026-11-23"},
		{"2026-11-22T04:59:59Z", "America/New_York", "2026-11-21"},
		{"2026-11-22T05:00:00Z", "America/New_York", "2026-11-22"},
		{"1969-12-31T23:59:59.999999Z", "UTC", "1969-12-31"},
		{"0001-01-01T00:00:00Z", "UTC", "0001-01-01"},
		{"0001-01-01T00:00:00Z", "America/New_York", "0001-01-01"},
		{"9999-12-31T23:59:59Z", "Pacific/Kiritimati", "9999-12-31"},
		{"2011-12-30T09:59:59Z", "Pacific/Apia", "2011-12-29"},
		{"2011-12-30T10:00:00Z", "Pacific/Apia", "2011-12-31"},
		{"2026-03-29T00:59:59Z", "Europe/Amsterdam", "2026-03-29"},
	} {
		instant, err := time.Parse(time.RFC3339Nano, test.instant)
		if err != nil {
			t.Fatal(err)
		}
		if got := DayOf(instant, zone(t, test.zone)).String(); got != test.want {
			t.Errorf("DayOf(%s, %s) = %s, want %s", test.instant, test.zone, got, test.want)
		}
	}
	if got := DayOf(time.Unix(1<<60, 0), time.UTC); got != MaxDay {
		t.Errorf("the far future is on %v", got)
	}
}

func TestStart(t *testing.T) {
	for _, test := range []struct{ day, zone, want string }{
		{"2026-11-22", "UTC", "2026-11-22T00:00:00Z"},
		{"2026-03-29", "Europe/Amsterdam", "2026-03-28T23:00:00Z"},
		{"2026-03-30", "Europe/Amsterdam", "2026-03-29T22:00:00Z"},
		{"2026-10-25", "Europe/Amsterdam", "2026-10-24T22:00:00Z"},
		{"2026-10-26", "Europe/Amsterdam", "2026-10-25T23:00:00Z"},
		// The clocks went from 24:00 to 01:00.
		{"2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z"},
		// The clocks went from 24:00 back to 23:00.
		{"2018-02-18", "America/Sao_Paulo", "2018-02-18T03:00:00Z"},
		{"2018-02-17", "America/Sao_Paulo", "2018-02-17T02:00:00Z"},
		// Samoa had no 30 December 2011.
		{"2011-12-29", "Pacific/Apia", "2011-12-29T10:00:00Z"},
		{"2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z"},
		{"2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00Z"},
		// The clocks went from 00:01 back to 23:01.
		{"2010-11-07", "America/St_Johns", "2010-11-07T02:30:00Z"},
		// The end of a leap year, beyond the transitions that zone databases list one by one.
		{"2044-12-31", "America/New_York", "2044-12-31T05:00:00Z"},
		{"2045-01-01", "America/New_York", "2045-01-01T05:00:00Z"},
		{"2045-01-01", "Australia/Sydney", "2044-12-31T13:00:00Z"},
		{"2026-01-01", "Asia/Kathmandu", "2025-12-31T18:15:00Z"},
	} {
		got := day(t, test.day).Start(zone(t, test.zone))
		if text := got.UTC().Format(time.RFC3339); text != test.want {
			t.Errorf("%s in %s starts at %s, want %s", test.day, test.zone, text, test.want)
		}
	}
}

func TestStartIsTheFirstInstantOfItsDay(t *testing.T) {
	zones := []string{
		"UTC", "Europe/Amsterdam", "America/New_York", "America/Sao_Paulo", "Pacific/Apia", "Pacific/Kiritimati", "Asia/Tehran",
		"Africa/Cairo", "Asia/Beirut", "America/Havana", "America/Asuncion", "Atlantic/Azores", "Antarctica/Troll", "Australia/Lord_Howe",
	}
	rapid.Check(t, func(t *rapid.T) {
		loc := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		d := Day(rapid.Int32Range(int32(Of(1971, 1, 1)), int32(Of(2060, 1, 1))).Draw(t, "day"))
		start := d.Start(loc)
		if got := DayOf(start, loc); got != d && DayOf(d.Add(1).Start(loc), loc) != got {
			t.Fatalf("%v starts at %v, which is on %v", d, start, got)
		}
		if before := DayOf(start.Add(-time.Nanosecond), loc); before >= d {
			t.Fatalf("%v starts at %v, but the instant before is on %v", d, start, before)
		}
		if next := d.Add(1).Start(loc); next.Before(start) || next.Sub(start) > 26*time.Hour {
			t.Fatalf("%v lasts from %v to %v", d, start, next)
		}
	})
}

func TestWholeMonths(t *testing.T) {
	for _, test := range []struct {
		from, to string
		want     int
	}{
		{"2026-01-31", "2026-02-28", 0}, {"2026-01-31", "2026-03-01", 1}, {"2026-01-31", "2026-03-31", 2},
		{"2024-02-29", "2025-02-28", 11}, {"2024-02-29", "2025-03-01", 12}, {"2024-02-29", "2028-02-29", 48},
		{"2026-01-15", "2026-01-15", 0}, {"2026-01-15", "2026-02-14", 0}, {"2026-01-15", "2026-02-15", 1},
		{"2026-01-15", "2026-01-14", -1}, {"2026-03-01", "2026-01-31", -2}, {"2026-03-15", "2026-02-15", -1}, {"2026-03-15", "2026-02-14", -2},
		{"0001-01-01", "9999-12-31", 9999*12 - 1}, {"2021-04-01", "2026-11-22", 67},
	} {
		if got := WholeMonths(day(t, test.from), day(t, test.to)); got != test.want {
			t.Errorf("WholeMonths(%s, %s) = %d, want %d", test.from, test.to, got, test.want)
		}
	}
}

func TestWholeMonthsGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := nearDays().Draw(t, "from"), nearDays().Draw(t, "to")
		months := WholeMonths(from, to)
		if next := WholeMonths(from, to+1); next < months || next > months+1 {
			t.Fatalf("from %v it is %d months to %v and %d a day later", from, months, to, next)
		}
		if (months < 0) != (to < from) {
			t.Fatalf("WholeMonths(%v, %v) = %d", from, to, months)
		}
		// The months that have gone by have: unless clamped, that many months after from is no later than to.
		if then := Monthly.Add(from, months); then > to {
			t.Fatalf("%v is %d months after %v, but later than %v", then, months, from, to)
		}
		if then := Monthly.Add(from, months+1); to > then {
			t.Fatalf("%v is %d months after %v, but earlier than %v", then, months+1, from, to)
		}
	})
}

func TestIntervals(t *testing.T) {
	for _, test := range []struct {
		interval         Interval
		day, start, next string
	}{
		{Daily, "2026-11-22", "2026-11-22", "2026-11-23"},
		{Weekly, "2026-11-22", "2026-11-16", "2026-11-23"}, // A Sunday.
		{Weekly, "2026-11-23", "2026-11-23", "2026-11-30"}, // A Monday.
		{Weekly, "2026-01-01", "2025-12-29", "2026-01-05"},
		{Weekly, "1969-12-31", "1969-12-29", "1970-01-05"},
		{Weekly, "0001-01-01", "0001-01-01", "0001-01-08"},
		{Monthly, "2024-02-29", "2024-02-01", "2024-03-01"},
		{Monthly, "2026-12-31", "2026-12-01", "2027-01-01"},
		{Quarterly, "2026-11-22", "2026-10-01", "2027-01-01"},
		{Quarterly, "2026-03-31", "2026-01-01", "2026-04-01"},
		{Yearly, "2026-11-22", "2026-01-01", "2027-01-01"},
		{Yearly, "9999-12-31", "9999-01-01", "10000-01-01"},
	} {
		d := day(t, test.day)
		if got := test.interval.Start(d).String(); got != test.start {
			t.Errorf("%s of %s starts on %s, want %s", test.interval, test.day, got, test.start)
		}
		if got := test.interval.Next(d).String(); got != test.next {
			t.Errorf("%s after %s starts on %s, want %s", test.interval, test.day, got, test.next)
		}
	}
}

func TestIntervalAdd(t *testing.T) {
	const huge = int(^uint(0) >> 1)
	for _, test := range []struct {
		interval Interval
		day      string
		n        int
		want     string
	}{
		{Daily, "2026-02-28", 1, "2026-03-01"}, {Weekly, "2026-11-22", -2, "2026-11-08"},
		{Monthly, "2026-01-31", 1, "2026-02-28"}, {Monthly, "2024-01-31", 1, "2024-02-29"}, {Monthly, "2026-03-31", -1, "2026-02-28"},
		{Monthly, "2026-01-31", -1, "2025-12-31"}, {Monthly, "2026-05-31", 6, "2026-11-30"}, {Monthly, "2026-12-01", 0, "2026-12-01"},
		{Quarterly, "2026-11-30", 1, "2027-02-28"}, {Yearly, "2024-02-29", 1, "2025-02-28"}, {Yearly, "2024-02-29", -4, "2020-02-29"},
		{Daily, "2026-01-01", huge, "9999-12-31"}, {Weekly, "2026-01-01", -huge - 1, "0001-01-01"},
		{Monthly, "2026-01-01", huge, "9999-12-31"}, {Yearly, "2026-01-01", -huge - 1, "0001-01-01"}, {Yearly, "2026-06-15", 2147483647, "9999-12-31"},
		{Monthly, "9999-12-31", 0, "9999-12-31"}, {Monthly, "9999-11-30", 1, "9999-12-30"}, {Monthly, "0001-01-31", -1, "0001-01-01"},
	} {
		if got := test.interval.Add(day(t, test.day), test.n).String(); got != test.want {
			t.Errorf("%s.Add(%s, %d) = %s, want %s", test.interval, test.day, test.n, got, test.want)
		}
	}
}

func TestIntervalsTileTheCalendar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.SampledFrom([]Interval{Daily, Weekly, Monthly, Quarterly, Yearly}).Draw(t, "interval")
		from, to := nearDays().Draw(t, "from"), nearDays().Draw(t, "to")
		start, next := interval.Start(from), interval.Next(from)
		if start > from || next <= from {
			t.Fatalf("%s of %v goes from %v to before %v", interval, from, start, next)
		}
		if interval.Start(start) != start || interval.Start(next) != next || interval.Start(next-1) != start {
			t.Fatalf("%s of %v goes from %v to before %v, which do not start intervals", interval, from, start, next)
		}
		if interval.Add(start, 1) != next || interval.Add(next, -1) != start {
			t.Fatalf("%s: Add and Next disagree about %v and %v", interval, start, next)
		}
		count := 0
		for d := start; d <= to; d = interval.Next(d) {
			count++
		}
		if to < from {
			count = 0
		}
		if got := interval.Count(from, to); got != count {
			t.Fatalf("%s.Count(%v, %v) = %d, want %d", interval, from, to, got, count)
		}
		if count > 0 && interval.Add(start, count-1) != interval.Start(to) {
			t.Fatalf("%s: %d after %v is %v, want %v", interval, count-1, start, interval.Add(start, count-1), interval.Start(to))
		}
	})
}

func TestNoSuchInterval(t *testing.T) {
	if Interval("FORTNIGHT").Valid() || !Quarterly.Valid() {
		t.Error("Valid is wrong")
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown interval passed")
		}
	}()
	Interval("FORTNIGHT").Start(0)
}

func TestLoadZone(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Amsterdam", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince", "GMT0"} {
		if loc, err := LoadZone(name); err != nil || loc.String() != name {
			t.Errorf("LoadZone(%q) = %v, %v", name, loc, err)
		}
	}
	for _, name := range []string{
		"", "Local", "localtime", "Factory", "Mars/Olympus", "Europe/Amsterdam ", "../Europe/Amsterdam", "/usr/share/zoneinfo/UTC", "Europe/../UTC",
		"Europe", "posix/UTC", "right/UTC", "posixrules", "Europe\\Amsterdam", "Europe/Amsterdam\x00", "+01:00", "CEST", "Europe/", "\n",
	} {
		if loc, err := LoadZone(name); err == nil {
			t.Errorf("LoadZone(%q) = %v, want an error", name, loc)
		}
	}
}

// At the calendar's ends, and beyond them, where windows look back to, intervals are as they are everywhere.
func TestIntervalsAtTheEnds(t *testing.T) {
	ends := rapid.OneOf(
		rapid.Map(rapid.IntRange(-400_000, 1_000), func(n int) Day { return MinDay + Day(n) }),
		rapid.Map(rapid.IntRange(-1_000, 1), func(n int) Day { return MaxDay + Day(n) }),
		anyDay(),
	)
	rapid.Check(t, func(t *rapid.T) {
		d := ends.Draw(t, "day")
		interval := rapid.SampledFrom([]Interval{Daily, Weekly, Monthly, Quarterly, Yearly}).Draw(t, "interval")
		start, next := interval.Start(d), interval.Next(d)
		if start > d || next <= d || interval.Start(start) != start || interval.Start(next) != next || interval.Start(next-1) != start {
			t.Fatalf("%s of %d goes from %d to before %d", interval, d, start, next)
		}
		if got := interval.Count(start, next-1); got != 1 {
			t.Fatalf("%s has %d of itself", interval, got)
		}
		if got := interval.Count(interval.Start(start-1), next); got != 3 {
			t.Fatalf("%s and its neighbours are %d", interval, got)
		}
		n := rapid.OneOf(rapid.IntRange(-3, 3), rapid.Int()).Draw(t, "n")
		got := interval.Add(d, n)
		if got < MinDay || got > MaxDay {
			t.Fatalf("%d %s from %d lead out of the calendar: %d", n, interval, d, got)
		}
		if d >= MinDay && d <= MaxDay && (n > 0 && got < d || n < 0 && got > d) {
			t.Fatalf("%d %s from %d lead to %d", n, interval, d, got)
		}
	})
}

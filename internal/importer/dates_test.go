package importer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDates(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	day := dateFormat{order: dayFirst}
	for _, test := range []struct {
		text   string
		format dateFormat
		want   string
	}{
		// Zones.
		{"2025/11/20 5:46:06 PM GMT+1", dateFormat{}, "2025-11-20T16:46:06Z"},
		{"2025/11/20 5:46:06 PM PST", dateFormat{}, "2025-11-21T01:46:06Z"},
		{"2025/07/20 5:46:06 PM PDT", dateFormat{}, "2025-07-21T00:46:06Z"},
		{"2025-07-20 17:46 PT", dateFormat{}, "2025-07-21T00:46:00Z"},
		{"2025-01-20 17:46 ET", dateFormat{}, "2025-01-20T22:46:00Z"},
		{"2025-01-20 17:46 EST", dateFormat{}, "2025-01-20T22:46:00Z"},
		{"2025-01-20 17:46:00 UTC+02:00", dateFormat{}, "2025-01-20T15:46:00Z"},
		{"2025-01-20 17:46:00 UTC +2", dateFormat{}, "2025-01-20T15:46:00Z"},
		{"2025-01-20 17:46:00 GMT-05:30", dateFormat{}, "2025-01-20T23:16:00Z"},
		{"2025-01-20 17:46:00 UTC−5", dateFormat{}, "2025-01-20T22:46:00Z"},
		{"2025-01-20T17:46:00.123Z", dateFormat{}, "2025-01-20T17:46:00.123Z"},
		{"2025-01-20T17:46:00+0530", dateFormat{}, "2025-01-20T12:16:00Z"},
		{"2025-01-20T17:46:00-08", dateFormat{}, "2025-01-21T01:46:00Z"},
		{"2025-01-20 17:46 (CET)", dateFormat{}, "2025-01-20T16:46:00Z"},
		{"2025-07-20 17:46 CEST", dateFormat{}, "2025-07-20T15:46:00Z"},
		{"2025-07-20 17:46 Europe/Berlin", dateFormat{}, "2025-07-20T15:46:00Z"},
		{"2025-07-20T17:46:00+02:00[Europe/Berlin]", dateFormat{}, "2025-07-20T15:46:00Z"},
		{"Fri Mar 14 2025 21:15:00 GMT+0100 (Central European Standard Time)", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"Fri, 14 Mar 2025 21:15:00 +0100", dateFormat{}, "2025-03-14T20:15:00Z"},
		// Without one, in the file's.
		{"2025-03-14 21:15", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"2025-07-14 21:15", dateFormat{}, "2025-07-14T19:15:00Z"},
		{"2025-07-14", dateFormat{}, "2025-07-14T10:00:00Z"},
		// Times of day.
		{"14/03/2025 21.15.22", day, "2025-03-14T20:15:22Z"},
		{"14/03/2025 21h15", day, "2025-03-14T20:15:00Z"},
		{"14/03/2025, 9:15 p. m.", day, "2025-03-14T20:15:00Z"},
		{"14/03/2025 9:15 p.m.", day, "2025-03-14T20:15:00Z"},
		{"14/03/2025 9:15\u202fPM", day, "2025-03-14T20:15:00Z"},
		{"14/03/2025 12:15 am", day, "2025-03-13T23:15:00Z"},
		{"14/03/2025 9 PM", day, "2025-03-14T20:00:00Z"},
		{"14.03.2025 21:15 Uhr", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"14. 3. 2025 21:15", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"20250314T211500Z", dateFormat{}, "2025-03-14T21:15:00Z"},
		{"20250314211500", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"202503142115", dateFormat{}, "2025-03-14T20:15:00Z"},
		// East Asia.
		{"2025年3月14日", dateFormat{}, "2025-03-14T11:00:00Z"},                  //nolint:gosmopolitan // written there
		{"2025年03月14日 21:15", dateFormat{}, "2025-03-14T20:15:00Z"},           //nolint:gosmopolitan // likewise
		{"2025年3月14日（金）午後9時15分22秒", dateFormat{}, "2025-03-14T20:15:22Z"},     //nolint:gosmopolitan // likewise
		{"2025年3月14日 金曜日 21時", dateFormat{}, "2025-03-14T20:00:00Z"},          //nolint:gosmopolitan // likewise
		{"2025年3月14日星期五下午9:15", dateFormat{}, "2025-03-14T20:15:00Z"},         //nolint:gosmopolitan // likewise
		{"2025/3/14 下午9:15:22", dateFormat{}, "2025-03-14T20:15:22Z"},         //nolint:gosmopolitan // likewise
		{"2025/3/14 上午 12:15:22", dateFormat{}, "2025-03-13T23:15:22Z"},       //nolint:gosmopolitan // likewise
		{"2025/03/14 午後 9:15:22 GMT+9", dateFormat{}, "2025-03-14T12:15:22Z"}, //nolint:gosmopolitan // likewise
		{"2025년 3월 14일 오후 9:15", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"2025년 3월 14일 금요일 21시 15분", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"2025. 3. 14. 오후 9:15:22", dateFormat{}, "2025-03-14T20:15:22Z"},
		{"2025. 3. 14", dateFormat{}, "2025-03-14T11:00:00Z"},
		{"٢٠٢٥-٠٣-١٤", dateFormat{}, "2025-03-14T11:00:00Z"},
		// French hours.
		{"14 mars 2025 à 21:15", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"14 mars 2025 à 21 h 15", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"14 mars 2025 à 9 h 15", dateFormat{}, "2025-03-14T08:15:00Z"},
		{"14 de março de 2025 às 21:15", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"14 marzo 2025 alle ore 21:15", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"14 de marzo de 2025 a las 21:15", dateFormat{}, "2025-03-14T20:15:00Z"},
		// Names.
		{"March 14, 2025", dateFormat{}, "2025-03-14T11:00:00Z"},
		{"14 March 2025 at 9:15 PM", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"March 14th, 2025 9:15 PM EST", dateFormat{}, "2025-03-15T02:15:00Z"},
		{"14-Mar-25", dateFormat{}, "2025-03-14T11:00:00Z"},
		{"14-MAR-2025 21:15", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"2025-Mar-14", dateFormat{}, "2025-03-14T11:00:00Z"},
		{"14. März 2025 21:15", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"Freitag, 14. März 2025", dateFormat{}, "2025-03-14T11:00:00Z"},
		{"vendredi 14 mars 2025 à 21h15", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"14 févr. 2025", dateFormat{}, "2025-02-14T11:00:00Z"},
		{"1er août 2025", dateFormat{}, "2025-08-01T10:00:00Z"},
		{"14 de marzo de 2025", dateFormat{}, "2025-03-14T11:00:00Z"},
		{"14 mag 2025", dateFormat{}, "2025-05-14T10:00:00Z"},
		{"14 maart 2025", dateFormat{}, "2025-03-14T11:00:00Z"},
		{"14 de outubro de 2025", dateFormat{}, "2025-10-14T10:00:00Z"},
		{"Fri 14/03/2025", day, "2025-03-14T11:00:00Z"},
		// Weeks, Unix, Excel.
		{"2025-W11-5", dateFormat{}, "2025-03-14T11:00:00Z"},
		{"2020-W53-7", dateFormat{}, "2021-01-03T11:00:00Z"},
		{"1741983300", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"1741983300.25", dateFormat{}, "2025-03-14T20:15:00Z"},
		{"1741983300123", dateFormat{}, "2025-03-14T20:15:00.123Z"},
		{"45730", dateFormat{serial: 1900}, "2025-03-14T11:00:00Z"},
		{"45730.8854166667", dateFormat{serial: 1900}, "2025-03-14T20:15:00Z"},
		{"45730,885416667", dateFormat{serial: 1900}, "2025-03-14T20:15:00Z"},
		{"42075", dateFormat{serial: 1900}, "2015-03-12T11:00:00Z"},
		{"44268", dateFormat{serial: 1904}, "2025-03-14T11:00:00Z"},
		// Years of two digits, fullwidth digits, what spreadsheets put in front.
		{"1/9/21", dateFormat{order: dayFirst, short: true}, "2021-09-01T10:00:00Z"},
		{"25/12/2021", dateFormat{order: dayFirst, short: true}, "2021-12-25T11:00:00Z"},
		{"25-03-14", dateFormat{order: yearFirst, short: true, given: true}, "2025-03-14T11:00:00Z"},
		{"２０２５-０３-１４", dateFormat{}, "2025-03-14T11:00:00Z"},
		{"'2025-03-14", dateFormat{}, "2025-03-14T11:00:00Z"},
		{`="2025-03-14"`, dateFormat{}, "2025-03-14T11:00:00Z"},
	} {
		got, _, err := test.format.parse(test.text, berlin)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != test.want {
			t.Errorf("%q is %s, %v, want %s", test.text, got.UTC().Format(time.RFC3339Nano), err, test.want)
		}
	}
	for _, text := range []string{
		"", "x", "2025-03", "2025", "2025-02-30", "2025-13-01", "2025-03-14 25:00", "2025-03-14 21:60", "2025-03-14 13:05 PM", "2025-03-14 21:15 XYZ",
		"2025-03-14 21:15 IST", "2025-03-14 21:15 +25:00", "2025-W54-1", "2025-W11-8", "14 Foo 2025", "March 2025", "Mar 14", "14 March", "32 March 2025",
		"10:15", "2025-03-14 nonsense", "2025-03-14 21:15 Europe/Nowhere", "Total", "3.5", "42075", "2025-03-14 21", "1 2 3", "31/12/2024",
	} {
		if got, _, err := (dateFormat{}).parse(text, time.UTC); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := (dateFormat{}).parse("2025-03-14 21:15 IST", kolkata); err != nil || !got.Equal(time.Date(2025, 3, 14, 15, 45, 0, 0, time.UTC)) {
		t.Errorf("IST of a file from India is %v, %v", got, err)
	}
}

// Where clocks are put forward or back, a time of day may be none, or two: one rule holds in all zones, and for all ways
// to write dates.
func TestDatesThatClocksSkipOrShowTwice(t *testing.T) {
	for _, test := range []struct{ zone, text, want string }{
		{"Europe/Berlin", "2025-03-30T01:59:59", "2025-03-30T00:59:59Z"},
		{"Europe/Berlin", "2025-03-30T02:30:00", "2025-03-30T01:30:00Z"},
		{"Europe/Berlin", "2025-03-30T03:00:00", "2025-03-30T01:00:00Z"},
		{"Europe/Berlin", "2025-10-26T01:59:59", "2025-10-25T23:59:59Z"},
		{"Europe/Berlin", "2025-10-26T02:30:00", "2025-10-26T00:30:00Z"},
		{"Europe/Berlin", "2025-10-26T03:00:00", "2025-10-26T02:00:00Z"},
		{"America/New_York", "2025-03-09T02:30:00", "2025-03-09T07:30:00Z"},
		{"America/New_York", "2025-11-02T01:30:00", "2025-11-02T05:30:00Z"},
		{"America/New_York", "2025-11-02T02:00:00", "2025-11-02T07:00:00Z"},
		{"Australia/Lord_Howe", "2025-10-05T02:10:00", "2025-10-04T15:40:00Z"},
		{"Australia/Lord_Howe", "2025-04-06T01:40:00", "2025-04-05T14:40:00Z"},
		{"Pacific/Apia", "2011-12-30T09:00:00", "2011-12-30T19:00:00Z"},
		{"Pacific/Apia", "2011-12-31T09:00:00", "2011-12-30T19:00:00Z"},
		{"UTC", "2025-03-30T02:30:00", "2025-03-30T02:30:00Z"},
	} {
		wall, err := time.Parse("2006-01-02T15:04:05", test.text)
		if err != nil {
			t.Fatal(err)
		}
		zone, ok := ParseZone(test.zone)
		if !ok {
			t.Fatalf("%s is no zone", test.zone)
		}
		serial := wall.Sub(time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)).Hours() / 24
		for _, written := range []struct{ text, format string }{
			{test.text, ""}, {wall.Format("02.01.2006 15:04:05"), ""}, {wall.Format("2 January 2006 3:04:05 PM"), ""}, {wall.Format("2006-01-02 15:04:05 ") + test.zone, ""},
			{wall.Format("02/01/2006 15:04:05"), "DD/MM/YYYY"}, {wall.Format("15:04:05 Jan 2 2006"), "15:04:05 Jan 2 2006"}, {fmt.Sprintf("%.9f", serial), "excel"},
		} {
			p, err := Prepare(t.Context(), Options{Path: write(t, "score,date\n9,"+written.text+"\n"), Campaign: testCampaign, FileZone: zone, DateFormat: written.format})
			if err != nil {
				t.Fatalf("%q in %s: %v", written.text, test.zone, err)
			}
			m := &memory{now: testLater}
			result, err := m.run(t.Context(), p)
			if err != nil || len(m.items) != 1 {
				t.Fatalf("%q in %s: %+v: %v", written.text, test.zone, result, err)
			}
			if got := m.items[0].RespondedAt.Format(time.RFC3339); got != test.want {
				t.Errorf("%q in %s is %s, want %s", written.text, test.zone, got, test.want)
			}
		}
	}
}

func TestLayoutsThatNameZones(t *testing.T) {
	for _, text := range []string{
		"2006/01/02 3:04:05 PM MST", "2006-01-02 15:04 UTC", "2006-01-02T15:04:05Z", "Mon Jan 2 15:04:05 MST 2006", "2006-01-02 15:04 GMT", "2006-01-02 15:04 CET",
	} {
		if _, err := parseDateFormat(text); err == nil || !strings.Contains(err.Error(), "zone") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04 -0700", "DD/MM/YYYY", "YYYY-MM-DDTHH:mm:ssZ", "D MMM YYYY h:mm a", "Jan 2 2006 3:04PM", "excel", "EXCEL1904", "unix"} {
		if _, err := parseDateFormat(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestGuessOfDates(t *testing.T) {
	for _, test := range []struct {
		name  string
		dates string
		// want is the format, or parts of the refusal.
		want  string
		parts []string
	}{
		{"mixed widths", "1/9/21 25/12/2021 2/11/21", "DD/MM/YY", nil},
		{"mixed widths, month first", "9/1/21 12/25/2021 11/2/21", "MM/DD/YY", nil},
		{"mixed widths that say nothing", "1/9/21 5/12/2021 2/11/21", "", []string{"two ways", "--date-format DD/MM/YY", "MM/DD/YY"}},
		{"two digits, a month that ends", "14/03/25 31/12/24 28/02/25", "DD/MM/YY", nil},
		{"two digits, month first", "03/14/25 12/31/24", "MM/DD/YY", nil},
		{"two digits, year first", "24-03-14 23-12-31 25-01-05", "", []string{"two ways", "YY-MM-DD", "DD/MM/YY"}},
		{"two digits, year first, beyond days", "24-03-14 99-12-31 25-01-05", "YY-MM-DD", nil},
		{"points", "14.03.25 05.04.25", "DD/MM/YY", nil},
		{"ambiguous", "03/04/2025 05/06/2025", "", []string{`"03/04/2025" (line 2)`, "3 April 2025", "4 March 2025", "--date-format DD/MM/YYYY", "--date-format MM/DD/YYYY"}},
		{"contradiction", "13/04/2025 05/06/2025 04/13/2025", "", []string{"contradict", "DD/MM/YYYY reads 2 of 3", `"04/13/2025" (line 4)`, "MM/DD/YYYY reads 2 of 3", `"13/04/2025" (line 2)`}},
		{"the same either way", "03/03/2025 04/04/2025", "DD/MM/YYYY", nil},
		{"some that are none", "13/04/2025 30/02/2025 x", "DD/MM/YYYY", nil},
		{"ISO", "2025-01-02 2025-01-03", "YYYY-MM-DD", nil},
		{"serials", "42075 45730 45730.5", "excel", nil},
		{"serials beyond", "99999 12", "", []string{"no dates that are understood", `"99999"`, "--date-format"}},
		{"serials among dates", "2025-01-02 45730", "YYYY-MM-DD", nil},
		{"none", "spring summer", "", []string{"no dates that are understood", `"spring" (line 2)`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := dateGuess{now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
			for i, text := range strings.Fields(test.dates) {
				g.see(text, i+2)
			}
			got, err := g.format("when")
			if err == nil && (test.parts != nil || got.String() != test.want) || err != nil && test.parts == nil {
				t.Fatalf("%v: %v, want %s", got, err, test.want)
			}
			for _, part := range test.parts {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v: want %s", err, part)
				}
			}
		})
	}
}

func TestZonesOfHeaders(t *testing.T) {
	for header, want := range map[string]string{
		"Submit Date (UTC)": "Submit Date +0000", "Date (GMT+1)": "Date +0100", "Zeit (UTC+02:00)": "Zeit +0200", "created_at_utc": "created_at +0000",
		"Date [PST]": "Date -0800", "Time UTC": "Time +0000", "Date (Europe/Berlin)": "Date +0100", "Date (local)": "Date (local) ", "Date": "Date ",
		"Tempo (s)": "Tempo (s) ", "()": "() ", "(UTC)": " +0000",
	} {
		name, zone := zoneOfHeader(header)
		got := name + " "
		if zone != nil {
			got += time.Date(2025, 1, 1, 0, 0, 0, 0, zone).Format("-0700")
		}
		if got != want {
			t.Errorf("%q is %q, want %q", header, got, want)
		}
	}
}

// What a format writes it reads back, with any zone behind it.
func TestDatesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minutes := rapid.IntRange(-14*60, 14*60).Draw(t, "offset")
		zone := time.FixedZone("", minutes*60)
		at := time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "time"), 0).In(zone)
		layout := rapid.SampledFrom([]string{
			"2006-01-02T15:04:05", "2006/1/2 3:04:05 PM", "02.01.2006 15:04:05", "2 January 2006 15:04:05", "Mon, 02 Jan 2006 15:04:05", "20060102 150405", "Jan 2, 2006, 3:04:05 pm",
		}).Draw(t, "layout")
		behind := rapid.SampledFrom([]string{"-07:00", "-0700", " -07:00", " GMT-07:00", " (UTC-07:00)"}).Draw(t, "zone")
		text := at.Format(layout + behind)
		got, dayOnly, err := (dateFormat{}).parse(text, time.UTC)
		if err != nil || dayOnly || !got.Equal(at) {
			t.Fatalf("%q is %v, %v, want %v", text, got, err, at)
		}
	})
}

// FuzzZones reads anything as a zone.
func FuzzZones(f *testing.F) {
	for _, seed := range []string{"Z", "GMT+1", "UTC-05:30", "(PST)", "Europe/Berlin", "+0200", "[", "Submit (UTC)", "−5", "ET"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if loc, ok := (zones{}).parse(text); ok {
			if _, offset := time.Unix(0, 0).In(loc).Zone(); offset < -15*3600 || offset > 15*3600 {
				t.Errorf("%q is %d seconds from UTC", text, offset)
			}
		}
		if name, _ := zoneOfHeader(text); len(name) > len(text) {
			t.Errorf("%q became %q", text, name)
		}
		_ = fmt.Sprint(ParseZone(text))
	})
}

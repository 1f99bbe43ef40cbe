package importer

import (
	"fmt"
	"strings"
	"time"
)

// noon is when a day without a time of day is taken to be: far from both midnights, so that a change of the tenant's
// zone leaves most answers on their day.
const noon = 12 * time.Hour

// order is how the numbers of a date that does not begin with the year are read.
type order int

const (
	yearFirst order = iota
	dayFirst
	monthFirst
)

func (o order) String() string { return [...]string{"YYYY-MM-DD", "DD/MM/YYYY", "MM/DD/YYYY"}[o] }

// dateFormat is how the dates of a column are read. The zero value reads dates that begin with the year and, from the
// seconds or milliseconds since 1970, Unix time.
type dateFormat struct {
	order order
	// given says that the order comes by flag, and holds for dates with points too; else those begin with the day.
	given bool
	// short says that years may have two digits.
	short bool
	// layout, where not empty, is a layout of package time, which says all; dayOnly that it has no time of day.
	layout  string
	dayOnly bool
}

func (f dateFormat) String() string {
	if f.layout != "" {
		return f.layout
	}
	return f.order.String()
}

// parseDateFormat reads the text of --date-format: letters such as DD/MM/YYYY, or a layout of package time.
func parseDateFormat(text string) (dateFormat, error) {
	if strings.EqualFold(text, "unix") {
		return dateFormat{}, nil
	}
	layout := text
	if !strings.Contains(text, "06") {
		var units string
		var err error
		if layout, units, err = friendlyLayout(text); err != nil {
			return dateFormat{}, err
		}
		// What is only made of day, month and year is read with any separators, and may have a time of day.
		short := !strings.Contains(layout, "2006")
		if !strings.Contains(layout, "Jan") {
			switch units {
			case "YMD":
				return dateFormat{order: yearFirst, given: true, short: short}, nil
			case "DMY":
				return dateFormat{order: dayFirst, given: true, short: short}, nil
			case "MDY":
				return dateFormat{order: monthFirst, given: true, short: short}, nil
			}
		}
	}
	base := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	differs := func(t time.Time) bool { return t.Format(layout) != base.Format(layout) }
	if !differs(base.AddDate(1, 0, 0)) || !differs(base.AddDate(0, 1, 0)) || !differs(base.AddDate(0, 0, 1)) {
		return dateFormat{}, fmt.Errorf("--date-format %q does not name a day, a month and a year, such as DD/MM/YYYY", text)
	}
	return dateFormat{layout: layout, given: true, dayOnly: !differs(base.Add(time.Hour))}, nil
}

// friendlyLayout turns letters such as DD/MM/YYYY HH:mm into a layout of package time, and says which units of the
// date come in which order, followed by T where there is a time of day.
func friendlyLayout(text string) (layout, units string, err error) {
	var out strings.Builder
	hours := false
	for i := 0; i < len(text); {
		c := text[i]
		n := 1
		for i+n < len(text) && lower(text[i+n]) == lower(c) {
			n++
		}
		unit, as := "", ""
		switch lower(c) {
		case 'y':
			unit, as = "Y", map[int]string{2: "06", 4: "2006"}[n]
		case 'd':
			unit, as = "D", map[int]string{1: "2", 2: "2"}[n]
		case 'm':
			if hours && !strings.HasSuffix(out.String(), " ") {
				unit, as = "T", map[int]string{1: "4", 2: "04"}[n]
				break
			}
			unit, as = "M", map[int]string{1: "1", 2: "1", 3: "Jan", 4: "January"}[n]
		case 'h':
			hours = true
			unit, as = "T", "15"
			if l := strings.ToLower(text); strings.HasSuffix(l, "am") || strings.HasSuffix(l, "pm") || strings.HasSuffix(l, " a") {
				as = "3"
			}
		case 's':
			unit, as = "T", map[int]string{1: "5", 2: "05"}[n]
		case 'z':
			unit, as = "T", "Z07:00"
		case 'a', 'p':
			unit, as = "T", "PM"
			if i+n < len(text) && lower(text[i+n]) == 'm' {
				n++
			}
		case 't':
			as = "T"
		case '/', '-', '.', ':', ' ', ',':
			as = text[i : i+n]
		}
		if as == "" {
			return "", "", fmt.Errorf("--date-format %q is not understood at %q: write it like DD/MM/YYYY or YYYY-MM-DD HH:mm:ss", text, text[i:i+n])
		}
		if unit != "" && (unit != "T" || !strings.HasSuffix(units, "T")) {
			units += unit
		}
		out.WriteString(as)
		i += n
	}
	return out.String(), units, nil
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// parse reads a date. One without a zone is of zone; one without a time of day is noon there, and dayOnly.
func (f dateFormat) parse(text string, zone *time.Location) (t time.Time, dayOnly bool, err error) {
	if f.layout != "" {
		if t, err = time.ParseInLocation(f.layout, text, zone); err != nil {
			return t, false, fmt.Errorf("%.60q is no date as %s", text, f.layout)
		}
		if f.dayOnly {
			t = time.Date(t.Year(), t.Month(), t.Day(), int(noon/time.Hour), 0, 0, 0, zone)
		}
		return t, f.dayOnly, nil
	}
	if t, ok := parseUnix(text); ok {
		return t, false, nil
	}
	d, err := splitDate(text)
	if err != nil {
		return time.Time{}, false, err
	}
	y, m, day, err := d.date(f)
	if err != nil {
		return time.Time{}, false, err
	}
	if !exists(y, m, day) {
		return time.Time{}, false, fmt.Errorf("%.60q is no day of the calendar as %s", text, f)
	}
	if strings.TrimSpace(d.rest) == "" {
		return time.Date(y, time.Month(m), day, int(noon/time.Hour), 0, 0, 0, zone), true, nil
	}
	c, ok := parseClock(d.rest, zone)
	if !ok {
		return time.Time{}, false, fmt.Errorf("%.60q has no time of day such as 15:04 after its date", text)
	}
	return time.Date(y, time.Month(m), day, c.hour, c.minute, c.second, c.nano, c.zone), false, nil
}

// parseUnix reads seconds (9 or 10 digits) or milliseconds (12 or 13) since 1970.
func parseUnix(text string) (time.Time, bool) {
	if leadingDigits(text) != len(text) {
		return time.Time{}, false
	}
	switch len(text) {
	case 9, 10:
		return time.Unix(int64(atoi(text)), 0).UTC(), true
	case 12, 13:
		return time.UnixMilli(int64(atoi(text))).UTC(), true
	}
	return time.Time{}, false
}

// numbers are the three of a date, in the order in which they stand.
type numbers struct {
	text   string
	value  [3]int
	digits [3]int
	point  bool
	// rest is what follows.
	rest string
}

func splitDate(text string) (numbers, error) {
	d := numbers{text: text}
	fault := func() error { return fmt.Errorf("%.60q is no date that is understood", text) }
	if n := leadingDigits(text); n == 8 {
		// 20240131
		d.value = [3]int{atoi(text[:4]), atoi(text[4:6]), atoi(text[6:8])}
		d.digits, d.rest = [3]int{4, 2, 2}, text[8:]
		return d, nil
	}
	rest, separator := text, byte(0)
	for i := range d.value {
		n := leadingDigits(rest)
		if n == 0 || n > 4 {
			return d, fault()
		}
		d.value[i], d.digits[i] = atoi(rest[:n]), n
		rest = rest[n:]
		if i == 2 {
			break
		}
		if rest == "" || !strings.Contains("-/.", rest[:1]) || i == 1 && rest[0] != separator {
			return d, fault()
		}
		separator, rest = rest[0], rest[1:]
	}
	d.point, d.rest = separator == '.', rest
	return d, nil
}

func leadingDigits(text string) int {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return n
}

// atoi reads up to 18 digits.
func atoi(digits string) int {
	n := 0
	for _, c := range []byte(digits) {
		n = 10*n + int(c-'0')
	}
	return n
}

// date says which number is which.
func (d *numbers) date(f dateFormat) (y, m, day int, err error) {
	isYear := func(i int) bool { return d.digits[i] == 4 || f.short && d.digits[i] == 2 }
	year := func(i int) int {
		switch v := d.value[i]; {
		case d.digits[i] == 4:
			return v
		case v < 69:
			return 2000 + v
		default:
			return 1900 + v
		}
	}
	switch {
	case d.digits[0] == 4 && d.digits[1] <= 2 && d.digits[2] <= 2, f.short && f.order == yearFirst && isYear(0):
		return year(0), d.value[1], d.value[2], nil
	case !isYear(2) || d.digits[0] > 2 || d.digits[1] > 2:
		return 0, 0, 0, fmt.Errorf("%.60q is no date with a year of four digits", d.text)
	case f.order == dayFirst, d.point && !f.given:
		return year(2), d.value[1], d.value[0], nil
	case f.order == monthFirst:
		return year(2), d.value[0], d.value[1], nil
	}
	return 0, 0, 0, fmt.Errorf("%.60q does not begin with the year", d.text)
}

func exists(y, m, d int) bool {
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return y >= 1 && m >= 1 && m <= 12 && d >= 1 && t.Day() == d && t.Month() == time.Month(m)
}

// clock is a time of day.
type clock struct {
	hour, minute, second, nano int
	zone                       *time.Location
}

// parseClock reads what follows a date: T or a space, 15:04, seconds and their fractions, AM or PM, and a zone as Z or
// +02:00, the last four where they are given.
func parseClock(text string, zone *time.Location) (c clock, ok bool) {
	text = strings.ToUpper(strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(text, "T"), "t")))
	number := func(most int) (n int, ok bool) {
		digits := leadingDigits(text)
		if digits == 0 || digits > 2 {
			return 0, false
		}
		n, text = atoi(text[:digits]), text[digits:]
		return n, n <= most
	}
	if c.hour, ok = number(23); !ok || !strings.HasPrefix(text, ":") {
		return c, false
	}
	text = text[1:]
	if c.minute, ok = number(59); !ok {
		return c, false
	}
	if strings.HasPrefix(text, ":") {
		text = text[1:]
		if c.second, ok = number(59); !ok {
			return c, false
		}
		if strings.HasPrefix(text, ".") || strings.HasPrefix(text, ",") {
			n := leadingDigits(text[1:])
			if n == 0 {
				return c, false
			}
			c.nano = atoi((text[1:1+n] + "000000000")[:9])
			text = text[1+n:]
		}
	}
	text = strings.TrimLeft(text, " ")
	if half, found := strings.CutSuffix(text[:min(2, len(text))], "M"); found && (half == "A" || half == "P") {
		if c.hour < 1 || c.hour > 12 {
			return c, false
		}
		c.hour %= 12
		if half == "P" {
			c.hour += 12
		}
		text = strings.TrimLeft(text[2:], " ")
	}
	c.zone, ok = parseOffset(text, zone)
	return c, ok
}

// parseOffset reads Z, UTC, GMT, +02, +0200 and +02:00; nothing means zone.
func parseOffset(text string, zone *time.Location) (*time.Location, bool) {
	switch text {
	case "":
		return zone, true
	case "Z", "UTC", "GMT":
		return time.UTC, true
	}
	digits := strings.Replace(text[1:], ":", "", 1)
	if text[0] != '+' && text[0] != '-' || leadingDigits(digits) != len(digits) || len(digits) != 2 && len(digits) != 4 {
		return nil, false
	}
	hours, minutes := atoi(digits[:2]), 0
	if len(digits) == 4 {
		minutes = atoi(digits[2:])
	}
	if hours > 23 || minutes > 59 {
		return nil, false
	}
	seconds := hours*3600 + minutes*60
	if text[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), true
}

// sighting is a date that was seen.
type sighting struct {
	text string
	line int
}

// dateGuess gathers what the dates of a column can be.
type dateGuess struct {
	// first is the first date of all.
	first sighting
	// read are those that are plain anyway, same those whose day and month are the same number, wrong those that can't
	// be read.
	read, same, wrong int
	// Of the others: those that are only good with the day or the month first, and those that are good either way,
	// and two different days. The first of each is kept.
	days, months, both                int
	firstDay, firstMonth, firstOfBoth sighting
	firstWrong                        sighting
}

func (g *dateGuess) see(text string, line int) {
	at := sighting{text, line}
	if g.first.line == 0 {
		g.first = at
	}
	note := func(n *int, first *sighting) {
		if *n++; *n == 1 {
			*first = at
		}
	}
	if len(text) < len("1/1/2024") || leadingDigits(text) == 0 {
		note(&g.wrong, &g.firstWrong)
		return
	}
	if _, _, plain := (dateFormat{}).parse(text, time.UTC); plain == nil {
		g.read++
		return
	}
	day, _, asDay := dateFormat{order: dayFirst}.parse(text, time.UTC)
	month, _, asMonth := dateFormat{order: monthFirst}.parse(text, time.UTC)
	switch {
	case asDay == nil && asMonth == nil:
		if day.Equal(month) {
			g.same++
			return
		}
		note(&g.both, &g.firstOfBoth)
	case asDay == nil:
		note(&g.days, &g.firstDay)
	case asMonth == nil:
		note(&g.months, &g.firstMonth)
	default:
		note(&g.wrong, &g.firstWrong)
	}
}

// format decides how the column's dates are read. Where they can be read in two ways, or in none, it says so.
func (g *dateGuess) format(column string) (dateFormat, error) {
	const flag = "say which it is with --date-format DD/MM/YYYY or --date-format MM/DD/YYYY"
	switch {
	case g.days > 0 && g.months > 0:
		return dateFormat{}, fmt.Errorf("the dates of the column %q contradict each other: %q (line %d) can only be DD/MM/YYYY, %q (line %d) only MM/DD/YYYY; %s",
			column, g.firstDay.text, g.firstDay.line, g.firstMonth.text, g.firstMonth.line, flag)
	case g.days > 0:
		return dateFormat{order: dayFirst}, nil
	case g.months > 0:
		return dateFormat{order: monthFirst}, nil
	case g.both > 0:
		const as = "2 January 2006"
		day, _, _ := dateFormat{order: dayFirst}.parse(g.firstOfBoth.text, time.UTC)
		month, _, _ := dateFormat{order: monthFirst}.parse(g.firstOfBoth.text, time.UTC)
		return dateFormat{}, fmt.Errorf("the dates of the column %q can be read in two ways: %q (line %d) is %s as DD/MM/YYYY, and %s as MM/DD/YYYY; %s",
			column, g.firstOfBoth.text, g.firstOfBoth.line, day.Format(as), month.Format(as), flag)
	case g.same > 0:
		return dateFormat{order: dayFirst}, nil
	case g.read == 0 && g.wrong > 0:
		return dateFormat{}, fmt.Errorf("the column %q holds no dates that are understood, such as %.60q (line %d); say how they are written with --date-format, such as DD/MM/YYYY HH:mm",
			column, g.firstWrong.text, g.firstWrong.line)
	}
	return dateFormat{}, nil
}

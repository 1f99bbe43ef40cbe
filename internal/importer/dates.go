package importer

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// noon is when a day without a time of day is taken to be: far from both midnights, so that a change of the tenant's
// zone leaves most answers on their day.
const noon = 12 * time.Hour

// order is how the numbers of a date that does not begin with a year of four digits are read.
type order int

const (
	yearFirst order = iota
	dayFirst
	monthFirst
)

// dateFormat is how the dates of a column are read. The zero value reads dates that say themselves which number is
// which: those that begin with a year of four digits, days of a week of a year, those that name the month, and, from
// the seconds or milliseconds since 1970, Unix time.
type dateFormat struct {
	order order
	// given says that the order comes by flag, and holds for dates with points too; else those begin with the day.
	given bool
	// short says that years may have two digits.
	short bool
	// layout, where not empty, is a layout of package time, which says all; dayOnly that it has no time of day.
	layout  string
	dayOnly bool
	// serial says that dates are numbers of days, as Excel writes them, since the year 1900 or 1904; 0 that they are not.
	serial int
	zones  zones
}

func (f dateFormat) String() string {
	switch {
	case f.layout != "":
		return f.layout
	case f.serial == 1904:
		return "excel1904"
	case f.serial != 0:
		return "excel"
	case f.short:
		return [...]string{"YY-MM-DD", "DD/MM/YY", "MM/DD/YY"}[f.order]
	}
	return [...]string{"YYYY-MM-DD", "DD/MM/YYYY", "MM/DD/YYYY"}[f.order]
}

// parseDateFormat reads the text of --date-format: letters such as DD/MM/YYYY, a layout of package time, unix, excel
// or excel1904. Layouts with the name of a zone are refused: package time takes an abbreviation that it does not know
// for UTC, and letters that stand for nothing say nothing about the zone.
func parseDateFormat(text string) (dateFormat, error) {
	switch strings.ToLower(text) {
	case "unix":
		return dateFormat{}, nil
	case "excel", "excel1900":
		return dateFormat{serial: 1900, given: true}, nil
	case "excel1904":
		return dateFormat{serial: 1904, given: true}, nil
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
	if zone := zoneInLayout(layout); zone != "" {
		return dateFormat{}, badOption("--date-format %q names a zone, %s, which would be read wrong: leave the flag away, since dates with zones are understood as they are, or write Z07:00 for offsets such as +02:00, or cut the zone off and say it with --time-zone", text, zone)
	}
	base := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	differs := func(t time.Time) bool { return t.Format(layout) != base.Format(layout) }
	if !differs(base.AddDate(1, 0, 0)) || !differs(base.AddDate(0, 1, 0)) || !differs(base.AddDate(0, 0, 1)) {
		return dateFormat{}, badOption("--date-format %q does not name a day, a month and a year, such as DD/MM/YYYY", text)
	}
	return dateFormat{layout: layout, given: true, dayOnly: !differs(base.Add(time.Hour))}, nil
}

// zoneInLayout finds the name of a zone in a layout, or letters that look like one.
func zoneInLayout(layout string) string {
	rest := layout
	for _, offset := range []string{"Z07:00:00", "Z070000", "Z07:00", "Z0700", "Z07", "January", "Jan", "Monday", "Mon", "PM", "pm"} {
		rest = strings.ReplaceAll(rest, offset, " ")
	}
	for _, word := range strings.FieldsFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if _, ok := (zones{}).parse(word); ok || word == "MST" || word == "IST" {
			return word
		}
		if rest, ok := strings.CutPrefix(word, "T"); ok && rest == "Z" {
			return "Z"
		}
	}
	return ""
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
			return "", "", badOption("--date-format %q is not understood at %q: write it like DD/MM/YYYY or YYYY-MM-DD HH:mm:ss, or unix, excel or excel1904", text, text[i:i+n])
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
	original := text
	text = plainDate(text)
	if f.layout != "" {
		if t, err = time.ParseInLocation(f.layout, text, zone); err != nil {
			if fault, ok := errors.AsType[*time.ParseError](err); ok && strings.HasSuffix(fault.Message, "day out of range") {
				return t, false, noDayError(original)
			}
			return t, false, fmt.Errorf("%.60q is no date as %s", original, f.layout)
		}
		if !strings.Contains(f.layout, "07") {
			// It says no offset.
			if wall, err := time.Parse(f.layout, text); err == nil {
				t = onClock(wall, zone)
			}
		}
		if f.dayOnly {
			t = time.Date(t.Year(), t.Month(), t.Day(), int(noon/time.Hour), 0, 0, 0, zone)
		}
		return t, f.dayOnly, nil
	}
	if f.serial != 0 {
		if t, dayOnly, ok := parseSerial(text, f.serial, zone); ok {
			return t, dayOnly, nil
		}
		return time.Time{}, false, fmt.Errorf("%.60q is no number of days as Excel counts them", original)
	}
	if t, ok := parseUnix(text); ok {
		return t, false, nil
	}
	d, err := splitDate(text)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("%.60q is no date that is understood", original)
	}
	y, m, day, err := d.date(f)
	if err != nil {
		return time.Time{}, false, err
	}
	if !exists(y, m, day) {
		// Whichever of the two is the month, it has no such day, and no other format reads it.
		if other := min(m, day); other >= 1 && other <= 12 && max(m, day) <= 31 && !exists(y, day, m) {
			return time.Time{}, false, noDayError(original)
		}
		return time.Time{}, false, fmt.Errorf("%.60q is no day of the calendar as %s", original, f)
	}
	rest := strings.TrimLeft(d.rest, " ,")
	if rest == "" {
		return time.Date(y, time.Month(m), day, int(noon/time.Hour), 0, 0, 0, zone), true, nil
	}
	c, after, ok := parseClock(rest)
	if !ok {
		return time.Time{}, false, fmt.Errorf("%.60q has no time of day such as 15:04 after its date", original)
	}
	at := func(loc *time.Location) time.Time {
		return onClock(time.Date(y, time.Month(m), day, c.hour, c.minute, c.second, c.nano, time.UTC), loc)
	}
	if after == "" {
		return at(zone), false, nil
	}
	// An abbreviation that the file's own zone uses at that time means that zone.
	if t := at(zone); unicode.IsLetter(rune(after[0])) {
		if name, _ := t.Zone(); strings.EqualFold(name, after) {
			return t, false, nil
		}
	}
	loc, ok := f.zones.parse(after)
	if !ok {
		return time.Time{}, false, fmt.Errorf("%.60q has a zone, %.40q, that is not known, or known as several: give the file's zone with --time-zone", original, after)
	}
	return at(loc), false, nil
}

// onClock is when the clocks of a zone show what wall shows in UTC. Of a time that they show twice, when they are put
// back, it is the first; one that they skip is read by the offset before, so that 02:30 is 03:30 where 02:00 becomes
// 03:00. Package time promises neither, and does one thing in Berlin and another in New York.
func onClock(wall time.Time, zone *time.Location) time.Time {
	const longest = 26 * time.Hour // Samoa has skipped a day
	same := func(t time.Time) bool {
		_, offset := t.Zone()
		return t.Add(time.Duration(offset) * time.Second).Equal(wall)
	}
	y, m, d := wall.Date()
	t := time.Date(y, m, d, wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
	_, before := t.Add(-longest).Zone()
	first := wall.Add(-time.Duration(before) * time.Second).In(zone)
	if same(first) || !same(t) {
		return first
	}
	return t
}

// noDayError is a date, as it is written, of a day that its month does not have: 2025-02-29.
type noDayError string

func (e noDayError) Error() string { return fmt.Sprintf("%.60q is no day of the calendar", string(e)) }

// isNoDay reports whether a text is a date of a day that its month does not have, in whichever order it is written.
func isNoDay(text string) bool {
	for _, f := range append([]dateFormat{{}}, candidates[:]...) {
		if _, _, err := f.parse(text, time.UTC); err != nil {
			if _, ok := errors.AsType[noDayError](err); ok {
				return true
			}
		}
	}
	return false
}

// plainDate is the text in plain letters, digits and spaces, without what surrounds it.
func plainDate(text string) string {
	text = unformulated(bare(text))
	ascii := true
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return text
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		case r == '‐' || r == '‑':
			return '-'
		}
		return r
	}, norm.NFC.String(plainDigits(width.Fold.String(text))))
	return eastAsian(text)
}

// The dates and times of day of East Asia: 2025年3月14日(金) 午後3時04分, 2025년 3월 14일 오후 3:04, 2025. 3. 14. 오후 3:04.
var (
	//nolint:gosmopolitan // these are its letters
	eastDay = regexp.MustCompile(`^(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日号號일]`)
	//nolint:gosmopolitan // likewise
	eastWeekday = regexp.MustCompile(`^ ?(?:\([日月火水木金土一二三四五六일월화수목금토]\)|\(?(?:[日月火水木金土]曜日?|(?:星期|周|週|礼拜|禮拜)[日天一二三四五六]|[일월화수목금토]요일)\)?)`)
	//nolint:gosmopolitan // likewise
	eastHalf = regexp.MustCompile(`(^|[ T])(午前|午後|上午|下午|오전|오후) ?(\d{1,2})`)
	//nolint:gosmopolitan // likewise
	eastClock = regexp.MustCompile(`(\d{1,2}) ?[時时點点시](?: ?(\d{1,2}) ?[分분](?: ?(\d{1,2}) ?[秒초])?)?`)
)

// eastAsian writes such a date as one with hyphens and colons, and AM or PM behind the time of day. Any other text stays.
func eastAsian(text string) string {
	if !strings.ContainsFunc(text, unspaced) {
		return text
	}
	text = eastDay.ReplaceAllString(text, "$1-$2-$3 ")
	if i := strings.IndexByte(text, ' '); i >= 0 {
		text = text[:i+1] + eastWeekday.ReplaceAllString(text[i+1:], "")
	}
	half := ""
	if m := eastHalf.FindStringSubmatchIndex(text); m != nil {
		half = " AM"
		if word := text[m[4]:m[5]]; word == "午後" || word == "下午" || word == "오후" { //nolint:gosmopolitan // likewise
			half = " PM"
		}
		text = text[:m[4]] + text[m[6]:]
	}
	text = eastClock.ReplaceAllStringFunc(text, func(clock string) string {
		m := eastClock.FindStringSubmatch(clock)
		return fmt.Sprintf("%s:%02d:%02d", m[1], atoi(m[2]), atoi(m[3]))
	})
	if half == "" {
		return strings.TrimSpace(text)
	}
	// Behind the time of day, ahead of a zone.
	end := strings.LastIndexByte(text, ':')
	if end < 0 {
		return text // no time of day that says its minutes, which is none that is understood
	}
	end++
	end += leadingDigits(text[end:])
	return strings.TrimSpace(text[:end] + half + text[end:])
}

// parseUnix reads seconds (9 or 10 digits, with decimals or without), milliseconds (12 or 13) or microseconds (16) since
// 1970.
func parseUnix(text string) (time.Time, bool) {
	digits, decimals, _ := strings.Cut(text, ".")
	if leadingDigits(digits) != len(digits) || leadingDigits(decimals) != len(decimals) {
		return time.Time{}, false
	}
	switch len(digits) {
	case 9, 10:
		return time.Unix(int64(atoi(digits)), 0).UTC(), true
	case 12:
		if decimals == "" && exists(atoi(text[:4]), atoi(text[4:6]), atoi(text[6:8])) && (text[:2] == "20" || text[:2] == "19") {
			return time.Time{}, false // 202401310930
		}
		fallthrough
	case 13:
		return time.UnixMilli(int64(atoi(digits))).UTC(), true
	case 16:
		return time.UnixMicro(int64(atoi(digits))).UTC(), true
	}
	return time.Time{}, false
}

// The serial numbers that are guessed to be dates: from 1970 to 2064.
const firstSerial, lastSerial = 25_569, 60_000

// parseSerial reads the number of a day as Excel counts them, and the fraction of the day after a point or a comma, to
// the second. The numbers of 1900 begin at the end of 1899, since Excel believes in a 29th of February 1900; those of
// 1904 are 1462 less.
func parseSerial(text string, system int, zone *time.Location) (t time.Time, dayOnly, ok bool) {
	whole := leadingDigits(text)
	if whole == 0 || whole > 7 {
		return t, false, false
	}
	base := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	if system == 1904 {
		base = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	y, m, d := base.AddDate(0, 0, atoi(text[:whole])).Date()
	if whole == len(text) {
		return time.Date(y, m, d, int(noon/time.Hour), 0, 0, 0, zone), true, true
	}
	part := text[whole+1:]
	if text[whole] != '.' && text[whole] != ',' || leadingDigits(part) != len(part) || len(part) > 18 {
		return t, false, false
	}
	seconds := int(math.Round(float64(atoi(part)) / math.Pow10(len(part)) * 24 * 60 * 60))
	return onClock(time.Date(y, m, d, 0, 0, seconds, 0, time.UTC), zone), false, true
}

// numbers are the three of a date, in the order in which they stand.
type numbers struct {
	text   string
	value  [3]int
	digits [3]int
	point  bool
	// known says that they are year, month and day.
	known bool
	// rest is what follows.
	rest string
}

// errNoDate says that a text is no date at all.
var errNoDate = errors.New("no date")

func splitDate(text string) (numbers, error) {
	d := numbers{text: text}
	if n := leadingDigits(text); n == 8 || n == 12 || n == 14 {
		// 20240131, with 0930 or 093000 behind it.
		d.value = [3]int{atoi(text[:4]), atoi(text[4:6]), atoi(text[6:8])}
		d.digits, d.rest = [3]int{4, 2, 2}, text[8:]
		return d, nil
	}
	if text != "" && (text[0] < '0' || text[0] > '9') {
		if word := leadingLetters(text); weekdays[simplify(text[:word])] {
			if rest := strings.TrimLeft(text[word:], ".,- "); leadingDigits(rest) > 0 {
				if d, err := splitDate(rest); err == nil {
					d.text = text
					return d, nil
				}
			}
		}
		return splitNamed(text)
	}
	rest, separator := text, byte(0)
	for i := range d.value {
		n := leadingDigits(rest)
		if n == 0 || n > 4 {
			if i == 1 && separator == '-' {
				if week, ok := splitWeek(text); ok {
					return week, nil
				}
			}
			return splitNamed(text)
		}
		d.value[i], d.digits[i] = atoi(rest[:n]), n
		rest = rest[n:]
		if i == 2 {
			break
		}
		if rest == "" || strings.IndexByte("-/.", rest[0]) < 0 || i == 1 && rest[0] != separator {
			return splitNamed(text)
		}
		separator, rest = rest[0], rest[1:]
		if separator == '.' {
			rest = strings.TrimLeft(rest, " ")
		}
	}
	d.point, d.rest = separator == '.', strings.TrimPrefix(rest, ".")
	return d, nil
}

// splitWeek reads a day of an ISO week, 2024-W07-3.
func splitWeek(text string) (numbers, bool) {
	if len(text) < len("2024-W07-3") || text[5] != 'W' && text[5] != 'w' || text[4] != '-' || text[8] != '-' ||
		leadingDigits(text) != 4 || leadingDigits(text[6:]) != 2 || leadingDigits(text[9:]) != 1 {
		return numbers{}, false
	}
	year, week, day := atoi(text[:4]), atoi(text[6:8]), atoi(text[9:10])
	if week < 1 || week > 53 || day < 1 || day > 7 {
		return numbers{}, false
	}
	// The 4th of January is in the first week.
	fourth := time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC)
	monday := fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7)
	t := monday.AddDate(0, 0, 7*(week-1)+day-1)
	if y, w := t.ISOWeek(); y != year || w != week {
		return numbers{}, false
	}
	return numbers{text: text, value: [3]int{t.Year(), int(t.Month()), t.Day()}, digits: [3]int{4, 2, 2}, known: true, rest: text[10:]}, true
}

// months are the names of months in the languages of Western Europe, simplified, whole and as they are cut short.
var months = func() map[string]int {
	names := map[string]int{}
	for i, all := range []string{
		"january jan januar janner jaenner janvier janv enero ene gennaio gen januari janeiro",
		"february feb februar fevrier fevr fev febrero febbraio februari fevereiro",
		"march mar marz maerz mrz mars marzo maart mrt marco",
		"april apr avril avr abril abr aprile",
		"may mai mayo maggio mag mei maio",
		"june jun juni juin junio giugno giu junho",
		"july jul juli juillet juil julio luglio lug julho",
		"august aug aout agosto ago augustus",
		"september sep sept septembre septiembre setiembre settembre set setembro",
		"october oct oktober okt octobre octubre ottobre ott outubro out",
		"november nov novembre noviembre novembro",
		"december dec dezember dez decembre diciembre dic dicembre dezembro", //nolint:misspell // French
	} {
		for name := range strings.FieldsSeq(all) {
			names[name] = i + 1
		}
	}
	return names
}()

// isMonth reports whether a text is a month and no day: 2025-03, 03/2025, März 2025, Mar-25, 3, 2025年3月.
func isMonth(text string) bool {
	text = plainDate(text)
	//nolint:gosmopolitan // these are its letters
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" -/.,_'年月년월", r) })
	named, numbered, years := 0, 0, 0
	for _, part := range parts {
		digits := leadingDigits(part)
		switch {
		case digits == len(part) && (digits == 4 || digits == 2 && (named > 0 || numbered > 0)):
			years++
		case digits == len(part) && digits <= 2:
			if n := atoi(part); n < 1 || n > 12 {
				return false
			}
			numbered++
		case months[simplify(part)] > 0:
			named++
		case fillers[strings.ToLower(part)]:
		default:
			return false
		}
	}
	return named+numbered == 1 && years <= 1
}

// weekdays are their names, likewise.
var weekdays = func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.FieldsSeq(`
		monday mon tuesday tue tues wednesday wed thursday thu thur thurs friday fri saturday sat sunday sun
		montag mo dienstag di mittwoch mi donnerstag do freitag fr samstag sa sonnabend sonntag so
		lundi lun mardi mar mercredi mer jeudi jeu vendredi ven samedi sam dimanche dim
		lunes martes miercoles mie jueves jue viernes vie sabado sab domingo dom
		lunedi martedi mercoledi giovedi gio venerdi domenica
		maandag ma dinsdag woensdag wo donderdag vrijdag vr zaterdag za zondag zo
		segunda terca quarta quinta sexta segundafeira tercafeira quartafeira quintafeira sextafeira`) {
		names[name] = true
	}
	return names
}()

// fillers may stand between the parts of a date that names its month.
var fillers = map[string]bool{"of": true, "the": true, "de": true, "del": true, "do": true, "der": true, "den": true, "le": true, "el": true}

// splitNamed reads a date that names its month: 14 March 2025, Mar 14, 2025, 14-Mar-25, Fri Mar 14 2025.
func splitNamed(text string) (numbers, error) {
	var y, m, day int
	rest := text
	for words := 0; y == 0 && words < 8; words++ {
		rest = strings.TrimLeft(rest, " ,-/.")
		if n := leadingDigits(rest); n > 0 {
			switch {
			case n == 4 && y == 0:
				y = atoi(rest[:n])
			case n <= 2 && day == 0:
				day = atoi(rest[:n])
			case n == 2 && m != 0:
				y = century(atoi(rest[:n]))
			default:
				return numbers{}, errNoDate
			}
			rest = rest[n:]
			if strings.HasPrefix(rest, ":") {
				return numbers{}, errNoDate // a time of day
			}
			for _, ordinal := range []string{"st", "nd", "rd", "th", "er", "º", "ª"} {
				if after, ok := strings.CutPrefix(rest, ordinal); ok && leadingLetters(after) == 0 {
					rest = after
					break
				}
			}
			continue
		}
		n := leadingLetters(rest)
		if n == 0 || n > 20 {
			return numbers{}, errNoDate
		}
		word := simplify(rest[:n])
		month, named := months[word]
		switch {
		case named && m == 0 && (day != 0 || y != 0 || !weekdays[word] || !monthFollows(rest[n:])):
			m = month
		case weekdays[word] && m == 0 && day == 0, fillers[word]:
		default:
			return numbers{}, errNoDate
		}
		rest = rest[n:]
	}
	if y != 0 && (m == 0 || day == 0) {
		// 2025 March 14, 2025-Mar-14
		rest = strings.TrimLeft(rest, " ,-/.")
		n := leadingLetters(rest)
		if m == 0 && n > 0 {
			m = months[simplify(rest[:n])]
			rest = strings.TrimLeft(rest[n:], " ,-/.")
		}
		if n = leadingDigits(rest); n == 0 || n > 2 || day != 0 {
			return numbers{}, errNoDate
		}
		day, rest = atoi(rest[:n]), rest[n:]
	}
	if y == 0 || m == 0 || day == 0 {
		return numbers{}, errNoDate
	}
	return numbers{text: text, value: [3]int{y, m, day}, known: true, rest: rest}, nil
}

// monthFollows reports whether a month's name comes next: then what was before it is a weekday, as in mar 4 mar 2025.
func monthFollows(text string) bool {
	text = strings.TrimLeft(text, " ,-/.0123456789")
	_, ok := months[simplify(text[:leadingLetters(text)])]
	return ok
}

// century is the year that two digits mean: 1969 to 2068.
func century(y int) int {
	if y < 69 {
		return 2000 + y
	}
	return 1900 + y
}

func leadingDigits(text string) int {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return n
}

// leadingLetters is how many bytes of letters the text begins with.
func leadingLetters(text string) int {
	for i, r := range text {
		if !unicode.IsLetter(r) && !unicode.Is(unicode.Mn, r) {
			return i
		}
	}
	return len(text)
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
		if d.digits[i] == 4 {
			return d.value[i]
		}
		return century(d.value[i])
	}
	switch {
	case d.known:
		return d.value[0], d.value[1], d.value[2], nil
	case d.digits[0] == 4 && d.digits[1] <= 2 && d.digits[2] <= 2, f.short && f.order == yearFirst && isYear(0):
		if d.digits[2] > 2 {
			break
		}
		return year(0), d.value[1], d.value[2], nil
	case d.digits[2] == 2 && !f.short && d.digits[0] <= 2 && d.digits[1] <= 2:
		return 0, 0, 0, fmt.Errorf("%.60q has a year of two digits", d.text)
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
}

// halves are the ways to write the halves of a day, the longest first.
var halves = []struct {
	text string
	pm   bool
}{{"A. M.", false}, {"P. M.", true}, {"A.M.", false}, {"P.M.", true}, {"AM", false}, {"PM", true}}

// parseClock reads what follows a date: T, a comma, "at", 15:04, 15.04, 15h04 or 1504, seconds and their fractions, AM or
// PM. It also gives what follows, which is to be a zone.
func parseClock(text string) (c clock, after string, ok bool) {
	if n := leadingLetters(text); n > 0 {
		switch simplify(text[:n]) {
		case "t", "at", "um", "a", "alle", "om", "as", "kl":
			text = strings.TrimLeft(text[n:], ". ")
		default:
			return c, "", false
		}
		if word := leadingLetters(text); simplify(text[:word]) == "ore" || simplify(text[:word]) == "las" {
			text = strings.TrimLeft(text[word:], " ")
		}
	}
	number := func(most int) (n int, ok bool) {
		digits := leadingDigits(text)
		if digits == 0 || digits > 2 {
			return 0, false
		}
		n, text = atoi(text[:digits]), text[digits:]
		return n, n <= most
	}
	// An hour alone is a time of day only where something says that it is one.
	alone := false
	switch digits := leadingDigits(text); digits {
	case 4, 6:
		// 0930 and 093000
		c.hour, c.minute = atoi(text[:2]), atoi(text[2:4])
		if digits == 6 {
			c.second = atoi(text[4:6])
		}
		text = text[digits:]
		if c.hour > 23 || c.minute > 59 || c.second > 59 {
			return c, "", false
		}
	default:
		if c.hour, ok = number(23); !ok {
			return c, "", false
		}
		// 15 h 04
		if rest, ok := strings.CutPrefix(strings.ToLower(text), " h "); ok && leadingDigits(rest) == 2 {
			text = text[1:2] + text[3:]
		}
		if alone = text == "" || strings.IndexByte(":.hH", text[0]) < 0; !alone {
			separator := text[0]
			text = text[1:]
			if c.minute, ok = number(59); !ok {
				return c, "", false
			}
			if text != "" && (text[0] == separator || text[0] == ':') {
				text = text[1:]
				if c.second, ok = number(59); !ok {
					return c, "", false
				}
			}
		}
	}
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, ",") {
		n := leadingDigits(text[1:])
		if n == 0 {
			return c, "", false
		}
		c.nano = atoi((text[1:1+n] + "000000000")[:9])
		text = text[1+n:]
	}
	text = strings.TrimLeft(text, " ")
	upper := strings.ToUpper(text)
	for _, half := range halves {
		if !strings.HasPrefix(upper, half.text) || len(upper) != len(text) {
			continue
		}
		if rest := text[len(half.text):]; rest != "" && leadingLetters(rest) > 0 {
			continue
		}
		if c.hour > 12 || c.hour == 0 && half.pm {
			return c, "", false
		}
		c.hour %= 12
		if half.pm {
			c.hour += 12
		}
		alone, text = false, strings.TrimLeft(text[len(half.text):], " ")
		break
	}
	for _, word := range []string{"Uhr", "uhr", "h", "hs", "hrs"} {
		if rest, ok := strings.CutPrefix(text, word); ok && leadingLetters(rest) == 0 {
			alone, text = false, strings.TrimLeft(rest, " ")
			break
		}
	}
	return c, text, !alone
}

// sighting is a date that was seen.
type sighting struct {
	text string
	line int
}

// candidates are the ways to read dates of three numbers of which none is a year of four digits in front. The last is
// for years of two digits alone.
var candidates = [...]dateFormat{{order: dayFirst, short: true}, {order: monthFirst, short: true}, {order: yearFirst, short: true, given: true}}

// dateGuess gathers what the dates of a column can be.
type dateGuess struct {
	// now is when the file is read: a year of two digits is hardly still to come.
	now time.Time
	// first is the first date of all.
	first sighting
	// seen are all, plain those that are understood anyway, serial those that may be Excel's numbers of days, wrong those
	// that cannot be read.
	seen, plain, serial, wrong int
	firstWrong                 sighting
	// months are those of the wrong that name a month, and no day of it.
	months int
	// numbers are the others, short those of them with years of two digits.
	numbers, short int
	// fits says how many of the numbers each candidate reads; unfit are the first few that it does not.
	fits  [len(candidates)]int
	unfit [len(candidates)][]sighting
	// differ is the first date that two candidates read as two days.
	differ [len(candidates)][len(candidates)]sighting
}

// mostUnfit is how many dates that a candidate does not read are named.
const mostUnfit = 3

// contradiction says which dates contradict each other. No format is proposed, since none reads them all.
func (g *dateGuess) contradiction(column string) error {
	best := 0
	for i, n := range g.fits {
		if n > g.fits[best] {
			best = i
		}
	}
	var reads []string
	for i := range candidates {
		if g.fits[i] == 0 || i >= 2 && g.fits[i] < g.fits[best] {
			continue
		}
		var unfit []string
		for _, at := range g.unfit[i] {
			unfit = append(unfit, fmt.Sprintf("%q (line %d)", at.text, at.line))
		}
		not := strings.Join(unfit, ", ")
		if more := g.numbers - g.fits[i] - len(unfit); more > 0 {
			not += fmt.Sprintf(" and %d more", more)
		}
		reads = append(reads, fmt.Sprintf("%s reads %d of %d and not %s", g.named(i), g.fits[i], g.numbers, not))
	}
	return fmt.Errorf("the dates of the column %q contradict each other, and no format reads them all: %s; write them all in one way in the file, best as YYYY-MM-DD, since those that two formats read would be on a wrong day",
		column, strings.Join(reads, "; "))
}

func (g *dateGuess) see(text string, line int) {
	at := sighting{text, line}
	if g.first.line == 0 {
		g.first = at
	}
	g.seen++
	note := func(n *int, first *sighting) {
		if *n++; *n == 1 {
			*first = at
		}
		if isMonth(text) {
			g.months++
		}
	}
	if !strings.ContainsFunc(text, unicode.IsDigit) {
		note(&g.wrong, &g.firstWrong)
		return
	}
	if _, _, err := (dateFormat{}).parse(text, time.UTC); err == nil {
		g.plain++
		return
	}
	plain := plainDate(text)
	if leadingDigits(plain) == 5 && atoi(plain[:5]) >= firstSerial && atoi(plain[:5]) <= lastSerial {
		if t, _, ok := parseSerial(plain, 1900, time.UTC); ok && g.past(t) {
			g.serial++
			return
		}
	}
	var read [len(candidates)]time.Time
	var fits [len(candidates)]bool
	some := false
	for i, f := range candidates {
		t, _, err := f.parse(plain, time.UTC)
		if err == nil && i == 2 && (strings.Contains(text, ".") || !g.past(t)) {
			continue // with points the day comes first
		}
		read[i], fits[i] = t, err == nil
		some = some || fits[i]
	}
	if !some {
		note(&g.wrong, &g.firstWrong)
		return
	}
	g.numbers++
	if d, err := splitDate(plain); err == nil && d.digits[2] <= 2 {
		g.short++
	}
	for i, fit := range fits {
		switch {
		case fit:
			g.fits[i]++
		case len(g.unfit[i]) < mostUnfit:
			g.unfit[i] = append(g.unfit[i], at)
		}
		for j, other := range read[:i] {
			if fit && fits[j] && !read[i].Equal(other) && g.differ[i][j].line == 0 {
				g.differ[i][j] = at
			}
		}
	}
}

// past reports whether a time is not still to come, whatever the zone.
func (g *dateGuess) past(t time.Time) bool {
	return g.now.IsZero() || t.Before(g.now.Add(36*time.Hour))
}

// named is a candidate as the flag would name it.
func (g *dateGuess) named(candidate int) dateFormat {
	f := candidates[candidate]
	f.short, f.given = g.short > 0, false
	return f
}

// format decides how the column's dates are read. Where they can be read in two ways, or in none, it says so.
func (g *dateGuess) format(column string) (dateFormat, error) {
	var all []int
	for i, n := range g.fits {
		if n == g.numbers {
			all = append(all, i)
		}
	}
	switch {
	case g.numbers == 0 && g.serial > 0 && g.plain == 0:
		return dateFormat{serial: 1900}, nil
	case g.numbers == 0 && g.plain == 0 && g.months*2 > g.wrong:
		return dateFormat{}, badOption("the column %q holds months and no days, such as %.60q (line %d): its rows look like scores of months, and not like answers; if they are answers, name the column of their dates with --date, or give one for all with --on 2006-01-02",
			column, g.firstWrong.text, g.firstWrong.line)
	case g.numbers == 0 && g.plain == 0 && g.wrong > 0 && isNoDay(g.firstWrong.text):
		return dateFormat{}, badOption("the column %q holds no days of the calendar: %w (line %d); mend them in the file, or name another column with --date",
			column, noDayError(g.firstWrong.text), g.firstWrong.line)
	case g.numbers == 0 && g.plain == 0 && g.wrong > 0:
		return dateFormat{}, badOption("the column %q holds no dates that are understood, such as %.60q (line %d); say how they are written with --date-format, such as DD/MM/YYYY HH:mm, name another column with --date, or give one date for all with --on 2006-01-02",
			column, g.firstWrong.text, g.firstWrong.line)
	case g.numbers == 0:
		return dateFormat{}, nil
	case len(all) == 0:
		return dateFormat{}, g.contradiction(column)
	}
	for _, i := range all {
		for _, j := range all {
			if at := g.differ[i][j]; j < i && at.line > 0 {
				const as = "2 January 2006"
				one, _, _ := candidates[j].parse(at.text, time.UTC)
				other, _, _ := candidates[i].parse(at.text, time.UTC)
				return dateFormat{}, badOption("the dates of the column %q can be read in two ways: %q (line %d) is %s as %s, and %s as %s; say which it is with --date-format %s or --date-format %s",
					column, at.text, at.line, one.Format(as), g.named(j), other.Format(as), g.named(i), g.named(j), g.named(i))
			}
		}
	}
	f := candidates[all[0]]
	f.short = g.short > 0
	return f, nil
}

package importer

import (
	"strings"
	"time"

	"github.com/zeroten/zeroten/internal/calendar"
)

// minutesOf are the abbreviations of zones that mean one thing in what programs export, in minutes east of UTC. IST is
// not among them: it is India's, Ireland's and Israel's.
var minutesOf = map[string]int{
	"WET": 0, "WEST": 60, "BST": 60, "CET": 60, "MEZ": 60, "CEST": 120, "MESZ": 120, "EET": 120, "EEST": 180, "MSK": 180,
	"EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420,
	"AKST": -540, "AKDT": -480, "HST": -600, "BRT": -180, "ART": -180, "SAST": 120, "SGT": 480, "HKT": 480, "AWST": 480,
	"JST": 540, "KST": 540, "ACST": 570, "ACDT": 630, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780,
}

// placesOf are the abbreviations of zones whose offset goes with the season.
var placesOf = map[string]string{
	"PT": "America/Los_Angeles", "MT": "America/Denver", "CT": "America/Chicago", "ET": "America/New_York",
}

// zones finds zones by what stands in dates, and remembers those that take long to load.
type zones map[string]*time.Location

// parse reads Z, UTC, GMT, +02, +0200, +02:00, GMT+1, UTC-05:30, a well-known abbreviation, or a name such as
// Europe/Berlin. What stands in brackets behind an offset says it again.
func (z zones) parse(text string) (*time.Location, bool) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "−", "-"))
	if i := strings.IndexAny(text, "(["); i >= 0 {
		closing := map[byte]string{'(': ")", '[': "]"}[text[i]]
		if !strings.HasSuffix(text, closing) {
			return nil, false
		}
		if inner := text[i+1 : len(text)-1]; i == 0 {
			text = strings.TrimSpace(inner)
		} else {
			text = strings.TrimSpace(text[:i])
		}
	}
	upper := strings.ToUpper(text)
	switch upper {
	case "":
		return nil, false
	case "Z", "UTC", "GMT", "UT":
		return time.UTC, true
	}
	if minutes, ok := minutesOf[upper]; ok {
		return time.FixedZone("", minutes*60), true
	}
	if name, ok := placesOf[upper]; ok {
		return z.load(name)
	}
	if strings.Contains(text, "/") {
		return z.load(text)
	}
	for _, prefix := range []string{"GMT", "UTC"} {
		if rest, ok := strings.CutPrefix(upper, prefix); ok {
			upper = strings.TrimSpace(rest)
		}
	}
	return parseOffset(upper)
}

func (z zones) load(name string) (*time.Location, bool) {
	if loc, ok := z[name]; ok {
		return loc, loc != nil
	}
	loc, err := calendar.LoadZone(name)
	if z != nil && len(z) < 1_000 {
		z[name] = loc
	}
	return loc, err == nil
}

// parseOffset reads +2, +02, +0200 and +02:00.
func parseOffset(text string) (*time.Location, bool) {
	if text == "" || text[0] != '+' && text[0] != '-' {
		return nil, false
	}
	hour, minute, colon := strings.Cut(strings.TrimSpace(text[1:]), ":")
	if !colon && len(hour) == 4 {
		hour, minute = hour[:2], hour[2:]
	} else if colon && len(minute) != 2 {
		return nil, false
	}
	if hour == "" || len(hour) > 2 || leadingDigits(hour) != len(hour) || leadingDigits(minute) != len(minute) {
		return nil, false
	}
	hours, minutes := atoi(hour), atoi(minute)
	if hours > 14 || minutes > 59 {
		return nil, false
	}
	seconds := hours*3600 + minutes*60
	if text[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), true
}

// ParseZone reads the text of a flag that names a zone: Europe/Berlin, UTC, +02:00, or an abbreviation such as PST.
func ParseZone(text string) (*time.Location, bool) {
	if loc, err := calendar.LoadZone(text); err == nil {
		return loc, true
	}
	return zones{}.parse(text)
}

// zoneOfHeader finds a zone in a column's name: "Submit Date (UTC)", "created_at [GMT+1]", "Time UTC". It also gives
// the name without it.
func zoneOfHeader(header string) (name string, zone *time.Location) {
	header = strings.TrimSpace(header)
	if n := len(header); n > 0 && (header[n-1] == ')' || header[n-1] == ']') {
		if i := strings.LastIndexAny(header, "(["); i >= 0 {
			if loc, ok := (zones{}).parse(header[i:]); ok {
				return strings.TrimSpace(header[:i]), loc
			}
		}
		return header, nil
	}
	if i := strings.LastIndexAny(header, " _-"); i > 0 {
		if last := strings.ToUpper(header[i+1:]); last == "UTC" || last == "GMT" {
			return strings.TrimSpace(header[:i]), time.UTC
		}
	}
	return header, nil
}

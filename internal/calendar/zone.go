package calendar

import (
	"fmt"
	"regexp"
	"time"
	_ "time/tzdata" // Machines without a zone database must know the same zones.
)

var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}$`)

// LoadZone finds a time zone by its IANA name, e.g. Europe/Amsterdam or UTC. Everything else is refused: the
// machine's own zone, paths, and the variants of zones that some machines keep beside them.
func LoadZone(name string) (*time.Location, error) {
	// Names of zones are written with a capital, unlike the directories posix/ and right/ (whose clocks count leap
	// seconds) and the files localtime and posixrules.
	if name != "Local" && name != "Factory" && zoneName.MatchString(name) {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, nil
		}
	}
	return nil, fmt.Errorf("%.60q is no IANA time zone, such as Europe/Amsterdam", name)
}

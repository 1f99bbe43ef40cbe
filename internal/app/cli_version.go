package app

import (
	"cmp"
	"runtime/debug"
)

// VersionCmd is `zeroten version`.
type VersionCmd struct{}

// Run says what was built, from what, and by which Go.
func (*VersionCmd) Run(g *Globals) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return g.print("%s\n", version(info))
}

// version is one line: the module's version, the commit and when it was made, where these are known, and Go's version.
func version(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	text := "zeroten " + cmp.Or(info.Main.Version, "(unknown)")
	if revision := settings["vcs.revision"]; revision != "" {
		text += ", commit " + revision
		if settings["vcs.modified"] == "true" {
			text += " and changes on top"
		}
	}
	if at := settings["vcs.time"]; at != "" {
		text += " of " + at
	}
	return text + ", " + cmp.Or(info.GoVersion, "an unknown Go")
}

package importer

import "strings"

// guard makes a field harmless in a spreadsheet, which takes what begins with one of these characters for a formula, by
// an apostrophe in front. One that has apostrophes in front already gets one more, so that unguard gives back what was
// there.
func guard(field string) string {
	if formula(strings.TrimLeft(field, "'")) {
		return "'" + field
	}
	return field
}

// unguard takes off the apostrophe that guard has put in front.
func unguard(field string) string {
	if rest, ok := strings.CutPrefix(field, "'"); ok && formula(strings.TrimLeft(rest, "'")) {
		return rest
	}
	return field
}

// formula reports whether a spreadsheet may take the text for a formula. Some take fullwidth signs for the plain ones,
// and some pass over line feeds.
func formula(text string) bool {
	for _, sign := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(text, sign) {
			return true
		}
	}
	return false
}

package apierror

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TooLongFor says that a text has more than most characters, in words that go on from the name of what it is; empty where
// it has not. All texts of the API are measured by it.
func TooLongFor(most int, text string) string {
	if len(text) <= most { // counting takes longer
		return ""
	}
	if n := utf8.RuneCountInString(text); n > most {
		return fmt.Sprintf("at most %d characters, not %d", most, n)
	}
	return ""
}

// AtMost notes TOO_LONG where the text that came in field is given and has more than most characters.
func (e *UserErrors) AtMost(most int, text *string, field ...string) {
	if text == nil {
		return
	}
	if fault := TooLongFor(most, *text); fault != "" {
		e.Add(TooLong, field, "A%s.", fault[1:])
	}
}

// Filled notes REQUIRED where the text that came in field is given and has nothing in it but white space, and TOO_LONG as
// AtMost does.
func (e *UserErrors) Filled(most int, text *string, field ...string) {
	if text != nil && strings.TrimSpace(*text) == "" {
		e.Add(Required, field, "The %s must not be empty.", field[len(field)-1])
		return
	}
	e.AtMost(most, text, field...)
}

// FilledOrNone is Filled for what may be left out: a blank text is INVALID, and the message says to.
func (e *UserErrors) FilledOrNone(most int, text *string, field ...string) {
	if text != nil && strings.TrimSpace(*text) == "" {
		e.Add(Invalid, field, "The %s must not be empty; leave it out where there is none.", field[len(field)-1])
		return
	}
	e.AtMost(most, text, field...)
}

// NotInLine reports whether a character has no place in a text of one line: it breaks the line, controls something, or turns
// around what comes after it, which may be another's text. The marks that languages from right to left need have their place.
func NotInLine(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// Line notes INVALID where the text that came in field is given and is not one line.
func (e *UserErrors) Line(text *string, field ...string) {
	if text != nil && strings.ContainsFunc(*text, NotInLine) {
		e.Add(Invalid, field, "The %s must be one line, without characters that control something or turn the text around.", field[len(field)-1])
	}
}

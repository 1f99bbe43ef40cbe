package apierror

import (
	"strings"
	"testing"
)

// Texts are measured in characters, and refused in the same words wherever they come in.
func TestTexts(t *testing.T) {
	long, fits := strings.Repeat("é", 6), strings.Repeat("é", 5)
	note := func(add func(*UserErrors, int, *string, ...string), text *string) string {
		var errs UserErrors
		add(&errs, 5, text, "input", "name")
		if len(errs) == 0 {
			return ""
		}
		return string(errs[0].Code) + " " + errs.Error()
	}
	const tooLong = "TOO_LONG input.name: At most 5 characters, not 6."
	for name, test := range map[string]struct {
		text                        *string
		atMost, filled, filledOrNot string
	}{
		"none":        {},
		"fits":        {text: &fits},
		"long":        {text: &long, atMost: tooLong, filled: tooLong, filledOrNot: tooLong},
		"long ABC":    {text: new("abcdef"), atMost: tooLong, filled: tooLong, filledOrNot: tooLong},
		"empty":       {text: new(""), filled: "REQUIRED input.name: The name must not be empty.", filledOrNot: "INVALID input.name: The name must not be empty; leave it out where there is none."},
		"blank":       {text: new(" \u00a0\n"), filled: "REQUIRED input.name: The name must not be empty.", filledOrNot: "INVALID input.name: The name must not be empty; leave it out where there is none."},
		"long, blank": {text: new("          "), atMost: "TOO_LONG input.name: At most 5 characters, not 10.", filled: "REQUIRED input.name: The name must not be empty.", filledOrNot: "INVALID input.name: The name must not be empty; leave it out where there is none."},
	} {
		for rule, of := range map[string]struct {
			add  func(*UserErrors, int, *string, ...string)
			want string
		}{"AtMost": {(*UserErrors).AtMost, test.atMost}, "Filled": {(*UserErrors).Filled, test.filled}, "FilledOrNone": {(*UserErrors).FilledOrNone, test.filledOrNot}} {
			if got := note(of.add, test.text); got != of.want {
				t.Errorf("%s of what is %s: %q, want %q", rule, name, got, of.want)
			}
		}
	}
	if got := TooLongFor(5, long); got != "at most 5 characters, not 6" || TooLongFor(5, fits) != "" {
		t.Errorf("got %q and %q", got, TooLongFor(5, fits))
	}
}

// A line has what people write in any language, and nothing that reaches beyond it.
func TestLine(t *testing.T) {
	for text, isLine := range map[string]bool{
		"": true, "Ann O’Neil": true, "שלום\u200f!": true, "\u061cمرحبا": true, "می\u200cخواهم": true, "👩\u200d🔧": true, "a\u00a0b": true,
		"a\nb": false, "a\rb": false, "a\tb": false, "a\x00": false, "a\x7f": false, "a\u0085b": false, "a\u2028b": false, "a\u2029b": false,
		"a\u202a": false, "a\u202eb": false, "a\u2066b": false, "a\u2069b": false,
	} {
		var errs UserErrors
		errs.Line(&text, "input", "name")
		errs.Line(nil, "input", "other")
		if isLine != (len(errs) == 0) || !isLine && (len(errs) != 1 || errs[0].Code != Invalid || strings.Join(errs[0].Field, ".") != "input.name") {
			t.Errorf("%q: %v", text, errs)
		}
	}
}

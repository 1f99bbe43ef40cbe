// Package trait holds what is known about people: the values of their traits, the definitions that say what kind a
// trait is, the dimensions that feedback is cut by, and the profiles that cells are counted under.
package trait

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
)

// Limits of what is known about one person.
const (
	// MaxKeys is how many traits one person has at most.
	MaxKeys = 100
	// MaxText is how many characters (Unicode code points) a text value has at most.
	MaxText = 500
	// MaxNumber is the largest number, and its negative the smallest: 2⁵³ − 1. Up to it float64, and so JSON as most
	// programs read it, tells all whole numbers apart.
	MaxNumber = 1<<53 - 1
)

// The dimension values that are no trait's own; as text values they are refused.
const (
	// None stands for a value that is not known.
	None = "(none)"
	// Other stands for all values that a cube does not keep apart.
	Other = "(other)"
	// Few stands for values that too few people have to be shown; no cell has it.
	Few = "(few)"
)

// Reserved reports whether a text means something else in groups than itself, so that no value, variant or campaign may be called
// so.
func Reserved(text string) bool { return text == None || text == Other || text == Few }

// Values is what is known about somebody: trait key to string, float64 or bool. In inputs nil says that a trait is to
// be removed. As JSON it is an object sorted by key, and reads back the same.
type Values map[string]any

// Bytes is about how long the values are as text.
func (v Values) Bytes() int {
	n := 0
	for key, value := range v {
		n += len(key) + 16
		if text, ok := value.(string); ok {
			n += len(text)
		}
	}
	return n
}

// isKey reports whether a text may be a trait's key, as keyRule has it.
func isKey(text string) bool {
	if len(text) == 0 || len(text) > 64 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// ParseValues reads values from decoded JSON: a map[string]any of string, bool, float64, int, int64, json.Number or
// nil. A nil input gives nil Values. What is wrong is an apierror.UserErrors whose fields are the keys at fault.
func ParseValues(input any) (Values, error) {
	var given map[string]any
	switch input := input.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		given = input
	case Values:
		given = input
	default:
		return nil, apierror.User(apierror.Invalid, []string{}, "Traits are an object of trait key to value, not %s.", jsonKind(input))
	}
	if len(given) > MaxKeys {
		return nil, apierror.User(apierror.TooMany, []string{}, "There are %d traits, at most %d are allowed.", len(given), MaxKeys)
	}
	var errs apierror.UserErrors
	values := make(Values, len(given))
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if !isKey(key) {
			errs.Add(apierror.Invalid, []string{}, "The trait key %.70q is not allowed: %s.", key, keyRule)
			continue
		}
		value, code, fault := parseValue(given[key])
		if fault != "" {
			errs.Add(code, []string{key}, "The trait %s %s.", key, fault)
			continue
		}
		values[key] = value
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	return values, nil
}

const keyRule = "letters, digits and underscores, starting with a letter, at most 64"

// parseValue gives the value as Values hold it, or what is wrong with it, as the end of a sentence.
func parseValue(given any) (value any, code apierror.UserErrorCode, fault string) {
	switch given := given.(type) {
	case nil, bool:
		return given, "", ""
	case string:
		code, fault = textFault(given)
		return given, code, fault
	case float64:
		return parseNumber(given)
	case int:
		return parseNumber(float64(given))
	case int64:
		return parseNumber(float64(given))
	case json.Number:
		number, err := strconv.ParseFloat(given.String(), 64)
		if err != nil && !math.IsInf(number, 0) {
			return nil, apierror.Invalid, "is not a number"
		}
		return parseNumber(number)
	}
	return nil, apierror.Invalid, fmt.Sprintf("is %s; a value is text, a number, true or false", jsonKind(given))
}

func parseNumber(number float64) (value any, code apierror.UserErrorCode, fault string) {
	switch {
	case math.IsNaN(number):
		return nil, apierror.Invalid, "is not a number"
	case math.Abs(number) > MaxNumber:
		return nil, apierror.OutOfRange, fmt.Sprintf("is beyond ±%d, where numbers are no longer exact: give it as text", int64(MaxNumber))
	case number == 0:
		return 0.0, "", "" // −0 is the same value and must look the same.
	}
	return number, "", ""
}

func textFault(text string) (code apierror.UserErrorCode, fault string) {
	switch {
	case !utf8.ValidString(text):
		return apierror.Invalid, "is not valid UTF-8"
	case strings.ContainsRune(text, 0):
		return apierror.Invalid, "contains the character U+0000"
	case apierror.TooLongFor(MaxText, text) != "":
		return apierror.TooLong, "may have " + apierror.TooLongFor(MaxText, text)
	case Reserved(text):
		return apierror.NotAllowed, "is " + text + ", which is not a value of its own: give null where a value is not known"
	}
	return "", ""
}

func jsonKind(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "text"
	case bool:
		return "true or false"
	case float64, int, int64, json.Number:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "something else"
}

// Merge gives the values of base with those of changes put over them; what changes holds as nil is removed. The result
// is a map of its own without nils; base and changes stay as they are.
func Merge(base, changes Values) Values {
	merged := make(Values, len(base)+len(changes))
	for key, value := range base {
		if value != nil {
			merged[key] = value
		}
	}
	for key, value := range changes {
		if value == nil {
			delete(merged, key)
		} else {
			merged[key] = value
		}
	}
	return merged
}

// Fit gives those of the changes after which nobody whose traits are base has more than MaxKeys: all that remove or set a
// trait that there is, and of the others as many as there is room for, in the order of their keys.
func Fit(base, changes Values) Values {
	fitting := make(Values, len(changes))
	room := MaxKeys - len(Merge(base, nil))
	for key, value := range changes {
		_, known := base[key]
		if known || value == nil {
			fitting[key] = value
		}
		if known && value == nil {
			room++
		}
	}
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		if _, taken := fitting[key]; !taken && room > 0 {
			fitting[key] = changes[key]
			room--
		}
	}
	return fitting
}

// Check says which values are not of the kind that their trait is defined as; fields are the keys. Keys without a
// definition pass: they are kept, and may be defined later. So do nils, which remove.
func Check(defs map[string]Definition, v Values) apierror.UserErrors {
	var errs apierror.UserErrors
	for _, key := range slices.Sorted(maps.Keys(v)) {
		def, defined := defs[key]
		if value := v[key]; defined && value != nil && !def.Kind.holds(value) {
			errs.Add(apierror.Invalid, []string{key}, "The trait %s is a %s: expected %s, got %s.", key, def.Kind, def.Kind.example(), describe(value))
		}
	}
	return errs
}

// holds says whether value may be a value of a trait of this kind.
func (k Kind) holds(value any) bool {
	switch value := value.(type) {
	case string:
		if k == Date {
			_, err := calendar.ParseDay(value)
			return err == nil
		}
		return k == Text
	case float64:
		return k == Number
	case bool:
		return k == Boolean
	}
	return false
}

func (k Kind) example() string {
	switch k {
	case Text:
		return "text"
	case Number:
		return "a number"
	case Boolean:
		return "true or false"
	case Date:
		return `a calendar day such as "2026-11-22"`
	}
	return "a value of a known kind"
}

func describe(value any) string {
	switch value := value.(type) {
	case string:
		if utf8.RuneCountInString(value) > 40 {
			return fmt.Sprintf("the text %.40q…", value)
		}
		return fmt.Sprintf("the text %q", value)
	case float64:
		return "the number " + FormatNumber(value)
	case bool:
		return strconv.FormatBool(value)
	}
	return jsonKind(value)
}

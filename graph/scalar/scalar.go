// Package scalar reads and writes the scalars of the API, strictly: no value of one kind passes for another, numbers
// have the range that GraphQL gives them, and no text holds U+0000, which PostgreSQL cannot store.
package scalar

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/look"
	"github.com/zeroten/zeroten/internal/trait"
	"golang.org/x/text/language"
)

// Limits of texts, in characters. Fields have limits of their own below that of String.
const (
	maxString = 50_000
	maxID     = 100
	maxShort  = 64
	maxLocale = 35
	maxBase64 = 1_400_000
)

// Error says what is wrong with a value; it is about the value alone, and safe to show.
type Error string

// Error is the text.
func (e Error) Error() string { return string(e) }

func fault(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }

// text checks what holds for every text.
func text(v any, what string, most int) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fault("%s must be a string", what)
	}
	if long := apierror.TooLongFor(most, s); long != "" {
		return "", fault("%s may have %s", what, long)
	}
	if strings.ContainsRune(s, 0) {
		return "", fault("%s holds the character U+0000, which cannot be stored", what)
	}
	if !utf8.ValidString(s) {
		return "", fault("%s is not valid UTF-8", what)
	}
	return s, nil
}

// MarshalString writes a String.
func MarshalString(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalString reads a String.
func UnmarshalString(v any) (string, error) { return text(v, "a String", maxString) }

// MarshalID writes an ID.
func MarshalID(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalID reads an ID. Those of this API are texts, never numbers.
func UnmarshalID(v any) (string, error) { return text(v, "an ID", maxID) }

// MarshalInt writes an Int. A number beyond 32 bits, which the GraphQL specification does not allow, is null with an
// error.
func MarshalInt(n int) graphql.ContextMarshaler {
	return graphql.ContextWriterFunc(func(_ context.Context, w io.Writer) error {
		if n < math.MinInt32 || n > math.MaxInt32 {
			return fmt.Errorf("%d does not fit into an Int of 32 bits", n)
		}
		_, err := io.WriteString(w, strconv.Itoa(n))
		return err
	})
}

// UnmarshalInt reads an Int: a whole number of 32 bits.
func UnmarshalInt(_ context.Context, v any) (int, error) {
	var n int64
	switch v := v.(type) {
	case int:
		n = int64(v)
	case int32:
		n = int64(v)
	case int64:
		n = v
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > math.MaxInt32 {
			return 0, fault("an Int must be a whole number of 32 bits, not %v", v)
		}
		n = int64(v)
	case json.Number:
		var err error
		if n, err = v.Int64(); err != nil {
			return 0, fault("an Int must be a whole number of 32 bits, not %.20s", v)
		}
	default:
		return 0, fault("an Int must be a number, not %s", kind(v))
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return 0, fault("an Int must be a whole number of 32 bits, not %d", n)
	}
	return int(n), nil
}

// MarshalFloat writes a Float.
func MarshalFloat(f float64) graphql.ContextMarshaler { return graphql.MarshalFloatContext(f) }

// UnmarshalFloat reads a Float: a finite number.
func UnmarshalFloat(_ context.Context, v any) (float64, error) {
	switch v := v.(type) {
	case int:
		return float64(v), nil
	case int64:
		return float64(v), nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return 0, fault("a Float must be finite")
		}
		return v, nil
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return 0, fault("a Float must be a finite number, not %.20s", v)
		}
		return f, nil
	}
	return 0, fault("a Float must be a number, not %s", kind(v))
}

// MarshalBoolean writes a Boolean.
func MarshalBoolean(b bool) graphql.Marshaler { return graphql.MarshalBoolean(b) }

// UnmarshalBoolean reads a Boolean.
func UnmarshalBoolean(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, fault("a Boolean must be true or false, not %s", kind(v))
	}
	return b, nil
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "a number"
}

// MarshalDateTime writes an instant in UTC.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, `"`+t.UTC().Format(time.RFC3339Nano)+`"`) // as gqlgen's own: the writer is a buffer
	})
}

// UnmarshalDateTime reads an instant: RFC 3339 with an offset.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, err := text(v, "a DateTime", maxShort)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fault("a DateTime must be an existing instant as in RFC 3339 with an offset, e.g. 2026-11-22T09:30:00Z, not %q", s)
	}
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, fault("a DateTime must be within the years 1 to 9999 in UTC, not %q", s)
	}
	return t, nil
}

// MarshalDate writes a calendar day.
func MarshalDate(d calendar.Day) graphql.Marshaler { return graphql.MarshalString(d.String()) }

// UnmarshalDate reads a calendar day.
func UnmarshalDate(v any) (calendar.Day, error) {
	s, err := text(v, "a Date", maxShort)
	if err != nil {
		return 0, err
	}
	d, err := calendar.ParseDay(s)
	if err != nil {
		return 0, fault("a Date must be an existing day as in ISO 8601, e.g. 2026-11-22, not %q", s)
	}
	return d, nil
}

// MarshalTimeZone writes a time zone.
func MarshalTimeZone(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalTimeZone reads a time zone; which ones there are is said by the mutation, as something to mend.
func UnmarshalTimeZone(v any) (string, error) { return text(v, "a TimeZone", maxShort) }

// MarshalLocale writes a language tag.
func MarshalLocale(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalLocale reads a language tag.
func UnmarshalLocale(v any) (string, error) {
	s, err := text(v, "a Locale", maxLocale)
	if err != nil {
		return "", err
	}
	if _, err := language.Parse(s); err != nil {
		return "", fault("a Locale must be a BCP 47 language tag, e.g. pt-BR, not %q", s)
	}
	return s, nil
}

// MarshalEmailAddress writes an e-mail address.
func MarshalEmailAddress(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalEmailAddress reads an e-mail address.
func UnmarshalEmailAddress(v any) (string, error) {
	s, err := text(v, "an EmailAddress", maxString)
	if err != nil {
		return "", err
	}
	if !contact.ValidEmail(s) {
		return "", fault("an EmailAddress must be as in RFC 5321, e.g. ann@example.com, at most 254 characters, without a display name")
	}
	return s, nil
}

// MarshalURL writes a URL.
func MarshalURL(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalURL reads a URL, or the empty text, which takes one away. Where placeholders stand in it, whether they may is said by the
// mutation.
func UnmarshalURL(v any) (string, error) {
	s, err := text(v, "a URL", maxString)
	if err != nil || s == "" {
		return s, err
	}
	if wrong := survey.URLFault(s, true); wrong != "" {
		return "", fault("not a URL that is taken: %s", wrong)
	}
	return s, nil
}

// MarshalColor writes a colour.
func MarshalColor(c look.Color) graphql.Marshaler { return graphql.MarshalString(c.String()) }

// UnmarshalColor reads a colour.
func UnmarshalColor(v any) (look.Color, error) {
	s, err := text(v, "a Color", maxShort)
	if err != nil {
		return look.Color{}, err
	}
	c, err := look.ParseColor(s)
	if err != nil {
		return look.Color{}, fault("%v", err)
	}
	return c, nil
}

// MarshalBase64 writes bytes; none of the API's fields gives any.
func MarshalBase64(b []byte) graphql.Marshaler {
	return graphql.MarshalString(base64.StdEncoding.EncodeToString(b))
}

// UnmarshalBase64 reads bytes. Line breaks, which some programs put in, are no part of it.
func UnmarshalBase64(v any) ([]byte, error) {
	s, err := text(v, "a Base64", maxBase64)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, fault("a Base64 must be as in RFC 4648, section 4, with its padding, and without line breaks")
	}
	return b, nil
}

// MarshalFilterObject writes a filter, which is JSON already.
func MarshalFilterObject(o selection.Object) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, string(o)) })
}

// UnmarshalFilterObject refuses: nothing takes one, and filters are inputs of their own.
func UnmarshalFilterObject(any) (selection.Object, error) {
	return "", fault("a FilterObject is only given out: pass it on as a FeedbackFilter")
}

// MarshalTraits writes traits.
func MarshalTraits(v trait.Values) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		if v == nil {
			v = trait.Values{}
		}
		b, err := json.Marshal(v)
		if err != nil {
			b = []byte("null") // texts, finite numbers and booleans can always be written
		}
		_, _ = w.Write(b)
	})
}

// UnmarshalTraits reads traits.
func UnmarshalTraits(v any) (trait.Values, error) { return trait.ParseValues(v) }

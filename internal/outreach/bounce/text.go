package bounce

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// text is a value in JSON that is a text or a number, as it is written; empty for any other. One odd field must not cost all that came
// with it.
type text string

// UnmarshalJSON reads any value; there is no error.
func (t *text) UnmarshalJSON(value []byte) error {
	*t = ""
	var said string
	if json.Unmarshal(value, &said) == nil {
		*t = text(said)
		return nil
	}
	var number json.Number
	if json.Unmarshal(value, &number) == nil {
		*t = text(number)
	}
	return nil
}

// seconds reads seconds since 1970; the zero Time where it is no number of them.
func (t text) seconds() time.Time {
	s, err := strconv.ParseFloat(string(t), 64)
	if err != nil || math.IsNaN(s) || s <= 0 || s > 1<<38 {
		return time.Time{}
	}
	whole, part := math.Modf(s)
	return time.Unix(int64(whole), int64(math.Round(part*1e6))*1e3).UTC()
}

// instant reads an instant as ISO 8601 has it; the zero Time where it is none.
func (t text) instant() time.Time {
	at, err := time.Parse(time.RFC3339, string(t))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// loosely is a value in JSON that is left as it would be without it where it is of another kind.
type loosely[V any] struct{ is V }

// UnmarshalJSON reads any value; there is no error.
func (l *loosely[V]) UnmarshalJSON(value []byte) error {
	var v V
	if json.Unmarshal(value, &v) == nil {
		l.is = v
	}
	return nil
}

// parse reads one value, with nothing behind it. The error is errMalformed.
func parse(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return errMalformed // json's own would have words of what was sent
	}
	return nil
}

// isObject reports whether what is sent begins as an object does.
func isObject(body []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) }

// eventOf is a provider's id of an event, made of parts; where the first of them is empty, or they make none that can be kept, it is one
// that is made of what the event says.
func eventOf(said []string, parts ...string) string {
	event := strings.Join(parts, "/")
	if parts[0] == "" || len(event) > MaxEvent || strings.ContainsFunc(event, func(r rune) bool { return r <= ' ' || r > '~' }) {
		h := sha256.New()
		for _, s := range said {
			h.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
		}
		return "sha256:" + hex.EncodeToString(h.Sum(nil))
	}
	return event
}

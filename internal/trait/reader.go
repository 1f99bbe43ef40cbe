package trait

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/valyala/fastjson"
	"github.com/zeroten/zeroten/internal/calendar"
)

// Reader reads dimension values from traits as they are stored, for those who look at many: without a map of all that is
// known, as Values are. It serves one goroutine.
type Reader struct {
	shape  Shape
	places map[string]int
	values []string
	parser fastjson.Parser
}

// Reader makes a reader of the shape's values.
func (s Shape) Reader() *Reader {
	r := &Reader{shape: s, places: make(map[string]int, len(s.Dimensions)), values: make([]string, len(s.Dimensions))}
	for i, d := range s.Dimensions {
		r.places[d.Key] = i
	}
	return r
}

// Values are what Shape.Values gives for the traits, a JSON object or null. They are the reader's: the next call changes them.
func (r *Reader) Values(traits []byte, on calendar.Day) ([]string, error) {
	// The parser takes more than JSON, decodes texts in its own way where they are not plain, and does not go as deep.
	plain := bytes.IndexByte(traits, '\\') < 0 && utf8.Valid(traits) && json.Valid(traits)
	parsed, err := r.parser.ParseBytes(traits)
	if err != nil || !plain {
		var decoded Values
		if err := json.Unmarshal(traits, &decoded); err != nil {
			return nil, fmt.Errorf("reading traits: %w", err)
		}
		return r.shape.Values(decoded, on), nil
	}
	for i := range r.values {
		r.values[i] = None
	}
	if parsed.Type() == fastjson.TypeNull {
		return r.values, nil
	}
	object, err := parsed.Object()
	if err != nil {
		return nil, fmt.Errorf("reading traits: %w", err)
	}
	var bad error
	object.Visit(func(key []byte, v *fastjson.Value) {
		i, ok := r.places[string(key)]
		if !ok {
			return
		}
		d := &r.shape.Dimensions[i]
		switch v.Type() {
		case fastjson.TypeString:
			r.values[i] = d.ofText(string(v.GetStringBytes()), on)
		case fastjson.TypeTrue, fastjson.TypeFalse:
			r.values[i] = d.ofBoolean(v.GetBool())
		case fastjson.TypeNumber:
			// The parser's own way to a float64 is not exact to the last bit.
			var room [32]byte
			number, err := strconv.ParseFloat(string(v.MarshalTo(room[:0])), 64)
			if r.values[i] = d.ofNumber(number); err != nil {
				bad = err
			}
		default:
			r.values[i] = None
		}
	})
	if bad != nil {
		return nil, fmt.Errorf("reading traits: %w", bad)
	}
	return r.values, nil
}

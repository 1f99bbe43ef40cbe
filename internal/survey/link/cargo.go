package link

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/trait"
)

// MaxTraits is how many traits a public link carries at most.
const MaxTraits = 10

// cargo is what a public link carries, as it is written in tokens: JSON, since that is compact enough, keeps numbers exact, and sorts
// traits by key. Nothing is written where there is nothing to carry.
type cargo struct {
	Locale  string       `json:"l,omitempty"`
	Variant string       `json:"v,omitempty"`
	Traits  trait.Values `json:"t,omitempty"`
}

// pack writes what the link carries. The error says what the caller of the API can mend.
func (l *Link) pack() ([]byte, error) {
	if l.Locale == "" && l.Variant == "" && len(l.Traits) == 0 {
		return nil, nil
	}
	if !utf8.ValidString(l.Locale) || !utf8.ValidString(l.Variant) {
		return nil, apierror.BadRequest("The link's locale or variant is not valid UTF-8.")
	}
	if n := len(l.Traits); n > MaxTraits {
		return nil, apierror.BadRequest("A link carries at most %d traits, not %d.", MaxTraits, n)
	}
	traits, err := trait.ParseValues(l.Traits)
	if err != nil {
		return nil, apierror.BadRequest("The link's traits: %v", err)
	}
	for _, key := range slices.Sorted(maps.Keys(traits)) {
		if traits[key] == nil {
			return nil, apierror.BadRequest("The link's trait %s is null: leave out what is not known.", key)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // six bytes for one
	if err := e.Encode(cargo{l.Locale, l.Variant, traits}); err != nil {
		return nil, fmt.Errorf("writing what a link carries: %w", err)
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(text) > MaxCarried {
		return nil, apierror.BadRequest("A link carries at most %d bytes of locale, variant and traits, and these take %d: give fewer traits, "+
			"shorter keys or shorter values, such as a number that your own system knows a place by.", MaxCarried, len(text))
	}
	return text, nil
}

// unpack reads what a public link carries, and reports whether it is as pack writes it.
func (l *Link) unpack(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	var c cargo
	if json.Unmarshal(text, &c) != nil {
		return false
	}
	l.Locale, l.Variant, l.Traits = c.Locale, c.Variant, c.Traits
	again, err := l.pack()
	return err == nil && bytes.Equal(again, text)
}

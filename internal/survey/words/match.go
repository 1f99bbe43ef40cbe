package words

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"
)

// maxHeader is how many bytes of a preference are looked at: a browser sends less than a hundred, and more is no reader's.
const maxHeader = 1024

// Matcher finds the one among some languages that suits a reader. It is made once, may be used by many goroutines at a
// time, and is never changed.
type Matcher struct {
	// tags are those that were given and are language tags, each once, sorted.
	tags []string
	// places are where in tags a tag stands.
	places map[string]int
	// bases are the languages of tags without script and region.
	bases []language.Base
	// among has the same languages at the same places.
	among language.Matcher
}

// NewMatcher makes a matcher among these languages, in any order. A text that is no tag (BCP 47) or whose language is
// unknown is left out: no reader is found for it.
func NewMatcher(tags []string) *Matcher {
	m := &Matcher{places: map[string]int{}}
	// Sorted, so that the order in which somebody wrote them decides nothing, and so that `pt` comes before `pt-BR`: the library
	// takes it for the same, and gives the first to readers from elsewhere.
	var parsed []language.Tag
	for _, tag := range slices.Compact(slices.Sorted(slices.Values(tags))) {
		t, ok := parse(tag)
		if !ok {
			continue
		}
		m.places[tag] = len(m.tags)
		m.tags = append(m.tags, tag)
		m.bases = append(m.bases, base(t))
		parsed = append(parsed, t)
	}
	m.among = language.NewMatcher(parsed)
	return m
}

// builtIn is the matcher among the built-in languages.
var builtIn = NewMatcher(Languages())

// Match is [Matcher.Match] among the built-in languages.
func Match(wanted ...string) (tag string, ok bool) { return builtIn.Match(wanted...) }

// Match is the language that suits a reader best, as it was given to NewMatcher; ok is false where none does, and the reader
// gets the survey's own. Each of wanted is a language tag, or an Accept-Language header with many; the first of them
// that finds a language decides. Of each only the first 1,024 bytes are looked at.
//
// Within a header the reader's order decides (RFC 9110, 12.5.4: by `q`, then as they stand; what has the q 0 or cannot be
// read is passed over, and `*` says nothing). A language in another region's form is the reader's own: `de` serves
// `de-AT`, `pt-BR` serves `pt` where there is no other, `nb` serves `no`. Only where no language of the reader's is there at
// all, one is taken that they can read nearly as well: `nb` for `nn`, the other Chinese script.
func (m *Matcher) Match(wanted ...string) (tag string, ok bool) {
	for _, w := range wanted {
		if place, ok := m.match(w); ok {
			return m.tags[place], true
		}
	}
	return "", false
}

// match is the place of the language that suits best by one header, or one tag.
func (m *Matcher) match(header string) (place int, ok bool) {
	nearest, found := 0, false
	for _, p := range preferences(header) {
		place, how := m.find(p.tag)
		switch {
		case how == own:
			return place, true
		case how == near && !found:
			nearest, found = place, true
		}
	}
	return nearest, found
}

// fit says how well a language suits somebody who wants another.
type fit int

const (
	none fit = iota
	near     // it can be read nearly as well
	own      // it is the same language and script
)

// find is the place of the language that suits a tag best.
func (m *Matcher) find(tag string) (int, fit) {
	if place, ok := m.places[tag]; ok {
		return place, own
	}
	t, ok := parse(tag)
	if !ok {
		return 0, none
	}
	// The tag that comes back has the reader's region in it: the place says which it was. Where nothing matches it is 0.
	_, place, confidence := m.among.Match(t)
	if confidence == language.No {
		return 0, none
	}
	wanted, has := base(t), m.bases[place]
	switch {
	case wanted == has && confidence >= language.High:
		return place, own
	case wanted == has, kin(wanted, has):
		return place, near
	}
	return 0, none
}

// families are languages whose readers read each other's texts nearly as well as their own, as the Swiss and Luxembourgers do
// with German ones. The library pairs many more, by what is taught where: Armenian with Russian, Amharic with English. There
// the survey's own language is the better guess.
var families = map[string]string{
	"no": "Scandinavian", "nn": "Scandinavian", "da": "Scandinavian",
	"bs": "South Slavic", "hr": "South Slavic",
	"de": "German", "gsw": "German", "lb": "German",
	"id": "Malay", "ms": "Malay",
}

// kin reports whether two languages, as base has them, are of one family.
func kin(a, b language.Base) bool {
	family := families[a.String()]
	return family != "" && family == families[b.String()]
}

// base is the language of a tag without script and region; one for all names of a language: `no` for `nb`, `he` for `iw`.
func base(t language.Tag) language.Base {
	// It gives no error.
	canonical, _ := language.All.Canonicalize(t)
	b, _, _ := canonical.Raw()
	return b
}

// parse reads a language tag; ok is false where it is none, or names no language that is known. A script, region or variant
// that is unknown is passed over.
func parse(tag string) (t language.Tag, ok bool) {
	t, err := language.Parse(tag)
	if err != nil {
		if _, ok := errors.AsType[language.ValueError](err); !ok {
			return language.Tag{}, false
		}
	}
	// Of `xx-DE` is left `und-DE`, which the library would take for German.
	b, _, _ := t.Raw()
	return t, b != language.Base{}
}

// preference is a language that a reader wants.
type preference struct {
	tag string
	// quality is how much, above 0 and at most 1.
	quality float64
}

// preferences are the languages of an Accept-Language header, most wanted first.
func preferences(header string) []preference {
	if len(header) > maxHeader {
		// A tag that was cut in two could be another one.
		header = header[:strings.LastIndexByte(header[:maxHeader+1], ',')+1]
	}
	var list []preference
	for item := range strings.SplitSeq(header, ",") {
		tag, parameters, _ := strings.Cut(item, ";")
		tag = strings.TrimSpace(tag)
		if q, ok := quality(parameters); ok && q > 0 && tag != "" && tag != "*" {
			list = append(list, preference{tag, q})
		}
	}
	slices.SortStableFunc(list, func(a, b preference) int { return cmp.Compare(b.quality, a.quality) })
	return list
}

// quality is the q among the parameters of a preference, 0 to 1; 1 where there is none, and ok is false where it is no such
// number.
func quality(parameters string) (q float64, ok bool) {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return q, err == nil && q >= 0 && q <= 1
		}
	}
	return 1, true
}

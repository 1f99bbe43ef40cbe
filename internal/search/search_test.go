package search

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// matches says of a document's tokens what a database is to say of them.
func (q *Query) matches(tokens []string) bool {
	has := func(q *Query) bool { return q.matches(tokens) }
	switch {
	case q.all != nil:
		return !slices.ContainsFunc(q.all, func(q *Query) bool { return !has(q) })
	case q.some != nil:
		return slices.ContainsFunc(q.some, has)
	}
	return slices.ContainsFunc(tokens, func(t string) bool { return t == q.token || q.begins && strings.HasPrefix(t, q.token) })
}

var tenant = uuid.MustParse("018f3c5e-7b1a-7c3d-8e9f-0123456789ab")

// FuzzQuery wants whatever holds the terms of a search to be proposed for it.
func FuzzQuery(f *testing.F) {
	for _, text := range []string{
		"", " ", "Great service, très bien!", "can't 50%_off", "İstanbul \u212aelvin ſtraße ΣΑΣ", "e\u0301 שלום 👩‍👩‍👧", "\xff a", "👎", "👍🏽 ok", "!!!", "\"", "…", "\u200b",
		"\u56de\u7dda\u304c\u9045\u3044\u3067\u3059", "ช้ามาก", "C++", "a\u20dd", "\u0301", "the", "x", "“so-so”", "\u037e\u1fef", "𝔸", "❤️", "wi-fi", strings.Repeat("a", 39) + "é" + strings.Repeat("b", 50),
		"\u304b\u3099x", "x\u0e49\u0301", "no.1", "5G\u56de\u7dda", "naïve-té",
	} {
		f.Add(text, "Too slow, 👎!", "in the evening")
		f.Add("Too slow, 👎!", text, text)
	}
	f.Fuzz(func(t *testing.T, said, before, after string) {
		all := Terms(said)
		q := OfTerms(tenant, all)
		for _, comment := range []string{before + " " + said + "\n" + after, before, after, before + after, strings.ToUpper(before) + said + after, said + before, "…" + said + "a"} {
			holds := !slices.ContainsFunc(all, func(term string) bool { return !Holds(Folded(comment), term) })
			tokens := prefixOf(tenant).document(uuid.UUID{}, &comment, nil)
			if holds && q != nil && !q.orLong(tenant).matches(tokens) {
				t.Errorf("%q has the terms %q, and is not proposed: it has %q", comment, all, tokens)
			}
			if utf8.RuneCountInString(comment) > 10_000 {
				continue
			}
			size := 0
			for _, token := range tokens {
				size += len(token)
				if strings.ContainsFunc(token, func(r rune) bool { return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }) {
					t.Errorf("%q is a token of %q", token, comment)
				}
			}
			if size >= 1<<20 { // no tsvector is larger
				t.Errorf("%d characters have %d bytes of tokens", utf8.RuneCountInString(comment), size)
			}
		}
	})
}

// A word is proposed for what it holds, and not for all and sundry.
func TestQueries(t *testing.T) {
	comments := map[string]string{
		"slow": "Much too slow!", "slower": "slower than ever", "wifi": "the wi-fi is fine", "kanji": "\u56de\u7dda\u304c\u9045\u3044\u3067\u3059", "thumb": "ok 👎", "price": "50% dearer, so-so",
	}
	for search, want := range map[string]string{
		"slow": "slow slower", "SLOWE": "slower", "too slo": "slow", "wi-fi": "wifi", "wi-": "wifi", "fi": "wifi", "\u9045\u3044": "kanji", "\u9045": "kanji", "\u3044\u9045": "",
		"👎": "thumb", "50%": "price", "so-s": "price", "dear 50": "price", "low": "",
	} {
		q := OfTerms(tenant, Terms(search))
		if q == nil {
			t.Errorf("%q is not looked for", search)
			continue
		}
		var got []string
		for name, comment := range comments {
			if q.matches(prefixOf(tenant).document(uuid.UUID{}, &comment, nil)) {
				got = append(got, name)
			}
		}
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("%q finds %q, want %q", search, got, want)
		}
	}
	for _, search := range []string{"", "s", "?", "%", "\u0301x", "é"} {
		if q := OfTerms(tenant, Terms(search)); q != nil {
			t.Errorf("%q is looked for by %s", search, q.text("postgres"))
		}
	}
}

// What is short may be what is rare: "day 20" is not all that says "day".
func TestShortBeginningsAreAskedFor(t *testing.T) {
	for _, terms := range [][]string{{"day", "20"}, {"vw", "service"}, {"th", "zebra"}} {
		if q := OfTerms(tenant, terms); q.tokens() != 2 {
			t.Errorf("%q is looked for by %s", terms, q.text("sqlite3"))
		}
	}
}

// However many words a search has, the index is asked for the beginnings of two, the longest, beside what is whole; and what a
// database may go through for that is known before.
func TestFewBeginningsAreAskedFor(t *testing.T) {
	var many []string
	for _, first := range "bcdfghklmnprstvz" {
		many = append(many, "x"+string(first), "y"+string(first)+"o")
	}
	dims := []trait.Dimension{{Key: "plan", Kind: trait.Text}, {Key: "paid", Kind: trait.Boolean}}
	plans := OfRule(tenant, segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold", "tin", "none"}}}, dims)
	either := OfRule(tenant, segment.Rule{Any: []segment.Rule{
		{Trait: &segment.Condition{Key: "plan", In: []string{"gold", "tin"}}}, {Trait: &segment.Condition{Key: "paid", In: []string{"true"}}},
	}}, dims)
	for name, test := range map[string]struct {
		q          *Query
		beginnings string
		want       Weight
	}{
		"nothing":          {nil, "", Weight{}},
		"one":              {OfTerms(tenant, []string{"zebra"}), "zebra", Weight{1, 1}},
		"twice":            {OfTerms(tenant, []string{"zebra", "zebra", "late"}), "zebra late", Weight{2, 2}},
		"short ones":       {OfTerms(tenant, []string{"da", "day"}), "da day", Weight{6, 6}},
		"accents":          {OfTerms(tenant, []string{"éé", "ééé"}), "éé ééé", Weight{6, 6}},
		"many":             {OfTerms(tenant, append(slices.Clone(many), "zebra", "zebras")), "zebra zebras", Weight{2, 2}},
		"beside whole":     {OfTerms(tenant, append(slices.Clone(many), "wi-fi", "zebra")), "ybo zebra", Weight{3, 4}},
		"whole":            {OfTerms(tenant, []string{"wi-"}), "", Weight{1, 1}},
		"values":           {plans, "", Weight{1, 1}},
		"values of either": {either, "", Weight{1, 2}},
		"values and words": {All(plans, OfTerms(tenant, many)), "ybo yco", Weight{4, 5}},
	} {
		var want []string
		for word := range strings.FieldsSeq(test.beginnings) {
			want = append(want, prefixOf(tenant).word(word))
		}
		slices.Sort(want)
		var got []string
		if test.q != nil {
			got = test.q.beginnings()
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: asks for the beginnings %q, want %q", name, got, want)
		}
		if got := test.q.Weight(); got != test.want {
			t.Errorf("%s: weighs %v, want %v", name, got, test.want)
		}
	}
}

// TestRules wants whomever a rule holds for to be proposed for it.
func TestRules(t *testing.T) {
	kinds := []trait.Kind{trait.Text, trait.Boolean, trait.Number, trait.Date}
	asked := 0
	rapid.Check(t, func(t *rapid.T) {
		dims := make([]trait.Dimension, rapid.IntRange(1, 4).Draw(t, "dimensions"))
		for i := range dims {
			dims[i] = trait.Dimension{Key: string(rune('a' + i)), Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
		}
		texts := rapid.SampledFrom([]string{"", "gold", "Gold", "gol", "3", "true", "false", "2024-02-01", "(none)", "(other)", strings.Repeat("x", 60), strings.Repeat("x", 61)})
		var rules func(depth int) *rapid.Generator[segment.Rule]
		rules = func(depth int) *rapid.Generator[segment.Rule] {
			return rapid.Custom(func(t *rapid.T) segment.Rule {
				branch := rapid.IntRange(0, 5).Draw(t, "branch")
				switch some := func() []segment.Rule { return rapid.SliceOfN(rules(depth-1), 1, 3).Draw(t, "rules") }; {
				case depth > 0 && branch == 0:
					return segment.Rule{All: some()}
				case depth > 0 && branch == 1:
					return segment.Rule{Any: some()}
				case depth > 0 && branch == 2:
					not := rules(depth-1).Draw(t, "not")
					return segment.Rule{Not: &not}
				}
				d := rapid.SampledFrom(dims).Draw(t, "dimension")
				c := segment.Condition{Key: d.Key}
				if rapid.Bool().Draw(t, "known") {
					c.IsKnown = new(rapid.Bool().Draw(t, "is known"))
				}
				if c.IsKnown == nil || rapid.Bool().Draw(t, "in") {
					c.In = rapid.SliceOfN(texts, 1, 3).Draw(t, "values")
				}
				return segment.Rule{Trait: &c}
			})
		}
		rule := rules(3).Draw(t, "rule")
		matcher, err := segment.Compile(rule, dims)
		if err != nil {
			return
		}
		known := trait.Values{}
		for _, d := range dims {
			switch rapid.IntRange(0, 3).Draw(t, "value") {
			case 0:
				known[d.Key] = texts.Filter(func(s string) bool { return s != trait.None && s != trait.Other }).Draw(t, "text")
			case 1:
				known[d.Key] = rapid.Bool().Draw(t, "boolean")
			case 2:
				known[d.Key] = float64(rapid.IntRange(0, 3).Draw(t, "number"))
			}
		}
		values := trait.Shape{Zone: "UTC", Dimensions: dims}.Values(known, calendar.Day(20_000))
		for i := range values {
			if values[i] != trait.None && rapid.IntRange(0, 4).Draw(t, "full") == 0 {
				values[i] = trait.Other
			}
		}
		q := OfRule(tenant, rule, dims)
		if q == nil {
			return
		}
		asked++
		if tokens := prefixOf(tenant).document(uuid.UUID{}, nil, known); matcher.Match(values) && !q.matches(tokens) {
			t.Fatalf("%v is in the segment, and is not proposed: it has %q", known, tokens)
		}
	})
	if asked == 0 {
		t.Error("no rule is looked for")
	}
}

// What is too long has no tokens of its own, of whatever it has so many, and one comment's words in a language with blanks are
// not too many.
func TestLongDocuments(t *testing.T) {
	p := prefixOf(tenant)
	var words, signs strings.Builder
	for i := range 1_900 {
		fmt.Fprintf(&words, "w%d ", i)
	}
	for i := range 10_000 {
		signs.WriteRune(rune(0x4e00 + i*7919%0x5000))
	}
	for name, test := range map[string]struct {
		comment string
		traits  trait.Values
		long    bool
	}{
		"words":            {words.String(), trait.Values{"plan": "pro"}, false},
		"signs":            {signs.String(), trait.Values{"plan": "pro"}, true},
		"words and signs":  {words.String() + string([]rune(signs.String())[:100]), nil, true},
		"the same, often":  {strings.Repeat("same ", 2_000), nil, false},
		"a trait and sign": {"\u56de", trait.Values{"plan": "pro"}, false},
	} {
		tokens := p.document(uuid.UUID{1}, &test.comment, test.traits)
		if long := slices.Contains(tokens, p.long()); long != test.long || long && len(tokens) != 2 || len(tokens) > maxDocument+1 || !slices.Contains(tokens, p.campaign(uuid.UUID{1})) {
			t.Errorf("%s: %d tokens, too long: %t, want %t", name, len(tokens), long, test.long)
		}
	}
}

package search

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// Query says what tokens the documents have that the index proposes. It holds for each response that is meant, and perhaps
// for others. nil says nothing: any response may be meant.
type Query struct {
	// One of these: all of some, any of some, or a token, or its beginning.
	all, some []*Query
	token     string
	begins    bool
	// characters are those of a word that it begins. Of queries that exclude each other at most one holds.
	characters int
	exclude    bool
}

// Weight is what the database may have to go through to answer a query, whatever comes out.
type Weight struct {
	// Questions are how many there are: one, or one for each beginning of a word, and more for a short one, since a database
	// gathers all words that begin so, before it looks at the rest.
	Questions int
	// Lists are how often it may go through all that the tenant has: once for each word and value, and each question.
	Lists int
}

const (
	// maxTokens is how many tokens a query has at most; what asks for more says nothing.
	maxTokens = 400
	// maxBeginnings is how many beginnings of words a search asks for: each is gathered whole, beside however rare a word, and
	// what two of them propose is few enough to be looked at.
	maxBeginnings = 2
)

// All is what holds where each of the queries does.
func All(queries ...*Query) *Query {
	queries = slices.DeleteFunc(slices.Clone(queries), func(q *Query) bool { return q == nil })
	switch len(queries) {
	case 0:
		return nil
	case 1:
		return queries[0]
	}
	return &Query{all: queries}
}

// Any is what holds where one of the queries does.
func Any(queries ...*Query) *Query {
	switch {
	case len(queries) == 0 || slices.Contains(queries, nil):
		return nil
	case len(queries) == 1:
		return queries[0]
	}
	return &Query{some: queries}
}

// OfTerms is for responses of the tenant whose comments hold each of the terms.
func OfTerms(tenant uuid.UUID, terms []string) *Query {
	p := prefixOf(tenant)
	var all []*Query
	for _, term := range terms {
		parts := pieces(term)
		for i, part := range parts {
			all = append(all, p.ofPiece(part, i == 0, i == len(parts)-1))
		}
	}
	return All(withoutShort(all)...)
}

// withoutShort leaves out all but the longest beginnings of words: the shorter ones take most and tell least.
func withoutShort(queries []*Query) []*Query {
	var beginnings []*Query
	for _, q := range queries {
		if q != nil && q.begins && !slices.ContainsFunc(beginnings, func(b *Query) bool { return b.token == q.token }) {
			beginnings = append(beginnings, q)
		}
	}
	slices.SortStableFunc(beginnings, func(a, b *Query) int { return cmp.Compare(b.characters, a.characters) })
	beginnings = beginnings[:min(len(beginnings), maxBeginnings)]
	return slices.DeleteFunc(queries, func(q *Query) bool { return q != nil && q.begins && !slices.Contains(beginnings, q) })
}

// ofPiece is for a piece of a term, which may begin the term and end it.
func (p prefix) ofPiece(part piece, begins, ends bool) *Query {
	switch part.kind {
	case word:
		first, size := utf8.DecodeRuneInString(part.text)
		if begins && !beginsWord(first) {
			return nil // it may stand within a word
		}
		begins = ends && len(part.text) < maxToken
		if begins && size == len(part.text) {
			return nil // too many words begin so
		}
		return &Query{token: p.word(part.text), begins: begins, characters: utf8.RuneCountInString(part.text)}
	case signs:
		var all []*Query
		before := ""
		for sign := range strings.SplitSeq(part.text, "") {
			if before != "" {
				all = append(all, &Query{token: p.token(ofSigns, before+sign)})
			}
			before = sign
		}
		if len(all) == 0 {
			return &Query{token: p.token(ofSigns, before)}
		}
		return All(all...)
	case symbol:
		return &Query{token: p.token(ofSigns, part.text)}
	case common:
	}
	return nil
}

// OfRule is for responses of the tenant whose profiles the rule holds for, in a cube of these dimensions.
func OfRule(tenant uuid.UUID, rule segment.Rule, dims []trait.Dimension) *Query {
	return prefixOf(tenant).ofRule(&rule, dims)
}

func (p prefix) ofRule(rule *segment.Rule, dims []trait.Dimension) *Query {
	of := func(rules []segment.Rule) []*Query {
		queries := make([]*Query, len(rules))
		for i := range rules {
			queries[i] = p.ofRule(&rules[i], dims)
		}
		return queries
	}
	switch {
	case rule.All != nil:
		return All(of(rule.All)...)
	case rule.Any != nil:
		return Any(of(rule.Any)...)
	case rule.Trait != nil:
		return p.ofCondition(rule.Trait, dims)
	}
	return nil
}

func (p prefix) ofCondition(c *segment.Condition, dims []trait.Dimension) *Query {
	at := slices.IndexFunc(dims, func(d trait.Dimension) bool { return d.Key == c.Key })
	if at < 0 || slices.Contains(c.In, trait.None) || slices.Contains(c.In, trait.Other) {
		return nil
	}
	var some []*Query
	for _, value := range c.In {
		switch dims[at].Kind {
		case trait.Text:
			some = append(some, &Query{token: p.text(c.Key, value)})
		case trait.Boolean:
			some = append(some, &Query{token: p.boolean(c.Key, value == "true")})
		case trait.Number, trait.Date:
			return nil
		}
	}
	q := Any(some...)
	if len(some) > 1 { // none has two values
		q.exclude = true
	}
	return q
}

// Weight is what the query weighs, before it is asked Among some campaigns.
func (q *Query) Weight() Weight {
	if q == nil {
		return Weight{}
	}
	w := q.weight()
	w.Questions = max(w.Questions, 1)
	return w
}

func (q *Query) weight() (w Weight) {
	switch {
	case q.exclude:
		return Weight{Lists: 1}
	case q.begins:
		// Each character more leaves a few of the words, at first.
		n := max(1, 16>>q.characters)
		return Weight{n, n}
	case q.token != "":
		return Weight{Lists: 1}
	}
	for _, q := range slices.Concat(q.all, q.some) {
		of := q.weight()
		w.Questions += of.Questions
		w.Lists += of.Lists
	}
	return w
}

// Among is what of a query is for responses of these campaigns; nil where the query says nothing.
func (q *Query) Among(tenant uuid.UUID, campaigns []uuid.UUID) *Query {
	if q == nil {
		return nil
	}
	some := make([]*Query, len(campaigns))
	for i, c := range campaigns {
		some[i] = &Query{token: prefixOf(tenant).campaign(c)}
	}
	return All(q, Any(some...))
}

// beginnings are the tokens that it has the beginnings of, each once.
func (q *Query) beginnings() (all []string) {
	if q.begins {
		all = append(all, q.token)
	}
	for _, q := range q.all {
		all = append(all, q.beginnings()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// without is the query without some beginnings; nil where nothing is left.
func (q *Query) without(beginnings map[string]bool) *Query {
	switch {
	case q.begins && beginnings[q.token]:
		return nil
	case q.all != nil:
		some := make([]*Query, len(q.all))
		for i, q := range q.all {
			some[i] = q.without(beginnings)
		}
		return All(some...)
	}
	return q
}

// orLong is for all that the query is for, and for what is too long to be told.
func (q *Query) orLong(tenant uuid.UUID) *Query {
	return Any(q, &Query{token: prefixOf(tenant).long()})
}

// tokens is how many it has.
func (q *Query) tokens() int {
	n := 0
	if q.token != "" {
		n++
	}
	for _, q := range q.all {
		n += q.tokens()
	}
	for _, q := range q.some {
		n += q.tokens()
	}
	return n
}

// text is the query as the database takes it: of FTS5, or a tsquery.
func (q *Query) text(dialect string) string {
	and, or, begins := " AND ", " OR ", "*"
	if dialect == store.Postgres {
		and, or, begins = " & ", " | ", ":*"
	}
	join := func(queries []*Query, by string) string {
		texts := make([]string, len(queries))
		for i, q := range queries {
			texts[i] = q.text(dialect)
		}
		return "(" + strings.Join(texts, by) + ")"
	}
	switch {
	case q.all != nil:
		return join(q.all, and)
	case q.some != nil:
		return join(q.some, or)
	case q.begins:
		return q.token + begins
	}
	return q.token
}

// Package segment holds the rules that say who is in a segment: their form, what is wrong with one, and which
// profiles one matches.
package segment

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/trait"
)

// Limits of a rule.
const (
	// MaxDepth is how deep rules lie within each other at most; a rule of one condition is 1 deep.
	MaxDepth = 8
	// MaxConditions is how many conditions a rule has at most, at all depths together, and how many rules one list holds.
	MaxConditions = 100
	// MaxIn is how many values the list of one condition has at most.
	MaxIn = 200
	// maxErrors is after how many errors Validate stops to look for more.
	maxErrors = 20
)

// Rule says who is in a segment, by exactly one of its branches. A list that is empty and not nil counts as given,
// and is kept by JSON, so that it can be refused.
type Rule struct {
	// All holds where every one of these does.
	All []Rule `json:"all,omitzero"`
	// Any holds where at least one of these does.
	Any []Rule `json:"any,omitzero"`
	// Not holds where this one does not.
	Not *Rule `json:"not,omitempty"`
	// Trait holds where its condition does.
	Trait *Condition `json:"trait,omitempty"`
}

// Condition is one or more tests of one trait, all of which must hold.
type Condition struct {
	Key string `json:"key"`
	// In holds for these dimension values: texts, numbers, true or false, names of ranges, trait.None and trait.Other.
	In []string `json:"in,omitzero"`
	// AtLeast holds for ranges whose lower edge is this or higher. It must be an edge of the trait.
	AtLeast *float64 `json:"atLeast,omitempty"`
	// Below holds for ranges whose upper edge is this or lower. It must be an edge of the trait.
	Below *float64 `json:"below,omitempty"`
	// IsKnown holds where the trait has a value, or where false, has none.
	IsKnown *bool `json:"isKnown,omitempty"`
}

// Validate says what is wrong with the rule in a cube of these dimensions; fields lead from the rule to the place.
// Where much is wrong it says the first of it.
func (r Rule) Validate(dims []trait.Dimension) apierror.UserErrors {
	c := checker{dims: dims}
	c.rule(&r, nil, 1)
	return c.errs
}

type checker struct {
	dims       []trait.Dimension
	errs       apierror.UserErrors
	conditions int
}

func (c *checker) add(code apierror.UserErrorCode, path []string, format string, args ...any) {
	if len(c.errs) < maxErrors {
		c.errs.Add(code, append(make([]string, 0, len(path)), path...), format, args...)
	}
}

// done says whether there is no use in looking further.
func (c *checker) done() bool { return len(c.errs) >= maxErrors || c.conditions > MaxConditions }

func (c *checker) rule(r *Rule, path []string, depth int) {
	if c.done() {
		return
	}
	if depth > MaxDepth {
		c.add(apierror.TooMany, path, "Rules lie at most %d deep within each other.", MaxDepth)
		return
	}
	branches := 0
	for _, given := range []bool{r.All != nil, r.Any != nil, r.Not != nil, r.Trait != nil} {
		if given {
			branches++
		}
	}
	if branches != 1 {
		c.add(apierror.Invalid, path, "A rule holds exactly one of all, any, not and trait; this one holds %d.", branches)
		return
	}
	switch {
	case r.All != nil:
		c.list(r.All, under(path, "all"), depth)
	case r.Any != nil:
		c.list(r.Any, under(path, "any"), depth)
	case r.Not != nil:
		c.rule(r.Not, under(path, "not"), depth+1)
	default:
		if c.conditions++; c.conditions > MaxConditions {
			c.add(apierror.TooMany, path, "A rule has at most %d conditions in all.", MaxConditions)
			return
		}
		c.condition(r.Trait, under(path, "trait"))
	}
}

func (c *checker) list(rules []Rule, path []string, depth int) {
	if len(rules) == 0 {
		c.add(apierror.Required, path, "The list needs at least one rule.")
	}
	if len(rules) > MaxConditions {
		c.add(apierror.TooMany, path, "There are %d rules, at most %d are allowed.", len(rules), MaxConditions)
		return
	}
	for i := range rules {
		if c.done() {
			return
		}
		c.rule(&rules[i], under(path, apierror.Index(i)), depth+1)
	}
}

func (c *checker) condition(cond *Condition, path []string) {
	at := slices.IndexFunc(c.dims, func(d trait.Dimension) bool { return d.Key == cond.Key })
	if at < 0 {
		c.unknown(cond.Key, under(path, "key"))
		return
	}
	if cond.In == nil && cond.AtLeast == nil && cond.Below == nil && cond.IsKnown == nil {
		c.add(apierror.Required, path, "The condition on %s needs at least one of in, atLeast, below and isKnown.", cond.Key)
		return
	}
	dim := c.dims[at]
	if cond.In != nil {
		c.in(dim, cond.In, under(path, "in"))
	}
	whole := true
	if cond.AtLeast != nil {
		whole = c.edge(dim, *cond.AtLeast, under(path, "atLeast"))
	}
	if cond.Below != nil {
		whole = c.edge(dim, *cond.Below, under(path, "below")) && whole
	}
	if whole && cond.AtLeast != nil && cond.Below != nil && *cond.AtLeast >= *cond.Below {
		c.add(apierror.Invalid, under(path, "below"), "below must be more than atLeast: nothing is at least %s and below %s.",
			trait.FormatNumber(*cond.AtLeast), trait.FormatNumber(*cond.Below))
	}
}

func (c *checker) unknown(key string, path []string) {
	switch key {
	case "channel", "variant", "campaign":
		c.add(apierror.Invalid, path, "%s is no trait of people: give %ss in the filter, beside the segment.", key, key)
	default:
		c.add(apierror.NotFound, path, "%.70q is not a dimension: define the trait as one with defineTrait, isDimension true.", key)
	}
}

func (c *checker) in(dim trait.Dimension, values, path []string) {
	if len(values) == 0 {
		c.add(apierror.Required, path, "The list needs at least one value.")
	}
	if len(values) > MaxIn {
		c.add(apierror.TooMany, path, "There are %d values, at most %d are allowed.", len(values), MaxIn)
		return
	}
	ranges := dim.Ranges()
	for i, value := range values {
		if value == trait.None || value == trait.Other {
			continue
		}
		if fault := valueFault(dim, ranges, value); fault != "" {
			c.add(apierror.Invalid, under(path, apierror.Index(i)), "%.40q is no value of %s: %s.", value, dim.Key, fault)
		}
	}
}

// valueFault says why dim never has this value, or nothing where it may.
func valueFault(dim trait.Dimension, ranges []string, value string) string {
	switch dim.Kind {
	case trait.Text:
		if apierror.TooLongFor(trait.MaxText, value) != "" || strings.ContainsRune(value, 0) || !utf8.ValidString(value) {
			return "a text is valid UTF-8 of at most " + strconv.Itoa(trait.MaxText) + " characters, without U+0000"
		}
	case trait.Boolean:
		if value != "true" && value != "false" {
			return "it is true or false"
		}
	case trait.Number, trait.Date:
		if ranges != nil {
			if !slices.Contains(ranges, dim.Named(value)) {
				return "its ranges are " + strings.Join(ranges, ", ")
			}
			return ""
		}
		number, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil || !(number >= -trait.MaxNumber && number <= trait.MaxNumber):
			return "it is a number within ±" + trait.FormatNumber(trait.MaxNumber)
		case dim.Kind == trait.Date && (number < 0 || number != float64(int64(number))):
			return "it is a number of whole months"
		case trait.FormatNumber(number) != value:
			return "write it as " + strconv.Quote(trait.FormatNumber(number))
		}
	}
	return ""
}

// edge says whether number is an edge of dim.
func (c *checker) edge(dim trait.Dimension, number float64, path []string) bool {
	switch {
	case dim.Kind != trait.Number && dim.Kind != trait.Date:
		c.add(apierror.Invalid, path, "Only a NUMBER or a DATE can be compared; %s is a %s.", dim.Key, dim.Kind)
	case len(dim.Edges) == 0:
		c.add(apierror.Invalid, path, "%s is not cut into ranges: define its edges first, with defineTrait.", dim.Key)
	case !slices.Contains(dim.Edges, number):
		edges := make([]string, len(dim.Edges))
		for i, edge := range dim.Edges {
			edges[i] = trait.FormatNumber(edge)
		}
		c.add(apierror.Invalid, path, "%s is no edge of %s, and would cut a range in two; its edges are %s.",
			trait.FormatNumber(number), dim.Key, strings.Join(edges, ", "))
	default:
		return true
	}
	return false
}

// under is a copy of path with one more step.
func under(path []string, step string) []string {
	return append(slices.Clip(path), step)
}

// valuesPerStep is how many values of lists count as one step.
const valuesPerStep = 20

// Steps is how much there is to look at in a rule: 1 for each rule in it, itself included, and 1 for so many values in
// lists.
func (r Rule) Steps() int { return Steps(r.steps()) }

// Steps are those of so many rules, each in its own right, with so many values in their lists.
func Steps(rules, values int) int { return rules + values/valuesPerStep }

func (r *Rule) steps() (rules, values int) {
	rules = 1
	add := func(r *Rule) {
		n, v := r.steps()
		rules, values = rules+n, values+v
	}
	for i := range r.All {
		add(&r.All[i])
	}
	for i := range r.Any {
		add(&r.Any[i])
	}
	if r.Not != nil {
		add(r.Not)
	}
	if r.Trait != nil {
		values += len(r.Trait.In)
	}
	return rules, values
}

// Uses are the keys of the traits in the rule, each once, sorted.
func (r Rule) Uses() []string {
	keys := map[string]bool{}
	r.collect(keys)
	return slices.Sorted(maps.Keys(keys))
}

func (r *Rule) collect(keys map[string]bool) {
	for i := range r.All {
		r.All[i].collect(keys)
	}
	for i := range r.Any {
		r.Any[i].collect(keys)
	}
	if r.Not != nil {
		r.Not.collect(keys)
	}
	if r.Trait != nil {
		keys[r.Trait.Key] = true
	}
}

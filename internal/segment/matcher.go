package segment

import (
	"context"
	"fmt"
	"slices"

	"github.com/zeroten/zeroten/internal/trait"
)

// Matcher is a rule made ready for the profiles of one cube. It may be used from many goroutines at once.
type Matcher struct {
	root node
}

// node is a rule whose conditions are resolved to places in a profile's values.
type node struct {
	op   op
	kids []node
	// For test:
	index int
	// among holds the values that pass in, atLeast and below; nil lets all pass.
	among map[string]struct{}
	// known, where not nil, is whether there must be a value.
	known *bool
}

type op uint8

const (
	all op = iota
	some
	not
	test
)

// Compile makes the rule ready for profiles whose values are those of dims. The error is an apierror.UserErrors where
// the rule is not valid for these dimensions.
func Compile(rule Rule, dims []trait.Dimension) (*Matcher, error) {
	if err := rule.Validate(dims).Err(); err != nil {
		return nil, err
	}
	return &Matcher{root: compile(&rule, dims)}, nil
}

// compile takes a valid rule.
func compile(r *Rule, dims []trait.Dimension) node {
	switch {
	case r.All != nil:
		return node{op: all, kids: compileEach(r.All, dims)}
	case r.Any != nil:
		return node{op: some, kids: compileEach(r.Any, dims)}
	case r.Not != nil:
		kid := compile(r.Not, dims)
		if kid.op == not {
			return kid.kids[0]
		}
		return node{op: not, kids: []node{kid}}
	}
	c := r.Trait
	at := slices.IndexFunc(dims, func(d trait.Dimension) bool { return d.Key == c.Key })
	n := node{op: test, index: at}
	if c.IsKnown != nil {
		known := *c.IsKnown
		n.known = &known
	}
	if c.In != nil {
		n.among = set(named(dims[at], c.In))
	}
	if c.AtLeast != nil || c.Below != nil {
		within := set(rangesWithin(dims[at], c.AtLeast, c.Below))
		if n.among == nil {
			n.among = within
		}
		for value := range n.among {
			if _, ok := within[value]; !ok {
				delete(n.among, value)
			}
		}
	}
	return n
}

func compileEach(rules []Rule, dims []trait.Dimension) []node {
	nodes := make([]node, len(rules))
	for i := range rules {
		nodes[i] = compile(&rules[i], dims)
	}
	return nodes
}

// rangesWithin are the ranges of dim that lie between two of its edges, either of which may be open.
func rangesWithin(dim trait.Dimension, atLeast, below *float64) []string {
	ranges := dim.Ranges()
	first, end := 0, len(ranges)
	if atLeast != nil {
		first = slices.Index(dim.Edges, *atLeast) + 1
	}
	if below != nil {
		end = slices.Index(dim.Edges, *below) + 1
	}
	return ranges[first:end]
}

// named are the values as the dimension has them.
func named(dim trait.Dimension, values []string) []string {
	if len(dim.Edges) == 0 {
		return values
	}
	names := make([]string, len(values))
	for i, value := range values {
		names[i] = dim.Named(value)
	}
	return names
}

func set(values []string) map[string]struct{} {
	s := make(map[string]struct{}, len(values))
	for _, value := range values {
		s[value] = struct{}{}
	}
	return s
}

// Match says whether the rule holds for a profile with these values, one for each dimension in the order that the
// rule was compiled for. A value that is not known passes no in, unless that lists trait.None, and no atLeast or
// below; trait.Other passes no atLeast or below either, and counts as known.
func (m *Matcher) Match(values []string) bool { return m.root.match(values) }

func (n *node) match(values []string) bool {
	switch n.op {
	case all:
		for i := range n.kids {
			if !n.kids[i].match(values) {
				return false
			}
		}
		return true
	case some:
		for i := range n.kids {
			if n.kids[i].match(values) {
				return true
			}
		}
		return false
	case not:
		return !n.kids[0].match(values)
	}
	return n.holds(values[n.index])
}

// holds says whether a test's value passes.
func (n *node) holds(value string) bool {
	if n.known != nil && *n.known != (value != trait.None) {
		return false
	}
	if n.among == nil {
		return true
	}
	_, ok := n.among[value]
	return ok
}

// Among are the profiles that the rule holds for. Their values are those of the dimensions that it was compiled for. It
// goes through all profiles once for each condition, and gives up when the context is done.
func (m *Matcher) Among(ctx context.Context, profiles *trait.Profiles) (trait.Set, error) {
	s, err := m.root.set(ctx, profiles)
	if err != nil {
		return nil, fmt.Errorf("matching profiles: %w", err)
	}
	return s, nil
}

func (n *node) set(ctx context.Context, profiles *trait.Profiles) (trait.Set, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	switch n.op {
	case all, not:
		found := trait.Every(profiles.Len())
		for i := range n.kids {
			if found.Empty() {
				break
			}
			s, err := n.kids[i].set(ctx, profiles)
			if err != nil {
				return nil, err
			}
			if n.op == not {
				found.AndNot(s)
			} else {
				found.And(s)
			}
		}
		return found, nil
	case some:
		found := trait.NewSet(profiles.Len())
		for i := range n.kids {
			s, err := n.kids[i].set(ctx, profiles)
			if err != nil {
				return nil, err
			}
			found.Or(s)
		}
		return found, nil
	case test:
	}
	return profiles.Column(n.index).Where(n.holds), nil
}

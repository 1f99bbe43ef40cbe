package contact

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// MaxValues is how many values of a trait are counted apart, trait.None and trait.Other aside.
const MaxValues = 200

// Value is how many contacts hold a value, or a value within a range, of a trait.
type Value struct {
	// Value is a dimension value: see trait.Dimension.
	Value    string
	Contacts int
}

// Values says how many contacts of the tenant hold each value of a trait now: most first, equals in the order of their
// values, what is beyond MaxValues, or is no value of its own in the feedback, as trait.Other and last. Those of whom it
// is not known, or known as something of another kind than the trait's, count as trait.None. A DATE counts in whole
// months to now. A trait that is not defined has no values.
func Values(ctx context.Context, db *store.DB, s *settings.State, key string, now time.Time) ([]Value, error) {
	def, defined := s.Traits[key]
	if !defined {
		return nil, nil
	}
	c := newCounter(s, def, now)
	if err := Holders(ctx, db, s.Tenant, key, c.add); err != nil {
		return nil, err
	}
	return c.counts.values(), nil
}

// ValuesOfAll is Values of each trait that is defined, by key. The contacts are read once for all of them.
func ValuesOfAll(ctx context.Context, db *store.DB, s *settings.State, now time.Time) (map[string][]Value, error) {
	counters := make(map[string]*counter, len(s.Traits))
	for key, def := range s.Traits {
		counters[key] = newCounter(s, def, now)
	}
	err := HoldersOfAll(ctx, db, s.Tenant, slices.Sorted(maps.Keys(counters)), func(key string, value any, contacts int) error {
		return counters[key].add(value, contacts)
	})
	if err != nil {
		return nil, err
	}
	all := make(map[string][]Value, len(counters))
	for key, c := range counters {
		all[key] = c.counts.values()
	}
	return all, nil
}

// counter counts the contacts of the values of one trait.
type counter struct {
	dim     trait.Dimension
	today   calendar.Day
	covered func(value string) string
	counts  counts
}

func newCounter(s *settings.State, def trait.Definition, now time.Time) *counter {
	c := &counter{
		dim:     trait.Dimension{Key: def.Key, Kind: def.Kind, Edges: def.Edges},
		today:   s.Today(now),
		covered: func(value string) string { return value },
		counts:  counts{of: map[string]int{}, merge: def.Kind == trait.Date || len(def.Edges) > 0},
	}
	// What a dimension does not keep apart in feedback is not named here either: a filter could not find it.
	at := slices.IndexFunc(s.Active.Shape.Dimensions, func(d trait.Dimension) bool { return reflect.DeepEqual(d, c.dim) })
	if at >= 0 {
		c.covered = func(value string) string { return s.Active.Profiles.Covers(at, value) }
	}
	return c
}

// add counts the contacts who hold the value; values come in order, most first.
func (c *counter) add(value any, contacts int) error {
	c.counts.add(c.covered(c.dim.Value(trait.Values{c.dim.Key: value}, c.today)), contacts)
	return nil
}

// counts are the contacts of each value. Those to be added are ordered, most first.
type counts struct {
	of map[string]int
	// merge says that many of what is added have one value. Where that is not so, there may be as many values as
	// contacts, and those that come later than the limit are not kept: none of them has more than any that is.
	merge       bool
	none, other int
}

func (c *counts) add(value string, contacts int) {
	_, known := c.of[value]
	switch {
	case value == trait.None:
		c.none += contacts
	case value == trait.Other:
		c.other += contacts
	case known || c.merge || len(c.of) < MaxValues:
		c.of[value] += contacts
	default:
		c.other += contacts
	}
}

func (c *counts) values() []Value {
	values := make([]Value, 0, len(c.of)+2)
	for value, contacts := range c.of {
		values = append(values, Value{value, contacts})
	}
	order := func(a, b Value) int {
		return cmp.Or(cmp.Compare(b.Contacts, a.Contacts), cmp.Compare(a.Value, b.Value))
	}
	slices.SortFunc(values, order)
	for len(values) > MaxValues {
		c.other += values[len(values)-1].Contacts
		values = values[:len(values)-1]
	}
	if c.none > 0 {
		values = append(values, Value{trait.None, c.none})
		slices.SortFunc(values, order)
	}
	if c.other > 0 {
		values = append(values, Value{trait.Other, c.other})
	}
	return values
}

package limit

import (
	"context"
	"reflect"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/zeroten/zeroten/internal/apierror"
)

// Meter adds up what an operation cost in the end.
type Meter struct {
	cost atomic.Int64
	// bytes are those of the texts that were found, most is how many they may be.
	bytes atomic.Int64
	most  int64
}

// MaxAnswer is how many bytes the long texts of an answer may have together: what an operation costs says how many
// things it finds, and not how much somebody wrote into them.
const (
	MaxAnswer = 16 << 20
	// MaxEvent is the same for one event of a subscription, which may have to wait for a client that does not read.
	MaxEvent = 1 << 20
)

// longText is what it takes for a text to be counted.
const longText = 200

type meterKey struct{}

// WithMeter returns a context for one execution, whose fields are counted by the meter. Its long texts may have most
// bytes together.
func WithMeter(ctx context.Context, most int64) (context.Context, *Meter) {
	m := &Meter{most: most}
	return context.WithValue(ctx, meterKey{}, m), m
}

// MeterOf returns the context's meter; nil where it has none.
func MeterOf(ctx context.Context) *Meter {
	m, _ := ctx.Value(meterKey{}).(*Meter)
	return m
}

// Cost is what has been counted so far. In the end it is no more than what the operation costs at most.
func (m *Meter) Cost() int { return int(min(m.cost.Load(), saturated)) }

// Measure is a graphql.FieldMiddleware that counts what a field found, in the context's meter.
func (c *Costs) Measure(ctx context.Context, next graphql.Resolver) (any, error) {
	fc := graphql.GetFieldContext(ctx)
	if !fc.IsMethod && !fc.IsResolver { // it was there already
		result, err := next(ctx)
		if n := bytesOf(result); n > longText && err == nil {
			if m := MeterOf(ctx); m != nil && m.bytes.Add(int64(n)) > m.most {
				return nil, apierror.New(apierror.TooComplex, "The answer would have more than %d MiB: ask for smaller pages, or for less at a time.", m.most>>20)
			}
		}
		return result, err
	}
	w, costs := c.fields[fc.Field.Definition]
	if !costs || w.size == items {
		return next(ctx)
	}
	result, err := next(ctx)
	if m := MeterOf(ctx); m != nil {
		m.cost.Add(int64(c.found(ctx, w, fc, result)))
	}
	return result, err
}

// bytesOf is about how long a value is that was written by somebody.
func bytesOf(value any) int {
	switch v := value.(type) {
	case *string:
		if v != nil {
			return len(*v)
		}
	case string:
		return len(v)
	case interface{ Bytes() int }:
		return v.Bytes()
	}
	return 0
}

func (c *Costs) found(ctx context.Context, w weight, fc *graphql.FieldContext, result any) int {
	size := 0
	switch w.size {
	case paged:
		if page, ok := result.(interface{ Len() int }); ok && !reflect.ValueOf(result).IsNil() {
			size = page.Len()
			if !showsItems(fc.Field.SelectionSet) {
				size = min(size, 1)
			}
		}
	case list:
		size = lenOf(result)
	case bulk:
		counting := counting{Costs: c, variables: graphql.GetOperationContext(ctx).Variables}
		size = counting.size(w, fc.Field.Field, 1)
	case points:
		if list := reflect.ValueOf(result); list.IsValid() && list.Kind() == reflect.Slice {
			size = list.Len()
		}
	case single, groups, items:
	}
	own := c.own(w, size)
	if c.roots[fc.Field.Definition] {
		own = add(own, c.count(fc.Field.SelectionSet, graphql.GetOperationContext(ctx).Variables)/introspectionValues)
	}
	return own
}

package limit

import (
	"context"
	"reflect"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
)

// Meter adds up what an operation cost in the end.
type Meter struct {
	cost atomic.Int64
}

type meterKey struct{}

// WithMeter returns a context for one execution, whose fields are counted by the meter.
func WithMeter(ctx context.Context) (context.Context, *Meter) {
	m := &Meter{}
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
	if !fc.IsMethod && !fc.IsResolver {
		return next(ctx) // it was there already
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
	case single, groups, items:
	}
	own := c.own(w, size)
	if c.roots[fc.Field.Definition] {
		own = add(own, c.count(fc.Field.SelectionSet, graphql.GetOperationContext(ctx).Variables)/introspectionValues)
	}
	return own
}

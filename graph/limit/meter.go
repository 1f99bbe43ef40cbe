package limit

import (
	"context"
	"reflect"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/zeroten/zeroten/internal/apierror"
)

// Meter adds up what an operation costs while it runs.
type Meter struct {
	cost atomic.Int64
	// hidden is what was done beyond what a blind caller paid for in advance; less than nothing is what is left of that.
	hidden atomic.Int64
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

const (
	// longText is what it takes for a text to be counted.
	longText = 200
	// bytesPerCost is how many bytes of long texts cost 1: 16 MiB of them, which is all that there may be, took torture 30 to
	// 180 ms, 60 in the median. What they take besides is memory, until their client has read them.
	bytesPerCost = 24 << 10
)

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

// Cost is what has been counted so far, MaxCost at most: by how much an operation went beyond, whose fields are read beside
// each other, is chance.
func (m *Meter) Cost() int { return int(min(m.cost.Load()/point, MaxCost)) }

// Spend counts n points for what is about to be done, or is done already. Where the operation has come to more than it may
// cost the error is TOO_COMPLEX, and remains so: nothing more is to be done for it.
func (m *Meter) Spend(n int) error { return m.add(n * point) }

// Hidden counts what n points' work was done for a caller who pays for it in advance, or less than nothing for what was paid.
// What comes to more than was paid counts towards what the operation may come to, and fails as Spend does; it shows in no
// cost before that, which would tell how much there is that the caller may not see.
func (m *Meter) Hidden(n int) error {
	m.hidden.Add(int64(n * point))
	return m.add(0)
}

func (m *Meter) add(n int) error {
	unpaid := max(0, m.hidden.Load())
	if m.cost.Load()+unpaid > MaxCost*point || m.cost.Add(int64(n))+unpaid > MaxCost*point {
		m.cost.Store(MaxCost*point + 1) // all the rest fails too, however much is paid in advance
		return apierror.New(apierror.TooComplex, "The operation came to more than %d points while it ran: ask for less at a time, of fewer campaigns or "+
			"days, with shorter rules, or for fewer groups and points.", MaxCost)
	}
	return nil
}

// Measure is a graphql.FieldMiddleware that counts what a field found, in the context's meter. Once the operation has come
// to more than it may cost its fields fail; what a mutation did is shown all the same.
func (c *Costs) Measure(ctx context.Context, next graphql.Resolver) (any, error) {
	fc := graphql.GetFieldContext(ctx)
	if !fc.IsMethod && !fc.IsResolver { // it was there already
		result, err := next(ctx)
		if err != nil {
			return result, err
		}
		if n := bytesOf(result); n > longText {
			return result, MeterOf(ctx).long(n)
		}
		if len(fc.Field.Selections) > 0 && c.fields[fc.Field.Definition].size == ruled {
			if m := MeterOf(ctx); m != nil {
				counting := counting{Costs: c, variables: graphql.GetOperationContext(ctx).Variables}
				return result, m.add(mul(lenOf(result), add(1, counting.values(fc.Field.SelectionSet, 1))))
			}
		}
		return result, nil
	}
	w, costs := c.fields[fc.Field.Definition]
	if !costs || w.size == items {
		return next(ctx)
	}
	result, err := next(ctx)
	if m := MeterOf(ctx); m != nil {
		over := m.add(c.found(ctx, w, fc, result))
		if over != nil && err == nil && fc.Object != "Mutation" {
			return nil, over
		}
	}
	return result, err
}

// Long is how many bytes the long texts have that were found so far; none where there is no meter.
func (m *Meter) Long() int64 {
	if m == nil {
		return 0
	}
	return min(m.bytes.Load(), m.most)
}

// long counts the bytes of a long text.
func (m *Meter) long(n int) error {
	if m == nil {
		return nil
	}
	if m.bytes.Add(int64(n)) > m.most {
		return apierror.New(apierror.TooComplex, "The answer would have more than %d MiB: ask for smaller pages, or for less at a time.", m.most>>20)
	}
	return m.add(n * point / bytesPerCost)
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

// found is what a field cost, with what it found. The values of a list are counted with it, those of what stands alone
// with the root or the list that it is below.
func (c *Costs) found(ctx context.Context, w weight, fc *graphql.FieldContext, result any) int {
	counting := counting{Costs: c, variables: graphql.GetOperationContext(ctx).Variables}
	set := fc.Field.SelectionSet
	size, values := 0, 0
	switch w.size {
	case paged:
		if page, ok := result.(interface{ Len() int }); ok && !reflect.ValueOf(result).IsNil() {
			size = page.Len()
			if !showsItems(set) {
				size = min(size, 1)
			}
		}
		values = counting.values(set, size)
	case bulk:
		size = counting.size(w, fc.Field.Field, 1)
		values = counting.values(set, size)
	case list, groups, points:
		size = lenOf(result)
		values = mul(size, counting.values(set, 1))
	case single, items, ruled:
		if w.root && !c.roots[fc.Field.Definition] {
			values = counting.values(set, 1)
		}
	}
	own := add(add(c.own(w, size), counting.rules(fc.Field.Field)), values)
	if c.roots[fc.Field.Definition] {
		own = add(own, mul(point, c.count(set, counting.variables)/introspectionValues))
	}
	return own
}

package page

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
)

// idColumn breaks ties, and is the order of lists that have no other.
const idColumn = "id"

// Direction of an order, as the API has it.
type Direction string

// The directions of the schema.
const (
	Ascending  Direction = "ASC"
	Descending Direction = "DESC"
)

// Order is the order of a list: by a column, and by id in the same direction where that is equal.
// Rows without a value come last in either direction.
type Order struct {
	// List is the name of the list. Its cursors are refused by lists of other names.
	List string
	// Column of the table to order by; empty for the id alone.
	Column string
	Desc   bool
	// Accepts, where not nil, says which values the column can have, since anybody can write a cursor.
	Accepts func(value any) bool
	// Nullable says that Column may be null. Orders that are not so can use an index for any page.
	Nullable bool
}

// Window is the part of a list that is to be read.
type Window struct {
	// Limit is how many rows to read at most: one more than the page has, which tells whether there is a further one.
	Limit int
	// Backward says that the page is read from its end.
	Backward bool
	// Desc is the direction to read in: the list's own, turned round when reading backwards.
	Desc bool

	order Order
	after *Key
	// through is the last key of the window, nil where it goes on to the list's end. The order has no nulls then.
	through *Key
}

// After is the key that the window begins after, in the direction of Desc; false where it begins at the list's end.
// Reading forwards, nulls are after everything else; reading backwards, before.
func (w Window) After() (Key, bool) {
	if w.after == nil {
		return Key{}, false
	}
	return *w.after, true
}

// Window is the whole of a list in the order, to be read in so many rows at a time.
func (o Order) Window(limit int) Window { return Window{Limit: limit, Desc: o.Desc, order: o} }

// Between narrows the window to rows whose value of the order's column is at least from and less than until, where they are
// not nil. ok is false where nothing is left. The order has no nulls then, and no row the id that is all zeros.
//
// A predicate of the column beside the window's own would do the same, but databases begin to read at one of both, and it
// need not be the nearer one.
func (w Window) Between(from, until any) (narrowed Window, ok bool) {
	first, last := edge(from), edge(until)
	if w.Desc {
		first, last = last, first
	}
	if first != nil && (w.after == nil || w.Less(*w.after, *first)) {
		w.after = first
	}
	if last != nil && (w.through == nil || w.Less(*last, *w.through)) {
		w.through = last
	}
	return w, w.after == nil || w.through == nil || w.Less(*w.after, *w.through)
}

// edge is the key before all rows with the value, and after all with a lesser one.
func edge(value any) *Key {
	if value == nil {
		return nil
	}
	return &Key{Value: value, ID: uuid.Nil}
}

// Endless is the window without its end, for a database that would take another index for the sake of two bounds: reading
// is to stop at the first key that is Past it.
func (w Window) Endless() Window {
	w.through = nil
	return w
}

// Past reports whether a row with the key lies beyond the window's end.
func (w Window) Past(k Key) bool { return w.through != nil && w.Less(*w.through, k) }

// Has reports whether a row with the key lies after what the window begins after.
func (w Window) Has(k Key) bool { return w.after == nil || w.Less(*w.after, k) }

// Less reports whether a key comes before another in the direction of reading. Neither has a null.
func (w Window) Less(a, b Key) bool {
	c := cmp.Or(compare(a.Value, b.Value), bytes.Compare(a.ID[:], b.ID[:]))
	if w.Desc {
		return c > 0
	}
	return c < 0
}

// compare is for two values of one column, as keys have them or rows: they are of one kind.
func compare(a, b any) int {
	a, b = Key{Value: a}.mustNormal(), Key{Value: b}.mustNormal()
	switch a := a.(type) {
	case nil:
		return 0 // the order is by id alone
	case time.Time:
		return a.Compare(b.(time.Time))
	case int64:
		return cmp.Compare(a, b.(int64))
	case string:
		return strings.Compare(a, b.(string))
	}
	panic(fmt.Sprintf("page: a key has a %T", a))
}

// Apply adds the window's predicate, order and limit to a selection from a table with a column `id`.
//
// With ent it is passed to the query's Where: `client.Campaign.Query().Where(w.Apply).All(ctx)`; or to Modify, with
// the feature sql/modifier. Within And, Or or Not ent would drop order and limit.
// The query should have no order, limit or offset of its own, and no other query is to be counted with it.
func (w Window) Apply(s *sql.Selector) {
	w.Bounds(s)
	w.Sort(s)
}

// Sort adds only the window's order and limit to a selection.
func (w Window) Sort(s *sql.Selector) {
	columns := w.columns(s)
	suffix := " ASC"
	if w.Desc {
		suffix = " DESC"
	}
	for i, column := range columns {
		s.OrderExprFunc(func(b *sql.Builder) {
			b.Ident(column).WriteString(suffix)
			if w.order.Nullable && i < len(columns)-1 {
				// Said in full, since the databases disagree about what it is otherwise.
				if w.Backward {
					b.WriteString(" NULLS FIRST")
				} else {
					b.WriteString(" NULLS LAST")
				}
			}
		})
	}
	s.Limit(w.Limit)
}

// Bounds adds only where the window begins and ends to a selection, which may have an order and a limit of its own.
func (w Window) Bounds(s *sql.Selector) {
	columns := w.columns(s)
	if w.after != nil {
		s.Where(w.beyond(columns))
	}
	if w.through != nil {
		compare := sql.OpLTE
		if w.Desc {
			compare = sql.OpGTE
		}
		values := []any{w.through.Value, w.through.ID}
		s.Where(sql.P(func(b *sql.Builder) {
			b.Wrap(func(b *sql.Builder) { b.IdentComma(columns...) })
			b.WriteOp(compare)
			b.Wrap(func(b *sql.Builder) { b.Args(values[len(values)-len(columns):]...) })
		}))
	}
}

// Beyond is the rest of the window, after the key.
func (w Window) Beyond(k Key) Window {
	w.after = &k
	return w
}

func (w Window) columns(s *sql.Selector) []string {
	if w.order.Column == "" {
		return []string{s.C(idColumn)}
	}
	return []string{s.C(w.order.Column), s.C(idColumn)}
}

// beyond is the predicate of the rows after the window's key. It compares row values, which both databases answer
// by a range of an index on (…, column, id); a comparison with null is never true.
func (w Window) beyond(columns []string) *sql.Predicate {
	compare := sql.CompositeGT
	if w.Desc {
		compare = sql.CompositeLT
	}
	column, id := columns[0], columns[len(columns)-1]
	switch null := w.after.Value == nil; {
	case len(columns) == 1:
		return compare(columns, w.after.ID)
	case null && w.Backward:
		return sql.Or(sql.NotNull(column), sql.And(sql.IsNull(column), compare([]string{id}, w.after.ID)))
	case null:
		return sql.And(sql.IsNull(column), compare([]string{id}, w.after.ID))
	case w.order.Nullable && !w.Backward:
		return sql.Or(compare(columns, w.after.Value, w.after.ID), sql.IsNull(column))
	default:
		return compare(columns, w.after.Value, w.after.ID)
	}
}

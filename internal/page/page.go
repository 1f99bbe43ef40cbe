// Package page cuts lists into pages by keyset: a page begins after the key of the row that the last one ended with,
// so that it costs the same at any depth, and no row is shown twice or left out when others come and go meanwhile.
//
// The terms are those of the GraphQL Cursor Connections Specification
// (https://relay.dev/graphql/connections.htm).
package page

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/zeroten/zeroten/internal/apierror"
)

// Page sizes.
const (
	MaxSize     = 100
	DefaultSize = 50
)

// Args are the arguments of every paged field. The zero value asks for the first DefaultSize rows.
type Args struct {
	First  *int
	After  *string
	Last   *int
	Before *string
}

// Validate refuses sizes outside 1 to MaxSize, and arguments that read in both directions at once.
// Its errors are *apierror.Error with code BAD_REQUEST.
//
// `before` without `last` is the DefaultSize rows before that cursor.
func (a Args) Validate() error {
	switch {
	case a.First != nil && a.Last != nil:
		return apierror.BadRequest("first and last exclude each other: leave out last to read forwards, or first to read backwards")
	case a.After != nil && a.Before != nil:
		return apierror.BadRequest("after and before exclude each other: leave out before to read forwards, or after to read backwards")
	case a.First != nil && a.Before != nil:
		return apierror.BadRequest("first reads forwards and before backwards: pass first with after, or last with before")
	case a.Last != nil && a.After != nil:
		return apierror.BadRequest("last reads backwards and after forwards: pass first with after, or last with before")
	}
	for _, arg := range []struct {
		name string
		size *int
	}{{"first", a.First}, {"last", a.Last}} {
		if arg.size != nil && (*arg.size < 1 || *arg.size > MaxSize) {
			return apierror.BadRequest("%s is %d: pass 1 to %d, and page through the rest", arg.name, *arg.size, MaxSize)
		}
	}
	return nil
}

func (a Args) backward() bool { return a.Last != nil || a.Before != nil }

// Size is how many rows valid arguments ask for at most, 1 to MaxSize.
func (a Args) Size() int {
	switch {
	case a.First != nil:
		return *a.First
	case a.Last != nil:
		return *a.Last
	}
	return DefaultSize
}

// cursor is the text of the cursor that was passed, if any, and the name of its argument.
func (a Args) cursor() (text *string, arg string) {
	if a.Before != nil {
		return a.Before, "before"
	}
	return a.After, "after"
}

// Connection is one page of a list of T.
type Connection[T any] struct {
	// Edges are the page's rows in the list's order, whichever way it was read. Never nil.
	Edges    []*Edge[T]
	PageInfo Info

	mu      sync.Mutex
	count   func(context.Context) (int, error)
	counted bool
	total   int
	err     error
}

// Edge is a row with its place in the list.
type Edge[T any] struct {
	Cursor string
	Node   T
}

// Info says where a page stands in its list.
//
// In the direction of reading it is exact, since one row more than the page is read. In the other direction
// it says whether a cursor was given: the row that it came from was there, but may be gone by now.
type Info struct {
	HasNextPage     bool
	HasPreviousPage bool
	// StartCursor and EndCursor are the cursors of the first and the last edge, nil on an empty page.
	StartCursor *string
	EndCursor   *string
}

// Nodes are the rows without their cursors. Never nil.
func (c *Connection[T]) Nodes() []T {
	nodes := make([]T, len(c.Edges))
	for i, e := range c.Edges {
		nodes[i] = e.Node
	}
	return nodes
}

// Len is how many rows the page has.
func (c *Connection[T]) Len() int { return len(c.Edges) }

// TotalCount is how many rows the whole list has. They are counted when first asked for, once for all callers;
// an error is remembered as well. It is safe for concurrent use.
func (c *Connection[T]) TotalCount(ctx context.Context) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.counted {
		c.total, c.err = c.count(ctx)
		c.counted = true
	}
	return c.total, c.err
}

// Of reads one page.
//
// key gives a row's place in the order. fetch reads w.Limit rows after w.After in the order of w.Desc,
// for an ent query by `.Where(w.Apply)`; where the page is read backwards that is the reverse of the list's order.
// count counts the whole list, and is called only if TotalCount is.
//
// What is wrong with the arguments is an *apierror.Error with code BAD_REQUEST; other errors are fetch's own,
// or a key that the order does not allow.
func Of[T any](
	ctx context.Context, args Args, order Order, key func(T) Key,
	fetch func(ctx context.Context, w Window) ([]T, error),
	count func(ctx context.Context) (int, error),
) (*Connection[T], error) {
	if err := args.Validate(); err != nil {
		return nil, err
	}
	size, backward := args.Size(), args.backward()
	w := Window{Limit: size + 1, Backward: backward, Desc: order.Desc != backward, order: order}
	text, arg := args.cursor()
	if text != nil {
		k, ok := order.decode(*text)
		if !ok {
			return nil, apierror.BadRequest(
				"%s is no cursor of this list: pass endCursor or an edge's cursor of the same list and order", arg)
		}
		w.after = &k
	}

	rows, err := fetch(ctx, w)
	if err != nil {
		return nil, err
	}
	more := len(rows) > size
	rows = rows[:min(size, len(rows))]
	edges := make([]*Edge[T], len(rows))
	for i, row := range rows {
		cursor, err := order.encode(key(row))
		if err != nil {
			return nil, fmt.Errorf("making a cursor of list %s: %w", order.List, err)
		}
		edges[i] = &Edge[T]{Cursor: cursor, Node: row}
	}

	info := Info{HasNextPage: more, HasPreviousPage: text != nil}
	if backward {
		slices.Reverse(edges)
		info = Info{HasNextPage: text != nil, HasPreviousPage: more}
	}
	if n := len(edges); n > 0 {
		info.StartCursor, info.EndCursor = &edges[0].Cursor, &edges[n-1].Cursor
	}
	return &Connection[T]{Edges: edges, PageInfo: info, count: count}, nil
}

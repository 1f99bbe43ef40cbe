package page

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/zeroten/zeroten/internal/apierror"
)

func TestValidate(t *testing.T) {
	cursor := "x"
	for _, test := range []struct {
		name string
		args Args
		size int
		want []string // what the message names; nil where the arguments are valid
	}{
		{"nothing", Args{}, 50, nil},
		{"smallest", Args{First: new(1)}, 1, nil},
		{"largest", Args{First: new(100), After: &cursor}, 100, nil},
		{"after alone", Args{After: &cursor}, 50, nil},
		{"backwards", Args{Last: new(7), Before: &cursor}, 7, nil},
		{"last alone", Args{Last: new(100)}, 100, nil},
		{"before alone", Args{Before: &cursor}, 50, nil},
		{"first of none", Args{First: new(0)}, 0, []string{"first is 0", "1 to 100"}},
		{"first negative", Args{First: new(-1)}, 0, []string{"first is -1"}},
		{"first too large", Args{First: new(101)}, 0, []string{"first is 101"}},
		{"last of none", Args{Last: new(0)}, 0, []string{"last is 0"}},
		{"last too large", Args{Last: new(1 << 31)}, 0, []string{"last is 2147483648"}},
		{"first and last", Args{First: new(1), Last: new(1)}, 0, []string{"first and last"}},
		{"first and before", Args{First: new(1), Before: &cursor}, 0, []string{"first reads forwards and before backwards"}},
		{"last and after", Args{Last: new(1), After: &cursor}, 0, []string{"last reads backwards and after forwards"}},
		{"after and before", Args{After: &cursor, Before: &cursor}, 0, []string{"after and before"}},
		{"all", Args{First: new(1), After: &cursor, Last: new(1), Before: &cursor}, 0, []string{"first and last"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.args.Validate()
			if test.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				if got := test.args.Size(); got != test.size {
					t.Errorf("size %d, want %d", got, test.size)
				}
				return
			}
			wantBadRequest(t, err, test.want...)
		})
	}
}

func wantBadRequest(t *testing.T, err error, parts ...string) {
	t.Helper()
	var e *apierror.Error
	if !errors.As(err, &e) || e.Code != apierror.BadRequestCode {
		t.Fatalf("got %v, want a BAD_REQUEST", err)
	}
	for _, part := range parts {
		if !strings.Contains(e.Message, part) {
			t.Errorf("message %q does not say %q", e.Message, part)
		}
	}
}

var numbers = Order{List: "numbers", Column: "n"}

// ofNumbers pages through a list that is no table, 0 to n-1.
func ofNumbers(ctx context.Context, args Args, n int, count func(context.Context) (int, error)) (*Connection[int], error) {
	fetch := func(_ context.Context, w Window) ([]int, error) {
		var rows []int
		k, begun := w.After()
		for i := range n {
			if w.Desc {
				i = n - 1 - i
			}
			beyond := !begun || (!w.Desc && int64(i) > k.Value.(int64)) || (w.Desc && int64(i) < k.Value.(int64))
			if beyond && len(rows) < w.Limit {
				rows = append(rows, i)
			}
		}
		return rows, nil
	}
	return Of(ctx, args, numbers, func(i int) Key { return Key{Value: i} }, fetch, count)
}

func TestInfo(t *testing.T) {
	whole, err := ofNumbers(t.Context(), Args{}, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) *string { return &whole.Edges[i].Cursor }
	for _, test := range []struct {
		name              string
		args              Args
		want              []int
		previous, further bool
	}{
		{"all", Args{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, false, false},
		{"the first", Args{First: new(3)}, []int{0, 1, 2}, false, true},
		{"exactly all", Args{First: new(10)}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, false, false},
		{"from the middle", Args{First: new(3), After: at(4)}, []int{5, 6, 7}, true, true},
		{"to the end", Args{First: new(3), After: at(6)}, []int{7, 8, 9}, true, false},
		{"after the end", Args{First: new(3), After: at(9)}, []int{}, true, false},
		{"the last", Args{Last: new(3)}, []int{7, 8, 9}, true, false},
		{"exactly all, backwards", Args{Last: new(10)}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, false, false},
		{"before the middle", Args{Last: new(3), Before: at(5)}, []int{2, 3, 4}, true, true},
		{"to the begin", Args{Last: new(3), Before: at(3)}, []int{0, 1, 2}, false, true},
		{"before the begin", Args{Last: new(3), Before: at(0)}, []int{}, false, true},
		{"all before", Args{Before: at(2)}, []int{0, 1}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := ofNumbers(t.Context(), test.args, 10, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Nodes(); !slices.Equal(got, test.want) {
				t.Errorf("nodes %v, want %v", got, test.want)
			}
			if c.Nodes() == nil || c.Edges == nil {
				t.Error("an empty page is nil")
			}
			p := c.PageInfo
			if p.HasPreviousPage != test.previous || p.HasNextPage != test.further {
				t.Errorf("previous %t, next %t; want %t, %t", p.HasPreviousPage, p.HasNextPage, test.previous, test.further)
			}
			if len(test.want) == 0 {
				if p.StartCursor != nil || p.EndCursor != nil {
					t.Error("an empty page has cursors")
				}
				return
			}
			if *p.StartCursor != *at(test.want[0]) || *p.EndCursor != *at(test.want[len(test.want)-1]) {
				t.Error("the page's cursors are not those of its first and last edge")
			}
		})
	}
}

func TestOfRefusesCursors(t *testing.T) {
	whole, err := ofNumbers(t.Context(), Args{}, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	good := whole.Edges[1].Cursor
	of := func(o Order) string {
		c, err := o.encode(Key{Value: 1})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, cursor := range map[string]string{
		"empty":           "",
		"nonsense":        "nonsense",
		"truncated":       good[:len(good)-1],
		"lengthened":      good + "A",
		"with a line end": good[:4] + "\n" + good[4:],
		"huge":            strings.Repeat("A", 1<<20),
		"other list":      of(Order{List: "letters", Column: "n"}),
		"other column":    of(Order{List: "numbers", Column: "m"}),
		"other direction": of(Order{List: "numbers", Column: "n", Desc: true}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ofNumbers(t.Context(), Args{After: &cursor}, 3, nil)
			wantBadRequest(t, err, "after is no cursor of this list", "endCursor")
			_, err = ofNumbers(t.Context(), Args{Before: &cursor}, 3, nil)
			wantBadRequest(t, err, "before is no cursor of this list")
		})
	}
	for i := range good {
		for _, letter := range "Aa0_-=+/" {
			altered := good[:i] + string(letter) + good[i+1:]
			if altered == good {
				continue
			}
			if _, err := ofNumbers(t.Context(), Args{After: &altered}, 3, nil); err == nil {
				t.Fatalf("cursor %s was taken, altered from %s", altered, good)
			}
		}
	}
}

func TestOfFails(t *testing.T) {
	down := errors.New("down")
	_, err := Of(t.Context(), Args{}, numbers, func(int) Key { return Key{} },
		func(context.Context, Window) ([]int, error) { return nil, down }, nil)
	if !errors.Is(err, down) {
		t.Errorf("got %v, want fetch's error", err)
	}
	for name, value := range map[string]any{
		"null in an order without": nil,
		"nil pointer":              (*string)(nil),
		"kind without an order":    1.5,
		"too long":                 strings.Repeat("x", MaxText+1),
		"not UTF-8":                "\xff",
		"NUL":                      "a\x00",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Of(t.Context(), Args{}, numbers, func(int) Key { return Key{Value: value} },
				func(context.Context, Window) ([]int, error) { return []int{1}, nil }, nil)
			if err == nil || !strings.Contains(err.Error(), "numbers") {
				t.Errorf("got %v, want an error that names the list", err)
			}
		})
	}
}

func TestTotalCountCountsOnce(t *testing.T) {
	for _, want := range []error{nil, errors.New("down")} {
		calls := 0
		c, err := ofNumbers(t.Context(), Args{First: new(1)}, 3, func(context.Context) (int, error) {
			calls++
			return 3, want
		})
		if err != nil {
			t.Fatal(err)
		}
		if calls != 0 {
			t.Error("counted before anybody asked")
		}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if n, err := c.TotalCount(t.Context()); n != 3 || !errors.Is(err, want) {
					t.Errorf("got %d, %v; want 3, %v", n, err, want)
				}
			})
		}
		wg.Wait()
		if calls != 1 {
			t.Errorf("counted %d times", calls)
		}
	}
}

func TestTotalCountAfterPanic(t *testing.T) {
	c, err := ofNumbers(t.Context(), Args{}, 3, func(context.Context) (int, error) { panic("count") })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a count that panicked answered")
				}
			}()
			n, err := c.TotalCount(t.Context())
			t.Errorf("got %d, %v", n, err)
		}()
	}
}

func TestMaxCursor(t *testing.T) {
	long := Key{Value: strings.Repeat("ß", MaxText/2), ID: uuid.New()}
	cursor, err := numbers.encode(long)
	if err != nil {
		t.Fatal(err)
	}
	if len(cursor) != maxCursor {
		t.Errorf("the longest cursor has %d letters, not %d", len(cursor), maxCursor)
	}
	if got, ok := numbers.decode(cursor); !ok || got != long {
		t.Error("the longest cursor is not read as it was written")
	}
}

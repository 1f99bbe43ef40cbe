package engine

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/graph/limit"
)

// TestLargeAnswers has a root field find long texts: the buffer that it is written to has room for all of them at once. What is
// nothing remains recognizable, since a root field that must not be null is looked at for that.
func TestLargeAnswers(t *testing.T) {
	ctx, _ := limit.WithMeter(graphql.WithOperationContext(t.Context(), &graphql.OperationContext{
		Operation: &ast.OperationDefinition{Operation: ast.Query},
	}), limit.MaxAnswer)
	text := strings.Repeat("x", 1<<20)
	long := func() {
		_, err := new(limit.Costs).Measure(graphql.WithFieldContext(ctx, &graphql.FieldContext{}), func(context.Context) (any, error) { return text, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	e := new(Engine)
	write := func(large bool, found ...string) graphql.Marshaler {
		return e.rootField(ctx, func(context.Context) graphql.Marshaler {
			return graphql.WriterFunc(func(w io.Writer) {
				b := w.(*bytes.Buffer)
				before := b.Cap()
				for _, text := range found {
					graphql.MarshalString(text).MarshalGQL(w)
				}
				if large && b.Cap() != before {
					t.Errorf("the buffer grew from %d to %d bytes while it was written to", before, b.Cap())
				}
			})
		})
	}
	small := write(false, "a few words")
	if _, made := small.(large); made {
		t.Error("room is made for a small answer")
	}
	long()
	first := write(true, text, "and", "few", "more")
	long()
	second := write(true, text, "and", "few", "more")
	var b bytes.Buffer
	for _, root := range []graphql.Marshaler{small, first, second} {
		root.MarshalGQL(&b)
	}
	if n := 2 * len(text); b.Len() < n || b.Cap() > n*3/2 {
		t.Errorf("%d bytes of texts are %d bytes in a buffer of %d", n, b.Len(), b.Cap())
	}
	if nothing := e.rootField(ctx, func(context.Context) graphql.Marshaler { return graphql.Null }); nothing != graphql.Null {
		t.Errorf("nothing became %v", nothing)
	}
}

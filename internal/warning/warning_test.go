package warning_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/zeroten/zeroten/internal/warning"
)

// Whatever order warnings come in, each is kept once, and the first by path are.
func TestList(t *testing.T) {
	warning.Add(t.Context(), warning.NoSuchValue, nil, "nobody collects")
	ctx, list := warning.With(t.Context(), func(context.Context) []string { return []string{"field"} })
	var adding sync.WaitGroup
	for i := range 100 {
		adding.Go(func() { warning.Add(ctx, warning.NoSuchValue, []string{fmt.Sprintf("%02d", i%50)}, "no %d", i%50) })
	}
	adding.Wait()
	var got, want []string
	for _, w := range list.All() {
		got = append(got, fmt.Sprint(w.Path, w.Message, w.Code))
	}
	for i := range warning.Most {
		want = append(want, fmt.Sprintf("[field %02d]no %dNO_SUCH_VALUE", i, i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

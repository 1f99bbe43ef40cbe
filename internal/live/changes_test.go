package live

import (
	"context"
	"errors"
	"testing"
	"time"
)

// What is waited for with deadlines, again and again, is told all the same: at first, and whenever it is another.
func TestChanges(t *testing.T) {
	each(t, tight, func(w *world) {
		t := w.t
		value := 1
		changes, err := NewChanges(w.ctx, w.hub, 20*time.Millisecond, 0, func(context.Context, int64) (int, int, error) { return value, value, nil })
		if err != nil {
			t.Fatal(err)
		}
		defer changes.Close()
		next := func() int {
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
				got, _, err := changes.Next(ctx)
				cancel()
				if err == nil {
					return got
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
			}
		}
		for want := 1; want < 6; want++ {
			value = want
			if want > 1 {
				w.record(1)
			}
			if got := next(); got != want {
				t.Errorf("it tells %d, want %d", got, want)
			}
		}
	})
}

package tenant

import (
	"context"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/flight"
)

// What many wait for may panic: they are told, nothing ends for it, and the next who asks has it looked up anew.
func TestLookupPanics(t *testing.T) {
	broken := true
	l := newLookup(time.Now, time.Minute, func(context.Context, string) (*int, error) {
		if broken {
			panic("oops")
		}
		return new(7), nil
	})
	if _, err := l.get(t.Context(), "k"); !flight.IsPanic(err) {
		t.Fatalf("got %v", err)
	}
	broken = false
	if v, err := l.get(t.Context(), "k"); err != nil || v == nil || *v != 7 {
		t.Errorf("afterwards: %v, %v", v, err)
	}
}

package tenant

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
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

// askedKey counts how often it is looked up, and ends what goes on without an end.
type askedKey struct{ asked *func() }

func (k askedKey) String() string {
	(*k.asked)()
	return "k"
}

// Whoever joins a look-up that began longer ago than a key is believed, but not than it is believed to be absent, is told
// that there is none, and does not ask for it again and again.
func TestLookupJoinsASlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 700 * time.Millisecond
		l := newLookup(time.Now, Believed, func(context.Context, askedKey) (*int, error) {
			time.Sleep(slow)
			return nil, nil
		})
		l.absent = absentBelieved
		ctx, cancel := context.WithCancelCause(t.Context())
		n := 0
		count := func() {
			if n++; n == 100 {
				cancel(errors.New("it is asked for without an end"))
			}
		}
		go func() { _, _ = l.get(ctx, askedKey{&count}) }()
		time.Sleep(slow - time.Millisecond)
		if v, err := l.get(ctx, askedKey{&count}); v != nil || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
}

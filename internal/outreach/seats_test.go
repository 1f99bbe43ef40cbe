package outreach

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
)

// There is one of each tenant and two in all, whoever gives up takes no place, and nothing is left of those who are gone.
func TestSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeats(2)
		one, two, three := uuid.New(), uuid.New(), uuid.New()
		now := func(tenant uuid.UUID) func() {
			t.Helper()
			leave, err := s.take(t.Context(), tenant)
			if err != nil {
				t.Fatal(err)
			}
			return leave
		}
		waits := func(tenant uuid.UUID) {
			t.Helper()
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("gave up")
			ended := make(chan error)
			go func() {
				_, err := s.take(ctx, tenant)
				ended <- err
			}()
			synctest.Wait()
			select {
			case err := <-ended:
				t.Fatalf("it did not wait: %v", err)
			default:
			}
			cancel(why)
			if err := <-ended; !errors.Is(err, why) {
				t.Fatal(err)
			}
		}
		first := now(one)
		waits(one)
		second := now(two)
		waits(three)
		waits(two)
		first()
		third := now(three)
		second()
		now(one)()
		third()
		if len(s.of) != 0 || len(s.all) != 0 || s.users != 0 {
			t.Errorf("%d tenants, %d seats and %d users are left", len(s.of), len(s.all), s.users)
		}
	})
}

// A line has an end, a tenant's own and that of all: whoever finds no place in it is told so at once, and takes none.
func TestSeatsAreNotForTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeats(maxPreviews)
		var leaves []func()
		var mu sync.Mutex
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		come := func(tenant uuid.UUID) {
			go func() {
				leave, err := s.take(ctx, tenant)
				if err == nil {
					mu.Lock()
					leaves = append(leaves, leave)
					mu.Unlock()
				}
			}()
			synctest.Wait()
		}
		crowded := func(tenant uuid.UUID) {
			t.Helper()
			if _, err := s.take(t.Context(), tenant); !errors.Is(err, errCrowded) {
				t.Errorf("got %v", err)
			}
		}
		one := uuid.New()
		for range 1 + maxWaiting {
			come(one)
		}
		crowded(one)
		for s.users < maxPreviews+maxAllWaiting {
			come(uuid.New())
		}
		late := uuid.New() // who has none waits, however many there are
		come(late)
		crowded(late)
		if len(s.of) != 2+maxPreviews+maxAllWaiting-(1+maxWaiting) {
			t.Errorf("%d tenants have a line", len(s.of))
		}
		cancel()
		synctest.Wait()
		for _, leave := range leaves {
			leave()
		}
		if len(s.of) != 0 || len(s.all) != 0 || s.users != 0 {
			t.Errorf("%d tenants, %d seats and %d users are left", len(s.of), len(s.all), s.users)
		}
	})
}

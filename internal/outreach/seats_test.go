package outreach

import (
	"context"
	"errors"
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
		if len(s.of) != 0 || len(s.all) != 0 {
			t.Errorf("%d tenants and %d seats are left", len(s.of), len(s.all))
		}
	})
}

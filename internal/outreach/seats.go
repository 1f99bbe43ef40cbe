package outreach

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
)

// seats are where previews are worked out. A large one takes a second of a processor, and costs less than that (see rate.PreviewedPerPoint):
// so there is one of each tenant at a time, and a few in all. Others wait for their turn, in the order in which they came; where too many do, whoever
// comes is told to try again.
type seats struct {
	all chan struct{}

	mu    sync.Mutex
	of    map[uuid.UUID]*seat
	users int // of all
}

// seat is a tenant's.
type seat struct {
	taken chan struct{}
	// users are those who have it or wait for it.
	users int
}

// maxWaiting is how many may wait for a tenant's seat, and maxAllWaiting how many for all, but for one of each tenant: each keeps a request open, and
// what it has read.
const (
	maxWaiting    = 8
	maxAllWaiting = 64
)

var errCrowded = &apierror.Error{
	Code: apierror.Overloaded, Message: "Too many previews are being worked out; try again.", RetryAfter: 5 * time.Second,
}

func newSeats(n int) *seats {
	return &seats{all: make(chan struct{}, n), of: map[uuid.UUID]*seat{}}
}

// take waits for a seat, until leave is called.
func (s *seats) take(ctx context.Context, tenant uuid.UUID) (leave func(), err error) {
	s.mu.Lock()
	own := s.of[tenant]
	if own == nil {
		own = &seat{taken: make(chan struct{}, 1)}
		s.of[tenant] = own
	}
	if own.users > maxWaiting || own.users > 0 && s.users >= maxPreviews+maxAllWaiting { // one of each tenant there always is
		s.mu.Unlock()
		return nil, errCrowded
	}
	own.users++
	s.users++
	s.mu.Unlock()
	gone := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.users--
		if own.users--; own.users == 0 {
			delete(s.of, tenant)
		}
	}
	select {
	case own.taken <- struct{}{}:
	case <-ctx.Done():
		gone()
		return nil, context.Cause(ctx)
	}
	select {
	case s.all <- struct{}{}:
	case <-ctx.Done():
		<-own.taken
		gone()
		return nil, context.Cause(ctx)
	}
	return func() {
		<-s.all
		<-own.taken
		gone()
	}, nil
}

package store

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"
)

// maxOfTenant is how many in a room are one tenant's: who asks for much at once stands in their own way, and not in others'.
const maxOfTenant = 2

// room is for so many at once, of each tenant for fewer.
type room struct {
	all chan struct{}

	mu sync.Mutex
	// tenants are those of whom somebody is in it, or waits for that.
	tenants map[uuid.UUID]*turns
}

// turns has room for those of one tenant.
type turns struct {
	room  chan struct{}
	users int
}

func newRoom(size int) *room {
	return &room{all: make(chan struct{}, size), tenants: map[uuid.UUID]*turns{}}
}

// enter waits for room: first behind the tenant's own, so that not all who wait for the rest are of one tenant.
func (r *room) enter(ctx context.Context, tenant uuid.UUID) (leave func(), err error) {
	r.mu.Lock()
	t := r.tenants[tenant]
	if t == nil {
		t = &turns{room: make(chan struct{}, maxOfTenant)}
		r.tenants[tenant] = t
	}
	t.users++
	r.mu.Unlock()
	var taken []chan struct{}
	leave = func() {
		for _, room := range taken {
			<-room
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(r.tenants, tenant)
		}
	}
	rooms := []chan struct{}{t.room, r.all}
	if tenant == uuid.Nil { // nobody's
		rooms = rooms[1:]
	}
	for _, room := range rooms {
		select {
		case room <- struct{}{}:
			taken = append(taken, room)
		case <-ctx.Done():
			leave()
			return nil, fmt.Errorf("waiting to read: %w", context.Cause(ctx))
		}
	}
	return leave, nil
}

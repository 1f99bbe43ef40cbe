package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/flight"
)

const (
	// smallBody is how many bytes a body has at most that is small.
	smallBody = 16 << 10
	// bytesPerPoint is how many bytes of what is sent cost a point, and valuesPerPoint how many JSON values. What is less
	// costs nothing.
	bytesPerPoint, valuesPerPoint = 4 << 10, 500
	// bytesPerSecond is how fast a body must come that takes longer than the patience that there is anyway.
	bytesPerSecond = 64 << 10
)

// room is where requests of one kind are in memory. No holder, which is a key or an address, has more of it than twice what
// is left to all others.
type room struct {
	mu sync.Mutex
	// free is how many bytes are left, and below zero where a body turned out to be larger; of what each holder has.
	free int
	of   map[string]int
}

// take takes n bytes for a holder, if they are there for it.
func (r *room) take(holder string, n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.free - n
	if left < 0 || r.of[holder]+n > 2*left {
		return false
	}
	r.add(holder, n)
	return true
}

// move takes n bytes for a holder that it has already, whether they are there or not; or gives them back.
func (r *room) move(holder string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(holder, n)
}

func (r *room) add(holder string, n int) {
	if r.of == nil {
		r.of = map[string]int{}
	}
	r.free -= n
	if r.of[holder] += n; r.of[holder] == 0 {
		delete(r.of, holder)
	}
}

// rooms are where the bodies of all requests are in memory, and what is made of them. Small ones have a room of their own,
// so that neither a few large ones nor many slow ones shut ordinary requests out.
type rooms struct {
	small, large room
	// turns holds one for each request with a large body that is being answered.
	turns chan struct{}
}

// errFull is that of a request that there is no room for.
var errFull = &apierror.Error{
	Code: apierror.Overloaded, Message: "The server is reading as much as it can at once; try again.", RetryAfter: time.Second,
}

// intake is what one request, or one message of a socket, takes of what all share while it is read and answered. Nil takes
// nothing. It may be used by one goroutine at a time.
type intake struct {
	h *Handler
	// ctx has the caller, who pays; nil where there is none yet.
	ctx  context.Context //nolint:containedctx // it lives as long as the request
	room *room
	// holder is whose it is: a key, or the address of those without.
	holder string
	// held is how much it has of the room, come how many bytes were counted, and paid how many points.
	held, come, paid int
	// turn says that it has one of the turns, handed that another goroutine gives everything back.
	turn, handed bool
}

func (h *Handler) intake(ctx context.Context, holder string) *intake {
	return &intake{h: h, ctx: ctx, holder: holder, room: &h.rooms.small}
}

// expect pays for so many bytes in all, which have come or are going to, before they are read.
func (in *intake) expect(n int) error {
	if in == nil {
		return nil
	}
	if n > smallBody {
		in.enlarge()
	}
	in.come = max(in.come, n)
	points := in.come/bytesPerPoint - in.paid
	if points <= 0 || in.ctx == nil || in.h.engine.Pay == nil {
		return nil
	}
	if err := in.h.engine.Pay(in.ctx, points); err != nil {
		return err
	}
	in.paid += points
	return nil
}

// enlarge makes it one of those with a large body. What it holds must have room among these, with the next that it takes.
func (in *intake) enlarge() {
	if in.room == &in.h.rooms.small {
		in.room = &in.h.rooms.large
		in.h.rooms.small.move(in.holder, -in.held)
		in.h.rooms.large.move(in.holder, in.held)
	}
}

// pay pays for so many JSON values.
func (in *intake) pay(values int) error {
	if in == nil || in.ctx == nil || in.h.engine.Pay == nil || values < valuesPerPoint {
		return nil
	}
	return in.h.engine.Pay(in.ctx, values/valuesPerPoint)
}

// hold takes so many bytes of the room. The error is OVERLOADED where they are not there.
func (in *intake) hold(n int) error {
	if in == nil {
		return nil
	}
	if !in.room.take(in.holder, n) {
		return errFull
	}
	in.held += n
	return nil
}

// wait waits until it is the request's turn to be answered, if it is a large one.
func (in *intake) wait() error {
	if in.turn || in.room == &in.h.rooms.small {
		return nil
	}
	select {
	case in.h.rooms.turns <- struct{}{}:
		in.turn = true
		return nil
	case <-in.ctx.Done():
		return errFull
	}
}

// done gives everything back. It may be called again.
func (in *intake) done() {
	if in == nil {
		return
	}
	in.room.move(in.holder, -in.held)
	in.held = 0
	if in.turn {
		in.turn = false
		<-in.h.rooms.turns
	}
}

// errTooLarge says that what is read has more bytes than it may have.
var errTooLarge = errors.New("too large")

// readAll appends to b, which is empty, what there is to read, of at most limit bytes, while it pays for it and has room:
// for the first bytes at once, and for more as they come, however large b is already. before, where not nil, is called
// before each time that it waits, with how much has come.
func (in *intake) readAll(b []byte, first int, from io.Reader, limit int, before func(come int)) ([]byte, error) {
	size := 0
	for {
		if len(b) == size {
			grow := min(max(512, first, size), limit+1-size)
			first = 0
			if err := in.hold(grow); err != nil {
				return b, err
			}
			size += grow
			b = slices.Grow(b, grow)
		}
		if before != nil {
			before(len(b))
		}
		n, err := from.Read(b[len(b):size])
		b = b[:len(b)+n]
		if len(b) > limit {
			return b, errTooLarge
		}
		if paid := in.expect(len(b)); paid != nil {
			return b, paid
		}
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// slowBodies counts those bodies, for each address, that do not come at once.
type slowBodies struct {
	mu sync.Mutex
	of map[string]int
}

func (s *slowBodies) enter(address string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[address] >= most {
		return false
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.of[address]++
	return true
}

func (s *slowBodies) leave(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[address]--; s.of[address] == 0 {
		delete(s.of, address)
	}
}

// pace is how fast one body comes.
type pace struct {
	h       *Handler
	control *http.ResponseController
	address string
	began   time.Time

	mu sync.Mutex
	// slow says that it is counted, crowded that there were too many of them, and over that nobody waits for it any more.
	slow, crowded, over bool
}

// begin begins to watch a body. stop must be called in the end.
func (p *pace) begin() (stop func()) {
	timer := flight.After(p.h.limits.Prompt, p.late, p.h.caught("watching a body"))
	return func() {
		timer.Stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.over = true
		if p.slow {
			p.h.slow.leave(p.address)
		}
		// The deadline would end the request's context later on.
		_ = p.control.SetReadDeadline(time.Time{})
	}
}

// late is called when the body is slow.
func (p *pace) late() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	if p.slow = p.h.slow.enter(p.address, p.h.limits.Slow); !p.slow {
		p.crowded = true
		_ = p.control.SetReadDeadline(time.Now()) // what has no deadlines has none to be missed
	}
}

// next sets until when the next bytes must have come.
func (p *pace) next(come int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.crowded {
		return
	}
	patience := p.h.limits.Patience
	may := min(patience+time.Duration(come)*time.Second/bytesPerSecond, p.h.limits.Timeout, time.Since(p.began)+patience)
	_ = p.control.SetReadDeadline(p.began.Add(may)) // what has no deadlines has none to be missed
}

// refuse is why a body was given up.
func (p *pace) refuse(err error, limit int) error {
	var known *apierror.Error
	var tooLong *http.MaxBytesError
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, errTooLarge) || errors.As(err, &tooLong):
		return tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded) && p.crowded:
		return refuse(http.StatusRequestTimeout, "There are too many requests from your address that do not come to their end: send each at once.")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, "The request did not come to its end in time.")
	default:
		return refuse(http.StatusBadRequest, "The request's body could not be read to its end.")
	}
}

func tooLarge(limit int) error {
	return refuse(http.StatusRequestEntityTooLarge,
		"The request may have %d bytes, variables and all; only a key or token with the scope COLLECT may send more.", limit)
}

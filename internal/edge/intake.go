package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/flight"
)

const (
	// SmallBody is how many bytes a body has at most that is small.
	SmallBody = 16 << 10
	// BytesPerPoint is how many bytes of what is sent cost a point. What is less costs nothing.
	BytesPerPoint = 4 << 10
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
	if left < 0 || !fair(r.of[holder]+n, left) {
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

// idle gives an error where not all of it is free.
func (r *room) idle(all int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.free != all || len(r.of) > 0 {
		return fmt.Errorf("%d bytes are free of %d, and %d have some", r.free, all, len(r.of))
	}
	return nil
}

// bodies are those of all requests that are in memory, and what is made of them. Small ones have a room of their own, so
// that neither a few large ones nor many slow ones shut ordinary requests out.
type bodies struct {
	config       Config
	small, large room
	// turns holds one for each request with a large body that is being answered.
	turns chan struct{}
	slow  slowBodies
}

func newBodies(c Config) *bodies {
	return &bodies{config: c, small: room{free: c.SmallRoom}, large: room{free: c.LargeRoom}, turns: make(chan struct{}, c.Turns)}
}

func (b *bodies) idle() error {
	if n := len(b.turns); n > 0 {
		return fmt.Errorf("%d turns are taken", n)
	}
	return errors.Join(b.small.idle(b.config.SmallRoom), b.large.idle(b.config.LargeRoom), b.slow.idle())
}

// Intake is what one request, or one message of a socket, takes of what all share while it is read and answered. Nil takes
// nothing. It may be used by one goroutine at a time.
type Intake struct {
	bodies *bodies
	room   *room
	// holder is whose it is: a key, or the address of those without.
	holder string
	// charge pays for it; nil where nobody does.
	charge func(points int) error
	// held is how much it has of the room, come how many bytes were counted, and paid how many points.
	held, come, paid int
	// turn says that it has one of the turns.
	turn bool
}

// Intake begins to take a request in, for a holder: a key's name, or that of the address of those without. pay takes points
// for what is sent, before it is read; nil where nobody is known who pays. Done must be called in the end.
func (d *Door) Intake(holder string, pay func(points int) error) *Intake {
	return &Intake{bodies: d.bodies, holder: holder, charge: pay, room: &d.bodies.small}
}

// Expect pays for so many bytes in all, which have come or are going to, before they are read. The error is that of paying.
func (in *Intake) Expect(n int) error {
	if in == nil {
		return nil
	}
	if n > SmallBody {
		in.enlarge()
	}
	in.come = max(in.come, n)
	points := in.come/BytesPerPoint - in.paid
	if points <= 0 || in.charge == nil {
		return nil
	}
	if err := in.charge(points); err != nil {
		return err
	}
	in.paid += points
	return nil
}

// enlarge makes it one of those with a large body. What it holds must have room among these, with the next that it takes.
func (in *Intake) enlarge() {
	if b := in.bodies; in.room == &b.small {
		in.room = &b.large
		b.small.move(in.holder, -in.held)
		b.large.move(in.holder, in.held)
	}
}

// Pay pays for what is in what was sent, beside its bytes. The error is that of paying.
func (in *Intake) Pay(points int) error {
	if in == nil || in.charge == nil || points <= 0 {
		return nil
	}
	return in.charge(points)
}

// Hold takes so many bytes of the room. The error is a Refusal, Busy, where they are not there.
func (in *Intake) Hold(n int) error {
	if in == nil {
		return nil
	}
	if !in.room.take(in.holder, n) {
		return noRoom()
	}
	in.held += n
	return nil
}

func noRoom() error { return &Refusal{Why: Busy, Wait: time.Second} }

// Wait waits until it is the request's turn to be answered, if it is a large one. The error is a Refusal, Busy, where ctx
// ends first.
func (in *Intake) Wait(ctx context.Context) error {
	if in.turn || in.room == &in.bodies.small {
		return nil
	}
	select {
	case in.bodies.turns <- struct{}{}:
		in.turn = true
		return nil
	case <-ctx.Done():
		return noRoom()
	}
}

// Done gives everything back. It may be called again.
func (in *Intake) Done() {
	if in == nil {
		return
	}
	in.room.move(in.holder, -in.held)
	in.held = 0
	if in.turn {
		in.turn = false
		<-in.bodies.turns
	}
}

// Body reads a request's body, of at most limit bytes, while it pays for it and has room, and while it comes fast enough for
// one of its address. The error is a Refusal, of whatever is about bodies, or that of paying.
func (in *Intake) Body(w http.ResponseWriter, r *http.Request, address string, limit int) ([]byte, error) {
	claimed := r.ContentLength
	if claimed > int64(limit) {
		return nil, &Refusal{Why: TooLarge}
	}
	first := 0
	if claimed > 0 {
		if err := in.Expect(int(claimed)); err != nil {
			return nil, err
		}
		// What a client claims is believed a little at a time. One byte more, to see that there is none.
		first = int(min(claimed, 64<<10)) + 1
	}
	p := pace{bodies: in.bodies, control: http.NewResponseController(w), address: address, began: time.Now()}
	stop := p.begin()
	body, err := in.read(nil, first, r.Body, limit, p.next)
	stop()
	if err != nil {
		return nil, p.refuse(err)
	}
	return body, nil
}

// Read appends to b, which is empty, what there is to read, of at most limit bytes, while it pays for it and has room. The
// error is a Refusal, Busy, TooLarge or Broken, or that of paying; what has come until then is given in any case.
func (in *Intake) Read(b []byte, from io.Reader, limit int) ([]byte, error) {
	return in.read(b, 0, from, limit, nil)
}

// read has room for the first bytes at once, and for more as they come, however large b is already. before, where not nil,
// is called before each time that it waits, with how much has come.
func (in *Intake) read(b []byte, first int, from io.Reader, limit int, before func(come int)) ([]byte, error) {
	size := 0
	for {
		if len(b) == size {
			grow := min(max(512, first, size), limit+1-size)
			first = 0
			if err := in.Hold(grow); err != nil {
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
			return b, &Refusal{Why: TooLarge}
		}
		if unpaid := in.Expect(len(b)); unpaid != nil {
			return b, unpaid
		}
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, &Refusal{Why: Broken, err: err}
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

func (s *slowBodies) idle() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.of) > 0 {
		return fmt.Errorf("slow bodies are counted that have gone: %v", s.of)
	}
	return nil
}

// pace is how fast one body comes.
type pace struct {
	bodies  *bodies
	control *http.ResponseController
	address string
	began   time.Time

	mu sync.Mutex
	// slow says that it is counted, crowded that there were too many of them, and over that nobody waits for it any more.
	slow, crowded, over bool
}

// begin begins to watch a body. stop must be called in the end.
func (p *pace) begin() (stop func()) {
	timer := flight.After(p.bodies.config.Prompt, p.late, flight.Logged(p.bodies.config.Log, "watching a body"))
	return func() {
		timer.Stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.over = true
		if p.slow {
			p.bodies.slow.leave(p.address)
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
	if p.slow = p.bodies.slow.enter(p.address, p.bodies.config.Slow); !p.slow {
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
	patience := p.bodies.config.Patience
	may := min(patience+time.Duration(come)*time.Second/bytesPerSecond, p.bodies.config.Timeout, time.Since(p.began)+patience)
	_ = p.control.SetReadDeadline(p.began.Add(may)) // what has no deadlines has none to be missed
}

// refuse says why a body was given up, where it broke off.
func (p *pace) refuse(err error) error {
	refused, ok := errors.AsType[*Refusal](err)
	if !ok || refused.Why != Broken {
		return err
	}
	_, tooLong := errors.AsType[*http.MaxBytesError](err)
	late := errors.Is(err, os.ErrDeadlineExceeded)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case tooLong:
		refused.Why = TooLarge
	case late && p.crowded:
		refused.Why = Crowded
	case late:
		refused.Why = Late
	}
	return refused
}

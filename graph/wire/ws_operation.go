package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/flight"
)

// request is an operation that a client asked for on a socket.
type request struct {
	s      *socket
	id     string
	quoted []byte // id as JSON, as the client wrote it
	cancel context.CancelCauseFunc

	// These are guarded by s.mu. over says that the id is free again, so that nothing more may be sent for it; single
	// that the operation may give a result, which the end of the server waits for.
	over, single bool
}

// subscribe begins an operation, and reports whether there may be another message.
func (s *socket) subscribe(m message, in *edge.Intake) bool {
	s.mu.Lock()
	switch {
	case !s.acked:
		s.mu.Unlock()
		s.end(closeUnauthorized, "Unauthorized")
		return false
	case s.over || s.leaving: // the client will do it again on another socket
		s.mu.Unlock()
		return true
	case s.running[m.id] != nil:
		s.mu.Unlock()
		const around = len("Subscriber for  already exists")
		s.end(closeExists, fmt.Sprintf("Subscriber for %s already exists", cut(m.id, maxReason-around)))
		return false
	case len(s.running) >= s.h.limits.Socket.Operations || s.goroutines >= 2*s.h.limits.Socket.Operations:
		s.mu.Unlock()
		s.tooMany(m)
		return true
	}
	q := &request{s: s, id: m.id, quoted: bytes.Clone(m.quoted), single: true}
	var ctx context.Context
	ctx, q.cancel = context.WithCancelCause(s.caller)
	s.running[q.id] = q
	s.goroutines++
	s.results++
	s.group.Add(1)
	s.mu.Unlock()
	s.handed = true
	a := *m.asked
	a.variables = bytes.Clone(a.variables) // the message's bytes are another's soon
	flight.Go(func() { q.run(ctx, &a, in) }, s.h.caught("running an operation"))
	return true
}

// tooMany refuses an operation beyond those that one socket may have.
func (s *socket) tooMany(m message) {
	err := apierror.New(apierror.RateLimited,
		"One socket may run %d operations at once: complete some, or open another socket.", s.h.limits.Socket.Operations)
	list := gqlerror.List{s.h.present(s.caller, err)}
	if s.hold() {
		s.write(m.quoted, typeError, errorList(list), false)
		s.free()
	}
	s.h.observe(s.caller, Observation{Protocol: "ws", Code: codeOf(list)})
}

// forget gives the id of an operation free. s.mu is held.
func (s *socket) forget(q *request) {
	if !q.over {
		q.over = true
		delete(s.running, q.id)
	}
}

// settle notes that an operation will give no single result any more.
func (s *socket) settle(q *request) {
	s.mu.Lock()
	if q.single {
		q.single = false
		s.results--
	}
	last := s.leaving && s.results == 0
	s.mu.Unlock()
	if last {
		s.restart()
	}
}

// run takes an operation to its end.
func (q *request) run(ctx context.Context, a *asked, in *edge.Intake) {
	s := q.s
	o := Observation{Protocol: "ws"}
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			o.Code = q.fail(gqlerror.List{s.h.present(ctx, flight.Recovered(p))})
		}
		q.cancel(nil)
		s.mu.Lock()
		s.forget(q)
		s.goroutines--
		s.mu.Unlock()
		s.settle(q)
		o.Took = time.Since(began)
		s.h.observe(ctx, o)
		s.group.Done()
	}()
	a.params.ReadTime = graphql.TraceTiming{Start: began, End: began}
	var stream Stream
	aside(func() { stream = q.begin(ctx, a, in, &o) })
	if stream != nil {
		o.Code = q.stream(ctx, stream)
	}
}

// begin prepares an operation and carries it out, or begins it where it is a subscription.
func (q *request) begin(ctx context.Context, a *asked, in *edge.Intake, o *Observation) Stream {
	s := q.s
	defer in.Done()
	limited, cancel := context.WithTimeout(ctx, s.h.limits.Timeout)
	defer cancel()
	op, list := s.h.prepare(limited, a, in)
	if len(list) > 0 {
		o.Code = q.fail(list)
		return nil
	}
	o.Operation = op
	if op.Operation.Operation != ast.Subscription {
		o.Code = q.execute(limited, op)
		return nil
	}
	cancel()
	s.settle(q)
	late := flight.After(s.h.limits.Timeout, func() { q.cancel(errSlow) }, s.h.caught("giving an operation up"))
	defer late.Stop()
	stream, list := s.h.subscribe(ctx, op, nil)
	o.Operation = op.told()
	if len(list) > 0 {
		o.Code = q.fail(list)
		return nil
	}
	return stream
}

// execute sends the result of a query or a mutation. It returns the code of the first error.
func (q *request) execute(ctx context.Context, op *Operation) string {
	response := q.s.h.execute(ctx, op)
	if response.Data == nil && len(response.Errors) > 0 {
		return q.fail(response.Errors)
	}
	if q.send(typeNext, Encode(response), false, false) {
		q.send(typeComplete, nil, true, false)
	}
	return codeOf(response.Errors)
}

// stream sends the events of a subscription. It returns the code of the error that ended it.
func (q *request) stream(ctx context.Context, stream Stream) string {
	defer stream.Close()
	defer q.flush() // of the last event that had another behind it
	for {
		event, err := next(ctx, stream)
		switch {
		case err == nil && event.Payload == nil: // here clients resume by their variables
			q.flush()
		case err == nil:
			if !q.send(typeNext, event.Payload, false, event.More) {
				return ""
			}
		case errors.Is(err, io.EOF):
			q.send(typeComplete, nil, true, false)
			return ""
		case errors.Is(context.Cause(ctx), errSlow):
			return q.fail(gqlerror.List{q.s.h.present(ctx, errSlow)})
		case ctx.Err() != nil: // the client completed it, or the socket is over
			return ""
		default:
			return q.fail(gqlerror.List{q.s.h.present(ctx, err)})
		}
	}
}

// fail ends the operation with errors. It returns the code of the first one.
func (q *request) fail(list gqlerror.List) string {
	q.send(typeError, errorList(list), true, false)
	return codeOf(list)
}

// send sends a message of the operation, unless that is over, and reports whether it was not. The last one gives the id
// free: in the moment in which it takes its place in the order of messages, so that whatever has the id next comes after.
func (q *request) send(kind string, payload []byte, last, more bool) bool {
	s := q.s
	if !s.hold() {
		return false
	}
	defer s.free()
	if s.caller.Err() != nil { // nothing is for those any more who may not see it
		return false
	}
	s.mu.Lock()
	over := q.over
	if last {
		s.forget(q)
	}
	s.mu.Unlock()
	if !over {
		s.write(q.quoted, kind, payload, more)
	}
	return !over
}

// flush sends what waits for more of the operation.
func (q *request) flush() {
	if q.s.hold() {
		defer q.s.free()
		if q.s.wire.flushNow() != nil {
			q.s.drop()
		}
	}
}

func errorList(list gqlerror.List) []byte {
	var b bytes.Buffer
	encodeValue(&b, shownErrors(list))
	return b.Bytes()
}

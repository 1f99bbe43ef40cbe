package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/flight"
)

// retry is how soon an EventSource comes back after its connection was lost.
const retry = time.Second

// eventStream writes server-sent events in the distinct connections mode of the graphql-sse protocol.
type eventStream struct {
	// write sends some bytes to the client, or gives it up.
	write func([]byte) error

	mu sync.Mutex
	// waiting is what waits for more to leave together with; nil where nothing does. An idle stream has no buffer.
	waiting *[]byte
	// over says that nothing may be sent any more.
	over bool
}

// greeting is what a stream begins with, so that the client sees at once that it was heard.
func greeting(retry time.Duration) string {
	return ":\nretry: " + strconv.FormatInt(retry.Milliseconds(), 10) + "\n\n"
}

func setStreamHeader(header http.Header) {
	header.Set("Content-Type", mediaStream+"; charset=utf-8")
	header.Set("X-Accel-Buffering", "no") // proxies must pass events on as they come
}

// openStream begins to answer with events.
func openStream(w http.ResponseWriter, timeout, retry time.Duration) (*eventStream, error) {
	setStreamHeader(w.Header())
	control := http.NewResponseController(w)
	// A stream is read from for as long as it runs, to see that its client is there.
	_ = control.SetReadDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
	s := &eventStream{write: func(p []byte) error {
		_ = control.SetWriteDeadline(time.Now().Add(timeout))
		_, err := w.Write(p)
		if err == nil {
			err = control.Flush()
		}
		_ = control.SetWriteDeadline(time.Time{}) // over HTTP/2 it would end the stream though nothing is written
		return err
	}}
	return s, s.send(greeting(retry))
}

// takeOver begins to answer with events on the connection itself, which then belongs to the stream: what net/http holds
// for a request, its buffers above all, is worth more than an idle stream. conn is nil where there is no such connection,
// as with HTTP/2.
func takeOver(w http.ResponseWriter, timeout, retry time.Duration) (_ *eventStream, conn net.Conn, err error) {
	conn, _, err = http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, nil //nolint:nilerr // then there is the other way
	}
	setStreamHeader(w.Header())
	w.Header().Set("Connection", "close")
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 200 OK\r\n")
	_ = w.Header().Write(&head) // a buffer takes everything
	head.WriteString("\r\n")
	s := &eventStream{write: func(p []byte) error {
		if err := conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
		_, err := conn.Write(p)
		return err
	}}
	return s, conn, s.send(head.String(), greeting(retry))
}

// send sends what waits, and the parts.
func (s *eventStream) send(parts ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return errGone
	}
	if s.waiting == nil {
		s.waiting, _ = buffers.Get().(*[]byte)
	}
	for _, part := range parts {
		*s.waiting = append(*s.waiting, part...)
	}
	return s.flush()
}

// flush sends what waits. s.mu is held.
func (s *eventStream) flush() error {
	if s.waiting == nil {
		return nil
	}
	err := s.write(*s.waiting)
	keep(s.waiting)
	s.waiting = nil
	return err
}

// end sends what waits, and nothing afterwards.
func (s *eventStream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.flush() // nobody is left to be told that this failed
	s.over = true
}

// next sends a result, together with the next one where there is more.
func (s *eventStream) next(e Event) error {
	if strings.ContainsAny(e.ID, "\r\n\x00") {
		e.ID = ""
	}
	if e.Payload == nil && e.ID == "" {
		return s.send(":\n\n") // and what waited for more
	}
	if e.Payload == nil { // it sets what the client remembers, and is no event for it
		return s.send("id: ", e.ID, "\n\n")
	}
	payload := e.Payload
	if bytes.ContainsAny(payload, "\r\n") {
		// Between the tokens of JSON, where alone they can be, blanks are as good.
		payload = bytes.Map(func(r rune) rune {
			if r == '\r' || r == '\n' {
				return ' '
			}
			return r
		}, payload)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return errGone
	}
	if s.waiting == nil {
		s.waiting, _ = buffers.Get().(*[]byte)
	}
	b := append(*s.waiting, "event: next\n"...)
	if e.ID != "" {
		b = append(append(append(b, "id: "...), e.ID...), '\n')
	}
	b = append(append(append(b, "data: "...), payload...), "\n\n"...)
	*s.waiting = b
	if e.More && len(b) < maxWaiting {
		return nil
	}
	return s.flush()
}

// complete says that there will be no more. Browsers pass over events without data.
func (s *eventStream) complete() error { return s.send("event: complete\ndata:\n\n") }

// ping shows that the stream is alive.
func (s *eventStream) ping() error { return s.send(":\n\n") }

// streamErrors answers with a stream that has the errors of an operation that was not executed. Where it is worth trying
// again the stream does not complete, so that an EventSource comes back by itself: it never does after another status.
func (x *exchange) streamErrors(list gqlerror.List) {
	x.code = codeOf(list)
	wait := retry
	again := transient(statusOf(x.code))
	if again {
		wait = time.Duration(retryAfter(list)) * time.Second
	}
	s, err := openStream(x.w, x.h.limits.Write, wait)
	if err == nil {
		err = s.next(Event{Payload: encodeErrors(list)})
	}
	if err == nil && !again {
		_ = s.complete() // nobody is left to be told that this failed
	}
}

// executeToStream carries a query or a mutation out, and answers with a stream of its one result.
func (x *exchange) executeToStream(op *Operation) {
	s, err := openStream(x.w, x.h.limits.Write, retry)
	if err != nil {
		return
	}
	response := x.h.execute(x.ctx, op)
	x.code = codeOf(response.Errors)
	if s.next(Event{Payload: Encode(response)}) == nil {
		_ = s.complete() // nobody is left to be told that this failed
	}
}

// lastEvent is the id of the last event that the client says it saw.
func lastEvent(r *http.Request) *string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return &id
	}
	if id, _, err := parameter(r.URL.RawQuery, "lastEventId"); err == nil && id != "" {
		return &id
	}
	return nil
}

// running is a subscription that runs over an event stream.
type running struct {
	h     *Handler
	held  edge.Connection
	op    *Operation
	began time.Time
	// watched ends with the secret, ctx also with the client or the server. release ends the watching.
	watched, ctx context.Context
	end          context.CancelCauseFunc
	release      func()
	stream       Stream
	events       *eventStream
	// conn is the connection, where it was taken over; reader has the goroutine that reads from it.
	conn   net.Conn
	reader sync.WaitGroup

	mu sync.Mutex
	// ping is the timer of the next ping; nil once there is none any more.
	ping *time.Timer
}

// subscribe runs a subscription: on the connection itself, beyond the end of the request, or else in the handler's own
// goroutine. done ends what is left of the request's own context, which has a deadline.
func (x *exchange) subscribe(op *Operation, done func()) {
	h := x.h
	x.media = mediaStream
	// What the request's context knows, for as long as the client stays.
	s := &running{h: h, op: op.told(), began: x.began, watched: context.WithoutCancel(x.ctx), release: func() {}}
	if x.secret != "" {
		s.watched, s.release = h.engine.Watch(s.watched, x.secret)
	}
	s.ctx, s.end = context.WithCancelCause(s.watched)
	s.held.End = s.end
	if err := h.engine.Door.Open(&s.held, x.address, h.key(x.ctx, x.secret)); err != nil {
		s.end(nil)
		s.release()
		x.refuse(unopened(err, streamConnection))
		return
	}
	begun := false
	defer func() {
		if !begun {
			s.close()
			h.engine.Door.Leave(&s.held)
		}
	}()
	left := follow(x.r.Context(), func() { s.end(errGone) }, h.caught("ending an event stream"))
	defer left()
	inTime := flight.After(h.limits.Timeout-time.Since(x.began), func() { s.end(errSlow) }, h.caught("giving an event stream up"))
	var errs gqlerror.List
	aside(func() { s.stream, errs = h.subscribe(s.ctx, op, lastEvent(x.r)) })
	inTime.Stop()
	if len(errs) > 0 {
		x.answerErrors(errs, false)
		return
	}
	done()
	var err error
	if s.events, s.conn, err = takeOver(x.w, h.limits.Write, retry); s.conn == nil {
		s.events, err = openStream(x.w, h.limits.Write, retry)
	}
	if err != nil {
		s.end(errGone)
	}
	begun, x.observed = true, true
	x.in.Done()
	if s.conn == nil {
		s.run()
		return
	}
	s.reader.Add(1)
	flight.Go(s.read, h.caught("reading from an event stream"))
	flight.Go(s.run, h.caught("running an event stream"))
}

// follow calls end once ctx ends. What it returns stops that.
func follow(ctx context.Context, end func(), caught func(*flight.Fault)) (stop func()) {
	over := make(chan struct{})
	stopped := flight.When(ctx, func() {
		defer close(over)
		end()
	}, caught)
	return func() {
		if !stopped() {
			<-over
		}
	}
}

// errSlow is that of a subscription that took too long to begin.
var errSlow = &apierror.Error{
	Code: apierror.Overloaded, Message: "The subscription could not begin in time; try again.", RetryAfter: time.Second,
}

// errGone is that of a stream whose client is gone, or does not read.
var errGone = errors.New("the client is gone")

// maxSurplus is how many bytes a client may send after its request, which are passed over.
const maxSurplus = 4 << 10

// read sees that the client is there.
func (s *running) read() {
	defer s.reader.Done()
	p := make([]byte, 16)
	for left := maxSurplus; left > 0; {
		n, err := s.conn.Read(p)
		if err != nil {
			break
		}
		left -= n
	}
	s.end(errGone)
}

// run takes the subscription to its end.
func (s *running) run() {
	code := ""
	defer func() {
		if p := recover(); p != nil {
			s.h.caught("running an event stream")(flight.Recovered(p))
			code = string(apierror.Internal)
		}
		s.close()
		s.h.observe(context.WithoutCancel(s.ctx), Observation{
			Protocol: "sse", Operation: s.op, Code: code, Took: time.Since(s.began),
		})
		s.h.engine.Door.Leave(&s.held)
	}()
	s.mu.Lock()
	s.ping = flight.After(s.h.limits.Ping, s.tick, s.h.caught("pinging an event stream"))
	s.mu.Unlock()
	code = s.finish(s.pump())
}

// tick shows that the stream is alive.
func (s *running) tick() {
	if s.events.ping() != nil {
		s.end(errGone)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ping != nil {
		s.ping.Reset(s.h.limits.Ping)
	}
}

// close lets go of everything.
func (s *running) close() {
	s.mu.Lock()
	if s.ping != nil {
		s.ping.Stop()
		s.ping = nil
	}
	s.mu.Unlock()
	if s.events != nil {
		s.events.end()
	}
	s.end(nil)
	if s.conn != nil {
		_ = s.conn.Close() // the client is gone, or has all it was to have
		s.reader.Wait()
	}
	if s.stream != nil {
		s.stream.Close()
	}
	s.release()
}

// pump passes events on until there are no more; the error says why.
func (s *running) pump() error {
	for {
		event, err := next(s.ctx, s.stream)
		switch {
		case err == nil:
			if s.events.next(event) != nil {
				return errGone
			}
		case s.ctx.Err() != nil:
			return context.Cause(s.ctx)
		default:
			return err
		}
	}
}

// finish ends a stream as its end calls for: with complete where there is nothing to come back for. It returns the code
// of the error that ended it.
func (s *running) finish(err error) (code string) {
	switch {
	case errors.Is(err, errGone), errors.Is(err, errStopping):
		return "" // of which the client, if there is one, comes back
	case errors.Is(err, io.EOF):
		_ = s.events.complete() // nobody is left to be told that this failed
		return ""
	case s.watched.Err() != nil:
		err = context.Cause(s.watched)
	}
	list := gqlerror.List{s.h.present(context.WithoutCancel(s.ctx), err)}
	code = codeOf(list)
	if s.events.next(Event{Payload: encodeErrors(list)}) == nil && !transient(statusOf(code)) {
		_ = s.events.complete() // nobody is left to be told that this failed
	}
	return code
}

package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
)

// retry is how soon an EventSource comes back after its connection was lost.
const retry = time.Second

// eventStream writes server-sent events in the distinct connections mode of the graphql-sse protocol.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	// more says that something is written and not flushed yet.
	more bool
}

// openStream begins to answer with events, so that the client sees at once that it was heard.
func openStream(w http.ResponseWriter, timeout, retry time.Duration) (*eventStream, error) {
	header := w.Header()
	header.Set("Content-Type", mediaStream+"; charset=utf-8")
	header.Set("X-Accel-Buffering", "no") // proxies must pass events on as they come
	s := &eventStream{w: w, control: http.NewResponseController(w), timeout: timeout}
	// A stream is read from for as long as it runs, to see that its client is there.
	_ = s.control.SetReadDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
	return s, s.send(":\nretry: ", strconv.FormatInt(retry.Milliseconds(), 10), "\n\n")
}

// send writes and flushes, or gives the client up.
func (s *eventStream) send(parts ...string) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.timeout))
	for _, part := range parts {
		if _, err := io.WriteString(s.w, part); err != nil {
			return err
		}
	}
	return s.flush()
}

func (s *eventStream) flush() error {
	err := s.control.Flush()
	_ = s.control.SetWriteDeadline(time.Time{}) // over HTTP/2 it would end the stream though nothing is written
	return err
}

// next sends a result, together with the next one where there is more.
func (s *eventStream) next(e Event) error {
	if !s.more {
		_ = s.control.SetWriteDeadline(time.Now().Add(s.timeout))
	}
	if strings.ContainsAny(e.ID, "\r\n\x00") {
		e.ID = ""
	}
	head := "event: next\ndata: "
	if e.ID != "" {
		head = "event: next\nid: " + e.ID + "\ndata: "
	}
	if e.Payload == nil { // it sets what the client remembers, and is no event for it
		head = "id: " + e.ID + "\n\n"
		if _, err := io.WriteString(s.w, head); err != nil {
			return err
		}
		return s.flush()
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
	if _, err := io.WriteString(s.w, head); err != nil {
		return err
	}
	if _, err := s.w.Write(payload); err != nil {
		return err
	}
	if _, err := io.WriteString(s.w, "\n\n"); err != nil {
		return err
	}
	if s.more = e.More; s.more {
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
	if s.next(Event{Payload: encode(response)}) == nil {
		_ = s.complete() // nobody is left to be told that this failed
	}
}

// lastEvent is the id of the last event that the client says it saw.
func lastEvent(r *http.Request) *string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return &id
	}
	if values, err := url.ParseQuery(r.URL.RawQuery); err == nil && values.Get("lastEventId") != "" {
		id := values.Get("lastEventId")
		return &id
	}
	return nil
}

// subscribe runs a subscription, in the handler's own goroutine. done ends what is left of the request's own context,
// which has a deadline.
func (x *exchange) subscribe(op *Operation, done func()) {
	h := x.h
	x.media = mediaStream
	// What the request's context knows, for as long as the client stays.
	ctx, end := context.WithCancelCause(context.WithoutCancel(x.ctx))
	defer end(nil)
	left := follow(x.r.Context(), end)
	defer left()
	conn := &connection{kind: streamConnection, key: h.key(x.ctx, x.secret), end: end}
	if err := h.running.add(conn, h.limits.Streams, h.limits.StreamsPerKey); err != nil {
		x.refuse(err)
		return
	}
	defer h.running.remove(conn)
	watched, release := ctx, func() {}
	if x.secret != "" {
		watched, release = h.engine.Watch(ctx, x.secret)
	}
	defer release()

	begun, cancel := context.WithCancelCause(watched)
	defer cancel(nil)
	inTime := time.AfterFunc(h.limits.Timeout-time.Since(x.began), func() { cancel(errSlow) })
	var stream Stream
	var errs gqlerror.List
	aside(func() { stream, errs = h.subscribe(begun, op, lastEvent(x.r)) })
	inTime.Stop()
	if len(errs) > 0 {
		x.answerErrors(errs, false)
		return
	}
	defer stream.Close()
	x.ctx = ctx
	done()
	events, err := openStream(x.w, h.limits.Write, retry)
	if err != nil {
		return
	}
	x.finish(watched, events, h.pump(begun, events, stream))
}

// follow calls end once ctx ends. What it returns stops that.
func follow(ctx context.Context, end context.CancelCauseFunc) (stop func()) {
	over := make(chan struct{})
	stopped := context.AfterFunc(ctx, func() {
		defer close(over)
		end(context.Cause(ctx))
	})
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

// pump passes events on until there are no more; the error says why.
func (h *Handler) pump(ctx context.Context, events *eventStream, stream Stream) error {
	for {
		err := h.pumpUntilPing(ctx, events, stream)
		switch {
		case ctx.Err() != nil && !errors.Is(err, errGone):
			return context.Cause(ctx)
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		if events.ping() != nil {
			return errGone
		}
	}
}

// pumpUntilPing passes events on until it is time to show that the stream is alive, with which the context's error is
// returned. A wait for the next event is a wait for that, too, so that no other goroutine is needed.
func (h *Handler) pumpUntilPing(ctx context.Context, events *eventStream, stream Stream) error {
	ctx, cancel := context.WithTimeout(ctx, h.limits.Ping)
	defer cancel()
	for {
		event, err := next(ctx, stream)
		if err != nil {
			switch {
			case errors.Is(err, io.EOF):
				return err
			case ctx.Err() != nil:
				return ctx.Err() // by whatever name a database calls it
			case errors.Is(err, context.DeadlineExceeded):
				return fmt.Errorf("waiting for an event: %v", err) //nolint:errorlint // a deadline that is not ours
			}
			return err
		}
		if events.next(event) != nil {
			return errGone
		}
	}
}

// finish ends a stream as its end calls for: with complete where there is nothing to come back for.
func (x *exchange) finish(watched context.Context, events *eventStream, err error) {
	switch {
	case errors.Is(err, errGone), x.r.Context().Err() != nil, errors.Is(err, errStopping):
		return // of which the client, if there is one, comes back
	case errors.Is(err, io.EOF):
		_ = events.complete() // nobody is left to be told that this failed
		return
	case watched.Err() != nil:
		err = context.Cause(watched)
	}
	list := gqlerror.List{x.h.present(x.ctx, err)}
	x.code = codeOf(list)
	if events.next(Event{Payload: encodeErrors(list)}) == nil && !transient(statusOf(x.code)) {
		_ = events.complete() // nobody is left to be told that this failed
	}
}

package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/rate"
)

// Limits bound what a client may cost, beside those of the door that all share. A zero field stands for its default.
type Limits struct {
	// Body is how many bytes the body of a request may have of whoever may write in bulk, 4 MiB by default; Envelope is how
	// many of them may be something other than its variables, 128 kB by default, and how many anybody else's may have in all.
	Body, Envelope int
	// URL is how many bytes the query string of a GET may have; 32 kB by default.
	URL int
	// Depth is how deep JSON may nest; 64 by default.
	Depth int
	// Values is how many JSON values a body may have in all, 250,000 by default, Names how many members one JSON object,
	// 1,000 by default, and Weight how many bytes all of them may take in memory, 24 MiB by default.
	Values, Names, Weight int
	// Timeout is how long a query or a mutation may take; 30 s by default.
	Timeout time.Duration
	// Ping is how often a stream shows that it is alive; 15 s by default.
	Ping time.Duration
	// Write is how long one write to a stream may take before its client is given up; 10 s by default.
	Write time.Duration
	// Socket bounds WebSockets.
	Socket SocketLimits
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.Body, 4 << 20},
		{&l.Envelope, 128 << 10},
		{&l.URL, 32 << 10},
		{&l.Depth, 64},
		{&l.Values, 250_000},
		{&l.Names, 1_000},
		{&l.Weight, 24 << 20},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.Timeout, 30 * time.Second}, {&l.Ping, 15 * time.Second}, {&l.Write, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	l.Socket = l.Socket.withDefaults()
	return l
}

// maxErrors is how many errors a result shows.
const maxErrors = 20

// Handler serves an engine over HTTP, event streams and WebSockets.
type Handler struct {
	engine Engine
	limits Limits
	// frames are the buckets that what comes over sockets is paid from.
	frames *rate.Limiter
	// stopping ends once the handler shuts down.
	stopping context.Context
	stop     context.CancelCauseFunc
}

// New makes a handler.
func New(e Engine, l Limits) *Handler {
	h := &Handler{engine: e, limits: l.withDefaults()}
	h.stopping, h.stop = context.WithCancelCause(context.Background())
	h.frames = rate.New(rate.Config{Restore: float64(h.limits.Socket.KeyRate), Burst: h.limits.Socket.KeyBurst})
	return h
}

// kept are what answers say of being kept and guessed at, whose values all of them share: nobody may change one in place.
var kept = http.Header{"X-Content-Type-Options": {"nosniff"}, "Cache-Control": {"no-store"}}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && upgradesToSocket(r) {
		h.serveSocket(w, r)
		return
	}
	header := w.Header()
	maps.Copy(header, kept)
	header.Add("Vary", "Accept")
	h.serveRequest(w, r)
}

// Shutdown takes no more streams and sockets, ends those that run, so that their clients come back elsewhere, and waits
// until they are gone. Ordinary requests are left to http.Server.Shutdown. The error is ctx's.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.stop(errStopping)
	select {
	case <-h.engine.Door.Shut(errStopping):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for streams and sockets to end: %w", ctx.Err())
	}
}

// Open is how many streams and sockets are open.
func (h *Handler) Open() int { return h.engine.Door.Outliving() }

// errStopping is why connections end when the server does.
var errStopping = errors.New("the server is stopping")

func upgradesToSocket(r *http.Request) bool {
	for _, field := range r.Header.Values("Upgrade") {
		for protocol := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
				return true
			}
		}
	}
	return false
}

// bearer is the secret that a request brings in its header, if it brings any.
func bearer(r *http.Request) (secret string, ok bool, err error) {
	fields := r.Header.Values("Authorization")
	if len(fields) == 0 {
		return "", false, nil
	}
	scheme, secret, _ := strings.Cut(fields[0], " ")
	secret = strings.TrimSpace(secret)
	if len(fields) > 1 || !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return "", true, apierror.New(apierror.Unauthenticated, "Send your key or token once, as `Authorization: Bearer …`.")
	}
	return secret, true, nil
}

// arrive is the context of a request of which nothing is known but where it comes from.
func (h *Handler) arrive(r *http.Request) context.Context {
	if h.engine.Arrive == nil {
		return r.Context()
	}
	return h.engine.Arrive(r.Context(), r)
}

// refused takes a point for a request that is refused before anything else was paid for it: refusing is cheap, but may be
// asked for without end. It is the error to be shown: where the point is not there, that is it.
func (h *Handler) refused(ctx context.Context, err error) error {
	if h.engine.Pay != nil {
		if unpaid := h.engine.Pay(ctx, 1); unpaid != nil {
			return unpaid
		}
	}
	return err
}

// present makes an error fit to be shown, whatever happens.
func (h *Handler) present(ctx context.Context, err error) (shown *gqlerror.Error) {
	defer func() {
		if p := recover(); p != nil {
			h.engine.Log.ErrorContext(ctx, "presenting an error", "panic", p)
			shown = &gqlerror.Error{
				Message: "Something went wrong on our side.", Extensions: map[string]any{"code": string(apierror.Internal)},
			}
		}
	}()
	return h.engine.Present(ctx, err)
}

// caught is what becomes of panics on goroutines that nobody waits for.
func (h *Handler) caught(doing string) func(*flight.Fault) { return flight.Logged(h.engine.Log, doing) }

func (h *Handler) authenticate(ctx context.Context, r *http.Request, secret string, ok bool) (_ context.Context, err error) {
	defer flight.Catch(&err)
	return h.engine.Authenticate(ctx, r, secret, ok)
}

func (h *Handler) prepare(ctx context.Context, a *asked, in *edge.Intake) (*Operation, gqlerror.List) {
	op, list, err := func() (op *Operation, list gqlerror.List, err error) {
		defer flight.Catch(&err)
		op, list = h.engine.Prepare(ctx, a.params, a.read(in))
		return op, list, nil
	}()
	if err != nil {
		return nil, gqlerror.List{h.present(ctx, err)}
	}
	return op, list
}

// execute carries a query or a mutation out, within the time that there is for it.
func (h *Handler) execute(ctx context.Context, op *Operation) *graphql.Response {
	response, err := func() (response *graphql.Response, err error) {
		defer flight.Catch(&err)
		return h.engine.Execute(ctx, op), nil
	}()
	if err == nil && response == nil {
		err = errors.New("executing gave no response")
	}
	if err != nil {
		return &graphql.Response{Errors: gqlerror.List{h.present(ctx, err)}}
	}
	return response
}

func (h *Handler) subscribe(ctx context.Context, op *Operation, after *string) (Stream, gqlerror.List) {
	stream, list, err := func() (stream Stream, list gqlerror.List, err error) {
		defer flight.Catch(&err)
		stream, list = h.engine.Subscribe(ctx, op, after)
		return stream, list, nil
	}()
	if err != nil {
		return nil, gqlerror.List{h.present(ctx, err)}
	}
	return stream, list
}

// next waits for a stream's next event.
func next(ctx context.Context, stream Stream) (event Event, err error) {
	defer flight.Catch(&err)
	return stream.Next(ctx)
}

// aside runs f on a goroutine of its own, and waits for it. It is for the beginning of what may then wait for hours: stacks
// grow as deep as they are ever needed, and hardly shrink.
func aside(f func()) {
	w := flight.New[struct{}]()
	w.Begin(func() (struct{}, error) {
		f()
		return struct{}{}, nil
	})
	if _, err := w.Wait(context.Background()); err != nil { // it does not take longer than f
		panic(err)
	}
}

// observe tells of an operation that is over. A panic there is no concern of the caller.
func (h *Handler) observe(ctx context.Context, o Observation) {
	defer func() {
		if p := recover(); p != nil {
			h.engine.Log.ErrorContext(ctx, "observing an operation", "panic", p)
		}
	}()
	h.engine.Observe(ctx, o)
}

package observe

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/auth"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// request gathers what the log says of a request.
type request struct {
	id string

	mu     sync.Mutex
	op     Operation
	caller auth.Caller
	// over says that the line was written.
	over bool
}

// note puts an operation into the request's line, and reports whether that was still to come.
func (r *request) note(op Operation, caller auth.Caller) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	r.op, r.caller = op, caller
	return true
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// RequestID is the id of the request that the context belongs to; empty where there is none.
func RequestID(ctx context.Context) string {
	if r := requestOf(ctx); r != nil {
		return r.id
	}
	return ""
}

// idHeader brings a request's id, and takes it back.
const idHeader = "X-Request-ID"

var acceptable = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Requests gives each request an id, that of its X-Request-ID where that may be one, measures it, traces it, catches its
// panics, and logs one line about it: at INFO, or at DEBUG where quiet says so.
func (o *Observer) Requests(next http.Handler, quiet func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		r := &request{id: req.Header.Get(idHeader)}
		if r.id == "" || !acceptable.MatchString(r.id) {
			r.id = rand.Text()
		}
		w.Header().Set(idHeader, r.id)
		ctx, end := o.requestSpan(context.WithValue(req.Context(), requestKey{}, r), req)
		answer := &answer{ResponseWriter: w}
		req = req.WithContext(ctx)
		defer func() {
			p := recover()
			aborted := false
			if p != nil {
				err, _ := p.(error)
				aborted = errors.Is(err, http.ErrAbortHandler)
				if !aborted {
					o.Panic("http")
					o.log.ErrorContext(ctx, "panic", "edge", "http", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				}
			}
			if p != nil && !aborted && answer.status == 0 {
				answer.fail()
			}
			took := time.Since(began)
			status := answer.status
			if status == 0 {
				status = http.StatusOK
			}
			o.over(ctx, req, r, status, took, answer.taken, quiet(req))
			end(status, req.Pattern)
			if p != nil && (aborted || answer.passed) {
				panic(http.ErrAbortHandler) // the client must not take what it got for a whole answer
			}
		}()
		next.ServeHTTP(answer, req)
	})
}

func (o *Observer) over(ctx context.Context, req *http.Request, r *request, status int, took time.Duration, taken, quiet bool) {
	r.mu.Lock()
	op, caller := r.op, r.caller
	r.over = true
	r.mu.Unlock()
	lasting := op.Protocol == "sse" && op.Kind == "subscription" || taken
	o.response(status, took, lasting)
	level := slog.LevelInfo
	if quiet {
		level = slog.LevelDebug
	}
	if !o.log.Enabled(ctx, level) {
		return
	}
	// The pattern and not the path, which may hold anything.
	attributes := make([]slog.Attr, 0, 12)
	attributes = append(attributes, slog.String("method", method(req)), slog.String("route", req.Pattern))
	attributes = append(op.add(attributes, caller), slog.Int("status", status), slog.Float64("took_ms", milliseconds(took)))
	o.log.LogAttrs(ctx, level, "request", attributes...)
}

// method is the request's, where it is one of HTTP's.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return r.Method
	}
	return other
}

// requestSpan begins the span of a request, below the one that its headers name.
func (o *Observer) requestSpan(ctx context.Context, req *http.Request) (traced context.Context, end func(status int, route string)) {
	if o.tracer == nil {
		return ctx, func(int, string) {}
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(req.Header))
	ctx, span := o.tracer.Start(ctx, "HTTP "+method(req), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method(req)), attribute.String("zeroten.request", RequestID(ctx))))
	return ctx, func(status int, route string) {
		span.SetAttributes(attribute.Int("http.response.status_code", status), attribute.String("http.route", route))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, http.StatusText(status))
		}
		span.End()
	}
}

// answer notes the status of a response.
type answer struct {
	http.ResponseWriter

	status int
	// passed says that something was sent, taken that the connection belongs to somebody else.
	passed, taken bool
}

// WriteHeader notes the status and passes it on.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		a.status, a.passed = status, true
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write passes on.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status, a.passed = http.StatusOK, true
	}
	return a.ResponseWriter.Write(b)
}

// Flush sends what was written.
func (a *answer) Flush() { _ = http.NewResponseController(a.ResponseWriter).Flush() }

// Hijack hands the connection over to a stream or a socket. What is said on it is no concern of ours, but nothing else is
// to be said then.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil {
		a.passed, a.taken = true, true
		if a.status == 0 {
			a.status = http.StatusOK
		}
	}
	return conn, buffers, err
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// fail answers a request whose handler panicked before it answered.
func (a *answer) fail() {
	a.status = http.StatusInternalServerError
	a.Header().Set("Content-Type", "application/json; charset=utf-8")
	a.Header().Set("Cache-Control", "no-store")
	a.ResponseWriter.WriteHeader(a.status)
	_, _ = io.WriteString(a.ResponseWriter, `{"errors":[{"message":"Something went wrong on our side; it is logged.","extensions":{"code":"INTERNAL"}}]}`)
}

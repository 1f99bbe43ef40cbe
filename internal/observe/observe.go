// Package observe lets operators see inside: metrics, traces and logs. None of them ever holds what a document, a
// variable or a comment says, an address, or a key.
package observe

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Observer is told what happens, and passes it on to metrics, traces and logs.
type Observer struct {
	*Metrics

	log    *slog.Logger
	tracer trace.Tracer // nil where nothing is traced
	stop   func(context.Context) error
}

// Config of an Observer.
type Config struct {
	Log *slog.Logger
	// Getenv, where not nil, looks settings of OpenTelemetry up, e.g. os.Getenv. Where none asks for traces, or Getenv is
	// nil, there are none, and nothing is started for them.
	Getenv func(string) string
}

// New makes an Observer. The error is for settings of OpenTelemetry that cannot be followed.
func New(ctx context.Context, cfg Config) (*Observer, error) {
	o := &Observer{Metrics: newMetrics(), log: cfg.Log, stop: func(context.Context) error { return nil }}
	if cfg.Getenv == nil {
		return o, nil
	}
	if err := o.startTracing(ctx, cfg.Getenv); err != nil {
		return nil, err
	}
	return o, nil
}

// Shutdown sends the traces that are still to be sent.
func (o *Observer) Shutdown(ctx context.Context) error { return o.stop(ctx) }

// Operation is one GraphQL operation that is over.
type Operation struct {
	// Protocol is `http`, `sse` or `ws`.
	Protocol string
	// Kind is `query`, `mutation` or `subscription`; empty where none was prepared.
	Kind string
	// Name is the one that its document gives it, if any.
	Name string
	// Code is that of its first error; empty where all went well.
	Code string
	Took time.Duration
	// Cost is what was asked for.
	Cost int
}

// Operation notes an operation of the context's caller. It is in the line of its request in the log; one over a socket,
// or that goes on after its request, has a line of its own.
func (o *Observer) Operation(ctx context.Context, op Operation) {
	caller, known := auth.From(ctx)
	if len(op.Name) > maxName {
		op.Name = op.Name[:maxName]
	}
	measured := op
	if !known && op.Name != "" {
		measured.Name = other // whoever comes by may not fill the names
	}
	o.operation(measured)
	r := requestOf(ctx)
	if op.Protocol != "ws" && r != nil && r.note(op, caller) {
		return
	}
	attributes := op.add(make([]slog.Attr, 0, 12), caller)
	attributes = append(attributes, slog.Float64("took_ms", milliseconds(op.Took)))
	o.log.LogAttrs(ctx, slog.LevelInfo, "operation", attributes...)
}

// add adds what is known of an operation.
func (op Operation) add(attributes []slog.Attr, caller auth.Caller) []slog.Attr {
	if caller.Tenant != uuid.Nil {
		attributes = append(attributes, slog.String("tenant", id.Tenant.Format(caller.Tenant)))
	}
	if caller.Key != uuid.Nil {
		attributes = append(attributes, slog.String("key", id.ApiKey.Format(caller.Key)))
	}
	if op.Protocol != "" {
		attributes = append(attributes, slog.String("protocol", op.Protocol), slog.String("kind", op.Kind),
			slog.String("operation", op.Name), slog.String("code", op.Code), slog.Int("cost", op.Cost))
	}
	return attributes
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Span begins a span for the execution of an operation; end ends it with the code of its first error, empty where all
// went well. Where nothing is traced it does nothing.
func (o *Observer) Span(ctx context.Context, kind, name string, cost int) (traced context.Context, end func(code string)) {
	if o.tracer == nil {
		return ctx, func(string) {}
	}
	if len(name) > maxName {
		name = name[:maxName]
	}
	title := kind
	if name != "" {
		title += " " + name
	}
	ctx, span := o.tracer.Start(ctx, title, trace.WithAttributes(attribute.String("graphql.operation.type", kind),
		attribute.String("graphql.operation.name", name), attribute.Int("zeroten.cost", cost)))
	return ctx, func(code string) {
		if code != "" {
			span.SetAttributes(attribute.String("zeroten.code", code))
			span.SetStatus(codes.Error, code)
		}
		span.End()
	}
}

// Flush notes a flush of a log: how many operations it had and how long it took.
func (o *Observer) Flush(operations int, took time.Duration) {
	o.flush(operations, took)
	if o.tracer != nil {
		now := time.Now()
		_, span := o.tracer.Start(context.Background(), "flush", trace.WithTimestamp(now.Add(-took)),
			trace.WithAttributes(attribute.Int("zeroten.operations", operations)))
		span.End(trace.WithTimestamp(now))
	}
}

// Handler serves what is measured to Prometheus.
func (o *Observer) Handler() http.Handler { return o.handler(o.log) }

package app

import (
	"context"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/graph/engine"
	"github.com/zeroten/zeroten/graph/wire"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/observe"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/tenant"
)

// API is what serves GraphQL.
func (a *App) API(edge Edge) (*graph.Handler, error) {
	if err := edge.check(); err != nil {
		return nil, err
	}
	return graph.NewHandler(graph.Config{
		Resolver: &graph.Resolver{
			DB: a.DB, Log: a.Log, Finder: selection.NewFinder(a.DB, a.States), States: a.States, Builder: a.Builder, Insight: a.Insight,
			Live: a.Live, Scores: insight.NewShared(a.Insight),
		},
		Keys: a.Keys, Watcher: a.Watcher, Origins: tenant.NewOrigins(a.DB, edge.AllowOrigin),
		Operations: engine.OperationsConfig{
			Keys:             rate.Config{Burst: edge.RateBurst, Restore: float64(edge.RateRestore)},
			Anonymous:        rate.Config{Burst: edge.AnonymousBurst, Restore: float64(edge.AnonymousRestore)},
			TrustedDocuments: edge.TrustedDocuments,
		},
		TrustedProxies: edge.TrustedProxies,
		Limits: wire.Limits{
			Timeout: edge.RequestTimeout,
			Streams: edge.MaxStreams, StreamsPerKey: edge.MaxStreamsPerKey, StreamsPerAddress: edge.MaxStreamsPerAddress,
		},
		Span:     a.span,
		Observe:  a.observed,
		Panicked: a.Observe.Panic,
		Log:      a.log,
	})
}

// span traces an operation.
func (a *App) span(ctx context.Context, op *wire.Operation) (context.Context, func(gqlerror.List)) {
	ctx, end := a.Observe.Span(ctx, string(op.Operation.Operation), op.Operation.Name, op.Requested)
	return ctx, func(errs gqlerror.List) {
		code := ""
		if len(errs) > 0 {
			code, _ = errs[0].Extensions["code"].(string)
		}
		end(code)
	}
}

// observed passes on what became of an operation.
func (a *App) observed(ctx context.Context, o wire.Observation) {
	op := observe.Operation{Protocol: o.Protocol, Code: o.Code, Took: o.Took}
	if o.Operation != nil {
		op.Kind, op.Name, op.Cost = string(o.Operation.Operation.Operation), o.Operation.Operation.Name, o.Operation.Requested
	}
	a.Observe.Operation(ctx, op)
}

package app

import (
	"context"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/graph/engine"
	"github.com/zeroten/zeroten/graph/wire"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/insight"
	"github.com/zeroten/zeroten/internal/observe"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/tenant"
)

// API is what serves GraphQL, behind a door, by itself.
func (a *App) API(flags Edge) (*graph.Handler, error) {
	if err := flags.check(); err != nil {
		return nil, err
	}
	return a.api(flags, a.door(flags), flags.site(nil))
}

// full is what is answered where there are too many connections: before anything was read, as GraphQL has it.
const full = `{"errors":[{"message":"There are too many connections; try again.","extensions":{"code":"OVERLOADED","retryAfter":2}}]}`

// door is what all that a server lets in shares.
func (a *App) door(flags Edge) *edge.Door {
	return edge.New(edge.Config{
		Proxies:     flags.TrustedProxies,
		Keys:        rate.Config{Burst: flags.RateBurst, Restore: float64(flags.RateRestore)},
		Addresses:   rate.Config{Burst: flags.AnonymousBurst, Restore: float64(flags.AnonymousRestore)},
		Connections: flags.MaxConnections, ConnectionsPerAddress: flags.MaxConnectionsPerAddress,
		Full:    edge.Answer{Type: "application/json; charset=utf-8", Body: full},
		Streams: flags.MaxStreams, StreamsPerKey: flags.MaxStreamsPerKey, StreamsPerAddress: flags.MaxStreamsPerAddress,
		Timeout: flags.RequestTimeout,
		Log:     a.log,
	})
}

// api serves GraphQL behind a door. site is where people find the pages.
func (a *App) api(flags Edge, door *edge.Door, site survey.Site) (*graph.Handler, error) {
	if err := a.mailer(&flags.Mail, site); err != nil {
		return nil, err
	}
	return graph.NewHandler(graph.Config{
		Resolver: &graph.Resolver{
			DB: a.DB, Log: a.Log, Finder: selection.NewFinder(a.DB, a.States), States: a.States, Builder: a.Builder, Insight: a.Insight,
			Risks: a.Risks, Live: a.Live, Scores: insight.NewShared(a.Insight), Site: site, Studio: survey.NewStudio(), Now: a.now,
			Outreach: a.Outreach, Mailer: a.Mailer,
		},
		Keys: a.Keys, Watcher: a.Watcher, Origins: tenant.NewOrigins(a.DB, flags.AllowOrigin),
		Operations: engine.OperationsConfig{TrustedDocuments: flags.TrustedDocuments},
		Door:       door,
		Limits:     wire.Limits{Timeout: flags.RequestTimeout},
		Span:       a.span,
		Observe:    a.observed,
		Panicked:   a.Observe.Panic,
		Log:        a.log,
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

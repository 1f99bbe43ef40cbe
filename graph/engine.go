package graph

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/graph/wire"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/warning"
)

// engine executes operations: what all protocols serve.
type engine struct {
	Config

	schema     graphql.ExecutableSchema
	operations *Operations
	groups     groups
	presenter  graphql.ErrorPresenterFunc
}

func (e *engine) present(ctx context.Context, err error) *gqlerror.Error {
	return e.presenter(ctx, err)
}

// arrive puts the address that a request came from into its context.
func (e *engine) arrive(ctx context.Context, r *http.Request) context.Context {
	return edge.WithClientAddress(ctx, edge.RemoteAddress(r, e.TrustedProxies))
}

// authenticate puts the caller into the context, and refuses pages that the caller's tenant did not allow.
func (e *engine) authenticate(ctx context.Context, r *http.Request, secret string, ok bool) (context.Context, error) {
	if ok {
		guarded, done, err := e.DB.Guard(ctx)
		if err != nil {
			return ctx, err
		}
		defer done()
		caller, err := e.operations.guarded(ctx, e.Keys.Seen(secret), func() (auth.Caller, error) { return e.Keys.Authenticate(guarded, secret) })
		if err != nil {
			return ctx, err
		}
		ctx = auth.With(ctx, caller)
	}
	if origin := r.Header.Get("Origin"); origin != "" && !sameHost(origin, r) && !e.Origins.Allow(ctx, origin) {
		if err := e.operations.Pay(ctx, 1); err != nil {
			return ctx, err
		}
		return ctx, apierror.New(apierror.Forbidden, "Pages of this origin may not call: allow it with updateTenant(input: { allowedOrigins: … }).")
	}
	return ctx, nil
}

// sameHost reports whether a page comes from where the request goes to, as the playground does.
func sameHost(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// mayBulk reports whether the caller may record in bulk.
func mayBulk(ctx context.Context) bool {
	caller, ok := auth.From(ctx)
	return ok && caller.May(auth.Collect)
}

// prepare makes an operation of a request.
func (e *engine) prepare(ctx context.Context, params *graphql.RawParams, variables wire.Variables) (*wire.Operation, gqlerror.List) {
	op, errs := e.operations.Prepare(ctx, params, variables)
	for i, err := range errs {
		errs[i] = e.present(ctx, err)
	}
	return op, errs
}

// execute carries a query or a mutation out.
func (e *engine) execute(ctx context.Context, op *wire.Operation) *graphql.Response {
	ctx, done, err := e.DB.Guard(ctx)
	if err != nil {
		return &graphql.Response{Errors: gqlerror.List{e.present(ctx, err)}}
	}
	defer done()
	ctx, warnings := warning.With(e.operations.Meter(ctx), fieldOf)
	ctx, end := e.Span(ctx, op)
	response := e.run(ctx, op.OperationContext, nil)
	end(response.Errors)
	if cost := e.operations.Settle(ctx, op); cost != nil {
		response.Extensions = map[string]any{"cost": cost}
	}
	if all := warnings.All(); len(all) > 0 {
		if response.Extensions == nil {
			response.Extensions = map[string]any{}
		}
		response.Extensions["warnings"] = all
	}
	return response
}

// fieldOf says which field of the answer a context is of, from the root.
func fieldOf(ctx context.Context) []string {
	var steps []string
	for _, step := range graphql.GetPath(ctx) {
		steps = append(steps, fmt.Sprint(step))
	}
	return steps
}

// run executes an operation, or one event of a subscription, whose root field is given then.
func (e *engine) run(ctx context.Context, op *graphql.OperationContext, root *graphql.FieldContext) *graphql.Response {
	ctx = graphql.WithOperationContext(withLoaders(ctx, e.DB), op)
	ctx = graphql.WithResponseContext(ctx, e.presenter, recovered)
	next := e.schema.Exec(ctx)
	if errs := graphql.GetErrors(ctx); errs != nil {
		return &graphql.Response{Errors: errs}
	}
	if root != nil {
		ctx = graphql.WithFieldContext(ctx, root) // errors below have it in their path
	}
	response := next(ctx)
	if response == nil {
		response = &graphql.Response{}
	}
	response.Errors = append(response.Errors, graphql.GetErrors(ctx)...)
	return response
}

// open calls a subscription's resolver, to say what it listens to.
func (e *engine) open(ctx context.Context, op *graphql.OperationContext) *graphql.Response {
	ctx = graphql.WithOperationContext(withLoaders(ctx, e.DB), op)
	ctx = graphql.WithResponseContext(e.operations.Spending(ctx), e.presenter, recovered)
	e.schema.Exec(ctx)
	return &graphql.Response{Errors: graphql.GetErrors(ctx)}
}

// rootField runs around each root field: what the mutation before this one changed must not be remembered.
func (e *engine) rootField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation {
		ctx = withLoaders(ctx, e.DB)
	}
	return next(ctx)
}

func recovered(_ context.Context, p any) error {
	return flight.Recovered(p)
}

// wireEngine is what the protocols call.
func (e *engine) wireEngine(log *slog.Logger) wire.Engine {
	return wire.Engine{
		Arrive:       e.arrive,
		Authenticate: e.authenticate,
		Watch:        e.Watcher.Watch,
		Key:          bucketOf,
		Remote:       func(r *http.Request) string { return edge.Network(edge.RemoteAddress(r, e.TrustedProxies)).String() },
		Bulk:         mayBulk,
		Pay:          e.operations.Pay,
		Prepare:      e.prepare,
		Execute:      e.execute,
		Subscribe:    e.subscribe,
		Present:      e.present,
		AllowOrigin:  e.Origins.Allow,
		Observe:      e.Observe,
		Log:          log,
	}
}

// Package engine prepares and runs operations: it reads a document, says what is wrong with it, takes what it costs out of
// its caller's bucket, executes it, shows its errors, and runs subscriptions event by event, each once for all who are
// shown the same. All protocols serve it.
//
// It must know nothing of what is asked for: no entity, no rule, no table. The schema that it executes, who the caller is,
// what resolvers remember, and what the database is up to, it gets as plain values and functions in its Config, from package
// graph, which puts all of it together.
package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/graph/limit"
	"github.com/zeroten/zeroten/graph/wire"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/warning"
)

// Config of an Engine. What may be left out says so.
type Config struct {
	// Schema is what is executed.
	Schema graphql.ExecutableSchema
	// Operations are the limits of documents and of what they cost. The engine sets Door, RootField and Recover.
	Operations OperationsConfig

	// Seen reports whether a secret let somebody in lately, and Authenticate who it lets in now.
	Seen         func(secret string) bool
	Authenticate func(ctx context.Context, secret string) (auth.Caller, error)
	// Watch is that of wire.Engine.
	Watch func(ctx context.Context, secret string) (watched context.Context, release func())
	// AllowOrigin reports whether pages of this web origin may call; ctx has the caller, where it is known.
	AllowOrigin func(ctx context.Context, origin string) bool
	// Door is what all share that comes in, by whatever protocol; nil stands for one of its own.
	Door *edge.Door

	// Guard returns a context for what reads or writes, which ends with the error to show as its cause once nothing can be
	// read any more. Where that is so already the error is that one. release is called in the end.
	Guard func(ctx context.Context) (guarded context.Context, release context.CancelFunc, err error)
	// Remember gives a query, which is in the context, each field of a mutation's root, and each event of a subscription, an empty
	// memory for what it reads. Nothing of it was read before.
	Remember func(ctx context.Context) context.Context
	// Explain makes an error that can be shown of one of the database's; nil of all that are a fault.
	Explain func(err error) *apierror.Error

	// Span begins a span for an operation that is carried out; end gets its errors.
	Span func(ctx context.Context, op *wire.Operation) (traced context.Context, end func(gqlerror.List))
	// Observe, where not nil, is told what became of each operation, and Panicked of each panic that was caught.
	Observe  func(ctx context.Context, o wire.Observation)
	Panicked func(edge string)
	Log      *slog.Logger
}

// Engine executes operations: what all protocols serve. It is safe for concurrent use.
type Engine struct {
	Config

	operations *Operations
	groups     groups
	presenter  graphql.ErrorPresenterFunc
}

// New makes an Engine. The error is about the configuration: trusted documents that do not fit the schema.
func New(cfg Config) (*Engine, error) {
	e := &Engine{Config: cfg, presenter: present(cfg.Log, cfg.Panicked, cfg.Explain)}
	if e.Door == nil {
		e.Door = edge.New(edge.Config{Log: cfg.Log})
	}
	cfg.Operations.Door = e.Door
	cfg.Operations.RootField = e.rootField
	cfg.Operations.Recover = recovered
	var err error
	if e.operations, err = NewOperations(cfg.Schema.Schema(), cfg.Operations); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Engine) present(ctx context.Context, err error) *gqlerror.Error {
	return e.presenter(ctx, err)
}

// arrive puts the address that a request came from into its context.
func (e *Engine) arrive(ctx context.Context, r *http.Request) context.Context {
	return edge.WithClientAddress(ctx, e.Door.Address(r))
}

// authenticate puts the caller into the context, and refuses pages that the caller's tenant did not allow.
func (e *Engine) authenticate(ctx context.Context, r *http.Request, secret string, ok bool) (context.Context, error) {
	if ok {
		guarded, done, err := e.Guard(ctx)
		if err != nil {
			return ctx, err
		}
		defer done()
		caller, err := e.operations.guarded(ctx, e.Seen(secret), func() (auth.Caller, error) { return e.Authenticate(guarded, secret) })
		if err != nil {
			return ctx, err
		}
		ctx = auth.With(ctx, caller)
	}
	if origin := r.Header.Get("Origin"); origin != "" && !sameHost(origin, r) && !e.AllowOrigin(ctx, origin) {
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
func (e *Engine) prepare(ctx context.Context, params *graphql.RawParams, variables wire.Variables) (*wire.Operation, gqlerror.List) {
	op, errs := e.operations.Prepare(ctx, params, variables)
	for i, err := range errs {
		errs[i] = e.present(ctx, err)
	}
	return op, errs
}

// execute carries a query or a mutation out.
func (e *Engine) execute(ctx context.Context, op *wire.Operation) *graphql.Response {
	ctx, done, err := e.Guard(ctx)
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
func (e *Engine) run(ctx context.Context, op *graphql.OperationContext, root *graphql.FieldContext) *graphql.Response {
	ctx = graphql.WithOperationContext(ctx, op)
	if op.Operation.Operation != ast.Mutation { // each of whose root fields has a memory of its own
		ctx = e.Remember(ctx)
	}
	ctx = graphql.WithResponseContext(ctx, e.presenter, recovered)
	next := e.Schema.Exec(ctx)
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
func (e *Engine) open(ctx context.Context, op *graphql.OperationContext) *graphql.Response {
	ctx = e.Remember(graphql.WithOperationContext(ctx, op))
	ctx = graphql.WithResponseContext(e.operations.Spending(ctx), e.presenter, recovered)
	e.Schema.Exec(ctx)
	return &graphql.Response{Errors: graphql.GetErrors(ctx)}
}

// rootField runs around each root field: what a mutation before this one changed must not be remembered, and what has long texts is
// given room.
func (e *Engine) rootField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation {
		ctx = e.Remember(ctx)
	}
	result := next(ctx)
	if m := limit.MeterOf(ctx); m.Long() > largeAnswer && result != graphql.Null {
		return large{result, m}
	}
	return result
}

// largeAnswer is from how many bytes of long texts on an answer's room is made at once.
const largeAnswer = 64 << 10

// large is what a root field found where the operation found long texts: the buffer that it is written to gets room for all of
// these at once, and is not copied again and again as it grows, which took longer than all else.
type large struct {
	graphql.Marshaler

	meter *limit.Meter
}

func (l large) MarshalGQL(w io.Writer) {
	if b, ok := w.(*bytes.Buffer); ok {
		texts := int(l.meter.Long())
		if more := texts + texts/8 - b.Len(); more > b.Available() { // an eighth for names, quotes and what is escaped; with more it grows
			b.Grow(more)
		}
	}
	l.Marshaler.MarshalGQL(w)
}

func recovered(_ context.Context, p any) error {
	return flight.Recovered(p)
}

// Wire is what the protocols call.
func (e *Engine) Wire() wire.Engine {
	return wire.Engine{
		Door:         e.Door,
		Arrive:       e.arrive,
		Authenticate: e.authenticate,
		Watch:        e.Watch,
		Key:          bucketOf,
		Remote:       func(r *http.Request) string { return edge.Network(e.Door.Address(r)).String() },
		Bulk:         mayBulk,
		Pay:          e.operations.Pay,
		Prepare:      e.prepare,
		Execute:      e.execute,
		Subscribe:    e.subscribe,
		Present:      e.present,
		AllowOrigin:  e.AllowOrigin,
		Observe:      e.Observe,
		Log:          e.Log,
	}
}

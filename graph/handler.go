package graph

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/graph/engine"
	"github.com/zeroten/zeroten/graph/generated"
	"github.com/zeroten/zeroten/graph/wire"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/tenant"
)

// Config of a Handler.
type Config struct {
	*Resolver

	// Keys knows callers by their secrets, Watcher when they stop to be let in, and Origins which pages may call.
	Keys    *tenant.Keys
	Watcher *tenant.Watcher
	Origins *tenant.Origins
	// Operations are the limits of documents and of what they cost.
	Operations engine.OperationsConfig
	// Door is what all share that comes in, of whatever protocol; nil stands for one of its own.
	Door *edge.Door
	// Limits are those of requests, streams and sockets.
	Limits wire.Limits
	// Span, which must not be nil, begins a span for an operation that is carried out; end gets its errors.
	Span func(ctx context.Context, op *wire.Operation) (traced context.Context, end func(gqlerror.List))
	// Observe, where not nil, is told what became of each operation, and Panicked of each panic that was caught.
	Observe  func(ctx context.Context, o wire.Observation)
	Panicked func(edge string)
	Log      *slog.Logger
}

// Handler serves the API.
type Handler struct {
	wire *wire.Handler
	cors http.Handler
}

// NewHandler makes a Handler. The error is about the configuration: trusted documents that do not fit the schema.
func NewHandler(cfg Config) (*Handler, error) {
	e, err := engine.New(engine.Config{
		Schema:       Schema(cfg.Resolver),
		Operations:   cfg.Operations,
		Seen:         cfg.Keys.Seen,
		Authenticate: cfg.Keys.Authenticate,
		Watch:        cfg.Watcher.Watch,
		AllowOrigin:  cfg.Origins.Allow,
		Door:         cfg.Door,
		Guard:        cfg.DB.Guard,
		Remember:     func(ctx context.Context) context.Context { return withLoaders(ctx, cfg.DB) },
		Explain:      store.Explain,
		Span:         cfg.Span,
		Observe:      cfg.Observe,
		Panicked:     cfg.Panicked,
		Log:          cfg.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing operations: %w", err)
	}
	h := &Handler{wire: wire.New(e.Wire(), cfg.Limits)}
	h.cors = crossOrigin(cfg.Origins.Allow, h.wire)
	return h, nil
}

// ServeHTTP serves a request, a stream or a socket.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.cors.ServeHTTP(w, r) }

// Shutdown ends streams and sockets, in a way that tells clients to come back. It waits for them as long as the context.
func (h *Handler) Shutdown(ctx context.Context) error { return h.wire.Shutdown(ctx) }

// Open is how many streams and sockets are open.
func (h *Handler) Open() int { return h.wire.Open() }

// Schema is the executable schema, with its directives enforced.
func Schema(r *Resolver) graphql.ExecutableSchema {
	return generated.Lean(generated.Config{
		Resolvers:  r,
		Directives: generated.DirectiveRoot{Requires: requires},
	})
}

// requires lets those through whose scope includes the one that a field needs.
func requires(ctx context.Context, _ any, next graphql.Resolver, scope auth.Scope) (any, error) {
	caller, ok := auth.From(ctx)
	if !ok {
		return nil, errNoKey()
	}
	if !caller.May(scope) {
		return nil, apierror.New(apierror.Forbidden, "This needs a key with the scope %s.", scope)
	}
	return next(ctx)
}

func errNoKey() error {
	return apierror.New(apierror.Unauthenticated, "This needs a key: send it as `Authorization: Bearer …`.")
}

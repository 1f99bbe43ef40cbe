package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/graph/generated"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
)

// Limits of a request.
const (
	// maxBody is enough for a thousand responses with comments.
	maxBody = 4 << 20
	// maxDocument and maxTokens bound what it costs to parse and to validate a document, which is quadratic in equal
	// fields, and what the cache holds. Batches belong into variables.
	maxDocument = 16 << 10
	maxTokens   = 1_000
	// timeout ends the database's work for a request.
	timeout = 60 * time.Second
	// maxCached is how many parsed documents are kept.
	maxCached = 500
)

// Authenticate finds out who holds a secret.
type Authenticate func(ctx context.Context, secret string) (auth.Caller, error)

// Handler serves the API over HTTP.
func Handler(r *Resolver, authenticate Authenticate, log *slog.Logger) http.Handler {
	server := handler.New(Schema(r))
	server.AddTransport(transport.GET{})
	server.AddTransport(transport.POST{})
	server.SetQueryCache(lru.New[*ast.QueryDocument](maxCached))
	server.SetParserTokenLimit(maxTokens)
	server.SetDisableSuggestion(true)
	server.Use(extension.Introspection{})
	server.Use(documentLimit{})
	server.SetErrorPresenter(present(log))
	server.SetRecoverFunc(func(_ context.Context, p any) error {
		return fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	})
	server.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		return next(withLoaders(ctx, r.DB))
	})
	server.AroundRootFields(func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
		if graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation {
			// What the mutation before this one changed must not be remembered.
			ctx = withLoaders(ctx, r.DB)
		}
		return next(ctx)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithTimeout(req.Context(), timeout)
		defer cancel()
		if secret, ok := bearer(req); ok {
			caller, err := authenticate(ctx, secret)
			if err != nil {
				refuse(w, log, err)
				return
			}
			ctx = auth.With(ctx, caller)
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		req.Body = http.MaxBytesReader(w, req.Body, maxBody)
		s := &statusWriter{ResponseWriter: w}
		server.ServeHTTP(s, req.WithContext(context.WithValue(ctx, statusKey{}, s)))
	})
}

// documentLimit refuses documents that are too long, before they are parsed.
type documentLimit struct{}

// ExtensionName names it.
func (documentLimit) ExtensionName() string { return "DocumentLimit" }

// Validate has nothing to check.
func (documentLimit) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters refuses.
func (documentLimit) MutateOperationParameters(_ context.Context, request *graphql.RawParams) *gqlerror.Error {
	if len(request.Query) > maxDocument {
		return gqlerror.Errorf("the document has %d bytes, at most %d are allowed: put data into variables", len(request.Query), maxDocument)
	}
	return nil
}

// Schema is the executable schema, with its directives enforced.
func Schema(r *Resolver) graphql.ExecutableSchema {
	return generated.NewExecutableSchema(generated.Config{
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

// bearer is the secret that a request brings, if it brings any.
func bearer(r *http.Request) (secret string, ok bool) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", false
	}
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true // of another kind, and so of no use
	}
	return strings.TrimSpace(secret), true
}

// refuse answers a request that is not executed at all.
func refuse(w http.ResponseWriter, log *slog.Logger, err error) {
	var known *apierror.Error
	if !errors.As(err, &known) {
		log.Error("authenticating", "error", err.Error())
		known = apierror.New(apierror.Internal, "The key could not be checked just now; try again.")
	}
	status := http.StatusInternalServerError
	switch known.Code {
	case apierror.Unauthenticated:
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", "Bearer")
	case apierror.Overloaded:
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{
		"message": known.Message, "extensions": map[string]any{"code": known.Code},
	}}}) // nobody is left to be told that this failed
}

// statusWriter gives a response the status that its errors call for, though its body is only ever written as a whole
// once they are known.
type statusWriter struct {
	http.ResponseWriter
	wrote bool

	mu         sync.Mutex // errors of one request may be presented at the same time
	status     int
	retryAfter int
}

type statusKey struct{}

// noteStatus remembers what status an error calls for.
func noteStatus(ctx context.Context, err *apierror.Error) {
	s, ok := ctx.Value(statusKey{}).(*statusWriter)
	if ok && err.Code == apierror.Overloaded {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.status = http.StatusServiceUnavailable
		s.retryAfter = max(1, int(math.Ceil(err.RetryAfter.Seconds())))
	}
}

func setStatus(ctx context.Context, status int) {
	if s, ok := ctx.Value(statusKey{}).(*statusWriter); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.status = status
	}
}

// WriteHeader writes the noted status instead of an ordinary one.
func (s *statusWriter) WriteHeader(status int) {
	if s.wrote {
		return
	}
	s.wrote = true
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != 0 {
		status = s.status
		if s.retryAfter > 0 {
			s.Header().Set("Retry-After", strconv.Itoa(s.retryAfter))
		}
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write writes the header first.
func (s *statusWriter) Write(b []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return s.ResponseWriter.Write(b)
}

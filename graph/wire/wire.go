// Package wire is how operations travel: GraphQL over HTTP, server-sent events, and graphql-transport-ws over
// WebSocket. It knows the protocols to the letter, and nothing of what is asked.
package wire

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/edge"
)

// Engine is what the protocols serve.
type Engine struct {
	// Door is what all share that comes in; other protocols may have the same.
	Door *edge.Door
	// Arrive puts into the context where a request comes from, so that Pay finds who pays before the caller is known. Nil
	// where nobody needs to know.
	Arrive func(ctx context.Context, r *http.Request) context.Context
	// Authenticate puts the caller of a request that has arrived into its context; secret is what the request, or a socket's
	// connection_init, brought as a bearer's. ok is false where it brought none. Errors are to be shown as Present does.
	Authenticate func(ctx context.Context, r *http.Request, secret string, ok bool) (context.Context, error)
	// Watch returns a context that ends within a second once the secret lets nobody in any more; its cause is the error
	// to show then. It is for whatever outlives a request: sockets and streams. The caller must call release in the end.
	Watch func(ctx context.Context, secret string) (watched context.Context, release func())
	// Key names whom running connections are counted for: all secrets that one key gave out have the same. Nil where
	// each secret counts for itself.
	Key func(ctx context.Context) string
	// Remote names where a request comes from, for whom connections are counted before their key is known. Nil where that
	// is the host that is connected.
	Remote func(r *http.Request) string
	// Bulk reports whether a caller may write in bulk, and so send large bodies. Nil where everybody may.
	Bulk func(ctx context.Context) bool
	// Pay takes points for what a caller sends, before it is read; the error is to be shown as Present does. Nil where it
	// costs nothing.
	Pay func(ctx context.Context, points int) error
	// Prepare makes an operation of a request, or says why there is none: malformed, invalid, beyond a limit, not paid for.
	// The request's variables are read once the document is known.
	Prepare func(ctx context.Context, params *graphql.RawParams, variables Variables) (*Operation, gqlerror.List)
	// Execute carries a query or a mutation out.
	Execute func(ctx context.Context, op *Operation) *graphql.Response
	// Subscribe begins a subscription, or says why it does not. after, where not nil, is the id of the last event that a
	// client saw before it lost its connection.
	Subscribe func(ctx context.Context, op *Operation, after *string) (Stream, gqlerror.List)
	// Present makes an error one that may be shown, with a code in its extensions, and the seconds to wait before trying
	// again as retryAfter, where there is something to wait for.
	Present func(ctx context.Context, err error) *gqlerror.Error
	// AllowOrigin reports whether pages of this web origin may call. ctx has the caller, where it is known.
	AllowOrigin func(ctx context.Context, origin string) bool
	// Observe is told of each operation that was asked for, prepared or not, once it is over.
	Observe func(ctx context.Context, o Observation)
	Log     *slog.Logger
}

// Operation is one that may run. It is not changed by running.
type Operation struct {
	*graphql.OperationContext

	// Requested is what it costs at most.
	Requested int
}

// told is what is told of an operation once it is over: a subscription's may be long over when it is.
func (o *Operation) told() *Operation {
	return &Operation{OperationContext: &graphql.OperationContext{OperationName: o.OperationName, Operation: o.Operation}, Requested: o.Requested}
}

// Stream is a running subscription.
type Stream interface {
	// Next waits for the next event. The error is io.EOF where the subscription is complete. Where ctx ends first, nothing
	// is lost: the next call goes on from there.
	Next(ctx context.Context) (Event, error)
	// Close ends it. It may be called at any time, and again.
	Close()
}

// Event is one result of a subscription.
type Event struct {
	// ID is what to resume after; empty where there is no such thing.
	ID string
	// Payload is the result as JSON. It is shared, and must not be changed. Where it is nil there is no result: ID says
	// where to resume whoever loses the connection before the first event. With neither, what waits for More is to be sent.
	Payload []byte
	// More says that another event is there already, so that it is worth sending both at once.
	More bool
}

// Observation is what became of an operation.
type Observation struct {
	// Protocol is `http`, `sse` or `ws`.
	Protocol string
	// Operation is nil where none was prepared.
	Operation *Operation
	// Code is that of the first error; empty where all went well.
	Code string
	Took time.Duration
}

// Package generated executes the schema. gqlgen writes all of it but this file.
package generated

import (
	"bytes"
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Lean is the schema, and executes without what gqlgen prepares for each operation: a map of a function for every input there is, for
// resolvers that call graphql.UnmarshalInputFromContext, and a channel for @defer. There are no such resolvers here, and package
// limit refuses @defer, which would wait for ever. Of the 42 kB that recording one response allocated the map took 3.
func Lean(cfg Config) graphql.ExecutableSchema {
	return lean{NewExecutableSchema(cfg).(*executableSchema)}
}

type lean struct{ *executableSchema }

// Exec gives what carries out the operation of the context: a query or a mutation once, and then nil; of a subscription the next
// event with each call, and nil in the end.
func (l lean) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	ec := newExecutionContext(op, l.executableSchema, nil)
	root := ec._Query
	switch op.Operation.Operation {
	case ast.Query:
	case ast.Mutation:
		root = ec._Mutation
	case ast.Subscription:
		next := ec._Subscription(ctx, op.Operation.SelectionSet)
		return func(ctx context.Context) *graphql.Response { return written(next(ctx)) }
	default:
		return graphql.OneShot(graphql.ErrorResponse(ctx, "unsupported GraphQL operation"))
	}
	done := false
	return func(ctx context.Context) *graphql.Response {
		if done {
			return nil
		}
		done = true
		return written(root(ctx, op.Operation.SelectionSet))
	}
}

func written(data graphql.Marshaler) *graphql.Response {
	if data == nil {
		return nil
	}
	var b bytes.Buffer
	data.MarshalGQL(&b)
	return &graphql.Response{Data: b.Bytes()}
}

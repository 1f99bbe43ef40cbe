// Package generated executes the schema. gqlgen writes all of it but this file.
package generated

import (
	"bytes"
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Lean is the schema, and executes queries and mutations without what gqlgen prepares for each: a map of a function for every
// input there is, for resolvers that call graphql.UnmarshalInputFromContext, and a channel for @defer. There are neither here, and
// of the 23 kB that recording one response allocated the map took 3.
func Lean(cfg Config) graphql.ExecutableSchema {
	return lean{NewExecutableSchema(cfg).(*executableSchema)}
}

type lean struct{ *executableSchema }

// Exec gives what carries out the operation of the context.
func (l lean) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	ec := newExecutionContext(op, l.executableSchema, nil)
	var root func(context.Context, ast.SelectionSet) graphql.Marshaler
	switch op.Operation.Operation {
	case ast.Query:
		root = ec._Query
	case ast.Mutation:
		root = ec._Mutation
	default:
		return l.executableSchema.Exec(ctx)
	}
	return func(ctx context.Context) *graphql.Response {
		var data bytes.Buffer
		root(ctx, op.Operation.SelectionSet).MarshalGQL(&data)
		return &graphql.Response{Data: data.Bytes()}
	}
}

package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/store"
)

// startsByCursor reports whether the context's operation is a query whose root may ask where the log stands. That is read
// before anything else then, so that what stands beside it in the operation leaves no gap either.
func startsByCursor(ctx context.Context) bool {
	if !graphql.HasOperationContext(ctx) {
		return false
	}
	op := graphql.GetOperationContext(ctx).Operation
	return op != nil && op.Operation == ast.Query && selects(op.SelectionSet, "eventCursor", map[string]bool{})
}

// selects reports whether the selection has the field, also by fragments, of which those are seen that were gone through.
func selects(set ast.SelectionSet, field string, seen map[string]bool) bool {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if s.Name == field {
				return true
			}
		case *ast.InlineFragment:
			if selects(s.SelectionSet, field, seen) {
				return true
			}
		case *ast.FragmentSpread:
			if !seen[s.Name] {
				seen[s.Name] = true
				if selects(s.Definition.SelectionSet, field, seen) {
					return true
				}
			}
		}
	}
	return false
}

// markOf is how far the caller's tenant has come; nothing where there is none, or where the caller must not know.
func markOf(ctx context.Context, db *store.DB) (store.Mark, error) {
	caller, _ := auth.From(ctx)
	if caller.Tenant == uuid.Nil || !caller.Narrowing.IsZero() || !caller.May(auth.Read) {
		return store.Mark{}, nil
	}
	marks, err := db.Marks(ctx, []uuid.UUID{caller.Tenant})
	return marks[caller.Tenant], err
}

// eventCursor is where the tenant's log stood before the operation read anything.
func eventCursor(ctx context.Context) (string, error) {
	caller, _ := auth.From(ctx)
	if !caller.Narrowing.IsZero() {
		return "", apierror.New(apierror.Forbidden, "Where the whole log stands tells of what there is besides: a narrowed token may not read it. Take the eventCursor of a list.")
	}
	l := loadersOf(ctx)
	if l.noted != nil {
		return "", l.noted
	}
	return feedback.FormatCursor(l.mark.Position, caller.Mask), nil
}

package graph

import (
	"errors"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/id"
)

// refused gives a mutation's payload what its caller can mend, with fields from the root; other errors are passed on.
func refused(err error) ([]*apierror.UserError, error) {
	if errs, ok := errors.AsType[apierror.UserErrors](err); ok {
		return userErrors(errs.Under("input")), nil
	}
	return []*apierror.UserError{}, err
}

func userErrors(errs apierror.UserErrors) []*apierror.UserError {
	return pointers(errs)
}

// parseID reads the argument `id` of a field that finds some kind of thing.
func parseID(kind id.Kind, text string) (uuid.UUID, error) {
	u, err := kind.Parse(text)
	if err != nil {
		return u, apierror.BadRequest("id: %v.", err)
	}
	return u, nil
}

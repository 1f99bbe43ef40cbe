package graph

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/graph/scalar"
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

// parseID reads an argument that is an id of some kind of thing.
func parseID(kind id.Kind, argument, text string) (uuid.UUID, error) {
	u, err := kind.Parse(text)
	if err != nil {
		return u, apierror.BadRequest("%s: %v.", argument, err)
	}
	return u, nil
}

// present shows callers our own errors, and what the executor says about their documents; all else is logged with an
// id, and the id is shown.
func present(log *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		shown := &gqlerror.Error{Path: graphql.GetPath(ctx), Extensions: map[string]any{}}
		var fromExecutor *gqlerror.Error
		var known *apierror.Error
		var mendable apierror.UserErrors
		var value scalar.Error
		wrapped := errors.As(err, &fromExecutor)
		if wrapped {
			shown.Path, shown.Locations = fromExecutor.Path, fromExecutor.Locations
		}
		switch {
		case errors.As(err, &known):
			shown.Message = known.Message
			noteStatus(ctx, known)
		case errors.As(err, &mendable):
			known = apierror.BadRequest("%v", mendable)
			shown.Message = known.Message
		case wrapped && (fromExecutor.Err == nil || errors.As(err, &value)):
			// From the transport, the parser, the validator or the scalars: about the request alone.
			known = apierror.BadRequest("%s", plain(fromExecutor.Message))
			if strings.HasPrefix(fromExecutor.Message, unreadable) {
				setStatus(ctx, http.StatusRequestEntityTooLarge)
			}
			shown.Message = known.Message
		case ctx.Err() != nil:
			known = apierror.New(apierror.Overloaded, "The request was given up before it was done.")
			noteStatus(ctx, known)
			shown.Message = known.Message
		default:
			incident := rand.Text()[:12]
			log.ErrorContext(ctx, "internal error", "incident", incident, "error", err.Error(), "path", shown.Path.String())
			known = apierror.New(apierror.Internal, "Something went wrong on our side; it is logged as %s.", incident)
			shown.Message = known.Message
			shown.Extensions["incident"] = incident
		}
		shown.Extensions["code"] = string(known.Code)
		return shown
	}
}

// mismatch is what the validator says of a variable's value. It calls numbers strings, as it holds them.
var mismatch = regexp.MustCompile(`^cannot use \S+ as (\w+)$`)

// What gqlgen's transport says of a body, before it repeats all of it.
const (
	undecodable = "json request body could not be decoded"
	unreadable  = "could not read request body"
)

// plain says in words what the transport says of a body, and the validator of a value.
func plain(message string) string {
	switch {
	case strings.HasPrefix(message, undecodable):
		return "The body must be a JSON object with the document as query, and its variables, if it has any, as an object."
	case strings.HasPrefix(message, unreadable):
		return fmt.Sprintf("The body could not be read to its end; it may have %d MiB.", maxBody>>20)
	}
	m := mismatch.FindStringSubmatch(message)
	if m == nil {
		return message
	}
	want, known := map[string]string{
		"Int":     "a whole number of 32 bits, without quotes",
		"Float":   "a number, without quotes",
		"Boolean": "true or false, without quotes",
		"String":  "a text in quotes",
		"ID":      "a text in quotes",
	}[m[1]]
	if !known {
		want = "a value of type " + m[1]
	}
	return "want " + want
}

package engine

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"regexp"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/graph/scalar"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/flight"
)

// present shows callers our own errors, and what the executor says about their documents; all else is logged with an
// id, and the id is shown. explain gives what to show where the database refuses, nil of all other errors.
func present(log *slog.Logger, panicked func(edge string), explain func(error) *apierror.Error) graphql.ErrorPresenterFunc {
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
		case errors.As(err, &mendable):
			known = apierror.BadRequest("%v", mendable)
			shown.Message = known.Message
		case wrapped && (fromExecutor.Err == nil || errors.As(err, &value)):
			// From the transport, the parser, the validator or the scalars: about the request alone.
			known = apierror.BadRequest("%s", plain(fromExecutor.Message))
			shown.Message = known.Message
		case explain(err) != nil:
			known = explain(err)
			shown.Message = known.Message
			log.WarnContext(ctx, "the database refuses", "error", err.Error(), "path", shown.Path.String())
		case (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)) && !flight.IsPanic(err):
			log.InfoContext(ctx, "given up", "error", err.Error(), "path", shown.Path.String())
			known = apierror.New(apierror.Overloaded, "The request was given up before it was done.")
			errors.As(context.Cause(ctx), &known) // the database went away, or the right to ask
			shown.Message = known.Message
		default:
			fault, shared := errors.AsType[*flight.Fault](err)
			if !shared {
				fault, _ = errors.AsType[*flight.Fault](flight.Shared(err))
			}
			incident, first := fault.Incident()
			if first { // others who waited for the same have logged it
				if fault.Panicked() && panicked != nil {
					panicked("graph")
				}
				log.ErrorContext(ctx, "internal error", "incident", incident, "error", err.Error(), "path", shown.Path.String())
			}
			known = apierror.New(apierror.Internal, "Something went wrong on our side; it is logged as %s.", incident)
			shown.Message = known.Message
			shown.Extensions["incident"] = incident
		}
		shown.Extensions["code"] = string(known.Code)
		if known.Code == apierror.Overloaded || known.Code == apierror.RateLimited {
			shown.Extensions["retryAfter"] = max(1, int(math.Ceil(known.RetryAfter.Seconds())))
		}
		return shown
	}
}

// mismatch is what the validator says of a variable's value. It calls numbers strings, as it holds them.
var mismatch = regexp.MustCompile(`^cannot use \S+ as (\w+)$`)

// plain says in words what the validator says of a value.
func plain(message string) string {
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

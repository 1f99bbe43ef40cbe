package page

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/rate"
)

// MaxSearch is how many characters a text has at most that names are searched for.
const MaxSearch = 200

// Fold makes texts equal that differ in capitals alone.
func Fold(text string) string { return strings.ToLower(strings.ToUpper(text)) }

// Holding tells which names hold the text, in capital letters or small.
func Holding(text string) func(name string) bool {
	folded := Fold(text)
	return func(name string) bool { return strings.Contains(Fold(name), folded) }
}

// Named are the ids of those rows whose name holds the text; nil, and nothing is read, where there is no text. It is for lists
// that are short: read reads all of it, and it is paid for. A text that is too long is BAD_REQUEST.
func Named[T any](
	ctx context.Context, text *string, read func(context.Context) ([]T, error), name func(T) (uuid.UUID, string),
) ([]uuid.UUID, error) {
	if text == nil || *text == "" {
		return nil, nil
	}
	if fault := apierror.TooLongFor(MaxSearch, *text); fault != "" {
		return nil, apierror.BadRequest("search: %s.", fault)
	}
	rows, err := read(ctx)
	if err != nil {
		return nil, err
	}
	if err := rate.Spend(ctx, len(rows)/rate.SearchedPerPoint); err != nil {
		return nil, err
	}
	named, holds := []uuid.UUID{}, Holding(*text)
	for _, row := range rows {
		if id, name := name(row); holds(name) {
			named = append(named, id)
		}
	}
	return named, nil
}

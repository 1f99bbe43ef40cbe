package page

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/rate"
)

// MaxSearch is how many characters a text has at most that names are searched for.
const MaxSearch = 200

// Fold makes texts equal that differ in capitals alone.
func Fold(text string) string {
	if ascii(text) {
		return strings.ToLower(text)
	}
	return strings.ToLower(strings.ToUpper(text))
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// freeBytes is how long a text is at most that is folded for what its row costs.
const freeBytes = 32

// FoldedBytes is how many bytes of a text are paid for when it is folded, at rate.FoldedBytesPerPoint, besides what its row
// costs: none where it is short, or has none but letters of ASCII, which take a tenth of the time.
func FoldedBytes(text string) int {
	if len(text) <= freeBytes || ascii(text) {
		return 0
	}
	return len(text) - freeBytes
}

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
	bytes := 0
	for _, row := range rows {
		_, name := name(row)
		bytes += FoldedBytes(name)
	}
	if err := rate.Spend(ctx, len(rows)/rate.SearchedPerPoint+bytes/rate.FoldedBytesPerPoint); err != nil {
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

package page_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/page"
)

func TestNamed(t *testing.T) {
	type row struct {
		id   uuid.UUID
		name string
	}
	var rows []row
	for i, name := range []string{"Relationship", "Müller", "100 %", "RELATED", "émile"} {
		rows = append(rows, row{uuid.UUID{byte(i)}, name})
	}
	read := func(context.Context) ([]row, error) { return rows, nil }
	name := func(r row) (uuid.UUID, string) { return r.id, r.name }
	for search, want := range map[string][]byte{"relat": {0, 3}, "MÜLL": {1}, "%": {2}, "_": {}, "É": {4}, "ships": {}, "e": {0, 1, 3, 4}} {
		got, err := page.Named(t.Context(), &search, read, name)
		if err != nil || got == nil || !slices.EqualFunc(got, want, func(id uuid.UUID, n byte) bool { return id == uuid.UUID{n} }) {
			t.Errorf("%q: got %v, %v, want %v", search, got, err, want)
		}
	}
	unread := func(context.Context) ([]row, error) { return nil, errors.New("read though there is no text") }
	for _, search := range []*string{nil, new("")} {
		if got, err := page.Named(t.Context(), search, unread, name); got != nil || err != nil {
			t.Errorf("no text: got %v, %v", got, err)
		}
	}
	if got, err := page.Named(t.Context(), new(strings.Repeat("ü", page.MaxSearch)), read, name); err != nil || len(got) != 0 {
		t.Errorf("the longest: got %v, %v", got, err)
	}
	_, err := page.Named(t.Context(), new(strings.Repeat("x", page.MaxSearch+1)), unread, name)
	if known, ok := errors.AsType[*apierror.Error](err); !ok || known.Code != apierror.BadRequestCode {
		t.Errorf("too long: %v", err)
	}
	if _, err := page.Named(t.Context(), new("x"), unread, name); err == nil {
		t.Error("what reading failed with is lost")
	}
}

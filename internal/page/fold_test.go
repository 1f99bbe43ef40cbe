package page_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
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

// Letters of ASCII are folded by a shorter way, to the same.
func TestFold(t *testing.T) {
	all := []byte{}
	for c := range byte(utf8.RuneSelf) {
		all = append(all, c)
	}
	for _, text := range []string{"", string(all), "Éva ſ", "İSTANBUL"} {
		if got, want := page.Fold(text), strings.ToLower(strings.ToUpper(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]int{
		"Éva": 0, strings.Repeat("E", 200): 0, strings.Repeat("é", 16): 0, strings.Repeat("é", 150): 268, strings.Repeat("😀", 200): 768,
	} {
		if got := page.FoldedBytes(text); got != want {
			t.Errorf("%q: %d bytes are paid for, want %d", text, got, want)
		}
	}
}

func TestNamedIsPaidForByBytes(t *testing.T) {
	names := make([]string, 1_000)
	for i := range names {
		names[i] = strings.Repeat("É", 150)
	}
	spent := 0
	ctx := rate.WithSpender(t.Context(), func(n int) error { spent += n; return nil }, false)
	_, err := page.Named(ctx, new("x"), func(context.Context) ([]string, error) { return names, nil },
		func(name string) (uuid.UUID, string) { return uuid.UUID{}, name })
	if want := len(names)/rate.SearchedPerPoint + len(names)*page.FoldedBytes(names[0])/rate.FoldedBytesPerPoint; err != nil || spent != want {
		t.Errorf("%d points, want %d, %v", spent, want, err)
	}
}

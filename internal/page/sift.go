package page

import (
	"context"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/rate"
)

// SiftChunk is how many rows are read at once that are looked at one by one: they may be long, and few of them wanted.
const SiftChunk = 500

// Sift reads a window of those rows that keep holds for, where the database cannot say so: it reads on in chunks until
// the window is full. fetch is as for Of. What is looked at is paid for by rate.SpendUnseen, whose
// error it may return; for blind callers whoever calls it pays by rate.SpendBlind.
func Sift[T any](
	ctx context.Context, w Window, key func(T) Key,
	fetch func(ctx context.Context, w Window) ([]T, error), keep func(T) bool,
) ([]T, error) {
	want := w.Limit
	w.Limit = SiftChunk
	var kept []T
	for {
		rows, err := fetch(ctx, w)
		if err != nil {
			return nil, err
		}
		if err := rate.SpendUnseen(ctx, len(rows)/rate.RowsPerPoint); err != nil {
			return nil, err
		}
		for _, row := range rows {
			if keep(row) {
				if kept = append(kept, row); len(kept) == want {
					return kept, nil
				}
			}
		}
		if len(rows) < w.Limit {
			return kept, nil
		}
		w = w.Beyond(key(rows[len(rows)-1]))
	}
}

// Whole puts rows, which were read by the ids of those that were sifted, into their order. What is gone meanwhile is left out.
func Whole[T any](sifted, rows []T, id func(T) uuid.UUID) []T {
	found := make(map[uuid.UUID]T, len(rows))
	for _, row := range rows {
		found[id(row)] = row
	}
	whole := make([]T, 0, len(sifted))
	for _, row := range sifted {
		if row, ok := found[id(row)]; ok {
			whole = append(whole, row)
		}
	}
	return whole
}

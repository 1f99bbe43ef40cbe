package page

import "github.com/google/uuid"

// SiftChunk is how many rows are read at once that are looked at one by one: they may be long, and few of them wanted.
const SiftChunk = 500

// Whole puts rows, which were read by ids, into the order of these. What is gone meanwhile is left out.
func Whole[T any](ids []uuid.UUID, rows []T, id func(T) uuid.UUID) []T {
	found := make(map[uuid.UUID]T, len(rows))
	for _, row := range rows {
		found[id(row)] = row
	}
	whole := make([]T, 0, len(ids))
	for _, id := range ids {
		if row, ok := found[id]; ok {
			whole = append(whole, row)
		}
	}
	return whole
}

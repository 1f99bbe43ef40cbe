package page

import "github.com/google/uuid"

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

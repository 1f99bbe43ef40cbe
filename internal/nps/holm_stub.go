package nps

import "slices"

func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if p[a] < p[b] {
			return -1
		} else if p[a] > p[b] {
			return 1
		}
		return 0
	})
	out := make([]float64, len(p))
	m := 0.0
	for r, i := range order {
		m = max(m, min(1, float64(len(p)-r)*p[i]))
		out[i] = m
	}
	return out
}

package nps

import (
	"testing"

	"pgregory.net/rapid"
)

// Four times the adjusted counts are whole numbers, of the same variance.
func TestAdjustedVariance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyCounts(1e15).Draw(t, "counts")
		variance, n := c.AdjustedVariance()
		near(t, "variance", variance, number(t, Counts{4*c.Detractors + 3, 4*c.Passives + 6, 4*c.Promoters + 3}.Variance))
		if n != float64(c.N())+3 || !(variance > 0) {
			t.Fatalf("variance %v of %v, of %+v", variance, n, c)
		}
	})
	if variance, n := (Counts{}).AdjustedVariance(); variance != 0.5 || n != 3 {
		t.Errorf("of nobody: %v of %v, want 0.5 of 3", variance, n)
	}
}

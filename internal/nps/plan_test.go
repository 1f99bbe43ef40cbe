package nps

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestSampleSizeOfDifferenceIsTheLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		difference := rapid.Float64Range(0.001, 2).Draw(t, "difference")
		v1, v2 := rapid.Float64Range(0, 1).Draw(t, "variance"), rapid.Float64Range(0, 1).Draw(t, "other variance")
		power, confidence := rapid.Float64Range(0.51, 0.999).Draw(t, "power"), confidences().Draw(t, "confidence")
		n, err := SampleSizeOfDifference(difference, v1, v2, power, confidence)
		if err != nil || n < 1 {
			t.Fatalf("%d, %v", n, err)
		}
		detectable := func(n int64) float64 {
			d, err := DetectableDifference(float64(n), v1, float64(n), v2, power, confidence)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		if d := detectable(n); d > difference*(1+1e-12) {
			t.Fatalf("%d responses detect %v", n, d)
		}
		if n > 1 && detectable(n-1) <= difference*(1-1e-12) {
			t.Fatalf("%d responses detect %v already", n-1, detectable(n-1))
		}
	})
}

// TestPlannedPower enumerates what two surveys of the planned size find: they must see the difference about as often as
// planned, which for so few is a little less.
func TestPlannedPower(t *testing.T) {
	before, after := [3]float64{0.3, 0.3, 0.4}, [3]float64{0.15, 0.25, 0.6}
	variance := func(truth [3]float64) float64 {
		return sample{truth[0], truth[1], truth[2]}.variance()
	}
	for _, power := range []float64{0.6, 0.7, 0.8} {
		n, err := SampleSizeOfDifference(trueScore(after)-trueScore(before), variance(before), variance(after), power, 0.95)
		if err != nil || n > enumerable {
			t.Fatalf("%d, %v", n, err)
		}
		seen := 0.0
		a, b := outcomes(nil, n, after, 0), outcomes(nil, n, before, 0)
		for i := range a {
			for j := range b {
				if excludesZero(&a[i], &b[j]) {
					seen += a[i].chance * b[j].chance
				}
			}
		}
		if seen > power || seen < power-0.04 {
			t.Errorf("%d responses a side see the difference with %.4f, want %v or a little less", n, seen, power)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	nan := math.NaN()
	for _, bad := range []struct{ difference, v1, v2, power, confidence float64 }{
		{0, 1, 1, 0.8, 0.95}, {-0.1, 1, 1, 0.8, 0.95}, {2.1, 1, 1, 0.8, 0.95}, {nan, 1, 1, 0.8, 0.95},
		{0.1, -0.1, 1, 0.8, 0.95}, {0.1, 1, 1.1, 0.8, 0.95}, {0.1, nan, 1, 0.8, 0.95},
		{0.1, 1, 1, 0.5, 0.95}, {0.1, 1, 1, 1, 0.95}, {0.1, 1, 1, nan, 0.95}, {0.1, 1, 1, 0.8, 0}, {0.1, 1, 1, 0.8, 1},
		{1e-10, 1, 1, 0.8, 0.95}, {math.SmallestNonzeroFloat64, 0, 0, 0.8, 0.95},
	} {
		if n, err := SampleSizeOfDifference(bad.difference, bad.v1, bad.v2, bad.power, bad.confidence); err == nil || n != 0 {
			t.Errorf("SampleSizeOfDifference(%v) = %d, %v, want an error", bad, n, err)
		}
	}
	for _, bad := range []struct{ n1, v1, n2, v2, power, confidence float64 }{
		{-1, 1, 1, 1, 0.8, 0.95}, {1, 1, nan, 1, 0.8, 0.95}, {1, 1.1, 1, 1, 0.8, 0.95}, {1, 1, 1, nan, 0.8, 0.95},
		{1, 1, 1, 1, 0.3, 0.95}, {1, 1, 1, 1, 0.8, nan},
	} {
		if d, err := DetectableDifference(bad.n1, bad.v1, bad.n2, bad.v2, bad.power, bad.confidence); err == nil || d != 0 {
			t.Errorf("DetectableDifference(%v) = %v, %v, want an error", bad, d, err)
		}
	}
	if n, err := SampleSizeOfDifference(2, 0, 0, 0.8, 0.95); n != 1 || err != nil {
		t.Errorf("without variance it takes %d, %v, want 1", n, err)
	}
}

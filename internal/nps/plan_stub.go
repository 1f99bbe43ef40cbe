package nps

import "math"

// GroupSize x.
func GroupSize(difference, v1, v2, power, confidence float64) (int64, error) {
	z, err := quantile(confidence)
	if err != nil {
		return 0, err
	}
	zp := math.Sqrt2 * math.Erfinv(2*power-1)
	r := (z + zp) / difference
	return max(1, int64(math.Ceil(r*r*(v1+v2)-3))), nil
}

// Detectable x.
func Detectable(n int64, v, power, confidence float64) (float64, error) {
	z, err := quantile(confidence)
	if err != nil {
		return 0, err
	}
	zp := math.Sqrt2 * math.Erfinv(2*power-1)
	return (z + zp) * math.Sqrt(2*v/(float64(n)/2+3)), nil
}

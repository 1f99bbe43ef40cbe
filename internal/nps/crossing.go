package nps

import "math"

// crossing is where f, below 0 from low on and above it up to high, crosses 0, to the last digits. It need not be told
// apart from 0 at low itself. Inverse quadratic interpolation where that is sure to help, else bisection: Chandrupatla,
// A new hybrid quadratic/bisection algorithm, Advances in Engineering Software 28:145, 1997.
func crossing(low, high float64, f func(float64) float64) float64 {
	const (
		tolerance = 1e-15
		nothing   = 1e-20 // on the scale of scores and of z
	)
	// a is the newest point, b the last on the other side of the crossing, c the one that the newest took the place of.
	a, b, c := high, low, low
	fa := f(high)
	if !(fa > 0) {
		return high // by rounding, or where there is no way up to it
	}
	fb, fc := -fa, -fa // what f is at low does not matter: the first step goes to the middle
	step := 0.5
	for {
		x := a + step*(b-a)
		fx := f(x)
		if math.Signbit(fx) == math.Signbit(fa) {
			c, fc = a, fa
		} else {
			c, fc = b, fb
			b, fb = a, fa
		}
		a, fa = x, fx

		least := (tolerance*max(math.Abs(a), math.Abs(b)) + nothing) / math.Abs(b-a)
		if fx == 0 || !(least < 0.5) {
			if math.Abs(fb) < math.Abs(fa) {
				return b
			}
			return a
		}
		step = 0.5
		along, up := (a-b)/(c-b), (fa-fb)/(fc-fb)
		if up*up < along && (1-up)*(1-up) < 1-along {
			step = fa/(fb-fa)*fc/(fb-fc) + (c-a)/(b-a)*fa/(fc-fa)*fb/(fc-fb)
		}
		step = min(max(step, least), 1-least)
	}
}

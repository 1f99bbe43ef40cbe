package nps

import "math"

// crossing is where f, below 0 from low on and then above it up to high, crosses 0, to the last digits. What it is at low
// is known, and may be 0 there as well. Where f is not above 0 at high, by rounding or because it never is, that is high.
//
// It goes by inverse quadratic interpolation where that is sure to help, else by bisection: Chandrupatla, A new hybrid
// quadratic/bisection algorithm for finding the zero of a nonlinear function, Advances in Engineering Software 28:145,
// 1997. But it begins with the chord, since what is looked for here lies near it.
func crossing(low, atLow, high float64, f func(float64) float64) float64 {
	const (
		tolerance = 1e-15
		nothing   = 1e-20 // on the scale of scores and of z
	)
	// a is the newest point, b the last on the other side of the crossing, c the one whose place the newest took.
	a, b, fb := high, low, atLow
	fa := f(a)
	if !(fa > 0) {
		return high
	}
	if !(fb < 0) {
		fb = -fa
	}
	for step := fa / (fa - fb); ; {
		x := a + step*(b-a)
		fx := f(x)
		c, fc := a, fa
		if math.Signbit(fx) != math.Signbit(fa) {
			b, fb, c, fc = a, fa, b, fb
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

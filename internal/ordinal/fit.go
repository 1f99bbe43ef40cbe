package ordinal

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// parameters are θ₁, θ₂ and then the β, by column.
type parameters []float64

func (p parameters) theta() (low, high float64) { return p[0], p[1] }

func (p parameters) beta() []float64 { return p[2:] }

// eta adds up the β of some columns.
func (p parameters) eta(columns []int32) float64 {
	eta, beta := 0.0, p.beta()
	for _, c := range columns {
		eta += beta[c]
	}
	return eta
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// sigmoids are σ(x) and σ(−x): the smaller one is not 1 less the other, which would be 0 too soon.
func sigmoids(x float64) (at, beyond float64) {
	small := math.Exp(-math.Abs(x))
	large := 1 / (1 + small)
	if small *= large; x < 0 {
		return small, large
	}
	return large, small
}

// logSigmoid is ln σ(x), also where σ(x) is too small for a float64 or too near to 1.
func logSigmoid(x float64) float64 { return min(x, 0) - math.Log1p(math.Exp(-math.Abs(x))) }

// With a = θ₁ − η, b = θ₂ − η and δ = b − a = θ₂ − θ₁, the share of passives is a product,
//
//	σ(b) − σ(a) = σ(b) σ(−a) (1 − e^−δ),
//
// so that the logarithm of the likelihood of d detractors, m passives and p promoters is that of two logits and one term of
// δ alone, each of them concave:
//
//	d ln σ(a) + m ln σ(−a)  +  m ln σ(b) + p ln σ(−b)  +  m ln(1 − e^−δ).
//
// And ln σ(−x) is ln σ(x) − x.

// likelihood is the logarithm of that of the rows' learned responses, less the ridge. θ must ascend.
func likelihood(r *rows, at parameters, ridge float64) float64 {
	low, high := at.theta()
	total, passives := 0.0, int64(0)
	for i, c := range r.learned {
		eta := at.eta(r.columns(i))
		a, b := low-eta, high-eta
		total += float64(c.Detractors+c.Passives)*logSigmoid(a) - float64(c.Passives)*a
		total += float64(c.Passives+c.Promoters)*logSigmoid(b) - float64(c.Promoters)*b
		passives += c.Passives
	}
	for _, beta := range at.beta() {
		total -= ridge / 2 * beta * beta
	}
	return total + float64(passives)*math.Log(-math.Expm1(low-high))
}

// slope fills in the gradient of likelihood, and minus its matrix of second derivatives.
func slope(r *rows, at parameters, ridge float64, gradient []float64, information *mat.SymDense) {
	clear(gradient)
	information.Zero()
	// Only the upper triangle of a SymDense is looked at, which columns that ascend along a row fill.
	raw := information.RawSymmetric()
	low, high := at.theta()
	passives := int64(0)
	for i, c := range r.learned {
		columns := r.columns(i)
		eta := at.eta(columns)
		below, above := float64(c.Detractors+c.Passives), float64(c.Passives+c.Promoters)
		atLow, beyondLow := sigmoids(low - eta)
		atHigh, beyondHigh := sigmoids(high - eta)
		toLow, toHigh := float64(c.Detractors)-below*atLow, float64(c.Passives)-above*atHigh
		ofLow, ofHigh := below*atLow*beyondLow, above*atHigh*beyondHigh
		passives += c.Passives
		gradient[0] += toLow
		gradient[1] += toHigh
		raw.Data[0] += ofLow
		raw.Data[raw.Stride+1] += ofHigh
		for j, one := range columns {
			k := int(one) + 2
			gradient[k] -= toLow + toHigh
			raw.Data[k] -= ofLow
			raw.Data[raw.Stride+k] -= ofHigh
			row := raw.Data[k*raw.Stride:]
			for _, other := range columns[j:] {
				row[other+2] += ofLow + ofHigh
			}
		}
	}
	for k, beta := range at.beta() {
		gradient[k+2] -= ridge * beta
		raw.Data[(k+2)*raw.Stride+k+2] += ridge
	}
	// e^δ − 1, by which the passives hold θ apart.
	apart := math.Expm1(high - low)
	push := float64(passives) / apart
	gradient[0] -= push
	gradient[1] += push
	stiff := push * (1 + 1/apart)
	raw.Data[0] += stiff
	raw.Data[1] -= stiff
	raw.Data[raw.Stride+1] += stiff
}

const (
	// near is the length of Newton's steps from which on they are trusted unseen: each is about as long as the square of the
	// one before, while what the likelihood gains drowns in its rounding.
	near = 1e-4
	// there is the step after which nothing is left to gain.
	there = 1e-9
	// maxSteps ends a search that rounding keeps from getting there. Four to eight are usual.
	maxSteps = 50
	// least is the smallest part of a step that is tried, and rounded how much of a likelihood may be rounding.
	least   = 1e-9
	rounded = 1e-13
)

// fit finds the parameters of the largest likelihood, given responses of all three categories. It is concave, and the ridge
// holds it, so there is one optimum and Newton's method finds it, its steps halved where they lead too far.
func fit(r *rows, columns int, ridge float64) parameters {
	all := sum(r.learned)
	at, next := make(parameters, columns+2), make(parameters, columns+2)
	at[0] = logit(all.Detractors, all.Passives+all.Promoters)
	at[1] = logit(all.Detractors+all.Passives, all.Promoters)
	var (
		gradient    = mat.NewVecDense(len(at), nil)
		step        = mat.NewVecDense(len(at), nil)
		information = mat.NewSymDense(len(at), nil)
		cholesky    mat.Cholesky
		before      = math.Inf(1)
	)
	for range maxSteps {
		slope(r, at, ridge, gradient.RawVector().Data, information)
		if !cholesky.Factorize(information) {
			break
		}
		// It complains where the matrix is near to having no inverse, and solves nevertheless.
		_ = cholesky.SolveVecTo(step, gradient)
		length := mat.Norm(step, math.Inf(1)) / min(1, at[1]-at[0])
		if length >= before || !halved(r, at, next, ridge, step, length, mat.Dot(gradient, step)) {
			break
		}
		at, next = next, at
		if length <= there {
			break
		}
		if length <= near {
			before = length / 2
		}
	}
	return at
}

// halved fills in where a step leads, or as much of it as gains something, and reports false where no part of it does. gain
// is what the whole step would if the likelihood were as straight as its gradient.
func halved(r *rows, at, next parameters, ridge float64, step *mat.VecDense, length, gain float64) bool {
	now := likelihood(r, at, ridge)
	for part := 1.0; part >= least; part /= 2 {
		for k := range next {
			next[k] = at[k] + part*step.AtVec(k)
		}
		if length <= near || next[0] < next[1] && likelihood(r, next, ridge) >= now+part*gain/1e4-rounded*math.Abs(now) {
			return true
		}
	}
	return false
}

// logit is ln(a ÷ b).
func logit(a, b int64) float64 { return math.Log(float64(a) / float64(b)) }

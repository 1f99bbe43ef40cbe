package linear

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mathext"

	"github.com/zeroten/zeroten/internal/nps"
)

const (
	// determined is the part of a column's square that other columns have to leave over for it to count as one of its own,
	// and that the leverage of a response has to leave of 1.
	determined = 1e-9
	// equal is how near to each other the parts of a column are that would be the same but for rounding.
	equal = 1e-6
	// nothing is the part of all variation that rounding may leave where there is none.
	nothing = 1e-12
)

// fit is the additive model: a response is, on average, the sum of a constant and of one number for each value that its
// profile has. The numbers of a trait's first value are 0. It is fitted by least squares, as if every response were a row of
// its own: β = (XᵀX)⁻¹Xᵀy over responses is (XᵀWX)⁻¹Xᵀs over profiles, with W their responses and s their balances.
type fit struct {
	*table
	// gram is XᵀWX with a column for each value, and none dropped: how many hold both. They are whole numbers.
	gram [][]float64
	// column says which column of the model a value has, or none: −1 for the first values and those that the columns before
	// determine. The constant is column 0.
	column []int
	// dropped is the values that the columns before determine.
	dropped []int
	// inverse is (XᵀWX)⁻¹ over the columns of the model, symmetric.
	inverse [][]float64
	// beta has a number for each column.
	beta []float64
	// fitted is the model's mean of a response of each profile.
	fitted []float64
	// rss is the sum of squares that the model leaves over, tss that around the score of all.
	rss, tss float64
	// df is the responses less the columns.
	df float64
}

func newFit(t *table) *fit {
	f := &fit{table: t, tss: around(t.all)}
	values := t.first[len(t.traits)]
	f.gram = square(values)
	traits := len(t.traits)
	for i, counts := range t.counts {
		n := size(counts)
		row := t.row(i)
		for a := range traits {
			sums := f.gram[row[a]]
			for b := range a + 1 {
				sums[row[b]] += n
			}
		}
	}
	mirror(f.gram)

	inverse := f.factor()
	columns := len(inverse)
	// A = L⁻ᵀL⁻¹.
	f.inverse = square(columns)
	for _, row := range inverse {
		for j, x := range row {
			floats.AddScaled(f.inverse[j][:j+1], x, row[:j+1])
		}
	}
	mirror(f.inverse)
	f.beta = make([]float64, columns)
	f.fitted = make([]float64, len(t.counts))
	f.improve()
	f.improve() // by what rounding left, where counts of very different size meet
	for i, counts := range t.counts {
		f.rss += squares(counts, f.fitted[i])
	}
	if f.rss <= nothing*f.tss {
		f.rss = 0
	}
	f.df = size(t.all) - float64(columns)
	return f
}

// improve adds to beta what least squares make of the residuals.
func (f *fit) improve() {
	right := make([]float64, f.columns())
	for i, counts := range f.counts {
		f.add(right, i, balance(counts)-size(counts)*f.fitted[i])
	}
	for c, row := range f.inverse {
		f.beta[c] += floats.Dot(row, right)
	}
	for i := range f.fitted {
		f.fitted[i] = f.mean(f.beta, i)
	}
}

// factor chooses the columns and returns L⁻¹, row by row, of the Cholesky factor L of XᵀWX over them. A column is dropped
// where those before it leave over no more than a part of its square, its pivot, that rounding could have made: then they
// determine it, as in R's lm.
func (f *fit) factor() [][]float64 {
	values := f.first[len(f.traits)]
	f.column = make([]int, values)
	n := size(f.all)
	lower := [][]float64{{math.Sqrt(n)}}
	var kept []int // the values of the columns from 1 on
	for trait := range f.traits {
		f.column[f.first[trait]] = -1
		for v := f.first[trait] + 1; v < f.first[trait+1]; v++ {
			row := make([]float64, len(lower), len(lower)+1)
			row[0] = f.gram[v][v] / lower[0][0]
			for k, u := range kept {
				above := lower[k+1]
				row[k+1] = (f.gram[v][u] - floats.Dot(row[:k+1], above[:k+1])) / above[k+1]
			}
			pivot := f.gram[v][v] - floats.Dot(row, row)
			if pivot <= determined*f.gram[v][v] {
				f.column[v] = -1
				f.dropped = append(f.dropped, v)
				continue
			}
			f.column[v] = len(lower)
			lower = append(lower, append(row, math.Sqrt(pivot)))
			kept = append(kept, v)
		}
	}
	inverse := make([][]float64, len(lower))
	for i, row := range lower {
		x := make([]float64, i+1)
		for k, l := range row[:i] {
			floats.AddScaled(x[:k+1], -l, inverse[k])
		}
		x[i] = 1
		floats.Scale(1/row[i], x)
		inverse[i] = x
	}
	return inverse
}

// mean is what the numbers of a profile's columns add up to.
func (f *fit) mean(beta []float64, row int) float64 {
	sum := beta[0]
	for _, v := range f.row(row) {
		if c := f.column[v]; c >= 0 {
			sum += beta[c]
		}
	}
	return sum
}

// add adds a number to each of a profile's columns.
func (f *fit) add(to []float64, row int, x float64) {
	to[0] += x
	for _, v := range f.row(row) {
		if c := f.column[v]; c >= 0 {
			to[c] += x
		}
	}
}

// columns is how many the model has.
func (f *fit) columns() int { return len(f.beta) }

// of is the columns that a trait's values have; columns of one trait stand side by side.
func (f *fit) of(trait int) (from, to int) {
	for v := f.first[trait]; v < f.first[trait+1]; v++ {
		if c := f.column[v]; c >= 0 {
			if from == 0 {
				from = c
			}
			to = c + 1
		}
	}
	return from, to
}

// without is how much more the model would leave over if it knew nothing of a trait, and how many columns fewer it would
// have then: fewer than the trait has where other traits know it too, in part.
//
// The first is min(β_t − Wγ)ᵀ(A_tt)⁻¹(β_t − Wγ) over γ, with A_tt the trait's part of the inverse and W what the columns of
// other traits that were dropped have of the trait's: without it those come back, as far as they are not the same then.
func (f *fit) without(trait int) (more float64, columns int) {
	from, to := f.of(trait)
	k := to - from
	// A_tt = LLᵀ.
	lower := make([][]float64, k)
	for i := range lower {
		row := make([]float64, i+1)
		for j := range row[:i] {
			row[j] = (f.inverse[from+i][from+j] - floats.Dot(row[:j], lower[j][:j])) / lower[j][j]
		}
		// Its inverse is what other columns leave over of a column's square, which is at most N. Where a column was kept by
		// a hair, rounding may say otherwise.
		row[i] = math.Sqrt(max(f.inverse[from+i][from+i]-floats.Dot(row[:i], row[:i]), 1/size(f.all)))
		lower[i] = row
	}
	solve := func(x []float64) []float64 {
		for i, row := range lower {
			x[i] = (x[i] - floats.Dot(row[:i], x[:i])) / row[i]
		}
		return x
	}
	rest := solve(append([]float64(nil), f.beta[from:to]...))
	var back [][]float64 // orthogonal, of length 1
	for _, d := range f.dropped {
		if f.first[trait] <= d && d < f.first[trait+1] {
			continue
		}
		held := f.held(d)
		u := make([]float64, k)
		for i := range u {
			u[i] = floats.Dot(f.inverse[from+i], held)
		}
		solve(u)
		for _, b := range back {
			floats.AddScaled(u, -floats.Dot(b, u), b)
		}
		left := floats.Dot(u, u)
		if left <= determined*f.gram[d][d] {
			continue
		}
		floats.Scale(1/math.Sqrt(left), u)
		back = append(back, u)
	}
	for _, b := range back {
		floats.AddScaled(rest, -floats.Dot(b, rest), b)
	}
	more = min(floats.Dot(rest, rest), f.tss-f.rss)
	if more <= nothing*f.tss {
		more = 0
	}
	return more, k - len(back)
}

// held is Xᵀ times the column of a value: how many hold both it and each of the columns.
func (f *fit) held(value int) []float64 {
	held := make([]float64, f.columns())
	held[0] = f.gram[value][value]
	for v, c := range f.column {
		if c >= 0 {
			held[c] = f.gram[value][v]
		}
	}
	return held
}

// apart says which values of a trait can be told apart: all, or all but one that other traits determine, such as the value of those of
// whom nothing else is known either. It is nil where it is neither.
//
// Two values are told apart where no dropped column stands for the one more than for the other: numbers that are added to the one, and
// taken away elsewhere, would change nothing.
func (f *fit) apart(trait int) []bool {
	values := f.first[trait+1] - f.first[trait]
	same := make([][]float64, values) // for each value, what each of the dropped columns has of it
	for _, d := range f.dropped {
		held := f.held(d)
		for i := range values {
			of := 0.0
			switch v := f.first[trait] + i; {
			case v == d:
				of = -1
			case f.column[v] >= 0:
				of = floats.Dot(f.inverse[f.column[v]], held)
			}
			same[i] = append(same[i], of)
		}
	}
	for _, first := range same[:min(2, values)] { // of two, one is not the one that is left out
		apart := make([]bool, values)
		n := 0
		for i, of := range same {
			if apart[i] = floats.EqualApprox(of, first, equal); apart[i] {
				n++
			}
		}
		if n > 1 && n >= values-1 {
			return apart
		}
	}
	return nil
}

// meat is XᵀΩX with Ω = Σ e² ÷ (1 − h)² over the responses of a profile, e what the model leaves over of a response and h its
// leverage: what stands between two inverses in HC3 (MacKinnon and White 1985, J. Econometrics 29:305). A response of leverage
// 1 is met whatever it is, and tells nothing of how far it might have been: it counts with the variance of all that is left.
func (f *fit) meat() [][]float64 {
	m := square(f.columns())
	held := make([]int, 0, len(f.traits)+1)
	for i, counts := range f.counts {
		held = append(held[:0], 0)
		for _, v := range f.row(i) {
			if c := f.column[v]; c >= 0 {
				held = append(held, c)
			}
		}
		leverage := 0.0
		for _, a := range held {
			for _, b := range held {
				leverage += f.inverse[a][b]
			}
		}
		spread := size(counts) * f.rss / f.df
		if free := 1 - leverage; free > determined {
			spread = squares(counts, f.fitted[i]) / (free * free)
		}
		for k, a := range held {
			for _, b := range held[:k+1] {
				m[a][b] += spread
			}
		}
	}
	mirror(m)
	return m
}

// covariances are those of a trait's numbers, with the classical spread and with HC3's.
func (f *fit) covariances(trait int, meat [][]float64) (classical, robust [][]float64) {
	from, to := f.of(trait)
	classical, robust = square(to-from), square(to-from)
	half := make([]float64, f.columns())
	for i := range to - from {
		clear(half)
		for c, a := range f.inverse[from+i] {
			floats.AddScaled(half, a, meat[c])
		}
		for j := range to - from {
			classical[i][j] = f.inverse[from+i][from+j] * f.rss / f.df
			robust[i][j] = floats.Dot(half, f.inverse[from+j])
		}
	}
	return classical, robust
}

// along is xᵀMx of a symmetric M.
func along(m [][]float64, x []float64) float64 {
	sum := 0.0
	for i, xi := range x {
		if xi != 0 {
			sum += xi * (2*floats.Dot(m[i][:i], x[:i]) + m[i][i]*xi)
		}
	}
	return sum
}

func square(n int) [][]float64 {
	all := make([]float64, n*n)
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = all[i*n : (i+1)*n : (i+1)*n]
	}
	return rows
}

// mirror fills what lies above the diagonal from what lies below.
func mirror(m [][]float64) {
	for i, row := range m {
		for j := range row[:i] {
			m[j][i] = row[j]
		}
	}
}

// studentTails is how often |t| is at least so large by chance, with df degrees of freedom: the incomplete beta function
// I(df ÷ (df + t²); df/2, ½).
func studentTails(t, df float64) float64 {
	return mathext.RegIncBeta(df/2, 0.5, df/(df+t*t))
}

// fisherTail is how often F is at least so large by chance, with a and b degrees of freedom: I(b ÷ (b + aF); b/2, a/2).
func fisherTail(f, a, b float64) float64 {
	return mathext.RegIncBeta(b/2, a/2, b/(b+a*f))
}

// studentWithin is what |t| stays within with 95 %.
func studentWithin(df float64) float64 {
	x := mathext.InvRegIncBeta(df/2, 0.5, nps.Significance)
	return math.Sqrt(df * (1 - x) / x)
}

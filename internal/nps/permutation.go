package nps

import "math"

// maxDealt bounds what permutationP enumerates.
const maxDealt = 40

// permutationP is how often a difference of scores at least as large as that of a and b, in either direction, comes
// about where the same answers are dealt out anew, as many to each side: the exact test, given how many there are of
// each category. How many the smaller side is dealt of each is multivariate hypergeometric.
//
// It enumerates the deals with up to maxDealt answers beside the commonest category. So it is for a smaller side of no
// more responses than that, or one where so few such answers are expected that more of them have no weight.
func permutationP(a, b sample) float64 {
	if a.n() > b.n() {
		a, b = b, a
	}
	n, all := a.n(), a.n()+b.n()
	dealt := [3]float64{a.detractors, a.passives, a.promoters}
	of := [3]float64{a.detractors + b.detractors, a.passives + b.passives, a.promoters + b.promoters}
	worth := [3]float64{-1, 0, 1}
	// The commonest category comes last, and what the others are worth is counted from it.
	for k := range 2 {
		if of[k] > of[2] {
			of[k], of[2] = of[2], of[k]
			dealt[k], dealt[2] = dealt[2], dealt[k]
			worth[k], worth[2] = worth[2], worth[k]
		}
	}
	first, second := worth[0]-worth[2], worth[1]-worth[2]
	mean := (first*of[0] + second*of[1]) * (n / all)
	// Deals as far out must count, whatever rounding makes of them.
	far := math.Abs(first*dealt[0]+second*dealt[1]-mean) * (1 - 1e-9)

	// In logarithms, and with the ratios of neighbouring terms: factorials of large numbers have no digits to spare.
	most := int(min(n, maxDealt))
	ways := func(of float64) []float64 { // of dealing 0, 1, … of so many
		ways := []float64{0}
		for t := 0; t < most && float64(t) < of; t++ {
			ways = append(ways, ways[t]+math.Log((of-float64(t))/float64(t+1)))
		}
		return ways
	}
	// The rest comes from the commonest category: in how many ways, as a share of those of the first deal that there is.
	rest := make([]float64, most+1)
	for t := range rest {
		switch left := of[2] - n + float64(t); { // of the commonest, for the other side
		case left < 0:
			rest[t] = math.Inf(-1)
		case left > 0 && t > 0:
			rest[t] = rest[t-1] + math.Log((n-float64(t)+1)/left)
		}
	}
	firsts, seconds := ways(of[0]), ways(of[1])
	likeliest := math.Inf(-1)
	for i, f := range firsts {
		for j, s := range seconds[:min(len(seconds), most+1-i)] {
			likeliest = max(likeliest, f+s+rest[i+j])
		}
	}
	var out, weight float64
	for i, f := range firsts {
		for j, s := range seconds[:min(len(seconds), most+1-i)] {
			w := math.Exp(f + s + rest[i+j] - likeliest)
			weight += w
			if math.Abs(first*float64(i)+second*float64(j)-mean) >= far {
				out += w
			}
		}
	}
	return out / weight
}

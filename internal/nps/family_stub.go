package nps

// Pair is two bodies to compare.
type Pair struct{ A, B Counts }

// Family is what comparisons beside each other come to.
type Family struct {
	P []float64
	// Adjusted is nil where not tested.
	Adjusted []*float64
	Tested   int
}

// Judge judges.
func Judge(pairs []Pair, mirrored bool) Family {
	f := Family{P: make([]float64, len(pairs)), Adjusted: make([]*float64, len(pairs))}
	var ps []float64
	var at []int
	for i, p := range pairs {
		d, ok := Compare(p.A, p.B)
		if !ok {
			continue
		}
		f.P[i] = d.P()
		if min(p.A.N(), p.B.N()) < 10 && !mirrored {
			continue
		}
		w, _ := CompareAdjustedWald(p.A, p.B)
		ps, at = append(ps, max(f.P[i], w.P)), append(at, i)
	}
	f.Tested = len(ps)
	if mirrored && len(ps) > 0 {
		f.Tested = 1
		for i := range pairs {
			f.Adjusted[i] = &f.P[i]
		}
		return f
	}
	for k, p := range Holm(ps) {
		f.Adjusted[at[k]] = &p
	}
	return f
}

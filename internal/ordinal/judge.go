package ordinal

import (
	"cmp"
	"math"
	"slices"

	"github.com/zeroten/zeroten/internal/nps"
)

const (
	// confident is the two-sided normal quantile of 95 %.
	confident = 1.959963984540054
	// nothing is how far above 0 a gain must lie to be one: a model that says the same of everybody differs from the shares
	// that it learned from by rounding alone, which has no variance to be held against it. A gain of any use is far larger.
	nothing = 1e-7
	// alike is how near to each other risks, as logits, are taken to be equal: sums of the same β in another order are.
	alike = 1.0 / (1 << 30)
)

// shares are what somebody would answer.
type shares struct{ detractor, passive, promoter float64 }

// logarithms are those of the shares, which are never −∞.
func (p parameters) logarithms(eta float64) shares {
	low, high := p.theta()
	return shares{
		detractor: logSigmoid(low - eta),
		passive:   logSigmoid(high-eta) + logSigmoid(eta-low) + math.Log(-math.Expm1(low-high)),
		promoter:  logSigmoid(eta - high),
	}
}

// group is those to be judged on who are of equal risk.
type group struct {
	// risk is the logit of it, in steps of alike.
	risk float64
	// expected is how many detractors are.
	expected float64
	counts   nps.Counts
}

// judge compares what the parameters foretell with what the rows were judged to be.
func (e *Evaluation) judge(at parameters, r *rows, learned, judged nps.Counts) {
	n := float64(judged.N())
	share := func(count int64) float64 { return math.Log(float64(count) / float64(learned.N())) }
	base := shares{share(learned.Detractors), share(learned.Passives), share(learned.Promoters)}
	// each goes through the responses, those that say the same together.
	each := func(visit func(count, now, base float64)) {
		for i, c := range r.judged {
			now := at.logarithms(at.eta(r.columns(i)))
			visit(float64(c.Detractors), now.detractor, base.detractor)
			visit(float64(c.Passives), now.passive, base.passive)
			visit(float64(c.Promoters), now.promoter, base.promoter)
		}
	}
	each(func(count, now, base float64) {
		e.LogLoss -= count * now / n
		e.Baseline -= count * base / n
		e.Gain += count * (now - base) / n
	})
	variance := 0.0
	each(func(count, now, base float64) {
		off := now - base - e.Gain
		variance += count * off * off / n
	})
	reach := confident * math.Sqrt(variance/n)
	e.GainInterval = nps.Interval{Low: e.Gain - reach, High: e.Gain + reach}
	e.Skill = e.Gain / e.Baseline
	if e.GainInterval.Low <= nothing {
		e.Reason = NoBetterThanChance
	}
	e.rank(byRisk(at, r), judged)
}

// byRisk are the groups by risk, lowest first.
func byRisk(at parameters, r *rows) []group {
	low, _ := at.theta()
	var groups []group
	for i, c := range r.judged {
		if c.N() > 0 {
			risk := low - at.eta(r.columns(i))
			groups = append(groups, group{math.Round(risk / alike), float64(c.N()) * sigmoid(risk), c})
		}
	}
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(a.risk, b.risk) })
	merged := groups[:0]
	for _, g := range groups {
		if last := len(merged) - 1; last >= 0 && merged[last].risk == g.risk {
			merged[last].expected += g.expected
			merged[last].counts = merged[last].counts.Add(g.counts)
		} else {
			merged = append(merged, g)
		}
	}
	return merged
}

// rank fills in what depends on the order of risks.
func (e *Evaluation) rank(groups []group, judged nps.Counts) {
	n, detractors := float64(judged.N()), float64(judged.Detractors)
	won, below := 0.0, 0.0
	var bin group
	for i, g := range groups {
		d := float64(g.counts.Detractors)
		others := float64(g.counts.N()) - d
		won += d * (below + others/2)
		below += others
		bin.expected += g.expected
		bin.counts = bin.counts.Add(g.counts)
		if size := bin.counts.N(); 10*size >= judged.N() || i == len(groups)-1 {
			e.Calibration = append(e.Calibration, Bin{
				size, min(bin.expected/float64(size), 1), float64(bin.counts.Detractors) / float64(size),
			})
			bin = group{}
		}
	}
	if detractors == 0 {
		return
	}
	if below > 0 {
		auc := min(won/(detractors*below), 1)
		e.AUC, e.Ranks = &auc, auc-0.5 > confident*math.Sqrt(byChance(groups, detractors, below))
	}
	left, found := n/10, 0.0
	for _, g := range slices.Backward(groups) {
		part := min(left, float64(g.counts.N()))
		found += float64(g.counts.Detractors) * part / float64(g.counts.N())
		left -= part
	}
	lift := min(found*10/detractors, 10)
	e.Lift = &lift
}

// byChance is the variance of AUC where risks say nothing: that of Mann and Whitney's U ÷ (detractors × others), which equals
// make smaller (Lehmann, Nonparametrics, 1975).
func byChance(groups []group, detractors, others float64) float64 {
	n, equals := detractors+others, 0.0
	for _, g := range groups {
		t := float64(g.counts.N())
		equals += t * (t - 1) * (t + 1)
	}
	return max(n+1-equals/(n*(n-1)), 0) / (12 * detractors * others)
}

// Package effect compares a score before something was done with the score after, and asks whether it would have moved
// anyway: against those for whom nothing was done, a window earlier, and on days on which nothing was done.
//
// It is pure: no I/O, no state. Scores are on −1 to 1, and counts are never negative, as in package nps. Days are
// indices: 0 is the first of a series.
package effect

import (
	"math"

	"github.com/zeroten/zeroten/internal/nps"
)

const (
	// MinResponses is how many responses it takes in a window for a placebo, and for none to be called few.
	MinResponses = 30
	// TwoYears is how many days of feedback there must be for a season to show twice: 104 weeks.
	TwoYears = 2 * 52 * 7
	// week is how far placebos lie apart, so that each has its weekdays where those of the action lie.
	week = 7
)

// Caveat is what to keep in mind about an effect.
type Caveat string

// The caveats, in the order in which they are told. OtherAction and MixChanged are for those who know of other actions
// and of traits; days and counts tell the others.
const (
	// NoControl is for an action that was for everybody: what else changed at the time is in the figure too.
	NoControl Caveat = "NO_CONTROL"
	// FewResponses is for a window before or after with fewer than MinResponses.
	FewResponses Caveat = "FEW_RESPONSES"
	// NotOver is for a window after the start whose last day is today or lies ahead.
	NotOver Caveat = "NOT_OVER"
	// DriftingBefore is for a lead whose P is below nps.Significance: a warning heeds few responses too.
	DriftingBefore Caveat = "DRIFTING_BEFORE"
	// OtherAction is for another action for some of the same people that started or ended within the windows.
	OtherAction Caveat = "OTHER_ACTION"
	// MixChanged is for other people having answered than before.
	MixChanged Caveat = "MIX_CHANGED"
	// NoYearBefore is for less than TwoYears of feedback: a season cannot be told from an effect.
	NoYearBefore Caveat = "NO_YEAR_BEFORE"
)

// Study is what was done, and what was answered.
type Study struct {
	// Treated is what those whom it was for answered, a day each, and Others what everybody else did, from the same day
	// on; nil where it was for all. Days that are missing at the end are empty.
	Treated, Others []nps.Counts
	// Start is the first day on which it could be felt. It may lie before the series or behind it.
	Start int
	// Window is how many days are compared on each side, at least 1.
	Window int
	// Settle is how many days from Start on are left out.
	Settle int
	// Today is the last day that counts; what lies behind it has not been.
	Today int
}

// Windows are the responses that are compared.
type Windows struct {
	// Before is of the days from Start − Window to before Start, Earlier of as many days before those.
	Earlier, Before nps.Counts
	// After is of the days from Start + Settle to before Start + Settle + Window, up to today.
	After nps.Counts
}

// Placebos are days on which nothing was done.
type Placebos struct {
	// Tried is how many were tried: a week apart, their windows over before the start, with at least MinResponses in
	// each. The windows overlap, so they are no independent draws.
	Tried int
	// AsLarge is on how many of them the score moved at least as far, in either direction.
	AsLarge int
}

// Result is what became of it.
type Result struct {
	// Treated and Others are what was compared; Others is empty where it was for all.
	Treated, Others Windows
	// Change is the score after less the score before, of those whom it was for. Nil where there are no responses before
	// or none after; then all the others are nil as well, and no placebos are tried.
	Change *nps.Difference
	// OthersChange is the same of everybody else. Nil where it was for all, and where nobody else answered before or after.
	OthersChange *nps.Difference
	// Effect is Change less OthersChange, the difference in differences; nil where that is. It rests on this: without the
	// action both would have moved alike.
	Effect *nps.Difference
	// Lead is the same figure a window earlier, when nothing had been done: Before less Earlier, and where there are
	// others, less theirs. Nil where the earlier window begins before the first day on which anybody answered, and where
	// one of the windows has no responses.
	Lead *nps.Difference
	// Placebos are other days on which the figure is tried: Effect, or where it was for all Change. None are tried where
	// there is no such figure.
	Placebos Placebos
	// Caveats are those that days and counts tell, in order.
	Caveats []Caveat
}

// Of says what became of what was done.
//
// Differences are those of nps.Compare and nps.CompareChanges. That with others is the comparison of Ashenfelter and
// Card, Using the longitudinal structure of earnings to estimate the effect of training programs, Review of Economics and
// Statistics 67(4), 1985. What shakes a score for weeks no interval of it knows of: Bertrand, Duflo and Mullainathan, How
// much should we trust differences-in-differences estimates?, Quarterly Journal of Economics 119(1), 2004, who try it
// where nothing had happened; that is what placebos are for. A lead near 0 is no proof that both moved alike: Roth,
// Pretest with caution, American Economic Review: Insights 4(3), 2022.
//
// It cannot show what else happened to the same people at the time, nor who began or ceased to answer because of it.
func Of(s Study) Result {
	past := func(days []nps.Counts) []nps.Counts { return days[:max(0, min(len(days), s.Today+1))] }
	treated, others := newBody(past(s.Treated)), newBody(past(s.Others))
	both := bodies{treated: treated}
	if s.Others != nil {
		both.others = others
	}
	before := window{s.Start - s.Window, s.Start}
	earlier := before.moved(-s.Window)
	after := before.moved(s.Window + s.Settle)
	// Feedback goes from the first day on which anybody answered to the last.
	first, last := min(treated.first(), others.first()), max(treated.last(), others.last())
	r := Result{
		Treated: Windows{treated.in(earlier), treated.in(before), treated.in(after)},
		Others:  Windows{others.in(earlier), others.in(before), others.in(after)},
		Change:  found(nps.Compare(treated.in(after), treated.in(before))),
	}
	if r.Change != nil {
		figure := r.Change
		if both.others != nil {
			r.OthersChange = found(nps.Compare(others.in(after), others.in(before)))
			r.Effect = found(both.change(before, after))
			figure = r.Effect
		}
		if earlier.start >= first {
			r.Lead = found(both.change(earlier, before))
		}
		if figure != nil {
			r.Placebos = both.placebos(figure.Estimate, first, before.moved(-s.Window-s.Settle), s.Window+s.Settle)
		}
	}
	for _, c := range []struct {
		caveat Caveat
		holds  bool
	}{
		{NoControl, both.others == nil},
		{FewResponses, !both.enough(before, after)},
		{NotOver, after.end > s.Today},
		{DriftingBefore, r.Lead != nil && r.Lead.P() < nps.Significance},
		{NoYearBefore, last-first+1 < TwoYears},
	} {
		if c.holds {
			r.Caveats = append(r.Caveats, c.caveat)
		}
	}
	return r
}

func found(d nps.Difference, ok bool) *nps.Difference {
	if !ok {
		return nil
	}
	return &d
}

// bodies are those for whom something was done and, unless it was for all, the others.
type bodies struct{ treated, others body }

// change is how far the score moved from one window to another: that of the treated, less that of the others.
func (b bodies) change(from, to window) (nps.Difference, bool) {
	if b.others == nil {
		return nps.Compare(b.treated.in(to), b.treated.in(from))
	}
	return nps.CompareChanges(b.treated.in(to), b.treated.in(from), b.others.in(to), b.others.in(from))
}

// enough says whether there are MinResponses in each window, of the others too.
func (b bodies) enough(windows ...window) bool {
	for _, w := range windows {
		if b.treated.in(w).N() < MinResponses || b.others != nil && b.others.in(w).N() < MinResponses {
			return false
		}
	}
	return true
}

// placebos tries how far the score moved from a window to that which lies behind it by so many days, week by week back
// to the first day of feedback, and counts where that is at least as far as what was seen.
func (b bodies) placebos(seen float64, first int, from window, behind int) Placebos {
	// The same figure may come out otherwise in its last digits.
	const rounding = 1e-12
	var p Placebos
	for ; from.start >= first; from = from.moved(-week) {
		to := from.moved(behind)
		if !b.enough(from, to) {
			continue
		}
		p.Tried++
		if d, ok := b.change(from, to); ok && math.Abs(d.Estimate) >= math.Abs(seen)-rounding {
			p.AsLarge++
		}
	}
	return p
}

// window is the days from start to before end.
type window struct{ start, end int }

// moved is the window so many days later.
func (w window) moved(days int) window { return window{w.start + days, w.end + days} }

// body is a series of days from which any window is read off: what was answered before each day, the last of all days.
type body []nps.Counts

func newBody(days []nps.Counts) body {
	b := make(body, len(days)+1)
	for i, c := range days {
		b[i+1] = b[i].Add(c)
	}
	return b
}

// in is what was answered in a window, which may lie outside of the series.
func (b body) in(w window) nps.Counts {
	last := len(b) - 1
	from, to := b[max(0, min(w.start, last))], b[max(0, min(w.end, last))]
	return to.Sub(from)
}

// first is the first day with responses, or as good as never.
func (b body) first() int {
	for day := range len(b) - 1 {
		if b[day+1].N() > 0 {
			return day
		}
	}
	return math.MaxInt32
}

// last is the last day with responses, or that before the series where there are none.
func (b body) last() int {
	day := len(b) - 2
	for day >= 0 && b[day+1] == b[day] {
		day--
	}
	return day
}

// Package ordinal foretells what somebody would answer from what is known of them, and says first whether that is worth
// anything: a model learns from the earlier months and is judged on the later ones.
//
// The model is McCullagh's of proportional odds (Regression models for ordinal data, Journal of the Royal Statistical
// Society B 42, 1980), held back by a ridge. With η = Σ β over somebody's values, one β for each value of each trait,
//
//	P(detractor) = σ(θ₁ − η),  P(detractor or passive) = σ(θ₂ − η),  σ(x) = 1 ÷ (1 + e^−x),  θ₁ < θ₂,
//
// and θ and β are where Σ ln P of the answers − ½ × 4 × Σβ² is largest, the ridge being that of le Cessie and van
// Houwelingen (Ridge estimators in logistic regression, Applied Statistics 41, 1992). The higher η, the better the answer.
// The ridge is what lets each value have a β, with none as reference: of equal likelihoods it takes the smallest β.
//
// It is pure: no I/O, no clock, no randomness. The same responses give the same bits in whatever order profiles and cells
// come. No figure is NaN or infinite.
//
// It cannot show why, nor what anybody does: it foretells answers, of people like those who answered.
package ordinal

import (
	"iter"
	"maps"
	"slices"

	"github.com/zeroten/zeroten/internal/nps"
)

const (
	// MinMonths is how many months with responses it takes.
	MinMonths = 3
	// MinLearned is how many responses it takes to learn from, before it is judged.
	MinLearned = 300
	// MinJudged is how many responses it takes to be judged on.
	MinJudged = 200

	// MinValue is how many responses a value of a trait must have, among those that are learned from, to have a β of its
	// own. The others share that of Other.
	MinValue = 30

	// MaxColumns is how many β a model has at most, those of Other counted, one a trait: with 16 traits 50 values each, or
	// fewer traits with more. Where more values than that have MinValue responses, those with the most have one, whatever
	// their trait, and the rest count as Other. The work grows with the cube of it.
	MaxColumns = 800

	// Other is the name of a value that stands for many. It needs not be among a trait's values; where it is, its responses
	// count with the rare ones.
	Other = "(other)"

	// ridge is how much Σβ² is held against a model: 4 is to expect, in advance, β around 0 with a standard deviation of ½, so
	// that one value seldom makes the odds more than e times what they are. Between 1 and 16 little depends on it.
	ridge = 4
)

// Trait is what is known of people in one respect.
type Trait struct {
	// Key is the trait's name.
	Key string
	// Values are the names of its values, each once. Where as many have MinValue responses that MaxColumns has to choose,
	// the first of equals are kept: give them in an order that does not change, such as the alphabet's.
	Values []string
	// Of says which of Values each profile has, by the numbers of both.
	Of []uint16
}

// Cell is how people of one profile answered in one month.
type Cell struct {
	// Profile is a number that Of of all traits has. Several may have the same values. Memory is as for all up to the largest.
	Profile int
	// Month is any number that grows with time. Only the order counts: months without responses are none.
	Month int
	// Counts are none of them negative.
	Counts nps.Counts
}

// Reason is why there is no prediction.
type Reason string

// The reasons. The first four say that no model could be judged, the last that one was and failed.
const (
	NoResponses        Reason = "NO_RESPONSES"
	TooShort           Reason = "TOO_SHORT"             // fewer than MinMonths
	TooFewResponses    Reason = "TOO_FEW_RESPONSES"     // fewer than MinLearned or MinJudged
	NoVariation        Reason = "NO_VARIATION"          // a category is missing among those to learn from
	NoBetterThanChance Reason = "NO_BETTER_THAN_CHANCE" // than the shares of those learned from
)

// Evaluation is how well later responses were foretold from earlier ones.
type Evaluation struct {
	// Reason is empty where the model is usable.
	Reason Reason
	// Learned is how many responses were learned from before it was judged, LastLearned the last month of those, and Judged
	// how many later ones it was judged on. They are there, too, where that was too few or without variation, and 0 where
	// there were not months enough to divide.
	Learned, Judged int64
	LastLearned     int

	// What follows is there only where it was judged: Reason is empty or NoBetterThanChance.

	// LogLoss is the mean of −ln P of what people turned out to be, and Baseline the same for the shares of the three
	// categories that it learned from. Both are above 0, lower is better.
	LogLoss, Baseline float64
	// Gain is Baseline − LogLoss, and GainInterval its interval at 95 %, Gain ± 1.96 √(variance ÷ Judged) with the variance
	// of one response's gain. The model is usable where that lies above 0.
	Gain         float64
	GainInterval nps.Interval
	// Skill is Gain ÷ Baseline: 1 for certainty, 0 for nothing, below 0 for worse than nothing.
	Skill float64
	// AUC is how often a detractor has a higher predicted risk than another one, 0 to 1; equals count half, as in Hanley
	// and McNeil (The meaning and use of the area under a ROC curve, Radiology 143, 1982). Nil where there are no
	// detractors to be judged on, or nobody else.
	AUC *float64
	// Ranks says that AUC lies above ½ beyond chance: by 1.96 times the deviation that it would have if risks said nothing, by
	// the test of Mann and Whitney (On a test of whether one of two random variables is stochastically larger than the other,
	// Annals of Mathematical Statistics 18, 1947). A model may be usable that does not rank: where all people's answers moved,
	// and values that came up meanwhile tell when somebody answered, it knows the later shares better, and of two people nothing.
	Ranks bool
	// Lift is how many times more detractors than on average there are in the riskiest tenth, 0 to 10. Of the people of
	// equal risk that the tenth ends in, it takes as large a part as fits. Nil where there are no detractors to be judged on.
	Lift *float64
	// Calibration compares predicted shares of detractors with what came, lowest risk first: people of equal risk are
	// together, and a bin ends with a tenth of the responses or more. The last one has what is left.
	Calibration []Bin
}

// Bin is responses of about the same predicted risk.
type Bin struct {
	Responses int64
	// Predicted and Observed are shares of detractors, 0 to 1.
	Predicted, Observed float64
}

// Learn judges a model on the last months, as many as hold a quarter of the responses, but never on all of them, after it
// has learned from those before. Where it is usable it is learned anew from all months; otherwise there is none, and the
// evaluation has a Reason.
//
// The cells are gone through twice and must be the same then. They may come in any order, and a profile may have many in a
// month. See Work for how long it takes.
func Learn(traits []Trait, cells iter.Seq[Cell]) (*Model, Evaluation) {
	byMonth, profiles := map[int]int64{}, 0
	for c := range cells {
		if n := c.Counts.N(); n > 0 {
			byMonth[c.Month] += n
			profiles = max(profiles, c.Profile+1)
		}
	}
	last, reason := split(byMonth)
	if reason != "" {
		return nil, Evaluation{Reason: reason}
	}
	earlier, later := make([]nps.Counts, profiles), make([]nps.Counts, profiles)
	for c := range cells {
		switch {
		case c.Counts.N() == 0:
		case c.Month <= last:
			earlier[c.Profile] = earlier[c.Profile].Add(c.Counts)
		default:
			later[c.Profile] = later[c.Profile].Add(c.Counts)
		}
	}
	learned, judged := sum(earlier), sum(later)
	e := Evaluation{Learned: learned.N(), LastLearned: last, Judged: judged.N()}
	switch {
	case e.Learned < MinLearned || e.Judged < MinJudged:
		e.Reason = TooFewResponses
		return nil, e
	case learned.Detractors == 0 || learned.Passives == 0 || learned.Promoters == 0:
		e.Reason = NoVariation
		return nil, e
	}
	l := layOut(traits, earlier)
	rows := l.rows(earlier, later)
	e.judge(fit(rows, l.columns, ridge), rows, learned, judged)
	if e.Reason != "" {
		return nil, e
	}
	all := earlier
	for i, c := range later {
		all[i] = all[i].Add(c)
	}
	l = layOut(traits, all)
	return l.model(fit(l.rows(all, nil), l.columns, ridge)), e
}

// Work is about how many nanoseconds Learn takes on one processor of 2024, for so many profiles and so many values of each
// trait: what to charge for it before it is begun. It is that of two searches of six steps; four are enough where little can
// be foretold, and where nearly everything can it may be fifteen. Going through the cells comes on top.
func Work(profiles int, values ...int) int64 {
	columns, rows := 2, 1
	for _, n := range values {
		columns = min(columns+n+1, MaxColumns+2)
		rows = min(rows*(n+1), profiles)
	}
	// Each step adds up the rows by pairs of traits, and solves for all columns.
	traits := len(values)
	step := rows*(300+2*traits*traits) + columns*columns*columns/15 + 8*columns*columns
	return 60_000 + 2*int64(6*step+30*profiles*traits)
}

// split finds the last month to learn from.
func split(byMonth map[int]int64) (last int, reason Reason) {
	months := slices.Sorted(maps.Keys(byMonth))
	var total, judged int64
	for _, n := range byMonth {
		total += n
	}
	switch {
	case len(months) == 0:
		return 0, NoResponses
	case len(months) < MinMonths:
		return 0, TooShort
	}
	first := len(months)
	for first > 1 && 4*judged < total {
		first--
		judged += byMonth[months[first]]
	}
	return months[first-1], ""
}

func sum(counts []nps.Counts) (all nps.Counts) {
	for _, c := range counts {
		all = all.Add(c)
	}
	return all
}

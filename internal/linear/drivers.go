package linear

import (
	"cmp"
	"math"
	"slices"

	"github.com/zeroten/zeroten/internal/nps"
)

// fewestForDrivers is how many responses it takes to look for drivers.
const fewestForDrivers = 100

// Analysis is what goes with a score.
type Analysis struct {
	// Responses is how many were looked at.
	Responses int64
	// Explained is the share of the variance of single responses that all traits together explain, adjusted for how many
	// values there are (adjusted R²), from 0 to 1.
	Explained float64
	// Traits is empty where nothing was looked at. Else the trait with the largest own part comes first, then the one that
	// explains most alone, then the first; those of a single value come last.
	Traits []Driver
	// Reason is why there is no answer: NoResponses, TooFewResponses, NoVariation, or OneGroup where no trait has two
	// values. It is also TooFewResponses where there are parts alone and nothing more, since the values are as many as
	// the responses.
	Reason Reason
}

// Driver is a trait, and what goes with it.
type Driver struct {
	// Trait is its place in [Profile.Values].
	Trait int
	// Alone is what it explains where nothing else is looked at.
	Alone Part
	// Own is what only this trait explains: what would be lost without it, all other traits being there.
	Own Part
	// Values is most responses first; empty where Reason is OneGroup.
	Values []Value
	// Reason is OneGroup where the trait has a single value: then its parts have the same reason.
	Reason Reason
}

// Part is how much a trait explains, and whether it could be chance.
type Part struct {
	// Explained is the share of the variance of single responses, from 0 to 1: adjusted R² alone, and for an own part the
	// difference of adjusted R² with and without the trait; 0 where chance explains as much.
	Explained float64
	// Spread is √(explained × variance): how far values typically lie from the average, chance taken out, from 0 to 1.
	Spread float64
	// P is that of the F-test of least squares, and never less than responses like these can tell, see [Drivers].
	P float64
	// AdjustedP is P corrected by Holm's method for all traits that have one.
	AdjustedP float64
	// Reason is why there is none of this: OneGroup; for an own part also Confounded where other traits determine the trait,
	// and TooFewResponses where no response is left over to judge by.
	Reason Reason
}

// Significant reports whether there is a part, and its adjusted P is below [nps.Significance].
func (p Part) Significant() bool { return p.Reason == "" && p.AdjustedP < nps.Significance }

// Value is a value of a trait.
type Value struct {
	// Code is that of the profiles, or Other.
	Code int
	// Counts is how those answered who hold it.
	Counts nps.Counts
	// Share is theirs of all responses.
	Share float64
	// Effect is nil where other traits determine one of the trait's values, unless that is none in itself, as of those of whom it is
	// not known, which alone has none then; and where the own part has no answer.
	Effect *Effect
}

// Effect is how far a value lies from the average of its trait's values, weighted by responses, all other traits held fixed. A value that
// is none in itself is left out of the average where other traits determine it.
type Effect struct {
	// Effect is on the scale of scores.
	Effect float64
	// StandardError is the larger of the classical one and HC3. It is 0 where the model leaves nothing over, which says
	// nothing about how sure the effect is.
	StandardError float64
	// Interval is where the true effect lies with 95 % confidence; nil where there is no standard error. A model is a sum:
	// where few hold a value, its ends may lie beyond what scores can differ by.
	Interval *nps.Interval
}

// Drivers says which traits go with the score, and how much of it is their own. Values with fewer than least responses
// count as Other, and so do those beyond the MostValues largest of a trait. It takes 100 responses.
//
// The model is least squares on 1, 0 and −1 with a number for each value of each trait, and no interplay. A trait alone is
// tested with F = ((TSS − RSS)/(k − 1)) ÷ (RSS/(N − k)), k its values; its own part with the partial F of the model with and
// without it (Seber and Lee 2003, Linear Regression Analysis, chapter 4). F is the classical one, since for rare values it
// keeps its promise where tests on robust covariances do not. The intervals of effects are Student's t with the larger of
// two standard errors: the classical is too small where those of a value are divided, HC3 where they nearly agree.
//
// An F-test may say less than any true test can: an answer that only one of a hundred gives, and a value that only this one
// has, coincide once in a hundred times. So P is at least one in the number of ways to deal out these responses, N! ÷ (d! a!
// p!), the least P of a permutation test (Fisher 1935); it decides nothing but where nearly all are of one category.
func Drivers(profiles []Profile, least int64) Analysis {
	analysis, _ := PaidDrivers(profiles, least, nil, free) // which never fails
	return analysis
}

// PaidDrivers is Drivers for a caller who pays: the error is that of pay, before what it does not pay for is done. Unknown says
// which values of a trait are none in themselves, as that of those of whom it is not known: where other traits determine such a one it
// has no effect, and the others have theirs. Nil is that there are none.
func PaidDrivers(profiles []Profile, least int64, unknown func(trait, code int) bool, pay Pay) (Analysis, error) {
	if err := pay(tableWork(profiles)); err != nil {
		return Analysis{}, err
	}
	t := newTable(profiles, least)
	t.unknown = unknown
	if err := pay(t.driversWork()); err != nil {
		return Analysis{}, err
	}
	return t.drivers(), nil
}

// drivers are those of a table.
func (t *table) drivers() Analysis {
	analysis := Analysis{Responses: t.all.N()}
	switch tss := around(t.all); {
	case analysis.Responses == 0:
		analysis.Reason = NoResponses
		return analysis
	case analysis.Responses < fewestForDrivers:
		analysis.Reason = TooFewResponses
		return analysis
	case tss == 0:
		analysis.Reason = NoVariation
		return analysis
	case !t.varies():
		analysis.Reason = OneGroup
	}

	traits := make([]Driver, len(t.traits))
	for trait, values := range t.traits {
		traits[trait] = Driver{Trait: trait, Alone: t.alone(trait), Own: Part{Reason: OneGroup}, Reason: OneGroup}
		if len(values) > 1 {
			traits[trait].Reason = ""
		}
	}
	if analysis.Reason == "" {
		f := newFit(t)
		if f.df > 0 {
			analysis.Explained = max(0, 1-(f.rss/f.df)/f.variance())
		} else {
			analysis.Reason = TooFewResponses
		}
		f.own(traits)
	}
	correct(traits, func(d *Driver) *Part { return &d.Alone })
	correct(traits, func(d *Driver) *Part { return &d.Own })
	slices.SortStableFunc(traits, func(a, b Driver) int {
		return cmp.Or(
			cmp.Compare(a.Reason, b.Reason), // none, or OneGroup
			cmp.Compare(b.Own.Explained, a.Own.Explained),
			cmp.Compare(b.Alone.Explained, a.Alone.Explained),
		)
	})
	analysis.Traits = traits
	return analysis
}

// variance is that of a response, divided by n − 1.
func (t *table) variance() float64 { return around(t.all) / (size(t.all) - 1) }

// part is what explains so much, by the F-test with a and b degrees of freedom.
func (t *table) part(explained, f, a, b float64) Part {
	explained = min(max(0, explained), 1)
	return Part{
		Explained: explained,
		Spread:    min(math.Sqrt(explained*t.variance()), 1),
		P:         min(max(fisherTail(f, a, b), surest(t.all)), 1),
	}
}

// alone is what a trait explains where nothing else is looked at.
func (t *table) alone(trait int) Part {
	values := t.traits[trait]
	if len(values) < 2 {
		return Part{Reason: OneGroup}
	}
	mean := score(t.all)
	between, within := 0.0, 0.0
	for _, v := range values {
		off := score(v.counts) - mean
		between += size(v.counts) * off * off
		within += around(v.counts)
	}
	a, b := float64(len(values)-1), size(t.all)-float64(len(values))
	return t.part(1-(within/b)/t.variance(), (between/a)/(within/b), a, b)
}

// own completes traits that have two values.
func (f *fit) own(traits []Driver) {
	var meat [][]float64
	if f.df > 0 {
		meat = f.meat()
	}
	for i := range traits {
		d := &traits[i]
		if d.Reason != "" {
			continue
		}
		more, columns := f.without(d.Trait)
		d.Own = f.ownPart(more, float64(columns))
		var effects []*Effect
		if d.Own.Reason == "" {
			effects = f.effects(d.Trait, meat)
		}
		for k, v := range f.traits[d.Trait] {
			value := Value{Code: v.code, Counts: v.counts, Share: size(v.counts) / size(f.all)}
			if effects != nil {
				value.Effect = effects[k]
			}
			d.Values = append(d.Values, value)
		}
	}
}

// ownPart is of a trait without which the model would leave over so much more, in so many fewer columns.
func (f *fit) ownPart(more, columns float64) Part {
	switch {
	case columns == 0:
		return Part{Reason: Confounded}
	case f.df == 0:
		return Part{Reason: TooFewResponses}
	}
	explained := ((f.rss+more)/(f.df+columns) - f.rss/f.df) / f.variance()
	if more == 0 { // whether or not anything is left over
		return f.part(explained, 0, columns, f.df)
	}
	return f.part(explained, (more/columns)/(f.rss/f.df), columns, f.df)
}

// effects is one for each value of a trait, nil for the one that other traits determine; nil where there are none.
func (f *fit) effects(trait int, meat [][]float64) []*Effect {
	apart := f.apart(trait)
	if apart == nil {
		return nil
	}
	values, columns := f.traits[trait], f.column[f.first[trait]:]
	n := 0.0
	for k, v := range values {
		switch {
		case apart[k]:
			n += size(v.counts)
		case f.unknown == nil || !f.unknown(trait, v.code):
			return nil // what is left over is no average of the trait
		}
	}
	from, to := f.of(trait)
	classical, robust := f.covariances(trait, meat)
	within := studentWithin(f.df)
	effects := make([]*Effect, len(values))
	contrast := make([]float64, to-from)
	for k := range values {
		if !apart[k] {
			continue
		}
		e := &Effect{}
		effects[k] = e
		clear(contrast)
		for i, v := range values {
			c := columns[i] - from
			if columns[i] < 0 || !apart[i] {
				continue
			}
			contrast[c] = -size(v.counts) / n
			if i == k {
				contrast[c]++
			}
			e.Effect += contrast[c] * f.beta[from+c]
		}
		if f.rss == 0 {
			continue
		}
		e.StandardError = math.Sqrt(max(0, along(classical, contrast), along(robust, contrast)))
		reach := within * e.StandardError
		e.Interval = &nps.Interval{Low: e.Effect - reach, High: e.Effect + reach}
	}
	return effects
}

// correct fills in the adjusted P of those parts that have one.
func correct(traits []Driver, of func(*Driver) *Part) {
	var parts []*Part
	for i := range traits {
		if p := of(&traits[i]); p.Reason == "" {
			parts = append(parts, p)
		}
	}
	p := make([]float64, len(parts))
	for i, part := range parts {
		p[i] = part.P
	}
	for i, adjusted := range nps.Holm(p) {
		parts[i].AdjustedP = adjusted
	}
}

package ordinal

import (
	"encoding/json"
	"fmt"
	"math"
)

// Model is what was learned. It is plain data, which JSON writes the same each time: some 25 bytes a β, and the values'
// names. It knows values by these, so that whatever numbers they had when it was learned may change. It must not be changed
// beside Predict.
type Model struct {
	// Theta are θ₁ and θ₂, which ascend.
	Theta [2]float64 `json:"theta"`
	// Traits are those that it was learned from, in their order.
	Traits []Effects `json:"traits"`
}

// Effects are the β of one trait's values: how much better people of that value answer than others would, as logits.
type Effects struct {
	// Key is the trait's name.
	Key string `json:"key"`
	// Values are the β of the values that have one of their own, by name.
	Values map[string]float64 `json:"values"`
	// Other is that of all other values, those never heard of as well. It is 0 where nobody had such a value.
	Other float64 `json:"other"`
}

// Prediction is how likely somebody is what: each from 0 to 1, and 1 together.
type Prediction struct{ Detractor, Passive, Promoter float64 }

// Predict foretells what somebody would answer. There is a value for each of the model's traits, in their order; it panics
// where there are more or fewer, since those of other traits would be taken for these.
func (m *Model) Predict(values []string) Prediction {
	if len(values) != len(m.Traits) {
		panic(fmt.Sprintf("ordinal: %d values for %d traits", len(values), len(m.Traits)))
	}
	eta := 0.0
	for i, value := range values {
		trait := &m.Traits[i]
		beta, ok := trait.Values[value]
		if !ok {
			beta = trait.Other
		}
		eta += beta
	}
	low, high := m.Theta[0], m.Theta[1]
	return Prediction{
		Detractor: sigmoid(low - eta),
		// A product, and not a difference of two that may be equal but for their rounding.
		Passive:  sigmoid(high-eta) * sigmoid(eta-low) * -math.Expm1(low-high),
		Promoter: sigmoid(eta - high),
	}
}

// digits is what β are rounded to: beyond it is rounding, which the next machine does in another way, and JSON would carry
// it along.
const digits = 1e10

// model gives what was fitted its names.
func (l *layout) model(fitted parameters) *Model {
	low, high := fitted.theta()
	m := &Model{Theta: [2]float64{low, high}, Traits: make([]Effects, len(l.traits))}
	beta := func(column int32) float64 {
		return math.Round(fitted.beta()[column]*digits)/digits + 0 // of −0, 0 is made so
	}
	for t, trait := range l.traits {
		effects := Effects{Key: trait.Key, Values: map[string]float64{}, Other: beta(l.others[t])}
		for code, column := range l.of[t] {
			if column != l.others[t] {
				effects.Values[trait.Values[code]] = beta(column)
			}
		}
		m.Traits[t] = effects
	}
	return m
}

// most is more than any parameter of a model is.
const most = 1e6

// UnmarshalJSON reads what a Model was written as, and fails where it is none that could be predicted from: θ does not
// ascend, or a parameter is beyond reason.
func (m *Model) UnmarshalJSON(text []byte) error {
	type plain Model // without this method
	var read plain
	if err := json.Unmarshal(text, &read); err != nil {
		return fmt.Errorf("reading a model: %w", err)
	}
	low, high := read.Theta[0], read.Theta[1]
	if !(-most < low && low < high && high < most) {
		return fmt.Errorf("reading a model: θ is %v", read.Theta)
	}
	for _, t := range read.Traits {
		for value, beta := range t.Values {
			if math.Abs(beta) > most {
				return fmt.Errorf("reading a model: β of %q of trait %q is %v", value, t.Key, beta)
			}
		}
		if math.Abs(t.Other) > most {
			return fmt.Errorf("reading a model: β of others of trait %q is %v", t.Key, t.Other)
		}
	}
	*m = Model(read)
	return nil
}

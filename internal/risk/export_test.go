package risk

import (
	"time"

	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/ordinal"
	"github.com/zeroten/zeroten/internal/trait"
)

// Between has f called whenever a piece of work is done and nothing is locked.
func (k *Keeper) Between(f func()) { k.between = f }

// Same is for tests.
var Same = same

// Decode reads what is stored of a model, and gives what it foretells.
func Decode(dimensions, model []byte) (predict func(trait.Values, calendar.Day) ordinal.Prediction, err error) {
	l, err := decode(dimensions, model)
	if err != nil {
		return nil, err
	}
	return l.predict, nil
}

// OneByOne has a run of the job do one piece of work.
func (k *Keeper) OneByOne() { k.slice = 0 }

// Punctual takes all ids to be seen at once, so that nothing is gone through again for those who come late.
func (k *Keeper) Punctual() { k.late = -time.Hour }

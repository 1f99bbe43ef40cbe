package graph

import (
	"testing"

	"github.com/google/uuid"
	people "github.com/zeroten/zeroten/internal/contact"
)

// However many aliases ask for the values of a trait, they are counted once a request, and anew for the next.
func TestValuesAreCountedOnce(t *testing.T) {
	trait, other := uuid.New(), uuid.New()
	counted := map[uuid.UUID]int{}
	ask := func(l *loaders, trait uuid.UUID) {
		t.Helper()
		values, err := l.valuesOf(trait, func() ([]*people.Value, error) {
			counted[trait]++
			return []*people.Value{{Value: trait.String()}}, nil
		})
		if err != nil || len(values) != 1 || values[0].Value != trait.String() {
			t.Errorf("got %v, %v", values, err)
		}
	}
	for range 2 {
		l := loadersOf(withLoaders(t.Context(), nil))
		for range 3 {
			ask(l, trait)
			ask(l, other)
		}
	}
	if counted[trait] != 2 || counted[other] != 2 {
		t.Errorf("in two requests they were counted %v times", counted)
	}
}

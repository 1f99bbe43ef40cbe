package graph

import (
	"context"
	"testing"

	"github.com/google/uuid"
	people "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/flight"
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

// Fields that wait for what another one reads are told of its panic, as that one is, and not that there is nothing.
func TestLoaderPanics(t *testing.T) {
	begun, wait := make(chan struct{}), make(chan struct{})
	l := newLoader(func(context.Context, []uuid.UUID) (map[uuid.UUID]*people.Value, error) {
		close(begun)
		<-wait
		panic("oops")
	})
	first, second := uuid.New(), uuid.New()
	l.want(second)
	errs := make(chan error, 2)
	load := func(id uuid.UUID) {
		_, err := l.load(t.Context(), id)
		errs <- err
	}
	go load(first)
	<-begun
	go load(second)
	close(wait)
	for range 2 {
		if err := <-errs; !flight.IsPanic(err) {
			t.Errorf("got %v", err)
		}
	}
}

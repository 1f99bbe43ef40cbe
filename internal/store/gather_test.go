package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
)

func TestGatherPutsLookupsTogether(t *testing.T) {
	rounds, release := make(chan []int), make(chan struct{})
	g := store.NewGather(func(_ context.Context, keys []int) (map[int]int, error) {
		rounds <- keys
		<-release
		found := map[int]int{}
		for _, k := range keys {
			if k < 100 {
				found[k] = k * k
			}
		}
		return found, nil
	})
	type answer struct {
		key, value int
		err        error
	}
	answers := make(chan answer)
	ask := func(key int) {
		v, err := g.Get(context.Background(), key)
		answers <- answer{key, v, err}
	}
	// As many as may run at once begin at once, each by itself.
	for k := range 4 {
		go ask(k)
		if keys := <-rounds; !slices.Equal(keys, []int{k}) {
			t.Fatalf("got %v, want %d alone", keys, k)
		}
	}
	// What comes meanwhile is one round, whenever that is.
	const more = 50
	for k := range more {
		go ask(10 + k%5)
	}
	close(release)
	n := 0
	for got := 0; got < 4+more; {
		select {
		case keys := <-rounds:
			n++
			if len(keys) > 5 {
				t.Errorf("a round looks %v up: keys twice", keys)
			}
		case a := <-answers:
			got++
			if a.err != nil || a.value != a.key*a.key {
				t.Errorf("got %+v", a)
			}
		}
	}
	if n == 0 || n > more {
		t.Errorf("%d rounds", n)
	}
	go ask(100)
	<-rounds
	if a := <-answers; a.value != 0 || a.err != nil {
		t.Errorf("of what there is none: %+v", a)
	}
}

func TestGatherGivesUpWithItsCallerAndNotForOthers(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	g := store.NewGather(func(ctx context.Context, keys []int) (map[int]int, error) {
		close(begun)
		<-release
		return map[int]int{keys[0]: 1}, ctx.Err()
	})
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error)
	go func() {
		_, err := g.Get(ctx, 1)
		errs <- err
	}()
	<-begun
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
}

func TestGatherTellsErrors(t *testing.T) {
	broken := errors.New("broken")
	g := store.NewGather(func(context.Context, []int) (map[int]int, error) { return nil, broken })
	if _, err := g.Get(context.Background(), 1); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// Callers of one round may be of different tenants: one who has no more points must fail nobody else, nor pay for others.
func TestGatherIsPaidForByNobody(t *testing.T) {
	g := store.NewGather(func(ctx context.Context, keys []int) (map[int]int, error) {
		return map[int]int{keys[0]: 1}, errors.Join(rate.Spend(ctx, 1), rate.SpendUnseen(ctx, 1), rate.SpendBlind(ctx, 1))
	})
	for _, blind := range []bool{false, true} {
		poor := rate.WithSpender(t.Context(), func(int) error { return errors.New("no more points") }, blind)
		if v, err := g.Get(poor, 7); v != 1 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
	}
}

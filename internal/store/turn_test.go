package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

func TestTurnsAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &DB{Dialect: SQLite, turns: make(chan struct{}, 1)}
		first, err := db.turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Somebody who gives up does not hold up the others.
		ctx, giveUp := context.WithCancelCause(t.Context())
		gaveUp := make(chan error, 1)
		go func() {
			_, err := db.turn(ctx)
			gaveUp <- err
		}()
		synctest.Wait()
		const writers = 50
		var order []int
		for i := range writers {
			go func() {
				done, err := db.turn(t.Context())
				if err != nil {
					t.Error(err)
				}
				order = append(order, i)
				done()
			}()
			synctest.Wait() // it waits now
		}
		impatient := errors.New("impatient")
		giveUp(impatient)
		if err := <-gaveUp; !errors.Is(err, impatient) {
			t.Errorf("got %v", err)
		}
		first()
		// Whoever comes back at once stands at the end, as the next step of a rebuild does.
		again, err := db.turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		again()
		synctest.Wait()
		if len(order) != writers || !slices.IsSorted(order) {
			t.Errorf("got %v", order)
		}
	})
}

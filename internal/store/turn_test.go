package store

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurnsAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &DB{Dialect: SQLite, turns: make(chan struct{}, 1), wrote: new(atomic.Int64)}
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

// TestWrote has turns be held and waited for: those who hold one write, and on PostgreSQL nobody is in the way of others.
func TestWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &DB{Dialect: SQLite, turns: make(chan struct{}, 1), wrote: new(atomic.Int64)}
		for range 2 {
			go func() {
				done, err := db.turn(t.Context())
				if err != nil {
					t.Error(err)
				}
				<-time.After(time.Second)
				done()
			}()
		}
		<-time.After(5 * time.Second)
		if got := db.Wrote(); got != 2*time.Second {
			t.Errorf("two who held a turn for a second each wrote for %v", got)
		}
		if got := (&DB{Dialect: Postgres}).Wrote(); got != 0 {
			t.Errorf("on PostgreSQL somebody was in the way of others for %v", got)
		}
	})
}

package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurnsAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &DB{Dialect: SQLite, turns: make(chan struct{}, 1), writing: &writing{}}
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

// TestWrote has two write at once: on SQLite one of them waits, and on PostgreSQL the time of both is the same.
func TestWrote(t *testing.T) {
	for _, test := range []struct {
		dialect string
		want    time.Duration
	}{
		{SQLite, 2 * time.Second},
		{Postgres, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			db := &DB{Dialect: test.dialect, writing: &writing{}}
			if test.dialect == SQLite {
				db.turns = make(chan struct{}, 1)
			}
			for range 2 {
				go func() {
					done, err := db.turn(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					<-time.After(time.Second)
					done()
				}()
			}
			<-time.After(500 * time.Millisecond)
			if got := db.Wrote(); got != 500*time.Millisecond {
				t.Errorf("%s: after half a second somebody wrote for %v", test.dialect, got)
			}
			<-time.After(5 * time.Second)
			if got := db.Wrote(); got != test.want {
				t.Errorf("%s: two who wrote for a second each wrote for %v, want %v", test.dialect, got, test.want)
			}
		})
	}
}

package graph

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	people "github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/flight"
)

// However many aliases ask for the values of a trait, they are counted once a request, and anew for the next.
func TestValuesAreCountedOnce(t *testing.T) {
	trait, other := uuid.New(), uuid.New()
	counted := map[uuid.UUID]int{}
	ask := func(l *loaders, trait uuid.UUID) {
		t.Helper()
		values, err := l.valuesOf(t.Context(), trait, func() ([]*people.Value, error) {
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

// However many lists come to a contact at a time, it is looked up once a request whether it is visible to the caller; more
// contacts than are kept are looked up again, and so is what could not be looked up.
func TestContactsAreLookedAtOnce(t *testing.T) {
	contacts := make([]uuid.UUID, maxSeen+100)
	want := make(map[uuid.UUID]bool, len(contacts))
	for i := range contacts {
		contacts[i] = uuid.New()
		want[contacts[i]] = i%3 == 0
	}
	var looks atomic.Int64
	failing := true
	look := loadersOf(withLoaders(t.Context(), nil)).visibleOnce(func(_ context.Context, some []uuid.UUID) (map[uuid.UUID]bool, error) {
		if failing {
			return nil, errors.New("away")
		}
		looks.Add(int64(len(some)))
		visible := map[uuid.UUID]bool{}
		for _, c := range some {
			if want[c] { // those that there are not may be missing
				visible[c] = true
			}
		}
		return visible, nil
	})
	if _, err := look(t.Context(), contacts[:10]); err == nil {
		t.Error("no error")
	}
	failing = false
	var lists sync.WaitGroup
	for list := range 8 {
		lists.Go(func() {
			for at := 0; at < len(contacts); at += 500 + list {
				part := contacts[at:min(at+500+list, len(contacts))]
				got, err := look(t.Context(), part)
				if err != nil {
					t.Error(err)
				}
				for _, c := range part {
					if got[c] != want[c] {
						t.Errorf("%v: visible is %v", c, got[c])
					}
				}
			}
		})
	}
	lists.Wait()
	if n := looks.Load(); n < int64(len(contacts)) || n > maxSeen+8*100 {
		t.Errorf("%d were looked up for %d contacts", n, len(contacts))
	}
	// Who waits for another's look goes when the request ends.
	l := loadersOf(withLoaders(t.Context(), nil))
	ended, cancel := context.WithCancel(t.Context())
	_, err := l.visibleOnce(func(context.Context, []uuid.UUID) (map[uuid.UUID]bool, error) {
		cancel()
		_, err := l.visibleOnce(nil)(ended, contacts[:1])
		return nil, err
	})(t.Context(), contacts[:1])
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A contact is looked for once a request by what it is asked for by, however often it is, and an empty text is not a missing one.
func TestAContactIsFoundOnce(t *testing.T) {
	l := loadersOf(withLoaders(t.Context(), nil))
	var finds atomic.Int64
	find := func(by [3]*string) *ent.Contact {
		c, err := l.contactBy(t.Context(), by, func() (*ent.Contact, error) {
			finds.Add(1)
			return &ent.Contact{ID: uuid.New()}, nil
		})
		if err != nil {
			t.Error(err)
		}
		return c
	}
	keys := [][3]*string{{new("a"), nil, nil}, {nil, new("a"), nil}, {nil, nil, new("a")}, {nil, new("b"), nil}, {nil, new(""), nil}, {}, {new(""), new("a"), nil}}
	if find([3]*string{nil, nil, new("Ada@X.example")}) != find([3]*string{nil, nil, new("ada@x.EXAMPLE")}) {
		t.Error("an address in other letters is another contact")
	}
	finds.Store(0)
	first := make([]*ent.Contact, len(keys))
	for i, key := range keys {
		first[i] = find(key)
	}
	var aliases sync.WaitGroup
	for range 15 {
		for i, key := range keys {
			aliases.Go(func() {
				if find(key) != first[i] {
					t.Errorf("another for %d", i)
				}
			})
		}
	}
	aliases.Wait()
	if n := finds.Load(); n != int64(len(keys)) {
		t.Errorf("%d were looked for, want %d", n, len(keys))
	}
}

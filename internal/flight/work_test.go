package flight

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
)

// Whoever waits for work gets what it gave, once it is over, and an error whatever it ended by.
func TestWork(t *testing.T) {
	for name, test := range map[string]struct {
		f     func() (int, error)
		want  int
		err   string
		panic bool
	}{
		"value": {func() (int, error) { return 7, nil }, 7, "", false},
		"error": {func() (int, error) { return 0, errOops }, 0, "oops", false},
		"panic": {func() (int, error) { panic(errOops) }, 0, "panic: oops", true},
		"exit":  {func() (int, error) { runtime.Goexit(); return 7, nil }, 0, "without a result", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := New[int]()
			if v, over, err := w.Peek(); v != 0 || over || err != nil {
				t.Errorf("before it began: %d, %t, %v", v, over, err)
			}
			const waiting = 8
			errs := make(chan error, waiting)
			for range waiting {
				go func() {
					v, err := w.Wait(t.Context())
					if v != test.want {
						t.Errorf("got %d, want %d", v, test.want)
					}
					errs <- err
				}()
			}
			w.Begin(test.f)
			first := <-errs
			if got := first != nil; got != (test.err != "") || got && !strings.Contains(first.Error(), test.err) || IsPanic(first) != test.panic {
				t.Errorf("got %v, want %q", first, test.err)
			}
			for range waiting - 1 {
				if err := <-errs; !errors.Is(err, first) {
					t.Errorf("one is told %v, another %v", first, err)
				}
			}
			if v, over, err := w.Peek(); v != test.want || !over || !errors.Is(err, first) {
				t.Errorf("afterwards: %d, %t, %v", v, over, err)
			}
		})
	}
}

// Who does work on a goroutine of their own goes on after a panic, and whoever gives up is told why.
func TestWorkIsDoneHere(t *testing.T) {
	w := New[int]()
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(errOops)
	if _, err := w.Wait(gone); !errors.Is(err, errOops) || IsPanic(err) {
		t.Errorf("of a caller that is gone: %v", err)
	}
	w.Do(func() (int, error) { panic("oops") })
	if _, err := w.Wait(t.Context()); !IsPanic(err) {
		t.Errorf("got %v", err)
	}
}

// A memo does its work once for each key, also where it panics, and whoever waits for it may give up.
func TestMemo(t *testing.T) {
	for name, test := range map[string]struct {
		f     func() (int, error)
		want  int
		panic bool
	}{
		"value": {func() (int, error) { return 7, nil }, 7, false},
		"error": {func() (int, error) { return 0, errOops }, 0, false},
		"panic": {func() (int, error) { panic(errOops) }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			var m Memo[string, int]
			begun, release, over := make(chan struct{}), make(chan struct{}), make(chan error)
			calls := 0
			work := func() (int, error) {
				calls++
				close(begun)
				<-release
				return test.f()
			}
			go func() {
				_, err := m.Do(t.Context(), "k", work)
				over <- err
			}()
			<-begun
			gone, cancel := context.WithCancelCause(t.Context())
			cancel(context.Canceled)
			if _, err := m.Do(gone, "k", work); !errors.Is(err, context.Canceled) {
				t.Errorf("of a caller that is gone: %v", err)
			}
			if v, err := m.Do(t.Context(), "other", func() (int, error) { return 8, nil }); v != 8 || err != nil {
				t.Errorf("another key meanwhile: %d, %v", v, err)
			}
			close(release)
			first := <-over
			if v, err := m.Do(t.Context(), "k", work); v != test.want || calls != 1 || !errors.Is(err, first) || (err == nil) != (test.want != 0) || IsPanic(err) != test.panic {
				t.Errorf("again: %d, %v, by %d calls, where the first was told %v", v, err, calls, first)
			}
		})
	}
}

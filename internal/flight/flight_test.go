package flight

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

var errOops = errors.New("oops")

// Whoever waits for work that panics gets an error, the same one; and the work is done anew for whoever asks later.
func TestGroupPanics(t *testing.T) {
	var g Group[string, int]
	begun, wait := make(chan struct{}), make(chan struct{})
	errs := make(chan error, 8)
	ask := func() {
		_, err := g.Do(t.Context(), "k", time.Minute, func(context.Context) (int, error) {
			close(begun)
			<-wait
			panic(errOops)
		})
		errs <- err
	}
	var all sync.WaitGroup
	all.Go(ask)
	<-begun
	for range 7 {
		all.Go(func() {
			_, err := g.Do(t.Context(), "k", time.Minute, func(context.Context) (int, error) { panic(errOops) })
			errs <- err
		})
	}
	close(wait)
	all.Wait()
	for range 8 {
		err := <-errs
		if !IsPanic(err) || !errors.Is(err, errOops) || !strings.Contains(err.Error(), "TestGroupPanics") {
			t.Fatalf("got %v", err)
		}
	}
	v, err := g.Do(t.Context(), "k", time.Minute, func(context.Context) (int, error) { return 7, nil })
	if v != 7 || err != nil {
		t.Errorf("afterwards: %d, %v", v, err)
	}
}

func TestGroup(t *testing.T) {
	var g Group[string, string]
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), errOops, "value"))
	cancel()
	got := make(chan any, 2)
	release := make(chan struct{})
	_, err := g.Do(ctx, "k", time.Minute, func(ctx context.Context) (string, error) {
		<-release
		got <- ctx.Value(errOops)
		got <- ctx.Err()
		return "", nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("of a caller that is gone: %v", err)
	}
	close(release)
	if v, err := <-got, <-got; v != "value" || err != nil {
		t.Errorf("the work's context has %v, and ended with %v", v, err)
	}
	if _, err := g.Do(t.Context(), "other", time.Minute, func(context.Context) (string, error) { return "", errOops }); !errors.Is(err, errOops) || IsPanic(err) {
		t.Errorf("an error: %v", err)
	}
}

// Nothing that is begun here ends the process.
func TestGoes(t *testing.T) {
	for name, begin := range map[string]func(f func(), caught func(*Fault)){
		"Go":    Go,
		"After": func(f func(), caught func(*Fault)) { After(0, f, caught) },
		"When": func(f func(), caught func(*Fault)) {
			ctx, cancel := context.WithCancel(t.Context())
			When(ctx, f, caught)
			cancel()
		},
	} {
		caught := make(chan *Fault)
		begin(func() { panic("oops") }, func(f *Fault) { caught <- f })
		if f := <-caught; !f.Panicked() || !strings.HasPrefix(f.Error(), "panic: oops\n") {
			t.Errorf("%s: %v", name, f)
		}
	}
}

// What goes on in the background goes on after a panic.
func TestSteadily(t *testing.T) {
	calls, faults := 0, 0
	steadily(t.Context(), 0, func() {
		if calls++; calls < 4 {
			panic(calls)
		}
	}, func(*Fault) { faults++ })
	if calls != 4 || faults != 3 {
		t.Errorf("%d calls, %d faults", calls, faults)
	}
	ctx, cancel := context.WithCancel(t.Context())
	Steadily(ctx, func() { cancel(); panic("oops") }, func(*Fault) { faults++ })
	if faults != 4 {
		t.Errorf("%d faults", faults)
	}
}

// A fault is logged once, however many are told of it, and stays the same however it is handed on.
func TestIncident(t *testing.T) {
	var log bytes.Buffer
	logged := Logged(slog.New(slog.NewTextHandler(&log, nil)), "working")
	err := Run(func() error { panic("oops") })
	f, ok := errors.AsType[*Fault](Shared(err))
	if !ok || error(f) != err {
		t.Fatalf("%v is not %v", f, err)
	}
	again := Run(func() error { panic(f) })
	if again != err {
		t.Errorf("thrown again it is %v", again)
	}
	logged(f)
	logged(f)
	id, first := f.Incident()
	if strings.Count(log.String(), id) != 1 || first || !strings.Contains(log.String(), "TestIncident") {
		t.Errorf("logged: %s", &log)
	}
	if Shared(nil) != nil {
		t.Error("nothing is something")
	}
}

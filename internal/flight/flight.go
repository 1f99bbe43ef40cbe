// Package flight is for work on goroutines of its own: what many wait for and is done once, and what goes on in the
// background. A panic there would end the process, whoever caused it. Here it is a Fault, which whoever waits gets as an
// error, and nothing else ends for it. No other package has a go statement; a test sees to that.
package flight

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Fault is a panic, or an error of work that several share. They are all told of the same one, and it is logged once.
type Fault struct { //nolint:errname // flight.Fault says it
	err      error
	stack    []byte // nil where there was no panic
	incident string
	told     atomic.Bool
}

// Recovered makes a Fault of what recover gave; it must be called where that was. One that comes through again stays
// what it is.
func Recovered(p any) *Fault {
	if f, ok := p.(*Fault); ok {
		return f
	}
	err, ok := p.(error)
	if !ok {
		err = fmt.Errorf("%v", p)
	}
	return &Fault{err: err, stack: debug.Stack(), incident: newIncident()}
}

// Shared makes an error one that several may be told of, and that is logged once; nil stays nil.
func Shared(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Fault](err); ok {
		return err
	}
	return &Fault{err: err, incident: newIncident()}
}

func newIncident() string { return rand.Text()[:12] }

// Error says what went wrong and, of a panic, where.
func (f *Fault) Error() string {
	if f.stack == nil {
		return f.err.Error()
	}
	return fmt.Sprintf("panic: %v\n%s", f.err, f.stack)
}

// Unwrap is the error; of a panic what it was called with, if that is one.
func (f *Fault) Unwrap() error { return f.err }

// Panicked reports whether there was a panic.
func (f *Fault) Panicked() bool { return f.stack != nil }

// Incident is the name that the fault goes by in the log and to callers. first is true for the first who asks alone,
// who is to log it.
func (f *Fault) Incident() (id string, first bool) { return f.incident, !f.told.Swap(true) }

// IsPanic reports whether a panic is behind an error.
func IsPanic(err error) bool {
	f, ok := errors.AsType[*Fault](err)
	return ok && f.Panicked()
}

// Catch is deferred: it makes a panic the function's error.
func Catch(err *error) {
	if p := recover(); p != nil {
		*err = Recovered(p)
	}
}

// Run calls f, and gives a panic of it as an error.
func Run(f func() error) (err error) {
	defer Catch(&err)
	return f()
}

// Go runs f on a goroutine of its own. Where it panics caught is called there, after what f deferred.
func Go(f func(), caught func(*Fault)) {
	go run(f, caught)
}

// After runs f on a goroutine of its own once d has passed, as time.AfterFunc does.
func After(d time.Duration, f func(), caught func(*Fault)) *time.Timer {
	return time.AfterFunc(d, func() { run(f, caught) })
}

// When runs f on a goroutine of its own once ctx ends, as context.AfterFunc does.
func When(ctx context.Context, f func(), caught func(*Fault)) (stop func() bool) {
	return context.AfterFunc(ctx, func() { run(f, caught) })
}

func run(f func(), caught func(*Fault)) {
	defer func() {
		if p := recover(); p != nil {
			caught(Recovered(p))
		}
	}()
	f()
}

// again is how long Steadily rests after a panic.
const again = time.Second

// Steadily calls f, which goes on until it is told to end; where it panics it is called again after a second, until ctx
// ends.
func Steadily(ctx context.Context, f func(), caught func(*Fault)) { steadily(ctx, again, f, caught) }

func steadily(ctx context.Context, again time.Duration, f func(), caught func(*Fault)) {
	for panicked := true; panicked && ctx.Err() == nil; {
		panicked = false
		run(f, func(fault *Fault) {
			panicked = true
			caught(fault)
		})
		if !panicked {
			return
		}
		rest := time.NewTimer(again)
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
		}
	}
}

// Logged is what to do with the panics of work that nobody waits for: to log them. log may be nil for the default one.
func Logged(log *slog.Logger, doing string) func(*Fault) {
	return func(f *Fault) {
		if log == nil {
			log = slog.Default()
		}
		if incident, first := f.Incident(); first {
			log.Error(doing, "incident", incident, "panic", fmt.Sprint(f.err), "stack", string(f.stack))
		}
	}
}

package tenant

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/store"
)

// Watcher ends what goes on under a secret once the secret lets nobody in any more. It may be used from many goroutines
// at once.
type Watcher struct {
	keys  *Keys
	every time.Duration

	ctx  context.Context //nolint:containedctx // it ends all watching
	stop context.CancelCauseFunc
	done sync.WaitGroup

	mu      sync.Mutex
	watched map[string]*watched
}

// watched is one secret, however many watch it.
type watched struct {
	ctx      context.Context //nolint:containedctx // it ends for all who watch
	end      context.CancelCauseFunc
	watchers int
}

// errClosed is why contexts end with their Watcher.
var errClosed = errors.New("nobody watches keys any more")

// NewWatcher makes a Watcher that asks about each secret so often. Together with Believed that should stay below a
// second.
func NewWatcher(keys *Keys, every time.Duration) *Watcher {
	w := &Watcher{keys: keys, every: every, watched: map[string]*watched{}}
	w.ctx, w.stop = context.WithCancelCause(context.Background())
	return w
}

// Close ends the contexts that are still watched.
func (w *Watcher) Close() {
	w.mu.Lock()
	w.stop(errClosed) // under the lock: afterwards none begins
	w.mu.Unlock()
	w.done.Wait()
}

// Watch derives a context that ends once the secret lets nobody in any more; its cause is then an apierror.Error with
// code FORBIDDEN, or a fault that asking again does not mend. A database that is away or busy ends nothing. Call release when it is of no more use.
func (w *Watcher) Watch(ctx context.Context, secret string) (_ context.Context, release func()) {
	s := w.join(secret)
	ctx, cancel := context.WithCancelCause(ctx)
	detach := flight.When(s.ctx, func() { cancel(context.Cause(s.ctx)) }, flight.Logged(nil, "ending what a key was let in for"))
	return ctx, sync.OnceFunc(func() {
		detach()
		cancel(nil)
		w.leave(secret, s)
	})
}

func (w *Watcher) join(secret string) *watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.watched[secret]
	if s == nil {
		s = &watched{}
		s.ctx, s.end = context.WithCancelCause(w.ctx)
		if w.ctx.Err() == nil {
			w.watched[secret] = s
			w.done.Add(1)
			caught := flight.Logged(nil, "asking whether a key is still let in")
			flight.Go(func() {
				defer w.done.Done()
				flight.Steadily(s.ctx, func() { w.ask(secret, s) }, caught)
			}, caught)
		}
	}
	s.watchers++
	return s
}

func (w *Watcher) leave(secret string, s *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.watchers--; s.watchers == 0 {
		w.forget(secret, s)
		s.end(nil)
	}
}

// forget lets the next who watches the secret ask anew. It is called under the lock.
func (w *Watcher) forget(secret string, s *watched) {
	if w.watched[secret] == s {
		delete(w.watched, secret)
	}
}

// ask asks about the secret until it lets nobody in, or nobody watches it.
func (w *Watcher) ask(secret string, s *watched) {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		_, err := w.keys.Authenticate(s.ctx, secret)
		if err == nil || store.MayPass(err) {
			continue
		}
		why := flight.Shared(err) // a fault that trying again does not mend
		if e, ok := errors.AsType[*apierror.Error](err); ok {
			if e.Code != apierror.Unauthenticated {
				continue
			}
			why = apierror.New(apierror.Forbidden, "%s", e.Message)
		}
		w.mu.Lock()
		w.forget(secret, s)
		w.mu.Unlock()
		s.end(why)
		return
	}
}

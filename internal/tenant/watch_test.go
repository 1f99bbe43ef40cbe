package tenant

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// ended waits for a context's end, and checks that the caller is told why.
func ended(t *testing.T, ctx context.Context) {
	t.Helper()
	<-ctx.Done()
	if e, ok := errors.AsType[*apierror.Error](context.Cause(ctx)); !ok || e.Code != apierror.Forbidden {
		t.Errorf("ended by %v, want FORBIDDEN", context.Cause(ctx))
	}
}

func (w *Watcher) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.watched)
}

func TestWatchEndsWithTheKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tenantCtx, _ := made(t, db, "Tenant")
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		w := NewWatcher(k, time.Millisecond)
		defer w.Close()
		key, secret := newKey(t, tenantCtx, db, nil)
		_, lasting := newKey(t, tenantCtx, db, nil)
		holder := auth.With(tenantCtx, auth.Caller{Tenant: key.TenantID, Key: key.ID, Scopes: key.Scopes})
		token, _ := newToken(t, holder, db, c.now(), 3600)
		brief, expiresAt := newToken(t, holder, db, c.now(), 60)

		type mark struct{}
		by, releaseKey := w.Watch(context.WithValue(t.Context(), mark{}, "kept"), secret)
		defer releaseKey()
		byToken, release := w.Watch(t.Context(), token)
		defer release()
		byBrief, release := w.Watch(t.Context(), brief)
		defer release()
		byOther, release := w.Watch(t.Context(), lasting)
		defer release()
		if by.Value(mark{}) != "kept" {
			t.Error("the context's values are gone")
		}
		if n := w.size(); n != 4 {
			t.Errorf("%d secrets are watched, want 4", n)
		}

		c.pass(expiresAt.Sub(c.now()))
		ended(t, byBrief)
		if _, err := RevokeKey(tenantCtx, db, RevokeKeyInput{ID: key.NodeID()}); err != nil {
			t.Fatal(err)
		}
		c.pass(Believed)
		ended(t, by)
		ended(t, byToken)
		if byOther.Err() != nil {
			t.Errorf("another key's ended as well: %v", context.Cause(byOther))
		}
		// Whoever comes with it once more is ended once more.
		again, releaseAgain := w.Watch(t.Context(), secret)
		ended(t, again)
		releaseAgain()
	})
}

func TestManyWatchers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		w := NewWatcher(k, time.Millisecond)
		defer w.Close()
		key, secret := newKey(t, ctx, db, nil)
		const watchers = 10_000
		contexts := make([]context.Context, watchers)
		releases := make([]func(), watchers)
		var wg sync.WaitGroup
		for part := range 4 {
			wg.Go(func() {
				for i := part; i < watchers; i += 4 {
					contexts[i], releases[i] = w.Watch(t.Context(), secret)
				}
			})
		}
		wg.Wait()
		if n := w.size(); n != 1 {
			t.Errorf("%d secrets are asked about, want 1", n)
		}
		// Half of them go, each of them twice, and that ends none but their own.
		for i := range watchers / 2 {
			releases[i]()
			releases[i]()
			if !errors.Is(contexts[i].Err(), context.Canceled) {
				t.Fatal("a released context goes on")
			}
		}
		if contexts[watchers-1].Err() != nil {
			t.Fatal("one that was not released ended")
		}
		if _, err := RevokeKey(ctx, db, RevokeKeyInput{ID: key.NodeID()}); err != nil {
			t.Fatal(err)
		}
		c.pass(Believed)
		for i := watchers / 2; i < watchers; i++ {
			ended(t, contexts[i])
			releases[i]()
		}
		if n := w.size(); n != 0 {
			t.Errorf("%d secrets are still asked about", n)
		}
	})
}

func TestWatchWithoutDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		w := NewWatcher(k, time.Millisecond)
		defer w.Close()
		_, secret := newKey(t, ctx, db, new(c.now().Add(time.Hour)))
		var fail atomic.Bool
		failed := make(chan struct{})
		db.Ent.ApiKey.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				if !fail.Load() {
					return next.Query(ctx, q)
				}
				select {
				case failed <- struct{}{}:
				case <-ctx.Done():
				}
				return nil, fmt.Errorf("down: %w", store.ErrUnreachable)
			})
		}))
		letIn(t, k, secret)
		fail.Store(true)
		watched, release := w.Watch(t.Context(), secret)
		defer release()
		c.pass(Believed)
		for range 3 {
			<-failed
			if watched.Err() != nil {
				t.Fatalf("ended by %v", context.Cause(watched))
			}
		}
		fail.Store(false)
		go func() {
			for range failed {
			}
		}()
		c.pass(time.Hour)
		ended(t, watched)
		close(failed)
	})
}

func TestCloseWatcher(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		k := newKeys(db, newClock().now)
		defer k.Close()
		w := NewWatcher(k, time.Hour)
		_, secret := newKey(t, ctx, db, nil)
		before, release := w.Watch(t.Context(), secret)
		defer release()
		w.Close()
		<-before.Done()
		after, releaseAfter := w.Watch(t.Context(), secret)
		<-after.Done()
		releaseAfter()
		w.Close()
	})
}

// A fault that trying again does not mend ends what is watched: nobody can say whether the key is still let in.
func TestWatchFaults(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		w := NewWatcher(k, time.Millisecond)
		defer w.Close()
		_, secret := newKey(t, ctx, db, new(c.now().Add(time.Hour)))
		letIn(t, k, secret)
		watched, release := w.Watch(t.Context(), secret)
		defer release()
		db.Ent.ApiKey.Intercept(ent.InterceptFunc(func(ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(context.Context, ent.Query) (ent.Value, error) { panic("oops") })
		}))
		c.pass(Believed)
		<-watched.Done()
		if err := context.Cause(watched); !flight.IsPanic(err) {
			t.Errorf("ended by %v", err)
		}
	})
}

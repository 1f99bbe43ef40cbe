package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// clock is set by tests.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time        { return time.Unix(0, c.nanos.Load()) }
func (c *clock) pass(by time.Duration) { c.nanos.Add(int64(by)) }

// lookups counts how often keys are read from the database.
func lookups(db *store.DB) *atomic.Int64 {
	var n atomic.Int64
	db.Ent.ApiKey.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
		return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
			n.Add(1)
			return next.Query(ctx, q)
		})
	}))
	return &n
}

func newKey(t *testing.T, ctx context.Context, db *store.DB, expiresAt *time.Time) (*ent.ApiKey, string) {
	t.Helper()
	key, secret, err := CreateKey(ctx, db, CreateKeyInput{Name: "n", Scopes: []auth.Scope{auth.Read}, ExpiresAt: expiresAt})
	if err != nil {
		t.Fatal(err)
	}
	return key, secret
}

// refused checks that a secret lets nobody in, and says no more than that.
func refused(t *testing.T, k *Keys, secret string) {
	t.Helper()
	caller, err := k.Authenticate(t.Context(), secret)
	var e *apierror.Error
	if !errors.As(err, &e) || e.Code != apierror.Unauthenticated {
		t.Fatalf("got %+v, %v; want UNAUTHENTICATED", caller, err)
	}
	if e.Message != unauthenticated().Error() {
		t.Errorf("%q tells why", e.Message)
	}
}

// outlived checks that a secret lets nobody in any more, and that its holder hears why.
func outlived(t *testing.T, k *Keys, secret, why string) {
	t.Helper()
	caller, err := k.Authenticate(t.Context(), secret)
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok || e.Code != apierror.Unauthenticated || !strings.HasPrefix(e.Message, why) {
		t.Fatalf("got %+v, %v; want UNAUTHENTICATED, %s", caller, err, why)
	}
}

func letIn(t *testing.T, k *Keys, secret string) auth.Caller {
	t.Helper()
	caller, err := k.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return caller
}

func TestAuthenticate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		read := lookups(db)

		key, secret := newKey(t, ctx, db, nil)
		for range 10 {
			got := letIn(t, k, secret)
			if got.Tenant != key.TenantID || got.Key != key.ID || !got.May(auth.Read) || got.May(auth.Manage) {
				t.Errorf("got %+v", got)
			}
		}
		if n := read.Swap(0); n != 1 {
			t.Errorf("looked up %d times, want once", n)
		}

		unknown := newSecret()
		for range 10 {
			refused(t, k, unknown)
			refused(t, k, "Bearer "+unknown)
			refused(t, k, "")
		}
		if n := read.Swap(0); n != 1 {
			t.Errorf("a secret that is no key's was looked up %d times, want once", n)
		}
		c.pass(Believed)
		letIn(t, k, secret)
		refused(t, k, unknown)
		if n := read.Swap(0); n != 1 {
			t.Errorf("looked up %d times, want the key once more", n)
		}
		c.pass(absentBelieved - Believed)
		refused(t, k, unknown)
		if n := read.Load(); n != 1 || absentBelieved > time.Second {
			t.Errorf("what is no key's was looked up %d times, want once more after a second", n)
		}
	})
}

func TestRevocationTakesEffectWithinASecond(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		c := newClock()
		here, there := newKeys(db, c.now), newKeys(db, c.now)
		defer here.Close()
		defer there.Close()
		key, secret := newKey(t, ctx, db, nil)
		letIn(t, here, secret)
		letIn(t, there, secret)
		if _, err := RevokeKey(ctx, db, RevokeKeyInput{ID: id.ApiKey.Format(key.ID)}); err != nil {
			t.Fatal(err)
		}
		// Who asks again at Believed after the last answer asks, and is answered, within a second of the revocation.
		if 2*Believed >= time.Second {
			t.Errorf("a key is believed for %v", Believed)
		}
		c.pass(Believed)
		outlived(t, here, secret, "This key was revoked on "+moment(time.Now())[:7])
		outlived(t, there, secret, "This key was revoked on ")
	})
}

func TestExpiry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		// In the middle of the time for which what was read is believed.
		_, secret := newKey(t, ctx, db, new(c.now().Add(time.Minute)))
		c.pass(time.Minute - time.Millisecond)
		letIn(t, k, secret)
		c.pass(time.Millisecond)
		outlived(t, k, secret, "This key expired on "+moment(c.now())+".")
	})
}

func TestConcurrentLookupsAreMadeOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		k := newKeys(db, newClock().now)
		defer k.Close()
		_, secret := newKey(t, ctx, db, nil)

		const callers = 32
		var reading atomic.Int64
		arrived := make(chan struct{})
		release := make(chan struct{})
		db.Ent.ApiKey.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				if reading.Add(1) == 1 {
					close(arrived)
				}
				<-release
				return next.Query(ctx, q)
			})
		}))
		// The one whose look-up it is goes away; those who wait with it are answered all the same.
		gone, leave := context.WithCancel(t.Context())
		first := make(chan error)
		go func() {
			_, err := k.Authenticate(gone, secret)
			first <- err
		}()
		<-arrived
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				if _, err := k.Authenticate(t.Context(), secret); err != nil {
					t.Error(err)
				}
			})
		}
		leave()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", err)
		}
		close(release)
		wg.Wait()
		if n := reading.Load(); n != 1 {
			t.Errorf("%d look-ups, want 1", n)
		}
	})
}

// A look-up that takes long must not answer those who came after the key was revoked.
func TestSlowLookupIsNotBelieved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		key, secret := newKey(t, ctx, db, nil)

		var reading atomic.Int64
		read, release := make(chan struct{}), make(chan struct{})
		db.Ent.ApiKey.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				found, err := next.Query(ctx, q)
				if reading.Add(1) == 1 {
					close(read)
					<-release
				}
				return found, err
			})
		}))
		early := make(chan error)
		go func() {
			_, err := k.Authenticate(t.Context(), secret)
			early <- err
		}()
		<-read
		if _, err := RevokeKey(ctx, db, RevokeKeyInput{ID: id.ApiKey.Format(key.ID)}); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Second)
		late := make(chan error)
		go func() {
			_, err := k.Authenticate(t.Context(), secret)
			late <- err
		}()
		close(release)
		var e *apierror.Error
		if err := <-late; !errors.As(err, &e) || e.Code != apierror.Unauthenticated {
			t.Errorf("late: got %v, want UNAUTHENTICATED", err)
		}
		if err := <-early; err != nil {
			t.Errorf("early: %v", err)
		}
	})
}

func TestLastUse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		c := newClock()
		key, secret := newKey(t, ctx, db, nil)
		_, revoked := newKey(t, ctx, db, new(c.now().Add(time.Hour)))
		lastUsed := func() *time.Time {
			found, err := GetKey(ctx, db, key.ID)
			if err != nil {
				t.Fatal(err)
			}
			return found.LastUsedAt
		}
		use := func() {
			t.Helper()
			k := newKeys(db, c.now)
			letIn(t, k, secret)
			k.Close()
			k.Close()
			letIn(t, k, secret)
		}
		use()
		first := lastUsed()
		if first == nil || !first.Equal(c.now().Truncate(time.Microsecond)) {
			t.Fatalf("last used at %v, want %v", first, c.now())
		}
		c.pass(noteEvery - time.Millisecond)
		use()
		if got := lastUsed(); !got.Equal(*first) {
			t.Errorf("noted again after %v", got.Sub(*first))
		}
		c.pass(time.Millisecond)
		use()
		if got := lastUsed(); !got.Equal(first.Add(noteEvery)) {
			t.Errorf("noted %v after the first, want %v", got.Sub(*first), noteEvery)
		}

		c.pass(2 * time.Hour)
		k := newKeys(db, c.now)
		outlived(t, k, revoked, "This key expired on ")
		k.Close()
		n, err := db.Ent.ApiKey.Query().Count(ctx)
		if err != nil {
			t.Fatal(err)
		}
		all, err := db.Ent.ApiKey.Query().All(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range all {
			if other.ID != key.ID && other.LastUsedAt != nil {
				t.Errorf("key %s of %d was used by nobody", other.Name, n)
			}
		}
	})
}

func TestNotesAreBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		var secrets []string
		err := db.Write(ctx, func(tx *store.Tx) error {
			for i := range maxNotes + 20 {
				_, secret, err := createKey(ctx, tx, fmt.Sprint(i), []auth.Scope{auth.Read}, nil)
				if err != nil {
					return err
				}
				secrets = append(secrets, secret)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		k := newKeys(db, newClock().now)
		k.Close() // nobody takes notes any more: they pile up
		for _, secret := range secrets {
			letIn(t, k, secret)
		}
		if n := len(k.notes); n != maxNotes {
			t.Errorf("%d notes wait, want %d", n, maxNotes)
		}
	})
}

func TestDatabaseError(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		_, secret := made(t, db, "Tenant")
		c := newClock()
		k := newKeys(db, c.now)
		defer k.Close()
		down := errors.New("down")
		fail := true
		db.Ent.ApiKey.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				if fail {
					return nil, down
				}
				return next.Query(ctx, q)
			})
		}))
		_, err := k.Authenticate(t.Context(), secret)
		var e *apierror.Error
		if !errors.Is(err, down) || errors.As(err, &e) {
			t.Errorf("got %v, want the database's error, to be masked", err)
		}
		fail = false
		letIn(t, k, secret)
	})
}

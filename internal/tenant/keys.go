package tenant

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/zeroten/zeroten/ent"
	entkey "github.com/zeroten/zeroten/ent/apikey"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
	"golang.org/x/sync/singleflight"
)

const (
	// Believed is for how long Keys goes by what it has read about a key. Whoever lets a connection live on asks again
	// at least as often: then a revocation takes effect everywhere within a second.
	Believed = 450 * time.Millisecond
	// maxKeys is how many keys are remembered, and how many secrets that are no key's.
	maxKeys = 10_000
	// noteEvery is how often it is noted that a key was used.
	noteEvery = time.Minute
	// maxNotes is how many notes wait to be written; one beyond is left out, and comes up again with the next look-up.
	maxNotes = 256
	// patience is how long a look-up or a note may take, whoever waits for it.
	patience = 10 * time.Second
)

// Keys tells who a secret lets in. It may be used from many goroutines at once.
type Keys struct {
	db  *store.DB
	now func() time.Time

	// known and unknown are apart, so that whoever tries secrets out pushes no key out.
	known, unknown *lru.Cache[digest, *entry]
	lookups        singleflight.Group

	notes chan *ent.ApiKey
	stop  chan struct{}
	close sync.Once
	done  sync.WaitGroup
}

// entry is what was read about a secret. It is not changed once it can be seen.
type entry struct {
	// key is nil where the secret is no key's.
	key *ent.ApiKey
	// at is a moment before it was read.
	at time.Time
}

// NewKeys begins to note when keys are used; Close ends that.
func NewKeys(db *store.DB) *Keys { return newKeys(db, time.Now) }

func newKeys(db *store.DB, now func() time.Time) *Keys {
	k := &Keys{db: db, now: now, notes: make(chan *ent.ApiKey, maxNotes), stop: make(chan struct{})}
	for _, cache := range []**lru.Cache[digest, *entry]{&k.known, &k.unknown} {
		var err error
		if *cache, err = lru.New[digest, *entry](maxKeys); err != nil {
			panic(err) // only for a size below 1
		}
	}
	k.done.Go(k.takeNotes)
	return k
}

// Close writes the notes that wait, and ends. Authenticate works on, without taking notes.
func (k *Keys) Close() {
	k.close.Do(func() { close(k.stop) })
	k.done.Wait()
}

// Authenticate tells who holds the secret. The error is an apierror.Error with code UNAUTHENTICATED where nobody does,
// where the key is expired, and within a second of its being revoked; it does not say which.
func (k *Keys) Authenticate(ctx context.Context, secret string) (auth.Caller, error) {
	d, ok := digestOf(secret)
	if !ok {
		return auth.Caller{}, unauthenticated()
	}
	e, err := k.entry(ctx, d)
	if err != nil {
		return auth.Caller{}, err
	}
	if e.key == nil || !letsIn(e.key, k.now()) {
		return auth.Caller{}, unauthenticated()
	}
	return auth.Caller{Tenant: e.key.TenantID, Key: e.key.ID, Scopes: e.key.Scopes}, nil
}

func letsIn(key *ent.ApiKey, now time.Time) bool {
	return key.RevokedAt == nil && (key.ExpiresAt == nil || now.Before(*key.ExpiresAt))
}

func unauthenticated() error {
	return apierror.New(apierror.Unauthenticated, "This needs a valid API key, sent as `Authorization: Bearer …`.")
}

// entry is what is known about the secret, read at most Believed ago.
func (k *Keys) entry(ctx context.Context, d digest) (*entry, error) {
	earliest := k.now().Add(-Believed)
	for _, cache := range []*lru.Cache[digest, *entry]{k.known, k.unknown} {
		if e, ok := cache.Get(d); ok && e.at.After(earliest) {
			return e, nil
		}
	}
	for {
		// One look-up serves all who wait for it, so that it must not end when one of them goes.
		answer := k.lookups.DoChan(string(d[:]), func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			return k.lookUp(ctx, d)
		})
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("looking a key up: %w", context.Cause(ctx))
		case r := <-answer:
			if r.Err != nil {
				return nil, fmt.Errorf("looking a key up: %w", r.Err)
			}
			// A look-up that was slow may have begun long before it was joined.
			if e, ok := r.Val.(*entry); ok && e.at.After(earliest) {
				return e, nil
			}
		}
	}
}

// lookUp reads about a secret from the database, and remembers it.
func (k *Keys) lookUp(ctx context.Context, d digest) (*entry, error) {
	e := &entry{at: k.now()}
	key, err := k.db.Ent.ApiKey.Query().Where(entkey.Hash(d[:])).Only(auth.ForSystem(ctx))
	if ent.IsNotFound(err) {
		k.known.Remove(d)
		k.unknown.Add(d, e)
		return e, nil
	}
	if err != nil {
		return nil, err
	}
	e.key = key
	k.unknown.Remove(d)
	k.known.Add(d, e)
	if letsIn(key, e.at) && (key.LastUsedAt == nil || e.at.Sub(*key.LastUsedAt) >= noteEvery) {
		select {
		case k.notes <- key:
		default:
		}
	}
	return e, nil
}

// takeNotes writes down when keys are used, beside the requests that use them.
func (k *Keys) takeNotes() {
	for {
		select {
		case key := <-k.notes:
			k.note(key)
		case <-k.stop:
			for {
				select {
				case key := <-k.notes:
					k.note(key)
				default:
					return
				}
			}
		}
	}
}

// note writes down that the key was used, unless another process has just done so.
func (k *Keys) note(key *ent.ApiKey) {
	ctx, cancel := context.WithTimeout(auth.ForTenant(context.Background(), key.TenantID), patience)
	defer cancel()
	now := k.now().UTC().Truncate(time.Microsecond)
	err := k.db.Write(ctx, func(tx *store.Tx) error {
		return tx.Ent.ApiKey.Update().SetLastUsedAt(now).Where(entkey.ID(key.ID),
			entkey.Or(entkey.LastUsedAtIsNil(), entkey.LastUsedAtLTE(now.Add(-noteEvery)))).Exec(ctx)
	})
	if err != nil {
		slog.WarnContext(ctx, "noting the use of a key", "key", key.ID, "error", err)
	}
}

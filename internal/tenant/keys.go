package tenant

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/zeroten/zeroten/ent"
	entkey "github.com/zeroten/zeroten/ent/apikey"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/store"
)

const (
	// Believed is for how long Keys goes by what it has read about a key. Whoever lets a connection live on asks again
	// at least as often: then a revocation takes effect everywhere within a second.
	Believed = 450 * time.Millisecond
	// absentBelieved is for how long it is gone by that there is no such key. Secrets are made by chance, and so are not tried
	// before there is a key to them; but one that comes back, with a backup say, is known within a second.
	absentBelieved = time.Second
	// noteEvery is how often it is noted that a key was used.
	noteEvery = time.Minute
	// maxNotes is how many notes wait to be written; one beyond is left out, and comes up again with the next look-up.
	maxNotes = 256
)

// Keys tells who a secret lets in, be it a key's or a token. It may be used from many goroutines at once.
type Keys struct {
	db  *store.DB
	now func() time.Time

	keys    *lookup[keyName, ent.ApiKey]
	signing *lookup[signingName, []byte]
	// tokens are those whose signature was good.
	tokens *lru.Cache[digest, *token]

	notes chan *ent.ApiKey
	stop  chan struct{}
	close sync.Once
	done  sync.WaitGroup
}

// keyName is what a key is found by: the digest of its secret, or whose it is and its id.
type keyName struct {
	secret      digest
	tenant, key uuid.UUID
}

// NewKeys begins to note when keys are used; Close ends that.
func NewKeys(db *store.DB) *Keys { return newKeys(db, time.Now) }

func newKeys(db *store.DB, now func() time.Time) *Keys {
	k := &Keys{db: db, now: now, notes: make(chan *ent.ApiKey, maxNotes), stop: make(chan struct{})}
	k.keys = newLookup(now, Believed, k.readKey)
	k.keys.absent = absentBelieved
	k.signing = newLookup(now, signingBelieved, k.readSigningKey)
	k.tokens = newCache[digest, *token](maxRemembered)
	k.done.Add(1)
	caught := flight.Logged(nil, "noting when keys are used")
	flight.Go(func() {
		defer k.done.Done()
		flight.Steadily(context.Background(), k.takeNotes, caught) // which ends with stop
	}, caught)
	return k
}

// Close writes the notes that wait, and ends. Authenticate works on, without taking notes.
func (k *Keys) Close() {
	k.close.Do(func() { close(k.stop) })
	k.done.Wait()
}

// Authenticate tells who holds the secret of a key, or the token. The error is an apierror.Error with code
// UNAUTHENTICATED where nobody does, where the key or the token is expired, and within a second of the key's being
// revoked, be it the one that gave the token out. It says which to whoever holds the secret, or a token whose signature is
// good; all others are told the same. What is compared are hashes, of secrets with 256 random bits: how long it takes says
// nothing about a secret.
func (k *Keys) Authenticate(ctx context.Context, secret string) (auth.Caller, error) {
	if isToken(secret) {
		return k.authenticateToken(ctx, secret)
	}
	d, ok := digestOf(secret)
	if !ok {
		return auth.Caller{}, unauthenticated()
	}
	key, err := k.key(ctx, keyName{secret: d}, "This key")
	if err != nil {
		return auth.Caller{}, err
	}
	return auth.Caller{Tenant: key.TenantID, Key: key.ID, Scopes: key.Scopes, ExpiresAt: key.ExpiresAt}, nil
}

// Seen reports whether the secret is no guess: that of a key which was looked up lately and is there, or a token that was
// let in lately. It reads nothing.
func (k *Keys) Seen(secret string) bool {
	if isToken(secret) {
		return k.tokens.Contains(sha256.Sum256([]byte(secret)))
	}
	d, ok := digestOf(secret)
	return ok && k.keys.known.Contains(keyName{secret: d})
}

// key finds a key that lets in; the error is UNAUTHENTICATED where there is none. what names the key to whoever is not let
// in.
func (k *Keys) key(ctx context.Context, name keyName, what string) (*ent.ApiKey, error) {
	key, err := k.keys.get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("looking a key up: %w", err)
	}
	if key == nil {
		return nil, unauthenticated()
	}
	if err := over(key, k.now(), what); err != nil {
		return nil, err
	}
	return key, nil
}

func letsIn(key *ent.ApiKey, now time.Time) bool {
	return key.RevokedAt == nil && (key.ExpiresAt == nil || now.Before(*key.ExpiresAt))
}

// over says that a key lets nobody in any more, and why; nil where it does.
func over(key *ent.ApiKey, now time.Time, what string) error {
	switch {
	case letsIn(key, now):
		return nil
	case key.RevokedAt != nil:
		return apierror.New(apierror.Unauthenticated, "%s was revoked on %s.", what, moment(*key.RevokedAt))
	default:
		return apierror.New(apierror.Unauthenticated, "%s expired on %s.", what, moment(*key.ExpiresAt))
	}
}

func moment(t time.Time) string { return t.UTC().Format("2 January 2006 at 15:04:05 UTC") }

func unauthenticated() error {
	return apierror.New(apierror.Unauthenticated, "This needs a valid API key, sent as `Authorization: Bearer …`.")
}

// readKey reads a key from the database; nil where there is none.
func (k *Keys) readKey(ctx context.Context, name keyName) (*ent.ApiKey, error) {
	at := k.now()
	q := k.db.Ent.ApiKey.Query()
	if name.key == uuid.Nil {
		q.Where(entkey.Hash(name.secret[:]))
	} else {
		q.Where(entkey.TenantID(name.tenant), entkey.ID(name.key))
	}
	key, err := q.Only(auth.ForSystem(ctx))
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if letsIn(key, at) && (key.LastUsedAt == nil || at.Sub(*key.LastUsedAt) >= noteEvery) {
		select {
		case k.notes <- key:
		default:
		}
	}
	return key, nil
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

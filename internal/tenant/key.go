package tenant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entkey "github.com/zeroten/zeroten/ent/apikey"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/store"
)

// A secret is its prefix, by which people and scanners know it, and 256 random bits.
const (
	secretPrefix = "z10_"
	secretBytes  = 32
	hintLength   = 8
)

// secretText is strict, so that a secret has one spelling.
var secretText = base64.RawURLEncoding.Strict()

func newSecret() string {
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // it never fails: it ends the program instead
	return secretPrefix + secretText.EncodeToString(random)
}

// digest is what is kept of a secret. So many random bits need no salt and no slow hash.
type digest [sha256.Size]byte

// digestOf hashes a secret; false where the text cannot be one.
func digestOf(secret string) (digest, bool) {
	if len(secret) != len(secretPrefix)+secretText.EncodedLen(secretBytes) || secret[:len(secretPrefix)] != secretPrefix {
		return digest{}, false
	}
	// The decoder passes over line ends.
	if random, err := secretText.DecodeString(secret[len(secretPrefix):]); err != nil || len(random) != secretBytes {
		return digest{}, false
	}
	return sha256.Sum256([]byte(secret)), true
}

// maxScopes is how many scopes one list names at most, those named again included.
const maxScopes = 50

// CreateKeyInput is a key to make.
type CreateKeyInput struct {
	Name string
	// Scopes are what the key's holder may do: one at least. Those named again are kept once.
	Scopes []auth.Scope
	// ExpiresAt where nil is never. What is finer than a microsecond is cut off.
	ExpiresAt *time.Time
}

// CreateKey makes a key to the caller's tenant, and the secret, which is kept nowhere. The error is UserErrors for
// what the caller can mend, and FORBIDDEN for the holder of a token: what it made would outlive it.
func CreateKey(ctx context.Context, db *store.DB, in CreateKeyInput) (key *ent.ApiKey, secret string, err error) {
	if caller, _ := auth.From(ctx); caller.Token {
		return nil, "", apierror.New(apierror.Forbidden, "Only the holder of a key makes keys, not that of a token: send the key itself.")
	}
	if err := in.Validate(time.Now()).Err(); err != nil {
		return nil, "", err
	}
	err = db.Write(ctx, func(tx *store.Tx) (err error) {
		key, secret, err = createKey(ctx, tx, in.Name, in.Scopes, in.ExpiresAt)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return key, secret, nil
}

// Validate says what is wrong with the input.
func (in *CreateKeyInput) Validate(now time.Time) apierror.UserErrors {
	errs := ValidateKeyName(in.Name)
	if len(in.Scopes) == 0 {
		errs.Add(apierror.Required, []string{"scopes"}, "A key needs one scope at least.")
	}
	if len(in.Scopes) > maxScopes {
		errs.Add(apierror.TooMany, []string{"scopes"}, "At most %d, not %d.", maxScopes, len(in.Scopes))
		return errs
	}
	for i, s := range in.Scopes {
		field := []string{"scopes", apierror.Index(i)}
		if slices.Contains(in.Scopes[:i], s) {
			continue
		}
		if _, err := auth.ParseScope(string(s)); err != nil {
			errs.Add(apierror.Invalid, field, "%v.", err)
		} else if s == auth.Operator {
			errs.Add(apierror.NotAllowed, field, "A tenant cannot give the scope OPERATOR.")
		}
	}
	if in.ExpiresAt != nil && !in.ExpiresAt.After(now) {
		errs.Add(apierror.OutOfRange, []string{"expiresAt"}, "The key would be expired already: the server's clock shows %s.", now.UTC().Format(time.RFC3339))
	}
	return errs
}

// ValidateKeyName says what is wrong with the name of a key, whoever it belongs to.
func ValidateKeyName(name string) (errs apierror.UserErrors) {
	errs.Filled(MaxKeyName, &name, "name")
	return errs
}

// CreateOperatorKey makes a key that belongs to no tenant, for whoever runs the service. It is up to the caller of
// this function who may do so. The error is UserErrors for a name that will not do.
func CreateOperatorKey(ctx context.Context, db *store.DB, name string) (key *ent.ApiKey, secret string, err error) {
	if errs := ValidateKeyName(name); errs != nil {
		return nil, "", errs
	}
	err = db.Write(ctx, func(tx *store.Tx) (err error) {
		key, secret, err = createKey(auth.ForTenant(ctx, uuid.UUID{}), tx, name, []auth.Scope{auth.Operator}, nil)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return key, secret, nil
}

func createKey(ctx context.Context, tx *store.Tx, name string, scopes []auth.Scope, expiresAt *time.Time) (*ent.ApiKey, string, error) {
	secret := newSecret()
	hash := sha256.Sum256([]byte(secret))
	var each []auth.Scope
	for _, s := range scopes {
		if !slices.Contains(each, s) {
			each = append(each, s)
		}
	}
	create := tx.Ent.ApiKey.Create().SetName(name).SetScopes(each).SetHint(secret[:hintLength]).SetHash(hash[:])
	if expiresAt != nil {
		create.SetExpiresAt(expiresAt.UTC().Truncate(time.Microsecond))
	}
	key, err := create.Save(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("making a key: %w", err)
	}
	return key, secret, nil
}

// RevokeKeyInput is a key to revoke.
type RevokeKeyInput struct {
	// ID is the text of the key's id.
	ID string
}

// RevokeKey revokes a key of the caller's tenant, from which moment every Keys refuses it within a second. One that is
// revoked already stays as it is. The error is UserErrors where there is no such key.
func RevokeKey(ctx context.Context, db *store.DB, in RevokeKeyInput) (*ent.ApiKey, error) {
	target, err := id.ApiKey.Parse(in.ID)
	if err != nil {
		return nil, apierror.User(apierror.Invalid, []string{"id"}, "%v.", err)
	}
	var key *ent.ApiKey
	err = db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Ent.ApiKey.Update().Where(entkey.ID(target), entkey.RevokedAtIsNil()).
			SetRevokedAt(time.Now().UTC().Truncate(time.Microsecond)).Save(ctx)
		if err != nil {
			return fmt.Errorf("revoking a key: %w", err)
		}
		key, err = tx.Ent.ApiKey.Get(ctx, target)
		if ent.IsNotFound(err) {
			return apierror.User(apierror.NotFound, []string{"id"}, "There is no key %s.", in.ID)
		}
		if err != nil {
			return fmt.Errorf("revoking a key: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

// GetKey finds a key of the caller's tenant; nil where there is none.
func GetKey(ctx context.Context, db *store.DB, id uuid.UUID) (*ent.ApiKey, error) {
	key, err := db.Ent.ApiKey.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding a key: %w", err)
	}
	return key, nil
}

// ListKeys pages through the keys of the caller's tenant, newest first, revoked and expired ones too.
func ListKeys(ctx context.Context, db *store.DB, args page.Args) (*page.Connection[*ent.ApiKey], error) {
	list, err := page.Of(ctx, args, page.Order{List: "apiKeys", Desc: true},
		func(k *ent.ApiKey) page.Key { return page.Key{ID: k.ID} },
		func(ctx context.Context, w page.Window) ([]*ent.ApiKey, error) {
			return db.Ent.ApiKey.Query().Where(w.Apply).All(ctx)
		},
		func(ctx context.Context) (int, error) { return db.Ent.ApiKey.Query().Count(ctx) })
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	return list, nil
}

// KeyConnection is a page of API keys, as the API has it.
type KeyConnection = page.Connection[*ent.ApiKey]

// KeyEdge is a row of such a page.
type KeyEdge = page.Edge[*ent.ApiKey]

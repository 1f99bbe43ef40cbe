package tenant

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
)

// A contact token is its prefix and a signed JWT. It is for the widget alone: its audience keeps it apart from the tokens that let
// somebody in.
const (
	contactPrefix   = "z10c_"
	contactAudience = "widget"
)

// contactClaims are what a contact token says, as it is written. Its subject is sealed: whoever may only collect must not learn by it who
// is known.
type contactClaims struct {
	jwt.RegisteredClaims

	Tenant uuid.UUID `json:"tenant"`
	// Key is who made it, and ends it.
	Key uuid.UUID `json:"key"`
}

// MayNameContacts gives FORBIDDEN for a caller who may not make contact tokens, as only the holders of keys of a tenant may.
func MayNameContacts(ctx context.Context) error {
	caller, _ := auth.From(ctx)
	if caller.Key == uuid.Nil || caller.Tenant == uuid.Nil || caller.Token {
		return apierror.New(apierror.Forbidden, "Only the holder of a tenant's key makes tokens: send the key itself.")
	}
	return nil
}

// CheckContactTokenLife says what is wrong with for how many seconds a contact token is to be good.
func CheckContactTokenLife(seconds int) (errs apierror.UserErrors) {
	if seconds < 1 || seconds > int(MaxTokenLife.Seconds()) {
		errs.Add(apierror.OutOfRange, []string{"expiresIn"}, "Want 1 to %d seconds.", int(MaxTokenLife.Seconds()))
	}
	return errs
}

// NameContact makes a token that names a contact of the caller's tenant to the widget, for so many seconds, or until the caller's key ends,
// if that is sooner.
func NameContact(ctx context.Context, db *store.DB, contact uuid.UUID, seconds int, now time.Time) (text string, expiresAt time.Time, err error) {
	caller, _ := auth.From(ctx)
	tenant := auth.Tenant(ctx)
	key, err := signer(auth.ForTenant(ctx, tenant), db, now)
	if err != nil {
		return "", expiresAt, err
	}
	expiresAt = now.Add(time.Duration(seconds) * time.Second)
	if whole := expiresAt.Truncate(time.Second); whole.Before(expiresAt) { // a token has whole seconds
		expiresAt = whole.Add(time.Second)
	}
	seal, err := sealOf(key.Secret)
	if err != nil {
		return "", expiresAt, err
	}
	nonce := make([]byte, seal.NonceSize())
	_, _ = rand.Read(nonce) // it never fails: it ends the program instead
	j := jwt.NewWithClaims(jwt.SigningMethodHS256, &contactClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: tokenUse, Audience: jwt.ClaimStrings{contactAudience},
			Subject:  base64.RawURLEncoding.EncodeToString(seal.Seal(nonce, nonce, contact[:], tenant[:])),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expiresAt),
		},
		Tenant: tenant, Key: caller.Key,
	})
	j.Header["kid"] = key.ID.String()
	signed, err := j.SignedString(key.Secret)
	if err != nil {
		return "", expiresAt, fmt.Errorf("signing a contact token: %w", err)
	}
	if caller.ExpiresAt != nil && caller.ExpiresAt.Before(expiresAt) {
		expiresAt = *caller.ExpiresAt
	}
	return contactPrefix + signed, expiresAt.UTC(), nil
}

// sealOf is what seals the subjects of the tokens that a key signs.
func sealOf(secret []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "contact token", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	return seal, nil
}

// Named gives the contact that a token names to a tenant's widget; the zero UUID where it names nobody, be it that it is expired, another
// tenant's, or no such token, or within a second of the end of the key that made it. There may be no such contact any more. The error is for what could not be read.
func (k *Keys) Named(ctx context.Context, tenant uuid.UUID, text string) (uuid.UUID, error) {
	text, ok := strings.CutPrefix(text, contactPrefix)
	if !ok || len(text) > maxToken || strings.ContainsAny(text, "\r\n") { // the decoder passes over line ends
		return uuid.Nil, nil
	}
	var c contactClaims
	var secret []byte
	var failure error
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(text, &c, func(j *jwt.Token) (any, error) {
		kid, _ := j.Header["kid"].(string)
		key, err := uuid.Parse(kid)
		if err != nil || c.Tenant != tenant {
			return nil, errToken
		}
		found, err := k.signing.get(ctx, signingName{tenant, key})
		if err != nil {
			failure = err
			return nil, err
		}
		if found == nil {
			return nil, errToken
		}
		secret = *found
		return secret, nil
	})
	now := k.now()
	switch {
	case failure != nil:
		return uuid.Nil, fmt.Errorf("looking a contact token's key up: %w", failure)
	case err != nil:
		return uuid.Nil, nil //nolint:nilerr // it names nobody
	case c.Issuer != tokenUse || !slices.Equal(c.Audience, jwt.ClaimStrings{contactAudience}) || c.ExpiresAt == nil || c.IssuedAt == nil || c.Key == uuid.Nil:
		return uuid.Nil, nil
	case c.ExpiresAt.Sub(c.IssuedAt.Time) > MaxTokenLife+time.Second || !now.Before(c.ExpiresAt.Time):
		return uuid.Nil, nil
	}
	switch maker, err := k.keys.get(ctx, keyName{tenant: tenant, key: c.Key}); {
	case err != nil:
		return uuid.Nil, fmt.Errorf("looking up who made a contact token: %w", err)
	case maker == nil || !letsIn(maker, now):
		return uuid.Nil, nil
	}
	contact, err := unseal(secret, tenant, c.Subject)
	if errors.Is(err, errToken) {
		return uuid.Nil, nil
	}
	return contact, err
}

// unseal reads a token's subject.
func unseal(secret []byte, tenant uuid.UUID, subject string) (uuid.UUID, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(subject)
	if err != nil {
		return uuid.Nil, errToken
	}
	seal, err := sealOf(secret)
	if err != nil {
		return uuid.Nil, err
	}
	if len(sealed) < seal.NonceSize() {
		return uuid.Nil, errToken
	}
	opened, err := seal.Open(nil, sealed[:seal.NonceSize()], sealed[seal.NonceSize():], tenant[:])
	if err != nil || len(opened) != len(uuid.UUID{}) {
		return uuid.Nil, errToken
	}
	return uuid.UUID(opened), nil
}

package link

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

const (
	// SignsFor is how long a key signs new links; then another one is due.
	SignsFor = 30 * day
	// KeptFor is how long a key is kept that does not sign for ever. The last link that it signed is SignsFor younger than the key and
	// good for 365 days at most, which leaves five days to whoever goes on signing with it a little longer.
	KeptFor = 400 * day
	// SecretBytes is how long a key's secret is.
	SecretBytes = 32

	day = 24 * time.Hour
)

// Key is one that a tenant's links are signed by.
type Key struct {
	// Number is what links name the key by, from 1: no two keys of a tenant have the same.
	Number uint16
	// Secret is SecretBytes random bytes.
	Secret []byte
	// Made is when the key was made.
	Made time.Time
	// Forever says that the key signs links that unsubscribe, which never expire, and nothing else: such a key is never dropped.
	Forever bool
}

// NewKey makes a key with a number that none of keys has, which are all that the tenant has now.
func NewKey(keys []Key, now time.Time, forever bool) (Key, error) {
	taken := make(map[uint16]bool, len(keys))
	last := uint16(0)
	for _, k := range keys {
		taken[k.Number] = true
		last = max(last, k.Number)
	}
	number := last + 1 // after the highest comes 0
	for number == 0 || taken[number] {
		if number == last {
			return Key{}, errors.New("making a link key: all numbers are taken")
		}
		number++
	}
	secret := make([]byte, SecretBytes)
	_, _ = rand.Read(secret) // it never fails: it ends the program instead
	return Key{Number: number, Secret: secret, Made: now.UTC().Truncate(time.Microsecond), Forever: forever}, nil
}

// Plan says what is to be done about a tenant's keys.
type Plan struct {
	// Keep are those that a ring is made of.
	Keep []Key
	// Drop are the numbers of those that no link that is still good was signed by, ascending.
	Drop []uint16
	// Signs and SignsForever are the numbers of the keys that sign, links that unsubscribe apart and those alone; 0 where there is none.
	Signs, SignsForever uint16
	// IsDue says that a key has to be made before more is signed, as there is none or it has signed for long enough, and IsForeverDue
	// that there is none that signs for ever.
	IsDue, IsForeverDue bool
}

// PlanKeys says what is to be done at now about keys, which are all that a tenant has. Keys that sign for ever are only added to: the
// newest signs, and all are kept.
func PlanKeys(keys []Key, now time.Time) Plan {
	var p Plan
	for _, k := range keys {
		if !k.Forever && now.Sub(k.Made) >= KeptFor {
			p.Drop = append(p.Drop, k.Number)
			continue
		}
		p.Keep = append(p.Keep, k)
	}
	slices.Sort(p.Drop)
	p.IsDue, p.IsForeverDue = true, true
	if k := newest(p.Keep, false); k != nil {
		p.Signs, p.IsDue = k.Number, now.Sub(k.Made) >= SignsFor
	}
	if k := newest(p.Keep, true); k != nil {
		p.SignsForever, p.IsForeverDue = k.Number, false
	}
	return p
}

// newest is the key that signs among those that do so for ever, or among the others; nil where there is none. Of two that were made at
// the same instant it is that of the higher number, so that all processes agree.
func newest(keys []Key, forever bool) *Key {
	var found *Key
	for i := range keys {
		k := &keys[i]
		if k.Forever == forever && (found == nil || k.Made.After(found.Made) || k.Made.Equal(found.Made) && k.Number > found.Number) {
			found = k
		}
	}
	return found
}

// Ring is the keys of one tenant, ready for use. It never changes, and may be used by many at the same time.
type Ring struct {
	tenant uuid.UUID
	keys   map[uint16]*subkeys
	// signs and signsForever are the newest; nil where there is none.
	signs, signsForever *subkeys
	// names makes names. It is of the first key that signs for ever, so that a name stays what it is.
	names []byte
}

// subkeys are what is derived from one key: a key for each kind that it may sign, nil for the others.
type subkeys struct {
	number uint16
	of     [names + 1][]byte
}

// NewRing makes the ring of a tenant's keys, as Plan.Keep has them. It fails where two have the same number, and where a number is 0 or a
// secret not SecretBytes long: then what was read is not what was once written.
func NewRing(tenant uuid.UUID, keys []Key) (*Ring, error) {
	r := &Ring{tenant: tenant, keys: make(map[uint16]*subkeys, len(keys))}
	for _, k := range keys {
		switch {
		case k.Number == 0:
			return nil, fmt.Errorf("a link key of tenant %s has no number", tenant)
		case len(k.Secret) != SecretBytes:
			return nil, fmt.Errorf("link key %d of tenant %s has %d bytes, want %d", k.Number, tenant, len(k.Secret), SecretBytes)
		case r.keys[k.Number] != nil:
			return nil, fmt.Errorf("tenant %s has two link keys of number %d", tenant, k.Number)
		}
		derived, err := derive(tenant, k)
		if err != nil {
			return nil, fmt.Errorf("deriving from link key %d of tenant %s: %w", k.Number, tenant, err)
		}
		r.keys[k.Number] = derived
	}
	if k := newest(keys, false); k != nil {
		r.signs = r.keys[k.Number]
	}
	if k := newest(keys, true); k != nil {
		r.signsForever = r.keys[k.Number]
	}
	var first *Key
	for i := range keys {
		if k := &keys[i]; k.Forever && (first == nil || k.Made.Before(first.Made) || k.Made.Equal(first.Made) && k.Number < first.Number) {
			first, r.names = k, r.keys[k.Number].of[names]
		}
	}
	return r, nil
}

// derive makes the keys of the kinds, by HKDF-SHA256 with the tenant as salt and the kind as info.
func derive(tenant uuid.UUID, k Key) (*subkeys, error) {
	extracted, err := hkdf.Extract(sha256.New, k.Secret, tenant[:])
	if err != nil {
		return nil, err
	}
	s := &subkeys{number: k.Number}
	for kind := Invitation; kind <= names; kind++ {
		if kind.isForever() != k.Forever {
			continue
		}
		if s.of[kind], err = hkdf.Expand(sha256.New, extracted, "zeroten link: "+kindNames[kind], sha256.Size); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// isForever reports whether links of the kind never expire.
func (k Kind) isForever() bool { return k == PublicLink || k == Unsubscribe || k == names }

// Tenant is whose keys they are.
func (r *Ring) Tenant() uuid.UUID { return r.tenant }

// Name is a name for something, as 64 hexadecimal digits: the same whenever it is asked for, and one that nobody can tell or make who has not
// the keys. It fails where there is no key that signs for ever.
func (r *Ring) Name(of string) (string, error) {
	if r.names == nil {
		return "", errors.New("naming: there is no key that signs for ever")
	}
	h := hmac.New(sha256.New, r.names)
	h.Write([]byte(of))
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Has reports whether the ring has a key of this number. Where it has not, another process may have made one since the keys were read.
func (r *Ring) Has(number uint16) bool { return r != nil && r.keys[number] != nil }

// signer is what signs the kind; nil where there is nothing.
func (r *Ring) signer(k Kind) *subkeys {
	if k.isForever() {
		return r.signsForever
	}
	return r.signs
}

// key is what the key of this number signs the kind by; nil where there is no such key, or it does not sign the kind.
func (r *Ring) key(number uint16, k Kind) []byte {
	if r == nil || r.keys[number] == nil {
		return nil
	}
	return r.keys[number].of[k]
}

// Package link makes and checks what public URLs and pages carry: signed tokens that say who is asked about what, the nonces of
// pages, and the sign by which a page's script says that it saw somebody use the page.
//
// It is pure: keys come from the caller, who reads them from the database, and so does the time. Nothing in a token is secret, and
// nothing in it can be changed. It holds ids and no address.
//
// A token is `z10l_`, or `z10u_` where it unsubscribes, and then in base64url without padding
//
//	version 1 B, kind 1 B, number of the key 2 B, tenant 16 B, subject 16 B, issued 4 B in minutes since 1970,
//	what a public link or a receipt carries besides, and 16 B of HMAC-SHA256 over all of that
//
// with numbers in big-endian order. The HMAC's key is derived for the kind (HKDF, RFC 5869), so that what was signed as one kind is
// nothing as another. A token has 75 characters after the prefix; a receipt has 78, and a public link that carries something up to 416.
package link

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/trait"
)

// Sizes, in bytes of ASCII where they are of text.
const (
	// MaxCarried is how many bytes a public link's locale, variant and traits take at most, as they are written in it.
	MaxCarried = 256
	// MaxToken is how long a token is at most; what is longer is refused before it is decoded.
	MaxToken = prefixBytes + ((headBytes+MaxCarried+macBytes)*8+5)/6
	// MaxURL is how long the URL of a public link may be.
	MaxURL = 500
	// MaxBase is how long the public URL of this server may be, without a slash at its end, for no public link to be longer than
	// MaxURL: `<base>/s/<token>`.
	MaxBase = MaxURL - len("/s/") - MaxToken

	version     = 1
	prefixBytes = 5
	headBytes   = 1 + 1 + 2 + 16 + 16 + 4
	macBytes    = 16
)

const (
	// ReceiptLife is for how long what was answered can be changed by its receipt.
	ReceiptLife = 24 * time.Hour
	// Skew is how far ahead the clock of whoever made a token or a nonce may be of the clock of whoever reads it.
	Skew = 5 * time.Minute
)

// ErrNotGenuine is all that is said of a token or a nonce that was not made by the keys at hand, whether it is no token at all, was
// changed, is another tenant's, or was signed by a key that is gone.
var ErrNotGenuine = errors.New("not genuine")

// Kind is what a token is for.
type Kind uint8

// The kinds of tokens. Their values are part of tokens, and must stay.
const (
	// Invitation is the link of somebody who was invited; its subject is the invitation.
	Invitation Kind = 1
	// PublicLink is a link that anybody may use; its subject is the campaign. It carries what is to be kept with each response. It never
	// expires, since it may be printed, and is signed by a key that is never dropped.
	PublicLink Kind = 2
	// Receipt shows an answer to whoever just gave it, and lets them change it. Its subject is the response; but where nobody vouches for
	// who gave it, the campaign: who names others by a link must not learn what they have said, nor when, nor whether they have.
	Receipt Kind = 3
	// Unsubscribe lets somebody be written to no more. It never expires, and is signed by a key that is never dropped. Its subject
	// is what its issuer finds them by.
	Unsubscribe Kind = 4
	// Contact names somebody; its subject is the contact.
	Contact Kind = 5

	// pages signs nonces, and names makes names; no token is of these kinds.
	pages Kind = 6
	names Kind = 7
)

// kindNames are part of what keys are derived from, and must stay.
var kindNames = [...]string{
	Invitation: "invitation", PublicLink: "public link", Receipt: "receipt", Unsubscribe: "unsubscribe", Contact: "contact", pages: "page", names: "name",
}

// String is the name of the kind, for people.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return kindNames[k]
}

// isToken reports whether there are tokens of the kind.
func (k Kind) isToken() bool { return Invitation <= k && k <= Contact }

// prefix is what the kind's tokens begin with. It shows what a token found somewhere is, and where it belongs: /s or /u.
func (k Kind) prefix() string {
	if k == Unsubscribe {
		return "z10u_"
	}
	return "z10l_"
}

// Identity says how sure it is who gave the response that a receipt is for. The values are those of the schema's ResponseIdentity.
type Identity string

// The identities.
const (
	Verified   Identity = "VERIFIED"
	Unverified Identity = "UNVERIFIED"
	Anonymous  Identity = "ANONYMOUS"
)

// hides is the bit beside a receipt's score that says Link.Hides.
const hides = 1 << 7

// identities are in the order of their numbers in receipts, from 1. It must stay.
var identities = []Identity{Verified, Unverified, Anonymous}

// Link is what a token says.
type Link struct {
	Kind   Kind
	Tenant uuid.UUID
	// Subject is the id of what the token is about; see the kinds.
	Subject uuid.UUID
	// Issued is when the token was made, in whole minutes, rounded down. It does not say until when the token is good, since that
	// can be changed for links that are out: see Fresh.
	Issued time.Time

	// Locale is the language of a PublicLink's page; the reader's where empty.
	Locale string
	// Variant is the version that a PublicLink shows; each person falls into one where empty.
	Variant string
	// Traits are kept with each response to a PublicLink; nil where there are none.
	Traits trait.Values

	// Identity says who a Receipt is given to, and Score what they answered.
	Identity Identity
	Score    int
	// Hides says of a Receipt that it does not show the answer's comment: whoever answered did not send it, and may be somebody else.
	Hides bool
}

// Fresh reports whether the link is younger than life, and was not issued more than Skew from now. The part of a minute that Issued
// lacks counts as age.
func (l Link) Fresh(now time.Time, life time.Duration) bool { return fresh(l.Issued, now, life) }

func fresh(made, now time.Time, life time.Duration) bool {
	age := now.Sub(made)
	return -Skew <= age && age < life
}

// Sign makes the token of a link. The seconds of Issued are left out. The tenant is the ring's: l.Tenant is that, or left out.
//
// The error is an *apierror.Error, BAD_REQUEST, where what a public link is to carry cannot be carried, which the caller of the API can
// mend. Any other error is a mistake of the program, or says that the ring has no key for the kind.
func (r *Ring) Sign(l Link) (string, error) {
	if !l.Kind.isToken() {
		return "", fmt.Errorf("signing a link: there are no tokens of %s", l.Kind)
	}
	if l.Tenant != uuid.Nil && l.Tenant != r.tenant {
		return "", fmt.Errorf("signing a link of tenant %s with the keys of %s", l.Tenant, r.tenant)
	}
	seconds := l.Issued.Unix()
	if seconds < 0 || seconds/60 > math.MaxUint32 {
		return "", fmt.Errorf("signing a link: it cannot say that it was issued at %s", l.Issued)
	}
	carried, err := l.carried()
	if err != nil {
		return "", err
	}
	key := r.signer(l.Kind)
	if key == nil {
		return "", fmt.Errorf("signing a link: tenant %s has no key for %s", r.tenant, l.Kind)
	}
	b := make([]byte, 0, headBytes+len(carried)+macBytes)
	b = append(b, version, byte(l.Kind))
	b = binary.BigEndian.AppendUint16(b, key.number)
	b = append(b, r.tenant[:]...)
	b = append(b, l.Subject[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(seconds/60))
	b = append(b, carried...)
	return seal(l.Kind, key.of[l.Kind], b), nil
}

// seal makes a token of all that is before its HMAC.
func seal(k Kind, key, body []byte) string {
	return k.prefix() + base64.RawURLEncoding.EncodeToString(append(body, mac(key, body)...))
}

// mac is the HMAC-SHA256 of the parts, put together, cut to 128 bits.
func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)[:macBytes]
}

// Claim is what a text that has the form of a token says, while nobody knows whether it is true. It is good for one thing: finding the
// ring that it must be verified by.
type Claim struct {
	kind   Kind
	key    uint16
	tenant uuid.UUID
	// signed is all that is encoded.
	signed []byte
}

// Kind is what the token says it is for.
func (c Claim) Kind() Kind { return c.kind }

// Key is the number of the key that the token says it was signed by.
func (c Claim) Key() uint16 { return c.key }

// Tenant is whose link the token says it is. There may be no such tenant.
func (c Claim) Tenant() uuid.UUID { return c.tenant }

// Parse reads a text as a token, and trusts nothing of it. The error is ErrNotGenuine where the text cannot be a token.
func Parse(text string) (Claim, error) {
	if len(text) <= prefixBytes || len(text) > MaxToken {
		return Claim{}, ErrNotGenuine
	}
	signed, ok := decode(text[prefixBytes:])
	if !ok || len(signed) < headBytes+macBytes || signed[0] != version {
		return Claim{}, ErrNotGenuine
	}
	kind := Kind(signed[1])
	if !kind.isToken() || text[:prefixBytes] != kind.prefix() || !kind.mayCarry(len(signed)-headBytes-macBytes) {
		return Claim{}, ErrNotGenuine
	}
	return Claim{
		kind:   kind,
		key:    binary.BigEndian.Uint16(signed[2:]),
		tenant: uuid.UUID(signed[4:20]),
		signed: signed,
	}, nil
}

// decode reads base64url without padding, of which there is one text only for the same bytes.
func decode(text string) ([]byte, bool) {
	// The decoder passes over line breaks, even where it is strict.
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return b, err == nil
}

// Verify gives what the token says where it was signed by a key of the ring, and else ErrNotGenuine. A nil ring, which stands for a
// tenant that there is not, verifies nothing.
func (c Claim) Verify(r *Ring) (Link, error) {
	key := r.key(c.key, c.kind)
	if key == nil || c.tenant != r.tenant {
		return Link{}, ErrNotGenuine
	}
	body, sum := c.signed[:len(c.signed)-macBytes], c.signed[len(c.signed)-macBytes:]
	if !hmac.Equal(mac(key, body), sum) {
		return Link{}, ErrNotGenuine
	}
	l := Link{
		Kind:    c.kind,
		Tenant:  c.tenant,
		Subject: uuid.UUID(body[20:36]),
		Issued:  time.Unix(60*int64(binary.BigEndian.Uint32(body[36:])), 0).UTC(),
	}
	if !l.carry(body[headBytes:]) {
		return Link{}, ErrNotGenuine
	}
	return l, nil
}

// mayCarry reports whether a token of the kind may have n bytes besides those that all have.
func (k Kind) mayCarry(n int) bool {
	switch k {
	case PublicLink:
		return n <= MaxCarried
	case Receipt:
		return n == 2
	}
	return n == 0
}

// carried is what a token of the link has besides what all tokens have.
func (l *Link) carried() ([]byte, error) {
	if l.Kind != PublicLink && (l.Locale != "" || l.Variant != "" || len(l.Traits) > 0) {
		return nil, fmt.Errorf("signing a link: only a public link carries a locale, a variant or traits, not one for %s", l.Kind)
	}
	if l.Kind != Receipt && (l.Identity != "" || l.Score != 0 || l.Hides) {
		return nil, fmt.Errorf("signing a link: only a receipt says an identity and a score, not a link for %s", l.Kind)
	}
	switch l.Kind {
	case PublicLink:
		return l.pack()
	case Receipt:
		i := slices.Index(identities, l.Identity)
		if i < 0 {
			return nil, fmt.Errorf("signing a receipt: there is no identity %q", l.Identity)
		}
		if l.Score < 0 || l.Score > nps.MaxScore {
			return nil, fmt.Errorf("signing a receipt: there is no score %d", l.Score)
		}
		said := byte(l.Score)
		if l.Hides {
			said |= hides
		}
		return []byte{byte(i + 1), said}, nil
	}
	return nil, nil
}

// carry takes over what a token of the link's kind has besides what all tokens have, and reports whether it is what Sign writes.
func (l *Link) carry(carried []byte) bool {
	switch l.Kind {
	case PublicLink:
		return l.unpack(carried)
	case Receipt:
		i := int(carried[0]) - 1
		score := int(carried[1] &^ hides)
		if i < 0 || i >= len(identities) || score > nps.MaxScore {
			return false
		}
		l.Identity, l.Score, l.Hides = identities[i], score, carried[1]&hides != 0
	}
	return true
}

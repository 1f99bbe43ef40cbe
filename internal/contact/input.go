// Package contact knows the people who may be asked.
package contact

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/trait"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Limits, in characters.
const (
	MaxExternalID = 200
	MaxName       = 200
	MaxPhone      = 50
)

// Input says who somebody is and what is known about them. What is nil is not given.
type Input struct {
	ExternalID *string `json:"externalId,omitempty"`
	Email      *string `json:"email,omitempty"`
	Phone      *string `json:"phone,omitempty"`
	Name       *string `json:"name,omitempty"`
	Locale     *string `json:"locale,omitempty"`
	// TimeZone is the name of where they live, as in the IANA database.
	TimeZone *string `json:"timeZone,omitempty"`
	// Traits that are nil are removed.
	Traits trait.Values `json:"traits,omitempty"`
}

// Validate says what is wrong with the input by itself. Locale, zone and e-mail address are checked where they come in.
func (in *Input) Validate() apierror.UserErrors {
	var errs apierror.UserErrors
	if in.ExternalID == nil && in.Email == nil {
		errs.Add(apierror.Required, []string{"externalId"}, "A contact needs an externalId or an email to be found by.")
	}
	errs.FilledOrNone(MaxExternalID, in.ExternalID, "externalId")
	errs.AtMost(MaxName, in.Name, "name")
	errs.AtMost(MaxPhone, in.Phone, "phone")
	return errs
}

// NamesOnly reports whether the input says by one name who somebody is, an external id or an address, and nothing else.
func (in *Input) NamesOnly() bool {
	return (in.ExternalID == nil) != (in.Email == nil) && in.Phone == nil && in.Name == nil && in.Locale == nil && in.TimeZone == nil && len(in.Traits) == 0
}

// ValidEmail reports whether the text is an e-mail address as in RFC 5321, without a display name.
func ValidEmail(text string) bool {
	if len(text) > 254 || strings.ContainsAny(text, "\x00\r\n<>") || strings.ContainsFunc(text, isUnseen) {
		return false
	}
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text {
		return false
	}
	local, domain, _ := strings.Cut(text, "@")
	return len(local) <= 64 && domain != "" && !strings.HasPrefix(domain, ".") && !strings.HasSuffix(domain, ".")
}

// isUnseen reports whether a character is none that anybody sees: with it one address would look like another.
func isUnseen(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// EmailKey is what an address is found by: those are one that mails go to the same mailbox by, however they are spelt. Case does not count, nor
// of which characters a letter with marks is made, and a domain is what is asked for in DNS.
func EmailKey(email string) string {
	at := strings.LastIndexByte(email, '@')
	if at < 0 || isASCII(email) {
		return strings.ToLower(email)
	}
	domain, err := ASCIIDomain(email[at+1:])
	if err != nil { // no mail goes there
		domain = strings.ToLower(norm.NFC.String(email[at+1:]))
	}
	return norm.NFC.String(strings.ToLower(norm.NFC.String(email[:at]))) + "@" + domain
}

// ASCIIDomain is the name of a domain as DNS knows it, in small letters (RFC 5891). The error is about one that can be none.
func ASCIIDomain(domain string) (string, error) {
	if isASCII(domain) {
		return strings.ToLower(domain), nil
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return "", fmt.Errorf("writing a domain in ASCII: %w", err)
	}
	return strings.ToLower(ascii), nil
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// Alias is an id for whoever must not learn who is known: made of what the input would be found by, its external id or
// else its address, and of nothing that is known. A contact's own id would tell by its time when the contact was first
// heard of, and by being another's too that both are one person. Nothing is found by an alias.
func Alias(tenant uuid.UUID, in *Input) uuid.UUID {
	h := hmac.New(sha256.New, tenant[:])
	if in.ExternalID != nil {
		h.Write([]byte("externalId " + *in.ExternalID))
	} else {
		h.Write([]byte("email " + EmailKey(*in.Email)))
	}
	alias := uuid.UUID(h.Sum(nil)[:16])
	alias[6], alias[8] = alias[6]&0x0f|0x80, alias[8]&0x3f|0x80 // version 8: of a kind of our own
	return alias
}

// New makes a contact of the input; its traits are checked already.
func New(in *Input, now time.Time) *ent.Contact {
	c := &ent.Contact{ID: id.New(), Traits: trait.Values{}, CreatedAt: now, UpdatedAt: now}
	Update(c, in, now)
	return c
}

// Update brings a contact up to date with the input, and reports whether that changed anything.
func Update(c *ent.Contact, in *Input, now time.Time) bool {
	changed := false
	set := func(to **string, given *string) {
		if given != nil && (*to == nil || **to != *given) {
			*to, changed = given, true
		}
	}
	set(&c.ExternalID, in.ExternalID)
	set(&c.Email, in.Email)
	if in.Email != nil {
		key := EmailKey(*in.Email)
		set(&c.EmailKey, &key)
	}
	set(&c.Phone, in.Phone)
	set(&c.Name, in.Name)
	set(&c.Locale, in.Locale)
	set(&c.TimeZone, in.TimeZone)
	if merged := trait.Merge(c.Traits, in.Traits); !sameTraits(merged, c.Traits) {
		c.Traits, changed = merged, true
	}
	if changed {
		c.UpdatedAt = now
	}
	return changed
}

// Loses reports whether anything that was known of the contact is gone, or replaced by something else.
func Loses(was, is *ent.Contact) bool {
	lost := func(was, is *string) bool { return was != nil && (is == nil || *was != *is) }
	if lost(was.ExternalID, is.ExternalID) || lost(was.Email, is.Email) || lost(was.Phone, is.Phone) || lost(was.Name, is.Name) || lost(was.Locale, is.Locale) ||
		lost(was.TimeZone, is.TimeZone) {
		return true
	}
	for key, value := range was.Traits {
		if now, ok := is.Traits[key]; !ok || now != value {
			return true
		}
	}
	return false
}

func sameTraits(a, b trait.Values) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if other, ok := b[k]; !ok || other != v {
			return false
		}
	}
	return true
}

package survey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcontact "github.com/zeroten/zeroten/ent/contact"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/trait"
)

// Form is what was sent from a page.
type Form struct {
	// Score is what was chosen, 0 to 10.
	Score int
	// Comment is what was written.
	Comment string
	// From is the number that was chosen when the page was served; nil where none was.
	From *int
	// Nonce is the page's, and Signed that its script saw somebody use it.
	Nonce  link.Nonce
	Signed bool
}

// IsPersons reports whether the form has a sign of a person: something was written, another number chosen than was when the page was
// served, or somebody pressed a key or used a pointer on it. What else is sent may come from a scanner, which opens links and sends
// forms as they are.
func (f *Form) IsPersons() bool {
	return strings.TrimSpace(f.Comment) != "" || f.From == nil || *f.From != f.Score || f.Signed
}

// Reader is whoever a page was for, as the link says. Whoever has the link could have changed it.
type Reader struct {
	// Email and ExternalID name a contact; at most one is given, and none of somebody whom nobody knows.
	Email, ExternalID string
	// Channel is how the link came to them.
	Channel response.Channel
	// Variant is the one that was shown; empty where there are none. Locale is the language.
	Variant, Locale string
	// Traits are those that the link carries.
	Traits trait.Values
}

// IsKnown reports whether the reader is named.
func (r *Reader) IsKnown() bool { return r.Email != "" || r.ExternalID != "" }

// Name is the reader's own name among all others.
func (r *Reader) Name() string {
	if r.ExternalID != "" {
		return "id\x00" + r.ExternalID
	}
	return "address\x00" + contact.EmailKey(r.Email)
}

// Desk takes answers.
type Desk struct {
	db  *store.DB
	log *feedback.Log
}

// NewDesk makes a Desk that answers are written by.
func NewDesk(db *store.DB, log *feedback.Log) *Desk { return &Desk{db: db, log: log} }

// Answer records what somebody answered, or changes the answer that they gave by the same link within the survey's days. It returns once
// that is durable. The error is UserErrors for what they can mend.
func (d *Desk) Answer(ctx context.Context, s *Sheet, r Reader, f Form) (*ent.Response, error) {
	ctx = auth.ForTenant(ctx, s.Tenant)
	if !r.IsKnown() {
		return d.write(ctx, s, r, f, "page\x00"+f.Nonce.String())
	}
	last, err := d.last(ctx, s, &r)
	if err != nil {
		return nil, err
	}
	before := uuid.Nil
	if last != nil {
		if d.log.Now().Sub(last.RespondedAt) < time.Duration(s.Survey.LinkDays)*24*time.Hour {
			return d.amend(ctx, last.ID, f.Score, given(f.Comment))
		}
		before = last.ID
	}
	// Of two answers at the same moment one is recorded, under a key that both make of what was there before, and the other amends it.
	return d.write(ctx, s, r, f, fmt.Sprintf("reader\x00%s\x00%s\x00%s", s.Campaign, r.Name(), before))
}

// write records an answer under a key, or changes the one that was recorded under it. Where that was deleted it is another one.
func (d *Desk) write(ctx context.Context, s *Sheet, r Reader, f Form, key string) (*ent.Response, error) {
	for {
		made, err := d.record(ctx, s, r, f, key)
		if code(err) != apierror.Conflict {
			return made, err
		}
		target, ok, err := d.log.Named(ctx, keyOf(key))
		if err != nil {
			return nil, err
		}
		if ok {
			if made, err = d.amend(ctx, target, f.Score, given(f.Comment)); code(err) != apierror.NotFound {
				return made, err
			}
		}
		key += "\x00again"
	}
}

// Change changes what was answered, by the receipt of it; an empty comment takes it away.
func (d *Desk) Change(ctx context.Context, tenant, response uuid.UUID, score int, comment string) (*ent.Response, error) {
	return d.amend(auth.ForTenant(ctx, tenant), response, score, &comment)
}

// Response finds an answer; nil where it is gone.
func (d *Desk) Response(ctx context.Context, tenant, response uuid.UUID) (*ent.Response, error) {
	found, err := d.db.Ent.Response.Get(auth.ForTenant(ctx, tenant), response)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding a response: %w", err)
	}
	return found, nil
}

// given is a comment with something in it; nil where there is nothing, which leaves what was there.
func given(comment string) *string {
	if strings.TrimSpace(comment) == "" {
		return nil
	}
	return &comment
}

// last is the newest response to the campaign that somebody whom nobody vouches for gave in this name; nil where there is none.
func (d *Desk) last(ctx context.Context, s *Sheet, r *Reader) (*ent.Response, error) {
	by := entcontact.ExternalID(r.ExternalID)
	if r.ExternalID == "" {
		by = entcontact.EmailKey(contact.EmailKey(r.Email))
	}
	person, err := d.db.Ent.Contact.Query().Where(by).OnlyID(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding who answers: %w", err)
	}
	last, err := d.db.Ent.Response.Query().
		Where(response.ContactID(person), response.CampaignID(s.Campaign), response.Unverified(true)).
		Order(response.ByRespondedAt(sql.OrderDesc()), response.ByID(sql.OrderDesc())).First(ctx)
	if err != nil && !ent.IsNotFound(err) {
		return nil, fmt.Errorf("finding the last answer: %w", err)
	}
	return last, nil
}

func (d *Desk) record(ctx context.Context, s *Sheet, r Reader, f Form, key string) (*ent.Response, error) {
	in := feedback.Recording{
		Campaign: id.Campaign.Format(s.Campaign), Score: f.Score, Comment: given(f.Comment), Channel: r.Channel, Traits: r.Traits,
		IdempotencyKey: new(keyOf(key)),
	}
	if r.Variant != "" {
		in.Variant = &r.Variant
	}
	if r.Locale != "" {
		in.Locale = &r.Locale
	}
	switch {
	case r.ExternalID != "":
		in.Contact, in.Unverified = &contact.Input{ExternalID: &r.ExternalID}, true
	case r.Email != "":
		in.Contact, in.Unverified = &contact.Input{Email: &r.Email}, true
	}
	out, err := d.log.Record(ctx, []feedback.Recording{in})
	if err != nil {
		return nil, err
	}
	return out[0].Value, out[0].Errors.Err()
}

func (d *Desk) amend(ctx context.Context, target uuid.UUID, score int, comment *string) (*ent.Response, error) {
	out, err := d.log.Amend(ctx, feedback.Amendment{ID: id.Response.Format(target), Score: &score, Comment: comment})
	if err != nil {
		return nil, err
	}
	return out.Value, out.Errors.Err()
}

// code is that of the first thing that is wrong with an input; empty for any other error, and for none.
func code(err error) apierror.UserErrorCode {
	var errs apierror.UserErrors
	if !errors.As(err, &errs) {
		return ""
	}
	return errs[0].Code
}

// keyOf is the idempotency key for a text that may be long, or name somebody.
func keyOf(text string) string {
	hash := sha256.Sum256([]byte(text))
	return "survey:" + hex.EncodeToString(hash[:])
}

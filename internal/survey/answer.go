package survey

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

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
	"github.com/zeroten/zeroten/internal/survey/click"
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
	return isWritten(f.Comment) || f.From == nil || *f.From != f.Score || f.Signed
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
	// Stranger tells one who is not named from others, for a while; see click.Strangers.
	Stranger [sha256.Size]byte
	// Invited is the invitation that the link is of, which names whom it names; nil where there is none.
	Invited *Invited
}

// IsKnown reports whether the reader is named.
func (r *Reader) IsKnown() bool { return r.Email != "" || r.ExternalID != "" }

// Name is the reader's own name among all others.
func (r *Reader) Name() string { return contact.NameOf(r.ExternalID, r.Email) }

// place is where what the reader does with a campaign's links is put together.
func (r *Reader) place(s *Sheet) click.Place {
	p := click.Place{Tenant: s.Tenant, Campaign: s.Campaign, Recipient: r.Stranger}
	if r.IsKnown() {
		p.Recipient = contact.Recipient(s.Tenant, r.Name())
	}
	return p
}

// who is the reader, as they are looked for; nobody where they are not named.
func (r *Reader) who(s *Sheet, now time.Time) click.Who {
	if !r.IsKnown() {
		return click.Who{}
	}
	w := click.Who{ExternalID: r.ExternalID, Since: now.Add(-s.linkLife())}
	if w.ExternalID == "" {
		w.EmailKey = contact.EmailKey(r.Email)
	}
	return w
}

// page names the page that the reader has, where they have no name themselves.
func (r *Reader) page(n link.Nonce) string {
	if r.IsKnown() {
		return ""
	}
	return n.String()
}

// Desk takes answers, and what may become one.
type Desk struct {
	db     *store.DB
	log    *feedback.Log
	clicks *click.Clicks
}

// NewDesk makes a Desk that answers are written by, and clicks are kept with.
func NewDesk(db *store.DB, log *feedback.Log, clicks *click.Clicks) *Desk {
	return &Desk{db: db, log: log, clicks: clicks}
}

// Opened notes that a reader has opened one of their links. Who is not named, and has opened one without a number, is not noted: nothing
// that is said of a link that anybody may use is said of anybody.
func (d *Desk) Opened(s *Sheet, r Reader, o click.Open) {
	if now := d.log.Now(); r.Invited == nil && (r.IsKnown() || o.Score != nil || o.Hidden) {
		d.clicks.Opened(r.place(s), r.who(s, now), o, now)
	}
}

// Unmoved notes that a reader's form was sent without any sign of a person.
func (d *Desk) Unmoved(s *Sheet, r Reader) {
	if r.Invited != nil {
		return
	}
	now := d.log.Now()
	d.clicks.Sent(r.place(s), r.who(s, now), now)
}

// view is what is recorded of a look that was an answer.
type view struct {
	Score      int              `json:"score"`
	Email      string           `json:"email,omitempty"`
	ExternalID string           `json:"externalId,omitempty"`
	Channel    response.Channel `json:"channel"`
	Variant    string           `json:"variant,omitempty"`
	Locale     string           `json:"locale,omitempty"`
	Traits     trait.Values     `json:"traits,omitempty"`
	// Contact is who had the name then; the zero UUID where nobody had.
	Contact uuid.UUID `json:"contact,omitzero"`
}

// Looked notes that a reader has looked at the page of a link with a number for as long as counts under Automatic, to be judged later. It
// returns once that is durable.
func (d *Desk) Looked(ctx context.Context, s *Sheet, r Reader, score int, page link.Nonce) error {
	person := uuid.Nil
	if r.IsKnown() {
		var err error
		if person, err = d.named(auth.ForTenant(ctx, s.Tenant), &r); err != nil {
			return err
		}
	}
	answer, err := json.Marshal(view{score, r.Email, r.ExternalID, r.Channel, r.Variant, r.Locale, r.Traits, person})
	if err != nil {
		return fmt.Errorf("writing what somebody looked at: %w", err)
	}
	now := d.log.Now()
	return d.clicks.Looked(ctx, r.place(s), r.who(s, now), click.Look{Page: r.page(page), Contact: person, Answer: answer, At: now})
}

// Count records a look as an answer, unless its reader has answered since, or before it within the survey's days. It reports whether there
// is an answer of theirs now. However often it is called for the same look, also at the same time, there is one response.
func (d *Desk) Count(ctx context.Context, s *Sheet, look click.Due) (bool, error) {
	ctx = auth.ForTenant(ctx, s.Tenant)
	var v view
	if err := json.Unmarshal(look.Answer, &v); err != nil {
		return false, fmt.Errorf("reading what somebody looked at: %w", err)
	}
	if !slices.Contains(look.Scores, v.Score) {
		return false, nil // the page says so, and no link of that number was opened
	}
	r := Reader{Email: v.Email, ExternalID: v.ExternalID, Channel: v.Channel, Variant: v.Variant, Locale: v.Locale, Traits: v.Traits}
	key := pageKey(look.Page)
	if r.IsKnown() {
		person, err := d.named(ctx, &r)
		if err != nil {
			return false, err
		}
		if v.Contact != uuid.Nil && person != v.Contact {
			return false, nil // erased meanwhile
		}
		before := uuid.Nil
		if person != uuid.Nil {
			answered, err := d.db.Ent.Response.Query().Where(response.ContactID(person), inCampaign(s.Campaign),
				response.RespondedAtGT(look.At.Add(-s.linkLife()))).Exist(ctx)
			if err != nil || answered {
				return answered, err
			}
			last, err := d.last(ctx, s, person)
			if err != nil {
				return false, err
			}
			if last != nil {
				before = last.ID
			}
		}
		key = readerKey(s, &r, person, before)
	}
	_, err := d.write(ctx, s, r, Form{Score: v.Score}, &seen{look.At, v.Contact}, key)
	if c := code(err); c == apierror.NotAllowed || c == apierror.NotFound || c == apierror.Invalid || c == apierror.OutOfRange || c == apierror.TooMany {
		return false, nil // the campaign is closed, or the tenant has other traits by now
	}
	return err == nil, err
}

// Answer records what somebody answered, or changes the answer that they gave by the same link within the survey's days. It returns once
// that is durable. The error is UserErrors for what they can mend.
func (d *Desk) Answer(ctx context.Context, s *Sheet, r Reader, f Form) (*ent.Response, error) {
	made, err := d.answer(auth.ForTenant(ctx, s.Tenant), s, r, f)
	if err == nil && r.Invited == nil {
		d.clicks.Answered(r.place(s), r.page(f.Nonce), made.ID)
	}
	return made, err
}

func (d *Desk) answer(ctx context.Context, s *Sheet, r Reader, f Form) (*ent.Response, error) {
	if r.Invited != nil {
		return d.answerInvited(ctx, s, r, f)
	}
	if !r.IsKnown() {
		return d.write(ctx, s, r, f, nil, pageKey(f.Nonce.String()))
	}
	person, err := d.named(ctx, &r)
	if err != nil {
		return nil, err
	}
	var last *ent.Response
	if person != uuid.Nil {
		if last, err = d.last(ctx, s, person); err != nil {
			return nil, err
		}
	}
	before := uuid.Nil
	if last != nil {
		if d.log.Now().Sub(last.RespondedAt) < s.linkLife() {
			return d.amend(ctx, last.ID, f.Score, given(f.Comment))
		}
		before = last.ID
	}
	// Of two answers at the same moment one is recorded, under a key that both make of what was there before, and the other amends it.
	return d.write(ctx, s, r, f, nil, readerKey(s, &r, person, before))
}

// pageKey and readerKey name the answer from a page whose reader has no name, and that of a reader who has given one before, or none. Who
// is known has one key by whichever of their names a link has.
func pageKey(page string) string { return "page\x00" + page }

func readerKey(s *Sheet, r *Reader, person, before uuid.UUID) string {
	who := r.Name()
	if person != uuid.Nil {
		who = person.String()
	}
	return fmt.Sprintf("reader\x00%s\x00%s\x00%s", s.Campaign, who, before)
}

// seen is a look that is counted: when it was, and who had the reader's name then.
type seen struct {
	at      time.Time
	contact uuid.UUID
}

// linkLife is for how long an answer can be changed by the same link.
func (s *Sheet) linkLife() time.Duration { return time.Duration(s.Survey.LinkDays) * 24 * time.Hour }

// write records an answer under a key, or changes the one that was recorded under it. Where that was deleted it is another one. Where it was
// only looked at, which is not nil then, an answer that is there stays as it is: it is a person's, or the same.
func (d *Desk) write(ctx context.Context, s *Sheet, r Reader, f Form, looked *seen, key string) (*ent.Response, error) {
	at := d.log.Now()
	if looked != nil {
		at = looked.at // which may be long ago: what is recorded of it now is not over
	}
	for {
		name, err := s.Ring.Name(key)
		if err != nil {
			return nil, err
		}
		name = "survey:" + name
		made, err := d.record(ctx, s, r, f, looked, name)
		if err == nil && s.isOver(&r, made, at) {
			key += "\x00again"
			continue
		}
		if err == nil && looked == nil && (made.Score != f.Score || given(f.Comment) != nil && value(made.Comment) != f.Comment) {
			// It was said before, and something else since.
			made, err = d.amend(ctx, made.ID, f.Score, given(f.Comment))
		}
		if code(err) != apierror.Conflict {
			return made, err
		}
		target, ok, err := d.log.Named(ctx, name)
		if err != nil {
			return nil, err
		}
		if ok {
			if made, err = d.Response(ctx, s.Tenant, target); err != nil {
				return nil, err
			}
			if made != nil && !s.isOver(&r, made, at) {
				if looked != nil {
					return made, nil
				}
				if made, err = d.amend(ctx, target, f.Score, given(f.Comment)); code(err) != apierror.NotFound {
					return made, err
				}
			}
		}
		key += "\x00again"
	}
}

// IdentityOf says how sure it is that a response's contact gave it.
func IdentityOf(r *ent.Response) link.Identity {
	switch {
	case r.ContactID == nil:
		return link.Anonymous
	case r.Unverified:
		return link.Unverified
	}
	return link.Verified
}

// isOver reports whether an answer of a named reader is one that what they say at a time does not change any more: its person was erased, it
// is too old, or somebody vouches for it.
func (s *Sheet) isOver(r *Reader, made *ent.Response, at time.Time) bool {
	return r.IsKnown() && (made.ContactID == nil || at.Sub(made.RespondedAt) >= s.linkLife() || r.Invited == nil && !made.Unverified)
}

// Change changes what was answered, by the receipt of it; an empty comment takes it away, but where hidden says that it was not shown.
func (d *Desk) Change(ctx context.Context, tenant, response uuid.UUID, score int, comment string, hidden bool) (*ent.Response, error) {
	said := &comment
	if hidden {
		said = given(comment)
	}
	return d.amend(auth.ForTenant(ctx, tenant), response, score, said)
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
	if !isWritten(comment) {
		return nil
	}
	return &comment
}

// isWritten reports whether a text has something in it that can be seen.
func isWritten(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) })
}

// named is who has the reader's name; the zero id where the tenant knows nobody by it.
func (d *Desk) named(ctx context.Context, r *Reader) (uuid.UUID, error) {
	by := entcontact.ExternalID(r.ExternalID)
	if r.ExternalID == "" {
		by = entcontact.EmailKey(contact.EmailKey(r.Email))
	}
	person, err := d.db.Ent.Contact.Query().Where(by).OnlyID(ctx)
	if ent.IsNotFound(err) {
		return uuid.Nil, nil
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("finding who answers: %w", err)
	}
	return person, nil
}

// last is the newest response to the campaign that somebody whom nobody vouches for gave in a person's name; nil where there is none.
func (d *Desk) last(ctx context.Context, s *Sheet, person uuid.UUID) (*ent.Response, error) {
	last, err := d.db.Ent.Response.Query().
		Where(response.ContactID(person), inCampaign(s.Campaign), response.Unverified(true)).
		Order(response.ByRespondedAt(sql.OrderDesc()), response.ByID(sql.OrderDesc())).First(ctx)
	if err != nil && !ent.IsNotFound(err) {
		return nil, fmt.Errorf("finding the last answer: %w", err)
	}
	return last, nil
}

// inCampaign is the predicate that something is of a campaign, of what is found by whom it is of.
func inCampaign(campaign uuid.UUID) func(*sql.Selector) {
	return func(s *sql.Selector) { s.Where(store.FieldBeside(s, response.FieldCampaignID, campaign)) }
}

func (d *Desk) record(ctx context.Context, s *Sheet, r Reader, f Form, looked *seen, key string) (*ent.Response, error) {
	in := feedback.Recording{
		Campaign: id.Campaign.Format(s.Campaign), Score: f.Score, Comment: given(f.Comment), Channel: r.Channel, Traits: r.Traits,
		IdempotencyKey: &key,
	}
	if looked != nil {
		in.RespondedAt, in.Known = &looked.at, looked.contact
	}
	if r.Variant != "" {
		in.Variant = &r.Variant
	}
	if r.Locale != "" {
		in.Locale = &r.Locale
	}
	switch {
	case r.Invited != nil:
		in.Invited = &feedback.Invited{Invitation: r.Invited.ID}
		if r.Invited.ContactID != nil {
			in.Invited.Contact = *r.Invited.ContactID
		}
	case r.ExternalID != "":
		in.Contact, in.Unverified = &contact.Input{ExternalID: &r.ExternalID}, true
	case r.Email != "":
		in.Contact, in.Unverified = &contact.Input{Email: &r.Email}, true
	}
	for {
		out, err := d.log.Record(ctx, []feedback.Recording{in})
		if err != nil {
			return nil, err
		}
		made, errs := out[0].Value, out[0].Errors
		// A link may be printed, and traits be defined since: what does not fit them any more is left out, and not the answer.
		fitting := maps.Clone(in.Traits)
		for _, e := range errs {
			if len(e.Field) == 2 && e.Field[0] == "traits" {
				delete(fitting, e.Field[1])
			}
		}
		if len(fitting) == len(in.Traits) {
			return made, errs.Err()
		}
		in.Traits = fitting
	}
}

func (d *Desk) amend(ctx context.Context, target uuid.UUID, score int, comment *string) (*ent.Response, error) {
	out, err := d.log.Amend(ctx, feedback.Amendment{ID: id.Response.Format(target), Score: &score, Comment: comment, WhileActive: true})
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

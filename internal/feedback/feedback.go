// Package feedback is the log: everything that changes what people said goes through it, and everything else reads
// it.
//
// Each tenant has one log of events, numbered 1, 2, 3 … without a gap in the order of their commits. Concurrent writes
// to a log are put together: while one flush commits, the next gathers. A flush reads what it needs, plans in plain
// Go, and writes the position, contacts, responses, events and cells in one transaction, which takes effect only where
// nothing that was read has changed meanwhile (tenants.revision).
package feedback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/trait"
)

// Limits of what is recorded. Lengths are in characters.
const (
	MaxComment        = 10_000
	MaxVariant        = 100
	MaxIdempotencyKey = 200
	// MaxBatch is how many items one call may bring.
	MaxBatch = 1_000
	// CompletableFor is for how long after a response was recorded its idempotency key may bring what it lacks.
	CompletableFor = 24 * time.Hour
	// maxAhead is how far a clock may go wrong before what it says is refused.
	maxAhead = 5 * time.Minute
)

// earliest is the first instant that an answer may be of.
var earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)

// Recording is a response to be recorded.
type Recording struct {
	// Campaign is the text of an id.
	Campaign string           `json:"campaign"`
	Score    int              `json:"score"`
	Comment  *string          `json:"comment,omitempty"`
	Contact  *contact.Input   `json:"contact,omitempty"`
	Traits   trait.Values     `json:"traits,omitempty"`
	Channel  response.Channel `json:"channel"`
	Variant  *string          `json:"variant,omitempty"`
	Locale   *string          `json:"locale,omitempty"`
	// Unverified says that nobody vouches for it that the contact answers: whoever has the link could have changed who that is. The
	// contact is named by an address or an id alone. It is made where there is none, and else stays as it is.
	Unverified bool `json:"unverified,omitempty"`
	// Known is who had Contact's name when it was answered; the zero UUID where nobody had. Where they have not any more, since they were
	// erased, nothing is recorded: NOT_FOUND.
	Known uuid.UUID `json:"-"`
	// Invited is whose invitation it answers; nil where nobody was invited. It takes the place of Contact.
	Invited *Invited `json:"-"`
	// RespondedAt where nil is the moment of the flush.
	RespondedAt    *time.Time `json:"respondedAt,omitempty"`
	IdempotencyKey *string    `json:"-"`
}

// Invited is an invitation that is answered.
type Invited struct {
	// Invitation is marked as answered, in the transaction that records what it is answered by.
	Invitation uuid.UUID
	// Contact is who was invited; the zero UUID where nobody knows. Where they were erased meanwhile the response is nobody's, and has
	// none of the traits that they were invited with.
	Contact uuid.UUID
}

// Validate says what is wrong with the recording by itself, and parses the campaign's id.
func (r *Recording) Validate(now time.Time) (campaign uuid.UUID, errs apierror.UserErrors) {
	campaign, err := id.Campaign.Parse(r.Campaign)
	if err != nil {
		errs.Add(apierror.Invalid, []string{"campaign"}, "%v.", err)
	}
	errs = append(errs, validateScore(r.Score)...)
	errs.AtMost(MaxComment, r.Comment, "comment")
	if r.Invited != nil && r.Contact != nil {
		errs.Add(apierror.NotAllowed, []string{"contact"}, "The invitation says who answers.")
	}
	if r.Contact != nil {
		errs = append(errs, r.Contact.Validate().Under("contact")...)
		if r.Unverified && !r.Contact.NamesOnly() {
			errs.Add(apierror.NotAllowed, []string{"contact"}, "Who is not verified is named by an address or an id, and nothing else.")
		}
	}
	if !isChannel(r.Channel) {
		errs.Add(apierror.Invalid, []string{"channel"}, "There is no channel %q.", r.Channel)
	}
	errs.AtMost(MaxVariant, r.Variant, "variant")
	if r.Variant != nil && trait.Reserved(*r.Variant) {
		errs.Add(apierror.Invalid, []string{"variant"}, "%s has a meaning of its own in breakdowns; leave the variant out where there is none.", *r.Variant)
	}
	if r.RespondedAt != nil {
		switch {
		case r.RespondedAt.Before(earliest):
			errs.Add(apierror.OutOfRange, []string{"respondedAt"}, "Before %s.", earliest.Format(time.DateOnly))
		case r.RespondedAt.After(now.Add(maxAhead)):
			errs.Add(apierror.OutOfRange, []string{"respondedAt"}, "More than five minutes ahead of the server's clock, which shows %s.", now.Format(time.RFC3339))
		}
	}
	if k := r.IdempotencyKey; k != nil && *k == "" {
		errs.Add(apierror.Invalid, []string{"idempotencyKey"}, "An idempotency key must not be empty; leave it out where there is none.")
	}
	errs.AtMost(MaxIdempotencyKey, r.IdempotencyKey, "idempotencyKey")
	return campaign, errs
}

func isChannel(c response.Channel) bool { return response.ChannelValidator(c) == nil }

func validateScore(score int) (errs apierror.UserErrors) {
	if score < 0 || score > 10 {
		errs.Add(apierror.OutOfRange, []string{"score"}, "A score is 0 to 10, not %d.", score)
	}
	return errs
}

// text is what is kept of a comment: one without a visible character is none.
func text(comment *string) *string {
	if comment == nil || strings.TrimSpace(*comment) == "" {
		return nil
	}
	return comment
}

// name hashes an idempotency key, which may hold an address or a name.
func name(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }

// content is a keyed hash of what is recorded: without the idempotency key, which isn't stored, nobody can try out
// what it may have been.
type content [sha256.Size]byte

func (r *Recording) hash() (c content, err error) {
	b, err := json.Marshal(r)
	if err != nil {
		return c, fmt.Errorf("hashing a response: %w", err)
	}
	h := hmac.New(sha256.New, []byte(*r.IdempotencyKey))
	h.Write(b)
	h.Sum(c[:0])
	return c, nil
}

// content hashes the recording as it is kept: with a blank comment as with none.
func (r *Recording) content() (content, error) {
	kept := *r
	kept.Comment = text(r.Comment)
	return kept.hash()
}

// lacking is a recording of less than another: without its comment, its traits, or both.
type lacking struct {
	content
	comment, traits bool
}

// lacking are the recordings that this one would complete. Those without either lack nothing: their comment is empty,
// which used to be hashed as another than none.
func (r *Recording) lacking() ([]lacking, error) {
	var all []lacking
	for _, without := range []struct{ comment, traits bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		less, has := *r, text(r.Comment) != nil
		if without.comment && !has || without.traits && len(r.Traits) == 0 {
			continue
		}
		if without.traits {
			less.Traits = nil
		}
		comments := []*string{less.Comment}
		if without.comment || !has {
			comments = []*string{nil, new("")}
		}
		for _, less.Comment = range comments {
			c, err := less.hash()
			if err != nil {
				return nil, err
			}
			all = append(all, lacking{c, without.comment, without.traits})
		}
	}
	return all, nil
}

// Amendment changes the score, or adds or changes the comment. What is nil stays; an empty comment removes it.
type Amendment struct {
	// ID is the text of the response's id.
	ID      string
	Score   *int
	Comment *string
	// WhileActive refuses what is of a campaign that takes no responses. The tenant's own people may amend those, too.
	WhileActive bool
}

// Validate says what is wrong with the amendment by itself, and parses the id.
func (a *Amendment) Validate() (response uuid.UUID, errs apierror.UserErrors) {
	response, err := id.Response.Parse(a.ID)
	if err != nil {
		errs.Add(apierror.Invalid, []string{"id"}, "%v.", err)
	}
	if a.Score == nil && a.Comment == nil {
		errs.Add(apierror.Required, []string{}, "Give a score or a comment.")
	}
	if a.Score != nil {
		errs = append(errs, validateScore(*a.Score)...)
	}
	errs.AtMost(MaxComment, a.Comment, "comment")
	return response, errs
}

// EventKind says what happened to a response.
type EventKind int

// The kinds of events, as they are stored.
const (
	Recorded EventKind = 1 + iota
	Amended
	Deleted
)

// Event is an entry of a tenant's log.
type Event struct {
	// Position numbers the tenant's events 1, 2, 3 … without a gap, in the order of their commits.
	Position int64
	Kind     EventKind
	At       time.Time
	Response uuid.UUID
	Campaign uuid.UUID
	// Score is nil once the response is deleted; PreviousScore where the event did not change it.
	Score, PreviousScore *int
}

// Fact is what of a response the cube counts.
func Fact(r *ent.Response) cube.Fact {
	return cube.Fact{
		Response: r.ID, Campaign: r.CampaignID, Channel: string(r.Channel), Variant: r.Variant,
		Traits: r.Traits, RespondedAt: r.RespondedAt, Score: r.Score,
	}
}

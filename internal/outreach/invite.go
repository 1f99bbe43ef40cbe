package outreach

import (
	"context"
	sqldb "database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	entcontact "github.com/zeroten/zeroten/ent/contact"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/trait"
)

// Delivery is how an invited person gets to know.
type Delivery string

// The values of the schema's InvitationDelivery.
const (
	ByEmail Delivery = "EMAIL"
	ByLink  Delivery = "LINK"
)

// maxInviteAhead is how long before a mail it can be asked for.
const maxInviteAhead = 90 * 24 * time.Hour

// MaxKey is how many characters an idempotency key has at most.
const MaxKey = feedback.MaxIdempotencyKey

// InviteInput is a campaign, the text of its id, and people to ask.
type InviteInput struct {
	Campaign string
	Invitees []Invitee
	Delivery Delivery
	// At is when mails are sent; at once where nil.
	At                *time.Time
	IgnoreQuietPeriod bool
}

// Invitee is somebody to ask.
type Invitee struct {
	Contact contact.Input
	Traits  trait.Values
	// IdempotencyKey names the invitation once and for all; it may be nil.
	IdempotencyKey *string
}

// Invite asks people by a campaign of the caller's tenant, each taken or refused by itself: an outcome for each, which is replayed where its
// key had named it before. The error is UserErrors for what is wrong with the whole.
func (d *Desk) Invite(ctx context.Context, in InviteInput) ([]feedback.Outcome[ent.Invitation], error) {
	now := d.now()
	sheet, state, err := d.invites(ctx, &in, now)
	if err != nil {
		return nil, err
	}
	out := make([]feedback.Outcome[ent.Invitation], len(in.Invitees))
	ring, err := d.ring(ctx)
	if err != nil {
		return nil, err
	}
	before, err := d.keyed(ctx, ring, in.Invitees)
	if err != nil {
		return nil, err
	}
	var at, known []int // in in.Invitees, of those below, and of those whose keys name invitations already
	var who []contact.Input
	for i := range in.Invitees {
		v := &in.Invitees[i]
		if errs := v.validate(state); errs != nil {
			out[i].Errors = errs
			continue
		}
		if v.IdempotencyKey != nil && before[*v.IdempotencyKey] != nil {
			known = append(known, i)
			continue
		}
		at, who = append(at, i), append(who, v.Contact)
	}
	if err := d.again(ctx, sheet.Campaign, in.Invitees, known, before, out); err != nil {
		return nil, err
	}
	if len(who) == 0 {
		return out, nil
	}
	contacts, err := d.log.Upsert(ctx, who)
	if err != nil {
		return nil, err
	}
	var made []*draft
	of := map[uuid.UUID]int{}  // an invitation's place in out
	first := map[string]bool{} // the keys that are taken by it
	var later []int            // in in.Invitees, of those whose key another item takes
	for j, c := range contacts {
		if c.Value == nil {
			out[at[j]].Errors = c.Errors.Under("contact")
			continue
		}
		v := &in.Invitees[at[j]]
		if k := v.IdempotencyKey; k != nil {
			if first[*k] {
				later = append(later, at[j])
				continue
			}
			first[*k] = true
		}
		m := newDraft(sheet, &person{id: c.Value.ID, locale: c.Value.Locale}, now)
		if in.At != nil && in.At.After(now) {
			m.Due = in.At.UTC().Truncate(time.Microsecond)
			m.Next = &m.Due
		}
		if v.Traits != nil {
			m.Traits = v.Traits
		}
		m.Ignores = in.IgnoreQuietPeriod
		if v.IdempotencyKey != nil {
			if m.Key, err = keyHash(ring, *v.IdempotencyKey); err != nil {
				return nil, err
			}
		}
		made = append(made, m)
		of[m.ID] = at[j]
	}
	if err := d.give(ctx, ring, &in, made, now); err != nil {
		return nil, err
	}
	rows, err := d.byIDs(ctx, made)
	if err != nil {
		return nil, err
	}
	for _, m := range made {
		switch i := of[m.ID]; {
		case rows[m.ID] != nil:
			out[i].Value = rows[m.ID]
		case in.Invitees[i].IdempotencyKey != nil: // another caller has taken its key meanwhile
			later = append(later, i)
		default:
			out[i].Errors = apierror.User(apierror.NotFound, []string{"contact"}, "They were erased just now.")
		}
	}
	if len(later) > 0 {
		if before, err = d.keyed(ctx, ring, in.Invitees); err != nil {
			return nil, err
		}
		if err := d.again(ctx, sheet.Campaign, in.Invitees, later, before, out); err != nil {
			return nil, err
		}
	}
	d.tell()
	return out, nil
}

// invites says what is wrong with the whole, and gives what is needed for the rest.
func (d *Desk) invites(ctx context.Context, in *InviteInput, now time.Time) (*survey.Sheet, *settings.State, error) {
	if err := Forbidden(ctx); err != nil {
		return nil, nil, err
	}
	var errs apierror.UserErrors
	campaign, err := id.Campaign.Parse(in.Campaign)
	if err != nil {
		errs.Add(apierror.Invalid, []string{"campaign"}, "%v.", err)
	}
	switch n := len(in.Invitees); {
	case n == 0:
		errs.Add(apierror.Required, []string{"invitees"}, "Give at least one.")
	case n > MaxBatch:
		errs.Add(apierror.TooMany, []string{"invitees"}, "At most %d at a time, not %d: send the rest in further calls.", MaxBatch, n)
	}
	if in.Delivery != ByEmail && in.Delivery != ByLink {
		errs.Add(apierror.Invalid, []string{"delivery"}, "There is no delivery %.20q: it is EMAIL or LINK.", in.Delivery)
	}
	switch {
	case in.At == nil:
	case in.Delivery == ByLink:
		errs.Add(apierror.NotAllowed, []string{"at"}, "A link is given out at once: leave `at` out.")
	case in.At.After(now.Add(maxInviteAhead)):
		errs.Add(apierror.OutOfRange, []string{"at"}, "At most 90 days ahead.")
	}
	if err := errs.Err(); err != nil {
		return nil, nil, err
	}
	c, err := d.db.Ent.Campaign.Get(ctx, campaign)
	if ent.IsNotFound(err) {
		return nil, nil, apierror.User(apierror.NotFound, []string{"campaign"}, "There is no campaign %s.", in.Campaign)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("finding a campaign: %w", err)
	}
	if c.Status != entcampaign.StatusACTIVE {
		return nil, nil, apierror.User(apierror.NotAllowed, []string{"campaign"}, "The campaign %s is not active: it asks nobody now.", in.Campaign)
	}
	sheet, err := d.book.Sheet(ctx, campaign)
	if err != nil || sheet == nil {
		return nil, nil, fmt.Errorf("reading how a campaign is asked: %w", errors.Join(err, errNoSheet(sheet)))
	}
	state, err := d.states.Get(ctx, auth.Tenant(ctx))
	return sheet, state, err
}

func errNoSheet(s *survey.Sheet) error {
	if s == nil {
		return errors.New("it is gone")
	}
	return nil
}

func (v *Invitee) validate(state *settings.State) (errs apierror.UserErrors) {
	errs.FilledOrNone(MaxKey, v.IdempotencyKey, "idempotencyKey")
	return append(errs, trait.Check(state.Traits, v.Traits).Under("traits")...)
}

// keyed finds the invitations that the keys of some name already.
func (d *Desk) keyed(ctx context.Context, ring *link.Ring, some []Invitee) (map[string]*ent.Invitation, error) {
	keys := map[string]string{} // by their hashes
	var hashes []any
	for _, v := range some {
		if k := v.IdempotencyKey; k != nil {
			hash, err := keyHash(ring, *k)
			if err != nil {
				return nil, err
			}
			keys[string(hash)] = *k
			hashes = append(hashes, hash)
		}
	}
	if hashes == nil {
		return nil, nil
	}
	rows, err := d.db.Ent.Invitation.Query().Where(func(s *sql.Selector) { s.Where(sql.In(s.C(entinvitation.FieldKeyHash), hashes...)) }).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding invitations by their keys: %w", err)
	}
	found := make(map[string]*ent.Invitation, len(rows))
	for _, row := range rows {
		found[keys[string(row.KeyHash)]] = row
	}
	return found, nil
}

// again gives the invitations that the keys of some items name, whose places in items at are, unless they are of something else.
func (d *Desk) again(
	ctx context.Context, campaign uuid.UUID, items []Invitee, at []int, known map[string]*ent.Invitation, out []feedback.Outcome[ent.Invitation],
) error {
	who := make([]*contact.Input, len(at))
	for j, i := range at {
		who[j] = &items[i].Contact
	}
	ids, err := d.find(ctx, who)
	if err != nil {
		return err
	}
	for j, i := range at {
		switch row := known[*items[i].IdempotencyKey]; {
		case row == nil:
			out[i].Errors = apierror.User(apierror.NotFound, []string{"contact"}, "They were erased just now.")
		case row.CampaignID != campaign, row.ContactID != nil && *row.ContactID != ids[j]:
			out[i].Errors = apierror.User(apierror.Conflict, []string{"idempotencyKey"}, "This key names an invitation of somebody else, or to another campaign: take another key.")
		default:
			out[i].Value, out[i].Replayed = row, true
		}
	}
	return nil
}

// find finds the contacts that inputs mean, by external id, else by address; the zero id where there is none.
func (d *Desk) find(ctx context.Context, inputs []*contact.Input) ([]uuid.UUID, error) {
	found := make([]uuid.UUID, len(inputs))
	for _, by := range []struct {
		column string
		key    func(in *contact.Input) *string
	}{
		{entcontact.FieldExternalID, func(in *contact.Input) *string { return in.ExternalID }},
		{entcontact.FieldEmailKey, func(in *contact.Input) *string {
			if in.Email == nil {
				return nil
			}
			return new(contact.EmailKey(*in.Email))
		}},
	} {
		places := map[string][]int{}
		var keys []string
		for i, in := range inputs {
			if k := by.key(in); k != nil && found[i] == uuid.Nil {
				if places[*k] == nil {
					keys = append(keys, *k)
				}
				places[*k] = append(places[*k], i)
			}
		}
		if len(keys) == 0 {
			continue
		}
		err := store.Each(ctx, d.db.Reader, func(rows *sqldb.Rows) error {
			var id uuid.UUID
			var key string
			err := rows.Scan(&id, &key)
			for _, i := range places[key] {
				found[i] = id
			}
			return err
		}, `SELECT id, `+by.column+` FROM contacts WHERE `+store.Keyed(d.db.Dialect, "", by.column, "text", "$1", "$2"),
			auth.Tenant(ctx), store.Texts(d.db.Dialect, keys))
		if err != nil {
			return nil, fmt.Errorf("finding contacts: %w", err)
		}
	}
	return found, nil
}

// give makes the invitations, and decides now what can be: a link of their own counts as asked from here on.
func (d *Desk) give(ctx context.Context, ring *link.Ring, in *InviteInput, made []*draft, now time.Time) error {
	// In the order of contacts, so that of two who invite the same neither waits for the other for ever.
	slices.SortStableFunc(made, func(a, b *draft) int { return slices.Compare(a.Contact[:], b.Contact[:]) })
	fresh := make([]draft, len(made))
	for i, m := range made {
		fresh[i] = *m
	}
	err := d.db.WriteAgain(ctx, func(tx *store.Tx) error {
		for i, m := range made {
			*m = fresh[i]
		}
		tenant, err := tx.Ent.Tenant.Get(ctx, auth.Tenant(ctx))
		if err != nil {
			return fmt.Errorf("reading a tenant: %w", err)
		}
		zone, err := calendar.LoadZone(tenant.TimeZone)
		if err != nil {
			return fmt.Errorf("finding the tenant's zone: %w", err)
		}
		ids := make([]uuid.UUID, len(made))
		for i, m := range made {
			ids[i] = m.Contact
		}
		z := &zones{of: map[string]*time.Location{}, tenant: zone}
		people, err := d.byID(ctx, tx.SQL, z, ids)
		if err != nil {
			return err
		}
		all := make([]*person, 0, len(people))
		for _, p := range people {
			all = append(all, p)
		}
		if err := d.bar(ctx, tx.SQL, ring, all); err != nil {
			return err
		}
		quiet := days(tenant.QuietDays)
		if in.IgnoreQuietPeriod {
			quiet = 0
		}
		before := make([]*time.Time, len(made))
		for i, m := range made {
			if before[i], err = give(ctx, tx, in, m, people[m.Contact], now, quiet); err != nil {
				return err
			}
		}
		if err := insert(ctx, tx, d.db.Dialect, made); err != nil || in.Delivery == ByEmail {
			return err
		}
		return takeBack(ctx, tx, d.db.Dialect, made, before, now)
	})
	if err != nil {
		return fmt.Errorf("inviting: %w", err)
	}
	return nil
}

// takeBack has those not count as asked whose invitations were not made, since their keys are of others.
func takeBack(ctx context.Context, tx *store.Tx, dialect string, made []*draft, before []*time.Time, now time.Time) error {
	ids := make([]uuid.UUID, len(made))
	for i, m := range made {
		ids[i] = m.ID
	}
	there := map[uuid.UUID]bool{}
	err := store.Each(ctx, tx.SQL, func(rows *sqldb.Rows) error {
		var id uuid.UUID
		err := rows.Scan(&id)
		there[id] = true
		return err
	}, `SELECT id FROM invitations WHERE `+store.Keyed(dialect, "", "id", "uuid", "$1", "$2"), auth.Tenant(ctx), store.UUIDs(dialect, ids))
	if err != nil {
		return fmt.Errorf("looking which invitations were made: %w", err)
	}
	for i, m := range made {
		if m.Claimed != nil && !there[m.ID] {
			if err := unask(ctx, tx, m.Contact, now, before[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// give decides about one invitation, and gives when somebody had been asked before who counts as asked by it.
func give(ctx context.Context, tx *store.Tx, in *InviteInput, m *draft, p *person, now time.Time, quiet time.Duration) (before *time.Time, err error) {
	if p == nil { // erased meanwhile
		m.skip(entinvitation.SkippedBecauseNO_ADDRESS)
		return nil, nil
	}
	if in.Delivery == ByEmail {
		switch r := p.isBarred(); {
		case m.Due.After(now): // it is decided then
		case r != "":
			m.skip(r)
		case p.isQuiet(now, quiet):
			m.skip(entinvitation.SkippedBecauseQUIET_PERIOD)
		}
		return nil, nil
	}
	m.Channel = string(entinvitation.ChannelLINK)
	if p.barred != "" {
		m.skip(p.barred)
		return nil, nil
	}
	before, asked, err := survey.Claim(ctx, tx, p.id, now, quiet)
	if err != nil {
		return nil, err
	}
	if !asked {
		m.skip(entinvitation.SkippedBecauseQUIET_PERIOD)
		return nil, nil
	}
	m.Status, m.Sent, m.Attempt, m.Claimed, m.Next = string(entinvitation.StatusSENT), &now, &now, &now, nil
	return before, nil
}

// byIDs reads those of the invitations that were made.
func (d *Desk) byIDs(ctx context.Context, made []*draft) (map[uuid.UUID]*ent.Invitation, error) {
	ids := make([]uuid.UUID, len(made))
	for i, m := range made {
		ids[i] = m.ID
	}
	rows, err := d.db.Ent.Invitation.Query().Where(func(s *sql.Selector) { s.Where(store.IDIn(s, ids)) }).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading invitations: %w", err)
	}
	found := make(map[uuid.UUID]*ent.Invitation, len(rows))
	for _, row := range rows {
		found[row.ID] = row
	}
	return found, nil
}

// MaxCancelled is how many invitations are called back at a time.
const MaxCancelled = 100

// Cancel calls invitations back, by the texts of their ids, each by itself. The error is UserErrors for what is wrong with the whole.
func (d *Desk) Cancel(ctx context.Context, ids []string) ([]feedback.Outcome[ent.Invitation], error) {
	if err := Forbidden(ctx); err != nil {
		return nil, err
	}
	switch n := len(ids); {
	case n == 0:
		return nil, apierror.User(apierror.Required, []string{"ids"}, "Give at least one.")
	case n > MaxCancelled:
		return nil, apierror.User(apierror.TooMany, []string{"ids"}, "At most %d at a time, not %d: send the rest in further calls.", MaxCancelled, n)
	}
	out := make([]feedback.Outcome[ent.Invitation], len(ids))
	for i, text := range ids {
		target, err := id.Invitation.Parse(text)
		if err != nil {
			out[i].Errors = apierror.User(apierror.Invalid, nil, "%v.", err)
			continue
		}
		err = d.db.WriteAgain(ctx, func(tx *store.Tx) error {
			out[i].Value = nil
			row, err := d.lockInvitation(ctx, tx, target)
			if err != nil {
				return err
			}
			switch {
			case row == nil:
				return apierror.User(apierror.NotFound, nil, "There is no invitation %s.", text)
			case row.Status != entinvitation.StatusPLANNED || row.AttemptAt != nil:
				return apierror.User(apierror.Conflict, nil, "The invitation %s is not planned any more: it is %s, or on its way.", text, row.Status)
			}
			if err := d.releaseTx(ctx, tx, row); err != nil {
				return err
			}
			// Its occasion stays: a schedule does not ask them again for what was called back.
			if err := update(tx, row).SetStatus(entinvitation.StatusCANCELLED).ClearNextAt().ClearClaimedAt().Exec(ctx); err != nil {
				return err
			}
			out[i].Value, err = tx.Ent.Invitation.Get(ctx, row.ID)
			return err
		})
		if errs, ok := errors.AsType[apierror.UserErrors](err); ok {
			out[i].Errors = errs
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("calling an invitation back: %w", err)
		}
	}
	return out, nil
}

// Invited is how many of the invitations were planned, sent or given out now.
func Invited(out []feedback.Outcome[ent.Invitation]) (n int) {
	for _, o := range out {
		if o.Value != nil && !o.Replayed && o.Value.Status != entinvitation.StatusSKIPPED {
			n++
		}
	}
	return n
}

package outreach

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/ent/predicate"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/outreach/bounce"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/link"
)

const (
	// softInARow is after how many mails that came back for now, one after the other and within softWithin, an address is suppressed.
	softInARow = 3
	softWithin = 30 * 24 * time.Hour
)

// told is a report of an invitation of ours.
type told struct {
	bounce.Report

	invitation uuid.UUID
}

// notedAtOnce is how many reports are noted in one transaction, so that nobody waits long for it.
const notedAtOnce = 100

// Reported notes what mail providers say became of mails. What is of no invitation is passed over, and what was said before changes nothing.
func (d *Desk) Reported(ctx context.Context, reports []bounce.Report) error {
	of := map[uuid.UUID][]told{}
	for _, r := range reports {
		invitation, err := id.Invitation.Parse(r.Invitation)
		if err != nil {
			continue // it is of none of ours
		}
		row, err := d.db.Ent.Invitation.Query().Where(entinvitation.ID(invitation)).Only(auth.ForSystem(ctx)) // nobody knows yet whose it is
		if ent.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("finding an invitation that a mail provider tells of: %w", err)
		}
		of[row.TenantID] = append(of[row.TenantID], told{r, invitation})
	}
	for tenant, all := range of {
		// In the order of their ids, so that of two who are told of the same neither waits for the other for ever; those of one as they came.
		slices.SortStableFunc(all, func(a, b told) int { return bytes.Compare(a.invitation[:], b.invitation[:]) })
		for some := range slices.Chunk(all, notedAtOnce) {
			if err := d.reported(auth.ForTenant(ctx, tenant), some); err != nil {
				return fmt.Errorf("noting what a mail provider says: %w", err)
			}
		}
	}
	return nil
}

// reported notes what is said of mails of the caller's tenant, all of it or nothing.
func (d *Desk) reported(ctx context.Context, all []told) error {
	ring, err := d.ring(ctx)
	if err != nil {
		return err
	}
	onlyArrived := !slices.ContainsFunc(all, func(r told) bool { return r.Kind != bounce.Delivered })
	return d.db.WriteAgain(ctx, func(tx *store.Tx) error {
		if !onlyArrived {
			if err := tx.Lock(ctx, auth.Tenant(ctx)); err != nil {
				return err
			}
		}
		var bars []barring
		for _, r := range all {
			b, err := d.reportedTx(ctx, tx, ring, r)
			if err != nil {
				return err
			}
			if b != nil {
				bars = append(bars, *b)
			}
		}
		return d.suppressAll(ctx, tx, bars)
	})
}

// barring is an address that is to be suppressed, by its hash; the text is nil where it is not known any more.
type barring struct {
	hash       string
	email      *string
	why        entsuppression.Reason
	invitation uuid.UUID
}

// suppressAll suppresses addresses, in the order of their hashes, as all do, so that of two who tell of the same neither waits for the other for ever.
// What is said of one address stays in its order. The caller has the tenant's lock: else a flush that erases somebody meanwhile would not see the
// address that is written down here.
func (d *Desk) suppressAll(ctx context.Context, tx *store.Tx, bars []barring) error {
	slices.SortStableFunc(bars, func(a, b barring) int { return cmp.Compare(a.hash, b.hash) })
	for _, b := range bars {
		if err := d.suppress(ctx, tx, b.hash, b.email, b.why, &b.invitation); err != nil {
			return err
		}
	}
	return nil
}

// reportedTx notes one report, and gives the address that is to be suppressed for it; nil where none is.
func (d *Desk) reportedTx(ctx context.Context, tx *store.Tx, ring *link.Ring, r told) (*barring, error) {
	row, err := d.lockInvitation(ctx, tx, r.invitation)
	if err != nil || row == nil || row.Channel != entinvitation.ChannelEMAIL || row.AttemptAt == nil {
		return nil, err // what never went out cannot have come back
	}
	at := r.At.UTC().Truncate(time.Microsecond)
	u := update(tx, row)
	why := entsuppression.Reason("")
	switch r.Kind {
	case bounce.Delivered:
		delivered(u, row, at, d.now())
	case bounce.Complaint:
		if row.ComplainedAt == nil {
			u.SetComplainedAt(at)
		}
		confirm(u, row, d.now())
		why = entsuppression.ReasonCOMPLAINED
	case bounce.Hard:
		bounced(u, row, entinvitation.BounceKindHARD, r.Reason, at)
		why = entsuppression.ReasonBOUNCED
	case bounce.Soft:
		bounced(u, row, entinvitation.BounceKindSOFT, r.Reason, at)
	case bounce.Unsubscribed: // by the provider's own means, and so it did not send the mail
		bounced(u, row, entinvitation.BounceKindSOFT, r.Reason, at)
		why = entsuppression.ReasonUNSUBSCRIBED
	}
	if err := u.Exec(ctx); err != nil {
		return nil, err
	}
	if r.Kind == bounce.Soft {
		return d.softened(ctx, tx, ring, row)
	}
	if why == "" {
		return nil, nil
	}
	return barOf(ctx, tx, ring, row, why)
}

// softened gives the address of an invitation whose mail came back for now, or that no server would take, where the ones before did, too: it is to
// be suppressed.
func (d *Desk) softened(ctx context.Context, tx *store.Tx, ring *link.Ring, row *ent.Invitation) (*barring, error) {
	if row.ContactID == nil || row.AddressHash == nil {
		return nil, nil
	}
	inARow, err := softly(ctx, tx, *row.ContactID, *row.AddressHash, d.now())
	if err != nil || !inARow {
		return nil, err
	}
	return barOf(ctx, tx, ring, row, entsuppression.ReasonBOUNCED)
}

// barOf is for the address that an invitation's mail went to, whatever the person's is by now; nil where it is not known.
func barOf(ctx context.Context, tx *store.Tx, ring *link.Ring, row *ent.Invitation, why entsuppression.Reason) (*barring, error) {
	hash, email, err := addressOf(ctx, tx, ring, row)
	if err != nil || hash == "" {
		return nil, err
	}
	return &barring{hash, email, why, row.ID}, nil
}

// addressOf is the address that an invitation's mail went to, by its hash; the text, too, where the person still has it.
func addressOf(ctx context.Context, tx *store.Tx, ring *link.Ring, row *ent.Invitation) (hash string, email *string, err error) {
	if row.AddressHash != nil {
		hash = *row.AddressHash
	}
	if row.ContactID == nil {
		return hash, nil, nil
	}
	c, err := tx.Ent.Contact.Get(ctx, *row.ContactID)
	if ent.IsNotFound(err) || err == nil && c.Email == nil {
		return hash, nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("finding who is invited: %w", err)
	}
	now, err := hashOf(ring, *c.Email)
	if err != nil || hash != "" && hash != now {
		return hash, nil, err
	}
	return now, c.Email, nil
}

// confirm notes that a mail of which nobody knew whether it was taken was so.
func confirm(u *ent.InvitationUpdate, row *ent.Invitation, now time.Time) {
	switch row.Status {
	case entinvitation.StatusUNCONFIRMED:
		u.SetStatus(entinvitation.StatusSENT)
		awaitReminder(u, row, now)
	case entinvitation.StatusPLANNED: // nobody has said otherwise yet
		u.SetStatus(entinvitation.StatusSENT)
	}
	if row.SentAt == nil {
		u.SetNillableSentAt(row.AttemptAt)
	}
}

// awaitReminder has an invitation of a schedule looked at again that was sent after all: it is seen then whether there is a reminder, and when.
func awaitReminder(u *ent.InvitationUpdate, row *ent.Invitation, now time.Time) {
	if row.Plan != nil && row.ReminderAttemptAt == nil {
		u.SetNextAt(now)
	}
}

// delivered notes that a mail arrived. One that had come back for now before has arrived after all.
func delivered(u *ent.InvitationUpdate, row *ent.Invitation, at, now time.Time) {
	if row.DeliveredAt == nil || at.Before(*row.DeliveredAt) {
		u.SetDeliveredAt(at)
	}
	confirm(u, row, now)
	if row.Status == entinvitation.StatusBOUNCED && row.BounceKind != nil && *row.BounceKind == entinvitation.BounceKindSOFT &&
		row.BouncedAt != nil && row.BouncedAt.Before(at) {
		u.SetStatus(entinvitation.StatusSENT).ClearBouncedAt().ClearBounceKind().ClearBounceReason()
		awaitReminder(u, row, now)
	}
}

// bounced notes that a mail came back. What is for good is not taken back by what is for now, and whatever was answered stays so.
func bounced(u *ent.InvitationUpdate, row *ent.Invitation, kind entinvitation.BounceKind, why string, at time.Time) {
	soft := kind == entinvitation.BounceKindSOFT
	if row.BounceKind != nil && (soft || *row.BounceKind == entinvitation.BounceKindHARD) {
		return
	}
	if soft && row.DeliveredAt != nil && row.DeliveredAt.After(at) {
		return
	}
	u.SetBouncedAt(at).SetBounceKind(kind)
	if why != "" && row.ContactID != nil {
		u.SetBounceReason(why)
	} else {
		u.ClearBounceReason()
	}
	if row.SentAt == nil {
		u.SetNillableSentAt(row.AttemptAt)
	}
	switch row.Status {
	case entinvitation.StatusSENT, entinvitation.StatusUNCONFIRMED, entinvitation.StatusPLANNED:
		u.SetStatus(entinvitation.StatusBOUNCED).ClearNextAt()
	}
}

// softly reports whether the last mails to somebody's address all came back, within so short a time that it is written to no more.
func softly(ctx context.Context, tx *store.Tx, contact uuid.UUID, address string, now time.Time) (bool, error) {
	last, err := tx.Ent.Invitation.Query().Where(entinvitation.ContactID(contact), entinvitation.ChannelEQ(entinvitation.ChannelEMAIL),
		entinvitation.AddressHash(address), entinvitation.AttemptAtNotNil()).Order(entinvitation.ByDueAt(sql.OrderDesc()), entinvitation.ByID(sql.OrderDesc())).Limit(softInARow).All(ctx)
	if err != nil {
		return false, fmt.Errorf("reading what became of the last mails: %w", err)
	}
	for _, i := range last {
		if i.BounceKind == nil || now.Sub(*i.BouncedAt) > softWithin {
			return false, nil
		}
	}
	return len(last) == softInARow, nil
}

// Unsubscribe has whoever was invited never written to again, by any campaign of the tenant, and reports whether they were found: whoever was
// erased is not, and needs nothing.
func (d *Desk) Unsubscribe(ctx context.Context, tenant, invitation uuid.UUID) (bool, error) {
	ctx = auth.ForTenant(ctx, tenant)
	ring, err := d.ring(ctx)
	if err != nil {
		return false, err
	}
	// Mail providers say so more than once, and anybody may: what is known already takes no lock, which others would wait for.
	row, err := d.invitation(ctx, invitation)
	if err != nil || row == nil {
		return false, err
	}
	if row.UnsubscribedAt != nil {
		known, err := d.isBarred(ctx, row, entsuppression.ReasonIn(entsuppression.ReasonUNSUBSCRIBED, entsuppression.ReasonCOMPLAINED))
		if err != nil || known {
			return known, err
		}
	}
	found := false
	err = d.db.WriteAgain(ctx, func(tx *store.Tx) error {
		found = false
		if err := tx.Lock(ctx, tenant); err != nil {
			return err
		}
		row, err := d.lockInvitation(ctx, tx, invitation)
		if err != nil || row == nil {
			return err
		}
		if row.UnsubscribedAt == nil {
			if err := update(tx, row).SetUnsubscribedAt(d.now()).Exec(ctx); err != nil {
				return err
			}
		}
		b, err := barOf(ctx, tx, ring, row, entsuppression.ReasonUNSUBSCRIBED)
		if err != nil || b == nil {
			return err
		}
		found = true
		return d.suppressAll(ctx, tx, []barring{*b})
	})
	if err != nil {
		return false, fmt.Errorf("unsubscribing somebody: %w", err)
	}
	return found, nil
}

// Unsubscribed reports whether the person of an invitation has unsubscribed by a mail, this one or another, so that Resubscribe would take it back.
func (d *Desk) Unsubscribed(ctx context.Context, tenant, invitation uuid.UUID) (bool, error) {
	ctx = auth.ForTenant(ctx, tenant)
	row, err := d.invitation(ctx, invitation)
	if err != nil || row == nil {
		return false, err
	}
	return d.isBarred(ctx, row, entsuppression.ReasonEQ(entsuppression.ReasonUNSUBSCRIBED), entsuppression.InvitationIDNotNil())
}

// invitation finds one of the caller's tenant; nil where there is none.
func (d *Desk) invitation(ctx context.Context, id uuid.UUID) (*ent.Invitation, error) {
	row, err := d.db.Ent.Invitation.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding an invitation: %w", err)
	}
	return row, nil
}

// isBarred reports whether the address that an invitation's mail went to has a suppression that is such.
func (d *Desk) isBarred(ctx context.Context, row *ent.Invitation, such ...predicate.Suppression) (bool, error) {
	if row.AddressHash == nil {
		return false, nil
	}
	is, err := d.db.Ent.Suppression.Query().Where(entsuppression.EmailHash(*row.AddressHash)).Where(such...).Exist(ctx)
	if err != nil {
		return false, fmt.Errorf("finding a suppression: %w", err)
	}
	return is, nil
}

// Resubscribe takes back that the person of an invitation has unsubscribed by a mail, this one or another, and reports whether they had. What
// somebody else has said of the address stays, or holds again, and so does a complaint: only the tenant ends that, with the person's consent.
func (d *Desk) Resubscribe(ctx context.Context, tenant, invitation uuid.UUID) (bool, error) {
	ctx = auth.ForTenant(ctx, tenant)
	ring, err := d.ring(ctx)
	if err != nil {
		return false, err
	}
	had := false
	err = d.db.WriteAgain(ctx, func(tx *store.Tx) error {
		had = false
		row, err := d.lockInvitation(ctx, tx, invitation)
		if err != nil || row == nil {
			return err
		}
		hash, _, err := addressOf(ctx, tx, ring, row)
		if err != nil || hash == "" {
			return err
		}
		if err := update(tx, row).ClearUnsubscribedAt().Exec(ctx); err != nil {
			return err
		}
		had, err = unsuppressPerson(ctx, tx, hash)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("subscribing somebody again: %w", err)
	}
	return had, nil
}

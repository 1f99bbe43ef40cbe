package outreach

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	entsql "entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	entschedule "github.com/zeroten/zeroten/ent/schedule"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/outreach/slot"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/link"
)

const (
	// lease is for how long what a process has taken to send is nobody else's. It is longer than handing a mail over may take.
	lease = 10 * time.Minute
	// givesUpAfter is when a mail has failed that no server took until then.
	givesUpAfter = 72 * time.Hour
)

// backoff is how long to wait after so many tries in vain; the last is for all after it.
var backoff = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour}

// taken is an invitation that this process is to look at, until the lease ends.
type taken struct {
	tenant, id uuid.UUID
	due, until time.Time
}

// take takes invitations that are to be looked at, so many at most, those first that have waited longest. Where there are more, half of the room is
// for tenants in their turn, those after one, a few of each: else a tenant with very many due would have all others wait. next is whose turn was
// last.
func (d *Desk) take(ctx context.Context, most int, after uuid.UUID) (all []taken, next uuid.UUID, err error) {
	now, lock := d.now(), ""
	if d.db.Dialect == store.Postgres {
		lock = " FOR UPDATE SKIP LOCKED"
	}
	until := now.Add(lease)
	const anyDue = "next_at <= $1 ORDER BY next_at"
	err = d.db.Write(ctx, func(tx *store.Tx) error {
		all, next = nil, after
		some := func(most int, due string, args ...any) error {
			return store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
				t := taken{until: until}
				err := rows.Scan(&t.tenant, &t.id, &t.due)
				all = append(all, t)
				return err
			}, `UPDATE invitations SET next_at = $2 WHERE (tenant_id, id) IN
					(SELECT tenant_id, id FROM invitations WHERE `+due+` LIMIT $3`+lock+`)
				RETURNING tenant_id, id, due_at`, append([]any{now, until, most}, args...)...)
		}
		if err := some(most-most/2, anyDue); err != nil || len(all) < most-most/2 {
			return err
		}
		due, last, err := d.turns(ctx, tx, after, now)
		if err != nil {
			return err
		}
		for _, tenant := range due {
			if len(all) == most { // the others are first in the next round
				return nil
			}
			if err := some(min(inTurn, most-len(all)), dueOf(d.db.Dialect, "invitations", "$4", "$1"), tenant); err != nil {
				return err
			}
			next = tenant
		}
		next = last
		return some(most-len(all), anyDue)
	})
	if err != nil {
		return nil, after, fmt.Errorf("taking what is to be sent: %w", err)
	}
	slices.SortFunc(all, func(a, b taken) int { return a.due.Compare(b.due) }) // what a budget has room for goes to who was due first
	return all, next, nil
}

// putBack has what was taken until an instant, and not looked at, taken by anybody again, after a while.
func (d *Desk) putBack(ctx context.Context, until time.Time) error {
	err := d.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.SQL.ExecContext(ctx, `UPDATE invitations SET next_at = $2 WHERE next_at = $1`, until, d.now().Add(breather))
		return err
	})
	if err != nil {
		return fmt.Errorf("putting back what was taken: %w", err)
	}
	return nil
}

// claim is what the claim of an invitation has found.
type claim struct {
	*ent.Invitation

	contact  *ent.Contact
	schedule *ent.Schedule
	campaign *ent.Campaign
	// sends says that the mail is to be handed over now, and reminds that it is the reminder.
	sends, reminds bool
	// erased says that whoever it was to is gone, and so are the files to be.
	erased bool
	// isOver says that the tenant's day has no room for it, so that it waits for the next one.
	isOver bool
}

// knownFor is for how long a Mailer goes by what it has read of a tenant, while it sends what it has taken.
const knownFor = 2 * time.Second

// known is what claims and mails go by of a tenant that is the same for many of them. It is read outside of claims' transactions.
type known struct {
	ring     *link.Ring
	settings *Settings
	// zone is the tenant's.
	zone *time.Location
	// mailsADay are how many mails it may have sent in a day at most; 0 where there is no limit.
	mailsADay int
	read      time.Time
}

// know reads what is known of the caller's tenant.
func (d *Desk) know(ctx context.Context, h House) (k known, err error) {
	k.read, k.mailsADay = time.Now(), h.MailsADay
	if k.ring, err = d.ring(ctx); err != nil {
		return k, err
	}
	if k.settings, err = d.Settings(ctx, h); err != nil {
		return k, err
	}
	state, err := d.states.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return k, err
	}
	if k.zone, err = calendar.LoadZone(state.Zone); err != nil {
		return k, fmt.Errorf("finding the tenant's zone: %w", err)
	}
	return k, nil
}

// update changes an invitation. UpdateOne would read it again afterwards, by its id alone: no index begins with that, and so it would go through
// the invitations of all tenants.
func update(tx *store.Tx, row *ent.Invitation) *ent.InvitationUpdate {
	return tx.Ent.Invitation.Update().Where(entinvitation.ID(row.ID))
}

// claim looks at an invitation that was taken, and decides what becomes of it. Where it is to be sent it counts as asked from here on, and as
// being with the server: should the process end before it says otherwise, nobody sends it again.
func (d *Desk) claim(ctx context.Context, t taken, k known) (c *claim, err error) {
	err = d.db.Write(ctx, func(tx *store.Tx) (err error) {
		c, err = d.claimTx(ctx, tx, t, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claiming an invitation: %w", err)
	}
	return c, nil
}

func (d *Desk) claimTx(ctx context.Context, tx *store.Tx, t taken, k known) (*claim, error) {
	// The invitation is locked before the contact here, and after it by a flush that erases them. Where PostgreSQL ends one of two that wait for
	// each other, a flush tries again by itself, and an invitation whose claim was ended is put back, and taken again a minute later.
	row, err := d.lockInvitation(ctx, tx, t.id)
	if err != nil || row == nil || row.NextAt == nil || !row.NextAt.Equal(t.until) {
		return &claim{}, err // somebody else's by now
	}
	c := &claim{Invitation: row}
	u := update(tx, row)
	switch {
	case row.ContactID == nil:
		c.erased = true
		if row.Status == entinvitation.StatusPLANNED && row.AttemptAt == nil {
			if err := d.releaseTx(ctx, tx, row); err != nil {
				return nil, err
			}
			u.SetStatus(entinvitation.StatusCANCELLED).ClearOccasion().ClearClaimedAt()
		} else if row.Status == entinvitation.StatusPLANNED {
			u.SetStatus(entinvitation.StatusUNCONFIRMED)
		}
		return c, u.SetNextAt(d.now().Add(lease)).Exec(ctx) // until its files are gone
	case row.Status == entinvitation.StatusPLANNED && row.AttemptAt != nil:
		return c, u.SetStatus(entinvitation.StatusUNCONFIRMED).ClearNextAt().Exec(ctx)
	case row.Status == entinvitation.StatusSENT && row.Channel == entinvitation.ChannelEMAIL && row.RemindedAt == nil && row.ReminderAttemptAt == nil:
		return c, d.remind(ctx, tx, c, u, k)
	case row.Status != entinvitation.StatusPLANNED:
		return c, u.ClearNextAt().Exec(ctx)
	}
	return c, d.decide(ctx, tx, c, u, k)
}

// lockInvitation reads an invitation of the caller's tenant and keeps it as it is until the transaction ends; nil where there is none.
func (d *Desk) lockInvitation(ctx context.Context, tx *store.Tx, id uuid.UUID) (*ent.Invitation, error) {
	row, err := tx.Ent.Invitation.Query().Where(entinvitation.ID(id), func(s *entsql.Selector) {
		if d.db.Dialect == store.Postgres {
			s.ForUpdate()
		}
	}).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding an invitation: %w", err)
	}
	return row, nil
}

// load reads what a claim goes by.
func (d *Desk) load(ctx context.Context, tx *store.Tx, c *claim) (err error) {
	if c.campaign, err = tx.Ent.Campaign.Get(ctx, c.CampaignID); err != nil {
		return fmt.Errorf("finding an invitation's campaign: %w", err)
	}
	if c.contact, err = tx.Ent.Contact.Get(ctx, *c.ContactID); err != nil {
		return fmt.Errorf("finding who is invited: %w", err)
	}
	c.schedule, err = tx.Ent.Schedule.Query().Where(entschedule.CampaignID(c.CampaignID)).Only(ctx)
	if ent.IsNotFound(err) {
		c.schedule, err = nil, nil
	}
	if err != nil {
		return fmt.Errorf("reading a schedule: %w", err)
	}
	return nil
}

// rests has the invitation wait until its campaign, or its schedule, goes on. It says so last: whoever wakes what waits says first that
// nothing does, so that of the two the one who comes second sees what the other has done.
func rests(ctx context.Context, tx *store.Tx, c *claim, u *ent.InvitationUpdate) error {
	if err := u.ClearNextAt().Exec(ctx); err != nil {
		return fmt.Errorf("having an invitation wait: %w", err)
	}
	return waits(ctx, tx, c.CampaignID, true)
}

// waits notes whether invitations may wait for a campaign. By hand, since that is nothing that changes about the campaign.
func waits(ctx context.Context, tx *store.Tx, campaign uuid.UUID, do bool) error {
	_, err := tx.SQL.ExecContext(ctx, `UPDATE campaigns SET has_waiting = $3 WHERE tenant_id = $1 AND id = $2`, auth.Tenant(ctx), campaign, do)
	if err != nil {
		return fmt.Errorf("noting whether invitations wait for a campaign: %w", err)
	}
	return nil
}

// decide looks at all rules again, and either claims the invitation or says what becomes of it instead.
func (d *Desk) decide(ctx context.Context, tx *store.Tx, c *claim, u *ent.InvitationUpdate, k known) error {
	if err := d.load(ctx, tx, c); err != nil {
		return err
	}
	planned := c.Plan != nil
	switch {
	case planned && c.schedule != nil && c.schedule.Plan != *c.Plan && c.campaign.Status != entcampaign.StatusCLOSED && isFor(c.schedule, c.Invitation):
		return d.planAgain(ctx, c, u, k)
	case planned && (c.schedule == nil || c.schedule.Plan != *c.Plan), c.campaign.Status == entcampaign.StatusCLOSED:
		if err := d.releaseTx(ctx, tx, c.Invitation); err != nil {
			return err
		}
		return u.SetStatus(entinvitation.StatusCANCELLED).ClearOccasion().ClearNextAt().ClearClaimedAt().Exec(ctx)
	case c.campaign.Status == entcampaign.StatusPAUSED, planned && c.schedule.IsPaused:
		return rests(ctx, tx, c, u)
	}
	now, quiet, zone := d.now(), days(k.settings.Limits.QuietDays), k.zone
	p, err := d.personOf(ctx, tx, c.contact, k.ring, zone)
	if err != nil {
		return err
	}
	late := now.Sub(c.DueAt)
	if c.ClaimedAt != nil && now.Sub(*c.ClaimedAt) > givesUpAfter+2*backoff[len(backoff)-1] { // it rested since it was tried: all rules hold as if it had not been
		if err := d.release(ctx, tx, c.Invitation, zone); err != nil {
			return err
		}
		if p.asked != nil && p.asked.Equal(*c.ClaimedAt) {
			p.asked = c.AskedBefore
		}
		c.ClaimedAt = nil
		if err := update(tx, c.Invitation).ClearClaimedAt().ClearAskedBefore().Exec(ctx); err != nil {
			return fmt.Errorf("having an invitation begin anew: %w", err)
		}
	} else if c.ClaimedAt != nil {
		late = 0 // it was tried in time
	}
	var s *scheme
	var why reason
	if planned {
		if s, err = d.scheme(ctx, c.schedule, c.campaign.Status, k.settings.Limits.QuietDays); err != nil {
			return err
		}
		asked := p.asked
		if c.ClaimedAt != nil && asked != nil && asked.Equal(*c.ClaimedAt) {
			p.asked = nil // that was by this invitation
		}
		why = s.rule(p, *c.Occasion, now, late)
		p.asked = asked
	} else if why = p.isBarred(); why == "" && (c.ClaimedAt == nil || p.asked == nil || !p.asked.Equal(*c.ClaimedAt)) {
		switch {
		case !c.IgnoresQuiet && p.isQuiet(now, quiet):
			why = entinvitation.SkippedBecauseQUIET_PERIOD
		case late > tooLate:
			why = entinvitation.SkippedBecauseTOO_LATE
		}
	}
	recurring := planned && c.schedule.Occasion == entschedule.OccasionRECURRING
	if recurring && c.ClaimedAt == nil && (why == "" || why == entinvitation.SkippedBecauseQUIET_PERIOD) {
		// Somebody may have asked them since it was planned: the campaign's own widget, too.
		if err := d.past(ctx, tx.SQL, s, []*person{p}, now); err != nil {
			return err
		}
		if e := s.earliest(p); e.After(now) {
			return d.postpone(ctx, u, s.putOff(p, e))
		}
	}
	switch {
	case why != "":
		if c.ClaimedAt != nil {
			if err := d.release(ctx, tx, c.Invitation, zone); err != nil {
				return err
			}
		}
		return u.SetStatus(entinvitation.StatusSKIPPED).SetSkippedBecause(why).ClearNextAt().ClearClaimedAt().Exec(ctx)
	case planned && !s.window.Contains(now, p.zone):
		// Whoever sends was a little late, or tries again. It is due then, as the next window may be a week away.
		return d.postpone(ctx, u, s.window.Next(now, p.zone))
	}
	isNew := c.ClaimedAt == nil
	var before *time.Time
	if isNew {
		if c.IgnoresQuiet {
			quiet = 0
		}
		var asked bool
		before, asked, err = survey.Claim(ctx, tx, c.contact.ID, now, quiet)
		if err != nil {
			return err
		}
		if !asked { // by another campaign just now
			return u.SetNextAt(now.Add(shortly)).Exec(ctx)
		}
		ok, err := d.spend(ctx, tx, c, k.settings.Limits.MonthlyBudget, slot.MonthOf(now, zone))
		if err != nil {
			return err
		}
		if !ok {
			if err := unask(ctx, tx, c.contact.ID, now, before); err != nil {
				return err
			}
			if recurring {
				return d.postpone(ctx, u, s.nextMonth(c.DueAt, now, p.zone))
			}
			return u.SetStatus(entinvitation.StatusSKIPPED).SetSkippedBecause(entinvitation.SkippedBecauseOVER_BUDGET).ClearNextAt().Exec(ctx)
		}
	}
	switch room, err := hasRoom(ctx, tx, k, now); {
	case err != nil:
		return err
	case !room && isNew:
		month := slot.MonthOf(now, zone)
		err := errors.Join(unask(ctx, tx, c.contact.ID, now, before), uncount(ctx, tx, uuid.Nil, month), uncount(ctx, tx, c.CampaignID, month))
		if err != nil {
			return err
		}
		c.isOver = true
		due := k.later(c.DueAt, now, !planned)
		if planned {
			due = s.window.Next(due, p.zone)
		}
		return d.postpone(ctx, u, due)
	case !room:
		c.isOver = true
		return u.SetNextAt(k.tomorrow(now)).Exec(ctx)
	}
	if isNew {
		u.SetClaimedAt(now)
		if before == nil {
			u.ClearAskedBefore()
		} else {
			u.SetAskedBefore(*before)
		}
	}
	hash, err := hashOf(k.ring, *c.contact.Email)
	if err != nil {
		return err
	}
	u.SetAddressHash(hash)
	c.sends = true
	until := now.Add(lease)
	c.AttemptAt, c.NextAt = &now, &until
	return u.SetAttemptAt(now).SetNextAt(until).Exec(ctx)
}

// isFor reports whether a schedule waits for the event that an invitation was planned for.
func isFor(s *ent.Schedule, i *ent.Invitation) bool {
	if s.Event == nil || i.OccurredAt == nil || i.Occasion == nil {
		return false
	}
	_, event, ok := eventOf(*i.Occasion)
	return ok && event == *s.Event
}

// planAgain plans the invitation of an event by the schedule that waits for it by now.
func (d *Desk) planAgain(ctx context.Context, c *claim, u *ent.InvitationUpdate, k known) error {
	s, err := d.scheme(ctx, c.schedule, entcampaign.StatusACTIVE, k.settings.Limits.QuietDays)
	if err != nil {
		return err
	}
	z := &zones{of: map[string]*time.Location{}, tenant: k.zone}
	p := &person{id: c.contact.ID, email: c.contact.Email, traits: c.contact.Traits, zone: z.find(c.contact.TimeZone), asked: c.contact.LastAskedAt}
	what, _, _ := eventOf(*c.Occasion)
	at := s.happened(p, *c.OccurredAt, what)
	u.SetPlan(s.Plan)
	if !s.sampled(p, at.occasion) && c.ClaimedAt == nil {
		return u.SetStatus(entinvitation.StatusSKIPPED).SetSkippedBecause(entinvitation.SkippedBecauseNOT_SAMPLED).ClearNextAt().Exec(ctx)
	}
	return d.postpone(ctx, u, at.due)
}

// shortly is how soon it is looked again where somebody else was faster.
const shortly = 5 * time.Second

// postpone has the invitation due later.
func (d *Desk) postpone(ctx context.Context, u *ent.InvitationUpdate, due time.Time) error {
	due = due.UTC().Truncate(time.Microsecond)
	return u.SetDueAt(due).SetNextAt(due).Exec(ctx)
}

// personOf is a contact as rules go by them, within a transaction.
func (d *Desk) personOf(ctx context.Context, tx *store.Tx, c *ent.Contact, ring *link.Ring, tenant *time.Location) (*person, error) {
	z := &zones{of: map[string]*time.Location{}, tenant: tenant}
	p := &person{id: c.ID, email: c.Email, locale: c.Locale, traits: c.Traits, zone: z.find(c.TimeZone), asked: c.LastAskedAt, taken: map[string]bool{}}
	return p, d.bar(ctx, tx.SQL, ring, []*person{p})
}

// spend counts an invitation for the month's budgets, the tenant's own and the campaign's, and reports whether both had room for it; else it counts for
// none.
func (d *Desk) spend(ctx context.Context, tx *store.Tx, c *claim, own *int, month int) (bool, error) {
	type budget struct {
		campaign uuid.UUID
		most     *int
	}
	budgets := []budget{{uuid.Nil, own}, {c.CampaignID, nil}}
	if c.schedule != nil {
		budgets[1].most = c.schedule.MonthlyBudget
	}
	for i, b := range budgets {
		n, err := count(ctx, tx, b.campaign, month, b.most)
		if err != nil {
			return false, err
		}
		if n > 0 {
			continue
		}
		for _, spent := range budgets[:i] {
			if err := uncount(ctx, tx, spent.campaign, month); err != nil {
				return false, err
			}
		}
		return false, nil
	}
	return true, nil
}

// count counts one more invitation of a month, and gives how many there are with it; 0 where there are as many as may be without it.
func count(ctx context.Context, tx *store.Tx, campaign uuid.UUID, month int, most *int) (n int, err error) {
	if most != nil && *most == 0 {
		return 0, nil
	}
	limit := 1<<31 - 1
	if most != nil {
		limit = *most
	}
	err = tx.SQL.QueryRowContext(ctx, `INSERT INTO monthly_counts (tenant_id, id, campaign, month, sent) VALUES ($1, $2, $3, $4, 1)
		ON CONFLICT (tenant_id, campaign, month) DO UPDATE SET sent = monthly_counts.sent + 1 WHERE monthly_counts.sent < $5 RETURNING sent`,
		auth.Tenant(ctx), id.New(), campaign, month, limit).Scan(&n)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("counting a month's mails: %w", err)
	}
	return n, nil
}

func uncount(ctx context.Context, tx *store.Tx, campaign uuid.UUID, month int) error {
	_, err := tx.SQL.ExecContext(ctx, `UPDATE monthly_counts SET sent = sent - 1 WHERE tenant_id = $1 AND campaign = $2 AND month = $3 AND sent > 0`,
		auth.Tenant(ctx), campaign, month)
	if err != nil {
		return fmt.Errorf("counting a month's mails: %w", err)
	}
	return nil
}

// unask takes back that somebody was asked at an instant, unless they have been asked again.
func unask(ctx context.Context, tx *store.Tx, contact uuid.UUID, at time.Time, before *time.Time) error {
	_, err := tx.SQL.ExecContext(ctx, `UPDATE contacts SET last_asked_at = $4 WHERE tenant_id = $1 AND id = $2 AND last_asked_at = $3`,
		auth.Tenant(ctx), contact, at, before)
	if err != nil {
		return fmt.Errorf("noting that somebody was not asked: %w", err)
	}
	return nil
}

// releaseTx is release for who does not know the tenant's zone.
func (d *Desk) releaseTx(ctx context.Context, tx *store.Tx, i *ent.Invitation) error {
	if i.ClaimedAt == nil {
		return nil
	}
	zone, err := zoneTx(ctx, tx)
	if err != nil {
		return err
	}
	return d.release(ctx, tx, i, zone)
}

// zoneTx is the tenant's zone.
func zoneTx(ctx context.Context, tx *store.Tx) (*time.Location, error) {
	tenant, err := tx.Ent.Tenant.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, fmt.Errorf("reading a tenant: %w", err)
	}
	zone, err := calendar.LoadZone(tenant.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("finding the tenant's zone: %w", err)
	}
	return zone, nil
}

// release takes back what an invitation counted for that did not go out.
func (d *Desk) release(ctx context.Context, tx *store.Tx, i *ent.Invitation, zone *time.Location) error {
	if i.ClaimedAt == nil {
		return nil
	}
	if i.ContactID != nil {
		if err := unask(ctx, tx, *i.ContactID, *i.ClaimedAt, i.AskedBefore); err != nil {
			return err
		}
	}
	return uncountBoth(ctx, tx, i, zone)
}

// uncountBoth takes back what an invitation took of the month's budgets.
func uncountBoth(ctx context.Context, tx *store.Tx, i *ent.Invitation, zone *time.Location) error {
	month := slot.MonthOf(*i.ClaimedAt, zone)
	return errors.Join(uncount(ctx, tx, uuid.Nil, month), uncount(ctx, tx, i.CampaignID, month))
}

// remind claims the reminder of an invitation that was not answered, or says that there is none.
func (d *Desk) remind(ctx context.Context, tx *store.Tx, c *claim, u *ent.InvitationUpdate, k known) error {
	if err := d.load(ctx, tx, c); err != nil {
		return err
	}
	if c.schedule == nil || c.schedule.ReminderAfterDays == nil || c.campaign.Status == entcampaign.StatusCLOSED {
		return u.ClearNextAt().Exec(ctx)
	}
	now := d.now()
	if c.campaign.Status == entcampaign.StatusPAUSED || c.schedule.IsPaused {
		return u.SetNextAt(now.Add(time.Hour)).Exec(ctx) // they are few, and none waits long
	}
	p, err := d.personOf(ctx, tx, c.contact, k.ring, k.zone)
	if err != nil {
		return err
	}
	s, err := d.scheme(ctx, c.schedule, c.campaign.Status, k.settings.Limits.QuietDays)
	if err != nil {
		return err
	}
	due := remindAt(c.schedule, s.window, *c.SentAt, p.zone)
	switch {
	case p.isBarred() != "", now.Sub(due) > tooLate:
		return u.ClearNextAt().Exec(ctx)
	case due.After(now):
		return u.SetNextAt(due).Exec(ctx)
	case !s.window.Contains(now, p.zone):
		return u.SetNextAt(s.window.Next(now, p.zone).UTC()).Exec(ctx)
	}
	c.reminds = true
	if room, err := hasRoom(ctx, tx, k, now); err != nil {
		return err
	} else if !room {
		c.isOver = true
		return u.SetNextAt(s.window.Next(k.tomorrow(now), p.zone).UTC().Truncate(time.Microsecond)).Exec(ctx)
	}
	c.sends = true
	until := now.Add(lease)
	c.ReminderAttemptAt, c.NextAt = &now, &until
	return u.SetReminderAttemptAt(now).SetNextAt(until).Exec(ctx)
}

// remindAt is when somebody is reminded who was asked at an instant.
func remindAt(s *ent.Schedule, w slot.Window, sent time.Time, zone *time.Location) time.Time {
	return w.Next(sent.Add(days(*s.ReminderAfterDays)), zone).UTC().Truncate(time.Microsecond)
}

package outreach

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// daily stands for a day's mails in the place of a campaign, where those of months are counted.
var daily = uuid.Max

// putOffAtOnce is how many invitations are put off by one statement, so that nobody waits long for it.
const putOffAtOnce = 2_000

// hasRoom counts one more mail of the tenant's day, and reports whether there was room for it. Where the operator has set no limit there is, and
// nothing is counted.
func hasRoom(ctx context.Context, tx *store.Tx, k known, now time.Time) (bool, error) {
	if k.mailsADay == 0 {
		return true, nil
	}
	return count(ctx, tx, daily, int(calendar.DayOf(now, k.zone)), &k.mailsADay)
}

// tomorrow is when the tenant's next day begins.
func (k known) tomorrow(now time.Time) time.Time {
	return calendar.DayOf(now, k.zone).Add(1).Start(k.zone).UTC()
}

// putOffOthers has those of the claim's campaign that are due and like it wait as it does, some at a time, where the tenant's day is full: they need
// not be looked at each by itself. What was tried already has its place in a day.
func (d *Desk) putOffOthers(ctx context.Context, c *claim) error {
	lock, like := "", "i.plan IS NULL"
	if d.db.Dialect == store.Postgres {
		lock = " FOR UPDATE SKIP LOCKED"
	}
	args := []any{auth.Tenant(ctx), d.now(), *c.waits, c.CampaignID, putOffAtOnce}
	if c.Plan != nil {
		like, args = "i.plan = $6", append(args, *c.Plan)
	}
	err := d.db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.SQL.ExecContext(ctx, `UPDATE invitations SET due_at = $3, next_at = $3 WHERE tenant_id = $1 AND id IN
			(SELECT i.id FROM invitations i WHERE i.campaign_id = $4 AND i.status = 'PLANNED'
				AND i.claimed_at IS NULL AND i.attempt_at IS NULL AND i.contact_id IS NOT NULL AND `+like+` AND `+dueOf(d.db.Dialect, "i", "$1", "$2")+`
				LIMIT $5`+lock+`)`, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("putting off what a day has no room for: %w", err)
	}
	return nil
}

// full has a tenant's mails wait for their next day, and says so once.
func (s *Mailer) full(ctx context.Context, tenant uuid.UUID, c *claim, k known) error {
	day := calendar.DayOf(s.desk.now(), k.zone)
	s.mu.Lock()
	told, was := s.fullOn[tenant]
	s.fullOn[tenant] = day
	s.mu.Unlock()
	if !was || told != day {
		s.log.WarnContext(ctx, "a tenant's mails wait for its next day, since it may have no more sent in this one",
			"tenant", id.Tenant.Format(tenant), "mails", k.mailsADay)
	}
	if c.reminds {
		return nil
	}
	return s.desk.putOffOthers(ctx, c)
}

const (
	// inTurn is how many invitations of a tenant are taken in its turn, and turnsAtOnce how many tenants may get theirs in a round.
	inTurn, turnsAtOnce = 20, 500
)

// turns are the tenants after one, in the order of their ids, that have something due, and the last one that was looked at; the zero id where the
// next turn is the first one's again.
func (d *Desk) turns(ctx context.Context, tx *store.Tx, after uuid.UUID, now time.Time) (due []uuid.UUID, last uuid.UUID, err error) {
	n := 0
	err = store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		has := false
		if err := rows.Scan(&last, &has); err != nil {
			return err
		}
		n++
		if has {
			due = append(due, last)
		}
		return nil
	}, `SELECT t.id, (SELECT 1 FROM invitations i WHERE `+dueOf(d.db.Dialect, "i", "t.id", "$2")+` LIMIT 1) IS NOT NULL
		FROM tenants t WHERE t.id > $1 ORDER BY t.id LIMIT $3`, after, now, turnsAtOnce)
	if n < turnsAtOnce {
		last = uuid.Nil
	}
	return due, last, err
}

// dueOf is the condition for what a tenant has due, and its order, with the names of the invitations, of the tenant and of the instant. PostgreSQL
// knows little of what is due just now. Left the choice it goes by the time alone, or by no index, and then once for each tenant through
// all that anybody has due. This it can only take for a stretch of one index.
func dueOf(dialect, invitations, tenant, now string) string {
	condition := "%[1]s.tenant_id = %[2]s AND %[1]s.next_at <= %[3]s"
	if dialect == store.Postgres {
		condition = "%[1]s.tenant_id >= %[2]s AND %[1]s.next_at IS NOT NULL AND (%[1]s.tenant_id, %[1]s.next_at) <= (%[2]s, %[3]s)"
	}
	return fmt.Sprintf(condition+" ORDER BY %[1]s.tenant_id, %[1]s.next_at", invitations, tenant, now)
}

// waitsFor notes that an invitation waits for the tenant's next day.
func (d *Desk) waitsFor(ctx context.Context, c *claim, u *ent.InvitationUpdate, due time.Time) error {
	due = due.UTC().Truncate(time.Microsecond)
	c.waits = &due
	return d.postpone(ctx, u, due)
}

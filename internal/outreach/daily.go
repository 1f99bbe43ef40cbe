package outreach

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// daily stands for a day's mails in the place of a campaign, where those of months are counted.
var daily = uuid.Max

// keptDays is for how many days it is kept how many mails a day had: much longer than anybody hands one over.
const keptDays = 7

// putOffAtOnce is how many invitations are put off by one statement, so that nobody waits long for it.
const putOffAtOnce = 500

// hasRoom counts one more mail that is handed over in the tenant's day, and reports whether there was room for it. Where the operator has set no
// limit there is, and nothing is counted. What the mail server refuses, or puts off, was handed over: that is by what it judges the operator.
func hasRoom(ctx context.Context, tx *store.Tx, k known, now time.Time) (bool, error) {
	if k.mailsADay == 0 {
		return true, nil
	}
	today := int(calendar.DayOf(now, k.zone))
	n, err := count(ctx, tx, daily, today, &k.mailsADay)
	if err != nil || n != 1 {
		return n > 0, err
	}
	// The first one of a day drops the days before, but for those of which a mail may still be given back.
	_, err = tx.SQL.ExecContext(ctx, `DELETE FROM monthly_counts WHERE tenant_id = $1 AND campaign = $2 AND month < $3`, auth.Tenant(ctx), daily, today-keptDays)
	if err != nil {
		return false, fmt.Errorf("dropping what was counted on days that are over: %w", err)
	}
	return true, nil
}

// giveBack takes back that a mail was handed over, which was not.
func giveBack(ctx context.Context, tx *store.Tx, k known, at *time.Time) error {
	if k.mailsADay == 0 || at == nil {
		return nil
	}
	return uncount(ctx, tx, daily, int(calendar.DayOf(*at, k.zone)))
}

// tomorrow is when the tenant's next day begins.
func (k known) tomorrow(now time.Time) time.Time {
	return calendar.DayOf(now, k.zone).Add(1).Start(k.zone).UTC()
}

// later is when a mail is due for which a day has no room: at the same hour of the next day where somebody chose it, and else at its beginning, in
// line as they were due. Whoever stood in the line of this day was due at its beginning, and is before all who came in it.
func (k known) later(due, now time.Time, isChosen bool) time.Time {
	next := k.tomorrow(now)
	if isChosen {
		year, month, day := next.In(k.zone).Date()
		hour, minute, second := due.In(k.zone).Clock()
		return time.Date(year, month, day, hour, minute, second, 0, k.zone).UTC()
	}
	return next.Add(inLine - min(max(0, now.Sub(due)), days(31))/(days(31)/inLine)).Truncate(time.Microsecond)
}

// putOffOthers has those of the claim's campaign that are due and like it wait as it does, some at a time, where the tenant's day is full: they need
// not be looked at each by itself. What was tried already has its place in a day, and what is too late is looked at.
func (d *Desk) putOffOthers(ctx context.Context, c *claim, k known) error {
	lock, like := "", "i.plan IS NULL"
	if d.db.Dialect == store.Postgres {
		lock = " FOR UPDATE SKIP LOCKED"
	}
	now := d.now()
	args := []any{auth.Tenant(ctx), now, now.Add(-tooLate), c.CampaignID, putOffAtOnce}
	if c.Plan != nil {
		like, args = "i.plan = $6", append(args, *c.Plan)
	}
	err := d.db.Write(ctx, func(tx *store.Tx) error {
		due := map[uuid.UUID]time.Time{}
		var ids []uuid.UUID
		err := store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
			var i uuid.UUID
			var was time.Time
			err := rows.Scan(&i, &was)
			ids, due[i] = append(ids, i), k.later(was, now, c.Plan == nil)
			return err
		}, `SELECT i.id, i.due_at FROM invitations i WHERE i.campaign_id = $4 AND i.status = 'PLANNED' AND i.due_at >= $3
				AND i.claimed_at IS NULL AND i.attempt_at IS NULL AND i.contact_id IS NOT NULL AND `+like+` AND `+dueOf(d.db.Dialect, "i", "$1", "$2")+`
				LIMIT $5`+lock, args...)
		if err != nil || len(ids) == 0 {
			return err
		}
		stmt, err := tx.SQL.PrepareContext(ctx, `UPDATE invitations SET due_at = $3, next_at = $3 WHERE tenant_id = $1 AND id = $2`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, i := range ids {
			if _, err := stmt.ExecContext(ctx, auth.Tenant(ctx), i, due[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("putting off what a day has no room for: %w", err)
	}
	return nil
}

// full has a tenant's mails wait for their next day, and says so once in a process.
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
	return s.desk.putOffOthers(ctx, c, k)
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

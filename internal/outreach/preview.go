package outreach

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	entschedule "github.com/zeroten/zeroten/ent/schedule"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/outreach/slot"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/reach"
	"github.com/zeroten/zeroten/internal/store"
)

// previewedAtOnce is how many contacts are looked at in one go.
const previewedAtOnce = 1_000

// maxPreviews is how many previews are worked out at a time.
const maxPreviews = 2

// maxDays is how many days a preview shows.
const maxDays = 800

// Preview is whom a schedule would ask.
type Preview struct {
	// Contacts is how many were looked at, and Invitations how many of them would be asked.
	Contacts, Invitations int
	// Skipped are those who would not, most first.
	Skipped []*reach.Skip
	Days    []*PlannedDay

	planned []*Planned
}

// PlannedDay is how many would be asked on a day.
type PlannedDay struct {
	Date        calendar.Day
	Invitations int
}

// Planned is somebody who would be asked, or left out.
type Planned struct {
	Contact uuid.UUID
	DueAt   time.Time
	// SkippedBecause is nil where they would be asked.
	SkippedBecause *reason

	zone *time.Location
	// decided says that nothing is to be planned for them, as this wave, or their rounds, are.
	decided bool
}

// People are some of those who would be asked or, where reasons are given, who would be left out for one of them, in the order of their mails.
func (p *Preview) People(limit int, reasons []reason) ([]*Planned, error) {
	if limit < 1 || limit > 100 {
		return nil, apierror.BadRequest("limit: 1 to 100, not %d.", limit)
	}
	some := []*Planned{}
	for _, one := range p.planned {
		if is := one.SkippedBecause; (is == nil) != (reasons == nil) || is != nil && !slices.Contains(reasons, *is) {
			continue
		}
		if some = append(some, one); len(some) == limit {
			break
		}
	}
	return some, nil
}

// Preview says whom a schedule would ask, the campaign's own where in is nil, and plans nothing. It pays for the contacts that it looks at.
// The error is a BAD_REQUEST for what the caller can mend.
func (d *Desk) Preview(ctx context.Context, c *ent.Campaign, in *ScheduleInput, at *time.Time) (*Preview, error) {
	if err := Forbidden(ctx); err != nil {
		return nil, err
	}
	now := d.now()
	if at != nil {
		if at.Before(now.Add(-time.Minute)) {
			return nil, apierror.BadRequest("at: it lies before now.")
		}
		now = at.UTC().Truncate(time.Microsecond)
	}
	s, err := d.tried(ctx, c, in, now)
	if err != nil {
		return nil, err
	}
	ring, err := d.ring(ctx)
	if err != nil {
		return nil, err
	}
	leave, err := d.previews.take(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, fmt.Errorf("waiting for another preview: %w", err)
	}
	defer leave()
	known, err := d.background(ctx, s.CampaignID)
	if err != nil {
		return nil, err
	}
	columns := traitlessColumns
	if s.in != nil {
		columns = personColumns
	}
	p := &Preview{Skipped: []*reach.Skip{}, Days: []*PlannedDay{}}
	for from := uuid.Nil; ; {
		people, err := d.people(ctx, s, columns, from, previewedAtOnce)
		if err != nil {
			return nil, err
		}
		if err := rate.Spend(ctx, len(people)/rate.PreviewedPerPoint); err != nil {
			return nil, err
		}
		if len(people) == 0 {
			break
		}
		from = people[len(people)-1].id
		if s.in != nil {
			people = kept(people, func(p *person) bool { return s.in(p.traits) })
		}
		if err := known.note(ctx, d, s, ring, people, now); err != nil {
			return nil, err
		}
		some := make([]*Planned, len(people))
		for i, one := range people {
			some[i] = s.preview(one, now)
		}
		if err := d.because(ctx, s, kept(some, func(one *Planned) bool { return one.decided })); err != nil {
			return nil, err
		}
		p.planned = append(p.planned, some...)
	}
	p.Contacts = len(p.planned)
	slices.SortFunc(p.planned, func(a, b *Planned) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), slices.Compare(a.Contact[:], b.Contact[:]))
	})
	if err := d.spendPreview(ctx, s, p, now); err != nil {
		return nil, err
	}
	p.sum(s.zone)
	return p, nil
}

// tried makes a schedule ready that is tried.
func (d *Desk) tried(ctx context.Context, c *ent.Campaign, in *ScheduleInput, now time.Time) (*scheme, error) {
	t, err := d.db.Ent.Tenant.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, fmt.Errorf("reading a tenant: %w", err)
	}
	var row *ent.Schedule
	if in == nil {
		row, err = d.db.Ent.Schedule.Query().Where(entschedule.CampaignID(c.ID)).Only(ctx)
		if ent.IsNotFound(err) {
			return nil, apierror.BadRequest("The campaign %s has no schedule: give one to try.", id.Campaign.Format(c.ID))
		}
		if err != nil {
			return nil, fmt.Errorf("reading a schedule: %w", err)
		}
	} else {
		zone, err := calendar.LoadZone(t.TimeZone)
		if err != nil {
			return nil, fmt.Errorf("finding the tenant's zone: %w", err)
		}
		var errs apierror.UserErrors
		if row, errs = in.schedule(now, calendar.DayOf(now, zone)); errs != nil {
			return nil, apierror.BadRequest("schedule: %v", errs)
		}
		row.CampaignID, row.CreatedAt = c.ID, now
		old, err := d.db.Ent.Schedule.Query().Where(entschedule.CampaignID(c.ID)).Only(ctx)
		if err != nil && !ent.IsNotFound(err) {
			return nil, fmt.Errorf("reading a schedule: %w", err)
		}
		if old != nil && isSameWave(old, row) {
			row.CreatedAt = old.CreatedAt
		}
	}
	return d.scheme(ctx, row, c.Status, t.QuietDays)
}

// preview says when somebody would be asked, or why not, budgets apart.
func (s *scheme) preview(p *person, now time.Time) *Planned {
	if p.round != nil && p.round.After(now) { // that is planned, and would be so again
		p.round = nil
	}
	var at placed
	ok := true
	switch {
	case s.Occasion == entschedule.OccasionON_EVENT:
		at = s.happened(p, now, "")
	case p.planned != nil && s.ID != uuid.Nil:
		at = *p.planned
		if s.Occasion == entschedule.OccasionRECURRING {
			if e := s.earliest(p); e.After(at.due) {
				at.due = s.putOff(p, e) // they have been asked since it was planned
			}
		}
	default:
		at, ok = s.placeAgain(p, now)
	}
	one := &Planned{Contact: p.id, DueAt: at.due, zone: p.zone}
	why := s.rule(p, at.occasion, at.due, now.Sub(at.due))
	if !ok {
		// The schedule is done with them for now: it has asked them, somebody has called that back, or they were left out, see because.
		one.DueAt, why, one.decided = now, entinvitation.SkippedBecauseQUIET_PERIOD, true
	}
	if s.campaign == entcampaign.StatusPAUSED && why == entinvitation.SkippedBecauseCAMPAIGN_NOT_ACTIVE && s.ID == uuid.Nil {
		why = "" // a schedule is tried before its campaign goes on
	}
	if why != "" {
		one.SkippedBecause = &why
	}
	return one
}

// because notes of those for whom a wave is decided why it has left them out, where it has. It asks nobody twice, whether it has asked them or not.
func (d *Desk) because(ctx context.Context, s *scheme, decided []*Planned) error {
	if len(decided) == 0 || s.Occasion != entschedule.OccasionONCE {
		return nil
	}
	by := make(map[uuid.UUID]*Planned, len(decided))
	ids := make([]uuid.UUID, len(decided))
	for i, one := range decided {
		by[one.Contact], ids[i] = one, one.Contact
	}
	err := store.Each(ctx, d.db.Reader, func(rows *sql.Rows) error {
		var who uuid.UUID
		var why reason
		if err := rows.Scan(&who, &why); err != nil {
			return err
		}
		by[who].SkippedBecause = &why
		return nil
	}, `SELECT contact_id, skipped_because FROM invitations WHERE `+store.Keyed(d.db.Dialect, "", "contact_id", "uuid", "$1", "$2")+`
		AND `+ofCampaign(d.db.Dialect, "$3")+` AND occasion = $4 AND status = 'SKIPPED'`, auth.Tenant(ctx), store.UUIDs(d.db.Dialect, ids), s.CampaignID, s.waveName())
	if err != nil {
		return fmt.Errorf("reading why a wave has left people out: %w", err)
	}
	return nil
}

// placeAgain is place for somebody for whom nothing is decided yet but what has been done.
func (s *scheme) placeAgain(p *person, now time.Time) (placed, bool) {
	for occasion, done := range p.taken {
		if !done {
			delete(p.taken, occasion)
		}
	}
	return s.place(p, now)
}

// spendPreview leaves out whom budgets leave no room for, in the order of their mails.
func (d *Desk) spendPreview(ctx context.Context, s *scheme, p *Preview, now time.Time) error {
	var own *int
	err := d.db.Snapshot(ctx, func(tx *store.Tx) error {
		row, err := outreachTx(ctx, tx)
		if err == nil {
			own = row.MonthlyBudget
		}
		return err
	})
	if err != nil {
		return err
	}
	if own == nil && s.MonthlyBudget == nil {
		return nil
	}
	perMonth := math.MaxInt32
	for _, most := range []*int{own, s.MonthlyBudget} {
		if most != nil {
			perMonth = min(perMonth, *most)
		}
	}
	return s.spendMonths(ctx, p, perMonth, now, func(month int) (left room, err error) {
		left = room{tenant: 1 << 30, campaign: 1 << 30}
		err = d.db.Snapshot(ctx, func(tx *store.Tx) error {
			for _, b := range []struct {
				campaign uuid.UUID
				most     *int
				left     *int
			}{{uuid.Nil, own, &left.tenant}, {s.CampaignID, s.MonthlyBudget, &left.campaign}} {
				if b.most == nil {
					continue
				}
				sent, err := sentIn(ctx, tx, b.campaign, month)
				if err != nil {
					return err
				}
				*b.left = max(0, *b.most-sent)
			}
			return nil
		})
		return left, err
	})
}

// room is how many may still be asked in a month: by the tenant, and by the campaign.
type room struct{ tenant, campaign int }

// spendMonths leaves out whom months leave no room for, as mails go out: who finds none stands in line in the month after, before those who are due
// then. It pays for each who does. No month has room for more than perMonth.
func (s *scheme) spendMonths(ctx context.Context, p *Preview, perMonth int, now time.Time, left func(month int) (room, error)) error {
	over := entinvitation.SkippedBecauseOVER_BUDGET
	byDue := func(a, b *Planned) int { return a.DueAt.Compare(b.DueAt) }
	last := slot.MonthOf(now.Add(days(maxDays)), s.zone)
	waiting := kept(p.planned, func(one *Planned) bool { return one.SkippedBecause == nil })
	moved, paid := 0, 0
	for len(waiting) > 0 {
		month := slot.MonthOf(waiting[0].DueAt, s.zone)
		end := slot.MonthStart(month+1, s.zone)
		l, err := left(month)
		if err != nil {
			return err
		}
		n, put := 0, 0
		for _, one := range waiting {
			if !one.DueAt.Before(end) {
				break
			}
			n++
			switch {
			case l.tenant > 0 && l.campaign > 0:
				l.tenant, l.campaign = l.tenant-1, l.campaign-1
			case s.Occasion != entschedule.OccasionRECURRING || perMonth == 0 || month >= last:
				one.SkippedBecause = &over
			default:
				one.DueAt = s.monthAfter(month, one.DueAt, one.zone)
				waiting[put] = one
				put++
			}
		}
		moved += put
		if err := rate.Spend(ctx, moved/rate.PutOffPerPoint-paid); err != nil {
			return err
		}
		paid = moved / rate.PutOffPerPoint
		slices.SortStableFunc(waiting[:put], byDue)
		// Of one zone nobody overtakes another who stands in line: whoever has as many before them as there will ever be room for finds none.
		rooms, ahead := int64(perMonth)*int64(last-month), map[*time.Location]int64{}
		stay := slices.DeleteFunc(waiting[:put], func(one *Planned) bool {
			ahead[one.zone]++
			if ahead[one.zone] <= rooms {
				return false
			}
			one.SkippedBecause = &over
			return true
		})
		waiting = append(stay, waiting[n:]...)
		slices.SortStableFunc(waiting, byDue)
	}
	slices.SortStableFunc(p.planned, byDue)
	return nil
}

// sum counts what was planned.
func (p *Preview) sum(zone *time.Location) {
	skipped := map[reason]int{}
	for _, one := range p.planned {
		if one.SkippedBecause != nil {
			skipped[*one.SkippedBecause]++
			continue
		}
		p.Invitations++
		day := calendar.DayOf(one.DueAt, zone)
		if n := len(p.Days); n > 0 && p.Days[n-1].Date == day {
			p.Days[n-1].Invitations++
		} else if n < maxDays {
			p.Days = append(p.Days, &PlannedDay{day, 1})
		}
	}
	for why, n := range skipped {
		p.Skipped = append(p.Skipped, &reach.Skip{Reason: why, Invitations: n})
	}
	reach.SortSkips(p.Skipped)
}

package outreach

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
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
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/job"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/trait"
)

const (
	// PlanEvery is how often it is looked which schedules are to be planned by.
	PlanEvery = time.Minute
	// passEvery is how often all contacts are gone through: who has come into the segment since is found then.
	passEvery = 24 * time.Hour
	// lately is how old the ids of contacts may be of whom a schedule may not have heard: longer than any transaction takes.
	lately = 15 * time.Minute
	// A pass goes through contacts in pieces of so many, of which the first has firstPiece. Small ones are dear: what is due is spread over
	// the indexes by chance, and of a hundred invitations each is on a page of its own in each of them, which is written for it alone.
	firstPiece, minPiece, maxPiece = 1_000, 500, 5_000
	// slice is how long a job goes through contacts before others have their turn.
	slice = job.Timeout / 2
	// gone is how many invitations are called back in one transaction.
	gone = 1_000
)

// PlanArgs ask for the plan of a campaign: what another schedule has planned is called back, and everybody is planned who is to be asked.
type PlanArgs struct {
	Tenant   uuid.UUID `json:"tenant"`
	Campaign uuid.UUID `json:"campaign"`
}

// Kind is the name of the job.
func (PlanArgs) Kind() string { return "outreach_plan" }

// LookArgs ask for a look at all schedules.
type LookArgs struct{}

// Kind is the name of the job.
func (LookArgs) Kind() string { return "outreach_look" }

// Handle makes the desk's jobs known to a runner.
func (d *Desk) Handle(r *job.Runner) {
	job.Handle(r, d.Look, job.Options{Every: PlanEvery})
	job.Handle(r, d.Plan, job.Options{Unique: true})
}

// Look plans for contacts who have come lately, wakes what waits for a campaign that is active again, and asks for the plans that are due.
func (d *Desk) Look(ctx context.Context, _ LookArgs) error {
	errs := []error{d.wakeAll(ctx)}
	rows, err := d.db.Ent.Schedule.Query().Where(entschedule.Or(entschedule.PassedAtIsNil(),
		entschedule.And(entschedule.IsPaused(false), entschedule.OccasionNEQ(entschedule.OccasionON_EVENT)))).Where(ofActive).
		Order(entschedule.ByTenantID(), entschedule.ByID()).All(auth.ForSystem(ctx))
	if err != nil {
		return fmt.Errorf("reading schedules: %w", err)
	}
	for _, row := range rows {
		ctx := auth.ForTenant(ctx, row.TenantID)
		if row.PassedAt != nil && row.Occasion == entschedule.OccasionONCE {
			if over, err := d.isOver(ctx, row); err != nil || over { // who comes now was not there to be asked
				errs = append(errs, err)
				continue
			}
		}
		if row.PassedAt == nil || d.now().Sub(*row.PassedAt) >= passEvery {
			err = d.db.Write(ctx, func(tx *store.Tx) error {
				return d.jobs.Insert(ctx, tx, PlanArgs{Tenant: row.TenantID, Campaign: row.CampaignID})
			})
		} else {
			err = d.planNew(ctx, row)
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// ofActive are the schedules of campaigns that are active.
func ofActive(s *entsql.Selector) {
	c := entsql.Dialect(s.Dialect()).Table(entcampaign.Table)
	s.Where(entsql.Exists(entsql.Dialect(s.Dialect()).Select(c.C(entcampaign.FieldID)).From(c).Where(entsql.And(
		entsql.ColumnsEQ(c.C(entcampaign.FieldTenantID), s.C(entschedule.FieldTenantID)),
		entsql.ColumnsEQ(c.C(entcampaign.FieldID), s.C(entschedule.FieldCampaignID)),
		entsql.EQ(c.C(entcampaign.FieldStatus), entcampaign.StatusACTIVE),
	))))
}

// isOver reports whether the wave of a schedule for once lies before now.
func (d *Desk) isOver(ctx context.Context, row *ent.Schedule) (bool, error) {
	s, err := d.scheme(ctx, row, entcampaign.StatusACTIVE, 0)
	if err != nil {
		return false, err
	}
	_, to := s.wave()
	return to.Before(d.now()), nil
}

// Plan brings the invitations of a campaign in line with its schedule. Where that is set anew meanwhile it begins again: the job that was
// asked for then may have been taken for this one.
func (d *Desk) Plan(ctx context.Context, args PlanArgs) error {
	for {
		if err := d.planOnce(ctx, args); !errors.Is(err, errReplaced) {
			return err
		}
	}
}

func (d *Desk) planOnce(ctx context.Context, args PlanArgs) error {
	ctx = auth.ForTenant(ctx, args.Tenant)
	row, err := d.db.Ent.Schedule.Query().Where(entschedule.CampaignID(args.Campaign)).Only(ctx)
	if err != nil && !ent.IsNotFound(err) {
		return fmt.Errorf("reading a schedule: %w", err)
	}
	if err := d.callBack(ctx, args.Campaign, row); err != nil {
		return err
	}
	if row == nil || row.IsPaused || row.Occasion == entschedule.OccasionON_EVENT {
		return d.passed(ctx, row)
	}
	s, err := d.ready(ctx, row)
	if err != nil || s == nil {
		return err
	}
	if err := d.pass(ctx, s, after(row.DoneTo), true); err != nil {
		return err
	}
	return d.passed(ctx, row)
}

func after(done *uuid.UUID) uuid.UUID {
	if done == nil {
		return uuid.Nil
	}
	return *done
}

// passed notes that everybody was looked at, unless the schedule is another by now.
func (d *Desk) passed(ctx context.Context, row *ent.Schedule) error {
	if row == nil {
		return nil
	}
	n := 0
	err := d.db.Write(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.Ent.Schedule.Update().Where(entschedule.ID(row.ID), entschedule.Plan(row.Plan)).SetPassedAt(d.now()).ClearDoneTo().Save(ctx)
		return err
	})
	if err == nil && n == 0 {
		return errReplaced
	}
	if err != nil {
		return fmt.Errorf("noting that a schedule was planned by: %w", err)
	}
	return nil
}

// ready makes a schedule ready to plan by; nil where its campaign is not active: it is planned once it is.
func (d *Desk) ready(ctx context.Context, row *ent.Schedule) (*scheme, error) {
	c, err := d.db.Ent.Campaign.Get(ctx, row.CampaignID)
	if err != nil {
		return nil, fmt.Errorf("finding a schedule's campaign: %w", err)
	}
	if c.Status != entcampaign.StatusACTIVE {
		return nil, nil
	}
	t, err := d.db.Ent.Tenant.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, fmt.Errorf("reading a tenant: %w", err)
	}
	return d.scheme(ctx, row, c.Status, t.QuietDays)
}

// pass plans for all contacts after one of them, piece by piece, and notes how far it is, to go on there, where it is one of all contacts.
// Where the schedule is another by now the error is errReplaced.
func (d *Desk) pass(ctx context.Context, s *scheme, from uuid.UUID, ofAll bool) error {
	ring, err := d.ring(ctx)
	if err != nil {
		return err
	}
	sheet, err := d.book.Sheet(ctx, s.CampaignID)
	if err != nil || sheet == nil {
		return err
	}
	p, start := store.NewPace(firstPiece, minPiece, maxPiece), time.Now()
	for {
		last, wrote, more, err := d.piece(ctx, s, sheet, ring, from, p.Rows(), ofAll)
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if from = last; ofAll && time.Since(start) > slice {
			return job.Later(0) // it is noted how far it is
		}
		p.Took(wrote)
		// Nobody waits for a lock of its own: who writes on SQLite takes turns with it. So it rests only a little, for other processes.
		if err := store.Rest(ctx, wrote/4); err != nil {
			return err
		}
	}
}

// planNew plans for contacts who have come lately.
func (d *Desk) planNew(ctx context.Context, row *ent.Schedule) error {
	s, err := d.ready(ctx, row)
	if err != nil || s == nil {
		return err
	}
	if err := d.pass(ctx, s, firstOf(time.Now().Add(-lately)), false); !errors.Is(err, errReplaced) {
		return err
	}
	return nil // that one has a job of its own
}

// firstOf is before all ids that are made at an instant or later.
func firstOf(at time.Time) (first uuid.UUID) {
	ms := at.UnixMilli()
	for i := range 6 {
		first[i] = byte(ms >> (8 * (5 - i)))
	}
	return first
}

// errReplaced says that the schedule that is planned by is not the campaign's any more.
var errReplaced = errors.New("the schedule is another by now")

// piece plans for some contacts after one, and gives the last of them. notes says to note that it is done to there.
func (d *Desk) piece(
	ctx context.Context, s *scheme, sheet *survey.Sheet, ring *link.Ring, from uuid.UUID, rows int, notes bool,
) (last uuid.UUID, wrote time.Duration, more bool, err error) {
	people, err := d.people(ctx, s, personColumns, from, rows)
	if err != nil {
		return last, 0, false, err
	}
	if len(people) == 0 {
		return last, 0, false, nil
	}
	last = people[len(people)-1].id
	more = len(people) == rows
	if s.in != nil {
		people = kept(people, func(p *person) bool { return s.in(p.traits) })
	}
	if err := d.bar(ctx, d.db.Reader, ring, people); err != nil {
		return last, 0, false, err
	}
	now := d.now()
	if err := d.past(ctx, d.db.Reader, s, people, now); err != nil {
		return last, 0, false, err
	}
	var made []*draft
	for _, p := range people {
		if at, ok := s.place(p, now); ok {
			made = append(made, s.draft(sheet, p, at, now))
		}
	}
	began := time.Now()
	err = d.db.Write(ctx, func(tx *store.Tx) error {
		began = time.Now() // it was its turn
		done, err := tx.SQL.ExecContext(ctx, `UPDATE schedules SET done_to = CASE WHEN $5 THEN $4 ELSE done_to END
			WHERE tenant_id = $1 AND id = $2 AND plan = $3`, auth.Tenant(ctx), s.ID, s.Plan, last, notes)
		if err != nil {
			return fmt.Errorf("noting how far a plan is: %w", err)
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errReplaced)
		}
		return insert(ctx, tx, d.db.Dialect, made)
	})
	return last, time.Since(began), more, err
}

// kept are those that are to be kept.
func kept[T any](all []T, keep func(T) bool) []T {
	var some []T
	for _, v := range all {
		if keep(v) {
			some = append(some, v)
		}
	}
	return some
}

// people reads some contacts after one, by their ids.
func (d *Desk) people(ctx context.Context, s *scheme, columns string, from uuid.UUID, rows int) (people []*person, err error) {
	err = store.Each(ctx, d.db.Reader, func(rows *sql.Rows) error {
		p, err := s.zones.scan(rows)
		people = append(people, p)
		return err
	}, `SELECT `+columns+` FROM contacts WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3`, auth.Tenant(ctx), from, rows)
	if err != nil {
		return nil, fmt.Errorf("reading whom to ask: %w", err)
	}
	return people, nil
}

// draft is an invitation that is about to be made.
type draft struct {
	ID       uuid.UUID    `json:"id"`
	Campaign uuid.UUID    `json:"campaign"`
	Contact  uuid.UUID    `json:"contact"`
	Channel  string       `json:"channel"`
	Status   string       `json:"status"`
	Because  *string      `json:"because"`
	Variant  *string      `json:"variant"`
	Locale   string       `json:"locale"`
	Traits   trait.Values `json:"traits"`
	Due      time.Time    `json:"due"`
	Sent     *time.Time   `json:"sent"`
	Next     *time.Time   `json:"next"`
	Attempt  *time.Time   `json:"attempt"`
	Claimed  *time.Time   `json:"claimed"`
	Plan     *uuid.UUID   `json:"plan"`
	Occasion *string      `json:"occasion"`
	Occurred *time.Time   `json:"occurred"`
	Key      []byte       `json:"-"`
	KeyHex   *string      `json:"key"`
	Ignores  bool         `json:"ignores"`
}

// draft makes the invitation of somebody's occasion, which is kept back already where that is final.
func (s *scheme) draft(sheet *survey.Sheet, p *person, at placed, now time.Time) *draft {
	made := newDraft(sheet, p, at.due)
	made.Plan, made.Occasion = &s.Plan, &at.occasion
	if r := s.final(p, at, now); r != "" {
		made.skip(r)
	}
	return made
}

// newDraft makes an invitation by mail.
func newDraft(sheet *survey.Sheet, p *person, due time.Time) *draft {
	due = due.UTC().Truncate(time.Microsecond)
	made := &draft{
		ID: id.New(), Campaign: sheet.Campaign, Contact: p.id, Channel: string(entinvitation.ChannelEMAIL), Status: string(entinvitation.StatusPLANNED),
		Traits: trait.Values{}, Due: due, Next: &due,
	}
	if v := sheet.Survey.Draw(sheet.Campaign, p.id.String()); v != nil {
		made.Variant = &v.Name
	}
	var wanted []string
	if p.locale != nil {
		wanted = []string{*p.locale}
	}
	made.Locale = sheet.Language(wanted)
	return made
}

// skip keeps the invitation back.
func (m *draft) skip(r reason) {
	because := string(r)
	m.Status, m.Because, m.Next = string(entinvitation.StatusSKIPPED), &because, nil
}

const draftColumns = `tenant_id, id, campaign_id, contact_id, channel, status, skipped_because, variant, locale, traits, due_at, sent_at, next_at,
	attempt_at, claimed_at, plan, occasion, occurred_at, key_hash, ignores_quiet`

// insert makes invitations, but those of an occasion that is decided already, and of people who were erased meanwhile.
func insert(ctx context.Context, tx *store.Tx, dialect string, made []*draft) error {
	if len(made) == 0 {
		return nil
	}
	if dialect == store.Postgres {
		return insertTogether(ctx, tx, made)
	}
	stmt, err := tx.SQL.PrepareContext(ctx, `INSERT INTO invitations (`+draftColumns+`)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20
		WHERE EXISTS (SELECT 1 FROM contacts WHERE tenant_id = $1 AND id = $4) ON CONFLICT DO NOTHING`)
	if err != nil {
		return fmt.Errorf("planning invitations: %w", err)
	}
	defer stmt.Close()
	for _, m := range made {
		traits, err := json.Marshal(m.Traits)
		if err != nil {
			return fmt.Errorf("writing an invitation's traits: %w", err)
		}
		_, err = stmt.ExecContext(ctx, auth.Tenant(ctx), m.ID, m.Campaign, m.Contact, m.Channel, m.Status, m.Because, m.Variant, m.Locale, traits,
			m.Due, m.Sent, m.Next, m.Attempt, m.Claimed, m.Plan, m.Occasion, m.Occurred, m.Key, m.Ignores)
		if err != nil {
			return fmt.Errorf("planning an invitation: %w", err)
		}
	}
	return nil
}

// insertTogether is insert in one round trip.
func insertTogether(ctx context.Context, tx *store.Tx, made []*draft) error {
	for _, m := range made {
		if m.Key != nil {
			m.KeyHex = new(hex.EncodeToString(m.Key))
		}
	}
	rows, err := json.Marshal(made)
	if err != nil {
		return fmt.Errorf("writing invitations: %w", err)
	}
	_, err = tx.SQL.ExecContext(ctx, `INSERT INTO invitations (`+draftColumns+`)
		SELECT $1, id, campaign, contact, channel, status, because, variant, locale, traits, due, sent, next, attempt, claimed, plan, occasion,
			occurred, decode(key, 'hex'), ignores
		FROM json_to_recordset(CAST($2 AS json)) AS m(id uuid, campaign uuid, contact uuid, channel text, status text, because text, variant text,
			locale text, traits json, due timestamptz, sent timestamptz, next timestamptz, attempt timestamptz, claimed timestamptz, plan uuid,
			occasion text, occurred timestamptz, key text, ignores boolean)
		WHERE EXISTS (SELECT 1 FROM contacts c WHERE c.tenant_id = $1 AND c.id = m.contact)
		ON CONFLICT DO NOTHING`, auth.Tenant(ctx), string(rows))
	if err != nil {
		return fmt.Errorf("planning invitations: %w", err)
	}
	return nil
}

// callBack calls back what another schedule than the campaign's has planned and not sent, and what it kept back for later. What was planned
// for an event that this one waits for, too, is planned anew.
func (d *Desk) callBack(ctx context.Context, campaign uuid.UUID, row *ent.Schedule) error {
	plan := uuid.Nil
	var s *scheme
	if row != nil {
		plan = row.Plan
		if row.Occasion == entschedule.OccasionON_EVENT {
			var err error
			if s, err = d.events(ctx, row); err != nil {
				return err
			}
			if s.campaign == entcampaign.StatusPAUSED {
				s.campaign = entcampaign.StatusACTIVE // what waits goes on waiting
			}
		}
	}
	sheet, err := d.book.Sheet(ctx, campaign)
	if err != nil || sheet == nil {
		return err
	}
	for {
		n := 0
		err := d.db.Write(ctx, func(tx *store.Tx) (err error) {
			n, err = d.callSomeBack(ctx, tx, sheet, s, campaign, plan)
			return err
		})
		if err != nil {
			return fmt.Errorf("calling invitations back: %w", err)
		}
		if n < gone {
			return nil
		}
	}
}

// events makes a schedule for events ready, whatever its campaign's status.
func (d *Desk) events(ctx context.Context, row *ent.Schedule) (*scheme, error) {
	c, err := d.db.Ent.Campaign.Get(ctx, row.CampaignID)
	if err != nil {
		return nil, fmt.Errorf("finding a schedule's campaign: %w", err)
	}
	t, err := d.db.Ent.Tenant.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, fmt.Errorf("reading a tenant: %w", err)
	}
	return d.scheme(ctx, row, c.Status, t.QuietDays)
}

// callSomeBack calls some invitations back, and gives how many.
func (d *Desk) callSomeBack(ctx context.Context, tx *store.Tx, sheet *survey.Sheet, s *scheme, campaign, plan uuid.UUID) (int, error) {
	lock := ""
	if d.db.Dialect == store.Postgres {
		lock = " FOR UPDATE"
	}
	type stale struct {
		id, contact uuid.UUID
		occasion    *string
		occurred    *time.Time
		traits      string
	}
	switch is, err := isPlan(ctx, tx, campaign, plan); {
	case err != nil:
		return 0, err
	case !is:
		return 0, errReplaced
	}
	var claimed []*ent.Invitation
	var all []stale
	err := store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		var i stale
		var contact uuid.NullUUID
		counted := &ent.Invitation{CampaignID: campaign}
		err := rows.Scan(&i.id, &contact, &i.occasion, &i.occurred, &i.traits, &counted.ClaimedAt, &counted.AskedBefore)
		i.contact = contact.UUID
		all = append(all, i)
		if counted.ClaimedAt != nil {
			if contact.Valid {
				counted.ContactID = &i.contact
			}
			claimed = append(claimed, counted)
		}
		return err
	}, `SELECT id, contact_id, occasion, occurred_at, CAST(traits AS TEXT), claimed_at, asked_before FROM invitations
		WHERE tenant_id = $1 AND campaign_id = $2 AND plan IS NOT NULL AND plan <> $3 AND attempt_at IS NULL
			AND (status = 'PLANNED' OR status = 'SKIPPED' AND due_at > $4)
		ORDER BY id LIMIT $5`+lock, auth.Tenant(ctx), campaign, plan, d.now(), gone)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	ids := make([]uuid.UUID, len(all))
	contacts := make([]uuid.UUID, 0, len(all))
	for i, one := range all {
		ids[i] = one.id
		if one.occurred != nil {
			contacts = append(contacts, one.contact)
		}
	}
	if err := d.releaseAll(ctx, tx, claimed); err != nil {
		return 0, err
	}
	_, err = tx.SQL.ExecContext(ctx, `UPDATE invitations SET status = 'CANCELLED', skipped_because = NULL, occasion = NULL, next_at = NULL, claimed_at = NULL
		WHERE `+store.Keyed(d.db.Dialect, "", "id", "uuid", "$1", "$2"), auth.Tenant(ctx), store.UUIDs(d.db.Dialect, ids))
	if err != nil || s == nil {
		return len(all), err
	}
	people, err := d.byID(ctx, tx.SQL, s.zones, contacts)
	if err != nil {
		return 0, err
	}
	var made []*draft
	for _, one := range all {
		p := people[one.contact]
		if one.occurred == nil || one.occasion == nil || p == nil {
			continue
		}
		what, event, ok := eventOf(*one.occasion)
		if !ok || event != *s.Event {
			continue
		}
		at := s.happened(p, *one.occurred, what)
		m := s.draft(sheet, p, at, d.now())
		m.Occurred = one.occurred
		if err := json.Unmarshal([]byte(one.traits), &m.Traits); err != nil {
			return 0, fmt.Errorf("reading an invitation's traits: %w", err)
		}
		made = append(made, m)
	}
	return len(all), insert(ctx, tx, d.db.Dialect, made)
}

// isPlan reports whether a plan is the campaign's, the zero id where it has no schedule.
func isPlan(ctx context.Context, tx *store.Tx, campaign, plan uuid.UUID) (bool, error) {
	row, err := tx.Ent.Schedule.Query().Where(entschedule.CampaignID(campaign)).Only(ctx)
	if ent.IsNotFound(err) {
		return plan == uuid.Nil, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading a schedule: %w", err)
	}
	return row.Plan == plan, nil
}

// byID reads contacts by their ids.
func (d *Desk) byID(ctx context.Context, tx store.Querier, z *zones, ids []uuid.UUID) (map[uuid.UUID]*person, error) {
	found := make(map[uuid.UUID]*person, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	err := store.Each(ctx, tx, func(rows *sql.Rows) error {
		p, err := z.scan(rows)
		if err == nil {
			found[p.id] = p
		}
		return err
	}, `SELECT `+personColumns+` FROM contacts WHERE `+store.Keyed(d.db.Dialect, "", "id", "uuid", "$1", "$2"),
		auth.Tenant(ctx), store.UUIDs(d.db.Dialect, ids))
	if err != nil {
		return nil, fmt.Errorf("reading whom to ask: %w", err)
	}
	return found, nil
}

// wakeAll has those invitations looked at again that waited for their campaign, of all campaigns that are active again, and calls back those
// of campaigns that are closed and of schedules that are gone.
func (d *Desk) wakeAll(ctx context.Context) error {
	if err := d.close(ctx); err != nil {
		return err
	}
	waiting, err := d.db.Ent.Campaign.Query().Where(entcampaign.HasWaiting(true), entcampaign.StatusEQ(entcampaign.StatusACTIVE)).All(auth.ForSystem(ctx))
	if err != nil {
		return fmt.Errorf("looking for campaigns that are active again: %w", err)
	}
	var errs []error
	for _, c := range waiting {
		ctx := auth.ForTenant(ctx, c.TenantID)
		row, err := d.db.Ent.Schedule.Query().Where(entschedule.CampaignID(c.ID)).Only(ctx)
		if ent.IsNotFound(err) {
			row, err = nil, d.callBack(ctx, c.ID, nil)
		}
		if errors.Is(err, errReplaced) {
			continue // there is a schedule by now, and a job of its own
		}
		if err == nil {
			err = d.wake(ctx, c.ID, row != nil && row.IsPaused)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// wake has all that waited for a campaign looked at again; where its schedule rests only what somebody asked for.
func (d *Desk) wake(ctx context.Context, campaign uuid.UUID, rests bool) error {
	for {
		var n int64
		err := d.db.Write(ctx, func(tx *store.Tx) error {
			if err := waits(ctx, tx, campaign, false); err != nil {
				return err
			}
			done, err := tx.SQL.ExecContext(ctx, `UPDATE invitations SET next_at = due_at WHERE tenant_id = $1 AND id IN (SELECT id FROM invitations
				WHERE tenant_id = $1 AND campaign_id = $2 AND status = 'PLANNED' AND next_at IS NULL AND (plan IS NULL OR NOT $4) LIMIT $3)`,
				auth.Tenant(ctx), campaign, gone, rests)
			if err != nil {
				return err
			}
			if n, err = done.RowsAffected(); err != nil || n < gone && !rests {
				return err
			}
			return waits(ctx, tx, campaign, true)
		})
		if err != nil {
			return fmt.Errorf("waking what waited for a campaign: %w", err)
		}
		if n < gone {
			d.tell()
			return nil
		}
	}
}

// close calls back what campaigns that are closed have planned.
func (d *Desk) close(ctx context.Context) error {
	type closed struct{ tenant, campaign uuid.UUID }
	var all []closed
	err := store.Each(ctx, d.db.Reader, func(rows *sql.Rows) error {
		var c closed
		err := rows.Scan(&c.tenant, &c.campaign)
		all = append(all, c)
		return err
	}, `SELECT tenant_id, id FROM campaigns c WHERE status = 'CLOSED' AND EXISTS (SELECT 1 FROM invitations i
		WHERE i.tenant_id = c.tenant_id AND i.campaign_id = c.id AND i.status = 'PLANNED' AND i.attempt_at IS NULL)`)
	if err != nil {
		return fmt.Errorf("looking for campaigns that are closed: %w", err)
	}
	for _, c := range all {
		ctx := auth.ForTenant(ctx, c.tenant)
		for n := gone; n == gone; {
			err := d.db.Write(ctx, func(tx *store.Tx) (err error) {
				n, err = d.callClosed(ctx, tx, c.campaign)
				return err
			})
			if err != nil {
				return fmt.Errorf("calling back what a closed campaign has planned: %w", err)
			}
		}
	}
	return nil
}

// callClosed calls some of a closed campaign's invitations back, and gives how many.
func (d *Desk) callClosed(ctx context.Context, tx *store.Tx, campaign uuid.UUID) (int, error) {
	lock := ""
	if d.db.Dialect == store.Postgres {
		lock = " FOR UPDATE"
	}
	var claimed []*ent.Invitation
	var ids []uuid.UUID
	err := store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		i := &ent.Invitation{CampaignID: campaign}
		var contact uuid.NullUUID
		err := rows.Scan(&i.ID, &contact, &i.ClaimedAt, &i.AskedBefore)
		if contact.Valid {
			i.ContactID = &contact.UUID
		}
		ids = append(ids, i.ID)
		if i.ClaimedAt != nil {
			claimed = append(claimed, i)
		}
		return err
	}, `SELECT id, contact_id, claimed_at, asked_before FROM invitations WHERE tenant_id = $1 AND campaign_id = $2 AND status = 'PLANNED'
		AND attempt_at IS NULL LIMIT $3`+lock, auth.Tenant(ctx), campaign, gone)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if err := d.releaseAll(ctx, tx, claimed); err != nil {
		return 0, err
	}
	_, err = tx.SQL.ExecContext(ctx, `UPDATE invitations SET status = 'CANCELLED', occasion = NULL, claimed_at = NULL, next_at = CASE WHEN contact_id IS NULL THEN next_at END
		WHERE `+store.Keyed(d.db.Dialect, "", "id", "uuid", "$1", "$2"), auth.Tenant(ctx), store.UUIDs(d.db.Dialect, ids))
	return len(ids), err
}

// releaseAll is release for several: contacts first and in their order, then what was counted, as everybody else who wants both.
func (d *Desk) releaseAll(ctx context.Context, tx *store.Tx, all []*ent.Invitation) error {
	if len(all) == 0 {
		return nil
	}
	zone, err := zoneTx(ctx, tx)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b *ent.Invitation) int {
		if a.ContactID == nil || b.ContactID == nil {
			return 0
		}
		return slices.Compare(a.ContactID[:], b.ContactID[:])
	})
	for _, i := range all {
		if i.ContactID != nil {
			if err := unask(ctx, tx, *i.ContactID, *i.ClaimedAt, i.AskedBefore); err != nil {
				return err
			}
		}
	}
	for _, i := range all {
		if err := uncountBoth(ctx, tx, i, zone); err != nil {
			return err
		}
	}
	return nil
}

package outreach

import (
	"bytes"
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
	// A pass reads so many contacts together. Their invitations are written in the order in which they are due: most indexes are by that, and
	// in the contacts' own order each invitation would be on a page of its own in each of them, which were written for it alone.
	together = 20_000
	// readAtOnce is how many contacts are read by one query.
	readAtOnce = 5_000
	// Invitations are written in pieces of so many, of which the first has firstPiece.
	firstPiece, minPiece, maxPiece = 2_000, 2_000, 10_000
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

// pass plans for all contacts after one of them, and notes how far it is, to go on there, where it is one of all contacts. Where the
// schedule is another by now the error is errReplaced.
func (d *Desk) pass(ctx context.Context, s *scheme, from uuid.UUID, ofAll bool) error {
	ring, err := d.ring(ctx)
	if err != nil {
		return err
	}
	sheet, err := d.book.Sheet(ctx, s.CampaignID)
	if err != nil || sheet == nil {
		return err
	}
	known := &background{more: true, asked: true} // there are few who have come lately, if any: each is looked for
	if ofAll {
		if known, err = d.background(ctx, s.CampaignID); err != nil {
			return err
		}
	}
	p, start := store.NewPace(firstPiece, minPiece, maxPiece), time.Now()
	for {
		var made []*draft
		last, more := from, true
		for read := 0; read < together && more; read += readAtOnce {
			var some []*draft
			if some, last, more, err = d.drafts(ctx, s, known, sheet, ring, last); err != nil {
				return err
			}
			made = append(made, some...)
		}
		if last == from {
			return nil // nobody is left
		}
		if err := d.write(ctx, s, made, last, ofAll, p); err != nil || !more {
			return err
		}
		if from = last; ofAll && time.Since(start) > slice {
			return job.Later(0) // it is noted how far it is
		}
	}
}

// write makes invitations, and then notes the last of the contacts who were looked at, where notes says so.
func (d *Desk) write(ctx context.Context, s *scheme, made []*draft, last uuid.UUID, notes bool, p *store.Pace) error {
	if len(made) == 0 && !notes {
		return nil
	}
	slices.SortFunc(made, func(a, b *draft) int { return a.Due.Compare(b.Due) })
	for _, m := range made {
		m.ID = id.New() // ids are by time: in this order each is the next in its indexes
	}
	for {
		piece := made[:min(len(made), p.Rows())]
		made = made[len(piece):]
		began := time.Now()
		err := d.db.WriteAgain(ctx, func(tx *store.Tx) error {
			began = time.Now() // it was its turn
			done, err := tx.SQL.ExecContext(ctx, `UPDATE schedules SET done_to = CASE WHEN $5 THEN $4 ELSE done_to END
				WHERE tenant_id = $1 AND id = $2 AND plan = $3`, auth.Tenant(ctx), s.ID, s.Plan, last, notes && len(made) == 0)
			if err != nil {
				return fmt.Errorf("noting how far a plan is: %w", err)
			}
			if n, err := done.RowsAffected(); err != nil || n == 0 {
				return errors.Join(err, errReplaced)
			}
			return insert(ctx, tx, d.db.Dialect, piece)
		})
		if err != nil {
			return err
		}
		wrote := time.Since(began)
		if len(piece) == p.Rows() { // the last piece says less
			p.Took(wrote)
		}
		// Nobody waits for a lock of its own: who writes on SQLite takes turns with it. So it rests only a little, for other processes.
		if err := store.Rest(ctx, wrote/10); err != nil || len(made) == 0 {
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

// drafts are the invitations that some contacts after one are to have. It gives the last whom it has looked at, and whether there may be more.
func (d *Desk) drafts(
	ctx context.Context, s *scheme, known *background, sheet *survey.Sheet, ring *link.Ring, from uuid.UUID,
) (made []*draft, last uuid.UUID, more bool, err error) {
	people, err := d.people(ctx, s, personColumns, from, readAtOnce)
	if err != nil || len(people) == 0 {
		return nil, from, false, err
	}
	last, more = people[len(people)-1].id, len(people) == readAtOnce
	if s.in != nil {
		people = kept(people, func(p *person) bool { return s.in(p.traits) })
	}
	now := d.now()
	if err := known.note(ctx, d, s, ring, people, now); err != nil {
		return nil, from, false, err
	}
	for _, p := range people {
		if at, ok := s.place(p, now); ok {
			made = append(made, s.draft(sheet, p, at, now))
		}
	}
	return made, last, more, nil
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
	return insertEach(ctx, tx, made)
}

// insertEach is insert by a statement for each, which SQLite can take back by itself. Of one with a SELECT in it, it writes down beforehand
// what each page was.
func insertEach(ctx context.Context, tx *store.Tx, made []*draft) error {
	of := make([]uuid.UUID, len(made))
	for i, m := range made {
		of[i] = m.Contact
	}
	there := make(map[uuid.UUID]bool, len(made))
	err := store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		var contact uuid.UUID
		err := rows.Scan(&contact)
		there[contact] = true
		return err
	}, `SELECT id FROM contacts WHERE `+store.Keyed(store.SQLite, "", "id", "uuid", "$1", "$2"), auth.Tenant(ctx), store.UUIDs(store.SQLite, of))
	if err != nil {
		return fmt.Errorf("looking who is still there: %w", err)
	}
	stmt, err := tx.SQL.PrepareContext(ctx, `INSERT INTO invitations (`+draftColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT DO NOTHING`)
	if err != nil {
		return fmt.Errorf("planning invitations: %w", err)
	}
	defer stmt.Close()
	for _, m := range made {
		if !there[m.Contact] {
			continue
		}
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
	// One status after the other: an index has those of each as they are due.
	for _, of := range []struct {
		status entinvitation.Status
		after  time.Time
	}{{entinvitation.StatusPLANNED, time.Time{}}, {entinvitation.StatusSKIPPED, d.now()}} {
		for n := gone; n == gone; {
			err := d.db.WriteAgain(ctx, func(tx *store.Tx) (err error) {
				n, err = d.callSomeBack(ctx, tx, sheet, s, campaign, plan, of.status, of.after)
				return err
			})
			if err != nil {
				return fmt.Errorf("calling invitations back: %w", err)
			}
		}
	}
	return nil
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

// callSomeBack calls some invitations of a status that are due after an instant back, and gives how many.
func (d *Desk) callSomeBack(
	ctx context.Context, tx *store.Tx, sheet *survey.Sheet, s *scheme, campaign, plan uuid.UUID, status entinvitation.Status, due time.Time,
) (int, error) {
	switch is, err := isPlan(ctx, tx, campaign, plan); {
	case err != nil:
		return 0, err
	case !is:
		return 0, errReplaced
	}
	all, err := d.cancelSome(ctx, tx, campaign, status, `due_at > $5 AND plan IS NOT NULL AND plan <> $6`, due, plan)
	if err != nil || s == nil {
		return len(all), err
	}
	contacts := make([]uuid.UUID, 0, len(all))
	for _, one := range all {
		if one.OccurredAt != nil && one.ContactID != nil {
			contacts = append(contacts, *one.ContactID)
		}
	}
	people, err := d.byID(ctx, tx.SQL, s.zones, contacts)
	if err != nil {
		return 0, err
	}
	var made []*draft
	for _, one := range all {
		if one.ContactID == nil || people[*one.ContactID] == nil || !isFor(s.Schedule, one.Invitation) {
			continue
		}
		what, _, _ := eventOf(*one.Occasion)
		at := s.happened(people[*one.ContactID], *one.OccurredAt, what)
		m := s.draft(sheet, people[*one.ContactID], at, d.now())
		m.Occurred = one.OccurredAt
		if err := json.Unmarshal([]byte(one.traits), &m.Traits); err != nil {
			return 0, fmt.Errorf("reading an invitation's traits: %w", err)
		}
		made = append(made, m)
	}
	return len(all), insert(ctx, tx, d.db.Dialect, made)
}

// cancelled is an invitation as it was before it was called back, with its traits as they are kept.
type cancelled struct {
	*ent.Invitation

	traits string
}

// cancelSome calls those of a campaign's invitations of a status back that a condition holds for and that are with no server, so many at most as
// may be in one transaction. The condition's parameters are $5 and those after it.
func (d *Desk) cancelSome(
	ctx context.Context, tx *store.Tx, campaign uuid.UUID, status entinvitation.Status, condition string, args ...any,
) (all []cancelled, err error) {
	lock := ""
	if d.db.Dialect == store.Postgres {
		lock = " FOR UPDATE"
	}
	var claimed []*ent.Invitation
	var ids []uuid.UUID
	err = store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		i := cancelled{Invitation: &ent.Invitation{CampaignID: campaign}}
		var contact uuid.NullUUID
		err := rows.Scan(&i.ID, &contact, &i.Occasion, &i.OccurredAt, &i.traits, &i.ClaimedAt, &i.AskedBefore)
		if contact.Valid {
			i.ContactID = &contact.UUID
		}
		if i.ClaimedAt != nil {
			claimed = append(claimed, i.Invitation)
		}
		all, ids = append(all, i), append(ids, i.ID)
		return err
	}, `SELECT id, contact_id, occasion, occurred_at, CAST(traits AS TEXT), claimed_at, asked_before FROM invitations
		WHERE tenant_id = $1 AND campaign_id = $2 AND status = $3 AND attempt_at IS NULL AND `+condition+` ORDER BY due_at, id LIMIT $4`+lock,
		append([]any{auth.Tenant(ctx), campaign, string(status), gone}, args...)...)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if err := d.releaseAll(ctx, tx, claimed); err != nil {
		return nil, err
	}
	// Those of people who were erased are still looked at: there may be files of their mails.
	_, err = tx.SQL.ExecContext(ctx, `UPDATE invitations SET status = 'CANCELLED', skipped_because = NULL, occasion = NULL, claimed_at = NULL,
		next_at = CASE WHEN contact_id IS NULL THEN next_at END
		WHERE `+store.Keyed(d.db.Dialect, "", "id", "uuid", "$1", "$2"), auth.Tenant(ctx), store.UUIDs(d.db.Dialect, ids))
	return all, err
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
		err := d.db.WriteAgain(ctx, func(tx *store.Tx) error {
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
			err := d.db.WriteAgain(ctx, func(tx *store.Tx) error {
				some, err := d.cancelSome(ctx, tx, c.campaign, entinvitation.StatusPLANNED, `true`)
				n = len(some)
				return err
			})
			if err != nil {
				return fmt.Errorf("calling back what a closed campaign has planned: %w", err)
			}
		}
	}
	return nil
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
	ofContact := func(i *ent.Invitation) []byte { // none where they are erased: those are the first
		if i.ContactID == nil {
			return nil
		}
		return i.ContactID[:]
	}
	slices.SortFunc(all, func(a, b *ent.Invitation) int { return bytes.Compare(ofContact(a), ofContact(b)) })
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

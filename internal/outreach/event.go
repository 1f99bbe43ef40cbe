package outreach

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	entschedule "github.com/zeroten/zeroten/ent/schedule"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/trait"
)

// maxClockSkew is how far ahead the clock of who tells of an event may be.
const maxClockSkew = 5 * time.Minute

// ContactEvent is something that happened to a person.
type ContactEvent struct {
	Contact contact.Input
	Name    string
	// At is when; now where nil.
	At     *time.Time
	Traits trait.Values
	// IdempotencyKey names the event once and for all; it may be nil.
	IdempotencyKey *string
}

func (e *ContactEvent) validate(state *settings.State, now time.Time) (errs apierror.UserErrors) {
	errs.Filled(MaxEvent, &e.Name, "name")
	errs.FilledOrNone(MaxKey, e.IdempotencyKey, "idempotencyKey")
	if e.At != nil && e.At.After(now.Add(maxClockSkew)) {
		errs.Add(apierror.OutOfRange, []string{"at"}, "It lies more than five minutes ahead: an event is told of once it has happened.")
	}
	return append(errs, trait.Check(state.Traits, e.Traits).Under("traits")...)
}

// at is when the event happened.
func (e *ContactEvent) at(now time.Time) time.Time {
	if e.At == nil {
		return now
	}
	return e.At.UTC().Truncate(time.Microsecond)
}

// trigger is a schedule that waits for an event.
type trigger struct {
	*scheme
	sheet *survey.Sheet
}

// Record takes what happened to people, each taken or refused by itself: an outcome for each, which is replayed where its key had named it
// before. Those that schedules wait for are planned then. It returns once that is durable.
func (d *Desk) Record(ctx context.Context, events []ContactEvent) ([]feedback.Outcome[struct{}], error) {
	if err := Forbidden(ctx); err != nil { // also what is known already, for that tells something
		return nil, err
	}
	now := d.now()
	state, err := d.states.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	out := make([]feedback.Outcome[struct{}], len(events))
	replayed, err := d.toldBefore(ctx, events)
	if err != nil {
		return nil, err
	}
	var at []int // in events, of those below
	var who []contact.Input
	for i := range events {
		if k := events[i].IdempotencyKey; k != nil && replayed[*k] { // whatever else it says
			out[i].Value, out[i].Replayed = &struct{}{}, true
			continue
		}
		if errs := events[i].validate(state, now); errs != nil {
			out[i].Errors = errs
			continue
		}
		at, who = append(at, i), append(who, events[i].Contact)
	}
	if len(who) == 0 {
		return out, nil
	}
	contacts, err := d.log.Upsert(ctx, who)
	if err != nil {
		return nil, err
	}
	waiting, err := d.waiting(ctx, events)
	if err != nil {
		return nil, err
	}
	// Whoever tells of events may not be allowed to read whom they are of; the program is.
	own := auth.ForTenant(ctx, auth.Tenant(ctx))
	var ids []uuid.UUID
	of := map[int]uuid.UUID{}
	for j, c := range contacts {
		if c.Value == nil {
			out[at[j]].Errors = c.Errors.Under("contact")
			continue
		}
		if len(waiting[events[at[j]].Name]) == 0 {
			continue
		}
		known, err := d.find(own, &events[at[j]].Contact)
		if err != nil {
			return nil, err
		}
		if known != nil { // else erased meanwhile
			of[at[j]] = known.ID
			ids = append(ids, known.ID)
		}
	}
	ring, err := d.ring(ctx)
	if err != nil {
		return nil, err
	}
	err = d.db.Write(own, func(tx *store.Tx) error {
		z := &zones{of: map[string]*time.Location{}, tenant: time.UTC}
		for _, triggers := range waiting {
			for _, t := range triggers {
				z = t.zones
			}
		}
		people, err := d.byID(own, tx.SQL, z, ids)
		if err != nil {
			return err
		}
		all := make([]*person, 0, len(people))
		for _, p := range people {
			all = append(all, p)
		}
		if err := d.bar(own, tx.SQL, ring, all); err != nil {
			return err
		}
		// In the order of keys, so that of two who tell of the same neither waits for the other for ever.
		slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(key(&events[a]), key(&events[b])) })
		var made []*draft
		for _, i := range at {
			if out[i].Errors != nil {
				continue
			}
			fresh, name, err := d.tellOnce(own, tx, &events[i], now)
			if err != nil {
				return err
			}
			out[i].Value, out[i].Replayed = &struct{}{}, !fresh
			p := people[of[i]]
			if !fresh || p == nil {
				continue
			}
			for _, t := range waiting[events[i].Name] {
				when := events[i].at(now)
				m := t.draft(t.sheet, p, t.happened(p, when, name), now)
				m.Occurred = &when
				if events[i].Traits != nil {
					m.Traits = events[i].Traits
				}
				made = append(made, m)
			}
		}
		return insert(own, tx, d.db.Dialect, made)
	})
	if err != nil {
		return nil, fmt.Errorf("recording events: %w", err)
	}
	d.tell()
	return out, nil
}

// key is an event's; empty where it has none.
func key(e *ContactEvent) string {
	if e.IdempotencyKey == nil {
		return ""
	}
	return *e.IdempotencyKey
}

// toldBefore are the keys of events that were told of already.
func (d *Desk) toldBefore(ctx context.Context, events []ContactEvent) (map[string]bool, error) {
	told := map[string]bool{}
	for i := range events {
		k := events[i].IdempotencyKey
		if k == nil || told[*k] {
			continue
		}
		n := 0
		err := d.db.Reader.QueryRowContext(ctx, `SELECT count(*) FROM contact_events WHERE tenant_id = $1 AND key_hash = $2`,
			auth.Tenant(ctx), keyHash(*k)).Scan(&n)
		if err != nil {
			return nil, fmt.Errorf("looking whether an event was told of: %w", err)
		}
		told[*k] = n > 0
	}
	return told, nil
}

// tellOnce notes the key of an event, and reports whether it is new; name tells the event from all others.
func (d *Desk) tellOnce(ctx context.Context, tx *store.Tx, e *ContactEvent, now time.Time) (fresh bool, name string, err error) {
	event := id.New()
	if e.IdempotencyKey == nil {
		return true, event.String(), nil
	}
	done, err := tx.SQL.ExecContext(ctx, `INSERT INTO contact_events (tenant_id, id, key_hash, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, key_hash) DO NOTHING`, auth.Tenant(ctx), event, keyHash(*e.IdempotencyKey), now)
	if err != nil {
		return false, "", fmt.Errorf("noting the key of an event: %w", err)
	}
	n, err := done.RowsAffected()
	return n == 1, event.String(), err
}

// waiting are the schedules that wait for any of the events, by the events' names. Those of campaigns that are closed do not.
func (d *Desk) waiting(ctx context.Context, events []ContactEvent) (map[string][]*trigger, error) {
	ctx = auth.ForTenant(ctx, auth.Tenant(ctx))
	names := map[string]bool{}
	for i := range events {
		names[events[i].Name] = true
	}
	all := make([]string, 0, len(names))
	for name := range names {
		all = append(all, name)
	}
	rows, err := d.db.Ent.Schedule.Query().Where(entschedule.EventIn(all...)).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading schedules: %w", err)
	}
	found := map[string][]*trigger{}
	for _, row := range rows {
		t, err := d.trigger(ctx, row)
		if err != nil {
			return nil, err
		}
		if t != nil {
			found[*row.Event] = append(found[*row.Event], t)
		}
	}
	return found, nil
}

// trigger makes a schedule ready that waits for an event; nil where its campaign is closed.
func (d *Desk) trigger(ctx context.Context, row *ent.Schedule) (*trigger, error) {
	s, err := d.events(ctx, row)
	if err != nil || s.campaign == entcampaign.StatusCLOSED {
		return nil, err
	}
	sheet, err := d.book.Sheet(ctx, row.CampaignID)
	if err != nil || sheet == nil {
		return nil, err
	}
	return &trigger{s, sheet}, nil
}

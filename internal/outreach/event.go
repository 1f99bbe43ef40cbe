package outreach

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
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
	"github.com/zeroten/zeroten/internal/survey/link"
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
	ring, err := d.ring(ctx)
	if err != nil {
		return nil, err
	}
	hashes, err := hashesOf(ring, events)
	if err != nil {
		return nil, err
	}
	replayed, err := d.toldBefore(ctx, hashes)
	if err != nil {
		return nil, err
	}
	var at []int // in events, of those below
	var who []contact.Input
	for i := range events {
		if k := events[i].IdempotencyKey; k != nil && replayed[string(hashes[i])] { // whatever else it says
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
	var concerned []int // in events
	var inputs []*contact.Input
	for j, c := range contacts {
		if c.Value == nil {
			out[at[j]].Errors = c.Errors.Under("contact")
			continue
		}
		if len(waiting[events[at[j]].Name]) == 0 {
			continue
		}
		concerned, inputs = append(concerned, at[j]), append(inputs, &events[at[j]].Contact)
	}
	ids, err := d.find(own, inputs)
	if err != nil {
		return nil, err
	}
	of := make(map[int]uuid.UUID, len(ids))
	for j, id := range ids {
		of[concerned[j]] = id // the zero id is of those who were erased meanwhile
	}
	at = kept(at, func(i int) bool { return out[i].Errors == nil })
	err = d.db.WriteAgain(own, func(tx *store.Tx) error {
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
		told, err := d.tellOnce(own, tx, hashes, at, now)
		if err != nil {
			return err
		}
		var made []*draft
		for _, i := range at {
			name, fresh := told[i]
			out[i].Value, out[i].Replayed = &struct{}{}, !fresh
			p := people[of[i]]
			if !fresh || p == nil {
				continue
			}
			for _, t := range waiting[events[i].Name] {
				when := events[i].at(now)
				m := t.draft(t.sheet, p, t.happened(p, when, name.String()), now)
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

// hashesOf are what the events' keys are kept as; nil where one has none.
func hashesOf(ring *link.Ring, events []ContactEvent) (hashes [][]byte, err error) {
	hashes = make([][]byte, len(events))
	for i := range events {
		if k := events[i].IdempotencyKey; k != nil {
			if hashes[i], err = keyHash(ring, *k); err != nil {
				return nil, err
			}
		}
	}
	return hashes, nil
}

// toldBefore are the keys, as they are kept, of events that were told of already.
func (d *Desk) toldBefore(ctx context.Context, hashes [][]byte) (map[string]bool, error) {
	told := map[string]bool{}
	keys := slices.DeleteFunc(slices.Clone(hashes), func(hash []byte) bool { return hash == nil })
	if len(keys) == 0 {
		return told, nil
	}
	err := store.Each(ctx, d.db.Reader, func(rows *sql.Rows) error {
		var hash []byte
		err := rows.Scan(&hash)
		told[string(hash)] = true
		return err
	}, `SELECT key_hash FROM contact_events WHERE `+store.Keyed(d.db.Dialect, "", "key_hash", "bytea", "$1", "$2"),
		auth.Tenant(ctx), store.Blobs(d.db.Dialect, keys))
	if err != nil {
		return nil, fmt.Errorf("looking whether events were told of: %w", err)
	}
	return told, nil
}

// tellOnce notes the keys of events, whose places at are, and gives those that are new by their places, with what tells each from all others.
func (d *Desk) tellOnce(ctx context.Context, tx *store.Tx, hashes [][]byte, at []int, now time.Time) (map[int]uuid.UUID, error) {
	type noted struct {
		ID  uuid.UUID `json:"id"`
		Key string    `json:"key"`
	}
	fresh := make(map[int]uuid.UUID, len(at))
	places := make(map[uuid.UUID]int, len(at))
	seen := make(map[string]bool, len(at))
	var rows []noted
	for _, i := range at {
		event := id.New()
		switch key := string(hashes[i]); {
		case hashes[i] == nil:
			fresh[i] = event
		case !seen[key]:
			seen[key] = true
			places[event], rows = i, append(rows, noted{event, hex.EncodeToString(hashes[i])})
		}
	}
	if len(rows) == 0 {
		return fresh, nil
	}
	// In the order of keys, so that of two who tell of the same neither waits for the other for ever.
	slices.SortFunc(rows, func(a, b noted) int { return cmp.Compare(a.Key, b.Key) })
	list, err := json.Marshal(rows)
	if err != nil {
		return nil, fmt.Errorf("writing the keys of events: %w", err)
	}
	from := `id, decode(key, 'hex'), $3 FROM json_to_recordset(CAST($2 AS json)) AS e(id uuid, key text) ORDER BY key`
	if d.db.Dialect == store.SQLite {
		from = `value ->> 'id', unhex(value ->> 'key'), $3 FROM json_each($2) WHERE true`
	}
	err = store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		var event uuid.UUID
		err := rows.Scan(&event)
		fresh[places[event]] = event
		return err
	}, `INSERT INTO contact_events (tenant_id, id, key_hash, created_at) SELECT $1, `+from+`
		ON CONFLICT (tenant_id, key_hash) DO NOTHING RETURNING id`, auth.Tenant(ctx), string(list), now)
	if err != nil {
		return nil, fmt.Errorf("noting the keys of events: %w", err)
	}
	return fresh, nil
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

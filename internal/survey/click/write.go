package click

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
)

// stored is a row as it is in the database.
type stored struct {
	id       uuid.UUID
	row      Row
	judgedAt time.Time // zero where there is nothing to judge
}

// known is what is known of who opens a link.
type known struct {
	contact *uuid.UUID
	// responded says that there is a response of theirs.
	responded bool
}

// change is what is written of an item. Its names are those of columns.
type change struct {
	Tenant    uuid.UUID       `json:"tenant_id"`
	ID        uuid.UUID       `json:"id"`
	Campaign  uuid.UUID       `json:"campaign_id"`
	Recipient string          `json:"recipient"`
	Contact   *uuid.UUID      `json:"contact_id"`
	Score     *int            `json:"score"`
	Opened    json.RawMessage `json:"opened"`
	Opens     int             `json:"opens"`
	Signs     json.RawMessage `json:"signs"`
	IsSuspect bool            `json:"is_suspect"`
	Answer    json.RawMessage `json:"answer,omitempty"`
	JudgedAt  *instant        `json:"judged_at"`
	First     instant         `json:"first_opened_at"`
	Last      instant         `json:"last_opened_at"`

	item *item
}

// instant is a time, in JSON as SQLite keeps it and PostgreSQL reads it.
type instant time.Time

func (i instant) MarshalText() ([]byte, error) {
	return time.Time(i).UTC().AppendFormat(nil, "2006-01-02 15:04:05.999999999-07:00"), nil
}

// writeTx writes a batch in one transaction, and gives those whose row another process has made meanwhile.
func (c *Clicks) writeTx(ctx context.Context, batch []*item) (left []*item, err error) {
	var answers []func()
	lost := map[*waiting]bool{}
	err = c.db.WriteAgain(ctx, func(tx *store.Tx) error {
		left, answers = nil, nil
		clear(lost)
		d := dialect{tx, c.db.Dialect}
		people, err := d.find(ctx, batch)
		if err != nil {
			return err
		}
		rows, err := d.lock(ctx, batch)
		if err != nil {
			return err
		}
		var changes []*change
		var gone []*stored
		var goneOf []uuid.UUID
		for n, i := range batch {
			was := rows[n]
			add, looks := i.addition(people[n].contact)
			sum, keep := i.sum(was, add, people[n].responded)
			for _, w := range looks {
				lost[w] = keep && !sum.awaits(w.Look)
			}
			if signs := sum.signs.list(); len(i.answered) > 0 && len(signs) > 0 {
				answers = append(answers, func() { c.tell(ctx, i, signs) })
			}
			switch {
			case keep:
				changes = append(changes, changed(i, was, sum, people[n].contact))
			case was != nil:
				gone, goneOf = append(gone, was), append(goneOf, i.place.Tenant)
			}
		}
		if left, err = d.save(ctx, changes); err != nil {
			return err
		}
		return d.remove(ctx, goneOf, gone)
	})
	if err != nil {
		return nil, err
	}
	again := map[*item]bool{}
	for _, i := range left {
		again[i] = true
	}
	for _, tell := range answers {
		tell()
	}
	for _, i := range batch {
		if again[i] {
			continue
		}
		for _, w := range i.waiting {
			if lost[w] {
				c.dropped.Add(1)
				w.done <- ErrFull
				continue
			}
			w.done <- nil
		}
	}
	return left, nil
}

// tell tells of an answer which was preceded by what a scanner does, so that it can be looked at, or deleted.
func (c *Clicks) tell(ctx context.Context, i *item, signs []Sign) {
	for _, response := range i.answered {
		c.log.InfoContext(ctx, "an answer has signs of a scanner", "response", id.Response.Format(response),
			"campaign", id.Campaign.Format(i.place.Campaign), "signs", signs)
	}
}

// addition is what the item adds, and the looks in it: those that somebody still waits for, and of nobody who was erased since. contact is who
// has the reader's name now; nil where nobody has.
func (i *item) addition(contact *uuid.UUID) (r Row, looks []*waiting) {
	r = i.row
	for _, w := range i.waiting {
		if w.ctx.Err() == nil && (w.Contact == uuid.Nil || contact != nil && *contact == w.Contact) {
			r = r.and(looked(w.Page, w.Answer, w.At))
			looks = append(looks, w)
		}
	}
	return r, looks
}

// sum is what there is of the item's place now, and whether that is to be kept.
func (i *item) sum(was *stored, add Row, responded bool) (sum Row, keep bool) {
	if was != nil {
		sum = was.row
	}
	sum = sum.and(add)
	if _, named := i.answered[""]; named || responded {
		return sum, false
	}
	gone := len(i.answered) > 0
	for page := range i.answered {
		sum = sum.without(page, always)
	}
	for _, j := range i.judged {
		sum = sum.without(j.page, j.at)
		gone = gone || j.is
	}
	if gone && len(sum.looks) == 0 {
		return sum, false
	}
	return sum, !sum.empty() && (was != nil || !add.empty())
}

// changed is the row of an item.
func changed(i *item, was *stored, sum Row, contact *uuid.UUID) *change {
	ch := &change{
		Tenant: i.place.Tenant, Campaign: i.place.Campaign, Recipient: `\x` + hex.EncodeToString(i.place.Recipient[:]), Contact: contact,
		Score: sum.score(), Opened: encode(sum.opened), Opens: sum.opens, Signs: encode(sum.signs.list()), IsSuspect: sum.signs != 0,
		First: instant(moment(sum.first)), Last: instant(moment(sum.last)), item: i,
	}
	if ch.ID = id.New(); was != nil {
		ch.ID = was.id
	}
	if sum.opened == nil {
		ch.Opened = json.RawMessage(`{}`)
	}
	if len(sum.looks) > 0 {
		ch.Answer = encode(sum.looks)
		at := moment(sum.due())
		if len(i.judged) == 0 && was != nil && was.judgedAt.After(at) {
			at = was.judgedAt // somebody is at it
		}
		ch.JudgedAt = new(instant(at))
	}
	return ch
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// dialect is a transaction, whose statements are others in each database.
type dialect struct {
	*store.Tx

	name string
}

// looking is how an item is looked for. Its names are those of columns.
type looking struct {
	N          int       `json:"n"`
	Tenant     uuid.UUID `json:"tenant_id"`
	Campaign   uuid.UUID `json:"campaign_id"`
	Recipient  string    `json:"recipient"`
	Email      *string   `json:"email_key"`
	ExternalID *string   `json:"external_id"`
	Since      instant   `json:"since"`
}

// find finds who the items are of, in their order.
func (d dialect) find(ctx context.Context, items []*item) ([]known, error) {
	people := make([]known, len(items))
	take := func(n int, row store.Raw) error {
		contact, is := row.UUID(1)
		responded, ok := row.Bool(2)
		if !is || !ok {
			return fmt.Errorf("a contact is %s, and has answered: %s", row.Show(1), row.Show(2))
		}
		people[n] = known{&contact, responded}
		return nil
	}
	err := d.each(ctx, take, `SELECT i.n, c.id, `+hasResponded+` FROM `+d.items()+` CROSS JOIN contacts c WHERE c.tenant_id = i.tenant_id AND c.email_key = i.email_key
		UNION ALL SELECT i.n, c.id, `+hasResponded+` FROM `+d.items()+` CROSS JOIN contacts c WHERE c.tenant_id = i.tenant_id AND c.external_id = i.external_id`, lookedFor(items))
	if err != nil {
		return nil, fmt.Errorf("finding who opened links: %w", err)
	}
	return people, nil
}

// hasResponded asks whether the contact c of the item i has answered. It looks through what that person has answered, and not through what
// the campaign was answered: see store.FieldBeside.
const hasResponded = `EXISTS (SELECT 1 FROM responses r
	WHERE r.tenant_id = i.tenant_id AND r.contact_id = c.id AND r.campaign_id IS NOT DISTINCT FROM i.campaign_id AND r.responded_at > i.since)`

// items are the rows of lookedFor, as i. In SQLite what they are joined to with CROSS JOIN is looked up for each of them, never the other way.
func (d dialect) items() string {
	if d.name == store.Postgres {
		return `json_to_recordset($1::json) AS i(n int, tenant_id uuid, campaign_id uuid, recipient bytea, email_key text, external_id text, since timestamptz)`
	}
	return `(SELECT value->>'n' AS n, value->>'tenant_id' AS tenant_id, value->>'campaign_id' AS campaign_id, unhex(substr(value->>'recipient', 3)) AS recipient,
		value->>'email_key' AS email_key, value->>'external_id' AS external_id, value->>'since' AS since FROM json_each($1)) AS i`
}

// lookedFor is a parameter that tells the items.
func lookedFor(items []*item) string {
	all := make([]looking, len(items))
	for n, i := range items {
		all[n] = looking{N: n, Tenant: i.place.Tenant, Campaign: i.place.Campaign, Recipient: `\x` + hex.EncodeToString(i.place.Recipient[:]), Since: instant(i.who.Since)}
		switch {
		case i.who.ExternalID != "":
			all[n].ExternalID = &i.who.ExternalID
		case i.who.EmailKey != "":
			all[n].Email = &i.who.EmailKey
		}
	}
	return string(encode(all))
}

// each runs a query whose rows begin with the number of an item.
func (d dialect) each(ctx context.Context, f func(n int, row store.Raw) error, query string, args ...any) error {
	return store.EachRaw(ctx, d.SQL, func(row store.Raw) error {
		n, ok := row.Int(0)
		if !ok {
			return fmt.Errorf("an item has the number %s", row.Show(0))
		}
		return f(int(n), row)
	}, query, args...)
}

// lock reads the rows that there are of the items, by the items' numbers, and keeps others from writing them until the end.
func (d dialect) lock(ctx context.Context, items []*item) (map[int]*stored, error) {
	rows := map[int]*stored{}
	take := func(n int, row store.Raw) (err error) {
		rows[n], err = storedOf(row)
		return err
	}
	query := `SELECT i.n, p.id, p.opened, p.opens, p.signs, p.answer, p.judged_at, p.first_opened_at, p.last_opened_at
		FROM ` + d.items() + ` CROSS JOIN provisional_answers p
		WHERE p.tenant_id = i.tenant_id AND p.recipient = i.recipient AND p.campaign_id IS NOT DISTINCT FROM i.campaign_id` // as in hasResponded
	if d.name == store.Postgres {
		query += ` ORDER BY i.n FOR UPDATE OF p`
	}
	err := d.each(ctx, take, query, lookedFor(items))
	if err != nil {
		return nil, fmt.Errorf("reading which links were opened before: %w", err)
	}
	return rows, nil
}

// storedOf reads a row, after the number of an item.
func storedOf(row store.Raw) (*stored, error) {
	s := &stored{}
	var ok [6]bool
	var opened, signs, answer string
	var opens int64
	var first, last time.Time
	s.id, ok[0] = row.UUID(1)
	opened, ok[1] = row.Text(2)
	opens, ok[2] = row.Int(3)
	signs, ok[3] = row.Text(4)
	first, ok[4] = row.Time(7)
	last, ok[5] = row.Time(8)
	for _, ok := range ok {
		if !ok {
			return nil, fmt.Errorf("a provisional answer cannot be read: %s", row.Show(1))
		}
	}
	answer, _ = row.Text(5)
	s.judgedAt, _ = row.Time(6)
	var err error
	s.row, err = readRow(opened, signs, answer, int(opens), first, last)
	return s, err
}

// readRow is a row as it is stored.
func readRow(opened, signs, answer string, opens int, first, last time.Time) (r Row, err error) {
	r = Row{opens: opens, first: first.UnixMilli(), last: last.UnixMilli()}
	if r.opened, err = readOpened([]byte(opened)); err != nil {
		return r, err
	}
	var list []Sign
	if err = json.Unmarshal([]byte(signs), &list); err != nil {
		return r, fmt.Errorf("reading signs: %w", err)
	}
	r.signs = setOf(list...)
	r.looks, err = readLooks([]byte(answer))
	return r, err
}

// save writes the rows, and gives the items whose row another process has made since they were looked for.
func (d dialect) save(ctx context.Context, changes []*change) (left []*item, err error) {
	if len(changes) == 0 {
		return nil, nil
	}
	const columns = `tenant_id, id, campaign_id, recipient, contact_id, score, opened, opens, signs, is_suspect, answer, judged_at, first_opened_at, last_opened_at`
	rows := `SELECT ` + columns + ` FROM json_to_recordset($1::json) AS u(tenant_id uuid, id uuid, campaign_id uuid, recipient bytea, contact_id uuid, score smallint, opened json,
		opens bigint, signs json, is_suspect boolean, answer json, judged_at timestamptz, first_opened_at timestamptz, last_opened_at timestamptz)`
	if d.name == store.SQLite {
		rows = `SELECT value->>'tenant_id', value->>'id', value->>'campaign_id', unhex(substr(value->>'recipient', 3)), value->>'contact_id', value->>'score', value->'opened',
			value->>'opens', value->'signs', value->>'is_suspect', value->'answer', value->>'judged_at', value->>'first_opened_at', value->>'last_opened_at'
			FROM json_each($1) WHERE true`
	}
	saved := map[uuid.UUID]bool{}
	err = store.EachRaw(ctx, d.SQL, func(row store.Raw) error {
		made, ok := row.UUID(0)
		saved[made] = ok
		return nil
	}, `INSERT INTO provisional_answers AS p (`+columns+`) `+rows+`
		ON CONFLICT (tenant_id, recipient, campaign_id) DO UPDATE SET contact_id = coalesce(excluded.contact_id, p.contact_id), score = excluded.score,
		opened = excluded.opened, opens = excluded.opens, signs = excluded.signs, is_suspect = excluded.is_suspect, answer = excluded.answer, judged_at = excluded.judged_at,
		first_opened_at = excluded.first_opened_at, last_opened_at = excluded.last_opened_at WHERE p.id = excluded.id RETURNING id`, string(encode(changes)))
	if err != nil {
		return nil, fmt.Errorf("writing which links were opened: %w", err)
	}
	for _, ch := range changes {
		if !saved[ch.ID] {
			left = append(left, ch.item)
		}
	}
	return left, nil
}

// remove deletes rows of tenants.
func (d dialect) remove(ctx context.Context, tenants []uuid.UUID, rows []*stored) (err error) {
	ids := map[uuid.UUID][]uuid.UUID{}
	for n, tenant := range tenants {
		ids[tenant] = append(ids[tenant], rows[n].id)
	}
	for tenant, rows := range ids {
		_, err := d.SQL.ExecContext(ctx, `DELETE FROM provisional_answers WHERE `+store.Keyed(d.name, "", "id", "uuid", "$1", "$2"), tenant, store.UUIDs(d.name, rows))
		if err != nil {
			return fmt.Errorf("deleting opened links: %w", err)
		}
	}
	return nil
}

package feedback

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// postgres writes a flush as one statement, which is one round trip and a transaction of its own: data-modifying CTEs
// that all hang on the one that takes the position. Where the revision is another that one yields no row, and nothing
// happens.
type postgres struct {
	db *store.DB

	mu    sync.Mutex
	flush map[uint]*sql.Stmt
}

// The columns of each part, and of which type the arrays are that they are unnested from.
var (
	contactParts = []part{
		{"id", "uuid"}, {"external_id", "text"}, {"email", "text"}, {"email_key", "text"}, {"phone", "text"},
		{"name", "text"}, {"locale", "text"}, {"time_zone", "text"}, {"traits", "jsonb"}, {"created_at", "timestamptz"}, {"updated_at", "timestamptz"},
	}
	responseParts = []part{
		{"id", "uuid"}, {"campaign_id", "uuid"}, {"contact_id", "uuid"}, {"score", "smallint"}, {"comment", "text"},
		{"channel", "text"}, {"variant", "text"}, {"locale", "text"}, {"traits", "json"},
		{"responded_at", "timestamptz"}, {"recorded_at", "timestamptz"}, {"updated_at", "timestamptz"}, {"unverified", "boolean"},
	}
	changedParts = []part{
		{"id", "uuid"}, {"contact_id", "uuid"}, {"score", "smallint"}, {"comment", "text"}, {"locale", "text"},
		{"traits", "json"}, {"updated_at", "timestamptz"},
	}
	tombstoneParts = []part{
		{"response_id", "uuid"}, {"campaign_id", "uuid"}, {"score", "smallint"}, {"channel", "text"}, {"variant", "text"},
		{"dimension_values", "json"}, {"responded_at", "timestamptz"},
	}
	keyParts        = []part{{"key", "bytea"}, {"response_id", "uuid"}, {"content", "bytea"}}
	changedKeyParts = []part{{"key", "bytea"}, {"content", "bytea"}}
	eventParts      = []part{
		{"position", "bigint"}, {"kind", "smallint"}, {"at", "timestamptz"}, {"response_id", "uuid"}, {"campaign_id", "uuid"},
		{"score", "smallint"}, {"previous_score", "smallint"},
	}
)

type part struct{ column, sqlType string }

// arrays numbers the parameters that hold columns.
type arrays struct{ n int }

func (a *arrays) unnest(parts []part) string {
	params, columns := make([]string, len(parts)), make([]string, len(parts))
	for i, p := range parts {
		a.n++
		params[i], columns[i] = fmt.Sprintf("$%d::%s[]", a.n, p.sqlType), p.column
	}
	return fmt.Sprintf("unnest(%s) AS u(%s)", strings.Join(params, ", "), strings.Join(columns, ", "))
}

func (a *arrays) insert(table string, parts []part) string {
	columns, values := make([]string, len(parts)), make([]string, len(parts))
	for i, p := range parts {
		columns[i], values[i] = p.column, "u."+p.column
		if p.column == "position" {
			values[i] = "head.base + u.position"
		}
	}
	return fmt.Sprintf(`INSERT INTO %s (tenant_id, %s) SELECT $1, %s FROM head, %s`,
		table, strings.Join(columns, ", "), strings.Join(values, ", "), a.unnest(parts))
}

// keyed are rows whose first column is a key of the tenant's, beside the tenant. For the planner the two belong together: were the tenant
// known by itself, all that it has might be read to find a few of it (see store.Keyed).
func (a *arrays) keyed(parts []part) string { return keyed(a.unnest(parts)) }

func keyed(rows string) string {
	return fmt.Sprintf(`(SELECT head.tenant_id, u.* FROM head, %s OFFSET 0) AS u`, rows) // without OFFSET it would be taken apart
}

func (a *arrays) update(table string, parts []part) string {
	var set []string
	for _, p := range parts[1:] {
		set = append(set, fmt.Sprintf("%s = u.%s", p.column, p.column))
	}
	return fmt.Sprintf(`UPDATE %[1]s t SET %[2]s FROM %[3]s WHERE t.tenant_id = u.tenant_id AND t.%[4]s = u.%[4]s`,
		table, strings.Join(set, ", "), a.keyed(parts), parts[0].column)
}

func (a *arrays) delete(table, column, sqlType string) string {
	return fmt.Sprintf(`DELETE FROM %[1]s t USING %[2]s WHERE t.tenant_id = u.tenant_id AND t.%[3]s = u.%[3]s`,
		table, a.keyed([]part{{column, sqlType}}), column)
}

// section is one part of the statement: its text, and what it writes.
type section struct {
	name string
	// text is given the section's parameters.
	text func(*arrays) string
	rows func(*plan) int
	args func(*plan) []string
}

// sections are in the order of their parameters. A flush leaves out those that write nothing: each costs something even
// so, and a plan that was made when a table was empty may read all of it.
var sections = []section{
	{
		"new_contacts", func(a *arrays) string { return a.insert("contacts", contactParts) },
		func(p *plan) int { return len(p.newContacts) }, func(p *plan) []string { return contactArgs(p.newContacts) },
	},
	{
		"changed_contacts", func(a *arrays) string { return a.update("contacts", contactParts) },
		func(p *plan) int { return len(p.changedContacts) }, func(p *plan) []string { return contactArgs(p.changedContacts) },
	},
	{
		"gone_contacts", func(a *arrays) string { return a.delete("contacts", "id", "uuid") },
		func(p *plan) int { return len(p.goneContacts) },
		func(p *plan) []string { return []string{store.UUIDs(store.Postgres, p.goneContacts)} },
	},
	{
		"gone_provisional", func(a *arrays) string { return a.delete("provisional_answers", "recipient", "bytea") },
		func(p *plan) int { return len(p.goneRecipients) },
		func(p *plan) []string {
			return columns([]part{{"recipient", "bytea"}}, len(p.goneRecipients), func(i int) []any { return []any{p.goneRecipients[i]} })
		},
	},
	{
		"new_responses", func(a *arrays) string { return a.insert("responses", responseParts) },
		func(p *plan) int { return len(p.newResponses) },
		func(p *plan) []string {
			return columns(responseParts, len(p.newResponses), func(i int) []any {
				r := p.newResponses[i]
				return []any{
					r.ID, r.CampaignID, r.ContactID, r.Score, r.Comment, string(r.Channel), r.Variant, r.Locale, r.Traits,
					r.RespondedAt, r.RecordedAt, r.UpdatedAt, r.Unverified,
				}
			})
		},
	},
	{
		"changed_responses", func(a *arrays) string { return a.update("responses", changedParts) },
		func(p *plan) int { return len(p.changedResponses) },
		func(p *plan) []string {
			return columns(changedParts, len(p.changedResponses), func(i int) []any {
				r := p.changedResponses[i]
				return []any{r.ID, r.ContactID, r.Score, r.Comment, r.Locale, r.Traits, r.UpdatedAt}
			})
		},
	},
	{
		"gone_responses", func(a *arrays) string { return a.delete("responses", "id", "uuid") },
		func(p *plan) int { return len(p.goneResponses) },
		func(p *plan) []string { return []string{store.UUIDs(store.Postgres, p.goneResponses)} },
	},
	{
		"changed_invitations", changedInvitations,
		func(p *plan) int { return len(p.answered) + len(p.goneResponses) + len(p.goneContacts) },
		func(p *plan) []string {
			answered := columns([]part{{"id", "uuid"}, {"response_id", "uuid"}}, len(p.answered), func(i int) []any {
				return []any{p.answered[i].invitation, p.answered[i].response}
			})
			return append(answered, store.UUIDs(store.Postgres, p.goneResponses), store.UUIDs(store.Postgres, p.goneContacts))
		},
	},
	{
		"erased_suppressions", func(a *arrays) string {
			gone := a.keyed([]part{{"id", "uuid"}})
			return `UPDATE suppressions t SET email = NULL, email_key = NULL FROM (` +
				suppressedBy("u.tenant_id", "u.id", gone+", ") + `) AS s WHERE t.tenant_id = s.tenant_id AND t.id = s.id`
		},
		func(p *plan) int { return len(p.goneContacts) },
		func(p *plan) []string { return []string{store.UUIDs(store.Postgres, p.goneContacts)} },
	},
	{
		"new_tombstones", func(a *arrays) string { return a.insert("tombstones", tombstoneParts) + onlyOnce },
		func(p *plan) int { return len(p.tombstones) },
		func(p *plan) []string {
			return columns(tombstoneParts, len(p.tombstones), func(i int) []any { return tombstoneArgs(p.tombstones[i]) })
		},
	},
	{
		"new_keys", func(a *arrays) string { return a.insert("idempotency_keys", keyParts) },
		func(p *plan) int { return len(p.newKeys) },
		func(p *plan) []string {
			return columns(keyParts, len(p.newKeys), func(i int) []any {
				k := p.newKeys[i]
				return []any{k.key[:], k.response, encodeContent(k.content)}
			})
		},
	},
	{
		"changed_keys", func(a *arrays) string { return a.update("idempotency_keys", changedKeyParts) },
		func(p *plan) int { return len(p.changedKeys) },
		func(p *plan) []string {
			return columns(changedKeyParts, len(p.changedKeys), func(i int) []any {
				return []any{p.changedKeys[i].key[:], encodeContent(p.changedKeys[i].content)}
			})
		},
	},
	{
		"new_events", func(a *arrays) string { return a.insert("events", eventParts) },
		func(p *plan) int { return len(p.events) },
		func(p *plan) []string {
			return columns(eventParts, len(p.events), func(i int) []any {
				e := p.events[i]
				return []any{i + 1, int(e.Kind), e.At, e.Response, e.Campaign, e.Score, e.PreviousScore}
			})
		},
	},
}

// changedInvitations is what becomes of invitations, all at once: of two parts of one statement that change a row one does nothing. They are
// found one by one, each by the index that has it.
func changedInvitations(a *arrays) string {
	param := func() string {
		a.n++
		return fmt.Sprintf("$%d::uuid[]", a.n)
	}
	answered, by, goneResponses, goneContacts := param(), param(), param(), param()
	return fmt.Sprintf(`UPDATE invitations t SET
			status = CASE WHEN t.id = ANY(%[1]s) THEN 'ANSWERED' ELSE t.status END,
			response_id = CASE WHEN t.id = ANY(%[1]s) THEN (%[2]s)[array_position(%[1]s, t.id)]
				WHEN t.response_id = ANY(%[3]s) THEN NULL ELSE t.response_id END,
			contact_id = CASE WHEN t.contact_id = ANY(%[4]s) THEN NULL ELSE t.contact_id END,
			traits = CASE WHEN t.contact_id = ANY(%[4]s) THEN '{}' ELSE t.traits END,
			visitor = CASE WHEN t.contact_id = ANY(%[4]s) THEN NULL ELSE t.visitor END,
			bounce_reason = CASE WHEN t.contact_id = ANY(%[4]s) THEN NULL ELSE t.bounce_reason END,
			next_at = CASE WHEN t.contact_id = ANY(%[4]s) AND t.channel = 'EMAIL' THEN to_timestamp(0) ELSE t.next_at END
		FROM (SELECT head.tenant_id, unnest(%[1]s) AS id FROM head
			UNION SELECT i.tenant_id, i.id FROM invitations i, %[5]s WHERE i.tenant_id = u.tenant_id AND i.response_id = u.id
			UNION SELECT i.tenant_id, i.id FROM invitations i, %[6]s WHERE i.tenant_id = u.tenant_id AND i.contact_id = u.id) AS u
		WHERE t.tenant_id = u.tenant_id AND t.id = u.id`,
		answered, by, goneResponses, goneContacts, keyed(`unnest(`+goneResponses+`) AS u(id)`), keyed(`unnest(`+goneContacts+`) AS u(id)`))
}

// suppressedBy selects what suppresses the address of a contact, or came of a mail to it. from are further tables.
func suppressedBy(tenant, contact, from string) string {
	return fmt.Sprintf(`SELECT s.tenant_id, s.id FROM %[3]scontacts c, suppressions s
			WHERE c.tenant_id = %[1]s AND c.id = %[2]s AND s.tenant_id = c.tenant_id AND s.email_key = c.email_key
		UNION SELECT s.tenant_id, s.id FROM %[3]sinvitations i, suppressions s
			WHERE i.tenant_id = %[1]s AND i.contact_id = %[2]s AND s.tenant_id = i.tenant_id AND s.invitation_id = i.id`, tenant, contact, from)
}

// onlyOnce is for a response that somebody put back by hand: there is a tombstone already.
const onlyOnce = ` ON CONFLICT (tenant_id, response_id) DO NOTHING`

func tombstoneArgs(t *Tombstone) []any {
	return []any{t.Response, t.Campaign, t.Score, t.Channel, t.Variant, encodeValues(t.Values), t.RespondedAt}
}

func encodeContent(all []content) []byte {
	var b []byte
	for _, c := range all {
		b = append(b, c[:]...)
	}
	return b
}

func contactArgs(contacts []*ent.Contact) []string {
	return columns(contactParts, len(contacts), func(i int) []any {
		c := contacts[i]
		return []any{c.ID, c.ExternalID, c.Email, c.EmailKey, c.Phone, c.Name, c.Locale, c.TimeZone, c.Traits, c.CreatedAt, c.UpdatedAt}
	})
}

// columns turns rows into an array for each column.
func columns(parts []part, n int, row func(int) []any) []string {
	arrays := make([]array, len(parts))
	for i := range arrays {
		arrays[i] = make(array, 0, 2+n*24)
	}
	for i := range n {
		for j, v := range row(i) {
			arrays[j].add(v)
		}
	}
	texts := make([]string, len(parts))
	for i, a := range arrays {
		texts[i] = a.String()
	}
	return texts
}

// written says which sections write something, bit by bit.
func written(p *plan) (mask uint) {
	for i, s := range sections {
		if s.rows(p) > 0 {
			mask |= 1 << i
		}
	}
	return mask
}

// flushText is the statement with the sections of the mask, and the cells.
func flushText(mask uint) string {
	a := &arrays{n: 4}
	ctes := []string{`head AS (
		UPDATE tenants SET log_position = log_position + $3, revision = revision + 1, settings = settings + $4
		WHERE id = $1 AND revision = $2 RETURNING id AS tenant_id, log_position - $3 AS base, revision)`}
	for i, s := range sections {
		if mask&(1<<i) != 0 {
			ctes = append(ctes, s.name+` AS (`+s.text(a)+`)`)
		}
	}
	cells, _ := cube.Change{}.Postgres(a.n + 1)
	return `WITH ` + strings.Join(append(ctes, cells), ",\n") + ` SELECT base FROM head`
}

// statement is the prepared statement for a mask; there are as many as come up, some ten.
func (d *postgres) statement(ctx context.Context, mask uint) (*sql.Stmt, error) {
	if stmt := d.prepared(mask); stmt != nil {
		return stmt, nil
	}
	// Not under the mutex: whoever waits for a connection here must not keep those waiting that have one.
	stmt, err := d.db.Writer.PrepareContext(ctx, flushText(mask))
	if err != nil {
		return nil, fmt.Errorf("preparing the flush: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if other := d.flush[mask]; other != nil {
		return other, stmt.Close()
	}
	d.flush[mask] = stmt
	return stmt, nil
}

// prepared is the statement for a mask, nil where it is not prepared yet.
func (d *postgres) prepared(mask uint) *sql.Stmt {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flush[mask]
}

func newPostgres(db *store.DB) *postgres {
	return &postgres{db: db, flush: map[uint]*sql.Stmt{}}
}

func (d *postgres) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, stmt := range d.flush {
		errs = append(errs, stmt.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the flush: %w", err)
	}
	return nil
}

func (d *postgres) write(ctx context.Context, tenant uuid.UUID, revision int64, p *plan) (base int64, ok bool, err error) {
	flush, err := d.statement(ctx, written(p))
	if err != nil {
		return 0, false, err
	}
	args := flushArgs(tenant, revision, p)
	defer d.db.Writing()()
	base, ok, err = answered(flush.QueryRowContext(ctx, args...))
	if store.IsOutdated(err) { // a column has changed: it was not run
		d.forget(written(p), flush)
		base, ok, err = answered(d.db.Writer.QueryRowContext(ctx, flushText(written(p)), args...))
	}
	return base, ok, err
}

// forget has the statement prepared again by whoever needs it next.
func (d *postgres) forget(mask uint, flush *sql.Stmt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flush[mask] == flush { // it stays open for those who have it: they find out the same
		delete(d.flush, mask)
	}
}

func (d *postgres) writeTx(ctx context.Context, tx *store.Tx, tenant uuid.UUID, revision int64, p *plan) (base int64, ok bool, err error) {
	args := flushArgs(tenant, revision, p)
	if flush := d.prepared(written(p)); flush != nil {
		base, ok, err := answered(tx.SQL.StmtContext(ctx, flush).QueryRowContext(ctx, args...))
		if store.IsOutdated(err) {
			d.forget(written(p), flush)
		}
		return base, ok, err
	}
	return answered(tx.SQL.QueryRowContext(ctx, flushText(written(p)), args...))
}

// flushArgs are the statement's arguments.
func flushArgs(tenant uuid.UUID, revision int64, p *plan) []any {
	grown := 0
	if p.change.Grown != nil {
		grown = 1
	}
	mask := written(p)
	args := []any{tenant, revision, len(p.events), grown}
	for i, s := range sections {
		if mask&(1<<i) == 0 {
			continue
		}
		for _, column := range s.args(p) {
			args = append(args, column)
		}
	}
	_, cells := p.change.Postgres(0)
	return append(args, cells...)
}

// answered reads the statement's answer.
func answered(row *sql.Row) (base int64, ok bool, err error) {
	err = row.Scan(&base)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("writing the flush: %w", err)
	}
	return base, true, nil
}

// array is the text of a PostgreSQL array.
type array []byte

// String closes the array.
func (a array) String() string {
	if len(a) == 0 {
		return "{}"
	}
	return string(append(a, '}'))
}

// add appends an element; a nil pointer is NULL.
func (a *array) add(v any) {
	b := *a
	if len(b) == 0 {
		b = append(b, '{')
	} else {
		b = append(b, ',')
	}
	switch v := v.(type) {
	case uuid.UUID:
		b = append(b, v.String()...)
	case *uuid.UUID:
		if v == nil {
			b = append(b, "NULL"...)
		} else {
			b = append(b, v.String()...)
		}
	case int:
		b = strconv.AppendInt(b, int64(v), 10)
	case *int:
		if v == nil {
			b = append(b, "NULL"...)
		} else {
			b = strconv.AppendInt(b, int64(*v), 10)
		}
	case string:
		b = store.AppendText(b, v)
	case *string:
		if v == nil {
			b = append(b, "NULL"...)
		} else {
			b = store.AppendText(b, *v)
		}
	case []byte:
		b = append(b, `"\\x`...)
		b = append(hex.AppendEncode(b, v), '"')
	case time.Time:
		b = v.UTC().AppendFormat(b, time.RFC3339Nano)
	case bool:
		b = strconv.AppendBool(b, v)
	case trait.Values:
		b = store.AppendText(b, encodeTraits(v))
	default:
		panic(fmt.Sprintf("no array of %T", v)) // the columns above have no other types
	}
	*a = b
}

func encodeValues(v map[string]string) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding dimension values: %v", err)) // texts can always be encoded
	}
	return string(b)
}

func encodeTraits(v trait.Values) string {
	if len(v) == 0 {
		return "{}"
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding traits: %v", err)) // they hold texts, finite numbers and booleans
	}
	return string(b)
}

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
	flush *sql.Stmt
}

// The columns of each part, and of which type the arrays are that they are unnested from.
var (
	contactParts = []part{
		{"id", "uuid"}, {"external_id", "text"}, {"email", "text"}, {"email_key", "text"}, {"phone", "text"},
		{"name", "text"}, {"locale", "text"}, {"traits", "jsonb"}, {"created_at", "timestamptz"}, {"updated_at", "timestamptz"},
	}
	responseParts = []part{
		{"id", "uuid"}, {"campaign_id", "uuid"}, {"contact_id", "uuid"}, {"score", "smallint"}, {"comment", "text"},
		{"channel", "text"}, {"variant", "text"}, {"locale", "text"}, {"traits", "json"},
		{"responded_at", "timestamptz"}, {"recorded_at", "timestamptz"}, {"updated_at", "timestamptz"},
	}
	changedParts = []part{
		{"id", "uuid"}, {"contact_id", "uuid"}, {"score", "smallint"}, {"comment", "text"}, {"locale", "text"},
		{"traits", "json"}, {"updated_at", "timestamptz"},
	}
	keyParts   = []part{{"key", "bytea"}, {"response_id", "uuid"}, {"content", "bytea"}}
	eventParts = []part{
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

func (a *arrays) update(table string, parts []part) string {
	var set []string
	for _, p := range parts[1:] {
		set = append(set, fmt.Sprintf("%s = u.%s", p.column, p.column))
	}
	return fmt.Sprintf(`UPDATE %s t SET %s FROM head, %s WHERE t.tenant_id = $1 AND t.id = u.id`,
		table, strings.Join(set, ", "), a.unnest(parts))
}

func (a *arrays) delete(table string) string {
	return fmt.Sprintf(`DELETE FROM %s t USING head, %s WHERE t.tenant_id = $1 AND t.id = u.id`,
		table, a.unnest([]part{{"id", "uuid"}}))
}

func flushText() string {
	a := &arrays{n: 4}
	ctes := []string{
		`head AS (
			UPDATE tenants SET log_position = log_position + $3, revision = revision + 1, settings = settings + $4
			WHERE id = $1 AND revision = $2 RETURNING log_position - $3 AS base)`,
		`new_contacts AS (` + a.insert("contacts", contactParts) + `)`,
		`changed_contacts AS (` + a.update("contacts", contactParts) + `)`,
		`gone_contacts AS (` + a.delete("contacts") + `)`,
		`new_responses AS (` + a.insert("responses", responseParts) + `)`,
		`changed_responses AS (` + a.update("responses", changedParts) + `)`,
		`gone_responses AS (` + a.delete("responses") + `)`,
		`new_keys AS (` + a.insert("idempotency_keys", keyParts) + `)`,
		`new_events AS (` + a.insert("events", eventParts) + `)`,
	}
	cells, _ := cube.Change{}.Postgres(a.n + 1)
	return `WITH ` + strings.Join(append(ctes, cells), ",\n") + ` SELECT base FROM head`
}

func newPostgres(db *store.DB) (*postgres, error) {
	flush, err := db.Writer.Prepare(flushText())
	if err != nil {
		return nil, fmt.Errorf("preparing the flush: %w", err)
	}
	return &postgres{flush: flush}, nil
}

func (d *postgres) close() error {
	if err := d.flush.Close(); err != nil {
		return fmt.Errorf("closing the flush: %w", err)
	}
	return nil
}

func (d *postgres) write(ctx context.Context, tenant uuid.UUID, revision int64, p *plan) (base int64, ok bool, err error) {
	grown := 0
	if p.change.Grown != nil {
		grown = 1
	}
	args := []any{tenant, revision, len(p.events), grown}
	add := func(columns []array) {
		for _, c := range columns {
			args = append(args, c.String())
		}
	}

	contacts := makeArrays(contactParts)
	for _, c := range p.newContacts {
		addContact(contacts, c)
	}
	add(contacts)
	contacts = makeArrays(contactParts)
	for _, c := range p.changedContacts {
		addContact(contacts, c)
	}
	add(contacts)
	args = append(args, store.UUIDs(store.Postgres, p.goneContacts))

	responses := makeArrays(responseParts)
	for _, r := range p.newResponses {
		for i, v := range [...]any{
			r.ID, r.CampaignID, r.ContactID, r.Score, r.Comment, string(r.Channel), r.Variant, r.Locale, r.Traits,
			r.RespondedAt, r.RecordedAt, r.UpdatedAt,
		} {
			responses[i].add(v)
		}
	}
	add(responses)
	responses = makeArrays(changedParts)
	for _, r := range p.changedResponses {
		for i, v := range [...]any{r.ID, r.ContactID, r.Score, r.Comment, r.Locale, r.Traits, r.UpdatedAt} {
			responses[i].add(v)
		}
	}
	add(responses)
	args = append(args, store.UUIDs(store.Postgres, p.goneResponses))

	keys := makeArrays(keyParts)
	for _, k := range p.keys {
		keys[0].add(k.key[:])
		keys[1].add(k.response)
		keys[2].add(k.content)
	}
	add(keys)

	events := makeArrays(eventParts)
	for n, e := range p.events {
		for i, v := range [...]any{n + 1, int(e.Kind), e.At, e.Response, e.Campaign, e.Score, e.PreviousScore} {
			events[i].add(v)
		}
	}
	add(events)

	_, cells := p.change.Postgres(0)
	err = d.flush.QueryRowContext(ctx, append(args, cells...)...).Scan(&base)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("writing the flush: %w", err)
	}
	return base, true, nil
}

func addContact(to []array, c *ent.Contact) {
	for i, v := range [...]any{
		c.ID, c.ExternalID, c.Email, c.EmailKey, c.Phone, c.Name, c.Locale, c.Traits, c.CreatedAt, c.UpdatedAt,
	} {
		to[i].add(v)
	}
}

// array is the text of a PostgreSQL array.
type array []byte

func makeArrays(parts []part) []array { return make([]array, len(parts)) }

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
	case trait.Values:
		b = store.AppendText(b, encodeTraits(v))
	default:
		panic(fmt.Sprintf("no array of %T", v)) // the columns above have no other types
	}
	*a = b
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

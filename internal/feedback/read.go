package feedback

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

const contactColumns = `id, external_id, email, email_key, phone, name, locale, time_zone, traits, created_at, updated_at`

const responseColumns = `r.id, r.campaign_id, r.contact_id, r.score, r.comment, r.channel, r.variant, r.locale, r.traits,
	r.responded_at, r.recorded_at, r.updated_at, r.unverified`

// read reads what a flush needs: up to three statements, and none for what it does not need.
func (l *Log) read(ctx context.Context, query querying, tenant uuid.UUID, n needs) (found, error) {
	var f found
	for _, part := range []func(context.Context, querying, uuid.UUID, needs, *found) error{l.readContacts, l.readKeys, l.readResponses} {
		if err := part(ctx, query, tenant, n, &f); err != nil {
			return found{}, err
		}
	}
	return f, nil
}

// union makes one statement of a selection for each list of values that is not empty. The first argument is the tenant.
type union struct {
	dialect string
	selects []string
	args    []any
}

func (u *union) add(selection, alias, column, sqlType, list string) {
	u.args = append(u.args, list)
	u.selects = append(u.selects, selection+store.Keyed(u.dialect, alias, column, sqlType, "$1", fmt.Sprintf("$%d", len(u.args))))
}

// querying is how statements are run: by the readers' connections, or within a transaction.
type querying func(ctx context.Context, query string, args ...any) (*sql.Rows, error)

func (run querying) all(ctx context.Context, u union, scan func(*sql.Rows) error) error {
	if len(u.selects) == 0 {
		return nil
	}
	rows, err := run(ctx, strings.Join(u.selects, " UNION ALL "), u.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (l *Log) readContacts(ctx context.Context, query querying, tenant uuid.UUID, n needs, f *found) error {
	u := union{dialect: l.db.Dialect, args: []any{tenant}}
	const from = `SELECT ` + contactColumns + ` FROM contacts c WHERE `
	if n.externalIDs != nil {
		u.add(from, "c.", "external_id", "text", store.Texts(l.db.Dialect, n.externalIDs))
	}
	if n.emails != nil {
		u.add(from, "c.", "email_key", "text", store.Texts(l.db.Dialect, n.emails))
	}
	if n.contacts != nil {
		u.add(from, "c.", "id", "uuid", store.UUIDs(l.db.Dialect, n.contacts))
	}
	err := query.all(ctx, u, func(rows *sql.Rows) error {
		c := &ent.Contact{TenantID: tenant}
		var traits []byte
		err := rows.Scan(&c.ID, &c.ExternalID, &c.Email, &c.EmailKey, &c.Phone, &c.Name, &c.Locale, &c.TimeZone, &traits, &c.CreatedAt, &c.UpdatedAt)
		if err != nil {
			return err
		}
		f.contacts = append(f.contacts, c)
		return json.Unmarshal(traits, &c.Traits)
	})
	if err != nil {
		return fmt.Errorf("reading contacts: %w", err)
	}
	return nil
}

func (l *Log) readKeys(ctx context.Context, query querying, tenant uuid.UUID, n needs, f *found) error {
	if n.keys == nil {
		return nil
	}
	hashes := make([][]byte, len(n.keys))
	for i := range n.keys {
		hashes[i] = n.keys[i][:]
	}
	rows, err := query(ctx, `SELECT k.key, k.response_id, k.content, `+responseColumns+` FROM idempotency_keys k
		LEFT JOIN responses r ON r.tenant_id = k.tenant_id AND r.id = k.response_id
		WHERE `+store.Keyed(l.db.Dialect, "k.", "key", "bytea", "$1", "$2"), tenant, store.Blobs(l.db.Dialect, hashes))
	if err != nil {
		return fmt.Errorf("reading idempotency keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var k namedKey
		var key, said []byte
		r, err := scanResponse(rows, tenant, &key, &k.response, &said)
		if err != nil {
			return fmt.Errorf("reading idempotency keys: %w", err)
		}
		copy(k.key[:], key)
		for ; len(said) >= sha256.Size; said = said[sha256.Size:] {
			k.content = append(k.content, content(said[:sha256.Size]))
		}
		k.is = r
		f.keys = append(f.keys, k)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading idempotency keys: %w", err)
	}
	return nil
}

func (l *Log) readResponses(ctx context.Context, query querying, tenant uuid.UUID, n needs, f *found) error {
	u := union{dialect: l.db.Dialect, args: []any{tenant}}
	const from = `SELECT ` + responseColumns + ` FROM responses r WHERE `
	if n.responses != nil {
		u.add(from, "r.", "id", "uuid", store.UUIDs(l.db.Dialect, n.responses))
	}
	err := query.all(ctx, u, func(rows *sql.Rows) error {
		r, err := scanResponse(rows, tenant)
		f.responses = append(f.responses, r)
		return err
	})
	if err == nil && n.answered != nil {
		err = l.readAnswered(ctx, query, tenant, n.answered, f)
	}
	if err != nil {
		return fmt.Errorf("reading responses: %w", err)
	}
	return nil
}

// readAnswered reads what people answered, so much of it as one flush erases.
func (l *Log) readAnswered(ctx context.Context, query querying, tenant uuid.UUID, people []uuid.UUID, f *found) error {
	rows, err := query(ctx, `SELECT `+responseColumns+` FROM responses r WHERE `+
		store.Keyed(l.db.Dialect, "r.", "contact_id", "uuid", "$1", "$2")+` ORDER BY r.contact_id LIMIT $3`,
		tenant, store.UUIDs(l.db.Dialect, people), l.maxErased+1)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	var last uuid.UUID
	for ; rows.Next(); n++ {
		r, err := scanResponse(rows, tenant)
		if err != nil {
			return err
		}
		if last = *r.ContactID; n < l.maxErased {
			f.responses = append(f.responses, r)
		}
	}
	if n <= l.maxErased {
		return rows.Err()
	}
	f.more = map[uuid.UUID]bool{}
	for _, p := range people { // in the order of both databases; who comes before the last is whole
		if bytes.Compare(p[:], last[:]) >= 0 {
			f.more[p] = true
		}
	}
	return rows.Err()
}

// scanResponse reads responseColumns after the columns of before; nil where an outer join found none.
func scanResponse(rows *sql.Rows, tenant uuid.UUID, before ...any) (*ent.Response, error) {
	r := &ent.Response{TenantID: tenant}
	var id, campaign uuid.NullUUID
	var score sql.NullInt64
	var channel sql.NullString
	var traits []byte
	var responded, recorded, updated sql.NullTime
	var unverified sql.NullBool
	err := rows.Scan(append(before, &id, &campaign, &r.ContactID, &score, &r.Comment, &channel, &r.Variant, &r.Locale, &traits,
		&responded, &recorded, &updated, &unverified)...)
	if err != nil || !id.Valid {
		return nil, err
	}
	r.ID, r.CampaignID, r.Score, r.Channel = id.UUID, campaign.UUID, int(score.Int64), response.Channel(channel.String)
	r.Unverified = unverified.Bool
	r.RespondedAt, r.RecordedAt, r.UpdatedAt = responded.Time.UTC(), recorded.Time.UTC(), updated.Time.UTC()
	if err := json.Unmarshal(traits, &r.Traits); err != nil {
		return nil, fmt.Errorf("traits of response %s: %w", r.ID, err)
	}
	return r, nil
}

// current reports whether the tenant's revision is still that of the state.
func (l *Log) current(ctx context.Context, s *settings.State) (bool, error) {
	var revision int64
	rows, err := l.db.Query(ctx, `SELECT revision FROM tenants WHERE id = $1`, s.Tenant)
	if err != nil {
		return false, fmt.Errorf("reading the revision: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&revision); err != nil {
			return false, fmt.Errorf("reading the revision: %w", err)
		}
	}
	return revision == s.Revision, rows.Err()
}

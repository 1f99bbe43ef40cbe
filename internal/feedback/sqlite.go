package feedback

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/store"
)

// sqlite writes a flush row by row: within the process a statement costs no round trip.
type sqlite struct {
	db *store.DB
}

func (*sqlite) close() error { return nil }

// soon is when whoever sends is to look at the invitations of somebody who was erased: there may be files of their mails.
var soon = time.Unix(0, 0).UTC()

// errStale rolls the transaction back.
var errStale = errors.New("the tenant's revision is another")

func (d *sqlite) write(ctx context.Context, tenant uuid.UUID, revision int64, p *plan) (base int64, ok bool, err error) {
	// The driver watches a context that can end by a goroutine for each statement, which costs a quarter of the time.
	ctx = context.WithoutCancel(ctx)
	err = d.db.Write(ctx, func(tx *store.Tx) (err error) {
		base, ok, err = d.writeTx(ctx, tx, tenant, revision, p)
		if err == nil && !ok {
			return errStale
		}
		return err
	})
	if errors.Is(err, errStale) {
		return 0, false, nil
	}
	return base, ok, err
}

func (d *sqlite) writeTx(ctx context.Context, tx *store.Tx, tenant uuid.UUID, revision int64, p *plan) (base int64, ok bool, err error) {
	grown := 0
	if p.change.Grown != nil {
		grown = 1
	}
	err = tx.SQL.QueryRowContext(ctx, `UPDATE tenants
		SET log_position = log_position + $3, revision = revision + 1, settings = settings + $4
		WHERE id = $1 AND revision = $2 RETURNING log_position - $3`, tenant, revision, len(p.events), grown).Scan(&base)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err == nil {
		err = d.rows(ctx, tx.SQL, tenant, base, p)
	}
	if err == nil {
		err = p.change.Apply(ctx, d.db.Dialect, tx.SQL, tenant)
	}
	if err != nil {
		return 0, false, fmt.Errorf("writing the flush: %w", err)
	}
	return base, true, nil
}

// batch runs a prepared statement for each row.
type batch struct {
	ctx context.Context
	tx  *sql.Tx
	err error
}

func each[T any](b *batch, query string, items []T, args func(i int, item T) []any) {
	if b.err != nil || len(items) == 0 {
		return
	}
	stmt, err := b.tx.PrepareContext(b.ctx, query)
	if err != nil {
		b.err = err
		return
	}
	defer stmt.Close()
	for i, item := range items {
		if _, err := stmt.ExecContext(b.ctx, args(i, item)...); err != nil {
			b.err = err
			return
		}
	}
}

func insertText(table string, parts []part) string {
	columns := make([]string, len(parts))
	for i, p := range parts {
		columns[i] = p.column
	}
	return fmt.Sprintf(`INSERT INTO %s (tenant_id, %s) VALUES (?%s)`, table, strings.Join(columns, ", "), strings.Repeat(", ?", len(parts)))
}

func updateText(table string, parts []part) string {
	set := make([]string, len(parts)-1)
	for i, p := range parts[1:] {
		set[i] = fmt.Sprintf("%s = $%d", p.column, i+3)
	}
	return fmt.Sprintf(`UPDATE %s SET %s WHERE tenant_id = $1 AND %s = $2`, table, strings.Join(set, ", "), parts[0].column)
}

func (d *sqlite) rows(ctx context.Context, tx *sql.Tx, tenant uuid.UUID, base int64, p *plan) error {
	b := &batch{ctx: ctx, tx: tx}
	contactArgs := func(_ int, c *ent.Contact) []any {
		return []any{tenant, c.ID, c.ExternalID, c.Email, c.EmailKey, c.Phone, c.Name, c.Locale, c.TimeZone, encodeTraits(c.Traits), c.CreatedAt, c.UpdatedAt}
	}
	each(b, updateText("contacts", contactParts), p.changedContacts, contactArgs)
	each(b, insertText("contacts", contactParts), p.newContacts, contactArgs)
	each(b, insertText("responses", responseParts), p.newResponses, func(_ int, r *ent.Response) []any {
		return []any{
			tenant, r.ID, r.CampaignID, r.ContactID, r.Score, r.Comment, string(r.Channel), r.Variant, r.Locale, encodeTraits(r.Traits),
			r.RespondedAt, r.RecordedAt, r.UpdatedAt, r.Unverified,
		}
	})
	each(b, updateText("responses", changedParts), p.changedResponses, func(_ int, r *ent.Response) []any {
		return []any{tenant, r.ID, r.ContactID, r.Score, r.Comment, r.Locale, encodeTraits(r.Traits), r.UpdatedAt}
	})
	each(b, `UPDATE invitations SET status = 'ANSWERED', response_id = $3 WHERE tenant_id = $1 AND id = $2`, p.answered, func(_ int, a answeredInvitation) []any {
		return []any{tenant, a.invitation, a.response}
	})
	each(b, `UPDATE invitations SET response_id = NULL WHERE tenant_id = ? AND response_id = ?`, p.goneResponses, func(_ int, id uuid.UUID) []any {
		return []any{tenant, id}
	})
	each(b, `UPDATE suppressions SET email = NULL, email_key = NULL WHERE tenant_id = $1 AND id IN (SELECT id FROM (`+suppressedBy("$1", "$2", "")+`))`, p.goneContacts,
		func(_ int, id uuid.UUID) []any { return []any{tenant, id} })
	each(b, `UPDATE invitations SET contact_id = NULL, traits = '{}', visitor = NULL, bounce_reason = NULL,
			next_at = CASE channel WHEN 'EMAIL' THEN $3 ELSE next_at END WHERE tenant_id = $1 AND contact_id = $2`, p.goneContacts,
		func(_ int, id uuid.UUID) []any { return []any{tenant, id, soon} })
	each(b, `DELETE FROM responses WHERE tenant_id = ? AND id = ?`, p.goneResponses, func(_ int, id uuid.UUID) []any {
		return []any{tenant, id}
	})
	// Last, since what they answered refers to them.
	each(b, `DELETE FROM contacts WHERE tenant_id = ? AND id = ?`, p.goneContacts, func(_ int, id uuid.UUID) []any {
		return []any{tenant, id}
	})
	each(b, `DELETE FROM provisional_answers WHERE tenant_id = ? AND recipient = ?`, p.goneRecipients, func(_ int, recipient []byte) []any {
		return []any{tenant, recipient}
	})
	each(b, insertText("tombstones", tombstoneParts)+onlyOnce, p.tombstones, func(_ int, t *Tombstone) []any {
		return append([]any{tenant}, tombstoneArgs(t)...)
	})
	each(b, insertText("idempotency_keys", keyParts), p.newKeys, func(_ int, k *namedKey) []any {
		return []any{tenant, k.key[:], k.response, encodeContent(k.content)}
	})
	each(b, updateText("idempotency_keys", changedKeyParts), p.changedKeys, func(_ int, k *namedKey) []any {
		return []any{tenant, k.key[:], encodeContent(k.content)}
	})
	each(b, insertText("events", eventParts), p.events, func(i int, e Event) []any {
		return []any{tenant, base + int64(i) + 1, int(e.Kind), e.At, e.Response, e.Campaign, e.Score, e.PreviousScore}
	})
	return b.err
}

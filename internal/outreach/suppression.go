package outreach

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/link"
)

// MaxBatch is how many people, events or addresses are taken at a time.
const MaxBatch = 1_000

// SuppressionConnection is a page of suppressions, as the API has it.
type SuppressionConnection = page.Connection[*ent.Suppression]

// SuppressionEdge is a row of such a page.
type SuppressionEdge = page.Edge[*ent.Suppression]

// Forbidden is the error for a token that is narrowed: it does not see who is asked.
func Forbidden(ctx context.Context) error {
	if auth.Narrowed(ctx).IsZero() {
		return nil
	}
	return apierror.New(apierror.Forbidden, "A token that is narrowed does not see who is asked.")
}

// Suppressions lists the addresses that are never written to, newest first: the one of an address where email is not nil, and those with one
// of some reasons where these are given.
func (d *Desk) Suppressions(ctx context.Context, args page.Args, email *string, reasons []entsuppression.Reason) (*SuppressionConnection, error) {
	if err := Forbidden(ctx); err != nil {
		return nil, err
	}
	hash := ""
	if email != nil {
		ring, err := d.ring(ctx)
		if err != nil {
			return nil, err
		}
		if hash, err = hashOf(ring, *email); err != nil {
			return nil, err
		}
	}
	query := func() *ent.SuppressionQuery {
		q := d.db.Ent.Suppression.Query()
		if email != nil {
			q.Where(entsuppression.EmailHash(hash))
		}
		if reasons != nil {
			q.Where(entsuppression.ReasonIn(reasons...))
		}
		return q
	}
	list, err := page.Of(ctx, args, page.Order{List: "suppressions", Desc: true},
		func(s *ent.Suppression) page.Key { return page.Key{ID: s.ID} },
		func(ctx context.Context, w page.Window) ([]*ent.Suppression, error) {
			return query().Where(w.Apply).All(ctx)
		},
		func(ctx context.Context) (int, error) {
			n, err := query().Count(ctx)
			if err != nil {
				return 0, err
			}
			return n, rate.Spend(ctx, n/rate.CountsPerPoint)
		})
	if err != nil {
		return nil, fmt.Errorf("listing suppressions: %w", err)
	}
	return list, nil
}

// Suppression is that of a contact's address; nil where they may be written to.
func (d *Desk) Suppression(ctx context.Context, c *ent.Contact) (*ent.Suppression, error) {
	if err := Forbidden(ctx); err != nil || c.Email == nil {
		return nil, err
	}
	ring, err := d.ring(ctx)
	if err != nil {
		return nil, err
	}
	return d.suppressionOf(ctx, ring, *c.Email)
}

// refuseSuppressed is a UserErrors for the field where an address is never written to.
func (d *Desk) refuseSuppressed(ctx context.Context, address string, field []string) error {
	ring, err := d.ring(ctx)
	if err != nil {
		return err
	}
	s, err := d.suppressionOf(ctx, ring, address)
	if err != nil || s == nil {
		return err
	}
	return apierror.User(apierror.NotAllowed, field,
		"This address is suppressed (%s) and not written to: take another, or have its suppression deleted, with the person's consent.", s.Reason)
}

// suppressionOf is that of an address; nil where it may be written to.
func (d *Desk) suppressionOf(ctx context.Context, ring *link.Ring, address string) (*ent.Suppression, error) {
	hash, err := hashOf(ring, address)
	if err != nil {
		return nil, err
	}
	found, err := d.db.Ent.Suppression.Query().Where(entsuppression.EmailHash(hash)).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding a suppression: %w", err)
	}
	return found, nil
}

// Suppress adds addresses that are never written to, and gives how many are new. The error is UserErrors for what the caller can mend.
func (d *Desk) Suppress(ctx context.Context, emails []string, why entsuppression.Reason) (added int, err error) {
	switch {
	case len(emails) == 0:
		return 0, apierror.User(apierror.Required, []string{"emails"}, "Give at least one.")
	case len(emails) > MaxBatch:
		return 0, apierror.User(apierror.TooMany, []string{"emails"}, "At most %d at a time, not %d: send the rest in further calls.", MaxBatch, len(emails))
	case why != entsuppression.ReasonUNSUBSCRIBED && why != entsuppression.ReasonMANUAL:
		return 0, apierror.User(apierror.NotAllowed, []string{"reason"}, "UNSUBSCRIBED or MANUAL: that a mail came back, or was reported, its provider says.")
	}
	ring, err := d.ring(ctx)
	if err != nil {
		return 0, err
	}
	type row struct {
		ID    uuid.UUID `json:"id"`
		Email string    `json:"email"`
		Key   string    `json:"key"`
		Hash  string    `json:"hash"`
	}
	rows := make([]row, len(emails))
	for i, email := range emails {
		hash, err := hashOf(ring, email)
		if err != nil {
			return 0, err
		}
		rows[i] = row{id.New(), email, contact.EmailKey(email), hash}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.Hash, b.Hash) }) // so that two who add the same do not wait for each other
	rows = slices.CompactFunc(rows, func(a, b row) bool { return a.Hash == b.Hash })
	fresh := make(map[uuid.UUID]bool, len(rows))
	for _, r := range rows {
		fresh[r.ID] = true
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return 0, fmt.Errorf("writing addresses: %w", err)
	}
	from := `id, email, key, hash, $3, $4 FROM json_to_recordset(CAST($2 AS json)) AS a(id uuid, email text, key text, hash text) ORDER BY hash, id`
	if d.db.Dialect == store.SQLite {
		from = `value ->> 'id', value ->> 'email', value ->> 'key', value ->> 'hash', $3, $4 FROM json_each($2) WHERE true`
	}
	err = d.db.WriteAgain(ctx, func(tx *store.Tx) error {
		added = 0
		if err := tx.Lock(ctx, auth.Tenant(ctx)); err != nil { // see suppressAll
			return err
		}
		return store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
			var is uuid.UUID
			err := rows.Scan(&is)
			if fresh[is] {
				added++
			}
			return err
		}, `INSERT INTO suppressions (tenant_id, id, email, email_key, email_hash, reason, created_at)
			SELECT $1, `+from+` ON CONFLICT (tenant_id, email_hash) DO UPDATE SET `+alsoSaid+` RETURNING id`, auth.Tenant(ctx), string(list), string(why), d.now())
	})
	if err != nil {
		return 0, fmt.Errorf("suppressing addresses: %w", err)
	}
	return added, nil
}

// alsoSaid keeps what is said of an address besides what a person said by a mail, for when they take that back.
const alsoSaid = `reason_before = excluded.reason, invitation_before = excluded.invitation_id
	WHERE suppressions.reason = 'UNSUBSCRIBED' AND suppressions.invitation_id IS NOT NULL AND suppressions.reason_before IS NULL`

// suppress adds an address that is never written to, by its hash; the text is nil where it is not known any more. One that is there already stays
// as it is, but for what a person says themselves, which is not to end with a bounce that somebody deletes: a complaint takes the place of all else, and
// unsubscribing by a mail that of a bounce, or of what the tenant wants. As that can be taken back by the mail, what else was said of the
// address, before or after, is kept for then.
func (d *Desk) suppress(
	ctx context.Context, tx *store.Tx, hash string, email *string, why entsuppression.Reason, invitation *uuid.UUID,
) error {
	var key *string
	if email != nil {
		key = new(contact.EmailKey(*email))
	}
	then := alsoSaid
	switch {
	case why == entsuppression.ReasonCOMPLAINED:
		then = `reason = $6, invitation_id = $7, reason_before = NULL, invitation_before = NULL WHERE suppressions.reason <> 'COMPLAINED'`
	case invitation != nil && why == entsuppression.ReasonUNSUBSCRIBED:
		then = `reason = $6, invitation_id = $7, reason_before = suppressions.reason, invitation_before = suppressions.invitation_id
			WHERE suppressions.reason IN ('BOUNCED', 'MANUAL')`
	}
	_, err := tx.SQL.ExecContext(ctx, `INSERT INTO suppressions (tenant_id, id, email, email_key, email_hash, reason, invitation_id, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, email_hash) DO UPDATE SET `+then,
		auth.Tenant(ctx), id.New(), email, key, hash, string(why), invitation, d.now())
	if err != nil {
		return fmt.Errorf("suppressing an address: %w", err)
	}
	return nil
}

// unsuppressPerson takes back what a person said by a mail of an address, by its hash, and reports whether they had said so. What else was said of
// it holds again.
func unsuppressPerson(ctx context.Context, tx *store.Tx, hash string) (bool, error) {
	for _, statement := range []string{
		`UPDATE suppressions SET reason = reason_before, invitation_id = invitation_before, reason_before = NULL, invitation_before = NULL
			WHERE tenant_id = $1 AND email_hash = $2 AND reason = 'UNSUBSCRIBED' AND invitation_id IS NOT NULL AND reason_before IS NOT NULL`,
		`DELETE FROM suppressions WHERE tenant_id = $1 AND email_hash = $2 AND reason = 'UNSUBSCRIBED' AND invitation_id IS NOT NULL`,
	} {
		done, err := tx.SQL.ExecContext(ctx, statement, auth.Tenant(ctx), hash)
		if err != nil {
			return false, fmt.Errorf("taking back a suppression: %w", err)
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// Unsuppress lets an address be written to again, by the text of the suppression's id. The error is UserErrors for what the caller can mend.
func (d *Desk) Unsuppress(ctx context.Context, idText string) (uuid.UUID, error) {
	target, err := id.Suppression.Parse(idText)
	if err != nil {
		return uuid.Nil, apierror.User(apierror.Invalid, []string{"id"}, "%v.", err)
	}
	n := 0
	err = d.db.Write(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.Ent.Suppression.Delete().Where(entsuppression.ID(target)).Exec(ctx)
		return err
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("deleting a suppression: %w", err)
	}
	if n == 0 {
		return uuid.Nil, apierror.User(apierror.NotFound, []string{"id"}, "There is no suppression %s.", idText)
	}
	return target, nil
}

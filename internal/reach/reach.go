// Package reach counts what became of invitations: how many of those who were asked answered.
package reach

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// maxCounted is how many invitations one operation counts at most: nobody can pay for more.
const maxCounted = 1_000 * rate.InvitationsPerPoint

// Filter says which invitations. What is nil does not narrow; of a list that is given, one must hold.
type Filter struct {
	// Campaigns are texts of ids, and Segment is one.
	Campaigns []string
	Segment   *string
	Channels  []response.Channel
	Variants  []string
	// From and To are days on which people were asked, or would have been.
	From, To *calendar.Day
	Last     *selection.Period
}

// Reach is what became of invitations.
type Reach struct {
	// Invited are those that went out or were tried. All others but Skipped are among them.
	Invited int
	// Delivered are those that arrived as far as is known.
	Delivered    int
	Bounced      int
	Complained   int
	Unsubscribed int
	Declined     int
	Answered     int
	// Skipped are those that a rule kept back, most first.
	Skipped []*Skip
}

// Skip is how many invitations one rule kept back.
type Skip struct {
	Reason      invitation.SkippedBecause
	Invitations int
}

// ResponseRate is how many of the delivered were answered, 0 to 1; nil where none was delivered.
func (r *Reach) ResponseRate() *float64 {
	if r.Delivered == 0 {
		return nil
	}
	return new(float64(r.Answered) / float64(r.Delivered))
}

// add counts invitations of a status.
func (r *Reach) add(status invitation.Status, because invitation.SkippedBecause, n, complained, unsubscribed int) {
	switch status {
	case invitation.StatusPLANNED, invitation.StatusCANCELLED:
		return
	case invitation.StatusSKIPPED:
		i := slices.IndexFunc(r.Skipped, func(s *Skip) bool { return s.Reason == because })
		if i < 0 {
			i, r.Skipped = len(r.Skipped), append(r.Skipped, &Skip{Reason: because})
		}
		r.Skipped[i].Invitations += n
		return
	case invitation.StatusSENT:
		r.Delivered += n
	case invitation.StatusDECLINED:
		r.Delivered += n
		r.Declined += n
	case invitation.StatusANSWERED:
		r.Delivered += n
		r.Answered += n
	case invitation.StatusBOUNCED:
		r.Bounced += n
	case invitation.StatusUNCONFIRMED, invitation.StatusFAILED:
	}
	r.Invited += n
	r.Complained += complained
	r.Unsubscribed += unsubscribed
}

// reasons are in the order of the rules.
var reasons = []invitation.SkippedBecause{
	invitation.SkippedBecauseCAMPAIGN_NOT_ACTIVE, invitation.SkippedBecauseNO_ADDRESS, invitation.SkippedBecauseUNSUBSCRIBED,
	invitation.SkippedBecauseSUPPRESSED, invitation.SkippedBecauseNOT_IN_SEGMENT, invitation.SkippedBecauseNOT_SAMPLED,
	invitation.SkippedBecauseQUIET_PERIOD, invitation.SkippedBecauseOVER_BUDGET, invitation.SkippedBecauseTOO_LATE,
}

// Asks reports whether people are asked by a channel: answers come by others too.
func Asks(channel response.Channel) bool {
	return invitation.ChannelValidator(invitation.Channel(channel)) == nil
}

// Count counts the invitations of the caller's tenant that a filter means, those of one campaign where within is not the zero UUID. It
// counts them at one moment. A caller who is narrowed to campaigns has those alone; for one who is narrowed to a segment it is FORBIDDEN.
// What cannot be meant is BAD_REQUEST, and a campaign or segment that there is not NOT_FOUND. What is counted is paid for.
func Count(ctx context.Context, db *store.DB, states *settings.States, within uuid.UUID, f Filter, now time.Time) (*Reach, error) {
	found, err := count(ctx, db, states, within, f, false, now)
	if err != nil {
		return nil, err
	}
	if r := found[""]; r != nil {
		return r, nil
	}
	return &Reach{Skipped: []*Skip{}}, nil
}

// ByVariant counts as Count does, at one moment and for the same price, what became of each variant. Of a variant in which nobody was to
// be asked there is nothing; those who were in none are the empty one's.
func ByVariant(ctx context.Context, db *store.DB, states *settings.States, within uuid.UUID, f Filter, now time.Time) (map[string]*Reach, error) {
	return count(ctx, db, states, within, f, true, now)
}

// count counts by variant, or all as those of the empty one.
func count(
	ctx context.Context, db *store.DB, states *settings.States, within uuid.UUID, f Filter, byVariant bool, now time.Time,
) (map[string]*Reach, error) {
	if auth.Narrowed(ctx).Segment != uuid.Nil {
		return nil, apierror.New(apierror.Forbidden, "A token that is narrowed to a segment does not see who was asked.")
	}
	state, err := states.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, fmt.Errorf("counting invitations: %w", err)
	}
	of := selection.Filter{Campaigns: f.Campaigns, From: f.From, To: f.To, Last: f.Last}
	chosen, err := of.Select(ctx, state, selection.Within{Campaign: within}, now)
	if err != nil {
		return nil, err
	}
	c := &conditions{dialect: db.Dialect}
	c.add("tenant_id = %s", auth.Tenant(ctx))
	if chosen.Campaigns != nil {
		c.in("campaign_id", "uuid", store.UUIDs(db.Dialect, chosen.Campaigns))
	} else {
		// By campaigns days are found, and by nothing else: one more index that every invitation would be in is dear, see outreach's plans.
		c.texts = append(c.texts, "campaign_id IN (SELECT id FROM campaigns WHERE tenant_id = $1)")
	}
	// Days at the ends of the calendar are no bounds: their instants may be beyond it, where the databases do not follow.
	if chosen.From > calendar.MinDay.Add(1) {
		c.add("due_at >= %s", chosen.From.Start(state.Active.Zone()).UTC())
	}
	if chosen.To < calendar.MaxDay.Add(-1) {
		c.add("due_at < %s", chosen.To.Add(1).Start(state.Active.Zone()).UTC())
	}
	looked := c.clone()
	if f.Channels != nil {
		names := make([]string, len(f.Channels))
		for i, channel := range f.Channels {
			if names[i] = string(channel); !Asks(channel) {
				return nil, apierror.BadRequest("filter.channels.%d: people are asked by EMAIL, LINK or WIDGET.", i)
			}
		}
		c.in("channel", "text", store.Texts(db.Dialect, names))
	}
	if f.Variants != nil {
		c.in("variant", "text", store.Texts(db.Dialect, f.Variants))
	}
	var in func(trait.Values) bool
	if f.Segment != nil {
		if in, err = contact.InSegment(ctx, states, *f.Segment, now); err != nil {
			return nil, err
		}
	}
	t := &tally{variant: "NULL", found: map[string]*Reach{}}
	if byVariant {
		t.variant, t.by = "variant", ", variant"
	}
	err = db.Sift(ctx, func() error {
		return db.Snapshot(ctx, func(tx *store.Tx) error {
			if err := looked.pay(ctx, tx); err != nil {
				return err
			}
			if in != nil {
				return c.countIn(ctx, tx, in, t)
			}
			return c.count(ctx, tx, t)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("counting invitations: %w", err)
	}
	for _, r := range t.found {
		SortSkips(r.Skipped)
	}
	return t.found, nil
}

// SortSkips puts those first that kept most back, and of equals those whose rule comes first.
func SortSkips(all []*Skip) {
	slices.SortFunc(all, func(a, b *Skip) int {
		return cmp.Or(cmp.Compare(b.Invitations, a.Invitations), cmp.Compare(slices.Index(reasons, a.Reason), slices.Index(reasons, b.Reason)))
	})
}

// tally is what was counted, by variant.
type tally struct {
	// variant is what a statement gives as a row's variant, and by what it groups by besides the rest.
	variant, by string
	found       map[string]*Reach
}

func (t *tally) add(variant, because sql.NullString, status invitation.Status, n, complained, unsubscribed int) {
	r := t.found[variant.String]
	if r == nil {
		r = &Reach{Skipped: []*Skip{}}
		t.found[variant.String] = r
	}
	r.add(status, invitation.SkippedBecause(because.String), n, complained, unsubscribed)
}

// conditions are those of a statement, all of which must hold. The first is that of the tenant.
type conditions struct {
	dialect string
	texts   []string
	args    []any
}

// add adds a condition with one parameter.
func (c *conditions) add(format string, arg any) {
	c.args = append(c.args, arg)
	c.texts = append(c.texts, fmt.Sprintf(format, fmt.Sprintf("$%d", len(c.args))))
}

// in adds that a column is among a list.
func (c *conditions) in(column, sqlType, list string) {
	c.args = append(c.args, list)
	c.texts = append(c.texts, store.In(c.dialect, column, sqlType, fmt.Sprintf("$%d", len(c.args))))
}

func (c *conditions) clone() *conditions {
	return &conditions{c.dialect, slices.Clone(c.texts), slices.Clone(c.args)}
}

func (c *conditions) String() string { return strings.Join(c.texts, " AND ") }

// pay pays for as many invitations as there are, before they are looked at.
func (c *conditions) pay(ctx context.Context, tx *store.Tx) error {
	var n int
	query := `SELECT count(*) FROM (SELECT 1 FROM invitations WHERE ` + c.String() + ` LIMIT ` + strconv.Itoa(maxCounted) + `) AS looked_at`
	if err := tx.SQL.QueryRowContext(ctx, query, c.args...).Scan(&n); err != nil {
		return err
	}
	if n == maxCounted {
		return apierror.New(apierror.TooComplex, "There are %d invitations or more: narrow the filter by from and to.", maxCounted)
	}
	return rate.Spend(ctx, n/rate.InvitationsPerPoint)
}

func (c *conditions) count(ctx context.Context, tx *store.Tx, t *tally) error {
	return store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		var status invitation.Status
		var because, variant sql.NullString
		var n, complained, unsubscribed int
		if err := rows.Scan(&status, &because, &variant, &n, &complained, &unsubscribed); err != nil {
			return err
		}
		t.add(variant, because, status, n, complained, unsubscribed)
		return nil
	}, `SELECT status, skipped_because, `+t.variant+`, count(*), count(complained_at), count(unsubscribed_at) FROM invitations WHERE `+c.String()+` GROUP BY status, skipped_because`+t.by, c.args...)
}

// countIn counts those of contacts who pass. Their traits are read one after the other, and none is kept.
func (c *conditions) countIn(ctx context.Context, tx *store.Tx, in func(trait.Values) bool, t *tally) error {
	unpaid := 0
	return store.Each(ctx, tx.SQL, func(rows *sql.Rows) error {
		var status invitation.Status
		var because, variant sql.NullString
		var n, complained, unsubscribed int
		var text sql.RawBytes
		if err := rows.Scan(&status, &because, &variant, &n, &complained, &unsubscribed, &text); err != nil {
			return err
		}
		if unpaid++; unpaid == rate.RowsPerPoint {
			unpaid = 0
			if err := rate.Spend(ctx, 1); err != nil {
				return err
			}
		}
		if err := store.Weigh(ctx, len(text)); err != nil {
			return err
		}
		var traits trait.Values
		if err := json.Unmarshal(text, &traits); err != nil {
			return fmt.Errorf("reading a contact's traits: %w", err)
		}
		if in(traits) {
			t.add(variant, because, status, n, complained, unsubscribed)
		}
		return nil
	}, `SELECT g.status, g.skipped_because, g.variant, g.n, g.complained, g.unsubscribed, CAST(c.traits AS TEXT) FROM
		(SELECT contact_id, status, skipped_because, `+t.variant+` AS variant, count(*) AS n, count(complained_at) AS complained,
			count(unsubscribed_at) AS unsubscribed FROM invitations
			WHERE `+c.String()+` AND contact_id IS NOT NULL GROUP BY contact_id, status, skipped_because`+t.by+`) g
		JOIN contacts c ON c.tenant_id = $1 AND c.id = g.contact_id`, c.args...)
}

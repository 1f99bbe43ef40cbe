package selection

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

// everything is the selection of all that is visible to the caller. It takes the tenant's state, and so a statement, only
// where the caller is narrowed to a segment.
func everything(ctx context.Context, states *settings.States) (*Selection, error) {
	n := auth.Narrowed(ctx)
	if n.Segment == uuid.Nil {
		return &Selection{Campaigns: n.Campaigns, From: cube.Earliest, To: cube.Latest, narrowing: n}, nil
	}
	s, err := states.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	return new(Filter).Select(ctx, s, Within{}, time.Time{})
}

// includes is for a selection of everything.
func (sel *Selection) includes(r *ent.Response) bool {
	return (sel.Campaigns == nil || slices.Contains(sel.Campaigns, r.CampaignID)) && sel.matchesProfile(r)
}

// Visible says of each of the caller's tenant's responses whether it is visible to the caller.
func Visible(ctx context.Context, states *settings.States, responses []*ent.Response) ([]bool, error) {
	sel, err := everything(ctx, states)
	if err != nil {
		return nil, err
	}
	visible := make([]bool, len(responses))
	for i, r := range responses {
		visible[i] = sel.includes(r)
	}
	return visible, nil
}

// VisibleContacts says which of the caller's tenant's contacts are visible to the caller: all, or where the caller is
// narrowed, those who gave a response that is, and is not UNVERIFIED. It takes two statements at most.
func VisibleContacts(ctx context.Context, db *store.DB, states *settings.States, contacts []uuid.UUID) (map[uuid.UUID]bool, error) {
	visible := make(map[uuid.UUID]bool, len(contacts))
	if auth.Narrowed(ctx).IsZero() {
		for _, c := range contacts {
			visible[c] = true
		}
		return visible, nil
	}
	sel, err := everything(ctx, states)
	if err != nil || len(contacts) == 0 || sel.Campaigns != nil && len(sel.Campaigns) == 0 {
		return visible, err
	}
	// What other campaigns have of them is read as well, and paid for: the index leads to all that a contact gave.
	columns := "r.contact_id, r.unverified"
	var of uuid.UUID
	var r looked
	dest := []any{&of, &r.unverified}
	if sel.Campaigns != nil {
		columns += ", r.campaign_id"
		dest = append(dest, &r.campaign)
	}
	if len(sel.segments) > 0 {
		columns += ", r.responded_at, r.channel, r.variant, r.traits"
		dest = append(dest, &r.respondedAt, &r.channel, &r.variant, &r.traits)
	}
	rows, err := db.Query(ctx, "SELECT "+columns+" FROM responses r WHERE r.tenant_id = $1 AND "+
		store.In(db.Dialect, "r.contact_id", "uuid", "$2"), auth.Tenant(ctx), store.UUIDs(db.Dialect, contacts))
	if err != nil {
		return nil, fmt.Errorf("reading contacts' responses: %w", err)
	}
	defer rows.Close()
	unpaid := 0.0
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, fmt.Errorf("reading contacts' responses: %w", err)
		}
		if unpaid += rate.LookUpPrice; unpaid >= 1 {
			if err := rate.SpendUnseen(ctx, 1); err != nil {
				return nil, err
			}
			unpaid--
		}
		if visible[of] || r.unverified || sel.Campaigns != nil && !slices.Contains(sel.Campaigns, r.campaign) { // one is enough
			continue
		}
		ok := true
		if len(sel.segments) > 0 {
			unpaid += rate.ProfilePrice
			if ok, err = r.in(sel); err != nil {
				return nil, fmt.Errorf("reading contacts' responses: %w", err)
			}
		}
		if ok {
			visible[of] = true
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading contacts' responses: %w", err)
	}
	return visible, nil
}

// Of how many responses the contacts are looked up to list them: for a caller who is narrowed to campaigns, and to a segment.
const (
	fewOfCampaigns = 5_000
	fewOfSegment   = 400
)

// FewContacts gives the ids of all contacts that are visible to a caller who is narrowed, newest first, where they gave few
// responses; else few is false. As for VisibleContacts, what is UNVERIFIED shows nobody.
func FewContacts(ctx context.Context, db *store.DB, states *settings.States) (ids []uuid.UUID, few bool, err error) {
	most := fewOfCampaigns
	if auth.Narrowed(ctx).Segment != uuid.Nil {
		most = fewOfSegment
	}
	err = states.Try(ctx, auth.Tenant(ctx), func(s *settings.State) error {
		ids, few = nil, false
		sel, err := new(Filter).Select(ctx, s, Within{}, time.Time{})
		if err != nil {
			return err
		}
		n, err := sel.count(sel.paying(ctx), db)
		if err != nil || n > most {
			return err
		}
		if err := rate.SpendBlind(sel.paying(ctx), n/rate.RowsPerPoint); err != nil {
			return err
		}
		ids, err = newWalk(sel, db, uuid.Nil, nil).whose(ctx)
		few = err == nil
		return err
	})
	return ids, few, err
}

// OfContact lists what one contact of the caller's tenant answered, newest first, as far as it is visible to the caller. To who is
// narrowed what is UNVERIFIED is nobody's.
func OfContact(ctx context.Context, db *store.DB, states *settings.States, contact uuid.UUID, args page.Args) (*Connection, error) {
	sel, err := everything(ctx, states)
	if err != nil {
		return nil, err
	}
	p := (*Order)(nil).page()
	p.List = "contact.responses"
	var l listed
	fetch := func(ctx context.Context, w page.Window) (rows []*ent.Response, err error) {
		l, err = sel.list(ctx, db, contact, nil, w)
		return l.rows, err
	}
	rows, err := page.Of(ctx, args, p, (*Order)(nil).key, fetch, func(ctx context.Context) (int, error) {
		if l.total != nil {
			return *l.total, nil
		}
		if sel.Campaigns == nil && !sel.sieves() {
			return sel.of(db, contact).Count(ctx)
		}
		return newWalk(sel, db, contact, nil).count(ctx)
	})
	return &Connection{Connection: rows}, err
}

package outreach

import (
	"context"
	"fmt"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/reach"
)

// Connection is a page of invitations, as the API has it.
type Connection = page.Connection[*ent.Invitation]

// Edge is a row of such a page.
type Edge = page.Edge[*ent.Invitation]

// Filter says which invitations. What is nil does not narrow; of a list that is given, one must hold.
type Filter struct {
	// Campaign and Contact are whose they are; one of them is not the zero id.
	Campaign, Contact uuid.UUID
	Statuses          []entinvitation.Status
	Because           []entinvitation.SkippedBecause
	Channels          []response.Channel
}

// Invitations lists invitations of the caller's tenant, latest due first.
func (d *Desk) Invitations(ctx context.Context, args page.Args, f Filter) (*Connection, error) {
	if err := Forbidden(ctx); err != nil {
		return nil, err
	}
	channels := make([]entinvitation.Channel, len(f.Channels))
	for i, c := range f.Channels {
		if channels[i] = entinvitation.Channel(c); !reach.Asks(c) {
			return nil, apierror.BadRequest("channels.%d: people are asked by EMAIL, LINK or WIDGET.", i)
		}
	}
	query := func() *ent.InvitationQuery {
		q := d.db.Ent.Invitation.Query()
		if f.Campaign != uuid.Nil {
			q.Where(entinvitation.CampaignID(f.Campaign))
		}
		if f.Contact != uuid.Nil {
			q.Where(entinvitation.ContactID(f.Contact))
		}
		if f.Statuses != nil {
			q.Where(entinvitation.StatusIn(f.Statuses...))
		}
		if f.Because != nil {
			q.Where(entinvitation.SkippedBecauseIn(f.Because...))
		}
		if f.Channels != nil {
			q.Where(entinvitation.ChannelIn(channels...))
		}
		return q
	}
	order := page.Order{List: "invitations", Column: entinvitation.FieldDueAt, Desc: true, Accepts: func(v any) bool {
		_, ok := v.(time.Time)
		return ok
	}}
	list, err := page.Of(ctx, args, order,
		func(i *ent.Invitation) page.Key { return page.Key{Value: i.DueAt, ID: i.ID} },
		func(ctx context.Context, w page.Window) ([]*ent.Invitation, error) {
			return query().Where(w.Apply).All(ctx)
		},
		func(ctx context.Context) (int, error) { return counted(ctx, query) })
	if err != nil {
		return nil, fmt.Errorf("listing invitations: %w", err)
	}
	return list, nil
}

// countedAtOnce is how many rows are counted in one go.
const countedAtOnce = 10 * rate.CountsPerPoint

// counted counts what a query finds: as many as cost something at a time, so that it is refused in time.
func counted(ctx context.Context, query func() *ent.InvitationQuery) (n int, err error) {
	rest := query
	for {
		last, err := rest().Order(entinvitation.ByDueAt(sql.OrderDesc()), entinvitation.ByID(sql.OrderDesc())).Offset(countedAtOnce - 1).First(ctx)
		if ent.IsNotFound(err) {
			few, err := rest().Count(ctx)
			return n + few, err
		}
		if err != nil {
			return 0, err
		}
		n += countedAtOnce
		if err := rate.Spend(ctx, countedAtOnce/rate.CountsPerPoint); err != nil {
			return 0, err
		}
		rest = func() *ent.InvitationQuery {
			return query().Where(entinvitation.DueAtLTE(last.DueAt),
				entinvitation.Or(entinvitation.DueAtLT(last.DueAt), entinvitation.IDLT(last.ID)))
		}
	}
}

// Find finds an invitation of the caller's tenant by the text of its id; nil where there is none.
func (d *Desk) Find(ctx context.Context, idText string) (*ent.Invitation, error) {
	if err := Forbidden(ctx); err != nil {
		return nil, err
	}
	target, err := id.Invitation.Parse(idText)
	if err != nil {
		return nil, apierror.BadRequest("id: %v.", err)
	}
	found, err := d.db.Ent.Invitation.Get(ctx, target)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding an invitation: %w", err)
	}
	return found, nil
}

// Bounce is why a mail did not arrive.
type Bounce struct {
	Kind   entinvitation.BounceKind
	Reason *string
	At     time.Time
}

// BounceOf is why an invitation's mail did not arrive; nil where it did, as far as is known.
func BounceOf(i *ent.Invitation) *Bounce {
	if i.BounceKind == nil || i.BouncedAt == nil {
		return nil
	}
	return &Bounce{Kind: *i.BounceKind, Reason: i.BounceReason, At: *i.BouncedAt}
}

// Link is what an invitation is answered by, below the server's address; empty where it was never to be, or whoever it was for is gone.
func (d *Desk) Link(ctx context.Context, i *ent.Invitation) (string, error) {
	switch {
	case i.ContactID == nil, i.Channel == entinvitation.ChannelWIDGET,
		i.Status == entinvitation.StatusSKIPPED, i.Status == entinvitation.StatusCANCELLED:
		return "", nil
	}
	token, err := d.Token(ctx, i)
	if err != nil {
		return "", err
	}
	return "/s/" + token, nil
}

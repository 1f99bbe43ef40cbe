package graph

import (
	"context"
	"fmt"
	"slices"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/graph/model"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/benchmark"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
)

func (r *Resolver) viewer(ctx context.Context) (*model.Viewer, error) {
	caller, ok := auth.From(ctx)
	if !ok {
		return nil, errNoKey()
	}
	v := &model.Viewer{Scopes: caller.Scopes, ExpiresAt: caller.ExpiresAt}
	if caller.Tenant != uuid.Nil {
		t, err := r.DB.Ent.Tenant.Get(ctx, caller.Tenant)
		if err != nil {
			return nil, fmt.Errorf("reading the caller's tenant: %w", err)
		}
		v.Tenant = t
	}
	return v, nil
}

// nodes finds things by ids of all kinds: one statement a kind. Where there is none, or none that the caller may see,
// there is nil. argument names where the i-th id was given.
func (r *Resolver) nodes(ctx context.Context, ids []string, argument func(i int) string) ([]model.Node, error) {
	const most = 100
	if len(ids) > most {
		return nil, apierror.BadRequest("ids: at most %d at a time, not %d.", most, len(ids))
	}
	wanted := map[id.Kind][]uuid.UUID{}
	for i, text := range ids {
		kind, u, err := id.Parse(text)
		if err != nil {
			return nil, apierror.BadRequest("%s: %v: %.40q.", argument(i), err, text)
		}
		wanted[kind] = append(wanted[kind], u)
	}
	found := map[string]model.Node{}
	for kind, of := range wanted {
		if err := r.find(ctx, kind, of, found); err != nil {
			return nil, fmt.Errorf("reading nodes: %w", err)
		}
	}
	nodes := make([]model.Node, len(ids))
	for i, text := range ids {
		nodes[i] = found[text]
	}
	return nodes, nil
}

// find finds what there is of a kind. What the database cannot tell by itself to be visible is told apart here.
func (r *Resolver) find(ctx context.Context, kind id.Kind, ids []uuid.UUID, found map[string]model.Node) error {
	among := func(s *sql.Selector) { s.Where(store.IDIn(s, ids)) }
	switch kind {
	case id.Contact:
		rows, err := loadersOf(ctx).contactsAmong(ctx, ids)
		if err == nil {
			rows, err = r.visible(ctx).Only(ctx, rows)
		}
		add(found, rows)
		return err
	case id.Response:
		rows, err := r.DB.Ent.Response.Query().Where(among).All(ctx)
		if err != nil {
			return err
		}
		visible, err := selection.Visible(ctx, r.States, rows)
		if err != nil {
			return err
		}
		var seen []*ent.Response
		for i, row := range rows {
			if visible[i] {
				seen = append(seen, row)
			}
		}
		want(ctx, seen...)
		add(found, seen)
		return nil
	case id.Benchmark:
		if err := shippedAmong(ids, found); err != nil {
			return err
		}
	case id.ApiKey:
		if caller, _ := auth.From(ctx); !caller.May(auth.Admin) {
			return nil // as if there were none: the root field asks for ADMIN too
		}
	}
	rows, err := r.DB.Ent.Nodes(ctx, kind, among)
	for _, row := range rows {
		switch row := row.(type) {
		case *ent.Invitation:
			wantOf(ctx, row)
		case *ent.Suppression:
			if row.InvitationID != nil {
				loadersOf(ctx).invited.want(*row.InvitationID)
			}
		case *ent.Action:
			wantOfActions(ctx, row)
		}
	}
	add(found, rows)
	return err
}

// shippedAmong finds the benchmarks that come with the program, which are in no database.
func shippedAmong(ids []uuid.UUID, found map[string]model.Node) error {
	shipped, err := benchmark.Shipped()
	add(found, slices.DeleteFunc(shipped, func(b *ent.Benchmark) bool { return !slices.Contains(ids, b.ID) }))
	return err
}

// visible tells which contacts there are for a caller who is narrowed to a segment; it is nil for others, for whom the
// database can tell.
func (r *Resolver) visible(ctx context.Context) contact.Visible {
	if auth.Narrowed(ctx).Segment == uuid.Nil {
		return nil
	}
	return loadersOf(ctx).visibleOnce(func(ctx context.Context, contacts []uuid.UUID) (map[uuid.UUID]bool, error) {
		return selection.VisibleContacts(ctx, r.DB, r.States, contacts)
	})
}

// few gives all contacts that there are for a caller who is narrowed, where they are few; it is nil for others.
func (r *Resolver) few(ctx context.Context) contact.Few {
	if auth.Narrowed(ctx).IsZero() {
		return nil
	}
	return loadersOf(ctx).fewOnce(func(ctx context.Context) ([]uuid.UUID, bool, error) {
		return selection.FewContacts(ctx, r.DB, r.States)
	})
}

// hidden says that the caller must not see in whose name the response is, nor what was known about them: anybody can give an
// UNVERIFIED one in anybody's name, and who is narrowed sees those alone who answered in their part.
func hidden(ctx context.Context, r *ent.Response) bool {
	return r.Unverified && !auth.Narrowed(ctx).IsZero()
}

// wantOf tells the loaders what may be asked for of these invitations.
func wantOf(ctx context.Context, invitations ...*ent.Invitation) {
	l := loadersOf(ctx)
	for _, i := range invitations {
		if i == nil {
			continue
		}
		l.campaigns.want(i.CampaignID)
		if i.ContactID != nil {
			l.contacts.want(*i.ContactID)
		}
		if i.ResponseID != nil {
			l.responses.want(*i.ResponseID)
		}
	}
}

// add notes what was found by its id.
func add[T ent.Node](found map[string]model.Node, rows []T) {
	for _, n := range rows {
		found[n.NodeID()] = n
	}
}

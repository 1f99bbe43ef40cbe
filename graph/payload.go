package graph

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/reach"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/click"
)

// checkBatch says what is wrong with the size of a batch.
func checkBatch(field string, n int) []*apierror.UserError {
	switch {
	case n == 0:
		return userErrors(apierror.User(apierror.Required, []string{"input", field}, "Give at least one."))
	case n > feedback.MaxBatch:
		return userErrors(apierror.User(apierror.TooMany, []string{"input", field}, "At most %d at a time, not %d: send the rest in further calls.", feedback.MaxBatch, n))
	}
	return nil
}

// collect lays the outcomes of a batch out as its payload has them: values in the order of the input, how many are
// new, and errors with their item's index below field. With no field the input is the one item itself.
func collect[T any](out []feedback.Outcome[T], field string) (values []*T, fresh int, errs []*apierror.UserError) {
	values, errs = make([]*T, len(out)), []*apierror.UserError{}
	for i, o := range out {
		values[i] = o.Value
		if o.Value != nil && !o.Replayed {
			fresh++
		}
		prefix := []string{"input"}
		if field != "" {
			prefix = append(prefix, field, apierror.Index(i))
		}
		errs = append(errs, userErrors(o.Errors.Under(prefix...))...)
	}
	return values, fresh, errs
}

// amended is how many of the responses were completed.
func amended(out []feedback.Outcome[ent.Response]) (n int) {
	for _, o := range out {
		if o.Amended {
			n++
		}
	}
	return n
}

func unwrap[T any](out feedback.Outcome[T]) (*T, []*apierror.UserError) {
	return out.Value, userErrors(out.Errors.Under("input"))
}

func only[T any](values []*T) *T {
	if len(values) == 0 {
		return nil
	}
	return values[0]
}

// given is nil for a text that there is none of.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func deref(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func filterOf(filter *selection.Filter) selection.Filter {
	if filter == nil {
		return selection.Filter{}
	}
	return *filter
}

func (r *Resolver) responses(ctx context.Context, filter *selection.Filter, within selection.Within, args page.Args, order *selection.Order) (*selection.Connection, error) {
	return r.paged(ctx, func(db *store.DB) (*selection.Connection, error) {
		return selection.List(ctx, db, r.States, filterOf(filter), within, args, order, r.Log.Now())
	})
}

// paged reads a page of responses, with the log's position where that is asked for, and tells the loaders of its rows.
func (r *Resolver) paged(ctx context.Context, read func(*store.DB) (*selection.Connection, error)) (*selection.Connection, error) {
	if asksFor(ctx, "ResponseConnection", "eventCursor") {
		now := read
		counted := asksFor(ctx, "ResponseConnection", "totalCount")
		read = func(db *store.DB) (*selection.Connection, error) { return selection.At(ctx, db, counted, now) }
	}
	c, err := read(r.DB)
	if err != nil {
		return nil, err
	}
	want(ctx, c.Nodes()...)
	return c, nil
}

// asksFor reports whether what the field in the context gives, of the type, is asked for the field below it.
func asksFor(ctx context.Context, of, field string) bool {
	return slices.ContainsFunc(graphql.CollectFieldsCtx(ctx, []string{of}), func(f graphql.CollectedField) bool { return f.Name == field })
}

// reach counts invitations, those of one campaign where within is not the zero UUID.
func (r *Resolver) reach(ctx context.Context, within uuid.UUID, filter *reach.Filter) (*reach.Reach, error) {
	var f reach.Filter
	if filter != nil {
		f = *filter
	}
	return reach.Count(ctx, r.DB, r.States, within, f, r.Now())
}

// contacts lists contacts that are visible to the caller.
func (r *Resolver) contacts(ctx context.Context, args page.Args, filter contact.Filter) (*contact.Connection, error) {
	filter.Risks = r.ranked
	return contact.List(ctx, r.DB, r.States, r.visible(ctx), r.few(ctx), args, filter, r.Log.Now())
}

// ranked says how the caller's contacts are ranked.
func (r *Resolver) ranked(ctx context.Context) (*contact.Ranked, error) {
	m, err := r.Risks.Of(ctx, auth.Tenant(ctx))
	if err != nil || m == nil {
		return nil, err
	}
	return &contact.Ranked{Model: m.Number, Complete: m.Complete}, nil
}

// want tells the loaders what may be asked for of these responses.
func want(ctx context.Context, responses ...*ent.Response) {
	l := loadersOf(ctx)
	for _, r := range responses {
		if r == nil {
			continue
		}
		l.campaigns.want(r.CampaignID)
		l.invitations.want(r.ID)
		if r.ContactID != nil {
			l.contacts.want(*r.ContactID)
		}
	}
}

// wantOfActions tells the loaders what may be asked for of these actions.
func wantOfActions(ctx context.Context, actions ...*ent.Action) {
	l := loadersOf(ctx)
	for _, a := range actions {
		l.forWhom.want(a.ID)
		if a.SegmentID != nil {
			l.segments.want(*a.SegmentID)
		}
	}
}

// change is what becomes of a field that null takes away, and that stays where it is left out.
func change[T any](given graphql.Omittable[T]) action.Change[T] {
	to, ok := given.ValueOK()
	return action.Change[T]{Given: ok, To: to}
}

// provisional lists a campaign's provisional answers.
func (r *Resolver) provisional(ctx context.Context, c *ent.Campaign, args page.Args, isSuspect *bool) (*click.Connection, error) {
	list, err := click.List(ctx, r.DB, c.ID, args, isSuspect)
	if err != nil {
		return nil, err
	}
	l := loadersOf(ctx)
	for _, a := range list.Nodes() {
		l.campaigns.want(a.CampaignID)
		if a.ContactID != nil {
			l.contacts.want(*a.ContactID)
		}
	}
	return list, nil
}

// invitations lists invitations, and tells the loaders of them.
func (r *Resolver) invitations(ctx context.Context, args page.Args, f outreach.Filter) (*outreach.Connection, error) {
	list, err := r.Outreach.Invitations(ctx, args, f)
	if err != nil {
		return nil, err
	}
	wantOf(ctx, list.Nodes()...)
	return list, nil
}

// values are the structs that generated code gives pointers to.
func values[T any](pointers []*T) []T {
	list := make([]T, len(pointers))
	for i, p := range pointers {
		list[i] = *p
	}
	return list
}

// pointers are what generated code takes lists of structs by.
func pointers[T any](values []T) []*T {
	list := make([]*T, len(values))
	for i := range values {
		list[i] = &values[i]
	}
	return list
}

package contact

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcontact "github.com/zeroten/zeroten/ent/contact"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
)

// MaxSearch is how many characters a text to search for has at most.
const MaxSearch = 200

// Visible says which of the contacts there are for a caller who is narrowed to a segment; those that there are not may
// be missing. A nil one is for all others: the database can tell what they are narrowed to.
type Visible func(ctx context.Context, contacts []uuid.UUID) (map[uuid.UUID]bool, error)

// only keeps those contacts that there are.
func (v Visible) only(ctx context.Context, contacts []*ent.Contact) ([]*ent.Contact, error) {
	if v == nil || len(contacts) == 0 {
		return contacts, nil
	}
	ids := make([]uuid.UUID, len(contacts))
	for i, c := range contacts {
		ids[i] = c.ID
	}
	visible, err := v(ctx, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(contacts, func(c *ent.Contact) bool { return !visible[c.ID] }), nil
}

// Find finds a contact of the caller's tenant by exactly one of the text of its id, its external id and its e-mail
// address; nil where there is none for the caller. The error is BAD_REQUEST where not exactly one is given, and for
// what can be no id.
func Find(ctx context.Context, db *store.DB, visible Visible, idText, externalID, email *string) (*ent.Contact, error) {
	given := 0
	for _, text := range []*string{idText, externalID, email} {
		if text != nil {
			given++
		}
	}
	q := db.Ent.Contact.Query()
	switch {
	case given != 1:
		return nil, apierror.BadRequest("Give exactly one of id, externalId and email, not %d.", given)
	case idText != nil:
		target, err := id.Contact.Parse(*idText)
		if err != nil {
			return nil, apierror.BadRequest("id: %v.", err)
		}
		q.Where(entcontact.ID(target))
	case externalID != nil:
		if utf8.RuneCountInString(*externalID) > MaxExternalID {
			return nil, apierror.BadRequest("externalId: at most %d characters.", MaxExternalID)
		}
		q.Where(entcontact.ExternalID(*externalID))
	default:
		q.Where(entcontact.EmailKey(EmailKey(*email)))
	}
	return only(ctx, q, visible)
}

// Among finds those of the contacts that there are for the caller.
func Among(ctx context.Context, db *store.DB, visible Visible, ids []uuid.UUID) ([]*ent.Contact, error) {
	found, err := db.Ent.Contact.Query().Where(func(s *sql.Selector) { s.Where(store.IDIn(s, ids)) }).All(ctx)
	if err == nil {
		found, err = visible.only(ctx, found)
	}
	if err != nil {
		return nil, fmt.Errorf("finding contacts: %w", err)
	}
	return found, nil
}

func only(ctx context.Context, q *ent.ContactQuery, visible Visible) (*ent.Contact, error) {
	c, err := q.Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding a contact: %w", err)
	}
	found, err := visible.only(ctx, []*ent.Contact{c})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return c, nil
}

// Filter narrows a list of contacts; what is nil does not.
type Filter struct {
	// Search is a text that name, e-mail address or external id holds, in capital letters or small.
	Search *string
	// Segment is the text of the id of a saved segment that they are in, by what is known about them now.
	Segment *string
}

// List pages through the contacts that there are for the caller, newest first. The error is NOT_FOUND where there is no
// such segment, and BAD_REQUEST where its dimensions are still being built, and for what cannot be meant.
func List(ctx context.Context, db *store.DB, states *cube.States, visible Visible, args page.Args, filter Filter, now time.Time) (*page.Connection[*ent.Contact], error) {
	s := selection{db: db, visible: visible}
	if filter.Search != nil && *filter.Search != "" {
		if utf8.RuneCountInString(*filter.Search) > MaxSearch {
			return nil, apierror.BadRequest("search: at most %d characters.", MaxSearch)
		}
		s.search(*filter.Search)
	}
	if filter.Segment != nil {
		if err := s.segment(ctx, states, *filter.Segment, now); err != nil {
			return nil, err
		}
	}
	list, err := page.Of(ctx, args, page.Order{List: "contacts", Desc: true},
		func(c *ent.Contact) page.Key { return page.Key{ID: c.ID} }, s.fetch, s.count)
	if err != nil {
		return nil, fmt.Errorf("listing contacts: %w", err)
	}
	return list, nil
}

// selection says which contacts a list has.
type selection struct {
	db *store.DB
	// where is for the database. It may let more pass than tests do.
	where   func(*sql.Selector)
	tests   []func(*ent.Contact) bool
	visible Visible
}

// sieves reports whether there is more to tell than the database can.
func (s *selection) sieves() bool { return s.tests != nil || s.visible != nil }

// search looks for a text. The databases know capitals of English letters alone, each in its own way; so other letters
// are looked at here.
func (s *selection) search(text string) {
	pattern := []byte{'%'}
	english, wild := true, true // wild: the pattern ends with a wildcard
	for _, r := range text {
		switch {
		case r > unicode.MaxASCII:
			if !wild {
				pattern = append(pattern, '%')
			}
			english, wild = false, true
			continue
		case r == '%' || r == '_' || r == '\\':
			pattern = append(pattern, '\\')
		}
		pattern, wild = append(pattern, byte(r)), false
	}
	pattern = append(pattern, '%')

	like := " LIKE "
	if s.db.Dialect == store.Postgres {
		like = " ILIKE "
	}
	s.where = func(sel *sql.Selector) {
		var columns []*sql.Predicate
		for _, column := range []string{entcontact.FieldName, entcontact.FieldEmail, entcontact.FieldExternalID} {
			columns = append(columns, sql.P(func(b *sql.Builder) {
				b.Ident(sel.C(column)).WriteString(like).Arg(string(pattern)).WriteString(` ESCAPE '\'`)
			}))
		}
		sel.Where(sql.Or(columns...))
	}
	if !english {
		folded := fold(text)
		s.tests = append(s.tests, func(c *ent.Contact) bool {
			for _, held := range []*string{c.Name, c.Email, c.ExternalID} {
				if held != nil && strings.Contains(fold(*held), folded) {
					return true
				}
			}
			return false
		})
	}
}

// fold makes texts equal that differ in capitals alone.
func fold(text string) string { return strings.ToLower(strings.ToUpper(text)) }

// segment looks for those who are in a saved segment, by the dimensions that answer just now.
func (s *selection) segment(ctx context.Context, states *cube.States, idText string, now time.Time) error {
	target, err := id.Segment.Parse(idText)
	if err != nil {
		return apierror.BadRequest("segment: %v.", err)
	}
	for {
		state, err := states.Get(ctx, auth.Tenant(ctx))
		if err != nil {
			return err
		}
		saved, ok := state.Segments[target]
		if only := auth.Narrowed(ctx).Segment; !ok || only != uuid.Nil && only != target {
			return apierror.New(apierror.NotFoundCode, "There is no segment %s.", idText)
		}
		matcher, err := state.Matcher(ctx, s.db, saved.Rule)
		if errors.Is(err, cube.ErrStale) {
			continue
		}
		if err != nil {
			return fmt.Errorf("segment %s: %w", idText, err)
		}
		today := state.Today(now)
		s.tests = append(s.tests, func(c *ent.Contact) bool {
			values := state.Active.Shape.Values(c.Traits, today)
			for i, value := range values {
				values[i] = state.Active.Profiles.Covers(i, value)
			}
			return matcher.Match(values)
		})
		return nil
	}
}

func (s *selection) query() *ent.ContactQuery {
	q := s.db.Ent.Contact.Query()
	if s.where != nil {
		q.Where(s.where)
	}
	return q
}

func (s *selection) holds(c *ent.Contact) bool {
	for _, test := range s.tests {
		if !test(c) {
			return false
		}
	}
	return true
}

func (s *selection) fetch(ctx context.Context, w page.Window) ([]*ent.Contact, error) {
	if !s.sieves() {
		var found []*ent.Contact
		err := s.searching(ctx, func() (err error) {
			found, err = s.query().Where(w.Apply).All(ctx)
			return err
		})
		return found, err
	}
	var after *uuid.UUID
	if k, ok := w.After(); ok {
		after = &k.ID
	}
	var found []*ent.Contact
	err := s.scan(ctx, s.query, w.Desc, after, func(c *ent.Contact) bool {
		found = append(found, c)
		return len(found) < w.Limit
	})
	return found, err
}

func (s *selection) count(ctx context.Context) (int, error) {
	n := 0
	if !s.sieves() {
		err := s.searching(ctx, func() (err error) {
			n, err = s.query().Count(ctx)
			return err
		})
		if err == nil {
			err = rate.Spend(ctx, n/rate.CountsPerPoint)
		}
		return n, err
	}
	tested := func() *ent.ContactQuery {
		q := s.query()
		q.Select(entcontact.FieldID, entcontact.FieldName, entcontact.FieldEmail, entcontact.FieldExternalID, entcontact.FieldTraits)
		return q
	}
	err := s.scan(ctx, tested, false, nil, func(*ent.Contact) bool { n++; return true })
	return n, err
}

// searching runs a statement: as a scan where the database looks for a text.
func (s *selection) searching(ctx context.Context, statement func() error) error {
	if s.where == nil {
		return statement()
	}
	if err := rate.SpendBlind(ctx); err != nil {
		return err
	}
	return s.db.Scan(ctx, statement)
}

// chunk is how many contacts are looked at in one go.
const chunk = 1_000

// scan calls f with those that pass all tests, by id, until f has enough.
func (s *selection) scan(ctx context.Context, query func() *ent.ContactQuery, desc bool, after *uuid.UUID, f func(*ent.Contact) bool) error {
	if err := rate.SpendBlind(ctx); err != nil {
		return err
	}
	for {
		q := query().Limit(chunk)
		if desc {
			q.Order(entcontact.ByID(sql.OrderDesc()))
		} else {
			q.Order(entcontact.ByID())
		}
		switch {
		case after == nil:
		case desc:
			q.Where(entcontact.IDLT(*after))
		default:
			q.Where(entcontact.IDGT(*after))
		}
		var rows []*ent.Contact
		run := s.db.Sift
		if s.where != nil {
			run = s.db.Scan
		}
		err := run(ctx, func() (err error) {
			rows, err = q.All(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if err := rate.SpendUnseen(ctx, len(rows)/rate.RowsPerPoint); err != nil {
			return err
		}
		last := len(rows) < chunk
		if !last {
			after = &rows[len(rows)-1].ID
		}
		rows = slices.DeleteFunc(rows, func(c *ent.Contact) bool { return !s.holds(c) })
		if rows, err = s.visible.only(ctx, rows); err != nil {
			return err
		}
		for _, c := range rows {
			if !f(c) {
				return nil
			}
		}
		if last {
			return nil
		}
	}
}

// Connection is a page of contacts, as the API has it.
type Connection = page.Connection[*ent.Contact]

// Edge is a row of such a page.
type Edge = page.Edge[*ent.Contact]

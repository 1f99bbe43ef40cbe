package contact

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcontact "github.com/zeroten/zeroten/ent/contact"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// MaxSearch is how many characters a text to search for has at most.
const MaxSearch = page.MaxSearch

// Visible says which of the contacts there are for a caller who is narrowed to a segment; those that there are not may
// be missing. A nil one is for all others: the database can tell what they are narrowed to.
type Visible func(ctx context.Context, contacts []uuid.UUID) (map[uuid.UUID]bool, error)

// Few gives the ids of all contacts that there are for a caller who is narrowed, newest first, unless they gave many
// responses. A nil one is for others.
type Few func(ctx context.Context) (ids []uuid.UUID, few bool, err error)

// Only keeps those contacts that there are.
func (v Visible) Only(ctx context.Context, contacts []*ent.Contact) ([]*ent.Contact, error) {
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
// address; nil where none is visible to the caller. The error is BAD_REQUEST where not exactly one is given, and for
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
		if fault := apierror.TooLongFor(MaxExternalID, *externalID); fault != "" {
			return nil, apierror.BadRequest("externalId: %s.", fault)
		}
		q.Where(entcontact.ExternalID(*externalID))
	default:
		q.Where(entcontact.EmailKey(EmailKey(*email)))
	}
	return only(ctx, q, visible)
}

func only(ctx context.Context, q *ent.ContactQuery, visible Visible) (*ent.Contact, error) {
	c, err := q.Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding a contact: %w", err)
	}
	found, err := visible.Only(ctx, []*ent.Contact{c})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return c, nil
}

// Filter says which contacts a list has, and in what order. What is nil does not narrow.
type Filter struct {
	// Search is a text that name, e-mail address or external id holds, in capital letters or small.
	Search *string
	// Segment is the text of the id of a saved segment that they are in, by what is known about them now.
	Segment *string
	// Answered keeps those who ever answered where it is true, and else those who never did.
	Answered *bool
	// OrderBy where nil is newest first.
	OrderBy *Order
	// Risks says how contacts are ranked, for the order by risk.
	Risks Risks
}

// List pages through the contacts that are visible to the caller. The error is NOT_FOUND where there is no
// such segment, FORBIDDEN for the order by risk where the caller is narrowed, and BAD_REQUEST where the segment's dimensions
// are still being built, and for what cannot be meant.
func List(
	ctx context.Context, db *store.DB, states *settings.States, visible Visible, few Few, args page.Args, filter Filter, now time.Time,
) (*page.Connection[*ent.Contact], error) {
	if filter.OrderBy.byRisk() && !auth.Narrowed(ctx).IsZero() {
		return nil, apierror.New(apierror.Forbidden, "How likely somebody is a detractor is learned from all the tenant's feedback: a narrowed token may not order by it.")
	}
	s := selection{db: db, visible: visible}
	if few != nil {
		var err error
		if s.answered, s.few, err = few(ctx); err != nil {
			return nil, fmt.Errorf("listing contacts: %w", err)
		}
		if s.few {
			s.visible = nil
		}
	}
	if filter.Search != nil && *filter.Search != "" {
		if fault := apierror.TooLongFor(MaxSearch, *filter.Search); fault != "" {
			return nil, apierror.BadRequest("search: %s.", fault)
		}
		s.search(*filter.Search)
	}
	if filter.Segment != nil {
		if err := s.segment(ctx, states, *filter.Segment, now); err != nil {
			return nil, err
		}
	}
	if filter.Answered != nil {
		s.gave(ctx, *filter.Answered)
	}
	key, fetch := filter.OrderBy.key, s.fetch
	switch {
	case filter.OrderBy.byName():
		inOrder := named{selection: s, by: filter.OrderBy}
		inOrder.named = true
		fetch = inOrder.fetch
	case filter.OrderBy.byRisk():
		inOrder := newRanking(s, filter.Risks)
		key, fetch = inOrder.key, inOrder.fetch
	}
	list, err := page.Of(ctx, args, filter.OrderBy.page(), key, fetch, s.count)
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
	traits  bool // that tests look at
	folds   bool // says that tests fold what they look at
	named   bool // says that all names are looked at, for their order
	visible Visible
	// walk, where not nil, gives the keys of the next in a window of another order than that of ids.
	walk func(ctx context.Context, w page.Window) ([]page.Key, error)
	// answered, where they are few, are the ids of all that there are, newest first.
	answered []uuid.UUID
	few      bool
}

// sieves reports whether there is more to tell than the database can.
func (s *selection) sieves() bool { return s.tests != nil || s.visible != nil || s.few }

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
	s.also(func(sel *sql.Selector) {
		var columns []*sql.Predicate
		for _, column := range []string{entcontact.FieldName, entcontact.FieldEmail, entcontact.FieldExternalID} {
			columns = append(columns, sql.P(func(b *sql.Builder) {
				b.Ident(sel.C(column)).WriteString(like).Arg(string(pattern)).WriteString(` ESCAPE '\'`)
			}))
		}
		sel.Where(sql.Or(columns...))
	})
	if !english {
		s.folds = true
		holds := page.Holding(text)
		s.tests = append(s.tests, func(c *ent.Contact) bool {
			for _, held := range []*string{c.Name, c.Email, c.ExternalID} {
				if held != nil && holds(*held) {
					return true
				}
			}
			return false
		})
	}
}

// also has the database look for something more.
func (s *selection) also(where func(*sql.Selector)) {
	before := s.where
	s.where = func(sel *sql.Selector) {
		if before != nil {
			before(sel)
		}
		where(sel)
	}
}

// gave looks for those who gave a response, or for those who gave none. For who is narrowed there is nobody else than who did.
func (s *selection) gave(ctx context.Context, ever bool) {
	if !auth.Narrowed(ctx).IsZero() {
		if !ever {
			s.visible, s.answered, s.few = nil, nil, true
		}
		return
	}
	s.also(func(sel *sql.Selector) {
		r := sql.Dialect(sel.Dialect()).Table("responses").As("given")
		given := sql.Exists
		if !ever {
			given = sql.NotExists
		}
		sel.Where(given(sql.Dialect(sel.Dialect()).Select(r.C("id")).From(r).Where(sql.And(
			sql.ColumnsEQ(r.C("tenant_id"), sel.C("tenant_id")), sql.ColumnsEQ(r.C("contact_id"), sel.C("id"))))))
	})
}

// segment looks for those who are in a saved segment.
func (s *selection) segment(ctx context.Context, states *settings.States, idText string, now time.Time) error {
	in, err := InSegment(ctx, states, idText, now)
	if err != nil {
		return err
	}
	s.traits = true
	s.tests = append(s.tests, func(c *ent.Contact) bool { return in(c.Traits) })
	return nil
}

// InSegment gives what tells whether somebody is in a saved segment of the caller's tenant, by the traits that are known of them now and
// the dimensions that answer just now. The error is as that of List.
func InSegment(ctx context.Context, states *settings.States, idText string, now time.Time) (func(trait.Values) bool, error) {
	target, err := id.Segment.Parse(idText)
	if err != nil {
		return nil, apierror.BadRequest("segment: %v.", err)
	}
	state, err := states.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	saved, ok := state.Segments[target]
	narrowing := auth.Narrowed(ctx)
	if only := narrowing.Segment; !ok || only != uuid.Nil && only != target {
		return nil, apierror.New(apierror.NotFoundCode, "There is no segment %s.", idText)
	}
	matcher, err := state.Matcher(narrowing, saved.Rule, "segment "+saved.Name)
	if err != nil {
		return nil, fmt.Errorf("making segment %s ready: %w", idText, err)
	}
	today := state.Today(now)
	return func(known trait.Values) bool {
		values := state.Active.Shape.Values(known, today)
		for i, value := range values {
			values[i] = state.Active.Profiles.Covers(i, value)
		}
		return matcher.Match(values)
	}, nil
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
	var found []*ent.Contact
	if s.few {
		ctx = rate.Seeing(ctx)
	}
	if !s.sieves() {
		err := s.searching(ctx, w, func(ctx context.Context, part page.Window) (bool, error) {
			part.Limit = w.Limit - len(found)
			rows, err := s.query().Where(part.Apply).All(ctx)
			found = append(found, rows...)
			return len(found) < w.Limit, err
		})
		if err == nil && !auth.Narrowed(ctx).IsZero() {
			err = rate.SpendBlind(ctx, rate.BlindRowPrice*len(found))
		}
		return found, err
	}
	err := s.scan(ctx, w, func(c *ent.Contact) bool {
		found = append(found, c)
		return len(found) < w.Limit
	})
	if err != nil || len(found) == 0 {
		return found, err
	}
	if err := rate.SpendBlind(ctx, rate.BlindRowPrice*len(found)); err != nil {
		return nil, err
	}
	rows, err := s.whole(ctx, found)
	if missing := w.Limit - len(rows); err == nil && missing > 0 && len(found) == w.Limit {
		// Some are gone meanwhile; a page that is not full is the last.
		w = w.Beyond(page.Key{ID: found[len(found)-1].ID})
		w.Limit = missing
		more, err := s.fetch(ctx, w)
		return append(rows, more...), err
	}
	return rows, err
}

// whole reads all of those contacts of which only some was read, in their order.
func (s *selection) whole(ctx context.Context, some []*ent.Contact) ([]*ent.Contact, error) {
	ids := make([]uuid.UUID, len(some))
	for i, c := range some {
		ids[i] = c.ID
	}
	rows, err := s.db.Ent.Contact.Query().Where(func(s *sql.Selector) { s.Where(store.IDIn(s, ids)) }).All(ctx)
	if err != nil {
		return nil, err
	}
	return page.Whole(ids, rows, func(c *ent.Contact) uuid.UUID { return c.ID }), nil
}

func (s *selection) count(ctx context.Context) (int, error) {
	n := 0
	if s.few {
		ctx = rate.Seeing(ctx)
		if s.where == nil && s.tests == nil {
			return len(s.answered), nil
		}
	}
	if s.sieves() {
		if s.visible != nil && s.where == nil && s.tests == nil {
			// All have to be gone through.
			if err := rate.SpendBlind(ctx, rate.BlindSearchPrice-rate.BlindPrice); err != nil {
				return 0, err
			}
		}
		var broke error
		err := s.scan(ctx, page.Window{}, func(*ent.Contact) bool {
			if n++; n%rate.BlindCountsPerPoint == 0 {
				broke = rate.SpendBlind(ctx, 1)
			}
			return broke == nil
		})
		if err == nil {
			err = broke
		}
		return n, err
	}
	if s.where == nil {
		if !auth.Narrowed(ctx).IsZero() {
			if err := rate.SpendBlind(ctx, rate.BlindSearchPrice); err != nil {
				return 0, err
			}
		}
		// As many as cost something are counted and paid for at a time, and so is it refused in time.
		for at := (page.Window{}); ; {
			last, err := s.nth(ctx, at, counted)
			if err != nil {
				return 0, err
			}
			if last == nil {
				rest, err := s.query().Where(at.Bounds).Count(ctx)
				return n + rest, err
			}
			n, at = n+counted, at.Beyond(*last)
			if err := rate.Spend(ctx, counted/rate.CountsPerPoint); err != nil {
				return 0, err
			}
		}
	}
	err := s.searching(ctx, page.Window{}, func(ctx context.Context, w page.Window) (bool, error) {
		some, err := s.query().Where(w.Bounds).Count(ctx)
		n += some
		return true, err
	})
	return n, err
}

// counted is how many contacts are counted in one go.
const counted = 10 * rate.CountsPerPoint

// nth is the key of the n-th contact of a window, whatever is looked for; nil where there are fewer.
func (s *selection) nth(ctx context.Context, w page.Window, n int) (*page.Key, error) {
	ids, err := s.db.Ent.Contact.Query().Where(w.Apply).Offset(n - 1).Limit(1).IDs(ctx)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return &page.Key{ID: ids[0]}, nil
}

// searching goes through a window: in portions where the database looks for a text.
func (s *selection) searching(ctx context.Context, w page.Window, read func(context.Context, page.Window) (bool, error)) error {
	if s.where == nil {
		_, err := read(ctx, w)
		return err
	}
	if err := rate.SpendBlind(ctx, rate.BlindSearchPrice); err != nil {
		return err
	}
	return s.portions(ctx, w, func(ctx context.Context, w page.Window) (more bool, err error) {
		err = s.db.Sift(ctx, func() error {
			more, err = read(ctx, w)
			return err
		})
		return more, err
	})
}

func (s *selection) portions(ctx context.Context, w page.Window, read func(context.Context, page.Window) (bool, error)) error {
	end := func(ctx context.Context, w page.Window, n int) (last *page.Key, err error) {
		err = s.db.Sift(ctx, func() error {
			last, err = s.nth(ctx, w, n)
			return err
		})
		return last, err
	}
	weigh := func(ctx context.Context, w page.Window) (rows int, err error) {
		err = s.db.Sift(ctx, func() error {
			rows, err = s.db.Ent.Contact.Query().Where(w.Bounds).Count(ctx)
			return err
		})
		return rows, err
	}
	return page.Portions(ctx, w, end, weigh, read)
}

// sifted is how many contacts are read at once that are looked at one by one: they may be long, and few of them wanted.
const sifted = 500

// scan calls f with those that pass all tests, in the window's order, until f has enough. They have what the tests need,
// and no more.
func (s *selection) scan(ctx context.Context, w page.Window, f func(*ent.Contact) bool) error {
	price := rate.BlindPrice
	if s.where != nil || s.tests != nil || s.named {
		price = rate.BlindSearchPrice
	}
	if err := rate.SpendBlind(ctx, price); err != nil {
		return err
	}
	read := func(ctx context.Context, w page.Window) (bool, error) { return s.sift(ctx, w, f) }
	if s.where != nil && !s.few && s.walk == nil {
		return s.portions(ctx, w, read)
	}
	_, err := read(ctx, w)
	return err
}

// sift is scan for a part of the window, and says whether f wants more.
func (s *selection) sift(ctx context.Context, w page.Window, f func(*ent.Contact) bool) (more bool, err error) {
	columns := []string{entcontact.FieldID}
	if s.tests != nil {
		columns = append(columns, entcontact.FieldName, entcontact.FieldEmail, entcontact.FieldExternalID)
	}
	if s.traits {
		columns = append(columns, entcontact.FieldTraits)
	}
	perPoint := rate.RowsPerPoint
	if s.tests == nil {
		perPoint = rate.SearchedPerPoint // no more than the id is looked at, or a name
		if s.named {
			columns = append(columns, entcontact.FieldName)
		}
	}
	w.Limit = sifted
	unpaid := 0 // bytes of what is folded
	for {
		rows, last, err := s.chunk(ctx, &w, columns)
		if err != nil {
			return false, err
		}
		for _, c := range rows {
			unpaid += s.folded(c)
		}
		if err := rate.SpendUnseen(ctx, len(rows)/perPoint+unpaid/rate.FoldedBytesPerPoint); err != nil {
			return false, err
		}
		unpaid %= rate.FoldedBytesPerPoint
		rows = slices.DeleteFunc(rows, func(c *ent.Contact) bool { return !s.holds(c) })
		if rows, err = s.visible.Only(ctx, rows); err != nil {
			return false, err
		}
		for _, c := range rows {
			if !f(c) {
				return false, nil
			}
		}
		if last {
			return true, nil
		}
	}
}

// folded is how many bytes of the contact are paid for that are folded, to look for a text in them or for the order of names.
func (s *selection) folded(c *ent.Contact) int {
	bytes := 0
	if s.named && c.Name != nil {
		bytes += page.FoldedBytes(*c.Name)
	}
	if s.folds {
		for _, held := range []*string{c.Name, c.Email, c.ExternalID} {
			if held != nil {
				bytes += page.FoldedBytes(*held)
			}
		}
	}
	return bytes
}

// chunk reads the next of a window, which goes on after them; last says that there are no more.
func (s *selection) chunk(ctx context.Context, w *page.Window, columns []string) (rows []*ent.Contact, last bool, err error) {
	if s.walk != nil {
		return s.walked(ctx, w, columns)
	}
	q := s.query().Where(w.Apply)
	ids := s.next(*w)
	if s.few {
		q = s.query().Where(func(s *sql.Selector) { s.Where(store.IDIn(s, ids)) })
	}
	err = s.db.Sift(ctx, func() error {
		rows, err = q.Select(columns...).All(ctx)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	n, end := len(rows), func() uuid.UUID { return rows[len(rows)-1].ID }
	if s.few {
		rows = page.Whole(ids, rows, func(c *ent.Contact) uuid.UUID { return c.ID })
		n, end = len(ids), func() uuid.UUID { return ids[len(ids)-1] }
	}
	if last = n < w.Limit; !last {
		*w = w.Beyond(page.Key{ID: end()})
	}
	return rows, last, nil
}

// next are the ids of a window, where they are few.
func (s *selection) next(w page.Window) []uuid.UUID {
	ids := slices.DeleteFunc(slices.Clone(s.answered), func(id uuid.UUID) bool { return !w.Has(page.Key{ID: id}) })
	if !w.Desc {
		slices.Reverse(ids)
	}
	return ids[:min(len(ids), w.Limit)]
}

// Connection is a page of contacts, as the API has it.
type Connection = page.Connection[*ent.Contact]

// Edge is a row of such a page.
type Edge = page.Edge[*ent.Contact]

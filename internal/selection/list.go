package selection

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
)

// OrderField is what a list of responses can be ordered by.
type OrderField string

// The order fields of the schema.
const (
	ByRespondedAt OrderField = "RESPONDED_AT"
	ByScore       OrderField = "SCORE"
)

// Direction of an order.
type Direction = page.Direction

// The directions of the schema.
const (
	Ascending  = page.Ascending
	Descending = page.Descending
)

// Order of a list of responses. The zero value is newest first.
type Order struct {
	Field     OrderField
	Direction Direction
}

func (o *Order) page() page.Order {
	p := page.Order{List: "responses", Column: response.FieldRespondedAt, Desc: true, Accepts: func(v any) bool {
		_, ok := v.(time.Time)
		return ok
	}}
	if o != nil {
		p.Desc = o.Direction != Ascending
		if o.Field == ByScore {
			p.Column, p.Accepts = response.FieldScore, func(v any) bool {
				score, ok := v.(int64)
				return ok && score >= 0 && score <= nps.MaxScore
			}
		}
	}
	return p
}

func (o *Order) key(r *ent.Response) page.Key {
	if o != nil && o.Field == ByScore {
		return page.Key{Value: r.Score, ID: r.ID}
	}
	return page.Key{Value: r.RespondedAt, ID: r.ID}
}

// List lists the caller's tenant's responses, as far as they are visible to the caller. What the database cannot tell,
// whether a response is in a segment and what words it holds, is found by reading on; for segments, only on the days that the cube has them on.
func List(ctx context.Context, db *store.DB, states *settings.States, f Filter, within Within, args page.Args, order *Order, now time.Time) (*Connection, error) {
	sel := &Selection{From: cube.Earliest, To: cube.Latest}
	var state *settings.State
	if !reflect.DeepEqual(f, Filter{}) || within != (Within{}) || !auth.Narrowed(ctx).IsZero() {
		// What isn't narrowed needs no state, and so no statement of its own.
		var err error
		if state, err = states.Of(ctx, db, auth.Tenant(ctx)); err != nil {
			return nil, err
		}
		if sel, err = f.Select(ctx, state, within, now); err != nil {
			return nil, err
		}
		f.Warn(ctx, sel)
	}
	var l listed
	fetch := func(ctx context.Context, w page.Window) (rows []*ent.Response, err error) {
		l, err = sel.list(ctx, db, uuid.Nil, order, w)
		return l.rows, err
	}
	key := func(r *ent.Response) page.Key { return l.key(order, r) }
	count := func(ctx context.Context) (n int, err error) {
		if l.total != nil {
			return *l.total, nil
		}
		counted := func(s *settings.State) error {
			sel := sel
			if s != state {
				if sel, err = f.Select(ctx, s, within, now); err != nil {
					return err
				}
			}
			n, err = sel.count(ctx, db)
			return err
		}
		known := state
		if known == nil {
			if known, err = states.Of(ctx, db, auth.Tenant(ctx)); err != nil {
				return 0, err
			}
		}
		err = states.Retry(ctx, known, counted)
		return n, err
	}
	rows, err := page.Of(ctx, args, order.page(), key, fetch, count)
	return &Connection{Connection: rows}, err
}

// paying is the context for looking at rows one by one. Only who is narrowed to a segment does not know of some of them: what
// campaigns a token has is told by an index.
func (sel *Selection) paying(ctx context.Context) context.Context {
	if auth.Narrowed(ctx).Segment != uuid.Nil {
		return ctx
	}
	return rate.Seeing(ctx)
}

// of queries what one contact gave; all, where it is uuid.Nil.
func (sel *Selection) of(db *store.DB, contact uuid.UUID) *ent.ResponseQuery {
	q := db.Ent.Response.Query()
	if contact == uuid.Nil {
		return q
	}
	if q.Where(response.ContactID(contact)); !sel.narrowing.IsZero() {
		q.Where(response.Unverified(false))
	}
	return q
}

// listed is a part of a list.
type listed struct {
	rows []*ent.Response
	// places are where they were found, if not where they are: a score may have changed since.
	places map[uuid.UUID]page.Key
	// total is how many there are in all, where that was seen meanwhile.
	total *int
}

// key is the place of one of the rows. A cursor of where it is now would leave out what lies between.
func (l *listed) key(order *Order, r *ent.Response) page.Key {
	if k, ok := l.places[r.ID]; ok {
		return k
	}
	return order.key(r)
}

// list lists the part of the selection in a window, or of what one contact gave.
func (sel *Selection) list(ctx context.Context, db *store.DB, contact uuid.UUID, order *Order, w page.Window) (listed, error) {
	if sel.empty() {
		return listed{total: new(0)}, nil
	}
	if part, ok, exact := sel.exact(contact, w, order); exact {
		if !ok {
			return listed{}, nil
		}
		q := sel.of(db, contact)
		if sel.Campaigns != nil {
			q.Where(response.CampaignID(sel.Campaigns[0]))
		}
		rows, err := q.Where(part.Endless().Apply).All(ctx)
		if err != nil {
			return listed{}, fmt.Errorf("listing responses: %w", err)
		}
		if end := slices.IndexFunc(rows, func(r *ent.Response) bool { return part.Past(order.key(r)) }); end >= 0 {
			rows = rows[:end]
		}
		return listed{rows: rows}, nil
	}
	k := newWalk(sel, db, contact, order)
	found, err := k.find(ctx, w)
	if err != nil {
		return listed{}, err
	}
	l := listed{places: make(map[uuid.UUID]page.Key, len(found))}
	if _, later := w.After(); k.ended && !later {
		l.total = &k.total
	}
	if len(found) == 0 {
		return l, nil
	}
	ids := make([]uuid.UUID, len(found))
	for i, r := range found {
		ids[i] = r.id
		l.places[r.id] = r.key(order.page())
	}
	rows, err := db.Ent.Response.Query().Where(func(s *sql.Selector) { s.Where(store.IDIn(s, ids)) }).All(ctx)
	if err != nil {
		return listed{}, fmt.Errorf("reading responses: %w", err)
	}
	if len(rows) < len(found) { // some are gone meanwhile
		l.total = nil
	}
	l.rows = page.Whole(ids, rows, func(r *ent.Response) uuid.UUID { return r.ID })
	if missing := w.Limit - len(l.rows); missing > 0 && len(found) == w.Limit {
		// A page that is not full is the last.
		w = w.Beyond(found[len(found)-1].key(order.page()))
		w.Limit = missing
		rest, err := sel.list(ctx, db, contact, order, w)
		if err != nil {
			return listed{}, err
		}
		l.rows, l.total = append(l.rows, rest.rows...), nil
		maps.Copy(l.places, rest.places)
	}
	return l, nil
}

// exact reports whether the selection is one range of an index, in the window's order, and which part of it is in the
// window; ok is false where that is nothing.
func (sel *Selection) exact(contact uuid.UUID, w page.Window, order *Order) (part page.Window, ok, exact bool) {
	if sel.sieves() || sel.unindexed() {
		return w, false, false
	}
	if order.page().Column == response.FieldScore {
		least, most := sel.extremes()
		if sel.Campaigns != nil || sel.From != cube.Earliest || sel.To != cube.Latest || contact != uuid.Nil || most-least+1 != len(sel.Scores) && sel.Scores != nil {
			return w, false, false
		}
		part, ok = w.Between(least, most+1)
		return part, ok, true
	}
	if sel.Scores != nil || len(sel.Campaigns) > 1 || contact != uuid.Nil && sel.Campaigns != nil {
		return w, false, false
	}
	from, until, whole := sel.instants(sel.From, sel.To)
	part, ok = w.Between(from, until)
	return part, ok, whole
}

// empty reports whether it asks for none of something, so that there is nothing in it.
func (sel *Selection) empty() bool {
	return sel.Campaigns != nil && len(sel.Campaigns) == 0 || sel.Scores != nil && len(sel.Scores) == 0 ||
		sel.channels != nil && len(sel.channels) == 0 || sel.variants != nil && len(sel.variants) == 0
}

// extremes are the least and the greatest of the selection's scores, of which there is one.
func (sel *Selection) extremes() (least, most int) {
	if sel.Scores == nil {
		return 0, nps.MaxScore
	}
	return sel.Scores[0], sel.Scores[len(sel.Scores)-1]
}

// unindexed reports whether the database has to look at responses one by one to tell which are in the selection.
func (sel *Selection) unindexed() bool {
	return len(sel.terms) > 0 || sel.hasComment != nil || sel.variants != nil || sel.channels != nil
}

// instants are the first of the days, and the first after them; nil where there is none. whole says that all between are of
// these days: they are not where clocks were set back over midnight.
func (sel *Selection) instants(first, last calendar.Day) (from, until any, whole bool) {
	whole = true
	// Beyond the calendar's ends there is nothing to compare with: what lies there counts on its first or its last day.
	if first > calendar.MinDay {
		zone := sel.state.Active.Zone()
		from = first.Start(zone).UTC()
		if _, twice := beginsTwice(first, zone); twice {
			whole = false
		}
	}
	if last < calendar.MaxDay {
		zone := sel.state.Active.Zone()
		until = (last + 1).Start(zone).UTC()
		if again, twice := beginsTwice(last+1, zone); twice {
			until, whole = again, false
		}
	}
	return from, until, whole
}

// beginsTwice reports whether clocks were set back over the day's midnight, as in St John's until 2011, to show the day
// before once more; the day begins again then.
func beginsTwice(d calendar.Day, zone *time.Location) (again time.Time, ok bool) {
	_, back := d.Start(zone).ZoneBounds()
	if back.IsZero() || calendar.DayOf(back, zone) >= d {
		return again, false
	}
	y, m, day := d.Date()
	_, offset := back.Zone()
	return time.Date(y, m, day, 0, 0, -offset, 0, time.UTC), true
}

// count counts the selection: by the cube where it can tell, whatever the number.
func (sel *Selection) count(ctx context.Context, db *store.DB) (int, error) {
	if !sel.NarrowsComments {
		q, err := sel.Query(ctx)
		if err != nil {
			return 0, err
		}
		joint := sel.groupsByCampaign()
		q.ByCampaign, q.ByProfile = joint, joint
		cells, err := cube.Read(ctx, db, &sel.state.Generations, q)
		if err != nil {
			return 0, err
		}
		var n int64
		for i := range int32(cells.Len()) {
			if !joint || sel.groupsCount(cells.Campaign(i), cells.Profile(i)) {
				n += cells.Count(i)
			}
		}
		return int(n), nil
	}
	return newWalk(sel, db, uuid.Nil, nil).count(ctx)
}

// Connection is a page of responses, as the API has it.
type Connection struct {
	*page.Connection[*ent.Response]

	// position is where the log stood when the page was read; nil where it was not asked for.
	position *int64
}

// At reads a page by read, of one moment, and with it where the log stands then: what is told after that is not on the page
// yet, as it will be, and everything else is. The total is of that moment too: it is known afterwards where counted says that
// it will be asked for.
func At(ctx context.Context, db *store.DB, counted bool, read func(then *store.DB) (*Connection, error)) (c *Connection, err error) {
	err = db.At(ctx, func(then *store.DB) error {
		marks, err := then.Marks(ctx, []uuid.UUID{auth.Tenant(ctx)}) // before all else: the moment begins with it
		if err != nil {
			return err
		}
		if c, err = read(then); err != nil {
			return err
		}
		c.position = new(marks[auth.Tenant(ctx)].Position)
		if counted {
			_, _ = c.TotalCount(ctx) // what it gives, or an error, is there for whoever asks
		}
		return nil
	})
	return c, err
}

// EventCursor is where the log stood when the page was read, for the context's caller. The page must come from At.
func (c *Connection) EventCursor(ctx context.Context) (string, error) {
	if c.position == nil {
		return "", errors.New("selection: nobody asked where the log stands when the page was read")
	}
	caller, _ := auth.From(ctx)
	return feedback.FormatMoment(*c.position, caller.Mask), nil
}

// Edge is a row of such a page.
type Edge = page.Edge[*ent.Response]

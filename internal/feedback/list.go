package feedback

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/predicate"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// OrderField is what a list of responses can be ordered by.
type OrderField string

// The order fields of the schema.
const (
	ByRespondedAt OrderField = "RESPONDED_AT"
	ByScore       OrderField = "SCORE"
)

// Direction of an order.
type Direction string

// The directions of the schema.
const (
	Ascending  Direction = "ASC"
	Descending Direction = "DESC"
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

// List lists the caller's tenant's responses, as far as they exist for the caller. What the database cannot tell, whether a response is in a segment and
// what words it holds, is found by reading on; for segments, only on the days that the cube has them on.
func List(ctx context.Context, db *store.DB, states *cube.States, f Filter, within Within, args page.Args, order *Order, now time.Time) (*page.Connection[*ent.Response], error) {
	sel := &Selection{From: cube.Earliest, To: cube.Latest}
	if !reflect.DeepEqual(f, Filter{}) || within != (Within{}) || !auth.Narrowed(ctx).IsZero() {
		// What isn't narrowed needs no state, and so no statement of its own.
		s, err := states.Get(ctx, auth.Tenant(ctx))
		if err != nil {
			return nil, err
		}
		if sel, err = f.Select(ctx, s, within, now); err != nil {
			return nil, err
		}
		f.Warn(ctx, sel)
	}
	sifted := func(ctx context.Context, w page.Window) ([]*ent.Response, error) {
		return sel.fetch(sel.paying(ctx), db, w, order.key, nil)
	}
	if sel.looks() {
		sifted = func(ctx context.Context, w page.Window) ([]*ent.Response, error) {
			found, err := sel.sift(sel.paying(ctx), db, w, order)
			if err != nil {
				return nil, err
			}
			return whole(ctx, db, found)
		}
	}
	count := func(ctx context.Context) (n int, err error) {
		err = states.Try(ctx, auth.Tenant(ctx), func(s *cube.State) error {
			sel, err := f.Select(ctx, s, within, now)
			if err != nil {
				return err
			}
			n, err = sel.count(ctx, db)
			return err
		})
		return n, err
	}
	return page.Of(ctx, args, order.page(), order.key, sifted, count)
}

// paying is the context for looking at rows one by one. Only who is narrowed to a segment does not know of some of them: what
// campaigns a token has is told by an index.
func (sel *Selection) paying(ctx context.Context) context.Context {
	if auth.Narrowed(ctx).Segment != uuid.Nil {
		return ctx
	}
	return rate.Seeing(ctx)
}

// payBlind pays for going through the selection, where how much there is to go through must not be learned.
func (sel *Selection) payBlind(ctx context.Context) error {
	if sel.unindexed() {
		return rate.SpendBlind(ctx, rate.BlindSearchPrice)
	}
	return rate.SpendBlind(ctx, rate.BlindPrice)
}

// sift finds a window of responses of which more has to be told than the database can.
func (sel *Selection) sift(ctx context.Context, db *store.DB, w page.Window, order *Order) (found []*ent.Response, err error) {
	if err := sel.payBlind(ctx); err != nil {
		return nil, err
	}
	days, err := sel.days(ctx, db, w.Desc)
	if err != nil {
		return nil, err
	}
	switch {
	case !sel.sieves():
		found, err = sel.fetch(ctx, db, w, order.key, nil)
	case days == nil || order.page().Column != response.FieldRespondedAt:
		found, err = page.Sift(ctx, w, order.key, func(ctx context.Context, w page.Window) ([]*ent.Response, error) {
			return sel.fetch(ctx, db, w, order.key, nil)
		}, sel.matchesProfile)
	default:
		found, err = sel.siftDays(ctx, db, w, days, order.key, sel.matchesProfile)
	}
	if err != nil {
		return nil, err
	}
	return found, rate.SpendBlind(ctx, rate.BlindRowPrice*len(found))
}

// looks reports whether there is more to tell of a response than the database can.
func (sel *Selection) looks() bool { return sel.sieves() || len(sel.terms) > 0 }

// unindexed reports whether the database has to look at responses one by one to tell which are in the selection.
func (sel *Selection) unindexed() bool {
	return len(sel.terms) > 0 || sel.hasComment != nil || sel.variants != nil || sel.channels != nil
}

// query selects responses: where more has to be told of them than the database can, what it is told by, and not the rest,
// which may be long.
func (sel *Selection) query(db *store.DB, where []predicate.Response) *ent.ResponseQuery {
	q := db.Ent.Response.Query().Where(where...)
	if sel.looks() {
		columns := []string{response.FieldID, response.FieldScore, response.FieldRespondedAt, response.FieldVariant, response.FieldChannel}
		if sel.sieves() {
			columns = append(columns, response.FieldTraits)
		}
		if len(sel.terms) > 0 {
			columns = append(columns, response.FieldComment)
		}
		q.Select(columns...)
	}
	return q
}

// whole reads all of those responses of which only some was read, in their order.
func whole(ctx context.Context, db *store.DB, some []*ent.Response) ([]*ent.Response, error) {
	if len(some) == 0 {
		return some, nil
	}
	ids := make([]uuid.UUID, len(some))
	for i, r := range some {
		ids[i] = r.ID
	}
	rows, err := db.Ent.Response.Query().Where(func(s *sql.Selector) { s.Where(store.IDIn(s, ids)) }).All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading responses: %w", err)
	}
	return page.Whole(some, rows, func(r *ent.Response) uuid.UUID { return r.ID }), nil
}

// fetch reads a window of the selection as far as it is told without the profile; where rows have to be looked at one by one,
// in portions.
func (sel *Selection) fetch(ctx context.Context, db *store.DB, w page.Window, key func(*ent.Response) page.Key, besides []predicate.Response) ([]*ent.Response, error) {
	var found []*ent.Response
	read := func(ctx context.Context, part page.Window) (more bool, err error) {
		for part.Limit = w.Limit - len(found); part.Limit > 0; part.Limit = w.Limit - len(found) {
			rows, err := sel.read(ctx, db, part, besides)
			if err != nil {
				return false, err
			}
			for _, r := range rows {
				if sel.matchesTerms(r) {
					found = append(found, r)
				}
			}
			if len(rows) < part.Limit {
				return true, nil
			}
			part = part.Beyond(key(rows[len(rows)-1]))
		}
		return false, nil
	}
	var err error
	if sel.unindexed() {
		err = sel.portions(ctx, db, w, key, besides, read)
	} else {
		_, err = read(ctx, w)
	}
	if err != nil {
		return nil, fmt.Errorf("listing responses: %w", err)
	}
	return found, nil
}

// read reads a window of what the database can tell of the selection.
func (sel *Selection) read(ctx context.Context, db *store.DB, w page.Window, besides []predicate.Response) (rows []*ent.Response, err error) {
	run := func() error {
		where, window := slices.Concat(sel.predicates(), besides), w.Apply
		if len(sel.terms) > 0 && db.Dialect == store.SQLite {
			ids, err := sel.search(ctx, db, w, besides)
			if err != nil || len(ids) == 0 {
				return err
			}
			where = []predicate.Response{func(s *sql.Selector) { s.Where(store.IDIn(s, ids)) }}
		}
		rows, err = sel.query(db, where).Where(window).All(ctx)
		return err
	}
	if !sel.unindexed() && !sel.sieves() {
		return rows, run()
	}
	err = db.Sift(ctx, run)
	return rows, err
}

// search finds those of a window whose comments hold the terms, for SQLite: it would take longer to look for them itself
// than to give the comments, and what they weigh it would have to read them for as well.
func (sel *Selection) search(ctx context.Context, db *store.DB, w page.Window, besides []predicate.Response) (ids []uuid.UUID, err error) {
	limit := w.Limit
	w.Limit = math.MaxInt32
	s := sql.Dialect(db.Dialect).Select(response.FieldID, response.FieldComment).From(sql.Table(response.Table))
	s.Where(sql.EQ(s.C(response.FieldTenantID), auth.Tenant(ctx)))
	for _, p := range slices.Concat(sel.told(), besides, []predicate.Response{response.CommentNotNil(), w.Apply}) {
		p(s)
	}
	query, args := s.Query()
	rows, err := db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	looks := make([]looksFor, 0, len(sel.terms))
	for _, term := range sel.terms {
		for _, hint := range hints(term) {
			looks = append(looks, looksFor(hint))
		}
	}
	var id, comment stdsql.RawBytes
	for unpaid := 0; rows.Next(); {
		if err := rows.Scan(&id, &comment); err != nil {
			return nil, err
		}
		if unpaid += len(comment); unpaid >= rate.SearchedBytesPerPoint {
			if err := rate.SpendUnseen(ctx, unpaid/rate.SearchedBytesPerPoint); err != nil {
				return nil, err
			}
			unpaid %= rate.SearchedBytesPerPoint
		}
		if slices.ContainsFunc(looks, func(l looksFor) bool { return !l.in(comment) }) || !sel.holdsTerms(string(comment)) {
			continue
		}
		found, err := uuid.ParseBytes(id)
		if err != nil {
			return nil, err
		}
		if ids = append(ids, found); len(ids) == limit {
			break
		}
	}
	return ids, rows.Err()
}

// portions goes through all that an index finds of the selection.
func (sel *Selection) portions(
	ctx context.Context, db *store.DB, w page.Window, key func(*ent.Response) page.Key, besides []predicate.Response,
	read func(context.Context, page.Window) (bool, error),
) error {
	where := slices.Concat(sel.indexed(), besides)
	end := func(ctx context.Context, w page.Window, n int) (last *page.Key, err error) {
		err = db.Sift(ctx, func() error {
			rows, err := db.Ent.Response.Query().Where(where...).Where(w.Apply).Offset(n-1).Limit(1).
				Select(response.FieldID, response.FieldScore, response.FieldRespondedAt).All(ctx)
			if len(rows) > 0 {
				last = new(key(rows[0]))
			}
			return err
		})
		return last, err
	}
	weigh := func(ctx context.Context, w page.Window) (rows, bytes int, err error) {
		err = db.Sift(ctx, func() error {
			q := db.Ent.Response.Query().Where(where...).Where(w.Bounds)
			if len(sel.terms) == 0 || db.Dialect == store.SQLite { // see search
				rows, err = q.Count(ctx)
				return err
			}
			var sums []struct{ Responses, Bytes int }
			err := q.Aggregate(
				func(*sql.Selector) string { return "count(*) AS responses" },
				func(s *sql.Selector) string {
					return "coalesce(sum(octet_length(" + s.C(response.FieldComment) + ")), 0) AS bytes"
				},
			).Scan(ctx, &sums)
			for _, sum := range sums {
				rows, bytes = sum.Responses, sum.Bytes
			}
			return err
		})
		return rows, bytes, err
	}
	return page.Portions(ctx, w, end, weigh, read)
}

// indexed are the parts of the filter that an index finds.
func (sel *Selection) indexed() []predicate.Response {
	var where []predicate.Response
	if sel.Campaigns != nil {
		where = append(where, response.CampaignIDIn(sel.Campaigns...))
	}
	if sel.Categories != nil {
		where = append(where, response.ScoreIn(sel.scores()...))
	}
	return append(where, sel.between(sel.From, sel.To)...)
}

// predicates are the parts of the filter that the database can tell.
func (sel *Selection) predicates() []predicate.Response {
	where := sel.told()
	for _, term := range sel.terms {
		for _, hint := range hints(term) {
			where = append(where, response.CommentContainsFold(hint)) // matchesTerms decides
		}
	}
	return where
}

// told are the parts of the filter that the database can tell, besides what comments hold.
func (sel *Selection) told() []predicate.Response {
	where := sel.indexed()
	if sel.channels != nil {
		channels := make([]response.Channel, len(sel.channels))
		for i, c := range sel.channels {
			channels[i] = response.Channel(c)
		}
		where = append(where, response.ChannelIn(channels...))
	}
	if sel.variants != nil && !slices.Contains(sel.variants, trait.Other) {
		variant := response.VariantIn(sel.variants...)
		if slices.Contains(sel.variants, trait.None) {
			variant = response.Or(variant, response.VariantIsNil())
		}
		where = append(where, variant)
	}
	if sel.hasComment != nil {
		if *sel.hasComment {
			where = append(where, response.CommentNotNil())
		} else {
			where = append(where, response.CommentIsNil())
		}
	}
	return where
}

// between is the predicate of some days.
func (sel *Selection) between(from, to calendar.Day) []predicate.Response {
	var where []predicate.Response
	if from == cube.Earliest && to == cube.Latest {
		return nil
	}
	zone := sel.state.Active.Zone()
	// Beyond the calendar's ends there is nothing to compare with: what lies there counts on its first or its last day.
	if from > calendar.MinDay {
		where = append(where, response.RespondedAtGTE(from.Start(zone).UTC()))
		if back, again, ok := beginsTwice(from, zone); ok {
			where = append(where, response.Or(response.RespondedAtLT(back), response.RespondedAtGTE(again)))
		}
	}
	if to < calendar.MaxDay {
		before := response.RespondedAtLT((to + 1).Start(zone).UTC())
		if back, again, ok := beginsTwice(to+1, zone); ok {
			before = response.Or(before, response.And(response.RespondedAtGTE(back), response.RespondedAtLT(again)))
		}
		where = append(where, before)
	}
	return where
}

// beginsTwice reports whether clocks were set back over the day's midnight, as in St John's until 2011: from back until
// again they showed the day before once more.
func beginsTwice(d calendar.Day, zone *time.Location) (back, again time.Time, ok bool) {
	_, back = d.Start(zone).ZoneBounds()
	if back.IsZero() || calendar.DayOf(back, zone) >= d {
		return back, again, false
	}
	y, m, day := d.Date()
	_, offset := back.Zone()
	return back.UTC(), time.Date(y, m, day, 0, 0, -offset, 0, time.UTC), true
}

// days are those that the cube has responses of the selection on, in the order of reading; nil where it cannot tell, or where
// comments are searched: then one way through all of them is shorter than many through some.
func (sel *Selection) days(ctx context.Context, db *store.DB, desc bool) ([]calendar.Day, error) {
	if !sel.sieves() || len(sel.terms) > 0 {
		return nil, nil
	}
	q, err := sel.Query(ctx)
	if err != nil {
		return nil, err
	}
	q.By = calendar.Daily
	cells, err := cube.Read(ctx, db, sel.state, q)
	if errors.Is(err, cube.ErrStale) {
		return nil, nil // reading all days is slower, and right too
	}
	if err != nil {
		return nil, err
	}
	days := make([]calendar.Day, 0, cells.Len())
	for i := range int32(cells.Len()) {
		days = append(days, cells.Start(i))
	}
	slices.Sort(days)
	if desc {
		slices.Reverse(days)
	}
	return slices.Compact(days), nil
}

// siftDays sifts run after run of successive days until the window is full.
func (sel *Selection) siftDays(
	ctx context.Context, db *store.DB, w page.Window, days []calendar.Day,
	key func(*ent.Response) page.Key, keep func(*ent.Response) bool,
) ([]*ent.Response, error) {
	if after, ok := w.After(); ok {
		if at, ok := after.Value.(time.Time); ok {
			start := calendar.DayOf(at, sel.state.Active.Zone())
			// A day more, since a day may begin twice.
			days = slices.DeleteFunc(days, func(d calendar.Day) bool { return w.Desc && d > start+1 || !w.Desc && d < start-1 })
		}
	}
	var kept []*ent.Response
	full := w.Limit
	for len(days) > 0 && len(kept) < full {
		n := 1
		for n < len(days) && (days[n] == days[n-1]+1 || days[n] == days[n-1]-1) {
			n++
		}
		run := sel.between(min(days[0], days[n-1]), max(days[0], days[n-1]))
		days = days[n:]
		w.Limit = full - len(kept)
		rows, err := page.Sift(ctx, w, key, func(ctx context.Context, w page.Window) ([]*ent.Response, error) {
			return sel.fetch(ctx, db, w, key, run)
		}, keep)
		if err != nil {
			return nil, fmt.Errorf("listing responses: %w", err)
		}
		kept = append(kept, rows...)
	}
	return kept, nil
}

// count counts the selection: by the cube where it can tell, whatever the number.
func (sel *Selection) count(ctx context.Context, db *store.DB) (int, error) {
	if !sel.NarrowsComments {
		q, err := sel.Query(ctx)
		if err != nil {
			return 0, err
		}
		cells, err := cube.Read(ctx, db, sel.state, q)
		if err != nil {
			return 0, err
		}
		var n int64
		for i := range int32(cells.Len()) {
			n += cells.Count(i)
		}
		return int(n), nil
	}
	return sel.countRows(ctx, db, nil)
}

// countRows counts those of the selection that the predicates leave.
func (sel *Selection) countRows(ctx context.Context, db *store.DB, besides []predicate.Response) (int, error) {
	ctx = sel.paying(ctx)
	if err := sel.payBlind(ctx); err != nil {
		return 0, err
	}
	where := slices.Concat(sel.predicates(), besides)
	byID := func(r *ent.Response) page.Key { return page.Key{ID: r.ID} }
	n := 0
	read := func(ctx context.Context, w page.Window) (bool, error) {
		if !sel.looks() {
			return true, db.Sift(ctx, func() error {
				some, err := db.Ent.Response.Query().Where(where...).Where(w.Bounds).Count(ctx)
				n += some
				return err
			})
		}
		// All that is kept is counted at once, and nothing is remembered.
		_, err := page.Sift(ctx, w, byID, func(ctx context.Context, w page.Window) ([]*ent.Response, error) {
			return sel.read(ctx, db, w, besides)
		}, func(r *ent.Response) bool {
			if sel.matchesProfile(r) && sel.matchesTerms(r) {
				n++
			}
			return false
		})
		return true, err
	}
	var err error
	if sel.unindexed() {
		err = sel.portions(ctx, db, page.Window{}, byID, besides, read)
	} else {
		_, err = read(ctx, page.Window{})
	}
	if err != nil {
		return 0, fmt.Errorf("counting responses: %w", err)
	}
	return n, nil
}

// Connection is a page of responses, as the API has it.
type Connection = page.Connection[*ent.Response]

// Edge is a row of such a page.
type Edge = page.Edge[*ent.Response]

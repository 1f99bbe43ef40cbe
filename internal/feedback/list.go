package feedback

import (
	"context"
	"errors"
	"fmt"
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
	where := sel.predicates()
	fetch := func(ctx context.Context, w page.Window) (rows []*ent.Response, err error) {
		err = sel.scan(ctx, db, func() error {
			rows, err = db.Ent.Response.Query().Where(where...).Where(w.Apply).All(ctx)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("listing responses: %w", err)
		}
		return rows, nil
	}
	sifted := fetch
	if sel.sieves() || len(sel.terms) > 0 {
		keep := func(r *ent.Response) bool { return sel.matchesProfile(r) && sel.matchesTerms(r) }
		sifted = func(ctx context.Context, w page.Window) ([]*ent.Response, error) {
			if err := rate.SpendBlind(ctx); err != nil {
				return nil, err
			}
			days, err := sel.days(ctx, db, w.Desc)
			if err != nil {
				return nil, err
			}
			if days == nil || order.page().Column != response.FieldRespondedAt {
				return page.Sift(ctx, w, order.key, fetch, keep)
			}
			return sel.siftDays(ctx, db, w, days, order.key, keep)
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

// scan runs a statement: as a scan where the database may have to read on through rows that do not match.
func (sel *Selection) scan(ctx context.Context, db *store.DB, statement func() error) error {
	if !sel.sieves() && len(sel.terms) == 0 && sel.hasComment == nil && sel.variants == nil && sel.channels == nil {
		return statement()
	}
	if len(sel.terms) == 0 && sel.sieves() {
		return db.Sift(ctx, statement)
	}
	return db.Scan(ctx, statement)
}

// predicates are the parts of the filter that the database can tell.
func (sel *Selection) predicates() []predicate.Response {
	var where []predicate.Response
	if sel.Campaigns != nil {
		where = append(where, response.CampaignIDIn(sel.Campaigns...))
	}
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
	if sel.Categories != nil {
		where = append(where, response.ScoreIn(sel.scores()...))
	}
	where = append(where, sel.between(sel.From, sel.To)...)
	if sel.hasComment != nil {
		if *sel.hasComment {
			where = append(where, response.CommentNotNil())
		} else {
			where = append(where, response.CommentIsNil())
		}
	}
	for _, term := range sel.terms {
		for _, hint := range hints(term) {
			where = append(where, response.CommentContainsFold(hint)) // matchesTerms decides
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

// days are those that the cube has responses of the selection on, in the order of reading; nil where it cannot tell.
func (sel *Selection) days(ctx context.Context, db *store.DB, desc bool) ([]calendar.Day, error) {
	if !sel.sieves() {
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
	where := sel.predicates()
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
		rows, err := page.Sift(ctx, w, key, func(ctx context.Context, w page.Window) (rows []*ent.Response, err error) {
			err = sel.scan(ctx, db, func() error {
				rows, err = db.Ent.Response.Query().Where(where...).Where(run...).Where(w.Apply).All(ctx)
				return err
			})
			return rows, err
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
	return sel.countRows(ctx, db, sel.predicates())
}

// countRows counts those that the predicates and the selection's segments and words leave.
func (sel *Selection) countRows(ctx context.Context, db *store.DB, where []predicate.Response) (int, error) {
	if err := rate.SpendBlind(ctx); err != nil {
		return 0, err
	}
	if !sel.sieves() && len(sel.terms) == 0 {
		n := 0
		err := sel.scan(ctx, db, func() (err error) {
			n, err = db.Ent.Response.Query().Where(where...).Count(ctx)
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("counting responses: %w", err)
		}
		return n, nil
	}
	n := 0
	var after uuid.UUID
	for {
		var rows []*ent.Response
		err := sel.scan(ctx, db, func() (err error) {
			rows, err = db.Ent.Response.Query().Where(where...).Where(response.IDGT(after)).
				Order(response.ByID(sql.OrderAsc())).Limit(2_000).All(ctx)
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("counting responses: %w", err)
		}
		if err := rate.SpendUnseen(ctx, len(rows)/rate.RowsPerPoint); err != nil {
			return 0, err
		}
		for _, r := range rows {
			if sel.matchesProfile(r) && sel.matchesTerms(r) {
				n++
			}
		}
		if len(rows) < 2_000 {
			return n, nil
		}
		after = rows[len(rows)-1].ID
	}
}

// Connection is a page of responses, as the API has it.
type Connection = page.Connection[*ent.Response]

// Edge is a row of such a page.
type Edge = page.Edge[*ent.Response]

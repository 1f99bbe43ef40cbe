package selection

import (
	"bytes"
	"cmp"
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/search"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// walk goes through responses one by one, and tells of each whether it is in a selection. The database is only asked for
// ranges of an index: so what it looks at is known, and is paid for, whatever is found.
//
// It begins in the order that is asked for, where it may stop as soon as it has enough. Where that does not get far, all
// that is left is gone through by the shortest way: on the days that the cube has responses of the selection on, those that
// the search index proposes, or as all of the tenant's lie on the disk.
type walk struct {
	sel *Selection
	db  *store.DB
	// contact is whose responses are looked at; all are where it is uuid.Nil.
	contact uuid.UUID
	order   *Order
	// whole says that all are wanted, in whatever order; restart, that it is begun again.
	whole   bool
	restart func()
	// statements is how many there were, and within the snapshot that they are to see, where there is one.
	statements int
	within     *store.Tx

	// campaigns are the selection's, each once and in order; nil where all are.
	campaigns []uuid.UUID
	// hints have to be in a comment that holds the terms, each once; small is where they are looked for.
	hints  [][]byte
	small  []byte
	walked int
	// query is for the index, where it is not asked yet, or not for all that it may propose, and indexed the way that it has
	// shown; nil where it has none.
	query   *search.Query
	indexed *route
	unpaid  float64
	// unseen pays for others, which are what was looked at of other campaigns than the caller's, and what goes by how much
	// the tenant has.
	unseen func(points int) error
	others float64
	// contacts says that it is asked for whose the responses are, scored for when they were given, and their scores.
	contacts, scored bool
	// vouched leaves out what is UNVERIFIED: to who is narrowed it is nobody's.
	vouched bool
	// ended says that all that the window has was gone through, and total is then how much that is.
	ended bool
	total int
}

// A walk reads firstRead rows, then four times as many, up to longestRead.
const firstRead, longestRead = 64, 4_096

const (
	// eager is how many rows are looked at before the search index is asked what it proposes, and eagerly how many where
	// each costs a look at its profile. Where one in common or more of them is in the selection, it would propose too many.
	eager, eagerly, common = 384, 128, 16
	// maxProposed is how many it may propose: to look at them takes about a third of what an operation may. That it proposes
	// so many costs proposalPrice at least, which is risked to count what is dense where all that is left costs doubt times as much.
	maxProposed   = 4 * patience
	proposalPrice = rate.IndexPrice + maxProposed*1.0/rate.ProposedPerPoint
	doubt         = 4
	// patience is how many rows are looked at before it is asked whether another way is shorter.
	patience = 2_048
	// waste is which part of what the shortest way costs may be spent in the order that is asked for, whose end may be near.
	waste = 8
	// manyDays have so many rows that it pays to read those again that pass.
	manyDays = 31
	// maxMerged is how many ranges of an index are merged. No token has more campaigns: it would go through what is between
	// them, and not pay for it.
	maxMerged = 100
)

// route is a way through a selection.
type route struct {
	// index is what the rows are ordered by on it.
	index page.Order
	// stretches are followed one after the other.
	stretches []stretch
	// price is what looking at one row costs, and costs what all are thought to, in points.
	price, costs float64
	// proposed, where not nil, are the only ones that are looked at, in no order.
	proposed []uuid.UUID
}

// stretch is a part of a route.
type stretch struct {
	// campaigns, where not nil, are the only ones: each has a range of its own, and these are merged.
	campaigns []uuid.UUID
	// first and last are the days of its responses.
	first, last calendar.Day
}

// ranges is how many ranges of the index by time it has.
func (s stretch) ranges() int {
	if n := len(s.campaigns); n <= maxMerged {
		return max(n, 1)
	}
	return 1
}

// candidate is a response that may be in the selection.
type candidate struct {
	id          uuid.UUID
	respondedAt time.Time
	score       int
	contact     uuid.NullUUID // where it is asked for
}

func (r *candidate) key(order page.Order) page.Key {
	switch order.Column {
	case response.FieldScore:
		return page.Key{Value: r.score, ID: r.id}
	case response.FieldRespondedAt:
		return page.Key{Value: r.respondedAt, ID: r.id}
	}
	return page.Key{ID: r.id}
}

// looked is a row that is looked at, as far as it is read.
type looked struct {
	candidate

	campaign                 uuid.UUID
	unverified               bool // where it is asked for
	channel, comment, traits stdsql.RawBytes
	variant                  stdsql.NullString
	// reader is for the traits; it is made when they are read first.
	reader *trait.Reader
}

type column struct {
	name string
	dest any
}

// dest is where to read the columns to.
func dest(columns []column) []any {
	all := make([]any, len(columns))
	for i, c := range columns {
		all[i] = c.dest
	}
	return all
}

// newWalk is for a selection, or for those of its responses that one contact gave.
func newWalk(sel *Selection, db *store.DB, contact uuid.UUID, order *Order) *walk {
	k := &walk{sel: sel, db: db, contact: contact, order: order, campaigns: distinct(sel.Campaigns)}
	k.vouched = contact != uuid.Nil && !sel.narrowing.IsZero()
	for _, term := range sel.terms {
		for _, hint := range hints(term) {
			if !slices.ContainsFunc(k.hints, func(h []byte) bool { return string(h) == hint }) {
				k.hints = append(k.hints, []byte(hint))
			}
		}
	}
	return k
}

// columns are those that are looked at on the way's first stretch. SQLite takes as long to read a time or a profile as the
// rest of a row: where few rows come to them, they are read afterwards.
func (k *walk) columns(way route, r *looked) []column {
	sel, s := k.sel, way.stretches[0]
	byID := way.index.Column == ""
	columns := []column{{response.FieldID, &r.id}}
	early := sel.sieves() && !k.late(way)
	if !byID || k.scored || early || s.first != cube.Earliest || s.last != cube.Latest {
		columns = append(columns, column{response.FieldRespondedAt, &r.respondedAt})
	}
	if !byID || k.scored || sel.Scores != nil {
		columns = append(columns, column{response.FieldScore, &r.score})
	}
	return append(columns, k.rest(r, early)...)
}

// rest are the columns that tell whether a response is in the selection, besides its time and its score.
func (k *walk) rest(r *looked, early bool) (columns []column) {
	sel := k.sel
	if sel.Campaigns != nil || early && sel.groupsByCampaign() {
		columns = append(columns, column{response.FieldCampaignID, &r.campaign})
	}
	if k.contacts {
		columns = append(columns, column{response.FieldContactID, &r.contact})
	}
	if k.vouched {
		columns = append(columns, column{response.FieldUnverified, &r.unverified})
	}
	if sel.channels != nil {
		columns = append(columns, column{response.FieldChannel, &r.channel})
	}
	if sel.variants != nil && !sel.sieves() {
		columns = append(columns, column{response.FieldVariant, &r.variant})
	}
	if len(sel.terms) > 0 || sel.hasComment != nil {
		columns = append(columns, column{response.FieldComment, &r.comment})
	}
	if early {
		columns = append(columns, k.profile(r)...)
	}
	return columns
}

// profile are the columns that tell the profile, besides the time.
func (k *walk) profile(r *looked) (columns []column) {
	if k.sel.channels == nil {
		columns = append(columns, column{response.FieldChannel, &r.channel})
	}
	return append(columns, column{response.FieldVariant, &r.variant}, column{response.FieldTraits, &r.traits})
}

// late reports whether the profile is only read of what passes else.
func (k *walk) late(way route) bool {
	s := way.stretches[0]
	wide := way.index.Column == "" || s.first == cube.Earliest || s.last == cube.Latest || s.last-s.first > manyDays
	return k.sel.sieves() && k.sel.unindexed() && wide
}

// twice reports whether what passes is read again, with the rest of what is to be known of it.
func (k *walk) twice(way route) bool {
	return k.late(way) || way.index.Column == "" && !k.whole // for its place in the order
}

// paying is the context for looking at what may be in the selection.
func (k *walk) paying(ctx context.Context) context.Context {
	k.unseen = rate.Spender(ctx)
	return k.sel.paying(ctx)
}

// find gives what is in the selection and in the window, in its order, up to its limit. Where it comes to the window's end,
// it knows the total.
func (k *walk) find(ctx context.Context, w page.Window) ([]candidate, error) {
	ctx = k.paying(ctx)
	var found []candidate
	k.restart = func() { found = nil }
	err := k.run(ctx, w, func(r *candidate) (bool, error) {
		// By score one may come again, where that was amended between two statements.
		if !slices.ContainsFunc(found, func(c candidate) bool { return c.id == r.id }) {
			found = append(found, *r)
		}
		return len(found) < w.Limit, nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing responses: %w", err)
	}
	k.total = max(k.total, len(found))
	if k.sel.narrowing.Segment != uuid.Nil && len(found) == w.Limit {
		k.ended = false // which way found them tells how many there are besides
	}
	return found, rate.SpendBlind(ctx, rate.BlindRowPrice*len(found))
}

// count says how many there are.
func (k *walk) count(ctx context.Context) (n int, err error) {
	ctx = k.paying(ctx)
	k.whole, k.restart = true, func() { n = 0 }
	paid := 0
	err = k.run(ctx, k.order.page().Window(0), func(*candidate) (more bool, err error) {
		// Once, whether it was begun again or not.
		if n++; n > paid && n%rate.BlindCountsPerPoint == 0 {
			paid, err = n, rate.SpendBlind(ctx, 1)
		}
		return true, err
	})
	if err != nil {
		return 0, fmt.Errorf("counting responses: %w", err)
	}
	return n, nil
}

// whose are the contacts who gave what is in the selection, newest first.
func (k *walk) whose(ctx context.Context) (contacts []uuid.UUID, err error) {
	ctx = k.paying(ctx)
	k.vouched = !k.sel.narrowing.IsZero()
	k.contacts, k.whole, k.restart = true, true, func() { contacts = nil }
	err = k.run(ctx, k.order.page().Window(0), func(r *candidate) (bool, error) {
		if r.contact.Valid {
			contacts = append(contacts, r.contact.UUID)
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for contacts: %w", err)
	}
	contacts = distinct(contacts)
	slices.Reverse(contacts)
	return contacts, nil
}

// run calls f with each until it wants no more, and pays for all that it took.
func (k *walk) run(ctx context.Context, w page.Window, f func(*candidate) (more bool, err error)) error {
	if k.sel.empty() {
		return nil
	}
	if err := k.through(ctx, w, f); err != nil {
		return err
	}
	return k.pay(ctx) // for statements that gave nothing
}

// pay pays whole points of what is not paid yet.
func (k *walk) pay(ctx context.Context) error {
	if points := int(k.others); points > 0 && k.unseen != nil {
		k.others -= float64(points)
		if err := k.unseen(points); err != nil {
			return err
		}
	}
	points := int(k.unpaid)
	if points < 1 {
		return nil
	}
	k.unpaid -= float64(points)
	return rate.SpendUnseen(ctx, points)
}

// through is run for what is not empty.
func (k *walk) through(ctx context.Context, w page.Window, f func(*candidate) (more bool, err error)) error {
	if err := k.payBlind(ctx); err != nil {
		return err
	}
	if k.contact == uuid.Nil {
		k.query = k.sel.query(auth.Tenant(ctx))
	}
	way, other, err := k.begin(ctx, w)
	if err != nil {
		return err
	}
	if other != nil {
		return k.collect(ctx, *other, w, f)
	}
	all, byScore := w, way.index.Column == response.FieldScore
	seen := 0
	give := func(r *candidate) (bool, error) {
		seen++
		return f(r)
	}
	wait := patience
	switch {
	case k.query == nil:
	case k.sel.sieves():
		wait = eagerly
	default:
		wait = eager
	}
	for len(way.stretches) > 0 {
		part, ok := k.part(way, w)
		if !ok {
			way.stretches = way.stretches[1:]
			continue
		}
		part.Limit = firstRead
		for part.Limit < min(k.walked, longestRead) {
			part.Limit *= 4
		}
		part.Limit = min(part.Limit, max(wait-k.walked, firstRead))
		last, more, err := k.read(ctx, way, part, give)
		if err != nil || !more {
			return err
		}
		if last == nil {
			way.stretches = way.stretches[1:]
			continue
		}
		w = w.Beyond(*last)
		if k.walked < wait {
			continue
		}
		if other == nil {
			if other, wait, err = k.leave(ctx, w, &way, wait, seen); err != nil {
				return err
			}
			if other == nil {
				continue
			}
		}
		if k.whole {
			// Its way does not say what was counted already.
			k.restart()
			return k.collect(ctx, *other, all, f)
		}
		if k.walked < wait {
			continue
		}
		if byScore { // what was amended since may have left the rest, or come to it
			k.restart()
			return k.collect(ctx, *other, all, f)
		}
		k.total = seen
		return k.collect(ctx, *other, w, f)
	}
	// Between two statements by score what is amended is missed, or comes twice. How many statements there were tells a
	// segment's token what there is besides.
	k.ended = !byScore || k.statements == 1 || k.sel.narrowing.Segment != uuid.Nil
	return nil
}

// leave is the way to go on where the one in the window's order has not come to its end, and how many rows are to be looked
// at before it is taken, or asked for again where there is none.
func (k *walk) leave(ctx context.Context, w page.Window, way *route, wait, seen int) (other *route, until int, err error) {
	if wait < patience {
		// What a page is likely to take in its own order, or at least to count all there is.
		own := max(patience, float64(w.Limit-seen)/float64(seen+1)*float64(k.walked))
		if k.whole {
			own = maxProposed
		}
		if seen*common < k.walked {
			if err := k.propose(ctx, int(min(own, maxProposed))); err != nil {
				return nil, 0, err
			}
		}
		if k.indexed == nil || k.indexed.costs > own*(way.price+k.profilePrice()) {
			return nil, patience, nil
		}
		other = k.indexed
	} else {
		if seen*common < k.walked { // where they were dense at first, or are few of all
			if err := k.propose(ctx, maxProposed); err != nil {
				return nil, 0, err
			}
		}
		if other, err = k.shorter(ctx, w, way); err != nil || other == nil {
			return nil, math.MaxInt, err
		}
	}
	return other, int(other.costs / waste / way.price), nil
}

// propose asks the index for so many at most, unless it has answered already.
func (k *walk) propose(ctx context.Context, most int) error {
	q := k.query
	if k.query = nil; q == nil {
		return nil
	}
	campaigns, narrowed := k.campaigns, k.sel.narrowing.Campaigns != nil
	if len(campaigns) > maxMerged && !narrowed {
		campaigns = nil
	}
	p, err := search.Propose(ctx, k.db, auth.Tenant(ctx), q, campaigns, narrowed, most, func(points float64) error {
		k.others += points
		return k.pay(ctx)
	})
	if err != nil {
		return err
	}
	if p.Asked {
		k.unpaid += rate.IndexPrice*float64(q.Weight().Questions) + float64(max(min(p.Read, most), len(p.IDs)))/rate.ProposedPerPoint
		if err := k.pay(ctx); err != nil {
			return err
		}
	}
	if p.IDs == nil {
		if p.Read > most && most < maxProposed {
			k.query = q // there may be few enough for a walk that turns out to be long
		}
		return nil
	}
	k.indexed = &route{
		stretches: []stretch{k.all()}, price: rate.LookUpPrice, proposed: p.IDs,
		costs: rate.StatementPrice + float64(len(p.IDs))*(rate.LookUpPrice+k.profilePrice()),
	}
	return nil
}

// profilePrice is what looking at a row costs besides where its profile is looked at.
func (k *walk) profilePrice() float64 {
	if k.sel.sieves() {
		return rate.ProfilePrice
	}
	return 0
}

// payBlind pays where how much there is to look at must not be learned.
func (k *walk) payBlind(ctx context.Context) error {
	switch {
	case k.contact == uuid.Nil && k.sel.unindexed():
		return rate.SpendBlind(ctx, rate.BlindSearchPrice)
	case k.contact == uuid.Nil && k.sel.sieves() && (k.contacts || k.scored || k.order.page().Column == response.FieldScore):
		return rate.SpendBlind(ctx, rate.BlindSortPrice)
	case k.sel.sieves():
		return rate.SpendBlind(ctx, rate.BlindPrice)
	}
	return nil
}

// begin is the way in the order of the window, or another that is to be taken from the beginning.
func (k *walk) begin(ctx context.Context, w page.Window) (way route, other *route, err error) {
	way = route{index: k.order.page(), stretches: []stretch{k.all()}, price: rate.LookUpPrice}
	if k.contact != uuid.Nil {
		return way, nil, nil
	}
	byScore := way.index.Column == response.FieldScore
	switch {
	case byScore && k.sel.narrowing.Campaigns != nil:
		if err := k.propose(ctx, maxProposed); err != nil {
			return way, nil, err
		}
		other, err = k.shorter(ctx, w, &way)
		if err != nil || other == nil {
			return way, nil, err
		}
		// What lies between their campaigns in the order by score is not the caller's.
		if other.costs <= rate.BlindSortPrice {
			return way, other, nil
		}
		return way, nil, rate.SpendUnseen(ctx, rate.BlindSortPrice)
	case !byScore && k.sel.sieves():
		way.stretches, err = k.days(ctx, w.Desc)
	}
	return way, nil, err
}

// all is the selection in one stretch.
func (k *walk) all() stretch { return stretch{k.campaigns, k.sel.From, k.sel.To} }

// distinct are the ids, each once and in order; nil where they are nil.
func distinct(ids []uuid.UUID) []uuid.UUID {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, byBytes)
	return slices.Compact(ids)
}

// has reports whether a campaign is among some that are in order.
func has(campaigns []uuid.UUID, campaign uuid.UUID) bool {
	_, ok := slices.BinarySearchFunc(campaigns, campaign, byBytes)
	return ok
}

func byBytes(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// days are the stretches on which the cube has responses of the selection, in the order of reading.
func (k *walk) days(ctx context.Context, desc bool) ([]stretch, error) {
	q, err := k.sel.Query(ctx)
	if err != nil {
		return nil, err
	}
	q.By, q.ByCampaign = calendar.Daily, true
	cells, err := cube.Read(ctx, k.db, &k.sel.state.Generations, q)
	if errors.Is(err, cube.ErrStale) {
		return []stretch{k.all()}, nil // that is longer, and right too
	}
	if err != nil {
		return nil, err
	}
	on := map[calendar.Day][]uuid.UUID{}
	for i := range int32(cells.Len()) {
		on[cells.Start(i)] = append(on[cells.Start(i)], cells.Campaign(i))
	}
	var stretches []stretch
	for _, day := range slices.Sorted(maps.Keys(on)) {
		if n := len(stretches); n > 0 && stretches[n-1].last == day-1 {
			stretches[n-1].last = day
			stretches[n-1].campaigns = append(stretches[n-1].campaigns, on[day]...)
		} else {
			stretches = append(stretches, stretch{on[day], day, day})
		}
	}
	for i := range stretches {
		s := &stretches[i]
		if s.campaigns = distinct(s.campaigns); len(s.campaigns) > maxMerged || len(s.campaigns) == len(k.sel.state.Campaigns) {
			s.campaigns = k.all().campaigns
		}
	}
	if desc {
		slices.Reverse(stretches)
	}
	return stretches, nil
}

// shorter is the shortest way through what the window has left, where it is not in the window's order: then it becomes way.
func (k *walk) shorter(ctx context.Context, w page.Window, way *route) (*route, error) {
	sel := k.sel
	if k.contact != uuid.Nil || sel.state == nil {
		return nil, nil
	}
	if sel.narrowing.Segment != uuid.Nil {
		ctx = rate.Shared(ctx) // that it comes to this tells what there is besides
	}
	months, err := k.months(ctx)
	if errors.Is(err, cube.ErrStale) {
		return k.indexed, nil
	}
	if err != nil {
		return nil, err
	}
	byScore := way.index.Column == response.FieldScore
	byTime := route{index: page.Order{Column: response.FieldRespondedAt}, stretches: way.stretches, price: rate.LookUpPrice}
	if (sel.NarrowsProfiles || sel.Scores != nil) && (byScore || !sel.sieves()) {
		if byTime.stretches, err = k.days(ctx, w.Desc); err != nil {
			return nil, err
		}
	}
	profile := 0.0
	if sel.sieves() && !sel.unindexed() {
		profile = rate.ProfilePrice
	}
	byTime.costs = k.rows(months, byTime.stretches, w) * (byTime.price + profile)
	for _, s := range byTime.stretches {
		byTime.costs += rate.StatementPrice + rate.RangePrice*float64(s.ranges()-1)
	}
	best := &byTime
	if sel.narrowing.Campaigns == nil {
		rest := []route{{stretches: []stretch{k.all()}, price: rate.PassPrice}}
		if sel.Scores != nil {
			rest = append(rest, route{index: page.Order{Column: response.FieldScore}, stretches: []stretch{k.all()}, price: rate.LookUpPrice})
		}
		for _, other := range rest {
			var rows int64
			for i := range months {
				rows += other.counts(sel, &months[i].Histogram)
			}
			other.costs = float64(rows) * (other.price + profile)
			if other.costs < best.costs {
				best = &other
			}
		}
	}
	if k.whole && best.costs > doubt*proposalPrice { // not all may be as dense as what was seen
		if err := k.propose(ctx, maxProposed); err != nil {
			return nil, err
		}
	}
	if k.indexed != nil && k.indexed.costs < best.costs {
		return k.indexed, nil
	}
	if best == &byTime && !byScore {
		way.stretches = byTime.stretches
		return nil, nil
	}
	return best, nil
}

// counts is how many of a campaign's month are looked at where no day is chosen.
func (r *route) counts(sel *Selection, h *nps.Histogram) int64 {
	if r.index.Column != response.FieldScore {
		return h.Count()
	}
	least, most := sel.extremes()
	var n int64
	for _, responses := range h[least : most+1] {
		n += responses
	}
	return n
}

// months are how many responses there are of each campaign in each month, in order.
func (k *walk) months(ctx context.Context) ([]cube.Cell, error) {
	cells, err := cube.Read(ctx, k.db, &k.sel.state.Generations, cube.Query{
		Campaigns: k.sel.narrowing.Campaigns, From: cube.Earliest, To: cube.Latest, ByCampaign: true, By: calendar.Monthly,
	})
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(cells.All(), func(a, b cube.Cell) int { return cmp.Compare(a.Start, b.Start) }), nil
}

// rows is about how many rows there are on the stretches, as far as the window has them left.
func (k *walk) rows(months []cube.Cell, stretches []stretch, w page.Window) (rows float64) {
	from, to := cube.Earliest, cube.Latest
	if after, ok := w.After(); ok {
		if at, ok := after.Value.(time.Time); ok && w.Desc {
			to = calendar.DayOf(at, k.sel.state.Active.Zone())
		} else if ok {
			from = calendar.DayOf(at, k.sel.state.Active.Zone())
		}
	}
	for _, s := range stretches {
		first, last := max(s.first, from), min(s.last, to)
		i, _ := slices.BinarySearchFunc(months, first, func(m cube.Cell, d calendar.Day) int { return cmp.Compare(calendar.Monthly.Next(m.Start)-1, d) })
		for ; i < len(months) && months[i].Start <= last; i++ {
			m := &months[i]
			if s.campaigns != nil && !has(s.campaigns, m.Campaign) {
				continue
			}
			next := calendar.Monthly.Next(m.Start)
			days := min(last, next-1) - max(first, m.Start) + 1
			rows += float64(m.Histogram.Count()) * float64(days) / float64(next-m.Start)
		}
	}
	return rows
}

// collect goes another way through all that the window has, and then calls f in the window's order.
func (k *walk) collect(ctx context.Context, way route, w page.Window, f func(*candidate) (more bool, err error)) error {
	if way.index.Column != response.FieldScore {
		return k.collectNow(ctx, way, w, f)
	}
	// What is amended between two statements would be missed, or be there twice.
	return k.db.Sift(ctx, func() error {
		return k.db.Snapshot(ctx, func(tx *store.Tx) error {
			k.within = tx
			defer func() { k.within = nil }()
			return k.collectNow(ctx, way, w, f)
		})
	})
}

func (k *walk) collectNow(ctx context.Context, way route, w page.Window, f func(*candidate) (more bool, err error)) error {
	own := k.order.page()
	less := func(a, b *candidate) bool { return w.Less(a.key(own), b.key(own)) }
	var first []*candidate
	take := func(r *candidate) (bool, error) {
		switch {
		case !w.Has(r.key(own)):
			return true, nil
		case k.whole:
			return f(r)
		}
		k.total++
		if len(first) == w.Limit && !less(r, first[len(first)-1]) {
			return true, nil
		}
		at := sort.Search(len(first), func(i int) bool { return less(r, first[i]) })
		first = slices.Insert(first, at, new(*r))
		first = first[:min(len(first), w.Limit)]
		return true, nil
	}
	if way.proposed != nil {
		way.stretches = nil
		for ids := range slices.Chunk(way.proposed, longestRead) {
			if err := k.look(ctx, ids, take); err != nil {
				return err
			}
		}
	}
	for at := way.index.Window(longestRead); len(way.stretches) > 0; {
		part, ok := k.part(way, at)
		if ok {
			last, _, err := k.read(ctx, way, part, take)
			if err != nil {
				return err
			}
			if last != nil {
				at = at.Beyond(*last)
				continue
			}
		}
		way.stretches, at = way.stretches[1:], way.index.Window(longestRead)
	}
	k.ended = true
	for _, r := range first {
		if more, err := f(r); err != nil || !more {
			return err
		}
	}
	return nil
}

// part is what the window has of the way's first stretch; ok is false where that is nothing.
func (k *walk) part(way route, w page.Window) (part page.Window, ok bool) {
	switch way.index.Column {
	case response.FieldRespondedAt:
		from, until, _ := k.sel.instants(way.stretches[0].first, way.stretches[0].last)
		return w.Between(from, until)
	case response.FieldScore:
		least, most := k.sel.extremes()
		return w.Between(least, most+1)
	}
	return w, true
}

// read calls f with what is in the selection of a part of the way's first stretch. last is where that ends; nil where it
// ends with the stretch.
func (k *walk) read(
	ctx context.Context, way route, part page.Window, f func(*candidate) (more bool, err error),
) (last *page.Key, more bool, err error) {
	var r looked
	columns := k.columns(way, &r)
	query, args := k.statement(ctx, way, part, columns)
	var passed []candidate
	n, past := 0, false
	pass := func() (bool, error) {
		if past = part.Past(r.key(way.index)); past {
			return false, nil
		}
		n++
		last = new(r.key(way.index))
		if k.contact != uuid.Nil && k.campaigns != nil && !has(k.campaigns, r.campaign) {
			k.unpaid, k.others = k.unpaid-way.price, k.others+way.price
			return true, nil
		}
		if !k.passes(&r, way.stretches[0]) {
			return true, nil
		}
		if k.sel.sieves() && !k.late(way) {
			if ok, err := k.matches(&r); err != nil || !ok {
				return true, err
			}
		}
		if k.twice(way) {
			passed = append(passed, r.candidate)
			return true, nil
		}
		return f(&r.candidate)
	}
	if more, err = k.each(ctx, query, args, dest(columns), way.price, pass); err != nil || !more && !past {
		return nil, false, err
	}
	more = true
	if n < part.Limit {
		last = nil
	}
	if len(passed) > 0 {
		more, err = k.again(ctx, way, passed, f)
	}
	return last, more, err
}

// each calls f for each row of a statement until it wants no more, and pays for it.
func (k *walk) each(ctx context.Context, query string, args, dest []any, price float64, f func() (more bool, err error)) (more bool, err error) {
	if k.statements++; k.statements > 1 && k.contact != uuid.Nil && k.campaigns != nil {
		k.others += rate.StatementPrice // there are more for what others have
	} else {
		k.unpaid += rate.StatementPrice
	}
	ask, sift := k.db.Query, k.db.Sift
	if k.within != nil {
		ask, sift = k.within.SQL.QueryContext, func(_ context.Context, statement func() error) error { return statement() }
	}
	err = sift(ctx, func() error {
		rows, err := ask(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for more = true; more && rows.Next(); {
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			if more, err = f(); err != nil {
				return err
			}
			k.walked++
			k.unpaid += price
			if err := k.pay(ctx); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return more, err
}

// look calls f with what is in the selection of some responses.
func (k *walk) look(ctx context.Context, ids []uuid.UUID, f func(*candidate) (more bool, err error)) error {
	var r looked
	columns := []column{{response.FieldID, &r.id}, {response.FieldRespondedAt, &r.respondedAt}, {response.FieldScore, &r.score}}
	columns = append(columns, k.rest(&r, k.sel.sieves())...)
	query, args := k.byID(ctx, columns, ids)
	_, err := k.each(ctx, query, args, dest(columns), rate.LookUpPrice, func() (bool, error) {
		if !k.passes(&r, k.all()) {
			return true, nil
		}
		if k.sel.sieves() {
			if ok, err := k.matches(&r); err != nil || !ok {
				return true, err
			}
		}
		return f(&r.candidate)
	})
	return err
}

// byID is the statement that reads columns of some responses.
func (k *walk) byID(ctx context.Context, columns []column, ids []uuid.UUID) (text string, args []any) {
	s := sql.Dialect(k.db.Dialect).Select().From(sql.Table(response.Table))
	k.choose(s, columns)
	s.Where(sql.And(sql.EQ(s.C(response.FieldTenantID), auth.Tenant(ctx)), store.IDIn(s, ids)))
	return s.Query()
}

// choose has the statement read the columns.
func (k *walk) choose(s *sql.Selector, columns []column) {
	for _, c := range columns {
		if c.name == response.FieldComment && len(k.sel.terms) == 0 {
			s.AppendSelectExprAs(sql.Expr("CASE WHEN comment IS NOT NULL THEN 1 END"), c.name) // it may be long
		} else {
			s.AppendSelect(s.C(c.name))
		}
	}
}

// again reads the rest of what passed, and calls f with what is in the selection.
func (k *walk) again(
	ctx context.Context, way route, passed []candidate, f func(*candidate) (more bool, err error),
) (more bool, err error) {
	var r looked
	columns := []column{{response.FieldID, &r.id}, {response.FieldRespondedAt, &r.respondedAt}, {response.FieldScore, &r.score}}
	if k.late(way) {
		columns = append(columns, k.profile(&r)...)
		if k.sel.channels != nil {
			columns = append(columns, column{response.FieldChannel, &r.channel})
		}
		if k.sel.groupsByCampaign() {
			columns = append(columns, column{response.FieldCampaignID, &r.campaign})
		}
	}
	ids := make([]uuid.UUID, len(passed))
	for i := range passed {
		ids[i] = passed[i].id
	}
	query, args := k.byID(ctx, columns, ids)
	found := make(map[uuid.UUID]candidate, len(passed))
	_, err = k.each(ctx, query, args, dest(columns), rate.LookUpPrice, func() (bool, error) {
		ok := true
		if k.late(way) {
			if ok, err = k.matches(&r); err != nil {
				return false, err
			}
		}
		if ok {
			found[r.id] = r.candidate
		}
		return true, nil
	})
	if err != nil {
		return false, err
	}
	for _, p := range passed {
		if c, ok := found[p.id]; ok {
			if more, err := f(&c); err != nil || !more {
				return false, err
			}
		}
	}
	return true, nil
}

// statement selects a part of the way's first stretch, by ranges of an index alone.
func (k *walk) statement(ctx context.Context, way route, part page.Window, columns []column) (text string, args []any) {
	if k.db.Dialect == store.SQLite { // which gives rows one by one, see read
		part = part.Endless()
	}
	in := func(campaign uuid.UUID) *sql.Selector {
		t := sql.Table(response.Table)
		s := sql.Dialect(k.db.Dialect).Select().From(t)
		k.choose(s, columns)
		s.Where(sql.EQ(s.C(response.FieldTenantID), auth.Tenant(ctx)))
		if k.contact != uuid.Nil {
			s.Where(sql.EQ(s.C(response.FieldContactID), k.contact))
		}
		if campaign != uuid.Nil {
			s.Where(sql.EQ(s.C(response.FieldCampaignID), campaign))
		}
		part.Bounds(s)
		return s
	}
	campaigns := way.stretches[0].campaigns
	byTime := way.index.Column == response.FieldRespondedAt && k.contact == uuid.Nil
	if byTime && way.stretches[0].ranges() > 1 {
		k.unpaid += rate.RangePrice * float64(len(campaigns)-1)
		all := in(campaigns[0])
		for _, c := range campaigns[1:] {
			all.UnionAll(in(c))
		}
		all.As(response.Table)
		s := sql.Dialect(k.db.Dialect).Select().From(all)
		for _, c := range columns {
			s.AppendSelect(s.C(c.name))
		}
		part.Sort(s)
		return s.Query()
	}
	var s *sql.Selector
	if byTime && len(campaigns) == 1 {
		s = in(campaigns[0])
	} else {
		s = in(uuid.Nil)
		if only := k.sel.narrowing.Campaigns; only != nil && k.contact == uuid.Nil {
			s.Where(sql.In(s.C(response.FieldCampaignID), anys(only)...)) // what is besides must not be paid for
		}
	}
	part.Sort(s)
	return s.Query()
}

func anys(ids []uuid.UUID) []any {
	all := make([]any, len(ids))
	for i, id := range ids {
		all[i] = id
	}
	return all
}

// passes reports whether the response is in the selection, and in the stretch, as far as its profile does not tell.
func (k *walk) passes(r *looked, s stretch) bool {
	sel := k.sel
	switch {
	case k.campaigns != nil && !has(k.campaigns, r.campaign),
		k.vouched && r.unverified,
		!sel.has(r.score),
		sel.hasComment != nil && *sel.hasComment != (r.comment != nil),
		sel.channels != nil && !slices.Contains(sel.channels, string(r.channel)),
		sel.variants != nil && !sel.sieves() && !sel.matchesVariant(variantOf(r.shown())):
		return false
	}
	if s.first != cube.Earliest || s.last != cube.Latest {
		if day := calendar.DayOf(r.respondedAt, sel.state.Active.Zone()); day < s.first || day > s.last {
			return false
		}
	}
	if len(sel.terms) == 0 {
		return true
	}
	// Bytes are paid for each time that they are gone through. The first hint is within what they cost at all.
	again := float64(len(r.comment)) / rate.SearchedBytesPerPoint
	k.unpaid += again
	if len(k.hints) > 0 {
		k.small = append(k.small[:0], r.comment...)
		lowerASCII(k.small)
	}
	for i, hint := range k.hints {
		if i > 0 {
			k.unpaid += again
		}
		if !bytes.Contains(k.small, hint) {
			return false
		}
	}
	said, points := search.Fold(string(r.comment))
	holds, more := sel.holdsTerms(said)
	k.unpaid += rate.PassPrice/2 + points + more // a short one takes about half as long again as its row
	return holds
}

// shown is the variant; nil where there is none.
func (r *looked) shown() *string {
	if !r.variant.Valid {
		return nil
	}
	return &r.variant.String
}

// matches reports whether the response's profile is one of the selection's.
func (k *walk) matches(r *looked) (bool, error) {
	k.unpaid += rate.ProfilePrice
	return r.in(k.sel)
}

// in reports whether the profile is one of the selection's.
func (r *looked) in(sel *Selection) (bool, error) {
	g := sel.state.Active
	if r.reader == nil {
		r.reader = g.Shape.Reader()
	}
	values, err := r.reader.Values(r.traits, calendar.DayOf(r.respondedAt, g.Zone()))
	if err != nil {
		return false, fmt.Errorf("response %s: %w", r.id, err)
	}
	return sel.matchesPlaced(r.campaign, g.Profiles.Placed(string(r.channel), variantOf(r.shown()), values)), nil
}

package feedback

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/store"
)

// Examination is what there is to say of a tenant's log.
type Examination struct {
	// Witness is what the log tells of the responses, for cube.Examine, which says whom the cells agree with.
	Witness *cube.Witness

	db     *store.DB
	tenant uuid.UUID
	// position is the tenant's, last that of the log's last event.
	position, last int64
	gaps           []gap
	faults         []cube.Fault
	// counts of what was found beyond what is named, by kind.
	named map[string]int
	rows  map[uuid.UUID]*row
}

// gap is a range of positions that no event has.
type gap struct {
	first, last int64
	// since and until are the moments of the events before and after; zero where there is none, or it cannot be read.
	since, until time.Time
}

// fits reports whether an event of this moment may have been in the gap.
func (g *gap) fits(at time.Time) bool {
	return g.first <= g.last && !at.Before(g.since) && (g.until.IsZero() || !at.After(g.until))
}

// row is what is stored of a response that is in doubt.
type row struct {
	// what says so, and told is what the log tells.
	what string
	told told
	// score and campaign are as stored.
	score, campaign   any
	recorded, updated time.Time
	noEvent, deleted  bool
	unreadable        bool
}

// told is what the log tells of a response, once all its events are read.
type told struct {
	campaign            uuid.UUID
	score               int
	first, last         int64 // positions
	at                  time.Time
	deleted, consistent bool
}

// maxDoubts is how many responses may be in doubt before the log counts for nothing.
const maxDoubts = 10_000

// Examine reads a tenant's whole log, and compares what it tells with the responses: that each was recorded once, and
// what became of it since. The transaction sees a snapshot. Memory holds what is in doubt, and at most maxDoubts of it.
//
// An event knows the campaign, the score and the moment of recording of a response. It does not know for when the answer
// was, through which channel it came, or what was known of who gave it: of these the cells are the only witness.
func Examine(ctx context.Context, db *store.DB, tx *store.Tx, tenant uuid.UUID) (*Examination, error) {
	e := &Examination{
		db: db, tenant: tenant, named: map[string]int{}, rows: map[uuid.UUID]*row{},
		Witness: &cube.Witness{Counts: map[uuid.UUID]nps.Histogram{}, Doubts: map[uuid.UUID]*cube.Doubt{}, Missing: map[uuid.UUID]int{}},
	}
	for _, part := range []struct {
		name string
		do   func(context.Context, *store.Tx) error
	}{
		{"the log's positions", e.positions}, {"the log's events", e.events}, {"responses without events", e.silent},
		{"responses in doubt", e.facts}, {"deleted responses", e.tombstones}, {"idempotency keys", e.keys},
	} {
		if err := tx.Check(ctx, func() error { return part.do(ctx, tx) }); err != nil {
			if ctx.Err() != nil {
				return e, fmt.Errorf("checking the log: %w", ctx.Err())
			}
			e.Witness.Void = true
			e.fault("%s could not be checked: %v", part.name, err)
		}
	}
	return e, nil
}

func (e *Examination) fault(format string, args ...any) {
	e.faults = append(e.faults, cube.Faultf(format, args...))
}

// name notes one of many faults of a kind, until there are too many to be named.
func (e *Examination) name(kind, format string, args ...any) {
	if e.named[kind]++; e.named[kind] <= cube.MaxNamed {
		e.fault(format, args...)
	}
}

// positions compares the log's position with its last event, and looks for gaps. A position is only ever moved forwards:
// a number that was given out once must not be given out again, since readers may have passed it.
func (e *Examination) positions(ctx context.Context, tx *store.Tx) error {
	err := store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		var ok bool
		if e.position, ok = r.Int(0); !ok {
			e.fault("the log's position is %s", r.Show(0))
		}
		return nil
	}, `SELECT log_position FROM tenants WHERE id = $1`, e.tenant)
	if err != nil {
		return err
	}
	var since time.Time
	err = store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		position, ok := r.Int(0)
		if !ok || position < 1 {
			e.name("position", "an event has the position %s", r.Show(0))
			return nil
		}
		until, ok := r.Time(1)
		if !ok {
			until = time.Time{}
		}
		if position != e.last+1 {
			e.gaps = append(e.gaps, gap{e.last + 1, position - 1, since, until})
		}
		e.last, since = position, until
		return nil
	}, `SELECT position, at FROM events WHERE tenant_id = $1 ORDER BY position`, e.tenant)
	if err != nil {
		return err
	}
	e.Witness.Position = max(e.last, e.position)
	if e.position > e.last {
		e.gaps = append(e.gaps, gap{first: e.last + 1, last: e.position, since: since})
	}
	if e.position >= e.last {
		return nil
	}
	last := e.last
	e.faults = append(e.faults, cube.Fault{
		What: []string{fmt.Sprintf("the log's position is %d, but its last event is %d", e.position, e.last)},
		Mend: func(ctx context.Context, tx *store.Tx) (bool, error) {
			_, err := tx.SQL.ExecContext(ctx, `UPDATE tenants SET log_position = $2 WHERE id = $1 AND log_position < $2`, e.tenant, last)
			return err == nil, err
		},
	})
	return nil
}

// link is an event in the life of a response, as it is stored.
type link struct {
	position, kind int64
	event          Event
	previous       *int
	fault          string
}

// events follows each response through the log.
func (e *Examination) events(ctx context.Context, tx *store.Tx) error {
	var response uuid.UUID
	var chain []link
	var last store.Raw
	end := func() {
		if len(chain) > 0 {
			e.follow(response, chain, last)
		}
		chain = chain[:0]
	}
	err := store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		u, ok := r.UUID(0)
		if !ok {
			e.name("response id", "event %s is of the response %s, which is no id", r.Show(1), r.Show(0))
			return nil
		}
		if u != response {
			end()
			response = u
		}
		var s link
		s.position, _ = r.Int(1)
		s.kind, _ = r.Int(2)
		score, hasScore := r.Int(5)
		previous, hasPrevious := r.Int(6)
		var okAt, okCampaign bool
		s.event.At, okAt = r.Time(3)
		s.event.Campaign, okCampaign = r.UUID(4)
		if hasScore {
			s.event.Score = new(int(score))
		}
		if hasPrevious {
			s.previous = new(int(previous))
		}
		switch {
		case s.kind < int64(Recorded) || s.kind > int64(Deleted):
			s.fault = "has the kind " + r.Show(2)
		case !okAt:
			s.fault = "is of " + r.Show(3)
		case !okCampaign:
			s.fault = "has the campaign " + r.Show(4)
		case !hasScore && !r.Null(5) || hasScore && (score < 0 || score > nps.MaxScore):
			s.fault = "has the score " + r.Show(5)
		case !hasPrevious && !r.Null(6) || hasPrevious && (previous < 0 || previous > nps.MaxScore):
			s.fault = "has the previous score " + r.Show(6)
		}
		chain = append(chain, s)
		last = append(last[:0], r[7:]...)
		return nil
	}, `SELECT e.response_id, e.position, e.kind, e.at, e.campaign_id, e.score, e.previous_score,
			r.id, r.campaign_id, r.score, r.recorded_at, r.updated_at, r.responded_at
		FROM events e LEFT JOIN responses r ON r.tenant_id = e.tenant_id AND r.id = e.response_id
		WHERE e.tenant_id = $1 ORDER BY e.response_id, e.position`, e.tenant)
	end()
	return err
}

// follow follows one response through its events, and compares where they lead with its row.
func (e *Examination) follow(response uuid.UUID, chain []link, r store.Raw) {
	name := id.Response.Format(response)
	t := told{first: chain[0].position, consistent: true}
	wrong := func(format string, args ...any) {
		t.consistent = false
		e.name("events", "response "+name+": "+format, args...)
	}
	if chain[0].fault == "" && chain[0].kind != int64(Recorded) {
		wrong("its first event, %d, does not say that it was recorded; only a backup knows the events before", chain[0].position)
	}
	scored := false // whether t.score is known
	for i, s := range chain {
		if s.fault != "" {
			wrong("event %d %s; only a backup knows what it was", s.position, s.fault)
			continue
		}
		if t.campaign == (uuid.UUID{}) {
			t.campaign = s.event.Campaign
		}
		if s.event.Campaign != t.campaign {
			wrong("event %d is of campaign %s, and those before of %s", s.position, id.Campaign.Format(s.event.Campaign), id.Campaign.Format(t.campaign))
		}
		if t.deleted {
			wrong("event %d comes after it was deleted by event %d", s.position, t.last)
		}
		switch EventKind(s.kind) {
		case Recorded:
			if i > 0 {
				wrong("events %d and %d both record it", t.first, s.position)
			} else {
				t.at = s.event.At
			}
			if s.event.Score == nil || s.previous != nil {
				wrong("event %d records it with the scores %s, before %s", s.position, show(s.event.Score), show(s.previous))
			}
		case Amended:
			switch {
			case s.event.Score == nil:
				wrong("event %d amends it without a score", s.position)
			case scored && s.previous != nil && *s.previous != t.score:
				wrong("event %d amends a score of %d, and by the events before it was %d", s.position, *s.previous, t.score)
			case scored && s.previous == nil && *s.event.Score != t.score:
				wrong("event %d has the score %d and changes none, and by the events before it was %d", s.position, *s.event.Score, t.score)
			}
		case Deleted:
			t.deleted = true
			if s.event.Score != nil || s.previous == nil || scored && *s.previous != t.score {
				wrong("event %d deletes a score of %s, and by the events before it was %d", s.position, show(s.previous), t.score)
			}
		}
		if s.event.Score != nil {
			t.score, scored = *s.event.Score, true
		}
		t.last = s.position
	}
	t.consistent = t.consistent && (scored || t.deleted)
	if !t.deleted && scored {
		h := e.Witness.Counts[t.campaign]
		h.Record(t.score, 1)
		e.Witness.Counts[t.campaign] = h
	}
	e.compare(response, name, t, r)
}

func show(score *int) string {
	if score == nil {
		return "none"
	}
	return strconv.Itoa(*score)
}

// compare compares what the log tells with the row of the response: id, campaign, score, recorded, updated, responded.
func (e *Examination) compare(response uuid.UUID, name string, t told, r store.Raw) {
	if r.Null(0) {
		if !t.deleted {
			e.Witness.Missing[t.campaign]++
			e.name("missing", "response %s is missing: by event %d it is of campaign %s with the score %d, and no event deletes it; only a backup has it",
				name, t.last, id.Campaign.Format(t.campaign), t.score)
		}
		return
	}
	w := &row{told: t, score: argument(r[2]), campaign: argument(r[1])}
	campaign, _ := r.UUID(1)
	score, okScore := r.Int(2)
	w.recorded, _ = r.Time(3)
	w.updated, _ = r.Time(4)
	responded, okResponded := r.Time(5)
	switch {
	case !okResponded:
		e.Witness.Missing[t.campaign]++
		e.name("responded", "response %s was given at %s, which is no time; only a backup knows it", name, r.Show(5))
		return
	case responded.Before(earliest) || responded.After(w.recorded.Add(maxAhead)):
		e.name("responded", "response %s was given at %s, and recorded at %s, which cannot be; only a backup knows when it was", name, r.Show(5), r.Show(3))
	}
	if t.consistent && !w.recorded.Equal(t.at) {
		// Nothing else knows the moment.
		e.name("recorded", "response %s was recorded at %s, but by event %d at %s; only a backup knows which is right",
			name, r.Show(3), t.first, t.at.Format(time.RFC3339Nano))
	}
	switch {
	case t.deleted:
		w.deleted = true
		w.what = fmt.Sprintf("response %s is there with the score %s, but event %d deleted it", name, r.Show(2), t.last)
	case campaign != t.campaign && (!okScore || int(score) != t.score):
		w.what = fmt.Sprintf("response %s has the campaign %s and the score %s, but by event %d it is of %s with the score %d",
			name, showCampaign(campaign, r), r.Show(2), t.last, id.Campaign.Format(t.campaign), t.score)
	case campaign != t.campaign:
		w.what = fmt.Sprintf("response %s has the campaign %s, but by event %d it is of %s", name, showCampaign(campaign, r), t.last, id.Campaign.Format(t.campaign))
	case !okScore || int(score) != t.score:
		w.what = fmt.Sprintf("response %s has the score %s, but by event %d it is %d", name, r.Show(2), t.last, t.score)
	default:
		return
	}
	e.doubt(response, w)
}

// argument is a stored value as it can be compared with itself.
func argument(stored any) any {
	if text, ok := stored.([]byte); ok {
		return string(text)
	}
	return stored
}

func showCampaign(campaign uuid.UUID, r store.Raw) string {
	if campaign == (uuid.UUID{}) {
		return r.Show(1)
	}
	return id.Campaign.Format(campaign)
}

func (e *Examination) doubt(response uuid.UUID, w *row) {
	if len(e.rows) >= maxDoubts {
		e.Witness.Void = true
		e.named["doubts"]++
		return
	}
	e.rows[response] = w
	e.Witness.Doubts[response] = &cube.Doubt{}
}

// silent finds responses that no event tells of. Sets are subtracted, and not joined: there is no index of events by
// response, and SQLite makes none for it.
func (e *Examination) silent(ctx context.Context, tx *store.Tx) error {
	return store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		u, ok := r.UUID(0)
		if !ok {
			e.name("id", "a response has the id %s", r.Show(0))
			return nil
		}
		w := &row{noEvent: true}
		w.recorded, _ = r.Time(3)
		w.updated, _ = r.Time(4)
		w.what = fmt.Sprintf("response %s with the score %s has no event", id.Response.Format(u), r.Show(2))
		e.doubt(u, w)
		return nil
	}, `SELECT r.id, r.campaign_id, r.score, r.recorded_at, r.updated_at FROM responses r
		WHERE r.tenant_id = $1 AND r.id IN (
			SELECT id FROM responses WHERE tenant_id = $1 EXCEPT SELECT response_id FROM events WHERE tenant_id = $1)
		ORDER BY r.id`, e.tenant)
}

// facts reads what the cells would have counted of the responses in doubt.
func (e *Examination) facts(ctx context.Context, tx *store.Tx) error {
	ids := slices.Collect(maps.Keys(e.rows))
	return store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		u, _ := r.UUID(0)
		w, d := e.rows[u], e.Witness.Doubts[u]
		if w == nil {
			return nil
		}
		f, fault := cube.ReadFact(r)
		if fault == "" {
			row := f
			d.Row = &row
		}
		if w.noEvent || w.told.deleted {
			return nil
		}
		// What the log tells takes the place of what is stored, which may be what cannot be read.
		r[1], r[6] = w.told.campaign.String(), int64(w.told.score)
		if f, fault := cube.ReadFact(r); fault == "" {
			d.Log = &f
		} else {
			w.unreadable = true
			e.Witness.Missing[w.told.campaign]++
			delete(e.Witness.Doubts, u)
		}
		return nil
	}, `SELECT `+cube.FactColumns+` FROM responses r WHERE r.tenant_id = $1 AND `+store.In(e.db.Dialect, "r.id", "uuid", "$2"),
		e.tenant, store.UUIDs(e.db.Dialect, ids))
}

// Faults says what is wrong, once the cells were asked whom they agree with.
func (e *Examination) Faults() []cube.Fault {
	order := func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
	for _, response := range slices.SortedFunc(maps.Keys(e.rows), order) {
		w := e.rows[response]
		side := cube.Neither
		if d := e.Witness.Doubts[response]; d != nil && !e.Witness.Void {
			side = d.Side
		}
		e.faults = append(e.faults, e.settle(response, w, side))
	}
	for _, g := range e.gaps {
		if g.first <= g.last {
			e.fault("the log has no events %d to %d; only a backup knows what was there", g.first, g.last)
		}
	}
	if n := e.named["doubts"]; n > 0 {
		e.fault("%d more responses are not what the log tells: restore a backup", n)
	}
	for _, kind := range slices.Sorted(maps.Keys(e.named)) {
		if n := e.named[kind] - cube.MaxNamed; n > 0 && kind != "doubts" {
			e.fault("and %d more of this kind (%s)", n, kind)
		}
	}
	return e.faults
}

// settle says what is wrong with a response, whom the cells agree with, and what of it can be mended. An event is never
// changed: the log goes on telling what it told.
func (e *Examination) settle(response uuid.UUID, w *row, side cube.Side) cube.Fault {
	f := cube.Faultf("%s", w.what)
	say := func(text string) { f.What[0] += "; " + text }
	d := e.Witness.Doubts[response]
	switch {
	case w.noEvent && side == cube.WithRow:
		say("the cells count it")
		if !w.updated.Equal(w.recorded) {
			say("it was amended since, and only a backup knows its events")
			break
		}
		position, ok := e.room(w.recorded)
		if !ok {
			say("the log has no gap where its event could have been")
			break
		}
		say(fmt.Sprintf("its recording takes the gap at %d", position))
		row := *d.Row
		f.Mend = func(ctx context.Context, tx *store.Tx) (bool, error) {
			return changed(ctx, tx, `INSERT INTO events (tenant_id, position, kind, at, response_id, campaign_id, score)
				SELECT $1, $2, $3, $4, id, campaign_id, score FROM responses WHERE tenant_id = $1 AND id = $5 AND score = $6`,
				e.tenant, position, int(Recorded), w.recorded, response, row.Score)
		}
	case w.noEvent && side == cube.WithLog:
		say("no cell counts it either: it was not recorded; a backup would tell where it is from")
	case w.noEvent:
		say("only a backup knows whether it was recorded")
	case side == cube.WithRow:
		say("the cells agree with the response; only a backup knows whether an event is missing or was changed")
	case w.deleted && side == cube.WithLog && w.told.consistent:
		say("the cells do not count it")
		f.Mend = func(ctx context.Context, tx *store.Tx) (bool, error) {
			if _, err := changed(ctx, tx, `UPDATE invitations SET response_id = NULL WHERE tenant_id = $1 AND response_id = $2`, e.tenant, response); err != nil {
				return false, err
			}
			return changed(ctx, tx, `DELETE FROM responses WHERE tenant_id = $1 AND id = $2`, e.tenant, response)
		}
	case w.deleted || !w.told.consistent || w.unreadable || e.Witness.Void:
		say("only a backup knows which is right")
	default:
		if side == cube.WithLog {
			say("the cells agree with the log")
		}
		t := w.told
		f.Mend = func(ctx context.Context, tx *store.Tx) (bool, error) {
			return changed(ctx, tx, `UPDATE responses SET score = $3, campaign_id = $4 WHERE tenant_id = $1 AND id = $2 AND score = $5 AND campaign_id = $6
				AND NOT EXISTS (SELECT 1 FROM events WHERE tenant_id = $1 AND response_id = $2 AND position > $7)`,
				e.tenant, response, t.score, t.campaign, w.score, w.campaign, t.last)
		}
	}
	return f
}

func changed(ctx context.Context, tx *store.Tx, query string, args ...any) (bool, error) {
	result, err := tx.SQL.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// room takes the first position that no event has, and that one of this moment can have had.
func (e *Examination) room(at time.Time) (position int64, ok bool) {
	for i := range e.gaps {
		if g := &e.gaps[i]; g.fits(at) {
			g.first++
			return g.first - 1, true
		}
	}
	return 0, false
}

// tombstones compares what is kept of deleted responses with the events that deleted them. There is nothing of what was
// deleted before tombstones were kept, so that one which is missing says nothing.
func (e *Examination) tombstones(ctx context.Context, tx *store.Tx) error {
	return store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		u, ok := r.UUID(0)
		if !ok {
			e.name("tombstone", "a response of the id %s is kept as deleted", r.Show(0))
			return nil
		}
		name := id.Response.Format(u)
		campaign, _ := r.UUID(4)
		switch {
		case r.Null(3) && !r.Null(6):
			e.mendTombstone(u, fmt.Sprintf("response %s is kept as deleted, and there, and no event deletes it", name),
				`DELETE FROM tombstones WHERE tenant_id = $1 AND response_id = $2
					AND NOT EXISTS (SELECT 1 FROM events WHERE tenant_id = $1 AND response_id = $2 AND kind = 3)`)
		case r.Null(3):
			e.name("tombstone", "response %s is kept as deleted, and no event deletes it; only a backup knows whether it was", name)
		case !same(r[1], r[4]):
			e.mendTombstone(u, fmt.Sprintf("response %s is kept as deleted from the campaign %s, but by event %s it was of %s", name, r.Show(1), r.Show(3), r.Show(4)),
				`UPDATE tombstones SET campaign_id = $3 WHERE tenant_id = $1 AND response_id = $2`, campaign)
		case !same(r[2], r[5]):
			score, _ := r.Int(5)
			e.mendTombstone(u, fmt.Sprintf("response %s is kept as deleted with the score %s, but by event %s it was %s", name, r.Show(2), r.Show(3), r.Show(5)),
				`UPDATE tombstones SET score = $3 WHERE tenant_id = $1 AND response_id = $2`, score)
		}
		return nil
	}, `SELECT t.response_id, t.campaign_id, t.score, e.position, e.campaign_id, e.previous_score, r.id FROM events e
		JOIN tombstones t ON t.tenant_id = $1 AND t.response_id = e.response_id
		LEFT JOIN responses r ON r.tenant_id = $1 AND r.id = t.response_id
		WHERE e.tenant_id = $1 AND e.kind = 3 AND (t.campaign_id <> e.campaign_id OR t.score <> e.previous_score)
		UNION ALL SELECT t.response_id, t.campaign_id, t.score, NULL, NULL, NULL, r.id FROM tombstones t
		LEFT JOIN responses r ON r.tenant_id = $1 AND r.id = t.response_id
		WHERE t.tenant_id = $1 AND t.response_id IN (
			SELECT response_id FROM tombstones WHERE tenant_id = $1
			EXCEPT SELECT response_id FROM events WHERE tenant_id = $1 AND kind = 3)
		ORDER BY 1`, e.tenant)
}

func same(a, b any) bool { return fmt.Sprintf("%s", a) == fmt.Sprintf("%s", b) }

func (e *Examination) mendTombstone(response uuid.UUID, what, query string, args ...any) {
	if e.named["tombstone"]++; e.named["tombstone"] > cube.MaxNamed {
		return
	}
	e.faults = append(e.faults, cube.Fault{What: []string{what}, Mend: func(ctx context.Context, tx *store.Tx) (bool, error) {
		return changed(ctx, tx, query, append([]any{e.tenant, response}, args...)...)
	}})
}

// keys finds idempotency keys of responses that there never were. A key outlives its response, but not its events.
func (e *Examination) keys(ctx context.Context, tx *store.Tx) error {
	return store.EachRaw(ctx, tx.SQL, func(r store.Raw) error {
		named := r.Show(1)
		if u, ok := r.UUID(1); ok {
			named = id.Response.Format(u)
		}
		key, _ := r.Text(0)
		e.name("idempotency key", "the idempotency key %x names the response %s, of which there is neither row nor event; only a backup knows it", key, named)
		return nil
	}, `SELECT k.key, k.response_id FROM idempotency_keys k
		WHERE k.tenant_id = $1 AND k.response_id IN (
			SELECT response_id FROM idempotency_keys WHERE tenant_id = $1
			EXCEPT SELECT id FROM responses WHERE tenant_id = $1
			EXCEPT SELECT response_id FROM events WHERE tenant_id = $1)
		ORDER BY k.key`, e.tenant)
}

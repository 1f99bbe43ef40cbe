package outreach

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	entschedule "github.com/zeroten/zeroten/ent/schedule"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/outreach/slot"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/trait"
)

// reason is why somebody is not asked; empty where they are.
type reason = entinvitation.SkippedBecause

// person is what rules go by of somebody.
type person struct {
	id     uuid.UUID
	email  *string
	locale *string
	traits trait.Values
	zone   *time.Location
	// asked is when any campaign asked them last, and mine when this one did; nil where none has.
	asked, mine *time.Time
	// barred is why their address is never written to.
	barred reason
	// round is when the last of the rounds for which the campaign has decided about them is due, and taken are all occasions for which it has;
	// true for those that are over.
	round *time.Time
	taken map[string]bool
	// planned is what the schedule has planned for them; nil where it has nothing.
	planned *placed
}

// scheme is a schedule with all that it goes by at a moment. It is for one goroutine.
type scheme struct {
	*ent.Schedule

	campaign entcampaign.Status
	// zone is the tenant's.
	zone   *time.Location
	window slot.Window
	quiet  time.Duration
	// in tells whether somebody is in the segment; nil where everybody is asked.
	in    func(trait.Values) bool
	zones *zones
	plans map[span]*slot.Plan
	// openings are when months begin, see opening.
	openings map[monthIn]opening
}

// monthIn is a month of the tenant's, for who lives in a zone.
type monthIn struct {
	month int
	zone  *time.Location
}

type opening struct{ start, opens time.Time }

// span is what a slot.Plan is of.
type span struct {
	from, to int64
	zone     *time.Location
}

// zones finds time zones by their names, each once.
type zones struct {
	of     map[string]*time.Location
	tenant *time.Location
}

// find is the zone of a name. Where nobody has said one, or one that is unknown here, it is the tenant's.
func (z *zones) find(name *string) *time.Location {
	if name == nil {
		return z.tenant
	}
	zone, ok := z.of[*name]
	if !ok {
		var err error
		if zone, err = calendar.LoadZone(*name); err != nil {
			zone = z.tenant
		}
		z.of[*name] = zone
	}
	return zone
}

// scheme makes a schedule ready. The state is read outside of the transaction that the schedule was read in, if any: what of it changes
// meanwhile is seen when a mail is due.
func (d *Desk) scheme(ctx context.Context, row *ent.Schedule, status entcampaign.Status, quietDays int) (*scheme, error) {
	state, err := d.states.Get(ctx, auth.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	zone, err := calendar.LoadZone(state.Zone)
	if err != nil {
		return nil, fmt.Errorf("finding the tenant's zone: %w", err)
	}
	s := &scheme{
		Schedule: row, campaign: status, zone: zone, quiet: days(quietDays), plans: map[span]*slot.Plan{}, openings: map[monthIn]opening{},
		window: slot.Window{Weekdays: slot.Weekdays(row.Weekdays), From: row.FromHour, To: row.ToHour},
		zones:  &zones{of: map[string]*time.Location{}, tenant: zone},
	}
	if row.SegmentID != nil {
		if s.in, err = contact.InSegment(ctx, d.states, id.Segment.Format(*row.SegmentID), d.now()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// plan is how the window lies in a span, made once.
func (s *scheme) plan(from, to time.Time, zone *time.Location) *slot.Plan {
	key := span{from.Unix(), to.Unix(), zone}
	p := s.plans[key]
	if p == nil {
		p = s.window.Plan(from, to, zone)
		s.plans[key] = p
	}
	return p
}

// lot is what somebody draws for a purpose of the campaign.
func (s *scheme) lot(purpose string, p *person, more string) uint64 {
	return slot.Lot(purpose, s.CampaignID[:], p.id[:], []byte(more))
}

// sampled reports whether the sample falls on somebody in a wave, a round or an event.
func (s *scheme) sampled(p *person, occasion string) bool {
	return slot.Sampled(s.lot("sample", p, occasion), s.SamplePercent)
}

// placed is an occasion of somebody, and when the mail is due.
type placed struct {
	occasion string
	due      time.Time
}

// wave is the span of a schedule for once.
func (s *scheme) wave() (from, to time.Time) {
	from = *s.At
	if from.Before(s.CreatedAt) {
		from = s.CreatedAt // a past instant means now
	}
	return from, from.In(s.zone).AddDate(0, 0, *s.OverDays).UTC()
}

// waveName is the occasion of a schedule for once.
func (s *scheme) waveName() string { return occasionOnce + s.At.UTC().Format(time.RFC3339Nano) }

// place says when somebody is to be asked next; ok is false where they are not, or that is decided already.
func (s *scheme) place(p *person, now time.Time) (at placed, ok bool) {
	switch s.Occasion {
	case entschedule.OccasionONCE:
		return s.placeOnce(p, now)
	case entschedule.OccasionRECURRING:
		return s.placeRound(p, now)
	}
	return placed{}, false
}

func (s *scheme) placeOnce(p *person, now time.Time) (placed, bool) {
	name := s.waveName()
	if _, taken := p.taken[name]; taken {
		return placed{}, false
	}
	from, to := s.wave()
	lot := s.lot("slot", p, "")
	due, ok := s.plan(from, to, p.zone).At(lot)
	if !ok { // the window is not open in so short a time
		due = s.window.Next(from, p.zone)
	}
	if due.Before(now) { // somebody new, or who was put back
		if due, ok = s.plan(now, to, p.zone).At(lot); !ok || due.Before(now) {
			due = s.window.Next(now, p.zone)
		}
	}
	return placed{name, due}, true
}

func (s *scheme) placeRound(p *person, now time.Time) (placed, bool) {
	if p.round != nil && p.round.After(now) {
		return placed{}, false // that is decided
	}
	lot := s.lot("slot", p, "")
	first := max(0, slot.RoundAt(*s.StartOn, *s.EveryMonths, s.zone, now))
	for k := first; k < first+3; k++ {
		name := fmt.Sprintf("%s%s:%d", occasionRound, s.StartOn, k)
		if _, taken := p.taken[name]; taken {
			continue
		}
		from, to := slot.Round(*s.StartOn, *s.EveryMonths, s.zone, k)
		due, ok := s.plan(from, to, p.zone).At(lot)
		if !ok {
			due = s.window.Next(from, p.zone)
		}
		if due.Before(now) {
			continue
		}
		// A round is as long as the one before but for a day or two: so most slots are about as long after the last mail as they are to be.
		if e := s.earliest(p); e.After(now) && due.Before(e.Add(week)) {
			due = s.putOff(p, e)
		}
		return placed{name, due}, true
	}
	return placed{}, false
}

// week is how long those are spread over who were asked too short a time before.
const week = 7 * 24 * time.Hour

// earliest is when a campaign that asks again and again may ask somebody, as they have been asked before; the zero Time where they have not.
func (s *scheme) earliest(p *person) (at time.Time) {
	since := p.mine
	if since == nil {
		since = p.asked
	}
	if since != nil {
		at = slot.AddMonths(*since, *s.EveryMonths, p.zone)
	}
	if p.asked != nil && p.asked.Add(s.quiet).After(at) {
		at = p.asked.Add(s.quiet)
	}
	return at
}

// putOff is when somebody is asked who may be from an instant on. Would that be as soon as the window allows, the mails of all whose instant
// is on a weekend would come on Monday at the first hour, and more with every round: so they are spread over a week.
func (s *scheme) putOff(p *person, earliest time.Time) time.Time {
	due, ok := s.window.Spread(earliest, earliest.Add(week), p.zone, s.lot("put off", p, earliest.UTC().Format(time.RFC3339Nano)))
	if !ok {
		return s.window.Next(earliest, p.zone)
	}
	return due
}

// inLine is how long those wait in line at the first moment of a month that the window allows who found no room in the budgets before.
const inLine = 30 * time.Second

// nextMonth is when somebody is asked for whom the month's budgets have no room: at the first moment of the next month that the window allows.
// There they stand in line as they were due: those first who have stood in the line of this month, too.
func (s *scheme) nextMonth(due, now time.Time, zone *time.Location) time.Time {
	return s.monthAfter(slot.MonthOf(now, s.zone), due, zone)
}

// monthAfter is nextMonth for one that has no room in a month.
func (s *scheme) monthAfter(month int, due time.Time, zone *time.Location) time.Time {
	this := s.opening(month, zone)
	place := due.Sub(this.opens)
	if place >= 0 && place < inLine {
		place /= 2
	} else {
		place = inLine/2 + min(max(0, due.Sub(this.start)), days(31)-1)/(days(31)/(inLine/2))
	}
	return s.opening(month+1, zone).opens.Add(place)
}

// opening is when a month begins in the tenant's zone, and when the window is first open in it in a zone; found once.
func (s *scheme) opening(month int, zone *time.Location) opening {
	key := monthIn{month, zone}
	o, ok := s.openings[key]
	if !ok {
		o.start = slot.MonthStart(month, s.zone)
		o.opens = s.window.Next(o.start, zone)
		s.openings[key] = o
	}
	return o
}

// happened is when somebody is asked to whom something happened at an instant. id tells what happened from all else.
func (s *scheme) happened(p *person, at time.Time, id string) placed {
	due := s.window.Next(at.Add(time.Duration(*s.DelayMinutes)*time.Minute), p.zone)
	return placed{occasionHappened + id + ":" + *s.Event, due}
}

// eventOf takes an occasion apart that was made by happened.
func eventOf(occasion string) (id, event string, ok bool) {
	rest, ok := strings.CutPrefix(occasion, occasionHappened)
	id, event, found := strings.Cut(rest, ":")
	return id, event, ok && found
}

// isBarred is the first reason why an address is not written to, whoever asks.
func (p *person) isBarred() reason {
	if p.email == nil {
		return entinvitation.SkippedBecauseNO_ADDRESS
	}
	return p.barred
}

// rule is the first reason, in their order, why somebody is not asked by a schedule at an instant, budgets apart; empty where they are.
// late is how long after it was due that is.
func (s *scheme) rule(p *person, occasion string, at time.Time, late time.Duration) reason {
	if s.campaign != entcampaign.StatusACTIVE {
		return entinvitation.SkippedBecauseCAMPAIGN_NOT_ACTIVE
	}
	if r := p.isBarred(); r != "" {
		return r
	}
	switch {
	case s.in != nil && !s.in(p.traits):
		return entinvitation.SkippedBecauseNOT_IN_SEGMENT
	case !s.sampled(p, occasion):
		return entinvitation.SkippedBecauseNOT_SAMPLED
	case p.isQuiet(at, s.quiet):
		return entinvitation.SkippedBecauseQUIET_PERIOD
	case late > tooLate:
		return entinvitation.SkippedBecauseTOO_LATE
	}
	return ""
}

// isQuiet reports whether somebody was asked so short a time before an instant that they are left alone.
func (p *person) isQuiet(at time.Time, quiet time.Duration) bool {
	return p.asked != nil && at.Sub(*p.asked) < quiet
}

// final is the reason that will hold whatever happens until the mail is due: what can still change is decided then. It is the first of
// those that hold now.
func (s *scheme) final(p *person, at placed, now time.Time) reason {
	late := now.Sub(at.due)
	if late > tooLate || !s.sampled(p, at.occasion) || s.campaign != entcampaign.StatusACTIVE {
		return s.rule(p, at.occasion, at.due, late)
	}
	return ""
}

// hashOf is what an address is known by among those that are never written to.
func hashOf(ring *link.Ring, email string) (string, error) {
	return ring.Name("suppression\x00" + contact.EmailKey(email))
}

// barredAmong says of addresses, by their hashes, which are never written to, and why.
func barredAmong(ctx context.Context, tx store.Querier, dialect string, hashes []string) (map[string]reason, error) {
	found := map[string]reason{}
	if len(hashes) == 0 {
		return found, nil
	}
	return found, readBarred(ctx, tx, found, store.Keyed(dialect, "", "email_hash", "text", "$1", "$2"), auth.Tenant(ctx), store.Texts(dialect, hashes))
}

// readBarred puts the addresses that a condition finds among those found.
func readBarred(ctx context.Context, tx store.Querier, found map[string]reason, condition string, args ...any) error {
	err := store.Each(ctx, tx, func(rows *sql.Rows) error {
		var hash string
		var why entsuppression.Reason
		if err := rows.Scan(&hash, &why); err != nil {
			return err
		}
		found[hash] = entinvitation.SkippedBecauseSUPPRESSED
		if why == entsuppression.ReasonUNSUBSCRIBED {
			found[hash] = entinvitation.SkippedBecauseUNSUBSCRIBED
		}
		return nil
	}, `SELECT email_hash, reason FROM suppressions WHERE `+condition, args...)
	if err != nil {
		return fmt.Errorf("looking for suppressed addresses: %w", err)
	}
	return nil
}

const (
	personColumns = `id, email, locale, time_zone, CAST(traits AS TEXT), last_asked_at`
	// traitlessColumns are the same for whoever does not ask for traits: reading them is a third of the work.
	traitlessColumns = `id, email, locale, time_zone, '{}', last_asked_at`
)

func (z *zones) scan(rows *sql.Rows) (*person, error) {
	p := &person{taken: map[string]bool{}}
	var zone *string
	var traits sql.RawBytes
	if err := rows.Scan(&p.id, &p.email, &p.locale, &zone, &traits, &p.asked); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(traits, &p.traits); err != nil {
		return nil, fmt.Errorf("reading a contact's traits: %w", err)
	}
	p.zone = z.find(zone)
	return p, nil
}

// bar notes whose addresses are never written to.
func (d *Desk) bar(ctx context.Context, tx store.Querier, ring *link.Ring, people []*person) error {
	hashes := make([]string, 0, len(people))
	of := make(map[*person]string, len(people))
	for _, p := range people {
		if p.email == nil {
			continue
		}
		hash, err := hashOf(ring, *p.email)
		if err != nil {
			return err
		}
		hashes, of[p] = append(hashes, hash), hash
	}
	barred, err := barredAmong(ctx, tx, d.db.Dialect, hashes)
	for p, hash := range of {
		p.barred = barred[hash]
	}
	return err
}

// ring is the caller's tenant's. It may write, and so it is asked for outside of transactions.
func (d *Desk) ring(ctx context.Context) (*link.Ring, error) {
	r, err := d.book.Ring(ctx, auth.Tenant(ctx), 0)
	if err == nil && r == nil {
		err = apierror.New(apierror.NotFoundCode, "There is no such tenant.")
	}
	return r, err
}

// past notes what the campaign of a schedule has decided about people already, as of an instant.
func (d *Desk) past(ctx context.Context, tx store.Querier, s *scheme, people []*person, now time.Time) error {
	by := make(map[uuid.UUID]*person, len(people))
	ids := make([]uuid.UUID, len(people))
	for i, p := range people {
		by[p.id], ids[i] = p, p.id
	}
	err := store.Each(ctx, tx, func(rows *sql.Rows) error {
		var of uuid.UUID
		var status entinvitation.Status
		var occasion *string
		var due time.Time
		var sent, claimed *time.Time
		var plan uuid.NullUUID
		if err := rows.Scan(&of, &status, &occasion, &due, &sent, &claimed, &plan); err != nil {
			return err
		}
		by[of].remember(status, occasion, due, sent, claimed, now)
		if status == entinvitation.StatusPLANNED && occasion != nil && plan.Valid && plan.UUID == s.Plan {
			by[of].planned = &placed{*occasion, due}
		}
		return nil
	}, `SELECT contact_id, status, occasion, due_at, sent_at, claimed_at, plan FROM invitations
		WHERE `+store.Keyed(d.db.Dialect, "", "contact_id", "uuid", "$1", "$2")+`
			AND `+ofCampaign(d.db.Dialect, "$3")+`
			AND (occasion IS NULL OR occasion NOT LIKE 'event:%' OR status NOT IN ('PLANNED', 'SKIPPED', 'CANCELLED'))`,
		auth.Tenant(ctx), store.UUIDs(d.db.Dialect, ids), s.CampaignID)
	if err != nil {
		return fmt.Errorf("reading who was asked before: %w", err)
	}
	return nil
}

// ofCampaign is the condition that what is looked for by people is a campaign's. On PostgreSQL it goes by no index: of a campaign that has
// asked nobody yet the planner thinks that it has next to nothing, and would read all that was planned for it since, once for each of the people.
func ofCampaign(dialect, param string) string {
	if dialect == store.Postgres {
		return `(campaign_id = ` + param + `) IS TRUE`
	}
	return `campaign_id = ` + param
}

// remember notes one invitation by the campaign.
func (p *person) remember(status entinvitation.Status, occasion *string, due time.Time, sent, claimed *time.Time, now time.Time) {
	switch status {
	case entinvitation.StatusCANCELLED:
		if occasion != nil { // by hand: that occasion is over
			p.taken[*occasion] = true
		}
		return
	case entinvitation.StatusPLANNED, entinvitation.StatusSKIPPED, entinvitation.StatusFAILED:
	default:
		at := due
		if sent != nil {
			at = *sent
		} else if claimed != nil {
			at = *claimed
		}
		if p.mine == nil || p.mine.Before(at) {
			p.mine = &at
		}
	}
	if occasion == nil || strings.HasPrefix(*occasion, occasionHappened) { // each event happens once, and there may be very many
		return
	}
	p.taken[*occasion] = status != entinvitation.StatusPLANNED && (status != entinvitation.StatusSKIPPED || !due.After(now))
	if strings.HasPrefix(*occasion, occasionRound) && (p.round == nil || p.round.Before(due)) {
		p.round = &due
	}
}

// keyHash is what an idempotency key is kept as: it may name a person, and whoever has the table alone is not to find out by trying names.
func keyHash(ring *link.Ring, key string) ([]byte, error) {
	name, err := ring.Name("idempotency key\x00" + key)
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(name)
}

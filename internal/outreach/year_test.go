package outreach_test

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
)

// zonesOf are where people live: with both changes of clocks, by half an hour, too, and with hours that are no whole ones off UTC.
var zonesOf = []string{
	"", "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham",
	"Pacific/Apia", "Pacific/Pago_Pago", "Pacific/Kiritimati", "America/Santiago", "America/Havana", "Asia/Tehran", "Africa/Cairo", "Asia/Beirut",
	"Asia/Tokyo", "Australia/Sydney", "Australia/Adelaide", "America/Sao_Paulo", "America/Los_Angeles", "America/Denver", "America/Chicago",
	"Europe/London", "Europe/Lisbon", "Europe/Athens", "Europe/Moscow", "Africa/Lagos", "Africa/Nairobi", "Asia/Dubai", "Asia/Karachi", "Asia/Dhaka",
	"Asia/Yangon", "Asia/Bangkok", "Asia/Shanghai", "Pacific/Auckland", "Pacific/Honolulu", "America/Anchorage", "Atlantic/Azores", "UTC", "Africa/Casablanca",
}

// How large a year TestYear goes through. The one of 100,000 people is run by hand:
//
//	go test ./internal/outreach -run 'TestYear$/sqlite' -v -timeout 0 -people 100000 -days 366
var (
	peopleOfYear = flag.Int("people", 120, "how many people TestYear asks")
	daysOfYear   = flag.Int("days", 400, "how many days TestYear goes through")
	timeOfYear   = flag.Duration("within", 24*time.Hour, "after how long TestYear judges the days it has come to")
)

// asking is that somebody was asked, as the mail server or the widget saw it.
type asking struct {
	who      string
	campaign string // the text of an id
	at       time.Time
	widget   bool
	reminder bool
	// invitation is that of a mail.
	invitation uuid.UUID
}

// year is a tenant over months, and what the test itself has seen of it.
type year struct {
	*house

	home  *time.Location
	names []string
	lives map[string]*time.Location // by address
	byID  map[uuid.UUID]string
	ids   []uuid.UUID
	seen  []asking
	texts map[string]string // each id that mails name, once, so that none holds on to a whole mail
	// began is when the year did, and planned when plans were last looked at.
	began, planned time.Time
	wrong          int
}

// populate opens a house in Amsterdam with so many people.
func populate(t *testing.T, db *store.DB, people int) *year {
	t.Helper()
	h := open(t, db, "Europe/Amsterdam", time.Date(2026, 9, 1, 0, 30, 0, 0, time.UTC))
	y := &year{
		house: h, names: names(people), lives: make(map[string]*time.Location, people), byID: make(map[uuid.UUID]string, people),
		texts: map[string]string{}, began: h.clock.time(),
	}
	y.home = y.zone("Europe/Amsterdam")
	zones := make([]*time.Location, len(zonesOf))
	for i, name := range zonesOf {
		if zones[i] = y.home; name != "" {
			zones[i] = y.zone(name)
		}
	}
	in := make([]contact.Input, people)
	for i, name := range y.names {
		in[i] = contact.Input{ExternalID: &name, Email: new(address(name))}
		k := i % len(zonesOf)
		if zonesOf[k] != "" {
			in[i].TimeZone = &zonesOf[k]
		}
		y.lives[address(name)] = zones[k]
	}
	h.upsert(in...)
	y.must(store.Each(h.ctx, db.Reader, func(rows *sql.Rows) error {
		var who uuid.UUID
		var email string
		err := rows.Scan(&who, &email)
		y.byID[who], y.ids = email, append(y.ids, who)
		return err
	}, `SELECT id, email FROM contacts WHERE tenant_id = $1 ORDER BY id`, h.tenant))
	return y
}

func (y *year) zone(name string) *time.Location {
	y.t.Helper()
	zone, err := time.LoadLocation(name)
	y.must(err)
	return zone
}

// errorf is that of a test, which says a few of the same faults and not a hundred thousand.
func (y *year) errorf(format string, args ...any) {
	y.t.Helper()
	if y.wrong++; y.wrong <= 30 {
		y.t.Errorf(format, args...)
	}
}

// day lets a day pass, with all that is done by the minute once, and what is due looked at within a few minutes. It gives the mails of the day.
func (y *year) day() []asking {
	y.t.Helper()
	if y.clock.time().Sub(y.planned) >= 72*time.Hour {
		y.look()
		y.planned = y.clock.time()
	}
	before := len(y.seen)
	for until := y.clock.time().Add(24 * time.Hour); ; {
		first, ok := y.next(until)
		if !ok {
			y.clock.set(until)
			break
		}
		if at := first.Add(5 * time.Minute); at.After(y.clock.time()) {
			y.clock.set(earlier(at, until))
		} else {
			y.clock.pass(time.Minute)
		}
		for _, m := range y.sweep() {
			y.seen = append(y.seen, y.read(m))
		}
		if !y.clock.time().Before(until) {
			break
		}
	}
	return y.seen[before:]
}

// next is when something is due first, where that is not after an instant.
func (y *year) next(until time.Time) (first time.Time, ok bool) {
	y.t.Helper()
	err := y.db.Reader.QueryRowContext(y.ctx, `SELECT next_at FROM invitations WHERE next_at <= $1 ORDER BY next_at LIMIT 1`, until).Scan(&first)
	if errors.Is(err, sql.ErrNoRows) {
		return first, false
	}
	y.must(err)
	return first, true
}

// read keeps of a mail what is judged.
func (y *year) read(m arrived) asking {
	y.t.Helper()
	_, list, _ := strings.Cut(m.text, "List-Id: <")
	campaign, _, _ := strings.Cut(list, ".")
	_, message, _ := strings.Cut(m.text, "Message-ID: <")
	invitation, rest, _ := strings.Cut(message, ".")
	id, err := uuid.Parse(invitation)
	y.must(err)
	if y.texts[campaign] == "" {
		campaign = strings.Clone(campaign)
		y.texts[campaign] = campaign
	}
	return asking{who: m.to, campaign: y.texts[campaign], at: m.at, reminder: strings.HasPrefix(rest, "1@"), invitation: id}
}

// answer notes that invitations were answered, and gives those that were: none that is not SENT.
func (y *year) answer(ids []uuid.UUID) (answered []uuid.UUID) {
	y.t.Helper()
	y.must(y.db.Write(y.ctx, func(tx *store.Tx) error {
		return store.Each(y.ctx, tx.SQL, func(rows *sql.Rows) error {
			var id uuid.UUID
			err := rows.Scan(&id)
			answered = append(answered, id)
			return err
		}, `UPDATE invitations SET status = 'ANSWERED' WHERE `+store.Keyed(y.db.Dialect, "", "id", "uuid", "$1", "$2")+` AND status = 'SENT' RETURNING id`,
			y.tenant, store.UUIDs(y.db.Dialect, ids))
	}))
	return answered
}

// mails are those of a campaign, without reminders.
func (y *year) mails(c *ent.Campaign) (all []asking) {
	for _, a := range y.seen {
		if a.campaign == c.NodeID() && !a.reminder && !a.widget {
			all = append(all, a)
		}
	}
	return all
}

// decision is what is judged of an invitation.
type decision struct {
	contact  uuid.UUID
	status   entinvitation.Status
	because  *entinvitation.SkippedBecause
	occasion string
	due      time.Time
}

// decisions gives all of a campaign, one after the other.
func (y *year) decisions(c *ent.Campaign, each func(decision)) {
	y.t.Helper()
	occasions := map[string]string{}
	y.must(store.Each(y.ctx, y.db.Reader, func(rows *sql.Rows) error {
		var d decision
		err := rows.Scan(&d.contact, &d.status, &d.because, &d.occasion, &d.due)
		if strings.HasPrefix(d.occasion, "round") {
			if occasions[d.occasion] == "" {
				occasions[d.occasion] = d.occasion
			}
			d.occasion = occasions[d.occasion]
		}
		each(d)
		return err
	}, `SELECT contact_id, status, skipped_because, occasion, due_at FROM invitations WHERE tenant_id = $1 AND campaign_id = $2`, y.tenant, c.ID))
}

// inWindow is whether a mail that arrives then does so in the window, as somebody says who looks at a clock.
func inWindow(at time.Time, zone *time.Location, w *outreach.Window) bool {
	open := func(shown time.Time) bool {
		name := outreach.Weekday(strings.ToUpper(shown.Weekday().String()))
		return slices.Contains(w.Weekdays, name) && w.FromHour <= shown.Hour() && shown.Hour() < w.ToHour
	}
	shown := func(at time.Time) time.Time {
		l := at.In(zone)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), 0, time.UTC)
	}
	now := shown(at)
	for _, change := range []time.Duration{30 * time.Minute, time.Hour} {
		if shown(at.Add(-change)).Equal(now) {
			return false // it is shown for the second time
		}
		skipped := now.Add(-change)
		if _, before := at.Add(-24 * time.Hour).In(zone).Zone(); open(skipped) {
			if _, after := at.In(zone).Zone(); time.Duration(after-before)*time.Second == change && shown(at.Add(-change)).Before(skipped) {
				return true // it would have been shown, had the clock not been put on
			}
		}
	}
	return open(now)
}

// later is a day so many months later, as people count: the last of the month where it has no such day.
func later(at time.Time, months int, zone *time.Location) time.Time {
	l := at.In(zone)
	first := time.Date(l.Year(), l.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return time.Date(first.Year(), first.Month(), min(l.Day(), last), l.Hour(), l.Minute(), l.Second(), 0, zone)
}

// TestYear has three campaigns and a widget ask the same people for more than a year, and judges by what arrived.
func TestYear(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { simulate(t, db, *peopleOfYear, *daysOfYear) })
}

func simulate(t *testing.T, db *store.DB, people, days int) {
	t.Helper()
	const quiet = 30 * 24 * time.Hour
	began := time.Now()
	random := rand.New(rand.NewPCG(1, 2))
	y := populate(t, db, people)
	perMonth, onceBudget := people*2/5, people/4
	y.limits(30, &perMonth)

	workdays := &outreach.Window{Weekdays: []outreach.Weekday{"MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"}, FromHour: 8, ToHour: 18}
	night := always()
	night.FromHour, night.ToHour = 2, 3
	rounds, wave, events, widget := y.campaign("Rounds"), y.campaign("Wave"), y.campaign("Events"), y.campaign("Widget")
	windows := map[string]*outreach.Window{rounds.NodeID(): workdays, wave.NodeID(): workdays, events.NodeID(): night}
	s := recurring(3)
	s.SamplePercent, s.Window = 50, nil
	y.set(rounds, s)
	s = y.once()
	s.Occasion.Once.At, s.Occasion.Once.OverDays, s.MonthlyBudget, s.Window = y.clock.time().AddDate(0, 2, 0), 30, &onceBudget, nil
	y.set(wave, s)
	s = onEvent("bought", 120)
	s.ReminderAfterDays, s.Window = new(3), night
	y.set(events, s)
	_, err := survey.UpdateWidget(y.ctx, db, survey.UpdateWidgetInput{Campaign: widget.NodeID(), IsEnabled: new(true)})
	y.must(err)

	told := 0
	answered := map[uuid.UUID]bool{}
	for day := range days {
		if time.Since(began) > *timeOfYear {
			days = day
			break
		}
		if people > 1_000 && day%10 == 0 {
			t.Logf("day %d, after %s: %d askings", day, time.Since(began).Round(time.Second), len(y.seen))
		}
		var some []uuid.UUID
		for _, a := range y.day() {
			if a.campaign == events.NodeID() && !a.reminder && random.IntN(5) == 0 {
				some = append(some, a.invitation)
			}
		}
		for _, id := range y.answer(some) {
			answered[id] = true
		}
		bought := make([]string, max(1, people/100))
		for i := range bought {
			bought[i] = y.names[random.IntN(people)]
		}
		for some := range slices.Chunk(bought, outreach.MaxBatch) {
			y.event("bought", some...)
			told += len(some)
		}
		sheet, err := y.book.Sheet(y.ctx, widget.ID)
		y.must(err)
		for range max(1, people/200) {
			who := y.ids[random.IntN(people)]
			shown, _, err := y.survey.Ask(y.ctx, sheet, survey.Asking{Visitor: who.String(), Contact: who})
			y.must(err)
			if shown != nil {
				y.seen = append(y.seen, asking{who: y.byID[who], campaign: widget.NodeID(), at: y.clock.time(), widget: true})
			}
		}
	}
	passed := time.Since(began)

	// Nobody twice within the quiet period, over all.
	last := map[string]asking{}
	reminded := map[string]time.Time{}
	asked, widgets, reminders := 0, 0, 0
	months := map[string]map[string]int{"": {}, wave.NodeID(): {}}
	for _, a := range y.seen {
		if w := windows[a.campaign]; w != nil && !inWindow(a.at, y.lives[a.who], w) {
			y.errorf("%s got a mail of %s at %s", a.who, a.campaign, a.at.In(y.lives[a.who]))
		}
		before, was := last[a.who]
		if a.reminder {
			if !was || before.invitation != a.invitation || a.at.Sub(before.at) < 3*24*time.Hour || reminded[a.who].Equal(before.at) {
				y.errorf("%s was reminded on %s of %v", a.who, a.at, before)
			}
			if answered[a.invitation] {
				y.errorf("%s was reminded on %s of what they had answered", a.who, a.at)
			}
			reminded[a.who] = before.at
			reminders++
			continue
		}
		if was && a.at.Sub(before.at) < quiet {
			y.errorf("%s was asked on %s by %s and on %s by %s", a.who, before.at, before.campaign, a.at, a.campaign)
		}
		last[a.who] = a
		asked++
		if a.widget {
			widgets++
			continue
		}
		month := a.at.In(y.home).Format("2006-01")
		months[""][month]++
		if a.campaign == wave.NodeID() {
			months[a.campaign][month]++
		}
	}
	if asked < people || widgets == 0 || reminders == 0 || len(answered) == 0 {
		y.errorf("%d askings, %d by the widget, %d reminders and %d answers: nothing was tried", asked, widgets, reminders, len(answered))
	}
	// Budgets are kept, and some of them were short.
	short := 0
	most := map[string]int{}
	for of, budget := range map[string]int{"": perMonth, wave.NodeID(): onceBudget} {
		for month, n := range months[of] {
			if n > budget {
				y.errorf("%d mails in %s, of %d", n, month, budget)
			}
			if n == budget {
				short++
			}
			most[of] = max(most[of], n)
		}
	}
	if short == 0 {
		y.errorf("no budget was short: %v", months)
	}
	// One decision for each, and all are accounted for.
	for _, of := range []struct {
		campaign *ent.Campaign
		want     int
	}{{wave, people}, {events, told}, {rounds, -1}} {
		decided := map[string]bool{}
		became := map[string]int{}
		sent, planned, skipped := 0, 0, 0
		y.decisions(of.campaign, func(d decision) {
			name := string(d.status)
			key := string(d.contact[:]) + d.occasion
			if decided[key] {
				y.errorf("%s: two decisions for %s in %s", of.campaign.Name, d.contact, d.occasion)
			}
			decided[key] = true
			switch d.status {
			case entinvitation.StatusSENT, entinvitation.StatusANSWERED:
				sent++
			case entinvitation.StatusPLANNED:
				planned++
				if of.campaign != rounds && d.due.Before(y.clock.time()) {
					y.errorf("one that was due on %s is still planned", d.due)
				}
			case entinvitation.StatusSKIPPED:
				skipped++
				if d.because == nil {
					y.errorf("somebody was left out for no reason")
				} else {
					name += " " + string(*d.because)
				}
			default:
				y.errorf("one is %s", d.status)
			}
			became[name]++
		})
		if of.want >= 0 && sent+planned+skipped != of.want {
			y.errorf("%s: %d decisions, of %d", of.campaign.Name, sent+planned+skipped, of.want)
		}
		if got := len(y.mails(of.campaign)); got != sent {
			y.errorf("%s: %d mails arrived, and %d are noted", of.campaign.Name, got, sent)
		}
		t.Logf("%s: %d decisions: %v", of.campaign.Name, len(decided), became)
	}
	chi := y.judgeRounds(rounds, 3, 50)
	t.Logf("%d people over %d days: %d askings, %d of them by the widget, and %d reminders, %d answers; at most %d mails in a month of %d, and %d of the wave of %d; "+
		"χ² of the samples %.1f; %d faults; %s, and %s to judge", people, days, asked, widgets, reminders, len(answered), most[""], perMonth, most[wave.NodeID()], onceBudget,
		chi, y.wrong, passed.Round(time.Second), (time.Since(began) - passed).Round(time.Second))
}

// judgeRounds looks at a campaign that asks a share again and again, and gives the χ² of its samples.
func (y *year) judgeRounds(c *ent.Campaign, months int, percent float64) (chi float64) {
	y.t.Helper()
	last := map[string]time.Time{}
	for _, a := range y.mails(c) {
		if before, was := last[a.who]; was {
			if earliest := later(before, months, y.lives[a.who]); a.at.Before(earliest.Add(-time.Hour)) { // the judge's own clock may be off where it changes
				y.errorf("%s was asked on %s and again on %s", a.who, before, a.at)
			}
		}
		last[a.who] = a.at
	}
	// drawn are those about whom a round decided, and true who is in its sample.
	drawn, sampled := map[string]map[uuid.UUID]bool{}, map[string]int{}
	y.decisions(c, func(d decision) {
		if drawn[d.occasion] == nil {
			drawn[d.occasion] = map[uuid.UUID]bool{}
		}
		in := d.because == nil || *d.because != entinvitation.SkippedBecauseNOT_SAMPLED
		drawn[d.occasion][d.contact] = in
		if in {
			sampled[d.occasion]++
		}
	})
	if want := int(y.clock.time().Sub(y.began).Hours()/24)/(31*months) + 1; len(drawn) < want {
		y.errorf("there were %d rounds, of %d", len(drawn), want)
	}
	share := percent / 100
	for round, all := range drawn {
		n := float64(len(all))
		off := float64(sampled[round]) - n*share
		chi += off*off/(n*share) + off*off/(n-n*share+1e-9)
	}
	// χ² of 6 degrees of freedom exceeds 33 once in 100,000 times.
	if percent < 100 && chi > 33 {
		y.errorf("χ² of the samples is %.1f: %v", chi, sampled)
	}
	// Of those in one sample about whom a later round decided, too, its own share is in that one's. Not the other way round: for whom the first round
	// puts off the second comes late, or never.
	for a, of := range drawn {
		for b, other := range drawn {
			if len(a) > len(b) || len(a) == len(b) && a >= b || percent == 100 {
				continue
			}
			n, both := 0., 0.
			for who, in := range of {
				if is, decided := other[who]; in && decided {
					if n++; is {
						both++
					}
				}
			}
			if z := (both - n*share) / math.Sqrt(n*share*(1-share)); n >= 30 && math.Abs(z) > 5 {
				y.errorf("of %.0f in the sample of %s %.0f are in that of %s, which are to be drawn by themselves", n, a, both, b)
			}
		}
	}
	return chi
}

// TestEvenly has everybody asked in each round, as many on each weekday, and as many each month.
func TestEvenly(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const people = 200
		y := populate(t, db, people)
		c := y.campaign("Rounds")
		s := recurring(2)
		s.Window = nil
		y.set(c, s)
		for range 210 {
			y.day()
		}
		y.judgeRounds(c, 2, 100)
		mails := y.mails(c)
		byWeekday, byHour, byMonth := map[string]int{}, map[string]int{}, map[string]int{}
		each := map[string]int{}
		for _, a := range mails {
			at := a.at.In(y.lives[a.who])
			byWeekday[at.Weekday().String()]++
			byHour[fmt.Sprint(at.Hour())]++
			byMonth[a.at.In(y.home).Format("2006-01")]++
			each[a.who]++
		}
		// χ² of 4 degrees of freedom exceeds 28 once in 100,000 times, that of 9 exceeds 40.
		if chi := uniform(byWeekday, 5); chi > 28 {
			t.Errorf("χ² of weekdays is %.1f: %v", chi, byWeekday)
		}
		if chi := uniform(byHour, 10); chi > 40 {
			t.Errorf("χ² of hours is %.1f: %v", chi, byHour)
		}
		delete(byMonth, "2027-03") // which is not over
		for month, n := range byMonth {
			if n < people*25/100 || n > people*75/100 {
				t.Errorf("%d of %d in %s: %v", n, people, month, byMonth)
			}
		}
		for who := range y.lives {
			if n := each[who]; n < 3 {
				t.Errorf("%s was asked %d times in 7 months", who, n)
			}
		}
		if got := y.became(c); got["SKIPPED TOO_LATE"]+got["SKIPPED QUIET_PERIOD"]+got["SKIPPED NOT_SAMPLED"] > 0 {
			t.Errorf("got %v", got)
		}
		t.Log(byWeekday, byHour, byMonth)
	})
}

// uniform is the χ² of counts of n kinds that are to be equal.
func uniform(counts map[string]int, n int) (chi float64) {
	total := 0
	for _, c := range counts {
		total += c
	}
	expected := float64(total) / float64(n)
	for _, c := range counts {
		chi += (float64(c) - expected) * (float64(c) - expected) / expected
	}
	return chi + float64(n-len(counts))*expected
}

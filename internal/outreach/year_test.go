package outreach_test

import (
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

// asking is that somebody was asked, as the mail server or the widget saw it.
type asking struct {
	who      string
	campaign string // the text of an id
	at       time.Time
	widget   bool
	reminder bool
}

// year is a tenant over months, and what the test itself has seen of it.
type year struct {
	*house

	home  *time.Location
	lives map[string]*time.Location // by address
	byID  map[uuid.UUID]string
	seen  []asking
	// planned is when plans were last looked at.
	planned time.Time
}

// populate opens a house in Amsterdam with so many people.
func populate(t *testing.T, db *store.DB, people int) *year {
	t.Helper()
	h := open(t, db, "Europe/Amsterdam", time.Date(2026, 9, 1, 0, 30, 0, 0, time.UTC))
	y := &year{house: h, lives: map[string]*time.Location{}, byID: map[uuid.UUID]string{}}
	y.home = y.zone("Europe/Amsterdam")
	in := make([]contact.Input, people)
	for i, name := range names(people) {
		in[i] = contact.Input{ExternalID: &name, Email: new(address(name))}
		y.lives[address(name)] = y.home
		if zone := zonesOf[i%len(zonesOf)]; zone != "" {
			in[i].TimeZone = &zone
			y.lives[address(name)] = y.zone(zone)
		}
	}
	h.upsert(in...)
	for _, c := range db.Ent.Contact.Query().AllX(h.ctx) {
		y.byID[c.ID] = *c.Email
	}
	return y
}

func (y *year) zone(name string) *time.Location {
	y.t.Helper()
	zone, err := time.LoadLocation(name)
	y.must(err)
	return zone
}

// day lets a day pass, with all that is done by the minute once, and what is due looked at within a few minutes.
func (y *year) day() {
	y.t.Helper()
	if y.clock.time().Sub(y.planned) >= 72*time.Hour {
		y.look()
		y.planned = y.clock.time()
	}
	for until := y.clock.time().Add(24 * time.Hour); ; {
		first, err := y.db.Ent.Invitation.Query().Where(entinvitation.NextAtLTE(until)).Order(entinvitation.ByNextAt()).First(y.ctx)
		if ent.IsNotFound(err) {
			y.clock.set(until)
			return
		}
		y.must(err)
		if at := first.NextAt.Add(5 * time.Minute); at.After(y.clock.time()) {
			y.clock.set(earlier(at, until))
		} else {
			y.clock.pass(time.Minute)
		}
		for _, m := range y.sweep() {
			_, list, _ := strings.Cut(m.text, "List-Id: <")
			campaign, _, _ := strings.Cut(list, ".")
			y.seen = append(y.seen, asking{who: m.to, campaign: campaign, at: m.at, reminder: m.isReminder()})
		}
		if !y.clock.time().Before(until) {
			return
		}
	}
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
	storetest.Each(t, func(t *testing.T, db *store.DB) { simulate(t, db, 120, 400) })
}

func simulate(t *testing.T, db *store.DB, people, days int) {
	t.Helper()
	const quiet = 30 * 24 * time.Hour
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
	answered := map[uuid.UUID]time.Time{}
	for range days {
		y.day()
		for range max(1, people/100) {
			name := names(people)[random.IntN(people)]
			y.event("bought", name)
			told++
		}
		sheet, err := y.book.Sheet(y.ctx, widget.ID)
		y.must(err)
		for range max(1, people/200) {
			who := db.Ent.Contact.Query().Offset(random.IntN(people)).FirstX(y.ctx)
			shown, _, err := y.survey.Ask(y.ctx, sheet, survey.Asking{Visitor: who.ID.String(), Contact: who.ID})
			y.must(err)
			if shown != nil {
				y.seen = append(y.seen, asking{who: *who.Email, campaign: widget.NodeID(), at: y.clock.time(), widget: true})
			}
		}
		for _, i := range db.Ent.Invitation.Query().Where(entinvitation.CampaignID(events.ID), entinvitation.StatusEQ(entinvitation.StatusSENT),
			entinvitation.SentAtGTE(y.clock.time().Add(-25*time.Hour))).AllX(y.ctx) {
			if random.IntN(5) == 0 {
				y.mark(i)
				answered[i.ID] = y.clock.time()
			}
		}
	}

	// Nobody twice within the quiet period, over all.
	last := map[string]asking{}
	reminded := map[string]time.Time{}
	asked := 0
	months := map[string]map[string]int{"": {}, wave.NodeID(): {}}
	for _, a := range y.seen {
		if w := windows[a.campaign]; w != nil && !inWindow(a.at, y.lives[a.who], w) {
			t.Errorf("%s got a mail of %s at %s", a.who, a.campaign, a.at.In(y.lives[a.who]))
		}
		before, was := last[a.who]
		if a.reminder {
			if !was || before.campaign != a.campaign || a.at.Sub(before.at) < 3*24*time.Hour || reminded[a.who].Equal(before.at) {
				t.Errorf("%s was reminded on %s of %v", a.who, a.at, before)
			}
			reminded[a.who] = before.at
			continue
		}
		if was && a.at.Sub(before.at) < quiet {
			t.Errorf("%s was asked on %s by %s and on %s by %s", a.who, before.at, before.campaign, a.at, a.campaign)
		}
		last[a.who] = a
		asked++
		if !a.widget {
			month := a.at.In(y.home).Format("2006-01")
			months[""][month]++
			if a.campaign == wave.NodeID() {
				months[a.campaign][month]++
			}
		}
	}
	if asked < people || len(reminded) == 0 {
		t.Errorf("%d askings and %d reminders: nothing was tried", asked, len(reminded))
	}
	// Budgets are kept, and some of them were short.
	short := 0
	for month, n := range months[""] {
		if n > perMonth {
			t.Errorf("%d mails in %s, of %d", n, month, perMonth)
		}
		if n == perMonth {
			short++
		}
	}
	for month, n := range months[wave.NodeID()] {
		if n > onceBudget {
			t.Errorf("%d mails of the wave in %s, of %d", n, month, onceBudget)
		}
		if n == onceBudget {
			short++
		}
	}
	if short == 0 {
		t.Errorf("no budget was short: %v", months)
	}
	// One decision for each, and all are accounted for.
	for _, of := range []struct {
		campaign *ent.Campaign
		want     int
	}{{wave, people}, {events, told}, {rounds, -1}} {
		decided := map[string]int{}
		sent := 0
		for _, i := range y.invitations(of.campaign) {
			decided[i.ContactID.String()+*i.Occasion]++
			switch i.Status {
			case entinvitation.StatusSENT, entinvitation.StatusANSWERED:
				sent++
			case entinvitation.StatusPLANNED:
				if of.campaign != rounds && i.DueAt.Before(y.clock.time()) {
					t.Errorf("one that was due on %s is still planned", i.DueAt)
				}
			case entinvitation.StatusSKIPPED:
				if i.SkippedBecause == nil {
					t.Error("somebody was left out for no reason")
				}
			default:
				t.Errorf("one is %s", i.Status)
			}
		}
		if of.want >= 0 && len(decided) != of.want {
			t.Errorf("%s: %d decisions, of %d", of.campaign.Name, len(decided), of.want)
		}
		for occasion, n := range decided {
			if n != 1 {
				t.Errorf("%s: %d decisions for %s", of.campaign.Name, n, occasion)
			}
		}
		if got := len(y.mails(of.campaign)); got != sent {
			t.Errorf("%s: %d mails arrived, and %d are noted", of.campaign.Name, got, sent)
		}
		t.Logf("%s: %v", of.campaign.Name, y.became(of.campaign))
	}
	y.judgeRounds(rounds, 3, 50)
}

// judgeRounds looks at a campaign that asks a share again and again.
func (y *year) judgeRounds(c *ent.Campaign, months int, percent float64) {
	t := y.t
	t.Helper()
	last := map[string]time.Time{}
	for _, a := range y.mails(c) {
		if before, was := last[a.who]; was {
			if earliest := later(before, months, y.lives[a.who]); a.at.Before(earliest.Add(-time.Hour)) { // the judge's own clock may be off where it changes
				t.Errorf("%s was asked on %s and again on %s", a.who, before, a.at)
			}
		}
		last[a.who] = a.at
	}
	drawn, sampled := map[string]int{}, map[string]int{}
	in := map[string]map[uuid.UUID]bool{}
	for _, i := range y.invitations(c) {
		round := *i.Occasion
		drawn[round]++
		if i.SkippedBecause == nil || *i.SkippedBecause != entinvitation.SkippedBecauseNOT_SAMPLED {
			sampled[round]++
			if in[round] == nil {
				in[round] = map[uuid.UUID]bool{}
			}
			in[round][*i.ContactID] = true
		}
	}
	if len(drawn) < 4 {
		t.Errorf("there were %d rounds", len(drawn))
	}
	share := percent / 100
	var chi float64
	for round, n := range drawn {
		expected := float64(n) * share
		off := float64(sampled[round]) - expected
		chi += off*off/expected + off*off/(float64(n)-expected+1e-9)
	}
	// χ² of 6 degrees of freedom exceeds 33 once in 100,000 times.
	if percent < 100 && chi > 33 {
		t.Errorf("χ² of the samples is %.1f: %v of %v", chi, sampled, drawn)
	}
	for a := range in {
		for b := range in {
			if a >= b || percent == 100 || drawn[a] < len(y.byID)*9/10 || drawn[b] < len(y.byID)*9/10 {
				continue
			}
			both := 0
			for who := range in[a] {
				if in[b][who] {
					both++
				}
			}
			n, p := float64(len(y.byID)), share*share
			if z := (float64(both) - n*p) / math.Sqrt(n*p*(1-p)); math.Abs(z) > 5 {
				t.Errorf("%d are in the samples of both %s and %s, which are to be drawn by themselves", both, a, b)
			}
		}
	}
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

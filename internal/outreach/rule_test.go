package outreach_test

import (
	"fmt"
	"testing"
	"time"

	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// Each rule that holds is said, the first of several in their order. All are broken at first, and then mended one after the other, while the
// mail waits.
func TestReasonsInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const last = 8
		for mended := range last + 1 {
			t.Run(fmt.Sprint(mended), func(t *testing.T) {
				h := open(t, db, "UTC", monday)
				gold := h.gold()
				h.limits(30, new(1))
				c, other := h.campaign("Campaign"), h.campaign("Other")
				isBroken := func(rule int) bool { return mended <= rule }
				in := contact.Input{ExternalID: new("ada"), Email: new(address("ada")), Traits: trait.Values{"plan": "gold"}}
				h.upsert(in)
				// Somebody else spends the budget, and somebody is asked in the quiet period.
				if isBroken(7) {
					h.people("", "other")
					h.invite(other, "other")
					if len(h.sweep()) != 1 {
						t.Fatal("nobody spent the budget")
					}
				}
				if isBroken(6) {
					h.inviteBy(other, outreach.ByLink, "ada")
				}
				s := onEvent("bought", 60)
				s.Segment = &gold
				h.set(c, s)
				h.event("bought", "ada")
				if isBroken(5) {
					_, err := db.Writer.ExecContext(t.Context(), `UPDATE schedules SET sample_percent = 0 WHERE tenant_id = $1`, h.tenant)
					h.must(err)
				}
				if isBroken(4) {
					h.upsert(contact.Input{ExternalID: new("ada"), Traits: trait.Values{"plan": "tin"}})
				}
				if isBroken(3) {
					h.suppress(entsuppression.ReasonMANUAL, "ada")
				}
				if isBroken(2) && !isBroken(1) {
					_, err := db.Writer.ExecContext(t.Context(), `UPDATE suppressions SET reason = 'UNSUBSCRIBED' WHERE tenant_id = $1`, h.tenant)
					h.must(err)
					if !isBroken(3) {
						h.suppress(entsuppression.ReasonUNSUBSCRIBED, "ada")
					}
				}
				if isBroken(1) {
					_, err := db.Writer.ExecContext(t.Context(), `UPDATE contacts SET email = NULL, email_key = NULL WHERE tenant_id = $1 AND external_id = 'ada'`, h.tenant)
					h.must(err)
				}
				if isBroken(0) {
					h.status(c, entcampaign.StatusPAUSED)
				}
				late := time.Hour
				if mended == last {
					late = 4 * 24 * time.Hour
				}
				h.clock.pass(time.Hour + late)
				h.sweep()
				want := []string{
					"PLANNED 1", "SKIPPED NO_ADDRESS 1", "SKIPPED UNSUBSCRIBED 1", "SKIPPED SUPPRESSED 1", "SKIPPED NOT_IN_SEGMENT 1",
					"SKIPPED NOT_SAMPLED 1", "SKIPPED QUIET_PERIOD 1", "SKIPPED OVER_BUDGET 1", "SKIPPED TOO_LATE 1",
				}[mended]
				h.wants(c, want)
				if mended > 0 {
					return
				}
				// Closed while it waits.
				h.status(c, entcampaign.StatusCLOSED)
				h.look()
				h.wants(c, "CANCELLED 1")
			})
		}
	})
}

// An event while the campaign rests is not asked about.
func TestEventWhilePaused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		c := h.campaign("Campaign")
		h.people("", "ada")
		h.set(c, onEvent("bought", 60))
		h.status(c, entcampaign.StatusPAUSED)
		h.event("bought", "ada")
		h.wants(c, "SKIPPED CAMPAIGN_NOT_ACTIVE 1")
		h.status(c, entcampaign.StatusACTIVE)
		h.look()
		if mails := h.until(monday.Add(48*time.Hour), time.Hour); len(mails) != 0 {
			t.Errorf("got mails %v", mails)
		}
		h.status(c, entcampaign.StatusCLOSED)
		h.event("bought", "ada")
		h.wants(c, "SKIPPED CAMPAIGN_NOT_ACTIVE 1")
	})
}

// Mails come in the window of the person's own zone: of one that nobody knows in the tenant's.
func TestZones(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "America/New_York", monday)
		zones := map[string]string{
			"ada": "Europe/Amsterdam", "bob": "Asia/Kathmandu", "cleo": "Australia/Lord_Howe", "dan": "Pacific/Apia", "eve": "", "finn": "America/New_York",
		}
		for name, zone := range zones {
			h.people(zone, name)
		}
		h.people("", "gus")
		_, err := db.Writer.ExecContext(t.Context(), `UPDATE contacts SET time_zone = 'Mars/Olympus' WHERE external_id = 'gus'`)
		h.must(err)
		zones["gus"], zones["eve"] = "America/New_York", "America/New_York"
		c := h.campaign("Campaign")
		s := h.once()
		s.Window = &outreach.Window{Weekdays: []outreach.Weekday{"WEDNESDAY"}, FromHour: 9, ToHour: 10}
		h.set(c, s)
		h.wants(c, "PLANNED 7")
		mails := h.until(monday.Add(72*time.Hour), 10*time.Minute)
		if len(mails) != len(zones) {
			t.Errorf("%d mails", len(mails))
		}
		for name, zone := range zones {
			loc, err := time.LoadLocation(zone)
			h.must(err)
			for _, m := range mails {
				if at := m.at.In(loc); m.to == address(name) && (at.Weekday() != time.Wednesday || at.Hour() != 9) {
					t.Errorf("%s got it on %s", name, at)
				}
			}
		}
	})
}

// What is due when a window has just closed goes out when it opens again, and is not too late then.
func TestMissedWindow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", names(5)...)
		c := h.campaign("Campaign")
		s := h.once()
		s.Window = &outreach.Window{Weekdays: []outreach.Weekday{"MONDAY"}, FromHour: 12, ToHour: 13}
		h.set(c, s)
		h.clock.set(monday.Add(time.Hour))
		if mails := h.sweep(); len(mails) != 0 {
			t.Fatalf("%d mails beyond the window", len(mails))
		}
		if mails := h.until(monday.Add(7*24*time.Hour+time.Hour), 30*time.Minute); len(mails) != 5 {
			t.Errorf("%d mails a week later", len(mails))
		}
		h.wants(c, "SENT 5")
	})
}

// What a person is when the mail is due decides.
func TestChangedMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		gold := h.gold()
		for _, name := range []string{"stays", "leaves", "unsubscribes", "suppressed", "addressless", "erased"} {
			h.upsert(contact.Input{ExternalID: &name, Email: new(address(name)), Traits: trait.Values{"plan": "gold"}})
		}
		c := h.campaign("Campaign")
		s := h.once()
		s.Segment = &gold
		h.set(c, s)
		h.wants(c, "PLANNED 6")
		h.upsert(contact.Input{ExternalID: new("leaves"), Traits: trait.Values{"plan": "tin"}})
		for _, i := range h.invitations(c) {
			if *i.ContactID == h.person("unsubscribes").ID {
				if is, err := h.desk.Unsubscribe(t.Context(), h.tenant, i.ID); err != nil || !is {
					t.Fatal(is, err)
				}
			}
		}
		h.suppress(entsuppression.ReasonMANUAL, "suppressed")
		_, err := db.Writer.ExecContext(t.Context(), `UPDATE contacts SET email = NULL, email_key = NULL WHERE external_id = 'addressless'`)
		h.must(err)
		h.erase("erased")
		mails := h.until(monday.Add(25*time.Hour), time.Hour)
		if len(mails) != 1 || mails[0].to != address("stays") {
			t.Errorf("mails went to %v", mails)
		}
		h.wants(c, "SENT 1, SKIPPED NOT_IN_SEGMENT 1, SKIPPED UNSUBSCRIBED 1, SKIPPED SUPPRESSED 1, SKIPPED NO_ADDRESS 1, CANCELLED 1")
	})
}

// A mail that rests waits, for three days at most.
func TestPauseAndResume(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, test := range []struct {
			rests time.Duration
			want  string
		}{{48 * time.Hour, "SENT 3"}, {97 * time.Hour, "SKIPPED TOO_LATE 3"}} {
			h := open(t, db, "UTC", monday)
			h.people("", names(3)...)
			c := h.campaign("Campaign")
			h.set(c, h.once())
			h.status(c, entcampaign.StatusPAUSED)
			if mails := h.until(monday.Add(test.rests), 6*time.Hour); len(mails) != 0 {
				t.Errorf("%d mails of a campaign that rests", len(mails))
			}
			h.look()
			h.wants(c, "PLANNED 3")
			h.status(c, entcampaign.StatusACTIVE)
			h.look()
			h.sweep()
			h.wants(c, test.want)
		}
	})
}

// A schedule that rests keeps back what it has planned, and nothing that somebody asked for.
func TestScheduleRests(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", "ada")
		c := h.campaign("Campaign")
		s := h.once()
		h.set(c, s)
		s.IsPaused = true
		h.set(c, s)
		h.wants(c, "CANCELLED 1")
		h.people("", "bob")
		h.look()
		h.invite(c, "bob")
		h.status(c, entcampaign.StatusPAUSED)
		if mails := h.sweep(); len(mails) != 0 {
			t.Errorf("%d mails of a campaign that rests", len(mails))
		}
		h.status(c, entcampaign.StatusACTIVE)
		h.look()
		if mails := h.sweep(); len(mails) != 1 || mails[0].to != address("bob") {
			t.Errorf("got mails %v", mails)
		}
		h.clock.pass(time.Hour)
		s.IsPaused = false
		h.set(c, s)
		if mails := h.until(h.clock.time().Add(25*time.Hour), time.Hour); len(mails) != 1 || mails[0].to != address("ada") {
			t.Errorf("got mails %v", mails)
		}
		h.wants(c, "CANCELLED 1, SENT 2, SKIPPED QUIET_PERIOD 1")
	})
}

// A schedule that is changed while its mails go out asks nobody twice, and those who are left at their new time.
func TestChangedSchedule(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.limits(0, nil)
		h.people("", names(40)...)
		c := h.campaign("Campaign")
		s := h.once()
		h.set(c, s)
		mails := h.until(monday.Add(12*time.Hour), time.Hour)
		sent := len(mails)
		if sent == 0 || sent == 40 {
			t.Fatalf("%d mails at half time", sent)
		}
		s.Occasion.Once.OverDays = 5
		h.set(c, s)
		h.wants(c, fmt.Sprintf("SENT %d, PLANNED %d, CANCELLED %[2]d", sent, 40-sent))
		h.plan(c)
		h.wants(c, fmt.Sprintf("SENT %d, PLANNED %d, CANCELLED %[2]d", sent, 40-sent))
		mails = append(mails, h.until(monday.Add(6*24*time.Hour), 6*time.Hour)...)
		nobodyTwice(t, mails)
		if len(mails) != 40 {
			t.Errorf("%d mails", len(mails))
		}
		// The same wave again asks nobody; another one does.
		h.set(c, s)
		if more := h.until(h.clock.time().Add(6*24*time.Hour), 12*time.Hour); len(more) != 0 {
			t.Errorf("%d more mails", len(more))
		}
		s.Occasion.Once.At = h.clock.time()
		h.set(c, s)
		again := h.until(h.clock.time().Add(6*24*time.Hour), 12*time.Hour)
		nobodyTwice(t, again)
		if len(again) != 40 {
			t.Errorf("%d mails of another wave", len(again))
		}
		// Taken away, its mails are called back.
		s.Occasion.Once.At = h.clock.time()
		h.set(c, s)
		_, err := h.desk.Delete(h.ctx, c.NodeID())
		h.must(err)
		h.plan(c)
		if n := h.became(c)["PLANNED"]; n != 0 {
			t.Errorf("%d are still planned", n)
		}
		if more := h.until(h.clock.time().Add(6*24*time.Hour), 12*time.Hour); len(more) != 0 {
			t.Errorf("%d mails of no schedule", len(more))
		}
	})
}

// What a schedule that is gone had planned is called back, also where its job is lost.
func TestDeletedWhilePlanning(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", names(3)...)
		c := h.campaign("Campaign")
		s := h.once()
		s.Occasion.Once.At = monday.Add(24 * time.Hour)
		h.set(c, s)
		_, err := h.desk.Delete(h.ctx, c.NodeID())
		h.must(err)
		h.asked()
		h.look()
		h.wants(c, "CANCELLED 3")
	})
}

// Those who come later are planned, too: soon where they are new, within a day where they come into the segment.
func TestComesLater(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		gold := h.gold()
		add := func(plan string, all ...string) {
			for _, name := range all {
				h.upsert(contact.Input{ExternalID: &name, Email: new(address(name)), Traits: trait.Values{"plan": plan}})
			}
		}
		add("gold", "a", "b", "c")
		add("tin", "d")
		c := h.campaign("Campaign")
		s := recurring(1)
		s.Segment = &gold
		h.set(c, s)
		h.wants(c, "PLANNED 3")
		add("gold", "e")
		h.look()
		h.wants(c, "PLANNED 4")
		add("gold", "d")
		h.clock.pass(25 * time.Hour)
		h.look()
		planned := map[string]bool{}
		for _, i := range h.invitations(c) {
			planned[i.ContactID.String()] = true
		}
		if len(planned) != 5 {
			t.Errorf("%d are planned or asked", len(planned))
		}
		// A wave that is over asks nobody any more.
		once := h.campaign("Once")
		h.set(once, h.once())
		h.clock.pass(48 * time.Hour)
		h.look()
		n := len(h.invitations(once))
		add("gold", "f")
		h.look()
		h.clock.pass(48 * time.Hour)
		h.look()
		if got := len(h.invitations(once)); got != n {
			t.Errorf("a wave of %d has %d", n, got)
		}
	})
}

// A clock that jumps ahead and back has nobody asked twice, and loses nobody.
func TestJumpingClock(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", names(30)...)
		c := h.campaign("Campaign")
		s := h.once()
		s.Occasion.Once.OverDays = 2
		h.set(c, s)
		mails := h.until(monday.Add(6*time.Hour), time.Hour)
		h.clock.pass(24 * time.Hour)
		mails = append(mails, h.sweep()...)
		h.look()
		h.clock.pass(-24 * time.Hour)
		h.look()
		mails = append(mails, h.until(monday.Add(49*time.Hour), time.Hour)...)
		nobodyTwice(t, mails)
		if len(mails) != 30 {
			t.Errorf("%d mails", len(mails))
		}
		h.wants(c, "SENT 30")
	})
}

// A database that was brought back sends nothing that was due more than three days ago.
func TestRestored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", names(20)...)
		c := h.campaign("Campaign")
		s := h.once()
		s.Occasion.Once.OverDays = 7
		h.set(c, s)
		// As of now, a week later.
		_, err := db.Writer.ExecContext(t.Context(), `CREATE TABLE before AS SELECT * FROM invitations`)
		h.must(err)
		first := h.until(monday.Add(7*24*time.Hour), 12*time.Hour)
		if len(first) != 20 {
			t.Fatalf("%d mails", len(first))
		}
		for _, statement := range []string{
			`DELETE FROM invitations`, `INSERT INTO invitations SELECT * FROM before`, `DROP TABLE before`,
			`UPDATE contacts SET last_asked_at = NULL`, `DELETE FROM monthly_counts`,
		} {
			_, err := db.Writer.ExecContext(t.Context(), statement)
			h.must(err)
		}
		mails := h.until(monday.Add(9*24*time.Hour), 12*time.Hour)
		nobodyTwice(t, mails)
		for _, m := range mails {
			for _, f := range first {
				if f.to == m.to && monday.Add(7*24*time.Hour).Sub(f.at) > 3*24*time.Hour+12*time.Hour {
					t.Errorf("%s was due on %s", m.to, f.at)
				}
			}
		}
		if got := h.became(c); got["SKIPPED TOO_LATE"] < 3 || got["SKIPPED TOO_LATE"]+got["SENT"] != 20 {
			t.Errorf("got %v", got)
		}
	})
}

// Two campaigns, and two processes, ask somebody once at a time.
func TestTwoProcesses(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db := storetest.Open(t, url)
		h := open(t, db, "UTC", monday)
		second, err := store.Open(t.Context(), url, store.Options{})
		h.must(err)
		defer func() { h.must(second.Close()) }()
		const people = 120
		h.people("", names(people)...)
		a, b := h.campaign("A"), h.campaign("B")
		for _, c := range []string{a.NodeID(), b.NodeID()} {
			_, err := h.desk.Set(h.ctx, outreach.SetInput{Campaign: c, Schedule: h.once()})
			h.must(err)
		}
		processes := []*process{h.process, h.start(db), h.start(second)}
		together(t, len(processes), func(i int) error {
			for _, c := range []outreach.PlanArgs{{Tenant: h.tenant, Campaign: a.ID}, {Tenant: h.tenant, Campaign: b.ID}} {
				if err := processes[i].desk.Plan(t.Context(), c); err != nil {
					return err
				}
			}
			return processes[i].desk.Look(t.Context(), outreach.LookArgs{})
		})
		h.wants(a, fmt.Sprintf("PLANNED %d", people))
		h.wants(b, fmt.Sprintf("PLANNED %d", people))
		var mails []arrived
		for range 8 {
			h.clock.pass(4 * time.Hour)
			together(t, len(processes), func(i int) error { return processes[i].mailer.Sweep(t.Context()) })
			mails = append(mails, h.server.take()...)
		}
		nobodyTwice(t, mails)
		if len(mails) != people {
			t.Errorf("%d mails", len(mails))
		}
		got := h.became(a)
		for status, n := range h.became(b) {
			got[status] += n
		}
		if got["SENT"] != people || got["SKIPPED QUIET_PERIOD"] != people {
			t.Errorf("got %v", got)
		}
	})
}

// A month's budget that ends in the middle of a day: once leaves the rest out, recurring asks them first in the month after.
func TestBudget(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, budgets := range map[string][2]*int{"campaign": {nil, new(7)}, "tenant": {new(7), nil}, "both": {new(9), new(7)}, "none": {nil, new(0)}} {
			t.Run(name, func(t *testing.T) {
				h := open(t, db, "America/New_York", monday)
				h.limits(0, budgets[0])
				h.people("America/New_York", names(20)...)
				c := h.campaign("Once")
				s := h.once()
				s.MonthlyBudget = budgets[1]
				h.set(c, s)
				mails := h.run(monday.Add(25 * time.Hour))
				want := 7
				if name == "none" {
					want = 0
				}
				if len(mails) != want {
					t.Errorf("%d mails", len(mails))
				}
				if want == 0 {
					h.wants(c, "SKIPPED OVER_BUDGET 20")
					return
				}
				h.wants(c, "SENT 7, SKIPPED OVER_BUDGET 13")
			})
		}
	})
}

func TestBudgetOfRounds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "America/New_York", monday)
		h.limits(0, nil)
		h.people("America/New_York", names(50)...)
		c := h.campaign("Recurring")
		s := recurring(12)
		s.MonthlyBudget = new(4)
		s.Window = &outreach.Window{Weekdays: []outreach.Weekday{"TUESDAY", "WEDNESDAY"}, FromHour: 9, ToHour: 12}
		h.set(c, s)
		due := map[string]time.Time{}
		for _, i := range h.invitations(c) {
			due[i.ContactID.String()] = i.DueAt
		}
		of := map[string]string{}
		for _, name := range names(50) {
			of[address(name)] = h.person(name).ID.String()
		}
		zone, err := time.LoadLocation("America/New_York")
		h.must(err)
		var mails []arrived
		for h.clock.time().Before(monday.AddDate(0, 15, 0)) {
			h.look()
			mails = append(mails, h.run(h.clock.time().Add(24*time.Hour))...)
		}
		months := map[string]int{}
		waited := 0
		var last time.Time
		for i, m := range mails {
			if i >= 50 {
				break // the next round
			}
			at := m.at.In(zone)
			month := at.Format("2006-01")
			months[month]++
			if d := at.Weekday(); d != time.Tuesday && d != time.Wednesday || at.Hour() < 9 || at.Hour() > 11 {
				t.Errorf("a mail on %s", at)
			}
			was := due[of[m.to]]
			if m.at.Sub(was) > 24*time.Hour {
				waited++
				// Those who wait go first, in the order in which they were due.
				if was.Before(last) {
					t.Errorf("%s, due on %s, came after one that was due on %s", m.to, was, last)
				}
			}
			last = was
		}
		for month, n := range months {
			if n > 4 {
				t.Errorf("%d mails in %s", n, month)
			}
		}
		if waited == 0 {
			t.Error("nobody waited: nothing was tried")
		}
	})
}

// Who was asked by the campaign otherwise, after their round was planned, is asked so many months after that.
func TestAskedSincePlanned(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.limits(0, nil)
		h.people("", names(10)...)
		c := h.campaign("Campaign")
		h.set(c, recurring(3))
		h.inviteBy(c, outreach.ByLink, names(10)...)
		if mails := h.run(monday.AddDate(0, 3, 0).Add(-time.Hour)); len(mails) != 0 {
			t.Errorf("within three months: %v", mails)
		}
		mails := h.run(monday.AddDate(0, 3, 8))
		nobodyTwice(t, mails)
		if len(mails) != 10 {
			t.Errorf("%d mails after them", len(mails))
		}
	})
}

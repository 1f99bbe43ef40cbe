package outreach_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entmonthlycount "github.com/zeroten/zeroten/ent/monthlycount"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/outreach/post"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

// limited has a house's mails go out so many a day at most.
func (h *house) limited(mails int) {
	h.t.Helper()
	office, err := post.Open(post.Config{URL: h.server.url})
	h.must(err)
	h.t.Cleanup(func() { h.must(office.Close()) })
	of := site
	of.MailsADay = mails
	h.mailer = outreach.NewMailer(h.desk, of, office)
}

// What a day has no room for goes out on the next ones, in the hours of its schedule, and nobody is left out for it.
func TestMailsADay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "America/New_York", monday) // 8 o'clock there
		h.limited(10)
		planned, asked := names(47), names(50)[47:]
		h.people("", names(50)...)
		c, by := h.campaign("Campaign"), h.campaign("By hand")
		hours := onEvent("bought", 0)
		hours.Window = nil
		h.set(c, hours)
		h.event("bought", planned...)
		h.invite(by, asked...)
		perDay := map[string]int{}
		zone, err := time.LoadLocation("America/New_York")
		h.must(err)
		for range 7 * 24 {
			for _, m := range h.sweep() {
				at := m.at.In(zone)
				perDay[at.Format(time.DateOnly)]++
				name, _, _ := strings.Cut(m.to, "@")
				if !slices.Contains(asked, name) && (at.Hour() < 8 || at.Hour() >= 18) {
					t.Errorf("%s", m)
				}
			}
			h.clock.pass(time.Hour)
		}
		if got, want := fmt.Sprint(perDay), "map[2026-09-07:10 2026-09-08:10 2026-09-09:10 2026-09-10:10 2026-09-11:10]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		h.wants(c, "SENT 47")
		h.wants(by, "SENT 3")
		if n := strings.Count(h.logged.String(), "wait for its next day"); n != 4 {
			t.Errorf("it was said %d times", n)
		}
		if h.sent() != 50 {
			t.Errorf("%d count for the budget", h.sent())
		}
		// What was handed over takes its room, whatever the server says of it; what was not takes none; and reminders do.
		h.clock.set(monday.Add(7 * 24 * time.Hour))
		again := h.campaign("Again")
		s := onEvent("came", 0)
		s.ReminderAfterDays = new(1)
		h.limits(0, nil)
		h.set(again, s)
		h.event("came", names(12)...)
		h.server.says(no(421, smtp.EnhancedCode{4, 3, 2}), nil, nil)
		h.sweep()
		h.wants(again, "PLANNED 12")
		h.server.says(nil, no(550, smtp.EnhancedCode{5, 7, 1}), nil)
		h.clock.pass(10 * time.Minute)
		h.sweep()
		h.server.says(nil, nil, nil)
		h.wants(again, "FAILED 10, PLANNED 2")
		h.event("came", names(9)...)
		if n := len(h.sweep()); n != 0 {
			t.Errorf("%d mails go out on a day that is full", n)
		}
		var each []int
		for range 4 {
			h.clock.pass(24 * time.Hour)
			each = append(each, len(h.sweep()))
		}
		// 11 mails, and a reminder of each a day later. On the second day the last mail and the last reminder, which are sent at once, want one place.
		if !slices.Equal(each, []int{10, 10, 1, 1}) && !slices.Equal(each, []int{10, 10, 2, 0}) {
			t.Errorf("%v a day", each)
		}
		// Days that are long over are not kept.
		days, err := db.Ent.MonthlyCount.Query().Where(entmonthlycount.Campaign(uuid.Max)).All(h.ctx)
		h.must(err)
		newest := 0
		for _, d := range days {
			newest = max(newest, d.Month)
		}
		if len(days) < 5 || slices.ContainsFunc(days, func(d *ent.MonthlyCount) bool { return d.Month < newest-7 }) {
			t.Errorf("there are %v", days)
		}
	})
}

// Whoever waits for the next day does so in their own zone, whoever found the day full, and whoever chose an hour keeps it.
func TestMailsADayByZones(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.limited(10)
		east, west := names(16)[:12], names(16)[12:]
		h.people("Europe/Berlin", east...)
		h.people("America/Los_Angeles", west...)
		c, by := h.campaign("Campaign"), h.campaign("By hand")
		hours := onEvent("bought", 0)
		hours.Window = nil
		h.set(c, hours)
		h.event("bought", slices.Concat(west, east)...)
		perDay := map[string]int{}
		for range 4 * 24 {
			for _, m := range h.sweep() {
				perDay[m.at.Format(time.DateOnly)]++
			}
			h.clock.pass(time.Hour)
		}
		if got, want := fmt.Sprint(perDay), "map[2026-09-07:10 2026-09-08:6]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		h.wants(c, "SENT 16")
		h.limits(0, nil)
		h.clock.set(monday.Add(7*24*time.Hour + 90*time.Minute))
		h.invite(by, slices.Concat(west, east)...)
		if n := len(h.sweep()); n != 10 {
			t.Errorf("%d mails on the day that they were asked for", n)
		}
		h.clock.pass(22 * time.Hour)
		if n := len(h.sweep()); n != 0 {
			t.Errorf("%d mails at another hour than the one that was chosen", n)
		}
		h.clock.pass(2 * time.Hour)
		if n := len(h.sweep()); n != 6 {
			t.Errorf("%d mails on the next day", n)
		}
	})
}

// A tenant with very many mails due has nobody else wait for all of them.
func TestEverybodysTurn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.limits(0, nil)
		h.people("", names(700)...)
		c := h.campaign("Campaign")
		h.set(c, onEvent("bought", 0))
		h.event("bought", names(700)...)
		h.clock.pass(time.Minute) // all others come later
		var others []*house
		for range 6 {
			o := open(t, db, "UTC", h.clock.time())
			others = append(others, o)
			o.people("", names(10)...)
			small := o.campaign("Campaign")
			o.set(small, onEvent("bought", 0))
			o.event("bought", names(10)...)
		}
		taken := map[uuid.UUID]int{}
		after := uuid.Nil
		for round := range 2 {
			var n int
			var of map[uuid.UUID]int
			of, after, n = outreach.Take(t.Context(), h.desk, 200, after)
			if n != 200 {
				t.Errorf("round %d takes %d", round, n)
			}
			for tenant, n := range of {
				taken[tenant] += n
			}
		}
		for i, o := range others {
			if taken[o.tenant] != 10 {
				t.Errorf("of tenant %d there are %d", i, taken[o.tenant])
			}
		}
		if taken[h.tenant] != 340 {
			t.Errorf("of the large one there are %d", taken[h.tenant])
		}
	})
}

// The index is what both ways to take go by, however much waits.
func TestTakingGoesByIndexes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", names(300)...)
		c := h.campaign("Campaign")
		h.set(c, onEvent("bought", 0))
		h.event("bought", names(300)...)
		explain := "EXPLAIN QUERY PLAN "
		if db.Dialect == store.Postgres {
			explain = "EXPLAIN "
			for range 30 {
				made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Acme", TimeZone: "UTC"})
				h.must(err)
				_, err = campaign.Create(auth.ForTenant(t.Context(), made.ID), db, campaign.CreateInput{Name: "Campaign"})
				h.must(err)
			}
			for _, statement := range []string{ // as it is where many tenants wait for later, and nothing was due when that was last looked at
				`UPDATE invitations SET next_at = NULL`,
				`INSERT INTO invitations (tenant_id, id, campaign_id, contact_id, channel, status, locale, traits, due_at, next_at, ignores_quiet, attempts)
					SELECT c.tenant_id, gen_random_uuid(), c.id, null, i.channel, i.status, i.locale, i.traits, i.due_at, i.due_at + interval '1 day', false, 0
					FROM invitations i, campaigns c`,
				`ANALYZE invitations`,
			} {
				_, err := db.Writer.ExecContext(t.Context(), statement)
				h.must(err)
			}
		}
		ctx := auth.ForTenant(t.Context(), h.tenant)
		for _, query := range []string{
			`SELECT t.id, (SELECT 1 FROM invitations i WHERE ` + outreach.DueOf(db.Dialect, "i", "t.id", "$1") + ` LIMIT 1) IS NOT NULL
				FROM tenants t WHERE t.id > $2 ORDER BY t.id LIMIT 500`,
			`SELECT tenant_id, id FROM invitations WHERE ` + outreach.DueOf(db.Dialect, "invitations", "$2", "$1") + ` LIMIT 20`,
		} {
			var plan strings.Builder
			h.must(store.Each(ctx, db.Reader, func(rows *sql.Rows) (err error) {
				var id, parent, unused int
				var line string
				if db.Dialect == store.Postgres {
					err = rows.Scan(&line)
				} else {
					err = rows.Scan(&id, &parent, &unused, &line)
				}
				plan.WriteString(line + "\n")
				return err
			}, explain+query, monday.Add(-time.Hour), h.tenant))
			if !strings.Contains(plan.String(), "invitation_tenant_id_next_at") {
				t.Errorf("%s goes by\n%s", query, plan.String())
			}
		}
	})
}

package outreach_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/outreach/post"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// sent is how many of this month's mails count for the budget.
func (h *house) sent() int {
	h.t.Helper()
	s, err := h.desk.Settings(h.ctx, site)
	h.must(err)
	return s.Limits.SentThisMonth
}

// only is a campaign's only invitation.
func (h *house) only(c *ent.Campaign) *ent.Invitation {
	h.t.Helper()
	all := h.invitations(c)
	if len(all) != 1 {
		h.t.Fatalf("there are %d invitations", len(all))
	}
	return all[0]
}

// What a server does not take for now is tried again, after longer and longer, for three days.
func TestDeferred(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", "ada")
		c := h.campaign("Campaign")
		tries := 0
		h.server.says(nil, func(string) error {
			tries++
			return no(451, smtp.EnhancedCode{4, 7, 1})("")
		}, nil)
		h.invite(c, "ada")
		h.sweep()
		for i, wait := range []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 6 * time.Hour} {
			if tries != i+1 {
				t.Fatalf("it was tried %d times, not %d", tries, i+1)
			}
			h.wants(c, "PLANNED 1")
			if h.sent() != 1 || h.person("ada").LastAskedAt == nil {
				t.Error("it does not count while it is tried")
			}
			h.clock.pass(wait - time.Second)
			if h.sweep(); tries != i+1 {
				t.Errorf("it was tried again before %s were over", wait)
			}
			h.clock.pass(time.Second)
			h.sweep()
		}
		h.until(monday.Add(73*time.Hour+7*time.Hour), time.Hour)
		h.wants(c, "FAILED 1")
		i := h.only(c)
		if i.BounceKind == nil || *i.BounceKind != entinvitation.BounceKindSOFT || i.BounceReason == nil || !strings.Contains(*i.BounceReason, "4.7.1") {
			t.Errorf("it bounced as %v, since %v", i.BounceKind, i.BounceReason)
		}
		if h.sent() != 0 || h.person("ada").LastAskedAt != nil {
			t.Error("what never went out counts")
		}
		// And in time it is sent.
		h.server.says(nil, no(451, smtp.EnhancedCode{4, 7, 1}), nil)
		h.invite(c, "ada")
		h.sweep()
		h.server.says(nil, nil, nil)
		if mails := h.until(h.clock.time().Add(time.Hour), time.Minute); len(mails) != 1 {
			t.Errorf("%d mails", len(mails))
		}
		h.wants(c, "FAILED 1, SENT 1")
	})
}

// What a server refuses for good has failed, and whose mailbox there is not is not written to again.
func TestRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, test := range map[string]struct {
			rcpt, data func(string) error
			kind       entinvitation.BounceKind
			suppressed int
		}{
			"no mailbox": {no(550, smtp.EnhancedCode{5, 1, 1}), nil, "HARD", 1},
			"policy":     {no(550, smtp.EnhancedCode{5, 7, 1}), nil, "SOFT", 0},
			"content":    {nil, no(554, smtp.EnhancedCode{5, 6, 0}), "SOFT", 0},
		} {
			t.Run(name, func(t *testing.T) {
				h := open(t, db, "UTC", monday)
				h.people("", "ada")
				c := h.campaign("Campaign")
				h.server.says(nil, test.rcpt, test.data)
				h.set(c, onEvent("bought", 0))
				h.event("bought", "ada")
				h.sweep()
				h.wants(c, "FAILED 1")
				if i := h.only(c); i.BounceKind == nil || *i.BounceKind != test.kind || i.BouncedAt == nil || i.BounceReason == nil || strings.Contains(*i.BounceReason, "ada") {
					t.Errorf("it bounced as %v, since %v", i.BounceKind, i.BounceReason)
				}
				if n := db.Ent.Suppression.Query().CountX(h.ctx); n != test.suppressed {
					t.Errorf("%d addresses are suppressed", n)
				}
				if h.sent() != 0 || h.person("ada").LastAskedAt != nil {
					t.Error("what never went out counts")
				}
			})
		}
	})
}

// While the server is away everything waits, and counts for nothing; and goes out once it is back.
func TestServerAway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, away := range map[string]func(string) error{
			"sender": no(550, smtp.EnhancedCode{5, 7, 1}), "busy": no(421, smtp.EnhancedCode{4, 3, 2}),
		} {
			t.Run(name, func(t *testing.T) {
				h := open(t, db, "UTC", monday)
				h.limits(30, new(100))
				h.people("", names(20)...)
				c := h.campaign("Campaign")
				h.server.says(away, nil, nil)
				s := h.once()
				h.set(c, s)
				h.clock.pass(25 * time.Hour)
				for range 10 {
					h.sweep()
					h.clock.pass(time.Minute)
				}
				h.wants(c, "PLANNED 20")
				if h.sent() != 0 || h.person(names(1)[0]).LastAskedAt != nil {
					t.Error("what did not go out counts")
				}
				h.server.says(nil, nil, nil)
				h.clock.pass(time.Minute)
				mails := h.until(h.clock.time().Add(20*time.Minute), time.Minute)
				nobodyTwice(t, mails)
				if len(mails) != 20 || h.sent() != 20 {
					t.Errorf("%d mails, of which %d count", len(mails), h.sent())
				}
				h.wants(c, "SENT 20")
				// Where it is away for days they are too late; nobody has failed.
				h.server.says(away, nil, nil)
				h.limits(0, nil)
				s.Occasion.Once.At = h.clock.time()
				h.set(c, s)
				h.until(h.clock.time().Add(102*time.Hour), 6*time.Hour)
				h.server.says(nil, nil, nil)
				if mails := h.until(h.clock.time().Add(time.Hour), time.Minute); len(mails) != 0 {
					t.Errorf("%d mails days later", len(mails))
				}
				h.wants(c, "SENT 20, SKIPPED TOO_LATE 20")
			})
		}
	})
}

// The very first mail tells where nobody answers, and that it is not the tenant's fault.
func TestNobodyAnswers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		h.must(err)
		office, err := post.Open(post.Config{URL: fmt.Sprintf("smtp://%s?tls=none", l.Addr())})
		h.must(err)
		h.must(l.Close())
		t.Cleanup(func() { h.must(office.Close()) })
		h.mailer = outreach.NewMailer(h.desk, site, office)
		h.people("", "ada")
		c := h.campaign("Campaign")
		h.invite(c, "ada")
		h.sweep()
		h.wants(c, "PLANNED 1")
		if log := h.logged.String(); strings.Count(log, "mails wait, since the mail server does not take any") != 1 || strings.Contains(log, "tenant") {
			t.Errorf("logged %s", log)
		}
	})
}

// A tenant whose sender the server does not want keeps nobody else's mails back.
func TestUnwantedSender(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		other := open(t, db, "UTC", monday)
		h.must(db.Write(h.ctx, func(tx *store.Tx) error {
			return tx.Ent.Outreach.Create().SetSenderAddress("bad@sender.example").Exec(h.ctx)
		}))
		h.server.says(func(from string) error {
			if strings.HasPrefix(from, "bad") {
				return no(550, smtp.EnhancedCode{5, 7, 1})("")
			}
			return nil
		}, nil, nil)
		h.people("", names(30)...)
		c := h.campaign("Bad")
		h.invite(c, names(30)...)
		other.people("", names(30)...)
		good := other.campaign("Good")
		other.invite(good, names(30)...)
		if mails := h.sweep(); len(mails) != 30 {
			t.Errorf("%d mails", len(mails))
		}
		other.wants(good, "SENT 30")
		h.wants(c, "PLANNED 30")
	})
}

// A mail of which nobody knows whether it was taken is not sent again; and what is called back while it is tried counts for nothing.
func TestCalledBackWhileTried(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, back := range map[string]func(h *house, c *ent.Campaign){
			"set": func(h *house, c *ent.Campaign) {
				s := h.once()
				s.Occasion.Once.At = monday.Add(90 * 24 * time.Hour)
				h.set(c, s)
			},
			"deleted": func(h *house, c *ent.Campaign) {
				_, err := h.desk.Delete(h.ctx, c.NodeID())
				h.must(err)
				h.sweepAt(time.Minute)
			},
			"closed": func(h *house, c *ent.Campaign) {
				h.status(c, entcampaign.StatusCLOSED)
				h.look()
			},
			"closed when it was due": func(h *house, c *ent.Campaign) {
				h.status(c, entcampaign.StatusCLOSED)
				h.sweepAt(time.Minute)
			},
			"cancelled": func(h *house, c *ent.Campaign) {
				out, err := h.desk.Cancel(h.ctx, []string{h.only(c).NodeID()})
				h.must(err)
				h.must(out[0].Errors.Err())
			},
			"erased": func(h *house, _ *ent.Campaign) {
				h.erase("ada")
				h.sweepAt(time.Minute)
			},
		} {
			t.Run(name, func(t *testing.T) {
				h := open(t, db, "UTC", monday)
				h.people("", "ada")
				c := h.campaign("Campaign")
				h.server.says(nil, no(451, smtp.EnhancedCode{4, 7, 1}), nil)
				h.set(c, h.once())
				h.clock.pass(25 * time.Hour)
				h.sweep()
				if h.sent() != 1 {
					t.Fatal("it was not tried")
				}
				back(h, c)
				if n := h.became(c)["CANCELLED"]; n != 1 {
					t.Errorf("%v", h.became(c))
				}
				if h.sent() != 0 {
					t.Error("what was called back counts for the budget")
				}
				if name != "erased" && h.person("ada").LastAskedAt != nil {
					t.Error("what was called back counts as asked")
				}
			})
		}
	})
}

func (h *house) sweepAt(after time.Duration) []arrived {
	h.t.Helper()
	h.clock.pass(after)
	return h.sweep()
}

// mark has an invitation be answered, as far as outreach sees it.
func (h *house) mark(i *ent.Invitation) {
	h.t.Helper()
	h.must(h.db.Write(h.ctx, func(tx *store.Tx) error {
		return tx.Ent.Invitation.UpdateOneID(i.ID).SetStatus(entinvitation.StatusANSWERED).Exec(h.ctx)
	}))
}

// What was answered before it was noted that the mail was taken stays so.
func TestAnsweredBeforeNoted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, end := range map[string]error{"taken": nil, "refused": no(554, smtp.EnhancedCode{5, 6, 0})("")} {
			t.Run(name, func(t *testing.T) {
				h := open(t, db, "UTC", monday)
				h.people("", "ada")
				c := h.campaign("Campaign")
				h.invite(c, "ada")
				h.server.says(nil, nil, func(string) error {
					h.mark(h.only(c))
					return end
				})
				h.sweep()
				h.wants(c, "ANSWERED 1")
				h.sweepAt(20 * time.Minute)
				h.wants(c, "ANSWERED 1")
			})
		}
	})
}

// What a process has handed over, and then died, is not handed over again.
func TestDiedMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", "ada")
		c := h.campaign("Campaign")
		h.invite(c, "ada")
		h.server.says(nil, nil, func(string) error {
			// Time passes, and another process looks.
			h.clock.pass(11 * time.Minute)
			return h.start(db).mailer.Sweep(t.Context())
		})
		mails := h.sweep()
		if len(mails) != 1 {
			t.Errorf("%d mails", len(mails))
		}
		h.wants(c, "SENT 1") // since the first one lived after all
		h.server.says(nil, nil, nil)
		if mails := h.until(h.clock.time().Add(time.Hour), 10*time.Minute); len(mails) != 0 {
			t.Errorf("%d more mails", len(mails))
		}
	})
}

// Who has not answered is reminded once, in the window, and that counts for nothing.
func TestReminder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.limits(30, new(10))
		h.people("Asia/Kolkata", names(6)...)
		c := h.campaign("Campaign")
		s := h.once()
		s.ReminderAfterDays = new(3)
		s.Window = &outreach.Window{Weekdays: []outreach.Weekday{"TUESDAY", "MONDAY"}, FromHour: 10, ToHour: 11}
		h.set(c, s)
		first := h.run(monday.Add(24 * time.Hour))
		nobodyTwice(t, first)
		if len(first) != 6 || h.sent() != 6 {
			t.Fatalf("%d mails", len(first))
		}
		all := h.invitations(c)
		h.mark(all[0])
		if is, err := h.desk.Unsubscribe(t.Context(), h.tenant, all[1].ID); err != nil || !is {
			t.Fatal(is, err)
		}
		h.erase(h.nameOf(*all[2].ContactID))
		tries := 0
		h.server.says(nil, func(string) error {
			if tries++; tries == 1 {
				return no(451, smtp.EnhancedCode{4, 7, 1})("")
			}
			return nil
		}, nil)
		reminders := h.run(monday.Add(20 * 24 * time.Hour))
		nobodyTwice(t, reminders)
		if len(reminders) != 3 || h.sent() != 6 {
			t.Errorf("%d reminders, and %d mails that count", len(reminders), h.sent())
		}
		zone, err := time.LoadLocation("Asia/Kolkata")
		h.must(err)
		for _, m := range reminders {
			if at := m.at.In(zone); at.Hour() != 10 || at.Weekday() != time.Monday || !m.isReminder() {
				t.Errorf("a reminder on %s", at)
			}
		}
		if asked := h.person(h.nameOf(*all[3].ContactID)).LastAskedAt; asked == nil || asked.After(monday.Add(24*time.Hour)) {
			t.Errorf("asked on %v", asked)
		}
		n := 0
		for _, i := range h.invitations(c) {
			if i.RemindedAt != nil {
				n++
			}
		}
		if n != 3 {
			t.Errorf("%d invitations say that they were reminded", n)
		}
	})
}

// nameOf is the name of a contact.
func (h *house) nameOf(contact uuid.UUID) string {
	h.t.Helper()
	c, err := h.db.Ent.Contact.Get(h.ctx, contact)
	h.must(err)
	return *c.ExternalID
}

// A mail to an address that is none fails, and no other.
func TestNoAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", names(5)...)
		h.upsert(contact.Input{ExternalID: new("none"), Email: new("no address")})
		c := h.campaign("Campaign")
		h.invite(c, append(names(5), "none")...)
		if mails := h.sweep(); len(mails) != 5 {
			t.Errorf("%d mails", len(mails))
		}
		if got := h.became(c); got["SENT"] != 5 || got["FAILED"] != 1 {
			t.Errorf("got %v", got)
		}
		if n := h.sent(); n != 5 {
			t.Error(fmt.Sprint(n), "mails count")
		}
	})
}

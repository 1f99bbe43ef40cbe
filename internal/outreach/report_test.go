package outreach_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/outreach/bounce"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
)

// Three mails in a row that came back for now suppress an address, whoever says so; not those to another address, nor with one between that arrived.
func TestSoftInARow(t *testing.T) {
	const taken, refused, reported, moves, late = "taken", "refused", "reported", "moves", "late"
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, test := range map[string]struct {
			steps      []string
			suppressed bool
		}{
			"refused by the server": {[]string{refused, refused, refused}, true},
			"two":                   {[]string{refused, refused}, false},
			"reported":              {[]string{reported, reported, reported}, true},
			"both":                  {[]string{reported, refused, refused}, true},
			"both, reported last":   {[]string{refused, refused, reported}, true},
			"one arrived":           {[]string{refused, refused, taken, refused}, false},
			"another address":       {[]string{refused, refused, moves, refused}, false},
			"long ago":              {[]string{refused, refused, late, refused}, false},
		} {
			t.Run(name, func(t *testing.T) {
				h := open(t, db, "UTC", monday)
				h.limits(0, nil)
				h.people("", "ada")
				c := h.campaign("Campaign")
				for _, step := range test.steps {
					switch h.clock.pass(time.Hour); step {
					case moves:
						h.upsert(contact.Input{ExternalID: new("ada"), Email: new("ada@y.example")})
						continue
					case late:
						h.clock.pass(31 * 24 * time.Hour)
						continue
					case refused:
						h.server.says(nil, no(550, smtp.EnhancedCode{5, 7, 1}), nil)
					default:
						h.server.says(nil, nil, nil)
					}
					out := h.invite(c, "ada")
					h.sweep()
					if step == reported {
						h.must(h.desk.Reported(t.Context(), []bounce.Report{{Invitation: out[0].Value.NodeID(), Kind: bounce.Soft, At: h.clock.time()}}))
					}
				}
				s, err := h.desk.Suppression(h.ctx, h.person("ada"))
				h.must(err)
				if (s != nil) != test.suppressed || s != nil && s.Reason != entsuppression.ReasonBOUNCED {
					t.Errorf("suppressed: %v", s)
				}
			})
		}
	})
}

// What a provider says to have arrived after all has its reminder: whether it was unknown until then, or had come back for now.
func TestReminderOfWhatArrivedAfterAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, test := range map[string]struct {
			lost      bool
			reports   []bounce.Kind
			after     time.Duration
			reminders int
		}{
			"unknown":                {true, []bounce.Kind{bounce.Delivered}, time.Hour, 1},
			"unknown, and said late": {true, []bounce.Kind{bounce.Delivered}, 9 * 24 * time.Hour, 0},
			"complained of":          {true, []bounce.Kind{bounce.Complaint}, time.Hour, 0},
			"never heard of again":   {true, nil, time.Hour, 0},
			"came back for now":      {false, []bounce.Kind{bounce.Soft, bounce.Delivered}, time.Hour, 1},
			"came back":              {false, []bounce.Kind{bounce.Soft}, time.Hour, 0},
			"said twice":             {false, []bounce.Kind{bounce.Delivered, bounce.Delivered}, time.Hour, 1},
		} {
			for _, planned := range []bool{true, false} {
				t.Run(fmt.Sprint(name, planned), func(t *testing.T) {
					h := open(t, db, "UTC", monday)
					h.people("", "ada")
					c := h.campaign("Campaign")
					s := onEvent("bought", 0)
					s.ReminderAfterDays = new(3)
					h.set(c, s)
					if test.lost {
						h.server.says(nil, nil, func(string) error { return errLost })
					}
					if planned {
						h.event("bought", "ada")
					} else {
						h.invite(c, "ada")
					}
					h.sweep()
					h.server.says(nil, nil, nil)
					for _, kind := range test.reports {
						h.clock.pass(test.after)
						h.must(h.desk.Reported(t.Context(), []bounce.Report{{Invitation: h.only(c).NodeID(), Kind: kind, At: h.clock.time()}}))
					}
					want := test.reminders
					if !planned { // those of a schedule alone are reminded
						want = 0
					}
					mails := h.run(monday.Add(20 * 24 * time.Hour))
					if len(mails) != want || want > 0 && (!mails[0].isReminder() || mails[0].at.Before(monday.Add(3*24*time.Hour))) {
						t.Errorf("got %v, want %d", mails, want)
					}
				})
			}
		}
	})
}

// A preview of a wave that is over says of each what was true of them then.
func TestPreviewOfWhatIsDecided(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.limits(30, nil)
		h.people("", names(60)...)
		h.suppress(entsuppression.ReasonUNSUBSCRIBED, names(60)[0])
		h.inviteBy(h.campaign("Other"), outreach.ByLink, names(60)[1:6]...)
		c := h.campaign("Wave")
		s := h.once()
		s.SamplePercent, s.MonthlyBudget = 60, new(10)
		h.set(c, s)
		h.run(monday.AddDate(0, 0, 2))
		h.clock.pass(60 * 24 * time.Hour) // when the quiet period is over
		want := map[string]int{}
		for _, i := range h.invitations(c) {
			switch i.Status {
			case entinvitation.StatusSENT:
				want["QUIET_PERIOD"]++ // the wave itself has asked them
			case entinvitation.StatusSKIPPED:
				want[string(*i.SkippedBecause)]++
			default:
				t.Errorf("one is %s", i.Status)
			}
		}
		p, err := h.desk.Preview(h.ctx, c, nil, nil)
		h.must(err)
		if got := told(p); got != summary(0, want, nil) || len(want) < 4 {
			t.Errorf("it says %s, want %v", got, want)
		}
	})
}

// A name of nothing but white space is refused as all else is that may be left out.
func TestSenderName(t *testing.T) {
	for name, want := range map[string]apierror.UserErrorCode{"": "INVALID", "  ": "INVALID", "A\nB": "INVALID", strings.Repeat("x", 101): "TOO_LONG", "Ada": ""} {
		in := outreach.UpdateInput{Sender: &outreach.SenderInput{Name: &name}}
		errs := in.Validate()
		if want == "" && errs == nil {
			continue
		}
		if len(errs) != 1 || errs[0].Code != want || strings.Join(errs[0].Field, ".") != "sender.name" {
			t.Errorf("%q: %v, want %s", name, errs, want)
		}
	}
}

// Of two who ask somebody at once whatever their quiet period the second hears of the first, to take back no more than its own.
func TestClaimsOneAfterTheOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", "ada")
		ada := h.person("ada").ID
		later := monday.Add(time.Minute)
		var second sync.WaitGroup
		var before *time.Time
		var failed error
		h.must(db.Write(h.ctx, func(tx *store.Tx) error {
			if _, asked, err := survey.Claim(h.ctx, tx, ada, monday, 0); err != nil || !asked {
				return fmt.Errorf("asked: %t, %w", asked, err)
			}
			second.Go(func() {
				failed = db.Write(h.ctx, func(tx *store.Tx) (err error) {
					before, _, err = survey.Claim(h.ctx, tx, ada, later, 0)
					return err
				})
			})
			if db.Dialect != store.Postgres {
				return nil // the second waits for its turn
			}
			ctx, cancel := context.WithTimeout(h.ctx, time.Minute)
			defer cancel()
			for waiting := 0; waiting == 0; {
				err := db.Reader.QueryRowContext(ctx, `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
					WHERE NOT l.granted AND a.datname = current_database()`).Scan(&waiting)
				if err != nil {
					return err
				}
				runtime.Gosched()
			}
			return nil
		}))
		second.Wait()
		h.must(failed)
		if before == nil || !before.Equal(monday) {
			t.Errorf("they were asked before on %v, want %v", before, monday)
		}
	})
}

// What is called back of somebody who was erased is looked at all the same: there may be files of a mail that the server has put off.
func TestCalledBackOfWhoWasErased(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", "ada")
		c := h.campaign("Campaign")
		h.set(c, onEvent("bought", 60))
		h.event("bought", "ada")
		h.erase("ada")
		_, err := h.desk.Delete(h.ctx, c.NodeID())
		h.must(err)
		for range h.asked() {
			h.plan(c)
		}
		if i := h.only(c); i.Status != entinvitation.StatusCANCELLED || i.NextAt == nil {
			t.Errorf("it is %s, and looked at on %v", i.Status, i.NextAt)
		}
		h.sweep()
		if i := h.only(c); i.Status != entinvitation.StatusCANCELLED || i.NextAt != nil {
			t.Errorf("it is %s, and looked at on %v", i.Status, i.NextAt)
		}
	})
}

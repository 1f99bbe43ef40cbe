package outreach_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/outreach/bounce"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// report tells of an invitation's mail.
func (h *house) report(i *ent.Invitation, kind bounce.Kind) {
	h.t.Helper()
	h.must(h.desk.Reported(h.t.Context(), []bounce.Report{{Provider: "test", Invitation: id.Invitation.Format(i.ID), Kind: kind, At: h.clock.time()}}))
}

// Whatever is said of an address, in whatever order, what a person takes back is what they said by a mail, and nothing else.
func TestSaidOfAnAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for said, want := range map[string]string{
			"unsubscribe":                                       "UNSUBSCRIBED by a mail",
			"unsubscribe, resubscribe":                          "",
			"bounce, unsubscribe":                               "UNSUBSCRIBED by a mail",
			"bounce, unsubscribe, resubscribe":                  "BOUNCED by a mail",
			"bounce, unsubscribe, resubscribe, resubscribe":     "BOUNCED by a mail",
			"bounce, unsubscribe, bounce, resubscribe":          "BOUNCED by a mail",
			"manual, unsubscribe, resubscribe":                  "MANUAL",
			"manual, unsubscribe, bounce, resubscribe":          "MANUAL",
			"manual, unsubscribe, resubscribe, unsubscribe":     "UNSUBSCRIBED by a mail",
			"unsubscribe, manual":                               "UNSUBSCRIBED by a mail",
			"unsubscribe, manual, resubscribe":                  "MANUAL",
			"unsubscribe, bounce, resubscribe":                  "BOUNCED by a mail",
			"unsubscribe, elsewhere, resubscribe":               "UNSUBSCRIBED",
			"unsubscribe, elsewhere, resubscribe, resubscribe":  "UNSUBSCRIBED",
			"elsewhere, unsubscribe, resubscribe":               "UNSUBSCRIBED",
			"unsubscribe, end, bounce":                          "BOUNCED by a mail",
			"unsubscribe, end, manual":                          "MANUAL",
			"unsubscribe, end, unsubscribe":                     "UNSUBSCRIBED by a mail",
			"unsubscribe, unsubscribe, resubscribe":             "",
			"unsubscribe, complaint":                            "COMPLAINED by a mail",
			"unsubscribe, complaint, resubscribe":               "COMPLAINED by a mail",
			"elsewhere, complaint, resubscribe":                 "COMPLAINED by a mail",
			"complaint, unsubscribe, resubscribe":               "COMPLAINED by a mail",
			"bounce, complaint, unsubscribe, bounce, elsewhere": "COMPLAINED by a mail",
		} {
			t.Run(said, func(t *testing.T) {
				h := open(t, db, "UTC", monday)
				h.people("", "ada")
				c := h.campaign("Campaign")
				h.invite(c, "ada")
				h.sweep()
				i := h.only(c)
				for _, one := range strings.Split(said, ", ") {
					switch one {
					case "unsubscribe":
						found, err := h.desk.Unsubscribe(h.ctx, h.tenant, i.ID)
						h.must(err)
						if !found {
							t.Error("nobody was found")
						}
					case "resubscribe":
						_, err := h.desk.Resubscribe(h.ctx, h.tenant, i.ID)
						h.must(err)
					case "bounce":
						h.report(i, bounce.Hard)
					case "complaint":
						h.report(i, bounce.Complaint)
					case "manual":
						h.suppress(entsuppression.ReasonMANUAL, "ada")
					case "end": // by the tenant, with the person's consent
						s, err := h.desk.Suppression(h.ctx, h.person("ada"))
						h.must(err)
						_, err = h.desk.Unsuppress(h.ctx, s.NodeID())
						h.must(err)
					case "elsewhere":
						h.suppress(entsuppression.ReasonUNSUBSCRIBED, "ada")
					}
				}
				got := ""
				s, err := h.desk.Suppression(h.ctx, h.person("ada"))
				if err != nil {
					t.Error(err)
				} else if s != nil {
					got = string(s.Reason)
					if s.InvitationID != nil {
						got += " by a mail"
					}
				}
				if got != want {
					t.Errorf("it is %q, want %q", got, want)
				}
				if is, err := h.desk.Unsubscribed(t.Context(), h.tenant, i.ID); err != nil || is != (want == "UNSUBSCRIBED by a mail") {
					t.Errorf("unsubscribed by a mail: %t, %v", is, err)
				}
				if n, err := h.desk.Suppress(h.ctx, []string{address("ada")}, entsuppression.ReasonMANUAL); err != nil || (n == 1) != (want == "") {
					t.Errorf("%d are new, %v", n, err)
				}
				// Where the tenant has ended it, the page is to offer it again.
				if s != nil {
					_, err := h.desk.Unsuppress(h.ctx, s.NodeID())
					h.must(err)
					if is, err := h.desk.Unsubscribed(t.Context(), h.tenant, i.ID); err != nil || is {
						t.Errorf("unsubscribed once that is ended: %t, %v", is, err)
					}
				}
			})
		}
	})
}

// A provider tells of many mails at once, of all tenants, and of one mail more than one thing, in the order in which they happened.
func TestReportedTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		one, other := open(t, db, "UTC", monday), open(t, db, "UTC", monday)
		var reports []bounce.Report
		tell := func(i *ent.Invitation, kind bounce.Kind, after time.Duration) {
			reports = append(reports, bounce.Report{Provider: "test", Invitation: id.Invitation.Format(i.ID), Kind: kind, At: monday.Add(after), Reason: "why"})
		}
		all, mails := map[*house]*ent.Campaign{}, map[*house][]*ent.Invitation{}
		for _, h := range []*house{one, other} {
			h.people("", names(110)...)
			c := h.campaign("Campaign")
			h.invite(c, names(110)...)
			h.sweep()
			all[h], mails[h] = c, h.invitations(c)
		}
		for n := range 110 {
			for _, h := range []*house{one, other} {
				i := mails[h][n]
				switch n % 3 {
				case 0:
					tell(i, bounce.Soft, time.Minute)
					tell(i, bounce.Delivered, 2*time.Minute)
				case 1:
					tell(i, bounce.Hard, time.Minute)
				default:
					tell(i, bounce.Delivered, time.Minute)
				}
			}
			reports = append(reports, bounce.Report{Provider: "test", Kind: bounce.Hard, At: monday}) // no mail of ours
			tell(&ent.Invitation{ID: id.New()}, bounce.Hard, 0)
		}
		for range 2 { // told again it changes nothing
			one.must(one.desk.Reported(t.Context(), reports))
			for _, h := range []*house{one, other} {
				h.wants(all[h], "SENT 73, BOUNCED 37")
				if n := db.Ent.Suppression.Query().CountX(h.ctx); n != 37 {
					t.Errorf("%d are suppressed", n)
				}
			}
		}
	})
}

// Providers, persons and the tenant tell of the same addresses at once, each in an order of their own, while people are erased. PostgreSQL ends one of
// two who wait for each other, and nobody is to hear of that.
func TestToldAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const n = 60
		h := open(t, db, "UTC", monday)
		h.limits(0, nil)
		who := names(n)
		h.people("", who...)
		var mails [][]*ent.Invitation
		var all []*ent.Invitation
		for _, name := range []string{"One", "Other"} {
			c := h.campaign(name)
			h.invite(c, who...)
			h.sweep()
			mails = append(mails, h.invitations(c))
			all = append(all, h.invitations(c)...)
			h.clock.pass(25 * time.Hour)
		}
		r := rand.New(rand.NewPCG(1, 2))
		var telling sync.WaitGroup
		tell := func(f func() error) {
			telling.Go(func() {
				if err := f(); err != nil {
					t.Error(err)
				}
			})
		}
		for round, kind := range []bounce.Kind{bounce.Hard, bounce.Soft, bounce.Unsubscribed, bounce.Complaint} {
			gone := h.person(who[round]).NodeID()
			c := h.campaign(fmt.Sprint("Round ", round))
			h.set(c, onEvent("bought", 0))
			invite := outreach.InviteInput{Campaign: h.campaign(fmt.Sprint("Link ", round)).NodeID(), Delivery: outreach.ByLink}
			var events []outreach.ContactEvent
			for _, at := range r.Perm(n - round) { // those who are there, and who is just being erased
				ref := contact.Input{ExternalID: &who[round+at]}
				invite.Invitees = append(invite.Invitees, outreach.Invitee{Contact: ref})
				events = append(events, outreach.ContactEvent{Name: "bought", Contact: ref})
			}
			for _, some := range mails {
				reports := make([]bounce.Report, n)
				for i, at := range r.Perm(n) {
					reports[i] = bounce.Report{Provider: "test", Invitation: id.Invitation.Format(some[at].ID), Kind: kind, At: monday}
				}
				tell(func() error { return h.desk.Reported(t.Context(), reports) })
			}
			for range 3 {
				order := r.Perm(2 * n)
				tell(func() (err error) {
					for k, at := range order {
						if k%3 == 0 {
							_, err = h.desk.Resubscribe(t.Context(), h.tenant, all[at].ID)
						} else {
							_, err = h.desk.Unsubscribe(t.Context(), h.tenant, all[at].ID)
						}
						if err != nil {
							return err
						}
					}
					return nil
				})
			}
			stay := who[4:] // of the others the tenant says nothing itself
			addresses := make([]string, len(stay))
			for i, at := range r.Perm(len(stay)) {
				addresses[i] = address(stay[at])
			}
			tell(func() error {
				_, err := h.desk.Suppress(h.ctx, addresses, entsuppression.ReasonMANUAL)
				return err
			})
			tell(func() error {
				_, err := h.desk.Invite(h.ctx, invite)
				return err
			})
			tell(func() error {
				_, err := h.desk.Record(h.ctx, events)
				return err
			})
			tell(func() error {
				_, err := h.log.Erase(h.ctx, gone)
				return err
			})
			telling.Wait()
		}
		if got := db.Ent.Suppression.Query().Where(entsuppression.ReasonEQ(entsuppression.ReasonCOMPLAINED)).CountX(h.ctx); got != n {
			t.Errorf("%d have complained, want %d", got, n)
		}
		if left := db.Ent.Suppression.Query().Where(entsuppression.EmailNotNil()).CountX(h.ctx); left != n-4 {
			t.Errorf("%d addresses are there, want %d", left, n-4)
		}
	})
}

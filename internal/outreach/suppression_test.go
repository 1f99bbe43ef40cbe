package outreach_test

import (
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/id"
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
					case "elsewhere":
						h.suppress(entsuppression.ReasonUNSUBSCRIBED, "ada")
					}
				}
				got := ""
				if s, err := h.desk.Suppression(h.ctx, h.person("ada")); err != nil {
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
				if n, err := h.desk.Suppress(h.ctx, []string{address("ada")}, entsuppression.ReasonMANUAL); err != nil || (n == 1) != (want == "") {
					t.Errorf("%d are new, %v", n, err)
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

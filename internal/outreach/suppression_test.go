package outreach_test

import (
	"strings"
	"testing"

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

package outreach_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	entsuppression "github.com/zeroten/zeroten/ent/suppression"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/outreach"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// told is what a preview says.
func told(p *outreach.Preview) string {
	skipped, days := map[string]int{}, map[calendar.Day]int{}
	for _, s := range p.Skipped {
		skipped[string(s.Reason)] = s.Invitations
	}
	for _, d := range p.Days {
		days[d.Date] = d.Invitations
	}
	return summary(p.Invitations, skipped, days)
}

func summary(invitations int, skipped map[string]int, days map[calendar.Day]int) string {
	text := fmt.Sprint(invitations, skipped)
	for _, day := range slices.Sorted(maps.Keys(days)) {
		text += fmt.Sprintf(" %s:%d", day, days[day])
	}
	return text
}

// cameTrue is what becomes of a campaign's invitations in the half year from monday, the first one of each, in the words of a preview.
func (h *house) cameTrue(c *ent.Campaign) string {
	h.t.Helper()
	end := monday.AddDate(0, 6, 0)
	for at := monday; at.Before(end); at = at.AddDate(0, 0, 7) {
		h.look()
		h.run(at)
	}
	skipped, days := map[string]int{}, map[calendar.Day]int{}
	seen := map[uuid.UUID]bool{}
	invitations := 0
	zone, err := time.LoadLocation("Europe/Amsterdam")
	h.must(err)
	for _, i := range h.invitations(c) {
		if seen[*i.ContactID] {
			continue // the next round
		}
		seen[*i.ContactID] = true
		switch i.Status {
		case entinvitation.StatusSENT:
			invitations++
			days[calendar.DayOf(*i.SentAt, zone)]++
		case entinvitation.StatusSKIPPED:
			skipped[string(*i.SkippedBecause)]++
		default:
			h.t.Errorf("one is %s, due on %s", i.Status, i.DueAt)
		}
	}
	return summary(invitations, skipped, days)
}

// Whom another campaign asks once they are planned for is put off, and a preview says so.
func TestPreviewOfWhoWasAskedSince(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "Europe/Amsterdam", monday)
		h.limits(40, nil)
		who := names(40)
		for i, name := range who {
			h.upsert(contact.Input{ExternalID: &name, Email: new(address(name)), TimeZone: &zonesOf[1+i%10]})
		}
		c := h.campaign("Campaign")
		h.set(c, recurring(2))
		h.look()
		h.inviteBy(h.campaign("Other"), outreach.ByLink, who[:30]...)
		p, err := h.desk.Preview(h.ctx, c, nil, nil)
		h.must(err)
		if p.Invitations != 40 {
			t.Errorf("%s", told(p))
		}
		if got := h.cameTrue(c); got != told(p) {
			t.Errorf("it said %s\nand was  %s", told(p), got)
		}
	})
}

// A preview says what then happens, to the day, of all occasions, with budgets and without.
func TestPreviewComesTrue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, schedule := range map[string]func(h *house) outreach.ScheduleInput{
			"once": func(h *house) outreach.ScheduleInput {
				s := h.once()
				s.Occasion.Once.OverDays = 40
				return s
			},
			"recurring": func(*house) outreach.ScheduleInput { return recurring(4) },
			"on event":  func(*house) outreach.ScheduleInput { return onEvent("bought", 24*60) },
		} {
			for _, budget := range []*int{nil, new(6)} {
				t.Run(fmt.Sprint(name, budget != nil), func(t *testing.T) {
					h := open(t, db, "Europe/Amsterdam", monday)
					h.limits(20, budget)
					gold := h.gold()
					other := h.campaign("Other")
					who, again := names(60), name == "recurring"
					for i, name := range who {
						in := contact.Input{ExternalID: &name, Email: new(address(name)), TimeZone: &zonesOf[1+i%10], Traits: trait.Values{"plan": "gold"}}
						if again && budget != nil { // where a month begins later, those of the next round whose month has begun are first in line
							in.TimeZone = &zonesOf[1]
						}
						if i%7 == 0 {
							in.Email = nil
						}
						if i%5 == 4 {
							in.Traits = trait.Values{"plan": "tin"}
						}
						h.upsert(in)
					}
					h.suppress(entsuppression.ReasonMANUAL, who[1], who[2])
					h.suppress(entsuppression.ReasonUNSUBSCRIBED, who[3])
					if !again || budget == nil { // whoever is put off comes when the next round begins, and takes of its budget
						h.inviteBy(other, outreach.ByLink, who[5:25]...)
					}
					c := h.campaign("Campaign")
					s := schedule(h)
					s.Segment, s.Window = &gold, nil
					if name != "on event" { // of which each draws anew
						s.SamplePercent = 70
					}
					tried, err := h.desk.Preview(h.ctx, c, &s, nil)
					h.must(err)
					if n := len(h.invitations(c)); n != 0 {
						t.Fatalf("a preview has planned %d", n)
					}
					h.set(c, s)
					own, err := h.desk.Preview(h.ctx, c, nil, nil)
					h.must(err)
					if told(tried) != told(own) {
						t.Errorf("tried: %s\nset:   %s", told(tried), told(own))
					}
					if tried.Contacts != 48 {
						t.Errorf("%d contacts", tried.Contacts)
					}
					if name == "on event" {
						var in []string
						for i, name := range who {
							if i%5 != 4 {
								in = append(in, name)
							}
						}
						h.event("bought", in...)
					}
					if got := h.cameTrue(c); got != told(tried) {
						t.Errorf("it said %s\nand was  %s", told(tried), got)
					}
				})
			}
		}
	})
}

// However many addresses are never written to, a preview knows each of them.
func TestPreviewKnowsAllWhoAreBarred(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "Europe/Amsterdam", monday)
		who := names(30)
		for _, name := range who {
			h.upsert(contact.Input{ExternalID: &name, Email: new(address(name))})
		}
		c, s := h.campaign("Campaign"), h.once()
		check := func(barred int) {
			t.Helper()
			p, err := h.desk.Preview(h.ctx, c, &s, nil)
			h.must(err)
			if want := summary(30-barred, map[string]int{"UNSUBSCRIBED": barred}, nil); !strings.HasPrefix(told(p), want) {
				t.Errorf("%s, want %s", told(p), want)
			}
		}
		h.suppress(entsuppression.ReasonUNSUBSCRIBED, who[:2]...)
		check(2)
		others := names(11_030)[30:]
		for all := range slices.Chunk(others, outreach.MaxBatch) {
			h.suppress(entsuppression.ReasonMANUAL, all...)
		}
		h.suppress(entsuppression.ReasonUNSUBSCRIBED, who[2:4]...)
		check(4)
	})
}

// Whom somebody has called back is not asked by that wave, and so a preview does not say so.
func TestPreviewAfterCancelling(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db, "UTC", monday)
		h.people("", names(10)...)
		c := h.campaign("Campaign")
		h.set(c, h.once())
		h.look()
		var some []string
		for _, i := range h.invitations(c)[:4] {
			some = append(some, i.NodeID())
		}
		_, err := h.desk.Cancel(h.ctx, some)
		h.must(err)
		p, err := h.desk.Preview(h.ctx, c, nil, nil)
		h.must(err)
		if p.Contacts != 10 || p.Invitations != 6 {
			t.Errorf("%d of %d would be asked", p.Invitations, p.Contacts)
		}
		h.clock.pass(25 * time.Hour)
		h.look() // all are gone through again
		h.wants(c, "CANCELLED 4, PLANNED 6")
	})
}

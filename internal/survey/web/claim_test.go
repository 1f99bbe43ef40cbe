package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/words"
)

// sheet is the campaign as pages have it.
func (h *house) sheet(t *testing.T) *survey.Sheet {
	t.Helper()
	book := survey.NewBook(h.db, h.now.time, nil)
	defer book.Close()
	sheet, err := book.Sheet(h.ctx, h.campaign.ID)
	if err != nil {
		t.Fatal(err)
	}
	return sheet
}

// Whoever may record cannot have somebody's answer taken for another's, not even if they knew the key that it will be recorded under.
func TestNobodyClaimsAnAnswer(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		name, err := h.sheet(t).Ring.Name(fmt.Sprintf("reader\x00%s\x00%s\x00%s", h.campaign.ID, contact.NameOf("", "ada@x.example"), uuid.Nil))
		if err != nil {
			t.Fatal(err)
		}
		claimed := feedback.Recording{
			Campaign: h.campaign.NodeID(), Score: 0, Channel: response.ChannelAPI, Contact: &contact.Input{ExternalID: new("mallory")},
			IdempotencyKey: new("survey:" + name),
		}
		if out, err := h.log.Record(h.ctx, []feedback.Recording{claimed}); err != nil || out[0].Errors != nil {
			t.Fatal(out, err)
		}
		for range 2 {
			if p := h.send(h.get(h.path()+"/9?e=ada@x.example"), "score", "3", "comment", "Mine"); p.status != http.StatusSeeOther {
				t.Fatalf("got %d", p.status)
			}
		}
		all, err := db.Ent.Response.Query().Order(response.ByScore()).All(h.ctx)
		if err != nil || len(all) != 2 {
			t.Fatal(all, err)
		}
		of := func(r *ent.Response) *ent.Contact { return db.Ent.Contact.GetX(h.ctx, *r.ContactID) }
		if r := all[0]; r.Score != 0 || r.Comment != nil || r.Unverified || *of(r).ExternalID != "mallory" {
			t.Errorf("what was recorded is now %v", r)
		}
		if r := all[1]; r.Score != 3 || *r.Comment != "Mine" || !r.Unverified || *of(r).Email != "ada@x.example" {
			t.Errorf("the answer is %v of %v", r, of(r))
		}
	})
}

// A person has one answer by whichever of their names a link has, also by both at once.
func TestTwoNamesAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		const people = 10
		for n := range people {
			if out, err := h.log.Upsert(h.ctx, []contact.Input{{ExternalID: new(fmt.Sprint(n)), Email: new(fmt.Sprintf("p%d@x.example", n))}}); err != nil || out[0].Errors != nil {
				t.Fatal(out, err)
			}
			h.from = fmt.Sprintf("192.0.2.%d:1", n)
			byAddress, byID := h.get(fmt.Sprintf("%s/9?e=p%d@x.example", h.path(), n)), h.get(fmt.Sprintf("%s/9?c=%d", h.path(), n))
			var both sync.WaitGroup
			for i, p := range []page{byAddress, byID} {
				both.Go(func() {
					if sent := h.send(p, "score", fmt.Sprint(i)); sent.status != http.StatusSeeOther {
						t.Errorf("got %d", sent.status)
					}
				})
			}
			both.Wait()
		}
		if all := h.responses(t); len(all) != people {
			t.Errorf("%d people gave %d responses", people, len(all))
		}
	})
}

// A look that is judged long after it was, when nothing changes an answer of then any more, is one response.
func TestJudgedLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.automatic(t)
		if _, err := survey.Update(h.ctx, db, survey.UpdateInput{Campaign: h.campaign.NodeID(), LinkDays: new(1)}); err != nil {
			t.Fatal(err)
		}
		for _, reader := range []string{"e=ada@x.example", "e="} {
			p := h.browse(h.path() + "/9?" + reader)
			h.now.pass(6 * time.Second)
			if sent := h.look(t, p, 5*time.Second); sent.status != http.StatusNoContent {
				t.Fatalf("got %d", sent.status)
			}
		}
		h.sweep(t, 25*time.Hour)
		if all := h.responses(t); len(all) != 2 {
			t.Errorf("two looks became %d responses", len(all))
		}
	})
}

// Who was erased does not come back by what they looked at before.
func TestErasedBeforeJudgement(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.automatic(t)
		out, err := h.log.Upsert(h.ctx, []contact.Input{{Email: new("ada@x.example")}})
		if err != nil || out[0].Errors != nil {
			t.Fatal(out, err)
		}
		p := h.browse(h.path() + "/9?e=ada@x.example")
		h.now.pass(6 * time.Second)
		if sent := h.look(t, p, 5*time.Second); sent.status != http.StatusNoContent {
			t.Fatalf("got %d", sent.status)
		}
		due, err := h.clicks.Due(h.ctx, h.now.time().Add(time.Hour))
		if err != nil || len(due) != 1 {
			t.Fatal(due, err)
		}
		sheet := h.sheet(t)
		erase := func() {
			if erased, err := h.log.Erase(h.ctx, out[0].Value.NodeID()); err != nil || erased.Errors != nil {
				t.Fatal(erased, err)
			}
		}
		erase()
		if is, err := h.desk.Count(h.ctx, sheet, due[0]); err != nil || is {
			t.Errorf("got %t, %v", is, err)
		}
		// Nor between when it is looked for who they are and when it is recorded.
		who := feedback.Recording{
			Campaign: h.campaign.NodeID(), Score: 9, Channel: response.ChannelEMAIL, Contact: &contact.Input{Email: new("ada@x.example")}, Unverified: true, Known: out[0].Value.ID,
		}
		if recorded, err := h.log.Record(h.ctx, []feedback.Recording{who}); err != nil || recorded[0].Errors == nil || recorded[0].Errors[0].Code != "NOT_FOUND" {
			t.Errorf("got %v, %v", recorded, err)
		}
		people, err := db.Ent.Contact.Query().Count(h.ctx)
		if err != nil || people != 0 || len(h.responses(t)) != 0 {
			t.Errorf("%v; there are %d people and %v", err, people, h.responses(t))
		}
	})
}

// What an invited person wrote is shown to whoever sent it, and not to whoever answers by the same link again: it may have been forwarded.
func TestForwardedInvitation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.widget(t, survey.UpdateWidgetInput{IsEnabled: new(true), SamplePercent: new(100)})
		path := "/s/" + h.asks(t, 1).ID
		thanks := func(sent page) page {
			t.Helper()
			if sent.status != http.StatusSeeOther {
				t.Fatalf("got %d", sent.status)
			}
			return h.get(sent.header.Get("Location"))
		}
		if p := thanks(h.send(h.get(path), "score", "4", "comment", "My boss is bad")); !strings.Contains(p.text, "My boss is bad") {
			t.Error("who wrote it does not see it")
		}
		forwarded := thanks(h.send(h.get(path), "score", "6"))
		if strings.Contains(forwarded.text, "My boss is bad") || !strings.Contains(forwarded.text, words.English.Page.Kept) {
			t.Error("somebody else sees it, or is not told that there is something")
		}
		if all := h.responses(t); len(all) != 1 || all[0].Score != 6 || *all[0].Comment != "My boss is bad" {
			t.Errorf("got %v", all)
		}
		// From there it is changed by what is written, and is not lost where nothing is.
		h.send(forwarded, "score", "7")
		if all := h.responses(t); all[0].Score != 7 || *all[0].Comment != "My boss is bad" {
			t.Errorf("got %v", all)
		}
		h.send(forwarded, "score", "7", "comment", "It is fine")
		if all := h.responses(t); *all[0].Comment != "It is fine" {
			t.Errorf("got %v", all)
		}
	})
}

package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/words"
	"github.com/zeroten/zeroten/internal/trait"
)

// Whoever knows an address must not learn by it what somebody has said, nor whether they have said anything.
func TestStrangersSeeNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.send(h.get(h.path()+"/3?e=ada@x.example"), "score", "4", "comment", "a secret")
		receipts := map[string]string{}
		for _, who := range []string{"ada", "nobody"} {
			sent := h.send(h.get(h.path()+"/9?e="+who+"@x.example"), "score", "8")
			p := h.get(sent.location)
			if p.status != http.StatusOK || strings.Contains(p.text, "secret") {
				t.Errorf("%s: status %d: %s", who, p.status, p.text)
			}
			receipts[who] = sent.location
		}
		// Something may be there that is not shown, and stays: so they are told what becomes of it.
		for who, at := range receipts {
			p := h.get(at)
			if !strings.Contains(p.text, `aria-describedby="kept"`) || !strings.Contains(p.text, ">"+words.English.Page.Kept+"<") {
				t.Errorf("%s: nothing is said of an earlier comment: %s", who, p.text)
			}
		}
		if p := h.get(h.path() + "/9?e=ada@x.example"); strings.Contains(p.text, words.English.Page.Kept) {
			t.Errorf("it is said before there is an answer: %s", p.text)
		}
		// What is said later is not shown either.
		h.send(h.get(h.path()+"/1?e=ada@x.example"), "score", "2", "comment", "another secret")
		p := h.get(receipts["ada"])
		if _, fields := p.form(); fields.Get("score") != "8" || fields.Get("comment") != "" || strings.Contains(p.text, "secret") {
			t.Errorf("the receipt shows %v: %s", fields, p.text)
		}
		// Without the name nobody's answer can be changed from it.
		bare, _, _ := strings.Cut(receipts["ada"], "?")
		if p := h.get(bare); p.status != http.StatusOK || strings.Contains(p.text, "<form") {
			t.Errorf("without a name: status %d: %s", p.status, p.text)
		}
	})
}

// Somebody who was erased is somebody else to a link that names them: what they answered as the one before is not changed.
func TestErasedAnswerAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		answers := func(score string) page { return h.send(h.get(h.path()+"/9?e=ada@x.example"), "score", score) }
		answers("8")
		first := h.responses(t)[0]
		if _, err := h.log.Erase(h.ctx, id.Contact.Format(*first.ContactID)); err != nil {
			t.Fatal(err)
		}
		for i, score := range []string{"8", "3"} { // the same, and something else
			if p := answers(score); p.status != http.StatusSeeOther {
				t.Errorf("%s: status %d: %s", score, p.status, p.text)
			}
			all := h.responses(t)
			if len(all) != 2 || all[0].ContactID != nil || all[0].Score != 8 || all[1].ContactID == nil {
				t.Errorf("after %d answers there are %+v", i+1, all)
			}
		}
	})
}

// The last answer counts, also where it says what was said before, by another way in between.
func TestLastAnswerWins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		p := h.get(h.path())
		for _, score := range []string{"7", "8", "7"} {
			h.send(p, "score", score)
		}
		if all := h.responses(t); len(all) != 1 || all[0].Score != 7 {
			t.Errorf("got %+v", all)
		}
	})
}

// A campaign that takes no answers any more takes no changes of them either, whatever a page has been told so far.
func TestClosedIsNotAmended(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		p := h.get(h.path() + "/9?e=ada@x.example")
		h.send(p, "score", "8")
		anonymous := h.send(h.get(h.path()), "score", "8")
		receipt := h.get(anonymous.location)
		err := db.WriteSettings(h.ctx, h.campaign.TenantID, func(tx *store.Tx) error {
			return tx.Ent.Campaign.UpdateOneID(h.campaign.ID).SetStatus("CLOSED").Exec(h.ctx)
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, sent := range map[string]page{"by the link": h.send(p, "score", "1", "comment", "still here"), "by the receipt": h.send(receipt, "score", "1", "comment", "still here")} {
			if sent.status != http.StatusGone || !strings.Contains(sent.text, " readonly>\nstill here</textarea>") {
				t.Errorf("%s: status %d: %s", name, sent.status, sent.text)
			}
		}
		for _, r := range h.responses(t) {
			if r.Score != 8 {
				t.Errorf("it was changed to %d", r.Score)
			}
		}
	})
}

// A link that was to name somebody and does not is told of in the log, once a minute and campaign.
func TestUnfilledIsLogged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		warnings := func() int {
			return strings.Count(h.logged.String(), `level=WARN msg="an answer by a link whose merge tag was not filled in counts as nobody's" campaign=`+h.campaign.NodeID())
		}
		answer := func(path string) {
			t.Helper()
			// With a mistake before, after which the page is still that of its link.
			p := h.send(h.get(h.path()+path), "score", "11")
			if p = h.send(p, "score", "8"); p.status != http.StatusSeeOther {
				t.Fatalf("%s: status %d: %s", path, p.status, p.text)
			}
		}
		for _, path := range []string{"", "/9", "?e=ada@x.example", "/9?e=ada@x.example", "/9?c=42", "/9?c=42&e=*|EMAIL|*"} {
			if answer(path); warnings() != 0 {
				t.Errorf("%q: %s", path, h.logged)
			}
		}
		want := 0
		for _, path := range []string{"/9?e=*|EMAIL|*", "/9?e=", "?c=%7B%7Bid%7D%7D"} {
			h.now.pass(time.Minute)
			want++
			if answer(path); warnings() != want {
				t.Errorf("%q: %d warnings, want %d: %s", path, warnings(), want, h.logged)
			}
			if answer(path); warnings() != want {
				t.Errorf("%q: again within the minute: %s", path, h.logged)
			}
		}
	})
}

// Every request costs its address something, also the one that leads nowhere.
func TestNothingIsFree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		for i, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions} {
			h.from = "192.0.2." + string(rune('1'+i)) + ":1"
			refused := 0
			for range 200 {
				if p := h.do(method, "/s/"+id.Campaign.Format(id.New()), nil); p.status == http.StatusTooManyRequests {
					refused++
				}
			}
			if refused != 140 {
				t.Errorf("%s: %d of 200 were refused", method, refused)
			}
		}
	})
}

// A link that is printed works for good, and takes answers though what it carries does not fit the tenant's traits any more.
func TestPrintedLinks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		asked := survey.NewAsked("", "", survey.Default(), nil)
		made, err := survey.Site("https://x.example").Link(h.ctx, db, settings.NewStates(db), h.now.time(), h.campaign.ID, asked,
			survey.LinkInput{Traits: trait.Values{"store": 3.0, "floor": "first"}})
		if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimPrefix(made.URL, "https://x.example")
		err = db.WriteSettings(h.ctx, h.campaign.TenantID, func(tx *store.Tx) error {
			return tx.Ent.Trait.Create().SetKey("store").SetLabel("Store").SetKind(trait.Text).Exec(h.ctx)
		})
		if err != nil {
			t.Fatal(err)
		}
		h.now.pass(3 * 365 * 24 * time.Hour)
		if sent := h.send(h.get(path), "score", "9"); sent.status != http.StatusSeeOther {
			t.Fatalf("status %d: %s", sent.status, sent.text)
		}
		if r := h.responses(t)[0]; len(r.Traits) != 1 || r.Traits["floor"] != "first" {
			t.Errorf("it has %v", r.Traits)
		}
	})
}

// What cannot be seen is no comment, and what is no text is left out.
func TestInvisibleComments(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		p := h.get(h.path() + "/9")
		if sent := h.send(p, "comment", "\u200b \u2060"); sent.status != http.StatusOK || len(h.responses(t)) != 0 {
			t.Errorf("nothing to be seen: status %d", sent.status)
		}
		if sent := h.send(p, "comment", "a\x00b"); sent.status != http.StatusSeeOther || *h.responses(t)[0].Comment != "ab" {
			t.Errorf("NUL: status %d, %+v", sent.status, h.responses(t))
		}
	})
}

// A comment that was too long, shortened and sent again, is a person's still: nobody is asked twice.
func TestMendedForms(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		again := h.send(h.get(h.path()+"/9"), "score", "8", "comment", strings.Repeat("x", feedback.MaxComment+1))
		if again.status != http.StatusUnprocessableEntity {
			t.Fatalf("status %d", again.status)
		}
		if sent := h.send(again, "comment", ""); sent.status != http.StatusSeeOther {
			t.Errorf("status %d: %s", sent.status, sent.text)
		}
	})
}

package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

const (
	site  = "https://app.example"
	shown = `"page":"https://app.example/settings?tab=1#top"`
)

// visitor is the name of a browser.
func visitor(n int) string { return fmt.Sprintf("visitor-%014d", n) }

// widget changes the campaign's widget, and has the pages follow.
func (h *house) widget(t *testing.T, in survey.UpdateWidgetInput) {
	t.Helper()
	if in.Campaign == "" {
		in.Campaign = h.campaign.NodeID()
	}
	if _, err := survey.UpdateWidget(h.ctx, h.db, in); err != nil {
		t.Fatal(err)
	}
	h.now.pass(5 * time.Second)
}

// define defines a trait that is no dimension.
func (h *house) define(t *testing.T, key string) {
	t.Helper()
	if _, err := settings.DefineTrait(h.ctx, cube.NewBuilder(h.db, nil), settings.DefineTraitInput{Key: key, Kind: trait.Text}); err != nil {
		t.Fatal(err)
	}
}

// post sends a message of the widget's, from a page of the site.
func (h *house) post(path, body string, header ...string) page {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr = h.from
	r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	r.Header.Set("Origin", site)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return page{status: w.Code, header: w.Header(), text: w.Body.String()}
}

func (h *house) w() string { return "/w/" + h.campaign.NodeID() }

// told is what the widget was told.
type told struct {
	Ask                                   bool
	Again                                 int
	ID, Variant, Locale, Direction        string
	Question, QuestionLocale              string
	FollowUps, ThankYous, Words           map[string]string
	Steps                                 []map[string]any
	Experience                            *struct{ Label, URL string }
	Answered, Declined, Unknown           bool
	Error                                 string
	LowLabel, HighLabel                   string
	IsEnabled                             bool
	Pages                                 []string
	SamplePercent, WaitDays, AfterSeconds int
	Brand                                 map[string]any
}

func (p page) told(t *testing.T) (says told) {
	t.Helper()
	if got := p.header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("%s may be read by %q", p.text, got)
	}
	if err := json.Unmarshal([]byte(p.text), &says); err != nil {
		t.Fatalf("got %d %q: %v", p.status, p.text, err)
	}
	return says
}

// asks has a browser ask. more are further fields.
func (h *house) asks(t *testing.T, browser int, more ...string) told {
	t.Helper()
	p := h.post(h.w()+"/ask", `{`+strings.Join(append([]string{`"visitor":"` + visitor(browser) + `"`, shown}, more...), ",")+`}`)
	if p.status != http.StatusOK {
		t.Fatalf("asking: got %d %s", p.status, p.text)
	}
	return p.told(t)
}

// keyed is the context of who holds a key.
func (h *house) keyed(t *testing.T) context.Context {
	t.Helper()
	key, _, err := tenant.CreateKey(h.ctx, h.db, tenant.CreateKeyInput{Name: "backend", Scopes: []auth.Scope{auth.Collect}})
	if err != nil {
		t.Fatal(err)
	}
	return auth.With(h.ctx, auth.Caller{Tenant: key.TenantID, Key: key.ID, Scopes: key.Scopes})
}

// token names somebody.
func (h *house) token(t *testing.T, in contact.Input) string {
	t.Helper()
	token, _, err := survey.NameContact(h.keyed(t), h.db, h.log, in, 3600, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// invitations are all that there are, oldest first.
func (h *house) invitations(t *testing.T) []*ent.Invitation {
	t.Helper()
	all, err := h.db.Ent.Invitation.Query().Order(entinvitation.ByDueAt(), entinvitation.ByID()).All(h.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWidgetSettings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		p := h.get(h.w())
		if p.status != http.StatusOK || p.text != `{"isEnabled":false}` || p.header.Get("Cache-Control") != "public, max-age=60" {
			t.Errorf("at first got %d %s %v", p.status, p.text, p.header)
		}
		h.widget(t, survey.UpdateWidgetInput{IsEnabled: new(true), Pages: []string{"HTTPS://App.example:443/*"}, WaitDays: new(14)})
		says := h.get(h.w()).told(t)
		if !says.IsEnabled || !slices.Equal(says.Pages, []string{"https://app.example/*"}) || says.WaitDays != 14 || says.SamplePercent != 100 || says.AfterSeconds != 10 {
			t.Errorf("got %+v", says)
		}
		if says.Brand["name"] != "Acme" || says.Brand["accent"] != "#2457d6" || says.Brand["isDark"] != false {
			t.Errorf("the brand is %v", says.Brand)
		}
		for _, path := range []string{h.w(), h.w() + "/ask"} {
			if p := h.do(http.MethodOptions, path, nil); p.status != http.StatusNoContent || p.header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("OPTIONS %s: %d %v", path, p.status, p.header)
			}
		}
		if p := h.get("/widget.js"); p.status != http.StatusOK || p.text != "// a script" || p.header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Errorf("the script: %d %s %v", p.status, p.text, p.header)
		}
		if _, err := campaign.Update(h.ctx, db, campaign.UpdateInput{ID: h.campaign.NodeID(), Status: new(entcampaign.StatusPAUSED)}); err != nil {
			t.Fatal(err)
		}
		h.now.pass(5 * time.Second)
		if p := h.get(h.w()); p.text != `{"isEnabled":false}` {
			t.Errorf("of a campaign that rests: %s", p.text)
		}
	})
}

// Somebody whom nobody knows is asked, declines, answers after all, and changes it: one invitation, one response.
func TestWidgetOfAStranger(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.widget(t, survey.UpdateWidgetInput{IsEnabled: new(true), WaitDays: new(10)})
		asked := h.asks(t, 1, `"locale":"de-AT"`)
		if !asked.Ask || asked.Locale != "de" || asked.Direction != "ltr" || !strings.HasPrefix(asked.ID, "z10l_") || asked.Words["send"] == "" || asked.Steps == nil {
			t.Fatalf("got %+v", asked)
		}
		if again := h.asks(t, 1); again.Ask || again.Again != 10*24*3600 {
			t.Errorf("asked at once again: %+v", again)
		}
		h.now.pass(time.Hour)
		if again := h.asks(t, 1); again.Ask || again.Again != 10*24*3600-3600 {
			t.Errorf("asked an hour later: %+v", again)
		}
		answer := func(body string) told {
			t.Helper()
			p := h.post(h.w()+"/answer", `{"id":"`+asked.ID+`",`+body+`}`)
			if p.status != http.StatusOK {
				t.Fatalf("answering %s: %d %s", body, p.status, p.text)
			}
			return p.told(t)
		}
		if says := answer(`"declined":true`); !says.Declined || h.invitations(t)[0].Status != entinvitation.StatusDECLINED {
			t.Errorf("declining: %+v", says)
		}
		for _, body := range []string{`"score":9`, `"score":9`, `"score":2,"comment":"Slow"`, `"score":9`, `"score":3`} {
			if says := answer(body); !says.Answered {
				t.Errorf("answering %s: %+v", body, says)
			}
		}
		if says := answer(`"declined":true`); !says.Answered {
			t.Errorf("declining what is answered: %+v", says)
		}
		all, responses := h.invitations(t), h.responses(t)
		if len(all) != 1 || len(responses) != 1 {
			t.Fatalf("there are %d invitations and %d responses", len(all), len(responses))
		}
		i, r := all[0], responses[0]
		if i.Status != entinvitation.StatusANSWERED || *i.ResponseID != r.ID || i.ContactID != nil || len(i.Visitor) != 32 || i.Locale != "de" {
			t.Errorf("the invitation is %+v", i)
		}
		if r.Score != 3 || *r.Comment != "Slow" || r.Channel != response.ChannelWIDGET || r.ContactID != nil || *r.Locale != "de" {
			t.Errorf("the response is %+v", r)
		}
		// What was deleted is answered anew.
		if _, err := h.log.Delete(h.ctx, r.NodeID()); err != nil {
			t.Fatal(err)
		}
		if i := h.invitations(t)[0]; i.ResponseID != nil {
			t.Errorf("of what was deleted it is %+v", i)
		}
		answer(`"score":5`)
		if all, responses := h.invitations(t), h.responses(t); len(responses) != 1 || *all[0].ResponseID != responses[0].ID || responses[0].Score != 5 {
			t.Errorf("answered anew there are %v", responses)
		}
		h.now.pass(31 * 24 * time.Hour)
		if p := h.post(h.w()+"/answer", `{"id":"`+asked.ID+`","score":1}`); p.status != http.StatusGone {
			t.Errorf("after the days: %d %s", p.status, p.text)
		}
		if again := h.asks(t, 1); !again.Ask {
			t.Errorf("after the days it is not asked: %+v", again)
		}
	})
}

// Somebody whom a token names is called by their name, and answers as themselves.
func TestWidgetOfAPerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.widget(t, survey.UpdateWidgetInput{IsEnabled: new(true)})
		h.define(t, "plan")
		if _, err := survey.SetWording(h.ctx, db, survey.SetWordingInput{Campaign: h.campaign.NodeID(), Locale: "fr", Question: new("{brand|x}, {name|vous} ({plan|?})?")}); err != nil {
			t.Fatal(err)
		}
		if _, err := survey.Update(h.ctx, db, survey.UpdateInput{Campaign: h.campaign.NodeID(), Variants: []survey.Variant{
			{Name: "A", Weight: 1}, {Name: "B", Weight: 0, URL: new("https://v.example/{name|you}?p={plan|}"), URLLabel: new("Watch")},
		}}); err != nil {
			t.Fatal(err)
		}
		h.now.pass(5 * time.Second)
		token := h.token(t, contact.Input{ExternalID: new("ada"), Name: new("Ada & Co/x"), Locale: new("fr-CA"), Traits: trait.Values{"plan": "gold"}})
		asked := h.asks(t, 1, `"token":"`+token+`"`, `"variant":"B"`)
		if asked.Question != "Acme, Ada & Co/x (gold)?" || asked.Locale != "fr" || asked.Variant != "B" || asked.Experience.URL != "https://v.example/Ada%20%26%20Co%2Fx?p=gold" {
			t.Fatalf("got %+v", asked)
		}
		if p := h.post(h.w()+"/answer", `{"id":"`+asked.ID+`","score":10,"comment":"Yes"}`); p.status != http.StatusOK {
			t.Fatalf("got %d %s", p.status, p.text)
		}
		r, i := h.responses(t)[0], h.invitations(t)[0]
		person, err := db.Ent.Contact.Query().Only(h.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if *r.ContactID != person.ID || r.Unverified || *r.Variant != "B" || *r.Locale != "fr" || r.Traits["plan"] != "gold" {
			t.Errorf("the response is %+v", r)
		}
		if i.Status != entinvitation.StatusANSWERED || *i.ContactID != person.ID || !person.LastAskedAt.Equal(i.DueAt) {
			t.Errorf("the invitation is %+v of %+v", i, person)
		}
		// Who only says that they are this person changes nothing of it.
		h.send(h.get(h.path()+"/1?c=ada"), "score", "0")
		if all := h.responses(t); len(all) != 2 || all[0].Score != 10 || !all[1].Unverified {
			t.Errorf("answered in their name: %v", all)
		}
		// The page of the same invitation shows what it did, to its holder.
		p := h.get("/s/" + asked.ID)
		if p.status != http.StatusOK || !strings.Contains(p.text, "Acme, Ada &amp; Co/x (gold)?") || !strings.Contains(p.text, `lang="fr"`) {
			t.Errorf("the page: %d %s", p.status, p.text)
		}
		if sent := h.send(p, "score", "7"); sent.status != http.StatusSeeOther {
			t.Errorf("the page's form: %d %s", sent.status, sent.text)
		}
		if all := h.responses(t); len(all) != 2 || all[0].Score != 7 || *all[0].Comment != "Yes" {
			t.Errorf("after the page's form: %v", all)
		}
		// Erased, the link names nobody any more.
		if out, err := h.log.Erase(h.ctx, person.NodeID()); err != nil || out.Errors != nil {
			t.Fatal(err, out.Errors)
		}
		if i := h.invitations(t)[0]; i.ContactID != nil || i.Visitor != nil || len(i.Traits) != 0 || i.ResponseID == nil {
			t.Errorf("erased it is %+v", i)
		}
		if p := h.get("/s/" + asked.ID); p.status != http.StatusNotFound {
			t.Errorf("erased, the page: %d %s", p.status, p.text)
		}
		late := h.post(h.w()+"/answer", `{"id":"`+asked.ID+`","score":3,"comment":"Ada was here"}`)
		if all := h.responses(t); late.status < 400 || all[0].Score != 7 || all[0].Comment != nil {
			t.Errorf("erased, answered once more: %d %s, %v", late.status, late.text, all)
		}
		if asked := h.asks(t, 2, `"token":"`+token+`"`); asked.Ask || !asked.Unknown {
			t.Errorf("erased, the widget: %+v", asked)
		}
		if asked := h.asks(t, 2, `"locale":"fr"`); !asked.Ask || asked.Question != "Acme, vous (?)?" {
			t.Errorf("erased, the widget of nobody: %+v", asked)
		}
	})
}

// An invitation by mail is answered by its page.
func TestPageOfAnInvitation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		people, err := h.log.Upsert(h.ctx, []contact.Input{{Email: new("ada@x.example"), Name: new("Ada")}})
		if err != nil {
			t.Fatal(err)
		}
		h.define(t, "order")
		if _, err := survey.SetWording(h.ctx, db, survey.SetWordingInput{Campaign: h.campaign.NodeID(), Locale: "nl", Question: new("{name|u}, {order|?}?")}); err != nil {
			t.Fatal(err)
		}
		var i *ent.Invitation
		if err := db.Write(h.ctx, func(tx *store.Tx) error {
			i, err = tx.Ent.Invitation.Create().SetCampaignID(h.campaign.ID).SetContactID(people[0].Value.ID).SetChannel(entinvitation.ChannelEMAIL).
				SetStatus(entinvitation.StatusSENT).SetLocale("nl").SetVariant("gone").SetTraits(trait.Values{"order": "Boots"}).
				SetDueAt(h.now.time()).SetSentAt(h.now.time()).Save(h.ctx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		book := survey.NewBook(db, h.now.time, nil)
		defer book.Close()
		sheet, err := book.Sheet(h.ctx, h.campaign.ID)
		if err != nil {
			t.Fatal(err)
		}
		token, err := sheet.Ring.Sign(link.Link{Kind: link.Invitation, Subject: i.ID, Issued: h.now.time()})
		if err != nil {
			t.Fatal(err)
		}
		p := h.get("/s/" + token + "/9")
		if p.status != http.StatusOK || !strings.Contains(p.text, "Ada, Boots?") {
			t.Fatalf("got %d %s", p.status, p.text)
		}
		thanked := h.send(p, "score", "8")
		if thanked.status != http.StatusSeeOther {
			t.Fatalf("got %d %s", thanked.status, thanked.text)
		}
		if again := h.send(h.get(thanked.location), "comment", "Good"); again.status != http.StatusSeeOther {
			t.Errorf("by the receipt: %d %s", again.status, again.text)
		}
		r := h.responses(t)[0]
		if r.Score != 8 || *r.Comment != "Good" || r.Channel != response.ChannelEMAIL || r.Unverified || *r.ContactID != people[0].Value.ID ||
			*r.Variant != "gone" || *r.Locale != "nl" || r.Traits["order"] != "Boots" {
			t.Errorf("got %+v", r)
		}
		h.now.pass(30 * 24 * time.Hour)
		if p := h.get("/s/" + token); p.status != http.StatusGone {
			t.Errorf("after the days: %d", p.status)
		}
		if err := db.Write(h.ctx, func(tx *store.Tx) error {
			return tx.Ent.Invitation.UpdateOneID(i.ID).SetStatus(entinvitation.StatusCANCELLED).Exec(h.ctx)
		}); err != nil {
			t.Fatal(err)
		}
		if p := h.get("/s/" + token); p.status != http.StatusNotFound {
			t.Errorf("called back: %d", p.status)
		}
	})
}

// quiet is the quiet period of a tenant that has set none.
const quiet = 30 * 24 * time.Hour

// Of all tabs and campaigns that ask somebody at the same moment one does, and from then on none for thirty days to the microsecond.
func TestQuietPeriod(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		campaigns := []*ent.Campaign{h.campaign}
		for i := range 3 {
			c, err := campaign.Create(h.ctx, db, campaign.CreateInput{Name: fmt.Sprintf("Campaign %d", i)})
			if err != nil {
				t.Fatal(err)
			}
			campaigns = append(campaigns, c)
		}
		for _, c := range campaigns {
			h.widget(t, survey.UpdateWidgetInput{Campaign: c.NodeID(), IsEnabled: new(true), WaitDays: new(1)})
		}
		for person := range 5 {
			token := h.token(t, contact.Input{ExternalID: new(fmt.Sprint(person))})
			h.now.pass(time.Minute)
			var mu sync.Mutex
			var wait sync.WaitGroup
			asked := 0
			for tab := range 16 {
				h.from = fmt.Sprintf("192.0.2.%d:1000", tab)
				from := h.from
				wait.Go(func() {
					r := httptest.NewRequest(http.MethodPost, "/w/"+campaigns[tab%len(campaigns)].NodeID()+"/ask",
						strings.NewReader(`{"visitor":"`+visitor(tab)+`","token":"`+token+`",`+shown+`}`))
					r.RemoteAddr = from
					w := httptest.NewRecorder()
					h.handler.ServeHTTP(w, r)
					var says told
					if err := json.Unmarshal(w.Body.Bytes(), &says); err != nil || w.Code != http.StatusOK {
						t.Errorf("got %d %s", w.Code, w.Body)
					}
					mu.Lock()
					defer mu.Unlock()
					if says.Ask {
						asked++
					} else if says.Again != 30*24*3600 {
						t.Errorf("left alone for %d s", says.Again)
					}
				})
			}
			wait.Wait()
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		}
		byStatus := map[entinvitation.Status]int{}
		for _, i := range h.invitations(t) {
			byStatus[i.Status]++
		}
		// Each of the other campaigns has noted once that it did not.
		if byStatus[entinvitation.StatusSENT] != 5 || byStatus[entinvitation.StatusSKIPPED] != 15 {
			t.Errorf("there are %v", byStatus)
		}
		token := h.token(t, contact.Input{ExternalID: new("4")})
		last := h.now.time()
		h.now.set(last.Add(quiet - time.Microsecond))
		if says := h.asks(t, 99, `"token":"`+token+`"`); says.Ask || says.Again != 1 {
			t.Errorf("a microsecond before: %+v", says)
		}
		h.now.set(last.Add(quiet))
		if says := h.asks(t, 99, `"token":"`+token+`"`); !says.Ask {
			t.Errorf("after the quiet period: %+v", says)
		}
	})
}

// The share is of browsers where nobody is known, too, with a token that names nobody as without: who is in it stays so, and a larger share
// has all of a smaller one.
func TestSampleOfVisitors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		expired, _, err := tenant.NameContact(h.keyed(t), db, uuid.New(), 60, time.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		was := map[int]bool{}
		for _, percent := range []int{1, 30, 100} {
			h.widget(t, survey.UpdateWidgetInput{IsEnabled: new(true), SamplePercent: new(percent), FirstAfterDays: new(365), WaitDays: new(1)})
			h.now.pass(24 * time.Hour)
			asked := 0
			for browser := range 50 {
				h.from = fmt.Sprintf("192.0.2.%d:1000", browser)
				if says := h.asks(t, browser, `"token":"`+expired+`"`); says.Ask || !says.Unknown {
					t.Fatalf("with an expired token, of %d %%: %+v", percent, says)
				}
				says := h.asks(t, browser)
				switch {
				case says.Ask:
					asked++
				case says.Again != 24*3600 || was[browser]:
					t.Errorf("browser %d, asked before %v, of %d %%: %+v", browser, was[browser], percent, says)
				}
				was[browser] = says.Ask
			}
			if want := 50 * percent / 100; asked < want-15 || asked > want+15 || percent == 1 && asked > 5 {
				t.Errorf("of 50 browsers %d are among %d %%", asked, percent)
			}
		}
	})
}

// Whom a browser was used by when it was asked makes no difference to who comes then: neither to somebody else who is known, nor to nobody.
func TestOneBrowserOfMany(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.widget(t, survey.UpdateWidgetInput{IsEnabled: new(true)})
		ada, bob := h.token(t, contact.Input{ExternalID: new("ada")}), h.token(t, contact.Input{ExternalID: new("bob")})
		for _, want := range []bool{true, false} {
			for name, token := range map[string]string{"Ada": ada, "Bob": bob, "nobody": ""} {
				if says := h.asks(t, 1, `"token":"`+token+`"`); says.Ask != want {
					t.Errorf("%s: %+v", name, says)
				}
			}
		}
		if n := len(h.invitations(t)); n != 3 {
			t.Errorf("there are %d invitations", n)
		}
	})
}

// What was known about somebody is the same once they were asked, and when that last changed, too.
func TestAskingChangesNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.widget(t, survey.UpdateWidgetInput{IsEnabled: new(true), WaitDays: new(1)})
		token := h.token(t, contact.Input{ExternalID: new("ada"), Name: new("Ada")})
		before, err := db.Ent.Contact.Query().Only(h.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // at first, and again
			h.now.pass(quiet)
			if says := h.asks(t, 1, `"token":"`+h.token(t, contact.Input{ExternalID: new("ada")})+`"`); !says.Ask {
				t.Fatalf("not asked: %+v", says)
			}
			after, err := db.Ent.Contact.Query().Only(h.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if after.LastAskedAt == nil || !after.LastAskedAt.Equal(h.now.time()) {
				t.Errorf("asked at %v, noted %v", h.now.time(), after.LastAskedAt)
			}
			if !after.UpdatedAt.Equal(before.UpdatedAt) {
				t.Errorf("changed at %v, and as if at %v by being asked", before.UpdatedAt, after.UpdatedAt)
			}
			if says := h.asks(t, 2, `"token":"`+token+`"`); says.Ask {
				t.Errorf("asked twice: %+v", says)
			}
		}
	})
}

// Of all tabs of a browser that ask at the same moment one does.
func TestOneBrowserIsAskedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.widget(t, survey.UpdateWidgetInput{IsEnabled: new(true)})
		var wait sync.WaitGroup
		for range 12 {
			wait.Go(func() { h.post(h.w()+"/ask", `{"visitor":"`+visitor(1)+`",`+shown+`}`) })
		}
		wait.Wait()
		if n := len(h.invitations(t)); n != 1 {
			t.Errorf("there are %d invitations", n)
		}
	})
}

// A token that is no contact token of this tenant names nobody. The widget is told so, and has its rules for whom nobody knows first: until
// it comes without the token nobody is asked, and nothing is written.
func TestWrongTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.widget(t, survey.UpdateWidgetInput{IsEnabled: new(true)})
		other := open(t, db)
		good := h.token(t, contact.Input{ExternalID: new("ada")})
		key, secret, err := tenant.CreateKey(h.ctx, db, tenant.CreateKeyInput{Name: "Key", Scopes: []auth.Scope{auth.Read}})
		if err != nil {
			t.Fatal(err)
		}
		access, _, err := tenant.CreateToken(auth.With(h.ctx, auth.Caller{Tenant: auth.Tenant(h.ctx), Key: key.ID, Scopes: key.Scopes}), db,
			tenant.CreateTokenInput{Scopes: []auth.Scope{auth.Read}, ExpiresIn: 60})
		if err != nil {
			t.Fatal(err)
		}
		keys := tenant.NewKeys(db)
		defer keys.Close()
		if _, err := keys.Authenticate(t.Context(), access); err != nil {
			t.Errorf("the access token: %v", err)
		}
		for name, token := range map[string]string{"as it is": good, "as an access token": "z10t_" + strings.TrimPrefix(good, "z10c_")} {
			if caller, err := keys.Authenticate(t.Context(), token); err == nil {
				t.Errorf("a contact token, %s, lets in %+v", name, caller)
			}
		}
		expired, _, err := tenant.NameContact(h.keyed(t), db, uuid.New(), 60, time.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		browser := 0
		for name, token := range map[string]string{
			"another tenant's": other.token(t, contact.Input{ExternalID: new("ada")}), "an access token": access,
			"an access token as a contact token": "z10c_" + strings.TrimPrefix(access, "z10t_"), "a key": secret, "expired": expired,
			"cut off": good[:len(good)-2], "changed": good[:20] + "x" + good[21:],
		} {
			browser++
			p := h.post(h.w()+"/ask", `{"visitor":"`+visitor(browser)+`","token":"`+token+`",`+shown+`}`)
			if p.status != http.StatusOK || p.text != `{"ask":false,"unknown":true}` {
				t.Errorf("%s: %d %s", name, p.status, p.text)
			}
			if n := len(h.invitations(t)); n != browser-1 {
				t.Errorf("%s: there are %d invitations, want %d", name, n, browser-1)
			}
			if says := h.asks(t, browser, `"token":""`); !says.Ask || h.invitations(t)[browser-1].ContactID != nil {
				t.Errorf("%s, and then without: %+v", name, says)
			}
		}
		if says := h.asks(t, 99, `"token":"`+good+`"`); !says.Ask || h.invitations(t)[browser].ContactID == nil {
			t.Errorf("the good one names nobody: %+v", says)
		}
	})
}

func TestWidgetRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		h.widget(t, survey.UpdateWidgetInput{IsEnabled: new(true), Pages: []string{"https://*.x.example/app/*", "https://app.example/*"}})
		asked := h.asks(t, 1)
		other, err := campaign.Create(h.ctx, db, campaign.CreateInput{Name: "Other"})
		if err != nil {
			t.Fatal(err)
		}
		off, err := campaign.Create(h.ctx, db, campaign.CreateInput{Name: "Off"})
		if err != nil {
			t.Fatal(err)
		}
		h.widget(t, survey.UpdateWidgetInput{Campaign: other.NodeID(), IsEnabled: new(true)})
		ask := func(fields string) string { return `{"visitor":"` + visitor(7) + `",` + fields + `}` }
		forged := asked.ID[:20] + "A" + asked.ID[21:]
		if forged == asked.ID {
			forged = asked.ID[:20] + "B" + asked.ID[21:]
		}
		answer := func(fields string) string { return `{"id":"` + asked.ID + `",` + fields + `}` }
		for i, test := range []struct {
			path, body, origin string
			want               int
		}{
			{h.w() + "/ask", "", site, 400},
			{h.w() + "/ask", "[]", site, 400},
			{h.w() + "/ask", "null", site, 400},
			{h.w() + "/ask", ask(shown) + "x", site, 400},
			{h.w() + "/ask", `{"visitor":"short",` + shown + `}`, site, 400},
			{h.w() + "/ask", `{"visitor":7,` + shown + `}`, site, 400},
			{h.w() + "/ask", ask(`"locale":"en"`), site, 400},
			{h.w() + "/ask", ask("\"page\":\"https://app.example/\xff\""), site, 400},
			{h.w() + "/ask", ask(`"page":"https://evil.example/"`), site, 403},
			{h.w() + "/ask", ask(`"page":"http://app.example/"`), site, 403},
			{h.w() + "/ask", ask(`"page":"https://a.b.x.example/other"`), site, 403},
			{h.w() + "/ask", ask(`"page":"https://app.example@evil.example/"`), site, 403},
			{h.w() + "/ask", ask(shown), "https://evil.example", 403},
			{h.w() + "/ask", ask(shown), "https://a.x.example", 403}, // the page is another's
			{h.w() + "/ask", ask(`"page":"https://a.x.example/app/"`), "https://a.x.example", 200},
			{h.w() + "/ask", ask(`"page":"https://a.x.example/app/../other"`), "https://a.x.example", 403},
			{h.w() + "/ask", ask(`"page":"https://a.x.example/app/%2e%2e/other"`), "", 403},
			{h.w() + "/ask", ask(shown), "null", 403},
			{h.w() + "/ask", ask(`"page":"null"`), "null", 403},
			{h.w() + "/ask", ask(shown), "", 200},
			{"/w/" + off.NodeID() + "/ask", ask(shown), site, 410},
			{"/w/" + id.Campaign.Format(uuid.New()) + "/ask", ask(shown), site, 404},
			{"/w/x/ask", ask(shown), site, 404},
			{h.w() + "/else", ask(shown), site, 404},
			{h.w() + "/answer", answer(`"score":11`), site, 422},
			{h.w() + "/answer", answer(`"score":-1`), site, 422},
			{h.w() + "/answer", answer(`"score":7.5`), site, 422},
			{h.w() + "/answer", answer(`"score":1,"comment":"` + strings.Repeat("é", feedback.MaxComment+1) + `"`), site, 422},
			{h.w() + "/answer", answer(`"score":1,"comment":"\u0000"`), site, 422},
			{h.w() + "/answer", answer(`"score":"7"`), site, 400},
			{h.w() + "/answer", answer(`"comment":"7"`), site, 400},
			{h.w() + "/answer", answer(`"score":7,"declined":true`), site, 400},
			{h.w() + "/answer", answer(`"score":7,"comment":"` + strings.Repeat("x", 130<<10) + `"`), site, 413},
			{h.w() + "/answer", `{"id":"z10l_x","score":7}`, site, 404},
			{h.w() + "/answer", `{"id":"` + forged + `","score":7}`, site, 404},
			{"/w/" + other.NodeID() + "/answer", answer(`"score":7`), site, 404},
			{"/w/" + off.NodeID() + "/answer", answer(`"score":7`), site, 410},
			{h.w() + "/answer", answer(`"score":7`), "https://evil.example", 403},
			{h.w() + "/answer", answer(`"score":7`), "null", 403},
			{"/w/" + other.NodeID() + "/ask", ask(shown), "null", 200}, // it names no pages
			{h.w() + "/answer", answer(`"score":7,"comment":"` + strings.Repeat("é", feedback.MaxComment) + `","more":[{}]`), site, 200},
		} {
			h.from = fmt.Sprintf("198.51.100.%d:1000", i)
			p := h.post(test.path, test.body, "Origin", test.origin)
			if says := p.told(t); p.status != test.want || (p.status == 200) != (says.Error == "") {
				t.Errorf("%s %.100s from %q: got %d %.200s, want %d", test.path, test.body, test.origin, p.status, p.text, test.want)
			}
		}
		if p := h.get(h.w() + "/ask"); p.status != http.StatusMethodNotAllowed {
			t.Errorf("GET ask: %d", p.status)
		}
		h.from = "203.0.113.9:1000"
		for range 20 {
			h.post(h.w()+"/ask", "")
		}
		if p := h.post(h.w()+"/ask", ""); p.status != http.StatusTooManyRequests || p.header.Get("Retry-After") == "" || p.told(t).Error == "" {
			t.Errorf("too often: %d %v", p.status, p.header)
		}
		// Who was asked is not kept from answering by it.
		if p := h.post(h.w()+"/answer", answer(`"score":6`)); p.status != http.StatusOK {
			t.Errorf("who was asked: %d %s", p.status, p.text)
		}
	})
}

package web_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/ent/provisionalanswer"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/click"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/survey/web"
	"github.com/zeroten/zeroten/internal/survey/words"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// house is a tenant's pages, and what stands behind them.
type house struct {
	ctx      context.Context //nolint:containedctx // it names the tenant
	db       *store.DB
	log      *feedback.Log
	clicks   *click.Clicks
	desk     *survey.Desk
	book     *survey.Book
	wishes   *wishes
	judge    *survey.Judge
	handler  http.Handler
	campaign *ent.Campaign
	now      *clock
	logged   *strings.Builder
	// from is the address that requests come from.
	from string
}

// clock is a clock that stands still until somebody moves it on.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func open(t *testing.T, db *store.DB) *house {
	t.Helper()
	h := &house{db: db, now: &clock{at: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}, logged: &strings.Builder{}, from: "192.0.2.1:1000"}
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Acme", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	h.ctx = auth.ForTenant(t.Context(), made.ID)
	if h.campaign, err = campaign.Create(h.ctx, db, campaign.CreateInput{Name: "Relationship"}); err != nil {
		t.Fatal(err)
	}
	if h.log, err = feedback.NewLog(db, feedback.Config{Now: h.now.time}); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(h.logged, nil))
	book := survey.NewBook(db, h.now.time, log)
	h.book, h.wishes = book, &wishes{none: map[uuid.UUID]bool{}}
	keys := tenant.NewKeys(db)
	h.clicks = click.New(db, log)
	h.desk = survey.NewDesk(db, h.log, h.clicks)
	h.judge = survey.NewJudge(book, h.desk, h.clicks, h.now.time, log)
	h.handler = web.New(web.Config{
		Book: book, Desk: h.desk, Door: edge.New(edge.Config{}), Keys: keys, Widget: []byte("// a script"), Now: h.now.time, Log: log,
		Unsubscribe: h.wishes.unsubscribe, Resubscribe: h.wishes.resubscribe, Unsubscribed: h.wishes.unsubscribed,
	})
	t.Cleanup(func() {
		keys.Close()
		book.Close()
		if err := h.clicks.Close(); err != nil {
			t.Error(err)
		}
		if err := h.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// page is what a request was answered.
type page struct {
	status   int
	header   http.Header
	text     string
	location string
}

func (h *house) do(method, path string, form url.Values, header ...string) page {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, path, body)
	r.RemoteAddr = h.from
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return page{w.Code, w.Header(), w.Body.String(), w.Header().Get("Location")}
}

func (h *house) get(path string, header ...string) page {
	return h.do(http.MethodGet, path, nil, header...)
}

var (
	actions = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	hidden  = regexp.MustCompile(`<input type="hidden" name="(\w+)"(?: value="([^"]*)")?>`)
	checked = regexp.MustCompile(`value="(\d+)" checked`)
	written = regexp.MustCompile(`(?s)<textarea[^>]*>\n(.*?)</textarea>`) // browsers leave out the first line break
)

// form is what a browser sends from the page when nobody changes anything, and where.
func (p page) form() (action string, fields url.Values) {
	m := actions.FindStringSubmatch(p.text)
	if m == nil {
		return "", nil
	}
	fields = url.Values{}
	for _, f := range hidden.FindAllStringSubmatch(p.text, -1) {
		fields.Set(f[1], html.UnescapeString(f[2]))
	}
	if c := checked.FindStringSubmatch(p.text); c != nil {
		fields.Set("score", c[1])
	}
	fields.Set("comment", html.UnescapeString(written.FindStringSubmatch(p.text)[1]))
	return html.UnescapeString(m[1]), fields
}

// send sends the page's form, changed.
func (h *house) send(p page, changes ...string) page {
	action, fields := p.form()
	for i := 0; i < len(changes); i += 2 {
		fields.Set(changes[i], changes[i+1])
	}
	return h.do(http.MethodPost, action, fields)
}

// signed is what the page's script would send of somebody who used the page a second after it was there.
func (h *house) signed(t *testing.T, p page) string {
	t.Helper()
	_, fields := p.form()
	sum := fnv.New32a()
	if _, err := io.WriteString(sum, fields.Get("page")+".1000"); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("1000.%08x", sum.Sum32())
}

func (h *house) path() string { return "/s/" + h.campaign.NodeID() }

// responses are all that there are, oldest first.
func (h *house) responses(t *testing.T) []*ent.Response {
	t.Helper()
	all, err := h.db.Ent.Response.Query().Order(response.ByRecordedAt(), response.ByID()).All(h.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// provisional is what led to no answer, once all of it is written.
func (h *house) provisional(t *testing.T) []*ent.ProvisionalAnswer {
	t.Helper()
	if err := h.clicks.Flush(h.ctx); err != nil {
		t.Fatal(err)
	}
	all, err := h.db.Ent.ProvisionalAnswer.Query().Order(provisionalanswer.ByFirstOpenedAt(), provisionalanswer.ByID()).All(h.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A click in a mail, sent; then a comment; then another number: one response, amended twice.
func TestAnswerOfAMail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		p := h.get(h.path() + "/9?e=Ada%2Bnews@x.example&utm_source=mail")
		if p.status != http.StatusOK || !strings.Contains(p.text, `value="9" checked`) {
			t.Fatalf("got %d: %s", p.status, p.text)
		}
		h.now.pass(3 * time.Second)
		thanked := h.send(p, "sign", h.signed(t, p))
		if thanked.status != http.StatusSeeOther || !strings.HasPrefix(thanked.location, "/s/z10l_") {
			t.Fatalf("got %d to %q: %s", thanked.status, thanked.location, thanked.text)
		}
		p = h.get(thanked.location)
		commented := h.send(p, "comment", "Fast\r\nand friendly")
		p = h.get(commented.location)
		if _, fields := p.form(); fields.Get("comment") != "" || fields.Get("score") != "9" {
			t.Errorf("the receipt shows %v", fields) // whoever has the address could have asked for it
		}
		if changed := h.send(p, "score", "3"); changed.status != http.StatusSeeOther {
			t.Errorf("got %d", changed.status)
		}
		all := h.responses(t)
		if len(all) != 1 {
			t.Fatalf("there are %d responses", len(all))
		}
		r := all[0]
		if r.Score != 3 || *r.Comment != "Fast\nand friendly" || r.Channel != response.ChannelEMAIL || !r.Unverified || *r.Locale != "en" {
			t.Errorf("got %+v", r)
		}
		person, err := db.Ent.Contact.Get(h.ctx, *r.ContactID)
		if err != nil || *person.Email != "Ada+news@x.example" || person.Name != nil {
			t.Errorf("it is of %+v (error: %v)", person, err)
		}
		position, err := db.Ent.Tenant.Get(h.ctx, auth.Tenant(h.ctx))
		if err != nil || position.LogPosition != 3 {
			t.Errorf("the log has %d events (error: %v)", position.LogPosition, err)
		}
		// The same person clicks again, days later, in capital letters.
		h.now.pass(10 * 24 * time.Hour)
		h.send(h.get(h.path()+"/10?e=ADA%2BNEWS@x.example"), "score", "10", "comment", "!")
		if all := h.responses(t); len(all) != 1 || all[0].Score != 10 || *all[0].Comment != "!" {
			t.Errorf("within the days there are %d, the first with %d", len(all), all[0].Score)
		}
		h.now.pass(25 * 24 * time.Hour)
		h.send(h.get(h.path()+"/1?e=ada%2Bnews@x.example"), "score", "2")
		if all := h.responses(t); len(all) != 2 || all[1].Score != 2 || *all[1].ContactID != *r.ContactID {
			t.Errorf("after the days there are %d", len(all))
		}
	})
}

// What a scanner does counts nothing: it opens all links, and sends forms as they are, again and again.
func TestScannersCountNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		const who = "?e=ada@x.example"
		var pages []page
		for _, number := range []string{"/0", "/5", "/9", "/10", "/all", ""} {
			if p := h.do(http.MethodHead, h.path()+number+who, nil); p.status != http.StatusOK {
				t.Errorf("HEAD %s: %d", number, p.status)
			}
			pages = append(pages, h.get(h.path()+number+who))
		}
		for _, p := range pages {
			sent := h.send(p)
			for range 3 { // the confirm step, sent as it is
				if sent.status == http.StatusSeeOther {
					t.Fatalf("a form that nobody touched was taken: %s", p.text)
				}
				if _, fields := sent.form(); fields.Has("score") {
					t.Fatalf("the confirm step has a number chosen: %s", sent.text)
				}
				sent = h.send(sent)
			}
		}
		if all := h.responses(t); len(all) != 0 {
			t.Fatalf("there are %d responses", len(all))
		}
		rows := h.provisional(t)
		if len(rows) != 1 || rows[0].Opens != 12 || *rows[0].Score != 10 || rows[0].ContactID != nil ||
			!slices.Equal(rows[0].Signs, []string{"MANY_NUMBERS", "HIDDEN_LINK", "HEAD_FIRST", "KNOWN_CLIENT", "FORM_WITHOUT_PERSON"}) {
			t.Errorf("what led to no answer is %v", rows)
		}
		people, err := db.Ent.Contact.Query().Count(h.ctx)
		if err != nil || people != 0 {
			t.Errorf("there are %d contacts (error: %v)", people, err)
		}
		// The person, without a script, after all that: once more by hand.
		p := h.get(h.path() + "/9" + who)
		step := h.send(p)
		if taken := h.send(step, "score", "9"); taken.status != http.StatusSeeOther {
			t.Errorf("the number chosen once more: got %d", taken.status)
		}
		rows = h.provisional(t)
		if log := h.logged.String(); len(rows) != 0 || strings.Count(log, "signs of a scanner") != 1 || strings.Contains(log, "x.example") ||
			!strings.Contains(log, "response="+h.responses(t)[0].NodeID()) {
			t.Errorf("after the answer there are %v, and the log says %s", rows, log)
		}
		// A scanner at click time undoes nothing.
		h.send(h.get(h.path() + "/0" + who))
		h.do(http.MethodHead, h.path()+"/3"+who, nil)
		if rows := h.provisional(t); len(rows) != 0 {
			t.Errorf("a scanner at click time leaves %v", rows)
		}
		if all := h.responses(t); len(all) != 1 || all[0].Score != 9 {
			t.Errorf("there are %d responses", len(all))
		}
	})
}

// The same form sent twice is one answer; with another number it is that answer, changed.
func TestAnswerOfNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		p := h.get(h.path())
		for _, score := range []string{"7", "7", "8"} {
			if sent := h.send(p, "score", score); sent.status != http.StatusSeeOther {
				t.Fatalf("got %d: %s", sent.status, sent.text)
			}
		}
		h.send(h.get(h.path()), "score", "1") // another person
		all := h.responses(t)
		if len(all) != 2 || all[0].Score != 8 || all[1].Score != 1 || all[0].ContactID != nil || all[0].Channel != response.ChannelLINK {
			t.Errorf("got %+v", all)
		}
		// A provider that did not fill its tag in, and one that has no address.
		for _, unfilled := range []string{"e=*|URL:EMAIL|*", "e={{email}}", "e=", "c=%25SUBSCRIBERID%25"} {
			h.send(h.get(h.path()+"/4?"+unfilled), "score", "5")
		}
		all = h.responses(t)
		if len(all) != 6 || all[5].ContactID != nil || all[5].Channel != response.ChannelEMAIL {
			t.Errorf("with tags that were not filled in there are %d: %+v", len(all), all[len(all)-1])
		}
	})
}

// Two forms of one person at the same moment are one response.
func TestAnswersAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		const people = 8
		done := make(chan page)
		for person := range people {
			for score := range 3 {
				p := h.get(fmt.Sprintf("%s/%d?c=person%d", h.path(), score, person))
				theirs := *h
				theirs.from = fmt.Sprintf("192.0.2.%d:1", 3*person+score)
				go func() { done <- theirs.send(p, "score", fmt.Sprint(score+1)) }()
			}
		}
		for range 3 * people {
			if p := <-done; p.status != http.StatusSeeOther {
				t.Errorf("got %d: %s", p.status, p.text)
			}
		}
		if all := h.responses(t); len(all) != people {
			t.Errorf("%d people gave %d responses", people, len(all))
		}
	})
}

// UNVERIFIED changes nothing that is known, and no answer that somebody vouches for.
func TestUnverifiedChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		out, err := h.log.Record(h.ctx, []feedback.Recording{{
			Campaign: h.campaign.NodeID(), Score: 10, Channel: response.ChannelAPI,
			Contact: &contact.Input{Email: new("ada@x.example"), Name: new("Ada"), Traits: trait.Values{"plan": "gold"}},
		}})
		if err != nil || out[0].Errors != nil {
			t.Fatal(err, out)
		}
		before, err := db.Ent.Contact.Query().Only(h.ctx)
		if err != nil {
			t.Fatal(err)
		}
		p := h.get(h.path() + "/0?e=ada@x.example")
		if strings.Contains(p.text, "Ada") || strings.Contains(p.text, "gold") {
			t.Errorf("the page knows who reads it: %s", p.text)
		}
		h.send(p, "score", "1")
		all := h.responses(t)
		if len(all) != 2 || all[0].Score != 10 || all[1].Score != 1 || all[1].Traits["plan"] != "gold" {
			t.Errorf("got %+v", all)
		}
		after, err := db.Ent.Contact.Query().Only(h.ctx)
		if err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("the contact was %v, and is %v (error: %v)", before, after, err)
		}
	})
}

func TestBadForms(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		p := h.get(h.path())
		for name, test := range map[string]struct {
			changes []string
			status  int
		}{
			"no number":         {nil, http.StatusUnprocessableEntity},
			"eleven":            {[]string{"score", "11"}, http.StatusUnprocessableEntity},
			"below":             {[]string{"score", "-1"}, http.StatusUnprocessableEntity},
			"half":              {[]string{"score", "9.5"}, http.StatusUnprocessableEntity},
			"another nine":      {[]string{"score", "09"}, http.StatusUnprocessableEntity},
			"long":              {[]string{"score", "9", "comment", strings.Repeat("ü", 10_001)}, http.StatusUnprocessableEntity},
			"a megabyte":        {[]string{"score", "9", "comment", strings.Repeat("x", 1<<20)}, http.StatusRequestEntityTooLarge},
			"no nonce":          {[]string{"score", "9", "page", ""}, http.StatusOK},
			"another one":       {[]string{"score", "9", "page", strings.Repeat("A", link.NonceChars)}, http.StatusOK},
			"of another reader": {[]string{"score", "9", "page", nonceOf(h.get(h.path() + "?e=x@y.example"))}, http.StatusOK},
			"markup":            {[]string{"comment", `<script>alert("x")</script></textarea>`}, http.StatusUnprocessableEntity},
		} {
			h.from = "192.0.2.9:1"
			got := h.send(p, test.changes...)
			if got.status != test.status || !strings.Contains(got.text, "<main>") {
				t.Errorf("%s: got %d, want %d: %s", name, got.status, test.status, got.text)
			}
			if strings.Contains(got.text, "<script>alert") {
				t.Errorf("%s: markup is shown as it is", name)
			}
			_, fields := got.form()
			for i := 0; i < len(test.changes); i += 2 {
				if test.changes[i] == "comment" && test.status == http.StatusUnprocessableEntity && fields.Get("comment") != test.changes[i+1] {
					t.Errorf("%s: what was typed is lost", name)
				}
			}
		}
		if all := h.responses(t); len(all) != 0 {
			t.Errorf("there are %d responses", len(all))
		}
		if longest := h.send(p, "score", "9", "comment", strings.Repeat("🙂", 10_000)); longest.status != http.StatusSeeOther {
			t.Errorf("the longest comment: got %d", longest.status)
		}
	})
}

func nonceOf(p page) string {
	_, fields := p.form()
	return fields.Get("page")
}

// Links that lead nowhere say so, each in the reader's language; what is forged and what is another tenant's are the same.
func TestLinksThatLeadNowhere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, other := open(t, db), open(t, db)
		sent := h.send(h.get(h.path()), "score", "9")
		_ = other
		forged := sent.location[:len(sent.location)-1] + "A"
		if strings.HasSuffix(sent.location, "A") {
			forged = sent.location[:len(sent.location)-1] + "B"
		}
		var said string
		for name, test := range map[string]struct {
			path   string
			status int
		}{
			"no campaign":  {"/s/" + id.Campaign.Format(id.New()), http.StatusNotFound},
			"no id":        {"/s/camp_x", http.StatusNotFound},
			"another kind": {"/s/" + id.Response.Format(id.New()), http.StatusNotFound},
			"nothing":      {"/s/", http.StatusNotFound},
			"forged":       {forged, http.StatusNotFound},
			"cut":          {sent.location[:40], http.StatusNotFound},
			"long":         {"/s/z10l_" + strings.Repeat("A", 5_000), http.StatusNotFound},
		} {
			got := h.get(test.path, "Accept-Language", "de-CH, en;q=0.5")
			if got.status != test.status || !strings.Contains(got.text, `<html lang="de"`) {
				t.Errorf("%s: got %d: %s", name, got.status, got.text)
			}
			if said == "" {
				said = got.text
			}
			if got.text != said {
				t.Errorf("%s: is told otherwise", name)
			}
		}
		h.now.pass(25 * time.Hour)
		if got := h.get(sent.location); got.status != http.StatusGone {
			t.Errorf("an old receipt: got %d", got.status)
		}
		form := h.get(h.path())
		for _, status := range []entcampaign.Status{entcampaign.StatusPAUSED, entcampaign.StatusCLOSED} {
			said := words.English.Page.Paused
			if status == entcampaign.StatusCLOSED {
				said = words.English.Page.Closed
			}
			if _, err := campaign.Update(h.ctx, db, campaign.UpdateInput{ID: h.campaign.NodeID(), Status: &status}); err != nil {
				t.Fatal(err)
			}
			h.now.pass(5 * time.Second)
			if got := h.get(h.path()); got.status != http.StatusGone || strings.Contains(got.text, "<form") ||
				!strings.Contains(got.text, "<h1>"+said.Heading+"</h1>\n<p>"+said.Text+"</p>") || strings.Contains(got.text, "<textarea") {
				t.Errorf("%s: got %d: %s", status, got.status, got.text)
			}
			// What was written on a page from before is not lost, and nothing of it is kept.
			got := h.send(form, "score", "3", "comment", "a <b>long\r\nstory</b>")
			if got.status != http.StatusGone || !strings.Contains(got.text, "<h1>"+said.Heading+"</h1>") || strings.Contains(got.text, "<form") ||
				!strings.Contains(got.text, " readonly>\na &lt;b&gt;long\nstory&lt;/b&gt;</textarea>") {
				t.Errorf("a form that came to a campaign that is %s: got %d: %s", status, got.status, got.text)
			}
			if got := h.send(form, "score", "3"); strings.Contains(got.text, "<textarea") {
				t.Errorf("%s: something is shown that nobody wrote: %s", status, got.text)
			}
		}
	})
}

// One that sends without end is told to wait, others are not.
func TestFloodOfOneAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		refused := 0
		for range 100 {
			if p := h.get(h.path()); p.status == http.StatusTooManyRequests {
				refused++
				if p.header.Get("Retry-After") == "" {
					t.Error("it is not said how long to wait")
				}
			}
		}
		h.from = "192.0.2.2:1"
		if p := h.get(h.path()); refused != 40 || p.status != http.StatusOK {
			t.Errorf("%d of 100 were refused, and another address got %d", refused, p.status)
		}
	})
}

// Every page says that nobody is to keep it, index it, frame it or hear of it, and sets no cookie.
func TestHeaders(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		sent := h.send(h.get(h.path()), "score", "9")
		for name, p := range map[string]page{"page": h.get(h.path()), "receipt": h.get(sent.location), "refusal": h.get("/s/x"), "redirect": sent} {
			for key, want := range map[string]string{
				"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow",
				"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin", "Set-Cookie": "",
			} {
				if got := p.header.Get(key); got != want {
					t.Errorf("%s: %s is %q, want %q", name, key, got, want)
				}
			}
			if policy := p.header.Get("Content-Security-Policy"); name != "redirect" && (!strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe")) {
				t.Errorf("%s: the policy is %q", name, policy)
			}
		}
	})
}

// A public link carries its language, its variant and its traits, and nobody can change them.
func TestPublicLink(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		_, err := survey.Update(h.ctx, db, survey.UpdateInput{Campaign: h.campaign.NodeID(), Variants: []survey.Variant{{Name: "A", Weight: 1}, {Name: "B", Weight: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		surveys, err := survey.Of(h.ctx, db, []uuid.UUID{h.campaign.ID})
		if err != nil {
			t.Fatal(err)
		}
		asked := survey.NewAsked(h.campaign.Question, h.campaign.FollowUpQuestion, surveys[h.campaign.ID], nil)
		made, err := survey.Site("https://x.example").Link(h.ctx, db, settings.NewStates(db), h.now.time(), h.campaign.ID, asked,
			survey.LinkInput{Locale: new("ar"), Variant: new("B"), Traits: trait.Values{"store": "Berlin 3"}})
		if err != nil {
			t.Fatal(err)
		}
		p := h.get(strings.TrimPrefix(made.URL, "https://x.example"), "Accept-Language", "de")
		if !strings.Contains(p.text, `<html lang="ar" dir="rtl">`) {
			t.Errorf("got %s", p.text)
		}
		h.send(p, "score", "9")
		all := h.responses(t)
		if len(all) != 1 || *all[0].Variant != "B" || *all[0].Locale != "ar" || all[0].Traits["store"] != "Berlin 3" || all[0].Channel != response.ChannelLINK || nps.CategoryOf(all[0].Score) != nps.Promoter {
			t.Errorf("got %+v", all)
		}
	})
}

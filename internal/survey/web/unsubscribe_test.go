package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entinvitation "github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/survey/web"
	"github.com/zeroten/zeroten/internal/survey/words"
	"github.com/zeroten/zeroten/internal/trait"
)

// wishes are who wants no mails.
type wishes struct {
	mu sync.Mutex
	// none are the invitations of those who want none, and gone those of whom nobody knows anything.
	none, gone map[uuid.UUID]bool
	tenant     uuid.UUID
	calls      int
	// fails is why nothing can be changed, and looking why nobody knows how things are.
	fails, looking error
}

func (w *wishes) unsubscribe(ctx context.Context, tenant, invitation uuid.UUID) (bool, error) {
	return w.set(ctx, tenant, invitation, true)
}

func (w *wishes) resubscribe(ctx context.Context, tenant, invitation uuid.UUID) (bool, error) {
	return w.set(ctx, tenant, invitation, false)
}

func (w *wishes) unsubscribed(ctx context.Context, _, invitation uuid.UUID) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.none[invitation], errors.Join(w.looking, ctx.Err())
}

func (w *wishes) set(ctx context.Context, tenant, invitation uuid.UUID, none bool) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	w.tenant = tenant
	if w.fails != nil || ctx.Err() != nil || w.gone[invitation] {
		return false, errors.Join(w.fails, ctx.Err())
	}
	changed := w.none[invitation] != none
	w.none[invitation] = none
	return changed, nil
}

// mailed is an invitation by mail, and where its mail says that one can unsubscribe.
func (h *house) mailed(t *testing.T) (*ent.Invitation, string) {
	t.Helper()
	people, err := h.log.Upsert(h.ctx, []contact.Input{{Email: new("ada@x.example"), Name: new("Ada")}})
	if err != nil {
		t.Fatal(err)
	}
	var i *ent.Invitation
	if err := h.db.Write(h.ctx, func(tx *store.Tx) error {
		i, err = tx.Ent.Invitation.Create().SetCampaignID(h.campaign.ID).SetContactID(people[0].Value.ID).SetChannel(entinvitation.ChannelEMAIL).
			SetStatus(entinvitation.StatusSENT).SetLocale("nl").SetTraits(trait.Values{}).SetDueAt(h.now.time()).SetSentAt(h.now.time()).Save(h.ctx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return i, h.leaving(t, link.Unsubscribe, i.ID)
}

func (h *house) leaving(t *testing.T, kind link.Kind, subject uuid.UUID) string {
	t.Helper()
	sheet, err := h.book.Sheet(h.ctx, h.campaign.ID)
	if err != nil {
		t.Fatal(err)
	}
	l := link.Link{Kind: kind, Subject: subject, Issued: h.now.time()}
	if kind == link.Receipt {
		l.Identity = link.Verified
	}
	token, err := sheet.Ring.Sign(l)
	if err != nil {
		t.Fatal(err)
	}
	return "/u/" + token
}

// wish sends anything.
func (h *house) wish(path, mediaType, body string, header ...string) page {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr = h.from
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return page{w.Code, w.Header(), w.Body.String(), w.Header().Get("Location")}
}

// choice is what a browser sends from the page when nobody changes anything, and where.
func (p page) choice(t *testing.T) (action string, fields url.Values) {
	t.Helper()
	m := regexp.MustCompile(`<form method="post" action="([^"]*)"`).FindStringSubmatch(p.text)
	if m == nil || strings.Count(p.text, "<form") != 1 || strings.Contains(p.text, `" checked`) {
		t.Fatalf("it has not one form with nothing ticked: %s", p.text)
	}
	fields = url.Values{}
	for _, f := range hidden.FindAllStringSubmatch(p.text, -1) {
		fields.Set(f[1], f[2])
	}
	return strings.ReplaceAll(m[1], "&amp;", "&"), fields
}

// chooses sends the page's form, changed.
func (h *house) chooses(t *testing.T, p page, changes ...string) page {
	t.Helper()
	action, fields := p.choice(t)
	for i := 0; i < len(changes); i += 2 {
		fields.Set(changes[i], changes[i+1])
	}
	return h.do(http.MethodPost, action, fields)
}

// signOf is what the page's script would send of somebody who used the page a second after it was there.
func signOf(t *testing.T, p page) string {
	t.Helper()
	_, fields := p.choice(t)
	sum := fnv.New32a()
	if _, err := io.WriteString(sum, fields.Get("page")+".1000"); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("1000.%08x", sum.Sum32())
}

func said(t *testing.T, p page, n words.Notice) bool {
	t.Helper()
	return strings.Contains(p.text, "<h1>"+n.Heading+"</h1>\n<p>"+n.Text+"</p>")
}

func inDutch(t *testing.T) words.Unsubscribe {
	t.Helper()
	w, ok := words.In("nl")
	if !ok {
		t.Fatal("there is no Dutch")
	}
	return w.Unsubscribe
}

func multiparts(t *testing.T, fields ...string) (mediaType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

// Whatever a mail provider sends at a person's word acts, and is answered the same each time.
func TestOneClick(t *testing.T) {
	multi, parts := multiparts(t, "List-Unsubscribe", "One-Click")
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		n := 0
		for name, sent := range map[string]struct {
			mediaType, body string
			header          []string
		}{
			"empty":                   {},
			"empty, as a form":        {"application/x-www-form-urlencoded", "", nil},
			"a form":                  {"application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", nil},
			"a form in UTF-8":         {"application/x-www-form-urlencoded; charset=UTF-8", "List-Unsubscribe=One-Click", nil},
			"multipart":               {multi, parts, nil},
			"multipart, cut off":      {multi, parts[:len(parts)-20], nil},
			"multipart, no boundary":  {"multipart/form-data", parts, nil},
			"multipart, another one":  {"multipart/form-data; boundary=x", parts, nil},
			"text":                    {"text/plain", "List-Unsubscribe=One-Click", nil},
			"JSON":                    {"application/json", `{"List-Unsubscribe":"One-Click"}`, nil},
			"no media type":           {"", "List-Unsubscribe=One-Click", nil},
			"nonsense":                {"x; y; =", "%zz&&=&\x00\xff", nil},
			"undo without a page":     {"application/x-www-form-urlencoded", "undo=yes&sure=no", nil},
			"huge":                    {"application/x-www-form-urlencoded", strings.Repeat("x", 4<<20), nil},
			"huge, with a page later": {"application/x-www-form-urlencoded", strings.Repeat("x", 64<<10) + "&page=1", nil},
			"of a foreign site":       {"application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", []string{"Origin", "https://mail.example", "Referer", "https://mail.example/", "Sec-Fetch-Site", "cross-site"}},
			"of no origin":            {"application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", []string{"Origin", "null"}},
			"with a cookie":           {"application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", []string{"Cookie", "a=b", "Authorization", "Bearer x"}},
		} {
			n++
			h.from = "192.0.2." + string(rune('0'+n%10)) + ":1"
			i, path := h.mailed(t)
			var first string
			for range 2 {
				p := h.wish(path, sent.mediaType, sent.body, sent.header...)
				if p.status != http.StatusOK || p.location != "" || !said(t, p, inDutch(t).Done) {
					t.Fatalf("%s: status %d to %q: %s", name, p.status, p.location, p.text)
				}
				if first == "" {
					first = p.text
				} else if p.text != first {
					t.Errorf("%s: the second time it is told otherwise: %s", name, p.text)
				}
				if !h.wishes.none[i.ID] {
					t.Errorf("%s: it does nothing", name)
				}
			}
			if h.wishes.tenant != auth.Tenant(h.ctx) {
				t.Errorf("%s: of the tenant %s", name, h.wishes.tenant)
			}
			// A trailing slash, and what providers put behind links.
			h.wishes.none[i.ID] = false
			if p := h.wish(path+"/?utm_source=mail&page=1", sent.mediaType, sent.body); p.status != http.StatusOK || !h.wishes.none[i.ID] {
				t.Errorf("%s: with a changed link: status %d", name, p.status)
			}
		}
	})
}

// Scanners open all that is in a mail, and send forms as they are: that does nothing.
func TestScannersUnsubscribeNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		_, path := h.mailed(t)
		shown := h.get(path)
		if shown.status != http.StatusOK || !said(t, shown, inDutch(t).Ask) || !strings.Contains(shown.text, `<html lang="nl"`) || !strings.Contains(shown.text, "Acme") {
			t.Fatalf("status %d: %s", shown.status, shown.text)
		}
		if strings.Contains(shown.text, "Ada") || strings.Contains(shown.text, "ada@") {
			t.Errorf("it says who they are: %s", shown.text)
		}
		for _, path := range []string{path, path + "?undo=1", path + "?undo", path + "?List-Unsubscribe=One-Click", path + "/"} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				if p := h.do(method, path, nil); p.status != http.StatusOK {
					t.Errorf("%s %s: status %d", method, path, p.status)
				}
			}
		}
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch} {
			if p := h.do(method, path, nil); p.status != http.StatusMethodNotAllowed || p.header.Get("Allow") != "GET, HEAD, POST" {
				t.Errorf("%s: status %d, Allow %q", method, p.status, p.header.Get("Allow"))
			}
		}
		// The form as it is, again and again; with a sign that is none, in parts, and with the other form's fields.
		p := shown
		for range 3 {
			p = h.chooses(t, p)
			if p.status != http.StatusOK || !strings.Contains(p.text, `role="alert"`) || !strings.Contains(p.text, inDutch(t).Tick) {
				t.Fatalf("status %d: %s", p.status, p.text)
			}
		}
		h.now.pass(time.Second)
		for _, sign := range []string{"x", "1000.00000000", signOf(t, shown)[1:], strings.Repeat("1", 100)} {
			h.chooses(t, shown, "sign", sign)
		}
		for _, sure := range []string{"", "on", "no", "YES"} {
			h.chooses(t, shown, "sure", sure)
		}
		h.chooses(t, h.get(path+"?undo=1"))
		_, fields := shown.choice(t)
		mediaType, body := multiparts(t, "page", fields.Get("page"), "sign", "")
		h.wish(path, mediaType, body)
		h.wish(path, "application/x-www-form-urlencoded", "page=&sign=")
		h.wish(path, "application/x-www-form-urlencoded", "page=x&List-Unsubscribe=One-Click")
		h.wish(path, "text/plain", "page=x")
		if h.wishes.calls > 0 {
			t.Errorf("%d did something", h.wishes.calls)
		}
	})
}

// A person does it by the page, with a script or without, and takes it back.
func TestUnsubscribing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		i, path := h.mailed(t)
		signed := func(p page) []string {
			h.now.pass(2 * time.Second)
			return []string{"sign", signOf(t, p)}
		}
		ticked := func(page) []string { return []string{"sure", "yes"} }
		for name, person := range map[string]func(page) []string{"with a script": signed, "without": ticked} {
			h.wishes.none[i.ID] = false
			p := h.get(path)
			p = h.chooses(t, p, person(p)...)
			if p.status != http.StatusOK || !said(t, p, inDutch(t).Done) || !h.wishes.none[i.ID] {
				t.Fatalf("%s: status %d: %s", name, p.status, p.text)
			}
			// The form as it is takes nothing back.
			if again := h.chooses(t, p); again.status != http.StatusOK || !h.wishes.none[i.ID] || !strings.Contains(again.text, inDutch(t).Tick) {
				t.Fatalf("%s: status %d: %s", name, again.status, again.text)
			}
			p = h.chooses(t, p, person(p)...)
			if p.status != http.StatusOK || !said(t, p, inDutch(t).Undone) || h.wishes.none[i.ID] {
				t.Fatalf("%s, taken back: status %d: %s", name, p.status, p.text)
			}
			p = h.chooses(t, p, person(p)...)
			if p.status != http.StatusOK || !said(t, p, inDutch(t).Done) || !h.wishes.none[i.ID] {
				t.Fatalf("%s, once more: status %d: %s", name, p.status, p.text)
			}
		}
		// Whom a mail provider has unsubscribed finds the way back.
		p := h.wish(path+"?l=de", "", "")
		m := regexp.MustCompile(`<a href="(/u/[^"]*)">`).FindStringSubmatch(p.text)
		if m == nil || !strings.Contains(p.text, `<html lang="de"`) {
			t.Fatalf("there is no way back: %s", p.text)
		}
		p = h.get(strings.ReplaceAll(m[1], "&amp;", "&"))
		german, _ := words.In("de")
		if !h.wishes.none[i.ID] || !strings.Contains(p.text, german.Unsubscribe.UndoSure) {
			t.Fatalf("looking at it: %s", p.text)
		}
		if p = h.chooses(t, p, "sure", "yes"); !said(t, p, german.Unsubscribe.Undone) || h.wishes.none[i.ID] {
			t.Errorf("taken back: %s", p.text)
		}
		// By the mail's own link, too, which says how things are; looking at it, and sending the form behind it as it is, changes nothing.
		h.wish(path, "", "")
		calls := h.wishes.calls
		p = h.get(path)
		m = regexp.MustCompile(`<a href="(/u/[^"]*)">`).FindStringSubmatch(p.text)
		if p.status != http.StatusOK || !said(t, p, inDutch(t).Done) || strings.Contains(p.text, "<form") || m == nil {
			t.Fatalf("status %d: %s", p.status, p.text)
		}
		p = h.get(strings.ReplaceAll(m[1], "&amp;", "&"))
		if again := h.chooses(t, p); again.status != http.StatusOK || !h.wishes.none[i.ID] || h.wishes.calls != calls {
			t.Fatalf("status %d: %s", again.status, again.text)
		}
		if p = h.chooses(t, p, "sure", "yes"); !said(t, p, inDutch(t).Undone) || h.wishes.none[i.ID] {
			t.Errorf("taken back: %s", p.text)
		}
		if p = h.get(path); !said(t, p, inDutch(t).Ask) {
			t.Errorf("and after that: %s", p.text)
		}
		h.wishes.looking = errors.New("away")
		if p = h.get(path); p.status != http.StatusServiceUnavailable {
			t.Errorf("status %d where nobody knows: %s", p.status, p.text)
		}
		h.wishes.looking = nil
		// A page that is days old unsubscribes all the same, but nobody is subscribed by it, nor by a page of another mail, or of none.
		_, other := h.mailed(t)
		old, back, foreign := h.get(path), h.get(path+"?undo=1"), h.get(other+"?undo=1")
		h.now.pass(25 * time.Hour)
		h.chooses(t, old, "sure", "yes")
		if !h.wishes.none[i.ID] {
			t.Error("an old page does nothing")
		}
		_, fields := foreign.choice(t)
		for _, nonce := range []string{"", "x", fields.Get("page")} {
			h.chooses(t, back, "sure", "yes", "page", nonce)
		}
		h.chooses(t, back, "sure", "yes")
		if !h.wishes.none[i.ID] {
			t.Error("somebody gets mails again by a page that is none")
		}
	})
}

// Links that are none are all told the same, whatever they are; and links of /s/ are none here, nor the other way about.
func TestForgedFarewells(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, other := open(t, db), open(t, db)
		i, path := h.mailed(t)
		forged := []byte(path)
		forged[60] ^= 1
		last := path[:len(path)-1] + "A"
		if strings.HasSuffix(path, "A") {
			last = path[:len(path)-1] + "B"
		}
		theirs := strings.TrimPrefix(other.leaving(t, link.Unsubscribe, i.ID), "/u/")
		// Another tenant's keys say nothing of this one's mails: what is changed is theirs.
		if p := h.wish("/u/"+theirs, "", ""); p.status != http.StatusOK || h.wishes.tenant != auth.Tenant(other.ctx) {
			t.Errorf("another tenant's: status %d, of %s", p.status, h.wishes.tenant)
		}
		calls := h.wishes.calls
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			var told string
			for name, path := range map[string]string{
				"nothing":        "/u/",
				"an id":          "/u/" + id.Invitation.Format(i.ID),
				"one byte":       string(forged),
				"the last byte":  last,
				"more":           path + "A",
				"more of a path": path + "/x",
				"less":           path[:len(path)-4],
				"long":           "/u/z10u_" + strings.Repeat("A", 10_000),
				"another prefix": strings.Replace(path, "z10u_", "z10l_", 1),
				"an invitation":  h.leaving(t, link.Invitation, i.ID),
				"a public link":  h.leaving(t, link.PublicLink, h.campaign.ID),
				"a receipt":      h.leaving(t, link.Receipt, i.ID),
				"a contact":      h.leaving(t, link.Contact, *i.ContactID),
			} {
				p := h.do(method, path, nil, "Accept-Language", "de")
				if p.status != http.StatusNotFound || !strings.Contains(p.text, `<html lang="de"`) {
					t.Errorf("%s %s: status %d", method, name, p.status)
				}
				if told == "" {
					told = h.get("/s/z10l_x", "Accept-Language", "de").text
				}
				if p.text != told {
					t.Errorf("%s %s: it is told otherwise: %s", method, name, p.text)
				}
			}
		}
		if p := h.get("/s/" + strings.TrimPrefix(path, "/u/")); p.status != http.StatusNotFound {
			t.Errorf("as a survey: status %d", p.status)
		}
		if h.wishes.calls != calls {
			t.Error("something was done")
		}
		// Where nobody could do it there is no page.
		bare := web.New(web.Config{Book: h.book, Desk: h.desk, Door: edge.New(edge.Config{}), Now: h.now.time})
		w := httptest.NewRecorder()
		if bare.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil)); w.Code != http.StatusNotFound {
			t.Errorf("without anybody to do it: status %d", w.Code)
		}
	})
}

// Of whoever was erased nothing is said: it is as if it were done. And a link is good for years.
func TestFarewellsOfNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		i, path := h.mailed(t)
		before := h.wish(path, "", "")
		h.wishes.gone = map[uuid.UUID]bool{i.ID: true}
		if err := db.Write(h.ctx, func(tx *store.Tx) error {
			return tx.Ent.Invitation.UpdateOneID(i.ID).ClearContactID().Exec(h.ctx)
		}); err != nil {
			t.Fatal(err)
		}
		if p := h.wish(path, "", ""); p.status != http.StatusOK || p.text != before.text {
			t.Errorf("status %d: %s", p.status, p.text)
		}
		if p := h.get(path); p.status != http.StatusOK || !said(t, p, inDutch(t).Done) {
			t.Errorf("status %d: %s", p.status, p.text)
		}
		h.wishes.none[i.ID] = false
		if p := h.chooses(t, h.get(path), "sure", "yes"); p.status != http.StatusOK || !said(t, p, inDutch(t).Done) {
			t.Errorf("status %d: %s", p.status, p.text)
		}
		h.now.pass(10 * 365 * 24 * time.Hour)
		if p := h.wish(path, "", ""); p.status != http.StatusOK {
			t.Errorf("ten years later: status %d", p.status)
		}
		// An invitation that nobody knows any more, as of a campaign that is deleted.
		unheard := id.New()
		gone := h.leaving(t, link.Unsubscribe, unheard)
		for _, p := range []page{h.get(gone, "Accept-Language", "de"), h.wish(gone, "", "", "Accept-Language", "de")} {
			if p.status != http.StatusOK || !strings.Contains(p.text, `<html lang="de"`) {
				t.Errorf("of a mail that nobody knows: status %d: %s", p.status, p.text)
			}
		}
		if !h.wishes.none[unheard] {
			t.Error("a mail that nobody knows any more unsubscribes nobody")
		}
	})
}

// Where it cannot be done now it is said so, and nothing is answered as if it were.
func TestFarewellsWhileTheDatabaseIsAway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		_, path := h.mailed(t)
		later := func(what string, p page) {
			t.Helper()
			if p.status != http.StatusServiceUnavailable || p.header.Get("Retry-After") == "" || strings.Contains(p.text, inDutch(t).Done.Heading) || strings.Contains(p.text, "<form") {
				t.Errorf("%s: status %d, %v: %s", what, p.status, p.header, p.text)
			}
		}
		shown := h.get(path)
		h.wishes.fails = errors.New("the database is away")
		later("one click", h.wish(path, "", ""))
		later("a person", h.chooses(t, shown, "sure", "yes"))
		later("taken back", h.chooses(t, h.get(path+"?undo=1"), "sure", "yes"))
		if !strings.Contains(h.logged.String(), "the database is away") {
			t.Errorf("nobody is told: %s", h.logged)
		}
		h.wishes.fails = nil
		// What does not come to its end may say anything.
		r := httptest.NewRequest(http.MethodPost, path, io.MultiReader(strings.NewReader("a=b"), broken{}))
		w := httptest.NewRecorder()
		calls := h.wishes.calls
		h.handler.ServeHTTP(w, r)
		later("broken off", page{w.Code, w.Header(), w.Body.String(), ""})
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		later("looking", h.get(path))
		later("one click, no database", h.wish(path, "", ""))
		if h.wishes.calls != calls {
			t.Error("something was done")
		}
	})
}

// broken breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// Every answer has the headers of all pages, and one address may not send without end.
func TestFarewellHeaders(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		_, path := h.mailed(t)
		h.wishes.fails = nil
		shown := h.get(path)
		pages := map[string]page{
			"page": shown, "head": h.do(http.MethodHead, path, nil), "form": h.chooses(t, shown, "sure", "yes"), "one click": h.wish(path, "", ""), "done": h.get(path),
			"refusal": h.get("/u/x"), "back": h.get(path + "?undo=1"),
		}
		h.wishes.fails = errors.New("away")
		pages["later"] = h.wish(path, "", "")
		for name, p := range pages {
			for key, want := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow",
				"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin", "Set-Cookie": "", "Location": "",
			} {
				if got := p.header.Get(key); got != want {
					t.Errorf("%s: %s is %q, want %q", name, key, got, want)
				}
			}
			if !regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[^']{44}'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$`).
				MatchString(p.header.Get("Content-Security-Policy")) {
				t.Errorf("%s: the policy is %q", name, p.header.Get("Content-Security-Policy"))
			}
		}
		h.wishes.fails = nil
		h.from = "198.51.100.1:1"
		refused := 0
		for range 100 {
			if p := h.wish(path, "", ""); p.status == http.StatusTooManyRequests {
				if refused++; p.header.Get("Retry-After") == "" {
					t.Error("it is not said how long to wait")
				}
			}
		}
		if refused != 40 {
			t.Errorf("%d of 100 were refused", refused)
		}
	})
}

// Package web shows the pages that people answer on, and takes what they answer. The pages are for everybody: they need no key and no
// script, set no cookies, load nothing from elsewhere, and are shown as they were while the database is away.
package web

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/bar"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/survey/words"
)

// maxForm is how many bytes a form has at most: a comment of as many characters as are taken, each of which may take twelve, and the rest.
const maxForm = 12*feedback.MaxComment + 4<<10

// scriptPath is where the page's script is.
const scriptPath = "/page.js"

// Config of a Handler.
type Config struct {
	Book *survey.Book
	Desk *survey.Desk
	Door *edge.Door
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Handler serves `/s/…`, `/page.js` and `/b/…`.
type Handler struct {
	Config
}

// New makes a Handler.
func New(c Config) *Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Handler{c}
}

// Is reports whether a request is for one of these pages or their files.
func Is(r *http.Request) bool {
	return r.URL.Path == scriptPath || strings.HasPrefix(r.URL.Path, "/s/") || strings.HasPrefix(r.URL.Path, "/b/")
}

// ServeHTTP serves the pages and their files.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{Handler: h, w: w, r: r, from: h.Door.Address(r), now: h.Now()}
	switch {
	case r.URL.Path == scriptPath:
		v.file("text/javascript; charset=utf-8", script)
	case strings.HasPrefix(r.URL.Path, "/b/"):
		v.image(strings.TrimPrefix(r.URL.Path, "/b/"))
	default:
		v.page(strings.TrimPrefix(r.URL.Path, "/s/"))
	}
}

// visit is one request.
type visit struct {
	*Handler

	w    http.ResponseWriter
	r    *http.Request
	from netip.Addr
	now  time.Time
}

// isView reports whether the request is to look at something.
func (v *visit) isView() bool { return v.r.Method == http.MethodGet || v.r.Method == http.MethodHead }

// pays takes a point of a bucket, or says when there will be one.
func (v *visit) pays(b edge.Bucket) bool {
	err := b.Take(1, v.now)
	if err == nil {
		return true
	}
	wait := time.Second
	if refusal, ok := errors.AsType[*edge.Refusal](err); ok {
		wait = refusal.Wait
	}
	v.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return false
}

// file answers with what is the same for everybody.
func (v *visit) file(kind string, text []byte) {
	if !v.allow(http.MethodGet, http.MethodHead) {
		return
	}
	header := v.w.Header()
	header.Set("Content-Type", kind)
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = v.w.Write(text) // the browser went away
}

// allow refuses other methods.
func (v *visit) allow(methods ...string) bool {
	if slices.Contains(methods, v.r.Method) {
		return true
	}
	v.w.Header().Set("Allow", strings.Join(methods, ", "))
	http.Error(v.w, "Not with this method.", http.StatusMethodNotAllowed)
	return false
}

// target is what a page is about.
type target struct {
	sheet *survey.Sheet
	// code is that of the URL.
	code  string
	query bar.Query
	// reader is who the page is for. Variant and Locale are known once the page is made.
	reader survey.Reader
	// locale and variant are those that the link names; empty where it names none.
	locale, variant string
	// answer is what was answered, where the page is its receipt.
	answer   *ent.Response
	identity link.Identity
}

// problem is why there is no page, and what is said of it.
type problem struct {
	status int
	notice func(*words.Page) words.Notice
}

var (
	unknown = &problem{http.StatusNotFound, func(p *words.Page) words.Notice { return p.Unknown }}
	expired = &problem{http.StatusGone, func(p *words.Page) words.Notice { return p.Expired }}
	closed  = &problem{http.StatusGone, func(p *words.Page) words.Notice { return p.Closed }}
	away    = &problem{http.StatusServiceUnavailable, func(p *words.Page) words.Notice { return p.TryLater }}
	tooMany = &problem{http.StatusTooManyRequests, func(p *words.Page) words.Notice { return p.TooMany }}
)

// page serves what is below /s/.
func (v *visit) page(path string) {
	if !v.allow(http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	code, rest, _ := strings.Cut(strings.TrimSuffix(path, "/"), "/")
	if v.isView() && !v.pays(v.Door.OfViews(v.from)) {
		v.refuse(nil, tooMany)
		return
	}
	t, p := v.target(code, score(rest) != nil || rest == "all")
	switch {
	case p != nil:
		v.refuse(t, p)
	case v.isView():
		v.show(t, score(rest))
	case rest != "":
		v.refuse(t, unknown)
	default:
		v.take(t)
	}
}

// score is the number that a link names; nil for anything else.
func score(text string) *int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > nps.MaxScore || strconv.Itoa(n) != text {
		return nil
	}
	return &n
}

// target finds what the code is about. ofBar says that the link is one of a bar's, as only mails have them. Where there is a problem the
// target may be there, or not.
func (v *visit) target(code string, ofBar bool) (*target, *problem) {
	t := &target{code: code, query: bar.ParseQuery(v.r.URL.RawQuery)}
	t.query.Named = t.query.Named || ofBar
	ctx := v.r.Context()
	if kind, campaign, err := id.Parse(code); err == nil && kind == id.Campaign {
		t.reader = survey.Reader{Email: t.query.Email, ExternalID: t.query.ExternalID, Channel: response.ChannelLINK}
		if t.query.Named {
			t.reader.Channel = response.ChannelEMAIL
		}
		t.locale, t.variant = t.query.Locale, t.query.Variant
		return v.sheet(t, campaign)
	}
	claim, err := link.Parse(code)
	if err != nil {
		return nil, unknown
	}
	ring, err := v.Book.Ring(ctx, claim.Tenant(), claim.Key())
	if err != nil {
		v.failed("reading link keys", err)
		return nil, away
	}
	said, err := claim.Verify(ring)
	if err != nil {
		return nil, unknown
	}
	switch said.Kind {
	case link.PublicLink:
		t.reader = survey.Reader{Channel: response.ChannelLINK, Traits: said.Traits}
		t.locale, t.variant = said.Locale, said.Variant
		if t.query.Locale != "" {
			t.locale = t.query.Locale
		}
		return v.sheet(t, said.Subject)
	case link.Receipt:
		t.identity = said.Identity
		answer, err := v.Desk.Response(ctx, said.Tenant, said.Subject)
		if err != nil {
			v.failed("reading an answer", err)
			return nil, away
		}
		if answer == nil {
			return nil, expired
		}
		t.answer = answer
		t.variant, t.locale = value(answer.Variant), value(answer.Locale)
		t, p := v.sheet(t, answer.CampaignID)
		if p == nil && !said.Fresh(v.now, link.ReceiptLife) {
			p = expired
		}
		return t, p
	}
	return nil, unknown
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// sheet finds the campaign's.
func (v *visit) sheet(t *target, campaign uuid.UUID) (*target, *problem) {
	var err error
	t.sheet, err = v.Book.Sheet(v.r.Context(), campaign)
	switch {
	case err != nil:
		v.failed("reading how a campaign is asked", err)
		return nil, away
	case t.sheet == nil:
		return nil, unknown
	case t.sheet.Status != entcampaign.StatusACTIVE:
		return t, closed
	}
	return t, nil
}

// failed tells the log. Who asks is told to come back.
func (v *visit) failed(doing string, err error) {
	if v.r.Context().Err() == nil {
		v.Log.ErrorContext(v.r.Context(), "a page: "+doing, "error", err)
	}
}

// nonceOf is what the nonce of the target's page is bound to.
func (t *target) nonceOf() string {
	return strings.Join([]string{t.code, t.query.Email, t.query.ExternalID}, "\x00")
}

// settle decides which variant and which language the page is in, and gives its texts. nonce names one who has no name.
func (v *visit) settle(t *target, nonce link.Nonce) *survey.Texts {
	s := t.sheet
	t.reader.Variant = ""
	if s.Survey.Variant(t.variant) != nil {
		t.reader.Variant = t.variant
	} else if t.answer == nil {
		who := nonce.String()
		if t.reader.IsKnown() {
			who = t.reader.Name()
		}
		if drawn := s.Survey.Draw(s.Campaign, who); drawn != nil {
			t.reader.Variant = drawn.Name
		}
	}
	texts := s.Texts(t.reader.Variant, t.locale, v.r.Header.Get("Accept-Language"))
	t.reader.Locale = texts.Locale
	return texts
}

// show shows the page as it is before anything was sent.
func (v *visit) show(t *target, chosen *int) {
	nonce, err := t.sheet.Ring.NewNonce(t.nonceOf(), v.now)
	if err != nil {
		v.failed("making a nonce", err)
		v.refuse(t, away)
		return
	}
	p := v.view(t, nonce)
	if a := t.answer; a != nil {
		p.thank(t, a)
		p.Form.choose(&a.Score)
		p.Form.Comment = value(a.Comment)
		p.Form.Class, p.Form.Button = "again", p.texts.Words.Page.Change
	} else {
		p.Form.choose(chosen)
	}
	if t.query.Preview {
		p.notice(p.texts.Words.Page.Preview)
	}
	v.answer(http.StatusOK, p)
}

// take takes what was sent.
func (v *visit) take(t *target) {
	body, ok := v.body(t)
	if !ok {
		return
	}
	fields, _ := url.ParseQuery(string(body)) // what cannot be read of it was not sent
	nonce, err := t.sheet.Ring.ParseNonce(fields.Get("page"), t.nonceOf())
	genuine := err == nil && nonce.Fresh(v.now, link.NonceLife)
	bucket := v.Door.OfForms(v.from)
	if genuine {
		bucket = v.Door.OfPersons(v.from)
	}
	if !v.pays(bucket) {
		v.refuse(t, tooMany)
		return
	}
	if !genuine {
		if nonce, err = t.sheet.Ring.NewNonce(t.nonceOf(), v.now); err != nil {
			v.failed("making a nonce", err)
			v.refuse(t, away)
			return
		}
	}
	p := v.view(t, nonce)
	typed := &p.texts.Words.Page
	chosen, comment := score(fields.Get("score")), strings.ToValidUTF8(strings.ReplaceAll(fields.Get("comment"), "\r\n", "\n"), "\ufffd")
	p.Form.choose(chosen)
	p.Form.Comment = comment
	again := func(status int, n words.Notice) {
		p.notice(n)
		v.answer(status, p)
	}
	switch {
	case chosen == nil:
		again(http.StatusUnprocessableEntity, typed.NoNumber)
		return
	case utf8.RuneCountInString(comment) > feedback.MaxComment:
		n := typed.TooLong
		n.Text = words.Fill(n.Text, "limit", strconv.Itoa(feedback.MaxComment))
		again(http.StatusUnprocessableEntity, n)
		return
	}
	form := survey.Form{Score: *chosen, Comment: comment, From: score(fields.Get("from")), Nonce: nonce}
	_, form.Signed = nonce.Signed(fields.Get("sign"), v.now)
	if !genuine || !form.IsPersons() {
		p.Form.choose(nil) // whoever sends forms as they are sends no number from here
		again(http.StatusOK, typed.Confirm)
		return
	}
	if t.query.Preview {
		again(http.StatusOK, typed.Preview)
		return
	}
	saved, err := v.save(t, form)
	var errs apierror.UserErrors
	switch {
	case err == nil:
		v.receipt(t, saved)
	case errors.As(err, &errs) && (errs[0].Code == apierror.NotAllowed || errs[0].Code == apierror.NotFound):
		v.refuse(t, closed)
	case errors.As(err, &errs):
		again(http.StatusUnprocessableEntity, words.Notice{Heading: typed.TryLater.Heading, Text: errs.Error()})
	default:
		v.failed("recording an answer", err)
		v.w.Header().Set("Retry-After", "2")
		again(http.StatusServiceUnavailable, typed.TryLater)
	}
}

// save records the answer, or changes it.
func (v *visit) save(t *target, f survey.Form) (*ent.Response, error) {
	// Who closes the page must not leave it open whether the answer was kept.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.r.Context()), 10*time.Second)
	defer cancel()
	if t.answer != nil {
		return v.Desk.Change(ctx, t.sheet.Tenant, t.answer.ID, f.Score, f.Comment)
	}
	return v.Desk.Answer(ctx, t.sheet, t.reader, f)
}

// receipt leads to the thank-you, by which the answer can be changed.
func (v *visit) receipt(t *target, saved *ent.Response) {
	identity := t.identity
	switch {
	case t.answer != nil:
	case t.reader.IsKnown():
		identity = link.Unverified
	default:
		identity = link.Anonymous
	}
	token, err := t.sheet.Ring.Sign(link.Link{Kind: link.Receipt, Subject: saved.ID, Issued: v.now, Identity: identity})
	if err != nil {
		v.failed("making a receipt", err)
		v.refuse(t, away)
		return
	}
	v.guard("")
	v.w.Header().Set("Location", "/s/"+token)
	v.w.WriteHeader(http.StatusSeeOther)
}

// body reads what was sent.
func (v *visit) body(t *target) ([]byte, bool) {
	holder := edge.Network(v.from).String()
	in := v.Door.Intake(holder, nil)
	defer in.Done()
	body, err := in.Body(v.w, v.r, holder, maxForm)
	if err == nil {
		return body, true
	}
	refusal, _ := errors.AsType[*edge.Refusal](err)
	v.Door.GiveUp(v.w, v.r, refusal != nil && refusal.Why == edge.Late)
	switch {
	case refusal == nil:
		v.failed("reading a form", err)
		v.refuse(t, away)
	case refusal.Why == edge.TooLarge:
		v.refuse(t, &problem{http.StatusRequestEntityTooLarge, func(p *words.Page) words.Notice {
			n := p.TooLong
			n.Text = words.Fill(n.Text, "limit", strconv.Itoa(feedback.MaxComment))
			return n
		}})
	default:
		v.refuse(t, away)
	}
	return nil, false
}

// refuse shows what there is instead of a page; t may be nil.
func (v *visit) refuse(t *target, p *problem) {
	var page *view
	if t != nil && t.sheet != nil {
		texts := t.sheet.Texts("", t.locale, v.r.Header.Get("Accept-Language"))
		page = newView(texts, t.sheet)
	} else {
		page = newView(survey.NewAsked("", "", survey.Default(), nil).Texts("", v.r.Header.Get("Accept-Language")), nil)
	}
	n := p.notice(&page.texts.Words.Page)
	page.Message = &n
	page.Title = n.Heading
	v.answer(p.status, page)
}

// image answers with an image of a brand.
func (v *visit) image(name string) {
	if !v.allow(http.MethodGet, http.MethodHead) {
		return
	}
	image, err := v.Book.Image(v.r.Context(), name)
	switch {
	case err != nil:
		v.failed("reading an image", err)
		v.w.Header().Set("Retry-After", "2")
		http.Error(v.w, "Try again later.", http.StatusServiceUnavailable)
	case image == nil:
		http.NotFound(v.w, v.r)
	default:
		header := v.w.Header()
		header.Set("Content-Type", image.MediaType)
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
		// Mails show it, and pages of others must not be kept from it.
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
		header.Set("Content-Length", strconv.Itoa(len(image.Data)))
		_, _ = v.w.Write(image.Data) //nolint:gosec // an image that this server has made; an error means that the browser went away
	}
}

// Package web shows the pages that people answer on, and takes what they answer. The pages are for everybody: they need no key and no
// script, set no cookies, load nothing from elsewhere, and are shown as they were while the database is away.
package web

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/bar"
	"github.com/zeroten/zeroten/internal/survey/click"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/survey/words"
	"github.com/zeroten/zeroten/internal/tenant"
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
	// Keys tell whom a token names to a widget.
	Keys *tenant.Keys
	// Widget is the widget's script.
	Widget []byte
	// Unsubscribe has somebody asked by mail no more, and Resubscribe takes that back. Unsubscribed changes nothing, and is done where they are asked
	// no more by their own wish. Without all there is no page for it.
	Unsubscribe, Resubscribe, Unsubscribed Subscription
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Handler serves `/s/…`, `/u/…`, `/page.js` and `/b/…`, and `/w/…` and `/widget.js`.
type Handler struct {
	Config

	strangers click.Strangers
	// refusals are the pages that say no, and nothing of a campaign: what comes in a flood must cost little. There is one for each status
	// and language.
	refusals sync.Map
	// unfilled is when it was last said of a campaign that its links name nobody.
	unfilled sync.Map
}

type refusal struct {
	status int
	locale string
}

// New makes a Handler.
func New(c Config) *Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Handler{Config: c}
}

// ServeHTTP serves the pages and their files.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{Handler: h, w: w, r: r, from: h.Door.Address(r), now: h.Now()}
	switch {
	case r.URL.Path == scriptPath:
		v.file("text/javascript; charset=utf-8", script)
	case r.URL.Path == widgetPath:
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		v.file("text/javascript; charset=utf-8", h.Widget)
	case strings.HasPrefix(r.URL.Path, "/w/"):
		v.widget(strings.TrimPrefix(r.URL.Path, "/w/"))
	case strings.HasPrefix(r.URL.Path, unsubscribePath):
		v.unsubscribe(strings.TrimPrefix(r.URL.Path, unsubscribePath))
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
	// hides says that the answer's comment is not shown.
	hides bool
	// thanked is the number that somebody is thanked for of whose answer nothing else is shown.
	thanked *int
}

// problem is why there is no page, and what is said of it.
type problem struct {
	status int
	notice func(*words.Page) words.Notice
}

var (
	unknown = &problem{http.StatusNotFound, func(p *words.Page) words.Notice { return p.Unknown }}
	expired = &problem{http.StatusGone, func(p *words.Page) words.Notice { return p.Expired }}
	paused  = &problem{http.StatusGone, func(p *words.Page) words.Notice { return p.Paused }}
	closed  = &problem{http.StatusGone, func(p *words.Page) words.Notice { return p.Closed }}
	away    = &problem{http.StatusServiceUnavailable, func(p *words.Page) words.Notice { return p.TryLater }}
	tooMany = &problem{http.StatusTooManyRequests, func(p *words.Page) words.Notice { return p.TooMany }}
)

// page serves what is below /s/.
func (v *visit) page(path string) {
	// Whatever comes is paid for, before anything is looked for. A form that this server has not served pays once more: see take.
	bucket := v.Door.OfViews(v.from)
	if v.r.Method == http.MethodPost {
		bucket = v.Door.OfPersons(v.from)
	}
	if !v.pays(bucket) {
		v.refuse(nil, tooMany)
		return
	}
	if !v.allow(http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	code, rest, _ := strings.Cut(strings.TrimSuffix(path, "/"), "/")
	t, p := v.target(code, score(rest) != nil || rest == "all")
	switch {
	case (p == paused || p == closed) && !v.isView() && rest == "":
		v.takeNone(t, p)
	case p != nil:
		v.refuse(t, p)
	case v.isView():
		if !t.isReceipt() && !t.query.Preview {
			v.Desk.Opened(t.sheet, t.reader, click.Open{
				Score: score(rest), Hidden: rest == "all", Head: v.r.Method == http.MethodHead, Known: click.IsKnown(v.r.Header),
			})
		}
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
	t, p := v.find(t)
	if t != nil && t.sheet != nil && !t.reader.IsKnown() {
		t.reader.Stranger = v.strangers.Of(t.sheet.Tenant, v.from, v.r.UserAgent(), v.now)
	}
	return t, p
}

// find finds what the target's code is about.
func (v *visit) find(t *target) (*target, *problem) {
	code := t.code
	ctx := v.r.Context()
	if kind, campaign, err := id.Parse(code); err == nil && kind == id.Campaign {
		return v.pasted(t, campaign)
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
	case link.Invitation:
		invited, err := v.Desk.Invited(ctx, said.Tenant, said.Subject)
		if err != nil {
			v.failed("reading an invitation", err)
			return nil, away
		}
		if invited == nil {
			return nil, unknown
		}
		t.reader, t.locale = readerOf(invited), invited.Locale
		t, p := v.sheet(t, invited.CampaignID)
		if p == nil && !said.Fresh(v.now, time.Duration(t.sheet.Survey.LinkDays)*24*time.Hour) {
			p = expired
		}
		return t, p
	case link.PublicLink:
		t.reader = survey.Reader{Channel: response.ChannelLINK, Traits: said.Traits}
		t.locale, t.variant = said.Locale, said.Variant
		if t.query.Locale != "" {
			t.locale = t.query.Locale
		}
		return v.sheet(t, said.Subject)
	case link.Receipt:
		if said.Identity == link.Unverified {
			// Nothing of what is kept is shown, and what is sent from here is an answer by the link itself.
			t.code, t.query.Named, t.thanked = id.Campaign.Format(said.Subject), true, &said.Score
			t, p := v.pasted(t, said.Subject)
			if p == nil && !said.Fresh(v.now, link.ReceiptLife) {
				p = expired
			}
			return t, p
		}
		t.identity = said.Identity
		answer, err := v.Desk.Response(ctx, said.Tenant, said.Subject)
		if err != nil {
			v.failed("reading an answer", err)
			return nil, away
		}
		if answer == nil || said.Identity == link.Verified && answer.ContactID == nil {
			return nil, expired // deleted, or its person was erased
		}
		if t.answer, t.hides = answer, said.Hides; said.Hides {
			answer.Comment = nil
		}
		t.variant, t.locale = value(answer.Variant), value(answer.Locale)
		t, p := v.sheet(t, answer.CampaignID)
		if p == nil && !said.Fresh(v.now, link.ReceiptLife) {
			p = expired
		}
		return t, p
	}
	return nil, unknown
}

// pasted finds the campaign of a link that anybody could have changed.
func (v *visit) pasted(t *target, campaign uuid.UUID) (*target, *problem) {
	t.reader = survey.Reader{Email: t.query.Email, ExternalID: t.query.ExternalID, Channel: response.ChannelLINK}
	if t.query.Named {
		t.reader.Channel = response.ChannelEMAIL
	}
	t.locale, t.variant = t.query.Locale, t.query.Variant
	return v.sheet(t, campaign)
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
	case t.sheet.Status == entcampaign.StatusCLOSED:
		return t, closed
	case t.sheet.Status != entcampaign.StatusACTIVE:
		return t, paused
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
	if t.reader.Invited != nil {
		return s.Texts(t.reader.Variant, t.locale, v.r.Header.Get("Accept-Language"))
	}
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
	switch a := t.answer; {
	case a != nil:
		p.thank(t, a.Score)
		if p.Form.Comment = value(a.Comment); t.hides {
			p.Form.Kept = p.texts.Words.Page.Kept
		}
	case t.thanked != nil:
		p.thank(t, *t.thanked)
		if !t.reader.IsKnown() {
			p.Form = nil // whose answer it was is not in the address any more
		} else {
			p.Form.Kept = p.texts.Words.Page.Kept
		}
	default:
		p.Form.choose(chosen)
		p.Form.Looks = chosen != nil && t.isCounted()
	}
	if t.query.Preview {
		p.notice(p.texts.Words.Page.Preview)
	}
	v.send(http.StatusOK, p.render())
}

// take takes what was sent.
func (v *visit) take(t *target) {
	body, ok := v.body(t)
	if !ok {
		return
	}
	fields, _ := url.ParseQuery(string(body)) // what cannot be read of it was not sent
	ring, err := v.Book.Ring(v.r.Context(), t.sheet.Tenant, link.NonceKey(fields.Get("page")))
	if err != nil {
		ring = t.sheet.Ring // that which pages are served by here
	}
	nonce, err := ring.ParseNonce(fields.Get("page"), t.nonceOf())
	genuine := err == nil && nonce.Fresh(v.now, link.NonceLife)
	if !genuine && !v.pays(v.Door.OfForms(v.from)) {
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
	if fields.Has("looked") { // which no person sends
		v.look(t, nonce, genuine, fields)
		return
	}
	typed := &p.texts.Words.Page
	chosen, comment, from := score(fields.Get("score")), written(fields.Get("comment")), score(fields.Get("from"))
	p.Form.choose(chosen)
	p.Form.Comment, p.Form.From = comment, "" // who sends it once more has said by then what they say now
	if from != nil {
		p.Form.From = strconv.Itoa(*from)
	}
	again := func(status int, n words.Notice) {
		p.notice(n)
		v.send(status, p.render())
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
	form := survey.Form{Score: *chosen, Comment: comment, From: from, Nonce: nonce}
	_, form.Signed = nonce.Signed(fields.Get("sign"), v.now)
	if !form.IsPersons() && !t.isReceipt() && !t.query.Preview {
		v.Desk.Unmoved(t.sheet, t.reader)
	}
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
		if t.query.Unfilled && t.reader.Invited == nil && t.reader.Channel == response.ChannelEMAIL {
			v.unnamed(t.sheet.Campaign)
		}
		v.receipt(t, saved, form.Comment)
	case errors.As(err, &errs) && (errs[0].Code == apierror.NotAllowed || errs[0].Code == apierror.NotFound):
		v.giveBack(t, paused, comment)
	default: // what the tenant's settings refuse is nothing that a reader could mend
		v.failed("recording an answer", err)
		v.w.Header().Set("Retry-After", "2")
		again(http.StatusServiceUnavailable, typed.TryLater)
	}
}

// takeNone answers a form that comes to a campaign that takes none.
func (v *visit) takeNone(t *target, p *problem) {
	// Nobody asks here whether this server has served the form.
	if !v.pays(v.Door.OfForms(v.from)) {
		v.refuse(t, tooMany)
		return
	}
	body, ok := v.body(t)
	if !ok {
		return
	}
	fields, _ := url.ParseQuery(string(body)) // what cannot be read of it was not sent
	v.giveBack(t, p, written(fields.Get("comment")))
}

// giveBack says why an answer is not taken, and shows what was typed, so that nobody has written it in vain.
func (v *visit) giveBack(t *target, p *problem, comment string) {
	page := p.page(t.sheet.Texts("", t.locale, v.r.Header.Get("Accept-Language")), t.sheet)
	page.Typed = strings.TrimSpace(comment)
	v.send(p.status, page.render())
}

// look takes what a page sends by itself once it was looked at. Its script does not read what that is answered.
func (v *visit) look(t *target, nonce link.Nonce, genuine bool, fields url.Values) {
	v.guard("")
	chosen, from := score(fields.Get("score")), score(fields.Get("from"))
	_, looked := nonce.Looked(fields.Get("looked"), v.now)
	if !genuine || !looked || chosen == nil || from == nil || *from != *chosen || !t.isCounted() {
		v.w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	// Who closes the page has looked at it all the same.
	ctx, cancel := v.toTheEnd()
	defer cancel()
	if err := v.Desk.Looked(ctx, t.sheet, t.reader, *chosen, nonce); err != nil {
		if !store.MayPass(err) && !errors.Is(err, click.ErrFull) {
			v.failed("noting that a page was looked at", err)
		}
		v.w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	v.w.WriteHeader(http.StatusNoContent)
}

// isCounted reports whether looking at the target's page may count.
func (t *target) isCounted() bool {
	return !t.isReceipt() && !t.query.Preview && t.reader.Invited == nil && t.sheet.Survey.ClickPolicy == survey.Automatic
}

// isReceipt reports whether the target's page is one that thanks.
func (t *target) isReceipt() bool { return t.answer != nil || t.thanked != nil }

// written is a comment as it is kept: with the line breaks that all have, and without what is no text.
func written(comment string) string {
	return strings.NewReplacer("\r\n", "\n", "\x00", "").Replace(strings.ToValidUTF8(comment, "\ufffd"))
}

// save records the answer, or changes it.
func (v *visit) save(t *target, f survey.Form) (*ent.Response, error) {
	// Who closes the page must not leave it open whether the answer was kept.
	ctx, cancel := v.toTheEnd()
	defer cancel()
	if t.answer != nil {
		return v.Desk.Change(ctx, t.sheet.Tenant, t.answer.ID, f.Score, f.Comment, t.hides)
	}
	return v.Desk.Answer(ctx, t.sheet, t.reader, f)
}

// unnamed tells the log once a minute that a campaign's answers are nobody's that were to be somebody's.
func (v *visit) unnamed(campaign uuid.UUID) {
	told, was := v.unfilled.LoadOrStore(campaign, v.now)
	if was && (v.now.Sub(told.(time.Time)) < time.Minute || !v.unfilled.CompareAndSwap(campaign, told, v.now)) {
		return
	}
	v.Log.WarnContext(v.r.Context(), "an answer by a link whose merge tag was not filled in counts as nobody's", "campaign", id.Campaign.Format(campaign))
}

// receipt leads to the thank-you, by which the answer can be changed.
func (v *visit) receipt(t *target, saved *ent.Response, comment string) {
	said := link.Link{Kind: link.Receipt, Subject: saved.ID, Issued: v.now, Identity: t.identity, Score: saved.Score}
	// An invitation may have been forwarded.
	said.Hides = (t.reader.Invited != nil || t.hides) && value(saved.Comment) != "" && value(saved.Comment) != comment
	query := ""
	switch {
	case t.answer != nil:
	case t.reader.Invited != nil && t.reader.Invited.Person != nil:
		said.Identity = link.Verified
	case t.reader.IsKnown():
		said.Identity, said.Subject, query = link.Unverified, t.sheet.Campaign, t.linkQuery()
	default:
		said.Identity = link.Anonymous
	}
	token, err := t.sheet.Ring.Sign(said)
	if err != nil {
		v.failed("making a receipt", err)
		v.refuse(t, away)
		return
	}
	v.guard("")
	v.w.Header().Set("Location", "/s/"+token+query)
	v.w.WriteHeader(http.StatusSeeOther)
}

// body reads a form; where there is none it says so.
func (v *visit) body(t *target) ([]byte, bool) {
	body, refusal, err := v.intake(maxForm)
	if err == nil {
		return body, true
	}
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

// intake reads what was sent, of at most so many bytes. The refusal is of the door, and nil where something else went wrong.
func (v *visit) intake(most int) (body []byte, refusal *edge.Refusal, err error) {
	holder := edge.Network(v.from).String()
	in := v.Door.Intake(holder, nil)
	defer in.Done()
	if body, err = in.Body(v.w, v.r, holder, most); err == nil {
		return body, nil, nil
	}
	refusal, _ = errors.AsType[*edge.Refusal](err)
	v.Door.GiveUp(v.w, v.r, refusal != nil && refusal.Why == edge.Late)
	return nil, refusal, err
}

// refuse shows what there is instead of a page; t may be nil.
func (v *visit) refuse(t *target, p *problem) {
	if t != nil && t.sheet != nil {
		v.send(p.status, p.page(t.sheet.Texts("", t.locale, v.r.Header.Get("Accept-Language")), t.sheet).render())
		return
	}
	texts := survey.NewAsked("", "", survey.Default(), nil).Texts("", v.r.Header.Get("Accept-Language"))
	key := refusal{p.status, texts.Locale}
	made, ok := v.refusals.Load(key)
	if !ok {
		made, _ = v.refusals.LoadOrStore(key, p.page(texts, nil).render())
	}
	v.send(p.status, made.(*printed))
}

// page is what is said of the problem.
func (p *problem) page(texts *survey.Texts, s *survey.Sheet) *view {
	page := newView(texts, s)
	n := p.notice(&texts.Words.Page)
	page.Message, page.Title = &n, n.Heading
	return page
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

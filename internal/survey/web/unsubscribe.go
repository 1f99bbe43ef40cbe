package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/bar"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/survey/words"
)

const (
	// unsubscribePath is what the paths of pages begin with by which somebody gets no more mails.
	unsubscribePath = "/u/"
	// maxWish is how many bytes of what is sent there are read. The page's own form has less, and what mail providers send says nothing
	// that is not known already.
	maxWish = edge.SmallBody
	// wishAgain is when whoever could not be served may come again, in seconds.
	wishAgain = "30"
)

// Subscription is about whether somebody is asked by mail, whom the invitation was sent to: it changes that, or looks. It may be called again, and
// then changes nothing. done is false where there was nothing to change, as for somebody who was erased, which nobody is told, or where it is not so.
type Subscription func(ctx context.Context, tenant, invitation uuid.UUID) (done bool, err error)

// farewell is a page by which somebody gets no more mails, or gets them again.
type farewell struct {
	code       string
	ring       *link.Ring
	tenant     uuid.UUID
	invitation uuid.UUID
	// locale is the language that the URL asks for; mostly none.
	locale string
	// texts are those of the page, and sheet the campaign's that the mail was of; nil where that is not known any more.
	texts *survey.Texts
	sheet *survey.Sheet
}

// choice is the form of such a page.
type choice struct {
	Action string
	// Sure is written beside the box, and Button on the button.
	Sure, Button string
	// Page is the nonce.
	Page string
	// Undo says that the form takes back what the other one has done.
	Undo bool
}

// back is a link to the form that takes back what was done.
type back struct{ URL, Label string }

// unsubscribe serves what is below /u/. Looking changes nothing. What is sent without the field `page` is sent by a mail provider, at a
// person's word (RFC 8058), and acts whatever else it says; the page's own form has that field, and acts where a person sends it.
func (v *visit) unsubscribe(path string) {
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
	l, p := v.farewell(strings.TrimSuffix(path, "/"))
	switch {
	case p == away:
		v.unchanged(nil)
	case p != nil:
		v.refuse(nil, p)
	case v.isView():
		v.stand(l)
	default:
		v.wish(l)
	}
}

// farewell finds what a token is about. What is not genuine, or no token of this kind, is unknown.
func (v *visit) farewell(code string) (*farewell, *problem) {
	claim, err := link.Parse(code)
	if err != nil || v.Unsubscribe == nil || v.Resubscribe == nil || v.Unsubscribed == nil {
		return nil, unknown
	}
	ctx := v.r.Context()
	ring, err := v.Book.Ring(ctx, claim.Tenant(), claim.Key())
	if err != nil {
		v.failed("reading link keys", err)
		return nil, away
	}
	said, err := claim.Verify(ring)
	if err != nil || said.Kind != link.Unsubscribe {
		return nil, unknown
	}
	l := &farewell{code: code, ring: ring, tenant: said.Tenant, invitation: said.Subject, locale: bar.ParseQuery(v.r.URL.RawQuery).Locale}
	locale := l.locale
	// The page looks like the brand's where that can be told. It is there all the same where it cannot.
	sent, err := v.Desk.Sent(ctx, said.Tenant, said.Subject)
	if err == nil && sent != nil {
		if locale == "" {
			locale = sent.Locale
		}
		l.sheet, err = v.Book.Sheet(ctx, sent.CampaignID)
	}
	if err != nil {
		v.failed("finding an invitation", err)
		return nil, away
	}
	if l.sheet != nil {
		l.texts = l.sheet.Texts("", locale, v.r.Header.Get("Accept-Language"))
	} else {
		l.texts = v.textsOfNobody(locale)
	}
	return l, nil
}

// textsOfNobody are those of pages that are nobody's.
func (v *visit) textsOfNobody(locale string) *survey.Texts {
	return survey.NewAsked("", "", survey.Default(), nil).Texts("", locale, v.r.Header.Get("Accept-Language"))
}

// unchanged says that nothing was done, and when to come again. l may be nil.
func (v *visit) unchanged(l *farewell) {
	if l == nil {
		l = &farewell{texts: v.textsOfNobody("")}
	}
	said := &l.texts.Words
	page := l.page(words.Notice{Heading: said.Page.TryLater.Heading, Text: said.Unsubscribe.TryLater})
	v.w.Header().Set("Retry-After", wishAgain)
	v.send(http.StatusServiceUnavailable, page.render())
}

// stand shows where somebody stands: the form to get no more mails, or that they get none.
func (v *visit) stand(l *farewell) {
	if v.r.URL.Query().Has("undo") {
		v.offer(l, true, nil)
		return
	}
	is, err := v.Unsubscribed(v.r.Context(), l.tenant, l.invitation)
	switch {
	case err != nil:
		v.failed("finding whether somebody gets mails", err)
		v.unchanged(l)
	case is:
		v.done(l)
	default:
		v.offer(l, false, nil)
	}
}

// done says that somebody gets no more mails, and has the way back. The form that takes it back is not there itself: whatever clicks on all that is in
// a mail is not to find it.
func (v *visit) done(l *farewell) {
	said := l.texts.Words.Unsubscribe
	page := l.page(said.Done)
	page.Back = &back{l.url(true), said.Undo}
	v.send(http.StatusOK, page.render())
}

// offer shows the form to get no more mails, or the one to get them again. notice, where not nil, is told above it.
func (v *visit) offer(l *farewell, undo bool, notice *words.Notice) {
	said := l.texts.Words.Unsubscribe
	message := said.Ask
	if undo {
		message = words.Notice{Heading: said.Undo}
	}
	page := l.page(message)
	page.Notice = notice
	v.showWith(l, page, undo)
}

// showWith shows a page with one of the two forms.
func (v *visit) showWith(l *farewell, page *view, undo bool) {
	nonce, err := l.ring.NewNonce(l.code, v.now)
	if err != nil {
		v.failed("making a nonce", err)
		v.unchanged(l)
		return
	}
	said := l.texts.Words.Unsubscribe
	page.Choice = &choice{Action: l.url(false), Sure: said.Sure, Button: said.Button, Page: nonce.String(), Undo: undo}
	if undo {
		page.Choice.Sure, page.Choice.Button = said.UndoSure, said.Undo
	}
	v.send(http.StatusOK, page.render())
}

// url is where its form is sent, or where the form is that takes it back.
func (l *farewell) url(undo bool) string {
	query := url.Values{}
	if l.locale != "" {
		query.Set("l", l.locale)
	}
	if undo {
		query.Set("undo", "1")
	}
	if len(query) == 0 {
		return unsubscribePath + l.code
	}
	return unsubscribePath + l.code + "?" + query.Encode()
}

// page is a page that says something.
func (l *farewell) page(said words.Notice) *view {
	page := newView(l.texts, l.sheet)
	page.Message, page.Title = &said, said.Heading
	if l.sheet != nil {
		page.Title += " – " + l.sheet.Brand.Name
	}
	return page
}

// wish does what is sent.
func (v *visit) wish(l *farewell) {
	fields, ok := v.wished()
	said := l.texts.Words.Unsubscribe
	switch {
	case !ok:
		v.unchanged(l)
	case !fields.Has("page"):
		if v.changes(l, v.Unsubscribe) {
			v.done(l) // the same each time, though mostly nobody sees it
		}
	case fields.Has("undo"):
		if genuine, person := v.isPersons(l, fields); !genuine || !person {
			v.offer(l, true, &words.Notice{Heading: l.texts.Words.Page.Confirm.Heading, Text: said.Tick})
		} else if v.changes(l, v.Resubscribe) {
			v.showWith(l, l.page(said.Undone), false)
		}
	default:
		// A page that is too old is none that anybody must open once more to be left alone.
		if _, person := v.isPersons(l, fields); !person {
			v.offer(l, false, &words.Notice{Heading: l.texts.Words.Page.Confirm.Heading, Text: said.Tick})
		} else if v.changes(l, v.Unsubscribe) {
			v.showWith(l, l.page(said.Done), true)
		}
	}
}

// isPersons reports whether this server has served the form not long ago, and whether a person has sent it: the page's script says so, or
// the box is ticked, which nothing does that sends forms as they are.
func (v *visit) isPersons(l *farewell, fields url.Values) (genuine, person bool) {
	ring, err := v.Book.Ring(v.r.Context(), l.tenant, link.NonceKey(fields.Get("page")))
	if err != nil {
		ring = l.ring
	}
	nonce, err := ring.ParseNonce(fields.Get("page"), l.code)
	genuine = err == nil && nonce.Fresh(v.now, link.NonceLife)
	person = fields.Get("sure") == "yes"
	if genuine && !person {
		_, person = nonce.Signed(fields.Get("sign"), v.now)
	}
	return genuine, person
}

// changes has it changed whether somebody gets mails. Where that fails it says so.
func (v *visit) changes(l *farewell, change Subscription) bool {
	ctx, cancel := v.toTheEnd()
	defer cancel()
	if _, err := change(ctx, l.tenant, l.invitation); err != nil {
		v.failed("changing whether somebody gets mails", err)
		v.unchanged(l)
		return false
	}
	return true
}

// wished is what was sent, as far as it is read: in whatever form, or in none. ok is false where it did not come, or there is no room for it.
func (v *visit) wished() (fields url.Values, ok bool) {
	r := v.r.Clone(v.r.Context())
	r.Body, r.ContentLength = io.NopCloser(io.LimitReader(v.r.Body, maxWish)), -1
	holder := edge.Network(v.from).String()
	in := v.Door.Intake(holder, nil)
	defer in.Done()
	body, err := in.Body(v.w, r, holder, maxWish)
	refused, _ := errors.AsType[*edge.Refusal](err)
	if err != nil || len(body) == maxWish {
		v.Door.GiveUp(v.w, v.r, refused != nil && refused.Why == edge.Late)
	}
	return wishIn(v.r.Header.Get("Content-Type"), body), err == nil
}

// wishIn reads the fields of a form that was sent as the media type says. What cannot be read was not sent.
func wishIn(mediaType string, body []byte) url.Values {
	kind, params, err := mime.ParseMediaType(mediaType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		fields, _ := url.ParseQuery(string(body)) // what it could read is there
		return fields
	}
	fields := url.Values{}
	for parts := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		part, err := parts.NextPart()
		if err != nil {
			return fields
		}
		value, _ := io.ReadAll(part) // as much as there is
		fields.Add(part.FormName(), string(value))
	}
}

package web

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	entcampaign "github.com/zeroten/zeroten/ent/campaign"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/link"
)

// widgetPath is where the widget's script is.
const widgetPath = "/widget.js"

// fault is why a widget gets nothing, and what is said of it.
type fault struct {
	status int
	text   string
}

var (
	noCampaign = &fault{http.StatusNotFound, "There is no such campaign."}
	noQuestion = &fault{http.StatusNotFound, "There is no such question."}
	isOff      = &fault{http.StatusGone, "The widget is switched off, or its campaign takes no answers."}
	isOver     = &fault{http.StatusGone, "The time to answer is over."}
	elsewhere  = &fault{http.StatusForbidden, "This page is not among those that the widget asks on."}
	tooOften   = &fault{http.StatusTooManyRequests, "Too many requests; try again later."}
	notNow     = &fault{http.StatusServiceUnavailable, "Nothing was kept; try again."}
)

// widget serves what is below /w/: how a campaign's widget asks, whether it asks now, and what is answered. It is for the pages of others,
// and tells them nothing that is not for everybody.
func (v *visit) widget(path string) {
	header := v.w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Expose-Headers", "Retry-After")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	campaign, action, _ := strings.Cut(path, "/")
	isMessage := action == "ask" || action == "answer"
	allowed := http.MethodGet
	if isMessage {
		allowed = http.MethodPost
	}
	switch {
	case v.r.Method == http.MethodOptions: // costs no points, and is counted as all that does not
		header.Set("Access-Control-Allow-Methods", allowed+", OPTIONS")
		header.Set("Access-Control-Allow-Headers", "Content-Type")
		header.Set("Access-Control-Max-Age", "86400")
		v.w.WriteHeader(http.StatusNoContent)
		return
	case (!isMessage || v.r.Method != http.MethodPost) && !v.pays(v.Door.OfViews(v.from)):
		v.fails(tooOften)
		return
	case !isMessage && action != "":
		v.fails(noCampaign)
		return
	case v.r.Method != allowed && (isMessage || v.r.Method != http.MethodHead):
		header.Set("Allow", allowed+", OPTIONS")
		v.fails(&fault{http.StatusMethodNotAllowed, "Not with this method."})
		return
	}
	if !isMessage {
		if sheet, f := v.asked(campaign); f != nil {
			v.fails(f)
		} else {
			header.Set("Cache-Control", "public, max-age=60")
			v.json(http.StatusOK, sheet.Keep(widgetKey{}, func() any { return settingsOf(sheet) }).([]byte))
		}
		return
	}
	body, f := v.message()
	if f == nil && action == "ask" {
		f = v.ask(campaign, body)
	} else if f == nil {
		f = v.answered(campaign, body)
	}
	if f != nil {
		v.fails(f)
	}
}

// asked finds the sheet of a campaign.
func (v *visit) asked(text string) (*survey.Sheet, *fault) {
	campaign, err := id.Campaign.Parse(text)
	if err != nil {
		return nil, noCampaign
	}
	sheet, err := v.Book.Sheet(v.r.Context(), campaign)
	switch {
	case err != nil:
		v.failed("reading how a campaign is asked", err)
		return nil, v.later()
	case sheet == nil:
		return nil, noCampaign
	}
	return sheet, nil
}

// later has the widget come again.
func (v *visit) later() *fault {
	v.w.Header().Set("Retry-After", "2")
	return notNow
}

// fails says why there is nothing.
func (v *visit) fails(f *fault) {
	text, err := json.Marshal(map[string]string{"error": f.text})
	if err != nil {
		panic(err) // a text
	}
	v.w.Header().Set("Cache-Control", "no-store")
	v.json(f.status, text)
}

func (v *visit) json(status int, text []byte) {
	header := v.w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(text) //nolint:gosec // it is JSON, and says so; where it fails the browser went away
}

// tells answers a POST.
func (v *visit) tells(what any) *fault {
	text, err := json.Marshal(what)
	if err != nil {
		panic(err) // texts, numbers and lists of them
	}
	v.w.Header().Set("Cache-Control", "no-store")
	v.json(http.StatusOK, text)
	return nil
}

// message reads what was sent.
func (v *visit) message() ([]byte, *fault) {
	body, refusal, err := v.intake(maxMessage)
	if err == nil {
		return body, nil
	}
	if refusal != nil && refusal.Why == edge.TooLarge {
		return nil, &fault{http.StatusRequestEntityTooLarge, "At most 128 KiB."}
	}
	if refusal == nil {
		v.failed("reading what a widget sent", err)
	}
	return nil, v.later()
}

type widgetKey struct{}

// settings are how a widget asks, as its script reads them.
type settings struct {
	IsEnabled      bool                `json:"isEnabled"`
	Layout         survey.WidgetLayout `json:"layout"`
	Pages          []string            `json:"pages"`
	OnCallOnly     bool                `json:"onCallOnly"`
	SamplePercent  int                 `json:"samplePercent"`
	WaitDays       int                 `json:"waitDays"`
	FirstAfterDays int                 `json:"firstAfterDays"`
	FromVisit      int                 `json:"fromVisit"`
	AfterSeconds   int                 `json:"afterSeconds"`
	Brand          brand               `json:"brand"`
}

type brand struct {
	Name          string `json:"name"`
	Accent        string `json:"accent"`
	OnAccent      string `json:"onAccent"`
	Background    string `json:"background"`
	Text          string `json:"text"`
	Muted         string `json:"muted"`
	Line          string `json:"line"`
	IsDark        bool   `json:"isDark"`
	PrivacyPolicy string `json:"privacyPolicy,omitempty"`
}

// isOn reports whether a campaign's widget asks at all.
func isOn(s *survey.Sheet) bool {
	return s.Status == entcampaign.StatusACTIVE && s.Survey.Widget.IsEnabled
}

// settingsOf are the settings of a sheet, written.
func settingsOf(s *survey.Sheet) []byte {
	var what any = map[string]bool{"isEnabled": false}
	if w, b := s.Survey.Widget, s.Brand; isOn(s) {
		what = settings{
			IsEnabled: true, Layout: w.Layout, Pages: w.Pages, OnCallOnly: w.OnCallOnly, SamplePercent: w.SamplePercent, WaitDays: w.WaitDays,
			FirstAfterDays: w.FirstAfterDays, FromVisit: w.FromVisit, AfterSeconds: w.AfterSeconds,
			Brand: brand{
				Name: b.Name, Accent: b.Accent.String(), OnAccent: b.OnAccent().String(), Background: b.Background.String(), Text: b.Text.String(),
				Muted: b.Muted().String(), Line: b.Line().String(), IsDark: b.IsDark(), PrivacyPolicy: b.PrivacyPolicy,
			},
		}
	}
	text, err := json.Marshal(what)
	if err != nil {
		panic(err) // texts, numbers and lists of them
	}
	return text
}

// leave says that nobody is asked now.
type leave struct {
	Ask bool `json:"ask"`
	// Again is in seconds.
	Again int `json:"again"`
}

// nobody says that the token names nobody, or nobody any more: the script asks as for somebody unknown where its rules let it.
type nobody struct {
	Ask     bool `json:"ask"`
	Unknown bool `json:"unknown"`
}

// question is what is asked, as the script shows it. What is absent is empty.
type question struct {
	Ask            bool              `json:"ask"`
	ID             string            `json:"id"`
	Variant        string            `json:"variant,omitempty"`
	Locale         string            `json:"locale"`
	Direction      string            `json:"direction"`
	Question       string            `json:"question"`
	QuestionLocale string            `json:"questionLocale,omitempty"`
	LowLabel       string            `json:"lowLabel"`
	HighLabel      string            `json:"highLabel"`
	FollowUps      byCategory        `json:"followUps"`
	ThankYous      byCategory        `json:"thankYous"`
	Steps          []step            `json:"steps"`
	Experience     *step             `json:"experience,omitempty"`
	Words          map[string]string `json:"words"`
}

type byCategory struct {
	Promoters  string `json:"promoters"`
	Passives   string `json:"passives"`
	Detractors string `json:"detractors"`
}

type step struct {
	Label      string         `json:"label"`
	URL        string         `json:"url"`
	Categories []nps.Category `json:"categories,omitempty"`
}

// ask decides whether somebody is asked.
func (v *visit) ask(campaign string, body []byte) *fault {
	a, err := parseAsking(body)
	if err != nil {
		return v.unread(err)
	}
	if !v.pays(v.Door.OfPersons(v.from)) {
		return tooOften
	}
	sheet, f := v.asked(campaign)
	contact := uuid.Nil
	if f == nil && a.Token != "" && isOn(sheet) {
		if contact, err = v.Keys.Named(v.r.Context(), sheet.Tenant, a.Token); err != nil {
			v.failed("reading who uses a widget", err)
			return v.later()
		}
	}
	switch {
	case f != nil:
		return f
	case !isOn(sheet):
		return isOff
	case a.Token == "" && !v.pays(v.Door.OfUnknown(v.from)): // each of whom may leave a row behind
		return tooOften
	case !sheet.Survey.Widget.AsksOn(v.r.Header.Get("Origin"), a.Page):
		return elsewhere
	case a.Token != "" && contact == uuid.Nil:
		return v.tells(nobody{Unknown: true})
	}
	ctx, cancel := v.toTheEnd()
	defer cancel()
	shown, again, err := v.Desk.Ask(ctx, sheet, survey.Asking{
		Visitor: a.Visitor, Contact: contact, Variant: a.Variant, Locale: a.Locale, Accepts: v.r.Header.Get("Accept-Language"),
	})
	switch {
	case errors.Is(err, survey.ErrNobody):
		return v.tells(nobody{Unknown: true})
	case err != nil:
		v.failed("asking", err)
		return v.later()
	case shown == nil:
		return v.tells(leave{Again: max(1, int(math.Ceil(again.Seconds())))})
	}
	return v.tells(questionOf(sheet, shown))
}

// unread is what is said of a message that is none. The script sends none such: they must not use up what those of others need.
func (v *visit) unread(err error) *fault {
	switch {
	case !v.pays(v.Door.OfForms(v.from)):
		return tooOften
	case errors.Is(err, errRange):
		return &fault{http.StatusUnprocessableEntity, err.Error()}
	}
	return &fault{http.StatusBadRequest, err.Error()}
}

// toTheEnd is a context for what must not be left open by whoever closes the page.
func (v *visit) toTheEnd() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(v.r.Context()), 10*time.Second)
}

func questionOf(s *survey.Sheet, shown *survey.Shown) question {
	t := shown.Texts
	fill := func(text string) string { return s.FillFor(shown.Invited, text) }
	q := question{
		Ask: true, ID: shown.Token, Locale: t.Locale, Direction: t.Direction.HTML(), Question: fill(t.Question),
		LowLabel: fill(t.LowLabel), HighLabel: fill(t.HighLabel), Steps: []step{},
		FollowUps: byCategory{fill(t.FollowUpQuestion(nps.Promoter)), fill(t.FollowUpQuestion(nps.Passive)), fill(t.FollowUpQuestion(nps.Detractor))},
		ThankYous: byCategory{fill(t.ThankYou(nps.Promoter)), fill(t.ThankYou(nps.Passive)), fill(t.ThankYou(nps.Detractor))},
		Words: map[string]string{
			"send": t.Words.Widget.Send, "optional": t.Words.Page.Optional, "close": t.Words.Widget.Close, "tryAgain": t.Words.Page.TryLater.Text,
			"privacyPolicy": t.Words.Page.PrivacyPolicy, "nextSteps": t.Words.Page.NextSteps,
		},
	}
	if t.QuestionLocale != t.Locale {
		q.QuestionLocale = t.QuestionLocale
	}
	if v := shown.Invited.Variant; v != nil {
		q.Variant = *v
		if of := s.Survey.Variant(*v); of != nil && of.URL != nil {
			q.Experience = &step{Label: *of.URLLabel, URL: s.FillURL(shown.Invited, *of.URL)}
		}
	}
	for _, n := range s.Survey.StepsFor(t.Locale) {
		q.Steps = append(q.Steps, step{n.Label, n.URL, n.Categories})
	}
	return q
}

// answered takes what was answered, or that the question was closed.
func (v *visit) answered(campaign string, body []byte) *fault {
	a, err := parseAnswering(body)
	if err != nil {
		return v.unread(err)
	}
	if !v.pays(v.Door.OfPersons(v.from)) {
		return tooOften
	}
	sheet, f := v.asked(campaign)
	var said link.Link
	if f == nil {
		said, f = v.said(sheet, a.ID)
	}
	switch {
	case f != nil && !v.pays(v.Door.OfForms(v.from)):
		return tooOften
	case f != nil:
		return f
	case !isOn(sheet):
		return isOff
	case !said.Fresh(v.now, time.Duration(sheet.Survey.LinkDays)*24*time.Hour):
		return isOver
	case !sheet.Survey.Widget.TakesFrom(v.r.Header.Get("Origin")):
		return elsewhere
	}
	ctx, cancel := v.toTheEnd()
	defer cancel()
	invited, err := v.Desk.Invited(ctx, sheet.Tenant, said.Subject)
	switch {
	case err != nil:
		v.failed("reading an invitation", err)
		return v.later()
	case invited == nil || invited.CampaignID != sheet.Campaign:
		return noQuestion
	case a.Declined:
		return v.declined(ctx, invited)
	}
	_, err = v.Desk.Answer(ctx, sheet, readerOf(invited), survey.Form{Score: int(*a.Score), Comment: a.Comment})
	var errs apierror.UserErrors
	switch {
	case err == nil:
		return v.tells(map[string]bool{"answered": true})
	case errors.As(err, &errs) && (errs[0].Code == apierror.NotAllowed || errs[0].Code == apierror.NotFound):
		return isOff
	case errors.As(err, &errs):
		return &fault{http.StatusUnprocessableEntity, errs.Error()}
	}
	v.failed("recording an answer", err)
	return v.later()
}

// said is what an id says by which a question is answered.
func (v *visit) said(s *survey.Sheet, text string) (said link.Link, f *fault) {
	claim, err := link.Parse(text)
	if err != nil || claim.Kind() != link.Invitation || claim.Tenant() != s.Tenant {
		return said, noQuestion
	}
	ring, err := v.Book.Ring(v.r.Context(), claim.Tenant(), claim.Key())
	if err != nil {
		v.failed("reading link keys", err)
		return said, v.later()
	}
	if said, err = claim.Verify(ring); err != nil {
		return said, noQuestion
	}
	return said, nil
}

func (v *visit) declined(ctx context.Context, invited *survey.Invited) *fault {
	switch answered, err := v.Desk.Decline(ctx, invited); {
	case err != nil:
		v.failed("noting that a question was closed", err)
		return v.later()
	case answered:
		return v.tells(map[string]bool{"answered": true})
	}
	return v.tells(map[string]bool{"declined": true})
}

// readerOf is whoever was invited.
func readerOf(i *survey.Invited) survey.Reader {
	return survey.Reader{
		Channel: response.Channel(i.Channel), Variant: value(i.Variant), Locale: i.Locale, Traits: i.Traits, Invited: i,
	}
}

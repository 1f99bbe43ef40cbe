package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // of the page
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/nps"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/bar"
	"github.com/zeroten/zeroten/internal/survey/link"
	"github.com/zeroten/zeroten/internal/survey/words"
)

//go:embed page.html
var pageText string

//go:embed page.css
var styleText string

//go:embed page.js
var scriptText string

var (
	pageTemplate  = template.Must(template.New("page").Parse(pageText))
	styleTemplate = template.Must(template.New("style").Parse("<style>" + styleText + "</style>"))
	// script begins with what makes the sign.
	script = []byte(link.Script + scriptText)
)

// view is a page, as its template takes it.
type view struct {
	texts *survey.Texts

	Locale, Dir, Title string
	Brand              *survey.Brand
	Style              template.CSS
	// Notice is told above the form, Message instead of it.
	Notice, Message *words.Notice
	Thanks          *thanks
	Form            *form
	// Typed is the comment of a form that was not taken.
	Typed      string
	Experience *survey.NextStep
	// Choice is the form of a page by which somebody gets no more mails, and Back leads to it.
	Choice *choice
	Back   *back
	Words  *words.Page

	policy string
}

type thanks struct {
	Heading, Text string
	Steps         []survey.NextStep
}

type form struct {
	Action string
	Class  string
	// Question is in QuestionLocale, which is empty where that is the page's.
	Question, QuestionLocale, LowLabel, HighLabel string
	Numbers                                       [nps.MaxScore + 1]number
	FollowUps                                     words.Categories
	// FollowUp is what is asked as long as no other number is chosen.
	FollowUp   string
	Comment    string
	MaxComment int
	// Kept is said where an earlier comment stays that is not shown.
	Kept string
	// From is the number that is chosen at first, and Page the nonce.
	From, Page string
	Button     string
	// Looks says that looking at the page for a while may count.
	Looks bool
}

type number struct {
	Value  int
	Chosen bool
}

// styled is the style of a brand, and the policy that lets the page have it.
type styled struct {
	style  template.CSS
	policy string
}

// styleOf makes the style of a brand, which is the same for all pages of a sheet.
func styleOf(b *survey.Brand) styled {
	var text bytes.Buffer
	if err := styleTemplate.Execute(&text, b); err != nil {
		panic(fmt.Sprintf("writing the pages' style: %v", err)) // colours, and the hash of an image
	}
	style := strings.TrimSuffix(strings.TrimPrefix(text.String(), "<style>"), "</style>")
	sum := sha256.Sum256([]byte(style))
	//nolint:gosec // the template above has escaped what is a brand's
	return styled{template.CSS(style), "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}
}

type styleKey struct{}

// plain is what pages look like that are nobody's.
var plain = sync.OnceValue(func() styled { return styleOf(survey.NoBrand()) })

// newView is a page without anything on it. Without a sheet it looks like everybody's at first, and says nobody's name.
func newView(t *survey.Texts, s *survey.Sheet) *view {
	v := &view{texts: t, Locale: t.Locale, Dir: t.Direction.HTML(), Title: t.Words.Page.Title, Words: &t.Words.Page}
	var made styled
	if s == nil {
		made = plain()
	} else {
		made, v.Brand = s.Keep(styleKey{}, func() any { return styleOf(s.Brand) }).(styled), s.Brand
		v.Title += " – " + s.Brand.Name
	}
	v.Style, v.policy = made.style, made.policy
	return v
}

// view is a page with the target's form, in which nothing is chosen.
func (v *visit) view(t *target, nonce link.Nonce) *view {
	texts := v.settle(t, nonce)
	p := newView(texts, t.sheet)
	fill := func(text string) string { return t.sheet.FillFor(t.reader.Invited, text) }
	p.Form = &form{
		Action: t.action(), Question: fill(texts.Question), LowLabel: fill(texts.LowLabel), HighLabel: fill(texts.HighLabel),
		FollowUps: words.Categories{
			Promoters:  fill(texts.FollowUpQuestion(nps.Promoter)),
			Passives:   fill(texts.FollowUpQuestion(nps.Passive)),
			Detractors: fill(texts.FollowUpQuestion(nps.Detractor)),
		},
		FollowUp: texts.Words.Page.Comment, MaxComment: feedback.MaxComment, Page: nonce.String(), Button: texts.Words.Page.Send,
	}
	if texts.QuestionLocale != texts.Locale {
		p.Form.QuestionLocale = texts.QuestionLocale
	}
	for i := range p.Form.Numbers {
		p.Form.Numbers[i].Value = i
	}
	if shown := t.sheet.Survey.Variant(t.reader.Variant); shown != nil && shown.URL != nil {
		p.Experience = &survey.NextStep{URL: t.sheet.FillURL(t.reader.Invited, *shown.URL), Label: *shown.URLLabel}
	}
	return p
}

// action is where the form is sent, with all of the link that tells one reader from another.
func (t *target) action() string { return "/s/" + t.code + t.linkQuery() }

// linkQuery is the link's query, with what is known of it.
func (t *target) linkQuery() string {
	query := make([]string, 0, 4)
	add := func(key, value string) {
		if value != "" {
			query = append(query, key+"="+strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
		}
	}
	add("e", t.query.Email)
	add("c", t.query.ExternalID)
	if t.query.Named && !t.reader.IsKnown() { // so that it is still known for a mail's
		if t.query.Unfilled {
			query = append(query, "e=")
		} else {
			query = append(query, bar.OfNobody)
		}
	}
	add("l", t.query.Locale)
	add("v", t.query.Variant)
	if t.query.Preview {
		add("preview", "1")
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + strings.Join(query, "&")
}

// choose has a number chosen, or none.
func (f *form) choose(score *int) {
	f.From = ""
	for i := range f.Numbers {
		f.Numbers[i].Chosen = score != nil && *score == i
	}
	if score != nil {
		f.From = strconv.Itoa(*score)
		f.FollowUp = f.FollowUps.Of(nps.CategoryOf(*score))
	}
}

// notice has something told above the form.
func (p *view) notice(n words.Notice) { p.Notice = &n }

// thank says what is said to somebody who has answered.
func (p *view) thank(t *target, score int) {
	category := nps.CategoryOf(score)
	p.Thanks = &thanks{
		Heading: t.sheet.Fill(p.texts.ThankYou(category)), Text: p.texts.Words.Page.Changeable, Steps: t.sheet.Survey.Steps(category, p.texts.Locale),
	}
	p.Experience = nil
	p.Form.choose(&score)
	p.Form.Class, p.Form.Button = "again", p.texts.Words.Page.Change
}

// headers are those of every page. Nothing of it is kept by anybody, nor told to whoever a link leads to.
var headers = http.Header{
	"Content-Type":               {"text/html; charset=utf-8"},
	"Cache-Control":              {"no-store"},
	"Referrer-Policy":            {"no-referrer"},
	"X-Robots-Tag":               {"noindex, nofollow"},
	"X-Content-Type-Options":     {"nosniff"},
	"Cross-Origin-Opener-Policy": {"same-origin"},
}

// guard sets the headers of a page. policy is empty for what shows nothing.
func (v *visit) guard(policy string) {
	header := v.w.Header()
	maps.Copy(header, headers)
	if policy != "" {
		header.Set("Content-Security-Policy", policy)
	}
}

// printed is a page as it is sent.
type printed struct {
	text           []byte
	locale, policy string
}

func (p *view) render() *printed {
	var text bytes.Buffer
	if err := pageTemplate.Execute(&text, p); err != nil {
		panic(fmt.Sprintf("writing a page: %v", err)) // it has texts alone
	}
	return &printed{text.Bytes(), p.Locale, p.policy}
}

func (v *visit) send(status int, p *printed) {
	v.guard(p.policy)
	v.w.Header().Set("Content-Language", p.locale)
	v.w.Header().Set("Content-Length", strconv.Itoa(len(p.text)))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(p.text) //nolint:gosec // a template has escaped it; an error means that the browser went away
}

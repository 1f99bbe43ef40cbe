package demo

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // of the mail
	"encoding/base64"
	"fmt"
	"html"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/examples"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/bar"
)

// The paths that Pages serves: a mail, and the page of a customer's account.
const (
	MailPath    = "/demo/mail"
	AccountPath = "/demo/account"
)

// reader is who the mail is for.
const reader = "robin@example.com"

//go:embed mail.html
var mailText string

var mailTemplate = template.Must(template.New("mail").Parse(mailText))

// Pages shows what a customer of the demo's company gets to see: a newsletter with the bar in it, as a mail provider would send it, and
// the page of their account, with the widget in it.
type Pages struct {
	Book      *survey.Book
	Site      survey.Site
	Campaigns Campaigns
	Log       *slog.Logger
}

// ServeHTTP shows the page of the path.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var text []byte
	var policy string
	switch r.URL.Path {
	case MailPath:
		var err error
		if text, err = p.mail(r); err != nil {
			if r.Context().Err() == nil {
				p.Log.ErrorContext(r.Context(), "showing the demo's mail", "error", err)
			}
			http.Error(w, "The mail cannot be shown now: try again later.", http.StatusServiceUnavailable)
			return
		}
		policy = "style-src 'unsafe-inline'; img-src 'self'" // a mail's styles are in its elements
	case AccountPath:
		text, policy = p.account()
	default:
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; "+policy+"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) // the browser went away
}

// mail writes the newsletter.
func (p *Pages) mail(r *http.Request) ([]byte, error) {
	campaign, err := id.Campaign.Parse(p.Campaigns.Relationship)
	if err != nil {
		return nil, fmt.Errorf("reading the campaign's id: %w", err)
	}
	sheet, err := p.sheet(r, campaign)
	if err != nil {
		return nil, err
	}
	tag := "{{email}}"
	snippet, err := p.Site.Snippet(campaign, sheet.Asked, sheet.Brand, survey.SnippetInput{Provider: bar.Generic, Recipient: bar.Email, MergeTag: &tag})
	if err != nil {
		return nil, fmt.Errorf("making the bar: %w", err)
	}
	var text bytes.Buffer
	err = mailTemplate.Execute(&text, map[string]any{
		"Brand": sheet.Brand, "To": reader,
		//nolint:gosec // the bar is escaped where it is made
		"Bar": template.HTML(strings.ReplaceAll(snippet.HTML, tag, url.QueryEscape(reader))),
	})
	if err != nil {
		return nil, fmt.Errorf("writing the mail: %w", err)
	}
	return text.Bytes(), nil
}

// account is the page of a customer's account, and the policy that lets it have its style, its script and the widget.
func (p *Pages) account() (text []byte, policy string) {
	page := strings.Replace(string(examples.Widget), `data-server="" data-campaign=""`,
		fmt.Sprintf(`data-server="%s" data-campaign="%s"`, html.EscapeString(string(p.Site)), p.Campaigns.SupportCall), 1)
	// Who was asked is left alone for a day, and whoever tries the widget wants to see it again.
	page = strings.Replace(page, "</main>", "  <p class=\"quiet\"><a href=\"?storage=off\">Ask me again</a></p>\n</main>", 1)
	inline := func(element string) string {
		_, rest, _ := strings.Cut(page, "<"+element+">")
		within, _, _ := strings.Cut(rest, "</"+element+">")
		sum := sha256.Sum256([]byte(within))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return []byte(page), fmt.Sprintf("style-src %s; script-src %s %s; connect-src %s", inline("style"), inline("script"), p.Site, p.Site)
}

func (p *Pages) sheet(r *http.Request, campaign uuid.UUID) (*survey.Sheet, error) {
	sheet, err := p.Book.Sheet(r.Context(), campaign)
	if err != nil {
		return nil, fmt.Errorf("reading how the campaign is asked: %w", err)
	}
	if sheet == nil {
		return nil, fmt.Errorf("there is no campaign %s", id.Campaign.Format(campaign))
	}
	return sheet, nil
}

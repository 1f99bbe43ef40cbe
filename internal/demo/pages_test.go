package demo

import (
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
)

// The demo's mail has eleven numbers that lead to the page, for the one who is written to, in the company's look.
func TestMail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, time.Now())
		made, err := campaign.Create(h.ctx, db, campaign.CreateInput{Name: "Relationship"})
		if err != nil {
			t.Fatal(err)
		}
		name := id.Campaign.Format(made.ID)
		campaigns := Campaigns{Relationship: name, SupportCall: name, Installation: name}
		if err := dress(h.ctx, db, campaigns); err != nil {
			t.Fatal(err)
		}
		book := survey.NewBook(db, nil, slog.New(slog.DiscardHandler))
		t.Cleanup(book.Close)
		pages := &Pages{Book: book, Site: "https://nps.example", Campaigns: campaigns, Log: slog.New(slog.DiscardHandler)}
		get := func(path string) (int, string) {
			w := httptest.NewRecorder()
			pages.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			return w.Code, html.UnescapeString(w.Body.String())
		}
		status, text := get(MailPath)
		links := regexp.MustCompile(`https://nps\.example/s/(camp_\w+)/\d+\?e=robin%40example\.com"`).FindAllStringSubmatch(text, -1)
		if status != http.StatusOK || len(links) != 11 || links[0][1] != name {
			t.Errorf("status %d, %d links: %s", status, len(links), text)
		}
		if strings.Contains(text, "{{") || !strings.Contains(text, "Fjordlink") {
			t.Errorf("not filled in: %s", text)
		}
		if status, _ := get("/demo/nothing"); status != http.StatusNotFound {
			t.Errorf("nothing: %d", status)
		}
	})
}

// The account's page asks by the demo's widget, and its policy lets it have its own style and script, and the server's.
func TestAccount(t *testing.T) {
	pages := &Pages{Site: "https://nps.example", Campaigns: Campaigns{SupportCall: "camp_1"}}
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, AccountPath, nil))
	if text := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(text, `data-server="https://nps.example" data-campaign="camp_1"`) {
		t.Errorf("status %d: %.300s", w.Code, text)
	} else if !strings.Contains(text, `<a href="?storage=off">Ask me again</a>`) {
		t.Error("nobody is told how to be asked again")
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[^']{44}'; script-src 'sha256-[^']{44}' https://nps\.example; connect-src https://nps\.example;`).MatchString(policy) {
		t.Errorf("policy %s", policy)
	}
}

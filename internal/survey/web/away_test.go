package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// While the database is away pages are shown as they were, and whoever answers is told to try again and finds what they have written.
func TestDatabaseAway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		if p := h.get(h.path() + "/9?e=ada@example.com"); p.status != http.StatusOK {
			t.Fatalf("status %d", p.status)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		shown := h.get(h.path() + "/9?e=ada@example.com")
		if shown.status != http.StatusOK {
			t.Errorf("the page: status %d", shown.status)
		}
		const comment = "Nothing of this may be lost.\nNot a line."
		p := h.send(shown, "score", "4", "comment", comment)
		if p.status != http.StatusServiceUnavailable || p.header.Get("Retry-After") == "" || !strings.Contains(p.text, "role=\"alert\"") {
			t.Errorf("answering: status %d, %v: %s", p.status, p.header, p.text)
		}
		_, before := shown.form()
		if _, again := p.form(); again.Get("score") != "4" || again.Get("comment") != comment || again.Get("page") != before.Get("page") {
			t.Errorf("the form is given again with %q", again)
		}
		if p := h.get("/s/" + id.Campaign.Format(id.New())); p.status != http.StatusServiceUnavailable {
			t.Errorf("a page that was never looked at: status %d", p.status)
		}
	})
}

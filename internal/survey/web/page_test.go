package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/survey"
)

// The policy of each page lets it have its own style, and no other.
func TestStyleIsAllowed(t *testing.T) {
	styles := regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		for _, path := range []string{h.path(), "/s/x"} {
			p := h.get(path)
			sum := sha256.Sum256([]byte(styles.FindStringSubmatch(p.text)[1]))
			if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(p.header.Get("Content-Security-Policy"), want) {
				t.Errorf("%s: %s", path, p.header.Get("Content-Security-Policy"))
			}
		}
	})
}

// A preview shows what readers see, and takes no answer.
func TestPreview(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		p := h.get(h.path() + "/9?e=ada@x.example&preview=1")
		if sent := h.send(p, "score", "8", "comment", "Tried out"); sent.status != http.StatusOK || len(h.responses(t)) != 0 {
			t.Errorf("status %d, %d responses", sent.status, len(h.responses(t)))
		}
		if rows := h.provisional(t); len(rows) != 0 {
			t.Errorf("it was noted: %+v", rows[0])
		}
	})
}

// A link may name a language and a variant, and the page and its answer have them.
func TestQueryDecides(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		if _, err := survey.Update(h.ctx, db, survey.UpdateInput{Campaign: h.campaign.NodeID(), Variants: []survey.Variant{{Name: "A", Weight: 1}, {Name: "B"}}}); err != nil {
			t.Fatal(err)
		}
		h.send(h.get(h.path()+"/9?e=ada@x.example&l=de&v=B", "Accept-Language", "fr"), "score", "8")
		h.send(h.get(h.path()+"/9?e=bob@x.example"), "score", "8")
		all := h.responses(t)
		if *all[0].Locale != "de" || *all[0].Variant != "B" || *all[1].Locale != "en" || *all[1].Variant != "A" {
			t.Errorf("got %s, %s and %s, %s", *all[0].Locale, *all[0].Variant, *all[1].Locale, *all[1].Variant)
		}
	})
}

// What is on a page that is more than a day old is asked for once more.
func TestOldPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		p := h.get(h.path() + "/9?e=ada@x.example")
		h.now.pass(24*time.Hour + time.Second)
		again := h.send(p, "score", "8", "comment", "Late")
		if again.status != http.StatusOK || len(h.responses(t)) != 0 {
			t.Fatalf("status %d", again.status)
		}
		if _, fields := again.form(); fields.Get("comment") != "Late" {
			t.Errorf("what was written is lost: %v", fields)
		}
		if sent := h.send(again, "score", "8"); sent.status != http.StatusSeeOther {
			t.Errorf("sent again: status %d", sent.status)
		}
	})
}

// Who has a receipt of their own answer may take their comment away; where the answer was deleted there is nothing to be changed, and the
// same link takes another one.
func TestReceipts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		first := h.get(h.path())
		sent := h.send(first, "score", "9", "comment", "Fine")
		if changed := h.send(h.get(sent.location), "score", "8", "comment", ""); changed.status != http.StatusSeeOther {
			t.Fatalf("status %d", changed.status)
		}
		r := h.responses(t)[0]
		if r.Score != 8 || r.Comment != nil {
			t.Errorf("got %+v", r)
		}
		named := h.send(h.get(h.path()+"/9?e=ada@x.example"), "score", "8")
		for _, r := range h.responses(t) {
			if _, err := h.log.Delete(h.ctx, id.Response.Format(r.ID)); err != nil {
				t.Fatal(err)
			}
		}
		if p := h.get(sent.location); p.status != http.StatusGone {
			t.Errorf("the receipt of what was deleted: status %d", p.status)
		}
		for name, page := range map[string]page{"the page": first, "the link": h.get(h.path() + "/9?e=ada@x.example"), "the thanks": h.get(named.location)} {
			before := len(h.responses(t))
			if sent := h.send(page, "score", "4"); sent.status != http.StatusSeeOther {
				t.Errorf("by %s: status %d", name, sent.status)
			}
			if after := len(h.responses(t)); after > before+1 || after == 0 {
				t.Errorf("by %s: %d responses, and %d before", name, after, before)
			}
		}
		if all := h.responses(t); len(all) != 2 { // of nobody, and of ada
			t.Errorf("there are %d", len(all))
		}
	})
}

// Where it is not sure who reads, texts are filled with the brand's name and else with what stands after the bar.
func TestPlaceholdersOfStrangers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		_, err := survey.SetWording(h.ctx, db, survey.SetWordingInput{
			Campaign: h.campaign.NodeID(), Locale: "en", Question: new("Would {name|you} recommend {brand|us}?"),
		})
		if err != nil {
			t.Fatal(err)
		}
		if p := h.get(h.path() + "/9?e=ada@x.example"); !strings.Contains(p.text, "Would you recommend Acme?") {
			t.Errorf("got %s", p.text)
		}
	})
}

// Pages that were looked at lately ask the database nothing, whatever number, reader or language.
func TestPagesAskNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		token := h.send(h.get(h.path()+"/9?e=ada@x.example"), "score", "8").location
		for _, path := range []string{h.path(), h.path() + "/3?e=bob@x.example", h.path() + "/all?c=1", token, "/s/x"} {
			least := int64(math.MaxInt64) // what was opened is written meanwhile, and who follows changes asks, too
			for i := range 20 {
				before := db.Queries()
				h.from = fmt.Sprintf("192.0.2.%d:1", i)
				h.get(path, "Accept-Language", "de")
				least = min(least, db.Queries()-before)
			}
			if least != 0 {
				t.Errorf("%s takes %d statements", path, least)
			}
		}
	})
}

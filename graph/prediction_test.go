package graph_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/risk"
	"github.com/zeroten/zeroten/internal/trait"
)

// crowded is how many people answer besides in a crowd.
const crowded = 70

// crowd adds so many responses over half a year to a filled tenant that something can be learned from them, and somebody who
// never answered; and learns it.
func (h *house) crowd(t *testing.T, c *company) *company {
	t.Helper()
	const n, at = 1_500, 500
	for first := 0; first < n; first += at {
		var items []feedback.Recording
		for i := first; i < first+at; i++ {
			who := i * 13 % crowded
			when := clock.AddDate(0, -6, i*180/n)
			known := trait.Values{"persona": []string{"gamer", "family", "worker"}[who%3], "plan": []string{"Basic", "Plus", "Max"}[who/3%3], "fibre": who%2 == 0}
			score := []int{9, 8, 10, 6, 9, 7, 10}[i%7]
			if known["plan"] == "Basic" && i%5 < 3 {
				score = i % 7
			}
			items = append(items, feedback.Recording{
				Campaign: c.ids["camp:Relationship"], Score: score, Channel: "API", RespondedAt: &when,
				Contact: &contact.Input{ExternalID: new(fmt.Sprintf("more%02d", who)), Traits: known},
			})
		}
		out, err := h.Log.Record(c.ctx, items)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			if o.Value == nil {
				t.Fatal(o.Errors)
			}
		}
	}
	if out, err := h.Log.Upsert(c.ctx, []contact.Input{{ExternalID: new("silent"), Traits: trait.Values{"plan": "Basic"}}}); err != nil || out[0].Value == nil {
		t.Fatal(out, err)
	}
	if err := risk.NewKeeper(h.DB, h.Risks, nil).Keep(c.ctx, auth.Tenant(c.ctx)); err != nil {
		t.Fatal(err)
	}
	return c
}

type foretold struct{ Promoter, Passive, Detractor float64 }

// What contacts would answer is what is foretold of a group with their values, and the list in the order of risks is in the order
// of that.
func TestPredictionsOfContacts(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.crowd(t, h.fill(t, h.found(t, "Fjordlink")))
		read := c.secrets[auth.Read]
		a := h.ask(t, read, `{
			feedback { prediction { usable auc groups(first: 200) { traits values prediction { promoter passive detractor } } } }
			contacts(first: 100, orderBy: { field: DETRACTOR_RISK }) { totalCount nodes { id externalId traits prediction { promoter passive detractor } } }
			silent: contacts(answered: false, orderBy: { field: DETRACTOR_RISK }) { totalCount nodes { externalId prediction { detractor } } }
		}`, nil)
		var data struct {
			Feedback struct {
				Prediction struct {
					Usable bool
					AUC    float64
					Groups []struct {
						Traits, Values []string
						Prediction     foretold
					}
				}
			}
			Contacts struct {
				TotalCount int
				Nodes      []struct {
					ID, ExternalID string
					Traits         trait.Values
					Prediction     *foretold
				}
			}
		}
		if err := json.Unmarshal(a.Data, &data); err != nil || len(a.Errors) > 0 {
			t.Fatal(a.text)
		}
		if !data.Feedback.Prediction.Usable || data.Contacts.TotalCount != len(data.Contacts.Nodes) || len(data.Contacts.Nodes) != people+crowded {
			t.Fatalf("auc %v, %d of %d contacts", data.Feedback.Prediction.AUC, len(data.Contacts.Nodes), data.Contacts.TotalCount)
		}
		s, err := h.States.Get(c.ctx, auth.Tenant(c.ctx))
		if err != nil {
			t.Fatal(err)
		}
		last, compared := 1.0, 0
		for _, one := range data.Contacts.Nodes {
			p := one.Prediction
			if p == nil || math.Abs(p.Promoter+p.Passive+p.Detractor-1) > 1e-9 || p.Detractor > last+1e-9 {
				t.Fatalf("%s: %+v, after %v", one.ExternalID, p, last)
			}
			last = p.Detractor
			values := s.Active.Shape.Values(one.Traits, s.Today(clock))
			for _, g := range data.Feedback.Prediction.Groups {
				if slices.Equal(g.Values, values) {
					compared++
					if math.Abs(g.Prediction.Detractor-p.Detractor) > 1e-9 || math.Abs(g.Prediction.Promoter-p.Promoter) > 1e-9 {
						t.Errorf("%s: %+v, and of the group %v %+v", one.ExternalID, p, values, g.Prediction)
					}
				}
			}
		}
		if compared < crowded {
			t.Errorf("%d were compared", compared)
		}
		if !strings.Contains(a.text, `"silent":{"totalCount":1,"nodes":[{"externalId":"silent","prediction":{"detractor":`) {
			t.Errorf("who never answered: %s", a.text[len(a.text)-200:])
		}

		// Whoever is narrowed, or may not read, learns nothing of it.
		riskiest := data.Contacts.Nodes[0]
		for _, narrowing := range []string{`campaigns: ["<camp:Relationship>"]`, `segment: "<seg:Gamers>"`} {
			token := h.token(t, read, c.own(narrowing))
			for _, text := range []string{
				`{ contacts(first: 1) { nodes { prediction { detractor } } } }`, `{ contacts(first: 1, orderBy: { field: DETRACTOR_RISK }) { nodes { id } } }`,
				`{ responses(first: 1) { nodes { contact { prediction { promoter } } } } }`,
			} {
				if got := h.ask(t, token, text, nil); !slices.Equal(got.codes(), []string{"FORBIDDEN"}) || strings.Contains(got.text, "0.") {
					t.Errorf("%s: %s gives %s", narrowing, text, got.text)
				}
			}
			if got := h.ask(t, token, `{ contacts(answered: false) { totalCount nodes { id } } }`, nil); !strings.Contains(got.text, `{"totalCount":0,"nodes":[]}`) {
				t.Errorf("%s: who never answered are %s", narrowing, got.text)
			}
		}
		if got := h.ask(t, c.secrets[auth.Collect], `mutation { upsertContacts(input: { contacts: [{ externalId: "more01" }] }) { contacts { id prediction { detractor } } } }`, nil); !slices.Contains(got.codes(), "FORBIDDEN") {
			t.Errorf("COLLECT reads %s", got.text)
		}
		other := h.found(t, "Other")
		unknown := h.ask(t, other.secrets[auth.Read], `{ contact(externalId: "nobody") { prediction { detractor } } }`, nil).text
		if got := h.ask(t, other.secrets[auth.Read], `{ contact(id: "`+riskiest.ID+`") { prediction { detractor } } }`, nil).text; got != unknown {
			t.Errorf("another tenant gets %s, and of nobody %s", got, unknown)
		}
	})
}

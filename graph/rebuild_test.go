package graph_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/trait"
)

// While past responses are being taken in, the dimensions and the zone before answer.
func TestRebuildUnderWay(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Fjordlink"))
		for range 3 {
			batch := make([]feedback.Recording, feedback.MaxBatch)
			for i := range batch {
				at := clock.Add(-time.Duration(i) * time.Hour)
				batch[i] = feedback.Recording{Campaign: c.ids["camp:Support"], Score: i % 11, Channel: "API", RespondedAt: &at, Traits: trait.Values{"router": "R" + string(rune('0'+i%3))}}
			}
			if _, err := h.Log.Record(c.ctx, batch); err != nil {
				t.Fatal(err)
			}
		}
		ask := func(text string) answer { return h.ask(t, c.secrets[auth.Admin], text, nil) }
		const before = `{ feedback { breakdown(by: ["plan"]) { values score { histogram } } trend(interval: DAY) { start score { responses } } } }`
		old := ask(before).text

		// Nobody works jobs yet.
		a := ask(`mutation {
			defineTrait(input: { key: "router", kind: TEXT }) { trait { isDimension rebuild { done total } } userErrors { message } }
			updateTenant(input: { timeZone: "Asia/Tokyo" }) { tenant { timeZone rebuild { done total } } userErrors { message } } }`)
		if want := `{"defineTrait":{"trait":{"isDimension":true,"rebuild":{"done":0,"total":3096}},"userErrors":[]},"updateTenant":{"tenant":{"timeZone":"Asia/Tokyo","rebuild":{"done":0,"total":3096}},"userErrors":[]}}`; string(a.Data) != want {
			t.Errorf("got %s, want %s", a.text, want)
		}
		if a := ask(`{ traits { key rebuild { total } } }`); strings.Count(a.text, `"total":3096`) != 1 {
			t.Errorf("one trait is being taken in: %s", a.text)
		}
		if now := ask(before).text; now != old {
			t.Errorf("while the rebuild runs the answer is\n%s\nbefore it was\n%s", now, old)
		}
		for _, text := range []string{
			`{ feedback { breakdown(by: ["router"]) { values } } }`,
			`{ feedback(filter: { where: { trait: { key: "router", in: ["R1"] } } }) { score { nps } } }`,
			`{ responses(filter: { where: { trait: { key: "router", in: ["R1"] } } }) { totalCount } }`,
		} {
			if a := ask(text); !slices.Equal(a.codes(), []string{"BAD_REQUEST"}) || !strings.Contains(a.text, "taken in") {
				t.Errorf("%s answers %s", text, a.text)
			}
		}
		// A segment may be saved already, to be asked for later.
		made := ask(`mutation { createSegment(input: { name: "R1", rule: { trait: { key: "router", in: ["R1"] } } }) { segment { id } userErrors { message } } }`)
		var segment struct {
			CreateSegment struct{ Segment struct{ ID string } }
		}
		if err := json.Unmarshal(made.Data, &segment); err != nil || segment.CreateSegment.Segment.ID == "" {
			t.Fatal(made.text)
		}
		id := segment.CreateSegment.Segment.ID
		if a := ask(`{ segment(id: "` + id + `") { feedback { score { nps } } } }`); !slices.Equal(a.codes(), []string{"BAD_REQUEST"}) {
			t.Errorf("a segment by what is being taken in answers %s", a.text)
		}
		if a := ask(`{ contacts(segment: "` + id + `") { totalCount } }`); !slices.Equal(a.codes(), []string{"BAD_REQUEST"}) || !strings.Contains(a.text, "0 of 3096") {
			t.Errorf("contacts by what is being taken in answer %s", a.text)
		}

		if err := h.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		for strings.Contains(ask(`{ tenant { rebuild { done total } } }`).text, "done") {
			if t.Context().Err() != nil {
				t.Fatal("the rebuild does not end")
			}
		}
		a = ask(`{ segment(id: "` + id + `") { feedback { score { responses } } } tenant { timeZone rebuild { done } } }`)
		if want := `{"segment":{"feedback":{"score":{"responses":1007}}},"tenant":{"timeZone":"Asia/Tokyo","rebuild":null}}`; string(a.Data) != want {
			t.Errorf("got %s, want %s", a.text, want)
		}
		if now := ask(before).text; now == old {
			t.Error("the new zone changes no day")
		}
	})
}

// A trend has 1,000 points at most, and those it may have.
func TestLongestTrend(t *testing.T) {
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.found(t, "Fjordlink")
	ask := func(to string) answer {
		return h.ask(t, c.secrets[auth.Read], `query($to: Date!) { feedback(filter: { from: "2024-02-27", to: $to }) { trend(interval: DAY) { start } } }`, map[string]any{"to": to})
	}
	if a := ask("2026-11-22"); strings.Count(a.text, "start") != 1_000 {
		t.Errorf("1,000 days are %d points", strings.Count(a.text, "start"))
	}
	if a := ask("2026-11-23"); !slices.Equal(a.codes(), []string{"BAD_REQUEST"}) {
		t.Errorf("1,001 days give %.200s", a.text)
	}
}

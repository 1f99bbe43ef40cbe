package graph_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// world is a tenant that somebody records for who may only COLLECT.
type world struct {
	*company

	// named has the ids that were seen, by the order in which they were.
	named map[string]string
}

func (h *house) world(t testing.TB) *world {
	t.Helper()
	w := &world{company: h.found(t, "World"), named: map[string]string{}}
	made, err := campaign.Create(w.ctx, h.DB, campaign.CreateInput{Name: "Campaign"})
	if err != nil {
		t.Fatal(err)
	}
	w.ids["camp:only"] = made.NodeID()
	w.named[made.NodeID()] = "camp:only"
	if _, err := settings.DefineTrait(w.ctx, h.Builder, settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true}); err != nil {
		t.Fatal(err)
	}
	return w
}

var typeIDs = regexp.MustCompile(`\b[a-z]+_[0-9a-hjkmnp-tv-z]{26}\b`)

// told is all that the world tells its collector, with ids by the order in which they came up: the answer and its cost.
func (w *world) told(t testing.TB, h *house, query string, variables map[string]any) string {
	t.Helper()
	b, err := json.Marshal(variables)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(b), "<camp:only>", w.ids["camp:only"])), &variables); err != nil {
		t.Fatal(err)
	}
	a := h.ask(t, w.secrets[auth.Collect], query, variables)
	text := typeIDs.ReplaceAllStringFunc(a.text, func(id string) string {
		if w.named[id] == "" {
			w.named[id] = fmt.Sprintf("id:%d", len(w.named))
		}
		return w.named[id]
	})
	if a.Extensions.Cost == nil {
		t.Fatalf("no cost: %s", a.text)
	}
	return fmt.Sprintf("%d %s requested %v, actual %v", a.status, text, a.Extensions.Cost.Requested, a.Extensions.Cost.Actual)
}

const (
	collected     = `id score category comment channel variant locale respondedAt recordedAt updatedAt campaign { id name createdAt updatedAt }`
	refusal       = `userErrors { field message code }`
	recordOne     = `mutation($in: RecordResponseInput!) { recordResponse(input: $in) { amended response { ` + collected + ` } ` + refusal + ` } }`
	recordOneOf   = `mutation($in: RecordResponseInput!) { recordResponse(input: $in) { response { id contact { id createdAt } } ` + refusal + ` } }`
	recordMany    = `mutation($in: [RecordResponseInput!]!) { recordResponses(input: { responses: $in }) { recorded amended responses { ` + collected + ` } ` + refusal + ` } }`
	recordManyOf  = `mutation($in: [RecordResponseInput!]!) { recordResponses(input: { responses: $in }) { recorded responses { traits } ` + refusal + ` } }`
	upsertMany    = `mutation($in: [ContactInput!]!) { upsertContacts(input: { contacts: $in }) { contacts { id } ` + refusal + ` } }`
	upsertAndRead = `mutation($in: [ContactInput!]!) { upsertContacts(input: { contacts: $in }) { contacts { id email createdAt traits } ` + refusal + ` } }`
)

func manyTraits(prefix string, n int) map[string]any {
	traits := map[string]any{}
	for i := range n {
		traits[fmt.Sprintf("%s%03d", prefix, i)] = i
	}
	return traits
}

// drawPerson draws somebody of few, as a ContactInput.
func drawPerson(rt *rapid.T) map[string]any {
	in := map[string]any{}
	maybe := func(field string, values ...any) {
		if v := rapid.SampledFrom(append(values, nil)).Draw(rt, field); v != nil {
			in[field] = v
		}
	}
	maybe("externalId", "a", "b", "c", strings.Repeat("é", contact.MaxExternalID), strings.Repeat("x", contact.MaxExternalID+1), " ")
	maybe("email", "a@example.org", "A@Example.org", "b@example.org", "nobody", strings.Repeat("l", 64)+"@example.org")
	maybe("phone", "+31 20 1234567", "")
	maybe("name", "Ann", strings.Repeat("n", contact.MaxName), strings.Repeat("n", contact.MaxName+1))
	maybe("locale", "nl-NL")
	maybe("traits", map[string]any{}, map[string]any{"plan": "gold"}, map[string]any{"plan": 3}, map[string]any{"plan": nil, "m001": nil},
		manyTraits("m", 100), manyTraits("m", 60), manyTraits("t", 60), manyTraits("t", 101), map[string]any{"a": 1, "z": true})
	return in
}

// TestCollectDoesNotLearnWhoIsKnown sends the same to two tenants, one of which knows people already, and wants the same
// answers.
func TestCollectDoesNotLearnWhoIsKnown(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		// Each makes two tenants.
		if err := checks.Value.Set("30"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = checks.Value.Set(checks.DefValue) })
	}
	each(t, func(t *testing.T, h *house) {
		rapid.Check(t, func(rt *rapid.T) {
			worlds := [2]*world{h.world(t), h.world(t)}
			h.know(t, rt, worlds[0])
			for range rapid.IntRange(1, 5).Draw(rt, "requests") {
				var query string
				var in any
				items := func(item func() map[string]any) (all []map[string]any) {
					for range rapid.IntRange(1, 4).Draw(rt, "items") {
						all = append(all, item())
					}
					return all
				}
				switch query = rapid.SampledFrom([]string{recordOne, recordOneOf, recordMany, recordManyOf, upsertMany, upsertAndRead}).Draw(rt, "query"); query {
				case recordOne, recordOneOf:
					in = drawRecording(rt)
				case recordMany, recordManyOf:
					in = items(func() map[string]any { return drawRecording(rt) })
				default:
					in = items(func() map[string]any { return drawPerson(rt) })
				}
				known, unknown := worlds[0].told(t, h, query, map[string]any{"in": in}), worlds[1].told(t, h, query, map[string]any{"in": in})
				if known != unknown {
					rt.Fatalf("%s of %v tells who is known:\n%s\nof somebody known, and otherwise\n%s", query, in, known, unknown)
				}
			}
		})
	})
}

func drawRecording(rt *rapid.T) map[string]any {
	in := map[string]any{"campaign": "<camp:only>", "score": rapid.IntRange(9, 10).Draw(rt, "score"), "contact": drawPerson(rt)}
	if key := rapid.SampledFrom([]string{"", "k", "l"}).Draw(rt, "key"); key != "" {
		in["idempotencyKey"] = key
	}
	if comment := rapid.SampledFrom([]string{"", "well"}).Draw(rt, "comment"); comment != "" {
		in["comment"] = comment
	}
	if rapid.Bool().Draw(rt, "traits") {
		in["traits"] = map[string]any{"plan": "basic"}
	}
	return in
}

// know makes some of the people known, lets them answer, and forgets some again.
func (h *house) know(t testing.TB, rt *rapid.T, w *world) {
	t.Helper()
	for range rapid.IntRange(1, 4).Draw(rt, "known") {
		values := trait.Values{"plan": "gold"}
		for i := range rapid.SampledFrom([]int{0, 50, 99}).Draw(rt, "known traits") {
			values[fmt.Sprintf("m%03d", i)] = float64(i)
		}
		in := contact.Input{Name: new("Known"), Traits: values}
		if x := rapid.SampledFrom([]string{"", "a", "b", "c", "d", strings.Repeat("é", contact.MaxExternalID)}).Draw(rt, "known externalId"); x != "" {
			in.ExternalID = &x
		}
		if e := rapid.SampledFrom([]string{"a@example.org", "b@example.org", ""}).Draw(rt, "known email"); e != "" || in.ExternalID == nil {
			in.Email = new("B@example.org")
			if e != "" {
				in.Email = &e
			}
		}
		out, err := h.Log.Record(w.ctx, []feedback.Recording{{Campaign: w.ids["camp:only"], Score: 3, Comment: new("theirs"), Channel: "API", Contact: &in}})
		if err != nil {
			t.Fatal(err)
		}
		if r := out[0].Value; r != nil && rapid.IntRange(0, 3).Draw(rt, "erase") == 0 {
			if _, err := h.Log.Erase(w.ctx, id.Contact.Format(*r.ContactID)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

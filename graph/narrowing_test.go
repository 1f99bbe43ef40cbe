package graph_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// narrowing is what a token is narrowed to, and the filter that gives a caller who is not the same.
type narrowing struct{ token, filter string }

func narrowings() map[string]narrowing {
	const (
		loyal  = `where: { trait: { key: "since", atLeast: 24 } }`
		gamers = `where: { all: [{ trait: { key: "persona", in: ["gamer"] } }, { trait: { key: "plan", in: ["Basic", "Plus"] } }] }`
	)
	return map[string]narrowing{
		"campaign":   {`campaigns: ["<camp:Support>"]`, `campaigns: ["<camp:Support>"]`},
		"campaigns":  {`campaigns: ["<camp:Support>", "<camp:Closed>"]`, `campaigns: ["<camp:Support>", "<camp:Closed>"]`},
		"segment":    {`segment: "<seg:Loyal>"`, loyal},
		"few people": {`segment: "<seg:Gamers>"`, gamers},
		"both":       {`campaigns: ["<camp:Relationship>"], segment: "<seg:Gamers>"`, `campaigns: ["<camp:Relationship>"], ` + gamers},
		"no answers": {`campaigns: ["<camp:Paused>"]`, `campaigns: ["<camp:Paused>"]`},
	}
}

// bodies are ways to ask, with the filter at %s, which a narrowed caller leaves out.
func bodies() map[string]string {
	const (
		score  = `{ nps responses promoters histogram mean interval { low high } }`
		change = `{ difference pValue significant interval { low high } }`
		body   = `score ` + score + ` trend { start score ` + score + ` change ` + change + ` } weeks: trend(interval: WEEK, rolling: 4) { start score { nps } }
			persona: breakdown(by: ["persona"]) { values share score ` + score + ` versusRest ` + change + ` }
			lowest: breakdown(by: ["plan"], orderBy: SCORE_ASC, minResponses: 3) { values contribution score ` + score + ` feedback { score ` + score + ` } }
			largest: breakdown(by: ["campaign"], orderBy: CONTRIBUTION, limit: 2) { values contribution }
			campaign: breakdown(by: ["campaign", "plan"], limit: 3) { values share score ` + score + ` feedback { trend { start score { responses } } } }
			compareTo(filter: { last: { count: 1, unit: YEAR } %s }) ` + change
		page = ` { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor node { id score comment campaign { id name } contact { id name } } } }`
	)
	all := map[string]string{
		"feedback": `{ feedback(filter: { %[1]s }) { ` + strings.ReplaceAll(body, "%s", "%[1]s") + ` } }`,
	}
	for name, filter := range map[string]string{
		"nothing": "", "categories": "categories: [DETRACTOR]", "scores": "scores: [0, 9]", "days": `from: "2026-01-01", to: "2026-10-20"`, "channels": "channels: [EMAIL, API]",
		"a rule": "variants: [\"A\"]",
	} {
		all["score by "+name] = `{ feedback(filter: { ` + filter + ` %s }) { score ` + score + ` trend { start score { histogram } } } }`
		all["list by "+name] = `{ responses(first: 7, filter: { ` + filter + ` %s })` + page + ` }`
	}
	all["the period before"] = `{ feedback(filter: { from: "2026-01-01", to: "2026-06-30" %[1]s }) { compareTo(previous: PERIOD) ` + change + `
		breakdown(by: ["persona"], limit: 2) { values feedback { compareTo(previous: YEAR) ` + change + ` } } } }`
	all["hours"] = `{ feedback(filter: { from: "2026-11-01", to: "2026-11-14" %[1]s }) { hours { start complete score { histogram } } breakdown(by: ["plan"], limit: 1) { feedback { hours { score { responses } } } } } }`
	part := `{ points interval { low high } pValue significant }`
	for name, below := range map[string]string{
		"drivers":       `drivers { responses explained reason traits { trait reason alone { explained pValue } own { explained adjustedPValue reason } values { value share score ` + score + ` effect interval { low high } } } }`,
		"few drivers":   `drivers(traits: ["plan", "campaign"], minResponses: 1) { responses explained traits { trait values { value score { responses } } } }`,
		"hotspots":      `hotspots(minResponses: 10, minDifference: 0) { tested reason groups { traits values share worth score ` + score + ` versusRest ` + change + ` feedback { score { responses } } } }`,
		"changePoints":  `changePoints(minDifference: 0) { reason levels { start end score ` + score + ` } points { day difference } }`,
		"curve":         `curve(by: "household") { reason slope pValue interval { low high } ends ` + change + ` points { values share score ` + score + ` } }`,
		"experiment":    `experiment { verdict winner planned reason variants { variant share score ` + score + ` } comparisons { variant against once ` + change + ` } sampleRatio { pValue } allocation { pValue } }`,
		"samplePlan":    `samplePlan(margin: 5) { responses variance days detectable }`,
		"prediction":    `prediction { usable trainedOn trainedTo validatedOn logLoss reason groups { values responses } }`,
		"benchmarks":    `benchmarks { benchmark { label } versusAverage ` + change + ` }`,
		"shrunk":        `breakdown(by: ["persona"]) { values shrunk { nps weight reason } versusRest { adjustedPValue comparisons } }`,
		"explainChange": `explainChange(from: { to: "2025-11-30" %[1]s }, by: ["persona"]) { reason total ` + change + ` mix ` + part + ` movement ` + part + ` groups { values shareBefore shareAfter mix movement before ` + score + ` after ` + score + ` change ` + change + ` } }`,
		"of a group":    `breakdown(by: ["plan"], limit: 2) { values feedback { curve(by: "household") { slope reason } samplePlan(difference: 20) { variance } changePoints { reason } experiment { variants { variant } } } }`,
	} {
		all["insight: "+name] = `{ feedback(filter: { %[1]s }) { ` + below + ` } }`
	}
	for name, below := range map[string]string{
		"of a body": `responses(first: 9, orderBy: { field: SCORE })` + page, "of a body, by words": `responses(filter: { search: "slow" })` + page,
		"of groups": `breakdown(by: ["plan", "campaign"], limit: 2) { values feedback { responses(first: 4)` + page + ` } }`,
		"of a rest": `breakdown(by: ["channel"], limit: 1) { values feedback { responses(first: 4)` + page + ` } }`,
	} {
		all["responses "+name] = `{ feedback(filter: { %s }) { ` + below + ` } }`
	}
	for name, arguments := range map[string]string{"the end": "last: 9", "scores": "first: 50, orderBy: { field: SCORE, direction: ASC }"} {
		all["list from "+name] = `{ responses(` + arguments + `, filter: { %s })` + page + ` }`
	}
	for name, filter := range map[string]string{"words": `search: "slow"`, "comments": `hasComment: false`} {
		all["list by "+name] = `{ responses(first: 7, filter: { ` + filter + ` %s })` + page + ` }`
	}
	return all
}

// seen is what a list has.
type seen struct {
	TotalCount int
	PageInfo   struct {
		HasNextPage, HasPreviousPage bool
		EndCursor                    *string
	}
	Nodes []struct {
		ID      string
		Contact *struct{ ID string }
	}
}

// ids reads the list at the field page by page: %s in the text is where its paging arguments go.
func (h *house) ids(t *testing.T, secret, text string) (ids []string, contacts map[string]string) {
	t.Helper()
	contacts = map[string]string{}
	total := -1
	for after := ""; ; {
		a := h.ask(t, secret, fmt.Sprintf(text, "first: 3"+after), nil)
		var data map[string]json.RawMessage
		if err := json.Unmarshal(a.Data, &data); err != nil || len(a.Errors) > 0 {
			t.Fatalf("%s: %s", text, a.text)
		}
		for len(data) == 1 { // down to the list
			for _, inner := range data {
				data = nil
				if err := json.Unmarshal(inner, &data); err != nil {
					t.Fatalf("%s: %s", text, a.text)
				}
				a.Data = inner
			}
		}
		var list seen
		if err := json.Unmarshal(a.Data, &list); err != nil {
			t.Fatalf("%s: %s", text, a.text)
		}
		for _, n := range list.Nodes {
			ids = append(ids, n.ID)
			if n.Contact != nil {
				contacts[n.ID] = n.Contact.ID
			}
		}
		if total >= 0 && total != list.TotalCount || list.PageInfo.HasPreviousPage != (after != "") {
			t.Errorf("%s: a total of %d and then of %d, %s", text, total, list.TotalCount, a.text)
		}
		total = list.TotalCount
		if !list.PageInfo.HasNextPage {
			if total != len(ids) {
				t.Errorf("%s: %d of a total of %d", text, len(ids), total)
			}
			return ids, contacts
		}
		after = fmt.Sprintf(", after: %q", *list.PageInfo.EndCursor)
	}
}

const listed = ` { totalCount pageInfo { hasNextPage hasPreviousPage endCursor } nodes { id } }`

// part is what there is for a narrowed caller, found out by one who is not.
type part struct {
	responses, campaigns, segments []string
	// of are the responses of each contact that there is.
	of map[string][]string
	// about are the ids that other things were made with: there are those for which there are all of these.
	about map[string][]string
}

func (h *house) part(t *testing.T, c *company, n narrowing) part {
	t.Helper()
	p := part{of: map[string][]string{}, about: c.about}
	var contacts map[string]string
	p.responses, contacts = h.ids(t, c.secrets[auth.Read], `{ responses(%s, filter: { `+c.own(n.filter)+` }) { totalCount pageInfo { hasNextPage hasPreviousPage endCursor } nodes { id contact { id } } } }`)
	for _, r := range p.responses {
		if contact, ok := contacts[r]; ok {
			p.of[contact] = append(p.of[contact], r)
		}
	}
	for name, id := range c.ids {
		switch kind, _, _ := strings.Cut(name, ":"); {
		case kind == "camp" && (!strings.Contains(n.token, "camp:") || strings.Contains(n.token, name)):
			p.campaigns = append(p.campaigns, id)
		case kind == "seg" && (!strings.Contains(n.token, "seg:") || strings.Contains(n.token, name)):
			p.segments = append(p.segments, id)
		}
	}
	return p
}

// has reports whether there is the thing of this name and id.
func (p part) has(name, id string) bool {
	switch kind, _, _ := strings.Cut(name, ":"); kind {
	case "camp":
		return slices.Contains(p.campaigns, id)
	case "seg":
		return slices.Contains(p.segments, id)
	case "resp":
		return slices.Contains(p.responses, id)
	case "cont":
		return p.of[id] != nil
	case "key", "inv", "prov", "supp":
		return false
	}
	for _, of := range p.about[id] {
		if kind, _, _ := strings.Cut(of, "_"); !p.has(kind+":", of) {
			return false
		}
	}
	return true
}

// newestFirst are those of the ids that hold, in the order of lists.
func newestFirst(ids []string, holds func(id string) bool) []string {
	var kept []string
	for _, id := range ids {
		if holds(id) {
			kept = append(kept, id)
		}
	}
	slices.Sort(kept)
	slices.Reverse(kept)
	return kept
}

func TestNarrowedCallersSeeTheirPart(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, databaseURL string) {
		h := open(t, databaseURL, app.Edge{RateBurst: 10_000_000, RateRestore: 1_000_000})
		c := h.fill(t, h.found(t, "Us"))
		whole := c.secrets[auth.Read]
		for name, n := range narrowings() {
			token := h.token(t, whole, c.own(n.token))
			p := h.part(t, c, n)
			t.Run(name, func(t *testing.T) {
				if all := len(p.responses); all >= 96 || (all == 0) != (name == "no answers") {
					t.Fatalf("it has %d responses, and tells nothing apart", all)
				}
				h.sameAnswers(t, c, token, n)
				h.sameBelow(t, c, token, n, p)
				h.sameLists(t, c, token, p)
				h.sameNodes(t, c, token, p)
				h.noCounts(t, token)
			})
		}
	})
}

// sameAnswers checks what is asked without a filter against what is asked with it.
func (h *house) sameAnswers(t *testing.T, c *company, token string, n narrowing) {
	t.Helper()
	for name, text := range bodies() {
		filled := func(filter string) string { return fmt.Sprintf(text, filter) }
		got, want := h.ask(t, token, filled(""), nil), h.ask(t, c.secrets[auth.Read], filled(c.own(n.filter)), nil)
		if got.text != want.text || len(want.Errors) > 0 {
			t.Errorf("%s: got\n%.3000s\nwant\n%.3000s", name, got.text, want.text)
		}
		// Who asks within their part gets just that.
		if within := h.ask(t, token, filled(c.own(n.filter)), nil); within.text != want.text {
			t.Errorf("%s, with the filter: got\n%.3000s\nwant\n%.3000s", name, within.text, want.text)
		}
	}
}

// sameBelow checks what is asked below campaigns, segments and contacts.
func (h *house) sameBelow(t *testing.T, c *company, token string, n narrowing, p part) {
	t.Helper()
	same := func(text string) {
		t.Helper()
		got, want := h.ask(t, token, fmt.Sprintf(text, ""), nil), h.ask(t, c.secrets[auth.Read], fmt.Sprintf(text, c.own(n.filter)), nil)
		if got.text != want.text || len(want.Errors) > 0 {
			t.Errorf("%s: got\n%.3000s\nwant\n%.3000s", text, got.text, want.text)
		}
	}
	const score = `{ score { histogram } trend { start score { nps } } breakdown(by: ["campaign"]) { values share } }`
	for _, id := range p.campaigns {
		same(`{ campaign(id: "` + id + `") { name status feedback(filter: { %[1]s }) ` + score + ` responses(filter: { %[1]s })` + listed + ` } }`)
	}
	for _, id := range p.segments {
		same(`{ segment(id: "` + id + `") { name rule { trait { key } } feedback(filter: { %[1]s }) ` + score + ` responses(first: 5, filter: { %[1]s })` + listed + ` } }`)
	}
	for contact, responses := range p.of {
		if got, _ := h.ids(t, token, `{ contact(id: "`+contact+`") { responses(%s)`+listed+` } }`); !slices.Equal(got, responses) {
			t.Errorf("of %s: got %q, want %q", contact, got, responses)
		}
	}
}

// sameLists checks the lists that have no filter.
func (h *house) sameLists(t *testing.T, c *company, token string, p part) {
	t.Helper()
	// The order is no other for who sees less.
	for _, text := range []string{
		`{ contacts(%s, orderBy: { field: NAME, direction: ASC })` + listed + ` }`, `{ contacts(%s, orderBy: { field: NAME })` + listed + ` }`,
		`{ contacts(%s, orderBy: { field: NAME }, search: "example")` + listed + ` }`, `{ contacts(%s, orderBy: { direction: ASC })` + listed + ` }`,
	} {
		all, _ := h.ids(t, c.secrets[auth.Read], text)
		want := slices.DeleteFunc(all, func(id string) bool { return !p.has("cont:", id) })
		if got, _ := h.ids(t, token, text); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	is := func(name string) func(id string) bool { return func(id string) bool { return p.has(name+":", id) } }
	for text, name := range map[string]string{
		`{ campaigns(%s)` + listed + ` }`:                                                              "camp",
		`{ campaigns(%s, status: [ACTIVE])` + listed + ` }`:                                            "camp",
		`{ segments(%s)` + listed + ` }`:                                                               "seg",
		`{ contacts(%s)` + listed + ` }`:                                                               "cont",
		`{ campaigns(%s, search: "o")` + listed + ` }`:                                                 "camp",
		`{ segments(%s, search: "a")` + listed + ` }`:                                                  "seg",
		`{ contacts(%s, search: "ben")` + listed + ` }`:                                                "cont",
		`{ contacts(%s, answered: true)` + listed + ` }`:                                               "cont",
		`{ contacts(%s, answered: false)` + listed + ` }`:                                              "cont",
		`{ contacts(%s, search: "åsa")` + listed + ` }`:                                                "cont",
		`{ contacts(%s, segment: "` + slices.Max(p.segments) + `")` + listed + ` }`:                    "cont",
		`{ segment(id: "` + slices.Max(p.segments) + `") { contacts(%s)` + listed + ` } }`:             "cont",
		`{ contacts(%s, search: "example", segment: "` + slices.Max(p.segments) + `")` + listed + ` }`: "cont",
	} {
		all, _ := h.ids(t, c.secrets[auth.Read], text)
		got, _ := h.ids(t, token, text)
		if want := newestFirst(all, is(name)); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q of %q", text, got, want, all)
		}
	}
}

// sameNodes checks every thing that there is, by its id and by its names, and that what is outside cannot be told from
// what there is not.
func (h *house) sameNodes(t *testing.T, c *company, token string, p part) {
	t.Helper()
	whole := c.secrets[auth.Read]
	const node = `{ id ... on Campaign { name } ... on Segment { name } ... on Contact { name traits } ... on Response { score contact { id name } campaign { name } traits } ... on Trait { key } ... on Tenant { name } }`
	ask := func(secret, text, id string) string {
		a := h.ask(t, secret, strings.ReplaceAll(text, "{{id}}", id), nil)
		return strings.ReplaceAll(a.text, id, "…")
	}
	fields := map[string]string{"camp": "campaign", "seg": "segment", "cont": "contact", "resp": "response"}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.ids)) {
		own := c.ids[name]
		all = append(all, own)
		prefix, _, _ := strings.Cut(own, "_")
		unknown := id.Kind(prefix).Format(id.New())
		texts := []string{`{ node(id: "{{id}}") ` + node + ` }`, `{ nodes(ids: ["{{id}}", "` + c.ids["tenant:own"] + `"]) ` + node + ` }`}
		kind, _, _ := strings.Cut(name, ":")
		if field, ok := fields[kind]; ok {
			texts = append(texts, `{ `+field+`(id: "{{id}}") { id } }`)
		}
		switch kind {
		case "camp":
			texts = append(texts, `{ feedback(filter: { campaigns: ["{{id}}"] }) { from: score { responses } } }`)
		case "seg":
			texts = append(texts, `{ contacts(segment: "{{id}}") { pageInfo { hasNextPage } } }`)
		}
		for i, text := range texts {
			got := ask(token, text, own)
			switch {
			case !p.has(name, own):
				if nobodys := ask(token, text, unknown); got != nobodys {
					t.Errorf("%s from outside: %s gives\n%s\nan unknown id\n%s", name, text, got, nobodys)
				}
			case i < 3:
				if want := ask(whole, text, own); got != want {
					t.Errorf("%s: %s gives\n%s\nwant\n%s", name, text, got, want)
				}
			case strings.Contains(got, "errors"):
				t.Errorf("%s: %s gives %s", name, text, got)
			}
		}
	}
	for chunk := range slices.Chunk(all, 100) {
		a := h.ask(t, token, `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": chunk})
		var data struct{ Nodes []*struct{ ID string } }
		if err := json.Unmarshal(a.Data, &data); err != nil || len(data.Nodes) != len(chunk) {
			t.Fatal(a.text)
		}
		for i, own := range chunk {
			for name, id := range c.ids {
				if id == own && p.has(name, own) != (data.Nodes[i] != nil) {
					t.Errorf("nodes: of %s got %v", name, data.Nodes[i])
				}
			}
		}
	}
	for i := range people - 1 {
		contact := c.ids[fmt.Sprintf("cont:c%02d", i)]
		for _, by := range []string{fmt.Sprintf(`externalId: "c%02d"`, i), fmt.Sprintf(`email: "c%02d@EXAMPLE.com"`, i)} {
			text := `{ contact(` + by + `) { id name email } }`
			want := h.ask(t, whole, text, nil).text
			if p.of[contact] == nil {
				want = h.ask(t, whole, `{ contact(externalId: "nobody") { id name email } }`, nil).text
			}
			if got := h.ask(t, token, text, nil).text; got != want {
				t.Errorf("%s: got %s, want %s", text, got, want)
			}
		}
	}
}

// noCounts checks that nothing tells how much there is in all, and what else a narrowed token may and may not.
func (h *house) noCounts(t *testing.T, token string) {
	t.Helper()
	for text, want := range map[string]string{
		`{ viewer { scopes tenant { name timeZone allowedOrigins rebuild { total } } } }`: `{"data":{"viewer":{"scopes":["READ"],"tenant":{"name":"Us","timeZone":"Europe/Amsterdam","allowedOrigins":[],"rebuild":null}}}`,
		`{ campaigns(first: 1) { nodes { link(traits: {}) { url } } } }`:                  `{"data":{"campaigns":{"nodes":[{"link":{"url":"http`,
		`{ traits { rebuild { total } } }`:                                                `{"data":{"traits":[` + strings.TrimSuffix(strings.Repeat(`{"rebuild":null},`, 6), ",") + `]}`,
	} {
		if got := h.ask(t, token, text, nil).text; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s", text, got)
		}
	}
	for _, text := range []string{
		`{ traits { values { contacts } } }`,
		`{ contacts(first: 1, orderBy: { field: DETRACTOR_RISK }) { nodes { id } } }`,
		`{ apiKeys { totalCount } }`,
		`{ viewer { tenant { outreach { limits { sentThisMonth } } } } }`,
		`{ viewer { tenant { outreach { sender { unconfirmedAddress } } } } }`,
		`{ campaigns { nodes { provisional { totalCount } } } }`,
		`{ campaigns { nodes { link(traits: { persona: "gamer" }) { url } } } }`,
		`{ campaigns { nodes { link(locale: "nl", traits: { persona: null }) { qrCode } } } }`,
		`mutation { createAccessToken(input: { scopes: [READ] }) { token } }`,
		`mutation { upsertContacts(input: { contacts: [{ externalId: "new" }] }) { contacts { id } } }`,
	} {
		a := h.ask(t, token, text, nil)
		if codes := a.codes(); len(codes) == 0 || codes[0] != "FORBIDDEN" {
			t.Errorf("%s: got %s", text, a.text)
		}
	}
}

// A token that may only collect writes into its campaigns, and into no others.
func TestNarrowedCollectors(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Us"))
		a := h.ask(t, c.secrets[auth.Collect], c.own(`mutation { createAccessToken(input: { scopes: [COLLECT], campaigns: ["<camp:Support>"], expiresIn: 60 }) { token expiresAt`+wrong+` } }`), nil)
		var data struct {
			CreateAccessToken struct{ Token, ExpiresAt string }
		}
		if err := json.Unmarshal(a.Data, &data); err != nil || data.CreateAccessToken.Token == "" || data.CreateAccessToken.ExpiresAt == "" {
			t.Fatal(a.text)
		}
		token := data.CreateAccessToken.Token
		record := func(campaign string) string {
			return strings.ReplaceAll(h.ask(t, token, `mutation { recordResponse(input: { campaign: "`+campaign+`", score: 9 }) { response { score }`+wrong+` } }`, nil).text, campaign, "…")
		}
		if got := record(c.ids["camp:Support"]); !strings.Contains(got, `"response":{"score":9}`) {
			t.Errorf("its own campaign: %s", got)
		}
		unknown := record(id.Campaign.Format(id.New()))
		for _, name := range []string{"Relationship", "Paused", "Closed"} {
			if got := record(c.ids["camp:"+name]); got != unknown || !strings.Contains(got, "NOT_FOUND") {
				t.Errorf("%s: got %s; an unknown one: %s", name, got, unknown)
			}
		}
		for _, text := range []string{`{ feedback { score { nps } } }`, `{ campaigns { totalCount } }`} {
			if codes := h.ask(t, token, text, nil).codes(); !slices.Equal(codes, []string{"FORBIDDEN"}) {
				t.Errorf("%s: got %v", text, codes)
			}
		}
	})
}

// A token that is narrowed and may read must not become one that records: what is known about somebody could then be read
// by recording in their name.
func TestNarrowedReadersRecordNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		us := h.fill(t, h.found(t, "Us"))
		before := h.contents(us.ctx, t)
		for _, narrowing := range []string{`campaigns: ["<camp:Support>"]`, `segment: "<seg:Gamers>"`} {
			token := h.token(t, us.secrets[auth.Admin], us.own(narrowing))
			for _, text := range []string{
				`mutation { recordResponse(input: { campaign: "<camp:Support>", score: 1, contact: { externalId: "c02" } }) { response { id } } }`,
				`mutation { recordResponses(input: { responses: [{ campaign: "<camp:Support>", score: 1 }] }) { recorded } }`,
				`mutation { upsertContacts(input: { contacts: [{ externalId: "c02" }] }) { contacts { id } } }`,
				`mutation { createAccessToken(input: { scopes: [READ] }) { token } }`,
			} {
				if a := h.ask(t, token, us.own(text), nil); !slices.Equal(a.codes(), []string{"FORBIDDEN"}) {
					t.Errorf("%s: %s answers %s", narrowing, text, a.text)
				}
			}
		}
		after := h.contents(us.ctx, t)
		if keys := "signing_keys"; strings.Count(before, "\n") != strings.Count(after, "\n")-strings.Count(after, keys+" ") {
			t.Errorf("there was\n%s\nand is\n%s", before, after)
		}
	})
}

// Anybody can answer a pasted snippet in anybody's name. That must not show them to who is narrowed.
func TestUnverifiedShowsNobody(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		us := h.fill(t, h.found(t, "Us"))
		record := func(r feedback.Recording) string {
			t.Helper()
			out, err := h.Log.Record(us.ctx, []feedback.Recording{r})
			if err != nil || out[0].Errors != nil {
				t.Fatal(err, out)
			}
			return out[0].Value.NodeID()
		}
		known := func(name string) contact.Input {
			return contact.Input{
				ExternalID: &name, Email: new(name + "@example.com"), Name: new("Name of " + name), Phone: new("+47 1"),
				Traits: trait.Values{"persona": "gamer", "plan": "Plus", "router": "secret"},
			}
		}
		boss, member, both := known("boss"), known("member"), known("both")
		record(feedback.Recording{Campaign: us.ids["camp:Relationship"], Score: 5, Channel: "API", Contact: &boss, Traits: trait.Values{"persona": "boss"}})
		if _, err := h.Log.Upsert(us.ctx, []contact.Input{member}); err != nil {
			t.Fatal(err)
		}
		own := record(feedback.Recording{Campaign: us.ids["camp:Support"], Score: 5, Channel: "API", Contact: &both})
		forged := map[string]string{}
		for _, name := range []string{"boss", "member", "both"} {
			forged[name] = record(feedback.Recording{
				Campaign: us.ids["camp:Support"], Score: 9, Channel: "EMAIL", Contact: &contact.Input{ExternalID: &name}, Unverified: true, Variant: new("forged"),
			})
		}
		whole := us.secrets[auth.Admin]
		for _, narrowing := range []string{`campaigns: ["<camp:Support>"]`, `segment: "<seg:Gamers>"`, `campaigns: ["<camp:Support>"], segment: "<seg:Gamers>"`} {
			token := h.token(t, whole, us.own(narrowing))
			for _, name := range []string{"boss", "member"} {
				if name == "boss" && !strings.Contains(narrowing, "campaigns") {
					continue // who is in the segment, and answered
				}
				a := h.ask(t, whole, `{ contact(externalId: "`+name+`") { id responses { nodes { id identity contact { name } traits } } } }`, nil)
				var all struct{ Contact struct{ ID string } }
				if err := json.Unmarshal(a.Data, &all); err != nil || !strings.Contains(a.text, `"identity":"UNVERIFIED","contact":{"name":"Name of `+name+`"},"traits":{"persona":"gamer"`) {
					t.Fatalf("who is not narrowed: %s", a.text)
				}
				for _, text := range []string{
					`{ contact(externalId: "` + name + `") { name phone traits } }`, `{ contact(email: "` + name + `@example.com") { name } }`,
					`{ contact(id: "` + all.Contact.ID + `") { name } }`, `{ node(id: "` + all.Contact.ID + `") { id } }`,
				} {
					if a := h.ask(t, token, text, nil); a.text != `{"data":{"contact":null}}` && a.text != `{"data":{"node":null}}` {
						t.Errorf("%s: %s gives %s", narrowing, text, a.text)
					}
				}
				for _, text := range []string{
					`{ contacts(first: 100) { nodes { externalId } } }`, `{ contacts(search: "` + name + `") { nodes { externalId } totalCount } }`,
					`{ contacts(first: 100, orderBy: { field: NAME }) { nodes { externalId } } }`,
				} {
					if a := h.ask(t, token, text, nil); len(a.Errors) > 0 || strings.Contains(a.text, `"`+name+`"`) || strings.Contains(text, "search") && !strings.Contains(a.text, `"totalCount":0`) {
						t.Errorf("%s: %s gives %s", narrowing, text, a.text)
					}
				}
			}
			for name, response := range forged {
				for _, text := range []string{
					`{ response(id: "%s") { identity score contact { name } traits } }`, `{ node(id: "%s") { ... on Response { identity score contact { name } traits } } }`,
				} {
					a := h.ask(t, token, fmt.Sprintf(text, response), nil)
					if !strings.Contains(a.text, `{"identity":"UNVERIFIED","score":9,"contact":null,"traits":{}}`) {
						t.Errorf("%s: the response in the name of %s is %s", narrowing, name, a.text)
					}
				}
			}
			events := h.ask(t, token, `subscription { feedbackReceived(after: "", filter: { variants: ["forged"] }, limit: 1) { response { score contact { name } traits } } }`, nil)
			if !strings.Contains(events.text, `"response":{"score":9,"contact":null,"traits":{}}`) {
				t.Errorf("%s: the events are %s", narrowing, events.text)
			}
			// Whom they see else is not given what is UNVERIFIED either.
			if a := h.ask(t, token, `{ contact(externalId: "both") { name responses { totalCount nodes { id } } } }`, nil); a.text != `{"data":{"contact":{"name":"Name of both","responses":{"totalCount":1,"nodes":[{"id":"`+own+`"}]}}}}` {
				t.Errorf("%s: who answered is %s", narrowing, a.text)
			}
		}
	})
}

// Cursors of events must not tell a narrowed caller how long the log is, and are good for the next token of the key.
func TestNarrowedCursors(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		us := h.fill(t, h.found(t, "Us"))
		narrowing := us.own(`campaigns: ["<camp:Support>"]`)
		token, next := h.token(t, us.secrets[auth.Admin], narrowing), h.token(t, us.secrets[auth.Admin], narrowing)
		cursor := func(secret, after string) (string, answer) {
			a := h.ask(t, secret, fmt.Sprintf(`subscription { feedbackReceived(after: %q, limit: 1) { cursor responseId } }`, after), nil)
			var data struct{ FeedbackReceived struct{ Cursor string } }
			if len(a.Errors) == 0 {
				if err := json.Unmarshal(a.Data, &data); err != nil {
					t.Fatal(err)
				}
			}
			return data.FeedbackReceived.Cursor, a
		}
		first, _ := cursor(token, "")
		plain, err := base64.RawURLEncoding.DecodeString(first)
		if err != nil || strings.Contains(string(plain), "log") || len(plain) != 16 {
			t.Errorf("the cursor is %q of %q, %v", first, plain, err)
		}
		second, a := cursor(next, first)
		if second == "" || second == first || !strings.Contains(a.text, us.ids["resp:05"]) {
			t.Errorf("with the next token, after the first comes %s", a.text)
		}
		whole, _ := cursor(us.secrets[auth.Read], "")
		if _, a := cursor(token, whole); !slices.Equal(a.codes(), []string{"BAD_REQUEST"}) {
			t.Errorf("the cursor of a key gives %s", a.text)
		}
	})
}

// What is looked for among all that somebody narrowed sees is looked for once an operation, however many aliases ask for it: each of
// them would go through as much, and pay as little.
func TestAliasesAskTheDatabaseNoMore(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Acme"))
		for name, n := range narrowings() {
			token := h.token(t, c.secrets[auth.Read], c.own(n.token))
			for _, field := range []string{
				`contact(externalId: "c00") { id name }`,
				`contact(email: "c01@example.com") { id }`,
				`contact(externalId: "nobody") { id }`,
				c.own(`node(id: "<cont:c02>") { id ... on Contact { name } }`),
				c.own(`nodes(ids: ["<cont:c00>", "<cont:c03>"]) { id }`),
			} {
				var aliased strings.Builder
				for i := range 15 {
					fmt.Fprintf(&aliased, "a%d: %s ", i, field)
				}
				once, often := h.statements(t, token, "{ "+field+" }"), h.statements(t, token, "{ "+aliased.String()+"}")
				if once == 0 || often != once {
					t.Errorf("%s, %s: %d statements for one, %d for 15 aliases", name, field, once, often)
				}
			}
		}
	})
}

// statements are what answering takes of the database: the least of some tries, since who keeps the server up to date asks as well.
func (h *house) statements(t *testing.T, secret, query string) int64 {
	t.Helper()
	h.ask(t, secret, query, nil) // what is read once is in memory then
	least := int64(math.MaxInt64)
	for range 5 {
		before := h.DB.Queries()
		if a := h.ask(t, secret, query, nil); len(a.Errors) > 0 {
			t.Fatalf("%s: %s", query, a.text)
		}
		least = min(least, h.DB.Queries()-before)
	}
	return least
}

package graph_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
)

// hide records much that there is not for a caller with the narrowing: responses, contacts and profiles, and campaigns and
// segments where those are hidden too.
func (h *house) hide(t *testing.T, c *company, n narrowing) {
	t.Helper()
	into, segmentText := c.ids["camp:Relationship"], c.ids["seg:Loyal"]
	if strings.Contains(n.token, "campaigns") {
		for i := range 30 {
			made, err := campaign.Create(c.ctx, h.DB, campaign.CreateInput{Name: fmt.Sprintf("Hidden %d", i)})
			if err != nil {
				t.Fatal(err)
			}
			into = made.NodeID()
		}
	}
	if strings.Contains(n.token, "segment") {
		for i := range 30 {
			rule := segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{fmt.Sprintf("plan %d", i)}}}
			if _, err := settings.CreateSegment(c.ctx, h.DB, settings.CreateSegmentInput{Name: "Hidden", Rule: rule}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 30 {
		in := action.CreateInput{Name: "Hidden", Note: new(strings.Repeat("€", 3_000)), StartedOn: calendar.Of(2026, time.October, 1+i), Campaigns: []string{into}}
		if strings.Contains(n.token, "segment") {
			in.Segment = &segmentText
		}
		if _, err := action.Create(c.ctx, h.DB, in); err != nil {
			t.Fatal(err)
		}
	}
	recordings := make([]feedback.Recording, feedback.MaxBatch)
	for i := range recordings {
		at := clock.Add(-time.Duration(i*37%17_000) * time.Hour)
		recordings[i] = feedback.Recording{
			Campaign: into, Score: i % 11, Channel: response.ChannelAPI, RespondedAt: &at, Comment: new("slow " + strings.Repeat("€", 300)),
			Contact: &contact.Input{ExternalID: new(fmt.Sprintf("hidden%d", i)), Name: new("Åsa Ben example"), Traits: trait.Values{
				"persona": fmt.Sprintf("persona %d", i%90), "plan": fmt.Sprintf("plan %d", i%89), "household": float64(i % 6),
			}},
		}
	}
	out, err := h.Log.Record(c.ctx, recordings)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		if o.Errors != nil {
			t.Fatal(o.Errors)
		}
	}
}

// questions are what a narrowed caller can ask for, over all root fields and all that they lead to.
func questions(c *company) map[string]string {
	all := map[string]string{}
	for name, text := range bodies() {
		all[name] = fmt.Sprintf(text, "")
	}
	for name, filter := range map[string]string{
		"a rule":        `where: { not: { trait: { key: "plan", in: ["Max"] } } }`,
		"a rare rule":   `where: { trait: { key: "household", isKnown: false } }`,
		"days":          `last: { count: 400, unit: DAY }`,
		"saved":         `segment: "<seg:Gamers>"`,
		"saved, loyal":  `segment: "<seg:Loyal>"`,
		"some campaign": `campaigns: ["<camp:Support>"]`,
		"words":         `search: "slow"`,
		"scores":        `scores: [0, 3, 10]`,
		"variants":      `variants: ["A"], hasComment: true`,
	} {
		if !strings.Contains(filter, "hasComment") && !strings.Contains(filter, "search") {
			all["scores by "+name] = `{ feedback(filter: { ` + filter + ` }) { score { nps } trend(interval: DAY) { start } breakdown(by: ["persona", "plan"]) { values feedback { score { nps } } }
				compareTo(filter: { ` + filter + ` }) { difference } } }`
		}
		all["responses by "+name] = `{ responses(first: 20, filter: { ` + filter + ` }) { totalCount nodes { id comment traits campaign { name } contact { name responses(first: 2) { totalCount nodes { id } } } } } }`
		all["last by "+name] = `{ responses(last: 5, filter: { ` + filter + ` }, orderBy: { field: SCORE, direction: ASC }) { nodes { id } } }`
	}
	maps.Copy(all, map[string]string{
		"contacts":           `{ contacts(first: 30) { totalCount nodes { id name traits responses(first: 3) { totalCount nodes { id } } } } }`,
		"contacts found":     `{ contacts(search: "ben") { totalCount nodes { id } } }`,
		"contacts by name":   `{ contacts(first: 5, orderBy: { field: NAME, direction: ASC }) { totalCount nodes { id } } }`,
		"who answered":       `{ contacts(answered: true) { totalCount nodes { id } } never: contacts(answered: false) { totalCount nodes { id } } }`,
		"found, by name":     `{ contacts(first: 5, orderBy: { field: NAME }, search: "ben") { nodes { id } } }`,
		"named campaigns":    `{ campaigns(search: "o") { totalCount nodes { id } } segments(search: "a") { totalCount nodes { id } } }`,
		"contacts, folded":   `{ contacts(search: "åsa") { totalCount nodes { id } } }`,
		"contacts in one":    `{ contacts(segment: "<seg:Gamers>") { totalCount nodes { id } } }`,
		"actions":            `{ actions(first: 20) { totalCount nodes { id name note segment { name } campaigns { name } } } }`,
		"actions of trends":  `{ feedback { trend { actions { name note campaigns { name } } } breakdown(by: ["plan"], limit: 3) { feedback { trend { actions { name segment { name } } } } } } }`,
		"effects":            `{ actions(first: 5) { nodes { name effect { caveats } } } action(id: "<act:made>") { effect(window: 365) { caveats } } }`,
		"an action":          `{ action(id: "<act:made>") { name campaigns { id } } benchmarks { label } }`,
		"a contact":          `{ contact(externalId: "c00") { id responses { totalCount nodes { id } } } }`,
		"a hidden contact":   `{ contact(externalId: "hidden1") { id responses { totalCount nodes { id } } } }`,
		"campaigns":          `{ campaigns(first: 2) { totalCount nodes { id name feedback { score { nps } breakdown(by: ["plan"]) { values } } responses(first: 3) { totalCount nodes { id } } } } }`,
		"segments":           `{ segments { totalCount nodes { id rule { all { trait { key in } } trait { key } } feedback { score { nps } trend { start } } } } }`,
		"traits":             `{ traits { key label rebuild { total } } }`,
		"values":             `{ traits { values { value contacts } } }`,
		"nodes":              `{ nodes(ids: ["<camp:Support>", "<seg:Gamers>", "<cont:c00>", "<resp:00>", "<resp:05>"]) { id ... on Campaign { feedback { score { nps } } } ... on Segment { feedback { score { nps } } } ... on Contact { responses(first: 5) { totalCount nodes { id } } } } }`,
		"viewer":             `{ viewer { scopes tenant { name rebuild { total } } } tenant { name } }`,
		"a response":         `{ response(id: "<resp:05>") { id comment contact { id } campaign { id feedback { score { nps } } } } }`,
		"groups":             `{ feedback { breakdown(by: ["plan", "channel"], orderBy: CONTRIBUTION, minResponses: 2) { values contribution filter feedback { breakdown(by: ["persona"], orderBy: SCORE_ASC) { filter } } } } }`,
		"hours":              `{ feedback(filter: { last: { count: 14, unit: DAY } }) { hours { score { responses } } } }`,
		"hours of a rule":    `{ feedback(filter: { last: { count: 2, unit: WEEK }, where: { trait: { key: "plan", in: ["Max"] } } }) { hours { score { responses } } } }`,
		"lists of bodies":    `{ feedback { responses(first: 5) { totalCount nodes { id } } breakdown(by: ["campaign", "plan"], limit: 3) { feedback { responses(first: 3) { totalCount nodes { id } } } } } }`,
		"live lists":         `{ responses(first: 5) { eventCursor totalCount nodes { id } } scored: responses(last: 3, orderBy: { field: SCORE }) { eventCursor totalCount nodes { id } } }`,
		"live, by a rule":    `{ responses(first: 5, filter: { where: { trait: { key: "plan", in: ["Max"] } }, search: "slow" }) { eventCursor totalCount nodes { id } } feedback(filter: { scores: [0, 3] }) { responses(first: 5) { eventCursor totalCount } } }`,
		"live, of a contact": `{ contact(externalId: "c00") { responses(first: 2) { eventCursor totalCount nodes { id } } } }`,
		"lists of segments":  `{ segments { nodes { responses(first: 3) { totalCount nodes { id } } contacts(first: 3) { totalCount nodes { id } } } } }`,
		"the year before":    `{ feedback(filter: { from: "2026-01-01" }) { compareTo(previous: YEAR) { difference } trend { change { difference } } } }`,
		"the hidden by name": `{ feedback { breakdown(by: ["campaign", "persona"], limit: 200) { values share versusRest { pValue } } } }`,
	})
	for name, text := range all {
		all[name] = c.own(text)
	}
	return all
}

// What a narrowed token's operations cost, and what is left in its bucket, tell nothing of what there is besides.
func TestCostTellsNothingOfTheHidden(t *testing.T) {
	const burst = 1_000_000
	storetest.EachURL(t, func(t *testing.T, databaseURL string) {
		h := open(t, databaseURL, app.Edge{RateBurst: burst, RateRestore: 1})
		for _, name := range []string{"campaigns", "few people", "both"} {
			n := narrowings()[name]
			t.Run(name, func(t *testing.T) {
				c := h.fill(t, h.found(t, "Us "+name))
				token := h.token(t, c.secrets[auth.Read], c.own(n.token))
				asked := questions(c)
				for what, text := range insights(t) {
					if strings.HasSuffix(what, "of all") || strings.HasSuffix(what, "of groups") {
						asked["insight: "+what] = c.own(strings.ReplaceAll(text, "{{more}}", ""))
					}
				}
				spent := burst - int(h.available(t, token))
				ask := func() map[string]string {
					prices := map[string]string{}
					for _, question := range slices.Sorted(maps.Keys(asked)) {
						a := h.ask(t, token, asked[question], nil)
						if a.Extensions.Cost == nil {
							t.Fatalf("%s: %s", question, a.text)
						}
						spent += int(a.Extensions.Cost.Actual)
						// What comes back in a second may be there already; what is missing was charged for something else.
						if left := int(a.Extensions.Cost.Available); left < burst-spent {
							t.Errorf("%s: %d are left, and %d were spent", question, left, spent)
							spent = burst - left
						}
						// Once there are no more points, which of the fields that are under way go without is chance.
						codes := slices.Compact(slices.Sorted(slices.Values(a.codes())))
						prices[question] = fmt.Sprintf("%v at first, %v, %v", a.Extensions.Cost.Requested, a.Extensions.Cost.Actual, codes)
					}
					return prices
				}
				whole := func() float64 { return h.ask(t, c.secrets[auth.Admin], asked["feedback"], nil).Extensions.Cost.Actual }
				little, before := whole(), ask()
				h.hide(t, c, n)
				after, much := ask(), whole()
				for question, price := range before {
					if after[question] != price {
						t.Errorf("%s: cost %s, and with much that is hidden %s", question, price, after[question])
					}
				}
				if much <= little {
					t.Errorf("what was hidden changes no price: a key pays %v, and paid %v", much, little)
				}
			})
		}
	})
}

// Who the contacts of a segment's token are is looked up once for all lists of them, and paid for once.
func TestNarrowedContactsAreFoundOnce(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, databaseURL string) {
		h := open(t, databaseURL, app.Edge{})
		for _, name := range []string{"few people", "both"} {
			t.Run(name, func(t *testing.T) {
				c := h.fill(t, h.found(t, "Us "+name))
				token := h.token(t, c.secrets[auth.Read], c.own(narrowings()[name].token))
				cost := func(query string) int {
					a := h.ask(t, token, query, nil)
					if a.codes() != nil {
						t.Fatal(a.text)
					}
					return int(a.Extensions.Cost.Actual)
				}
				const list = `contacts { totalCount nodes { id } } `
				one, many := cost(`{ `+list+`}`), cost(`{ `+list+`b: `+list+`c: `+list+`d: `+list+`}`)
				if one < rate.BlindSortPrice || many-one > one/4 {
					t.Errorf("one list costs %d, and four %d", one, many)
				}
			})
		}
	})
}

func (h *house) available(t *testing.T, secret string) float64 {
	t.Helper()
	return h.ask(t, secret, `{ viewer { scopes } }`, nil).Extensions.Cost.Available
}

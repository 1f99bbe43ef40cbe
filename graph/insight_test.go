package graph_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// How many people to ask is told of whatever feedback those who were invited are known of, however it was come to, and is null elsewhere.
func TestInvitationsOfAPlan(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Us"))
		// Of two to whom an invitation came, one answered: by the widget, in the campaign, and in the segment.
		for name, test := range map[string]struct {
			text  string
			known bool
		}{
			"a channel":                             {`{ feedback(filter: { channels: [WIDGET] }) { %s } }`, true},
			"it, and some by which nobody is asked": {`{ feedback(filter: { channels: [API, WIDGET, IMPORT] }) { %s } }`, true},
			"those alone":                           {`{ feedback(filter: { channels: [IMPORT, API] }) { %s } }`, false},
			"no channel":                            {`{ feedback(filter: { channels: [] }) { %s } }`, false},
			"a campaign":                            {`{ feedback(filter: { campaigns: ["<camp:Support>"] }) { %s } }`, true},
			"below it":                              {`{ node(id: "<camp:Support>") { ... on Campaign { feedback { %s } } } }`, true},
			"a segment":                             {`{ feedback(filter: { segment: "<seg:Loyal>" }) { %s } }`, true},
			"below that":                            {`{ node(id: "<seg:Loyal>") { ... on Segment { feedback { %s } } } }`, true},
			"below it, and the same again":          {`{ node(id: "<seg:Loyal>") { ... on Segment { feedback(filter: { segment: "<seg:Loyal>" }) { %s } } } }`, true},
			"below it, and another":                 {`{ node(id: "<seg:Loyal>") { ... on Segment { feedback(filter: { segment: "<seg:Gamers>" }) { %s } } } }`, false},
			"a group":                               {`{ feedback { breakdown(by: ["plan"], limit: 1) { feedback { %s } } } }`, false},
		} {
			a := h.ask(t, c.secrets[auth.Read], c.own(fmt.Sprintf(test.text, `samplePlan(margin: 5) { responses invitations } experiment(variants: ["A", "B"]) { asked { pValue } }`)), nil)
			plan := regexp.MustCompile(`"responses":(\d+),"invitations":(\d+|null)`).FindStringSubmatch(a.text)
			if plan == nil || len(a.Errors) > 0 {
				t.Errorf("%s: %s", name, a.text)
				continue
			}
			responses, err := strconv.Atoi(plan[1])
			if err != nil {
				t.Fatal(err)
			}
			want := "null"
			if test.known {
				want = strconv.Itoa(2 * responses)
			}
			if plan[2] != want {
				t.Errorf("%s: %d responses take %s invitations, want %s", name, responses, plan[2], want)
			}
		}
	})
}

// Who was asked for each variant is counted once for all variants, and paid for once.
func TestAskedIsCountedOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Us"))
		support, err := id.Campaign.Parse(c.ids["camp:Support"])
		if err != nil {
			t.Fatal(err)
		}
		const n = 4 * rate.InvitationsPerPoint
		err = h.DB.Write(c.ctx, func(tx *store.Tx) error {
			rows := make([]*ent.InvitationCreate, n)
			for i := range rows {
				rows[i] = tx.Ent.Invitation.Create().SetCampaignID(support).SetChannel(invitation.ChannelEMAIL).SetStatus(invitation.StatusSENT).
					SetLocale("nl").SetTraits(trait.Values{}).SetDueAt(clock).SetVariant([]string{"A", "A", "B", "C"}[i%4])
			}
			return tx.Ent.Invitation.CreateBulk(rows...).Exec(c.ctx)
		})
		if err != nil {
			t.Fatal(err)
		}
		for variants, want := range map[string]string{
			`["A", "B"], weights: [2, 1]`:                   `"mismatch":false`,
			`["A", "B"], weights: [1, 1]`:                   `"mismatch":true`,
			`["C", "B", "A"], weights: [1, 1, 2]`:           `"mismatch":false`,
			`["B", "C", "Z", "A"], weights: [1, 1, 1, 2]`:   `"mismatch":true`,
			`["Z", "Y", "X", "W", "V", "U", "T", "S", "R"]`: `"asked":null`,
		} {
			var costs []int
			for _, skip := range []string{"false", "true"} {
				a := h.ask(t, c.secrets[auth.Read], `{ feedback { experiment(variants: `+variants+`) { verdict asked @skip(if: `+skip+`) { mismatch } } } }`, nil)
				if len(a.Errors) > 0 || skip == "false" && !strings.Contains(a.text, want) {
					t.Errorf("%s: %s, want %s", variants, a.text, want)
				}
				costs = append(costs, int(a.Extensions.Cost.Actual))
			}
			if asked := costs[0] - costs[1]; asked != 10+n/rate.InvitationsPerPoint {
				t.Errorf("%s: to say whether they were asked as meant costs %d", variants, asked)
			}
		}
	})
}

// However many bodies of feedback ask for benchmarks, and for whichever, those that there are and the tenant are read once; and what is
// wrong with what is asked for is told to each.
func TestBenchmarksAreReadOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Us"))
		const asked = `benchmarks { benchmark { label } } `
		one := h.statements(t, c.secrets[auth.Read], `{ feedback { breakdown(by: ["plan"], limit: 1) { feedback { `+asked+`} } } }`)
		many := h.statements(t, c.secrets[auth.Read], `{ feedback { breakdown(by: ["plan", "persona"], limit: 10) { feedback { `+asked+`
			b: `+asked+`c: benchmarks(industry: "airlines") { benchmark { label } } d: benchmarks(country: "US") { benchmark { label } } } } }
			benchmarks { label } e: benchmarks(country: "NL") { label } }`)
		if many != one {
			t.Errorf("of one group they take %d statements, and of many %d", one, many)
		}
		a := h.ask(t, c.secrets[auth.Read], `{ feedback { breakdown(by: ["plan"]) { feedback { benchmarks(country: "XX") { benchmark { label } } } } } }`, nil)
		if codes := a.codes(); len(codes) < 3 || slices.ContainsFunc(codes, func(code string) bool { return code != "BAD_REQUEST" }) {
			t.Errorf("no country: %s", a.text)
		}
		// What was added is there for who asks next.
		const below = `{ userErrors { code } campaign { feedback { benchmarks(industry: "ferries") { benchmark { label } } } } }`
		a = h.ask(t, c.secrets[auth.Manage], c.own(`mutation {
			a: updateCampaign(input: { id: "<camp:Support>" }) `+below+`
			b: createBenchmark(input: { industry: "Ferries", label: "Boats", average: 1, year: 2024, method: "x", source: "x" }) { userErrors { code } }
			c: updateCampaign(input: { id: "<camp:Support>" }) `+below+` }`), nil)
		if strings.Count(a.text, `{"benchmark":{"label":`) != 1 || len(a.Errors) > 0 {
			t.Errorf("within one operation: %s", a.text)
		}
	})
}

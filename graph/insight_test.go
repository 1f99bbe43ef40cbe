package graph_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/invitation"
	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
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

// Another action is told of where it was for some of the same people, and started or ended within the windows.
func TestOtherActions(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Us"))
		// There are loyal gamers, and nobody is of two personas.
		made := h.ask(t, c.secrets[auth.Manage], `mutation { createSegment(input: { name: "Families", rule: { trait: { key: "persona", in: ["family"] } } }) { segment { id } } }`, nil)
		if c.ids["seg:Families"] = regexp.MustCompile(`seg_[0-9a-z]{26}`).FindString(made.text); c.ids["seg:Families"] == "" {
			t.Fatal(made.text)
		}
		const support, closed, both = `campaigns: ["<camp:Support>"]`, `campaigns: ["<camp:Closed>"]`, `campaigns: ["<camp:Closed>", "<camp:Support>"]`
		const gamers, loyal, families = `segment: "<seg:Gamers>"`, `segment: "<seg:Loyal>"`, `segment: "<seg:Families>"`
		for i, test := range []struct {
			one, other string
			told       bool
		}{
			{``, ``, true},
			{``, both, true},
			{``, families, true},
			{support, ``, true},
			{support, closed, false},
			{support, both, true},
			{gamers, loyal, true},
			{gamers, gamers, true},
			{gamers, families, false},
			{gamers, ``, true},
			{gamers, support, true},
			{gamers + `, ` + support, closed, false},
			{gamers + `, ` + support, loyal + `, ` + closed, false},
			{gamers + `, ` + support, loyal + `, ` + both, true},
			{gamers + `, ` + support, families + `, ` + both, false},
			{gamers + `, ` + support, families, false},
			{gamers + `, ` + support, both, true},
		} {
			// Each pair by itself, years before all others. The windows go from the 43rd day to the 58th.
			day := func(days int) string { return calendar.Of(2020, time.January, 1).Add(100*i + days).String() }
			one := h.note(t, c, "One", `startedOn: "`+day(50)+`", `+test.one)
			for at, within := range map[string]bool{
				`startedOn: "` + day(43) + `"`: true, `startedOn: "` + day(42) + `"`: false,
				`startedOn: "` + day(58) + `"`: true, `startedOn: "` + day(59) + `"`: false,
				`startedOn: "` + day(0) + `", endedOn: "` + day(43) + `"`: true, `startedOn: "` + day(0) + `", endedOn: "` + day(42) + `"`: false,
				`startedOn: "` + day(0) + `", endedOn: "` + day(99) + `"`: false,
			} {
				other := h.note(t, c, "Other", at+`, `+test.other)
				a := h.ask(t, c.secrets[auth.Manage], `{ action(id: "`+one+`") { effect(window: 7, settle: 2) { caveats } } }`, nil)
				if told := strings.Contains(a.text, "OTHER_ACTION"); len(a.Errors) > 0 || told != (test.told && within) {
					t.Errorf("beside one of %q another of %q, %s: %s", test.one, test.other, at, a.text)
				}
				if _, err := action.Delete(c.ctx, h.DB, other); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// However many actions of a day are asked for their caveats, those around it are read once, and paid for once: as many as there are, and
// the campaigns that they were for where these matter.
func TestActionsAroundArePaidForOnce(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, databaseURL string) {
		h := open(t, databaseURL, app.Edge{RateBurst: 10_000_000, RateRestore: 1_000_000})
		c := h.fill(t, h.found(t, "Us"))
		const n = 4 * rate.ActionsPerPoint
		links := 0
		note := func(many int) {
			t.Helper()
			err := h.DB.Write(c.ctx, func(tx *store.Tx) error {
				rows := make([]*ent.ActionCreate, many)
				for i := range rows {
					rows[i] = tx.Ent.Action.Create().SetName("n").SetNote(strings.Repeat("€", 10_000)).SetStartedOn(calendar.Of(2026, time.August, 1))
				}
				made, err := tx.Ent.Action.CreateBulk(rows...).Save(c.ctx)
				if err != nil {
					return err
				}
				var rowsOf []*ent.ActionCampaignCreate
				for _, a := range made {
					for _, name := range []string{"Relationship", "Paused", "Closed"} {
						u, err := id.Campaign.Parse(c.ids["camp:"+name])
						if err != nil {
							return err
						}
						rowsOf = append(rowsOf, tx.Ent.ActionCampaign.Create().SetActionID(a.ID).SetCampaignID(u))
					}
				}
				links += len(rowsOf)
				return tx.Ent.ActionCampaign.CreateBulk(rowsOf...).Exec(c.ctx)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		forSupport := h.note(t, c, "One", `startedOn: "2026-08-01", campaigns: ["<camp:Support>"]`)
		forAll := h.note(t, c, "All", `startedOn: "2026-08-01"`)
		few := func(of string, times int) (statements int64, cost int) {
			t.Helper()
			var text strings.Builder
			for i := range times {
				fmt.Fprintf(&text, `a%d: action(id: %q) { effect(window: 7, filter: { variants: ["Z"] }) { caveats } } `, i, of)
			}
			question := `{ ` + text.String() + `}`
			return h.statements(t, c.secrets[auth.Read], question), int(h.ask(t, c.secrets[auth.Read], question, nil).Extensions.Cost.Actual)
		}
		type asked struct {
			of    string
			times int
		}
		statements, costs := map[asked]int64{}, map[asked]int{}
		all := []asked{{forSupport, 1}, {forSupport, 5}, {forAll, 1}, {forAll, 5}}
		for _, a := range all {
			statements[a], costs[a] = few(a.of, a.times)
		}
		note(n)
		for _, a := range all {
			taken, cost := few(a.of, a.times)
			want := costs[a] + n/rate.ActionsPerPoint
			if a.of == forSupport {
				want += links / rate.LinksPerPoint
			}
			if taken != statements[a] || cost != want {
				t.Errorf("%v among %d: %d statements and %d points, want %d and %d", a, n, taken, cost, statements[a], want)
			}
		}
		if more := statements[asked{forSupport, 5}] - statements[asked{forSupport, 1}]; more > 4 { // each is found by its id
			t.Errorf("four more actions take %d statements more", more)
		}
	})
}

// Whether somebody is in two segments costs what both rules do, unless that is certain.
func TestRulesOfOtherActionsArePaidFor(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Us"))
		rule := segment.Rule{Trait: &segment.Condition{Key: "persona"}}
		for i := range 200 {
			rule.Trait.In = append(rule.Trait.In, fmt.Sprintf("nobody %d", i))
		}
		long, err := settings.CreateSegment(c.ctx, h.DB, settings.CreateSegmentInput{Name: "Long", Rule: rule})
		if err != nil {
			t.Fatal(err)
		}
		c.ids["seg:Long"] = long.NodeID()
		cost := func(one string) int {
			t.Helper()
			a := h.ask(t, c.secrets[auth.Read], `{ action(id: "`+one+`") { effect(window: 7) { caveats } } }`, nil)
			if len(a.Errors) > 0 {
				t.Fatal(a.text)
			}
			return int(a.Extensions.Cost.Actual)
		}
		one := h.note(t, c, "One", `startedOn: "2020-08-01", segment: "<seg:Gamers>"`)
		alone := cost(one)
		h.note(t, c, "Other", `startedOn: "2020-08-01", segment: "<seg:Long>"`)
		gamers := 3 // a rule of two
		if got, want := cost(one), alone+(gamers+rule.Steps())/rate.StepsPerPoint; got != want || want == alone {
			t.Errorf("beside another of a long rule it costs %d, want %d", got, want)
		}
		h.note(t, c, "All", `startedOn: "2020-08-01"`)
		if got := cost(one); got != alone {
			t.Errorf("beside another that was for all it costs %d, want %d", got, alone)
		}
	})
}

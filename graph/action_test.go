package graph_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// note notes an action with the given rest of the input, and gives its id.
func (h *house) note(t *testing.T, c *company, name, rest string) string {
	t.Helper()
	a := h.ask(t, c.secrets[auth.Manage], c.own(fmt.Sprintf(`mutation { createAction(input: { name: %q, %s }) { action { id }`+wrong+` } }`, name, rest)), nil)
	made := regexp.MustCompile(`act_[0-9a-z]{26}`).FindString(a.text)
	if made == "" {
		t.Fatal(a.text)
	}
	c.ids["act:"+name] = made
	return made
}

// What a token is narrowed to decides which actions there are for it, in lists, on trends, and by their ids; and those that there are
// look as they do to everybody.
func TestNarrowedActions(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Us"))
		for name, rest := range map[string]string{
			"All":                `startedOn: "2026-06-01"`,
			"Support":            `startedOn: "2026-06-01", campaigns: ["<camp:Support>"]`,
			"Support and Closed": `startedOn: "2026-06-30", campaigns: ["<camp:Support>", "<camp:Closed>"]`,
			"Gamers":             `startedOn: "2026-07-01", segment: "<seg:Gamers>"`,
			"Gamers in Support":  `startedOn: "2026-06-02", segment: "<seg:Gamers>", campaigns: ["<camp:Support>"]`,
			"Loyal":              `startedOn: "2026-06-03", segment: "<seg:Loyal>"`,
		} {
			h.note(t, c, name, rest)
		}
		c.ids["act:text"] = c.ids["act:made"]
		ids := map[string]string{}
		for name, own := range c.ids {
			if kind, name, _ := strings.Cut(name, ":"); kind == "act" && name != "made" {
				ids[own] = name
			}
		}
		const whole = ` { id name note startedOn endedOn createdAt updatedAt segment { id name } campaigns { id name } }`
		for narrowing, want := range map[string][]string{
			`campaigns: ["<camp:Support>"]`:                              {"All", "Gamers", "Gamers in Support", "Loyal", "Support", "text"},
			`campaigns: ["<camp:Support>", "<camp:Closed>"]`:             {"All", "Gamers", "Gamers in Support", "Loyal", "Support", "Support and Closed", "text"},
			`campaigns: ["<camp:Paused>"]`:                               {"All", "Gamers", "Loyal", "text"},
			`segment: "<seg:Gamers>"`:                                    {"All", "Gamers", "Gamers in Support", "Support", "Support and Closed", "text"},
			`campaigns: ["<camp:Relationship>"], segment: "<seg:Loyal>"`: {"All", "Loyal", "text"},
		} {
			t.Run(narrowing, func(t *testing.T) {
				token := h.token(t, c.secrets[auth.Admin], c.own(narrowing))
				// What whoever is not narrowed is shown, without what is outside.
				part := func(list []map[string]any) string {
					return fmt.Sprint(slices.DeleteFunc(list, func(a map[string]any) bool { return !slices.Contains(want, a["name"].(string)) }))
				}
				all, some := h.actions(t, c.secrets[auth.Read], whole), h.actions(t, token, whole)
				if got, want := fmt.Sprint(some), part(all); got != want {
					t.Errorf("the list is\n%s\nwant\n%s", got, want)
				}
				for _, interval := range []string{"DAY", "MONTH"} {
					// Filters of the body decide about scores, and not about actions.
					for _, filter := range []string{`from: "2026-05-20", to: "2026-07-02"`, `from: "2026-05-20", to: "2026-07-02", channels: [EMAIL]`} {
						all, some := h.started(t, c.secrets[auth.Read], filter, interval, whole), h.started(t, token, filter, interval, whole)
						if len(all) != len(ids) {
							t.Fatalf("a trend shows %d of %d", len(all), len(ids))
						}
						if got, want := fmt.Sprint(some), part(all); got != want {
							t.Errorf("by %s with %s there are\n%s\nwant\n%s", interval, filter, got, want)
						}
					}
				}
				for own, name := range ids {
					for _, text := range []string{`{ action(id: "%s")` + whole + ` }`, `{ node(id: "%s") { id ... on Action` + whole + ` } }`, `{ nodes(ids: ["%s"]) { __typename id } }`} {
						ask := func(secret, id string) string {
							return strings.ReplaceAll(h.ask(t, secret, fmt.Sprintf(text, id), nil).text, id, "…")
						}
						want := map[bool]string{true: ask(c.secrets[auth.Read], own), false: ask(token, id.Action.Format(id.New()))}[slices.Contains(want, name)]
						if got := ask(token, own); got != want {
							t.Errorf("%s by its id is\n%s\nwant\n%s", name, got, want)
						}
					}
				}
			})
		}
	})
}

// actions are those of the whole list, page by page.
func (h *house) actions(t *testing.T, secret, node string) (all []map[string]any) {
	t.Helper()
	for after := ""; ; {
		a := h.ask(t, secret, fmt.Sprintf(`{ actions(first: 2%s) { totalCount nodes%s pageInfo { hasNextPage endCursor } } }`, after, node), nil)
		var data struct {
			Actions struct {
				TotalCount int
				Nodes      []map[string]any
				PageInfo   struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		if err := json.Unmarshal(a.Data, &data); err != nil || len(a.Errors) > 0 {
			t.Fatal(a.text)
		}
		all = append(all, data.Actions.Nodes...)
		if !data.Actions.PageInfo.HasNextPage {
			if total := data.Actions.TotalCount; total != len(all) {
				t.Errorf("%d of a total of %d", len(all), total)
			}
			return all
		}
		after = fmt.Sprintf(", after: %q", data.Actions.PageInfo.EndCursor)
	}
}

// started are the actions of a trend's points, each of which has those of its days alone, in order.
func (h *house) started(t *testing.T, secret, filter, interval, node string) (all []map[string]any) {
	t.Helper()
	a := h.ask(t, secret, fmt.Sprintf(`{ feedback(filter: { %s }) { trend(interval: %s) { start end actions%s } } }`, filter, interval, node), nil)
	var data struct {
		Feedback struct {
			Trend []struct {
				Start, End string
				Actions    []map[string]any
			}
		}
	}
	if err := json.Unmarshal(a.Data, &data); err != nil || len(a.Errors) > 0 {
		t.Fatal(a.text)
	}
	for _, p := range data.Feedback.Trend {
		for _, a := range p.Actions {
			if day := a["startedOn"].(string); day < p.Start || day > p.End {
				t.Errorf("an action of %s is in the interval from %s to %s", day, p.Start, p.End)
			}
		}
		all = append(all, p.Actions...)
	}
	if !slices.IsSortedFunc(all, func(a, b map[string]any) int {
		return strings.Compare(a["startedOn"].(string)+a["id"].(string), b["startedOn"].(string)+b["id"].(string))
	}) {
		t.Errorf("they are not in order: %v", all)
	}
	return all
}

// However many actions there are, they, their segments and their campaigns are read by a few statements, for all trends of the same days;
// and those that there are too many of are refused.
func TestActionsAreReadTogether(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, databaseURL string) {
		h := open(t, databaseURL, app.Edge{RateBurst: 10_000_000, RateRestore: 1_000_000})
		c := h.fill(t, h.found(t, "Us"))
		const below = ` { name segment { name } campaigns { name } } `
		trend := `trend { actions` + below + `} `
		questions := map[string]string{
			"a list":      `{ actions(first: 30) { nodes` + below + `} }`,
			"a trend":     `{ feedback { ` + trend + `} }`,
			"some trends": `{ feedback { ` + trend + `b: ` + trend + `breakdown(by: ["plan"], limit: 3) { feedback { ` + strings.Replace(trend, "trend", `trend(interval: YEAR)`, 1) + `} } } }`,
			"nodes":       c.own(`{ nodes(ids: ["<act:made>"]) { ... on Action` + below + `} }`),
		}
		h.note(t, c, "First", `startedOn: "2026-06-01", segment: "<seg:Gamers>", campaigns: ["<camp:Support>"]`)
		few := map[string]int64{}
		for name, text := range questions {
			few[name] = h.statements(t, c.secrets[auth.Read], text)
		}
		for i := range 25 {
			h.note(t, c, fmt.Sprint(i), fmt.Sprintf(`startedOn: "2026-06-%02d", segment: %q, campaigns: ["<camp:Closed>", %q]`, i+1,
				[]string{"<seg:Gamers>", "<seg:Loyal>"}[i%2], []string{"<camp:Support>", "<camp:Relationship>", "<camp:Paused>"}[i%3]))
		}
		for name, text := range questions {
			if many := h.statements(t, c.secrets[auth.Read], text); many != few[name] || few[name] > 12 {
				t.Errorf("%s takes %d statements for a few actions, and %d for many", name, few[name], many)
			}
		}

		first := calendar.Of(2026, 5, 1)
		err := h.DB.Write(c.ctx, func(tx *store.Tx) error {
			rows := make([]*ent.ActionCreate, 1_000)
			for i := range rows {
				rows[i] = tx.Ent.Action.Create().SetName("n").SetStartedOn(first.Add(i % 60))
			}
			return tx.Ent.Action.CreateBulk(rows...).Exec(c.ctx)
		})
		if err != nil {
			t.Fatal(err)
		}
		a := h.ask(t, c.secrets[auth.Read], `{ feedback { trend { actions { name } } } }`, nil)
		if !slices.Contains(a.codes(), "TOO_COMPLEX") || !strings.Contains(a.text, "More than 1000 actions") {
			t.Errorf("too many actions: %.300s", a.text)
		}
		if got := h.started(t, c.secrets[auth.Read], `from: "2026-05-01", to: "2026-05-31"`, "DAY", " { id startedOn }"); len(got) < 500 {
			t.Errorf("of May there are %d", len(got))
		}
	})
}

// What an update is not given stays, and what is null goes, whichever way the input comes.
func TestNullTakesAway(t *testing.T) {
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.fill(t, h.found(t, "Us"))
	made := h.note(t, c, "Desk", `startedOn: "2026-06-01", endedOn: "2026-06-30", note: "Shifts", segment: "<seg:Gamers>", campaigns: ["<camp:Support>"]`)
	const whole = `"note":"Shifts","endedOn":"2026-06-30","segment":{"name":"Gamers"},"campaigns":[{"name":"Support"}]`
	fields := map[string][2]string{
		"note": {`"note":"Shifts"`, `"note":null`}, "endedOn": {`"endedOn":"2026-06-30"`, `"endedOn":null`},
		"segment": {`"segment":{"name":"Gamers"}`, `"segment":null`}, "campaigns": {`"campaigns":[{"name":"Support"}]`, `"campaigns":[]`},
	}
	const shown = ` { action { note endedOn segment { name } campaigns { name } } userErrors { message } } }`
	back := c.own(`mutation { updateAction(input: { id: "` + made + `", endedOn: "2026-06-30", note: "Shifts", segment: "<seg:Gamers>", campaigns: ["<camp:Support>"] })` + shown)
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		typ := map[string]string{"note": "String", "endedOn": "Date", "segment": "ID", "campaigns": "[ID!]"}[field]
		for name, way := range map[string]struct {
			query     string
			variables map[string]any
			goes      bool
		}{
			"null":                       {`mutation { updateAction(input: { id: "` + made + `", ` + field + `: null })` + shown, nil, true},
			"a variable of null":         {`mutation($v: ` + typ + `) { updateAction(input: { id: "` + made + `", ` + field + `: $v })` + shown, map[string]any{"v": nil}, true},
			"a variable that is not":     {`mutation($v: ` + typ + `) { updateAction(input: { id: "` + made + `", ` + field + `: $v })` + shown, nil, false},
			"an input with null":         {`mutation($in: UpdateActionInput!) { updateAction(input: $in)` + shown, map[string]any{"in": map[string]any{"id": made, field: nil}}, true},
			"an input without the field": {`mutation($in: UpdateActionInput!) { updateAction(input: $in)` + shown, map[string]any{"in": map[string]any{"id": made}}, false},
		} {
			want := whole
			if way.goes {
				want = strings.Replace(whole, fields[field][0], fields[field][1], 1)
			}
			if a := h.ask(t, c.secrets[auth.Manage], way.query, way.variables); !strings.Contains(a.text, `{"action":{`+want+`},"userErrors":[]}`) {
				t.Errorf("%s as %s: got %s, want %s", field, name, a.text, want)
			}
			if a := h.ask(t, c.secrets[auth.Manage], back, nil); !strings.Contains(a.text, whole) {
				t.Fatal(a.text)
			}
		}
	}
	if _, err := action.Delete(c.ctx, h.DB, made); err != nil {
		t.Error(err)
	}
}

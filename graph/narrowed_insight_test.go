package graph_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/internal/app"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

// asks are the arguments that a field of insight is asked with, each time with some of them. {{more}} is where a filter goes in that a
// narrowed caller leaves out.
func asks() map[string][]string {
	return map[string][]string{
		"Score.interval": {``, `confidence: 0.9, method: SCORE`},
		"Feedback.trend": {``, `interval: WEEK, rolling: 4`},
		"Feedback.breakdown": {
			`by: ["persona"]`, `by: ["plan", "household"], limit: 3, orderBy: SCORE_ASC`, `by: ["campaign"], orderBy: CONTRIBUTION, minResponses: 2`, `by: ["variant", "fibre"], orderBy: SCORE_DESC, limit: 4`,
		},
		"Feedback.compareTo":     {`filter: { to: "2026-06-30" {{more}} }`, `previous: PERIOD`, `previous: YEAR`},
		"Feedback.responses":     {`first: 3, filter: { search: "slow" }`, `first: 2, orderBy: { field: SCORE, direction: ASC }`},
		"Feedback.drivers":       {``, `traits: ["plan", "variant", "campaign"], minResponses: 1`, `traits: ["fibre", "since", "channel"]`},
		"Feedback.hotspots":      {``, `traits: ["plan", "fibre", "household"], depth: 2, minResponses: 10, minDifference: 0, limit: 5`, `depth: 1, direction: LOW`, `direction: HIGH`},
		"Feedback.explainChange": {`from: { to: "2026-06-30" {{more}} }, by: ["plan"]`, `from: { to: "2026-05-31" {{more}} }, by: ["plan", "variant"], limit: 2`, `from: { to: "2001-01-01" {{more}} }, by: ["plan"]`},
		"Feedback.changePoints":  {``, `minDifference: 0`},
		"Feedback.curve":         {`by: "household"`, `by: "since"`},
		"Feedback.experiment":    {``, `variants: ["A", "B"], weights: [9, 1], difference: 3, power: 0.9`, `variants: ["A", "never shown"]`},
		"Feedback.samplePlan":    {`margin: 5, responseRate: 0.5`, `difference: 10, power: 0.9, confidence: 0.9, responseRate: 0.2`},
		"Feedback.prediction":    {``, `traits: ["plan", "fibre"]`},
		"PredictionModel.groups": {``, `first: 3, minResponses: 20`},
		"Feedback.benchmarks":    {``, `industry: "internet-provider", country: "NL"`},
		"Action.effect":          {``, `window: 28, settle: 7, filter: { channels: [API] {{more}} }`, `filter: { {{more}} }`},
		"Query.benchmarks":       {``, `industry: "internet-provider", country: "NL"`},
	}
}

// bound are fields that take a period of the body that they are asked of.
func bound(field, arguments string) bool {
	return field == "Feedback.hours" || strings.Contains(arguments, "previous:")
}

// whole is a document of all that the schema says of insight.
type whole struct {
	schema *ast.Schema
	// period says that the body has a period.
	period bool
	// besides are fields that are left out.
	besides []string
}

// below selects everything below a type, field by field. Things that are found elsewhere are shown by their ids, and so are bodies of feedback below
// others by their scores.
func (w whole) below(t *testing.T, def *ast.Definition, inner bool) (all []string) {
	t.Helper()
	for _, f := range def.Fields {
		name := def.Name + "." + f.Name
		if strings.HasPrefix(f.Name, "__") || slices.Contains(w.besides, name) {
			continue
		}
		for i, call := range w.calls(t, def, f) {
			all = append(all, fmt.Sprintf("%s%d: %s%s", f.Name, i, call, w.selection(t, w.schema.Types[f.Type.Name()], inner)))
		}
	}
	return all
}

func (w whole) selection(t *testing.T, def *ast.Definition, inner bool) string {
	t.Helper()
	switch {
	case def.IsLeafType():
		return ""
	case def.Name == "Feedback":
		return " { score { histogram } trend(interval: YEAR) { score { responses } } }"
	case slices.Contains(def.Interfaces, "Node") && def.Name != "Action" && def.Name != "Benchmark", inner && def.Name == "Action":
		return " { id }"
	case strings.HasSuffix(def.Name, "Connection"):
		return " { totalCount nodes { id } }"
	}
	return " { " + strings.Join(w.below(t, def, true), " ") + " }"
}

// calls are a field's, with each of its arguments.
func (w whole) calls(t *testing.T, def *ast.Definition, f *ast.FieldDefinition) (all []string) {
	t.Helper()
	name := def.Name + "." + f.Name
	arguments, known := asks()[name]
	if !known {
		if len(f.Arguments) > 0 {
			t.Errorf("nothing says how to ask for %s with its arguments", name)
		}
		arguments = []string{""}
	}
	for _, given := range arguments {
		switch {
		case bound(name, given) && !w.period:
		case given == "":
			all = append(all, f.Name)
		default:
			all = append(all, f.Name+"("+given+")")
		}
	}
	return all
}

// insights are documents that ask for all fields of insight of some bodies, of which one has little, and one is of a single channel; of
// the groups of one; and of some actions. Of a few days there is only what takes them.
func insights(t *testing.T, besides ...string) map[string]string {
	t.Helper()
	schema := graph.Schema(&graph.Resolver{}).Schema()
	all := map[string]string{}
	body := schema.Types["Feedback"]
	for name, filter := range map[string]string{
		"all": ``, "some days": `from: "2026-11-08", to: "2026-11-20"`, "one channel": `channels: [EMAIL]`, "few": `channels: [WIDGET]`,
	} {
		w := whole{schema: schema, period: strings.Contains(filter, "from"), besides: besides}
		for _, f := range body.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			for i, call := range w.calls(t, body, f) {
				if w.period && !bound("Feedback."+f.Name, call) {
					continue
				}
				selection := w.selection(t, schema.Types[f.Type.Name()], false)
				all[fmt.Sprintf("%s %d of %s", f.Name, i, name)] = `{ feedback(filter: { ` + filter + ` {{more}} }) { ` + call + selection + ` } }`
				if name == "all" && f.Name != "responses" { // which costs much for each group
					all[fmt.Sprintf("%s %d of groups", f.Name, i)] = `{ feedback(filter: { {{more}} }) { breakdown(by: ["plan"], limit: 1) { values feedback { ` + call + selection + ` } } } }`
				}
			}
		}
	}
	w := whole{schema: schema, besides: besides}
	for _, name := range []string{"All", "Loyal", "Gamers", "Old"} {
		// One at a time: documents are not long.
		for i, field := range w.below(t, schema.Types["Action"], false) {
			all[fmt.Sprintf("action %s %d", name, i)] = `{ action(id: "<act:` + name + `>") { ` + field + ` } }`
		}
	}
	for i, call := range w.calls(t, schema.Query, schema.Query.Fields.ForName("benchmarks")) {
		all[fmt.Sprint("benchmarks ", i)] = `{ ` + call + ` { ` + strings.Join(w.below(t, schema.Types["Benchmark"], false), " ") + ` } tenant { minGroupSize } }`
	}
	return all
}

// learn records much of which a part is before all who are narrowed, and tells something by each field; and notes actions.
func (h *house) learn(t *testing.T, c *company) {
	t.Helper()
	var all []feedback.Recording
	for i := range 1_960 {
		at := clock.Add(-time.Duration(i) * 4 * time.Hour)
		plan := []string{"Basic", "Plus"}[i*7%5/3]
		household, fibre := 1+i*11%6, i*13%17 < 8
		r := feedback.Recording{
			Campaign: c.ids["camp:Support"], Score: 5 + i*i%4, RespondedAt: &at, Channel: []response.Channel{"API", "API", "EMAIL"}[i*5%23/8],
			Traits: trait.Values{"persona": "gamer", "plan": plan, "household": float64(household), "fibre": fibre, "since": []string{"2026-01-15", "2020-03-15", "2024-12-01"}[i*17%29/10]},
		}
		if n := i * 3 % 10; n < 9 {
			r.Variant = new([]string{"A", "B"}[n%2])
			if n%2 == 1 {
				r.Score = min(r.Score+2, 10)
			}
		}
		if plan == "Plus" {
			r.Score = min(r.Score+2+household/2, 10)
		}
		if plan == "Plus" && fibre {
			r.Score = i % 7
		}
		if i > 800 && i%3 == 0 { // until the summer
			r.Score = i % 4
		}
		if i%50 == 7 {
			r.Comment = new("Too slow.")
		}
		all = append(all, r)
	}
	h.record(t, c, all)
	a := h.ask(t, c.secrets[auth.Manage], `mutation { createSegment(input: { name: "New", rule: { trait: { key: "plan", in: ["New"] } } }) { segment { id }`+wrong+` } }`, nil)
	c.ids["seg:New"] = regexp.MustCompile(`seg_[0-9a-z]{26}`).FindString(a.text)
	for name, rest := range map[string]string{
		// Nobody who is loyal has the new plan, until somebody outside does.
		"New": `startedOn: "2026-03-20", segment: "<seg:New>"`,
		"All": `startedOn: "2026-07-01", endedOn: "2026-07-31", note: "A new price"`, "Gamers": `startedOn: "2026-09-01", segment: "<seg:Gamers>"`,
		"Loyal": `startedOn: "2026-03-10", segment: "<seg:Loyal>", campaigns: ["<camp:Support>"]`, "Old": `startedOn: "2001-04-10"`,
	} {
		h.note(t, c, name, rest)
	}
	a = h.ask(t, c.secrets[auth.Manage], `mutation { createBenchmark(input: { industry: "internet-provider", label: "Ours", average: 12, lowest: -5, highest: 40, year: 2025, country: "NL", method: "A panel", source: "Somebody" }) { benchmark { id }`+wrong+` } }`, nil)
	if !strings.Contains(a.text, "bench_") {
		t.Fatal(a.text)
	}
}

func (h *house) record(t *testing.T, c *company, all []feedback.Recording) {
	t.Helper()
	for part := range slices.Chunk(all, feedback.MaxBatch) {
		out, err := h.Log.Record(c.ctx, part)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			if o.Errors != nil {
				t.Fatal(o.Errors)
			}
		}
	}
}

// tells notes which fields, and which arguments, an answer has something of: no null, and no empty list.
func tells(t *testing.T, into map[string]int, selection ast.SelectionSet, data any) {
	t.Helper()
	switch data := data.(type) {
	case []any:
		for _, one := range data {
			tells(t, into, selection, one)
		}
	case map[string]any:
		for _, s := range selection {
			f := s.(*ast.Field)
			value := data[f.Alias]
			if list, is := value.([]any); value == nil || is && len(list) == 0 {
				continue
			}
			name := f.ObjectDefinition.Name + "." + f.Name
			into[name]++
			for _, a := range f.Arguments {
				into[name+"("+a.Name+")"]++
			}
			tells(t, into, f.SelectionSet, value)
		}
	}
}

// ofInsight are all fields of insight, and their arguments: those of feedback and of all types below it, of actions and of benchmarks.
func ofInsight() (all []string) {
	schema := graph.Schema(&graph.Resolver{}).Schema()
	seen := map[string]bool{}
	var walk func(def *ast.Definition)
	walk = func(def *ast.Definition) {
		elsewhere := slices.Contains(def.Interfaces, "Node") && def.Name != "Action" && def.Name != "Benchmark" || strings.HasSuffix(def.Name, "Connection")
		if def.Kind != ast.Object || seen[def.Name] || elsewhere {
			return
		}
		seen[def.Name] = true
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			all = append(all, def.Name+"."+f.Name)
			for _, a := range f.Arguments {
				if !slices.Contains([]string{"last", "after", "before"}, a.Name) { // lists are paged alike
					all = append(all, def.Name+"."+f.Name+"("+a.Name+")")
				}
			}
			walk(schema.Types[f.Type.Name()])
		}
	}
	for _, root := range []string{"Feedback", "Action", "Benchmark"} {
		walk(schema.Types[root])
	}
	return append(all, "Query.benchmarks(industry)", "Query.benchmarks(country)", "Tenant.minGroupSize")
}

// learned are those narrowings for which there is much of each.
func learned() map[string]narrowing {
	all := narrowings()
	gamers := all["few people"]
	return map[string]narrowing{
		"campaign": all["campaign"], "segment": gamers,
		"both": {`campaigns: ["<camp:Support>"], ` + gamers.token, `campaigns: ["<camp:Support>"], ` + gamers.filter},
	}
}

// Every field of insight, with every argument, says to a narrowed caller what it says to one who is not and filters alike; and says
// something, so that there is something to compare.
func TestNarrowedInsight(t *testing.T) {
	schema := graph.Schema(&graph.Resolver{}).Schema()
	// Trends have the actions that there are for the caller: TestNarrowedActions. A group's filter says what its body was asked by.
	documents := insights(t, "TrendPoint.actions", "FeedbackGroup.filter", "Experiment.asked")
	storetest.EachURL(t, func(t *testing.T, databaseURL string) {
		h := open(t, databaseURL, app.Edge{RateBurst: 10_000_000, RateRestore: 1_000_000})
		c := h.fill(t, h.found(t, "Us"))
		h.learn(t, c)
		h.note(t, c, "On a trend", `startedOn: "2026-01-10"`)
		into := map[string]int{"TrendPoint.actions": 1, "FeedbackGroup.filter": 1, "Experiment.asked": 1}
		for name, n := range learned() {
			token := h.token(t, c.secrets[auth.Read], c.own(n.token))
			// Invitations go to people, whoever they are: how many there were is not told.
			const invited = `{ feedback { experiment { asked { pValue } } samplePlan(margin: 5) { invitations } } }`
			if a := h.ask(t, token, invited, nil); a.text != `{"data":{"feedback":{"experiment":{"asked":null},"samplePlan":{"invitations":null}}}}` {
				t.Errorf("%s: %s", name, a.text)
			}
			if a := h.ask(t, c.secrets[auth.Read], strings.Replace(invited, "feedback {", "feedback(filter: { channels: [API, IMPORT] }) {", 1), nil); len(a.Errors) > 0 || !strings.Contains(a.text, `"asked":null`) {
				t.Errorf("by channels that nobody is asked by: %s", a.text)
			}
			for what, text := range documents {
				if strings.HasPrefix(what, "action Loyal") && strings.Contains(n.token, "segment") {
					if a := h.ask(t, token, strings.ReplaceAll(c.own(text), "{{more}}", ""), nil); a.text != `{"data":{"action":null}}` {
						t.Errorf("%s: there is %s: %s", name, what, a.text)
					}
					continue
				}
				text = c.own(text)
				got := h.ask(t, token, strings.ReplaceAll(text, "{{more}}", ""), nil)
				want := h.ask(t, c.secrets[auth.Read], alike(text, c.own(n.filter)), nil)
				if len(want.Errors) > 0 || got.text != want.text {
					t.Errorf("%s, %s: %s", name, what, parted(got.text, want.text))
				}
				query, errs := gqlparser.LoadQueryWithRules(schema, strings.ReplaceAll(text, "{{more}}", ""), nil)
				if errs != nil {
					t.Fatalf("%s: %v", text, errs)
				}
				var data any
				if err := json.Unmarshal(got.Data, &data); err != nil {
					t.Fatal(err)
				}
				tells(t, into, query.Operations[0].SelectionSet, data)
			}
		}
		for _, field := range ofInsight() {
			if into[field] == 0 {
				t.Errorf("%s never tells anything", field)
			}
		}
	})
}

// parted is where one text is another than it should be.
func parted(got, want string) string {
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	from := max(0, at-300)
	return fmt.Sprintf("got …%.600s\nwant …%.600s", got[min(from, len(got)):], want[min(from, len(want)):])
}

// alike asks who is not narrowed for the same as a narrowed caller: actions' effects are of what the filter says, too.
func alike(text, filter string) string {
	text = strings.Replace(text, "{ effect0: effect {", "{ effect0: effect(filter: { {{more}} }) {", 1)
	return strings.ReplaceAll(text, "{{more}}", filter)
}

// outside is somebody's answer that there is not for a caller with the narrowing.
func outside(c *company, n narrowing) *rapid.Generator[feedback.Recording] {
	byCampaign, bySegment := strings.Contains(n.token, "campaigns"), strings.Contains(n.token, "segment")
	return rapid.Custom(func(t *rapid.T) feedback.Recording {
		at := clock.Add(-time.Duration(rapid.IntRange(1, 9_000).Draw(t, "hours ago")) * time.Hour)
		r := feedback.Recording{
			Campaign: c.ids["camp:Support"], Score: rapid.IntRange(0, 10).Draw(t, "score"), RespondedAt: &at,
			Channel: rapid.SampledFrom([]response.Channel{"API", "EMAIL", "IMPORT", "WIDGET"}).Draw(t, "channel"),
			Traits: trait.Values{
				"persona": rapid.SampledFrom([]string{"gamer", "senior", "new"}).Draw(t, "persona"), "plan": rapid.SampledFrom([]string{"Basic", "Plus", "Max", "New"}).Draw(t, "plan"),
				"household": float64(rapid.IntRange(1, 9).Draw(t, "household")), "fibre": rapid.Bool().Draw(t, "fibre"),
				"since": rapid.SampledFrom([]string{"2026-10-15", "2018-03-15"}).Draw(t, "since"),
			},
			Comment: new("slow"), Variant: rapid.SampledFrom([]*string{nil, new("A"), new("B"), new("C"), new("never shown")}).Draw(t, "variant"),
		}
		elsewhere := byCampaign && (!bySegment || rapid.Bool().Draw(t, "of another campaign"))
		if elsewhere {
			r.Campaign = c.ids["camp:Relationship"]
		} else if r.Traits["persona"] == "gamer" {
			r.Traits["plan"] = "Max"
		}
		if rapid.IntRange(0, 2).Draw(t, "known") == 0 {
			r.Contact = &contact.Input{ExternalID: new(fmt.Sprint("o", rapid.IntRange(0, 9).Draw(t, "contact"))), Traits: r.Traits}
			r.Traits = nil
		}
		return r
	})
}

// Whatever is recorded, amended, deleted or noted outside, no field of insight says anything else to a narrowed caller.
func TestNarrowedInsightKnowsNothingOfTheRest(t *testing.T) {
	documents := insights(t)
	storetest.EachURL(t, func(t *testing.T, databaseURL string) {
		h := open(t, databaseURL, app.Edge{RateBurst: 10_000_000, RateRestore: 1_000_000})
		seed := 0
		for name, n := range learned() {
			t.Run(name, func(t *testing.T) {
				c := h.fill(t, h.found(t, "Us "+name))
				h.learn(t, c)
				token := h.token(t, c.secrets[auth.Read], c.own(n.token))
				answers := func() map[string]string {
					all := map[string]string{}
					for what, text := range documents {
						all[what] = h.ask(t, token, strings.ReplaceAll(c.own(text), "{{more}}", ""), nil).text
					}
					return all
				}
				key := h.ask(t, c.secrets[auth.Read], `{ feedback { score { histogram } drivers { explained } breakdown(by: ["plan"]) { values share } } actions { totalCount } }`, nil).text
				before := answers()
				seed++
				h.record(t, c, rapid.SliceOfN(outside(c, n), 150, 150).Example(seed))
				elsewhere, amended, deleted := `segment: "<seg:Loyal>"`, "<resp:01>", "<resp:11>"
				if name == "campaign" {
					elsewhere, amended, deleted = `campaigns: ["<camp:Relationship>"]`, "<resp:00>", "<resp:02>"
				}
				for _, day := range []string{"2026-07-02", "2026-09-03", "2026-03-20"} {
					h.note(t, c, "Outside "+day, `startedOn: "`+day+`", `+elsewhere)
				}
				changed := h.ask(t, c.secrets[auth.Manage], c.own(`mutation { amendResponse(input: { id: "`+amended+`", score: 1 }) {`+wrong+` } deleteResponse(input: { id: "`+deleted+`" }) {`+wrong+` } }`), nil)
				if len(changed.Errors) > 0 || strings.Contains(changed.text, "message") {
					t.Fatal(changed.text)
				}
				after := answers()
				for _, what := range slices.Sorted(maps.Keys(before)) {
					if after[what] != before[what] {
						t.Errorf("%s, with more outside: %s", what, parted(after[what], before[what]))
					}
				}
				if again := h.ask(t, c.secrets[auth.Read], `{ feedback { score { histogram } drivers { explained } breakdown(by: ["plan"]) { values share } } actions { totalCount } }`, nil).text; again == key {
					t.Errorf("what was recorded tells nobody anything: %s", again)
				}
			})
		}
	})
}

// Groups that are too small are (few) before who is narrowed, and before nobody else; what (few) is made of is listed below it, and
// it is cut again by nothing that tells its parts apart.
func TestFewBeforeTheNarrowed(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Us"))
		token := h.token(t, c.secrets[auth.Read], c.own(`campaigns: ["<camp:Relationship>", "<camp:Support>", "<camp:Closed>", "<camp:Paused>"]`))
		const by = `breakdown(by: ["campaign"]) { values score { responses } `
		const text = `{ feedback { ` + by + `filter feedback { responses(first: 1) { totalCount } ` + by + `} } } } }`
		before := h.ask(t, token, text, nil)
		if !strings.Contains(before.text, `"values":["Closed"],"score":{"responses":3}`) {
			t.Fatal(before.text)
		}
		whole := h.ask(t, c.secrets[auth.Read], text, nil).text
		if a := h.ask(t, c.secrets[auth.Admin], `mutation { updateTenant(input: { minGroupSize: 4 }) {`+wrong+` } }`, nil); strings.Contains(a.text, "message") {
			t.Fatal(a.text)
		}
		const few = `{"values":["(few)"],"score":{"responses":27},"filter":null,"feedback":{"responses":{"totalCount":27},"breakdown":[{"values":["(few)"],"score":{"responses":27}}]}}`
		if got := h.ask(t, token, text, nil).text; !strings.Contains(got, few) || strings.Contains(got, "Closed") || strings.Contains(got, "Support") {
			t.Errorf("who is narrowed is shown %s", got)
		}
		if got := h.ask(t, c.secrets[auth.Read], text, nil).text; got != whole {
			t.Errorf("who is not is shown %s", got)
		}
		// No limit, order or least number takes them apart.
		for _, arguments := range []string{`limit: 1`, `limit: 1, orderBy: SCORE_ASC`, `limit: 2, orderBy: SCORE_DESC`, `minResponses: 10`, `minResponses: 30, orderBy: CONTRIBUTION`} {
			got := h.ask(t, token, `{ feedback { breakdown(by: ["campaign"], `+arguments+`) { values score { responses } } } }`, nil).text
			if got != `{"data":{"feedback":{"breakdown":[{"values":["Relationship"],"score":{"responses":69}},{"values":["(few)"],"score":{"responses":27}}]}}}` {
				t.Errorf("%s: %s", arguments, got)
			}
		}
	})
}

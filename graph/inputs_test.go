package graph_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/graph/input"
	"github.com/zeroten/zeroten/internal/auth"
)

// spot is where an operation takes a value: an argument, or a field of an input within one.
type spot struct {
	operation string
	// fields lead to the field whose argument it is, from the root.
	fields   []*ast.FieldDefinition
	argument *ast.ArgumentDefinition
	// inner lead on through inputs; owner is the input that has the last of them.
	inner []*ast.FieldDefinition
	owner *ast.Definition
}

func (p spot) typ() *ast.Type {
	if n := len(p.inner); n > 0 {
		return p.inner[n-1].Type
	}
	return p.argument.Type
}

func (p spot) directives() ast.DirectiveList {
	if n := len(p.inner); n > 0 {
		return p.inner[n-1].Directives
	}
	return p.argument.Directives
}

func (p spot) description() string {
	if n := len(p.inner); n > 0 {
		return p.inner[n-1].Description
	}
	return p.argument.Description
}

// within is the way from the argument on.
func (p spot) within() string {
	name := p.argument.Name
	for _, f := range p.inner {
		name += "." + f.Name
		if f.Type.Elem != nil && f != p.inner[len(p.inner)-1] {
			name += ".0"
		}
	}
	return name
}

func (p spot) String() string {
	var names []string
	for _, f := range p.fields {
		names = append(names, f.Name)
	}
	return p.operation + " " + strings.Join(names, ".") + "(" + p.within() + ")"
}

// spots are all of a schema's.
func spots(schema *ast.Schema) []spot {
	var all []spot
	seen := map[string]bool{}
	var inner func(p spot, typ *ast.Type, holders []string)
	inner = func(p spot, typ *ast.Type, holders []string) {
		all = append(all, p)
		def := schema.Types[typ.Name()]
		if def.Kind != ast.InputObject || slices.Contains(holders, def.Name) {
			return
		}
		for _, f := range def.Fields {
			q := p
			q.inner, q.owner = append(slices.Clone(p.inner), f), def
			inner(q, f.Type, append(slices.Clone(holders), def.Name))
		}
	}
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		type at struct {
			def    *ast.Definition
			fields []*ast.FieldDefinition
		}
		for next := []at{{root, nil}}; len(next) > 0; next = next[1:] {
			if seen[next[0].def.Name] || next[0].def.Kind != ast.Object {
				continue
			}
			seen[next[0].def.Name] = true
			for _, f := range next[0].def.Fields {
				if strings.HasPrefix(f.Name, "__") {
					continue
				}
				fields := append(slices.Clone(next[0].fields), f)
				for _, a := range f.Arguments {
					inner(spot{operation: strings.ToLower(root.Name), fields: fields, argument: a}, a.Type, nil)
				}
				next = append(next, at{schema.Types[f.Type.Name()], fields})
			}
		}
	}
	return all
}

// name is the name of an enum's value, or of a variable, in a document.
type name string

// literal writes a value as a document does.
func literal(v any) string {
	switch v := v.(type) {
	case name:
		return string(v)
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = literal(item)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	case map[string]any:
		var texts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			texts = append(texts, key+": "+literal(v[key]))
		}
		return "{" + strings.Join(texts, ", ") + "}"
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return unescape(string(b))
}

// unescape undoes what encoding/json does for HTML, so that names of ids are found.
func unescape(text string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(text)
}

// filler makes values that the schema asks for besides the one in question.
type filler struct{ schema *ast.Schema }

// value is something that may stand there; field is what it is of.
func (f filler) value(typ *ast.Type, field, owner string) any {
	if typ.Elem != nil {
		return []any{f.value(typ.Elem, field, owner)}
	}
	def := f.schema.Types[typ.NamedType]
	switch {
	case def.Kind == ast.Enum && owner == "DefineTraitInput":
		return name("NUMBER")
	case def.Kind == ast.Enum:
		return name(def.EnumValues[0].Name)
	case def.Kind == ast.InputObject && def.Directives.ForName("oneOf") != nil:
		last := def.Fields[len(def.Fields)-1]
		return map[string]any{last.Name: f.value(last.Type, last.Name, def.Name)}
	case def.Kind == ast.InputObject:
		return f.around(def, nil, nil)
	}
	switch typ.NamedType {
	case "Int":
		return 5
	case "Float":
		return 0.5
	case "Boolean":
		return true
	case "Date":
		return "2026-11-01"
	case "DateTime":
		return "2026-11-01T00:00:00Z"
	case "TimeZone":
		return "UTC"
	case "Locale":
		return "nl"
	case "EmailAddress":
		return "new@example.com"
	case "URL":
		return "https://example.com/"
	case "Color":
		return "#1a73e8"
	case "Base64":
		return ""
	case "Traits":
		return map[string]any{}
	case "ID":
		switch field {
		case "campaign", "campaigns":
			return "<camp:Support>"
		case "segment":
			return "<seg:Loyal>"
		}
		for prefix, id := range map[string]string{"campaign": "<camp:Support>", "contact": "<cont:c02>", "segment": "<seg:Loyal>", "response": "<resp:00>", "action": "<any:act>", "benchmark": "<any:bench>"} {
			if strings.Contains(strings.ToLower(owner), prefix) {
				return id
			}
		}
		return "<camp:Support>"
	}
	if strings.HasSuffix(owner, "TraitInput") {
		return "fresh"
	}
	switch field {
	case "key", "by":
		return "plan"
	case "after", "before":
		return ""
	}
	return "x"
}

// around is an input object with what it must have, and the given field.
func (f filler) around(def *ast.Definition, given *ast.FieldDefinition, value any) map[string]any {
	object := map[string]any{}
	oneOf := def.Directives.ForName("oneOf") != nil
	for _, field := range def.Fields {
		if given != field && field.Type.NonNull && field.DefaultValue == nil {
			object[field.Name] = f.value(field.Type, field.Name, def.Name)
		}
	}
	if def.Name == "TraitConditionInput" && given != nil && given.Name == "key" {
		object["isKnown"] = true
	}
	if oneOf {
		object = map[string]any{}
	}
	if given != nil {
		object[given.Name] = value
	}
	return object
}

// wrap puts a value for the place into what is around it, up to the argument.
func (f filler) wrap(p spot, value any) any {
	for i := len(p.inner) - 1; i >= 0; i-- {
		typ := p.argument.Type
		if i > 0 {
			typ = p.inner[i-1].Type
		}
		value = f.around(f.schema.Types[typ.Name()], p.inner[i], value)
		if typ.Elem != nil {
			value = []any{value}
		}
	}
	return value
}

// document asks with the text for the argument in question. variables are declarations, with parentheses.
func (f filler) document(p spot, variables, argument string) string {
	var b strings.Builder
	b.WriteString(p.operation + " " + variables)
	for i, field := range p.fields {
		b.WriteString(" { " + field.Name)
		var args []string
		for _, a := range field.Arguments {
			switch {
			case i == len(p.fields)-1 && a == p.argument:
				args = append(args, a.Name+": "+argument)
			case a.Type.NonNull && a.DefaultValue == nil:
				args = append(args, a.Name+": "+literal(f.value(a.Type, a.Name, field.Name)))
			case a.Name == "externalId" && field.Name == "contact" && i < len(p.fields)-1:
				args = append(args, `externalId: "c01"`)
			case a.Name == "schedule" && i < len(p.fields)-1:
				args = append(args, `schedule: {occasion: {onEvent: {event: "purchase"}}}`)
			case a.Name == "filter" && i < len(p.fields)-1 && p.argument.Name == "previous":
				args = append(args, `filter: {from: "2026-11-01"}`) // what is open at its beginning has no period before it
			}
		}
		if len(args) > 0 {
			b.WriteString("(" + strings.Join(args, ", ") + ")")
		}
	}
	last := p.fields[len(p.fields)-1]
	if def := f.schema.Types[last.Type.Name()]; def.IsCompositeType() {
		inside := "__typename"
		if payload := def.Fields.ForName("userErrors"); payload != nil {
			inside = "userErrors { field message code }"
		} else if strings.HasSuffix(def.Name, "Connection") {
			inside = "totalCount nodes { id }"
		} else if def.Name == "Feedback" {
			inside = "score { responses }"
		}
		b.WriteString(" { " + inside + " }")
	}
	b.WriteString(strings.Repeat(" }", len(p.fields)))
	return b.String()
}

// way is one of those in which a value can be given.
type way struct {
	name      string
	document  string
	variables map[string]any
	// at is where the variable leads to the value.
	at string
}

// ways are all of them. What is no name of an enum can only be given by a variable.
func (f filler) ways(p spot, value any, literally bool) []way {
	innermost := p.typ().String()
	if !p.typ().NonNull {
		innermost += "!" // @oneOf asks for it
	}
	whole := f.wrap(p, value)
	ways := []way{
		{"variable", f.document(p, "($v: "+p.argument.Type.String()+")", "$v"), map[string]any{"v": whole}, "variable." + strings.Replace(p.within(), p.argument.Name, "v", 1)},
		{"variable within", f.document(p, "($v: "+innermost+")", literal(f.wrap(p, name("$v")))), map[string]any{"v": value}, "variable.v"},
	}
	if literally {
		ways = append(ways,
			way{"literal", f.document(p, "", literal(whole)), nil, ""},
			way{"default", f.document(p, "($v: "+innermost+" = "+literal(value)+")", literal(f.wrap(p, name("$v")))), nil, ""},
		)
	}
	return ways
}

// secretFor is that of a caller who may use the place.
func (c *company) secretFor(p spot) string {
	if d := p.fields[0].Directives.ForName("requires"); d != nil && d.Arguments.ForName("scope").Value.Raw == "OPERATOR" {
		return c.secrets[auth.Operator]
	}
	return c.secrets[auth.Admin]
}

// try asks in a way. Of a subscription it reads what comes first: what it begins after, an event, or why there is none.
func (h *house) try(t *testing.T, c *company, p spot, w way) answer {
	t.Helper()
	text, err := json.Marshal(map[string]any{"query": w.document, "variables": w.variables})
	if err != nil {
		t.Fatal(err)
	}
	body := c.own(unescape(string(text)))
	if p.operation != "subscription" {
		return h.post(t, c.secretFor(p), body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp := h.send(ctx, t, c.secretFor(p), body, "text/event-stream")
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok && strings.TrimSpace(data) != "" {
			a.text = data
			if err := json.Unmarshal([]byte(data), &a); err != nil {
				t.Fatalf("%s answers no JSON: %v: %s", body, err, data)
			}
			return a
		}
		if strings.HasPrefix(lines.Text(), "id:") {
			return a
		}
	}
	return a
}

// refusedAt says whether an answer refuses what is at the path.
func (a answer) refusedAt(t *testing.T, code, path string) bool {
	t.Helper()
	return slices.Contains(a.wrongs(t), code+" "+path)
}

// unreadable says whether the answer refuses the request as such, or fails.
func (a answer) unreadable() bool {
	return slices.ContainsFunc(a.codes(), func(code string) bool { return code != "NOT_FOUND" && code != "FORBIDDEN" })
}

// Every enum takes exactly the names that the schema gives it, wherever it stands and however it is given.
func TestEnumsTakeTheirNames(t *testing.T) {
	schema := graph.Schema(&graph.Resolver{}).Schema()
	f := filler{schema}
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.fill(t, h.found(t, "Fjordlink"))
	enums := map[string]bool{}
	for _, p := range spots(schema) {
		def := schema.Types[p.typ().Name()]
		if def.Kind != ast.Enum {
			continue
		}
		enums[def.Name] = true
		give := func(v any) any {
			if p.typ().Elem != nil {
				return []any{v}
			}
			return v
		}
		item := ""
		if p.typ().Elem != nil {
			item = ".0"
		}
		t.Run(p.String(), func(t *testing.T) {
			for _, v := range def.EnumValues {
				for _, w := range f.ways(p, give(name(v.Name)), true) {
					a := h.try(t, c, p, w)
					discreet(t, a)
					if strings.HasPrefix(p.String(), "query feedback.responses(filter.") {
						// It takes words alone, and says so of what it has read.
						if !strings.Contains(a.text, "search and hasComment alone") {
							t.Errorf("%s as a %s: %s", v.Name, w.name, a.text)
						}
						continue
					}
					if slices.Contains([]string{"query action.effect(filter.categories)", "query action.effect(filter.last.unit)", "query feedback.explainChange(from.categories)"}, p.String()) {
						// What goes with answers is not chosen by them, and an action has its own days; it says so of what it has read.
						if !strings.Contains(a.text, "the filter must not have") {
							t.Errorf("%s as a %s: %s", v.Name, w.name, a.text)
						}
						continue
					}
					if (strings.HasSuffix(p.String(), "reach(filter.channels)") || strings.HasSuffix(p.String(), "invitations(channels)")) && (v.Name == "API" || v.Name == "IMPORT") {
						// Nobody is asked so, and it says that of what it has read.
						if !strings.Contains(a.text, "people are asked by EMAIL, LINK or WIDGET") {
							t.Errorf("%s as a %s: %s", v.Name, w.name, a.text)
						}
						continue
					}
					if a.unreadable() {
						t.Errorf("%s as a %s: %s", v.Name, w.name, a.text)
					}
				}
			}
			first := def.EnumValues[0].Name
			for _, wrong := range []any{strings.ToLower(first), first[:1] + strings.ToLower(first[1:]), first + " ", "", "NO_SUCH", 0, 1, 1.5, true, map[string]any{}, []any{[]any{first}}} {
				for _, w := range f.ways(p, give(wrong), false) {
					a := h.try(t, c, p, w)
					discreet(t, a)
					if !a.refusedAt(t, "BAD_REQUEST", w.at+item) && !a.refusedAt(t, "BAD_REQUEST", w.at+item+".0") {
						t.Errorf("%v as a %s is not refused at %s: %s", wrong, w.name, w.at+item, a.text)
					}
					if _, text := wrong.(string); text && !strings.Contains(a.text, "want one of "+first) && !strings.Contains(a.text, "write "+first) {
						t.Errorf("%v as a %s: it is not said what there is: %s", wrong, w.name, a.text)
					}
				}
			}
			for _, wrong := range []any{name(strings.ToLower(first)), first, name("NO_SUCH"), 1} {
				for _, w := range f.ways(p, give(wrong), true)[2:] {
					if a := h.try(t, c, p, w); !slices.Contains(a.codes(), "BAD_REQUEST") {
						t.Errorf("%v as a %s is not refused: %s", wrong, w.name, a.text)
					}
				}
			}
		})
	}
	for name, def := range schema.Types {
		used := slices.ContainsFunc([]string{"UserErrorCode", "FeedbackEventKind", "BounceKind", "BotSign", "InvitationStatus", "ResponseIdentity", "SkipReason", "TextDirection", "InsightReason", "ExperimentVerdict", "EffectCaveat"}, func(shown string) bool { return shown == name })
		if def.Kind == ast.Enum && !strings.HasPrefix(name, "__") && !enums[name] && !used {
			t.Errorf("the enum %s is never given: is it only shown?", name)
		}
	}
}

// Enums are shown by the names that the schema gives them, and by no others.
func TestEnumsShowTheirNames(t *testing.T) {
	schema := graph.Schema(&graph.Resolver{}).Schema()
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.fill(t, h.found(t, "Fjordlink"))
	shown := map[string]bool{}
	for document, enums := range map[string]map[string]string{
		`{ viewer { scopes } }`:                                                                    {"scopes": "Scope"},
		`{ apiKeys { nodes { scopes } } }`:                                                         {"scopes": "Scope"},
		`{ campaigns { nodes { status } } }`:                                                       {"status": "CampaignStatus"},
		`{ responses { nodes { channel category } }}`:                                              {"channel": "Channel", "category": "Category"},
		`{ traits { kind } }`:                                                                      {"kind": "TraitKind"},
		`subscription { feedbackReceived(after: "") { kind } }`:                                    {"kind": "FeedbackEventKind"},
		`mutation { deleteSegment(input: { id: "x" }) { userErrors { code } } }`:                   {"code": "UserErrorCode"},
		`mutation { createCampaign(input: { name: "" }) { userErrors { code } } }`:                 {"code": "UserErrorCode"},
		`mutation { recordResponse(input: { campaign: "x", score: 77 }) { userErrors { code } } }`: {"code": "UserErrorCode"},
	} {
		a := h.ask(t, c.secrets[auth.Admin], document, nil)
		var data any
		if err := json.Unmarshal(a.Data, &data); err != nil {
			t.Fatalf("%s: %s", document, a.text)
		}
		var walk func(key string, v any)
		walk = func(key string, v any) {
			switch v := v.(type) {
			case map[string]any:
				for k, inner := range v {
					walk(k, inner)
				}
			case []any:
				for _, inner := range v {
					walk(key, inner)
				}
			case string:
				def := schema.Types[enums[key]]
				if def == nil || def.EnumValues.ForName(v) == nil {
					t.Errorf("%s shows %q as %s", document, v, key)
					return
				}
				shown[def.Name] = true
			}
		}
		walk("", data)
	}
	for _, p := range []string{"Scope", "CampaignStatus", "Channel", "Category", "TraitKind", "FeedbackEventKind", "UserErrorCode"} {
		if !shown[p] {
			t.Errorf("nothing shows a %s", p)
		}
	}
}

// No list that is given is without a bound: it holds so many, and not one more, and its description says how many.
func TestListsHaveBounds(t *testing.T) {
	schema := graph.Schema(&graph.Resolver{}).Schema()
	f := filler{schema}
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.fill(t, h.found(t, "Fjordlink"))
	lists := 0
	for _, p := range spots(schema) {
		if p.typ().Elem == nil {
			if p.directives().ForName("length") != nil {
				t.Errorf("%s has a length, and is no list", p)
			}
			continue
		}
		lists++
		most := input.Max(p.directives())
		if most < 1 || p.typ().Elem.Elem != nil {
			t.Errorf("%s has no @length, or is a list of lists", p)
			continue
		}
		number := strconv.Itoa(most)
		if most >= 1_000 {
			number = number[:len(number)-3] + "," + number[len(number)-3:]
		}
		if text := strings.ToLower(strings.Join(strings.Fields(p.description()), " ")); !strings.Contains(text, "at most "+number) {
			t.Errorf("the description of %s does not say that there may be at most %s: %s", p, number, text)
		}
		items := func(n int) []any {
			all := make([]any, n)
			for i := range all {
				all[i] = f.value(p.typ().Elem, p.within()[strings.LastIndex(p.within(), ".")+1:], p.fields[len(p.fields)-1].Name)
			}
			if within := p.within(); strings.HasSuffix(within, "by") && n > 1 {
				all[1] = "channel"
			} else if strings.HasSuffix(within, "edges") {
				for i := range all {
					all[i] = i
				}
			}
			return all
		}
		tooMany := func(t *testing.T, a answer) bool {
			t.Helper()
			for _, wrong := range a.wrongs(t) {
				if code, at, _ := strings.Cut(wrong, " "); strings.HasSuffix(at, p.within()) && (code == "TOO_MANY" || code == "BAD_REQUEST") {
					return true
				}
			}
			return false
		}
		t.Run(p.String(), func(t *testing.T) {
			for _, w := range f.ways(p, items(most), true) {
				a := h.try(t, c, p, w)
				if slices.Contains(a.codes(), "TOO_COMPLEX") {
					continue // a document holds no more tokens, or it costs more: the bound is not what refuses it
				}
				discreet(t, a)
				if tooMany(t, a) {
					t.Errorf("%d as a %s: %.300s", most, w.name, a.text)
				}
			}
			for _, n := range []int{most + 1, 40_000} {
				for i, w := range f.ways(p, items(n), true) {
					if n > most+1 && i > 0 {
						break // a document has no room for so many
					}
					a := h.try(t, c, p, w)
					discreet(t, a)
					if !tooMany(t, a) && !slices.Contains(a.codes(), "TOO_COMPLEX") && a.status != 413 {
						t.Errorf("%d as a %s are not refused: %.300s", n, w.name, a.text)
					}
					if p.operation != "mutation" && tooMany(t, a) && !strings.Contains(a.text, fmt.Sprintf("%s: at most %d, not %d.", p.within(), most, n)) {
						t.Errorf("%d as a %s are refused without saying so: %.300s", n, w.name, a.text)
					}
				}
			}
		})
	}
	if lists < 50 {
		t.Errorf("only %d lists were found", lists)
	}
}

// edges are values at and beyond what scalars take, as JSON.
func edges() map[string][]string {
	quoted := func(text string, times int) string { return `"` + strings.Repeat(text, times) + `"` }
	texts := []string{
		`""`, `" "`, `"\u0000"`, `"\ud800"`, `"\udc00\ud800"`, `"%_\\'\";--"`, `"\u202e\ufeff\uffff"`, `"(other)"`, `"(none)"`, `"(few)"`, `"👎"`,
		quoted("a", 40_000), quoted("é", 50_001), quoted("Z", 2_800), quoted("/", 300), `"camp_"`, `"camp_7zzzzzzzzzzzzzzzzzzzzzzzzz"`,
		`"camp_8zzzzzzzzzzzzzzzzzzzzzzzzz"`, `"resp_00000000000000000000000000"`, `"seg_00000000000000000000000000"`, `"cont_7zzzzzzzzzzzzzzzzzzzzzzzzz"`, `"9223372036854775808"`,
	}
	return map[string][]string{
		"String": texts, "ID": texts,
		"Int":     {"0", "-1", "1", "2147483647", "-2147483648", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808", "1e400", "0.5", "-0", "1e9"},
		"Float":   {"0", "-0", "1e308", "-1e308", "5e-324", "1e400", "0.9999999999999999999", "1", "9007199254740993", "-1"},
		"Boolean": {"true", "false", "0"},
		"Date":    {`"0001-01-01"`, `"9999-12-31"`, `"0000-12-31"`, `"10000-01-01"`, `"2024-02-29"`, `"2026-02-29"`, `"9999-12-01"`, `""`, `"\u0000"`, quoted("2", 5_000)},
		"DateTime": {`"0001-01-01T00:00:00Z"`, `"0001-01-01T00:00:00+23:59"`, `"9999-12-31T23:59:59.999999999Z"`, `"9999-12-31T23:59:59-23:59"`, `"0000-01-01T00:00:00Z"`,
			`"2016-12-31T23:59:60Z"`, `"1900-01-01T00:00:00.0000001+00:00"`, `""`, `"\u0000"`, quoted("2", 5_000)},
		"TimeZone":     {`""`, `"Local"`, `"../UTC"`, `"\u0000"`, `"\ud800"`, `"Etc/GMT+12"`, `"europe/amsterdam"`, quoted("A", 64), quoted("A", 65)},
		"Locale":       {`""`, `"\u0000"`, `"x-"`, `"i-klingon"`, `"zh-Hant-TW-x-a"`, `"en-u-ca-buddhist"`, `"de-1996-1996"`, quoted("a-", 30), quoted("a", 9_000)},
		"EmailAddress": {`""`, `"\u0000@example.com"`, `"\"a b\"@example.com"`, `"A@[127.0.0.1]"`, `"ü@exämple.com"`, `"\ud800@example.com"`, quoted("a", 300), `"İ@example.com"`},
		"URL": {`""`, `"https://example.com/"`, `"http://example.com/"`, `"//example.com/"`, `"javascript:alert(1)"`, `"https://\u0000"`, `"https://a:b@example.com/"`, `"https:\\\\example.com"`,
			`"https://[::1]/"`, `"https://example.com/{name|x}"`, `"https://{name|x}/"`, `"https://ex\ud800mple.com/"`, `"https://example.com/` + strings.Repeat("a", 1_980) + `"`, `"https://example.com/` + strings.Repeat("a", 1_981) + `"`},
		"Color":  {`""`, `"#1A73E8"`, `"#000000"`, `"#ffffff"`, `"#fff"`, `"1a73e8"`, `"#1a73e8ff"`, `"#\u0661a73e8"`, `"red"`, `"\u0000"`, `"\ud800"`, quoted("#", 5_000)},
		"Base64": {`""`, `"AA=="`, `"AA"`, `"A"`, `"AAAA\n"`, `"_-__"`, `"\u0000"`, `"\ud800"`, quoted("iVBORw0K", 10_000), `"iVBORw0KGgo="`},
		"Traits": {`{}`, `{"plan": "\u0000"}`, `{"\u0000": 1}`, `{"plan": 1e308}`, `{"plan": 1e400}`, `{"household": 9007199254740993}`, `{"household": -0}`, `{"since": "0001-01-01"}`,
			`{"since": "9999-12-31"}`, `{"plan": {}}`, `{"plan": []}`, `[]`, `1`, `""`, `{"plan": "\ud800"}`, `{"other": ` + quoted("a", 501) + `}`},
	}
}

// Whatever an argument is given, it is an answer or a fault of the caller's, and never one of ours.
func TestNoInputIsInternal(t *testing.T) {
	schema := graph.Schema(&graph.Resolver{}).Schema()
	f, values := filler{schema}, edges()
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Fjordlink"))
		tried, answered := 0, 0
		for _, p := range spots(schema) {
			of, ok := values[p.typ().Name()]
			if schema.Types[p.typ().Name()].Kind == ast.Scalar && !ok {
				t.Errorf("nothing is known to try for %s, a %s", p, p.typ())
			}
			for _, text := range of {
				var v any = json.RawMessage(text)
				if p.typ().Elem != nil {
					v = []any{v}
				}
				a := h.try(t, c, p, f.ways(p, v, false)[0])
				tried++
				if len(a.Errors) == 0 {
					answered++
				}
				for _, e := range a.Errors {
					if e.Extensions.Code == "INTERNAL" || e.Extensions.Code == "" || leaks.MatchString(e.Message) {
						t.Errorf("%s of %.80s: %.300s", p, text, a.text)
					}
				}
				if a.status != 200 && len(a.Errors) == 0 {
					t.Errorf("%s of %.80s: status %d", p, text, a.status)
				}
			}
		}
		if tried < 1_000 || answered < tried/5 {
			t.Errorf("%d were tried, and %d answered", tried, answered)
		}
	})
}

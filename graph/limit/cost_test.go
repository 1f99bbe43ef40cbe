package limit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
	"github.com/zeroten/zeroten/graph/generated"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"pgregory.net/rapid"
)

var schema = generated.NewExecutableSchema(generated.Config{}).Schema()

// valid parses and validates, as whoever asks for a cost has to.
func valid(t interface{ Fatalf(string, ...any) }, text string) *ast.QueryDocument {
	doc, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		t.Fatalf("%v in %s", err, text)
		return nil
	}
	if errs := validator.ValidateWithRules(schema, doc, rules.NewDefaultRules()); len(errs) > 0 {
		t.Fatalf("%v in %s", errs, text)
	}
	return doc
}

func TestCost(t *testing.T) {
	costs := NewCosts(schema)
	const responses = "{nodes{id campaign{name} contact{name}}}"
	many := func(n int) any { return map[string]any{"responses": make([]any, n)} }
	for name, test := range map[string]struct {
		document  string
		variables map[string]any
		want      int
	}{
		"viewer":             {"{viewer{tenant{name}}}", nil, 2},
		"typename":           {"{__typename}", nil, 0},
		"one":                {`{response(id:"x"){score campaign{name} contact{name}}}`, nil, 3},
		"page of 50":         {"{responses(first:50)" + responses + "}", nil, 1 + 50*3 + 150/point},
		"by default":         {"{responses" + responses + "}", nil, 1 + 50*3 + 150/point},
		"by null":            {"{responses(first:null)" + responses + "}", nil, 1 + 50*3 + 150/point},
		"by a variable":      {"query($n:Int){responses(first:$n)" + responses + "}", map[string]any{"n": int64(7)}, 1 + 7*3},
		"by JSON's number":   {"query($n:Int){responses(first:$n)" + responses + "}", map[string]any{"n": json.Number("7")}, 1 + 7*3},
		"by a float":         {"query($n:Int){responses(first:$n)" + responses + "}", map[string]any{"n": 7.0}, 1 + 7*3},
		"by a text":          {"query($n:Int){responses(first:$n)" + responses + "}", map[string]any{"n": "7"}, 1 + 7*3},
		"by no variable":     {"query($n:Int){responses(first:$n)" + responses + "}", nil, 1 + 50*3 + 150/point},
		"at most 100":        {"{responses(first:1000000000)" + responses + "}", nil, 1 + 100*3 + 300/point},
		"at least 1":         {"{responses(first:-5)" + responses + "}", nil, 1 + 1*3},
		"last":               {"{responses(last:9)" + responses + "}", nil, 1 + 9*3},
		"both":               {"{responses(first:2 last:9)" + responses + "}", nil, 1 + 9*3},
		"edges":              {"{responses(first:10){edges{cursor node{campaign{name}}}}}", nil, 1 + 10*2},
		"edges and nodes":    {"{responses(first:10){edges{node{campaign{name}}} nodes{contact{name}}}}", nil, 1 + 10*3},
		"no items":           {"{responses(first:10){pageInfo{endCursor}}}", nil, 2},
		"total":              {"{responses(first:10){totalCount}}", nil, 4},
		"pages in pages":     {"{contacts(first:10){nodes{responses(first:5){nodes{campaign{name}}}}}}", nil, 1 + 10*(1+1+5*2)},
		"ids":                {`{nodes(ids:["a","b","c"]){id ... on Campaign{feedback{score{nps}}}}}`, nil, 3 * (1 + 2)},
		"id":                 {`{nodes(ids:"a"){id}}`, nil, 1},
		"ids in a variable":  {`query($i:[ID!]!){nodes(ids:$i){id}}`, map[string]any{"i": []any{"a", "b"}}, 2},
		"traits":             {"{traits{key values{value}}}", nil, 16 + 16*10},
		"score":              {"{feedback{score{nps}}}", nil, 2},
		"trend":              {"{feedback{trend{score{nps} change{pValue}}}}", nil, 7},
		"breakdown":          {`{feedback{breakdown(by:["a"]){values score{nps}}}}`, nil, 6 + 51*(listed+1)/point},
		"daily trend":        {"{feedback{trend(interval:DAY){score{interval{low}}}}}", nil, 1 + 5 + 366/25 + 366 + 366/point},
		"leaves":             {"{feedback{trend(interval:DAY){a:start b:start c:start score{histogram}}}}", nil, 1 + 5 + 366/25 + 366*(3+listed)/point},
		"leaves of a page":   {"{responses(first:100){pageInfo{endCursor} edges{cursor node{" + "id a:id b:id score comment channel respondedAt}}}}", nil, 1 + 100 + 800/point},
		"a rule":             {`{feedback(filter:{where:{all:[{not:{trait:{key:"a" in:["b"]}}} {trait:{key:"c" isKnown:true}}]}}){score{nps}}}`, nil, 2 + 4*point/rate.StepsPerPoint/point},
		"a rule below":       {`{feedback{compareTo(filter:{where:{not:{not:{not:{trait:{key:"a" isKnown:true}}}}}}){difference}}}`, nil, 6 + 4*point/rate.StepsPerPoint/point},
		"a rule in a list":   {`query($w:SegmentRuleInput){responses(first:1 filter:{where:$w}){nodes{id}}}`, map[string]any{"w": deep(40)}, 2 + 40*point/rate.StepsPerPoint/point},
		"a rule in a stream": {`subscription($f:FeedbackFilter){scoreChanged(filter:$f){nps}}`, map[string]any{"f": map[string]any{"where": deep(40)}}, 1 + 40*point/rate.StepsPerPoint/point},
		"a rule to save":     {`mutation($i:CreateSegmentInput!){createSegment(input:$i){segment{id}}}`, map[string]any{"i": map[string]any{"name": "n", "rule": deep(40)}}, 1 + 40*point/rate.StepsPerPoint/point},
		"values in a rule":   {`query($f:FeedbackFilter){feedback(filter:$f){score{nps}}}`, map[string]any{"f": map[string]any{"where": map[string]any{"trait": map[string]any{"key": "a", "in": make([]any, 2_000)}}}}, 2 + (1+100)*point/rate.StepsPerPoint/point},
		"groups":             {`{feedback{breakdown(by:["a"]){feedback{trend{start}}}}}`, nil, 6 + 51*7 + 51*36/point},
		"ten groups":         {`{feedback{breakdown(by:["a"] limit:10){feedback{trend{start}}}}}`, nil, 6 + 11*7 + 11*36/point},
		"all groups":         {`{feedback{breakdown(by:["a"] limit:99999){feedback{score{nps}}}}}`, nil, 6 + 201*2 + 201/point},
		"the period before":  {"{feedback{compareTo(previous:YEAR){difference}}}", nil, 6},
		"ordered groups":     {`{feedback{breakdown(by:["a"] orderBy:CONTRIBUTION minResponses:9 limit:10){contribution filter}}}`, nil, 6 + 11*2/point},
		"comparison":         {"{feedback{compareTo(filter:{}){difference}}}", nil, 6},
		"hours":              {"{feedback{hours{start complete score{nps}}}}", nil, 1 + 5 + 336/25 + 336*3/point},
		"a log's place":      {"{eventCursor}", nil, 1},
		"a page's place":     {"{responses(first:10){eventCursor}}", nil, 4},
		"a live list":        {"{responses(first:10){eventCursor totalCount nodes{id}}}", nil, 1 + 10 + 2*2},
		"a body's list":      {"{feedback{responses(first:10){nodes{campaign{name}}}}}", nil, 1 + 1 + 10*2},
		"lists of groups":    {`{feedback{breakdown(by:["a"] limit:3){feedback{responses(first:2){nodes{id}}}}}}`, nil, 6 + 4*(1+1+2)},
		"a segment's lists":  {`{segment(id:"x"){responses(first:10){totalCount nodes{id}} contacts(first:3){nodes{responses(first:2){nodes{id}}}}}}`, nil, 1 + (1 + 10 + 2) + 1 + 3*(1+1+2)},
		"actions":            {"{actions(first:10){nodes{segment{name} campaigns{name}}}}", nil, 1 + 10*(1+1+5) + 10*(1+5)/point},
		"a trend's actions":  {"{feedback{trend{start actions{name segment{name} campaigns{name}}}}}", nil, 1 + 5 + 36/25},
		"benchmarks":         {"{benchmarks{label average}}", nil, 25},
		"mutation":           {`mutation{deleteResponse(input:{id:"x"}){deletedId userErrors{code}}}`, nil, 1},
		"bulk": {
			"mutation($i:RecordResponsesInput!){recordResponses(input:$i){recorded userErrors{code}}}",
			map[string]any{"i": many(1_000)}, 101,
		},
		"bulk with more": {
			"mutation($i:RecordResponsesInput!){recordResponses(input:$i){responses{id contact{id}}}}",
			map[string]any{"i": many(100)}, 1 + 10 + 100 + 200/point,
		},
		"bulk in a list": {
			"mutation($r:[RecordResponseInput!]!){recordResponses(input:{responses:$r}){responses{campaign{id}}}}",
			map[string]any{"r": make([]any, 20)}, 1 + 2 + 20,
		},
		"bulk by hand": {
			`mutation{upsertContacts(input:{contacts:[{email:"a@b.c"},{email:"d@e.f"}]}){contacts{responses(first:1){nodes{id}}}}}`, nil, 1 + 2*2,
		},
		"subscription": {"subscription{feedbackReceived{response{id campaign{name} contact{name}}}}", nil, 3},
		"skipped":      {"query($y:Boolean!){feedback{score@skip(if:$y){nps} trend@include(if:false){start}}}", map[string]any{"y": true}, 1},
		"not skipped":  {"query($y:Boolean!){feedback{score@include(if:$y){nps} trend@skip(if:false){start}}}", map[string]any{"y": true}, 8},
		"skipped parts": {
			"query($y:Boolean!){feedback{...@skip(if:$y){score{nps}} ...F@include(if:false)}} fragment F on Feedback{trend{start}}",
			map[string]any{"y": true}, 1,
		},
		"fragments": {"{responses(first:10){...P}} fragment P on ResponseConnection{nodes{...R}} fragment R on Response{campaign{...C}} " +
			"fragment C on Campaign{feedback{score{nps}}}", nil, 1 + 10*(1+3)},
		"one fragment, two pages": {"{a:responses(first:10){...P} b:responses(first:3){...P}} fragment P on ResponseConnection{nodes{campaign{name}}}",
			nil, 2 + 10*2 + 3*2},
		"schema": {"{__schema{queryType{name}}}", nil, introspectionBase},
	} {
		t.Run(name, func(t *testing.T) {
			doc := valid(t, test.document)
			if got := costs.Of(doc.Operations[0], test.variables); got != test.want {
				t.Errorf("%d, want %d", got, test.want)
			}
		})
	}
}

// deep is a rule of so many rules.
func deep(rules int) map[string]any {
	rule := map[string]any{"trait": map[string]any{"key": "a", "isKnown": true}}
	for range rules - 1 {
		rule = map[string]any{"not": rule}
	}
	return rule
}

func TestUsualDocumentsAreAffordable(t *testing.T) {
	costs := NewCosts(schema)
	for name, text := range usual(t) {
		cost := costs.Of(valid(t, text).Operations[0], nil)
		if cost < 1 || cost >= MaxCost {
			t.Errorf("%s costs %d, want less than %d", name, cost, MaxCost)
		}
		t.Logf("%s: %d", name, cost)
	}
}

func TestTooMuchCosts(t *testing.T) {
	costs := NewCosts(schema)
	const leaves = "name description a:name b:name c:name d:name e:description f:description g:description h:description i:description "
	types := times(8, " t#:type{"+leaves+"}")
	for name, document := range map[string]string{
		"pages in pages":     "{contacts(first:100){nodes{responses(first:100){nodes{id}}}}}",
		"deep rules":         "{" + times(15, ` a#:feedback(filter:{where:{all:[`+strings.Repeat(`{not:{not:{not:{not:{not:{not:{trait:{key:"a" isKnown:true}}}}}}}}`, 99)+`]}}){score{nps}}`) + "}",
		"leaves":             "{feedback{trend(interval:DAY){" + times(15, " a#:start b#:end c#:complete s#:score{"+times(15, " x#:nps")+"}") + "}}}",
		"breakdowns":         `{feedback{breakdown(by:["a"]){feedback{breakdown(by:["b"]){feedback{breakdown(by:["c"]){feedback{trend{start}}}}}}}}}`,
		"drivers of groups":  `{feedback{breakdown(by:["a"] limit:200){feedback{drivers{explained}}}}}`,
		"hotspots of groups": `{feedback{breakdown(by:["a"] limit:200){feedback{hotspots(depth:2){tested}}}}}`,
		"levels of groups":   `{feedback{breakdown(by:["a"] limit:200){feedback{changePoints{reason}}}}}`,
		"effects of actions": `{actions(first:100){nodes{effect{caveats}}}}`,
		"introspection bomb": "{__schema{types{" + leaves + "fields{" + leaves + types + "type{fields{" + leaves + types + "}}}}}}",
	} {
		t.Run(name, func(t *testing.T) {
			doc := valid(t, document)
			if refused := Shape(doc); refused != nil {
				t.Fatalf("refused before: %v", refused)
			}
			if got := costs.Of(doc.Operations[0], nil); got <= MaxCost {
				t.Errorf("costs %d, want more than %d", got, MaxCost)
			}
		})
	}
}

// However often fragments double what they cost: it is counted at once, and never overflows.
func TestDoublingSaturates(t *testing.T) {
	costs := NewCosts(schema)
	field := func(name string, set ast.SelectionSet) *ast.Field {
		return &ast.Field{Name: name, Alias: name, SelectionSet: set, Definition: schema.Types["Feedback"].Fields.ForName(name)}
	}
	last := &ast.FragmentDefinition{SelectionSet: ast.SelectionSet{field("trend", nil)}}
	for range 1_000 {
		spread := &ast.FragmentSpread{Definition: last}
		last = &ast.FragmentDefinition{SelectionSet: ast.SelectionSet{spread, field("score", nil), spread}}
	}
	op := &ast.OperationDefinition{SelectionSet: ast.SelectionSet{&ast.FragmentSpread{Definition: last}}}
	if got := costs.Of(op, nil); got != math.MaxInt32/point {
		t.Errorf("%d, want %d", got, math.MaxInt32/point)
	}
	within := &ast.FragmentDefinition{}
	within.SelectionSet = ast.SelectionSet{field("score", nil), &ast.FragmentSpread{Definition: within}}
	op.SelectionSet = ast.SelectionSet{&ast.FragmentSpread{Definition: within}}
	if got := costs.Of(op, nil); got != 1 {
		t.Errorf("a fragment within itself costs %d, want 1", got)
	}
}

// Whatever takes a number of items, and every list of objects, has a weight: nothing is forgotten.
func TestEveryListHasAWeight(t *testing.T) {
	used := map[string]bool{}
	for _, typ := range schema.Types {
		if typ.Kind != ast.Object && typ.Kind != ast.Interface || strings.HasPrefix(typ.Name, "__") {
			continue
		}
		for _, f := range typ.Fields {
			exact, anywhere := typ.Name+"."+f.Name, "*."+f.Name
			used[exact], used[anywhere] = true, true
			w, known := weightOf(typ.Name, f, false)
			of := schema.Types[f.Type.Name()]
			object := of.Kind == ast.Object || of.Kind == ast.Interface || of.Kind == ast.Union
			counts := slices.ContainsFunc(f.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Name == "first" || a.Name == "limit" })
			if !known && (object && f.Type.Elem != nil || counts) {
				t.Errorf("%s has no weight", exact)
			}
			if strings.HasSuffix(of.Name, "Connection") != (w.size == paged) {
				t.Errorf("%s: a connection is weighed as a page, and nothing else is", exact)
			}
			if w.argument != "" && w.size != bulk && f.Arguments.ForName(w.argument) == nil {
				t.Errorf("%s is weighed by %s, which it does not have", exact, w.argument)
			}
			if w.size == bulk && schema.Types[f.Arguments.ForName("input").Type.Name()].Fields.ForName(w.argument) == nil {
				t.Errorf("%s is weighed by input.%s, which it does not have", exact, w.argument)
			}
		}
	}
	for name := range weights {
		if !used[name] {
			t.Errorf("%s is weighed, and there is no such field", name)
		}
	}
	if pageDefault != page.DefaultSize || pageMax != page.MaxSize {
		t.Errorf("pages are counted as %d to %d", pageDefault, pageMax)
	}
}

// inlined is a selection set with its fragments written out.
func inlined(set ast.SelectionSet) ast.SelectionSet {
	var out ast.SelectionSet
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			f := *s
			f.SelectionSet = inlined(s.SelectionSet)
			out = append(out, &f)
		case *ast.InlineFragment:
			out = append(out, &ast.InlineFragment{Directives: s.Directives, SelectionSet: inlined(s.SelectionSet)})
		case *ast.FragmentSpread:
			if s.Definition == nil { // no such fragment, which the validator says
				out = append(out, s)
				continue
			}
			out = append(out, &ast.InlineFragment{Directives: s.Directives, SelectionSet: inlined(s.Definition.SelectionSet)})
		}
	}
	return out
}

// drawDocument makes a valid document, with fragments that are used in more than one place.
func drawDocument(t *rapid.T) string {
	var text strings.Builder
	fragments := map[string]int{}
	aliases := 0
	var selections func(typ *ast.Definition, depth int) string
	selections = func(typ *ast.Definition, depth int) string {
		var fields []*ast.FieldDefinition
		for _, f := range typ.Fields {
			required := slices.ContainsFunc(f.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Type.NonNull && a.DefaultValue == nil })
			if !required && (depth > 0 || len(schema.Types[f.Type.Name()].Fields) == 0) {
				fields = append(fields, f)
			}
		}
		set := "{__typename "
		for range rapid.IntRange(0, 3).Draw(t, "fields") {
			if len(fields) == 0 {
				break
			}
			f := rapid.SampledFrom(fields).Draw(t, "field")
			aliases++
			set += fmt.Sprintf("a%d:%s", aliases, f.Name)
			if f.Arguments.ForName("first") != nil && rapid.Bool().Draw(t, "paged") {
				set += fmt.Sprintf("(%s:%d)", rapid.SampledFrom([]string{"first", "last"}).Draw(t, "way"), rapid.IntRange(-2, 120).Draw(t, "size"))
			}
			if rapid.IntRange(0, 9).Draw(t, "skip") == 0 {
				set += "@skip(if:$y)"
			}
			if of := schema.Types[f.Type.Name()]; len(of.Fields) > 0 {
				set += selections(of, depth-1)
			}
			set += " "
		}
		if n := fragments[typ.Name]; n > 0 && rapid.Bool().Draw(t, "spread") {
			set += fmt.Sprintf("...%s%d ", typ.Name, rapid.IntRange(0, n-1).Draw(t, "fragment"))
		}
		return set + "}"
	}
	for _, name := range []string{"Score", "Feedback", "Campaign", "Response", "Contact", "ResponseConnection", "Query"} {
		for i := range rapid.IntRange(0, 2).Draw(t, "fragments") {
			fmt.Fprintf(&text, "fragment %s%d on %s%s", name, i, name, selections(schema.Types[name], 3))
			fragments[name] = i + 1
		}
	}
	return "query($y:Boolean!)" + selections(schema.Query, 4) + text.String()
}

func TestFragmentsCostWhatTheyHold(t *testing.T) {
	costs := NewCosts(schema)
	some := 0
	rapid.Check(t, func(t *rapid.T) {
		text := drawDocument(t)
		doc, err := parser.ParseQuery(&ast.Source{Input: text})
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		validator.ValidateWithRules(schema, doc, rules.NewRules()) // finds the definitions; some fragments are not used
		op := doc.Operations[0]
		for _, variables := range []map[string]any{{"y": true}, {"y": false}} {
			got := costs.Of(op, variables)
			written := *op
			written.SelectionSet = inlined(op.SelectionSet)
			if want := costs.Of(&written, variables); got != want {
				t.Fatalf("%d, want %d as without fragments: %s", got, want, text)
			}
			some += got
		}
	})
	if some == 0 {
		t.Error("no document cost anything")
	}
}

func FuzzShapeAndCost(f *testing.F) {
	for _, text := range usual(f) {
		f.Add(text, `{"n":1}`)
	}
	f.Add("query($i:[ID!]!){nodes(ids:$i){...F}} fragment F on Node{id ...F}", `{"i":["a",null,{}]}`)
	f.Add("mutation($i:X){recordResponses(input:$i){responses{campaign{id}}}}", `{"i":{"responses":[{}]}}`)
	f.Add(`{responses(first:$n last:"9"){nodes{...on Response{campaign{id}}}} __type(name:1){fields{type{name}}}}`, `{"n":-1e99}`)
	f.Add("{__typename ...F}", `{}`)
	f.Add("{feedback{breakdown(by:1 limit:1e400){feedback@skip(if:[]){score{nps}}}}}", `{"n":true}`)
	costs := NewCosts(schema)
	f.Fuzz(func(t *testing.T, text, values string) {
		if _, refused := Scan(text); refused != nil {
			return
		}
		doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, MaxTokens)
		if err != nil || Shape(doc) != nil {
			return
		}
		var variables map[string]any
		_ = json.Unmarshal([]byte(values), &variables)
		validator.ValidateWithRules(schema, doc, rules.NewRules())
		for _, op := range doc.Operations {
			if cost := costs.Of(op, variables); cost < 0 || cost > saturated {
				t.Errorf("costs %d", cost)
			}
			written := *op
			written.SelectionSet = inlined(op.SelectionSet)
			if a, b := costs.Of(op, variables), costs.Of(&written, variables); a != b {
				t.Errorf("%d, and %d without fragments: %s", a, b, text)
			}
		}
	})
}

// measured runs a field through the middleware, as the executor does.
func measured(ctx context.Context, t *testing.T, costs *Costs, f *ast.Field, result any) {
	t.Helper()
	ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Field: graphql.CollectedField{Field: f}, IsMethod: true})
	got, err := costs.Measure(ctx, func(context.Context) (any, error) { return result, nil })
	if err != nil || fmt.Sprint(got) != fmt.Sprint(result) {
		t.Errorf("%v, %v; want %v", got, err, result)
	}
}

func TestMeasure(t *testing.T) {
	costs := NewCosts(schema)
	variables := map[string]any{"i": map[string]any{"responses": make([]any, 40)}}
	edges := []*page.Edge[int]{{}, {}, {}}
	for name, test := range map[string]struct {
		document string
		path     []string
		result   any
		want     int
	}{
		"plain":         {`{response(id:"x"){score}}`, []string{"response", "score"}, 9, 0},
		"relation":      {`{response(id:"x"){campaign{id}}}`, []string{"response", "campaign"}, "a campaign", 1},
		"root":          {`{response(id:"x"){score}}`, []string{"response"}, "a response", 1},
		"page":          {"{responses(first:50){nodes{id}}}", []string{"responses"}, &page.Connection[int]{Edges: edges}, 4},
		"no page":       {"{responses(first:50){nodes{id}}}", []string{"responses"}, (*page.Connection[int])(nil), 1},
		"refused page":  {"{responses(first:50){nodes{id}}}", []string{"responses"}, nil, 1},
		"items":         {"{responses(first:50){nodes{id}}}", []string{"responses", "nodes"}, []int{1, 2, 3}, 0},
		"list":          {`{nodes(ids:["a","b"]){id}}`, []string{"nodes"}, []any{nil, 1}, 2},
		"traits":        {"{traits{key}}", []string{"traits"}, []string{"a", "b"}, 2},
		"groups":        {`{feedback{breakdown(by:["a"]){share}}}`, []string{"feedback", "breakdown"}, []int{1, 2}, 5},
		"bulk":          {"mutation($i:RecordResponsesInput!){recordResponses(input:$i){recorded}}", []string{"recordResponses"}, 1, 5},
		"introspection": {"{__schema{queryType{name}}}", []string{"__schema"}, 1, introspectionBase},
		"in it":         {"{__schema{types{name}}}", []string{"__schema", "types"}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			op := valid(t, test.document).Operations[0]
			set, f := op.SelectionSet, (*ast.Field)(nil)
			for range test.path {
				f = set[0].(*ast.Field)
				set = f.SelectionSet
			}
			ctx := graphql.WithOperationContext(t.Context(), &graphql.OperationContext{Variables: variables})
			measured(ctx, t, costs, f, test.result) // without a meter
			ctx, meter := WithMeter(ctx, MaxAnswer)
			measured(ctx, t, costs, f, test.result)
			if got := meter.Cost(); got != test.want {
				t.Errorf("%d, want %d", got, test.want)
			}
			if most := costs.Of(op, variables); meter.Cost() > most {
				t.Errorf("%d, at most %d", meter.Cost(), most)
			}
		})
	}
}

// Most fields cost nothing, and finding that out should not cost either.
func BenchmarkMeasurePlain(b *testing.B) {
	costs := NewCosts(schema)
	f := &ast.Field{Definition: schema.Types["Response"].Fields.ForName("score")}
	ctx, _ := WithMeter(b.Context(), MaxAnswer)
	ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Field: graphql.CollectedField{Field: f}})
	next := func(context.Context) (any, error) { return nil, nil }
	for b.Loop() {
		_, _ = costs.Measure(ctx, next)
	}
}

func BenchmarkCost(b *testing.B) {
	costs := NewCosts(schema)
	doc, err := parser.ParseQuery(&ast.Source{Input: "{responses(first:50){nodes{id score comment campaign{name} contact{name}}}}"})
	if err != nil {
		b.Fatal(err)
	}
	validator.ValidateWithRules(schema, doc, nil)
	for b.Loop() {
		costs.Of(doc.Operations[0], nil)
	}
}

// An operation that has come to more than it may cost gets nothing more; but what a mutation did is shown.
func TestOverSpent(t *testing.T) {
	costs := NewCosts(schema)
	ctx, meter := WithMeter(t.Context(), MaxAnswer)
	if err := meter.Spend(MaxCost); err != nil {
		t.Fatalf("%d points: %v", MaxCost, err)
	}
	for range 2 {
		if err, ok := errors.AsType[*apierror.Error](meter.Spend(1)); !ok || err.Code != apierror.TooComplex {
			t.Fatalf("more: %v", err)
		}
	}
	if got := meter.Cost(); got != MaxCost {
		t.Errorf("%d, want %d: what was refused is not charged", got, MaxCost)
	}
	for object, refused := range map[string]bool{"Query": true, "Feedback": true, "Mutation": false} {
		name := map[string]string{"Query": "feedback", "Feedback": "score", "Mutation": "deleteResponse"}[object]
		f := &ast.Field{Name: name, Alias: name, Definition: schema.Types[object].Fields.ForName(name)}
		in := graphql.WithFieldContext(graphql.WithOperationContext(ctx, &graphql.OperationContext{}), &graphql.FieldContext{
			Object: object, Field: graphql.CollectedField{Field: f}, IsResolver: true,
		})
		result, err := costs.Measure(in, func(context.Context) (any, error) { return 1, nil })
		if (err != nil) != refused || (result == nil) != refused {
			t.Errorf("%s.%s: %v, %v", object, name, result, err)
		}
	}
}

// What was paid in advance covers as much hidden work, wherever in the operation it is; what is done beyond it counts towards
// what the operation may come to, and shows in no cost before it comes to that.
func TestHiddenWork(t *testing.T) {
	tooMuch := func(err error) bool {
		refused, ok := errors.AsType[*apierror.Error](err)
		return ok && refused.Code == apierror.TooComplex
	}
	for _, test := range []struct {
		spent, before, hidden, after int // points, and those that were paid in advance before the work and after it
		refused                      bool
	}{
		{0, 0, MaxCost, 0, false},
		{0, 0, MaxCost + 1, 0, true},
		{100, 0, MaxCost - 100, 0, false},
		{100, 0, MaxCost - 99, 0, true},
		{0, 350, 350 + MaxCost - 350, 0, false},
		{0, 350, 350 + MaxCost - 349, 0, true},
		{0, 0, 500, 400, false},
		{900, 0, 50, 50, false},
		{900, 0, 101, 50, true},
		{0, 0, 0, MaxCost, false},
	} {
		_, m := WithMeter(t.Context(), MaxAnswer)
		pay := func(n int) []error { return []error{m.Hidden(-n), m.Spend(n)} }
		errs := slices.Concat([]error{m.Spend(test.spent)}, pay(test.before), []error{m.Hidden(test.hidden)}, pay(test.after))
		if refused := slices.ContainsFunc(errs, tooMuch); refused != test.refused {
			t.Errorf("%+v: %v", test, errs)
		}
		want := test.spent + test.before + test.after
		if test.refused {
			want = MaxCost
			if !tooMuch(m.Spend(0)) || !tooMuch(m.Hidden(-MaxCost)) {
				t.Errorf("%+v: what was refused goes on", test)
			}
		}
		if got := m.Cost(); got != want {
			t.Errorf("%+v: costs %d, want %d", test, got, want)
		}
	}
}

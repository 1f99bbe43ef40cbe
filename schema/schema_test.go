// Package schema is the face of the product: the API's SDL, one file a concept.
package schema

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// sources reads the SDL files of a directory.
func sources(t *testing.T, dir string) []*ast.Source {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.graphql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no SDL in %s (error: %v)", dir, err)
	}
	var srcs []*ast.Source
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		srcs = append(srcs, &ast.Source{Name: filepath.ToSlash(file), Input: string(text)})
	}
	return srcs
}

// parse merges type extensions into their types, without gqlparser's own types and without its validation:
// the contract has a root type that gets its fields elsewhere.
func parse(t *testing.T, srcs ...*ast.Source) *ast.Schema {
	t.Helper()
	doc, err := parser.ParseSchemas(srcs...)
	if err != nil {
		t.Fatal(err)
	}
	s := &ast.Schema{Types: map[string]*ast.Definition{}, Directives: map[string]*ast.DirectiveDefinition{}}
	for _, d := range doc.Definitions {
		if s.Types[d.Name] != nil {
			t.Fatalf("%s is defined twice", d.Name)
		}
		s.Types[d.Name] = d
	}
	for _, x := range doc.Extensions {
		d := s.Types[x.Name]
		if d == nil {
			t.Fatalf("%s is extended, but not defined", x.Name)
		}
		d.Directives = append(d.Directives, x.Directives...)
		d.Interfaces = append(d.Interfaces, x.Interfaces...)
		d.Fields = append(d.Fields, x.Fields...)
		d.Types = append(d.Types, x.Types...)
		d.EnumValues = append(d.EnumValues, x.EnumValues...)
	}
	for _, d := range doc.Directives {
		s.Directives[d.Name] = d
	}
	s.Query, s.Mutation = s.Types["Query"], s.Types["Mutation"]
	return s
}

func parseText(t *testing.T, text string) *ast.Schema {
	t.Helper()
	return parse(t, &ast.Source{Name: "test", Input: text})
}

// types lists the schema's types by name.
func types(s *ast.Schema) []*ast.Definition {
	var defs []*ast.Definition
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		defs = append(defs, s.Types[name])
	}
	return defs
}

// undescribed names everything that has no description.
func undescribed(s *ast.Schema) []string {
	var missing []string
	check := func(description, format string, args ...any) {
		if strings.TrimSpace(description) == "" {
			missing = append(missing, fmt.Sprintf(format, args...))
		}
	}
	for _, d := range types(s) {
		check(d.Description, "%s", d.Name)
		for _, f := range d.Fields {
			check(f.Description, "%s.%s", d.Name, f.Name)
			for _, a := range f.Arguments {
				check(a.Description, "%s.%s(%s:)", d.Name, f.Name, a.Name)
			}
		}
		for _, v := range d.EnumValues {
			check(v.Description, "%s.%s", d.Name, v.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Directives)) {
		d := s.Directives[name]
		check(d.Description, "@%s", name)
		for _, a := range d.Arguments {
			check(a.Description, "@%s(%s:)", name, a.Name)
		}
	}
	return missing
}

// openToAll are the root fields that need no scope: whoever has a key may ask what it is good for,
// an operator without a tenant and a till that may read nothing as well.
var openToAll = []string{"Query.viewer"}

// unguarded names the root fields that do not say which scope they need, or say so though they are open to all.
func unguarded(s *ast.Schema) []string {
	var wrong []string
	for _, root := range []string{"Query", "Mutation", "Subscription"} {
		d := s.Types[root]
		if d == nil {
			continue
		}
		for _, f := range d.Fields {
			name := root + "." + f.Name
			if open := slices.Contains(openToAll, name); open == (f.Directives.ForName("requires") != nil) {
				wrong = append(wrong, name)
			}
		}
	}
	return wrong
}

// unevenConnections says where lists are not built as all others are.
func unevenConnections(s *ast.Schema) []string {
	var wrong []string
	wantFields := func(name string, want map[string]string) {
		d := s.Types[name]
		if d == nil {
			wrong = append(wrong, name+" is missing")
			return
		}
		got := map[string]string{}
		for _, f := range d.Fields {
			got[f.Name] = f.Type.String()
		}
		if !maps.Equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("%s has %v, want %v", name, got, want))
		}
	}
	paging := map[string]string{"first": "Int", "after": "String", "last": "Int", "before": "String"}
	for _, d := range types(s) {
		if node, ok := strings.CutSuffix(d.Name, "Connection"); ok {
			fields := map[string]string{
				"edges": "[" + node + "Edge!]!", "nodes": "[" + node + "!]!", "pageInfo": "PageInfo!", "totalCount": "Int!",
			}
			if node == "Response" { // the log tells of these
				fields["eventCursor"] = "String!"
			}
			wantFields(d.Name, fields)
			wantFields(node+"Edge", map[string]string{"cursor": "String!", "node": node + "!"})
		}
		for _, f := range d.Fields {
			if !strings.HasSuffix(f.Type.Name(), "Connection") {
				continue
			}
			for _, name := range slices.Sorted(maps.Keys(paging)) {
				a := f.Arguments.ForName(name)
				if a == nil || a.Type.String() != paging[name] || a.DefaultValue != nil {
					wrong = append(wrong, fmt.Sprintf("%s.%s wants %s: %s", d.Name, f.Name, name, paging[name]))
				}
			}
		}
	}
	return wrong
}

// unevenMutations says which mutations are not built as all others are: one input of their own, and a payload of
// their own that says what was wrong with it.
func unevenMutations(s *ast.Schema) []string {
	var wrong []string
	for _, f := range s.Mutation.Fields {
		own := strings.ToUpper(f.Name[:1]) + f.Name[1:]
		if len(f.Arguments) != 1 || f.Arguments[0].Name != "input" || f.Arguments[0].Type.String() != own+"Input!" {
			wrong = append(wrong, fmt.Sprintf("%s wants exactly one argument, input: %sInput!", f.Name, own))
		}
		if f.Type.String() != own+"Payload!" {
			wrong = append(wrong, fmt.Sprintf("%s gives %s, want %sPayload!", f.Name, f.Type, own))
			continue
		}
		var errs *ast.FieldDefinition
		if payload := s.Types[f.Type.Name()]; payload != nil {
			errs = payload.Fields.ForName("userErrors")
		}
		if errs == nil || errs.Type.String() != "[UserError!]!" {
			wrong = append(wrong, fmt.Sprintf("%sPayload wants userErrors: [UserError!]!", own))
		}
	}
	return wrong
}

// visible names every field that a caller can select below the root fields that it may call with the scope, if it has no
// other. A union's or an interface's members are all followed.
func visible(s *ast.Schema, scope string) []string {
	seen := map[string]bool{}
	var walk func(typeName string)
	walk = func(typeName string) {
		d := s.Types[typeName]
		if d == nil || d.Kind != ast.Object && d.Kind != ast.Interface && d.Kind != ast.Union {
			return
		}
		for _, f := range d.Fields {
			name := d.Name + "." + f.Name
			if need := f.Directives.ForName("requires"); need != nil && need.Arguments.ForName("scope").Value.Raw != scope {
				continue
			}
			if !seen[name] {
				seen[name] = true
				walk(f.Type.Name())
			}
		}
		for _, member := range types(s) {
			if slices.Contains(member.Interfaces, d.Name) || slices.Contains(d.Types, member.Name) {
				walk(member.Name)
			}
		}
	}
	for _, root := range []string{"Query", "Mutation", "Subscription"} {
		walk(root)
	}
	return slices.Sorted(maps.Keys(seen))
}

// lacking says what of the contract the schema does not hold: whoever wrote a client against the contract needs all
// of it, with the same types. What the schema has beyond it must not be asked of such a client.
func lacking(s, contract *ast.Schema) []string {
	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }

	directives := func(place string, got, want ast.DirectiveList) {
		var texts []string
		for _, d := range got {
			texts = append(texts, applied(d))
		}
		for _, d := range want {
			if !slices.Contains(texts, applied(d)) {
				say("%s has directives %v, want %s", place, texts, applied(d))
			}
		}
	}
	input := func(place string, got, want *ast.Type, gotDefault, wantDefault *ast.Value) {
		if got.String() != want.String() || literal(gotDefault) != literal(wantDefault) {
			say("%s is %s%s, want %s%s", place, got, literal(gotDefault), want, literal(wantDefault))
		}
	}
	unasked := func(place string, typ *ast.Type, defaultValue *ast.Value) {
		if typ.NonNull && defaultValue == nil {
			say("%s must be given, and the contract does not have it", place)
		}
	}
	arguments := func(place string, got, want ast.ArgumentDefinitionList) {
		for _, w := range want {
			name := fmt.Sprintf("%s(%s:)", place, w.Name)
			if g := got.ForName(w.Name); g == nil {
				say("%s is missing", name)
			} else {
				input(name, g.Type, w.Type, g.DefaultValue, w.DefaultValue)
				directives(name, g.Directives, w.Directives)
			}
		}
		for _, g := range got {
			if want.ForName(g.Name) == nil {
				unasked(fmt.Sprintf("%s(%s:)", place, g.Name), g.Type, g.DefaultValue)
			}
		}
	}

	for _, want := range types(contract) {
		// A root type without fields says only that other files give it some.
		if want.Kind == ast.Object && len(want.Fields) == 0 {
			continue
		}
		got := s.Types[want.Name]
		if got == nil {
			say("%s is missing", want.Name)
			continue
		}
		if got.Kind != want.Kind {
			say("%s is %s, want %s", want.Name, got.Kind, want.Kind)
		}
		for _, name := range want.Interfaces {
			if !slices.Contains(got.Interfaces, name) {
				say("%s does not implement %s", want.Name, name)
			}
		}
		for _, name := range want.Types {
			if !slices.Contains(got.Types, name) {
				say("%s does not include %s", want.Name, name)
			}
		}
		directives(want.Name, got.Directives, want.Directives)
		for _, w := range want.Fields {
			name := want.Name + "." + w.Name
			g := got.Fields.ForName(w.Name)
			if g == nil {
				say("%s is missing", name)
				continue
			}
			input(name, g.Type, w.Type, g.DefaultValue, w.DefaultValue)
			directives(name, g.Directives, w.Directives)
			arguments(name, g.Arguments, w.Arguments)
		}
		for _, g := range got.Fields {
			if want.Kind == ast.InputObject && want.Fields.ForName(g.Name) == nil {
				unasked(want.Name+"."+g.Name, g.Type, g.DefaultValue)
			}
		}
		for _, w := range want.EnumValues {
			name := want.Name + "." + w.Name
			if g := got.EnumValues.ForName(w.Name); g == nil {
				say("%s is missing", name)
			} else {
				directives(name, g.Directives, w.Directives)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(contract.Directives)) {
		want, got := contract.Directives[name], s.Directives[name]
		if got == nil {
			say("@%s is missing", name)
			continue
		}
		if got.IsRepeatable != want.IsRepeatable {
			say("@%s is repeatable: %v, want %v", name, got.IsRepeatable, want.IsRepeatable)
		}
		for _, place := range want.Locations {
			if !slices.Contains(got.Locations, place) {
				say("@%s is not allowed on %s", name, place)
			}
		}
		arguments("@"+name, got.Arguments, want.Arguments)
	}
	return wrong
}

// applied is a directive as the SDL applies it.
func applied(d *ast.Directive) string {
	var args []string
	for _, a := range d.Arguments {
		args = append(args, a.Name+": "+a.Value.String())
	}
	slices.Sort(args)
	return "@" + d.Name + "(" + strings.Join(args, ", ") + ")"
}

// literal is a default value as the SDL writes it, or nothing.
func literal(v *ast.Value) string {
	if v == nil {
		return ""
	}
	return " = " + v.String()
}

func TestSchemaIsValid(t *testing.T) {
	s, err := gqlparser.LoadSchema(sources(t, ".")...)
	if err != nil {
		t.Fatal(err)
	}
	if s.Query == nil || s.Mutation == nil {
		t.Error("the schema has no Query or no Mutation")
	}
}

func TestSchemaKeepsItsRules(t *testing.T) {
	s := parse(t, sources(t, ".")...)
	for _, rule := range []struct {
		what  string
		broke []string
	}{
		{"has no description", undescribed(s)},
		{"must say which scope it needs, unless it is open to all", unguarded(s)},
		{"every list is paged in the same way", unevenConnections(s)},
		{"every mutation is built in the same way", unevenMutations(s)},
		{"the contract is not held", lacking(s, parse(t, sources(t, "testdata/contract")...))},
	} {
		for _, place := range rule.broke {
			t.Errorf("%s: %s", rule.what, place)
		}
	}
}

// A key in a till may record, and an operator may make tenants; what comes back must not become a way to read what is known
// about people, or how many there are. A field that is new here must be one that tells neither.
func TestWhatIsSeenWithoutReading(t *testing.T) {
	for scope, want := range map[string]string{"COLLECT": seenByCollect, "OPERATOR": seenByOperator} {
		if got, want := visible(parse(t, sources(t, ".")...), scope), strings.Fields(want); !slices.Equal(got, want) {
			t.Errorf("a caller with the scope %s alone sees\n%v\nwant\n%v", scope, got, want)
		}
	}
}

const (
	seenByCollect = `
		Campaign.createdAt Campaign.followUpQuestion Campaign.id Campaign.name Campaign.question Campaign.status Campaign.updatedAt
		Contact.id
		CreateAccessTokenPayload.expiresAt CreateAccessTokenPayload.token CreateAccessTokenPayload.userErrors
		CreateContactTokenPayload.expiresAt CreateContactTokenPayload.token CreateContactTokenPayload.userErrors
		Mutation.createAccessToken Mutation.createContactToken Mutation.recordEvents Mutation.recordResponse Mutation.recordResponses
		Mutation.upsertContacts
		Query.viewer
		RecordEventsPayload.recorded RecordEventsPayload.userErrors
		RecordResponsePayload.amended RecordResponsePayload.response RecordResponsePayload.userErrors
		RecordResponsesPayload.amended RecordResponsesPayload.recorded RecordResponsesPayload.responses RecordResponsesPayload.userErrors
		Response.campaign Response.category Response.channel Response.comment Response.id Response.locale
		Response.recordedAt Response.respondedAt Response.score Response.updatedAt Response.variant
		Tenant.allowedOrigins Tenant.createdAt Tenant.id Tenant.industry Tenant.minGroupSize Tenant.name Tenant.timeZone
		UpsertContactsPayload.contacts UpsertContactsPayload.userErrors
		UserError.code UserError.field UserError.message
		Viewer.expiresAt Viewer.scopes Viewer.tenant`
	seenByOperator = `
		CreateTenantPayload.secret CreateTenantPayload.tenant CreateTenantPayload.userErrors
		Mutation.createTenant
		PageInfo.endCursor PageInfo.hasNextPage PageInfo.hasPreviousPage PageInfo.startCursor
		Query.tenants Query.viewer
		Tenant.allowedOrigins Tenant.createdAt Tenant.id Tenant.industry Tenant.minGroupSize Tenant.name Tenant.timeZone
		TenantConnection.edges TenantConnection.nodes TenantConnection.pageInfo TenantConnection.totalCount
		TenantEdge.cursor TenantEdge.node
		UserError.code UserError.field UserError.message
		Viewer.expiresAt Viewer.scopes Viewer.tenant`
)

func TestRulesFindWhatBreaksThem(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule func(*ast.Schema) []string
		sdl  string
		want []string
	}{
		{"nothing described", undescribed,
			`type A { f(x: Int): Int } input I { y: Int } enum E { V } scalar S directive @d(z: Int) on OBJECT`,
			[]string{"A", "A.f", "A.f(x:)", "E", "E.V", "I", "I.y", "S", "@d", "@d(z:)"}},
		{"blank description", undescribed, `"  " scalar S`, []string{"S"}},
		{"described", undescribed, `"s" type A { "s" f("s" x: Int): Int }`, nil},
		{"no scope", unguarded,
			`type Query { viewer: Int a: Int b: Int @requires(scope: READ) } type Mutation extend type Mutation { c: Int }`,
			[]string{"Query.a", "Mutation.c"}},
		{"connection without totalCount or edge", unevenConnections,
			`type AConnection { edges: [AEdge!]! nodes: [A!]! pageInfo: PageInfo! }`,
			[]string{
				"AConnection has map[edges:[AEdge!]! nodes:[A!]! pageInfo:PageInfo!], " +
					"want map[edges:[AEdge!]! nodes:[A!]! pageInfo:PageInfo! totalCount:Int!]",
				"AEdge is missing"}},
		{"list without last", unevenConnections,
			`type Query { as(first: Int, after: String, before: String): AConnection! }`,
			[]string{"Query.as wants last: Int"}},
		{"mutation with loose arguments", unevenMutations,
			`type Mutation { doIt(a: Int): DoItPayload! } type DoItPayload { userErrors: [UserError!]! }`,
			[]string{"doIt wants exactly one argument, input: DoItInput!"}},
		{"mutation without payload", unevenMutations,
			`type Mutation { doIt(input: DoItInput!): Int }`, []string{"doIt gives Int, want DoItPayload!"}},
		{"payload without errors", unevenMutations,
			`type Mutation { doIt(input: DoItInput!): DoItPayload! } type DoItPayload { userErrors: [UserError] }`,
			[]string{"DoItPayload wants userErrors: [UserError!]!"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.rule(parseText(t, tt.sdl)); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLackingFindsWhatIsLacking(t *testing.T) {
	const contract = `
		directive @d(x: Int! = 1) on FIELD_DEFINITION | OBJECT
		interface N { id: ID! }
		type A implements N { id: ID! f(x: Int! = 1): [Int!]! @d(x: 2) }
		input I @oneOf { y: Int }
		enum E { V W }
		type Later`
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"same", "", "", nil},
		{"more", "V W", "V W X", nil},
		{"optional argument more", "x: Int! = 1):", "x: Int! = 1, z: Int):", nil},
		{"needed argument more", "x: Int! = 1):", "x: Int! = 1, z: Int!):", []string{"A.f(z:) must be given, and the contract does not have it"}},
		{"needed input more", "y: Int", "y: Int z: Int!", []string{"I.z must be given, and the contract does not have it"}},
		{"type", "enum E", "enum F", []string{"E is missing"}},
		{"kind", "input I", "type I", []string{"I is OBJECT, want INPUT_OBJECT"}},
		{"interface", "A implements N", "A", []string{"A does not implement N"}},
		{"field", "f(x", "g(x", []string{"A.f is missing"}},
		{"nullability", "[Int!]!", "[Int!]", []string{"A.f is [Int!], want [Int!]!"}},
		{"argument", "f(x: Int! = 1)", "f", []string{"A.f(x:) is missing"}},
		{"default", "f(x: Int! = 1)", "f(x: Int! = 3)", []string{"A.f(x:) is Int! = 3, want Int! = 1"}},
		{"directive's argument", "@d(x: 2)", "@d(x: 3)", []string{"A.f has directives [@d(x: 3)], want @d(x: 2)"}},
		{"directive on a type", " @oneOf", "", []string{"I has directives [], want @oneOf()"}},
		{"enum value", "V W", "V", []string{"E.W is missing"}},
		{"directive", "directive @d", "directive @e", []string{"@d is missing"}},
		{"directive's default", "@d(x: Int! = 1)", "@d(x: Int!)", []string{"@d(x:) is Int!, want Int! = 1"}},
		{"directive's place", " | OBJECT", "", []string{"@d is not allowed on OBJECT"}},
		{"type without fields", "type Later", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := lacking(parseText(t, strings.Replace(contract, tt.old, tt.new, 1)), parseText(t, contract))
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

package graph_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/zeroten/zeroten/graph"
)

// member is something of a schema that a client can use: a type, a field, an argument, a value of an enum.
type member struct {
	// is what it is: the kind of a type, or a type with its default value.
	is          string
	description string
}

// served is what a server says about itself.
type served struct {
	Schema struct {
		Types []struct {
			Kind, Name, Description string
			IsOneOf                 bool
			Fields                  []struct {
				Name, Description string
				Args              []servedValue
				Type              servedType
			}
			InputFields []servedValue
			EnumValues  []struct{ Name, Description string }
			Interfaces  []struct{ Name string }
		}
		Directives []struct {
			Name, Description string
			Args              []servedValue
		}
	} `json:"__schema"`
}

type servedValue struct {
	Name, Description string
	Type              servedType
	DefaultValue      *string
}

func (v servedValue) is() string {
	if v.DefaultValue == nil {
		return v.Type.String()
	}
	return v.Type.String() + " = " + *v.DefaultValue
}

type servedType struct {
	Kind, Name string
	OfType     *servedType
}

func (t servedType) String() string {
	switch t.Kind {
	case "NON_NULL":
		return t.OfType.String() + "!"
	case "LIST":
		return "[" + t.OfType.String() + "]"
	}
	return t.Name
}

const introspection = `{ __schema {
  types { kind name description isOneOf
    fields { name description args { ...value } type { ...type } }
    inputFields { ...value } enumValues { name description } interfaces { name } }
  directives { name description args { ...value } } } }
fragment value on __InputValue { name description type { ...type } defaultValue }
fragment type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }`

// introspected is all that the server says it has.
func introspected(t *testing.T, h *house) map[string]member {
	t.Helper()
	a := h.ask(t, "", introspection, nil)
	var s served
	if err := json.Unmarshal(a.Data, &s); err != nil || len(a.Errors) > 0 {
		t.Fatalf("%v: %s", err, a.text)
	}
	all := map[string]member{}
	for _, typ := range s.Schema.Types {
		if strings.HasPrefix(typ.Name, "__") {
			continue
		}
		is := typ.Kind
		if typ.IsOneOf {
			is += " @oneOf"
		}
		all[typ.Name] = member{is, typ.Description}
		for _, i := range typ.Interfaces {
			all[typ.Name+" implements "+i.Name] = member{"", "said there"}
		}
		for _, f := range typ.Fields {
			all[typ.Name+"."+f.Name] = member{f.Type.String(), f.Description}
			for _, arg := range f.Args {
				all[typ.Name+"."+f.Name+"("+arg.Name+":)"] = member{arg.is(), arg.Description}
			}
		}
		for _, f := range typ.InputFields {
			all[typ.Name+"."+f.Name] = member{f.is(), f.Description}
		}
		for _, v := range typ.EnumValues {
			all[typ.Name+"."+v.Name] = member{"value", v.Description}
		}
	}
	for _, d := range s.Schema.Directives {
		all["@"+d.Name] = member{"directive", d.Description}
		for _, arg := range d.Args {
			all["@"+d.Name+"("+arg.Name+":)"] = member{arg.is(), arg.Description}
		}
	}
	return all
}

// declared is all that an SDL has.
func declared(t *testing.T, files ...string) map[string]member {
	t.Helper()
	var sources []*ast.Source
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, &ast.Source{Name: file, Input: string(text)})
	}
	doc, err := parser.ParseSchemas(sources...)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]member{}
	is := func(typ *ast.Type, value *ast.Value) string {
		if value == nil {
			return typ.String()
		}
		return typ.String() + " = " + value.String()
	}
	for _, def := range append(slices.Clone(doc.Definitions), doc.Extensions...) {
		kind := string(def.Kind)
		if def.Directives.ForName("oneOf") != nil {
			kind += " @oneOf"
		}
		if def.Kind == ast.Object && len(def.Fields) == 0 {
			continue // it says only that other files give it fields, and they may be of another contract
		}
		if was := all[def.Name]; was.description == "" {
			all[def.Name] = member{kind, def.Description}
		}
		for _, i := range def.Interfaces {
			all[def.Name+" implements "+i] = member{"", ""}
		}
		for _, f := range def.Fields {
			all[def.Name+"."+f.Name] = member{is(f.Type, f.DefaultValue), f.Description}
			for _, arg := range f.Arguments {
				all[def.Name+"."+f.Name+"("+arg.Name+":)"] = member{is(arg.Type, arg.DefaultValue), arg.Description}
			}
		}
		for _, v := range def.EnumValues {
			all[def.Name+"."+v.Name] = member{"value", v.Description}
		}
	}
	for _, d := range doc.Directives {
		all["@"+d.Name] = member{"directive", d.Description}
		for _, arg := range d.Arguments {
			all["@"+d.Name+"("+arg.Name+":)"] = member{is(arg.Type, arg.DefaultValue), arg.Description}
		}
	}
	return all
}

// What is served holds all of the contract, and describes everything, as does the file that docs shows.
func TestServedSchemaHoldsContract(t *testing.T) {
	files, err := filepath.Glob("../schema/testdata/contract/*.graphql")
	if err != nil || len(files) < 7 {
		t.Fatalf("the contract is %v, %v", files, err)
	}
	contract := declared(t, files...)
	if len(contract) < 400 {
		t.Fatalf("the contract has %d members", len(contract))
	}
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	server := introspected(t, h)
	for place, has := range map[string]map[string]member{"the server": server, "docs/schema.graphql": declared(t, "../docs/schema.graphql")} {
		for _, name := range slices.Sorted(maps.Keys(contract)) {
			got, ok := has[name]
			switch want := contract[name]; {
			case !ok:
				t.Errorf("%s lacks %s", place, name)
			case got.is != want.is:
				t.Errorf("%s: %s is %s, want %s", place, name, got.is, want.is)
			}
		}
		for name, m := range has {
			if strings.TrimSpace(m.description) == "" && !strings.Contains(name, " implements ") {
				t.Errorf("%s does not describe %s", place, name)
			}
		}
	}
}

// The file that docs shows is what is served: generated anew after each change.
func TestPrintedSchemaIsServed(t *testing.T) {
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	server, printed := introspected(t, h), declared(t, "../docs/schema.graphql")
	builtin := []string{"String", "Int", "Float", "Boolean", "ID"}
	for name, m := range server {
		if strings.HasPrefix(name, "@") || slices.Contains(builtin, name) || strings.Contains(name, " implements ") {
			continue
		}
		if printed[name] != m {
			t.Errorf("%s is printed as %q, and served as %q: run make generate", name, printed[name], m)
		}
	}
	for name := range printed {
		if _, ok := server[name]; !ok {
			t.Errorf("%s is printed, and not served: run make generate", name)
		}
	}
	// Introspection does not tell what directives are applied.
	text, err := os.ReadFile("../docs/schema.graphql")
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, def := range graph.Schema(&graph.Resolver{}).Schema().Types {
		for _, f := range def.Fields {
			if f.Directives.ForName("requires") != nil {
				want++
			}
		}
	}
	if got := strings.Count(string(text), " @requires(scope: "); got != want || got < 40 {
		t.Errorf("%d fields are printed with @requires, %d have it", got, want)
	}
}

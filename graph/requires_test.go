package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/internal/auth"
)

// needs is the scope that a field requires, and empty where it requires none.
func needs(f *ast.FieldDefinition) auth.Scope {
	if d := f.Directives.ForName("requires"); d != nil {
		return auth.Scope(d.Arguments.ForName("scope").Value.Raw)
	}
	return ""
}

// example is a value that the type takes.
func example(s *ast.Schema, typ *ast.Type) string {
	if typ.Elem != nil {
		return "[" + example(s, typ.Elem) + "]"
	}
	switch def := s.Types[typ.Name()]; def.Kind {
	case ast.Enum:
		return def.EnumValues[0].Name
	case ast.InputObject:
		if def.Name == "SegmentRuleInput" {
			return `{ trait: { key: "plan", isKnown: true } }`
		}
		if def.Name == "OccasionInput" {
			return `{ onEvent: { event: "purchase" } }`
		}
		var fields []string
		for _, f := range def.Fields {
			if f.Type.NonNull && f.DefaultValue == nil {
				fields = append(fields, f.Name+": "+exampleOf(s, f))
			}
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	return map[string]string{
		"ID": `"camp_01h455vb4pex5vsknk084sn02q"`, "String": `"text"`, "Int": "5", "Float": "0.5", "Boolean": "true",
		"EmailAddress": `"x@example.com"`, "Traits": "{}", "DateTime": `"2026-01-01T00:00:00Z"`, "Date": `"2026-06-01"`,
		"Locale": `"nl"`, "URL": `"https://example.com/"`, "Color": `"#1a73e8"`, "Base64": `""`,
	}[typ.Name()]
}

// exampleOf is a value that the field of an input takes.
func exampleOf(s *ast.Schema, f *ast.FieldDefinition) string {
	if f.Name == "year" {
		return "2024"
	}
	return example(s, f.Type)
}

// plain asks for a root field with no more than it must be given.
func plain(s *ast.Schema, root string, f *ast.FieldDefinition, selection string) string {
	var args []string
	for _, a := range f.Arguments {
		if a.Type.NonNull && a.DefaultValue == nil {
			args = append(args, a.Name+": "+example(s, a.Type))
		}
	}
	call := f.Name
	if f.Arguments.ForName("after") != nil && root == "Subscription" {
		args = append(args, `after: ""`, "limit: 1") // so that there is something to come
	}
	if args != nil {
		call += "(" + strings.Join(args, ", ") + ")"
	}
	if s.Types[f.Type.Name()].IsLeafType() {
		return fmt.Sprintf("%s { %s }", strings.ToLower(root), call)
	}
	return fmt.Sprintf("%s { %s { %s } }", strings.ToLower(root), call, selection)
}

// Every root field says what scope it needs, and no key with less gets anywhere.
func TestRootFieldsAreGuarded(t *testing.T) {
	s := graph.Schema(&graph.Resolver{}).Schema()
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Fjordlink"))
		before := h.contents(c.ctx, t)
		for _, root := range []*ast.Definition{s.Query, s.Mutation, s.Subscription} {
			for _, f := range root.Fields {
				name := root.Name + "." + f.Name
				need := needs(f)
				switch {
				case strings.HasPrefix(f.Name, "__"):
					continue
				case need == "" && name != "Query.viewer":
					t.Errorf("%s does not say what scope it needs", name)
				}
				text := plain(s, root.Name, f, "__typename")
				if a := h.ask(t, "", text, nil); !slices.Equal(a.codes(), []string{"UNAUTHENTICATED"}) || strings.Contains(string(a.Data), "__typename") {
					t.Errorf("%s without a key: %s", name, a.text)
				}
				for scope, secret := range c.secrets {
					if need == "" || scope.Includes(need) {
						continue
					}
					a := h.ask(t, secret, text, nil)
					if !slices.Equal(a.codes(), []string{"FORBIDDEN"}) || strings.Contains(string(a.Data), "__typename") {
						t.Errorf("%s with a key for %s: %s", name, scope, a.text)
					}
				}
			}
		}
		if after := h.contents(c.ctx, t); after != before {
			t.Errorf("what was forbidden was done: there was\n%s\nand is\n%s", before, after)
		}
		// Those with the scope get in.
		for _, root := range []*ast.Definition{s.Query, s.Mutation, s.Subscription} {
			for _, f := range root.Fields {
				if strings.HasPrefix(f.Name, "__") || needs(f) == "" {
					continue
				}
				a := h.ask(t, c.secrets[needs(f)], plain(s, root.Name, f, "__typename"), nil)
				if slices.Contains(a.codes(), "FORBIDDEN") || slices.Contains(a.codes(), "UNAUTHENTICATED") {
					t.Errorf("%s.%s with a key for %s: %s", root.Name, f.Name, needs(f), a.text)
				}
			}
		}
	})
}

// What a key that may only record gets back must not become a way to read.
func TestCollectReadsNothing(t *testing.T) {
	s := graph.Schema(&graph.Resolver{}).Schema()
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.fill(t, h.found(t, "Fjordlink"))
	inputs := map[string]string{
		"recordResponse":  `{ campaign: "<camp:Support>", score: 5, contact: { externalId: "c00" } }`,
		"recordResponses": `{ responses: [{ campaign: "<camp:Support>", score: 5, contact: { externalId: "c00" } }] }`,
		"upsertContacts":  `{ contacts: [{ externalId: "c00" }] }`,
		"recordEvents":    `{ events: [{ contact: { externalId: "c00" }, name: "purchase" }] }`,

		"createAccessToken":  `{ scopes: [COLLECT] }`,
		"createContactToken": `{ contact: { externalId: "c00" } }`,
	}
	tried := 0
	for _, m := range s.Mutation.Fields {
		if needs(m) != auth.Collect {
			continue
		}
		input, ok := inputs[m.Name]
		if !ok {
			t.Errorf("%s is for COLLECT, and has no input here", m.Name)
			continue
		}
		var walk func(def *ast.Definition, path []string)
		walk = func(def *ast.Definition, path []string) {
			for _, f := range def.Fields {
				below := append(slices.Clone(path), f.Name)
				inner := s.Types[f.Type.Name()]
				leaf := ""
				switch {
				case strings.HasPrefix(f.Name, "__") || slices.Contains(path, f.Name):
					continue
				case needs(f) == "" && inner.Kind == ast.Object:
					walk(inner, below)
					continue
				case needs(f) == "":
					continue
				case inner.Kind == ast.Object:
					leaf = " { __typename"
				}
				text := c.own("mutation { " + m.Name + "(input: " + input + ") { " + strings.Join(below, " { ") + leaf + strings.Repeat(" }", len(path)+2))
				if leaf != "" {
					text += " }"
				}
				a := h.ask(t, c.secrets[auth.Collect], text, nil)
				if !slices.Equal(a.codes(), []string{"FORBIDDEN"}) || strings.Contains(a.text, "__typename") || strings.Contains(a.text, "c00") {
					t.Errorf("%s answers %s", text, a.text)
				}
				tried++
			}
		}
		walk(s.Types[m.Type.Name()], nil)
	}
	if tried < 15 {
		t.Errorf("only %d fields were tried", tried)
	}
}

// A key that is none is refused before anything is looked at.
func TestBadKeys(t *testing.T) {
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.found(t, "Fjordlink")
	good := c.secrets[auth.Read]
	for name, header := range map[string]string{
		"none":     "Bearer ",
		"unknown":  "Bearer z10_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"cut":      "Bearer " + good[:20],
		"basic":    "Basic " + good,
		"bare":     good,
		"too long": "Bearer " + strings.Repeat("z", 10_000),
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url, strings.NewReader(`{"query":"{ viewer { scopes } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", header)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: status %d, %v", name, resp.StatusCode, resp.Header)
		}
	}
}

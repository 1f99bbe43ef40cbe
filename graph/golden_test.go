package graph_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is a document below testdata, and the answers to its operations, which are asked in their order.
//
// In documents and variables, names such as <camp:Relationship> stand for ids of a filled tenant, and in the answers
// for any id, instant of the test's own clock, secret or cursor. Those that have no name get one by the order in which
// they first come up, and later operations of the same document may use it. A document that begins with `# as: READ`
// is asked with a key of that scope, by default ADMIN; `# as: nobody` means none. Those below testdata/insight are asked of a
// tenant with more to learn from, and one that begins with `# of: crowd` of one with so many contacts that their risks are kept.
type golden struct {
	path      string
	text      string
	doc       *ast.QueryDocument
	variables string
}

// goldens reads all documents and validates them against the schema.
func goldens(t *testing.T) []golden {
	t.Helper()
	schema := graph.Schema(&graph.Resolver{}).Schema()
	var all []golden
	err := filepath.WalkDir("testdata", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".graphql" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		g := golden{path: strings.TrimSuffix(path, ".graphql"), text: string(text), variables: "{}"}
		if v, err := os.ReadFile(g.path + ".variables.json"); err == nil {
			g.variables = string(v)
		}
		doc, errs := gqlparser.LoadQueryWithRules(schema, g.text, nil)
		if errs != nil && !strings.Contains(path, "invalid") {
			return fmt.Errorf("%s: %w", path, errs)
		}
		g.doc = doc
		all = append(all, g)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var asked = regexp.MustCompile(`^# as: (\w+)`)

// scope is the scope of the key that the document is asked with, and empty for none.
func (g golden) scope() auth.Scope {
	switch m := asked.FindStringSubmatch(g.text); {
	case m == nil:
		return auth.Admin
	case m[1] == "nobody":
		return ""
	default:
		return auth.Scope(m[1])
	}
}

// ofCrowd reports whether the document is asked of a tenant with many responses.
func (g golden) ofCrowd() bool { return strings.HasPrefix(g.text, "# of: crowd") }

// mutates reports whether the document changes anything, and so must have a tenant to itself.
func (g golden) mutates() bool {
	return g.doc != nil && slices.ContainsFunc(g.doc.Operations, func(op *ast.OperationDefinition) bool { return op.Operation == ast.Mutation })
}

func TestGolden(t *testing.T) {
	cases := goldens(t)
	each(t, func(t *testing.T, h *house) {
		read, much := h.fill(t, h.found(t, "Fjordlink")), h.more(t, h.fill(t, h.found(t, "Fjordlink")))
		crowd := h.crowd(t, h.fill(t, h.found(t, "Fjordlink")))
		for _, g := range cases {
			t.Run(strings.TrimPrefix(g.path, "testdata/"), func(t *testing.T) {
				c, learns := read, strings.HasPrefix(g.path, "testdata/insight/")
				switch {
				case g.mutates() && learns:
					c = h.more(t, h.fill(t, h.found(t, "Fjordlink")))
				case g.mutates():
					c = h.fill(t, h.found(t, "Fjordlink"))
				case learns:
					c = much
				case g.ofCrowd():
					c = crowd
				}
				got := g.run(t, h, c)
				if *update && strings.Contains(t.Name(), "/sqlite/") {
					if err := os.WriteFile(g.path+".json", got, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(g.path + ".json")
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	})
}

// run asks each operation and lays the answers out.
func (g golden) run(t *testing.T, h *house, c *company) []byte {
	t.Helper()
	names := newNames(c)
	var out bytes.Buffer
	operations := g.operations()
	for _, text := range operations {
		var variables map[string]any
		if err := json.Unmarshal([]byte(names.resolve(t, g.variables)), &variables); err != nil {
			t.Fatal(err)
		}
		a := h.ask(t, c.secrets[g.scope()], names.resolve(t, text), variables)
		if a.status != http.StatusOK {
			t.Errorf("status %d, want 200: the answer is application/json", a.status)
		}
		discreet(t, a)
		if len(operations) > 1 {
			name, _, _ := strings.Cut(text, "{")
			fmt.Fprintf(&out, "// %s\n", name)
		}
		if err := json.Indent(&out, []byte(names.hide(strings.ReplaceAll(inOrder(t, a.text), h.mails, "/mails"))), "", "  "); err != nil {
			t.Fatal(err)
		}
		out.WriteString("\n")
	}
	return out.Bytes()
}

var operation = regexp.MustCompile(`(?m)^(query|mutation|subscription) `)

// operations are the texts of the document's operations, each of which begins a line.
func (g golden) operations() []string {
	var texts []string
	starts := operation.FindAllStringIndex(g.text, -1)
	for i, at := range starts {
		end := len(g.text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		texts = append(texts, g.text[at[0]:end])
	}
	if len(texts) == 0 {
		return []string{g.text}
	}
	return texts
}

// inOrder sorts an answer's errors by where in the document they come from: fields are resolved side by side.
func inOrder(t *testing.T, text string) string {
	t.Helper()
	var a struct {
		Errors []json.RawMessage `json:"errors,omitempty"`
		Data   json.RawMessage   `json:"data,omitempty"`
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Errors) < 2 {
		return text
	}
	slices.SortStableFunc(a.Errors, func(x, y json.RawMessage) int { return slices.Compare(place(x), place(y)) })
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(a); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func place(err json.RawMessage) []int {
	var e struct{ Locations []struct{ Line, Column int } }
	if json.Unmarshal(err, &e) != nil || len(e.Locations) == 0 {
		return nil
	}
	return []int{e.Locations[0].Line, e.Locations[0].Column}
}

// leaks is what no error may tell: the database's language and messages, the program's types, its stack and files.
var leaks = regexp.MustCompile(`(?i)\b(select|insert|update|delete) .*\b(from|into|set|where)\b|pq:|sqlstate|sqlite|postgres|sql:|\bent[:.]|constraint|` +
	`interface ?\{|map\[|uuid\.|\*[a-z]+\.[A-Z]|\b(strconv|json|time|runtime)\.[A-Z]|nil pointer|goroutine|\.go:\d|%!`)

// discreet checks that errors tell nothing of what is behind the API, and that none of them is our own fault.
func discreet(t testing.TB, a answer) {
	t.Helper()
	for _, e := range a.Errors {
		if e.Extensions.Code == "" || e.Extensions.Code == "INTERNAL" || leaks.MatchString(e.Message) {
			t.Errorf("this must not be shown: %s: %s", e.Extensions.Code, e.Message)
		}
	}
	var payloads map[string]struct{ UserErrors []struct{ Message string } }
	if json.Unmarshal(a.Data, &payloads) != nil {
		return // not of that form
	}
	for _, p := range payloads {
		for _, e := range p.UserErrors {
			if leaks.MatchString(e.Message) {
				t.Errorf("this must not be shown: %s", e.Message)
			}
		}
	}
}

// names gives what differs from run to run a name that does not.
type names struct {
	byText, byName map[string]string
}

func newNames(c *company) *names {
	n := &names{byText: map[string]string{}, byName: map[string]string{}}
	for name, id := range c.ids {
		n.byText[id], n.byName["<"+name+">"] = "<"+name+">", id
	}
	return n
}

var (
	placeholder = regexp.MustCompile(`<[a-z]+:[^>]+>`)
	varying     = regexp.MustCompile(`\b(?:` + kinds() + `)_[0-9a-z]{26}\b|\bz10_[\w-]{4,43}|\bz10[tc]_[\w.-]+|\bz10l_[\w-]+|\btest\.[0-9a-f-]{36}|M\d+ \d+h\d+v1[\dMhvz -]+|"[A-Za-z0-9_-]{34,}"|\d{4}-\d\d-\d\dT[0-9:.]+Z`)
)

func (n *names) resolve(t *testing.T, text string) string {
	t.Helper()
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		text, ok := n.byName[name]
		if !ok {
			t.Fatalf("%s names nothing so far; there are %v", name, slices.Sorted(maps.Keys(n.byName)))
		}
		return text
	})
}

// kinds are those of ids, as alternatives of an expression.
func kinds() string {
	var all []string
	for _, kind := range id.Kinds() {
		all = append(all, string(kind))
	}
	return strings.Join(all, "|")
}

// long are numbers with more digits than all processors agree on: some round once where others round twice.
var long = regexp.MustCompile(`-?\d+\.\d{8,}(e-?\d+)?`)

func short(number string) string {
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return number
	}
	return strconv.FormatFloat(f, 'g', 9, 64)
}

func (n *names) hide(text string) string {
	text = long.ReplaceAllStringFunc(text, short)
	return varying.ReplaceAllStringFunc(text, func(found string) string {
		if at, err := time.Parse(time.RFC3339, found); err == nil {
			if at.Nanosecond() == 0 {
				return found // the tests' own clock stands at a full second, and what they record is of full seconds
			}
			return "<now>"
		}
		quoted := strings.HasPrefix(found, `"`)
		found = strings.Trim(found, `"`)
		name, known := n.byText[found]
		if !known {
			kind, _, _ := strings.Cut(found, "_")
			switch {
			case kind == "z10" && len(found) == 8:
				kind = "hint"
			case kind == "z10":
				kind = "secret"
			case kind == "z10t":
				kind = "token"
			case kind == "z10l":
				kind = "link"
			case strings.HasPrefix(kind, "test."):
				kind = "file"
			case strings.HasPrefix(kind, "M"):
				kind = "qr"
			case quoted:
				kind = "cursor"
			}
			for i := 1; ; i++ {
				name = fmt.Sprintf("<%s:%d>", kind, i)
				if _, taken := n.byName[name]; !taken {
					break
				}
			}
			n.byText[found], n.byName[name] = name, found
		}
		if quoted {
			return `"` + name + `"`
		}
		return name
	})
}

// answers are what the golden file has as data, of each operation.
func (g golden) answers(t *testing.T) []any {
	t.Helper()
	text, err := os.ReadFile(g.path + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var all []any
	for _, part := range answered.Split(string(text), -1) {
		if strings.TrimSpace(part) == "" {
			continue // before the first
		}
		var a struct{ Data any }
		if err := json.Unmarshal([]byte(part), &a); err != nil {
			t.Fatalf("%s: %v", g.path, err)
		}
		all = append(all, a.Data)
	}
	return all
}

var answered = regexp.MustCompile(`(?m)^// .*$`)

// flat are the values of a list, of lists in it too.
func flat(v any) []any {
	list, ok := v.([]any)
	if !ok {
		return []any{v}
	}
	var all []any
	for _, v := range list {
		all = append(all, flat(v)...)
	}
	return all
}

// Every field of the schema is in some golden document that shows a value of it, every argument in some document, and so is
// every field of its inputs.
func TestGoldenCoversSchema(t *testing.T) {
	used := map[string]bool{
		// What golden files cannot show is shown by TestViewerExpires, TestRebuildUnderWay and the program's own TestProgram.
		"Viewer.expiresAt": true, "CreateAccessTokenPayload.expiresAt": true, "ApiKey.lastUsedAt": true,
		"Trait.rebuild": true, "Tenant.rebuild": true, "Rebuild.done": true, "Rebuild.total": true,
		"TenantConnection.totalCount": true,
		// There is none as long as nobody is invited by a link.
		"ProvisionalAnswer.invitation": true,
	}
	var input func(v *ast.Value)
	input = func(v *ast.Value) {
		for _, child := range v.Children {
			if v.Kind == ast.ObjectValue && v.Definition != nil {
				used[v.Definition.Name+"."+child.Name] = true
			}
			input(child.Value)
		}
	}
	var walk func(set ast.SelectionSet, of []any)
	walk = func(set ast.SelectionSet, of []any) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				name := s.ObjectDefinition.Name + "." + s.Name
				var values []any
				for _, v := range of {
					if object, ok := v.(map[string]any); ok && object[s.Alias] != nil {
						used[name] = true
						values = append(values, flat(object[s.Alias])...)
					}
				}
				for _, a := range s.Arguments {
					used[name+"("+a.Name+":)"] = true
					input(a.Value)
				}
				walk(s.SelectionSet, values)
			case *ast.InlineFragment:
				walk(s.SelectionSet, of)
			case *ast.FragmentSpread:
				walk(s.Definition.SelectionSet, of)
			}
		}
	}
	for _, g := range goldens(t) {
		if g.doc == nil {
			continue
		}
		answers := g.answers(t)
		if len(answers) != len(g.doc.Operations) {
			t.Fatalf("%s: %d answers to %d operations", g.path, len(answers), len(g.doc.Operations))
		}
		for i, op := range g.doc.Operations {
			walk(op.SelectionSet, []any{answers[i]})
		}
	}
	for _, d := range graph.Schema(&graph.Resolver{}).Schema().Types {
		if d.BuiltIn || d.Kind == ast.Interface {
			continue
		}
		for _, f := range d.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			if !used[d.Name+"."+f.Name] {
				t.Errorf("no golden document has %s.%s, or no answer shows it", d.Name, f.Name)
			}
			for _, a := range f.Arguments {
				if name := fmt.Sprintf("%s.%s(%s:)", d.Name, f.Name, a.Name); !used[name] {
					t.Errorf("no golden document has %s", name)
				}
			}
		}
	}
}

package graph_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/zeroten/zeroten/graph"
	"github.com/zeroten/zeroten/internal/id"
)

// The schema's nodes and the documentation name the kinds of ids that there are, and no others.
func TestKindsAreDocumented(t *testing.T) {
	var want []string
	for _, kind := range id.Kinds() {
		want = append(want, "`"+string(kind)+"_`")
	}
	docs, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, ids, ok := strings.Cut(string(docs), "\n## Ids\n")
	if ids, _, _ = strings.Cut(ids, "\n## "); !ok {
		t.Fatal("docs/api.md has no chapter on ids")
	}
	prefix := regexp.MustCompile("`[a-z]+_`")
	if *update {
		first, last := prefix.FindStringIndex(ids), prefix.FindAllStringIndex(ids, -1)
		told := strings.Replace(string(docs), ids[first[0]:last[len(last)-1][1]], strings.Join(want, ", "), 1)
		if err := os.WriteFile("../docs/api.md", []byte(told), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := prefix.FindAllString(ids, -1); !slices.Equal(got, want) {
		t.Errorf("docs/api.md has ids that begin with %v, and there are %v", got, want)
	}
	var nodes []string
	for _, def := range graph.Schema(&graph.Resolver{}).Schema().Types {
		if def.Kind == ast.Object && slices.Contains(def.Interfaces, "Node") {
			nodes = append(nodes, prefix.FindAllString(def.Fields.ForName("id").Description, -1)...)
		}
	}
	slices.Sort(nodes)
	slices.Sort(want)
	if !slices.Equal(nodes, want) {
		t.Errorf("the schema's nodes have ids that begin with %v, and there are %v", nodes, want)
	}
}

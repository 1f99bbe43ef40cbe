package schema

import (
	"os"
	"regexp"
	"testing"

	"github.com/vektah/gqlparser/v2"
)

var blocks = regexp.MustCompile("(?ms)^```graphql\n(.*?)^```$")

// Whoever pastes what docs/api.md shows must not be told that it is wrong.
func TestTheDocsQueriesAreValid(t *testing.T) {
	s, err := gqlparser.LoadSchema(sources(t, ".")...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := blocks.FindAllStringSubmatch(string(text), -1)
	if len(queries) < 10 {
		t.Fatalf("docs/api.md has %d queries", len(queries))
	}
	for _, q := range queries {
		if _, err := gqlparser.LoadQueryWithRules(s, q[1], nil); err != nil {
			t.Errorf("%v in\n%s", err, q[1])
		}
	}
	if _, err := gqlparser.LoadQueryWithRules(s, "{ nothing }", nil); err == nil {
		t.Error("whatever is asked for is valid")
	}
}

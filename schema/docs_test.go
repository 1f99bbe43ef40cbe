package schema

import (
	"os"
	"regexp"
	"testing"

	"github.com/vektah/gqlparser/v2"
)

var blocks = regexp.MustCompile("(?ms)^ *```graphql\n(.*?)^ *```$")

// Whoever pastes what the docs show must not be told that it is wrong.
func TestTheDocsQueriesAreValid(t *testing.T) {
	s, err := gqlparser.LoadSchema(sources(t, ".")...)
	if err != nil {
		t.Fatal(err)
	}
	for page, least := range map[string]int{"api.md": 10, "collecting.md": 6, "outreach.md": 6} {
		text, err := os.ReadFile("../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		queries := blocks.FindAllStringSubmatch(string(text), -1)
		if len(queries) < least {
			t.Errorf("docs/%s has %d queries", page, len(queries))
		}
		for _, q := range queries {
			if _, err := gqlparser.LoadQueryWithRules(s, q[1], nil); err != nil {
				t.Errorf("docs/%s: %v in\n%s", page, err, q[1])
			}
		}
	}
	if _, err := gqlparser.LoadQueryWithRules(s, "{ nothing }", nil); err == nil {
		t.Error("whatever is asked for is valid")
	}
}

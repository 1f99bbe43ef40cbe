package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
)

// The values of all traits are counted together: they cost the same each time, however often the list is asked for them,
// and less than those of each trait alone.
func TestValuesOfAllTraitsCostLessThanOfEach(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Fjordlink"))
		h.hide(t, c, narrowing{})
		ask := func(query string) (text string, actual int) {
			t.Helper()
			a := h.ask(t, c.secrets[auth.Read], query, nil)
			if a.Extensions.Cost == nil || len(a.Errors) > 0 {
				t.Fatalf("%s: %s", query, a.text)
			}
			return a.text, int(a.Extensions.Cost.Actual)
		}
		// counting is what an operation costs besides what it costs without the values.
		const values = "key values { value contacts }"
		counting := func(query string) int {
			t.Helper()
			_, with := ask(fmt.Sprintf(query, values))
			_, skipped := ask(fmt.Sprintf(query, "key values @skip(if: true) { value contacts }"))
			return with - skipped
		}
		var nodes strings.Builder
		sum, alone := 0, 0
		var listed strings.Builder
		for _, key := range []string{"fibre", "household", "persona", "plan", "router", "since"} {
			node := fmt.Sprintf(`node(id: "%s") { ... on Trait { %%[1]s } }`, c.ids["trait:"+key])
			sum += counting("{ " + node + " }")
			text, cost := ask("{ " + fmt.Sprintf(node, values) + " }")
			alone += cost
			_, text, _ = strings.Cut(text, `"node":`)
			text, _, _ = strings.Cut(text, `}]}`)
			fmt.Fprintf(&listed, "%s}]},", text)
			fmt.Fprintf(&nodes, " %s: %s", key, node)
		}
		all, once := ask("{ traits { " + values + " } }")
		if want := strings.TrimSuffix(listed.String(), ","); !strings.Contains(all, "["+want+"]") {
			t.Errorf("the list has %s, the traits alone have %s", all, want)
		}
		for range 5 {
			if _, again := ask("{ traits { " + values + " } }"); again != once {
				t.Errorf("it costs %d, and %d before", again, once)
			}
		}
		together := counting("{ traits { %[1]s } }")
		if together >= sum || once >= alone {
			t.Errorf("all cost %d, each alone %d; with all else %d and %d", together, sum, once, alone)
		}
		if twice := counting("{ traits { %[1]s } b: traits { %[1]s } }"); twice >= 2*together {
			t.Errorf("asked twice they cost %d, once %d: they were counted twice", twice, together)
		}
		_, mixed := ask("{" + fmt.Sprintf(nodes.String(), values) + " traits { " + values + " } b: traits { " + values + " } }")
		for range 5 {
			if _, again := ask("{" + fmt.Sprintf(nodes.String(), values) + " traits { " + values + " } b: traits { " + values + " } }"); again != mixed {
				t.Errorf("both together cost %d, and %d before", again, mixed)
			}
		}
	})
}

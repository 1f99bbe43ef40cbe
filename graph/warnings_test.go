package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
)

// warned are the warnings of an answer, one a line.
func warned(t *testing.T, text string) string {
	t.Helper()
	var got struct {
		Extensions struct {
			Warnings []struct {
				Path          []string
				Message, Code string
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var lines []string
	for _, w := range got.Extensions.Warnings {
		lines = append(lines, fmt.Sprintf("%s %s %s", w.Code, strings.Join(w.Path, "."), w.Message))
	}
	return strings.Join(lines, "\n")
}

// What is answered, and was probably not what was meant, is said beside the answer, and to nobody who may not see it.
func TestWarnings(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Fjordlink"))
		narrowed := h.token(t, c.secrets[auth.Admin], c.own(`campaigns: ["<camp:Support>"]`))
		plan := func(value string) string { return `{ where: { trait: { key: "plan", in: ["` + value + `"] } } }` }
		since := func(value string) string { return `{ where: { trait: { key: "since", in: ["` + value + `"] } } }` }
		for _, test := range []struct{ document, want, narrowed string }{
			{`{ feedback(filter: ` + plan("Plus") + `) { score { responses } } }`, "", ""},
			{`{ feedback(filter: ` + plan("plus") + `) { score { responses } } }`, `NO_SUCH_VALUE feedback.filter.where.trait.in.0 No response has "plus". There is "Plus".`, ""},
			{`{ feedback(filter: ` + plan("Bâsik") + `) { score { responses } trend { start } } }`, `NO_SUCH_VALUE feedback.filter.where.trait.in.0 No response has "Bâsik". There is "Basic".`, ""},
			{`{ a: responses(filter: ` + plan("nothing like it") + `) { totalCount nodes { id } } }`, `NO_SUCH_VALUE a.filter.where.trait.in.0 No response has "nothing like it".`, ""},
			{`{ feedback { compareTo(filter: { variants: ["A", "a", "(none)"] }) { difference } } }`, `NO_SUCH_VALUE feedback.compareTo.filter.variants.1 No response has "a". There is "A".`, ""},
			{
				`{ feedback(filter: ` + since("24 - 60") + `) { score { responses } } }`,
				`TAKEN_FOR feedback.filter.where.trait.in.0 "24 - 60" is taken for the range "24–60".`, `TAKEN_FOR feedback.filter.where.trait.in.0 "24 - 60" is taken for the range "24–60".`,
			},
			{`subscription { scoreChanged(filter: ` + plan("MAX") + `) { responses } }`, `NO_SUCH_VALUE scoreChanged.filter.where.trait.in.0 No response has "MAX". There is "Max".`, ""},
			{
				`subscription { feedbackReceived(after: "", filter: { where: { any: [{ trait: { key: "plan", in: ["plus"] } }, { trait: { key: "plan", isKnown: true } }] } }) { kind } }`,
				`NO_SUCH_VALUE feedbackReceived.filter.where.any.0.trait.in.0 No response has "plus". There is "Plus".`, "",
			},
		} {
			if a := h.ask(t, c.secrets[auth.Read], test.document, nil); warned(t, a.text) != test.want || len(a.Errors) > 0 {
				t.Errorf("%s\nwarns of\n%s\nwant\n%s", test.document, warned(t, a.text), test.want)
			}
			if a := h.ask(t, narrowed, test.document, nil); warned(t, a.text) != test.narrowed || len(a.Errors) > 0 {
				t.Errorf("%s\nwarns a narrowed caller of\n%s\nwant\n%s", test.document, warned(t, a.text), test.narrowed)
			}
		}
		ranges := map[string]bool{}
		for _, value := range []string{"24–60", "24-60", " 24 — 60 ", "24−60"} {
			a := h.ask(t, c.secrets[auth.Read], `{ feedback(filter: `+since(value)+`) { score { responses } } }`, nil)
			ranges[string(a.Data)] = true
		}
		if len(ranges) != 1 || ranges[`{"feedback":{"score":{"responses":0}}}`] {
			t.Errorf("ranges find %v", ranges)
		}
		// So many that not all are shown: the first by path, each time the same.
		var values []string
		for i := range 40 {
			values = append(values, fmt.Sprintf("%q", fmt.Sprintf("v%d", i)))
		}
		many := `{ feedback(filter: { variants: [` + strings.Join(values, ", ") + `] }) { score { responses } } }`
		first := warned(t, h.ask(t, c.secrets[auth.Read], many, nil).text)
		if n := strings.Count(first, "NO_SUCH_VALUE"); n != 20 {
			t.Errorf("%d warnings, want 20", n)
		}
		if again := warned(t, h.ask(t, c.secrets[auth.Read], many, nil).text); again != first {
			t.Errorf("first\n%s\nthen\n%s", first, again)
		}
	})
}

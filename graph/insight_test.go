package graph_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
)

// How many people to ask is told of whatever feedback those who were invited are known of, however it was come to, and is null elsewhere.
func TestInvitationsOfAPlan(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Us"))
		// Of two to whom an invitation came, one answered: by the widget, in the campaign, and in the segment.
		for name, test := range map[string]struct {
			text  string
			known bool
		}{
			"a channel":                             {`{ feedback(filter: { channels: [WIDGET] }) { %s } }`, true},
			"it, and some by which nobody is asked": {`{ feedback(filter: { channels: [API, WIDGET, IMPORT] }) { %s } }`, true},
			"those alone":                           {`{ feedback(filter: { channels: [IMPORT, API] }) { %s } }`, false},
			"no channel":                            {`{ feedback(filter: { channels: [] }) { %s } }`, false},
			"a campaign":                            {`{ feedback(filter: { campaigns: ["<camp:Support>"] }) { %s } }`, true},
			"below it":                              {`{ node(id: "<camp:Support>") { ... on Campaign { feedback { %s } } } }`, true},
			"a segment":                             {`{ feedback(filter: { segment: "<seg:Loyal>" }) { %s } }`, true},
			"below that":                            {`{ node(id: "<seg:Loyal>") { ... on Segment { feedback { %s } } } }`, true},
			"below it, and the same again":          {`{ node(id: "<seg:Loyal>") { ... on Segment { feedback(filter: { segment: "<seg:Loyal>" }) { %s } } } }`, true},
			"below it, and another":                 {`{ node(id: "<seg:Loyal>") { ... on Segment { feedback(filter: { segment: "<seg:Gamers>" }) { %s } } } }`, false},
			"a group":                               {`{ feedback { breakdown(by: ["plan"], limit: 1) { feedback { %s } } } }`, false},
		} {
			a := h.ask(t, c.secrets[auth.Read], c.own(fmt.Sprintf(test.text, `samplePlan(margin: 5) { responses invitations } experiment(variants: ["A", "B"]) { asked { pValue } }`)), nil)
			plan := regexp.MustCompile(`"responses":(\d+),"invitations":(\d+|null)`).FindStringSubmatch(a.text)
			if plan == nil || len(a.Errors) > 0 {
				t.Errorf("%s: %s", name, a.text)
				continue
			}
			responses, err := strconv.Atoi(plan[1])
			if err != nil {
				t.Fatal(err)
			}
			want := "null"
			if test.known {
				want = strconv.Itoa(2 * responses)
			}
			if plan[2] != want {
				t.Errorf("%s: %d responses take %s invitations, want %s", name, responses, plan[2], want)
			}
		}
	})
}

package graph_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
)

// Who was asked is told to those alone who see all feedback, and how many to those who see all of a campaign.
func TestReachOfANarrowedToken(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Fjordlink"))
		read := c.secrets[auth.Read]
		all := h.ask(t, read, c.own(`{ reach(filter: { campaigns: ["<camp:Support>"] }) { invited answered skipped { reason } } }`), nil)
		narrowed := h.token(t, read, c.own(`campaigns: ["<camp:Support>"]`))
		if got := h.ask(t, narrowed, `{ reach { invited answered skipped { reason } } }`, nil); got.text != all.text || !strings.Contains(got.text, `"invited":2`) {
			t.Errorf("narrowed to a campaign it is %s, and of the campaign %s", got.text, all.text)
		}
		if got := h.ask(t, narrowed, c.own(`{ reach(filter: { campaigns: ["<camp:Relationship>"] }) { invited } }`), nil); !slices.Equal(got.codes(), []string{"NOT_FOUND"}) {
			t.Errorf("of another campaign it is %s", got.text)
		}
		segment := h.token(t, read, c.own(`segment: "<seg:Gamers>"`))
		for name, test := range map[string]struct{ secret, text, code string }{
			"reach of a segment":            {segment, `{ reach { invited } }`, "FORBIDDEN"},
			"a campaign's reach":            {segment, `{ campaigns { nodes { reach { invited } } } }`, "FORBIDDEN"},
			"the invitation of a response":  {narrowed, `{ responses(first: 1) { nodes { invitation { id } } } }`, "FORBIDDEN"},
			"a contact token by a token":    {h.token(t, read, ""), `mutation { createContactToken(input: { contact: { externalId: "x" } }) { token } }`, "FORBIDDEN"},
			"a widget changed by READ":      {read, c.own(`mutation { updateWidget(input: { campaign: "<camp:Support>", isEnabled: true }) { campaign { id } } }`), "FORBIDDEN"},
			"the reach of a COLLECT's only": {c.secrets[auth.Collect], `{ reach { invited } }`, "FORBIDDEN"},
		} {
			if got := h.ask(t, test.secret, test.text, nil); len(got.codes()) == 0 || got.codes()[0] != test.code {
				t.Errorf("%s: %s", name, got.text)
			}
		}
		if got := h.ask(t, segment, c.own(`{ node(id: "<inv:answered>") { id } }`), nil); got.text != `{"data":{"node":null}}` {
			t.Errorf("a narrowed token finds %s", got.text)
		}
	})
}

package graph_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
	"pgregory.net/rapid"
)

// listener is a subscription that somebody asks for.
type listener struct{ secret, operation, filter, after, limit, below, comments string }

const listenerDocument = `
	subscription A($f: FeedbackFilter, $a: String, $l: Int, $n: Int!, $c: Boolean!) { feedbackReceived(filter: $f, after: $a, limit: $l) {
		cursor kind at responseId previousScore response { id score comment @include(if: $c) campaign { name } contact { name responses(first: $n) { totalCount nodes { id } } } } } }
	subscription B($f: FeedbackFilter, $a: String, $l: Int, $n: Int!, $c: Boolean!) { feedbackReceived(filter: $f, after: $a, limit: $l) {
		kind response { score comment @skip(if: $c) contact { responses(last: $n) { nodes { score } } } } } }
	subscription S($f: FeedbackFilter, $n: Int!, $c: Boolean!) { scoreChanged(filter: $f, every: 100) {
		nps responses histogram @include(if: $c) interval(confidence: 0.9) { low high } } s: __typename @skip(if: true) }`

// events is what the listener is told, until it ends or, of scores, the first.
func (h *house) events(t *testing.T, l listener) string {
	document := strings.Split(listenerDocument, "\n\tsubscription S")
	text := document[0]
	if l.operation == "S" {
		text = "subscription S" + strings.Replace(document[1], " s: __typename @skip(if: true)", "", 1)
		text = strings.Replace(text, "interval(", "i"+l.below+": interval(", 1)
		text = strings.Replace(strings.Replace(text, "$n: Int!, ", "", 1), ", )", ")", 1)
	}
	variables := fmt.Sprintf(`{"f":%s,"n":%s,"c":%s`, l.filter, l.below, l.comments)
	if l.operation == "S" {
		variables = fmt.Sprintf(`{"f":%s,"c":%s`, l.filter, l.comments)
	} else {
		variables += fmt.Sprintf(`,"a":%q,"l":%s`, l.after, l.limit)
	}
	query, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp := h.send(ctx, t, l.secret, fmt.Sprintf(`{"query":%s,"operationName":%q,"variables":%s}}`, query, l.operation, variables), "text/event-stream")
	defer resp.Body.Close()
	var told strings.Builder
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			told.WriteString(data + "\n")
			if l.operation == "S" {
				break
			}
		}
	}
	return told.String()
}

// Whoever listens beside others is told, byte for byte, what he would be told alone.
func TestGroupsShowWhatOneAloneSees(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, d := h.fill(t, h.found(t, "Acme")), h.fill(t, h.found(t, "Rival"))
		secrets := []string{
			c.secrets[auth.Read], c.secrets[auth.Manage], c.secrets[auth.Admin], d.secrets[auth.Read],
			h.token(t, c.secrets[auth.Admin], ""),
			h.token(t, c.secrets[auth.Admin], c.own(`campaigns: ["<camp:Support>"]`)),
			h.token(t, c.secrets[auth.Admin], c.own(`campaigns: ["<camp:Support>"], segment: "<seg:Loyal>"`)),
		}
		alone := map[listener]string{}
		rapid.Check(t, func(rt *rapid.T) {
			listeners := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) listener {
				return listener{
					secret:    rapid.SampledFrom(secrets).Draw(t, "secret"),
					operation: rapid.SampledFrom([]string{"A", "A", "B", "S"}).Draw(t, "operation"),
					filter:    rapid.SampledFrom([]string{"null", `{"categories":["DETRACTOR"]}`, `{"channels":["EMAIL","API"]}`}).Draw(t, "filter"),
					after:     "",
					limit:     rapid.SampledFrom([]string{"1", "3"}).Draw(t, "limit"),
					below:     rapid.SampledFrom([]string{"1", "2"}).Draw(t, "below"),
					comments:  rapid.SampledFrom([]string{"true", "false"}).Draw(t, "comments"),
				}
			}), 2, 6).Draw(rt, "listeners")
			for _, l := range listeners {
				if _, ok := alone[l]; !ok {
					alone[l] = h.events(t, l)
					if !strings.Contains(alone[l], `"data":{`) {
						rt.Fatalf("%+v alone is told %s", l, alone[l])
					}
				}
			}
			got := make([]string, len(listeners))
			var all sync.WaitGroup
			for i, l := range listeners {
				all.Go(func() { got[i] = h.events(t, l) })
			}
			all.Wait()
			for i, l := range listeners {
				if got[i] != alone[l] {
					rt.Fatalf("%+v beside %+v is told\n%s\nand alone\n%s", l, listeners, got[i], alone[l])
				}
			}
		})
	})
}

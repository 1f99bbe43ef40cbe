package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/graph/limit"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/trait"
)

// What somebody wrote can be asked for as often as an answer has room.
func TestAnswersAreBounded(t *testing.T) {
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.found(t, "Wordy")
	made, err := campaign.Create(c.ctx, h.DB, campaign.CreateInput{Name: "Wordy"})
	if err != nil {
		t.Fatal(err)
	}
	const pages, each = 100, 3 * feedback.MaxComment
	recordings := make([]feedback.Recording, pages)
	for i := range recordings {
		recordings[i] = feedback.Recording{
			Campaign: made.NodeID(), Score: 5, Channel: response.ChannelAPI, Comment: new(strings.Repeat("€", feedback.MaxComment)),
			Traits: trait.Values{"about": strings.Repeat("€", 500)},
		}
	}
	if _, err := h.Log.Record(c.ctx, recordings); err != nil {
		t.Fatal(err)
	}
	most := limit.MaxAnswer / (pages * each)
	for aliases, codes := range map[int][]string{most: nil, most + 1: {"TOO_COMPLEX"}} {
		var fields strings.Builder
		for i := range aliases {
			fmt.Fprintf(&fields, " a%d: comment", i)
		}
		a := h.ask(t, c.secrets[auth.Read], `{ responses(first: 100) { nodes { id`+fields.String()+` } } }`, nil)
		if got := slices.Compact(a.codes()); !slices.Equal(got, codes) {
			t.Errorf("%d times the comment: %q, want %q", aliases, got, codes)
		}
		if len(a.Errors) > 20 || len(a.text) > limit.MaxAnswer+(1<<20) {
			t.Errorf("%d times the comment: %d errors in %d bytes", aliases, len(a.Errors), len(a.text))
		}
	}
	if a := h.ask(t, c.secrets[auth.Read], `{ responses(first: 100) { nodes { traits } } }`, nil); len(a.Errors) > 0 {
		t.Errorf("traits: %.300s", a.text)
	}
}

package graph_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/ent/response"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/trait"
)

// busy is a campaign that several people write to.
type busy struct {
	h        *house
	c        *company
	campaign string

	mu sync.Mutex
	// scores are what each response had last, also of those that are gone.
	scores map[string]int
	facts  map[string]facts
	err    error
	// only says that nothing is amended or deleted.
	only bool
}

// facts are what does not change of a response.
type facts struct{ slow, gamer bool }

// write records, amends and deletes until it is told to stop, and says each time that something was written.
func (b *busy) write(seed int, stop <-chan struct{}, wrote chan<- struct{}) {
	var own []string
	for i := seed; ; i += 7 {
		select {
		case <-stop:
			return
		default:
		}
		var err error
		switch {
		case len(own) > 20 && !b.only:
			if _, err = b.h.Log.Delete(b.c.ctx, own[0]); err == nil {
				own = own[1:]
			}
		case i%3 == 0 && len(own) > 0 && !b.only:
			amended, score := own[i%len(own)], i%11
			b.mu.Lock()
			b.scores[amended] = score
			b.mu.Unlock()
			_, err = b.h.Log.Amend(b.c.ctx, feedback.Amendment{ID: amended, Score: &score})
		default:
			in := feedback.Recording{
				Campaign: b.campaign, Score: i % 11, Channel: response.ChannelAPI, Comment: new([]string{"fast", "rather slow"}[i%2]),
				Traits: trait.Values{"persona": []string{"gamer", "senior"}[i/2%2], "plan": "Basic"},
			}
			var out []feedback.Outcome[ent.Response]
			if out, err = b.h.Log.Record(b.c.ctx, []feedback.Recording{in}); err == nil {
				id := out[0].Value.NodeID()
				own = append(own, id)
				b.mu.Lock()
				b.scores[id], b.facts[id] = in.Score, facts{slow: i%2 == 1, gamer: i/2%2 == 0}
				b.mu.Unlock()
			}
		}
		if err != nil {
			b.mu.Lock()
			b.err = err
			b.mu.Unlock()
			for { // nobody waits for what does not come
				select {
				case <-stop:
					return
				case wrote <- struct{}{}:
				}
			}
		}
		select {
		case wrote <- struct{}{}:
		default:
		}
	}
}

// told is an event as a client hears it.
type told struct {
	Cursor, Kind, ResponseID string
	PreviousScore            *int
	Response                 *struct {
		Score   int
		Comment string
	}
}

// since is what a subscription tells after the cursor, up to the first of the response.
func (h *house) since(t *testing.T, secret, filter, after, last string) (events []told) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"query":     `subscription($after: String) { feedbackReceived(after: $after, filter: { ` + filter + ` }) { cursor kind responseId previousScore response { score comment } } }`,
		"variables": map[string]any{"after": after},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp := h.send(ctx, t, secret, string(body), "text/event-stream")
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e struct {
			Data   struct{ FeedbackReceived told }
			Errors []any
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.Errors != nil {
			t.Fatalf("%s: %v", data, err)
		}
		events = append(events, e.Data.FeedbackReceived)
		if e.Data.FeedbackReceived.ResponseID == last {
			return events
		}
	}
	t.Fatalf("it ended before %s was told", last)
	return nil
}

// position is that of a cursor that is not masked.
func position(t *testing.T, cursor string) int {
	t.Helper()
	plain, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimPrefix(string(plain), "log:"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// busyList is a way to ask for a page, with the filter that it means, whose own argument may be another.
type busyList struct {
	secret, filter string
	// field leads to the page, and ends what follows the page.
	field, end string
	// has says which responses are meant, and marker is a score of one that is.
	has    func(f facts, score int) bool
	marker int
}

// all is one page with all that there is, and so many are counted.
func (h *house) all(t *testing.T, l busyList) (cursor string, scores map[string]int) {
	t.Helper()
	text := `{ ` + l.field + ` { eventCursor totalCount nodes { id score } }` + l.end + ` }`
	a := h.ask(t, l.secret, text, nil)
	inner := map[string]json.RawMessage{"data": a.Data}
	for len(inner) == 1 { // down to the page
		for _, below := range inner {
			inner = nil
			if err := json.Unmarshal(below, &inner); err != nil {
				t.Fatalf("%s: %s", text, a.text)
			}
		}
	}
	var nodes []struct {
		ID    string
		Score int
	}
	var total int
	if json.Unmarshal(inner["eventCursor"], &cursor) != nil || json.Unmarshal(inner["totalCount"], &total) != nil || json.Unmarshal(inner["nodes"], &nodes) != nil {
		t.Fatalf("%s: %s", text, a.text)
	}
	if total != len(nodes) {
		t.Errorf("%s: %d are counted, and %d are there", text, total, len(nodes))
	}
	scores = map[string]int{}
	for _, n := range nodes {
		if _, twice := scores[n.ID]; twice {
			t.Errorf("%s: %s is there twice", text, n.ID)
		}
		scores[n.ID] = n.Score
	}
	return cursor, scores
}

// While several people write, a page shows what is there where its cursor stands, no more and no less, and what is told after
// the cursor is all the rest, once: for lists of all kinds, and for those who see only a part.
func TestNoGapBetweenListAndEvents(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Busy"))
		made, err := campaign.Create(c.ctx, h.DB, campaign.CreateInput{Name: "Live"})
		if err != nil {
			t.Fatal(err)
		}
		b := &busy{h: h, c: c, campaign: made.NodeID(), scores: map[string]int{}, facts: map[string]facts{}}
		c.ids["camp:Live"] = b.campaign
		whole := c.secrets[auth.Read]
		narrow := h.token(t, whole, c.own(`campaigns: ["<camp:Live>"]`))
		part := h.token(t, whole, c.own(`campaigns: ["<camp:Live>"], segment: "<seg:Gamers>"`))
		const live, gamers = `campaigns: ["<camp:Live>"]`, `campaigns: ["<camp:Live>"], segment: "<seg:Gamers>"`
		every := func(facts, int) bool { return true }
		gaming := func(f facts, _ int) bool { return f.gamer }
		lists := []busyList{
			{whole, live, `responses(first: 100, filter: { %s })`, ``, every, 10},
			{whole, live, `responses(first: 100, orderBy: { field: SCORE, direction: ASC }, filter: { %s })`, ``, every, 10},
			{whole, live + `, categories: [DETRACTOR]`, `responses(first: 100, filter: { %s })`, ``, func(_ facts, score int) bool { return score < 7 }, 0},
			{whole, live + `, search: "slow"`, `responses(last: 100, filter: { %s })`, ``, func(f facts, _ int) bool { return f.slow }, 10},
			{whole, gamers, `responses(first: 100, filter: { %s })`, ``, gaming, 10},
			{whole, gamers + `, scores: [9, 10]`, `responses(first: 100, orderBy: { field: SCORE }, filter: { %s })`, ``, func(f facts, score int) bool { return f.gamer && score > 8 }, 10},
			{whole, live, `campaign(id: "<camp:Live>") { responses(first: 100)`, ` }`, every, 10},
			{whole, live + `, categories: [PASSIVE]`, `feedback(filter: { %s }) { responses(first: 100)`, ` }`, func(_ facts, score int) bool { return score == 7 || score == 8 }, 8},
			{whole, gamers, `segment(id: "<seg:Gamers>") { responses(first: 100, filter: { campaigns: ["<camp:Live>"] })`, ` }`, gaming, 10},
			{narrow, ``, `responses(first: 100)`, ``, every, 10},
			{narrow, `scores: [0, 1, 2, 3]`, `responses(first: 100, filter: { %s })`, ``, func(_ facts, score int) bool { return score < 4 }, 0},
			{part, ``, `responses(first: 100)`, ``, gaming, 10},
			{part, `search: "slow"`, `responses(first: 100, filter: { %s })`, ``, func(f facts, _ int) bool { return f.gamer && f.slow }, 10},
		}
		for i := range lists {
			l := &lists[i]
			l.filter, l.field = c.own(l.filter), c.own(l.field)
			l.field = strings.ReplaceAll(l.field, "%s", l.filter)
		}
		type reading struct {
			cursor string
			scores map[string]int
		}
		pages := make([][]reading, len(lists))
		stop, wrote := make(chan struct{}), make(chan struct{}, 1)
		var writers sync.WaitGroup
		for seed := range 3 {
			writers.Go(func() { b.write(seed, stop, wrote) })
		}
		for range 4 {
			for i, l := range lists {
				<-wrote // something was written since the last page, and somebody may be writing just now
				cursor, scores := h.all(t, l)
				pages[i] = append(pages[i], reading{cursor, scores})
			}
		}
		close(stop)
		writers.Wait()
		if b.err != nil {
			t.Fatal(b.err)
		}
		// The last that each list hears of.
		markers := make([]string, len(lists))
		for i, l := range lists {
			out, err := h.Log.Record(c.ctx, []feedback.Recording{{
				Campaign: b.campaign, Score: l.marker, Channel: response.ChannelAPI, Comment: new("slow"), Traits: trait.Values{"persona": "gamer", "plan": "Basic"},
			}})
			if err != nil {
				t.Fatal(err)
			}
			markers[i] = out[0].Value.NodeID()
		}
		unmarked := func(events []told) []told {
			return slices.DeleteFunc(events, func(e told) bool { return slices.Contains(markers, e.ResponseID) })
		}
		log := unmarked(h.since(t, whole, c.own(live), "", markers[len(markers)-1]))
		gone := map[string]bool{}
		for _, e := range log {
			gone[e.ResponseID] = gone[e.ResponseID] || e.Kind == "DELETED"
		}
		for i, l := range lists {
			for _, p := range pages[i] {
				events := unmarked(h.since(t, l.secret, l.filter, p.cursor, markers[i]))
				// What a client makes of both is the truth.
				rows := maps.Clone(p.scores)
				for _, e := range events {
					if e.Response != nil && l.has(b.facts[e.ResponseID], e.Response.Score) {
						rows[e.ResponseID] = e.Response.Score
					} else {
						delete(rows, e.ResponseID)
					}
				}
				truth := map[string]int{}
				for id, score := range b.scores {
					if !gone[id] && l.has(b.facts[id], score) {
						truth[id] = score
					}
				}
				if !maps.Equal(rows, truth) {
					t.Errorf("%s: a page and what is told after it make %v, want %v", l.field, rows, truth)
				}
				// Where the page stands in the log can be told by its cursor, or by how much of all that the caller sees comes after it.
				seen := log
				if l.secret == part {
					seen = slices.DeleteFunc(slices.Clone(log), func(e told) bool { return !b.facts[e.ResponseID].gamer })
				}
				at := len(seen) - len(events)
				switch {
				case l.secret == whole:
					stands := position(t, p.cursor)
					at = 0
					for at < len(seen) && position(t, seen[at].Cursor) <= stands {
						at++
					}
					for _, e := range events {
						if position(t, e.Cursor) <= stands {
							t.Errorf("%s: an event at %d is told after a page at %d", l.field, position(t, e.Cursor), stands)
						}
					}
				case l.filter != "":
					continue
				}
				if at < 0 {
					t.Fatalf("%s: %d events are told, of %d", l.field, len(events), len(seen))
				}
				if want := b.replay(seen, at, l); !maps.Equal(p.scores, want) {
					t.Errorf("%s: the page at %d of %d shows %v, want %v", l.field, at, len(seen), p.scores, want)
				}
			}
		}
	})
}

// replay is what a list shows after so many of the events.
func (b *busy) replay(log []told, at int, l busyList) map[string]int {
	scores := map[string]int{}
	for _, e := range log[:at] {
		if scores[e.ResponseID] = b.scores[e.ResponseID]; e.Kind == "DELETED" {
			delete(scores, e.ResponseID)
		}
	}
	for _, e := range slices.Backward(log[at:]) {
		if _, there := scores[e.ResponseID]; there && e.PreviousScore != nil {
			scores[e.ResponseID] = *e.PreviousScore
		}
	}
	maps.DeleteFunc(scores, func(id string, score int) bool { return !l.has(b.facts[id], score) })
	return scores
}

// What an operation shows beside the cursor of the whole log holds all that comes before it.
func TestCursorComesFirst(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.fill(t, h.found(t, "Busy"))
		whole := c.secrets[auth.Read]
		b := &busy{h: h, c: c, campaign: c.ids["camp:Relationship"], scores: map[string]int{}, facts: map[string]facts{}, only: true}
		stop, wrote := make(chan struct{}), make(chan struct{}, 1)
		var writers sync.WaitGroup
		for seed := range 2 {
			writers.Go(func() { b.write(seed, stop, wrote) })
		}
		for range 30 {
			<-wrote
			a := h.ask(t, whole, `query { ...All ... { feedback { trend(interval: YEAR) { score { responses } } } } } fragment All on Query { feedback { score { responses } } responses(first: 1) { totalCount } at: eventCursor }`, nil)
			var data struct {
				Feedback  struct{ Score struct{ Responses int } }
				Responses struct{ TotalCount int }
				At        string
			}
			if err := json.Unmarshal(a.Data, &data); err != nil || len(a.Errors) > 0 {
				t.Fatal(a.text)
			}
			// Nothing is amended or deleted: each position is a response.
			if at := position(t, data.At); data.Feedback.Score.Responses < at || data.Responses.TotalCount < at {
				t.Errorf("at %d it shows %d responses, and a total of %d", at, data.Feedback.Score.Responses, data.Responses.TotalCount)
			}
		}
		close(stop)
		writers.Wait()
		if b.err != nil {
			t.Fatal(b.err)
		}
		for name, narrowing := range map[string]string{"campaigns": `campaigns: ["<camp:Support>"]`, "segment": `segment: "<seg:Gamers>"`} {
			a := h.ask(t, h.token(t, whole, c.own(narrowing)), `{ eventCursor }`, nil)
			if codes := a.codes(); !slices.Equal(codes, []string{"FORBIDDEN"}) {
				t.Errorf("narrowed by %s: %s", name, a.text)
			}
		}
		// Of two pages a narrowed token cannot tell whether anything came in between, and each is good.
		token := h.token(t, whole, c.own(`campaigns: ["<camp:Support>"]`))
		first, scores := h.all(t, busyList{secret: token, field: `responses(first: 100)`})
		second, again := h.all(t, busyList{secret: token, field: `responses(first: 100)`})
		if first == second || !maps.Equal(scores, again) {
			t.Errorf("the cursors %q and %q of the same page", first, second)
		}
		out, err := h.Log.Record(c.ctx, []feedback.Recording{{Campaign: c.ids["camp:Support"], Score: 1, Channel: response.ChannelAPI}})
		if err != nil {
			t.Fatal(err)
		}
		last := out[0].Value.NodeID()
		for _, cursor := range []string{first, second} {
			if events := h.since(t, token, "", cursor, last); len(events) != 1 {
				t.Errorf("%d events are told", len(events))
			}
		}
		// Another token's is none.
		a := h.ask(t, h.token(t, whole, c.own(`campaigns: ["<camp:Support>", "<camp:Closed>"]`)), `subscription { feedbackReceived(after: "`+first+`") { kind } }`, nil)
		if codes := a.codes(); !slices.Equal(codes, []string{"BAD_REQUEST"}) {
			t.Errorf("with another's cursor: %s", a.text)
		}
	})
}

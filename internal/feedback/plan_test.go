package feedback

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/trait"
)

var planned = time.Date(2025, 7, 1, 12, 0, 0, 0, time.UTC)

// newState is a tenant's with one campaign, the dimension plan and no responses.
func newState(t *testing.T) (s *settings.State, campaign uuid.UUID) {
	t.Helper()
	campaign = id.New()
	g, err := cube.NewGeneration(0, trait.Shape{Zone: "UTC", Dimensions: []trait.Dimension{{Key: "plan", Kind: trait.Text}}})
	if err != nil {
		t.Fatal(err)
	}
	g.Whole = true
	return &settings.State{
		Generations: cube.Generations{Tenant: id.New(), Active: g}, Zone: "UTC", Campaigns: map[uuid.UUID]settings.Campaign{campaign: {Name: "Campaign", Status: "ACTIVE"}},
		Traits: map[string]trait.Definition{"plan": {Key: "plan", Kind: trait.Text, IsDimension: true}},
	}, campaign
}

func stored(s *settings.State, campaign uuid.UUID, score int, plan string) *ent.Response {
	return &ent.Response{
		ID: id.New(), TenantID: s.Tenant, CampaignID: campaign, Score: score, Channel: "API",
		Traits: trait.Values{"plan": plan}, RespondedAt: planned, RecordedAt: planned, UpdatedAt: planned,
	}
}

// net writes what the deltas of the day cells come to: campaign-wide under profile 0.
func net(p plan) string {
	var texts []string
	for k, n := range p.change.Deltas {
		for score, n := range n {
			if n != 0 && (k.Grain == cube.DayProfile || k.Grain == cube.DayTotal) {
				texts = append(texts, fmt.Sprintf("cube %d profile %d score %d: %+d", k.Generation, k.Profile, score, n))
			}
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}

func kinds(events []Event) string {
	var texts []string
	for _, e := range events {
		text := fmt.Sprint(e.Kind)
		for _, score := range []*int{e.PreviousScore, e.Score} {
			if score == nil {
				text += " -"
			} else {
				text += fmt.Sprint(" ", *score)
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

func TestPlanOneResponse(t *testing.T) {
	s, campaign := newState(t)
	r := stored(s, campaign, 9, "gold")
	s.Active.Place(Fact(r))
	amend := func(a Amendment) *operation { return &operation{amend: &a, target: r.ID} }
	ops := []*operation{
		amend(Amendment{Score: new(3)}), amend(Amendment{Score: new(3)}), amend(Amendment{Comment: new("well")}),
		amend(Amendment{Comment: new("well")}), amend(Amendment{Score: new(5), Comment: new(" ")}),
		{delete: true, target: r.ID}, amend(Amendment{Score: new(1)}), {delete: true, target: r.ID},
	}
	for range 2 { // a flush may be planned again
		p := planFlush(s, found{responses: []*ent.Response{r}}, ops, planned)
		if got, want := kinds(p.events), "2 9 3; 2 - 3; 2 3 5; 3 5 -"; got != want {
			t.Errorf("got the events %s, want %s", got, want)
		}
		if got, want := net(p), "cube 0 profile 0 score 9: -1; cube 0 profile 1 score 9: -1"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if len(p.goneResponses) != 1 || len(p.changedResponses)+len(p.newResponses)+len(p.change.Grown) != 0 {
			t.Errorf("got %+v", p)
		}
		if len(p.tombstones) != 1 || p.tombstones[0].Score != 5 || p.tombstones[0].Values["plan"] != "gold" {
			t.Errorf("got the tombstones %+v", p.tombstones)
		}
		for i, e := range p.entries(7, 1) {
			if e.Position != int64(8+i) || e.Response != nil || e.Gone != p.tombstones[0] {
				t.Errorf("the entry %+v is not of what is deleted in the end", e)
			}
		}
		for i, op := range ops {
			if refused := op.errs != nil; refused != (i > 5) {
				t.Errorf("%d: %v", i, op.errs)
			}
		}
		if r.Score != 9 || r.Comment != nil {
			t.Fatalf("what was read has changed: %v", r)
		}
	}
	if first := ops[0].response; first.Score != 3 {
		t.Errorf("the first answer has changed since: %v", first)
	}
}

func TestPlanErase(t *testing.T) {
	s, campaign := newState(t)
	person := contact.New(&contact.Input{ExternalID: new("a"), Traits: trait.Values{"plan": "gold"}}, planned)
	r := stored(s, campaign, 9, "gold")
	r.ContactID = &person.ID
	s.Active.Place(Fact(r))
	ops := []*operation{
		{record: &Recording{Campaign: id.Campaign.Format(campaign), Score: 2, Channel: "API", Contact: &contact.Input{ExternalID: new("a")}}, campaign: campaign},
		{erase: true, target: person.ID},
		{erase: true, target: person.ID},
		{upsert: &contact.Input{ExternalID: new("a")}},
	}
	p := planFlush(s, found{contacts: []*ent.Contact{person, person}, responses: []*ent.Response{r}}, ops, planned)
	if ops[1].errs != nil || ops[1].erased != 2 || ops[2].errs == nil {
		t.Errorf("got %+v and %+v", ops[1].outcome, ops[2].outcome)
	}
	if len(p.goneContacts) != 1 || len(p.newContacts) != 1 || len(p.newResponses) != 1 || len(p.changedResponses) != 1 || len(p.changedContacts) != 0 {
		t.Fatalf("got %+v", p)
	}
	for _, r := range []*ent.Response{p.newResponses[0], p.changedResponses[0]} {
		if r.ContactID != nil || len(r.Traits) != 0 {
			t.Errorf("%v is still somebody's", r)
		}
	}
	want := "cube 0 profile 0 score 2: +1; cube 0 profile 1 score 9: -1; cube 0 profile 2 score 2: +1; cube 0 profile 2 score 9: +1"
	if got := net(p); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(p.change.Grown) != 1 || p.change.Grown[0].Profiles[0].Values[0] != trait.None {
		t.Errorf("got %v", p.change.Grown)
	}
}

// TestPlanEntries has one flush write several events of a response: each shows it as it is in the end.
func TestPlanEntries(t *testing.T) {
	s, campaign := newState(t)
	r := stored(s, campaign, 9, "gold")
	s.Active.Place(Fact(r))
	ops := []*operation{
		{amend: &Amendment{Score: new(3)}, target: r.ID},
		{record: &Recording{Campaign: id.Campaign.Format(campaign), Score: 2, Channel: "API"}, campaign: campaign},
		{amend: &Amendment{Comment: new("well")}, target: r.ID},
	}
	p := planFlush(s, found{responses: []*ent.Response{r}}, ops, planned)
	entries := p.entries(0, 1)
	if len(entries) != 3 || entries[1].Response.Score != 2 {
		t.Fatalf("got %+v", entries)
	}
	for _, e := range []*Entry{entries[0], entries[2]} {
		if e.Gone != nil || e.Response.Score != 3 || e.Response.Comment == nil || *e.Response.Comment != "well" {
			t.Errorf("entry %d has %v", e.Position, e.Response)
		}
	}
	if *entries[0].Score != 3 || *entries[0].PreviousScore != 9 || entries[2].PreviousScore != nil {
		t.Errorf("got %+v", entries)
	}
	ops[2].response.Score = 11 // the caller's
	if entries[2].Response.Score != 3 {
		t.Error("a caller can change what listeners have")
	}
}

// TestPlanNarrowed records for callers who are narrowed to campaigns.
func TestPlanNarrowed(t *testing.T) {
	s, campaign := newState(t)
	in := &Recording{Campaign: id.Campaign.Format(campaign), Score: 2, Channel: "API"}
	unknown := planFlushOne(s, &operation{record: in, campaign: id.New()})
	for name, test := range map[string]struct {
		narrowing auth.Narrowing
		refused   bool
	}{
		"to all":     {auth.Narrowing{}, false},
		"to it":      {auth.Narrowing{Campaigns: []uuid.UUID{id.New(), campaign}}, false},
		"to another": {auth.Narrowing{Campaigns: []uuid.UUID{id.New()}}, true},
		"to none":    {auth.Narrowing{Campaigns: []uuid.UUID{}}, true},
	} {
		op := planFlushOne(s, &operation{record: in, campaign: campaign, narrowing: test.narrowing})
		if (op.errs != nil) != test.refused || test.refused && !reflect.DeepEqual(op.errs, unknown.errs) {
			t.Errorf("narrowed %s: got %v, and for one that there is not %v", name, op.errs, unknown.errs)
		}
	}
}

func planFlushOne(s *settings.State, op *operation) *operation {
	planFlush(s, found{}, []*operation{op}, planned)
	return op
}

// TestPlanWhileBuilding changes responses on both sides of where the next generation has come to.
func TestPlanWhileBuilding(t *testing.T) {
	s, campaign := newState(t)
	before, after := stored(s, campaign, 9, "gold"), stored(s, campaign, 9, "gold")
	next, err := cube.NewGeneration(1, trait.Shape{Zone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	next.BuiltTo = before.ID
	s.Building = next
	s.Active.Place(Fact(before))
	next.Place(Fact(before))
	var ops []*operation
	for _, r := range []*ent.Response{before, after} {
		ops = append(ops, &operation{amend: &Amendment{Score: new(0)}, target: r.ID})
	}
	ops = append(ops, &operation{record: &Recording{Campaign: id.Campaign.Format(campaign), Score: 10, Channel: "API"}, campaign: campaign})
	p := planFlush(s, found{responses: []*ent.Response{before, after}}, ops, planned)
	want := strings.Join([]string{
		"cube 0 profile 0 score 0: +2", "cube 0 profile 0 score 10: +1", "cube 0 profile 0 score 9: -2",
		"cube 0 profile 1 score 0: +2", "cube 0 profile 1 score 9: -2", "cube 0 profile 2 score 10: +1",
		"cube 1 profile 0 score 0: +1", "cube 1 profile 0 score 9: -1", "cube 1 profile 1 score 0: +1", "cube 1 profile 1 score 9: -1",
	}, "; ")
	if got := net(p); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPlanKeys(t *testing.T) {
	s, campaign := newState(t)
	r := Recording{Campaign: id.Campaign.Format(campaign), Score: 7, Channel: "API", IdempotencyKey: new("k")}
	other, elsewhere := r, r
	other.Score = 8
	elsewhere.IdempotencyKey = new("l")
	ops := []*operation{{record: &r, campaign: campaign}, {record: &r, campaign: campaign}, {record: &other, campaign: campaign}, {record: &elsewhere, campaign: campaign}}
	p := planFlush(s, found{}, ops, planned)
	if len(p.newKeys) != 2 || len(p.newResponses) != 2 || len(p.events) != 2 {
		t.Fatalf("got %+v", p)
	}
	if ops[0].replayed || !ops[1].replayed || ops[1].response != ops[0].response || ops[2].errs == nil || ops[3].response == ops[0].response {
		t.Errorf("got %+v", ops)
	}
	if slices.Equal(p.newKeys[0].content, p.newKeys[1].content) {
		t.Error("equal contents under two keys can be told to be equal")
	}
	// What is refused leaves its key free.
	r.Campaign, ops[0].campaign = id.Campaign.Format(id.New()), id.New()
	if p := planFlush(s, found{}, ops[:1], planned); !p.empty() || ops[0].errs == nil {
		t.Errorf("got %+v", p)
	}
}

// Whoever only collects waits for a write, whether what is brought is known already or not.
func TestCollectWritesWhatIsKnown(t *testing.T) {
	s, _ := newState(t)
	known := contact.New(&contact.Input{ExternalID: new("ann"), Email: new("ann@example.org"), Name: new("Ann")}, planned)
	known.ID, known.TenantID = id.New(), s.Tenant
	for name, in := range map[string]contact.Input{
		"an id": {ExternalID: new("ann")}, "an address": {Email: new("ann@example.org")},
		"all": {ExternalID: new("ann"), Email: new("ann@example.org"), Name: new("Ann")},
	} {
		for _, blind := range []bool{true, false} {
			again := in
			p := planFlush(s, found{contacts: []*ent.Contact{known}}, []*operation{{upsert: &in, blind: blind}, {upsert: &again, blind: blind}}, planned.Add(time.Hour))
			if p.empty() == blind || len(p.newContacts) > 0 || blind && len(p.changedContacts) != 1 {
				t.Errorf("%s, blind %v: got %d changed and %d new", name, blind, len(p.changedContacts), len(p.newContacts))
			}
			if blind && len(p.changedContacts) == 1 && !reflect.DeepEqual(p.changedContacts[0], known) {
				t.Errorf("%s: got %v, want nothing changed", name, p.changedContacts[0])
			}
		}
	}
}

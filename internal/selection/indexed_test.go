package selection_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/follow"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/search"
	"github.com/zeroten/zeroten/internal/search/searchtest"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tail"
	"github.com/zeroten/zeroten/internal/trait"
)

// herd is a tenant with many responses, few of which are looked for, and what they say.
type herd struct {
	*feedbacktest.Fixture
	states *settings.States
	rare   uuid.UUID // a segment
	all    map[uuid.UUID]*ent.Response
	random *rand.Rand
	person int
}

func newHerd(t *testing.T, db *store.DB) *herd {
	t.Helper()
	h := &herd{
		Fixture: feedbacktest.New(t, db), states: settings.NewStates(db), all: map[uuid.UUID]*ent.Response{}, random: rand.New(rand.NewPCG(1, 2)),
	}
	h.Define("plan", trait.Text, true)
	s, err := settings.CreateSegment(h.Ctx, db, settings.CreateSegmentInput{
		Name: "Rare", Rule: segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"rare", "never"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.rare = s.ID
	h.Many(2_500, func(i int, r *feedback.Recording) {
		r.Score, r.Comment, r.Traits["plan"] = i%11, new(fmt.Sprint("as usual ", i)), "gold"
		if i%300 == 0 {
			r.Comment = new("A zebra crossing")
		}
		if i%400 == 0 {
			r.Traits["plan"] = "rare"
		}
	})
	h.read()
	return h
}

func (h *herd) read() {
	h.T.Helper()
	rows, err := h.DB.Ent.Response.Query().All(h.Ctx)
	if err != nil {
		h.T.Fatal(err)
	}
	for _, r := range rows {
		h.all[r.ID] = r
	}
}

// any is one of the responses that are looked for, or now and then another.
func (h *herd) any() *ent.Response {
	ids := slices.SortedFunc(maps.Keys(h.all), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	if h.random.IntN(4) > 0 {
		ids = slices.DeleteFunc(ids, func(r uuid.UUID) bool { return !zebra(h.all[r]) && h.all[r].Traits["plan"] != "rare" })
	}
	return h.all[ids[h.random.IntN(len(ids))]]
}

func zebra(r *ent.Response) bool {
	return r.Comment != nil && strings.Contains(strings.ToLower(*r.Comment), "zebra")
}

// write changes something by the log, and the herd's own picture of it.
func (h *herd) write() {
	h.T.Helper()
	said := []string{"A zebra crossing", "ZEBRAS!", "nothing much", ""}
	switch h.random.IntN(6) {
	case 0, 1:
		h.person++
		r := h.Record(h.With(func(r *feedback.Recording) {
			r.Comment = new(said[h.random.IntN(3)])
			r.Contact = &contact.Input{ExternalID: new(fmt.Sprint(h.person)), Traits: trait.Values{"plan": []string{"rare", "gold"}[h.random.IntN(2)]}}
			r.RespondedAt = new(feedbacktest.Clock().Add(-time.Duration(h.random.IntN(700)) * time.Hour))
		}))
		h.all[r.ID] = r
	case 2, 3:
		out, err := h.Log.Amend(h.Ctx, feedback.Amendment{ID: h.any().NodeID(), Comment: new(said[h.random.IntN(len(said))]), Score: new(h.random.IntN(11))})
		if err != nil || out.Value == nil {
			h.T.Fatal(err, out.Errors)
		}
		h.all[out.Value.ID] = out.Value
	case 4:
		r := h.any()
		if out, err := h.Log.Delete(h.Ctx, r.NodeID()); err != nil || out.Value == nil {
			h.T.Fatal(err, out.Errors)
		}
		delete(h.all, r.ID)
	default:
		r := h.any()
		if r.ContactID == nil {
			return
		}
		if out, err := h.Log.Erase(h.Ctx, id.Contact.Format(*r.ContactID)); err != nil || out.Value == nil {
			h.T.Fatal(err, out.Errors)
		}
		h.read()
	}
}

// check compares what is listed and counted with what there is.
func (h *herd) check(when string) {
	h.T.Helper()
	campaign := feedbacktest.MustParse(h.T, id.Campaign, h.Campaign)
	for who, n := range map[string]auth.Narrowing{"all": {}, "campaign": {Campaigns: []uuid.UUID{campaign}}, "segment": {Segment: h.rare}} {
		for what, filter := range map[string]selection.Filter{
			"zebra": {Search: new("zebra")}, "zebra crossing": {Search: new("cross ZEB")}, "rare": {Segment: new(id.Segment.Format(h.rare))},
			"both": {Search: new("zebra"), Segment: new(id.Segment.Format(h.rare))}, "nowhere": {Search: new("nowhere")},
		} {
			want := map[uuid.UUID]bool{}
			for _, r := range h.all {
				said := ""
				if r.Comment != nil {
					said = strings.ToLower(*r.Comment)
				}
				if (filter.Segment == nil && n.Segment == uuid.Nil || r.Traits["plan"] == "rare") &&
					(filter.Search == nil || *filter.Search == "zebra" && strings.Contains(said, "zebra") || what == "zebra crossing" && said == "a zebra crossing") {
					want[r.ID] = true
				}
			}
			for _, field := range []selection.OrderField{selection.ByRespondedAt, selection.ByScore} {
				ctx := auth.With(h.Ctx, auth.Caller{Tenant: h.Tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: n})
				list, err := selection.List(ctx, h.DB, h.states, filter, selection.Within{}, page.Args{First: new(100)},
					&selection.Order{Field: field, Direction: selection.Ascending}, feedbacktest.Clock())
				if err != nil {
					h.T.Fatal(err)
				}
				total, err := list.TotalCount(ctx)
				if err != nil {
					h.T.Fatal(err)
				}
				if list.Len() != min(100, len(want)) || total != len(want) {
					h.T.Errorf("%s: %s of %s by %s: %d are listed, and %d counted, of %d", when, what, who, field, list.Len(), total, len(want))
				}
				for i, r := range list.Nodes() {
					if !want[r.ID] {
						h.T.Errorf("%s: %s of %s by %s: %s is listed", when, what, who, field, r.NodeID())
					}
					if i > 0 && field == selection.ByScore && list.Nodes()[i-1].Score > r.Score || i > 0 && field == selection.ByRespondedAt && list.Nodes()[i-1].RespondedAt.After(r.RespondedAt) {
						h.T.Errorf("%s: %s of %s by %s: %s is in the wrong place", when, what, who, field, r.NodeID())
					}
				}
			}
		}
	}
}

// Whether the index is kept, or is not any more, or lags behind: whatever was written is found once the call returned, and
// nothing else; and in the end the index holds what there is, once.
func TestFoundByTheIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for how, after := range map[string]func(h *herd){
			"none":    func(*herd) {},
			"stopped": func(*herd) {},
			"behind":  func(h *herd) { searchtest.Index(h.Ctx, h.T, db, h.Tenant, h.random.IntN(4)) },
			"running": func(*herd) {},
		} {
			t.Run(how, func(t *testing.T) {
				h := newHerd(t, db)
				if how == "stopped" || how == "behind" {
					searchtest.IndexAll(h.Ctx, t, db, h.Tenant)
				}
				stop := func() {}
				if how == "running" {
					stop = keep(t, db)
				}
				h.check("at first")
				for i := range 40 {
					h.write()
					after(h)
					if i%4 == 0 {
						h.check(fmt.Sprint(how, " after ", i))
					}
				}
				stop()
				searchtest.IndexAll(h.Ctx, t, db, h.Tenant)
				searchtest.Sound(h.Ctx, t, db, h.Tenant)
				h.check("in the end")
			})
		}
	})
}

// keep has the index kept until stop.
func keep(t *testing.T, db *store.DB) (stop func()) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	from := tail.New(db, tail.Config{Log: log})
	r := follow.NewRunner(db, from, follow.Config{Log: log, Poll: time.Millisecond})
	r.Handle(search.Kind(db, slog.New(slog.DiscardHandler)))
	r.Start()
	return func() {
		r.Close()
		from.Close()
	}
}

// What the index proposes is paid for by what is looked at, and is a small part of what going through all costs.
func TestPriceByTheIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHerd(t, db)
		spent := 0
		ctx := rate.WithSpender(h.Ctx, func(n int) error { spent += n; return nil }, false)
		ask := func(ctx context.Context, f selection.Filter) int {
			spent = 0
			list, err := selection.List(ctx, db, h.states, f, selection.Within{}, page.Args{First: new(20)}, nil, feedbacktest.Clock())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := list.TotalCount(ctx); err != nil {
				t.Fatal(err)
			}
			return spent
		}
		zebras := selection.Filter{Search: new("zebra")}
		before := ask(ctx, zebras)
		searchtest.IndexAll(h.Ctx, t, db, h.Tenant)
		// What is looked at in the list's order before the index is asked, for the page and for its count, a few statements, and
		// what it proposes.
		most := 384.0*rate.LookUpPrice + 2*rate.IndexPrice + 3*rate.StatementPrice + 9*(rate.LookUpPrice+rate.PassPrice)
		if price := ask(ctx, zebras); float64(price) > most || price >= before {
			t.Errorf("a search costs %d points by the index, want at most %.1f; without it %d", price, most, before)
		}
	})
}

// Each beginning of a word that the index is asked for is paid for, the short ones more; and however many words a search has,
// it asks for few. What the tenant's log is long for counts besides.
func TestPriceOfBeginnings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHerd(t, db)
		searchtest.IndexAll(h.Ctx, t, db, h.Tenant)
		spent := 0
		ctx := rate.WithSpender(h.Ctx, func(n int) error { spent += n; return nil }, false)
		ask := func(said string) int {
			spent = 0
			list, err := selection.List(ctx, db, h.states, selection.Filter{Search: &said}, selection.Within{}, page.Args{First: new(20)}, nil, feedbacktest.Clock())
			if err != nil || list.Len() > 0 {
				t.Fatalf("%q: %d are found, %v", said, list.Len(), err)
			}
			return spent
		}
		one := ask("nowhere")
		for said, questions := range map[string]int{
			"nowhere usual": 2, "nowhere us": 5, "nowhere usu": 3, "nowhere usual" + strings.Repeat(" as us", 30): 2, "nowhere a-s": 1,
		} {
			// Of what is left at the end nothing is paid.
			if got, want := ask(said), one+(questions-1)*rate.IndexPrice; got < want-1 || got > want+1 {
				t.Errorf("%q costs %d points, and one beginning %d; want %d", said, got, one, want)
			}
		}
		// As if most of it were gone by now.
		if err := db.Write(h.Ctx, func(tx *store.Tx) error {
			for _, statement := range []string{
				`UPDATE tenants SET log_position = log_position + 600000 WHERE id = $1`, `UPDATE followers SET position = position + 600000 WHERE tenant_id = $1`,
			} {
				if _, err := tx.SQL.ExecContext(h.Ctx, statement, h.Tenant); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got, want := ask("nowhere"), one+600_000/rate.ListedPerPoint; got < want-1 || got > want+1 {
			t.Errorf("in a long log it costs %d points, want %d", got, want)
		}
	})
}

// What is recorded in other campaigns than the caller's shows in no price of theirs, while the index has not come to it.
func TestPriceTellsNothingOfWhatTheIndexLacks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHerd(t, db)
		searchtest.IndexAll(h.Ctx, t, db, h.Tenant)
		campaigns := []uuid.UUID{feedbacktest.MustParse(t, id.Campaign, h.Campaign)}
		ask := func() (shown map[string]int, hidden int) {
			shown = map[string]int{}
			for what, filter := range map[string]selection.Filter{
				"words": {Search: new("zebra")}, "rare": {Search: new("nowhere")}, "rule": {Where: &segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"rare"}}}},
			} {
				for _, field := range []selection.OrderField{selection.ByRespondedAt, selection.ByScore} {
					spent := 0
					ctx := rate.WithBlind(auth.With(h.Ctx, auth.Caller{
						Tenant: h.Tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: auth.Narrowing{Campaigns: campaigns},
					}), func(n int) error { spent += n; return nil }, func(n int) error { hidden += max(0, n); return nil })
					list, err := selection.List(ctx, db, h.states, filter, selection.Within{}, page.Args{First: new(20)}, &selection.Order{Field: field}, feedbacktest.Clock())
					if err != nil {
						t.Fatal(err)
					}
					if _, err := list.TotalCount(ctx); err != nil {
						t.Fatal(err)
					}
					shown[fmt.Sprint(what, " by ", field)] = spent
				}
			}
			return shown, hidden
		}
		before, hidden := ask()
		mine := h.Campaign
		h.Campaign = h.Open("Secret")
		h.Many(9_000, func(_ int, r *feedback.Recording) { r.Comment, r.Traits["plan"] = new("zebra"), "rare" })
		now, more := ask()
		if !maps.Equal(now, before) || more <= hidden {
			t.Errorf("it costs %v, and with others just recorded %v; hidden %d and %d", before, now, hidden, more)
		}
		h.Campaign = mine
		h.Many(2_100, func(_ int, r *feedback.Recording) { r.Comment = new("as usual") })
		if now, _ := ask(); maps.Equal(now, before) {
			t.Error("the index is of use while it lacks more than 2,000 of the caller's own")
		}
	})
}

// Where what is looked for is dense at first and nearly nowhere after that, the index is asked before all is gone through.
func TestAskedLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		f := feedbacktest.New(t, db)
		f.Define("plan", trait.Text, true)
		f.Many(18_000, func(i int, r *feedback.Recording) { // over four weeks
			r.RespondedAt, r.Comment, r.Traits["plan"] = new(feedbacktest.Clock().Add(-time.Duration(i)*140*time.Second)), new("as usual"), "gold"
			if i < 384 && i%12 == 0 {
				r.Comment = new("An outage")
			}
			if i < 2_200 && i%10 == 0 || i%500 == 0 {
				r.Traits["plan"] = "rare"
			}
		})
		searchtest.IndexAll(f.Ctx, t, db, f.Tenant)
		states := settings.NewStates(db)
		state, err := states.Get(f.Ctx, f.Tenant)
		if err != nil {
			t.Fatal(err)
		}
		spent := 0
		campaign := feedbacktest.MustParse(t, id.Campaign, f.Campaign)
		ctx := rate.WithSpender(auth.With(f.Ctx, auth.Caller{
			Tenant: f.Tenant, Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: auth.Narrowing{Campaigns: []uuid.UUID{campaign}},
		}), func(n int) error { spent += n; return nil }, false)
		list := func(first int) *selection.Connection {
			list, err := selection.List(ctx, db, states, selection.Filter{Search: new("outage")}, selection.Within{}, page.Args{First: &first}, nil, feedbacktest.Clock())
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		// Besides what is looked at before it is asked: whatever statements, and twice what it proposes.
		most := func(proposed int, row float64) int {
			return int(2_048*row + 20*rate.StatementPrice + 2*float64(proposed)*row)
		}
		for what, test := range map[string]struct {
			ask        func() int
			want, most int
		}{
			"a list": {func() int { return list(100).Len() }, 32, most(32, rate.LookUpPrice+rate.PassPrice)},
			"a count": {func() int {
				few := list(5)
				spent = 0
				n, err := few.TotalCount(ctx)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}, 32, most(32, rate.LookUpPrice+rate.PassPrice)},
			"what is dense for longer": {func() (n int) {
				rare := selection.Filter{Where: &segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"rare"}}}}
				err := selection.Times(ctx, db, state, rare, selection.Within{}, feedbacktest.Clock(), func() { n = 0 }, func(time.Time, int) { n++ })
				if err != nil {
					t.Fatal(err)
				}
				return n
			}, 251, most(251, rate.LookUpPrice+rate.ProfilePrice)},
		} {
			spent = 0
			if got := test.ask(); got != test.want || spent > test.most {
				t.Errorf("%s: found %d for %d points, want %d for %d at most", what, got, spent, test.want, test.most)
			}
		}
	})
}

// Statements are paid for that give nothing: of the index, and of campaigns that have no responses.
func TestPriceOfNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHerd(t, db)
		searchtest.IndexAll(h.Ctx, t, db, h.Tenant)
		spent := 0
		ctx := rate.WithSpender(h.Ctx, func(n int) error { spent += n; return nil }, false)
		var campaigns []string
		for i := range 20 {
			c, err := campaign.Create(h.Ctx, db, campaign.CreateInput{Name: fmt.Sprint("Campaign ", i)})
			if err != nil {
				t.Fatal(err)
			}
			campaigns = append(campaigns, id.Campaign.Format(c.ID))
		}
		for what, test := range map[string]struct {
			campaigns []string
			want      float64
		}{
			"the index":       {nil, 384*rate.LookUpPrice + rate.IndexPrice + 3*rate.StatementPrice},
			"empty campaigns": {campaigns, rate.StatementPrice + 19*rate.RangePrice},
		} {
			spent = 0
			filter := selection.Filter{Search: new("nowhere"), Campaigns: test.campaigns}
			list, err := selection.List(ctx, db, h.states, filter, selection.Within{}, page.Args{First: new(20)}, nil, feedbacktest.Clock())
			if err != nil || list.Len() > 0 {
				t.Fatalf("%s: %d are found, %v", what, list.Len(), err)
			}
			if float64(spent) < test.want-1 { // of what is left at the end nothing is paid
				t.Errorf("%s: cost %d points, want %.1f", what, spent, test.want)
			}
		}
	})
}

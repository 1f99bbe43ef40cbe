package contact_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
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
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"pgregory.net/rapid"
)

const model = 3

// ranks gives contacts a risk by a model.
func ranks(t testing.TB, ctx context.Context, db *store.DB, number int64, risks map[uuid.UUID]int) {
	t.Helper()
	err := db.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.SQL.ExecContext(ctx, `DELETE FROM contact_risks WHERE tenant_id = $1 AND model = $2`, auth.Tenant(ctx), number); err != nil {
			return err
		}
		for c, risk := range risks {
			_, err := tx.SQL.ExecContext(ctx, `INSERT INTO contact_risks (tenant_id, contact_id, model, risk) VALUES ($1, $2, $3, $4)`, auth.Tenant(ctx), c, number, risk)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ranksAll gives all contacts a risk by the model.
func ranksAll(t *testing.T, ctx context.Context, db *store.DB, risk string) {
	t.Helper()
	_, err := db.Writer.ExecContext(ctx, `INSERT INTO contact_risks (tenant_id, contact_id, model, risk)
		SELECT tenant_id, id, 3, `+risk+` FROM contacts WHERE tenant_id = $1`, auth.Tenant(ctx))
	if err != nil {
		t.Fatal(err)
	}
}

// By risk, whichever way and however long the pages are, whoever has none last and in the order in which they came, those of
// equal risk too, whatever else is looked for. Only who came late may be without: those whose ids are older all had a risk.
func TestOrderByRisk(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, others := newTenant(t, db), newTenant(t, db)
		const old, late = 12, 8
		var all []*ent.Contact
		err := db.Write(ctx, func(tx *store.Tx) error {
			for i := range old + late {
				c, err := tx.Ent.Contact.Create().SetName(fmt.Sprintf("%c%02d", []rune("aÅ")[i%2], i)).SetTraits(nil).Save(ctx)
				if err != nil {
					return err
				}
				all = append(all, c)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		someone := add(t, others, db, person{name: "another tenant's"})[0]
		ranks(t, others, db, model, map[uuid.UUID]int{someone.ID: 5})
		log := newLog(t, db)
		gave := map[uuid.UUID]bool{}
		c, err := campaign.Create(ctx, db, campaign.CreateInput{Name: "Campaign"})
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(all); i += 3 {
			externalID := fmt.Sprint(i)
			if _, err := db.Writer.ExecContext(ctx, `UPDATE contacts SET external_id = $1 WHERE tenant_id = $2 AND id = $3`, externalID, auth.Tenant(ctx), all[i].ID); err != nil {
				t.Fatal(err)
			}
			out, err := log.Record(ctx, []feedback.Recording{{Campaign: id.Campaign.Format(c.ID), Score: 3, Channel: "API", Contact: &contact.Input{ExternalID: &externalID}}})
			if err != nil || out[0].Value == nil {
				t.Fatal(err, out)
			}
			gave[all[i].ID] = true
		}
		states := settings.NewStates(db)
		rapid.Check(t, func(rt *rapid.T) {
			risks, none := map[uuid.UUID]int{}, rapid.Bool().Draw(rt, "nobody is ranked")
			for i, c := range all {
				if i < old || rapid.Bool().Draw(rt, "is ranked") {
					risks[c.ID] = rapid.SampledFrom([]int{0, 1, 500_000_000, 1_000_000_000}).Draw(rt, "risk")
				}
			}
			ranks(t, ctx, db, model, risks)
			ranked := &contact.Ranked{Model: model, Complete: all[rapid.SampledFrom([]int{0, old / 2, old - 1}).Draw(rt, "complete")].ID}
			if none {
				ranked, risks = nil, nil
			}
			order := &contact.Order{Field: contact.ByRisk, Direction: rapid.SampledFrom([]page.Direction{page.Ascending, page.Descending}).Draw(rt, "direction")}
			f := contact.Filter{OrderBy: order, Risks: func(context.Context) (*contact.Ranked, error) { return ranked, nil }}
			if text := rapid.SampledFrom([]string{"", "a", "Å", "1"}).Draw(rt, "search"); text != "" {
				f.Search = &text
			}
			if rapid.Bool().Draw(rt, "whether they answered") {
				f.Answered = new(rapid.Bool().Draw(rt, "answered"))
			}
			var want []string
			for _, c := range inOrder(all, risks, order.Direction) {
				if (f.Search == nil || strings.Contains(strings.ToLower(*c.Name), strings.ToLower(*f.Search))) && (f.Answered == nil || gave[c.ID] == *f.Answered) {
					want = append(want, *c.Name)
				}
			}
			size := rapid.SampledFrom([]int{2, 7, 20}).Draw(rt, "size")
			if got := names(t, ctx, db, states, size, f); !slices.Equal(got, want) {
				rt.Fatalf("got %q\nwant %q", got, want)
			}
		})
	})
}

// inOrder is the order of the list, said plainly.
func inOrder(all []*ent.Contact, risks map[uuid.UUID]int, direction page.Direction) []*ent.Contact {
	return slices.SortedFunc(slices.Values(all), func(a, b *ent.Contact) int {
		first, ranked := risks[a.ID]
		second, other := risks[b.ID]
		if ranked != other {
			if ranked {
				return -1
			}
			return 1
		}
		c := cmp.Or(cmp.Compare(first, second), bytes.Compare(a.ID[:], b.ID[:]))
		if direction == page.Descending {
			return -c
		}
		return c
	})
}

func newLog(t *testing.T, db *store.DB) *feedback.Log {
	t.Helper()
	log, err := feedback.NewLog(db, feedback.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return log
}

// While one model follows another, whose risks are gone then, a page is read again: it does not come out short. Cursors lead on.
func TestAnotherModelMeanwhile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		var people []person
		for i := range 30 {
			people = append(people, person{name: fmt.Sprintf("p%02d", i)})
		}
		all := add(t, ctx, db, people...)
		rising, falling := map[uuid.UUID]int{}, map[uuid.UUID]int{}
		for i, c := range all {
			rising[c.ID], falling[c.ID] = i*10, 1_000-i*10
		}
		ranks(t, ctx, db, 1, rising)
		current, asked := int64(1), 0
		f := contact.Filter{
			OrderBy: &contact.Order{Field: contact.ByRisk, Direction: page.Ascending},
			Risks: func(context.Context) (*contact.Ranked, error) {
				is := current
				if asked++; asked == 1 {
					ranks(t, ctx, db, 1, nil)
					ranks(t, ctx, db, 2, falling)
					current = 2
				}
				return &contact.Ranked{Model: is, Complete: all[29].ID}, nil
			},
		}
		list, err := contact.List(ctx, db, nil, nil, nil, page.Args{First: new(10)}, f, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if got := list.Nodes(); len(got) != 10 || *got[0].Name != "p29" || *got[9].Name != "p20" || !list.PageInfo.HasNextPage {
			t.Errorf("%d: %v", len(got), got)
		}
		next, err := contact.List(ctx, db, nil, nil, nil, page.Args{First: new(10), After: list.PageInfo.EndCursor}, f, time.Now())
		if err != nil || *next.Nodes()[0].Name != "p19" {
			t.Errorf("%v, %v", next, err)
		}
		// A cursor is good for its own order.
		for _, order := range []*contact.Order{nil, {Field: contact.ByRisk}, {Field: contact.ByName, Direction: page.Ascending}} {
			f.OrderBy = order
			_, err := contact.List(ctx, db, nil, nil, nil, page.Args{After: list.PageInfo.EndCursor}, f, time.Now())
			wantCode(t, err, "BAD_REQUEST")
		}
	})
}

// Whoever is narrowed must not learn by whom the tenant is liked. To them there is nobody who never answered.
func TestNarrowedHaveNoRisks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		log := newLog(t, db)
		c, err := campaign.Create(ctx, db, campaign.CreateInput{Name: "Campaign"})
		if err != nil {
			t.Fatal(err)
		}
		add(t, ctx, db, person{name: "silent", externalID: "silent"})
		for _, name := range []string{"one", "two"} {
			out, err := log.Record(ctx, []feedback.Recording{{Campaign: id.Campaign.Format(c.ID), Score: 3, Channel: "API", Contact: &contact.Input{ExternalID: &name, Name: &name}}})
			if err != nil || out[0].Value == nil {
				t.Fatal(err, out)
			}
		}
		caller, _ := auth.From(ctx)
		caller.Scopes, caller.Narrowing = []auth.Scope{auth.Read}, auth.Narrowing{Campaigns: []uuid.UUID{c.ID}}
		narrow := auth.With(ctx, caller)
		states := settings.NewStates(db)
		f := contact.Filter{
			OrderBy: &contact.Order{Field: contact.ByRisk},
			Risks:   func(context.Context) (*contact.Ranked, error) { panic("asked for somebody who must not know") },
		}
		_, err = contact.List(narrow, db, states, nil, nil, page.Args{}, f, time.Now())
		wantCode(t, err, "FORBIDDEN")
		for ever, want := range map[bool][]string{true: {"two", "one"}, false: nil} {
			if got := names(t, narrow, db, states, 1, contact.Filter{Answered: &ever}); !slices.Equal(got, want) {
				t.Errorf("answered %v: %q, want %q", ever, got, want)
			}
		}
		for ever, want := range map[bool][]string{true: {"two", "one"}, false: {"silent"}} {
			if got := names(t, ctx, db, states, 1, contact.Filter{Answered: &ever}); !slices.Equal(got, want) {
				t.Errorf("who is not narrowed, answered %v: %q, want %q", ever, got, want)
			}
		}
	})
}

// A page in the order of risks costs what a page costs, and reads as little, however many contacts there are. What is looked
// through for something else is paid for.
func TestPriceOfRisks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		people := make([]person, 3_000)
		for i := range people {
			people[i].name = fmt.Sprintf("p%04d", i)
		}
		all := add(t, ctx, db, people...)
		ranksAll(t, ctx, db, `length(name)`)
		spent := 0
		paying := rate.WithSpender(ctx, func(n int) error { spent += n; return nil }, false)
		ranked := &contact.Ranked{Model: model}
		price := func(args page.Args, search *string) (points, found int) {
			t.Helper()
			spent = 0
			list, err := contact.List(paying, db, nil, nil, nil, args, contact.Filter{
				Search: search, OrderBy: &contact.Order{Field: contact.ByRisk},
				Risks: func(context.Context) (*contact.Ranked, error) { return ranked, nil },
			}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return spent, list.Len()
		}
		if points, n := price(page.Args{}, nil); points != 0 || n != page.DefaultSize {
			t.Errorf("the first page has %d for %d points", n, points)
		}
		if points, n := price(page.Args{}, new("p2999")); n != 1 || points < 3_000/rate.SearchedPerPoint-10 {
			t.Errorf("one of all is found: %d for %d points", n, points)
		}
		// All have come just now, and so those without a risk are looked for among all.
		if points, n := price(page.Args{Last: new(5)}, nil); n != 5 || points < 3_000/rate.SearchedPerPoint-10 {
			t.Errorf("the last page has %d for %d points", n, points)
		}
		ranked.Complete = all[len(all)-1].ID
		if points, n := price(page.Args{Last: new(5)}, nil); n != 5 || points != 0 {
			t.Errorf("the last page has %d for %d points, where nobody can be without a risk", n, points)
		}
	})
}

// Risks are read along their index, in either direction, and nobody is sorted.
func TestRisksAreWalked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db)
		people := make([]person, 2_000)
		for i := range people {
			people[i].name = fmt.Sprint(i)
		}
		add(t, ctx, db, people...)
		ranksAll(t, ctx, db, `CAST(name AS integer)`)
		explain := `EXPLAIN `
		if db.Dialect == store.SQLite {
			explain = `EXPLAIN QUERY PLAN `
		} else if _, err := db.Writer.ExecContext(ctx, `ANALYZE contact_risks`); err != nil {
			t.Fatal(err)
		}
		for _, desc := range []bool{false, true} {
			var plan strings.Builder
			err := store.Each(ctx, db.Reader, func(rows *sql.Rows) error {
				columns, err := rows.Columns()
				if err != nil {
					return err
				}
				into := make([]any, len(columns))
				for i := range into {
					into[i] = new(any)
				}
				if err := rows.Scan(into...); err != nil {
					return err
				}
				fmt.Fprintln(&plan, *into[len(into)-1].(*any))
				return nil
			}, explain+contact.WithRisk(desc, true), auth.Tenant(ctx), model, 50, 1_000, uuid.Nil)
			if err != nil {
				t.Fatal(err)
			}
			if text := plan.String(); !strings.Contains(text, "contact_risk_order") || strings.Contains(text, "Sort") || strings.Contains(text, "TEMP B-TREE") {
				t.Errorf("descending %v: %s", desc, text)
			}
		}
	})
}

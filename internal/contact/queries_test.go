package contact_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/selection"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// newTenant makes a tenant with these traits, and a context in which it calls.
func newTenant(t *testing.T, db *store.DB, traits ...settings.DefineTraitInput) context.Context {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := auth.ForTenant(t.Context(), made.ID)
	b := cube.NewBuilder(db, nil)
	for _, in := range traits {
		if _, err := settings.DefineTrait(ctx, b, in); err != nil {
			t.Fatal(err)
		}
	}
	return ctx
}

// person is a contact to be; what is empty is not given.
type person struct {
	name, email, externalID string
	traits                  trait.Values
}

// add makes contacts, the first of them the oldest.
func add(t *testing.T, ctx context.Context, db *store.DB, people ...person) []*ent.Contact {
	t.Helper()
	given := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	var all []*ent.Contact
	err := db.Write(ctx, func(tx *store.Tx) error {
		for chunk := range slices.Chunk(people, 500) {
			var creates []*ent.ContactCreate
			for _, p := range chunk {
				if p.traits == nil {
					p.traits = trait.Values{}
				}
				create := tx.Ent.Contact.Create().SetNillableName(given(p.name)).SetNillableEmail(given(p.email)).
					SetNillableExternalID(given(p.externalID)).SetTraits(p.traits)
				if p.email != "" {
					create.SetEmailKey(contact.EmailKey(p.email))
				}
				creates = append(creates, create)
			}
			made, err := tx.Ent.Contact.CreateBulk(creates...).Save(ctx)
			if err != nil {
				return err
			}
			all = append(all, made...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantCode(t *testing.T, err error, want apierror.Code) {
	t.Helper()
	var e *apierror.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestFindAndGet(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, other := newTenant(t, db), newTenant(t, db)
		ada := add(t, ctx, db, person{name: "Ada", email: "Ada@Example.org", externalID: "A-1"}, person{externalID: "a-1"})[0]
		text := id.Contact.Format(ada.ID)
		for _, test := range []struct {
			name                  string
			id, externalID, email *string
			found                 bool
		}{
			{"by id", &text, nil, nil, true},
			{"by external id", nil, new("A-1"), nil, true},
			{"by e-mail", nil, nil, new("Ada@Example.org"), true},
			{"by e-mail in capitals", nil, nil, new("ADA@EXAMPLE.ORG"), true},
			{"by another id", new(id.Contact.Format(id.New())), nil, nil, false},
			{"by another external id", nil, new("A-2"), nil, false},
			{"by no external id", nil, new(""), nil, false},
			{"by another e-mail", nil, nil, new("ada@example.com"), false},
		} {
			t.Run(test.name, func(t *testing.T) {
				c, err := contact.Find(ctx, db, nil, test.id, test.externalID, test.email)
				if err != nil || (c != nil) != test.found || (c != nil && c.ID != ada.ID) {
					t.Errorf("got %v, %v", c, err)
				}
				if c, err := contact.Find(other, db, nil, test.id, test.externalID, test.email); c != nil || err != nil {
					t.Errorf("another tenant got %v, %v", c, err)
				}
			})
		}
		for name, by := range map[string][3]*string{
			"nothing":           {},
			"two":               {&text, new("A-1"), nil},
			"three":             {&text, new("A-1"), new("ada@example.org")},
			"no id":             {new("Ada"), nil, nil},
			"a segment's id":    {new(id.Segment.Format(ada.ID)), nil, nil},
			"a long externalId": {nil, new(strings.Repeat("x", 201)), nil},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := contact.Find(ctx, db, nil, by[0], by[1], by[2])
				wantCode(t, err, apierror.BadRequestCode)
			})
		}
		if c, err := contact.Find(ctx, db, nil, new(ada.NodeID()), nil, nil); err != nil || *c.Name != "Ada" {
			t.Errorf("got %v, %v", c, err)
		}
		if c, err := contact.Find(other, db, nil, new(ada.NodeID()), nil, nil); c != nil || err != nil {
			t.Errorf("another tenant got %v, %v", c, err)
		}
	})
}

// names reads a list page by page, forwards and backwards, and checks that both are the same and that the total is.
func names(t *testing.T, ctx context.Context, db *store.DB, states *settings.States, size int, f contact.Filter, visible ...contact.Visible) []string {
	t.Helper()
	name := func(c *ent.Contact) string {
		if c.Name == nil {
			return "-"
		}
		return *c.Name
	}
	visible = append(visible, nil)
	var few contact.Few
	if !auth.Narrowed(ctx).IsZero() && visible[0] == nil {
		few = func(ctx context.Context) ([]uuid.UUID, bool, error) { return selection.FewContacts(ctx, db, states) }
	}
	var forwards, backwards []string
	for args := (page.Args{First: &size}); ; {
		list, err := contact.List(ctx, db, states, visible[0], few, args, f, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list.Nodes() {
			forwards = append(forwards, name(c))
		}
		if !list.PageInfo.HasNextPage {
			break
		}
		args.After = list.PageInfo.EndCursor
	}
	for args := (page.Args{Last: &size}); ; {
		list, err := contact.List(ctx, db, states, visible[0], few, args, f, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range slices.Backward(list.Nodes()) {
			backwards = append(backwards, name(c))
		}
		if !list.PageInfo.HasPreviousPage {
			if n, err := list.TotalCount(ctx); err != nil || n != len(forwards) {
				t.Errorf("total %d, %v; want %d", n, err, len(forwards))
			}
			break
		}
		args.Before = list.PageInfo.StartCursor
	}
	slices.Reverse(backwards)
	if !slices.Equal(forwards, backwards) {
		t.Errorf("forwards %v, backwards %v", forwards, backwards)
	}
	return forwards
}

func TestSearch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, other := newTenant(t, db), newTenant(t, db)
		add(t, ctx, db,
			person{name: "Ada", email: "ada@example.org"},
			person{name: "Émile Zola", externalID: "C_1"},
			person{name: "emile", externalID: "CX1"},
			person{name: "100%", externalID: `a\b`},
			person{name: "100 %", email: "ÉMILE@example.org"},
			person{name: "Müller", externalID: "ADAM"},
			person{name: "MÜLLER-LÜDENSCHEIDT"},
			person{name: "Mller"},
			person{name: "nobody"},
		)
		add(t, other, db, person{name: "Ada of another tenant"})
		states := settings.NewStates(db)
		for search, want := range map[string][]string{
			"":           {"nobody", "Mller", "MÜLLER-LÜDENSCHEIDT", "Müller", "100 %", "100%", "emile", "Émile Zola", "Ada"},
			"ada":        {"Müller", "Ada"},
			"ADA":        {"Müller", "Ada"},
			"EXAMPLE.":   {"100 %", "Ada"},
			"0%":         {"100%"},
			"%":          {"100 %", "100%"},
			"c_1":        {"Émile Zola"},
			`\`:          {"100%"},
			`a\b`:        {"100%"},
			"émile":      {"100 %", "Émile Zola"},
			"ÉMILE Z":    {"Émile Zola"},
			"müLLer":     {"MÜLLER-LÜDENSCHEIDT", "Müller"},
			"Ü":          {"MÜLLER-LÜDENSCHEIDT", "Müller"},
			"müller-lü":  {"MÜLLER-LÜDENSCHEIDT"},
			"' OR 1=1":   nil,
			"Adaadaadae": nil,
		} {
			t.Run(search, func(t *testing.T) {
				if got := names(t, ctx, db, states, 2, contact.Filter{Search: &search}); !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
		_, err := contact.List(ctx, db, states, nil, nil, page.Args{}, contact.Filter{Search: new(strings.Repeat("x", 201))}, time.Now())
		wantCode(t, err, apierror.BadRequestCode)
		_, err = contact.List(ctx, db, states, nil, nil, page.Args{After: new("x")}, contact.Filter{}, time.Now())
		wantCode(t, err, apierror.BadRequestCode)
	})
}

func TestListBySegment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		traits := []settings.DefineTraitInput{
			{Key: "plan", Kind: trait.Text, IsDimension: true},
			{Key: "age", Kind: trait.Number, IsDimension: true, Edges: []float64{18, 65}},
		}
		ctx, other := newTenant(t, db, traits...), newTenant(t, db, traits...)
		save := func(name string, rule segment.Rule) string {
			t.Helper()
			g, err := settings.CreateSegment(ctx, db, settings.CreateSegmentInput{Name: name, Rule: rule})
			if err != nil {
				t.Fatal(err)
			}
			return id.Segment.Format(g.ID)
		}
		gold := save("gold", segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold"}}})
		adult := save("adult", segment.Rule{Trait: &segment.Condition{Key: "age", AtLeast: new(18.0)}})
		unknown := save("unknown", segment.Rule{Trait: &segment.Condition{Key: "age", IsKnown: new(false)}})

		// More than one chunk, and few in the segments.
		people := make([]person, 2_345)
		wants := map[string][]string{}
		for i := range people {
			p := &people[i]
			p.name, p.traits = fmt.Sprint(i), trait.Values{"plan": "silver", "age": 17.0}
			if i%500 == 0 {
				p.traits["plan"] = "gold"
				wants[gold] = append(wants[gold], p.name)
			}
			if i%800 == 1 {
				p.traits["age"] = 18.0
				wants[adult] = append(wants[adult], p.name)
			}
			if i == 77 {
				p.traits["age"] = "17"
				wants[unknown] = append(wants[unknown], p.name)
			}
		}
		add(t, ctx, db, people...)
		add(t, other, db, person{name: "Ada", traits: trait.Values{"plan": "gold"}})

		states := settings.NewStates(db)
		for which, want := range wants {
			slices.Reverse(want)
			if got := names(t, ctx, db, states, 2, contact.Filter{Segment: &which}); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		if got := names(t, ctx, db, states, 2, contact.Filter{Segment: &gold, Search: new("00")}); !slices.Equal(got, []string{"2000", "1500", "1000", "500"}) {
			t.Errorf("segment and search: got %v", got)
		}

		_, err := contact.List(other, db, states, nil, nil, page.Args{}, contact.Filter{Segment: &gold}, time.Now())
		wantCode(t, err, apierror.NotFoundCode)
		none := id.Segment.Format(id.New())
		_, unknownErr := contact.List(ctx, db, states, nil, nil, page.Args{}, contact.Filter{Segment: &none}, time.Now())
		wantCode(t, unknownErr, apierror.NotFoundCode)
		if a, b := strings.ReplaceAll(err.Error(), gold, "…"), strings.ReplaceAll(unknownErr.Error(), none, "…"); a != b {
			t.Errorf("another tenant's segment: %s; an unknown one: %s", a, b)
		}
		_, err = contact.List(ctx, db, states, nil, nil, page.Args{}, contact.Filter{Segment: new("gold")}, time.Now())
		wantCode(t, err, apierror.BadRequestCode)
	})
}

// Values that the cube no longer keeps apart are (other) for contacts as they are for responses.
func TestListBySegmentBeyondTheDictionary(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db, settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true})
		g, err := settings.CreateSegment(ctx, db, settings.CreateSegmentInput{
			Name: "other", Rule: segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{trait.Other}}}})
		if err != nil {
			t.Fatal(err)
		}
		add(t, ctx, db, person{name: "known", traits: trait.Values{"plan": "p7"}}, person{name: "late", traits: trait.Values{"plan": "p201"}})
		states := settings.NewStates(db)
		text := id.Segment.Format(g.ID)
		if got := names(t, ctx, db, states, 2, contact.Filter{Segment: &text}); got != nil {
			t.Errorf("before: got %v, want nobody", got)
		}
		err = db.WriteSettings(ctx, auth.Tenant(ctx), func(tx *store.Tx) error {
			s, err := settings.LoadTx(ctx, tx.SQL, auth.Tenant(ctx))
			if err != nil {
				return err
			}
			for i := range trait.MaxValues {
				if _, err := tx.SQL.ExecContext(ctx, `INSERT INTO profiles (tenant_id, cube, id, channel, variant, dimension_values)
					VALUES ($1, $2, $3, 'API', '(none)', $4)`, s.Tenant, s.Active.Number, i+1, fmt.Sprintf(`["p%d"]`, i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := names(t, ctx, db, states, 2, contact.Filter{Segment: &text}); !slices.Equal(got, []string{"late"}) {
			t.Errorf("got %v, want late", got)
		}
	})
}

// narrowed is the context of a caller of the same tenant who is narrowed.
func narrowed(ctx context.Context, n auth.Narrowing) context.Context {
	return auth.With(ctx, auth.Caller{Tenant: auth.Tenant(ctx), Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: n})
}

func TestNarrowed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db, settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true})
		states := settings.NewStates(db)
		gold := settings.CreateSegmentInput{Name: "Gold", Rule: segment.Rule{Trait: &segment.Condition{Key: "plan", In: []string{"gold"}}}}
		saved, err := settings.CreateSegment(ctx, db, gold)
		if err != nil {
			t.Fatal(err)
		}
		gold.Name = "Other"
		other, err := settings.CreateSegment(ctx, db, gold)
		if err != nil {
			t.Fatal(err)
		}
		// More than are looked at in one go: of every four, one answered in the first campaign, one in the second, one in
		// both, and one nowhere.
		var people []person
		for i := range 2_200 {
			people = append(people, person{name: fmt.Sprintf("P%04d", i), externalID: fmt.Sprint(i), traits: trait.Values{"plan": []string{"gold", "basic", "none"}[i%3]}})
		}
		contacts := add(t, ctx, db, people...)
		var campaigns []uuid.UUID
		err = db.Write(ctx, func(tx *store.Tx) error {
			for _, name := range []string{"A", "B"} {
				c, err := tx.Ent.Campaign.Create().SetName(name).SetQuestion("?").SetFollowUpQuestion("?").Save(ctx)
				if err != nil {
					return err
				}
				campaigns = append(campaigns, c.ID)
			}
			var all []*ent.ResponseCreate
			for i, c := range contacts {
				for j, campaign := range campaigns {
					if i%4 == j || i%4 == 2 {
						all = append(all, tx.Ent.Response.Create().SetCampaignID(campaign).SetContactID(c.ID).SetScore(9).SetChannel("API").
							SetTraits(trait.Values{}).SetRespondedAt(time.Now()).SetRecordedAt(time.Now()).SetUpdatedAt(time.Now()))
					}
				}
			}
			for chunk := range slices.Chunk(all, 500) {
				if _, err := tx.Ent.Response.CreateBulk(chunk...).Save(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		even := func(_ context.Context, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
			visible := map[uuid.UUID]bool{}
			for i, c := range contacts {
				if i%2 == 0 && slices.Contains(ids, c.ID) {
					visible[c.ID] = true
				}
			}
			return visible, nil
		}
		for name, test := range map[string]struct {
			narrowing auth.Narrowing
			visible   contact.Visible
			is        func(i int) bool
		}{
			"to a campaign":               {auth.Narrowing{Campaigns: campaigns[:1]}, nil, func(i int) bool { return i%4 == 0 || i%4 == 2 }},
			"to both":                     {auth.Narrowing{Campaigns: campaigns}, nil, func(i int) bool { return i%4 < 3 }},
			"to none":                     {auth.Narrowing{Campaigns: []uuid.UUID{}}, nil, func(int) bool { return false }},
			"to a segment":                {auth.Narrowing{Segment: saved.ID}, even, func(i int) bool { return i%2 == 0 }},
			"to a segment and a campaign": {auth.Narrowing{Segment: saved.ID, Campaigns: campaigns[1:]}, even, func(i int) bool { return i%4 == 2 }},
		} {
			t.Run(name, func(t *testing.T) {
				ctx := narrowed(ctx, test.narrowing)
				expect := func(also func(i int) bool) []string {
					var want []string
					for i := range slices.Backward(people) {
						if test.is(i) && also(i) {
							want = append(want, people[i].name)
						}
					}
					return want
				}
				for filter, f := range map[string]struct {
					filter contact.Filter
					also   func(i int) bool
				}{
					"all":     {contact.Filter{}, func(int) bool { return true }},
					"search":  {contact.Filter{Search: new("p00")}, func(i int) bool { return i < 100 }},
					"segment": {contact.Filter{Segment: new(saved.NodeID())}, func(i int) bool { return i%3 == 0 }},
				} {
					if got, want := names(t, ctx, db, states, 100, f.filter, test.visible), expect(f.also); !slices.Equal(got, want) {
						t.Errorf("%s: got %d, want %d: %v", filter, len(got), len(want), got)
					}
				}
				for i, c := range contacts[:8] {
					for _, by := range [][2]*string{{new(c.NodeID()), nil}, {nil, c.ExternalID}} {
						found, err := contact.Find(ctx, db, test.visible, by[0], by[1], nil)
						if err != nil || (found != nil) != test.is(i) {
							t.Errorf("contact %d: got %v, %v", i, found, err)
						}
					}
				}
				_, err := contact.List(ctx, db, states, test.visible, nil, page.Args{}, contact.Filter{Segment: new(other.NodeID())}, time.Now())
				if test.narrowing.Segment != uuid.Nil {
					wantCode(t, err, apierror.NotFoundCode)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
	})
}

package action_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/action"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/campaign"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/segment"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
	"github.com/zeroten/zeroten/internal/trait"
)

// house is a tenant with some campaigns and segments.
type house struct {
	ctx                 context.Context //nolint:containedctx // it names the tenant
	db                  *store.DB
	campaigns, segments []uuid.UUID
}

func newHouse(t *testing.T, db *store.DB) *house {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{ctx: auth.ForTenant(t.Context(), made.ID), db: db}
	if _, err := settings.DefineTrait(h.ctx, cube.NewBuilder(db, nil), settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c, err := campaign.Create(h.ctx, db, campaign.CreateInput{Name: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		h.campaigns, h.segments = append(h.campaigns, c.ID), append(h.segments, h.segment(t))
	}
	return h
}

func (h *house) segment(t *testing.T) uuid.UUID {
	t.Helper()
	s, err := settings.CreateSegment(h.ctx, h.db, settings.CreateSegmentInput{Name: "Known", Rule: segment.Rule{Trait: &segment.Condition{Key: "plan", IsKnown: new(true)}}})
	if err != nil {
		t.Fatal(err)
	}
	return s.ID
}

func (h *house) note(t *testing.T, in action.CreateInput) *ent.Action {
	t.Helper()
	made, err := action.Create(h.ctx, h.db, in)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func texts(campaigns ...uuid.UUID) []string {
	var all []string
	for _, c := range campaigns {
		all = append(all, id.Campaign.Format(c))
	}
	return all
}

func textOf(s uuid.UUID) *string { return new(id.Segment.Format(s)) }

// show is all of an action but its times and its id.
func (h *house) show(t *testing.T, a *ent.Action) string {
	t.Helper()
	found, err := action.Get(h.ctx, h.db, a.ID)
	if err != nil || found == nil {
		t.Fatalf("got %v, %v", found, err)
	}
	of, err := action.CampaignsOf(h.ctx, h.db, []uuid.UUID{a.ID})
	if err != nil {
		t.Fatal(err)
	}
	text := found.Name + " " + found.StartedOn.String()
	if found.EndedOn != nil {
		text += " to " + found.EndedOn.String()
	}
	if found.Note != nil {
		text += ": " + *found.Note
	}
	if found.SegmentID != nil {
		text += fmt.Sprint(" for segment ", slices.Index(h.segments, *found.SegmentID))
	}
	for _, c := range of[a.ID] {
		text += fmt.Sprint(" of ", slices.Index(h.campaigns, c))
	}
	return text
}

// refusals writes user errors as `CODE field.field`.
func refusals(t *testing.T, err error) []string {
	t.Helper()
	var errs apierror.UserErrors
	if !errors.As(err, &errs) {
		t.Fatalf("got %v, want user errors", err)
	}
	var texts []string
	for _, e := range errs {
		texts = append(texts, string(e.Code)+" "+strings.Join(e.Field, "."))
	}
	return texts
}

var day = calendar.Of(2026, time.June, 1)

func TestCreate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, other := newHouse(t, db), newHouse(t, db)
		many := make([]string, 101)
		for i := range many {
			many[i] = id.Campaign.Format(h.campaigns[0])
		}
		long := strings.Repeat("ü", 10_000)
		for name, test := range map[string]struct {
			in      action.CreateInput
			refused []string
			want    string
		}{
			"no name":              {in: action.CreateInput{StartedOn: day}, refused: []string{"REQUIRED name"}},
			"long texts":           {in: action.CreateInput{Name: strings.Repeat("ü", 201), Note: new(long + "!"), StartedOn: day}, refused: []string{"TOO_LONG name", "TOO_LONG note"}},
			"before 1970":          {in: action.CreateInput{Name: "n", StartedOn: -1}, refused: []string{"OUT_OF_RANGE startedOn"}},
			"ends before":          {in: action.CreateInput{Name: "n", StartedOn: day, EndedOn: new(day - 1)}, refused: []string{"INVALID endedOn"}},
			"no ids":               {in: action.CreateInput{Name: "n", StartedOn: day, Segment: new("x"), Campaigns: []string{"", "x"}}, refused: []string{"INVALID segment", "INVALID campaigns.0", "INVALID campaigns.1"}},
			"another's":            {in: action.CreateInput{Name: "n", StartedOn: day, Segment: textOf(other.segments[0]), Campaigns: texts(h.campaigns[1], other.campaigns[0])}, refused: []string{"NOT_FOUND segment", "NOT_FOUND campaigns.1"}},
			"unknown":              {in: action.CreateInput{Name: "n", StartedOn: day, Segment: textOf(id.New()), Campaigns: texts(id.New(), h.campaigns[1])}, refused: []string{"NOT_FOUND segment", "NOT_FOUND campaigns.0"}},
			"many campaigns":       {in: action.CreateInput{Name: "n", StartedOn: day, Campaigns: many}, refused: []string{"TOO_MANY campaigns"}},
			"a hundred times one":  {in: action.CreateInput{Name: "n", StartedOn: day, Campaigns: many[1:]}, want: "n 2026-06-01 of 0"},
			"all at once":          {in: action.CreateInput{Name: " ", StartedOn: -1, EndedOn: new(calendar.Day(-2)), Segment: new("")}, refused: []string{"REQUIRED name", "OUT_OF_RANGE startedOn", "INVALID endedOn", "INVALID segment"}},
			"least":                {in: action.CreateInput{Name: "n", StartedOn: 0, Note: new(" \n"), Campaigns: []string{}}, want: "n 1970-01-01"},
			"longest, on one day":  {in: action.CreateInput{Name: strings.Repeat("ü", 200), StartedOn: day, EndedOn: &day, Note: &long}, want: strings.Repeat("ü", 200) + " 2026-06-01 to 2026-06-01: " + long},
			"ahead, for ever":      {in: action.CreateInput{Name: "n", StartedOn: calendar.MaxDay, EndedOn: new(calendar.MaxDay)}, want: "n 9999-12-31 to 9999-12-31"},
			"for some":             {in: action.CreateInput{Name: "n", StartedOn: day, Segment: textOf(h.segments[1]), Campaigns: texts(h.campaigns[2], h.campaigns[0], h.campaigns[2])}, want: "n 2026-06-01 for segment 1 of 0 of 2"},
			"of the same name too": {in: action.CreateInput{Name: "n", StartedOn: day}, want: "n 2026-06-01"},
		} {
			t.Run(name, func(t *testing.T) {
				made, err := action.Create(h.ctx, db, test.in)
				if test.refused != nil {
					if got := refusals(t, err); !slices.Equal(got, test.refused) {
						t.Errorf("got %q, want %q", got, test.refused)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := h.show(t, made); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		}
	})
}

// However many are noted at once, there are no more than there may be.
func TestActionsAreBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		err := db.Write(h.ctx, func(tx *store.Tx) error {
			rows := make([]*ent.ActionCreate, action.MaxActions-2)
			for i := range rows {
				rows[i] = tx.Ent.Action.Create().SetName("n").SetStartedOn(day)
			}
			return tx.Ent.Action.CreateBulk(rows...).Exec(h.ctx)
		})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var noted atomic.Int32
		for range 6 {
			wg.Go(func() {
				switch _, err := action.Create(h.ctx, db, action.CreateInput{Name: "n", StartedOn: day}); {
				case err == nil:
					noted.Add(1)
				case !slices.Equal(refusals(t, err), []string{"TOO_MANY "}):
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if n, err := db.Ent.Action.Query().Count(h.ctx); n != action.MaxActions || noted.Load() != 2 || err != nil {
			t.Errorf("there are %d, %d were noted, %v", n, noted.Load(), err)
		}
	})
}

func TestUpdate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, other := newHouse(t, db), newHouse(t, db)
		whole := action.CreateInput{
			Name: "Desk", Note: new("Two shifts."), StartedOn: day, EndedOn: new(day + 10),
			Segment: textOf(h.segments[0]), Campaigns: texts(h.campaigns[0], h.campaigns[1]),
		}
		const before = "Desk 2026-06-01 to 2026-06-11: Two shifts. for segment 0 of 0 of 1"
		for name, test := range map[string]struct {
			in      action.UpdateInput
			refused []string
			want    string
		}{
			"nothing":       {want: before},
			"to what it is": {in: action.UpdateInput{Name: &whole.Name, StartedOn: &day, Note: given(whole.Note), EndedOn: given(whole.EndedOn), Segment: given(whole.Segment), Campaigns: action.Change[[]string]{Given: true, To: texts(h.campaigns[1], h.campaigns[0], h.campaigns[1])}}, want: before},
			"name":          {in: action.UpdateInput{Name: new("Help")}, want: "Help" + before[4:]},
			"start":         {in: action.UpdateInput{StartedOn: new(day + 10)}, want: "Desk 2026-06-11 to 2026-06-11: Two shifts. for segment 0 of 0 of 1"},
			"start beyond":  {in: action.UpdateInput{StartedOn: new(day + 11)}, refused: []string{"INVALID startedOn"}},
			"both days":     {in: action.UpdateInput{StartedOn: new(day + 20), EndedOn: given(new(day + 20))}, want: "Desk 2026-06-21 to 2026-06-21: Two shifts. for segment 0 of 0 of 1"},
			"without end":   {in: action.UpdateInput{StartedOn: new(day + 20), EndedOn: given[calendar.Day](nil)}, want: "Desk 2026-06-21: Two shifts. for segment 0 of 0 of 1"},
			"end before":    {in: action.UpdateInput{EndedOn: given(new(day - 1))}, refused: []string{"INVALID endedOn"}},
			"note":          {in: action.UpdateInput{Note: given(new("Three."))}, want: "Desk 2026-06-01 to 2026-06-11: Three. for segment 0 of 0 of 1"},
			"no note":       {in: action.UpdateInput{Note: given[string](nil)}, want: "Desk 2026-06-01 to 2026-06-11 for segment 0 of 0 of 1"},
			"a blank note":  {in: action.UpdateInput{Note: given(new(""))}, want: "Desk 2026-06-01 to 2026-06-11 for segment 0 of 0 of 1"},
			"segment":       {in: action.UpdateInput{Segment: given(textOf(h.segments[2]))}, want: "Desk 2026-06-01 to 2026-06-11: Two shifts. for segment 2 of 0 of 1"},
			"no segment":    {in: action.UpdateInput{Segment: given[string](nil)}, want: "Desk 2026-06-01 to 2026-06-11: Two shifts. of 0 of 1"},
			"campaigns":     {in: action.UpdateInput{Campaigns: action.Change[[]string]{Given: true, To: texts(h.campaigns[2], h.campaigns[1])}}, want: "Desk 2026-06-01 to 2026-06-11: Two shifts. for segment 0 of 1 of 2"},
			"no campaigns":  {in: action.UpdateInput{Campaigns: action.Change[[]string]{Given: true}}, want: "Desk 2026-06-01 to 2026-06-11: Two shifts. for segment 0"},
			"all away":      {in: action.UpdateInput{Note: given[string](nil), EndedOn: given[calendar.Day](nil), Segment: given[string](nil), Campaigns: action.Change[[]string]{Given: true, To: []string{}}}, want: "Desk 2026-06-01"},
			"all wrong":     {in: action.UpdateInput{ID: "x", Name: new(""), StartedOn: new(calendar.Day(-1)), Note: given(new(strings.Repeat("x", 10_001))), Segment: given(new("x")), Campaigns: action.Change[[]string]{Given: true, To: []string{"x"}}}, refused: []string{"REQUIRED name", "TOO_LONG note", "OUT_OF_RANGE startedOn", "INVALID id", "INVALID segment", "INVALID campaigns.0"}},
			"another's":     {in: action.UpdateInput{Segment: given(textOf(other.segments[0])), Campaigns: action.Change[[]string]{Given: true, To: texts(h.campaigns[0], other.campaigns[0])}}, refused: []string{"NOT_FOUND segment", "NOT_FOUND campaigns.1"}},
		} {
			t.Run(name, func(t *testing.T) {
				made := h.note(t, whole)
				if test.in.ID == "" {
					test.in.ID = made.NodeID()
				}
				saved, err := action.Update(h.ctx, db, test.in)
				if test.refused != nil {
					if got := refusals(t, err); !slices.Equal(got, test.refused) {
						t.Errorf("got %q, want %q", got, test.refused)
					}
					if got := h.show(t, made); got != before {
						t.Errorf("it was changed to %s", got)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := h.show(t, made); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
				if changed := saved.UpdatedAt.After(made.UpdatedAt); changed != (test.want != before) || !saved.CreatedAt.Equal(made.CreatedAt) {
					t.Errorf("made at %v, last changed at %v; it is %s", made.CreatedAt, saved.UpdatedAt, test.want)
				}
			})
		}

		made := h.note(t, whole)
		refuse := func(ctx context.Context, text string) string {
			t.Helper()
			_, err := action.Update(ctx, db, action.UpdateInput{ID: text, Name: new("Mine")})
			if got := refusals(t, err); !slices.Equal(got, []string{"NOT_FOUND id"}) {
				t.Errorf("got %q", got)
			}
			return strings.ReplaceAll(err.Error(), text, "…")
		}
		if foreign, unknown := refuse(other.ctx, made.NodeID()), refuse(h.ctx, id.Action.Format(id.New())); foreign != unknown {
			t.Errorf("another tenant's action: %s; an unknown one: %s", foreign, unknown)
		}
	})
}

func given[T any](to *T) action.Change[*T] { return action.Change[*T]{Given: true, To: to} }

func TestDelete(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, other := newHouse(t, db), newHouse(t, db)
		made := h.note(t, action.CreateInput{Name: "n", StartedOn: day, Segment: textOf(h.segments[0]), Campaigns: texts(h.campaigns...)})
		kept := h.note(t, action.CreateInput{Name: "n", StartedOn: day, Campaigns: texts(h.campaigns...)})
		refuse := func(ctx context.Context, text, want string) string {
			t.Helper()
			_, err := action.Delete(ctx, db, text)
			if got := refusals(t, err); !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, want %s", got, want)
			}
			return strings.ReplaceAll(err.Error(), text, "…")
		}
		if foreign, unknown := refuse(other.ctx, made.NodeID(), "NOT_FOUND id"), refuse(h.ctx, id.Action.Format(id.New()), "NOT_FOUND id"); foreign != unknown {
			t.Errorf("another tenant's action: %s; an unknown one: %s", foreign, unknown)
		}
		refuse(h.ctx, "x", "INVALID id")
		if deleted, err := action.Delete(h.ctx, db, made.NodeID()); err != nil || deleted != made.ID {
			t.Errorf("got %v, %v", deleted, err)
		}
		refuse(h.ctx, made.NodeID(), "NOT_FOUND id")
		if found, err := action.Get(h.ctx, db, made.ID); found != nil || err != nil {
			t.Errorf("got %v, %v", found, err)
		}
		if n, err := db.Ent.ActionCampaign.Query().Count(h.ctx); n != 3 || err != nil {
			t.Errorf("%d campaigns are left of both, %v", n, err)
		}
		if got := h.show(t, kept); got != "n 2026-06-01 of 0 of 1 of 2" {
			t.Errorf("the other is %s", got)
		}
	})
}

// A segment stays as long as an action is for it, and there is no action for one that is gone, whoever comes first.
func TestSegmentsThatAreUsed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		for range 8 {
			s := h.segment(t)
			var wg sync.WaitGroup
			var noted *ent.Action
			var noting, deleting error
			wg.Go(func() {
				noted, noting = action.Create(h.ctx, db, action.CreateInput{Name: "n", StartedOn: day, Segment: textOf(s)})
			})
			wg.Go(func() { _, deleting = settings.DeleteSegment(h.ctx, db, *textOf(s)) })
			wg.Wait()
			switch {
			case noting == nil:
				if got := refusals(t, deleting); !slices.Equal(got, []string{"CONFLICT id"}) || !strings.Contains(deleting.Error(), noted.NodeID()) {
					t.Errorf("deleting: %v", deleting)
				}
				if _, err := action.Update(h.ctx, db, action.UpdateInput{ID: noted.NodeID(), Segment: given[string](nil)}); err != nil {
					t.Fatal(err)
				}
				if _, err := settings.DeleteSegment(h.ctx, db, *textOf(s)); err != nil {
					t.Errorf("once none is for it: %v", err)
				}
			case deleting != nil:
				t.Errorf("neither: %v, %v", noting, deleting)
			default:
				if got := refusals(t, noting); !slices.Equal(got, []string{"NOT_FOUND segment"}) {
					t.Errorf("noting: %v", noting)
				}
			}
		}
	})
}

// Pages hold every action once, in the order of starts, also where many started on one day.
func TestList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, other := newHouse(t, db), newHouse(t, db)
		var all []*ent.Action
		for i := range 11 {
			all = append(all, h.note(t, action.CreateInput{Name: fmt.Sprint(i), StartedOn: day.Add(i * 7 % 3)}))
		}
		slices.SortFunc(all, func(a, b *ent.Action) int {
			return cmp.Or(cmp.Compare(b.StartedOn, a.StartedOn), bytes.Compare(b.ID[:], a.ID[:]))
		})
		for size := range 5 {
			size++
			var forwards, backwards []uuid.UUID
			for args := (page.Args{First: &size}); ; {
				list, err := action.List(h.ctx, db, args)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range list.Nodes() {
					forwards = append(forwards, a.ID)
				}
				if n, err := list.TotalCount(h.ctx); n != len(all) || err != nil {
					t.Errorf("total %d, %v", n, err)
				}
				if !list.PageInfo.HasNextPage {
					break
				}
				args.After = list.PageInfo.EndCursor
			}
			for args := (page.Args{Last: &size}); ; {
				list, err := action.List(h.ctx, db, args)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range slices.Backward(list.Nodes()) {
					backwards = append(backwards, a.ID)
				}
				if !list.PageInfo.HasPreviousPage {
					break
				}
				args.Before = list.PageInfo.StartCursor
			}
			slices.Reverse(backwards)
			for name, got := range map[string][]uuid.UUID{"forwards": forwards, "backwards": backwards} {
				if !slices.EqualFunc(got, all, func(u uuid.UUID, a *ent.Action) bool { return u == a.ID }) {
					t.Errorf("%s by %d: got %v, want %v", name, size, got, all)
				}
			}
		}
		if list, err := action.List(other.ctx, db, page.Args{}); err != nil || len(list.Edges) != 0 {
			t.Errorf("another tenant got %v, %v", list, err)
		}

		slices.Reverse(all)
		for _, test := range []struct {
			first, last calendar.Day
			most, from  int
			until       int
		}{
			{day - 5, day - 1, 100, 0, 0}, {day, day, 100, 0, 4}, {day, day, 3, 0, 4}, {day, day, 2, 0, 3}, {day + 1, day + 2, 100, 4, 11},
			{calendar.MinDay, calendar.MaxDay, 100, 0, 11}, {day + 2, day, 100, 0, 0},
		} {
			got, err := action.Between(h.ctx, db, test.first, test.last, test.most)
			if err != nil || !slices.EqualFunc(got, all[test.from:test.until], func(a, b *ent.Action) bool { return a.ID == b.ID }) {
				t.Errorf("from %s to %s, at most %d: got %v, %v", test.first, test.last, test.most, got, err)
			}
		}
	})
}

// Who is narrowed sees the actions that name nothing which there is not for them, and no others, whatever is asked.
func TestNarrowed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		// For no segment or one of two, and for any of the campaigns.
		type whom struct {
			segment   int // −1 for all
			campaigns []int
		}
		made := map[uuid.UUID]whom{}
		for segment := -1; segment < 2; segment++ {
			for set := range 8 {
				of := whom{segment: segment}
				in := action.CreateInput{Name: "n", StartedOn: day}
				if segment >= 0 {
					in.Segment = textOf(h.segments[segment])
				}
				for c := range 3 {
					if set>>c&1 == 1 {
						of.campaigns, in.Campaigns = append(of.campaigns, c), append(in.Campaigns, texts(h.campaigns[c])...)
					}
				}
				made[h.note(t, in).ID] = of
			}
		}
		for name, test := range map[string]struct {
			narrowing auth.Narrowing
			segment   int // −1 for all
			campaigns []int
		}{
			"not at all":         {auth.Narrowing{}, -1, []int{0, 1, 2}},
			"a campaign":         {auth.Narrowing{Campaigns: h.campaigns[1:2]}, -1, []int{1}},
			"campaigns":          {auth.Narrowing{Campaigns: h.campaigns[:2]}, -1, []int{0, 1}},
			"no campaign":        {auth.Narrowing{Campaigns: []uuid.UUID{}}, -1, nil},
			"a segment":          {auth.Narrowing{Segment: h.segments[0]}, 0, []int{0, 1, 2}},
			"one that none uses": {auth.Narrowing{Segment: h.segments[2]}, 2, []int{0, 1, 2}},
			"one that is gone":   {auth.Narrowing{Segment: id.New()}, 3, []int{0, 1, 2}},
			"both":               {auth.Narrowing{Segment: h.segments[1], Campaigns: h.campaigns[2:]}, 1, []int{2}},
		} {
			t.Run(name, func(t *testing.T) {
				ctx := auth.With(h.ctx, auth.Caller{Tenant: auth.Tenant(h.ctx), Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: test.narrowing})
				list, err := action.List(ctx, db, page.Args{First: new(100)})
				if err != nil {
					t.Fatal(err)
				}
				between, err := action.Between(ctx, db, day, day, 100)
				if err != nil {
					t.Fatal(err)
				}
				around, err := action.Around(ctx, db, day, day, 100)
				if err != nil {
					t.Fatal(err)
				}
				want := 0
				for u, of := range made {
					visible := (test.segment < 0 || of.segment < 0 || of.segment == test.segment) &&
						!slices.ContainsFunc(of.campaigns, func(c int) bool { return !slices.Contains(test.campaigns, c) })
					if visible {
						want++
					}
					found, err := action.Get(ctx, db, u)
					if err != nil {
						t.Fatal(err)
					}
					is := func(a *ent.Action) bool { return a.ID == u }
					if (found != nil) != visible || slices.ContainsFunc(list.Nodes(), is) != visible || slices.ContainsFunc(between, is) != visible ||
						slices.ContainsFunc(around, func(a action.Neighbour) bool { return a.ID == u }) != visible {
						t.Errorf("%+v: visible is %v, got %v", of, visible, found)
					}
					if !visible {
						continue
					}
					campaigns, err := action.CampaignsOf(ctx, db, []uuid.UUID{u})
					if err != nil || len(campaigns[u]) != len(of.campaigns) {
						t.Errorf("%+v is of %v, %v", of, campaigns[u], err)
					}
				}
				if n, err := list.TotalCount(ctx); n != want || err != nil || len(list.Edges) != want || len(between) != want || len(around) != want {
					t.Errorf("%d in all, %d listed, %d between, %d around, want %d, %v", n, len(list.Edges), len(between), len(around), want, err)
				}
			})
		}
	})
}

// What started or ended on the days is given once, and of too much one more than is wanted.
func TestAround(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, other := newHouse(t, db), newHouse(t, db)
		names := map[uuid.UUID]string{}
		for _, in := range []action.CreateInput{
			{Name: "starts before", StartedOn: day - 1},
			{Name: "ends before", StartedOn: day - 9, EndedOn: new(day - 1)},
			{Name: "first", StartedOn: day, Segment: textOf(h.segments[1])},
			{Name: "last", StartedOn: day + 5},
			{Name: "both", StartedOn: day + 1, EndedOn: new(day + 2)},
			{Name: "starts", StartedOn: day + 5, EndedOn: new(day + 20)},
			{Name: "ends first", StartedOn: day - 9, EndedOn: new(day)},
			{Name: "ends last", StartedOn: day - 1, EndedOn: new(day + 5)},
			{Name: "starts after", StartedOn: day + 6, EndedOn: new(day + 6)},
			{Name: "ends after", StartedOn: day - 1, EndedOn: new(day + 6)},
		} {
			names[h.note(t, in).ID] = in.Name
		}
		other.note(t, action.CreateInput{Name: "another's", StartedOn: day, EndedOn: new(day)})
		around := func(ctx context.Context, most int) (found []string) {
			t.Helper()
			all, err := action.Around(ctx, db, day, day+5, most)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range all {
				text := names[a.ID] + " " + fmt.Sprint(int(a.StartedOn-day))
				if a.EndedOn != nil {
					text += " " + fmt.Sprint(int(*a.EndedOn-day))
				}
				if a.SegmentID != nil {
					text += fmt.Sprint(" for segment ", slices.Index(h.segments, *a.SegmentID))
				}
				found = append(found, text)
			}
			slices.Sort(found)
			return found
		}
		want := []string{"both 1 2", "ends first -9 0", "ends last -1 5", "first 0 for segment 1", "last 5", "starts 5 20"}
		for _, most := range []int{100, 6, 5} {
			if got := around(h.ctx, most); !slices.Equal(got, want) {
				t.Errorf("at most %d: got %q, want %q", most, got, want)
			}
		}
		for most := range 5 {
			if got := around(h.ctx, most); len(got) != most+1 {
				t.Errorf("at most %d: got %q", most, got)
			}
		}
	})
}

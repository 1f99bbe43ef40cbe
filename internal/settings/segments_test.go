package settings_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
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

// segmenting makes a tenant with the dimensions plan, a TEXT, and age, a NUMBER cut at 18 and 65, and with a trait
// note that is no dimension; and a context in which it calls.
func segmenting(t *testing.T, db *store.DB) context.Context {
	t.Helper()
	made, _, err := tenant.Create(t.Context(), db, tenant.CreateInput{Name: "Tenant", TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := auth.ForTenant(t.Context(), made.ID)
	b := cube.NewBuilder(db, nil)
	for _, in := range []settings.DefineTraitInput{
		{Key: "plan", Kind: trait.Text, IsDimension: true},
		{Key: "age", Kind: trait.Number, IsDimension: true, Edges: []float64{18, 65}},
		{Key: "note", Kind: trait.Text},
	} {
		if _, err := settings.DefineTrait(ctx, b, in); err != nil {
			t.Fatal(err)
		}
	}
	return ctx
}

func planIn(values ...string) segment.Rule {
	return segment.Rule{Trait: &segment.Condition{Key: "plan", In: values}}
}

// segmentRefusals writes user errors as `CODE field.field`.
func segmentRefusals(t *testing.T, err error) []string {
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

func TestCreateSegment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := segmenting(t, db)
		for name, test := range map[string]struct {
			in   settings.CreateSegmentInput
			want []string
		}{
			"no name":          {settings.CreateSegmentInput{Rule: planIn("gold")}, []string{"REQUIRED name"}},
			"a long name":      {settings.CreateSegmentInput{Name: strings.Repeat("ü", 201), Rule: planIn("gold")}, []string{"TOO_LONG name"}},
			"no rule":          {settings.CreateSegmentInput{Name: "n"}, []string{"INVALID rule"}},
			"name and rule":    {settings.CreateSegmentInput{Name: " "}, []string{"REQUIRED name", "INVALID rule"}},
			"an unknown key":   {settings.CreateSegmentInput{Name: "n", Rule: segment.Rule{Trait: &segment.Condition{Key: "x", IsKnown: new(true)}}}, []string{"NOT_FOUND rule.trait.key"}},
			"no dimension":     {settings.CreateSegmentInput{Name: "n", Rule: segment.Rule{Trait: &segment.Condition{Key: "note", IsKnown: new(true)}}}, []string{"NOT_FOUND rule.trait.key"}},
			"not an edge":      {settings.CreateSegmentInput{Name: "n", Rule: segment.Rule{Any: []segment.Rule{planIn("a"), {Trait: &segment.Condition{Key: "age", AtLeast: new(20.0)}}}}}, []string{"INVALID rule.any.1.trait.atLeast"}},
			"good":             {settings.CreateSegmentInput{Name: strings.Repeat("ü", 200), Rule: planIn("gold")}, nil},
			"of the same name": {settings.CreateSegmentInput{Name: strings.Repeat("ü", 200), Rule: segment.Rule{Not: new(planIn("gold"))}}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				created, err := settings.CreateSegment(ctx, db, test.in)
				if test.want != nil {
					if got := segmentRefusals(t, err); !slices.Equal(got, test.want) {
						t.Errorf("got %q, want %q", got, test.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				found, err := settings.GetSegment(ctx, db, created.ID)
				if err != nil {
					t.Fatal(err)
				}
				if found.Name != test.in.Name || fmt.Sprint(found.Rule.Uses()) != "[plan]" {
					t.Errorf("got %v", found)
				}
				s, err := settings.Load(ctx, db, auth.Tenant(ctx))
				if err != nil {
					t.Fatal(err)
				}
				if s.Segments[created.ID].Name != test.in.Name {
					t.Errorf("the state has %v", s.Segments)
				}
			})
		}
		all, err := settings.ListSegments(ctx, db, page.Args{}, nil)
		if err != nil || len(all.Edges) != 2 {
			t.Errorf("got %v, %v; want the 2 that were not refused", all, err)
		}
	})
}

func TestUpdateSegment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, other := segmenting(t, db), segmenting(t, db)
		made, err := settings.CreateSegment(ctx, db, settings.CreateSegmentInput{Name: "Gold", Rule: planIn("gold")})
		if err != nil {
			t.Fatal(err)
		}
		text, unknown := id.Segment.Format(made.ID), id.Segment.Format(id.New())
		var messages []string
		for _, test := range []struct {
			name string
			ctx  context.Context
			in   settings.UpdateSegmentInput
			want string
		}{
			{"another tenant's", other, settings.UpdateSegmentInput{ID: text, Name: new("Mine")}, "NOT_FOUND id"},
			{"unknown", ctx, settings.UpdateSegmentInput{ID: unknown, Name: new("Mine")}, "NOT_FOUND id"},
			{"malformed", ctx, settings.UpdateSegmentInput{ID: "seg_", Name: new("Mine")}, "INVALID id"},
			{"no name", ctx, settings.UpdateSegmentInput{ID: text, Name: new("")}, "REQUIRED name"},
			{"a bad rule", ctx, settings.UpdateSegmentInput{ID: text, Rule: new(planIn())}, "REQUIRED rule.trait"},
			{"a rule of nothing", ctx, settings.UpdateSegmentInput{ID: text, Rule: &segment.Rule{All: []segment.Rule{}}}, "REQUIRED rule.all"},
		} {
			_, err := settings.UpdateSegment(test.ctx, db, test.in)
			if got := segmentRefusals(t, err); !slices.Equal(got, []string{test.want}) {
				t.Errorf("%s: got %q, want %s", test.name, got, test.want)
			}
			messages = append(messages, strings.ReplaceAll(err.Error(), test.in.ID, "…"))
		}
		if messages[0] != messages[1] {
			t.Errorf("another tenant's segment: %s; an unknown one: %s", messages[0], messages[1])
		}

		same, err := settings.UpdateSegment(ctx, db, settings.UpdateSegmentInput{ID: text, Name: new("Gold"), Rule: new(planIn("gold"))})
		if err != nil || !same.UpdatedAt.Equal(made.UpdatedAt) {
			t.Errorf("a change to what it is already: %v, %v", same, err)
		}
		if _, err := settings.UpdateSegment(ctx, db, settings.UpdateSegmentInput{ID: text, Name: new("Metal")}); err != nil {
			t.Fatal(err)
		}
		if _, err := settings.UpdateSegment(ctx, db, settings.UpdateSegmentInput{ID: text, Rule: new(planIn("gold", "silver"))}); err != nil {
			t.Fatal(err)
		}
		found, err := settings.GetSegment(ctx, db, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if found.Name != "Metal" || !slices.Equal(found.Rule.Trait.In, []string{"gold", "silver"}) || !found.UpdatedAt.After(made.UpdatedAt) {
			t.Errorf("got %v", found)
		}
	})
}

func TestDeleteSegment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, other := segmenting(t, db), segmenting(t, db)
		made, err := settings.CreateSegment(ctx, db, settings.CreateSegmentInput{Name: "Gold", Rule: planIn("gold")})
		if err != nil {
			t.Fatal(err)
		}
		text := id.Segment.Format(made.ID)
		refuse := func(ctx context.Context, text, want string) string {
			t.Helper()
			deleted, err := settings.DeleteSegment(ctx, db, text)
			if got := segmentRefusals(t, err); !slices.Equal(got, []string{want}) || deleted != (uuid.UUID{}) {
				t.Errorf("got %q, %v; want %s", got, deleted, want)
			}
			return strings.ReplaceAll(err.Error(), text, "…")
		}
		if foreign, unknown := refuse(other, text, "NOT_FOUND id"), refuse(ctx, id.Segment.Format(id.New()), "NOT_FOUND id"); foreign != unknown {
			t.Errorf("another tenant's segment: %s; an unknown one: %s", foreign, unknown)
		}
		refuse(ctx, "", "INVALID id")
		refuse(ctx, id.Campaign.Format(made.ID), "INVALID id")
		if found, err := settings.GetSegment(other, db, made.ID); found != nil || err != nil {
			t.Errorf("another tenant got %v, %v", found, err)
		}
		deleted, err := settings.DeleteSegment(ctx, db, text)
		if err != nil || deleted != made.ID {
			t.Errorf("got %v, %v", deleted, err)
		}
		refuse(ctx, text, "NOT_FOUND id")
		if found, err := settings.GetSegment(ctx, db, made.ID); found != nil || err != nil {
			t.Errorf("got %v, %v", found, err)
		}
	})
}

func TestListSegments(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, other := segmenting(t, db), segmenting(t, db)
		for i := range 5 {
			if _, err := settings.CreateSegment(ctx, db, settings.CreateSegmentInput{Name: fmt.Sprint(i), Rule: planIn("gold")}); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for args := (page.Args{Last: new(2)}); ; {
			list, err := settings.ListSegments(ctx, db, args, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range slices.Backward(list.Nodes()) {
				got = append(got, g.Name)
			}
			if !list.PageInfo.HasPreviousPage {
				if n, err := list.TotalCount(ctx); n != 5 || err != nil {
					t.Errorf("total %d, %v", n, err)
				}
				break
			}
			args.Before = list.PageInfo.StartCursor
		}
		if want := []string{"0", "1", "2", "3", "4"}; !slices.Equal(got, want) {
			t.Errorf("backwards: got %v, want %v", got, want)
		}
		if list, err := settings.ListSegments(other, db, page.Args{}, nil); err != nil || len(list.Edges) != 0 {
			t.Errorf("another tenant got %v, %v", list, err)
		}
	})
}

func TestNarrowedSegments(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := segmenting(t, db)
		var ids []uuid.UUID
		for i := range 3 {
			made, err := settings.CreateSegment(ctx, db, settings.CreateSegmentInput{Name: fmt.Sprint(i), Rule: planIn("gold")})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, made.ID)
		}
		for name, test := range map[string]struct {
			narrowing auth.Narrowing
			want      []string
		}{
			"to a segment":           {auth.Narrowing{Segment: ids[1]}, []string{"1"}},
			"to one that is not any": {auth.Narrowing{Segment: id.New()}, nil},
			"to campaigns":           {auth.Narrowing{Campaigns: []uuid.UUID{id.New()}}, []string{"2", "1", "0"}},
		} {
			t.Run(name, func(t *testing.T) {
				ctx := auth.With(ctx, auth.Caller{Tenant: auth.Tenant(ctx), Scopes: []auth.Scope{auth.Read}, Token: true, Narrowing: test.narrowing})
				list, err := settings.ListSegments(ctx, db, page.Args{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, g := range list.Nodes() {
					got = append(got, g.Name)
				}
				if n, err := list.TotalCount(ctx); !slices.Equal(got, test.want) || n != len(test.want) || err != nil {
					t.Errorf("got %v of %d, %v; want %v", got, n, err, test.want)
				}
				for i, u := range ids {
					found, err := settings.GetSegment(ctx, db, u)
					if err != nil || (found != nil) != slices.Contains(test.want, fmt.Sprint(i)) {
						t.Errorf("segment %d: got %v, %v", i, found, err)
					}
				}
			})
		}
	})
}

func TestMatcher(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := segmenting(t, db)
		s, err := settings.Load(ctx, db, auth.Tenant(ctx))
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Matcher(auth.Narrowing{}, planIn("gold"), "segment R")
		if err != nil {
			t.Fatal(err)
		}
		if !m.Match([]string{"18–65", "gold"}) || m.Match([]string{"18–65", "silver"}) {
			t.Error("the rule does not match by age and plan")
		}
		regional := segment.Rule{Trait: &segment.Condition{Key: "region", IsKnown: new(true)}}
		_, err = s.Matcher(auth.Narrowing{}, regional, "segment R")
		if got := segmentRefusals(t, err); !slices.Equal(got, []string{"NOT_FOUND trait.key"}) {
			t.Errorf("got %q", got)
		}

		// A generation with a dimension more is on its way.
		shape := s.Active.Shape
		shape.Dimensions = append(slices.Clone(shape.Dimensions), trait.Dimension{Key: "region", Kind: trait.Text})
		building, err := cube.NewGeneration(s.Active.Number+1, shape)
		if err != nil {
			t.Fatal(err)
		}
		s.Building, s.Rebuild = building, cube.Rebuild{Done: 3, Total: 7}
		const whole = "segment R: past responses are still being taken in for a trait that it uses: 3 of 7 so far. Ask again when all are."
		const part = "segment R: past responses are still being taken in for a trait that it uses. Ask again when all are."
		for want, n := range map[string]auth.Narrowing{whole: {}, part: {Segment: id.New()}} {
			var bad *apierror.Error
			if _, err := s.Matcher(n, regional, "segment R"); !errors.As(err, &bad) || bad.Code != apierror.BadRequestCode || bad.Message != want {
				t.Errorf("narrowed to %v: got %v, want BAD_REQUEST: %s", n, err, want)
			}
		}
		if _, err := s.Matcher(auth.Narrowing{}, planIn("gold"), "segment R"); err != nil {
			t.Errorf("a rule of old dimensions: %v", err)
		}
	})
}

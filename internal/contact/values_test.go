package contact_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/contact"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

func TestValues(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db,
			settings.DefineTraitInput{Key: "plan", Kind: trait.Text, IsDimension: true},
			settings.DefineTraitInput{Key: "note", Kind: trait.Text},
			settings.DefineTraitInput{Key: "size", Kind: trait.Number, IsDimension: true},
			settings.DefineTraitInput{Key: "age", Kind: trait.Number, IsDimension: true, Edges: []float64{18, 65}},
			settings.DefineTraitInput{Key: "fibre", Kind: trait.Boolean},
			settings.DefineTraitInput{Key: "since", Kind: trait.Date, IsDimension: true},
			settings.DefineTraitInput{Key: "tenure", Kind: trait.Date, IsDimension: true, Edges: []float64{12}},
			settings.DefineTraitInput{Key: "nobody", Kind: trait.Text},
		)
		other := newTenant(t, db)
		add(t, other, db, person{name: "Ada", traits: trait.Values{"plan": "gold"}})

		today := calendar.DayOf(time.Now(), time.UTC)
		yearAgo := calendar.Monthly.Add(today, -13).String()
		add(t, ctx, db,
			person{traits: trait.Values{"plan": "gold", "size": 3.0, "age": 17.5, "fibre": true, "since": today.String(), "tenure": today.String()}},
			person{traits: trait.Values{"plan": "gold", "size": 3.0, "age": 18.0, "fibre": false, "since": today.Add(-1).String(), "tenure": yearAgo}},
			person{traits: trait.Values{"plan": "gold", "size": "3", "age": 64.0, "fibre": "true", "since": today.Add(40).String()}},
			person{traits: trait.Values{"plan": "silver", "size": 0.5, "age": 65.0, "fibre": 1.0, "since": "2020-02-30"}},
			person{traits: trait.Values{"plan": `a "b" ü \`, "size": 12345678.0}},
			person{traits: trait.Values{"plan": 3.0, "size": true}},
			person{},
		)
		s, err := settings.Load(ctx, db, auth.Tenant(ctx))
		if err != nil {
			t.Fatal(err)
		}
		all, err := contact.ValuesOfAll(ctx, db, s, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string][]contact.Value{
			"plan":   {{"gold", 3}, {"(none)", 2}, {`a "b" ü \`, 1}, {"silver", 1}},
			"note":   {{"(none)", 7}},
			"nobody": {{"(none)", 7}},
			"size":   {{"(none)", 3}, {"3", 2}, {"0.5", 1}, {"12345678", 1}},
			"age":    {{"(none)", 3}, {"18–65", 2}, {"<18", 1}, {"≥65", 1}},
			"fibre":  {{"(none)", 5}, {"false", 1}, {"true", 1}},
			"since":  {{"(none)", 5}, {"0", 2}},
			"tenure": {{"(none)", 5}, {"<12", 1}, {"≥12", 1}},
			"x":      nil,
			"$.plan": nil,
		} {
			got, err := contact.Values(ctx, db, s, key, time.Now())
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: got %v, %v; want %v", key, got, err, want)
			}
			if !slices.Equal(all[key], want) {
				t.Errorf("%s: got %v of all at once, want %v", key, all[key], want)
			}
		}
	})
}

func TestValuesBeyondTheLimit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := newTenant(t, db,
			settings.DefineTraitInput{Key: "city", Kind: trait.Text},
			settings.DefineTraitInput{Key: "since", Kind: trait.Date},
		)
		today := calendar.DayOf(time.Now(), time.UTC)
		var people []person
		for i := range 250 {
			city := fmt.Sprintf("c%03d", i)
			since := calendar.Monthly.Start(calendar.Monthly.Add(today, -i)).String()
			people = append(people, person{traits: trait.Values{"city": city, "since": since}})
			if i < 10 {
				people = append(people, person{traits: trait.Values{"city": city, "since": since}})
			}
		}
		people = append(people, person{})
		add(t, ctx, db, people...)
		s, err := settings.Load(ctx, db, auth.Tenant(ctx))
		if err != nil {
			t.Fatal(err)
		}
		all, err := contact.ValuesOfAll(ctx, db, s, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"city", "since"} {
			got, err := contact.Values(ctx, db, s, key, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != contact.MaxValues+2 {
				t.Fatalf("%s: %d values, want %d, (none) and (other)", key, len(got), contact.MaxValues)
			}
			total := 0
			for i, v := range got {
				total += v.Contacts
				if i > 0 && i < len(got)-1 && got[i-1].Contacts < v.Contacts {
					t.Errorf("%s: %v before %v", key, got[i-1], v)
				}
			}
			if last := got[len(got)-1]; last != (contact.Value{Value: trait.Other, Contacts: 50}) || total != len(people) || got[9].Contacts != 2 {
				t.Errorf("%s: last %v, total %d of %d", key, last, total, len(people))
			}
			if !slices.Contains(got, contact.Value{Value: trait.None, Contacts: 1}) {
				t.Errorf("%s: nobody is unknown", key)
			}
			if !slices.Equal(all[key], got) {
				t.Errorf("%s: got %v of all at once, want %v", key, all[key], got)
			}
		}
	})
}

// Whatever contacts hold, all traits counted at once have the values that each has alone.
func TestValuesOfAllAreThoseOfEach(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		rapid.Check(t, func(r *rapid.T) {
			kinds := []trait.Kind{trait.Text, trait.Number, trait.Boolean, trait.Date}
			var defined []settings.DefineTraitInput
			for i, kind := range kinds {
				defined = append(defined, settings.DefineTraitInput{Key: fmt.Sprintf("k%d", i), Kind: kind, IsDimension: rapid.Bool().Draw(r, "dimension")})
			}
			ctx := newTenant(t, db, defined...)
			value := rapid.OneOf(
				rapid.Map(rapid.SampledFrom([]string{"", "3", "true", "null", `"`, `\`, `\"`, `,"k1":3`, "{", "]}", " a:b ", "ü", "<&>", "\u2028\n", "2020-02-29", "2020-02-30"}), func(v string) any { return v }),
				rapid.Map(rapid.SampledFrom([]float64{0, 3, -0.5, 1e21, 1e-7, 12345678}), func(v float64) any { return v }),
				rapid.Map(rapid.Bool(), func(v bool) any { return v }),
			)
			key := rapid.SampledFrom([]string{"k0", "k1", "k2", "k3", "undefined", `k"0`, `k\0`, "k:<0"})
			var people []person
			for _, traits := range rapid.SliceOfN(rapid.MapOfN(key, value, 0, 6), 1, 12).Draw(r, "people") {
				people = append(people, person{traits: traits})
			}
			add(t, ctx, db, people...)
			s, err := settings.Load(ctx, db, auth.Tenant(ctx))
			if err != nil {
				t.Fatal(err)
			}
			all, err := contact.ValuesOfAll(ctx, db, s, time.Now())
			if err != nil || len(all) != len(kinds) {
				t.Fatalf("got %v, %v", all, err)
			}
			for key, got := range all {
				if want, err := contact.Values(ctx, db, s, key, time.Now()); err != nil || !slices.Equal(got, want) {
					r.Errorf("%s: got %v of all at once; alone %v, %v", key, got, want, err)
				}
			}
		})
	})
}

package trait

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func profiles(t rapid.TB, dimensions, maxValues, maxProfiles int, known ...Profile) *Profiles {
	t.Helper()
	p, err := newProfiles(dimensions, known, maxValues, maxProfiles)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlace(t *testing.T) {
	p := profiles(t, 2, 2, 6)
	for _, test := range []struct {
		channel, variant string
		values           []string
		want             Profile
		added            bool
	}{
		{"EMAIL", "", []string{"a", None}, Profile{1, "EMAIL", None, []string{"a", None}}, true},
		{"EMAIL", None, []string{"a", None}, Profile{1, "EMAIL", None, []string{"a", None}}, false},
		{"LINK", "", []string{"a", None}, Profile{2, "LINK", None, []string{"a", None}}, true},
		{"EMAIL", "A", []string{"b", "x"}, Profile{3, "EMAIL", "A", []string{"b", "x"}}, true},
		// The first dimension is full now.
		{"EMAIL", "A", []string{"c", "x"}, Profile{4, "EMAIL", "A", []string{Other, "x"}}, true},
		{"EMAIL", "A", []string{"d", "x"}, Profile{4, "EMAIL", "A", []string{Other, "x"}}, false},
		{"EMAIL", "A", []string{Other, "x"}, Profile{4, "EMAIL", "A", []string{Other, "x"}}, false},
		{"EMAIL", "B", []string{"c", "y"}, Profile{5, "EMAIL", "B", []string{Other, "y"}}, true},
		{"EMAIL", "C", []string{None, None}, Profile{6, "EMAIL", Other, []string{None, None}}, true},
		// There are six profiles now.
		{"EMAIL", "A", []string{"a", "x"}, Profile{7, "EMAIL", Other, []string{Other, Other}}, true},
		{"EMAIL", "B", []string{"b", "y"}, Profile{7, "EMAIL", Other, []string{Other, Other}}, false},
		{"LINK", "A", []string{"a", "x"}, Profile{8, "LINK", Other, []string{Other, Other}}, true},
		{"LINK", "", []string{"a", None}, Profile{2, "LINK", None, []string{"a", None}}, false},
	} {
		found, ok := p.Find(test.channel, test.variant, test.values)
		if ok == test.added || ok && !reflect.DeepEqual(found, test.want) {
			t.Errorf("Find(%s, %s, %q) = %v, %v before it was placed", test.channel, test.variant, test.values, found, ok)
		}
		got, added := p.Place(test.channel, test.variant, test.values)
		if !reflect.DeepEqual(got, test.want) || added != test.added {
			t.Errorf("Place(%s, %s, %q) = %v, %v; want %v, %v", test.channel, test.variant, test.values, got, added, test.want, test.added)
		}
		if again, ok := p.Get(test.want.ID); !ok || !reflect.DeepEqual(again, test.want) {
			t.Errorf("Get(%d) = %v, %v", test.want.ID, again, ok)
		}
	}
	if p.Len() != 8 {
		t.Errorf("there are %d profiles", p.Len())
	}
	for _, id := range []int32{-1, 0, 9} {
		if got, ok := p.Get(id); ok {
			t.Errorf("Get(%d) = %v", id, got)
		}
	}
}

func TestTheLimitsOfACube(t *testing.T) {
	p, err := NewProfiles(Shape{Dimensions: make([]Dimension, 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range MaxValues + 1 {
		got, added := p.Place("API", "", []string{fmt.Sprint(i)})
		if want := i < MaxValues; added && (got.Values[0] == fmt.Sprint(i)) != want {
			t.Fatalf("value %d was placed as %v", i, got)
		}
	}
	for i := 1; p.Len() < MaxProfiles; i++ {
		p.Place("API", fmt.Sprint(i%MaxValues), []string{fmt.Sprint(i / MaxValues)})
	}
	got, added := p.Place("EMAIL", "", []string{None})
	if !added || got.ID != MaxProfiles+1 || got.Variant != Other || got.Values[0] != Other {
		t.Errorf("past the limit it is %v, %v", got, added)
	}
}

func TestPlaceKeepsNothingOfItsCaller(t *testing.T) {
	p := profiles(t, 1, 2, 5)
	values := []string{"a"}
	p.Place("API", "", values)
	values[0] = "b"
	if got, _ := p.Get(1); got.Values[0] != "a" {
		t.Errorf("the profile became %v", got)
	}
}

func TestCombinationsAreToldApart(t *testing.T) {
	p := profiles(t, 2, 10, 100)
	seen := map[int32]bool{}
	inputs := [][]string{{"ab", "c"}, {"a", "bc"}, {"", "abc"}, {"abc", ""}, {"a\x00b", "c"}, {"\x01a", "b"}, {strings.Repeat("x", 300), "c"}, {"x", strings.Repeat("x", 299) + "c"}}
	for _, values := range inputs {
		got, added := p.Place("API", "", values)
		if !added || seen[got.ID] {
			t.Errorf("%q was placed as %v", values, got)
		}
		seen[got.ID] = true
	}
}

func TestNewProfilesRefuses(t *testing.T) {
	for name, known := range map[string][]Profile{
		"a gap":           {{1, "API", None, []string{"a"}}, {3, "API", None, []string{"b"}}},
		"a wrong start":   {{2, "API", None, []string{"a"}}},
		"no order":        {{2, "API", None, []string{"a"}}, {1, "API", None, []string{"b"}}},
		"too many values": {{1, "API", None, []string{"a", "b"}}},
		"too few values":  {{1, "API", None, nil}},
		"two of one kind": {{1, "API", None, []string{"a"}}, {2, "API", None, []string{"a"}}},
	} {
		if p, err := NewProfiles(Shape{Dimensions: make([]Dimension, 1)}, known); err == nil {
			t.Errorf("%s: got %d profiles", name, p.Len())
		}
	}
}

func TestKnownPlacesCostNoMemory(t *testing.T) {
	p := profiles(t, 4, 200, 20000)
	values := []string{"gold", "north", "≥60", "(none)"}
	p.Place("EMAIL", "A", values)
	if n := testing.AllocsPerRun(100, func() { p.Place("EMAIL", "A", values) }); n > 0 {
		t.Errorf("placing a known combination allocates %v times", n)
	}
}

// placement is one call of Place.
type placement struct {
	channel, variant string
	values           []string
}

const propertyDimensions = 2

func placements() *rapid.Generator[[]placement] {
	value := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "", None, Other})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) placement {
		return placement{
			channel: rapid.SampledFrom([]string{"EMAIL", "API"}).Draw(t, "channel"),
			variant: value.Draw(t, "variant"),
			values:  rapid.SliceOfN(value, propertyDimensions, propertyDimensions).Draw(t, "values"),
		}
	}), 0, 40)
}

// state is all that decides what p answers.
func state(p *Profiles) []any {
	return []any{p.maxValues, p.maxProfiles, slices.Clone(p.all), p.ids, p.variants, p.values}
}

func TestPlacesStayAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maxValues, maxProfiles := rapid.IntRange(0, 4).Draw(t, "maxValues"), rapid.IntRange(0, 12).Draw(t, "maxProfiles")
		p := profiles(t, propertyDimensions, maxValues, maxProfiles)
		inputs := placements().Draw(t, "placements")
		placed := make([]Profile, len(inputs))
		for i, in := range inputs {
			before := p.Len()
			covers := make([]string, propertyDimensions)
			for j, value := range in.values {
				covers[j] = p.Covers(j, value)
			}
			variant := p.CoversVariant(in.variant)
			var added bool
			placed[i], added = p.Place(in.channel, in.variant, in.values)
			if added != (p.Len() == before+1) || added != (int(placed[i].ID) == p.Len() && p.Len() > before) {
				t.Fatalf("%v: added is %v, %d profiles became %d", in, added, before, p.Len())
			}
			if placed[i].Channel != in.channel {
				t.Fatalf("%v was placed as %v", in, placed[i])
			}
			fallback := placed[i].Variant == Other && placed[i].Values[0] == Other && placed[i].Values[1] == Other
			if !fallback && (placed[i].Variant != variant || !slices.Equal(placed[i].Values, covers)) {
				t.Fatalf("%v was foreseen as %s %q and placed as %v", in, variant, covers, placed[i])
			}
			if added && before >= maxProfiles && !fallback {
				t.Fatalf("%v was added as %v past the limit", in, placed[i])
			}
		}
		if most := maxProfiles + 2; p.Len() > most {
			t.Fatalf("there are %d profiles, at most %d may be", p.Len(), most)
		}
		for j := range propertyDimensions {
			if len(p.values[j]) > maxValues {
				t.Fatalf("dimension %d has %d values", j, len(p.values[j]))
			}
		}
		if len(p.variants) > maxValues {
			t.Fatalf("there are %d variants", len(p.variants))
		}
		again := profiles(t, propertyDimensions, maxValues, maxProfiles, p.All()...)
		if !reflect.DeepEqual(state(again), state(p)) {
			t.Fatalf("read back it is %v, not %v", again, p)
		}
		for i, in := range inputs {
			for _, dictionary := range []*Profiles{p, again} {
				if got, ok := dictionary.Find(in.channel, in.variant, in.values); !ok || !reflect.DeepEqual(got, placed[i]) {
					t.Fatalf("%v was placed as %v and is found as %v, %v", in, placed[i], got, ok)
				}
				if got, added := dictionary.Place(in.channel, in.variant, in.values); added || !reflect.DeepEqual(got, placed[i]) {
					t.Fatalf("%v was placed as %v and then as %v, added: %v", in, placed[i], got, added)
				}
			}
		}
	})
}

func TestTruncateTakesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maxValues, maxProfiles := rapid.IntRange(0, 4).Draw(t, "maxValues"), rapid.IntRange(0, 12).Draw(t, "maxProfiles")
		p := profiles(t, propertyDimensions, maxValues, maxProfiles)
		never := profiles(t, propertyDimensions, maxValues, maxProfiles)
		for _, in := range placements().Draw(t, "kept") {
			p.Place(in.channel, in.variant, in.values)
			never.Place(in.channel, in.variant, in.values)
		}
		n := p.Len()
		for _, in := range placements().Draw(t, "taken back") {
			p.Place(in.channel, in.variant, in.values)
		}
		handedOut := p.All()
		copied := slices.Clone(handedOut)
		p.Truncate(n)
		if !reflect.DeepEqual(state(p), state(never)) {
			t.Fatalf("taken back it is %v, want %v", p, never)
		}
		for _, in := range placements().Draw(t, "after") {
			got, added := p.Place(in.channel, in.variant, in.values)
			want, wantAdded := never.Place(in.channel, in.variant, in.values)
			if !reflect.DeepEqual(got, want) || added != wantAdded {
				t.Fatalf("%v is placed as %v, %v; want %v, %v", in, got, added, want, wantAdded)
			}
		}
		if !reflect.DeepEqual(handedOut, copied) {
			t.Fatal("what All handed out has changed")
		}
		p.Truncate(0)
		if p.Len() != 0 || len(p.ids) != 0 || len(p.variants) != 0 {
			t.Fatalf("emptied it is %v", p)
		}
	})
}

func BenchmarkPlaceKnown(b *testing.B) {
	p := profiles(b, 6, MaxValues, MaxProfiles)
	values := []string{"gold", "gamer", "north", "≥60", "true", "(none)"}
	p.Place("EMAIL", "A", values)
	b.ReportAllocs()
	for b.Loop() {
		p.Place("EMAIL", "A", values)
	}
}

// TestClone grows a dictionary and its clone, each by itself.
func TestClone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := func(all []*Profiles, name string) {
			for _, in := range placements().Draw(t, name) {
				for _, p := range all {
					p.Place(in.channel, in.variant, in.values)
				}
			}
		}
		p, lone, cloneLike := profiles(t, 2, 3, 8), profiles(t, 2, 3, 8), profiles(t, 2, 3, 8)
		place([]*Profiles{p, lone, cloneLike}, "before")
		c := p.Clone()
		place([]*Profiles{p, lone}, "to the first")
		place([]*Profiles{c, cloneLike}, "to the clone")
		if !reflect.DeepEqual(state(p), state(lone)) || !reflect.DeepEqual(state(c), state(cloneLike)) {
			t.Fatalf("they are %v and %v, want %v and %v", p, c, lone, cloneLike)
		}
	})
}

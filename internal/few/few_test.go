package few

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// group is a key and counts by category, as the golden file writes them.
type group struct {
	key    string
	counts [3]int64
}

func (g *group) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&g.key, &g.counts})
}

func (g group) n() int64 { return g.counts[0] + g.counts[1] + g.counts[2] }

// put does what whoever shows groups does: those hidden become one, which comes last.
func put(groups []group, least int64) []group {
	sizes := make([]int64, len(groups))
	for i, g := range groups {
		sizes[i] = g.n()
	}
	hidden, ok := Hidden(least, sizes)
	if !ok {
		return nil
	}
	var shown []group
	together := group{key: "(few)"}
	for i, g := range groups {
		if !hidden[i] {
			shown = append(shown, g)
			continue
		}
		for category, n := range g.counts {
			together.counts[category] += n
		}
	}
	if together.n() > 0 {
		shown = append(shown, together)
	}
	return shown
}

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		FewHidden []struct {
			Groups, Out  []group
			MinGroupSize int64
		}
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.FewHidden) == 0 {
		t.Fatal("golden file lacks values")
	}
	for _, g := range golden.FewHidden {
		if got := put(g.Groups, g.MinGroupSize); !slices.Equal(got, g.Out) {
			t.Errorf("of %v with at least %d: %v, want %v", g.Groups, g.MinGroupSize, got, g.Out)
		}
	}
}

func TestHidden(t *testing.T) {
	for _, test := range []struct {
		least  int64
		bodies [][]int64
		want   string // h for hidden, . for shown, - for no groups
	}{
		{10, nil, ""},
		{10, [][]int64{{}}, ""},
		{1, [][]int64{{1, 2, 0}}, "..."},
		{0, [][]int64{{1}}, "."},
		{-1, [][]int64{{1}}, "."},
		{10, [][]int64{{10, 10}}, ".."},
		{10, [][]int64{{0, 0}}, ".."},
		{10, [][]int64{{9, 0}}, "-"},
		{10, [][]int64{{5, 5}}, "hh"},
		{10, [][]int64{{100, 9}}, "hh"},
		{10, [][]int64{{100, 50, 50, 9}}, "..hh"},
		{10, [][]int64{{100, 0, 9, 60}}, "..hh"},
		{10, [][]int64{{100, 60, 9, 1}}, "..hh"},
		// Set beside each other: a group that is new hides nobody before, and one small on a side is hidden on both.
		{10, [][]int64{{100, 50, 0}, {100, 50, 30}}, "..."},
		{10, [][]int64{{100, 50, 3}, {100, 50, 30}}, ".hh"},
		{10, [][]int64{{100, 50, 3}, {100, 50, 0}}, ".hh"},
		{10, [][]int64{{100, 0, 3}, {100, 20, 30}}, "h.h"},
		{10, [][]int64{{0, 0, 0}, {100, 20, 30}}, "..."},
		{10, [][]int64{{3, 0, 0}, {100, 20, 30}}, "-"},
		{10, [][]int64{{0, 30, 5, 90}, {40, 0, 0, 90}}, ".hh."},
		// What is hidden for another body does not spare a group that a body by itself would take in.
		{10, [][]int64{{100, 50, 30, 3}, {100, 50, 3, 20}}, "..hh"},
		{10, [][]int64{{100, 20, 30, 3}, {100, 50, 3, 60}}, ".hhh"},
	} {
		got := ""
		hidden, ok := Hidden(test.least, test.bodies...)
		if !ok {
			got = "-"
		}
		for _, h := range hidden {
			if h {
				got += "h"
			} else {
				got += "."
			}
		}
		if got != test.want {
			t.Errorf("Hidden(%d, %v) is %s, want %s", test.least, test.bodies, got, test.want)
		}
	}
}

// naive follows the sentence of the API word by word: while what is hidden is too small, it takes in the smallest other.
func naive(least int64, sizes []int64) []bool {
	hidden := make([]bool, len(sizes))
	var together int64
	for i, n := range sizes {
		if n > 0 && n < least {
			hidden[i] = true
			together += n
		}
	}
	for together > 0 && together < least {
		next := -1
		for i := len(sizes) - 1; i >= 0; i-- {
			if !hidden[i] && sizes[i] > 0 && (next < 0 || sizes[i] < sizes[next]) {
				next = i
			}
		}
		hidden[next] = true
		together += sizes[next]
	}
	return hidden
}

// Whatever is shown, alone or by taking it from the whole, is of nobody or of as many as it takes.
func TestNobodyIsSingledOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := rapid.Int64Range(0, 40).Draw(t, "least")
		k := rapid.IntRange(0, 8).Draw(t, "groups")
		size := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 12), rapid.Int64Range(0, 200))
		bodies := rapid.SliceOfN(rapid.SliceOfN(size, k, k), 1, 3).Draw(t, "bodies")
		hidden, ok := Hidden(least, bodies...)
		enough := func(what string, n int64) {
			if n > 0 && n < least {
				t.Fatalf("%s is of %d: hidden %v of %v", what, n, hidden, bodies)
			}
		}
		if !ok {
			for _, sizes := range bodies {
				var whole int64
				for _, n := range sizes {
					whole += n
				}
				if whole > 0 && whole < least {
					return
				}
			}
			t.Fatalf("no groups of %v", bodies)
		}
		for b, sizes := range bodies {
			var together int64
			for i, n := range sizes {
				if hidden[i] {
					together += n
				} else {
					enough(fmt.Sprintf("group %d of body %d", i, b), n)
				}
			}
			enough("what is hidden", together)
		}
		want := make([]bool, len(hidden))
		for _, sizes := range bodies {
			for i, put := range naive(least, sizes) {
				want[i] = want[i] || put
			}
		}
		if !slices.Equal(hidden, want) {
			t.Fatalf("hidden %v of %v, want %v", hidden, bodies, want)
		}
		if least <= 1 && slices.Contains(hidden, true) {
			t.Fatalf("hidden %v where nothing is to be", hidden)
		}
	})
}

// Groups of several keys hide as a body does within each value of one of them, as it is shown by that key alone; and no more of them
// are hidden than it takes.
func TestCrossed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := rapid.Int64Range(2, 30).Draw(t, "least")
		keys := rapid.IntRange(1, 3).Draw(t, "keys")
		k := rapid.IntRange(0, 12).Draw(t, "groups")
		values := make([][]int, keys)
		for key := range values {
			values[key] = rapid.SliceOfN(rapid.IntRange(0, 3), k, k).Draw(t, "values")
		}
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 12), rapid.Int64Range(0, 100)), k, k).Draw(t, "sizes")
		hidden, ok := Crossed(least, values, sizes)
		if whole, also := Hidden(least, sizes); ok != also || !ok {
			if ok != also {
				t.Fatalf("groups: %t, and without keys %t", ok, also)
			}
			return
		} else if !slices.Contains(whole, true) && slices.Contains(hidden, true) {
			t.Fatalf("hidden %v where none is small", hidden)
		}
		for i, n := range sizes {
			if !hidden[i] && n > 0 && n < least {
				t.Fatalf("group %d of %d is shown", i, n)
			}
		}
		for _, of := range values {
			var totals, left [4]int64
			for i, n := range sizes {
				totals[of[i]] += n
				if hidden[i] {
					left[of[i]] += n
				}
			}
			together, _ := Hidden(least, totals[:])
			var rest int64
			for value, n := range left {
				if together[value] {
					rest += n
				} else if n > 0 && n < least {
					t.Fatalf("of value %d, %d are left: hidden %v of %v by %v", value, n, hidden, sizes, of)
				}
			}
			if rest > 0 && rest < least {
				t.Fatalf("of the values that are not shown, %d are left: hidden %v of %v by %v", rest, hidden, sizes, of)
			}
		}
	})
}

package segment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"github.com/zeroten/zeroten/internal/trait"
	"pgregory.net/rapid"
)

var dims = []trait.Dimension{
	{Key: "plan", Kind: trait.Text},
	{Key: "fibre", Kind: trait.Boolean},
	{Key: "size", Kind: trait.Number},
	{Key: "speed", Kind: trait.Number, Edges: []float64{10, 50, 100}},
	{Key: "age", Kind: trait.Date},
	{Key: "tenure", Kind: trait.Date, Edges: []float64{3, 12, 60}},
}

func parse(t testing.TB, text string) Rule {
	t.Helper()
	var rule Rule
	if err := json.Unmarshal([]byte(text), &rule); err != nil {
		t.Fatal(err)
	}
	return rule
}

// nested is a rule so deep, with one condition at its bottom.
func nested(depth int) Rule {
	rule := Rule{Trait: &Condition{Key: "plan", In: []string{"gold"}}}
	for range depth - 1 {
		inner := rule
		rule = Rule{Not: &inner}
	}
	return rule
}

// wide is a rule of so many conditions.
func wide(conditions int) Rule {
	rule := Rule{All: []Rule{}}
	for range conditions {
		rule.All = append(rule.All, Rule{Trait: &Condition{Key: "plan", In: []string{"gold"}}})
	}
	return rule
}

func TestValidate(t *testing.T) {
	for _, text := range []string{
		`{"trait":{"key":"plan","in":["gold","(none)","(other)",""]}}`,
		`{"trait":{"key":"plan","isKnown":false}}`,
		`{"trait":{"key":"fibre","in":["true","false","(none)"]}}`,
		`{"trait":{"key":"size","in":["3","-2.5","0","0.1"]}}`,
		`{"trait":{"key":"speed","in":["<10","10–50","≥100","(none)"]}}`,
		`{"trait":{"key":"speed","atLeast":10,"below":100,"in":["10–50"],"isKnown":true}}`,
		`{"trait":{"key":"age","in":["0","17"]}}`,
		`{"trait":{"key":"tenure","atLeast":3,"below":12}}`,
		`{"all":[{"any":[{"not":{"trait":{"key":"plan","in":["gold"]}}}]},{"trait":{"key":"tenure","below":60}}]}`,
	} {
		if errs := parse(t, text).Validate(dims); errs.Err() != nil {
			t.Errorf("%s: %v", text, errs)
		}
	}
	if errs := nested(MaxDepth).Validate(dims); errs.Err() != nil {
		t.Errorf("%d deep: %v", MaxDepth, errs)
	}
	if errs := wide(MaxConditions).Validate(dims); errs.Err() != nil {
		t.Errorf("%d conditions: %v", MaxConditions, errs)
	}
}

func TestValidateRefuses(t *testing.T) {
	long := strings.Repeat("x", trait.MaxText+1)
	for _, test := range []struct {
		rule  string
		field string
		code  apierror.UserErrorCode
		says  string
	}{
		{`{}`, "", apierror.Invalid, "exactly one"},
		{`{"all":null,"not":null}`, "", apierror.Invalid, "this one holds 0"},
		{`{"all":[],"any":[]}`, "", apierror.Invalid, "this one holds 2"},
		{`{"not":{"trait":{"key":"plan","in":["x"]},"all":[]}}`, "not", apierror.Invalid, "exactly one"},
		{`{"all":[]}`, "all", apierror.Required, "at least one rule"},
		{`{"not":{"any":[]}}`, "not.any", apierror.Required, "at least one rule"},
		{`{"all":[{"trait":{"key":"plan","in":["x"]}},{}]}`, "all.1", apierror.Invalid, "exactly one"},
		{`{"trait":{"key":"persona","in":["x"]}}`, "trait.key", apierror.NotFound, `"persona" is not a dimension: define the trait as one with defineTrait`},
		{`{"trait":{"key":"","in":["x"]}}`, "trait.key", apierror.NotFound, "defineTrait"},
		{`{"trait":{"key":"` + long + `","in":["x"]}}`, "trait.key", apierror.NotFound, "defineTrait"},
		{`{"trait":{"key":"channel","in":["EMAIL"]}}`, "trait.key", apierror.Invalid, "channels in the filter"},
		{`{"trait":{"key":"plan"}}`, "trait", apierror.Required, "at least one of in, atLeast, below and isKnown"},
		{`{"trait":{"key":"plan","in":[]}}`, "trait.in", apierror.Required, "at least one value"},
		{`{"trait":{"key":"plan","in":["x` + strings.Repeat(`","x`, MaxIn) + `"]}}`, "trait.in", apierror.TooMany, "201 values"},
		{`{"trait":{"key":"plan","in":["x","` + long + `"]}}`, "trait.in.1", apierror.Invalid, "at most 500 characters"},
		{`{"trait":{"key":"plan","in":["\u0000"]}}`, "trait.in.0", apierror.Invalid, "U+0000"},
		{`{"trait":{"key":"fibre","in":["yes"]}}`, "trait.in.0", apierror.Invalid, "true or false"},
		{`{"trait":{"key":"size","in":["3.0"]}}`, "trait.in.0", apierror.Invalid, `write it as "3"`},
		{`{"trait":{"key":"size","in":["1e3"]}}`, "trait.in.0", apierror.Invalid, `write it as "1000"`},
		{`{"trait":{"key":"size","in":["-0"]}}`, "trait.in.0", apierror.Invalid, `write it as "0"`},
		{`{"trait":{"key":"size","in":["x"]}}`, "trait.in.0", apierror.Invalid, "a number within ±9007199254740991"},
		{`{"trait":{"key":"size","in":["NaN"]}}`, "trait.in.0", apierror.Invalid, "a number within"},
		{`{"trait":{"key":"size","in":["Inf"]}}`, "trait.in.0", apierror.Invalid, "a number within"},
		{`{"trait":{"key":"size","in":["1e300"]}}`, "trait.in.0", apierror.Invalid, "a number within"},
		{`{"trait":{"key":"age","in":["-1"]}}`, "trait.in.0", apierror.Invalid, "whole months"},
		{`{"trait":{"key":"age","in":["1.5"]}}`, "trait.in.0", apierror.Invalid, "whole months"},
		{`{"trait":{"key":"age","in":["2021-04-01"]}}`, "trait.in.0", apierror.Invalid, "a number"},
		{`{"trait":{"key":"speed","in":["10-51"]}}`, "trait.in.0", apierror.Invalid, "its ranges are <10, 10–50, 50–100, ≥100"},
		{`{"trait":{"key":"tenure","in":["3"]}}`, "trait.in.0", apierror.Invalid, "its ranges are <3, 3–12, 12–60, ≥60"},
		{`{"trait":{"key":"plan","atLeast":3}}`, "trait.atLeast", apierror.Invalid, "plan is a TEXT"},
		{`{"trait":{"key":"fibre","below":3}}`, "trait.below", apierror.Invalid, "fibre is a BOOLEAN"},
		{`{"trait":{"key":"size","atLeast":3}}`, "trait.atLeast", apierror.Invalid, "define its edges first, with defineTrait"},
		{`{"trait":{"key":"age","below":3}}`, "trait.below", apierror.Invalid, "define its edges first"},
		{`{"all":[{"trait":{"key":"tenure","below":4}}]}`, "all.0.trait.below", apierror.Invalid, "4 is no edge of tenure, and would cut a range in two; its edges are 3, 12, 60"},
		{`{"trait":{"key":"speed","atLeast":50,"below":50}}`, "trait.below", apierror.Invalid, "nothing is at least 50 and below 50"},
		{`{"trait":{"key":"speed","atLeast":100,"below":10}}`, "trait.below", apierror.Invalid, "more than atLeast"},
	} {
		rule := parse(t, test.rule)
		errs := rule.Validate(dims)
		if len(errs) != 1 || errs[0].Field == nil || strings.Join(errs[0].Field, ".") != test.field || errs[0].Code != test.code ||
			!strings.Contains(errs[0].Message, test.says) || len(errs[0].Message) > 500 {
			t.Errorf("%.200s: %#v", test.rule, errs)
		}
		matcher, err := Compile(rule, dims)
		var compileErrs apierror.UserErrors
		if matcher != nil || !errors.As(err, &compileErrs) || !reflect.DeepEqual(compileErrs, errs) {
			t.Errorf("%.200s: Compile gave %v, %v", test.rule, matcher, err)
		}
	}
	nan := math.NaN()
	if errs := (Rule{Trait: &Condition{Key: "speed", AtLeast: &nan}}).Validate(dims); len(errs) != 1 {
		t.Errorf("NaN: %v", errs)
	}
}

func TestValidateBounds(t *testing.T) {
	deep := nested(MaxDepth + 1).Validate(dims)
	if len(deep) != 1 || deep[0].Code != apierror.TooMany || len(deep[0].Field) != MaxDepth {
		t.Errorf("%d deep: %v", MaxDepth+1, deep)
	}
	many := wide(MaxConditions + 1).Validate(dims)
	if len(many) != 1 || many[0].Code != apierror.TooMany || !slices.Equal(many[0].Field, []string{"all"}) {
		t.Errorf("a list of %d rules: %v", MaxConditions+1, many)
	}
	many = Rule{Any: []Rule{wide(MaxConditions), wide(1)}}.Validate(dims)
	if len(many) != 1 || many[0].Code != apierror.TooMany || !slices.Equal(many[0].Field, []string{"any", "1", "all", "0"}) {
		t.Errorf("%d conditions: %v", MaxConditions+1, many)
	}
	if errs := (Rule{All: make([]Rule, 100)}).Validate(dims); len(errs) != maxErrors {
		t.Errorf("%d errors for 100 empty rules", len(errs))
	}
	// A rule that holds itself is no deeper than any other that is too deep.
	var loop Rule
	loop.Any = []Rule{{Not: &loop}, {Not: &loop}}
	if errs := loop.Validate(dims); len(errs) == 0 || len(errs) > maxErrors {
		t.Errorf("a loop: %v", errs)
	}
	errs := parse(t, `{"all":[{"trait":{"key":"x","in":["1"]}},{"trait":{"key":"tenure","in":["3","4"],"atLeast":1,"below":2}},{}]}`).Validate(dims)
	var fields []string
	for _, e := range errs {
		fields = append(fields, strings.Join(e.Field, "."))
	}
	want := []string{"all.0.trait.key", "all.1.trait.in.0", "all.1.trait.in.1", "all.1.trait.atLeast", "all.1.trait.below", "all.2"}
	if !slices.Equal(fields, want) {
		t.Errorf("errors at %q, want %q", fields, want)
	}
}

func TestUses(t *testing.T) {
	rule := parse(t, `{"all":[{"any":[{"not":{"trait":{"key":"z"}}},{"trait":{"key":"a"}}]},{"trait":{"key":"z"}}],"trait":{"key":"m"}}`)
	if got := rule.Uses(); !slices.Equal(got, []string{"a", "m", "z"}) {
		t.Errorf("got %q", got)
	}
	if got := (Rule{}).Uses(); len(got) != 0 {
		t.Errorf("an empty rule uses %q", got)
	}
}

func TestMatch(t *testing.T) {
	none := []string{trait.None, trait.None, trait.None, trait.None, trait.None, trait.None}
	other := []string{trait.Other, trait.Other, trait.Other, trait.Other, trait.Other, trait.Other}
	known := []string{"gold", "true", "3", "10–50", "17", "<3"}
	for _, test := range []struct {
		rule                string
		known, none, others bool
	}{
		{`{"trait":{"key":"plan","in":["gold"]}}`, true, false, false},
		{`{"trait":{"key":"plan","in":["silver"]}}`, false, false, false},
		{`{"trait":{"key":"plan","in":["silver","(none)"]}}`, false, true, false},
		{`{"trait":{"key":"plan","in":["(other)"]}}`, false, false, true},
		{`{"trait":{"key":"plan","isKnown":true}}`, true, false, true},
		{`{"trait":{"key":"plan","isKnown":false}}`, false, true, false},
		{`{"trait":{"key":"plan","in":["(none)"],"isKnown":true}}`, false, false, false},
		{`{"not":{"trait":{"key":"plan","in":["gold"]}}}`, false, true, true},
		{`{"trait":{"key":"speed","atLeast":10}}`, true, false, false},
		{`{"trait":{"key":"speed","atLeast":50}}`, false, false, false},
		{`{"trait":{"key":"speed","below":50}}`, true, false, false},
		{`{"trait":{"key":"speed","below":10}}`, false, false, false},
		{`{"trait":{"key":"speed","atLeast":10,"below":50}}`, true, false, false},
		{`{"trait":{"key":"speed","below":100,"in":["<10","(none)"]}}`, false, false, false},
		{`{"trait":{"key":"speed","below":100,"in":["10–50","(other)"]}}`, true, false, false},
		{`{"not":{"trait":{"key":"speed","atLeast":50}}}`, true, true, true},
		{`{"trait":{"key":"tenure","below":3}}`, true, false, false},
		{`{"trait":{"key":"tenure","atLeast":3}}`, false, false, false},
		{`{"trait":{"key":"age","in":["17"]}}`, true, false, false},
		{`{"all":[{"trait":{"key":"fibre","in":["true"]}},{"trait":{"key":"size","in":["3"]}}]}`, true, false, false},
		{`{"all":[{"trait":{"key":"fibre","in":["true"]}},{"trait":{"key":"size","in":["4"]}}]}`, false, false, false},
		{`{"any":[{"trait":{"key":"fibre","in":["false"]}},{"trait":{"key":"size","in":["3","(none)"]}}]}`, true, true, false},
	} {
		m, err := Compile(parse(t, test.rule), dims)
		if err != nil {
			t.Errorf("%s: %v", test.rule, err)
			continue
		}
		got := [3]bool{m.Match(known), m.Match(none), m.Match(other)}
		if want := [3]bool{test.known, test.none, test.others}; got != want {
			t.Errorf("%s matches known, none and other: %v, want %v", test.rule, got, want)
		}
	}
}

// anyDimensions are one to four of them, of every kind, with and without edges.
func anyDimensions() *rapid.Generator[[]trait.Dimension] {
	return rapid.Custom(func(t *rapid.T) []trait.Dimension {
		dims := make([]trait.Dimension, rapid.IntRange(1, 4).Draw(t, "dimensions"))
		for i := range dims {
			dims[i] = trait.Dimension{
				Key:  fmt.Sprintf("t%d", i),
				Kind: rapid.SampledFrom([]trait.Kind{trait.Text, trait.Number, trait.Boolean, trait.Date}).Draw(t, "kind"),
			}
			if kind := dims[i].Kind; kind == trait.Number || kind == trait.Date {
				edges := rapid.SliceOfNDistinct(rapid.IntRange(0, 30), 0, 4, rapid.ID).Draw(t, "edges")
				slices.Sort(edges)
				for _, edge := range edges {
					dims[i].Edges = append(dims[i].Edges, float64(edge))
				}
			}
		}
		return dims
	})
}

// anyRule is a valid rule for dims.
func anyRule(dims []trait.Dimension, depth int) *rapid.Generator[Rule] {
	return rapid.Custom(func(t *rapid.T) Rule {
		branch := "trait"
		if depth > 1 {
			branch = rapid.SampledFrom([]string{"trait", "all", "any", "not"}).Draw(t, "branch")
		}
		switch branch {
		case "all":
			return Rule{All: rapid.SliceOfN(anyRule(dims, depth-1), 1, 3).Draw(t, "all")}
		case "any":
			return Rule{Any: rapid.SliceOfN(anyRule(dims, depth-1), 1, 3).Draw(t, "any")}
		case "not":
			inner := anyRule(dims, depth-1).Draw(t, "not")
			return Rule{Not: &inner}
		}
		dim := rapid.SampledFrom(dims).Draw(t, "dimension")
		cond := &Condition{Key: dim.Key}
		if rapid.Bool().Draw(t, "with isKnown") {
			known := rapid.Bool().Draw(t, "isKnown")
			cond.IsKnown = &known
		}
		if len(dim.Edges) > 0 && rapid.Bool().Draw(t, "with edges") {
			lower := rapid.IntRange(-1, len(dim.Edges)-1).Draw(t, "lower")
			upper := rapid.IntRange(lower+1, len(dim.Edges)).Draw(t, "upper")
			if lower >= 0 {
				cond.AtLeast = &dim.Edges[lower]
			}
			if upper < len(dim.Edges) {
				cond.Below = &dim.Edges[upper]
			}
		}
		if cond.IsKnown == nil && cond.AtLeast == nil && cond.Below == nil || rapid.Bool().Draw(t, "with in") {
			possible := []string{trait.None, trait.Other}
			switch {
			case len(dim.Edges) > 0:
				possible = append(possible, dim.Ranges()...)
			case dim.Kind == trait.Text:
				possible = append(possible, "a", "b", "")
			case dim.Kind == trait.Boolean:
				possible = append(possible, "true", "false")
			default:
				possible = append(possible, "0", "1", "7", "30")
			}
			cond.In = rapid.SliceOfN(rapid.SampledFrom(possible), 1, 3).Draw(t, "in")
		}
		return Rule{Trait: cond}
	})
}

const today calendar.Day = 20_779

// anyPerson has values for some of dims, of their kind or not.
func anyPerson(dims []trait.Dimension) *rapid.Generator[trait.Values] {
	return rapid.Custom(func(t *rapid.T) trait.Values {
		v := trait.Values{}
		for _, dim := range dims {
			kind := rapid.SampledFrom([]trait.Kind{dim.Kind, dim.Kind, dim.Kind, "", trait.Text, trait.Number, trait.Boolean}).Draw(t, "kind")
			switch kind {
			case trait.Text:
				v[dim.Key] = rapid.SampledFrom([]string{"a", "b", "c", ""}).Draw(t, "text")
			case trait.Number:
				v[dim.Key] = rapid.OneOf(rapid.Float64Range(-2, 35), rapid.Map(rapid.IntRange(-2, 35), func(i int) float64 { return float64(i) })).Draw(t, "number")
			case trait.Boolean:
				v[dim.Key] = rapid.Bool().Draw(t, "boolean")
			case trait.Date:
				v[dim.Key] = today.Add(rapid.IntRange(-1100, 40).Draw(t, "days")).String()
			}
		}
		return v
	})
}

// holds says by the words of the contract whether a rule holds for somebody, looking at what is known of them and at
// no dimension value.
func holds(t rapid.TB, r Rule, dims []trait.Dimension, v trait.Values) bool {
	switch {
	case r.All != nil:
		return !slices.ContainsFunc(r.All, func(r Rule) bool { return !holds(t, r, dims, v) })
	case r.Any != nil:
		return slices.ContainsFunc(r.Any, func(r Rule) bool { return holds(t, r, dims, v) })
	case r.Not != nil:
		return !holds(t, *r.Not, dims, v)
	}
	c := r.Trait
	dim := dims[slices.IndexFunc(dims, func(d trait.Dimension) bool { return d.Key == c.Key })]
	var text string
	var number float64
	known, numeric := false, false
	switch value := v[c.Key].(type) {
	case string:
		if dim.Kind == trait.Text {
			text, known = value, true
		}
		if since, err := calendar.ParseDay(value); err == nil && dim.Kind == trait.Date && since <= today {
			// Whole months, one by one.
			y, m, d := since.Date()
			for months := 1; ; months++ {
				later := calendar.Of(y, m+1, 1)
				y, m, _ = later.Date()
				_, _, last := (calendar.Of(y, m+1, 1) - 1).Date()
				due := later + calendar.Day(d-1)
				if d > last {
					due = later + calendar.Day(last)
				}
				if due > today {
					number = float64(months - 1)
					break
				}
			}
			known, numeric = true, true
		}
	case float64:
		if dim.Kind == trait.Number {
			number, known, numeric = value, true, true
		}
	case bool:
		if dim.Kind == trait.Boolean {
			text, known = fmt.Sprint(value), true
		}
	}
	if c.IsKnown != nil && *c.IsKnown != known {
		return false
	}
	if c.AtLeast != nil && !(numeric && number >= *c.AtLeast) {
		return false
	}
	if c.Below != nil && !(numeric && number < *c.Below) {
		return false
	}
	if c.In == nil {
		return true
	}
	return slices.ContainsFunc(c.In, func(value string) bool {
		switch {
		case value == trait.None || !known:
			return value == trait.None && !known
		case !numeric:
			return value == text
		case value == trait.Other:
			return false
		}
		var low, high float64
		if n, _ := fmt.Sscanf(value, "%f–%f", &low, &high); n == 2 {
			return number >= low && number < high
		}
		if n, _ := fmt.Sscanf(value, "<%f", &high); n == 1 {
			return number < high
		}
		if n, _ := fmt.Sscanf(value, "≥%f", &low); n == 1 {
			return number >= low
		}
		if n, _ := fmt.Sscanf(value, "%f", &low); n == 1 {
			return number == low
		}
		t.Fatalf("%q is no value of a number", value)
		return false
	})
}

func TestProfilesDecideLikePeople(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dims := anyDimensions().Draw(t, "dims")
		rule := anyRule(dims, 4).Draw(t, "rule")
		m, err := Compile(rule, dims)
		if err != nil {
			t.Fatal(err)
		}
		shape := trait.Shape{Dimensions: dims}
		for _, person := range rapid.SliceOfN(anyPerson(dims), 1, 5).Draw(t, "people") {
			if got, want := m.Match(shape.Values(person, today)), holds(t, rule, dims, person); got != want {
				t.Fatalf("%v, with the values %q, matches: %v, want %v", person, shape.Values(person, today), got, want)
			}
		}
	})
}

// Going through all profiles at once finds those that match one by one.
func TestAmongIsMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dims := anyDimensions().Draw(t, "dimensions")
		m, err := Compile(anyRule(dims, 4).Draw(t, "rule"), dims)
		if err != nil {
			t.Fatal(err)
		}
		shape := trait.Shape{Dimensions: dims}
		profiles, err := trait.NewProfiles(shape, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rapid.IntRange(0, 150).Draw(t, "people") {
			profiles.Place("API", fmt.Sprint(i%70), shape.Values(anyPerson(dims).Draw(t, "person"), calendar.Day(20_000)))
		}
		found, err := m.Among(context.Background(), profiles)
		if err != nil {
			t.Fatal(err)
		}
		var want []int32
		for _, p := range profiles.All() {
			if m.Match(p.Values) {
				want = append(want, p.ID)
			}
			if found.Has(p.ID) != m.Match(p.Values) {
				t.Fatalf("profile %d is found: %v", p.ID, found.Has(p.ID))
			}
		}
		if !slices.Equal(found.IDs(), want) || found.Empty() != (len(want) == 0) {
			t.Fatalf("found %v, want %v", found.IDs(), want)
		}
		done, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := m.Among(done, profiles); !errors.Is(err, context.Canceled) {
			t.Fatalf("when nobody waits any more: %v", err)
		}
	})
}

func TestSteps(t *testing.T) {
	one := Rule{Trait: &Condition{Key: "a", In: make([]string, 3*valuesPerStep)}}
	for name, test := range map[string]struct {
		rule Rule
		want int
	}{
		"one":         {one, 1 + 3},
		"not":         {Rule{Not: &Rule{Not: &one}}, 3 + 3},
		"all and any": {Rule{All: []Rule{one, {Any: []Rule{one, one}}}}, 5 + 9},
	} {
		if got := test.rule.Steps(); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestDeMorgan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dims := anyDimensions().Draw(t, "dims")
		rules := rapid.SliceOfN(anyRule(dims, 3), 1, 4).Draw(t, "rules")
		negated := make([]Rule, len(rules))
		for i := range rules {
			negated[i] = Rule{Not: &rules[i]}
		}
		values := trait.Shape{Dimensions: dims}.Values(anyPerson(dims).Draw(t, "person"), today)
		match := func(rule Rule) bool {
			m, err := Compile(rule, dims)
			if err != nil {
				t.Fatal(err)
			}
			return m.Match(values)
		}
		if notAll, anyNot := match(Rule{Not: &Rule{All: rules}}), match(Rule{Any: negated}); notAll != anyNot {
			t.Fatalf("not all is %v, any not is %v", notAll, anyNot)
		}
		if notAny, allNot := match(Rule{Not: &Rule{Any: rules}}), match(Rule{All: negated}); notAny != allNot {
			t.Fatalf("not any is %v, all not is %v", notAny, allNot)
		}
	})
}

func TestRuleRoundTrip(t *testing.T) {
	check := func(t rapid.TB, rule Rule) {
		t.Helper()
		data, err := json.Marshal(rule)
		if err != nil {
			t.Fatal(err)
		}
		var back Rule
		if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, rule) {
			t.Fatalf("%s read back as %+v, %v", data, back, err)
		}
	}
	for _, rule := range []Rule{
		{}, {All: []Rule{}}, {Any: []Rule{}}, {All: []Rule{}, Any: []Rule{{}}}, {Not: &Rule{}}, {Trait: &Condition{}}, {Trait: &Condition{Key: "a", In: []string{}}},
		{Trait: &Condition{AtLeast: new(float64), Below: new(float64), IsKnown: new(bool)}},
	} {
		check(t, rule)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, anyRule(anyDimensions().Draw(t, "dims"), 4).Draw(t, "rule"))
	})
}

func FuzzRule(f *testing.F) {
	for _, seed := range []string{
		`{"all":[{"trait":{"key":"tenure","atLeast":3,"below":12}},{"not":{"trait":{"key":"plan","in":["gold"]}}}]}`,
		`{"trait":{"key":"speed","in":["10–50"],"isKnown":true}}`, `{}`, `{"all":[]}`, `{"all":[],"any":[{}]}`, `null`, `[]`,
		`{"trait":{"key":"size","in":["3.0","1e400","-0",""]}}`, `{"trait":{"key":"speed","atLeast":1e308,"below":-1e308}}`,
		strings.Repeat(`{"not":`, 9000) + `{}` + strings.Repeat(`}`, 9000),
		strings.Repeat(`{"all":[`, 4000) + `{}` + strings.Repeat(`]}`, 4000),
		strings.Repeat(`{"not":`, 20000) + `{}` + strings.Repeat(`}`, 20000),
		`{"any":[` + strings.Repeat(`{},`, 5000) + `{}]}`,
	} {
		f.Add([]byte(seed))
	}
	people := [][]string{
		{"gold", "true", "3", "10–50", "17", "<3"},
		{trait.None, trait.None, trait.None, trait.None, trait.None, trait.None},
		{trait.Other, trait.Other, trait.Other, trait.Other, trait.Other, trait.Other},
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var rule Rule
		if json.Unmarshal(data, &rule) != nil {
			return
		}
		uses := rule.Uses()
		errs := rule.Validate(dims)
		m, err := Compile(rule, dims)
		if (err == nil) != (len(errs) == 0) || (m == nil) != (err != nil) {
			t.Fatalf("Validate found %v, Compile gave %v, %v", errs, m, err)
		}
		if len(errs) > maxErrors {
			t.Fatalf("%d errors", len(errs))
		}
		for _, e := range errs {
			if e.Field == nil || len(e.Field) > 2*MaxDepth+3 || e.Code == "" || len(e.Message) > 1000 {
				t.Fatalf("bad error %#v", e)
			}
		}
		if err != nil {
			return
		}
		for _, key := range uses {
			if !slices.ContainsFunc(dims, func(d trait.Dimension) bool { return d.Key == key }) {
				t.Fatalf("the valid rule uses %q", key)
			}
		}
		negated, err := Compile(Rule{Not: &rule}, dims)
		for _, values := range people {
			matched := m.Match(values)
			if err == nil && negated.Match(values) == matched {
				t.Fatalf("%s and its negation both give %v for %q", data, matched, values)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	m, err := Compile(parse(b, `{"all":[{"trait":{"key":"plan","in":["gold","silver"]}},{"any":[{"trait":{"key":"tenure","atLeast":12}},{"trait":{"key":"speed","below":50}}]}]}`), dims)
	if err != nil {
		b.Fatal(err)
	}
	values := []string{"gold", "true", "3", "10–50", "17", "<3"}
	b.ReportAllocs()
	for b.Loop() {
		m.Match(values)
	}
}

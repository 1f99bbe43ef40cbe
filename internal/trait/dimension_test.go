package trait

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/calendar"
	"pgregory.net/rapid"
)

func TestDefinitionValidate(t *testing.T) {
	edges := func(n int) []float64 {
		e := make([]float64, n)
		for i := range e {
			e[i] = float64(i)
		}
		return e
	}
	for _, def := range []Definition{
		{Key: "plan", Kind: Text, IsDimension: true},
		{Key: strings.Repeat("k", 64), Label: strings.Repeat("é", MaxLabel), Kind: Boolean, Edges: []float64{}},
		{Key: "X_1", Kind: Number, Edges: []float64{-2.5, 0, 1e-9, 7}},
		{Key: "since", Kind: Date, Edges: []float64{0, 3, 12}},
		{Key: "n", Kind: Number, Edges: edges(MaxEdges)},
		{Key: "Channel", Kind: Text},
	} {
		if errs := def.Validate(); errs.Err() != nil {
			t.Errorf("%+v: %v", def, errs)
		}
	}
	for _, test := range []struct {
		def   Definition
		field string
		code  apierror.UserErrorCode
	}{
		{Definition{Key: "", Kind: Text}, "key", apierror.Required},
		{Definition{Key: "a-b", Kind: Text}, "key", apierror.Invalid},
		{Definition{Key: strings.Repeat("k", 65), Kind: Text}, "key", apierror.Invalid},
		{Definition{Key: "channel", Kind: Text}, "key", apierror.NotAllowed},
		{Definition{Key: "variant", Kind: Text}, "key", apierror.NotAllowed},
		{Definition{Key: "campaign", Kind: Text}, "key", apierror.NotAllowed},
		{Definition{Key: "a", Label: strings.Repeat("l", MaxLabel+1), Kind: Text}, "label", apierror.TooLong},
		{Definition{Key: "a", Label: "\x00", Kind: Text}, "label", apierror.Invalid},
		{Definition{Key: "a", Label: "\xff", Kind: Text}, "label", apierror.Invalid},
		{Definition{Key: "a", Kind: "LIST"}, "kind", apierror.Invalid},
		{Definition{Key: "a"}, "kind", apierror.Invalid},
		{Definition{Key: "a", Kind: Text, Edges: []float64{1}}, "edges", apierror.Invalid},
		{Definition{Key: "a", Kind: Boolean, Edges: []float64{1}}, "edges", apierror.Invalid},
		{Definition{Key: "a", Kind: Number, Edges: edges(MaxEdges + 1)}, "edges", apierror.TooMany},
		{Definition{Key: "a", Kind: Number, Edges: []float64{1, 1}}, "edges.1", apierror.Invalid},
		{Definition{Key: "a", Kind: Number, Edges: []float64{0, math.Copysign(0, -1)}}, "edges.1", apierror.Invalid},
		{Definition{Key: "a", Kind: Number, Edges: []float64{1, 3, 2}}, "edges.2", apierror.Invalid},
		{Definition{Key: "a", Kind: Number, Edges: []float64{math.NaN()}}, "edges.0", apierror.Invalid},
		{Definition{Key: "a", Kind: Number, Edges: []float64{1, math.Inf(1)}}, "edges.1", apierror.OutOfRange},
		{Definition{Key: "a", Kind: Date, Edges: []float64{-1, 3}}, "edges.0", apierror.Invalid},
		{Definition{Key: "a", Kind: Date, Edges: []float64{1, 2.5}}, "edges.1", apierror.Invalid},
	} {
		errs := test.def.Validate()
		if len(errs) != 1 || strings.Join(errs[0].Field, ".") != test.field || errs[0].Code != test.code {
			t.Errorf("%+v: %v", test.def, errs)
		}
	}
	if errs := (Definition{Key: "1", Label: "\x00", Kind: "X"}).Validate(); len(errs) != 3 {
		t.Errorf("three faults gave %v", errs)
	}
}

func TestDimensionValue(t *testing.T) {
	on, err := calendar.ParseDay("2026-11-22")
	if err != nil {
		t.Fatal(err)
	}
	tenure := Dimension{Key: "k", Kind: Date, Edges: []float64{3, 12, 24, 60}}
	speed := Dimension{Key: "k", Kind: Number, Edges: []float64{-2.5, 0, 0.1}}
	for _, test := range []struct {
		dim   Dimension
		value any
		want  string
	}{
		{Dimension{Key: "k", Kind: Text}, "gold", "gold"},
		{Dimension{Key: "k", Kind: Text}, "", ""},
		{Dimension{Key: "k", Kind: Text}, 3.0, None},
		{Dimension{Key: "k", Kind: Text}, true, None},
		{Dimension{Key: "k", Kind: Text}, nil, None},
		{Dimension{Key: "k", Kind: Boolean}, true, "true"},
		{Dimension{Key: "k", Kind: Boolean}, false, "false"},
		{Dimension{Key: "k", Kind: Boolean}, "true", None},
		{Dimension{Key: "k", Kind: Number}, 3.0, "3"},
		{Dimension{Key: "k", Kind: Number}, 1e15, "1000000000000000"},
		{Dimension{Key: "k", Kind: Number}, 0.1, "0.1"},
		{Dimension{Key: "k", Kind: Number}, math.Copysign(0, -1), "0"},
		{Dimension{Key: "k", Kind: Number}, "3", None},
		{speed, -3.0, "<-2.5"}, {speed, -2.5, "-2.5–0"}, {speed, 0.0, "0–0.1"}, {speed, 0.1, "≥0.1"}, {speed, "x", None},
		{Dimension{Key: "k", Kind: Date}, "2021-04-01", "67"},
		{Dimension{Key: "k", Kind: Date}, "2026-11-22", "0"},
		{Dimension{Key: "k", Kind: Date}, "2026-11-23", None},
		{Dimension{Key: "k", Kind: Date}, "2021-02-30", None},
		{Dimension{Key: "k", Kind: Date}, 3.0, None},
		{tenure, "2026-08-23", "<3"}, {tenure, "2026-08-22", "3–12"}, {tenure, "2025-11-22", "12–24"},
		{tenure, "2024-11-22", "24–60"}, {tenure, "2021-11-22", "≥60"}, {tenure, "2027-01-01", None}, {tenure, nil, None},
		{Dimension{Key: "other", Kind: Text}, "gold", None},
		{Dimension{Key: "k", Kind: "LIST"}, "gold", None},
	} {
		if got := test.dim.Value(Values{"k": test.value}, on); got != test.want {
			t.Errorf("%+v of %v is %q, want %q", test.dim, test.value, got, test.want)
		}
	}
	shape := Shape{Zone: "UTC", Dimensions: []Dimension{{Key: "b", Kind: Number}, {Key: "a", Kind: Text}, {Key: "c", Kind: Text}}}
	if got := shape.Values(Values{"a": "x", "b": 1.5}, on); !slices.Equal(got, []string{"1.5", "x", None}) {
		t.Errorf("the shape gives %q", got)
	}
}

func TestRanges(t *testing.T) {
	if got := (Dimension{Edges: []float64{3, 12, 24, 60}}).Ranges(); !slices.Equal(got, []string{"<3", "3–12", "12–24", "24–60", "≥60"}) {
		t.Errorf("got %q", got)
	}
	if got := (Dimension{Edges: []float64{0.5}}).Ranges(); !slices.Equal(got, []string{"<0.5", "≥0.5"}) {
		t.Errorf("got %q", got)
	}
	if got := (Dimension{Edges: []float64{}}).Ranges(); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestEachNumberHasItsRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		edges := rapid.SliceOfNDistinct(rapid.Float64Range(-50, 50), 1, 6, rapid.ID).Draw(t, "edges")
		slices.Sort(edges)
		def := Definition{Key: "n", Kind: Number, Edges: edges}
		if errs := def.Validate(); errs.Err() != nil {
			t.Fatal(errs)
		}
		dim := Dimension{Key: "n", Kind: Number, Edges: edges}
		number := rapid.OneOf(rapid.SampledFrom(edges), rapid.Float64Range(-60, 60)).Draw(t, "number")
		ranges := dim.Ranges()
		if len(slices.Compact(slices.Sorted(slices.Values(ranges)))) != len(edges)+1 {
			t.Fatalf("the ranges %q are not all different", ranges)
		}
		i := slices.Index(ranges, dim.Value(Values{"n": number}, 0))
		if i < 0 || i > 0 && number < edges[i-1] || i < len(edges) && number >= edges[i] {
			t.Fatalf("%v is in range %d of %q", number, i, ranges)
		}
	})
}

func TestFormatNumberKeepsNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Float64Range(-MaxNumber, MaxNumber).Draw(t, "number")
		text := FormatNumber(number)
		if back, err := strconv.ParseFloat(text, 64); err != nil || back != number || strings.ContainsAny(text, "eE") {
			t.Fatalf("%v is written %s", number, text)
		}
	})
}

// readable has a dimension of each kind that reads values in its own way.
var readable = Shape{Zone: "Europe/Berlin", Dimensions: []Dimension{
	{Key: "plan", Kind: Text}, {Key: "spend", Kind: Number}, {Key: "size", Kind: Number, Edges: []float64{-1, 0, 10}},
	{Key: "since", Kind: Date}, {Key: "joined", Kind: Date, Edges: []float64{0, 3, 12}}, {Key: "vip", Kind: Boolean},
}}

// FuzzReader wants a reader to take what encoding/json takes, and to give the same values.
func FuzzReader(f *testing.F) {
	for _, text := range []string{
		`{"plan":"a","spend":1.5,"size":3,"since":"2020-02-29","joined":"2026-01-01","vip":true}`, "null", "{}", `{"plan":"\ud800"}`, `{"plan":"\u00e9\n"}`,
		"{\"plan\":\"\xff\xfe\"}", `{"spend":5,"spend":1e999}`, `{"spend":nan}`, `{"spend":-Inf}`, `{"spend":01}`, "{\"plan\":\"a\nb\"}", `{"plan":"\q"}`,
		`{"spend":0.30000000000000004,"size":-0.0}`, `{"pl\u0061n":"a"}`, `{"plan":null,"plan":"b","plan":[1]}`, `{"plan":"a"} x`, "[]", " 1",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var decoded Values
		refused := json.Unmarshal(text, &decoded)
		got, err := readable.Reader().Values(text, 20_000)
		// A number of another trait that is too large need not be noticed.
		if _, large := errors.AsType[*json.UnmarshalTypeError](refused); err == nil && large {
			return
		}
		if (err != nil) != (refused != nil) {
			t.Fatalf("%q: %v, and encoding/json says %v", text, err, refused)
		}
		if want := readable.Values(decoded, 20_000); err == nil && !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	text, err := json.Marshal(Values{"plan": "Business", "spend": 12.5, "size": 7, "since": "2024-03-01", "vip": true, "city": "Delft", "age": 40})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("reader", func(b *testing.B) {
		r := readable.Reader()
		for b.Loop() {
			if _, err := r.Values(text, 20_000); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			var decoded Values
			if err := json.Unmarshal(text, &decoded); err != nil {
				b.Fatal(err)
			}
			readable.Values(decoded, 20_000)
		}
	})
}

// TestReader checks that a reader gives of stored traits what Values gives of them decoded, one after the other.
func TestReader(t *testing.T) {
	shape := readable
	value := rapid.OneOf(
		rapid.String().AsAny(), rapid.Float64Range(-MaxNumber, MaxNumber).AsAny(), rapid.IntRange(-20, 20).AsAny(), rapid.Bool().AsAny(),
		rapid.SampledFrom([]string{"2020-02-29", "2026-11-26", "2031-01-01", "2026-13-01", "a\\u0000\"é\U0001F600", None, Other}).AsAny(),
		rapid.Just[any](nil), rapid.SampledFrom([]float64{1e-7, 0.1 + 0.2, 123456789.123456789, 5e-324, 1e21}).AsAny(),
	)
	keys := rapid.SampledFrom([]string{"plan", "spend", "size", "since", "joined", "vip", "unknown", "Plan"})
	rapid.Check(t, func(t *rapid.T) {
		r := shape.Reader()
		for range 4 {
			traits, err := json.Marshal(rapid.MapOf(keys, value).Draw(t, "traits"))
			if err != nil {
				t.Fatal(err)
			}
			var decoded Values
			if err := json.Unmarshal(traits, &decoded); err != nil {
				t.Fatal(err)
			}
			on := calendar.Day(rapid.IntRange(18_000, 22_000).Draw(t, "on"))
			got, err := r.Values(traits, on)
			if want := shape.Values(decoded, on); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%s: %q, %v, want %q", traits, got, err, want)
			}
		}
	})
	r := shape.Reader()
	for _, text := range []string{"null", "{}", `{"plan":null}`, `{"plan":["a"]}`, ` {"plan" : {"a":1} } `} {
		if got, err := r.Values([]byte(text), 20_000); err != nil || slices.ContainsFunc(got, func(v string) bool { return v != None }) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "[]", `"a"`, "1", "{", `{"plan":"a"`, `{"plan":"a"} x`} {
		if got, err := r.Values([]byte(text), 20_000); err == nil {
			t.Errorf("%s: %q, no error", text, got)
		}
	}
}

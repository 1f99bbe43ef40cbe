package trait

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/apierror"
	"pgregory.net/rapid"
)

func TestParseValues(t *testing.T) {
	got, err := ParseValues(map[string]any{
		"plan": "gold", "household": 3, "big": int64(1 << 40), "number": json.Number("2.50"), "zero": math.Copysign(0, -1),
		"fibre": true, "gone": nil, "since": "2021-04-01", "empty": "", "emoji": strings.Repeat("🙂", MaxText), "tiny": json.Number("1e-400"),
		"largest": json.Number("9007199254740991"),
	})
	want := Values{
		"plan": "gold", "household": 3.0, "big": float64(1 << 40), "number": 2.5, "zero": 0.0,
		"fibre": true, "gone": nil, "since": "2021-04-01", "empty": "", "emoji": strings.Repeat("🙂", MaxText), "tiny": 0.0,
		"largest": 9007199254740991.0,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if math.Signbit(got["zero"].(float64)) {
		t.Error("−0 was kept")
	}
	if got, err := ParseValues(nil); got != nil || err != nil {
		t.Errorf("nil gave %v, %v", got, err)
	}
	if got, err := ParseValues(Values{"a": "b"}); err != nil || !reflect.DeepEqual(got, Values{"a": "b"}) {
		t.Errorf("Values gave %v, %v", got, err)
	}
}

func TestParseValuesRefuses(t *testing.T) {
	many := map[string]any{}
	for i := range MaxKeys + 1 {
		many[fmt.Sprintf("k%d", i)] = true
	}
	for _, test := range []struct {
		name  string
		input any
		field []string
		code  apierror.UserErrorCode
	}{
		{"a list", []any{}, []string{}, apierror.Invalid},
		{"text", "plan=gold", []string{}, apierror.Invalid},
		{"too many keys", many, []string{}, apierror.TooMany},
		{"an empty key", map[string]any{"": "x"}, []string{}, apierror.Invalid},
		{"a key with a space", map[string]any{"a b": "x"}, []string{}, apierror.Invalid},
		{"a key with a line end", map[string]any{"a\n": "x"}, []string{}, apierror.Invalid},
		{"a key that begins with a digit", map[string]any{"1a": "x"}, []string{}, apierror.Invalid},
		{"a long key", map[string]any{strings.Repeat("k", 65): "x"}, []string{}, apierror.Invalid},
		{"a very long key", map[string]any{strings.Repeat("k", 1<<20): "x"}, []string{}, apierror.Invalid},
		{"a key in other letters", map[string]any{"größe": "x"}, []string{}, apierror.Invalid},
		{"a list as value", map[string]any{"a": []any{"x"}}, []string{"a"}, apierror.Invalid},
		{"an object as value", map[string]any{"a": map[string]any{}}, []string{"a"}, apierror.Invalid},
		{"another type", map[string]any{"a": struct{}{}}, []string{"a"}, apierror.Invalid},
		{"NaN", map[string]any{"a": math.NaN()}, []string{"a"}, apierror.Invalid},
		{"infinity", map[string]any{"a": math.Inf(-1)}, []string{"a"}, apierror.OutOfRange},
		{"an overflow", map[string]any{"a": json.Number("1e999")}, []string{"a"}, apierror.OutOfRange},
		{"no number", map[string]any{"a": json.Number("x")}, []string{"a"}, apierror.Invalid},
		{"an empty number", map[string]any{"a": json.Number("")}, []string{"a"}, apierror.Invalid},
		{"a number that float64 changes", map[string]any{"a": json.Number("9007199254740993")}, []string{"a"}, apierror.OutOfRange},
		{"an int64 that float64 changes", map[string]any{"a": int64(math.MinInt64)}, []string{"a"}, apierror.OutOfRange},
		{"long text", map[string]any{"a": strings.Repeat("é", MaxText+1)}, []string{"a"}, apierror.TooLong},
		{"U+0000", map[string]any{"a": "x\x00"}, []string{"a"}, apierror.Invalid},
		{"broken UTF-8", map[string]any{"a": "\xff"}, []string{"a"}, apierror.Invalid},
		{"none", map[string]any{"a": None}, []string{"a"}, apierror.NotAllowed},
		{"other", map[string]any{"a": Other}, []string{"a"}, apierror.NotAllowed},
		{"few", map[string]any{"a": Few}, []string{"a"}, apierror.NotAllowed},
	} {
		got, err := ParseValues(test.input)
		var errs apierror.UserErrors
		if !errors.As(err, &errs) || len(errs) != 1 {
			t.Errorf("%s: got %v, %v", test.name, got, err)
			continue
		}
		if !slices.Equal(errs[0].Field, test.field) || errs[0].Code != test.code {
			t.Errorf("%s: error at %v with %s: %v", test.name, errs[0].Field, errs[0].Code, err)
		}
		if errs[0].Field == nil || len(err.Error()) > 500 || len(test.field) > 0 && !strings.Contains(errs[0].Message, test.field[0]) {
			t.Errorf("%s: bad error: %.600v", test.name, err)
		}
	}
	_, err := ParseValues(map[string]any{"b": math.NaN(), "a": []any{}, "c": true})
	var errs apierror.UserErrors
	if !errors.As(err, &errs) || len(errs) != 2 || errs[0].Field[0] != "a" || errs[1].Field[0] != "b" {
		t.Errorf("two faults gave %v", err)
	}
}

func anyValues() *rapid.Generator[Values] {
	value := rapid.OneOf(
		rapid.Map(rapid.StringN(0, 20, -1).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) }), func(s string) any { return s }),
		rapid.Map(rapid.Float64Range(-MaxNumber, MaxNumber), func(f float64) any { return f + 0 }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil),
	)
	return rapid.Map(rapid.MapOfN(rapid.StringMatching(`[A-Za-z][A-Za-z0-9_]{0,3}`), value, 0, 8), func(m map[string]any) Values { return m })
}

func TestValuesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyValues().Draw(t, "values")
		parsed, err := ParseValues(v)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(parsed)
		if err != nil {
			t.Fatal(err)
		}
		var back Values
		if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, parsed) {
			t.Fatalf("%v became %s became %v, %v", parsed, data, back, err)
		}
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.UseNumber()
		var numbers map[string]any
		if err := decoder.Decode(&numbers); err != nil {
			t.Fatal(err)
		}
		again, err := ParseValues(numbers)
		if err != nil || !reflect.DeepEqual(again, parsed) {
			t.Fatalf("%s parsed again as %v, %v", data, again, err)
		}
		if same, err := json.Marshal(again); err != nil || string(same) != string(data) {
			t.Fatalf("%s is written as %s the second time, %v", data, same, err)
		}
	})
}

// FuzzParseValues sends any JSON object through, as decoded with and without json.Number.
func FuzzParseValues(f *testing.F) {
	for _, seed := range []string{`{"plan":"gold","n":3,"f":true,"d":"2021-04-01","x":null}`, `{"a":1e999}`, `{"a":[{}]}`, `[]`, `null`, `{"":0}`, `{"a":-0}`, `{"a":1e-400}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var input any
		if decoder.Decode(&input) != nil {
			return
		}
		values, err := ParseValues(input)
		if err != nil {
			return
		}
		data, err := json.Marshal(values)
		if err != nil {
			t.Fatalf("%v is no JSON: %v", values, err)
		}
		var back Values
		if err := json.Unmarshal(data, &back); err != nil || !maps.Equal(back, values) {
			t.Fatalf("%s read back as %v, %v", data, back, err)
		}
	})
}

func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, changes := anyValues().Draw(t, "base"), anyValues().Draw(t, "changes")
		if rapid.Bool().Draw(t, "nil base") {
			base = nil
		}
		baseBefore, changesBefore := maps.Clone(base), maps.Clone(changes)
		merged := Merge(base, changes)
		if merged == nil {
			t.Fatal("merged is nil")
		}
		merged["added later"] = true
		if !reflect.DeepEqual(base, baseBefore) || !reflect.DeepEqual(changes, changesBefore) {
			t.Fatal("an input changed")
		}
		delete(merged, "added later")
		for key, value := range merged {
			if value == nil {
				t.Fatalf("%s is nil", key)
			}
			want, changed := changes[key]
			if !changed {
				want = base[key]
			}
			if value != want {
				t.Fatalf("%s is %v, want %v", key, value, want)
			}
		}
		for key, value := range base {
			if _, changed := changes[key]; !changed && value != nil && merged[key] != value {
				t.Fatalf("%s was lost", key)
			}
		}
		for key, value := range changes {
			if got, ok := merged[key]; ok != (value != nil) || got != value {
				t.Fatalf("%s is %v, %v, want %v", key, got, ok, value)
			}
		}
		if again := Merge(merged, changes); !reflect.DeepEqual(again, merged) {
			t.Fatalf("merging twice gives %v, not %v", again, merged)
		}
	})
}

func TestCheck(t *testing.T) {
	defs := map[string]Definition{"plan": {Kind: Text}, "size": {Kind: Number}, "fibre": {Kind: Boolean}, "since": {Kind: Date}}
	good := Values{"plan": "gold", "size": 3.0, "fibre": false, "since": "2021-04-01", "unknown": 3.0}
	if errs := Check(defs, good); errs.Err() != nil {
		t.Error(errs)
	}
	if errs := Check(defs, Values{"plan": nil, "size": nil, "fibre": nil, "since": nil}); errs.Err() != nil {
		t.Error(errs)
	}
	for _, test := range []struct {
		key     string
		value   any
		message string
	}{
		{"plan", 3.5, `The trait plan is a TEXT: expected text, got the number 3.5.`},
		{"plan", true, `The trait plan is a TEXT: expected text, got true.`},
		{"size", "3", `The trait size is a NUMBER: expected a number, got the text "3".`},
		{"size", false, `The trait size is a NUMBER: expected a number, got false.`},
		{"fibre", "true", `The trait fibre is a BOOLEAN: expected true or false, got the text "true".`},
		{"fibre", 1.0, `The trait fibre is a BOOLEAN: expected true or false, got the number 1.`},
		{"since", "2021-02-30", `The trait since is a DATE: expected a calendar day such as "2026-11-22", got the text "2021-02-30".`},
		{"since", "2021-04-01T00:00:00Z", `The trait since is a DATE: expected a calendar day such as "2026-11-22", got the text "2021-04-01T00:00:00Z".`},
		{"since", 2021.0, `The trait since is a DATE: expected a calendar day such as "2026-11-22", got the number 2021.`},
	} {
		errs := Check(defs, Values{test.key: test.value})
		if len(errs) != 1 || !slices.Equal(errs[0].Field, []string{test.key}) || errs[0].Code != apierror.Invalid || errs[0].Message != test.message {
			t.Errorf("%s = %v gave %v", test.key, test.value, errs)
		}
	}
	errs := Check(defs, Values{"size": "x", "fibre": "x", "plan": strings.Repeat("x", 500), "since": strings.Repeat("x", 500)})
	if len(errs) != 3 || errs[0].Field[0] != "fibre" || errs[2].Field[0] != "size" || len(errs[1].Message) > 200 {
		t.Errorf("three faults gave %v", errs)
	}
}

// TestFit wants as much as there is room for, whatever there is and comes.
func TestFit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string, nils bool) Values {
			v := Values{}
			for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 250), 0, MaxKeys, rapid.ID[int]).Draw(rt, name) {
				v[fmt.Sprintf("k%03d", i)] = true
				if nils && rapid.IntRange(0, 3).Draw(rt, "nil") == 0 {
					v[fmt.Sprintf("k%03d", i)] = nil
				}
			}
			return v
		}
		base, changes := draw("base", false), draw("changes", true)
		fitting, all := Fit(base, changes), Merge(base, changes)
		got := Merge(base, fitting)
		if want := min(len(all), MaxKeys); len(got) != want {
			rt.Fatalf("there are %d, want %d", len(got), want)
		}
		last := ""
		for key := range fitting {
			if _, known := base[key]; !known && fitting[key] != nil {
				last = max(last, key)
			}
		}
		for key, value := range changes {
			now, taken := fitting[key]
			_, known := base[key]
			if taken && now != value || !taken && (known || value == nil || key < last) {
				rt.Fatalf("%s became %v of %v; last is %s", key, now, value, last)
			}
		}
	})
}

// Keys are told by hand, for speed: as a regular expression has it.
func TestIsKey(t *testing.T) {
	rule := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[A-Za-z][A-Za-z0-9_]{0,64}`), rapid.StringN(0, 66, -1), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 3), func(b []byte) string { return string(b) }),
		).Draw(t, "text")
		if got, want := isKey(text), rule.MatchString(text); got != want {
			t.Errorf("%q may be a key: %t, want %t", text, got, want)
		}
	})
	for c := range 256 {
		for _, text := range []string{string([]byte{byte(c)}), "a" + string([]byte{byte(c)})} {
			if got, want := isKey(text), rule.MatchString(text); got != want {
				t.Errorf("%q may be a key: %t, want %t", text, got, want)
			}
		}
	}
}

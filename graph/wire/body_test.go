package wire

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
)

// parse reads a request with all its variables.
func parse(data []byte, l Limits) (*graphql.RawParams, error) {
	a, err := parseParams(data, l, nil)
	if err != nil {
		return nil, err
	}
	a.params.Variables, err = a.read(nil)(func(string) bool { return true })
	return a.params, err
}

func TestParseParams(t *testing.T) {
	t.Parallel()
	limits := Limits{}.withDefaults()
	nested := func(n int) string {
		return `{"query":"q","variables":` + strings.Repeat(`{"a":`, n-1) + "1" + strings.Repeat("}", n-1) + "}"
	}
	values := func(n int) string {
		return `{"query":"q","variables":{"a":[` + strings.Repeat("0,", n-4) + `0]}}`
	}
	for body, status := range map[string]int{
		`{"query":"q"}`:                 0,
		" \t\r\n{ \"query\" : \"q\" } ": 0,
		`{"query":"q","unknown":{"a":[1,-0.5e+3,true,false,null,"\ud83c\udfc3\u00e9\\\/\b\f\n\r\t\""]}}`: 0,
		`{"query":"q","variables":{"a":{},"b":[]}}`:                                                      0,
		``:                               400,
		`null`:                           400,
		`"q"`:                            400,
		`[]`:                             400,
		`{`:                              400,
		`{"query":"q"`:                   400,
		`{"query":"q",}`:                 400,
		`{"query":"q"}}`:                 400,
		`{"query":"q"}{"query":"q"}`:     400,
		`{"query":"q","query":"q"}`:      400,
		`{"query":"q","qu\u0065ry":"q"}`: 400,
		`{"query":"q","variables":{"a":{"b":1,"b":1}}}`:    400,
		`{"query":"q","extensions":{"a":[{"b":1,"b":1}]}}`: 400,
		`{"query":"q","x":{"b":1,"b":1}}`:                  400,
		`{"query":"q","x":[1,]}`:                           400,
		`{"query":"q","x":[1 2]}`:                          400,
		`{"query":"q","x":01}`:                             400,
		`{"query":"q","x":1.}`:                             400,
		`{"query":"q","x":-}`:                              400,
		`{"query":"q","x":1e}`:                             400,
		`{"query":"q","x":+1}`:                             400,
		`{"query":"q","x":NaN}`:                            400,
		`{"query":"q","x":truth}`:                          400,
		`{"query":"q","x":'a'}`:                            400,
		`{"query":"q","x":"\x"}`:                           400,
		`{"query":"q","x":"\u12g4"}`:                       400,
		`{"query":"q","x":"` + "\n" + `"}`:                 400,
		`{"query":"q","x":"\n` + "\n" + `"}`:               400,
		`{"query":"q","x":"` + "\xff" + `"}`:               400,
		`{"query":"q","x":"\`:                              400,
		`{query:"q"}`:                                      400,
		`{"query" "q"}`:                                    400,
		"\ufeff" + `{"query":"q"}`:                         400,
		`{"documentId":1}`:                                 400,
		`{"query":null}`:                                   400,
		`{"query":null,"extensions":{"persistedQuery":{"version":1}}}`: 0,
		nested(64):      0,
		nested(65):      400,
		values(250_000): 0,
		values(250_001): 413,
	} {
		_, err := parseParams([]byte(body), limits, nil)
		var refused *refusal
		got := 0
		if errors.As(err, &refused) {
			got = refused.status
		}
		if got != status {
			t.Errorf("%.80q: %v, want %d", body, err, status)
		}
	}
}

func TestParseParamsGives(t *testing.T) {
	t.Parallel()
	params, err := parse([]byte(`{"query":"\ud83c\udfc3 \ud83c \u0000","operationName":"N","documentId":"d",
		"variables":{"n":12345678901234567890.50,"l":[null,true]}}`), Limits{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if params.Query != "🏃 \ufffd \x00" || params.OperationName != "N" || params.Extensions["documentId"] != "d" {
		t.Errorf("got %+v", params)
	}
	want := map[string]any{"n": json.Number("12345678901234567890.50"), "l": []any{nil, true}}
	if !reflect.DeepEqual(params.Variables, want) {
		t.Errorf("variables %v, want %v", params.Variables, want)
	}
}

func TestRefusalsRepeatNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"secret`, `{"query":"secret`, `{"query":"q","secret":1,"secret":1}`, `{"query":{"secret":1}}`, `{"query":secret}`, `secret`,
	} {
		_, err := parseParams([]byte(body), Limits{}.withDefaults(), nil)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// What is accepted is what encoding/json makes of it, and what it refuses is refused.
func FuzzParseParams(f *testing.F) {
	for _, seed := range []string{
		`{"query":"{a}","variables":{"a":[1,2.5e3,{"b":null}]},"extensions":{},"operationName":null}`,
		`{"query":"\ud83c\udfc3\ud83c\u00e9\\\/"}`, `{"query":"q","variables":{"a":1,"a":2}}`, `[{"query":"q"}]`, `{"query":"q"} x`,
		`{"query":"` + "\xff" + `"}`, strings.Repeat(`{"a":`, 70), `{"query":"q","variables":{"\ud83c\ud83c":"\ud83c\n"}}`,
	} {
		f.Add([]byte(seed))
	}
	limits := Limits{}.withDefaults()
	f.Fuzz(func(t *testing.T, body []byte) {
		params, err := parse(body, limits)
		var want struct {
			Query     *string        `json:"query"`
			Variables map[string]any `json:"variables"`
		}
		if err != nil {
			var refused *refusal
			if !errors.As(err, &refused) || refused.status != http.StatusBadRequest && refused.status != http.StatusRequestEntityTooLarge {
				t.Fatalf("no refusal: %v", err)
			}
			return
		}
		if !utf8.Valid(body) || !json.Valid(body) {
			t.Fatalf("accepted: %q", body)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatal(err)
		}
		// By their very names, since encoding/json takes them in any case.
		if raw, ok := members["query"]; ok {
			if err := json.Unmarshal(raw, &want.Query); err != nil {
				t.Fatal(err)
			}
		}
		if want.Query != nil && *want.Query != params.Query {
			t.Fatalf("query %q, want %q", params.Query, *want.Query)
		}
		if raw, ok := members["variables"]; ok {
			decoder := json.NewDecoder(strings.NewReader(string(raw)))
			decoder.UseNumber()
			if err := decoder.Decode(&want.Variables); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(params.Variables, want.Variables) {
			t.Fatalf("variables %v, want %v", params.Variables, want.Variables)
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"query=a&variables=%7B%7D", "query=%ff", "query=a&query=b", "a;b", "query=q&variables=[", "documentId=1&extensions=null"} {
		f.Add(seed)
	}
	limits := Limits{}.withDefaults()
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := parseQuery(raw, limits, nil)
		if err == nil && !utf8.ValidString(a.params.Query+a.params.OperationName) {
			t.Errorf("%q: accepted though it is not UTF-8", raw)
		}
	})
}

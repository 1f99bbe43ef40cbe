package survey_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/survey"
	"pgregory.net/rapid"
)

func TestPlaceholders(t *testing.T) {
	known := func(key string) (string, bool) {
		value, ok := map[string]string{"name": "Ada {brand|x}", "brand": "Acme", "product": ""}[key]
		return value, ok
	}
	for text, want := range map[string]struct {
		filled, unknown string
		keys            []string
	}{
		"Hello {name|there}!":          {"Hello Ada {brand|x}!", "Hello there!", []string{"name"}},
		"{brand|}":                     {"Acme", "", []string{"brand"}},
		"a {product|our service} b":    {"a  b", "a our service b", []string{"product"}},
		"{plan|a|b}":                   {"a|b", "a|b", []string{"plan"}},
		"{name}":                       {"{name}", "{name}", nil},
		"{ {name|you} }":               {"{ Ada {brand|x} }", "{ you }", []string{"name"}},
		"{{name|you}}":                 {"{Ada {brand|x}}", "{you}", []string{"name"}},
		"{name|{brand|us}}":            {"{name|Acme}", "{name|us}", []string{"brand"}},
		"a } b | c { d":                {"a } b | c { d", "a } b | c { d", nil},
		"{|x}":                         {"x", "x", []string{""}},
		"{x}{name|y}":                  {"{x}Ada {brand|x}", "{x}y", []string{"name"}},
		"unended {name|there":          {"unended {name|there", "unended {name|there", nil},
		"{name|there} and {brand|them": {"Ada {brand|x} and {brand|them", "there and {brand|them", []string{"name"}},
	} {
		var keys []string
		for _, p := range survey.Placeholders(text) {
			keys = append(keys, p.Key)
		}
		if got := survey.Fill(text, known); got != want.filled || !slices.Equal(keys, want.keys) {
			t.Errorf("%s: got %q and %q, want %q and %q", text, got, keys, want.filled, want.keys)
		}
		if got := survey.Fill(text, nil); got != want.unknown {
			t.Errorf("%s of somebody unknown: got %q, want %q", text, got, want.unknown)
		}
	}
}

// What is not a placeholder stays as it is, and what is one is found wherever it stands.
func FuzzPlaceholders(f *testing.F) {
	for _, text := range []string{"{name|there}", "{{a|b}}", "{|}", "{a{b|c}d}", "}{"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := survey.Placeholders(text)
		i := 0
		again := survey.Fill(text, func(key string) (string, bool) {
			p := found[i]
			i++
			if key != p.Key {
				t.Fatalf("%q: the placeholder %d is of %q, and was of %q", text, i, key, p.Key)
			}
			return "{" + p.Key + "|" + p.Fallback + "}", true
		})
		if again != text || i != len(found) {
			t.Errorf("%q became %q, with %d of %d placeholders", text, again, i, len(found))
		}
	})
}

func TestPlaceholdersAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		var want []survey.Placeholder
		for range rapid.IntRange(0, 6).Draw(t, "pieces") {
			if rapid.Bool().Draw(t, "plain") {
				text.WriteString(rapid.StringMatching(`[a-z |]{0,5}`).Draw(t, "text"))
				continue
			}
			p := survey.Placeholder{Key: rapid.StringMatching(`[a-z]{0,4}`).Draw(t, "key"), Fallback: rapid.StringMatching(`[a-z |]{0,4}`).Draw(t, "fallback")}
			text.WriteString("{" + p.Key + "|" + p.Fallback + "}")
			want = append(want, p)
		}
		if got := survey.Placeholders(text.String()); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text.String(), got, want)
		}
	})
}

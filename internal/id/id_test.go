package id

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// Every kind is in the list of all, and reads what it writes, and nothing of another's.
func TestKinds(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "id.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if of, ok := v.Type.(*ast.Ident); ok && of.Name == "Kind" {
				declared += len(v.Names)
			}
		}
		return true
	})
	if all := Kinds(); declared != len(all) {
		t.Errorf("%d kinds are declared, and %d are in the list of all", declared, len(all))
	}
	u := New()
	for _, k := range Kinds() {
		text := k.Format(u)
		if !strings.HasPrefix(text, string(k)+"_") {
			t.Errorf("%s does not begin with %s_", text, k)
		}
		for _, other := range Kinds() {
			got, err := other.Parse(text)
			if ok := err == nil && got == u; ok != (other == k) {
				t.Errorf("as a %s, %s is %v, %v", other, text, got, err)
			}
		}
		if kind, got, err := Parse(text); kind != k || got != u || err != nil {
			t.Errorf("%s is a %s, %v, %v", text, kind, got, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	good := Campaign.Format(New())
	for _, text := range []string{
		"", "camp", "camp_", good[:len(good)-1], good + "0", "none" + good[len("camp"):], strings.ToUpper(good), good[len("camp_"):],
		"camp_" + strings.Repeat("0", 1<<20),
	} {
		if _, _, err := Parse(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.40q: %v", text, err)
		}
		if _, err := Campaign.Parse(text); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), `"camp_"`) {
			t.Errorf("%.40q as a campaign's: %v", text, err)
		}
	}
}

package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoPriceByTime: what an operation costs follows from what it asks for and from what there is, and never from how long
// anything took. So no function that pays looks at a clock.
func TestNoPriceByTime(t *testing.T) {
	paying := 0
	for _, room := range []string{".", "../graph"} {
		err := filepath.WalkDir(room, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				called := calls(f)
				pays := slices.ContainsFunc(called, func(c string) bool { return strings.HasPrefix(c, "rate.Spend") })
				if pays {
					paying++
				}
				if clock := slices.IndexFunc(called, func(c string) bool { return c == "time.Now" || c == "time.Since" || c == "time.Until" }); pays && clock >= 0 {
					t.Errorf("%s: %s pays, and calls %s", path, f.Name.Name, called[clock])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if paying == 0 {
		t.Error("nothing pays: the test looks for the wrong name")
	}
}

// calls names the functions of packages that a function calls, as in rate.Spend.
func calls(f *ast.FuncDecl) []string {
	var called []string
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok {
				called = append(called, pkg.Name+"."+sel.Sel.Name)
			}
		}
		return true
	})
	return called
}

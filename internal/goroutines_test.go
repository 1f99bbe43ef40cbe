package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// bare are the places that may begin goroutines by themselves, and why.
var bare = map[string]string{
	"internal/flight":             "is what others begin them with",
	"server.go":                   "a signal's end runs one function of the standard library",
	"torture":                     "a program that tests: a panic is to end it",
	"bench":                       "a program that measures: a panic is to end it",
	"internal/lab":                "is for these two",
	"internal/pgtest":             "is for tests",
	"internal/storetest":          "is for tests",
	"internal/store/newmigration": "a program for those who work on this one",
}

// goroutines lists where a file begins goroutines: by go, or by what begins one for its caller.
func goroutines(file *ast.File) []ast.Node {
	var found []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, n)
		case *ast.SelectorExpr:
			of, _ := n.X.(*ast.Ident)
			switch n.Sel.Name {
			case "Go", "TryGo": // of a sync.WaitGroup or an errgroup.Group
				if of == nil || of.Name != "flight" {
					found = append(found, n)
				}
			case "AfterFunc", "DoChan":
				found = append(found, n)
			}
		}
		return true
	})
	return found
}

// A panic on a goroutine ends the process, unless internal/flight began it.
func TestGoroutinesAreFlights(t *testing.T) {
	files := token.NewFileSet()
	n := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel("..", path)
		name = filepath.ToSlash(name)
		if d.IsDir() && (bare[name] != "" || d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != ".") {
			return fs.SkipDir
		}
		if bare[name] != "" || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		n++
		for _, g := range goroutines(file) {
			t.Errorf("%s: use internal/flight, or name the place and the reason in bare", files.Position(g.Pos()))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 100 {
		t.Fatalf("only %d files were found", n)
	}
}

// The test above must be able to fail.
func TestGoroutines(t *testing.T) {
	for code, want := range map[string]int{
		`go f()`:                                 1,
		`go func() { defer recover() }()`:        1,
		`var g sync.WaitGroup; g.Go(f)`:          1,
		`var g errgroup.Group; g.TryGo(f)`:       1,
		`time.AfterFunc(d, f)`:                   1,
		`defer context.AfterFunc(ctx, cancel)()`: 1,
		`g.flights.DoChan(key, f)`:               1,
		`flight.Go(f, caught)`:                   0,
		`f(); flight.After(d, f, caught)`:        0,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p; func _() { "+code+" }", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(goroutines(file)); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
}

// Command printsdl writes the SDL as the server serves it to docs: one file, types by name, without the directives that
// only tell the generator how to write code.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/zeroten/zeroten/graph"
)

// file is where it goes, from the root of the repository.
const file = "docs/schema.graphql"

func main() {
	if err := os.WriteFile(file, sdl(graph.Schema(&graph.Resolver{}).Schema()), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, "printsdl: writing the SDL:", err)
		os.Exit(1)
	}
}

// sdl prints the schema, and takes out of it what it does not print.
func sdl(s *ast.Schema) []byte {
	for name := range s.Directives {
		if forGenerator(name) {
			delete(s.Directives, name)
		}
	}
	strip := func(list *ast.DirectiveList) {
		var kept ast.DirectiveList
		for _, d := range *list {
			if !forGenerator(d.Name) {
				kept = append(kept, d)
			}
		}
		*list = kept
	}
	for _, def := range s.Types {
		strip(&def.Directives)
		for _, f := range def.Fields {
			strip(&f.Directives)
			for _, a := range f.Arguments {
				strip(&a.Directives)
			}
		}
		for _, v := range def.EnumValues {
			strip(&v.Directives)
		}
	}
	var b bytes.Buffer
	formatter.NewFormatter(&b, formatter.WithIndent("  ")).FormatSchema(s)
	return b.Bytes()
}

// forGenerator reports whether a directive is one of gqlgen's own, such as goModel or goField.
func forGenerator(directive string) bool {
	return strings.HasPrefix(directive, "go") && len(directive) > 2 && strings.ToUpper(directive[2:3]) == directive[2:3]
}

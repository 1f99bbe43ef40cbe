package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"

	"github.com/99designs/gqlgen/graphql/playground"
	"github.com/zeroten/zeroten/examples"
)

// Playground is the page to explore the API with.
type Playground struct {
	// Secret, where not empty, is put in place, for a demo's public key.
	Secret string
	// Variables are what the examples' variables are called, and what to put there.
	Variables map[string]any
}

// Handler is gqlgen's GraphiQL page, opened with a tab for each example.
func (p Playground) Handler(endpoint string) http.Handler {
	var options []playground.GraphiqlConfigOption
	if p.Secret != "" {
		headers := map[string]string{"Authorization": "Bearer " + p.Secret}
		options = append(options, playground.WithGraphiqlFetcherHeaders(headers), playground.WithGraphiqlUiHeaders(headers))
	}
	options = append(options, playground.WithStoragePrefix("zeroten:"))
	page := httptest.NewRecorder()
	playground.Handler("Zeroten playground", endpoint, options...)(page, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/playground", nil))

	// The page has no option for tabs; GraphiQL itself has.
	const mark = "inputValueDeprecation: true"
	body := bytes.Replace(page.Body.Bytes(), []byte(mark), []byte("defaultTabs: "+p.tabs()+",\n          "+mark), 1)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body) // the browser went away
	})
}

var declared = regexp.MustCompile(`\$(\w+):`)

// tabs are the examples, as GraphiQL takes them.
func (p Playground) tabs() string {
	type tab struct {
		Query     string `json:"query"`
		Variables string `json:"variables,omitempty"`
	}
	var tabs []tab
	files, err := fs.Glob(examples.Files, "*.graphql")
	if err != nil {
		panic(fmt.Sprintf("listing the examples: %v", err)) // only for a malformed pattern
	}
	for _, name := range files {
		text, err := fs.ReadFile(examples.Files, name)
		if err != nil {
			panic(fmt.Sprintf("reading an example: %v", err)) // it is embedded
		}
		t := tab{Query: string(text)}
		variables := map[string]any{}
		for _, d := range declared.FindAllStringSubmatch(t.Query, -1) {
			if v, ok := p.Variables[d[1]]; ok {
				variables[d[1]] = v
			}
		}
		if len(variables) > 0 {
			t.Variables = indent(variables)
		}
		tabs = append(tabs, t)
	}
	return indent(tabs)
}

func indent(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b) // it escapes <, > and &, so that nothing ends the script
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("encoding the examples: %v", err)) // texts and ids
	}
	return strings.TrimSpace(b.String())
}

package graph

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
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
	policy := contentPolicy(body)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write(body) // the browser went away
	})
}

var (
	inlineScript   = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
	externalScript = regexp.MustCompile(`<script\s+src="([^"]+)"`)
	externalStyle  = regexp.MustCompile(`<link\s+rel="stylesheet"\s+href="([^"]+)"`)
)

// contentPolicy lets the page have what it names and nothing else: its own script, word for word, the very files of
// GraphiQL and React, and this server. GraphiQL writes styles as it goes, so that these may be inline.
func contentPolicy(page []byte) string {
	scripts, styles := []string{"script-src"}, []string{"style-src", "'unsafe-inline'"}
	for _, script := range inlineScript.FindAllSubmatch(page, -1) {
		digest := sha256.Sum256(script[1])
		scripts = append(scripts, "'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"'")
	}
	for _, script := range externalScript.FindAllSubmatch(page, -1) {
		scripts = append(scripts, html.UnescapeString(string(script[1])))
	}
	for _, style := range externalStyle.FindAllSubmatch(page, -1) {
		styles = append(styles, html.UnescapeString(string(style[1])))
	}
	return strings.Join([]string{
		"default-src 'none'", strings.Join(scripts, " "), strings.Join(styles, " "), "font-src data:", "img-src 'self' data:",
		"connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	}, "; ")
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

// Package playground is the page to explore the API with: GraphiQL, with a tab for each example. The page and all that
// it loads come from the program itself, so that it works wherever the program does.
package playground

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/zeroten/zeroten/examples"
)

// The files that the page loads are built from web, which needs Node, where that has changed since, and only there.
//
//go:generate go run ./build

//go:embed built
var built embed.FS

// sums has the checksum of each of them.
//
//go:embed SHA256SUMS
var sums []byte

// Page is the playground.
type Page struct {
	// Schema is the API's SDL. The page loads it as one more of its files, which browsers keep, since to learn the same by
	// introspection costs each page some 300 points. Where it is empty, as where nobody may learn the schema, it asks.
	Schema string
	// Secret, where not empty, is put in place, for a demo's public key.
	Secret string
	// Variables are what the examples' variables are called, and what to put there.
	Variables map[string]any
}

// policy lets the page have what comes from this server, and nothing else. Monaco, the editor in GraphiQL, writes styles
// as it goes, so that these may be inline; scripts may not.
const policy = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Zeroten playground</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{{.Files}}playground.css">
<div id="page"></div>
<noscript>The playground needs JavaScript. The API does not: see docs/api.md.</noscript>
<script type="application/json" id="settings">{{.Settings}}</script>
<script type="module" src="{{.Files}}playground.js"></script>
</html>
`))

type settings struct {
	Endpoint string `json:"endpoint"`
	Schema   string `json:"schema,omitempty"`
	Secret   string `json:"secret,omitempty"`
	Tabs     []tab  `json:"tabs"`
}

// tab is an example, as GraphiQL takes it.
type tab struct {
	Query     string `json:"query"`
	Variables string `json:"variables,omitempty"`
}

// Handler serves the page at root, such as /playground, and its files below. It asks at endpoint.
func (p Page) Handler(root, endpoint string) http.Handler {
	files := load(p.Schema)
	// Other files have another address, so that browsers may keep these for good.
	under := root + "/" + files.version + "/"
	settings := settings{Endpoint: endpoint, Secret: p.Secret, Tabs: p.tabs()}
	if p.Schema != "" {
		settings.Schema = under + schemaFile
	}
	var text bytes.Buffer
	if err := page.Execute(&text, map[string]any{"Files": under, "Settings": settings}); err != nil {
		panic(fmt.Sprintf("writing the playground's page: %v", err)) // texts and ids
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != root {
			name, _ := strings.CutPrefix(r.URL.Path, under)
			files.serve(w, r, name)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write(text.Bytes()) // the browser went away
	})
}

// kinds are the kinds of the files, which are not left to the tables of the machine.
var kinds = map[string]string{
	".css":     "text/css; charset=utf-8",
	".graphql": "text/plain; charset=utf-8",
	".js":      "text/javascript; charset=utf-8",
	".ttf":     "font/ttf",
	".txt":     "text/plain; charset=utf-8",
}

// schemaFile is what the schema is called among the files.
const schemaFile = "schema.graphql"

// files are what the page loads.
type files struct {
	version string
	// schema is empty where it is none of them.
	schema string
	// gzipped has each file as it is sent to those who take gzip. Most programs never show the page, and have nothing of it
	// in memory.
	gzipped func() map[string][]byte
}

func load(schema string) *files {
	digest := sha256.Sum256(slices.Concat(sums, []byte(schema)))
	f := &files{version: hex.EncodeToString(digest[:8]), schema: schema}
	f.gzipped = sync.OnceValue(f.compress)
	return f
}

// open opens a file, and tells how many bytes it has.
func (f *files) open(name string) (io.ReadCloser, int64, error) {
	if name == schemaFile && f.schema != "" {
		return io.NopCloser(strings.NewReader(f.schema)), int64(len(f.schema)), nil
	}
	file, err := built.Open("built/" + name)
	if err != nil {
		return nil, 0, err //nolint:wrapcheck // it says which file
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func (f *files) compress() map[string][]byte {
	names, err := fs.Glob(built, "built/*")
	if err != nil {
		panic(fmt.Sprintf("listing the playground's files: %v", err)) // only for a malformed pattern
	}
	if f.schema != "" {
		names = append(names, schemaFile)
	}
	small := map[string][]byte{}
	for _, name := range names {
		name = path.Base(name)
		file, _, err := f.open(name)
		if err != nil {
			panic(fmt.Sprintf("reading the playground's files: %v", err)) // they are embedded
		}
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err = io.Copy(w, file)
		if err := errors.Join(err, w.Close(), file.Close()); err != nil {
			panic(fmt.Sprintf("compressing the playground's files: %v", err)) // a buffer takes all
		}
		small[name] = bytes.Clone(b.Bytes())
	}
	return small
}

func (f *files) serve(w http.ResponseWriter, r *http.Request, name string) {
	file, size, err := f.open(name)
	if name == "" || err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", kinds[path.Ext(name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Vary", "Accept-Encoding")
	if takesGzip(r.Header) {
		small := f.gzipped()[name]
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", strconv.Itoa(len(small)))
		_, _ = w.Write(small) // the browser went away
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_, _ = io.Copy(w, file)
}

// refused is a weight of zero (RFC 9110, 12.4.2).
var refused = regexp.MustCompile(`^\s*q=0(\.0{0,3})?\s*$`)

// takesGzip says whether who asks takes gzip by name, as all browsers do.
func takesGzip(header http.Header) bool {
	for coding := range strings.SplitSeq(strings.Join(header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return !refused.MatchString(weight)
		}
	}
	return false
}

var declared = regexp.MustCompile(`\$(\w+):`)

func (p Page) tabs() []tab {
	names, err := fs.Glob(examples.Files, "*.graphql")
	if err != nil {
		panic(fmt.Sprintf("listing the examples: %v", err)) // only for a malformed pattern
	}
	var tabs []tab
	for _, name := range names {
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
			indented, err := json.MarshalIndent(variables, "", "  ")
			if err != nil {
				panic(fmt.Sprintf("encoding an example's variables: %v", err)) // ids
			}
			t.Variables = string(indented)
		}
		tabs = append(tabs, t)
	}
	return tabs
}

package playground_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/docs"
	"github.com/zeroten/zeroten/examples"
	"github.com/zeroten/zeroten/internal/playground"
)

func get(t *testing.T, h http.Handler, path, encoding string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func handler(p playground.Page) http.Handler { return p.Handler("/playground", "/graphql") }

func read(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var named = regexp.MustCompile(`(?:src|href)="([^"]*)"`)

// files are the files that the page names.
func files(t *testing.T, h http.Handler) []string {
	t.Helper()
	var files []string
	for _, m := range named.FindAllStringSubmatch(read(t, get(t, h, "/playground", "").Body), -1) {
		if m[1] != "data:," {
			files = append(files, m[1])
		}
	}
	if len(files) != 2 {
		t.Fatalf("the page names %q", files)
	}
	return files
}

func TestPageSaysWhatIsKnown(t *testing.T) {
	settings := regexp.MustCompile(`(?s)<script type="application/json" id="settings">(.*?)</script>`)
	for _, p := range []playground.Page{{}, {Schema: "type Query { n: Int }", Secret: "z10_</script>", Variables: map[string]any{"campaign": "camp_1", "other": 1}}} {
		text := settings.FindStringSubmatch(read(t, get(t, handler(p), "/playground", "").Body))
		if text == nil {
			t.Fatal("the page has no settings")
		}
		var got struct {
			Endpoint, Schema, Secret string
			Tabs                     []struct{ Query, Variables string }
		}
		if err := json.Unmarshal([]byte(text[1]), &got); err != nil {
			t.Fatalf("%v in %s", err, text[1])
		}
		names, err := fs.Glob(examples.Files, "*.graphql")
		if err != nil {
			t.Fatal(err)
		}
		if got.Endpoint != "/graphql" || got.Secret != p.Secret || len(got.Tabs) != len(names) {
			t.Errorf("the settings are %s", text[1])
		}
		if (got.Schema != "") != (p.Schema != "") || got.Schema != "" && read(t, get(t, handler(p), got.Schema, "").Body) != p.Schema {
			t.Errorf("the schema is said to be at %q", got.Schema)
		}
		for i, name := range names {
			query, err := fs.ReadFile(examples.Files, name)
			if err != nil {
				t.Fatal(err)
			}
			variables := ""
			if p.Variables != nil && strings.Contains(string(query), "$campaign:") {
				variables = "{\n  \"campaign\": \"camp_1\"\n}"
			}
			if got.Tabs[i].Query != string(query) || got.Tabs[i].Variables != variables {
				t.Errorf("the tab of %s is %+v", name, got.Tabs[i])
			}
		}
	}
}

func TestPageMayLoadOnlyWhatIsHere(t *testing.T) {
	h := handler(playground.Page{})
	page := get(t, h, "/playground", "")
	policy := page.Header.Get("Content-Security-Policy")
	for _, directive := range strings.Split(policy, "; ") {
		name, sources, _ := strings.Cut(directive, " ")
		for _, source := range strings.Fields(sources) {
			switch {
			case source == "'self'" || source == "'none'":
			case source == "'unsafe-inline'" && name == "style-src":
			case source == "data:" && name == "img-src":
			default:
				t.Errorf("%s allows %s", name, source)
			}
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || page.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the page comes with %v", page.Header)
	}
	for _, file := range files(t, h) {
		if !strings.HasPrefix(file, "/playground/") {
			t.Errorf("the page loads %s", file)
		}
	}
}

func TestFiles(t *testing.T) {
	h := handler(playground.Page{Schema: docs.Schema})
	under, _, _ := strings.Cut(files(t, h)[0], "playground.css")
	for _, test := range []struct{ name, from, kind string }{
		{"playground.css", "built/playground.css", "text/css; charset=utf-8"},
		{"playground.js", "built/playground.js", "text/javascript; charset=utf-8"},
		{"worker.js", "built/worker.js", "text/javascript; charset=utf-8"},
		{"codicon.ttf", "built/codicon.ttf", "font/ttf"},
		{"LICENSES.txt", "built/LICENSES.txt", "text/plain; charset=utf-8"},
		{"schema.graphql", "../../docs/schema.graphql", "text/plain; charset=utf-8"},
	} {
		want, err := os.ReadFile(test.from)
		if err != nil {
			t.Fatal(err)
		}
		for encoding, small := range map[string]bool{
			"": false, "br": false, "gzip;q=0": false, "gzip; q=0.000, br": false, "identity, xgzip": false,
			"gzip": true, "br, GZIP;q=0.1": true, "deflate,gzip , br": true,
		} {
			resp := get(t, h, under+test.name, encoding)
			if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != test.kind || (resp.Header.Get("Content-Encoding") == "gzip") != small ||
				resp.Header.Get("Vary") != "Accept-Encoding" || !strings.HasSuffix(resp.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s for %q comes as %d, with %v", test.name, encoding, resp.StatusCode, resp.Header)
			}
			sent := read(t, resp.Body)
			if resp.Header.Get("Content-Length") != strconv.Itoa(len(sent)) {
				t.Errorf("%s for %q says that it has %s bytes, of %d", test.name, encoding, resp.Header.Get("Content-Length"), len(sent))
			}
			var body io.Reader = strings.NewReader(sent)
			if small {
				if body, err = gzip.NewReader(body); err != nil {
					t.Fatal(err)
				}
			}
			if read(t, body) != string(want) {
				t.Errorf("%s for %q is another", test.name, encoding)
			}
		}
	}
	for _, path := range []string{under, under + "another.js", under + "../playground.js", "/playground/0123456789abcdef/playground.js", "/playground/"} {
		if resp := get(t, h, path, ""); resp.StatusCode != http.StatusNotFound || resp.Header.Get("Cache-Control") != "" {
			t.Errorf("%s comes as %d, with %v", path, resp.StatusCode, resp.Header)
		}
	}
	// Browsers keep the files for good, so that another schema has another address, and none has none.
	for _, schema := range []string{"", "type Query { n: Int }"} {
		h := handler(playground.Page{Schema: schema})
		other, _, _ := strings.Cut(files(t, h)[0], "playground.css")
		resp := get(t, h, other+"schema.graphql", "")
		if other == under || (resp.StatusCode == http.StatusOK) != (schema != "") {
			t.Errorf("with the schema %q the files are at %s, and it comes as %d", schema, other, resp.StatusCode)
		}
	}
}

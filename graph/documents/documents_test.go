package documents

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/zeroten/zeroten/internal/apierror"
	"pgregory.net/rapid"
)

func TestCache(t *testing.T) {
	one := &Document{Text: "{a}", Tokens: 3}
	c := NewCache(3 * one.size())
	for _, text := range []string{"{a}", "{b}", "{c}"} {
		c.Add(&Document{Text: text, Tokens: 3})
	}
	c.Add(&Document{Text: "{a}", Tokens: 3}) // again
	if d, ok := c.Get("{a}"); !ok || d.Text != "{a}" {
		t.Errorf("%v, %t", d, ok)
	}
	c.Add(&Document{Text: "{d}", Tokens: 3})
	for text, want := range map[string]bool{"{a}": true, "{b}": false, "{c}": true, "{d}": true, "{a }": false} {
		if _, ok := c.Get(text); ok != want {
			t.Errorf("%q: %t, want %t", text, ok, want)
		}
	}
	c.Add(&Document{Text: "{e}", Tokens: 100})
	if _, ok := c.Get("{e}"); ok {
		t.Error("what is larger than all was kept")
	}
	if _, ok := c.Get("{d}"); !ok {
		t.Error("what is larger than all drove out others")
	}
	NewCache(0).Add(one) // keeps nothing
}

// Never more than fits is kept, and the bytes are counted right.
func TestBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(0, 50).Draw(t, "most")
		b := newBounded(most, func(s string) int { return len(s) })
		for _, s := range rapid.SliceOf(rapid.StringMatching("[a-z]{1,20}")).Draw(t, "texts") {
			b.add(s, s)
			if _, ok := b.get(s); ok != (len(s) <= most) {
				t.Fatalf("%q just added to at most %d: %t", s, most, ok)
			}
			sum := 0
			for _, kept := range b.list.Values() {
				sum += len(kept)
			}
			if sum != b.used || sum > most {
				t.Fatalf("%d bytes kept, %d counted, at most %d", sum, b.used, most)
			}
		}
	})
}

func TestConcurrent(t *testing.T) {
	c := NewCache(20_000)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 200 {
				text := fmt.Sprint("{a", i%50, "}")
				if d, ok := c.Get(text); ok && d.Text != text {
					t.Errorf("%q for %q", d.Text, text)
				}
				c.Add(&Document{Text: text, Tokens: 3})
			}
		})
	}
	all.Wait()
}

func TestPersisted(t *testing.T) {
	p := NewPersisted(10_000)
	hash := Hash("{a}")
	_, err := p.Text(hash)
	var known *apierror.Error
	if !errors.As(err, &known) || known.Code != "PERSISTED_QUERY_NOT_FOUND" || known.Message != "PersistedQueryNotFound" {
		t.Errorf("unknown: %v", err)
	}
	p.Add("{a}")
	if text, err := p.Text(hash); text != "{a}" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	for i := range 1_000 {
		p.Add(fmt.Sprint("{a", i, "}"))
	}
	if _, err := p.Text(hash); err == nil {
		t.Error("the oldest is still there")
	}
}

// The test vector of FIPS 180-4 for "abc".
func TestHash(t *testing.T) {
	if got := Hash("abc"); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Error(got)
	}
}

func FuzzHash(f *testing.F) {
	f.Add("{a}")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		p := NewPersisted(1 << 20)
		p.Add(text)
		if got, err := p.Text(Hash(text)); len(text) < 1<<19 && (got != text || err != nil) {
			t.Errorf("%q, %v for %q", got, err, text)
		}
	})
}

func TestParseManifest(t *testing.T) {
	hash := Hash("{a}")
	for name, test := range map[string]struct{ manifest, id, want string }{
		"by hash":             {`{"` + hash + `":"{a}"}`, hash, ""},
		"with the hash named": {`{"sha256:` + hash + `":"{a}"}`, hash, ""},
		"in capitals":         {`{"` + strings.ToUpper(hash) + `":"{a}"}`, strings.ToUpper(hash), ""},
		"another hash":        {`{"356a192b7913b04c54574d18c28d46e6395428ab":"{a}"}`, "356a192b7913b04c54574d18c28d46e6395428ab", ""},
		"a name":              {`{"Welcome":"{a}"}`, "Welcome", ""},
		"Apollo's":            {`{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"` + hash + `","name":"A","type":"query","body":"{a}"}]}`, hash, ""},
		"called operations":   {`{"operations":"{a}"}`, "operations", ""},
		"wrong hash":          {`{"` + Hash("{b}") + `":"{a}"}`, "", Hash("{b}")},
		"wrong named hash":    {`{"sha256:` + Hash("{b}") + `":"{a}"}`, "", "another SHA-256"},
		"nothing named":       {`{"sha256:":"{a}"}`, "", "64 hexadecimal digits"},
		"half a hash named":   {`{"sha256:` + hash[:32] + `":"{a}"}`, "", "64 hexadecimal digits"},
		"named twice over":    {`{"sha256:sha256:` + hash + `":"{a}"}`, "", "64 hexadecimal digits"},
		"nothing in Apollo's": {`{"operations":[{"id":"sha256:","body":"{a}"}]}`, "", "64 hexadecimal digits"},
		"wrong in Apollo's":   {`{"operations":[{"id":"` + Hash("{b}") + `","body":"{a}"}]}`, "", "another SHA-256"},
		"no text":             {`{"a":" "}`, "", `"a" has no text`},
		"no id":               {`{"":"{a}"}`, "", "no id"},
		"no body":             {`{"operations":[{"id":"a"}]}`, "", `"a" has no text`},
		"a number":            {`{"a":1}`, "", `"a" must be a text`},
		"twice":               {`{"operations":[{"id":"a","body":"{a}"},{"id":"a","body":"{b}"}]}`, "", "twice"},
		"a list":              {`["{a}"]`, "", "JSON object"},
		"none":                {`{}`, "", "no trusted documents"},
		"none of Apollo's":    {`{"operations":[]}`, "", "no trusted documents"},
		"null":                {`null`, "", "no trusted documents"},
		"cut":                 {`{"a":`, "", "JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			texts, err := ParseManifest([]byte(test.manifest))
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v, want %q", err, test.want)
				}
				return
			}
			if err != nil || len(texts) != 1 || texts[test.id] != "{a}" {
				t.Errorf("%v, %v", texts, err)
			}
		})
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"` + Hash("{a}") + `":"{a}"}`))
	f.Add([]byte(`{"operations":[{"id":"x","body":"{a}"}]}`))
	f.Add([]byte("\xef\xbb\xbf{\"sha256:00\":\"{a}\"}"))
	f.Add([]byte(`{"operations":{"id":[]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		texts, err := ParseManifest(data)
		if (err == nil) != (len(texts) > 0) {
			t.Fatalf("%v, %v", texts, err)
		}
		if err != nil {
			return
		}
		again, err := json.Marshal(texts)
		if err != nil {
			t.Fatal(err)
		}
		if _, operations := texts["operations"]; operations {
			return
		}
		if back, err := ParseManifest(again); err != nil || len(back) != len(texts) {
			t.Fatalf("%v, %v from %s", back, err, again)
		}
	})
}

func TestReadTrusted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "documents.json")
	if err := os.WriteFile(file, []byte(`{"a":"{a}","b":"{b}","c":"{a}"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	prepared := 0
	trusted, err := ReadTrusted(file, func(text string) (*Document, error) {
		prepared++
		return &Document{Text: text}, nil
	})
	if err != nil || len(trusted.byText) != 2 || prepared != 2 {
		t.Fatalf("%v, %d prepared", err, prepared)
	}
	for id, want := range map[string]string{"a": "{a}", "b": "{b}", "c": "{a}", Hash("{a}"): "{a}", "sha256:" + Hash("{b}"): "{b}"} {
		if d, ok := trusted.ByID(id); !ok || d.Text != want {
			t.Errorf("%s: %v, %t", id, d, ok)
		}
	}
	if _, ok := trusted.ByID("d"); ok {
		t.Error("d is known")
	}
	if d, ok := trusted.ByText("{b}"); !ok || d.Text != "{b}" {
		t.Errorf("{b}: %v, %t", d, ok)
	}
	if _, ok := trusted.ByText("{c}"); ok {
		t.Error("{c} is known")
	}

	_, err = ReadTrusted(file, func(string) (*Document, error) { return nil, errors.New("not valid") })
	if err == nil || !strings.Contains(err.Error(), `"a": not valid`) {
		t.Errorf("a document that is not valid: %v", err)
	}
	if _, err := ReadTrusted(file+"x", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/survey/widget"
)

// What is committed, and given out, is what the sources say.
func TestScriptIsCurrent(t *testing.T) {
	got, err := bundle("../src")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, widget.Script) {
		t.Errorf("widget.js is of other sources: run `make generate`. It has %d bytes, and would have %d", len(widget.Script), len(got))
	}
}

// Where the sources lie makes no difference.
func TestScriptIsTheSameAnywhere(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "other", "place")
	if err := os.CopyFS(elsewhere, os.DirFS("../src")); err != nil {
		t.Fatal(err)
	}
	got, err := bundle(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, widget.Script) {
		t.Error("bundled in another folder it has other bytes")
	}
}

// A page should not notice what it loads.
func TestScriptIsSmall(t *testing.T) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(widget.Script); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d with gzip -9", len(widget.Script), packed.Len())
	if limit := 12_288; packed.Len() >= limit {
		t.Errorf("it has %d bytes with gzip -9, and must stay below %d", packed.Len(), limit)
	}
}

// What a strict content security policy, or Trusted Types, would forbid; and what would leave something behind.
func TestScriptKeepsToItsMeans(t *testing.T) {
	for _, never := range []string{
		"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "setAttribute(\"style\"", ".cookie",
		"import(", "sourceMappingURL", "sendBeacon",
	} {
		if strings.Contains(string(widget.Script), never) {
			t.Errorf("the script has %q", never)
		}
	}
}

func TestMistakesAreErrors(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"no sources":     {},
		"no TypeScript":  {"widget.ts": "let a: = 1"},
		"a missing file": {"widget.ts": "import './other'"},
		"no CSS":         {"widget.ts": "import text from './a.css'; console.log(text)", "a.css": "a { color red"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for file, text := range files {
				if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if script, err := bundle(folder); err == nil {
				t.Errorf("it gives %q", script)
			}
		})
	}
}

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// Whoever changes what goes in or what comes out, and does not build, is told here, without Node.
func TestSumsAreThoseOfTheFiles(t *testing.T) {
	t.Chdir("..")
	want, err := os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sum()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the files of the playground are not those that %s names: make generate. They are\n%s", sums, got)
	}
}

// Node is needed only where something has changed.
func TestBuildsOnlyWhatHasChanged(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", "")
	for _, dir := range []string{"web", "web/node_modules", "built"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("web/page.js", "1")
	write("built/page.js", "2")
	unchanged, err := sum()
	if err != nil {
		t.Fatal(err)
	}
	write(sums, string(unchanged))
	for _, test := range []struct {
		name, file, text string
		builds           bool
	}{
		{"nothing", "web/page.js", "1", false},
		{"what npm brings", "web/node_modules/module.js", "3", false},
		{"a source", "web/page.js", "4", true},
		{"what is built", "built/page.js", "5", true},
		{"the sums", sums, "6", true},
	} {
		before, err := os.ReadFile(test.file)
		if err != nil && test.file != "web/node_modules/module.js" {
			t.Fatal(err)
		}
		write(test.file, test.text)
		if err := run(t.Context(), false); (err != nil) != test.builds || (err != nil && !strings.Contains(err.Error(), "needs Node")) {
			t.Errorf("after a change to %s: %v", test.name, err)
		}
		write(test.file, string(before))
	}
	if err := run(t.Context(), true); err == nil {
		t.Error("it builds in any case, and without npm")
	}
}

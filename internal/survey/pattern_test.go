package survey

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, page string
		want          bool
	}{
		{"https://app.example/*", "https://app.example/", true},
		{"https://app.example/*", "https://app.example", true},
		{"https://app.example/*", "https://APP.example:443/a/b?c=d#e", true},
		{"https://app.example/*", "https://app.example?c=d", true},
		{"https://app.example/*", "http://app.example/", false},
		{"https://app.example/*", "https://app.example:8443/", false},
		{"https://app.example/*", "https://app.example.evil.example/", false},
		{"https://app.example/*", "https://app.example@evil.example/", false},
		{"https://app.example/*", "https://evil.example/https://app.example/", false},
		{"https://app.example/*", "https://evil.example?https://app.example/", false},
		{"https://app.example/*", "//app.example/", false},
		{"https://app.example/*", "https://app.example\\@evil.example/", false},
		{"https://app.example/", "https://app.example/a", false},
		{"https://app.example/", "https://app.example/#a", true},
		{"https://*.app.example/*/done", "https://a.b.app.example/x/y/done", true},
		{"https://*.app.example/*/done", "https://app.example/x/done", false},
		{"https://*.app.example/*/done", "https://a.app.example/done", false},
		{"https://*/*", "https://anything.example/", true},
		{"https://*.example/", "https://evil/x.example/", false},
		{"http://localhost:3000/*a*b*", "http://localhost:3000/xaxbx", true},
		{"http://localhost:3000/*a*b*", "http://localhost:3000/xbxa", false},
		{"http://app.example:80/*", "http://app.example/", true},
		{"https://app.example/a*a", "https://app.example/a", false},
		{"https://app.example/?p=*", "https://app.example/?p=1", true},
		{"https://[::1]:8080/*", "https://[::1]:8080/x", true},
		{"https://app.example/a/*", "https://app.example/a/../b", false},
		{"https://app.example/a/*", "https://app.example/a/%2e%2E/b", false},
		{"https://app.example/a/*", "https://app.example/a/.%2e/b", false},
		{"https://app.example/a/*", "https://app.example/a/x/../../b", false},
		{"https://app.example/a/*", `https://app.example/a/..\b`, false},
		{"https://app.example/a/*", "https://app.example/a/..", false},
		{"https://app.example/a/*", "https://app.example/b/../a/c", true},
		{"https://app.example/a/*", "https://app.example/../../a/c", true},
		{"https://app.example/a/*", "https://app.example/a/b/..", true},
		{"https://app.example/a/", "https://app.example/a/.", true},
		{"https://app.example/a/", "https://app.example/./a/b/..?", false},
		{"https://app.example/a//c", "https://app.example/a/b/..//c", true},
		{"https://app.example/a/*", "https://app.example/a/..%2fb", true}, // a step of this name, to browsers, too
		{"https://app.example/a/*", "https://app.example/a/...", true},
		{"https://app.example/a?p=*", "https://app.example/a?p=/../b", true},
		{"https://app.example/*/c", "https://app.example/a?/../c", true},
	} {
		p, fault := ParsePattern(test.pattern)
		if fault != "" {
			t.Errorf("%s: %s", test.pattern, fault)
		}
		if p.Matches(test.page) != test.want {
			t.Errorf("%s matches %s: %v", test.pattern, test.page, !test.want)
		}
	}
	for _, pattern := range []string{
		"", "*", "https://", "https:///", "https://app.example", "app.example/*", "ftp://app.example/", "javascript://app.example/", "https://app.example/#a",
		"https://u:p@app.example/", "https://app example/", "https://app.example/ä", "https://bücher.example/", "https://app.example/a b",
		"https://:80/", "https://app.example/" + strings.Repeat("x", MaxURL), "https://app.example/\\", "*://app.example/*",
	} {
		if p, fault := ParsePattern(pattern); fault == "" {
			t.Errorf("%q is taken as %s", pattern, p)
		}
	}
}

// FuzzPattern holds the matcher against a regular expression, and has what is stored read as what was given.
func FuzzPattern(f *testing.F) {
	f.Add("https://*.app.example/*/done", "https://a.app.example/x/done?y")
	f.Add("HTTP://App.Example:80/*a*b*", "http://app.example/xaxbx#y")
	f.Add("https://*/**", "https://x?y")
	f.Fuzz(func(t *testing.T, pattern, page string) {
		p, fault := ParsePattern(pattern)
		if fault != "" {
			return
		}
		again, fault := ParsePattern(p.String())
		if fault != "" || again != p {
			t.Fatalf("%q is stored as %q, which is %+v (%s)", pattern, p, again, fault)
		}
		got := p.Matches(page)
		page, _, _ = strings.Cut(page, "#")
		u, err := url.Parse(page)
		if err != nil || u.User != nil {
			if got {
				t.Fatalf("%s matches %q", p, page)
			}
			return
		}
		if got && !p.MatchesOrigin(u.Scheme+"://"+u.Host) {
			t.Fatalf("%s matches %q, and not where it is from", p, page)
		}
		if got && u.Scheme != "https" && u.Scheme != "http" {
			t.Fatalf("%s matches %q", p, page)
		}
		like := func(text string) string { return strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `[\s\S]*`) }
		of := regexp.MustCompile(`\A` + like(p.path) + `\z`)
		text := pageOf(page)
		if got && !of.MatchString(text) {
			t.Fatalf("%s matches %q, whose path is %q", p, page, text)
		}
		if of.MatchString(text) && got != p.matchesHost(u) {
			t.Fatalf("%s matches %q: %v", p, page, got)
		}
	})
}

// dot is a step of a path that is left out, and up one that takes the step before along.
var (
	dot = regexp.MustCompile(`(?i)/(\.|%2e)(/|$)`)
	up  = regexp.MustCompile(`(?i)(/[^/]*)?/(\.|%2e){2}(/|$)`)
)

// pageOf is the path of a URL with its query, without its fragment: one step after the other is taken, from the left.
func pageOf(page string) string {
	page, _, _ = strings.Cut(page, "#")
	_, rest, _ := strings.Cut(page, "://")
	path, query := rest, ""
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		path, query = rest[:i], rest[i:]
	}
	_, path, _ = strings.Cut(path, "/")
	path = "/" + strings.ReplaceAll(path, `\`, "/")
	for before := ""; path != before; {
		before = path
		if at := dot.FindStringIndex(path); at != nil {
			path = path[:at[0]] + "/" + path[at[1]:]
		}
	}
	for at := up.FindStringIndex(path); at != nil; at = up.FindStringIndex(path) {
		path = path[:at[0]] + "/" + path[at[1]:]
	}
	return path + query
}

func TestGlobIsARegularExpression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern, text := rapid.StringMatching(`[ab*]{0,8}`).Draw(t, "pattern"), rapid.StringMatching(`[ab]{0,12}`).Draw(t, "text")
		want := regexp.MustCompile(`\A` + strings.ReplaceAll(pattern, "*", ".*") + `\z`).MatchString(text)
		if glob(pattern, text) != want {
			t.Fatalf("%q like %q: %v", text, pattern, !want)
		}
	})
}

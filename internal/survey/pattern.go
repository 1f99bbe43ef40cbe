package survey

import (
	"net/url"
	"strings"

	"github.com/zeroten/zeroten/internal/apierror"
)

// Pattern says which pages a widget asks on: a scheme, a host and a path, e.g. `https://*.example.com/app/*`. In the host `*` stands
// for any text, in which there is no `/` there, and in the path for any text at all; the path has the query in it.
type Pattern struct{ scheme, host, path string }

// ParsePattern reads a pattern. fault says what is wrong with it; it is empty where nothing is.
func ParsePattern(text string) (p Pattern, fault string) {
	const want = "Give a scheme, a host and a path, such as https://app.example/*"
	if fault := apierror.TooLongFor(MaxURL, text); fault != "" {
		return p, "A page has " + fault + "."
	}
	scheme, rest, ok := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "https" && scheme != "http" {
		return p, want + ": it begins with https:// or http://."
	}
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return p, want + ": it has no path."
	}
	host, path := strings.ToLower(rest[:slash]), rest[slash:]
	switch {
	case host == "" || strings.HasPrefix(host, ":"):
		return p, want + ": it has no host."
	case strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-.:[]*_") != "":
		return p, want + ": a host has letters, digits, hyphens and dots; write one with other letters as browsers do, with xn--."
	case strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '#' }):
		return p, want + ": a path has no #, no space and no backslash, and other letters are written with %."
	}
	return Pattern{scheme, withoutPort(scheme, host), path}, ""
}

// withoutPort is a host as browsers show it, who leave out the port that is usual for the scheme.
func withoutPort(scheme, host string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// String is the pattern as it is stored.
func (p Pattern) String() string { return p.scheme + "://" + p.host + p.path }

// MatchesOrigin reports whether any page of an origin, as browsers send it, can be one of the pattern's.
func (p Pattern) MatchesOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && p.matchesHost(u)
}

func (p Pattern) matchesHost(u *url.URL) bool {
	return u.User == nil && u.Scheme == p.scheme && glob(p.host, withoutPort(u.Scheme, strings.ToLower(u.Host)))
}

// sameOrigin reports whether a page is of an origin, as browsers send it. None is of `null`.
func sameOrigin(origin, page string) bool {
	o, err := url.Parse(origin)
	if err != nil || o.Host == "" {
		return false
	}
	page, _, _ = strings.Cut(page, "#")
	u, err := url.Parse(page)
	host := func(u *url.URL) string { return withoutPort(u.Scheme, strings.ToLower(u.Host)) }
	return err == nil && u.User == nil && u.Scheme == o.Scheme && host(u) == host(o)
}

// Matches reports whether a page, as its URL says, is one of the pattern's. Its fragment says nothing.
func (p Pattern) Matches(page string) bool {
	page, _, _ = strings.Cut(page, "#")
	u, err := url.Parse(page)
	if err != nil || !p.matchesHost(u) {
		return false
	}
	_, rest, _ := strings.Cut(page, "://")
	path, query := rest, ""
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		path, query = rest[:i], rest[i:]
	}
	_, path, _ = strings.Cut(path, "/")
	return glob(p.path, resolve(path)+query)
}

// resolve takes the steps of a path that are `.` or `..`, as browsers do before they ask for a page or say where they are: a dot may be
// encoded, and a slash that is encoded is part of a step. All else stays as it was sent. path is without its first slash, which resolve adds.
func resolve(path string) string {
	steps := strings.Split(strings.ReplaceAll(path, `\`, "/"), "/")
	taken := make([]string, 0, len(steps))
	for i, step := range steps {
		dots := strings.ReplaceAll(strings.ToLower(step), "%2e", ".")
		if dots != "." && dots != ".." {
			taken = append(taken, step)
			continue
		}
		if dots == ".." && len(taken) > 0 {
			taken = taken[:len(taken)-1]
		}
		if i == len(steps)-1 {
			taken = append(taken, "")
		}
	}
	return "/" + strings.Join(taken, "/")
}

// glob reports whether a text is like the pattern, in which `*` stands for any text. It goes through the text once.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return text == pattern
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}

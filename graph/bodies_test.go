package graph_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/zeroten/zeroten/internal/auth"
)

// What is sent is paid from the bucket of whoever sends it, and large bodies are for those who may record in bulk.
func TestBodies(t *testing.T) {
	h := open(t, "sqlite://"+t.TempDir()+"/zeroten.db")
	c := h.fill(t, h.found(t, "Fjordlink"))
	body := func(size int) string {
		const head, tail = `{"query":"query ($a: [ID!]!) { nodes(ids: $a) { id } }","variables":{"a":["`, `"]}}`
		return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
	}
	narrowed := h.token(t, c.secrets[auth.Read], `campaigns: ["`+c.ids["camp:Support"]+`"]`)
	for name, test := range map[string]struct {
		secret string
		large  bool
	}{
		"COLLECT": {c.secrets[auth.Collect], true}, "READ": {c.secrets[auth.Read], true}, "ADMIN": {c.secrets[auth.Admin], true},
		"a token": {h.token(t, c.secrets[auth.Read], ""), true}, "a narrowed token": {narrowed, false}, "OPERATOR": {h.operator, false}, "nobody": {"", false},
	} {
		if a := h.post(t, test.secret, body(128<<10)); a.status != http.StatusOK {
			t.Errorf("128 KiB of %s: %d %s", name, a.status, a.text)
		}
		if a := h.post(t, test.secret, body(128<<10+1)); (a.status == http.StatusOK) != test.large || !test.large && a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("more of %s: %d %s", name, a.status, a.text)
		}
	}

	a := h.post(t, c.secrets[auth.Read], `{"variables":{"first":1,"last":{"a":[{}]}},"query":"query ($first: Int) { campaigns(first: $first) { nodes { id } } }"}`)
	if a.status != http.StatusOK || !slices.Equal(a.codes(), []string{"BAD_REQUEST"}) || !strings.Contains(a.Errors[0].Message, "$last") {
		t.Errorf("a variable that is not declared: %d %s", a.status, a.text)
	}

	// An address has 2,000 points, of which such a body takes 32.
	for n := 1; ; n++ {
		a := h.post(t, "", body(128<<10))
		if a.status == http.StatusTooManyRequests && slices.Equal(a.codes(), []string{"RATE_LIMITED"}) && a.header.Get("Retry-After") != "" {
			break
		}
		if a.status != http.StatusOK || n == 1_000 {
			t.Fatalf("the body number %d: %d %s", n, a.status, a.text)
		}
	}
	// Its keys have their own.
	if a := h.post(t, c.secrets[auth.Read], body(100<<10)); a.status != http.StatusOK {
		t.Errorf("with a key: %d %s", a.status, a.text)
	}
}

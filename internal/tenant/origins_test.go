package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

func TestParseOrigin(t *testing.T) {
	long := "https://" + strings.Repeat("a", MaxOrigin-len("https://"))
	for text, want := range map[string]string{
		"https://dashboard.example":       "https://dashboard.example",
		"HTTPS://Dashboard.Example":       "https://dashboard.example",
		"http://localhost:3000":           "http://localhost:3000",
		"https://dashboard.example:443":   "https://dashboard.example",
		"http://dashboard.example:80":     "http://dashboard.example",
		"http://dashboard.example:443":    "http://dashboard.example:443",
		"https://a-b.c_d.example:65535":   "https://a-b.c_d.example:65535",
		"http://192.168.0.1:8080":         "http://192.168.0.1:8080",
		"http://[::1]:8080":               "http://[::1]:8080",
		"https://[2001:DB8::1]:443":       "https://[2001:db8::1]",
		"https://xn--bcher-kva.example":   "https://xn--bcher-kva.example",
		long:                              long,
		long + "a":                        "",
		"":                                "",
		"*":                               "",
		"null":                            "",
		"Null":                            "",
		"dashboard.example":               "",
		"https:dashboard.example":         "",
		"https://":                        "",
		"https://:443":                    "",
		"//dashboard.example":             "",
		"ftp://dashboard.example":         "",
		"file:///etc/passwd":              "",
		"https://dashboard.example/":      "",
		"https://dashboard.example/a":     "",
		"https://dashboard.example?":      "",
		"https://dashboard.example?a":     "",
		"https://dashboard.example#":      "",
		"https://dashboard.example#a":     "",
		"https://me@dashboard.example":    "",
		"https://me:pw@host.example":      "",
		"https://dashboard.example:":      "",
		"https://dashboard.example:0":     "",
		"https://dashboard.example:0443":  "",
		"https://dashboard.example:+443":  "",
		"https://dashboard.example:x":     "",
		"https://dashboard.example:66000": "",
		"https://*.example":               "",
		"https://bücher.example":          "",
		"https://a..example":              "",
		"https://-a.example":              "",
		"https://a.example.":              "",
		"https://a b.example":             "",
		"https://a%2fb.example":           "",
		"https://[::1%25eth0]":            "",
		" https://a.example":              "",
		"https://a.example\n":             "",
		"https://a.example,https://b.ex":  "",
	} {
		got, err := parseOrigin(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzParseOrigin(f *testing.F) {
	f.Add("https://Dashboard.example:8443")
	f.Add("http://[::1]:80")
	f.Add("https://a.example/?#")
	f.Fuzz(func(t *testing.T, text string) {
		origin, err := parseOrigin(text)
		if err != nil {
			return
		}
		if again, err := parseOrigin(origin); again != origin || err != nil {
			t.Errorf("%q is read as %q, and that as %q, %v", text, origin, again, err)
		}
		if strings.ContainsAny(origin, " \t\r\n*,;\"'<>%\\@?#") || strings.Count(origin, "/") != 2 || strings.ToLower(origin) != origin {
			t.Errorf("%q is read as %q", text, origin)
		}
	})
}

func TestUpdateOrigins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		builder := cube.NewBuilder(db, nil)
		set := func(in UpdateInput) []string {
			t.Helper()
			saved, err := Update(ctx, db, builder, in)
			if err != nil {
				t.Fatal(err)
			}
			found, err := Get(ctx, db, auth.Tenant(ctx))
			if err != nil || !slices.Equal(found.AllowedOrigins, saved.AllowedOrigins) {
				t.Errorf("said to be %q, is %q, %v", saved.AllowedOrigins, found.AllowedOrigins, err)
			}
			return found.AllowedOrigins
		}
		if got := set(UpdateInput{Name: new("n")}); len(got) != 0 {
			t.Errorf("got %q, want none at first", got)
		}
		want := []string{"https://a.example", "http://b.example:8080"}
		if got := set(UpdateInput{AllowedOrigins: []string{"HTTPS://A.example:443", "http://b.example:8080", "https://a.example"}}); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := set(UpdateInput{Name: new("m")}); !slices.Equal(got, want) {
			t.Errorf("nil does not leave them: got %q", got)
		}
		var many []string
		for i := range MaxOrigins + 1 {
			many = append(many, fmt.Sprintf("https://%d.example", i))
		}
		for name, test := range map[string]struct{ in, want []string }{
			"bad ones": {[]string{"*", "https://ok.example", "null", "https://a.example/", "https://" + strings.Repeat("a", 300)},
				[]string{"INVALID allowedOrigins.0", "INVALID allowedOrigins.2", "INVALID allowedOrigins.3", "TOO_LONG allowedOrigins.4"}},
			"many": {many, []string{"TOO_MANY allowedOrigins"}},
		} {
			_, err := Update(ctx, db, builder, UpdateInput{Name: new("x"), AllowedOrigins: test.in})
			if got := refusals(t, err); !slices.Equal(got, test.want) {
				t.Errorf("%s: got %q, want %q", name, got, test.want)
			}
		}
		if got := set(UpdateInput{Name: new("m")}); !slices.Equal(got, want) {
			t.Errorf("a refused change left %q", got)
		}
		if got := set(UpdateInput{AllowedOrigins: []string{}}); len(got) != 0 {
			t.Errorf("an empty list does not clear them: got %q", got)
		}
		if got := set(UpdateInput{AllowedOrigins: many[:MaxOrigins]}); len(got) != MaxOrigins {
			t.Errorf("got %d of %d", len(got), MaxOrigins)
		}
	})
}

func TestAllow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		other, _ := made(t, db, "Other")
		builder := cube.NewBuilder(db, nil)
		set := func(ctx context.Context, origins ...string) {
			t.Helper()
			if _, err := Update(ctx, db, builder, UpdateInput{AllowedOrigins: append([]string{}, origins...)}); err != nil {
				t.Fatal(err)
			}
		}
		set(ctx, "https://own.example")
		set(other, "https://other.example")
		c := newClock()
		o := newOrigins(db, []string{"https://Always.example"}, c.now)
		var reads atomic.Int64
		fail := false
		db.Ent.Tenant.Intercept(ent.InterceptFunc(func(next ent.Querier) ent.Querier {
			return ent.QuerierFunc(func(ctx context.Context, q ent.Query) (ent.Value, error) {
				reads.Add(1)
				if fail {
					return nil, errors.New("down")
				}
				return next.Query(ctx, q)
			})
		}))
		check := func(ctx context.Context, who string, want map[string]bool) {
			t.Helper()
			for origin, want := range want {
				if got := o.Allow(ctx, origin); got != want {
					t.Errorf("%s, from %q: allowed %v", who, origin, got)
				}
			}
		}
		never := map[string]bool{"": false, "null": false, "*": false, "https://own.example.evil.example": false, "http://own.example": false, strings.Repeat("x", 1<<20): false}
		check(ctx, "the tenant", map[string]bool{"https://own.example": true, "https://always.example": true, "https://other.example": false})
		check(other, "the other", map[string]bool{"https://own.example": false, "https://always.example": true, "https://other.example": true})
		check(t.Context(), "nobody", map[string]bool{"https://own.example": true, "https://always.example": true, "https://other.example": true})
		for _, ctx := range []context.Context{ctx, t.Context()} {
			check(ctx, "whoever", never)
		}
		if n := reads.Load(); n != 1 {
			t.Errorf("read %d times, want once", n)
		}

		set(ctx, "https://new.example")
		c.pass(originsBelieved)
		check(ctx, "the tenant", map[string]bool{"https://own.example": false, "https://new.example": true})
		set(ctx)
		fail = true
		c.pass(originsBelieved)
		check(ctx, "without a database, the tenant", map[string]bool{"https://new.example": true})
		fail = false
		check(ctx, "the tenant", map[string]bool{"https://new.example": false})
		check(t.Context(), "nobody", map[string]bool{"https://new.example": false, "https://other.example": true})

		fail = true
		if newOrigins(db, nil, c.now).Allow(ctx, "https://other.example") {
			t.Error("allowed without knowing")
		}
		if !newOrigins(db, []string{"*"}, c.now).Allow(ctx, "https://anything.example") {
			t.Error("`*` does not allow all")
		}
	})
}

package tenant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/id"
	"github.com/zeroten/zeroten/internal/page"
	"github.com/zeroten/zeroten/internal/settings"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// made makes a tenant, and a context in which it calls.
func made(t *testing.T, db *store.DB, name string) (ctx context.Context, secret string) {
	t.Helper()
	created, secret, err := Create(t.Context(), db, CreateInput{Name: name, TimeZone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	return auth.ForTenant(t.Context(), created.ID), secret
}

// refusals writes user errors as `CODE field.field`.
func refusals(t *testing.T, err error) []string {
	t.Helper()
	var errs apierror.UserErrors
	if !errors.As(err, &errs) {
		t.Fatalf("got %v, want user errors", err)
	}
	var texts []string
	for _, e := range errs {
		if e.Message == "" {
			t.Errorf("%s %v has no message", e.Code, e.Field)
		}
		texts = append(texts, string(e.Code)+" "+strings.Join(e.Field, "."))
	}
	return texts
}

func TestCreate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		long := strings.Repeat("ü", 201)
		for name, test := range map[string]struct {
			in   CreateInput
			want []string
		}{
			"no name":             {CreateInput{TimeZone: "UTC"}, []string{"REQUIRED name"}},
			"a blank name":        {CreateInput{Name: "\n", TimeZone: "UTC"}, []string{"REQUIRED name"}},
			"a long name":         {CreateInput{Name: long, TimeZone: "UTC"}, []string{"TOO_LONG name"}},
			"no zone":             {CreateInput{Name: "n"}, []string{"INVALID timeZone"}},
			"the machine's zone":  {CreateInput{Name: "n", TimeZone: "Local"}, []string{"INVALID timeZone"}},
			"an empty industry":   {CreateInput{Name: "n", TimeZone: "UTC", Industry: new("")}, []string{"INVALID industry"}},
			"a long industry":     {CreateInput{Name: "n", TimeZone: "UTC", Industry: new(long[:202])}, []string{"TOO_LONG industry"}},
			"all that can be":     {CreateInput{TimeZone: "Mars", Industry: &long}, []string{"REQUIRED name", "TOO_LONG industry", "INVALID timeZone"}},
			"longest":             {CreateInput{Name: long[:400], TimeZone: "Europe/Amsterdam", Industry: new(long[:200])}, nil},
			"without an industry": {CreateInput{Name: "n", TimeZone: "UTC"}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				created, secret, err := Create(t.Context(), db, test.in)
				if test.want != nil {
					if got := refusals(t, err); !slices.Equal(got, test.want) {
						t.Errorf("got %q, want %q", got, test.want)
					}
					if created != nil || secret != "" {
						t.Error("a refused tenant was made")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				s, err := settings.Load(t.Context(), db, created.ID)
				if err != nil {
					t.Fatal(err)
				}
				if s.Zone != test.in.TimeZone || s.Active.Shape.Zone != test.in.TimeZone || !s.Active.Whole {
					t.Errorf("got zone %s, cube %+v", s.Zone, s.Active)
				}
				keys := NewKeys(db)
				defer keys.Close()
				caller, err := keys.Authenticate(t.Context(), secret)
				if err != nil {
					t.Fatal(err)
				}
				if caller.Tenant != created.ID || !slices.Equal(caller.Scopes, []auth.Scope{auth.Admin}) {
					t.Errorf("the first key lets in %+v", caller)
				}
				found, err := Get(auth.With(t.Context(), caller), db, created.ID)
				if err != nil {
					t.Fatal(err)
				}
				if found.Name != test.in.Name || found.TimeZone != test.in.TimeZone ||
					fmt.Sprint(found.Industry == nil) != fmt.Sprint(test.in.Industry == nil) {
					t.Errorf("got %v of %v", found, test.in)
				}
			})
		}
		n, err := db.Ent.Tenant.Query().Count(auth.ForSystem(t.Context()))
		if err != nil || n != 2 {
			t.Errorf("there are %d tenants, %v; want the 2 that were not refused", n, err)
		}
	})
}

func TestListAndGet(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var last context.Context
		for i := range 5 {
			last, _ = made(t, db, fmt.Sprint(i))
		}
		var got []string
		operator := auth.With(t.Context(), auth.Caller{Scopes: []auth.Scope{auth.Operator}})
		for args := (page.Args{First: new(2)}); ; {
			list, err := List(operator, db, args)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := list.TotalCount(operator); n != 5 || err != nil {
				t.Errorf("total %d, %v", n, err)
			}
			for _, c := range list.Nodes() {
				got = append(got, c.Name)
			}
			if !list.PageInfo.HasNextPage {
				break
			}
			args.After = list.PageInfo.EndCursor
		}
		if want := []string{"4", "3", "2", "1", "0"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		stranger, _ := made(t, db, "stranger")
		if found, err := Get(stranger, db, auth.Tenant(last)); found != nil || err != nil {
			t.Errorf("another tenant got %v, %v", found, err)
		}
		if found, err := Get(last, db, auth.Tenant(last)); err != nil || found.Name != "4" {
			t.Errorf("got %v, %v", found, err)
		}
	})
}

func TestCreateKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		ahead := time.Now().Add(time.Hour)
		read := []auth.Scope{auth.Read}
		for name, test := range map[string]struct {
			in   CreateKeyInput
			want []string
		}{
			"no name":          {CreateKeyInput{Scopes: read}, []string{"REQUIRED name"}},
			"a long name":      {CreateKeyInput{Name: strings.Repeat("ü", 101), Scopes: read}, []string{"TOO_LONG name"}},
			"no scope":         {CreateKeyInput{Name: "n"}, []string{"REQUIRED scopes"}},
			"an operator":      {CreateKeyInput{Name: "n", Scopes: []auth.Scope{auth.Admin, auth.Operator, auth.Operator}}, []string{"NOT_ALLOWED scopes.1"}},
			"an unknown scope": {CreateKeyInput{Name: "n", Scopes: []auth.Scope{"WRITE"}}, []string{"INVALID scopes.0"}},
			"expired":          {CreateKeyInput{Name: "n", Scopes: read, ExpiresAt: new(time.Now())}, []string{"OUT_OF_RANGE expiresAt"}},
			"good":             {CreateKeyInput{Name: strings.Repeat("ü", 100), Scopes: []auth.Scope{auth.Collect, auth.Read, auth.Collect}, ExpiresAt: &ahead}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				key, secret, err := CreateKey(ctx, db, test.in)
				if test.want != nil {
					if got := refusals(t, err); !slices.Equal(got, test.want) {
						t.Errorf("got %q, want %q", got, test.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				found, err := GetKey(ctx, db, key.ID)
				if err != nil {
					t.Fatal(err)
				}
				if found.Name != test.in.Name || !slices.Equal(found.Scopes, []auth.Scope{auth.Collect, auth.Read}) ||
					!found.ExpiresAt.Equal(ahead.Truncate(time.Microsecond)) || found.RevokedAt != nil || found.LastUsedAt != nil {
					t.Errorf("got %v", found)
				}
				if found.Hint != secret[:8] || strings.Contains(string(found.Hash), secret[8:]) {
					t.Errorf("the hint of %s is %s", secret, found.Hint)
				}
			})
		}
	})
}

func TestSecrets(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		secret := newSecret()
		if _, ok := digestOf(secret); !ok || len(secret) != 47 || seen[secret] {
			t.Fatalf("the secret %s", secret)
		}
		seen[secret] = true
	}
	good := "z10_" + strings.Repeat("A", 43)
	if _, ok := digestOf(good); !ok {
		t.Fatalf("%s is refused", good)
	}
	for name, text := range map[string]string{
		"empty":            "",
		"prefix":           "z10_",
		"other prefix":     "z11_" + good[4:],
		"short":            good[:46],
		"long":             good + "A",
		"other alphabet":   good[:46] + "+",
		"line end":         good[:46] + "\n",
		"other spelling":   good[:46] + "B", // its last letter has bits beyond the 256
		"no letter at all": strings.Repeat("\x00", 47),
	} {
		if _, ok := digestOf(text); ok {
			t.Errorf("%s: %q is taken for a secret", name, text)
		}
	}
}

func TestRevokeKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		other, _ := made(t, db, "Other")
		key, _, err := CreateKey(ctx, db, CreateKeyInput{Name: "n", Scopes: []auth.Scope{auth.Read}})
		if err != nil {
			t.Fatal(err)
		}
		text, unknown := id.ApiKey.Format(key.ID), id.ApiKey.Format(id.New())
		message := func(ctx context.Context, text string, want string) string {
			_, err := RevokeKey(ctx, db, RevokeKeyInput{ID: text})
			if got := refusals(t, err); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: got %q, want %s", text, got, want)
			}
			return strings.ReplaceAll(err.Error(), text, "…")
		}
		if foreign, unknown := message(other, text, "NOT_FOUND id"), message(ctx, unknown, "NOT_FOUND id"); foreign != unknown {
			t.Errorf("another tenant's key: %s; an unknown one: %s", foreign, unknown)
		}
		message(ctx, "key_1", "INVALID id")
		message(ctx, id.Tenant.Format(key.ID), "INVALID id")
		if found, err := GetKey(ctx, db, key.ID); err != nil || found.RevokedAt != nil {
			t.Fatalf("a refused revocation left %v, %v", found, err)
		}
		if found, err := GetKey(other, db, key.ID); found != nil || err != nil {
			t.Errorf("another tenant got %v, %v", found, err)
		}
		first, err := RevokeKey(ctx, db, RevokeKeyInput{ID: text})
		if err != nil || first.RevokedAt == nil {
			t.Fatalf("got %v, %v", first, err)
		}
		again, err := RevokeKey(ctx, db, RevokeKeyInput{ID: text})
		if err != nil || !again.RevokedAt.Equal(*first.RevokedAt) {
			t.Errorf("revoking again: got %v, %v; want %v", again, err, first)
		}
	})
}

func TestListKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, _ := made(t, db, "Tenant")
		made(t, db, "Other")
		var revoked *ent.ApiKey
		for i := range 3 {
			key, _, err := CreateKey(ctx, db, CreateKeyInput{Name: fmt.Sprint(i), Scopes: []auth.Scope{auth.Read}})
			if err != nil {
				t.Fatal(err)
			}
			revoked = key
		}
		if _, err := RevokeKey(ctx, db, RevokeKeyInput{ID: id.ApiKey.Format(revoked.ID)}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := CreateOperatorKey(ctx, db, "operator"); err != nil {
			t.Fatal(err)
		}
		list, err := ListKeys(ctx, db, page.Args{First: new(3)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range list.Nodes() {
			got = append(got, k.Name)
		}
		if want := []string{"2", "1", "0"}; !slices.Equal(got, want) || !list.PageInfo.HasNextPage {
			t.Errorf("got %v, want %v and more", got, want)
		}
		if n, err := list.TotalCount(ctx); n != 4 || err != nil {
			t.Errorf("total %d, %v", n, err)
		}
	})
}

func TestOperatorKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, want := range map[string]string{" ": "REQUIRED name", strings.Repeat("x", 101): "TOO_LONG name"} {
			_, _, err := CreateOperatorKey(t.Context(), db, name)
			if got := refusals(t, err); !slices.Equal(got, []string{want}) {
				t.Errorf("got %q, want %s", got, want)
			}
		}
		key, secret, err := CreateOperatorKey(t.Context(), db, "ops")
		if err != nil {
			t.Fatal(err)
		}
		keys := NewKeys(db)
		defer keys.Close()
		caller, err := keys.Authenticate(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		if caller.Tenant != (uuid.UUID{}) || caller.Key != key.ID || !caller.May(auth.Operator) || caller.May(auth.Collect) {
			t.Errorf("got %+v", caller)
		}
	})
}

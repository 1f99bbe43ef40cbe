package graph_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/zeroten/zeroten/ent/apikey"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/tenant"
)

// Viewers are told when what they call with ends: a key by itself or never, a token by itself or with its key. What a key's
// maker sees says the same, and when it was used last.
func TestViewerExpires(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c := h.found(t, "Ends")
		end := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		ending, secret, err := tenant.CreateKey(c.ctx, h.DB, tenant.CreateKeyInput{Name: "Ends", Scopes: []auth.Scope{auth.Read}, ExpiresAt: &end})
		if err != nil {
			t.Fatal(err)
		}
		endOf := func(secret string) *time.Time {
			t.Helper()
			a := h.ask(t, secret, `{ viewer { expiresAt } }`, nil)
			var data struct {
				Viewer struct{ ExpiresAt *time.Time }
			}
			if err := json.Unmarshal(a.Data, &data); err != nil || len(a.Errors) > 0 {
				t.Fatalf("%v %s", err, a.text)
			}
			return data.Viewer.ExpiresAt
		}
		token := func(secret string) (token string, ends time.Time) {
			t.Helper()
			a := h.ask(t, secret, `mutation { createAccessToken(input: { scopes: [READ], expiresIn: 7200 }) { token expiresAt } }`, nil)
			var data struct {
				CreateAccessToken struct {
					Token     string
					ExpiresAt time.Time
				}
			}
			if err := json.Unmarshal(a.Data, &data); err != nil || data.CreateAccessToken.Token == "" {
				t.Fatalf("%v %s", err, a.text)
			}
			return data.CreateAccessToken.Token, data.CreateAccessToken.ExpiresAt
		}
		if got := endOf(c.secrets[auth.Read]); got != nil {
			t.Errorf("a key without an end ends %v", got)
		}
		if got := endOf(secret); got == nil || !got.Equal(end) {
			t.Errorf("a key ends %v, want %v", got, end)
		}
		long, ends := token(c.secrets[auth.Read])
		if got := endOf(long); got == nil || !got.Equal(ends) || !ends.After(end) {
			t.Errorf("a token ends %v, and its maker is told %v", got, ends)
		}
		short, ends := token(secret)
		if got := endOf(short); got == nil || !got.Equal(end) || !ends.Equal(end) {
			t.Errorf("the token of a key that ends %v ends %v, and its maker is told %v", end, got, ends)
		}

		used := end.Add(-2 * time.Hour)
		err = h.DB.Write(c.ctx, func(tx *store.Tx) error {
			return tx.Ent.ApiKey.Update().SetLastUsedAt(used).Where(apikey.ID(ending.ID)).Exec(c.ctx)
		})
		if err != nil {
			t.Fatal(err)
		}
		a := h.ask(t, c.secrets[auth.Admin], `query Q($id: ID!) { node(id: $id) { ... on ApiKey { expiresAt lastUsedAt } } }`, map[string]any{"id": ending.NodeID()})
		var data struct {
			Node struct{ ExpiresAt, LastUsedAt time.Time }
		}
		if err := json.Unmarshal(a.Data, &data); err != nil || !data.Node.ExpiresAt.Equal(end) || !data.Node.LastUsedAt.Equal(used) {
			t.Errorf("%v %s", err, a.text)
		}
	})
}

package graph_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/storetest"
	"github.com/zeroten/zeroten/internal/tenant"
)

// Whoever holds a key or token that has ended hears why, over all protocols; whoever guesses one hears what all guessers
// hear.
func TestEndedKeysSayWhy(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, databaseURL string) {
		h := open(t, databaseURL)
		c := h.found(t, "Fjordlink")
		key, secret, err := tenant.CreateKey(c.ctx, h.DB, tenant.CreateKeyInput{Name: "Ends", Scopes: []auth.Scope{auth.Read}})
		if err != nil {
			t.Fatal(err)
		}
		token := h.token(t, secret, "")
		running := h.send(t.Context(), t, token, `{"query":"subscription { feedbackReceived { cursor } }"}`, "text/event-stream")
		defer running.Body.Close()
		if _, err := tenant.RevokeKey(c.ctx, h.DB, tenant.RevokeKeyInput{ID: key.NodeID()}); err != nil {
			t.Fatal(err)
		}
		// It ends with the reason, which is what it waits for.
		if text, err := io.ReadAll(running.Body); err != nil || !strings.Contains(string(text), `The key that made this token was revoked on `) ||
			!strings.Contains(string(text), string(apierror.Forbidden)) {
			t.Errorf("a stream that ran ends with %s %v", text, err)
		}

		flip := func(secret string) string {
			other := "A"
			if secret[len(secret)-5] == 'A' {
				other = "B"
			}
			return secret[:len(secret)-5] + other + secret[len(secret)-4:]
		}
		const guessed = "This needs a valid API key, sent as `Authorization: Bearer …`."
		for name, test := range map[string]struct{ secret, want string }{
			"a revoked key":             {secret, "This key was revoked on "},
			"a revoked key's token":     {token, "The key that made this token was revoked on "},
			"a guess at a key":          {flip(secret), guessed},
			"a guess at a token":        {flip(token), guessed},
			"no key at all":             {"z10_" + strings.Repeat("A", 43), guessed},
			"something of another kind": {"sk_live_1", guessed},
		} {
			body := `{"query":"{ viewer { scopes } }"}`
			for _, accept := range []string{"application/json", "text/event-stream"} {
				resp := h.send(t.Context(), t, test.secret, body, accept)
				text, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(text), `"message":"`+test.want) {
					t.Errorf("%s, %s: %d %s %v", name, accept, resp.StatusCode, text, err)
				}
			}
			if strings.HasPrefix(test.secret, "z10t_") {
				query := url.Values{"query": {"subscription { feedbackReceived { cursor } }"}, "access_token": {test.secret}}
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"?"+query.Encode(), nil)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Accept", "text/event-stream")
				resp, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(text), `"message":"`+test.want) {
					t.Errorf("%s, by an EventSource: %d %s %v", name, resp.StatusCode, text, err)
				}
			}
			if closed := closing(t, h, test.secret); closed.Code != 4403 || !strings.HasPrefix(closed.Reason, test.want) {
				t.Errorf("%s, a socket: %v", name, closed)
			}
		}
		if a := h.ask(t, secret, `{ viewer { scopes } }`, nil); !slices.Equal(a.codes(), []string{"UNAUTHENTICATED"}) {
			t.Errorf("got %v", a.codes())
		}
	})
}

// closing is how a socket is closed whose connection_init brings the secret.
func closing(t *testing.T, h *house, secret string) websocket.CloseError {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	conn, _, err := websocket.Dial(ctx, h.url, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"connection_init","payload":{"accessToken":"`+secret+`"}}`)); err != nil {
		t.Fatal(err)
	}
	_, text, err := conn.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		t.Fatalf("got %s and %v, want the socket closed", text, err)
	}
	return closed
}

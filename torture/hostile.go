//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// What a hostile request must not do.
const (
	refusedWithin  = 2 * time.Second
	answeredWithin = 100 * time.Millisecond
	// memoryAtMost is in MiB.
	memoryAtMost = 256
)

// attack is a request that nobody means well with. It comes from the OWASP GraphQL cheat sheet, and from what brings
// other servers down.
type attack struct {
	name string
	// anonymous attacks come without a key.
	anonymous bool
	// try makes the request and fails unless it is refused clearly.
	try func(ctx context.Context, c *client, at string) error
}

// refusal posts a body and wants one of the codes.
func refusal(kind string, body []byte, statuses ...int) func(context.Context, *client, string) error {
	return func(ctx context.Context, c *client, at string) error {
		a, err := c.post(ctx, at, kind, body)
		if err != nil {
			return err
		}
		return explained(a, statuses...)
	}
}

// explained fails unless the answer is a refusal that says why, and shows nothing of the inside.
func explained(a answer, statuses ...int) error {
	if len(a.Errors) == 0 || a.Errors[0].Message == "" || a.code() == "" || a.code() == "INTERNAL" {
		return fmt.Errorf("status %d: %.300s", a.status, a.text)
	}
	if len(statuses) > 0 && !slices.Contains(statuses, a.status) {
		return fmt.Errorf("status %d, want %v: %.300s", a.status, statuses, a.text)
	}
	if len(a.Errors) > 20 || len(a.text) > 16<<10 {
		return fmt.Errorf("%d errors in %d bytes", len(a.Errors), len(a.text))
	}
	for _, inside := range []string{"Did you mean", "goroutine ", ".go:", "SELECT ", "sqlite", "pq:", "ent.", "runtime error"} {
		if bytes.Contains(a.text, []byte(inside)) {
			return fmt.Errorf("the answer says %q: %.300s", inside, a.text)
		}
	}
	return nil
}

func document(query string) []byte {
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		panic(err) // a string
	}
	return body
}

const asJSON = "application/json"

func fragments() string {
	var b strings.Builder
	b.WriteString("{ ...f0 }")
	for i := range 26 {
		fmt.Fprintf(&b, " fragment f%d on Query { ...f%d ...f%d }", i, i+1, i+1)
	}
	b.WriteString(" fragment f26 on Query { __typename }")
	return b.String()
}

func aliases(n int, field string) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		fmt.Fprintf(&b, " a%d: %s", i, field)
	}
	return b.String() + " }"
}

func attacks() []attack {
	nested := func(open, middle, end string, n int) []byte {
		return document(strings.Repeat(open, n) + middle + strings.Repeat(end, n))
	}
	list := []attack{
		{"a document nested a hundred thousand deep", true, refusal(asJSON, nested("{a", "", "}", 100_000), 400, 413)},
		{"nested 5,000 deep", true, refusal(asJSON, nested("{a", "", "}", 5_000))},
		{"lists in an argument, nested 5,000 deep", true, refusal(asJSON, document("{a(b:"+strings.Repeat("[", 5_000)+strings.Repeat("]", 5_000)+")}"))},
		{"objects in an argument, nested 4,000 deep", true, refusal(asJSON, document("{a(b:"+strings.Repeat("{a:", 4_000)+"1"+strings.Repeat("}", 4_000)+")}"))},
		{"JSON nested 60,000 deep in the variables", true, refusal(asJSON, []byte(`{"query":"{__typename}","variables":{"a":`+strings.Repeat("[", 60_000)+strings.Repeat("]", 60_000)+`}}`))},
		{"JSON nested a million deep", true, refusal(asJSON, []byte(strings.Repeat("[", 1_000_000)))},
		{"a body of 30 MB", true, refusal(asJSON, []byte(`{"query":"{__typename}","variables":{"a":"`+strings.Repeat("x", 30<<20)+`"}}`), 413)},
		{"a document of 1 MB", true, refusal(asJSON, document("{__typename #"+strings.Repeat("x", 1<<20)+"\n}"), 400, 413)},
		{"a document of 17 kB of comments", true, refusal(asJSON, document("{__typename #"+strings.Repeat("x", 17<<10)+"\n}"))},
		{"a document of 1,500 tokens", true, refusal(asJSON, document("{"+strings.Repeat(" __typename", 1_500)+"}"))},
		{"26 fragments of two spreads each", true, refusal(asJSON, document(fragments()+strings.Repeat(" ", 10)+"query Deep { nodes(ids: []) { id } ...f0 }"))},
		{"a fragment within itself", true, refusal(asJSON, document("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }"))},
		{"10,000 unknown directives", true, refusal(asJSON, document("{__typename"+strings.Repeat(" @a", 10_000)+"}"))},
		{"400 unknown directives", true, refusal(asJSON, document("{__typename"+strings.Repeat(" @a", 400)+"}"))},
		{"300 unknown fields", true, refusal(asJSON, document(aliases(240, "b")))},
		{"the same field 900 times", false, refusal(asJSON, document("{"+strings.Repeat(" viewer{scopes}", 225)+"}"))},
		{"100 aliases of one field", false, refusal(asJSON, document(aliases(100, "campaigns { totalCount }")))},
		{"a hundred guesses in one request", false, refusal(asJSON, document(aliases(100, `node(id: "camp_x") { id }`)))},
		{"a hundred contacts' hundred responses' contacts", false, refusal(asJSON, document(`{ contacts(first: 100) { nodes { responses(first: 100) { nodes { contact { responses(first: 100) { nodes { id } } } } } } } }`))},
		{"depth beyond twenty", false, refusal(asJSON, document("{ responses { nodes "+strings.Repeat("{ contact { responses { nodes ", 8)+"{ id }"+strings.Repeat(" } } }", 8)+" } }"))},
		{"introspection in circles", true, refusal(asJSON, document("{ __schema { types "+strings.Repeat("{ fields { type ", 6)+"{ name }"+strings.Repeat(" } }", 6)+" } }"))},
		{"a batch of operations", true, refusal(asJSON, []byte("["+strings.TrimSuffix(strings.Repeat(`{"query":"{__typename}"},`, 1_000), ",")+"]"), 400)},
		{"a mutation by GET", false, func(ctx context.Context, c *client, at string) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"?query="+url.QueryEscape(`mutation { createCampaign(input: { name: "By GET" }) { campaign { id } } }`), nil)
			if err != nil {
				return err
			}
			a, err := c.do(request)
			if err != nil {
				return err
			}
			return explained(a, 405)
		}},
		{"a form from another site", false, refusal("application/x-www-form-urlencoded", []byte("query="+url.QueryEscape(`mutation { createCampaign(input: { name: "By form" }) { campaign { id } } }`)), 415)},
		{"an upload", false, refusal("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{}\r\n--x--\r\n"), 415)},
		{"text/plain, which needs no leave across sites", false, refusal("text/plain", document("{__typename}"), 415)},
		{"duplicate keys", true, refusal(asJSON, []byte(`{"query":"{__typename}","query":"{viewer{scopes}}"}`), 400)},
		{"trailing garbage", true, refusal(asJSON, []byte(`{"query":"{__typename}"} {"query":"x"}`), 400)},
		{"bytes that are no UTF-8", true, refusal(asJSON, []byte("{\"query\":\"{__typename \xff}\"}"), 400)},
		{"U+0000", false, refusal(asJSON, document(`{ contacts(search: "\u0000") { totalCount } }`))},
		{"deferred fields", false, refusal(asJSON, document(`{ ... @defer { tenant { name } } }`))},
		{"a huge number", false, refusal(asJSON, []byte(`{"query":"query ($n: Int) { campaigns(first: $n) { totalCount } }","variables":{"n":1e400}}`))},
		{"a search of 50,000 characters", false, refusal(asJSON, document(`query { responses(filter: { search: "`+strings.Repeat("a ", 7_000)+`" }) { totalCount } }`))},
		{"a rule nested a thousand deep", false, func(ctx context.Context, c *client, at string) error {
			rule := strings.Repeat(`{"not":`, 1_000) + `{"trait":{"key":"a","isKnown":true}}` + strings.Repeat("}", 1_000)
			a, err := c.post(ctx, at, asJSON, []byte(`{"query":"query ($w: SegmentRuleInput) { feedback(filter: { where: $w }) { score { nps } } }","variables":{"w":`+rule+`}}`))
			if err != nil {
				return err
			}
			return explained(a)
		}},
		{"SQL in every text", false, func(ctx context.Context, c *client, at string) error {
			a, err := c.ask(ctx, at, `query ($x: String!, $i: ID!) { contacts(search: $x) { totalCount } responses(filter: { search: $x }, after: $x) { totalCount } node(id: $i) { id } }`,
				map[string]any{"x": `'; DROP TABLE responses; --`, "i": `camp_' OR 1=1 --`})
			if err != nil {
				return err
			}
			return explained(a)
		}},
		{"a key of 100 kB", true, func(ctx context.Context, _ *client, at string) error {
			liar := newClient(strings.Repeat("z", 100<<10))
			defer liar.http.CloseIdleConnections()
			return statusOf(ctx, liar, at, 400, 401, 431)
		}},
		{"a forged token", true, func(ctx context.Context, _ *client, at string) error {
			liar := newClient("z10t_eyJhbGciOiJub25lIn0.eyJzY29wZXMiOlsiQURNSU4iXX0.")
			defer liar.http.CloseIdleConnections()
			a, err := liar.ask(ctx, at, "{ viewer { scopes } }", nil)
			if err != nil {
				return err
			}
			return explained(a, 401)
		}},
	}
	return append(list, socketAttacks()...)
}

// statusOf wants one of the statuses, with any body.
func statusOf(ctx context.Context, c *client, at string, statuses ...int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(document("{__typename}")))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", asJSON)
	request.Header.Set("Authorization", "Bearer "+c.secret)
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if !slices.Contains(statuses, response.StatusCode) {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// closes opens a socket, sends messages and wants it closed with the code.
func closes(want websocket.StatusCode, initialised bool, messages ...string) func(context.Context, *client, string) error {
	return func(ctx context.Context, c *client, at string) error {
		var conn *websocket.Conn
		var err error
		if initialised {
			conn, err = c.dial(ctx, at)
		} else {
			conn, _, err = websocket.Dial(ctx, at, &websocket.DialOptions{HTTPClient: c.http, Subprotocols: []string{"graphql-transport-ws"}}) //nolint:bodyclose // a socket has none
		}
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseNow() }()
		conn.SetReadLimit(1 << 20)
		for _, m := range messages {
			if err := conn.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
				break // it may be closed already
			}
		}
		for {
			_, _, err := conn.Read(ctx)
			if err == nil {
				continue
			}
			if got := websocket.CloseStatus(err); got != want {
				return fmt.Errorf("closed with %d, want %d: %w", got, want, err)
			}
			return nil
		}
	}
}

func socketAttacks() []attack {
	subscribe := func(id, query string) string {
		text, err := json.Marshal(map[string]any{"id": id, "type": "subscribe", "payload": map[string]any{"query": query}})
		if err != nil {
			panic(err) // strings
		}
		return string(text)
	}
	return []attack{
		{"a socket's init that is no object", true, closes(4400, false, `{"type":"connection_init","payload":[1]}`)},
		{"a socket's message of 8 MB", false, closes(websocket.StatusMessageTooBig, true, `{"type":"ping","payload":{"a":"`+strings.Repeat("x", 8<<20)+`"}}`)},
		{"a socket's document nested 30,000 deep", false, func(ctx context.Context, c *client, at string) error {
			return socketError(ctx, c, at, subscribe("1", strings.Repeat("{a", 30_000)), "1")
		}},
		{"2,000 subscriptions on a socket", false, func(ctx context.Context, c *client, at string) error {
			conn, err := c.dial(ctx, at)
			if err != nil {
				return err
			}
			defer func() { _ = conn.CloseNow() }()
			for i := range 2_000 {
				if err := conn.Write(ctx, websocket.MessageText, []byte(subscribe(strconv.Itoa(i), "subscription { feedbackReceived { cursor } }"))); err != nil {
					break
				}
			}
			for {
				_, text, err := conn.Read(ctx)
				if err != nil {
					if websocket.CloseStatus(err) >= 1000 {
						return nil // it closed the socket altogether
					}
					return err
				}
				if bytes.Contains(text, []byte(`"type":"error"`)) {
					return nil
				}
			}
		}},
		{"the same id twice", false, closes(4409, true, subscribe("1", "subscription { feedbackReceived { cursor } }"), subscribe("1", "subscription { feedbackReceived { cursor } }"))},
		{"a subscription before the init", true, closes(4401, false, subscribe("1", "{ __typename }"))},
		{"a subscription to two streams", false, func(ctx context.Context, c *client, at string) error {
			return socketError(ctx, c, at, subscribe("1", "subscription { feedbackReceived { cursor } b: feedbackReceived { cursor } }"), "1")
		}},
		{"5,000 pings at once", false, func(ctx context.Context, c *client, at string) error {
			conn, err := c.dial(ctx, at)
			if err != nil {
				return err
			}
			defer func() { _ = conn.CloseNow() }()
			go func() {
				for range 5_000 {
					if conn.Write(ctx, websocket.MessageText, []byte(`{"type":"ping"}`)) != nil {
						return
					}
				}
			}()
			for {
				if _, _, err := conn.Read(ctx); err != nil {
					if websocket.CloseStatus(err) < 1000 && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
						return err
					}
					return nil
				}
			}
		}},
	}
}

// socketError wants an error message for the operation, or the socket closed as malformed.
func socketError(ctx context.Context, c *client, at, message, id string) error {
	conn, err := c.dial(ctx, at)
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
		return err
	}
	for {
		_, text, err := conn.Read(ctx)
		if websocket.CloseStatus(err) == 4400 {
			return nil
		}
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte(`"type":"error"`)) && bytes.Contains(text, []byte(`"id":"`+id+`"`)) {
			return nil
		}
	}
}

func (t *torture) hostile(ctx context.Context, database string) (tried, outcome string, err error) {
	databaseURL, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	// Many of the attacks come without a key, from one address, faster than strangers may ask.
	h, err := t.open(ctx, databaseURL, "--anonymous-burst", "1000000", "--anonymous-restore", "1000000")
	if err != nil {
		return "", "", err
	}
	at := h.server.URL()
	var slowest, slowestAfter time.Duration
	var most float64
	all := attacks()
	stranger := newClient("")
	for _, attack := range all {
		c := h.client
		if attack.anonymous {
			c = stranger
		}
		asking, cancel := context.WithTimeout(ctx, 10*time.Second)
		began := time.Now()
		err := attack.try(asking, c, at)
		took := time.Since(began)
		cancel()
		if err != nil {
			return "", "", fmt.Errorf("%s: %w", attack.name, err)
		}
		if took > refusedWithin {
			return "", "", fmt.Errorf("%s: refused after %v", attack.name, took)
		}
		began = time.Now()
		a, err := h.ask(ctx, at, `{ campaigns { nodes { id name feedback { score { nps responses } } } } }`, nil)
		after := time.Since(began)
		if err != nil || len(a.Errors) > 0 {
			return "", "", fmt.Errorf("after %s: %w %s", attack.name, err, a.text)
		}
		if after > answeredWithin {
			return "", "", fmt.Errorf("after %s the next query took %v", attack.name, after)
		}
		memory, err := h.server.Memory("VmHWM")
		if err != nil {
			return "", "", err
		}
		if memory > memoryAtMost {
			return "", "", fmt.Errorf("%s: the server has %.0f MiB of memory", attack.name, memory)
		}
		slowest, slowestAfter, most = max(slowest, took), max(slowestAfter, after), memory
	}
	return fmt.Sprintf("%d requests", len(all)), fmt.Sprintf("all refused with a reason, the slowest after %.2f s; the next query answered within %.0f ms; memory at most %.0f MiB",
		slowest.Seconds(), float64(slowestAfter.Microseconds())/1e3, most), h.close(ctx)
}

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
	"sync"
	"time"

	"github.com/coder/websocket"
)

// crowd is many who send the same at once.
type crowd struct {
	name string
	// many is how many they are, secret what they bring, if anything.
	many   int
	secret string
	// send sends it once. The error says what must not be; that the server hung up is as good as an answer.
	send func(ctx context.Context, c *client, at string) error
}

// refusals are the statuses of what is refused as it should be.
var refusals = []int{
	http.StatusOK, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
	http.StatusUnsupportedMediaType, http.StatusTooManyRequests, http.StatusServiceUnavailable,
}

// body sends a request with a body, whole at once.
func body(text []byte, header ...string) func(context.Context, *client, string) error {
	return func(ctx context.Context, c *client, at string) error {
		return whole(ctx, c, at, bytes.NewReader(text), header...)
	}
}

// chunks sends it without saying how long it is.
func chunks(text []byte) func(context.Context, *client, string) error {
	return func(ctx context.Context, c *client, at string) error {
		return whole(ctx, c, at, struct{ io.Reader }{bytes.NewReader(text)})
	}
}

func whole(ctx context.Context, c *client, at string, from io.Reader, header ...string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, from)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", asJSON)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return answered(c, request)
}

// answered wants an answer that is none of a broken server.
func answered(c *client, request *http.Request) error {
	if c.secret != "" {
		request.Header.Set("Authorization", "Bearer "+c.secret)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return hungUp(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<10))
	if err != nil {
		return hungUp(err)
	}
	var a answer
	if response.Header.Get("Content-Type") == "text/event-stream; charset=utf-8" {
		return nil
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("status %d with no JSON: %.200q", response.StatusCode, text)
	}
	if !slices.Contains(refusals, response.StatusCode) || a.code() == "INTERNAL" {
		return fmt.Errorf("status %d: %.300s", response.StatusCode, text)
	}
	if retry := response.Header.Get("Retry-After"); response.StatusCode == http.StatusServiceUnavailable && retry == "" {
		return errors.New("503 without Retry-After")
	}
	return nil
}

// hungUp passes over what a client sees whose connection the server ends while it still sends.
func hungUp(err error) error {
	var netErr *net.OpError
	if errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	if strings.Contains(err.Error(), "server closed idle connection") || strings.Contains(err.Error(), "transport connection broken") {
		return nil
	}
	return err
}

// held sends the beginning of a body, then nothing, or now and then a byte, until the server has had enough.
func held(claimed, sent int, drip time.Duration) func(context.Context, *client, string) error {
	return func(ctx context.Context, c *client, at string) error {
		where, err := url.Parse(at)
		if err != nil {
			return err
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", where.Host)
		if err != nil {
			return hungUp(err)
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		head := "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(claimed) + "\r\n"
		if c.secret != "" {
			head += "Authorization: Bearer " + c.secret + "\r\n"
		}
		begin := `{"query":"{__typename}","variables":{"a":"`
		if _, err := io.WriteString(conn, head+"\r\n"+begin+strings.Repeat("x", max(0, sent-len(begin)))); err != nil {
			return nil // it hung up
		}
		if drip > 0 {
			go func() {
				tick := time.NewTicker(drip)
				defer tick.Stop()
				for range tick.C {
					if _, err := conn.Write([]byte("x")); err != nil {
						return
					}
				}
			}()
		}
		_, _ = io.Copy(io.Discard, conn)
		if ctx.Err() != nil {
			return errors.New("a body that does not come is waited for for ever")
		}
		return nil
	}
}

// said says something on a socket of its own, after the init or in its place.
func said(init bool, message []byte) func(context.Context, *client, string) error {
	return func(ctx context.Context, c *client, at string) error {
		var conn *websocket.Conn
		var err error
		if init {
			conn, err = c.dial(ctx, at)
		} else {
			conn, _, err = websocket.Dial(ctx, at, &websocket.DialOptions{HTTPClient: c.http, Subprotocols: []string{"graphql-transport-ws"}}) //nolint:bodyclose // a socket has none
		}
		if err != nil {
			return nil // it is not let in
		}
		defer func() { _ = conn.CloseNow() }()
		conn.SetReadLimit(1 << 20)
		if err := conn.Write(ctx, websocket.MessageText, message); err != nil {
			return nil // it hung up
		}
		if _, text, err := conn.Read(ctx); err == nil && bytes.Contains(text, []byte("INTERNAL")) {
			return fmt.Errorf("a socket says %.300s", text)
		}
		return nil
	}
}

// names are so many variables that no operation declares.
func names(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"query":"{__typename}","variables":{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"v%d":0`, i)
	}
	b.WriteString("}}")
	return b.Bytes()
}

// filled is a request with a variable of some wrong type that fills its body.
func filled(size int, piece string) []byte {
	const head, tail = `{"query":"query ($input: RecordResponsesInput!) { recordResponses(input: $input) { recorded } }","variables":{"input":[`, `null]}}`
	return []byte(head + strings.Repeat(piece+",", (size-len(head)-len(tail))/(len(piece)+1)) + tail)
}

func (t *torture) crowds(collect string) []crowd {
	const envelope, bulk = 128 << 10, 4 << 20
	n := t.number
	variables, many := names(14_000), names(249_000)
	message := func(payload []byte) []byte {
		return append(append([]byte(`{"id":"1","type":"subscribe","payload":`), payload...), '}')
	}
	var crowds []crowd
	for _, one := range []struct {
		name string
		text []byte
	}{
		{"15,000 variables", variables},
		{"numbers where an object should be", filled(envelope, "0")},
		{"empty objects", filled(envelope, "{}")},
		{"objects in lists in objects", filled(envelope, `{"a":[{"b":[{"c":{}}]}]}`)},
		{"lists 60 deep", filled(envelope, strings.Repeat("[", 60)+strings.Repeat("]", 60))},
		{"a text of escapes", filled(envelope, `"`+strings.Repeat(`\u00e9\n`, 10_000)+`"`)},
		{"extensions", []byte(`{"query":"{__typename}","extensions":{"a":[` + strings.Repeat("{},", 40_000) + `{}]}}`)},
		{"members that mean nothing", []byte(`{"query":"{__typename}","b":[` + strings.Repeat("[],", 40_000) + `[]]}`)},
	} {
		crowds = append(crowds, crowd{one.name, n(500, 100), "", body(one.text)})
	}
	for _, one := range []struct {
		name string
		text []byte
	}{
		{"4 MiB of 249,000 names", many},
		{"4 MiB of numbers", filled(bulk, "17171717171717171")},
		{"4 MiB of objects", filled(bulk, `{"aaaaaaaaaaaa":{"b":{}}}`)},
		{"4 MiB of texts", filled(bulk, `"`+strings.Repeat(`\u00e9\n`, 100_000)+`"`)},
		{"4 MiB of objects of 900 names", filled(bulk, `{"x":`+string(names(900)[len(`{"query":"{__typename}","variables":`):len(names(900))-1])+`}`)},
	} {
		crowds = append(crowds, crowd{one.name, n(40, 12), collect, body(one.text)})
	}
	parameters := "?" + strings.Repeat("a&", 16_000) + "query=" + url.QueryEscape("{__typename}")
	return append(crowds,
		crowd{"in chunks", n(500, 100), "", chunks(variables)},
		crowd{"4 MiB in chunks", n(40, 12), collect, chunks(many)},
		crowd{"4 MiB in chunks without a key", n(40, 12), "", chunks(many)},
		crowd{"4 MiB without a key", n(40, 12), "", body(many)},
		crowd{"compressed", n(100, 20), collect, body(many[:1<<20], "Content-Encoding", "gzip")},
		crowd{"for an event stream", n(500, 100), "", body(variables, "Accept", "text/event-stream")},
		crowd{"by GET", n(500, 100), "", func(ctx context.Context, c *client, at string) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, at+parameters[:min(len(parameters), 31<<10)], nil)
			if err != nil {
				return err
			}
			return answered(c, request)
		}},
		crowd{"by GET with 2,000 variables", n(500, 100), "", func(ctx context.Context, c *client, at string) error {
			only := names(2_000)[len(`{"query":"{__typename}","variables":`):]
			query := url.Values{"query": {"{__typename}"}, "variables": {string(only[:len(only)-1])}}
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"?"+query.Encode(), nil)
			if err != nil {
				return err
			}
			return answered(c, request)
		}},
		crowd{"held open after 100 kB", n(1_500, 300), "", held(envelope, 100_000, 0)},
		crowd{"held open after 50 bytes", n(1_500, 300), "", held(400, 50, 0)},
		crowd{"held open before the first byte of 4 MiB", n(500, 100), collect, held(bulk, 0, 0)},
		crowd{"held open after 3 MB", n(100, 30), collect, held(bulk, 3_000_000, 0)},
		crowd{"a byte each 50 ms", n(300, 50), "", held(4_000, 50, 50*time.Millisecond)},
		crowd{"connection_init of 100 kB", n(300, 60), "", said(false, []byte(`{"type":"connection_init","payload":{"a":[`+strings.Repeat("{},", 33_000)+`{}]}}`))},
		crowd{"connection_init of 1,500 names", n(300, 60), "", said(false, []byte(`{"type":"connection_init","payload":`+string(names(1_300)[len(`{"query":"{__typename}","variables":`):])))},
		crowd{"a socket's 15,000 variables", n(300, 60), collect, said(true, message(variables))},
		crowd{"a socket's 249,000 names", n(40, 12), collect, said(true, message(many))},
		crowd{"a socket's 4 MiB of objects", n(40, 12), collect, said(true, message(filled(bulk-100, `{"aaaaaaaaaaaa":{"b":{}}}`)))},
	)
}

// bodies has crowds send bodies of all shapes, and asks an ordinary query time and again meanwhile.
func (t *torture) bodies(ctx context.Context, database string) (tried, outcome string, err error) {
	databaseURL, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	// What buckets would keep away must not do harm either: one address sends for many.
	h, err := t.open(ctx, databaseURL, "--anonymous-burst", "100000000", "--anonymous-restore", "100000000",
		"--rate-burst", "100000000", "--rate-restore", "100000000")
	if err != nil {
		return "", "", err
	}
	at := h.server.URL()
	var made struct{ CreateAPIKey struct{ Secret string } }
	err = h.must(ctx, at, `mutation { createAPIKey: createApiKey(input: { name: "Crowd", scopes: [COLLECT] }) { secret } }`, nil, &made)
	if err != nil {
		return "", "", err
	}
	bodies := 0
	ordinary := &ordinary{house: h}
	var most float64
	for _, crowd := range t.crowds(made.CreateAPIKey.Secret) {
		began := time.Now()
		if err := ordinary.during(ctx, crowd); err != nil {
			return "", "", fmt.Errorf("%s: %w", crowd.name, err)
		}
		bodies += crowd.many
		memory, err := h.server.Memory("VmHWM")
		if err != nil {
			return "", "", err
		}
		if memory > memoryAtMost {
			return "", "", fmt.Errorf("%s: the server has %.0f MiB of memory", crowd.name, memory)
		}
		fmt.Fprintf(t.log, "bodies: %s: %.1f s, at most %.0f MiB so far\n", crowd.name, time.Since(began).Seconds(), memory)
		most = memory
	}
	return fmt.Sprintf("%d bodies", bodies), fmt.Sprintf("memory at most %.0f MiB; %d ordinary queries and %d bulks of responses in between all answered, the slowest query after %.0f ms",
		most, ordinary.asked, (ordinary.asked+19)/20, float64(ordinary.slowest.Microseconds())/1e3), h.close(ctx)
}

// ordinary is somebody who asks an ordinary query, and now and then records some responses.
type ordinary struct {
	*house
	asked   int
	slowest time.Duration
}

// during asks time and again while a crowd sends, and fails unless it is answered, and the crowd as it should be.
func (o *ordinary) during(ctx context.Context, crowd crowd) error {
	c := newClient(crowd.secret)
	defer c.http.CloseIdleConnections()
	at := o.server.URL()
	sending, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	failed := make(chan error, crowd.many)
	var all sync.WaitGroup
	for range crowd.many {
		all.Go(func() { failed <- crowd.send(sending, c, at) })
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(20 * time.Millisecond):
		}
		if err := o.once(ctx, at); err != nil {
			return err
		}
	}
	close(failed)
	for err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *ordinary) once(ctx context.Context, at string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	began := time.Now()
	a, err := o.ask(ctx, at, `{ campaigns { nodes { id name feedback { score { nps responses } } } } }`, nil)
	if err != nil || len(a.Errors) > 0 {
		return fmt.Errorf("an ordinary query in between: %w %s", err, a.text)
	}
	o.slowest = max(o.slowest, time.Since(began))
	if o.asked++; o.asked%20 != 1 {
		return nil
	}
	// Nor do others' large bodies shut out an ordinary one.
	responses := make([]map[string]any, 300)
	for i := range responses {
		responses[i] = map[string]any{"campaign": o.campaign, "score": i % 11, "comment": "One of many.", "contact": map[string]any{"externalId": strconv.Itoa(i)}}
	}
	return o.must(ctx, at, `mutation ($input: RecordResponsesInput!) { recordResponses(input: $input) { recorded } }`,
		map[string]any{"input": map[string]any{"responses": responses}}, &struct{}{})
}

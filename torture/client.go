//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// client asks a server.
type client struct {
	http   *http.Client
	secret string
}

func newClient(secret string) *client {
	return &client{
		secret: secret,
		http: &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: 256,
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		}},
	}
}

// answer is what a server answered.
type answer struct {
	status     int
	retryAfter string
	text       []byte
	Data       json.RawMessage `json:"data"`
	Errors     faults          `json:"errors"`
}

func (a answer) code() string { return a.Errors.code() }

// faults are the errors of an answer or an event.
type faults []struct {
	Message    string `json:"message"`
	Extensions struct {
		Code string `json:"code"`
	} `json:"extensions"`
}

// code is that of the first.
func (f faults) code() string {
	if len(f) == 0 {
		return ""
	}
	return f[0].Extensions.Code
}

func (c *client) ask(ctx context.Context, url, query string, variables map[string]any) (a answer, err error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return a, err
	}
	return c.post(ctx, url, "application/json", body)
}

func (c *client) post(ctx context.Context, url, kind string, body []byte) (a answer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	request.Header.Set("Content-Type", kind)
	return c.do(request)
}

func (c *client) do(request *http.Request) (a answer, err error) {
	if c.secret != "" {
		request.Header.Set("Authorization", "Bearer "+c.secret)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a.status, a.retryAfter = response.StatusCode, response.Header.Get("Retry-After")
	if a.text, err = io.ReadAll(response.Body); err != nil {
		return a, err
	}
	if err := json.Unmarshal(a.text, &a); err != nil {
		return a, fmt.Errorf("status %d with no JSON: %.200q", a.status, a.text)
	}
	return a, nil
}

// must asks, and fails where the answer has errors.
func (c *client) must(ctx context.Context, url, query string, variables map[string]any, into any) error {
	a, err := c.ask(ctx, url, query, variables)
	if err != nil {
		return err
	}
	if len(a.Errors) > 0 {
		return fmt.Errorf("%s: %s", query, a.text)
	}
	return json.Unmarshal(a.Data, into)
}

const recordOne = `mutation ($input: RecordResponseInput!) { recordResponse(input: $input) { response { id } userErrors { field message code } } }`

// outcome is what became of one recording.
type outcome int

const (
	acknowledged outcome = iota
	refused              // it did not take effect, as far as the answer says
	unknown              // no answer
)

// record tries to record a response once. Its idempotency key is in the comment too.
func (c *client) record(ctx context.Context, url, campaign, key string, score int) (o outcome, a answer, err error) {
	a, err = c.ask(ctx, url, recordOne, map[string]any{"input": map[string]any{
		"campaign": campaign, "score": score, "comment": key, "idempotencyKey": key,
		"contact": map[string]any{"externalId": "c" + strconv.Itoa(score*7%50)},
	}})
	if err != nil {
		return unknown, a, nil //nolint:nilerr // no answer is an outcome too
	}
	if len(a.Errors) > 0 {
		return refused, a, nil
	}
	var data struct {
		RecordResponse struct {
			Response *struct {
				ID string `json:"id"`
			} `json:"response"`
		} `json:"recordResponse"`
	}
	if err := json.Unmarshal(a.Data, &data); err != nil {
		return unknown, a, err
	}
	if data.RecordResponse.Response == nil {
		return refused, a, fmt.Errorf("recording was refused: %s", a.text)
	}
	return acknowledged, a, nil
}

// event is what subscribers are told.
type event struct {
	Cursor     string `json:"cursor"`
	Kind       string `json:"kind"`
	ResponseID string `json:"responseId"`
	Response   *struct {
		Comment string `json:"comment"`
	} `json:"response"`
}

// feedbackReceived asks for what each event has to read in the database.
const feedbackReceived = `subscription ($after: String, $limit: Int) { feedbackReceived(after: $after, limit: $limit) {
	cursor kind responseId response { comment campaign { name } contact { id } } } }`

// result is one of a subscription.
type result struct {
	Data *struct {
		FeedbackReceived *event `json:"feedbackReceived"`
	} `json:"data"`
	Errors faults `json:"errors"`
}

// errEvent says that an event came with errors. A connection may break, but what comes over it must be whole.
var errEvent = errors.New("an event with errors")

// stream reads events over server-sent events until the context ends or the connection does. The error is nil where
// the subscription completed.
func (c *client) stream(ctx context.Context, url string, after *string, limit int, f func(event)) error {
	variables := map[string]any{"after": after}
	if limit > 0 {
		variables["limit"] = limit
	}
	body, err := json.Marshal(map[string]any{"query": feedbackReceived, "variables": variables})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Authorization", "Bearer "+c.secret)
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 400))
		return fmt.Errorf("status %d: %s", response.StatusCode, text)
	}
	kind, begun := "", false
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "event:"); ok {
			kind = strings.TrimSpace(name)
		}
		data, ok := strings.CutPrefix(line, "data:")
		switch {
		case ok && kind == "complete":
			return nil
		case ok && kind == "next":
			if err := told([]byte(data), begun, f); err != nil {
				return err
			}
			begun = true
		}
	}
	return errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// told passes an event on. Until the subscription has begun it may be refused for now, which is an error like any other
// of the connection; an event with errors is an errEvent.
func told(data []byte, begun bool, f func(event)) error {
	var r result
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("an event: %w", err) // it was cut off
	}
	switch {
	case !begun && r.Data == nil && r.Errors.code() == "OVERLOADED":
		return fmt.Errorf("the subscription was refused: %s", data)
	case len(r.Errors) > 0 || r.Data == nil || r.Data.FeedbackReceived == nil:
		return fmt.Errorf("%w: %s", errEvent, data)
	}
	f(*r.Data.FeedbackReceived)
	return nil
}

// socket is stream over a WebSocket.
func (c *client) socket(ctx context.Context, url string, after *string, f func(event)) error {
	conn, err := c.dial(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	subscribe, err := json.Marshal(map[string]any{"id": "1", "type": "subscribe", "payload": map[string]any{
		"query": feedbackReceived, "variables": map[string]any{"after": after},
	}})
	if err != nil {
		return err
	}
	if err := conn.Write(ctx, websocket.MessageText, subscribe); err != nil {
		return err
	}
	for begun := false; ; {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		var m struct {
			Type    string          `json:"type"`
			Payload json.RawMessage `json:"payload"`
		}
		if err := json.Unmarshal(text, &m); err != nil {
			return err
		}
		switch m.Type {
		case "next":
			if err := told(m.Payload, begun, f); err != nil {
				return err
			}
			begun = true
		case "ping":
			if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"pong"}`)); err != nil {
				return err
			}
		case "complete":
			return nil
		case "error":
			return fmt.Errorf("the subscription ended with %s", m.Payload)
		}
	}
}

// dial opens a socket and waits for its acknowledgement.
func (c *client) dial(ctx context.Context, url string) (*websocket.Conn, error) {
	conn, answered, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: c.http, Subprotocols: []string{"graphql-transport-ws"}})
	if answered != nil && answered.Body != nil {
		_ = answered.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"connection_init","payload":{"Authorization":"Bearer %s"}}`, c.secret)); err != nil {
		return nil, errors.Join(err, conn.CloseNow())
	}
	_, text, err := conn.Read(ctx)
	if err == nil && !bytes.Contains(text, []byte("connection_ack")) {
		err = fmt.Errorf("the socket was answered with %s", text)
	}
	if err != nil {
		return nil, errors.Join(err, conn.CloseNow())
	}
	return conn, nil
}

// subscriber hears everything from the beginning of the log, whatever happens to its connections.
type subscriber struct {
	client *client
	socket bool
	// urls are the servers to turn to, one after the other.
	urls []string
	// life is how long a connection lives before the subscriber itself cuts it; zero lives on.
	life func() time.Duration

	mu    sync.Mutex
	heard []event
	cuts  int
	// failed is what must not happen, whatever happens to connections.
	failed error
}

// listen goes on until the context ends, or something fails.
func (s *subscriber) listen(ctx context.Context) {
	after := ""
	for try := 0; ctx.Err() == nil; try++ {
		within, cancel := ctx, context.CancelFunc(func() {})
		if s.life != nil {
			within, cancel = context.WithTimeout(ctx, s.life())
		}
		note := func(e event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.heard = append(s.heard, e)
			after = e.Cursor
		}
		url := s.urls[try%len(s.urls)]
		from := after
		var err error
		if s.socket {
			err = s.client.socket(within, url, &from, note)
		} else {
			err = s.client.stream(within, url, &from, 0, note)
		}
		cancel()
		s.mu.Lock()
		s.cuts++
		if errors.Is(err, errEvent) {
			s.failed = fmt.Errorf("after %d events: %w", len(s.heard), err)
		}
		failed := s.failed
		s.mu.Unlock()
		if failed != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(between(20*time.Millisecond, 100*time.Millisecond)):
		}
	}
}

// between is some time from least up to most.
func between(least, most time.Duration) time.Duration {
	return least + rand.N(most-least) //nolint:gosec // a pace is no secret
}

// count is how many events it has heard; the error is what failed.
func (s *subscriber) count() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.heard), s.failed
}

// readLog reads the whole log in portions.
func (c *client) readLog(ctx context.Context, url string, n int) ([]event, error) {
	var log []event
	after := ""
	for len(log) < n {
		err := c.stream(ctx, url, &after, min(n-len(log), 1_000), func(e event) {
			log = append(log, e)
			after = e.Cursor
		})
		if err != nil {
			return log, fmt.Errorf("reading the log after %d events: %w", len(log), err)
		}
	}
	return log, nil
}

// proxy passes connections on, and can cut them or let their bytes vanish.
type proxy struct {
	listener net.Listener
	to       string

	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	stalled chan struct{} // not nil while bytes vanish; closed when they flow again
}

func newProxy(ctx context.Context, to string) (*proxy, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, to: to, conns: map[net.Conn]struct{}{}}
	go p.accept()
	return p, nil
}

func (p *proxy) port() int {
	if a, ok := p.listener.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			p.keep(in)
			p.flow()                          // what connects while all is stalled gets no answer
			out, err := net.Dial("tcp", p.to) //nolint:noctx // it ends with the proxy
			if err != nil {
				_ = in.Close()
				return
			}
			p.keep(out)
			go p.copy(in, out)
			p.copy(out, in)
		}()
	}
}

func (p *proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
}

// flow waits until nothing is stalled.
func (p *proxy) flow() {
	p.mu.Lock()
	stalled := p.stalled
	p.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
}

func (p *proxy) copy(to, from net.Conn) {
	defer func() {
		_ = to.Close()
		_ = from.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, to)
		delete(p.conns, from)
	}()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		p.flow()
		if n > 0 {
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// stall lets bytes vanish until the returned function is called: then all connections of that time are gone.
func (p *proxy) stall() (flowAgain func()) {
	stalled := make(chan struct{})
	p.mu.Lock()
	p.stalled = stalled
	p.mu.Unlock()
	return func() {
		p.mu.Lock()
		p.stalled = nil
		for c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		close(stalled)
	}
}

func (p *proxy) close() { _ = p.listener.Close() }

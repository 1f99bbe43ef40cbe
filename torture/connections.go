//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// floodFor is how long a flood may go on before it has to be ended by the server.
const floodFor = 10 * time.Second

// floodFrames are what a client sends without an end: first what begins it, then what comes again and again, masked by
// zeros.
var floodFrames = map[string][2]string{
	"empty fragments":      {"\x01\x80\x00\x00\x00\x00", "\x00\x80\x00\x00\x00\x00"},
	"pings":                {"", "\x89\x80\x00\x00\x00\x00"},
	"pongs":                {"", "\x8a\x80\x00\x00\x00\x00"},
	"pings of the message": {"", "\x81\x8f\x00\x00\x00\x00" + `{"type":"ping"}`},
	"completes":            {"", "\x81\x9c\x00\x00\x00\x00" + `{"type":"complete","id":"x"}`},
}

// flood sends frames until the server has had enough; the error says that it never had.
func flood(ctx context.Context, at string, frames [2]string) error {
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(floodFor))
	_, err = io.WriteString(conn, "GET "+u.Path+" HTTP/1.1\r\nHost: "+u.Host+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"+frames[0])
	many := bytes.Repeat([]byte(frames[1]), 1_000)
	go func() { _, _ = io.Copy(io.Discard, conn) }() // what is answered
	for err == nil {
		_, err = conn.Write(many)
	}
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		return errors.New("the server takes them without an end")
	}
	return nil
}

// hold opens event streams until there are no more for the client's key, and leaves them open until ctx ends.
func (c *client) hold(ctx context.Context, at string) (held int, err error) {
	for ; held < 10_000; held++ {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(`{"query":"subscription { feedbackReceived { cursor } }"}`))
		if err != nil {
			return held, err
		}
		request.Header.Set("Content-Type", asJSON)
		request.Header.Set("Accept", "text/event-stream")
		request.Header.Set("Authorization", "Bearer "+c.secret)
		response, err := c.http.Do(request)
		if err != nil {
			return held, err
		}
		if response.StatusCode != http.StatusOK {
			defer response.Body.Close()
			if response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") == "" {
				return held, fmt.Errorf("stream %d is answered %s", held, response.Status)
			}
			return held, nil
		}
	}
	return held, errors.New("there is no end of streams")
}

// connections has floods of frames, and two keys that hold all the streams that they can get; meanwhile a third asks, and
// so do probes.
func (t *torture) connections(ctx context.Context, database string) (tried, outcome string, err error) {
	databaseURL, err := t.database(ctx, database)
	if err != nil {
		return "", "", err
	}
	h, err := t.open(ctx, databaseURL, "--max-connections", "1200", "--max-streams", "1000")
	if err != nil {
		return "", "", err
	}
	at := h.server.URL()
	var keys struct{ A, B struct{ Secret string } }
	const made = `createApiKey(input: { name: "Crowd", scopes: [READ] }) { secret }`
	if err := h.must(ctx, at, `mutation { a: `+made+` b: `+made+` }`, nil, &keys); err != nil {
		return "", "", err
	}
	var slowest time.Duration
	served := func(after string) error {
		began := time.Now()
		a, err := newClient(h.client.secret).ask(ctx, at, `{ campaigns { nodes { id name } } }`, nil)
		if err != nil || len(a.Errors) > 0 {
			return fmt.Errorf("after %s: %w %s", after, err, a.text)
		}
		slowest = max(slowest, time.Since(began))
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(at, "/graphql")+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := newClient("").http.Do(request)
		if err != nil {
			return fmt.Errorf("after %s: /readyz: %w", after, err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("after %s: /readyz is %s", after, response.Status)
		}
		return nil
	}
	for name, frames := range floodFrames {
		if err := flood(ctx, at, frames); err != nil {
			return "", "", fmt.Errorf("%s: %w", name, err)
		}
		if err := served(name); err != nil {
			return "", "", err
		}
	}
	holding, letGo := context.WithCancel(ctx)
	defer letGo()
	var streams int
	for i, secret := range []string{keys.A.Secret, keys.B.Secret} {
		c := newClient(secret)
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i))}} // an address of its own
		c.http = &http.Client{Transport: &http.Transport{DialContext: from.DialContext}}
		held, err := c.hold(holding, at)
		if err != nil {
			return "", "", err
		}
		streams += held
		if err := served(fmt.Sprintf("%d streams", streams)); err != nil {
			return "", "", err
		}
	}
	memory, err := h.server.Memory("VmHWM")
	if err != nil {
		return "", "", err
	}
	if memory > memoryAtMost {
		return "", "", fmt.Errorf("the server has %.0f MiB of memory", memory)
	}
	letGo()
	return fmt.Sprintf("%d floods of frames; %d streams of two keys, which is all that they get of 1,000", len(floodFrames), streams),
		fmt.Sprintf("all floods ended by the server; probes and another key's query always answered, the slowest query after %.0f ms; memory at most %.0f MiB",
			float64(slowest.Microseconds())/1e3, memory), h.close(ctx)
}

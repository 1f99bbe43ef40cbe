package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
)

// socketEngine is an engine whose documents are the names of what they do.
type socketEngine struct {
	mu      sync.Mutex
	revoke  context.CancelCauseFunc // of the last watched secret
	seen    []Observation
	emit    chan string   // payloads of `subscription emitted`
	release chan struct{} // lets `query held` and `mutation held` go on
	running atomic.Int32  // operations that have not ended
	closed  atomic.Int32  // streams
}

type callerKey struct{}

func (e *socketEngine) engine() Engine {
	return Engine{
		Door: edge.New(edge.Config{}),
		Authenticate: func(ctx context.Context, _ *http.Request, secret string, ok bool) (context.Context, error) {
			switch {
			case !ok:
				return ctx, nil
			case secret == "panic":
				panic("authenticating")
			case secret == "down":
				return nil, apierror.New(apierror.Overloaded, "No database.")
			case secret == "broken":
				return nil, errors.New("secret detail")
			case !strings.HasPrefix(secret, "good"):
				return nil, apierror.New(apierror.Unauthenticated, "Unknown key.")
			}
			return context.WithValue(ctx, callerKey{}, secret), nil
		},
		Watch: func(ctx context.Context, secret string) (context.Context, func()) {
			if secret == "good, but panicking" {
				panic("watching")
			}
			ctx, cancel := context.WithCancelCause(ctx)
			e.mu.Lock()
			defer e.mu.Unlock()
			e.revoke = cancel
			return ctx, func() { cancel(nil) }
		},
		Prepare: func(_ context.Context, params *graphql.RawParams, variables Variables) (*Operation, gqlerror.List) {
			values, err := variables(func(string) bool { return true })
			if err != nil {
				return nil, gqlerror.List{present(context.Background(), err)}
			}
			kind, name, _ := strings.Cut(params.Query, " ")
			switch name {
			case "invalid":
				return nil, gqlerror.List{{Message: "No.", Extensions: map[string]any{"code": "BAD_REQUEST"}}}
			case "panicking early":
				panic("preparing")
			}
			return &Operation{OperationContext: &graphql.OperationContext{
				RawQuery: name, Variables: values, Operation: &ast.OperationDefinition{Operation: ast.Operation(kind)},
			}}, nil
		},
		Execute: func(ctx context.Context, op *Operation) *graphql.Response {
			e.running.Add(1)
			defer e.running.Add(-1)
			switch op.RawQuery {
			case "held":
				select {
				case <-e.release:
				case <-ctx.Done():
				}
			case "panicking":
				panic("executing")
			case "large":
				return &graphql.Response{Data: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}
			case "caller":
				secret, _ := ctx.Value(callerKey{}).(string)
				return &graphql.Response{Data: json.RawMessage(strconv.Quote(secret))}
			case "failing":
				return &graphql.Response{
					Data: json.RawMessage("null"), Errors: gqlerror.List{{Message: "Oh.", Extensions: map[string]any{"code": "NOT_FOUND"}}},
				}
			}
			return &graphql.Response{Data: json.RawMessage(`{"ok":true}`)}
		},
		Subscribe: func(_ context.Context, op *Operation, after *string) (Stream, gqlerror.List) {
			if after != nil {
				return nil, gqlerror.List{{Message: "a socket has no such thing"}}
			}
			if op.RawQuery == "refused" {
				return nil, gqlerror.List{{Message: "Not you.", Extensions: map[string]any{"code": "FORBIDDEN"}}}
			}
			n, _ := op.Variables["n"].(json.Number)
			left, _ := strconv.Atoi(string(n))
			e.running.Add(1)
			return &socketStream{e: e, name: op.RawQuery, left: left}, nil
		},
		Present: func(_ context.Context, err error) *gqlerror.Error {
			shown := &gqlerror.Error{Message: "Masked.", Extensions: map[string]any{"code": "INTERNAL"}}
			if known, ok := errors.AsType[*apierror.Error](err); ok {
				shown.Message, shown.Extensions["code"] = known.Message, string(known.Code)
			}
			return shown
		},
		AllowOrigin: func(ctx context.Context, origin string) bool {
			return origin == "https://ours.example" || origin == "https://half.example" && ctx.Value(callerKey{}) == nil
		},
		Observe: func(_ context.Context, o Observation) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.seen = append(e.seen, o)
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

type socketStream struct {
	e    *socketEngine
	name string
	left int
	once sync.Once
}

func (s *socketStream) Next(ctx context.Context) (Event, error) {
	switch s.name {
	case "counted":
		if s.left--; s.left < 0 {
			return Event{}, io.EOF
		}
		return Event{ID: "7", Payload: fmt.Appendf(nil, `{"data":%d}`, s.left)}, nil
	case "endless":
		return Event{Payload: []byte(`{"data":"` + strings.Repeat("x", 1000) + `"}`)}, ctx.Err()
	case "emitted":
		select {
		case payload := <-s.e.emit:
			return Event{Payload: []byte(payload)}, nil
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	case "failing":
		return Event{}, apierror.New(apierror.Forbidden, "No more.")
	case "panicking":
		panic("next")
	}
	<-ctx.Done()
	return Event{}, ctx.Err()
}

func (s *socketStream) Close() {
	s.once.Do(func() {
		s.e.running.Add(-1)
		s.e.closed.Add(1)
	})
}

// world is a server within a bubble, where time passes when all wait; its connections are pipes, which hold nothing back.
type world struct {
	t       *testing.T
	e       *socketEngine
	h       *Handler
	conns   chan net.Conn
	server  *http.Server
	handled sync.WaitGroup
	client  *http.Client
}

// Accept, Close and Addr make the world a listener.
func (w *world) Accept() (net.Conn, error) {
	conn, ok := <-w.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (w *world) Close() error   { return nil }
func (w *world) Addr() net.Addr { return &net.UnixAddr{} }

// inWorld runs a test against a server, and sees that nothing is left when its clients have gone.
func inWorld(t *testing.T, limits Limits, test func(t *testing.T, w *world)) {
	t.Helper()
	inWorldBehind(t, edge.Config{}, limits, test)
}

func inWorldBehind(t *testing.T, door edge.Config, limits Limits, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, e: &socketEngine{emit: make(chan string), release: make(chan struct{})}, conns: make(chan net.Conn)}
		engine := w.e.engine()
		engine.Door = edge.New(door)
		w.h = New(engine, limits)
		w.server = &http.Server{
			Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				w.handled.Add(1)
				defer w.handled.Done()
				w.h.ServeHTTP(rw, r)
			}),
			ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		}
		w.client = &http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				w.conns <- theirs
				return ours, nil
			},
		}}
		go w.server.Serve(w)
		defer w.check()
		test(t, w)
	})
}

// check stops the server, and sees that nothing is left.
func (w *world) check() {
	w.t.Helper()
	synctest.Wait()
	close(w.conns)
	w.server.Close()
	if err := w.h.Shutdown(w.t.Context()); err != nil {
		w.t.Error(err)
	}
	w.handled.Wait()
	time.Sleep(time.Second) // of the bubble: net/http lets go of a connection that it did not read to its end only after a while
	if n := w.e.running.Load(); n != 0 {
		w.t.Errorf("%d operations did not end", n)
	}
	if err := w.h.engine.Door.Idle(); err != nil {
		w.t.Error(err)
	}
}

// peer is a client that speaks no protocol by itself.
type peer struct {
	*websocket.Conn

	t *testing.T
}

func (w *world) try(header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(w.t.Context(), "ws://here.example/graphql", &websocket.DialOptions{
		HTTPClient: w.client, HTTPHeader: header, Subprotocols: protocols,
	})
}

func (w *world) dial(header http.Header, protocols ...string) peer {
	w.t.Helper()
	conn, _, err := w.try(header, protocols...)
	if err != nil {
		w.t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	w.t.Cleanup(func() { conn.CloseNow() })
	return peer{conn, w.t}
}

// open is a client that was let in.
func (w *world) open(payload string) peer {
	w.t.Helper()
	p := w.dial(nil, transportProtocol)
	p.play("> {\"type\":\"connection_init\"" + payload + "}\n< {\"type\":\"connection_ack\"}")
	return p
}

// play sends the lines that begin with `>`, and wants what is after `<`, or a close frame after `x`. It says `wait 3s` to
// let time pass. Once it is done with a line that begins with `x` the connection is closed.
func (p peer) play(script string) {
	p.t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		op, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch op {
		case "":
		case ">":
			if err := p.Write(p.t.Context(), websocket.MessageText, []byte(rest)); err != nil {
				p.t.Fatalf("sending %.200s: %v", rest, err)
			}
		case "<":
			_, got, err := p.Read(p.t.Context())
			if err != nil {
				p.t.Fatalf("got %v, want %s", err, rest)
			}
			if string(got) != rest {
				p.t.Fatalf("got  %.300s\nwant %.300s", got, rest)
			}
		case "x":
			_, got, err := p.Read(p.t.Context())
			var closed websocket.CloseError
			if !errors.As(err, &closed) {
				p.t.Fatalf("got %.300s and %v, want the close frame %s", got, err, rest)
			}
			if shown := fmt.Sprintf("%d %s", closed.Code, closed.Reason); shown != rest {
				p.t.Fatalf("closed with %s\nwant        %s", shown, rest)
			}
			if !utf8Valid(closed.Reason) {
				p.t.Fatal("the reason is no text")
			}
		case "wait":
			d, err := time.ParseDuration(rest)
			if err != nil {
				p.t.Fatal(err)
			}
			time.Sleep(d) // in a bubble
			synctest.Wait()
		case "binary":
			if err := p.Write(p.t.Context(), websocket.MessageBinary, []byte(rest)); err != nil {
				p.t.Fatal(err)
			}
		case "ack":
			p.play("> {\"type\":\"connection_init\"}\n< {\"type\":\"connection_ack\"}")
		default:
			p.t.Fatalf("no such step: %s", line)
		}
	}
}

func utf8Valid(s string) bool { return strings.ToValidUTF8(s, "") == s }

// TestProtocol plays what clients may do, and must not, against what graphql-transport-ws says of it.
func TestProtocol(t *testing.T) {
	long := strings.Repeat("i", maxID)
	nested := strings.Repeat("[", 64) + strings.Repeat("]", 64)
	for _, test := range []struct{ name, script string }{
		{"init is acknowledged", `ack`},
		{"init with a payload", `
			> {"payload":{"anything":[1]},"type":"connection_init"}
			< {"type":"connection_ack"}`},
		{"init with null", `
			> {"type":"connection_init","payload":null}
			< {"type":"connection_ack"}`},
		{"init with a list", `
			> {"type":"connection_init","payload":[]}
			x 4400 The payload must be an object.`},
		{"init with a string", `
			> {"type":"connection_init","payload":"secret"}
			x 4400 The payload must be an object.`},
		{"init with false", `
			> {"type":"connection_init","payload":false}
			x 4400 The payload must be an object.`},
		{"init twice", `
			ack
			> {"type":"connection_init"}
			x 4429 Too many initialisation requests`},
		{"init in time", `
			wait 2999ms
			ack`},
		{"init too late", `
			wait 3s
			x 4408 Connection initialisation timeout`},
		{"pings do not put init off", `
			wait 2s
			> {"type":"ping"}
			< {"type":"pong"}
			wait 1s
			x 4408 Connection initialisation timeout`},
		{"subscribe before init", `
			> {"id":"1","type":"subscribe","payload":{"query":"query ok"}}
			x 4401 Unauthorized`},
		{"complete before init", `
			> {"id":"1","type":"complete"}
			ack`},
		{"ping before init", `
			> {"type":"ping"}
			< {"type":"pong"}
			> {"type":"pong"}
			ack`},
		{"ping with a payload", `
			ack
			> {"type":"ping","payload":{"a": [1, "é\u00e9"]}}
			< {"type":"pong","payload":{"a": [1, "é\u00e9"]}}`},
		{"ping with null", `
			ack
			> {"type":"ping","payload":null}
			< {"type":"pong"}`},
		{"ping with as much as comes back", `
			ack
			> {"type":"ping","payload":{"a":"` + strings.Repeat("x", maxPong-8) + `"}}
			< {"type":"pong","payload":{"a":"` + strings.Repeat("x", maxPong-8) + `"}}`},
		{"ping with more than comes back", `
			ack
			> {"type":"ping","payload":{"a":"` + strings.Repeat("x", maxPong-7) + `"}}
			< {"type":"pong"}`},
		{"ping with a number", `
			ack
			> {"type":"ping","payload":1}
			x 4400 The payload must be an object.`},
		{"pong with a number", `
			ack
			> {"type":"pong","payload":1}
			x 4400 The payload must be an object.`},
		{"the server pings, pongs are taken", `
			ack
			wait 15s
			< {"type":"ping"}
			> {"type":"pong"}
			wait 15s
			< {"type":"ping"}
			> {"type":"pong","payload":{}}
			wait 15s
			< {"type":"ping"}`},
		{"query", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"query ok"}}
			< {"id":"1","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"1","type":"complete"}`},
		{"mutation, with all that a payload may have", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"mutation ok","operationName":"a","variables":{},"extensions":{}}}
			< {"id":"1","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"1","type":"complete"}`},
		{"nulls are nothing", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"query ok","operationName":null,"variables":null,"extensions":null}}
			< {"id":"1","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"1","type":"complete"}`},
		{"errors while executing are a result", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"query failing"}}
			< {"id":"1","type":"next","payload":{"errors":[{"message":"Oh.","extensions":{"code":"NOT_FOUND"}}],"data":null}}
			< {"id":"1","type":"complete"}`},
		{"subscription", `
			ack
			> {"id":"é\u0041\/","type":"subscribe","payload":{"query":"subscription counted","variables":{"n":2}}}
			< {"id":"é\u0041\/","type":"next","payload":{"data":1}}
			< {"id":"é\u0041\/","type":"next","payload":{"data":0}}
			< {"id":"é\u0041\/","type":"complete"}
			> {"id":"éA/","type":"subscribe","payload":{"query":"subscription counted"}}
			< {"id":"éA/","type":"complete"}`},
		{"no complete after error, and the id is free", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"query invalid"}}
			< {"id":"1","type":"error","payload":[{"message":"No.","extensions":{"code":"BAD_REQUEST"}}]}
			> {"type":"ping"}
			< {"type":"pong"}
			> {"id":"1","type":"subscribe","payload":{"query":"subscription refused"}}
			< {"id":"1","type":"error","payload":[{"message":"Not you.","extensions":{"code":"FORBIDDEN"}}]}
			> {"type":"ping"}
			< {"type":"pong"}
			> {"id":"1","type":"subscribe","payload":{"query":"subscription failing"}}
			< {"id":"1","type":"error","payload":[{"message":"No more.","extensions":{"code":"FORBIDDEN"}}]}
			> {"type":"ping"}
			< {"type":"pong"}`},
		{"panics cost their operation alone", `
			ack
			> {"id":"0","type":"subscribe","payload":{"query":"query panicking early"}}
			< {"id":"0","type":"error","payload":[{"message":"Masked.","extensions":{"code":"INTERNAL"}}]}
			> {"id":"1","type":"subscribe","payload":{"query":"query panicking"}}
			< {"id":"1","type":"error","payload":[{"message":"Masked.","extensions":{"code":"INTERNAL"}}]}
			> {"id":"2","type":"subscribe","payload":{"query":"subscription panicking"}}
			< {"id":"2","type":"error","payload":[{"message":"Masked.","extensions":{"code":"INTERNAL"}}]}
			> {"id":"3","type":"subscribe","payload":{"query":"query ok"}}
			< {"id":"3","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"3","type":"complete"}`},
		{"an id that is taken", `
			ack
			> {"id":"one","type":"subscribe","payload":{"query":"subscription silent"}}
			> {"id":"one","type":"subscribe","payload":{"query":"query ok"}}
			x 4409 Subscriber for one already exists`},
		{"an id that is taken, written in another way, by a query", `
			ack
			> {"id":"one","type":"subscribe","payload":{"query":"query held"}}
			> {"id":"\u006fne","type":"subscribe","payload":{"query":"query ok"}}
			x 4409 Subscriber for one already exists`},
		{"a long id that is taken", `
			ack
			> {"id":"` + long + `","type":"subscribe","payload":{"query":"subscription silent"}}
			> {"id":"` + long + `","type":"subscribe","payload":{"query":"subscription silent"}}
			x 4409 Subscriber for ` + long[:90] + `… already exists`},
		{"complete frees the id, in silence", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"subscription silent"}}
			> {"id":"1","type":"complete"}
			> {"id":"1","type":"subscribe","payload":{"query":"query held"}}
			> {"id":"1","type":"complete"}
			> {"id":"1","type":"subscribe","payload":{"query":"query ok"}}
			< {"id":"1","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"1","type":"complete"}
			> {"type":"ping"}
			< {"type":"pong"}`},
		{"complete of what is not there", `
			ack
			> {"id":"1","type":"complete"}
			> {"id":"1","type":"complete","payload":7}
			> {"type":"ping"}
			< {"type":"pong"}`},
		{"several at once", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"subscription silent"}}
			> {"id":"2","type":"subscribe","payload":{"query":"query ok"}}
			< {"id":"2","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"2","type":"complete"}
			> {"id":"3","type":"subscribe","payload":{"query":"query ok"}}
			< {"id":"3","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"3","type":"complete"}`},
		{"unknown members are passed over", `
			ack
			> {"type":"ping","x":{"type":"pong"},"id":7}
			< {"type":"pong"}`},

		{"no JSON", `
			> hello
			x 4400 A message must be a JSON object.`},
		{"nothing", `
			> 
			x 4400 A message must be a JSON object.`},
		{"half of it", `
			> {"type":"ping"
			x 4400 The request is not the JSON that it should be: at byte 14, a comma or the object's end is missing.`},
		{"more behind it", `
			> {"type":"ping"} {}
			x 4400 The request is not the JSON that it should be: at byte 16, something follows the object.`},
		{"a key twice", `
			> {"type":"ping","type":"pong"}
			x 4400 The request is not the JSON that it should be: at byte 21, a key is there twice in one object.`},
		{"a list", `
			> [{"type":"ping"}]
			x 4400 A message must be a JSON object.`},
		{"null", `
			> null
			x 4400 A message must be a JSON object.`},
		{"no type", `
			> {}
			x 4400 A message must have a type, which is a string.`},
		{"a type that is none", `
			> {"type":7}
			x 4400 A message must have a type, which is a string.`},
		{"an unknown type", `
			> {"type":"<b>"}
			x 4400 There is no such type of message from a client.`},
		{"the legacy dialect's type", `
			ack
			> {"id":"1","type":"start","payload":{"query":"query ok"}}
			x 4400 There is no such type of message from a client.`},
		{"ack from a client", `
			> {"type":"connection_ack"}
			x 4400 There is no such type of message from a client.`},
		{"next from a client", `
			ack
			> {"id":"1","type":"next","payload":{}}
			x 4400 There is no such type of message from a client.`},
		{"error from a client", `
			ack
			> {"id":"1","type":"error","payload":[]}
			x 4400 There is no such type of message from a client.`},
		{"binary", `
			binary {"type":"ping"}
			x 4400 Messages must be text.`},
		{"not UTF-8", "ack\n> {\"type\":\"ping\",\"payload\":{\"a\":\"\xff\"}}\nx 1007 Messages must be UTF-8."},
		{"nests as deep as it may", `
			ack
			> {"type":"ping","payload":{"a":` + nested[1:127] + `}}
			< {"type":"pong","payload":{"a":` + nested[1:127] + `}}`},
		{"nests deeper than it may", `
			ack
			> {"type":"ping","payload":{"a":` + nested + `}}
			x 4400 The request is not the JSON that it should be: at byte 93, it nests too deep.`},
		{"subscribe without an id", `
			ack
			> {"type":"subscribe","payload":{"query":"query ok"}}
			x 4400 The id must be a string that is not empty.`},
		{"subscribe with an empty id", `
			ack
			> {"id":"","type":"subscribe","payload":{"query":"query ok"}}
			x 4400 The id must be a string that is not empty.`},
		{"subscribe with a number for an id", `
			ack
			> {"id":1,"type":"subscribe","payload":{"query":"query ok"}}
			x 4400 The id must be a string that is not empty.`},
		{"complete without an id", `
			ack
			> {"type":"complete"}
			x 4400 The id must be a string that is not empty.`},
		{"the longest id", `
			ack
			> {"id":"` + long + `","type":"subscribe","payload":{"query":"query ok"}}
			< {"id":"` + long + `","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"` + long + `","type":"complete"}`},
		{"an id that is longer", `
			ack
			> {"id":"` + long + `i","type":"subscribe","payload":{"query":"query ok"}}
			x 4400 The id may have 128 bytes.`},
		{"subscribe without a payload", `
			ack
			> {"id":"1","type":"subscribe"}
			x 4400 The payload must be an object with the document as query.`},
		{"subscribe with null", `
			ack
			> {"id":"1","type":"subscribe","payload":null}
			x 4400 The payload must be an object with the document as query.`},
		{"subscribe with a string", `
			ack
			> {"id":"1","type":"subscribe","payload":"query ok"}
			x 4400 The payload must be an object with the document as query.`},
		{"subscribe without a query", `
			ack
			> {"id":"1","type":"subscribe","payload":{}}
			x 4400 query is missing: it must be a string with a GraphQL document.`},
		{"subscribe with a number for a query", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":1}}
			x 4400 query must be a string.`},
		{"subscribe with a list of variables", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"query ok","variables":[]}}
			x 4400 variables must be a JSON object.`},
		{"subscribe with a string for extensions", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"query ok","extensions":"x"}}
			x 4400 extensions must be a JSON object.`},
		{"subscribe with a number for a name", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"query ok","operationName":1}}
			x 4400 operationName must be a string.`},

		{"a key", `
			> {"type":"connection_init","payload":{"Authorization":"Bearer good"}}
			< {"type":"connection_ack"}
			> {"id":"1","type":"subscribe","payload":{"query":"query caller"}}
			< {"id":"1","type":"next","payload":{"data":"good"}}
			< {"id":"1","type":"complete"}`},
		{"a key in lower case", `
			> {"type":"connection_init","payload":{"authorization":"bearer good"}}
			< {"type":"connection_ack"}
			> {"id":"1","type":"subscribe","payload":{"query":"query caller"}}
			< {"id":"1","type":"next","payload":{"data":"good"}}
			< {"id":"1","type":"complete"}`},
		{"a token by itself", `
			> {"type":"connection_init","payload":{"accessToken":"good token","Authorization":null}}
			< {"type":"connection_ack"}
			> {"id":"1","type":"subscribe","payload":{"query":"query caller"}}
			< {"id":"1","type":"next","payload":{"data":"good token"}}
			< {"id":"1","type":"complete"}`},
		{"two secrets", `
			> {"type":"connection_init","payload":{"accessToken":"good","Authorization":"Bearer good"}}
			x 4400 The payload must have one of Authorization and accessToken.`},
		{"a secret that is no string", `
			> {"type":"connection_init","payload":{"accessToken":7}}
			x 4400 accessToken must be a string.`},
		{"an empty token", `
			> {"type":"connection_init","payload":{"accessToken":""}}
			x 4403 Send your key or token once, as ` + "`Authorization: Bearer …`."},
		{"another scheme", `
			> {"type":"connection_init","payload":{"Authorization":"Basic good"}}
			x 4403 Send your key or token once, as ` + "`Authorization: Bearer …`."},
		{"a bad secret", `
			> {"type":"connection_init","payload":{"Authorization":"Bearer bad"}}
			x 4403 Unknown key.`},
		{"no database", `
			> {"type":"connection_init","payload":{"Authorization":"Bearer down"}}
			x 1013 No database.`},
		{"a failure of ours", `
			> {"type":"connection_init","payload":{"Authorization":"Bearer broken"}}
			x 4500 Masked.`},
		{"a panic of ours", `
			> {"type":"connection_init","payload":{"Authorization":"Bearer panic"}}
			x 4500 Masked.`},
		{"a panic of ours in between", `
			> {"type":"connection_init","payload":{"accessToken":"good, but panicking"}}
			x 4500 Internal server error`},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, Limits{}, func(_ *testing.T, w *world) {
				p := w.dial(nil, transportProtocol)
				p.play(test.script)
				p.CloseNow()
			})
		})
	}
}

func TestHandshake(t *testing.T) {
	plain := http.Header{}
	from := func(origin string) http.Header { return http.Header{"Origin": {origin}} }
	for _, test := range []struct {
		name      string
		header    http.Header
		protocols []string
		status    int
		protocol  string
		script    string
	}{
		{"the protocol", plain, []string{"graphql-transport-ws"}, 101, "graphql-transport-ws", `ack`},
		{"the protocol among others", plain, []string{"graphql-ws", "graphql-transport-ws"}, 101, "graphql-transport-ws", `ack`},
		{"the legacy dialect", plain, []string{"graphql-ws"}, 101, "graphql-ws", `x 4406 Subprotocol not acceptable`},
		{"another", plain, []string{"mqtt"}, 101, "", `x 4406 Subprotocol not acceptable`},
		{"none", plain, nil, 101, "", `x 4406 Subprotocol not acceptable`},
		{"our own page", from("https://HERE.example"), []string{"graphql-transport-ws"}, 101, "graphql-transport-ws", `ack`},
		{"a page that may", from("https://ours.example"), []string{"graphql-transport-ws"}, 101, "graphql-transport-ws", `ack`},
		{"a page that may not", from("https://evil.example"), []string{"graphql-transport-ws"}, 403, "", ""},
		{"a page of no host", from("null"), []string{"graphql-transport-ws"}, 403, "", ""},
		{"a page that some callers have not", from("https://half.example"), []string{"graphql-transport-ws"}, 101, "graphql-transport-ws", `
			> {"type":"connection_init","payload":{"accessToken":"good"}}
			x 4403 Forbidden`},
		{"a page that may, with a key", from("https://ours.example"), []string{"graphql-transport-ws"}, 101, "graphql-transport-ws", `
			> {"type":"connection_init","payload":{"accessToken":"good"}}
			< {"type":"connection_ack"}`},
		{"a header", http.Header{"Authorization": {"Bearer good"}}, []string{"graphql-transport-ws"}, 101, "graphql-transport-ws", `
			ack
			> {"id":"1","type":"subscribe","payload":{"query":"query caller"}}
			< {"id":"1","type":"next","payload":{"data":"good"}}
			< {"id":"1","type":"complete"}`},
		{"a bad header", http.Header{"Authorization": {"Bearer bad"}}, []string{"graphql-transport-ws"}, 101, "graphql-transport-ws", `
			> {"type":"connection_init"}
			x 4403 Unknown key.`},
		{"the payload comes before the header", http.Header{"Authorization": {"Bearer bad"}}, []string{"graphql-transport-ws"}, 101,
			"graphql-transport-ws", `
			> {"type":"connection_init","payload":{"accessToken":"good"}}
			< {"type":"connection_ack"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, Limits{}, func(t *testing.T, w *world) {
				conn, response, err := w.try(test.header, test.protocols...)
				if response == nil || response.StatusCode != test.status {
					t.Fatalf("got %+v and %v, want the status %d", response, err, test.status)
				}
				if test.status != http.StatusSwitchingProtocols {
					wantRefusal(t, response, "FORBIDDEN")
					return
				}
				defer conn.CloseNow()
				if conn.Subprotocol() != test.protocol {
					t.Errorf("the sub-protocol is %q, want %q", conn.Subprotocol(), test.protocol)
				}
				peer{conn, t}.play(test.script)
			})
		})
	}
}

func wantRefusal(t *testing.T, response *http.Response, code string) {
	t.Helper()
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if !strings.HasPrefix(string(body), `{"errors":[{"message":"`) || !strings.Contains(string(body), `"code":"`+code+`"`) {
		t.Errorf("got %s, want %s", body, code)
	}
	if h := response.Header; h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %v", response.Header)
	}
}

// TestBadHandshake sends what is no handshake; nothing of it comes back.
func TestBadHandshake(t *testing.T) {
	good := http.Header{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}, "Sec-Websocket-Protocol": {transportProtocol},
	}
	for name, value := range map[string]string{
		"Sec-Websocket-Version": "<b>12</b>", "Sec-Websocket-Key": "<b>AAAAAAAAAAAAAAAAAAAAA", "Connection": "<b>close</b>", "none": "",
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Limits{}, func(t *testing.T, w *world) {
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://here.example/graphql", nil)
				r.Header = good.Clone()
				status := http.StatusSwitchingProtocols
				if name != "none" {
					r.Header.Set(name, value)
					status = http.StatusBadRequest
				}
				response, err := w.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				if response.StatusCode != status {
					t.Errorf("got %d, want %d", response.StatusCode, status)
				}
				if name != "none" {
					wantRefusal(t, response, "BAD_REQUEST")
				}
				response.Body.Close()
			})
		})
	}
}

func subscribeLine(id, document string) string {
	return fmt.Sprintf(`> {"id":%q,"type":"subscribe","payload":{"query":%q}}`+"\n", id, document)
}

func TestOperationsOfASocket(t *testing.T) {
	inWorld(t, Limits{Socket: SocketLimits{Operations: 3}}, func(_ *testing.T, w *world) {
		p := w.open("")
		for i := range 3 {
			p.play(subscribeLine(strconv.Itoa(i), "subscription silent"))
		}
		refused := `< {"id":"3","type":"error","payload":[{"message":"One socket may run 3 operations at once: complete some, ` +
			`or open another socket.","extensions":{"code":"RATE_LIMITED"}}]}`
		p.play(subscribeLine("3", "query ok") + refused)
		p.play(subscribeLine("3", "query ok") + refused) // an id that was refused is free
		p.play(`> {"id":"1","type":"complete"}` + "\n" + subscribeLine("3", "query ok") + `
			< {"id":"3","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"3","type":"complete"}`)
		p.CloseNow()
	})
}

func TestSizesOfMessages(t *testing.T) {
	const result = `< {"id":"1","type":"next","payload":{"data":{"ok":true}}}
		< {"id":"1","type":"complete"}`
	limits := Limits{Envelope: 1000, Body: 5000}
	message := func(size int, in string) string {
		m := `{"id":"1","type":"subscribe","payload":{"query":"query ok","` + in + `":{"x":""}}}`
		return "> " + strings.Replace(m, `""`, `"`+strings.Repeat("x", size-len(m))+`"`, 1) + "\n"
	}
	besides := len(`{"id":"1","type":"subscribe","payload":{"query":"query ok","variables":}}`)
	for _, test := range []struct{ name, payload, script string }{
		{"of strangers", "", message(1000, "variables") + result},
		{"of strangers, too large", "", message(1001, "variables") + "x 1009 A message may have 1000 bytes."},
		{"with variables", `,"payload":{"accessToken":"good"}`, message(5000, "variables") + result},
		{"with variables, too large", `,"payload":{"accessToken":"good"}`, message(5001, "variables") + "x 1009 A message may have 5000 bytes."},
		{"without", `,"payload":{"accessToken":"good"}`, message(1000, "extensions") + result},
		{"without, too large", `,"payload":{"accessToken":"good"}`,
			message(1001, "extensions") + "x 1009 A message may have 1000 bytes besides an operation's variables."},
		{"all but variables", `,"payload":{"accessToken":"good"}`, strings.Replace(message(3000, "variables"), `"id"`,
			strings.Repeat(" ", 1000-besides)+`"id"`, 1) + result},
		{"all but variables, too large", `,"payload":{"accessToken":"good"}`, strings.Replace(message(3000, "variables"), `"id"`,
			strings.Repeat(" ", 1001-besides)+`"id"`, 1) + "x 1009 A message may have 1000 bytes besides an operation's variables."},
		{"variables of another type", `,"payload":{"accessToken":"good"}`, strings.Replace(message(1006, "variables"),
			"subscribe", "ping", 1) + "x 1009 A message may have 1000 bytes besides an operation's variables."},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, limits, func(_ *testing.T, w *world) {
				p := w.open(test.payload)
				p.play(test.script)
				p.CloseNow()
			})
		})
	}
}

// TestHugeMessage sees that a message far beyond the limit is given up early, and that its sender hears why.
func TestHugeMessage(t *testing.T) {
	inWorld(t, Limits{Envelope: 1000}, func(t *testing.T, w *world) {
		p := w.open("")
		sent := make(chan error, 1)
		go func() { sent <- p.Write(t.Context(), websocket.MessageText, make([]byte, 1<<20)) }()
		p.play("x 1009 A message may have 1000 bytes.")
		if err := p.CloseNow(); err != nil {
			t.Log(err)
		}
		<-sent
	})
}

func TestRateOfMessages(t *testing.T) {
	limits := Limits{Socket: SocketLimits{Rate: 10, Burst: 20}}
	ping := "> {\"type\":\"ping\"}\n< {\"type\":\"pong\"}\n"
	t.Run("as many as may be", func(t *testing.T) {
		inWorld(t, limits, func(_ *testing.T, w *world) {
			p := w.open("")
			p.play(strings.Repeat(ping, 19) + "wait 1s\n" + strings.Repeat(ping, 10) + "> {\"type\":\"ping\"}\nx 1008 Too many messages")
		})
	})
	t.Run("more", func(t *testing.T) {
		inWorld(t, limits, func(_ *testing.T, w *world) {
			p := w.open("")
			p.play(strings.Repeat(ping, 19) + "> {\"type\":\"pong\"}\nx 1008 Too many messages")
		})
	})
	t.Run("frames of pings", func(t *testing.T) {
		inWorld(t, limits, func(t *testing.T, w *world) {
			p := w.open("")
			gone := make(chan error, 1)
			go func() {
				_, _, err := p.Read(t.Context())
				gone <- err
			}()
			for range 19 {
				if err := p.Ping(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Ping(t.Context()); err == nil {
				t.Error("a ping too many was answered")
			}
			if err := <-gone; websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestNumberOfSockets(t *testing.T) {
	inWorldBehind(t, edge.Config{StreamsPerAddress: 3, StreamsPerKey: 2}, Limits{}, func(t *testing.T, w *world) {
		const key = `,"payload":{"accessToken":"good"}`
		a, b := w.open(key), w.open(key)
		c := w.dial(nil, transportProtocol)
		_, response, err := w.try(nil, transportProtocol)
		if err == nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("got %+v and %v", response, err)
		}
		wantRefusal(t, response, "RATE_LIMITED")
		c.play(`> {"type":"connection_init"` + key + "}\nx 1013 There are too many event streams and sockets of this key: close some, or try again later.")
		a.CloseNow()
		synctest.Wait()
		w.open(key).CloseNow()
		w.open("").CloseNow()
		b.CloseNow()
	})
}

func TestNumberOfStrangers(t *testing.T) {
	inWorldBehind(t, edge.Config{Strangers: 1}, Limits{}, func(_ *testing.T, w *world) {
		a, b := w.open(""), w.dial(nil, transportProtocol)
		b.play("> {\"type\":\"connection_init\"}\n" +
			"x 1013 There are too many event streams and sockets without a key: close some, or try again later.")
		w.open(`,"payload":{"accessToken":"good"}`).CloseNow()
		a.CloseNow()
		synctest.Wait()
		w.open("").CloseNow()
	})
}

func TestRevocation(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		const key = `,"payload":{"accessToken":"good"}`
		idle := w.open(key)
		w.e.revoke(apierror.New(apierror.Unauthenticated, "This key was revoked."))
		idle.play("x 4403 This key was revoked.")

		busy := w.open(key)
		busy.play(subscribeLine("1", "subscription emitted") + subscribeLine("2", "query held"))
		w.e.emit <- "1"
		busy.play(`< {"id":"1","type":"next","payload":1}`)
		w.e.revoke(apierror.New(apierror.Unauthenticated, "%s", strings.Repeat("é", 100)))
		busy.play("x 4403 " + strings.Repeat("é", 60) + "…")
		synctest.Wait()
		select {
		case w.e.emit <- "2":
			t.Error("a subscription went on")
		default:
		}
	})
}

// TestShutdown sees that clients are told to come back, and that results on their way come first, unless they are late.
func TestShutdownOfSockets(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		idle, busy, stuck, young := w.open(""), w.open(""), w.open(""), w.dial(nil, transportProtocol)
		idle.play(subscribeLine("1", "subscription silent"))
		busy.play(subscribeLine("1", "subscription silent") + subscribeLine("2", "mutation held"))
		stuck.play(subscribeLine("1", "mutation held"))
		synctest.Wait()
		began := time.Now()
		done := make(chan error, 1)
		go func() { done <- w.h.Shutdown(t.Context()) }()
		idle.play("x 1012 Service restart")
		young.play("x 1012 Service restart")
		busy.play(subscribeLine("3", "query ok"))
		synctest.Wait()
		w.e.release <- struct{}{}
		w.e.release <- struct{}{}
		busy.play(`< {"id":"2","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"2","type":"complete"}
			x 1012 Service restart`)
		stuck.play(`< {"id":"1","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"1","type":"complete"}
			x 1012 Service restart`)
		if err := <-done; err != nil || time.Since(began) != 0 {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if _, response, _ := w.try(nil, transportProtocol); response == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a socket was opened while the server stopped: %+v", response)
		}
	})
	t.Run("with what does not end", func(t *testing.T) {
		inWorld(t, Limits{}, func(t *testing.T, w *world) {
			p := w.open("")
			p.play(subscribeLine("1", "mutation held"))
			synctest.Wait()
			began := time.Now()
			done := make(chan error, 1)
			go func() { done <- w.h.Shutdown(t.Context()) }()
			p.play("x 1012 Service restart")
			if err := <-done; err != nil || time.Since(began) != drainWithin {
				t.Errorf("got %v after %v", err, time.Since(began))
			}
		})
	})
	t.Run("with a client that answers nothing", func(t *testing.T) {
		inWorld(t, Limits{}, func(t *testing.T, w *world) {
			w.open("")
			began := time.Now()
			if err := w.h.Shutdown(t.Context()); err != nil || time.Since(began) > closeWithin {
				t.Errorf("got %v after %v", err, time.Since(began))
			}
		})
	})
}

// TestSlowReader sees that a client that does not read is cut when a write has waited for as long as it may, and that
// others go on.
func TestSlowReader(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		slow, other := w.open(""), w.open("")
		for i := range 50 {
			slow.play(subscribeLine(strconv.Itoa(i), "subscription endless"))
		}
		other.play(subscribeLine("1", "query ok") + `
			< {"id":"1","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"1","type":"complete"}`)
		synctest.Wait()
		if n := w.e.closed.Load(); n != 0 {
			t.Errorf("%d subscriptions ended at once", n)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := w.e.closed.Load(); n != 50 {
			t.Errorf("%d of 50 subscriptions ended", n)
		}
		if _, _, err := slow.Read(t.Context()); err == nil {
			t.Error("the socket is still open")
		}
		other.CloseNow()
	})
}

// TestSilentClient sees that a client is cut that says nothing, and one that says anything is not.
func TestSilentClient(t *testing.T) {
	inWorld(t, Limits{}, func(t *testing.T, w *world) {
		began := time.Now()
		p := w.open("")
		for range 2 {
			p.play("wait 15s\n< {\"type\":\"ping\"}")
		}
		p.play("wait 15s\nx 4408 No sign of life")
		if d := time.Since(began); d != 45*time.Second {
			t.Errorf("cut after %v", d)
		}
	})
	inWorld(t, Limits{}, func(_ *testing.T, w *world) {
		p := w.open("")
		for range 10 {
			p.play("wait 15s\n< {\"type\":\"ping\"}\nwait 14s\n> {\"id\":\"none\",\"type\":\"complete\"}\nwait 1s\n< {\"type\":\"ping\"}")
		}
		p.CloseNow()
	})
}

// TestSlowMessage sees that a message has an end, and that an interrupted one does no harm.
func TestSlowMessage(t *testing.T) {
	for _, late := range []bool{false, true} {
		inWorld(t, Limits{Socket: SocketLimits{Receive: 20 * time.Second}}, func(t *testing.T, w *world) {
			p := w.open("")
			m, err := p.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				t.Fatal(err)
			}
			// Each write is a frame, and all of them are one message.
			io.WriteString(m, `{"type":`)
			io.WriteString(m, strings.Repeat(" ", 5000)) // more than is buffered
			synctest.Wait()
			p.play("wait 15s\n< {\"type\":\"ping\"}\nwait 4s")
			if late {
				p.play("wait 1s\nx 4408 The message did not come to its end in time.")
				return
			}
			io.WriteString(m, `"ping"}`)
			m.Close()
			p.play(`< {"type":"pong"}`)
			p.CloseNow()
		})
	}
}

// TestNothingAfterComplete sees that what a subscription had to say when its client completed it is not said under the
// id's next owner.
func TestNothingAfterComplete(t *testing.T) {
	inWorld(t, Limits{}, func(_ *testing.T, w *world) {
		p := w.open("")
		p.play(subscribeLine("1", "subscription emitted") + subscribeLine("2", "subscription counted") + `< {"id":"2","type":"complete"}`)
		// The pipe holds nothing, so these wait to be written: the one for the lock, the other for the client.
		p.play(subscribeLine("3", "query ok"))
		synctest.Wait()
		w.e.emit <- `"old"`
		synctest.Wait()
		p.play(`> {"id":"1","type":"complete"}` + "\n" + subscribeLine("1", "subscription emitted"))
		synctest.Wait()
		p.play(`< {"id":"3","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"3","type":"complete"}`)
		w.e.emit <- `"new"`
		p.play(`< {"id":"1","type":"next","payload":"new"}`)
		p.CloseNow()
	})
}

// TestClientGone sees that all of a socket ends with its connection, however that ends.
func TestClientGone(t *testing.T) {
	for name, leave := range map[string]func(p peer) error{
		"at once":       func(p peer) error { return p.CloseNow() },
		"in good order": func(p peer) error { return p.Close(websocket.StatusNormalClosure, "bye") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Limits{}, func(t *testing.T, w *world) {
				p := w.open("")
				p.play(subscribeLine("1", "subscription silent") + subscribeLine("2", "mutation held"))
				synctest.Wait()
				if n := w.e.running.Load(); n != 2 {
					t.Fatalf("%d operations run", n)
				}
				if err := leave(p); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if n := w.e.running.Load(); n != 0 {
					t.Errorf("%d operations run without a client", n)
				}
			})
		})
	}
}

// TestLateOperation sees that a query has no more time than over HTTP, and a subscription has.
func TestLateOperation(t *testing.T) {
	inWorld(t, Limits{Timeout: 10 * time.Second}, func(_ *testing.T, w *world) {
		p := w.open("")
		p.play(subscribeLine("1", "query held") + subscribeLine("2", "subscription emitted") + "wait 10s" + `
			< {"id":"1","type":"next","payload":{"data":{"ok":true}}}
			< {"id":"1","type":"complete"}`)
		w.e.emit <- "1"
		p.play(`< {"id":"2","type":"next","payload":1}`)
		p.CloseNow()
	})
}

func TestObservations(t *testing.T) {
	inWorld(t, Limits{Socket: SocketLimits{Operations: 2}}, func(t *testing.T, w *world) {
		p := w.open("")
		var want []string
		ask := func(document, code string, answers int) {
			p.play(subscribeLine("1", document))
			for range answers {
				if _, _, err := p.Read(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			want = append(want, code)
		}
		ask("query ok", "", 2)
		ask("query invalid", "BAD_REQUEST", 1)
		ask("query failing", "NOT_FOUND", 2)
		ask("query panicking", "INTERNAL", 1)
		ask("subscription failing", "FORBIDDEN", 1)
		ask("subscription counted", "", 1)
		p.play(subscribeLine("2", "subscription silent") + subscribeLine("3", "query held"))
		ask("query ok", "RATE_LIMITED", 1)
		time.Sleep(time.Second)
		p.CloseNow()
		synctest.Wait()
		want = append(want, "", "")
		var got []string
		for i, o := range w.e.seen {
			got = append(got, o.Code)
			if o.Protocol != "ws" || (o.Operation == nil) != (o.Code == "BAD_REQUEST" || o.Code == "RATE_LIMITED") {
				t.Errorf("observed %+v", o)
			}
			if i >= 7 && o.Took != time.Second {
				t.Errorf("took %v", o.Took)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestConversations has many clients talk at once over real connections, and sees that each hears of every operation what
// it should: results in order, then its end, and of what it completed nothing once the id went to another.
func TestConversations(t *testing.T) {
	e := &socketEngine{emit: make(chan string), release: make(chan struct{})}
	limits := Limits{Socket: SocketLimits{Rate: 1e6, Burst: 1e6}}
	h := New(e.engine(), limits)
	server := httptest.NewServer(h)
	defer server.Close()
	var clients sync.WaitGroup
	var talked sync.WaitGroup
	for range 8 {
		clients.Add(1)
		talked.Add(1)
		go func() {
			defer clients.Done()
			if err := converse(t.Context(), server.URL, talked.Done); err != nil {
				t.Error(err)
			}
		}()
	}
	talked.Wait()
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	clients.Wait()
	if n := e.running.Load(); n != 0 {
		t.Errorf("%d operations run without a client", n)
	}
}

// converse is one client, until the server sends it away. It calls talked when it has nothing more to say.
func converse(ctx context.Context, url string, talked func()) error {
	told := sync.OnceFunc(talked)
	defer told()
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{transportProtocol}})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	say := func(message string) error { return conn.Write(ctx, websocket.MessageText, []byte(message)) }
	if err := say(`{"type":"connection_init"}`); err != nil {
		return err
	}
	const rounds, at = 300, 20
	left := map[string]int{} // of each id, how many results are to come
	next, open := 0, 0
	ask := func() error {
		id := strconv.Itoa(next)
		next++
		left[id] = 3
		open++
		// Another id is taken, left, and taken again all the time; its subscriptions never say anything.
		err := say(`{"id":"silent","type":"subscribe","payload":{"query":"subscription silent"}}`)
		if err == nil {
			err = say(`{"id":"` + id + `","type":"subscribe","payload":{"query":"subscription counted","variables":{"n":3}}}`)
		}
		if err == nil {
			err = say(`{"id":"silent","type":"complete"}`)
		}
		return err
	}
	for {
		_, data, err := conn.Read(ctx)
		if websocket.CloseStatus(err) == websocket.StatusServiceRestart && open == 0 && next == rounds {
			return nil
		}
		if err != nil {
			return fmt.Errorf("with %d of %d open: %w", open, next, err)
		}
		var m struct {
			ID, Type string
			Payload  struct{ Data int }
		}
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
		switch {
		case m.Type == typeAck && next == 0:
		case m.Type == typeNext && left[m.ID] > 0 && m.Payload.Data == left[m.ID]-1:
			left[m.ID]--
		case m.Type == typeComplete && left[m.ID] == 0:
			delete(left, m.ID)
			open--
		case m.Type == typeError && m.ID == "silent" && strings.Contains(string(data), "RATE_LIMITED"):
			// Those that were left a moment ago have not all ended.
		default:
			return fmt.Errorf("unexpected: %s, with %d to come", data, left[m.ID])
		}
		for open < at && next < rounds {
			if err := ask(); err != nil {
				return err
			}
		}
		if open == 0 {
			told()
		}
	}
}

// BenchmarkIdleSocket is what a socket with one idle subscription takes of heap and stacks, its client and the kernel
// apart.
func BenchmarkIdleSocket(b *testing.B) {
	e := &socketEngine{emit: make(chan string)}
	h := New(e.engine(), Limits{})
	server := httptest.NewServer(h)
	defer server.Close()
	address := server.Listener.Addr().String()
	const sockets = 1000
	var before, after runtime.MemStats
	for b.Loop() {
		clients := make([]net.Conn, sockets)
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range clients {
			clients[i] = rawSocket(b, address)
		}
		for e.running.Load() < sockets {
			runtime.Gosched()
		}
		runtime.GC() // which also shrinks stacks, by half each time
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/sockets, "heapB/socket")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/sockets, "stackB/socket")
		for _, c := range clients {
			c.Close()
		}
		for e.running.Load() > 0 {
			runtime.Gosched()
		}
	}
}

// rawSocket is a client of a few bytes, with one subscription that never says anything.
func rawSocket(tb testing.TB, address string) net.Conn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	frame := func(message string) string {
		// Masked with zeros: a client must mask, with whatever it likes.
		return string([]byte{0x81, 0x80 | byte(len(message)), 0, 0, 0, 0}) + message
	}
	fmt.Fprintf(conn, "GET /graphql HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0)\r\nAccept: */*\r\n"+
		"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nOrigin: http://%s\r\n"+
		"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n%s%s",
		address, address, frame(`{"type":"connection_init","payload":{"accessToken":"good"}}`),
		frame(`{"id":"1","type":"subscribe","payload":{"query":"subscription silent"}}`))
	return conn
}

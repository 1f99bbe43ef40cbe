package wire

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
)

// fake is an engine whose documents are names of what shall happen.
type fake struct {
	door         *edge.Door // a new one where it is nil
	mu           sync.Mutex
	observations []Observation
	params       *graphql.RawParams
	secret       string
	sawURL       string
	hasDeadline  bool
	after        *string
	observed     chan struct{}
	revoke       context.CancelCauseFunc

	stream    Stream
	subscribe func(ctx context.Context) (Stream, gqlerror.List)
}

func present(_ context.Context, err error) *gqlerror.Error {
	var known *apierror.Error
	if !errors.As(err, &known) {
		known = apierror.New(apierror.Internal, "Something went wrong.")
	}
	shown := &gqlerror.Error{Message: known.Message, Extensions: map[string]any{"code": string(known.Code)}}
	if known.RetryAfter > 0 {
		shown.Extensions["retryAfter"] = int(known.RetryAfter.Seconds())
	}
	return shown
}

func presented(code apierror.Code, wait time.Duration) gqlerror.List {
	return gqlerror.List{present(context.Background(), &apierror.Error{Code: code, Message: "No.", RetryAfter: wait})}
}

func (f *fake) engine() Engine {
	f.observed = make(chan struct{}, 1000)
	return Engine{
		Door: cmp.Or(f.door, edge.New(edge.Config{})),
		Authenticate: func(ctx context.Context, r *http.Request, secret string, ok bool) (context.Context, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.secret, f.sawURL = secret, r.URL.String()+" "+r.RequestURI
			switch {
			case ok && secret == "bad":
				return ctx, apierror.New(apierror.Unauthenticated, "Unknown key.")
			case secret == "busy":
				return ctx, &apierror.Error{Code: apierror.Overloaded, Message: "Later.", RetryAfter: 3 * time.Second}
			case secret == "panic":
				panic("authenticate")
			}
			return ctx, nil
		},
		Watch: func(ctx context.Context, _ string) (context.Context, func()) {
			watched, revoke := context.WithCancelCause(ctx)
			f.mu.Lock()
			defer f.mu.Unlock()
			f.revoke = revoke
			return watched, func() { revoke(nil) }
		},
		Prepare: f.prepare,
		Execute: f.execute,
		Subscribe: func(ctx context.Context, op *Operation, after *string) (Stream, gqlerror.List) {
			f.mu.Lock()
			f.after = after
			f.mu.Unlock()
			if code, ok := strings.CutPrefix(op.RawQuery, "subscription "); ok {
				return nil, presented(apierror.Code(code), 4*time.Second)
			}
			if f.subscribe != nil {
				return f.subscribe(ctx)
			}
			return f.stream, nil
		},
		Present:     present,
		AllowOrigin: func(context.Context, string) bool { return true },
		Observe: func(_ context.Context, o Observation) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.observations = append(f.observations, o)
			f.observed <- struct{}{}
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

func (f *fake) prepare(_ context.Context, params *graphql.RawParams, variables Variables) (*Operation, gqlerror.List) {
	var err error
	if params.Variables, err = variables(func(name string) bool { return !strings.HasPrefix(name, "undeclared") }); err != nil {
		return nil, gqlerror.List{present(context.Background(), err)}
	}
	f.mu.Lock()
	f.params = params
	f.mu.Unlock()
	kind := ast.Query
	switch word, rest, _ := strings.Cut(params.Query, " "); word {
	case "refuse":
		return nil, presented(apierror.Code(rest), 7*time.Second)
	case "panic-prepare":
		panic("prepare")
	case "mutation":
		kind = ast.Mutation
	case "subscription":
		kind = ast.Subscription
	}
	return &Operation{OperationContext: &graphql.OperationContext{
		RawQuery: params.Query, Operation: &ast.OperationDefinition{Operation: kind},
	}}, nil
}

func (f *fake) execute(ctx context.Context, op *Operation) *graphql.Response {
	_, ok := ctx.Deadline()
	f.mu.Lock()
	f.hasDeadline = ok
	f.mu.Unlock()
	word, rest, _ := strings.Cut(op.RawQuery, " ")
	switch word {
	case "panic-execute":
		panic("execute")
	case "partial":
		return &graphql.Response{Data: json.RawMessage(`{"a":null}`), Errors: presented(apierror.Code(rest), 0)}
	case "null":
		return &graphql.Response{Data: json.RawMessage(`null`), Errors: presented(apierror.Code(rest), 9*time.Second)}
	case "slow":
		<-ctx.Done()
		return &graphql.Response{Data: json.RawMessage(`null`), Errors: presented(apierror.Overloaded, 0)}
	case "many":
		var list gqlerror.List
		for i := range 25 {
			list = append(list, gqlerror.Errorf("error %d", i))
		}
		return &graphql.Response{Data: json.RawMessage(`null`), Errors: list}
	}
	return &graphql.Response{Data: json.RawMessage(`{"a":"<1>"}`), Extensions: map[string]any{"cost": 1}}
}

// codes waits for so many operations to be over and gives the codes that were observed.
func (f *fake) codes(t *testing.T, n int) []string {
	t.Helper()
	for range n {
		select {
		case <-f.observed:
		case <-time.After(10 * time.Second):
			t.Fatal("an operation was not observed")
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var codes []string
	for _, o := range f.observations {
		codes = append(codes, o.Protocol+" "+o.Code)
	}
	return codes
}

// feed is a stream of what is sent to it.
type feed struct {
	events chan Event
	err    chan error
	closed chan struct{}
	once   sync.Once
}

func newFeed() *feed {
	return &feed{events: make(chan Event), err: make(chan error, 1), closed: make(chan struct{})}
}

func (f *feed) Next(ctx context.Context) (Event, error) {
	select {
	case e := <-f.events:
		if string(e.Payload) == "panic" {
			panic("next")
		}
		return e, nil
	case err := <-f.err:
		return Event{}, err
	case <-ctx.Done():
		return Event{}, fmt.Errorf("waiting: %w", ctx.Err())
	}
}

func (f *feed) Close() { f.once.Do(func() { close(f.closed) }) }

func serve(t *testing.T, f *fake, l Limits) (*Handler, *httptest.Server) {
	t.Helper()
	h := New(f.engine(), l)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, server
}

// do sends a request; headers are name and value in turn.
func do(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	response := open(t, method, url, body, headers...)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func open(t *testing.T, method, url, body string, headers ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

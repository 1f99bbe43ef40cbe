package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/graph/wire"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/warning"
)

// A subscription is executed event by event, each as an operation of its own: what an event shows is read anew, and the
// caller's rights are asked for again. So a subscription's resolver is called once to say what it listens to, and then
// once for every event.

// step is what a subscription's resolver is called for.
type step struct {
	// value, where not nil, is the event to show; else the resolver is to say what it listens to, in source.
	value  any
	source *Source
	// field is the root field that was resolved.
	field *graphql.FieldContext
}

type stepKey struct{}

// Source is what a subscription listens to.
type Source struct {
	// Next waits for the next event; the error is io.EOF where there is none any more. Where ctx ends first, nothing is lost.
	Next func(ctx context.Context) (Item, error)
	// Close ends it; it is called once.
	Close func()
}

// Item is one event of a source.
type Item struct {
	// Value is what the root field resolves to; nil where the item only says where to resume.
	Value any
	// ID is what to resume after; empty where there is no such thing.
	ID string
	// More says that there is another event already.
	More bool
	// Same is equal for events that show the same to everybody with the same selection and the same rights.
	Same any
}

// Listen is the whole of a subscription's resolver.
func Listen[T any](ctx context.Context, open func() (*Source, error)) (<-chan T, error) {
	s, ok := ctx.Value(stepKey{}).(*step)
	if !ok {
		return nil, errors.New("a subscription that is not executed step by step")
	}
	s.field = graphql.GetFieldContext(ctx)
	one := make(chan T, 1)
	if v, ok := s.value.(T); ok {
		one <- v
		return one, nil
	}
	var err error
	s.source, err = open()
	return one, err
}

// stream runs one subscription. There are many, and so it holds little: what an event is executed with is the group's.
type stream struct {
	engine *Engine
	source *Source
	group  *group
	// payer is the bucket that its part of each event is paid from, part what of it makes no whole point yet, and owing until
	// when no event is shown, since what the ones before cost is not paid.
	payer edge.Bucket
	part  float64
	owing time.Time

	// pending is an event that the source gave and that nobody has been shown yet.
	pending *Item
	// promised says that the event before was given with More, and may wait for the next one to be sent.
	promised bool
	// warnings are for the first payload.
	warnings []warning.Warning
	closed   atomic.Bool
}

// Next waits for the next event and executes it. While the database is away an event waits: what it would show is not
// what it is.
func (s *stream) Next(ctx context.Context) (wire.Event, error) {
	if s.pending == nil {
		it, err := s.take(ctx)
		if errors.Is(err, errNotYet) {
			s.promised = false
			return wire.Event{}, nil
		}
		if err != nil {
			return wire.Event{}, err
		}
		s.pending = &it
	}
	it := *s.pending
	if it.Value == nil {
		s.pending = nil
		return wire.Event{ID: it.ID}, nil
	}
	for {
		if wait := time.Until(s.owing); !s.owing.IsZero() && wait > 0 {
			if s.promised {
				s.promised = false
				return wire.Event{}, nil
			}
			if err := sleep(ctx, wait); err != nil {
				return wire.Event{}, err
			}
		}
		payload, part, err := s.group.payload(ctx, it.Same, s.promised, func() ([]byte, int) { return s.engine.show(s.group, it.Value) })
		switch {
		case errors.Is(err, errNotYet):
			s.promised = false
			return wire.Event{}, nil
		case err != nil:
			return wire.Event{}, err
		case payload != nil:
			s.pending, s.promised = nil, it.More
			s.pay(part)
			return wire.Event{ID: it.ID, Payload: s.warn(payload), More: it.More}, nil
		}
		if s.promised {
			s.promised = false
			return wire.Event{}, nil // what was sent before must not wait
		}
		if err := sleep(ctx, awayRetry); err != nil {
			return wire.Event{}, err
		}
	}
}

// maxOwing is how long a stream waits at most until what it was shown is paid.
const maxOwing = time.Minute

// pay takes a subscription's part of what an event cost out of its own bucket. Where that owes something then, its next
// event waits, and nobody else's.
func (s *stream) pay(part float64) {
	s.part += part
	points := int(s.part)
	s.part -= float64(points)
	if wait := s.payer.Charge(points, time.Now()); wait > 0 {
		s.owing = time.Now().Add(min(wait, maxOwing))
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const (
	// awayRetry is how long an event waits that could not be executed because the database is away.
	awayRetry = 500 * time.Millisecond
	// atOnce is how soon an event has to come that the one before it waits for, to be sent together.
	atOnce = 5 * time.Millisecond
)

// errNotYet says that an event does not come at once.
var errNotYet = errors.New("not yet")

// take takes the next event of the source. Where one was promised that does not come at once after all, it gives up.
func (s *stream) take(ctx context.Context) (Item, error) {
	if !s.promised {
		return s.source.Next(ctx)
	}
	soon, cancel := context.WithTimeout(ctx, atOnce)
	defer cancel()
	it, err := s.source.Next(soon)
	if err != nil && soon.Err() != nil && ctx.Err() == nil {
		return Item{}, errNotYet
	}
	return it, err
}

// warn puts into the first payload, which others may share, what this subscription's caller should know.
func (s *stream) warn(payload []byte) []byte {
	warnings := s.warnings
	s.warnings = nil
	rest, ok := bytes.CutSuffix(payload, []byte("}"))
	if len(warnings) == 0 || !ok {
		return payload
	}
	text, err := json.Marshal(map[string]any{"warnings": warnings})
	if err != nil {
		return payload // texts can always be written
	}
	return slices.Concat(rest, []byte(`,"extensions":`), text, []byte("}"))
}

// Close ends the subscription.
func (s *stream) Close() {
	if !s.closed.Swap(true) {
		s.source.Close()
		s.engine.groups.leave(s.group)
	}
}

// eventTimeout ends the database's work for one event.
const eventTimeout = 15 * time.Second

// show executes one event for a group: the result as JSON, nil where the database went away meanwhile, and what it cost.
func (e *Engine) show(g *group, value any) (payload []byte, cost int) {
	ctx, cancel := context.WithTimeout(g.caller, eventTimeout)
	defer cancel()
	ctx = context.WithValue(ctx, stepKey{}, &step{value: value})
	ctx, meter := e.operations.EventMeter(ctx)
	field := g.field // executing changes it
	response := e.run(ctx, g.op, &field)
	unreached := slices.ContainsFunc(response.Errors, func(err *gqlerror.Error) bool {
		return err.Extensions["code"] == string(apierror.Overloaded)
	})
	if unreached && ctx.Err() == nil {
		return nil, 0
	}
	if bytes.Equal(response.Data, fmt.Appendf(nil, `{%q:null}`, field.Field.Alias)) {
		response.Data = nil // the root field must not be null, and so there is nothing
	}
	return wire.Encode(response), meter.Cost()
}

// groups puts subscriptions together that show their events alike, so that what a thousand pages show is executed once.
type groups struct {
	mu sync.Mutex
	by map[string]*group
}

// group is subscriptions with the same selection and the same rights.
type group struct {
	key string
	// op, field and caller are those of the member that came first: its operation, the root field without its arguments,
	// and what executing needs of its context, which does not end.
	op     *graphql.OperationContext
	field  graphql.FieldContext
	caller context.Context //nolint:containedctx // it outlives the call that it came with

	mu      sync.Mutex
	members int
	// recent are the payloads that were asked for last.
	recent []*shared
	oldest int
	bytes  int
}

// recentPayloads is how many events a group remembers: members that are a little behind find them there still. It is more
// than one flush of a busy log brings, since what is executed again also pushes out what others are about to ask for.
//
// Whoever is behind reads portions of 128 events, and is shown them with others who do.
const (
	recentPayloads = 512
	recentBytes    = 4 << 20
)

// shared is a payload, under way or done.
type shared struct {
	same any
	work *flight.Work[shown]
}

// shown is what the work gives: the payload, which is nil where the event could not be executed, and what each of those who
// were there then is to pay.
type shown struct {
	payload []byte
	part    float64
}

// failed reports whether the event could not be executed, and is to be tried again.
func (p *shared) failed() bool {
	s, over, err := p.work.Peek()
	return over && s.payload == nil && err == nil
}

// join adds a member to the group of a key; first makes the group, which gets its key here.
func (g *groups) join(key string, first func() *group) *group {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[string]*group{}
	}
	joined := g.by[key]
	if joined == nil {
		joined = first()
		joined.key = key
		g.by[key] = joined
	}
	joined.mu.Lock()
	joined.members++
	joined.mu.Unlock()
	return joined
}

func (g *groups) leave(left *group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	left.mu.Lock()
	defer left.mu.Unlock()
	if left.members--; left.members == 0 {
		delete(g.by, left.key)
	}
}

// weigh forgets all payloads when they have become many bytes. It tells how many members there are, at least one.
func (g *group) weigh(bytes int) (members int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bytes += bytes; g.bytes > recentBytes {
		g.recent, g.oldest, g.bytes = nil, 0, 0
	}
	return max(1, g.members)
}

// payload executes an event, or waits for the member that is executing the same. It is nil where that could not be done.
// part is what the caller is to pay for it: all members pay alike, so that together they pay for what was done once. Where
// the caller is in a hurry the error is errNotYet for what is not there at once; it may be asked for again.
func (g *group) payload(ctx context.Context, same any, hurry bool, execute func() ([]byte, int)) (payload []byte, part float64, err error) {
	g.mu.Lock()
	if g.members == 1 && !hurry {
		g.recent, g.oldest, g.bytes = nil, 0, 0
		g.mu.Unlock()
		payload, cost := execute()
		return payload, float64(cost), nil
	}
	at := slices.IndexFunc(g.recent, func(r *shared) bool { return r.same == same && !r.failed() })
	if at < 0 {
		p := &shared{same: same, work: flight.New[shown]()}
		if len(g.recent) < recentPayloads {
			at = len(g.recent)
			g.recent = append(g.recent, p)
		} else {
			at = g.oldest
			g.recent[at] = p
			g.oldest = (g.oldest + 1) % recentPayloads
		}
		// Not on the member's own goroutine, whose stack would stay as large as executing needs it.
		p.work.Begin(func() (shown, error) {
			payload, cost := execute()
			return shown{payload, float64(cost) / float64(g.weigh(len(payload)))}, nil
		})
	}
	p := g.recent[at]
	g.mu.Unlock()
	if hurry {
		soon, cancel := context.WithTimeoutCause(ctx, atOnce, errNotYet)
		defer cancel()
		ctx = soon
	}
	s, err := p.work.Wait(ctx)
	return s.payload, s.part, err
}

// whence are the root's arguments that say from where on, and how many events, and nothing else: each event is the same for
// all of them.
var whence = []string{"after", "limit"}

// groupKey tells which subscriptions show their events alike: those of callers who are all but the same, in one tenant,
// with the same document and the same variables, apart from those that stand in the arguments of whence alone. What time
// zone, segments and settings there are is the tenant's, and is read with each event.
func groupKey(caller auth.Caller, op *graphql.OperationContext) string {
	used := map[string]any{}
	for _, root := range op.Operation.SelectionSet {
		f, ok := root.(*ast.Field)
		if !ok {
			maps.Copy(used, op.Variables) // behind a fragment: not worth telling them apart
			continue
		}
		for _, a := range f.Arguments {
			if !slices.Contains(whence, a.Name) {
				noteVariables(a.Value, op.Variables, used)
			}
		}
		for _, d := range f.Directives {
			variablesOf(d.Arguments, op.Variables, used)
		}
		variablesIn(f.SelectionSet, op.Variables, used, map[string]bool{})
	}
	// Several keys and tokens may have the same rights: each pays its own part, and ends by itself.
	caller.Key, caller.ExpiresAt = uuid.Nil, nil
	caller.Scopes = slices.Sorted(slices.Values(caller.Scopes))
	key, err := json.Marshal([]any{caller, op.OperationName, used, op.RawQuery})
	if err != nil {
		return fmt.Sprintf("%p", op) // alike to none
	}
	sum := sha256.Sum256(key)
	return string(sum[:])
}

// variablesIn notes the variables that a selection uses.
func variablesIn(selections ast.SelectionSet, values, used map[string]any, seen map[string]bool) {
	directives := func(list ast.DirectiveList) {
		for _, d := range list {
			variablesOf(d.Arguments, values, used)
		}
	}
	for _, s := range selections {
		switch s := s.(type) {
		case *ast.Field:
			variablesOf(s.Arguments, values, used)
			directives(s.Directives)
			variablesIn(s.SelectionSet, values, used, seen)
		case *ast.InlineFragment:
			directives(s.Directives)
			variablesIn(s.SelectionSet, values, used, seen)
		case *ast.FragmentSpread:
			directives(s.Directives)
			if !seen[s.Name] && s.Definition != nil {
				seen[s.Name] = true
				variablesIn(s.Definition.SelectionSet, values, used, seen)
			}
		}
	}
}

func variablesOf(arguments ast.ArgumentList, values, used map[string]any) {
	for _, a := range arguments {
		noteVariables(a.Value, values, used)
	}
}

func noteVariables(v *ast.Value, values, used map[string]any) {
	if v == nil {
		return
	}
	if v.Kind == ast.Variable {
		if given, ok := values[v.Raw]; ok {
			used[v.Raw] = given
		}
	}
	for _, c := range v.Children {
		noteVariables(c.Value, values, used)
	}
}

// subscribe begins a subscription.
func (e *Engine) subscribe(ctx context.Context, op *wire.Operation, after *string) (wire.Stream, gqlerror.List) {
	s := &step{}
	opening := ctx
	if after != nil {
		opening = context.WithValue(ctx, afterKey{}, *after)
	}
	guarded, done, err := e.Guard(opening)
	if err != nil {
		return nil, gqlerror.List{e.present(ctx, err)}
	}
	defer done()
	guarded, warnings := warning.With(guarded, fieldOf)
	response := e.open(context.WithValue(guarded, stepKey{}, s), op.OperationContext)
	if len(response.Errors) > 0 || s.source == nil {
		if s.source != nil {
			s.source.Close()
		}
		return nil, response.Errors
	}
	caller, _ := auth.From(ctx)
	joined := e.groups.join(groupKey(caller, op.OperationContext), func() *group {
		field := *s.field
		field.Args = nil // they have said what to listen to
		return &group{op: op.OperationContext, field: field, caller: auth.With(context.Background(), caller)}
	})
	return &stream{engine: e, source: s.source, group: joined, payer: e.operations.bucket(ctx), warnings: warnings.All()}, nil
}

// afterKey is where a context has the id of the event that a client saw last, given beside the operation.
type afterKey struct{}

// ResumeAfter is the Item.ID that a client saw last before it lost its connection, where it said so beside the operation:
// the subscription goes on from there, rather than from where its arguments say.
func ResumeAfter(ctx context.Context) (id string, ok bool) {
	id, ok = ctx.Value(afterKey{}).(string)
	return id, ok
}

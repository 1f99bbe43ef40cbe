package engine

import (
	"reflect"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/zeroten/zeroten/graph/wire"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/rate"
)

// Whatever there is about a caller tells groups apart, but which key it is.
func TestGroupsByCaller(t *testing.T) {
	op := &graphql.OperationContext{RawQuery: "subscription{scoreChanged{nps}}"}
	op.Operation = prepared(t, op.RawQuery, nil).Operation
	one := auth.Caller{Tenant: uuid.New(), Key: uuid.New(), Scopes: []auth.Scope{auth.Read, auth.Collect}, Narrowing: auth.Narrowing{Campaigns: []uuid.UUID{uuid.New()}}}
	others := map[string]func(*auth.Caller){
		"Tenant":    func(c *auth.Caller) { c.Tenant = uuid.New() },
		"Scopes":    func(c *auth.Caller) { c.Scopes = []auth.Scope{auth.Read} },
		"Token":     func(c *auth.Caller) { c.Token = true },
		"Narrowing": func(c *auth.Caller) { c.Narrowing.Segment = uuid.New() },
		"Mask":      func(c *auth.Caller) { c.Mask[0] = 1 },
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[auth.Caller]()) {
		if field.Name == "Key" || field.Name == "ExpiresAt" {
			continue
		}
		change, ok := others[field.Name]
		if !ok {
			t.Errorf("does %s of a caller tell groups apart?", field.Name)
			continue
		}
		other := one
		change(&other)
		if groupKey(one, op) == groupKey(other, op) {
			t.Errorf("another %s is in the same group", field.Name)
		}
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[auth.Narrowing]()) {
		if field.Name != "Campaigns" && field.Name != "Segment" {
			t.Errorf("does %s of a narrowing tell groups apart?", field.Name)
		}
	}
	same := one
	same.Key, same.Scopes, same.ExpiresAt = uuid.New(), []auth.Scope{auth.Collect, auth.Read}, new(time.Now())
	if groupKey(one, op) != groupKey(same, op) {
		t.Error("another key with the same rights is in another group")
	}
}

func prepared(t *testing.T, query string, variables map[string]any) *wire.Operation {
	t.Helper()
	o := newOperations(t, OperationsConfig{})
	op, errs := o.Prepare(keyCtx(t), &graphql.RawParams{Query: query, Variables: variables, OperationName: "A"}, nil)
	if len(errs) > 0 {
		op, errs = o.Prepare(keyCtx(t), &graphql.RawParams{Query: query, Variables: variables}, nil)
	}
	if len(errs) > 0 {
		t.Fatalf("%s: %v", query, errs)
	}
	return op
}

// Whatever is asked for tells groups apart, but from where on and how much of it.
func TestGroupsByOperation(t *testing.T) {
	const query = `subscription A($f: FeedbackFilter, $a: String, $l: Int, $n: Int = 3) {
		feedbackReceived(filter: $f, after: $a, limit: $l) { kind response { contact { responses(first: $n) { totalCount } } } } }`
	caller := auth.Caller{Tenant: uuid.New()}
	key := func(query string, variables map[string]any) string {
		return groupKey(caller, prepared(t, query, variables).OperationContext)
	}
	all := map[string]any{"f": map[string]any{"categories": []any{"DETRACTOR"}}, "a": "", "l": 5, "n": 4}
	with := func(name string, value any) map[string]any {
		changed := map[string]any{name: value}
		for k, v := range all {
			if k != name {
				changed[k] = v
			}
		}
		return changed
	}
	base := key(query, all)
	for name, test := range map[string]struct {
		query     string
		variables map[string]any
		same      bool
	}{
		"the same":                {query, with("n", 4), true},
		"from elsewhere on":       {query, with("a", "x"), true},
		"another number of them":  {query, with("l", 7), true},
		"another filter":          {query, with("f", map[string]any{"categories": []any{"PROMOTER"}}), false},
		"no filter":               {query, with("f", nil), false},
		"another size below":      {query, with("n", 3), false},
		"another text":            {query + " ", all, false},
		"another operation of it": {query + ` subscription B { scoreChanged { nps } }`, all, false},
	} {
		if got := key(test.query, test.variables) == base; got != test.same {
			t.Errorf("%s: in one group: %t", name, got)
		}
	}
	const shows = `subscription A($l: Int) { feedbackReceived(limit: $l) { response { contact { responses(first: $l) { totalCount } } } } }`
	if key(shows, map[string]any{"l": 1}) == key(shows, map[string]any{"l": 2}) {
		t.Error("a number that is shown, too, is left out")
	}
	const within = `subscription A($l: Int) { ...F } fragment F on Subscription { feedbackReceived(limit: $l) { kind } }`
	if key(within, map[string]any{"l": 1}) == key(within, map[string]any{"l": 2}) {
		t.Error("what is behind a fragment is left out")
	}
}

// Each pays his own part of what was done once, and who has nothing left does not make others wait.
func TestGroupsPay(t *testing.T) {
	door := edge.New(edge.Config{Keys: rate.Config{Burst: 1_000, Restore: 0.001}})
	g, first := &groups{}, &group{}
	var members []*stream
	for i := range 4 {
		joined := g.join("k", func() *group { return first })
		members = append(members, &stream{group: joined, payer: door.OfKey([16]byte{byte(i % 2)})})
	}
	done := 0
	event := func(same int, cost int) {
		for _, s := range members {
			payload, part, err := s.group.payload(t.Context(), same, false, func() ([]byte, int) { done++; return []byte("{}"), cost })
			if err != nil || string(payload) != "{}" {
				t.Fatalf("%s, %v", payload, err)
			}
			s.pay(part)
		}
	}
	left := func(key byte) int { return door.OfKey([16]byte{key}).Refund(0, time.Now()).Available }
	event(1, 400)
	if done != 1 || left(0) != 800 || left(1) != 800 {
		t.Errorf("executed %d times, %d and %d are left of 1000", done, left(0), left(1))
	}
	for i := range 4 { // parts of points are not lost
		event(2+i, 1)
	}
	if left(0) != 798 || left(1) != 798 {
		t.Errorf("%d and %d are left of 800", left(0), left(1))
	}
	door.OfKey([16]byte{0}).Charge(2_000, time.Now())
	event(10, 400)
	for i, s := range members {
		if waits := !s.owing.IsZero(); waits != (i%2 == 0) {
			t.Errorf("member %d waits: %t", i, waits)
		}
	}
	for range members {
		g.leave(first)
	}
	if len(g.by) != 0 {
		t.Error("a group without members is left")
	}
}

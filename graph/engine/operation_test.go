package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/graph/documents"
	"github.com/zeroten/zeroten/graph/generated"
	"github.com/zeroten/zeroten/graph/limit"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/flight"
	"github.com/zeroten/zeroten/internal/rate"
	"github.com/zeroten/zeroten/internal/store"
)

// anonymousCtx is a context of somebody without a key.
func anonymousCtx(t *testing.T, address string) context.Context {
	t.Helper()
	return edge.WithClientAddress(t.Context(), netip.MustParseAddr(address))
}

// keyCtx is a context of a key's holder.
func keyCtx(t *testing.T) context.Context {
	t.Helper()
	return auth.With(t.Context(), auth.Caller{Tenant: uuid.New(), Key: uuid.New(), Scopes: []auth.Scope{auth.Read}})
}

func newOperations(t *testing.T, config OperationsConfig) *Operations {
	t.Helper()
	o, err := NewOperations(generated.NewExecutableSchema(generated.Config{}).Schema(), config)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// wantRefused wants errors with a code, the first of which says something, when they are shown.
func wantRefused(t *testing.T, errs gqlerror.List, code apierror.Code, want string) *gqlerror.Error {
	t.Helper()
	if len(errs) == 0 {
		t.Errorf("let through, want %s with %q", code, want)
		return nil
	}
	var log bytes.Buffer
	shown := present(slog.New(slog.NewTextHandler(&log, nil)), nil, store.Explain)(t.Context(), errs[0])
	if shown.Extensions["code"] != string(code) || !strings.Contains(shown.Message, want) || strings.Contains(shown.Message, "Did you mean") {
		t.Errorf("%s: %s; want %s with %q (log: %s)", shown.Extensions["code"], shown.Message, code, want, &log)
	}
	return shown
}

func TestPrepare(t *testing.T) {
	o, ctx := newOperations(t, OperationsConfig{}), keyCtx(t)
	op, errs := o.Prepare(ctx, &graphql.RawParams{
		Query: "query A($n:Int=7){responses(first:$n){nodes{campaign{name}}}} query B{viewer{scopes}}", OperationName: "A",
	}, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if op.Operation.Name != "A" || op.Requested != 1+7*2 || fmt.Sprint(op.Variables["n"]) != "7" || op.RawQuery == "" {
		t.Errorf("%+v, costs %d", op.OperationContext, op.Requested)
	}
	if err := op.Validate(ctx); err != nil {
		t.Error(err)
	}
	again, errs := o.Prepare(ctx, &graphql.RawParams{Query: op.RawQuery, OperationName: "B"}, nil)
	if len(errs) > 0 || again.Doc != op.Doc || again.Operation.Name != "B" {
		t.Errorf("the second time: %v, parsed again: %t", errs, again.Doc != op.Doc)
	}
}

func TestPrepareRefuses(t *testing.T) {
	o := newOperations(t, OperationsConfig{})
	long := strings.Repeat("x", 10_000)
	for name, test := range map[string]struct {
		params graphql.RawParams
		code   apierror.Code
		want   string
	}{
		"nothing":            {graphql.RawParams{}, apierror.BadRequestCode, "no document"},
		"a comment":          {graphql.RawParams{Query: "#"}, apierror.BadRequestCode, "no operation"},
		"fragments alone":    {graphql.RawParams{Query: "fragment F on Query{viewer{scopes}}"}, apierror.BadRequestCode, "no operation"},
		"syntax":             {graphql.RawParams{Query: "{viewer{"}, apierror.BadRequestCode, "Expected Name"},
		"unknown field":      {graphql.RawParams{Query: "{viewer{scope}}"}, apierror.BadRequestCode, `Cannot query field "scope"`},
		"unknown argument":   {graphql.RawParams{Query: "{responses(frist:1){totalCount}}"}, apierror.BadRequestCode, `"frist"`},
		"unknown type":       {graphql.RawParams{Query: "{...on Qery{viewer{scopes}}}"}, apierror.BadRequestCode, `"Qery"`},
		"unknown enum":       {graphql.RawParams{Query: "{feedback{trend(interval:MONTHS){start}}}"}, apierror.BadRequestCode, "MONTHS"},
		"unknown input":      {graphql.RawParams{Query: "{feedback(filter:{form:1}){score{nps}}}"}, apierror.BadRequestCode, `"form"`},
		"no selection":       {graphql.RawParams{Query: "{viewer}"}, apierror.BadRequestCode, `"viewer"`},
		"cycle":              {graphql.RawParams{Query: "{...F} fragment F on Query{...F}"}, apierror.BadRequestCode, "within itself"},
		"defer":              {graphql.RawParams{Query: "{...@defer{viewer{scopes}}}"}, apierror.BadRequestCode, "@defer"},
		"which":              {graphql.RawParams{Query: "query A{viewer{scopes}} query B{viewer{scopes}}"}, apierror.BadRequestCode, "operationName"},
		"no such":            {graphql.RawParams{Query: "query A{viewer{scopes}}", OperationName: "B"}, apierror.BadRequestCode, "operationName"},
		"variable":           {graphql.RawParams{Query: "query($i:ID!){node(id:$i){id}}"}, apierror.BadRequestCode, "must be defined"},
		"variable's type":    {graphql.RawParams{Query: "query($n:Int){responses(first:$n){totalCount}}", Variables: map[string]any{"n": true}}, apierror.BadRequestCode, "without quotes"},
		"a long text":        {graphql.RawParams{Query: `{feedback{trend(interval:"` + long + `"){start}}}`}, apierror.BadRequestCode, "…"},
		"a long variable":    {graphql.RawParams{Query: "query($i:Interval!){feedback{trend(interval:$i){start}}}", Variables: map[string]any{"i": long}}, apierror.BadRequestCode, "…"},
		"a large number":     {graphql.RawParams{Query: "mutation{recordResponse(input:{campaign:1 score:1 traits:{a:1e999}}){userErrors{code}}}"}, apierror.BadRequestCode, "out of range"},
		"another":            {graphql.RawParams{Query: "mutation{recordResponse(input:{campaign:1 score:1 traits:{a:[99999999999999999999]}}){userErrors{code}}}"}, apierror.BadRequestCode, "out of range"},
		"too long":           {graphql.RawParams{Query: "{viewer{scopes}}" + strings.Repeat(" ", limit.MaxBytes)}, apierror.TooComplex, "bytes"},
		"too many tokens":    {graphql.RawParams{Query: "{" + strings.Repeat("a ", 10_000/2) + "}"}, apierror.TooComplex, "1000 tokens"},
		"too deep":           {graphql.RawParams{Query: strings.Repeat("{a", 5_000)}, apierror.TooComplex, "64 deep"},
		"too many aliases":   {graphql.RawParams{Query: "{" + strings.Repeat("a:viewer{scopes}", 31) + "}"}, apierror.TooComplex, "times"},
		"too much":           {graphql.RawParams{Query: "{contacts(first:100){nodes{responses(first:100){nodes{id}}}}}"}, apierror.TooComplex, "costs 10301, and may cost 1000"},
		"introspection bomb": {graphql.RawParams{Query: "{__schema{types{fields{type{fields{type{fields{name}}}}}}}}"}, apierror.TooComplex, "Introspection"},
		"two streams":        {graphql.RawParams{Query: "subscription{feedbackReceived{at} scoreChanged{nps}}"}, apierror.BadRequestCode, "one"},
		"two of one":         {graphql.RawParams{Query: "subscription{a:scoreChanged{nps} ...F} fragment F on Subscription{b:scoreChanged{nps}}"}, apierror.BadRequestCode, "one field"},
		"skipped stream":     {graphql.RawParams{Query: "subscription{scoreChanged@skip(if:false){nps}}"}, apierror.BadRequestCode, "skipped"},
		"included stream":    {graphql.RawParams{Query: "subscription{...@include(if:true){scoreChanged{nps}}}"}, apierror.BadRequestCode, "skipped"},
		"introspected":       {graphql.RawParams{Query: "subscription{__typename}"}, apierror.BadRequestCode, "introspection"},
		"no hash":            {graphql.RawParams{Extensions: map[string]any{"persistedQuery": map[string]any{}}}, apierror.BadRequestCode, "sha256Hash"},
		"document id":        {graphql.RawParams{Extensions: map[string]any{"documentId": "a"}}, apierror.BadRequestCode, "no trusted documents"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // what was refused is not remembered as valid
				_, errs := o.Prepare(keyCtx(t), &test.params, nil)
				if shown := wantRefused(t, errs, test.code, test.want); shown != nil && len(shown.Message) > maxMessage+100 {
					t.Errorf("%d bytes: %s", len(shown.Message), shown.Message)
				}
			}
		})
	}
}

// Hostile documents are refused by the limits, before anything that takes long; and lists of errors are short.
func TestPrepareRefusesHostileDocuments(t *testing.T) {
	o := newOperations(t, OperationsConfig{})
	powers := "{feedback{score{...X} ...F0}} fragment X on Score{nps} fragment F26 on Feedback{score{...X}}"
	for i := range 26 {
		powers += fmt.Sprintf(" fragment F%d on Feedback{score{...X} ...F%d ...F%d}", i, i+1, i+1)
	}
	for name, document := range map[string]string{
		"26 times 2":        powers,
		"directives":        "{viewer " + strings.Repeat("@a", 10_000/2) + "{scopes}}",
		"some directives":   "{viewer " + strings.Repeat("@a", 400) + "{scopes}}",
		"one field":         "{viewer{" + strings.Repeat("scopes ", 990) + "}}",
		"braces":            strings.Repeat("{a", 8_000),
		"lists":             "{a(b:" + strings.Repeat("[", 16_000),
		"objects":           "{a(b:" + strings.Repeat("{a:", 5_000),
		"types":             "query($a:" + strings.Repeat("[", 16_000),
		"aliases":           "{" + strings.Repeat("a:viewer{scopes}", 190) + "}",
		"a megabyte":        "{" + strings.Repeat("{a", 1<<19),
		"introspection":     "{__type(name:\"A\")" + strings.Repeat("{possibleTypes{interfaces", 20) + strings.Repeat("}", 41),
		"a string's braces": `{a(b:"` + strings.Repeat(`\"{`, 100) + `"` + strings.Repeat("{", 100),
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := o.Prepare(keyCtx(t), &graphql.RawParams{Query: document}, nil)
			wantRefused(t, errs, apierror.TooComplex, "")
		})
	}
	unknown := "{"
	for i := range 50 {
		unknown += fmt.Sprintf("a%d ", i)
	}
	if _, errs := o.Prepare(keyCtx(t), &graphql.RawParams{Query: unknown + "}"}, nil); len(errs) != maxErrors || len(errs[0].Locations) != 1 {
		t.Errorf("%d errors, want %d, with locations", len(errs), maxErrors)
	}
}

// What strangers send does not push out what others need, and is served from the cache all the same.
func TestCacheIsForCallersWithKeys(t *testing.T) {
	o := newOperations(t, OperationsConfig{})
	stranger, params := anonymousCtx(t, "192.0.2.1"), &graphql.RawParams{Query: "{viewer{scopes}}"}
	first, _ := o.Prepare(stranger, params, nil)
	second, _ := o.Prepare(stranger, params, nil)
	known, _ := o.Prepare(keyCtx(t), params, nil)
	third, errs := o.Prepare(stranger, params, nil)
	if len(errs) > 0 || first.Doc == second.Doc || known.Doc != third.Doc {
		t.Errorf("kept for strangers: %t; kept for others: %t", first.Doc == second.Doc, known.Doc == third.Doc)
	}
}

func TestPersistedQueries(t *testing.T) {
	o, ctx := newOperations(t, OperationsConfig{}), keyCtx(t)
	const text = "{viewer{scopes}}"
	by := func(hash string, query string) *graphql.RawParams {
		return &graphql.RawParams{
			Query: query, Extensions: map[string]any{"persistedQuery": map[string]any{"version": 1.0, "sha256Hash": hash}},
		}
	}
	hash := documents.Hash(text)
	unknown := func(ctx context.Context) {
		t.Helper()
		_, errs := o.Prepare(ctx, by(hash, ""), nil)
		if shown := wantRefused(t, errs, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"); shown.Message != "PersistedQueryNotFound" {
			t.Errorf("clients wait for another message than %q", shown.Message)
		}
	}
	unknown(ctx)
	if _, errs := o.Prepare(anonymousCtx(t, "192.0.2.1"), by(hash, text), nil); len(errs) > 0 {
		t.Error(errs)
	}
	unknown(ctx) // nobody registers without a key
	_, errs := o.Prepare(ctx, by(documents.Hash("{a}"), text), nil)
	wantRefused(t, errs, apierror.BadRequestCode, "sha256Hash")
	unknown(ctx)
	if _, errs := o.Prepare(ctx, by(documents.Hash("{a}"), "{a}"), nil); len(errs) == 0 {
		t.Error("an invalid document was let through")
	}
	_, errs = o.Prepare(ctx, by(documents.Hash("{a}"), ""), nil)
	wantRefused(t, errs, documents.NotFoundCode, "") // and is not remembered
	if _, errs := o.Prepare(ctx, by(strings.ToUpper(hash), text), nil); len(errs) > 0 {
		t.Error(errs)
	}
	unknown(anonymousCtx(t, "192.0.2.1"))
	for _, ctx := range []context.Context{ctx, keyCtx(t)} {
		if op, errs := o.Prepare(ctx, by(hash, ""), nil); len(errs) > 0 || op.RawQuery != text {
			t.Errorf("once known: %v", errs)
		}
	}
	other := by(hash, "")
	other.Extensions["persistedQuery"].(map[string]any)["version"] = 2
	_, errs = o.Prepare(ctx, other, nil)
	wantRefused(t, errs, apierror.BadRequestCode, "version")
}

func TestTrustedDocuments(t *testing.T) {
	const text = "query Mine{viewer{scopes}}"
	file := filepath.Join(t.TempDir(), "documents.json")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf(`{%q:%q}`, documents.Hash(text), text))
	o := newOperations(t, OperationsConfig{TrustedDocuments: file})
	id := func(id string) map[string]any { return map[string]any{"documentId": id} }
	hash := func(hash string) map[string]any {
		return map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hash}}
	}
	for name, params := range map[string]graphql.RawParams{
		"by hash":         {Extensions: hash(documents.Hash(text))},
		"by id":           {Extensions: id(documents.Hash(text))},
		"with its name":   {Extensions: id("sha256:" + documents.Hash(text))},
		"by text":         {Query: text},
		"by id, and text": {Query: text, Extensions: id(documents.Hash(text))},
	} {
		t.Run(name, func(t *testing.T) {
			if op, errs := o.Prepare(anonymousCtx(t, "192.0.2.1"), &params, nil); len(errs) > 0 || op.Operation.Name != "Mine" {
				t.Error(errs)
			}
		})
	}
	for name, params := range map[string]graphql.RawParams{
		"another text":          {Query: "{viewer{scopes}}"},
		"another hash":          {Extensions: hash(documents.Hash("{viewer{scopes}}"))},
		"another hash and text": {Query: "{viewer{scopes}}", Extensions: hash(documents.Hash("{viewer{scopes}}"))},
		"another text's id":     {Query: "{viewer{scopes}}", Extensions: id(documents.Hash(text))},
		"nothing":               {},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := o.Prepare(keyCtx(t), &params, nil)
			wantRefused(t, errs, apierror.BadRequestCode, "trusts")
		})
	}
	for content, want := range map[string]string{
		`{"mine":"{viewer{scope}}"}`: `"mine": input:1:9: Cannot query field`,
		`{"mine":"{"}`:               `"mine"`,
		fmt.Sprintf(`{%q:"{viewer{scopes}}"}`, documents.Hash(text)): "another SHA-256",
	} {
		write(content)
		if _, err := NewOperations(o.schema, OperationsConfig{TrustedDocuments: file}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOperations(t, OperationsConfig{Door: edge.New(edge.Config{Keys: rate.Config{Burst: 1_000, Restore: 50}, Addresses: rate.Config{Burst: 100, Restore: 10}})})
		ctx, params := keyCtx(t), &graphql.RawParams{Query: "{responses(first:99){nodes{id}}}"} // costs 100
		for range 10 {
			if _, errs := o.Prepare(ctx, params, nil); len(errs) > 0 {
				t.Fatal(errs)
			}
		}
		limited := func(want time.Duration) {
			t.Helper()
			_, errs := o.Prepare(ctx, params, nil)
			wantRefused(t, errs, apierror.RateLimited, "Try again later")
			var known *apierror.Error
			if !errors.As(errs, &known) || known.RetryAfter != want {
				t.Errorf("%v: retry after %v, want %v", errs, known.RetryAfter, want)
			}
		}
		limited(20 * time.Millisecond) // until 1 is there, to read the document at all
		time.Sleep(time.Second)
		limited(time.Second)
		time.Sleep(time.Second)
		if _, errs := o.Prepare(ctx, params, nil); len(errs) > 0 {
			t.Error(errs)
		}
		if _, errs := o.Prepare(keyCtx(t), params, nil); len(errs) > 0 {
			t.Errorf("another key: %v", errs)
		}

		// A key's tokens spend what the key has.
		caller, _ := auth.From(ctx)
		caller.Token = true
		_, errs := o.Prepare(auth.With(ctx, caller), params, nil)
		wantRefused(t, errs, apierror.RateLimited, "")

		// Strangers spend what their address has, and all of a network of IPv6 are one.
		if _, errs := o.Prepare(anonymousCtx(t, "2001:db8::1"), params, nil); len(errs) > 0 {
			t.Error(errs)
		}
		_, errs = o.Prepare(anonymousCtx(t, "2001:db8::2"), params, nil)
		wantRefused(t, errs, apierror.RateLimited, "")
		for _, other := range []string{"2001:db8:0:1::1", "192.0.2.1", "192.0.2.2"} {
			if _, errs := o.Prepare(anonymousCtx(t, other), params, nil); len(errs) > 0 {
				t.Errorf("%s: %v", other, errs)
			}
		}

		// What is refused is paid for by what it took to read.
		invalid := &graphql.RawParams{Query: "{" + strings.Repeat("a:a b:a c:a d:a ", 24) + "}"}
		for range 17 { // 290 tokens cost 6
			_, errs = o.Prepare(anonymousCtx(t, "192.0.2.9"), invalid, nil)
			wantRefused(t, errs, apierror.BadRequestCode, "")
		}
		_, errs = o.Prepare(anonymousCtx(t, "192.0.2.9"), invalid, nil)
		wantRefused(t, errs, apierror.RateLimited, "")
	})
}

func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOperations(t, OperationsConfig{Door: edge.New(edge.Config{Keys: rate.Config{Burst: 1_000, Restore: 50}})})
		ctx := keyCtx(t)
		op, errs := o.Prepare(ctx, &graphql.RawParams{Query: "{responses(first:99){nodes{id}}}"}, nil)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if got := *o.Settle(ctx, op); got != (Cost{Requested: 100, Actual: 100, Available: 900, RestoreRate: 50}) {
			t.Errorf("not measured: %+v", got)
		}
		if got := *o.Settle(o.Meter(ctx), op); got != (Cost{Requested: 100, Actual: 1, Available: 999, RestoreRate: 50}) {
			t.Errorf("nothing found: %+v", got)
		}
	})
}

// A panic in what is used here is an error of one request.
func TestPreparePanics(t *testing.T) {
	o := newOperations(t, OperationsConfig{Recover: recovered})
	o.costs = nil
	_, errs := o.Prepare(keyCtx(t), &graphql.RawParams{Query: "{viewer{scopes}}"}, nil)
	wantRefused(t, errs, apierror.Internal, "Something went wrong")
	if !flight.IsPanic(errs[0]) {
		t.Errorf("%v", errs)
	}
}

func FuzzPrepare(f *testing.F) {
	o, err := NewOperations(generated.NewExecutableSchema(generated.Config{}).Schema(), OperationsConfig{Recover: recovered})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("query($n:Int){responses(first:$n){nodes{id}}}", "", "abc")
	f.Add("subscription A{...F} fragment F on Subscription{scoreChanged{nps}}", "A", "")
	f.Add(`{feedback(filter:{where:{all:[{trait:{key:"a" in:["b"]}}]}}){score{nps}}}`, "", "")
	f.Fuzz(func(t *testing.T, query, name, value string) {
		ctx := auth.ForTenant(t.Context(), uuid.New()) // the program itself, which no rate limits
		_, errs := o.Prepare(ctx, &graphql.RawParams{
			Query: query, OperationName: name, Variables: map[string]any{"n": value, "a": []any{value, nil}, "b": map[string]any{value: value}},
		}, nil)
		for _, err := range errs {
			if flight.IsPanic(err) {
				t.Error(err)
			}
		}
	})
}

// What lets nobody in is paid for by its address, and then not looked up; whoever was let in before is not concerned.
func TestGuessesAreTheAddress(t *testing.T) {
	o := newOperations(t, OperationsConfig{Door: edge.New(edge.Config{Addresses: rate.Config{Burst: 4*guessCost + 1, Restore: 1e-9}})})
	asked := 0
	denied := func() (auth.Caller, error) {
		asked++
		return auth.Caller{}, apierror.New(apierror.Unauthenticated, "No.")
	}
	letIn := func() (auth.Caller, error) { return auth.Caller{Token: true}, nil }
	away := func() (auth.Caller, error) { return auth.Caller{}, apierror.New(apierror.Overloaded, "Later.") }
	code := func(err error) apierror.Code {
		known, _ := errors.AsType[*apierror.Error](err)
		if known == nil {
			return ""
		}
		if known.Code == apierror.RateLimited && known.RetryAfter <= 0 {
			t.Error("nobody says when to try again")
		}
		return known.Code
	}
	guesser, other := anonymousCtx(t, "2001:db8::1"), anonymousCtx(t, "192.0.2.1")
	for range 100 { // which are paid back
		if _, err := o.guarded(guesser, false, letIn); err != nil {
			t.Fatal(err)
		}
		if _, err := o.guarded(guesser, false, away); code(err) != apierror.Overloaded {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		_, err := o.guarded(guesser, false, denied)
		want := apierror.Unauthenticated
		if i >= 4 {
			want = apierror.RateLimited
		}
		if code(err) != want {
			t.Errorf("guess %d: %v, want %s", i, err, want)
		}
	}
	if asked != 4 {
		t.Errorf("%d were looked up, want 4", asked)
	}
	if _, err := o.guarded(anonymousCtx(t, "2001:db8::2"), false, letIn); code(err) != apierror.RateLimited {
		t.Errorf("its neighbour: %v", err)
	}
	if caller, err := o.guarded(guesser, true, letIn); err != nil || !caller.Token {
		t.Errorf("one that was let in before: %v", err)
	}
	if _, err := o.guarded(other, false, letIn); err != nil {
		t.Errorf("another address: %v", err)
	}
	for range 5 { // keys that were seen, and ended
		if _, err := o.guarded(other, true, denied); code(err) != apierror.Unauthenticated {
			t.Errorf("one that has ended: %v", err)
		}
	}
	if _, err := o.guarded(other, false, letIn); code(err) != apierror.RateLimited {
		t.Errorf("after five that have ended: %v", err)
	}
	if _, errs := o.Prepare(guesser, &graphql.RawParams{Query: "{__typename}"}, nil); len(errs) > 0 {
		t.Errorf("there is a point left: %v", errs)
	}
}

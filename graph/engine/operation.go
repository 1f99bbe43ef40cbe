package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
	"github.com/zeroten/zeroten/graph/documents"
	"github.com/zeroten/zeroten/graph/input"
	"github.com/zeroten/zeroten/graph/limit"
	"github.com/zeroten/zeroten/graph/wire"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/rate"
)

// OperationsConfig says which operations may run, and how they do.
type OperationsConfig struct {
	// Door has the buckets of keys, tokens included, which spend their key's, and of addresses that call without a key; nil
	// stands for one of its own.
	Door *edge.Door
	// TrustedDocuments, where not empty, is a file with the only documents that run: see documents.ParseManifest.
	TrustedDocuments string
	// CacheBytes is about how much the documents take that are kept parsed, and, besides, the texts that clients name by
	// their hash; 8 MiB where it is 0.
	CacheBytes int
	// RootField, where not nil, runs around each root field.
	RootField graphql.RootFieldMiddleware
	// Recover makes an error of a panic.
	Recover graphql.RecoverFunc
}

// Operations makes operations of requests. It is safe for concurrent use.
type Operations struct {
	config    OperationsConfig
	schema    *ast.Schema
	rules     []core.Rule
	costs     *limit.Costs
	inputs    *input.Checks
	trusted   *documents.Trusted // nil where any document may run
	cache     *documents.Cache
	persisted *documents.Persisted
}

const (
	// maxErrors is how many errors an invalid document is told of at most, and maxMessage how long each is in bytes.
	maxErrors, maxMessage = 20, 300
	// tokensPerCost is how many tokens of a document that is refused are charged as 1.
	tokensPerCost = 50
)

// NewOperations prepares to run operations on a schema. The error is about the trusted documents.
func NewOperations(schema *ast.Schema, config OperationsConfig) (*Operations, error) {
	if config.Door == nil {
		config.Door = edge.New(edge.Config{})
	}
	config.CacheBytes = cmp.Or(config.CacheBytes, 8<<20)
	if config.RootField == nil {
		config.RootField = func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) }
	}
	if config.Recover == nil {
		config.Recover = graphql.DefaultRecover
	}
	o := &Operations{
		config:    config,
		schema:    schema,
		rules:     validationRules(),
		costs:     limit.NewCosts(schema),
		inputs:    input.New(schema),
		cache:     documents.NewCache(config.CacheBytes),
		persisted: documents.NewPersisted(config.CacheBytes),
	}
	if config.TrustedDocuments != "" {
		var err error
		o.trusted, err = documents.ReadTrusted(config.TrustedDocuments, func(text string) (*documents.Document, error) {
			d, _, errs := o.parse(text)
			if len(errs) > 0 {
				return nil, errs
			}
			return d, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return o, nil
}

// validationRules are those of the specification, without suggestions, which would tell of fields that one did not ask
// for. The depth of introspection is limited before.
func validationRules() []core.Rule {
	all := rules.NewDefaultRules()
	for _, quiet := range []core.Rule{
		rules.FieldsOnCorrectTypeRuleWithoutSuggestions, rules.KnownArgumentNamesRuleWithoutSuggestions,
		rules.KnownTypeNamesRuleWithoutSuggestions, rules.ScalarLeafsRuleWithoutSuggestions,
		rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
	} {
		all.RemoveRule(strings.TrimSuffix(quiet.Name, "WithoutSuggestions"))
		all.AddRule(quiet.Name, quiet.RuleFunc)
	}
	values := rules.ValuesOfCorrectTypeRuleWithoutSuggestions
	all.RemoveRule(values.Name)
	all.AddRule(values.Name, func(observers *core.Events, add core.AddErrFunc) {
		values.RuleFunc(observers, butEnums(add))
		enumValues(observers, add)
	})
	all.RemoveRule(rules.MaxIntrospectionDepth.Name)
	all.AddRule("ReadableNumbers", readableNumbers)
	inner := all.GetInner()
	var sorted []core.Rule
	for _, name := range slices.Sorted(maps.Keys(inner)) {
		sorted = append(sorted, core.Rule{Name: name, RuleFunc: inner[name]})
	}
	return sorted
}

// butEnums leaves out what the library says of names that are of no enum.
func butEnums(add core.AddErrFunc) core.AddErrFunc {
	return func(options ...core.ErrorOption) {
		var said gqlerror.Error
		for _, option := range options {
			option(&said)
		}
		if !strings.HasPrefix(said.Message, `Value "`) || !strings.HasSuffix(said.Message, `" enum.`) {
			add(options...)
		}
	}
}

// enumValues says of a name that is of no enum which there are: whoever knows an argument may know what it takes.
func enumValues(observers *core.Events, add core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, value *ast.Value) {
		if def := value.Definition; value.Kind == ast.EnumValue && def != nil && def.Kind == ast.Enum && def.EnumValues.ForName(value.Raw) == nil {
			add(core.Message("%s", input.NotOf(def, value.Raw)), core.At(value.Position))
		}
	})
}

// readableNumbers refuses numbers beyond 64 bits in scalars of our own: the executor panics over them.
func readableNumbers(observers *core.Events, add core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, v *ast.Value) {
		if v.Kind != ast.IntValue && v.Kind != ast.FloatValue {
			return
		}
		if _, err := v.Value(nil); err != nil {
			add(core.Message("The number is out of range."), core.At(v.Position))
		}
	})
}

// Prepare makes an operation of a request, and takes what it costs at most out of the caller's bucket. Its variables are
// read once it is known which of them it declares; where variables is nil they are those of params. The errors are to be
// shown as present does.
func (o *Operations) Prepare(ctx context.Context, params *graphql.RawParams, variables wire.Variables) (op *wire.Operation, errs gqlerror.List) {
	defer func() {
		if p := recover(); p != nil {
			op, errs = nil, refusal(o.config.Recover(ctx, p))
		}
	}()
	now := time.Now()
	b := o.bucket(ctx)
	// A request that is refused has its price as well.
	if err := b.Take(1, now); err != nil {
		return nil, refusal(unpaid(err))
	}
	opCtx := &graphql.OperationContext{
		OperationName:          params.OperationName,
		Extensions:             params.Extensions,
		Headers:                params.Headers,
		RecoverFunc:            o.config.Recover,
		ResolverMiddleware:     o.costs.Measure,
		RootResolverMiddleware: o.config.RootField,
		Stats:                  graphql.Stats{OperationStart: now, Read: params.ReadTime},
	}
	opCtx.Stats.Parsing.Start = now
	d, tokens, errs := o.document(ctx, params)
	if len(errs) > 0 {
		b.Charge(tokens/tokensPerCost, now)
		return nil, errs
	}
	opCtx.Doc, opCtx.RawQuery = d.AST, d.Text
	opCtx.Stats.Parsing.End = time.Now()
	opCtx.Stats.Validation.Start = opCtx.Stats.Parsing.End
	var err error
	if opCtx.Operation, err = choose(d.AST, params.OperationName); err != nil {
		return nil, refusal(err)
	}
	if variables != nil {
		params.Variables, err = variables(func(name string) bool { return opCtx.Operation.VariableDefinitions.ForName(name) != nil })
		if err != nil {
			return nil, refusal(err)
		}
	}
	if opCtx.Variables, err = validator.VariableValues(o.schema, opCtx.Operation, params.Variables); err != nil {
		// Of an enum the validator does not say what there is.
		if named := o.inputs.Variables(opCtx.Operation, params.Variables); named != nil {
			return nil, gqlerror.List{short(named)}
		}
		return nil, gqlerror.List{short(asGraphQL(err))}
	}
	if err := o.inputs.Variables(opCtx.Operation, opCtx.Variables); err != nil {
		return nil, gqlerror.List{short(err)}
	}
	if err := o.inputs.Lengths(opCtx.Operation, opCtx.Variables); err != nil {
		return nil, gqlerror.List{err}
	}
	opCtx.Stats.Validation.End = time.Now()

	cost := max(1, o.costs.Of(opCtx.Operation, opCtx.Variables))
	if cost > limit.MaxCost {
		return nil, refusal(apierror.New(apierror.TooComplex, "The operation costs %d, and may cost %d: ask for smaller pages, with "+
			"`first` and `limit`, or for less at a time.", cost, limit.MaxCost))
	}
	if err := b.Take(cost-1, now); err != nil {
		b.Refund(1, now)
		return nil, refusal(unpaid(err))
	}
	return &wire.Operation{OperationContext: opCtx, Requested: cost}, nil
}

// document finds or makes the document that a request asks for. Where it is refused, tokens is how much of it was read.
func (o *Operations) document(ctx context.Context, params *graphql.RawParams) (d *documents.Document, tokens int, errs gqlerror.List) {
	id, _ := params.Extensions["documentId"].(string)
	hash, err := persistedHash(params.Extensions)
	if err != nil {
		return nil, 0, refusal(err)
	}
	if o.trusted != nil {
		d, err := o.trustedDocument(cmp.Or(id, hash), params.Query)
		if err != nil {
			return nil, 0, refusal(err)
		}
		return d, 0, nil
	}

	_, known := auth.From(ctx)
	text := params.Query
	switch {
	case text == "" && hash != "" && !known:
		return nil, 0, refusal(documents.NotFound()) // they are kept for callers with a key
	case text == "" && hash != "":
		if text, err = o.persisted.Text(hash); err != nil {
			return nil, 0, refusal(err)
		}
	case text == "" && id != "":
		return nil, 0, refusal(apierror.BadRequest("There are no trusted documents here: send the document itself as query."))
	case text == "":
		return nil, 0, refusal(apierror.BadRequest("There is no document: send it as query."))
	case hash != "" && documents.Hash(text) != hash:
		return nil, 0, refusal(apierror.BadRequest("sha256Hash is not the SHA-256 of query, in hexadecimal."))
	}
	d, ok := o.cache.Get(text)
	if !ok {
		if d, tokens, errs = o.parse(text); len(errs) > 0 {
			return nil, tokens, errs
		}
		if known { // nobody else can push out what others need
			o.cache.Add(d)
		}
	}
	if known && hash != "" && params.Query != "" {
		o.persisted.Add(d.Text)
	}
	return d, 0, nil
}

// trustedDocument finds a trusted document, by its id or by its text.
func (o *Operations) trustedDocument(id, text string) (*documents.Document, error) {
	if id != "" {
		if d, ok := o.trusted.ByID(id); ok && (text == "" || text == d.Text) {
			return d, nil
		}
	} else if d, ok := o.trusted.ByText(text); ok {
		return d, nil
	}
	return nil, apierror.BadRequest("This is none of the documents that this server trusts, and it runs no others: send a trusted one's id.")
}

// persistedHash is the hash by which a request names its document in Apollo's way; empty where it does not.
func persistedHash(extensions map[string]any) (string, error) {
	given, ok := extensions["persistedQuery"]
	if !ok || given == nil {
		return "", nil
	}
	p, _ := given.(map[string]any)
	hash, ok := p["sha256Hash"].(string)
	if !ok || hash == "" {
		return "", apierror.BadRequest("extensions.persistedQuery must be an object with the document's sha256Hash.")
	}
	if v, ok := p["version"]; ok && fmt.Sprint(v) != "1" {
		return "", apierror.BadRequest("extensions.persistedQuery.version must be 1.")
	}
	return strings.ToLower(hash), nil
}

// parse makes a document of a text, if it is within all limits and valid. tokens is how many it has.
func (o *Operations) parse(text string) (d *documents.Document, tokens int, errs gqlerror.List) {
	tokens, refused := limit.Scan(text)
	if refused != nil {
		return nil, tokens, gqlerror.List{refused}
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, limit.MaxTokens)
	if err != nil {
		return nil, tokens, gqlerror.List{short(asGraphQL(err))}
	}
	if len(doc.Operations) == 0 {
		return nil, tokens, refusal(apierror.BadRequest("The document has no operation."))
	}
	if refused := limit.Shape(doc); refused != nil {
		return nil, tokens, gqlerror.List{refused}
	}
	if errs := o.validate(doc); len(errs) > 0 {
		return nil, tokens, errs
	}
	for _, op := range doc.Operations {
		if op.Operation == ast.Subscription {
			if err := oneRootField(op); err != nil {
				return nil, tokens, refusal(err)
			}
		}
	}
	return &documents.Document{Text: text, Tokens: tokens, AST: doc}, tokens, nil
}

// validate says what is wrong with a document, the first errors only, and puts the schema's definitions into it.
func (o *Operations) validate(doc *ast.QueryDocument) gqlerror.List {
	var errs gqlerror.List
	observers := &core.Events{}
	for _, rule := range o.rules {
		rule.RuleFunc(observers, func(options ...core.ErrorOption) {
			if len(errs) == maxErrors {
				return
			}
			err := &gqlerror.Error{Rule: rule.Name}
			for _, option := range options {
				option(err)
			}
			errs = append(errs, short(err))
		})
	}
	core.Walk(o.schema, doc, observers)
	return errs
}

// choose finds the operation to run.
func choose(doc *ast.QueryDocument, name string) (*ast.OperationDefinition, error) {
	if name == "" && len(doc.Operations) > 1 {
		return nil, apierror.BadRequest("The document has %d operations: say in operationName which one.", len(doc.Operations))
	}
	op := doc.Operations.ForName(name)
	if op == nil {
		return nil, apierror.BadRequest("The document has no operation with the name in operationName.")
	}
	return op, nil
}

// oneRootField refuses a subscription that could have more than one stream of events, or none.
func oneRootField(op *ast.OperationDefinition) error {
	names := map[string]bool{}
	var conditional bool
	var walk func(set ast.SelectionSet)
	note := func(directives ast.DirectiveList) {
		conditional = conditional || directives.ForName("skip") != nil || directives.ForName("include") != nil
	}
	walk = func(set ast.SelectionSet) {
		for _, selection := range set {
			switch s := selection.(type) {
			case *ast.Field:
				note(s.Directives)
				names[s.Alias] = true
			case *ast.InlineFragment:
				note(s.Directives)
				walk(s.SelectionSet)
			case *ast.FragmentSpread:
				note(s.Directives)
				walk(s.Definition.SelectionSet)
			}
		}
	}
	walk(op.SelectionSet)
	switch {
	case len(names) != 1:
		return apierror.BadRequest("A subscription has one field at its root: open one for each.")
	case conditional:
		return apierror.BadRequest("A subscription's root field can be neither skipped nor included: leave @skip and @include out.")
	}
	return nil
}

// guessCost is what a key or token that lets nobody in costs the address that it comes from.
const guessCost = 5

// guarded lets somebody in by authenticate, while the bucket of the address pays for those that are not let in. What was
// seen before is no guess, and is not refused because others guess from the same address.
func (o *Operations) guarded(ctx context.Context, seen bool, authenticate func() (auth.Caller, error)) (auth.Caller, error) {
	now := time.Now()
	b := o.config.Door.OfAddress(edge.ClientAddress(ctx))
	if !seen {
		if short, ok := errors.AsType[*edge.Refusal](b.Take(guessCost, now)); ok {
			err := apierror.New(apierror.RateLimited, "Too much came from your address that lets nobody in, or without a key: it may still "+
				"spend %d, and %v a second come back. Try again later.", short.Available, short.Restore)
			err.RetryAfter = short.Wait
			return auth.Caller{}, err
		}
	}
	caller, err := authenticate()
	known, _ := errors.AsType[*apierror.Error](err)
	switch denied := known != nil && known.Code == apierror.Unauthenticated; {
	case denied && seen:
		b.Charge(guessCost, now)
	case !denied && !seen:
		b.Refund(guessCost, now)
	}
	return caller, err
}

// Pay takes points out of the caller's bucket for what is about to be read. The error is RATE_LIMITED where they are not
// there.
func (o *Operations) Pay(ctx context.Context, points int) error {
	return unpaid(o.bucket(ctx).Take(points, time.Now()))
}

// Meter returns a context for one execution, in which what it costs is counted.
func (o *Operations) Meter(ctx context.Context) context.Context {
	ctx, m := limit.WithMeter(ctx, limit.MaxAnswer)
	return spending(ctx, m)
}

// EventMeter returns a context for the execution of one event of a subscription.
func (o *Operations) EventMeter(ctx context.Context) (context.Context, *limit.Meter) {
	ctx, m := limit.WithMeter(ctx, limit.MaxEvent)
	return spending(ctx, m), m
}

func spending(ctx context.Context, m *limit.Meter) context.Context {
	if blind(ctx) {
		return rate.WithBlind(ctx, m.Spend, m.Hidden)
	}
	return rate.WithSpender(ctx, m.Spend, false)
}

// Spending returns a context whose caller pays for what a subscription looks at, for as long as it lasts. A caller who owes
// as much as the bucket holds gets no more, with RATE_LIMITED: what is charged only while it is done cannot be refused
// before.
func (o *Operations) Spending(ctx context.Context) context.Context {
	b := o.bucket(ctx)
	if b == (edge.Bucket{}) {
		return ctx
	}
	return rate.WithSpender(ctx, func(n int) error { return unpaid(b.Spend(n)) }, blind(ctx))
}

// blind reports whether there is more than the caller may see.
func blind(ctx context.Context) bool { return !auth.Narrowed(ctx).IsZero() }

// Cost is what an operation cost, and what is left to its caller.
type Cost struct {
	// Requested is what it was reckoned to cost before it ran.
	Requested int `json:"requested"`
	// Actual is what it did cost: more where there was more to read and to fold.
	Actual int `json:"actual"`
	// Available is what the caller may still spend now.
	Available int `json:"available"`
	// RestoreRate is how much of it comes back a second.
	RestoreRate float64 `json:"restoreRate"`
}

// Settle gives the caller back what an operation did not need, or charges what it needed besides, once it was executed with
// a context from Meter.
func (o *Operations) Settle(ctx context.Context, op *wire.Operation) *Cost {
	c := &Cost{Requested: op.Requested, Actual: op.Requested}
	if m := limit.MeterOf(ctx); m != nil {
		c.Actual = max(1, m.Cost())
	}
	b, now := o.bucket(ctx), time.Now()
	b.Charge(c.Actual-op.Requested, now)
	s := b.Refund(max(0, op.Requested-c.Actual), now)
	c.Available, c.RestoreRate = s.Available, s.Restore
	return c
}

// bucket is what a caller spends from. The program itself, which has no key, has none either.
func (o *Operations) bucket(ctx context.Context) edge.Bucket {
	caller, ok := auth.From(ctx)
	switch {
	case !ok:
		return o.config.Door.OfAddress(edge.ClientAddress(ctx))
	case caller.Key == uuid.Nil:
		return edge.Bucket{}
	}
	return o.config.Door.OfKey(caller.Key)
}

// bucketOf names the bucket that a caller spends from.
func bucketOf(ctx context.Context) string {
	if caller, ok := auth.From(ctx); ok {
		return "key " + caller.Key.String()
	}
	return "address " + edge.Network(edge.ClientAddress(ctx)).String()
}

// unpaid says why a bucket pays for no more; nil stays nil.
func unpaid(err error) error {
	short, ok := errors.AsType[*edge.Refusal](err)
	if !ok {
		return err
	}
	said := apierror.New(apierror.RateLimited, "Too much was asked for in too short a time: what may still be spent is %d, and %v a second "+
		"come back. Try again later, or ask for less.", short.Available, short.Restore)
	if short.Why == edge.Overdrawn {
		said = apierror.New(apierror.RateLimited, "This looks at more than may be spent: ask for less at a time, of fewer campaigns or days, or try again later.")
	}
	said.RetryAfter = short.Wait
	return said
}

// refusal is a list of one error, which present knows what to say about.
func refusal(err error) gqlerror.List { return gqlerror.List{gqlerror.Wrap(err)} }

// asGraphQL is what the parser or the validator says.
func asGraphQL(err error) *gqlerror.Error {
	if e, ok := errors.AsType[*gqlerror.Error](err); ok {
		return e
	}
	return &gqlerror.Error{Message: err.Error()} // of a variable's default value
}

// short cuts a message that repeats what was sent.
func short(err *gqlerror.Error) *gqlerror.Error {
	if len(err.Message) > maxMessage {
		err.Message = strings.ToValidUTF8(err.Message[:maxMessage], "") + " …"
	}
	return err
}

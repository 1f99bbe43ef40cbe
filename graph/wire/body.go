package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
)

// refusal says that a request is none that could be executed.
type refusal struct {
	// status is that of the response.
	status int
	// allow, where not empty, is what methods would have done.
	allow string
	err   *apierror.Error
}

// Error is the message that callers see.
func (r *refusal) Error() string { return r.err.Error() }

// Unwrap is the error that callers see.
func (r *refusal) Unwrap() error { return r.err }

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status: status, err: apierror.BadRequest(format, args...)}
}

// Variables reads the variables that a request brought, once it is known which of them the operation declares: nothing is
// made of the others. The error says that there are others, or that there is no room or nothing left to pay with.
type Variables func(declared func(name string) bool) (map[string]any, error)

// asked is a request as far as it was read: its variables have been looked through, and nothing was made of them.
type asked struct {
	params *graphql.RawParams
	// variables is their JSON; nil where there are none. It is part of what the request was read from.
	variables []byte
	// weight is about how many bytes they will take in memory.
	weight int
}

// read makes the variables. in, where not nil, has to have room for them.
func (a *asked) read(in *edge.Intake) Variables {
	if a.variables == nil {
		return func(func(string) bool) (map[string]any, error) { return nil, nil }
	}
	return func(declared func(string) bool) (map[string]any, error) {
		if err := hold(in, a.weight); err != nil {
			return nil, err
		}
		p := parser{data: a.variables}
		return p.object(func(name string) (any, error) {
			if !declared(name) {
				return nil, undeclared(name)
			}
			return p.value()
		})
	}
}

var variableName = regexp.MustCompile(`^[_A-Za-z][_0-9A-Za-z]{0,63}$`)

// undeclared refuses a variable. What cannot be the name of one is not repeated.
func undeclared(name string) error {
	if variableName.MatchString(name) {
		return apierror.BadRequest("The operation declares no variable $%s: declare it, or leave it out of variables.", name)
	}
	return apierror.BadRequest("The operation does not declare a variable of those in variables: declare it, or leave it out.")
}

// parseParams reads a request: one JSON object. All JSON in it is read strictly: no key twice, nothing after its end.
// Numbers become json.Number. The error is a refusal, and repeats nothing of what was sent; or in has no room.
func parseParams(data []byte, l Limits, in *edge.Intake) (*asked, error) {
	if !utf8.Valid(data) {
		return nil, refuse(http.StatusBadRequest, "The request is not UTF-8.")
	}
	p := newParser(data, l)
	switch p.skip(); p.peek() {
	case '{':
	case '[':
		return nil, refuse(http.StatusBadRequest, "Batches are not supported: send one operation a request, as a JSON object.")
	case 0:
		return nil, refuse(http.StatusBadRequest, "The request is empty: send a JSON object with the document as query.")
	default:
		return nil, refuse(http.StatusBadRequest, "The request must be a JSON object with the document as query.")
	}
	m, err := p.request()
	if err != nil {
		return nil, err
	}
	p.skip()
	switch {
	case p.pos != len(data):
		return nil, p.fail("something follows the object")
	case len(data)-len(m["variables"].json) > l.Envelope:
		return nil, refuse(http.StatusRequestEntityTooLarge,
			"The request may have %d bytes besides its variables: put data into variables.", l.Envelope)
	}
	if err := in.Pay(p.counted / valuesPerPoint); err != nil {
		return nil, err
	}
	return m.params(in)
}

// members are those of a request that mean something, by their names, with what is not there left out.
type members map[string]member

// member is the JSON of a value that was looked through.
type member struct {
	json []byte
	// weight is about how many bytes it would take in memory.
	weight int
}

// isNull reports whether it is not there, or null.
func (m member) isNull() bool { return m.json == nil || m.json[0] == 'n' }

// meant are the members of a request that mean something, and, of a socket's connection_init, those of its payload.
var meant = []string{"query", "operationName", "documentId", "variables", "extensions", "Authorization", "authorization", "accessToken"}

// request looks the object through that begins here.
func (p *parser) request() (members, error) {
	m := members{}
	err := p.pass(func(key []byte) error {
		start, before := p.pos, p.weight
		err := p.over()
		if i := slices.IndexFunc(meant, func(name string) bool { return name == string(key) }); i >= 0 {
			m[meant[i]] = member{p.data[start:p.pos], p.weight - before}
		}
		return err
	})
	return m, err
}

// text makes a member's text; empty where it is not there.
func (m members) text(name string) (string, error) {
	switch {
	case m[name].isNull():
		return "", nil
	case m[name].json[0] != '"':
		return "", refuse(http.StatusBadRequest, "%s must be a string.", name)
	}
	p := parser{data: m[name].json}
	return p.text()
}

// params makes a request of its members, whose types it checks.
func (m members) params(in *edge.Intake) (_ *asked, err error) {
	a := &asked{params: &graphql.RawParams{}}
	if a.params.Query, err = m.text("query"); err != nil {
		return nil, err
	}
	if a.params.OperationName, err = m.text("operationName"); err != nil {
		return nil, err
	}
	for _, name := range []string{"variables", "extensions"} {
		if !m[name].isNull() && m[name].json[0] != '{' {
			return nil, refuse(http.StatusBadRequest, "%s must be a JSON object.", name)
		}
	}
	if v := m["variables"]; !v.isNull() {
		a.variables, a.weight = v.json, v.weight
	}
	if e := m["extensions"]; !e.isNull() {
		if err := hold(in, e.weight); err != nil { // as if all of them were made
			return nil, err
		}
		if a.params.Extensions, err = extensions(e.json); err != nil {
			return nil, err
		}
	}
	id, err := m.text("documentId")
	if err != nil {
		return nil, err
	}
	if !m["documentId"].isNull() {
		if a.params.Extensions == nil {
			a.params.Extensions = map[string]any{}
		}
		a.params.Extensions["documentId"] = id
	}
	if m["query"].isNull() && a.params.Extensions["persistedQuery"] == nil && a.params.Extensions["documentId"] == nil {
		return nil, refuse(http.StatusBadRequest, "query is missing: it must be a string with a GraphQL document.")
	}
	return a, nil
}

// extensions makes those that mean something here, of what was looked through.
func extensions(data []byte) (map[string]any, error) {
	made := map[string]any{}
	p := parser{data: data, depth: math.MaxInt, values: math.MaxInt, names: math.MaxInt, most: math.MaxInt}
	err := p.pass(func(key []byte) (err error) {
		if name := string(key); name == "persistedQuery" || name == "documentId" {
			made[name], err = p.value()
			return err
		}
		return p.over()
	})
	return made, err
}

// parseQuery reads a request from the parameters of a URL, of which those that are none of its own are left alone.
func parseQuery(raw string, l Limits, in *edge.Intake) (*asked, error) {
	m := members{}
	values := 0
	for _, name := range []string{"query", "operationName", "documentId", "variables", "extensions"} {
		text, there, err := parameter(raw, name)
		switch {
		case err != nil:
			return nil, err
		case !there:
			continue
		case !utf8.ValidString(text):
			return nil, refuse(http.StatusBadRequest, "%s is not UTF-8.", name)
		}
		if name != "variables" && name != "extensions" {
			quoted, err := json.Marshal(text)
			if err != nil {
				return nil, refuse(http.StatusBadRequest, "%s is no text.", name)
			}
			m[name] = member{json: quoted}
			continue
		}
		if text == "" {
			continue
		}
		p := newParser([]byte(text), l)
		p.skip()
		start := p.pos
		if err := p.over(); err != nil {
			return nil, err
		}
		m[name] = member{p.data[start:p.pos], p.weight}
		if p.skip(); p.pos != len(p.data) {
			return nil, p.fail("something follows the object")
		}
		values += p.counted
	}
	if err := in.Pay(values / valuesPerPoint); err != nil {
		return nil, err
	}
	return m.params(in)
}

// parameter finds one of a URL's parameters, and makes nothing of the others.
func parameter(raw, name string) (value string, there bool, err error) {
	for one := range strings.SplitSeq(raw, "&") {
		key, text, _ := strings.Cut(one, "=")
		if key != name {
			if !strings.ContainsAny(key, "%+") {
				continue
			}
			if plain, err := url.QueryUnescape(key); err != nil || plain != name {
				continue
			}
		}
		if there {
			return "", true, refuse(http.StatusBadRequest, "%s is there more than once.", name)
		}
		there = true
		if value, err = url.QueryUnescape(text); err != nil {
			return "", true, refuse(http.StatusBadRequest, "The URL's parameters are not encoded as they should be.")
		}
	}
	return value, there, nil
}

// without is a URL's parameters but one.
func without(raw, name string) string {
	var rest []string
	for one := range strings.SplitSeq(raw, "&") {
		if _, there, _ := parameter(one, name); !there {
			rest = append(rest, one)
		}
	}
	return strings.Join(rest, "&")
}

// parser reads JSON in UTF-8: first it looks through it as strictly as there is, and says what it would take, and then it
// makes of it what is wanted.
type parser struct {
	data []byte
	pos  int
	// depth and values are how many more levels and values there may be, names how many one object may have, and most what
	// everything may weigh.
	depth, values, names, most int
	// counted is how many values there were, weight about how many bytes they would take in memory.
	counted, weight int
}

// What values take in memory, in bytes, as measured: an object, with up to eight members; each further one; a list;
// each of its elements; and a text or a number, besides its own bytes.
const (
	objectWeight, memberWeight = 320, 72
	listWeight, elementWeight  = 40, 32
	textWeight                 = 24
)

func newParser(data []byte, l Limits) *parser {
	return &parser{data: data, depth: l.Depth, values: l.Values, names: l.Names, most: l.Weight}
}

// fail says what is wrong where the parser stands, without repeating it.
func (p *parser) fail(what string) error {
	return refuse(http.StatusBadRequest, "The request is not the JSON that it should be: at byte %d, %s.", p.pos, what)
}

// skip passes over white space.
func (p *parser) skip() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// peek is the next byte; 0 at the end, which is none that JSON may have.
func (p *parser) peek() byte {
	if p.pos == len(p.data) {
		return 0
	}
	return p.data[p.pos]
}

// over looks the value through that begins here.
func (p *parser) over() error {
	p.counted++
	if p.values--; p.values < 0 || p.weight > p.most {
		return refuse(http.StatusRequestEntityTooLarge, "The request has too many values: send it in several.")
	}
	start := p.pos
	switch c := p.peek(); c {
	case '{':
		return p.pass(func([]byte) error { return p.over() })
	case '[':
		return p.passList()
	case '"':
		_, err := p.passText(false)
		p.weight += textWeight + p.pos - start
		return err
	case 't':
		return p.literal("true")
	case 'f':
		return p.literal("false")
	case 'n':
		return p.literal("null")
	default:
		if c == '-' || isDigit(c) {
			err := p.number()
			p.weight += textWeight + p.pos - start
			return err
		}
		return p.fail("a value is missing")
	}
}

// enter goes a level down, from which the caller must come back.
func (p *parser) enter() error {
	if p.depth--; p.depth < 0 {
		return p.fail("it nests too deep")
	}
	p.pos++
	p.skip()
	return nil
}

// fewNames is how many names of an object are compared one by one.
const fewNames = 16

// pass looks the object through that begins here; over looks the value of each member through.
func (p *parser) pass(over func(key []byte) error) error {
	if err := p.enter(); err != nil {
		return err
	}
	var few [fewNames][]byte
	var many map[string]struct{}
	n := 0
	p.weight += objectWeight
	for p.peek() != '}' || n > 0 {
		if p.peek() != '"' {
			return p.fail("a key in double quotes is missing")
		}
		key, err := p.passText(true)
		if err != nil {
			return err
		}
		twice := slices.ContainsFunc(few[:min(n, fewNames)], func(other []byte) bool { return bytes.Equal(key, other) })
		switch {
		case n < fewNames:
			few[n] = key
		case n == p.names:
			return refuse(http.StatusRequestEntityTooLarge, "One JSON object may have %d members.", p.names)
		default:
			if many == nil {
				many = map[string]struct{}{}
			}
			_, known := many[string(key)]
			twice = twice || known
			many[string(key)] = struct{}{}
		}
		if n++; n > 8 {
			p.weight += memberWeight
		}
		p.weight += len(key)
		if twice {
			return p.fail("a key is there twice in one object")
		}
		if p.skip(); p.peek() != ':' {
			return p.fail("a colon is missing")
		}
		p.pos++
		p.skip()
		if err := over(key); err != nil {
			return err
		}
		if p.skip(); p.peek() == '}' {
			break
		}
		if p.peek() != ',' {
			return p.fail("a comma or the object's end is missing")
		}
		p.pos++
		p.skip()
	}
	p.pos++
	p.depth++
	return nil
}

func (p *parser) passList() error {
	if err := p.enter(); err != nil {
		return err
	}
	p.weight += listWeight
	for n := 0; p.peek() != ']' || n > 0; n++ {
		if err := p.over(); err != nil {
			return err
		}
		p.weight += elementWeight
		if p.skip(); p.peek() == ']' {
			break
		}
		if p.peek() != ',' {
			return p.fail("a comma or the list's end is missing")
		}
		p.pos++
		p.skip()
	}
	p.pos++
	p.depth++
	return nil
}

// passText looks the text through that begins here. With keep it gives what it says, for which it makes something only
// where there are escapes.
func (p *parser) passText(keep bool) ([]byte, error) {
	start := p.pos + 1
	for p.pos++; p.pos < len(p.data); p.pos++ {
		switch c := p.data[p.pos]; {
		case c == '"':
			p.pos++
			return p.data[start : p.pos-1], nil
		case c == '\\':
			return p.escaped(slices.Clip(p.data[start:p.pos]), keep)
		case c < ' ':
			return nil, p.fail("a string has a control character that is not escaped")
		}
	}
	return nil, p.fail("a string does not end")
}

// value makes the value that begins here, and that was looked through.
func (p *parser) value() (any, error) {
	start := p.pos
	switch p.peek() {
	case '{':
		return p.object(func(string) (any, error) { return p.value() })
	case '[':
		return p.list()
	case '"':
		return p.text()
	case 't':
		return true, p.literal("true")
	case 'f':
		return false, p.literal("false")
	case 'n':
		return nil, p.literal("null")
	default:
		err := p.number()
		return json.Number(p.data[start:p.pos]), err
	}
}

// object makes the object that begins here, and that was looked through; read makes the value of each member.
func (p *parser) object(read func(key string) (any, error)) (map[string]any, error) {
	object := map[string]any{}
	for p.next('}') {
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		p.skip()
		p.pos++ // the colon
		p.skip()
		if object[key], err = read(key); err != nil {
			return nil, err
		}
	}
	return object, nil
}

func (p *parser) list() (any, error) {
	list := []any{}
	for p.next(']') {
		element, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, element)
	}
	return list, nil
}

// next goes on to what is next in an object or a list that was looked through, and reports whether there is something.
func (p *parser) next(end byte) bool {
	if p.skip(); p.peek() != end {
		p.pos++ // what it begins with, or a comma
		p.skip()
	}
	if p.peek() != end {
		return true
	}
	p.pos++
	return false
}

// text makes the text that begins here.
func (p *parser) text() (string, error) {
	text, err := p.passText(true)
	return string(text), err
}

func (p *parser) literal(word string) error {
	if len(p.data)-p.pos < len(word) || string(p.data[p.pos:p.pos+len(word)]) != word {
		return p.fail("a value is missing")
	}
	p.pos += len(word)
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (p *parser) digits() bool {
	start := p.pos
	for isDigit(p.peek()) {
		p.pos++
	}
	return p.pos > start
}

func (p *parser) number() error {
	if p.peek() == '-' {
		p.pos++
	}
	ok := true
	if p.peek() == '0' {
		p.pos++
	} else {
		ok = p.digits()
	}
	if ok && p.peek() == '.' {
		p.pos++
		ok = p.digits()
	}
	if c := p.peek(); ok && (c == 'e' || c == 'E') {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		ok = p.digits()
	}
	if !ok {
		return p.fail("a digit is missing")
	}
	return nil
}

// escaped reads the rest of a string from its first backslash on.
func (p *parser) escaped(text []byte, keep bool) ([]byte, error) {
	add := func(r rune) {
		if keep {
			text = utf8.AppendRune(text, r)
		}
	}
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		p.pos++
		switch {
		case c == '"':
			return text, nil
		case c < ' ':
			return nil, p.fail("a string has a control character that is not escaped")
		case c != '\\':
			if keep {
				text = append(text, c)
			}
			continue
		}
		c = p.peek()
		p.pos++
		switch c {
		case '"', '\\', '/':
			add(rune(c))
		case 'b':
			add('\b')
		case 'f':
			add('\f')
		case 'n':
			add('\n')
		case 'r':
			add('\r')
		case 't':
			add('\t')
		case 'u':
			r, ok := p.hex()
			if !ok {
				return nil, p.fail("four hexadecimal digits are missing")
			}
			add(p.pair(r))
		default:
			p.pos = min(p.pos, len(p.data)) // at the end there was nothing to pass over
			return nil, p.fail("a string has an escape that there is not")
		}
	}
	return nil, p.fail("a string does not end")
}

// pair makes one character of both halves of a surrogate pair. A half alone, which clients get by cutting texts, becomes
// U+FFFD, as with encoding/json.
func (p *parser) pair(r rune) rune {
	if !utf16.IsSurrogate(r) {
		return r
	}
	if len(p.data)-p.pos >= 6 && p.data[p.pos] == '\\' && p.data[p.pos+1] == 'u' {
		back := p.pos
		p.pos += 2
		if low, ok := p.hex(); ok {
			if whole := utf16.DecodeRune(r, low); whole != utf8.RuneError {
				return whole
			}
		}
		p.pos = back
	}
	return utf8.RuneError
}

func (p *parser) hex() (rune, bool) {
	if len(p.data)-p.pos < 4 {
		return 0, false
	}
	for _, c := range p.data[p.pos : p.pos+4] {
		if !isDigit(c) && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(p.data[p.pos:p.pos+4]), 16, 16)
	p.pos += 4
	return rune(n), err == nil
}

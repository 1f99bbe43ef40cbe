package wire

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/zeroten/zeroten/internal/apierror"
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

// parseParams reads a request: one JSON object. All JSON in it is read strictly: no key twice, nothing after its end.
// Numbers become json.Number. The error is a refusal, and repeats nothing of what was sent.
func parseParams(data []byte, l Limits) (*graphql.RawParams, error) {
	if !utf8.Valid(data) {
		return nil, refuse(http.StatusBadRequest, "The request is not UTF-8.")
	}
	p := parser{data: data, depth: l.Depth, values: l.Values}
	switch p.skip(); p.peek() {
	case '{':
	case '[':
		return nil, refuse(http.StatusBadRequest, "Batches are not supported: send one operation a request, as a JSON object.")
	case 0:
		return nil, refuse(http.StatusBadRequest, "The request is empty: send a JSON object with the document as query.")
	default:
		return nil, refuse(http.StatusBadRequest, "The request must be a JSON object with the document as query.")
	}
	variables := 0
	members, err := p.object(func(key string) (any, error) {
		start := p.pos
		value, err := p.value()
		if key == "variables" {
			variables = p.pos - start
		}
		return value, err
	})
	if err != nil {
		return nil, err
	}
	p.skip()
	switch {
	case p.pos != len(data):
		return nil, p.fail("something follows the object")
	case len(data)-variables > l.Envelope:
		return nil, refuse(http.StatusRequestEntityTooLarge,
			"The request may have %d bytes besides its variables: put data into variables.", l.Envelope)
	}
	return params(members)
}

// params makes a request of its members, whose types it checks.
func params(members map[string]any) (*graphql.RawParams, error) {
	params := &graphql.RawParams{}
	for _, text := range []struct {
		name string
		into *string
	}{{"query", &params.Query}, {"operationName", &params.OperationName}} {
		var ok bool
		if *text.into, ok = members[text.name].(string); !ok && members[text.name] != nil {
			return nil, refuse(http.StatusBadRequest, "%s must be a string.", text.name)
		}
	}
	for _, object := range []struct {
		name string
		into *map[string]any
	}{{"variables", &params.Variables}, {"extensions", &params.Extensions}} {
		var ok bool
		if *object.into, ok = members[object.name].(map[string]any); !ok && members[object.name] != nil {
			return nil, refuse(http.StatusBadRequest, "%s must be a JSON object.", object.name)
		}
	}
	switch id := members["documentId"].(type) {
	case nil:
	case string:
		if params.Extensions == nil {
			params.Extensions = map[string]any{}
		}
		params.Extensions["documentId"] = id
	default:
		return nil, refuse(http.StatusBadRequest, "documentId must be a string.")
	}
	if members["query"] == nil && params.Extensions["persistedQuery"] == nil && params.Extensions["documentId"] == nil {
		return nil, refuse(http.StatusBadRequest, "query is missing: it must be a string with a GraphQL document.")
	}
	return params, nil
}

// parseQuery reads a request from the parameters of a URL, of which those that are none of its own are left alone.
func parseQuery(raw string, l Limits) (*graphql.RawParams, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "The URL's parameters are not encoded as they should be.")
	}
	members := map[string]any{}
	for _, name := range []string{"query", "operationName", "documentId", "variables", "extensions"} {
		given := values[name]
		switch {
		case len(given) > 1:
			return nil, refuse(http.StatusBadRequest, "%s is there more than once.", name)
		case len(given) == 0:
			continue
		case !utf8.ValidString(given[0]):
			return nil, refuse(http.StatusBadRequest, "%s is not UTF-8.", name)
		}
		if name != "variables" && name != "extensions" {
			members[name] = given[0]
			continue
		}
		if given[0] == "" {
			continue
		}
		p := parser{data: []byte(given[0]), depth: l.Depth, values: l.Values}
		p.skip()
		if members[name], err = p.value(); err != nil {
			return nil, err
		}
		if p.skip(); p.pos != len(p.data) {
			return nil, p.fail("something follows the object")
		}
	}
	return params(members)
}

// parser reads JSON in UTF-8.
type parser struct {
	data []byte
	pos  int
	// depth and values are how many more levels and values there may be.
	depth, values int
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

// value reads a value that begins here.
func (p *parser) value() (any, error) {
	if p.values--; p.values < 0 {
		return nil, refuse(http.StatusRequestEntityTooLarge, "The request has too many values: send it in several.")
	}
	switch c := p.peek(); c {
	case '{':
		return p.object(func(string) (any, error) { return p.value() })
	case '[':
		return p.array()
	case '"':
		return p.text()
	case 't':
		return true, p.literal("true")
	case 'f':
		return false, p.literal("false")
	case 'n':
		return nil, p.literal("null")
	default:
		if c == '-' || isDigit(c) {
			return p.number()
		}
		return nil, p.fail("a value is missing")
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

// members reads the object that begins here; read reads the value of each member.
func (p *parser) members(read func(key string) error) error {
	_, err := p.object(func(key string) (any, error) { return nil, read(key) })
	return err
}

// object makes a map of the object that begins here; read reads the value of each member.
func (p *parser) object(read func(key string) (any, error)) (map[string]any, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	object := map[string]any{}
	for p.peek() != '}' || len(object) > 0 {
		if p.peek() != '"' {
			return nil, p.fail("a key in double quotes is missing")
		}
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		if _, twice := object[key]; twice {
			return nil, p.fail("a key is there twice in one object")
		}
		if p.skip(); p.peek() != ':' {
			return nil, p.fail("a colon is missing")
		}
		p.pos++
		p.skip()
		if object[key], err = read(key); err != nil {
			return nil, err
		}
		if p.skip(); p.peek() == '}' {
			break
		}
		if p.peek() != ',' {
			return nil, p.fail("a comma or the object's end is missing")
		}
		p.pos++
		p.skip()
	}
	p.pos++
	p.depth++
	return object, nil
}

func (p *parser) array() (any, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	array := []any{}
	for p.peek() != ']' || len(array) > 0 {
		element, err := p.value()
		if err != nil {
			return nil, err
		}
		array = append(array, element)
		if p.skip(); p.peek() == ']' {
			break
		}
		if p.peek() != ',' {
			return nil, p.fail("a comma or the list's end is missing")
		}
		p.pos++
		p.skip()
	}
	p.pos++
	p.depth++
	return array, nil
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

func (p *parser) number() (any, error) {
	start := p.pos
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
		return nil, p.fail("a digit is missing")
	}
	return json.Number(p.data[start:p.pos]), nil
}

// text reads the string that begins here.
func (p *parser) text() (string, error) {
	p.pos++
	start := p.pos
	for ; p.pos < len(p.data); p.pos++ {
		switch c := p.data[p.pos]; {
		case c == '"':
			p.pos++
			return string(p.data[start : p.pos-1]), nil
		case c == '\\':
			return p.escaped(append([]byte(nil), p.data[start:p.pos]...))
		case c < ' ':
			return "", p.fail("a string has a control character that is not escaped")
		}
	}
	return "", p.fail("a string does not end")
}

// escaped reads the rest of a string from its first backslash on.
func (p *parser) escaped(text []byte) (string, error) {
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		p.pos++
		switch {
		case c == '"':
			return string(text), nil
		case c < ' ':
			return "", p.fail("a string has a control character that is not escaped")
		case c != '\\':
			text = append(text, c)
			continue
		}
		c = p.peek()
		p.pos++
		switch c {
		case '"', '\\', '/':
			text = append(text, c)
		case 'b':
			text = append(text, '\b')
		case 'f':
			text = append(text, '\f')
		case 'n':
			text = append(text, '\n')
		case 'r':
			text = append(text, '\r')
		case 't':
			text = append(text, '\t')
		case 'u':
			r, ok := p.hex()
			if !ok {
				return "", p.fail("four hexadecimal digits are missing")
			}
			text = utf8.AppendRune(text, p.pair(r))
		default:
			p.pos = min(p.pos, len(p.data)) // at the end there was nothing to pass over
			return "", p.fail("a string has an escape that there is not")
		}
	}
	return "", p.fail("a string does not end")
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

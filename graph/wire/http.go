package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/edge"
)

// The media types of results.
const (
	mediaJSON    = "application/json"
	mediaGraphQL = "application/graphql-response+json"
	mediaStream  = "text/event-stream"
)

// accepted is what a client takes for an answer.
type accepted struct {
	// media is what it likes best of what there is; empty where it takes none of it.
	media string
	// stream says that it takes event streams, too.
	stream bool
}

// maxRanges is how many media ranges of an Accept header are read.
const maxRanges = 64

// parseAccept reads Accept headers. Of what is liked equally, what is named outright comes before what a wildcard
// matches, then what is named first; without a wish it is JSON. Wildcards do not ask for event streams.
func parseAccept(fields []string) accepted {
	header := strings.Join(fields, ",")
	if strings.TrimSpace(header) == "" {
		return accepted{media: mediaJSON}
	}
	// What each medium got from the most specific range that matches it.
	type rating struct {
		specific, position int
		q                  float64
	}
	ratings := map[string]rating{}
	for position, text := range splitList(header) {
		kind, parameters, err := mime.ParseMediaType(text)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := parameters["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
			continue
		}
		matches, specific := []string{kind}, 3
		switch kind {
		case "*/*", "*":
			matches, specific = []string{mediaJSON, mediaGraphQL}, 1
		case "application/*":
			matches, specific = []string{mediaJSON, mediaGraphQL}, 2
		}
		for _, media := range matches {
			if r, ok := ratings[media]; !ok || specific > r.specific || specific == r.specific && q > r.q {
				ratings[media] = rating{specific, position, q}
			}
		}
	}
	var a accepted
	var best rating
	for _, media := range []string{mediaJSON, mediaGraphQL, mediaStream} {
		r := ratings[media]
		if r.q > 0 && (r.q > best.q || r.q == best.q && (r.specific > best.specific ||
			r.specific == best.specific && r.position < best.position)) {
			a.media, best = media, r
		}
	}
	a.stream = ratings[mediaStream].q > 0
	return a
}

// splitList splits a header's list at the commas that are not in quotes.
func splitList(header string) []string {
	var list []string
	start, quoted := 0, false
	for i := 0; i < len(header) && len(list) < maxRanges; i++ {
		switch c := header[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			list, start = append(list, header[start:i]), i+1
		}
	}
	if len(list) < maxRanges {
		list = append(list, header[start:])
	}
	return list
}

// exchange is a request and what becomes of it.
type exchange struct {
	h     *Handler
	w     http.ResponseWriter
	r     *http.Request
	began time.Time
	accepted
	// ctx has the caller, once known.
	ctx    context.Context
	secret string
	// address is where it came from, once read has begun to take it.
	address edge.Holder
	// in is what it takes while it is read and answered.
	in *edge.Intake
	// unread says that there is a body, and that it was not read to its end.
	unread bool
	// protocol, op and code are for whoever observes.
	protocol string
	op       *Operation
	code     string
	// observed says that somebody else tells of the operation once it is over.
	observed bool
}

// serveRequest serves what is no socket.
func (h *Handler) serveRequest(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(h.arrive(r), h.limits.Timeout)
	defer cancel()
	x := &exchange{h: h, w: w, r: r, began: time.Now(), ctx: ctx, protocol: "http", accepted: parseAccept(r.Header.Values("Accept"))}
	if x.media == mediaStream {
		x.protocol = "sse"
	}
	defer func() {
		x.in.Done()
		if x.observed {
			return
		}
		h.observe(x.ctx, Observation{Protocol: x.protocol, Operation: x.op, Code: x.code, Took: time.Since(x.began)})
	}()
	op, errs, err := x.begin()
	if err != nil {
		x.refuse(err)
		return
	}
	if len(errs) > 0 {
		x.answerErrors(errs, x.media == mediaJSON)
		return
	}
	x.op = op
	kind := op.Operation.Operation
	switch {
	case kind == ast.Mutation && r.Method == http.MethodGet:
		err := refuse(http.StatusMethodNotAllowed, "A GET may only run queries: send mutations by POST.")
		err.allow = http.MethodPost
		x.refuse(err)
	case kind == ast.Subscription && !x.stream:
		x.refuse(refuse(http.StatusNotAcceptable,
			"A subscription needs `Accept: text/event-stream`, or a WebSocket with the sub-protocol graphql-transport-ws."))
	case kind == ast.Subscription:
		x.protocol = "sse"
		x.subscribe(op, cancel)
	case x.media == mediaStream:
		x.executeToStream(op)
	default:
		response := h.execute(x.ctx, op)
		x.answer(response)
	}
}

// begin reads and prepares what the request asks for. The error is about the request as such, errs are about the
// operation.
func (x *exchange) begin() (op *Operation, errs gqlerror.List, err error) {
	begin := func() {
		var a *asked
		if a, err = x.read(); err == nil {
			op, errs = x.h.prepare(x.ctx, a, x.in)
		}
	}
	if x.stream {
		aside(begin)
	} else {
		begin()
	}
	return op, errs, err
}

// read reads the request and finds out who sent it, who pays a point where it is none that could be executed.
func (x *exchange) read() (*asked, error) {
	began := time.Now()
	x.unread = x.r.ContentLength != 0
	known, err := x.authenticate()
	if err != nil {
		return nil, err
	}
	x.address = x.h.address(x.r)
	holder := x.address
	if known {
		holder = x.h.key(x.ctx, x.secret)
	}
	x.in = x.h.intake(x.ctx, holder.Name)
	a, err := x.params(known)
	if _, refused := errors.AsType[*refusal](err); refused {
		return nil, x.h.refused(x.ctx, err)
	}
	if err != nil {
		return nil, err
	}
	a.params.ReadTime = graphql.TraceTiming{Start: began, End: time.Now()}
	return a, nil
}

// params reads what is asked for, while there is room and it is paid for.
func (x *exchange) params(known bool) (*asked, error) {
	if err := x.check(); err != nil {
		return nil, err
	}
	if x.r.Method != http.MethodGet {
		body, err := x.body(known)
		if err != nil {
			return nil, err
		}
		if x.in.Wait(x.ctx) != nil {
			return nil, errFull
		}
		return parseParams(body, x.h.limits, x.in)
	}
	raw := x.r.URL.RawQuery
	if err := x.in.Expect(len(raw)); err != nil {
		return nil, err
	}
	if err := hold(x.in, 2*len(raw)); err != nil { // it is decoded
		return nil, err
	}
	if x.in.Wait(x.ctx) != nil {
		return nil, errFull
	}
	return parseQuery(raw, x.h.limits, x.in)
}

// check refuses what can be told from the head of the request.
func (x *exchange) check() error {
	header := x.r.Header
	switch x.r.Method {
	case http.MethodGet, http.MethodPost:
	case http.MethodPut, http.MethodDelete:
		err := refuse(http.StatusMethodNotAllowed,
			"Use POST, or GET for queries. Event streams have a connection of their own for each operation; there is no single connection mode.")
		err.allow = "GET, POST"
		return err
	default:
		err := refuse(http.StatusMethodNotAllowed, "Use POST, or GET for queries.")
		err.allow = "GET, POST"
		return err
	}
	switch {
	case header.Get("X-Graphql-Event-Stream-Token") != "":
		return refuse(http.StatusBadRequest,
			"Event streams have a connection of their own for each operation; there is no single connection mode.")
	case x.media == "":
		return refuse(http.StatusNotAcceptable,
			"Answers are %s, %s or, for subscriptions, %s: accept one of them.", mediaGraphQL, mediaJSON, mediaStream)
	case len(x.r.URL.RawQuery) > x.h.limits.URL:
		return refuse(http.StatusRequestURITooLong, "The URL's parameters may have %d bytes: use POST.", x.h.limits.URL)
	case x.r.Method == http.MethodGet:
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset, given := parameters["charset"]
	switch {
	case err != nil || kind != mediaJSON || given && !strings.EqualFold(charset, "utf-8") || len(header.Values("Content-Type")) > 1:
		return refuse(http.StatusUnsupportedMediaType, "Send the request as `Content-Type: application/json`, in UTF-8.")
	case header.Get("Content-Encoding") != "" && !strings.EqualFold(header.Get("Content-Encoding"), "identity"):
		return refuse(http.StatusUnsupportedMediaType, "Send the request without a Content-Encoding.")
	}
	return nil
}

// tokenParameter is where an event stream's URL may have an access token, since a browser's EventSource sends no headers
// of one's own; tokenPrefix is what access tokens begin with.
const (
	tokenParameter = "access_token"
	tokenPrefix    = "z10t_"
)

// authenticate puts the caller into the context. known reports whether there was a secret.
func (x *exchange) authenticate() (known bool, err error) {
	r, secret, ok, err := x.secretOf()
	if err != nil {
		return false, x.h.refused(x.ctx, err)
	}
	ctx, err := x.h.authenticate(x.ctx, r, secret, ok)
	if err != nil {
		return false, err
	}
	x.ctx, x.secret = ctx, secret
	return ok, nil
}

// secretOf is the secret that the request brings, if it brings any, and the request as others may be told of it.
func (x *exchange) secretOf() (r *http.Request, secret string, ok bool, err error) {
	r = x.r
	if secret, ok, err = bearer(r); err != nil {
		return nil, "", false, err
	}
	token, given, err := parameter(r.URL.RawQuery, tokenParameter)
	switch {
	case err != nil:
		return nil, "", false, err
	case !given:
		return r, secret, ok, nil
	case r.Method != http.MethodGet || x.media != mediaStream:
		return nil, "", false, apierror.New(apierror.Unauthenticated,
			"%s is for event streams by GET only: send your key or token as `Authorization: Bearer …`.", tokenParameter)
	case ok:
		return nil, "", false, refuse(http.StatusBadRequest, "Send one token, and once.")
	case !strings.HasPrefix(token, tokenPrefix):
		return nil, "", false, apierror.New(apierror.Unauthenticated, "%s must be an access token; a key has no place in a URL.", tokenParameter)
	}
	// What is told to others must not have the token.
	r = new(*x.r)
	r.URL = new(*x.r.URL)
	r.URL.RawQuery = without(r.URL.RawQuery, tokenParameter)
	r.RequestURI = r.URL.RequestURI()
	return r, token, true, nil
}

// bulk reports whether a caller may send large bodies.
func (h *Handler) bulk(ctx context.Context, known bool) bool {
	return known && (h.engine.Bulk == nil || h.engine.Bulk(ctx))
}

// body reads the body: of those who may write in bulk as much as variables may have, of others an envelope.
func (x *exchange) body(known bool) ([]byte, error) {
	limit := x.h.limits.Envelope
	if x.h.bulk(x.ctx, known) {
		limit = x.h.limits.Body
	}
	body, err := x.in.Body(x.w, x.r, x.address.Name, limit)
	if err != nil {
		return nil, untaken(err, limit)
	}
	x.unread = false
	return body, nil
}

// refuse answers a request that is not executed at all.
func (x *exchange) refuse(err error) {
	list := gqlerror.List{x.h.present(x.ctx, err)}
	status := statusOf(codeOf(list))
	if refused, ok := errors.AsType[*refusal](err); ok {
		status = refused.status
		if refused.allow != "" {
			x.w.Header().Set("Allow", refused.allow)
		}
	}
	if x.unread {
		x.h.engine.Door.GiveUp(x.w, x.r, status == http.StatusRequestTimeout)
	}
	x.answerList(list, status)
}

// answerErrors answers with the errors of an operation that was not executed. legacy gives those that are about the
// document the status 200, as application/json has it.
func (x *exchange) answerErrors(list gqlerror.List, legacy bool) {
	status := statusOf(codeOf(list))
	if x.media == mediaStream && (!transient(status) || x.r.Method == http.MethodGet) {
		x.streamErrors(list)
		return
	}
	if legacy && status == http.StatusBadRequest {
		status = http.StatusOK
	}
	x.answerList(list, status)
}

func (x *exchange) answerList(list gqlerror.List, status int) {
	x.code = codeOf(list)
	if x.media == mediaStream && x.r.Method == http.MethodGet && transient(status) {
		x.streamErrors(list)
		return
	}
	x.write(status, list, encodeErrors(list))
}

// answer answers with the result of an operation that was executed.
func (x *exchange) answer(response *graphql.Response) {
	x.code = codeOf(response.Errors)
	if response.Data == nil && len(response.Errors) > 0 {
		x.answerErrors(response.Errors, x.media == mediaJSON)
		return
	}
	status := http.StatusOK
	if isNull(response.Data) {
		// Nothing was done, so that whoever is in between may know that it is worth trying again.
		for i := range response.Errors {
			if s := statusOf(codeOf(response.Errors[i:])); transient(s) {
				status = s
				break
			}
		}
	}
	head, data, tail := encode(response)
	x.write(status, response.Errors, head, data, tail)
}

// buffered is from how many bytes on net/http does not find the length of an answer by itself.
const buffered = 2048

// write writes a result as JSON, which is in parts.
func (x *exchange) write(status int, list gqlerror.List, parts ...[]byte) {
	header := x.w.Header()
	media := mediaJSON
	if x.media == mediaGraphQL {
		media = mediaGraphQL
	}
	header.Set("Content-Type", media+"; charset=utf-8")
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	if length >= buffered {
		header.Set("Content-Length", strconv.Itoa(length))
	}
	switch {
	case status == http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case transient(status):
		header.Set("Retry-After", strconv.Itoa(retryAfter(list)))
	}
	x.w.WriteHeader(status)
	for _, part := range parts {
		_, _ = x.w.Write(part) // nobody is left to be told that this failed
	}
}

// statusOf is the status that an error of this code calls for where nothing was executed.
func statusOf(code string) int {
	switch apierror.Code(code) {
	case apierror.Unauthenticated:
		return http.StatusUnauthorized
	case apierror.Forbidden:
		return http.StatusForbidden
	case apierror.RateLimited:
		return http.StatusTooManyRequests
	case apierror.Overloaded:
		return http.StatusServiceUnavailable
	case apierror.Internal:
		return http.StatusInternalServerError
	default:
		return http.StatusBadRequest
	}
}

// transient reports whether the same request may succeed later on.
func transient(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// codeOf is the code of the first error; empty where there is none.
func codeOf(list gqlerror.List) string {
	if len(list) == 0 {
		return ""
	}
	switch code := list[0].Extensions["code"].(type) {
	case string:
		return code
	case apierror.Code:
		return string(code)
	default:
		return string(apierror.BadRequestCode)
	}
}

// retryAfter is how many seconds a client should wait: the most that one of the errors asks for, and at least one.
func retryAfter(list gqlerror.List) int {
	seconds := 1
	for _, err := range list {
		if s, ok := err.Extensions["retryAfter"].(int); ok {
			seconds = max(seconds, s)
		}
	}
	return seconds
}

func isNull(data json.RawMessage) bool {
	return len(data) == 0 || bytes.Equal(data, []byte("null"))
}

// Encode writes a result as JSON: without data where nothing was executed, and with so many errors at most as may be
// shown.
func Encode(response *graphql.Response) []byte { return slices.Concat(encode(response)) }

// encode is Encode in three parts, the second of which is the data as they are: there may be some 16 MiB of them, and to copy
// these takes longer than to write them.
func encode(response *graphql.Response) (head, data, tail []byte) {
	var b bytes.Buffer
	b.WriteByte('{')
	if list := shownErrors(response.Errors); len(list) > 0 {
		b.WriteString(`"errors":`)
		encodeValue(&b, list)
	}
	if response.Data != nil || len(response.Errors) == 0 {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(`"data":`)
		if data = response.Data; len(data) == 0 {
			data = []byte("null")
		}
	}
	end := b.Len()
	if len(response.Extensions) > 0 {
		b.WriteString(`,"extensions":`)
		encodeValue(&b, response.Extensions)
	}
	b.WriteByte('}')
	return b.Bytes()[:end:end], data, b.Bytes()[end:]
}

// encodeErrors writes the result of an operation that was not executed.
func encodeErrors(list gqlerror.List) []byte { return Encode(&graphql.Response{Errors: list}) }

func encodeValue(b *bytes.Buffer, value any) {
	length := b.Len()
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		b.Truncate(length)
		b.WriteString("null")
		return
	}
	b.Truncate(b.Len() - 1) // the line's end
}

// shownErrors cuts a list of errors to those that are shown, of which the last one says so.
func shownErrors(list gqlerror.List) gqlerror.List {
	if len(list) <= maxErrors {
		return list
	}
	shown := append(gqlerror.List(nil), list[:maxErrors]...)
	last := *shown[maxErrors-1]
	last.Message = fmt.Sprintf("%s (%d more errors are not shown)", last.Message, len(list)-maxErrors)
	shown[maxErrors-1] = &last
	return shown
}

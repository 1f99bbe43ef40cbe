package wire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const bothMedia = mediaGraphQL + ", " + mediaJSON + ";q=0.9"

func TestRequests(t *testing.T) {
	t.Parallel()
	ok := `{"query":"ok"}`
	for name, test := range map[string]struct {
		method  string // POST where empty
		query   string
		body    string
		headers []string
		status  int
		media   string // JSON where empty
		want    []string
		header  map[string]string
	}{
		"default is JSON":           {body: ok, status: 200, want: []string{`{"data":{"a":"<1>"},"extensions":{"cost":1}}`}},
		"any is JSON":               {body: ok, headers: []string{"Accept", "*/*"}, status: 200},
		"GraphQL media":             {body: ok, headers: []string{"Accept", mediaGraphQL}, status: 200, media: mediaGraphQL},
		"both media":                {body: ok, headers: []string{"Accept", bothMedia}, status: 200, media: mediaGraphQL},
		"unknown media":             {body: ok, headers: []string{"Accept", "text/html"}, status: 406, want: []string{"BAD_REQUEST"}},
		"charset of the answer":     {body: ok, headers: []string{"Accept", "application/json;charset=latin1"}, status: 406},
		"GET":                       {method: "GET", query: "?query=ok&variables=%7B%22a%22%3A1%7D&operationName=", status: 200},
		"GET without a document":    {method: "GET", status: 400},
		"GET of a mutation":         {method: "GET", query: "?query=mutation", status: 405, header: map[string]string{"Allow": "POST"}},
		"GET of a long URL":         {method: "GET", query: "?query=" + strings.Repeat("a", 32<<10), status: 414},
		"GET with a twofold query":  {method: "GET", query: "?query=ok&query=ok", status: 400},
		"GET with bad escapes":      {method: "GET", query: "?query=%zz", status: 400},
		"GET that is not UTF-8":     {method: "GET", query: "?query=%ff", status: 400},
		"GET with bad variables":    {method: "GET", query: "?query=ok&variables=%5B%5D", status: 400},
		"GET with loose variables":  {method: "GET", query: "?query=ok&variables=%7B%7D%7B%7D", status: 400},
		"HEAD":                      {method: "HEAD", status: 405, header: map[string]string{"Allow": "GET, POST"}},
		"PUT":                       {method: "PUT", status: 405, want: []string{"no single connection mode"}},
		"DELETE":                    {method: "DELETE", status: 405, header: map[string]string{"Allow": "GET, POST"}},
		"OPTIONS":                   {method: "OPTIONS", status: 405},
		"single connection mode":    {body: ok, headers: []string{"X-GraphQL-Event-Stream-Token", "x"}, status: 400},
		"mutation":                  {body: `{"query":"mutation"}`, status: 200},
		"no content type":           {body: ok, headers: []string{"Content-Type", ""}, status: 415},
		"text":                      {body: ok, headers: []string{"Content-Type", "text/plain"}, status: 415},
		"form":                      {body: "query=ok", headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415},
		"utf-8":                     {body: ok, headers: []string{"Content-Type", "application/json; charset=UTF-8"}, status: 200},
		"latin1":                    {body: ok, headers: []string{"Content-Type", "application/json; charset=latin1"}, status: 415},
		"compressed":                {body: ok, headers: []string{"Content-Encoding", "gzip"}, status: 415},
		"empty":                     {body: "", status: 400},
		"batch":                     {body: "[" + ok + "]", status: 400, want: []string{"Batches are not supported"}},
		"trailing garbage":          {body: ok + "x", status: 400},
		"typo":                      {body: `{"qeury":"ok"}`, status: 400, want: []string{"query is missing"}},
		"query is a number":         {body: `{"query":1}`, status: 400},
		"operation name":            {body: `{"query":"ok","operationName":[]}`, status: 400},
		"variables":                 {body: `{"query":"ok","variables":0}`, status: 400},
		"extensions":                {body: `{"query":"ok","extensions":"x"}`, status: 400},
		"nulls":                     {body: `{"query":"ok","extensions":null,"variables":null,"operationName":null}`, status: 200},
		"persisted":                 {body: `{"extensions":{"persistedQuery":{}}}`, status: 200},
		"document id":               {body: `{"documentId":"sha256:1"}`, status: 200},
		"invalid document, JSON":    {body: `{"query":"refuse BAD_REQUEST"}`, status: 200, want: []string{`{"errors":[`}},
		"invalid document, GraphQL": {body: `{"query":"refuse BAD_REQUEST"}`, headers: []string{"Accept", mediaGraphQL}, status: 400, media: mediaGraphQL},
		"too complex, GraphQL":      {body: `{"query":"refuse TOO_COMPLEX"}`, headers: []string{"Accept", mediaGraphQL}, status: 400, media: mediaGraphQL},
		"forbidden":                 {body: `{"query":"refuse FORBIDDEN"}`, status: 403},
		"unauthenticated":           {body: `{"query":"refuse UNAUTHENTICATED"}`, status: 401, header: map[string]string{"WWW-Authenticate": "Bearer"}},
		"rate limited":              {body: `{"query":"refuse RATE_LIMITED"}`, status: 429, header: map[string]string{"Retry-After": "7"}},
		"overloaded":                {body: `{"query":"refuse OVERLOADED"}`, status: 503, header: map[string]string{"Retry-After": "7"}},
		"panic in Prepare":          {body: `{"query":"panic-prepare"}`, status: 500, want: []string{"INTERNAL"}},
		"panic in Execute":          {body: `{"query":"panic-execute"}`, status: 500, want: []string{"INTERNAL"}},
		"panic in Authenticate":     {body: ok, headers: []string{"Authorization", "Bearer panic"}, status: 500},
		"partial":                   {body: `{"query":"partial FORBIDDEN"}`, headers: []string{"Accept", mediaGraphQL}, status: 200, media: mediaGraphQL, want: []string{`"data":{"a":null}`, "FORBIDDEN"}},
		"partial and overloaded":    {body: `{"query":"partial OVERLOADED"}`, status: 200},
		"null":                      {body: `{"query":"null NOT_FOUND"}`, headers: []string{"Accept", mediaGraphQL}, status: 200, media: mediaGraphQL, want: []string{`"data":null`}},
		"null and overloaded":       {body: `{"query":"null OVERLOADED"}`, status: 503, header: map[string]string{"Retry-After": "9"}, want: []string{`"data":null`}},
		"null and rate limited":     {body: `{"query":"null RATE_LIMITED"}`, headers: []string{"Accept", mediaGraphQL}, status: 429, media: mediaGraphQL},
		"many errors":               {body: `{"query":"many"}`, status: 200, want: []string{"error 19 (5 more errors are not shown)"}},
		"subscription":              {body: `{"query":"subscription"}`, status: 406, want: []string{"text/event-stream", "graphql-transport-ws"}},
		"unknown key":               {body: ok, headers: []string{"Authorization", "Bearer bad"}, status: 401, header: map[string]string{"WWW-Authenticate": "Bearer"}},
		"other scheme":              {body: ok, headers: []string{"Authorization", "Basic eDp5"}, status: 401},
		"empty key":                 {body: ok, headers: []string{"Authorization", "Bearer "}, status: 401},
		"two keys":                  {body: ok, headers: []string{"Authorization", "Bearer a", "Authorization", "Bearer b"}, status: 401},
		"busy":                      {body: ok, headers: []string{"Authorization", "Bearer busy"}, status: 503, header: map[string]string{"Retry-After": "3"}},
		"token in a POST's URL":     {body: ok, query: "?access_token=z10t_x", status: 401},
		"token in a query's URL":    {method: "GET", query: "?query=ok&access_token=z10t_x", status: 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			_, server := serve(t, f, Limits{})
			method := test.method
			headers := test.headers
			if method == "" {
				method = http.MethodPost
				if !slices.Contains(headers, "Content-Type") {
					headers = append([]string{"Content-Type", "application/json"}, headers...)
				}
			}
			response, body := do(t, method, server.URL+"/graphql"+test.query, test.body, headers...)
			if response.StatusCode != test.status {
				t.Errorf("status %d, want %d: %s", response.StatusCode, test.status, body)
			}
			media := test.media
			if media == "" {
				media = mediaJSON
			}
			for name, want := range map[string]string{
				"Content-Type": media + "; charset=utf-8", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Vary": "Accept",
			} {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			for name, want := range test.header {
				if got := response.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			for _, want := range test.want {
				if !strings.Contains(body, want) {
					t.Errorf("%s is not in %s", want, body)
				}
			}
			if response.StatusCode >= 400 && strings.Contains(body, `"data"`) && !strings.HasPrefix(name, "null") {
				t.Errorf("there is data though nothing was executed: %s", body)
			}
			if codes := f.codes(t, 1); len(codes) != 1 {
				t.Errorf("observed %q, want one operation", codes)
			}
			// The connection is as good as before.
			if response, body := do(t, http.MethodPost, server.URL, ok, "Content-Type", "application/json"); response.StatusCode != http.StatusOK {
				t.Errorf("the request after: %d %s", response.StatusCode, body)
			}
		})
	}
}

func TestParametersReachTheEngine(t *testing.T) {
	t.Parallel()
	f := &fake{}
	_, server := serve(t, f, Limits{})
	do(t, http.MethodGet, server.URL+"?"+url.Values{
		"query": {"ok"}, "operationName": {"N"}, "variables": {`{"n":1.50}`}, "extensions": {`{"e":[{}],"persistedQuery":{"version":1}}`},
	}.Encode(), "", "Authorization", "bearer  key ")
	if got := fmt.Sprint(f.params.Query, f.params.OperationName, f.params.Variables, f.params.Extensions, f.secret); got != "okNmap[n:1.50] map[persistedQuery:map[version:1]]key" {
		t.Errorf("the engine got %s", got)
	}
	if !f.hasDeadline {
		t.Error("there is no deadline")
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	_, server := serve(t, &fake{}, Limits{Timeout: 20 * time.Millisecond})
	response, body := do(t, http.MethodPost, server.URL, `{"query":"slow"}`, "Content-Type", "application/json")
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

func TestBodyLimits(t *testing.T) {
	t.Parallel()
	const body, envelope = 4 << 10, 1 << 10
	withVariables := func(n int) string { return `{"query":"ok","variables":{"v":"` + strings.Repeat("v", n) + `"}}` }
	withQuery := func(n int) string { return `{"query":"` + strings.Repeat("q", n) + `"}` }
	for name, test := range map[string]struct {
		body   string
		secret bool
		status int
	}{
		"largest body":                 {withVariables(body - len(withVariables(0))), true, 200},
		"larger":                       {withVariables(body - len(withVariables(0)) + 1), true, 413},
		"largest envelope":             {withQuery(envelope - len(withQuery(0))), true, 200},
		"larger envelope":              {withQuery(envelope - len(withQuery(0)) + 1), true, 413},
		"largest body of anybody":      {withVariables(envelope - len(withVariables(0))), false, 200},
		"larger body of anybody":       {withVariables(envelope - len(withVariables(0)) + 1), false, 413},
		"unknown members count as one": {`{"query":"ok","x":"` + strings.Repeat("x", envelope) + `"}`, true, 413},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprint(name, chunked), func(t *testing.T) {
				t.Parallel()
				_, server := serve(t, &fake{}, Limits{Body: body, Envelope: envelope})
				var reader io.Reader = strings.NewReader(test.body)
				if chunked {
					reader = io.MultiReader(reader)
				}
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, reader)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Content-Type", "application/json")
				if test.secret {
					request.Header.Set("Authorization", "Bearer key")
				}
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				if response.StatusCode != test.status {
					t.Errorf("status %d, want %d", response.StatusCode, test.status)
				}
			})
		}
	}
}

func TestBodyThatClaimsTooMuchIsNotRead(t *testing.T) {
	t.Parallel()
	_, server := serve(t, &fake{}, Limits{})
	if status := raw(t, server.Listener.Addr().String(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"); status != 413 {
		t.Errorf("status %d, want 413", status)
	}
}

func TestBodyThatDoesNotCome(t *testing.T) {
	t.Parallel()
	_, server := serve(t, &fake{}, Limits{Timeout: 20 * time.Millisecond})
	if status := raw(t, server.Listener.Addr().String(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"); status != 408 {
		t.Errorf("status %d, want 408", status)
	}
}

// raw sends bytes and gives the status of the answer.
func raw(t *testing.T, address, text string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func TestParseAccept(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]accepted{
		"":                  {mediaJSON, false},
		" ":                 {mediaJSON, false},
		"*/*":               {mediaJSON, false},
		"application/*":     {mediaJSON, false},
		"text/*":            {},
		"text/html":         {},
		"nonsense;;;=":      {},
		"application/json":  {mediaJSON, false},
		"text/event-stream": {mediaStream, true},
		mediaGraphQL:        {mediaGraphQL, false},
		mediaGraphQL + "; charset=utf-8, application/json; charset=UTF-8": {mediaGraphQL, false},
		"application/json, " + mediaGraphQL:                               {mediaJSON, false},
		"application/json;q=0.5, " + mediaGraphQL + ";q=0.7":              {mediaGraphQL, false},
		"*/*, " + mediaGraphQL:                                            {mediaGraphQL, false},
		"*/*, " + mediaGraphQL + ";q=0.1":                                 {mediaJSON, false},
		"application/json;q=0, */*":                                       {mediaGraphQL, false},
		"*/*;q=0":                                                         {},
		"application/*;q=0, */*":                                          {},
		"application/json;q=2":                                            {},
		"application/json;q=NaN":                                          {},
		"application/json;q=-1":                                           {},
		`text/x;a="b,application/json"`:                                   {},
		`text/x;a="\",", application/json`:                                {mediaJSON, false},
		mediaGraphQL + ", application/graphql+json, application/json, text/event-stream, multipart/mixed": {mediaGraphQL, true},
		"text/event-stream, multipart/mixed":                                     {mediaStream, true},
		"text/event-stream;q=0, application/json":                                {mediaJSON, false},
		strings.Repeat("a/b,", maxRanges-1) + "application/json":                 {mediaJSON, false},
		strings.Repeat("a/b,", maxRanges) + "application/json":                   {},
		`multipart/mixed;boundary="graphql";subscriptionSpec=1.0,` + "*/*;q=0.1": {mediaJSON, false},
	} {
		if got := parseAccept([]string{header}); got != want {
			t.Errorf("%q: %+v, want %+v", header, got, want)
		}
	}
	if got := parseAccept([]string{"text/html", "application/json"}); got.media != mediaJSON {
		t.Errorf("of two headers: %+v", got)
	}
}

func FuzzParseAccept(f *testing.F) {
	for _, seed := range []string{"", "*/*;q=0.1", bothMedia, `a/b;c="d,e\"",text/event-stream`, "application/json;q=1e1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		a := parseAccept([]string{header})
		switch a.media {
		case "", mediaJSON, mediaGraphQL:
		case mediaStream:
			if !a.stream {
				t.Errorf("a stream is liked best and not taken: %q", header)
			}
		default:
			t.Errorf("unknown medium %q", a.media)
		}
		// What is accepted outright in the first place stays accepted, whatever follows.
		if b := parseAccept([]string{mediaJSON, header}); b.media == "" && !strings.Contains(header, "q") {
			t.Errorf("%q forbids JSON", header)
		}
	})
}

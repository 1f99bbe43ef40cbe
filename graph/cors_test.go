package graph

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What a page of an allowed origin may send, and what no page may.
func TestPreflight(t *testing.T) {
	t.Parallel()
	const page = "https://app.example.com"
	allow := func(_ context.Context, origin string) bool { return origin == page }
	h := crossOrigin(allow, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a preflight goes no further")
	}))
	allows := func(origin string, asked ...string) bool {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/graphql", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		for _, field := range asked {
			r.Header.Add("Access-Control-Request-Headers", field)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		header := w.Header()
		allowed := header.Get("Access-Control-Allow-Origin") == origin
		if headers := strings.Join(header.Values("Access-Control-Allow-Headers"), ","); allowed && headers != strings.Join(asked, ",") {
			t.Errorf("%q: allowed are %q", asked, headers)
		}
		if len(header.Values("Access-Control-Allow-Credentials")) > 0 {
			t.Errorf("%q: cookies are let through", asked)
		}
		return allowed
	}
	for _, name := range []string{
		"accept", "authorization", "content-type", "last-event-id", "x-request-id", "traceparent", "tracestate",
		"sentry-trace", "baggage", "apollographql-client-name", "apollographql-client-version", "apollo-require-preflight",
		"x-graphql-event-stream-token", "x-graphql-client", "graphql-preflight", "x-apollo-operation-name", "x-datadog-trace-id",
		"x-requested-with", "if-none-match", "cache-control", "pragma", "x-csrf-token", "b3", "x-b3-traceid", "newrelic", "user-agent",
	} {
		if !allows(page, "authorization,content-type,"+name) || !allows(page, name) || !allows(page, "content-type", strings.ToUpper(name)) {
			t.Errorf("%s is not allowed", name)
		}
		if allows("https://other.example.com", name) {
			t.Errorf("%s is allowed to a page of another origin", name)
		}
	}
	for _, name := range []string{
		"cookie", "cookie2", "set-cookie", "host", "origin", "referer", "connection", "content-length", "transfer-encoding", "te", "trailer",
		"upgrade", "via", "expect", "keep-alive", "proxy-authorization", "proxy-connection", "sec-fetch-site", "sec-websocket-key",
		"forwarded", "x-forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-client-ip", "true-client-ip",
		"cf-connecting-ip", "fastly-client-ip", "x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url",
		"access-control-request-headers",
	} {
		for _, asked := range [][]string{{name}, {"authorization,content-type," + name}, {"content-type", " " + strings.ToUpper(name) + " "}} {
			if allows(page, asked...) {
				t.Errorf("%q is allowed", asked)
			}
		}
	}
	if !allows(page) {
		t.Error("a preflight that asks for no header is refused")
	}
}

package graph

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/rs/cors"
)

// forbiddenHeaders are those that no page may send, and forbiddenPrefixes what others of their kind begin with: what
// connections, proxies and browsers say for themselves, and what makes another request of the one that is sent.
// Everything else a page may send: what it does not know a server passes over.
var (
	forbiddenHeaders = []string{
		"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "via",
		"cookie", "cookie2", "set-cookie", "origin", "referer",
		"forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "client-ip", "cf-connecting-ip", "fastly-client-ip",
		"x-http-method", "x-http-method-override", "x-method-override",
		"x-original-url", "x-original-host", "x-rewrite-url", "x-host",
	}
	forbiddenPrefixes = []string{"access-control-", "proxy-", "sec-", "x-forwarded"}
)

// asksForbidden reports whether a browser asks, before a page's request, for a header that no page may send.
func asksForbidden(r *http.Request) bool {
	for _, field := range r.Header.Values("Access-Control-Request-Headers") {
		for name := range strings.SplitSeq(field, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if slices.Contains(forbiddenHeaders, name) ||
				slices.ContainsFunc(forbiddenPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
				return true
			}
		}
	}
	return false
}

// crossOrigin tells browsers which pages may call, and with what.
func crossOrigin(allow func(ctx context.Context, origin string) bool, next http.Handler) http.Handler {
	return cors.New(cors.Options{
		// Before the caller is known all tenants' origins may pass; then the engine asks again.
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (bool, []string) {
			if r.Method == http.MethodOptions && asksForbidden(r) {
				return false, nil
			}
			return allow(r.Context(), origin), nil
		},
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"Retry-After", "X-Request-Id"},
		MaxAge:         600,
	}).Handler(next)
}

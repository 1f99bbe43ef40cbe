package app

import (
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/zeroten/zeroten/internal/edge"
	"github.com/zeroten/zeroten/internal/rate"
)

// polite bounds, for each address, the requests that nothing else does: those that cost no points, as preflights, pages
// and what is not found. They are cheap, but may come one behind the other without end. Probes are always answered; who
// asks too often must connect anew for each.
type polite struct {
	next    http.Handler
	buckets *rate.Limiter
	proxies []netip.Prefix
}

func newPolite(next http.Handler, door Edge) *polite {
	buckets := rate.New(rate.Config{Burst: door.AnonymousBurst, Restore: float64(door.AnonymousRestore)})
	return &polite{next: next, buckets: buckets, proxies: door.TrustedProxies}
}

// ServeHTTP answers, or refuses with 429.
func (p *polite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/graphql" && (r.Method == http.MethodPost || r.Method == http.MethodGet) {
		p.next.ServeHTTP(w, r)
		return
	}
	address := edge.Network(edge.RemoteAddress(r, p.proxies))
	_, wait, ok := p.buckets.Take(address.As16(), 1, time.Now())
	if !ok {
		w.Header().Set("Connection", "close")
		if !asksHowItIs(r) {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			http.Error(w, "Too many requests.", http.StatusTooManyRequests)
			return
		}
	}
	p.next.ServeHTTP(w, r)
}

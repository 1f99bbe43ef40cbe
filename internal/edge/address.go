package edge

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

type addressKey struct{}

// WithClientAddress puts the address that a request came from into its context.
func WithClientAddress(ctx context.Context, address netip.Addr) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// ClientAddress is the address that the context's request came from; the zero Addr where it is not known.
func ClientAddress(ctx context.Context) netip.Addr {
	address, _ := ctx.Value(addressKey{}).(netip.Addr)
	return address
}

// RemoteAddress is the address that a request came from: the one that is connected or, where that is a trusted proxy, the
// one that it says in X-Forwarded-For, and so on through all proxies that are trusted. What others say is not believed.
func RemoteAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	address, forwarded := PeerAddress(r.RemoteAddr), r.Header.Values("X-Forwarded-For")
	if len(trusted) == 0 || len(forwarded) == 0 {
		return address
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(address) }) {
			break
		}
		next := PeerAddress(strings.TrimSpace(hop))
		if !next.IsValid() {
			break
		}
		address = next
	}
	return address
}

// PeerAddress reads an address with or without a port; the zero Addr where it is none.
func PeerAddress(text string) netip.Addr {
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}
		}
		address = withPort.Addr()
	}
	return address.Unmap().WithZone("")
}

// Network is what one caller may be expected to have of addresses: one of IPv4, or 64 bits of those of IPv6.
func Network(address netip.Addr) netip.Addr {
	if address.Is6() {
		if p, err := address.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	if !address.IsValid() {
		return netip.IPv6Unspecified() // all that are not known are one
	}
	return address
}

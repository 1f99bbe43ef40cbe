package edge

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRemoteAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, test := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy":           {"203.0.113.9:1234", nil, "203.0.113.9"},
		"not trusted":        {"203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9"},
		"trusted":            {"10.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"trusted, no header": {"10.0.0.1:1234", nil, "10.0.0.1"},
		"two proxies":        {"10.0.0.1:1234", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		"two headers":        {"10.0.0.1:1234", []string{"198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		"made up":            {"10.0.0.1:1234", []string{"192.0.2.7, 10.9.9.9, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		"all trusted":        {"10.0.0.1:1234", []string{"10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		"nonsense":           {"10.0.0.1:1234", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		"with a port":        {"10.0.0.1:1234", []string{"198.51.100.1:99"}, "198.51.100.1"},
		"IPv6":               {"[fd00::1]:1234", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv6 with a port":   {"[fd00::1]:1234", []string{"[2001:db8::1]:99"}, "2001:db8::1"},
		"IPv6 in brackets":   {"[fd00::1]:1234", []string{"[2001:db8::1]"}, "2001:db8::1"},
		"IPv4 in IPv6":       {"[::ffff:10.0.0.1]:1234", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"with a zone":        {"[fd00::1%eth0]:1234", []string{"2001:db8::1"}, "2001:db8::1"},
		"a socket":           {"@", []string{"198.51.100.1"}, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: test.peer, Header: http.Header{"X-Forwarded-For": test.forwarded}}
			if got := RemoteAddress(r, trusted); got.String() != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// Whatever a client writes itself stands to the left of what proxies add, and changes nothing.
func TestForgedAddresses(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	client := netip.MustParseAddr("198.51.100.1")
	rapid.Check(t, func(t *rapid.T) {
		hops := rapid.SliceOf(rapid.OneOf(
			rapid.SampledFrom([]string{"", " ", "10.1.2.3", "192.0.2.1", "::1", "x", ",", "[", "10.0.0.1:x"}), rapid.String(),
		)).Draw(t, "forged")
		hops = append(hops, client.String())
		n := rapid.IntRange(0, 3).Draw(t, "proxies")
		for range n {
			hops = append(hops, "10.0.0.2")
		}
		r := &http.Request{RemoteAddr: "10.0.0.1:80", Header: http.Header{"X-Forwarded-For": {strings.Join(hops, ",")}}}
		if got := RemoteAddress(r, proxies); got != client {
			t.Fatalf("%s, want %s", got, client)
		}
		r.RemoteAddr = client.String() + ":80"
		if got := RemoteAddress(r, proxies); got != client {
			t.Fatalf("without a proxy: %s, want %s", got, client)
		}
	})
}

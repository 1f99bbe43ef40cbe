package app

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/zeroten/zeroten/graph/limit"
	"github.com/zeroten/zeroten/internal/survey"
	"github.com/zeroten/zeroten/internal/survey/link"
)

// Edge is what a server lets in, and how it is seen from outside.
type Edge struct {
	LogFormat string `env:"ZEROTEN_LOG_FORMAT" enum:",json,text" default:"" placeholder:"FORMAT" help:"Log as json or as text (serve: json, demo: text)."`

	MetricsListen string `env:"ZEROTEN_METRICS_LISTEN" placeholder:"ADDRESS" help:"Serve /metrics for Prometheus on this address, e.g. 127.0.0.1:9090, which should not be public; off by default."`

	PublicURL string `name:"public-url" env:"ZEROTEN_PUBLIC_URL" placeholder:"URL" help:"Where people find this server, e.g. https://nps.example.com: links begin with it (default: http:// and the listen address)."`

	Mail `embed:""`

	AllowOrigin      []string       `env:"ZEROTEN_ALLOW_ORIGIN" placeholder:"ORIGIN" help:"Let pages of these origins call, e.g. https://app.example.com; tenants may allow more for themselves."`
	TrustedProxies   []netip.Prefix `env:"ZEROTEN_TRUSTED_PROXIES" placeholder:"CIDR" help:"Believe X-Forwarded-For from these networks, e.g. 10.0.0.0/8."`
	TrustedDocuments string         `env:"ZEROTEN_TRUSTED_DOCUMENTS" type:"existingfile" placeholder:"FILE" help:"Run only the documents of this file."`

	RateBurst        int `env:"ZEROTEN_RATE_BURST" default:"${rate_burst}" placeholder:"COST" help:"What a key may spend at once (default ${default})."`
	RateRestore      int `env:"ZEROTEN_RATE_RESTORE" default:"${rate_restore}" placeholder:"COST" help:"What a key gets back each second (default ${default})."`
	AnonymousBurst   int `env:"ZEROTEN_ANONYMOUS_BURST" default:"${anonymous_burst}" placeholder:"COST" help:"What an address without a key may spend at once (default ${default})."`
	AnonymousRestore int `env:"ZEROTEN_ANONYMOUS_RESTORE" default:"${anonymous_restore}" placeholder:"COST" help:"What an address without a key gets back each second (default ${default})."`

	MaxConnections           int           `env:"ZEROTEN_MAX_CONNECTIONS" default:"${max_connections}" placeholder:"NUMBER" help:"Hold this many connections at once; more are answered 503 (default ${default})."`
	MaxConnectionsPerAddress int           `env:"ZEROTEN_MAX_CONNECTIONS_PER_ADDRESS" default:"${max_connections_per_address}" placeholder:"NUMBER" help:"Hold this many connections of one address, and at most twice as many as are free (default ${default})."`
	MaxStreams               int           `env:"ZEROTEN_MAX_STREAMS" placeholder:"NUMBER" help:"Hold this many event streams and sockets at once (default: nine tenths of --max-connections)."`
	MaxStreamsPerKey         int           `env:"ZEROTEN_MAX_STREAMS_PER_KEY" default:"${max_streams_per_key}" placeholder:"NUMBER" help:"Hold this many event streams and sockets of one key and its tokens, and at most twice as many as are free (default ${default})."`
	MaxStreamsPerAddress     int           `env:"ZEROTEN_MAX_STREAMS_PER_ADDRESS" default:"${max_streams_per_address}" placeholder:"NUMBER" help:"Hold this many event streams and sockets of one address, and at most twice as many as are free (default ${default})."`
	RequestTimeout           time.Duration `env:"ZEROTEN_REQUEST_TIMEOUT" default:"${request_timeout}" help:"Give a request up after this long (default ${default})."`
}

// defaults are what holds where nothing is said.
var defaults = Edge{
	RateBurst: 50_000, RateRestore: 20_000,
	AnonymousBurst: 2_000, AnonymousRestore: 100,
	MaxConnections: 20_000, MaxConnectionsPerAddress: 15_000, MaxStreamsPerKey: 15_000, MaxStreamsPerAddress: 15_000,
	RequestTimeout: 30 * time.Second,
}

// Defaults are the defaults of the flags, for kong.New.
func Defaults() kong.Vars {
	return kong.Vars{
		"rate_burst": strconv.Itoa(defaults.RateBurst), "rate_restore": strconv.Itoa(defaults.RateRestore),
		"anonymous_burst": strconv.Itoa(defaults.AnonymousBurst), "anonymous_restore": strconv.Itoa(defaults.AnonymousRestore),
		"max_connections": strconv.Itoa(defaults.MaxConnections), "max_connections_per_address": strconv.Itoa(defaults.MaxConnectionsPerAddress),
		"max_streams_per_key": strconv.Itoa(defaults.MaxStreamsPerKey), "max_streams_per_address": strconv.Itoa(defaults.MaxStreamsPerAddress),
		"request_timeout": defaults.RequestTimeout.String(), "mail_folder": defaultMailFolder,
	}
}

// check fills in what a value made by hand left out, and refuses what makes no sense.
func (e *Edge) check() error {
	e.RateBurst, e.RateRestore = cmp.Or(e.RateBurst, defaults.RateBurst), cmp.Or(e.RateRestore, defaults.RateRestore)
	e.AnonymousBurst = cmp.Or(e.AnonymousBurst, defaults.AnonymousBurst)
	e.AnonymousRestore = cmp.Or(e.AnonymousRestore, defaults.AnonymousRestore)
	e.MaxConnections = cmp.Or(e.MaxConnections, defaults.MaxConnections)
	e.MaxConnectionsPerAddress = cmp.Or(e.MaxConnectionsPerAddress, defaults.MaxConnectionsPerAddress)
	e.MaxStreams = cmp.Or(e.MaxStreams, e.MaxConnections-max(1, e.MaxConnections/10))
	e.MaxStreamsPerKey = cmp.Or(e.MaxStreamsPerKey, defaults.MaxStreamsPerKey)
	e.MaxStreamsPerAddress = cmp.Or(e.MaxStreamsPerAddress, defaults.MaxStreamsPerAddress)
	e.RequestTimeout = cmp.Or(e.RequestTimeout, defaults.RequestTimeout)
	if e.RateRestore < 1 || e.AnonymousRestore < 1 {
		return usage("want numbers from 1 for --rate-restore and --anonymous-restore")
	}
	if min(e.MaxConnectionsPerAddress, e.MaxStreams, e.MaxStreamsPerKey, e.MaxStreamsPerAddress) < 1 {
		return usage("want numbers from 1 for --max-connections-per-address, --max-streams, --max-streams-per-key and --max-streams-per-address")
	}
	if e.MaxStreams >= e.MaxConnections { // else nobody could ask anything while all of them are open
		return usage("--max-streams is %d, and must be less than --max-connections, which is %d", e.MaxStreams, e.MaxConnections)
	}
	if e.PublicURL != "" {
		e.PublicURL = strings.TrimSuffix(e.PublicURL, "/")
		u, err := url.Parse(e.PublicURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || e.PublicURL != u.Scheme+"://"+u.Host {
			return usage("--public-url %.100q: want a scheme and a host, such as https://nps.example.com", e.PublicURL)
		}
		if len(e.PublicURL) > link.MaxBase {
			return usage("--public-url has %d characters, want at most %d", len(e.PublicURL), link.MaxBase)
		}
	}
	for _, origin := range e.AllowOrigin {
		if u, err := url.Parse(origin); origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || origin != u.Scheme+"://"+u.Host) {
			return usage("--allow-origin %.100q: want a scheme and a host, such as https://dashboard.example, or *", origin)
		}
	}
	if min(e.RateBurst, e.AnonymousBurst) < limit.MaxCost {
		return usage("--rate-burst and --anonymous-burst must be at least %d, the most that an operation may cost", limit.MaxCost)
	}
	// What takes longer would be cut off by the server itself, and the client would see no error.
	if most := writeTimeout - 10*time.Second; e.RequestTimeout < 0 || e.RequestTimeout > most {
		return usage("--request-timeout is %s, want at most %s", e.RequestTimeout, most)
	}
	return nil
}

// site is where people find the pages of a server that listens there; nil where it does not listen.
func (e *Edge) site(listens net.Addr) survey.Site {
	switch {
	case e.PublicURL != "":
		return survey.Site(e.PublicURL)
	case listens == nil:
		return "http://localhost"
	}
	return survey.Site("http://" + reachable(listens))
}

// reachable is an address that a server listens on as one can be asked for on the same machine.
func reachable(listens net.Addr) string {
	address := listens.String()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	switch ip, err := netip.ParseAddr(host); {
	case err != nil || !ip.IsUnspecified():
		return address
	case ip.Is4():
		return net.JoinHostPort("127.0.0.1", port) // by the name it would be asked for by IPv6 first, where somebody else may listen
	default:
		return net.JoinHostPort("localhost", port)
	}
}

// warn tells where links would lead that nobody should follow, or nobody can.
func (a *App) warn(site survey.Site) {
	u, err := url.Parse(string(site))
	if err != nil || u.Scheme == "https" {
		return
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		a.log.Warn("links begin with an address that is not https: say with --public-url where people find this server", "url", string(site))
	}
}

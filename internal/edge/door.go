// Package edge is the door that all protocols share: where a request comes from, as whom it counts until its key is known,
// how many connections there may be, how many bytes of bodies, and the buckets of keys and addresses that all is paid from.
// None of it may be had by one so that nothing is left to the next.
//
// It knows nothing of what is served behind the door, neither of GraphQL nor of who holds a key, so that pages without a key
// can stand behind the same rules. What it refuses it refuses with plain values, a Refusal, which each protocol puts in its
// own words.
package edge

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/zeroten/zeroten/internal/rate"
)

// Config of a Door. A zero field stands for its default.
type Config struct {
	// Proxies are whose X-Forwarded-For is believed, and whose connections are those of many. There are none by default.
	Proxies []netip.Prefix

	// Keys are the buckets of keys; 50,000 and 20,000 a second by default. Addresses are those of addresses that come without
	// one; 2,000 and 100 a second by default. What costs no points is counted by address in further buckets like the latter.
	Keys, Addresses rate.Config
	// Views, Forms and Persons are buckets of addresses for pages that are for everybody: what is looked at, what is sent, and what
	// is sent by somebody who was given the page before; 60 and 20 a second, 20 and 5 a second, and 60 and 20 a second by default.
	Views, Forms, Persons rate.Config
	// Unknown is the bucket of addresses for widgets that ask in the name of nobody, each of which may leave something to be kept; 300 and 1 a
	// second by default.
	Unknown rate.Config

	// Connections is how many connections are held at once, 20,000 by default, and ConnectionsPerAddress how many of one
	// address, 15,000 by default, and never more than twice what is free. Full is what others are answered.
	Connections, ConnectionsPerAddress int
	Full                               Answer

	// Streams is how many connections may outlive their requests, 18,000 by default; StreamsPerKey how many of one key, and
	// StreamsPerAddress how many of one address, 15,000 each by default; Strangers how many of all those without a key
	// together, 1,000 by default; and Beginners how many of those who have not said yet who they are, 2,000 by default. No
	// holder may have more than twice what is free.
	Streams, StreamsPerKey, StreamsPerAddress, Strangers, Beginners int
	// OpenRate is how many of them a key or an address may open a second, 500 by default, and OpenBurst how many at once,
	// 20,000 by default.
	OpenRate, OpenBurst int

	// SmallRoom and LargeRoom are how many bytes may be taken by all requests together that are being read and answered:
	// those with a body of at most SmallBody, 16 MiB by default, and those with a larger one, 64 MiB by default. Turns is how
	// many of the latter are answered at once, 8 by default; others wait.
	SmallRoom, LargeRoom, Turns int
	// Prompt is after how long a body is slow that has not come to its end, a second by default, and Slow how many slow ones
	// one address may have at once, 20 by default. Patience is how long a body may take at least, and may take to go on,
	// 5 s by default; it gets a second more for each 64 KiB that have come, but no more than Timeout, 30 s by default.
	Prompt, Patience, Timeout time.Duration
	Slow                      int

	// Log, where not nil, is told of panics that nobody else hears of.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Keys = cmp.Or(c.Keys, rate.Config{Burst: 50_000, Restore: 20_000})
	c.Addresses = cmp.Or(c.Addresses, rate.Config{Burst: 2_000, Restore: 100})
	c.Views = cmp.Or(c.Views, rate.Config{Burst: 60, Restore: 20})
	c.Forms = cmp.Or(c.Forms, rate.Config{Burst: 20, Restore: 5})
	c.Persons = cmp.Or(c.Persons, rate.Config{Burst: 60, Restore: 20})
	c.Unknown = cmp.Or(c.Unknown, rate.Config{Burst: 300, Restore: 1})
	for _, d := range []struct {
		field *int
		value int
	}{
		{&c.Connections, 20_000},
		{&c.ConnectionsPerAddress, 15_000},
		{&c.Streams, 18_000},
		{&c.StreamsPerKey, 15_000},
		{&c.StreamsPerAddress, 15_000},
		{&c.Strangers, 1_000},
		{&c.Beginners, 2_000},
		{&c.OpenRate, 500},
		{&c.OpenBurst, 20_000},
		{&c.SmallRoom, 16 << 20},
		{&c.LargeRoom, 64 << 20},
		{&c.Turns, 8},
		{&c.Slow, 20},
	} {
		*d.field = cmp.Or(*d.field, d.value)
	}
	c.Prompt = cmp.Or(c.Prompt, time.Second)
	c.Patience = cmp.Or(c.Patience, 5*time.Second)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	return c
}

// Door is what all that comes in shares, by whatever protocol: buckets, room for bodies, and connections. It is safe for
// concurrent use.
type Door struct {
	config Config
	// keys and addresses pay for what is asked for, cheap for what costs no points.
	keys, addresses, cheap *rate.Limiter
	// views, forms and persons are those of pages.
	views, forms, persons, unknown *rate.Limiter
	bodies                         *bodies
	connections                    *connections
}

// New makes a Door.
func New(c Config) *Door {
	c = c.withDefaults()
	return &Door{
		config: c,
		keys:   rate.New(c.Keys), addresses: rate.New(c.Addresses), cheap: rate.New(c.Addresses),
		views: rate.New(c.Views), forms: rate.New(c.Forms), persons: rate.New(c.Persons), unknown: rate.New(c.Unknown),
		bodies:      newBodies(c),
		connections: newConnections(c),
	}
}

// Address is the address that a request came from, as RemoteAddress has it.
func (d *Door) Address(r *http.Request) netip.Addr { return RemoteAddress(r, d.config.Proxies) }

// Idle gives an error where anything is held still: bytes, turns, slow bodies or connections.
func (d *Door) Idle() error {
	return errors.Join(d.bodies.idle(), d.connections.idle())
}

// share is how many times what is free one holder may have: whoever takes all that he can leaves something to the next,
// and one who is alone gets two thirds. A fixed part would be too little for the one key that a small house has, or would
// let a few shut all others out.
const share = 2

// fair reports whether a holder may have as much where so much is free.
func fair(has, free int) bool { return has <= share*free }

// Why is why somebody is refused.
type Why string

// What there is to be refused for.
const (
	// Spent is that of a bucket in which there is not enough, Overdrawn of one that owes as much as it holds.
	Spent     Why = "spent"
	Overdrawn Why = "overdrawn"
	// Full says that there are too many connections in all, Held that a holder has too many, Often that he has opened too
	// many in too short a time, and Stopping that there will be no more.
	Full     Why = "too many"
	Held     Why = "too many of one"
	Often    Why = "too often"
	Stopping Why = "stopping"
	// Busy says that there is no room for what is sent.
	Busy Why = "busy"
	// TooLarge is that of a body that has more bytes than it may have, Late of one that did not come to its end in time,
	// Crowded of one where too many of its address were slow, and Broken of one that could not be read to its end.
	TooLarge Why = "too large"
	Late     Why = "late"
	Crowded  Why = "crowded"
	Broken   Why = "broken"
)

// Refusal is why somebody is not let in, or not served, as plain values: each protocol has words of its own for it.
type Refusal struct { //nolint:errname // edge.Refusal says it
	Why Why
	// Of is the kind of holder that has too many connections, or opens them too often.
	Of Kind
	// Wait is after how long it may be worth trying again.
	Wait time.Duration
	// Available is how many points are left in a bucket, and Restore how many come back a second.
	Available int
	Restore   float64

	err error // of what is Broken
}

// Error is for logs.
func (r *Refusal) Error() string {
	if r.err != nil {
		return fmt.Sprintf("%s: %v", r.Why, r.err)
	}
	return string(r.Why)
}

// Unwrap is what broke a body off; nil elsewhere.
func (r *Refusal) Unwrap() error { return r.err }

// Answer is what is answered where nobody asks which protocol is spoken.
type Answer struct {
	// Type is the media type of Body.
	Type, Body string
}

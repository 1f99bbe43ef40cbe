package wire

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/rate"
)

// share is how many times what is free one holder may have: whoever takes all that he can leaves something to the next,
// and one who is alone gets two thirds. A fixed part would be too little for the one key that a small house has, or would
// let a few shut all others out.
const share = 2

// connectionKind is what a connection is called.
type connectionKind string

// The kinds of what outlives a request.
const (
	streamConnection connectionKind = "event streams"
	socketConnection connectionKind = "sockets"
)

// connection is something that outlives a request: a socket or an event stream.
type connection struct {
	kind connectionKind
	end  context.CancelCauseFunc
	// holders are whom it is counted for, under connections.mu.
	holders []holder
}

// holder is one whom connections are counted for.
type holder struct {
	what holding
	name string
}

// holding is by what connections are counted.
type holding string

// What connections are counted by, in the words of a refusal. Those without a secret count as one key's.
const (
	ofKey       holding = "of this key"
	ofStrangers holding = "without a key"
	ofAddress   holding = "of this address"
	// ofBeginners are sockets of an address before connection_init has let their client in.
	ofBeginners holding = "of this address that have not said who they are"
)

func (h holder) bucket() (key [16]byte) {
	sum := sha256.Sum256([]byte(string(h.what) + "\x00" + h.name))
	copy(key[:], sum[:])
	return key
}

// connections are those that run.
type connections struct {
	limits Limits
	// opens are buckets of how many connections a holder may open in some time, frames of what comes over his sockets.
	opens, frames *rate.Limiter

	mu   sync.Mutex
	open map[*connection]struct{}
	held map[holder]int
	// beginning is how many are held by beginners.
	beginning int
	gone      chan struct{} // not nil once closed; closed when all have gone
}

func newConnections(l Limits) *connections {
	return &connections{
		limits: l,
		opens:  rate.New(rate.Config{Restore: float64(l.OpenRate), Burst: l.OpenBurst}),
		frames: rate.New(rate.Config{Restore: float64(l.Socket.KeyRate), Burst: l.Socket.KeyBurst}),
		open:   map[*connection]struct{}{},
		held:   map[holder]int{},
	}
}

// most is how many connections a holder may have however many are free.
func (c *connections) most(h holder) int {
	switch h.what {
	case ofStrangers:
		return c.limits.Socket.Strangers
	case ofAddress, ofBeginners:
		return c.limits.StreamsPerAddress
	default:
		return c.limits.StreamsPerKey
	}
}

// add takes a connection in, for those who are known to hold it. Its end is called when the server shuts down; remove
// must be called in the end.
func (c *connections) add(conn *connection, holders ...holder) error {
	if err := c.pay(holders, conn.kind); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone != nil {
		return &apierror.Error{Code: apierror.Overloaded, Message: "The server is stopping; connect again.", RetryAfter: time.Second}
	}
	if len(c.open) >= c.limits.Streams {
		return c.refused("There are too many event streams and sockets: try again later.")
	}
	if err := c.hold(conn, holders); err != nil {
		return err
	}
	c.open[conn] = struct{}{}
	return nil
}

// claim counts a connection that was added for one more holder, now that he is known.
func (c *connections) claim(conn *connection, h holder) error {
	if err := c.pay([]holder{h}, conn.kind); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.hold(conn, []holder{h}); err != nil {
		return err
	}
	conn.holders = slices.DeleteFunc(conn.holders, func(h holder) bool {
		if h.what == ofBeginners {
			c.letGo(h)
			return true
		}
		return false
	})
	return nil
}

// pay takes one connection out of the buckets of its holders.
func (c *connections) pay(holders []holder, kind connectionKind) error {
	now := time.Now()
	for _, h := range holders {
		if _, wait, ok := c.opens.Take(h.bucket(), 1, now); !ok {
			return &apierror.Error{
				Code: apierror.RateLimited, RetryAfter: wait,
				Message: fmt.Sprintf("Too many %s %s were opened in too short a time: keep them open, or try again later.", kind, h.what),
			}
		}
	}
	return nil
}

// hold counts a connection for its holders. c.mu is held.
func (c *connections) hold(conn *connection, holders []holder) error {
	free := c.limits.Streams - len(c.open)
	if _, ok := c.open[conn]; ok {
		free++ // its own place
	}
	for _, h := range holders {
		free := free
		if h.what == ofBeginners {
			free = min(free, c.limits.Socket.Beginners-c.beginning)
		}
		if own := c.held[h]; free <= 0 || own >= min(c.most(h), share*free) {
			return c.refused(fmt.Sprintf("There are too many event streams and sockets %s: close some, or try again later.", h.what))
		}
	}
	for _, h := range holders {
		c.held[h]++
		if h.what == ofBeginners {
			c.beginning++
		}
	}
	conn.holders = append(conn.holders, holders...)
	return nil
}

func (c *connections) refused(message string) error {
	return &apierror.Error{Code: apierror.RateLimited, Message: message, RetryAfter: 5 * time.Second}
}

// spend pays for what came over a socket, and reports whether its holder had as much.
func (c *connections) spend(h holder, units int) bool {
	_, _, ok := c.frames.Take(h.bucket(), units, time.Now())
	return ok
}

// remove lets a connection go that was added.
func (c *connections) remove(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
	for _, h := range conn.holders {
		c.letGo(h)
	}
	conn.holders = nil
	if c.gone != nil && len(c.open) == 0 {
		close(c.gone)
	}
}

// letGo counts one connection less for a holder. c.mu is held.
func (c *connections) letGo(h holder) {
	if h.what == ofBeginners {
		c.beginning--
	}
	if c.held[h]--; c.held[h] == 0 {
		delete(c.held, h)
	}
}

// close ends all connections. What it returns is closed when they have gone.
func (c *connections) close(cause error) <-chan struct{} {
	var open []*connection
	c.mu.Lock()
	if c.gone == nil {
		c.gone = make(chan struct{})
		if len(c.open) == 0 {
			close(c.gone)
		}
		open = slices.Collect(maps.Keys(c.open))
	}
	gone := c.gone
	c.mu.Unlock()
	for _, conn := range open {
		conn.end(cause)
	}
	return gone
}

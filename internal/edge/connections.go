package edge

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/zeroten/zeroten/internal/rate"
)

// Connection is something that outlives a request: a socket or an event stream.
type Connection struct {
	// End is called when the server stops.
	End context.CancelCauseFunc
	// holders are whom it is counted for, under connections.mu.
	holders []Holder
}

// Holder is one whom connections are counted for.
type Holder struct {
	Kind Kind
	// Name tells holders of one kind apart.
	Name string
}

// Kind is by what connections are counted.
type Kind string

// What connections are counted by.
const (
	// Key is a key with all that it gave out, Stranger all those without one, who count as one key's.
	Key      Kind = "key"
	Stranger Kind = "stranger"
	// Address is where they come from, and Beginner an address as long as they have not said who they are.
	Address  Kind = "address"
	Beginner Kind = "beginner"
)

// Bucket names the holder in a rate.Limiter.
func (h Holder) Bucket() (key [16]byte) {
	sum := sha256.Sum256([]byte(string(h.Kind) + "\x00" + h.Name))
	copy(key[:], sum[:])
	return key
}

// refusedAgain is when whoever has too many connections may come again.
const refusedAgain = 5 * time.Second

// connections are those that run.
type connections struct {
	config Config
	// opens are buckets of how many connections a holder may open in some time.
	opens *rate.Limiter

	mu   sync.Mutex
	open map[*Connection]struct{}
	held map[Holder]int
	// beginning is how many are held by beginners.
	beginning int
	gone      chan struct{} // not nil once closed; closed when all have gone
}

func newConnections(c Config) *connections {
	return &connections{
		config: c,
		opens:  rate.New(rate.Config{Restore: float64(c.OpenRate), Burst: c.OpenBurst}),
		open:   map[*Connection]struct{}{},
		held:   map[Holder]int{},
	}
}

// most is how many connections a holder may have however many are free.
func (c *connections) most(h Holder) int {
	switch h.Kind {
	case Stranger:
		return c.config.Strangers
	case Address, Beginner:
		return c.config.StreamsPerAddress
	default:
		return c.config.StreamsPerKey
	}
}

// Open takes a connection in, for those who are known to hold it. Its End is called when the server stops; Leave must be
// called in the end. The error is a Refusal: Full, Held, Often or Stopping.
func (d *Door) Open(conn *Connection, holders ...Holder) error {
	return d.connections.add(conn, holders...)
}

// Claim counts a connection that is open for one more holder, now that he is known, and no longer for a Beginner. The error
// is a Refusal: Held or Often.
func (d *Door) Claim(conn *Connection, h Holder) error { return d.connections.claim(conn, h) }

// Leave lets a connection go that was opened.
func (d *Door) Leave(conn *Connection) { d.connections.remove(conn) }

// Shut opens no more connections, and ends all that are open. What it returns is closed when they have gone.
func (d *Door) Shut(cause error) <-chan struct{} { return d.connections.close(cause) }

// Outliving is how many connections are open that outlive their requests.
func (d *Door) Outliving() int {
	d.connections.mu.Lock()
	defer d.connections.mu.Unlock()
	return len(d.connections.open)
}

func (c *connections) idle() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) > 0 || len(c.held) > 0 || c.beginning > 0 {
		return fmt.Errorf("%d connections are open, of which %d begin, and are counted for %v", len(c.open), c.beginning, c.held)
	}
	return nil
}

func (c *connections) add(conn *Connection, holders ...Holder) error {
	if err := c.pay(holders); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone != nil {
		return &Refusal{Why: Stopping, Wait: time.Second}
	}
	if len(c.open) >= c.config.Streams {
		return &Refusal{Why: Full, Wait: refusedAgain}
	}
	if err := c.hold(conn, holders); err != nil {
		return err
	}
	c.open[conn] = struct{}{}
	return nil
}

func (c *connections) claim(conn *Connection, h Holder) error {
	if err := c.pay([]Holder{h}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.hold(conn, []Holder{h}); err != nil {
		return err
	}
	conn.holders = slices.DeleteFunc(conn.holders, func(h Holder) bool {
		if h.Kind == Beginner {
			c.letGo(h)
			return true
		}
		return false
	})
	return nil
}

// pay takes one connection out of the buckets of its holders.
func (c *connections) pay(holders []Holder) error {
	now := time.Now()
	for _, h := range holders {
		if _, wait, ok := c.opens.Take(h.Bucket(), 1, now); !ok {
			return &Refusal{Why: Often, Of: h.Kind, Wait: wait}
		}
	}
	return nil
}

// hold counts a connection for its holders. c.mu is held.
func (c *connections) hold(conn *Connection, holders []Holder) error {
	free := c.config.Streams - len(c.open)
	if _, ok := c.open[conn]; ok {
		free++ // its own place
	}
	for _, h := range holders {
		free := free
		if h.Kind == Beginner {
			free = min(free, c.config.Beginners-c.beginning)
		}
		if has := c.held[h]; free <= 0 || has >= c.most(h) || !fair(has+1, free) {
			return &Refusal{Why: Held, Of: h.Kind, Wait: refusedAgain}
		}
	}
	for _, h := range holders {
		c.held[h]++
		if h.Kind == Beginner {
			c.beginning++
		}
	}
	conn.holders = append(conn.holders, holders...)
	return nil
}

func (c *connections) remove(conn *Connection) {
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
func (c *connections) letGo(h Holder) {
	if h.Kind == Beginner {
		c.beginning--
	}
	if c.held[h]--; c.held[h] == 0 {
		delete(c.held, h)
	}
}

func (c *connections) close(cause error) <-chan struct{} {
	var open []*Connection
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
		conn.End(cause)
	}
	return gone
}

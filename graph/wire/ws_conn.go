package wire

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// wireConn is a connection of which every write has a deadline, and that knows when it last heard of its client.
// Deadlines of contexts would cost a timer and five allocations a message.
type wireConn struct {
	net.Conn

	timeout time.Duration
	began   time.Time
	// heard is when something came last, since began.
	heard atomic.Int64

	mu sync.Mutex
	// more says that what is written waits for what follows at once; waiting is what does.
	more    bool
	waiting []byte
}

// maxWaiting is how many bytes wait for what follows at most.
const maxWaiting = 16 << 10

// Read notes that something came.
func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(int64(time.Since(c.began)))
	}
	return n, err
}

// Write fails with a client that does not read.
func (c *wireConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.more && len(c.waiting)+len(p) <= maxWaiting {
		c.waiting = append(c.waiting, p...)
		return len(p), nil
	}
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	if len(c.waiting) > 0 {
		all := append(c.waiting, p...)
		c.waiting = nil
		if _, err := c.Conn.Write(all); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// expect says whether more follows at once, for which what is written from now on waits.
func (c *wireConn) expect(more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more = more
}

// flush writes what waits for something that does not come after all.
func (c *wireConn) flush() error {
	c.mu.Lock()
	waiting := c.waiting
	c.waiting, c.more = nil, false
	c.mu.Unlock()
	if len(waiting) == 0 {
		return nil
	}
	_, err := c.Write(waiting)
	return err
}

// silence is how long nothing came.
func (c *wireConn) silence() time.Duration {
	return time.Since(c.began) - time.Duration(c.heard.Load())
}

// hijacker puts a wireConn between a handshake and its connection.
type hijacker struct {
	http.ResponseWriter

	timeout time.Duration
	// conn is there once the connection was taken over.
	conn *wireConn
}

// writeBuffer is what each socket has to write from, in bytes: enough for most messages to leave in one piece, and a
// quarter of what net/http gives, since most of the time it waits.
const writeBuffer = 1 << 10

// Hijack takes the connection over, with the buffer for reading that it has.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = &wireConn{Conn: conn, timeout: h.timeout, began: time.Now()}
	return h.conn, bufio.NewReadWriter(buffers.Reader, bufio.NewWriterSize(h.conn, writeBuffer)), nil
}

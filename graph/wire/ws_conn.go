package wire

import (
	"bufio"
	"net"
	"net/http"
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
}

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
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
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

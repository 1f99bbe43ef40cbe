package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"math"
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
	// early is what came with the handshake.
	early []byte
	// spend pays for frames that came, and reports whether there may be more. What follows is for whoever reads, one at a
	// time.
	spend func(units int) bool
	came  frames
	// unpaid are bytes that make no whole unit yet, and flooded says that there may be no more.
	unpaid  int
	flooded bool

	mu sync.Mutex
	// waiting are frames that wait for what follows at once; nil where none do. An idle socket has no buffer.
	waiting *[]byte
	// closing says that the close frame was sent, after which there may be none.
	closing bool
}

// maxWaiting is how many bytes wait for what follows at most.
const maxWaiting = 16 << 10

// errFlood is that of a client that sends more frames than it may.
var errFlood = errors.New("too many frames")

// Read notes that something came, and fails where too much does.
func (c *wireConn) Read(p []byte) (int, error) {
	if c.flooded {
		return 0, errFlood
	}
	if len(c.early) > 0 {
		n := copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return c.pay(p, n, nil)
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(int64(time.Since(c.began)))
	}
	return c.pay(p, n, err)
}

func (c *wireConn) pay(p []byte, n int, err error) (int, error) {
	c.unpaid += n
	units := c.came.count(p[:n]) + c.unpaid/frameBytes
	c.unpaid %= frameBytes
	if units > 0 && !c.spend(units) {
		c.flooded = true
		return 0, errFlood
	}
	return n, err
}

// frames counts the frames of what a client sends, by their heads.
type frames struct {
	head [headRoom]byte // what came of a head; a mask may follow
	have int
	// left is how much is to come of the frame.
	left uint64
}

// count counts the frames that begin in what came next.
func (f *frames) count(p []byte) (n int) {
	for len(p) > 0 {
		if f.left > 0 {
			skip := min(f.left, uint64(len(p)))
			f.left -= skip
			p = p[skip:]
			continue
		}
		f.head[f.have] = p[0]
		p = p[1:]
		if f.have++; f.have == 1 {
			n++
		}
		if f.have < 2 {
			continue
		}
		size, need := uint64(f.head[1]&0x7f), 2
		switch size {
		case 126:
			need = 4
			size = uint64(binary.BigEndian.Uint16(f.head[2:]))
		case 127:
			need = headRoom
			size = binary.BigEndian.Uint64(f.head[2:]) &^ (1 << 63)
		}
		if f.have < need {
			continue
		}
		if f.head[1]&0x80 != 0 {
			size += 4 // the mask
		}
		f.have, f.left = 0, size
	}
	return n
}

const (
	// wholeText is the first byte of a frame that is a whole text message.
	wholeText = 0x81
	// opcode is where a frame's first byte says what it is, and closeFrame that it is a close frame.
	opcode, closeFrame = 0xf, 8
	// headRoom is how long a frame's head may be.
	headRoom = 10
)

// Write takes the frames of the WebSocket package, which are those of control, each in one piece. It fails with a client
// that does not read.
func (c *wireConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) > 0 && p[0]&opcode == closeFrame {
		c.closing = true
	}
	if c.waiting != nil {
		*c.waiting = append(*c.waiting, p...)
		return len(p), c.flush()
	}
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// say sends a text message, of which message has room for its frame's head before it. It waits where more follows at once.
func (c *wireConn) say(message []byte, more bool) error {
	frame := framed(message)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing:
		return nil
	case c.waiting == nil && !more:
		if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
			return err
		}
		_, err := c.Conn.Write(frame)
		return err
	case c.waiting == nil:
		c.waiting, _ = buffers.Get().(*[]byte)
	}
	*c.waiting = append(*c.waiting, frame...)
	if more && len(*c.waiting) < maxWaiting {
		return nil
	}
	return c.flush()
}

// framed makes a message that has room for it before a frame.
func framed(message []byte) []byte {
	size := len(message) - headRoom
	switch {
	case size < 126:
		frame := message[headRoom-2:]
		frame[0], frame[1] = wholeText, byte(size)
		return frame
	case size <= math.MaxUint16:
		frame := message[headRoom-4:]
		frame[0], frame[1] = wholeText, 126
		binary.BigEndian.PutUint16(frame[2:], uint16(size))
		return frame
	default:
		message[0], message[1] = wholeText, 127
		binary.BigEndian.PutUint64(message[2:], uint64(size))
		return message
	}
}

// flush sends what waits. c.mu is held.
func (c *wireConn) flush() error {
	if c.waiting == nil {
		return nil
	}
	err := c.SetWriteDeadline(time.Now().Add(c.timeout))
	if err == nil {
		_, err = c.Conn.Write(*c.waiting)
	}
	keep(c.waiting)
	c.waiting = nil
	return err
}

// flushNow sends what waits for something that does not come after all.
func (c *wireConn) flushNow() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flush()
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

// What each socket has to read into and to write from, in bytes. Most of the time it waits, and so it has much less than
// net/http gives: for most messages of a client to come in one piece, and for all control frames to leave in one.
const readBuffer, writeBuffer = 512, 256

// Hijack takes the connection over, with what has come already.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, given, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := given.Peek(given.Reader.Buffered())
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	h.conn = &wireConn{Conn: conn, timeout: h.timeout, began: time.Now(), early: bytes.Clone(early)}
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, readBuffer), bufio.NewWriterSize(h.conn, writeBuffer)), nil
}

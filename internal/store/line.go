package store

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/zeroten/zeroten/internal/flight"
)

// line is the way to a PostgreSQL server: up, or down. When it goes down all connections are closed at once, so that
// nobody waits for packets that never come; while it is down none is made.
type line struct {
	// up ends when the line goes down.
	up atomic.Pointer[upTime]
	// heard is when something came over one of the connections, in nanoseconds since began.
	heard atomic.Int64
	began time.Time
}

// upTime is a time without interruption.
type upTime struct {
	context.Context

	end context.CancelCauseFunc
}

// newLine makes a line that is up. It ends with the context, if not before.
func newLine(ctx context.Context) *line {
	l := &line{began: time.Now()}
	l.raise(ctx)
	return l
}

// raise says that the line is up again.
func (l *line) raise(ctx context.Context) {
	up := &upTime{}
	up.Context, up.end = context.WithCancelCause(ctx)
	l.up.Store(up)
}

// drop says that the line is down, and why; of one that is down already, why it is so now.
func (l *line) drop(cause error) {
	up := l.up.Load()
	if up.Err() != nil {
		up = &upTime{}
		up.Context, up.end = context.WithCancelCause(context.Background())
		up.end(cause)
		l.up.Store(up)
		return
	}
	up.end(cause)
}

// flap drops the line and raises it at once: all connections are closed. Where it is down already it stays so.
func (l *line) flap(cause error) {
	was := l.up.Load()
	if was.Err() != nil {
		return
	}
	now := &upTime{}
	now.Context, now.end = context.WithCancelCause(context.Background())
	if l.up.CompareAndSwap(was, now) {
		was.end(cause)
	}
}

// err is why the line is down; nil while it is up.
func (l *line) err() error { return context.Cause(l.up.Load()) }

// quiet is for how long nothing was heard.
func (l *line) quiet() time.Duration { return time.Since(l.began) - time.Duration(l.heard.Load()) }

// guard returns a context that ends with the line, if not before; where that is down, the same context and why. The
// caller must call release in the end.
func (l *line) guard(ctx context.Context) (guarded context.Context, release context.CancelFunc, err error) {
	up := l.up.Load()
	if err := context.Cause(up); err != nil {
		return ctx, func() {}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := flight.When(up, func() { cancel(context.Cause(up)) }, flight.Logged(nil, "ending what uses the database"))
	return ctx, func() { stop(); cancel(nil) }, nil
}

// dialer makes connections over a line. It is a pq.Dialer, and a pq.DialerContext.
type dialer struct {
	*line

	// once says that no statement may run twice. lib/pq and database/sql run a statement again whose connection ended
	// before its answer came, though it may have taken effect.
	once bool
}

// Dial is that of net.Dialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialTimeout is that of net.Dialer, with a time limit.
func (d *dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// DialContext is that of net.Dialer.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	up := d.up.Load()
	if err := context.Cause(up); err != nil {
		return nil, err
	}
	ctx, release, err := d.guard(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	stop := flight.When(up, func() { _ = c.Close() }, flight.Logged(nil, "closing a connection")) // whoever uses it is told
	return &conn{Conn: c, dialer: d, up: up, forget: stop}, nil
}

// conn is a connection over a line.
type conn struct {
	net.Conn

	dialer *dialer
	up     *upTime
	forget func() bool
}

// Write writes nothing once the line was down: then the driver knows that nothing was asked, and asks on another one.
func (c *conn) Write(b []byte) (int, error) {
	if err := context.Cause(c.up); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// Read notes that something was heard.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.dialer.heard.Store(int64(time.Since(c.dialer.began)))
	}
	if c.dialer.once && errors.Is(err, io.EOF) {
		// A plain io.EOF would count as a connection that was bad before anything was asked.
		err = &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: io.ErrUnexpectedEOF}
	}
	return n, err
}

// Close closes the connection.
func (c *conn) Close() error {
	c.forget()
	return c.Conn.Close()
}

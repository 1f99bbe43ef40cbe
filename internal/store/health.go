package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
	"github.com/zeroten/zeroten/internal/flight"
)

// How the monitor asks. Whoever waits when the network is cut is told after interval + pingTimeout. Where the server, this
// process or its machine seems to be only slow (silence, lateness, unread) that is put off, until stubborn at the latest: it
// can take up to two seconds more.
const (
	// interval is how long it rests between two questions.
	interval = 200 * time.Millisecond
	// pingTimeout is how long it waits for an answer, at least.
	pingTimeout = 500 * time.Millisecond
	// silence is for how long nothing must have come on any other connection either: a server that is only busy
	// answers somebody.
	silence = 300 * time.Millisecond
	// again is how often it looks whether that is so.
	again = 50 * time.Millisecond
	// lateness is how late a timer is in a process, or on a machine, that has more to do than processors.
	lateness = 20 * time.Millisecond
	// remembered is for how long such a machine is taken for one, whose server may be the next that has to wait: where 5
	// processes wanted 2 processors, SHOW took more than a second now and then, and timers were late every second.
	remembered = 5 * time.Second
	// unread is how late something may be read that has come, in a process that keeps up with what comes.
	unread = 50 * time.Millisecond
	// stubborn is when a connection that alone gets no answer is given up.
	stubborn = 2 * time.Second
)

// errSilent says that nothing at all comes from the database.
var errSilent = errors.New("nothing comes from the database")

// Monitor watches a PostgreSQL server until Close, on a connection of its own. When the server does not answer, all
// connections are closed, so that what waits for it fails at once, and Away and Guard refuse until it is back. So it is
// where the server takes no writes any more, until there is one that does. Nobody
// hears of it when the server is only slow. changed is called, from one goroutine, with what went wrong when the
// database goes away, again where it takes no writes after it was away altogether, or the other way round, and with nil when it is back. On SQLite there is nothing to watch. It may be called once.
func (db *DB) Monitor(changed func(error)) error {
	if db.Dialect != Postgres {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	own := newLine(ctx)
	connector, err := db.postgres.connector(&dialer{line: own})
	if err != nil {
		cancel()
		return fmt.Errorf("watching the database: %w", err)
	}
	echo, err := newEcho()
	if err != nil {
		cancel()
		return fmt.Errorf("watching the database: %w", err)
	}
	m := &monitor{line: db.dialer.line, own: own, connector: connector, changed: changed, echo: echo}
	done := make(chan struct{})
	caught := flight.Logged(nil, "watching the database")
	flight.Go(func() {
		defer close(done)
		defer echo.close()
		flight.Steadily(ctx, func() { m.run(ctx) }, caught)
	}, caught)
	db.unwatch = func() {
		cancel()
		<-done
	}
	return nil
}

// Away is why the database is not to be asked just now, an *apierror.Error to show; nil as long as it answers, or is not
// watched.
func (db *DB) Away() error {
	if db.dialer == nil {
		return nil
	}
	return db.dialer.err()
}

// Guard returns a context to use the database in, which ends when the database goes away, with the *apierror.Error to
// show as its cause. Where it is away already the error is that one. The caller must call release in the end.
func (db *DB) Guard(ctx context.Context) (guarded context.Context, release context.CancelFunc, err error) {
	if db.dialer == nil {
		return ctx, func() {}, nil
	}
	return db.dialer.guard(ctx)
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.Away(); err != nil {
		return err
	}
	var one int
	if err := db.Reader.QueryRowContext(ctx, `SELECT 1`).Scan(&one); err != nil {
		return fmt.Errorf("asking the database: %w", err)
	}
	return nil
}

// monitor asks a server whether it is there.
type monitor struct {
	// line is that of all others, own that of the monitor's connection.
	line, own *line
	connector *connector
	conn      driver.Conn // nil where there is none
	changed   func(error)
	echo      *echo
	// late is when a timer last came late.
	late time.Time
}

func (m *monitor) run(ctx context.Context) {
	defer m.disconnect()
	for {
		err := m.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		cause := errAway
		if isReadOnly(err) {
			cause = ErrReadOnly
		}
		switch away := m.line.err(); {
		case err != nil && !errors.Is(away, cause):
			m.line.drop(cause)
			m.changed(err)
		case err == nil && away != nil:
			m.line.raise(context.Background())
			m.changed(nil)
		}
		due := time.Now().Add(interval)
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
		m.isLate(due)
	}
}

// ask returns nil where a server is there that takes writes.
func (m *monitor) ask(ctx context.Context) error {
	answer := make(chan error, 1)
	began := time.Now()
	flight.Go(func() { answer <- flight.Run(func() error { return m.ping(ctx) }) }, flight.Logged(nil, "asking the database"))
	for wait := pingTimeout; ; wait = again {
		due := time.Now().Add(wait)
		select {
		case err := <-answer:
			return err
		case <-time.After(wait):
		}
		// Where a timer comes late the answer may be there, and nobody had time to read it.
		busy := m.line.quiet() < silence || m.isLate(due)
		if !busy {
			m.echo.call()
			select {
			case err := <-answer:
				<-m.echo.heard
				return err
			case took := <-m.echo.heard:
				busy = took > unread
			}
		}
		if (busy || time.Since(m.late) < remembered) && time.Since(began) < stubborn {
			continue
		}
		m.own.drop(errSilent) // which ends the ping
		err := <-answer
		m.own.raise(ctx)
		if busy || err == nil {
			return nil
		}
		return errSilent
	}
}

// isLate reports whether a timer that was due then came late, and remembers it.
func (m *monitor) isLate(due time.Time) bool {
	now := time.Now()
	if now.Sub(due) <= lateness {
		return false
	}
	m.late = now
	return true
}

// ping asks on the connection that there is, and where that is lost, or the server takes no writes any more, on a new one.
func (m *monitor) ping(ctx context.Context) error {
	if m.conn != nil {
		if askWritable(m.conn) == nil {
			return nil
		}
		m.disconnect()
	}
	c, err := m.connector.Connect(ctx)
	var answered *pq.Error
	if errors.As(err, &answered) && !isStopped(answered) && !isReadOnly(err) {
		return nil // it does not let us in, but it is there
	}
	if err != nil {
		return err
	}
	m.conn = c
	return askWritable(c)
}

// echo tells how long something lies that came from outside until it is read. With more goroutines than processors can
// run, timers are in time and answers are not: they wait their turn. What comes after an answer is read after it, so
// that an answer that is not there when the echo comes back has not come.
type echo struct {
	in, out *os.File
	heard   chan time.Duration
	sent    atomic.Int64
	began   time.Time
}

func newEcho() (*echo, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	e := &echo{in: in, out: out, heard: make(chan time.Duration, 1), began: time.Now()}
	flight.Go(func() {
		for b := make([]byte, 1); ; {
			if _, err := in.Read(b); err != nil {
				return // closed
			}
			e.heard <- time.Since(e.began) - time.Duration(e.sent.Load())
		}
	}, flight.Logged(nil, "hearing the echo"))
	return e, nil
}

// call calls. The echo must be heard before the next call.
func (e *echo) call() {
	e.sent.Store(int64(time.Since(e.began)))
	if _, err := e.out.Write([]byte{0}); err != nil {
		e.heard <- 0 // closed: nobody has a use for it
	}
}

func (e *echo) close() {
	_ = e.out.Close() // nothing is lost
	_ = e.in.Close()
}

func (m *monitor) disconnect() {
	if m.conn != nil {
		_ = m.conn.Close() // it may be lost already
		m.conn = nil
	}
}

package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/zeroten/zeroten/internal/flight"
)

const (
	// pingEvery is how often a connection that hears nothing is asked whether it still lives, and pingPatience how long
	// it has for its answer: a network that swallows everything shows in no other way.
	pingEvery    = 10 * time.Second
	pingPatience = 5 * time.Second
	// The first and the longest pause between two tries to connect.
	minReconnect = 50 * time.Millisecond
	maxReconnect = 500 * time.Millisecond
)

// Listen calls heard with each payload that is sent to the channel, until ctx ends. It listens on a connection of its
// own, which is made again whenever it is lost; what is sent in between is not heard. Hence connected is called each
// time that listening has begun, also at first: whatever was sent before may have been missed. Both are called one
// after the other, and should be quick.
//
// The error is that of ctx, or says that the server refuses to listen at all, as PostgreSQL's relatives may. SQLite
// sends nothing, and Listen only waits.
func (db *DB) Listen(ctx context.Context, channel string, heard func(payload string), connected func()) error {
	if db.Dialect != Postgres {
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	dialer := &cutter{ctx: ctx, dialer: db.dialer, open: map[net.Conn]struct{}{}}
	listener := pq.NewDialListener(dialer, db.postgres.dsn, minReconnect, maxReconnect, nil)
	begun := make(chan struct{}, 1)
	helped := make(chan struct{})
	flight.Go(func() {
		defer close(helped)
		if err := listener.Listen(channel); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("listening to %s: %w", channel, err))
			return
		}
		begun <- struct{}{}
		ping(ctx, listener, dialer)
	}, func(f *flight.Fault) { cancel(f) })
	defer func() {
		cancel(nil)
		dialer.cut()
		_ = listener.Close() // only fails where it is closed
		<-helped
		for n := range listener.Notify { // until its goroutine has ended
			_ = n
		}
	}()
	for {
		select {
		case <-begun:
			connected()
		case n, ok := <-listener.Notify:
			switch {
			case !ok:
				return errors.New("listening: the listener has ended")
			case n == nil: // connected again
				connected()
			default:
				heard(n.Extra)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ping asks now and then whether the connection lives, and cuts it where no answer comes.
func ping(ctx context.Context, listener *pq.Listener, dialer *cutter) {
	ticks := time.NewTicker(pingEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
		impatient := flight.After(pingPatience, dialer.cut, flight.Logged(nil, "cutting a listener's connection"))
		_ = listener.Ping() // the listener itself sees that a connection is lost
		impatient.Stop()
	}
}

// cutter makes connections and can close those that are open, whatever waits for them: lib/pq's listener waits for
// answers without an end, and holds its lock meanwhile.
type cutter struct {
	ctx    context.Context
	dialer *dialer

	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// Dial dials as long as the cutter's context lives.
func (c *cutter) Dial(network, address string) (net.Conn, error) {
	conn, err := c.dialer.DialContext(c.ctx, network, address)
	return c.keep(conn, err)
}

// DialTimeout is Dial with a time limit.
func (c *cutter) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	conn, err := c.dialer.DialContext(ctx, network, address)
	return c.keep(conn, err)
}

func (c *cutter) keep(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		_ = conn.Close()
		return nil, c.ctx.Err()
	}
	c.open[conn] = struct{}{}
	return &cuttable{Conn: conn, by: c}, nil
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close() // whoever uses it gets the error
	}
}

// cuttable is forgotten by its cutter once it is closed.
type cuttable struct {
	net.Conn
	by *cutter
}

// Close closes the connection.
func (c *cuttable) Close() error {
	c.by.mu.Lock()
	delete(c.by.open, c.Conn)
	c.by.mu.Unlock()
	return c.Conn.Close()
}

// Notify sends each of the payloads to those who listen to the channel, with one statement outside any transaction:
// within one it would hold up the commits of all others. Payloads have at most 7,999 bytes; equal ones are sent once.
// On SQLite it does nothing.
func (db *DB) Notify(ctx context.Context, channel string, payloads []string) error {
	if db.Dialect != Postgres || len(payloads) == 0 {
		return nil
	}
	rows, err := db.Query(ctx, `SELECT pg_notify($1, payload) FROM unnest($2::text[]) payload`, channel, Texts(Postgres, payloads))
	if err != nil {
		return fmt.Errorf("notifying: %w", err)
	}
	defer rows.Close()
	for rows.Next() { // it has nothing to say
		continue
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("notifying: %w", err)
	}
	return nil
}

// Mark is how far a tenant has come: each of its numbers only grows.
type Mark struct {
	// Position is that of the log's last event.
	Position int64
	// Revision grows with every change, Settings with those to what flushes and reads go by.
	Revision, Settings int64
}

// Marks reads how far these tenants have come, with one small statement. There is none for an unknown tenant.
func (db *DB) Marks(ctx context.Context, tenants []uuid.UUID) (map[uuid.UUID]Mark, error) {
	rows, err := db.Query(ctx, `SELECT id, log_position, revision, settings FROM tenants WHERE `+In(db.Dialect, "id", "uuid", "$1"),
		UUIDs(db.Dialect, tenants))
	if err != nil {
		return nil, fmt.Errorf("reading the tenants' marks: %w", err)
	}
	defer rows.Close()
	marks := make(map[uuid.UUID]Mark, len(tenants))
	for rows.Next() {
		var tenant uuid.UUID
		var m Mark
		if err := rows.Scan(&tenant, &m.Position, &m.Revision, &m.Settings); err != nil {
			return nil, fmt.Errorf("reading the tenants' marks: %w", err)
		}
		marks[tenant] = m
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the tenants' marks: %w", err)
	}
	return marks, nil
}

package store_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/pgtest"
	"github.com/zeroten/zeroten/internal/store"
)

// proxy stands between a client and a server, and can come between them.
type proxy struct {
	t        *testing.T
	target   string
	listener net.Listener
	// stalled, where held, lets nothing through, and keeps it.
	stalled sync.RWMutex
	// swallow says that an answer ends its connection instead.
	swallow atomic.Bool
	// deaf says that nothing of what connections made from now on send is passed on.
	deaf atomic.Bool
	// accepted counts connections.
	accepted atomic.Int64

	mu   sync.Mutex
	cut  bool
	open map[net.Conn]bool
}

// through makes a proxy, and the address of the database behind it.
func through(t *testing.T) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, target: u.Host, listener: listener, open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() { p.serve(&running) })
	t.Cleanup(func() {
		listener.Close()
		p.sever(true)
		running.Wait()
	})
	u.Host = listener.Addr().String()
	return p, u.String()
}

func (p *proxy) serve(running *sync.WaitGroup) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.accepted.Add(1)
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			p.t.Error(err)
			return
		}
		p.mu.Lock()
		if p.cut {
			client.Close()
			server.Close()
		}
		p.open[client], p.open[server] = true, true
		p.mu.Unlock()
		deaf := p.deaf.Load()
		running.Go(func() { p.pump(server, client, func() bool { return !deaf }) })
		running.Go(func() { p.pump(client, server, func() bool { return !p.swallow.Load() }) })
	}
}

// pump passes on what comes, and ends both sides with the first.
func (p *proxy) pump(to, from net.Conn, pass func() bool) {
	defer to.Close()
	defer from.Close()
	for b := make([]byte, 4096); ; {
		n, err := from.Read(b)
		p.stalled.RLock()
		p.stalled.RUnlock() //nolint:staticcheck // it only waits
		switch {
		case err != nil:
			return
		case !pass() && p.swallow.Load():
			return
		case !pass():
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// sever ends all connections, and new ones at once until it is called with false.
func (p *proxy) sever(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	for c := range p.open {
		c.Close()
		delete(p.open, c)
	}
}

// watched opens a database and watches it. What the monitor says comes over the channel.
func watched(t *testing.T, address string) (*store.DB, chan error) {
	t.Helper()
	db, err := store.Open(t.Context(), address, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan error, 100)
	if err := db.Monitor(func(err error) { changes <- err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, changes
}

func isAway(err error) bool {
	known, ok := errors.AsType[*apierror.Error](err)
	return ok && known.Code == apierror.Overloaded && known.RetryAfter > 0
}

// TestAway comes between the server and whoever waits for it.
func TestAway(t *testing.T) {
	for _, test := range []struct {
		name        string
		leave, back func(*proxy)
	}{
		{"packets vanish", func(p *proxy) { p.stalled.Lock() }, func(p *proxy) { p.stalled.Unlock() }},
		{"connections end", func(p *proxy) { p.sever(true) }, func(p *proxy) { p.sever(false) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, address := through(t)
			db, changes := watched(t, address)
			waiting := make(chan error)
			for _, pool := range []interface {
				io.Closer
				PingContext(ctx context.Context) error
			}{db.Reader, db.Writer} {
				if err := pool.PingContext(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			began := make(chan bool)
			for _, guarded := range []bool{true, false} {
				go func() {
					ctx, release := t.Context(), func() {}
					if guarded {
						var err error
						if ctx, release, err = db.Guard(ctx); err != nil {
							t.Error(err)
						}
					}
					defer release()
					err := db.Write(ctx, func(tx *store.Tx) error {
						began <- true
						_, err := tx.SQL.ExecContext(ctx, `SELECT pg_sleep(60)`)
						return err
					})
					if store.Explain(err) != nil || guarded && isAway(context.Cause(ctx)) {
						err = nil
					}
					waiting <- err
				}()
				<-began
			}
			test.leave(p)
			for range 2 {
				if err := <-waiting; err != nil {
					t.Errorf("who waited was told %v", err)
				}
			}
			if err := <-changes; err == nil {
				t.Fatal("it went away without a reason")
			}
			if err := db.Away(); !isAway(err) {
				t.Errorf("away: %v", err)
			}
			if _, release, err := db.Guard(t.Context()); !isAway(err) {
				t.Errorf("guarded: %v", err)
			} else {
				release()
			}
			if err := db.Ping(t.Context()); !isAway(err) {
				t.Errorf("pinged: %v", err)
			}
			for range 3 {
				if _, err := db.Query(t.Context(), `SELECT 1`); store.Explain(err) == nil { //nolint:rowserrcheck,sqlclosecheck // there are none
					t.Errorf("asked: %v", err)
				}
			}
			test.back(p)
			if err := <-changes; err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Away(), db.Ping(t.Context())); err != nil {
				t.Errorf("back: %v", err)
			}
			if err := db.Write(t.Context(), func(*store.Tx) error { return nil }); err != nil {
				t.Errorf("writing once it is back: %v", err)
			}
		})
	}
}

// TestSlowIsNotAway lets the monitor alone wait for its answer, while others get theirs.
func TestSlowIsNotAway(t *testing.T) {
	p, address := through(t)
	db, err := store.Open(t.Context(), address, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.deaf.Store(true)
	before := p.accepted.Load()
	if err := db.Monitor(func(err error) { t.Errorf("changed: %v", err) }); err != nil {
		t.Fatal(err)
	}
	for p.accepted.Load() < before+2 { // until it has given up a connection that gets no answers
		if err := db.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTerminated ends all connections on the server, which stays.
func TestTerminated(t *testing.T) {
	address := pgtest.URL(t)
	db, changes := watched(t, address)
	const others = `SELECT count(*) FROM pg_stat_activity, pg_terminate_backend(pid) WHERE datname = current_database() AND pid <> pg_backend_pid()`
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		var n int
		if err := db.Reader.QueryRow(others).Scan(&n); err != nil || n < 1 {
			t.Fatalf("%d terminated, %v", n, err)
		}
		_, err := tx.SQL.Exec(`SELECT 1`)
		return err
	})
	if store.Explain(err) == nil || !store.IsUnreachable(err) {
		t.Errorf("who was terminated was told %v", err)
	}
	for _, ask := range []func() error{
		func() error { return db.Ping(t.Context()) },
		func() error { return db.Write(t.Context(), func(*store.Tx) error { return nil }) },
	} {
		if err := ask(); err != nil {
			t.Error(err)
		}
	}
	// The monitor comes back by itself.
	for n := 0; n == 0; {
		if err := db.Reader.QueryRow(others).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-changes:
		t.Errorf("changed: %v", err)
	default:
	}
}

// TestLostAnswer loses the answer of a statement that took effect: it must not run again.
func TestLostAnswer(t *testing.T) {
	p, address := through(t)
	db, err := store.Open(t.Context(), address, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Writer.Exec(`CREATE TABLE lost (n int)`); err != nil {
		t.Fatal(err)
	}
	insert, err := db.Writer.Prepare(`INSERT INTO lost VALUES ($1)`)
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	p.swallow.Store(true)
	if _, err := insert.Exec(1); !store.IsUnreachable(err) {
		t.Errorf("told %v", err)
	}
	p.swallow.Store(false)
	var n int
	if err := db.Writer.QueryRow(`SELECT count(*) FROM lost`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
}

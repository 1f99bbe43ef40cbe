package store_test

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/zeroten/zeroten/internal/pgtest"
	"github.com/zeroten/zeroten/internal/store"
)

// pooler is a PgBouncer in little: it refuses the parameters that PgBouncer refuses, and gives clients one of its own
// connections, for a session or for a transaction.
type pooler struct {
	t      *testing.T
	server string
	// shared, where not nil, holds the one connection that all share by transaction.
	shared chan net.Conn
	done   sync.WaitGroup
}

// pool starts one, and returns the address of the same database through it.
func pool(t *testing.T, byTransaction bool) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pooler{t: t, server: pgtest.URL(t)}
	if byTransaction {
		p.shared = make(chan net.Conn, 1)
		p.shared <- p.connect()
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		p.done.Wait()
		if byTransaction {
			_ = (<-p.shared).Close()
		}
	})
	p.done.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return // closed
			}
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			p.done.Go(func() {
				defer stop()
				defer c.Close()
				if err := p.serve(c); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && ctx.Err() == nil {
					t.Log("pooler:", err)
				}
			})
		}
	})
	u, err := url.Parse(p.server)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = listener.Addr().String()
	return u.String()
}

// taken dials, and keeps what was dialled: once lib/pq has authenticated itself, the connection is ours.
type taken struct{ conn net.Conn }

func (d *taken) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	d.conn = c
	return c, err
}

func (d *taken) DialTimeout(network, address string, _ time.Duration) (net.Conn, error) {
	return d.Dial(network, address)
}

func (p *pooler) connect() net.Conn {
	connector, err := pq.NewConnector(p.server)
	if err != nil {
		p.t.Error(err)
		return nil
	}
	var d taken
	connector.Dialer(&d)
	var c driver.Conn
	if c, err = connector.Connect(context.Background()); err != nil || c == nil {
		p.t.Error(err)
	}
	_ = d.conn.SetDeadline(time.Time{})
	return d.conn
}

// message reads one, whole.
func message(r io.Reader) (kind byte, all []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	all = make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
	copy(all, head)
	_, err = io.ReadFull(r, all[5:])
	return head[0], all, err
}

func encoded(kind byte, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body))), body...)
}

// accepted are the parameters that PgBouncer takes.
var accepted = []string{"user", "database", "client_encoding", "datestyle", "timezone", "standard_conforming_strings", "application_name"}

func (p *pooler) serve(client net.Conn) error {
	head := make([]byte, 4)
	if _, err := io.ReadFull(client, head); err != nil {
		return err
	}
	start := make([]byte, binary.BigEndian.Uint32(head)-4)
	if _, err := io.ReadFull(client, start); err != nil {
		return err
	}
	parameters := strings.Split(strings.TrimRight(string(start[4:]), "\x00"), "\x00")
	for i := 0; i < len(parameters); i += 2 {
		if !slices.Contains(accepted, strings.ToLower(parameters[i])) {
			_, err := client.Write(encoded('E', "SFATAL\x00C08P01\x00Munsupported startup parameter: "+parameters[i]+"\x00\x00"))
			return err
		}
	}
	welcome := append(encoded('R', "\x00\x00\x00\x00"), encoded('S', "server_version\x0015.0\x00")...)
	welcome = append(append(welcome, encoded('K', "12345678")...), encoded('Z', "I")...)
	if _, err := client.Write(welcome); err != nil {
		return err
	}
	var server net.Conn
	if p.shared == nil {
		server = p.connect()
		defer server.Close()
	}
	held := false // the shared connection
	give := func() {
		if held {
			p.shared <- server
			held = false
		}
	}
	defer give()
	for {
		kind, m, err := message(client)
		if err != nil || kind == 'X' {
			return err
		}
		if p.shared != nil && !held {
			server, held = <-p.shared, true
		}
		if _, err := server.Write(m); err != nil {
			return err
		}
		if kind != 'Q' && kind != 'S' {
			continue // an answer comes only after these
		}
		for {
			kind, m, err := message(server)
			if err != nil {
				return err
			}
			if _, err := client.Write(m); err != nil {
				return err
			}
			if kind == 'Z' {
				if m[5] == 'I' && p.shared != nil {
					give()
				}
				break
			}
		}
	}
}

func TestPooledBySession(t *testing.T) {
	db, err := store.Open(t.Context(), pool(t, false), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"plan_cache_mode=force_generic_plan", "tcp_keepalives_idle=10"} {
		name, value, _ := strings.Cut(want, "=")
		var is string
		// What is not a connection by TCP for PostgreSQL keeps no connection alive.
		if err := db.Writer.QueryRow(`SELECT current_setting($1)`, name).Scan(&is); err != nil || is != value {
			t.Errorf("%s is %q, %v", name, is, err)
		}
	}
	whole(t, db)
}

func TestPooledByTransaction(t *testing.T) {
	db, err := store.Open(t.Context(), pool(t, true), store.Options{})
	if err == nil {
		_ = db.Close()
	}
	if !errors.Is(err, store.ErrPooledByTransaction) || !strings.Contains(err.Error(), "pool_mode=session") {
		t.Fatalf("got %v", err)
	}
}

package feedback_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/zeroten/zeroten/internal/feedback"
	"github.com/zeroten/zeroten/internal/feedback/feedbacktest"
	"github.com/zeroten/zeroten/internal/pgtest"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/storetest"
)

// TestFullDisk wants a clear refusal while there is no room, and nothing lost.
func TestFullDisk(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	f := feedbacktest.New(t, db)
	set := func(pages int) {
		t.Helper()
		if _, err := db.Writer.ExecContext(f.Ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)); err != nil {
			t.Fatal(err)
		}
	}
	set(1) // it never is less than what there is
	acknowledged := 0
	for {
		_, err := f.Log.Record(f.Ctx, []feedback.Recording{f.Recording()})
		if err == nil {
			acknowledged++
			continue
		}
		if !store.IsFull(err) {
			t.Fatal(err)
		}
		break
	}
	holds(f, acknowledged, 0, acknowledged)
	set(1 << 30)
	f.Record(f.Recording())
	holds(f, acknowledged+1, 0, acknowledged+1)
}

// TestCutOff wants writers told at once that the database cannot be reached, and served again as soon as it can.
func TestCutOff(t *testing.T) {
	server, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: server.Host}
	p.open(t, "127.0.0.1:0")
	t.Cleanup(p.cut)
	through := *server
	through.Host = p.at
	db, err := store.Open(t.Context(), through.String(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil && !store.IsUnreachable(err) {
			t.Error(err)
		}
	})
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := newFlushed()
	f := feedbacktest.New(t, db)
	log, err := feedback.NewLog(db, feedback.Config{Now: clock, Flushed: told.take})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil && !store.IsUnreachable(err) {
			t.Error(err)
		}
	})
	f.Log = log
	f.Record(f.Recording())
	for range 3 {
		p.cut()
		for range 2 {
			_, err := f.Log.Record(f.Ctx, []feedback.Recording{f.Recording()})
			if !store.IsUnreachable(err) {
				t.Errorf("cut off: %v", err)
			}
		}
		p.open(t, p.at)
		for { // the connections in the pool may take a try to be found broken
			if _, err := f.Log.Record(f.Ctx, []feedback.Recording{f.Recording()}); err == nil {
				break
			}
		}
	}
	f = &feedbacktest.Fixture{T: t, DB: storetest.Open(t, server.String()), Ctx: f.Ctx, Tenant: f.Tenant}
	holds(f, 4, 0, 4)
	if got, want := told.of(f.Tenant), f.Entries(); len(got) != len(want) {
		t.Errorf("%d were told, want %d", len(got), len(want))
	}
}

// proxy passes connections on until it is cut.
type proxy struct {
	to, at string

	mu       sync.Mutex
	listener net.Listener
	down     bool
	conns    []net.Conn
	running  sync.WaitGroup
}

func (p *proxy) open(t *testing.T, at string) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	p.listener, p.at, p.down = l, l.Addr().String(), false
	p.running.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			p.pass(from)
		}
	})
}

func (p *proxy) pass(from net.Conn) {
	to, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = from.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		_, _ = from.Close(), to.Close()
		return
	}
	p.conns = append(p.conns, from, to)
	for _, ends := range [][2]net.Conn{{from, to}, {to, from}} {
		p.running.Go(func() {
			_, _ = io.Copy(ends[0], ends[1]) // ends when either is closed
			_ = ends[0].Close()
		})
	}
}

// cut ends all connections, and takes no more.
func (p *proxy) cut() {
	_ = p.listener.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns, p.down = nil, true
	p.mu.Unlock()
	p.running.Wait()
}

package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"
)

// However connections come and go: there are never more than there may be, each is counted for its holders alone, and two
// who hold all that they can leave something to a third.
func TestBudgets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limits{Streams: rapid.IntRange(10, 60).Draw(t, "streams"), StreamsPerKey: rapid.IntRange(1, 60).Draw(t, "key")}.withDefaults()
		c := newConnections(l)
		type one struct {
			conn    *connection
			holders []holder
		}
		var open []one
		try := func(key, address string) error {
			o := one{&connection{kind: socketConnection, end: func(error) {}}, []holder{{ofAddress, address}}}
			if err := c.add(o.conn, o.holders...); err != nil {
				return err
			}
			k := holder{ofKey, key}
			if err := c.claim(o.conn, k); err != nil {
				c.remove(o.conn)
				return err
			}
			o.holders = append(o.holders, k)
			open = append(open, o)
			return nil
		}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			if len(open) > 0 && rapid.Bool().Draw(t, "close") {
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				c.remove(open[i].conn)
				open = append(open[:i], open[i+1:]...)
			} else {
				_ = try(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), rapid.SampledFrom([]string{"1", "2"}).Draw(t, "address"))
			}
			want := map[holder]int{}
			for _, o := range open {
				for _, h := range o.holders {
					want[h]++
				}
			}
			if len(open) > l.Streams || fmt.Sprint(want) != fmt.Sprint(c.held) || want[holder{ofKey, "a"}] > l.StreamsPerKey {
				t.Fatalf("%d open, held %v, want %v", len(open), c.held, want)
			}
		}
		for _, greedy := range []string{"a", "b"} {
			for try(greedy, greedy) == nil {
				continue
			}
		}
		if err := try("c", "3"); err != nil {
			t.Fatalf("with %d of %d open, held %v: %v", len(open), l.Streams, c.held, err)
		}
	})
}

// Sockets of those who have not said who they are have a bound of their own, which leaves some to each address; and whoever
// has been let in makes room for the next.
func TestBeginners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limits{Socket: SocketLimits{Beginners: rapid.IntRange(10, 40).Draw(t, "beginners")}}.withDefaults()
		c := newConnections(l)
		var begun, open []*connection
		begin := func(address string) bool {
			conn := &connection{kind: socketConnection, end: func(error) {}}
			if c.add(conn, holder{ofAddress, address}, holder{ofBeginners, address}) != nil {
				return false
			}
			begun = append(begun, conn)
			return true
		}
		take := func(from *[]*connection) *connection {
			i := rapid.IntRange(0, len(*from)-1).Draw(t, "which")
			conn := (*from)[i]
			*from = slices.Delete(*from, i, i+1)
			return conn
		}
		for range 150 {
			switch act := rapid.IntRange(0, 4).Draw(t, "act"); {
			case act == 0 && len(begun) > 0:
				conn := take(&begun)
				if err := c.claim(conn, holder{ofKey, "k"}); err != nil {
					t.Fatalf("let in: %v", err)
				}
				open = append(open, conn)
			case act == 1 && len(begun) > 0:
				c.remove(take(&begun))
			case act == 2 && len(open) > 0:
				c.remove(take(&open))
			default:
				begin(rapid.SampledFrom([]string{"1", "2"}).Draw(t, "address"))
			}
			if c.beginning != len(begun) || len(begun) > l.Socket.Beginners {
				t.Fatalf("%d begin, of at most %d, and %d are counted", len(begun), l.Socket.Beginners, c.beginning)
			}
		}
		for begin("1") {
			continue
		}
		if !begin("3") {
			t.Fatalf("where one address has %d of %d, another gets none", c.held[holder{ofBeginners, "1"}], l.Socket.Beginners)
		}
		for _, conn := range append(begun, open...) {
			c.remove(conn)
		}
		if c.beginning != 0 || len(c.held) != 0 {
			t.Fatalf("nothing is open, and %v is held", c.held)
		}
	})
}

// Who opens one connection after the other is refused in the end, though none is open.
func TestOpening(t *testing.T) {
	c := newConnections(Limits{OpenRate: 1, OpenBurst: 5}.withDefaults())
	opened := 0
	for ; opened < 1_000; opened++ {
		conn := &connection{kind: streamConnection, end: func(error) {}}
		if c.add(conn, holder{ofAddress, "1"}, holder{ofKey, "k"}) != nil {
			break
		}
		c.remove(conn)
	}
	if opened == 1_000 {
		t.Error("it may open as many as it likes")
	}
	if err := c.add(&connection{kind: streamConnection}, holder{ofAddress, "2"}, holder{ofKey, "other"}); err != nil {
		t.Errorf("another: %v", err)
	}
}

// frame is a frame as a client sends it, masked by zeros.
func frame(first byte, payload int) []byte {
	var b []byte
	switch {
	case payload < 126:
		b = []byte{first, 0x80 | byte(payload)}
	case payload < 1<<16:
		b = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(payload))
	default:
		b = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, uint64(payload))
	}
	return append(b, make([]byte, 4+payload)...)
}

// Frames are counted however their bytes come.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sent []byte
		n := rapid.IntRange(0, 20).Draw(t, "frames")
		for range n {
			size := rapid.OneOf(rapid.IntRange(0, 200), rapid.SampledFrom([]int{125, 126, 65_535, 65_536})).Draw(t, "size")
			f := frame(byte(rapid.IntRange(0, 255).Draw(t, "first")), size)
			if rapid.Bool().Draw(t, "unmasked") {
				f[1] &= 0x7f
				f = f[:len(f)-4]
			}
			sent = append(sent, f...)
		}
		var count frames
		got := 0
		for len(sent) > 0 {
			part := rapid.IntRange(1, min(len(sent), 70_000)).Draw(t, "part")
			got += count.count(sent[:part])
			sent = sent[part:]
		}
		if got != n {
			t.Fatalf("%d frames, counted %d", n, got)
		}
	})
}

// floods are what a client can send without an end that costs it next to nothing.
var floods = map[string]func(io.Writer) error{
	"empty fragments":        func(w io.Writer) error { return repeat(w, frame(0x01, 0), frame(0x00, 0)) },
	"pings":                  func(w io.Writer) error { return repeat(w, nil, frame(0x89, 0)) },
	"pongs":                  func(w io.Writer) error { return repeat(w, nil, frame(0x8a, 0)) },
	"pings within a message": func(w io.Writer) error { return repeat(w, frame(0x01, 0), frame(0x89, 0)) },
	"small fragments":        func(w io.Writer) error { return repeat(w, frame(0x01, 0), frame(0x00, 1)) },
	"a message of blanks":    func(w io.Writer) error { return repeat(w, frame(0x01, 0), frame(0x00, 64<<10)) },
	"messages of the protocol": func(w io.Writer) error {
		return repeat(w, nil, text(`{"type":"ping"}`))
	},
	"pongs of the protocol": func(w io.Writer) error { return repeat(w, nil, text(`{"type":"pong"}`)) },
	"completes":             func(w io.Writer) error { return repeat(w, nil, text(`{"type":"complete","id":"unknown"}`)) },
	"connection_init":       func(w io.Writer) error { return repeat(w, nil, text(`{"type":"connection_init"}`)) },
}

func text(s string) []byte { return append(frame(0x81, len(s))[:6], s...) }

func repeat(w io.Writer, first, next []byte) error {
	_, err := w.Write(first)
	for err == nil {
		_, err = w.Write(next)
	}
	return err
}

// What costs a client nothing costs the server no more than a little: the socket is closed, before and after the client
// was let in.
func TestFloods(t *testing.T) {
	for name, flood := range floods {
		for _, known := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, known %t", name, known), func(t *testing.T) {
				inWorld(t, Limits{Socket: SocketLimits{Rate: 5, Burst: 10}}, func(t *testing.T, w *world) {
					conn := w.raw(known)
					defer conn.Close()
					over := make(chan error, 1)
					go func() { over <- flood(conn) }()
					said, err := io.ReadAll(conn)
					if err != nil {
						t.Logf("reading: %v", err)
					}
					if err := <-over; err == nil {
						t.Error("it goes on for ever")
					}
					if closing := lastClose(said); closing == -1 {
						t.Errorf("no close frame in % x", said)
					}
				})
			})
		}
	}
}

// Many sockets of one key have one budget.
func TestFloodsOfOneKey(t *testing.T) {
	inWorld(t, Limits{Socket: SocketLimits{KeyRate: 1, KeyBurst: 60}}, func(t *testing.T, w *world) {
		const key = `,"payload":{"accessToken":"good"}`
		closed := 0
		for range 6 {
			p := w.open(key)
			gone := make(chan error, 1)
			go func() {
				_, _, err := p.Read(t.Context())
				gone <- err
			}()
			for range 18 {
				if p.Ping(t.Context()) != nil {
					break
				}
			}
			synctest.Wait()
			p.CloseNow()
			if err := <-gone; websocket.CloseStatus(err) == websocket.StatusPolicyViolation {
				closed++
			}
		}
		if closed == 0 {
			t.Error("the sockets of one key have budgets of their own")
		}
	})
}

// raw is a socket whose frames the test writes itself.
func (w *world) raw(known bool) net.Conn {
	w.t.Helper()
	ours, theirs := net.Pipe()
	w.conns <- theirs
	_ = ours.SetDeadline(time.Now().Add(time.Hour)) // of the bubble's
	_, err := io.WriteString(ours, "GET /graphql HTTP/1.1\r\nHost: here.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n")
	if err != nil {
		w.t.Fatal(err)
	}
	var head []byte
	for b := make([]byte, 1); len(head) < 4 || string(head[len(head)-4:]) != "\r\n\r\n"; head = append(head, b...) {
		if _, err := ours.Read(b); err != nil {
			w.t.Fatal(err)
		}
	}
	if known {
		if _, err := ours.Write(text(`{"type":"connection_init","payload":{"accessToken":"good"}}`)); err != nil {
			w.t.Fatal(err)
		}
		ack := make([]byte, 2+len(`{"type":"connection_ack"}`))
		if _, err := io.ReadFull(ours, ack); err != nil {
			w.t.Fatal(err)
		}
	}
	return ours
}

// lastClose is the code of the close frame among what a server said; -1 where there is none.
func lastClose(said []byte) int {
	for len(said) >= 2 {
		size, head := int(said[1]), 2
		if size == 126 && len(said) >= 4 {
			size, head = int(binary.BigEndian.Uint16(said[2:])), 4
		}
		if len(said) < head+size {
			return -1
		}
		if said[0]&0xf == 8 && size >= 2 {
			return int(binary.BigEndian.Uint16(said[head:]))
		}
		said = said[head+size:]
	}
	return -1
}

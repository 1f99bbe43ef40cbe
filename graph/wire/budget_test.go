package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"
)

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

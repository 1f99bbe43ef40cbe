package edge

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// However connections come and go: there are never more than there may be, each is counted for its holders alone, and two
// who hold all that they can leave something to a third.
func TestBudgets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Config{Streams: rapid.IntRange(10, 60).Draw(t, "streams"), StreamsPerKey: rapid.IntRange(1, 60).Draw(t, "key")}.withDefaults()
		c := newConnections(l)
		type one struct {
			conn    *Connection
			holders []Holder
		}
		var open []one
		try := func(key, address string) error {
			o := one{&Connection{End: func(error) {}}, []Holder{{Address, address}}}
			if err := c.add(o.conn, o.holders...); err != nil {
				return err
			}
			k := Holder{Key, key}
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
			want := map[Holder]int{}
			for _, o := range open {
				for _, h := range o.holders {
					want[h]++
				}
			}
			if len(open) > l.Streams || fmt.Sprint(want) != fmt.Sprint(c.held) || want[Holder{Key, "a"}] > l.StreamsPerKey {
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
		l := Config{Beginners: rapid.IntRange(10, 40).Draw(t, "beginners")}.withDefaults()
		c := newConnections(l)
		var begun, open []*Connection
		begin := func(address string) bool {
			conn := &Connection{End: func(error) {}}
			if c.add(conn, Holder{Address, address}, Holder{Beginner, address}) != nil {
				return false
			}
			begun = append(begun, conn)
			return true
		}
		take := func(from *[]*Connection) *Connection {
			i := rapid.IntRange(0, len(*from)-1).Draw(t, "which")
			conn := (*from)[i]
			*from = slices.Delete(*from, i, i+1)
			return conn
		}
		for range 150 {
			switch act := rapid.IntRange(0, 4).Draw(t, "act"); {
			case act == 0 && len(begun) > 0:
				conn := take(&begun)
				if err := c.claim(conn, Holder{Key, "k"}); err != nil {
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
			if c.beginning != len(begun) || len(begun) > l.Beginners {
				t.Fatalf("%d begin, of at most %d, and %d are counted", len(begun), l.Beginners, c.beginning)
			}
		}
		for begin("1") {
			continue
		}
		if !begin("3") {
			t.Fatalf("where one address has %d of %d, another gets none", c.held[Holder{Beginner, "1"}], l.Beginners)
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
	c := newConnections(Config{OpenRate: 1, OpenBurst: 5}.withDefaults())
	opened := 0
	for ; opened < 1_000; opened++ {
		conn := &Connection{End: func(error) {}}
		if c.add(conn, Holder{Address, "1"}, Holder{Key, "k"}) != nil {
			break
		}
		c.remove(conn)
	}
	if opened == 1_000 {
		t.Error("it may open as many as it likes")
	}
	if err := c.add(&Connection{}, Holder{Address, "2"}, Holder{Key, "other"}); err != nil {
		t.Errorf("another: %v", err)
	}
}

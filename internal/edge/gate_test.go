package edge

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// A room never holds more than it may, and two who take all that they can leave something to a third.
func TestRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := hall{most: rapid.IntRange(10, 100).Draw(t, "most"), each: rapid.IntRange(1, 100).Draw(t, "each"), held: map[netip.Addr]int{}}
		who := []netip.Addr{netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2.2.2.2")}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			w := rapid.SampledFrom(who).Draw(t, "who")
			if rapid.Bool().Draw(t, "leave") {
				if r.held[w] > 0 {
					r.leave(w)
				}
			} else if r.enter(w, true) && r.held[w] > r.each {
				t.Fatalf("%d of one", r.held[w])
			}
		}
		for _, w := range who {
			for r.enter(w, true) {
				continue
			}
		}
		if r.open > r.most || r.open != r.held[who[0]]+r.held[who[1]] || !r.enter(netip.MustParseAddr("3.3.3.3"), true) {
			t.Fatalf("%d of %d: %v", r.open, r.most, r.held)
		}
		for r.enter(who[0], false) { // a proxy's are those of many
			continue
		}
		if r.open != r.most {
			t.Fatalf("a proxy fills it up to %d of %d", r.open, r.most)
		}
	})
}

package edge

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Nobody takes so much that there is nothing for others.
func TestRoomIsShared(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const size = 1_000
		r := room{free: size}
		has := map[string]int{}
		for range 100 {
			holder := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "holder")
			n := rapid.IntRange(1, 300).Draw(t, "n")
			if rapid.Bool().Draw(t, "give") {
				n = min(n, has[holder])
				r.move(holder, -n)
				has[holder] -= n
			} else if r.take(holder, n) {
				has[holder] += n
				if left := size - has["a"] - has["b"] - has["c"]; left < 0 || has[holder] > 2*left {
					t.Fatalf("%s has %d, and %d are left", holder, has[holder], left)
				}
			} else if left := size - has["a"] - has["b"] - has["c"]; has[holder]+n <= 2*(left-n) {
				t.Fatalf("%s, which has %d, gets no %d of %d", holder, has[holder], n, left)
			}
			if r.free != size-has["a"]-has["b"]-has["c"] {
				t.Fatalf("%d are free, of what %v have", r.free, has)
			}
		}
	})
}

func isBusy(err error) bool {
	refused, ok := errors.AsType[*Refusal](err)
	return ok && refused.Why == Busy
}

// However large a buffer is that is used again: a body has room for what has come of it, and not for twice as much.
func TestWhatComesHasRoom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size, limit := rapid.IntRange(0, 200_000).Draw(t, "size"), rapid.IntRange(0, 200_000).Draw(t, "limit")
		first, kept := rapid.IntRange(0, 64<<10).Draw(t, "first"), rapid.IntRange(0, 64<<10).Draw(t, "kept")
		free := rapid.IntRange(0, 500_000).Draw(t, "free")
		d := &Door{bodies: &bodies{small: room{free: free}, large: room{free: free}}}
		in := d.Intake("a", nil)
		b, err := in.read(make([]byte, 0, kept), first, strings.NewReader(strings.Repeat("x", size)), limit, nil)
		if len(b) > in.held || in.held > max(512, first, 2*len(b)) || in.room.free != free-in.held {
			t.Fatalf("%d bytes have come, it holds %d, and %d of %d are free: %v", len(b), in.held, in.room.free, free, err)
		}
		switch {
		case size > limit && len(b) <= limit && !isBusy(err), size <= limit && err == nil && len(b) != size:
			t.Fatalf("of %d bytes, where %d may be, %d have come: %v", size, limit, len(b), err)
		case size > limit && err == nil, size <= limit && err != nil && !isBusy(err):
			t.Fatalf("%d bytes, where %d may be: %v", size, limit, err)
		}
	})
}
